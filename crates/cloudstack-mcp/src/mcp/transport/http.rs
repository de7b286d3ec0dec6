//! MCP over Streamable HTTP at `/mcp`, and `/healthz`.
//!
//! Answers loopback names and origins, and those that the operator allows; with bearer tokens where there are any. An
//! address that others can reach is not served without them. Not an authorization server.

use std::{
    collections::HashMap,
    io::Write,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use cloudstack_engine::{Report, ReportKind};
use http::{HeaderMap, StatusCode, header};
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService, streamable_http_server::session::local::LocalSessionManager};
use tokio_util::sync::CancellationToken;

use crate::mcp::{
    ServeOptions,
    server::{Principal, Server},
};

/// The largest request.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most sessions of older clients that may be bound to a principal at once.
const SESSIONS_MAX: usize = 10_000;
/// How long open calls may still answer once the server is to stop.
const FAREWELL: Duration = Duration::from_secs(2);
const SESSION_HEADER: &str = "mcp-session-id";
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const LOOPBACK_ORIGINS: [&str; 6] =
    ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*", "https://localhost:*", "https://127.0.0.1:*", "https://[::1]:*"];

/// Who may come in.
struct Gate {
    tokens: Vec<(String, String)>,
    /// The principal of each session of an older client.
    sessions: Mutex<HashMap<String, String>>,
}

/// Serves clients at an address until `stop`.
///
/// # Errors
///
/// A report of kind `config` if the address must not or cannot be served.
pub(in crate::mcp) async fn serve(server: Server, address: SocketAddr, stop: CancellationToken) -> Result<(), Report> {
    let clock = server.options().clock.clone();
    check(server.options(), address)?;
    let no_address = |error: std::io::Error| Report::new(ReportKind::Config, format!("`{address}` cannot be served: {error}"));
    let listener = tokio::net::TcpListener::bind(address).await.map_err(no_address)?;
    let local = listener.local_addr().map_err(no_address)?;
    // Standard error may be closed; that is no reason not to serve.
    let _ = writeln!(std::io::stderr(), "serving MCP at http://{local}/mcp");
    let served = axum::serve(listener, router(server, &stop)).with_graceful_shutdown(stop.clone().cancelled_owned());
    let farewell = async {
        stop.cancelled().await;
        clock.sleep(FAREWELL).await;
    };
    tokio::select! {
        served = served => served.map_err(|error| Report::new(ReportKind::Internal, format!("the server broke down: {error}"))),
        () = farewell => Ok(()),
    }
}

/// Refuses to serve strangers by mistake.
fn check(options: &ServeOptions, address: SocketAddr) -> Result<(), Report> {
    if address.ip().is_loopback() || !options.bearer_tokens.is_empty() || options.open_bind {
        return Ok(());
    }
    Err(Report::new(ReportKind::Config, format!("`{address}` can be reached by others and no bearer token is set"))
        .hint("set bearer tokens, or serve a loopback address such as `127.0.0.1:8765`"))
}

fn router(server: Server, stop: &CancellationToken) -> Router {
    let options = server.options();
    let hosts = LOOPBACK_HOSTS.into_iter().map(str::to_owned).chain(options.allowed_hosts.iter().cloned());
    let origins = LOOPBACK_ORIGINS.into_iter().map(str::to_owned).chain(options.allowed_origins.iter().cloned());
    let config = StreamableHttpServerConfig::default()
        .with_json_response(true)
        .with_allowed_hosts(hosts)
        .with_allowed_origins(origins)
        .enforce_origin_validation()
        .with_max_request_body_bytes(BODY_BYTES_MAX)
        .with_cancellation_token(stop.child_token());
    let tokens = options.bearer_tokens.iter().map(|(token, principal)| (token.clone(), principal.clone())).collect();
    let gate = Arc::new(Gate { tokens, sessions: Mutex::default() });
    let mcp = StreamableHttpService::new(move || Ok(server.clone()), Arc::new(LocalSessionManager::default()), config);
    Router::new()
        .route_service("/mcp", mcp)
        .layer(middleware::from_fn(tell_parse_error))
        .layer(middleware::from_fn_with_state(gate, let_in))
        .route("/healthz", get(|| async { "ok\n" }))
}

/// Lets in who brings a token, as whom it stands for, and only into sessions of their own.
async fn let_in(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    if gate.tokens.is_empty() {
        return next.run(request).await;
    }
    let Some(principal) = gate.principal(request.headers()) else {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer realm=\"cloudstack-mcp\"")], "a bearer token is needed\n").into_response();
    };
    if !gate.owns_session(request.headers(), &principal) {
        return (StatusCode::NOT_FOUND, "there is no such session\n").into_response();
    }
    request.extensions_mut().insert(Principal(principal.clone()));
    let response = next.run(request).await;
    gate.note_session(response.headers(), principal);
    response
}

impl Gate {
    fn principal(&self, headers: &HeaderMap) -> Option<String> {
        let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = given.split_once(' ')?;
        let known = |token: &str| self.tokens.iter().filter(|(known, _)| is_same(known, token)).map(|(_, principal)| principal.clone()).next_back();
        scheme.eq_ignore_ascii_case("bearer").then(|| known(token.trim()))?
    }

    /// Whether the request names no session, or one of this principal.
    fn owns_session(&self, headers: &HeaderMap, principal: &str) -> bool {
        let Some(session) = headers.get(SESSION_HEADER).and_then(|value| value.to_str().ok()) else { return true };
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(session).is_some_and(|owner| owner == principal)
    }

    /// Remembers whose a new session is. Where there are too many, the oldest memories go: their clients begin anew.
    fn note_session(&self, headers: &HeaderMap, principal: String) {
        let Some(session) = headers.get(SESSION_HEADER).and_then(|value| value.to_str().ok()) else { return };
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= SESSIONS_MAX {
            sessions.clear();
        }
        sessions.insert(session.to_owned(), principal);
    }
}

/// Compares in a time that tells nothing of where the two differ.
fn is_same(known: &str, given: &str) -> bool {
    known.len() == given.len() && known.bytes().zip(given.bytes()).fold(0, |differing, (known, given)| differing | (known ^ given)) == 0
}

/// JSON that cannot be parsed is a parse error of JSON-RPC, not a media type that nobody knows.
async fn tell_parse_error(request: Request, next: Next) -> Response {
    let is_json = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|kind| kind.starts_with("application/json"));
    let response = next.run(request).await;
    if is_json && response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        let body = "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"the body is not one message of JSON-RPC\"}}";
        return (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate { tokens: vec![("s3cret".to_owned(), "alice".to_owned()), ("other".to_owned(), "bob".to_owned())], sessions: Mutex::default() }
    }

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn a_token_stands_for_its_principal_and_nothing_else_does() {
        assert_eq!(gate().principal(&headers("authorization", "Bearer s3cret")).as_deref(), Some("alice"));
        assert_eq!(gate().principal(&headers("authorization", "bearer other")).as_deref(), Some("bob"));
        for wrong in ["Bearer s3cre", "Bearer s3crets", "Basic s3cret", "s3cret", "Bearer ", ""] {
            assert_eq!(gate().principal(&headers("authorization", wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn a_session_belongs_to_the_principal_that_opened_it() {
        let gate = gate();
        gate.note_session(&headers(SESSION_HEADER, "abc"), "alice".to_owned());
        assert!(gate.owns_session(&headers(SESSION_HEADER, "abc"), "alice"));
        assert!(!gate.owns_session(&headers(SESSION_HEADER, "abc"), "bob"));
        assert!(!gate.owns_session(&headers(SESSION_HEADER, "unheard-of"), "bob"));
        assert!(gate.owns_session(&HeaderMap::new(), "bob"));
    }
}
