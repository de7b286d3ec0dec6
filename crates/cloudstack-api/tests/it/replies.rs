//! What real servers answered: every recorded reply is read as what it is, in the envelope that the catalog tells.
//!
//! `tests/data/replies.jsonl` keeps one of each kind with its values taken out; the full recordings are read too where
//! they lie beside the workspace.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use cloudstack_api::{
    catalog::{Catalog, Command},
    reply::{Body, Reply, ReplyError},
};
use serde_json::Value;

use crate::{LINES, catalogs, none};

/// Where servers contradict their own declarations: command, and the envelope or key they use instead.
const CONTRADICTIONS: &[(&str, &str)] = &[
    ("configureSimulator", "configuresimulatorresponse"),
    ("listLoadBalancerRuleInstances", "lbrulevmidip"),
    ("listZones", "null"),
    ("updateImageStore", "updateImageStore"),
];

/// What a server answered to a command.
struct Exchange {
    line: &'static str,
    command: String,
    status: u16,
    bytes: Vec<u8>,
}

/// What is wrong with how an answer is read, if anything.
fn fault(catalog: &Catalog, exchange: &Exchange) -> Option<String> {
    let read = Reply::read(exchange.status, &exchange.bytes);
    let Some(command) = catalog.command(&exchange.command) else {
        return read.is_ok().then(|| "an answer to a command that is not there".to_owned());
    };
    match read {
        Ok(_) if exchange.status != 200 => Some(format!("{} is read as success", exchange.status)),
        Ok(reply) => fault_of_reply(&command, &reply),
        Err(ReplyError::Refused(refusal)) if refusal.code != exchange.status => Some(format!("refused with {} in a {}", refusal.code, exchange.status)),
        Err(ReplyError::Refused(refusal)) => {
            let own = refusal.envelope == command.reply.envelope || refusal.envelope == "errorresponse" || is_known(&command, &refusal.envelope);
            (!own).then(|| format!("refused in `{}`", refusal.envelope))
        }
        Err(ReplyError::Empty { .. } | ReplyError::Page { .. } | ReplyError::Text { .. }) if !exchange.bytes.starts_with(b"{") => None,
        Err(other) => Some(other.to_string()),
    }
}

fn fault_of_reply(command: &Command, reply: &Reply) -> Option<String> {
    if reply.envelope != command.reply.envelope {
        return Some(format!("envelope `{}` instead of `{}`", reply.envelope, command.reply.envelope));
    }
    match &reply.body {
        // Nothing at all is an empty list, and a pending job may have no object at hand.
        Body::List { key: None, .. } => None,
        Body::List { key: Some(key), .. } => {
            let fits = command.reply.list && command.reply.object.as_deref() == Some(key);
            (!fits && !is_known(command, key)).then(|| format!("a list under `{key}` instead of {:?}", command.reply.object))
        }
        Body::Started { .. } => (!command.is_async).then(|| "a job".to_owned()),
        Body::Object { key, .. } => {
            (command.is_async || command.reply.list || command.reply.object.as_deref() != Some(key)).then(|| format!("an object under `{key}`"))
        }
        Body::Success { .. } | Body::Flat(_) => (command.is_async || command.reply.list).then(|| "no list and no job".to_owned()),
    }
}

fn is_known(command: &Command, word: &str) -> bool {
    CONTRADICTIONS.contains(&(command.name.as_str(), word))
}

#[track_caller]
fn check_all(exchanges: &[Exchange]) {
    let [old, new] = catalogs();
    let of = |line: &str| if line == LINES[0] { &old } else { &new };
    none(exchanges.iter().filter_map(|exchange| Some(format!("{} {}: {}", exchange.line, exchange.command, fault(of(exchange.line), exchange)?))));
}

#[test]
fn every_kind_of_recorded_reply_is_read() {
    let mut exchanges = Vec::new();
    for row in include_str!("../data/replies.jsonl").lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        for line in LINES.into_iter().filter(|line| row["releases"].as_array().unwrap().contains(&Value::from(*line))) {
            let status = u16::try_from(row["status"].as_u64().unwrap()).unwrap();
            exchanges.push(Exchange { line, command: row["command"].as_str().unwrap().to_owned(), status, bytes: row["body"].to_string().into_bytes() });
        }
    }
    assert!(exchanges.len() > 2000, "{} exchanges", exchanges.len());
    check_all(&exchanges);
}

#[test]
fn every_recorded_reply_is_read_where_the_recordings_are_at_hand() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings");
    let mut exchanges = Vec::new();
    for line in LINES {
        for path in recordings(&folder, line) {
            let mut text = String::new();
            flate2::read::GzDecoder::new(std::fs::File::open(&path).unwrap()).read_to_string(&mut text).unwrap();
            exchanges.extend(text.lines().map(|row| exchange(line, &serde_json::from_str(row).unwrap())));
        }
    }
    check_all(&exchanges);
}

/// The recordings of a release; none where the folder is not there.
fn recordings(folder: &Path, line: &str) -> Vec<PathBuf> {
    let releases = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let release = releases.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(line)));
    let files = release.flat_map(|path| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "gz")).collect()
}

fn exchange(line: &'static str, row: &Value) -> Exchange {
    let bytes = row.get("body").map_or_else(|| row["text"].as_str().unwrap_or_default().to_owned(), Value::to_string);
    let command = row["command"].as_str().unwrap_or_default().to_owned();
    Exchange { line, command, status: u16::try_from(row["status"].as_u64().unwrap()).unwrap(), bytes: bytes.into_bytes() }
}
