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

fn told(turn: &Turn<'_>, server: Handle) -> Outcome {
    let state = state(turn, server);
    let is_leaving = state != "Up";
    let pending = turn.world.jobs_at_work();
    let mut members = Map::new();
    let hosts = turn.world.rows(turn.world.kind("host")).filter(|host| turn.world.text(*host, "type") == Some("Routing"));
    let agents: Vec<Value> = hosts.map(|host| turn.world.id(host).into()).collect();
    for (name, value) in [
        ("managementserverid", json!(turn.world.id(server))),
        ("state", json!(state)),
        ("shutdowntriggered", json!(state == "ReadyToShutDown")),
        ("maintenanceinitiated", json!(state.ends_with("Maintenance"))),
        ("readyforshutdown", json!(is_leaving && pending == 0)),
        ("pendingjobscount", json!(pending)),
        ("agentscount", json!(agents.len())),
        ("agents", json!(agents)),
    ] {
        members.insert(name.to_owned(), value);
    }
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
