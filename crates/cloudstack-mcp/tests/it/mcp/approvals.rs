//! Approvals in the three ways, and every way around them that must not be one.

use serde_json::{Value, json};

use super::session::{Era, Session};

fn destroy() -> Value {
    json!({"command": "destroyVirtualMachine", "arguments": {"id": "web-1"}})
}

fn state(session: &mut Session) -> String {
    let listed = session.done("read", json!({"command": "listVirtualMachines", "arguments": {"name": "web-1"}, "fields": ["name", "state"]}));
    listed["items"][0]["state"].as_str().unwrap_or("gone").to_owned()
}

/// Asks for the destruction as a client of the newer era, and gives what it is asked in turn.
fn asked(session: &mut Session, arguments: &Value) -> Value {
    let result = session.request("tools/call", json!({"name": "run", "arguments": arguments}))["result"].clone();
    assert_eq!(result["resultType"], "input_required", "{result}");
    result
}

/// Makes the call again with the person's answer.
#[expect(clippy::needless_pass_by_value, reason = "answers are literals where this is called")]
fn answered(session: &mut Session, arguments: &Value, state: &Value, answer: Value) -> Value {
    let parameters = json!({"name": "run", "arguments": arguments, "requestState": state, "inputResponses": {"approval": answer}});
    session.request("tools/call", parameters)["result"].clone()
}

fn yes() -> Value {
    json!({"action": "accept", "content": {"approve": true}})
}

#[test]
fn a_newer_client_asks_its_person_and_calls_again() {
    let mut session = Session::with_forms(Era::Modern);
    let question = asked(&mut session, &destroy());
    let form = &question["inputRequests"]["approval"]["params"];
    assert!(form["message"].as_str().unwrap().contains("web-1"), "{form}");
    assert_eq!(form["requestedSchema"]["properties"]["approve"]["default"], false);
    assert_eq!(state(&mut session), "Running");
    let result = answered(&mut session, &destroy(), &question["requestState"], yes());
    assert_ne!(result["isError"], true, "{result}");
    assert_ne!(state(&mut session), "Running");
}

#[test]
fn a_no_is_final_and_said_so() {
    for answer in [json!({"action": "decline"}), json!({"action": "cancel"}), json!({"action": "accept", "content": {"approve": false}})] {
        let mut session = Session::with_forms(Era::Modern);
        let question = asked(&mut session, &destroy());
        let result = answered(&mut session, &destroy(), &question["requestState"], answer);
        assert_eq!((&result["isError"], &result["structuredContent"]["error"]["kind"]), (&json!(true), &json!("denied")), "{result}");
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("nothing was changed") && text.contains("final"), "{text}");
        assert_eq!(state(&mut session), "Running");
    }
}

#[test]
fn a_state_that_was_tampered_with_or_made_up_approves_nothing() {
    let mut session = Session::with_forms(Era::Modern);
    let question = asked(&mut session, &destroy());
    let mut seal = question["requestState"].as_str().unwrap().to_owned();
    let last = seal.pop().unwrap();
    seal.push(if last == 'A' { 'B' } else { 'A' });
    for state in [seal.as_str(), "made up", ""] {
        let result = answered(&mut session, &destroy(), &json!(state), yes());
        assert!(result["isError"] == true || result["resultType"] == "input_required", "{result}");
    }
    assert_eq!(state(&mut session), "Running");
}

#[test]
fn an_approval_is_for_one_call_with_these_arguments_once() {
    let mut session = Session::with_forms(Era::Modern);
    let question = asked(&mut session, &destroy());
    for other in [
        json!({"command": "destroyVirtualMachine", "arguments": {"id": "db-1"}}),
        json!({"command": "destroyVirtualMachine", "arguments": {"id": "web-1", "expunge": true}}),
        json!({"command": "stopVirtualMachine", "arguments": {"id": "web-1"}}),
    ] {
        let result = answered(&mut session, &other, &question["requestState"], yes());
        assert!(result["isError"] == true || result["resultType"] == "input_required", "{other}: {result}");
        assert_eq!(state(&mut session), "Running");
    }
    let question = asked(&mut session, &destroy());
    assert_ne!(answered(&mut session, &destroy(), &question["requestState"], yes())["isError"], true);
    session.done("run", json!({"command": "recoverVirtualMachine", "arguments": {"id": "web-1"}}));
    let again = answered(&mut session, &destroy(), &question["requestState"], yes());
    assert!(again["isError"] == true || again["resultType"] == "input_required", "{again}");
    assert_ne!(state(&mut session), "Destroyed", "the approval was used up");
}

#[test]
fn an_older_client_is_asked_while_its_call_is_open() {
    for (answer, goes_through) in [(yes(), true), (json!({"action": "decline"}), false)] {
        let mut session = Session::with_forms(Era::Legacy);
        let id = session.begin("tools/call", json!({"name": "run", "arguments": destroy()}));
        let question = session.next();
        assert_eq!(question["method"], "elicitation/create", "{question}");
        assert!(question["params"]["message"].as_str().unwrap().contains("web-1"), "{question}");
        session.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": answer}));
        let result = session.answer(id)["result"].clone();
        assert_eq!(result["isError"] != true, goes_through, "{result}");
        assert_eq!(state(&mut session) != "Running", goes_through);
    }
}

#[test]
fn a_client_without_forms_gets_the_plan_and_a_token() {
    for era in [Era::Modern, Era::Legacy] {
        let mut session = Session::open(era, &[]);
        let plan = session.done("run", destroy());
        assert_eq!(plan["status"], "needs_approval", "{plan}");
        assert!(plan["message"].as_str().unwrap().starts_with("Not done"), "{plan}");
        assert!(plan["plan"]["targets"].to_string().contains("web-1"), "{plan}");
        assert!(plan["receipt"]["profile"].is_string(), "{plan}");
        assert_eq!(state(&mut session), "Running");
        let mut approved = destroy();
        approved["approval_token"] = plan["approval_token"].clone();
        session.done("run", approved.clone());
        assert_ne!(state(&mut session), "Running");
        session.done("run", json!({"command": "recoverVirtualMachine", "arguments": {"id": "web-1"}}));
        let again = session.call("run", approved);
        assert!(again["isError"] == true || again["structuredContent"]["status"] == "needs_approval", "{again}");
    }
}

#[test]
fn no_argument_of_a_model_is_consent() {
    let mut session = Session::open(Era::Modern, &[]);
    for arguments in [
        json!({"command": "destroyVirtualMachine", "arguments": {"id": "web-1"}, "confirm": true}),
        json!({"command": "destroyVirtualMachine", "arguments": {"id": "web-1", "confirm": true}}),
        json!({"command": "destroyVirtualMachine", "arguments": {"id": "web-1"}, "approval_token": "yes"}),
        json!({"command": "destroyVirtualMachine", "arguments": {"id": "web-1"}, "approval_name": "web-1"}),
    ] {
        let result = session.call("run", arguments);
        assert!(result["isError"] == true || result["structuredContent"]["status"] == "needs_approval", "{result}");
        assert_eq!(state(&mut session), "Running");
    }
}

#[test]
fn a_preview_hands_out_no_approval() {
    let mut session = Session::open(Era::Modern, &[]);
    let plan = session.done("plan", destroy());
    assert_eq!((&plan["plan"]["risk"], &plan["plan"]["needs_approval"]), (&json!("disrupt"), &json!(true)), "{plan}");
    assert!(!plan.to_string().contains("approval_token"), "{plan}");
    assert_eq!(state(&mut session), "Running");
}

#[test]
fn the_widest_class_of_calls_wants_the_name_typed() {
    let mut session = Session::with_forms(Era::Modern);
    let delete = json!({"command": "deleteDomain", "arguments": {"id": "ROOT/globex", "cleanup": true}});
    let question = asked(&mut session, &delete);
    let properties = &question["inputRequests"]["approval"]["params"]["requestedSchema"]["properties"];
    let title = properties["name"]["title"].as_str().unwrap_or_else(|| panic!("{question}"));
    for wrong in [json!({"action": "accept", "content": {"name": "something else"}}), yes()] {
        let question = asked(&mut session, &delete);
        let result = answered(&mut session, &delete, &question["requestState"], wrong);
        assert!(result["isError"] == true || result["resultType"] == "input_required", "{result}");
    }
    let name = title.strip_prefix("Type ").and_then(|rest| rest.strip_suffix(" to approve")).unwrap();
    let question = asked(&mut session, &delete);
    let result = answered(&mut session, &delete, &question["requestState"], json!({"action": "accept", "content": {"name": name}}));
    assert_ne!(result["isError"], true, "{result}");
}

#[test]
fn a_token_for_the_widest_class_of_calls_needs_the_name_besides() {
    let mut session = Session::open(Era::Modern, &[]);
    let delete = json!({"command": "deleteDomain", "arguments": {"id": "ROOT/globex", "cleanup": true}});
    let plan = session.done("run", delete.clone());
    let name = plan["plan"]["typed_name"].clone();
    assert!(name.is_string() && plan["message"].as_str().unwrap().contains("`approval_name`"), "{plan}");
    for (typed, goes_through) in [(json!(null), false), (json!("something else"), false), (name, true)] {
        let mut approved = delete.clone();
        approved["approval_token"] = session.done("run", delete.clone())["approval_token"].clone();
        approved["approval_name"] = typed;
        let result = session.call("run", approved);
        let is_done = result["isError"] != true && result["structuredContent"]["status"] != "needs_approval";
        assert_eq!(is_done, goes_through, "{result}");
    }
}
