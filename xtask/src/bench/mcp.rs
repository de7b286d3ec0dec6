//! The least MCP client: stateless requests of the 2026-07-28 protocol over a child's standard input and output.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::workspace::Done;

/// A server process; ends with this value.
pub(super) struct Session {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    sent: u64,
}

impl Session {
    /// Starts the server with only these variables of ours.
    pub(super) fn start(binary: &Path, surface: &str, variables: &[(&str, &str)]) -> Done<Self> {
        let mut command = Command::new(binary);
        // A folder without settings: the figures are not to depend on whose machine it is.
        command.args(["serve", "--surface", surface]).env("XDG_CONFIG_HOME", "/nonexistent").envs(variables.iter().copied());
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process = spawned.map_err(|error| format!("cannot start `{}`: {error}", binary.display()))?;
        let input = process.stdin.take().ok_or("the server has no input")?;
        let output = BufReader::new(process.stdout.take().ok_or("the server has no output")?);
        Ok(Self { process, input, output, sent: 0 })
    }

    /// Sends a request and reads its answer.
    pub(super) fn call(&mut self, method: &str, params: &Value) -> Done<Value> {
        self.send(method, params)?;
        self.receive()
    }

    /// Calls a tool and gives its result, if that is no error.
    pub(super) fn tool(&mut self, name: &str, arguments: &Value) -> Done<Value> {
        let result = self.call("tools/call", &json!({"name": name, "arguments": arguments}))?;
        if result.get("isError").and_then(Value::as_bool).unwrap_or_default() { Err(format!("`{name}` failed: {result}")) } else { Ok(result) }
    }

    /// Calls a tool `count` times with `in_flight` calls open at a time.
    pub(super) fn flood(&mut self, name: &str, arguments: &Value, count: usize, in_flight: usize) -> Done {
        let params = json!({"name": name, "arguments": arguments});
        for _ in 0..in_flight {
            self.send("tools/call", &params)?;
        }
        for done in 0..count {
            let line = self.line()?;
            if line.contains("\"isError\":true") {
                return Err(format!("`{name}` failed: {line}"));
            }
            if done + in_flight < count {
                self.send("tools/call", &params)?;
            }
        }
        Ok(())
    }

    /// What the process keeps resident.
    pub(super) fn resident_megabytes(&self) -> Done<f64> {
        super::resident_megabytes(&self.process)
    }

    fn send(&mut self, method: &str, params: &Value) -> Done {
        self.sent += 1;
        let mut params = params.clone();
        if let Some(members) = params.as_object_mut() {
            let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
            members.insert("_meta".to_owned(), meta);
        }
        let request = json!({"jsonrpc": "2.0", "id": self.sent, "method": method, "params": params});
        writeln!(self.input, "{request}").and_then(|()| self.input.flush()).map_err(|error| format!("the server does not listen: {error}"))
    }

    fn receive(&mut self) -> Done<Value> {
        let line = self.line()?;
        let mut answer: Value = serde_json::from_str(&line).map_err(|error| format!("no JSON in `{line}`: {error}"))?;
        answer.get_mut("result").map(Value::take).ok_or_else(|| format!("refused: {line}"))
    }

    fn line(&mut self) -> Done<String> {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(0) => Err("the server has left".to_owned()),
            Ok(_) => Ok(line),
            Err(error) => Err(format!("the server cannot be read: {error}")),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A process that has ended already needs no ending.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
