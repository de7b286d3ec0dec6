//! What approvals need to outlive a process of the command line: the key that seals plans, and which seals were used.
//!
//! The first step prints a plan and ends; the second runs in another process, which must be able to open the seal, and
//! must not open it twice.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use cloudstack_engine::{Report, ReportKind};

use crate::settings::owner_only;

/// The bytes of a key.
const KEY_BYTES: usize = 32;
/// How much of a seal's end names its mark: the end is its authentication tag, which no other seal has.
const TAG_LETTERS: usize = 40;

/// The folder of what approvals keep.
pub(super) struct Consents {
    folder: PathBuf,
}

impl Consents {
    /// Below the folder in which the program keeps state.
    pub(super) fn new(state: &Path) -> Self {
        Self { folder: state.join("approvals") }
    }

    /// The key of this user, made on first use.
    pub(super) fn key(&self) -> Result<[u8; KEY_BYTES], Report> {
        let path = self.folder.join("key");
        let fault = |fault: std::io::Error| Report::new(ReportKind::Config, format!("the key of approvals cannot be kept in `{}`: {fault}", path.display()));
        for _ in 0..2 {
            match fs::read(&path) {
                Ok(bytes) => {
                    let wrong = || Report::new(ReportKind::Config, format!("`{}` is no key of approvals", path.display())).hint("delete it: a new one is made");
                    return <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).map_err(|_| wrong());
                }
                Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => self.make_key(&path).map_err(fault)?,
                Err(unreadable) => return Err(fault(unreadable)),
            }
        }
        Err(fault(std::io::ErrorKind::NotFound.into()))
    }

    /// Writes beside and links into place, so that of two processes that start at once both read the same whole key.
    fn make_key(&self, path: &Path) -> std::io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut key = [0_u8; KEY_BYTES];
        getrandom::fill(&mut key).map_err(|fault| std::io::Error::other(fault.to_string()))?;
        let beside = self.folder.join(format!("key.{}", std::process::id()));
        owner_only(&beside).and_then(|mut file| file.write_all(&key))?;
        let placed = fs::hard_link(&beside, path).or_else(|fault| if fault.kind() == std::io::ErrorKind::AlreadyExists { Ok(()) } else { Err(fault) });
        fs::remove_file(&beside)?;
        placed
    }

    /// Marks a seal as used.
    ///
    /// # Errors
    ///
    /// A report of kind `denied` if it was used before, of kind `config` if the mark cannot be kept: then nothing may run.
    pub(super) fn claim(&self, seal: &str, ttl: Duration) -> Result<(), Report> {
        let used = self.folder.join("used");
        let fault = |fault: std::io::Error| Report::new(ReportKind::Config, format!("used approvals cannot be kept in `{}`: {fault}", used.display()));
        fs::create_dir_all(&used).map_err(fault)?;
        forget(&used, ttl);
        let letters: Vec<char> = seal.chars().filter(char::is_ascii_alphanumeric).collect();
        let tag: String = letters.iter().skip(letters.len().saturating_sub(TAG_LETTERS)).collect();
        if tag.is_empty() {
            return Err(Report::new(ReportKind::Usage, "the token is empty"));
        }
        match owner_only(&used.join(tag)) {
            Ok(_) => Ok(()),
            Err(known) if known.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(Report::new(ReportKind::Denied, "this approval was used before").hint("run the command again without --approve for a new plan"))
            }
            Err(unwritable) => Err(fault(unwritable)),
        }
    }
}

/// Forgets marks of seals that have expired since.
fn forget(used: &Path, ttl: Duration) {
    let Ok(marks) = fs::read_dir(used) else { return };
    for mark in marks.flatten() {
        let age = mark.metadata().and_then(|facts| facts.modified()).ok().and_then(|written| written.elapsed().ok());
        if age.is_some_and(|age| age > ttl * 2) {
            // Somebody else may have been faster.
            drop(fs::remove_file(mark.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_the_same_and_a_seal_is_used_once() {
        let folder = tempfile::tempdir().unwrap();
        let consents = Consents::new(folder.path());
        let key = consents.key().unwrap();
        assert_eq!(key, Consents::new(folder.path()).key().unwrap());
        assert_ne!(key, [0; KEY_BYTES]);
        let ttl = Duration::from_secs(300);
        consents.claim("seal-one", ttl).unwrap();
        consents.claim("seal-two", ttl).unwrap();
        assert_eq!(consents.claim("seal-one", ttl).unwrap_err().kind, ReportKind::Denied);
    }
}
