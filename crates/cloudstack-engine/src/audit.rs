//! The audit: a file of JSON lines, each bound to the one before by a SHA-256 hash.
//!
//! Whoever can write the file can write a new chain; whoever noted the last hash down sees that. No secrets are in it.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Read, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde_json::{Map, Value};

use crate::{
    report::{Report, ReportKind},
    seal::digest,
};

/// What the first row is bound to.
const ORIGIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The member that holds a row's hash; it covers all members before it.
const HASH: &str = "hash";
const PREVIOUS: &str = "previous";
const SEQUENCE: &str = "row";
/// The longest row that can be the last one of a file.
const ROW_BYTES_MAX: u64 = 1 << 20;

/// A chain of rows that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many rows there are.
    pub rows: u64,
    /// The hash of the last row, in hex; anybody who notes it down can tell later whether rows were cut off the end.
    pub last: String,
}

/// Reads an audit file and checks that no row was changed, removed or put in.
///
/// # Errors
///
/// A report of kind `refused` that names the first bad line, `config` if the file cannot be read.
pub fn verify(path: &Path) -> Result<Verified, Report> {
    let unreadable = |fault: std::io::Error| Report::new(ReportKind::Config, format!("the audit `{}` cannot be read: {fault}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let mut verified = Verified { rows: 0, last: ORIGIN.to_owned() };
    for line in BufReader::new(file).lines() {
        let line = line.map_err(unreadable)?;
        verified = checked(&line, &verified).map_err(|what| {
            Report::new(ReportKind::Refused, format!("the audit is broken at line {}: {what}", verified.rows + 1))
                .fact("line", verified.rows + 1)
                .hint("rows before that line are as they were written")
        })?;
    }
    Ok(verified)
}

fn checked(line: &str, before: &Verified) -> Result<Verified, &'static str> {
    let mut row: Map<String, Value> = serde_json::from_str(line).map_err(|_| "no row")?;
    let hash = row.remove(HASH).as_ref().and_then(Value::as_str).map(str::to_owned).ok_or("no hash")?;
    if row.get(PREVIOUS).and_then(Value::as_str) != Some(&before.last) || row.get(SEQUENCE).and_then(Value::as_u64) != Some(before.rows + 1) {
        return Err("a row before it was removed, changed or put in");
    }
    if digest(Value::Object(row).to_string().as_bytes()) != hash {
        return Err("the row was changed");
    }
    Ok(Verified { rows: before.rows + 1, last: hash })
}

/// The file that rows are appended to; several processes may share it.
#[derive(Debug)]
pub(crate) struct Audit {
    file: Option<Mutex<Chain>>,
}

#[derive(Debug)]
struct Chain {
    path: PathBuf,
    file: File,
    /// The end of the chain as we wrote it, and how long the file was then.
    end: Option<(Verified, u64)>,
}

impl Audit {
    /// Opens the file, or makes it, readable for its owner only.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Report> {
        let Some(path) = path else { return Ok(Self { file: None }) };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            std::fs::create_dir_all(dir).map_err(|fault| broken(path, &fault))?;
        }
        let file = options.open(path).map_err(|fault| broken(path, &fault))?;
        Ok(Self { file: Some(Mutex::new(Chain { path: path.to_owned(), file, end: None })) })
    }

    /// Whether anything is recorded at all.
    pub(crate) fn is_kept(&self) -> bool {
        self.file.is_some()
    }

    /// Appends a row.
    ///
    /// # Errors
    ///
    /// A report of kind `config`: what cannot be recorded must not be done.
    pub(crate) fn append(&self, row: Map<String, Value>) -> Result<(), Report> {
        let Some(chain) = &self.file else { return Ok(()) };
        let mut chain = chain.lock().unwrap_or_else(PoisonError::into_inner);
        chain.append(row).map_err(|fault| broken(&chain.path, &fault))
    }
}

impl Chain {
    fn append(&mut self, row: Map<String, Value>) -> std::io::Result<()> {
        self.file.lock()?;
        let outcome = self.append_locked(row);
        self.file.unlock()?;
        outcome
    }

    fn append_locked(&mut self, row: Map<String, Value>) -> std::io::Result<()> {
        let length = self.file.metadata()?.len();
        let end = match self.end.take().filter(|(_, known)| *known == length) {
            Some((end, _)) => end,
            None => self.read_end(length)?,
        };
        let mut whole = Map::new();
        whole.insert(SEQUENCE.to_owned(), (end.rows + 1).into());
        whole.extend(row);
        whole.insert(PREVIOUS.to_owned(), end.last.into());
        let hash = digest(Value::Object(whole.clone()).to_string().as_bytes());
        whole.insert(HASH.to_owned(), hash.clone().into());
        let line = Value::Object(whole).to_string() + "\n";
        self.file.write_all(line.as_bytes())?;
        self.file.flush()?;
        let written = length + u64::try_from(line.len()).unwrap_or_default();
        self.end = Some((Verified { rows: end.rows + 1, last: hash }, written));
        Ok(())
    }

    /// The end of the chain as it stands in the file.
    fn read_end(&mut self, length: u64) -> std::io::Result<Verified> {
        self.file.seek(SeekFrom::Start(length.saturating_sub(ROW_BYTES_MAX)))?;
        let mut tail = Vec::new();
        Read::take(&self.file, ROW_BYTES_MAX).read_to_end(&mut tail)?;
        let text = String::from_utf8_lossy(&tail);
        let Some(last) = text.lines().rfind(|line| !line.is_empty()) else { return Ok(Verified { rows: 0, last: ORIGIN.to_owned() }) };
        let row: Map<String, Value> = serde_json::from_str(last).map_err(std::io::Error::other)?;
        let rows = row.get(SEQUENCE).and_then(Value::as_u64);
        let hash = row.get(HASH).and_then(Value::as_str);
        rows.zip(hash).map(|(rows, hash)| Verified { rows, last: hash.to_owned() }).ok_or_else(|| std::io::Error::other("its last line is no row"))
    }
}

fn broken(path: &Path, fault: &std::io::Error) -> Report {
    Report::new(ReportKind::Config, format!("the audit `{}` cannot be written: {fault}", path.display()))
        .hint("nothing is done that cannot be recorded; make the file writable, or name another one")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(what: &str) -> Map<String, Value> {
        Map::from_iter([("what".to_owned(), json!(what))])
    }

    fn written() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let (one, two) = (Audit::open(Some(&path)).unwrap(), Audit::open(Some(&path)).unwrap());
        for (audit, what) in [(&one, "a"), (&one, "b"), (&two, "c"), (&one, "d")] {
            audit.append(row(what)).unwrap();
        }
        (dir, path)
    }

    fn broken_by(change: impl Fn(Vec<&str>) -> Vec<String>) -> String {
        let (_dir, path) = written();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, change(text.lines().collect()).join("\n") + "\n").unwrap();
        verify(&path).unwrap_err().message
    }

    #[test]
    fn a_chain_that_two_processes_write_is_whole() {
        let (_dir, path) = written();
        assert_eq!(verify(&path).unwrap().rows, 4);
    }

    #[test]
    fn a_changed_a_removed_and_an_exchanged_row_are_noticed() {
        let own = |lines: Vec<&str>| lines.into_iter().map(str::to_owned).collect::<Vec<_>>();
        assert!(broken_by(|lines| own(lines).iter().map(|line| line.replace("\"b\"", "\"x\"")).collect()).contains("line 2"));
        assert!(
            broken_by(|mut lines| {
                lines.remove(1);
                own(lines)
            })
            .contains("line 2")
        );
        assert!(
            broken_by(|mut lines| {
                lines.swap(1, 2);
                own(lines)
            })
            .contains("line 2")
        );
        assert!(
            broken_by(|mut lines| {
                lines.remove(0);
                own(lines)
            })
            .contains("line 1")
        );
    }
}
