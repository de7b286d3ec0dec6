//! The tools that clients see: what they cost, what they say, and how settings choose them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::session::{Era, Session};

/// What the compact surface may cost, by bytes over four.
const COMPACT_TOKENS_MAX: usize = 3_000;

fn tools(arguments: &[&str]) -> Vec<Value> {
    let answer = Session::open(Era::Modern, arguments).request("tools/list", json!({}));
    answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

fn names(arguments: &[&str]) -> BTreeSet<String> {
    tools(arguments).iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_compact_surface_is_small() {
    let result = Session::open(Era::Modern, &[]).request("tools/list", json!({}))["result"].clone();
    let tokens = result.to_string().len() / 4;
    assert!(tokens <= COMPACT_TOKENS_MAX, "{tokens} tokens");
    assert!(result.get("nextCursor").is_none());
}

#[test]
fn each_compact_tool_is_as_reviewed() {
    for tool in tools(&[]) {
        let name = format!("tool_{}", tool["name"].as_str().unwrap());
        insta::assert_json_snapshot!(name, tool);
    }
}

#[test]
fn the_typed_surface_has_a_tool_for_every_command_of_cloudstack_itself() {
    let typed = tools(&["--surface", "typed"]);
    assert!(typed.len() > 600, "{}", typed.len());
    let names: Vec<&str> = typed.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    for name in ["search", "find", "job", "deploy_virtual_machine", "list_virtual_machines"] {
        assert!(names.contains(&name), "{name}");
    }
    assert!(!names.contains(&"run"), "a typed tool is the only way to its command");
}

#[test]
fn plugins_have_tools_when_they_are_asked_for() {
    let mut session = Session::open(Era::Modern, &["--surface", "typed"]);
    let refused = session.request("tools/call", json!({"name": "list_tungsten_fabric_tag", "arguments": {}}));
    assert!(refused["error"]["message"].as_str().is_some_and(|text| text.contains("--toolsets sdn_tungsten")), "{refused}");
    let all = names(&["--surface", "typed", "--toolsets", "all"]);
    assert!(all.len() > 900 && all.contains("list_tungsten_fabric_tag"), "{}", all.len());
    assert!(names(&["--surface", "typed", "--toolsets", "sdn_tungsten"]).contains("list_tungsten_fabric_tag"));
}

#[test]
fn toolsets_and_tools_narrow_both_surfaces() {
    let volumes = names(&["--surface", "typed", "--toolsets", "volume"]);
    assert!(volumes.contains("create_volume") && !volumes.contains("deploy_virtual_machine"), "{volumes:?}");
    let two = names(&["--surface", "typed", "--tools", "listZones,deploy_virtual_machine"]);
    assert!(two.contains("list_zones") && two.contains("deploy_virtual_machine") && !two.contains("list_virtual_machines"), "{two:?}");
    let mut session = Session::open(Era::Modern, &["--toolsets", "volume"]);
    let refused = session.call("run", json!({"command": "stopVirtualMachine", "arguments": {"id": "web-1"}}));
    assert_eq!((refused["isError"].as_bool(), &refused["structuredContent"]["error"]["kind"]), (Some(true), &json!("denied")), "{refused}");
}

#[test]
fn reading_alone_hides_and_refuses_what_acts() {
    let compact = names(&["--read-only"]);
    assert!(compact.contains("read") && !compact.contains("run"), "{compact:?}");
    let typed = names(&["--read-only", "--surface", "typed"]);
    assert!(typed.contains("list_virtual_machines") && !typed.contains("deploy_virtual_machine"), "{typed:?}");
    let mut session = Session::open(Era::Modern, &["--read-only"]);
    let refused = session.call("read", json!({"command": "stopVirtualMachine", "arguments": {"id": "web-1"}}));
    assert_eq!(refused["structuredContent"]["error"]["kind"], "denied", "{refused}");
}

#[test]
fn what_the_role_may_not_call_is_not_shown() {
    let mut session = Session::acting_as("dev", &["--surface", "typed"]);
    let listed = session.request("tools/list", json!({}))["result"]["tools"].clone();
    let shown: Vec<&str> = listed.as_array().unwrap().iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert!(shown.contains(&"deploy_virtual_machine") && shown.contains(&"search"), "{} tools", shown.len());
    assert!(!shown.contains(&"delete_zone") && !shown.contains(&"prepare_host_for_maintenance"), "{} tools", shown.len());
}

#[test]
fn what_does_not_exist_is_refused_at_the_start_with_what_does() {
    let home = tempfile::tempdir().unwrap();
    let mut command = super::session::server(&["--toolsets", "volumes", "--tools", "runn"], &home);
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("`volumes`") && told.contains("`volume`") && told.contains("`runn`"), "{told}");
}

#[test]
fn the_list_is_the_same_whatever_was_called_before() {
    let mut session = Session::open(Era::Modern, &[]);
    let before = session.request("tools/list", json!({}))["result"]["tools"].clone();
    session.done("search", json!({"query": "deploy a vm"}));
    assert_eq!(session.request("tools/list", json!({}))["result"]["tools"], before);
}
