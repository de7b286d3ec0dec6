//! Which commands have behaviour and which are answered generically; the coverage page is made from it.

use cloudstack_api::catalog::Catalog;

use crate::nouns;

/// How a command is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By behaviour of its own, or by reading objects that have behaviour.
    Behaviour,
    /// From what the catalog declares.
    Generic,
}

/// How each command of a catalog is answered, sorted by name.
#[must_use]
pub fn coverage(catalog: &Catalog) -> Vec<(String, How)> {
    let how = |name: &str, shape: &str, is_list: bool| {
        let modelled = is_list && nouns::NOUNS.iter().any(|noun| noun.entities.contains(&shape));
        if nouns::handler(name).is_some() || modelled || matches!(name, "login" | "logout") { How::Behaviour } else { How::Generic }
    };
    catalog.commands().map(|command| (command.name.clone(), how(&command.name, &command.shape, command.is_list()))).collect()
}
