//! What the cloud remembers: events and alerts.

use super::Tables;
use crate::{
    dates,
    kind::{ACCOUNT, CREATED, DOMAIN, DOMAIN_ID, DOMAIN_PATH, ID, Noun, PROJECT, PROJECT_ID, own},
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
    newest_first: false,
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
        own("resourceid"),
        own("resourcetype"),
        own("resourcename"),
        CREATED,
        own("state"),
        own("parentid"),
    ],
};

/// An alert.
pub(crate) const ALERT_NOUN: Noun = Noun {
    word: "alert",
    entities: &["AlertResponse"],
    resource: "Alert",
    owned: false,
    keywords: &["name", "description"],
    newest_first: false,
    view: &[ID, own("type"), own("name"), own("description"), own("sent")],
};

/// The commands of records.
pub(super) const TABLES: Tables = Tables {
    handlers: &[("listEvents", list_events), ("archiveEvents", delete), ("deleteEvents", delete), ("archiveAlerts", delete), ("deleteAlerts", delete)],
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
    list::list_where(turn, kind, move |world: &World, row: Handle| {
        let created = world.created(row);
        from.is_none_or(|from| created >= from) && until.is_none_or(|until| created <= until)
    })
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let ids = turn.arguments.objects("ids").map(<[Handle]>::to_vec).unwrap_or_default();
    ids.into_iter().for_each(|row| turn.world.remove(row));
    Ok(Outcome::Success)
}
