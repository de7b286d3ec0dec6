//! Approvals: for exactly one plan, by exactly one principal, once, in time, in the state that was shown.

use std::time::Duration;

use cloudstack_api::catalog::Risk;
use cloudstack_engine::{Approval, ApprovalMethod, ApprovalMode, Caller, Outcome, ReportKind, RunRequest};
use serde_json::{Value, json};

use crate::lab::{Lab, lab, lab_with, request};

async fn states(lab: &Lab, name: &str) -> Vec<String> {
    let value = lab.run("admin", "listVirtualMachines", &json!({"listall": true, "keyword": name})).await.unwrap();
    value["items"].as_array().unwrap().iter().filter(|vm| vm["name"] == name).filter_map(|vm| vm["state"].as_str().map(str::to_owned)).collect()
}

fn reason(report: &cloudstack_engine::Report) -> &str {
    assert_eq!(report.kind, ReportKind::Denied);
    report.facts.get("approval").and_then(Value::as_str).unwrap_or_default()
}

#[tokio::test]
async fn a_plan_names_the_target_its_dependents_and_the_way_back() {
    let lab = lab().await;
    let destroy = request("dev", "destroyVirtualMachine", &json!({"id": "web-1"}));
    let plan = lab.plan(&destroy).await;
    assert_eq!((plan.risk, plan.targets[0].name.as_deref(), plan.targets[0].state.as_deref()), (Risk::Disrupt, Some("web-1"), Some("Running")));
    assert!(plan.dependents.iter().any(|dependent| dependent.kind == "root disk" && dependent.count == 1), "{:?}", plan.dependents);
    assert!(plan.undo.as_deref().unwrap().contains("recoverVirtualMachine"));
    assert!(plan.summary.contains("web-1") && !plan.to_value().to_string().contains(&plan.seal));
    assert_eq!(states(&lab, "web-1").await, ["Running"]);
    let value = lab.approved(&destroy, &plan).await.unwrap();
    assert_eq!(value["job"]["status"], "succeeded", "{value}");
    assert!(!states(&lab, "web-1").await.contains(&"Running".to_owned()));
}

#[tokio::test]
async fn an_approval_is_used_once() {
    let lab = lab().await;
    let reboot = request("dev", "rebootVirtualMachine", &json!({"id": "web-2"}));
    let plan = lab.plan(&reboot).await;
    lab.approved(&reboot, &plan).await.unwrap();
    assert_eq!(reason(&lab.approved(&reboot, &plan).await.unwrap_err()), "used");
}

#[tokio::test]
async fn an_approval_is_bound_to_call_principal_and_profile() {
    let lab = lab().await;
    let stop = request("dev", "stopVirtualMachine", &json!({"id": "web-2"}));
    let plan = lab.plan(&stop).await;
    for other in [
        request("dev", "stopVirtualMachine", &json!({"id": "db-1"})),
        request("dev", "stopVirtualMachine", &json!({"id": "web-2", "forced": true})),
        request("dev", "rebootVirtualMachine", &json!({"id": "web-2"})),
        request("admin", "stopVirtualMachine", &json!({"id": "web-2"})),
        RunRequest { caller: Caller::new("eve", "test"), ..stop.clone() },
    ] {
        assert_eq!(reason(&lab.approved(&other, &plan).await.unwrap_err()), "other_call", "{other:?}");
    }
    let mut forged = plan.clone();
    forged.seal.push('A');
    assert_eq!(reason(&lab.approved(&stop, &forged).await.unwrap_err()), "forged");
    assert_eq!(states(&lab, "web-2").await, ["Running"]);
    lab.approved(&stop, &plan).await.unwrap();
}

#[tokio::test]
async fn an_approval_expires() {
    let lab = lab_with(|config| config.approval.ttl = Duration::from_secs(60)).await;
    let stop = request("dev", "stopVirtualMachine", &json!({"id": "web-2"}));
    let plan = lab.plan(&stop).await;
    lab.clock.advance(Duration::from_secs(61));
    assert_eq!(reason(&lab.approved(&stop, &plan).await.unwrap_err()), "expired");
    assert_eq!(states(&lab, "web-2").await, ["Running"]);
}

#[tokio::test]
async fn an_approval_is_refused_when_the_state_has_changed_and_the_new_plan_is_told() {
    let lab = lab().await;
    let destroy = request("dev", "destroyVirtualMachine", &json!({"id": "web-2", "expunge": true}));
    let plan = lab.plan(&destroy).await;
    let stop = request("dev", "stopVirtualMachine", &json!({"id": "web-2"}));
    lab.approved(&stop, &lab.plan(&stop).await).await.unwrap();
    let report = lab.approved(&destroy, &plan).await.unwrap_err();
    assert_eq!(reason(&report), "state_changed");
    assert_eq!(report.facts["plan"]["targets"][0]["state"], "Stopped");
}

#[tokio::test]
async fn the_widest_calls_ask_for_the_name_to_be_typed() {
    let lab = lab().await;
    let raze = request("admin", "deleteAccount", &json!({"id": "qa"}));
    let plan = lab.plan(&raze).await;
    assert_eq!((plan.risk, plan.typed_name.as_deref()), (Risk::Raze, Some("qa")));
    assert!(plan.dependents.iter().any(|dependent| dependent.kind == "virtual machine" && dependent.names == ["qa-1"]), "{:?}", plan.dependents);
    let typed = |typed: Option<&str>| Some(Approval { seal: plan.seal.clone(), typed: typed.map(str::to_owned), method: ApprovalMethod::Form });
    for wrong in [None, Some("yes"), Some("dev")] {
        let report = lab.answer(RunRequest { approval: typed(wrong), ..raze.clone() }).await.unwrap_err();
        assert_eq!(reason(&report), "not_typed");
    }
    lab.answer(RunRequest { approval: typed(Some("qa")), ..raze.clone() }).await.unwrap();
}

#[tokio::test]
async fn every_risk_from_disrupt_on_asks_and_those_below_pass() {
    let lab = lab().await;
    let cases = [
        ("listZones", json!({}), None),
        ("getUserKeys", json!({"id": "dev"}), None),
        ("createAffinityGroup", json!({"name": "g", "type": "host anti-affinity"}), None),
        ("rebootVirtualMachine", json!({"id": "web-1"}), Some(Risk::Disrupt)),
        ("destroyVirtualMachine", json!({"id": "web-1", "expunge": true}), Some(Risk::Destroy)),
        ("deleteDomain", json!({"id": "ROOT/globex", "cleanup": true}), Some(Risk::Raze)),
    ];
    for (command, arguments, asked) in cases {
        let outcome = lab.outcome(request("admin", command, &arguments)).await.unwrap_or_else(|report| panic!("{command}: {}", report.to_value()));
        let risk = match outcome {
            Outcome::NeedsApproval(plan) => Some(plan.risk),
            Outcome::Done(_) => None,
        };
        assert_eq!(risk, asked, "{command}");
    }
}

#[tokio::test]
async fn where_nobody_can_be_asked_it_is_refused_and_can_still_be_previewed() {
    let lab = lab_with(|config| config.approval.mode = ApprovalMode::Refuse).await;
    let reboot = request("dev", "rebootVirtualMachine", &json!({"id": "web-1"}));
    assert_eq!(lab.answer(reboot).await.unwrap_err().kind, ReportKind::Denied);
    let plan = lab.engine.plan(request("dev", "createVolume", &json!({"zoneid": "zone-1", "diskofferingid": "Custom", "name": "x", "size": 1}))).await.unwrap();
    assert!(!plan.needs_approval && plan.seal.is_empty() && plan.arguments["zoneid"] != "zone-1", "{}", plan.to_value());
    assert_eq!(lab.run("dev", "listVolumes", &json!({"name": "x"})).await.unwrap()["returned"], 0);
}
