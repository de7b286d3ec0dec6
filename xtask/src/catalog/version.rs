//! Release numbers as the generator compares and writes them: three numbers, `4.21.0`.

use std::{fmt, str::FromStr};

/// A release number, cut to three places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version([u32; 3]);

impl Version {
    /// The first release of the next line: where something that is gone later was gone at the latest known point.
    pub(super) fn next_line(self) -> Self {
        let Self([major, minor, _]) = self;
        Self([major, minor + 1, 0])
    }
}

impl FromStr for Version {
    type Err = String;

    /// Takes what CloudStack's developers wrote: `4.2`, `4.11.0.0`, `2.2.4`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut numbers = text.split(|letter: char| !letter.is_ascii_digit()).filter(|digits| !digits.is_empty()).map(str::parse::<u32>);
        let mut next = || numbers.next().unwrap_or(Ok(0)).map_err(|error| format!("`{text}` is no release: {error}"));
        let version = Self([next()?, next()?, next()?]);
        if version == Self([0, 0, 0]) { Err(format!("`{text}` is no release")) } else { Ok(version) }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([major, minor, patch]) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_three_places_whatever_was_written() {
        for (text, wanted) in [("4.2", "4.2.0"), ("4.20.3.0", "4.20.3"), ("since 4.11", "4.11.0")] {
            assert_eq!(text.parse::<Version>().unwrap().to_string(), wanted);
        }
        assert_eq!("4.20.3".parse::<Version>().unwrap().next_line().to_string(), "4.21.0");
        assert!("none".parse::<Version>().is_err());
    }
}
