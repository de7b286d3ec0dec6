//! What each trouble does to the world when it begins, while it holds and when it ends.
//!
//! A trouble marks rows. What a marked row does to jobs is decided in `nouns/hindrance.rs`.

use std::time::Duration;

use super::{ActiveTrouble, Throttle, Trouble};
use crate::{
    error::Error,
    events,
    jobs::Chore,
    nouns,
    options::JobSpeed,
    turn::Server,
    world::{Datum, Handle, World},
};

/// How long a silent host is looked into before it is held for dead, at normal speed.
const INVESTIGATION: Duration = Duration::from_secs(3);
/// The mark of a pool without room.
pub(crate) const FULL: &str = "isfull";
/// The mark of a router that does not answer.
pub(crate) const STUCK: &str = "isstuck";
/// CloudStack's numbers and names of alerts.
const HOST_ALERT: (i64, &str) = (7, "ALERT.COMPUTE.HOST");
const MACHINE_ALERT: (i64, &str) = (8, "ALERT.USERVM");
const ROUTER_ALERT: (i64, &str) = (9, "ALERT.SERVICE.DOMAINROUTER");
const STORAGE_ALERT: (i64, &str) = (3, "ALERT.STORAGE.ALLOCATED");
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
            match nouns::choose_host(world, world.link(vm, "zone")) {
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
    let target = if world.flag(vm, "haenable") { nouns::choose_host(world, world.link(vm, "zone")) } else { None };
    let name = world.string(vm, "instancename");
    let text = format!("VM (name: {name}, id: {}) stopped unexpectedly on host {}", world.id(vm), world.string(host, "name"));
    alert(world, MACHINE_ALERT, text);
    events::happened(world, vm, "VM.STOP", ("WARN", "Completed", &format!("{name} stopped with its host")));
    match target {
        Some(target) => {
            let stamp = world.timestamp();
            world.set(vm, "host", target);
            world.set(vm, "lastupdated", stamp);
            let text = format!("{name} started on {} for high availability", world.string(target, "name"));
            events::happened(world, vm, "VM.START", ("WARN", "Completed", &text));
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
