//! The engine's face: what a surface can ask of it.

use std::{collections::BTreeSet, sync::Arc};

use cloudstack_api::{catalog::Catalog, clock::Clock, search::Filter};
use serde_json::Value;

use crate::{
    answer::{Answer, Diagnosis, Found, FoundCommand, Outcome},
    caller::Caller,
    config::{Config, Credentials, ProfileSummary},
    core::Core,
    description, doctor, door, explain, finding, jobs,
    plan::Plan,
    receipt::Receipt,
    report::{Report, ReportKind},
    request::{DescribeRequest, FindRequest, JobRequest, RunRequest, SearchRequest},
    visit::Visit,
    watch::Watch,
};

/// How many commands a search gives unless told.
const SEARCH_GIVEN: usize = 10;
/// How many commands a search ranks.
const SEARCH_RANKED_MAX: usize = 1_000;

/// The one door. Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct Engine {
    core: Arc<Core>,
}

impl Engine {
    /// An engine for a configuration. Opens no connection and no file but the audit's.
    ///
    /// # Errors
    ///
    /// A report of kind `config` with all that is wrong with the configuration.
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Result<Self, Report> {
        Core::new(config, clock).map(|core| Self { core: Arc::new(core) })
    }

    /// The profiles in the order of the configuration; no secrets.
    #[must_use]
    pub fn profiles(&self) -> Vec<ProfileSummary> {
        let config = &self.core.config;
        let summary = |profile: &crate::config::Profile| ProfileSummary {
            name: profile.name.clone(),
            url: explain::shown_url(&profile.url),
            embedded: profile.embedded,
            is_default: profile.name == config.default_profile,
            authentication: match profile.credentials {
                Credentials::Keys { .. } => "keys",
                Credentials::Password { .. } => "password",
                Credentials::None => "none",
            },
        };
        config.profiles.iter().map(summary).collect()
    }

    /// The commands of the release that is configured, or was last seen at the profile's server. No network.
    ///
    /// # Errors
    ///
    /// A report of kind `usage` if there is no such profile.
    pub fn catalog(&self, profile: Option<&str>) -> Result<Arc<Catalog>, Report> {
        let line = self.core.connection(profile)?;
        Ok(Arc::clone(&self.core.view(line).catalog))
    }

    /// The commands that the server lets this profile call. Asked for once, then kept.
    ///
    /// # Errors
    ///
    /// A report if the server does not tell.
    pub async fn allowed(&self, profile: Option<&str>) -> Result<Arc<BTreeSet<String>>, Report> {
        self.core.connection(profile)?.allowed().await
    }

    /// Ranks commands by words. No network.
    ///
    /// # Errors
    ///
    /// A report of kind `usage` if there is no such profile or family.
    pub fn search(&self, request: &SearchRequest) -> Result<Found, Report> {
        let line = self.core.connection(request.profile.as_deref())?;
        let view = request.release.map_or_else(|| self.core.view(line), |release| self.core.view_of(release));
        if let Some(family) = &request.family {
            let names: Vec<String> = view.catalog.families().into_iter().map(|family| family.name).collect();
            if !names.contains(family) {
                let report = Report::new(ReportKind::Usage, format!("there is no family `{family}`"));
                return Err(match cloudstack_api::call::closest(family, names.iter().map(String::as_str)) {
                    Some(near) => report.hint(format!("did you mean `{near}`?")),
                    None => report.hint(format!("families are: {}", names.join(", "))),
                });
            }
        }
        let filter = Filter { family: request.family.clone(), risk_max: request.risk_max, role: request.role };
        let hits = view.index().search(&request.query, &filter, SEARCH_RANKED_MAX);
        let total = hits.len();
        let hint = finding::hint(&request.query, hits.iter().map(|hit| hit.command.as_str()));
        let found = |hit: cloudstack_api::search::Hit| {
            let command = view.catalog.command(&hit.command)?;
            Some(FoundCommand {
                title: view.catalog.words(&command).title,
                risk: command.risk,
                score: hit.score,
                family: command.family.clone(),
                matched: hit.matched,
                needs: command.parameters.iter().filter(|parameter| parameter.required).map(|parameter| parameter.name.clone()).collect(),
                command: hit.command,
            })
        };
        Ok(Found { items: hits.into_iter().take(request.limit.unwrap_or(SEARCH_GIVEN)).filter_map(found).collect(), total, hint })
    }

    /// Tells what a command does and what it takes. No network.
    ///
    /// # Errors
    ///
    /// A report of kind `usage` if there is no such profile or command, with the nearest names.
    pub fn describe(&self, request: &DescribeRequest) -> Result<Value, Report> {
        let view = self.core.view(self.core.connection(request.profile.as_deref())?);
        let command = door::find_command(&self.core, &view, &request.command)?;
        Ok(description::describe(&view.catalog, &command, request.details))
    }

    /// Runs a command: the door. Dropping the future stops waiting, not what the cloud is doing.
    ///
    /// # Errors
    ///
    /// A report: every kind is possible.
    pub async fn run(&self, request: RunRequest, watch: &dyn Watch) -> Result<Outcome, Report> {
        door::run(&self.core, request, watch).await
    }

    /// Previews a command: nothing is sent that changes anything.
    ///
    /// # Errors
    ///
    /// As for [`Self::run`], as far as it would come before sending.
    pub async fn plan(&self, request: RunRequest) -> Result<Plan, Report> {
        door::plan(&self.core, request).await
    }

    /// Tells the state of a job, or waits for its end, or lists the unfinished ones.
    ///
    /// # Errors
    ///
    /// A report; a failed job is one of kind `refused`.
    pub async fn job(&self, request: JobRequest, watch: &dyn Watch) -> Result<Answer, Report> {
        jobs::job(&self.core, request, watch).await
    }

    /// Finds objects of many kinds by name, address or id.
    ///
    /// # Errors
    ///
    /// A report; kinds that the role may not list are named in `notes` instead.
    pub async fn find(&self, request: FindRequest, watch: &dyn Watch) -> Result<Answer, Report> {
        finding::find(&self.core, request, watch).await
    }

    /// Tells as whom and where calls of a profile are made.
    ///
    /// # Errors
    ///
    /// A report if the server does not let us in.
    pub async fn whoami(&self, profile: Option<&str>) -> Result<Receipt, Report> {
        let line = self.core.connection(profile)?;
        let caller = Caller::new("whoami", "whoami");
        let visit = Visit::new(&self.core, line, &caller);
        match line.identity().await {
            Ok(_) => Ok(visit.receipt(None)),
            Err(report) => Err(report.with_receipt(visit.receipt(None))),
        }
    }

    /// Checks a profile from its settings to its role, in order.
    ///
    /// # Errors
    ///
    /// A report of kind `usage` if there is no such profile; all else is in the diagnosis.
    pub async fn doctor(&self, profile: Option<&str>) -> Result<Diagnosis, Report> {
        doctor::doctor(&self.core, profile).await
    }
}
