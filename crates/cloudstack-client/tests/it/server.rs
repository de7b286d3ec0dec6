//! A web server of a page and a half that does what a test tells it, and remembers what it received.

use std::{
    collections::{BTreeMap, HashMap},
    net,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// What the server received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The headers, names in lower case.
    pub(crate) headers: HashMap<String, String>,
    /// The arguments, decoded, from wherever they came.
    pub(crate) arguments: BTreeMap<String, String>,
    /// Whether they came in the URL.
    pub(crate) in_url: bool,
}

impl Received {
    pub(crate) fn command(&self) -> &str {
        self.argument("command")
    }

    pub(crate) fn argument(&self, name: &str) -> &str {
        self.arguments.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn number(&self, name: &str) -> usize {
        self.argument(name).parse().unwrap()
    }
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// Reads the request and closes the connection.
    Cut,
    /// Announces more than it sends, and closes the connection.
    CutMidway,
    /// Answers fully and closes the connection without having said so.
    AnswerAndClose {
        body: Vec<u8>,
    },
    /// Never answers.
    Stall,
}

impl Act {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, &body.to_string())
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self::Answer { status, headers: vec![("content-type", "application/json;charset=utf-8".to_owned())], body: body.as_bytes().to_vec() }
    }

    pub(crate) fn page(status: u16, title: &str) -> Self {
        Self::Answer { status, headers: Vec::new(), body: format!("<html><title>{title}</title></html>").into_bytes() }
    }

    /// A refusal as CloudStack words it.
    pub(crate) fn refusal(status: u16, envelope: &str, text: &str) -> Self {
        Self::json(status, &serde_json::json!({envelope: {"uuidList": [], "errorcode": status, "cserrorcode": 9999, "errortext": text}}))
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }
}

type Script = dyn Fn(usize, &Received) -> Act + Send + Sync;

/// A server on a port of its own.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
    script: Arc<Script>,
}

impl Server {
    /// Starts a server whose answers are made from the number of the request, from 0, and the request.
    pub(crate) fn start(script: impl Fn(usize, &Received) -> Act + Send + Sync + 'static) -> Self {
        let server = Self::prepare(script);
        server.open();
        server
    }

    /// A server that is not open yet: connections are refused until [`Self::open`].
    pub(crate) fn prepare(script: impl Fn(usize, &Received) -> Act + Send + Sync + 'static) -> Self {
        let port = net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { url: format!("http://127.0.0.1:{port}/client/api"), received: Arc::default(), script: Arc::new(script) }
    }

    pub(crate) fn open(&self) {
        let address = self.url.trim_start_matches("http://").trim_end_matches("/client/api");
        let listener = net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let server = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The commands received, in order.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.received().iter().map(|received| received.command().to_owned()).collect()
    }

    async fn serve(&self, stream: TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut stream = BufReader::new(stream);
        loop {
            let received = read(&mut stream).await?;
            let number = {
                let mut all = self.received.lock().unwrap();
                all.push(received.clone());
                all.len() - 1
            };
            match (self.script)(number, &received) {
                Act::Answer { status, headers, body } => {
                    let mut out = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len()).into_bytes();
                    for (name, value) in headers {
                        out.extend(format!("{name}: {value}\r\n").into_bytes());
                    }
                    out.extend(b"\r\n");
                    out.extend(body);
                    stream.write_all(&out).await.ok()?;
                }
                Act::AnswerAndClose { body } => {
                    stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes()).await.ok()?;
                    stream.write_all(&body).await.ok()?;
                    return None;
                }
                Act::Cut => return None,
                Act::CutMidway => {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"half\":").await.ok()?;
                    return None;
                }
                Act::Stall => std::future::pending().await,
            }
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|length| *length > 0)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let body = String::from_utf8(body).unwrap();
    let form = if query.is_empty() { body.as_str() } else { query };
    let arguments = form.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (decode(name), decode(value))).collect();
    Some(Received { method, path: path.to_owned(), headers, arguments, in_url: !query.is_empty() })
}

fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
            }
            b'+' => out.push(b' '),
            other => out.push(other),
        }
    }
    String::from_utf8(out).unwrap()
}
