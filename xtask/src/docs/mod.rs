//! The generated part of the documentation: facts, told once in code or catalog and written out here. Reasons are
//! written by hand.
//!
//! `docs/cli.md` and `docs/settings.md` are the program's own: its tests hold them.

mod coverage;
mod parts;
mod reference;

use std::collections::BTreeSet;

use cloudstack_api::catalog::{Catalog, Release};

use crate::workspace::{Done, Mode, files, generated, read, root, say};

/// The folder of the API reference, which holds generated pages only.
const REFERENCE: &str = "docs/reference/";
/// The most that all generated pages may weigh.
const BYTES_MAX: usize = 3_000_000;
/// How to bring them up to date.
const TASK: &str = "docs";

/// Writes or checks everything generated.
pub(crate) fn run(mode: Mode) -> Done {
    let catalogs = [Release::OLDEST, Release::NEWEST].map(Catalog::embedded);
    let [_, newest] = &catalogs;
    let mut pages = reference::pages(&catalogs);
    pages.push(("docs/coverage.md".to_owned(), coverage::page(newest)));
    pages.push(("README.md".to_owned(), parts::fill(&read("README.md")?, newest)?));
    let bytes: usize = pages.iter().map(|(_, text)| text.len()).sum();
    if bytes > BYTES_MAX {
        return Err(format!("the generated pages weigh {bytes} bytes, more than {BYTES_MAX}"));
    }
    for (path, text) in &pages {
        generated(path, text, mode, TASK)?;
    }
    remove_strays(&pages, mode)?;
    say(&format!("{} pages, {bytes} bytes", pages.len()))
}

/// Pages of the reference that nothing generates any more.
fn remove_strays(pages: &[(String, String)], mode: Mode) -> Done {
    let wanted: BTreeSet<&str> = pages.iter().map(|(path, _)| path.as_str()).collect();
    for path in files()?.into_iter().filter(|path| path.starts_with(REFERENCE) && !wanted.contains(path.as_str())) {
        if mode == Mode::Check {
            return Err(format!("`{path}` belongs to nothing; run `cargo xtask {TASK}`"));
        }
        std::fs::remove_file(root().join(&path)).map_err(|error| format!("cannot remove `{path}`: {error}"))?;
    }
    Ok(())
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}
