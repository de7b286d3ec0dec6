//! What a call can do, and the arguments that raise it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a call can do, from harmless to irreversible. Ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Changes nothing.
    Read,
    /// Hands out a secret or access.
    Disclose,
    /// Changes something in the ordinary way.
    Write,
    /// Causes an outage or loses configuration; can be put right.
    Disrupt,
    /// Destroys one object irreversibly.
    Destroy,
    /// Destroys many objects, or infrastructure, irreversibly.
    Raze,
}

impl Risk {
    /// All risks in their order.
    pub const ALL: [Self; 6] = [Self::Read, Self::Disclose, Self::Write, Self::Disrupt, Self::Destroy, Self::Raze];

    /// The word for it, as in the catalog and on every surface.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Disclose => "disclose",
            Self::Write => "write",
            Self::Disrupt => "disrupt",
            Self::Destroy => "destroy",
            Self::Raze => "raze",
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The text names no risk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no risk; there are read, disclose, write, disrupt, destroy and raze")]
pub struct RiskError(String);

impl FromStr for Risk {
    type Err = RiskError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|risk| risk.word() == text).ok_or_else(|| RiskError(text.to_owned()))
    }
}

/// An argument that makes a call riskier than its command is by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raise {
    /// The parameter's name.
    pub parameter: String,
    /// When it counts.
    pub when: When,
    /// The risk of the call then.
    pub risk: Risk,
}

/// When a [`Raise`] counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// The argument is given, whatever its value (a boolean counts only if true).
    Given,
    /// The argument has this value.
    Is(String),
    /// The argument is absent, since the default is the dangerous value.
    Absent,
}

impl Raise {
    /// Whether the argument's value (`None` = not given) raises the risk.
    #[must_use]
    pub fn applies(&self, value: Option<&str>) -> bool {
        match (&self.when, value) {
            (When::Absent, value) => value.is_none(),
            (When::Given, Some(value)) => !value.is_empty() && !value.eq_ignore_ascii_case("false"),
            (When::Is(wanted), Some(value)) => value.split(',').any(|item| item.trim().eq_ignore_ascii_case(wanted)),
            (When::Given | When::Is(_), None) => false,
        }
    }
}

impl FromStr for Raise {
    type Err = RiskError;

    /// Reads `expunge=true:destroy`, `volumeids:destroy` and `-cidrlist:disrupt` (counts when absent).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (condition, risk) = text.rsplit_once(':').ok_or_else(|| RiskError(text.to_owned()))?;
        let risk = risk.parse()?;
        let (parameter, when) = match (condition.strip_prefix('-'), condition.split_once('=')) {
            (Some(absent), _) => (absent, When::Absent),
            (None, Some((parameter, value))) => (parameter, When::Is(value.to_owned())),
            (None, None) => (condition, When::Given),
        };
        Ok(Self { parameter: parameter.to_owned(), when, risk })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applies(raise: &str, value: Option<&str>) -> bool {
        raise.parse::<Raise>().unwrap().applies(value)
    }

    #[test]
    fn a_raise_counts_when_its_condition_holds() {
        assert!(applies("expunge=true:destroy", Some("TRUE")));
        assert!(!applies("expunge=true:destroy", Some("false")));
        assert!(!applies("expunge=true:destroy", None));
        assert!(applies("volumeids:destroy", Some("a,b")));
        assert!(!applies("forced:destroy", Some("false")));
        assert!(applies("-cidrlist:disrupt", None));
        assert!(!applies("-cidrlist:disrupt", Some("10.0.0.0/8")));
        assert!(applies("cidrlist=0.0.0.0/0:disrupt", Some("10.0.0.0/8, 0.0.0.0/0")));
    }

    #[test]
    fn risks_are_ordered_from_harmless_to_irreversible() {
        assert!(Risk::ALL.is_sorted());
        for risk in Risk::ALL {
            assert_eq!(risk.word().parse::<Risk>().unwrap(), risk);
        }
        assert!("evil".parse::<Risk>().is_err());
    }
}
