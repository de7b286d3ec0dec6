//! The doctor says what is wrong, and its exit code which kind of wrong.

use serde_json::Value;

use super::{home::Home, simulator::Simulator};

fn status(value: &Value, name: &str) -> String {
    let checks = value["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).map(|check| check["status"].as_str().unwrap().to_owned()).unwrap_or_default()
}

#[test]
fn the_embedded_cloud_is_in_good_health() {
    let value = Home::new().json(&["doctor"]);
    assert_eq!(value["status"], "ok", "{value}");
    assert_eq!(value["receipt"]["profile"], "embedded");
    let people = Home::new().run(&["doctor"]);
    assert!(people.out.contains("✓ ok") && people.out.contains("role"), "{}", people.out);
}

#[test]
fn a_wrong_key_is_told_as_one() {
    let simulator = Simulator::start(&[]);
    let (api_key, _) = simulator.keys("admin");
    let home = Home::new().with("CLOUDSTACK_API_URL", simulator.url()).with("CLOUDSTACK_API_KEY", &api_key).with("CLOUDSTACK_SECRET_KEY", "wrong");
    let ended = home.run(&["doctor", "--output", "json"]);
    assert_eq!(ended.code, 3, "{}", ended.out);
    assert_eq!((status(&ended.json(), "connection"), status(&ended.json(), "keys")), ("ok".to_owned(), "fail".to_owned()), "{}", ended.out);
}

#[test]
fn a_server_that_is_not_there_is_unreachable() {
    let home = Home::new().with("CLOUDSTACK_API_URL", "http://127.0.0.1:9/client/api").with("CLOUDSTACK_API_KEY", "K").with("CLOUDSTACK_SECRET_KEY", "S");
    let ended = home.run(&["doctor", "--output", "json"]);
    assert_eq!(ended.code, 7, "{}", ended.out);
    home.run(&["run", "listZones"]).told(7, &["error:", "127.0.0.1:9"]);
}

#[test]
fn a_profile_that_cannot_be_used_is_told_with_all_that_is_wrong() {
    let home = Home::new();
    home.config("[profiles.lab]\nurl = \"cloud.example\"\napi_key = \"K\"\n");
    let ended = home.run(&["doctor", "--output", "json"]);
    assert_eq!(ended.code, 3, "{}", ended.out);
    assert!(ended.out.contains("https://") && ended.out.contains("secret_key"), "{}", ended.out);
}
