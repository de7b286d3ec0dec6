//! MCP over standard input and output: one message a line.
//!
//! Both ends are threads of their own, so that a process whose client has left ends at once, whatever is still open.
//! Nothing but messages is ever written to standard output.

use std::{
    borrow::Cow,
    future::Future,
    io::{self, BufRead, BufReader, Read, Write},
    thread,
    time::Duration,
};

use cloudstack_engine::{Report, ReportKind};
use rmcp::{
    RoleServer, ServiceExt,
    model::{CallToolRequest, ClientJsonRpcMessage, ClientRequest, JsonRpcRequest, ServerJsonRpcMessage},
    service::ServerInitializeError,
    transport::Transport,
};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::mcp::server::Server;

/// The longest message.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How many messages may wait to be taken up.
const WAITING_MAX: usize = 64;
/// How long open calls may still answer once the client has left.
const FAREWELL: Duration = Duration::from_millis(60);
/// How long answers may take to be written once nothing else is to be done.
const FLUSH_MAX: Duration = Duration::from_millis(500);

const PARSE_ERROR: i32 = -32_700;
const INVALID_REQUEST: i32 = -32_600;

/// A line that came in.
#[derive(Debug, PartialEq)]
enum Line {
    Whole(Vec<u8>),
    TooLong,
}

/// Serves one client until it closes standard input, or until `stop`.
pub(in crate::mcp) async fn serve(server: Server, stop: CancellationToken) -> Result<(), Report> {
    let clock = server.options().clock.clone();
    let (incoming, gone) = (read_lines(BufReader::new(io::stdin()))?, CancellationToken::new());
    let (outgoing, written) = write_lines(io::stdout(), gone.clone())?;
    let lines = Lines { incoming, outgoing, is_open: false, gone: gone.clone() };
    let service = async {
        match server.serve_with_ct(lines, stop.clone()).await {
            Ok(running) => running.waiting().await.map(drop).map_err(|error| Report::new(ReportKind::Internal, format!("the server broke down: {error}"))),
            // Clients that only ask what the server is, and leave, are as welcome as others.
            Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled | ServerInitializeError::TransportError { .. }) => Ok(()),
            Err(error) => Err(Report::new(ReportKind::Usage, format!("the client could not be served: {error}"))),
        }
    };
    let farewell = async {
        tokio::select! { () = gone.cancelled() => {}, () = stop.cancelled() => {} }
        clock.sleep(FAREWELL).await;
    };
    let served = tokio::select! { served = service => served, () = farewell => Ok(()) };
    tokio::select! { _ = written => {}, () = clock.sleep(if served.is_ok() && gone.is_cancelled() { FAREWELL / 2 } else { FLUSH_MAX }) => {} }
    served
}

/// Reads lines on a thread of its own until the end of the input.
fn read_lines(mut input: impl BufRead + Send + 'static) -> Result<mpsc::Receiver<Line>, Report> {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let read = move || {
        while let Ok(Some(line)) = next_line(&mut input, LINE_BYTES_MAX) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    };
    thread::Builder::new().name("stdin".to_owned()).spawn(read).map_err(no_thread)?;
    Ok(receiver)
}

/// The next line without its end; `None` at the end of the input. A line that has no end is no message.
fn next_line(input: &mut impl BufRead, bytes_max: usize) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    input.by_ref().take(limit).read_until(b'\n', &mut line)?;
    if line.pop_if(|last| *last == b'\n').is_some() {
        return Ok(Some(Line::Whole(line)));
    }
    if line.len() <= bytes_max {
        return Ok(None);
    }
    input.skip_until(b'\n')?;
    Ok(Some(Line::TooLong))
}

/// Writes messages on a thread of its own, as many at once as are waiting. The second part tells when all is written.
fn write_lines(mut output: impl Write + Send + 'static, gone: CancellationToken) -> Result<(mpsc::UnboundedSender<Vec<u8>>, oneshot::Receiver<()>), Report> {
    let (sender, mut receiver) = mpsc::unbounded_channel::<Vec<u8>>();
    let (done, written) = oneshot::channel();
    let write = move || {
        while let Some(message) = receiver.blocking_recv() {
            let mut batch = message;
            while let Ok(more) = receiver.try_recv() {
                batch.extend_from_slice(&more);
            }
            if output.write_all(&batch).and_then(|()| output.flush()).is_err() {
                gone.cancel();
                break;
            }
        }
        let _ = done.send(());
    };
    thread::Builder::new().name("stdout".to_owned()).spawn(write).map_err(no_thread)?;
    Ok((sender, written))
}

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
fn no_thread(error: io::Error) -> Report {
    Report::new(ReportKind::Internal, format!("no thread for standard input and output: {error}"))
}

/// The messages of one client.
struct Lines {
    incoming: mpsc::Receiver<Line>,
    outgoing: mpsc::UnboundedSender<Vec<u8>>,
    /// Whether a request has come; before, notifications and answers mean nothing.
    is_open: bool,
    /// Cancelled when the client is gone.
    gone: CancellationToken,
}

impl Transport<RoleServer> for Lines {
    type Error = io::Error;

    fn name() -> Cow<'static, str> {
        "standard input and output".into()
    }

    fn send(&mut self, item: ServerJsonRpcMessage) -> impl Future<Output = Result<(), io::Error>> + Send + 'static {
        let outgoing = self.outgoing.clone();
        // Spelled by whoever awaits it, so that long answers do not hold up the messages that come in.
        async move {
            let mut message = serde_json::to_vec(&item).map_err(io::Error::other)?;
            message.push(b'\n');
            outgoing.send(message).map_err(|_| io::ErrorKind::BrokenPipe.into())
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            let Some(line) = self.incoming.recv().await else {
                self.gone.cancel();
                return None;
            };
            match take_up(&line) {
                Taken::Message(message) if self.is_open || matches!(*message, ClientJsonRpcMessage::Request(_)) => {
                    self.is_open = true;
                    return Some(*message);
                }
                Taken::Message(_) | Taken::Nothing => {}
                Taken::Refused(answer) => drop(self.outgoing.send(format!("{answer}\n").into_bytes())),
            }
        }
    }

    async fn close(&mut self) -> Result<(), io::Error> {
        self.incoming.close();
        Ok(())
    }
}

/// What a line turned out to be.
#[derive(Debug)]
enum Taken {
    Message(Box<ClientJsonRpcMessage>),
    /// To be answered with this.
    Refused(Value),
    /// Neither a message nor anything to answer.
    Nothing,
}

fn take_up(line: &Line) -> Taken {
    let Line::Whole(bytes) = line else {
        return refused(INVALID_REQUEST, &format!("a message has at most {LINE_BYTES_MAX} bytes"), &Value::Null);
    };
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii();
    if bytes.is_empty() {
        return Taken::Nothing;
    }
    match tool_call(bytes).map_or_else(|| serde_json::from_slice(bytes), Ok) {
        Ok(message) => Taken::Message(Box::new(message)),
        Err(_) => match serde_json::from_slice::<Value>(bytes) {
            Err(error) => refused(PARSE_ERROR, &format!("not JSON: {error}"), &Value::Null),
            Ok(Value::Array(_)) => refused(INVALID_REQUEST, "batches are not part of the protocol any more", &Value::Null),
            Ok(value) if value.get("method").is_some() && value.get("id").is_none() => Taken::Nothing,
            Ok(value) => {
                let id = value.get("id").filter(|id| id.is_string() || id.is_i64() || id.is_u64()).cloned().unwrap_or_default();
                refused(INVALID_REQUEST, "not a message of JSON-RPC 2.0", &id)
            }
        },
    }
}

/// A call of a tool, if that is what it is. Almost every message is one, and the library would try fourteen others first.
fn tool_call(bytes: &[u8]) -> Option<ClientJsonRpcMessage> {
    const METHOD: &str = "tools/call";
    let head: Head<'_> = serde_json::from_slice(bytes).ok()?;
    if head.method != METHOD || head.result.0 || head.error.0 {
        return None;
    }
    let JsonRpcRequest { id, request, .. } = serde_json::from_slice::<JsonRpcRequest<CallToolRequest>>(bytes).ok()?;
    Some(ClientJsonRpcMessage::Request(JsonRpcRequest::new(id, ClientRequest::CallToolRequest(request))))
}

/// What tells the kinds of message apart.
#[derive(Deserialize)]
struct Head<'m> {
    #[serde(borrow)]
    method: Cow<'m, str>,
    #[serde(default)]
    result: Present,
    #[serde(default)]
    error: Present,
}

/// Whether a member is there, whatever it holds.
#[derive(Default)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

fn refused(code: i32, message: &str, id: &Value) -> Taken {
    Taken::Refused(json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(line: &str) -> (i64, Value) {
        match take_up(&Line::Whole(line.as_bytes().to_vec())) {
            Taken::Refused(answer) => (answer["error"]["code"].as_i64().unwrap(), answer["id"].clone()),
            other => panic!("`{line}` was not refused but {other:?}"),
        }
    }

    #[test]
    fn what_is_no_message_is_answered_as_the_protocol_says() {
        assert_eq!(refusal("{\"jsonrpc\""), (-32_700, Value::Null));
        assert_eq!(refusal("hello"), (-32_700, Value::Null));
        assert_eq!(refusal("[]"), (-32_600, Value::Null));
        assert_eq!(refusal("{\"jsonrpc\":\"1.0\",\"id\":7,\"method\":\"ping\"}"), (-32_600, json!(7)));
    }

    #[test]
    fn a_call_of_a_tool_is_read_as_the_library_would() {
        let call =
            r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"read","arguments":{"command":"listZones"},"_meta":{"progressToken":3}}}"#;
        let quick = tool_call(call.as_bytes()).unwrap();
        let slow: ClientJsonRpcMessage = serde_json::from_str(call).unwrap();
        assert_eq!(serde_json::to_value(&quick).unwrap(), serde_json::to_value(&slow).unwrap());
        for other in [
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read"},"result":null}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        ] {
            assert!(tool_call(other.as_bytes()).is_none(), "{other}");
        }
    }

    #[test]
    fn a_mark_of_byte_order_and_a_carriage_return_do_no_harm() {
        let line = "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\r";
        assert!(matches!(take_up(&Line::Whole(line.as_bytes().to_vec())), Taken::Message(_)));
        assert!(matches!(take_up(&Line::Whole(b"\r".to_vec())), Taken::Nothing));
    }

    #[test]
    fn a_line_that_is_too_long_is_dropped_and_the_next_is_read() {
        let mut input = io::Cursor::new(b"1234567890\nabc\nrest".to_vec());
        assert_eq!(next_line(&mut input, 5).unwrap(), Some(Line::TooLong));
        assert_eq!(next_line(&mut input, 5).unwrap(), Some(Line::Whole(b"abc".to_vec())));
        assert_eq!(next_line(&mut input, 5).unwrap(), None);
    }
}
