//! Things found by what people know of them.

use cloudstack_engine::{FindRequest, Silent};
use serde_json::{Value, json};

use crate::lab::{Lab, caller, lab};

async fn find(lab: &Lab, profile: &str, text: &str) -> Value {
    let request = FindRequest { text: text.to_owned(), kinds: Vec::new(), limit: None, profile: Some(profile.to_owned()), caller: caller() };
    lab.engine.find(request, &Silent).await.unwrap().value
}

#[tokio::test]
async fn a_machine_is_found_by_name_by_address_and_by_id() {
    let lab = lab().await;
    let by_name = find(&lab, "dev", "web-1").await;
    let vm = by_name["items"].as_array().unwrap().iter().find(|item| item["kind"] == "virtual machine").cloned().unwrap_or_else(|| panic!("{by_name}"));
    let address = vm["nic"][0]["ipaddress"].as_str().unwrap();
    let by_address = find(&lab, "dev", address).await;
    assert!(by_address["items"].as_array().unwrap().iter().any(|item| item["id"] == vm["id"]), "{by_address}");
    let by_id = find(&lab, "dev", vm["id"].as_str().unwrap()).await;
    assert_eq!((by_id["returned"].as_u64(), by_id["items"][0]["name"].as_str()), (Some(1), Some("web-1")), "{by_id}");
}

#[tokio::test]
async fn kinds_that_a_role_may_not_list_are_named_in_notes() {
    let lab = lab().await;
    let value = find(&lab, "dev", "web").await;
    assert!(value["notes"].to_string().contains("not looked for: host"), "{}", value["notes"]);
    assert_eq!(value["complete"], true);
    assert_eq!(value["receipt"]["account"], "dev");
    let value = find(&lab, "admin", "zone-1").await;
    assert_eq!(value["items"][0]["kind"], json!("zone"), "{}", value["items"]);
}
