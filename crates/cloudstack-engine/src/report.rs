//! What we tell the user when something went wrong: of which kind, in one sentence, with hints and facts.

use std::fmt;

use serde_json::{Map, Value};

use crate::receipt::Receipt;

/// What went wrong, by what the reader can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReportKind {
    /// The request is wrong: change command or arguments.
    Usage,
    /// The program is set up wrongly: change settings, keys or the URL.
    Config,
    /// Policy, the surface, the role or a person said no.
    Denied,
    /// There is no such object, or not exactly one.
    NotFound,
    /// CloudStack refused, or its job failed.
    Refused,
    /// No answer came from the server.
    Unreachable,
    /// A defect of this program or of its machine.
    Internal,
}

impl ReportKind {
    /// The word for it in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Config => "config",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Internal => "internal",
        }
    }

    /// The exit code of a process that ends with it.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Config => 3,
            Self::Denied => 4,
            Self::NotFound => 5,
            Self::Refused => 6,
            Self::Unreachable => 7,
            Self::Internal => 70,
        }
    }
}

/// Something went wrong. Holds no secret; its `Display` is the message alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What the reader can do about it.
    pub kind: ReportKind,
    /// What went wrong, in one sentence without a full stop, with the value in backticks.
    pub message: String,
    /// What to do next, most useful first.
    pub hints: Vec<String>,
    /// What programs want to know: `code`, `cserrorcode`, `faults`, `candidates`, `leftovers`, `job`, `outcome_unknown`, …
    pub facts: Box<Map<String, Value>>,
    /// As whom and where it was asked, as far as it came.
    pub receipt: Option<Box<Receipt>>,
}

impl Report {
    /// A report without hints or facts.
    pub fn new(kind: ReportKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new(), facts: Box::default(), receipt: None }
    }

    /// The report with one more hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The report with one more fact.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// The report with the receipt of its call.
    #[must_use]
    pub fn with_receipt(mut self, receipt: Receipt) -> Self {
        self.receipt = Some(Box::new(receipt));
        self
    }

    /// The exit code of a process that ends with it.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        self.kind.exit_code()
    }

    /// The JSON that every surface shows: `{"error":{"kind","message","hints",…facts},"receipt"}`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut error = Map::new();
        error.insert("kind".to_owned(), self.kind.word().into());
        error.insert("message".to_owned(), self.message.clone().into());
        error.insert("hints".to_owned(), self.hints.clone().into());
        error.extend(self.facts.as_ref().clone());
        let mut value = Map::new();
        value.insert("error".to_owned(), Value::Object(error));
        if let Some(receipt) = &self.receipt {
            value.insert("receipt".to_owned(), receipt.to_value());
        }
        Value::Object(value)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report {}
