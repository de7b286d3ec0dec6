//! Usage: what accounts used, a record a day and object, computed from what there is when somebody asks.
//!
//! Objects that are gone leave no records. A server whose usage service does not run has none at all.

use serde_json::{Map, Value, json};

use super::Tables;
use crate::{
    dates,
    list::Page,
    options::Scene,
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Handle, World},
};

/// The seconds of a day.
const DAY_SECONDS: i64 = 86_400;
/// The seconds of an hour.
const HOUR_SECONDS: f64 = 3_600.0;
/// How long a date without a time of day lasts.
const PLAIN_DATE_LETTERS: usize = 10;
/// Where the management server notes until when records were made out of turn.
const UNTIL: &str = "usageuntil";

/// One type of usage.
struct Sort {
    number: i64,
    kind: &'static str,
    /// What the text says of an object, after its name.
    says: &'static str,
    /// The members that the record takes from the object: the name, and the field or the reference.
    shows: &'static [(&'static str, Shows)],
}

/// Where a member of a record comes from.
#[derive(Clone, Copy)]
enum Shows {
    /// The object's own id.
    Own,
    /// The id of what a field refers to.
    Link(&'static str),
    /// A field.
    Field(&'static str),
}

const MACHINE: &[(&str, Shows)] = &[
    ("virtualmachineid", Shows::Own),
    ("name", Shows::Field("name")),
    ("offeringid", Shows::Link("offering")),
    ("templateid", Shows::Link("template")),
    ("ostypeid", Shows::Link("ostype")),
    ("type", Shows::Field("hypervisor")),
    ("cpunumber", Shows::Field("cpunumber")),
    ("cpuspeed", Shows::Field("cpuspeed")),
    ("memory", Shows::Field("memory")),
];
const DISK: &[(&str, Shows)] = &[
    ("offeringid", Shows::Link("diskoffering")),
    ("templateid", Shows::Link("template")),
    ("size", Shows::Field("size")),
    ("virtualmachineid", Shows::Link("vm")),
];
const SIZED: &[(&str, Shows)] = &[("size", Shows::Field("size")), ("virtualsize", Shows::Field("size"))];
const ADDRESS: &[(&str, Shows)] = &[("issourcenat", Shows::Field("issourcenat")), ("networkid", Shows::Link("network"))];
const PLACED: &[(&str, Shows)] = &[("networkid", Shows::Link("network"))];
const OFFERED: &[(&str, Shows)] = &[("offeringid", Shows::Link("offering"))];
const SNAPPED: &[(&str, Shows)] = &[("offeringid", Shows::Link("offering")), ("virtualmachineid", Shows::Link("vm")), ("size", Shows::Field("size"))];

const RUNNING: i64 = 1;

/// The types that leave records.
const SORTS: &[Sort] = &[
    Sort { number: RUNNING, kind: "virtualmachine", says: "running time", shows: MACHINE },
    Sort { number: 2, kind: "virtualmachine", says: "allocated", shows: MACHINE },
    Sort { number: 3, kind: "ipaddress", says: "public address", shows: ADDRESS },
    Sort { number: 6, kind: "volume", says: "disk", shows: DISK },
    Sort { number: 7, kind: "template", says: "template", shows: SIZED },
    Sort { number: 8, kind: "iso", says: "ISO", shows: SIZED },
    Sort { number: 9, kind: "snapshot", says: "snapshot", shows: SIZED },
    Sort { number: 10, kind: "securitygroup", says: "security group", shows: &[] },
    Sort { number: 11, kind: "loadbalancerrule", says: "load balancing", shows: PLACED },
    Sort { number: 12, kind: "portforwardingrule", says: "port forwarding", shows: PLACED },
    Sort { number: 14, kind: "vpnuser", says: "VPN user", shows: &[] },
    Sort { number: 25, kind: "vmsnapshot", says: "machine snapshot", shows: SNAPPED },
    Sort { number: 28, kind: "backup", says: "backup", shows: SNAPPED },
    Sort { number: 29, kind: "bucket", says: "bucket", shows: SIZED },
    Sort { number: 30, kind: "network", says: "network", shows: OFFERED },
    Sort { number: 31, kind: "vpc", says: "VPC", shows: OFFERED },
];

/// The commands of usage.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listUsageServerMetrics", metrics),
        ("listUsageRecords", list),
        ("generateUsageRecords", generate),
        ("removeRawUsageRecords", |turn| match turn.arguments.number("interval") {
            Some(days) if days < 0 => Err(Refusal::invalid("Interval should be greater than 0")),
            _ => Ok(Outcome::Success),
        }),
    ],
    filters: &[],
};

/// A stretch of time in seconds since 1970.
#[derive(Clone, Copy)]
struct Span {
    start: i64,
    end: i64,
}

fn now(world: &World) -> i64 {
    i64::try_from(world.now.as_secs()).unwrap_or(i64::MAX)
}

fn server(world: &World) -> Option<Handle> {
    world.rows(world.kind("managementserver")).next()
}

/// The time that is asked for, as far as records were made: until last midnight, or until somebody had them made.
fn span(turn: &Turn<'_>) -> Result<Span, Refusal> {
    let date = |name: &str| -> Result<i64, Refusal> { Ok(dates::parse(&turn.needed(name)?).unwrap_or_default()) };
    let (start, mut end) = (date("startdate")?, date("enddate")?);
    if turn.needed("enddate")?.len() <= PLAIN_DATE_LETTERS {
        end += DAY_SECONDS - 1;
    }
    if start > end {
        return Err(Refusal::invalid("Incorrect Date Range. Start date should be before the end date"));
    }
    let until = server(turn.world).map_or(0, |server| turn.world.number(server, UNTIL));
    let midnight = now(turn.world).div_euclid(DAY_SECONDS) * DAY_SECONDS;
    Ok(Span { start, end: end.min(midnight.max(until)) })
}

/// Whose records are asked for.
struct Whose {
    account: Option<Handle>,
    domain: Option<Handle>,
}

fn whose(turn: &Turn<'_>) -> Result<Whose, Refusal> {
    let by_name = turn.arguments.text("account").map(|name| turn.named_account(name, turn.arguments.object("domainid").unwrap_or(turn.caller.domain)));
    let project = turn.arguments.object("projectid").and_then(|project| turn.world.link(project, "projectaccount"));
    let account = turn.arguments.object("accountid").or(by_name.transpose()?).or(project);
    let domain = turn.arguments.object("domainid").or((!turn.caller.is_root()).then_some(turn.caller.domain));
    if domain.is_some_and(|domain| !turn.caller.is_root() && !turn.world.is_within(domain, turn.caller.domain))
        || account.is_some_and(|account| !turn.may_use(account))
    {
        return Err(Refusal::permission());
    }
    Ok(Whose { account, domain: domain.filter(|_| account.is_none()) })
}

impl Whose {
    fn holds(&self, world: &World, owner: Handle) -> bool {
        self.account.is_none_or(|account| account == owner)
            && self.domain.is_none_or(|domain| world.link(owner, "domain").is_some_and(|of| world.is_within(of, domain)))
    }
}

/// The days on which an object was there within a stretch of time: the first, and how many.
fn days(world: &World, object: Handle, span: Span) -> (i64, usize) {
    let start = span.start.max(i64::try_from(world.created(object)).unwrap_or(i64::MAX));
    if start >= span.end {
        return (0, 0);
    }
    let first = start.div_euclid(DAY_SECONDS);
    let last = (span.end - 1).div_euclid(DAY_SECONDS);
    (first, usize::try_from(last - first + 1).unwrap_or_default())
}

fn list(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let page = Page::read(turn)?;
    let span = span(turn)?;
    let whose = whose(turn)?;
    if turn.server.options.scene == Scene::Bare {
        return Ok(Outcome::Rendered(String::new(), 0));
    }
    let (skip, take) = page.bounds();
    let sort = turn.arguments.number("type");
    let wanted = turn.arguments.text("usageid");
    let mut count = 0_usize;
    let mut items: Vec<String> = Vec::new();
    for sort in SORTS.iter().filter(|known| sort.is_none_or(|sort| sort == known.number)) {
        for object in turn.world.rows(turn.world.kind(sort.kind)) {
            let Some(owner) = turn.world.owner(object).filter(|owner| whose.holds(turn.world, *owner)) else { continue };
            let is_off = sort.number == RUNNING && turn.world.text(object, "state") != Some("Running");
            if is_off || wanted.is_some_and(|wanted| !turn.world.id(object).eq_ignore_ascii_case(wanted)) {
                continue;
            }
            let (first, number) = days(turn.world, object, span);
            // Only what is on the page is spelled out.
            let from = skip.saturating_sub(count).min(number);
            let to = skip.saturating_add(take).saturating_sub(count).min(number);
            for day in from..to {
                let day = first + i64::try_from(day).unwrap_or_default();
                let start = (day * DAY_SECONDS).max(span.start).max(i64::try_from(turn.world.created(object)).unwrap_or_default());
                let end = ((day + 1) * DAY_SECONDS).min(span.end);
                items.push(record(turn, sort, (object, owner), Span { start, end }).to_string());
            }
            count += number;
        }
    }
    Ok(Outcome::Rendered(items.join(","), count))
}

fn record(turn: &Turn<'_>, sort: &Sort, (object, owner): (Handle, Handle), span: Span) -> Value {
    let world = &*turn.world;
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("account", world.string(owner, "name").into());
    put("accountid", world.id(owner).into());
    if let Some(project) = world.link(owner, "project") {
        put("projectid", world.id(project).into());
        put("project", world.string(project, "name").into());
    }
    if let Some(domain) = world.link(owner, "domain") {
        put("domainid", world.id(domain).into());
        put("domain", world.string(domain, "name").into());
        put("domainpath", world.string(domain, "path").into());
    }
    if let Some(zone) = world.link(object, "zone").or_else(|| super::place::only_zone(world)) {
        put("zoneid", world.id(zone).into());
    }
    let name = ["name", "ipaddress", "username"].iter().find_map(|field| world.text(object, field)).map_or_else(|| world.id(object), str::to_owned);
    put("description", format!("{name}: {}", sort.says).into());
    let hours = hours(span.end - span.start);
    put("usage", format!("{hours} Hrs").into());
    put("usagetype", sort.number.into());
    put("rawusage", hours.into());
    put("usageid", world.id(object).into());
    for (member, shows) in sort.shows {
        if let Some(value) = shown(world, object, *shows) {
            put(member, value);
        }
    }
    put("startdate", moment(span.start).into());
    put("enddate", moment(span.end - 1).into());
    if turn.arguments.truth("includetags") != Some(false) {
        let tags = world.tags.get(&object).into_iter().flatten().map(|tag| json!({"key": tag.key, "value": tag.value}));
        put("tags", tags.collect());
    }
    Value::Object(members)
}

fn shown(world: &World, object: Handle, shows: Shows) -> Option<Value> {
    match shows {
        Shows::Own => Some(world.id(object).into()),
        Shows::Link(field) => Some(world.id(world.link(object, field)?).into()),
        Shows::Field(field) => match world.field(object, field)? {
            crate::world::Content::Text(text) => Some(text.into()),
            crate::world::Content::Number(number) => Some(number.into()),
            crate::world::Content::Flag(flag) => Some(flag.into()),
            _ => None,
        },
    }
}

/// Hours with at most five decimals, as servers write them.
#[expect(clippy::cast_precision_loss, reason = "a record spans a day at most")]
fn hours(seconds: i64) -> String {
    let text = format!("{:.5}", seconds as f64 / HOUR_SECONDS);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn moment(seconds: i64) -> String {
    cloudstack_api::clock::timestamp(std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
}

/// Makes the records of today so far, out of turn.
fn generate(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let start = turn.arguments.text("startdate").and_then(dates::parse);
    let end = turn.arguments.text("enddate").and_then(dates::parse);
    if start.zip(end).is_some_and(|(start, end)| start > end) {
        return Err(Refusal::invalid("Incorrect Date Range. Start date should be before the end date"));
    }
    let until = now(turn.world);
    if let Some(server) = server(turn.world) {
        turn.world.set(server, UNTIL, until);
    }
    Ok(Outcome::Success)
}

/// How the service that makes records is. Where it does not run, what is known of it is when it was last asked for.
fn metrics(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let now = now(turn.world);
    let asked = server(turn.world).map_or(0, |server| turn.world.number(server, UNTIL));
    let midnight = now.div_euclid(DAY_SECONDS) * DAY_SECONDS;
    let shown = match (turn.server.options.scene, asked) {
        (Scene::Bare, 0) => json!({"collectiontime": moment(now), "hostname": "N/A", "state": "Down", "lastsuccessfuljob": moment(0)}),
        (Scene::Bare, asked) => json!({"collectiontime": moment(now), "state": "Down", "lastheartbeat": moment(asked), "lastsuccessfuljob": moment(0)}),
        (Scene::Furnished, _) => {
            json!({"collectiontime": moment(now), "hostname": "localhost", "state": "Up", "lastheartbeat": moment(now), "lastsuccessfuljob": moment(midnight)})
        }
    };
    Ok(Outcome::Shown(turn.command.reply.object.clone().unwrap_or_default(), shown.to_string()))
}
