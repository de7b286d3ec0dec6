//! The HTTP front: what Jetty does around CloudStack's API (wire facts §1.1). No knowledge of commands.

use std::{collections::BTreeMap, io};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method as HttpMethod, StatusCode, header};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    cloud::{Cloud, Method, WireAnswer, WireRequest},
    keep::Ticket,
};

/// The longest request target and headers that are taken.
const HEAD_BYTES_MAX: usize = 8_192;
/// The longest form that is taken.
const FORM_BYTES_MAX: usize = 1_048_576;
/// The most fields of a form that are taken.
const FORM_FIELDS_MAX: usize = 5_000;
/// Where the API is.
const API_PATH: &str = "/client/api";

impl Cloud {
    /// The cloud behind HTTP: the API under `/client/api`, redirects elsewhere.
    pub fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }
}

/// Serves a cloud until it is stopped.
///
/// # Errors
///
/// What the listener reports.
pub async fn serve(cloud: Cloud, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
    axum::serve(listener, cloud.router()).with_graceful_shutdown(async move { stop.cancelled().await }).await
}

async fn answer(State(cloud): State<Cloud>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if path != API_PATH && !path.starts_with("/client/api/") {
        return elsewhere(&path, request.uri().query());
    }
    let method = request.method().clone();
    let is_read = method == HttpMethod::GET || method == HttpMethod::HEAD;
    if !is_read && method != HttpMethod::POST {
        return plain(match method {
            HttpMethod::PUT | HttpMethod::DELETE => StatusCode::METHOD_NOT_ALLOWED,
            HttpMethod::OPTIONS => StatusCode::OK,
            _ => StatusCode::NOT_IMPLEMENTED,
        });
    }
    if request.uri().to_string().len() > HEAD_BYTES_MAX {
        return page(StatusCode::URI_TOO_LONG, "<h1>Bad Message 414</h1><pre>reason: URI Too Long</pre>");
    }
    let cookies = cookies(request.headers());
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let query = request.uri().query().unwrap_or_default().to_owned();
    let Ok(bytes) = to_bytes(request.into_body(), FORM_BYTES_MAX).await else {
        return page(StatusCode::NOT_FOUND, "<h2>HTTP ERROR 404</h2><pre>Form is larger than max length 1048576</pre>");
    };
    let body = if is_form && !is_read { String::from_utf8_lossy(&bytes).into_owned() } else { String::new() };
    if body.split('&').count() > FORM_FIELDS_MAX {
        return page(StatusCode::NOT_FOUND, "<h2>HTTP ERROR 404</h2><pre>Form with too many keys</pre>");
    }
    if is_read && query.split('&').any(|token| token == "command=login") {
        return told(StatusCode::METHOD_NOT_ALLOWED, "Please use HTTP POST to authenticate using this API");
    }
    let request = WireRequest { method: if is_read { Method::Get } else { Method::Post }, query, body, cookies };
    let answer = match cloud.perform(&request) {
        (answer, None) => answer,
        (answer, Some(ticket)) => durable(&cloud, answer, ticket).await,
    };
    let delay = cloud.delay(&request);
    if !delay.is_zero() {
        cloud.wait(delay).await;
    }
    spell(answer)
}

/// Waits for the disk beside the threads that answer.
async fn durable(cloud: &Cloud, answer: WireAnswer, ticket: Ticket) -> WireAnswer {
    let waiting = cloud.clone();
    let lost = WireAnswer { status: 500, headers: Vec::new(), body: String::new() };
    tokio::task::spawn_blocking(move || waiting.made_durable(answer, ticket)).await.unwrap_or(lost)
}

fn spell(answer: WireAnswer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        // Texts with letters outside ISO-8859-1 cannot stand in a header; servers drop them likewise.
        let value: String = value.chars().filter(|letter| matches!(letter, ' '..='~')).collect();
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    let always = [("x-content-type-options", "nosniff"), ("x-xss-protection", "1;mode=block"), ("content-security-policy", "default-src 'none'")];
    for (name, value) in always {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

fn cookies(headers: &HeaderMap) -> BTreeMap<String, String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn elsewhere(path: &str, query: Option<&str>) -> Response {
    if path.starts_with("/client/") {
        return page(StatusCode::NOT_FOUND, "<h2>HTTP ERROR 404 Not Found</h2>");
    }
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let (status, target) =
        if path == "/client" { (StatusCode::FOUND, format!("/client/{query}")) } else { (StatusCode::MOVED_PERMANENTLY, format!("/client{path}{query}")) };
    let mut response = plain(status);
    if let Ok(target) = HeaderValue::from_str(&target) {
        response.headers_mut().insert(header::LOCATION, target);
    }
    response
}

fn plain(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn page(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html;charset=iso-8859-1"));
    response
}

fn told(status: StatusCode, text: &'static str) -> Response {
    let mut response = page(status, text);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml;charset=utf-8"));
    response
}
