//! A home of one test's own, and the binary run in it with nothing else of this machine.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// A home with nothing in it.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

/// What a run of the binary left behind.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// The home with a variable set for every run.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file below the home.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// The settings file.
    pub(crate) fn config(&self, text: &str) -> PathBuf {
        self.file(".config/cloudstack-mcp/config.toml", text)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cloudstack-mcp"));
        command.args(arguments).env_clear().env("HOME", self.path()).env("PATH", "/usr/bin:/bin").env("CLOUDSTACK_MCP_EMBEDDED_SPEED", "instant");
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).current_dir(self.path());
        command
    }

    /// Runs the binary with nothing on standard input.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, "")
    }

    /// Runs the binary with a text on standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ended {
        let mut child = self.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A run that reads nothing may be gone already.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs the binary for JSON and expects success.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(&[arguments, &["--output", "json"]].concat());
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.err);
        ended.json()
    }
}

impl Ended {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|fault| panic!("{fault} in `{}`, beside `{}`", self.out, self.err))
    }

    /// Expects an exit code, and every part in what was told on standard error.
    pub(crate) fn told(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{}{}", self.err, self.out);
        for part in parts {
            assert!(self.err.contains(part), "no `{part}` in `{}`", self.err);
        }
    }
}
