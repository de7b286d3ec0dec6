//! The catalog's generator: facts of releases, or a live server's own list, become `commands.jsonl` and `shapes.jsonl`.
//!
//! Facts only. What we know besides (risk, words, encodings) is written by hand in the tables beside them, and the
//! whole-table tests say which of those a new release needs.

mod diff;
mod merge;
mod rows;
mod served;
mod version;

use std::collections::BTreeMap;

use cloudstack_api::catalog::{Catalog, Release};
use serde_json::{Map, Value};

use self::{merge::History, version::Version};
use crate::workspace::{Done, Mode, generated, read, say};

/// Where the generated tables are.
const COMMANDS: &str = "catalog/commands.jsonl";
const SHAPES: &str = "catalog/shapes.jsonl";

/// The facts of one release, by command.
type Facts = BTreeMap<String, Map<String, Value>>;

/// Makes the tables from facts files, given as `RELEASE=FILE`, oldest first.
pub(crate) fn facts(files: &[&str], mode: Mode) -> Done {
    let mut history: Option<History> = None;
    for file in files {
        let (release, path) = file.split_once('=').ok_or_else(|| format!("`{file}` is not of the form RELEASE=FILE"))?;
        let release = release.parse::<Version>()?;
        let facts = rows::objects(&read(path)?)?;
        history = Some(match history {
            None => History::begin(release, facts),
            Some(history) => history.advance(release, &facts)?,
        });
    }
    let history = history.ok_or("no facts file is given")?;
    publish(&history, mode, "catalog facts RELEASE=FILE…")
}

/// Prints how a server's `listApis` reply differs from the catalog.
pub(crate) fn diff(path: &str, against: Option<&str>) -> Done {
    let release = against.map_or(Ok(Release::NEWEST), |text| text.parse::<Release>().map_err(|error| error.to_string()))?;
    let served = served::read(path)?;
    say(diff::report(&Catalog::embedded(release), &served).trim_end())
}

/// Merges a server's `listApis` reply into the tables as a newer release.
///
/// A server lists what it has loaded and what the caller may call, so an absent command is no removed one: it stays.
pub(crate) fn add(release: &str, path: &str) -> Done {
    let release = release.parse::<Version>()?;
    let history = rows::load(&read(COMMANDS)?, &read(SHAPES)?)?;
    let facts = served::facts(served::read(path)?, &history);
    let new: Vec<String> = facts.keys().filter(|name| !history.knows(name)).cloned().collect();
    let history = history.advance(release, &facts)?;
    publish(&history, Mode::Write, "catalog add")?;
    say(&format!("{} new: {}", new.len(), new.join(", ")))?;
    say("rows marked `derived` were completed by rule: check their envelope, entity and object against the server")
}

fn publish(history: &History, mode: Mode, task: &str) -> Done {
    let (commands, shapes) = rows::render(history);
    generated(COMMANDS, &commands, mode, task)?;
    generated(SHAPES, &shapes, mode, task)?;
    say(&format!("{} commands, {} shapes", commands.lines().count(), shapes.lines().count()))
}
