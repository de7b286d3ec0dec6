//! `describe`: what one command does and takes.

use cloudstack_engine::{DescribeRequest, Details};
use rmcp::model::Tool as Definition;
use serde_json::json;

use super::{Answering, Call, Effect, Reply, Sketch, Tool, with_receipt};

pub(super) struct Describe(Definition);

impl Describe {
    pub(super) fn new() -> Self {
        Self(
            Sketch {
                name: "describe",
                title: "Describe a command",
                text: "Tell what one command does, which parameters it takes (meaning, accepted values, where names may stand for ids), its risk and how to undo it.",
                effect: Effect::Reads,
                takes: json!({
                    "command": {"type": "string", "description": "Name, as `search` gives it"},
                    "detail": {"type": "string", "enum": ["brief", "full"], "description": "`full`: also rare parameters, reply fields, examples"},
                    "profile": {"type": "string"},
                }),
                required: &["command"],
                gives: json!({"command": {"type": "string"}, "risk": {"type": "string"}, "receipt": {"type": "object"}}),
            }
            .into_definition(),
        )
    }
}

impl Tool for Describe {
    fn definition(&self) -> &Definition {
        &self.0
    }

    fn call<'c>(&'c self, mut call: Call<'c>) -> Answering<'c> {
        Box::pin(async move {
            let arguments = call.checked(&self.0)?;
            let request = DescribeRequest {
                command: arguments.text("command").unwrap_or_default(),
                details: if arguments.text("detail").as_deref() == Some("full") { Details::Full } else { Details::Brief },
                profile: arguments.text("profile"),
            };
            let value = call.engine.describe(&request)?;
            Ok(Reply::done(with_receipt(call.engine, request.profile.as_deref(), value)))
        })
    }
}
