//! The steps of `.ci/run` that need nothing but Rust, for people who want to know before they push.

use std::process::Command;

use crate::{
    docs, tidy,
    workspace::{Done, Mode, root, say},
};

/// Cargo's share: what is said of it, and its arguments.
const CARGO: &[(&str, &[&str])] = &[
    ("format", &["fmt", "--all", "--check"]),
    ("lints", &["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    ("tests", &["test", "--workspace"]),
];

/// Runs them; the first that fails ends it.
pub(crate) fn run() -> Done {
    say("== house rules")?;
    tidy::run()?;
    say("== documentation is up to date")?;
    docs::run(Mode::Check)?;
    for (name, arguments) in CARGO {
        say(&format!("== {name}"))?;
        let status = Command::new("cargo").args(*arguments).current_dir(root()).status().map_err(|error| format!("cannot run cargo: {error}"))?;
        if !status.success() {
            return Err(format!("`cargo {}` failed", arguments.join(" ")));
        }
    }
    Ok(())
}
