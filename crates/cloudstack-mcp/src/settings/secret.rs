//! Secrets: given as a value, as a file or as a command that prints them, by exactly one of the three.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use super::environment::Environment;

/// How long a command may take to print a secret; a person may have to unlock something.
const COMMAND_WAIT: Duration = Duration::from_secs(120);
/// The largest file or output that is taken for a secret.
const SECRET_BYTES_MAX: usize = 64 * 1024;

/// Where a secret comes from.
#[derive(Clone, Default)]
pub(crate) struct SecretSource {
    /// The secret itself.
    pub(crate) value: Option<String>,
    /// A file that holds it.
    pub(crate) file: Option<PathBuf>,
    /// A command that prints it.
    pub(crate) command: Option<String>,
}

impl SecretSource {
    /// How it is given, in a word; nothing if it is not.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        match self {
            Self { value: Some(_), .. } => Some("value"),
            Self { file: Some(_), .. } => Some("file"),
            Self { command: Some(_), .. } => Some("command"),
            Self { value: None, file: None, command: None } => None,
        }
    }

    /// The secret; `None` if it is given in no way. The error completes "`name` …" and holds no secret.
    pub(crate) fn resolve(&self, environment: &Environment) -> Result<Option<String>, String> {
        let given = usize::from(self.value.is_some()) + usize::from(self.file.is_some()) + usize::from(self.command.is_some());
        if given > 1 {
            return Err("is given in more than one way; keep one of value, file and command".to_owned());
        }
        if let Some(value) = &self.value {
            return Ok(Some(value.clone()));
        }
        if let Some(file) = &self.file {
            return of_file(&environment.path(file)).map(Some);
        }
        self.command.as_deref().map(of_command).transpose()
    }
}

/// What a file holds, without blanks around it.
pub(crate) fn of_file(path: &Path) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|fault| format!("cannot be read from `{}`: {fault}", path.display()))?;
    cleaned(&text).map_err(|fault| format!("from `{}` {fault}", path.display()))
}

fn of_command(command: &str) -> Result<String, String> {
    let mut shell = if cfg!(windows) { Command::new("cmd") } else { Command::new("sh") };
    shell.arg(if cfg!(windows) { "/C" } else { "-c" }).arg(command).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = shell.spawn().map_err(|fault| format!("cannot be had from its command: {fault}"))?;
    let Some(mut output) = child.stdout.take() else { return Err("cannot be had from its command".to_owned()) };
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = std::io::Read::read_to_string(&mut output, &mut text).map(|_| text);
        // Nobody listens any more once the wait is over.
        drop(sender.send(read));
    });
    let Ok(read) = receiver.recv_timeout(COMMAND_WAIT) else {
        drop(child.kill());
        return Err(format!("did not come from its command within {} s", COMMAND_WAIT.as_secs()));
    };
    let status = child.wait().map_err(|fault| format!("cannot be had from its command: {fault}"))?;
    if !status.success() {
        return Err(format!("cannot be had: its command ended with {status}"));
    }
    let text = read.map_err(|_| "from its command is no text".to_owned())?;
    cleaned(&text).map_err(|fault| format!("from its command {fault}"))
}

fn cleaned(text: &str) -> Result<String, String> {
    let secret = text.trim();
    if secret.is_empty() {
        return Err("is empty".to_owned());
    }
    if secret.len() > SECRET_BYTES_MAX {
        return Err(format!("is longer than {SECRET_BYTES_MAX} bytes"));
    }
    Ok(secret.to_owned())
}

/// A warning if a file with secrets can be read by others than its owner.
#[cfg(unix)]
pub(crate) fn exposure(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| format!("`{}` holds secrets and can be read by others (mode {mode:o}); run `chmod 600 {}`", path.display(), path.display()))
}

/// A warning if a file with secrets can be read by others than its owner; such a mode is unknown on this platform.
#[cfg(not(unix))]
pub(crate) fn exposure(_path: &Path) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_secret_comes_from_a_command_without_its_line_end() {
        let source = SecretSource { command: Some("printf 'sec ret\\n'".to_owned()), ..SecretSource::default() };
        assert_eq!(source.resolve(&Environment::default()).unwrap().as_deref(), Some("sec ret"));
        let failing = SecretSource { command: Some("echo hidden; exit 3".to_owned()), ..SecretSource::default() };
        let fault = failing.resolve(&Environment::default()).unwrap_err();
        assert!(fault.contains("3") && !fault.contains("hidden"), "{fault}");
    }

    #[test]
    fn a_secret_is_given_in_one_way_only() {
        let source = SecretSource { value: Some("a".to_owned()), command: Some("b".to_owned()), file: None };
        assert!(source.resolve(&Environment::default()).is_err());
    }
}
