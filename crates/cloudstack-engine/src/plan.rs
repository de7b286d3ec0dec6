//! The preview of a call, computed from the cloud's present state.

use std::time::Duration;

use cloudstack_api::catalog::Risk;
use serde_json::{Map, Value, json};

use crate::receipt::Receipt;

/// What a call would do, and what a person must know before consenting to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The command.
    pub command: String,
    /// Its title.
    pub title: String,
    /// What the call can do, its arguments considered.
    pub risk: Risk,
    /// Whether it runs only with an approval.
    pub needs_approval: bool,
    /// Which rule decided that.
    pub decided_by: String,
    /// What a person must know, in a few lines.
    pub summary: String,
    /// The objects that the call is about.
    pub targets: Vec<Target>,
    /// What depends on them.
    pub dependents: Vec<Dependent>,
    /// What will be gone.
    pub lost: Vec<String>,
    /// How to undo it, or that it cannot be undone.
    pub undo: Option<String>,
    /// What the person must type, for the widest class of calls.
    pub typed_name: Option<String>,
    /// The arguments with names resolved and secrets hidden.
    pub arguments: Map<String, Value>,
    /// What could not be found out.
    pub notes: Vec<String>,
    /// How long an approval can be given.
    pub expires: Duration,
    /// As whom and where.
    pub receipt: Receipt,
    /// What an approval hands back. Empty where the call needs none.
    pub seal: String,
}

/// An object that a call is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The kind of object, in plain words.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Its state, where it has one.
    pub state: Option<String>,
    /// What else helps to recognise it: account, zone, address, size.
    pub facts: Vec<(String, String)>,
}

/// Objects of one kind that depend on a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependent {
    /// The kind of object, in plain words.
    pub kind: String,
    /// How many there are.
    pub count: usize,
    /// The names of the first few.
    pub names: Vec<String>,
    /// What becomes of them: `deleted`, `kept`, `detached`, …
    pub fate: String,
}

impl Plan {
    /// The JSON that every surface shows; the seal is left to the surface, which knows how approvals are given there.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let targets: Vec<Value> = self.targets.iter().map(Target::to_value).collect();
        let dependents: Vec<Value> = self
            .dependents
            .iter()
            .map(|dependent| json!({"kind": dependent.kind, "count": dependent.count, "names": dependent.names, "fate": dependent.fate}))
            .collect();
        let mut plan = json!({
            "command": self.command,
            "title": self.title,
            "risk": self.risk.word(),
            "needs_approval": self.needs_approval,
            "decided_by": self.decided_by,
            "summary": self.summary,
            "targets": targets,
            "dependents": dependents,
            "lost": self.lost,
            "undo": self.undo,
            "arguments": self.arguments,
            "notes": self.notes,
            "expires_seconds": self.expires.as_secs(),
        });
        if let (Some(name), Some(members)) = (&self.typed_name, plan.as_object_mut()) {
            members.insert("typed_name".to_owned(), name.clone().into());
        }
        json!({"plan": plan, "receipt": self.receipt.to_value()})
    }
}

impl Target {
    fn to_value(&self) -> Value {
        let mut value = Map::new();
        value.insert("kind".to_owned(), self.kind.clone().into());
        value.insert("id".to_owned(), self.id.clone().into());
        for (name, text) in [("name", &self.name), ("state", &self.state)] {
            if let Some(text) = text {
                value.insert(name.to_owned(), text.clone().into());
            }
        }
        value.extend(self.facts.iter().map(|(name, text)| (name.clone(), text.clone().into())));
        Value::Object(value)
    }
}
