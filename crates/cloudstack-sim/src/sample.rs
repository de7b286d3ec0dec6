//! One sample object of each kind that nothing in the first world makes, so that every command has something to work on.
//!
//! Made when somebody first speaks of the kind, in furnished worlds alone; what the catalog declares of the kind tells
//! its fields. Kinds with behaviour are left to those who create their objects.

use std::sync::Arc;

use cloudstack_api::catalog::{Catalog, Command, Field};

use crate::{
    generic::entity_of,
    kind::{DEVICE_IDS, Kind},
    options::Scene,
    turn::Server,
    world::{Datum, Handle, KindId, World},
};

/// Fields that say what happens to an object just now; a sample is at rest.
const PASSING: [&str; 2] = ["jobid", "jobstatus"];
/// Fields with a form of their own, and what a sample shows in them.
const FORMS: &[(&str, &str)] = &[
    ("state", "Enabled"),
    ("status", "Enabled"),
    ("allocationstate", "Enabled"),
    ("gateway", "10.1.1.1"),
    ("netmask", "255.255.255.0"),
    ("cidr", "10.1.1.0/24"),
    ("ipaddress", "10.1.1.10"),
    ("startip", "10.1.1.20"),
    ("endip", "10.1.1.30"),
    ("hostname", "sample.example.org"),
    ("url", "https://sample.example.org"),
    ("protocol", "tcp"),
    ("hypervisor", "Simulator"),
];

/// Puts a sample of each kind that a command speaks of into a furnished world, where the kind never had an object.
pub(crate) fn furnish(world: &mut World, command: &Command, server: &Server) {
    if server.options.scene != Scene::Furnished {
        return;
    }
    let named = command.parameters.iter().filter(|parameter| parameter.takes_ids()).flat_map(|parameter| &parameter.entity);
    for entity in named.map(String::as_str).chain([entity_of(&command.shape)]) {
        furnish_entity(world, entity, &server.catalog);
    }
}

fn furnish_entity(world: &mut World, entity: &str, catalog: &Catalog) {
    let known = world.kind_of_entity(entity);
    if known.is_some_and(|kind| world.row(Handle { kind, row: 0 }).is_some() || !world.description(kind).is_some_and(|kind| kind.generic)) {
        return;
    }
    let Some(teller) = teller(catalog, entity) else { return };
    let fields = catalog.fields(&teller);
    // What has no id is an answer, not an object.
    if !fields.iter().any(|field| field.name == "id" || DEVICE_IDS.contains(&field.name.as_str())) {
        return;
    }
    let resource = entity.trim_end_matches("Response").to_owned();
    let kind = match known {
        Some(kind) => kind,
        None => {
            let kind = Kind::of_fields(entity, &resource, &fields, &mut |name| world.key(name));
            world.add_kind(kind, [entity].into_iter())
        }
    };
    put(world, kind, &resource, &fields);
}

/// The command that lists the objects of an entity.
fn teller(catalog: &Catalog, entity: &str) -> Option<Arc<Command>> {
    let listing = catalog.lookup(entity).and_then(|lookup| catalog.command(&lookup.command));
    listing.or_else(|| catalog.commands().find(|command| command.is_list() && entity_of(&command.shape) == entity))
}

fn put(world: &mut World, kind: KindId, resource: &str, fields: &[Field]) {
    let owned = world.description(kind).is_some_and(|kind| kind.owned);
    let owner = if owned { world.find("account", "name", "admin") } else { None };
    let made = world.insert(kind, owner, &[]);
    for field in fields.iter().filter(|field| ![PASSING.as_slice(), &DEVICE_IDS].concat().contains(&field.name.as_str())) {
        if let Some(datum) = datum(world, resource, field) {
            world.set(made, &field.name, datum);
        }
    }
}

fn datum(world: &World, resource: &str, field: &Field) -> Option<Datum> {
    let name = field.name.as_str();
    if let Some(stem) = name.strip_suffix("id").filter(|stem| !stem.is_empty()) {
        return first(world, stem).map(Datum::Link);
    }
    if let Some(object) = name.strip_suffix("name").and_then(|stem| first(world, stem)) {
        return world.text(object, "name").map(Datum::from);
    }
    if let Some((_, form)) = FORMS.iter().find(|(known, _)| *known == name) {
        return (field.kind == "string").then(|| Datum::from(*form));
    }
    match (name, field.kind.as_str()) {
        ("name", _) => Some(format!("{}-sample", resource.to_lowercase()).into()),
        ("description" | "displaytext", _) => Some(format!("A sample of {resource}").into()),
        (_, "boolean") => Some(false.into()),
        (_, "integer" | "long" | "int") => Some(Datum::Number(0)),
        _ => None,
    }
}

/// The first object of the kind that a field's name speaks of.
fn first(world: &World, stem: &str) -> Option<Handle> {
    world.rows(world.known_kind(stem)?).next()
}
