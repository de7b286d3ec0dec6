//! Recorded exchanges as JSON lines: reading them, writing the reduced form, and the order of scenarios.

use std::collections::HashMap;

use cloudstack_api::wire::Pair;
use serde_json::{Map, Value, json};

use super::reduce::{self, Secrets};
use crate::{cloud::Method, dates};

/// The order in which the known scenarios were recorded. Others follow by the times in their replies.
const ORDER: [&str; 20] = [
    "identities",
    "apis",
    "infrastructure",
    "vm_lifecycle",
    "volumes_snapshots",
    "networking",
    "vpc",
    "templates_isos",
    "tenancy",
    "operations",
    "more_kinds",
    "wire",
    "sweep-missing",
    "sweep-madeup",
    "sweep-lists-root",
    "sweep-lists-domain-admin",
    "sweep-lists-user",
    "trouble",
    "restart",
    "throttling",
];

/// The milliseconds of a second.
const MILLISECONDS: u64 = 1_000;
/// Members that tell when something happened.
const HAPPENED: [&str; 9] = ["created", "completed", "lastupdated", "sent", "collectiontime", "timestamp", "lastannotated", "removed", "executeddate"];

/// A line that is no exchange.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The line is no JSON.
    #[error("line {line} is no JSON")]
    Json {
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A member is missing.
    #[error("line {line} has no `{member}`")]
    Member {
        /// The line, from 1.
        line: usize,
        /// What is missing.
        member: &'static str,
    },
}

/// What was answered, reduced to what is compared.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A JSON object.
    Json(Value),
    /// Anything else: the text itself where it is short, root and elements of XML.
    Text(String),
}

/// One request and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// The place within the scenario.
    pub n: u64,
    /// Who asked: the name of an identity, `session`, or nobody.
    pub caller: Option<String>,
    /// How it was sent.
    pub method: Method,
    /// The command as spelled.
    pub command: String,
    /// The arguments as sent, without key and signature.
    pub arguments: Vec<Pair>,
    /// The HTTP status.
    pub status: u16,
    /// The answer.
    pub body: Body,
    /// What was tried, where the recording says so.
    pub note: String,
    /// When it was asked, in seconds since 1970, where the replies around it tell.
    pub at: Option<u64>,
    /// The pools to which the server had put volumes by lot, by the names of both, where the reply tells.
    pub lots: Vec<Pair>,
    /// When the server had started, in seconds since 1970, where the reply tells.
    pub server_start: Option<u64>,
}

/// One scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Its name.
    pub scenario: String,
    /// Its exchanges in order.
    pub exchanges: Vec<Exchange>,
}

impl Recording {
    /// Reads JSON lines: the recorder's own, or the reduced form.
    ///
    /// # Errors
    /// A line that is no JSON or lacks a member.
    pub fn parse(text: &str) -> Result<Self, RecordingError> {
        let mut scenario = String::new();
        let mut exchanges = Vec::new();
        let mut took = Vec::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let value: Value = serde_json::from_str(line).map_err(|source| RecordingError::Json { line: index + 1, source })?;
            if let Some(name) = value.get("scenario").and_then(Value::as_str)
                && scenario.is_empty()
            {
                name.clone_into(&mut scenario);
            }
            took.push(value.get("ms").and_then(Value::as_u64).unwrap_or_default());
            exchanges.push(exchange(&value).map_err(|member| RecordingError::Member { line: index + 1, member })?);
        }
        set_times(&mut exchanges);
        // The reduced form knows its times, and not how long the calls took.
        if took.iter().any(|milliseconds| *milliseconds > 0) {
            set_begin(&mut exchanges, &took);
        }
        Ok(Self { scenario, exchanges })
    }

    /// Writes the reduced form. Ids and secrets are numbered by `ids` and `secrets`, which one release shares.
    #[must_use]
    pub fn reduced(&self, secrets: &mut Secrets) -> String {
        let mut text = String::new();
        for exchange in &self.exchanges {
            let line = line_of(&self.scenario, exchange);
            text.push_str(&secrets.hide(line).to_string());
            text.push('\n');
        }
        text
    }
}

/// Sorts scenarios into the order in which they were made.
pub fn in_order(recordings: &mut [Recording]) {
    let place = |recording: &Recording| ORDER.iter().position(|name| *name == recording.scenario).unwrap_or(ORDER.len());
    let first = |recording: &Recording| recording.exchanges.iter().find_map(|exchange| exchange.at).unwrap_or(u64::MAX);
    recordings.sort_by_cached_key(|recording| (place(recording), first(recording), recording.scenario.clone()));
}

fn exchange(value: &Value) -> Result<Exchange, &'static str> {
    let text = |key: &'static str| value.get(key).and_then(Value::as_str);
    let command = text("command").ok_or("command")?.to_owned();
    let status = value.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok()).ok_or("status")?;
    let body = match value.get("body") {
        Some(body) => Body::Json(reduce::reduced(body)),
        None => Body::Text(reduce::reduced_text(text("text").ok_or("body")?)),
    };
    Ok(Exchange {
        n: value.get("n").and_then(Value::as_u64).ok_or("n")?,
        caller: text("as").map(str::to_owned),
        method: if text("method") == Some("GET") { Method::Get } else { Method::Post },
        command,
        arguments: value.get("params").and_then(Value::as_object).map(arguments).unwrap_or_default(),
        status,
        at: value.get("at").and_then(Value::as_u64).or_else(|| value.get("body").and_then(latest)),
        lots: value.get("lots").and_then(Value::as_object).map(arguments).or_else(|| value.get("body").map(lots)).unwrap_or_default(),
        server_start: value.get("started").and_then(Value::as_u64).or_else(|| value.get("body").and_then(server_start)),
        body,
        note: text("note").unwrap_or_default().to_owned(),
    })
}

fn arguments(given: &Map<String, Value>) -> Vec<Pair> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    given.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// The latest time at which something happened of which an answer tells: it was given no earlier.
fn latest(body: &Value) -> Option<u64> {
    match body {
        Value::Object(members) => {
            let told = |(name, value): (&String, &Value)| if HAPPENED.contains(&name.as_str()) { seconds(value) } else { latest(value) };
            members.iter().filter_map(told).max()
        }
        Value::Array(items) => items.iter().filter_map(latest).max(),
        _ => None,
    }
}

/// The names of the first disks of machines and of the pools that they are on.
fn lots(body: &Value) -> Vec<Pair> {
    match body {
        Value::Object(members) => {
            let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
            // Disks of data are moved about by people; the first disk of a machine stays where it fell.
            let is_first = members.contains_key("provisioningtype") && members.get("type").and_then(Value::as_str) == Some("ROOT");
            let own = is_first.then(|| text("name").zip(text("storage"))).flatten();
            own.into_iter().chain(members.values().flat_map(lots)).collect()
        }
        Value::Array(items) => items.iter().flat_map(lots).collect(),
        _ => Vec::new(),
    }
}

fn seconds(value: &Value) -> Option<u64> {
    dates::parse_strict(value.as_str()?).and_then(|seconds| u64::try_from(seconds).ok())
}

/// When the server had started, where an answer tells.
fn server_start(body: &Value) -> Option<u64> {
    seconds(body.pointer("/listmanagementserversresponse/managementserver/0/lastserverstart")?)
}

/// Gives the calls that started jobs the time at which their jobs say they were made.
fn set_times(exchanges: &mut [Exchange]) {
    let mut started: HashMap<String, u64> = HashMap::new();
    for exchange in exchanges.iter().filter(|exchange| exchange.command == "queryAsyncJobResult") {
        let job = exchange.arguments.iter().find(|(name, _)| name == "jobid").map(|(_, value)| value.clone());
        if let (Some(job), Some(at)) = (job, exchange.at) {
            started.entry(job).and_modify(|first| *first = at.min(*first)).or_insert(at);
        }
    }
    for exchange in exchanges {
        if exchange.at.is_none()
            && let Some(job) = started_job(exchange)
        {
            exchange.at = started.get(&job).copied();
        }
    }
}

/// Gives the first exchange its time: pauses were made between scenarios, until the first job within one the calls followed
/// each other.
fn set_begin(exchanges: &mut [Exchange], took: &[u64]) {
    let mut before = 0;
    let mut begin = None;
    for (exchange, took) in exchanges.iter().zip(took).take_while(|(exchange, _)| started_job(exchange).is_none()) {
        before += took;
        begin = begin.max(exchange.at.map(|at| at.saturating_sub(before.div_ceil(MILLISECONDS))));
    }
    if let Some(first) = exchanges.first_mut() {
        first.at = first.at.max(begin);
    }
}

/// The job that an exchange started.
pub(super) fn started_job(exchange: &Exchange) -> Option<String> {
    let Body::Json(body) = &exchange.body else { return None };
    if exchange.command == "queryAsyncJobResult" {
        return None;
    }
    let inner = body.as_object()?.values().next()?;
    inner.get("jobid").and_then(Value::as_str).map(str::to_owned)
}

fn line_of(scenario: &str, exchange: &Exchange) -> Value {
    let arguments: Map<String, Value> = exchange.arguments.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    let mut line =
        json!({ "scenario": scenario, "n": exchange.n, "as": exchange.caller, "command": exchange.command, "params": arguments, "status": exchange.status });
    let Some(members) = line.as_object_mut() else { return line };
    if exchange.method == Method::Get {
        members.insert("method".to_owned(), "GET".into());
    }
    match &exchange.body {
        Body::Json(body) => members.insert("body".to_owned(), body.clone()),
        Body::Text(text) => members.insert("text".to_owned(), text.as_str().into()),
    };
    if !exchange.note.is_empty() {
        members.insert("note".to_owned(), exchange.note.as_str().into());
    }
    if !exchange.lots.is_empty() {
        let lots: Map<String, Value> = exchange.lots.iter().map(|(volume, pool)| (volume.clone(), pool.as_str().into())).collect();
        members.insert("lots".to_owned(), lots.into());
    }
    for (name, moment) in [("at", exchange.at), ("started", exchange.server_start)] {
        if let Some(moment) = moment {
            members.insert(name.to_owned(), moment.into());
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: u64, milliseconds: u64, body: &str) -> String {
        format!("{{\"scenario\":\"s\",\"n\":{n},\"command\":\"listThings\",\"status\":200,\"ms\":{milliseconds},\"body\":{body}}}\n")
    }

    #[test]
    fn an_answer_was_given_no_earlier_than_what_it_tells_of() {
        let body = "{\"r\":{\"thing\":[{\"created\":\"2026-11-22T16:00:00+0000\"},{\"lastupdated\":\"2026-11-22T16:00:07+0000\"}]}}";
        let recording = Recording::parse(&line(0, 5, body)).unwrap();
        assert_eq!(recording.exchanges[0].at, dates::parse_strict("2026-11-22T16:00:07+0000").map(i64::cast_unsigned));
    }

    #[test]
    fn a_scenario_begins_as_long_before_its_first_time_as_its_calls_took() {
        let later = "{\"r\":{\"thing\":[{\"created\":\"2026-11-22T16:00:10+0000\"}]}}";
        let recording = Recording::parse(&format!("{}{}", line(0, 1_500, "{\"r\":{}}"), line(1, 1_500, later))).unwrap();
        let first = dates::parse_strict("2026-11-22T16:00:07+0000").map(i64::cast_unsigned);
        assert_eq!(recording.exchanges[0].at, first);
        let again = Recording::parse(&recording.reduced(&mut Secrets::default())).unwrap();
        assert_eq!(again.exchanges[0].at, first, "the reduced form keeps it");
    }

    #[test]
    fn only_the_first_disks_of_machines_tell_how_a_lot_fell() {
        let volume = |kind: &str, name: &str| format!("{{\"name\":\"{name}\",\"type\":\"{kind}\",\"provisioningtype\":\"thin\",\"storage\":\"PS1\"}}");
        let body = format!("{{\"r\":{{\"volume\":[{},{}]}}}}", volume("ROOT", "ROOT-3"), volume("DATADISK", "data-1"));
        let recording = Recording::parse(&line(0, 5, &body)).unwrap();
        assert_eq!(recording.exchanges[0].lots, [("ROOT-3".to_owned(), "PS1".to_owned())]);
    }
}
