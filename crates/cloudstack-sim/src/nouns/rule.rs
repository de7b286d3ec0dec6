//! Firewall rules, in and out and of routed networks, and port forwarding rules.

use super::{
    Tables,
    cidr::Cidr,
    network,
    recipe::{self, Put},
    traffic::{self, EVERYBODY, Purpose, Reach},
};
use crate::{
    kind::{Constant, ID, Noun, TAGS, linked, own, own_or},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Datum, Handle},
};

/// The source from which everybody comes by IPv6.
const EVERYBODY_6: &str = "::/0";
/// What port forwarding carries.
const FORWARDED: &[&str] = &["tcp", "udp"];
/// What firewall rules let in.
const LET_IN: &[&str] = &["tcp", "udp", "icmp"];
/// What firewall rules let out.
const LET_OUT: &[&str] = &["tcp", "udp", "icmp", "all"];
/// The protocols that may be given by their numbers.
const NUMBERS: [(&str, &str); 3] = [("1", "icmp"), ("6", "tcp"), ("17", "udp")];

/// A firewall rule, in or out.
pub(crate) const FIREWALL_NOUN: Noun = Noun {
    word: "firewallrule",
    entities: &["FirewallResponse"],
    resource: "FirewallRule",
    owned: true,
    keywords: &[],
    newest_first: true,
    view: &[
        ID,
        own("protocol"),
        own("startport"),
        own("endport"),
        own("icmptype"),
        own("icmpcode"),
        linked("ipaddressid", "address", "id"),
        linked("networkid", "network", "id"),
        linked("ipaddress", "address", "ipaddress"),
        own_or("state", Constant::Text("Active")),
        own_or("cidrlist", Constant::Text("")),
        TAGS,
        own_or("destcidrlist", Constant::Text("")),
        own("traffictype"),
        own_or("fordisplay", Constant::Flag(true)).root(),
    ],
};

/// A port forwarding rule. Its ports are text, as servers have it (wire facts §2.9).
pub(crate) const FORWARDING_NOUN: Noun = Noun {
    word: "portforwardingrule",
    entities: &["FirewallRuleResponse"],
    resource: "PortForwardingRule",
    owned: true,
    keywords: &[],
    newest_first: true,
    view: &[
        ID,
        own("privateport"),
        own("privateendport"),
        own("protocol"),
        own("publicport"),
        own("publicendport"),
        linked("virtualmachineid", "vm", "id"),
        linked("virtualmachinename", "vm", "name"),
        linked("virtualmachinedisplayname", "vm", "displayname"),
        linked("ipaddressid", "address", "id"),
        linked("ipaddress", "address", "ipaddress"),
        own_or("state", Constant::Text("Active")),
        own_or("cidrlist", Constant::Text("")),
        TAGS,
        own("vmguestip"),
        linked("networkid", "network", "id"),
        own_or("fordisplay", Constant::Flag(true)).root(),
    ],
};

/// The commands of rules.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("createFirewallRule", open),
        ("createEgressFirewallRule", open_out),
        ("createRoutingFirewallRule", |turn| open_routed(turn, "routed", EVERYBODY)),
        ("createIpv6FirewallRule", |turn| open_routed(turn, "ipv6", EVERYBODY_6)),
        ("listFirewallRules", |turn| list_walls(turn, |family, traffic| family.is_none() && traffic == Some("Ingress"))),
        ("listEgressFirewallRules", |turn| list_walls(turn, |family, traffic| family.is_none() && traffic == Some("Egress"))),
        ("listRoutingFirewallRules", |turn| list_walls(turn, |family, _| family == Some("routed"))),
        ("listIpv6FirewallRules", |turn| list_walls(turn, |family, _| family == Some("ipv6"))),
        ("deleteFirewallRule", delete),
        ("deleteEgressFirewallRule", delete),
        ("deleteRoutingFirewallRule", delete),
        ("deleteIpv6FirewallRule", delete),
        ("updateFirewallRule", update),
        ("updateEgressFirewallRule", update),
        ("updateRoutingFirewallRule", update),
        ("updateIpv6FirewallRule", update_routed),
        ("createPortForwardingRule", forward),
        ("listPortForwardingRules", |turn| {
            check_address(turn)?;
            let kind = turn.world.kind("portforwardingrule");
            list::list(turn, kind)
        }),
        ("deletePortForwardingRule", delete),
        ("updatePortForwardingRule", update_forwarding),
    ],
    filters: &[],
};

/// Refuses to list the rules of an address that is not the caller's, or nobody's.
pub(super) fn check_address(turn: &Turn<'_>) -> Result<(), Refusal> {
    let Some(address) = turn.arguments.object("ipaddressid") else { return Ok(()) };
    if turn.world.text(address, "state").is_some_and(|state| state != "Allocated") {
        return Err(Refusal::invalid(format!("Ip address {} is not ready for rules yet", turn.world.id(address))));
    }
    if turn.may_use(address) { Ok(()) } else { Err(Refusal::permission()) }
}

/// The protocol that is asked for, if it is among some.
fn protocol(turn: &Turn<'_>, known: &[&str]) -> Result<String, Refusal> {
    let given = turn.needed("protocol")?.trim().to_ascii_lowercase();
    let named = NUMBERS.iter().find(|(number, _)| *number == given).map_or(given.as_str(), |(_, name)| *name);
    if known.contains(&named) { Ok(named.to_owned()) } else { Err(Refusal::invalid(format!("Protocol {given} is not supported in zone 1"))) }
}

/// What a firewall rule is to cover.
fn wall(turn: &Turn<'_>, known: &[&str], sources: Vec<String>) -> Result<Reach, Refusal> {
    let arguments = &turn.arguments;
    let protocol = protocol(turn, known)?;
    let start = arguments.number("startport");
    let end = arguments.number("endport").or(start);
    traffic::check_ports(start, end)?;
    let messages = (arguments.number("icmptype"), arguments.number("icmpcode"));
    if protocol != "icmp" && messages != (None, None) {
        return Err(Refusal::invalid("Can specify icmpCode and icmpType for ICMP protocol only"));
    }
    if protocol == "icmp" && start.or(end).is_some() {
        return Err(Refusal::invalid("Can't specify start/end port when protocol is ICMP"));
    }
    let destinations = arguments.list("destcidrlist").into_iter().map(str::to_owned).collect();
    let messages = (messages.0.unwrap_or(-1), messages.1.unwrap_or(-1));
    Ok(Reach { purpose: Purpose::Firewall, protocol, ports: start.zip(end), sources, destinations, messages })
}

fn sources(turn: &Turn<'_>, otherwise: &str) -> Vec<String> {
    match turn.arguments.list("cidrlist") {
        given if given.is_empty() => vec![otherwise.to_owned()],
        given => given.into_iter().map(|cidr| cidr.trim().to_owned()).collect(),
    }
}

fn check_cidrs(which: &str, cidrs: &[String]) -> Result<(), Refusal> {
    match cidrs.iter().find(|cidr| !traffic::is_cidr(cidr)) {
        Some(wrong) => Err(Refusal::argument(format!("{which} CIDRs formatting error {wrong}"))),
        None => Ok(()),
    }
}

fn fields_of(reach: &Reach, traffic: &'static str) -> Vec<(&'static str, Datum)> {
    let mut fields: Vec<(&str, Datum)> =
        vec![("protocol", reach.protocol.as_str().into()), ("traffictype", traffic.into()), ("cidrlist", reach.sources.join(",").into())];
    if let Some((start, end)) = reach.ports {
        fields.extend([("startport", start.into()), ("endport", end.into())]);
    }
    if reach.protocol == "icmp" {
        fields.extend([("icmptype", reach.messages.0.into()), ("icmpcode", reach.messages.1.into())]);
    }
    if !reach.destinations.is_empty() {
        fields.push(("destcidrlist", reach.destinations.join(",").into()));
    }
    fields
}

fn open(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let address = turn.target("ipaddressid")?;
    let sources = sources(turn, EVERYBODY);
    check_cidrs("Source", &sources)?;
    let Some(network) = turn.world.link(address, "network") else {
        return Err(Refusal::invalid("Unable to create firewall rule for the IP address as it is not associated with any network"));
    };
    network::check_service(turn.world, network, "Firewall")?;
    let reach = wall(turn, LET_IN, sources)?;
    traffic::check(turn.world, address, &reach)?;
    let mut fields = fields_of(&reach, "Ingress");
    fields.push(("address", address.into()));
    Ok(made(turn, network, &fields))
}

fn open_out(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let network = turn.target("networkid")?;
    let guest = turn.world.string(network, "cidr");
    let mut sources = sources(turn, &guest);
    check_cidrs("Source", &sources)?;
    let range = Cidr::parse(&guest);
    let is_inside = |cidr: &String| cidr == EVERYBODY || Cidr::parse(cidr).zip(range).is_none_or(|(cidr, range)| cidr.is_within(range));
    if let Some(outside) = sources.iter().find(|cidr| !is_inside(cidr)) {
        return Err(Refusal::argument(format!("[{outside}] is not within the guest CIDR [{guest}]. ")));
    }
    sources.iter_mut().filter(|cidr| *cidr == EVERYBODY).for_each(|cidr| guest.clone_into(cidr));
    let reach = wall(turn, LET_OUT, sources)?;
    check_cidrs("Destination", &reach.destinations)?;
    if reach.protocol == "all" && reach.ports.is_some() {
        return Err(Refusal::invalid("Ports are not taken with protocol ALL"));
    }
    if turn.world.link(network, "vpc").is_some() {
        return Err(Refusal::invalid("Egress firewall rules can be created only for non VPC networks"));
    }
    if turn.world.text(network, "type") == Some("Shared") {
        return Err(Refusal::invalid("Egress firewall rules are not supported for Shared  networks"));
    }
    network::check_service(turn.world, network, "Firewall")?;
    traffic::check_out(turn.world, network, &reach).map_err(|refusal| Refusal { inner: Some(9999), ..refusal })?;
    let fields = fields_of(&reach, "Egress");
    Ok(made(turn, network, &fields))
}

/// A rule of a routed network, or of one with IPv6: both ways in one list, from and to ranges.
fn open_routed(turn: &mut Turn<'_>, family: &'static str, everybody: &str) -> Result<Outcome, Refusal> {
    let network = turn.target("networkid")?;
    let direction = match turn.arguments.text("traffictype").map(str::to_ascii_lowercase).as_deref() {
        None | Some("ingress") => "Ingress",
        Some("egress") => "Egress",
        Some(other) => return Err(Refusal::invalid(format!("Invalid traffic type {other}"))),
    };
    let sources = sources(turn, everybody);
    let mut reach = wall(turn, if direction == "Egress" { LET_OUT } else { LET_IN }, sources)?;
    if reach.destinations.is_empty() {
        reach.destinations.push(everybody.to_owned());
    }
    let wrong = reach.sources.iter().chain(&reach.destinations).find(|cidr| !traffic::is_cidr(cidr) || cidr.contains(':') != everybody.contains(':'));
    if let Some(wrong) = wrong {
        return Err(Refusal::invalid(format!("Invalid CIDR: {wrong}")));
    }
    let mut fields = fields_of(&reach, direction);
    fields.push(("family", family.into()));
    Ok(made(turn, network, &fields))
}

fn insert(turn: &mut Turn<'_>, kind: &str, network: Handle, fields: &[(&str, Datum)]) -> Handle {
    let owner = turn.world.owner(network).unwrap_or(turn.caller.account);
    let kind = turn.world.kind(kind);
    let rule = turn.world.insert(kind, Some(owner), fields);
    turn.world.set(rule, "network", network);
    recipe::apply(turn, rule, Put::Flag("fordisplay"));
    rule
}

fn made(turn: &mut Turn<'_>, network: Handle, fields: &[(&str, Datum)]) -> Outcome {
    let rule = insert(turn, "firewallrule", network, fields);
    turn.making(rule, WORK_SHORT, move |_| Ok(Outcome::Object(rule)))
}

fn list_walls(turn: &mut Turn<'_>, belongs: fn(Option<&str>, Option<&str>) -> bool) -> Result<Outcome, Refusal> {
    check_address(turn)?;
    let kind = turn.world.kind("firewallrule");
    list::list_where(turn, kind, |world, rule| belongs(world.text(rule, "family"), world.text(rule, "traffictype")))
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("id")?;
    Ok(turn.job(rule, WORK_SHORT, move |turn| {
        traffic::remove(turn.world, rule);
        Ok(Outcome::Success)
    }))
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("id")?;
    Ok(turn.job(rule, WORK_SHORT, move |turn| {
        recipe::apply(turn, rule, Put::Flag("fordisplay"));
        Ok(Outcome::Object(rule))
    }))
}

fn update_routed(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("id")?;
    Ok(turn.job(rule, WORK_SHORT, move |turn| {
        let puts = [Put::Text("cidrlist"), Put::Text("protocol"), Put::Number("startport"), Put::Number("endport"), Put::Flag("fordisplay")];
        puts.into_iter().chain([Put::Number("icmptype"), Put::Number("icmpcode")]).for_each(|put| recipe::apply(turn, rule, put));
        Ok(Outcome::Object(rule))
    }))
}

/// The address of a machine's NIC in a network: its first, or another of its own that is asked for.
fn guest_address(turn: &Turn<'_>, vm: Handle, network: Handle) -> Result<String, Refusal> {
    let world = &*turn.world;
    let nic = super::vm::nic_rows(world, vm).iter().copied().find(|nic| world.link(*nic, "network") == Some(network));
    let Some((nic, first)) = nic.and_then(|nic| Some((nic, world.text(nic, "ipaddress")?.to_owned()))) else {
        return Err(Refusal::invalid("Vm doesn't belong to network associated with ipAddress"));
    };
    match turn.arguments.text("vmguestip") {
        Some(wanted) if wanted != first && !network::secondary_addresses(world, nic).iter().any(|other| other == wanted) => {
            Err(Refusal::invalid("IP Address is not in the VM nic's network "))
        }
        Some(wanted) => Ok(wanted.to_owned()),
        None => Ok(first),
    }
}

/// The first and the last of some ports.
type Ports = (i64, i64);

/// The public and the private ports of a port forwarding rule.
fn forwarded_ports(turn: &Turn<'_>) -> Result<(Ports, Ports), Refusal> {
    let port = |name: &str| turn.arguments.number(name);
    let public = (port("publicport").unwrap_or(0), port("publicendport").or_else(|| port("publicport")).unwrap_or(0));
    let private = (port("privateport").unwrap_or(0), port("privateendport").or_else(|| port("privateport")).unwrap_or(0));
    traffic::check_ports(Some(public.0), Some(public.1))?;
    if private.0 > private.1 {
        return Err(Refusal::invalid("Start port can't be bigger than end port"));
    }
    if private.1 - private.0 != public.1 - public.0 {
        return Err(Refusal::invalid("Source port and destination port ranges should be of equal sizes."));
    }
    if public.0 != public.1 && public.0 != private.0 {
        return Err(Refusal::invalid("Private port start should be equal to public port start"));
    }
    Ok((public, private))
}

fn check_sources(turn: &Turn<'_>) -> Result<(), Refusal> {
    match turn.arguments.list("cidrlist").into_iter().find(|cidr| !traffic::is_cidr(cidr)) {
        Some(wrong) => Err(Refusal::invalid(format!("The given source CIDR [{wrong}] is invalid."))),
        None => Ok(()),
    }
}

fn forward(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let address = turn.target("ipaddressid")?;
    let vm = turn.target("virtualmachineid")?;
    let network = traffic::network_of(turn, address)?;
    let opens = traffic::opens_firewall(turn, address)?;
    check_sources(turn)?;
    if turn.world.flag(address, "isstaticnat") {
        return Err(Refusal::invalid(format!("Unable to create port forwarding rule; ip {} has static nat enabled", turn.world.id(address))));
    }
    network::check_service(turn.world, network, "PortForwarding")?;
    let protocol = protocol(turn, FORWARDED)?;
    let (public, private) = forwarded_ports(turn)?;
    if matches!(turn.world.text(vm, "state"), Some("Destroyed" | "Expunging")) {
        return Err(Refusal::invalid(format!("Invalid user vm: {}", turn.world.id(vm))));
    }
    let guest = guest_address(turn, vm, network)?;
    let sources: Vec<String> = turn.arguments.list("cidrlist").into_iter().map(str::to_owned).collect();
    let reach = Reach { sources: sources.clone(), ..Reach::of_ports(Purpose::PortForwarding, &protocol, public) };
    traffic::check(turn.world, address, &reach)?;
    let fields: Vec<(&str, Datum)> = vec![
        ("privateport", private.0.to_string().into()),
        ("privateendport", private.1.to_string().into()),
        ("protocol", protocol.into()),
        ("publicport", public.0.to_string().into()),
        ("publicendport", public.1.to_string().into()),
        ("vm", vm.into()),
        ("address", address.into()),
        ("vmguestip", guest.into()),
        ("cidrlist", sources.join(",").into()),
    ];
    if turn.world.link(address, "network").is_none() {
        turn.world.set(address, "network", network);
    }
    let rule = insert(turn, "portforwardingrule", network, &fields);
    if opens && let Err(refusal) = traffic::open_for(turn, rule, address, &reach) {
        traffic::remove(turn.world, rule);
        return Err(refusal);
    }
    Ok(turn.making(rule, WORK_SHORT, move |_| Ok(Outcome::Object(rule))))
}

/// Checks the new private ports of a rule against its public ones.
fn check_new_ports(turn: &Turn<'_>, rule: Handle) -> Result<(), Refusal> {
    let new = (turn.arguments.number("privateport"), turn.arguments.number("privateendport"));
    if let Some(wrong) = [new.0, new.1].into_iter().flatten().find(|port| !(1..=traffic::PORT_MAX).contains(port)) {
        return Err(Refusal::invalid(format!("privatePort is an invalid value: {wrong}")));
    }
    let public = |name: &str| turn.world.text(rule, name).and_then(|port| port.parse::<i64>().ok()).unwrap_or(0);
    let size = public("publicendport") - public("publicport");
    let fits = match new {
        (Some(start), Some(end)) => end - start == size,
        (None, None) => true,
        _ => size == 0,
    };
    if fits { Ok(()) } else { Err(Refusal::invalid("The private port range is not consistent with the public port range")) }
}

fn update_forwarding(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("id")?;
    Ok(turn.job(rule, WORK_SHORT, move |turn| {
        check_new_ports(turn, rule)?;
        let vm = turn.arguments.object("virtualmachineid");
        if vm.is_none() && turn.arguments.text("vmguestip").is_some() {
            return Err(Refusal::invalid("vmguestip should be set along with virtualmachineid"));
        }
        let network = turn.world.link(rule, "network");
        let moved = vm.zip(network).map(|(vm, network)| guest_address(turn, vm, network).map(|guest| (vm, guest))).transpose()?;
        check_sources(turn)?;
        let (start, end) = (turn.arguments.text("privateport").map(str::to_owned), turn.arguments.text("privateendport").map(str::to_owned));
        if let Some(first) = start.clone().or_else(|| end.clone()) {
            turn.world.set(rule, "privateendport", end.unwrap_or_else(|| first.clone()));
            turn.world.set(rule, "privateport", first);
        }
        if let Some((vm, guest)) = moved {
            turn.world.set(rule, "vm", vm);
            turn.world.set(rule, "vmguestip", guest);
        }
        [Put::Text("cidrlist"), Put::Flag("fordisplay")].into_iter().for_each(|put| recipe::apply(turn, rule, put));
        Ok(Outcome::Object(rule))
    }))
}
