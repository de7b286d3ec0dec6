//! What every verb is given: the settings, the screen, and an engine once it asks for one.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use cloudstack_api::clock::Clock;
use cloudstack_engine::{Caller, Config, Credentials, Engine, Profile, Report, ReportKind, SystemClock};
use cloudstack_sim::Gate;
use serde_json::{Map, Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::consent::Consents;
use crate::{
    embedded::{self, Kept, Place},
    render::Screen,
    settings::{Entry, Origin, Settings},
};

/// A port that nothing listens at, for engines that are asked nothing that needs a server.
const NOWHERE: &str = "http://127.0.0.1:9/client/api";

/// What every verb is given.
pub(super) struct Context {
    /// Everything that is set.
    pub(super) settings: Settings,
    /// Where results go.
    pub(super) screen: Screen,
    /// The time.
    pub(super) clock: Arc<dyn Clock>,
    /// Ends what runs beside the verb.
    pub(super) stop: CancellationToken,
    _guard: DropGuard,
}

impl Context {
    /// The context of a run of the program.
    pub(super) fn new(settings: Settings) -> Self {
        let screen = Screen::new(&settings);
        for warning in &settings.warnings {
            screen.warning(warning);
        }
        let stop = CancellationToken::new();
        Self { screen, settings, clock: Arc::new(SystemClock::default()), _guard: stop.clone().drop_guard(), stop }
    }

    /// An engine for the profile in use.
    pub(super) async fn engine(&self) -> Result<Engine, Report> {
        self.engine_for(vec![self.settings.selected()?]).await
    }

    /// An engine for the profile in use whose plans can be approved by a later process.
    pub(super) async fn engine_of_steps(&self) -> Result<Engine, Report> {
        let entry = self.settings.selected()?;
        let mut config = self.config(std::slice::from_ref(&entry)).await?;
        // The embedded cloud ends with this process, and with it whatever a later one could approve.
        if config.approval.key.is_none() && entry.origin != Origin::Embedded {
            config.approval.key = Some(self.consents()?.key()?);
        }
        Engine::new(config, Arc::clone(&self.clock))
    }

    /// An engine for these profiles, the first of them the default; starts the embedded cloud if it is among them.
    pub(super) async fn engine_for(&self, entries: Vec<Entry>) -> Result<Engine, Report> {
        Engine::new(self.config(&entries).await?, Arc::clone(&self.clock))
    }

    async fn config(&self, entries: &[Entry]) -> Result<Config, Report> {
        let mut profiles = Vec::new();
        for entry in entries {
            self.settings.exposures(entry).iter().for_each(|warning| self.screen.warning(warning));
            profiles.push(self.profile(entry).await?);
        }
        self.settings.engine_config(profiles)
    }

    /// An engine that only knows the catalog: no secret is fetched and no cloud started.
    pub(super) fn catalog_engine(&self) -> Result<Engine, Report> {
        let entry = self.settings.selected().unwrap_or_else(|_| Entry::embedded());
        let mut profile = Profile::new(entry.name.clone(), entry.table.url.clone().unwrap_or_else(|| NOWHERE.to_owned()), Credentials::None);
        profile.embedded = entry.origin == Origin::Embedded;
        let mut config = self.settings.engine_config(vec![profile])?;
        config.audit_file = None;
        Engine::new(config, Arc::clone(&self.clock))
    }

    /// Marks an approval as used, and refuses one that was used before.
    pub(super) fn claim(&self, seal: &str) -> Result<(), Report> {
        self.consents()?.claim(seal, self.settings.approvals.ttl_seconds)
    }

    fn consents(&self) -> Result<Consents, Report> {
        let state = self.settings.environment.state_folder();
        let state = state.ok_or_else(|| Report::new(ReportKind::Config, "there is no folder to keep approvals in").hint("set HOME or XDG_STATE_HOME"))?;
        Ok(Consents::new(&state))
    }

    /// Who asks at the command line.
    pub(super) fn caller(&self) -> Caller {
        Caller { read_only: self.settings.general.read_only, ..Caller::new("cli", "cli") }
    }

    /// What stands for a receipt where no call is made: which profile is in use.
    pub(super) fn receipt(&self) -> Value {
        match self.settings.selected() {
            Ok(entry) => {
                let cloud = if entry.origin == Origin::Embedded { "embedded" } else { "remote" };
                let mut receipt = Map::new();
                receipt.insert("profile".to_owned(), entry.name.into());
                receipt.extend(entry.table.url.map(|url| ("endpoint".to_owned(), url.into())));
                receipt.insert("cloud".to_owned(), cloud.into());
                Value::Object(receipt)
            }
            Err(_) => json!({"profile": null}),
        }
    }

    async fn profile(&self, entry: &Entry) -> Result<Profile, Report> {
        if entry.origin == Origin::Embedded {
            let place = Place {
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                clock: Arc::clone(&self.clock),
                stop: self.stop.clone(),
                gate: Gate::Closed,
                release: self.settings.general.release,
                kept: Kept::default(),
            };
            return embedded::start(&self.settings.embedded, place).await?.profile(&self.settings.embedded.identity);
        }
        self.settings.profile(entry)
    }
}
