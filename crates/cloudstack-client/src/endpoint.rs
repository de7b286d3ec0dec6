//! Where a server is and how to talk to it.

use std::{path::PathBuf, time::Duration};

use cloudstack_api::wire::Digest;

/// How long a signature stays valid. Servers that enforce it take 15 minutes at most (wire facts §1.3).
const EXPIRES: Duration = Duration::from_secs(600);
const CONNECT: Duration = Duration::from_secs(10);
const READ: Duration = Duration::from_secs(60);
/// Half of the writes answer only when they are done, which takes minutes for some (wire facts §2.5).
const WRITE: Duration = Duration::from_secs(300);

/// Where a server is and how to talk to it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The whole URL, such as `https://cloud.example/client/api`. A URL without a path gets `/client/api`; one with a
    /// path is taken as given, since providers mount the API where they like.
    pub url: String,
    /// Whether arguments travel in a body or in the URL.
    pub http_method: HttpMethod,
    /// The digest inside signatures.
    pub digest: DigestChoice,
    /// How long a signature stays valid; `None` for signatures that never expire, as very old servers need.
    pub expires: Option<Duration>,
    /// Whether the server's certificate is verified. Without, anybody in between can read and change everything.
    pub verify_tls: bool,
    /// A file of PEM certificates to trust besides those of the platform.
    pub ca_file: Option<PathBuf>,
    /// The proxy to go through, such as `http://proxy.example:3128`. The environment is not asked.
    pub proxy: Option<String>,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// The most calls a second that we send; `None` for no limit of our own.
    pub rate: Option<f64>,
}

impl Endpoint {
    /// The endpoint at a URL with the defaults: POST, SHA-1, ten minutes, verified TLS, no proxy, no limit.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            http_method: HttpMethod::Post,
            digest: DigestChoice::Sha1,
            expires: Some(EXPIRES),
            verify_tls: true,
            ca_file: None,
            proxy: None,
            timeouts: Timeouts::default(),
            rate: None,
        }
    }
}

/// Whether arguments travel in a body or in the URL (wire facts §1.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpMethod {
    /// In a body, always: no length limits to speak of, no secrets in access logs.
    #[default]
    Post,
    /// In the URL, always but for the login; for gateways that let nothing else pass.
    Get,
    /// In the URL for short reads without secrets, in a body otherwise.
    Auto,
}

/// Which digest signs (wire facts §1.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DigestChoice {
    /// HMAC-SHA1, all that 4.20 to 4.22 take.
    #[default]
    Sha1,
    /// HMAC-SHA512, for servers that no longer take the older one.
    Sha512,
    /// Whichever the server takes, learned from the first answer: a 401 shows that nothing was run.
    Auto,
}

impl DigestChoice {
    /// The digest to use before anything was learned, and whether it is settled.
    pub(crate) fn first(self) -> (Digest, bool) {
        match self {
            Self::Sha1 => (Digest::Sha1, true),
            Self::Sha512 => (Digest::Sha512, true),
            Self::Auto => (Digest::Sha1, false),
        }
    }
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, name look-up and TLS included.
    pub connect: Duration,
    /// For the whole answer to a call that changes nothing.
    pub read: Duration,
    /// For the whole answer to any other call.
    pub write: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: CONNECT, read: READ, write: WRITE }
    }
}
