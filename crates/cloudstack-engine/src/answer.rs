//! What the engine answers.

use cloudstack_api::catalog::Risk;
use serde_json::{Value, json};

use crate::{plan::Plan, receipt::Receipt};

/// What became of a request to run a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It ran.
    Done(Answer),
    /// It did not run: a person must approve this plan first, and the same request then carries the approval.
    NeedsApproval(Box<Plan>),
}

/// The JSON that every surface shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The answer.
    pub value: Value,
    /// Whether it tells of a failure.
    pub is_error: bool,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The commands, best first.
    pub items: Vec<FoundCommand>,
    /// How many there are in all.
    pub total: usize,
    /// How to find the thing that the query names, where it names one.
    pub hint: Option<String>,
}

/// A command that a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundCommand {
    /// Its name.
    pub command: String,
    /// Its title.
    pub title: String,
    /// What it can do before its arguments are looked at.
    pub risk: Risk,
    /// How well it fits; comparable within one search only.
    pub score: f64,
    /// The family it belongs to.
    pub family: String,
    /// The words of the query that matched.
    pub matched: Vec<String>,
    /// Its required parameters.
    pub needs: Vec<String>,
}

impl Found {
    /// The items alone.
    #[must_use]
    pub fn items_value(&self) -> Value {
        self.items.iter().map(FoundCommand::to_value).collect()
    }

    /// `{"items","returned","total","complete"}`, with `hint` where the query names a thing.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut value = json!({"items": self.items_value(), "returned": self.items.len(), "total": self.total, "complete": self.items.len() == self.total});
        if let (Some(members), Some(hint)) = (value.as_object_mut(), &self.hint) {
            members.insert("hint".to_owned(), hint.as_str().into());
        }
        value
    }
}

impl FoundCommand {
    fn to_value(&self) -> Value {
        json!({
            "command": self.command,
            "title": self.title,
            "risk": self.risk.word(),
            "score": (self.score * 100.0).round() / 100.0,
            "family": self.family,
            "matched": self.matched,
            "needs": self.needs,
        })
    }
}

/// What the checks of a profile brought, in the order in which they were made.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnosis {
    /// The checks; after a failure those that depend on it are missing.
    pub checks: Vec<Check>,
    /// As whom and where.
    pub receipt: Receipt,
}

/// One check of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was checked: `profile`, `address`, `connection`, `tls`, `keys`, `release`, `role`.
    pub name: String,
    /// How it went.
    pub status: CheckStatus,
    /// What was seen.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// How a check went. Ordered: the worst is greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckStatus {
    /// As it should be.
    Ok,
    /// Works, but look at it.
    Warn,
    /// Does not work.
    Fail,
}

impl CheckStatus {
    /// The word for it in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl Diagnosis {
    /// The worst that was seen.
    #[must_use]
    pub fn worst(&self) -> CheckStatus {
        self.checks.iter().map(|check| check.status).max().unwrap_or(CheckStatus::Ok)
    }

    /// `{"checks":[{"name","status","message","hint"}],"status","receipt"}`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let check = |check: &Check| {
            let mut value = json!({"name": check.name, "status": check.status.word(), "message": check.message});
            if let (Some(hint), Some(members)) = (&check.hint, value.as_object_mut()) {
                members.insert("hint".to_owned(), hint.clone().into());
            }
            value
        };
        let checks: Vec<Value> = self.checks.iter().map(check).collect();
        json!({"checks": checks, "status": self.worst().word(), "receipt": self.receipt.to_value()})
    }
}
