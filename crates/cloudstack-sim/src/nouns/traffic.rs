//! How rules on one public address exclude each other: which ports are taken, by what, for whom.
//!
//! Not the rules themselves: those are kinds of their own. A rule opens (`Firewall`), leads somewhere
//! (`PortForwarding`, `LoadBalancing`, `StaticNat`) or ends a tunnel (`Vpn`); opening and leading never collide.

use std::net::IpAddr;

use super::recipe;
use crate::{
    refusal::Refusal,
    turn::Turn,
    world::{Content, Datum, Handle, World},
};

/// The highest port.
pub(super) const PORT_MAX: i64 = 65_535;
/// The source from which everybody comes.
pub(super) const EVERYBODY: &str = "0.0.0.0/0";

/// The kinds of rules on public addresses and what servers call their purpose.
const PURPOSES: [(&str, Purpose); 4] = [
    ("firewallrule", Purpose::Firewall),
    ("portforwardingrule", Purpose::PortForwarding),
    ("loadbalancerrule", Purpose::LoadBalancing),
    ("ipforwardingrule", Purpose::StaticNat),
];
/// The ports that remote access takes, all of UDP.
const TUNNEL_PORTS: [i64; 3] = [500, 4500, 1701];

/// What a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It lets traffic in.
    Firewall,
    /// It leads to one machine.
    PortForwarding,
    /// It leads to several machines.
    LoadBalancing,
    /// It belongs to an address that stands for one machine.
    StaticNat,
    /// It ends a tunnel.
    Vpn,
}

/// What a rule covers.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    /// What it is for.
    pub(super) purpose: Purpose,
    /// In small letters.
    pub(super) protocol: String,
    /// The first and the last port.
    pub(super) ports: Option<(i64, i64)>,
    /// Where traffic may come from.
    pub(super) sources: Vec<String>,
    /// Where traffic may go to.
    pub(super) destinations: Vec<String>,
    /// The type and code of ICMP messages.
    pub(super) messages: (i64, i64),
}

impl Reach {
    /// A rule for some ports.
    pub(super) fn of_ports(purpose: Purpose, protocol: &str, ports: (i64, i64)) -> Self {
        Self { purpose, protocol: protocol.to_ascii_lowercase(), ports: Some(ports), sources: Vec::new(), destinations: Vec::new(), messages: (-1, -1) }
    }
}

/// The items of a list in a field.
fn items(world: &World, rule: Handle, field: &str) -> Vec<String> {
    world.text(rule, field).unwrap_or_default().split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// A port, which some kinds keep as a number and others as text.
fn port(world: &World, rule: Handle, names: [&str; 2]) -> Option<i64> {
    names.into_iter().find_map(|name| match world.field(rule, name)? {
        Content::Number(port) => Some(port),
        Content::Text(text) => text.parse().ok(),
        _ => None,
    })
}

fn reach_of(world: &World, rule: Handle, purpose: Purpose) -> Reach {
    let start = port(world, rule, ["startport", "publicport"]);
    let end = port(world, rule, ["endport", "publicendport"]).or(start);
    // Load balancer rules say how they speak, not what travels: that is always TCP.
    let protocol = if purpose == Purpose::LoadBalancing { "tcp".to_owned() } else { world.string(rule, "protocol") };
    Reach {
        purpose,
        protocol,
        ports: start.zip(end),
        sources: items(world, rule, "cidrlist"),
        destinations: items(world, rule, "destcidrlist"),
        messages: (world.number(rule, "icmptype"), world.number(rule, "icmpcode")),
    }
}

/// Every rule on a public address.
pub(super) fn rules_of(world: &World, address: Handle) -> Vec<(Handle, Purpose)> {
    let mut rules = Vec::new();
    for (kind, purpose) in PURPOSES {
        rules.extend(world.referring(kind, "address", address).map(|rule| (rule, purpose)));
    }
    rules.extend(world.referring("remoteaccessvpn", "address", address).map(|vpn| (vpn, Purpose::Vpn)));
    rules
}

/// Whether an address has any rule.
pub(super) fn has_rules(world: &World, address: Handle) -> bool {
    !rules_of(world, address).is_empty()
}

/// Whether an address has a rule of a purpose.
pub(super) fn has_rules_for(world: &World, address: Handle, purpose: Purpose) -> bool {
    rules_of(world, address).iter().any(|(_, other)| *other == purpose)
}

/// Refuses a rule that collides with others on its address.
pub(super) fn check(world: &World, address: Handle, wanted: &Reach) -> Result<(), Refusal> {
    for (rule, purpose) in rules_of(world, address) {
        let reaches: Vec<Reach> = match purpose {
            Purpose::Vpn => TUNNEL_PORTS.iter().map(|port| Reach::of_ports(Purpose::Vpn, "udp", (*port, *port))).collect(),
            _ => vec![reach_of(world, rule, purpose)],
        };
        reaches.iter().try_for_each(|other| collide(world, rule, other, wanted))?;
    }
    Ok(())
}

/// Refuses a rule for traffic that leaves a network if there is the same one already.
pub(super) fn check_out(world: &World, network: Handle, wanted: &Reach) -> Result<(), Refusal> {
    let rules: Vec<Handle> = world.referring("firewallrule", "network", network).filter(|rule| world.text(*rule, "traffictype") == Some("Egress")).collect();
    rules.into_iter().try_for_each(|rule| collide(world, rule, &reach_of(world, rule, Purpose::Firewall), wanted))
}

fn shares(one: &[String], other: &[String]) -> bool {
    one.is_empty() && other.is_empty() || one.iter().any(|item| other.contains(item))
}

fn collide(world: &World, rule: Handle, other: &Reach, wanted: &Reach) -> Result<(), Refusal> {
    let is_same = other.purpose == wanted.purpose;
    let is_opening = (other.purpose == Purpose::Firewall || wanted.purpose == Purpose::Firewall) && (!is_same || other.protocol != wanted.protocol);
    let duplicated = match wanted.purpose {
        Purpose::Firewall if is_same => shares(&other.sources, &wanted.sources) && shares(&other.destinations, &wanted.destinations),
        Purpose::PortForwarding if is_same => shares(&other.sources, &wanted.sources),
        _ => false,
    };
    if !is_opening && !is_same && (other.purpose == Purpose::StaticNat || wanted.purpose == Purpose::StaticNat) {
        return Err(Refusal::conflict("There is already a rule of another sort for the IP address"));
    }
    if wanted.protocol == "icmp" && other.protocol == "icmp" {
        let repeats = duplicated && wanted.messages == other.messages;
        return if repeats { Err(Refusal::invalid("New rule conflicts with an existing ICMP rule")) } else { Ok(()) };
    }
    let (Some(ports), Some(taken)) = (wanted.ports, other.ports) else {
        let repeats = wanted.ports.is_none() && other.ports.is_none() && duplicated && wanted.protocol == other.protocol;
        return if repeats { Err(Refusal::conflict(format!("There is a rule for protocol {} without ports already", wanted.protocol))) } else { Ok(()) };
    };
    let needs_duplicates = is_same && matches!(wanted.purpose, Purpose::Firewall | Purpose::PortForwarding);
    let overlaps = !is_opening && (duplicated || !needs_duplicates) && ports.0 <= taken.1 && taken.0 <= ports.1;
    // Load balancer rules take their port whatever the protocol; the others take it for theirs only.
    let is_free = wanted.protocol != other.protocol
        && wanted.purpose != Purpose::LoadBalancing
        && (is_same || other.purpose == Purpose::Vpn || wanted.purpose == Purpose::Vpn);
    if !overlaps || is_free {
        return Ok(());
    }
    let said = said(world, rule, other.purpose);
    Err(Refusal::conflict(format!("The range specified, {}-{}, conflicts with rule {said} which has {}-{}", ports.0, ports.1, taken.0, taken.1)))
}

fn said(world: &World, rule: Handle, purpose: Purpose) -> String {
    format!(
        "FirewallRule {{\"id\":{},\"networkId\":{},\"purpose\":\"{purpose:?}\",\"state\":\"Active\",\"uuid\":\"{}\"}}",
        World::internal_number(rule),
        world.link(rule, "network").map_or(0, World::internal_number),
        world.id(rule)
    )
}

/// Opens the firewall for a rule, unless it is open for these ports already.
pub(super) fn open_for(turn: &mut Turn<'_>, rule: Handle, address: Handle, reach: &Reach) -> Result<(), Refusal> {
    let Some((start, end)) = reach.ports else { return Ok(()) };
    let world = &mut *turn.world;
    let is_open = world.referring("firewallrule", "address", address).any(|wall| {
        let other = reach_of(world, wall, Purpose::Firewall);
        other.ports == reach.ports && other.protocol == reach.protocol
    });
    if is_open {
        return Ok(());
    }
    let wall = Reach { purpose: Purpose::Firewall, sources: vec![EVERYBODY.to_owned()], ..reach.clone() };
    check(world, address, &wall)?;
    let mut fields: Vec<(&str, Datum)> = vec![
        ("protocol", reach.protocol.as_str().into()),
        ("traffictype", "Ingress".into()),
        ("startport", start.into()),
        ("endport", end.into()),
        ("cidrlist", EVERYBODY.into()),
        ("address", address.into()),
        ("related", rule.into()),
    ];
    if let Some(network) = world.link(address, "network") {
        fields.push(("network", network.into()));
    }
    let (kind, owner) = (world.kind("firewallrule"), world.owner(address));
    world.insert(kind, owner, &fields);
    Ok(())
}

/// Takes a rule away, with the firewall rule that was opened for it and what hangs on it.
pub(super) fn remove(world: &mut World, rule: Handle) {
    for (kind, field) in [("firewallrule", "related"), ("stickinesspolicy", "rule"), ("healthcheckpolicy", "rule")] {
        let rows: Vec<Handle> = world.referring(kind, field, rule).collect();
        rows.into_iter().for_each(|row| world.remove(row));
    }
    let address = world.link(rule, "address");
    world.remove(rule);
    if let Some(address) = address {
        leave_tier(world, address);
    }
}

/// Takes away what leads to a machine that goes.
pub(super) fn forget_machine(world: &mut World, vm: Handle) {
    let rules: Vec<Handle> = world.referring("portforwardingrule", "vm", vm).collect();
    rules.into_iter().for_each(|rule| remove(world, rule));
    let addresses: Vec<Handle> = world.referring("ipaddress", "vm", vm).collect();
    addresses.into_iter().for_each(|address| super::address::part(world, address));
    super::balance::forget(world, vm);
}

/// An address of a VPC belongs to a tier only as long as a rule leads there.
pub(super) fn leave_tier(world: &mut World, address: Handle) {
    if world.link(address, "vpc").is_some() && world.link(address, "network").is_some() && !world.flag(address, "isstaticnat") && !has_rules(world, address) {
        world.unset(address, "network");
    }
}

/// The network that a rule on an address leads into: the address's own, else the one that is asked for.
pub(super) fn network_of(turn: &Turn<'_>, address: Handle) -> Result<Handle, Refusal> {
    let world = &*turn.world;
    if let Some(network) = world.link(address, "network") {
        return Ok(network);
    }
    let network = turn.arguments.object("networkid");
    let network = network.ok_or_else(|| Refusal::invalid("The IP address is not associated with any network and no networkId is passed in"))?;
    let vpc = world.link(address, "vpc");
    if vpc.is_none() || vpc != world.link(network, "vpc") {
        return Err(Refusal::invalid(format!("Ip address is not assigned to the network {}", recipe::said(world, "Network", network))));
    }
    Ok(network)
}

/// Whether a rule opens the firewall too. Addresses of VPCs have none.
pub(super) fn opens_firewall(turn: &Turn<'_>, address: Handle) -> Result<bool, Refusal> {
    let is_vpc = turn.world.link(address, "vpc").is_some();
    match turn.arguments.truth("openfirewall") {
        Some(true) if is_vpc => Err(Refusal::invalid("Can't have openFirewall=true when IP address belongs to VPC")),
        Some(opens) => Ok(opens),
        None => Ok(!is_vpc),
    }
}

/// Refuses ports that are none.
pub(super) fn check_ports(start: Option<i64>, end: Option<i64>) -> Result<(), Refusal> {
    if let Some(wrong) = [start, end].into_iter().flatten().find(|port| !(1..=PORT_MAX).contains(port)) {
        return Err(Refusal::invalid(format!("publicPort is an invalid value: {wrong}")));
    }
    if start > end { Err(Refusal::invalid("Start port can't be bigger than end port")) } else { Ok(()) }
}

/// Whether a text is a range of addresses; a single address is none.
pub(super) fn is_cidr(text: &str) -> bool {
    let bits_max = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
    text.split_once('/')
        .is_some_and(|(address, bits)| address.parse::<IpAddr>().is_ok_and(|address| bits.parse::<u8>().is_ok_and(|bits| bits <= bits_max(address))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ranges_with_a_fitting_length_are_ranges() {
        assert!(is_cidr("203.0.113.0/24") && is_cidr("2001:db8::/32") && is_cidr("0.0.0.0/0"));
        assert!(!is_cidr("300.0.0.0/8") && !is_cidr("203.0.113.7") && !is_cidr("10.0.0.0/33"));
    }
}
