//! Words → ranked commands.
//!
//! A request and the words of each command are read as units: a word or group of words with the concept that it stands
//! for in `catalog/synonyms.tsv`, whatever the language. BM25 over the units, the phrase of the command that comes
//! nearest to the request as a whole, whether the command does what the request's verb and mood say, and what was learned
//! from the phrases of all commands make the score. Everything comes from the catalog; nothing here knows a command.
//!
//! The index is data (`catalog/search.bin`, [`compiled`] makes it) and so is what was learned (`catalog/meaning.bin`):
//! opening both takes about a millisecond.

mod document;
mod gloss;
mod literal;
mod marks;
mod meaning;
mod mood;
mod phrase;
mod section;
mod slips;
mod store;
mod text;

use std::collections::{BTreeSet, HashMap, HashSet};

pub use self::meaning::written as written_meaning;
use self::{
    document::{Document, Shelf},
    gloss::{Gloss, Unit},
    meaning::Meaning,
    mood::Mood,
    store::Store,
    text::Token,
};
use crate::{
    catalog::{Catalog, Risk, RoleType},
    roles::default_roles,
};

/// BM25: how soon more of the same term stops counting.
const SATURATION: f32 = 3.0;
/// BM25: how much long texts are discounted.
const LENGTH_DISCOUNT: f32 = 0.4;
/// What meeting in a concept counts in comparison with meeting in the word itself.
const CONCEPT_WEIGHT: f32 = 0.7;
/// What a word out of a group counts alone.
const PART_WEIGHT: f32 = 0.8;
/// What the nearest phrase counts in comparison with the terms.
const PHRASE_WEIGHT: f32 = 10.0;
/// What a name of the very concepts of the request counts in comparison with the terms.
const NAME_WEIGHT: f32 = 2.5;
/// What the logarithm of the learned likelihood counts in comparison with the terms.
const MEANING_WEIGHT: f32 = 3.4;
/// From this learned likelihood on a command is found though it shares no term with the request.
const MEANT_MIN: f32 = -6.0;
/// What a command counts that does what a verb of the request says.
const VERB_FITS_WEIGHT: f32 = 1.08;
/// What commands that only read count where the request asks, and what the others do.
const ASKED_WEIGHTS: (f32, f32) = (1.3, 0.88);
/// What commands that end something count where the request denies, and what the others do.
const DENIED_WEIGHTS: (f32, f32) = (1.2, 0.9);
/// The concepts of commands that end something.
const ENDS: &[&str] = &["=delete", "=release", "=disable", "=stop", "=detach", "=close"];
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
    /// Only commands that the default role of this type may call.
    pub role: Option<RoleType>,
}

impl Filter {
    fn admits(&self, document: &Document) -> bool {
        self.family.as_ref().is_none_or(|family| *family == document.family)
            && self.risk_max.is_none_or(|max| document.risk <= max)
            && self.role.is_none_or(|role| document.callers.contains(&role))
    }
}

/// A command that a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The command's name.
    pub command: String,
    /// How well it fits; the best has the highest. Comparable within one search only.
    pub score: f64,
    /// The words of the query that matched, for the reader to judge by; empty where only their meaning did.
    pub matched: Vec<String>,
}

/// A text and the command that it should find, as marks: what the vectors are learned from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// The command's name.
    pub command: String,
    /// What was read in the text.
    pub marks: BTreeSet<String>,
}

/// The index over all commands of a catalog.
#[derive(Debug)]
pub struct Index {
    store: Store,
    meaning: Meaning,
    length_mean: f32,
    /// The terms that are concepts of some command's name.
    concepts: HashSet<u32>,
    /// The concepts that are verbs of some command.
    verbs: HashSet<u32>,
    /// The concepts of verbs that end something.
    ends: Vec<u32>,
}

/// A unit of the request: what was written, and the terms that meet it with their weight.
struct Wanted {
    written: String,
    variants: Vec<(u32, f32)>,
    mass: f32,
}

/// What people say besides the phrases among the words: command, tab, phrases with `|` between them.
const SAID: &str = include_str!("../../../../catalog/phrases.tsv");
/// What people say → what we call it.
const SYNONYMS: &str = include_str!("../../../../catalog/synonyms.tsv");

fn said() -> HashMap<&'static str, Vec<&'static str>> {
    let lines = SAID.lines().filter_map(|line| line.split_once('\t'));
    lines.map(|(command, phrases)| (command, phrases.split('|').collect())).collect()
}

/// The file `catalog/search.bin` for a catalog of the newest release.
#[must_use]
pub fn compiled(catalog: &Catalog) -> Vec<u8> {
    let synonyms = gloss::written(SYNONYMS);
    let gloss = Gloss::open(&synonyms).unwrap_or_default();
    let said = said();
    let mut shelf = Shelf::new(default_roles(&catalog.release().line_name()));
    let families: HashMap<String, String> = catalog.families().into_iter().map(|family| (family.name, format!("{} {}", family.title, family.text))).collect();
    for command in catalog.commands() {
        let mut words = catalog.words(&command);
        words.phrases.extend(said.get(command.name.as_str()).into_iter().flatten().map(|phrase| (*phrase).to_owned()));
        shelf.add(&command, &words, families.get(&command.family).map_or("", String::as_str), &gloss);
    }
    store::written(&shelf, &gloss, synonyms.clone())
}

/// The names, titles, phrases and first sentences of all commands as lessons.
#[must_use]
pub fn lessons(catalog: &Catalog) -> Vec<Lesson> {
    let synonyms = gloss::written(SYNONYMS);
    let gloss = Gloss::open(&synonyms).unwrap_or_default();
    let said = said();
    let lesson = |command: &str, text: &str| Lesson {
        command: command.to_owned(),
        marks: marks::of(&gloss.read(&text::tokens(&literal::generalise(text))), Mood::of(text)),
    };
    let of_command = |command: std::sync::Arc<crate::catalog::Command>| {
        let words = catalog.words(&command);
        let first = words.text.split(". ").next().unwrap_or_default();
        let texts = [command.name.as_str(), &words.title, first].into_iter().chain(words.phrases.iter().map(String::as_str));
        let texts = texts.chain(said.get(command.name.as_str()).into_iter().flatten().copied());
        texts.map(|text| lesson(&command.name, text)).collect::<Vec<_>>()
    };
    catalog.commands().flat_map(of_command).collect()
}

impl Index {
    /// Opens the index for the catalog's release.
    #[must_use]
    pub fn new(catalog: &Catalog) -> Self {
        let store = Store::embedded(catalog.release());
        let count = amount(store.documents.len());
        let length_mean = store.documents.iter().map(|document| document.length).sum::<f32>() / count.max(1.0);
        Self {
            meaning: Meaning::embedded(store.documents.iter().map(|document| document.command.as_str())),
            concepts: store.documents.iter().flat_map(|document| document.concepts.iter().copied()).collect(),
            verbs: store.documents.iter().flat_map(|document| document.verbs.iter().copied()).collect(),
            ends: ENDS.iter().filter_map(|concept| store.term(concept)).collect(),
            length_mean: length_mean.max(1.0),
            store,
        }
    }

    /// What is read in a request: the marks that likelihoods are learned by.
    #[must_use]
    pub fn marks(&self, query: &str) -> BTreeSet<String> {
        marks::of(&self.units(query), Mood::of(query))
    }

    /// The best commands for a request in anybody's words, best first.
    #[must_use]
    pub fn search(&self, query: &str, filter: &Filter, limit: usize) -> Vec<Hit> {
        let units = self.units(query);
        let mood = Mood::of(query);
        let wanted: Vec<Wanted> = units.iter().filter_map(|unit| self.wanted(unit)).collect();
        let documents = &self.store.documents;
        let mut scores = vec![0.0_f32; documents.len()];
        let mut matched: Vec<u64> = vec![0; documents.len()];
        for (place, unit) in wanted.iter().enumerate() {
            let place = 1_u64.checked_shl(u32::try_from(place).unwrap_or(u32::MAX)).unwrap_or_default();
            for ((sum, places), score) in scores.iter_mut().zip(&mut matched).zip(self.best_of(&unit.variants)) {
                *sum += score;
                *places |= if score > 0.0 { place } else { 0 };
            }
        }
        let likelihoods = self.meaning.likelihoods(marks::of(&units, mood).iter().map(String::as_str));
        let nearest = self.nearest(&wanted);
        let meant = self.meant(&wanted);
        let verbs = self.verbs(&wanted);
        let exact = query.trim();
        let mut hits: Vec<(f32, &Document, u64)> = Vec::new();
        for ((((document, score), places), nearest), likelihood) in documents.iter().zip(scores).zip(matched).zip(nearest).zip(likelihoods) {
            if document.is_present && (score > 0.0 || likelihood > MEANT_MIN) && filter.admits(document) {
                let named = if document.command.eq_ignore_ascii_case(exact) { NAMED_SCORE } else { 0.0 };
                let score = score + PHRASE_WEIGHT * nearest + NAME_WEIGHT * likeness(&meant, &document.concepts);
                let score = score * document.prior * fitness(&verbs, document) * self.suits(mood, document);
                hits.push((score + MEANING_WEIGHT * (likelihood - meaning::LIKELIHOOD_MIN) + named, document, places));
            }
        }
        hits.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.command.cmp(&b.1.command)));
        hits.truncate(limit);
        hits.into_iter().map(|(score, document, places)| hit(score, document, places, &wanted)).collect()
    }

    /// A request as units.
    fn units(&self, query: &str) -> Vec<Unit> {
        let mut tokens = text::tokens(&literal::generalise(query));
        tokens.truncate(REQUEST_WORDS_MAX);
        let tokens: Vec<Token> = tokens.into_iter().map(|token| self.repaired(token)).collect();
        self.store.gloss.read(&tokens)
    }

    fn wanted(&self, unit: &Unit) -> Option<Wanted> {
        let part = if unit.stems.len() > 1 { PART_WEIGHT } else { 1.0 };
        let stems = unit.stems.iter().map(|stem| (stem, part));
        let variants: Vec<(u32, f32)> = stems
            .chain(unit.concepts.iter().map(|concept| (concept, CONCEPT_WEIGHT)))
            .filter_map(|(term, weight)| Some((self.store.term(term)?, weight)))
            .collect();
        let mass = variants.iter().map(|(term, weight)| weight * self.store.rarity(*term)).fold(0.0, f32::max);
        (!variants.is_empty()).then(|| Wanted { written: unit.written.clone(), variants, mass })
    }

    /// The word that was meant, where the written one is known nowhere.
    fn repaired(&self, token: Token) -> Token {
        let known = self.store.term(&token.stem).is_some() || text::is_stop_word(&token.word) || self.store.gloss.knows(&token);
        if known { token } else { self.store.dictionary.nearest(&token.stem).map_or(token, Token::of_stem) }
    }

    /// How well a command suits the mood of a request.
    fn suits(&self, mood: Mood, document: &Document) -> f32 {
        let ends = || document.verbs.iter().any(|verb| self.ends.contains(verb));
        let (suits, (well, ill)) = match mood {
            Mood { asks: true, .. } => (document.risk <= Risk::Disclose, ASKED_WEIGHTS),
            Mood { denies: true, .. } => (ends(), DENIED_WEIGHTS),
            Mood { .. } => return 1.0,
        };
        if suits { well } else { ill }
    }

    /// For each document the best that any variant of a unit scores there; 0 where none is.
    fn best_of(&self, variants: &[(u32, f32)]) -> Vec<f32> {
        let mut best = vec![0.0_f32; self.store.documents.len()];
        for (term, weight) in variants {
            let rarity = weight * self.store.rarity(*term);
            for (document, frequency) in self.store.postings(*term) {
                let length = self.store.documents.get(document).map_or(1.0, |document| document.length / self.length_mean);
                let saturated = frequency * (SATURATION + 1.0) / (frequency + SATURATION * (1.0 - LENGTH_DISCOUNT + LENGTH_DISCOUNT * length));
                if let Some(known) = best.get_mut(document) {
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
        phrase::nearest(&self.store, &units, whole)
    }

    fn heaviest_first(&self, unit: &Wanted) -> Vec<(u32, f32)> {
        let mut terms: Vec<(u32, f32)> = unit.variants.iter().map(|(term, weight)| (*term, weight * self.store.rarity(*term))).collect();
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
        let reads = Filter { family: Some("volume".to_owned()), risk_max: Some(Risk::Read), role: None };
        let hits = index.search("delete the disk", &reads, 50);
        assert!(!hits.is_empty());
        assert!(hits.iter().all(|hit| index.store.documents.iter().any(|document| document.command == hit.command && reads.admits(document))));
        assert!(hits.iter().all(|hit| hit.command != "deleteVolume"), "{hits:?}");
        assert!(hits.iter().take(3).all(|hit| hit.matched.iter().any(|word| word.contains("disk"))), "{hits:?}");
    }

    #[test]
    fn a_role_is_shown_what_it_may_call_and_a_release_what_it_has() {
        let (newest, oldest) = (Index::new(&Catalog::embedded(Release::NEWEST)), Index::new(&Catalog::embedded(Release::OLDEST)));
        let tenant = Filter { role: Some(RoleType::User), ..Filter::default() };
        let found = |index: &Index, filter: &Filter, query: &str| index.search(query, filter, 20).into_iter().map(|hit| hit.command).collect::<Vec<_>>();
        assert!(found(&newest, &Filter::default(), "add a hypervisor host").contains(&"addHost".to_owned()));
        assert!(!found(&newest, &tenant, "add a hypervisor host").contains(&"addHost".to_owned()));
        assert!(found(&newest, &tenant, "list my disks").contains(&"listVolumes".to_owned()));
        assert!(found(&newest, &Filter::default(), "external orchestrator extensions").contains(&"listExtensions".to_owned()));
        assert!(!found(&oldest, &Filter::default(), "external orchestrator extensions").contains(&"listExtensions".to_owned()));
    }

    #[test]
    fn the_embedded_index_is_that_of_the_catalog() {
        let fresh = compiled(&Catalog::embedded(Release::NEWEST));
        assert!(fresh == include_bytes!("../../../../catalog/search.bin"), "the words have changed: run `cargo xtask search`");
    }
}
