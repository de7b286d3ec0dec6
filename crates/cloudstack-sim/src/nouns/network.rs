//! Guest networks, their virtual routers and the NICs in them.

use super::{Filter, Tables};
use crate::{
    kind::{
        ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, Noun, PROJECT, PROJECT_ID, Shown, TAGS, Viewer, always, computed,
        flag, linked, own, own_or,
    },
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_LONG, WORK_MEDIUM, WORK_SHORT},
    world::{Datum, Handle, World},
};
use serde_json::{Value, json};

/// The first VLAN that isolated networks get; the range is the physical network's.
const VLAN_FIRST: u64 = 100;
/// How many VLANs there are.
const VLANS: u64 = 101;

/// A guest network.
pub(crate) const NETWORK_NOUN: Noun = Noun {
    word: "network",
    entities: &["NetworkResponse"],
    resource: "Network",
    owned: true,
    keywords: &["name", "displaytext"],
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
        computed("related", |world, network, _| Some(Shown::Text(world.id(network)))),
        own("broadcasturi").root(),
        linked("dns1", "zone", "dns1"),
        own("type"),
        own("vlan").root(),
        own_or("acltype", Constant::Text("Account")),
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        linked("vpcid", "vpc", "id"),
        linked("vpcname", "vpc", "name"),
        linked("aclid", "acl", "id"),
        linked("aclname", "acl", "name"),
        computed("service", services),
        own("networkdomain"),
        linked("physicalnetworkid", "physicalnetwork", "id"),
        flag("restartrequired"),
        flag("specifyvlan"),
        flag("specifyipranges"),
        always("canusefordeploy", Constant::Flag(true)),
        flag("ispersistent"),
        TAGS,
        always("details", Constant::Raw("{}")).root(),
        own_or("displaynetwork", Constant::Flag(true)).root(),
        flag("strechedl2subnet"),
        flag("redundantrouter"),
        always("supportsvmautoscaling", Constant::Flag(true)),
        CREATED,
        always("receivedbytes", Constant::Number(0)),
        always("sentbytes", Constant::Number(0)),
        flag("egressdefaultpolicy"),
        always("publicmtu", Constant::Number(1500)),
        always("privatemtu", Constant::Number(1500)),
        HAS_ANNOTATIONS,
    ],
};

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
        let can: Value = found.and_then(|(_, can)| serde_json::from_str(can).ok()).unwrap_or_else(|| json!([]));
        json!({"name": name, "provider": [{"name": provider}], "capability": can})
    });
    Some(Shown::Raw(Value::Array(shown.collect()).to_string()))
}

/// The commands and filters of networks.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("createNetwork", create),
        ("updateNetwork", update),
        ("restartNetwork", restart),
        ("deleteNetwork", delete),
    ],
    filters: &[
        ("network", "supportedservices", PASS),
        ("network", "canusefordeploy", PASS),
        ("network", "forvpc", PASS),
        ("network", "subdomainaccess", PASS),
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
        }
        return Ok(wishes);
    }
    let networks = turn.world.kind("network");
    let mine: Vec<Handle> = turn
        .world
        .owned(networks, owner)
        .filter(|network| turn.world.link(*network, "zone") == Some(zone) && turn.world.link(*network, "vpc").is_none())
        .collect();
    match mine.as_slice() {
        [only] => Ok(vec![Wish { network: *only, address }]),
        [] => {
            let offering = default_offering(turn.world).ok_or_else(|| Refusal::invalid("Unable to find a default network offering"))?;
            let name = format!("{}-network", turn.world.string(owner, "name"));
            Ok(vec![Wish { network: make(turn.world, owner, &Plan { name: name.clone(), text: name, zone, offering, gateway: None, domain: None }), address }])
        }
        _ => Err(Refusal::invalid(format!(
            "More than 1 default Isolated networks are found for account {}; please specify networkIds",
            turn.world.string(owner, "name")
        ))),
    }
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
    let gateway = plan.gateway.clone().unwrap_or_else(|| "10.1.1.1".to_owned());
    let prefix = gateway.rsplit_once('.').map(|(prefix, _)| prefix.to_owned()).unwrap_or_default();
    let domain = plan.domain.clone().unwrap_or_else(|| format!("cs{}cloud.internal", World::internal_number(owner)));
    let fields: Vec<(&str, Datum)> = vec![
        ("name", plan.name.as_str().into()),
        ("displaytext", plan.text.as_str().into()),
        ("gateway", gateway.into()),
        ("netmask", "255.255.255.0".into()),
        ("cidr", format!("{prefix}.0/24").into()),
        ("zone", plan.zone.into()),
        ("offering", plan.offering.into()),
        ("state", "Allocated".into()),
        ("type", world.text(plan.offering, "guestiptype").unwrap_or("Isolated").to_owned().into()),
        ("networkdomain", domain.into()),
    ];
    let kind = world.kind("network");
    let network = world.insert(kind, Some(owner), &fields);
    let physical = world.kind("physicalnetwork");
    let physical = world.rows(physical).next();
    if let Some(physical) = physical {
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
    let address = match address {
        Some(address) => {
            note_address(world, network, &address);
            address
        }
        None => next_address(world, network),
    };
    let mut nics = super::vm::nic_rows(world, vm).to_vec();
    let number = world.next("mac", 1);
    let mac = format!("02:01:00:cc:{:02x}:{:02x}", (number >> 8) & 0xff, number & 0xff);
    let fields: Vec<(&str, Datum)> = vec![
        ("network", network.into()),
        ("vm", vm.into()),
        ("ipaddress", address.into()),
        ("macaddress", mac.into()),
        ("isdefault", nics.is_empty().into()),
        ("deviceid", nics.len().to_string().into()),
    ];
    let kind = world.kind("nic");
    let nic = world.insert(kind, world.owner(vm), &fields);
    nics.push(nic);
    world.set(vm, "nics", Datum::Links(nics.into()));
    nic
}

/// Brings a network up: a VLAN, a router and a public address to go out by.
pub(crate) fn implement(world: &mut World, network: Handle) {
    if world.text(network, "state") == Some("Implemented") {
        return;
    }
    let vlan = VLAN_FIRST + world.next("vlan", 0) % VLANS;
    world.set(network, "state", "Implemented");
    world.set(network, "vlan", vlan.to_string());
    world.set(network, "broadcasturi", format!("vlan://{vlan}"));
    let Some(owner) = world.owner(network) else { return };
    if world.text(network, "type") != Some("Isolated") || world.link(network, "vpc").is_some() {
        return;
    }
    let has_source = world.referring("ipaddress", "network", network).any(|address| world.flag(address, "issourcenat"));
    let public = if has_source { None } else { super::address::allocate(world, owner, Some(network), true) };
    let number = world.next("instance", 1);
    let mut fields: Vec<(&str, Datum)> = vec![
        ("name", format!("r-{number}-VM").into()),
        ("network", network.into()),
        ("state", "Running".into()),
        ("guestipaddress", world.string(network, "gateway").into()),
        ("gateway", "192.168.2.1".into()),
        ("linklocalip", format!("169.254.{}.{}", (number >> 8) & 0xff, number & 0xff).into()),
        ("networkdomain", world.string(network, "networkdomain").into()),
    ];
    if let Some(public) = public {
        fields.push(("publicip", world.string(public, "ipaddress").into()));
    }
    if let Some(zone) = world.link(network, "zone") {
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

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let owner = turn.new_owner()?;
    let zone = turn.target("zoneid")?;
    let offering = turn.target("networkofferingid")?;
    super::vpc::check_tier(turn)?;
    super::limit::check(turn, owner, &[("network", 1)])?;
    let gateway = turn.arguments.text("gateway").map(str::to_owned);
    if gateway.as_ref().is_some_and(|gateway| gateway.ends_with(".0") || gateway.ends_with(".255")) {
        return Err(Refusal::invalid("Invalid gateway IP provided. Either the IP is broadcast or network IP."));
    }
    let name = turn.needed("name")?;
    let text = turn.arguments.text("displaytext").unwrap_or(&name).to_owned();
    let domain = turn.arguments.text("networkdomain").map(str::to_owned);
    let network = make(turn.world, owner, &Plan { name, text, zone, offering, gateway, domain });
    if let Some(vpc) = turn.arguments.object("vpcid") {
        turn.world.set(network, "vpc", vpc);
        super::vpc::join(turn, network);
        implement(turn.world, network);
    }
    Ok(Outcome::Object(network))
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let network = turn.target("id")?;
    Ok(turn.job(network, WORK_SHORT, move |turn| {
        for name in ["name", "displaytext", "networkdomain"] {
            if let Some(text) = turn.arguments.text(name).map(str::to_owned) {
                turn.world.set(network, name, text);
            }
        }
        if let Some(offering) = turn.arguments.object("networkofferingid") {
            turn.world.set(network, "offering", offering);
        }
        Ok(Outcome::Object(network))
    }))
}

fn restart(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let network = turn.target("id")?;
    Ok(turn.job(network, WORK_LONG, move |turn| {
        if turn.world.text(network, "state") == Some("Allocated") {
            implement(turn.world, network);
        }
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
    for kind in ["router", "nic", "firewallrule", "portforwardingrule"] {
        let rows: Vec<Handle> = world.referring(kind, "network", network).collect();
        rows.into_iter().for_each(|row| world.remove(row));
    }
    let addresses: Vec<Handle> = world.referring("ipaddress", "network", network).collect();
    addresses.into_iter().for_each(|address| super::address::release(world, address));
    world.remove(network);
}
