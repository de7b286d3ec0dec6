//! `run`: runs any command; what destroys or disrupts only after a person's approval.

use rmcp::model::Tool as Definition;
use serde_json::json;

use super::{Answering, Call, Effect, Sketch, Tool, run_request};
use crate::mcp::approval::Token;

pub(super) struct Run(Definition);

impl Run {
    pub(super) fn new() -> Self {
        Self(
            Sketch {
                name: "run",
                title: "Run a command",
                text: "Run any command, also one that changes the cloud. Names may stand for ids; unknown or malformed arguments are refused, all faults at once. \
                       Waits for the command's job and gives its outcome; if that takes longer, gives `job`: follow it with the tool `job`, do not run again. \
                       What disrupts or destroys shows its plan to a person first and runs only with their approval.",
                effect: Effect::Destroys,
                takes: json!({
                    "command": {"type": "string"},
                    "arguments": {"type": "object", "description": "The command's arguments in natural JSON"},
                    "fields": {"type": "array", "items": {"type": "string"}, "description": "Only these fields of the result"},
                    "limit": {"type": "integer"},
                    "wait_seconds": {"type": "integer", "description": "How long to wait for the job (50); 0: not at all"},
                    "profile": {"type": "string"},
                    "approval_token": {"type": "string", "description": "From a plan that a person has agreed to; never invent it"},
                    "approval_name": {"type": "string", "description": "What the person typed, where the plan asks for a name"},
                }),
                required: &["command"],
                gives: json!({
                    "command": {"type": "string"}, "result": {"type": "object"}, "items": {"type": "array", "items": {"type": "object"}},
                    "job": {"type": "object"}, "id": {"type": "string"}, "next": {"type": "string"},
                    "status": {"type": "string"}, "plan": {"type": "object"}, "approval_token": {"type": "string"}, "receipt": {"type": "object"},
                }),
            }
            .into_definition(),
        )
    }
}

impl Tool for Run {
    fn definition(&self) -> &Definition {
        &self.0
    }

    fn call<'c>(&'c self, mut call: Call<'c>) -> Answering<'c> {
        Box::pin(async move {
            let arguments = call.checked(&self.0)?;
            let token = arguments.text("approval_token").map(|seal| Token { seal, typed: arguments.text("approval_name") });
            let request = run_request(&arguments, call.caller);
            call.approver.run(call.engine, request, token, call.watch).await
        })
    }
}
