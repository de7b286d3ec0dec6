//! The audit: a file of JSON lines, each bound to the one before by a SHA-256 hash.

use std::path::Path;

use crate::report::{Report, ReportKind};

/// A chain of rows that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many rows there are.
    pub rows: u64,
    /// The hash of the last row, in hex; anybody who notes it down can tell later whether rows were cut off the end.
    pub last: String,
}

/// Reads an audit file and checks that no row was changed, removed or put in.
///
/// # Errors
///
/// A report of kind `refused` that names the first bad line, `config` if the file cannot be read.
pub fn verify(path: &Path) -> Result<Verified, Report> {
    let _ = path;
    Err(Report::new(ReportKind::Internal, "not built yet"))
}
