//! What the metrics lists show beside the plain lists, and the histories of usage.
//!
//! Nothing is measured: machines at rest use what recorded ones used.

use serde_json::{Map, Value, json};

use super::{Tables, pulse};
use crate::{
    kind::Viewer,
    list,
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Handle, World},
};

/// Thresholds of zones, clusters and hosts: none is passed.
const THRESHOLDS: [&str; 8] = [
    "cputhreshold",
    "cpudisablethreshold",
    "cpuallocatedthreshold",
    "cpuallocateddisablethreshold",
    "memorythreshold",
    "memorydisablethreshold",
    "memoryallocatedthreshold",
    "memoryallocateddisablethreshold",
];
/// Thresholds of storage pools.
const POOL_THRESHOLDS: [&str; 4] = ["storageusagethreshold", "storageusagedisablethreshold", "storageallocatedthreshold", "storageallocateddisablethreshold"];
const GIB: f64 = 1_073_741_824.0;
/// A connector to another store of objects, which is off.
const CLOUDIAN: &str = "{\"enabled\":false,\"url\":\"https://cmc.cloudian.com:8443/Cloudian/\"}";
/// Which of the ids that follow from a system VM's its root disk has.
const DISK: u32 = 40;
/// How many figures of its load a database keeps.
const LOADS: [f64; 3] = [36.0, 83.0, 90.0];

/// The commands of histories and of tags on places.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listVirtualMachinesUsageHistory", machine_history),
        ("listSystemVmsUsageHistory", system_history),
        ("listVolumesUsageHistory", volume_history),
        ("listDbMetrics", database),
        ("cloudianIsEnabled", |_| Ok(Outcome::Shown("cloudianisenabled".to_owned(), CLOUDIAN.to_owned()))),
        ("listHostTags", |turn| tags_on(turn, ("host", "hosttags"), "hostid")),
        ("listStorageTags", |turn| tags_on(turn, ("storagepool", "tags"), "poolid")),
    ],
    filters: &[],
};

#[expect(clippy::cast_precision_loss, reason = "sizes are told with two decimals")]
fn in_gib(bytes: i64) -> String {
    format!("{:.2} GB", bytes as f64 / GIB)
}

/// What a metrics list shows of a row besides its own members.
pub(crate) fn of_row(world: &World, row: Handle, viewer: Viewer) -> Map<String, Value> {
    let word = world.description(row.kind).map(|kind| kind.word.to_string()).unwrap_or_default();
    let shown = match word.as_str() {
        "zone" | "cluster" => of_place(world, row, &word),
        "host" => of_host(world, row),
        "storagepool" => of_pool(world, row),
        "volume" => of_volume(world, row, viewer),
        "virtualmachine" => of_machine(world, row),
        "managementserver" => of_server(world),
        _ => Value::Null,
    };
    shown.as_object().cloned().unwrap_or_default()
}

fn with_flags(shown: Value, names: &[&str]) -> Value {
    names.iter().fold(shown, |shown, name| with(shown, name, false))
}

/// An object with one more member.
pub(super) fn with(mut object: Value, name: &str, value: impl Into<Value>) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
    object
}

fn of_place(world: &World, place: Handle, word: &str) -> Value {
    let hosts: Vec<Handle> = world.referring("host", word, place).filter(|host| world.text(*host, "type") == Some("Routing")).collect();
    let memory: i64 = hosts.iter().map(|host| world.number(*host, "memorytotal")).sum();
    let speed: i64 = hosts.iter().map(|host| world.number(*host, "cpunumber") * world.number(*host, "cpuspeed")).sum();
    let parts = if word == "zone" { world.referring("cluster", "zone", place).count() } else { hosts.len() };
    let counted = if word == "zone" { "clusters" } else { "hosts" };
    let shown = json!({
        "state": world.text(place, "allocationstate").unwrap_or("Enabled"), counted: format!("{parts} / {parts}"), "cputotal": format!("{}.00 Ghz", speed / 1000),
        "cpuallocated": "0.00%", "memorytotal": in_gib(memory), "memoryallocated": "0.00%",
    });
    let shown = if word == "cluster" { with(shown, "drsimbalance", "0.00%") } else { shown };
    with_flags(shown, &THRESHOLDS)
}

fn of_host(world: &World, host: Handle) -> Value {
    let running = world.referring("virtualmachine", "host", host).count();
    let speed = world.number(host, "cpunumber") * world.number(host, "cpuspeed") / 1000;
    let shown = json!({
        "powerstate": "Disabled", "instances": format!("{running} / {running}"), "systeminstances": "0 / 0", "cputotalghz": format!("{speed}.00 Ghz"),
        "cpuusedghz": "0.00 Ghz", "cpuallocatedghz": "0.00 Ghz", "memorytotalgb": in_gib(world.number(host, "memorytotal")), "memoryusedgb": "0.00 GB",
        "memoryallocatedgb": "0.00 GB", "networkread": "0.03 GB", "networkwrite": "0.02 GB",
    });
    with_flags(shown, &THRESHOLDS)
}

fn of_pool(world: &World, pool: Handle) -> Value {
    let total = world.number(pool, "disksizetotal");
    let stored: i64 = world.referring("volume", "pool", pool).map(|volume| world.number(volume, "size")).sum();
    let shown = json!({
        "disksizeusedgb": "0.00 GB", "disksizetotalgb": format!("{} (x2.0)", in_gib(total)), "disksizeallocatedgb": in_gib(stored),
        "disksizeunallocatedgb": in_gib(total * 2 - stored),
    });
    with_flags(shown, &POOL_THRESHOLDS)
}

fn of_volume(world: &World, volume: Handle, viewer: Viewer) -> Value {
    let shown = json!({"sizegb": in_gib(world.number(volume, "size")).replace("GB", "GiB")});
    // Where a volume lies is for root admins.
    let shown = if viewer.root { with(shown, "storagetype", format!("Shared ({})", world.string(volume, "type"))) } else { shown };
    if super::volume::is_measured(world, volume) { with(shown, "diskiopstotal", 0) } else { shown }
}

#[expect(clippy::cast_precision_loss, reason = "sizes are told with two decimals")]
fn of_machine(world: &World, vm: Handle) -> Value {
    let speed = (world.number(vm, "cpunumber") * world.number(vm, "cpuspeed")) as f64 / 1000.0;
    let memory = world.number(vm, "memory") as f64 / 1024.0;
    let mut shown = json!({"cputotal": format!("{speed:.1} Ghz"), "memorytotal": format!("{memory:.2} GiB")});
    if pulse::is_sampled(world, vm) {
        for (name, used) in [("networkread", "32.00 MiB"), ("networkwrite", "16.00 MiB"), ("diskread", "0.00 MiB"), ("diskwrite", "0.00 MiB")] {
            shown = with(shown, name, used);
        }
        shown = with(shown, "diskiopstotal", 0);
    }
    shown
}

fn of_server(world: &World) -> Value {
    let agents = world.rows(world.kind("host")).filter(|host| world.link(*host, "managementserver").is_some()).count();
    json!({
        "availableprocessors": 4, "agentcount": agents, "sessions": world.sessions.len(), "heapmemoryused": 942_238_736, "heapmemorytotal": 3_817_865_216_i64,
        "threadsblockedcount": 0, "threadsdaemoncount": 16, "threadsrunnablecount": 9, "threadsteminatedcount": 0, "threadstotalcount": 250,
        "threadswaitingcount": 160, "systemmemorytotal": "16.00 GB", "systemmemoryfree": "8.00 GB", "systemmemoryvirtualsize": "7.00 GB", "loginfo": "",
        "systemtotalcpucycles": 5_192.292, "systemloadaverages": [0.5, 0.4, 0.3], "systemcycleusage": [179_328, 20_243, 164_567], "dbislocal": true,
        "usageislocal": false, "cpuload": "12.50 %", "collectiontime": world.timestamp(), "kernelversion": "6.1.0",
    })
}

/// What the database is told to be like.
fn database(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let world = &*turn.world;
    let since = world.rows(world.kind("managementserver")).next().map_or(0, |server| world.created(server));
    let uptime = world.now.as_secs().saturating_sub(since);
    let asked = usize::try_from(pulse::DATABASE.count(world, world.now.as_secs())).unwrap_or(usize::MAX);
    let loads: Vec<f64> = LOADS.into_iter().take(asked).collect();
    let shown = json!({
        "collectiontime": world.timestamp(), "hostname": "127.0.0.1", "replicas": [""], "connections": 78, "uptime": uptime, "version": "10.11.0-MariaDB",
        "versioncomment": "Debian 12", "queries": uptime * 100, "dbloadaverages": loads,
    });
    Ok(Outcome::Shown("dbMetrics".to_owned(), shown.to_string()))
}

/// The machines or volumes whose history somebody may see, without asking for all.
fn remembered(turn: &Turn<'_>, word: &str) -> Vec<Handle> {
    let is_project = |owner: Handle| turn.world.link(owner, "project").is_some();
    let kind = turn.world.kind(word);
    list::unscoped(turn, kind, &|world, row| turn.may_use(row) && !world.owner(row).is_some_and(is_project))
}

/// What machines used, minute by minute.
fn machine_history(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rows = remembered(turn, "virtualmachine");
    let period = period(turn)?;
    let world = &*turn.world;
    let items = rows.into_iter().map(|vm| {
        let item = json!({"id": world.id(vm), "name": world.string(vm, "instancename")});
        let item = match told_name(world, vm) {
            Some(name) => with(item, "displayname", name),
            None => item,
        };
        with(item, "stats", samples(world, vm, period)).to_string()
    });
    let items = list::Page::read(turn)?.part(items.collect());
    Ok(Outcome::Rendered(items.join(","), items.len()))
}

/// The display name that somebody gave a machine; older releases give one themselves.
fn told_name(world: &World, vm: Handle) -> Option<&str> {
    world.text(vm, "displayname").filter(|shown| world.is_old || world.text(vm, "name") != Some(shown))
}

/// What system VMs and routers used, those of projects too.
fn system_history(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let mut rows = Vec::new();
    for word in ["systemvm", "router"] {
        let kind = turn.world.kind(word);
        rows.extend(list::unscoped(turn, kind, &|_, _| true));
    }
    let period = period(turn)?;
    let world = &*turn.world;
    rows.sort_by_key(|row| number(world, *row));
    let items = rows.into_iter().map(|row| {
        let item = json!({"id": world.id(row), "name": world.string(row, "name")});
        with(item, "stats", samples(world, row, period)).to_string()
    });
    let items = list::Page::read(turn)?.part(items.collect());
    Ok(Outcome::Rendered(items.join(","), items.len()))
}

/// The history of volumes is empty: nobody gathers it unless a setting says so.
fn volume_history(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    period(turn)?;
    let rows = remembered(turn, "volume");
    let world = &*turn.world;
    let mut items: Vec<String> = rows.iter().map(|row| json!({"id": world.id(*row), "name": world.string(*row, "name"), "stats": []}).to_string()).collect();
    // Root admins see the disks of system VMs and routers, too.
    let is_narrowed = ["id", "ids", "name", "keyword"].iter().any(|name| turn.arguments.given(name).is_some());
    if turn.caller.is_root() && !is_narrowed {
        let machines = ["systemvm", "router"].iter().flat_map(|word| world.rows(world.kind(word)));
        let disks = machines.filter(|machine| world.link(*machine, "host").is_some());
        items.extend(
            disks.map(|machine| json!({"id": world.derived_id(machine, DISK), "name": format!("ROOT-{}", number(world, machine)), "stats": []}).to_string()),
        );
    }
    let items = list::Page::read(turn)?.part(items);
    Ok(Outcome::Rendered(items.join(","), items.len()))
}

/// The number in the name of a system VM or a router.
fn number(world: &World, machine: Handle) -> u64 {
    let digits: String = world.text(machine, "name").unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}

/// From when to when samples are asked for, in seconds since 1970.
fn period(turn: &Turn<'_>) -> Result<(u64, u64), Refusal> {
    let moment = |name: &str| turn.arguments.text(name).and_then(crate::dates::parse).and_then(|moment| u64::try_from(moment).ok());
    let (from, until) = (moment("startdate").unwrap_or(0), moment("enddate").unwrap_or(u64::MAX));
    if from > until { Err(Refusal::invalid("startDate cannot be after endDate.")) } else { Ok((from, until)) }
}

/// The samples of a machine within a period, as real servers show what simulated machines use.
fn samples(world: &World, machine: Handle, (from, until): (u64, u64)) -> Vec<Value> {
    let sample = |moment: u64| {
        json!({
            "timestamp": cloudstack_api::clock::timestamp(std::time::Duration::from_secs(moment)), "cpuused": "10%", "diskioread": 0, "diskiowrite": 0,
            "diskiopstotal": 0, "diskkbsread": 0, "diskkbswrite": 0, "memoryintfreekbs": -1, "memorykbs": 0, "memorytargetkbs": 0, "networkkbsread": 32_768,
            "networkkbswrite": 16_384, "networkread": "32.00 MiB", "networkwrite": "16.00 MiB"
        })
    };
    pulse::samples(world, machine).into_iter().filter(|moment| (from..=until).contains(moment)).map(sample).collect()
}

/// The tags on hosts or pools, one row each.
fn tags_on(turn: &mut Turn<'_>, (word, field): (&str, &str), id: &str) -> Result<Outcome, Refusal> {
    let world = &*turn.world;
    let mut items = Vec::new();
    for row in world.rows(world.kind(word)) {
        for tag in world.text(row, field).unwrap_or_default().split(',').filter(|tag| !tag.is_empty()) {
            let item = json!({id: World::internal_number(row), "name": tag});
            let item = if word == "host" { with(item, "isimplicit", false) } else { item };
            items.push(item.to_string());
        }
    }
    Ok(Outcome::Rendered(items.join(","), items.len()))
}
