//! Profiles are added, chosen, imported and removed; no secret is ever shown.

use std::fs;

use super::{home::Home, simulator::Simulator};

fn config(home: &Home) -> String {
    fs::read_to_string(home.path().join(".config/cloudstack-mcp/config.toml")).unwrap_or_default()
}

#[test]
fn a_profile_is_added_with_its_secret_from_standard_input_and_works() {
    let simulator = Simulator::start(&[]);
    let (api_key, secret_key) = simulator.keys("dev");
    let home = Home::new();
    let added = home.run_with(&["profile", "add", "lab", "--url", simulator.url(), "--api-key", &api_key], &format!("{secret_key}\n"));
    assert_eq!(added.code, 0, "{}", added.err);
    assert!(!added.out.contains(&secret_key) && !added.err.contains(&secret_key));
    assert!(config(&home).starts_with("profile = \"lab\"\n"), "the first profile is the default");
    let tested = home.json(&["profile", "test"]);
    assert_eq!(tested["result"]["user"], "dev", "{tested}");
    for verb in [&["profile", "show"][..], &["profile", "list"]] {
        let shown = home.run(verb);
        assert!(shown.code == 0 && shown.out.contains("lab") && !shown.out.contains(&secret_key) && !shown.out.contains(&api_key), "{}", shown.out);
    }
}

#[test]
fn a_profile_is_chosen_and_removed_and_what_people_wrote_stays() {
    let home = Home::new();
    home.config("# mine\n[profiles.a] # first\nurl = \"https://a.example\"\n\n[profiles.b]\nurl = \"https://b.example\"\n");
    assert_eq!(home.run(&["profile", "use", "b"]).code, 0);
    assert!(config(&home).contains("profile = \"b\"") && config(&home).contains("# first"), "{}", config(&home));
    assert_eq!(home.run(&["profile", "remove", "b"]).code, 0);
    assert!(!config(&home).contains("b.example") && !config(&home).contains("profile ="), "{}", config(&home));
    home.run(&["profile", "remove", "b"]).told(3, &["`b`"]);
    home.run(&["profile", "remove", "embedded"]).told(2, &["embedded"]);
}

#[test]
fn a_profile_of_another_client_is_imported() {
    let home = Home::new();
    home.file(".cmk/config", "[lab]\nurl = http://127.0.0.1:9/client/api\napikey = AK\nsecretkey = hush\nverifycert = false\n");
    let imported = home.run(&["profile", "import", "lab"]);
    assert!(imported.code == 0 && !imported.out.contains("hush"), "{}{}", imported.out, imported.err);
    assert!(config(&home).contains("[profiles.lab]") && config(&home).contains("verify_tls = false"), "{}", config(&home));
    home.run(&["profile", "import", "cmk:lab"]).told(2, &["already", "--name"]);
}

#[test]
fn a_secret_is_no_argument() {
    Home::new().run(&["profile", "add", "lab", "--url", "https://x", "--api-key", "K", "--secret-key", "S"]).told(2, &["--secret-key"]);
    Home::new().run(&["profile", "add", "lab", "--url", "https://x", "--api-key", "K"]).told(2, &["empty"]);
}
