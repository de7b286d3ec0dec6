//! `job`: what became of asynchronous work.

use cloudstack_engine::JobRequest;
use rmcp::model::Tool as Definition;
use serde_json::json;

use super::{Answering, Call, Effect, Sketch, Tool, shape};

pub(super) struct Job(Definition);

impl Job {
    pub(super) fn new() -> Self {
        Self(
            Sketch {
                name: "job",
                title: "Follow a job",
                text: "Tell the state and outcome of an asynchronous job by the id that `run` gave, waiting for its end if asked. Without `id`: your unfinished jobs.",
                effect: Effect::Reads,
                takes: json!({
                    "id": {"type": "string"},
                    "wait_seconds": {"type": "integer", "description": "How long to wait for its end; best below 50"},
                    "fields": {"type": "array", "items": {"type": "string"}},
                    "profile": {"type": "string"},
                }),
                required: &[],
                gives: json!({
                    "job": {"type": "object"}, "result": {"type": "object"}, "items": {"type": "array", "items": {"type": "object"}}, "receipt": {"type": "object"},
                }),
            }
            .into_definition(),
        )
    }
}

impl Tool for Job {
    fn definition(&self) -> &Definition {
        &self.0
    }

    fn call<'c>(&'c self, mut call: Call<'c>) -> Answering<'c> {
        Box::pin(async move {
            let arguments = call.checked(&self.0)?;
            let request = JobRequest {
                job: arguments.text("id"),
                wait: arguments.seconds("wait_seconds"),
                shape: shape(&arguments),
                profile: arguments.text("profile"),
                caller: call.caller,
            };
            Ok(call.engine.job(request, call.watch).await?.into())
        })
    }
}
