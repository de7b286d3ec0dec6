//! Jobs: work that ends at a time, and what can be asked about it (wire facts §2.5).
//!
//! Nothing runs in the background. Whoever looks first settles what is due, in the order in which it came due, so that
//! a world reads the same whether anybody watched or not.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use cloudstack_api::catalog::{Catalog, Command, RoleType};
use serde::{Deserialize, Serialize};

use crate::{
    arguments::Arguments,
    error::Error,
    events, instance,
    json::Json,
    list, nouns,
    options::JobSpeed,
    refusal::Refusal,
    trouble::{self, Burden, Throttle},
    turn::{Caller, Finish, Outcome, Server, Turn, Work},
    world::{Handle, World, id_text, parse_id},
};

/// What 4.20 calls its management server: its address as a number.
const MANAGEMENT_SERVER_NUMBER: i64 = 2_130_706_433;
/// The code of jobs that a restart cut off.
const CUT_OFF: u16 = 530;

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ending {
    completed: Duration,
    code: u16,
    /// Absent when a restart cut the job off.
    result: Option<String>,
}

/// A job.
#[derive(Debug)]
pub(crate) struct Job {
    number: u64,
    id: String,
    /// Who started it.
    pub(crate) caller: Caller,
    command: Arc<Command>,
    instance: Option<(String, Option<String>)>,
    created: Duration,
    ending: Option<Ending>,
}

/// What still has to happen for a job.
struct Pending {
    finish: Finish,
    arguments: Arguments,
    event: Option<events::Subject>,
    burden: Burden,
    /// The object whose jobs it waits for.
    queue: Option<Handle>,
}

/// A job that trouble keeps from going on.
struct Held {
    /// The trouble.
    cause: u64,
    job: String,
    pending: Box<Pending>,
    takes: Duration,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pending")
    }
}

/// Something that happens to an object at a time by itself, and can be written down until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Chore {
    /// A machine that was destroyed, or never came to be, is expunged.
    ExpungeMachine,
    /// A template or an ISO is there.
    EndDownload,
    /// A silent host is held for dead.
    BuryHost,
    /// An invitation to a project expires.
    ExpireInvitation,
    /// A network in which nothing runs any more is taken down.
    ClearNetwork,
    /// A zone gets the system VMs that it lacks.
    StaffZone,
    /// A snapshot policy is due.
    TakeSnapshot,
    /// A backup schedule is due.
    BackUp,
}

impl Chore {
    fn run(self, world: &mut World, object: Handle) {
        match self {
            Self::ExpungeMachine => nouns::expunge_due(world, object),
            Self::EndDownload => nouns::arrive(world, object),
            Self::BuryHost => trouble::bury(world, object),
            Self::ExpireInvitation => nouns::expire_invitation(world, object),
            Self::ClearNetwork => nouns::clear_network(world, object),
            Self::StaffZone => nouns::staff(world, object),
            Self::TakeSnapshot => nouns::take_due(world, object),
            Self::BackUp => nouns::back_up_due(world, object),
        }
    }
}

/// Something that happens within moments. An export lets time run until it is over.
type Moment = Box<dyn FnOnce(&mut World) + Send>;

enum Task {
    Job(String, Box<Pending>),
    Chore(Chore, Handle),
    Moment(Moment),
}

/// All jobs of a world.
#[derive(Default)]
pub(crate) struct Jobs {
    by_id: HashMap<String, Job>,
    order: Vec<String>,
    tasks: BTreeMap<(Duration, u64), Task>,
    busy_until: HashMap<Handle, Duration>,
    at_work: HashMap<Handle, Vec<String>>,
    held: Vec<Held>,
    sequence: u64,
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Jobs").field("jobs", &self.order.len()).field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}

/// Jobs written down.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedJobs {
    sequence: u64,
    jobs: Vec<SavedJob>,
    chores: Vec<(Duration, Chore, String)>,
}

/// A job written down; its work is over.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedJob {
    number: u64,
    id: String,
    user: String,
    account: String,
    domain: String,
    role: String,
    role_type: RoleType,
    command: String,
    instance: Option<(String, Option<String>)>,
    created: Duration,
    completed: Duration,
    code: u16,
    result: Option<String>,
}

impl Jobs {
    /// How many jobs and chores there were.
    pub(crate) fn mark(&self) -> u64 {
        self.sequence
    }

    /// When the last of the jobs that are on their way ends.
    pub(crate) fn last_due(&self) -> Option<Duration> {
        self.tasks.iter().filter(|(_, task)| !matches!(task, Task::Chore(..))).map(|((due, _), _)| *due).next_back()
    }

    /// Whether no job is at work or held up, so that a world written down has all there is.
    pub(crate) fn is_quiet(&self) -> bool {
        self.held.is_empty() && self.last_due().is_none()
    }
}

impl World {
    /// Writes the jobs down; those at work as a restart would leave them.
    pub(crate) fn saved_jobs(&self) -> SavedJobs {
        let job = |job: &Job| {
            let (completed, code, result) = match &job.ending {
                Some(ending) => (ending.completed, ending.code, ending.result.clone()),
                None => (self.now, CUT_OFF, None),
            };
            SavedJob {
                number: job.number,
                id: job.id.clone(),
                user: self.reference(job.caller.user),
                account: self.reference(job.caller.account),
                domain: self.reference(job.caller.domain),
                role: self.reference(job.caller.role),
                role_type: job.caller.kind,
                command: job.command.name.clone(),
                instance: job.instance.clone(),
                created: job.created,
                completed,
                code,
                result,
            }
        };
        let chores = self.jobs.tasks.iter().filter_map(|((due, _), task)| match task {
            Task::Chore(chore, object) => Some((*due, *chore, self.reference(*object))),
            Task::Job(..) | Task::Moment(_) => None,
        });
        SavedJobs {
            sequence: self.jobs.sequence,
            jobs: self.jobs.order.iter().filter_map(|id| self.jobs.by_id.get(id)).map(job).collect(),
            chores: chores.collect(),
        }
    }

    /// Makes jobs again from what was written down. Jobs of commands that the release lacks are left out.
    pub(crate) fn restore_jobs(&mut self, saved: SavedJobs, catalog: &Catalog) -> Result<(), Error> {
        let row = |world: &Self, name: &str| world.referred(name).ok_or_else(|| Error::Damaged(format!("a job refers to `{name}`, which is not there")));
        for job in saved.jobs {
            let Some(command) = catalog.command(&job.command) else { continue };
            let caller = Caller {
                user: row(self, &job.user)?,
                account: row(self, &job.account)?,
                domain: row(self, &job.domain)?,
                role: row(self, &job.role)?,
                kind: job.role_type,
            };
            let ending = Some(Ending { completed: job.completed, code: job.code, result: job.result });
            self.jobs.order.push(job.id.clone());
            let restored = Job { number: job.number, id: job.id.clone(), caller, command, instance: job.instance, created: job.created, ending };
            self.jobs.by_id.insert(job.id, restored);
        }
        for (at, (due, chore, object)) in (0_u64..).zip(saved.chores) {
            let object = row(self, &object)?;
            self.jobs.tasks.insert((due, at), Task::Chore(chore, object));
        }
        self.jobs.sequence = saved.sequence;
        Ok(())
    }

    /// Lets something happen later: a moment later, since it cannot be written down. For anything else there is [`Self::due`].
    pub(crate) fn later(&mut self, after: Duration, moment: impl FnOnce(&mut Self) + Send + 'static) {
        self.put_task(after, Task::Moment(Box::new(moment)));
    }

    /// Lets something happen to an object later.
    pub(crate) fn due(&mut self, after: Duration, chore: Chore, object: Handle) {
        self.put_task(after, Task::Chore(chore, object));
    }

    fn put_task(&mut self, after: Duration, task: Task) {
        let at = self.now + after;
        self.jobs.sequence += 1;
        let sequence = self.jobs.sequence;
        self.jobs.tasks.insert((at, sequence), task);
    }

    /// How many jobs are not finished.
    pub(crate) fn jobs_at_work(&self) -> usize {
        self.jobs.by_id.values().filter(|job| job.ending.is_none()).count()
    }

    /// Does everything that is due, each thing at its time: it must not matter who looks first.
    pub(crate) fn settle(&mut self, server: &Server) {
        let now = self.now;
        loop {
            let task = self.jobs.tasks.first_key_value().map(|((due, _), _)| *due).filter(|due| *due <= now);
            let scheduled = nouns::first_due(self).filter(|(due, _)| *due <= now && task.is_none_or(|task| *due < task));
            if let Some((due, schedule)) = scheduled {
                self.now = due;
                nouns::keep_time(self, schedule);
                continue;
            }
            let Some(((due, _), task)) = task.and_then(|_| self.jobs.tasks.pop_first()) else { break };
            self.now = due;
            match task {
                Task::Chore(chore, object) => {
                    chore.run(self, object);
                    // What comes by itself is nobody's call.
                    self.asides.clear();
                }
                Task::Moment(moment) => moment(self),
                Task::Job(id, pending) => self.finish_job(&id, pending, server),
            }
        }
        self.now = now;
    }

    fn finish_job(&mut self, id: &str, pending: Box<Pending>, server: &Server) {
        let Some((caller, command)) = self.jobs.by_id.get(id).map(|job| (job.caller, Arc::clone(&job.command))) else { return };
        let Pending { finish, arguments, event, burden, queue: _ } = *pending;
        let mut turn = Turn { world: self, caller, command, arguments, server, by_get: false };
        let outcome = match nouns::hindered(&mut turn, burden) {
            Some(refusal) => Err(refusal),
            None => finish(&mut turn),
        };
        let (code, result) = match &outcome {
            Ok(outcome) => (0, turn.body(outcome)),
            Err(refusal) => {
                let mut json = Json::default();
                refusal.write_job(&mut json);
                (refusal.job_code(), json.into_text())
            }
        };
        turn.world.jobs.at_work.retain(|_, jobs| {
            jobs.retain(|job| job != id);
            !jobs.is_empty()
        });
        events::record_end(&mut turn, event, outcome.as_ref());
        let completed = self.now;
        if let Some(job) = self.jobs.by_id.get_mut(id) {
            job.ending = Some(Ending { completed, code, result: Some(result) });
        }
    }

    /// Starts the server again: jobs at work are cut off without a result, sessions are gone, settings are read anew.
    pub(crate) fn restart(&mut self) {
        self.cut_off_jobs();
        self.sessions.clear();
        self.throttle = Throttle::of_settings(self);
    }

    /// Ends all jobs that are at work without a result, as a restart of the server does.
    fn cut_off_jobs(&mut self) {
        let completed = self.now;
        self.jobs.tasks.retain(|_, task| !matches!(task, Task::Job(..)));
        self.jobs.held.clear();
        self.jobs.at_work.clear();
        self.jobs.busy_until.clear();
        for job in self.jobs.by_id.values_mut().filter(|job| job.ending.is_none()) {
            job.ending = Some(Ending { completed, code: CUT_OFF, result: None });
        }
    }

    /// Lets the jobs go on that a trouble held, in their order.
    pub(crate) fn free_jobs(&mut self, cause: u64) {
        let (freed, kept) = std::mem::take(&mut self.jobs.held).into_iter().partition(|held| held.cause == cause);
        self.jobs.held = kept;
        let freed: Vec<Held> = freed;
        for held in freed {
            self.queue(held.job, held.pending, held.takes);
        }
    }

    /// Puts a job behind the others on its object.
    fn queue(&mut self, job: String, pending: Box<Pending>, takes: Duration) {
        let now = self.now;
        let jobs = &mut self.jobs;
        let free = pending.queue.and_then(|queue| jobs.busy_until.get(&queue).copied()).unwrap_or(now);
        let due = now.max(free) + takes;
        if let Some(queue) = pending.queue {
            jobs.busy_until.insert(queue, due);
        }
        jobs.sequence += 1;
        jobs.tasks.insert((due, jobs.sequence), Task::Job(job, pending));
    }

    /// The trouble that keeps a new job from going on: its own, or that of a job before it on the same object.
    fn cause_of_wait(&mut self, command: &str, queue: Option<Handle>) -> Option<u64> {
        let before = self.jobs.held.iter().find(|held| queue.is_some() && held.pending.queue == queue).map(|held| held.cause);
        before.or_else(|| self.troubles.holds_job(command))
    }

    /// The job that works on an object at the moment.
    pub(crate) fn job_on(&self, handle: Handle) -> Option<&str> {
        self.jobs.at_work.get(&handle)?.first().map(String::as_str)
    }

    /// Forgets whose jobs those on an object are, as servers do when another row takes its place.
    pub(crate) fn disown_jobs(&mut self, handle: Handle) {
        let id = self.id(handle);
        self.jobs.at_work.remove(&handle);
        for job in self.jobs.by_id.values_mut() {
            if let Some((_, object)) = &mut job.instance {
                object.take_if(|object| *object == id);
            }
        }
    }

    /// The last job on an object by its type and id.
    fn job_of_resource(&self, kind: &str, id: &str) -> Option<&Job> {
        let fits = |job: &&Job| job.instance.as_ref().is_some_and(|(word, object)| word == kind && object.as_deref() == Some(id));
        self.jobs.order.iter().rev().filter_map(|id| self.jobs.by_id.get(id)).find(fits)
    }
}

/// Starts a job and answers with its id.
pub(crate) fn start(turn: &mut Turn<'_>, work: Work) -> Result<Outcome, Refusal> {
    let id = match turn.arguments.given("customjobid") {
        Some(custom) => custom_id(turn, custom)?,
        None => id_text(turn.world.fresh_id()),
    };
    let takes = match turn.server.options.tuning.speed {
        JobSpeed::Instant => Duration::ZERO,
        JobSpeed::Normal => work.takes,
    };
    let now = turn.world.now;
    if let Some(subject) = work.subject {
        // Servers know whose job it is by what the job says it works on.
        if instance::seen(&turn.command.name).is_none_or(|seen| seen.named) {
            turn.world.jobs.at_work.entry(subject).or_default().push(id.clone());
        }
    }
    // What is being made matters more than what it is made on.
    let made = work.id.as_deref().and_then(parse_id).and_then(|id| turn.world.by_id(id));
    let event = events::record_job(turn, made.or(work.subject));
    let jobs = &mut turn.world.jobs;
    jobs.sequence += 1;
    let job = Job {
        number: jobs.sequence,
        id: id.clone(),
        caller: turn.caller,
        command: Arc::clone(&turn.command),
        instance: work.instance,
        created: now,
        ending: None,
    };
    jobs.order.push(id.clone());
    jobs.by_id.insert(id.clone(), job);
    let burden = Burden { subject: work.subject, makes: work.id.is_some() };
    let pending = Box::new(Pending { finish: work.finish, arguments: turn.arguments.clone(), event, burden, queue: work.queue });
    match turn.world.cause_of_wait(&turn.command.name, work.queue) {
        Some(cause) => turn.world.jobs.held.push(Held { cause, job: id.clone(), pending, takes }),
        None => turn.world.queue(id.clone(), pending, takes),
    }
    let mut json = Json::default();
    json.open();
    if let Some(object) = &work.id {
        json.member("id", object);
    }
    json.member("jobid", &id);
    json.close();
    Ok(Outcome::Flat(json.into_text()))
}

fn custom_id(turn: &Turn<'_>, custom: &str) -> Result<String, Refusal> {
    let is_plain = parse_id(custom).is_some_and(|id| id_text(id) == custom);
    if !is_plain {
        return Err(Refusal::invalid(format!("UUID: {custom} doesn't follow the UUID format")));
    }
    match turn.world.jobs.by_id.get(custom) {
        None => Ok(custom.to_owned()),
        Some(job) if job.ending.is_none() && job.caller.account == turn.caller.account => {
            Err(Refusal::invalid(format!("UUID: {custom} already exists so can't create/update with custom id")))
        }
        Some(_) => Err(Refusal { masked: true, ..Refusal::failed("Entity already exists") }),
    }
}

/// Answers a poll.
pub(crate) fn query(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let job = match (turn.arguments.text("jobid"), turn.arguments.text("resourcetype"), turn.arguments.text("resourceid")) {
        (Some(id), ..) => find(turn, id).ok_or_else(|| {
            Refusal::argument(format!(
                "Unable to execute API command queryasyncjobresult due to invalid value. Invalid parameter jobid value={id} due to incorrect long value format, or entity does not exist or due to incorrect parameter annotation for the field in api cmd class."
            ))
        })?,
        (None, Some("UserVm"), Some(_)) => return Err(Refusal::invalid("Invalid resourcetype")),
        (None, Some(kind), Some(id)) => turn.world.job_of_resource(kind, id).ok_or_else(|| Refusal::invalid("Unable to find the job for the resource"))?,
        _ => return Err(Refusal::invalid("Expected parameter job id or parameters resource type and resource id")),
    };
    if !may_see(turn, job) {
        let account = turn.caller.account;
        let name = turn.world.string(account, "name");
        let id = turn.world.id(account);
        let said = format!("[{{\"accountName\":\"{name}\",\"id\":{},\"uuid\":\"{id}\"}}]", World::internal_number(account));
        return Err(Refusal::forbidden(format!("Account Account {said} is not authorized to see job id={}", job.number)));
    }
    let mut json = Json::with_capacity(1024);
    json.open();
    write(turn.world, job, &mut json);
    json.close();
    Ok(Outcome::Flat(json.into_text()))
}

fn find<'a>(turn: &'a Turn<'_>, id: &str) -> Option<&'a Job> {
    let jobs = &turn.world.jobs;
    let known = jobs.by_id.get(&id.trim_end().to_ascii_lowercase());
    let job = known.or_else(|| id.parse().ok().and_then(|number: u64| jobs.by_id.values().find(|job| job.number == number)))?;
    let kept = Duration::from_secs(turn.server.options.tuning.job_expiry_seconds);
    let expired = job.ending.as_ref().is_some_and(|ending| ending.completed + kept < turn.world.now);
    (!expired).then_some(job)
}

fn may_see(turn: &Turn<'_>, job: &Job) -> bool {
    match turn.caller.kind {
        RoleType::Admin => true,
        RoleType::DomainAdmin => turn.world.is_within(job.caller.domain, turn.caller.domain),
        RoleType::ResourceAdmin | RoleType::User => job.caller.account == turn.caller.account,
    }
}

/// Lists the jobs that are not finished. Those that do not say what they work on are not among them.
pub(crate) fn list(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let page = list::Page::read(turn)?;
    let scope = list::scope(turn)?;
    let world = &*turn.world;
    let since = turn.arguments.text("startdate").and_then(crate::dates::parse);
    let keyword = turn.arguments.text("keyword").map(str::to_lowercase);
    let fits = |job: &&Job| {
        job.ending.is_none()
            && subject_of(job).0.is_some()
            && list::in_scope(world, job.caller.account, &scope)
            && since.is_none_or(|since| i64::try_from(job.created.as_secs()).is_ok_and(|created| created >= since))
            && keyword.as_ref().is_none_or(|word| class_name(&job.command, job.caller.is_root()).to_lowercase().contains(word.as_str()))
    };
    let all: Vec<&Job> = world.jobs.order.iter().filter_map(|id| world.jobs.by_id.get(id)).filter(fits).collect();
    let count = all.len();
    let mut json = Json::default();
    for job in page.part(all) {
        json.open();
        write(world, job, &mut json);
        json.close();
    }
    Ok(Outcome::Rendered(json.into_text(), count))
}

/// What a job says it works on: a type, and an object where it names one.
fn subject_of(job: &Job) -> (Option<&str>, Option<&str>) {
    let own = job.instance.as_ref().map(|(kind, object)| (kind.as_str(), object.as_deref()));
    match (own, instance::seen(&job.command.name)) {
        (own, Some(seen)) => (seen.kind, own.and_then(|(_, object)| object).filter(|_| seen.named)),
        (Some((kind, object)), None) => (Some(kind), object),
        (None, None) => (None, None),
    }
}

fn write(world: &World, job: &Job, json: &mut Json) {
    json.member("accountid", &world.id(job.caller.account));
    json.member("account", world.text(job.caller.account, "name").unwrap_or_default());
    json.member("domainid", &world.id(job.caller.domain));
    json.member("domainpath", world.text(job.caller.domain, "path").unwrap_or_default());
    json.member("userid", &world.id(job.caller.user));
    json.member("cmd", &class_name(&job.command, job.caller.is_root()));
    json.key("jobprocstatus");
    json.number(0);
    json.key("jobresultcode");
    json.number(job.ending.as_ref().map_or(0, |ending| i64::from(ending.code)));
    if let Some(result) = job.ending.as_ref().and_then(|ending| ending.result.as_ref()) {
        json.member("jobresulttype", "object");
        json.key("jobresult");
        json.raw(result);
    }
    let (kind, object) = subject_of(job);
    if let Some(kind) = kind {
        json.member("jobinstancetype", kind);
    }
    if let Some(object) = object {
        json.member("jobinstanceid", object);
    }
    // A job that was cut off keeps the server that it was cut off on.
    if job.ending.as_ref().is_none_or(|ending| ending.result.is_none())
        && let Some(server) = world.rows(world.kind("managementserver")).next()
    {
        if world.is_old {
            json.key("managementserverid");
            json.number(MANAGEMENT_SERVER_NUMBER);
        } else {
            json.member("managementserverid", &world.id(server));
            json.member("managementservername", world.text(server, "name").unwrap_or_default());
        }
    }
    json.member("created", &cloudstack_api::clock::timestamp(job.created));
    if let Some(ending) = &job.ending {
        json.member("completed", &cloudstack_api::clock::timestamp(ending.completed));
    }
    json.member("jobid", &job.id);
    json.key("jobstatus");
    json.number(match &job.ending {
        None => 0,
        Some(ending) if ending.code == 0 => 1,
        Some(_) => 2,
    });
}

/// Something like the name of the class that answers a command on a real server.
fn class_name(command: &Command, root: bool) -> String {
    let mut letters = command.name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase()).unwrap_or_default();
    let name = format!("{first}{}", letters.as_str()).replace("VirtualMachine", "VM");
    let by_admin = root && name.contains("VM");
    format!("org.apache.cloudstack.api.command.{}.{}.{name}Cmd{}", if root { "admin" } else { "user" }, command.family, if by_admin { "ByAdmin" } else { "" })
}
