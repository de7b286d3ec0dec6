//! Policy: one evaluation, whatever the way in.

use std::collections::BTreeMap;

use cloudstack_engine::{Action, Outcome, Policy, ReportKind, Rule};
use serde_json::json;

use crate::lab::{lab_with, request};

fn rule(name: &str, commands: &[&str], action: Action) -> Rule {
    Rule {
        name: name.to_owned(),
        commands: commands.iter().map(|command| (*command).to_owned()).collect(),
        risks: Vec::new(),
        profiles: Vec::new(),
        principals: Vec::new(),
        arguments: BTreeMap::new(),
        hours: None,
        affects_more_than: None,
        action,
    }
}

#[tokio::test]
async fn a_rule_denies_and_says_which_it_was() {
    let lab = lab_with(|config| config.policy = Policy { rules: vec![rule("no zones", &["*zones"], Action::Deny)], shadow: false }).await;
    let report = lab.run("dev", "listZones", &json!({})).await.unwrap_err();
    assert_eq!(report.kind, ReportKind::Denied);
    assert!(report.hints[0].contains("no zones"));
}

#[tokio::test]
async fn names_and_ids_of_arguments_both_match() {
    let by_name = Rule { arguments: BTreeMap::from([("id".to_owned(), "web-*".to_owned())]), ..rule("web is ours", &["reboot*"], Action::Deny) };
    let lab = lab_with(|config| config.policy = Policy { rules: vec![by_name], shadow: false }).await;
    assert_eq!(lab.outcome(request("dev", "rebootVirtualMachine", &json!({"id": "web-1"}))).await.unwrap_err().kind, ReportKind::Denied);
    assert!(matches!(lab.outcome(request("dev", "rebootVirtualMachine", &json!({"id": "db-1"}))).await, Ok(Outcome::NeedsApproval(_))));
}

#[tokio::test]
async fn a_call_that_affects_too_many_is_denied() {
    let wide = Rule { affects_more_than: Some(2), ..rule("at most two", &[], Action::Deny) };
    let lab = lab_with(|config| config.policy = Policy { rules: vec![wide], shadow: false }).await;
    let report = lab.outcome(request("admin", "deleteAccount", &json!({"id": "dev"}))).await.unwrap_err();
    assert!(report.kind == ReportKind::Denied && report.hints[0].contains("at most two"), "{}", report.to_value());
    assert!(matches!(lab.outcome(request("dev", "rebootVirtualMachine", &json!({"id": "db-1"}))).await, Ok(Outcome::NeedsApproval(_))));
}

#[tokio::test]
async fn rules_in_the_shadow_are_recorded_and_not_in_force() {
    let lab = lab_with(|config| config.policy = Policy { rules: vec![rule("no zones", &["*zones"], Action::Deny)], shadow: true }).await;
    lab.run("dev", "listZones", &json!({})).await.unwrap();
    assert!(lab.audit().contains("rule `no zones`: deny"), "{}", lab.audit());
}
