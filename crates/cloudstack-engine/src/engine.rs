//! The engine's face: what a surface can ask of it.

use std::sync::Arc;

use cloudstack_api::{catalog::Catalog, clock::Clock};
use serde_json::Value;

use crate::{
    answer::{Answer, Diagnosis, Found, Outcome},
    config::{Config, ProfileSummary},
    plan::Plan,
    receipt::Receipt,
    report::{Report, ReportKind},
    request::{DescribeRequest, FindRequest, JobRequest, RunRequest, SearchRequest},
    watch::Watch,
};

/// The one door. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Engine {
    core: Arc<Core>,
}

struct Core {
    config: Config,
    clock: Arc<dyn Clock>,
    catalog: Arc<Catalog>,
}

impl Engine {
    /// An engine for a configuration. Opens no connection and no file but the audit's.
    ///
    /// # Errors
    ///
    /// A report of kind `config` with all that is wrong with the configuration.
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Result<Self, Report> {
        let release = config.release.unwrap_or(cloudstack_api::catalog::Release::NEWEST);
        Ok(Self { core: Arc::new(Core { config, clock, catalog: Arc::new(Catalog::embedded(release)) }) })
    }

    /// The profiles in the order of the configuration; no secrets.
    #[must_use]
    pub fn profiles(&self) -> Vec<ProfileSummary> {
        let _ = (&self.core.config, &self.core.clock);
        Vec::new()
    }

    /// The commands of the release that is configured, or was last seen at the profile's server. No network.
    ///
    /// # Errors
    ///
    /// A report of kind `usage` if there is no such profile.
    pub fn catalog(&self, profile: Option<&str>) -> Result<Arc<Catalog>, Report> {
        let _ = profile;
        Ok(Arc::clone(&self.core.catalog))
    }

    /// Ranks commands by words. No network.
    ///
    /// # Errors
    ///
    /// A report of kind `usage` if there is no such profile or family.
    pub fn search(&self, request: &SearchRequest) -> Result<Found, Report> {
        let _ = request;
        Err(not_built())
    }

    /// Tells what a command does and what it takes. No network.
    ///
    /// # Errors
    ///
    /// A report of kind `usage` if there is no such profile or command, with the nearest names.
    pub fn describe(&self, request: &DescribeRequest) -> Result<Value, Report> {
        let _ = request;
        Err(not_built())
    }

    /// Runs a command: the door. Dropping the future stops waiting, not what the cloud is doing.
    ///
    /// # Errors
    ///
    /// A report: every kind is possible.
    pub async fn run(&self, request: RunRequest, watch: &dyn Watch) -> Result<Outcome, Report> {
        let _ = (request, watch);
        Err(not_built())
    }

    /// Previews a command: nothing is sent that changes anything.
    ///
    /// # Errors
    ///
    /// As for [`Self::run`], as far as it would come before sending.
    pub async fn plan(&self, request: RunRequest) -> Result<Plan, Report> {
        let _ = request;
        Err(not_built())
    }

    /// Tells the state of a job, or waits for its end, or lists the unfinished ones.
    ///
    /// # Errors
    ///
    /// A report; a failed job is one of kind `refused`.
    pub async fn job(&self, request: JobRequest, watch: &dyn Watch) -> Result<Answer, Report> {
        let _ = (request, watch);
        Err(not_built())
    }

    /// Finds objects of many kinds by name, address or id.
    ///
    /// # Errors
    ///
    /// A report; kinds that the role may not list are named in `notes` instead.
    pub async fn find(&self, request: FindRequest, watch: &dyn Watch) -> Result<Answer, Report> {
        let _ = (request, watch);
        Err(not_built())
    }

    /// Tells as whom and where calls of a profile are made.
    ///
    /// # Errors
    ///
    /// A report if the server does not let us in.
    pub async fn whoami(&self, profile: Option<&str>) -> Result<Receipt, Report> {
        let _ = profile;
        Err(not_built())
    }

    /// Checks a profile from its settings to its role, in order.
    ///
    /// # Errors
    ///
    /// A report of kind `usage` if there is no such profile; all else is in the diagnosis.
    pub async fn doctor(&self, profile: Option<&str>) -> Result<Diagnosis, Report> {
        let _ = profile;
        Err(not_built())
    }
}

fn not_built() -> Report {
    Report::new(ReportKind::Internal, "not built yet")
}
