//! Answers for every command that has no behaviour of its own, from what the catalog declares.
//!
//! What is created can be listed, changed, switched, joined and deleted by the rules that hold for most kinds: names differ,
//! what is referred to stays, lists filter by what they show. The coverage page says which commands are answered here.

mod subject;
mod verb;

use std::sync::Arc;

use cloudstack_api::catalog::{Catalog, Command, Field, ParameterType};
use serde_json::{Map, Value, json};

use self::verb::Deed;
use crate::{
    kind::Kind,
    list,
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Datum, Handle, KindId, World, shelf},
};

/// Arguments that say how a call is made, not what an object is like.
const NO_FIELDS: &[&str] =
    &["account", "apikey", "command", "customjobid", "domainid", "expires", "id", "projectid", "response", "sessionkey", "signature", "signatureversion"];
/// Fields that say in which state an object is.
const STATES: [&str; 5] = ["state", "status", "allocationstate", "managedstate", "resourcestate"];
/// Fields that say whether an object is in use.
const SWITCHES: [&str; 2] = ["enabled", "isenabled"];
/// Shapes that say only that something worked.
const PLAIN: &str = "SuccessResponse";

/// Makes the kinds that a command speaks of, where the world has none yet.
pub(crate) fn prepare_kinds(world: &mut World, command: &Arc<Command>, catalog: &Catalog) {
    let Some(command) = subject::teller(command, catalog) else { return };
    let entity = subject::kind_name(&command.shape).to_owned();
    shelf::stock(world, &command, &entity, catalog);
    if world.kind_of_entity(&entity).is_some() || world.lists.contains_key(command.name.as_str()) {
        return;
    }
    let fields = catalog.fields(&command);
    let resource = entity.trim_end_matches("Response").to_owned();
    let kind = Kind::of_fields(&entity, &resource, &fields, &mut |name| world.key(name));
    world.add_kind(kind, [entity.as_str()].into_iter());
}

/// Whether a command follows the rules of a kind that can be made and listed.
pub(crate) fn is_by_rule(command: &Arc<Command>, catalog: &Catalog) -> bool {
    let Some(teller) = subject::teller(command, catalog) else { return false };
    let entity = subject::kind_name(&teller.shape);
    let same = |other: &Arc<Command>| subject::teller(other, catalog).is_some_and(|teller| subject::kind_name(&teller.shape) == entity);
    let of_kind: Vec<Arc<Command>> = catalog.commands().filter(same).collect();
    of_kind.iter().any(|other| verb::deed(other, catalog) == Deed::Make && !other.is_list()) && of_kind.iter().any(|other| other.is_list())
}

/// Shapes that differ between commands carry a number after `#`.
pub(crate) fn entity_of(shape: &str) -> &str {
    shape.split('#').next().unwrap_or(shape)
}

/// Answers a command.
pub(crate) fn answer(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = subject::kind(turn);
    let deed = verb::deed(&turn.command, &turn.server.catalog);
    if let Some(kind) = kind.filter(|_| turn.command.is_list() && !matches!(deed, Deed::Make | Deed::Take)) {
        return listed_whole(turn, kind);
    }
    let of_kind: Vec<Handle> = subject::targets(turn, kind).into_iter().filter(|target| kind.is_none_or(|kind| kind == target.kind)).collect();
    match (deed, kind) {
        (Deed::Take, _) => take(turn, kind, of_kind),
        (Deed::Make, Some(kind)) if of_kind.is_empty() => {
            // Commands that tell only that they worked make what has no behaviour of its own, nothing else.
            let is_quiet = turn.command.shape == PLAIN;
            let is_generic = turn.world.description(kind).is_some_and(|kind| kind.generic);
            if is_quiet && !is_generic {
                return Ok(Outcome::Success);
            }
            let about = subject::target(turn, None);
            let made = make(turn, kind, about)?;
            Ok(if is_quiet { Outcome::Success } else { made })
        }
        (Deed::Change, Some(kind))
            if of_kind.is_empty() && verb::is_update(&turn.command.name) && turn.world.description(kind).is_some_and(|kind| kind.generic) =>
        {
            // Where there is one to a place, the place tells which.
            let matching = subject::matching(turn, kind);
            changed(turn, deed, &matching)
        }
        _ => changed(turn, deed, &of_kind),
    }
}

/// Changes the objects that a call is about, and shows the first.
fn changed(turn: &mut Turn<'_>, deed: Deed, targets: &[Handle]) -> Result<Outcome, Refusal> {
    for target in targets {
        check_name(turn, *target)?;
        match deed {
            Deed::Turn(state, flag) => switch(turn.world, *target, state, flag),
            Deed::Join | Deed::Part => join(turn, *target, deed == Deed::Join),
            _ => apply(turn, *target),
        }
    }
    match targets.first() {
        _ if turn.command.shape == PLAIN => Ok(Outcome::Success),
        Some(target) if !turn.command.is_list() => Ok(Outcome::Object(*target)),
        _ => Ok(described(turn)),
    }
}

/// Puts an object into a state, in the first of the fields that say such things.
fn switch(world: &mut World, target: Handle, state: &str, flag: bool) {
    let Some(kind) = world.description(target.kind) else { return };
    let has = |name: &&str| world.known_key(name).is_some_and(|key| kind.member(key).is_some());
    let told = STATES.into_iter().find(has);
    let flagged = SWITCHES.into_iter().find(has);
    if let Some(field) = told {
        world.set(target, field, state);
    }
    if let Some(field) = flagged {
        world.set(target, field, flag);
    }
}

/// Puts what the other arguments name to an object, or takes it off, in the lists that it shows.
fn join(turn: &mut Turn<'_>, target: Handle, is_joined: bool) {
    let fields = turn.server.catalog.fields(&turn.command);
    let lists = fields.iter().filter(|field| matches!(field.kind.as_str(), "list" | "set")).map(|field| field.name.clone());
    for list in lists.collect::<Vec<_>>() {
        let stem = list.trim_end_matches('s');
        let named = turn.arguments.plain().filter(|(name, _)| *name != "id" && name.starts_with(stem) && turn.command.parameter(name).is_some());
        let ids: Vec<String> = named.flat_map(|(_, value)| value.split(',').map(str::to_owned)).collect();
        let mut items: Vec<Value> = turn.world.tree(target, &list).and_then(Value::as_array).cloned().unwrap_or_default();
        for id in ids {
            items.retain(|item| item.get("id").and_then(Value::as_str) != Some(id.as_str()));
            if is_joined {
                let object = crate::world::parse_id(&id).and_then(|id| turn.world.by_id(id));
                let name = object.map(|object| turn.world.string(object, "name")).unwrap_or_default();
                items.push(json!({"id": id, "name": name}));
            }
        }
        turn.world.set(target, &list, Value::Array(items));
    }
}

/// Takes objects away that nothing refers to.
fn take(turn: &mut Turn<'_>, kind: Option<KindId>, named: Vec<Handle>) -> Result<Outcome, Refusal> {
    if named.is_empty() && subject::is_lost(turn) {
        return Err(Refusal::invalid("Unable to find the object with the given id"));
    }
    let targets = match kind {
        Some(kind) if named.is_empty() && turn.world.description(kind).is_some_and(|kind| kind.generic) => subject::matching(turn, kind),
        _ => named,
    };
    let is_generic = |target: &&Handle| turn.world.description(target.kind).is_some_and(|kind| kind.generic);
    for target in targets.iter().filter(is_generic) {
        if let Some(user) = subject::user_of(turn.world, *target) {
            let resource = turn.world.description(target.kind).map(|kind| kind.resource.to_string()).unwrap_or_default();
            return Err(Refusal::invalid(format!("Cannot remove {resource} {}, it is used by a {user}", turn.world.id(*target))));
        }
    }
    // Where ids are any text, a server says that it knows of nothing by it.
    let is_text = turn.command.parameter("id").is_some_and(|parameter| parameter.required && parameter.kind == ParameterType::String);
    if targets.is_empty() && is_text {
        return Ok(Outcome::Flat(json!({"success": false, "displaytext": "there is no record with this id"}).to_string()));
    }
    // What an object was taken off is shown where the answer speaks of that.
    let told = turn.world.kind_of_entity(subject::kind_name(&turn.command.shape));
    let shown = targets
        .first()
        .filter(|_| turn.command.shape != PLAIN)
        .map(|target| if told == Some(target.kind) { *target } else { subject::target(turn, told).unwrap_or(*target) });
    let shown = shown.map(|shown| turn.body(&Outcome::Object(shown)));
    targets.iter().for_each(|target| turn.world.remove(*target));
    Ok(shown.map_or(Outcome::Success, Outcome::Flat))
}

/// A list, whole where its command knows no pages.
fn listed_whole(turn: &mut Turn<'_>, kind: KindId) -> Result<Outcome, Refusal> {
    // Some lists take the id of what they list under a name of its own, as text.
    let is_generic = turn.world.description(kind).is_some_and(|kind| kind.generic);
    let shown = |name: &str| turn.world.known_key(name).zip(turn.world.description(kind)).is_some_and(|(key, kind)| kind.member(key).is_some());
    let spelled = turn.command.parameters.iter().filter(|parameter| is_generic && parameter.kind == ParameterType::String && !shown(&parameter.name));
    let wanted = spelled.filter_map(|parameter| subject::by_text(turn, &parameter.name)).find(|object| object.kind == kind);
    let keep = move |_: &World, row: Handle| wanted.is_none_or(|wanted| wanted == row);
    if turn.command.is_paged() {
        return list::list_where(turn, kind, keep);
    }
    let rows = list::matching(turn, kind, &keep)?;
    let count = rows.len();
    Ok(Outcome::List(rows, count))
}

fn make(turn: &mut Turn<'_>, kind: KindId, about: Option<Handle>) -> Result<Outcome, Refusal> {
    let owned = turn.world.description(kind).is_some_and(|kind| kind.owned);
    let owner = if owned { Some(turn.new_owner()?) } else { None };
    check_new_name(turn, kind, owner)?;
    let made = turn.world.insert(kind, owner, &[]);
    set_defaults(turn, made);
    if let Some(about) = about {
        copy_name(turn.world, made, about);
    }
    apply(turn, made);
    if turn.command.is_list() { Ok(Outcome::List(vec![made], 1)) } else { Ok(finished(turn, made)) }
}

/// Commands that make something tell its id at once when they start a job, but for those whose jobs are known to work on nothing.
fn finished(turn: &Turn<'_>, made: Handle) -> Outcome {
    let works_on_nothing = crate::instance::seen(&turn.command.name).is_some_and(|instance| instance.kind.is_none());
    if turn.command.is_async && !works_on_nothing {
        turn.making(made, crate::turn::WORK_SHORT, move |_| Ok(Outcome::Object(made)))
    } else {
        Outcome::Object(made)
    }
}

/// Refuses a name that another object of the kind has, of the same owner and in the same place.
fn check_new_name(turn: &Turn<'_>, kind: KindId, owner: Option<Handle>) -> Result<(), Refusal> {
    let Some(name) = turn.arguments.text("name") else { return Ok(()) };
    let places: Vec<(&str, Handle)> = turn
        .command
        .parameters
        .iter()
        .filter(|parameter| parameter.required)
        .filter_map(|parameter| Some((parameter.name.as_str(), turn.arguments.object(&parameter.name)?)))
        .collect();
    let is_generic = turn.world.description(kind).is_some_and(|kind| kind.generic);
    let is_same = |row: Handle| {
        turn.world.text(row, "name") == Some(name)
            && owner.is_none_or(|owner| turn.world.owner(row) == Some(owner))
            && places.iter().all(|(field, place)| turn.world.link(row, field).is_none_or(|known| known == *place))
    };
    if (is_generic || owner.is_some()) && turn.world.rows(kind).any(is_same) { Err(name_is_taken(turn, kind, name)) } else { Ok(()) }
}

/// Refuses to give an object the name of another.
fn check_name(turn: &Turn<'_>, target: Handle) -> Result<(), Refusal> {
    let Some(name) = turn.arguments.text("name").filter(|_| turn.world.description(target.kind).is_some_and(|kind| kind.generic)) else { return Ok(()) };
    let is_same = |row: Handle| row != target && turn.world.text(row, "name") == Some(name) && turn.world.owner(row) == turn.world.owner(target);
    if turn.world.rows(target.kind).any(is_same) { Err(name_is_taken(turn, target.kind, name)) } else { Ok(()) }
}

fn name_is_taken(turn: &Turn<'_>, kind: KindId, name: &str) -> Refusal {
    let resource = turn.world.description(kind).map(|kind| kind.resource.to_string()).unwrap_or_default();
    Refusal::invalid(format!("{resource} with name {name} already exists."))
}

/// States that new objects are in, and truth values that nothing was said about.
fn set_defaults(turn: &mut Turn<'_>, made: Handle) {
    let fields = turn.server.catalog.fields(&turn.command);
    for field in fields.iter() {
        let datum: Datum = match (field.name.as_str(), field.kind.as_str()) {
            ("state" | "allocationstate", _) => "Enabled".into(),
            ("status", "string") => "Active".into(),
            (name, "boolean") => SWITCHES.contains(&name).into(),
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
        if let Some(object) = subject::by_text(turn, &name)
            && let Some(stem) = name.strip_suffix("uuid")
        {
            let text = turn.world.string(object, "name");
            turn.world.set(target, &format!("{stem}name"), text);
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
            "boolean" => Some(json!(field.name == "success")),
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
