//! How those who wait are told how far a call has come.

/// How far a call has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Grows from report to report; seconds waited, rows read or steps done.
    pub done: f64,
    /// What `done` grows to, where that is known.
    pub total: Option<f64>,
    /// What is going on, in a few words.
    pub message: String,
}

/// Takes notice of progress. Called often; must not block.
///
/// Implementations: progress messages of MCP, a line at the terminal, and [`Silent`].
pub trait Watch: Send + Sync {
    /// Takes notice.
    fn progress(&self, progress: &Progress);
}

/// Takes no notice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Watch for Silent {
    fn progress(&self, _progress: &Progress) {}
}
