//! Words → ranked commands.

use crate::catalog::{Catalog, Risk};

/// What a search is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this family.
    pub family: Option<String>,
    /// Only commands of at most this risk.
    pub risk_max: Option<Risk>,
}

/// A command that a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The command's name.
    pub command: String,
    /// How well it fits; the best has the highest. Comparable within one search only.
    pub score: f64,
    /// The words of the query that matched, for the reader to judge by.
    pub matched: Vec<String>,
}

/// The index over all commands of a catalog.
#[derive(Debug)]
pub struct Index {}

impl Index {
    /// Builds the index.
    #[must_use]
    pub fn new(catalog: &Catalog) -> Self {
        let _ = catalog;
        Self {}
    }

    /// The best commands for a request in anybody's words, best first.
    #[must_use]
    pub fn search(&self, query: &str, filter: &Filter, limit: usize) -> Vec<Hit> {
        let _ = (query, filter, limit);
        Vec::new()
    }
}
