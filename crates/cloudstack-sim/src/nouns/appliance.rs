//! Machines and disks that services make for people: nodes of Kubernetes clusters, disks of shared file systems, machines
//! that come back from a backup or from a hypervisor. Not how people deploy machines.

use crate::world::{Datum, Handle, World};

/// The size of a root disk whose template tells none.
const ROOT_BYTES: i64 = 8 << 30;

/// A machine to be made.
pub(super) struct Plan<'a> {
    /// The account that owns it.
    pub(super) owner: Handle,
    /// Its name.
    pub(super) name: &'a str,
    /// Its zone.
    pub(super) zone: Handle,
    /// Its size.
    pub(super) offering: Handle,
    /// What its disk is made from, if anything.
    pub(super) template: Option<Handle>,
    /// Its networks, the default one first.
    pub(super) networks: &'a [Handle],
}

/// Makes a stopped machine with a root disk and its NICs.
pub(super) fn machine(world: &mut World, plan: &Plan<'_>) -> Handle {
    let number = world.next("instance", 1);
    let instance = super::instance_name(world, plan.owner, number);
    let mut fields: Vec<(&str, Datum)> = vec![
        ("name", plan.name.into()),
        ("displayname", plan.name.into()),
        ("state", "Stopped".into()),
        ("zone", plan.zone.into()),
        ("offering", plan.offering.into()),
        ("instancename", instance.into()),
    ];
    for name in ["cpunumber", "cpuspeed", "memory"] {
        fields.push((name, world.number(plan.offering, name).into()));
    }
    let user = world.owned(world.kind("user"), plan.owner).next();
    let os = plan.template.and_then(|template| world.link(template, "ostype"));
    for (name, object) in [("user", user), ("template", plan.template), ("ostype", os)] {
        if let Some(object) = object {
            fields.push((name, object.into()));
        }
    }
    let vm = world.insert(world.kind("virtualmachine"), Some(plan.owner), &fields);
    let size = plan.template.map_or(0, |template| world.number(template, "size"));
    let size = if size > 0 { size } else { ROOT_BYTES };
    let root = disk(world, plan.owner, &format!("ROOT-{number}"), (plan.zone, size));
    let told: [(&str, Datum); 4] = [("type", "ROOT".into()), ("deviceid", 0.into()), ("vm", vm.into()), ("offering", plan.offering.into())];
    told.into_iter().for_each(|(name, datum)| world.set(root, name, datum));
    if let Some(template) = plan.template {
        world.set(root, "template", template);
    }
    for network in plan.networks {
        super::network::attach(world, vm, *network, None);
    }
    vm
}

/// Makes a data disk of some bytes in a zone, on storage.
pub(super) fn disk(world: &mut World, owner: Handle, name: &str, (zone, bytes): (Handle, i64)) -> Handle {
    let fields: [(&str, Datum); 4] = [("name", name.into()), ("type", "DATADISK".into()), ("zone", zone.into()), ("size", bytes.into())];
    let volume = world.insert(world.kind("volume"), Some(owner), &fields);
    super::volume::place(world, volume);
    volume
}

/// Starts a machine where a host has room; whether one had.
pub(super) fn start(world: &mut World, vm: Handle) -> bool {
    let Some(host) = super::place::choose_host(world, world.link(vm, "zone")) else { return false };
    let stamp = world.timestamp();
    let told: [(&str, Datum); 5] =
        [("state", "Running".into()), ("host", host.into()), ("wasstarted", true.into()), ("wasplaced", true.into()), ("lastupdated", stamp.into())];
    told.into_iter().for_each(|(name, datum)| world.set(vm, name, datum));
    super::pulse::begin(world, vm);
    for nic in super::vm::nic_rows(world, vm).to_vec() {
        world.unset(nic, "released");
        if let Some(network) = world.link(nic, "network") {
            super::implement(world, network);
        }
    }
    true
}
