//! Failures that were caused on the recorded servers while a recording was taken. Nothing in the exchanges asks for
//! them, so they stand here: by scenario and place, and by the same mechanism by which people cause them.

use crate::trouble::{Failure, Trouble};

/// A job that was made to fail.
struct Injection {
    scenario: &'static str,
    /// The exchange that starts the job.
    n: u64,
    command: &'static str,
    /// The state that its object was left in.
    state: &'static str,
}

/// What was caused: a host that refuses to start a machine, one that refuses to stop it, and storage that refuses a disk.
const INJECTIONS: &[Injection] = &[
    Injection { scenario: "trouble", n: 0, command: "deployVirtualMachine", state: "Error" },
    Injection { scenario: "trouble", n: 4, command: "stopVirtualMachine", state: "Running" },
    Injection { scenario: "trouble", n: 8, command: "stopVirtualMachine", state: "Stopping" },
    Injection { scenario: "trouble", n: 11, command: "startVirtualMachine", state: "Stopping" },
    Injection { scenario: "trouble", n: 27, command: "deployVirtualMachine", state: "Error" },
];

/// Scenarios that were tried once before they were recorded, and how many seconds before. What the trial left behind shows in
/// the recording: a second disk of a name, a host that had come back, alerts.
const TRIALS: &[(&str, u64)] = &[("trouble", 224)];

/// How many seconds before it was recorded a scenario had been tried, if it had been.
pub(super) fn tried_before(scenario: &str) -> Option<u64> {
    TRIALS.iter().find(|(known, _)| *known == scenario).map(|(_, seconds)| *seconds)
}

/// The trouble that began just before an exchange.
pub(super) fn before(scenario: &str, n: u64) -> Option<Trouble> {
    let injection = INJECTIONS.iter().find(|injection| injection.scenario == scenario && injection.n == n)?;
    Some(Trouble::JobFails(Failure { command: Some(injection.command.to_owned()), state: Some(injection.state.to_owned()), ..Failure::default() }))
}
