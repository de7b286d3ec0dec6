//! Public addresses: taken, given back, mapped to machines.

use std::collections::HashSet;

use super::Tables;
use crate::{
    kind::{
        ACCOUNT, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, Noun, PROJECT, PROJECT_ID, Shown, TAGS, always, computed, flag, linked, own,
        own_or,
    },
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// The last number of the first public address.
const ADDRESS_FIRST: i64 = 2;
/// The last number of the last public address.
const ADDRESS_LAST: i64 = 200;

/// A public address.
pub(crate) const ADDRESS_NOUN: Noun = Noun {
    word: "ipaddress",
    entities: &["IPAddressResponse"],
    resource: "IpAddress",
    owned: true,
    keywords: &["ipaddress"],
    newest_first: false,
    view: &[
        ID,
        own("ipaddress"),
        own("allocated"),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        flag("issourcenat"),
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        always("forvirtualnetwork", Constant::Flag(true)),
        linked("vlanid", "range", "id").root(),
        linked("vlanname", "range", "vlan").root(),
        flag("isstaticnat"),
        flag("issystem"),
        linked("virtualmachineid", "vm", "id"),
        linked("virtualmachinename", "vm", "name"),
        linked("virtualmachinedisplayname", "vm", "displayname"),
        own("vmipaddress"),
        linked("associatednetworkid", "network", "id"),
        linked("associatednetworkname", "network", "name"),
        computed("networkid", |world, address, _| Some(Shown::Text(world.derived_id(world.link(address, "zone")?, super::wiring::PUBLIC_NETWORK)))),
        own_or("state", Constant::Text("Allocated")),
        linked("physicalnetworkid", "physicalnetwork", "id"),
        linked("vpcid", "vpc", "id"),
        linked("vpcname", "vpc", "name"),
        TAGS,
        flag("isportable"),
        always("fordisplay", Constant::Flag(true)).root(),
        computed("hasrules", |world, address, _| Some(Shown::Flag(has_rules(world, address)))),
        flag("forsystemvms"),
        flag("forprovider"),
        HAS_ANNOTATIONS,
    ],
};

/// The commands and filters of public addresses.
pub(super) const TABLES: Tables = Tables {
    handlers: &[("associateIpAddress", associate), ("disassociateIpAddress", disassociate), ("enableStaticNat", enable_nat), ("disableStaticNat", disable_nat)],
    filters: &[
        ("ipaddress", "allocatedonly", |_, _| true),
        ("ipaddress", "forloadbalancing", |_, _| true),
        ("ipaddress", "forvirtualnetwork", |_, _| true),
        ("ipaddress", "associatednetworkid", |turn, address| list::argument_is(turn, "associatednetworkid", turn.world.link(address, "network"))),
    ],
};

fn has_rules(world: &World, address: Handle) -> bool {
    ["portforwardingrule", "loadbalancerrule"].iter().any(|kind| world.known_kind(kind).is_some() && world.referring(kind, "address", address).next().is_some())
}

/// Takes a free public address.
pub(crate) fn allocate(world: &mut World, owner: Handle, network: Option<Handle>, source: bool) -> Option<Handle> {
    let kind = world.kind("ipaddress");
    let taken: HashSet<&str> = world.rows(kind).filter_map(|row| world.text(row, "ipaddress")).collect();
    let free = (ADDRESS_FIRST..=ADDRESS_LAST).map(|last| format!("192.168.2.{last}")).find(|address| !taken.contains(address.as_str()))?;
    Some(take(world, owner, network, source, free))
}

fn take(world: &mut World, owner: Handle, network: Option<Handle>, source: bool, address: String) -> Handle {
    let kind = world.kind("ipaddress");
    let stamp = world.timestamp();
    let made = world.insert(kind, Some(owner), &[("ipaddress", address.into()), ("allocated", stamp.into()), ("issourcenat", source.into())]);
    let zone = super::place::only_zone(world);
    let first = |world: &World, word: &str| world.rows(world.kind(word)).next();
    let links = [("zone", zone), ("network", network), ("range", first(world, "vlaniprange")), ("physicalnetwork", first(world, "physicalnetwork"))];
    for (field, target) in links {
        if let Some(target) = target {
            world.set(made, field, Datum::Link(target));
        }
    }
    made
}

/// Gives a public address back.
pub(crate) fn release(world: &mut World, address: Handle) {
    for kind in ["firewallrule", "portforwardingrule", "loadbalancerrule", "ipforwardingrule", "remoteaccessvpn"] {
        let rows: Vec<Handle> = world.referring(kind, "address", address).collect();
        rows.into_iter().for_each(|row| world.remove(row));
    }
    world.remove(address);
}

fn associate(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let network = turn.arguments.object("networkid");
    let vpc = turn.arguments.object("vpcid");
    let owner = match network.or(vpc).and_then(|target| turn.world.owner(target)) {
        Some(owner) => owner,
        None => turn.new_owner()?,
    };
    if network.is_none() && vpc.is_none() && turn.arguments.object("zoneid").is_none() {
        return Err(Refusal::invalid("Unable to figure out zone to assign ip to"));
    }
    super::limit::check(turn, owner, &[("public_ip", 1)])?;
    let address = match turn.arguments.text("ipaddress").map(str::to_owned) {
        Some(wanted) if turn.world.find("ipaddress", "ipaddress", &wanted).is_some() => {
            return Err(Refusal::invalid(format!("The requested IP address {wanted} is not free")));
        }
        Some(wanted) => take(turn.world, owner, network, false, wanted),
        None => allocate(turn.world, owner, network, false).ok_or_else(|| Refusal::failed("Insufficient address capacity"))?,
    };
    if let Some(vpc) = vpc {
        turn.world.set(address, "vpc", vpc);
    }
    Ok(turn.making(address, WORK_SHORT, move |turn| {
        if let Some(network) = network {
            super::implement(turn.world, network);
        }
        // The job's result still shows the way there; everybody after it sees where it led.
        turn.world.set(address, "state", "Allocating");
        turn.world.later(std::time::Duration::from_nanos(1), move |world| world.set(address, "state", "Allocated"));
        Ok(Outcome::Object(address))
    }))
}

fn disassociate(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let by_text = turn.arguments.text("ipaddress").and_then(|text| turn.world.find("ipaddress", "ipaddress", text));
    let Some(address) = turn.arguments.object("id").or(by_text) else { return Err(Refusal::invalid("Please specify either IP address or IP address ID")) };
    if turn.world.flag(address, "issourcenat") {
        return Err(Refusal::invalid("Ip address is used for source nat purposes and can not be disassociated."));
    }
    Ok(turn.job(address, WORK_SHORT, move |turn| {
        release(turn.world, address);
        Ok(Outcome::Success)
    }))
}

fn said(world: &World, address: Handle) -> String {
    format!(
        "IPAddress {{\"address\":\"{}\",\"dataCenterId\":1,\"id\":{},\"uuid\":\"{}\"}}",
        world.string(address, "ipaddress"),
        World::internal_number(address),
        world.id(address)
    )
}

fn enable_nat(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let address = turn.target("ipaddressid")?;
    let vm = turn.target("virtualmachineid")?;
    if turn.world.flag(address, "issourcenat") {
        return Err(Refusal::invalid("Can't enable static, IP address is a source nat ip address"));
    }
    if has_rules(turn.world, address) {
        let said = said(turn.world, address);
        return Err(Refusal {
            inner: Some(9999),
            ..Refusal::conflict(format!("Failed to enable static nat for the ip address {said} as it already has PortForwarding rules assigned"))
        });
    }
    let guest = super::vm::nic_rows(turn.world, vm).first().map(|nic| turn.world.string(*nic, "ipaddress")).unwrap_or_default();
    turn.world.set(address, "isstaticnat", true);
    turn.world.set(address, "vm", vm);
    turn.world.set(address, "vmipaddress", guest);
    Ok(Outcome::Success)
}

fn disable_nat(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let address = turn.target("ipaddressid")?;
    if !turn.world.flag(address, "isstaticnat") {
        return Err(Refusal::invalid(format!("Specified IP address is not static nat enabled: {}", turn.world.id(address))));
    }
    Ok(turn.job(address, WORK_SHORT, move |turn| {
        turn.world.set(address, "isstaticnat", false);
        let rules: Vec<Handle> = turn.world.referring("ipforwardingrule", "address", address).collect();
        rules.into_iter().for_each(|rule| turn.world.remove(rule));
        turn.world.unset(address, "vm");
        turn.world.unset(address, "vmipaddress");
        Ok(Outcome::Success)
    }))
}
