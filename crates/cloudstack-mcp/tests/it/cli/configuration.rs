//! Where profiles come from, which one is used, and that no two sources are ever mixed.

use super::{home::Home, simulator::Simulator};

fn who(home: &Home, arguments: &[&str]) -> (String, String) {
    let receipt = home.json(&[&["run", "listZones"], arguments].concat())["receipt"].clone();
    (receipt["profile"].as_str().unwrap().to_owned(), receipt["user"].as_str().unwrap_or_default().to_owned())
}

fn told(profile: &str, user: &str) -> (String, String) {
    (profile.to_owned(), user.to_owned())
}

fn profile(simulator: &Simulator, name: &str, identity: &str) -> String {
    let (api_key, secret_key) = simulator.keys(identity);
    format!("[profiles.{name}]\nurl = \"{}\"\napi_key = \"{api_key}\"\nsecret_key = \"{secret_key}\"\n", simulator.url())
}

#[test]
fn a_profile_is_taken_from_flag_then_environment_then_file() {
    let simulator = Simulator::start(&[]);
    let home = simulator.home("dev");
    home.config(&format!("profile = \"mine\"\n{}{}", profile(&simulator, "mine", "admin"), profile(&simulator, "other", "qa")));
    assert_eq!(who(&home, &[]), told("env", "dev"));
    assert_eq!(who(&home, &["--profile", "other"]), told("other", "qa"));
    assert_eq!(who(&home, &["--profile", "embedded"]), told("embedded", "admin"));
    let plain = Home::new();
    plain.config(&std::fs::read_to_string(home.path().join(".config/cloudstack-mcp/config.toml")).unwrap());
    assert_eq!(who(&plain, &[]), told("mine", "admin"));
    assert_eq!(who(&plain.with("CLOUDSTACK_MCP_PROFILE", "other"), &[]), told("other", "qa"));
}

#[test]
fn the_files_of_other_clients_are_used_by_name() {
    let simulator = Simulator::start(&[]);
    let home = Home::new();
    let (api_key, secret_key) = simulator.keys("dev");
    let url = simulator.url();
    home.file(
        ".cmk/config",
        &format!("profile = lab\n[lab]\nurl = {url}\nusername = admin\npassword = password\ndomain = /\napikey = {api_key}\nsecretkey = {secret_key}\n"),
    );
    home.file(".cloudstack.ini", &format!("[exo]\nendpoint = {url}\nkey = {api_key}\nsecret = {secret_key}\n"));
    assert_eq!(who(&home, &[]), told("embedded", "admin"));
    assert_eq!(who(&home, &["--profile", "lab"]), told("cmk:lab", "dev"));
    assert_eq!(who(&home, &["--profile", "cs:exo"]), told("cs:exo", "dev"));
    home.run(&["run", "listZones", "--profile", "lap"]).told(3, &["lap", "did you mean"]);
}

#[test]
fn secrets_come_from_files_and_commands() {
    let simulator = Simulator::start(&[]);
    let home = Home::new();
    let (api_key, secret_key) = simulator.keys("dev");
    home.file("secret", &format!("{secret_key}\n"));
    let config = |source: &str| format!("[profiles.lab]\nurl = \"{}\"\napi_key = \"{api_key}\"\n{source}\n", simulator.url());
    home.config(&config("secret_key_file = \"~/secret\""));
    assert_eq!(who(&home, &[]), told("lab", "dev"));
    home.config(&config("secret_key_command = \"cat secret\""));
    assert_eq!(who(&home, &[]), told("lab", "dev"));
    home.config(&config("secret_key_command = \"exit 1\""));
    home.run(&["run", "listZones"]).told(3, &["secret_key", "lab"]);
}

#[test]
fn parts_of_two_sources_are_never_put_together() {
    let simulator = Simulator::start(&[]);
    let home = Home::new().with("CLOUDSTACK_API_URL", "https://elsewhere.example/client/api");
    home.config(&profile(&simulator, "mine", "admin"));
    home.run(&["run", "listZones"]).told(3, &["CLOUDSTACK_API_KEY", "one source as a whole"]);
    let home = Home::new().with("CLOUDSTACK_MINE_API_KEY", "other");
    home.config(&profile(&simulator, "mine", "admin"));
    home.run(&["run", "listZones"]).told(3, &["CLOUDSTACK_MINE_API_URL", "one source as a whole"]);
}

#[test]
fn settings_that_are_wrong_are_told_all_at_once_without_secrets() {
    let home = Home::new();
    home.config("colour = \"never\"\noutput = \"xml\"\n[profiles.lab]\nsecretkey = \"hush-hush\"\n");
    let ended = home.run(&["run", "listZones"]);
    ended.told(3, &["colour", "did you mean `color`?", "xml", "secretkey", "did you mean `secret_key`?"]);
    assert!(!ended.err.contains("hush"), "{}", ended.err);
    assert_eq!(home.run(&["completions", "bash"]).code, 0, "what needs no settings works without them");
    home.run(&["run", "listZones", "--config", "missing.toml"]).told(3, &["missing.toml"]);
}
