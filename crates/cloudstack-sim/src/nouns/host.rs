//! Hosts as people add, change and take them away. Their view and their maintenance stand with other places.

use std::time::Duration;

use serde_json::json;

use super::{
    Tables,
    recipe::{self, Put},
};
use crate::{
    list,
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Datum, Handle, World, id_text},
};

/// What a simulated host has: cores, their speed in MHz, bytes of memory.
const SIMULATED: (i64, i64, i64) = (4, 8_000, 8 << 30);
/// The last number of the first address that a host of a pod gets.
const ADDRESS_FIRST: u64 = 1;

/// The commands and filters of hosts.
pub(super) const TABLES: Tables = Tables {
    handlers: &[("addHost", add), ("updateHost", update), ("deleteHost", delete), ("reconnectHost", reconnect), ("listHostsMetrics", list_measured)],
    filters: &[
        ("host", "hahost", |turn, host| turn.world.flag(host, "hahost") == turn.arguments.flag("hahost")),
        ("host", "arch", |turn, host| turn.arguments.text("arch") == turn.world.text(host, "arch").or(Some("x86_64"))),
        ("host", "storageaccessgroup", |turn, host| {
            let wanted = turn.arguments.text("storageaccessgroup").unwrap_or_default();
            turn.world.text(host, "storageaccessgroups").is_some_and(|groups| groups.split(',').any(|group| group == wanted))
        }),
        ("host", "outofbandmanagementpowerstate", |turn, _| {
            turn.arguments.text("outofbandmanagementpowerstate").is_some_and(|state| state.eq_ignore_ascii_case("Disabled"))
        }),
    ],
};

/// Metrics tell of hosts on which machines run.
fn list_measured(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("host");
    list::list_where(turn, kind, |world, host| world.text(host, "type") == Some("Routing"))
}

/// The cluster of a new host: the one with the given id, or one of the given name, made where there is none.
fn cluster_of(turn: &mut Turn<'_>, (zone, pod): (Handle, Handle), hypervisor: &str) -> Result<Option<Handle>, Refusal> {
    let (given, name) = (turn.arguments.object("clusterid"), turn.arguments.text("clustername").map(str::to_owned));
    if given.is_some() && name.is_some() {
        return Err(Refusal::invalid("Can't specify cluster by both id and name"));
    }
    let Some(name) = name else { return Ok(given) };
    let known = turn.world.referring("cluster", "pod", pod).find(|cluster| turn.world.text(*cluster, "name") == Some(&name));
    Ok(Some(known.unwrap_or_else(|| {
        let kind = turn.world.kind("cluster");
        turn.world.insert(kind, None, &[("name", name.into()), ("zone", zone.into()), ("pod", pod.into()), ("hypervisortype", hypervisor.into())])
    })))
}

fn add(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (zone, pod, url) = (turn.target("zoneid")?, turn.target("podid")?, turn.needed("url")?);
    if turn.world.link(pod, "zone") != Some(zone) {
        return Err(Refusal::invalid("Pod with the specified id doesn't belong to the specified zone"));
    }
    let wanted = turn.needed("hypervisor")?;
    let known = super::zone::HYPERVISORS.into_iter().find(|known| known.eq_ignore_ascii_case(&wanted));
    let is_kvm = known == Some("KVM");
    let has = |name: &str| turn.arguments.text(name).is_some();
    if !(known == Some("VMware") || has("username") && (is_kvm || has("password"))) {
        return Err(Refusal::invalid(if is_kvm { "Username need to be provided." } else { "Username and Password need to be provided." }));
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(Refusal::invalid(format!("uri.scheme is null {url}, add http:// as a prefix")));
    };
    let Some(hypervisor) = known else { return Err(Refusal::failed(format!("Do not support HypervisorType {wanted} for {url}"))) };
    let is_simulated = hypervisor == "Simulator" && scheme == "http" && rest.starts_with("sim");
    if !is_simulated {
        return Err(Refusal::failed(format!("Unable to add the host: Cannot find the server resources at {url}")));
    }
    let cluster = cluster_of(turn, (zone, pod), hypervisor)?;
    // A path such as `/count=3` asks for that many hosts.
    let count = rest.split(['/', '&']).find_map(|part| part.strip_prefix("count=")).and_then(|count| count.parse().ok()).unwrap_or(1_usize);
    let made: Vec<Handle> = (0..count.min(HOSTS_MAX)).map(|_| make(turn, (zone, pod), cluster)).collect();
    let count = made.len();
    super::systemvm::look_at(turn, zone);
    Ok(Outcome::List(made, count))
}

/// How long the agent of a host takes to come back.
const RECONNECTED: Duration = Duration::from_secs(30);
/// The most hosts that one call adds.
const HOSTS_MAX: usize = 256;

fn make(turn: &mut Turn<'_>, (zone, pod): (Handle, Handle), cluster: Option<Handle>) -> Handle {
    let guid = id_text(turn.world.fresh_id());
    let version = turn.server.options.version();
    let (cores, speed, memory) = SIMULATED;
    let prefix = turn.world.string(pod, "gateway").rsplit_once('.').map_or_else(|| "172.16.15".to_owned(), |(prefix, _)| prefix.to_owned());
    let number = turn.world.next("simulated host", ADDRESS_FIRST) % 253 + 1;
    let server = turn.world.rows(turn.world.kind("managementserver")).next();
    let fields: [(&str, Datum); 11] = [
        ("name", format!("SimulatedAgent.{guid}").into()),
        ("type", "Routing".into()),
        ("ipaddress", format!("{prefix}.{number}").into()),
        ("zone", zone.into()),
        ("pod", pod.into()),
        ("version", version.as_str().into()),
        ("hypervisorversion", version.into()),
        ("hypervisor", "Simulator".into()),
        ("cpunumber", cores.into()),
        ("cpuspeed", speed.into()),
        ("memorytotal", memory.into()),
    ];
    let kind = turn.world.kind("host");
    let host = turn.world.insert(kind, None, &fields);
    for (field, target) in [("cluster", cluster), ("managementserver", server)] {
        if let Some(target) = target {
            turn.world.set(host, field, target);
        }
    }
    [Put::Text("hosttags"), Put::Text("storageaccessgroups")].into_iter().for_each(|put| recipe::apply(turn, host, put));
    if turn.arguments.text("allocationstate").is_some_and(|state| state.starts_with("Disable")) {
        turn.world.set(host, "resourcestate", "Disabled");
    }
    host
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let host = turn.target("id")?;
    if let Some(state) = turn.arguments.text("allocationstate").map(str::to_owned) {
        let now = turn.world.text(host, "resourcestate").unwrap_or("Enabled").to_owned();
        let wanted = match state.as_str() {
            "Enable" | "Enabled" => "Enabled",
            "Disable" | "Disabled" => "Disabled",
            _ => {
                return Err(Refusal::invalid(format!("Invalid allocation state: {state}, only Enable/Disable are allowed")));
            }
        };
        if now != "Enabled" && now != "Disabled" {
            return Err(Refusal::failed(format!("Cannot transit to {wanted} from {now}")));
        }
        turn.world.set(host, "resourcestate", wanted);
    }
    [Put::Text("name"), Put::Text("hosttags"), Put::Flag("istagarule"), Put::Text("annotation")].into_iter().for_each(|put| recipe::apply(turn, host, put));
    if turn.arguments.given("hosttags") == Some("") {
        turn.world.unset(host, "hosttags");
    }
    if let Some(category) = turn.arguments.object("oscategoryid") {
        turn.world.set(host, "oscategory", category);
    }
    if let Some(text) = turn.arguments.text("annotation").map(str::to_owned) {
        annotate(turn, host, &text);
    }
    Ok(Outcome::Object(host))
}

/// Notes a remark on a host, which only admins see among the remarks.
fn annotate(turn: &mut Turn<'_>, host: Handle, text: &str) {
    let stamp = turn.world.timestamp();
    let (user, name) = (turn.caller.user, turn.world.string(host, "name"));
    let username = turn.world.string(user, "username");
    turn.world.set(host, "lastannotated", stamp);
    turn.world.set(host, "username", username);
    let fields: [(&str, Datum); 6] = [
        ("entitytype", "HOST".into()),
        ("entity", host.into()),
        ("entityname", name.into()),
        ("annotation", text.into()),
        ("user", user.into()),
        ("adminsonly", true.into()),
    ];
    let kind = turn.world.kind("annotation");
    turn.world.insert(kind, None, &fields);
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let host = turn.target("id")?;
    let is_idle = matches!(turn.world.text(host, "resourcestate"), Some("Maintenance" | "Degraded"));
    if !is_idle && !turn.arguments.flag("forced") {
        return Err(Refusal::internal(format!("Host with UUID [{}] is not in maintenance mode and no forced deletion was requested.", turn.world.id(host))));
    }
    let machines: Vec<Handle> = turn.world.referring("virtualmachine", "host", host).collect();
    machines.into_iter().for_each(|vm| super::vm::power_off(turn.world, vm));
    super::zone::release(turn.world, "dedicatedhost", host);
    turn.world.remove(host);
    Ok(Outcome::Success)
}

fn reconnect(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let host = turn.target("id")?;
    Ok(turn.job(host, crate::turn::WORK_SHORT, move |turn| {
        let state = turn.world.text(host, "state").unwrap_or("Up");
        if state != "Up" {
            return Err(Refusal::failed(format!("Failed to reconnect host: {} is {state}", said(turn.world, host))));
        }
        // The answer still shows the host up; then its agent is gone for a while.
        turn.world.later(Duration::ZERO, move |world| {
            world.set(host, "state", "Disconnected");
            world.unset(host, "managementserver");
        });
        turn.world.later(RECONNECTED, move |world| connect(world, host));
        Ok(Outcome::Object(host))
    }))
}

/// The agent of a host is there again. Simulated ones tell of their graphics cards only when they come back.
fn connect(world: &mut World, host: Handle) {
    world.set(host, "state", "Up");
    let server = world.rows(world.kind("managementserver")).next();
    if let Some(server) = server {
        world.set(host, "managementserver", server);
    }
    if !world.is_old && world.text(host, "hypervisor") == Some("Simulator") {
        world.set(host, "gputotal", CARDS.iter().map(|card| card.2).sum::<i64>());
        world.set(host, "gpuused", 0);
        world.set(host, "gpugroup", cards());
    }
}

/// The graphics cards of a simulated host: the group, the sort, how many there can be, and the screens of one: megabytes, number, width, height.
const CARDS: [(&str, &str, i64, [i64; 4]); 5] = [
    ("Simulator Graphics Card Basic", "passthrough", 4, [8192, 1, 4096, 2160]),
    ("Simulator Graphics Card Pro", "sim-2q", 8, [2048, 1, 1920, 1080]),
    ("Simulator Graphics Card Pro", "sim-4q", 4, [4096, 2, 1920, 1080]),
    ("Simulator Graphics Card Pro", "passthrough", 0, [16_384, 1, 4096, 2160]),
    ("Simulator Graphics Card Pro", "sim-8q", 4, [8192, 4, 4096, 2160]),
];

fn cards() -> serde_json::Value {
    let mut groups: Vec<(&str, Vec<serde_json::Value>)> = Vec::new();
    for (group, sort, most, [memory, heads, width, height]) in CARDS {
        let shown = json!({
            "vgputype": sort, "videoram": memory, "maxheads": heads, "maxresolutionx": width, "maxresolutiony": height, "maxvgpuperpgpu": most.max(1),
            "remainingcapacity": most, "maxcapacity": most,
        });
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, sorts)) => sorts.push(shown),
            None => groups.push((group, vec![shown])),
        }
    }
    groups.into_iter().map(|(group, sorts)| json!({"gpugroupname": group, "vgpu": sorts})).collect()
}

/// How texts name a host.
fn said(world: &World, host: Handle) -> String {
    let (name, kind, id) = (world.string(host, "name"), world.string(host, "type"), world.id(host));
    format!("Host {{\"id\":{},\"name\":\"{name}\",\"type\":\"{kind}\",\"uuid\":\"{id}\"}}", World::internal_number(host))
}
