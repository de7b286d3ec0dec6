//! Shared file systems: a disk that a small server of its own gives to a network.
//!
//! The disk is a volume of the owner. The server is told of and is no machine that anybody could list.

use super::{
    Tables, appliance,
    recipe::{self, Put, Recipe, change, quietly},
};
use crate::{
    kind::{
        ACCOUNT, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, Member, Noun, PROJECT, PROJECT_ID, Shown, TAGS, Viewer, computed, linked, own,
        own_or,
    },
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_LONG},
    world::{Datum, Handle, World},
};

/// The only provider.
const PROVIDER: &str = "SHAREDFSVM";
/// The file systems that disks may have.
const FILE_SYSTEMS: [&str; 2] = ["EXT4", "XFS"];
/// What the server has at least: CPUs and MiB.
const SERVER_MINIMUM: [(&str, i64); 2] = [("cpunumber", 2), ("memory", 1024)];

/// A shared file system.
pub(crate) const NOUN: Noun =
    Noun { word: "sharedfs", entities: &["SharedFSResponse"], resource: "SharedFS", owned: true, keywords: &["name"], newest_first: false, view: VIEW };

const VIEW: &[Member] = &[
    ID,
    own("name"),
    own("description"),
    linked("zoneid", "zone", "id"),
    linked("zonename", "zone", "name"),
    computed("virtualmachineid", |world, share, _| Some(Shown::Text(world.derived_id(share, 1)))),
    computed("vmstate", |world, share, _| {
        let runs = world.text(share, "state") == Some("Ready");
        Some(Shown::Text(if runs { "Running" } else { "Stopped" }.to_owned()))
    }),
    linked("volumename", "volume", "name"),
    linked("volumeid", "volume", "id"),
    computed("storageid", |world, share, _| Some(Shown::Text(world.id(pool(world, share)?)))).root(),
    computed("storage", |world, share, _| Some(Shown::Text(world.string(pool(world, share)?, "name")))).root(),
    computed("size", |world, share, _| Some(Shown::Number(bytes(world, share)?))),
    computed("sizegb", |world, share, _| Some(Shown::Text(format!("{:.2} GB", whole_gib(bytes(world, share)?))))),
    linked("diskofferingid", "diskoffering", "id"),
    linked("diskofferingname", "diskoffering", "name"),
    computed("iscustomdiskoffering", |world, share, _| Some(Shown::Flag(world.flag(world.link(share, "diskoffering")?, "iscustomized")))),
    linked("diskofferingdisplaytext", "diskoffering", "displaytext"),
    linked("serviceofferingid", "offering", "id"),
    linked("serviceofferingname", "offering", "name"),
    linked("networkid", "network", "id"),
    linked("networkname", "network", "name"),
    computed("nic", |world, share, viewer: Viewer| Some(recipe::nested(world, super::vm::nic_rows(world, share).iter().copied(), viewer))),
    computed("path", |world, share, _| {
        let address = super::vm::nic_rows(world, share).first().map(|nic| world.string(*nic, "ipaddress"))?;
        Some(Shown::Text(format!("{address}:/export/{}", world.string(share, "name"))))
    }),
    own_or("state", Constant::Text("Ready")),
    own_or("provider", Constant::Text(PROVIDER)),
    own("filesystem"),
    ACCOUNT,
    PROJECT_ID,
    PROJECT,
    DOMAIN_ID,
    DOMAIN,
    DOMAIN_PATH,
    own_or("provisioningtype", Constant::Text("thin")),
    TAGS,
    HAS_ANNOTATIONS,
];

/// The commands that need code.
pub(super) const TABLES: Tables =
    Tables { handlers: &[("createSharedFileSystem", create), ("recoverSharedFileSystem", recover), ("expungeSharedFileSystem", expunge)], filters: &[] };

/// The commands that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    change("updateSharedFileSystem", "id", &[Put::Text("name"), Put::Text("description")]).checked(name_is_free),
    change("startSharedFileSystem", "id", &[Put::Fixed("state", Constant::Text("Ready"))]).checked(|turn, share| state_is(turn, share, &["Stopped"])),
    change("stopSharedFileSystem", "id", &[Put::Fixed("state", Constant::Text("Stopped"))]).checked(|turn, share| state_is(turn, share, &["Ready"])),
    quietly("restartSharedFileSystem", "id", &[Put::Fixed("state", Constant::Text("Ready"))])
        .checked(|turn, share| state_is(turn, share, &["Ready", "Stopped"])),
    change("changeSharedFileSystemServiceOffering", "id", &[Put::Link("serviceofferingid", "offering")])
        .checked(|turn, share| offering_is_enough(turn).and_then(|()| state_is(turn, share, &["Ready", "Stopped"]))),
    change("changeSharedFileSystemDiskOffering", "id", &[Put::Link("diskofferingid", "diskoffering")])
        .checked(|turn, share| state_is(turn, share, &["Ready", "Stopped"]))
        .then(resize),
    quietly("destroySharedFileSystem", "id", &[])
        .checked(|turn, share| {
            let forced = turn.arguments.flag("forced");
            state_is(turn, share, if forced { &["Ready", "Stopped", "Error"] } else { &["Stopped", "Error"] })
        })
        .then(|turn, share| {
            turn.world.set(share, "state", "Destroyed");
            if turn.arguments.flag("expunge") {
                wipe(turn.world, share);
            }
            Ok(())
        }),
];

fn pool(world: &World, share: Handle) -> Option<Handle> {
    world.link(world.link(share, "volume")?, "pool")
}

fn bytes(world: &World, share: Handle) -> Option<i64> {
    Some(world.number(world.link(share, "volume")?, "size"))
}

#[expect(clippy::cast_precision_loss, reason = "sizes of disks are far below 2^52")]
fn whole_gib(bytes: i64) -> f64 {
    bytes as f64 / super::volume::GIB as f64
}

fn state_is(turn: &Turn<'_>, share: Option<Handle>, wanted: &[&str]) -> Result<(), Refusal> {
    match share.and_then(|share| turn.world.text(share, "state")).unwrap_or("Ready") {
        state if wanted.contains(&state) => Ok(()),
        state => Err(Refusal::invalid(format!("Shared FileSystem should be in the {} state but is in {state}", wanted.join(" or ")))),
    }
}

fn name_is_free(turn: &Turn<'_>, share: Option<Handle>) -> Result<(), Refusal> {
    let Some(name) = turn.arguments.text("name") else { return Ok(()) };
    let owner = share.and_then(|share| turn.world.owner(share)).unwrap_or(turn.caller.account);
    let mut others = turn.world.owned(turn.world.kind("sharedfs"), owner).filter(|row| Some(*row) != share);
    if others.any(|row| turn.world.text(row, "name") == Some(name)) {
        return Err(Refusal::invalid(format!("Shared FileSystem with name {name} already exists")));
    }
    Ok(())
}

fn offering_is_enough(turn: &Turn<'_>) -> Result<(), Refusal> {
    let offering = turn.target("serviceofferingid")?;
    for (name, least) in SERVER_MINIMUM {
        if turn.world.number(offering, name) < least {
            return Err(Refusal::invalid(format!("Service offering's {name} should be greater than or equal to {least}")));
        }
    }
    if turn.world.flag(offering, "offerha") { Ok(()) } else { Err(Refusal::invalid("Service offering should be HA enabled")) }
}

/// The bytes that a disk of an offering has: its own size, or the one that was asked for.
fn wanted_bytes(turn: &Turn<'_>, offering: Handle) -> Result<i64, Refusal> {
    let asked = turn.arguments.number("size");
    let gib = match (turn.world.flag(offering, "iscustomized"), asked) {
        (true, Some(size)) if size > 0 => size,
        (true, _) => return Err(Refusal::invalid("A custom disk offering needs the parameter size, in GiB")),
        (false, _) => turn.world.number(offering, "disksize"),
    };
    Ok(gib * super::volume::GIB)
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let owner = turn.new_owner()?;
    let name = turn.needed("name")?;
    let (zone, network, offering) = (turn.target("zoneid")?, turn.target("networkid")?, turn.target("diskofferingid")?);
    let system = turn.needed("filesystem")?.to_uppercase();
    if !FILE_SYSTEMS.contains(&system.as_str()) {
        return Err(Refusal::invalid(format!("Invalid file system format specified: {system}. Supported formats are EXT4 and XFS")));
    }
    if let Some(provider) = turn.arguments.text("provider").filter(|provider| !provider.eq_ignore_ascii_case(PROVIDER)) {
        return Err(Refusal::invalid(format!("Invalid Shared FileSystem provider: {provider}")));
    }
    offering_is_enough(turn)?;
    name_is_free(turn, None)?;
    let bytes = wanted_bytes(turn, offering)?;
    super::limit::check(turn, owner, &[("volume", 1), ("primary_storage", bytes / super::volume::GIB)])?;
    let kind = turn.world.kind("sharedfs");
    let fields: [(&str, Datum); 6] = [
        ("name", name.as_str().into()),
        ("zone", zone.into()),
        ("network", network.into()),
        ("diskoffering", offering.into()),
        ("filesystem", system.into()),
        ("state", "Allocated".into()),
    ];
    let share = turn.world.insert(kind, Some(owner), &fields);
    [Put::Text("description"), Put::Link("serviceofferingid", "offering")].into_iter().for_each(|put| recipe::apply(turn, share, put));
    Ok(turn.making(share, WORK_LONG, move |turn| {
        let volume = appliance::disk(turn.world, owner, &format!("{name}-data"), (zone, bytes));
        turn.world.set(volume, "diskoffering", offering);
        turn.world.set(share, "volume", volume);
        super::network::attach(turn.world, share, network, None);
        super::implement(turn.world, network);
        turn.world.set(share, "state", "Ready");
        Ok(Outcome::Object(share))
    }))
}

/// A disk becomes larger with its offering, never smaller.
fn resize(turn: &mut Turn<'_>, share: Handle) -> Result<(), Refusal> {
    let (Some(volume), Some(offering)) = (turn.world.link(share, "volume"), turn.world.link(share, "diskoffering")) else { return Ok(()) };
    let bytes = wanted_bytes(turn, offering)?;
    if bytes < turn.world.number(volume, "size") {
        return Err(Refusal::failed("The disk of a Shared FileSystem can't become smaller"));
    }
    turn.world.set(volume, "size", bytes);
    turn.world.set(volume, "diskoffering", offering);
    Ok(())
}

fn named(turn: &Turn<'_>) -> Result<Handle, Refusal> {
    let share = turn.target("id")?;
    state_is(turn, Some(share), &["Destroyed"])?;
    Ok(share)
}

fn recover(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let share = named(turn)?;
    turn.world.set(share, "state", "Stopped");
    Ok(Outcome::Success)
}

fn expunge(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let share = named(turn)?;
    Ok(turn.job(share, WORK_LONG, move |turn| {
        wipe(turn.world, share);
        Ok(Outcome::Success)
    }))
}

/// Takes a file system with its disk and its place in the network out of the world.
fn wipe(world: &mut World, share: Handle) {
    for nic in super::vm::nic_rows(world, share).to_vec() {
        world.remove(nic);
    }
    if let Some(volume) = world.link(share, "volume") {
        world.remove(volume);
    }
    world.remove(share);
}
