//! What goes wrong with the embedded cloud itself, by what the caller can do; what it answers as a CloudStack is no error.

use std::io;

/// Why something could not be done to an embedded cloud.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was about an object that is not there: name another.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// What kind of object.
        what: &'static str,
        /// How it was called.
        name: String,
    },
    /// It cannot be read, or lies outside its bounds: say it differently.
    #[error("{0}")]
    Invalid(String),
    /// It does not go together with what is the case already: change that first.
    #[error("{0}")]
    Conflict(String),
    /// A file cannot be read or written: mend the cause.
    #[error("`{file}` cannot be {done}")]
    File {
        /// The file.
        file: String,
        /// What was to be done to it: `read` or `written`.
        done: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// What was kept of a world is not what it should be: use another, or the version that it was written with.
    #[error("{0}")]
    Damaged(String),
}

impl Error {
    /// An error about something that cannot be read.
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }
}
