//! `search`: commands by meaning.

use cloudstack_api::catalog::{ReleaseError, Risk, RoleType};
use cloudstack_engine::{Report, ReportKind, SearchRequest};
use rmcp::model::Tool as Definition;
use serde_json::json;

use super::{Answering, Call, Effect, Reply, Sketch, Tool, with_receipt};

pub(super) struct Search(Definition);

impl Search {
    pub(super) fn new() -> Self {
        let risks: Vec<&str> = Risk::ALL.iter().map(|risk| risk.word()).collect();
        let roles: Vec<&str> = RoleType::ALL.iter().map(|role| role.word()).collect();
        Self(
            Sketch {
                name: "search",
                title: "Search commands",
                text: "Find CloudStack commands by meaning. Say in your own words what should happen (`give a vm more memory`). \
                       Gives commands, best first, with title, risk and required parameters. Start here, then `describe`, then `read` or `run`.",
                effect: Effect::Reads,
                takes: json!({
                    "query": {"type": "string", "description": "What should happen, or a command's name"},
                    "family": {"type": "string", "description": "Only this family, e.g. `volume`"},
                    "risk_max": {"type": "string", "enum": risks, "description": "Nothing riskier; `read`: only what changes nothing"},
                    "role": {"type": "string", "enum": roles, "description": "Only what this role may call"},
                    "release": {"type": "string", "description": "e.g. `4.20`; the server's by default"},
                    "limit": {"type": "integer"},
                    "profile": {"type": "string"},
                }),
                required: &["query"],
                gives: json!({
                    "items": {"type": "array", "items": {"type": "object"}},
                    "returned": {"type": "integer"}, "total": {"type": "integer"}, "complete": {"type": "boolean"}, "hint": {"type": "string"}, "receipt": {"type": "object"},
                }),
            }
            .into_definition(),
        )
    }
}

impl Tool for Search {
    fn definition(&self) -> &Definition {
        &self.0
    }

    fn call<'c>(&'c self, mut call: Call<'c>) -> Answering<'c> {
        Box::pin(async move {
            let arguments = call.checked(&self.0)?;
            let request = SearchRequest {
                query: arguments.text("query").unwrap_or_default(),
                family: arguments.text("family"),
                risk_max: arguments.text("risk_max").and_then(|word| word.parse().ok()),
                role: arguments.text("role").and_then(|word| word.parse().ok()),
                release: arguments.text("release").map(|text| text.parse()).transpose().map_err(unknown_release)?,
                limit: arguments.count("limit"),
                profile: arguments.text("profile"),
            };
            let found = call.engine.search(&request)?;
            Ok(Reply::done(with_receipt(call.engine, request.profile.as_deref(), found.to_value())))
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn unknown_release(error: ReleaseError) -> Report {
    Report::new(ReportKind::Usage, error.to_string())
}
