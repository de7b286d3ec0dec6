//! `settings`: every setting there is.

use clap::Args;
use serde_json::{Value, json};

use super::{Context, Failure, Verb};
use crate::settings::rows;

/// List every setting: its key in the file, its variable, its flag, its default
#[derive(Args)]
pub(super) struct SettingsVerb {}

impl Verb for SettingsVerb {
    const NAME: &'static str = "settings";
    const NEEDS_SETTINGS: bool = false;

    async fn run(self, context: &Context) -> Result<(), Failure> {
        let items: Vec<Value> = rows()
            .iter()
            .map(|row| {
                let name = if row.table.is_empty() { row.key.to_owned() } else { format!("{}.{}", row.table, row.key) };
                json!({"setting": name, "kind": row.kind, "default": row.default, "variable": row.variable, "flag": row.flag, "text": row.text})
            })
            .collect();
        let value = json!({"items": items, "returned": items.len(), "total": items.len(), "complete": true, "file": context.settings.file.display().to_string(), "receipt": context.receipt()});
        Ok(context.screen.answer(&value, &["setting", "kind", "default", "flag", "text"].map(str::to_owned))?)
    }
}
