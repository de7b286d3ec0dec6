//! JSON for programs: one document, the members in the order in which they were made.

use serde_json::Value;

/// The value over several lines.
pub(super) fn pretty(value: &Value) -> String {
    // Writing a `Value` cannot fail: its keys are texts.
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}
