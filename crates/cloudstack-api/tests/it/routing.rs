//! How well the search finds commands for requests in people's own words: a floor that may only rise.

use std::collections::{BTreeMap, BTreeSet};

use cloudstack_api::search::{Filter, Index};
use serde_json::Value;

use crate::{catalogs, columns};

/// The sets of requests. `lot-open` and `lot-held` were written for commands drawn by lot, before the words were seen;
/// both `lot-held` and every second line of `routing` are for measuring alone: nothing is tuned or learned by them.
const SETS: [(&str, &str); 5] = [
    ("routing", include_str!("../data/routing.jsonl")),
    ("requests", include_str!("../data/requests.jsonl")),
    ("lot-open", include_str!("../data/lot-open.jsonl")),
    ("lot-held", include_str!("../data/lot-held.jsonl")),
    ("lot-held-2", include_str!("../data/lot-held-2.jsonl")),
];
/// What people say besides the phrases in `words.jsonl`.
const PHRASES: &str = include_str!("../../../../catalog/phrases.tsv");
/// The ranks at which recall is counted.
const RANKS: [usize; 3] = [1, 3, 5];

#[test]
fn the_search_finds_at_least_as_much_as_it_did() {
    let index = Index::new(&catalogs()[1]);
    let mut found: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for (set, text) in SETS {
        for row in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            let hits = index.search(row["query"].as_str().unwrap(), &Filter::default(), RANKS[2]);
            let rank = hits.iter().position(|hit| row["accept"].as_array().unwrap().contains(&Value::from(hit.command.as_str())));
            for (count, at_most) in found.entry(set).or_default().iter_mut().zip(RANKS) {
                *count += usize::from(rank.is_some_and(|rank| rank < at_most));
            }
        }
    }
    for columns in columns(include_str!("../data/routing-floor.tsv")) {
        let floor: Vec<usize> = columns[1..].iter().map(|number| number.parse().unwrap()).collect();
        let ours = found[columns[0]];
        assert!(
            ours.iter().zip(&floor).all(|(ours, floor)| ours >= floor),
            "{}: {ours:?} of the requests within {RANKS:?}, once {floor:?}; `cargo xtask routing --misses` shows them",
            columns[0]
        );
    }
}

#[test]
fn phrases_stand_once_with_commands_that_exist_and_repeat_no_request() {
    let requests: BTreeSet<String> = SETS
        .iter()
        .flat_map(|(_, text)| text.lines())
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["query"].as_str().unwrap().to_lowercase())
        .collect();
    let mut seen = BTreeSet::new();
    let lines: Vec<Vec<&str>> = columns(PHRASES).collect();
    assert!(lines.is_sorted_by_key(|line| line[0]), "sort the lines by their commands");
    for line in lines {
        let command = catalogs()[1].command(line[0]).unwrap_or_else(|| panic!("{} is no command", line[0]));
        let known = catalogs()[1].words(&command).phrases;
        for phrase in line[1].split('|') {
            assert!(!phrase.is_empty() && phrase.trim() == phrase, "{}: `{phrase}`", line[0]);
            assert!(seen.insert(phrase), "`{phrase}` stands twice");
            assert!(!known.iter().any(|known| known == phrase), "`{phrase}` stands in words.jsonl too");
            assert!(!requests.contains(&phrase.to_lowercase()), "`{phrase}` is a request that measures");
        }
    }
}
