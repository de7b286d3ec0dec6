//! `find`: objects of any kind by name, address or id.

use cloudstack_engine::FindRequest;
use rmcp::model::Tool as Definition;
use serde_json::json;

use super::{Answering, Call, Effect, Sketch, Tool};

pub(super) struct Find(Definition);

impl Find {
    pub(super) fn new() -> Self {
        Self(
            Sketch {
                name: "find",
                title: "Find objects",
                text: "Find objects of the cloud by a name or part of it, an IP address or an id, over the kinds people look for: \
                       VMs, volumes, networks, addresses, templates, hosts, accounts and more. Use it when the kind is not known.",
                effect: Effect::Reads,
                takes: json!({
                    "text": {"type": "string", "description": "Name, part of one, IP address or id"},
                    "kinds": {"type": "array", "items": {"type": "string"}, "description": "Only these, e.g. `virtual machine`"},
                    "limit": {"type": "integer", "description": "Most objects of one kind"},
                    "profile": {"type": "string"},
                }),
                required: &["text"],
                gives: json!({
                    "items": {"type": "array", "items": {"type": "object"}},
                    "returned": {"type": "integer"}, "total": {"type": "integer"}, "complete": {"type": "boolean"}, "receipt": {"type": "object"},
                }),
            }
            .into_definition(),
        )
    }
}

impl Tool for Find {
    fn definition(&self) -> &Definition {
        &self.0
    }

    fn call<'c>(&'c self, mut call: Call<'c>) -> Answering<'c> {
        Box::pin(async move {
            let arguments = call.checked(&self.0)?;
            let request = FindRequest {
                text: arguments.text("text").unwrap_or_default(),
                kinds: arguments.texts("kinds"),
                limit: arguments.count("limit"),
                profile: arguments.text("profile"),
                caller: call.caller,
            };
            Ok(call.engine.find(request, call.watch).await?.into())
        })
    }
}
