//! What no tracked text may hold: reminders to self, and paths of the machine it was written on.

use super::Breach;
use crate::workspace::root;

/// Reminders, spelled so that this file does not hold them.
const REMINDERS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];
/// Files that are written by others or hold others' text.
const FOREIGN: &[&str] = &["Cargo.lock", "LICENSE"];
/// Endings of files that are text.
const TEXTS: &[&str] = &[".rs", ".toml", ".md", ".sh", ".py", ".mjs", ".js", ".tsv", ".txt", ".jsonl", ".json", ".yml", "/run", ".snap"];

/// Checks a file's text.
pub(super) fn check(path: &str, breaches: &mut Vec<Breach>) {
    if FOREIGN.contains(&path) || !TEXTS.iter().any(|ending| path.ends_with(ending)) {
        return;
    }
    let Ok(text) = std::fs::read_to_string(root().join(path)) else { return };
    let machine = root().parent().map(|parent| format!("{}/", parent.display())).filter(|parent| parent.len() > 3);
    for (at, line) in text.lines().enumerate() {
        let reminder = REMINDERS.iter().find(|reminder| line.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|word| word == **reminder));
        if let Some(reminder) = reminder.filter(|_| !is_data(path)) {
            breaches.push(Breach::new(path, at + 1, format!("`{reminder}`: do it, or file an issue")));
        }
        if machine.as_ref().is_some_and(|machine| line.contains(machine.as_str())) {
            breaches.push(Breach::new(path, at + 1, "a path of this machine"));
        }
    }
}

/// Recorded data may hold any word.
fn is_data(path: &str) -> bool {
    path.contains("/tests/data/")
}
