//! The list of known differences: one exchange a line with a reason. It may only shrink.

use std::collections::BTreeMap;

use super::tally::Tally;

/// Known differences by the exchange's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ratchet {
    known: BTreeMap<String, String>,
}

/// How figures stand against the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// Differences that are not on the list, as lines.
    pub new: Vec<String>,
    /// Lines of the list whose answers are equal now.
    pub gone: Vec<String>,
}

impl Ratchet {
    /// Reads lines of name and reason, divided by a tab.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self { known: lines.map(|line| line.split_once('\t').unwrap_or((line, ""))).map(|(name, reason)| (name.to_owned(), reason.to_owned())).collect() }
    }

    /// What is new and what is gone.
    #[must_use]
    pub fn shift(&self, tally: &Tally) -> Shift {
        let new = tally.different().filter(|verdict| !self.known.contains_key(&verdict.name())).map(super::Verdict::line).collect();
        let different: std::collections::BTreeSet<String> = tally.different().map(super::Verdict::name).collect();
        let gone = self.known.keys().filter(|name| !different.contains(*name)).cloned().collect();
        Shift { new, gone }
    }

    /// The list as it stands after a replay: known reasons stay, what is new says how it differs.
    #[must_use]
    pub fn renewed(&self, tally: &Tally) -> String {
        let mut text = "# Exchanges whose answers differ from a real server's, and why. Written by `cargo xtask replay ratchet`; may only shrink.\n".to_owned();
        let mut told = std::collections::BTreeSet::new();
        for verdict in tally.different() {
            let name = verdict.name();
            let reason = self.known.get(&name).cloned().unwrap_or_else(|| verdict.differences.first().cloned().unwrap_or_default());
            if told.insert(name.clone()) {
                text.push_str(&format!("{name}\t{}\n", reason.replace(['\t', '\n'], " ")));
            }
        }
        text
    }
}
