//! What the operator allows: rules evaluated once a call, in order, first match wins.
//!
//! Where no rule matches, the risk decides: `read`, `disclose` and `write` pass, the others are asked for.

use std::collections::BTreeMap;

use cloudstack_api::catalog::Risk;
use serde::Deserialize;

/// What the operator allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The rules in their order; the first that matches decides.
    pub rules: Vec<Rule>,
    /// Whether decisions of the rules are only recorded in the audit; the defaults by risk are in force meanwhile.
    pub shadow: bool,
}

/// One rule. A condition that is left out holds always.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it is called in explanations.
    #[serde(default)]
    pub name: String,
    /// Command names or patterns with `*`, in any case.
    #[serde(default)]
    pub commands: Vec<String>,
    /// Risks of the call, its arguments considered.
    #[serde(default)]
    pub risks: Vec<Risk>,
    /// Profiles, or patterns.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// Principals, or patterns.
    #[serde(default)]
    pub principals: Vec<String>,
    /// Arguments and the values, or patterns, that they must have: `zoneid`, `account`, `name`. Ids and names both match.
    #[serde(default)]
    pub arguments: BTreeMap<String, String>,
    /// The time of day in UTC, as in `22:00-06:00`.
    #[serde(default)]
    pub hours: Option<String>,
    /// Holds only for calls that affect more objects than this.
    #[serde(default)]
    pub affects_more_than: Option<usize>,
    /// What happens to the call.
    pub action: Action,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It passes.
    Allow,
    /// It passes once a person has approved its plan.
    Ask,
    /// It does not pass.
    Deny,
}
