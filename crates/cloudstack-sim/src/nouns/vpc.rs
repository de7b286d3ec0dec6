//! VPCs: private clouds of several networks behind one router, with access lists, private gateways and routes.

use super::{
    Tables,
    cidr::Cidr,
    recipe::{self, Put, Recipe, change, make, take},
};
use crate::{
    kind::{
        ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, Noun, PROJECT, PROJECT_ID, TAGS, always, computed, flag, linked, own,
        own_or,
    },
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_MEDIUM, WORK_SHORT},
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

/// An access list.
pub(crate) const ACL_NOUN: Noun = Noun {
    word: "networkacllist",
    entities: &["NetworkACLResponse"],
    resource: "NetworkAcl",
    owned: false,
    keywords: &["name", "description"],
    newest_first: true,
    view: &[
        ID,
        own("name"),
        own("description"),
        linked("vpcid", "vpc", "id"),
        linked("vpcname", "vpc", "name"),
        always("fordisplay", Constant::Flag(true)).root(),
    ],
};

/// An entry of an access list.
pub(crate) const ACL_ITEM_NOUN: Noun = Noun {
    word: "networkacl",
    entities: &["NetworkACLItemResponse"],
    resource: "NetworkAclItem",
    owned: false,
    keywords: &["protocol", "reason"],
    newest_first: true,
    view: &[
        ID,
        own("protocol"),
        own("startport"),
        own("endport"),
        own("traffictype"),
        own_or("state", Constant::Text("Active")),
        own_or("cidrlist", Constant::Text("0.0.0.0/0")),
        own("icmptype"),
        own("icmpcode"),
        TAGS,
        linked("aclid", "aclid", "id"),
        linked("aclname", "aclid", "name"),
        own("number"),
        own_or("action", Constant::Text("Allow")),
        always("fordisplay", Constant::Flag(true)).root(),
        own("reason"),
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
    handlers: &[
        ("createVPC", create),
        ("deleteVPC", delete),
        ("restartVPC", restart),
        ("migrateVPC", migrate),
        ("listNetworkACLLists", list_lists),
        ("listNetworkACLs", list_items),
        ("createNetworkACL", create_item),
        ("moveNetworkAclItem", move_item),
        ("replaceNetworkACLList", replace_list),
        ("deleteNetworkACLList", delete_list),
    ],
    filters: &[
        ("networkacllist", "vpcid", |turn, acl| turn.world.link(acl, "vpc").is_none() || list::argument_is(turn, "vpcid", turn.world.link(acl, "vpc"))),
        ("networkacllist", "networkid", |turn, acl| turn.arguments.object("networkid").is_some_and(|network| turn.world.link(network, "acl") == Some(acl))),
        ("networkacl", "networkid", |turn, item| {
            let acl = turn.arguments.object("networkid").and_then(|network| turn.world.link(network, "acl"));
            acl.is_some() && turn.world.link(item, "aclid") == acl
        }),
        ("vpc", "supportedservices", |_, _| true),
        ("staticroute", "gatewayid", |turn, route| list::argument_is(turn, "gatewayid", turn.world.link(route, "gateway"))),
    ],
};

/// The commands of VPCs that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    change("updateVPC", "id", &[Put::Text("name"), Put::Text("displaytext"), Put::Number("publicmtu")]),
    make("createNetworkACLList", "networkacllist", &[Put::Text("name"), Put::Text("description"), Put::Link("vpcid", "vpc")]),
    change("updateNetworkACLList", "id", &[Put::Text("name"), Put::Text("description")]).checked(not_default),
    change("updateNetworkACLItem", "id", ITEM_PUTS).checked(item_is_changeable).then(|turn, item| {
        turn.world.set(item, "state", "Add");
        Ok(())
    }),
    take("deleteNetworkACL", "id").checked(item_is_changeable),
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
    .checked(vlan_is_free),
    take("deletePrivateGateway", "id").checked(gateway_has_no_routes),
    make(
        "createStaticRoute",
        "staticroute",
        &[Put::Text("cidr"), Put::Text("nexthop"), Put::Through("gatewayid", "vpc"), Put::Link("vpcid", "vpc"), Put::Link("gatewayid", "gateway")],
    )
    .checked(route_is_right),
    take("deleteStaticRoute", "id"),
];

/// What of an entry the arguments say.
const ITEM_PUTS: &[Put] = &[
    Put::Text("protocol"),
    Put::Text("startport"),
    Put::Text("endport"),
    Put::Number("icmptype"),
    Put::Number("icmpcode"),
    Put::Text("cidrlist"),
    Put::Text("traffictype"),
    Put::Number("number"),
    Put::Text("action"),
    Put::Text("reason"),
];

fn said(world: &World, vpc: Handle) -> String {
    recipe::said(world, "VPC", vpc)
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let owner = turn.new_owner()?;
    let zone = turn.target("zoneid")?;
    let offering = turn.target("vpcofferingid")?;
    let cidr = turn.arguments.text("cidr").unwrap_or("10.0.0.0/16").to_owned();
    if Cidr::parse(&cidr).is_none() {
        return Err(Refusal::invalid(format!("Invalid CIDR specified {cidr}")));
    }
    super::limit::check(turn, owner, &[("vpc", 1)])?;
    let name = turn.needed("name")?;
    let text = turn.arguments.text("displaytext").unwrap_or(&name).to_owned();
    let domain = turn.arguments.text("networkdomain").map_or_else(|| format!("cs{}cloud.internal", World::internal_number(owner)), str::to_owned);
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

/// Gives a VPC its router and the address by which it goes out.
fn start(world: &mut World, vpc: Handle, owner: Handle) {
    let public = super::address::allocate(world, owner, None, true);
    let number = world.next("instance", 1);
    let mut fields: Vec<(&str, Datum)> = vec![
        ("name", format!("r-{number}-VM").into()),
        ("vpc", vpc.into()),
        ("state", "Running".into()),
        ("gateway", "192.168.2.1".into()),
        ("linklocalip", format!("169.254.{}.{}", (number >> 8) & 0xff, number & 0xff).into()),
        ("networkdomain", world.string(vpc, "networkdomain").into()),
    ];
    if let Some(public) = public {
        world.set(public, "vpc", vpc);
        fields.push(("publicip", world.string(public, "ipaddress").into()));
    }
    if let Some(zone) = world.link(vpc, "zone") {
        fields.push(("zone", zone.into()));
    }
    if let Some(host) = super::place::choose_host(world) {
        fields.push(("host", host.into()));
        if let Some(pod) = world.link(host, "pod") {
            fields.push(("pod", pod.into()));
        }
    }
    let kind = world.kind("router");
    world.insert(kind, Some(owner), &fields);
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
            rows.into_iter().for_each(|row| remove_with_items(world, row));
        }
        let addresses: Vec<Handle> = world.referring("ipaddress", "vpc", vpc).collect();
        addresses.into_iter().for_each(|address| super::address::release(world, address));
        world.remove(vpc);
        Ok(Outcome::Success)
    }))
}

fn remove_with_items(world: &mut World, row: Handle) {
    let items: Vec<Handle> = world.referring("networkacl", "aclid", row).collect();
    items.into_iter().for_each(|item| world.remove(item));
    world.remove(row);
}

fn restart(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vpc = turn.target("id")?;
    Ok(turn.job(vpc, WORK_MEDIUM, |_| Ok(Outcome::Success)))
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
        None => Ok(()),
    }
}

/// Puts a new network of a VPC behind the access list that was asked for, else behind the one that denies everything.
pub(super) fn join(turn: &mut Turn<'_>, network: Handle) {
    let acl = turn.arguments.object("aclid").or_else(|| turn.world.find("networkacllist", "name", "default_deny"));
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

/// Refuses to change the lists that belong to nobody.
fn not_default(turn: &Turn<'_>, acl: Option<Handle>) -> Result<(), Refusal> {
    match acl {
        Some(acl) if turn.world.link(acl, "vpc").is_none() => Err(Refusal::permission()),
        _ => may_use_list(turn, acl),
    }
}

fn may_use_list(turn: &Turn<'_>, acl: Option<Handle>) -> Result<(), Refusal> {
    let vpc = acl.and_then(|acl| turn.world.link(acl, "vpc"));
    if vpc.is_none_or(|vpc| turn.may_use(vpc)) { Ok(()) } else { Err(Refusal::permission()) }
}

fn item_is_changeable(turn: &Turn<'_>, item: Option<Handle>) -> Result<(), Refusal> {
    let acl = item.and_then(|item| turn.world.link(item, "aclid"));
    not_default(turn, acl)?;
    match (acl, turn.arguments.number("number")) {
        (Some(acl), Some(number)) => check_number(turn.world, acl, number, item),
        _ => Ok(()),
    }
}

fn visible(turn: &Turn<'_>) -> Vec<Handle> {
    let lists = turn.world.kind("networkacllist");
    turn.world.rows(lists).filter(|acl| may_use_list(turn, Some(*acl)).is_ok()).collect()
}

fn list_lists(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("networkacllist");
    let visible = visible(turn);
    list::list_where(turn, kind, |_, acl| visible.contains(&acl))
}

fn list_items(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("networkacl");
    let visible = visible(turn);
    list::list_where(turn, kind, |world, item| world.link(item, "aclid").is_some_and(|acl| visible.contains(&acl)))
}

fn check_number(world: &World, acl: Handle, number: i64, item: Option<Handle>) -> Result<(), Refusal> {
    let taken = world.referring("networkacl", "aclid", acl).any(|other| Some(other) != item && world.number(other, "number") == number);
    if taken { Err(Refusal::invalid(format!("ACL item with number {number} already exists in ACL: {}", world.id(acl)))) } else { Ok(()) }
}

fn create_item(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let through = turn.arguments.object("networkid").and_then(|network| turn.world.link(network, "acl"));
    let Some(acl) = turn.arguments.object("aclid").or(through) else {
        return Err(Refusal::invalid("Unable to create Network ACL Item. ACL Id or network Id is required"));
    };
    not_default(turn, Some(acl))?;
    if turn.arguments.text("action").is_some_and(|action| !["allow", "deny"].contains(&action.to_ascii_lowercase().as_str())) {
        return Err(Refusal::invalid(format!("Invalid action: {}", turn.arguments.text("action").unwrap_or_default())));
    }
    let highest = turn.world.referring("networkacl", "aclid", acl).map(|item| turn.world.number(item, "number")).max().unwrap_or(0);
    let number = turn.arguments.number("number").unwrap_or(highest + 1);
    if number < 1 {
        return Err(Refusal::invalid(format!("Invalid number: {number}. Number cannot be < 1")));
    }
    check_number(turn.world, acl, number, None)?;
    let kind = turn.world.kind("networkacl");
    let item = turn.world.insert(kind, None, &[("aclid", acl.into()), ("traffictype", "Ingress".into())]);
    ITEM_PUTS.iter().for_each(|put| recipe::apply(turn, item, *put));
    turn.world.set(item, "number", number);
    Ok(turn.making(item, WORK_SHORT, move |_| Ok(Outcome::Object(item))))
}

fn move_item(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let id = turn.needed("id")?;
    // Whether there are such entries is found out by the job; the list waits for it.
    let known = item_of(turn, "id").and_then(|item| turn.world.link(item, "aclid"));
    let subject = known.unwrap_or(turn.caller.account);
    Ok(turn.job(subject, WORK_SHORT, move |turn| {
        let Some(item) = item_of(turn, "id") else { return Err(Refusal::invalid(format!("Unable to find ACL rule with ID [{id}]."))) };
        let (next, previous) = (item_of(turn, "nextaclruleid"), item_of(turn, "previousaclruleid"));
        if next.is_none() && previous.is_none() {
            return Err(Refusal::invalid("Both previous and next ACL rule IDs cannot be invalid."));
        }
        item_is_changeable(turn, Some(item))?;
        renumber(turn.world, item, next, previous);
        Ok(Outcome::Object(item))
    }))
}

/// The entry whose id an argument gives as text.
fn item_of(turn: &Turn<'_>, argument: &str) -> Option<Handle> {
    let id = turn.arguments.text(argument).and_then(crate::world::parse_id)?;
    turn.world.by_id(id).filter(|row| row.kind == turn.world.kind("networkacl"))
}

/// Puts an entry between two others; what is in the way moves on by one.
fn renumber(world: &mut World, item: Handle, next: Option<Handle>, previous: Option<Handle>) {
    let Some(acl) = world.link(item, "aclid") else { return };
    let number = match (previous, next) {
        (Some(previous), _) => world.number(previous, "number") + 1,
        (None, _) => 1,
    };
    let mut others: Vec<(i64, Handle)> =
        world.referring("networkacl", "aclid", acl).filter(|other| *other != item).map(|other| (world.number(other, "number"), other)).collect();
    others.sort_unstable();
    world.set(item, "number", number);
    let mut taken = number;
    for (at, other) in others {
        if at == taken {
            taken += 1;
            world.set(other, "number", taken);
        }
    }
}

fn replace_list(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let acl = turn.target("aclid")?;
    may_use_list(turn, Some(acl))?;
    let target = match (turn.arguments.object("networkid"), turn.arguments.object("gatewayid")) {
        (Some(target), None) | (None, Some(target)) => target,
        (Some(_), Some(_)) => return Err(Refusal::invalid("gatewayId and networkId can't be passed in the same time")),
        (None, None) => return Err(Refusal::invalid("Either networkId or privateGatewayId has to be passed")),
    };
    Ok(turn.job(target, WORK_SHORT, move |turn| {
        turn.world.set(target, "acl", acl);
        Ok(Outcome::Success)
    }))
}

fn delete_list(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let acl = turn.target("id")?;
    not_default(turn, Some(acl))?;
    Ok(turn.job(acl, WORK_SHORT, move |turn| {
        if recipe::users(turn.world, acl, &[("network", "acl"), ("privategateway", "acl")]) > 0 {
            return Err(Refusal::failed(format!(
                "ACL is still associated with {} tier(s). Cannot delete network ACL: {}",
                turn.world.referring("network", "acl", acl).count(),
                recipe::said(turn.world, "NetworkACL", acl)
            )));
        }
        remove_with_items(turn.world, acl);
        Ok(Outcome::Success)
    }))
}

fn vlan_is_free(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
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
    let cidr = turn.arguments.text("cidr").unwrap_or_default();
    if turn.arguments.object("gatewayid").is_none() && (turn.arguments.object("vpcid").is_none() || turn.arguments.text("nexthop").is_none()) {
        return Err(Refusal::invalid("Static route requires either gateway or nexthop and vpc"));
    }
    let Some(wanted) = Cidr::parse(cidr) else { return Err(Refusal::invalid(format!("Invalid format for cidr {cidr}"))) };
    let routes = turn.world.kind("staticroute");
    let crossing = turn.world.rows(routes).find(|row| Cidr::parse(&turn.world.string(*row, "cidr")).is_some_and(|other| other.overlaps(wanted)));
    match crossing {
        Some(_) => Err(Refusal::invalid(format!("New static route cidr conflicts with existing route {cidr}"))),
        None => Ok(()),
    }
}
