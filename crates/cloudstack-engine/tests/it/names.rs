//! Names for ids: exact, in scope, never guessed.

use cloudstack_engine::ReportKind;
use serde_json::json;

use crate::lab::lab;

#[tokio::test]
async fn a_name_that_several_objects_have_is_refused_with_the_candidates() {
    let lab = lab().await;
    for _ in 0..2 {
        lab.run("dev", "createVolume", &json!({"zoneid": "zone-1", "diskofferingid": "Custom", "name": "twin", "size": 1})).await.unwrap();
    }
    let report = lab.run("dev", "updateVolume", &json!({"id": "twin", "name": "other"})).await.unwrap_err();
    assert_eq!(report.kind, ReportKind::NotFound);
    let candidates = report.facts["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 2);
    assert!(candidates.iter().all(|candidate| candidate["id"].is_string() && candidate["name"] == "twin" && candidate["state"].is_string()), "{candidates:?}");
}

#[tokio::test]
async fn a_name_that_nothing_has_gets_the_nearest_and_all_of_them_at_once() {
    let lab = lab().await;
    let report = lab.run("dev", "createVolume", &json!({"zoneid": "zone-2", "diskofferingid": "Custon", "name": "x", "size": 1})).await.unwrap_err();
    assert_eq!(report.kind, ReportKind::NotFound);
    assert!(report.hints.iter().any(|hint| hint.contains("`zone-1`")) && report.hints.iter().any(|hint| hint.contains("`Custom`")), "{}", report.to_value());
}

#[tokio::test]
async fn names_are_found_whatever_their_case_and_across_accounts_for_admins() {
    let lab = lab().await;
    let value = lab.run("admin", "listVolumes", &json!({"virtualmachineid": "WEB-1"})).await.unwrap();
    assert_eq!(value["returned"], 1, "{value}");
    let report = lab.run("qa", "listVolumes", &json!({"virtualmachineid": "web-1"})).await.unwrap_err();
    assert_eq!(report.kind, ReportKind::NotFound);
}
