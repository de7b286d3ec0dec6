//! The machines that servers run for themselves: virtual routers, console proxies and secondary storage VMs.
//!
//! When a router is made, and for which network, is told in `network.rs` and `vpc.rs`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Tables, wiring::PUBLIC_NETWORK};
use crate::{
    jobs::Chore,
    kind::{
        ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, JOB_ID, JOB_STATUS, Member, Noun, PROJECT, PROJECT_ID, Shown, Viewer,
        always, computed, flag, linked, own, own_or,
    },
    list,
    options::JobSpeed,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_MEDIUM, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// The part of a zone that is its network of link-local addresses.
const CONTROL_NETWORK: u32 = 2;
/// The parts of a router that are its NICs, in their order.
const NICS: [u32; 3] = [11, 12, 13];
/// How long a zone takes to notice that a system VM is missing.
const NOTICE: Duration = Duration::from_secs(13);
/// How long a zone that may have become ready waits for its first system VMs.
const SCAN: Duration = Duration::from_secs(15);
/// What a console proxy or secondary storage VM has while it runs.
const WHILE_RUNNING: [&str; 6] = ["privateip", "privatemacaddress", "privatenetmask", "linklocalip", "linklocalmacaddress", "linklocalnetmask"];
/// The states in which a router or system VM is on a host.
const ON_HOST: [&str; 3] = ["Running", "Starting", "Stopping"];
/// The checks of routers, and what they found.
const CHECKS: [(&str, &str); 2] = [("connectivity.test", "FAILED"), ("filesystem.writable.test", "UNKNOWN")];

/// A virtual router.
pub(crate) const ROUTER_NOUN: Noun = Noun {
    word: "router",
    entities: &["DomainRouterResponse"],
    resource: "DomainRouter",
    owned: true,
    keywords: &["name", "state"],
    newest_first: true,
    view: &[
        ID,
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        linked("dns1", "zone", "dns1"),
        own("networkdomain").root(),
        own("gateway"),
        own("name"),
        linked("podid", "pod", "id").root(),
        linked("podname", "pod", "name").root(),
        linked("hostid", "host", "id").root(),
        linked("hostname", "host", "name").root(),
        CONTROL_STATE.root(),
        HYPERVISOR,
        computed("linklocalip", |world, router, _| on_host(world, router, |world| world.string(router, "linklocalip"))),
        computed("linklocalmacaddress", |world, router, _| on_host(world, router, |world| mac(world, router, "0e:00"))),
        computed("linklocalnetmask", |world, router, _| on_host(world, router, |_| "255.255.0.0".to_owned())),
        computed("linklocalnetworkid", |world, router, _| wired(world, router, |world| network_id(world, router, CONTROL_NETWORK))),
        own("publicip"),
        computed("publicmacaddress", |world, router, _| with_public(world, router, |world| mac(world, router, "1e:01"))),
        computed("publicnetmask", |world, router, _| with_public(world, router, |_| "255.255.255.0".to_owned())),
        computed("publicnetworkid", |world, router, _| with_public(world, router, |world| network_id(world, router, PUBLIC_NETWORK))),
        own("guestipaddress").root(),
        computed("guestmacaddress", |world, router, _| with_guest(world, router, |world| mac(world, router, "02:01"))).root(),
        computed("guestnetmask", |world, router, _| with_guest(world, router, |_| "255.255.255.0".to_owned())).root(),
        computed("guestnetworkid", |world, router, _| with_guest(world, router, |world| linked_text(world, router, None))).root(),
        computed("guestnetworkname", |world, router, _| with_guest(world, router, |world| linked_text(world, router, Some("name")))).root(),
        computed("templateid", |world, _, _| template(world).map(|template| Shown::Text(world.id(template)))),
        computed("templatename", |world, _, _| template(world).map(|template| Shown::Text(world.string(template, "name")))),
        CREATED,
        own("state"),
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        computed("serviceofferingid", |world, router, _| offering(world, router).map(|offering| Shown::Text(world.id(offering)))),
        computed("serviceofferingname", |world, router, _| offering(world, router).map(|offering| Shown::Text(world.string(offering, "name")))),
        flag("isredundantrouter"),
        always("redundantstate", Constant::Text("UNKNOWN")),
        always("version", Constant::Text("4.10.0")),
        computed("scriptsversion", |world, router, _| Some(Shown::Text(world.derived_id(router, 1)))),
        linked("vpcid", "vpc", "id"),
        linked("vpcname", "vpc", "name"),
        always("role", Constant::Text("VIRTUAL_ROUTER")),
        computed("nic", nics),
        flag("requiresupgrade"),
        flag("healthchecksfailed"),
        own_or("softwareversion", Constant::Text("4.22.1.0")),
        always("arch", Constant::Text("x86_64")),
        HAS_ANNOTATIONS,
        JOB_ID,
        JOB_STATUS,
    ],
};

/// A system VM.
pub(crate) const SYSTEM_VM_NOUN: Noun = Noun {
    word: "systemvm",
    entities: &["SystemVmResponse"],
    resource: "SystemVm",
    owned: false,
    keywords: &["name"],
    newest_first: true,
    view: &[
        ID,
        own("systemvmtype"),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        linked("dns1", "zone", "dns1"),
        own("gateway"),
        own("name"),
        linked("podid", "pod", "id"),
        linked("podname", "pod", "name"),
        linked("hostid", "host", "id"),
        linked("hostname", "host", "name"),
        CONTROL_STATE,
        always("hypervisor", Constant::Text("Simulator")),
        computed("privateip", |world, vm, _| on_host(world, vm, |world| world.string(vm, "privateip"))),
        computed("privatemacaddress", |world, vm, _| on_host(world, vm, |world| mac(world, vm, "1e:01"))),
        computed("privatenetmask", |world, vm, _| on_host(world, vm, |_| "255.255.255.0".to_owned())),
        computed("linklocalip", |world, vm, _| on_host(world, vm, |world| world.string(vm, "linklocalip"))),
        computed("linklocalmacaddress", |world, vm, _| on_host(world, vm, |world| mac(world, vm, "0e:00"))),
        computed("linklocalnetmask", |world, vm, _| on_host(world, vm, |_| "255.255.0.0".to_owned())),
        own("publicip"),
        own_or("publicmacaddress", Constant::Text("1e:01:65:00:00:c8")),
        own_or("publicnetmask", Constant::Text("255.255.255.0")),
        linked("templateid", "template", "id"),
        linked("templatename", "template", "name"),
        CREATED,
        own_or("state", Constant::Text("Running")),
        computed("activeviewersessions", |world, vm, _| (world.text(vm, "systemvmtype") == Some("consoleproxy")).then_some(Shown::Number(0))),
        computed("agentstate", agent_state),
        computed("version", |world, vm, _| is_storage_vm(world, vm).then(|| Shown::Text(world.text(vm, "version").unwrap_or_default().to_owned()))),
        flag("isdynamicallyscalable"),
        linked("serviceofferingid", "offering", "id"),
        linked("serviceofferingname", "offering", "name"),
        always("arch", Constant::Text("x86_64")),
        HAS_ANNOTATIONS,
    ],
};

const CONTROL_STATE: Member = computed("hostcontrolstate", super::vm::control_state);
const HYPERVISOR: Member = computed("hypervisor", |world, vm, _| world.link(vm, "host").map(|_| Shown::Text("Simulator".to_owned())));

/// The commands of routers and system VMs.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listRouters", list_routers),
        ("startRouter", start),
        ("stopRouter", stop),
        ("rebootRouter", reboot),
        ("destroyRouter", destroy_router),
        ("changeServiceForRouter", change_router),
        ("getRouterHealthCheckResults", health),
        ("startSystemVm", start),
        ("stopSystemVm", stop),
        ("rebootSystemVm", reboot),
        ("destroySystemVm", destroy_system_vm),
        ("scaleSystemVm", scale),
        ("changeServiceForSystemVm", scale),
    ],
    filters: &[
        ("router", "networkid", |turn, router| list::argument_is(turn, "networkid", turn.world.link(router, "network"))),
        ("systemvm", "storageid", |turn, vm| list::argument_is(turn, "storageid", turn.world.link(vm, "pool"))),
        ("router", "clusterid", |turn, router| {
            let host = turn.world.link(router, "host");
            list::argument_is(turn, "clusterid", host.and_then(|host| turn.world.link(host, "cluster")))
        }),
        ("router", "forvpc", |turn, router| turn.world.link(router, "vpc").is_some() == turn.arguments.flag("forvpc")),
        ("router", "fetchhealthcheckresults", |_, _| true),
        ("router", "healthchecksfailed", |turn, router| turn.world.flag(router, "healthchecksfailed") == turn.arguments.flag("healthchecksfailed")),
    ],
};

fn is_storage_vm(world: &World, vm: Handle) -> bool {
    world.text(vm, "systemvmtype") == Some("secondarystoragevm")
}

/// The agent in a system VM, which is a host; simulated console proxies have none.
fn agent_state(world: &World, vm: Handle, _: Viewer) -> Option<Shown> {
    let agent = world.referring("host", "systemvm", vm).next()?;
    Some(Shown::Text(world.text(agent, "state").unwrap_or("Up").to_owned()))
}

/// Gives a system VM an agent, as the one of a zone's stores has.
fn attach_agent(world: &mut World, vm: Handle) {
    let fields: Vec<(&str, Datum)> = vec![
        ("name", world.string(vm, "name").into()),
        ("type", "SecondaryStorageVM".into()),
        ("ipaddress", world.string(vm, "privateip").into()),
        ("version", world.string(vm, "version").into()),
        ("systemvm", vm.into()),
        ("resourcestate", "Enabled".into()),
    ];
    let kind = world.kind("host");
    let agent = world.insert(kind, None, &fields);
    let server = world.rows(world.kind("managementserver")).next();
    for (field, target) in [("zone", world.link(vm, "zone")), ("pod", world.link(vm, "pod")), ("managementserver", server)] {
        if let Some(target) = target {
            world.set(agent, field, target);
        }
    }
}

/// Tells admins of something that happened to a system VM.
fn tell(world: &mut World, vm: Handle, what: &str) {
    let (kind, called) =
        if is_storage_vm(world, vm) { ((19, "ALERT.SERVICE.SSVM"), "Secondary Storage Vm") } else { ((10, "ALERT.SERVICE.CONSOLEPROXY"), "Console proxy") };
    let zone = world.link(vm, "zone").map(|zone| world.string(zone, "name")).unwrap_or_default();
    let (name, public, private) = (world.string(vm, "name"), world.string(vm, "publicip"), world.string(vm, "privateip"));
    let text = format!("{called} {what} in zone [{zone}], VM [{name}], public IP [{public}], private IP [{private}].");
    super::record::alert(world, kind, text);
}

/// Makes a system VM of a type: the first ones of a zone, or one that is missing.
pub(crate) fn make(world: &mut World, kind: &str, fields: &[(&str, Datum)]) -> Handle {
    let number = world.next("instance", 1);
    let table = world.kind("systemvm");
    let vm = world.insert(table, None, fields);
    world.set(vm, "systemvmtype", kind);
    let letter = if is_storage_vm(world, vm) { 's' } else { 'v' };
    world.set(vm, "name", format!("{letter}-{number}-VM"));
    if is_storage_vm(world, vm) {
        attach_agent(world, vm);
    }
    tell(world, vm, "up");
    vm
}

/// Starts a system VM anew, as servers do when its storage goes: its agent comes back as another one.
pub(super) fn start_anew(world: &mut World, vm: Handle) {
    let agents: Vec<Handle> = world.referring("host", "systemvm", vm).collect();
    for agent in &agents {
        world.set(*agent, "state", "Disconnected");
        world.unset(*agent, "managementserver");
    }
    if !agents.is_empty() {
        attach_agent(world, vm);
    }
    tell(world, vm, "up");
}

/// Has servers look at a zone soon: what it just got may be all that its system VMs waited for.
pub(super) fn look_at(turn: &mut Turn<'_>, zone: Handle) {
    let wait = match turn.server.options.tuning.speed {
        JobSpeed::Instant => Duration::ZERO,
        JobSpeed::Normal => SCAN,
    };
    turn.world.due(wait, Chore::StaffZone, zone);
}

/// Gives a zone the system VMs that it lacks, once it is enabled and has what they need: a host, storage of both kinds, and
/// addresses.
pub(crate) fn staff(world: &mut World, zone: Handle) {
    if !world.is_alive(zone) || world.text(zone, "allocationstate") != Some("Enabled") || world.text(zone, "type") == Some("Edge") {
        return;
    }
    for kind in ["consoleproxy", "secondarystoragevm"] {
        let is_there = world.referring("systemvm", "zone", zone).any(|vm| world.text(vm, "systemvmtype") == Some(kind));
        let has_store = kind == "consoleproxy" || world.referring("imagestore", "zone", zone).next().is_some();
        if !is_there && has_store {
            engage(world, zone, kind);
        }
    }
}

/// Makes a system VM of a zone on one of its hosts, if there is one with storage beside it.
fn engage(world: &mut World, zone: Handle, kind: &str) {
    let is_up = |world: &World, pool: Handle| matches!(world.text(pool, "state"), None | Some("Up"));
    let Some(pool) = world.referring("storagepool", "zone", zone).find(|pool| is_up(world, *pool)) else { return };
    let Some(host) = super::place::choose_host(world, Some(zone)) else { return };
    let Some(pod) = world.link(host, "pod") else { return };
    let mut fields: Vec<(&str, Datum)> = vec![("zone", zone.into()), ("host", host.into()), ("pod", pod.into()), ("pool", pool.into())];
    if let Some(private) = super::zone::free_private_address(world, pod) {
        let last = private.rsplit('.').next().unwrap_or_default().to_owned();
        fields.extend([("privateip", Datum::from(private)), ("linklocalip", format!("169.254.0.{last}").into())]);
    }
    let system = world.find("account", "name", "system");
    if let Some(address) = system.and_then(|system| super::address::allocate(world, system, Some(zone))) {
        world.set(address, "issystem", true);
        fields.extend([("publicip", Datum::from(world.string(address, "ipaddress"))), ("gateway", super::address::gateway(world, address).into())]);
    }
    let version = world.string(host, "version");
    let offering = if kind == "consoleproxy" { "System Offering For Console Proxy" } else { "System Offering For Secondary Storage VM" };
    fields.push(("version", version.into()));
    for (field, target) in [("template", template(world)), ("offering", world.find("serviceoffering", "name", offering))] {
        fields.extend(target.map(|target| (field, Datum::from(target))));
    }
    make(world, kind, &fields);
}

/// Takes a system VM away, with its agent and its address.
pub(super) fn dismiss(world: &mut World, vm: Handle) {
    let agents: Vec<Handle> = world.referring("host", "systemvm", vm).collect();
    let public = world.string(vm, "publicip");
    let zone = world.link(vm, "zone");
    let held = |address: &Handle| world.flag(*address, "issystem") && world.text(*address, "ipaddress") == Some(&public);
    let address = zone.and_then(|zone| world.referring("ipaddress", "zone", zone).find(held));
    agents.into_iter().chain([vm]).for_each(|row| world.remove(row));
    if let Some(address) = address {
        super::address::release(world, address);
    }
}

fn template(world: &World) -> Option<Handle> {
    world.find("template", "name", "SystemVM Template (simulator)")
}

fn offering(world: &World, router: Handle) -> Option<Handle> {
    world.link(router, "offering").or_else(|| world.find("serviceoffering", "name", "System Offering For Software Router"))
}

fn on_host(world: &World, router: Handle, text: impl FnOnce(&World) -> String) -> Option<Shown> {
    world.link(router, "host").map(|_| Shown::Text(text(world)))
}

/// Whether a router still has its NICs: destroyed ones have none.
fn is_wired(world: &World, router: Handle) -> bool {
    world.text(router, "state") != Some("Destroyed")
}

fn wired(world: &World, router: Handle, text: impl FnOnce(&World) -> String) -> Option<Shown> {
    is_wired(world, router).then(|| Shown::Text(text(world)))
}

fn with_public(world: &World, router: Handle, text: impl FnOnce(&World) -> String) -> Option<Shown> {
    world.text(router, "publicip").map(|_| Shown::Text(text(world)))
}

fn with_guest(world: &World, router: Handle, text: impl FnOnce(&World) -> String) -> Option<Shown> {
    world.text(router, "guestipaddress").and(world.link(router, "network")).map(|_| Shown::Text(text(world)))
}

fn linked_text(world: &World, router: Handle, field: Option<&str>) -> String {
    let Some(network) = world.link(router, "network") else { return String::new() };
    field.map_or_else(|| world.id(network), |field| world.string(network, field))
}

fn network_id(world: &World, router: Handle, part: u32) -> String {
    world.link(router, "zone").map(|zone| world.derived_id(zone, part)).unwrap_or_default()
}

/// A made-up hardware address, always the same for the same router and network.
fn mac(_: &World, router: Handle, start: &str) -> String {
    let number = World::internal_number(router);
    format!("{start}:00:cc:{:02x}:{:02x}", (number >> 8) & 0xff, number & 0xff)
}

/// The NICs of a router: to its guests, which only root admins see, to its host, and to the world.
fn nics(world: &World, router: Handle, viewer: Viewer) -> Option<Shown> {
    if !is_wired(world, router) {
        return Some(Shown::Raw("[]".to_owned()));
    }
    let runs = world.link(router, "host").is_some();
    let mut shown: Vec<Value> = Vec::new();
    if let Some(network) = world.link(router, "network").filter(|_| viewer.root) {
        let mut nic = json!({
            "id": world.derived_id(router, NICS[0]), "networkid": world.id(network), "networkname": world.string(network, "name"),
            "netmask": "255.255.255.0", "ipaddress": world.string(router, "guestipaddress"), "traffictype": "Guest",
            "type": world.text(network, "type").unwrap_or("Isolated"), "isdefault": false, "macaddress": mac(world, router, "02:01"), "mtu": 1500,
        });
        if let Some(uri) = world.text(network, "broadcasturi").filter(|_| runs) {
            nic = super::metrics::with(super::metrics::with(nic, "isolationuri", uri), "broadcasturi", uri);
        }
        shown.push(nic);
    }
    let mut control = json!({
        "id": world.derived_id(router, NICS[1]), "networkid": network_id(world, router, CONTROL_NETWORK), "traffictype": "Control", "isdefault": false,
    });
    if runs {
        let members = [
            ("netmask", "255.255.0.0".to_owned()),
            ("gateway", "169.254.0.1".to_owned()),
            ("ipaddress", world.string(router, "linklocalip")),
            ("macaddress", mac(world, router, "0e:00")),
        ];
        control = members.into_iter().fold(control, |nic, (name, text)| super::metrics::with(nic, name, text));
    }
    shown.push(control);
    if let Some(address) = world.text(router, "publicip") {
        shown.push(json!({
            "id": world.derived_id(router, NICS[2]), "networkid": network_id(world, router, PUBLIC_NETWORK), "netmask": "255.255.255.0",
            "gateway": "192.168.2.1", "ipaddress": address, "isolationuri": "vlan://50", "broadcasturi": "vlan://50", "traffictype": "Public",
            "isdefault": true, "macaddress": mac(world, router, "1e:01"), "mtu": 1500,
        }));
    }
    Some(Shown::Raw(Value::Array(shown).to_string()))
}

/// What the checks of a router found, if a server has asked it since it came up. Simulated hosts cannot run them.
fn checks(world: &World, router: Handle) -> Vec<Value> {
    let by_itself = super::pulse::CHECKS.last(world).filter(|asked| *asked >= world.created(router));
    let on_demand = u64::try_from(world.number(router, "checkedat")).ok().filter(|asked| *asked > 0);
    let Some(asked) = by_itself.max(on_demand) else { return Vec::new() };
    let stamp = cloudstack_api::clock::timestamp(Duration::from_secs(asked));
    let found = CHECKS.iter().map(|(name, status)| {
        json!({
            "checkname": name, "checktype": "basic", "success": false, "status": status, "lastupdated": stamp,
            "details": "the host does not know the command that runs the checks",
        })
    });
    found.collect()
}

fn list_routers(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("router");
    let listed = list::list(turn, kind)?;
    let (true, Outcome::List(rows, count)) = (turn.arguments.flag("fetchhealthcheckresults"), &listed) else { return Ok(listed) };
    let mut json = crate::json::Json::default();
    for router in rows {
        json.open();
        turn.world.render_members(*router, turn.viewer(), &[], &mut json);
        json.key("healthcheckresults");
        json.value(&Value::Array(checks(turn.world, *router)));
        json.close();
    }
    Ok(Outcome::Rendered(json.into_text(), *count))
}

fn health(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let router = turn.target("routerid")?;
    if turn.world.text(router, "state") != Some("Running") {
        return Err(Refusal::internal(format!("Router health checks are only available for running routers, not for {}", turn.world.id(router))));
    }
    if turn.arguments.flag("performfreshchecks") {
        let now = i64::try_from(turn.world.now.as_secs()).unwrap_or_default();
        turn.world.set(router, "checkedat", now);
    }
    let found = checks(turn.world, router);
    if found.is_empty() {
        return Err(Refusal::failed("Failed to get health check results: nothing was found out about this router yet"));
    }
    let shown = json!({"routerid": turn.world.id(router), "healthchecks": found});
    Ok(Outcome::Shown("routerhealthchecks".to_owned(), shown.to_string()))
}

fn state(world: &World, vm: Handle) -> String {
    world.text(vm, "state").unwrap_or("Running").to_owned()
}

/// Lets a system VM or a router run.
pub(super) fn put_on_host(world: &mut World, vm: Handle) -> Result<(), Refusal> {
    let Some(host) = super::place::choose_host(world, world.link(vm, "zone")) else {
        return Err(Refusal::failed(format!("Unable to start {} due to insufficient capacity", world.string(vm, "name"))));
    };
    world.set(vm, "host", host);
    world.set(vm, "state", "Running");
    super::pulse::begin(world, vm);
    Ok(())
}

fn start(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    Ok(turn.job(vm, WORK_MEDIUM, move |turn| {
        if !ON_HOST.contains(&state(turn.world, vm).as_str()) {
            put_on_host(turn.world, vm)?;
        }
        Ok(Outcome::Object(vm))
    }))
}

fn stop(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    Ok(turn.job(vm, WORK_MEDIUM, move |turn| {
        halt(turn.world, vm);
        Ok(Outcome::Object(vm))
    }))
}

/// Stops a system VM or a router.
pub(super) fn halt(world: &mut World, vm: Handle) {
    super::pulse::end(world, vm);
    world.set(vm, "state", "Stopped");
    world.unset(vm, "host");
}

fn reboot(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    if state(turn.world, vm) != "Running" {
        return Err(Refusal::failed(format!("{} is not running, so it cannot be rebooted", turn.world.string(vm, "name"))));
    }
    Ok(turn.job(vm, WORK_MEDIUM, move |turn| {
        if turn.world.description(vm.kind).is_some_and(|kind| kind.word.as_ref() == "systemvm") {
            tell(turn.world, vm, "is rebooted");
        }
        Ok(Outcome::Object(vm))
    }))
}

fn rendered(turn: &Turn<'_>, vm: Handle) -> Map<String, Value> {
    let mut text = crate::json::Json::default();
    turn.world.render(vm, turn.viewer(), &mut text);
    serde_json::from_str(&text.into_text()).unwrap_or_default()
}

fn destroy_router(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let router = turn.target("id")?;
    Ok(turn.job(router, WORK_MEDIUM, move |turn| {
        for gone in ["host", "networkdomain", "gateway", "publicip", "guestipaddress", "linklocalip"] {
            turn.world.unset(router, gone);
        }
        turn.world.set(router, "state", "Destroyed");
        let shown = turn.body(&Outcome::Object(router));
        turn.world.remove(router);
        Ok(Outcome::Flat(shown))
    }))
}

/// A destroyed system VM is soon followed by another.
fn destroy_system_vm(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    Ok(turn.job(vm, WORK_MEDIUM, move |turn| {
        let mut members = rendered(turn, vm);
        let gone = ["gateway", "publicip", "publicmacaddress", "publicnetmask", "activeviewersessions"];
        WHILE_RUNNING.iter().chain(&gone).for_each(|name| drop(members.remove(*name)));
        dismiss(turn.world, vm);
        turn.world.later(NOTICE, move |world| {
            if let Some(zone) = world.link(vm, "zone") {
                staff(world, zone);
            }
        });
        Ok(Outcome::Shown("systemvm".to_owned(), Value::Object(members).to_string()))
    }))
}

fn check_system_offering(turn: &Turn<'_>, offering: Handle, word: &str) -> Result<(), Refusal> {
    if turn.world.flag(offering, "issystem") {
        return Ok(());
    }
    let said = super::recipe::said(turn.world, "Service offering", offering);
    Err(Refusal::invalid(format!("Cannot upgrade {word} to a non system service offering {said}.")))
}

fn change_router(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let router = turn.target("id")?;
    let wanted = turn.target("serviceofferingid")?;
    check_system_offering(turn, wanted, "router vm")?;
    if state(turn.world, router) != "Stopped" {
        return Err(Refusal::invalid("Unable to upgrade router vm: make sure that it is stopped"));
    }
    turn.world.set(router, "offering", wanted);
    Ok(Outcome::Object(router))
}

fn scale(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    let wanted = turn.target("serviceofferingid")?;
    check_system_offering(turn, wanted, "system vm")?;
    if turn.world.link(vm, "offering") == Some(wanted) {
        let (name, offering) = (turn.world.string(vm, "name"), turn.world.string(wanted, "name"));
        return Err(Refusal::invalid(format!("Not upgrading vm {name} since it already has the requested service offering ({offering})")));
    }
    if state(turn.world, vm) == "Running" {
        return Err(Refusal::invalid(format!("Unable to upgrade {} while it is running: stop it first", turn.world.string(vm, "name"))));
    }
    if !turn.command.is_async {
        turn.world.set(vm, "offering", wanted);
        return Ok(Outcome::Object(vm));
    }
    Ok(turn.job(vm, WORK_SHORT, move |turn| {
        turn.world.set(vm, "offering", wanted);
        Ok(Outcome::Object(vm))
    }))
}
