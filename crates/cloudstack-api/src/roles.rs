//! Who may call what: the role's rules in order, first match wins; where none matches, the command's own role types.
//!
//! This reproduces what real servers list, role by role, without a difference (wire facts §2.7).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalog::{Command, RoleType};

/// A role: its type and its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: RoleType,
    /// Its rules in order.
    pub rules: Vec<Rule>,
}

/// A rule of a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// A command name, or a pattern with `*`.
    pub pattern: String,
    /// Whether the rule allows or denies.
    pub permission: Permission,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// The command may be called.
    Allow,
    /// It may not.
    Deny,
}

impl Rule {
    /// Whether the rule speaks of this command. Case does not matter, `*` stands for any text.
    #[must_use]
    pub fn matches(&self, command: &str) -> bool {
        matches_pattern(&self.pattern.to_ascii_lowercase(), &command.to_ascii_lowercase())
    }
}

impl Role {
    /// Whether somebody in this role may call a command.
    ///
    /// Says nothing about whether a server has the command at all.
    #[must_use]
    pub fn allows(&self, command: &Command) -> bool {
        match self.rules.iter().find(|rule| rule.matches(&command.name)) {
            Some(rule) => rule.permission == Permission::Allow,
            None => command.roles.as_ref().is_some_and(|types| types.contains(&self.kind)),
        }
    }
}

/// Reads the default roles of a release from `catalog/roles.json`.
#[must_use]
pub fn default_roles(line: &str) -> BTreeMap<String, Role> {
    serde_json::from_str::<BTreeMap<String, BTreeMap<String, Role>>>(include_str!("../../../catalog/roles.json"))
        .unwrap_or_default()
        .remove(line)
        .unwrap_or_default()
}

/// Matches a pattern in which `*` stands for any text.
#[must_use]
pub fn matches_pattern(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    (0..=rest.len()).filter_map(|at| rest.get(at..)).any(|rest| matches_pattern(tail, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(matches_pattern("list*", "listzones"));
        assert!(matches_pattern("*", "anything"));
        assert!(matches_pattern("*vm*snapshot", "createvmsnapshot"));
        assert!(!matches_pattern("list*", "createlist"));
    }
}
