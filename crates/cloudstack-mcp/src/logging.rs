//! What goes on inside, for those who look: lines on standard error. Results and errors are told elsewhere.

use std::io;

use cloudstack_engine::{Report, ReportKind};
use tracing_subscriber::EnvFilter;

/// Starts logging what passes the filter.
///
/// # Errors
///
/// A report of kind `config` if the filter cannot be read.
pub(crate) fn start(filter: &str) -> Result<(), Report> {
    let parsed = EnvFilter::try_new(filter)
        .map_err(|_| Report::new(ReportKind::Config, format!("`log` is `{filter}`; it takes a level, or a filter such as `warn,cloudstack_engine=debug`")))?;
    // Nothing else in this process logs, so the first to ask is the only one.
    let started = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(io::stderr).with_ansi(false).try_init();
    started.map_err(|fault| Report::new(ReportKind::Internal, format!("logging cannot be started: {fault}")))
}
