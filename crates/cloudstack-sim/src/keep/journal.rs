//! The state file: opened by one process, appended to, and now and then written anew.
//!
//! A line is handed over while the world is held, so that lines stand in the order of the deeds; it is made durable
//! afterwards, by whoever waits first for all that wait by then. A file that could not be written to is given up: better
//! no answer than one that is forgotten.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Entry, Header, Line, Snapshot, not_ours};
use crate::{error::Error, options::WorldOptions};

/// How many deeds a journal has at least before it is written anew.
const COMPACT_DEEDS: usize = 10_000;
/// What the lock file is called behind the state file's name.
const LOCK: &str = "lock";
/// What the copy of a file is called whose deeds came out differently.
const COPY: &str = "before";
/// What a file is called behind that name while it is written.
const FRESH: &str = "fresh";

/// What stands where a line should be, so that the file is seen to be damaged.
const LOST: &[u8] = b"lost\n";

/// A state file that is open.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    header: Header,
    queue: Mutex<Queue>,
    out: Mutex<Out>,
    /// Held, not used: it is let go with the process.
    _lock: File,
}

/// Lines that are not on the disk yet.
#[derive(Debug, Default)]
struct Queue {
    text: Vec<u8>,
    last: u64,
    /// How many deeds there are since the last snapshot, those on the disk too.
    deeds: usize,
}

/// The file.
#[derive(Debug)]
struct Out {
    file: File,
    durable: u64,
    is_given_up: bool,
}

/// A deed's place in the journal, by which it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// What a state file held.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The file, to go on with.
    pub(crate) journal: Journal,
    /// What the world began as.
    pub(crate) header: Header,
    /// What stands for the deeds before the others.
    pub(crate) snapshot: Option<Box<Snapshot>>,
    /// The deeds since.
    pub(crate) entries: Vec<Entry>,
    /// Whether the last line was not whole.
    pub(crate) was_torn: bool,
}

impl Journal {
    /// Opens a state file, or makes it.
    pub(crate) fn open(path: &Path, asked: &Header) -> Result<Opened, Error> {
        let lock = lock(path)?;
        let exists = fs::metadata(path).is_ok_and(|facts| facts.len() > 0);
        if !exists {
            write_anew(path, &[Line::Header(asked.clone())])?;
        }
        let read = Read::of(path)?;
        check_options(path, &read.header.options, &asked.options)?;
        let fault = |source| Error::File { file: path.display().to_string(), done: "written", source };
        let mut file = OpenOptions::new().append(true).open(path).map_err(fault)?;
        if read.was_torn {
            file.set_len(read.whole_bytes).map_err(fault)?;
            file.sync_all().map_err(fault)?;
        }
        file.flush().map_err(fault)?;
        let Read { header, snapshot, entries, was_torn, .. } = read;
        let queue = Queue { deeds: entries.len(), ..Queue::default() };
        let out = Out { file, durable: 0, is_given_up: false };
        let journal = Self { path: path.to_owned(), header: header.clone(), queue: Mutex::new(queue), out: Mutex::new(out), _lock: lock };
        Ok(Opened { journal, header, snapshot, entries, was_torn })
    }

    /// Hands a deed over. To be called while the world is held.
    pub(crate) fn push(&self, entry: Entry) -> Ticket {
        let mut queue = held(&self.queue);
        queue.last += 1;
        queue.deeds += 1;
        if Line::Deed(entry).write(&mut queue.text).is_err() {
            // Nothing in a deed fails to be JSON; if it did, the next start should miss it aloud.
            queue.text.extend_from_slice(LOST);
        }
        Ticket(queue.last)
    }

    /// Waits until a deed is on the disk.
    pub(crate) fn settle(&self, ticket: Ticket) -> Result<(), Error> {
        let mut out = held(&self.out);
        if out.durable >= ticket.0 && !out.is_given_up {
            return Ok(());
        }
        let (text, last) = {
            let mut queue = held(&self.queue);
            (std::mem::take(&mut queue.text), queue.last)
        };
        let done = if out.is_given_up { Err(io::Error::other("it could not be written before")) } else { append(&mut out.file, &text) };
        match done {
            Ok(()) => {
                out.durable = last;
                Ok(())
            }
            Err(source) => {
                out.is_given_up = true;
                Err(self.fault(source))
            }
        }
    }

    /// Whether enough happened since the last snapshot for a new one.
    pub(crate) fn has_grown(&self) -> bool {
        held(&self.queue).deeds >= COMPACT_DEEDS
    }

    /// Whether anything happened since the last snapshot.
    pub(crate) fn has_deeds(&self) -> bool {
        held(&self.queue).deeds > 0
    }

    /// Puts a copy beside the file, as it was opened.
    pub(crate) fn copy(&self) -> Result<PathBuf, Error> {
        let copy = beside(&self.path, COPY);
        fs::copy(&self.path, &copy).map_err(|source| self.fault(source))?;
        Ok(copy)
    }

    /// Writes the file anew, with a snapshot in place of all deeds. To be called while the world is held.
    pub(crate) fn compact(&self, snapshot: Snapshot) -> Result<(), Error> {
        let mut out = held(&self.out);
        let mut queue = held(&self.queue);
        let header = Header::new(self.header.options, self.header.began);
        write_anew(&self.path, &[Line::Header(header), Line::Snapshot(Box::new(snapshot))])?;
        out.file = OpenOptions::new().append(true).open(&self.path).map_err(|source| self.fault(source))?;
        // What was not on the disk yet is in the snapshot.
        queue.text.clear();
        queue.deeds = 0;
        out.durable = queue.last;
        out.is_given_up = false;
        Ok(())
    }

    fn fault(&self, source: io::Error) -> Error {
        Error::File { file: self.path.display().to_string(), done: "written", source }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn append(file: &mut File, text: &[u8]) -> io::Result<()> {
    file.write_all(text)?;
    file.sync_data()
}

/// Sees to it that one process alone has the file.
fn lock(path: &Path) -> Result<File, Error> {
    let beside = beside(path, LOCK);
    let fault = |source| Error::File { file: beside.display().to_string(), done: "written", source };
    let file = private().create(true).truncate(false).write(true).open(&beside).map_err(fault)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Conflict(format!("`{}` is in use by another process", path.display()))),
        Err(TryLockError::Error(source)) => Err(fault(source)),
    }
}

/// A file beside another: its name with something behind it.
fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    PathBuf::from(name)
}

/// Options for files that only their owner reads: they hold keys.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

/// Writes a file so that there is the old one or the new one at any moment.
fn write_anew(path: &Path, lines: &[Line]) -> Result<(), Error> {
    let fault = |source| Error::File { file: path.display().to_string(), done: "written", source };
    let mut text = Vec::new();
    for line in lines {
        line.write(&mut text).map_err(|source| fault(source.into()))?;
    }
    write_whole(path, &text).map_err(fault)
}

/// Writes a private file as a whole, through one beside it that takes its place.
pub(super) fn write_whole(path: &Path, text: &[u8]) -> io::Result<()> {
    let fresh = beside(path, FRESH);
    let mut file = private().create(true).truncate(true).write(true).open(&fresh)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    // The name is durable once its folder is; systems that cannot open folders have no need of it.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(folder) = File::open(folder) {
        folder.sync_all()?;
    }
    Ok(())
}

fn check_options(path: &Path, kept: &WorldOptions, asked: &WorldOptions) -> Result<(), Error> {
    let name = path.display();
    if kept.release != asked.release {
        let (kept, asked) = (kept.release, asked.release);
        return Err(Error::Conflict(format!("`{name}` keeps a world of release {kept}, not {asked}: ask for release {kept}, or name another file")));
    }
    if kept != asked {
        return Err(Error::Conflict(format!(
            "`{name}` keeps a world with other options (seed {}, {} machines, {}): leave them out, or name another file",
            kept.seed,
            kept.vms,
            kept.tuning.speed.word()
        )));
    }
    Ok(())
}

/// What is read of a file.
struct Read {
    header: Header,
    snapshot: Option<Box<Snapshot>>,
    entries: Vec<Entry>,
    was_torn: bool,
    whole_bytes: u64,
}

impl Read {
    fn of(path: &Path) -> Result<Self, Error> {
        let fault = |source| Error::File { file: path.display().to_string(), done: "read", source };
        let name = format!("`{}`", path.display());
        let mut reader = BufReader::new(File::open(path).map_err(fault)?);
        let mut line = Vec::new();
        let mut bytes = u64::try_from(reader.read_until(b'\n', &mut line).map_err(fault)?).unwrap_or_default();
        let Some(Line::Header(header)) = Line::read(&line) else { return Err(not_ours(&name)) };
        header.check(&name)?;
        let mut read = Self { header, snapshot: None, entries: Vec::new(), was_torn: false, whole_bytes: bytes };
        let mut number = 1;
        loop {
            line.clear();
            bytes = u64::try_from(reader.read_until(b'\n', &mut line).map_err(fault)?).unwrap_or_default();
            if bytes == 0 {
                return Ok(read);
            }
            number += 1;
            match Line::read(&line) {
                Some(Line::Deed(entry)) => read.entries.push(entry),
                Some(Line::Snapshot(snapshot)) if number == 2 => read.snapshot = Some(snapshot),
                _ if reader.fill_buf().map_err(fault)?.is_empty() => {
                    read.was_torn = true;
                    return Ok(read);
                }
                _ => {
                    let before = number - 1;
                    return Err(Error::Damaged(format!(
                        "{name} is damaged in line {number}: put back a copy, or keep its first {before} lines and lose the rest"
                    )));
                }
            }
            read.whole_bytes += bytes;
        }
    }
}
