//! Volumes: root disks that come with machines, and data disks of their own.

use super::Tables;
use crate::{
    kind::{
        ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, Member, Noun, PROJECT, PROJECT_ID, Shown, TAGS, always, computed,
        flag, linked, own,
    },
    refusal::Refusal,
    trouble,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// Bytes of a GiB, the unit in which sizes are asked for.
pub(crate) const GIB: i64 = 1 << 30;
/// The size of a root disk whose template tells none.
const ROOT_BYTES: i64 = 2 * GIB;

/// A volume.
pub(crate) const VOLUME_NOUN: Noun = Noun {
    word: "volume",
    entities: &["VolumeResponse", "VolumeMetricsResponse"],
    resource: "Volume",
    owned: true,
    keywords: &["name", "type", "state"],
    newest_first: true,
    view: VIEW,
};

const VIEW: &[Member] = &[
    ID,
    own("name"),
    linked("zoneid", "zone", "id"),
    linked("zonename", "zone", "name"),
    own("type"),
    own("deviceid"),
    linked("virtualmachineid", "vm", "id"),
    linked("templateid", "template", "id"),
    linked("templatename", "template", "name"),
    linked("templatedisplaytext", "template", "displaytext"),
    linked("vmname", "vm", "name"),
    linked("vmdisplayname", "vm", "displayname"),
    linked("vmstate", "vm", "state"),
    computed("vmtype", |world, volume, _| world.link(volume, "vm").map(|_| Shown::Text("User".to_owned()))),
    always("provisioningtype", Constant::Text("thin")),
    own("size"),
    CREATED,
    own("state"),
    ACCOUNT,
    PROJECT_ID,
    PROJECT,
    DOMAIN_ID,
    DOMAIN,
    DOMAIN_PATH,
    computed("storagetype", |world, volume, _| world.link(volume, "pool").map(|_| Shown::Text("shared".to_owned()))).root(),
    computed("diskkbsread", at_rest),
    computed("diskkbswrite", at_rest),
    computed("diskioread", at_rest),
    computed("diskiowrite", at_rest),
    computed("hypervisor", |world, volume, _| world.link(volume, "pool").map(|_| Shown::Text("Simulator".to_owned()))).root(),
    linked("diskofferingid", "diskoffering", "id"),
    linked("diskofferingname", "diskoffering", "name"),
    linked("diskofferingdisplaytext", "diskoffering", "displaytext"),
    linked("storage", "pool", "name").root(),
    own("attached"),
    linked("snapshotid", "snapshot", "id"),
    flag("destroyed"),
    computed("serviceofferingid", |world, volume, _| world.link(volume, "offering").map(|offering| Shown::Text(World::internal_number(offering).to_string()))),
    linked("serviceofferingname", "offering", "name"),
    linked("serviceofferingdisplaytext", "offering", "displaytext"),
    computed("isextractable", |world, volume, _| Some(Shown::Flag(world.text(volume, "type") != Some("ROOT")))),
    always("displayvolume", Constant::Flag(true)).root(),
    own("path").root(),
    linked("storageid", "pool", "id").root(),
    flag("quiescevm"),
    flag("supportsstoragesnapshot"),
    flag("deleteprotection"),
    linked("clusterid", "cluster", "id").root(),
    linked("clustername", "cluster", "name").root(),
    linked("podid", "pod", "id").root(),
    linked("podname", "pod", "name").root(),
    TAGS,
    HAS_ANNOTATIONS,
    computed("jobid", |world, volume, _| world.job_on(volume).map(|job| Shown::Text(job.to_owned()))),
    computed("jobstatus", |world, volume, _| world.job_on(volume).map(|_| Shown::Number(0))),
];

/// The commands and filters of volumes.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("createVolume", create),
        ("uploadVolume", upload),
        ("attachVolume", attach),
        ("detachVolume", detach),
        ("resizeVolume", resize),
        ("changeOfferingForVolume", resize),
        ("deleteVolume", delete),
        ("destroyVolume", destroy),
        ("recoverVolume", recover),
        ("migrateVolume", migrate),
        ("updateVolume", update),
        ("assignVolume", assign),
    ],
    filters: &[("volume", "hostid", |turn, volume| {
        turn.world.link(volume, "vm").is_some_and(|vm| crate::list::argument_is(turn, "hostid", turn.world.link(vm, "host")))
    })],
};

fn at_rest(world: &World, volume: Handle, _: crate::kind::Viewer) -> Option<Shown> {
    world.link(volume, "vm").map(|_| Shown::Number(0))
}

/// Makes the root disk of a machine, and its data disk where one was asked for.
pub(crate) fn make_root(turn: &mut Turn<'_>, vm: Handle, template: Handle, number: u64) {
    let owner = turn.world.owner(vm);
    let asked = turn.arguments.number("rootdisksize").map(|size| size * GIB);
    let size = asked.or(Some(turn.world.number(template, "size")).filter(|size| *size > 0)).unwrap_or(ROOT_BYTES);
    let mut fields: Vec<(&str, Datum)> = vec![
        ("name", format!("ROOT-{number}").into()),
        ("type", "ROOT".into()),
        ("deviceid", 0.into()),
        ("vm", vm.into()),
        ("template", template.into()),
        ("size", size.into()),
        ("state", "Allocated".into()),
    ];
    for (field, from) in [("zone", "zone"), ("offering", "offering")] {
        if let Some(target) = turn.world.link(vm, from) {
            fields.push((field, target.into()));
        }
    }
    let kind = turn.world.kind("volume");
    turn.world.insert(kind, owner, &fields);
    let Some(offering) = turn.arguments.object("diskofferingid") else { return };
    let gib = turn.arguments.number("size").unwrap_or_else(|| turn.world.number(offering, "disksize"));
    let data: Vec<(&str, Datum)> = vec![
        ("name", format!("DATA-{number}").into()),
        ("type", "DATADISK".into()),
        ("deviceid", 1.into()),
        ("vm", vm.into()),
        ("diskoffering", offering.into()),
        ("size", (gib * GIB).into()),
        ("state", "Allocated".into()),
    ];
    let made = turn.world.insert(kind, owner, &data);
    if let Some(zone) = turn.world.link(vm, "zone") {
        turn.world.set(made, "zone", zone);
    }
}

/// Puts the volumes of a machine onto storage.
pub(crate) fn ready(world: &mut World, vm: Handle) {
    let volumes: Vec<Handle> = world.referring("volume", "vm", vm).collect();
    volumes.into_iter().for_each(|volume| place(world, volume));
}

/// Puts a volume onto a storage pool.
pub(crate) fn place(world: &mut World, volume: Handle) {
    if world.link(volume, "pool").is_none() {
        let pools = world.kind("storagepool");
        let number = volume.row as usize;
        let up: Vec<Handle> = world.rows(pools).filter(|pool| world.text(*pool, "state") == Some("Up") && !trouble::is_full(world, *pool)).collect();
        if let Some(pool) = number.checked_rem(up.len()).and_then(|at| up.get(at)).copied() {
            world.set(volume, "pool", pool);
            for name in ["cluster", "pod"] {
                if let Some(target) = world.link(pool, name) {
                    world.set(volume, name, target);
                }
            }
        }
        let path = crate::world::id_text(world.fresh_id());
        world.set(volume, "path", path);
    }
    world.set(volume, "state", "Ready");
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let owner = turn.new_owner()?;
    let snapshot = turn.arguments.object("snapshotid");
    let offering = turn.arguments.object("diskofferingid");
    if snapshot.is_none() && offering.is_none() {
        return Err(Refusal::invalid("Missing parameter(s),either a positive volume size or a valid disk offering id must be specified."));
    }
    let custom = offering.is_some_and(|offering| turn.world.flag(offering, "iscustomized"));
    let size = match (turn.arguments.number("size"), snapshot) {
        (None, None) if custom => return Err(Refusal::invalid("This disk offering requires a custom size specified")),
        (Some(gib), _) if custom && gib > 0 => gib * GIB,
        (_, Some(snapshot)) => turn.world.number(snapshot, "virtualsize"),
        _ => offering.map_or(0, |offering| turn.world.number(offering, "disksize")) * GIB,
    };
    super::limit::check(turn, owner, &[("volume", 1), ("primary_storage", size / GIB)])?;
    let zone = turn
        .arguments
        .object("zoneid")
        .or_else(|| snapshot.and_then(|snapshot| turn.world.link(snapshot, "zone")))
        .or_else(|| super::place::only_zone(turn.world));
    let name = turn.arguments.text("name").unwrap_or("volume").to_owned();
    let kind = turn.world.kind("volume");
    let volume =
        turn.world.insert(kind, Some(owner), &[("name", name.into()), ("type", "DATADISK".into()), ("size", size.into()), ("state", "Allocated".into())]);
    for (field, target) in [("zone", zone), ("diskoffering", offering), ("snapshot", snapshot)] {
        if let Some(target) = target {
            turn.world.set(volume, field, target);
        }
    }
    Ok(turn.making(volume, WORK_SHORT, move |turn| {
        if snapshot.is_some() {
            place(turn.world, volume);
        }
        if let Some(vm) = turn.arguments.object("virtualmachineid") {
            attach_to(turn.world, volume, vm, None);
        }
        Ok(Outcome::Object(volume))
    }))
}

fn upload(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let owner = turn.new_owner()?;
    let zone = turn.target("zoneid")?;
    let name = turn.needed("name")?;
    let kind = turn.world.kind("volume");
    let fields: [(&str, Datum); 5] =
        [("name", name.into()), ("type", "DATADISK".into()), ("size", GIB.into()), ("state", "Uploaded".into()), ("zone", zone.into())];
    let volume = turn.world.insert(kind, Some(owner), &fields);
    Ok(turn.job(volume, WORK_SHORT, move |_| Ok(Outcome::Object(volume))))
}

fn attach_to(world: &mut World, volume: Handle, vm: Handle, device: Option<i64>) {
    let taken: Vec<i64> = world.referring("volume", "vm", vm).map(|other| world.number(other, "deviceid")).collect();
    let free = (1..=i64::from(u8::MAX)).find(|number| !taken.contains(number)).unwrap_or(1);
    world.set(volume, "vm", vm);
    world.set(volume, "deviceid", device.unwrap_or(free));
    let stamp = world.timestamp();
    world.set(volume, "attached", stamp);
    place(world, volume);
}

/// Takes a volume off its machine.
pub(crate) fn detach_from(world: &mut World, volume: Handle) {
    for field in ["vm", "deviceid", "attached"] {
        world.unset(volume, field);
    }
}

fn attach(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("id")?;
    let vm = turn.target("virtualmachineid")?;
    let device = turn.arguments.number("deviceid");
    Ok(turn.job(volume, WORK_SHORT, move |turn| {
        if turn.world.link(volume, "vm").is_some() {
            return Err(Refusal::invalid("Please specify a volume that is not attached to any VM."));
        }
        if !matches!(turn.world.text(vm, "state"), Some("Running" | "Stopped")) {
            return Err(Refusal::invalid("Please specify a VM that is either running or stopped."));
        }
        attach_to(turn.world, volume, vm, device);
        Ok(Outcome::Object(volume))
    }))
}

fn detach(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let by_vm = turn.arguments.object("virtualmachineid").and_then(|vm| {
        let device = turn.arguments.number("deviceid")?;
        turn.world.referring("volume", "vm", vm).find(|volume| turn.world.number(*volume, "deviceid") == device)
    });
    let Some(volume) = turn.arguments.object("id").or(by_vm) else {
        return Err(Refusal::invalid("Please specify the volume id or the virtual machine id with the device id"));
    };
    Ok(turn.job(volume, WORK_SHORT, move |turn| {
        if turn.world.link(volume, "vm").is_none() {
            return Err(Refusal::invalid("The specified volume is not attached to a VM."));
        }
        if turn.world.text(volume, "type") == Some("ROOT") {
            return Err(Refusal::invalid("Please specify a data volume or a root volume of a stopped VM."));
        }
        detach_from(turn.world, volume);
        Ok(Outcome::Object(volume))
    }))
}

fn resize(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("id")?;
    let offering = turn.arguments.object("diskofferingid");
    let fixed = offering.filter(|offering| !turn.world.flag(*offering, "iscustomized")).map(|offering| turn.world.number(offering, "disksize"));
    let old = turn.world.number(volume, "size");
    let new = fixed.or(turn.arguments.number("size")).map_or(old, |gib| gib * GIB);
    if new < old && !turn.arguments.flag("shrinkok") {
        return Err(Refusal::invalid(format!(
            "Going from existing size of {old} to size of {new} would shrink the volume.Need to sign off by supplying the shrinkok parameter with value of true."
        )));
    }
    Ok(turn.job(volume, WORK_SHORT, move |turn| {
        turn.world.set(volume, "size", new);
        if let Some(offering) = offering {
            turn.world.set(volume, "diskoffering", offering);
        }
        Ok(Outcome::Object(volume))
    }))
}

fn check_removable(world: &World, volume: Handle) -> Result<(), Refusal> {
    if world.flag(volume, "deleteprotection") {
        return Err(Refusal::invalid(format!(
            "Volume [id = {}, name = {}] has delete protection enabled and cannot be deleted.",
            world.id(volume),
            world.string(volume, "name")
        )));
    }
    if world.link(volume, "vm").is_some() {
        return Err(Refusal::invalid("Please specify a volume that is not attached to any VM."));
    }
    Ok(())
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("id")?;
    check_removable(turn.world, volume)?;
    turn.world.remove(volume);
    Ok(Outcome::Success)
}

fn destroy(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("id")?;
    let expunges = turn.arguments.flag("expunge");
    Ok(turn.job(volume, WORK_SHORT, move |turn| {
        check_removable(turn.world, volume)?;
        if expunges {
            let shown = turn.body(&Outcome::Object(volume));
            turn.world.remove(volume);
            return Ok(Outcome::Flat(shown));
        }
        if matches!(turn.world.text(volume, "state"), Some("Allocated" | "Uploaded")) {
            return Err(Refusal::invalid("The volume in Allocated/Uploaded state can only be expunged not destroyed/recovered"));
        }
        turn.world.set(volume, "state", "Destroy");
        turn.world.set(volume, "destroyed", true);
        Ok(Outcome::Object(volume))
    }))
}

fn recover(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("id")?;
    if turn.world.text(volume, "state") != Some("Destroy") {
        return Err(Refusal::invalid("Please specify a volume in Destroy state."));
    }
    turn.world.set(volume, "state", "Ready");
    turn.world.set(volume, "destroyed", false);
    Ok(Outcome::Object(volume))
}

fn migrate(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("volumeid")?;
    let pool = turn.target("storageid")?;
    Ok(turn.job(volume, WORK_SHORT, move |turn| {
        turn.world.set(volume, "pool", pool);
        for name in ["cluster", "pod"] {
            if let Some(target) = turn.world.link(pool, name) {
                turn.world.set(volume, name, target);
            }
        }
        Ok(Outcome::Object(volume))
    }))
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("id")?;
    for name in ["name", "path", "state"] {
        if let Some(text) = turn.arguments.text(name).map(str::to_owned) {
            turn.world.set(volume, name, text);
        }
    }
    if let Some(flag) = turn.arguments.truth("deleteprotection") {
        turn.world.set(volume, "deleteprotection", flag);
    }
    Ok(Outcome::Object(volume))
}

fn assign(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("volumeid")?;
    check_removable(turn.world, volume)?;
    let account = turn.arguments.object("accountid").map_or_else(|| turn.new_owner(), Ok)?;
    turn.world.give(volume, account);
    Ok(Outcome::Object(volume))
}
