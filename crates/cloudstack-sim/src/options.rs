//! How an embedded cloud is asked for.

use cloudstack_api::catalog::Release;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// What drives the time of a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeMode {
    /// The clock that the cloud is given: work takes a second or two, as people expect.
    #[default]
    Auto,
    /// Nothing but [`crate::Cloud::advance`]: jobs stay pending until a test moves time.
    Explicit,
}

/// How long the cloud's work takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobSpeed {
    /// A deployment takes two seconds, starting and stopping one, the rest less.
    #[default]
    Normal,
    /// Jobs are done by the first poll.
    Instant,
}

/// Which commands the cloud answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plugins {
    /// Every command of the catalog.
    #[default]
    All,
    /// What a new installation has loaded; the rest is unknown to it.
    Loaded,
}

/// What a world starts with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scene {
    /// Accounts, networks and machines to try things with.
    #[default]
    Furnished,
    /// What a server has right after its first zone was set up, with the names that recordings use.
    Bare,
}

/// Numbers that a real server keeps in its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tuning {
    /// How long work takes.
    pub speed: JobSpeed,
    /// The most rows of a page.
    pub page_size_max: usize,
    /// How long destroyed machines can be recovered, in seconds.
    pub expunge_delay_seconds: u64,
    /// How long jobs can be asked for, in seconds.
    pub job_expiry_seconds: u64,
    /// How long a session lives without a call, in seconds.
    pub session_timeout_seconds: u64,
    /// Whether limits of accounts are held.
    pub limits: bool,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            speed: JobSpeed::Normal,
            page_size_max: 500,
            expunge_delay_seconds: 86_400,
            job_expiry_seconds: 86_400,
            session_timeout_seconds: 1_800,
            limits: true,
        }
    }
}

/// A world to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorldOptions {
    /// The release that the cloud says it is.
    #[serde(serialize_with = "write_release", deserialize_with = "read_release")]
    pub release: Release,
    /// Where ids, keys and everything else made-up come from: the same seed makes the same world.
    pub seed: u64,
    /// How many machines there are beside the few with names.
    pub vms: usize,
    /// What drives its time.
    pub clock: TimeMode,
    /// Which commands it answers.
    pub plugins: Plugins,
    /// What it starts with.
    pub scene: Scene,
    /// Global settings that differ from a new installation's. They also load the commands that they turn on.
    #[serde(skip)]
    pub settings: &'static [(&'static str, &'static str)],
    /// Numbers that a real server keeps in its settings.
    pub tuning: Tuning,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            release: Release::NEWEST,
            seed: 1,
            vms: 0,
            clock: TimeMode::Auto,
            plugins: Plugins::All,
            scene: Scene::Furnished,
            settings: &[],
            tuning: Tuning::default(),
        }
    }
}

fn write_release<S: Serializer>(release: &Release, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(release)
}

fn read_release<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Release, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

impl JobSpeed {
    /// The word for it in settings.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Instant => "instant",
        }
    }
}

impl WorldOptions {
    /// The value of a global setting, if it differs from a new installation's.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&'static str> {
        self.settings.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// The version that servers of the release report, with all four numbers.
    #[must_use]
    pub fn version(&self) -> String {
        let text = self.release.to_string();
        match (text.as_str(), text.split('.').count()) {
            ("4.20", _) => "4.20.3.0".to_owned(),
            ("4.22", _) => "4.22.1.0".to_owned(),
            (_, 2) => format!("{text}.0.0"),
            _ => format!("{text}.0"),
        }
    }
}
