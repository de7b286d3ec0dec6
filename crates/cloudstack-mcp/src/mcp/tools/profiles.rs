//! `profiles`: the configured clouds, and as whom calls of one are made.

use cloudstack_engine::{ProfileSummary, ReportKind};
use rmcp::model::Tool as Definition;
use serde_json::{Value, json};

use super::{Answering, Call, Effect, Reply, Sketch, Tool, cloud_word, with_receipt};

pub(super) struct Profiles(Definition);

impl Profiles {
    pub(super) fn new() -> Self {
        Self(
            Sketch {
                name: "profiles",
                title: "Show profiles",
                text: "List the configured profiles (clouds and identities), and tell as whom calls of one are made: account, role, release. Give its name as `profile` to any tool.",
                effect: Effect::Reads,
                takes: json!({"profile": {"type": "string", "description": "Whose identity to tell; else the default one's"}}),
                required: &[],
                gives: json!({
                    "items": {"type": "array", "items": {"type": "object"}},
                    "returned": {"type": "integer"}, "total": {"type": "integer"}, "complete": {"type": "boolean"}, "receipt": {"type": "object"},
                }),
            }
            .into_definition(),
        )
    }
}

impl Tool for Profiles {
    fn definition(&self) -> &Definition {
        &self.0
    }

    fn call<'c>(&'c self, mut call: Call<'c>) -> Answering<'c> {
        Box::pin(async move {
            let arguments = call.checked(&self.0)?;
            let name = arguments.text("profile");
            let who = call.engine.whoami(name.as_deref()).await;
            let items: Vec<Value> = call.engine.profiles().iter().map(item).collect();
            let mut value = json!({"items": items, "returned": items.len(), "total": items.len(), "complete": true});
            let (member, told) = match who {
                Ok(receipt) => ("receipt", receipt.to_value()),
                // All but a wrong name must not hide the list.
                Err(report) if report.kind == ReportKind::Usage => return Err(report),
                Err(report) => ("error", report.to_value().get("error").cloned().unwrap_or_default()),
            };
            if let Some(members) = value.as_object_mut() {
                members.insert(member.to_owned(), told);
            }
            Ok(Reply::done(with_receipt(call.engine, name.as_deref(), value)))
        })
    }
}

fn item(summary: &ProfileSummary) -> Value {
    json!({
        "name": summary.name, "endpoint": summary.url, "cloud": cloud_word(summary),
        "default": summary.is_default, "authentication": summary.authentication,
    })
}
