//! The command line: one file a verb, one line to register it.
//!
//! A verb reads its arguments, asks the engine and hands the answer to the screen. It neither talks to a cloud nor decides
//! what may pass.

mod arguments;
mod audit;
mod completions;
mod consent;
mod context;
mod demo;
mod describe;
mod doctor;
mod find;
mod job;
mod plan;
mod profile;
mod reference;
mod run;
mod search;
mod serve;
mod settings;
mod simulate;
mod version;

use std::{future::Future, io, panic::AssertUnwindSafe, path::PathBuf, pin::Pin, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches, Args, Command, parser::ValueSource};
use cloudstack_engine::{Report, ReportKind};
use futures_util::FutureExt as _;

use self::context::Context;
use crate::{
    logging,
    render::Screen,
    settings::{Color, Environment, Flags, Format, General, Settings, Table as _},
};

/// How many threads serve; more than the machine has cores gain nothing, and two start fast.
const THREADS: usize = 2;

/// One verb: a file with a documented struct of its arguments.
trait Verb: Args + Send + 'static {
    /// Its name.
    const NAME: &'static str;
    /// Whether it works without readable settings.
    const NEEDS_SETTINGS: bool = true;
    /// Whether it is left out of the help.
    const HIDDEN: bool = false;

    /// The settings that its flags set, by `table.key`.
    fn flags(&self, flags: &mut Flags) {
        let _ = flags;
    }

    /// Does it.
    fn run(self, context: &Context) -> impl Future<Output = Result<(), Failure>>;
}

/// The verbs in the order of the help.
fn verbs() -> Vec<Entry> {
    vec![
        entry::<demo::Demo>(),
        entry::<serve::Serve>(),
        entry::<search::Search>(),
        entry::<describe::Describe>(),
        entry::<find::Find>(),
        entry::<plan::Plan>(),
        entry::<run::Run>(),
        entry::<job::Job>(),
        entry::<profile::Profile>(),
        entry::<doctor::Doctor>(),
        entry::<simulate::Simulate>(),
        entry::<audit::Audit>(),
        entry::<settings::SettingsVerb>(),
        entry::<completions::Completions>(),
        entry::<version::Version>(),
        entry::<reference::Reference>(),
    ]
}

/// Why a verb did not end well.
#[derive(Debug)]
enum Failure {
    /// Something went wrong, and nobody was told yet.
    Report(Box<Report>),
    /// Standard output is gone or full.
    Output(io::Error),
    /// The person was told everything; only the exit code is left.
    Told(u8),
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        Self::Report(Box::new(report))
    }
}

impl From<io::Error> for Failure {
    fn from(fault: io::Error) -> Self {
        Self::Output(fault)
    }
}

/// A verb at work.
type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

/// A verb in the table.
struct Entry {
    name: &'static str,
    needs_settings: bool,
    command: fn() -> Command,
    flags: fn(&ArgMatches, &mut Flags),
    run: for<'a> fn(&'a ArgMatches, &'a Context) -> Running<'a>,
}

fn entry<V: Verb>() -> Entry {
    Entry {
        name: V::NAME,
        needs_settings: V::NEEDS_SETTINGS,
        command: || V::augment_args(Command::new(V::NAME)).hide(V::HIDDEN),
        flags: |matches, flags| {
            if let Ok(verb) = V::from_arg_matches(matches) {
                verb.flags(flags);
            }
        },
        run: |matches, context| {
            Box::pin(async move {
                let verb = V::from_arg_matches(matches).map_err(|fault| Report::new(ReportKind::Usage, fault.to_string()))?;
                verb.run(context).await
            })
        },
    }
}

/// The whole command line.
pub(crate) fn command() -> Command {
    let global = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help).global(true).help_heading("Global options")
    };
    let switch = |name: &'static str, help: &'static str| global(name, "", help).action(ArgAction::SetTrue);
    let top = Command::new("cloudstack-mcp")
        .version(env!("CARGO_PKG_VERSION"))
        .about("An MCP server and command line for Apache CloudStack, with an embedded cloud to try it on")
        .after_help("Without any profile, calls go to the embedded cloud of this program. Start with `cloudstack-mcp demo`.")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .max_term_width(110)
        .arg(global("profile", "NAME", "Profile to use: one of the settings file, `cmk:NAME`, `cs:REGION`, `env` or `embedded`").short('p'))
        .arg(global("config", "FILE", "Settings file").value_parser(clap::value_parser!(PathBuf)))
        .arg(global("output", "FORMAT", "How results are written").short('o').value_parser(words(Format::WORDS)))
        .arg(global("color", "WHEN", "Whether colours are written").value_parser(words(Color::WORDS)))
        .arg(switch("quiet", "Leave out progress, notes and warnings").short('q'))
        .arg(global("release", "RELEASE", "CloudStack release to assume, such as 4.22"))
        .arg(switch("read-only", "Let only calls pass that change nothing"));
    verbs().iter().fold(top, |top, entry| top.subcommand((entry.command)()))
}

fn words(words: &'static [&'static str]) -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(words)
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let environment = Environment::read();
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(fault) => return shown(&fault),
    };
    let Some((name, inner)) = matches.subcommand() else { return ExitCode::from(ReportKind::Usage.exit_code()) };
    let Some(entry) = verbs().into_iter().find(|entry| entry.name == name) else { return ExitCode::from(ReportKind::Usage.exit_code()) };
    let mut flags = global_flags(inner);
    (entry.flags)(inner, &mut flags);
    let settings = if entry.needs_settings {
        Settings::read(&flags, inner.get_one::<PathBuf>("config").cloned(), environment)
    } else {
        Settings::read(&flags, None, environment.clone()).or_else(|_| Settings::bare(environment))
    };
    let settings = match settings {
        Ok(settings) => settings,
        Err(report) => {
            let mut screen = Screen::plain();
            if flags.get("output").is_some_and(|format| format == "json") {
                screen.format = Format::Json;
            }
            screen.report(&report);
            return ExitCode::from(report.exit_code());
        }
    };
    let context = Context::new(settings);
    if let Err(report) = logging::start(&context.settings.general.log) {
        return ended(&context, Err(report.into()));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build() {
        Ok(runtime) => runtime,
        Err(fault) => return ended(&context, Err(Report::new(ReportKind::Internal, format!("no threads can be started: {fault}")).into())),
    };
    let outcome = runtime.block_on(guarded((entry.run)(inner, &context)));
    // What still waits, a read of standard input for one, must not hold up the end.
    runtime.shutdown_background();
    ended(&context, outcome)
}

/// A panic is a defect, and is told like one.
async fn guarded(verb: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let caught = AssertUnwindSafe(verb).catch_unwind().await;
    caught.unwrap_or_else(|_| {
        let report = Report::new(ReportKind::Internal, "this program failed in a way that it should not");
        Err(report.hint("the lines above tell where; please report them with what you typed").into())
    })
}

/// The one place where an outcome becomes an exit code.
fn ended(context: &Context, outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Told(code)) => ExitCode::from(code),
        Err(Failure::Report(report)) => {
            context.screen.report(&report);
            ExitCode::from(report.exit_code())
        }
        // A reader that has seen enough is no failure: `… | head`.
        Err(Failure::Output(fault)) if fault.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Output(fault)) => {
            context.screen.urgent(&format!("error: the result cannot be written: {fault}"));
            ExitCode::from(ReportKind::Internal.exit_code())
        }
    }
}

/// Help and version go to standard output, faults in the arguments to standard error.
fn shown(fault: &clap::Error) -> ExitCode {
    // Nobody is left to be told if neither can be written.
    drop(fault.print());
    if fault.use_stderr() { ExitCode::from(ReportKind::Usage.exit_code()) } else { ExitCode::SUCCESS }
}

/// The global flags that were given, as settings.
fn global_flags(matches: &ArgMatches) -> Flags {
    let mut flags = Flags::new();
    for row in General::rows() {
        let Some(name) = row.flag.and_then(|flag| flag.strip_prefix("--")) else { continue };
        if matches.value_source(name) != Some(ValueSource::CommandLine) {
            continue;
        }
        let text = matches.try_get_one::<String>(name).ok().flatten().cloned();
        let text = text.or_else(|| matches.try_get_one::<bool>(name).ok().flatten().map(bool::to_string));
        if let Some(text) = text {
            flags.insert(row.key.to_owned(), text);
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_verb_says_what_it_does() {
        for verb in command().get_subcommands() {
            assert!(verb.get_about().is_some_and(|about| !about.to_string().is_empty()), "{}", verb.get_name());
        }
    }
}
