//! VPCs: private clouds of several networks behind one router, with access lists, private gateways and routes.

use super::{
    Tables, acl,
    cidr::Cidr,
    recipe::{self, Put, Recipe, change, make, take},
    zone,
};
use crate::{
    kind::{
        ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, Noun, PROJECT, PROJECT_ID, TAGS, always, computed, flag, linked, own,
        own_or,
    },
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_MEDIUM},
    world::{Datum, Handle, World},
};

/// A VPC.
pub(crate) const VPC_NOUN: Noun = Noun {
    word: "vpc",
    entities: &["VpcResponse"],
    resource: "Vpc",
    owned: true,
    keywords: &["name", "displaytext"],
    newest_first: true,
    view: &[
        ID,
        own("name"),
        own("displaytext"),
        own_or("state", Constant::Text("Enabled")),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        linked("service", "offering", "service"),
        own("cidr"),
        linked("vpcofferingid", "offering", "id"),
        linked("vpcofferingname", "offering", "name"),
        CREATED,
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        computed("network", |world, vpc, viewer| Some(recipe::nested(world, world.referring("network", "vpc", vpc), viewer))),
        flag("restartrequired"),
        own("networkdomain"),
        own("dns1"),
        own("dns2"),
        always("fordisplay", Constant::Flag(true)).root(),
        TAGS,
        flag("distributedvpcrouter"),
        flag("regionlevelvpc"),
        flag("redundantvpcrouter"),
        own_or("publicmtu", Constant::Number(1500)),
        HAS_ANNOTATIONS,
    ],
};

/// A way out of a VPC into a network of the company's own.
pub(crate) const GATEWAY_NOUN: Noun = Noun {
    word: "privategateway",
    entities: &["PrivateGatewayResponse"],
    resource: "PrivateGateway",
    owned: true,
    keywords: &[],
    newest_first: true,
    view: &[
        ID,
        own("gateway"),
        own("netmask"),
        own("vlan"),
        own("ipaddress"),
        linked("vpcid", "vpc", "id"),
        linked("vpcname", "vpc", "name"),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        linked("physicalnetworkid", "physicalnetwork", "id"),
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        own_or("state", Constant::Text("Ready")),
        flag("sourcenatsupported"),
        linked("aclid", "acl", "id"),
        linked("aclname", "acl", "name"),
        HAS_ANNOTATIONS,
    ],
};

/// A route through a private gateway.
pub(crate) const ROUTE_NOUN: Noun = Noun {
    word: "staticroute",
    entities: &["StaticRouteResponse"],
    resource: "StaticRoute",
    owned: true,
    keywords: &[],
    newest_first: true,
    view: &[
        ID,
        linked("vpcid", "vpc", "id"),
        own("cidr"),
        own_or("state", Constant::Text("Active")),
        linked("vpcgatewayid", "gateway", "id"),
        linked("vpcgatewayip", "gateway", "ipaddress"),
        own("nexthop"),
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        TAGS,
    ],
};

/// The commands and filters of VPCs.
pub(super) const TABLES: Tables = Tables {
    handlers: &[("createVPC", create), ("deleteVPC", delete), ("restartVPC", restart), ("migrateVPC", migrate)],
    filters: &[
        ("vpc", "supportedservices", |_, _| true),
        ("staticroute", "gatewayid", |turn, route| list::argument_is(turn, "gatewayid", turn.world.link(route, "gateway"))),
    ],
};

/// The commands of VPCs that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    change("updateVPC", "id", &[Put::Text("name"), Put::Text("displaytext"), Put::Number("publicmtu")]),
    make(
        "createPrivateGateway",
        "privategateway",
        &[
            Put::Text("gateway"),
            Put::Text("netmask"),
            Put::Text("ipaddress"),
            Put::Text("vlan"),
            Put::Link("vpcid", "vpc"),
            Put::Through("vpcid", "zone"),
            Put::Link("physicalnetworkid", "physicalnetwork"),
            Put::Flag("sourcenatsupported"),
            Put::Link("aclid", "acl"),
        ],
    )
    .owned_through("vpcid")
    .checked(gateway_is_right)
    .then(|turn, gateway| {
        if let (None, Some(acl)) = (turn.world.link(gateway, "acl"), acl::denies(turn.world)) {
            turn.world.set(gateway, "acl", acl);
        }
        Ok(())
    }),
    take("deletePrivateGateway", "id").checked(gateway_has_no_routes),
    make(
        "createStaticRoute",
        "staticroute",
        &[Put::Text("cidr"), Put::Text("nexthop"), Put::Through("gatewayid", "vpc"), Put::Link("vpcid", "vpc"), Put::Link("gatewayid", "gateway")],
    )
    .owned_through("vpcid")
    .checked(route_is_right),
    take("deleteStaticRoute", "id"),
];

/// The code of rules and routes that exclude each other.
const ROUTE_CONFLICT: u16 = 537;
/// From where VPCs get ranges by size.
const ROUTED_RANGE: &str = "10.128.0.0/9";
/// The range of addresses that reach no farther than the next machine.
const LINK_LOCAL: &str = "169.254.0.0/16";

fn said(world: &World, vpc: Handle) -> String {
    recipe::said(world, "VPC", vpc)
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let owner = turn.new_owner()?;
    let zone = turn.target("zoneid")?;
    let offering = turn.target("vpcofferingid")?;
    zone::check_enabled(turn, zone)?;
    super::limit::check(turn, owner, &[("vpc", 1)])?;
    if turn.world.text(offering, "state") != Some("Enabled") {
        return Err(Refusal::invalid("Unable to find vpc offering in Enabled state by specified id"));
    }
    let cidr = asked_cidr(turn, offering)?;
    let name = turn.needed("name")?;
    let text = turn.arguments.text("displaytext").unwrap_or(&name).to_owned();
    let domain = turn.arguments.text("networkdomain").map_or_else(|| format!("cs{:x}cloud.internal", World::internal_number(owner)), str::to_owned);
    if !zone::is_domain_name(&domain) {
        return Err(Refusal::invalid("Invalid network domain: labels of 1 to 63 letters, digits and hyphens, 190 characters in all"));
    }
    let fields: Vec<(&str, Datum)> = vec![
        ("name", name.into()),
        ("displaytext", text.into()),
        ("cidr", cidr.into()),
        ("zone", zone.into()),
        ("offering", offering.into()),
        ("networkdomain", domain.into()),
    ];
    let kind = turn.world.kind("vpc");
    let vpc = turn.world.insert(kind, Some(owner), &fields);
    for put in [Put::Text("dns1"), Put::Text("dns2"), Put::Number("publicmtu")] {
        recipe::apply(turn, vpc, put);
    }
    let starts = turn.arguments.truth("start") != Some(false);
    Ok(turn.making(vpc, WORK_MEDIUM, move |turn| {
        if starts {
            start(turn.world, vpc, owner);
        }
        Ok(Outcome::Object(vpc))
    }))
}

/// The range that a new VPC asks for: by itself, or by its size where the cloud hands ranges out.
fn asked_cidr(turn: &Turn<'_>, offering: Handle) -> Result<String, Refusal> {
    let size = turn.arguments.number("cidrsize").and_then(|size| u32::try_from(size).ok());
    let is_routed = turn.world.text(offering, "networkmode").is_some_and(|mode| mode.eq_ignore_ascii_case("routed"));
    match (turn.arguments.text("cidr"), size) {
        (None, None) => Err(Refusal::invalid("VPC cidr or cidr size must be specified")),
        (Some(_), Some(_)) => Err(Refusal::invalid("VPC cidr and cidr size are mutually exclusive")),
        (Some(_), None) if is_routed && !turn.caller.is_root() => Err(Refusal::invalid("Only root admin can set the gateway/netmask of VPC with ROUTED mode")),
        (Some(cidr), None) => match Cidr::parse(cidr) {
            Some(range) if is_routed || range.is_private() => Ok(cidr.to_owned()),
            _ => Err(Refusal::invalid(format!("Invalid CIDR specified {cidr}"))),
        },
        (None, Some(_)) if !is_routed => Err(Refusal::invalid("VPC cidr size is only applicable on VPC with Routed mode")),
        (None, Some(size)) => {
            let world = &*turn.world;
            let taken: Vec<Cidr> = world.rows(world.kind("vpc")).filter_map(|vpc| Cidr::parse(world.text(vpc, "cidr")?)).collect();
            let free = Cidr::parse(ROUTED_RANGE).and_then(|all| all.parts(size).find(|part| !taken.iter().any(|other| other.overlaps(*part))));
            free.map(|part| part.to_string()).ok_or_else(|| Refusal::internal("Failed to allocate a CIDR with requested size for VPC."))
        }
    }
}

/// Gives a VPC its router and the address by which it goes out.
fn start(world: &mut World, vpc: Handle, owner: Handle) {
    let source = world.referring("ipaddress", "vpc", vpc).find(|address| world.flag(*address, "issourcenat"));
    let public = source.or_else(|| super::address::allocate_source(world, owner, ("vpc", vpc)));
    let zone = world.link(vpc, "zone");
    let number = world.next("instance", 1);
    let mut fields: Vec<(&str, Datum)> = vec![
        ("name", format!("r-{number}-VM").into()),
        ("vpc", vpc.into()),
        ("state", "Running".into()),
        ("linklocalip", format!("169.254.{}.{}", (number >> 8) & 0xff, number & 0xff).into()),
        ("networkdomain", world.string(vpc, "networkdomain").into()),
    ];
    if let Some(public) = public {
        fields.push(("gateway", super::address::gateway(world, public).into()));
        fields.push(("publicip", world.string(public, "ipaddress").into()));
    }
    if let Some(zone) = zone {
        fields.push(("zone", zone.into()));
    }
    if let Some(host) = super::place::choose_host(world, zone) {
        fields.push(("host", host.into()));
        if let Some(pod) = world.link(host, "pod") {
            fields.push(("pod", pod.into()));
        }
    }
    let kind = world.kind("router");
    world.insert(kind, Some(owner), &fields);
    super::network::note_source(world);
    super::network::note_router(world);
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vpc = turn.target("id")?;
    Ok(turn.job(vpc, WORK_MEDIUM, move |turn| {
        let world = &mut *turn.world;
        let networks = world.referring("network", "vpc", vpc).count();
        if networks > 0 {
            return Err(Refusal::invalid(format!("Can't delete VPC {} as its used by {networks} networks", said(world, vpc))));
        }
        for kind in ["router", "privategateway", "staticroute", "vpngateway", "networkacllist"] {
            let rows: Vec<Handle> = world.referring(kind, "vpc", vpc).collect();
            rows.into_iter().for_each(|row| acl::remove_with_items(world, row));
        }
        let addresses: Vec<Handle> = world.referring("ipaddress", "vpc", vpc).collect();
        addresses.into_iter().for_each(|address| super::address::release(world, address));
        world.remove(vpc);
        Ok(Outcome::Success)
    }))
}

fn restart(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vpc = turn.target("id")?;
    Ok(turn.job(vpc, WORK_MEDIUM, move |turn| {
        if let Some(owner) = turn.world.owner(vpc).filter(|_| turn.arguments.flag("cleanup")) {
            let routers: Vec<Handle> = turn.world.referring("router", "vpc", vpc).collect();
            routers.into_iter().for_each(|router| turn.world.remove(router));
            start(turn.world, vpc, owner);
        }
        Ok(Outcome::Success)
    }))
}

fn migrate(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vpc = turn.target("vpcid")?;
    let offering = turn.target("vpcofferingid")?;
    Ok(turn.job(vpc, WORK_MEDIUM, move |turn| {
        turn.world.set(vpc, "offering", offering);
        Ok(Outcome::Object(vpc))
    }))
}

/// Whether a new network fits into the VPC that it is to be in. Other networks need no such check.
pub(super) fn check_tier(turn: &Turn<'_>, offering: Handle) -> Result<(), Refusal> {
    let Some(vpc) = turn.arguments.object("vpcid") else { return Ok(()) };
    if !turn.world.flag(offering, "forvpc") {
        return Err(Refusal::invalid("Network offering is not for VPC networks"));
    }
    if turn.world.text(vpc, "state").is_some_and(|state| state != "Enabled") {
        return Err(Refusal::invalid(format!("Unable to find Enabled vpc {}", said(turn.world, vpc))));
    }
    let Some(asked) = tier_cidr(turn) else {
        return Err(Refusal::invalid("Gateway/netmask are required when create network for VPC"));
    };
    let world = &*turn.world;
    if Cidr::parse(&world.string(vpc, "cidr")).is_some_and(|all| !asked.is_within(all)) {
        return Err(Refusal::invalid(format!("Network cidr {asked} is not within vpc {} cidr", said(world, vpc))));
    }
    let other = world.referring("network", "vpc", vpc).find(|network| Cidr::parse(&world.string(*network, "cidr")).is_some_and(|cidr| cidr.overlaps(asked)));
    match other {
        Some(network) => Err(Refusal::invalid(format!(
            "Network cidr {asked} crosses other network cidr {} belonging to the same vpc {}",
            recipe::said(world, "Network", network),
            said(world, vpc)
        ))),
        None => check_gateway(turn, asked).and_then(|()| check_services(turn, vpc, offering)),
    }
}

fn check_gateway(turn: &Turn<'_>, cidr: Cidr) -> Result<(), Refusal> {
    if turn.arguments.text("gateway").is_some_and(|gateway| !cidr.is_host(gateway)) {
        return Err(Refusal::invalid("Invalid gateway specified. It should never be equal to the cidr subnet value"));
    }
    Ok(())
}

/// A tier has only services that its VPC has, and only the tiers of one offering balance public load.
fn check_services(turn: &Turn<'_>, vpc: Handle, offering: Handle) -> Result<(), Refusal> {
    let world = &*turn.world;
    let services = |of: Handle| world.tree(of, "service").and_then(serde_json::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let names = |of: Handle| services(of).iter().filter_map(|service| service.get("name")?.as_str()).collect::<Vec<&str>>();
    let of_vpc = world.link(vpc, "offering").map(names).unwrap_or_default();
    if let Some(lacking) = names(offering).into_iter().find(|name| !of_vpc.contains(name)) {
        return Err(Refusal::invalid(format!("Service {lacking} is not supported by VPC {}", said(world, vpc))));
    }
    if turn.arguments.object("aclid").is_some() && !names(offering).contains(&"NetworkACL") {
        return Err(Refusal::invalid("Cannot apply NetworkACL. Network Offering does not support NetworkACL service"));
    }
    let balances = |of: Handle| {
        let balancer = services(of).iter().find(|service| service.get("name").and_then(serde_json::Value::as_str) == Some("Lb"));
        balancer.is_some_and(|balancer| !balancer.to_string().contains("InternalLbVm"))
    };
    let mut others = world.referring("network", "vpc", vpc).filter_map(|network| world.link(network, "offering"));
    if balances(offering) && others.any(|other| other != offering && balances(other)) {
        return Err(Refusal::invalid(format!("Public LB service is already supported by another network in VPC {}", said(world, vpc))));
    }
    Ok(())
}

/// Puts a new network of a VPC behind the access list that was asked for, else behind the one that denies everything.
pub(super) fn join(turn: &mut Turn<'_>, network: Handle) {
    let acl = turn.arguments.object("aclid").or_else(|| acl::denies(turn.world));
    if let Some(acl) = acl {
        turn.world.set(network, "acl", acl);
    }
    if let Some(cidr) = tier_cidr(turn) {
        turn.world.set(network, "cidr", cidr.to_string());
    }
    recipe::apply(turn, network, Put::Text("netmask"));
}

fn tier_cidr(turn: &Turn<'_>) -> Option<Cidr> {
    Cidr::of_gateway(turn.arguments.text("gateway")?, turn.arguments.text("netmask").unwrap_or("255.255.255.0"))
}

fn gateway_is_right(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let refuse = |text: &str| Err(Refusal::invalid(text));
    let (world, arguments) = (&*turn.world, &turn.arguments);
    let associated = arguments.object("associatednetworkid");
    match (arguments.text("vlan"), associated) {
        (None, None) => return refuse("One of vlanId and associatedNetworkId must be specified"),
        (Some(_), Some(_)) => return refuse("vlanId and associatedNetworkId are mutually exclusive"),
        _ => {}
    }
    let vpc = arguments.object("vpcid");
    let own = arguments.object("aclid").and_then(|acl| world.link(acl, "vpc"));
    if own.is_some() && own != vpc {
        return refuse("Private gateway and network acl are not in the same vpc.");
    }
    let address = |name: &str| arguments.text(name).is_some_and(|text| text.parse::<std::net::Ipv4Addr>().is_ok());
    if !address("ipaddress") {
        return refuse("Invalid format for the ip address parameter");
    }
    let range = arguments.text("gateway").zip(arguments.text("netmask")).and_then(|(gateway, netmask)| Cidr::of_gateway(gateway, netmask));
    if range.is_none() {
        return refuse("Invalid gateway or netmask");
    }
    vlan_is_free(turn)?;
    let gateways = world.kind("privategateway");
    let text = |name: &str| arguments.text(name);
    let mut others = world.rows(gateways).filter(|row| world.text(*row, "ipaddress") == text("ipaddress"));
    if others.any(|row| world.text(row, "vlan").map(|vlan| vlan.trim_start_matches("vlan://")) == text("vlan").map(|vlan| vlan.trim_start_matches("vlan://"))) {
        return refuse("The private IP address is already used for a private gateway in the zone");
    }
    Ok(())
}

fn vlan_is_free(turn: &Turn<'_>) -> Result<(), Refusal> {
    let Some(vlan) = turn.arguments.text("vlan") else { return Ok(()) };
    let number: Option<i64> = vlan.trim_start_matches("vlan://").parse().ok();
    let physical = turn.world.kind("physicalnetwork");
    let dynamic = number.is_some_and(|number| turn.world.rows(physical).any(|row| is_in_ranges(turn.world.text(row, "vlan").unwrap_or_default(), number)));
    if dynamic && !turn.arguments.flag("bypassvlanoverlapcheck") {
        let zone = turn.arguments.object("vpcid").and_then(|vpc| turn.world.link(vpc, "zone")).map(|zone| turn.world.string(zone, "name")).unwrap_or_default();
        let uri = format!("vlan://{}", vlan.trim_start_matches("vlan://"));
        return Err(Refusal::invalid(format!(
            "The VLAN tag to use for new guest network, {uri} is already being used for dynamic vlan allocation for the guest network in zone {zone}"
        )));
    }
    Ok(())
}

/// Whether a number is in one of some ranges, such as `100-200,300-310`.
pub(super) fn is_in_ranges(ranges: &str, number: i64) -> bool {
    let ends = |range: &str| range.split_once('-').and_then(|(first, last)| Some((first.parse::<i64>().ok()?, last.parse::<i64>().ok()?)));
    ranges.split(',').filter_map(ends).any(|(first, last)| (first..=last).contains(&number))
}

fn gateway_has_no_routes(turn: &Turn<'_>, gateway: Option<Handle>) -> Result<(), Refusal> {
    let routes = gateway.map_or(0, |gateway| recipe::users(turn.world, gateway, &[("staticroute", "gateway")]));
    if routes > 0 {
        return Err(Refusal::failed(format!("Can't delete private gateway as it has {routes} static routes applied. Remove the routes first")));
    }
    Ok(())
}

fn route_is_right(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let refuse = |text: &str| Err(Refusal::invalid(text));
    let (world, arguments) = (&*turn.world, &turn.arguments);
    let (gateway, hop) = (arguments.object("gatewayid"), arguments.text("nexthop"));
    match (gateway, hop) {
        (None, None) => return refuse("one of gatewayId and nextHop must be specified"),
        (Some(_), Some(_)) => return refuse("Only one of gatewayId and nextHop can be specified"),
        _ => {}
    }
    let through = gateway.and_then(|gateway| world.link(gateway, "vpc"));
    let Some(vpc) = arguments.object("vpcid").or(through) else { return refuse("vpcId must be specified") };
    if through.is_some_and(|through| through != vpc) {
        return refuse("Invalid gateway id is given");
    }
    let cidr = arguments.text("cidr").unwrap_or_default();
    let Some(wanted) = Cidr::parse(cidr) else { return Err(Refusal::invalid(format!("Invalid format for cidr {cidr}"))) };
    let crosses = |range: &str| Cidr::parse(range).is_some_and(|range| range.overlaps(wanted));
    let inside = world.string(vpc, "cidr");
    if crosses(&inside) {
        return Err(Refusal::invalid(format!("CIDR should be outside of VPC cidr {inside}")));
    }
    if crosses(LINK_LOCAL) {
        return refuse("CIDR should be outside of link local cidr");
    }
    if hop.is_some_and(|hop| !is_reachable(world, vpc, hop)) {
        return refuse("The next hop is invalid. It must be within VPC CIDR or on the same public or private network");
    }
    if world.referring("staticroute", "vpc", vpc).any(|row| crosses(&world.string(row, "cidr"))) {
        return Err(Refusal { code: ROUTE_CONFLICT, ..Refusal::argument("New static route cidr conflicts with existing route") });
    }
    Ok(())
}

/// Whether the router of a VPC has a next hop on one of its sides: inside, on the public networks, or behind a private gateway.
fn is_reachable(world: &World, vpc: Handle, hop: &str) -> bool {
    let Ok(hop) = hop.parse::<std::net::Ipv4Addr>() else { return false };
    let side = |row: Handle| Cidr::of_gateway(world.text(row, "gateway")?, world.text(row, "netmask")?);
    let public = world.referring("ipaddress", "vpc", vpc).filter_map(|address| side(world.link(address, "range")?));
    let private = world.referring("privategateway", "vpc", vpc).filter_map(side);
    let mut sides = Cidr::parse(&world.string(vpc, "cidr")).into_iter().chain(public).chain(private);
    sides.any(|range| range.holds(hop))
}
