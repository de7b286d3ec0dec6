//! How results reach a person or a program: one writer for standard output, one for standard error, four formats.
//!
//! Knows the JSON that every surface shows and nothing of commands. Text out of a cloud is cleaned of control characters
//! before a terminal sees it, since tenants choose names.

mod csv;
mod describe;
mod human;
mod json;
mod plan;
mod progress;
mod table;
mod text;

use std::io::{self, Write as _};

use cloudstack_engine::{Plan, Report};
use serde_json::Value;

pub(crate) use self::{
    progress::ProgressLine,
    text::{Paint, Tint, clean, quoted, wrap},
};
use crate::settings::{Color, Format, Settings};

/// Where results go, and how they look.
pub(crate) struct Screen {
    /// How results are written.
    pub(crate) format: Format,
    /// Colours on standard output.
    paint: Paint,
    /// Colours on standard error.
    paint_aside: Paint,
    /// The columns that tables must fit into; `None` where nobody looks at a terminal.
    width: Option<usize>,
    quiet: bool,
    shows_progress: bool,
}

impl Screen {
    /// The screen that the settings ask for.
    pub(crate) fn new(settings: &Settings) -> Self {
        let environment = &settings.environment;
        let paint = |is_terminal: bool| match settings.general.color {
            Color::Always => Paint::on(),
            Color::Never => Paint::off(),
            Color::Auto if is_terminal && environment.variable("NO_COLOR").is_none() && environment.variable("TERM") != Some("dumb") => Paint::on(),
            Color::Auto => Paint::off(),
        };
        let told = environment.variable("COLUMNS").is_some();
        Self {
            format: settings.general.output,
            paint: paint(environment.stdout_is_terminal),
            paint_aside: paint(environment.stderr_is_terminal),
            width: environment.columns.filter(|_| told || environment.stdout_is_terminal),
            quiet: settings.general.quiet,
            shows_progress: environment.stderr_is_terminal && !settings.general.quiet,
        }
    }

    /// A screen for what goes wrong before there are settings.
    pub(crate) fn plain() -> Self {
        Self { format: Format::Human, paint: Paint::off(), paint_aside: Paint::off(), width: None, quiet: false, shows_progress: false }
    }

    /// Colours on standard output.
    pub(crate) fn paint(&self) -> Paint {
        self.paint
    }

    /// Writes text and a line end to standard output.
    pub(crate) fn line(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    /// Writes an answer in the chosen format; `fields` are the columns that were asked for, none for a choice of ours.
    pub(crate) fn answer(&self, value: &Value, fields: &[String]) -> io::Result<()> {
        self.line(&self.spelled(value, fields))
    }

    fn spelled(&self, value: &Value, fields: &[String]) -> String {
        match self.format {
            Format::Json => json::pretty(value),
            Format::Csv => csv::write(value, fields),
            Format::Table => table::of_answer(value, fields, &self.layout()),
            Format::Human => human::answer(value, fields, &self.layout()),
        }
    }

    /// Writes the description of a command.
    pub(crate) fn description(&self, value: &Value) -> io::Result<()> {
        match self.format {
            Format::Human => self.line(&describe::human(value, &self.layout())),
            Format::Json | Format::Csv | Format::Table => self.answer(value, &[]),
        }
    }

    /// Writes one JSON document in one line.
    pub(crate) fn json_line(&self, value: &Value) -> io::Result<()> {
        self.line(&value.to_string())
    }

    /// The plan of a call as a person reads it.
    pub(crate) fn plan(&self, plan: &Plan) -> String {
        plan::human(plan, &self.layout())
    }

    /// Tells something besides the result, on standard error; nothing if quiet.
    pub(crate) fn aside(&self, text: &str) {
        if !self.quiet {
            self.urgent(text);
        }
    }

    /// Tells a warning.
    pub(crate) fn warning(&self, text: &str) {
        self.aside(&format!("{} {}", self.paint_aside.tint(Tint::Warn, "warning:"), clean(text)));
    }

    /// Tells something on standard error even if quiet: questions and errors.
    pub(crate) fn urgent(&self, text: &str) {
        let mut err = io::stderr().lock();
        // Who closed standard error does not want to be told.
        drop(writeln!(err, "{text}").and_then(|()| err.flush()));
    }

    /// Tells what went wrong: for people on standard error, and for programs on standard output too.
    pub(crate) fn report(&self, report: &Report) {
        self.urgent(&text::report(report, self.paint_aside));
        if self.format == Format::Json {
            // The exit code tells it too, should nobody read this.
            drop(self.line(&json::pretty(&report.to_value())));
        }
    }

    /// The line on which waiting is shown.
    pub(crate) fn progress(&self) -> ProgressLine {
        ProgressLine::new(self.shows_progress, self.width)
    }

    fn layout(&self) -> Layout {
        Layout { width: self.width, paint: self.paint }
    }
}

/// What a rendering must fit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// The columns there are; `None` for as many as it takes.
    pub(crate) width: Option<usize>,
    /// Colours.
    pub(crate) paint: Paint,
}
