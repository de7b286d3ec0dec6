//! Virtual machines: deployed, started, stopped, changed, destroyed, recovered, expunged.

use std::time::Duration;

use cloudstack_api::catalog::RoleType;
use serde_json::{Value, json};

use super::Tables;
use crate::{
    json::Json,
    kind::{
        ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, Member, Noun, PROJECT, PROJECT_ID, Shown, TAGS, Viewer, always,
        computed, field, flag, linked, own, own_or,
    },
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_LONG, WORK_MEDIUM, WORK_SHORT},
    world::{Content, Datum, Handle, World},
};

/// How long a machine runs before its statistics are there.
const STATISTICS_SECONDS: u64 = 45;
/// How many digits and letters a generated password has.
const PASSWORD_CHARACTERS: usize = 9;

/// A virtual machine.
pub(crate) const VM_NOUN: Noun = Noun {
    word: "virtualmachine",
    entities: &["UserVmResponse", "VmMetricsResponse", "VirtualMachineResponse"],
    resource: "VirtualMachine",
    owned: true,
    keywords: &["name", "displayname", "instancename", "state"],
    newest_first: true,
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
    computed("hostcontrolstate", |world, vm, _| world.link(vm, "host").map(|_| Shown::Text("Enabled".to_owned()))),
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
    own("cpunumber"),
    own("cpuspeed"),
    own("memory"),
    computed("cpuused", |world, vm, _| running(world, vm, Shown::Text("10%".to_owned()))),
    computed("networkkbsread", |world, vm, _| running(world, vm, Shown::Number(32_768))),
    computed("networkkbswrite", |world, vm, _| running(world, vm, Shown::Number(16_384))),
    computed("diskkbsread", |world, vm, _| running(world, vm, Shown::Number(0))),
    computed("diskkbswrite", |world, vm, _| running(world, vm, Shown::Number(0))),
    computed("memorykbs", |world, vm, _| running(world, vm, Shown::Number(0))),
    computed("memoryintfreekbs", |world, vm, _| running(world, vm, Shown::Number(0))),
    computed("memorytargetkbs", |world, vm, _| running(world, vm, Shown::Number(0))),
    computed("diskioread", |world, vm, _| running(world, vm, Shown::Number(0))),
    computed("diskiowrite", |world, vm, _| running(world, vm, Shown::Number(0))),
    linked("guestosid", "ostype", "id"),
    own("bootmode"),
    own("boottype"),
    always("rootdeviceid", Constant::Number(0)),
    always("rootdevicetype", Constant::Text("ROOT")),
    always("securitygroup", Constant::Empty),
    computed("nic", nics),
    own("password"),
    own_or("hypervisor", Constant::Text("Simulator")),
    computed("ipaddress", address),
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
    computed("jobid", |world, vm, _| world.job_on(vm).map(|job| Shown::Text(job.to_owned()))),
    computed("jobstatus", |world, vm, _| world.job_on(vm).map(|_| Shown::Number(0))),
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
    ],
};

fn running(world: &World, vm: Handle, shown: Shown) -> Option<Shown> {
    if world.text(vm, "state") != Some("Running") {
        return None;
    }
    // Statistics are gathered once a minute: a machine that has just come up has none.
    let since = u64::try_from(world.number(vm, "upsince")).unwrap_or_default();
    (world.now.as_secs() >= since + STATISTICS_SECONDS).then_some(shown)
}

fn host_link(world: &World, vm: Handle, name: &str) -> Option<Handle> {
    world.link(world.link(vm, "host")?, name)
}

/// The NICs of a machine.
pub(crate) fn nic_rows(world: &World, vm: Handle) -> &[Handle] {
    world.links(vm, "nics")
}

fn affinity_rows(world: &World, vm: Handle) -> &[Handle] {
    world.links(vm, "affinitygroups")
}

fn nics(world: &World, vm: Handle, viewer: Viewer) -> Option<Shown> {
    let mut json = Json::with_capacity(512);
    json.open_array();
    for nic in nic_rows(world, vm) {
        world.render(*nic, viewer, &mut json);
    }
    json.close_array();
    // Lists of NICs say nothing where there are no further addresses; machines say so.
    let text = json.into_text();
    let text = if text.contains("\"secondaryip\"") { text } else { text.replace("\"extradhcpoption\"", "\"secondaryip\":[],\"extradhcpoption\"") };
    Some(Shown::Raw(text))
}

fn affinity(world: &World, vm: Handle, _: Viewer) -> Option<Shown> {
    let mut json = Json::default();
    json.open_array();
    for group in affinity_rows(world, vm) {
        json.open();
        json.member("id", &world.id(*group));
        json.member("name", world.text(*group, "name").unwrap_or_default());
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
    if viewer.root && world.flag(vm, "wasstopped") {
        note("Message.ReservedCapacityFreed.Flag", "false");
    }
    if viewer.root
        && let Some(factor) = world.text(vm, "overcommit")
    {
        note("cpuOvercommitRatio", factor);
    }
    Some(Shown::Raw(Value::Object(shown).to_string()))
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
        return Err(Refusal::argument(format!("The details parameter contains a non permitted value. The allowed values are [{}]", VM_DETAILS.join(", "))))
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

fn deploy(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let zone = turn.target("zoneid")?;
    let offering = turn.target("serviceofferingid")?;
    let template = turn.arguments.object("templateid").or_else(|| turn.arguments.object("isoid"));
    let Some(template) = template else { return Err(Refusal::invalid("Unable to use template null")) };
    let owner = turn.new_owner()?;
    let number = turn.world.next("instance", 1);
    let id = turn.world.fresh_id();
    let name = turn.arguments.text("name").map_or_else(|| format!("VM-{}", crate::world::id_text(id)), str::to_owned);
    if turn.arguments.text("name").is_some() {
        check_name(turn, &name)?;
    }
    let (cpus, speed, memory) = size(turn, offering)?;
    super::limit::check(turn, owner, &[("user_vm", 1), ("cpu", cpus), ("memory", memory), ("volume", 1)])?;
    let networks = super::network::choose(turn, owner, zone)?;
    check_unique(turn, &name, &networks)?;
    let stamp = turn.world.timestamp();
    let starts = turn.arguments.truth("startvm") != Some(false);
    let kind = turn.world.kind("virtualmachine");
    let display = turn.arguments.text("displayname").unwrap_or(&name).to_owned();
    let instance = instance_name(turn.world, owner, number);
    let fields: Vec<(&str, Datum)> = vec![
        ("name", name.into()),
        ("displayname", display.into()),
        ("user", turn.caller.user.into()),
        ("state", if starts { "Starting" } else { "Stopped" }.into()),
        ("zone", zone.into()),
        ("template", template.into()),
        ("offering", offering.into()),
        ("cpunumber", cpus.into()),
        ("cpuspeed", speed.into()),
        ("memory", memory.into()),
        ("instancename", instance.into()),
        ("details", json!(turn.arguments.merged("details")).into()),
    ];
    let vm = turn.world.insert_as(kind, id, Some(owner), &fields);
    if !turn.world.flag(template, "isready") {
        return Err(left_in_error(turn, vm, template, &networks));
    }
    if starts {
        turn.world.set(vm, "lastupdated", stamp);
    }
    dress(turn, vm, template)?;
    super::volume::make_root(turn, vm, template, number);
    super::network::attach_all(turn, vm, &networks);
    Ok(turn.making(vm, WORK_LONG, move |turn| {
        turn.world.unset(vm, "password");
        if starts {
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
    let hypervisor = turn.world.string(template, "hypervisor");
    turn.world.set(vm, "hypervisor", hypervisor);
    if let Some(os) = turn.world.link(template, "ostype") {
        turn.world.set(vm, "ostype", os);
    }
    super::network::attach_all(turn, vm, networks);
    let delay = Duration::from_secs(turn.server.options.tuning.expunge_delay_seconds);
    turn.world.later(delay, move |world| wipe(world, vm));
    let (id, template) = (turn.world.id(vm), turn.world.id(template));
    Refusal { leftover: Some((id, "virtualmachineid")), ..Refusal::internal(format!("template {template} has not been completely downloaded to zone")) }
}

fn check_unique(turn: &Turn<'_>, name: &str, networks: &[super::network::Wish]) -> Result<(), Refusal> {
    for wish in networks {
        let taken = turn
            .world
            .referring("nic", "network", wish.network)
            .any(|nic| turn.world.link(nic, "vm").is_some_and(|vm| turn.world.text(vm, "name") == Some(name)));
        if taken {
            let domain = turn.world.string(wish.network, "networkdomain");
            let network = turn.world.string(wish.network, "name");
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
    if template.kind == turn.world.kind("iso") {
        turn.world.set(vm, "iso", template);
    }
    let keys = turn.arguments.text("keypair").or(turn.arguments.text("keypairs")).map(str::to_owned);
    if let Some(keys) = keys {
        turn.world.set(vm, "keypairs", keys);
    }
    for (argument, stored) in [("userdata", "rawuserdata"), ("hypervisor", "hypervisor")] {
        if let Some(text) = turn.arguments.text(argument).map(str::to_owned) {
            turn.world.set(vm, stored, text);
        }
    }
    if let Some(set) = turn.arguments.object("userdataid") {
        turn.world.set(vm, "userdataset", set);
    }
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

/// Lets a machine run: on a host, in its networks, with its volumes.
fn power_on(turn: &mut Turn<'_>, vm: Handle, first: bool) -> Result<(), Refusal> {
    let host = turn.arguments.object("hostid").or_else(|| super::place::choose_host(turn.world));
    let Some(host) = host else {
        turn.world.set(vm, "state", if first { "Error" } else { "Stopped" });
        let (name, id) = (turn.world.string(vm, "instancename"), turn.world.id(vm));
        let said = format!("VM instance {{\"instanceName\":\"{name}\",\"uuid\":\"{id}\"}}");
        return Err(Refusal::failed(format!("Unable to orchestrate the start of {said} due to insufficient capacity.")));
    };
    turn.world.set(vm, "state", "Running");
    turn.world.set(vm, "host", host);
    if !first && !turn.world.flag(vm, "wasstarted") {
        turn.world.set(vm, "bootmode", "legacy");
        turn.world.set(vm, "boottype", "Bios");
    }
    turn.world.set(vm, "wasstarted", true);
    let since = i64::try_from(turn.world.now.as_secs()).unwrap_or_default();
    turn.world.set(vm, "upsince", since);
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

fn start(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    Ok(turn.job(vm, WORK_MEDIUM, move |turn| {
        match turn.world.text(vm, "state") {
            Some("Running") => {
                let (id, name) = (turn.world.id(vm), turn.world.string(vm, "displayname"));
                return Err(Refusal::invalid(format!("The virtual machine {id} ({name}) is already running")));
            }
            Some("Stopped") => power_on(turn, vm, false)?,
            _ => return Err(Refusal::failed(format!("Unable to start a vm in state {}: {}", turn.world.string(vm, "state"), said(turn.world, vm)))),
        }
        Ok(Outcome::Object(vm))
    }))
}

fn stop(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    if turn.world.text(vm, "state") == Some("Running") {
        turn.world.set(vm, "state", "Stopping");
    }
    Ok(turn.job(vm, WORK_MEDIUM, move |turn| {
        power_off(turn.world, vm);
        Ok(Outcome::Object(vm))
    }))
}

/// Stops a machine if it runs.
pub(crate) fn power_off(world: &mut World, vm: Handle) {
    if matches!(world.text(vm, "state"), Some("Running" | "Stopping" | "Starting")) {
        world.set(vm, "state", "Stopped");
        world.unset(vm, "host");
        world.set(vm, "wasstopped", true);
        touch(world, vm);
        for nic in nic_rows(world, vm).to_vec() {
            world.set(nic, "released", true);
        }
    }
}

fn reboot(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    Ok(turn.job(vm, WORK_MEDIUM, move |turn| {
        if turn.world.text(vm, "state") != Some("Running") {
            let text = format!("{} should be in Running state to reboot", said(turn.world, vm));
            return Err(Refusal::failed(text));
        }
        touch(turn.world, vm);
        Ok(Outcome::Object(vm))
    }))
}

fn destroy(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    let expunges = turn.arguments.flag("expunge");
    Ok(turn.job(vm, WORK_MEDIUM, move |turn| {
        if expunges && !super::server::may(turn, "allow.user.expunge.recover.vm") {
            return Err(Refusal::failed("Account does not have permission for expunging."));
        }
        if turn.world.flag(vm, "deleteprotection") {
            let (id, name) = (turn.world.id(vm), turn.world.string(vm, "instancename"));
            return Err(Refusal::invalid(format!("Instance [id = {id}, name = {name}] has delete protection enabled and cannot be deleted.")));
        }
        let volumes: Vec<Handle> = turn.arguments.objects("volumeids").map(<[Handle]>::to_vec).unwrap_or_default();
        for volume in volumes {
            super::volume::detach_from(turn.world, volume);
            turn.world.remove(volume);
        }
        power_off(turn.world, vm);
        turn.world.set(vm, "state", "Destroyed");
        touch(turn.world, vm);
        if expunges {
            wipe(turn.world, vm);
            let bare = json!({"securitygroup": [], "nic": [], "affinitygroup": [], "deleteprotection": false, "tags": []});
            return Ok(Outcome::Shown("virtualmachine".to_owned(), bare.to_string()));
        }
        let delay = Duration::from_secs(turn.server.options.tuning.expunge_delay_seconds);
        turn.world.later(delay, move |world| {
            if world.text(vm, "state") == Some("Destroyed") {
                wipe(world, vm);
            }
        });
        Ok(Outcome::Object(vm))
    }))
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
    for nic in nic_rows(world, vm).to_vec() {
        world.remove(nic);
    }
    for kind in ["vmsnapshot", "portforwardingrule"] {
        let rows: Vec<Handle> = world.referring(kind, "vm", vm).collect();
        rows.into_iter().for_each(|row| world.remove(row));
    }
    world.set(vm, "state", "Expunging");
    world.remove(vm);
}

fn recover(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    if turn.world.text(vm, "state") != Some("Destroyed") {
        return Err(Refusal::invalid(format!("Unable to recover VM {}: not in Destroyed state", turn.world.id(vm))));
    }
    turn.world.set(vm, "state", "Stopped");
    touch(turn.world, vm);
    Ok(Outcome::Object(vm))
}

fn expunge(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    Ok(turn.job(vm, WORK_SHORT, move |turn| {
        if turn.world.text(vm, "state") != Some("Destroyed") {
            return Err(Refusal::failed("Please destroy vm with specified vmId before expunge"));
        }
        wipe(turn.world, vm);
        Ok(Outcome::Success)
    }))
}

fn restore(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    Ok(turn.job(vm, WORK_MEDIUM, move |turn| {
        if let Some(template) = turn.arguments.object("templateid") {
            turn.world.set(vm, "template", template);
        }
        for nic in nic_rows(turn.world, vm).to_vec() {
            turn.world.unset(nic, "released");
        }
        if turn.world.text(vm, "state") != Some("Running") {
            turn.world.unset(vm, "wasplaced");
        }
        touch(turn.world, vm);
        Ok(Outcome::Object(vm))
    }))
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    if let Some(name) = turn.arguments.text("name").map(str::to_owned) {
        check_name(turn, &name)?;
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
    if let Some(userdata) = turn.arguments.text("userdata").map(str::to_owned) {
        turn.world.set(vm, "rawuserdata", userdata);
    }
    if let Some(group) = turn.arguments.text("group").map(str::to_owned) {
        let owner = turn.world.owner(vm);
        let group = super::key::group_named(turn, owner, &group);
        turn.world.set(vm, "group", group);
    }
    if let Some(os) = turn.arguments.object("ostypeid") {
        turn.world.set(vm, "ostype", os);
    }
    // Only the first entry is read, and it replaces all details (wire facts §1.7).
    let details: Option<Value> = turn.arguments.records("details").next().map(|entry| json!(entry));
    if let Some(details) = details {
        turn.world.set(vm, "details", details);
        // New details replace all, the keys' among them.
        turn.world.unset(vm, "keypairs");
    } else if turn.arguments.flag("cleanupdetails") {
        turn.world.set(vm, "details", json!({}));
    }
    Ok(Outcome::Object(vm))
}

fn scale(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    let offering = turn.target("serviceofferingid")?;
    let (cpus, speed, memory) = size(turn, offering)?;
    let change = move |turn: &mut Turn<'_>| {
        if turn.world.text(vm, "state") == Some("Running") {
            return Err(Refusal::failed("Dynamically scaling Instances is disabled for this zone, please contact your admin."));
        }
        turn.world.set(vm, "offering", offering);
        for (name, number) in [("cpunumber", cpus), ("cpuspeed", speed), ("memory", memory)] {
            turn.world.set(vm, name, number);
        }
        Ok(Outcome::Object(vm))
    };
    if turn.command.is_async { Ok(turn.job(vm, WORK_SHORT, change)) } else { change(turn) }
}

fn migrate(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    if turn.world.text(vm, "state") != Some("Running") && turn.arguments.object("storageid").is_none() {
        return Err(Refusal::invalid(format!("{} is not running, cannot migrate it", said(turn.world, vm))));
    }
    Ok(turn.job(vm, WORK_MEDIUM, move |turn| {
        let from = turn.world.link(vm, "host");
        let target = turn.arguments.object("hostid").or_else(|| super::place::other_host(turn.world, from));
        match target {
            Some(host) if Some(host) != from => turn.world.set(vm, "host", host),
            Some(_) => {
                return Err(Refusal::invalid("Cannot migrate VM, VM is already present on this host, please specify valid destination host to migrate the VM"));
            }
            None => return Err(Refusal::failed(format!("Unable to find suitable destination to migrate VM {}", turn.world.string(vm, "instancename")))),
        }
        Ok(Outcome::Object(vm))
    }))
}

fn assign(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    if turn.world.text(vm, "state") == Some("Running") {
        return Err(Refusal::invalid(format!("Unable to move VM [{}] in Running state", turn.world.string(vm, "instancename"))));
    }
    let account = turn.new_owner()?;
    turn.world.give(vm, account);
    let volumes: Vec<Handle> = turn.world.referring("volume", "vm", vm).collect();
    volumes.into_iter().for_each(|volume| turn.world.give(volume, account));
    Ok(Outcome::Object(vm))
}

fn reset_password(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    Ok(turn.job(vm, WORK_SHORT, move |turn| {
        let enabled = turn.world.link(vm, "template").is_some_and(|template| turn.world.flag(template, "passwordenabled"));
        if !enabled {
            return Err(Refusal::invalid("Fail to reset password for the Instance, the Template is not password enabled"));
        }
        give_password(turn.world, vm);
        Ok(Outcome::Object(vm))
    }))
}

fn reset_key(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    let keys = turn.arguments.text("keypair").or(turn.arguments.text("keypairs")).unwrap_or_default().to_owned();
    if turn.world.text(vm, "state") == Some("Running") {
        return Err(Refusal::invalid(format!("{} is not in the right state for the SSH key to be reset", said(turn.world, vm))));
    }
    Ok(turn.job(vm, WORK_SHORT, move |turn| {
        turn.world.set(vm, "keypairs", keys);
        Ok(Outcome::Object(vm))
    }))
}

fn reset_user_data(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    if let Some(text) = turn.arguments.text("userdata").map(str::to_owned) {
        turn.world.set(vm, "rawuserdata", text);
    }
    if let Some(set) = turn.arguments.object("userdataid") {
        turn.world.set(vm, "userdataset", set);
    }
    Ok(Outcome::Object(vm))
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
    let from = turn.world.link(vm, "host");
    let kind = turn.world.kind("host");
    let hosts: Vec<Handle> = turn.world.rows(kind).filter(|host| Some(*host) != from && turn.world.text(*host, "type") == Some("Routing")).collect();
    let cluster = from.and_then(|host| turn.world.link(host, "cluster"));
    let hosts: Vec<Handle> = hosts.into_iter().filter(|host| turn.world.link(*host, "cluster") == cluster).collect();
    let count = hosts.len();
    Ok(Outcome::List(hosts, count))
}
