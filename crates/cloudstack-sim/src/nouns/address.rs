//! Public addresses: taken, given back, mapped to machines.

use std::net::Ipv4Addr;

use super::{
    Tables, cidr, network,
    recipe::{self, Put},
    traffic::{self, Purpose},
};
use crate::{
    json::Json,
    kind::{
        ACCOUNT, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, Noun, PROJECT, PROJECT_ID, Shown, TAGS, Viewer, computed, flag, linked, own,
        own_or, several,
    },
    list::{self, Page},
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Content, Datum, Handle, World},
};

/// What servers call the kinds of system machines where they speak of addresses.
const SYSTEM_TYPES: [(&str, &str); 2] = [("consoleproxy", "ConsoleProxy"), ("secondarystoragevm", "SecondaryStorageVm")];

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
        own_or("forvirtualnetwork", Constant::Flag(true)),
        linked("vlanid", "range", "id").root(),
        linked("vlanname", "range", "vlan").root(),
        flag("isstaticnat"),
        flag("issystem"),
        linked("virtualmachineid", "vm", "id"),
        linked("virtualmachinename", "vm", "name"),
        linked("virtualmachinedisplayname", "vm", "displayname"),
        several("the system machine that has it", system_machine),
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
        own_or("fordisplay", Constant::Flag(true)).root(),
        computed("hasrules", |world, address, _| Some(Shown::Flag(traffic::has_rules(world, address)))),
        flag("forsystemvms"),
        flag("forprovider"),
        HAS_ANNOTATIONS,
    ],
};

/// The commands and filters of public addresses.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listPublicIpAddresses", list_addresses),
        ("associateIpAddress", associate),
        ("disassociateIpAddress", disassociate),
        ("reserveIpAddress", reserve),
        ("releaseIpAddress", release_reserved),
        ("updateIpAddress", |turn| {
            let address = turn.target("id")?;
            Ok(turn.job(address, WORK_SHORT, move |turn| {
                recipe::apply(turn, address, Put::Flag("fordisplay"));
                Ok(Outcome::Object(address))
            }))
        }),
        ("enableStaticNat", enable_nat),
        ("disableStaticNat", disable_nat),
    ],
    filters: &[
        ("ipaddress", "allocatedonly", |_, _| true),
        ("ipaddress", "forloadbalancing", |turn, address| {
            !turn.arguments.flag("forloadbalancing") || traffic::has_rules_for(turn.world, address, Purpose::LoadBalancing)
        }),
        ("ipaddress", "forprovider", |turn, _| !turn.arguments.flag("forprovider")),
        ("ipaddress", "retrieveonlyresourcecount", |_, _| true),
        ("ipaddress", "vlanid", |turn, address| list::argument_is(turn, "vlanid", turn.world.link(address, "range"))),
        ("ipaddress", "associatednetworkid", |turn, address| list::argument_is(turn, "associatednetworkid", turn.world.link(address, "network"))),
    ],
};

/// System machines have addresses without a word of who took them.
fn system_machine(world: &World, address: Handle, _: Viewer, json: &mut Json) {
    if !world.flag(address, "issystem") {
        return;
    }
    let text = world.string(address, "ipaddress");
    if let Some(machine) = world.find("systemvm", "publicip", &text) {
        let kind = world.string(machine, "systemvmtype");
        let shown = SYSTEM_TYPES.iter().find(|(known, _)| *known == kind).map_or(kind.as_str(), |(_, shown)| *shown);
        json.member("virtualmachineid", &world.id(machine));
        json.member("virtualmachinename", &world.string(machine, "name"));
        json.member("virtualmachinetype", shown);
    }
    json.member("purpose", "Lb");
}

fn number(world: &World, address: Handle) -> u32 {
    world.text(address, "ipaddress").and_then(|text| text.parse::<Ipv4Addr>().ok()).map_or(0, u32::from)
}

/// The ranges that public addresses come from, of one zone or of all.
fn ranges(world: &World, zone: Option<Handle>) -> Vec<Handle> {
    let is_within = |range: Handle| zone.is_none_or(|zone| zone_of_range(world, range) == Some(zone));
    let is_public = |range: Handle| world.field(range, "forvirtualnetwork") != Some(Content::Flag(false));
    world.rows(world.kind("vlaniprange")).filter(|range| is_public(*range) && is_within(*range)).collect()
}

fn zone_of_range(world: &World, range: Handle) -> Option<Handle> {
    world.link(range, "zone").or_else(|| super::place::only_zone(world))
}

fn in_range(world: &World, range: Handle) -> Vec<String> {
    let first = world.string(range, "startip");
    let last = world.text(range, "endip").unwrap_or(&first).to_owned();
    cidr::addresses(&first, &last)
}

/// Writes the free addresses down, so that each has an id; nobody needs them before.
fn write_free(world: &mut World) {
    let known: std::collections::HashSet<String> = world.rows(world.kind("ipaddress")).map(|row| world.string(row, "ipaddress")).collect();
    for range in ranges(world, None) {
        for address in in_range(world, range).into_iter().filter(|address| !known.contains(address)) {
            insert(world, range, address);
        }
    }
}

/// Writes one free address down.
fn insert(world: &mut World, range: Handle, address: String) -> Handle {
    let kind = world.kind("ipaddress");
    let made = world.insert(kind, None, &[("ipaddress", address.into()), ("state", "Free".into()), ("range", range.into())]);
    let zone = zone_of_range(world, range);
    let physical = world.link(range, "physicalnetwork");
    for (field, target) in [("zone", zone), ("physicalnetwork", physical)] {
        if let Some(target) = target {
            world.set(made, field, Datum::Link(target));
        }
    }
    made
}

fn is_free(world: &World, address: Handle) -> bool {
    world.owner(address).is_none() && world.link(address, "range").is_some_and(|range| world.is_alive(range))
}

/// The free address of a zone with this text, or the first one.
fn free(world: &mut World, wanted: Option<&str>, zone: Option<Handle>) -> Option<Handle> {
    let rows: Vec<Handle> = world.rows(world.kind("ipaddress")).collect();
    let known: std::collections::HashMap<String, Handle> = rows.into_iter().map(|row| (world.string(row, "ipaddress"), row)).collect();
    for range in ranges(world, zone) {
        for address in in_range(world, range) {
            if wanted.is_some_and(|wanted| wanted != address) {
                continue;
            }
            match known.get(&address) {
                Some(row) if is_free(world, *row) => return Some(*row),
                Some(_) => {}
                None => return Some(insert(world, range, address)),
            }
        }
    }
    None
}

/// Takes a free public address of a zone.
pub(crate) fn allocate(world: &mut World, owner: Handle, zone: Option<Handle>) -> Option<Handle> {
    let address = free(world, None, zone)?;
    take(world, address, owner);
    world.set(address, "issourcenat", false);
    Some(address)
}

/// Takes a free public address by which a network or a VPC goes out.
pub(crate) fn allocate_source(world: &mut World, owner: Handle, (field, inside): (&'static str, Handle)) -> Option<Handle> {
    let address = allocate(world, owner, world.link(inside, "zone"))?;
    world.set(address, "issourcenat", true);
    world.set(address, field, inside);
    Some(address)
}

/// The gateway of the range that an address is from.
pub(super) fn gateway(world: &World, address: Handle) -> String {
    world.link(address, "range").map(|range| world.string(range, "gateway")).unwrap_or_default()
}

fn take(world: &mut World, address: Handle, owner: Handle) {
    let stamp = world.timestamp();
    world.give(address, owner);
    world.set(address, "allocated", stamp);
    world.set(address, "state", "Allocated");
}

/// Gives a public address back.
pub(crate) fn release(world: &mut World, address: Handle) {
    for (rule, _) in traffic::rules_of(world, address) {
        traffic::remove(world, rule);
    }
    world.disown(address);
    for field in ["network", "vpc", "vm", "vmipaddress", "allocated", "issourcenat", "isstaticnat", "fordisplay", "issystem"] {
        world.unset(address, field);
    }
    world.set(address, "state", "Free");
}

/// Lists addresses: those that somebody has, those that nobody has, or both.
fn list_addresses(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let page = Page::read(turn)?;
    let state = turn.arguments.text("state").map(str::to_ascii_lowercase);
    let is_open = matches!(state.as_deref(), Some("free" | "reserved"));
    let only_taken = match (turn.arguments.truth("allocatedonly"), state.as_deref()) {
        (Some(true), Some("free" | "reserved")) => return Err(Refusal::invalid("Conflict: allocatedonly is true but state is Free")),
        (None, _) => !is_open,
        (Some(_), Some("allocated")) => true,
        (Some(only), _) => only,
    };
    for name in ["associatednetworkid", "vpcid"] {
        if turn.arguments.object(name).is_some_and(|object| !turn.may_use(object)) {
            return Err(Refusal::permission());
        }
    }
    if turn.arguments.truth("forvirtualnetwork") == Some(false)
        && let Some(network) = turn.arguments.object("networkid")
        && turn.world.text(network, "type") != Some("Shared")
    {
        return Err(Refusal::invalid("Please specify a valid network id"));
    }
    let is_taken_or_kept = only_taken || state.as_deref() == Some("reserved");
    if !is_taken_or_kept {
        write_free(turn.world);
    }
    let kind = turn.world.kind("ipaddress");
    let says_state = state.is_some();
    let taken = move |world: &World, row: Handle| {
        world.owner(row).is_some() && (says_state || !only_taken || !matches!(world.text(row, "state"), Some("Reserved" | "Free")))
    };
    let everybody = !is_taken_or_kept && turn.caller.is_root() && turn.arguments.object("domainid").is_none();
    let mut rows = if everybody { list::unscoped(turn, kind, &taken) } else { list::matching(turn, kind, &taken)? };
    if !is_taken_or_kept {
        rows.extend(list::unscoped(turn, kind, &is_free_row));
    }
    rows.sort_by_key(|row| number(turn.world, *row));
    Ok(page.cut(rows))
}

fn is_free_row(world: &World, row: Handle) -> bool {
    is_free(world, row)
}

/// The network that an address is to belong to where none was named: the owner's only one in the zone.
fn only_network(turn: &Turn<'_>, owner: Handle) -> Result<Handle, Refusal> {
    let zone = turn.arguments.object("zoneid").ok_or_else(|| Refusal::invalid("Unable to figure out zone to assign ip to"))?;
    let world = &*turn.world;
    let is_plain = |network: &Handle| {
        world.link(*network, "zone") == Some(zone) && world.text(*network, "type") == Some("Isolated") && world.link(*network, "vpc").is_none()
    };
    let networks: Vec<Handle> = world.owned(world.kind("network"), owner).filter(is_plain).collect();
    match networks.as_slice() {
        [only] => Ok(*only),
        [] => {
            Err(Refusal::invalid(format!("Account name={} doesn't have virtual networks in zone={}", world.string(owner, "name"), world.string(zone, "name"))))
        }
        _ => Err(Refusal::invalid("Account has more than one isolated network in the zone")),
    }
}

fn associate(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vpc = turn.arguments.object("vpcid");
    let network = turn.arguments.object("networkid").filter(|_| vpc.is_none());
    let is_owner_said = turn.arguments.text("account").is_some() || turn.arguments.object("projectid").is_some();
    let owner = match network.or(vpc).and_then(|target| turn.world.owner(target)).filter(|_| !is_owner_said) {
        Some(owner) => owner,
        None => turn.new_owner()?,
    };
    let network = match (network, vpc) {
        (None, None) => Some(only_network(turn, owner)?),
        (network, _) => network,
    };
    if network.is_some_and(|network| turn.world.text(network, "type") == Some("Shared")) {
        return Err(Refusal::invalid("Associate IP address can only be called on the shared networks in the advanced zone with services enabled"));
    }
    let of_target = network.or(vpc).and_then(|target| turn.world.link(target, "zone"));
    let zone = of_target.or_else(|| turn.arguments.object("zoneid"));
    if let Some(zone) = zone {
        super::zone::check_enabled(turn, zone)?;
    }
    super::limit::check(turn, owner, &[("public_ip", 1)])?;
    let wanted = turn.arguments.text("ipaddress").map(str::to_owned);
    let Some(address) = free(turn.world, wanted.as_deref(), zone) else {
        return Err(Refusal { code: INSUFFICIENT, ..Refusal::argument("Insufficient address capacity") });
    };
    take(turn.world, address, owner);
    recipe::apply(turn, address, Put::Flag("fordisplay"));
    for (field, target) in [("network", network), ("vpc", vpc)] {
        if let Some(target) = target {
            turn.world.set(address, field, target);
        }
    }
    // The first address of a network that nobody uses yet is the one by which it will go out.
    let goes_out = |network: &Handle| turn.world.text(*network, "type") == Some("Isolated") && network::source_address(turn.world, *network).is_none();
    if network.as_ref().is_some_and(goes_out) {
        turn.world.set(address, "issourcenat", true);
    }
    turn.world.set(address, "state", "Allocating");
    Ok(turn.making(address, WORK_SHORT, move |turn| {
        // The job's result still shows the way to a network; everybody after it sees where it led.
        let shown = vpc.is_none().then(|| turn.body(&Outcome::Object(address)));
        turn.world.set(address, "state", "Allocated");
        Ok(shown.map_or(Outcome::Object(address), Outcome::Flat))
    }))
}

/// CloudStack's code where there is not enough of something.
const INSUFFICIENT: u16 = 533;

/// The address that a call names by its id or by itself, if it is anybody's.
fn named(turn: &Turn<'_>) -> Result<Handle, Refusal> {
    let by_text = turn.arguments.text("ipaddress");
    if by_text.is_some() && turn.arguments.object("id").is_some() {
        return Err(Refusal::invalid("id parameter is mutually exclusive with ipaddress parameter"));
    }
    let address = match (turn.arguments.object("id"), by_text) {
        (Some(address), _) => address,
        (None, Some(text)) => {
            let found = turn.world.find("ipaddress", "ipaddress", text);
            found.ok_or_else(|| Refusal::invalid(format!("Unable to find IP address by IP address={text}")))?
        }
        (None, None) => return Err(Refusal::invalid("Please specify either IP address or IP address ID")),
    };
    if turn.world.owner(address).is_none() {
        return Err(Refusal::internal("the address belongs to nobody"));
    }
    Ok(address)
}

fn disassociate(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let address = named(turn).map_err(Refusal::at_once)?;
    Ok(turn.job(address, WORK_SHORT, move |turn| {
        if !turn.may_use(address) {
            return Err(Refusal::permission());
        }
        let network = turn.world.link(address, "network");
        let is_in_use = network.is_some_and(|network| turn.world.text(network, "state") != Some("Allocated")) || turn.world.link(address, "vpc").is_some();
        if turn.world.flag(address, "issourcenat") && is_in_use {
            return Err(Refusal::failed("ip address is used for source nat purposes and can not be disassociated."));
        }
        release(turn.world, address);
        Ok(Outcome::Success)
    }))
}

/// Keeps a free address for an account.
fn reserve(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let address = turn.target("id")?;
    let owner = turn.new_owner()?;
    match turn.world.text(address, "state") {
        Some("Reserved") if turn.world.owner(address) == Some(owner) => return Ok(Outcome::Object(address)),
        Some("Reserved") => return Err(Refusal::invalid("Unable to reserve a IP because it has already been reserved for another account.")),
        Some("Free") => {}
        state => return Err(Refusal::invalid(format!("Unable to reserve a IP in {} state.", state.unwrap_or("Allocated")))),
    }
    super::limit::check(turn, owner, &[("public_ip", 1)])?;
    take(turn.world, address, owner);
    turn.world.set(address, "state", "Reserved");
    recipe::apply(turn, address, Put::Flag("fordisplay"));
    let mut json = Json::default();
    json.open();
    json.key("ipaddress");
    // Answers about single addresses leave out the range they come from.
    let range: Vec<_> = ["vlanid", "vlanname"].iter().filter_map(|name| turn.world.known_key(name)).collect();
    turn.world.render_without(address, turn.viewer(), &range, &mut json);
    json.close();
    Ok(Outcome::Flat(json.into_text()))
}

fn release_reserved(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let address = turn.target("id")?;
    if turn.world.owner(address).is_some() && turn.world.text(address, "state") != Some("Reserved") {
        return Err(Refusal::invalid("Unable to release a public IP in Allocated state, please use disassociateIpAddress instead"));
    }
    release(turn.world, address);
    Ok(Outcome::Success)
}

fn said(world: &World, address: Handle) -> String {
    format!(
        "IPAddress {{\"address\":\"{}\",\"dataCenterId\":1,\"id\":{},\"uuid\":\"{}\"}}",
        world.string(address, "ipaddress"),
        World::internal_number(address),
        world.id(address)
    )
}

/// Refuses to let an address stand for a machine if it may not, or the machine has one already.
fn check_nat(world: &World, address: Handle, vm: Handle, guest: &str) -> Result<(), Refusal> {
    let conflict = |text: String| Err(Refusal { inner: Some(9999), ..Refusal::conflict(text) });
    if world.flag(address, "issourcenat") {
        return Err(Refusal::invalid(format!("Can't enable static, ip address {} is a sourceNat ip address", said(world, address))));
    }
    if world.flag(address, "isstaticnat") {
        if world.link(address, "vm") != Some(vm) {
            return conflict(format!("Failed to enable static for the ip address {} as it's already assigned to another vm", said(world, address)));
        }
    } else {
        for purpose in [Purpose::PortForwarding, Purpose::LoadBalancing] {
            if traffic::has_rules_for(world, address, purpose) {
                return conflict(format!(
                    "Failed to enable static nat for the ip address {} as it already has {purpose:?} rules assigned",
                    said(world, address)
                ));
            }
        }
    }
    match world.referring("ipaddress", "vm", vm).find(|other| world.text(*other, "vmipaddress") == Some(guest)) {
        Some(other) => {
            Err(Refusal::invalid(format!("Failed to enable static nat as the vm is already associated with another public ip {}", said(world, other))))
        }
        None => Ok(()),
    }
}

fn enable_nat(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let address = turn.target("ipaddressid")?;
    let vm = turn.target("virtualmachineid")?;
    let network = traffic::network_of(turn, address)?;
    let nics = super::vm::nic_rows(turn.world, vm);
    let Some(nic) = nics.iter().copied().find(|nic| turn.world.link(*nic, "network") == Some(network)) else {
        return Err(Refusal::invalid("Vm doesn't belong to the network with specified id"));
    };
    network::check_service(turn.world, network, "StaticNat")?;
    if matches!(turn.world.text(vm, "state"), Some("Destroyed" | "Expunging")) {
        return Err(Refusal::invalid(format!("Invalid user vm: {}", turn.world.id(vm))));
    }
    let first = turn.world.string(nic, "ipaddress");
    let guest = turn.arguments.text("vmguestip").unwrap_or(&first).to_owned();
    if guest != first && !network::secondary_addresses(turn.world, nic).contains(&guest) {
        return Err(Refusal::invalid(format!("VM ip {guest} address not belongs to the vm")));
    }
    check_nat(turn.world, address, vm, &guest)?;
    let world = &mut *turn.world;
    world.set(address, "isstaticnat", true);
    world.set(address, "vm", vm);
    world.set(address, "vmipaddress", guest);
    world.set(address, "network", network);
    Ok(Outcome::Success)
}

/// Takes an address from the machine that it stands for, with all rules for it.
pub(super) fn part(world: &mut World, address: Handle) {
    for (rule, purpose) in traffic::rules_of(world, address) {
        if purpose != Purpose::Vpn {
            traffic::remove(world, rule);
        }
    }
    for field in ["isstaticnat", "vm", "vmipaddress"] {
        world.unset(address, field);
    }
    traffic::leave_tier(world, address);
}

fn disable_nat(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let address = turn.target("ipaddressid")?;
    Ok(turn.job(address, WORK_SHORT, move |turn| {
        if turn.world.link(address, "vm").is_none() {
            return Err(Refusal::invalid("Specified IP address id is not associated with any vm Id"));
        }
        part(turn.world, address);
        Ok(Outcome::Success)
    }))
}
