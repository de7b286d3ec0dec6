//! The house rules that the compiler cannot hold, over every file of the workspace. `cargo test` runs them too.
//!
//! Exceptions stand in `xtask/tidy.tsv`, each with its reason; one that nothing needs any more is itself a breach, so
//! that the list can only shrink by itself.

mod allowances;
mod arrows;
mod functions;
mod layout;
mod names;
mod rooms;
mod source;
mod text;
mod words;

use std::fmt;

use self::{allowances::Allowances, source::Source};
use crate::workspace::{Done, complain, files, read, say};

/// A rule that does not hold somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Breach {
    /// The file, relative to the root.
    path: String,
    /// The line, from 1; 0 for the file as a whole.
    line: usize,
    /// What is wrong and what to do.
    text: String,
}

impl Breach {
    fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

/// Checks everything and prints what is wrong.
pub(crate) fn run() -> Done {
    let breaches = breaches()?;
    for breach in &breaches {
        complain(&breach.to_string());
    }
    if breaches.is_empty() { say("tidy") } else { Err(format!("{} breaches of the house rules", breaches.len())) }
}

fn breaches() -> Done<Vec<Breach>> {
    let files = files()?;
    let mut allowances = Allowances::read()?;
    let commands = names::commands();
    let mut breaches = Vec::new();
    arrows::check(&files, &mut breaches)?;
    layout::check(&files, &mut breaches);
    words::check(&mut breaches)?;
    for path in &files {
        text::check(path, &mut breaches);
        if path.ends_with(".rs") {
            let source = Source::parse(path, &read(path)?);
            source::check_head(&source, &mut breaches);
            functions::check(&source, &mut breaches);
            rooms::check(&source, &mut allowances, &mut breaches);
            names::check(&source, &commands, &mut allowances, &mut breaches);
        }
    }
    allowances.check_used(&mut breaches);
    breaches.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    Ok(breaches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_rules_hold() {
        let breaches = breaches().unwrap();
        assert!(breaches.is_empty(), "{}", breaches.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
}
