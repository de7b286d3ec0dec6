//! Guest networks, their virtual routers and the NICs in them.

use std::net::Ipv4Addr;

use super::{
    Filter, Tables,
    cidr::Cidr,
    recipe::{self, Put},
};
use crate::{
    events::Aside,
    json::Json,
    kind::{CREATED, Constant, HAS_ANNOTATIONS, ID, Noun, Shown, TAGS, Viewer, always, computed, flag, linked, own, own_or, several},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_LONG, WORK_MEDIUM, WORK_SHORT},
    world::{Datum, Handle, World},
};
use serde_json::{Value, json};

/// The netmask of networks for which nobody said another.
const NETMASK: &str = "255.255.255.0";
/// The largest network that people other than root may make, by the bits of its address that count.
const BITS_MIN: u32 = 22;

/// A guest network.
pub(crate) const NETWORK_NOUN: Noun = Noun {
    word: "network",
    entities: &["NetworkResponse"],
    resource: "Network",
    owned: true,
    keywords: &["name"],
    newest_first: true,
    view: &[
        ID,
        own("name"),
        own("displaytext"),
        always("broadcastdomaintype", Constant::Text("Vlan")),
        own_or("traffictype", Constant::Text("Guest")),
        own("gateway"),
        own("netmask"),
        own("cidr"),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        linked("networkofferingid", "offering", "id"),
        linked("networkofferingname", "offering", "name"),
        linked("networkofferingdisplaytext", "offering", "displaytext"),
        linked("networkofferingconservemode", "offering", "conservemode"),
        linked("networkofferingavailability", "offering", "availability"),
        flag("issystem"),
        own("state"),
        own("networkcidr"),
        own("reservediprange"),
        own("ip6gateway"),
        own("ip6cidr"),
        computed("related", |world, network, _| Some(Shown::Text(world.id(network)))),
        own("broadcasturi").root(),
        computed("dns1", name_server),
        own("dns2"),
        own("type"),
        own("vlan").root(),
        own_or("acltype", Constant::Text("Account")),
        own("subdomainaccess"),
        several("whose it is", holder),
        linked("associatednetworkid", "associated", "id"),
        linked("associatednetwork", "associated", "name"),
        linked("vpcid", "vpc", "id"),
        linked("vpcname", "vpc", "name"),
        linked("aclid", "acl", "id"),
        linked("aclname", "acl", "name"),
        computed("service", services),
        own("networkdomain"),
        linked("physicalnetworkid", "physicalnetwork", "id"),
        flag("restartrequired"),
        computed("specifyvlan", |world, network, _| Some(Shown::Flag(is_offered(world, network, "specifyvlan")))),
        flag("specifyipranges"),
        always("canusefordeploy", Constant::Flag(true)),
        computed("ispersistent", |world, network, _| Some(Shown::Flag(is_offered(world, network, "ispersistent")))),
        TAGS,
        always("details", Constant::Raw("{}")).root(),
        own_or("displaynetwork", Constant::Flag(true)).root(),
        flag("strechedl2subnet"),
        flag("redundantrouter"),
        own("externalid"),
        computed("supportsvmautoscaling", |world, network, _| Some(Shown::Flag(scales(world, network)))),
        CREATED,
        always("receivedbytes", Constant::Number(0)),
        always("sentbytes", Constant::Number(0)),
        computed("egressdefaultpolicy", egress_policy),
        own_or("publicmtu", Constant::Number(1500)),
        own_or("privatemtu", Constant::Number(1500)),
        HAS_ANNOTATIONS,
    ],
};

/// Whether a network's offering says something.
fn is_offered(world: &World, network: Handle, what: &str) -> bool {
    world.link(network, "offering").is_some_and(|offering| world.flag(offering, what))
}

/// What traffic out of a network meets where no rule says anything; tiers of VPCs have access lists for that.
fn egress_policy(world: &World, network: Handle, _: Viewer) -> Option<Shown> {
    let is_plain = world.text(network, "type") == Some("Isolated") && world.link(network, "vpc").is_none();
    is_plain.then(|| Shown::Flag(is_offered(world, network, "egressdefaultpolicy")))
}

/// A network's own name server, else its VPC's or its zone's.
fn name_server(world: &World, network: Handle, _: Viewer) -> Option<Shown> {
    let of_vpc = || world.text(world.link(network, "vpc")?, "dns1");
    let own = world.text(network, "dns1").or_else(of_vpc).or_else(|| world.text(world.link(network, "zone")?, "dns1"));
    own.map(|server| Shown::Text(server.to_owned()))
}

/// Whether groups of machines behind its load balancer may grow and shrink.
pub(super) fn scales(world: &World, network: Handle) -> bool {
    let Some(balancer) = service(world, network, "Lb") else { return false };
    let can = balancer.get("capability").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    can.iter().any(|can| can.get("name") == Some(&json!("VmAutoScaling")) && can.get("value") == Some(&json!("true")))
}

/// A service of a network's offering.
fn service<'w>(world: &'w World, network: Handle, name: &str) -> Option<&'w Value> {
    let offered = world.tree(world.link(network, "offering")?, "service").and_then(Value::as_array)?;
    offered.iter().find(|service| service.get("name").and_then(Value::as_str) == Some(name))
}

/// Refuses what a network's offering has no service for.
pub(super) fn check_service(world: &World, network: Handle, name: &str) -> Result<(), Refusal> {
    if service(world, network, name).is_some() {
        return Ok(());
    }
    Err(Refusal::invalid(format!("Service {name} is not supported in network {}", recipe::said(world, "Network", network))))
}

/// Whether a network shares calls out among its machines only to those inside its VPC.
pub(super) fn balances_inside(world: &World, network: Handle) -> bool {
    service(world, network, "Lb").is_some_and(|balancer| balancer.to_string().contains("InternalLbVm"))
}

/// The address by which a network goes out.
pub(super) fn source_address(world: &World, network: Handle) -> Option<Handle> {
    world.referring("ipaddress", "network", network).find(|address| world.flag(*address, "issourcenat"))
}

/// Whose a network is: an account's, or a domain's.
fn holder(world: &World, network: Handle, _: Viewer, json: &mut Json) {
    match world.link(network, "accessdomain") {
        Some(domain) => {
            json.member("domainid", &world.id(domain));
            json.member("domain", &world.string(domain, "name"));
            json.member("domainpath", &world.string(domain, "path"));
        }
        None => world.write_owner(network, json),
    }
}

/// What services of networks can do: service, provider, capabilities as JSON.
const CAPABILITIES: &str = include_str!("../../data/capabilities.tsv");

/// The services of a network: those of its offering with what their providers can do.
fn services(world: &World, network: Handle, _: Viewer) -> Option<Shown> {
    let offered = world.tree(world.link(network, "offering")?, "service").and_then(Value::as_array)?;
    let shown = offered.iter().map(|service| {
        let name = service.get("name").and_then(Value::as_str).unwrap_or_default();
        let provider = service.pointer("/provider/0/name").and_then(Value::as_str).unwrap_or_default();
        let rows = || CAPABILITIES.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('\t')?.split_once('\t'));
        let found = rows().find(|(known, _)| *known == provider).or_else(|| rows().next());
        let mut can: Vec<Value> = found.and_then(|(_, can)| serde_json::from_str(can).ok()).unwrap_or_default();
        if world.is_old {
            forget_encryption(&mut can);
        }
        json!({"name": name, "provider": [{"name": provider}], "capability": can})
    });
    Some(Shown::Raw(Value::Array(shown.collect()).to_string()))
}

/// Older releases cannot end encrypted connections at a load balancer.
fn forget_encryption(can: &mut Vec<Value>) {
    const ENCRYPTION: (&str, &str) = ("SslTermination", ", ssl");
    can.retain(|one| one.get("name").and_then(Value::as_str) != Some(ENCRYPTION.0));
    for value in can.iter_mut().filter_map(|one| one.get_mut("value")) {
        if let Some(text) = value.as_str().and_then(|text| text.strip_suffix(ENCRYPTION.1)) {
            *value = text.into();
        }
    }
}

/// The commands and filters of networks.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("createNetwork", create),
        ("listNetworks", list_networks),
        ("createNetworkPermissions", |turn| permit(turn, true)),
        ("removeNetworkPermissions", |turn| permit(turn, false)),
        ("resetNetworkPermissions", |turn| {
            let network = turn.target("networkid")?;
            turn.world.unset(network, "permitted");
            Ok(Outcome::Success)
        }),
        ("listNetworkPermissions", list_permitted),
        ("updateNetwork", update),
        ("restartNetwork", restart),
        ("deleteNetwork", delete),
    ],
    filters: &[
        ("network", "supportedservices", |turn, network| {
            turn.arguments.list("supportedservices").iter().all(|wanted| service(turn.world, network, wanted).is_some())
        }),
        ("network", "canusefordeploy", |turn, _| turn.arguments.flag("canusefordeploy")),
        ("network", "forvpc", |turn, network| turn.arguments.flag("forvpc") == turn.world.link(network, "vpc").is_some()),
        ("network", "subdomainaccess", PASS),
        ("network", "networkfilter", PASS),
        ("network", "associatednetworkid", |turn, network| list::argument_is(turn, "associatednetworkid", turn.world.link(network, "associated"))),
        ("network", "vlan", |turn, network| {
            let wanted = turn.arguments.text("vlan").unwrap_or_default().trim_start_matches("vlan://");
            turn.world.text(network, "vlan") == Some(wanted)
        }),
        ("zone", "available", |turn, zone| {
            // Who asks for what is not available asks for the zones in which the own routers are.
            let mut routers = turn.world.owned(turn.world.kind("router"), turn.caller.account);
            turn.arguments.flag("available") || routers.any(|router| turn.world.link(router, "zone") == Some(zone))
        }),
    ],
};

/// Arguments that every guest network here fulfils.
const PASS: Filter = |_, _| true;

/// A network that a machine is to be in, and the address that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// The network.
    pub(crate) network: Handle,
    address: Option<String>,
}

/// The networks for a new machine: those named, else the owner's only one, else a new one.
pub(crate) fn choose(turn: &mut Turn<'_>, owner: Handle, zone: Handle) -> Result<Vec<Wish>, Refusal> {
    let mut wishes = Vec::new();
    for record in turn.arguments.records("iptonetworklist") {
        let id = record.get("networkid").map(String::as_str).unwrap_or_default();
        let network = crate::world::parse_id(id).and_then(|id| turn.world.by_id(id));
        let network = network
            .ok_or_else(|| Refusal::invalid(format!("Unable to translate and find entity with networkId: {}", if id.is_empty() { "null" } else { id })))?;
        wishes.push(Wish { network, address: record.get("ip").cloned() });
    }
    let address = turn.arguments.text("ipaddress").map(str::to_owned);
    let named = turn.arguments.objects("networkids").unwrap_or_default();
    wishes.extend(named.iter().enumerate().map(|(at, network)| Wish { network: *network, address: address.clone().filter(|_| at == 0) }));
    if !wishes.is_empty() {
        for wish in &wishes {
            check_address(turn.world, wish.network, wish.address.as_deref())?;
            if turn.world.link(wish.network, "zone") != Some(zone) {
                return Err(Refusal::invalid(format!("Network {} doesn't belong to the zone of the instance", turn.world.id(wish.network))));
            }
        }
        return Ok(wishes);
    }
    let networks = turn.world.kind("network");
    let mine: Vec<Handle> = turn
        .world
        .owned(networks, owner)
        .filter(|network| turn.world.link(*network, "zone") == Some(zone) && turn.world.link(*network, "vpc").is_none())
        // Nobody is put into a shared network without having asked for it.
        .filter(|network| matches!(turn.world.text(*network, "type"), None | Some("Isolated")))
        .collect();
    match mine.as_slice() {
        [only] => Ok(vec![Wish { network: *only, address }]),
        [] => {
            let offering = default_offering(turn.world).ok_or_else(|| Refusal::invalid("Unable to find a default network offering"))?;
            super::limit::check(turn, owner, &[("network", 1)])?;
            let name = format!("{}-network", turn.world.string(owner, "name"));
            Ok(vec![Wish { network: make(turn.world, owner, &Plan { name: name.clone(), text: name, zone, offering, gateway: None, domain: None }), address }])
        }
        _ => Err(Refusal::invalid(format!(
            "More than 1 default Isolated networks are found for account {}; please specify networkIds",
            turn.world.string(owner, "name")
        ))),
    }
}

/// The further addresses of a NIC.
pub(super) fn secondary_addresses(world: &World, nic: Handle) -> Vec<String> {
    world.referring("nicsecondaryip", "nic", nic).map(|row| world.string(row, "ipaddress")).collect()
}

/// Whether a NIC may have an address in a network; none is chosen by the network.
pub(crate) fn check_address(world: &World, network: Handle, address: Option<&str>) -> Result<(), Refusal> {
    let Some(address) = address else { return Ok(()) };
    let prefix = prefix(world, network);
    if address.strip_prefix(&prefix).and_then(|last| last.parse::<u8>().ok()).is_none() {
        return Err(Refusal::invalid(format!("The specified IP address {address} is not in the network {}", world.string(network, "cidr"))));
    }
    let taken = ["nic", "nicsecondaryip"].iter().any(|kind| world.referring(kind, "network", network).any(|row| world.text(row, "ipaddress") == Some(address)));
    if taken { Err(Refusal::invalid(format!("The requested Ip: {address} is already in use"))) } else { Ok(()) }
}

/// An address of a network that nobody has.
pub(crate) fn next_address(world: &mut World, network: Handle) -> String {
    let mut last = world.number(network, "lastaddress").max(9) + 1;
    while last < 254 && world.text(network, "askedfor").is_some_and(|asked| asked.split(' ').any(|number| number == last.to_string())) {
        last += 1;
    }
    world.set(network, "lastaddress", last);
    format!("{}{}", prefix(world, network), last.min(254))
}

/// Writes down that somebody asked for an address, so that nobody else gets it.
pub(crate) fn note_address(world: &mut World, network: Handle, address: &str) {
    let Some(number) = address.rsplit('.').next() else { return };
    let asked = format!("{} {number}", world.text(network, "askedfor").unwrap_or_default());
    world.set(network, "askedfor", asked.trim_start());
}

fn default_offering(world: &World) -> Option<Handle> {
    world.find("networkoffering", "name", "DefaultIsolatedNetworkOfferingWithSourceNatService")
}

/// A network to be made.
pub(crate) struct Plan {
    /// Its name.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
    /// Its zone.
    pub(crate) zone: Handle,
    /// Its offering.
    pub(crate) offering: Handle,
    /// Its gateway, if asked for.
    pub(crate) gateway: Option<String>,
    /// Its DNS domain, if asked for.
    pub(crate) domain: Option<String>,
}

/// Makes a network.
pub(crate) fn make(world: &mut World, owner: Handle, plan: &Plan) -> Handle {
    let domain = plan.domain.clone().unwrap_or_else(|| format!("cs{}cloud.internal", World::internal_number(owner)));
    let kind = world.text(plan.offering, "guestiptype").unwrap_or("Isolated").to_owned();
    let mut fields: Vec<(&str, Datum)> = vec![
        ("name", plan.name.as_str().into()),
        ("displaytext", plan.text.as_str().into()),
        ("zone", plan.zone.into()),
        ("offering", plan.offering.into()),
        ("state", "Allocated".into()),
        ("networkdomain", domain.into()),
    ];
    // Networks without a router have no addresses of their own.
    if kind != "L2" {
        let gateway = plan.gateway.clone().unwrap_or_else(|| "10.1.1.1".to_owned());
        let cidr = Cidr::of_gateway(&gateway, NETMASK).map(|cidr| cidr.to_string()).unwrap_or_default();
        fields.extend([("gateway", Datum::from(gateway)), ("netmask", NETMASK.into()), ("cidr", cidr.into())]);
    }
    fields.push(("type", kind.into()));
    let kind = world.kind("network");
    let network = world.insert(kind, Some(owner), &fields);
    if let Some(physical) = super::wiring::guest_network(world, plan.zone) {
        world.set(network, "physicalnetwork", physical);
    }
    network
}

fn prefix(world: &World, network: Handle) -> String {
    world.text(network, "gateway").and_then(|gateway| gateway.rsplit_once('.')).map(|(prefix, _)| format!("{prefix}.")).unwrap_or_default()
}

/// Puts a machine into networks.
pub(crate) fn attach_all(turn: &mut Turn<'_>, vm: Handle, wishes: &[Wish]) {
    for wish in wishes {
        attach(turn.world, vm, wish.network, wish.address.clone());
    }
}

/// Puts a machine into a network: a NIC with an address.
pub(crate) fn attach(world: &mut World, vm: Handle, network: Handle, address: Option<String>) -> Handle {
    let has_addresses = world.text(network, "gateway").is_some();
    let address = match address {
        Some(address) => {
            note_address(world, network, &address);
            Some(address)
        }
        None => has_addresses.then(|| next_address(world, network)),
    };
    let mut nics = super::vm::nic_rows(world, vm).to_vec();
    let number = world.next("mac", 1);
    let mac = format!("02:01:00:cc:{:02x}:{:02x}", (number >> 8) & 0xff, number & 0xff);
    let mut fields: Vec<(&str, Datum)> = vec![
        ("network", network.into()),
        ("vm", vm.into()),
        ("macaddress", mac.into()),
        ("isdefault", nics.is_empty().into()),
        ("deviceid", nics.len().to_string().into()),
    ];
    if let Some(address) = address {
        fields.push(("ipaddress", address.into()));
    }
    let kind = world.kind("nic");
    let nic = world.insert(kind, world.owner(vm), &fields);
    nics.push(nic);
    world.set(vm, "nics", Datum::Links(nics.into()));
    nic
}

/// A VLAN for a network, of those that its physical network has.
fn next_vlan(world: &mut World, network: Handle) -> Option<u64> {
    let ranges = world.text(world.link(network, "physicalnetwork")?, "vlan")?;
    let (first, last) = super::wiring::parse_vlans(ranges).into_iter().next()?;
    let (first, last) = (u64::try_from(first).ok()?, u64::try_from(last).ok()?);
    let count = last.checked_sub(first)? + 1;
    Some(first + (count / 2 + world.next("vlan", 0)) % count)
}

/// Brings a network up: a VLAN, a router and a public address to go out by.
pub(crate) fn implement(world: &mut World, network: Handle) {
    if matches!(world.text(network, "state"), Some("Implemented" | "Setup")) {
        keep_routed(world, network);
        return;
    }
    world.set(network, "state", "Implemented");
    if let Some(vlan) = next_vlan(world, network) {
        world.set(network, "vlan", vlan.to_string());
        world.set(network, "broadcasturi", format!("vlan://{vlan}"));
        if let Some(owner) = world.owner(network) {
            world.asides.push(Aside::Owned("ZONE.VLAN.ASSIGN", network, owner));
        }
    }
    keep_routed(world, network);
}

/// States of machines that use their networks.
const IN_USE: [&str; 4] = ["Starting", "Running", "Stopping", "Migrating"];

/// A machine has stopped: a network that nobody uses now is taken down after a while.
pub(super) fn leave(world: &mut World, vm: Handle) {
    let networks: Vec<Handle> = super::vm::nic_rows(world, vm).iter().filter_map(|nic| world.link(*nic, "network")).collect();
    for network in networks.into_iter().filter(|network| is_clearable(world, *network)).collect::<Vec<_>>() {
        let wait = super::pulse::until_cleared(world);
        let due = i64::try_from((world.now + wait).as_secs()).unwrap_or_default();
        world.set(network, "clearedat", due);
        world.due(wait, crate::jobs::Chore::ClearNetwork, network);
    }
}

/// Whether a network is up and goes down when nothing runs in it.
fn is_clearable(world: &World, network: Handle) -> bool {
    let is_up = world.is_alive(network) && world.text(network, "state") == Some("Implemented");
    let is_used = || {
        let mut machines = world.referring("nic", "network", network).filter_map(|nic| world.link(nic, "vm"));
        machines.any(|vm| world.text(vm, "state").is_some_and(|state| IN_USE.contains(&state)))
    };
    is_up && world.text(network, "type") == Some("Isolated") && !is_offered(world, network, "ispersistent") && !is_used()
}

/// Takes a network down in which nothing ran for long enough: its routers stop, and its VLAN is free.
pub(crate) fn clear(world: &mut World, network: Handle) {
    let is_due = u64::try_from(world.number(network, "clearedat")).is_ok_and(|due| due <= world.now.as_secs());
    if !is_due || !is_clearable(world, network) {
        return;
    }
    let routers: Vec<Handle> = world.referring("router", "network", network).collect();
    routers.into_iter().for_each(|router| super::systemvm::halt(world, router));
    world.set(network, "state", "Allocated");
    for gone in ["vlan", "broadcasturi"] {
        world.unset(network, gone);
    }
}

/// Starts the routers of a network that machines start in, or deploys one if somebody destroyed them.
fn keep_routed(world: &mut World, network: Handle) {
    let routers: Vec<Handle> = world.referring("router", "network", network).collect();
    if routers.is_empty() {
        deploy_router(world, network);
    }
    for router in routers.into_iter().filter(|router| world.text(*router, "state") == Some("Stopped")).collect::<Vec<_>>() {
        // Where no host takes it, its network goes without.
        drop(super::systemvm::put_on_host(world, router));
    }
}

/// Gives a network that is no tier of a VPC a router and an address to go out by.
fn deploy_router(world: &mut World, network: Handle) {
    let Some(owner) = world.owner(network) else { return };
    if world.text(network, "type") != Some("Isolated") || world.link(network, "vpc").is_some() {
        return;
    }
    let source = world.referring("ipaddress", "network", network).find(|address| world.flag(*address, "issourcenat"));
    let public = source.or_else(|| super::address::allocate_source(world, owner, ("network", network)));
    let zone = world.link(network, "zone");
    let number = world.next("instance", 1);
    let mut fields: Vec<(&str, Datum)> = vec![
        ("name", format!("r-{number}-VM").into()),
        ("network", network.into()),
        ("state", "Running".into()),
        ("guestipaddress", world.string(network, "gateway").into()),
        ("linklocalip", format!("169.254.{}.{}", (number >> 8) & 0xff, number & 0xff).into()),
        ("networkdomain", world.string(network, "networkdomain").into()),
    ];
    if let Some(public) = public.or_else(|| source_address(world, network)) {
        fields.push(("gateway", super::address::gateway(world, public).into()));
    }
    if let Some(public) = public {
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
    if source.is_none() && public.is_some() {
        note_source(world);
    }
    note_router(world);
}

/// Notes what happens on the way to an address to go out by: a rule of its own.
pub(super) fn note_source(world: &mut World) {
    world.asides.push(Aside::Event { kind: "FIREWALL.OPEN", phases: "m", resource: "FirewallRule", object: None });
}

/// Notes what happens on the way to a router: its disk, which has no row.
pub(super) fn note_router(world: &mut World) {
    world.asides.push(Aside::Event { kind: "VOLUME.CREATE", phases: "M", resource: "Volume", object: None });
}

/// The access that is asked for or follows from the offering, checked: `Account` or `Domain`.
fn access(turn: &Turn<'_>, kind: &str) -> Result<&'static str, Refusal> {
    use cloudstack_api::catalog::RoleType;
    let asked = turn.arguments.text("acltype").map(str::to_ascii_lowercase);
    let access = match (asked.as_deref(), kind, turn.caller.kind) {
        (Some("account"), ..) | (None, "Isolated" | "L2", _) | (None, _, RoleType::User) => "Account",
        (Some("domain"), "Isolated", _) => return Err(Refusal::invalid("AclType should be Account for network of type Isolated")),
        (Some("domain"), ..) | (None, _, RoleType::Admin) => "Domain",
        (Some(_), ..) => return Err(Refusal::invalid("Incorrect aclType specified. Check the API documentation for supported types")),
        (None, ..) => return Err(Refusal::invalid("AclType must be specified for shared network created by domain admin")),
    };
    match access {
        "Domain" if turn.caller.kind == RoleType::User => Err(Refusal::forbidden("Only admin can create networks with aclType=Domain")),
        "Domain" if kind != "Shared" => Err(Refusal::invalid("Only Shared networks can have aclType=Domain")),
        "Account" if turn.arguments.given("subdomainaccess").is_some() => {
            Err(Refusal::invalid("Parameter subDomainAccess can be specified only with aclType=Domain"))
        }
        access => Ok(access),
    }
}

/// The range of a new network, if gateway and netmask say one.
fn new_range(turn: &Turn<'_>) -> Result<Option<Cidr>, Refusal> {
    let arguments = &turn.arguments;
    let is_address = |name: &str| arguments.text(name).is_none_or(|text| text.parse::<std::net::IpAddr>().is_ok());
    if !is_address("gateway") {
        return Err(Refusal::invalid("Gateway parameter is invalid"));
    }
    for (name, said) in [("startip", "startIp"), ("endip", "endIp")] {
        if arguments.text("gateway").is_some() && !is_address(name) {
            return Err(Refusal::invalid(format!("Invalid format for the {said} parameter")));
        }
    }
    let (Some(gateway), Some(netmask)) = (arguments.text("gateway"), arguments.text("netmask")) else {
        let is_open = arguments.text("startip").is_some() && arguments.text("gateway").is_some();
        return if is_open { Err(Refusal::invalid("gateway and netmask should be defined when startIP/endIP are passed in")) } else { Ok(None) };
    };
    let range = Cidr::of_gateway(gateway, netmask).filter(|range| range.netmask() == netmask);
    let Some(range) = range.filter(|range| range.is_host(gateway)) else {
        return Err(Refusal::invalid("Invalid gateway IP provided. Either the IP is broadcast or network IP."));
    };
    Ok(Some(range))
}

/// Refuses VLANs that the offering or the physical network does not leave to the caller.
fn check_vlan(turn: &Turn<'_>, zone: Handle, offering: Handle) -> Result<(), Refusal> {
    let vlan = turn.arguments.text("vlan").map(|vlan| vlan.trim_start_matches("vlan://"));
    let wants = turn.world.flag(offering, "specifyvlan");
    let Some(vlan) = vlan else {
        return if wants { Err(Refusal::invalid("Vlan has to be specified; corresponding offering says specifyVlan=true")) } else { Ok(()) };
    };
    if !wants {
        return Err(Refusal::invalid("Can't specify vlan; corresponding offering says specifyVlan=false"));
    }
    let may_overlap = turn.arguments.flag("bypassvlanoverlapcheck") && turn.world.text(offering, "guestiptype") == Some("Shared");
    let physical = turn.world.kind("physicalnetwork");
    let number: Option<i64> = vlan.parse().ok();
    let is_dynamic = |row: Handle| turn.world.text(row, "vlan").zip(number).is_some_and(|(ranges, number)| super::vpc::is_in_ranges(ranges, number));
    if !may_overlap && turn.world.rows(physical).any(is_dynamic) {
        let zone = turn.world.string(zone, "name");
        return Err(Refusal::invalid(format!(
            "The VLAN tag to use for new guest network, {vlan} is already being used for dynamic vlan allocation for the guest network in zone {zone}"
        )));
    }
    let networks = turn.world.kind("network");
    let is_taken = turn.world.rows(networks).any(|network| turn.world.text(network, "vlan") == Some(vlan));
    if is_taken && !turn.arguments.flag("bypassvlanoverlapcheck") {
        return Err(Refusal::invalid(format!("There is an existing isolated/shared network that overlaps with vlan id:{vlan}")));
    }
    Ok(())
}

/// Refuses what people other than root may not make.
fn check_caller(turn: &Turn<'_>, offering: Handle, range: Option<Cidr>) -> Result<(), Refusal> {
    if turn.caller.is_root() {
        return Ok(());
    }
    let specifies = turn.world.flag(offering, "specifyvlan");
    if turn.world.text(offering, "guestiptype") == Some("Shared") && specifies {
        return Err(Refusal::invalid("This user can only create an Isolated network, a L2 network or a Shared network with specifyVlan=false."));
    }
    if specifies || turn.arguments.text("vlan").is_some() {
        return Err(Refusal::invalid("Only ROOT admin is allowed to specify vlanId or bypass vlan overlap check"));
    }
    if range.is_some_and(|range| range.bits() < BITS_MIN) {
        return Err(Refusal::invalid(format!("Cidr size can't be less than {BITS_MIN}")));
    }
    Ok(())
}

/// Refuses networks that their offering or their place does not allow.
fn check_fit(turn: &Turn<'_>, offering: Handle, range: Option<Cidr>) -> Result<(), Refusal> {
    let world = &*turn.world;
    let kind = world.text(offering, "guestiptype").unwrap_or("Isolated");
    if world.text(offering, "state") != Some("Enabled") {
        return Err(Refusal::invalid(format!("Can't use specified network offering id as its state is not Enabled: {}", world.id(offering))));
    }
    if turn.arguments.object("vpcid").is_none() && world.flag(offering, "forvpc") {
        return Err(Refusal::invalid("Network offering can be used for VPC networks only"));
    }
    let services = world.tree(offering, "service").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let serves = |name: &str| services.iter().any(|service| service.get("name") == Some(&json!(name)));
    if let Some(domain) = turn.arguments.text("networkdomain") {
        if !serves("Dns") {
            return Err(Refusal::invalid("Domain name change is not supported by network offering"));
        }
        let is_label = |label: &str| !label.is_empty() && label.len() < 64 && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !domain.split('.').all(is_label) {
            return Err(Refusal::invalid("Invalid network domain"));
        }
    }
    match (kind, range) {
        ("Shared", None) => Err(Refusal::invalid("Gateway/netmask are required when creating Shared networks.")),
        ("Isolated", None) if !serves("SourceNat") => {
            Err(Refusal::invalid("gateway/netmask are required when create network of type Isolated with service SourceNat disabled"))
        }
        ("Isolated", Some(range)) if !range.is_private() => Err(Refusal::invalid(format!("Virtual Guest Cidr {range} is not RFC 1918 or 6598 compliant"))),
        ("Shared", Some(_)) if turn.arguments.text("startip").is_none() => Err(Refusal::internal("IPv4 address range needs to be provided")),
        ("Shared", Some(range)) => check_ends(turn, range),
        _ => Ok(()),
    }
}

/// The first and the last address that a new shared network gives out.
fn ends(turn: &Turn<'_>) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let first = turn.arguments.text("startip")?;
    let last = turn.arguments.text("endip").unwrap_or(first);
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// Refuses addresses that a new shared network does not have.
fn check_ends(turn: &Turn<'_>, range: Cidr) -> Result<(), Refusal> {
    match ends(turn) {
        Some((first, last)) if !range.holds(first) || !range.holds(last) => {
            Err(Refusal::invalid("Please specify a valid IP range or valid netmask or valid gateway"))
        }
        Some((first, last)) if first > last => Err(Refusal::invalid("Please specify a valid IP range.")),
        _ => Ok(()),
    }
}

/// Writes the addresses that a new shared network gives out down as a range of its own.
fn keep_range(turn: &mut Turn<'_>, network: Handle) {
    let Some((first, last)) = ends(turn) else { return };
    let mut fields: Vec<(&str, Datum)> = vec![
        ("forvirtualnetwork", false.into()),
        ("network", network.into()),
        ("startip", first.to_string().into()),
        ("endip", last.to_string().into()),
        ("vlan", turn.world.text(network, "broadcasturi").unwrap_or("vlan://untagged").into()),
    ];
    for name in ["gateway", "netmask", "cidr"] {
        fields.push((name, turn.world.string(network, name).into()));
    }
    for name in ["zone", "physicalnetwork"] {
        fields.extend(turn.world.link(network, name).map(|target| (name, Datum::from(target))));
    }
    let owner = turn.world.owner(network);
    let kind = turn.world.kind("vlaniprange");
    turn.world.insert(kind, owner, &fields);
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let zone = turn.target("zoneid")?;
    let offering = turn.target("networkofferingid")?;
    if turn.world.flag(offering, "issystem") {
        return Err(Refusal::invalid("Unable to find network offering by specified id"));
    }
    super::zone::check_enabled(turn, zone)?;
    let kind = turn.world.text(offering, "guestiptype").unwrap_or("Isolated").to_owned();
    let access = access(turn, &kind)?;
    let system = turn.world.find("account", "name", "system").filter(|_| access == "Domain");
    let vpc = turn.arguments.object("vpcid");
    let of_vpc = vpc.and_then(|vpc| turn.world.owner(vpc)).filter(|_| turn.arguments.text("account").is_none());
    let owner = match system.or(of_vpc) {
        Some(owner) => owner,
        None => turn.new_owner()?,
    };
    let range = new_range(turn)?;
    check_caller(turn, offering, range)?;
    super::vpc::check_tier(turn, offering)?;
    if access == "Account" {
        super::limit::check(turn, owner, &[("network", 1)])?;
    }
    check_fit(turn, offering, range)?;
    check_vlan(turn, zone, offering)?;
    let gateway = turn.arguments.text("gateway").map(str::to_owned);
    let name = turn.needed("name")?;
    let text = turn.arguments.text("displaytext").unwrap_or(&name).to_owned();
    let domain = turn.arguments.text("networkdomain").map(str::to_owned);
    let network = make(turn.world, owner, &Plan { name, text, zone, offering, gateway, domain });
    if let Some(range) = range.filter(|_| kind != "L2") {
        turn.world.set(network, "netmask", range.netmask());
        turn.world.set(network, "cidr", range.to_string());
    }
    finish_making(turn, network, access);
    if kind == "Shared" {
        keep_range(turn, network);
    }
    if let Some(vpc) = vpc {
        turn.world.set(network, "vpc", vpc);
        super::vpc::join(turn, network);
    }
    if is_offered(turn.world, network, "ispersistent") {
        implement(turn.world, network);
    }
    Ok(Outcome::Object(network))
}

/// Writes down what only some networks have.
fn finish_making(turn: &mut Turn<'_>, network: Handle, access: &'static str) {
    if service(turn.world, network, "Dns").is_none() {
        turn.world.unset(network, "networkdomain");
    }
    turn.world.set(network, "acltype", access);
    if access == "Domain" {
        let root = turn.world.find("domain", "path", "ROOT").unwrap_or(turn.caller.domain);
        let domain = turn.arguments.object("domainid").unwrap_or(root);
        turn.world.set(network, "accessdomain", domain);
        let below = turn.arguments.truth("subdomainaccess") != Some(false);
        turn.world.set(network, "subdomainaccess", below);
    }
    if let Some(vlan) = turn.arguments.text("vlan").map(|vlan| vlan.trim_start_matches("vlan://").to_owned()) {
        turn.world.set(network, "broadcasturi", format!("vlan://{vlan}"));
        turn.world.set(network, "vlan", vlan);
        turn.world.set(network, "state", "Setup");
    }
    if turn.arguments.text("startip").is_some() {
        turn.world.set(network, "specifyipranges", true);
        let first = turn.arguments.text("startip").and_then(|first| first.rsplit_once('.')?.1.parse::<i64>().ok());
        turn.world.set(network, "lastaddress", first.map_or(1, |first| first - 1));
    }
    let puts = [Put::Number("publicmtu"), Put::Number("privatemtu"), Put::Text("dns1"), Put::Text("dns2"), Put::Text("externalid")];
    puts.into_iter().for_each(|put| recipe::apply(turn, network, put));
    recipe::apply(turn, network, Put::Flag("displaynetwork"));
    recipe::apply(turn, network, Put::Link("associatednetworkid", "associated"));
}

/// Whether an account may use a network that is not its own: one of its domain, or one that it was let into.
pub(crate) fn is_open_to(world: &World, network: Handle, account: Handle) -> bool {
    let permitted = world.links(network, "permitted").contains(&account);
    let Some(domain) = world.link(network, "accessdomain") else { return permitted };
    let of_account = world.link(account, "domain");
    permitted || of_account == Some(domain) || world.flag(network, "subdomainaccess") && of_account.is_some_and(|own| world.is_within(own, domain))
}

/// Lists networks: those of the accounts asked for, and those that their domains share.
fn list_networks(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    if let Some(wrong) = turn.arguments.list("supportedservices").into_iter().find(|name| !SERVICES.contains(name)) {
        return Err(Refusal::invalid(format!("Invalid service specified {wrong}")));
    }
    let filter = turn.arguments.text("networkfilter").map_or_else(|| "all".to_owned(), str::to_ascii_lowercase);
    if !["all", "account", "domain", "accountdomain", "shared"].contains(&filter.as_str()) {
        return Err(Refusal::invalid(format!("Invalid networkfilter [{filter}]")));
    }
    let page = list::Page::read(turn)?;
    if turn.arguments.flag("issystem") {
        return Ok(Outcome::List(Vec::new(), 0));
    }
    let kind = turn.world.kind("network");
    let caller = turn.caller.account;
    let reaches = matches!(filter.as_str(), "all" | "account" | "accountdomain");
    let plain = |world: &World, network: Handle| reaches && world.link(network, "accessdomain").is_none();
    let mut rows = match list::scope(turn)? {
        // Whoever may see everything but does not ask for it sees the networks of the own domain.
        list::Scope::Accounts(accounts) if turn.caller.is_root() && accounts == [caller] && turn.arguments.text("account").is_none() => {
            let domain = turn.caller.domain;
            let of_domain = |world: &World, network: Handle| {
                world.domain_of(network) == Some(domain) && world.owner(network).is_none_or(|owner| world.link(owner, "project").is_none())
            };
            list::unscoped(turn, kind, &|world, network| plain(world, network) && of_domain(world, network))
        }
        _ => list::matching(turn, kind, &plain)?,
    };
    let asked = turn.arguments.object("projectid").and_then(|project| turn.world.link(project, "projectaccount"));
    let everything = turn.caller.is_root();
    let shared = |world: &World, network: Handle| {
        let of_domain = world.link(network, "accessdomain").is_some() && matches!(filter.as_str(), "all" | "domain" | "accountdomain");
        let let_in = world.link(network, "accessdomain").is_none() && matches!(filter.as_str(), "all" | "shared");
        of_domain && (everything || is_open_to(world, network, asked.unwrap_or(caller))) || let_in && is_open_to(world, network, asked.unwrap_or(caller))
    };
    let more = list::unscoped(turn, kind, &shared);
    rows.extend(more.into_iter().filter(|network| !rows.contains(network)).collect::<Vec<_>>());
    rows.sort_unstable_by(|one, other| other.cmp(one));
    Ok(page.cut(rows))
}

/// The services that networks can have.
const SERVICES: &[&str] = &[
    "Vpn",
    "Dhcp",
    "Dns",
    "Gateway",
    "Firewall",
    "Lb",
    "UserData",
    "SourceNat",
    "StaticNat",
    "PortForwarding",
    "SecurityGroup",
    "NetworkACL",
    "Connectivity",
    "BaremetalPxeService",
];

/// Lets accounts and projects into a network, or no longer.
fn permit(turn: &mut Turn<'_>, lets: bool) -> Result<Outcome, Refusal> {
    let network = turn.target("networkid")?;
    if turn.world.text(network, "acltype").is_some_and(|access| access != "Account") {
        return Err(Refusal::invalid("Network permissions are for networks of accounts only"));
    }
    let domain = turn.world.domain_of(network).unwrap_or(turn.caller.domain);
    let mut named: Vec<Handle> = turn.arguments.objects("accountids").unwrap_or_default().to_vec();
    named.extend(turn.arguments.objects("projectids").unwrap_or_default().iter().filter_map(|project| turn.world.link(*project, "projectaccount")));
    for name in turn.arguments.list("accounts") {
        let account = super::any_account_named(turn.world, domain, name);
        named.push(account.ok_or_else(|| Refusal::invalid(format!("Unable to find account by name {name}")))?);
    }
    if named.iter().any(|account| turn.world.link(*account, "domain") != Some(domain)) {
        return Err(Refusal::invalid("Unable to find account in the domain of network. No permissions is added"));
    }
    let owner = turn.world.owner(network);
    let mut permitted: Vec<Handle> = turn.world.links(network, "permitted").to_vec();
    permitted.retain(|account| !named.contains(account));
    if lets {
        permitted.extend(named.into_iter().filter(|account| Some(*account) != owner));
    }
    turn.world.set(network, "permitted", Datum::Links(permitted.into()));
    Ok(Outcome::Success)
}

fn list_permitted(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let network = turn.target("networkid")?;
    if !turn.may_use(network) {
        return Err(Refusal::permission());
    }
    let world = &*turn.world;
    let permitted = world.links(network, "permitted");
    let mut json = Json::default();
    for account in permitted {
        json.open();
        json.member("networkid", &world.id(network));
        match world.link(*account, "project") {
            Some(project) => {
                json.member("projectid", &world.id(project));
                json.member("project", &world.string(project, "name"));
            }
            None => {
                json.member("accountid", &world.id(*account));
                json.member("account", &world.string(*account, "name"));
            }
        }
        if let Some(domain) = world.link(*account, "domain") {
            json.member("domainid", &world.id(domain));
            json.member("domain", &world.string(domain, "name"));
        }
        json.close();
    }
    let count = permitted.len();
    Ok(Outcome::Rendered(json.into_text(), count))
}

/// Refuses changes that a network of its type does not take.
fn check_update(turn: &Turn<'_>, network: Handle) -> Result<(), Refusal> {
    let world = &*turn.world;
    let kind = world.text(network, "type").unwrap_or("Isolated");
    let arguments = &turn.arguments;
    if arguments.text("networkdomain").is_some() && kind == "L2" {
        return Err(Refusal::invalid("Domain suffix update can only be performed for Isolated and shared networks."));
    }
    if let Some(domain) = arguments.text("networkdomain") {
        if !super::zone::is_domain_name(domain) {
            return Err(Refusal::invalid("Invalid network domain: labels of letters, digits and hyphens, at most 190 characters in all"));
        }
        if service(world, network, "Dns").is_none() {
            return Err(Refusal::invalid("Domain name change is not supported by network offering"));
        }
    }
    if let Some(range) = arguments.text("guestvmcidr") {
        let whole = world.text(network, "networkcidr").or_else(|| world.text(network, "cidr")).and_then(Cidr::parse);
        let fits = Cidr::parse(range).zip(whole).is_some_and(|(range, whole)| range.is_within(whole));
        if kind != "Isolated" || !fits {
            return Err(Refusal::invalid("Invalid value of Guest VM CIDR. For IP Reservation, Guest VM CIDR should be a subset of network CIDR"));
        }
    }
    let Some(offering) = arguments.object("networkofferingid") else { return Ok(()) };
    if kind != "Isolated" {
        return Err(Refusal::invalid("NetworkOffering update can be performed for Isolated networks only."));
    }
    if world.text(offering, "state") != Some("Enabled") {
        return Err(Refusal::invalid("Network offering id is not in state: Enabled, can't upgrade to it"));
    }
    if world.flag(offering, "forvpc") != is_offered(world, network, "forvpc") {
        return Err(Refusal::invalid("Can't update as the new offering is for another sort of network"));
    }
    let alike = world.text(offering, "guestiptype") == Some(kind) && world.flag(offering, "specifyvlan") == is_offered(world, network, "specifyvlan");
    if alike { Ok(()) } else { Err(Refusal::invalid("Can't upgrade from network offering; check logs for more information")) }
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let network = turn.target("id")?;
    Ok(turn.job(network, WORK_SHORT, move |turn| {
        check_update(turn, network)?;
        let texts = ["name", "displaytext", "networkdomain", "dns1", "dns2"].map(Put::Text);
        let others = [Put::Link("networkofferingid", "offering"), Put::Number("publicmtu"), Put::Number("privatemtu"), Put::Flag("displaynetwork")];
        texts.into_iter().chain(others).for_each(|put| recipe::apply(turn, network, put));
        if let Some(range) = turn.arguments.text("guestvmcidr").map(str::to_owned) {
            let whole = turn.world.text(network, "networkcidr").or_else(|| turn.world.text(network, "cidr")).unwrap_or_default().to_owned();
            turn.world.set(network, "networkcidr", whole);
            turn.world.set(network, "cidr", range);
        }
        Ok(Outcome::Object(network))
    }))
}

fn restart(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let network = turn.target("id")?;
    Ok(turn.job(network, WORK_LONG, move |turn| {
        if turn.arguments.flag("cleanup") && turn.world.link(network, "vpc").is_none() {
            let routers: Vec<Handle> = turn.world.referring("router", "network", network).collect();
            routers.into_iter().for_each(|router| turn.world.remove(router));
        }
        implement(turn.world, network);
        Ok(Outcome::Success)
    }))
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let network = turn.target("id")?;
    Ok(turn.job(network, WORK_MEDIUM, move |turn| {
        let used = turn.world.referring("nic", "network", network).any(|nic| {
            turn.world.link(nic, "vm").is_some_and(|vm| matches!(turn.world.text(vm, "state"), Some("Running" | "Stopped" | "Starting" | "Stopping")))
        });
        if used {
            return Err(Refusal::failed("Failed to delete network"));
        }
        remove(turn.world, network);
        Ok(Outcome::Success)
    }))
}

/// Takes a network and what hangs on it out of the world.
pub(crate) fn remove(world: &mut World, network: Handle) {
    if world.text(network, "state") == Some("Implemented") {
        if let (Some(zone), Some(owner)) = (world.link(network, "zone"), world.owner(network)) {
            world.asides.push(Aside::Owned("ZONE.VLAN.RELEASE", zone, owner));
        }
        world.asides.push(Aside::Event { kind: "FIREWALL.CLOSE", phases: "BD", resource: "Network", object: Some(network) });
    }
    for kind in ["router", "nic", "firewallrule", "portforwardingrule", "loadbalancerrule", "ipforwardingrule"] {
        let rows: Vec<Handle> = world.referring(kind, "network", network).collect();
        rows.into_iter().for_each(|row| super::traffic::remove(world, row));
    }
    for kind in ["loadbalancer", "vlaniprange"] {
        let rows: Vec<Handle> = world.referring(kind, "network", network).collect();
        rows.into_iter().for_each(|row| world.remove(row));
    }
    let addresses: Vec<Handle> = world.referring("ipaddress", "network", network).collect();
    for address in addresses {
        // The addresses of a VPC stay with it.
        if world.link(address, "vpc").is_some() { super::address::part(world, address) } else { super::address::release(world, address) }
    }
    world.remove(network);
}
