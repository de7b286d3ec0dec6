//! The exceptions in `xtask/tidy.tsv`: rule, path or the start of one, what, reason.

use super::Breach;
use crate::workspace::{Done, read};

const TABLE: &str = "xtask/tidy.tsv";

/// All exceptions, and which were needed.
pub(super) struct Allowances(Vec<Allowance>);

struct Allowance {
    rule: String,
    path: String,
    what: String,
    used: bool,
    line: usize,
}

impl Allowances {
    /// Reads the table.
    pub(super) fn read() -> Done<Self> {
        let text = read(TABLE)?;
        let rows = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let row = |(at, line): (usize, &str)| match line.split('\t').collect::<Vec<_>>().as_slice() {
            [rule, path, what, reason] if !reason.is_empty() => {
                Ok(Allowance { rule: (*rule).to_owned(), path: (*path).to_owned(), what: (*what).to_owned(), used: false, line: at + 1 })
            }
            _ => Err(format!("{TABLE}:{}: not rule, path, what and reason with TABs between", at + 1)),
        };
        rows.map(row).collect::<Done<Vec<_>>>().map(Self)
    }

    /// Whether the rule may be broken with this word in this file; notes that the exception was needed.
    pub(super) fn allow(&mut self, rule: &str, path: &str, what: &str) -> bool {
        let fits = |row: &&mut Allowance| row.rule == rule && path.starts_with(&row.path) && (row.what == "*" || row.what == what);
        self.0.iter_mut().find(fits).map(|row| row.used = true).is_some()
    }

    /// Exceptions that nothing needed.
    pub(super) fn check_used(&self, breaches: &mut Vec<Breach>) {
        let unused = self.0.iter().filter(|row| !row.used);
        breaches.extend(unused.map(|row| Breach::new(TABLE, row.line, format!("nothing needs `{}` for `{}` any more; remove the line", row.what, row.path))));
    }
}
