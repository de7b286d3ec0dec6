//! The embedded cloud: a world behind a lock, and the way of a request through it.
//!
//! No HTTP here: a request and an answer are values. The front is in `http.rs`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use cloudstack_api::{
    catalog::{Build, Catalog, Command, Release, Setting},
    clock::Clock,
    wire::Pair,
};
use serde::{Deserialize, Serialize};

use crate::{
    arguments::{self, Arguments},
    auth::{self, Credentials},
    demands::{self, Held},
    error::Error,
    events, generic, gone, instance, jobs,
    json::{Json, to_xml},
    keep::{Deed, Entry, Journal, Ticket},
    late::{self, Look},
    nouns::{self, factor, password},
    options::{Plugins, Scene, TimeMode, WorldOptions},
    refusal::Refusal,
    sample,
    trouble::{ActiveTrouble, Trouble},
    turn::{Caller, Outcome, Server, Turn, WORK_SHORT, Work},
    world::{World, digest, identities, seed},
};

/// What people other than root read instead of an error from inside.
const MASKED: &str = "Internal error executing command, please contact your system administrator";

/// Members that are declared in all releases but not shown before the newest.
const SHOWN_LATER: [(&str, &str); 3] =
    [("ServiceOfferingResponse", "diskofferingid"), ("ServiceOfferingResponse", "diskofferingname"), ("ServiceOfferingResponse", "diskofferingdisplaytext")];
/// The code of refusals of a role, which never come in a command's own envelope.
const ROLE_DENIES: u16 = 432;
/// Refusals that come as bare texts, without an envelope.
const BARE_TEXTS: [&str; 2] = ["null", "Invalid token"];

/// How a request came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// In the query.
    #[default]
    Get,
    /// In a form.
    Post,
}

/// A request as it reaches the cloud.
#[derive(Clone, Debug, Default)]
pub struct WireRequest {
    /// How it came.
    pub method: Method,
    /// The query, still encoded, without the question mark.
    pub query: String,
    /// The form, still encoded; empty for anything that is no form.
    pub body: String,
    /// The cookies by name.
    pub cookies: BTreeMap<String, String>,
}

/// What the cloud answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireAnswer {
    /// The HTTP status, which is CloudStack's error code.
    pub status: u16,
    /// The headers that depend on the answer.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

/// Somebody who may call the cloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The name by which it is asked for, such as `admin` or `dev`.
    pub name: String,
    /// The role's name.
    pub role: String,
    /// The account's name.
    pub account: String,
    /// The domain's path, such as `ROOT/acme`.
    pub domain: String,
    /// The API key.
    pub api_key: String,
    /// The secret key.
    pub secret_key: String,
    /// The name to log in with.
    pub username: String,
    /// The password to log in with.
    pub password: String,
}

#[derive(Debug)]
pub(crate) struct Inner {
    /// Made at the first call: programs that only might call the cloud start without it.
    world: OnceLock<Mutex<World>>,
    pub(crate) server: Server,
    pub(crate) clock: Arc<dyn Clock>,
    identities: Mutex<Vec<Identity>>,
    /// When the cloud was made, which is when its world began.
    pub(crate) began: Duration,
    /// Where its deeds are kept, if they are.
    pub(crate) journal: Option<Journal>,
}

/// An embedded cloud. Cheap to clone; clones share the world.
#[derive(Clone, Debug)]
pub struct Cloud {
    pub(crate) inner: Arc<Inner>,
}

/// What a cloud is made of before its world is there.
pub(crate) struct Ground {
    /// What never changes.
    pub(crate) server: Server,
    /// Its time.
    pub(crate) clock: Arc<dyn Clock>,
    /// When its world begins or began.
    pub(crate) began: Duration,
    /// Where its deeds are kept, if they are.
    pub(crate) journal: Option<Journal>,
}

impl Ground {
    /// A world without rows.
    pub(crate) fn world(&self) -> World {
        empty_world(&self.server, self.began)
    }

    /// The cloud on it: with this world and those who may call it, or one that starts from its seed at the first call.
    pub(crate) fn cloud(self, there: Option<(World, Vec<Identity>)>) -> Cloud {
        let Self { server, clock, began, journal } = self;
        let (world, identities) = match there {
            Some((world, identities)) => (OnceLock::from(Mutex::new(world)), identities),
            None => (OnceLock::new(), identities(&server.options)),
        };
        Cloud { inner: Arc::new(Inner { world, server, clock, identities: Mutex::new(identities), began, journal }) }
    }
}

/// What a request came to, before it is spelled for the wire.
struct Ran {
    envelope: String,
    result: Result<Option<String>, Refusal>,
    cookies: Vec<String>,
    wants_json: bool,
}

impl Ran {
    /// A digest of it.
    fn digest(&self) -> u64 {
        match &self.result {
            Ok(body) => digest(body.as_deref().unwrap_or_default().as_bytes()) ^ digest(self.envelope.as_bytes()),
            Err(refusal) => digest(refusal.text.as_bytes()) ^ u64::from(refusal.code),
        }
    }
}

impl Cloud {
    /// Makes a cloud with its default world, which is filled at the first call.
    #[must_use]
    pub fn new(options: WorldOptions, catalog: Arc<Catalog>, clock: Arc<dyn Clock>) -> Self {
        let began = clock.now();
        Ground { server: Server { catalog, options: Arc::new(options) }, clock, began, journal: None }.cloud(None)
    }

    /// Lets others call it from now on.
    pub(crate) fn set_identities(&self, identities: Vec<Identity>) {
        *self.inner.identities.lock().unwrap_or_else(PoisonError::into_inner) = identities;
    }

    /// Who may call it. The first is the root admin.
    #[must_use]
    pub fn identities(&self) -> Vec<Identity> {
        self.inner.identities.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Moves explicit time; does nothing to a cloud that follows a clock.
    pub fn advance(&self, by: Duration) {
        let mut world = self.lock();
        if self.inner.server.options.clock == TimeMode::Explicit {
            world.now += by;
        }
        world.settle(&self.inner.server);
    }

    /// Tells how lots will fall: volumes by name, and the names of the pools that they go to.
    pub(crate) fn draw(&self, lots: impl Iterator<Item = (String, String)>) {
        let mut world = self.lock();
        for (volume, pool) in lots {
            world.lots.entry(volume).or_insert(pool);
        }
    }

    /// How many jobs are at work.
    pub(crate) fn jobs_at_work(&self) -> usize {
        self.lock().jobs_at_work()
    }

    /// Stops the server and starts it again: jobs at work are cut off without a result, sessions are gone.
    pub fn restart(&self) {
        // Nothing can be wrong with a restart but the file that keeps it, and that is told at the next call.
        drop(self.trouble(Trouble::Restart));
    }

    /// Lets something go wrong, from now until it is lifted. Answers with the number by which it is lifted.
    ///
    /// # Errors
    ///
    /// If it names what is not there, lies outside its bounds, or is the case already; [`Error::File`] if it cannot be kept.
    pub fn trouble(&self, trouble: Trouble) -> Result<u64, Error> {
        self.act(|world, server| {
            let number = world.begin(trouble.clone(), server)?;
            Ok((number, Deed::Begin(trouble)))
        })
    }

    /// Lifts a trouble.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if no trouble with this number holds; [`Error::File`] if it cannot be kept.
    pub fn lift(&self, number: u64) -> Result<(), Error> {
        self.act(|world, _| {
            world.lift(number)?;
            Ok(((), Deed::Lift(number)))
        })
    }

    /// The troubles that hold, oldest first.
    #[must_use]
    pub fn troubles(&self) -> Vec<ActiveTrouble> {
        self.lock().troubles.active().to_vec()
    }

    /// How much longer than usual the answer to a request takes.
    pub(crate) fn delay(&self, request: &WireRequest) -> Duration {
        let world = self.lock();
        if world.troubles.active().is_empty() {
            return Duration::ZERO;
        }
        let pairs = arguments::merge(&request.query, &request.body);
        let command = pairs.iter().find(|(name, _)| name == "command").map(|(_, value)| value.as_str());
        world.troubles.delay(command)
    }

    /// Completes once `wait` has passed on the clock of this cloud.
    pub(crate) async fn wait(&self, wait: Duration) {
        self.inner.clock.sleep(wait).await;
    }

    /// Answers a request. In a cloud that is kept, what it did is on the disk by then.
    #[must_use]
    pub fn answer(&self, request: &WireRequest) -> WireAnswer {
        let (answer, ticket) = self.perform(request);
        match ticket {
            Some(ticket) => self.made_durable(answer, ticket),
            None => answer,
        }
    }

    /// Answers a request. The answer may go out once the ticket, if there is one, was waited for.
    pub(crate) fn perform(&self, request: &WireRequest) -> (WireAnswer, Option<Ticket>) {
        let mut world = self.present();
        let before = world.mark();
        let ran = self.run(&mut world, request, false);
        // What a session's calls did may depend on when it was last seen.
        let did = world.mark() != before || request.cookies.contains_key(auth::SESSION_COOKIE);
        let ticket = self.inner.journal.as_ref().filter(|_| did).map(|journal| {
            let entry = Entry { at: world.now, deed: Deed::of_request(request), came: ran.digest() };
            journal.push(entry)
        });
        drop(world);
        (self.spell(ran), ticket)
    }

    /// Does again what a request did, and answers with a digest of what came of it.
    pub(crate) fn repeat(&self, world: &mut World, request: &WireRequest) -> u64 {
        self.run(world, request, true).digest()
    }

    fn run(&self, world: &mut World, request: &WireRequest, is_repeated: bool) -> Ran {
        let pairs = arguments::merge(&request.query, &request.body);
        let exact = |name: &str| pairs.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
        let wants_json = exact("response").is_some_and(|kind| kind.eq_ignore_ascii_case("json"));
        let mut session = Session { world, server: &self.inner.server, cookies: Vec::new(), request, pairs: &pairs, is_repeated };
        let (envelope, result) = session.run(exact("command"));
        Ran { envelope, result, cookies: session.cookies, wants_json }
    }

    /// The world as it is by now.
    pub(crate) fn present(&self) -> MutexGuard<'_, World> {
        let mut world = self.lock();
        if self.inner.server.options.clock == TimeMode::Auto {
            world.now = world.now.max(self.inner.clock.now() + world.ahead);
        }
        world.settle(&self.inner.server);
        world
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        // A poisoned lock means that a call panicked; the rows are still the best there is.
        self.inner.world.get_or_init(|| Mutex::new(first_world(&self.inner.server, self.inner.began))).lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spell(&self, ran: Ran) -> WireAnswer {
        let Ran { envelope, result, cookies, wants_json } = ran;
        let mut headers: Vec<(&'static str, String)> = cookies.into_iter().map(|cookie| ("set-cookie", cookie)).collect();
        let (status, body, is_fault) = match result {
            Ok(None) => {
                headers.push(("content-type", "text/xml;charset=utf-8".to_owned()));
                return WireAnswer { status: 200, headers, body: String::new() };
            }
            Ok(Some(body)) => (200, body, false),
            Err(refusal) => {
                if refusal.inner.is_some() {
                    headers.push(("x-description", refusal.text.replace(['\n', '\r'], " ")));
                }
                if BARE_TEXTS.contains(&refusal.text.as_str()) {
                    headers.push(("content-type", "application/json;charset=utf-8".to_owned()));
                    return WireAnswer { status: refusal.code, headers, body: refusal.text };
                }
                let mut json = Json::default();
                refusal.write(&mut json);
                (refusal.code, json.into_text(), true)
            }
        };
        // In place: a long list is not copied once more.
        let mut text = body;
        text.insert_str(0, &format!("{{\"{envelope}\":"));
        text.push('}');
        if wants_json {
            headers.push(("content-type", "application/json;charset=utf-8".to_owned()));
        } else {
            headers.push(("content-type", "text/xml;charset=utf-8".to_owned()));
            text = to_xml(&text, &self.inner.server.options.version(), is_fault);
        }
        WireAnswer { status, headers, body: text }
    }
}

/// One request on its way through the world.
struct Session<'a> {
    world: &'a mut World,
    server: &'a Server,
    cookies: Vec<String>,
    request: &'a WireRequest,
    pairs: &'a [Pair],
    /// Whether it is done again, as it was done before.
    is_repeated: bool,
}

impl Session<'_> {
    /// The envelope and what stands in it; no text at all for an empty answer.
    fn run(&mut self, name: Option<&str>) -> (String, Result<Option<String>, Refusal>) {
        let credentials = Credentials { pairs: self.pairs, cookies: &self.request.cookies };
        let session = auth::live_session(self.world, &credentials, self.server);
        match name {
            Some(factor::VALIDATE) if session.is_some() => {
                let session = session.unwrap_or_default();
                (format!("{}response", factor::VALIDATE.to_ascii_lowercase()), auth::validate(self.world, &session, &credentials))
            }
            Some("login") => ("loginresponse".to_owned(), self.login(&credentials)),
            Some("logout") => ("logoutresponse".to_owned(), auth::logout(self.world, session).map(Some)),
            None if session.is_some() => (String::new(), Ok(None)),
            None => ("null".to_owned(), Err(Refusal::credentials())),
            Some(name) => self.call(name, &credentials, session.as_deref()),
        }
    }

    fn login(&mut self, credentials: &Credentials<'_>) -> Result<Option<String>, Refusal> {
        let (body, cookies) = auth::login(self.world, credentials, self.server)?;
        self.cookies = cookies;
        Ok(Some(body))
    }

    fn call(&mut self, name: &str, credentials: &Credentials<'_>, session: Option<&str>) -> (String, Result<Option<String>, Refusal>) {
        let command = self.server.catalog.command(name).filter(|command| is_loaded(command, &self.server.options));
        let envelope = match &command {
            Some(command) => command.reply.envelope.clone(),
            None => format!("{}response", name.to_ascii_lowercase()),
        };
        if let Some(answer) = password::answer(name).filter(|_| command.is_some()) {
            return (envelope, answer(self.world, credentials, self.server.options.plugins));
        }
        if let Some(session) = session
            && let Err(refusal) = auth::check_factor(self.world, session, name)
        {
            return (envelope, Err(refusal));
        }
        let caller = match session {
            Some(session) => auth::by_session(self.world, session, credentials),
            None => auth::by_key(self.world, credentials),
        };
        let caller = match caller {
            Ok(caller) => caller,
            Err(refusal) => return (envelope, Err(refusal)),
        };
        let user = self.world.id(caller.user);
        let Some(command) = command else {
            let refusal = if session.is_some() { Refusal::role(name, &user) } else { Refusal::unknown_command() };
            return ("errorresponse".to_owned(), Err(refusal));
        };
        if !auth::allows(self.world, caller.role, &command) {
            return ("errorresponse".to_owned(), Err(Refusal::role(name, &user)));
        }
        let now = self.world.now;
        // What was counted before passed then, and reads between were not kept.
        if !self.is_repeated
            && let Some(Err(refusal)) = self.world.throttle.as_mut().map(|throttle| throttle.count(&caller, now))
        {
            return (envelope, Err(refusal));
        }
        if let Err(refusal) = nouns::project::check_context(self.world, &caller, name, self.pairs) {
            return (refused(name, envelope, &refusal), Err(refusal));
        }
        if session.is_none()
            && let Err(refusal) = auth::check_signature(self.world, &caller, credentials)
        {
            return (envelope, Err(refusal));
        }
        let is_root = caller.is_root();
        let result = self.execute(command, caller).map_err(|mut refusal| {
            if refusal.masked && !is_root {
                MASKED.clone_into(&mut refusal.text);
            }
            refusal
        });
        match result {
            Ok(body) => (envelope, Ok(body)),
            Err(refusal) => (refused(name, envelope, &refusal), Err(refusal)),
        }
    }

    fn execute(&mut self, command: Arc<Command>, caller: Caller) -> Result<Option<String>, Refusal> {
        arguments::check_characters(self.pairs)?;
        if let Some(refusal) = self.world.troubles.fails_call(&command.name) {
            return Err(refusal);
        }
        if demands::is_empty(&command.name, &|name| self.pairs.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))) {
            return Ok(None);
        }
        if !self.world.prepared.contains(&command.name) {
            generic::prepare_kinds(self.world, &command, &self.server.catalog);
            sample::furnish(self.world, &command, self.server);
            self.world.prepared.insert(command.name.clone());
        }
        let arguments = Arguments::read(self.pairs, &command, caller.kind, self.world)?;
        let by_get = self.request.method == Method::Get;
        let mut turn = Turn { world: self.world, caller, command, arguments, server: self.server, by_get };
        let is_strange = check_permission(&turn).inspect_err(|_| events::record_stranger(&mut turn))?;
        demands::check(&turn.command, Held { arguments: &turn.arguments, world: turn.world, plugins: turn.server.options.plugins })?;
        let handler = nouns::handler(&turn.command.name).unwrap_or(generic::answer);
        let handler = if is_strange { late::refuse } else { handler };
        let outcome = gone::answer(&turn).unwrap_or_else(|| match handler(&mut turn) {
            Err(refusal) if is_late(&turn.command, &refusal) => Ok(turn.failed_job(refusal)),
            other => other,
        });
        events::record_call(&mut turn, outcome.as_ref());
        let outcome = outcome?;
        let outcome = match outcome {
            Outcome::Job(work) => jobs::start(&mut turn, *work)?,
            Outcome::Nothing => return Ok(None),
            finished if turn.command.is_async => jobs::start(&mut turn, finished_work(finished))?,
            other => other,
        };
        Ok(Some(turn.body(&outcome)))
    }
}

/// The envelope of a refusal: the one of the answer, but for two commands, and for what is not there for the caller.
fn refused(command: &str, envelope: String, refusal: &Refusal) -> String {
    const OTHERWISE: [(&str, &str); 2] = [("updateImageStore", "updateImageStore"), ("configureSimulator", "configuresimulatorresponse")];
    if refusal.code == ROLE_DENIES {
        return "errorresponse".to_owned();
    }
    OTHERWISE.iter().find(|(known, _)| *known == command).map_or(envelope, |(_, other)| (*other).to_owned())
}

/// The world as it is before anybody called.
fn first_world(server: &Server, began: Duration) -> World {
    let mut world = empty_world(server, began);
    seed(&mut world, server);
    world
}

/// A world that knows its kinds and has no row.
fn empty_world(server: &Server, began: Duration) -> World {
    let mut world = World::new(server.options.seed, began, nouns::NOUNS);
    if server.catalog.release() < Release::NEWEST {
        world.is_old = true;
        world.leave_out(&later_members(&server.catalog));
    }
    world
}

/// The members that replies have in the newest release and not in this one, by the first entity of their shape.
fn later_members(catalog: &Catalog) -> HashMap<String, Vec<Box<str>>> {
    let newest = Catalog::embedded(Release::NEWEST);
    let declared = |catalog: &Catalog| {
        let mut fields: HashMap<String, BTreeSet<Box<str>>> = HashMap::new();
        for command in catalog.commands() {
            let entity = command.shape.split('#').next().unwrap_or_default().to_owned();
            fields.entry(entity).or_default().extend(catalog.fields(&command).iter().map(|field| field.name.as_str().into()));
        }
        fields
    };
    let present = declared(catalog);
    let later = declared(&newest).into_iter().filter_map(|(entity, fields)| {
        let known = present.get(&entity)?;
        let mut later: Vec<Box<str>> = fields.difference(known).cloned().collect();
        later.extend(SHOWN_LATER.iter().filter(|(known, _)| *known == entity).map(|(_, field)| (*field).into()));
        (!later.is_empty()).then_some((entity, later))
    });
    later.collect()
}

/// Whether a refusal comes as the end of a job. Commands that make something check before they make it; all others check
/// when their job is at work, but for what servers look at before they start one.
fn is_late(command: &Command, refusal: &Refusal) -> bool {
    command.is_async && !refusal.at_once && !instance::seen(&command.name).is_some_and(|seen| seen.makes)
}

/// A job around something that is done already.
fn finished_work(outcome: Outcome) -> Work {
    let (id, subject) = match &outcome {
        Outcome::Object(handle) => (None, Some(*handle)),
        _ => (None, None),
    };
    Work { id, instance: None, subject, queue: subject, takes: WORK_SHORT, finish: Box::new(move |_| Ok(outcome)) }
}

/// Refuses objects of others; true if it is left to the job. Lists leave such objects out instead.
fn check_permission(turn: &Turn<'_>) -> Result<bool, Refusal> {
    if turn.command.is_list() {
        return Ok(false);
    }
    let mut is_strange = false;
    for parameter in turn.command.parameters.iter().filter(|parameter| parameter.takes_ids()) {
        let objects = turn.arguments.objects(&parameter.name).unwrap_or_default();
        if objects.iter().all(|object| turn.may_use(*object)) {
            continue;
        }
        match late::look(&turn.command.name, &parameter.name) {
            Look::AtOnce => return Err(Refusal::permission()),
            Look::Late => is_strange = true,
            Look::Never => {}
        }
    }
    Ok(is_strange)
}

/// Whether a server has the command.
pub(crate) fn is_loaded(command: &Command, options: &WorldOptions) -> bool {
    let is_on = |setting: &Setting| options.setting(&setting.name).map_or(setting.default, |value| value == "true");
    match options.plugins {
        Plugins::All => true,
        // A bare world is a recorded server, and those were built with the simulator hypervisor.
        Plugins::Loaded if command.build == Build::Simulator => options.scene == Scene::Bare,
        Plugins::Loaded => command.build == Build::Default && command.setting.as_ref().is_none_or(is_on),
    }
}
