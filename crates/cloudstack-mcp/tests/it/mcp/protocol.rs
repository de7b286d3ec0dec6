//! The protocol itself, in both eras: handshakes, faults, the end.

use std::time::Duration;

use serde_json::json;

use super::session::{Era, Session};

#[test]
fn a_client_of_either_era_learns_who_serves_it_and_how_to_use_it() {
    let mut modern = Session::open(Era::Modern, &[]);
    let discovered = modern.request("server/discover", json!({}))["result"].clone();
    assert!(discovered["supportedVersions"].as_array().unwrap().contains(&json!("2026-07-28")), "{discovered}");
    assert!(discovered["ttlMs"].as_u64().unwrap() > 0);
    assert!(discovered["instructions"].as_str().unwrap().contains("`search`"));
    let mut legacy = Session::silent(Era::Legacy, &json!({}), &[]);
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
    let initialized = legacy.request("initialize", hello)["result"].clone();
    assert_eq!(initialized["protocolVersion"], "2025-06-18");
    assert_eq!(initialized["serverInfo"]["name"], "cloudstack-mcp");
    assert_eq!(initialized["instructions"], discovered["instructions"]);
}

#[test]
fn every_result_says_who_served_it() {
    let mut session = Session::open(Era::Modern, &[]);
    for (method, parameters) in [
        ("tools/list", json!({})),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({"uri": "cloudstack://families"})),
        ("prompts/list", json!({})),
        ("prompts/get", json!({"name": "morning_check"})),
        ("tools/call", json!({"name": "search", "arguments": {"query": "list vms"}})),
    ] {
        let answer = session.request(method, parameters);
        assert_eq!(answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "cloudstack-mcp", "{method}: {answer}");
    }
}

#[test]
fn a_first_message_that_is_no_request_does_no_harm() {
    let mut session = Session::silent(Era::Modern, &json!({}), &[]);
    session.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    session.send(&json!({"jsonrpc": "2.0", "id": 99, "result": {}}));
    assert!(session.request("tools/list", json!({}))["result"]["tools"].is_array());
}

#[test]
fn what_cannot_be_parsed_is_answered_and_the_next_message_is_read() {
    let mut session = Session::open(Era::Legacy, &[]);
    session.send_line("{\"jsonrpc\": \"2.0\", nonsense");
    let answer = session.next();
    assert_eq!((answer["error"]["code"].as_i64(), answer.get("id")), (Some(-32_700), Some(&json!(null))), "{answer}");
    session.send_line("[]");
    assert_eq!(session.next()["error"]["code"], -32_600);
    assert!(session.request("ping", json!({})).get("result").is_some());
}

#[test]
fn an_unknown_tool_is_a_fault_of_the_protocol_with_the_nearest_name() {
    let mut session = Session::open(Era::Modern, &[]);
    let error = session.request("tools/call", json!({"name": "serch", "arguments": {}}))["error"].clone();
    assert_eq!(error["code"], -32_602);
    assert_eq!(error["message"], "unknown tool `serch`; did you mean `search`?");
}

#[test]
fn unknown_arguments_are_an_answer_that_a_model_can_put_right() {
    let mut session = Session::open(Era::Modern, &[]);
    let result = session.call("search", json!({"querry": "list vms"}));
    assert_eq!(result["isError"], true);
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("unknown argument `querry`") && text.contains("`query` is missing") && text.contains("did you mean `query`?"), "{text}");
}

#[test]
fn the_process_ends_at_once_when_its_client_leaves() {
    for era in [Era::Modern, Era::Legacy] {
        let mut session = Session::open(era, &[]);
        session.request("tools/list", json!({}));
        let (status, took) = session.close();
        assert!(status.success());
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

#[test]
fn the_process_ends_at_once_also_while_a_call_is_open() {
    let mut session = Session::with_forms(Era::Legacy);
    let id = session.begin("tools/call", json!({"name": "run", "arguments": {"command": "destroyVirtualMachine", "arguments": {"id": "web-1"}}}));
    let question = session.next();
    assert_eq!(question["method"], "elicitation/create", "the call {id} waits for its person: {question}");
    let (status, took) = session.close();
    assert!(status.success());
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_client_that_only_asks_what_the_server_is_may_leave() {
    let mut session = Session::open(Era::Modern, &[]);
    session.request("server/discover", json!({}));
    assert!(session.close().0.success());
}

#[test]
fn what_was_asked_before_the_end_of_the_input_is_answered() {
    let mut session = Session::open(Era::Modern, &[]);
    let id = session.begin("tools/list", json!({}));
    let mut output = Vec::new();
    session.send_line("");
    output.push(session.answer(id));
    assert!(output[0]["result"]["tools"].is_array());
    assert!(session.close().0.success());
}

#[test]
fn commands_are_resources_whose_names_complete() {
    let mut session = Session::open(Era::Modern, &[]);
    let parameters = json!({"ref": {"type": "ref/resource", "uri": "cloudstack://command/{name}"}, "argument": {"name": "name", "value": "destroyvirt"}});
    let values = session.request("completion/complete", parameters)["result"]["completion"]["values"].clone();
    assert_eq!(values[0], "destroyVirtualMachine", "{values}");
    let read = session.request("resources/read", json!({"uri": "cloudstack://command/destroyVirtualMachine"}));
    let text = read["result"]["contents"][0]["text"].as_str().unwrap_or_else(|| panic!("{read}"));
    assert!(text.contains("expunge"), "{text}");
    let missing = session.request("resources/read", json!({"uri": "cloudstack://command/destroyEverything"}));
    assert_eq!(missing["error"]["code"], -32_602, "{missing}");
}

#[test]
fn prompts_are_filled_in() {
    let mut session = Session::open(Era::Modern, &[]);
    let filled = session.request("prompts/get", json!({"name": "drain_host", "arguments": {"host": "kvm-7"}}));
    assert!(filled["result"]["messages"][0]["content"]["text"].as_str().unwrap().contains("`kvm-7`"), "{filled}");
    assert_eq!(session.request("prompts/get", json!({"name": "drain_host"}))["error"]["code"], -32_602);
}
