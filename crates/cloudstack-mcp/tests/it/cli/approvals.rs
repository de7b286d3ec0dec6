//! Consent at the command line: in a second step without a terminal, once, for exactly what was shown.

use serde_json::Value;

use super::{home::Home, simulator::Simulator};

const DESTROY: [&str; 4] = ["run", "destroyVirtualMachine", "id=web-1", "--output=json"];

fn plan(home: &Home) -> (Value, String) {
    let ended = home.run(&DESTROY);
    ended.told(4, &["not run", "hint:", "--approve"]);
    let value = ended.json();
    let token = value["approval"]["token"].as_str().unwrap().to_owned();
    (value, token)
}

fn state(home: &Home) -> String {
    home.json(&["run", "listVirtualMachines", "name=web-1"])["items"][0]["state"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_plan_is_shown_and_its_token_lets_a_second_run_through_once() {
    let simulator = Simulator::start(&[]);
    let home = simulator.home("admin");
    let (value, token) = plan(&home);
    assert_eq!(value["plan"]["targets"][0]["name"], "web-1", "{value}");
    assert!(value["receipt"]["profile"].is_string());
    assert_eq!(state(&home), "Running");
    let approved = home.run(&[&DESTROY[..], &["--approve", &token]].concat());
    assert_eq!(approved.code, 0, "{}", approved.err);
    assert_eq!(state(&home), "Destroyed");
    home.run(&[&DESTROY[..], &["--approve", &token]].concat()).told(4, &["used before"]);
}

#[test]
fn a_token_is_good_for_its_own_call_alone() {
    let simulator = Simulator::start(&[]);
    let home = simulator.home("admin");
    let (_, token) = plan(&home);
    let other = home.run(&["run", "destroyVirtualMachine", "id=db-1", "--approve", &token]);
    assert_eq!(other.code, 4, "{}", other.err);
    assert_eq!(home.json(&["run", "listVirtualMachines", "name=db-1"])["items"][0]["state"], "Running");
}

#[test]
fn a_token_of_somebody_else_is_refused() {
    let simulator = Simulator::start(&[]);
    let (_, token) = plan(&simulator.home("admin"));
    let other = simulator.home("admin").run(&[&DESTROY[..], &["--approve", &token]].concat());
    assert_eq!(other.code, 4, "{}", other.err);
}

#[test]
fn a_preview_changes_nothing_and_names_what_it_is_about() {
    let simulator = Simulator::start(&[]);
    let home = simulator.home("admin");
    let people = home.run(&["plan", "destroyVirtualMachine", "id=web-1"]);
    assert_eq!(people.code, 0, "{}", people.err);
    assert!(people.out.contains("web-1") && people.out.contains("risk: disrupt"), "{}", people.out);
    let value = home.json(&["plan", "destroyVirtualMachine", "id=web-1"]);
    assert_eq!(value["plan"]["risk"], "disrupt");
    assert!(value["receipt"]["account"].is_string(), "{value}");
    assert_eq!(state(&home), "Running");
}
