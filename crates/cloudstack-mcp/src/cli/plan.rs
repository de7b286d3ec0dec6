//! `plan`: what a call would do.

use clap::Args;
use cloudstack_engine::RunRequest;

use super::{Context, Failure, Verb, arguments};
use crate::settings::Format;

/// Preview a call: what it would change, what would be lost, how to undo it; nothing is changed
#[derive(Args)]
pub(super) struct Plan {
    /// The command and its arguments as `key=value`
    #[arg(required = true, value_name = "COMMAND [KEY=VALUE]")]
    words: Vec<String>,
}

impl Verb for Plan {
    const NAME: &'static str = "plan";

    async fn run(self, context: &Context) -> Result<(), Failure> {
        let invocation = arguments::read(&self.words)?;
        let engine = context.engine().await?;
        let plan = engine.plan(RunRequest::new(invocation.command, invocation.arguments, context.caller())).await?;
        if context.screen.format == Format::Human {
            return Ok(context.screen.line(&context.screen.plan(&plan))?);
        }
        Ok(context.screen.answer(&plan.to_value(), &[])?)
    }
}
