//! How management servers are taken out of service: they stop taking work, wait for what is at work, and go.
//!
//! The embedded cloud has one server and goes on answering: a state is told, nothing is stopped.

use serde_json::{Map, Value, json};

use super::Tables;
use crate::{
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::Handle,
};

/// What the commands do to the state of a server: the command, the states it is taken in, and the state after.
const STEPS: &[(&str, &[&str], &str)] = &[
    ("prepareForShutdown", &["Up"], "PreparingForShutDown"),
    ("triggerShutdown", &["Up", "PreparingForShutDown"], "ReadyToShutDown"),
    ("cancelShutdown", &["PreparingForShutDown", "ReadyToShutDown"], "Up"),
    ("prepareForMaintenance", &["Up"], "PreparingForMaintenance"),
    ("cancelMaintenance", &["PreparingForMaintenance", "Maintenance"], "Up"),
];

/// The commands of servers that go.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("prepareForShutdown", step),
        ("triggerShutdown", step),
        ("cancelShutdown", step),
        ("prepareForMaintenance", step),
        ("cancelMaintenance", step),
        ("readyForShutdown", |turn| {
            let server = named(turn)?;
            Ok(told(turn, server))
        }),
        ("removeManagementServer", remove),
    ],
    filters: &[],
};

/// The server that a call names; older releases ask for none and mean the one that answers.
fn named(turn: &Turn<'_>) -> Result<Handle, Refusal> {
    let own = turn.world.rows(turn.world.kind("managementserver")).next();
    turn.arguments.object("managementserverid").or(own).ok_or_else(|| Refusal::internal("There is no management server"))
}

fn state(turn: &Turn<'_>, server: Handle) -> String {
    turn.world.text(server, "state").unwrap_or("Up").to_owned()
}

fn step(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let server = named(turn)?;
    let Some((_, from, to)) = STEPS.iter().find(|(command, ..)| *command == turn.command.name) else { return Err(Refusal::unknown_command()) };
    let now = state(turn, server);
    if !from.contains(&now.as_str()) {
        return Err(Refusal::internal(format!("Management server is in the {now} state, which does not allow this")));
    }
    turn.world.set(server, "state", *to);
    Ok(told(turn, server))
}

/// What a server says of its going. Older releases know of one server only and tell neither which nor what it serves.
fn told(turn: &Turn<'_>, server: Handle) -> Outcome {
    let state = state(turn, server);
    let pending = turn.world.jobs_at_work();
    let mut members = Map::new();
    if !turn.world.is_old {
        let hosts = turn.world.rows(turn.world.kind("host")).filter(|host| turn.world.text(*host, "type") == Some("Routing"));
        let agents: Vec<Value> = hosts.map(|host| turn.world.id(host).into()).collect();
        members.insert("managementserverid".to_owned(), json!(turn.world.id(server)));
        members.insert("state".to_owned(), json!(state));
        members.insert("maintenanceinitiated".to_owned(), json!(state.ends_with("Maintenance")));
        members.insert("agentscount".to_owned(), json!(agents.len()));
        members.insert("agents".to_owned(), json!(agents));
    }
    members.insert("shutdowntriggered".to_owned(), json!(state == "ReadyToShutDown"));
    members.insert("readyforshutdown".to_owned(), json!(pending == 0));
    members.insert("pendingjobscount".to_owned(), json!(pending));
    Outcome::Shown(turn.command.reply.object.clone().unwrap_or_default(), Value::Object(members).to_string())
}

fn remove(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let server = turn.target("id")?;
    if state(turn, server) != "Down" {
        return Err(Refusal::invalid("Unable to remove a management server that is not in the Down state"));
    }
    turn.world.remove(server);
    Ok(Outcome::Success)
}
