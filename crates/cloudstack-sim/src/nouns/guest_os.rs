//! What hypervisors call OS types, and families of OS types that people add.
//!
//! A server comes with thousands of such names, a few hundred for each version of a hypervisor. They follow from the OS
//! types and are computed, not kept; those that people add are rows.

use serde_json::{Value, json};

use super::{
    Tables,
    recipe::{self, Put, Recipe, change, make, take},
};
use crate::{
    generic, list,
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Handle, World, shelf},
};

/// How many names a new server of the newest line has, and one of the line before.
const NAMES: usize = 9_049;
const NAMES_BEFORE: usize = 9_090;
/// The hypervisors whose versions share their names, with how many they have.
const SHARED: [(&str, usize); 4] = [("KVM", 207), ("LXC", 150), ("Ovm3", 12), ("VMware", 118)];
/// The versions that have names of their own, newest first.
const VERSIONS: [(&str, &[&str]); 2] = [
    (
        "VMware",
        &[
            "8.0.3", "8.0.2", "8.0.1", "8.0.0.3", "8.0.0.2", "8.0.0.1", "8.0", "7.0.3.0", "7.0.2.0", "7.0.1.0", "7.0", "6.7.3", "6.7.2", "6.7.1", "6.7", "6.5",
            "6.0", "5.5", "5.1", "5.0", "4.1", "4.0",
        ],
    ),
    (
        "XenServer",
        &[
            "8.4.0",
            "8.3.0",
            "8.2.1",
            "8.2.0",
            "8.1.0",
            "8.0.0",
            "7.6.0",
            "7.5.0",
            "7.4.0",
            "7.3.0",
            "7.2.0",
            "7.1.2",
            "7.1.1",
            "7.1.0",
            "7.0.0",
            "6.5.0",
            "6.2.0",
            "6.1.0",
            "6.0.2",
            "6.0",
            "5.6 SP2",
            "5.6 FP1",
            "5.6",
            "XCP-ng 7.4.0",
            "XCP 1.0",
        ],
    ),
];

/// The commands of names.
pub(super) const TABLES: Tables = Tables { handlers: &[("listGuestOsMapping", list_names)], filters: &[] };

/// The commands that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    make("addOsCategory", "oscategory", PUTS).checked(name_is_free).then(|turn, category| {
        // Only lists tell when a family was added.
        let stamp = turn.world.timestamp();
        turn.world.later(std::time::Duration::ZERO, move |world| world.set(category, "created", stamp));
        Ok(())
    }),
    change("updateOsCategory", "id", PUTS).checked(name_is_free),
    take("deleteOsCategory", "id").checked(|turn, category| match category {
        Some(category) if recipe::users(turn.world, category, &[("ostype", "category")]) > 0 => {
            Err(Refusal::invalid(format!("Cannot delete OS category {} as there are OS types in it", turn.world.string(category, "name"))))
        }
        _ => Ok(()),
    }),
];

const PUTS: &[Put] = &[Put::Text("name"), Put::Flag("isfeatured"), Put::Number("sortkey")];

fn name_is_free(turn: &Turn<'_>, category: Option<Handle>) -> Result<(), Refusal> {
    let Some(name) = turn.arguments.text("name") else { return Ok(()) };
    match turn.world.find("oscategory", "name", name).filter(|found| Some(*found) != category) {
        Some(_) => Err(Refusal::invalid(format!("Guest OS category with name {name} already exists"))),
        None => Ok(()),
    }
}

/// One name.
struct Name<'a> {
    hypervisor: &'a str,
    version: &'a str,
    os: Handle,
    number: u32,
}

/// The names that every server has.
fn names(world: &World) -> Vec<Name<'static>> {
    let types: Vec<Handle> = world.rows(world.kind("ostype")).collect();
    let total = if world.is_old { NAMES_BEFORE } else { NAMES };
    let shared: usize = SHARED.iter().map(|(_, count)| count).sum();
    let versions: Vec<(&str, &str)> = VERSIONS.iter().flat_map(|(hypervisor, versions)| versions.iter().map(|version| (*hypervisor, *version))).collect();
    let left = total.saturating_sub(shared);
    let (each, rest) = (left.checked_div(versions.len()).unwrap_or(0), left.checked_rem(versions.len()).unwrap_or(0));
    let counted = versions.into_iter().enumerate().map(|(at, (hypervisor, version))| (hypervisor, version, each + usize::from(at < rest)));
    let blocks = SHARED.iter().map(|(hypervisor, count)| (*hypervisor, "default", *count)).chain(counted);
    let all = blocks.flat_map(|(hypervisor, version, count)| types.iter().cycle().take(count).map(move |os| (hypervisor, version, *os)).collect::<Vec<_>>());
    all.zip(0..).map(|((hypervisor, version, os), number)| Name { hypervisor, version, os, number }).collect()
}

fn shown(world: &World, name: &Name<'_>) -> Value {
    let told = world.string(name.os, "description");
    let plain = told.split(" (").next().unwrap_or_default().to_owned();
    json!({
        "id": world.derived_id(name.os, name.number), "hypervisor": name.hypervisor, "hypervisorversion": name.version, "ostypeid": world.id(name.os),
        "osdisplayname": told, "osnameforhypervisor": plain, "isuserdefined": "false",
    })
}

/// The names that people added.
fn added(turn: &Turn<'_>) -> Vec<Value> {
    let world = &*turn.world;
    let Some(kind) = world.kind_of_entity(generic::entity_of(&turn.command.shape)) else { return Vec::new() };
    let told = |row: Handle| {
        let os = world.link(row, "ostypeid").or_else(|| world.link(row, "ostype"));
        json!({
            "id": world.id(row), "hypervisor": world.string(row, "hypervisor"), "hypervisorversion": world.string(row, "hypervisorversion"),
            "ostypeid": os.map(|os| world.id(os)), "osdisplayname": os.map(|os| world.string(os, "description")),
            "osnameforhypervisor": world.string(row, "osnameforhypervisor"), "isuserdefined": "true",
        })
    };
    world.rows(kind).map(told).collect()
}

fn list_names(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let page = list::Page::read(turn)?;
    shelf::stock_noun(turn.world, "ostype", &turn.server.catalog);
    let world = &*turn.world;
    let filters = ["hypervisor", "hypervisorversion", "ostypeid", "id"].into_iter().filter_map(|name| Some((name, turn.arguments.text(name)?)));
    let filters: Vec<(&str, &str)> = filters.collect();
    let parts = ["osdisplayname", "osnameforhypervisor", "keyword"].into_iter().filter_map(|name| Some((name, turn.arguments.text(name)?.to_lowercase())));
    let parts: Vec<(&str, String)> = parts.collect();
    let fits = |name: &Value| {
        let text = |field: &str| name.get(field).and_then(Value::as_str).unwrap_or_default();
        let holds = |field: &str, part: &str| text(if field == "keyword" { "osdisplayname" } else { field }).to_lowercase().contains(part);
        filters.iter().all(|(field, wanted)| text(field).eq_ignore_ascii_case(wanted)) && parts.iter().all(|(field, part)| holds(field, part))
    };
    let known = names(world);
    if filters.is_empty() && parts.is_empty() {
        // Thousands of names are not written where a page is asked for.
        let own = added(turn);
        let count = known.len() + own.len();
        let all = known.iter().map(Ok).chain(own.iter().map(Err)).collect();
        let items: Vec<String> = page.part(all).into_iter().map(|name| name.map_or_else(ToString::to_string, |name| shown(world, name).to_string())).collect();
        return Ok(Outcome::Rendered(items.join(","), count));
    }
    let fitting: Vec<Value> = known.iter().map(|name| shown(world, name)).chain(added(turn)).filter(fits).collect();
    let count = fitting.len();
    let items: Vec<String> = page.part(fitting).iter().map(Value::to_string).collect();
    Ok(Outcome::Rendered(items.join(","), count))
}
