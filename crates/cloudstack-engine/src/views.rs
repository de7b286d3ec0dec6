//! The catalog of each release that is in use, opened once and shared.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use cloudstack_api::{
    catalog::{Catalog, Release},
    search::Index,
};

/// A catalog and what is derived from it.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) catalog: Arc<Catalog>,
    index: OnceLock<Index>,
}

impl View {
    /// The search index; built when first asked for.
    pub(crate) fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::new(&self.catalog))
    }
}

/// The release itself, or the nearest that the catalog covers.
fn covered(release: Release) -> Release {
    // A line sorts after its patches, hence the first patch marks where the oldest line begins.
    let first: Option<Release> = format!("{}.0", Release::OLDEST.line_name()).parse().ok();
    if first.is_some_and(|first| release < first) { Release::OLDEST } else { release.min(Release::NEWEST) }
}

/// The views that are open.
#[derive(Debug, Default)]
pub(crate) struct Views {
    open: Mutex<HashMap<Release, Arc<View>>>,
}

impl Views {
    /// The view of a release, or of the nearest one that the catalog covers.
    pub(crate) fn view(&self, release: Release) -> Arc<View> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = open.get(&release) {
            return Arc::clone(view);
        }
        let covered = covered(release);
        let made = || Arc::new(View { catalog: Arc::new(Catalog::embedded(covered)), index: OnceLock::new() });
        let view = Arc::clone(open.entry(covered).or_insert_with(made));
        // A release that the catalog does not cover is found under its own name the next time.
        open.insert(release, Arc::clone(&view));
        view
    }
}
