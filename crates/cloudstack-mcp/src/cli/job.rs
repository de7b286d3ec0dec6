//! `job`: how far a job has come.

use std::time::Duration;

use clap::Args;
use cloudstack_engine::{JobRequest, Shape};

use super::{Context, Failure, Verb, run::ending};
use crate::settings::Flags;

/// Tell the state of a job, wait for its end, or list the unfinished ones
#[derive(Args)]
pub(super) struct Job {
    /// The job's id; without it, your unfinished jobs
    id: Option<String>,
    /// Wait for its end
    #[arg(long)]
    wait: bool,
    /// How long to wait
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<String>,
    /// Only these fields of the result, dotted through objects and lists
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    fields: Vec<String>,
}

impl Verb for Job {
    const NAME: &'static str = "job";

    fn flags(&self, flags: &mut Flags) {
        flags.extend(self.timeout.clone().map(|timeout| ("limits.cli_wait_seconds".to_owned(), timeout)));
    }

    async fn run(self, context: &Context) -> Result<(), Failure> {
        let engine = context.engine().await?;
        let wait = (self.wait || self.timeout.is_some()).then_some(context.settings.limits.cli_wait_seconds).filter(|wait| *wait > Duration::ZERO);
        let shape = Shape { fields: self.fields.clone(), ..Shape::default() };
        let line = context.screen.progress();
        let answer = engine.job(JobRequest { job: self.id, wait, shape, profile: None, caller: context.caller() }, &line).await?;
        line.clear();
        ending(context, &answer, &self.fields)
    }
}
