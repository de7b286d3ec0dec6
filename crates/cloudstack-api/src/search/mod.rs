//! Words → ranked commands.
//!
//! BM25 over the fields of each command (name, title, phrases, description, parameters, family), with field weights;
//! besides, the phrase of the command that comes nearest to the request as a whole. Words that are in no command are
//! repaired (typing slips) or replaced by what other clouds' users mean by them. Everything comes from the catalog.

mod text;

use std::collections::{BTreeMap, HashMap};

use crate::catalog::{Build, Catalog, Command, Risk, RoleType, Table, Words};

/// BM25: how soon more of the same term stops counting.
const SATURATION: f64 = 1.2;
/// BM25: how much long texts are discounted.
const LENGTH_DISCOUNT: f64 = 0.4;
/// What a synonym counts in comparison with the word itself.
const SYNONYM_WEIGHT: f64 = 0.55;
/// What a repaired slip counts in comparison with the word itself.
const REPAIR_WEIGHT: f64 = 0.8;
/// What the nearest phrase counts in comparison with the terms.
const PHRASE_WEIGHT: f64 = 9.0;
/// Words shorter than this are not repaired: too much is near them.
const REPAIR_LETTERS_MIN: usize = 4;
/// What exotic commands count: those of plugins and special builds are rarely meant.
const EXOTIC_WEIGHT: f64 = 0.82;
/// What commands that tenants may not call count.
const ADMIN_WEIGHT: f64 = 0.96;
/// The most terms of a query that are looked at.
const QUERY_TERMS_MAX: usize = 40;

/// What a search is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this family.
    pub family: Option<String>,
    /// Only commands of at most this risk.
    pub risk_max: Option<Risk>,
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

/// The fields of a command, with their weight.
#[derive(Clone, Copy)]
enum Part {
    Name,
    Title,
    Phrases,
    Text,
    Family,
    Parameters,
}

impl Part {
    const fn weight(self) -> f64 {
        match self {
            Self::Name => 3.0,
            Self::Title => 3.0,
            Self::Phrases => 2.0,
            Self::Text => 0.7,
            Self::Family => 0.8,
            Self::Parameters => 0.25,
        }
    }
}

#[derive(Debug)]
struct Document {
    command: String,
    family: String,
    risk: Risk,
    prior: f64,
    length: f64,
    /// The terms of each phrase, and of the title, without repetition.
    phrases: Vec<Vec<u32>>,
}

/// The index over all commands of a catalog.
#[derive(Debug)]
pub struct Index {
    documents: Vec<Document>,
    terms: HashMap<String, u32>,
    /// For each term: the documents that have it, with its weighted frequency there.
    postings: Vec<Vec<(u32, f64)>>,
    rarity: Vec<f64>,
    length_mean: f64,
    synonyms: HashMap<String, Vec<String>>,
}

impl Index {
    /// Builds the index.
    #[must_use]
    pub fn new(catalog: &Catalog) -> Self {
        let mut builder = Builder::default();
        let families: HashMap<String, String> =
            catalog.families().into_iter().map(|family| (family.name.clone(), format!("{} {}", family.title, family.text))).collect();
        for command in catalog.commands() {
            let words = catalog.words(&command);
            builder.add(&command, &words, families.get(&command.family).map_or("", String::as_str));
        }
        builder.finish()
    }

    /// The best commands for a request in anybody's words, best first.
    #[must_use]
    pub fn search(&self, query: &str, filter: &Filter, limit: usize) -> Vec<Hit> {
        let wanted = self.read(query);
        let mut scores: HashMap<u32, (f64, Vec<String>)> = HashMap::new();
        for (word, variants) in &wanted {
            for (document, score) in self.best_of(variants) {
                let entry = scores.entry(document).or_default();
                entry.0 += score;
                entry.1.push(word.clone());
            }
        }
        let mass: BTreeMap<u32, f64> = wanted.iter().flat_map(|(_, variants)| variants).map(|(term, weight)| (*term, weight * self.rarity_of(*term))).collect();
        let whole: f64 = wanted.iter().filter_map(|(_, variants)| variants.first()).map(|(term, _)| self.rarity_of(*term)).sum();
        let exact = query.trim().to_ascii_lowercase();
        let mut hits: Vec<Hit> = scores
            .into_iter()
            .filter_map(|(at, (score, matched))| {
                let document = self.documents.get(usize::try_from(at).ok()?)?;
                let fits = filter.family.as_ref().is_none_or(|family| *family == document.family) && filter.risk_max.is_none_or(|max| document.risk <= max);
                let named = if document.command.eq_ignore_ascii_case(&exact) { 1000.0 } else { 0.0 };
                let score = (score + PHRASE_WEIGHT * self.nearest_phrase(document, &mass, whole)) * document.prior + named;
                fits.then(|| Hit { command: document.command.clone(), score, matched })
            })
            .collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.command.cmp(&b.command)));
        hits.truncate(limit);
        hits
    }

    /// The words of a query, each with the terms it may stand for and their weight.
    fn read(&self, query: &str) -> Vec<(String, Vec<(u32, f64)>)> {
        let mut wanted = Vec::new();
        let terms = text::terms(query);
        let pairs: Vec<String> = terms.windows(2).map(|pair| pair.join("-")).collect();
        for word in terms.into_iter().chain(pairs).take(QUERY_TERMS_MAX) {
            let mut variants: Vec<(u32, f64)> = Vec::new();
            if let Some(term) = self.terms.get(&word) {
                variants.push((*term, 1.0));
            }
            let synonyms = self.synonyms.get(&word).into_iter().flatten();
            variants.extend(synonyms.filter_map(|synonym| self.terms.get(synonym)).map(|term| (*term, SYNONYM_WEIGHT)));
            if variants.is_empty() && !word.contains('-') {
                variants.extend(self.repair(&word).map(|term| (term, REPAIR_WEIGHT)));
            }
            if !variants.is_empty() {
                wanted.push((word, variants));
            }
        }
        wanted
    }

    /// The term that a mistyped word was meant to be.
    fn repair(&self, word: &str) -> Option<u32> {
        if word.chars().count() < REPAIR_LETTERS_MIN {
            return None;
        }
        let first = word.chars().next();
        let near = self.terms.keys().filter(|term| term.chars().next() == first && term.len().abs_diff(word.len()) <= 2).map(String::as_str);
        crate::call::closest(word, near).and_then(|term| self.terms.get(term)).copied()
    }

    /// For each document the best that any variant of a word scores there.
    fn best_of(&self, variants: &[(u32, f64)]) -> HashMap<u32, f64> {
        let mut best: HashMap<u32, f64> = HashMap::new();
        for (term, weight) in variants {
            let Some(postings) = usize::try_from(*term).ok().and_then(|term| self.postings.get(term)) else { continue };
            for (document, frequency) in postings {
                let length = usize::try_from(*document).ok().and_then(|at| self.documents.get(at)).map_or(1.0, |document| document.length / self.length_mean);
                let saturated = frequency * (SATURATION + 1.0) / (frequency + SATURATION * (1.0 - LENGTH_DISCOUNT + LENGTH_DISCOUNT * length));
                let score = weight * self.rarity_of(*term) * saturated;
                best.entry(*document).and_modify(|known| *known = known.max(score)).or_insert(score);
            }
        }
        best
    }

    /// How near the nearest phrase comes to the query as a whole, from 0 to 1.
    fn nearest_phrase(&self, document: &Document, mass: &BTreeMap<u32, f64>, whole: f64) -> f64 {
        let nearness = |phrase: &Vec<u32>| {
            let own: f64 = phrase.iter().map(|term| self.rarity_of(*term)).sum();
            let common: f64 = phrase.iter().filter_map(|term| mass.get(term)).sum();
            if own > 0.0 && whole > 0.0 { (common * common / (own * whole)).min(1.0) } else { 0.0 }
        };
        document.phrases.iter().map(nearness).fold(0.0, f64::max)
    }

    fn rarity_of(&self, term: u32) -> f64 {
        usize::try_from(term).ok().and_then(|term| self.rarity.get(term)).copied().unwrap_or_default()
    }
}

#[derive(Default)]
struct Builder {
    documents: Vec<Document>,
    terms: HashMap<String, u32>,
    postings: Vec<Vec<(u32, f64)>>,
}

impl Builder {
    fn add(&mut self, command: &Command, words: &Words, family: &str) {
        let at = u32::try_from(self.documents.len()).unwrap_or(u32::MAX);
        let mut frequencies: HashMap<u32, f64> = HashMap::new();
        let mut length = 0.0;
        let parameters = command.parameters.iter().map(|parameter| parameter.name.as_str()).collect::<Vec<_>>().join(" ");
        let phrases = words.phrases.join(" \n ");
        let parts: [(Part, &str); 6] = [
            (Part::Name, &command.name),
            (Part::Title, &words.title),
            (Part::Phrases, &phrases),
            (Part::Text, &words.text),
            (Part::Family, family),
            (Part::Parameters, &parameters),
        ];
        for (part, text) in parts {
            for term in self.terms_of(text) {
                *frequencies.entry(term).or_default() += part.weight();
                length += part.weight();
            }
        }
        for (term, frequency) in frequencies {
            if let Some(postings) = usize::try_from(term).ok().and_then(|term| self.postings.get_mut(term)) {
                postings.push((at, frequency));
            }
        }
        let whole = words.phrases.iter().map(String::as_str).chain([words.title.as_str()]);
        let phrases = whole.map(|phrase| self.distinct_terms_of(phrase)).collect();
        self.documents.push(Document {
            command: command.name.clone(),
            family: command.family.clone(),
            risk: command.risk,
            prior: prior(command),
            length,
            phrases,
        });
    }

    fn terms_of(&mut self, text: &str) -> Vec<u32> {
        text::terms(text).into_iter().map(|term| self.number(term)).collect()
    }

    fn distinct_terms_of(&mut self, text: &str) -> Vec<u32> {
        let mut terms = self.terms_of(text);
        terms.sort_unstable();
        terms.dedup();
        terms
    }

    fn number(&mut self, term: String) -> u32 {
        let next = u32::try_from(self.terms.len()).unwrap_or(u32::MAX);
        let number = *self.terms.entry(term).or_insert(next);
        if number == next {
            self.postings.push(Vec::new());
        }
        number
    }

    fn finish(self) -> Index {
        #[expect(clippy::cast_precision_loss, reason = "a thousand commands are far from the limit")]
        let count = self.documents.len() as f64;
        let length_mean = self.documents.iter().map(|document| document.length).sum::<f64>() / count.max(1.0);
        #[expect(clippy::cast_precision_loss, reason = "a thousand commands are far from the limit")]
        let rarity = self.postings.iter().map(|postings| postings.len() as f64).map(|with| ((count - with + 0.5) / (with + 0.5) + 1.0).ln()).collect();
        Index { documents: self.documents, terms: self.terms, postings: self.postings, rarity, length_mean: length_mean.max(1.0), synonyms: synonyms() }
    }
}

/// How likely a command is meant at all.
fn prior(command: &Command) -> f64 {
    let exotic = command.build != Build::Default
        || ["sdn_", "baremetal", "storage_plugins", "simulator", "vmware"].iter().any(|start| command.family.starts_with(start));
    let admin = command.roles.as_ref().is_some_and(|roles| !roles.contains(&RoleType::User));
    (if exotic { EXOTIC_WEIGHT } else { 1.0 }) * (if admin { ADMIN_WEIGHT } else { 1.0 })
}

/// `catalog/synonyms.tsv`: CloudStack's word, and what people say instead; several words are joined by `-`.
fn synonyms() -> HashMap<String, Vec<String>> {
    let mut synonyms: HashMap<String, Vec<String>> = HashMap::new();
    for line in Table::new(include_str!("../../../../catalog/synonyms.tsv")).lines() {
        let Some((word, others)) = line.split_once('\t') else { continue };
        let meant = if word == "virtualmachine" { vec![text::stem("virtual"), text::stem("machine"), text::stem("instance")] } else { vec![text::stem(word)] };
        for other in others.split_whitespace() {
            let key = other.split('-').map(text::stem).collect::<Vec<_>>().join("-");
            synonyms.entry(key).or_default().extend(meant.clone());
        }
    }
    synonyms
}
