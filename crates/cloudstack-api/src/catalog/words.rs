//! What we say about commands and parameters: titles, descriptions, phrases, examples, accepted values.
//!
//! All of it is written by us for a reader who must choose a command and fill it in; none of it is CloudStack's text.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// The words of one command.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Words {
    /// A short imperative: `Resize a volume`.
    pub title: String,
    /// What it does and does not, when to use a sibling, what it needs first, what cannot be undone.
    pub text: String,
    /// How people ask for it who do not know CloudStack.
    #[serde(default)]
    pub phrases: Vec<String>,
    /// Argument sets that pass the argument check.
    #[serde(default)]
    pub examples: Vec<Map<String, Value>>,
    /// Parameters whose meaning is particular to this command.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// Reply fields whose meaning, unit or coding is not obvious.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// How to undo it, or that it cannot be.
    #[serde(default)]
    pub undo: Option<String>,
}

/// A text about a parameter that several commands share.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct SharedText {
    pub(super) name: String,
    /// Only where the parameter takes the id of this kind of object.
    #[serde(default)]
    pub(super) of: Option<String>,
    /// Only in commands of this family.
    #[serde(default)]
    pub(super) family: Option<String>,
    /// Only in commands whose names begin with this word (`list`, `update`): there the same name is a filter, here a new value.
    #[serde(default)]
    pub(super) verb: Option<String>,
    pub(super) text: String,
}

/// The accepted values of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Values {
    /// The parameter's name.
    pub parameter: String,
    /// The commands it is so in; `*` alone for all.
    #[serde(deserialize_with = "one_or_many")]
    pub commands: Vec<String>,
    /// Whether the server refuses everything else.
    pub closed: bool,
    /// Each value in its exact spelling, with its meaning.
    pub values: BTreeMap<String, String>,
}

impl Values {
    /// Whether it speaks of this command.
    #[must_use]
    pub fn concerns(&self, command: &str) -> bool {
        self.commands.iter().any(|name| name == "*" || name == command)
    }
}

/// A rule between parameters of a command.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Group {
    /// The commands it holds in.
    pub commands: Vec<String>,
    /// What it says.
    pub rule: GroupRule,
    /// The parameters it is about; for `requires` the first needs the others.
    pub parameters: Vec<String>,
    /// The rule as a sentence.
    pub text: String,
    /// For `one_of`: the most that may be given, where that is limited.
    #[serde(default)]
    pub max: Option<usize>,
}

/// What a [`Group`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupRule {
    /// All or none.
    Together,
    /// At least one.
    OneOf,
    /// At most one.
    Exclusive,
    /// The first only with the others.
    Requires,
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}
