//! How well the search finds commands for requests in people's own words: recall on the golden set.

use std::{collections::BTreeMap, fmt::Write as _};

use cloudstack_api::{
    catalog::{Catalog, Release},
    search::{Filter, Index},
};
use serde_json::Value;

use crate::workspace::{Done, read, say};

/// The sets of requests with the commands that answer them; both `lot-held` are never tuned or learned by.
const SETS: [&str; 5] = ["routing", "requests", "lot-open", "lot-held", "lot-held-2"];
/// How the names of sets begin whose misses are not shown, so that nobody tunes by them.
const HELD_OUT: &str = "lot-held";
/// The set of whose lines every second one is never tuned or learned by either.
const PARTLY_HELD_OUT: &str = "routing";
/// The ranks at which recall is told.
const RANKS: [usize; 3] = [1, 3, 5];

/// How many requests found their command within each rank.
#[derive(Default)]
struct Tally {
    requests: usize,
    found: [usize; RANKS.len()],
}

/// Prints recall by kind of request in each set, and the requests whose command is not among the first five.
pub(crate) fn print(with_misses: bool) -> Done {
    let catalog = Catalog::embedded(Release::NEWEST);
    let index = Index::new(&catalog);
    SETS.into_iter().try_for_each(|set| print_set(&index, set, with_misses))
}

fn print_set(index: &Index, set: &str, with_misses: bool) -> Done {
    let path = format!("crates/cloudstack-api/tests/data/{set}.jsonl");
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let mut misses = String::new();
    for (at, line) in read(&path)?.lines().enumerate() {
        let request: Value = serde_json::from_str(line).map_err(|error| format!("`{path}`: {error}"))?;
        let text = |key: &str| request.get(key).and_then(Value::as_str).unwrap_or_default();
        let accepted: Vec<&str> = request.get("accept").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let hits = index.search(text("query"), &Filter::default(), 10);
        let rank = hits.iter().position(|hit| accepted.contains(&hit.command.as_str()));
        let held_out = (set == PARTLY_HELD_OUT && at % 2 == 1).then_some("held out");
        for kind in [text("kind"), "all"].into_iter().chain(held_out) {
            let tally = tallies.entry(kind.to_owned()).or_default();
            tally.requests += 1;
            for (found, at_most) in tally.found.iter_mut().zip(RANKS) {
                *found += usize::from(rank.is_some_and(|rank| rank < at_most));
            }
        }
        if rank.is_none_or(|rank| rank >= 5) && held_out.is_none() {
            let found: Vec<&str> = hits.iter().take(3).map(|hit| hit.command.as_str()).collect();
            let _ = writeln!(misses, "{:<11} {}\n            wanted {}; found {}", text("kind"), text("query"), accepted.join(" or "), found.join(", "));
        }
    }
    if with_misses && !set.starts_with(HELD_OUT) {
        say(misses.trim_end())?;
    }
    for (kind, tally) in &tallies {
        let shares: Vec<String> = RANKS.iter().zip(tally.found).map(|(rank, found)| format!("@{rank} {:5.1} %", percent(found, tally.requests))).collect();
        say(&format!("{set:<10} {kind:<12} {:>3} requests  {}", tally.requests, shares.join("  ")))?;
    }
    Ok(())
}

fn percent(part: usize, whole: usize) -> f64 {
    let number = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
    100.0 * number(part) / number(whole.max(1))
}
