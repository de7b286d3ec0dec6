//! What all requests share: settings, connections, catalogs, seals, secrets, the audit.

use std::{collections::BTreeSet, sync::Arc};

use cloudstack_api::{call::closest, catalog::Release, clock::Clock};

use crate::{
    audit::Audit,
    config::Config,
    connection::Connection,
    label::Labels,
    redact::Secrets,
    report::{Report, ReportKind},
    seal::Sealer,
    views::{View, Views},
};

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) secrets: Secrets,
    pub(crate) labels: Labels,
    pub(crate) sealer: Sealer,
    pub(crate) audit: Audit,
    views: Arc<Views>,
    lines: Vec<Arc<Connection>>,
}

impl Core {
    pub(crate) fn new(config: Config, clock: Arc<dyn Clock>) -> Result<Self, Report> {
        let faults = faults(&config);
        if !faults.is_empty() {
            return Err(Report::new(ReportKind::Config, faults.join("; ")).fact("faults", faults));
        }
        let views = Arc::new(Views::default());
        let line = |profile: &crate::config::Profile| Arc::new(Connection::new(profile.clone(), Arc::clone(&clock), Arc::clone(&views)));
        Ok(Self {
            lines: config.profiles.iter().map(line).collect(),
            secrets: Secrets::new(config.secrets_dir.clone()),
            labels: Labels::new(),
            sealer: Sealer::new(config.approval.key),
            audit: Audit::open(config.audit_file.as_deref())?,
            views,
            config,
            clock,
        })
    }

    /// The connection of a profile, or of the default one.
    pub(crate) fn connection(&self, profile: Option<&str>) -> Result<&Arc<Connection>, Report> {
        let name = profile.unwrap_or(&self.config.default_profile);
        self.lines.iter().find(|line| line.profile.name == name).ok_or_else(|| {
            let names = || self.lines.iter().map(|line| line.profile.name.as_str());
            let report = Report::new(ReportKind::Usage, format!("there is no profile `{name}`"));
            match closest(name, names()) {
                Some(near) => report.hint(format!("did you mean `{near}`?")),
                None => report.hint(format!("there is {}", names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))),
            }
        })
    }

    /// The catalog for a connection: of the release that is forced, was seen, or is newest.
    pub(crate) fn view(&self, line: &Connection) -> Arc<View> {
        self.views.view(self.config.release.or_else(|| line.seen_release()).unwrap_or(Release::NEWEST))
    }

    /// The catalog of another release.
    pub(crate) fn view_of(&self, release: Release) -> Arc<View> {
        self.views.view(release)
    }
}

/// All that is wrong with a configuration.
fn faults(config: &Config) -> Vec<String> {
    let mut faults = config.policy.faults();
    let mut names = BTreeSet::new();
    for profile in &config.profiles {
        if !names.insert(profile.name.as_str()) {
            faults.push(format!("there are two profiles `{}`", profile.name));
        }
    }
    if !names.contains(config.default_profile.as_str()) {
        faults.push(format!("the default profile `{}` is not among the profiles", config.default_profile));
    }
    faults
}
