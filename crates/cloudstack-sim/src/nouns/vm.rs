//! Virtual machines: deployed, started, stopped, changed, destroyed, recovered, expunged.

use std::time::Duration;

use cloudstack_api::catalog::RoleType;
use serde_json::{Value, json};

use super::Tables;
use crate::{
    jobs::Chore,
    json::Json,
    kind::{
        ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, JOB_ID, JOB_STATUS, Member, Noun, PROJECT, PROJECT_ID, Shown, TAGS,
        Viewer, always, computed, field, flag, linked, own, own_or,
    },
    list::{self, Keyword},
    refusal::{Leftover, Refusal},
    turn::{Outcome, Turn, WORK_LONG, WORK_MEDIUM, WORK_SHORT},
    world::{Content, Datum, Handle, World},
};

/// Details that only root admins see and set.
const DENIED_DETAILS: [&str; 4] = ["rootdisksize", "cpuOvercommitRatio", "memoryOvercommitRatio", "Message.ReservedCapacityFreed.Flag"];
/// Details that others see and do not set.
const READ_ONLY_DETAILS: [&str; 2] = ["dataDiskController", "rootDiskController"];
/// States in which a machine can be worked on.
const AT_REST: [&str; 2] = ["Running", "Stopped"];
/// CloudStack's number and name of alerts about machines.
const MACHINE_ALERT: (i64, &str) = (8, "ALERT.USERVM");
/// How many characters the token of a console has.
const TOKEN_CHARACTERS: usize = 400;
/// How many digits and letters a generated password has.
const PASSWORD_CHARACTERS: usize = 9;

/// A virtual machine.
pub(crate) const VM_NOUN: Noun = Noun {
    word: "virtualmachine",
    entities: &["UserVmResponse", "VmMetricsResponse", "VirtualMachineResponse"],
    resource: "VirtualMachine",
    owned: true,
    keywords: &["name", "displayname"],
    newest_first: false,
    view: VIEW,
};

const VIEW: &[Member] = &[
    ID,
    own("name"),
    own("displayname"),
    ACCOUNT,
    linked("userid", "user", "id"),
    linked("username", "user", "username"),
    PROJECT_ID,
    PROJECT,
    DOMAIN_ID,
    DOMAIN,
    DOMAIN_PATH,
    CREATED,
    own("lastupdated"),
    own("state"),
    flag("haenable"),
    linked("groupid", "group", "id"),
    linked("group", "group", "name"),
    linked("zoneid", "zone", "id"),
    linked("zonename", "zone", "name"),
    linked("hostid", "host", "id").root(),
    linked("hostname", "host", "name").root(),
    computed("hostcontrolstate", control_state),
    linked("templateid", "template", "id"),
    linked("templatename", "template", "name"),
    linked("templatetype", "template", "templatetype"),
    linked("templateformat", "template", "format"),
    linked("templatedisplaytext", "template", "displaytext"),
    computed("passwordenabled", |world, vm, _| Some(Shown::Flag(world.link(vm, "template").is_some_and(|template| world.flag(template, "passwordenabled"))))),
    linked("isoid", "iso", "id"),
    linked("isoname", "iso", "name"),
    linked("isodisplaytext", "iso", "displaytext"),
    linked("serviceofferingid", "offering", "id"),
    linked("serviceofferingname", "offering", "name"),
    linked("diskofferingid", "diskoffering", "id"),
    linked("diskofferingname", "diskoffering", "name"),
    own("cpunumber"),
    own("cpuspeed"),
    own("memory"),
    computed("cpuused", |world, vm, _| measured(world, vm, Shown::Text("10%".to_owned()))),
    computed("networkkbsread", |world, vm, _| measured(world, vm, Shown::Number(32_768))),
    computed("networkkbswrite", |world, vm, _| measured(world, vm, Shown::Number(16_384))),
    computed("diskkbsread", |world, vm, _| measured(world, vm, Shown::Number(0))),
    computed("diskkbswrite", |world, vm, _| measured(world, vm, Shown::Number(0))),
    computed("memorykbs", |world, vm, _| measured(world, vm, Shown::Number(0))),
    computed("memoryintfreekbs", |world, vm, _| measured(world, vm, Shown::Number(0))),
    computed("memorytargetkbs", |world, vm, _| measured(world, vm, Shown::Number(0))),
    computed("diskioread", |world, vm, _| measured(world, vm, Shown::Number(0))),
    computed("diskiowrite", |world, vm, _| measured(world, vm, Shown::Number(0))),
    linked("guestosid", "ostype", "id"),
    computed("bootmode", |world, vm, _| boot(world, vm).map(|(_, mode)| Shown::Text(mode))),
    computed("boottype", |world, vm, _| boot(world, vm).map(|(kind, _)| Shown::Text(kind.to_owned()))),
    computed("rootdeviceid", |world, vm, _| (!world.flag(vm, "isdiskless")).then_some(Shown::Number(0))),
    computed("rootdevicetype", |world, vm, _| (!world.flag(vm, "isdiskless")).then(|| Shown::Text("ROOT".to_owned()))),
    always("securitygroup", Constant::Empty),
    computed("nic", nics),
    own("password"),
    own_or("hypervisor", Constant::Text("Simulator")),
    computed("ipaddress", address),
    computed("publicipid", |world, vm, _| public_address(world, vm).map(|address| Shown::Text(world.id(address)))),
    computed("publicip", |world, vm, _| public_address(world, vm).map(|address| Shown::Text(world.string(address, "ipaddress")))),
    own("instancename").root(),
    computed("details", details),
    always("readonlydetails", Constant::Text("dataDiskController,rootDiskController")).others(),
    own("keypairs"),
    computed("affinitygroup", affinity),
    own_or("displayvm", Constant::Flag(true)).root(),
    flag("isdynamicallyscalable"),
    flag("deleteprotection"),
    linked("ostypeid", "ostype", "id"),
    linked("osdisplayname", "ostype", "description"),
    computed("pooltype", |world, vm, _| world.flag(vm, "wasplaced").then(|| Shown::Text("NetworkFilesystem".to_owned()))),
    always("receivedbytes", Constant::Number(0)),
    always("sentbytes", Constant::Number(0)),
    always("arch", Constant::Text("x86_64")).root(),
    linked("userdataid", "userdataset", "id"),
    linked("userdataname", "userdataset", "name"),
    TAGS,
    HAS_ANNOTATIONS,
    JOB_ID,
    JOB_STATUS,
    field("userdata", "shownuserdata"),
];

/// The commands and filters of virtual machines.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("deployVirtualMachine", deploy),
        ("listVirtualMachines", list_vms),
        ("listVirtualMachinesMetrics", list_vms),
        ("startVirtualMachine", start),
        ("stopVirtualMachine", stop),
        ("rebootVirtualMachine", reboot),
        ("destroyVirtualMachine", destroy),
        ("recoverVirtualMachine", recover),
        ("expungeVirtualMachine", expunge),
        ("restoreVirtualMachine", restore),
        ("updateVirtualMachine", update),
        ("scaleVirtualMachine", scale),
        ("changeServiceForVirtualMachine", scale),
        ("migrateVirtualMachine", migrate),
        ("migrateVirtualMachineWithVolume", migrate),
        ("assignVirtualMachine", assign),
        ("resetPasswordForVirtualMachine", reset_password),
        ("resetSSHKeyForVirtualMachine", reset_key),
        ("resetUserDataForVirtualMachine", reset_user_data),
        ("createConsoleEndpoint", console),
        ("getVMPassword", password),
        ("getVirtualMachineUserData", user_data),
        ("findHostsForMigration", hosts_for_migration),
    ],
    filters: &[
        ("virtualmachine", "networkid", |turn, vm| {
            nic_rows(turn.world, vm).iter().any(|nic| list::argument_is(turn, "networkid", turn.world.link(*nic, "network")))
        }),
        ("virtualmachine", "affinitygroupid", |turn, vm| {
            affinity_rows(turn.world, vm).iter().any(|group| list::argument_is(turn, "affinitygroupid", Some(*group)))
        }),
        ("virtualmachine", "podid", |turn, vm| list::argument_is(turn, "podid", host_link(turn.world, vm, "pod"))),
        ("virtualmachine", "clusterid", |turn, vm| list::argument_is(turn, "clusterid", host_link(turn.world, vm, "cluster"))),
        ("virtualmachine", "keypair", |turn, vm| {
            turn.world.text(vm, "keypairs").is_some_and(|keys| keys.split(',').any(|key| Some(key) == turn.arguments.text("keypair")))
        }),
        ("virtualmachine", "userid", |turn, vm| list::argument_is(turn, "userid", turn.world.link(vm, "user"))),
        ("virtualmachine", "userdata", |_, _| true),
        ("virtualmachine", "accumulate", |_, _| true),
        ("virtualmachine", "forvirtualnetwork", |_, _| true),
        ("virtualmachine", "leased", |turn, _| !turn.arguments.flag("leased")),
        ("virtualmachine", "backupofferingid", |turn, vm| list::argument_is(turn, "backupofferingid", turn.world.link(vm, "backupoffering"))),
        ("virtualmachine", "autoscalevmgroupid", |turn, vm| list::argument_is(turn, "autoscalevmgroupid", turn.world.link(vm, "autoscalevmgroup"))),
        // Simulated machines are in no security group, whatever they are asked to be in.
        ("virtualmachine", "securitygroupid", |turn, vm| {
            turn.arguments.object("securitygroupid").is_some_and(|group| turn.world.links(vm, "securitygroups").contains(&group))
        }),
        ("virtualmachine", "isvnf", |turn, vm| template_is(turn, vm, "VNF") == turn.arguments.flag("isvnf")),
        ("virtualmachine", "extensionid", |turn, vm| {
            let template = turn.world.link(vm, "template");
            list::argument_is(turn, "extensionid", template.and_then(|template| turn.world.link(template, "extension")))
        }),
        ("virtualmachine", "gpuenabled", |turn, vm| {
            let offering = turn.world.link(vm, "offering");
            offering.is_some_and(|offering| turn.world.field(offering, "gpucount").is_some()) == turn.arguments.flag("gpuenabled")
        }),
        ("virtualmachine", "vpcid", |turn, vm| {
            let nics = nic_rows(turn.world, vm).iter();
            let vpc = |nic: &Handle| turn.world.link(turn.world.link(*nic, "network")?, "vpc");
            nics.map(vpc).any(|vpc| list::argument_is(turn, "vpcid", vpc))
        }),
        ("virtualmachine", "storageid", |turn, vm| {
            turn.world.referring("volume", "vm", vm).any(|volume| list::argument_is(turn, "storageid", turn.world.link(volume, "pool")))
        }),
    ],
};

/// What was measured of a machine: it stays when the machine stops.
fn measured(world: &World, vm: Handle, shown: Shown) -> Option<Shown> {
    super::pulse::is_sampled(world, vm).then_some(shown)
}

fn host_link(world: &World, vm: Handle, name: &str) -> Option<Handle> {
    world.link(world.link(vm, "host")?, name)
}

/// What can be done to a machine's host.
pub(super) fn control_state(world: &World, vm: Handle, _: Viewer) -> Option<Shown> {
    let host = world.link(vm, "host")?;
    let word = match (world.text(host, "state"), world.text(host, "resourcestate")) {
        (Some("Alert" | "Down" | "Disconnected"), _) => "Offline",
        (_, Some("Maintenance" | "PrepareForMaintenance" | "ErrorInMaintenance" | "ErrorInPrepareForMaintenance")) => "Maintenance",
        (_, None | Some("Enabled")) => "Enabled",
        _ => "Disabled",
    };
    Some(Shown::Text(word.to_owned()))
}

/// How a machine boots, as far as servers tell: where a detail says so, or where there are no details at all.
fn boot(world: &World, vm: Handle) -> Option<(&'static str, String)> {
    let details = all_details(world, vm);
    if let Some(mode) = details.get("UEFI").and_then(Value::as_str) {
        return Some(("Uefi", mode.to_lowercase()));
    }
    details.is_empty().then(|| ("Bios", "legacy".to_owned()))
}

/// The public address that stands for a machine alone.
pub(super) fn public_address(world: &World, vm: Handle) -> Option<Handle> {
    world.referring("ipaddress", "vm", vm).find(|address| world.flag(*address, "isstaticnat"))
}

/// The NICs of a machine.
pub(crate) fn nic_rows(world: &World, vm: Handle) -> &[Handle] {
    world.links(vm, "nics")
}

/// Whether a machine was made from a template of a type.
fn template_is(turn: &Turn<'_>, vm: Handle, kind: &str) -> bool {
    turn.world.link(vm, "template").is_some_and(|template| turn.world.text(template, "templatetype") == Some(kind))
}

/// What a keyword means of machines beside their names: their state, one of their addresses, and to root their inner name.
pub(super) fn searched<'a>(turn: &'a Turn<'_>, keyword: &'a Keyword) -> Box<dyn Fn(Handle) -> bool + 'a> {
    let world = &*turn.world;
    let wanted = turn.arguments.text("keyword").unwrap_or_default();
    let is_like_address = wanted.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':'));
    let kind = world.kind("virtualmachine");
    let field = |name: &str| world.known_key(name).map(|key| world.reader(kind, key));
    let (state, inner) = (field("state"), field("instancename").filter(|_| turn.caller.is_root()));
    let holds = move |row: Handle| world.text(row, "ipaddress").is_some_and(|address| address.contains(wanted));
    Box::new(move |vm| {
        state.and_then(|state| state.text(vm)).is_some_and(|state| state.eq_ignore_ascii_case(wanted))
            || inner.and_then(|inner| inner.text(vm)).is_some_and(|inner| keyword.is_in(inner))
            || is_like_address && (nic_rows(world, vm).iter().any(|nic| holds(*nic)) || world.referring("ipaddress", "vm", vm).any(holds))
    })
}

/// The affinity groups of a machine.
pub(crate) fn affinity_rows(world: &World, vm: Handle) -> &[Handle] {
    world.links(vm, "affinitygroups")
}

fn nics(world: &World, vm: Handle, viewer: Viewer) -> Option<Shown> {
    let mut json = Json::with_capacity(512);
    json.open_array();
    for nic in nic_rows(world, vm) {
        // Lists of NICs say nothing where there are no further addresses; machines say so.
        if world.links(*nic, "secondaries").is_empty() {
            json.open();
            world.render_members(*nic, viewer, &[], &mut json);
            json.key("secondaryip");
            json.raw("[]");
            json.close();
        } else {
            world.render(*nic, viewer, &mut json);
        }
    }
    json.close_array();
    Some(Shown::Raw(json.into_text()))
}

fn affinity(world: &World, vm: Handle, _: Viewer) -> Option<Shown> {
    let mut json = Json::default();
    json.open_array();
    for group in affinity_rows(world, vm) {
        json.open();
        json.member("id", &world.id(*group));
        json.member("name", world.text(*group, "name").unwrap_or_default());
        if let Some(text) = world.text(*group, "description") {
            json.member("description", text);
        }
        if let Some(owner) = world.owner(*group) {
            json.member("account", world.text(owner, "name").unwrap_or_default());
        }
        json.close();
    }
    json.close_array();
    Some(Shown::Raw(json.into_text()))
}

/// What people said and what the server notes: SSH keys for everybody, its own notes for root.
fn details(world: &World, vm: Handle, viewer: Viewer) -> Option<Shown> {
    let mut shown = all_details(world, vm);
    if !viewer.root {
        shown.retain(|name, _| !DENIED_DETAILS.contains(&name.as_str()));
    }
    Some(Shown::Raw(Value::Object(shown).to_string()))
}

/// All details of a machine, those among them that only root sees in its view.
pub(crate) fn all_details(world: &World, vm: Handle) -> serde_json::Map<String, Value> {
    let mut shown = world.tree(vm, "details").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut note = |name: &str, value: &str| shown.insert(name.to_owned(), value.into());
    if let Some(keys) = world.text(vm, "keypairs") {
        note("SSH.KeyPairNames", keys);
        let public = keys.split(',').filter_map(|key| world.find("sshkeypair", "name", key)).map(|key| world.string(key, "publickey"));
        note("SSH.PublicKey", &public.collect::<Vec<_>>().join("\n"));
    }
    if !world.flag(vm, "wasstarted") {
        note("deployvm", "true");
    }
    if world.flag(vm, "wasstopped") {
        note("Message.ReservedCapacityFreed.Flag", "false");
    }
    if let Some(factor) = world.text(vm, "overcommit") {
        note("cpuOvercommitRatio", factor);
    }
    shown
}

fn address(world: &World, vm: Handle, _: Viewer) -> Option<Shown> {
    let nics = nic_rows(world, vm);
    let first = nics.iter().find(|nic| world.flag(**nic, "isdefault")).or(nics.first())?;
    world.text(*first, "ipaddress").map(|text| Shown::Text(text.to_owned()))
}

fn list_vms(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("virtualmachine");
    let wanted = turn.arguments.list("details").into_iter().find(|detail| !VM_DETAILS.contains(detail));
    if let Some(unknown) = wanted {
        return Err(Refusal::invalid(format!("The details parameter contains a non permitted value. The allowed values are [{}]", VM_DETAILS.join(", "))))
            .map_err(|mut refusal| {
                refusal.text.push_str(if unknown.is_empty() { " " } else { "" });
                refusal
            });
    }
    let wants_present = turn.arguments.text("state").is_some_and(|state| state.eq_ignore_ascii_case("present"));
    if super::server::may(turn, "allow.user.view.destroyed.vm") && !wants_present {
        return list::list(turn, kind);
    }
    let state = turn.world.key("state");
    list::list_where(turn, kind, move |world, vm| !matches!(world.datum(vm, state), Some(Content::Text("Destroyed" | "Expunging"))))
}

const VM_DETAILS: &[&str] = &["all", "group", "nics", "stats", "secgrp", "tmpl", "servoff", "diskoff", "backoff", "iso", "volume", "min", "affgrp", "vnfnics"];

/// The name that a hypervisor knows a machine by.
pub(crate) fn instance_name(world: &World, account: Handle, number: u64) -> String {
    format!("i-{}-{number}-VM", World::internal_number(account).max(2) - u64::from(world.link(account, "project").is_none()) + 1)
}

fn check_name(turn: &Turn<'_>, name: &str) -> Result<(), Refusal> {
    let letters = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    if letters && (1..=63).contains(&name.len()) && !name.starts_with(|letter: char| !letter.is_ascii_alphabetic()) && !name.ends_with('-') {
        return Ok(());
    }
    let said = crate::arguments::said_name(&turn.command);
    Err(Refusal::argument(format!(
        "Unable to execute API command {said} due to invalid value. Invalid value provided for API arg: name - it can contain ASCII letters 'a' through 'z', the digits '0' through '9', and the hyphen ('-'), must be between 1 and 63 characters long, and can't start or end with \"-\" and can't start with digit"
    )))
}

/// The size of a machine: CPUs, MHz each, MiB.
fn size(turn: &Turn<'_>, offering: Handle) -> Result<(i64, i64, i64), Refusal> {
    let world = &*turn.world;
    if !world.flag(offering, "iscustomized") {
        return Ok((world.number(offering, "cpunumber"), world.number(offering, "cpuspeed"), world.number(offering, "memory")));
    }
    let details = turn.arguments.merged("details");
    let number = |name: &str| details.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.parse::<i64>().ok());
    let speed = number("cpuSpeed").or(Some(world.number(offering, "cpuspeed")).filter(|speed| *speed > 0));
    match (number("cpuNumber"), speed, number("memory")) {
        (Some(cpus), Some(speed), Some(memory)) => Ok((cpus, speed, memory)),
        _ => Err(Refusal::invalid("Need to specify custom parameter values cpu, cpu speed and memory when using custom offering")),
    }
}

/// What a new machine is made from.
struct Make {
    zone: Handle,
    offering: Handle,
    template: Handle,
    owner: Handle,
    size: (i64, i64, i64),
    keys: Option<String>,
}

/// Reads what a new machine is made from, in the server's order of checks.
fn read_make(turn: &Turn<'_>) -> Result<Make, Refusal> {
    let offering = turn.target("serviceofferingid")?;
    let zone = turn.target("zoneid")?;
    let disk = turn.arguments.object("volumeid").or_else(|| turn.arguments.object("snapshotid").and_then(|snapshot| turn.world.link(snapshot, "volume")));
    let template = turn.arguments.object("templateid").or_else(|| turn.arguments.object("isoid")).or_else(|| turn.world.link(disk?, "template"));
    let Some(template) = template else { return Err(Refusal::invalid("Unable to use template null")) };
    if let Some(name) = turn.arguments.text("name") {
        check_name(turn, name)?;
    }
    let owner = turn.new_owner()?;
    super::zone::check_enabled(turn, zone)?;
    if turn.world.text(offering, "state") == Some("Inactive") || turn.world.flag(offering, "issystem") {
        return Err(Refusal::invalid(format!("Unable to use the service offering {}", turn.world.id(offering))));
    }
    let disk = turn.arguments.object("diskofferingid");
    if template.kind == turn.world.kind("iso") {
        if disk.is_none() {
            return Err(Refusal::invalid("Installing from ISO requires a disk offering to be specified for the root disk"));
        }
        if !turn.world.flag(template, "bootable") && turn.world.field(template, "bootable").is_some() {
            return Err(Refusal::invalid("Installing from ISO requires an ISO that is bootable"));
        }
    }
    if disk.is_some_and(|disk| turn.world.flag(disk, "iscustomized")) && turn.arguments.number("size").is_none() {
        return Err(Refusal::invalid("This disk offering requires a custom size specified"));
    }
    if let Some(text) = turn.arguments.text("userdata") {
        super::key::check_user_data(turn, text)?;
    }
    let size = size(turn, offering)?;
    check_custom(turn, offering, size)?;
    check_boot(turn)?;
    check_root_size(turn, template)?;
    check_extra(turn)?;
    let disks = 1 + i64::from(disk.is_some());
    let gib = super::volume::wanted_gib(turn, template);
    super::limit::check(turn, owner, &[("user_vm", 1), ("cpu", size.0), ("memory", size.2), ("volume", disks), ("primary_storage", gib)])?;
    let keys = super::key::named_pairs(turn, Some(owner))?;
    super::key::affinity_groups(turn)?;
    Ok(Make { zone, offering, template, owner, size, keys })
}

/// Whether a custom size is within what its offering allows.
fn check_custom(turn: &Turn<'_>, offering: Handle, (cpus, _, memory): (i64, i64, i64)) -> Result<(), Refusal> {
    let details = turn.world.tree(offering, "serviceofferingdetails");
    let bound = |name: &str| details.and_then(|details| details.get(name)).and_then(Value::as_str).and_then(|text| text.parse::<i64>().ok());
    for (word, number, least, most) in [("cpu cores", cpus, "mincpunumber", "maxcpunumber"), ("memory", memory, "minmemory", "maxmemory")] {
        let (least, most) = (bound(least).unwrap_or(1), bound(most).unwrap_or(i64::from(i32::MAX)));
        if turn.world.flag(offering, "iscustomized") && !(least..=most).contains(&number) {
            return Err(Refusal::invalid(format!("Invalid {word} value, specify a value between {least} and {most}")));
        }
    }
    Ok(())
}

/// Refuses ways to boot that nobody knows, and UEFI without its mode.
fn check_boot(turn: &Turn<'_>) -> Result<(), Refusal> {
    let Some(kind) = turn.arguments.text("boottype") else { return Ok(()) };
    let is_known = |word: &str, known: [&str; 2]| known.iter().any(|known| known.eq_ignore_ascii_case(word.trim()));
    if !is_known(kind, ["UEFI", "BIOS"]) {
        return Err(Refusal::invalid(format!("Invalid bootType {kind}. Valid values are: [UEFI, BIOS]")));
    }
    match turn.arguments.text("bootmode") {
        Some(mode) if is_known(mode, ["LEGACY", "SECURE"]) => Ok(()),
        Some(mode) => Err(Refusal::invalid(format!("Invalid bootmode: {mode}. Valid values are: [LEGACY, SECURE]"))),
        None if is_known(kind, ["UEFI", "UEFI"]) => Err(Refusal::invalid("bootmode must be specified for boot type UEFI. Valid values are: [LEGACY, SECURE]")),
        // Servers stumble over the other type without a mode.
        None => Err(Refusal { masked: true, ..Refusal::failed("there is no mode to boot in") }),
    }
}

/// Refuses root disks of no size, and those that their template does not fit on.
fn check_root_size(turn: &Turn<'_>, template: Handle) -> Result<(), Refusal> {
    let Some(gib) = turn.arguments.number("rootdisksize") else { return Ok(()) };
    if gib <= 0 {
        return Err(Refusal::invalid("Root disk size should be a positive number."));
    }
    let least = turn.world.number(template, "size");
    if gib.saturating_mul(super::volume::GIB) < least {
        return Err(Refusal::invalid(format!("Unsupported: rootdisksize override ({gib} GB) is smaller than template size {least}")));
    }
    Ok(())
}

/// Refuses more configuration than a setting lets callers send along.
fn check_extra(turn: &Turn<'_>) -> Result<(), Refusal> {
    let is_on = super::tenancy::setting(turn, "enable.additional.vm.configuration") == Some("true");
    match turn.arguments.text("extraconfig") {
        Some(text) if !text.trim().is_empty() && !is_on => Err(Refusal::invalid("attempted setting extraconfig but it is not enabled")),
        _ => Ok(()),
    }
}

/// Makes a machine.
pub(super) fn deploy(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let make = read_make(turn)?;
    let networks = super::network::choose(turn, make.owner, make.zone)?;
    let id = turn.world.fresh_id();
    let name = turn.arguments.text("name").map_or_else(|| format!("VM-{}", crate::world::id_text(id)), str::to_owned);
    check_unique(turn, &name, &networks.iter().map(|wish| wish.network).collect::<Vec<_>>())?;
    let number = turn.world.next("instance", 1);
    let stamp = turn.world.timestamp();
    let starts = turn.arguments.truth("startvm") != Some(false);
    let kind = turn.world.kind("virtualmachine");
    let display = turn.arguments.text("displayname").unwrap_or(&name).to_owned();
    let instance = instance_name(turn.world, make.owner, number);
    let mut details = turn.arguments.merged("details");
    if let Some(gib) = turn.arguments.text("rootdisksize") {
        details.insert("rootdisksize".to_owned(), gib.to_owned());
    }
    if turn.arguments.text("boottype").is_some_and(|kind| kind.eq_ignore_ascii_case("uefi")) {
        let mode = turn.arguments.text("bootmode").unwrap_or("LEGACY").to_uppercase();
        details.insert("UEFI".to_owned(), mode);
    }
    if let Some(keyboard) = turn.arguments.text("keyboard") {
        details.insert("keyboard".to_owned(), keyboard.to_owned());
    }
    let fields: Vec<(&str, Datum)> = vec![
        ("name", name.into()),
        ("displayname", display.into()),
        ("user", turn.caller.user.into()),
        ("state", if starts { "Starting" } else { "Stopped" }.into()),
        ("zone", make.zone.into()),
        ("template", make.template.into()),
        ("offering", make.offering.into()),
        ("cpunumber", make.size.0.into()),
        ("cpuspeed", make.size.1.into()),
        ("memory", make.size.2.into()),
        ("instancename", instance.into()),
        ("details", json!(details).into()),
    ];
    let vm = turn.world.insert_as(kind, id, Some(make.owner), &fields);
    if let Some(keys) = make.keys {
        turn.world.set(vm, "keypairs", keys);
    }
    if !turn.world.flag(make.template, "isready") {
        return Err(left_in_error(turn, vm, make.template, &networks));
    }
    if starts {
        turn.world.set(vm, "lastupdated", stamp);
    }
    dress(turn, vm, make.template)?;
    super::volume::make_root(turn, vm, make.template, number);
    super::network::attach_all(turn, vm, &networks);
    Ok(turn.making(vm, WORK_LONG, move |turn| {
        turn.world.unset(vm, "password");
        if starts && turn.world.text(vm, "state") == Some("Starting") {
            power_on(turn, vm, true)?;
        }
        Ok(Outcome::Object(vm))
    }))
}

/// A machine whose template is not there stays behind, to be expunged, and is named in the refusal.
fn left_in_error(turn: &mut Turn<'_>, vm: Handle, template: Handle, networks: &[super::network::Wish]) -> Refusal {
    turn.world.set(vm, "state", "Error");
    let stamp = turn.world.timestamp();
    turn.world.set(vm, "lastupdated", stamp);
    turn.world.set(vm, "isdiskless", true);
    let hypervisor = turn.world.string(template, "hypervisor");
    turn.world.set(vm, "hypervisor", hypervisor);
    if let Some(os) = turn.world.link(template, "ostype") {
        turn.world.set(vm, "ostype", os);
    }
    super::network::attach_all(turn, vm, networks);
    expunge_later(turn, vm);
    let (id, template) = (turn.world.id(vm), turn.world.id(template));
    let leftover = Leftover { id, description: "virtualmachineid", is_versioned: turn.world.is_old };
    Refusal { leftover: Some(leftover), ..Refusal::internal(format!("template {template} has not been completely downloaded to zone")) }
}

/// Whether a name is free in networks. Machines in error keep theirs until they are expunged.
fn check_unique(turn: &Turn<'_>, name: &str, networks: &[Handle]) -> Result<(), Refusal> {
    for network in networks {
        let taken = turn
            .world
            .referring("nic", "network", *network)
            .any(|nic| turn.world.link(nic, "vm").is_some_and(|vm| turn.world.text(vm, "name").is_some_and(|known| known.eq_ignore_ascii_case(name))));
        if taken {
            let domain = turn.world.string(*network, "networkdomain");
            let network = turn.world.string(*network, "name");
            return Err(Refusal::invalid(format!("The vm with hostName {name} already exists in the network domain: {domain}; network={network}")));
        }
    }
    Ok(())
}

/// What a new machine gets besides its size: OS type, keys, groups, user data.
fn dress(turn: &mut Turn<'_>, vm: Handle, template: Handle) -> Result<(), Refusal> {
    if let Some(os) = turn.world.link(template, "ostype") {
        turn.world.set(vm, "ostype", os);
    }
    let root = if template.kind == turn.world.kind("iso") {
        turn.world.set(vm, "iso", template);
        turn.arguments.object("diskofferingid")
    } else {
        turn.arguments.object("overridediskofferingid")
    };
    if let Some(offering) = root {
        turn.world.set(vm, "diskoffering", offering);
    }
    if let Some(text) = turn.arguments.text("hypervisor").map(str::to_owned) {
        turn.world.set(vm, "hypervisor", text);
    }
    super::key::dress_with_user_data(turn, vm);
    let owner = turn.world.owner(vm);
    if let Some(group) = turn.arguments.text("group").map(str::to_owned) {
        let group = super::key::group_named(turn, owner, &group);
        turn.world.set(vm, "group", group);
    }
    let groups = super::key::affinity_groups(turn)?;
    if !groups.is_empty() {
        turn.world.set(vm, "affinitygroups", Datum::Links(groups.into()));
    }
    if turn.arguments.flag("deleteprotection") {
        turn.world.set(vm, "deleteprotection", true);
    }
    Ok(())
}

/// What a machine asks of its host: what the call says, and what its affinity groups demand.
fn demand(turn: &Turn<'_>, vm: Handle, is_new: bool) -> super::place::Demand {
    let world = &*turn.world;
    let within = [("pod", "podid"), ("cluster", "clusterid")];
    let zone = world.link(vm, "zone");
    let mut demand = super::place::Demand {
        host: turn.arguments.object("hostid"),
        within: within
            .into_iter()
            .filter_map(|(field, argument)| Some((field, turn.arguments.object(argument)?)))
            .chain(zone.map(|zone| ("zone", zone)))
            .collect(),
        size: (world.number(vm, "cpunumber"), world.number(vm, "memory")),
        ..Default::default()
    };
    // Disks that are on the storage of a cluster keep their machine there.
    let home = world.referring("volume", "vm", vm).find_map(|volume| world.link(volume, "cluster"));
    demand.within.extend(home.map(|cluster| ("cluster", cluster)));
    let (for_new, for_old) = super::place::first_clusters(world, zone);
    demand.first = if is_new { for_new } else { for_old };
    for group in affinity_rows(world, vm) {
        let others = world.rows(vm_kind(world)).filter(|other| *other != vm && affinity_rows(world, *other).contains(group));
        let hosts = others.filter_map(|other| world.link(other, "host"));
        match world.text(*group, "type") {
            Some("host anti-affinity") => demand.apart.extend(hosts),
            Some("host affinity") => demand.together.extend(hosts),
            _ => {}
        }
    }
    demand
}

fn vm_kind(world: &World) -> crate::world::KindId {
    world.kind("virtualmachine")
}

/// Lets a machine run: on a host, in its networks, with its volumes.
fn power_on(turn: &mut Turn<'_>, vm: Handle, first: bool) -> Result<(), Refusal> {
    let demand = demand(turn, vm, first);
    let host = super::place::host_for(turn.world, &demand);
    let Some(host) = host else { return Err(cannot_start(turn, vm, first)) };
    turn.world.set(vm, "state", "Running");
    turn.world.set(vm, "host", host);
    turn.world.set(vm, "wasstarted", true);
    super::pulse::begin(turn.world, vm);
    turn.world.set(vm, "wasplaced", true);
    let factor = turn.world.link(host, "cluster").and_then(|cluster| turn.world.text(cluster, "overcommit")).map(str::to_owned);
    if let Some(factor) = factor {
        turn.world.set(vm, "overcommit", factor);
    }
    touch(turn.world, vm);
    for nic in nic_rows(turn.world, vm).to_vec() {
        turn.world.unset(nic, "released");
        if let Some(network) = turn.world.link(nic, "network") {
            super::implement(turn.world, network);
        }
    }
    super::volume::ready(turn.world, vm);
    let wants_password = turn.world.link(vm, "template").is_some_and(|template| turn.world.flag(template, "passwordenabled"));
    if first && wants_password {
        give_password(turn.world, vm);
    }
    Ok(())
}

/// Starts a machine again that its storage had kept from running; where no host takes it, it stays stopped.
pub(super) fn resume(turn: &mut Turn<'_>, vm: Handle) {
    turn.world.unset(vm, "heldby");
    if turn.world.text(vm, "state") == Some("Stopped") {
        drop(power_on(turn, vm, false));
    }
}

/// A machine that cannot run: a new one is in error until it is expunged, another stays stopped.
fn cannot_start(turn: &mut Turn<'_>, vm: Handle, first: bool) -> Refusal {
    if first {
        fall(turn, vm);
    } else {
        touch(turn.world, vm);
        turn.world.set(vm, "state", "Stopped");
    }
    let (name, id) = (turn.world.string(vm, "instancename"), turn.world.id(vm));
    let said = format!("VM instance {{\"instanceName\":\"{name}\",\"uuid\":\"{id}\"}}");
    Refusal::failed(format!("Unable to orchestrate the start of {said} due to insufficient capacity."))
}

/// Leaves a new machine in error, with an alert, until it is expunged.
pub(crate) fn fall(turn: &mut Turn<'_>, vm: Handle) {
    touch(turn.world, vm);
    turn.world.set(vm, "state", "Error");
    turn.world.set(vm, "wasstopped", true);
    release(turn.world, vm);
    let text = format!("Failed to deploy Vm {}, on Host null with Id: null", said(turn.world, vm));
    let stamp = turn.world.timestamp();
    let fields: [(&str, Datum); 4] = [("type", MACHINE_ALERT.0.into()), ("name", MACHINE_ALERT.1.into()), ("description", text.into()), ("sent", stamp.into())];
    let kind = turn.world.kind("alert");
    turn.world.insert(kind, None, &fields);
    expunge_later(turn, vm);
}

/// Takes the machine's NICs off the wire.
fn release(world: &mut World, vm: Handle) {
    for nic in nic_rows(world, vm).to_vec() {
        world.set(nic, "released", true);
    }
}

fn give_password(world: &mut World, vm: Handle) {
    let password: String = (0..PASSWORD_CHARACTERS).map(|_| world.random.alphanumeric()).collect();
    world.set(vm, "password", password);
    // The password is told once, in the result of the job that set it.
    world.later(Duration::from_nanos(1), move |world| world.unset(vm, "password"));
}

fn touch(world: &mut World, vm: Handle) {
    let stamp = world.timestamp();
    world.set(vm, "lastupdated", stamp);
}

fn said(world: &World, vm: Handle) -> String {
    format!(
        "VM instance {{\"id\":{},\"instanceName\":\"{}\",\"state\":\"{}\",\"type\":\"User\",\"uuid\":\"{}\"}}",
        World::internal_number(vm),
        world.string(vm, "instancename"),
        world.string(vm, "state"),
        world.id(vm)
    )
}

/// Puts a machine into a state on the way, unless another job is at work on it: its turn comes later, then.
fn begin(world: &mut World, vm: Handle, from: &str, state: &'static str) {
    if world.text(vm, "state") == Some(from) && world.job_on(vm).is_none() {
        world.set(vm, "state", state);
    }
}

fn start(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    let is_off = turn.world.owner(vm).is_some_and(|owner| turn.world.text(owner, "state") == Some("disabled"));
    let check = match turn.world.text(vm, "state") {
        _ if is_off => Err(Refusal::forbidden(format!("The owner of {} is disabled", said(turn.world, vm)))),
        Some("Running") => {
            let (id, name) = (turn.world.id(vm), turn.world.string(vm, "displayname"));
            Err(Refusal::invalid(format!("The virtual machine {id} ({name}) is already running")))
        }
        Some("Destroyed" | "Expunging" | "Error") => Err(Refusal::failed(format!("Unable to orchestrate the start of {}", said(turn.world, vm)))),
        _ => Ok(()),
    };
    if check.is_ok() {
        begin(turn.world, vm, "Stopped", "Starting");
    }
    Ok(turn.checked_job(vm, WORK_MEDIUM, check, move |turn| {
        match turn.world.text(vm, "state") {
            Some("Running") => {}
            Some("Stopped" | "Starting") => power_on(turn, vm, false)?,
            _ => return Err(Refusal::failed(format!("Unable to start a vm in state {}: {}", turn.world.string(vm, "state"), said(turn.world, vm)))),
        }
        Ok(Outcome::Object(vm))
    }))
}

fn stop(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    begin(turn.world, vm, "Running", "Stopping");
    Ok(turn.job(vm, WORK_MEDIUM, move |turn| {
        power_off(turn.world, vm);
        Ok(Outcome::Object(vm))
    }))
}

/// Stops a machine if it runs.
pub(crate) fn power_off(world: &mut World, vm: Handle) {
    if matches!(world.text(vm, "state"), Some("Running" | "Stopping" | "Starting")) {
        super::pulse::end(world, vm);
        world.set(vm, "state", "Stopped");
        world.unset(vm, "host");
        world.set(vm, "wasstopped", true);
        touch(world, vm);
        release(world, vm);
        super::network::leave(world, vm);
    }
}

fn reboot(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    let check = if turn.world.text(vm, "state") == Some("Running") {
        Ok(())
    } else {
        let (id, name) = (turn.world.id(vm), turn.world.string(vm, "displayname"));
        Err(Refusal::invalid(format!("The Instance {id} ({name}) is not running, unable to reboot it")))
    };
    Ok(turn.checked_job(vm, WORK_MEDIUM, check, move |turn| {
        if turn.world.text(vm, "state") != Some("Running") {
            return Err(Refusal::failed(format!("Unable to reboot {}", said(turn.world, vm))));
        }
        touch(turn.world, vm);
        Ok(Outcome::Object(vm))
    }))
}

fn check_destroyable(turn: &Turn<'_>, vm: Handle) -> Result<(), Refusal> {
    if turn.arguments.flag("expunge") && !super::server::may(turn, "allow.user.expunge.recover.vm") {
        return Err(Refusal::failed("Account does not have permission for expunging."));
    }
    if turn.world.flag(vm, "deleteprotection") {
        let (id, name) = (turn.world.id(vm), turn.world.string(vm, "instancename"));
        return Err(Refusal::invalid(format!("Instance [id = {id}, name = {name}] has delete protection enabled and cannot be deleted.")));
    }
    let volumes = turn.arguments.objects("volumeids").unwrap_or_default();
    let foreign = |volume: &Handle| turn.world.link(*volume, "vm") != Some(vm);
    let root = |volume: &Handle| turn.world.text(*volume, "type") != Some("DATADISK");
    if volumes.iter().any(|volume| foreign(volume) || root(volume)) {
        return Err(Refusal::invalid(format!("Only data disks that are attached to {} can be deleted with it", turn.world.string(vm, "instancename"))));
    }
    Ok(())
}

fn destroy(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    let expunges = turn.arguments.flag("expunge");
    let check = check_destroyable(turn, vm);
    if check.is_ok() {
        begin(turn.world, vm, "Running", "Stopping");
    }
    Ok(turn.checked_job(vm, WORK_MEDIUM, check, move |turn| {
        if !turn.world.is_alive(vm) {
            return Err(Refusal::failed("The machine is expunged"));
        }
        let volumes: Vec<Handle> = turn.arguments.objects("volumeids").map(<[Handle]>::to_vec).unwrap_or_default();
        for volume in volumes {
            super::volume::detach_from(turn.world, volume);
            turn.world.remove(volume);
        }
        let was = turn.world.string(vm, "state");
        power_off(turn.world, vm);
        if was != "Destroyed" {
            super::pulse::forget(turn.world, vm);
            turn.world.set(vm, "state", "Destroyed");
            touch(turn.world, vm);
        }
        if expunges {
            wipe(turn.world, vm);
            let bare = json!({"securitygroup": [], "nic": [], "affinitygroup": [], "deleteprotection": false, "tags": []});
            return Ok(Outcome::Shown("virtualmachine".to_owned(), bare.to_string()));
        }
        if was != "Destroyed" {
            expunge_later(turn, vm);
        }
        Ok(Outcome::Object(vm))
    }))
}

/// Machines that were destroyed, or never came to be, are expunged when their time is up, unless they were recovered
/// before. One that was recovered and destroyed again has its full time again.
fn expunge_later(turn: &mut Turn<'_>, vm: Handle) {
    let delay = Duration::from_secs(turn.server.options.tuning.expunge_delay_seconds);
    let due = millis(turn.world.now + delay);
    turn.world.set(vm, "expungeat", due);
    turn.world.due(delay, Chore::ExpungeMachine, vm);
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Expunges a machine whose time is up.
pub(crate) fn expunge_due(world: &mut World, vm: Handle) {
    let is_left = matches!(world.text(vm, "state"), Some("Destroyed" | "Error"));
    if is_left && world.number(vm, "expungeat") == millis(world.now) {
        wipe(world, vm);
    }
}

/// Takes a machine and what hangs on it out of the world; data volumes are detached and stay.
pub(crate) fn wipe(world: &mut World, vm: Handle) {
    let volumes: Vec<Handle> = world.referring("volume", "vm", vm).collect();
    for volume in volumes {
        if world.text(volume, "type") == Some("ROOT") {
            world.remove(volume);
        } else {
            super::volume::detach_from(world, volume);
        }
    }
    super::nic::forget_all(world, vm);
    let snapshots: Vec<Handle> = world.referring("vmsnapshot", "vm", vm).collect();
    snapshots.into_iter().for_each(|row| world.remove(row));
    super::traffic::forget_machine(world, vm);
    world.set(vm, "state", "Expunging");
    world.remove(vm);
}

fn recover(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    if !super::server::may(turn, "allow.user.expunge.recover.vm") {
        return Err(Refusal::forbidden("Recovering a machine is for admins, or for users where a setting allows it"));
    }
    if turn.world.text(vm, "state") != Some("Destroyed") {
        return Err(Refusal::invalid(format!("Unable to recover VM {}: not in Destroyed state", turn.world.id(vm))));
    }
    let owner = turn.world.owner(vm).unwrap_or(turn.caller.account);
    let (cpus, memory) = (turn.world.number(vm, "cpunumber"), turn.world.number(vm, "memory"));
    super::limit::check(turn, owner, &[("user_vm", 1), ("cpu", cpus), ("memory", memory)])?;
    turn.world.set(vm, "state", "Stopped");
    touch(turn.world, vm);
    Ok(Outcome::Object(vm))
}

fn expunge(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    let check = if !super::server::may(turn, "allow.user.expunge.recover.vm") {
        Err(Refusal::failed("Expunging a machine is for admins, or for users where a setting allows it"))
    } else if turn.world.text(vm, "state") == Some("Destroyed") {
        Ok(())
    } else {
        Err(Refusal::failed("Please destroy vm with specified vmId before expunge"))
    };
    Ok(turn.checked_job(vm, WORK_SHORT, check, move |turn| {
        wipe(turn.world, vm);
        Ok(Outcome::Success)
    }))
}

/// Whether work may begin on a machine that has to be running or stopped; `word` says what work.
pub(super) fn check_at_rest(world: &World, vm: Handle, word: &str) -> Result<(), Refusal> {
    let state = world.text(vm, "state").unwrap_or_default();
    if AT_REST.contains(&state) { Ok(()) } else { Err(Refusal::failed(format!("Unable to {word} {} while it is {state}", world.string(vm, "instancename")))) }
}

fn restore(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    let check = check_at_rest(turn.world, vm, "restore").and_then(|()| match turn.world.referring("vmsnapshot", "vm", vm).next() {
        Some(_) => Err(Refusal::invalid("Unable to restore a machine that has snapshots: remove them first")),
        None => Ok(()),
    });
    Ok(turn.checked_job(vm, WORK_MEDIUM, check, move |turn| {
        if let Some(template) = turn.arguments.object("templateid") {
            turn.world.set(vm, "template", template);
        }
        let runs = turn.world.text(vm, "state") == Some("Running");
        super::volume::renew_root(turn, vm, runs);
        if runs {
            touch(turn.world, vm);
        } else {
            turn.world.unset(vm, "wasplaced");
        }
        let wants_password = turn.world.link(vm, "template").is_some_and(|template| turn.world.flag(template, "passwordenabled"));
        if wants_password {
            give_password(turn.world, vm);
        }
        Ok(Outcome::Object(vm))
    }))
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    check_update(turn, vm)?;
    if let Some(name) = turn.arguments.text("name").map(str::to_owned) {
        turn.world.set(vm, "name", name);
    }
    if let Some(name) = turn.arguments.text("displayname").map(str::to_owned) {
        turn.world.set(vm, "displayname", name);
    }
    for flag in ["haenable", "deleteprotection", "isdynamicallyscalable", "displayvm"] {
        if let Some(value) = turn.arguments.truth(flag) {
            turn.world.set(vm, flag, value);
        }
    }
    super::key::dress_with_user_data(turn, vm);
    if let Some(group) = turn.arguments.given("group").map(str::to_owned) {
        if group.is_empty() {
            turn.world.unset(vm, "group");
        } else {
            let owner = turn.world.owner(vm);
            let group = super::key::group_named(turn, owner, &group);
            turn.world.set(vm, "group", group);
        }
    }
    if let Some(os) = turn.arguments.object("ostypeid") {
        turn.world.set(vm, "ostype", os);
    }
    update_details(turn, vm);
    Ok(Outcome::Object(vm))
}

fn check_update(turn: &Turn<'_>, vm: Handle) -> Result<(), Refusal> {
    if matches!(turn.world.text(vm, "state"), Some("Error" | "Expunging")) {
        return Err(Refusal::invalid(format!("Unable to find a machine with the id {} that can be changed", turn.world.id(vm))));
    }
    if let Some(name) = turn.arguments.text("name") {
        check_name(turn, name)?;
        if turn.world.text(vm, "name") != Some(name) {
            let networks: Vec<Handle> = nic_rows(turn.world, vm).iter().filter_map(|nic| turn.world.link(*nic, "network")).collect();
            check_unique(turn, name, &networks)?;
        }
    }
    if let Some(text) = turn.arguments.text("userdata") {
        super::key::check_user_data(turn, text)?;
    }
    let details = turn.arguments.records("details").next();
    let closed = DENIED_DETAILS.iter().chain(&READ_ONLY_DETAILS);
    let denied = details.and_then(|entry| entry.keys().find(|key| closed.clone().any(|denied| denied.eq_ignore_ascii_case(key))));
    match denied.filter(|_| !turn.caller.is_root()) {
        Some(key) => Err(Refusal::internal(format!("The setting {key} is not for users to add or change"))),
        None => Ok(()),
    }
}

/// Only the first entry is read, and it replaces all details (wire facts §1.7).
fn update_details(turn: &mut Turn<'_>, vm: Handle) {
    let details: Option<Value> = turn.arguments.records("details").next().map(|entry| json!(entry));
    if let Some(details) = details {
        turn.world.set(vm, "details", details);
        // New details replace all, the keys' among them.
        turn.world.unset(vm, "keypairs");
    } else if turn.arguments.flag("cleanupdetails") {
        turn.world.set(vm, "details", json!({}));
        turn.world.unset(vm, "keypairs");
    }
}

/// Whether a machine may get another offering.
fn check_scale(turn: &Turn<'_>, vm: Handle, offering: Handle) -> Result<(i64, i64, i64), Refusal> {
    let size = size(turn, offering)?;
    let now = (turn.world.number(vm, "cpunumber"), turn.world.number(vm, "cpuspeed"), turn.world.number(vm, "memory"));
    if turn.world.link(vm, "offering") == Some(offering) && (size == now || !turn.world.flag(offering, "iscustomized")) {
        let name = turn.world.string(offering, "name");
        return Err(Refusal::invalid(format!("Not upgrading vm {} since it already has the requested service offering ({name})", said(turn.world, vm))));
    }
    match turn.world.text(vm, "state") {
        Some("Stopped") => {}
        Some("Running") if turn.command.is_async && super::server::is_on(turn.world, "enable.dynamic.scale.vm") => {}
        Some("Running") if turn.command.is_async => {
            return Err(Refusal::failed("Dynamically scaling Instances is disabled for this zone, please contact your admin."));
        }
        state => {
            let state = state.unwrap_or_default();
            return Err(Refusal::invalid(format!("Unable to give {} another offering while it is {state}: stop it first", said(turn.world, vm))));
        }
    }
    let owner = turn.world.owner(vm).unwrap_or(turn.caller.account);
    super::limit::check(turn, owner, &[("cpu", (size.0 - now.0).max(0)), ("memory", (size.2 - now.2).max(0))])?;
    Ok(size)
}

fn scale(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    let offering = turn.target("serviceofferingid")?;
    let size = check_scale(turn, vm, offering);
    if !turn.command.is_async {
        resize(turn.world, vm, offering, size?);
        return Ok(Outcome::Object(vm));
    }
    match size {
        Err(refusal) => Ok(turn.failing(vm, refusal)),
        Ok(size) => Ok(turn.job(vm, WORK_SHORT, move |turn| {
            resize(turn.world, vm, offering, size);
            Ok(Outcome::Object(vm))
        })),
    }
}

fn resize(world: &mut World, vm: Handle, offering: Handle, (cpus, speed, memory): (i64, i64, i64)) {
    world.set(vm, "offering", offering);
    for (name, number) in [("cpunumber", cpus), ("cpuspeed", speed), ("memory", memory)] {
        world.set(vm, name, number);
    }
}

fn check_migrate(turn: &Turn<'_>, vm: Handle) -> Result<(), Refusal> {
    let state = turn.world.text(vm, "state").unwrap_or_default();
    let (host, pool) = (turn.arguments.object("hostid"), turn.arguments.object("storageid"));
    if host.is_none() && pool.is_none() && !turn.arguments.flag("autoselect") && turn.command.name == "migrateVirtualMachine" {
        return Err(Refusal::invalid("Either hostId or storageId must be specified"));
    }
    if host.is_some() && pool.is_some() {
        return Err(Refusal::invalid("Only one of hostId and storageId can be specified"));
    }
    match pool {
        Some(_) if state != "Stopped" => Err(Refusal::invalid(format!("{} is not stopped, its volumes cannot move", said(turn.world, vm)))),
        None if state != "Running" => Err(Refusal::invalid(format!("{} is not running, cannot migrate it", said(turn.world, vm)))),
        _ => Ok(()),
    }
}

fn migrate(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    check_migrate(turn, vm)?;
    if let Some(pool) = turn.arguments.object("storageid") {
        return Ok(turn.job(vm, WORK_MEDIUM, move |turn| {
            let volumes: Vec<Handle> = turn.world.referring("volume", "vm", vm).collect();
            volumes.into_iter().for_each(|volume| super::volume::move_to(turn.world, volume, pool));
            Ok(Outcome::Object(vm))
        }));
    }
    let from = turn.world.link(vm, "host");
    let cluster = from.and_then(|host| turn.world.link(host, "cluster"));
    // Disks on a cluster's storage keep their machine within the cluster.
    let target = turn.arguments.object("hostid").or_else(|| super::place::host_beside(turn.world, from));
    let check = match target {
        Some(host) if Some(host) == from => {
            Err(Refusal::invalid("Cannot migrate VM, VM is already present on this host, please specify valid destination host to migrate the VM"))
        }
        Some(host) if turn.world.link(host, "cluster") != cluster && turn.command.name == "migrateVirtualMachine" => {
            Err(Refusal::failed("Cannot migrate the machine to a host of another cluster: its disks are on the storage of this one"))
        }
        Some(host) if !super::place::is_usable(turn.world, host) => {
            Err(Refusal::invalid("Cannot migrate VM, destination host is not in correct state, has status, state"))
        }
        Some(host) => Ok(host),
        None => Err(Refusal::failed(format!("Unable to find suitable destination to migrate VM {}", turn.world.string(vm, "instancename")))),
    };
    match check {
        Err(refusal) => Ok(turn.failing(vm, refusal)),
        Ok(host) => Ok(turn.job(vm, WORK_MEDIUM, move |turn| {
            if turn.world.text(vm, "state") == Some("Running") {
                turn.world.set(vm, "host", host);
            }
            Ok(Outcome::Object(vm))
        })),
    }
}

fn assign(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    if turn.world.text(vm, "state") != Some("Stopped") {
        let state = turn.world.string(vm, "state");
        return Err(Refusal::invalid(format!("Unable to move VM [{}] in {state} state", turn.world.string(vm, "instancename"))));
    }
    let account = turn.new_owner()?;
    if turn.world.owner(vm) == Some(account) {
        return Err(Refusal::invalid("The account should be different from the one that owns the machine"));
    }
    let blocking = ["portforwardingrule", "ipforwardingrule"].iter().any(|kind| turn.world.referring(kind, "vm", vm).next().is_some());
    if blocking || turn.world.referring("ipaddress", "vm", vm).next().is_some() {
        return Err(Refusal::invalid("Remove the rules that forward to the machine before it moves"));
    }
    if turn.world.referring("vmsnapshot", "vm", vm).next().is_some() {
        return Err(Refusal::invalid("Remove the machine's snapshots before it moves"));
    }
    let (cpus, memory) = (turn.world.number(vm, "cpunumber"), turn.world.number(vm, "memory"));
    super::limit::check(turn, account, &[("user_vm", 1), ("cpu", cpus), ("memory", memory), ("volume", 1)])?;
    let zone = turn.world.link(vm, "zone").ok_or_else(Refusal::permission)?;
    let networks = super::network::choose(turn, account, zone)?;
    super::nic::forget_all(turn.world, vm);
    turn.world.give(vm, account);
    for gone in ["group", "affinitygroups", "keypairs"] {
        turn.world.unset(vm, gone);
    }
    super::network::attach_all(turn, vm, &networks);
    let volumes: Vec<Handle> = turn.world.referring("volume", "vm", vm).collect();
    volumes.into_iter().for_each(|volume| turn.world.give(volume, account));
    Ok(Outcome::Object(vm))
}

fn check_template_password(turn: &Turn<'_>, vm: Handle) -> Result<(), Refusal> {
    if matches!(turn.world.text(vm, "state"), Some("Error" | "Expunging" | "Destroyed")) {
        return Err(Refusal::invalid(format!("{} is not in the right state", said(turn.world, vm))));
    }
    let enabled = turn.world.link(vm, "template").is_some_and(|template| turn.world.flag(template, "passwordenabled"));
    if enabled { Ok(()) } else { Err(Refusal::invalid("Fail to reset password for the Instance, the Template is not password enabled")) }
}

fn reset_password(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    let check = check_template_password(turn, vm);
    Ok(turn.checked_job(vm, WORK_SHORT, check, move |turn| {
        give_password(turn.world, vm);
        if let Some(password) = turn.arguments.text("password").map(str::to_owned) {
            turn.world.set(vm, "password", password);
        }
        Ok(Outcome::Object(vm))
    }))
}

fn reset_key(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    let keys = super::key::named_pairs(turn, turn.world.owner(vm));
    if turn.world.text(vm, "state") == Some("Running") {
        return Err(Refusal::invalid(format!("{} is not in the right state for the SSH key to be reset", said(turn.world, vm))));
    }
    let keys = keys?;
    Ok(turn.job(vm, WORK_SHORT, move |turn| {
        if let Some(keys) = keys {
            turn.world.set(vm, "keypairs", keys);
        }
        let enabled = turn.world.link(vm, "template").is_some_and(|template| turn.world.flag(template, "passwordenabled"));
        if enabled {
            give_password(turn.world, vm);
        }
        Ok(Outcome::Object(vm))
    }))
}

fn reset_user_data(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    if turn.world.text(vm, "state") != Some("Stopped") {
        return Err(Refusal::invalid(format!("{} must be stopped for its user data to be reset", said(turn.world, vm))));
    }
    if let Some(text) = turn.arguments.text("userdata") {
        super::key::check_user_data(turn, text)?;
    }
    super::key::dress_with_user_data(turn, vm);
    Ok(Outcome::Object(vm))
}

fn console(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    if turn.world.text(vm, "state") != Some("Running") {
        let shown = json!({"success": false, "details": "The machine is not running, so it has no console"});
        return Ok(Outcome::Shown("consoleendpoint".to_owned(), shown.to_string()));
    }
    let token: String = (0..TOKEN_CHARACTERS).map(|_| turn.world.random.alphanumeric()).collect();
    let host = turn.world.find("systemvm", "systemvmtype", "consoleproxy").map(|proxy| turn.world.string(proxy, "publicip")).unwrap_or_default();
    let shown = json!({
        "success": true, "url": format!("http://{host}/resource/noVNC/vnc.html?autoconnect=true&port=8080&token={token}"),
        "websocket": {"token": token, "host": host, "port": "8080", "path": "websockify"},
    });
    Ok(Outcome::Shown("consoleendpoint".to_owned(), shown.to_string()))
}

fn password(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    Err(Refusal::invalid(format!(
        "No password found for Instance [{}]. When the Instance's SSH keypair is changed, the current encrypted password is removed due to inconsistency in the encryption, as the new SSH keypair is different from which the password was encrypted. To get a new password, it must be reset.",
        said(turn.world, vm)
    )))
}

fn user_data(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    let text = turn.world.string(vm, "rawuserdata");
    let shown = json!({"virtualmachineid": turn.world.id(vm), "userdata": text});
    Ok(Outcome::Shown("virtualmachineuserdata".to_owned(), shown.to_string()))
}

fn hosts_for_migration(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    if turn.caller.kind != RoleType::Admin {
        return Err(Refusal::permission());
    }
    if turn.world.text(vm, "state") != Some("Running") {
        return Err(Refusal::invalid(format!("{} is not running, cannot migrate it", said(turn.world, vm))));
    }
    let from = turn.world.link(vm, "host");
    let kind = turn.world.kind("host");
    let cluster = from.and_then(|host| turn.world.link(host, "cluster"));
    let beside = |host: &Handle| Some(*host) != from && turn.world.text(*host, "type") == Some("Routing") && turn.world.link(*host, "cluster") == cluster;
    let hosts: Vec<Handle> = turn.world.rows(kind).filter(beside).collect();
    let mut json = Json::default();
    let count = hosts.len();
    for host in hosts {
        json.open();
        json.key("requiresStorageMotion");
        json.flag(false);
        turn.world.render_members(host, turn.viewer(), &[], &mut json);
        json.key("suitableformigration");
        json.flag(super::place::is_usable(turn.world, host));
        json.close();
    }
    Ok(Outcome::Rendered(json.into_text(), count))
}
