//! One profile at work: its client, made when first needed, and what has been learned about the server and about us.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use cloudstack_api::{
    call::{Call, check},
    catalog::{Catalog, Release},
    clock::Clock,
    reply::Body,
};
use cloudstack_client::{Client, Endpoint, Error, ListLimits};
use serde_json::{Map, Value};

use crate::{
    config::{Credentials, Profile},
    explain,
    identity::Identity,
    report::{Report, ReportKind},
    views::Views,
};

/// What the server can do and which release it is.
const CAPABILITIES: &str = "listCapabilities";
/// Who we are.
const USERS: &str = "listUsers";
/// What we may call.
const APIS: &str = "listApis";

/// How long what was learned about ourselves is believed: roles change rarely.
const IDENTITY_LIFE: Duration = Duration::from_secs(600);
/// How many users of our own account are looked through for ourselves.
const USERS_MAX: usize = 500;
/// CloudStack's code for "not for your role".
const ROLE_REFUSED: u16 = 432;

/// One profile at work.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) profile: Profile,
    client: OnceLock<Client>,
    clock: Arc<dyn Clock>,
    views: Arc<Views>,
    identity: Mutex<Option<(Duration, Arc<Identity>)>>,
    /// Held while the identity is asked for, so that many calls at once ask once.
    asking: tokio::sync::Mutex<()>,
    allowed: Mutex<Option<Arc<BTreeSet<String>>>>,
}

impl Connection {
    pub(crate) fn new(profile: Profile, clock: Arc<dyn Clock>, views: Arc<Views>) -> Self {
        let asking = tokio::sync::Mutex::new(());
        Self { profile, client: OnceLock::new(), clock, views, identity: Mutex::new(None), asking, allowed: Mutex::new(None) }
    }

    /// The way to the server. Reads certificates from disk the first time.
    pub(crate) fn client(&self) -> Result<&Client, Report> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let profile = &self.profile;
        let mut endpoint = Endpoint::new(profile.url.clone());
        endpoint.http_method = profile.http_method;
        endpoint.digest = profile.digest;
        endpoint.verify_tls = profile.verify_tls;
        endpoint.ca_file.clone_from(&profile.ca_file);
        endpoint.proxy.clone_from(&profile.proxy);
        endpoint.timeouts = profile.timeouts;
        endpoint.rate = profile.rate;
        let client = Client::new(&endpoint, profile.credentials.clone(), Arc::clone(&self.clock)).map_err(|error| explain::report(&error, None))?;
        Ok(self.client.get_or_init(|| client))
    }

    /// The URL without user, query or fragment.
    pub(crate) fn shown_url(&self) -> String {
        match self.client() {
            Ok(client) => client.url().to_owned(),
            Err(_) => explain::shown_url(&self.profile.url),
        }
    }

    /// What has been learned about ourselves, if anything.
    pub(crate) fn known_identity(&self) -> Option<Arc<Identity>> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, identity)| Arc::clone(identity))
    }

    /// The release that the server stated.
    pub(crate) fn seen_release(&self) -> Option<Release> {
        self.known_identity()?.release.as_deref()?.parse().ok()
    }

    /// Who we are; asked for when it is not known or known for long.
    ///
    /// # Errors
    ///
    /// A report if the server does not let us in or cannot be reached. What our role may not ask is tolerated.
    pub(crate) async fn identity(&self) -> Result<Arc<Identity>, Report> {
        if let Some(identity) = self.fresh_identity() {
            return Ok(identity);
        }
        let _asking = self.asking.lock().await;
        if let Some(identity) = self.fresh_identity() {
            return Ok(identity);
        }
        let identity = Arc::new(self.learn_identity().await?);
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = Some((self.clock.elapsed(), Arc::clone(&identity)));
        Ok(identity)
    }

    /// What has been learned does not hold any more.
    pub(crate) fn forget(&self) {
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.allowed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The commands that the server lets us call, if it was asked before.
    pub(crate) fn known_allowed(&self) -> Option<Arc<BTreeSet<String>>> {
        self.allowed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The commands that the server lets us call; asked for once.
    pub(crate) async fn allowed(&self) -> Result<Arc<BTreeSet<String>>, Report> {
        if let Some(allowed) = self.known_allowed() {
            return Ok(allowed);
        }
        let call = self.own_call(APIS, &[])?;
        let reply = self.client()?.send(&call).await.map_err(|error| explain::report(&error, Some(call.command())))?;
        let Body::List { items, .. } = reply.body else { return Err(Report::new(ReportKind::Refused, "the server does not say what may be called")) };
        let names = items.iter().filter_map(|item| item.get("name").and_then(Value::as_str)).map(str::to_owned);
        let allowed = Arc::new(names.collect::<BTreeSet<_>>());
        *self.allowed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&allowed));
        Ok(allowed)
    }

    /// A call of our own making, in the newest catalog's spelling: what we call ourselves is the same in every release.
    fn own_call(&self, command: &str, arguments: &[(&str, &str)]) -> Result<Call, Report> {
        made_call(&self.views.view(Release::NEWEST).catalog, command, arguments)
            .ok_or_else(|| Report::new(ReportKind::Internal, format!("the catalog lacks `{command}`, which every server has")))
    }

    fn fresh_identity(&self) -> Option<Arc<Identity>> {
        let known = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, identity) = known.as_ref()?;
        (self.clock.elapsed().saturating_sub(*since) < IDENTITY_LIFE).then(|| Arc::clone(identity))
    }

    async fn learn_identity(&self) -> Result<Identity, Report> {
        let client = self.client()?;
        let capabilities = self.own_call(CAPABILITIES, &[])?;
        let users = match &self.profile.credentials {
            Credentials::Password { username, .. } => self.own_call(USERS, &[("username", username)])?,
            Credentials::Keys { .. } | Credentials::None => self.own_call(USERS, &[])?,
        };
        let limits = ListLimits { items_max: USERS_MAX, ..ListLimits::default() };
        let (capabilities, users) = futures_util::future::join(client.send(&capabilities), client.list(&users, &limits)).await;
        let mut identity = Identity::default();
        match capabilities {
            Ok(reply) => identity.read_capabilities(&reply.body),
            Err(error) if is_role_refusal(&error) => {}
            Err(error) => return Err(explain::report(&error, None)),
        }
        if let Ok(listing) = users {
            let key = match &self.profile.credentials {
                Credentials::Keys { api_key, .. } => Some(api_key.as_str()),
                Credentials::Password { .. } | Credentials::None => None,
            };
            identity.read_users(&listing.items, key);
        }
        Ok(identity)
    }
}

/// A call with arguments that are ids or plain values; `None` if the catalog does not have it like that.
pub(crate) fn made_call(catalog: &Catalog, command: &str, arguments: &[(&str, &str)]) -> Option<Call> {
    let command = catalog.command(command)?;
    let arguments: Map<String, Value> = arguments.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
    let draft = check(catalog, &command, &arguments).ok()?;
    draft.unresolved().is_empty().then(|| draft.resolve(&[]))
}

fn is_role_refusal(error: &Error) -> bool {
    matches!(error, Error::Refused(fault) if fault.code == ROLE_REFUSED)
}
