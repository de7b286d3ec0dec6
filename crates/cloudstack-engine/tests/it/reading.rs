//! Lists and objects: whole, true about their extent, and with a receipt.

use std::time::Duration;

use cloudstack_api::catalog::Release;
use cloudstack_engine::{CheckStatus, Outcome, RunRequest, Shape};
use cloudstack_sim::WorldOptions;
use serde_json::json;

use crate::lab::{lab, lab_of, lab_with, request};

#[tokio::test]
async fn a_list_says_how_many_there_are_and_as_whom_it_was_asked() {
    let lab = lab().await;
    let value = lab.run("dev", "list_virtual_machines", &json!({})).await.unwrap();
    assert_eq!((value["command"].as_str(), value["complete"].as_bool()), (Some("listVirtualMachines"), Some(true)));
    assert_eq!(value["returned"].as_u64(), value["total"].as_u64());
    assert!(value["items"].as_array().unwrap().iter().any(|vm| vm["name"] == "web-1"));
    let receipt = &value["receipt"];
    assert_eq!((receipt["account"].as_str(), receipt["role"].as_str(), receipt["cloud"].as_str()), (Some("dev"), Some("User"), Some("embedded")));
    assert_eq!(receipt["release"], "4.22.1.0");
    assert!(value["untrusted"].as_array().unwrap().contains(&json!("name")), "{value}");
}

#[tokio::test]
async fn a_list_that_is_cut_says_so_and_how_to_go_on() {
    let lab = lab_of(WorldOptions { vms: 30, ..WorldOptions::default() }, |_| {}).await;
    let shape = Shape { fields: vec!["name".to_owned(), "nic.ipaddress".to_owned()], limit: Some(7), count_only: false };
    let value = lab.answer(RunRequest { shape, ..request("admin", "listVirtualMachines", &json!({})) }).await.unwrap();
    assert_eq!((value["returned"].as_u64(), value["complete"].as_bool()), (Some(7), Some(false)));
    assert!(value["next"].as_str().unwrap().contains("limit"));
    assert!(value["items"][0]["nic"][0]["ipaddress"].is_string() && value["items"][0].as_object().unwrap().len() == 2, "{}", value["items"][0]);
}

#[tokio::test]
async fn a_count_gives_no_items_but_their_number() {
    let lab = lab().await;
    let shape = Shape { count_only: true, ..Shape::default() };
    let value = lab.answer(RunRequest { shape, ..request("dev", "listVirtualMachines", &json!({})) }).await.unwrap();
    assert_eq!((value["returned"].as_u64(), value["total"].as_u64(), value["complete"].as_bool()), (Some(0), Some(4), Some(true)));
}

#[tokio::test]
async fn an_admin_sees_all_accounts_and_is_told_so() {
    let lab = lab().await;
    let value = lab.run("admin", "listVirtualMachines", &json!({})).await.unwrap();
    let names: Vec<&str> = value["items"].as_array().unwrap().iter().filter_map(|vm| vm["name"].as_str()).collect();
    assert!(names.contains(&"web-1") && names.contains(&"qa-1"), "{names:?}");
    assert!(value["notes"].to_string().contains("listall=true"), "{}", value["notes"]);
    let value = lab.run("admin", "listVirtualMachines", &json!({"listall": false})).await.unwrap();
    assert_eq!(value["returned"], 0);
}

#[tokio::test]
async fn the_catalog_follows_the_release_of_the_server() {
    let lab = lab_of(WorldOptions { release: Release::OLDEST, ..WorldOptions::default() }, |_| {}).await;
    assert_eq!(lab.engine.catalog(None).unwrap().release(), Release::NEWEST);
    lab.run("admin", "listZones", &json!({})).await.unwrap();
    assert_eq!(lab.engine.catalog(None).unwrap().release().line_name(), "4.20");
    let newer = lab.engine.catalog(Some("dev")).unwrap();
    let gone = newer.commands().map(|command| command.name.clone()).find(|name| lab.engine.catalog(None).unwrap().command(name).is_none()).unwrap();
    let report = lab.run("admin", &gone, &json!({})).await.unwrap_err();
    assert!(report.message.contains("4.22"), "{report}");
}

#[tokio::test]
async fn a_profile_gives_its_defaults_and_says_so() {
    let lab = lab_with(|config| config.profiles[2].defaults = [("zoneid".to_owned(), "zone-1".to_owned())].into()).await;
    assert_eq!(lab.identities[2].name, "dev");
    let value = lab.run("dev", "listVirtualMachines", &json!({})).await.unwrap();
    assert_eq!(value["returned"], 4);
    assert!(value["notes"].to_string().contains("zone-1"), "{}", value["notes"]);
}

#[tokio::test]
async fn who_we_are_and_whether_all_is_well_can_be_asked() {
    let lab = lab_with(|config| config.profiles[1].url = "http://127.0.0.1:9/client/api".to_owned()).await;
    let receipt = lab.engine.whoami(Some("dev")).await.unwrap();
    assert_eq!((receipt.user.as_deref(), receipt.role_type.as_deref()), (Some("dev"), Some("User")));
    let diagnosis = lab.engine.doctor(Some("dev")).await.unwrap();
    assert_eq!(diagnosis.worst(), CheckStatus::Ok, "{}", diagnosis.to_value());
    let broken = lab.engine.doctor(Some("acme-admin")).await.unwrap();
    let last = broken.checks.last().unwrap();
    assert_eq!((last.name.as_str(), last.status, last.hint.is_some()), ("connection", CheckStatus::Fail, true), "{}", broken.to_value());
}

#[tokio::test]
async fn wrong_keys_are_told_as_such() {
    let lab = lab_with(|config| {
        let wrong = cloudstack_engine::Credentials::Keys { api_key: "nobody".to_owned(), secret_key: "nothing".to_owned().into() };
        config.profiles[0].credentials = wrong;
    })
    .await;
    let report = lab.run("admin", "listZones", &json!({})).await.unwrap_err();
    assert_eq!(report.exit_code(), 3, "{}", report.to_value());
    assert!(report.receipt.is_some());
    let diagnosis = lab.engine.doctor(None).await.unwrap();
    assert_eq!(diagnosis.checks.last().unwrap().name, "keys");
}

#[tokio::test]
async fn a_write_waits_for_its_job_and_gives_the_object() {
    let lab = lab().await;
    let arguments = json!({"zoneid": "zone-1", "diskofferingid": "Custom", "name": "data-9", "size": 5});
    let value = lab.run("dev", "createVolume", &arguments).await.unwrap();
    assert_eq!((value["job"]["status"].as_str(), value["result"]["name"].as_str()), (Some("succeeded"), Some("data-9")), "{value}");
    assert_eq!(value["receipt"]["job_id"], value["job"]["id"]);
    let later = RunRequest {
        wait: Some(Duration::ZERO),
        ..request("dev", "createVolume", &json!({"zoneid": "zone-1", "diskofferingid": "Custom", "name": "data-10", "size": 5}))
    };
    let Outcome::Done(answer) = lab.outcome(later).await.unwrap() else { panic!("no approval is needed") };
    assert_eq!(answer.value["job"]["status"], "pending");
    assert!(answer.value["id"].is_string() && answer.value["next"].is_string(), "{}", answer.value);
}
