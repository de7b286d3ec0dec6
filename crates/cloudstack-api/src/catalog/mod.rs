//! The catalog: every command of every supported release, as rows.
//!
//! A [`Catalog`] is a view of the embedded tables for one release. Opening it indexes lines and parses nothing; a row is
//! parsed when somebody asks for it, once. What CloudStack declares is in `catalog/commands.jsonl` and `shapes.jsonl`
//! (generated), what we know besides in the other tables (curated). A malformed row is a defect of the build, held by
//! the whole-table tests; at run time such a row counts as absent.

mod command;
mod encoding;
mod names;
mod release;
mod risk;
mod row;
mod table;
mod words;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use serde::Deserialize;

pub use self::{
    command::{Build, Command, Field, Parameter, ParameterType, ReplyShape, RoleType, RoleTypeError, Setting},
    encoding::{MapEncoding, RecordKey},
    names::Lookup,
    release::{Release, ReleaseError},
    risk::{Raise, Risk, RiskError, When},
    table::Table,
    words::{Group, GroupRule, Values, Words},
};
use self::{row::ShapeRow, words::SharedText};

/// A family of commands: a toolset that a person can choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// The name that `--toolsets` takes.
    pub name: String,
    /// A short title.
    pub title: String,
    /// What is in it, in a sentence.
    pub text: String,
    /// The broad area it belongs to.
    pub area: String,
}

impl Family {
    /// Whether its commands are for one vendor's product, for extensions or for tests, and of no use in most clouds.
    #[must_use]
    pub fn is_plugin(&self) -> bool {
        self.area == "plugins"
    }
}

/// The commands of one release.
#[derive(Debug)]
pub struct Catalog {
    release: Release,
    tables: Tables,
    cells: Vec<OnceLock<Option<Arc<Command>>>>,
    shapes: Vec<OnceLock<Arc<Vec<Field>>>>,
    shared: OnceLock<HashMap<String, Vec<SharedText>>>,
    values: OnceLock<HashMap<String, Vec<Arc<Values>>>>,
    groups: OnceLock<HashMap<String, Vec<Arc<Group>>>>,
    lookups: OnceLock<HashMap<String, Arc<Lookup>>>,
}

#[derive(Debug)]
struct Tables {
    commands: Table,
    shapes: Table,
    words: Table,
    risk: Table,
    maps: Table,
    membership: Table,
}

impl Catalog {
    /// Opens the embedded catalog for a release.
    #[must_use]
    pub fn embedded(release: Release) -> Self {
        let tables = Tables {
            commands: Table::new(include_str!("../../../../catalog/commands.jsonl")),
            shapes: Table::new(include_str!("../../../../catalog/shapes.jsonl")),
            words: Table::new(include_str!("../../../../catalog/words.jsonl")),
            risk: Table::new(include_str!("../../../../catalog/risk.tsv")),
            maps: Table::new(include_str!("../../../../catalog/maps.tsv")),
            membership: Table::new(include_str!("../../../../catalog/membership.tsv")),
        };
        Self {
            release,
            cells: (0..tables.commands.len()).map(|_| OnceLock::new()).collect(),
            shapes: (0..tables.shapes.len()).map(|_| OnceLock::new()).collect(),
            tables,
            shared: OnceLock::new(),
            values: OnceLock::new(),
            groups: OnceLock::new(),
            lookups: OnceLock::new(),
        }
    }

    /// The release it was opened for.
    #[must_use]
    pub fn release(&self) -> Release {
        self.release
    }

    /// The command with exactly this name, if the release has it.
    #[must_use]
    pub fn command(&self, name: &str) -> Option<Arc<Command>> {
        self.at(self.tables.commands.position(name)?)
    }

    /// The command with this name in any case and with or without `_`, `-` and blanks between its words.
    #[must_use]
    pub fn command_like(&self, name: &str) -> Option<Arc<Command>> {
        self.command(name).or_else(|| {
            let plain = plain_name(name);
            (0..self.tables.commands.len()).find(|&at| self.tables.commands.key(at).is_some_and(|key| plain_name(key) == plain)).and_then(|at| self.at(at))
        })
    }

    /// All commands of the release, sorted by name.
    pub fn commands(&self) -> impl Iterator<Item = Arc<Command>> + '_ {
        (0..self.cells.len()).filter_map(|position| self.at(position))
    }

    /// Whether some release knows a command by this name, though perhaps not this one.
    #[must_use]
    pub fn is_known(&self, name: &str) -> bool {
        self.tables.commands.position(name).is_some()
    }

    /// The fields of the object that a command replies with, for the release; empty where nothing is declared.
    #[must_use]
    pub fn fields(&self, command: &Command) -> Arc<Vec<Field>> {
        let Some(position) = self.tables.shapes.position(&command.shape) else { return Arc::default() };
        let Some(cell) = self.shapes.get(position) else { return Arc::default() };
        let parse =
            || self.tables.shapes.line(position).and_then(|line| serde_json::from_str::<ShapeRow>(line).ok()).map(|row| Arc::new(row.fields(self.release)));
        Arc::clone(cell.get_or_init(|| parse().unwrap_or_default()))
    }

    /// Our words about a command; plain ones made from its name where there are none yet.
    #[must_use]
    pub fn words(&self, command: &Command) -> Words {
        let written = self.tables.words.find(&command.name).and_then(|line| serde_json::from_str(line).ok());
        written.unwrap_or_else(|| Words { title: spaced_name(&command.name), text: format!("{}.", spaced_name(&command.name)), ..Words::default() })
    }

    /// Our words about a parameter: the command's own, else those shared by family, by kind of object, by name; of each
    /// kind first those for commands that begin with the same verb.
    #[must_use]
    pub fn parameter_text(&self, command: &Command, words: &Words, parameter: &Parameter) -> Option<String> {
        if let Some(own) = words.parameters.get(&parameter.name) {
            return Some(own.clone());
        }
        let shared = self.shared.get_or_init(|| grouped(include_str!("../../../../catalog/parameters.jsonl"), |text: &SharedText| vec![text.name.clone()]));
        let texts = shared.get(&parameter.name)?;
        let by_family = shared_by(texts, command, |text| text.family.as_deref() == Some(command.family.as_str()));
        let by_entity = || shared_by(texts, command, |text| text.of.is_some() && text.of.as_ref() == parameter.entity.first());
        let by_name = || shared_by(texts, command, |text| text.of.is_none() && text.family.is_none());
        by_family.or_else(by_entity).or_else(by_name).map(|text| text.text.clone())
    }

    /// The accepted values of a parameter, where we know them.
    #[must_use]
    pub fn values(&self, command: &str, parameter: &str) -> Option<Arc<Values>> {
        let values =
            self.values.get_or_init(|| grouped(include_str!("../../../../catalog/values.jsonl"), |values: &Arc<Values>| vec![values.parameter.clone()]));
        let candidates = values.get(parameter)?;
        let particular = candidates.iter().find(|values| values.commands.iter().any(|name| name == command));
        particular.or_else(|| candidates.iter().find(|values| values.concerns(command))).cloned()
    }

    /// The rules between parameters of a command.
    #[must_use]
    pub fn groups(&self, command: &str) -> &[Arc<Group>] {
        let groups = self.groups.get_or_init(|| grouped(include_str!("../../../../catalog/groups.jsonl"), |group: &Arc<Group>| group.commands.clone()));
        groups.get(command).map(Vec::as_slice).unwrap_or_default()
    }

    /// How the name of this kind of object (`ZoneResponse`) becomes its id, if it can.
    #[must_use]
    pub fn lookup(&self, entity: &str) -> Option<Arc<Lookup>> {
        let lookups = self.lookups.get_or_init(|| names::read(include_str!("../../../../catalog/names.tsv")));
        lookups.get(entity).cloned()
    }

    /// The same within a command: where one word stands for several kinds of object (a template and an ISO are both
    /// `TemplateResponse`), the command's family decides.
    #[must_use]
    pub fn lookup_in(&self, command: &Command, entity: &str) -> Option<Arc<Lookup>> {
        self.lookup(&format!("{entity}@{}", command.family)).or_else(|| self.lookup(entity))
    }

    /// All families, sorted by name.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        let line = |line: &'static str| {
            let mut columns = line.split('\t').map(str::to_owned);
            Some(Family { name: columns.next()?, title: columns.next()?, text: columns.next()?, area: columns.next()? })
        };
        Table::new(include_str!("../../../../catalog/families.tsv")).lines().filter_map(line).collect()
    }

    fn at(&self, position: usize) -> Option<Arc<Command>> {
        self.cells.get(position)?.get_or_init(|| row::parse(&self.tables, position, self.release).map(Arc::new)).clone()
    }
}

/// The shared text of one kind that fits a command best: one for its verb, else one for all verbs.
fn shared_by<'a>(texts: &'a [SharedText], command: &Command, is_of_kind: impl Fn(&SharedText) -> bool) -> Option<&'a SharedText> {
    let fitting = || texts.iter().filter(|text| is_of_kind(text));
    let is_of_verb = |text: &&SharedText| text.verb.as_ref().is_some_and(|verb| command.name.starts_with(verb.as_str()));
    fitting().find(is_of_verb).or_else(|| fitting().find(|text| text.verb.is_none()))
}

/// The rows of a JSON Lines text, each under all of its keys.
fn grouped<T: for<'de> Deserialize<'de> + Clone>(text: &str, keys: impl Fn(&T) -> Vec<String>) -> HashMap<String, Vec<T>> {
    let mut groups: HashMap<String, Vec<T>> = HashMap::new();
    for row in text.lines().filter_map(|line| serde_json::from_str::<T>(line).ok()) {
        for key in keys(&row) {
            groups.entry(key).or_default().push(row.clone());
        }
    }
    groups
}

fn plain_name(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// `deployVirtualMachine` → `Deploy virtual machine`; runs of capitals stay together.
#[must_use]
pub fn spaced_name(name: &str) -> String {
    let words = crate::schema::snake_case(name).replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}
