//! Objects that were removed: servers keep their rows and still find them by their ids. Lists show nothing then, and
//! most commands refuse in the same words; what the others do stands in a table here.
//!
//! Kinds whose rows servers really delete (rules, tags, keys) are not among these: their ids are unknown.

use crate::{
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Handle, World},
};

/// Kinds whose removed rows are still found by their ids, and what texts call them.
const REMEMBERED: &[(&str, &str)] = &[
    ("virtualmachine", "VirtualMachine"),
    ("volume", "Volume"),
    ("template", "VirtualMachineTemplate"),
    ("iso", "VirtualMachineTemplate"),
    ("snapshot", "Snapshot"),
    ("vmsnapshot", "VMSnapshot"),
    ("network", "Network"),
    ("vpc", "Vpc"),
    ("ipaddress", "IpAddress"),
    ("nic", "Nic"),
    ("router", "VirtualRouter"),
    ("systemvm", "VirtualMachine"),
    ("account", "Account"),
    ("user", "User"),
    ("domain", "Domain"),
    ("project", "Project"),
    ("zone", "DataCenter"),
    ("pod", "Pod"),
    ("cluster", "Cluster"),
    ("host", "Host"),
    ("storagepool", "StoragePool"),
    ("imagestore", "ImageStore"),
    ("role", "Role"),
    ("projectrole", "ProjectRole"),
    ("userdata", "UserData"),
    ("webhook", "Webhook"),
    ("instancegroup", "InstanceGroup"),
    ("serviceoffering", "ServiceOffering"),
    ("diskoffering", "DiskOffering"),
    ("networkoffering", "NetworkOffering"),
    ("vpcoffering", "VpcOffering"),
    ("physicalnetwork", "PhysicalNetwork"),
    ("backupoffering", "BackupOffering"),
    ("backup", "Backup"),
    ("privategateway", "PrivateGateway"),
    ("vpngateway", "Site2SiteVpnGateway"),
    ("vpncustomergateway", "Site2SiteCustomerGateway"),
    ("vpnconnection", "Site2SiteVpnConnection"),
    ("autoscalevmgroup", "AutoScaleVmGroup"),
    ("autoscalevmprofile", "AutoScaleVmProfile"),
    ("autoscalepolicy", "AutoScalePolicy"),
    ("condition", "Condition"),
    ("counter", "Counter"),
    ("vlaniprange", "Vlan"),
];

/// What a command does with an object that was removed.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// It refuses at once: code, inner code, text.
    Refuses(u16, u32, &'static str),
    /// Its job fails: code, text.
    Fails(u16, &'static str),
    /// Its job succeeds: there is nothing to do.
    Succeeds,
    /// It sees to it itself.
    Itself,
}

/// Commands that do something else than refuse in the general words.
const ANSWERS: &[(&str, Answer)] = &[
    ("disassociateIpAddress", Answer::Refuses(530, 4250, "Unable to find the address")),
    ("deleteNetwork", Answer::Fails(530, "Failed to delete network")),
    ("deleteSnapshot", Answer::Fails(431, "The snapshot is already destroyed")),
    ("deleteAccount", Answer::Succeeds),
    ("deleteDomain", Answer::Fails(431, "Failed to delete domain: it is not there")),
    ("disableUser", Answer::Fails(431, "Unable to find the user")),
    ("listNics", Answer::Refuses(530, 4250, "Virtual machine id does not exist")),
    ("queryAsyncJobResult", Answer::Itself),
];

/// Arguments of lists that say whose objects are wanted: those of nobody are asked for in vain.
const OWNERS: [&str; 2] = ["domainid", "projectid"];

/// What texts call a removed object, if its kind is one of those that are still found.
fn word(world: &World, handle: Handle) -> Option<&'static str> {
    let kind = world.description(handle.kind)?.word.as_ref();
    REMEMBERED.iter().find(|(known, _)| *known == kind).map(|(_, word)| *word)
}

/// Whether an id that was given stands for the object: it is there, or servers remember it.
pub(crate) fn is_found(world: &World, handle: Handle) -> bool {
    world.is_alive(handle) || word(world, handle).is_some()
}

/// The answer to a call that names an object which was removed, unless the command itself sees to it.
pub(crate) fn answer(turn: &Turn<'_>) -> Option<Result<Outcome, Refusal>> {
    let known = ANSWERS.iter().find(|(command, _)| *command == turn.command.name).map(|(_, answer)| *answer);
    if known.is_none() && turn.command.is_list() {
        return OWNERS.iter().find(|name| turn.arguments.object(name).is_some_and(|owner| !turn.world.is_alive(owner))).map(|name| {
            let id = turn.arguments.text(name).unwrap_or_default();
            Err(Refusal::invalid(format!("Unable to find an object of {name} {id}")))
        });
    }
    let named = turn.command.parameters.iter().filter(|parameter| parameter.takes_ids());
    let mut objects = named.flat_map(|parameter| turn.arguments.objects(&parameter.name).unwrap_or_default()).copied();
    let gone = objects.find(|object| !turn.world.is_alive(*object))?;
    let job = |finish: Result<Outcome, Refusal>| Some(Ok(turn.job(gone, WORK_SHORT, move |_| finish)));
    match known {
        Some(Answer::Itself) => None,
        Some(Answer::Refuses(code, inner, text)) => Some(Err(Refusal { code, inner: Some(inner), ..Refusal::internal(text) })),
        Some(Answer::Fails(431, text)) => job(Err(Refusal::invalid(text))),
        Some(Answer::Fails(_, text)) => job(Err(Refusal::failed(text))),
        Some(Answer::Succeeds) => job(Ok(Outcome::Success)),
        None => {
            let word = word(turn.world, gone).unwrap_or("Object");
            Some(Err(Refusal::invalid(format!("Unable to find UUID for id [{}] of type [{word}]", World::internal_number(gone)))))
        }
    }
}
