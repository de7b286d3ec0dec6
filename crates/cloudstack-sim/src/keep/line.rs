//! One line of a state file: JSON with a checksum of its own.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Header, Snapshot};
use crate::{
    cloud::{Method, WireRequest},
    trouble::Trouble,
    world::digest,
};

/// What stands before the checksum, between it and the content, and behind.
const HEAD: &str = "{\"sum\":\"";
const NECK: &str = "\",\"line\":";
const TAIL: &str = "}";
/// How many hexadecimal digits a checksum has.
const DIGITS: usize = 16;

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Line {
    /// The first.
    Header(Header),
    /// What stands for all deeds before it.
    Snapshot(Box<Snapshot>),
    /// A deed.
    Deed(Entry),
}

/// Something that was done to a world.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The time of the world.
    pub(crate) at: Duration,
    /// What was done.
    pub(crate) deed: Deed,
    /// A digest of what came of it.
    pub(crate) came: u64,
}

/// What was done to a world.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Deed {
    /// Somebody called.
    Call {
        /// Whether by GET.
        get: bool,
        /// The query.
        query: String,
        /// The form.
        form: String,
        /// The cookies.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        cookies: BTreeMap<String, String>,
    },
    /// A trouble began.
    Begin(Trouble),
    /// A trouble was lifted.
    Lift(u64),
    /// Time was moved ahead.
    Skip(Duration),
}

impl Deed {
    /// A request.
    pub(crate) fn of_request(request: &WireRequest) -> Self {
        Self::Call { get: request.method == Method::Get, query: request.query.clone(), form: request.body.clone(), cookies: request.cookies.clone() }
    }
}

impl Line {
    /// Writes it, with its end.
    pub(crate) fn write(&self, text: &mut Vec<u8>) -> serde_json::Result<()> {
        let content = serde_json::to_vec(self)?;
        text.extend_from_slice(HEAD.as_bytes());
        text.extend_from_slice(format!("{:0DIGITS$x}", digest(&content)).as_bytes());
        text.extend_from_slice(NECK.as_bytes());
        text.extend_from_slice(&content);
        text.extend_from_slice(TAIL.as_bytes());
        text.push(b'\n');
        Ok(())
    }

    /// Reads it; nothing if it is not whole.
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        let rest = line.strip_suffix(b"\n")?.strip_prefix(HEAD.as_bytes())?.strip_suffix(TAIL.as_bytes())?;
        let (sum, rest) = rest.split_at_checked(DIGITS)?;
        let content = rest.strip_prefix(NECK.as_bytes())?;
        let sum = u64::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
        if sum != digest(content) {
            return None;
        }
        serde_json::from_slice(content).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_it_was_written_and_not_once_a_byte_differs() {
        let entry = Entry { at: Duration::from_nanos(17), deed: Deed::Lift(3), came: 5 };
        let mut text = Vec::new();
        Line::Deed(entry).write(&mut text).unwrap();
        assert!(matches!(Line::read(&text), Some(Line::Deed(Entry { deed: Deed::Lift(3), came: 5, .. }))));
        for at in 0..text.len() {
            let mut other = text.clone();
            other[at] ^= 1;
            assert!(Line::read(&other).is_none(), "byte {at}");
        }
        assert!(Line::read(&text[..text.len() - 1]).is_none());
    }
}
