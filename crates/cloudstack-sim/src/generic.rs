//! Answers for every command that has no behaviour of its own, from what the catalog declares.
//!
//! What is created can be listed, changed and deleted; nothing else follows from it. The coverage page says which
//! commands are answered here.

use std::sync::Arc;

use cloudstack_api::catalog::{Catalog, Command, Field, ParameterType};
use serde_json::{Map, Value, json};

use crate::{
    kind::Kind,
    list,
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Datum, Handle, KindId, World, shelf},
};

/// First words of commands that make an object.
const MAKING: &[&str] = &[
    "create",
    "add",
    "register",
    "upload",
    "import",
    "configure",
    "dedicate",
    "deploy",
    "copy",
    "allocate",
    "acquire",
    "associate",
    "issue",
    "ldap",
    "assign",
];
/// First words of commands that take an object away.
const TAKING: &[&str] = &["delete", "remove", "destroy", "revoke", "disassociate", "expunge", "unregister"];
/// Arguments that say how a call is made, not what an object is like.
const NO_FIELDS: &[&str] =
    &["account", "apikey", "command", "customjobid", "domainid", "expires", "id", "projectid", "response", "sessionkey", "signature", "signatureversion"];
/// Shapes that say only that something worked.
const PLAIN: &str = "SuccessResponse";

/// Makes the kinds that a command speaks of, where the world has none yet.
pub(crate) fn prepare_kinds(world: &mut World, command: &Command, catalog: &Catalog) {
    if command.shape == PLAIN {
        return;
    }
    shelf::stock(world, command, entity_of(&command.shape), catalog);
    if world.kind_of_entity(entity_of(&command.shape)).is_some() || world.lists.contains_key(command.name.as_str()) {
        return;
    }
    let fields = catalog.fields(command);
    let entity = entity_of(&command.shape).to_owned();
    let resource = entity.trim_end_matches("Response").to_owned();
    let kind = Kind::of_fields(&entity, &resource, &fields, &mut |name| world.key(name));
    world.add_kind(kind, [entity.as_str()].into_iter());
}

/// Shapes that differ between commands carry a number after `#`.
pub(crate) fn entity_of(shape: &str) -> &str {
    shape.split('#').next().unwrap_or(shape)
}

/// Answers a command.
pub(crate) fn answer(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let listed = turn.world.lists.get(turn.command.name.as_str()).copied();
    let kind = listed.or_else(|| turn.world.kind_of_entity(entity_of(&turn.command.shape)));
    let Some(kind) = kind.filter(|_| turn.command.shape != PLAIN) else { return plain(turn) };
    if turn.command.is_list() && !turn.command.name.starts_with(|letter: char| letter != 'l' && letter != 'f' && letter != 's' && letter != 'q') {
        return listed_whole(turn, kind);
    }
    let target = target(turn);
    let verb = first_word(&turn.command.name);
    match target {
        Some(target) if target.kind == kind && !turn.command.is_list() => {
            if TAKING.contains(&verb.as_str()) {
                return Ok(taken(turn, target));
            }
            apply(turn, target);
            Ok(Outcome::Object(target))
        }
        _ if MAKING.contains(&verb.as_str()) => make(turn, kind, target),
        _ if turn.command.is_list() => listed_whole(turn, kind),
        _ => Ok(described(turn)),
    }
}

/// A list, whole where its command knows no pages.
fn listed_whole(turn: &mut Turn<'_>, kind: KindId) -> Result<Outcome, Refusal> {
    if turn.command.is_paged() {
        return list::list(turn, kind);
    }
    let rows = list::matching(turn, kind, &|_, _| true)?;
    let count = rows.len();
    Ok(Outcome::List(rows, count))
}

/// The lower-case word that a command's name starts with.
pub(crate) fn first_word(name: &str) -> String {
    name.chars().take_while(char::is_ascii_lowercase).collect()
}

/// The object that a call is about: `id`, else the only object that a required argument names.
fn target(turn: &Turn<'_>) -> Option<Handle> {
    turn.arguments.object("id").or_else(|| {
        let required = turn.command.parameters.iter().filter(|parameter| parameter.required && parameter.kind == ParameterType::Uuid);
        let mut named = required.filter_map(|parameter| turn.arguments.object(&parameter.name));
        named.next().filter(|_| named.next().is_none())
    })
}

fn plain(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let verb = first_word(&turn.command.name);
    let several = turn.arguments.objects("ids").map(<[Handle]>::to_vec).unwrap_or_default();
    let targets: Vec<Handle> = if several.is_empty() { turn.arguments.object("id").into_iter().collect() } else { several };
    for target in targets {
        if TAKING.contains(&verb.as_str()) {
            turn.world.remove(target);
        } else {
            apply(turn, target);
        }
    }
    Ok(Outcome::Success)
}

fn taken(turn: &mut Turn<'_>, target: Handle) -> Outcome {
    let object = Outcome::Object(target);
    let shown = turn.body(&object);
    turn.world.remove(target);
    Outcome::Flat(shown)
}

fn make(turn: &mut Turn<'_>, kind: KindId, about: Option<Handle>) -> Result<Outcome, Refusal> {
    let owned = turn.world.description(kind).is_some_and(|kind| kind.owned);
    let owner = if owned { Some(turn.new_owner()?) } else { None };
    let name = turn.arguments.text("name").map(str::to_owned);
    if let Some(name) = &name
        && owned
        && let Some(owner) = owner
        && turn.world.owned(kind, owner).any(|row| turn.world.text(row, "name") == Some(name))
    {
        let resource = turn.world.description(kind).map(|kind| kind.resource.to_string()).unwrap_or_default();
        return Err(Refusal::invalid(format!("{resource} with name {name} already exists.")));
    }
    let made = turn.world.insert(kind, owner, &[]);
    set_defaults(turn, made);
    if let Some(about) = about {
        copy_name(turn.world, made, about);
    }
    apply(turn, made);
    if turn.command.is_list() { Ok(Outcome::List(vec![made], 1)) } else { Ok(finished(turn, made)) }
}

/// Commands that make something tell its id at once when they start a job.
fn finished(turn: &Turn<'_>, made: Handle) -> Outcome {
    if turn.command.is_async { turn.making(made, crate::turn::WORK_SHORT, move |_| Ok(Outcome::Object(made))) } else { Outcome::Object(made) }
}

/// States that new objects are in.
fn set_defaults(turn: &mut Turn<'_>, made: Handle) {
    let fields = turn.server.catalog.fields(&turn.command);
    for field in fields.iter() {
        let datum: Datum = match (field.name.as_str(), field.kind.as_str()) {
            ("state" | "allocationstate", _) => "Enabled".into(),
            ("status", "string") => "Active".into(),
            ("hasannotations", _) => false.into(),
            _ => continue,
        };
        turn.world.set(made, &field.name, datum);
    }
}

/// Writes the arguments of a call into an object.
pub(crate) fn apply(turn: &mut Turn<'_>, target: Handle) {
    let fields = turn.server.catalog.fields(&turn.command);
    let given: Vec<(String, String)> = turn.arguments.plain().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    for (name, value) in given {
        if NO_FIELDS.contains(&name.as_str()) || turn.command.parameter(&name).is_none() {
            continue;
        }
        if let Some(object) = turn.arguments.object(&name) {
            turn.world.set(target, &name, object);
            if let Some(stem) = name.strip_suffix("id")
                && fields.iter().any(|field| field.name == format!("{stem}name"))
            {
                let text = turn.world.string(object, "name");
                turn.world.set(target, &format!("{stem}name"), text);
            }
            continue;
        }
        let kind = fields.iter().find(|field| field.name == name).map(|field| field.kind.as_str());
        turn.world.set(target, &name, typed(&value, kind));
    }
    let maps: Vec<String> = turn.arguments.map_names().filter(|name| turn.command.parameter(name).is_some() && *name != "tags").map(str::to_owned).collect();
    for name in maps {
        let entries = turn.arguments.merged(&name);
        turn.world.set(target, &name, json!(entries));
    }
}

fn copy_name(world: &mut World, made: Handle, about: Handle) {
    if let Some(name) = world.text(about, "name").map(str::to_owned) {
        world.set(made, "name", name);
    }
}

fn typed(value: &str, kind: Option<&str>) -> Datum {
    match kind {
        Some("boolean") => value.eq_ignore_ascii_case("true").into(),
        Some("integer" | "long" | "int" | "short") => value.parse::<i64>().map_or_else(|_| value.into(), Datum::from),
        Some("float" | "double") => value.parse::<f64>().map_or_else(|_| value.into(), Datum::Decimal),
        Some("list" | "set" | "responseobject" | "map") => json!(value.split(',').collect::<Vec<_>>()).into(),
        _ => value.into(),
    }
}

/// An answer that describes something: numbers and truth values at rest, and what was asked.
fn described(turn: &Turn<'_>) -> Outcome {
    let fields: Arc<Vec<Field>> = turn.server.catalog.fields(&turn.command);
    let mut members = Map::new();
    for field in fields.iter().filter(|field| !matches!(field.name.as_str(), "jobid" | "jobstatus")) {
        let given = turn.arguments.text(&field.name).map(|value| json!(value));
        let value = given.or_else(|| match field.kind.as_str() {
            "boolean" => Some(json!(false)),
            "integer" | "long" | "int" => Some(json!(0)),
            _ => None,
        });
        if let Some(value) = value {
            members.insert(field.name.clone(), value);
        }
    }
    let text = Value::Object(members).to_string();
    match &turn.command.reply.object {
        Some(object) => Outcome::Shown(object.clone(), text),
        None => Outcome::Flat(text),
    }
}
