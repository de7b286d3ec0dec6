//! The forms of answers, and the exit codes, that people and checks rely on.

use serde_json::Value;

use super::home::Home;

fn receipt(value: &Value) {
    assert_eq!(value["receipt"]["profile"], "embedded", "{value}");
    assert_eq!(value["receipt"]["cloud"], "embedded", "{value}");
}

fn list(value: &Value) {
    receipt(value);
    let items = value["items"].as_array().unwrap();
    assert_eq!(value["returned"], items.len());
    assert!(value["total"].is_u64() && value["complete"].is_boolean(), "{value}");
}

#[test]
fn a_search_is_a_bare_array_best_first() {
    let found = Home::new().json(&["search", "start", "a", "new", "virtual", "machine"]);
    let found = found.as_array().unwrap();
    assert!(!found.is_empty());
    for hit in found {
        assert!(hit["command"].is_string() && hit["title"].is_string() && hit["risk"].is_string() && hit["score"].is_number(), "{hit}");
    }
    assert!(found.is_sorted_by(|left, right| left["score"].as_f64() >= right["score"].as_f64()));
    assert!(found.iter().take(3).any(|hit| hit["command"] == "deployVirtualMachine"), "{found:?}");
}

#[test]
fn a_search_for_a_thing_says_which_listing_finds_it() {
    Home::new().run(&["search", "the", "host", "kvm-07", "--output", "json"]).told(0, &["hint: `kvm-07`", "`listHosts` with"]);
    assert!(!Home::new().run(&["search", "put", "a", "host", "into", "maintenance"]).err.contains("hint"));
}

#[test]
fn a_search_is_narrowed_by_risk_family_role_and_release() {
    let found = Home::new().json(&["search", "volume", "--risk-max", "read", "--family", "volume"]);
    assert!(found.as_array().unwrap().iter().all(|hit| hit["risk"] == "read" && hit["family"] == "volume"), "{found}");
    Home::new().run(&["search", "volume", "--risk-max", "evil"]).told(2, &["evil", "raze"]);
    let found = |options: &[&str]| Home::new().json(&[&["search", "add a hypervisor extension"], options].concat()).to_string();
    assert!(found(&[]).contains("\"addHost\"") && found(&[]).contains("\"createExtension\""));
    assert!(!found(&["--role", "user"]).contains("\"addHost\""));
    assert!(!found(&["--release", "4.20"]).contains("\"createExtension\""));
    list(&Home::new().json(&["search", "--families"]));
}

#[test]
fn a_command_is_described_in_any_spelling() {
    for spelling in [&["listZones"][..], &["list_zones"], &["list", "zones"], &["LISTZONES"]] {
        let described = Home::new().json(&[&["describe"], spelling].concat());
        assert_eq!(described["command"], "listZones");
        receipt(&described);
    }
    Home::new().run(&["describe", "listZonez"]).told(2, &["error:", "hint:", "listZones"]);
}

#[test]
fn a_list_says_how_many_there_are_and_as_whom() {
    let home = Home::new();
    list(&home.json(&["run", "listVirtualMachines"]));
    list(&home.json(&["find", "web-1"]));
    let cut = home.json(&["run", "list", "virtualmachines", "--limit", "2", "--fields", "name,nic.ipaddress"]);
    list(&cut);
    assert_eq!((cut["returned"].as_u64(), cut["complete"].as_bool()), (Some(2), Some(false)));
    assert!(cut["items"][0]["id"].is_null() && cut["items"][0]["name"].is_string(), "{cut}");
    let people = home.run(&["run", "listVirtualMachines"]);
    assert!(people.out.contains("NAME") && people.out.contains("complete; as admin (Root Admin) on the embedded cloud"), "{}", people.out);
}

#[test]
fn a_deploy_by_names_waits_for_its_job() {
    let deploy = ["run", "deployVirtualMachine", "name=it-1", "zoneid=zone-1", "templateid=Ubuntu 24.04", "serviceofferingid=Small Instance"];
    let deployed = Home::new().json(&deploy);
    receipt(&deployed);
    assert_eq!((deployed["result"]["name"].as_str(), deployed["job"]["status"].as_str()), (Some("it-1"), Some("succeeded")), "{deployed}");
}

#[test]
fn values_come_from_files_and_from_standard_input() {
    let home = Home::new();
    home.file("name.txt", "zone-1\n");
    assert_eq!(home.json(&["run", "listZones", "name=@name.txt"])["returned"], 1);
    let ended = home.run_with(&["run", "listZones", "name=-", "--output", "json"], "zone-1\n");
    assert_eq!(ended.json()["returned"], 1);
    home.run(&["run", "listZones", "name=@missing.txt"]).told(2, &["missing.txt"]);
}

#[test]
fn every_fault_of_a_call_is_told_at_once_with_exit_code_2() {
    let ended = Home::new().run(&["run", "deployVirtualMachine", "nam=x", "startvm=perhaps"]);
    ended.told(2, &["error:", "`nam`", "did you mean `name`?", "`zoneid`", "`serviceofferingid`", "startvm"]);
    assert!(ended.out.is_empty(), "{}", ended.out);
}

#[test]
fn a_fault_is_json_too_where_json_was_asked_for() {
    let ended = Home::new().run(&["run", "startVirtualMachine", "id=nobody", "--output", "json"]);
    ended.told(5, &["error:", "nobody"]);
    assert_eq!(ended.json()["error"]["kind"], "not_found");
    receipt(&ended.json());
}

#[test]
fn read_only_refuses_by_risk_with_exit_code_4() {
    let home = Home::new();
    home.run(&["run", "startVirtualMachine", "id=build-1", "--read-only"]).told(4, &["error:"]);
    assert_eq!(home.run(&["run", "listZones", "--read-only"]).code, 0);
    let ended = home.with("CLOUDSTACK_MCP_READ_ONLY", "1").run(&["run", "startVirtualMachine", "id=build-1"]);
    ended.told(4, &["error:"]);
}

#[test]
fn csv_is_one_row_an_item_and_a_table_has_no_footer() {
    let home = Home::new();
    let csv = home.run(&["run", "listVirtualMachines", "--fields", "name,state", "--output", "csv"]).out;
    assert!(csv.starts_with("name,state\r\n") && csv.contains("web-1,Running\r\n"), "{csv}");
    let table = home.run(&["run", "listVirtualMachines", "--fields", "name,state", "--output", "table"]).out;
    assert!(table.starts_with("NAME") && !table.contains("complete"), "{table}");
}

#[test]
fn tables_fit_the_columns_there_are_and_colours_can_be_had_or_not() {
    let home = Home::new().with("COLUMNS", "60");
    let table = home.run(&["run", "listVirtualMachines", "--output", "table"]).out;
    assert!(table.lines().all(|line| line.chars().count() <= 60), "{table}");
    assert!(!table.contains('\u{1b}'));
    assert!(home.run(&["run", "listVirtualMachines", "--color", "always"]).out.contains('\u{1b}'));
}

#[test]
fn a_job_that_is_not_waited_for_is_told_with_its_id() {
    let started = Home::new().json(&["run", "startVirtualMachine", "id=build-1", "--no-wait"]);
    assert_eq!(started["job"]["status"], "pending", "{started}");
    assert!(started["job"]["id"].is_string() && started["next"].is_string(), "{started}");
}

#[test]
fn what_nobody_reads_is_no_failure() {
    let home = Home::new();
    let mut child = home.command(&["reference", "cli"]).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn what_is_no_verb_is_a_fault_of_usage() {
    Home::new().run(&["deploy"]).told(2, &["deploy"]);
    Home::new().run(&[]).told(2, &["Usage"]);
    assert_eq!(Home::new().run(&["--help"]).code, 0);
}
