//! What lies on the shelf of every new server: OS types, event types, offerings, counters and the like.
//!
//! The rows stand in `data/shelf-*.jsonl` as a server answers them. A kind is stocked when somebody first speaks of it,
//! so that a world starts quickly; kinds that the first world needs are stocked by its seed.

use cloudstack_api::catalog::{Catalog, Command, Field};
use serde_json::{Map, Value};

use super::{Datum, Handle, KindId, World, id_text};
use crate::kind::Kind;

/// The shelves by release line, oldest first.
const SHELVES: [(&str, &str); 2] = [("4.20", include_str!("../../data/shelf-4.20.jsonl")), ("4.22", include_str!("../../data/shelf-4.22.jsonl"))];
/// What begins the head of a section.
const HEAD: &str = "> ";
/// What stands for no entity, where the reply has none or a noun has it.
const NO_ENTITY: &str = "-";
/// What stands for an id of our own.
const FRESH: &str = "@fresh";
/// What stands for the time at which the world began.
const NOW: &str = "@now";
/// Fields that every shape declares and that rows show only where they lie on the shelf with them.
const SELDOM: [&str; 3] = ["jobid", "jobstatus", "created"];

/// One section: the command that lists it, its kind, its entity, its rows as JSON.
#[derive(Clone, Copy, Debug)]
struct Section {
    command: &'static str,
    word: &'static str,
    entity: &'static str,
    rows: &'static str,
}

/// The shelf of a release line; that of the newest for lines that have none.
fn shelf(line: &str) -> &'static str {
    let newest = SHELVES.last().map_or("", |(_, text)| text);
    SHELVES.iter().find(|(known, _)| *known == line).map_or(newest, |(_, text)| text)
}

fn sections(line: &str) -> impl Iterator<Item = Section> + use<> {
    shelf(line).split("\n> ").skip(1).filter_map(|section| {
        let (head, rows) = section.split_once('\n')?;
        let mut words = head.trim_start_matches(HEAD).split(' ');
        Some(Section { command: words.next()?, word: words.next()?, entity: words.next()?, rows })
    })
}

/// Whether a command lists what lies on the shelf of a release.
pub(crate) fn lists(catalog: &Catalog, command: &str) -> bool {
    sections(&catalog.release().line_name()).any(|section| section.command == command)
}

/// Stocks the kinds that a command lists or works on, where the shelf has them and the world has not.
pub(crate) fn stock(world: &mut World, command: &Command, entity: &str, catalog: &Catalog) {
    let line = catalog.release().line_name();
    let wanted: Vec<Section> = sections(&line).filter(|section| section.command == command.name || section.entity == entity).collect();
    for section in wanted {
        stock_section(world, section, catalog);
    }
}

/// Stocks a kind that has a noun.
pub(crate) fn stock_noun(world: &mut World, word: &str, catalog: &Catalog) {
    let line = catalog.release().line_name();
    if let Some(section) = sections(&line).find(|section| section.word == word) {
        stock_section(world, section, catalog);
    }
}

fn stock_section(world: &mut World, section: Section, catalog: &Catalog) {
    if !world.stocked.insert(section.word.into()) {
        return;
    }
    let rows: Vec<Map<String, Value>> = section.rows.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let kind = match world.known_kind(section.word).or_else(|| world.kind_of_entity(section.entity).filter(|_| section.entity != NO_ENTITY)) {
        Some(kind) => kind,
        None => new_kind(world, section, &rows, catalog),
    };
    world.lists.insert(section.command.into(), kind);
    for row in rows {
        put(world, kind, &row, catalog);
    }
}

/// Makes a kind from the fields that the catalog declares and those that the rows show besides.
fn new_kind(world: &mut World, section: Section, rows: &[Map<String, Value>], catalog: &Catalog) -> KindId {
    let declared = catalog.command(section.command).map(|command| catalog.fields(&command));
    let is_shown = |name: &str| rows.iter().any(|row| row.contains_key(name));
    let mut fields: Vec<Field> =
        declared.iter().flat_map(|fields| fields.iter()).filter(|field| !SELDOM.contains(&field.name.as_str()) || is_shown(&field.name)).cloned().collect();
    for name in rows.iter().flat_map(Map::keys) {
        if !fields.iter().any(|field| field.name == *name) {
            fields.push(Field { name: name.clone(), kind: "string".to_owned(), roles: None, sensitive: false, fields: Vec::new() });
        }
    }
    let resource = section.word.trim_end_matches("Response").to_owned();
    let mut kind = Kind::of_fields(section.word, &resource, &fields, &mut |name| world.key(name));
    // What lies on the shelf belongs to the server, not to an account.
    kind.owned = false;
    world.add_kind(kind, [section.entity].into_iter().filter(|entity| *entity != NO_ENTITY))
}

fn put(world: &mut World, kind: KindId, row: &Map<String, Value>, catalog: &Catalog) {
    let is_named = row.get("id").and_then(Value::as_str) == Some(FRESH);
    let id = if is_named { world.fresh_id() } else { 0 };
    let handle = world.insert_as(kind, id, None, &[]);
    for (name, value) in row.iter().filter(|(name, _)| !(is_named && *name == "id")) {
        let datum = datum(world, value, catalog);
        let key = world.key(name);
        let member = world.description(kind).and_then(|kind| kind.member(key));
        let field = member.map(|member| World::member_field(member).or_else(|| World::member_link(member)));
        match field {
            Some(None) if name == "id" => world.set_key(handle, key, datum),
            // Members that the world computes or follows a reference for need no value of their own.
            Some(None) => {}
            Some(Some(field)) => world.set_key(handle, field, datum),
            None => world.set_key(handle, key, datum),
        }
    }
}

fn datum(world: &mut World, value: &Value, catalog: &Catalog) -> Datum {
    match value {
        Value::Bool(flag) => Datum::Flag(*flag),
        Value::Number(number) => number.as_i64().map_or_else(|| Datum::Decimal(number.as_f64().unwrap_or_default()), Datum::Number),
        Value::String(text) => match (text.as_str(), reference(world, text, catalog)) {
            (FRESH, _) => Datum::from(id_text(world.fresh_id())),
            (NOW, _) => Datum::from(world.timestamp()),
            (_, Some(handle)) => Datum::Link(handle),
            (text, None) => Datum::from(text),
        },
        nested => Datum::from(resolved(world, nested, catalog)),
    }
}

/// The row behind `@kind/n`.
fn reference(world: &mut World, text: &str, catalog: &Catalog) -> Option<Handle> {
    let (word, row) = text.strip_prefix('@')?.split_once('/')?;
    let row: u32 = row.parse().ok()?;
    if !world.stocked.contains(word) {
        stock_noun(world, word, catalog);
    }
    let handle = Handle { kind: world.known_kind(word).or_else(|| world.kind_of_entity(word))?, row };
    world.row(handle).is_some().then_some(handle)
}

fn resolved(world: &mut World, value: &Value, catalog: &Catalog) -> Value {
    match value {
        Value::String(text) if text == FRESH => id_text(world.fresh_id()).into(),
        Value::String(text) => match reference(world, text, catalog) {
            Some(handle) => world.id(handle).into(),
            None => value.clone(),
        },
        Value::Array(items) => items.iter().map(|item| resolved(world, item, catalog)).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), resolved(world, value, catalog))).collect::<Map<_, _>>().into(),
        other => other.clone(),
    }
}
