//! Keeping a world: in a file that survives the process, and as JSON that can be carried elsewhere.
//!
//! A world follows from its options, its seed and what was done to it when: so the file is a journal of deeds, replayed at
//! the next start by the same code that did them first. A snapshot stands in for the deeds before it. Nothing here knows
//! what a deed means; how the file is written is in `journal.rs`.

mod cloud;
mod journal;
mod line;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub(crate) use self::{
    journal::{Journal, Opened, Ticket},
    line::{Deed, Entry, Line},
};
use crate::{cloud::Identity, error::Error, options::WorldOptions, world::SavedWorld};

/// What the file says it is.
const FORMAT: &str = "cloudstack-mcp world";
/// The version of the format that is written, and the newest that is read.
const VERSION: u32 = 1;

/// Where a world came from: all that its first moment follows from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    format: String,
    version: u32,
    /// The version of the program that wrote it.
    program: String,
    /// The options of the world.
    options: WorldOptions,
    /// When it began.
    began: std::time::Duration,
}

impl Header {
    /// The header of a world that this program makes.
    pub(crate) fn new(options: WorldOptions, began: std::time::Duration) -> Self {
        Self { format: FORMAT.to_owned(), version: VERSION, program: env!("CARGO_PKG_VERSION").to_owned(), options, began }
    }

    /// When the world began.
    pub(crate) fn began(&self) -> std::time::Duration {
        self.began
    }

    /// Refuses what this program cannot read; `name` is what the world is kept in.
    fn check(&self, name: &str) -> Result<(), Error> {
        if self.format != FORMAT {
            return Err(not_ours(name));
        }
        if self.version > VERSION {
            let (version, program) = (self.version, &self.program);
            return Err(Error::Damaged(format!("{name} is in format {version} of version {program} and this program reads up to {VERSION}: use that version")));
        }
        Ok(())
    }
}

fn not_ours(name: &str) -> Error {
    Error::Damaged(format!("{name} holds no world of an embedded cloud"))
}

/// A world and who may call it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// The world.
    pub(crate) world: SavedWorld,
    /// Who may call it.
    pub(crate) identities: Vec<Identity>,
}

/// A world to be carried elsewhere: one JSON document.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Export {
    format: String,
    version: u32,
    program: String,
    options: WorldOptions,
    began: std::time::Duration,
    world: SavedWorld,
    identities: Vec<Identity>,
}

impl Export {
    /// An export of a world.
    pub(crate) fn new(header: Header, snapshot: Snapshot) -> Self {
        let Header { format, version, program, options, began } = header;
        let Snapshot { world, identities } = snapshot;
        Self { format, version, program, options, began, world, identities }
    }

    /// The document.
    pub(crate) fn text(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|fault| Error::Damaged(format!("the world cannot be written as JSON: {fault}")))
    }

    /// Reads a document.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        check_export(text)?;
        serde_json::from_str(text).map_err(|fault| Error::Damaged(format!("the export cannot be read: {fault}")))
    }

    /// What the world was made from.
    pub(crate) fn options(&self) -> &WorldOptions {
        &self.options
    }

    /// The world.
    pub(crate) fn into_snapshot(self) -> Snapshot {
        Snapshot { world: self.world, identities: self.identities }
    }
}

/// Only the header: a newer format may look different behind it.
fn check_export(text: &str) -> Result<Header, Error> {
    let header: Header = serde_json::from_str(text).map_err(|_| not_ours("the export"))?;
    header.check("the export")?;
    Ok(header)
}

/// The options of the world in an export.
///
/// # Errors
///
/// [`Error::Damaged`] if it is no export, or one of a newer version of the program.
pub fn exported_options(text: &str) -> Result<WorldOptions, Error> {
    Ok(check_export(text)?.options)
}

/// The options of the world that a state file keeps; nothing if there is no file.
///
/// # Errors
///
/// [`Error::File`] if it cannot be read, [`Error::Damaged`] if it holds no world that this program reads.
pub fn kept_options(path: &Path) -> Result<Option<WorldOptions>, Error> {
    use std::io::{BufRead as _, BufReader, ErrorKind};
    let name = format!("`{}`", path.display());
    let fault = |source| Error::File { file: path.display().to_string(), done: "read", source };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(fault) if fault.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(fault(source)),
    };
    let mut first = Vec::new();
    BufReader::new(file).read_until(b'\n', &mut first).map_err(fault)?;
    if first.is_empty() {
        return Ok(None);
    }
    match Line::read(&first) {
        Some(Line::Header(header)) => {
            header.check(&name)?;
            Ok(Some(header.options))
        }
        _ => Err(not_ours(&name)),
    }
}

/// What came of opening a state file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// How many deeds were replayed.
    pub replayed: usize,
    /// How many of them came out differently than they once did, as they can in another version of the program.
    pub differing: usize,
    /// The version of the program that wrote the file.
    pub program: String,
    /// Where the file was copied to because of them, before it was written anew.
    pub copy: Option<PathBuf>,
    /// Whether the last line was not whole and was dropped: it was being written when the process ended.
    pub was_torn: bool,
}
