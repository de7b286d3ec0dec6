//! What the metrics lists show beside the plain lists, and the histories of usage.
//!
//! Nothing is measured: machines at rest use what recorded ones used.

use serde_json::{Map, Value, json};

use super::Tables;
use crate::{
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
/// How far back histories go, in minutes.
const HISTORY_MINUTES: u64 = 6;

/// The commands of histories and of tags on places.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listVirtualMachinesUsageHistory", |turn| history(turn, "virtualmachine")),
        ("listSystemVmsUsageHistory", |turn| history(turn, "systemvm")),
        ("listVolumesUsageHistory", |turn| history(turn, "volume")),
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
pub(crate) fn of_row(world: &World, row: Handle) -> Map<String, Value> {
    let word = world.description(row.kind).map(|kind| kind.word.to_string()).unwrap_or_default();
    let shown = match word.as_str() {
        "zone" | "cluster" => of_place(world, row, &word),
        "host" => of_host(world, row),
        "storagepool" => of_pool(world, row),
        "volume" => of_volume(world, row),
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

fn of_volume(world: &World, volume: Handle) -> Value {
    let size = in_gib(world.number(volume, "size")).replace("GB", "GiB");
    let shown = json!({"sizegb": size, "storagetype": format!("Shared ({})", world.string(volume, "type"))});
    if super::volume::is_measured(world, volume) { with(shown, "diskiopstotal", 0) } else { shown }
}

#[expect(clippy::cast_precision_loss, reason = "sizes are told with two decimals")]
fn of_machine(world: &World, vm: Handle) -> Value {
    let speed = (world.number(vm, "cpunumber") * world.number(vm, "cpuspeed")) as f64 / 1000.0;
    let memory = world.number(vm, "memory") as f64 / 1024.0;
    json!({"cputotal": format!("{speed:.1} Ghz"), "memorytotal": format!("{memory:.2} GiB")})
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
    let shown = json!({
        "collectiontime": world.timestamp(), "hostname": "127.0.0.1", "replicas": [""], "connections": 78, "uptime": uptime, "version": "10.11.0-MariaDB",
        "versioncomment": "Debian 12", "queries": uptime * 100, "dbloadaverages": [36.0, 83.0, 90.0],
    });
    Ok(Outcome::Shown("dbMetrics".to_owned(), shown.to_string()))
}

/// What was used over the last minutes.
fn history(turn: &mut Turn<'_>, word: &str) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind(word);
    // Histories are told of all that somebody may see, without being asked for all.
    let is_project = |owner: Handle| turn.world.link(owner, "project").is_some();
    let rows = list::unscoped(turn, kind, &|world, row| turn.may_use(row) && !world.owner(row).is_some_and(is_project));
    let world = &*turn.world;
    let items = rows.iter().map(|row| {
        let name = world.text(*row, "instancename").or_else(|| world.text(*row, "name")).unwrap_or_default();
        let item = json!({"id": world.id(*row), "name": name});
        let item = if word == "virtualmachine" { with(item, "displayname", world.text(*row, "displayname").unwrap_or(name)) } else { item };
        with(item, "stats", samples(world, *row, word)).to_string()
    });
    let items: Vec<String> = items.collect();
    Ok(Outcome::Rendered(items.join(","), items.len()))
}

fn samples(world: &World, row: Handle, word: &str) -> Vec<Value> {
    let now = world.now.as_secs();
    let since = world.text(row, "lastupdated").and_then(crate::dates::parse_strict).and_then(|since| u64::try_from(since).ok());
    let since = since.unwrap_or_else(|| world.created(row));
    let is_running = matches!(world.text(row, "state"), None | Some("Running"));
    if word == "volume" || !is_running {
        return Vec::new();
    }
    let minutes = (now.saturating_sub(since) / 60).min(HISTORY_MINUTES);
    let sample = |ago: u64| {
        json!({
            "timestamp": cloudstack_api::clock::timestamp(std::time::Duration::from_secs(now - ago * 60)), "cpuused": "10%", "diskioread": 0, "diskiowrite": 0,
            "diskiopstotal": 0, "diskkbsread": 0, "diskkbswrite": 0, "memoryintfreekbs": -1, "memorykbs": 0, "memorytargetkbs": 0, "networkkbsread": 32_768,
            "networkkbswrite": 16_384, "networkread": "32.00 MiB", "networkwrite": "16.00 MiB"
        })
    };
    (0..minutes).rev().map(sample).collect()
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
