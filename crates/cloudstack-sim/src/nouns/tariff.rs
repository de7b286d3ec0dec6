//! Tariffs of quota: what usage costs, and the variables that rules of tariffs may use.
//!
//! Their first rows are what a server brings along. Nothing is charged here.

use serde_json::{Map, Value, json};

use super::{Tables, quota};
use crate::{
    dates,
    list::{self, Page},
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Content, Datum, Handle, KindId, World, parse_id},
};

/// What answers call a tariff in the catalog.
const ENTITY: &str = "QuotaTariffResponse";
/// The variables of all sorts of usage.
const VARIABLES: &[&str] = &[
    "account",
    "account.role",
    "account.role.type",
    "account.role.id",
    "account.role.name",
    "account.created",
    "account.id",
    "account.name",
    "domain",
    "domain.path",
    "domain.id",
    "domain.name",
    "project",
    "project.id",
    "project.name",
    "resourceType",
    "value",
    "value.accountResources",
    "zone",
    "zone.id",
    "zone.name",
    "configuration",
    "configuration.forceHa",
    "configuration.id",
    "configuration.name",
    "lastTariffs",
    "lastTariffs.id",
    "lastTariffs.name",
];
/// Further variables, and the sorts of usage that have them.
const VARIABLES_OF: &[(&[i64], &[&str])] = &[
    (&[1, 2, 6, 7, 8, 9, 13, 25], &["value.id", "value.name"]),
    (&[1], &["value.host", "value.host.tags", "value.host.isTagARule", "value.host.id", "value.host.name"]),
    (&[1, 2, 7, 8], &["value.osName"]),
    (&[1, 2, 6, 7, 8, 9, 25], &["value.tags"]),
    (&[13], &["value.tag"]),
    (&[6, 7, 8, 9, 28], &["value.size"]),
    (&[28], &["value.virtualSize", "value.backupOffering", "value.backupOffering.externalId", "value.backupOffering.id", "value.backupOffering.name"]),
    (&[6], &["value.provisioningType", "value.diskOffering", "value.diskOffering.id", "value.diskOffering.name", "value.volumeType"]),
    (&[6, 26], &["value.volumeFormat"]),
    (&[9], &["value.snapshotType"]),
    (&[25], &["value.vmSnapshotType"]),
    (
        &[1, 2],
        &[
            "value.computeOffering",
            "value.computeOffering.customized",
            "value.computeOffering.offerHa",
            "value.computeOffering.id",
            "value.computeOffering.name",
            "value.template",
            "value.template.id",
            "value.template.name",
        ],
    ),
    (&[6, 9], &["value.storage", "value.storage.tags", "value.storage.isTagARule", "value.storage.scope", "value.storage.id", "value.storage.name"]),
    (&[1], &["value.computingResources", "value.computingResources.memory", "value.computingResources.cpuNumber", "value.computingResources.cpuSpeed"]),
    (&[1, 2, 9, 25], &["value.hypervisorType"]),
];
/// What older releases do not know of these.
const LATER: &[&str] = &["account.created", "value.computeOffering.offerHa", "configuration", "lastTariffs"];

/// The commands of tariffs.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("quotaTariffList", list),
        ("quotaTariffCreate", create),
        ("quotaTariffUpdate", update),
        ("quotaTariffDelete", delete),
        ("quotaPresetVariablesList", list_variables),
        ("quotaValidateActivationRule", validate),
    ],
    filters: &[],
};

fn kind(turn: &Turn<'_>) -> KindId {
    turn.world.kind_of_entity(ENTITY).unwrap_or_else(|| turn.world.kind(ENTITY))
}

/// A tariff that is in force, by name.
fn named(turn: &Turn<'_>, name: &str) -> Option<Handle> {
    let world = &*turn.world;
    let is_named = |row: &Handle| world.text(*row, "name").is_some_and(|known| known.eq_ignore_ascii_case(name));
    world.rows(kind(turn)).filter(|row| world.field(*row, "removed").is_none()).find(is_named)
}

fn moment(turn: &Turn<'_>, name: &str) -> Option<u64> {
    turn.arguments.text(name).and_then(dates::parse).and_then(|seconds| u64::try_from(seconds).ok())
}

fn stamp(seconds: u64) -> String {
    cloudstack_api::clock::timestamp(std::time::Duration::from_secs(seconds))
}

/// Refuses ends before the begin or before now.
fn check_end(turn: &Turn<'_>, begin: u64) -> Result<(), Refusal> {
    match moment(turn, "enddate") {
        Some(end) if end < begin || end < turn.world.now.as_secs() => {
            Err(Refusal::invalid("The quota tariff's end date cannot be less than its start or than now"))
        }
        _ => Ok(()),
    }
}

fn list(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let page = Page::read(turn)?;
    let only_removed = turn.arguments.flag("listonlyremoved");
    let all = turn.arguments.flag("listall") || only_removed;
    let (name, usage) = (turn.arguments.text("name").map(str::to_owned), turn.arguments.number("usagetype"));
    let id = turn.arguments.text("id").map(|id| parse_id(id).and_then(|id| turn.world.by_id(id)));
    let rows = list::unscoped(turn, kind(turn), &|world: &World, row| {
        let is_removed = world.field(row, "removed").is_some();
        (all || !is_removed)
            && (!only_removed || is_removed)
            && id.is_none_or(|id| id == Some(row))
            && usage.is_none_or(|usage| world.number(row, "usageType") == usage)
            && name.as_ref().is_none_or(|name| world.text(row, "name").is_some_and(|known| known.eq_ignore_ascii_case(name)))
    });
    Ok(page.cut(rows))
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let name = turn.needed("name")?;
    if named(turn, &name).is_some() {
        return Err(Refusal::invalid(format!("A quota tariff with name [{name}] already exist.")));
    }
    let now = turn.world.now.as_secs();
    let begin = moment(turn, "startdate").unwrap_or(now);
    if begin < now {
        return Err(Refusal::invalid("The value passed as Quota tariff's start date is in the past"));
    }
    check_end(turn, begin)?;
    let number = turn.arguments.number("usagetype").unwrap_or(0);
    let Some((_, usage, unit)) = quota::usage(number) else { return Err(Refusal::invalid(format!("Usage type not found for value [{number}]."))) };
    let mut fields: Vec<(&str, Datum)> = vec![
        ("usageType", number.into()),
        ("usageName", usage.into()),
        ("usageUnit", unit.into()),
        ("usageDiscriminator", "None".into()),
        ("usageTypeDescription", format!("Usage of {usage}").into()),
        ("effectiveDate", stamp(begin).into()),
        ("currency", quota::CURRENCY.into()),
        ("name", name.into()),
        ("position", 1.into()),
    ];
    fields.extend(given(turn));
    let kind = kind(turn);
    Ok(Outcome::Object(turn.world.insert(kind, None, &fields)))
}

/// What a call says of a tariff beside its name and usage.
fn given(turn: &Turn<'_>) -> Vec<(&'static str, Datum)> {
    let arguments = &turn.arguments;
    let mut fields: Vec<(&'static str, Datum)> = Vec::new();
    fields.extend(arguments.text("value").and_then(|value| value.parse().ok()).map(|value| ("tariffValue", Datum::Decimal(value))));
    fields.extend(arguments.text("description").map(|text| ("description", text.into())));
    fields.extend(arguments.text("activationrule").map(|text| ("activationRule", text.into())));
    fields.extend(moment(turn, "enddate").map(|end| ("endDate", stamp(end).into())));
    fields.extend(arguments.number("position").map(|position| ("position", position.into())));
    fields
}

/// A changed tariff is a new one under the old name; the old one counts as removed.
fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let name = turn.needed("name")?;
    let Some(old) = named(turn, &name) else { return Err(Refusal::invalid(format!("There is no quota tariffs with name [{name}]."))) };
    check_end(turn, 0)?;
    let world = &*turn.world;
    let copied = [
        "usageType",
        "usageName",
        "usageUnit",
        "usageDiscriminator",
        "tariffValue",
        "effectiveDate",
        "usageTypeDescription",
        "currency",
        "name",
        "endDate",
        "description",
        "activationRule",
        "position",
    ];
    let same = copied.into_iter().filter_map(|field| Some((field, datum(world.field(old, field)?)?)));
    let fields: Vec<(&str, Datum)> = same.collect();
    let changes = given(turn);
    let now = turn.world.timestamp();
    let kind = kind(turn);
    let made = turn.world.insert(kind, None, &fields);
    changes.into_iter().for_each(|(field, value)| turn.world.set(made, field, value));
    turn.world.set(old, "removed", now);
    Ok(Outcome::Object(made))
}

fn datum(content: Content<'_>) -> Option<Datum> {
    match content {
        Content::Text(text) => Some(text.into()),
        Content::Number(number) => Some(number.into()),
        Content::Decimal(number) => Some(Datum::Decimal(number)),
        Content::Flag(flag) => Some(flag.into()),
        Content::Link(_) | Content::Links(_) | Content::Tree(_) => None,
    }
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let text = turn.needed("id")?;
    let Some(id) = parse_id(&text) else {
        return Err(Refusal::argument("Unable to execute API command quotatariffdelete due to invalid value. Invalid value provided for API arg: id"));
    };
    let found = turn.world.by_id(id).filter(|row| row.kind == kind(turn));
    let Some(tariff) = found else { return Err(Refusal::argument("Quota tariff with the provided UUID does not exist.")) };
    let now = turn.world.timestamp();
    turn.world.set(tariff, "removed", now);
    Ok(Outcome::Success)
}

/// The variables that rules for a sort of usage may use.
fn variables(world: &World, usage: i64) -> Vec<&'static str> {
    let more = VARIABLES_OF.iter().filter(|(sorts, _)| sorts.contains(&usage)).flat_map(|(_, names)| names.iter());
    let is_known =
        |name: &&str| !world.is_old || !LATER.iter().any(|later| *name == *later || name.strip_prefix(later).is_some_and(|rest| rest.starts_with('.')));
    VARIABLES.iter().chain(more).copied().filter(is_known).collect()
}

fn list_variables(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let usage = turn.arguments.number("usagetype").unwrap_or(0);
    if quota::usage(usage).is_none() {
        return Err(Refusal::argument(format!("Usage type not found for value [{usage}].")));
    }
    let told = |name: &'static str| json!({"variable": name, "description": format!("What `{name}` is for the resource that is charged")}).to_string();
    let items: Vec<String> = variables(turn.world, usage).into_iter().map(told).collect();
    Ok(Outcome::Rendered(items.join(","), items.len()))
}

/// Looks whether brackets match and variables are known; nothing is interpreted.
fn validate(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (rule, number) = (turn.needed("activationrule")?, turn.arguments.number("usagetype").unwrap_or(0));
    let Some((_, usage, _)) = quota::usage(number) else { return Err(Refusal::argument(format!("Usage type not found for value [{number}]."))) };
    let known = variables(turn.world, number);
    let pairs = [('(', ')'), ('{', '}'), ('[', ']')];
    let is_balanced = pairs.into_iter().all(|(open, close)| rule.matches(open).count() == rule.matches(close).count());
    let words = rule.split(|letter: char| !(letter.is_alphanumeric() || letter == '.' || letter == '_'));
    let is_known = |word: &str| {
        !["account.", "domain.", "project.", "value.", "zone.", "configuration."].iter().any(|start| word.starts_with(start)) || known.contains(&word)
    };
    let (valid, message) = match (is_balanced, words.into_iter().all(is_known)) {
        (false, _) => (false, "The rule has brackets that do not match."),
        (true, false) => (false, "The rule has variables that this usage type does not know."),
        (true, true) => (true, "The rule has no errors that can be seen, and its variables are known."),
    };
    let mut told = Map::new();
    told.insert("activationrule".to_owned(), Value::String(rule));
    told.insert("quotatype".to_owned(), json!(usage));
    told.insert("isvalid".to_owned(), json!(valid));
    told.insert("message".to_owned(), json!(message));
    Ok(Outcome::Shown("validactivationrule".to_owned(), Value::Object(told).to_string()))
}
