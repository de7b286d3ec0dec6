//! `simulate`: a cloud for other programs, here for tests that need one which outlives a run.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Stdio},
};

use serde_json::Value;

use super::home::Home;

/// A running simulator; ends with the test.
pub(crate) struct Simulator {
    child: Child,
    /// Held so that the simulator can go on writing.
    _output: BufReader<ChildStdout>,
    first: Value,
}

impl Simulator {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let fixed = ["simulate", "--listen", "127.0.0.1:0", "--output", "json", "--speed", "instant"];
        let mut child = Home::new().command(&[&fixed, arguments].concat()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        Self { child, _output: output, first: serde_json::from_str(&line).unwrap() }
    }

    pub(crate) fn url(&self) -> &str {
        self.first["url"].as_str().unwrap()
    }

    /// API key and secret key of an identity.
    pub(crate) fn keys(&self, name: &str) -> (String, String) {
        let found = self.first["identities"].as_array().unwrap().iter().find(|identity| identity["name"] == name).unwrap();
        (found["apikey"].as_str().unwrap().to_owned(), found["secretkey"].as_str().unwrap().to_owned())
    }

    /// A home whose environment leads here, as one of the identities.
    pub(crate) fn home(&self, name: &str) -> Home {
        let (api_key, secret_key) = self.keys(name);
        Home::new().with("CLOUDSTACK_API_URL", self.url()).with("CLOUDSTACK_API_KEY", &api_key).with("CLOUDSTACK_SECRET_KEY", &secret_key)
    }
}

#[cfg(unix)]
impl Simulator {
    /// Asks it to end, and waits until it did.
    pub(crate) fn end(&mut self) {
        let asked = std::process::Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn the_first_line_tells_the_address_and_who_may_come_in() {
    let simulator = Simulator::start(&["--seed", "7"]);
    assert!(simulator.url().starts_with("http://127.0.0.1:") && simulator.url().ends_with("/client/api"), "{}", simulator.url());
    for identity in simulator.first["identities"].as_array().unwrap() {
        for member in ["name", "role", "apikey", "secretkey"] {
            assert!(identity[member].as_str().is_some_and(|text| !text.is_empty()), "{member} of {identity}");
        }
    }
    assert_eq!(simulator.first["identities"][0]["role"], "Root Admin");
}

#[test]
fn the_same_seed_makes_the_same_keys_and_another_makes_others() {
    let keys = |seed| Simulator::start(&["--seed", seed]).keys("admin");
    assert_eq!(keys("7"), keys("7"));
    assert_ne!(keys("7"), keys("8"));
}

#[test]
fn the_world_has_the_size_and_the_release_that_were_asked_for() {
    let simulator = Simulator::start(&["--vms", "40", "--release", "4.20"]);
    let listed = simulator.home("admin").json(&["run", "listVirtualMachines"]);
    assert!(listed["total"].as_u64().unwrap() >= 40, "{listed}");
    assert_eq!(listed["complete"], true);
    assert!(listed["receipt"]["release"].as_str().unwrap().starts_with("4.20"), "{}", listed["receipt"]);
}

#[cfg(unix)]
#[test]
fn it_ends_well_when_it_is_asked_to() {
    Simulator::start(&[]).end();
}

#[test]
fn an_address_that_is_taken_is_a_fault_of_the_configuration() {
    let simulator = Simulator::start(&[]);
    let taken = simulator.url().trim_start_matches("http://").trim_end_matches("/client/api");
    Home::new().run(&["simulate", "--listen", taken]).told(3, &["error:", taken]);
}
