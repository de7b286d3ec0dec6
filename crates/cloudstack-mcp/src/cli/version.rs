//! `version`: what this program is and which releases it knows.

use clap::Args;
use cloudstack_api::catalog::{Catalog, Release};
use serde_json::json;

use super::{Context, Failure, Verb};

/// Tell the version, and the CloudStack releases and commands it knows
#[derive(Args)]
pub(super) struct Version {}

impl Verb for Version {
    const NAME: &'static str = "version";
    const NEEDS_SETTINGS: bool = false;

    async fn run(self, context: &Context) -> Result<(), Failure> {
        let count = |release: Release| Catalog::embedded(release).commands().count();
        let value = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "releases": format!("{} to {}", Release::OLDEST, Release::NEWEST),
            "commands": format!("{} in {}, {} in {}", count(Release::OLDEST), Release::OLDEST, count(Release::NEWEST), Release::NEWEST),
        });
        Ok(context.screen.answer(&value, &[])?)
    }
}
