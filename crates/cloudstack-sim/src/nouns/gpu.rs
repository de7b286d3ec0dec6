//! GPUs: cards, the profiles in which a card can be split, and the devices in hosts.

use super::{
    Tables,
    recipe::{self, Put, Recipe, change, make, take},
};
use crate::{
    kind::{Constant, ID, Noun, linked, own, own_or},
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Datum, Handle, World},
};

/// The profile that every card has: a machine gets it whole.
const WHOLE: &str = "passthrough";

/// A model of a card.
pub(crate) const CARD_NOUN: Noun = Noun {
    word: "gpucard",
    entities: &["GpuCardResponse"],
    resource: "GpuCard",
    owned: false,
    keywords: &["name", "devicename", "vendorname", "deviceid", "vendorid"],
    newest_first: false,
    view: &[ID, own("deviceid"), own("devicename"), own("name"), own("vendorname"), own("vendorid")],
};

/// A way to split a card.
pub(crate) const PROFILE_NOUN: Noun = Noun {
    word: "vgpuprofile",
    entities: &["VgpuProfileResponse"],
    resource: "VgpuProfile",
    owned: false,
    keywords: &["name", "description"],
    newest_first: false,
    view: &[
        own("description"),
        linked("gpucardid", "gpucardid", "id").root(),
        linked("gpucardname", "gpucardid", "name"),
        own("maxvgpuperphysicalgpu"),
        own("videoram"),
        own("maxheads"),
        own("maxresolutionx"),
        own("maxresolutiony"),
        ID,
        linked("deviceid", "gpucardid", "deviceid"),
        linked("devicename", "gpucardid", "devicename"),
        own("name"),
        linked("vendorname", "gpucardid", "vendorname"),
        linked("vendorid", "gpucardid", "vendorid"),
    ],
};

/// A card, or a part of one, in a host.
pub(crate) const DEVICE_NOUN: Noun = Noun {
    word: "gpudevice",
    entities: &["GpuDeviceResponse"],
    resource: "GpuDevice",
    owned: false,
    keywords: &["busaddress"],
    newest_first: false,
    view: &[
        ID,
        own("busaddress").root(),
        own_or("gpudevicetype", Constant::Text("PCI")).root(),
        linked("hostid", "hostid", "id").root(),
        linked("hostname", "hostid", "name").root(),
        linked("gpucardid", "gpucardid", "id").root(),
        linked("gpucardname", "gpucardid", "name"),
        linked("vgpuprofileid", "vgpuprofileid", "id").root(),
        linked("vgpuprofilename", "vgpuprofileid", "name"),
        linked("virtualmachineid", "vm", "id"),
        linked("virtualmachinename", "vm", "name"),
        linked("vmstate", "vm", "state"),
        own_or("state", Constant::Text("Free")).root(),
        own_or("managedstate", Constant::Text("Managed")).root(),
        linked("parentgpudeviceid", "parentgpudeviceid", "id").root(),
        own("numanode").root(),
    ],
};

/// The commands that need code, and filters.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("manageGpuDevice", |turn| manage(turn, "Managed")),
        ("unmanageGpuDevice", |turn| manage(turn, "Unmanaged")),
        ("deleteGpuDevice", delete_devices),
        ("discoverGpuDevices", discover),
    ],
    filters: &[
        ("gpucard", "activeonly", |turn, card| !turn.arguments.flag("activeonly") || is_active(turn.world, "gpucardid", card)),
        ("vgpuprofile", "activeonly", |turn, profile| !turn.arguments.flag("activeonly") || is_active(turn.world, "vgpuprofileid", profile)),
    ],
};

/// The commands that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    make("createGpuCard", "gpucard", CARD_PUTS).checked(card_is_new).then(|turn, card| {
        // A new card can be given away whole at once.
        let fields: [(&str, Datum); 4] =
            [("name", WHOLE.into()), ("description", WHOLE.into()), ("gpucardid", card.into()), ("maxvgpuperphysicalgpu", 1.into())];
        let kind = turn.world.kind("vgpuprofile");
        let profile = turn.world.insert(kind, None, &fields);
        recipe::apply(turn, profile, Put::Number("videoram"));
        Ok(())
    }),
    change("updateGpuCard", "id", &[Put::Text("name"), Put::Text("devicename"), Put::Text("vendorname")]),
    take("deleteGpuCard", "id")
        .checked(|turn, card| match card {
            Some(card) if recipe::users(turn.world, card, &[("gpudevice", "gpucardid")]) > 0 => {
                Err(Refusal::invalid(format!("Cannot delete GPU card {} as it is in use by GPU devices", turn.world.string(card, "name"))))
            }
            _ => Ok(()),
        })
        .then(|turn, card| {
            let profiles: Vec<Handle> = turn.world.referring("vgpuprofile", "gpucardid", card).collect();
            profiles.into_iter().for_each(|profile| turn.world.remove(profile));
            Ok(())
        }),
    make("createVgpuProfile", "vgpuprofile", PROFILE_PUTS).checked(profile_is_new),
    change("updateVgpuProfile", "id", PROFILE_PUTS).checked(profile_is_new),
    take("deleteVgpuProfile", "id").checked(|turn, profile| match profile {
        Some(profile) if recipe::users(turn.world, profile, &[("gpudevice", "vgpuprofileid"), ("serviceoffering", "vgpuprofileid")]) > 0 => {
            Err(Refusal::invalid(format!("Cannot delete vGPU profile {} as it is in use", turn.world.string(profile, "name"))))
        }
        _ => Ok(()),
    }),
    make("createGpuDevice", "gpudevice", DEVICE_PUTS).checked(device_is_right),
    change("updateGpuDevice", "id", DEVICE_PUTS).checked(device_is_right),
];

const CARD_PUTS: &[Put] = &[Put::Text("name"), Put::Text("deviceid"), Put::Text("devicename"), Put::Text("vendorid"), Put::Text("vendorname")];
const PROFILE_PUTS: &[Put] = &[
    Put::Text("name"),
    Put::Text("description"),
    Put::Link("gpucardid", "gpucardid"),
    Put::Number("maxvgpuperphysicalgpu"),
    Put::Number("videoram"),
    Put::Number("maxheads"),
    Put::Number("maxresolutionx"),
    Put::Number("maxresolutiony"),
];
const DEVICE_PUTS: &[Put] = &[
    Put::Text("busaddress"),
    Put::Link("hostid", "hostid"),
    Put::Link("gpucardid", "gpucardid"),
    Put::Link("vgpuprofileid", "vgpuprofileid"),
    Put::Link("parentgpudeviceid", "parentgpudeviceid"),
    Put::Text("numanode"),
    Put::Named("type", "gpudevicetype"),
];

fn is_active(world: &World, field: &str, object: Handle) -> bool {
    world.referring("gpudevice", field, object).any(|device| world.text(device, "managedstate") != Some("Unmanaged"))
}

fn card_is_new(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let cards = turn.world.kind("gpucard");
    let is_same = |card: Handle| ["deviceid", "vendorid"].iter().all(|field| turn.arguments.text(field) == turn.world.text(card, field));
    if turn.world.rows(cards).any(is_same) {
        let (device, vendor) = (turn.needed("deviceid")?, turn.needed("vendorid")?);
        return Err(Refusal::invalid(format!("GPU card with device ID {device} and vendor ID {vendor} already exists")));
    }
    Ok(())
}

fn profile_is_new(turn: &Turn<'_>, profile: Option<Handle>) -> Result<(), Refusal> {
    let Some(name) = turn.arguments.text("name") else { return Ok(()) };
    let card = turn.arguments.object("gpucardid").or_else(|| turn.world.link(profile?, "gpucardid"));
    let Some(card) = card else { return Ok(()) };
    let mut others = turn.world.referring("vgpuprofile", "gpucardid", card).filter(|other| Some(*other) != profile);
    if others.any(|other| turn.world.text(other, "name") == Some(name)) {
        return Err(Refusal::invalid(format!("vGPU profile with name {name} already exists for the GPU card")));
    }
    Ok(())
}

fn device_is_right(turn: &Turn<'_>, device: Option<Handle>) -> Result<(), Refusal> {
    if let Some(kind) = turn.arguments.text("type").filter(|kind| !["PCI", "MDEV", "VGPUOnly"].contains(kind)) {
        return Err(Refusal::invalid(format!("Invalid GPU device type: {kind}. It is one of PCI, MDEV, VGPUOnly")));
    }
    let of = |name: &str| turn.arguments.object(name).or_else(|| turn.world.link(device?, name));
    if let (Some(card), Some(profile)) = (of("gpucardid"), of("vgpuprofileid"))
        && turn.world.link(profile, "gpucardid") != Some(card)
    {
        return Err(Refusal::invalid("The vGPU profile does not belong to the GPU card"));
    }
    if device.is_some() && of("parentgpudeviceid") == device {
        return Err(Refusal::invalid("A GPU device can't be its own parent"));
    }
    let (Some(host), Some(bus)) = (turn.arguments.object("hostid"), turn.arguments.text("busaddress")) else { return Ok(()) };
    if turn.world.referring("gpudevice", "hostid", host).any(|other| Some(other) != device && turn.world.text(other, "busaddress") == Some(bus)) {
        return Err(Refusal::invalid(format!("GPU device with bus address {bus} already exists on the host")));
    }
    Ok(())
}

/// The devices that a call names, none of which a machine uses.
fn free_devices(turn: &Turn<'_>) -> Result<Vec<Handle>, Refusal> {
    let devices = turn.arguments.objects("ids").unwrap_or_default().to_vec();
    if let Some(used) = devices.iter().find(|device| turn.world.link(**device, "vm").is_some()) {
        return Err(Refusal::invalid(format!("GPU device {} is used by an Instance", turn.world.id(*used))));
    }
    Ok(devices)
}

fn manage(turn: &mut Turn<'_>, state: &str) -> Result<Outcome, Refusal> {
    let devices = free_devices(turn)?;
    let parts: Vec<Handle> = devices.iter().flat_map(|device| turn.world.referring("gpudevice", "parentgpudeviceid", *device).collect::<Vec<_>>()).collect();
    devices.into_iter().chain(parts).for_each(|device| turn.world.set(device, "managedstate", state));
    Ok(Outcome::Success)
}

fn delete_devices(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let devices = free_devices(turn)?;
    let has_parts = |device: &Handle| turn.world.referring("gpudevice", "parentgpudeviceid", *device).any(|part| !devices.contains(&part));
    if let Some(whole) = devices.iter().find(|device| has_parts(device)) {
        return Err(Refusal::invalid(format!("GPU device {} is split into others", turn.world.id(*whole))));
    }
    devices.into_iter().for_each(|device| turn.world.remove(device));
    Ok(Outcome::Success)
}

/// Asks a host for its devices; what there is to find is known already.
fn discover(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let host = turn.target("id")?;
    let rows: Vec<Handle> = turn.world.referring("gpudevice", "hostid", host).collect();
    let count = rows.len();
    Ok(Outcome::List(rows, count))
}
