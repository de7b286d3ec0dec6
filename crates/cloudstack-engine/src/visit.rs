//! One request at the door: who asks, what is recorded of it, and how it ends.

use std::sync::Arc;

use cloudstack_api::{catalog::Risk, clock::timestamp};
use serde_json::{Map, Value};

use crate::{
    caller::Caller,
    connection::Connection,
    core::Core,
    receipt::Receipt,
    redact::{Owner, Taken},
    report::{Report, ReportKind},
};

/// How much of an argument the audit keeps.
const RECORDED_CHARACTERS_MAX: usize = 500;

/// One request at the door.
pub(crate) struct Visit<'a> {
    pub(crate) core: &'a Core,
    pub(crate) line: &'a Arc<Connection>,
    pub(crate) caller: &'a Caller,
    pub(crate) request_id: String,
    /// Principal and profile: whose secrets are kept.
    owner: String,
}

/// What is recorded of a request, as far as it has come.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// What was asked: `run`, `plan`, `job`, `find`.
    pub(crate) verb: &'static str,
    pub(crate) command: String,
    pub(crate) arguments: Map<String, Value>,
    pub(crate) risk: Option<Risk>,
    pub(crate) decision: Option<String>,
    pub(crate) shadow: Option<String>,
    pub(crate) approval: Option<&'static str>,
    pub(crate) job: Option<String>,
    /// Values that must not appear in anything that leaves.
    pub(crate) taken: Taken,
}

impl<'a> Visit<'a> {
    pub(crate) fn new(core: &'a Core, line: &'a Arc<Connection>, caller: &'a Caller) -> Self {
        let request_id = format!("{:012x}", fastrand::u64(..) & 0xffff_ffff_ffff);
        Self { core, line, caller, request_id, owner: format!("{} {}", caller.principal, line.profile.name) }
    }

    /// For whom secrets are kept.
    pub(crate) fn owner(&self, keeps: bool) -> Owner<'_> {
        Owner { name: &self.owner, request_id: &self.request_id, keeps }
    }

    pub(crate) fn owner_name(&self) -> &str {
        &self.owner
    }

    pub(crate) fn receipt(&self, job: Option<&str>) -> Receipt {
        let mut receipt = Receipt {
            profile: self.line.profile.name.clone(),
            endpoint: self.line.shown_url(),
            embedded: self.line.profile.embedded,
            request_id: self.request_id.clone(),
            job_id: job.map(str::to_owned),
            ..Receipt::default()
        };
        if let Some(identity) = self.line.known_identity() {
            identity.write_into(&mut receipt);
        }
        receipt
    }

    /// Appends to the audit what is known of a request.
    pub(crate) fn record(&self, record: &Record, outcome: &str, message: Option<&str>) -> Result<(), Report> {
        if !self.core.audit.is_kept() {
            return Ok(());
        }
        let receipt = self.receipt(record.job.as_deref());
        let mut row = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                row.insert(name.to_owned(), value);
            }
        };
        put("time", timestamp(self.core.clock.now()).into());
        put("request_id", self.request_id.clone().into());
        put("principal", self.caller.principal.clone().into());
        put("surface", self.caller.surface.clone().into());
        put("client", self.caller.client.clone().into());
        put("profile", receipt.profile.into());
        put("endpoint", receipt.endpoint.into());
        put("account", receipt.account.into());
        put("domain", receipt.domain.into());
        put("user", receipt.user.into());
        put("verb", record.verb.into());
        put("command", record.command.clone().into());
        put("arguments", record.arguments.iter().map(|(name, value)| (name.clone(), shortened(value))).collect::<Map<_, _>>().into());
        put("risk", record.risk.map(Risk::word).into());
        put("decision", record.decision.clone().into());
        put("shadow", record.shadow.clone().into());
        put("approval", record.approval.into());
        put("job", record.job.clone().into());
        put("outcome", outcome.into());
        put("message", message.into());
        let mut row = Value::Object(row);
        record.taken.scrub_value(&mut row);
        match row {
            Value::Object(row) => self.core.audit.append(row),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Ok(()),
        }
    }

    /// Ends a request that went wrong: no secret leaves, it has a receipt, and it is recorded.
    pub(crate) fn fail(&self, mut report: Report, record: &Record) -> Report {
        record.taken.scrub(&mut report.message);
        report.hints.iter_mut().for_each(|hint| record.taken.scrub(hint));
        report.facts.iter_mut().for_each(|(_, fact)| record.taken.scrub_value(fact));
        if report.receipt.is_none() {
            report.receipt = Some(Box::new(self.receipt(record.job.as_deref())));
        }
        let unknown = report.facts.get("outcome_unknown").is_some();
        let outcome = if unknown { "unknown" } else { report.kind.word() };
        if let Err(fault) = self.record(record, outcome, Some(&report.message)) {
            report.hints.push(fault.message);
        }
        report
    }

    /// Ends a request that went well. What was done but could not be recorded is said.
    pub(crate) fn succeed(&self, mut value: Value, record: &Record, outcome: &str) -> Result<Value, Report> {
        record.taken.scrub_value(&mut value);
        match self.record(record, outcome, None) {
            Ok(()) => Ok(value),
            Err(fault) if record.risk.is_none_or(|risk| risk <= Risk::Read) => Err(fault),
            Err(fault) => {
                if let Some(members) = value.as_object_mut() {
                    let notes = members.entry("notes").or_insert_with(|| Value::Array(Vec::new()));
                    if let Some(notes) = notes.as_array_mut() {
                        notes.push(fault.message.into());
                    }
                }
                Ok(value)
            }
        }
    }
}

fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > RECORDED_CHARACTERS_MAX => {
            format!("{}…", text.chars().take(RECORDED_CHARACTERS_MAX).collect::<String>()).into()
        }
        Value::Array(items) => items.iter().map(shortened).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), shortened(value))).collect::<Map<_, _>>().into(),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// A refusal of ours.
pub(crate) fn denied(message: impl Into<String>) -> Report {
    Report::new(ReportKind::Denied, message)
}
