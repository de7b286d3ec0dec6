//! Firewall, egress and port forwarding rules.

use super::Tables;
use crate::{
    kind::{Constant, ID, Noun, TAGS, always, linked, own, own_or},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// The highest port.
const PORT_MAX: i64 = 65_535;

/// A firewall rule, in or out.
pub(crate) const FIREWALL_NOUN: Noun = Noun {
    word: "firewallrule",
    entities: &["FirewallResponse"],
    resource: "FirewallRule",
    owned: true,
    keywords: &["protocol"],
    newest_first: false,
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
    ],
};

/// A port forwarding rule. Its ports are text, as servers have it (wire facts §2.9).
pub(crate) const FORWARDING_NOUN: Noun = Noun {
    word: "portforwardingrule",
    entities: &["FirewallRuleResponse"],
    resource: "PortForwardingRule",
    owned: true,
    keywords: &["protocol"],
    newest_first: false,
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
        always("fordisplay", Constant::Flag(true)).root(),
    ],
};

/// The commands of rules.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("createFirewallRule", open),
        ("createEgressFirewallRule", open_out),
        ("listFirewallRules", list_in),
        ("listEgressFirewallRules", list_out),
        ("deleteFirewallRule", delete),
        ("deleteEgressFirewallRule", delete),
        ("updateFirewallRule", update),
        ("updateEgressFirewallRule", update),
        ("createPortForwardingRule", forward),
        ("deletePortForwardingRule", delete),
        ("updatePortForwardingRule", update_forwarding),
    ],
    filters: &[],
};

struct Ports {
    protocol: String,
    start: Option<i64>,
    end: Option<i64>,
}

fn ports(turn: &Turn<'_>, start: &str, end: &str) -> Result<Ports, Refusal> {
    let protocol = turn.needed("protocol")?.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "icmp" | "all") {
        return Err(Refusal::invalid(format!("Protocol {protocol} is not supported in zone 1")));
    }
    let start = turn.arguments.number(start);
    let end = turn.arguments.number(end).or(start);
    if let Some(wrong) = [start, end].into_iter().flatten().find(|port| !(1..=PORT_MAX).contains(port)) {
        return Err(Refusal::invalid(format!("publicPort is an invalid value: {wrong}")));
    }
    if start > end {
        return Err(Refusal::invalid("Start port can't be bigger than end port"));
    }
    Ok(Ports { protocol, start, end })
}

fn check_cidrs(turn: &Turn<'_>) -> Result<(), Refusal> {
    let is_cidr = |cidr: &str| {
        let (address, bits) = cidr.split_once('/').unwrap_or((cidr, "32"));
        address.parse::<std::net::IpAddr>().is_ok() && bits.parse::<u8>().is_ok_and(|bits| bits <= 128)
    };
    match turn.arguments.list("cidrlist").into_iter().find(|cidr| !is_cidr(cidr)) {
        Some(wrong) => Err(Refusal::argument(format!("Source CIDRs formatting error {wrong}"))),
        None => Ok(()),
    }
}

fn check_conflict(world: &World, kind: &str, address: Handle, ports: &Ports) -> Result<(), Refusal> {
    let (Some(start), Some(end)) = (ports.start, ports.end) else { return Ok(()) };
    for rule in world.referring(kind, "address", address) {
        let (other_start, other_end) = range(world, rule);
        if world.text(rule, "protocol") == Some(&ports.protocol) && start <= other_end && other_start <= end {
            let purpose = if kind == "firewallrule" { "Firewall" } else { "PortForwarding" };
            let network = world.link(rule, "network").map_or(0, World::internal_number);
            let said = format!(
                "FirewallRule {{\"id\":{},\"networkId\":{network},\"purpose\":\"{purpose}\",\"state\":\"Active\",\"uuid\":\"{}\"}}",
                World::internal_number(rule),
                world.id(rule)
            );
            return Err(Refusal::conflict(format!("The range specified, {start}-{end}, conflicts with rule {said} which has {other_start}-{other_end}")));
        }
    }
    Ok(())
}

fn range(world: &World, rule: Handle) -> (i64, i64) {
    let port = |name: &str| world.text(rule, name).and_then(|text| text.parse().ok()).unwrap_or_else(|| world.number(rule, name));
    if world.text(rule, "publicport").is_some() { (port("publicport"), port("publicendport")) } else { (port("startport"), port("endport")) }
}

fn fields_of(turn: &Turn<'_>, ports: &Ports, traffic: &'static str) -> Vec<(&'static str, Datum)> {
    let mut fields: Vec<(&str, Datum)> = vec![("protocol", ports.protocol.as_str().into()), ("traffictype", traffic.into())];
    for (name, number) in
        [("startport", ports.start), ("endport", ports.end), ("icmptype", turn.arguments.number("icmptype")), ("icmpcode", turn.arguments.number("icmpcode"))]
    {
        if let Some(number) = number {
            fields.push((name, number.into()));
        }
    }
    if let Some(cidrs) = turn.arguments.text("destcidrlist") {
        fields.push(("destcidrlist", cidrs.into()));
    }
    fields
}

fn open(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let address = turn.target("ipaddressid")?;
    let ports = ports(turn, "startport", "endport")?;
    check_cidrs(turn)?;
    check_conflict(turn.world, "firewallrule", address, &ports)?;
    let mut fields = fields_of(turn, &ports, "Ingress");
    fields.push(("cidrlist", turn.arguments.text("cidrlist").unwrap_or("0.0.0.0/0").into()));
    fields.push(("address", address.into()));
    let network = turn.world.link(address, "network");
    Ok(made(turn, "firewallrule", network, &fields))
}

fn open_out(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let network = turn.target("networkid")?;
    let ports = ports(turn, "startport", "endport")?;
    check_cidrs(turn)?;
    let mut fields = fields_of(turn, &ports, "Egress");
    let cidrs = turn.arguments.text("cidrlist").map_or_else(|| turn.world.string(network, "cidr"), str::to_owned);
    fields.push(("cidrlist", cidrs.into()));
    Ok(made(turn, "firewallrule", Some(network), &fields))
}

fn made(turn: &mut Turn<'_>, kind: &str, network: Option<Handle>, fields: &[(&str, Datum)]) -> Outcome {
    let owner = network.and_then(|network| turn.world.owner(network)).unwrap_or(turn.caller.account);
    let kind = turn.world.kind(kind);
    let rule = turn.world.insert(kind, Some(owner), fields);
    if let Some(network) = network {
        turn.world.set(rule, "network", network);
    }
    turn.making(rule, WORK_SHORT, move |_| Ok(Outcome::Object(rule)))
}

fn list_in(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("firewallrule");
    list::list_where(turn, kind, |world, rule| world.text(rule, "traffictype") == Some("Ingress"))
}

fn list_out(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("firewallrule");
    list::list_where(turn, kind, |world, rule| world.text(rule, "traffictype") == Some("Egress"))
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("id")?;
    Ok(turn.job(rule, WORK_SHORT, move |turn| {
        turn.world.remove(rule);
        Ok(Outcome::Success)
    }))
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("id")?;
    Ok(turn.job(rule, WORK_SHORT, move |_| Ok(Outcome::Object(rule))))
}

fn forward(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let address = turn.target("ipaddressid")?;
    let vm = turn.target("virtualmachineid")?;
    let ports = ports(turn, "publicport", "publicendport")?;
    check_conflict(turn.world, "portforwardingrule", address, &ports)?;
    let public = (ports.start.unwrap_or(0), ports.end.unwrap_or(0));
    let private = turn.arguments.number("privateport").unwrap_or(public.0);
    let private_end = turn.arguments.number("privateendport").unwrap_or(private + public.1 - public.0);
    let guest = super::vm::nic_rows(turn.world, vm).first().copied();
    let network = guest.and_then(|nic| turn.world.link(nic, "network")).or_else(|| turn.world.link(address, "network"));
    let guest_address = guest.map(|nic| turn.world.string(nic, "ipaddress")).unwrap_or_default();
    let fields: Vec<(&str, Datum)> = vec![
        ("privateport", private.to_string().into()),
        ("privateendport", private_end.to_string().into()),
        ("protocol", ports.protocol.as_str().into()),
        ("publicport", public.0.to_string().into()),
        ("publicendport", public.1.to_string().into()),
        ("vm", vm.into()),
        ("address", address.into()),
        ("vmguestip", guest_address.into()),
        ("cidrlist", turn.arguments.text("cidrlist").unwrap_or_default().into()),
    ];
    // The firewall opens with the rule unless the caller says otherwise.
    let opens = turn.arguments.truth("openfirewall") != Some(false);
    if opens && check_conflict(turn.world, "firewallrule", address, &ports).is_ok() {
        let owner = turn.world.owner(address);
        let kind = turn.world.kind("firewallrule");
        let mut wall = fields_of(turn, &Ports { protocol: ports.protocol.clone(), start: Some(public.0), end: Some(public.1) }, "Ingress");
        wall.push(("cidrlist", turn.arguments.text("cidrlist").unwrap_or("0.0.0.0/0").into()));
        wall.push(("address", address.into()));
        let rule = turn.world.insert(kind, owner, &wall);
        if let Some(network) = network {
            turn.world.set(rule, "network", network);
        }
    }
    Ok(made(turn, "portforwardingrule", network, &fields))
}

fn update_forwarding(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("id")?;
    Ok(turn.job(rule, WORK_SHORT, move |turn| {
        for name in ["privateport", "privateendport", "cidrlist"] {
            if let Some(text) = turn.arguments.text(name).map(str::to_owned) {
                turn.world.set(rule, name, text);
            }
        }
        if let Some(vm) = turn.arguments.object("virtualmachineid") {
            turn.world.set(rule, "vm", vm);
        }
        Ok(Outcome::Object(rule))
    }))
}
