//! The plan of addresses: subnets and prefixes of zones, BGP peers, AS numbers, portable addresses, storage addresses.

use serde_json::{Value, json};

use super::{
    Tables,
    cidr::{self, Cidr},
    recipe::{Put, Recipe, change, make, take},
};
use crate::{
    json::Json,
    kind::{CREATED, Constant, ID, Noun, Shown, computed, linked, own, own_or},
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// The bits of a subnet of a guest network where nothing was said.
const GUEST_BITS: u32 = 26;
/// The bits of an IPv6 network of a guest network.
const PREFIX_BITS: u32 = 64;

/// IPv4 subnets that networks of a zone may be given.
pub(crate) const ZONE_SUBNET_NOUN: Noun = Noun {
    word: "zoneipv4subnet",
    entities: &["DataCenterIpv4SubnetResponse"],
    resource: "DataCenterIpv4GuestSubnet",
    owned: false,
    keywords: &["subnet"],
    newest_first: false,
    view: &[
        ID,
        own("subnet"),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        CREATED,
        linked("domainid", "dedicated", "id"),
        linked("domain", "dedicated", "name"),
        linked("account", "dedicatedaccount", "name"),
    ],
};

/// An IPv4 subnet of a guest network.
pub(crate) const GUEST_SUBNET_NOUN: Noun = Noun {
    word: "ipv4subnetforguestnetwork",
    entities: &["Ipv4SubnetForGuestNetworkResponse"],
    resource: "Ipv4GuestSubnetNetworkMap",
    owned: false,
    keywords: &["subnet"],
    newest_first: false,
    view: &[
        ID,
        linked("parentid", "parent", "id"),
        linked("parentsubnet", "parent", "subnet"),
        own("subnet"),
        own_or("state", Constant::Text("Free")),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        CREATED,
    ],
};

/// An IPv6 prefix of a zone.
pub(crate) const PREFIX_NOUN: Noun = Noun {
    word: "guestnetworkipv6prefix",
    entities: &["DataCenterGuestIpv6PrefixResponse"],
    resource: "DataCenterGuestIpv6Prefix",
    owned: false,
    keywords: &["prefix"],
    newest_first: false,
    view: &[
        ID,
        own("prefix"),
        linked("zoneid", "zone", "id"),
        own_or("usedsubnets", Constant::Number(0)),
        computed("availablesubnets", |world, prefix, _| Some(Shown::Number(subnets(world, prefix)))),
        computed("totalsubnets", |world, prefix, _| Some(Shown::Number(subnets(world, prefix)))),
        CREATED,
    ],
};

/// A router of another network that speaks BGP.
pub(crate) const PEER_NOUN: Noun = Noun {
    word: "bgppeer",
    entities: &["BgpPeerResponse"],
    resource: "BgpPeer",
    owned: false,
    keywords: &["ipaddress", "ip6address"],
    newest_first: false,
    view: &[
        ID,
        own("ipaddress"),
        own("ip6address"),
        own("asnumber"),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        CREATED,
        linked("domainid", "dedicated", "id"),
        linked("domain", "dedicated", "name"),
        linked("account", "dedicatedaccount", "name"),
        own("details"),
    ],
};

/// A range of AS numbers.
pub(crate) const RANGE_NOUN: Noun = Noun {
    word: "asnumberrange",
    entities: &["ASNRangeResponse"],
    resource: "ASNRange",
    owned: false,
    keywords: &[],
    newest_first: false,
    view: &[ID, linked("zoneid", "zone", "id"), own("startasn"), own("endasn"), CREATED],
};

/// An AS number.
pub(crate) const NUMBER_NOUN: Noun = Noun {
    word: "asnumber",
    entities: &["ASNumberResponse"],
    resource: "ASNumber",
    owned: false,
    keywords: &[],
    newest_first: false,
    view: &[
        ID,
        own("asnumber"),
        linked("asnrangeid", "range", "id"),
        own("asnrange"),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        own_or("allocationstate", Constant::Text("Free")),
        CREATED,
    ],
};

/// Public addresses that are in no zone.
pub(crate) const PORTABLE_NOUN: Noun = Noun {
    word: "portableiprange",
    entities: &["PortableIpRangeResponse"],
    resource: "PortableIpRange",
    owned: false,
    keywords: &[],
    newest_first: false,
    view: &[
        ID,
        own("regionid"),
        own("gateway"),
        own("netmask"),
        own_or("vlan", Constant::Text("untagged")),
        own("startip"),
        own("endip"),
        computed("portableipaddress", |world, range, _| {
            let addresses = cidr::addresses(world.text(range, "startip")?, world.text(range, "endip")?);
            let items: Vec<Value> = addresses.iter().map(|address| json!({"ipaddress": address, "state": "Free"})).collect();
            Some(Shown::Raw(Value::Array(items).to_string()))
        }),
    ],
};

/// Addresses of hosts in the network of storage.
pub(crate) const STORAGE_NOUN: Noun = Noun {
    word: "storagenetworkiprange",
    entities: &["StorageNetworkIpRangeResponse"],
    resource: "StorageNetworkIpRange",
    owned: false,
    keywords: &[],
    newest_first: false,
    view: &[
        ID,
        linked("podid", "pod", "id"),
        own("startip"),
        own("endip"),
        own("gateway"),
        own("networkid"),
        linked("zoneid", "zone", "id"),
        own("vlan"),
        own("netmask"),
    ],
};

/// The commands and filters of the plan.
pub(super) const TABLES: Tables = Tables {
    handlers: &[("createStorageNetworkIpRange", create_storage), ("deleteASNRange", delete_range), ("releaseASNumber", release_number)],
    filters: &[
        ("asnumber", "isallocated", |turn, number| turn.arguments.flag("isallocated") == (turn.world.text(number, "allocationstate") == Some("Allocated"))),
        ("bgppeer", "isdedicated", |turn, peer| turn.arguments.flag("isdedicated") == turn.world.link(peer, "dedicated").is_some()),
    ],
};

/// The commands of the plan that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    make("createIpv4SubnetForZone", "zoneipv4subnet", &[Put::Text("subnet"), Put::Link("zoneid", "zone")]).silent().checked(subnet_is_free),
    change("updateIpv4SubnetForZone", "id", &[Put::Text("subnet")]).checked(subnet_is_free),
    change("dedicateIpv4SubnetForZone", "id", &[Put::Link("domainid", "dedicated")]).then(dedicate),
    change("releaseIpv4SubnetForZone", "id", RELEASED),
    take("deleteIpv4SubnetForZone", "id").then(|turn, subnet| {
        let parts: Vec<Handle> = turn.world.referring("ipv4subnetforguestnetwork", "parent", subnet).collect();
        if parts.iter().any(|part| turn.world.text(*part, "state") == Some("Allocated")) {
            return Err(Refusal::invalid("Cannot delete this subnet as it is in use"));
        }
        parts.into_iter().for_each(|part| turn.world.remove(part));
        Ok(())
    }),
    make(
        "createIpv4SubnetForGuestNetwork",
        "ipv4subnetforguestnetwork",
        &[Put::Link("parentid", "parent"), Put::Through("parentid", "zone"), Put::Text("subnet")],
    )
    .silent()
    .then(choose_part),
    take("deleteIpv4SubnetForGuestNetwork", "id"),
    make("createGuestNetworkIpv6Prefix", "guestnetworkipv6prefix", &[Put::Text("prefix"), Put::Link("zoneid", "zone")]).silent().checked(prefix_is_right),
    take("deleteGuestNetworkIpv6Prefix", "id"),
    make(
        "createBgpPeer",
        "bgppeer",
        &[Put::Text("ipaddress"), Put::Text("ip6address"), Put::Number("asnumber"), Put::Link("zoneid", "zone"), Put::Entries("details", "details")],
    )
    .silent()
    .checked(peer_is_new),
    change("updateBgpPeer", "id", &[Put::Text("ipaddress"), Put::Text("ip6address"), Put::Number("asnumber"), Put::Entries("details", "details")]),
    change("dedicateBgpPeer", "id", &[Put::Link("domainid", "dedicated")]).then(dedicate),
    change("releaseBgpPeer", "id", RELEASED),
    take("deleteBgpPeer", "id"),
    make("createASNRange", "asnumberrange", &[Put::Number("startasn"), Put::Number("endasn"), Put::Link("zoneid", "zone")])
        .checked(range_is_free)
        .then(make_numbers),
    make(
        "createPortableIpRange",
        "portableiprange",
        &[Put::Number("regionid"), Put::Text("gateway"), Put::Text("netmask"), Put::Text("vlan"), Put::Text("startip"), Put::Text("endip")],
    )
    .checked(|turn, _| ends_are_right(turn)),
    take("deletePortableIpRange", "id"),
    change("updateStorageNetworkIpRange", "id", &[Put::Text("startip"), Put::Text("endip"), Put::Text("netmask"), Put::Number("vlan")]),
    take("deleteStorageNetworkIpRange", "id"),
];

const RELEASED: &[Put] = &[Put::Gone("dedicated"), Put::Gone("dedicatedaccount")];

fn subnets(world: &World, prefix: Handle) -> i64 {
    let bits: Option<u32> = world.text(prefix, "prefix").and_then(|prefix| prefix.split_once('/')).and_then(|(_, bits)| bits.parse().ok());
    bits.filter(|bits| *bits <= PREFIX_BITS).and_then(|bits| 1i64.checked_shl(PREFIX_BITS - bits)).unwrap_or(0)
}

fn dedicate(turn: &mut Turn<'_>, target: Handle) -> Result<(), Refusal> {
    if turn.arguments.text("account").is_some() || turn.arguments.text("projectid").is_some() {
        let account = turn.new_owner()?;
        turn.world.set(target, "dedicatedaccount", account);
    }
    Ok(())
}

fn subnet_is_free(turn: &Turn<'_>, subnet: Option<Handle>) -> Result<(), Refusal> {
    let text = turn.arguments.text("subnet").unwrap_or_default();
    let Some(wanted) = Cidr::parse(text) else { return Err(Refusal::invalid(format!("Invalid IPv4 subnet {text}"))) };
    let kind = turn.world.kind("zoneipv4subnet");
    let mut others = turn.world.rows(kind).filter(|other| Some(*other) != subnet);
    let crossing = others.find(|other| Cidr::parse(&turn.world.string(*other, "subnet")).is_some_and(|other| other.overlaps(wanted)));
    match crossing {
        Some(other) => Err(Refusal::invalid(format!("Existing zone subnet {} has overlap with: {text}", turn.world.string(other, "subnet")))),
        None => Ok(()),
    }
}

/// Takes the part of a zone's subnet that was asked for, or the first that is free.
fn choose_part(turn: &mut Turn<'_>, made: Handle) -> Result<(), Refusal> {
    let world = &*turn.world;
    let Some(parent) = world.link(made, "parent") else { return Ok(()) };
    let Some(all) = Cidr::parse(&world.string(parent, "subnet")) else { return Ok(()) };
    let taken: Vec<Cidr> = world
        .referring("ipv4subnetforguestnetwork", "parent", parent)
        .filter(|other| *other != made)
        .filter_map(|other| Cidr::parse(&world.string(other, "subnet")))
        .collect();
    let is_free = |part: &Cidr| !taken.iter().any(|other| other.overlaps(*part));
    let chosen = match world.text(made, "subnet") {
        Some(text) => Cidr::parse(text).filter(|part| part.is_within(all) && is_free(part)),
        None => {
            let bits = turn.arguments.number("cidrsize").and_then(|bits| u32::try_from(bits).ok()).unwrap_or(GUEST_BITS);
            if bits < all.bits() { None } else { all.parts(bits).find(is_free) }
        }
    };
    let Some(chosen) = chosen else { return Err(Refusal::invalid("Failed to create IPv4 subnet for guest networks: no free subnet of this size")) };
    turn.world.set(made, "subnet", chosen.to_string());
    turn.world.set(made, "state", "Free");
    Ok(())
}

fn prefix_is_right(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let prefix = turn.arguments.text("prefix").unwrap_or_default();
    let parts = prefix.split_once('/').and_then(|(address, bits)| Some((address.parse::<std::net::Ipv6Addr>().ok()?, bits.parse::<u32>().ok()?)));
    if parts.is_none_or(|(_, bits)| bits > PREFIX_BITS) {
        return Err(Refusal::invalid(format!("IPv6 prefix must be /64 or less: {prefix}")));
    }
    match turn.world.find("guestnetworkipv6prefix", "prefix", prefix) {
        Some(_) => Err(Refusal::invalid(format!("IPv6 prefix {prefix} is already in use"))),
        None => Ok(()),
    }
}

fn peer_is_new(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let (four, six) = (turn.arguments.text("ipaddress"), turn.arguments.text("ip6address"));
    if four.is_none() && six.is_none() {
        return Err(Refusal::invalid("At least one of IPv4 address and IPv6 address must be specified."));
    }
    let taken =
        [("ipaddress", four), ("ip6address", six)].into_iter().any(|(field, text)| text.is_some_and(|text| turn.world.find("bgppeer", field, text).is_some()));
    if taken { Err(Refusal::invalid("There is already a BGP peer with same IP address in the zone.")) } else { Ok(()) }
}

fn range_is_free(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let (start, end) = (turn.arguments.number("startasn").unwrap_or(0), turn.arguments.number("endasn").unwrap_or(0));
    if start > end {
        return Err(Refusal::invalid("Please specify a valid AS Number range"));
    }
    let kind = turn.world.kind("asnumberrange");
    let zone = turn.target("zoneid")?;
    let crosses = |range: Handle| turn.world.number(range, "startasn") <= end && start <= turn.world.number(range, "endasn");
    match turn.world.rows(kind).find(|range| turn.world.link(*range, "zone") == Some(zone) && crosses(*range)) {
        Some(range) => Err(Refusal::invalid(format!(
            "New AS Number range {start}-{end} is overlapping with existing range {}-{} of the zone",
            turn.world.number(range, "startasn"),
            turn.world.number(range, "endasn")
        ))),
        None => Ok(()),
    }
}

fn make_numbers(turn: &mut Turn<'_>, range: Handle) -> Result<(), Refusal> {
    /// Larger ranges keep their numbers to themselves.
    const NUMBERS_MAX: i64 = 10_000;
    let (start, end) = (turn.world.number(range, "startasn"), turn.world.number(range, "endasn"));
    let zone = turn.world.link(range, "zone");
    let kind = turn.world.kind("asnumber");
    for number in start..=end.min(start + NUMBERS_MAX) {
        let fields: [(&str, Datum); 3] = [("asnumber", number.into()), ("range", range.into()), ("asnrange", format!("{start}-{end}").into())];
        let made = turn.world.insert(kind, None, &fields);
        if let Some(zone) = zone {
            turn.world.set(made, "zone", zone);
        }
    }
    Ok(())
}

fn delete_range(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let range = turn.target("id")?;
    let numbers: Vec<Handle> = turn.world.referring("asnumber", "range", range).collect();
    if let Some(number) = numbers.iter().find(|number| turn.world.text(**number, "allocationstate") == Some("Allocated")) {
        let number = turn.world.number(*number, "asnumber");
        return Err(Refusal::invalid(format!("There are AS numbers in use from the range, such as {number}, cannot be removed")));
    }
    numbers.into_iter().for_each(|number| turn.world.remove(number));
    turn.world.remove(range);
    Ok(Outcome::Success)
}

fn release_number(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let number = turn.arguments.number("asnumber").unwrap_or(0);
    let kind = turn.world.kind("asnumber");
    let found = turn.world.rows(kind).find(|row| turn.world.number(*row, "asnumber") == number);
    let Some(found) = found else { return Err(Refusal::invalid(format!("Could not find AS Number {number} in the zone"))) };
    turn.world.set(found, "allocationstate", "Free");
    Ok(Outcome::Success)
}

fn ends_are_right(turn: &Turn<'_>) -> Result<(), Refusal> {
    let end = |name: &str| turn.arguments.text(name).unwrap_or_default();
    let last = turn.arguments.text("endip").unwrap_or_else(|| end("startip"));
    if cidr::addresses(end("startip"), last).is_empty() {
        return Err(Refusal::invalid(format!("Invalid start and/or end IP address: {} - {last}", end("startip"))));
    }
    Ok(())
}

fn create_storage(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let pod = turn.target("podid")?;
    ends_are_right(turn)?;
    let zone = turn.world.link(pod, "zone");
    let kind = turn.world.kind("storagenetworkiprange");
    let known = turn.world.rows(kind).next();
    let network = match known {
        Some(other) => turn.world.string(other, "networkid"),
        None => crate::world::id_text(turn.world.fresh_id()),
    };
    let start = turn.needed("startip")?;
    let end = turn.arguments.text("endip").unwrap_or(&start).to_owned();
    let fields: Vec<(&str, Datum)> = vec![
        ("pod", pod.into()),
        ("startip", start.into()),
        ("endip", end.into()),
        ("gateway", turn.needed("gateway")?.into()),
        ("netmask", turn.needed("netmask")?.into()),
        ("networkid", network.into()),
    ];
    let range = turn.world.insert(kind, None, &fields);
    if let Some(zone) = zone {
        turn.world.set(range, "zone", zone);
    }
    if let Some(vlan) = turn.arguments.number("vlan") {
        turn.world.set(range, "vlan", vlan);
    }
    // The job that makes a range does not tell where it is; lists do.
    Ok(turn.job(range, WORK_SHORT, move |turn| {
        let without: Vec<_> = ["podid", "zoneid", "networkid"].iter().filter_map(|name| turn.world.known_key(name)).collect();
        let mut json = Json::default();
        turn.world.render_without(range, turn.viewer(), &without, &mut json);
        Ok(Outcome::Shown("storagenetworkiprange".to_owned(), json.into_text()))
    }))
}
