//! Zones, pods and clusters: made, changed, enabled, and torn down once nothing is left in them.
//!
//! What stands in them (hosts, stores, networks) has files of its own.

use std::net::{Ipv4Addr, Ipv6Addr};

use cloudstack_api::catalog::RoleType;
use serde_json::{Value, json};

use super::{
    Tables, capacity, cidr,
    cidr::Cidr,
    recipe::{self, Put},
};
use crate::{
    kind::{Constant, HAS_ANNOTATIONS, ID, Noun, Shown, TAGS, Viewer, always, computed, flag, linked, own, own_or},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Handle, World, id_text},
};

/// The states that zones, pods and clusters may be put into.
const ALLOCATION_STATES: [&str; 2] = ["Enabled", "Disabled"];
/// The states of management that clusters may be put into.
const MANAGED_STATES: [&str; 5] = ["Managed", "PrepareUnmanaged", "Unmanaged", "PrepareUnmanagedError", "ManagedError"];
/// Who runs the machines of a cluster.
const CLUSTER_TYPES: [&str; 2] = ["CloudManaged", "ExternalManaged"];
/// The hypervisors that a server knows.
pub(super) const HYPERVISORS: [&str; 11] =
    ["KVM", "VMware", "Hyperv", "XenServer", "Simulator", "LXC", "BareMetal", "Ovm3", "External", "Custom", "VirtualBox"];
/// The processors that a server knows.
const PROCESSORS: [&str; 4] = ["x86_64", "aarch64", "amd64", "arm64"];

/// A zone.
pub(crate) const ZONE_NOUN: Noun = Noun {
    word: "zone",
    entities: &["ZoneResponse", "ZoneMetricsResponse"],
    resource: "Zone",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own("dns1").root(),
        own("dns2").root(),
        own("ip6dns1").root(),
        own("ip6dns2").root(),
        own("internaldns1").root(),
        own("internaldns2").root(),
        own("guestcidraddress").root(),
        own("domain"),
        linked("domainid", "dedicated", "id"),
        linked("domainname", "dedicated", "name"),
        own("networktype"),
        flag("securitygroupsenabled"),
        always("gputotal", Constant::Number(0)),
        always("gpuused", Constant::Number(0)),
        own("allocationstate"),
        own("zonetoken"),
        own_or("dhcpprovider", Constant::Text("VirtualRouter")),
        computed("capacity", |world, zone, viewer| viewer.root.then(|| capacity::within(world, zone))),
        flag("localstorageenabled"),
        TAGS,
        own("resourcedetails"),
        flag("allowuserspecifyvrmtu"),
        always("routerprivateinterfacemaxmtu", Constant::Number(1500)),
        always("routerpublicinterfacemaxmtu", Constant::Number(1500)),
        own_or("type", Constant::Text("Core")),
        flag("isnsxenabled"),
        computed("ismultiarch", |world, zone, _| Some(Shown::Flag(processors(world, zone) > 1))),
        computed("asnrange", number_ranges),
        always("routedmodeenabled", Constant::Flag(true)),
        own("storageaccessgroups"),
        HAS_ANNOTATIONS,
    ],
};

/// A pod.
pub(crate) const POD_NOUN: Noun = Noun {
    word: "pod",
    entities: &["PodResponse"],
    resource: "Pod",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        own_or("gateway", Constant::Text("")),
        own_or("netmask", Constant::Text("0.0.0.0")),
        own_or("ipranges", Constant::Empty),
        computed("startip", |world, pod, _| Some(column(world, pod, "startip"))),
        computed("endip", |world, pod, _| Some(column(world, pod, "endip"))),
        computed("forsystemvms", |world, pod, _| Some(column(world, pod, "forsystemvms"))),
        computed("vlanid", |world, pod, _| Some(column(world, pod, "vlanid"))),
        own_or("allocationstate", Constant::Text("Enabled")),
        own("storageaccessgroups"),
        linked("zonestorageaccessgroups", "zone", "storageaccessgroups"),
        computed("capacity", |world, pod, _| Some(capacity::within(world, pod))),
        HAS_ANNOTATIONS,
    ],
};

/// A cluster.
pub(crate) const CLUSTER_NOUN: Noun = Noun {
    word: "cluster",
    entities: &["ClusterResponse", "ClusterMetricsResponse"],
    resource: "Cluster",
    owned: false,
    keywords: &["name", "hypervisortype"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        linked("podid", "pod", "id"),
        linked("podname", "pod", "name"),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        own("hypervisortype"),
        own_or("clustertype", Constant::Text("CloudManaged")),
        own_or("allocationstate", Constant::Text("Enabled")),
        own_or("managedstate", Constant::Text("Managed")),
        computed("cpuovercommitratio", |world, cluster, _| Some(Shown::Text(ratio(world, cluster, "cpuOvercommitRatio")))),
        computed("memoryovercommitratio", |world, cluster, _| Some(Shown::Text(ratio(world, cluster, "memoryOvercommitRatio")))),
        computed("resourcedetails", |world, cluster, _| Some(Shown::Raw(cluster_details(world, cluster).to_string()))),
        own_or("arch", Constant::Text("x86_64")),
        own("storageaccessgroups"),
        linked("podstorageaccessgroups", "pod", "storageaccessgroups"),
        linked("zonestorageaccessgroups", "zone", "storageaccessgroups"),
        computed("capacity", |world, cluster, _| Some(capacity::within(world, cluster))),
        HAS_ANNOTATIONS,
    ],
};

/// The commands and filters of zones, pods and clusters.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listZones", list_zones),
        ("listZonesMetrics", list_zones),
        ("createZone", create_zone),
        ("updateZone", update_zone),
        ("deleteZone", delete_zone),
        ("createPod", create_pod),
        ("updatePod", update_pod),
        ("deletePod", delete_pod),
        ("createManagementNetworkIpRange", create_range),
        ("updatePodManagementNetworkIpRange", update_range),
        ("deleteManagementNetworkIpRange", delete_range),
        ("addCluster", add_cluster),
        ("updateCluster", update_cluster),
        ("deleteCluster", delete_cluster),
    ],
    filters: &[
        ("zone", "domainid", |_, _| true),
        ("zone", "showicon", |_, _| true),
        ("zone", "storageaccessgroup", has_access_group),
        ("pod", "storageaccessgroup", has_access_group),
        ("cluster", "storageaccessgroup", has_access_group),
        ("cluster", "name", |turn, cluster| list::argument_contains(turn, "name", turn.world.text(cluster, "name"))),
        ("cluster", "hypervisor", |turn, cluster| turn.world.text(cluster, "hypervisortype") == turn.arguments.text("hypervisor")),
    ],
};

/// Lists zones. One who asks for a zone by its id or its name is shown it whatever it is; otherwise those who are not
/// root see the enabled zones that are nobody's, or of a domain on their own line.
fn list_zones(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("zone");
    if turn.arguments.text("id").is_some() || turn.arguments.text("name").is_some() {
        return list::list(turn, kind);
    }
    if let Some(domain) = turn.arguments.object("domainid") {
        return list::list_where(turn, kind, |world, zone| world.link(zone, "dedicated") == Some(domain));
    }
    if turn.caller.is_root() {
        return list::list(turn, kind);
    }
    let own = turn.caller.domain;
    let is_admin = turn.caller.kind != RoleType::User;
    list::list_where(turn, kind, |world, zone| {
        let is_in_line = |domain: Handle| world.is_within(own, domain) || is_admin && world.is_within(domain, own);
        let mut lent = world.referring("dedicatedzone", "target", zone).filter_map(|row| world.link(row, "domain"));
        world.text(zone, "allocationstate") != Some("Disabled") && world.link(zone, "dedicated").is_none_or(is_in_line) && lent.all(is_in_line)
    })
}

/// Refuses one who is not root what would be new in a disabled zone.
pub(super) fn check_enabled(turn: &Turn<'_>, zone: Handle) -> Result<(), Refusal> {
    if turn.caller.is_root() || turn.world.text(zone, "allocationstate") != Some("Disabled") {
        return Ok(());
    }
    Err(Refusal::forbidden("Cannot perform this operation, Zone is currently disabled"))
}

fn has_access_group(turn: &Turn<'_>, place: Handle) -> bool {
    let wanted = turn.arguments.text("storageaccessgroup").unwrap_or_default();
    turn.world.text(place, "storageaccessgroups").is_some_and(|groups| groups.split(',').any(|group| group == wanted))
}

fn processors(world: &World, zone: Handle) -> usize {
    let mut known: Vec<&str> = world.referring("cluster", "zone", zone).map(|cluster| world.text(cluster, "arch").unwrap_or("x86_64")).collect();
    known.sort_unstable();
    known.dedup();
    known.len()
}

fn number_ranges(world: &World, zone: Handle, _: Viewer) -> Option<Shown> {
    let ranges = world.referring("asnumberrange", "zone", zone);
    let told: Vec<String> = ranges.map(|range| format!("{}-{}", world.number(range, "startasn"), world.number(range, "endasn"))).collect();
    Some(Shown::Text(told.join(", ")))
}

/// One member of each of a pod's ranges.
fn column(world: &World, pod: Handle, name: &str) -> Shown {
    let items: Vec<&Value> = ranges(world, pod).iter().filter_map(|range| range.get(name)).collect();
    Shown::Raw(json!(items).to_string())
}

fn ranges(world: &World, pod: Handle) -> &[Value] {
    world.tree(pod, "ipranges").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn ratio(world: &World, cluster: Handle, name: &str) -> String {
    let known = world.tree(cluster, "details").and_then(|details| details.get(name)).and_then(Value::as_str);
    known.unwrap_or("1.0").to_owned()
}

fn cluster_details(world: &World, cluster: Handle) -> Value {
    let mut details = json!({"memoryOvercommitRatio": "1.0", "cpuOvercommitRatio": "1.0"});
    if let (Some(all), Some(known)) = (details.as_object_mut(), world.tree(cluster, "details").and_then(Value::as_object)) {
        all.extend(known.clone());
    }
    details
}

/// Keeps a setting of a cluster. The factors by which it gives out what it has stand under names of their own.
pub(super) fn set_detail(world: &mut World, cluster: Handle, name: &str, value: &str) {
    let name = match name {
        "cpu.overprovisioning.factor" => "cpuOvercommitRatio",
        "mem.overprovisioning.factor" => "memoryOvercommitRatio",
        name => name,
    };
    if name == "cpuOvercommitRatio" {
        world.set(cluster, "overcommit", value);
    }
    let mut details = world.tree(cluster, "details").cloned().unwrap_or_else(|| json!({}));
    if let Some(details) = details.as_object_mut() {
        details.insert(name.to_owned(), json!(value));
    }
    world.set(cluster, "details", details);
}

/// How texts name a zone.
pub(super) fn said_zone(world: &World, zone: Handle) -> String {
    let (name, id) = (world.string(zone, "name"), world.id(zone));
    format!("Zone {{\"id\": \"{}\", \"name\": \"{name}\", \"uuid\": \"{id}\"}}", World::internal_number(zone))
}

fn state_is_known(turn: &Turn<'_>) -> Result<(), Refusal> {
    match turn.arguments.text("allocationstate") {
        Some(state) if !ALLOCATION_STATES.contains(&state) => {
            Err(Refusal::invalid(format!("Unable to resolve Allocation State '{state}' to a supported state")))
        }
        _ => Ok(()),
    }
}

/// Whether a text can be the domain of a network's machines.
pub(super) fn is_domain_name(text: &str) -> bool {
    const LENGTH_MAX: usize = 190;
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    text.len() <= LENGTH_MAX && text.split('.').all(is_label)
}

/// Whether a network is one that people may use inside.
fn is_private(cidr: &str) -> bool {
    let within = |range: &str| Cidr::parse(range).zip(Cidr::parse(cidr)).is_some_and(|(range, cidr)| cidr.is_within(range));
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].into_iter().any(within)
}

/// What new and changed zones have in common.
fn check_zone(turn: &Turn<'_>, zone: Option<Handle>) -> Result<(), Refusal> {
    let text = |name: &str| turn.arguments.text(name);
    if text("guestcidraddress").is_some_and(|cidr| !is_private(cidr)) {
        return Err(Refusal::invalid("Please enter a valid guest cidr"));
    }
    if text("domain").is_some_and(|domain| !is_domain_name(domain)) {
        return Err(Refusal::invalid("Invalid network domain: labels of letters, digits and hyphens, at most 190 characters in all"));
    }
    if let Some(name) = text("name")
        && turn.world.find("zone", "name", name).is_some_and(|other| Some(other) != zone)
    {
        return Err(Refusal::invalid("A zone with that name already exists. Please specify a unique zone name."));
    }
    for (name, said) in [("dns1", "DNS1"), ("dns2", "DNS2"), ("internaldns1", "internal DNS1"), ("internaldns2", "internal DNS2")] {
        if text(name).is_some_and(|address| address.parse::<Ipv4Addr>().is_err()) {
            return Err(Refusal::invalid(format!("Please enter a valid IP address for {said}")));
        }
    }
    for (name, said) in [("ip6dns1", "IP6 DNS1"), ("ip6dns2", "IP6 DNS2")] {
        if text(name).is_some_and(|address| address.parse::<Ipv6Addr>().is_err()) {
            return Err(Refusal::invalid(format!("Please enter a valid IPv6 address for {said}")));
        }
    }
    state_is_known(turn)
}

/// The arguments that zones keep.
const ZONE_PUTS: &[Put] = &[
    Put::Text("name"),
    Put::Text("dns1"),
    Put::Text("dns2"),
    Put::Text("ip6dns1"),
    Put::Text("ip6dns2"),
    Put::Text("internaldns1"),
    Put::Text("internaldns2"),
    Put::Text("guestcidraddress"),
    Put::Text("domain"),
    Put::Text("allocationstate"),
    Put::Text("dhcpprovider"),
    Put::Flag("localstorageenabled"),
    Put::Text("storageaccessgroups"),
    Put::Or("allocationstate", Constant::Text("Disabled")),
];

fn create_zone(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let is_basic = turn.needed("networktype")?.eq_ignore_ascii_case("Basic");
    if is_basic && turn.arguments.text("guestcidraddress").is_some() {
        return Err(Refusal::invalid("guestCidrAddress parameter is not supported for Basic zone"));
    }
    if is_basic && turn.arguments.flag("isedge") {
        return Err(Refusal::invalid("Only advanced network type zones can be edge zones"));
    }
    check_zone(turn, None)?;
    let kind = turn.world.kind("zone");
    let token = id_text(turn.world.fresh_id());
    let zone = turn.world.insert(kind, None, &[("networktype", if is_basic { "Basic" } else { "Advanced" }.into()), ("zonetoken", token.into())]);
    ZONE_PUTS.iter().for_each(|put| recipe::apply(turn, zone, *put));
    turn.world.set(zone, "securitygroupsenabled", is_basic || turn.arguments.flag("securitygroupenabled"));
    if turn.arguments.flag("isedge") {
        turn.world.set(zone, "type", "Edge");
    }
    if let Some(domain) = turn.arguments.object("domainid") {
        turn.world.set(zone, "dedicated", domain);
    }
    Ok(Outcome::Object(zone))
}

fn update_zone(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let zone = turn.target("id")?;
    let mut details = turn.world.tree(zone, "resourcedetails").cloned().unwrap_or_else(|| json!({}));
    for entry in turn.arguments.records("details") {
        let (Some(key), Some(value)) = (entry.get("key"), entry.get("value")) else {
            return Err(Refusal::invalid("Invalid Zone Detail specified: details need a key and a value, as details[0].key=XXX&details[0].value=YYY"));
        };
        if let Some(details) = details.as_object_mut() {
            details.insert(key.clone(), json!(value));
        }
    }
    check_zone(turn, Some(zone))?;
    if turn.arguments.text("allocationstate") == Some("Enabled") && turn.world.text(zone, "type") != Some("Edge") {
        super::wiring::check_traffic(turn, zone)?;
    }
    ZONE_PUTS.iter().for_each(|put| recipe::apply(turn, zone, *put));
    super::systemvm::look_at(turn, zone);
    if turn.arguments.given("domain") == Some("") {
        turn.world.unset(zone, "domain");
    }
    if details.as_object().is_some_and(|details| !details.is_empty()) {
        turn.world.set(zone, "resourcedetails", details);
    }
    if turn.arguments.flag("ispublic") {
        for field in ["dedicated", "domain"] {
            turn.world.unset(zone, field);
        }
        release(turn.world, "dedicatedzone", zone);
    }
    Ok(Outcome::Object(zone))
}

/// Nobody has a place for themselves any more.
pub(super) fn release(world: &mut World, kind: &str, place: Handle) {
    let rows: Vec<Handle> = world.referring(kind, "target", place).collect();
    rows.into_iter().for_each(|row| world.remove(row));
}

fn refers(world: &World, kind: &str, field: &str, target: Handle) -> bool {
    world.known_kind(kind).is_some() && world.referring(kind, field, target).next().is_some()
}

fn delete_zone(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let zone = turn.target("id")?;
    let world = &*turn.world;
    let obstacles = [
        (refers(world, "host", "zone", zone), "there are servers in this zone."),
        (refers(world, "pod", "zone", zone), "there are pods in this zone."),
        (world.referring("ipaddress", "zone", zone).any(|address| world.owner(address).is_some()), "there are public IP addresses allocated in this zone."),
        (refers(world, "virtualmachine", "zone", zone) || refers(world, "systemvm", "zone", zone), "there are virtual machines in this zone."),
        (refers(world, "volume", "zone", zone), "there are storage volumes in this zone."),
        (refers(world, "physicalnetwork", "zone", zone), "there are physical networks in this zone."),
        (refers(world, "imagestore", "zone", zone), "there are Secondary storages in this zone"),
    ];
    if let Some((_, obstacle)) = obstacles.iter().find(|(is_there, _)| *is_there) {
        return Err(Refusal::internal(format!("The zone cannot be deleted because {obstacle}")));
    }
    release(turn.world, "dedicatedzone", zone);
    for kind in ["vlaniprange", "asnumberrange"] {
        let rows: Vec<Handle> = turn.world.referring(kind, "zone", zone).collect();
        rows.into_iter().for_each(|row| turn.world.remove(row));
    }
    turn.world.remove(zone);
    Ok(Outcome::Success)
}

fn address(text: Option<&str>, fault: &str) -> Result<Ipv4Addr, Refusal> {
    text.and_then(|text| text.parse().ok()).ok_or_else(|| Refusal::invalid(fault))
}

/// Whether two ranges of addresses, both ends included, have one in common.
fn crosses(one: (Ipv4Addr, Ipv4Addr), other: (Ipv4Addr, Ipv4Addr)) -> bool {
    one.0 <= other.1 && other.0 <= one.1
}

fn ends(range: &Value) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let end = |name: &str| range.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok());
    Some((end("startip")?, end("endip")?))
}

/// Refuses ranges that another pod of the zone has, or the public network.
fn check_range(turn: &Turn<'_>, zone: Handle, range: (Ipv4Addr, Ipv4Addr)) -> Result<(), Refusal> {
    let world = &*turn.world;
    let public = world
        .referring("vlaniprange", "zone", zone)
        .filter_map(|row| Some((world.text(row, "startip")?.parse().ok()?, world.text(row, "endip")?.parse().ok()?)));
    match public.into_iter().find(|other| crosses(range, *other)) {
        Some((first, _)) => Err(Refusal::invalid(format!("The Start IP and endIP address range overlap with Public IP :{}", first.max(range.0)))),
        None => Ok(()),
    }
}

/// The zone's pod, other than one, whose network has addresses in common with a network.
fn crossing_pod(world: &World, zone: Handle, network: Cidr, except: Option<Handle>) -> Option<Handle> {
    let of = |pod: Handle| Cidr::of_gateway(world.text(pod, "gateway")?, world.text(pod, "netmask")?);
    world.referring("pod", "zone", zone).filter(|pod| Some(*pod) != except).find(|pod| of(*pod).is_some_and(|other| other.overlaps(network)))
}

fn new_range(start: Ipv4Addr, end: Ipv4Addr, for_system: bool, vlan: &str) -> Value {
    let vlan = if vlan.starts_with("vlan://") { vlan.to_owned() } else { format!("vlan://{vlan}") };
    json!({"startip": start.to_string(), "endip": end.to_string(), "forsystemvms": if for_system { "1" } else { "0" }, "vlanid": vlan})
}

/// The first address of a pod's ranges that no system VM of the pod has.
pub(super) fn free_private_address(world: &World, pod: Handle) -> Option<String> {
    let taken: Vec<&str> = world.referring("systemvm", "pod", pod).filter_map(|vm| world.text(vm, "privateip")).collect();
    let all = ranges(world, pod).iter().filter_map(ends).flat_map(|(first, last)| cidr::addresses(&first.to_string(), &last.to_string()));
    all.into_iter().find(|address| !taken.contains(&address.as_str()))
}

fn check_pod_name(turn: &Turn<'_>, zone: Handle, except: Option<Handle>) -> Result<(), Refusal> {
    let Some(name) = turn.arguments.text("name") else { return Ok(()) };
    let mut pods = turn.world.referring("pod", "zone", zone).filter(|pod| Some(*pod) != except);
    if pods.any(|pod| turn.world.text(pod, "name") == Some(name)) {
        let zone = said_zone(turn.world, zone);
        return Err(Refusal::invalid(format!("A pod with name: {name} already exists in zone {zone}. Please specify a different pod name. ")));
    }
    Ok(())
}

/// Refuses a pod's range outside of its network, and networks that other pods have.
fn check_pod_range(turn: &Turn<'_>, zone: Handle, (start, end, gateway): (Ipv4Addr, Ipv4Addr, Ipv4Addr), network: Cidr) -> Result<(), Refusal> {
    for (address, which) in [(start, "start"), (end, "end")] {
        if !network.holds(address) {
            return Err(Refusal::invalid(format!("The {which} address of the IP range is not in the CIDR subnet.")));
        }
    }
    if start > end {
        return Err(Refusal::invalid("The start IP address must have a lower value than the end IP address."));
    }
    check_range(turn, zone, (start, end))?;
    if (start..=end).contains(&gateway) {
        return Err(Refusal::invalid("The gateway shouldn't overlap start/end ip addresses"));
    }
    match crossing_pod(turn.world, zone, network, None) {
        Some(pod) => Err(Refusal::invalid(format!("The subnet of the pod you are adding conflicts with the subnet of pod {}", turn.world.string(pod, "name")))),
        None => Ok(()),
    }
}

fn create_pod(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let zone = turn.target("zoneid")?;
    let kind = turn.world.kind("pod");
    let is_edge = turn.world.text(zone, "type") == Some("Edge");
    let mut kept = Vec::new();
    if is_edge {
        if ["startip", "endip", "gateway", "netmask"].iter().any(|name| turn.arguments.text(name).is_some()) {
            return Err(Refusal::invalid("IP range parameters can not be specified for a pod in an edge zone"));
        }
        check_pod_name(turn, zone, None)?;
    } else {
        let text = |name: &str| turn.arguments.text(name);
        let start = address(text("startip"), "The start IP is invalid")?;
        let given_end = text("endip").map(|_| address(text("endip"), "The end IP is invalid")).transpose()?;
        let gateway = address(text("gateway"), "The gateway is invalid")?;
        let netmask = address(text("netmask"), "The netmask is invalid")?;
        let network = Cidr::of_gateway(&gateway.to_string(), &netmask.to_string()).ok_or_else(|| Refusal::invalid("The netmask is invalid"))?;
        let end = given_end.unwrap_or_else(|| network.last());
        check_pod_name(turn, zone, None)?;
        check_pod_range(turn, zone, (start, end, gateway), network)?;
        kept = vec![new_range(start, end, false, "untagged")];
    }
    state_is_known(turn)?;
    let pod = turn.world.insert(kind, None, &[("zone", zone.into()), ("ipranges", Value::Array(kept).into())]);
    let puts = [Put::Text("name"), Put::Text("gateway"), Put::Text("netmask"), Put::Text("allocationstate"), Put::Text("storageaccessgroups")];
    puts.into_iter().for_each(|put| recipe::apply(turn, pod, put));
    Ok(Outcome::Object(pod))
}

fn update_pod(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let pod = turn.target("id")?;
    let world = &*turn.world;
    let either = |name: &str| turn.arguments.text(name).or_else(|| world.text(pod, name)).unwrap_or_default().to_owned();
    let (gateway, netmask) = (either("gateway"), either("netmask"));
    if let Some(zone) = world.link(pod, "zone") {
        check_pod_name(turn, zone, Some(pod))?;
    }
    if let Some(network) = Cidr::of_gateway(&gateway, &netmask) {
        for (start, end) in ranges(world, pod).iter().filter_map(ends) {
            if !network.holds(start) || !network.holds(end) {
                return Err(Refusal::invalid("The start address of the some IP range is not in the CIDR subnet."));
            }
            if gateway.parse::<Ipv4Addr>().is_ok_and(|gateway| (start..=end).contains(&gateway)) {
                return Err(Refusal::invalid("The gateway shouldn't overlap some start/end ip addresses"));
            }
        }
    } else if turn.arguments.text("gateway").is_some() || turn.arguments.text("netmask").is_some() {
        return Err(Refusal::invalid(format!("Please enter a valid CIDR for pod: {}", world.string(pod, "name"))));
    }
    state_is_known(turn)?;
    let puts = [Put::Text("name"), Put::Text("gateway"), Put::Text("netmask"), Put::Text("allocationstate")];
    puts.into_iter().for_each(|put| recipe::apply(turn, pod, put));
    Ok(Outcome::Object(pod))
}

fn delete_pod(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let pod = turn.target("id")?;
    let world = &*turn.world;
    let obstacles = [
        (refers(world, "systemvm", "pod", pod), "there are private IP addresses allocated in this pod."),
        (refers(world, "volume", "pod", pod), "there are storage volumes in this pod."),
        (refers(world, "host", "pod", pod), "there are servers in this pod."),
        (refers(world, "cluster", "pod", pod), "there are clusters in this pod."),
    ];
    if let Some((_, obstacle)) = obstacles.iter().find(|(is_there, _)| *is_there) {
        return Err(Refusal::internal(format!("The pod cannot be deleted because {obstacle}")));
    }
    release(turn.world, "dedicatedpod", pod);
    let ranges: Vec<Handle> = turn.world.referring("storagenetworkiprange", "pod", pod).collect();
    ranges.into_iter().for_each(|range| turn.world.remove(range));
    turn.world.remove(pod);
    Ok(Outcome::Success)
}

fn create_range(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let pod = turn.target("podid")?;
    let (start, gateway, netmask) = (turn.needed("startip")?, turn.needed("gateway")?, turn.needed("netmask")?);
    let end = turn.arguments.text("endip").unwrap_or(&start).to_owned();
    Ok(turn.job(pod, WORK_SHORT, move |turn| {
        let network = Cidr::of_gateway(&gateway, &netmask).ok_or_else(|| Refusal::invalid("The gateway IP address is invalid"))?;
        if turn.world.text(pod, "gateway") != Some(&gateway) || turn.world.text(pod, "netmask") != Some(&netmask) {
            return Err(Refusal::invalid("Multiple subnets for a pod in the same zone are not supported: gateway and netmask must be those of the pod"));
        }
        let first = address(Some(&start), "The start IP address is invalid")?;
        let last = address(Some(&end), "The end IP address is invalid")?;
        if !network.holds(first) || !network.holds(last) {
            return Err(Refusal::invalid("The IP range does not belong to the CIDR of the pod"));
        }
        if first > last {
            return Err(Refusal::invalid("The start IP address must have a lower value than the end IP address."));
        }
        if ranges(turn.world, pod).iter().filter_map(ends).any(|other| crosses((first, last), other)) {
            return Err(Refusal::invalid("The new range you have specified has overlapped with existing IP range of the pod"));
        }
        if let Some(zone) = turn.world.link(pod, "zone") {
            check_range(turn, zone, (first, last))?;
        }
        let vlan = turn.arguments.text("vlan").unwrap_or("untagged").to_owned();
        let range = new_range(first, last, turn.arguments.flag("forsystemvms"), &vlan);
        let all: Vec<Value> = ranges(turn.world, pod).iter().cloned().chain([range]).collect();
        turn.world.set(pod, "ipranges", Value::Array(all));
        Ok(Outcome::Object(pod))
    }))
}

/// The place of the range with these ends among those of a pod.
fn range_at(turn: &Turn<'_>, pod: Handle, start: &str, end: &str) -> Result<usize, Refusal> {
    let is = |range: &Value| range.get("startip").and_then(Value::as_str) == Some(start) && range.get("endip").and_then(Value::as_str) == Some(end);
    ranges(turn.world, pod).iter().position(is).ok_or_else(|| Refusal::invalid(format!("The IP range {start} - {end} does not exist on the pod")))
}

fn update_range(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let pod = turn.target("podid")?;
    let (start, end) = (turn.needed("currentstartip")?, turn.needed("currentendip")?);
    Ok(turn.job(pod, WORK_SHORT, move |turn| {
        let at = range_at(turn, pod, &start, &end)?;
        let first = turn.arguments.text("newstartip").unwrap_or(&start).to_owned();
        let last = turn.arguments.text("newendip").unwrap_or(&end).to_owned();
        if cidr::addresses(&first, &last).is_empty() {
            return Err(Refusal::invalid("The start IP address must have a lower value than the end IP address."));
        }
        let mut all = ranges(turn.world, pod).to_vec();
        if let Some(range) = all.get_mut(at).and_then(Value::as_object_mut) {
            range.insert("startip".to_owned(), json!(first));
            range.insert("endip".to_owned(), json!(last));
        }
        turn.world.set(pod, "ipranges", Value::Array(all));
        Ok(Outcome::Success)
    }))
}

fn delete_range(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let pod = turn.target("podid")?;
    let (start, end) = (turn.needed("startip")?, turn.needed("endip")?);
    Ok(turn.job(pod, WORK_SHORT, move |turn| {
        let at = range_at(turn, pod, &start, &end)?;
        let mut all = ranges(turn.world, pod).to_vec();
        all.remove(at);
        turn.world.set(pod, "ipranges", Value::Array(all));
        Ok(Outcome::Success)
    }))
}

fn hypervisor(turn: &Turn<'_>) -> Result<Option<&'static str>, Refusal> {
    let Some(wanted) = turn.arguments.text("hypervisor") else { return Ok(None) };
    let known = HYPERVISORS.into_iter().find(|known| known.eq_ignore_ascii_case(wanted));
    known.map(Some).ok_or_else(|| Refusal::invalid(format!("Unable to resolve {wanted} to a supported type")))
}

fn check_cluster(turn: &Turn<'_>) -> Result<(), Refusal> {
    let is_one_of = |name: &str, known: &[&str], said: &str| match turn.arguments.text(name) {
        Some(value) if !known.contains(&value) => Err(Refusal::invalid(format!("Unable to resolve {said}'{value}' to a supported state"))),
        _ => Ok(()),
    };
    is_one_of("clustertype", &CLUSTER_TYPES, "")?;
    is_one_of("managedstate", &MANAGED_STATES, "Managed State ")?;
    is_one_of("arch", &PROCESSORS, "")?;
    state_is_known(turn)
}

const CLUSTER_PUTS: &[Put] = &[
    Put::Named("clustername", "name"),
    Put::Text("clustertype"),
    Put::Text("allocationstate"),
    Put::Text("managedstate"),
    Put::Text("arch"),
    Put::Text("storageaccessgroups"),
];

fn add_cluster(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (zone, pod) = (turn.target("zoneid")?, turn.target("podid")?);
    if turn.world.link(pod, "zone") != Some(zone) {
        return Err(Refusal::invalid(format!("Pod with specified id doesn't belong to the zone {}", said_zone(turn.world, zone))));
    }
    let Some(hypervisor) = hypervisor(turn)? else { return Err(Refusal::invalid("Please specify a hypervisor")) };
    check_cluster(turn)?;
    let name = turn.needed("clustername")?;
    if turn.world.referring("cluster", "pod", pod).any(|other| turn.world.text(other, "name") == Some(&name)) {
        return Err(Refusal::internal(format!("Unable to create cluster {name} in pod and data center with specified ids")));
    }
    let kind = turn.world.kind("cluster");
    let cluster = turn.world.insert(kind, None, &[("zone", zone.into()), ("pod", pod.into()), ("hypervisortype", hypervisor.into())]);
    CLUSTER_PUTS.iter().for_each(|put| recipe::apply(turn, cluster, *put));
    Ok(Outcome::List(vec![cluster], 1))
}

fn update_cluster(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let cluster = turn.target("id")?;
    let hypervisor = hypervisor(turn)?;
    check_cluster(turn)?;
    let before = turn.body(&Outcome::Object(cluster));
    if let Some(hypervisor) = hypervisor {
        turn.world.set(cluster, "hypervisortype", hypervisor);
    }
    CLUSTER_PUTS.iter().for_each(|put| recipe::apply(turn, cluster, *put));
    // The older line shows the cluster as it was.
    Ok(if turn.world.is_old { Outcome::Flat(before) } else { Outcome::Object(cluster) })
}

fn delete_cluster(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let cluster = turn.target("id")?;
    let number = World::internal_number(cluster);
    if refers(turn.world, "host", "cluster", cluster) {
        return Err(Refusal::internal(format!("Cluster: {number} cannot be removed. Cluster still has hosts")));
    }
    if refers(turn.world, "storagepool", "cluster", cluster) {
        let said = recipe::said(turn.world, "Cluster", cluster);
        return Err(Refusal::internal(format!("Cluster: {said} cannot be removed. Cluster still has storage pools")));
    }
    release(turn.world, "dedicatedcluster", cluster);
    turn.world.remove(cluster);
    Ok(Outcome::Success)
}
