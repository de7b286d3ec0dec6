//! Who asks, through which surface, and how far that surface lets them go.

use std::collections::BTreeSet;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// `stdio`, `cli`, or the subject of a bearer token. Approvals are bound to it.
    pub principal: String,
    /// The surface: `compact`, `typed`, `cli`, …
    pub surface: String,
    /// The client's own name and version, where it told.
    pub client: Option<String>,
    /// Whether only calls of risk `read` may pass.
    pub read_only: bool,
    /// The commands that may pass.
    pub scope: Scope,
}

impl Caller {
    /// A caller that the surface does not limit.
    pub fn new(principal: impl Into<String>, surface: impl Into<String>) -> Self {
        Self { principal: principal.into(), surface: surface.into(), client: None, read_only: false, scope: Scope::All }
    }
}

/// The commands that a surface lets pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    #[default]
    All,
    /// These, in their exact spelling.
    Commands(BTreeSet<String>),
}

impl Scope {
    /// Whether a command may pass.
    #[must_use]
    pub fn allows(&self, command: &str) -> bool {
        match self {
            Self::All => true,
            Self::Commands(names) => names.contains(command),
        }
    }
}
