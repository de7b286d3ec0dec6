//! `describe`: what a command does and takes.

use clap::Args;
use cloudstack_engine::{DescribeRequest, Details};

use super::{Context, Failure, Verb};

/// Tell what a command does, what it takes and what it answers
#[derive(Args)]
pub(super) struct Describe {
    /// The command, in any case, in one word or several
    #[arg(required = true)]
    command: Vec<String>,
    /// Tell everything: all parameters, fields of the reply, examples
    #[arg(long)]
    full: bool,
}

impl Verb for Describe {
    const NAME: &'static str = "describe";

    async fn run(self, context: &Context) -> Result<(), Failure> {
        let details = if self.full { Details::Full } else { Details::Brief };
        let request = DescribeRequest { command: self.command.concat(), details, profile: None };
        let mut value = context.catalog_engine()?.describe(&request)?;
        if let Some(members) = value.as_object_mut() {
            members.entry("receipt").or_insert_with(|| context.receipt());
        }
        Ok(context.screen.description(&value)?)
    }
}
