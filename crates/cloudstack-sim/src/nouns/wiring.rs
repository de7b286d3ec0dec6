//! What a zone is wired with: physical networks, the traffic on them, the providers of network services with their
//! elements, VLANs, and ranges of public addresses.
//!
//! Networks of tenants and their addresses are not here.

use std::net::Ipv4Addr;

use serde_json::json;

use super::{
    Tables, cidr,
    cidr::Cidr,
    recipe::{self, Put, Recipe, change},
};
use crate::{
    kind::{Constant, DOMAIN, DOMAIN_ID, ID, Member, Noun, Shown, computed, flag, linked, own, own_or},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Handle, World, shelf},
};

/// The part of a zone that is its public network, whose id addresses and ranges tell.
pub(super) const PUBLIC_NETWORK: u32 = 1;
/// The numbers that VLANs and virtual extensible LANs may have.
const VLAN_MAX: i64 = 4095;
const VNI_MAX: i64 = 16_777_215;
/// The kinds of traffic that a zone has on one physical network only.
const SINGLE_TRAFFIC: [&str; 4] = ["Public", "Management", "Control", "Storage"];
/// The kinds of traffic that a server knows.
const TRAFFIC: [&str; 8] = ["None", "Public", "Guest", "Storage", "Management", "Control", "Vpn", "Volume"];

/// A provider that every new physical network has: its name, its services, whether they can be chosen one by one, whether it
/// starts enabled, whether basic zones have it too.
struct Provider {
    name: &'static str,
    services: &'static [&'static str],
    chooses: bool,
    enabled: bool,
    basic: bool,
}

/// The providers of a new physical network, oldest first.
const PROVIDERS: &[Provider] = &[
    Provider {
        name: "VirtualRouter",
        services: &["Vpn", "Dhcp", "Dns", "Gateway", "Firewall", "Lb", "SourceNat", "StaticNat", "PortForwarding", "UserData"],
        chooses: true,
        enabled: false,
        basic: true,
    },
    Provider { name: "SecurityGroupProvider", services: &["SecurityGroup"], chooses: false, enabled: false, basic: true },
    Provider {
        name: "VpcVirtualRouter",
        services: &["Vpn", "Dhcp", "Dns", "Gateway", "Lb", "SourceNat", "StaticNat", "PortForwarding", "UserData"],
        chooses: true,
        enabled: false,
        basic: true,
    },
    Provider { name: "BaremetalPxeProvider", services: &[], chooses: false, enabled: true, basic: false },
    Provider { name: "InternalLbVm", services: &["Lb"], chooses: true, enabled: false, basic: true },
    Provider { name: "ConfigDrive", services: &["Dhcp", "Dns", "UserData"], chooses: true, enabled: true, basic: false },
];
/// Providers that can be added to a physical network.
const FURTHER_PROVIDERS: [&str; 10] = [
    "Netscaler",
    "Ovs",
    "NiciraNvp",
    "PaloAlto",
    "BigSwitchBcf",
    "BrocadeVcs",
    "Opendaylight",
    "GloboDns",
    "BaremetalDhcpProvider",
    "BaremetalUserdataProvider",
];

/// A physical network.
pub(crate) const PHYSICAL_NETWORK_NOUN: Noun = Noun {
    word: "physicalnetwork",
    entities: &["PhysicalNetworkResponse"],
    resource: "PhysicalNetwork",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own_or("broadcastdomainrange", Constant::Text("ZONE")),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        own_or("state", Constant::Text("Enabled")),
        own("vlan"),
        own("tags"),
        own("isolationmethods"),
        own("networkspeed"),
        linked("domainid", "domain", "id"),
    ],
};

/// A kind of traffic on a physical network.
pub(crate) const TRAFFIC_NOUN: Noun = Noun {
    word: "traffictype",
    entities: &["TrafficTypeResponse"],
    resource: "TrafficType",
    owned: false,
    keywords: &[],
    newest_first: false,
    view: &[
        ID,
        own("traffictype"),
        linked("physicalnetworkid", "physicalnetwork", "id"),
        own("xennetworklabel"),
        own("kvmnetworklabel"),
        own("vmwarenetworklabel"),
        own("hypervnetworklabel"),
        own("ovm3networklabel"),
    ],
};

/// A provider of network services on a physical network.
pub(crate) const PROVIDER_NOUN: Noun = Noun {
    word: "networkserviceprovider",
    entities: &["ProviderResponse"],
    resource: "PhysicalNetworkServiceProvider",
    owned: false,
    keywords: &[],
    newest_first: true,
    view: &[
        own("name"),
        linked("physicalnetworkid", "physicalnetwork", "id"),
        linked("destinationphysicalnetworkid", "destination", "id"),
        own("state"),
        ID,
        own_or("servicelist", Constant::Empty),
        own("canenableindividualservice"),
    ],
};

/// A virtual router, as an element of a provider.
pub(crate) const ROUTER_ELEMENT_NOUN: Noun = element("virtualrouterelement", &["VirtualRouterProviderResponse"]);
/// An internal load balancer, as an element of a provider.
pub(crate) const BALANCER_ELEMENT_NOUN: Noun = element("internalloadbalancerelement", &["InternalLoadBalancerElementResponse"]);

const fn element(word: &'static str, entities: &'static [&'static str]) -> Noun {
    Noun { word, entities, resource: "VirtualRouterProvider", owned: false, keywords: &[], newest_first: false, view: ELEMENT_VIEW }
}

const ELEMENT_VIEW: &[Member] = &[ID, linked("nspid", "nsp", "id"), flag("enabled")];

/// A range of public addresses, or of those of a shared network.
pub(crate) const VLAN_RANGE_NOUN: Noun = Noun {
    word: "vlaniprange",
    entities: &["VlanIpRangeResponse"],
    resource: "VlanIpRange",
    owned: true,
    keywords: &["vlan"],
    newest_first: false,
    view: &[
        ID,
        own_or("forvirtualnetwork", Constant::Flag(true)),
        linked("zoneid", "zone", "id"),
        own("vlan"),
        crate::kind::ACCOUNT,
        crate::kind::PROJECT_ID,
        crate::kind::PROJECT,
        DOMAIN_ID,
        DOMAIN,
        crate::kind::DOMAIN_PATH,
        linked("domainid", "dedicated", "id"),
        linked("domain", "dedicated", "name"),
        linked("podid", "pod", "id"),
        linked("podname", "pod", "name"),
        own("gateway"),
        own("netmask"),
        own("cidr"),
        own("startip"),
        own("endip"),
        own("ip6gateway"),
        own("ip6cidr"),
        own("startipv6"),
        own("endipv6"),
        computed("networkid", network_of),
        linked("physicalnetworkid", "physicalnetwork", "id"),
        flag("forsystemvms"),
        own("provider"),
        computed("fornsx", |world, _, _| world.is_old.then_some(Shown::Flag(false))),
    ],
};

/// The commands and filters of wiring.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("createPhysicalNetwork", create_physical),
        ("updatePhysicalNetwork", update_physical),
        ("deletePhysicalNetwork", delete_physical),
        ("addTrafficType", add_traffic),
        ("deleteTrafficType", delete_traffic),
        ("addNetworkServiceProvider", add_provider),
        ("updateNetworkServiceProvider", update_provider),
        ("deleteNetworkServiceProvider", delete_provider),
        ("createVirtualRouterElement", |turn| create_element(turn, "virtualrouterelement")),
        ("createInternalLoadBalancerElement", |turn| create_element(turn, "internalloadbalancerelement")),
        ("createVlanIpRange", create_range),
        ("updateVlanIpRange", update_range),
        ("deleteVlanIpRange", delete_range),
        ("dedicatePublicIpRange", dedicate_range),
        ("releasePublicIpRange", release_range),
        ("listVlanIpRanges", list_ranges),
        ("listGuestVlans", list_vlans),
        ("addBaremetalRct", add_rack),
        ("listInternalLoadBalancerVMs", |_| Ok(Outcome::Rendered(String::new(), 0))),
    ],
    filters: &[
        ("physicalnetwork", "name", |turn, network| list::argument_contains(turn, "name", turn.world.text(network, "name"))),
        ("networkserviceprovider", "name", |turn, provider| turn.world.text(provider, "name") == turn.arguments.text("name")),
        ("networkserviceprovider", "state", |turn, provider| turn.world.text(provider, "state") == turn.arguments.text("state")),
        ("vlaniprange", "networkid", |turn, range| list::argument_is(turn, "networkid", turn.world.link(range, "network"))),
    ],
};

/// The commands of wiring that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    change("updateTrafficType", "id", LABELS),
    change("configureVirtualRouterElement", "id", &[Put::Flag("enabled")]),
    change("configureInternalLoadBalancerElement", "id", &[Put::Flag("enabled")]),
];

const LABELS: &[Put] = &[
    Put::Text("xennetworklabel"),
    Put::Text("kvmnetworklabel"),
    Put::Text("vmwarenetworklabel"),
    Put::Text("hypervnetworklabel"),
    Put::Text("ovm3networklabel"),
];

fn network_of(world: &World, range: Handle, _: crate::kind::Viewer) -> Option<Shown> {
    let id = match world.link(range, "network") {
        Some(network) => world.id(network),
        None => world.derived_id(world.link(range, "zone")?, PUBLIC_NETWORK),
    };
    Some(Shown::Text(id))
}

/// How many addresses a range has.
pub(super) fn addresses_in(world: &World, range: Handle) -> i64 {
    let end = |name: &str| world.text(range, name).unwrap_or_default();
    i64::try_from(cidr::addresses(end("startip"), end("endip")).len()).unwrap_or(0)
}

/// How many VLANs the physical networks of a zone have.
pub(super) fn vlans_of_zone(world: &World, zone: Handle) -> i64 {
    let of = |network: Handle| world.text(network, "vlan").map_or(0, |vlan| parse_vlans(vlan).iter().map(|(first, last)| last - first + 1).sum());
    world.referring("physicalnetwork", "zone", zone).map(of).sum()
}

/// The first and the last number of each range of VLANs.
pub(super) fn parse_vlans(text: &str) -> Vec<(i64, i64)> {
    let ends = |range: &str| range.split_once('-').and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)));
    text.split(',').filter_map(ends).collect()
}

/// The physical network of a zone that carries its guests.
pub(super) fn guest_network(world: &World, zone: Handle) -> Option<Handle> {
    let carries = |physical: Handle| {
        let mut traffic = world.referring("traffictype", "physicalnetwork", physical);
        traffic.any(|row| world.text(row, "traffictype") == Some("Guest"))
    };
    let of_zone = || world.referring("physicalnetwork", "zone", zone);
    of_zone().find(|physical| carries(*physical)).or_else(|| of_zone().next())
}

fn check_vlans(turn: &Turn<'_>, isolation: &str) -> Result<(), Refusal> {
    let Some(text) = turn.arguments.text("vlan") else { return Ok(()) };
    let largest = if ["VXLAN", "Netris"].contains(&isolation) { VNI_MAX } else { VLAN_MAX };
    let ranges = parse_vlans(text);
    if ranges.len() != text.split(',').count() {
        return Err(Refusal::invalid(format!("Please provide valid vnet range: a comma separated list such as 2001-2012,3000-3005, between 0 and {largest}")));
    }
    if ranges.iter().any(|(first, last)| first > last || *last > largest || *first < 0) {
        return Err(Refusal::invalid(format!("Vnet range has to be between 0 and {largest} and start range should be lesser than or equal to stop range")));
    }
    Ok(())
}

/// Stocks what the first physical network has, before anything is added to it.
fn stock(turn: &mut Turn<'_>) {
    for word in ["traffictype", "networkserviceprovider", "virtualrouterelement", "internalloadbalancerelement"] {
        shelf::stock_noun(turn.world, word, &turn.server.catalog);
    }
}

fn create_physical(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let zone = turn.target("zoneid")?;
    let said = super::zone::said_zone(turn.world, zone);
    if turn.world.text(zone, "allocationstate") == Some("Enabled") {
        return Err(Refusal::forbidden(format!("Cannot create PhysicalNetwork since the Zone is currently enabled, zone: {said}")));
    }
    let is_basic = turn.world.text(zone, "networktype") == Some("Basic");
    if is_basic && turn.world.referring("physicalnetwork", "zone", zone).next().is_some() {
        return Err(Refusal::internal(format!(
            "Cannot add the physical network to basic zone: {said}, there is a physical network already existing in this basic Zone"
        )));
    }
    for (name, what) in [("tags", "tag"), ("isolationmethods", "isolationMethod")] {
        if turn.arguments.list(name).len() > 1 {
            return Err(Refusal::invalid(format!("Only one {what} can be specified for a physical network at this time")));
        }
    }
    if is_basic && turn.arguments.text("vlan").is_some() {
        return Err(Refusal::invalid("Can't add vnet range to the physical network in the Basic zone"));
    }
    let expected = if is_basic { "POD" } else { "ZONE" };
    match turn.arguments.text("broadcastdomainrange").map(str::to_uppercase) {
        Some(range) if !["POD", "ZONE"].contains(&range.as_str()) => {
            return Err(Refusal::invalid(format!("Unable to resolve broadcastDomainRange '{range}' to a supported value {{Pod or Zone}}")));
        }
        Some(range) if range != expected => {
            return Err(Refusal::invalid(format!("This type of zone can have broadcast domain type of value {expected} only")));
        }
        _ => {}
    }
    check_vlans(turn, turn.arguments.text("isolationmethods").unwrap_or_default())?;
    stock(turn);
    let kind = turn.world.kind("physicalnetwork");
    let network = turn.world.insert(kind, None, &[("zone", zone.into()), ("state", "Disabled".into()), ("broadcastdomainrange", expected.into())]);
    let puts =
        [Put::Text("name"), Put::Text("vlan"), Put::Text("tags"), Put::Text("isolationmethods"), Put::Text("networkspeed"), Put::Link("domainid", "domain")];
    puts.into_iter().for_each(|put| recipe::apply(turn, network, put));
    for provider in PROVIDERS.iter().filter(|provider| provider.basic || !is_basic) {
        make_provider(turn.world, network, provider);
    }
    Ok(turn.making(network, WORK_SHORT, move |_| Ok(Outcome::Object(network))))
}

fn make_provider(world: &mut World, network: Handle, provider: &Provider) -> Handle {
    let kind = world.kind("networkserviceprovider");
    let state = if provider.enabled { "Enabled" } else { "Disabled" };
    let fields = [
        ("name", provider.name.into()),
        ("physicalnetwork", network.into()),
        ("state", state.into()),
        ("servicelist", json!(provider.services).into()),
        ("canenableindividualservice", provider.chooses.into()),
    ];
    let made = world.insert(kind, None, &fields);
    let element = match provider.name {
        "VirtualRouter" | "VpcVirtualRouter" => "virtualrouterelement",
        "InternalLbVm" => "internalloadbalancerelement",
        _ => return made,
    };
    let kind = world.kind(element);
    world.insert(kind, None, &[("nsp", made.into()), ("enabled", false.into())]);
    made
}

fn update_physical(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let network = turn.target("id")?;
    Ok(turn.job(network, WORK_SHORT, move |turn| {
        let is_basic = turn.world.link(network, "zone").is_some_and(|zone| turn.world.text(zone, "networktype") == Some("Basic"));
        if is_basic && turn.arguments.text("vlan").is_some() {
            return Err(Refusal::invalid("Can't add vnet range to the physical network in the Basic zone"));
        }
        if turn.arguments.list("tags").len() > 1 {
            return Err(Refusal::invalid("Unable to support more than one tag on network yet"));
        }
        if let Some(state) = turn.arguments.text("state").filter(|state| !["Enabled", "Disabled"].contains(state)) {
            return Err(Refusal::invalid(format!("Unable to resolve state '{state}' to a supported value {{Enabled or Disabled}}")));
        }
        check_vlans(turn, turn.world.text(network, "isolationmethods").unwrap_or_default())?;
        [Put::Text("state"), Put::Text("tags"), Put::Text("networkspeed"), Put::Text("vlan")].into_iter().for_each(|put| recipe::apply(turn, network, put));
        if turn.arguments.given("vlan") == Some("") {
            turn.world.unset(network, "vlan");
        }
        Ok(Outcome::Object(network))
    }))
}

fn delete_physical(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let network = turn.target("id")?;
    stock(turn);
    Ok(turn.job(network, WORK_SHORT, move |turn| {
        let zone = turn.world.link(network, "zone");
        let is_first = zone.and_then(|zone| turn.world.referring("physicalnetwork", "zone", zone).next()) == Some(network);
        let guests = turn.world.rows(turn.world.kind("network")).any(|guest| is_first && turn.world.link(guest, "zone") == zone);
        if guests {
            return Err(Refusal::internal("The Physical Network is not deletable because there are networks associated to this physical network"));
        }
        if turn.world.referring("ipaddress", "physicalnetwork", network).any(|address| turn.world.owner(address).is_some()) {
            return Err(Refusal::internal("The Physical Network is not deletable because there are public IP addresses allocated for this physical network"));
        }
        for word in ["traffictype", "vlaniprange"] {
            let rows: Vec<Handle> = turn.world.referring(word, "physicalnetwork", network).collect();
            rows.into_iter().for_each(|row| turn.world.remove(row));
        }
        let providers: Vec<Handle> = turn.world.referring("networkserviceprovider", "physicalnetwork", network).collect();
        providers.into_iter().for_each(|provider| remove_provider(turn.world, provider));
        turn.world.remove(network);
        Ok(Outcome::Success)
    }))
}

fn remove_provider(world: &mut World, provider: Handle) {
    for word in ["virtualrouterelement", "internalloadbalancerelement"] {
        let rows: Vec<Handle> = world.referring(word, "nsp", provider).collect();
        rows.into_iter().for_each(|row| world.remove(row));
    }
    world.remove(provider);
}

/// The kinds of traffic in a zone.
fn traffic_of_zone(world: &World, zone: Handle) -> Vec<String> {
    let on = |row: Handle| world.link(row, "physicalnetwork").and_then(|network| world.link(network, "zone")) == Some(zone);
    world.rows(world.kind("traffictype")).filter(|row| on(*row)).map(|row| world.string(row, "traffictype")).collect()
}

/// Refuses to enable a zone without the traffic that it needs; adds the one that it can do without.
pub(super) fn check_traffic(turn: &mut Turn<'_>, zone: Handle) -> Result<(), Refusal> {
    stock(turn);
    let known = traffic_of_zone(turn.world, zone);
    let has = |kind: &str| known.iter().any(|known| known == kind);
    let needs_public = turn.world.text(zone, "networktype") == Some("Advanced") && !turn.world.flag(zone, "securitygroupsenabled");
    let missing = if !has("Management") {
        Some("Management")
    } else if needs_public && !has("Public") {
        Some("Public")
    } else {
        None
    };
    if let Some(kind) = missing {
        let said = super::zone::said_zone(turn.world, zone);
        return Err(Refusal::invalid(format!(
            "Cannot enable this Zone since: Unable to find a default physical network with traffic={kind} in the specified zone {said}"
        )));
    }
    if !has("Storage") {
        let network = turn.world.referring("physicalnetwork", "zone", zone).next();
        let kind = turn.world.kind("traffictype");
        if let Some(network) = network {
            turn.world.insert(kind, None, &[("traffictype", "Storage".into()), ("physicalnetwork", network.into())]);
        }
    }
    Ok(())
}

fn add_traffic(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let network = turn.target("physicalnetworkid")?;
    let wanted = turn.needed("traffictype")?;
    if !TRAFFIC.contains(&wanted.as_str()) {
        return Err(Refusal::invalid(format!("Unable to resolve trafficType '{wanted}' to a supported value")));
    }
    stock(turn);
    let here = turn.world.referring("traffictype", "physicalnetwork", network).any(|row| turn.world.text(row, "traffictype") == Some(&wanted));
    if here {
        return Err(Refusal::internal(format!("This physical network already supports the traffic type: {wanted}")));
    }
    let in_zone = turn.world.link(network, "zone").map(|zone| traffic_of_zone(turn.world, zone)).unwrap_or_default();
    if SINGLE_TRAFFIC.contains(&wanted.as_str()) && in_zone.contains(&wanted) {
        return Err(Refusal::internal(format!(
            "Fail to add the traffic type to physical network because Zone already has a physical network with this traffic type: {wanted}"
        )));
    }
    if in_zone.contains(&wanted) && turn.world.text(network, "tags").is_none() {
        return Err(Refusal::internal("There are more than 1 physical network without tags in the zone"));
    }
    let kind = turn.world.kind("traffictype");
    let made = turn.world.insert(kind, None, &[("traffictype", wanted.into()), ("physicalnetwork", network.into())]);
    LABELS.iter().for_each(|put| recipe::apply(turn, made, *put));
    Ok(turn.making(made, WORK_SHORT, move |_| Ok(Outcome::Object(made))))
}

fn delete_traffic(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let traffic = turn.target("id")?;
    Ok(turn.job(traffic, WORK_SHORT, move |turn| {
        let zone = turn.world.link(traffic, "physicalnetwork").and_then(|network| turn.world.link(network, "zone"));
        let guests = zone.is_some_and(|zone| turn.world.referring("network", "zone", zone).next().is_some());
        if turn.world.text(traffic, "traffictype") == Some("Guest") && guests {
            return Err(Refusal::internal("The Traffic Type is not deletable because there are existing networks with this traffic type:Guest"));
        }
        turn.world.remove(traffic);
        Ok(Outcome::Success)
    }))
}

/// Refuses services that nobody knows or that a provider has not.
fn chosen_services(turn: &Turn<'_>, provider: &str, chooses: bool) -> Result<Option<Vec<String>>, Refusal> {
    if turn.arguments.text("servicelist").is_none() {
        return Ok(None);
    }
    if !chooses {
        return Err(Refusal::invalid(format!("Cannot update set of Services for this Service Provider '{provider}'")));
    }
    let wanted = turn.arguments.list("servicelist");
    match wanted.iter().find(|service| !super::offering::SERVICES.contains(service)) {
        Some(wrong) => Err(Refusal::invalid(format!("Invalid Network Service specified={wrong}"))),
        None => Ok(Some(wanted.into_iter().map(str::to_owned).collect())),
    }
}

fn add_provider(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let network = turn.target("physicalnetworkid")?;
    let name = turn.needed("name")?;
    let usual = PROVIDERS.iter().find(|provider| provider.name == name);
    if usual.is_none() && !FURTHER_PROVIDERS.contains(&name.as_str()) {
        return Err(Refusal::invalid(format!("Invalid Network Service Provider={name}")));
    }
    stock(turn);
    let known = turn.world.referring("networkserviceprovider", "physicalnetwork", network).any(|row| turn.world.text(row, "name") == Some(&name));
    if known {
        let said = recipe::said(turn.world, "PhysicalNetwork", network);
        return Err(Refusal::internal(format!("The '{name}' provider already exists on physical network : {said}")));
    }
    let chosen = chosen_services(turn, &name, usual.is_none_or(|provider| provider.chooses))?;
    let made = match usual {
        Some(provider) => make_provider(turn.world, network, &Provider { enabled: false, ..*provider }),
        None => {
            let kind = turn.world.kind("networkserviceprovider");
            let fields =
                [("name", name.into()), ("physicalnetwork", network.into()), ("state", "Disabled".into()), ("canenableindividualservice", true.into())];
            turn.world.insert(kind, None, &fields)
        }
    };
    if let Some(chosen) = chosen {
        turn.world.set(made, "servicelist", json!(chosen));
    }
    recipe::apply(turn, made, Put::Link("destinationphysicalnetworkid", "destination"));
    Ok(turn.making(made, WORK_SHORT, move |_| Ok(Outcome::Object(made))))
}

/// Whether a provider can be enabled: its elements have to be, where it has some.
fn is_ready(world: &World, provider: Handle) -> bool {
    match world.text(provider, "name").unwrap_or_default() {
        "VirtualRouter" | "VpcVirtualRouter" => world.referring("virtualrouterelement", "nsp", provider).any(|element| world.flag(element, "enabled")),
        "InternalLbVm" => world.referring("internalloadbalancerelement", "nsp", provider).any(|element| world.flag(element, "enabled")),
        name => PROVIDERS.iter().any(|known| known.name == name),
    }
}

fn update_provider(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let provider = turn.target("id")?;
    Ok(turn.job(provider, WORK_SHORT, move |turn| {
        stock(turn);
        let name = turn.world.string(provider, "name");
        match turn.arguments.text("state") {
            None => {}
            Some("Enabled") if is_ready(turn.world, provider) => turn.world.set(provider, "state", "Enabled"),
            Some("Enabled") => return Err(Refusal::internal("Provider is not ready, cannot Enable the provider, please configure the provider first")),
            Some("Disabled") => turn.world.set(provider, "state", "Disabled"),
            Some("Shutdown") => return Err(Refusal::invalid("Updating the provider state to 'Shutdown' is not supported")),
            Some(state) => return Err(Refusal::invalid(format!("Unable to resolve state '{state}' to a supported value {{Enabled or Disabled}}"))),
        }
        if let Some(chosen) = chosen_services(turn, &name, turn.world.flag(provider, "canenableindividualservice"))? {
            turn.world.set(provider, "servicelist", json!(chosen));
        }
        Ok(Outcome::Object(provider))
    }))
}

fn delete_provider(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let provider = turn.target("id")?;
    Ok(turn.job(provider, WORK_SHORT, move |turn| {
        let zone = turn.world.link(provider, "physicalnetwork").and_then(|network| turn.world.link(network, "zone"));
        let is_router = turn.world.text(provider, "name") == Some("VirtualRouter");
        if is_router && zone.is_some_and(|zone| turn.world.referring("network", "zone", zone).next().is_some()) {
            return Err(Refusal::internal("Provider is not deletable because there are active networks using this provider"));
        }
        remove_provider(turn.world, provider);
        Ok(Outcome::Success)
    }))
}

fn create_element(turn: &mut Turn<'_>, word: &str) -> Result<Outcome, Refusal> {
    let provider = turn.target("nspid")?;
    stock(turn);
    if let Some(known) = turn.world.referring(word, "nsp", provider).next() {
        return Err(Refusal::internal(format!("There is already an element for this provider: {}", turn.world.id(known))));
    }
    let kind = turn.world.kind(word);
    let made = turn.world.insert(kind, None, &[("nsp", provider.into()), ("enabled", false.into())]);
    Ok(turn.making(made, WORK_SHORT, move |_| Ok(Outcome::Object(made))))
}

/// Where a new range belongs: its zone, its physical network, and its shared network if it has one.
struct Place {
    zone: Handle,
    physical: Option<Handle>,
    network: Option<Handle>,
    is_public: bool,
}

fn place_of_range(turn: &mut Turn<'_>) -> Result<Place, Refusal> {
    let arguments = &turn.arguments;
    let (network, given) = (arguments.object("networkid"), arguments.object("physicalnetworkid"));
    let is_public = arguments.truth("forvirtualnetwork").unwrap_or(true);
    let through = |row: Option<Handle>| row.and_then(|row| turn.world.link(row, "zone"));
    let Some(zone) = through(network).or_else(|| arguments.object("zoneid")).or_else(|| through(given)) else {
        return Err(Refusal::invalid("Unable to find zone by id null"));
    };
    stock(turn);
    let of_zone: Vec<Handle> = turn.world.referring("physicalnetwork", "zone", zone).collect();
    let carries = |physical: Handle, kind: &str| {
        turn.world.referring("traffictype", "physicalnetwork", physical).any(|row| turn.world.text(row, "traffictype") == Some(kind))
    };
    let physical = given.or_else(|| of_zone.iter().copied().find(|physical| carries(*physical, if is_public { "Public" } else { "Guest" })));
    if physical.is_none() && network.is_none() {
        let said = super::zone::said_zone(turn.world, zone);
        return Err(Refusal::invalid(format!("Unable to find a default physical network with traffic=Public in the specified zone {said}")));
    }
    if is_public && network.is_some() {
        return Err(Refusal::invalid("Can't find Public network with the specified id"));
    }
    if !is_public && network.is_none() {
        return Err(Refusal::invalid("Network id is required for Direct vlan creation "));
    }
    Ok(Place { zone, physical, network, is_public })
}

fn four(text: Option<&str>, fault: &str) -> Result<Ipv4Addr, Refusal> {
    text.and_then(|text| text.parse().ok()).ok_or_else(|| Refusal::invalid(fault))
}

/// Refuses addresses that do not fit together, or that others have.
fn check_addresses(turn: &Turn<'_>, place: &Place, except: Option<Handle>, ends: (Ipv4Addr, Ipv4Addr), network: (Ipv4Addr, Cidr)) -> Result<(), Refusal> {
    let (start, end) = ends;
    let (gateway, cidr) = network;
    if !cidr.holds(start) || !cidr.holds(end) {
        return Err(Refusal::invalid("Please specify a valid IP range or valid netmask or valid gateway"));
    }
    if start > end {
        return Err(Refusal::invalid("Please specify a valid IP range."));
    }
    if (start..=end).contains(&gateway) {
        return Err(Refusal::invalid("The gateway ip should not be the part of the ip range being added."));
    }
    let world = &*turn.world;
    let range =
        |row: Handle, first: &str, last: &str| Some((world.text(row, first)?.parse::<Ipv4Addr>().ok()?, world.text(row, last)?.parse::<Ipv4Addr>().ok()?));
    let crosses = |other: (Ipv4Addr, Ipv4Addr)| start <= other.1 && other.0 <= end;
    for row in world.referring("vlaniprange", "zone", place.zone).filter(|row| Some(*row) != except) {
        if range(row, "startip", "endip").is_some_and(crosses) {
            let told = format!("{} - {}", world.string(row, "startip"), world.string(row, "endip"));
            return Err(Refusal::invalid(format!("The IP range with these addresses already exists in the zone: {told}")));
        }
    }
    for pod in world.referring("pod", "zone", place.zone) {
        let inner = world.tree(pod, "ipranges").and_then(serde_json::Value::as_array).into_iter().flatten();
        let end_of = |range: &serde_json::Value, name: &str| range.get(name).and_then(serde_json::Value::as_str).and_then(|text| text.parse::<Ipv4Addr>().ok());
        if let Some((first, last)) = inner.filter_map(|range| end_of(range, "startip").zip(end_of(range, "endip"))).find(|range| crosses(*range)) {
            return Err(Refusal::invalid(format!("The Start IP and EndIP address range overlap with private IP :{first}:{last}")));
        }
    }
    Ok(())
}

fn create_range(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    if turn.arguments.flag("forsystemvms") && turn.arguments.text("account").is_some() {
        return Err(Refusal::invalid("Account name should not be provided when ForSystemVMs is enabled"));
    }
    let start = turn.arguments.text("startip").map(str::to_owned);
    if start.is_none() && turn.arguments.text("ip6cidr").is_none() {
        return Err(Refusal::invalid("StartIP or IPv6 CIDR is missing in the parameters!"));
    }
    let owner = if turn.arguments.text("account").is_some() || turn.arguments.text("projectid").is_some() { Some(turn.new_owner()?) } else { None };
    let place = place_of_range(turn)?;
    let vlan = match turn.arguments.text("vlan") {
        Some(vlan) if vlan.contains("://") => vlan.to_owned(),
        Some(vlan) => format!("vlan://{vlan}"),
        None if place.is_public => return Err(Refusal::invalid("Unable to determine vlan id or untagged vlan for public network")),
        None => "vlan://untagged".to_owned(),
    };
    let mut fields = vec![("zone", place.zone.into()), ("vlan", vlan.into()), ("forvirtualnetwork", place.is_public.into())];
    if let Some(start) = start {
        let end = turn.arguments.text("endip").unwrap_or(&start).to_owned();
        let gateway = four(turn.arguments.text("gateway"), "Please specify a valid gateway")?;
        let netmask = four(turn.arguments.text("netmask"), "Please specify a valid netmask")?;
        let cidr = Cidr::of_gateway(&gateway.to_string(), &netmask.to_string()).ok_or_else(|| Refusal::invalid("Please specify a valid netmask"))?;
        let ends = (four(Some(&start), "Please specify a valid start IP")?, four(Some(&end), "Please specify a valid end IP")?);
        check_addresses(turn, &place, None, ends, (gateway, cidr))?;
        fields.extend([
            ("gateway", gateway.to_string().into()),
            ("netmask", netmask.to_string().into()),
            ("cidr", cidr.to_string().into()),
            ("startip", start.into()),
            ("endip", end.into()),
        ]);
    }
    let kind = turn.world.kind("vlaniprange");
    let range = turn.world.insert(kind, owner, &fields);
    for (field, target) in [("physicalnetwork", place.physical), ("network", place.network)] {
        if let Some(target) = target {
            turn.world.set(range, field, target);
        }
    }
    let puts = [
        Put::Text("ip6gateway"),
        Put::Text("ip6cidr"),
        Put::Text("startipv6"),
        Put::Text("endipv6"),
        Put::Flag("forsystemvms"),
        Put::Text("provider"),
        Put::Link("podid", "pod"),
    ];
    puts.into_iter().for_each(|put| recipe::apply(turn, range, put));
    if owner.is_none() {
        recipe::apply(turn, range, Put::Link("domainid", "dedicated"));
    }
    Ok(Outcome::Object(range))
}

fn used(world: &World, range: Handle) -> usize {
    world.referring("ipaddress", "range", range).filter(|address| world.owner(*address).is_some()).count()
}

fn update_range(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let range = turn.target("id")?;
    let is_four = turn.world.text(range, "startip").is_some();
    let given = |names: &[&str]| names.iter().any(|name| turn.arguments.text(name).is_some());
    if !is_four && given(&["startip", "endip", "gateway", "netmask"]) {
        return Err(Refusal::invalid("IPv4 is not support in this IP range."));
    }
    if turn.world.text(range, "ip6cidr").is_none() && given(&["startipv6", "endipv6", "ip6gateway", "ip6cidr"]) {
        return Err(Refusal::invalid("IPv6 is not support in this IP range."));
    }
    for name in ["gateway", "netmask"] {
        let changes = turn.arguments.text(name).is_some_and(|wanted| turn.world.text(range, name) != Some(wanted));
        if changes && used(turn.world, range) > 0 {
            return Err(Refusal::invalid(format!("Unable to change {name} because some IPs are in use")));
        }
    }
    if is_four {
        let either = |name: &str| turn.arguments.text(name).or_else(|| turn.world.text(range, name)).map(str::to_owned);
        let (gateway, netmask) = (either("gateway").unwrap_or_default(), either("netmask").unwrap_or_default());
        let cidr = Cidr::of_gateway(&gateway, &netmask).ok_or_else(|| Refusal::invalid(format!("Invalid gateway ({gateway}) or netmask ({netmask})")))?;
        let ends = (four(either("startip").as_deref(), "Please specify a valid start IP")?, four(either("endip").as_deref(), "Please specify a valid end IP")?);
        let zone = turn.world.link(range, "zone").ok_or_else(|| Refusal::invalid("Unable to find zone by id null"))?;
        let place = Place { zone, physical: None, network: None, is_public: true };
        check_addresses(turn, &place, Some(range), ends, (four(Some(&gateway), "Please specify a valid gateway")?, cidr))?;
        turn.world.set(range, "cidr", cidr.to_string());
    }
    let puts = [
        Put::Text("startip"),
        Put::Text("endip"),
        Put::Text("gateway"),
        Put::Text("netmask"),
        Put::Text("startipv6"),
        Put::Text("endipv6"),
        Put::Text("ip6gateway"),
        Put::Text("ip6cidr"),
        Put::Flag("forsystemvms"),
    ];
    puts.into_iter().for_each(|put| recipe::apply(turn, range, put));
    Ok(Outcome::Object(range))
}

fn delete_range(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let range = turn.target("id")?;
    let used = used(turn.world, range);
    if used > 0 {
        return Err(Refusal::invalid(format!("{used}  Ips are in use. Cannot delete this vlan")));
    }
    let free: Vec<Handle> = turn.world.referring("ipaddress", "range", range).collect();
    free.into_iter().for_each(|address| turn.world.remove(address));
    turn.world.remove(range);
    Ok(Outcome::Success)
}

fn dedicate_range(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let range = turn.target("id")?;
    let domain = turn.target("domainid")?;
    if turn.world.owner(range).is_some() {
        return Err(Refusal::invalid("Specified Public IP range has already been dedicated"));
    }
    if turn.world.link(range, "dedicated").is_some() {
        return Err(Refusal::invalid("Specified Public IP range has already been dedicated to a domain"));
    }
    if turn.arguments.text("account").is_some() || turn.arguments.text("projectid").is_some() {
        let owner = turn.new_owner()?;
        turn.world.give(range, owner);
    } else {
        turn.world.set(range, "dedicated", domain);
    }
    Ok(Outcome::Object(range))
}

fn release_range(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let range = turn.target("id")?;
    if turn.world.owner(range).is_none() && turn.world.link(range, "dedicated").is_none() {
        let number = World::internal_number(range);
        return Err(Refusal::invalid(format!("Can't release Public IP range {number} as it not dedicated to any domain and any account")));
    }
    turn.world.unset(range, "dedicated");
    turn.world.disown(range);
    Ok(Outcome::Success)
}

/// Ranges are the zone's, whoever may use them.
fn list_ranges(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("vlaniprange");
    let page = list::Page::read(turn)?;
    let owner = if turn.arguments.text("account").is_some() || turn.arguments.text("projectid").is_some() { Some(turn.new_owner()?) } else { None };
    let domain = turn.arguments.object("domainid");
    let fits = |world: &World, row: Handle| {
        owner.is_none_or(|owner| world.owner(row) == Some(owner))
            && (owner.is_some() || domain.is_none_or(|domain| world.link(row, "dedicated") == Some(domain)))
    };
    let rows = list::unscoped(turn, kind, &fits);
    Ok(page.cut(rows))
}

/// Every VLAN of the physical networks, and the networks of tenants on it.
/// Reads the wiring of a rack of bare metal from an address; the job finds out that there is none.
fn add_rack(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let url = turn.needed("baremetalrcturl")?;
    if url.contains("://") {
        return crate::generic::answer(turn);
    }
    Ok(turn.failed_job(Refusal::failed(format!("Unable to read the wiring of a rack from {url}"))))
}

fn list_vlans(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let page = list::Page::read(turn)?;
    let world = &*turn.world;
    let fits = |name: &str, object: Option<Handle>| turn.arguments.object(name).is_none_or(|wanted| object == Some(wanted));
    let (wanted, id) = (turn.arguments.text("vnet").or_else(|| turn.arguments.text("keyword")), turn.arguments.number("id"));
    let taken_only = turn.arguments.flag("allocatedonly");
    let mut number = 0;
    let mut rows: Vec<(i64, Handle, i64)> = Vec::new();
    for physical in world.rows(world.kind("physicalnetwork")) {
        let shown = fits("physicalnetworkid", Some(physical)) && fits("zoneid", world.link(physical, "zone"));
        for (first, last) in world.text(physical, "vlan").map(parse_vlans).unwrap_or_default() {
            let all = (first..=last).zip(number + 1..).map(|(vlan, id)| (id, physical, vlan)).filter(|_| shown);
            let asked = all.filter(|(number, _, vlan)| wanted.is_none_or(|wanted| wanted == vlan.to_string()) && id.is_none_or(|id| id == *number));
            rows.extend(asked.filter(|(_, physical, vlan)| !taken_only || !on_vlan(world, *physical, *vlan).is_empty()));
            number += last - first + 1;
        }
    }
    let count = rows.len();
    let items: Vec<String> = page.part(rows).into_iter().map(|(id, physical, vlan)| shown_vlan(turn, id, (physical, vlan))).collect();
    Ok(Outcome::Rendered(items.join(","), count))
}

fn on_vlan(world: &World, physical: Handle, vlan: i64) -> Vec<Handle> {
    let vlan = vlan.to_string();
    world.referring("network", "physicalnetwork", physical).filter(|network| world.text(*network, "vlan") == Some(&vlan)).collect()
}

/// Whose network it is that has a VLAN, in the members of that VLAN.
fn owner_of(world: &World, network: Handle) -> Vec<(&'static str, String)> {
    let Some(owner) = world.owner(network) else { return Vec::new() };
    let mut members = match world.link(owner, "project") {
        Some(project) => vec![("projectid", world.id(project)), ("project", world.string(project, "name"))],
        None => vec![("account", world.string(owner, "name"))],
    };
    if let Some(domain) = world.link(owner, "domain") {
        members.extend([("domainid", world.id(domain)), ("domain", world.string(domain, "name")), ("domainpath", world.string(domain, "path"))]);
    }
    members
}

fn shown_vlan(turn: &Turn<'_>, id: i64, (physical, vlan): (Handle, i64)) -> String {
    let world = &*turn.world;
    let networks = on_vlan(world, physical, vlan);
    let rendered = recipe::nested(world, networks.iter().copied(), turn.viewer());
    let mut vlan = json!({
        "id": id, "vlan": vlan.to_string(), "zoneid": world.link(physical, "zone").map(|zone| world.id(zone)),
        "zonename": world.link(physical, "zone").map(|zone| world.string(zone, "name")), "physicalnetworkid": world.id(physical),
        "physicalnetworkname": world.string(physical, "name"), "isdedicated": false,
        "allocationstate": if networks.is_empty() { "Free" } else { "Allocated" },
    });
    if let Some(network) = networks.first() {
        let since = cloudstack_api::clock::timestamp(std::time::Duration::from_secs(world.created(*network)));
        vlan = super::metrics::with(vlan, "taken", since);
        vlan = owner_of(world, *network).into_iter().fold(vlan, |vlan, (name, text)| super::metrics::with(vlan, name, text));
    }
    let shown = if let Shown::Raw(text) = rendered { serde_json::from_str(&text).unwrap_or_default() } else { json!([]) };
    vlan = super::metrics::with(vlan, "network", shown);
    vlan.to_string()
}
