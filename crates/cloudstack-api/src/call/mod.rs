//! A command with its arguments: checked, spelled, ready to be signed.
//!
//! Checking reports every fault at once and refuses what servers would silently drop or misread (wire facts §1.2, §1.6).

use std::sync::Arc;

pub(crate) use self::similar::distance;
pub use self::{
    check::{ArgumentFault, ArgumentFaults, check, quoted},
    similar::{closest, parameter_name},
};
use crate::{
    catalog::{Command, Lookup, Risk},
    wire::Pair,
};

mod check;
mod map;
mod scalar;
mod similar;
#[cfg(test)]
mod tests;

/// A checked command with its arguments as they travel.
#[derive(Clone, Debug)]
pub struct Call {
    command: Arc<Command>,
    pairs: Vec<Pair>,
}

impl Call {
    /// The command.
    #[must_use]
    pub fn command(&self) -> &Arc<Command> {
        &self.command
    }

    /// The arguments as they travel, without `command`, `response` and what signing adds. Names in lower case.
    #[must_use]
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// The value of an argument that travels under this name.
    #[must_use]
    pub fn argument(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The call with an argument set or replaced; for our own parameters such as `page` and `listall`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.pairs.retain(|(given, _)| given != name);
        self.pairs.push((name.to_owned(), value.into()));
        self
    }

    /// What this call can do: the command's risk, raised by its arguments.
    #[must_use]
    pub fn risk(&self) -> Risk {
        let raises = self.command.raises.iter().filter(|raise| raise.applies(self.argument(&raise.parameter)));
        raises.map(|raise| raise.risk).fold(self.command.risk, Ord::max)
    }
}

/// A call whose arguments are sound but may still hold names where ids are needed.
#[derive(Clone, Debug)]
pub struct Draft {
    command: Arc<Command>,
    pairs: Vec<Pair>,
    unresolved: Vec<Unresolved>,
}

/// A name that must become an id before the call can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// The parameter.
    pub parameter: String,
    /// The name that was given.
    pub name: String,
    /// The kinds of object it may name (`ZoneResponse`).
    pub entity: Vec<String>,
    /// How each of these kinds is looked up; never empty.
    pub lookups: Vec<Arc<Lookup>>,
    /// Where it stands: the travelling pair, and the item within a list.
    place: (usize, usize),
}

impl Draft {
    /// The command.
    #[must_use]
    pub fn command(&self) -> &Arc<Command> {
        &self.command
    }

    /// The names that must become ids.
    #[must_use]
    pub fn unresolved(&self) -> &[Unresolved] {
        &self.unresolved
    }

    /// The argument with this name as it would travel, names not yet replaced.
    #[must_use]
    pub fn argument(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Puts the ids, one for each of [`Self::unresolved`] in order, in place of the names.
    #[must_use]
    pub fn resolve(self, ids: &[String]) -> Call {
        let mut pairs = self.pairs;
        for (unresolved, id) in self.unresolved.iter().zip(ids) {
            let (at, item) = unresolved.place;
            if let Some((_, value)) = pairs.get_mut(at) {
                let mut items: Vec<&str> = value.split(',').collect();
                if let Some(slot) = items.get_mut(item) {
                    *slot = id;
                }
                *value = items.join(",");
            }
        }
        Call { command: self.command, pairs }
    }
}
