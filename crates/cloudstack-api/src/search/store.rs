//! The index as data: `catalog/search.bin`, made by `cargo xtask search` from the catalog's words, read in place.
//!
//! Opening it reads the documents; terms, postings, synonyms and the words for repairing slips are read when a request
//! needs them.

use std::collections::HashMap;

use super::{
    document::{Document, Shelf},
    gloss::Gloss,
    section::{Lines, end, joined, long, split},
    slips::{self, Dictionary},
};
use crate::catalog::Release;

/// Weighted frequencies are kept in tenths: all weights are multiples of a tenth.
const TENTHS: f32 = 10.0;
/// The bytes of a posting: document and frequency.
const POSTING: usize = 4;
/// The bytes of a phrase's owner: document and mass.
const OWNER: usize = 6;
/// BM25: terms in fewer commands than this are not taken for more telling still: mostly they stand there by chance.
const WITH_MIN: f32 = 3.0;

/// The opened file.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) documents: Vec<Document>,
    pub(super) gloss: Gloss<'static>,
    pub(super) dictionary: Dictionary<'static>,
    terms: Lines<'static>,
    posting_ends: &'static [u8],
    postings: &'static [u8],
    phrase_ends: &'static [u8],
    phrases: &'static [u8],
    owners: &'static [u8],
}

impl Store {
    /// The embedded index.
    pub(super) fn embedded(release: Release) -> Self {
        Self::open(include_bytes!("../../../../catalog/search.bin"), release).unwrap_or_default()
    }

    /// Opens a file for a release; `None` if it is none of ours.
    pub(super) fn open(bytes: &'static [u8], release: Release) -> Option<Self> {
        let [documents, gloss, dictionary, terms, posting_ends, postings, phrase_ends, phrases, owners] = split(bytes)?;
        let documents = std::str::from_utf8(documents).ok()?.lines().filter_map(|line| Document::read(line, release)).collect();
        let (gloss, dictionary, terms) = (Gloss::open(gloss)?, Dictionary::open(dictionary)?, Lines::open(terms)?);
        Some(Self { documents, gloss, dictionary, terms, posting_ends, postings, phrase_ends, phrases, owners })
    }

    /// The number of a term that some command has.
    pub(super) fn term(&self, term: &str) -> Option<u32> {
        self.terms.place(term).and_then(|place| u32::try_from(place).ok())
    }

    /// How telling a term is.
    pub(super) fn rarity(&self, term: u32) -> f32 {
        rarity(self.documents.len(), self.with(term))
    }

    /// The documents that have a term, each with its weighted frequency there.
    pub(super) fn postings(&self, term: u32) -> impl Iterator<Item = (usize, f32)> + '_ {
        pairs(span(self.postings, self.posting_ends, term, POSTING)).map(|(document, tenths)| (usize::from(document), f32::from(tenths) / TENTHS))
    }

    /// The phrases that have a term.
    pub(super) fn phrases(&self, term: u32) -> impl Iterator<Item = usize> + '_ {
        let bytes = span(self.phrases, self.phrase_ends, term, size_of::<u16>());
        bytes.chunks_exact(size_of::<u16>()).filter_map(|chunk| chunk.try_into().ok()).map(|chunk| usize::from(u16::from_le_bytes(chunk)))
    }

    /// For each phrase its document and its mass.
    pub(super) fn owners(&self) -> impl ExactSizeIterator<Item = (usize, f32)> + '_ {
        self.owners.chunks_exact(OWNER).map(|chunk| {
            let (document, mass) = chunk.split_first_chunk().map_or((0, chunk), |(document, mass)| (u16::from_le_bytes(*document), mass));
            (usize::from(document), mass.try_into().map_or(0.0, f32::from_le_bytes))
        })
    }

    fn with(&self, term: u32) -> usize {
        span(self.postings, self.posting_ends, term, POSTING).len() / POSTING
    }
}

/// How telling a term is that `with` of `count` documents have.
fn rarity(count: usize, with: usize) -> f32 {
    let amount = |count: usize| f32::from(u16::try_from(count).unwrap_or(u16::MAX));
    ((amount(count) + 1.0) / (amount(with).max(WITH_MIN) + 0.5)).ln()
}

/// The entries of a term: from where those of the term before it end to where its own end.
fn span(entries: &'static [u8], ends: &'static [u8], term: u32, width: usize) -> &'static [u8] {
    let bounds = usize::try_from(term).ok().and_then(|term| Some((term.checked_sub(1).map_or(Some(0), |before| end(ends, before))?, end(ends, term)?)));
    bounds.and_then(|(start, end)| entries.get(start * width..end * width)).unwrap_or_default()
}

fn pairs(bytes: &'static [u8]) -> impl Iterator<Item = (u16, u16)> {
    let pair = |chunk: &[u8]| {
        let (first, second) = chunk.split_first_chunk()?;
        Some((u16::from_le_bytes(*first), u16::from_le_bytes(second.try_into().ok()?)))
    };
    bytes.chunks_exact(POSTING).filter_map(pair)
}

/// Writes the file that [`Store`] reads.
pub(super) fn written(shelf: &Shelf, gloss: &Gloss<'_>, synonyms: Vec<u8>) -> Vec<u8> {
    let mut terms: Vec<(&str, usize)> = shelf.terms().collect();
    terms.sort_unstable();
    let count = shelf.documents.len();
    let rarities: Vec<f32> = shelf.postings.iter().map(|postings| rarity(count, postings.len())).collect();
    let (mut posting_ends, mut postings) = (Vec::new(), Vec::new());
    for (_, number) in &terms {
        for (document, frequency) in shelf.postings.get(*number).into_iter().flatten() {
            postings.extend(short(*document).to_le_bytes().into_iter().chain(tenths(*frequency).to_le_bytes()));
        }
        posting_ends.extend(long(postings.len() / POSTING).to_le_bytes());
    }
    let mut with = vec![Vec::new(); shelf.postings.len()];
    let mut owners: Vec<u8> = Vec::new();
    for (number, (document, phrase)) in shelf.phrases().enumerate() {
        let mass = |unit: &Vec<u32>| unit.iter().filter_map(|term| rarities.get(usize::try_from(*term).ok()?)).copied().fold(0.0, f32::max);
        let whole: f32 = phrase.iter().map(mass).sum();
        owners.extend(short(document).to_le_bytes().into_iter().chain(whole.to_le_bytes()));
        for term in phrase.iter().flatten() {
            let known: Option<&mut Vec<u16>> = usize::try_from(*term).ok().and_then(|term| with.get_mut(term));
            if let Some(known) = known.filter(|known| known.last() != Some(&short(number))) {
                known.push(short(number));
            }
        }
    }
    let (mut phrase_ends, mut phrases): (Vec<u8>, Vec<u8>) = (Vec::new(), Vec::new());
    for (_, number) in &terms {
        phrases.extend(with.get(*number).into_iter().flatten().flat_map(|phrase| phrase.to_le_bytes()));
        phrase_ends.extend(long(phrases.len() / size_of::<u16>()).to_le_bytes());
    }
    let places: HashMap<usize, usize> = terms.iter().enumerate().map(|(place, (_, number))| (*number, place)).collect();
    let documents: String = shelf.documents.iter().map(|document| document.written(&places)).collect();
    let with_of =
        |word: &str| terms.binary_search_by_key(&word, |(term, _)| term).ok().and_then(|place| shelf.postings.get(terms.get(place)?.1)).map_or(0, Vec::len);
    let words = terms.iter().map(|(term, _)| *term).chain(gloss.single_words());
    let dictionary = slips::written(words.map(|word| (word, with_of(word))));
    let names = Lines::written(terms.iter().map(|(term, _)| *term));
    joined(&[documents.into_bytes(), synonyms, dictionary, names, posting_ends, postings, phrase_ends, phrases, owners])
}

fn short(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "frequencies are small and positive")]
fn tenths(frequency: f32) -> u16 {
    (frequency * TENTHS).round() as u16
}
