//! The embedded cloud as a server on the loopback: what calls go to where no profile is configured.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use cloudstack_api::{
    catalog::{Catalog, Release},
    clock::Clock,
};
use cloudstack_engine::{Credentials, Profile, Report, ReportKind};
use cloudstack_sim::{Cloud, Gate, Identity, JobSpeed, WorldOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::settings::{EMBEDDED, EmbeddedCloud, Speed};

/// A running embedded cloud.
pub(crate) struct Embedded {
    /// The URL of its API.
    pub(crate) url: String,
    /// Who may call it, the root admin first.
    pub(crate) identities: Vec<Identity>,
    /// The cloud itself.
    pub(crate) cloud: Cloud,
    /// What its user should know of how it was found.
    pub(crate) warnings: Vec<String>,
}

/// Starts one at an address; it lives until `stop`.
///
/// # Errors
///
/// A report of kind `config` if the address cannot be had, or what is kept of the world cannot be used.
pub(crate) async fn start(settings: &EmbeddedCloud, place: Place) -> Result<Embedded, Report> {
    let fault = |fault: std::io::Error| Report::new(ReportKind::Config, format!("the embedded cloud cannot listen at `{}`: {fault}", place.address));
    let listener = TcpListener::bind(place.address).await.map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    let (cloud, warnings) = open(settings, &place)?;
    let identities = cloud.identities();
    let (served, gate, stop) = (cloud.clone(), place.gate, place.stop);
    tokio::spawn(async move {
        if let Err(fault) = cloudstack_sim::serve_with(served, listener, gate, stop).await {
            tracing::error!(%fault, "the embedded cloud ended");
        }
    });
    Ok(Embedded { url: url(address), identities, cloud, warnings })
}

/// The URL of the API at an address.
pub(crate) fn url(address: SocketAddr) -> String {
    format!("http://{address}/client/api")
}

/// Makes a cloud that nobody can reach yet, and that is kept nowhere.
///
/// # Errors
///
/// A report of kind `config` if the import cannot be used.
pub(crate) fn make(settings: &EmbeddedCloud, place: &Place) -> Result<Cloud, Report> {
    let options = options(settings, place);
    let cloud = Cloud::new(options, Arc::new(Catalog::embedded(options.release)), Arc::clone(&place.clock));
    if let Some(import) = &place.kept.import {
        cloud.replace(import).map_err(|fault| report(&fault))?;
    }
    Ok(cloud)
}

fn options(settings: &EmbeddedCloud, place: &Place) -> WorldOptions {
    let release = place.release.unwrap_or(Release::NEWEST);
    let mut options = WorldOptions { release, seed: settings.seed, vms: settings.vms, ..WorldOptions::default() };
    options.tuning.speed = match settings.speed {
        Speed::Normal => JobSpeed::Normal,
        Speed::Instant => JobSpeed::Instant,
    };
    options
}

/// The cloud, and what its user should know of how it was found.
fn open(settings: &EmbeddedCloud, place: &Place) -> Result<(Cloud, Vec<String>), Report> {
    let Some(file) = &place.kept.state else { return Ok((make(settings, place)?, Vec::new())) };
    let options = options(settings, place);
    let catalog = Arc::new(Catalog::embedded(options.release));
    let (cloud, recovery) = Cloud::keep(options, catalog, Arc::clone(&place.clock), file).map_err(|fault| report(&fault))?;
    if let Some(import) = &place.kept.import {
        cloud.replace(import).map_err(|fault| report(&fault))?;
    }
    let mut warnings = Vec::new();
    if recovery.was_torn {
        warnings.push(format!("the last line of `{}` was not whole and was dropped: it was being written, and nobody was answered", file.display()));
    }
    if let Some(copy) = &recovery.copy {
        let (differing, all, program) = (recovery.differing, recovery.replayed, &recovery.program);
        let copy = copy.display();
        warnings.push(format!("{differing} of {all} calls kept by version {program} came out differently; the file as it was is in `{copy}`"));
    }
    Ok((cloud, warnings))
}

/// What is told of an error of the embedded cloud.
pub(crate) fn report(error: &cloudstack_sim::Error) -> Report {
    use cloudstack_sim::Error;
    match error {
        Error::NotFound { .. } | Error::Invalid(_) => Report::new(ReportKind::Usage, error.to_string()),
        Error::Conflict(_) | Error::Damaged(_) => Report::new(ReportKind::Config, error.to_string()),
        Error::File { source, .. } => Report::new(ReportKind::Config, format!("{error}: {source}")),
    }
}

/// Where a cloud listens, by which clock it lives, and until when.
pub(crate) struct Place {
    /// The address; port 0 for any that is free.
    pub(crate) address: SocketAddr,
    /// Its time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Its end.
    pub(crate) stop: CancellationToken,
    /// Who may use its administrative endpoint.
    pub(crate) gate: Gate,
    /// Its release; the newest without one.
    pub(crate) release: Option<Release>,
    /// Where its world comes from and stays.
    pub(crate) kept: Kept,
}

/// Where a world comes from and stays.
#[derive(Default)]
pub(crate) struct Kept {
    /// The file that keeps it.
    pub(crate) state: Option<PathBuf>,
    /// The export that it starts from.
    pub(crate) import: Option<String>,
}

impl Embedded {
    /// The profile that leads here, as one of its identities.
    ///
    /// # Errors
    ///
    /// A report of kind `config` if there is no such identity.
    pub(crate) fn profile(&self, identity: &str) -> Result<Profile, Report> {
        let found = self.identities.iter().find(|known| known.name == identity).ok_or_else(|| {
            let names: Vec<&str> = self.identities.iter().map(|known| known.name.as_str()).collect();
            Report::new(ReportKind::Config, format!("the embedded cloud has no identity `{identity}`")).hint(format!("there are {}", names.join(", ")))
        })?;
        let credentials = Credentials::Keys { api_key: found.api_key.clone(), secret_key: found.secret_key.clone().into() };
        let mut profile = Profile::new(EMBEDDED, self.url.clone(), credentials);
        profile.embedded = true;
        Ok(profile)
    }
}
