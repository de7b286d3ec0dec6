//! One exchange over HTTP: bytes out, status and bytes in. The only file that knows the HTTP library.
//!
//! Nothing is repeated, followed or remembered here: no redirects, no cookies, no retries of the library's own.

use std::{error::Error, io, time::Duration};

use reqwest::{
    Client, Proxy, Response, StatusCode, Url,
    header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE},
    redirect,
};

use crate::{
    endpoint::Endpoint,
    error::{ConfigFault, UnreachableKind},
    retry::Failure,
    tls,
};

/// The most bytes of an answer. The largest one known, all commands for root, has 3.4 MB.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Below the 30 s after which CloudStack's web server closes idle connections, so that no call meets a closing one.
const IDLE: Duration = Duration::from_secs(20);
const IDLE_CONNECTIONS_MAX: usize = 64;
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Where the API is on a server that nobody configured otherwise.
const USUAL_PATH: &str = "/client/api";
const USER_AGENT: &str = concat!("cloudstack-mcp/", env!("CARGO_PKG_VERSION"));
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// The way to one server.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    url: Url,
    shown: String,
}

/// What is sent. No `Debug`: it holds secrets.
pub(crate) struct Outgoing {
    /// The arguments, encoded and signed.
    pub(crate) form: String,
    /// Where they travel.
    pub(crate) place: Place,
    /// The cookies of a session.
    pub(crate) cookies: Option<HeaderValue>,
    /// How long the whole answer may take.
    pub(crate) limit: Duration,
}

/// Where arguments travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the body of a POST.
    Body,
    /// In the URL of a GET.
    Url,
}

/// What came back.
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body, unpacked.
    pub(crate) body: Vec<u8>,
    /// The cookies that were set, as `name=value`.
    pub(crate) cookies: Vec<String>,
    /// How long a proxy asks us to wait.
    pub(crate) retry_after: Option<Duration>,
}

impl Http {
    /// Prepares the way; opens no connection yet.
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, ConfigFault> {
        let url = parse_url(&endpoint.url)?;
        let tls = tls::config(endpoint, url.scheme() == "https")?;
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(USER_AGENT)
            .connect_timeout(endpoint.timeouts.connect)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .tcp_keepalive(KEEP_ALIVE)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(endpoint.timeouts.connect)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy();
        if let Some(proxy) = &endpoint.proxy {
            builder = builder.proxy(Proxy::all(proxy).map_err(|cause| ConfigFault::Proxy(Box::new(cause.without_url())))?);
        }
        let client = builder.build().map_err(|cause| ConfigFault::Http(Box::new(cause.without_url())))?;
        let shown = shown(&url);
        Ok(Self { client, url, shown })
    }

    /// The URL without user, query or fragment.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Sends and reads the whole answer.
    pub(crate) async fn exchange(&self, outgoing: Outgoing) -> Result<Answer, Failure> {
        let mut request = match outgoing.place {
            Place::Body => self.client.post(self.url.clone()).header(CONTENT_TYPE, FORM).body(outgoing.form),
            Place::Url => {
                let mut url = self.url.clone();
                url.set_query(Some(&outgoing.form));
                self.client.get(url)
            }
        };
        if let Some(cookies) = outgoing.cookies {
            request = request.header(COOKIE, cookies);
        }
        let response = request.timeout(outgoing.limit).send().await.map_err(failure)?;
        if let Some(to) = redirection(&self.url, &response) {
            return Err(Failure::Redirected { to });
        }
        let status = response.status().as_u16();
        let cookies = cookies_of(response.headers());
        let retry_after = retry_after(response.headers());
        Ok(Answer { status, body: read(response).await?, cookies, retry_after })
    }
}

fn parse_url(text: &str) -> Result<Url, ConfigFault> {
    let mut url = Url::parse(text).map_err(|_| ConfigFault::Url { url: guarded(text), reason: "it is no URL" })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(ConfigFault::Url { url: guarded(text), reason: "it must start with `https://` or `http://`" });
    }
    let fault = |reason| Err(ConfigFault::Url { url: shown(&url), reason });
    if !url.username().is_empty() || url.password().is_some() {
        return fault("it must not hold a user or a password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return fault("it must have no query and no fragment");
    }
    if url.path() == "/" {
        url.set_path(USUAL_PATH);
    }
    Ok(url)
}

/// What can be shown of a text that is no URL: neither what may be a user and password nor what may be arguments.
fn guarded(text: &str) -> String {
    let plain = text.split(['?', '#']).next().unwrap_or_default();
    plain.rsplit_once('@').map_or_else(|| plain.to_owned(), |(_, host)| format!("…@{host}"))
}

fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// Where a response redirects to, without the query, which would hold the signed call (wire facts §1.1).
fn redirection(base: &Url, response: &Response) -> Option<String> {
    let moved = response.status().is_redirection() && response.status() != StatusCode::NOT_MODIFIED;
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    moved.then(|| location.and_then(|text| base.join(text).ok()).map_or_else(|| "nowhere".to_owned(), |url| shown(&url)))
}

fn cookies_of(headers: &HeaderMap) -> Vec<String> {
    let texts = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    texts.filter_map(|text| text.split(';').next()).map(|pair| pair.trim().to_owned()).collect()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

async fn read(mut response: Response) -> Result<Vec<u8>, Failure> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    if announced > ANSWER_BYTES_MAX {
        return Err(Failure::Oversized);
    }
    let mut body = Vec::with_capacity(announced);
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Failure::Oversized);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Sorts an error of the library by whether anything can have left.
fn failure(cause: reqwest::Error) -> Failure {
    let kind = kind_of(&cause);
    let unsent = cause.is_connect() || cause.is_builder();
    // The URL of a GET holds the key and the signature.
    let source = Box::new(cause.without_url());
    if unsent { Failure::Unsent { kind, source } } else { Failure::Lost { kind, source } }
}

fn kind_of(cause: &reqwest::Error) -> UnreachableKind {
    if cause.is_dns() {
        return UnreachableKind::Dns;
    }
    if cause.is_timeout() {
        return UnreachableKind::Timeout;
    }
    if causes(cause).any(|fault| fault.is::<rustls::Error>()) {
        return UnreachableKind::Tls;
    }
    let refused = |fault: Cause<'_>| fault.downcast_ref::<io::Error>().is_some_and(|fault| fault.kind() == io::ErrorKind::ConnectionRefused);
    match (causes(cause).any(refused), cause.is_connect()) {
        (true, _) => UnreachableKind::Refused,
        (false, true) => UnreachableKind::Connect,
        (false, false) => UnreachableKind::Broken,
    }
}

type Cause<'a> = &'a (dyn Error + 'static);

/// All causes of an error. I/O errors wrap others, and themselves, in a way that their `source` skips.
fn causes(cause: &reqwest::Error) -> impl Iterator<Item = Cause<'_>> {
    std::iter::successors(cause.source(), |fault| inner(*fault))
}

fn inner(fault: Cause<'_>) -> Option<Cause<'_>> {
    match fault.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => fault.source(),
    }
}

/// The value of a `Cookie` header, which must not be logged.
pub(crate) fn cookie_header(cookies: &[String]) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&cookies.join("; ")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The value of a `Cookie` header.
pub(crate) type CookieHeader = HeaderValue;

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<String, String> {
        parse_url(text).map(|url| url.to_string()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn only_a_url_without_a_path_gets_the_usual_one() {
        assert_eq!(url("https://cloud.example").unwrap(), "https://cloud.example/client/api");
        assert_eq!(url("http://cloud.example:8080/").unwrap(), "http://cloud.example:8080/client/api");
        assert_eq!(url("https://cloud.example/compute").unwrap(), "https://cloud.example/compute");
    }

    #[test]
    fn a_url_that_cannot_be_is_refused_without_showing_secrets() {
        for text in ["cloud.example", "ftp://cloud.example", "https://ada:SECRET@cloud.example/", "https://cloud.example/api?apikey=SECRET", "ada:SECRET@x"] {
            let fault = url(text).unwrap_err();
            assert!(!fault.contains("SECRET"), "{fault}");
        }
    }
}
