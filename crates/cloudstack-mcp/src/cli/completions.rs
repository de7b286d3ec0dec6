//! `completions`: what a shell needs to complete our command line.

use clap::Args;
use clap_complete::Shell;

use super::{Context, Failure, Verb};

/// Print the completions for a shell
#[derive(Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Verb for Completions {
    const NAME: &'static str = "completions";
    const NEEDS_SETTINGS: bool = false;

    async fn run(self, context: &Context) -> Result<(), Failure> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "cloudstack-mcp", &mut text);
        Ok(context.screen.line(&String::from_utf8_lossy(&text))?)
    }
}
