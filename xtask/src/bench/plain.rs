//! The plain HTTP client: one open connection, one signed POST at a time, nothing done with the answer.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
};

use cloudstack_api::wire::{self, Digest, Pair};

use crate::workspace::Done;

/// A moment that no run outlives.
const EXPIRES: &str = "2099-01-01T00:00:00+0000";

/// A connection to a cloud.
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
    path: String,
    api_key: String,
    secret_key: String,
}

impl Connection {
    /// Connects to an API under `http://`.
    pub(super) fn open(url: &str, api_key: &str, secret_key: &str) -> Done<Self> {
        let rest = url.strip_prefix("http://").ok_or_else(|| format!("`{url}` is not served in the clear"))?;
        let (host, path) = rest.split_once('/').ok_or_else(|| format!("`{url}` has no path"))?;
        let stream =
            TcpStream::connect(host).and_then(|stream| stream.set_nodelay(true).map(|()| stream)).map_err(|error| format!("cannot reach `{host}`: {error}"))?;
        Ok(Self {
            stream: BufReader::new(stream),
            host: host.to_owned(),
            path: format!("/{path}"),
            api_key: api_key.to_owned(),
            secret_key: secret_key.to_owned(),
        })
    }

    /// Sends a command and gives the body of the answer.
    pub(super) fn call(&mut self, command: &str, arguments: &[(&str, &str)]) -> Done<Vec<u8>> {
        let fixed = [("command", command), ("response", "json"), ("apiKey", &self.api_key), ("signatureVersion", "3"), ("expires", EXPIRES)];
        let mut pairs: Vec<Pair> = fixed.iter().chain(arguments).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        pairs.push(("signature".to_owned(), wire::signature(&pairs, &self.secret_key, Digest::Sha1)));
        let body = wire::form(&pairs);
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            self.path,
            self.host,
            body.len()
        );
        self.stream.get_mut().write_all(format!("{head}{body}").as_bytes()).map_err(|error| format!("`{command}` cannot be sent: {error}"))?;
        self.answer().map_err(|error| format!("`{command}`: {error}"))
    }

    fn answer(&mut self) -> Done<Vec<u8>> {
        let mut line = String::new();
        let mut next = |stream: &mut BufReader<TcpStream>| {
            line.clear();
            stream.read_line(&mut line).map_err(|error| error.to_string()).map(|_| line.trim_end().to_owned())
        };
        let status = next(&mut self.stream)?;
        let mut length = None;
        loop {
            let header = next(&mut self.stream)?;
            if header.is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse::<usize>().ok();
            }
        }
        let mut body = vec![0; length.ok_or("an answer without a length")?];
        self.stream.read_exact(&mut body).map_err(|error| error.to_string())?;
        if status.contains(" 200 ") || status.ends_with(" 200") { Ok(body) } else { Err(format!("{status}: {}", String::from_utf8_lossy(&body))) }
    }
}
