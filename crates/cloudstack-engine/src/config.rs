//! How the engine is set up. Read by nobody but the program's rim, which fills it in from its settings.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use cloudstack_api::catalog::Release;
pub use cloudstack_client::{Credentials, DigestChoice, HttpMethod, SecretString, Timeouts};

use crate::policy::Policy;

/// How long an approval can be given, unless told.
const APPROVAL_TTL: Duration = Duration::from_secs(300);
/// How long a run waits for a job unless told; below the 60 s after which common clients give up.
const WAIT: Duration = Duration::from_secs(50);
/// The most rows that a list brings unless told.
const ITEMS_MAX: usize = 5_000;

/// How the engine is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The profiles; names are unique.
    pub profiles: Vec<Profile>,
    /// The name of the profile for requests that name none.
    pub default_profile: String,
    /// What the operator allows.
    pub policy: Policy,
    /// How approvals are asked for.
    pub approval: ApprovalSettings,
    /// The file of the audit; `None` for none.
    pub audit_file: Option<PathBuf>,
    /// Where secrets out of results are written for the person, each to a file that only its owner can read; `None`: nowhere.
    pub secrets_dir: Option<PathBuf>,
    /// The release to assume; `None` to learn it from the server.
    pub release: Option<Release>,
    /// How much of everything.
    pub limits: Limits,
}

impl Config {
    /// A configuration with one profile and the defaults: no audit file, secrets nowhere, defaults by risk.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        Self {
            default_profile: profile.name.clone(),
            profiles: vec![profile],
            policy: Policy::default(),
            approval: ApprovalSettings::default(),
            audit_file: None,
            secrets_dir: None,
            release: None,
            limits: Limits::default(),
        }
    }
}

/// Where and as whom.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The URL of the API.
    pub url: String,
    /// Whether that is the embedded cloud.
    pub embedded: bool,
    /// As whom.
    pub credentials: Credentials,
    /// Whether the server's certificate is verified.
    pub verify_tls: bool,
    /// A file of PEM certificates to trust besides those of the platform.
    pub ca_file: Option<PathBuf>,
    /// The proxy to go through.
    pub proxy: Option<String>,
    /// Whether arguments travel in a body or in the URL.
    pub http_method: HttpMethod,
    /// The digest inside signatures.
    pub digest: DigestChoice,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// The most calls a second that we send.
    pub rate: Option<f64>,
    /// Arguments for commands that take them, where the caller gives none: `zoneid`, `projectid`. Names may stand for ids.
    pub defaults: BTreeMap<String, String>,
}

impl Profile {
    /// A profile with the defaults: POST, SHA-1, verified TLS, no defaults for arguments.
    pub fn new(name: impl Into<String>, url: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            embedded: false,
            credentials,
            verify_tls: true,
            ca_file: None,
            proxy: None,
            http_method: HttpMethod::default(),
            digest: DigestChoice::default(),
            timeouts: Timeouts::default(),
            rate: None,
            defaults: BTreeMap::new(),
        }
    }
}

/// What people may see of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileSummary {
    /// Its name.
    pub name: String,
    /// The URL without user, query or fragment.
    pub url: String,
    /// Whether that is the embedded cloud.
    pub embedded: bool,
    /// Whether it is the default.
    pub is_default: bool,
    /// How it authenticates: `keys`, `password` or `none`.
    pub authentication: &'static str,
}

/// How approvals are asked for.
#[derive(Clone, Debug)]
pub struct ApprovalSettings {
    /// How long an approval can be given.
    pub ttl: Duration,
    /// Whether anybody is asked at all.
    pub mode: ApprovalMode,
    /// The key of the seals, for replicas that share their approvals; `None` for a random one of this process.
    pub key: Option<[u8; 32]>,
}

impl Default for ApprovalSettings {
    fn default() -> Self {
        Self { ttl: APPROVAL_TTL, mode: ApprovalMode::Ask, key: None }
    }
}

/// Whether anybody is asked at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApprovalMode {
    /// Calls that need an approval are asked for.
    #[default]
    Ask,
    /// Calls that need an approval are refused, since nobody is there to ask.
    Refuse,
}

/// How much of everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a run waits for a job unless told.
    pub wait: Duration,
    /// The most rows that a list brings.
    pub items_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { wait: WAIT, items_max: ITEMS_MAX }
    }
}
