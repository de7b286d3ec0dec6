//! A client of the built binary, made of plain JSON: it sends what a test says and shows what comes back.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// The longest that a test waits for a message.
const PATIENCE: Duration = Duration::from_secs(60);

/// The revision of the protocol that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2026-07-28: every request says all about its client.
    Modern,
    /// 2025-11-25: a handshake opens a session.
    Legacy,
}

/// A running server and its client.
pub(crate) struct Session {
    child: Child,
    input: Option<ChildStdin>,
    output: mpsc::Receiver<Value>,
    era: Era,
    capabilities: Value,
    next_id: u64,
    /// Notifications that came so far.
    pub(crate) notifications: Vec<Value>,
    home: tempfile::TempDir,
}

/// The binary with an embedded cloud whose jobs take no time, and nothing of this machine's settings.
pub(crate) fn server(arguments: &[&str], home: &tempfile::TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloudstack-mcp"));
    command.arg("serve").args(arguments).env_clear().env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path());
    command.env("CLOUDSTACK_MCP_EMBEDDED_SPEED", "instant").stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

impl Session {
    /// A client that can do nothing in particular.
    pub(crate) fn open(era: Era, arguments: &[&str]) -> Self {
        Self::with(era, &json!({}), arguments)
    }

    /// A client whose person answers forms.
    pub(crate) fn with_forms(era: Era) -> Self {
        Self::with(era, &json!({"elicitation": {"form": {}}}), &[])
    }

    /// A client with these capabilities; the handshake is made where the era has one.
    pub(crate) fn with(era: Era, capabilities: &Value, arguments: &[&str]) -> Self {
        let mut session = Self::silent(era, capabilities, arguments);
        if era == Era::Legacy {
            let answer = session
                .request("initialize", json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": {"name": "test", "version": "1"}}));
            assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{answer}");
            session.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        }
        session
    }

    /// A client that has not said anything yet.
    pub(crate) fn silent(era: Era, capabilities: &Value, arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let command = server(arguments, &home);
        Self::start(command, home, era, capabilities)
    }

    /// A client of the newer era whose server acts as one of the embedded cloud's identities.
    pub(crate) fn acting_as(identity: &str, arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = server(arguments, &home);
        command.env("CLOUDSTACK_MCP_EMBEDDED_IDENTITY", identity);
        Self::start(command, home, Era::Modern, &json!({}))
    }

    /// A client of the newer era whose cloud takes the time that people expect.
    pub(crate) fn at_normal_speed() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = server(&[], &home);
        command.env_remove("CLOUDSTACK_MCP_EMBEDDED_SPEED");
        Self::start(command, home, Era::Modern, &json!({}))
    }

    fn start(mut command: Command, home: tempfile::TempDir, era: Era, capabilities: &Value) -> Self {
        let mut child = command.spawn().unwrap();
        let (sender, output) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let message = serde_json::from_str(&line).unwrap_or_else(|error| panic!("`{line}` is no message: {error}"));
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let input = child.stdin.take();
        Self { child, input, output, era, capabilities: capabilities.clone(), next_id: 1, notifications: Vec::new(), home }
    }

    /// What every request of the newer era says about its client.
    pub(crate) fn meta(&self) -> Value {
        json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": self.capabilities,
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        })
    }

    /// Sends a message as it is.
    pub(crate) fn send(&mut self, message: &Value) {
        self.send_line(&message.to_string());
    }

    /// Sends a line as it is.
    pub(crate) fn send_line(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{line}").and_then(|()| input.flush()).unwrap();
    }

    /// Sends a request without waiting for its answer; gives its id.
    pub(crate) fn begin(&mut self, method: &str, mut parameters: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        if self.era == Era::Modern {
            let own = parameters.get("_meta").and_then(Value::as_object).cloned().unwrap_or_default();
            parameters["_meta"] = self.meta();
            parameters["_meta"].as_object_mut().unwrap().extend(own);
        }
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": parameters}));
        id
    }

    /// The next message, whatever it is.
    pub(crate) fn next(&mut self) -> Value {
        self.output.recv_timeout(PATIENCE).expect("a message")
    }

    /// The answer to a request; notifications on the way are kept.
    pub(crate) fn answer(&mut self, id: u64) -> Value {
        loop {
            let message = self.next();
            if message.get("id") == Some(&json!(id)) && message.get("method").is_none() {
                return message;
            }
            self.notifications.push(message);
        }
    }

    /// Sends a request and gives its answer.
    pub(crate) fn request(&mut self, method: &str, parameters: Value) -> Value {
        let id = self.begin(method, parameters);
        self.answer(id)
    }

    /// Calls a tool and gives its result.
    #[expect(clippy::needless_pass_by_value, reason = "arguments are literals where this is called")]
    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.request("tools/call", json!({"name": tool, "arguments": arguments}));
        answer.get("result").cloned().unwrap_or_else(|| panic!("{tool} was answered with {answer}"))
    }

    /// Calls a tool that must succeed and gives its structured content.
    pub(crate) fn done(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments);
        assert_ne!(result["isError"], true, "{tool}: {result}");
        let text = result["content"][0]["text"].as_str().expect("a mirror as text");
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), result["structuredContent"], "the text mirrors the structured content");
        result["structuredContent"].clone()
    }

    /// Closes the server's input and waits for its end; gives how it ended and how long that took.
    #[expect(clippy::disallowed_methods, reason = "the time that a real process takes is what is measured")]
    pub(crate) fn close(mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        drop(self.input.take());
        let status = self.child.wait().unwrap();
        assert!(self.home.path().exists());
        (status, start.elapsed())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.input.take());
        // A test that failed must not leave a process behind; one that has ended is no fault.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
