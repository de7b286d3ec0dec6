//! What the cloud remembers: events and alerts.

use super::Tables;
use crate::{
    dates, events,
    kind::{ACCOUNT, CREATED, DOMAIN, DOMAIN_ID, DOMAIN_PATH, ID, Noun, PROJECT, PROJECT_ID, Shown, computed, own},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Handle, World},
};

/// An event.
pub(crate) const EVENT_NOUN: Noun = Noun {
    word: "event",
    entities: &["EventResponse"],
    resource: "Event",
    owned: true,
    keywords: &["type", "description", "level"],
    newest_first: true,
    view: &[
        ID,
        own("username"),
        own("type"),
        own("level"),
        own("description"),
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        computed("resourceid", |world, event, _| resource_id(world, event).map(Shown::Text)),
        own("resourcetype"),
        computed("resourcename", |world, event, _| resource_name(world, event).map(Shown::Text)),
        CREATED,
        own("state"),
        own("parentid"),
    ],
};

/// Kinds whose objects are gone without a trace once they are removed: events cannot name them any more.
const TRACELESS: [&str; 9] = [
    "affinitygroup",
    "backup",
    "firewallrule",
    "healthcheckpolicy",
    "ipforwardingrule",
    "loadbalancerrule",
    "portforwardingrule",
    "rolepermission",
    "stickinesspolicy",
];
/// Kinds whose objects lose their names when they are removed.
const NAMELESS: [&str; 3] = ["pod", "role", "zone"];
/// The fields that name an object, the best first.
const NAMES: [&str; 5] = ["displayname", "displaytext", "name", "username", "ipaddress"];

/// The object that an event is about, if it can still be told.
fn resource(world: &World, event: Handle) -> Option<Handle> {
    let object = world.link(event, "resource")?;
    let is_traceless = world.description(object.kind).is_some_and(|kind| TRACELESS.contains(&kind.word.as_ref()));
    (world.is_alive(object) || !is_traceless).then_some(object)
}

fn resource_id(world: &World, event: Handle) -> Option<String> {
    if world.flag(event, events::UNTOLD) {
        return None;
    }
    resource(world, event).map(|object| world.id(object)).or_else(|| world.text(event, events::TOLD_ID).map(str::to_owned))
}

fn resource_name(world: &World, event: Handle) -> Option<String> {
    let Some(object) = resource(world, event) else { return world.text(event, events::TOLD_NAME).map(str::to_owned) };
    let is_nameless = world.description(object.kind).is_some_and(|kind| NAMELESS.contains(&kind.word.as_ref()));
    if is_nameless && !world.is_alive(object) {
        return None;
    }
    NAMES.iter().find_map(|name| world.text(object, name)).filter(|name| !name.is_empty()).map(str::to_owned)
}

/// An alert.
pub(crate) const ALERT_NOUN: Noun = Noun {
    word: "alert",
    entities: &["AlertResponse"],
    resource: "Alert",
    owned: false,
    keywords: &["name", "description"],
    newest_first: true,
    view: &[ID, own("type"), own("name"), own("description"), own("sent")],
};

/// The commands of records.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listEvents", list_events),
        ("archiveEvents", clear),
        ("deleteEvents", clear),
        ("archiveAlerts", clear),
        ("deleteAlerts", clear),
        ("generateAlert", generate),
    ],
    filters: &[],
};

fn list_events(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("event");
    let bound = |name: &str| turn.arguments.text(name).and_then(dates::parse).and_then(|seconds| u64::try_from(seconds).ok());
    let (from, mut until) = (bound("startdate"), bound("enddate"));
    // A bare day as the end means its last second.
    if turn.arguments.text("enddate").is_some_and(|text| text.len() <= 10) {
        until = until.map(|until| until + 86_399);
    }
    let outcome = list::list_where(turn, kind, move |world: &World, row: Handle| {
        let created = world.created(row);
        from.is_none_or(|from| created >= from) && until.is_none_or(|until| created <= until)
    })?;
    // Pages go back in time; a page itself reads forward.
    Ok(match outcome {
        Outcome::List(mut rows, count) => {
            rows.reverse();
            Outcome::List(rows, count)
        }
        other => other,
    })
}

/// The span of time that `startdate` and `enddate` ask for, in seconds since 1970.
fn span(turn: &Turn<'_>) -> (Option<u64>, Option<u64>) {
    let bound = |name: &str| turn.arguments.text(name).and_then(dates::parse).and_then(|seconds| u64::try_from(seconds).ok());
    (bound("startdate"), bound("enddate"))
}

/// Takes events or alerts away: some by their ids, or all of a type or a time.
fn clear(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let word = if turn.command.name.ends_with("Events") { "event" } else { "alert" };
    let ids = turn.arguments.objects("ids").map(<[Handle]>::to_vec);
    let kind = turn.arguments.text("type").map(str::to_owned);
    let (from, until) = span(turn);
    let world = &*turn.world;
    let is_of = |row: Handle| {
        kind.as_ref().is_none_or(|kind| world.text(row, "type") == Some(kind) || word == "alert" && world.number(row, "type").to_string() == *kind)
    };
    let is_in = |row: Handle| from.is_none_or(|from| world.created(row) >= from) && until.is_none_or(|until| world.created(row) <= until);
    let mine = |row: Handle| word == "alert" || turn.may_use(row);
    let wanted = |row: &Handle| ids.as_ref().is_none_or(|ids| ids.contains(row)) && is_of(*row) && is_in(*row) && mine(*row);
    let rows: Vec<Handle> = world.rows(world.kind(word)).filter(wanted).collect();
    rows.into_iter().for_each(|row| turn.world.remove(row));
    Ok(Outcome::Success)
}

/// Remembers that something happened of which admins should know: the number and the name of the type, and what is said.
pub(crate) fn alert(world: &mut World, (number, name): (i64, &str), text: impl Into<String>) {
    let stamp = world.timestamp();
    let kind = world.kind("alert");
    let text: String = text.into();
    world.insert(kind, None, &[("type", number.into()), ("name", name.into()), ("description", text.into()), ("sent", stamp.into())]);
}

fn generate(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let number = turn.arguments.number("type").unwrap_or(0);
    let (name, text) = (turn.needed("name")?, turn.needed("description")?);
    crate::world::shelf::stock_noun(turn.world, ALERT_TYPES, &turn.server.catalog);
    let account = turn.caller.account;
    Ok(turn.job(account, crate::turn::WORK_SHORT, move |turn| {
        let types = turn.world.kind(ALERT_TYPES);
        let known = turn.world.rows(types).find(|row| turn.world.number(*row, "alerttypeid") == number).map(|row| turn.world.string(row, "name"));
        if let Some(known) = known.filter(|known| !known.eq_ignore_ascii_case(&name)) {
            return Err(Refusal::invalid(format!("There is a default alert having type {number} and name {known}")));
        }
        alert(turn.world, (number, &name), text);
        Ok(Outcome::Success)
    }))
}

/// The kind of the types of alerts.
const ALERT_TYPES: &str = "alerttype";
