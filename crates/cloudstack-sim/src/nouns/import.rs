//! Machines and disks that a hypervisor or a storage pool has and the cloud does not manage: how they come and go.
//!
//! Hypervisors elsewhere cannot be reached from here. Servers with simulated hosts alone support none of it.

use serde_json::{Value, json};

use super::{Tables, appliance};
use crate::{
    kind::{Constant, Noun, linked, own, own_or},
    list,
    options::Scene,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_LONG, WORK_MEDIUM},
    world::{Datum, Handle, World, parse_id},
};

/// Where machines can be imported from.
const SOURCES: [&str; 5] = ["unmanaged", "vmware", "external", "shared", "local"];
/// What a server with simulated hosts alone says of machines and of volumes.
const NO_MACHINES: &str = "VM import is currently not supported for hypervisor [Simulator].";
const NO_VOLUMES: &str = "Importing and unmanaging volume are not supported for hypervisor: Simulator";

/// A machine that the cloud does not manage.
pub(crate) const MACHINE_NOUN: Noun = Noun {
    word: "unmanagedinstance",
    entities: &["UnmanagedInstanceResponse"],
    resource: "UnmanagedInstance",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        own("name"),
        linked("clusterid", "cluster", "id"),
        linked("clustername", "cluster", "name"),
        linked("hostid", "host", "id"),
        linked("hostname", "host", "name"),
        own_or("hypervisor", Constant::Text("Simulator")),
        own("powerstate"),
        own("cpunumber"),
        own_or("cpucorepersocket", Constant::Number(1)),
        own("cpuspeed"),
        own("memory"),
        linked("osdisplayname", "ostype", "description"),
        own("disk"),
        own("nic"),
    ],
};

/// A disk that the cloud does not manage.
pub(crate) const DISK_NOUN: Noun = Noun {
    word: "volumeforimport",
    entities: &["VolumeForImportResponse"],
    resource: "VolumeForImport",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        own("path"),
        own("fullpath"),
        own_or("format", Constant::Text("QCOW2")),
        own("name"),
        own("size"),
        own("virtualsize"),
        linked("storageid", "pool", "id"),
        linked("storage", "pool", "name"),
        own_or("storagetype", Constant::Text("NetworkFilesystem")),
    ],
};

/// The commands of what is not managed.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listUnmanagedInstances", list_machines),
        ("unmanageVirtualMachine", unmanage_machine),
        ("importUnmanagedInstance", import_unmanaged),
        ("importVm", import_elsewhere),
        ("listVolumesForImport", list_disks),
        ("unmanageVolume", unmanage_disk),
        ("importVolume", import_disk),
    ],
    filters: &[],
};

fn is_bare(turn: &Turn<'_>) -> bool {
    turn.server.options.scene == Scene::Bare
}

fn list_machines(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    if is_bare(turn) {
        return Err(Refusal::invalid(NO_MACHINES));
    }
    let kind = turn.world.kind(MACHINE_NOUN.word);
    list::list(turn, kind)
}

fn list_disks(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    if is_bare(turn) {
        return Err(Refusal::internal(NO_VOLUMES));
    }
    let kind = turn.world.kind(DISK_NOUN.word);
    list::list(turn, kind)
}

fn unmanage_machine(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    if is_bare(turn) {
        return Err(Refusal::invalid("Unmanage VM is currently not allowed for hypervisor Simulator"));
    }
    if !matches!(turn.world.text(vm, "state"), Some("Running" | "Stopped")) {
        return Err(Refusal::failed("Instance must be running or stopped to be unmanaged"));
    }
    let volumes: Vec<Handle> = turn.world.referring("volume", "vm", vm).collect();
    if volumes.iter().any(|volume| turn.world.referring("snapshot", "volume", *volume).next().is_some()) {
        return Err(Refusal::failed("Cannot unmanage an Instance whose volumes have snapshots, remove the snapshots first"));
    }
    if turn.world.referring("vmsnapshot", "vm", vm).next().is_some() {
        return Err(Refusal::failed("Cannot unmanage an Instance that has Instance snapshots, remove them first"));
    }
    let object = turn.command.reply.object.clone().unwrap_or_default();
    Ok(turn.job(vm, WORK_MEDIUM, move |turn| {
        let host = turn.world.link(vm, "host").or_else(|| super::place::choose_host(turn.world, turn.world.link(vm, "zone")));
        let row = leave(turn.world, vm, host);
        for volume in volumes {
            turn.world.remove(volume);
        }
        super::vm::wipe(turn.world, vm);
        let host = turn.world.link(row, "host").map(|host| turn.world.id(host));
        Ok(Outcome::Shown(object, json!({"success": true, "hostid": host}).to_string()))
    }))
}

/// Notes a machine as its hypervisor knows it.
fn leave(world: &mut World, vm: Handle, host: Option<Handle>) -> Handle {
    let disks: Vec<Value> = world
        .referring("volume", "vm", vm)
        .map(|volume| {
            json!({
                "id": world.string(volume, "path"), "label": world.string(volume, "name"), "capacity": world.number(volume, "size"),
                "position": world.number(volume, "deviceid"), "datastorename": world.link(volume, "pool").map(|pool| world.string(pool, "name")),
            })
        })
        .collect();
    let nics: Vec<Value> = super::vm::nic_rows(world, vm)
        .iter()
        .map(|nic| {
            let network = world.link(*nic, "network").map(|network| world.id(network));
            json!({"id": world.string(*nic, "deviceid"), "macaddress": world.string(*nic, "macaddress"), "ipaddress": [world.string(*nic, "ipaddress")], "networkname": network})
        })
        .collect();
    let power = if world.text(vm, "state") == Some("Running") { "PowerOn" } else { "PowerOff" };
    let fields: [(&str, Datum); 7] = [
        ("name", world.string(vm, "instancename").into()),
        ("powerstate", power.into()),
        ("cpunumber", world.number(vm, "cpunumber").into()),
        ("cpuspeed", world.number(vm, "cpuspeed").into()),
        ("memory", world.number(vm, "memory").into()),
        ("disk", Value::Array(disks).into()),
        ("nic", Value::Array(nics).into()),
    ];
    let row = world.insert_as(world.kind(MACHINE_NOUN.word), 0, None, &fields);
    let cluster = host.and_then(|host| world.link(host, "cluster"));
    for (name, object) in [("host", host), ("cluster", cluster), ("ostype", world.link(vm, "ostype")), ("template", world.link(vm, "template"))] {
        if let Some(object) = object {
            world.set(row, name, object);
        }
    }
    row
}

/// The networks of an imported machine: those that the call maps its NICs to, else those that it was in.
fn networks(turn: &Turn<'_>, row: Handle) -> Vec<Handle> {
    let find = |id: &str| parse_id(id).and_then(|id| turn.world.by_id(id)).filter(|network| network.kind == turn.world.kind("network"));
    let told: Vec<Handle> = turn.arguments.records("nicnetworklist").filter_map(|record| find(record.get("network")?)).collect();
    if !told.is_empty() {
        return told;
    }
    let nics = turn.world.tree(row, "nic").and_then(Value::as_array);
    nics.into_iter().flatten().filter_map(|nic| find(nic.get("networkname")?.as_str()?)).collect()
}

fn import_unmanaged(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (cluster, offering, name) = (turn.target("clusterid")?, turn.target("serviceofferingid")?, turn.needed("name")?);
    if is_bare(turn) {
        return Err(Refusal::invalid(NO_MACHINES));
    }
    let row = turn.world.referring(MACHINE_NOUN.word, "cluster", cluster).find(|row| turn.world.text(*row, "name") == Some(&name));
    let Some(row) = row else { return Err(Refusal::failed(format!("Unable to retrieve Instance with name: {name}"))) };
    for size in ["cpunumber", "memory"] {
        if turn.world.number(offering, size) != turn.world.number(row, size) && !turn.world.flag(offering, "iscustomized") {
            let text = format!("Service offering has {size} {}, the Instance {}", turn.world.number(offering, size), turn.world.number(row, size));
            return Err(Refusal::invalid(text));
        }
    }
    let networks = networks(turn, row);
    if networks.is_empty() {
        return Err(Refusal::invalid("No network is known for the NIC of the Instance, give nicnetworklist"));
    }
    let template = turn.arguments.object("templateid").or(turn.world.link(row, "template"));
    let owner = turn.new_owner()?;
    super::limit::check(turn, owner, &[("user_vm", 1)])?;
    let zone = turn.world.link(cluster, "zone").or_else(|| super::place::only_zone(turn.world)).ok_or_else(Refusal::permission)?;
    let shown = turn.arguments.text("hostname").or(turn.arguments.text("displayname")).unwrap_or(&name).to_owned();
    let vm = appliance::machine(turn.world, &appliance::Plan { owner, name: &shown, zone, offering, template, networks: &networks });
    turn.world.set(vm, "instancename", name);
    Ok(turn.job(vm, WORK_LONG, move |turn| {
        attach_disks(turn.world, vm, (row, owner, zone));
        if turn.world.text(row, "powerstate") == Some("PowerOn") {
            appliance::start(turn.world, vm);
        }
        turn.world.remove(row);
        Ok(Outcome::Object(vm))
    }))
}

/// Makes the data disks of an imported machine.
fn attach_disks(world: &mut World, vm: Handle, (row, owner, zone): (Handle, Handle, Handle)) {
    let disks = world.tree(row, "disk").and_then(Value::as_array).cloned().unwrap_or_default();
    for disk in &disks {
        let number = |name: &str| disk.get(name).and_then(Value::as_i64).unwrap_or_default();
        let label = disk.get("label").and_then(Value::as_str).unwrap_or_default();
        if number("position") > 0 {
            let volume = appliance::disk(world, owner, label, (zone, number("capacity")));
            world.set(volume, "vm", vm);
            world.set(volume, "deviceid", number("position"));
        }
    }
}

fn import_elsewhere(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (zone, offering, name) = (turn.target("zoneid")?, turn.target("serviceofferingid")?, turn.needed("name")?);
    let source = turn.needed("importsource")?;
    if !SOURCES.iter().any(|known| known.eq_ignore_ascii_case(&source)) {
        return Err(Refusal::invalid(format!("Invalid import source {source}, it is one of {}", SOURCES.join(", "))));
    }
    let network = turn.arguments.object("networkid");
    let owner = turn.new_owner()?;
    super::limit::check(turn, owner, &[("user_vm", 1)])?;
    let shown = turn.arguments.text("displayname").unwrap_or(&name).to_owned();
    let networks: Vec<Handle> = network.into_iter().collect();
    let template = turn.arguments.object("templateid");
    let vm = appliance::machine(turn.world, &appliance::Plan { owner, name: &shown, zone, offering, template, networks: &networks });
    Ok(turn.job(vm, WORK_LONG, move |_| Ok(Outcome::Object(vm))))
}

fn unmanage_disk(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("id")?;
    if is_bare(turn) {
        return Err(Refusal::internal(NO_VOLUMES));
    }
    if turn.world.link(volume, "vm").is_some() {
        return Err(Refusal::failed("Volume is attached to an Instance, detach it first"));
    }
    let Some(pool) = turn.world.link(volume, "pool") else { return Err(Refusal::failed("Volume is not on a storage pool yet")) };
    Ok(turn.job(volume, WORK_MEDIUM, move |turn| {
        let (path, size) = (turn.world.string(volume, "path"), turn.world.number(volume, "size"));
        let fields: [(&str, Datum); 6] = [
            ("path", path.as_str().into()),
            ("name", path.as_str().into()),
            ("fullpath", format!("/mnt/{}/{path}", turn.world.id(pool)).into()),
            ("size", size.into()),
            ("virtualsize", size.into()),
            ("pool", pool.into()),
        ];
        turn.world.insert_as(turn.world.kind(DISK_NOUN.word), 0, None, &fields);
        turn.world.remove(volume);
        Ok(Outcome::Success)
    }))
}

fn import_disk(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (pool, path) = (turn.target("storageid")?, turn.needed("path")?);
    if is_bare(turn) {
        return Err(Refusal::internal(NO_VOLUMES));
    }
    let row = turn.world.referring(DISK_NOUN.word, "pool", pool).find(|row| turn.world.text(*row, "path") == Some(&path));
    let Some(row) = row else { return Err(Refusal::failed(format!("Cannot find volume on the storage pool with path {path}"))) };
    let owner = turn.new_owner()?;
    let zone = turn.world.link(pool, "zone").or_else(|| super::place::only_zone(turn.world)).ok_or_else(Refusal::permission)?;
    let size = turn.world.number(row, "size");
    super::limit::check(turn, owner, &[("volume", 1), ("primary_storage", size / super::volume::GIB)])?;
    let name = turn.arguments.text("name").unwrap_or(&path).to_owned();
    let offering = turn.arguments.object("diskofferingid");
    let volume = appliance::disk(turn.world, owner, &name, (zone, size));
    turn.world.set(volume, "pool", pool);
    turn.world.set(volume, "path", path);
    if let Some(offering) = offering {
        turn.world.set(volume, "diskoffering", offering);
    }
    turn.world.remove(row);
    Ok(turn.job(volume, WORK_MEDIUM, move |_| Ok(Outcome::Object(volume))))
}
