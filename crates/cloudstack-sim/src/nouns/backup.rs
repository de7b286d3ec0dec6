//! Backups: offerings of the dummy provider, machines that have one, schedules, repositories, and the backups.

use serde_json::{Value, json};

use super::{
    Tables, appliance,
    recipe::{self, Put, Recipe, change, make, take},
    schedule,
};
use crate::{
    events,
    jobs::Chore,
    kind::{ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, ID, Noun, Shown, computed, linked, own, own_or},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_LONG, WORK_MEDIUM, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// What the dummy provider offers: name, text, id.
const POLICIES: &[(&str, &str, &str)] = &[("Golden Policy", "Gold description", "gold-policy"), ("Silver Policy", "Silver description", "silver-policy")];
/// How often schedules may run.
const INTERVALS: &[&str] = &["HOURLY", "DAILY", "WEEKLY", "MONTHLY"];

/// An offering.
pub(crate) const OFFERING_NOUN: Noun = Noun {
    word: "backupoffering",
    entities: &["BackupOfferingResponse"],
    resource: "BackupOffering",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own("description"),
        own_or("provider", Constant::Text("dummy")),
        own("externalid"),
        own_or("allowuserdrivenbackups", Constant::Flag(false)),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        CREATED,
    ],
};

/// A backup.
pub(crate) const BACKUP_NOUN: Noun = Noun {
    word: "backup",
    entities: &["BackupResponse"],
    resource: "Backup",
    owned: true,
    keywords: &["name"],
    newest_first: true,
    view: &[
        ID,
        own("name"),
        own("description"),
        linked("virtualmachineid", "vm", "id"),
        linked("virtualmachinename", "vm", "name"),
        own_or("externalid", Constant::Text("dummy-external-id")),
        own_or("type", Constant::Text("FULL")),
        CREATED,
        own("size"),
        own("virtualsize"),
        own_or("status", Constant::Text("BackedUp")),
        own("volumes"),
        linked("backupofferingid", "offering", "id"),
        linked("backupofferingname", "offering", "name"),
        computed("accountid", |world, backup, _| Some(Shown::Text(world.id(world.owner(backup)?)))),
        ACCOUNT,
        DOMAIN_ID,
        DOMAIN,
        linked("zoneid", "zone", "id"),
        linked("zone", "zone", "name"),
        own_or("intervaltype", Constant::Text("MANUAL")),
        computed("isbackupvmexpunged", |world, backup, _| {
            let is_gone = !world.is_alive(world.link(backup, "vm")?);
            is_gone.then_some(Shown::Flag(true))
        }),
        computed("vmbackupofferingremoved", |world, backup, _| {
            let is_removed = world.link(world.link(backup, "vm")?, "backupoffering") != world.link(backup, "offering");
            is_removed.then_some(Shown::Flag(true))
        }),
    ],
};

/// A schedule.
pub(crate) const SCHEDULE_NOUN: Noun = Noun {
    word: "backupschedule",
    entities: &["BackupScheduleResponse"],
    resource: "BackupSchedule",
    owned: true,
    keywords: &[],
    newest_first: false,
    view: &[
        ID,
        linked("virtualmachinename", "vm", "name"),
        linked("virtualmachineid", "vm", "id"),
        own("schedule"),
        own("intervaltype"),
        own("timezone"),
        own_or("maxbackups", Constant::Number(0)),
        own("quiescevm"),
    ],
};

/// A place where a provider keeps backups.
pub(crate) const REPOSITORY_NOUN: Noun = Noun {
    word: "backuprepository",
    entities: &["BackupRepositoryResponse"],
    resource: "BackupRepository",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        own("name"),
        own("address"),
        own_or("provider", Constant::Text("nas")),
        own("type"),
        own("mountopts"),
        own("capacitybytes"),
        own("crosszoneinstancecreation"),
        CREATED,
    ],
};

/// The commands of backups.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listBackupProviderOfferings", list_policies),
        ("assignVirtualMachineToBackupOffering", assign),
        ("removeVirtualMachineFromBackupOffering", unassign),
        ("createBackup", back_up),
        ("deleteBackup", delete),
        ("deleteBackupSchedule", delete_schedule),
        ("restoreBackup", restore),
        ("listBackups", list_backups),
        ("createVMFromBackup", deploy),
        ("restoreVolumeFromBackupAndAttachToVM", restore_volume),
        ("updateBackupSchedule", update_schedule),
    ],
    filters: &[],
};

/// The commands of backups that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    make(
        "importBackupOffering",
        "backupoffering",
        &[Put::Text("name"), Put::Text("description"), Put::Text("externalid"), Put::Link("zoneid", "zone"), Put::Flag("allowuserdrivenbackups")],
    )
    .silent()
    .checked(policy_is_offered),
    change("updateBackupOffering", "id", &[Put::Text("name"), Put::Text("description"), Put::Flag("allowuserdrivenbackups")]),
    take("deleteBackupOffering", "id").checked(|turn, offering| match offering {
        Some(offering) if recipe::users(turn.world, offering, &[("virtualmachine", "backupoffering")]) > 0 => {
            Err(Refusal::failed("Backup Offering is assigned to VMs, remove the assignment(s) in order to remove the offering."))
        }
        Some(offering) if recipe::users(turn.world, offering, &[("backup", "offering")]) > 0 => {
            Err(Refusal::failed("Cannot remove Backup Offering as it has backups associated with it"))
        }
        _ => Ok(()),
    }),
    make("createBackupSchedule", "backupschedule", SCHEDULE_PUTS).owned_through("virtualmachineid").checked(schedule_is_right).then(|turn, schedule| {
        plan(turn.world, schedule);
        Ok(())
    }),
    make("addBackupRepository", "backuprepository", REPOSITORY_PUTS),
    change("updateBackupRepository", "id", REPOSITORY_PUTS),
    take("deleteBackupRepository", "id"),
];

const SCHEDULE_PUTS: &[Put] = &[
    Put::Link("virtualmachineid", "vm"),
    Put::Capital("intervaltype"),
    Put::Text("schedule"),
    Put::Text("timezone"),
    Put::Number("maxbackups"),
    Put::Flag("quiescevm"),
];

const REPOSITORY_PUTS: &[Put] = &[
    Put::Text("name"),
    Put::Text("address"),
    Put::Text("provider"),
    Put::Text("type"),
    Put::Text("mountopts"),
    Put::Number("capacitybytes"),
    Put::Flag("crosszoneinstancecreation"),
    Put::Link("zoneid", "zone"),
];

fn list_policies(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let zone = turn.target("zoneid")?;
    let shown = |(name, text, external): &(&str, &str, &str), id: u128, turn: &Turn<'_>| {
        let policy = json!({
            "id": crate::world::id_text(id), "name": name, "description": text, "externalid": external, "allowuserdrivenbackups": true,
            "zoneid": turn.world.id(zone), "zonename": turn.world.string(zone, "name"), "created": turn.world.timestamp(),
        });
        // Older releases do not say whose policy it is.
        let policy = if turn.world.is_old { policy } else { super::metrics::with(policy, "provider", "dummy") };
        policy.to_string()
    };
    let mut items = Vec::new();
    for policy in POLICIES {
        // What a provider offers has a new id whenever somebody looks.
        let id = turn.world.fresh_id();
        items.push(shown(policy, id, turn));
    }
    Ok(Outcome::Rendered(items.join(","), items.len()))
}

fn policy_is_offered(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let external = turn.arguments.text("externalid").unwrap_or_default();
    if !POLICIES.iter().any(|(.., known)| *known == external) {
        return Err(Refusal::failed(format!("Backup offering '{external}' does not exist on provider dummy")));
    }
    match turn.world.find("backupoffering", "externalid", external) {
        Some(_) => Err(Refusal::failed(format!("Backup offering with external ID {external} already exists"))),
        None => Ok(()),
    }
}

fn assign(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    let offering = turn.target("backupofferingid")?;
    Ok(turn.job(vm, WORK_SHORT, move |turn| {
        if !matches!(turn.world.text(vm, "state"), Some("Running" | "Stopped")) {
            return Err(Refusal::failed("Assign is not allowed when the VM is not in a stable state"));
        }
        if turn.world.link(vm, "backupoffering").is_some() {
            return Err(Refusal::failed("VM already is assigned to a backup offering, please remove the VM from its previous offering"));
        }
        turn.world.set(vm, "backupoffering", offering);
        Ok(Outcome::Success)
    }))
}

fn unassign(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    let forced = turn.arguments.flag("forced");
    Ok(turn.job(vm, WORK_SHORT, move |turn| {
        if turn.world.link(vm, "backupoffering").is_none() {
            return Err(Refusal::failed("No previously configured backup offering found for the VM"));
        }
        let backups: Vec<Handle> = turn.world.referring("backup", "vm", vm).collect();
        if !forced && !backups.is_empty() {
            return Err(Refusal::failed("The backups will be deleted when the offering is removed, use forced:true to go on"));
        }
        let schedules: Vec<Handle> = turn.world.referring("backupschedule", "vm", vm).collect();
        schedules.into_iter().chain(backups).for_each(|row| turn.world.remove(row));
        turn.world.unset(vm, "backupoffering");
        Ok(Outcome::Success)
    }))
}

fn offering_of(turn: &Turn<'_>, vm: Handle) -> Result<Handle, Refusal> {
    turn.world
        .link(vm, "backupoffering")
        .ok_or_else(|| Refusal::failed("VM has not backup offering configured, cannot create backup before assigning it to a backup offering"))
}

fn schedule_is_right(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let interval = turn.arguments.text("intervaltype").unwrap_or_default();
    if !INTERVALS.contains(&interval.to_uppercase().as_str()) {
        return Err(Refusal::invalid(format!("Invalid interval type: {interval}")));
    }
    let vm = turn.target("virtualmachineid")?;
    offering_of(turn, vm).map(|_| ())
}

fn back_up(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    let offering = offering_of(turn, vm)?;
    let number = turn.world.count(turn.world.kind("backup")) + 1;
    let name = turn.arguments.text("name").map(str::to_owned);
    let job = turn.job(vm, WORK_MEDIUM, move |turn| {
        let made = insert(turn.world, (vm, offering), name);
        recipe::apply(turn, made, Put::Text("description"));
        Ok(Outcome::Success)
    });
    let Outcome::Job(mut work) = job else { return Ok(Outcome::Success) };
    // Servers tell the internal number of a backup in the making.
    work.id = Some(number.to_string());
    Ok(Outcome::Job(work))
}

fn list_backups(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("backup");
    list::list(turn, kind)
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let backup = turn.target("id")?;
    Ok(turn.job(backup, WORK_SHORT, move |turn| {
        turn.world.remove(backup);
        Ok(Outcome::Success)
    }))
}

fn delete_schedule(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let one = turn.arguments.object("id");
    let schedules: Vec<Handle> = match (one, turn.arguments.object("virtualmachineid")) {
        (Some(schedule), _) => vec![schedule],
        (None, Some(vm)) => turn.world.referring("backupschedule", "vm", vm).collect(),
        (None, None) => return Err(Refusal::invalid("Either instance ID or ID of backup schedule needs to be specified")),
    };
    if schedules.is_empty() {
        return Err(Refusal::failed("VM has no backup schedule defined, no need to delete anything."));
    }
    schedules.into_iter().for_each(|schedule| turn.world.remove(schedule));
    Ok(Outcome::Success)
}

fn restore(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let backup = turn.target("id")?;
    Ok(turn.job(backup, WORK_MEDIUM, move |turn| {
        let vm = turn.world.link(backup, "vm").filter(|vm| turn.world.is_alive(*vm));
        match vm.and_then(|vm| turn.world.text(vm, "state")) {
            Some("Stopped") => Ok(Outcome::Success),
            Some(_) => Err(Refusal::failed("Existing VM should be stopped before being restored from backup")),
            None => Err(Refusal::failed("Existing VM should be stopped and destroyed before being restored from backup")),
        }
    }))
}

/// What a backup holds: the volumes as they were told when it was made.
fn held(turn: &Turn<'_>, backup: Handle) -> Vec<Value> {
    let told = turn.world.text(backup, "volumes").and_then(|text| serde_json::from_str(text).ok());
    told.and_then(|value: Value| value.as_array().cloned()).unwrap_or_default()
}

/// Makes a machine like the one that was backed up, with its disks.
fn deploy(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (backup, zone) = (turn.target("backupid")?, turn.target("zoneid")?);
    if turn.world.text(backup, "status").is_some_and(|status| status != "BackedUp") {
        return Err(Refusal::failed("Backup is not in BackedUp state"));
    }
    let old = turn.world.link(backup, "vm");
    let of = |field: &str| old.and_then(|old| turn.world.link(old, field));
    let Some(offering) = turn.arguments.object("serviceofferingid").or(of("offering")) else {
        return Err(Refusal::invalid("serviceofferingid is needed, the Instance of the backup tells none"));
    };
    let template = turn.arguments.object("templateid").or(of("template"));
    let owner = turn.new_owner()?;
    let (cpus, memory) = (turn.world.number(offering, "cpunumber"), turn.world.number(offering, "memory"));
    super::limit::check(turn, owner, &[("user_vm", 1), ("cpu", cpus), ("memory", memory), ("volume", 1)])?;
    let networks: Vec<Handle> = match turn.arguments.objects("networkids").filter(|networks| !networks.is_empty()) {
        Some(networks) => networks.to_vec(),
        None => old.map(|old| super::vm::nic_rows(turn.world, old)).unwrap_or_default().iter().filter_map(|nic| turn.world.link(*nic, "network")).collect(),
    };
    let name = turn.arguments.text("name").map_or_else(|| format!("VM-{}", crate::world::id_text(turn.world.fresh_id())), str::to_owned);
    let vm = appliance::machine(turn.world, &appliance::Plan { owner, name: &name, zone, offering, template, networks: &networks });
    let disks = held(turn, backup);
    let starts = turn.arguments.truth("startvm") != Some(false);
    Ok(turn.making(vm, WORK_LONG, move |turn| {
        for (at, disk) in disks.iter().filter(|disk| disk.get("type").and_then(Value::as_str) != Some("ROOT")).enumerate() {
            let size = disk.get("size").and_then(Value::as_i64).unwrap_or_default();
            let volume = appliance::disk(turn.world, owner, &format!("{name}-DATA-{}", at + 1), (zone, size));
            turn.world.set(volume, "vm", vm);
            turn.world.set(volume, "deviceid", i64::try_from(at + 1).unwrap_or(1));
        }
        if starts && !appliance::start(turn.world, vm) {
            return Err(Refusal::failed("Unable to start the Instance due to insufficient capacity."));
        }
        Ok(Outcome::Object(vm))
    }))
}

/// Makes a disk from one that a backup holds and puts it to a machine.
fn restore_volume(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (backup, vm, wanted) = (turn.target("backupid")?, turn.target("virtualmachineid")?, turn.needed("volumeid")?);
    let disk = held(turn, backup).into_iter().find(|disk| disk.get("uuid").and_then(Value::as_str).is_some_and(|id| id.eq_ignore_ascii_case(&wanted)));
    let Some(disk) = disk else { return Err(Refusal::failed(format!("Unable to find volume {wanted} in the backup"))) };
    if !matches!(turn.world.text(vm, "state"), Some("Running" | "Stopped")) {
        return Err(Refusal::failed("Instance must be running or stopped to attach a restored volume"));
    }
    let (Some(owner), Some(zone)) = (turn.world.owner(vm), turn.world.link(vm, "zone")) else { return Err(Refusal::permission()) };
    super::limit::check(turn, owner, &[("volume", 1)])?;
    Ok(turn.job(vm, WORK_MEDIUM, move |turn| {
        let size = disk.get("size").and_then(Value::as_i64).unwrap_or_default();
        let used: Vec<i64> = turn.world.referring("volume", "vm", vm).map(|volume| turn.world.number(volume, "deviceid")).collect();
        let free = (1..).find(|number| !used.contains(number)).unwrap_or(1);
        let volume = appliance::disk(turn.world, owner, &format!("{wanted}-restored"), (zone, size));
        turn.world.set(volume, "vm", vm);
        turn.world.set(volume, "deviceid", free);
        Ok(Outcome::Success)
    }))
}

fn update_schedule(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    schedule_is_right(turn, None)?;
    let vm = turn.target("virtualmachineid")?;
    let interval = turn.needed("intervaltype")?.to_uppercase();
    let found = turn.world.referring("backupschedule", "vm", vm).find(|schedule| turn.world.text(*schedule, "intervaltype") == Some(&interval));
    let Some(schedule) = found else { return Err(Refusal::failed(format!("The Instance has no {interval} backup schedule"))) };
    SCHEDULE_PUTS.iter().for_each(|put| recipe::apply(turn, schedule, *put));
    plan(turn.world, schedule);
    Ok(Outcome::Object(schedule))
}

/// Plans the next backup of a schedule.
fn plan(world: &mut World, row: Handle) {
    let (interval, time) = (world.string(row, "intervaltype"), world.string(row, "schedule"));
    schedule::plan(world, row, (&interval, &time), Chore::BackUp);
}

/// Makes the backup that a schedule is due for, and forgets the oldest beyond those that it keeps, if it keeps not all.
pub(crate) fn back_up_due(world: &mut World, row: Handle) {
    let Some(vm) = world.link(row, "vm").filter(|vm| world.is_alive(*vm) && schedule::is_time(world, row)) else { return };
    if let Some(offering) = world.link(vm, "backupoffering") {
        let made = insert(world, (vm, offering), None);
        world.set(made, "scheduled", row);
        let interval = world.string(row, "intervaltype");
        world.set(made, "intervaltype", interval);
        events::happened(world, vm, "BACKUP.CREATE", ("INFO", "Completed", "A schedule made a backup"));
        let kept = usize::try_from(world.number(row, "maxbackups")).unwrap_or_default();
        let mut known: Vec<Handle> = world.referring("backup", "scheduled", row).collect();
        known.sort_unstable();
        let surplus = if kept == 0 { 0 } else { known.len().saturating_sub(kept) };
        known.into_iter().take(surplus).for_each(|old| world.remove(old));
    }
    plan(world, row);
}

/// Makes the row of a backup of a machine as it is.
fn insert(world: &mut World, (vm, offering): (Handle, Handle), name: Option<String>) -> Handle {
    let owner = world.owner(vm);
    let volumes: Vec<Handle> = world.referring("volume", "vm", vm).collect();
    let size: i64 = volumes.iter().map(|volume| world.number(*volume, "size")).sum();
    let told: Vec<Value> = volumes
        .iter()
        .map(|volume| {
            let (kind, path) = (world.string(*volume, "type"), world.string(*volume, "path"));
            json!({"uuid": world.id(*volume), "type": kind, "size": world.number(*volume, "size"), "path": path})
        })
        .collect();
    let name = name.unwrap_or_else(|| format!("{}-{}", world.string(vm, "name"), world.timestamp()));
    let mut fields: Vec<(&str, Datum)> = vec![
        ("name", name.into()),
        ("vm", vm.into()),
        ("offering", offering.into()),
        ("size", size.into()),
        ("virtualsize", size.into()),
        ("volumes", Value::Array(told).to_string().into()),
    ];
    if let Some(zone) = world.link(vm, "zone") {
        fields.push(("zone", zone.into()));
    }
    world.insert(world.kind("backup"), owner, &fields)
}
