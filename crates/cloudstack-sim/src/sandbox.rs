//! The administrative endpoint that only the embedded cloud has: `/sandbox/…`, beside CloudStack's `/client/api`.
//!
//! It makes trouble and lifts it, moves time, and hands out and takes whole worlds. Whoever reaches it rules the world, so it is open on the loopback alone, to programs
//! and not to web pages, or to those who bring a token.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{cloud::Cloud, error::Error, trouble::Trouble};

/// The longest body that is read.
const BODY_BYTES_MAX: usize = 65_536;
/// The longest world that is taken.
const WORLD_BYTES_MAX: usize = 1 << 30;
/// How far time is moved at once at most: a year.
const SKIP_SECONDS_MAX: u64 = 31_536_000;
/// The path of the world as a whole.
const WORLD: &str = "world";
/// Where it is.
const ROOT: &str = "/sandbox/";
/// The hosts by which programs on the same machine call it.
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Who may use the administrative endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// Nobody: it is not there.
    #[default]
    Closed,
    /// Programs on this machine: for listeners on the loopback alone.
    Loopback,
    /// Whoever sends `Authorization: Bearer` with this token.
    Token(String),
}

/// Serves a cloud and its administrative endpoint until it is stopped.
///
/// [`Gate::Loopback`] is held for [`Gate::Closed`] where the listener can be reached from elsewhere.
///
/// # Errors
///
/// What the listener reports.
pub async fn serve_with(cloud: Cloud, listener: TcpListener, gate: Gate, stop: CancellationToken) -> io::Result<()> {
    let is_local = listener.local_addr()?.ip().is_loopback();
    let gate = if gate == Gate::Loopback && !is_local { Gate::Closed } else { gate };
    let desk = Desk { cloud: cloud.clone(), gate: Arc::new(gate) };
    let router = Router::new().route("/sandbox/{*rest}", axum::routing::any(answer)).with_state(desk).merge(cloud.router());
    axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await }).await
}

#[derive(Clone)]
struct Desk {
    cloud: Cloud,
    gate: Arc<Gate>,
}

/// A status and what is said with it.
type Said = (StatusCode, String);

async fn answer(State(desk): State<Desk>, request: Request) -> Response {
    let (status, body) = match admit(&desk.gate, request.headers()) {
        Ok(()) => handle(&desk.cloud, request).await,
        Err(refused) => refused,
    };
    let has_body = !body.is_empty();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    if has_body {
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    }
    response
}

fn told(status: StatusCode, error: &str) -> Said {
    (status, json!({ "error": error }).to_string())
}

fn admit(gate: &Gate, headers: &HeaderMap) -> Result<(), Said> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match gate {
        Gate::Closed => Err(told(StatusCode::NOT_FOUND, "there is no administrative endpoint here")),
        Gate::Loopback => {
            // A page that a browser shows can reach the loopback too: it says where it is from, or calls it by another name.
            let host = text(header::HOST).map(|host| host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name));
            let is_foreign = headers.contains_key(header::ORIGIN) || !host.is_some_and(|host| LOCAL_NAMES.contains(&host));
            if is_foreign { Err(told(StatusCode::FORBIDDEN, "only programs on this machine may do this")) } else { Ok(()) }
        }
        Gate::Token(token) => {
            let given = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
            if given.is_some_and(|given| is_same(given, token)) { Ok(()) } else { Err(told(StatusCode::UNAUTHORIZED, "a bearer token is needed")) }
        }
    }
}

/// Compares without telling by the time it takes how much is right.
fn is_same(given: &str, expected: &str) -> bool {
    let differing = given.bytes().zip(expected.bytes()).fold(0, |all, (left, right)| all | (left ^ right));
    given.len() == expected.len() && differing == 0
}

async fn handle(cloud: &Cloud, request: Request) -> Said {
    let method = request.method().clone();
    let path = request.uri().path().strip_prefix(ROOT).unwrap_or_default().trim_end_matches('/').to_owned();
    let Ok(body) = to_bytes(request.into_body(), if path == WORLD { WORLD_BYTES_MAX } else { BODY_BYTES_MAX }).await else {
        return told(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long");
    };
    let cloud = cloud.clone();
    // Worlds can be large and disks slow: not on the threads that answer.
    let done = tokio::task::spawn_blocking(move || act(&cloud, method.as_str(), &path, &body)).await;
    done.unwrap_or_else(|_| told(StatusCode::INTERNAL_SERVER_ERROR, "it failed in a way that it should not"))
}

fn act(cloud: &Cloud, method: &str, path: &str, body: &[u8]) -> Said {
    let done = match (method, path.split_once('/').unwrap_or((path, ""))) {
        ("GET", ("trouble", "")) => Ok((StatusCode::OK, json!({ "trouble": cloud.troubles() }).to_string())),
        ("POST", ("trouble", "")) => make(cloud, body),
        ("DELETE", ("trouble", number)) => lift(cloud, number),
        ("GET", (WORLD, "")) => cloud.export().map(|text| (StatusCode::OK, text)),
        ("PUT", (WORLD, "")) => replace(cloud, body),
        ("POST", ("time", "")) => skip(cloud, body),
        (_, ("trouble" | WORLD | "time", "")) => return told(StatusCode::METHOD_NOT_ALLOWED, "this is done with another method"),
        _ => return told(StatusCode::NOT_FOUND, "there are `/sandbox/trouble`, `/sandbox/world` and `/sandbox/time`"),
    };
    done.unwrap_or_else(|error| {
        let status = match &error {
            Error::NotFound { .. } => StatusCode::NOT_FOUND,
            Error::Invalid(_) | Error::Damaged(_) => StatusCode::BAD_REQUEST,
            Error::Conflict(_) => StatusCode::CONFLICT,
            Error::File { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        told(status, &error.to_string())
    })
}

fn read(body: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(body).map_err(|fault| Error::invalid(format!("the body is no JSON: {fault}")))
}

fn make(cloud: &Cloud, body: &[u8]) -> Result<Said, Error> {
    let number = cloud.trouble(Trouble::from_json(read(body)?)?)?;
    Ok((StatusCode::CREATED, json!({ "number": number }).to_string()))
}

fn lift(cloud: &Cloud, number: &str) -> Result<Said, Error> {
    let numbers = if number.is_empty() {
        cloud.troubles().iter().map(|active| active.number).collect()
    } else {
        vec![number.parse().map_err(|_| Error::NotFound { what: "trouble", name: number.to_owned() })?]
    };
    for number in numbers {
        cloud.lift(number)?;
    }
    Ok((StatusCode::NO_CONTENT, String::new()))
}

fn replace(cloud: &Cloud, body: &[u8]) -> Result<Said, Error> {
    let text = std::str::from_utf8(body).map_err(|_| Error::invalid("the body is no UTF-8"))?;
    cloud.replace(text)?;
    Ok((StatusCode::NO_CONTENT, String::new()))
}

fn skip(cloud: &Cloud, body: &[u8]) -> Result<Said, Error> {
    let body = read(body)?;
    let seconds = body.get("seconds").and_then(Value::as_u64).filter(|seconds| *seconds <= SKIP_SECONDS_MAX);
    let seconds = seconds.ok_or_else(|| Error::invalid(format!("`seconds` should be a number up to {SKIP_SECONDS_MAX}")))?;
    cloud.skip(Duration::from_secs(seconds))?;
    Ok((StatusCode::NO_CONTENT, String::new()))
}
