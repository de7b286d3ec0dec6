//! The description of a command for people.

use serde_json::Value;

use super::{Layout, human};

/// The description over several lines.
pub(super) fn human(value: &Value, layout: &Layout) -> String {
    human::key_values(value, 0, layout)
}
