//! Slips of the pen: the known word that a mistyped one was meant to be.

use std::collections::HashMap;

use crate::call::distance;

/// Words shorter than this are not repaired: too much is near them.
const LETTERS_MIN: usize = 4;
/// From this length on two slips are forgiven.
const LETTERS_FOR_TWO_SLIPS: usize = 6;

/// Known words by length, each with the set of its letters, so that few need a closer look.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    by_length: HashMap<usize, Vec<Known>>,
}

#[derive(Debug)]
struct Known {
    letters: Vec<u8>,
    set: u32,
    /// How common it is; of equally near words the commonest is meant.
    weight: usize,
}

impl Dictionary {
    /// Takes a word up; only plain ASCII words are repaired.
    pub(super) fn add(&mut self, word: &str, weight: usize) {
        if word.len() >= LETTERS_MIN - 1 && word.bytes().all(|letter| letter.is_ascii_lowercase()) {
            let known = Known { letters: word.as_bytes().to_vec(), set: set(word.as_bytes()), weight };
            self.by_length.entry(word.len()).or_default().push(known);
        }
    }

    /// The known word nearest to a mistyped one, if any is near enough.
    pub(super) fn nearest(&self, word: &str) -> Option<String> {
        if word.len() < LETTERS_MIN || !word.bytes().all(|letter| letter.is_ascii_lowercase()) {
            return None;
        }
        let given = word.as_bytes();
        let slips_max = if given.len() >= LETTERS_FOR_TWO_SLIPS { 2 } else { 1 };
        let own = set(given);
        let lengths = given.len().saturating_sub(slips_max)..=given.len() + slips_max;
        let near = lengths.filter_map(|length| self.by_length.get(&length)).flatten().filter_map(|known| {
            let unlike = usize::try_from((known.set ^ own).count_ones()).unwrap_or(usize::MAX);
            let distance = if unlike <= 2 * slips_max { distance(given, &known.letters) } else { usize::MAX };
            let first_differs = given.first() != known.letters.first();
            (distance <= slips_max).then(|| (2 * distance + usize::from(first_differs), std::cmp::Reverse(known.weight), &known.letters))
        });
        near.min().and_then(|(_, _, letters)| String::from_utf8(letters.clone()).ok())
    }
}

fn set(letters: &[u8]) -> u32 {
    letters.iter().fold(0, |set, letter| set | 1_u32.checked_shl(u32::from(letter.saturating_sub(b'a'))).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_and_commonest_word_is_meant() {
        let mut dictionary = Dictionary::default();
        for (word, weight) in [("server", 90), ("serve", 2), ("network", 50), ("snapshot", 40), ("cluster", 10)] {
            dictionary.add(word, weight);
        }
        assert_eq!(dictionary.nearest("sever").as_deref(), Some("server"));
        assert_eq!(dictionary.nearest("netwrok").as_deref(), Some("network"));
        assert_eq!(dictionary.nearest("snapshto").as_deref(), Some("snapshot"));
        assert_eq!(dictionary.nearest("clutser").as_deref(), Some("cluster"));
        assert_eq!(dictionary.nearest("banana"), None);
        assert_eq!(dictionary.nearest("vm"), None);
    }
}
