//! Snapshots of volumes and of machines, and the policies that take them.

use super::Tables;
use crate::{
    kind::{
        ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, Noun, PROJECT, PROJECT_ID, Shown, TAGS, always, computed, flag,
        linked, own, own_or,
    },
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_MEDIUM, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// The words of the intervals, in the order of their numbers.
const INTERVALS: &[&str] = &["HOURLY", "DAILY", "WEEKLY", "MONTHLY"];
/// The most snapshots a policy keeps.
const POLICY_SNAPSHOTS_MAX: i64 = 8;

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
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        CREATED,
        own("name"),
        own_or("intervaltype", Constant::Text("MANUAL")),
        own_or("locationtype", Constant::Text("SECONDARY")).root(),
        own("state"),
        always("physicalsize", Constant::Number(0)),
        flag("revertable"),
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
        always("zone", Constant::Empty),
        always("storage", Constant::Empty),
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
        linked("parentName", "parentsnapshot", "name"),
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
        ("createSnapshot", create),
        ("deleteSnapshot", delete),
        ("revertSnapshot", revert),
        ("createSnapshotPolicy", create_policy),
        ("updateSnapshotPolicy", update_policy),
        ("deleteSnapshotPolicies", delete_policies),
        ("createVMSnapshot", create_of_vm),
        ("deleteVMSnapshot", delete_of_vm),
        ("revertToVMSnapshot", revert_vm),
    ],
    filters: &[("vmsnapshot", "vmsnapshotids", |turn, row| turn.arguments.objects("vmsnapshotids").is_some_and(|ids| ids.contains(&row)))],
};

fn compact_stamp(world: &World) -> String {
    world.timestamp().chars().filter(char::is_ascii_digit).take(14).collect()
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("volumeid")?;
    let owner = turn.world.owner(volume).unwrap_or(turn.caller.account);
    super::limit::check(turn, owner, &[("snapshot", 1)])?;
    if turn.world.text(volume, "state") != Some("Ready") {
        return Err(Refusal::invalid(format!(
            "VolumeId: {} is not in Ready state but {}. Cannot take snapshot.",
            turn.world.id(volume),
            turn.world.string(volume, "state")
        )));
    }
    let machine = turn.world.link(volume, "vm").map_or_else(|| "detached".to_owned(), |vm| turn.world.string(vm, "name"));
    let made_up = format!("{machine}_{}_{}", turn.world.string(volume, "name"), compact_stamp(turn.world));
    let name = turn.arguments.text("name").map_or(made_up, str::to_owned);
    let size = turn.world.number(volume, "size");
    let mut fields: Vec<(&str, Datum)> = vec![("name", name.into()), ("volume", volume.into()), ("virtualsize", size.into()), ("state", "BackingUp".into())];
    if let Some(zone) = turn.world.link(volume, "zone") {
        fields.push(("zone", zone.into()));
    }
    let kind = turn.world.kind("snapshot");
    let snapshot = turn.world.insert(kind, Some(owner), &fields);
    super::tag::put(turn, snapshot, "Snapshot");
    Ok(turn.making(snapshot, WORK_MEDIUM, move |turn| {
        turn.world.set(snapshot, "state", "BackedUp");
        Ok(Outcome::Object(snapshot))
    }))
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let snapshot = turn.target("id")?;
    Ok(turn.job(snapshot, WORK_SHORT, move |turn| {
        turn.world.set(snapshot, "state", "Destroyed");
        turn.world.remove(snapshot);
        Ok(Outcome::Success)
    }))
}

fn revert(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let snapshot = turn.target("id")?;
    Ok(turn.job(snapshot, WORK_MEDIUM, move |turn| {
        let vm = turn.world.link(snapshot, "volume").and_then(|volume| turn.world.link(volume, "vm"));
        if vm.is_some_and(|vm| turn.world.text(vm, "state") != Some("Stopped")) {
            return Err(Refusal::invalid("The Instance the specified disk is attached to is not in the shutdown state."));
        }
        Ok(Outcome::Success)
    }))
}

fn create_policy(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("volumeid")?;
    let word = turn.needed("intervaltype")?.to_ascii_uppercase();
    let Some(interval) = INTERVALS.iter().position(|known| *known == word) else { return Err(Refusal::invalid(format!("Unsupported interval type {word}"))) };
    let kept = turn.arguments.number("maxsnaps").unwrap_or(1);
    if kept > POLICY_SNAPSHOTS_MAX {
        let said = format!(
            "Volume {{\"id\":{},\"name\":\"{}\",\"uuid\":\"{}\"}}",
            World::internal_number(volume),
            turn.world.string(volume, "name"),
            turn.world.id(volume)
        );
        return Err(Refusal::invalid(format!("maxSnaps [{kept}] for volume {said} exceeds limit [{POLICY_SNAPSHOTS_MAX}] for interval type [{word}].")));
    }
    let interval = i64::try_from(interval).unwrap_or(0);
    let old: Vec<Handle> =
        turn.world.referring("snapshotpolicy", "volume", volume).filter(|policy| turn.world.number(*policy, "intervaltype") == interval).collect();
    old.into_iter().for_each(|policy| turn.world.remove(policy));
    let fields: Vec<(&str, Datum)> = vec![
        ("volume", volume.into()),
        ("schedule", turn.needed("schedule")?.into()),
        ("intervaltype", interval.into()),
        ("maxsnaps", kept.into()),
        ("timezone", turn.needed("timezone")?.into()),
    ];
    let kind = turn.world.kind("snapshotpolicy");
    let policy = turn.world.insert(kind, turn.world.owner(volume), &fields);
    Ok(Outcome::Object(policy))
}

fn update_policy(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let policy = turn.target("id")?;
    if let Some(shown) = turn.arguments.truth("fordisplay") {
        turn.world.set(policy, "fordisplay", shown);
    }
    Ok(Outcome::Object(policy))
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

fn create_of_vm(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("virtualmachineid")?;
    if !matches!(turn.world.text(vm, "state"), Some("Running" | "Stopped")) {
        return Err(Refusal::invalid(format!(
            "Creating Instance Snapshot failed due to Instance:{} is not in the running or stopped state",
            turn.world.id(vm)
        )));
    }
    let name = format!("{}_VS_{}", turn.world.string(vm, "instancename"), compact_stamp(turn.world));
    let shown = turn.arguments.text("name").unwrap_or(&name).to_owned();
    let with_memory = turn.arguments.flag("snapshotmemory");
    let parent = turn.world.referring("vmsnapshot", "vm", vm).find(|row| turn.world.flag(*row, "current"));
    if let Some(parent) = parent {
        turn.world.set(parent, "current", false);
    }
    let mut fields: Vec<(&str, Datum)> = vec![
        ("name", name.into()),
        ("displayname", shown.into()),
        ("vm", vm.into()),
        ("state", "Creating".into()),
        ("current", true.into()),
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
    Ok(turn.making(snapshot, WORK_MEDIUM, move |turn| {
        turn.world.set(snapshot, "state", "Ready");
        Ok(Outcome::Object(snapshot))
    }))
}

fn delete_of_vm(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let snapshot = turn.target("vmsnapshotid")?;
    Ok(turn.job(snapshot, WORK_SHORT, move |turn| {
        turn.world.remove(snapshot);
        Ok(Outcome::Success)
    }))
}

fn revert_vm(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let snapshot = turn.target("vmsnapshotid")?;
    let vm = turn.world.link(snapshot, "vm").ok_or_else(Refusal::permission)?;
    Ok(turn.job(vm, WORK_MEDIUM, move |turn| {
        let with_memory = turn.world.text(snapshot, "type") == Some("DiskAndMemory");
        if turn.world.text(vm, "state") == Some("Running") && !with_memory {
            return Err(Refusal::invalid(
                "Reverting to the Instance Snapshot is not allowed for running Instances as this would result in an Instance state change. For running Instances only Snapshots with memory can be reverted. In order to revert to a Snapshot without memory you need to first stop the Instance.",
            ));
        }
        let mut json = crate::json::Json::default();
        turn.world.render(vm, turn.viewer(), &mut json);
        Ok(Outcome::Shown("virtualmachine".to_owned(), json.into_text()))
    }))
}
