//! Calls that go through the door to an embedded cloud and back.

use serde_json::{Value, json};

use super::session::{Era, Session};

#[test]
fn a_machine_is_found_described_deployed_and_read_by_names() {
    for era in [Era::Modern, Era::Legacy] {
        let mut session = Session::open(era, &[]);
        let found = session.done("search", json!({"query": "create a new virtual machine"}));
        let commands: Vec<&str> = found["items"].as_array().unwrap().iter().filter_map(|item| item["command"].as_str()).collect();
        assert!(commands.contains(&"deployVirtualMachine"), "{commands:?}");
        assert!(found["receipt"]["profile"].is_string() && found["returned"].is_u64() && found["complete"].is_boolean(), "{found}");
        let described = session.done("describe", json!({"command": "deploy_virtual_machine"}));
        assert!(described.to_string().contains("templateid"), "{described}");
        let zone = session.done("read", json!({"command": "listZones", "fields": ["name"]}))["items"][0]["name"].clone();
        let offering = session.done("read", json!({"command": "listServiceOfferings", "fields": ["name"]}))["items"][0]["name"].clone();
        let templates = session.done("read", json!({"command": "listTemplates", "arguments": {"templatefilter": "executable"}, "fields": ["name"]}));
        let template = templates["items"][0]["name"].clone();
        let arguments = json!({"name": "it-1", "zoneid": zone, "serviceofferingid": offering, "templateid": template});
        let deployed = session.done("run", json!({"command": "deployVirtualMachine", "arguments": arguments}));
        assert_eq!(deployed["job"]["status"], "succeeded", "{deployed}");
        assert_eq!(deployed["result"]["name"], "it-1");
        assert_eq!(deployed["receipt"]["cloud"], "embedded");
        let listed = session.done("read", json!({"command": "listVirtualMachines", "arguments": {"name": "it-1"}}));
        assert_eq!((&listed["returned"], &listed["complete"], &listed["items"][0]["state"]), (&json!(1), &json!(true), &json!("Running")), "{listed}");
        let found = session.done("find", json!({"text": "it-1"}));
        assert!(found["items"].as_array().unwrap().iter().any(|item| item["id"] == deployed["result"]["id"]), "{found}");
    }
}

#[test]
fn a_job_can_be_followed_instead_of_waited_for() {
    let mut session = Session::open(Era::Modern, &[]);
    let begun = session.done("run", json!({"command": "stopVirtualMachine", "arguments": {"id": "web-1"}, "wait_seconds": 0, "approval_token": ""}));
    // Stopping disrupts, hence asks first: the token that comes lets it pass.
    let begun = if begun["status"] == "needs_approval" {
        let arguments = json!({"command": "stopVirtualMachine", "arguments": {"id": "web-1"}, "wait_seconds": 0, "approval_token": begun["approval_token"]});
        session.done("run", arguments)
    } else {
        begun
    };
    let job = begun["job"]["id"].as_str().unwrap_or_else(|| panic!("{begun}")).to_owned();
    let followed = session.done("job", json!({"id": job, "wait_seconds": 20}));
    assert_eq!(followed["job"]["status"], "succeeded", "{followed}");
}

#[test]
fn a_list_says_how_many_there_are_and_whether_it_is_whole() {
    let mut session = Session::open(Era::Modern, &["--vms", "1200"]);
    let listed = session.done("read", json!({"command": "listVirtualMachines", "fields": ["name"]}));
    let returned = listed["items"].as_array().unwrap().len();
    assert!(returned >= 1_200, "{returned}");
    assert_eq!((listed["returned"].as_u64(), &listed["complete"]), (Some(returned as u64), &json!(true)));
    let cut = session.done("read", json!({"command": "listVirtualMachines", "fields": ["name"], "limit": 3}));
    assert_eq!((&cut["returned"], &cut["complete"]), (&json!(3), &json!(false)), "{cut}");
    assert!(cut["next"].is_string(), "{cut}");
}

#[test]
fn reading_refuses_to_act_and_says_which_tool_does() {
    let mut session = Session::open(Era::Modern, &[]);
    let refused = session.call("read", json!({"command": "destroyVirtualMachine", "arguments": {"id": "web-1"}}));
    assert_eq!(refused["isError"], true);
    assert!(refused["content"][0]["text"].as_str().unwrap().contains("`run`"), "{refused}");
}

#[test]
fn faults_of_a_call_come_all_at_once_with_hints() {
    let mut session = Session::open(Era::Modern, &[]);
    let refused = session.call("run", json!({"command": "deployVirtualMachine", "arguments": {"zone": "zone-1", "startvm": "perhaps"}}));
    let text = refused["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("zone") && text.contains("startvm") && text.contains("serviceofferingid"), "{text}");
    assert!(refused["structuredContent"]["error"]["hints"].as_array().is_some_and(|hints| !hints.is_empty()), "{refused}");
}

#[test]
fn progress_is_told_to_who_asks_for_it_and_only_grows() {
    let mut session = Session::at_normal_speed();
    let arguments = json!({"command": "rebootVirtualMachine", "arguments": {"id": "web-1"}});
    let token = session.done("run", arguments.clone())["approval_token"].clone();
    let approved = json!({"command": "rebootVirtualMachine", "arguments": {"id": "web-1"}, "approval_token": token});
    session.request("tools/call", json!({"name": "run", "arguments": approved, "_meta": {"progressToken": "p-1"}}));
    let told: Vec<&Value> = session.notifications.iter().filter(|message| message["method"] == "notifications/progress").collect();
    let done: Vec<f64> = told.iter().filter_map(|message| message["params"]["progress"].as_f64()).collect();
    assert!(!told.is_empty() && told.iter().all(|message| message["params"]["progressToken"] == "p-1"), "{told:?}");
    assert!(done.windows(2).all(|pair| pair[0] < pair[1]), "{done:?}");
    session.notifications.clear();
    session.done("read", json!({"command": "listZones"}));
    assert!(session.notifications.is_empty(), "{:?}", session.notifications);
}

#[test]
fn a_call_that_is_taken_back_gets_no_answer_and_harms_no_other() {
    let mut session = Session::at_normal_speed();
    let arguments = json!({"command": "rebootVirtualMachine", "arguments": {"id": "web-1"}});
    let token = session.done("run", arguments)["approval_token"].clone();
    let approved = json!({"command": "rebootVirtualMachine", "arguments": {"id": "web-1"}, "approval_token": token});
    let id = session.begin("tools/call", json!({"name": "run", "arguments": approved, "_meta": {"progressToken": "p-1"}}));
    while session.next()["method"] != "notifications/progress" {}
    session.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}));
    let next = session.begin("tools/call", json!({"name": "search", "arguments": {"query": "list vms"}}));
    assert!(session.answer(next)["result"]["structuredContent"]["items"].is_array());
    assert!(session.notifications.iter().all(|message| message.get("id").is_none()), "{:?}", session.notifications);
}

#[test]
fn a_typed_tool_runs_its_command() {
    let mut session = Session::open(Era::Modern, &["--surface", "typed"]);
    let listed = session.done("list_virtual_machines", json!({"name": "web-1", "_fields": ["name", "state"]}));
    assert_eq!(listed["items"][0], json!({"name": "web-1", "state": "Running"}), "{listed}");
    let refused = session.call("list_virtual_machines", json!({"nam": "web-1"}));
    assert!(refused["content"][0]["text"].as_str().unwrap().contains("did you mean `name`?"), "{refused}");
    let refused = session.call("list_virtual_machines", json!({"_field": ["name"]}));
    assert!(refused["content"][0]["text"].as_str().unwrap().contains("did you mean `_fields`?"), "{refused}");
}

#[test]
fn profiles_tell_where_and_as_whom() {
    let mut session = Session::open(Era::Modern, &[]);
    let told = session.done("profiles", json!({}));
    assert_eq!((&told["returned"], &told["items"][0]["cloud"]), (&json!(1), &json!("embedded")), "{told}");
    assert!(told["receipt"]["account"].is_string(), "{told}");
    assert!(!told.to_string().to_lowercase().contains("secret"), "{told}");
    assert_eq!(session.call("profiles", json!({"profile": "nowhere"}))["isError"], true);
}
