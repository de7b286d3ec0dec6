//! A command is a row: product code names none, but for the simulator's nouns, the workflows and a short list.

use std::collections::HashSet;

use cloudstack_api::catalog::Table;

use super::{Breach, allowances::Allowances, source::Source};

/// Rooms whose matter is particular commands.
const ROOMS: &[&str] = &["crates/cloudstack-sim/src/nouns/", "crates/cloudstack-engine/src/workflows/"];
/// What every client must know to talk to a server at all.
const SPOKEN_BY_ALL: &[&str] = &["listApis", "listCapabilities", "queryAsyncJobResult"];

/// Checks the texts in a file's product code.
pub(super) fn check(source: &Source, commands: &HashSet<&str>, allowances: &mut Allowances, breaches: &mut Vec<Breach>) {
    if ROOMS.iter().any(|room| source.path.starts_with(room)) {
        return;
    }
    for (number, line) in source.product() {
        let words = line.texts.split(|letter: char| !letter.is_ascii_alphanumeric());
        for word in words.filter(|word| commands.contains(word) && !SPOKEN_BY_ALL.contains(word)) {
            if !allowances.allow("command", &source.path, word) {
                breaches.push(Breach::new(
                    &source.path,
                    number,
                    format!("names the command `{word}`: make it data in catalog/, or say in xtask/tidy.tsv why not"),
                ));
            }
        }
    }
}

/// The names of all commands that cannot be anything else: those with a capital inside.
pub(super) fn commands() -> HashSet<&'static str> {
    let table = Table::new(include_str!("../../../catalog/membership.tsv"));
    (0..table.len()).filter_map(|at| table.key(at)).filter(|name| name.contains(|letter: char| letter.is_ascii_uppercase())).collect()
}
