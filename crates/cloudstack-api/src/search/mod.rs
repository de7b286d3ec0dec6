//! Words → ranked commands.
//!
//! A request and the words of each command are read as units: a word or group of words with the concept that it stands
//! for in `catalog/synonyms.tsv`, whatever the language. BM25 over the units, the phrase of the command that comes
//! nearest to the request as a whole, and whether the command does what the request's verb says, make the score.
//! Everything comes from the catalog; nothing here knows a command.

mod document;
mod gloss;
mod literal;
mod phrase;
mod slips;
mod text;

use std::collections::{HashMap, HashSet};

use self::{
    document::{Document, Shelf},
    gloss::{Gloss, Unit},
    phrase::Phrases,
    slips::Dictionary,
    text::Token,
};
use crate::catalog::{Catalog, Risk};

/// BM25: how soon more of the same term stops counting.
const SATURATION: f32 = 3.0;
/// BM25: how much long texts are discounted.
const LENGTH_DISCOUNT: f32 = 0.4;
/// Terms in fewer commands than this are not taken for more telling still: mostly they stand there by chance.
const WITH_MIN: f32 = 3.0;
/// What meeting in a concept counts in comparison with meeting in the word itself.
const CONCEPT_WEIGHT: f32 = 0.7;
/// What a word out of a group counts alone.
const PART_WEIGHT: f32 = 0.8;
/// What the nearest phrase counts in comparison with the terms.
const PHRASE_WEIGHT: f32 = 13.0;
/// What a name of the very concepts of the request counts in comparison with the terms.
const NAME_WEIGHT: f32 = 2.0;
/// What a command counts that does what a verb of the request says.
const VERB_FITS_WEIGHT: f32 = 1.1;
/// What being called by its name adds: more than everything else together.
const NAMED_SCORE: f32 = 1000.0;
/// The most words of a request that are looked at.
const REQUEST_WORDS_MAX: usize = 40;

/// What a search is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this family.
    pub family: Option<String>,
    /// Only commands of at most this risk.
    pub risk_max: Option<Risk>,
}

impl Filter {
    fn admits(&self, document: &Document) -> bool {
        self.family.as_ref().is_none_or(|family| *family == document.family) && self.risk_max.is_none_or(|max| document.risk <= max)
    }
}

/// A command that a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The command's name.
    pub command: String,
    /// How well it fits; the best has the highest. Comparable within one search only.
    pub score: f64,
    /// The words of the query that matched, for the reader to judge by.
    pub matched: Vec<String>,
}

/// The index over all commands of a catalog.
#[derive(Debug)]
pub struct Index {
    documents: Vec<Document>,
    terms: HashMap<String, u32>,
    postings: Vec<Vec<(u32, f32)>>,
    rarity: Vec<f32>,
    length_mean: f32,
    phrases: Phrases,
    /// The terms that are concepts of some command's name.
    concepts: HashSet<u32>,
    /// The concepts that are verbs of some command.
    verbs: HashSet<u32>,
    gloss: Gloss,
    dictionary: Dictionary,
}

/// A unit of the request: what was written, and the terms that meet it with their weight.
struct Wanted {
    written: String,
    variants: Vec<(u32, f32)>,
    mass: f32,
}

impl Index {
    /// Builds the index.
    #[must_use]
    pub fn new(catalog: &Catalog) -> Self {
        let gloss = Gloss::embedded();
        let mut shelf = Shelf::default();
        let families: HashMap<String, String> =
            catalog.families().into_iter().map(|family| (family.name, format!("{} {}", family.title, family.text))).collect();
        for command in catalog.commands() {
            shelf.add(&command, &catalog.words(&command), families.get(&command.family).map_or("", String::as_str), &gloss);
        }
        Self::of(shelf, gloss)
    }

    fn of(shelf: Shelf, gloss: Gloss) -> Self {
        let mut dictionary = Dictionary::default();
        for (term, number) in &shelf.terms {
            dictionary.add(term, at(&shelf.postings, *number).map_or(0, Vec::len));
        }
        for word in gloss.single_words() {
            dictionary.add(word, at_term(&shelf, word));
        }
        let count = amount(shelf.documents.len());
        let length_mean = shelf.documents.iter().map(|document| document.length).sum::<f32>() / count.max(1.0);
        let rarity =
            shelf.postings.iter().map(|postings| amount(postings.len())).map(|with| ((count + 1.0) / (with.max(WITH_MIN) + 0.5)).ln()).collect::<Vec<_>>();
        let phrases = Phrases::new(&shelf.phrases, &rarity);
        let verbs = shelf.documents.iter().flat_map(|document| document.verbs.iter().copied()).collect();
        let concepts = shelf.documents.iter().flat_map(|document| document.concepts.iter().copied()).collect();
        Self {
            concepts,
            verbs,
            phrases,
            documents: shelf.documents,
            terms: shelf.terms,
            postings: shelf.postings,
            rarity,
            length_mean: length_mean.max(1.0),
            gloss,
            dictionary,
        }
    }

    /// The best commands for a request in anybody's words, best first.
    #[must_use]
    pub fn search(&self, query: &str, filter: &Filter, limit: usize) -> Vec<Hit> {
        let wanted = self.read(query);
        let mut scores = vec![0.0_f32; self.documents.len()];
        let mut matched: Vec<u64> = vec![0; self.documents.len()];
        for (place, unit) in wanted.iter().enumerate() {
            let place = 1_u64.checked_shl(u32::try_from(place).unwrap_or(u32::MAX)).unwrap_or_default();
            for ((sum, places), score) in scores.iter_mut().zip(&mut matched).zip(self.best_of(&unit.variants)) {
                *sum += score;
                *places |= if score > 0.0 { place } else { 0 };
            }
        }
        let nearest = self.nearest(&wanted);
        let meant = self.meant(&wanted);
        let verbs = self.verbs(&wanted);
        let exact = query.trim();
        let mut hits: Vec<(f32, &Document, u64)> = Vec::new();
        for (((document, score), places), nearest) in self.documents.iter().zip(scores).zip(matched).zip(nearest) {
            if score > 0.0 && filter.admits(document) {
                let named = if document.command.eq_ignore_ascii_case(exact) { NAMED_SCORE } else { 0.0 };
                let score = score + PHRASE_WEIGHT * nearest + NAME_WEIGHT * likeness(&meant, &document.concepts);
                hits.push((score * document.prior * fitness(&verbs, document) + named, document, places));
            }
        }
        hits.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.command.cmp(&b.1.command)));
        hits.truncate(limit);
        hits.into_iter().map(|(score, document, places)| hit(score, document, places, &wanted)).collect()
    }

    /// A request as units, each with the terms that meet it.
    fn read(&self, query: &str) -> Vec<Wanted> {
        let mut tokens = text::tokens(&literal::generalise(query));
        tokens.truncate(REQUEST_WORDS_MAX);
        let tokens: Vec<Token> = tokens.into_iter().map(|token| self.repaired(token)).collect();
        self.gloss.read(&tokens).into_iter().filter_map(|unit| self.wanted(&unit)).collect()
    }

    fn wanted(&self, unit: &Unit) -> Option<Wanted> {
        let part = if unit.stems.len() > 1 { PART_WEIGHT } else { 1.0 };
        let stems = unit.stems.iter().map(|stem| (stem, part));
        let variants: Vec<(u32, f32)> = stems
            .chain(unit.concepts.iter().map(|concept| (concept, CONCEPT_WEIGHT)))
            .filter_map(|(term, weight)| Some((*self.terms.get(term)?, weight)))
            .collect();
        let mass = variants.iter().map(|(term, weight)| weight * self.rarity_of(*term)).fold(0.0, f32::max);
        (!variants.is_empty()).then(|| Wanted { written: if unit.stems.is_empty() { unit.concepts.join(" ") } else { unit.stems.join(" ") }, variants, mass })
    }

    /// The word that was meant, where the written one is known nowhere.
    fn repaired(&self, token: Token) -> Token {
        let known = self.terms.contains_key(&token.stem) || text::is_stop_word(&token.word) || self.gloss.knows(&token);
        if known { token } else { self.dictionary.nearest(&token.stem).map_or(token, Token::new) }
    }

    /// For each document the best that any variant of a unit scores there; 0 where none is.
    fn best_of(&self, variants: &[(u32, f32)]) -> Vec<f32> {
        let mut best = vec![0.0_f32; self.documents.len()];
        for (term, weight) in variants {
            let rarity = weight * self.rarity_of(*term);
            for (document, frequency) in at(&self.postings, *term).into_iter().flatten() {
                let length = at(&self.documents, *document).map_or(1.0, |document| document.length / self.length_mean);
                let saturated = frequency * (SATURATION + 1.0) / (frequency + SATURATION * (1.0 - LENGTH_DISCOUNT + LENGTH_DISCOUNT * length));
                if let Some(known) = usize::try_from(*document).ok().and_then(|document| best.get_mut(document)) {
                    *known = known.max(rarity * saturated);
                }
            }
        }
        best
    }

    /// For each document how near its nearest phrase comes to the request as a whole.
    fn nearest(&self, wanted: &[Wanted]) -> Vec<f32> {
        let whole: f32 = wanted.iter().map(|unit| unit.mass).sum();
        let units: Vec<Vec<(u32, f32)>> = wanted.iter().map(|unit| self.heaviest_first(unit)).collect();
        self.phrases.nearest(&units, whole, self.documents.len())
    }

    fn heaviest_first(&self, unit: &Wanted) -> Vec<(u32, f32)> {
        let mut terms: Vec<(u32, f32)> = unit.variants.iter().map(|(term, weight)| (*term, weight * self.rarity_of(*term))).collect();
        terms.sort_by(|a, b| b.1.total_cmp(&a.1));
        terms
    }

    /// The concepts of the request that are verbs of some command.
    fn verbs(&self, wanted: &[Wanted]) -> Vec<u32> {
        let terms = wanted.iter().flat_map(|unit| &unit.variants).map(|(term, _)| *term);
        terms.filter(|term| self.verbs.contains(term)).collect()
    }

    /// The concepts of each unit of the request that has any.
    fn meant(&self, wanted: &[Wanted]) -> Vec<Vec<u32>> {
        let concepts = wanted.iter().map(|unit| unit.variants.iter().map(|(term, _)| *term).filter(|term| self.concepts.contains(term)).collect::<Vec<_>>());
        concepts.filter(|concepts| !concepts.is_empty()).collect()
    }

    fn rarity_of(&self, term: u32) -> f32 {
        at(&self.rarity, term).copied().unwrap_or_default()
    }
}

/// How much the concepts of a request and of a name are the same, from 0 to 1.
fn likeness(meant: &[Vec<u32>], name: &[u32]) -> f32 {
    let shared = meant.iter().filter(|unit| unit.iter().any(|concept| name.contains(concept))).count();
    let covered = name.iter().filter(|concept| meant.iter().any(|unit| unit.contains(concept))).count();
    if shared == 0 { 0.0 } else { amount(shared) * amount(covered) / (amount(meant.len()) * amount(name.len())) }
}

/// How well what a command does fits the verbs of the request.
fn fitness(verbs: &[u32], document: &Document) -> f32 {
    if document.verbs.iter().any(|verb| verbs.contains(verb)) { VERB_FITS_WEIGHT } else { 1.0 }
}

fn hit(score: f32, document: &Document, places: u64, wanted: &[Wanted]) -> Hit {
    let matched = wanted.iter().enumerate().filter(|(place, _)| places >> place & 1 == 1);
    Hit { command: document.command.clone(), score: f64::from(score), matched: matched.map(|(_, unit)| unit.written.clone()).collect() }
}

fn at_term(shelf: &Shelf, word: &str) -> usize {
    shelf.terms.get(word).and_then(|number| at(&shelf.postings, *number)).map_or(0, Vec::len)
}

fn at<T>(items: &[T], number: u32) -> Option<&T> {
    items.get(usize::try_from(number).ok()?)
}

#[expect(clippy::cast_precision_loss, reason = "a thousand commands are far from the limit")]
fn amount(count: usize) -> f32 {
    count as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Release;

    fn first(index: &Index, request: &str) -> String {
        index.search(request, &Filter::default(), 1).into_iter().next().map(|hit| hit.command).unwrap_or_default()
    }

    #[test]
    fn a_request_finds_its_command_whatever_its_words_and_language() {
        let index = Index::new(&Catalog::embedded(Release::NEWEST));
        for request in
            ["LISTVOLUMES", "show all my disks", "which drives do i have", "lsit my dsiks", "zeig meine Festplatten", "listar los discos", "ディスク一覧"]
        {
            assert_eq!(first(&index, request), "listVolumes", "{request}");
        }
        assert!(index.search("", &Filter::default(), 5).is_empty());
    }

    #[test]
    fn a_filter_leaves_out_other_families_and_greater_risks() {
        let index = Index::new(&Catalog::embedded(Release::NEWEST));
        let reads = Filter { family: Some("volume".to_owned()), risk_max: Some(Risk::Read) };
        let hits = index.search("delete the disk", &reads, 50);
        assert!(!hits.is_empty());
        assert!(hits.iter().all(|hit| index.documents.iter().any(|document| document.command == hit.command && reads.admits(document))));
        assert!(hits.iter().all(|hit| hit.command != "deleteVolume" && hit.matched.iter().any(|word| word.contains("disk"))), "{hits:?}");
    }
}
