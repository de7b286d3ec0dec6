//! An MCP client, as small as one can be that shows forms: JSON-RPC, a line a message, over a child's standard input and
//! output.

use std::{path::Path, process::Stdio};

use cloudstack_engine::{Report, ReportKind};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

const PROTOCOL: &str = "2025-11-25";

/// A client and the server that it started.
pub(super) struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    last_id: u64,
}

/// What happens while an answer is waited for.
pub(super) enum Event<'a> {
    /// The server tells how far it came.
    Progress(&'a str),
    /// The server asks the person something.
    Question(&'a str),
    /// What the person did.
    Answer(&'a str),
}

/// The person behind the client, for one call.
#[derive(Clone, Copy)]
pub(super) enum Person {
    /// Nobody expects a question.
    Absent,
    /// Declines.
    No,
    /// Approves, and types this name where one is asked for.
    Yes(&'static str),
}

impl Person {
    /// Nobody expects a question.
    pub(super) const fn absent() -> Self {
        Self::Absent
    }

    /// Declines.
    pub(super) const fn says_no() -> Self {
        Self::No
    }

    /// Approves, and types this name where one is asked for.
    pub(super) const fn says_yes(name: &'static str) -> Self {
        Self::Yes(name)
    }

    /// The answer to a form, and what the person did in words.
    fn answer(self, schema: &Value) -> (Value, &'static str) {
        let asks_name = schema.pointer("/properties/name").is_some();
        match self {
            Self::Absent | Self::No => (json!({"action": "decline"}), "declines"),
            Self::Yes(name) if asks_name => (json!({"action": "accept", "content": {"name": name}}), "types the name"),
            Self::Yes(_) => (json!({"action": "accept", "content": {"approve": true}}), "approves"),
        }
    }
}

/// What a tool answered.
pub(super) struct ToolAnswer {
    /// Its structured content.
    pub(super) value: Value,
    /// Whether it tells of a failure.
    pub(super) is_error: bool,
    /// How many times the person was asked.
    pub(super) asked: usize,
}

impl Client {
    /// Starts this program as a server with the embedded cloud, away from all settings of the user.
    pub(super) fn start(program: &Path) -> Result<Self, Report> {
        let mut command = Command::new(program);
        command.args(["serve", "--profile", "embedded", "--color", "never"]).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let fault = |what: &str| Report::new(ReportKind::Internal, format!("`{}` cannot be started: {what}", program.display()));
        let mut child = command.spawn().map_err(|unstartable| fault(&unstartable.to_string()))?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or_else(|| fault("it has no standard output"))?;
        Ok(Self { child, input, output: BufReader::new(output).lines(), last_id: 0 })
    }

    /// Shakes hands, as a client that shows forms.
    pub(super) async fn initialize(&mut self) -> Result<Value, Report> {
        let hello =
            json!({"protocolVersion": PROTOCOL, "capabilities": {"elicitation": {}}, "clientInfo": {"name": "demo", "version": env!("CARGO_PKG_VERSION")}});
        let answer = self.ask("initialize", hello, &mut |_| None).await?;
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
        Ok(answer)
    }

    /// Calls a tool; the person answers what the server asks meanwhile.
    pub(super) async fn tool(&mut self, name: &str, arguments: Value, person: Person, notice: &mut (dyn FnMut(Event<'_>) + '_)) -> Result<ToolAnswer, Report> {
        let mut asked = 0;
        let token = self.last_id + 1;
        let call = json!({"name": name, "arguments": arguments, "_meta": {"progressToken": token}});
        let result = self
            .ask("tools/call", call, &mut |message| {
                let text = message.pointer("/params/message").and_then(Value::as_str).unwrap_or_default();
                match message.get("method").and_then(Value::as_str) {
                    Some("notifications/progress") => notice(Event::Progress(text)),
                    Some("elicitation/create") => {
                        asked += 1;
                        notice(Event::Question(text));
                        let (answer, did) = person.answer(message.pointer("/params/requestedSchema").unwrap_or(&Value::Null));
                        notice(Event::Answer(did));
                        return Some(answer);
                    }
                    _ => {}
                }
                None
            })
            .await?;
        let is_error = result.get("isError").and_then(Value::as_bool).unwrap_or_default();
        Ok(ToolAnswer { value: result.get("structuredContent").cloned().unwrap_or_default(), is_error, asked })
    }

    /// Sends a request and waits for its result; `other` sees every other message, and answers the server's requests.
    pub(super) async fn ask(&mut self, method: &str, params: Value, other: &mut (dyn FnMut(&Value) -> Option<Value> + '_)) -> Result<Value, Report> {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await?;
        loop {
            let line = self.output.next_line().await.map_err(|fault| broken(&fault.to_string()))?.ok_or_else(|| broken("it ended"))?;
            let message: Value = serde_json::from_str(&line).map_err(|_| broken(&format!("it wrote `{line}`")))?;
            if message.get("method").is_none() && message.get("id").and_then(Value::as_u64) == Some(id) {
                let fault = message.get("error").map(|error| Report::new(ReportKind::Internal, format!("`{method}` was refused: {error}")));
                return fault.map_or_else(|| Ok(message.get("result").cloned().unwrap_or_default()), Err);
            }
            if let (Some(answer), Some(asked)) = (other(&message), message.get("id")) {
                self.send(&json!({"jsonrpc": "2.0", "id": asked, "result": answer})).await?;
            }
        }
    }

    /// Leaves: the server must end by itself, and well.
    pub(super) async fn end(&mut self) -> Result<(), Report> {
        drop(self.input.take());
        let status = self.child.wait().await.map_err(|fault| broken(&fault.to_string()))?;
        if status.success() { Ok(()) } else { Err(broken(&format!("it ended with {status}"))) }
    }

    async fn send(&mut self, message: &Value) -> Result<(), Report> {
        let input = self.input.as_mut().ok_or_else(|| broken("it was left"))?;
        let line = format!("{message}\n");
        input.write_all(line.as_bytes()).await.map_err(|fault| broken(&fault.to_string()))?;
        input.flush().await.map_err(|fault| broken(&fault.to_string()))
    }
}

fn broken(what: &str) -> Report {
    Report::new(ReportKind::Internal, format!("the server is no longer there: {what}"))
}
