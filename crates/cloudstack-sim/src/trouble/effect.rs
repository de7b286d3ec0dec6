//! What each trouble does to the world when it begins, while it holds and when it ends.
//!
//! A trouble marks rows; here alone it is decided what a marked row does to jobs, so that kinds need not know of trouble.

use std::time::Duration;

use super::{ActiveTrouble, FAILURE_TEXT, Throttle, Trouble};
use crate::{
    error::Error,
    jobs::Chore,
    nouns,
    options::JobSpeed,
    refusal::Refusal,
    turn::{Server, Turn},
    world::{Datum, Handle, World},
};

/// How long a silent host is looked into before it is held for dead, at normal speed.
const INVESTIGATION: Duration = Duration::from_secs(3);
/// The mark of a pool without room.
const FULL: &str = "isfull";
/// The mark of a router that does not answer.
const STUCK: &str = "isstuck";
/// CloudStack's numbers and names of alerts.
const HOST_ALERT: (i64, &str) = (7, "ALERT.COMPUTE.HOST");
const MACHINE_ALERT: (i64, &str) = (8, "ALERT.USERVM");
const ROUTER_ALERT: (i64, &str) = (9, "ALERT.SERVICE.DOMAINROUTER");
const STORAGE_ALERT: (i64, &str) = (3, "ALERT.STORAGE.ALLOCATED");
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

/// What a job works on, as far as trouble asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burden {
    /// The object on which jobs queue up.
    pub(crate) subject: Option<Handle>,
    /// Whether the job makes it.
    pub(crate) makes: bool,
}

/// Lets a trouble begin. Answers with the rows that it marked.
pub(super) fn begin(world: &mut World, trouble: &Trouble, server: &Server) -> Result<Vec<Handle>, Error> {
    match trouble {
        Trouble::HostDown { host } => lose_host(world, host, server).map(|host| vec![host]),
        Trouble::StorageFull { pool } => fill(world, pool.as_deref()),
        Trouble::RouterStuck { router } => stick(world, router.as_deref()),
        Trouble::Throttle { max, interval_milliseconds } => {
            world.throttle = Some(Throttle::new(*max, Duration::from_millis(*interval_milliseconds)));
            Ok(Vec::new())
        }
        Trouble::Restart => {
            world.restart();
            Ok(Vec::new())
        }
        Trouble::JobStuck { .. } | Trouble::JobFails(_) | Trouble::CallFails(_) | Trouble::Slow { .. } => Ok(Vec::new()),
    }
}

/// Takes back what a trouble did.
pub(super) fn end(world: &mut World, lifted: &ActiveTrouble, marked: Vec<Handle>) {
    for row in marked {
        match lifted.trouble {
            Trouble::HostDown { .. } => revive(world, row),
            Trouble::StorageFull { .. } => world.unset(row, FULL),
            Trouble::RouterStuck { .. } => {
                world.unset(row, STUCK);
                world.set(row, "healthchecksfailed", false);
            }
            _ => {}
        }
    }
    match lifted.trouble {
        Trouble::JobStuck { .. } => world.free_jobs(lifted.number),
        Trouble::Throttle { .. } => world.throttle = Throttle::of_settings(world),
        _ => {}
    }
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
        nouns::fall(turn, subject);
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

/// Whether a pool has no room.
pub(crate) fn is_full(world: &World, pool: Handle) -> bool {
    world.flag(pool, FULL)
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

/// The rows of a kind that go by a name or an id; all of them without one.
fn chosen(world: &World, kind: &'static str, name: Option<&str>) -> Result<Vec<Handle>, Error> {
    let rows = world.rows(world.kind(kind)).filter(|row| name.is_none_or(|name| world.text(*row, "name") == Some(name) || world.id(*row) == name));
    let rows: Vec<Handle> = rows.collect();
    match name {
        Some(name) if rows.is_empty() => Err(Error::NotFound { what: kind, name: name.to_owned() }),
        _ => Ok(rows),
    }
}

fn fill(world: &mut World, pool: Option<&str>) -> Result<Vec<Handle>, Error> {
    let mut pools = chosen(world, "storagepool", pool)?;
    pools.retain(|pool| !world.flag(*pool, FULL));
    for pool in pools.iter().copied() {
        world.set(pool, FULL, true);
        let text = format!("Low room on primary storage {}: all of it is allocated", world.string(pool, "name"));
        alert(world, STORAGE_ALERT, text);
    }
    Ok(pools)
}

fn stick(world: &mut World, router: Option<&str>) -> Result<Vec<Handle>, Error> {
    let mut routers = chosen(world, "router", router)?;
    routers.retain(|router| !world.flag(*router, STUCK));
    for router in routers.iter().copied() {
        world.set(router, STUCK, true);
        world.set(router, "healthchecksfailed", true);
        let text = format!("Health checks failed: 1 failing checks on router {} / {}", world.string(router, "name"), world.id(router));
        alert(world, ROUTER_ALERT, text);
    }
    Ok(routers)
}

fn lose_host(world: &mut World, name: &str, server: &Server) -> Result<Handle, Error> {
    let hosts = chosen(world, "host", Some(name))?;
    let host = hosts.into_iter().find(|host| world.text(*host, "type") == Some("Routing"));
    let host = host.ok_or_else(|| Error::NotFound { what: "host", name: name.to_owned() })?;
    if let Some(state) = world.text(host, "state").filter(|state| *state != "Up") {
        return Err(Error::Conflict(format!("host `{name}` is in state `{state}` already")));
    }
    world.set(host, "state", "Alert");
    let text = format!("Host disconnected, name: {} (id:{})", world.string(host, "name"), world.id(host));
    alert(world, HOST_ALERT, text);
    let wait = match server.options.tuning.speed {
        JobSpeed::Instant => Duration::ZERO,
        JobSpeed::Normal => INVESTIGATION,
    };
    world.due(wait, Chore::BuryHost, host);
    Ok(host)
}

/// A silent host is held for dead: its machines start elsewhere or stop.
pub(crate) fn bury(world: &mut World, host: Handle) {
    if !world.is_alive(host) || world.text(host, "state") != Some("Alert") {
        return;
    }
    world.set(host, "state", "Down");
    world.unset(host, "managementserver");
    let text = format!("Host is down, name: {} (id:{})", world.string(host, "name"), world.id(host));
    alert(world, HOST_ALERT, text);
    for kind in ["router", "systemvm"] {
        for vm in world.referring(kind, "host", host).collect::<Vec<_>>() {
            match nouns::choose_host(world) {
                Some(target) => world.set(vm, "host", target),
                None => {
                    world.set(vm, "state", "Stopped");
                    world.unset(vm, "host");
                }
            }
        }
    }
    for vm in world.referring("virtualmachine", "host", host).collect::<Vec<_>>() {
        lose_machine(world, vm, host);
    }
}

/// A machine's host is dead: it stops, and starts elsewhere if it is meant to and there is a place.
fn lose_machine(world: &mut World, vm: Handle, host: Handle) {
    let target = if world.flag(vm, "haenable") { nouns::choose_host(world) } else { None };
    let name = world.string(vm, "instancename");
    let text = format!("VM (name: {name}, id: {}) stopped unexpectedly on host {}", world.id(vm), world.string(host, "name"));
    alert(world, MACHINE_ALERT, text);
    happened(world, vm, "VM.STOP", &format!("{name} stopped with its host"));
    match target {
        Some(target) => {
            let stamp = world.timestamp();
            world.set(vm, "host", target);
            world.set(vm, "lastupdated", stamp);
            happened(world, vm, "VM.START", &format!("{name} started on {} for high availability", world.string(target, "name")));
        }
        None => nouns::power_off(world, vm),
    }
}

fn revive(world: &mut World, host: Handle) {
    world.set(host, "state", "Up");
    let server = world.rows(world.kind("managementserver")).next();
    if let Some(server) = server {
        world.set(host, "managementserver", server);
    }
    let text = format!("Host is up again, name: {} (id:{})", world.string(host, "name"), world.id(host));
    alert(world, HOST_ALERT, text);
}

fn alert(world: &mut World, (number, name): (i64, &str), text: String) {
    let stamp = world.timestamp();
    let fields: [(&str, Datum); 4] = [("type", number.into()), ("name", name.into()), ("description", text.into()), ("sent", stamp.into())];
    world.insert(world.kind("alert"), None, &fields);
}

/// Writes an event that nobody's call caused.
fn happened(world: &mut World, object: Handle, kind: &str, text: &str) {
    let owner = world.owner(object);
    let resource = world.description(object.kind).map(|kind| kind.resource.to_string()).unwrap_or_default();
    let (id, name) = (world.id(object), world.string(object, "name"));
    let fields: [(&str, Datum); 8] = [
        ("username", "system".into()),
        ("type", kind.into()),
        ("level", "WARN".into()),
        ("description", text.into()),
        ("state", "Completed".into()),
        ("resourceid", id.into()),
        ("resourcetype", resource.into()),
        ("resourcename", name.into()),
    ];
    world.insert(world.kind("event"), owner, &fields);
}
