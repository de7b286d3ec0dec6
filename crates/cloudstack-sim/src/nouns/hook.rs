//! What webhooks delivered: one delivery an event in a webhook's scope.
//!
//! Nothing is sent anywhere: a delivery is written down as if its receiver had taken it, and says so. Real servers post
//! the payload, and refuse receivers on their own machine.

use serde_json::{Map, Value, json};

use super::Tables;
use crate::{
    dates,
    kind::{ID, Noun, linked, own},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Datum, Handle, World, id_text},
};

/// How many deliveries a webhook keeps.
const KEPT: usize = 10;
/// The type of the events that people make up to try a webhook.
const TEST_EVENT: &str = "TEST.WEBHOOK";
/// What such an event says if it is told nothing.
const TEST_PAYLOAD: &str = "{ \"CloudStack\": \"works!\" }";
/// What every delivery says of its receiver.
const TAKEN: &str = "The sandbox sends nothing and takes every delivery for received";

/// A delivery.
pub(crate) const NOUN: Noun = Noun {
    word: "webhookdelivery",
    entities: &["WebhookDeliveryResponse"],
    resource: "WebhookDelivery",
    owned: false,
    keywords: &["payload"],
    newest_first: true,
    view: &[
        ID,
        own("eventid"),
        own("eventtype"),
        linked("webhookid", "webhook", "id"),
        linked("webhookname", "webhook", "name"),
        linked("managementserverid", "managementserver", "id"),
        linked("managementservername", "managementserver", "name"),
        own("headers"),
        own("payload"),
        own("success"),
        own("response"),
        own("startdate"),
        own("enddate"),
    ],
};

/// The commands of deliveries.
pub(super) const TABLES: Tables =
    Tables { handlers: &[("listWebhookDeliveries", list_deliveries), ("executeWebhookDelivery", execute), ("deleteWebhookDelivery", delete)], filters: &[] };

/// Writes down that an event was delivered to the webhooks in whose scope it is.
pub(crate) fn deliver(world: &mut World, event: Handle) {
    let webhooks = world.kind("webhook");
    if world.count(webhooks) == 0 {
        return;
    }
    let listening: Vec<Handle> = world.rows(webhooks).filter(|webhook| listens(world, *webhook, event)).collect();
    for webhook in listening {
        let payload = payload(world, event);
        let fields = [("event", event.into()), ("eventid", world.id(event).into()), ("eventtype", world.string(event, "type").into())];
        record(world, webhook, payload, &fields);
    }
}

/// Whether a webhook is told of an event: of those of its account, of its domain and below, or of all.
fn listens(world: &World, webhook: Handle, event: Handle) -> bool {
    if world.text(webhook, "state") == Some("Disabled") {
        return false;
    }
    let is = |word: &str| world.text(webhook, "scope").is_some_and(|scope| scope.eq_ignore_ascii_case(word));
    let within = || world.domain_of(event).zip(world.domain_of(webhook)).is_some_and(|(domain, top)| world.is_within(domain, top));
    is("Global") || is("Domain") && within() || !is("Domain") && world.owner(event) == world.owner(webhook)
}

/// What an event tells its receivers.
fn payload(world: &World, event: Handle) -> String {
    let text = |name: &str| world.text(event, name);
    let resource = world.link(event, "resource").map(|object| world.id(object));
    json!({
        "event": text("type"),
        "status": text("state"),
        "description": text("description"),
        "eventDateTime": world.timestamp(),
        "account": world.owner(event).map(|owner| world.id(owner)),
        "entity": text("resourcetype"),
        "entityuuid": resource,
    })
    .to_string()
}

/// The headers that a payload would go with.
fn headers(payload: &str) -> String {
    format!("Content-Type: application/json, Content-Length: {}", payload.len())
}

fn record(world: &mut World, webhook: Handle, payload: String, about: &[(&'static str, Datum)]) -> Handle {
    let stamp = world.timestamp();
    let mut fields: Vec<(&str, Datum)> = about.to_vec();
    fields.extend([
        ("webhook", webhook.into()),
        ("headers", headers(&payload).into()),
        ("payload", payload.into()),
        ("success", true.into()),
        ("response", TAKEN.into()),
        ("startdate", stamp.clone().into()),
        ("enddate", stamp.into()),
    ]);
    if let Some(server) = world.rows(world.kind("managementserver")).next() {
        fields.push(("managementserver", server.into()));
    }
    let made = world.insert(world.kind(NOUN.word), None, &fields);
    let mut known: Vec<Handle> = world.referring(NOUN.word, "webhook", webhook).collect();
    known.sort_unstable();
    let surplus = known.len().saturating_sub(KEPT);
    known.into_iter().take(surplus).for_each(|old| world.remove(old));
    made
}

/// The deliveries that the caller may see, within the asked-for span of time.
fn may_see(turn: &Turn<'_>) -> impl Fn(&World, Handle) -> bool + use<> {
    let webhooks = turn.world.rows(turn.world.kind("webhook"));
    let mine: Vec<Handle> = webhooks.filter(|webhook| turn.may_use(*webhook)).collect();
    let bound = |name: &str| turn.arguments.text(name).and_then(dates::parse);
    let (from, until) = (bound("startdate"), bound("enddate"));
    move |world, row| {
        let at = i64::try_from(world.created(row)).unwrap_or(i64::MAX);
        world.link(row, "webhook").is_some_and(|webhook| mine.contains(&webhook)) && from.is_none_or(|from| at >= from) && until.is_none_or(|until| at <= until)
    }
}

fn list_deliveries(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind(NOUN.word);
    let seen = may_see(turn);
    list::list_where(turn, kind, seen)
}

fn execute(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (known, webhook) = (turn.arguments.object("id"), turn.arguments.object("webhookid"));
    super::chore::host_is_right(turn, "payloadurl")?;
    if known.is_none() && webhook.is_none() && turn.arguments.text("payloadurl").is_none() {
        return Err(Refusal::invalid("One of the id, webhookid or payloadurl must be specified"));
    }
    if let Some((delivery, hook)) = known.and_then(|delivery| Some((delivery, turn.world.link(delivery, "webhook")?))) {
        if !turn.may_use(hook) {
            return Err(Refusal::permission());
        }
        let payload = turn.world.string(delivery, "payload");
        let told = |name: &str| Datum::from(turn.world.string(delivery, name));
        let fields = [("eventid", told("eventid")), ("eventtype", told("eventtype"))];
        return Ok(Outcome::Object(record(turn.world, hook, payload, &fields)));
    }
    Ok(test(turn, webhook))
}

/// A delivery that somebody makes up: it is answered with and not kept.
fn test(turn: &mut Turn<'_>, webhook: Option<Handle>) -> Outcome {
    let payload = turn.arguments.text("payload").unwrap_or(TEST_PAYLOAD).to_owned();
    let (id, event) = (id_text(turn.world.fresh_id()), id_text(turn.world.fresh_id()));
    let world = &*turn.world;
    let stamp = world.timestamp();
    let server = world.rows(world.kind("managementserver")).next();
    let mut shown: Map<String, Value> = Map::new();
    let headers = headers(&payload);
    for (name, text) in [("id", id), ("eventid", event), ("eventtype", TEST_EVENT.to_owned()), ("headers", headers), ("payload", payload)] {
        shown.insert(name.to_owned(), text.into());
    }
    for (name, text) in [("response", TAKEN.to_owned()), ("startdate", stamp.clone()), ("enddate", stamp)] {
        shown.insert(name.to_owned(), text.into());
    }
    shown.insert("success".to_owned(), true.into());
    let named = [("managementserver", server), ("webhook", webhook)];
    for (word, row) in named.into_iter().filter_map(|(word, row)| Some((word, row?))) {
        shown.insert(format!("{word}id"), world.id(row).into());
        shown.insert(format!("{word}name"), world.string(row, "name").into());
    }
    Outcome::Shown(NOUN.word.to_owned(), Value::Object(shown).to_string())
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let seen = may_see(turn);
    let asked = |name: &str| turn.arguments.object(name);
    let (one, webhook, server) = (asked("id"), asked("webhookid"), asked("managementserverid"));
    let world = &*turn.world;
    let fits = |row: &Handle| {
        one.is_none_or(|one| one == *row)
            && webhook.is_none_or(|webhook| world.link(*row, "webhook") == Some(webhook))
            && server.is_none_or(|server| world.link(*row, "managementserver") == Some(server))
            && seen(world, *row)
    };
    let rows: Vec<Handle> = world.rows(world.kind(NOUN.word)).filter(fits).collect();
    rows.into_iter().for_each(|row| turn.world.remove(row));
    Ok(Outcome::Success)
}
