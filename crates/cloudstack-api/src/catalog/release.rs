//! CloudStack releases: parsing, order, and "is this row part of that release".

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A CloudStack release such as `4.22` (the whole line, newest patch) or `4.22.1`.
///
/// Ordered; a line sorts after all of its patches, so that `since <= release` holds for rows added in a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    major: u16,
    minor: u16,
    patch: u16,
}

/// The text is no release number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no CloudStack release; write it as `4.22` or `4.22.1`")]
pub struct ReleaseError(String);

impl Release {
    /// The oldest supported release line.
    pub const OLDEST: Self = Self::line(4, 20);
    /// The newest release line in the embedded catalog.
    pub const NEWEST: Self = Self::line(4, 22);

    /// The newest patch of a line.
    #[must_use]
    pub const fn line(major: u16, minor: u16) -> Self {
        Self { major, minor, patch: u16::MAX }
    }

    /// The first two numbers, as in `4.22`.
    #[must_use]
    pub fn line_name(self) -> String {
        format!("{}.{}", self.major, self.minor)
    }

    /// Whether something that came with `since` and went with `until` (exclusive) is part of this release.
    #[must_use]
    pub fn covers(self, since: Option<Self>, until: Option<Self>) -> bool {
        since.is_none_or(|since| since <= self) && until.is_none_or(|until| self < until)
    }
}

impl FromStr for Release {
    type Err = ReleaseError;

    /// Reads `4.22`, `4.22.1` and a server's own `4.22.1.0` or `4.22.0.0-SNAPSHOT`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || ReleaseError(text.to_owned());
        let plain = text.trim().split('-').next().unwrap_or_default();
        let mut numbers = plain.split('.').map(str::parse::<u16>);
        let mut next = || numbers.next().transpose().map_err(|_| fault());
        let major = next()?.ok_or_else(fault)?;
        let minor = next()?.ok_or_else(fault)?;
        let patch = next()?.unwrap_or(u16::MAX);
        Ok(Self { major, minor, patch })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.patch == u16::MAX { write!(f, "{}.{}", self.major, self.minor) } else { write!(f, "{}.{}.{}", self.major, self.minor, self.patch) }
    }
}

impl Serialize for Release {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Release {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(text: &str) -> Release {
        text.parse().unwrap()
    }

    #[test]
    fn a_line_stands_for_its_newest_patch() {
        assert!(release("4.22.1") < release("4.22"));
        assert!(release("4.22") < release("4.23.0"));
        assert_eq!(release("4.22.1.0").to_string(), "4.22.1");
        assert_eq!(release("4.22.0.0-SNAPSHOT"), release("4.22.0"));
    }

    #[test]
    fn a_row_is_covered_from_its_first_release_until_before_its_end() {
        assert!(!Release::OLDEST.covers(Some(release("4.21.0")), None));
        assert!(Release::NEWEST.covers(Some(release("4.22.1")), None));
        assert!(Release::OLDEST.covers(None, Some(release("4.21.0"))));
        assert!(!Release::NEWEST.covers(None, Some(release("4.21.0"))));
    }

    #[test]
    fn what_is_no_release_is_refused_with_the_form() {
        assert_eq!("latest".parse::<Release>().unwrap_err().to_string(), "`latest` is no CloudStack release; write it as `4.22` or `4.22.1`");
    }
}
