//! Which of our ids stands for which recorded one, learned from replies at the same place.

use std::collections::HashMap;

use super::reduce::{is_address, is_id, next_id};

/// Recorded texts and ours.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids {
    ours: HashMap<String, String>,
}

impl Ids {
    /// Remembers that `ours` stands for `recorded`, unless something does already.
    pub(super) fn learn(&mut self, recorded: &str, ours: &str) {
        let is_alike = (is_id(recorded) && is_id(ours)) || (is_address(recorded) && is_address(ours));
        if is_alike && !self.ours.contains_key(recorded) {
            self.ours.insert(recorded.to_owned(), ours.to_owned());
        }
    }

    /// Remembers a key or another text that requests repeat; the last one counts.
    pub(super) fn learn_text(&mut self, recorded: &str, ours: &str) {
        self.ours.insert(recorded.to_owned(), ours.to_owned());
    }

    /// Our text for a recorded one.
    pub(super) fn ours(&self, recorded: &str) -> Option<&str> {
        self.ours.get(recorded).map(String::as_str)
    }

    /// An argument as it is sent to us: known ids anywhere in it, other known texts where they are all of it.
    pub(super) fn substituted(&self, value: &str) -> String {
        if let Some(ours) = self.ours(value) {
            return ours.to_owned();
        }
        let mut out = String::with_capacity(value.len());
        let mut rest = value;
        while let Some((before, id, after)) = next_id(rest) {
            out.push_str(before);
            out.push_str(self.ours(id).unwrap_or(id));
            rest = after;
        }
        out.push_str(rest);
        out
    }
}
