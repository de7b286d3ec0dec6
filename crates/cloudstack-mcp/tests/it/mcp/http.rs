//! MCP over HTTP: who is let in, and both eras at one endpoint.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
};

use serde_json::{Value, json};

use super::session::server;

/// A server on a port of its own.
struct Served {
    child: Child,
    address: String,
    _home: tempfile::TempDir,
}

/// An answer of HTTP.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Served {
    fn start(settings: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("settings.toml");
        std::fs::write(&file, settings).unwrap();
        let mut command = server(&["--http", "127.0.0.1:0"], &home);
        let mut child = command.arg("--config").arg(&file).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut told = lines.map_while(Result::ok).skip_while(|line| !line.starts_with("serving MCP at http://"));
        let line = told.next().expect("where it serves");
        let address = line.trim_start_matches("serving MCP at http://").trim_end_matches("/mcp").to_owned();
        std::thread::spawn(move || told.for_each(drop));
        Self { child, address, _home: home }
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("Host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Answer { status, headers, body: body.to_owned() }
    }

    fn post(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        let plain = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")];
        self.send("POST", "/mcp", &[&plain, headers].concat(), body)
    }
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The message in the body, plain or as the last event of a stream.
    fn message(&self) -> Value {
        let mut data = self.body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| data.starts_with('{'));
        let text = data.next_back().unwrap_or(&self.body);
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // One that has ended already is no fault.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listing() -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    });
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}).to_string()
}

const MODERN: [(&str, &str); 2] = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/list")];

#[test]
fn a_newer_client_needs_no_session() {
    let served = Served::start("");
    let answer = served.post(&MODERN, &listing());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.message()["result"]["tools"].is_array());
    assert_eq!(answer.header("mcp-session-id"), None);
}

#[test]
fn an_older_client_gets_a_session() {
    let served = Served::start("");
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
    }});
    let answer = served.post(&[], &hello.to_string());
    assert_eq!(answer.message()["result"]["protocolVersion"], "2025-11-25", "{answer:?}");
    let session = answer.header("mcp-session-id").unwrap().to_owned();
    let headers = [("Mcp-Session-Id", session.as_str()), ("MCP-Protocol-Version", "2025-11-25")];
    served.post(&headers, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
    let listed = served.post(&headers, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\",\"params\":{}}");
    assert!(listed.message()["result"]["tools"].is_array(), "{listed:?}");
}

#[test]
fn strange_pages_and_hosts_are_not_answered() {
    let served = Served::start("");
    for (header, value, status) in
        [("Origin", "https://evil.example", 403), ("Origin", "null", 403), ("Host", "evil.example", 403), ("Origin", "http://localhost:6274", 200)]
    {
        let answer = served.post(&[&MODERN[..], &[(header, value)]].concat(), &listing());
        assert_eq!(answer.status, status, "{header}: {value}: {answer:?}");
    }
}

#[test]
fn a_body_that_is_no_json_is_a_parse_error() {
    let answer = Served::start("").post(&MODERN, "{nonsense");
    assert_eq!((answer.status, answer.message()["error"]["code"].as_i64()), (400, Some(-32_700)), "{answer:?}");
}

#[test]
fn where_there_are_tokens_nobody_comes_in_without() {
    let served = Served::start("[serve.tokens]\nada = \"s3cret-of-ada\"\n");
    let refused = served.post(&MODERN, &listing());
    assert_eq!(refused.status, 401, "{refused:?}");
    assert!(refused.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer")), "{refused:?}");
    for (token, status) in [("Bearer wrong", 401), ("Bearer s3cret-of-ada", 200)] {
        let answer = served.post(&[&MODERN[..], &[("Authorization", token)]].concat(), &listing());
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[test]
fn health_is_told_to_anybody() {
    let served = Served::start("[serve.tokens]\nada = \"s3cret-of-ada\"\n");
    assert_eq!(served.send("GET", "/healthz", &[], "").status, 200);
}

#[test]
fn an_address_that_others_reach_is_not_served_openly_by_mistake() {
    let home = tempfile::tempdir().unwrap();
    let output = server(&["--http", "0.0.0.0:0"], &home).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("token"), "{told}");
}
