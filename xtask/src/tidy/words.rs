//! The ratchet of commands without words: the list may only shrink, and it is empty.

use std::collections::BTreeSet;

use cloudstack_api::catalog::{Catalog, Release, Table};

use super::Breach;
use crate::workspace::{Done, read};

const RATCHET: &str = "catalog/without-words.txt";
const WORDS: &str = "catalog/words.jsonl";

/// Compares the list with the tables.
pub(super) fn check(breaches: &mut Vec<Breach>) -> Done {
    let listed: BTreeSet<String> = read(RATCHET)?.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    let table = Table::new(include_str!("../../../catalog/words.jsonl"));
    let written: BTreeSet<&str> = (0..table.len()).filter_map(|at| table.key(at)).collect();
    let catalogs = [Release::OLDEST, Release::NEWEST].map(Catalog::embedded);
    let without: BTreeSet<String> =
        catalogs.iter().flat_map(Catalog::commands).map(|command| command.name.clone()).filter(|name| !written.contains(name.as_str())).collect();
    for name in without.difference(&listed) {
        breaches.push(Breach::new(WORDS, 0, format!("`{name}` has no words: write a line for it")));
    }
    for name in listed.difference(&without) {
        breaches.push(Breach::new(RATCHET, 0, format!("`{name}` has words by now; remove it from the list")));
    }
    Ok(())
}
