//! `search`: words to commands.

use clap::Args;
use cloudstack_api::catalog::{Risk, RoleType};
use cloudstack_engine::SearchRequest;
use serde_json::json;

use super::{Context, Failure, Verb};
use crate::settings::Format;

/// Find the commands that do what you want, best first
#[derive(Args)]
pub(super) struct Search {
    /// What you want to do, in your words
    #[arg(required_unless_present = "families")]
    text: Vec<String>,
    /// Only commands of this family
    #[arg(long, value_name = "FAMILY")]
    family: Option<String>,
    /// Only commands of at most this risk: read, disclose, write, disrupt, destroy, raze
    #[arg(long, value_name = "RISK")]
    risk_max: Option<Risk>,
    /// Only commands that the default role of this type may call: admin, resourceadmin, domainadmin, user
    #[arg(long, value_name = "ROLE")]
    role: Option<RoleType>,
    /// The most commands to show
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// List the families instead
    #[arg(long)]
    families: bool,
}

impl Verb for Search {
    const NAME: &'static str = "search";

    async fn run(self, context: &Context) -> Result<(), Failure> {
        let engine = context.catalog_engine()?;
        if self.families {
            let families = engine.catalog(None)?.families();
            let items: Vec<_> =
                families.iter().map(|family| json!({"name": family.name, "title": family.title, "area": family.area, "text": family.text})).collect();
            let value = json!({"items": items, "returned": items.len(), "total": items.len(), "complete": true, "receipt": context.receipt()});
            return Ok(context.screen.answer(&value, &[])?);
        }
        let request = SearchRequest {
            query: self.text.join(" "),
            family: self.family,
            risk_max: self.risk_max,
            role: self.role,
            release: None,
            limit: self.limit,
            profile: None,
        };
        let found = engine.search(&request)?;
        if let Some(hint) = &found.hint {
            context.screen.aside(&format!("hint: {hint}"));
        }
        if context.screen.format == Format::Json {
            return Ok(context.screen.answer(&found.items_value(), &[])?);
        }
        let columns = if context.screen.format == Format::Csv { Vec::new() } else { ["command", "title", "risk", "needs"].map(str::to_owned).to_vec() };
        Ok(context.screen.answer(&found.to_value(), &columns)?)
    }
}
