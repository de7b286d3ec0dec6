//! The embedded cloud as a server on the loopback: what calls go to where no profile is configured.

use std::{net::SocketAddr, sync::Arc};

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
}

/// Starts one at an address; it lives until `stop`.
///
/// # Errors
///
/// A report of kind `config` if the address cannot be had.
pub(crate) async fn start(settings: &EmbeddedCloud, release: Option<Release>, place: Place) -> Result<Embedded, Report> {
    let release = release.unwrap_or(Release::NEWEST);
    let fault = |fault: std::io::Error| Report::new(ReportKind::Config, format!("the embedded cloud cannot listen at `{}`: {fault}", place.address));
    let listener = TcpListener::bind(place.address).await.map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    let mut options = WorldOptions { release, seed: settings.seed, vms: settings.vms, ..WorldOptions::default() };
    options.tuning.speed = match settings.speed {
        Speed::Normal => JobSpeed::Normal,
        Speed::Instant => JobSpeed::Instant,
    };
    let cloud = Cloud::new(options, Arc::new(Catalog::embedded(release)), place.clock);
    let identities = cloud.identities();
    let (served, gate, stop) = (cloud.clone(), place.gate, place.stop);
    tokio::spawn(async move {
        if let Err(fault) = cloudstack_sim::serve_with(served, listener, gate, stop).await {
            tracing::error!(%fault, "the embedded cloud ended");
        }
    });
    Ok(Embedded { url: format!("http://{address}/client/api"), identities, cloud })
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
