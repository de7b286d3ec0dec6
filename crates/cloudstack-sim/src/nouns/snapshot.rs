//! Snapshots of volumes and of machines, and the policies that take them.

use serde_json::{Map, Value, json};

use super::{Tables, schedule};
use crate::{
    collation::is_same,
    events::{self, Aside},
    jobs::Chore,
    json::Json,
    kind::{
        ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, Noun, PROJECT, PROJECT_ID, Shown, TAGS, Viewer, always, computed,
        flag, linked, own, own_or,
    },
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_MEDIUM, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// The words of the intervals, in the order of their numbers.
const INTERVALS: &[&str] = &["HOURLY", "DAILY", "WEEKLY", "MONTHLY"];
/// The most snapshots that a policy of each interval keeps.
const POLICY_SNAPSHOTS_MAX: [i64; 4] = [8, 8, 8, 12];
/// The last day that every month has.
const LAST_DAY: i64 = 28;
/// The most snapshots of one machine.
const VM_SNAPSHOTS_MAX: usize = 10;
/// The time zone of policies that name none that is known.
const FALLBACK_TIME_ZONE: &str = "GMT";

/// A snapshot of a volume.
pub(crate) const SNAPSHOT_NOUN: Noun = Noun {
    word: "snapshot",
    entities: &["SnapshotResponse"],
    resource: "Snapshot",
    owned: true,
    keywords: &["name"],
    newest_first: true,
    view: &[
        ID,
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        linked("volumeid", "volume", "id"),
        linked("volumename", "volume", "name"),
        linked("volumetype", "volume", "type"),
        linked("volumestate", "volume", "state"),
        computed("zoneid", |world, snapshot, _| zone(world, snapshot).map(|zone| Shown::Text(world.id(zone)))),
        computed("zonename", |world, snapshot, _| zone(world, snapshot).map(|zone| Shown::Text(world.string(zone, "name")))),
        CREATED,
        own("name"),
        own_or("intervaltype", Constant::Text("MANUAL")),
        own("locationtype"),
        own("state"),
        always("physicalsize", Constant::Number(0)),
        flag("revertable"),
        computed("ostypeid", |world, snapshot, _| os_type(world, snapshot).map(|os| Shown::Text(world.id(os)))),
        own("virtualsize"),
        TAGS,
        HAS_ANNOTATIONS,
    ],
};

/// A policy that takes snapshots of a volume.
pub(crate) const POLICY_NOUN: Noun = Noun {
    word: "snapshotpolicy",
    entities: &["SnapshotPolicyResponse"],
    resource: "SnapshotPolicy",
    owned: true,
    keywords: &[],
    newest_first: false,
    view: &[
        ID,
        linked("volumeid", "volume", "id"),
        linked("volumename", "volume", "name"),
        own("schedule"),
        own("intervaltype"),
        own("maxsnaps"),
        own("timezone"),
        own_or("fordisplay", Constant::Flag(true)).root(),
        computed("zone", policy_zones),
        computed("storage", policy_pools),
        TAGS,
    ],
};

/// A snapshot of a machine.
pub(crate) const VM_SNAPSHOT_NOUN: Noun = Noun {
    word: "vmsnapshot",
    entities: &["VMSnapshotResponse"],
    resource: "VmSnapshot",
    owned: true,
    keywords: &["name", "displayname"],
    newest_first: true,
    view: &[
        ID,
        own("name"),
        own("state"),
        own("displayname"),
        own("description"),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        linked("virtualmachineid", "vm", "id"),
        linked("virtualmachinename", "vm", "name"),
        linked("parent", "parentsnapshot", "id"),
        linked("parentName", "parentsnapshot", "displayname"),
        flag("current"),
        own("type"),
        CREATED,
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        computed("hypervisor", |_, _, _| Some(Shown::Text("Simulator".to_owned()))),
        TAGS,
        HAS_ANNOTATIONS,
    ],
};

/// The commands of snapshots.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listSnapshots", list_taken),
        ("createSnapshot", create),
        ("listSnapshotPolicies", list_policies),
        ("archiveSnapshot", archive),
        ("copySnapshot", copy),
        ("createSnapshotFromVMSnapshot", create_from_vm_snapshot),
        ("deleteSnapshot", delete),
        ("revertSnapshot", revert),
        ("createSnapshotPolicy", create_policy),
        ("updateSnapshotPolicy", update_policy),
        ("deleteSnapshotPolicies", delete_policies),
        ("listVMSnapshot", list_of_vms),
        ("createVMSnapshot", create_of_vm),
        ("deleteVMSnapshot", delete_of_vm),
        ("revertToVMSnapshot", revert_vm),
    ],
    filters: &[
        ("vmsnapshot", "vmsnapshotid", |turn, row| turn.arguments.object("vmsnapshotid") == Some(row)),
        // What people call the name is the displayed one; the other is made up.
        ("vmsnapshot", "name", |turn, row| {
            turn.arguments.given("name").is_some_and(|name| turn.world.text(row, "displayname").is_some_and(|known| is_same(known, name)))
        }),
        ("vmsnapshot", "vmsnapshotids", |turn, row| turn.arguments.objects("vmsnapshotids").is_some_and(|ids| ids.contains(&row))),
        ("snapshot", "snapshottype", |turn, row| is_of_sort(turn, row, "snapshottype")),
        // How often they are taken is asked for only of one volume, and only where nobody asks for a sort.
        ("snapshot", "intervaltype", |turn, row| {
            turn.arguments.object("volumeid").is_none() || turn.arguments.text("snapshottype").is_some() || is_of_sort(turn, row, "intervaltype")
        }),
    ],
};

/// Whether a snapshot is of the sort that an argument asks for: taken by hand, at an interval, or at any.
fn is_of_sort(turn: &Turn<'_>, snapshot: Handle, parameter: &str) -> bool {
    let wanted = turn.arguments.text(parameter).unwrap_or_default();
    let sort = turn.world.text(snapshot, "intervaltype").unwrap_or("MANUAL");
    sort.eq_ignore_ascii_case(wanted) || wanted.eq_ignore_ascii_case("RECURRING") && sort != "MANUAL"
}

/// Lists snapshots. Unlike other lists it refuses who names another's volume.
fn list_taken(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    if turn.arguments.object("volumeid").is_some_and(|volume| turn.world.is_alive(volume) && !turn.may_use(volume)) {
        return Err(Refusal::permission());
    }
    let kind = turn.world.kind("snapshot");
    list::list(turn, kind)
}

/// Lists snapshots of machines. Who names one asks everywhere, as with the ids of other lists.
fn list_of_vms(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let page = list::Page::read(turn)?;
    let everything = turn.arguments.flag("listall") || turn.arguments.object("vmsnapshotid").is_some();
    let scope = list::scope_with(turn, everything)?;
    let kind = turn.world.kind("vmsnapshot");
    let rows = list::unscoped(turn, kind, &|world, row| world.owner(row).is_some_and(|owner| list::in_scope(world, owner, &scope)));
    Ok(page.cut(rows))
}

fn compact_stamp(world: &World) -> String {
    world.timestamp().chars().filter(char::is_ascii_digit).take(14).collect()
}

/// The zone of a policy's volume.
fn policy_zones(world: &World, policy: Handle, _: Viewer) -> Option<Shown> {
    let zone = world.link(world.link(policy, "volume")?, "zone")?;
    let mut shown = json!({"id": world.id(zone), "name": world.string(zone, "name"), "isnsxenabled": false, "ismultiarch": false, "routedmodeenabled": false});
    if world.is_old {
        shown = ["securitygroupsenabled", "localstorageenabled"].into_iter().fold(shown, |shown, name| super::metrics::with(shown, name, false));
    }
    Some(Shown::Raw(format!("[{shown}]")))
}

/// The storage that a policy's volume is on.
fn policy_pools(world: &World, policy: Handle, _: Viewer) -> Option<Shown> {
    let Some(pool) = world.link(policy, "volume").and_then(|volume| world.link(volume, "pool")) else { return Some(Shown::Raw("[]".to_owned())) };
    let shown = json!({"id": world.id(pool), "name": world.string(pool, "name")});
    Some(Shown::Raw(format!("[{shown}]")))
}

/// A new snapshot as the job that took it shows it: with its sort and its volume's OS, and its tags without their places.
fn as_taken(turn: &Turn<'_>, snapshot: Handle) -> Outcome {
    let mut text = Json::default();
    turn.world.render(snapshot, turn.viewer(), &mut text);
    let mut shown: Map<String, Value> = serde_json::from_str(&text.into_text()).unwrap_or_default();
    shown.insert("snapshottype".to_owned(), json!(turn.world.text(snapshot, "intervaltype").unwrap_or("MANUAL")));
    if let Some(os) = os_type(turn.world, snapshot) {
        shown.insert("osdisplayname".to_owned(), json!(turn.world.string(os, "description")));
    }
    let tags = turn.world.tags.get(&snapshot).into_iter().flatten().map(|tag| json!({"key": tag.key, "value": tag.value}));
    shown.insert("tags".to_owned(), tags.collect());
    Outcome::Shown("snapshot".to_owned(), Value::Object(shown).to_string())
}

/// The OS on a snapshot of a machine's root disk.
fn os_type(world: &World, snapshot: Handle) -> Option<Handle> {
    let volume = world.link(snapshot, "volume").filter(|volume| world.text(*volume, "type") == Some("ROOT"))?;
    world.link(world.link(volume, "vm")?, "ostype")
}

/// The name of a snapshot that was given none.
fn made_up_name(world: &World, volume: Handle) -> String {
    let machine = world.link(volume, "vm").map_or_else(|| "detached".to_owned(), |vm| world.string(vm, "name"));
    format!("{machine}_{}_{}", world.string(volume, "name"), compact_stamp(world))
}

/// A row for a snapshot that is being taken.
fn begin(world: &mut World, volume: Handle, name: String) -> Handle {
    let size = world.number(volume, "size");
    let mut fields: Vec<(&str, Datum)> = vec![("name", name.into()), ("volume", volume.into()), ("virtualsize", size.into()), ("state", "BackingUp".into())];
    if let Some(zone) = world.link(volume, "zone") {
        fields.push(("zone", zone.into()));
    }
    let kind = world.kind("snapshot");
    let owner = world.owner(volume);
    world.insert(kind, owner, &fields)
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("volumeid")?;
    let owner = turn.world.owner(volume).unwrap_or(turn.caller.account);
    // What is taken side by side is taken one after the other.
    if !matches!(turn.world.text(volume, "state"), Some("Ready" | "Snapshotting")) {
        return Err(Refusal::invalid(format!(
            "VolumeId: {} is not in Ready state but {}. Cannot take snapshot.",
            turn.world.id(volume),
            turn.world.string(volume, "state")
        )));
    }
    super::limit::check(turn, owner, &[("snapshot", 1), ("secondary_storage", turn.world.number(volume, "size") / super::volume::GIB)])?;
    let name = turn.arguments.text("name").map_or_else(|| made_up_name(turn.world, volume), str::to_owned);
    let snapshot = begin(turn.world, volume, name);
    super::tag::put(turn, snapshot, "Snapshot");
    turn.world.set(volume, "state", "Snapshotting");
    let queue = turn.world.link(volume, "vm").or(Some(volume));
    let job = turn.making(snapshot, WORK_MEDIUM, move |turn| {
        let others = turn.world.referring("snapshot", "volume", volume).any(|other| other != snapshot && turn.world.text(other, "state") == Some("BackingUp"));
        if !others && turn.world.text(volume, "state") == Some("Snapshotting") {
            turn.world.set(volume, "state", "Ready");
        }
        turn.world.set(snapshot, "state", "BackedUp");
        Ok(as_taken(turn, snapshot))
    });
    Ok(Turn::queued(job, queue))
}

/// Where it lies; one that was archived does not say so any more.
fn zone(world: &World, snapshot: Handle) -> Option<Handle> {
    if world.text(snapshot, "locationtype").is_some() { None } else { world.link(snapshot, "zone") }
}

fn archive(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let snapshot = turn.target("id")?;
    Ok(turn.job(snapshot, WORK_SHORT, move |turn| {
        turn.world.set(snapshot, "locationtype", "SECONDARY");
        Ok(Outcome::Success)
    }))
}

fn copy(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let snapshot = turn.target("id")?;
    let targets: Vec<Handle> = turn.arguments.objects("destzoneids").map(<[Handle]>::to_vec).unwrap_or_default();
    let pools = turn.arguments.objects("storageids").is_some_and(|pools| !pools.is_empty());
    let source = turn.arguments.object("sourcezoneid").or_else(|| turn.world.link(snapshot, "zone"));
    let check = if targets.is_empty() && !pools {
        Err(Refusal::invalid("There is no destination zone or storage provided."))
    } else if targets.iter().any(|zone| Some(*zone) == source) {
        Err(Refusal::invalid("Please specify different source and destination zones."))
    } else {
        Ok(())
    };
    Ok(turn.checked_job(snapshot, WORK_MEDIUM, check, move |turn| Ok(as_taken(turn, snapshot))))
}

fn create_from_vm_snapshot(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("volumeid")?;
    let of_vm = turn.target("vmsnapshotid")?;
    if turn.world.link(volume, "vm") != turn.world.link(of_vm, "vm") {
        return Err(Refusal::invalid("The volume is not one of the machine whose snapshot it is"));
    }
    let name = made_up_name(turn.world, volume);
    let snapshot = begin(turn.world, volume, name);
    Ok(turn.making(snapshot, WORK_SHORT, move |turn| {
        turn.world.remove(snapshot);
        Err(Refusal::invalid("Unsupported hypervisor type Simulator. This supports KVM only"))
    }))
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let snapshot = turn.target("id")?;
    let check = match turn.world.text(snapshot, "state") {
        Some("BackedUp" | "Error" | "Destroyed") => Ok(()),
        state => Err(Refusal::invalid(format!("Can't delete snapshot {}: it is {}", turn.world.id(snapshot), state.unwrap_or_default()))),
    };
    Ok(turn.checked_job(snapshot, WORK_SHORT, check, move |turn| {
        if !turn.world.is_alive(snapshot) {
            return Err(Refusal::invalid("The snapshot is already destroyed"));
        }
        turn.world.set(snapshot, "state", "Destroyed");
        turn.world.remove(snapshot);
        Ok(Outcome::Success)
    }))
}

fn revert(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let snapshot = turn.target("id")?;
    let volume = turn.world.link(snapshot, "volume").filter(|volume| turn.world.is_alive(*volume));
    let vm = volume.and_then(|volume| turn.world.link(volume, "vm"));
    let check = if volume.is_none() {
        Err(Refusal::invalid("The volume of the snapshot is gone: there is nothing to revert"))
    } else if vm.is_some_and(|vm| turn.world.text(vm, "state") != Some("Stopped")) {
        Err(Refusal::invalid("The Instance the specified disk is attached to is not in the shutdown state."))
    } else {
        Ok(())
    };
    Ok(turn.checked_job(snapshot, WORK_MEDIUM, check, move |turn| {
        let size = turn.world.number(snapshot, "virtualsize");
        if let Some(volume) = volume {
            turn.world.set(volume, "size", size);
        }
        Ok(Outcome::Success)
    }))
}

/// Whether a name looks like one of a time zone: an area of the world and a place, or one of the short ones.
fn is_time_zone(name: &str) -> bool {
    const AREAS: [&str; 11] = ["Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Etc", "Europe", "Indian", "Pacific"];
    const SHORT: [&str; 8] = ["UTC", "GMT", "CET", "EET", "MET", "WET", "EST", "PST"];
    SHORT.contains(&name) || name.split_once('/').is_some_and(|(area, _)| AREAS.contains(&area))
}

/// Whether a schedule has the numbers that its interval needs: minute, hour, day.
fn is_schedule(interval: usize, schedule: &str) -> bool {
    let parts: Vec<Option<i64>> = schedule.split(':').map(|part| part.parse().ok()).collect();
    let needed = (interval + 1).min(3);
    let is_of_month = interval == INTERVALS.len() - 1;
    let is_day = parts.get(2).is_none_or(|day| !is_of_month || day.is_none_or(|day| day <= LAST_DAY));
    parts.len() >= needed && parts.iter().take(needed).all(Option::is_some) && is_day
}

/// Plans the next snapshot of a policy.
fn plan(world: &mut World, policy: Handle) {
    let interval = usize::try_from(world.number(policy, "intervaltype")).ok().and_then(|place| INTERVALS.get(place)).copied().unwrap_or_default();
    let time = world.string(policy, "schedule");
    schedule::plan(world, policy, (interval, &time), Chore::TakeSnapshot);
}

/// Takes the snapshot that a policy is due for, and forgets the oldest beyond those that it keeps.
pub(crate) fn take_due(world: &mut World, policy: Handle) {
    let Some(volume) = world.link(policy, "volume").filter(|volume| world.is_alive(*volume) && schedule::is_time(world, policy)) else { return };
    if world.text(volume, "state") == Some("Ready") {
        let name = made_up_name(world, volume);
        let snapshot = begin(world, volume, name);
        let interval = usize::try_from(world.number(policy, "intervaltype")).ok().and_then(|place| INTERVALS.get(place)).copied().unwrap_or_default();
        world.set(snapshot, "intervaltype", interval);
        world.set(snapshot, "state", "BackedUp");
        world.set(snapshot, "policy", policy);
        events::happened(world, snapshot, "SNAPSHOT.CREATE", ("INFO", "Completed", "A policy took a snapshot"));
        let mut taken: Vec<Handle> = world.referring("snapshot", "policy", policy).collect();
        taken.sort_unstable();
        let kept = usize::try_from(world.number(policy, "maxsnaps")).unwrap_or_default();
        let surplus = taken.len().saturating_sub(kept);
        for old in taken.into_iter().take(surplus) {
            events::happened(world, old, "SNAPSHOT.DELETE", ("INFO", "Completed", "A policy let go of its oldest snapshot"));
            world.set(old, "state", "Destroyed");
            world.remove(old);
        }
    }
    plan(world, policy);
}

fn create_policy(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("volumeid")?;
    let word = turn.needed("intervaltype")?.to_ascii_uppercase();
    let Some(interval) = INTERVALS.iter().position(|known| *known == word) else { return Err(Refusal::invalid(format!("Unsupported interval type {word}"))) };
    let kept = turn.arguments.number("maxsnaps").unwrap_or(1);
    let most = POLICY_SNAPSHOTS_MAX.get(interval).copied().unwrap_or_default();
    let said = super::recipe::said(turn.world, "Volume", volume);
    if kept > most {
        return Err(Refusal::invalid(format!("maxSnaps [{kept}] for volume {said} exceeds limit [{most}] for interval type [{word}].")));
    }
    if kept <= 0 {
        return Err(Refusal::invalid(format!("maxSnaps [{kept}] for volume {said} should be greater than 0.")));
    }
    let schedule = turn.needed("schedule")?;
    if !is_schedule(interval, &schedule) {
        return Err(Refusal::invalid(format!("Invalid schedule: {schedule} specified for  interval {word}")));
    }
    let asked = turn.needed("timezone")?;
    let zone = if is_time_zone(&asked) { asked } else { FALLBACK_TIME_ZONE.to_owned() };
    let interval = i64::try_from(interval).unwrap_or(0);
    // One policy an interval: another call changes it.
    let known = turn.world.referring("snapshotpolicy", "volume", volume).find(|policy| turn.world.number(*policy, "intervaltype") == interval);
    if known.is_some() {
        turn.world.asides.push(Aside::Event { kind: "DELETE_TAGS", phases: "D", resource: "Volume", object: Some(volume) });
    }
    let kind = turn.world.kind("snapshotpolicy");
    let owner = turn.world.owner(volume);
    let policy = known.unwrap_or_else(|| turn.world.insert(kind, owner, &[("volume", volume.into()), ("intervaltype", interval.into())]));
    turn.world.set(policy, "schedule", schedule);
    turn.world.set(policy, "maxsnaps", kept);
    turn.world.set(policy, "timezone", zone);
    plan(turn.world, policy);
    super::tag::put(turn, policy, "SnapshotPolicy");
    if let Some(shown) = turn.arguments.truth("fordisplay") {
        turn.world.set(policy, "fordisplay", shown);
    }
    Ok(Outcome::Object(policy))
}

fn list_policies(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    // Older releases list by volume or by id only.
    if turn.world.is_old && turn.arguments.object("volumeid").is_none() && turn.arguments.object("id").is_none() {
        return Err(Refusal::invalid("Unable to find a volume with id null"));
    }
    let kind = turn.world.kind("snapshotpolicy");
    list::list(turn, kind)
}

fn update_policy(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let policy = turn.target("id")?;
    Ok(turn.job(policy, WORK_SHORT, move |turn| {
        if let Some(shown) = turn.arguments.truth("fordisplay") {
            turn.world.set(policy, "fordisplay", shown);
        }
        let mut text = Json::default();
        turn.world.render(policy, turn.viewer(), &mut text);
        // This command alone shows the tags of the zone.
        let shown = text.into_text().replace("\"isnsxenabled\"", "\"tags\":[],\"isnsxenabled\"");
        Ok(Outcome::Shown("snapshotpolicy".to_owned(), shown))
    }))
}

fn delete_policies(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let several = turn.arguments.objects("ids").map(<[Handle]>::to_vec).unwrap_or_default();
    let all: Vec<Handle> = turn.arguments.object("id").into_iter().chain(several).collect();
    if all.is_empty() {
        return Err(Refusal::invalid("Either the id or the ids must be specified"));
    }
    all.into_iter().for_each(|policy| turn.world.remove(policy));
    Ok(Outcome::Success)
}

/// Whether a snapshot of a machine may be taken.
fn check_of_vm(turn: &Turn<'_>, vm: Handle) -> Result<(), Refusal> {
    if !matches!(turn.world.text(vm, "state"), Some("Running" | "Stopped")) {
        return Err(Refusal::invalid(format!(
            "Creating Instance Snapshot failed due to Instance:{} is not in the running or stopped state",
            turn.world.id(vm)
        )));
    }
    let known: Vec<Handle> = turn.world.referring("vmsnapshot", "vm", vm).collect();
    if known.len() >= VM_SNAPSHOTS_MAX {
        return Err(Refusal::internal(format!("Creating a snapshot of the machine failed: it can have {VM_SNAPSHOTS_MAX} of them. Delete old ones")));
    }
    if known.iter().any(|snapshot| turn.world.text(*snapshot, "state") != Some("Ready")) {
        return Err(Refusal::internal("There is other active snapshot tasks on the instance, please try again later"));
    }
    let at_work = turn.world.referring("volume", "vm", vm).any(|volume| turn.world.text(volume, "state") == Some("Snapshotting"));
    if at_work { Err(Refusal::internal("There is other active volume snapshot tasks on the instance, please try again later")) } else { Ok(()) }
}

fn create_of_vm(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    check_of_vm(turn, vm)?;
    let name = format!("{}_VS_{}", turn.world.string(vm, "instancename"), compact_stamp(turn.world));
    let shown = turn.arguments.text("name").unwrap_or(&name).to_owned();
    let with_memory = turn.arguments.flag("snapshotmemory");
    let parent = turn.world.referring("vmsnapshot", "vm", vm).find(|row| turn.world.flag(*row, "current"));
    let mut fields: Vec<(&str, Datum)> = vec![
        ("name", name.into()),
        ("displayname", shown.into()),
        ("vm", vm.into()),
        ("state", "Creating".into()),
        ("type", if with_memory { "DiskAndMemory" } else { "Disk" }.into()),
    ];
    for (field, target) in [("zone", turn.world.link(vm, "zone")), ("parentsnapshot", parent)] {
        if let Some(target) = target {
            fields.push((field, target.into()));
        }
    }
    if let Some(text) = turn.arguments.text("description") {
        fields.push(("description", text.into()));
    }
    let kind = turn.world.kind("vmsnapshot");
    let snapshot = turn.world.insert(kind, turn.world.owner(vm), &fields);
    super::tag::put(turn, snapshot, "VMSnapshot");
    let job = turn.making(snapshot, WORK_MEDIUM, move |turn| {
        make_current(turn.world, vm, snapshot);
        turn.world.set(snapshot, "state", "Ready");
        Ok(Outcome::Object(snapshot))
    });
    Ok(Turn::queued(job, Some(vm)))
}

/// Makes a snapshot the one from which the machine goes on.
fn make_current(world: &mut World, vm: Handle, snapshot: Handle) {
    let all: Vec<Handle> = world.referring("vmsnapshot", "vm", vm).collect();
    for other in all {
        world.set(other, "current", other == snapshot);
    }
}

fn delete_of_vm(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let snapshot = turn.target("vmsnapshotid")?;
    let vm = turn.world.link(snapshot, "vm");
    let job = turn.job(snapshot, WORK_SHORT, move |turn| {
        if !turn.world.is_alive(snapshot) {
            return Err(Refusal::invalid("The snapshot of the machine is gone"));
        }
        let parent = turn.world.link(snapshot, "parentsnapshot");
        let children: Vec<Handle> = turn.world.referring("vmsnapshot", "parentsnapshot", snapshot).collect();
        for child in children {
            match parent {
                Some(parent) => turn.world.set(child, "parentsnapshot", parent),
                None => turn.world.unset(child, "parentsnapshot"),
            }
        }
        if let Some(parent) = parent.filter(|_| turn.world.flag(snapshot, "current")) {
            turn.world.set(parent, "current", true);
        }
        turn.world.remove(snapshot);
        Ok(Outcome::Success)
    });
    Ok(Turn::queued(job, vm))
}

fn check_revert(turn: &Turn<'_>, vm: Handle, with_memory: bool) -> Result<(), Refusal> {
    match turn.world.text(vm, "state") {
        Some("Running") if !with_memory => Err(Refusal::invalid(
            "Reverting to the Instance Snapshot is not allowed for running Instances as this would result in an Instance state change. For running Instances only Snapshots with memory can be reverted. In order to revert to a Snapshot without memory you need to first stop the Instance.",
        )),
        Some("Stopped") if with_memory => Err(Refusal::invalid(
            "Reverting to the Instance Snapshot is not allowed for stopped Instances when the Snapshot contains memory as this would result in an Instance state change. In order to revert to a Snapshot with memory you need to first start the Instance.",
        )),
        Some("Running" | "Stopped") => Ok(()),
        state => Err(Refusal::invalid(format!("The machine is {}, so it cannot go back to a snapshot", state.unwrap_or_default()))),
    }
}

fn revert_vm(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let snapshot = turn.target("vmsnapshotid")?;
    let vm = turn.world.link(snapshot, "vm").ok_or_else(Refusal::permission)?;
    let check = check_revert(turn, vm, turn.world.text(snapshot, "type") == Some("DiskAndMemory"));
    let job = turn.checked_job(snapshot, WORK_MEDIUM, check, move |turn| {
        make_current(turn.world, vm, snapshot);
        let mut json = Json::default();
        turn.world.render(vm, turn.viewer(), &mut json);
        Ok(Outcome::Shown("virtualmachine".to_owned(), json.into_text()))
    });
    Ok(Turn::queued(job, Some(vm)))
}
