//! `audit`: what was called, and whether the record of it is whole.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use cloudstack_engine::{Report, ReportKind};
use serde_json::json;

use super::{Context, Failure, Verb};

/// Look after the record of calls
#[derive(Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    verb: AuditVerb,
}

#[derive(Subcommand)]
enum AuditVerb {
    /// Check that no row was changed, removed or put in
    Verify {
        /// The file; that of the settings without it
        file: Option<PathBuf>,
    },
}

impl Verb for Audit {
    const NAME: &'static str = "audit";

    async fn run(self, context: &Context) -> Result<(), Failure> {
        let AuditVerb::Verify { file } = self.verb;
        let settings = &context.settings;
        let told = file.or_else(|| settings.general.audit_file.as_deref().map(|path| settings.environment.path(path)));
        let file =
            told.ok_or_else(|| Report::new(ReportKind::Usage, "no audit file is named and none is set").hint("name one, or set `audit_file` in the settings"))?;
        let verified = cloudstack_engine::audit::verify(&file)?;
        let value = json!({"file": file.display().to_string(), "rows": verified.rows, "last": verified.last, "whole": true, "receipt": context.receipt()});
        Ok(context.screen.answer(&value, &[])?)
    }
}
