//! The workspace as files: where it is, reading, writing, and checking what a generated file should hold.

use std::{
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

/// What a task ends with: nothing, or a sentence for the person who ran it.
pub(crate) type Done<T = ()> = Result<T, String>;

/// What to do with a generated file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Write it.
    Write,
    /// Compare it with what is there.
    Check,
}

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

/// The text of a file, given relative to the root or absolute.
pub(crate) fn read(path: impl AsRef<Path>) -> Done<String> {
    std::fs::read_to_string(root().join(&path)).map_err(|error| format!("cannot read `{}`: {error}", path.as_ref().display()))
}

/// The bytes of a file, unpacked if its name ends in `.gz`.
pub(crate) fn read_unpacked(path: &str) -> Done<Vec<u8>> {
    let bytes = std::fs::read(root().join(path)).map_err(|error| format!("cannot read `{path}`: {error}"))?;
    if !path.ends_with(".gz") {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(bytes.as_slice()), &mut plain).map_err(|error| format!("cannot unpack `{path}`: {error}"))?;
    Ok(plain)
}

/// Writes a generated file, or says how to bring it up to date where it differs.
pub(crate) fn generated(path: &str, text: &str, mode: Mode, task: &str) -> Done {
    let present = match std::fs::read_to_string(root().join(path)) {
        Ok(present) => present,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(format!("cannot read `{path}`: {error}")),
    };
    if present == text {
        return Ok(());
    }
    if mode == Mode::Check {
        let line = present.lines().zip(text.lines()).take_while(|(present, wanted)| present == wanted).count() + 1;
        return Err(format!("`{path}` is out of date from line {line} on; run `cargo xtask {task}`"));
    }
    let target = root().join(path);
    let folder = target.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder.and_then(|()| std::fs::write(&target, text)).map_err(|error| format!("cannot write `{path}`: {error}"))
}

/// The files of the workspace that git knows or would add, sorted; deleted ones left out.
pub(crate) fn files() -> Done<Vec<String>> {
    let output = Command::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root()).output();
    let output = output.map_err(|error| format!("cannot run git: {error}"))?;
    let mut files: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    files.retain(|path| root().join(path).is_file());
    files.sort();
    files.dedup();
    if files.is_empty() { Err("git lists no files here".to_owned()) } else { Ok(files) }
}

/// A line on the standard output.
pub(crate) fn say(line: &str) -> Done {
    writeln!(std::io::stdout(), "{line}").map_err(|error| format!("cannot write: {error}"))
}

/// A line on the standard error; there is nobody left to tell if that fails.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
