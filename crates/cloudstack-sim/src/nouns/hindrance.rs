//! What trouble does to jobs: which of them fail, with what words, and what they leave behind.
//!
//! A trouble marks rows or waits for a command; here alone it is decided what that means for a job, so that the kinds need
//! not know of trouble.

use crate::{
    refusal::Refusal,
    trouble::{Burden, FAILURE_TEXT, FULL, STUCK},
    turn::Turn,
    world::{Handle, World},
};

/// Commands whose jobs put a volume onto primary storage that may have been nowhere yet.
const PLACING: [&str; 6] = ["deployVirtualMachine", "startVirtualMachine", "restoreVirtualMachine", "attachVolume", "createVMFromBackup", "deployVnfAppliance"];
/// Words in the names of commands that a router carries out.
const ROUTED: [&str; 9] = [
    "FirewallRule",
    "PortForwardingRule",
    "LoadBalancer",
    "LBStickinessPolicy",
    "StaticNat",
    "IpForwardingRule",
    "RemoteAccessVpn",
    "NetworkACL",
    "VpnConnection",
];
/// Commands that a router carries out on itself.
const ON_ROUTERS: [&str; 3] = ["startRouter", "stopRouter", "rebootRouter"];
/// States in which jobs leave objects while they work, and the state before.
const PASSING: [(&str, &str); 7] = [
    ("Starting", "Stopped"),
    ("Stopping", "Running"),
    ("Migrating", "Running"),
    ("Restoring", "Stopped"),
    ("Attaching", "Ready"),
    ("Resizing", "Ready"),
    ("Expunging", "Destroyed"),
];
/// What real servers were seen to say when a job failed below them, with `{name}` for the object's name and `{id}` for its id.
const TEXTS: [(&str, &str); 4] = [
    ("deployVirtualMachine", "Unable to start a VM [{id}] due to insufficient capacity."),
    ("startVirtualMachine", "Unable to orchestrate the start of VM instance {\"instanceName\":\"{name}\",\"uuid\":\"{id}\"}."),
    ("stopVirtualMachine", "Unable to stop VM instance {\"instanceName\":\"{name}\",\"uuid\":\"{id}\"}"),
    ("attachVolume", "Unable to find storage pool when create volume{name}"),
];

/// Whether a pool has no room.
pub(crate) fn is_full(world: &World, pool: Handle) -> bool {
    world.flag(pool, FULL)
}

/// How trouble ends a job, if it does: called when the job's time has come, before its work is done.
pub(crate) fn hindered(turn: &mut Turn<'_>, burden: Burden) -> Option<Refusal> {
    let name = turn.command.name.clone();
    let failure = turn.world.troubles.fails_job(&name);
    let hinders = failure.is_some() || has_no_room(turn, burden) || is_unanswered(turn, burden);
    if !hinders {
        return None;
    }
    let failure = failure.unwrap_or_default();
    let text = failure.text.unwrap_or_else(|| text(turn, burden));
    leave(turn, burden, failure.state.as_deref());
    Some(Refusal { code: failure.code, ..Refusal::failed(text) })
}

/// Leaves a job's object in the state that it has after a failure.
fn leave(turn: &mut Turn<'_>, burden: Burden, state: Option<&str>) {
    let world = &mut *turn.world;
    let Some(subject) = burden.subject.filter(|subject| world.is_alive(*subject)) else { return };
    let now = world.string(subject, "state");
    let before = || PASSING.iter().find(|(passing, _)| *passing == now).map(|(_, before)| *before);
    let left = state.or_else(|| if burden.makes && !now.is_empty() { Some("Error") } else { before() });
    let Some(left) = left.map(str::to_owned) else { return };
    world.set(subject, "state", left.as_str());
    if left == "Error" && subject.kind == world.kind("virtualmachine") {
        super::vm::fall(turn, subject);
    }
}

fn text(turn: &Turn<'_>, burden: Burden) -> String {
    let form = TEXTS.iter().find(|(command, _)| *command == turn.command.name).map_or(FAILURE_TEXT, |(_, form)| *form);
    let Some(subject) = burden.subject else { return FAILURE_TEXT.to_owned() };
    let name = turn.world.text(subject, "instancename").or_else(|| turn.world.text(subject, "name")).unwrap_or_default();
    form.replace("{name}", name).replace("{id}", &turn.world.id(subject))
}

/// Whether a job would need room on primary storage that is full.
fn has_no_room(turn: &Turn<'_>, burden: Burden) -> bool {
    let (world, Some(subject)) = (&*turn.world, burden.subject) else { return false };
    let is_homeless = |volume: Handle| world.link(volume, "pool").is_none();
    let is_on_full = |volume: Handle| world.link(volume, "pool").is_some_and(|pool| world.flag(pool, FULL));
    match turn.command.name.as_str() {
        "resizeVolume" => is_on_full(subject),
        "createVolume" => turn.arguments.object("snapshotid").is_some() && is_full_up(world),
        name if PLACING.contains(&name) => {
            let homeless = is_volume(world, subject) && is_homeless(subject) || world.referring("volume", "vm", subject).any(is_homeless);
            homeless && is_full_up(world)
        }
        _ => false,
    }
}

fn is_volume(world: &World, row: Handle) -> bool {
    row.kind == world.kind("volume")
}

/// Whether pools are marked full and none that is up has room.
fn is_full_up(world: &World) -> bool {
    let pools = world.kind("storagepool");
    let is_up = |pool: Handle| matches!(world.text(pool, "state"), None | Some("Up"));
    world.rows(pools).any(|pool| world.flag(pool, FULL)) && !world.rows(pools).any(|pool| is_up(pool) && !world.flag(pool, FULL))
}

/// Whether a job needs a router that does not answer.
fn is_unanswered(turn: &Turn<'_>, burden: Burden) -> bool {
    let (world, Some(subject)) = (&*turn.world, burden.subject) else { return false };
    let routers = world.kind("router");
    if subject.kind == routers {
        return world.flag(subject, STUCK) && ON_ROUTERS.contains(&turn.command.name.as_str());
    }
    if !ROUTED.iter().any(|word| turn.command.name.contains(word)) {
        return false;
    }
    let way = |from: Handle| ["network", "vpc"].into_iter().find_map(|link| world.link(from, link));
    let through = ["address", "ipaddress", "rule", "gateway"].into_iter().find_map(|link| world.link(subject, link));
    let named = ["networkid", "vpcid", "ipaddressid", "publicipid"].into_iter().find_map(|name| turn.arguments.object(name));
    let places = [Some(subject), way(subject), through.and_then(way), named, named.and_then(way)];
    world.rows(routers).filter(|router| world.flag(*router, STUCK)).any(|router| {
        let ours = [world.link(router, "network"), world.link(router, "vpc")];
        ours.into_iter().flatten().any(|place| places.contains(&Some(place)))
    })
}
