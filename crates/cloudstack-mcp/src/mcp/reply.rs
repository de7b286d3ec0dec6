//! What a tool answers, in the words of the protocol: structured content with its mirror as text, errors with hints.

use cloudstack_engine::{Answer, Report};
use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, InputRequiredResult, MetaObject};
use serde_json::Value;

/// What a tool answers.
#[derive(Debug)]
pub(super) enum Reply {
    /// It is done, or failed.
    Answer(Answer),
    /// A person must be asked first, by the client.
    Ask(Box<InputRequiredResult>),
}

impl Reply {
    /// An answer that tells of no failure.
    pub(super) fn done(value: Value) -> Self {
        Self::Answer(Answer { value, is_error: false })
    }

    /// The protocol's form of it.
    pub(super) fn into_response(self, meta: MetaObject) -> CallToolResponse {
        match self {
            Self::Answer(answer) => {
                let text = vec![ContentBlock::text(answer.value.to_string())];
                let mut result = if answer.is_error { CallToolResult::error(text) } else { CallToolResult::success(text) };
                result.structured_content = Some(answer.value);
                result.with_meta(Some(meta)).into()
            }
            Self::Ask(ask) => (*ask).with_meta(meta).into(),
        }
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// A report as the result of a tool: the model reads it and can put the call right.
pub(super) fn failure(report: &Report, meta: MetaObject) -> CallToolResponse {
    let mut text = format!("{}: {}", report.kind.word(), report.message);
    for hint in &report.hints {
        text.push_str("\nhint: ");
        text.push_str(hint);
    }
    let facts = report.facts.iter().filter(|(name, _)| *name != "faults");
    for (name, value) in facts {
        text.push_str(&format!("\n{name}: {value}"));
    }
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    result.structured_content = Some(report.to_value());
    result.with_meta(Some(meta)).into()
}
