//! Which commands have behaviour which follow the rules of most kinds, and which are answered generically; the coverage page is made from it.

use std::sync::Arc;

use cloudstack_api::catalog::{Catalog, Command};

use crate::{generic, nouns, world::shelf};

/// How a command is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By behaviour of its own, or by reading objects that have behaviour.
    Behaviour,
    /// By the rules that hold for most kinds: made, listed, changed, switched and deleted.
    Rule,
    /// From what the catalog declares of the answer alone.
    Generic,
}

/// How each command of a catalog is answered, sorted by name.
#[must_use]
pub fn coverage(catalog: &Catalog) -> Vec<(String, How)> {
    let how = |command: &Arc<Command>| {
        let modelled = command.is_list() && nouns::NOUNS.iter().any(|noun| noun.entities.contains(&command.shape.as_str()));
        let is_open = nouns::password::answer(&command.name).is_some() || command.name == nouns::factor::VALIDATE;
        if nouns::handler(&command.name).is_some() || modelled || is_open || matches!(command.name.as_str(), "login" | "logout") {
            How::Behaviour
        } else if generic::is_by_rule(command, catalog) || shelf::lists(catalog, &command.name) {
            How::Rule
        } else {
            How::Generic
        }
    };
    catalog.commands().map(|command| (command.name.clone(), how(&command))).collect()
}
