//! What the words of a command's name say that it does: make, take away, change a state, join two things or part them.

use cloudstack_api::catalog::{Catalog, Command};

/// First words of commands that make an object.
const MAKING: &[&str] = &[
    "create",
    "add",
    "register",
    "upload",
    "import",
    "configure",
    "dedicate",
    "deploy",
    "copy",
    "allocate",
    "acquire",
    "associate",
    "issue",
    "ldap",
    "assign",
    "reserve",
];
/// First words of commands that take an object away.
const TAKING: &[&str] = &["delete", "remove", "destroy", "revoke", "disassociate", "expunge", "unregister"];
/// First words of commands that put two things together, where the name says `To`.
const JOINING: &[&str] = &["add", "assign", "apply", "attach", "associate"];
/// First words of commands that change a state: the word, the state, and what a truth value becomes.
const TURNING: &[(&str, &str, bool)] = &[
    ("enable", "Enabled", true),
    ("disable", "Disabled", false),
    ("start", "Running", true),
    ("stop", "Stopped", false),
    ("activate", "Active", true),
    ("suspend", "Suspended", false),
    ("manage", "Managed", true),
    ("unmanage", "Unmanaged", false),
    ("archive", "Archived", false),
];

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Makes an object, or changes it where the call names one.
    Make,
    /// Takes objects away.
    Take,
    /// Puts an object into a state, by its word or by a truth value.
    Turn(&'static str, bool),
    /// Puts other objects to one.
    Join,
    /// Takes other objects off one.
    Part,
    /// Writes the arguments into an object, or describes something.
    Change,
}

/// The lower-case word that a command's name starts with.
fn first_word(name: &str) -> &str {
    name.find(char::is_uppercase).and_then(|at| name.get(..at)).unwrap_or(name)
}

/// Whether a command takes objects away.
pub(super) fn is_taking(name: &str) -> bool {
    TAKING.contains(&first_word(name))
}

/// Whether a command changes what is there.
pub(super) fn is_update(name: &str) -> bool {
    first_word(name) == "update"
}

/// What a command's name speaks of: all after its first word.
pub(super) fn noun(name: &str) -> &str {
    name.get(first_word(name).len()..).unwrap_or_default()
}

/// What a command does.
pub(super) fn deed(command: &Command, catalog: &Catalog) -> Deed {
    let (verb, noun) = (first_word(&command.name), noun(&command.name));
    let says = |word: &str| noun.match_indices(word).any(|(at, _)| noun.get(at + word.len()..).is_some_and(|rest| rest.starts_with(char::is_uppercase)));
    if JOINING.contains(&verb) && (says("To") || verb == "apply") {
        return Deed::Join;
    }
    // What was applied is removed from where it was, and stays.
    let is_applied = || catalog.is_known(&format!("apply{noun}"));
    if TAKING.contains(&verb) {
        return if says("From") || verb == "remove" && is_applied() { Deed::Part } else { Deed::Take };
    }
    if let Some((_, state, flag)) = TURNING.iter().find(|(word, ..)| *word == verb) {
        return Deed::Turn(state, *flag);
    }
    if MAKING.contains(&verb) { Deed::Make } else { Deed::Change }
}

#[cfg(test)]
mod tests {
    use cloudstack_api::catalog::Release;

    use super::*;

    #[test]
    fn names_tell_what_commands_do() {
        let catalog = Catalog::embedded(Release::NEWEST);
        let told = |name: &str| deed(&catalog.command(name).unwrap(), &catalog);
        assert_eq!(told("addUcsManager"), Deed::Make);
        assert_eq!(told("deleteUcsManager"), Deed::Take);
        assert_eq!(told("enableCiscoNexusVSM"), Deed::Turn("Enabled", true));
        assert_eq!(told("addTungstenFabricNetworkGatewayToLogicalRouter"), Deed::Join);
        assert_eq!(told("removeTungstenFabricNetworkGatewayFromLogicalRouter"), Deed::Part);
        assert_eq!(told("removeTungstenFabricTag"), Deed::Part);
        assert_eq!(told("deleteTungstenFabricTag"), Deed::Take);
        assert_eq!(told("removeVmwareDc"), Deed::Take);
        assert_eq!(told("updateStorageCapabilities"), Deed::Change);
    }
}
