//! The audit of real requests: whole, complete, and broken by every change.

use cloudstack_engine::audit::verify;
use serde_json::{Value, json};

use crate::lab::{lab, request};

#[tokio::test]
async fn reads_writes_refusals_and_previews_are_recorded_in_a_chain() {
    let lab = lab().await;
    lab.run("dev", "listZones", &json!({})).await.unwrap();
    lab.run("dev", "noSuchThing", &json!({})).await.unwrap_err();
    lab.run("dev", "createAffinityGroup", &json!({"name": "g", "type": "host anti-affinity"})).await.unwrap();
    let reboot = request("dev", "rebootVirtualMachine", &json!({"id": "web-1"}));
    let plan = lab.plan(&reboot).await;
    lab.approved(&reboot, &plan).await.unwrap();
    let text = lab.audit();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let outcomes: Vec<&str> = rows.iter().filter_map(|row| row["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["done", "usage", "sending", "done", "preview", "sending", "done"]);
    assert!(rows.iter().all(|row| row["principal"] == "ada" && row["request_id"].is_string() && row["time"].is_string()));
    assert_eq!((rows[6]["approval"].as_str(), rows[6]["account"].as_str(), rows[6]["risk"].as_str()), (Some("token"), Some("dev"), Some("disrupt")));
    assert!(rows[6]["job"].is_string());
    let path = lab.dir.path().join("audit.jsonl");
    assert_eq!(verify(&path).unwrap().rows, 7);
    let without: Vec<&str> = text.lines().enumerate().filter(|(at, _)| *at != 2).map(|(_, line)| line).collect();
    std::fs::write(&path, without.join("\n")).unwrap();
    assert!(verify(&path).unwrap_err().message.contains("line 3"));
    std::fs::write(&path, text.replacen("listZones", "listHosts", 1)).unwrap();
    assert!(verify(&path).unwrap_err().message.contains("line 1"));
}
