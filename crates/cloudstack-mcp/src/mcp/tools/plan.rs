//! `plan`: the preview of any call; sends nothing that changes anything, and hands out no approval.

use rmcp::model::Tool as Definition;
use serde_json::json;

use super::{Answering, Call, Effect, Reply, Sketch, Tool, run_request};

pub(super) struct Plan(Definition);

impl Plan {
    pub(super) fn new() -> Self {
        Self(
            Sketch {
                name: "plan",
                title: "Preview a call",
                text: "Preview a call without making it: arguments checked and resolved, what it hits, what depends on that, what is lost, how to undo it, whether a person must approve it.",
                effect: Effect::Reads,
                takes: json!({
                    "command": {"type": "string"},
                    "arguments": {"type": "object"},
                    "profile": {"type": "string"},
                }),
                required: &["command"],
                gives: json!({"plan": {"type": "object"}, "receipt": {"type": "object"}}),
            }
            .into_definition(),
        )
    }
}

impl Tool for Plan {
    fn definition(&self) -> &Definition {
        &self.0
    }

    fn call<'c>(&'c self, mut call: Call<'c>) -> Answering<'c> {
        Box::pin(async move {
            let arguments = call.checked(&self.0)?;
            let plan = call.engine.plan(run_request(&arguments, call.caller)).await?;
            Ok(Reply::done(plan.to_value()))
        })
    }
}
