//! The search index as data: `catalog/search.bin`.

use cloudstack_api::{
    catalog::{Catalog, Release},
    search::compiled,
};

use crate::workspace::{Done, root};

/// Writes the index of the catalog's present words.
pub(crate) fn write() -> Done {
    let path = root().join("catalog/search.bin");
    std::fs::write(&path, compiled(&Catalog::embedded(Release::NEWEST))).map_err(|error| format!("`{}`: {error}", path.display()))
}
