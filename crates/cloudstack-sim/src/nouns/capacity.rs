//! What zones, pods and clusters have to give, and how much of it is taken, by CloudStack's types of capacity.
//!
//! Nothing is stored: each answer counts the rows of the world, so that it is always the latest.

use serde_json::{Map, Value, json};

use super::Tables;
use crate::{
    kind::Shown,
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Handle, World},
};

/// Bytes of a MiB.
const MIB: i64 = 1 << 20;
/// The type of the capacity of GPUs.
const GPU: i64 = 19;
/// The type of the capacity of stores of objects.
const OBJECTS: i64 = 20;
/// The types that are known only once the server has counted; the others follow from what hosts and stores say.
const COUNTED: [i64; 4] = [3, 4, 5, 7];
/// The field of a zone that says when somebody let its capacities be counted.
const COUNTED_AT: &str = "countedat";
/// The types that tell beside what is used what is given out.
const GIVEN_OUT: [i64; 3] = [0, 1, 90];
/// The types that zones alone have.
const OF_ZONES: [i64; 4] = [4, 6, 7, 20];
/// The types of which every zone tells, even if it has none.
const TOLD_ALWAYS: [i64; 4] = [2, 6, 19, 20];

/// The command of capacities.
pub(super) const TABLES: Tables = Tables { handlers: &[("listCapacity", list_capacity)], filters: &[] };

/// One type of capacity at one place.
#[derive(Clone, Copy, Debug)]
struct Capacity {
    kind: i64,
    word: &'static str,
    used: i64,
    total: i64,
}

impl Capacity {
    /// How many hundredths of a percent are used.
    fn share(self) -> i64 {
        (self.used * 10_000).checked_div(self.total).unwrap_or(0)
    }

    fn members(self) -> Map<String, Value> {
        let percent = format!("{}.{:02}", self.share() / 100, self.share() % 100);
        let percent = percent.trim_end_matches('0').trim_end_matches('.');
        let shown = json!({"type": self.kind, "name": self.word, "capacityused": self.used, "capacitytotal": self.total, "percentused": percent});
        shown.as_object().cloned().unwrap_or_default()
    }
}

/// How many times over a cluster gives its processors or memory out, in hundredths.
#[expect(clippy::cast_possible_truncation, reason = "the ratios that people set are small")]
fn ratio(world: &World, cluster: Option<Handle>, name: &str) -> i64 {
    let known = cluster.and_then(|cluster| world.tree(cluster, "details")).and_then(|details| details.get(name)).and_then(Value::as_str);
    known.and_then(|ratio| ratio.parse::<f64>().ok()).map_or(100, |ratio| (ratio * 100.0).round() as i64)
}

/// Everything that a place has.
fn of_place(world: &World, place: Handle) -> Vec<Capacity> {
    let word = world.description(place.kind).map(|kind| kind.word.to_string()).unwrap_or_default();
    let hosts: Vec<Handle> = world.referring("host", &word, place).filter(|host| world.text(*host, "type") == Some("Routing")).collect();
    let (mut memory, mut speed, mut cores) = ((0, 0), (0, 0), (0, 0));
    for host in &hosts {
        let cluster = world.link(*host, "cluster");
        memory.1 += world.number(*host, "memorytotal") / 100 * ratio(world, cluster, "memoryOvercommitRatio");
        speed.1 += world.number(*host, "cpunumber") * world.number(*host, "cpuspeed") * ratio(world, cluster, "cpuOvercommitRatio") / 100;
        cores.1 += world.number(*host, "cpunumber");
    }
    for vm in world.rows(world.kind("virtualmachine")).filter(|vm| world.link(*vm, "host").is_some_and(|host| hosts.contains(&host))) {
        memory.0 += world.number(vm, "memory") * MIB;
        speed.0 += world.number(vm, "cpunumber") * world.number(vm, "cpuspeed");
        cores.0 += world.number(vm, "cpunumber");
    }
    let pools: Vec<Handle> = world.referring("storagepool", &word, place).collect();
    let disks: i64 = pools.iter().map(|pool| world.number(*pool, "disksizetotal")).sum();
    let stored: i64 = pools.iter().map(|pool| world.referring("volume", "pool", *pool).map(|volume| world.number(volume, "size")).sum::<i64>()).sum();
    let system = i64::try_from(world.referring("systemvm", &word, place).count()).unwrap_or(0);
    let mut rows = vec![
        Capacity { kind: 0, word: "MEMORY", used: memory.0, total: memory.1 },
        Capacity { kind: 1, word: "CPU", used: speed.0, total: speed.1 },
        Capacity { kind: 2, word: "STORAGE", used: 0, total: disks },
        Capacity { kind: 3, word: "STORAGE_ALLOCATED", used: stored, total: disks * 2 },
        Capacity { kind: 5, word: "PRIVATE_IP", used: system * 2, total: private_addresses(world, place, &word) },
        Capacity { kind: GPU, word: "GPU", used: 0, total: 0 },
        Capacity { kind: 90, word: "CPU_CORE", used: cores.0, total: cores.1 },
    ];
    if word == "zone" {
        let taken = i64::try_from(world.referring("ipaddress", "zone", place).filter(|address| world.owner(*address).is_some()).count()).unwrap_or(0);
        let public = world.referring("vlaniprange", "zone", place).map(|range| super::wiring::addresses_in(world, range)).sum();
        rows.extend([
            Capacity { kind: 4, word: "VIRTUAL_NETWORK_PUBLIC_IP", used: taken, total: public },
            Capacity { kind: 6, word: "SECONDARY_STORAGE", used: 0, total: 0 },
            Capacity { kind: 7, word: "VLAN", used: 0, total: super::wiring::vlans_of_zone(world, place) },
            Capacity { kind: OBJECTS, word: "OBJECT_STORAGE", used: 0, total: 0 },
        ]);
    }
    rows.sort_by_key(|row| row.kind);
    rows.retain(|row| row.total > 0 || TOLD_ALWAYS.contains(&row.kind) && (word == "zone" || !OF_ZONES.contains(&row.kind)));
    let is_counted = is_counted(world, place);
    rows.retain(|row| is_counted || !COUNTED.contains(&row.kind));
    // Stores of objects are no capacity in older releases.
    rows.retain(|row| !world.is_old || row.kind != OBJECTS);
    rows
}

/// Whether the server went through its capacities since a place is there.
fn is_counted(world: &World, place: Handle) -> bool {
    let zone = world.link(place, "zone").unwrap_or(place);
    let asked = u64::try_from(world.number(zone, COUNTED_AT)).ok().filter(|asked| *asked > 0);
    super::pulse::CAPACITIES.last(world).max(asked).is_some_and(|counted| counted >= world.created(place))
}

/// Goes through the capacities of all zones now, and not only when it is time.
pub(crate) fn count_now(world: &mut World) {
    let now = i64::try_from(world.now.as_secs()).unwrap_or_default();
    let zones: Vec<Handle> = world.rows(world.kind("zone")).collect();
    zones.into_iter().for_each(|zone| world.set(zone, COUNTED_AT, now));
}

fn private_addresses(world: &World, place: Handle, word: &str) -> i64 {
    let pods: Vec<Handle> = match word {
        "zone" => world.referring("pod", "zone", place).collect(),
        "pod" => vec![place],
        _ => Vec::new(),
    };
    let ranges = pods.iter().flat_map(|pod| world.tree(*pod, "ipranges").and_then(Value::as_array).into_iter().flatten());
    let end = |range: &Value, name: &str| range.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    ranges.map(|range| i64::try_from(super::cidr::addresses(&end(range, "startip"), &end(range, "endip")).len()).unwrap_or(0)).sum()
}

/// The capacities of a place as its own answer shows them.
pub(super) fn within(world: &World, place: Handle) -> Shown {
    let rows = of_place(world, place).into_iter().filter(|row| row.kind != GPU);
    let items: Vec<Value> = rows.map(|row| Value::Object(row.members())).collect();
    Shown::Raw(Value::Array(items).to_string())
}

/// The places whose capacities are told: those asked for, or all zones; one level below where the heaviest used are asked for.
fn places(turn: &Turn<'_>, by_usage: bool) -> Vec<Handle> {
    let world = &*turn.world;
    let argument = |name: &str| turn.arguments.object(name);
    let (zone, pod, cluster) = (argument("zoneid"), argument("podid"), argument("clusterid"));
    match (zone, pod, cluster) {
        (_, Some(pod), _) if by_usage => world.referring("cluster", "pod", pod).collect(),
        (Some(zone), None, _) if by_usage => world.referring("pod", "zone", zone).collect(),
        (_, _, Some(cluster)) => vec![cluster],
        (_, Some(pod), None) => vec![pod],
        (Some(zone), None, None) => vec![zone],
        _ => world.rows(world.kind("zone")).collect(),
    }
}

fn list_capacity(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let by_usage = turn.arguments.text("sortby") == Some("usage");
    if by_usage && turn.arguments.object("clusterid").is_some() {
        return Err(Refusal::invalid("Currently clusterId param is not supported"));
    }
    if turn.arguments.flag("fetchlatest") {
        count_now(turn.world);
    }
    let wanted = turn.arguments.number("type");
    let tag = turn.arguments.text("tag").map(str::to_owned);
    let world = &*turn.world;
    let mut rows: Vec<(Handle, Capacity)> = Vec::new();
    for (at, place) in places(turn, by_usage).into_iter().enumerate() {
        // Stores of objects are told only where there are some, and GPUs once.
        let is_told = |row: &Capacity| row.kind != OBJECTS && (row.kind != GPU || at == 0 && !by_usage && wanted.is_none_or(|wanted| wanted == GPU));
        let kept = of_place(world, place).into_iter().filter(is_told).filter(|row| wanted.is_none_or(|wanted| wanted == row.kind));
        rows.extend(kept.map(|row| (place, row)));
    }
    rows.sort_by_key(|(_, row)| if by_usage { -row.share() } else { row.kind });
    if tag.is_some() {
        rows.clear();
    }
    let shown = rows.iter().map(|(place, row)| {
        let mut members = row.members();
        members.extend(position(world, *place));
        let is_given_out = GIVEN_OUT.contains(&row.kind) || row.kind == GPU && !world.is_old;
        if is_given_out && !by_usage {
            members.insert("capacityallocated".to_owned(), json!(row.used));
        }
        Value::Object(members).to_string()
    });
    let items: Vec<String> = shown.collect();
    Ok(Outcome::Rendered(items.join(","), items.len()))
}

/// Where a place is, in the members of a capacity.
fn position(world: &World, place: Handle) -> Map<String, Value> {
    let own = world.description(place.kind).map(|kind| kind.word.to_string()).unwrap_or_default();
    let mut members = Map::new();
    for word in ["zone", "pod", "cluster"] {
        let found = if own == word { Some(place) } else { world.link(place, word) };
        if let Some(found) = found {
            members.insert(format!("{word}id"), json!(world.id(found)));
            members.insert(format!("{word}name"), json!(world.string(found, "name")));
        }
    }
    members
}
