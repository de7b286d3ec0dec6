//! The texts of a world, each stored once, behind one another in one long string.
//!
//! States, names of offerings and the like stand in thousands of rows; a row holds four bytes of them. Texts that no row
//! holds any more are swept out when they make up half of all. Not for texts that live outside of rows.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

/// From how many bytes of forgotten texts on sweeping is worth while.
const SWEPT_BYTES_MIN: usize = 1 << 20;

/// Where a text stands, and how many cells hold it.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    at: u32,
    bytes: u32,
    uses: u32,
}

/// The texts.
#[derive(Debug, Default)]
pub(super) struct Texts {
    all: String,
    entries: Vec<Entry>,
    numbers: HashTable<u32>,
    free: Vec<u32>,
    forgotten_bytes: usize,
    hasher: RandomState,
}

impl Texts {
    /// The text with this number.
    pub(super) fn get(&self, number: u32) -> &str {
        text_of(&self.all, &self.entries, number)
    }

    /// The number of a text, if some cell holds it.
    pub(super) fn number_of(&self, text: &str) -> Option<u32> {
        self.numbers.find(self.hasher.hash_one(text), |number| self.get(*number) == text).copied()
    }

    /// Notes that one more cell holds a text, and tells its number.
    pub(super) fn take(&mut self, text: &str) -> u32 {
        if let Some(number) = self.number_of(text) {
            if let Some(entry) = self.entries.get_mut(number as usize) {
                entry.uses += 1;
            }
            return number;
        }
        let entry = Entry { at: length(&self.all), bytes: length(text), uses: 1 };
        self.all.push_str(text);
        let number = match self.free.pop() {
            Some(number) => {
                if let Some(old) = self.entries.get_mut(number as usize) {
                    *old = entry;
                }
                number
            }
            None => {
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
            }
        };
        let Self { all, entries, hasher, .. } = self;
        let hash = hasher.hash_one(text);
        self.numbers.insert_unique(hash, number, |number| hasher.hash_one(text_of(all, entries, *number)));
        number
    }

    /// Notes that a cell does not hold a text any more.
    pub(super) fn give_back(&mut self, number: u32) {
        let Some(entry) = self.entries.get_mut(number as usize) else { return };
        entry.uses = entry.uses.saturating_sub(1);
        if entry.uses > 0 {
            return;
        }
        let bytes = entry.bytes as usize;
        let hash = self.hasher.hash_one(self.get(number));
        if let Ok(found) = self.numbers.find_entry(hash, |known| *known == number) {
            found.remove();
        }
        if let Some(entry) = self.entries.get_mut(number as usize) {
            *entry = Entry::default();
        }
        self.free.push(number);
        self.forgotten_bytes += bytes;
        if self.forgotten_bytes >= SWEPT_BYTES_MIN.max(self.all.len() / 2) {
            self.sweep();
        }
    }

    /// Writes what is held anew.
    fn sweep(&mut self) {
        let mut kept = String::with_capacity(self.all.len() - self.forgotten_bytes);
        for entry in &mut self.entries {
            let at = length(&kept);
            let start = entry.at as usize;
            kept.push_str(self.all.get(start..start + entry.bytes as usize).unwrap_or_default());
            entry.at = at;
        }
        self.all = kept;
        self.forgotten_bytes = 0;
    }
}

fn text_of<'a>(all: &'a str, entries: &[Entry], number: u32) -> &'a str {
    let Some(entry) = entries.get(number as usize) else { return "" };
    let start = entry.at as usize;
    all.get(start..start + entry.bytes as usize).unwrap_or_default()
}

/// The length of a text; worlds stay far below four gigabytes of them.
fn length(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_stored_once_and_forgotten_with_its_last_holder() {
        let mut texts = Texts::default();
        let (first, second) = (texts.take("Running"), texts.take("Running"));
        assert_eq!((first, texts.get(first), texts.all.len()), (second, "Running", 7));
        texts.give_back(first);
        assert_eq!(texts.number_of("Running"), Some(first));
        texts.give_back(first);
        assert_eq!(texts.number_of("Running"), None);
        assert_eq!(texts.take("Stopped"), first);
    }

    #[test]
    fn forgotten_texts_do_not_pile_up() {
        let mut texts = Texts::default();
        let kept = texts.take("kept");
        let long = "x".repeat(SWEPT_BYTES_MIN / 4);
        for number in 0..40 {
            let passing = texts.take(&format!("{long}{number}"));
            texts.give_back(passing);
        }
        assert!(texts.all.len() < 2 * SWEPT_BYTES_MIN, "{}", texts.all.len());
        assert_eq!((texts.get(kept), texts.number_of("kept")), ("kept", Some(kept)));
    }
}
