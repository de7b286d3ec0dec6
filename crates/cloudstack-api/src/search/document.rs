//! What the index holds of a command, and how it is made from the catalog's words.

use std::collections::{BTreeMap, HashMap};

use super::{gloss::Gloss, text};
use crate::{
    catalog::{Build, Command, Release, Risk, RoleType, Words},
    roles::Role,
};

/// What exotic commands count: those of plugins and special builds are rarely meant.
const EXOTIC_WEIGHT: f32 = 0.86;
/// What commands that tenants may not call count.
const ADMIN_WEIGHT: f32 = 0.93;
/// What the doubles of a plain listing count.
const VARIANT_WEIGHT: f32 = 0.93;
/// How much a command gains by being asked for often.
const POPULARITY_WEIGHT: f32 = 0.15;
/// The number of phrases of an ordinary command.
const PHRASES_USUAL: f32 = 6.0;
/// Families whose commands are rarely meant.
const EXOTIC_FAMILIES: &[&str] = &["sdn_", "baremetal", "storage_plugin", "simulator", "vmware"];

/// The texts of a command, with their weight.
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
    const fn weight(self) -> f32 {
        match self {
            Self::Name | Self::Title => 3.0,
            Self::Phrases => 1.6,
            Self::Text => 0.5,
            Self::Family => 0.6,
            Self::Parameters => 0.2,
        }
    }

    const fn is_long(self) -> bool {
        matches!(self, Self::Text | Self::Family | Self::Parameters)
    }
}

/// A phrase as the terms of each of its units.
pub(super) type Phrase = Vec<Vec<u32>>;

/// A command in the index.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) command: String,
    pub(super) family: String,
    pub(super) risk: Risk,
    pub(super) since: Option<Release>,
    /// Whether the release that the index was opened for has it.
    pub(super) is_present: bool,
    /// The types of the default roles that may call it.
    pub(super) callers: Vec<RoleType>,
    /// How likely it is meant at all.
    pub(super) prior: f32,
    pub(super) length: f32,
    /// What it does, as concepts.
    pub(super) verbs: Vec<u32>,
    /// The concepts that its name consists of.
    pub(super) concepts: Vec<u32>,
}

/// The letters that stand for role types in the file.
const CALLERS: [(char, RoleType); 4] = [('A', RoleType::Admin), ('R', RoleType::ResourceAdmin), ('D', RoleType::DomainAdmin), ('U', RoleType::User)];

impl Document {
    /// Reads a line that [`Self::written`] wrote.
    pub(super) fn read(line: &str, release: Release) -> Option<Self> {
        let mut columns = line.split('\t');
        let mut next = || columns.next();
        let (command, family, risk, since) = (next()?.to_owned(), next()?.to_owned(), next()?.parse().ok()?, next()?.parse().ok());
        let callers = next()?.chars().filter_map(|letter| CALLERS.iter().find(|(known, _)| *known == letter)).map(|(_, kind)| *kind).collect();
        let (prior, length) = (next()?.parse().ok()?, next()?.parse().ok()?);
        let mut numbers = || Some(next()?.split_whitespace().filter_map(|number| number.parse().ok()).collect());
        let is_present = since.is_none_or(|since| since <= release);
        Some(Self { command, family, risk, since, is_present, callers, prior, length, verbs: numbers()?, concepts: numbers()? })
    }

    /// The document as a line, with its terms numbered by their places.
    pub(super) fn written(&self, places: &HashMap<usize, usize>) -> String {
        let numbers = |terms: &[u32]| {
            let places = terms.iter().filter_map(|term| places.get(&usize::try_from(*term).ok()?)).map(usize::to_string);
            places.collect::<Vec<_>>().join(" ")
        };
        let callers: String = CALLERS.iter().filter(|(_, kind)| self.callers.contains(kind)).map(|(letter, _)| *letter).collect();
        let since = self.since.map_or_else(|| "-".to_owned(), |since| since.to_string());
        let (verbs, concepts) = (numbers(&self.verbs), numbers(&self.concepts));
        format!("{}\t{}\t{}\t{since}\t{callers}\t{}\t{}\t{verbs}\t{concepts}\n", self.command, self.family, self.risk, self.prior, self.length)
    }
}

/// Documents in the making.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) documents: Vec<Document>,
    /// For each document: its name, its title and each phrase.
    phrases: Vec<Vec<Phrase>>,
    terms: HashMap<String, u32>,
    /// For each term: the documents that have it, with its weighted frequency there.
    pub(super) postings: Vec<Vec<(usize, f32)>>,
    /// The default roles.
    roles: BTreeMap<String, Role>,
    /// The number of the stem of each word seen in long texts; `None` for words that say nothing.
    seen: HashMap<String, Option<u32>>,
}

impl Shelf {
    /// An empty shelf; the roles say who may call what is taken up.
    pub(super) fn new(roles: BTreeMap<String, Role>) -> Self {
        Self { roles, ..Self::default() }
    }

    /// The terms with their numbers.
    pub(super) fn terms(&self) -> impl Iterator<Item = (&str, usize)> {
        self.terms.iter().filter_map(|(term, number)| Some((term.as_str(), usize::try_from(*number).ok()?)))
    }

    /// All phrases in the order of their documents, each with its document.
    pub(super) fn phrases(&self) -> impl Iterator<Item = (usize, &Phrase)> {
        self.phrases.iter().enumerate().flat_map(|(document, phrases)| phrases.iter().map(move |phrase| (document, phrase)))
    }

    /// Takes a command up.
    pub(super) fn add(&mut self, command: &Command, words: &Words, family: &str, gloss: &Gloss<'_>) {
        let at = self.documents.len();
        let parameters = command.parameters.iter().map(|parameter| parameter.name.as_str()).collect::<Vec<_>>().join(" ");
        let mut parts = vec![(Part::Name, command.name.as_str()), (Part::Title, words.title.as_str())];
        parts.extend(words.phrases.iter().map(|phrase| (Part::Phrases, phrase.as_str())));
        parts.extend([(Part::Text, words.text.as_str()), (Part::Family, family), (Part::Parameters, &parameters)]);
        let mut frequencies: HashMap<u32, f32> = HashMap::new();
        let mut length = 0.0;
        let mut phrases = Vec::new();
        for (part, text) in parts {
            let phrase = if part.is_long() { self.stems(text) } else { self.phrase(text, gloss) };
            length += part.weight() * phrase.iter().map(|_| 1.0).sum::<f32>();
            for term in phrase.iter().flatten() {
                *frequencies.entry(*term).or_default() += part.weight();
            }
            if !part.is_long() {
                phrases.push(phrase);
            }
        }
        self.phrases.push(phrases);
        for (term, frequency) in frequencies {
            if let Some(postings) = usize::try_from(term).ok().and_then(|term| self.postings.get_mut(term)) {
                postings.push((at, frequency));
            }
        }
        let verbs = self.verbs(&command.name, gloss);
        let concepts = gloss.read(&text::tokens(&command.name)).into_iter().flat_map(|unit| unit.concepts).map(|concept| self.number(concept)).collect();
        self.documents.push(Document {
            command: command.name.clone(),
            family: command.family.clone(),
            risk: command.risk,
            since: command.since,
            is_present: true,
            callers: self.roles.values().filter(|role| role.allows(command)).map(|role| role.kind).collect(),
            prior: prior(command) * popularity(words),
            length,
            verbs,
            concepts,
        });
    }

    /// A long text as the stems of its words: concepts are for what is short and to the point.
    fn stems(&mut self, text: &str) -> Phrase {
        let mut stems = Vec::new();
        for word in text::words(text) {
            let number = match self.seen.get(&word) {
                Some(number) => *number,
                None => {
                    let number = (!text::is_stop_word(&word)).then(|| self.number(text::stem(&word)));
                    self.seen.insert(word, number);
                    number
                }
            };
            stems.extend(number.map(|number| vec![number]));
        }
        stems
    }

    /// A text as terms.
    fn phrase(&mut self, text: &str, gloss: &Gloss<'_>) -> Phrase {
        let units = gloss.read(&text::tokens(text));
        units.into_iter().map(|unit| unit.stems.into_iter().chain(unit.concepts).map(|term| self.number(term)).collect()).collect()
    }

    /// The concepts of a name's first word.
    fn verbs(&mut self, name: &str, gloss: &Gloss<'_>) -> Vec<u32> {
        let first = text::tokens(name).into_iter().take(1).collect::<Vec<_>>();
        let concepts = gloss.read(&first).into_iter().flat_map(|unit| unit.concepts);
        concepts.map(|concept| self.number(concept)).collect()
    }

    fn number(&mut self, term: String) -> u32 {
        let next = u32::try_from(self.terms.len()).unwrap_or(u32::MAX);
        let number = *self.terms.entry(term).or_insert(next);
        if number == next {
            self.postings.push(Vec::new());
        }
        number
    }
}

/// What people ask for often has more phrases.
fn popularity(words: &Words) -> f32 {
    let phrases = u16::try_from(words.phrases.len()).unwrap_or(u16::MAX);
    1.0 + POPULARITY_WEIGHT * (f32::from(phrases) / PHRASES_USUAL).ln_1p()
}

fn prior(command: &Command) -> f32 {
    let exotic = command.build != Build::Default || EXOTIC_FAMILIES.iter().any(|start| command.family.starts_with(start));
    let admin = command.roles.as_ref().is_some_and(|roles| !roles.contains(&RoleType::User));
    let variant = command.name.ends_with("Metrics") || command.name.ends_with("UsageHistory");
    [(exotic, EXOTIC_WEIGHT), (admin, ADMIN_WEIGHT), (variant, VARIANT_WEIGHT)].into_iter().filter(|(so, _)| *so).map(|(_, weight)| weight).product()
}
