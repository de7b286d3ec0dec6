//! What can be done to a host whose system does not answer: power by out-of-band management, switched for whole clusters
//! and zones. High availability, and single hosts, are in `care.rs`.

use serde_json::{Map, Value, json};

use super::Tables;
use crate::{
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_MEDIUM, WORK_SHORT},
    world::Handle,
};

/// What can be done to the power of a host, and what its power is then.
const POWER: &[(&str, Option<&str>)] =
    &[("ON", Some("On")), ("OFF", Some("Off")), ("CYCLE", Some("On")), ("RESET", Some("On")), ("SOFT", Some("Off")), ("STATUS", None)];

/// The commands of care for hosts that are far away.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("enableOutOfBandManagementForCluster", |turn| switch_power(turn, "clusterid", true)),
        ("disableOutOfBandManagementForCluster", |turn| switch_power(turn, "clusterid", false)),
        ("enableOutOfBandManagementForZone", |turn| switch_power(turn, "zoneid", true)),
        ("disableOutOfBandManagementForZone", |turn| switch_power(turn, "zoneid", false)),
        ("issueOutOfBandManagementPowerAction", act),
        ("changeOutOfBandManagementPassword", change_password),
    ],
    filters: &[],
};

fn switch_power(turn: &mut Turn<'_>, argument: &'static str, on: bool) -> Result<Outcome, Refusal> {
    let place = turn.target(argument)?;
    Ok(turn.job(place, WORK_SHORT, move |turn| {
        turn.world.set(place, "oobmenabled", on);
        let shown = json!({"enabled": on, "status": true});
        Ok(Outcome::Shown("outofbandmanagement".to_owned(), shown.to_string()))
    }))
}

/// The host of a call, if its power can be managed: configured, and switched on for it, its cluster and its zone.
fn manageable(turn: &Turn<'_>) -> Result<Handle, Refusal> {
    let host = turn.target("hostid")?;
    if turn.world.text(host, "oobmdriver").is_none() {
        return Err(Refusal::failed("Out-of-band management is not configured for the host. Please configure the host before its power can be managed."));
    }
    let is_off = |place: Handle| turn.world.field(place, "oobmenabled") == Some(crate::world::Content::Flag(false));
    let places = ["cluster", "zone"].iter().filter_map(|place| turn.world.link(host, place));
    if !turn.world.flag(host, "oobmenabled") || places.into_iter().any(is_off) {
        return Err(Refusal::failed("Out-of-band management is not enabled for the host, its cluster or its zone"));
    }
    Ok(host)
}

fn act(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let wanted = turn.needed("action")?.to_uppercase();
    let Some((action, power)) = POWER.iter().find(|(action, _)| *action == wanted) else {
        return Err(Refusal::invalid(format!("Invalid power operation type: {wanted}. It is one of ON, OFF, CYCLE, RESET, SOFT, STATUS")));
    };
    let host = manageable(turn)?;
    Ok(turn.job(host, WORK_MEDIUM, move |turn| {
        if let Some(power) = power {
            turn.world.set(host, "oobmpower", *power);
        }
        let power = turn.world.text(host, "oobmpower").unwrap_or("On").to_owned();
        Ok(told(turn, host, &[("powerstate", json!(power)), ("enabled", json!(true)), ("action", json!(action))]))
    }))
}

fn change_password(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let host = manageable(turn)?;
    Ok(turn.job(host, WORK_SHORT, move |turn| Ok(told(turn, host, &[]))))
}

fn told(turn: &Turn<'_>, host: Handle, more: &[(&str, Value)]) -> Outcome {
    let mut members = Map::new();
    members.insert("hostid".to_owned(), turn.world.id(host).into());
    members.insert("driver".to_owned(), turn.world.string(host, "oobmdriver").into());
    members.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    members.insert("status".to_owned(), true.into());
    Outcome::Shown("outofbandmanagement".to_owned(), Value::Object(members).to_string())
}
