//! The NICs of machines, their addresses and further addresses.
//!
//! The networks they are in are in `network.rs`.

use super::{Tables, network, vm};
use crate::{
    kind::{Constant, ID, Noun, Shown, Viewer, always, computed, flag, linked, own, own_or},
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT, Work},
    world::{Datum, Handle, Key, World},
};

/// A NIC of a machine.
pub(crate) const NIC_NOUN: Noun = Noun {
    word: "nic",
    entities: &["NicResponse"],
    resource: "Nic",
    owned: false,
    keywords: &["ipaddress"],
    newest_first: false,
    view: &[
        ID,
        linked("networkid", "network", "id"),
        linked("networkname", "network", "name"),
        linked("netmask", "network", "netmask"),
        linked("gateway", "network", "gateway"),
        own("ipaddress"),
        computed("isolationuri", uri),
        computed("broadcasturi", uri),
        own_or("traffictype", Constant::Text("Guest")),
        linked("type", "network", "type"),
        flag("isdefault"),
        own("macaddress"),
        computed("secondaryip", further),
        always("extradhcpoption", Constant::Empty),
        own("deviceid"),
        computed("vpcid", |world, nic, _| vpc(world, nic).map(|vpc| Shown::Text(world.id(vpc)))),
        computed("vpcname", |world, nic, _| vpc(world, nic).map(|vpc| Shown::Text(world.string(vpc, "name")))),
        computed("publicipid", |world, nic, _| public_address(world, nic).map(|address| Shown::Text(world.id(address)))),
        computed("publicip", |world, nic, _| public_address(world, nic).map(|address| Shown::Text(world.string(address, "ipaddress")))),
    ],
};

/// A further address of a NIC.
pub(crate) const SECONDARY_NOUN: Noun = Noun {
    word: "nicsecondaryip",
    entities: &["NicSecondaryIpResponse"],
    resource: "NicSecondaryIp",
    owned: false,
    keywords: &["ipaddress"],
    newest_first: false,
    view: &[ID, own("ipaddress"), linked("nicid", "nic", "id"), linked("networkid", "network", "id"), linked("virtualmachineid", "vm", "id")],
};

/// The commands of NICs.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listNics", list),
        ("addNicToVirtualMachine", add),
        ("removeNicFromVirtualMachine", remove),
        ("updateDefaultNicForVirtualMachine", make_default),
        ("updateVmNicIp", change_address),
        ("addIpToNic", add_address),
        ("removeIpFromNic", remove_address),
    ],
    filters: &[],
};

fn vpc(world: &World, nic: Handle) -> Option<Handle> {
    world.link(world.link(nic, "network")?, "vpc")
}

/// The public address that stands for the machine in the NIC's network.
fn public_address(world: &World, nic: Handle) -> Option<Handle> {
    let address = vm::public_address(world, world.link(nic, "vm")?)?;
    let network = world.link(address, "network").or_else(|| world.link(address, "associatednetwork"));
    (network.is_none() || network == world.link(nic, "network")).then_some(address)
}

/// Where a NIC is on the wire. One whose machine was stopped is nowhere.
fn uri(world: &World, nic: Handle, _: Viewer) -> Option<Shown> {
    if world.flag(nic, "released") {
        return None;
    }
    world.text(world.link(nic, "network")?, "broadcasturi").map(|uri| Shown::Text(uri.to_owned()))
}

fn further(world: &World, nic: Handle, _: Viewer) -> Option<Shown> {
    // Few NICs have further addresses; the others say so themselves, so that lists of machines need not look.
    let rows = world.links(nic, "secondaries");
    if rows.is_empty() {
        return None;
    }
    let mut json = crate::json::Json::default();
    json.open_array();
    for row in rows {
        json.open();
        json.member("id", &world.id(*row));
        json.member("ipaddress", world.text(*row, "ipaddress").unwrap_or_default());
        json.close();
    }
    json.close_array();
    Some(Shown::Raw(json.into_text()))
}

fn list(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    if !turn.may_use(vm) {
        return Err(Refusal::permission());
    }
    let wanted = turn.arguments.object("nicid");
    let network = turn.arguments.object("networkid");
    let nics: Vec<Handle> = vm::nic_rows(turn.world, vm)
        .iter()
        .copied()
        .filter(|nic| wanted.is_none_or(|wanted| wanted == *nic) && network.is_none_or(|network| turn.world.link(*nic, "network") == Some(network)))
        .collect();
    let page = crate::list::Page::read(turn)?;
    let Outcome::List(nics, count) = page.cut(nics) else { return Ok(Outcome::Success) };
    let mut json = crate::json::Json::default();
    // Only machines tell of the VPC.
    let without: Vec<Key> = ["vpcid", "vpcname"].into_iter().filter_map(|name| turn.world.known_key(name)).collect();
    for nic in nics {
        json.open();
        turn.world.render_members(nic, turn.viewer(), &without, &mut json);
        json.member("virtualmachineid", &turn.world.id(vm));
        json.close();
    }
    Ok(Outcome::Rendered(json.into_text(), count))
}

/// Puts the machine's NICs into an order and numbers them: the default one is the first.
fn arrange(world: &mut World, vm: Handle, mut nics: Vec<Handle>) {
    nics.sort_by_key(|nic| !world.flag(*nic, "isdefault"));
    for (at, nic) in nics.iter().enumerate() {
        world.set(*nic, "deviceid", at.to_string());
    }
    world.set(vm, "nics", Datum::Links(nics.into()));
}

fn add(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    let network = turn.target("networkid")?;
    let check = check_new(turn, vm, network);
    Ok(turn.checked_job(vm, WORK_SHORT, check, move |turn| {
        let address = turn.arguments.text("ipaddress").map(str::to_owned);
        network::check_address(turn.world, network, address.as_deref())?;
        let nic = network::attach(turn.world, vm, network, address);
        if let Some(mac) = turn.arguments.text("macaddress").map(str::to_lowercase) {
            turn.world.set(nic, "macaddress", mac);
        }
        if turn.world.text(vm, "state") == Some("Running") {
            network::implement(turn.world, network);
        } else {
            turn.world.set(nic, "released", true);
        }
        Ok(Outcome::Object(vm))
    }))
}

fn check_new(turn: &Turn<'_>, vm: Handle, network: Handle) -> Result<(), Refusal> {
    if !matches!(turn.world.text(vm, "state"), Some("Running" | "Stopped")) {
        return Err(Refusal::failed("A NIC can be added to a running or a stopped machine only"));
    }
    if vm_has_snapshots(turn.world, vm) {
        return Err(Refusal::invalid("A NIC cannot be added to a machine that has snapshots"));
    }
    if turn.world.link(vm, "zone") != turn.world.link(network, "zone") {
        return Err(Refusal::failed("The machine and the network are in different zones"));
    }
    // One machine has one NIC in a network.
    let known = vm::nic_rows(turn.world, vm).iter().any(|nic| turn.world.link(*nic, "network") == Some(network));
    if known {
        return Err(Refusal::failed(format!("A NIC already exists for {} in network {}", turn.world.string(vm, "instancename"), turn.world.id(network))));
    }
    let name = turn.world.string(vm, "name");
    let taken = turn
        .world
        .referring("nic", "network", network)
        .any(|nic| turn.world.link(nic, "vm").is_some_and(|other| turn.world.text(other, "name") == Some(&name)));
    if taken { Err(Refusal::failed(format!("A machine with the name {name} is in network {} already", turn.world.id(network)))) } else { Ok(()) }
}

fn vm_has_snapshots(world: &World, vm: Handle) -> bool {
    world.referring("vmsnapshot", "vm", vm).next().is_some()
}

/// The NIC that a call names, which has to be one of the machine's.
fn of_machine(turn: &Turn<'_>, vm: Handle) -> Result<Handle, Refusal> {
    let nic = turn.target("nicid")?;
    if turn.world.link(nic, "vm") == Some(vm) {
        return Ok(nic);
    }
    let said = turn.world.string(vm, "instancename");
    Err(Refusal::invalid(format!("{} is not a NIC on {said}", turn.world.id(nic))))
}

fn remove(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    Ok(turn.job(vm, WORK_SHORT, move |turn| {
        let nic = of_machine(turn, vm)?;
        if turn.world.flag(nic, "isdefault") {
            let name = turn.world.string(vm, "instancename");
            return Err(Refusal::invalid(format!("Unable to remove NIC from {name} in Network, nic is default.")));
        }
        let forwards = turn.world.referring("portforwardingrule", "vm", vm).any(|rule| turn.world.link(rule, "network") == turn.world.link(nic, "network"));
        if forwards {
            return Err(Refusal::failed("Unable to remove the NIC: rules forward ports to it"));
        }
        let rest: Vec<Handle> = vm::nic_rows(turn.world, vm).iter().copied().filter(|other| *other != nic).collect();
        arrange(turn.world, vm, rest);
        forget(turn.world, nic);
        Ok(Outcome::Object(vm))
    }))
}

/// Takes a NIC and its further addresses out of the world.
pub(crate) fn forget(world: &mut World, nic: Handle) {
    let rows: Vec<Handle> = world.referring("nicsecondaryip", "nic", nic).collect();
    rows.into_iter().for_each(|row| world.remove(row));
    world.remove(nic);
}

/// Takes all NICs off a machine.
pub(crate) fn forget_all(world: &mut World, vm: Handle) {
    for nic in vm::nic_rows(world, vm).to_vec() {
        forget(world, nic);
    }
    world.unset(vm, "nics");
}

fn make_default(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    Ok(turn.job(vm, WORK_SHORT, move |turn| {
        let chosen = of_machine(turn, vm)?;
        if turn.world.flag(chosen, "isdefault") {
            return Err(Refusal::failed("The NIC is the default one already"));
        }
        let nics = vm::nic_rows(turn.world, vm).to_vec();
        for nic in &nics {
            turn.world.set(*nic, "isdefault", *nic == chosen);
        }
        arrange(turn.world, vm, nics);
        Ok(Outcome::Object(vm))
    }))
}

fn change_address(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let nic = turn.target("nicid")?;
    let vm = turn.world.link(nic, "vm").ok_or_else(Refusal::permission)?;
    Ok(turn.job(vm, WORK_SHORT, move |turn| {
        if turn.world.text(vm, "state") != Some("Stopped") {
            return Err(Refusal::invalid("VM is not Stopped, unable to update the vm nic having the specified id"));
        }
        let network = turn.world.link(nic, "network").ok_or_else(Refusal::permission)?;
        let address = turn.arguments.text("ipaddress").map_or_else(|| network::next_address(turn.world, network), str::to_owned);
        if turn.world.text(nic, "ipaddress") == Some(&address) {
            return Ok(Outcome::Object(vm));
        }
        network::check_address(turn.world, network, Some(&address))?;
        network::note_address(turn.world, network, &address);
        turn.world.set(nic, "ipaddress", address);
        Ok(Outcome::Object(vm))
    }))
}

fn add_address(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let nic = turn.target("nicid")?;
    let network = turn.world.link(nic, "network").ok_or_else(Refusal::permission)?;
    let address = turn.arguments.text("ipaddress").map_or_else(|| network::next_address(turn.world, network), str::to_owned);
    network::check_address(turn.world, network, Some(&address))?;
    network::note_address(turn.world, network, &address);
    let kind = turn.world.kind("nicsecondaryip");
    let mut fields: Vec<(&str, Datum)> = vec![("ipaddress", address.into()), ("nic", nic.into()), ("network", network.into())];
    if let Some(vm) = turn.world.link(nic, "vm") {
        fields.push(("vm", vm.into()));
    }
    let row = turn.world.insert(kind, None, &fields);
    let id = turn.world.id(row);
    let about = crate::world::id_text(turn.world.fresh_id());
    let finish = move |turn: &mut Turn<'_>| {
        keep(turn.world, nic);
        let shown = serde_json::json!({
            "id": turn.world.id(row), "ipaddress": turn.world.string(row, "ipaddress"), "nicid": turn.world.id(nic),
            "networkid": turn.world.id(network),
        });
        Ok(Outcome::Shown("nicsecondaryip".to_owned(), shown.to_string()))
    };
    let instance = Some(("IpAddress".to_owned(), Some(about)));
    Ok(Outcome::Job(Box::new(Work { id: Some(id), instance, subject: Some(nic), queue: Some(nic), takes: WORK_SHORT, finish: Box::new(finish) })))
}

/// Writes down which further addresses a NIC has.
fn keep(world: &mut World, nic: Handle) {
    let rows: Vec<Handle> = world.referring("nicsecondaryip", "nic", nic).collect();
    world.set(nic, "secondaries", Datum::Links(rows.into()));
}

fn remove_address(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let row = turn.target("id")?;
    let nic = turn.world.link(row, "nic").ok_or_else(Refusal::permission)?;
    Ok(turn.job(nic, WORK_SHORT, move |turn| {
        turn.world.remove(row);
        keep(turn.world, nic);
        Ok(Outcome::Success)
    }))
}
