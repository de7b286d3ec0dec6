//! What of a text the learned vectors are about: its stems and concepts, the first thing it says to do, and its mood.

use std::collections::BTreeSet;

use super::{gloss::Unit, mood::Mood};

/// The concepts that are things to do.
const DEEDS: &[&str] = &[
    "acquire",
    "assign",
    "attach",
    "backup",
    "close",
    "copy",
    "create",
    "delete",
    "detach",
    "disable",
    "download",
    "enable",
    "list",
    "maintenance",
    "migrate",
    "open",
    "reboot",
    "release",
    "reset",
    "resize",
    "restore",
    "revert",
    "scale",
    "start",
    "stop",
    "update",
    "upload",
];
/// The mark of a question.
const ASKS: &str = "?asks";
/// The mark of a denial.
const DENIES: &str = "?denies";

/// The marks of a text that was read as these units.
pub(super) fn of(units: &[Unit], mood: Mood) -> BTreeSet<String> {
    let mut marks: BTreeSet<String> = units.iter().flat_map(|unit| unit.stems.iter().chain(&unit.concepts)).cloned().collect();
    let first = units.iter().map(|unit| deeds(unit).map(|deed| format!(">{deed}")).collect::<Vec<_>>()).find(|deeds| !deeds.is_empty());
    marks.extend(first.into_iter().flatten());
    marks.extend([(mood.asks, ASKS), (mood.denies, DENIES)].into_iter().filter(|(so, _)| *so).map(|(_, mark)| mark.to_owned()));
    marks
}

fn deeds(unit: &Unit) -> impl Iterator<Item = &str> {
    unit.concepts.iter().filter_map(|concept| concept.strip_prefix('=')).filter(|concept| DEEDS.contains(concept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_deed_and_the_mood_are_marked() {
        let unit = |stem: &str, concept: &str| Unit { stems: vec![stem.to_owned()], concepts: vec![format!("={concept}")], ..Unit::default() };
        let marks = of(&[unit("server", "vm"), unit("halt", "stop"), unit("boot", "start")], Mood { asks: true, denies: false });
        assert!(["server", "=vm", ">stop", ASKS].iter().all(|mark| marks.contains(*mark)), "{marks:?}");
        assert!(!marks.contains(">start") && !marks.contains(DENIES), "{marks:?}");
    }
}
