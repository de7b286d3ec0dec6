//! What cannot be asked is said at once, all of it, with what to do.

use std::collections::BTreeSet;

use cloudstack_api::catalog::{ParameterType, Release, Risk, RoleType};
use cloudstack_engine::{Caller, DescribeRequest, Details, Found, ReportKind, RunRequest, Scope, SearchRequest};
use serde_json::json;

use crate::lab::{caller, lab, request};

#[tokio::test]
async fn all_faults_of_the_arguments_are_told_at_once() {
    let lab = lab().await;
    let report = lab.run("dev", "createVolume", &json!({"sise": 5, "maxiops": "many", "diskofferingid": "Small"})).await.unwrap_err();
    assert_eq!(report.kind, ReportKind::Usage);
    let faults: Vec<&str> = report.facts["faults"].as_array().unwrap().iter().filter_map(|fault| fault["parameter"].as_str()).collect();
    assert!(faults.contains(&"sise") && faults.contains(&"maxiops"), "{faults:?}");
    assert!(report.hints.iter().any(|hint| hint.contains("`size`")), "{:?}", report.hints);
}

#[tokio::test]
async fn an_unknown_command_gets_the_nearest_names() {
    let lab = lab().await;
    let report = lab.run("dev", "listVirtualMachnes", &json!({})).await.unwrap_err();
    assert_eq!(report.kind, ReportKind::Usage);
    assert!(report.hints[0].contains("`listVirtualMachines`"), "{:?}", report.hints);
    assert!(lab.run("nobody", "listZones", &json!({})).await.unwrap_err().hints[0].contains("`dev`"));
}

#[tokio::test]
async fn read_only_goes_by_risk_and_not_by_name() {
    let lab = lab().await;
    let read_only = Caller { read_only: true, ..caller() };
    let catalog = lab.engine.catalog(None).unwrap();
    let misleading: Vec<_> =
        catalog.commands().filter(|command| (command.name.starts_with("list") || command.name.starts_with("get")) && command.risk > Risk::Read).collect();
    assert!(misleading.len() > 3, "{}", misleading.len());
    for command in misleading {
        let report = lab.answer(RunRequest { caller: read_only.clone(), ..request("admin", &command.name, &json!({})) }).await.unwrap_err();
        assert_eq!(report.kind, ReportKind::Denied, "{}", command.name);
    }
    let harmless = catalog.commands().find(|command| {
        !command.name.starts_with("list")
            && !command.name.starts_with("get")
            && command.worst_risk() == Risk::Read
            && command.parameters.iter().all(|parameter| !parameter.required)
    });
    let name = harmless.unwrap().name.clone();
    let outcome = lab.answer(RunRequest { caller: read_only, ..request("admin", &name, &json!({})) }).await;
    assert!(outcome.is_ok() || outcome.as_ref().is_err_and(|report| report.kind != ReportKind::Denied), "{name}: {outcome:?}");
}

#[tokio::test]
async fn a_surface_passes_only_its_own_commands() {
    let lab = lab().await;
    let narrow = Caller { scope: Scope::Commands(BTreeSet::from(["listZones".to_owned()])), ..caller() };
    let with = |command: &str| RunRequest { caller: narrow.clone(), ..request("dev", command, &json!({})) };
    assert_eq!(lab.answer(with("listVirtualMachines")).await.unwrap_err().kind, ReportKind::Denied);
    assert!(lab.answer(with("LISTZONES")).await.is_ok());
}

#[tokio::test]
async fn what_a_role_may_not_call_or_give_is_explained() {
    let lab = lab().await;
    let report = lab.run("dev", "listHosts", &json!({})).await.unwrap_err();
    assert_eq!((report.kind, report.facts["code"].as_u64()), (ReportKind::Denied, Some(432)), "{}", report.to_value());
    assert!(report.hints.iter().any(|hint| hint.contains("Admin")), "{:?}", report.hints);
    let catalog = lab.engine.catalog(Some("dev")).unwrap();
    let parameter = catalog
        .command("listVirtualMachines")
        .unwrap()
        .parameters
        .iter()
        .find(|parameter| parameter.roles.is_some() && parameter.kind == ParameterType::Boolean)
        .unwrap()
        .name
        .clone();
    let report = lab.run("dev", "listVirtualMachines", &json!({parameter.clone(): true})).await.unwrap_err();
    assert!(report.kind == ReportKind::Denied && report.message.contains(&parameter), "{}", report.to_value());
}

#[tokio::test]
async fn commands_are_found_and_described_without_a_network() {
    let lab = lab().await;
    let found = lab.engine.search(&SearchRequest { query: "stop a server".to_owned(), ..SearchRequest::default() }).unwrap();
    assert!(found.items.iter().take(3).any(|item| item.command == "stopVirtualMachine"), "{}", found.to_value());
    assert!(
        lab.engine.search(&SearchRequest { query: "x".to_owned(), family: Some("volumes".to_owned()), ..SearchRequest::default() }).unwrap_err().hints[0]
            .contains("volume")
    );
    let narrowed = |request: SearchRequest| lab.engine.search(&SearchRequest { query: "add a hypervisor extension".to_owned(), ..request }).unwrap();
    let has = |found: &Found, command: &str| found.items.iter().any(|item| item.command == command);
    assert!(has(&narrowed(SearchRequest::default()), "addHost") && has(&narrowed(SearchRequest::default()), "createExtension"));
    assert!(!has(&narrowed(SearchRequest { role: Some(RoleType::User), ..SearchRequest::default() }), "addHost"));
    assert!(!has(&narrowed(SearchRequest { release: Some(Release::OLDEST), ..SearchRequest::default() }), "createExtension"));
    assert!(narrowed(SearchRequest { risk_max: Some(Risk::Read), ..SearchRequest::default() }).items.iter().all(|item| item.risk == Risk::Read));
    let named = lab.engine.search(&SearchRequest { query: "the network acme-net".to_owned(), ..SearchRequest::default() }).unwrap();
    assert!(named.hint.as_ref().is_some_and(|hint| hint.contains("listNetworks") && hint.contains("keyword=acme-net")), "{}", named.to_value());
    let brief = lab.engine.describe(&DescribeRequest { command: "deploy_virtual_machine".to_owned(), ..DescribeRequest::default() }).unwrap();
    let full = lab.engine.describe(&DescribeRequest { command: "deployVirtualMachine".to_owned(), details: Details::Full, profile: None }).unwrap();
    assert!(brief.to_string().len() * 2 < full.to_string().len());
    assert!(brief["parameters"].as_array().unwrap().iter().any(|parameter| parameter["name"] == "zoneid" && parameter["required"] == true), "{brief}");
    for command in lab.engine.catalog(None).unwrap().commands() {
        let request = DescribeRequest { command: command.name.clone(), ..DescribeRequest::default() };
        assert!(lab.engine.describe(&request).unwrap()["text"].is_string(), "{}", command.name);
    }
}
