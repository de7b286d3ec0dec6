//! What the operator allows: rules evaluated once a call, in order, first match wins.
//!
//! Where no rule matches, the risk decides: `read`, `disclose` and `write` pass, the others are asked for.

use std::{collections::BTreeMap, time::Duration};

use cloudstack_api::{catalog::Risk, roles::matches_pattern};
use serde::Deserialize;

/// The greatest risk that passes without being asked for, where no rule says otherwise.
const RISK_FREE_MAX: Risk = Risk::Write;
const MINUTES_A_DAY: u64 = 24 * 60;

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

/// What a call is, as far as rules ask for it.
#[derive(Clone, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) command: &'a str,
    pub(crate) risk: Risk,
    pub(crate) profile: &'a str,
    pub(crate) principal: &'a str,
    /// Arguments as they travel, and the names that stood for ids: both match.
    pub(crate) arguments: Vec<(&'a str, &'a str)>,
    /// How many objects it affects, as far as known.
    pub(crate) affects: usize,
    /// Wall-clock time since 1970.
    pub(crate) now: Duration,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) action: Action,
    /// Which rule decided, in words.
    pub(crate) by: String,
    /// What the rules would have decided, were they in force.
    pub(crate) shadow: Option<String>,
}

impl Policy {
    /// Decides about a call.
    pub(crate) fn decide(&self, asked: &Asked<'_>) -> Decision {
        let default = if asked.risk <= RISK_FREE_MAX { Action::Allow } else { Action::Ask };
        let by_risk = format!("the default for risk `{}`", asked.risk);
        let matching = self.rules.iter().enumerate().find(|(_, rule)| rule.matches(asked));
        let Some((at, rule)) = matching else { return Decision { action: default, by: by_risk, shadow: None } };
        let by = if rule.name.is_empty() { format!("rule {}", at + 1) } else { format!("rule `{}`", rule.name) };
        if self.shadow {
            return Decision { action: default, by: by_risk, shadow: Some(format!("{by}: {}", rule.action.word())) };
        }
        Decision { action: rule.action, by, shadow: None }
    }

    /// Whether some rule asks how many objects are affected.
    pub(crate) fn counts(&self) -> bool {
        self.rules.iter().any(|rule| rule.affects_more_than.is_some())
    }

    /// What is wrong with the rules.
    pub(crate) fn faults(&self) -> Vec<String> {
        let hours = self.rules.iter().enumerate().filter(|(_, rule)| rule.hours.as_deref().is_some_and(|hours| minutes_of(hours).is_none()));
        hours.map(|(at, rule)| format!("rule {}: `{}` are no hours; write them as `22:00-06:00`", at + 1, rule.hours.as_deref().unwrap_or_default())).collect()
    }
}

impl Action {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

impl Rule {
    fn matches(&self, asked: &Asked<'_>) -> bool {
        let any = |patterns: &[String], text: &str| patterns.is_empty() || patterns.iter().any(|pattern| fits(pattern, text));
        let argument = |(name, pattern): (&String, &String)| {
            asked.arguments.iter().any(|(given, value)| given == name && value.split(',').any(|value| fits(pattern, value)))
        };
        any(&self.commands, asked.command)
            && (self.risks.is_empty() || self.risks.contains(&asked.risk))
            && any(&self.profiles, asked.profile)
            && any(&self.principals, asked.principal)
            && self.arguments.iter().all(argument)
            && self.hours.as_deref().is_none_or(|hours| within(hours, asked.now))
            && self.affects_more_than.is_none_or(|most| asked.affects > most)
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    matches_pattern(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase())
}

/// Whether a moment lies in hours such as `22:00-06:00`; hours that cannot be read hold never.
fn within(hours: &str, now: Duration) -> bool {
    let Some((from, to)) = minutes_of(hours) else { return false };
    let minute = now.as_secs() / 60 % MINUTES_A_DAY;
    if from <= to { (from..to).contains(&minute) } else { minute >= from || minute < to }
}

fn minutes_of(hours: &str) -> Option<(u64, u64)> {
    let minute = |text: &str| {
        let (hour, minute) = text.trim().split_once(':')?;
        let (hour, minute) = (hour.parse::<u64>().ok()?, minute.parse::<u64>().ok()?);
        (hour <= 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let (from, to) = hours.split_once('-')?;
    Some((minute(from)?, minute(to)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(command: &str, risk: Risk) -> Asked<'_> {
        Asked { command, risk, profile: "lab", principal: "cli", arguments: vec![("zoneid", "zone-1")], affects: 3, now: Duration::from_secs(23 * 3600) }
    }

    fn rule(action: Action) -> Rule {
        Rule {
            name: String::new(),
            commands: Vec::new(),
            risks: Vec::new(),
            profiles: Vec::new(),
            principals: Vec::new(),
            arguments: BTreeMap::new(),
            hours: None,
            affects_more_than: None,
            action,
        }
    }

    fn decided(rule: Rule, command: &str, risk: Risk) -> Action {
        Policy { rules: vec![rule], shadow: false }.decide(&asked(command, risk)).action
    }

    #[test]
    fn without_rules_the_risk_decides() {
        let actions = Risk::ALL.map(|risk| Policy::default().decide(&asked("x", risk)).action);
        assert_eq!(actions, [Action::Allow, Action::Allow, Action::Allow, Action::Ask, Action::Ask, Action::Ask]);
    }

    #[test]
    fn a_rule_matches_when_all_of_its_conditions_hold() {
        let deny = |change: fn(&mut Rule)| {
            let mut rule = rule(Action::Deny);
            change(&mut rule);
            decided(rule, "deleteZone", Risk::Raze) == Action::Deny
        };
        assert!(deny(|rule| rule.commands = vec!["DELETE*".to_owned()]));
        assert!(!deny(|rule| rule.commands = vec!["list*".to_owned()]));
        assert!(deny(|rule| rule.hours = Some("22:00-06:00".to_owned())));
        assert!(!deny(|rule| rule.hours = Some("06:00-22:00".to_owned())));
        assert!(deny(|rule| rule.affects_more_than = Some(2)));
        assert!(!deny(|rule| rule.affects_more_than = Some(3)));
        assert!(deny(|rule| rule.arguments = BTreeMap::from([("zoneid".to_owned(), "zone-*".to_owned())])));
        assert!(!deny(|rule| rule.arguments = BTreeMap::from([("account".to_owned(), "*".to_owned())])));
        assert!(!deny(|rule| rule.profiles = vec!["prod".to_owned()]));
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let policy = Policy { rules: vec![rule(Action::Allow), rule(Action::Deny)], shadow: false };
        assert_eq!(policy.decide(&asked("deleteZone", Risk::Raze)).action, Action::Allow);
    }

    #[test]
    fn in_the_shadow_rules_are_only_recorded() {
        let decision = Policy { rules: vec![rule(Action::Deny)], shadow: true }.decide(&asked("listZones", Risk::Read));
        assert_eq!((decision.action, decision.shadow.as_deref()), (Action::Allow, Some("rule 1: deny")));
    }
}
