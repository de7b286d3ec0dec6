//! Volumes: root disks that come with machines, and data disks of their own.

use super::Tables;
use crate::{
    events,
    kind::{
        ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, JOB_ID, JOB_STATUS, Member, Noun, PROJECT, PROJECT_ID, Shown, TAGS,
        always, computed, flag, linked, own,
    },
    refusal::Refusal,
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
    always("storagetype", Constant::Text("shared")).root(),
    computed("diskkbsread", at_rest),
    computed("diskkbswrite", at_rest),
    computed("diskioread", at_rest),
    computed("diskiowrite", at_rest),
    computed("hypervisor", hypervisor).root(),
    linked("diskofferingid", "diskoffering", "id"),
    linked("diskofferingname", "diskoffering", "name"),
    linked("diskofferingdisplaytext", "diskoffering", "displaytext"),
    linked("storage", "pool", "name").root(),
    own("attached"),
    flag("destroyed"),
    computed("serviceofferingid", |world, volume, _| world.link(volume, "offering").map(|offering| Shown::Text(World::internal_number(offering).to_string()))),
    linked("serviceofferingname", "offering", "name"),
    linked("serviceofferingdisplaytext", "offering", "displaytext"),
    computed("isextractable", is_extractable),
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
    JOB_ID,
    JOB_STATUS,
];

/// The commands and filters of volumes.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("createVolume", create),
        ("uploadVolume", upload),
        ("getUploadParamsForVolume", upload_parameters),
        ("extractVolume", extract),
        ("checkVolume", check_and_repair),
        ("attachVolume", attach),
        ("detachVolume", detach),
        ("resizeVolume", resize),
        ("changeOfferingForVolume", change_offering),
        ("deleteVolume", delete),
        ("destroyVolume", destroy),
        ("recoverVolume", recover),
        ("migrateVolume", migrate),
        ("findStoragePoolsForMigration", pools_for_migration),
        ("updateVolume", update),
        ("assignVolume", assign),
    ],
    filters: &[
        ("volume", "hostid", |turn, volume| {
            turn.world.link(volume, "vm").is_some_and(|vm| crate::list::argument_is(turn, "hostid", turn.world.link(vm, "host")))
        }),
        ("volume", "isencrypted", |turn, _| !turn.arguments.flag("isencrypted")),
    ],
};

/// The formats of images, and the hypervisors that take them.
pub(super) const FORMATS: &[(&str, &str)] =
    &[("QCOW2", "KVM"), ("OVA", "VMware"), ("VHD", "Hyperv"), ("VHDX", "Hyperv"), ("RAW", "Ovm"), ("VMDK", "VMware"), ("VDI", "VirtualBox")];
/// How many data disks a machine takes.
const DATA_DISKS_MAX: usize = 6;
/// The device numbers of data disks: 0 is the root disk, 3 the drive for ISOs.
const DEVICES: [i64; 8] = [1, 2, 4, 5, 6, 7, 8, 9];
/// The least and the most GiB of a custom disk.
const CUSTOM_GIB: std::ops::RangeInclusive<i64> = 1..=1024;

/// Root disks can be fetched if their template can.
fn is_extractable(world: &World, volume: Handle, _: crate::kind::Viewer) -> Option<Shown> {
    let template = world.link(volume, "template").filter(|_| world.text(volume, "type") == Some("ROOT"));
    Some(Shown::Flag(template.is_none_or(|template| world.flag(template, "isextractable"))))
}

/// Whether a volume's input and output are measured.
pub(super) fn is_measured(world: &World, volume: Handle) -> bool {
    world.link(volume, "vm").is_some() && world.link(volume, "pool").is_some()
}

fn at_rest(world: &World, volume: Handle, _: crate::kind::Viewer) -> Option<Shown> {
    is_measured(world, volume).then_some(Shown::Number(0))
}

/// Where a volume is on no storage yet, servers guess from its format.
fn hypervisor(world: &World, volume: Handle, _: crate::kind::Viewer) -> Option<Shown> {
    let word = match (world.link(volume, "pool"), world.text(volume, "type")) {
        (Some(_), _) => "Simulator",
        (None, Some("ROOT")) => "Ovm",
        (None, _) => "None",
    };
    Some(Shown::Text(word.to_owned()))
}

/// How many GiB the disks of a new machine take: its root disk, and its data disk where one is asked for.
pub(crate) fn wanted_gib(turn: &Turn<'_>, template: Handle) -> i64 {
    let offering = turn.arguments.object("diskofferingid");
    let data = offering.map_or(0, |offering| turn.arguments.number("size").unwrap_or_else(|| turn.world.number(offering, "disksize")));
    if template.kind == turn.world.kind("iso") {
        return data;
    }
    let copied = Some(turn.world.number(template, "size")).filter(|size| *size > 0).unwrap_or(ROOT_BYTES) / GIB;
    turn.arguments.number("rootdisksize").filter(|gib| *gib > 0).unwrap_or(copied) + data
}

/// Makes the root disk of a machine, and its data disk where one was asked for.
pub(crate) fn make_root(turn: &mut Turn<'_>, vm: Handle, template: Handle, number: u64) {
    let owner = turn.world.owner(vm);
    let of_root = turn.world.link(vm, "diskoffering");
    let offered = of_root.map(|offering| turn.arguments.number("size").unwrap_or_else(|| turn.world.number(offering, "disksize")));
    let asked = turn.arguments.number("rootdisksize").or(offered).filter(|gib| *gib > 0).map(|gib| gib * GIB);
    let size = asked.or(Some(turn.world.number(template, "size")).filter(|size| *size > 0)).unwrap_or(ROOT_BYTES);
    let mut fields: Vec<(&str, Datum)> = vec![
        ("name", format!("ROOT-{number}").into()),
        ("type", "ROOT".into()),
        ("deviceid", 0.into()),
        ("vm", vm.into()),
        ("size", size.into()),
        ("state", "Allocated".into()),
    ];
    let is_iso = template.kind == turn.world.kind("iso");
    if !is_iso {
        fields.push(("template", template.into()));
    }
    let link = if of_root.is_some() { "diskoffering" } else { "offering" };
    for (field, from) in [("zone", "zone"), (link, link)] {
        if let Some(target) = turn.world.link(vm, from) {
            fields.push((field, target.into()));
        }
    }
    let kind = turn.world.kind("volume");
    turn.world.insert(kind, owner, &fields);
    let Some(offering) = turn.arguments.object("diskofferingid").filter(|_| !is_iso) else { return };
    let gib = turn.arguments.number("size").unwrap_or_else(|| turn.world.number(offering, "disksize"));
    let mut data: Vec<(&str, Datum)> = vec![
        ("name", format!("DATA-{number}").into()),
        ("type", "DATADISK".into()),
        ("deviceid", 1.into()),
        ("vm", vm.into()),
        ("diskoffering", offering.into()),
        ("size", (gib * GIB).into()),
        ("state", "Allocated".into()),
    ];
    if let Some(zone) = turn.world.link(vm, "zone") {
        data.push(("zone", zone.into()));
    }
    turn.world.insert(kind, owner, &data);
}

/// Gives a machine a new root disk from its template. The old one stays for a while, detached and destroyed.
pub(crate) fn renew_root(turn: &mut Turn<'_>, vm: Handle, runs: bool) {
    let old = turn.world.referring("volume", "vm", vm).find(|volume| turn.world.text(*volume, "type") == Some("ROOT"));
    let Some(old) = old else { return };
    let template = turn.world.link(vm, "template");
    let size = template.map_or(0, |template| turn.world.number(template, "size")).max(turn.world.number(old, "size"));
    let asked = turn.arguments.number("rootdisksize").map(|gib| gib * GIB);
    let stamp = turn.world.timestamp();
    let mut fields: Vec<(&str, Datum)> = vec![
        ("name", turn.world.string(old, "name").into()),
        ("type", "ROOT".into()),
        ("deviceid", 0.into()),
        ("vm", vm.into()),
        ("size", asked.unwrap_or(size).into()),
        ("state", "Allocated".into()),
        ("attached", stamp.into()),
    ];
    for field in ["zone", "offering"] {
        if let Some(target) = turn.world.link(old, field) {
            fields.push((field, target.into()));
        }
    }
    if let Some(template) = template {
        fields.push(("template", template.into()));
    }
    let kind = turn.world.kind("volume");
    let owner = turn.world.owner(vm);
    let root = turn.world.insert(kind, owner, &fields);
    if runs {
        place(turn.world, root);
    }
    if turn.world.link(old, "pool").is_none() {
        turn.world.remove(old);
        return;
    }
    detach_from(turn.world, old);
    turn.world.set(old, "type", "DATADISK");
    turn.world.set(old, "state", "Destroy");
    turn.world.set(old, "destroyed", true);
    if turn.arguments.flag("expunge") {
        turn.world.remove(old);
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
        // A machine's disks are where its host can reach them.
        let cluster = world.link(volume, "vm").and_then(|vm| world.link(vm, "host")).and_then(|host| world.link(host, "cluster"));
        let zone = world.link(volume, "zone");
        let usable = |pool: &Handle| {
            matches!(world.text(*pool, "state"), None | Some("Up"))
                && zone.is_none_or(|zone| world.link(*pool, "zone") == Some(zone))
                && !super::hindrance::is_full(world, *pool)
                && cluster.is_none_or(|cluster| world.link(*pool, "cluster").is_none_or(|of| of == cluster))
        };
        let up: Vec<Handle> = world.rows(pools).filter(usable).collect();
        let drawn = world.lots.get(world.text(volume, "name").unwrap_or_default());
        let drawn = drawn.and_then(|name| up.iter().copied().find(|pool| world.text(*pool, "name") == Some(name)));
        if let Some(pool) = drawn.or_else(|| number.checked_rem(up.len()).and_then(|at| up.get(at)).copied()) {
            put_on(world, volume, pool);
        }
        let path = crate::world::id_text(world.fresh_id());
        world.set(volume, "path", path);
    }
    world.set(volume, "state", "Ready");
}

/// Writes down which pool a volume is on, and that its template has a copy there.
fn put_on(world: &mut World, volume: Handle, pool: Handle) {
    world.set(volume, "pool", pool);
    for name in ["cluster", "pod"] {
        match world.link(pool, name) {
            Some(target) => world.set(volume, name, target),
            None => world.unset(volume, name),
        }
    }
    if let Some(template) = world.link(volume, "template") {
        super::image::keep_on_pool(world, template, pool);
    }
}

/// Moves a volume to another pool, where it has another path.
pub(crate) fn move_to(world: &mut World, volume: Handle, pool: Handle) {
    put_on(world, volume, pool);
    let path = crate::world::id_text(world.fresh_id());
    world.set(volume, "path", path);
}

/// What a new volume is made with: its size in bytes, its offering, its snapshot and its zone.
struct Make {
    size: i64,
    offering: Option<Handle>,
    snapshot: Option<Handle>,
    zone: Option<Handle>,
}

fn read_make(turn: &Turn<'_>) -> Result<Make, Refusal> {
    let world = &*turn.world;
    let snapshot = turn.arguments.object("snapshotid");
    let offering = turn.arguments.object("diskofferingid");
    let gib = turn.arguments.number("size");
    if offering.is_none() && snapshot.is_none() {
        return Err(Refusal::invalid("Missing parameter(s),either a positive volume size or a valid disk offering id must be specified."));
    }
    let custom = offering.is_some_and(|offering| world.flag(offering, "iscustomized"));
    if let Some(snapshot) = snapshot
        && world.text(snapshot, "state") != Some("BackedUp")
    {
        return Err(Refusal::invalid(format!("Snapshot id={} is not in BackedUp state yet and can't be used for volume creation", world.id(snapshot))));
    }
    if offering.is_some_and(|offering| world.text(offering, "state") == Some("Inactive")) {
        return Err(Refusal::invalid("Please specify a valid disk offering."));
    }
    let size = match (gib, snapshot) {
        (None, None) if custom => return Err(Refusal::invalid("This disk offering requires a custom size specified")),
        (Some(gib), None) if custom && !CUSTOM_GIB.contains(&gib) => {
            let (least, most) = (CUSTOM_GIB.start(), CUSTOM_GIB.end());
            return Err(Refusal::invalid(format!("Volume size: {gib} GB is out of the allowed range of {least} to {most}")));
        }
        (Some(_), None) if !custom => return Err(Refusal::invalid("This disk offering does not allow custom size")),
        (Some(gib), Some(snapshot)) if custom => (gib * GIB).max(world.number(snapshot, "virtualsize")),
        (_, Some(snapshot)) => world.number(snapshot, "virtualsize"),
        (Some(gib), None) => gib * GIB,
        (None, None) => offering.map_or(0, |offering| world.number(offering, "disksize")) * GIB,
    };
    let zone = turn.arguments.object("zoneid").or_else(|| world.link(snapshot?, "zone")).or_else(|| super::place::only_zone(world));
    if let Some(zone) = zone {
        super::zone::check_enabled(turn, zone)?;
    }
    Ok(Make { size, offering, snapshot, zone })
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let owner = turn.new_owner()?;
    let make = read_make(turn)?;
    super::limit::check(turn, owner, &[("volume", 1), ("primary_storage", make.size / GIB)])?;
    let name = turn.arguments.text("name").map(str::to_owned).unwrap_or_else(|| crate::world::id_text(turn.world.fresh_id()));
    let kind = turn.world.kind("volume");
    let fields: [(&str, Datum); 4] = [("name", name.into()), ("type", "DATADISK".into()), ("size", make.size.into()), ("state", "Allocated".into())];
    let volume = turn.world.insert(kind, Some(owner), &fields);
    // What is made from a snapshot has the offering of the snapshot's volume, unless told otherwise.
    let source = make.snapshot.and_then(|snapshot| turn.world.link(snapshot, "volume"));
    let offering = make.offering.or_else(|| turn.world.link(source?, "diskoffering"));
    for (field, target) in [("zone", make.zone), ("diskoffering", offering), ("snapshot", make.snapshot)] {
        if let Some(target) = target {
            turn.world.set(volume, field, target);
        }
    }
    let vm = turn.arguments.object("virtualmachineid");
    if make.snapshot.is_some() {
        turn.world.set(volume, "state", "Creating");
    }
    Ok(turn.making(volume, WORK_SHORT, move |turn| {
        if make.snapshot.is_some() {
            place(turn.world, volume);
        }
        if let Some(vm) = vm {
            check_attach(turn, volume, vm)?;
            attach_to(turn.world, volume, vm, None);
        }
        Ok(match make.snapshot {
            Some(snapshot) => as_made(turn, volume, snapshot),
            None => Outcome::Object(volume),
        })
    }))
}

/// A volume as the job that made it from a snapshot shows it; lists say nothing of the snapshot.
fn as_made(turn: &Turn<'_>, volume: Handle, snapshot: Handle) -> Outcome {
    let mut json = crate::json::Json::default();
    json.open();
    turn.world.render_members(volume, turn.viewer(), &[], &mut json);
    json.member("snapshotid", &turn.world.id(snapshot));
    json.close();
    Outcome::Shown("volume".to_owned(), json.into_text())
}

/// Whether some host of the zone takes disks of a format. Simulated hosts take none; where people try things, they do.
pub(super) fn check_format(turn: &Turn<'_>, format: &str) -> Result<(), Refusal> {
    let known = FORMATS.iter().find(|(word, _)| word.eq_ignore_ascii_case(format));
    let Some((word, hypervisor)) = known else { return Err(Refusal::invalid(format!("No enum constant for the image format {format}"))) };
    if turn.server.options.scene == crate::options::Scene::Furnished {
        return Ok(());
    }
    Err(Refusal::invalid(format!("The {hypervisor} hypervisor supported for {word} file format, is not found on the zone")))
}

fn upload(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let owner = turn.new_owner()?;
    let zone = turn.target("zoneid")?;
    let name = turn.needed("name")?;
    let check = check_format(turn, &turn.needed("format")?).and_then(|()| super::limit::check(turn, owner, &[("volume", 1)]));
    if let Err(refusal) = check {
        return Ok(turn.failing(owner, refusal));
    }
    let kind = turn.world.kind("volume");
    let fields: [(&str, Datum); 5] =
        [("name", name.into()), ("type", "DATADISK".into()), ("size", GIB.into()), ("state", "Uploaded".into()), ("zone", zone.into())];
    let volume = turn.world.insert(kind, Some(owner), &fields);
    if let Some(offering) = turn.arguments.object("diskofferingid") {
        turn.world.set(volume, "diskoffering", offering);
    }
    Ok(turn.job(volume, WORK_SHORT, move |_| Ok(Outcome::Object(volume))))
}

fn upload_parameters(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let owner = turn.new_owner()?;
    let zone = turn.target("zoneid")?;
    check_format(turn, &turn.needed("format")?)?;
    super::limit::check(turn, owner, &[("volume", 1)])?;
    let name = turn.needed("name")?;
    let kind = turn.world.kind("volume");
    let fields: [(&str, Datum); 5] =
        [("name", name.into()), ("type", "DATADISK".into()), ("size", GIB.into()), ("state", "NotUploaded".into()), ("zone", zone.into())];
    let volume = turn.world.insert(kind, Some(owner), &fields);
    Ok(super::image::upload_ticket(turn, volume))
}

fn extract(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("id")?;
    let check = match turn.world.text(volume, "state") {
        Some("Ready" | "Uploaded") => {
            let runs = turn.world.link(volume, "vm").is_some_and(|vm| turn.world.text(vm, "state") != Some("Stopped"));
            if runs { Err(Refusal::invalid("The volume is attached to a machine that is not stopped")) } else { Ok(()) }
        }
        state => Err(Refusal::invalid(format!("The volume is {}, so there is nothing to extract", state.unwrap_or_default()))),
    };
    Ok(turn.checked_job(volume, WORK_SHORT, check, move |turn| Ok(super::image::download_ticket(turn, volume))))
}

fn check_and_repair(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("id")?;
    Ok(turn.failing(volume, Refusal::invalid("Check and Repair volumes is supported only for KVM hypervisor")))
}

fn attach_to(world: &mut World, volume: Handle, vm: Handle, device: Option<i64>) {
    let taken: Vec<i64> = world.referring("volume", "vm", vm).map(|other| world.number(other, "deviceid")).collect();
    let free = DEVICES.into_iter().find(|number| !taken.contains(number)).unwrap_or(1);
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

fn has_snapshots(world: &World, vm: Handle) -> bool {
    world.referring("vmsnapshot", "vm", vm).next().is_some()
}

/// Whether a volume can be attached to a machine, in the server's order of checks.
fn check_attach(turn: &Turn<'_>, volume: Handle, vm: Handle) -> Result<(), Refusal> {
    let world = &*turn.world;
    if world.link(volume, "vm").is_some() {
        return Err(Refusal::invalid("Please specify a volume that is not attached to any VM."));
    }
    if !matches!(world.text(volume, "state"), Some("Allocated" | "Ready" | "Uploaded")) {
        return Err(Refusal::invalid("Volume state must be in Allocated, Ready or in Uploaded state"));
    }
    if !matches!(world.text(vm, "state"), Some("Running" | "Stopped")) {
        return Err(Refusal::invalid("Please specify a VM that is either running or stopped."));
    }
    if world.owner(volume) != world.owner(vm) {
        return Err(Refusal::failed("The volume and the machine belong to different accounts"));
    }
    if world.link(volume, "zone") != world.link(vm, "zone") {
        return Err(Refusal::invalid("Please specify a VM that is in the same zone as the volume."));
    }
    let taken: Vec<i64> = world.referring("volume", "vm", vm).map(|other| world.number(other, "deviceid")).collect();
    if taken.iter().filter(|device| **device != 0).count() >= DATA_DISKS_MAX {
        return Err(Refusal::invalid(format!("The specified VM already has the maximum number of data disks ({DATA_DISKS_MAX}). Please specify another VM.")));
    }
    match turn.arguments.number("deviceid") {
        Some(0) => return Err(Refusal::invalid("Vm already has root volume attached to it")),
        Some(device) if taken.contains(&device) || !DEVICES.contains(&device) => {
            return Err(Refusal::failed(format!("deviceId {device} is used by vm {}", world.id(vm))));
        }
        _ => {}
    }
    if has_snapshots(world, vm) {
        return Err(Refusal::invalid("Unable to attach volume, please specify a VM that does not have VM snapshots"));
    }
    Ok(())
}

fn attach(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("id")?;
    let vm = turn.target("virtualmachineid")?;
    let device = turn.arguments.number("deviceid");
    let check = check_attach(turn, volume, vm);
    let job = turn.checked_job(volume, WORK_SHORT, check, move |turn| {
        // Others may have been quicker since the job began.
        check_attach(turn, volume, vm)?;
        attach_to(turn.world, volume, vm, device);
        Ok(Outcome::Object(volume))
    });
    Ok(Turn::queued(job, Some(vm)))
}

/// The volume that a call to detach names.
fn detachable(turn: &Turn<'_>) -> Result<Handle, Refusal> {
    let by_vm = turn.arguments.object("virtualmachineid").and_then(|vm| {
        let device = turn.arguments.number("deviceid")?;
        turn.world.referring("volume", "vm", vm).find(|volume| turn.world.number(*volume, "deviceid") == device)
    });
    let asked = turn.arguments.object("id").or(by_vm);
    asked.ok_or_else(|| Refusal::invalid("Please provide either a volume id, or a tuple(device id, instance id)"))
}

fn check_detach(world: &World, volume: Handle) -> Result<(), Refusal> {
    let Some(vm) = world.link(volume, "vm") else { return Err(Refusal::invalid("The specified volume is not attached to a VM.")) };
    let state = world.text(vm, "state");
    if !matches!(state, Some("Running" | "Stopped" | "Destroyed")) {
        return Err(Refusal::invalid("Please specify a VM that is either running or stopped."));
    }
    if world.text(volume, "type") == Some("ROOT") && state != Some("Stopped") {
        return Err(Refusal::invalid("Please specify a data volume or a root volume of a stopped VM."));
    }
    if has_snapshots(world, vm) {
        return Err(Refusal::invalid("Unable to detach volume, please specify a volume attached to a machine without snapshots"));
    }
    Ok(())
}

fn detach(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = match detachable(turn) {
        Ok(volume) => volume,
        Err(refusal) => return Ok(turn.failing(turn.caller.account, refusal)),
    };
    let check = check_detach(turn.world, volume);
    let vm = turn.world.link(volume, "vm");
    let job = turn.checked_job(volume, WORK_SHORT, check, move |turn| {
        check_detach(turn.world, volume)?;
        detach_from(turn.world, volume);
        Ok(Outcome::Object(volume))
    });
    Ok(Turn::queued(job, vm))
}

/// The size in bytes that a volume is to have, if it may have it.
fn check_resize(turn: &Turn<'_>, volume: Handle) -> Result<i64, Refusal> {
    let world = &*turn.world;
    let state = world.text(volume, "state").unwrap_or_default();
    if !matches!(state, "Ready" | "Allocated") {
        return Err(Refusal::invalid(format!(
            "Volume should be in ready or allocated state before attempting a resize. Volume {} was in state {state}.",
            world.id(volume)
        )));
    }
    let vm = world.link(volume, "vm");
    if vm.is_some_and(|vm| has_snapshots(world, vm)) {
        return Err(Refusal::invalid("A volume of a machine that has snapshots cannot be resized"));
    }
    let offering = turn.arguments.object("diskofferingid");
    let (asked, old) = (turn.arguments.number("size"), world.number(volume, "size"));
    let fixed = offering.filter(|offering| !world.flag(*offering, "iscustomized")).map(|offering| world.number(offering, "disksize"));
    let custom = offering.is_some_and(|offering| world.flag(offering, "iscustomized"));
    if offering.is_none() && asked.is_none() || custom && asked.is_none() {
        return Err(Refusal::invalid("No new size was told: give a size or a disk offering that has one"));
    }
    let new = fixed.or(asked).map_or(old, |gib| gib * GIB);
    if asked.is_some_and(|gib| !CUSTOM_GIB.contains(&gib)) {
        return Err(Refusal::invalid(format!("Requested size out of range: {}", asked.unwrap_or_default())));
    }
    if new < old && !turn.arguments.flag("shrinkok") {
        return Err(Refusal::invalid(format!(
            "Going from existing size of {old} to size of {new} would shrink the volume.Need to sign off by supplying the shrinkok parameter with value of true."
        )));
    }
    let owner = world.owner(volume).unwrap_or(turn.caller.account);
    super::limit::check(turn, owner, &[("primary_storage", (new - old).max(0) / GIB)])?;
    Ok(new)
}

fn resize(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("id")?;
    let offering = turn.arguments.object("diskofferingid");
    let new = match check_resize(turn, volume) {
        Ok(new) => new,
        Err(refusal) => return Ok(turn.failing(volume, refusal)),
    };
    let vm = turn.world.link(volume, "vm");
    let job = turn.job(volume, WORK_SHORT, move |turn| {
        turn.world.set(volume, "size", new);
        if let Some(offering) = offering {
            turn.world.set(volume, "diskoffering", offering);
        }
        Ok(Outcome::Object(volume))
    });
    Ok(Turn::queued(job, vm))
}

fn change_offering(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("id")?;
    let offering = turn.target("diskofferingid")?;
    if turn.world.link(volume, "diskoffering") == Some(offering) && !turn.world.flag(offering, "iscustomized") {
        return Ok(turn.failing(volume, Refusal::invalid("The volume has that offering already")));
    }
    resize(turn)
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
    if matches!(world.text(volume, "state"), Some("Creating" | "Snapshotting" | "Migrating" | "Resizing" | "Attaching")) {
        return Err(Refusal::invalid("Please specify a volume that is not being worked on."));
    }
    Ok(())
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("id")?;
    check_removable(turn.world, volume)?;
    forget(turn.world, volume);
    Ok(Outcome::Success)
}

fn check_destroyable(turn: &Turn<'_>, volume: Handle) -> Result<(), Refusal> {
    check_removable(turn.world, volume)?;
    let never_used = matches!(turn.world.text(volume, "state"), Some("Allocated" | "Uploaded"));
    if never_used && !turn.arguments.flag("expunge") {
        return Err(Refusal::invalid("The volume in Allocated/Uploaded state can only be expunged not destroyed/recovered"));
    }
    Ok(())
}

fn destroy(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("id")?;
    let expunges = turn.arguments.flag("expunge");
    let check = check_destroyable(turn, volume);
    Ok(turn.checked_job(volume, WORK_SHORT, check, move |turn| {
        check_destroyable(turn, volume)?;
        if expunges {
            let shown = turn.body(&Outcome::Object(volume));
            forget(turn.world, volume);
            return Ok(Outcome::Flat(shown));
        }
        turn.world.set(volume, "state", "Destroy");
        turn.world.set(volume, "destroyed", true);
        Ok(Outcome::Object(volume))
    }))
}

/// Takes a volume and its policies out of the world; its snapshots stay.
fn forget(world: &mut World, volume: Handle) {
    let policies: Vec<Handle> = world.referring("snapshotpolicy", "volume", volume).collect();
    policies.into_iter().for_each(|policy| world.remove(policy));
    world.set(volume, "state", "Expunged");
    world.remove(volume);
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

fn check_migrate(turn: &Turn<'_>, volume: Handle, pool: Handle) -> Result<(), Refusal> {
    let world = &*turn.world;
    if world.text(volume, "state") != Some("Ready") {
        return Err(Refusal::invalid("Volume must be in ready state"));
    }
    let runs = world.link(volume, "vm").is_some_and(|vm| world.text(vm, "state") == Some("Running"));
    if runs && !turn.arguments.flag("livemigrate") {
        return Err(Refusal::invalid("The volume is attached to a running machine: ask for a live migration, or detach it first"));
    }
    if world.link(volume, "vm").is_some_and(|vm| has_snapshots(world, vm)) {
        return Err(Refusal::invalid("Volume cannot be migrated, please remove all VM snapshots for VM to which this volume is attached"));
    }
    if world.link(volume, "pool") == Some(pool) {
        return Err(Refusal::invalid(format!("Volume {} is already on the destination storage pool", world.id(volume))));
    }
    if !matches!(world.text(pool, "state"), None | Some("Up")) {
        return Err(Refusal::invalid("Cannot migrate volume to the destination storage pool: it is not up"));
    }
    Ok(())
}

fn migrate(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("volumeid")?;
    let pool = turn.target("storageid")?;
    let check = check_migrate(turn, volume, pool);
    let vm = turn.world.link(volume, "vm");
    let job = turn.checked_job(volume, WORK_SHORT, check, move |turn| {
        move_to(turn.world, volume, pool);
        if vm.is_none() {
            // Servers copy a detached volume into a new row and lose sight of the job's object.
            turn.world.disown_jobs(volume);
            turn.world.asides.push(events::Aside::Renewed(volume));
        }
        Ok(Outcome::Object(volume))
    });
    Ok(Turn::queued(job, vm.or(Some(volume))))
}

fn pools_for_migration(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let volume = turn.target("id")?;
    let now = turn.world.link(volume, "pool");
    if now.is_none() {
        return Ok(Outcome::Rendered(String::new(), 0));
    }
    let kind = turn.world.kind("storagepool");
    let cluster =
        turn.world.link(volume, "vm").filter(|vm| turn.world.text(*vm, "state") == Some("Running")).and(now).and_then(|pool| turn.world.link(pool, "cluster"));
    let others = turn.world.rows(kind).filter(|pool| Some(*pool) != now && cluster.is_none_or(|cluster| turn.world.link(*pool, "cluster") == Some(cluster)));
    let without: Vec<crate::world::Key> =
        ["usediops", "storagecapabilities", "details", "hasannotations", "tags"].into_iter().filter_map(|name| turn.world.known_key(name)).collect();
    let mut json = crate::json::Json::default();
    let mut count = 0;
    for pool in others {
        json.open();
        turn.world.render_members(pool, turn.viewer(), &without, &mut json);
        json.key("suitableformigration");
        json.flag(matches!(turn.world.text(pool, "state"), None | Some("Up")));
        json.key("jobstatus");
        json.number(0);
        json.close();
        count += 1;
    }
    Ok(Outcome::Rendered(json.into_text(), count))
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
    let said = turn.world.id(volume);
    let refuse = |why: &str| Err(Refusal::failed(format!("Assign volume command for volume [{said}] failed due to [{why}].")));
    let account = match (turn.arguments.object("accountid"), turn.arguments.object("projectid")) {
        (None, None) => return Err(Refusal::argument("An account or a project to give the volume to must be told")),
        (Some(_), Some(_)) => return Err(Refusal::argument("Only one of an account and a project can be told")),
        (Some(account), None) => account,
        (None, Some(_)) => turn.new_owner()?,
    };
    if turn.world.referring("snapshot", "volume", volume).next().is_some() {
        return refuse("The volume has snapshots. Remove them before assigning it to another account.");
    }
    if turn.world.link(volume, "vm").is_some() {
        return refuse("The volume is attached to a machine. Detach it before assigning it to another account.");
    }
    if matches!(turn.world.text(volume, "state"), Some("Destroy" | "Expunged")) {
        return refuse("The volume is destroyed.");
    }
    if turn.world.owner(volume) == Some(account) {
        return refuse("The volume belongs to that account already.");
    }
    super::limit::check(turn, account, &[("volume", 1), ("primary_storage", turn.world.number(volume, "size") / GIB)])?;
    turn.world.give(volume, account);
    Ok(Outcome::Object(volume))
}
