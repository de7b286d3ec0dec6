//! `read`: runs a command that changes nothing, so that hosts can allow it without asking.

use cloudstack_engine::{Report, ReportKind};
use rmcp::model::Tool as Definition;
use serde_json::json;

use super::{Answering, Call, Effect, Sketch, Tool, run_request};

pub(super) struct Read(Definition);

impl Read {
    pub(super) fn new() -> Self {
        Self(
            Sketch {
                name: "read",
                title: "Read from the cloud",
                text: "Run a command of risk `read`: lists and the like. Lists come whole and say `returned`, `total` and `complete`. \
                       Narrow with the command's own filters first, then `fields` and `limit`.",
                effect: Effect::Reads,
                takes: json!({
                    "command": {"type": "string"},
                    "arguments": {"type": "object", "description": "The command's arguments; names may stand for ids"},
                    "fields": {"type": "array", "items": {"type": "string"}, "description": "Only these fields, dotted: `nic.ipaddress`"},
                    "limit": {"type": "integer", "description": "Most items to give"},
                    "count_only": {"type": "boolean", "description": "Only how many there are"},
                    "profile": {"type": "string"},
                }),
                required: &["command"],
                gives: json!({
                    "command": {"type": "string"}, "items": {"type": "array", "items": {"type": "object"}}, "result": {"type": "object"},
                    "returned": {"type": "integer"}, "total": {"type": "integer"}, "complete": {"type": "boolean"}, "receipt": {"type": "object"},
                }),
            }
            .into_definition(),
        )
    }
}

impl Tool for Read {
    fn definition(&self) -> &Definition {
        &self.0
    }

    fn call<'c>(&'c self, mut call: Call<'c>) -> Answering<'c> {
        Box::pin(async move {
            let arguments = call.checked(&self.0)?;
            let may_change = !call.caller.read_only;
            call.caller.read_only = true;
            let request = run_request(&arguments, call.caller);
            call.approver.run(call.engine, request, None, call.watch).await.map_err(|report| towards_run(report, may_change))
        })
    }
}

/// Says which tool changes things, where one does.
fn towards_run(report: Report, may_change: bool) -> Report {
    if report.kind == ReportKind::Denied && may_change { report.hint("if it is to change the cloud or hand out a secret, call it with `run`") } else { report }
}
