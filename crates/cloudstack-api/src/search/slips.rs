//! Slips of the pen: the known word that a mistyped one was meant to be.

use std::collections::{BTreeMap, BTreeSet};

use super::section::{end, long};
use crate::call::distance;

/// Words shorter than this are not repaired: too much is near them.
const LETTERS_MIN: usize = 4;
/// From this length on two slips are forgiven.
const LETTERS_FOR_TWO_SLIPS: usize = 6;
/// Longer words are not known.
const LETTERS_MAX: usize = 32;
/// The bytes of a word beyond its letters: the set of its letters, and how common it is.
const BESIDES: usize = size_of::<u32>() + size_of::<u16>();

/// Known words by length, each with the set of its letters, so that few need a closer look; read in place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dictionary<'a> {
    /// Up to where the words of each length reach.
    ends: &'a [u8],
    words: &'a [u8],
}

/// A known word.
struct Known<'a> {
    set: u32,
    /// How common it is; of equally near words the commonest is meant.
    weight: u16,
    letters: &'a [u8],
}

impl<'a> Known<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (set, rest) = bytes.split_first_chunk()?;
        let (weight, letters) = rest.split_first_chunk()?;
        Some(Self { set: u32::from_le_bytes(*set), weight: u16::from_le_bytes(*weight), letters })
    }
}

/// Words, each with how common it is, as a section of the index file. Only plain ASCII words are kept.
pub(super) fn written<'b>(words: impl Iterator<Item = (&'b str, usize)>) -> Vec<u8> {
    let mut by_length: BTreeMap<usize, BTreeSet<(&str, u16)>> = BTreeMap::new();
    for (word, weight) in words.filter(|(word, _)| (LETTERS_MIN - 1..=LETTERS_MAX).contains(&word.len()) && is_plain(word)) {
        by_length.entry(word.len()).or_default().insert((word, u16::try_from(weight).unwrap_or(u16::MAX)));
    }
    let (mut ends, mut bytes) = (Vec::new(), Vec::new());
    for length in 0..=LETTERS_MAX {
        for (word, weight) in by_length.get(&length).into_iter().flatten() {
            bytes.extend(set(word.as_bytes()).to_le_bytes().into_iter().chain(weight.to_le_bytes()).chain(word.bytes()));
        }
        ends.extend(long(bytes.len()).to_le_bytes());
    }
    ends.into_iter().chain(bytes).collect()
}

impl<'a> Dictionary<'a> {
    /// Opens a section that [`written`] wrote.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        let (ends, words) = bytes.split_at_checked((LETTERS_MAX + 1) * size_of::<u32>())?;
        Some(Self { ends, words })
    }

    /// The known word nearest to a mistyped one, if any is near enough.
    pub(super) fn nearest(&self, word: &str) -> Option<String> {
        if word.len() < LETTERS_MIN || !is_plain(word) {
            return None;
        }
        let given = word.as_bytes();
        let slips_max = if given.len() >= LETTERS_FOR_TWO_SLIPS { 2 } else { 1 };
        let own = set(given);
        let lengths = given.len().saturating_sub(slips_max)..=given.len() + slips_max;
        let near = lengths.flat_map(|length| self.of_length(length)).filter_map(|known| {
            let unlike = usize::try_from((known.set ^ own).count_ones()).unwrap_or(usize::MAX);
            let distance = if unlike <= 2 * slips_max { distance(given, known.letters) } else { usize::MAX };
            let first_differs = given.first() != known.letters.first();
            (distance <= slips_max).then(|| (2 * distance + usize::from(first_differs), std::cmp::Reverse(known.weight), known.letters))
        });
        near.min().and_then(|(_, _, letters)| String::from_utf8(letters.to_vec()).ok())
    }

    fn of_length(&self, length: usize) -> impl Iterator<Item = Known<'a>> {
        let start = length.checked_sub(1).map_or(Some(0), |before| end(self.ends, before));
        let words = start.zip(end(self.ends, length)).and_then(|(start, end)| self.words.get(start..end)).unwrap_or_default();
        words.chunks_exact(length + BESIDES).filter_map(Known::read)
    }
}

fn is_plain(word: &str) -> bool {
    word.bytes().all(|letter| letter.is_ascii_lowercase())
}

fn set(letters: &[u8]) -> u32 {
    letters.iter().fold(0, |set, letter| set | 1_u32.checked_shl(u32::from(letter.saturating_sub(b'a'))).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_and_commonest_word_is_meant() {
        let words = written([("server", 90), ("serve", 2), ("network", 50), ("snapshot", 40), ("cluster", 10)].into_iter());
        let dictionary = Dictionary::open(&words).unwrap();
        assert_eq!(dictionary.nearest("sever").as_deref(), Some("server"));
        assert_eq!(dictionary.nearest("netwrok").as_deref(), Some("network"));
        assert_eq!(dictionary.nearest("snapshto").as_deref(), Some("snapshot"));
        assert_eq!(dictionary.nearest("clutser").as_deref(), Some("cluster"));
        assert_eq!(dictionary.nearest("banana"), None);
        assert_eq!(dictionary.nearest("vm"), None);
    }
}
