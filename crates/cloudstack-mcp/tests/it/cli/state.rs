//! `simulate` with files: what it answered is there after it was killed, and what it cannot use it says.

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use super::{home::Home, simulator::Simulator};

fn names(simulator: &Simulator) -> Vec<String> {
    let listed = simulator.home("dev").json(&["run", "listSSHKeyPairs"]);
    let items = listed["items"].as_array().unwrap_or_else(|| panic!("{listed}"));
    items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

fn make(simulator: &Simulator, name: &str) {
    simulator.home("dev").run(&["run", "createSSHKeyPair", &format!("name={name}")]).told(0, &[]);
}

fn refused(arguments: &[&str], parts: &[&str]) {
    Home::new().run(&[&["simulate", "--listen", "127.0.0.1:0", "--speed", "instant"], arguments].concat()).told(3, parts);
}

#[test]
fn what_was_answered_is_there_after_a_kill() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("state").display().to_string();
    let simulator = Simulator::start(&["--state", &file, "--seed", "5"]);
    let keys = simulator.keys("dev");
    make(&simulator, "one");
    make(&simulator, "two");
    refused(&["--state", &file], &["is in use by another process"]);
    // A simulator that is dropped is killed.
    drop(simulator);
    let simulator = Simulator::start(&["--state", &file]);
    assert_eq!((names(&simulator), simulator.keys("dev")), (vec!["one".to_owned(), "two".to_owned()], keys), "the seed need not be said again");
    drop(simulator);
    refused(&["--state", &file, "--seed", "6"], &["with other options (seed 5,"]);
    refused(&["--state", &file, "--release", "4.20"], &["of release 4.22, not 4.20"]);
}

#[cfg(unix)]
#[test]
fn an_exported_world_is_imported_elsewhere() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut simulator = Simulator::start(&["--export", &path("world"), "--seed", "5"]);
    make(&simulator, "carried");
    simulator.end();
    let simulator = Simulator::start(&["--import", &path("world"), "--state", &path("state")]);
    assert_eq!(names(&simulator), ["carried"]);
    drop(simulator);
    assert_eq!(names(&Simulator::start(&["--state", &path("state")])), ["carried"]);
    refused(&["--import", &path("world"), "--state", &path("state")], &["keeps a world already"]);
    fs::write(path("world"), "{}").unwrap();
    refused(&["--import", &path("world")], &["holds no world of an embedded cloud"]);
}

#[test]
fn other_clients_are_told_in_their_words_how_to_come_in() {
    let asked = ["simulate", "--listen", "127.0.0.1:8090"];
    let config = Home::new().run(&[&asked[..], &["--print-cmk-config"]].concat());
    for line in ["profile      = admin", "[dev]", "url       = http://127.0.0.1:8090/client/api", "domain    = /acme/labs"] {
        assert!(config.out.contains(line), "{line}: {}", config.out);
    }
    let variables = Home::new().run(&[&asked[..], &["--print-env"]].concat());
    for name in ["CLOUDSTACK_API_URL", "CLOUDSTACK_API_KEY", "CLOUDSTACK_SECRET_KEY", "CLOUDSTACK_ENDPOINT", "CLOUDSTACK_KEY", "CLOUDSTACK_SECRET"] {
        assert!(variables.out.contains(&format!("export {name}=")), "{name}: {}", variables.out);
    }
}

#[test]
fn trouble_can_be_asked_for_from_the_start() {
    let simulator = Simulator::start(&["--trouble", "call-fails=listZones,code=533,text=no zones today"]);
    simulator.home("dev").run(&["run", "listZones", "--output", "json"]).told(6, &["no zones today"]);
    assert_eq!(simulator.home("dev").json(&["run", "listZones"])["returned"], json!(1), "it is over after once");
    Home::new().run(&["simulate", "--trouble", "fire"]).told(2, &["`fire` is no trouble"]);
}
