//! The catalog and its use, table by table: every row, not samples.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that stumbles has failed")]

mod declared;
mod described;
mod replies;
mod roles;
mod routing;
mod schemas;
mod tables;

use cloudstack_api::catalog::{Catalog, Release};

/// The supported releases, as lines.
const LINES: [&str; 2] = ["4.20", "4.22"];

/// The catalog of each supported release.
fn catalogs() -> [Catalog; 2] {
    LINES.map(|line| Catalog::embedded(line.parse::<Release>().unwrap()))
}

/// A table as it lies in `catalog/`.
macro_rules! table {
    ($name:literal) => {
        include_str!(concat!("../../../../catalog/", $name))
    };
}
use table;

/// The columns of a table's lines.
fn columns(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| line.split('\t').collect())
}

/// Fails with all faults at once, one a line.
#[track_caller]
fn none<T: std::fmt::Display>(faults: impl IntoIterator<Item = T>) {
    let faults: Vec<String> = faults.into_iter().map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
