//! Changes of the settings file: comments and order of what people wrote stay as they are.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use cloudstack_engine::{Report, ReportKind};
use toml_edit::{DocumentMut, Item, Table, value};

/// A change.
pub(crate) enum Edit {
    /// Puts in a profile, or replaces the one of this name.
    Put {
        /// Its name.
        name: String,
        /// Its settings by key.
        texts: Vec<(&'static str, String)>,
        /// Whether its server's certificate is verified.
        verify_tls: bool,
    },
    /// Takes a profile out; also as the default.
    Remove(String),
    /// Makes a profile the default.
    Use(String),
}

/// Applies changes to the file, which is made if it does not exist and can be read by its owner alone afterwards.
///
/// # Errors
///
/// A report of kind `config` if the file is no TOML or cannot be written.
pub(crate) fn write(path: &Path, edits: &[Edit]) -> Result<(), Report> {
    let fault = |what: &str, fault: &dyn std::fmt::Display| Report::new(ReportKind::Config, format!("the settings file `{}` {what}: {fault}", path.display()));
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(unreadable) => return Err(fault("cannot be read", &unreadable)),
    };
    let mut document: DocumentMut = text.parse().map_err(|unreadable| super::unreadable(path, &text, &unreadable))?;
    for edit in edits {
        apply(&mut document, edit);
    }
    store(path, &document.to_string()).map_err(|unwritable| fault("cannot be written", &unwritable))
}

fn apply(document: &mut DocumentMut, edit: &Edit) {
    match edit {
        Edit::Put { name, texts, verify_tls } => {
            let mut table = Table::new();
            for (key, text) in texts {
                table.insert(key, value(text.as_str()));
            }
            if !verify_tls {
                table.insert("verify_tls", value(false));
            }
            let mut none = Table::new();
            none.set_implicit(true);
            let profiles = document.entry("profiles").or_insert(Item::Table(none));
            if let Some(profiles) = profiles.as_table_like_mut() {
                profiles.insert(name, Item::Table(table));
            }
        }
        Edit::Remove(name) => {
            if let Some(profiles) = document.get_mut("profiles").and_then(Item::as_table_like_mut) {
                profiles.remove(name);
            }
            if document.get("profile").and_then(Item::as_str) == Some(name) {
                document.remove("profile");
            }
        }
        Edit::Use(name) => drop(document.insert("profile", value(name.as_str()))),
    }
}

/// Writes beside the file and renames, so that nobody ever reads half of it.
fn store(path: &Path, text: &str) -> std::io::Result<()> {
    // A link is followed: replacing it by a file would surprise those who keep their settings elsewhere.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if let Some(folder) = target.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let mut beside = target.clone().into_os_string();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let mut file = owner_only(&beside)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&beside, &target));
    if written.is_err() {
        drop(fs::remove_file(&beside));
    }
    written
}

/// Makes a file that only its owner can read.
pub(crate) fn owner_only(path: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(name: &str) -> Edit {
        Edit::Put { name: name.to_owned(), texts: vec![("url", "https://b.example/client/api".to_owned())], verify_tls: true }
    }

    #[test]
    fn comments_and_order_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub").join("config.toml");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "# mine\noutput = \"json\" # always\n\n[profiles.a] # the first\nurl = \"https://a.example\"\n").unwrap();
        write(&path, &[put("b"), Edit::Use("b".to_owned())]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "# mine\noutput = \"json\" # always\nprofile = \"b\"\n\n[profiles.a] # the first\nurl = \"https://a.example\"\n\n[profiles.b]\nurl = \"https://b.example/client/api\"\n"
        );
        write(&path, &[Edit::Remove("b".to_owned())]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("b.example") && !text.contains("profile = "), "{text}");
    }

    #[cfg(unix)]
    #[test]
    fn a_written_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("config.toml");
        write(&path, &[put("b")]).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_no_toml_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, "secret = [oops\n").unwrap();
        let report = write(&path, &[put("b")]).unwrap_err();
        assert!(!report.message.contains("oops"), "{}", report.message);
        assert_eq!(fs::read_to_string(&path).unwrap(), "secret = [oops\n");
    }
}
