//! Playing recordings: the world they start from, time, jobs, and the verdict on each exchange.

use std::{collections::HashSet, future::Future, pin::Pin, sync::Arc, time::Duration};

use cloudstack_api::{
    catalog::{Catalog, Release},
    clock::Clock,
};
use serde_json::Value;

use super::{
    caller::Callers,
    compare,
    ids::Ids,
    injected,
    recording::{Body, Exchange, Recording, started_job},
    reduce,
};
use crate::{
    cloud::{Cloud, WireAnswer},
    options::{Plugins, Scene, TimeMode, Tuning, WorldOptions},
};

/// What was set on the recorded servers before the first exchange.
const SETTINGS: &[(&str, &str)] = &[
    ("quota.enable.service", "true"),
    ("user.password.reset.enabled", "true"),
    ("cloud.kubernetes.service.enabled", "true"),
    ("js.interpretation.enabled", "true"),
    ("enable.direct.download", "true"),
    ("backup.framework.enabled", "true"),
    ("backup.framework.provider.plugin", "dummy"),
    ("allow.user.expunge.recover.vm", "false"),
    ("allow.user.view.destroyed.vm", "false"),
    ("expunge.delay", "20"),
    ("expunge.interval", "20"),
    ("network.gc.interval", "30"),
    ("network.gc.wait", "30"),
];
/// How long destroyed machines stay there, in seconds.
const EXPUNGE_DELAY_SECONDS: u64 = 20;

/// Where the ids of the embedded cloud come from.
const SEED: u64 = 1;
/// How long before the first time in the recordings the world begins.
const BEGIN_BEFORE: Duration = Duration::from_secs(600);
/// When the world begins where no recording tells a time.
const BEGIN_DEFAULT: Duration = Duration::from_secs(1_795_363_200);
/// How far time moves at every exchange.
const STEP: Duration = Duration::from_millis(10);
/// How far time moves at most after a job for which nobody waits.
const SETTLE: Duration = Duration::from_secs(4);
/// How far time moves between two looks at a job that ended in the recording.
const POLL: Duration = Duration::from_millis(250);
/// How often such a job is looked at.
const POLLS_MAX: usize = 480;
/// How often a call that was refused for its number is repeated.
const REPETITIONS_MAX: usize = 40;
/// The HTTP status of such a refusal.
const THROTTLED: u16 = 429;
/// What notes say of the first exchange after a restart.
const RESTARTED: &str = "management server was restarted";
/// The most items of a difference that are told.
const DIFFERENCES_TOLD_MAX: usize = 8;

/// What came of one exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The scenario.
    pub scenario: String,
    /// The place within it.
    pub n: u64,
    /// The command.
    pub command: String,
    /// The differences; none if the answers are equal.
    pub differences: Vec<String>,
}

impl Verdict {
    /// The exchange's name, as ratchet files and options spell it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}:{} {}", self.scenario, self.n, self.command)
    }

    /// The differences on one line.
    #[must_use]
    pub fn line(&self) -> String {
        let told: Vec<&str> = self.differences.iter().take(DIFFERENCES_TOLD_MAX).map(String::as_str).collect();
        let more = self.differences.len().saturating_sub(DIFFERENCES_TOLD_MAX);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        format!("{} — {}{more}", self.name(), told.join("; "))
    }
}

/// A clock that stands still: explicit time is moved through the cloud.
#[derive(Debug)]
struct Begin(Duration);

impl Clock for Begin {
    fn now(&self) -> Duration {
        self.0
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}

/// Plays recordings of one release, one after the other, in one world.
#[derive(Debug)]
pub struct Replayer {
    cloud: Cloud,
    callers: Callers,
    ids: Ids,
    now: Duration,
    /// The latest time of which the recordings told so far.
    reached: Duration,
    restarted: bool,
}

impl Replayer {
    /// A world as the recordings start from: when the recorded server started, or else a little before the first time in
    /// `recordings`.
    #[must_use]
    pub fn new(release: Release, recordings: &[Recording]) -> Self {
        let exchanges = || recordings.iter().flat_map(|recording| &recording.exchanges);
        let first = exchanges().filter_map(|exchange| exchange.at).min();
        let start = exchanges().filter_map(|exchange| exchange.server_start).min();
        let begin = first.map_or(BEGIN_DEFAULT, |first| Duration::from_secs(first).saturating_sub(BEGIN_BEFORE));
        let begin = start.map_or(begin, Duration::from_secs);
        let tuning = Tuning { expunge_delay_seconds: EXPUNGE_DELAY_SECONDS, ..Tuning::default() };
        let options =
            WorldOptions { release, seed: SEED, vms: 0, clock: TimeMode::Explicit, plugins: Plugins::Loaded, scene: Scene::Bare, settings: SETTINGS, tuning };
        let cloud = Cloud::new(options, Arc::new(Catalog::embedded(release)), Arc::new(Begin(begin)));
        // Which of several pools takes a volume is decided by lot, and much follows from it.
        cloud.draw(exchanges().flat_map(|exchange| exchange.lots.iter().cloned()));
        Self { callers: Callers::new(&cloud), cloud, ids: Ids::default(), now: begin, reached: begin, restarted: false }
    }

    /// Learns ids that existed before the first exchange, as a folder's `ids.json` names them under `before`.
    pub fn learn_before(&mut self, text: &str) {
        let Ok(known) = serde_json::from_str::<Value>(text) else { return };
        let before = |pointer: &str| known.pointer(pointer).and_then(Value::as_str);
        let asked = [
            ("/before/zoneid", "listZones", "/listzonesresponse/zone/0/id"),
            ("/before/podid", "listPods", "/listpodsresponse/pod/0/id"),
            ("/before/clusterids/0", "listClusters", "/listclustersresponse/cluster/0/id"),
            ("/before/clusterids/1", "listClusters", "/listclustersresponse/cluster/1/id"),
            ("/before/physicalnetworkid", "listPhysicalNetworks", "/listphysicalnetworksresponse/physicalnetwork/0/id"),
            ("/before/userid", "listUsers", "/listusersresponse/user/0/id"),
        ];
        for (pointer, command, place) in asked {
            let answer = self.callers.as_root(&self.cloud, command, &[]);
            let ours = answer.as_ref().and_then(|answer| answer.pointer(place)).and_then(Value::as_str);
            if let (Some(recorded), Some(ours)) = (before(pointer), ours) {
                self.ids.learn(recorded, ours);
            }
        }
    }

    /// The cloud that is played on, to go on with where the recordings end.
    #[must_use]
    pub fn cloud(&self) -> Cloud {
        self.cloud.clone()
    }

    /// Plays one scenario.
    pub fn play(&mut self, recording: &Recording) -> Vec<Verdict> {
        self.restarted = false;
        self.prepare(&recording.scenario);
        if let Some(seconds) = injected::tried_before(&recording.scenario) {
            self.rehearse(recording, seconds);
        }
        let mut polls_left: Vec<&str> = recording.exchanges.iter().filter_map(polled).collect();
        polls_left.reverse();
        let mut verdicts = Vec::with_capacity(recording.exchanges.len());
        for exchange in &recording.exchanges {
            if polled(exchange).is_some() {
                polls_left.pop();
            }
            let answer = self.exchange(&recording.scenario, exchange);
            let differences = self.differences(exchange, &answer);
            self.callers.learn(exchange, &answer, &mut self.ids);
            let waited: HashSet<&str> = polls_left.iter().copied().collect();
            if started_job(exchange).is_some_and(|job| !waited.contains(job.as_str())) {
                self.rest();
            }
            verdicts.push(Verdict { scenario: recording.scenario.clone(), n: exchange.n, command: exchange.command.clone(), differences });
        }
        self.rest();
        verdicts
    }

    /// Plays a scenario as it was tried some seconds before it was recorded. The ids of the trial are other ones.
    fn rehearse(&mut self, recording: &Recording, seconds: u64) {
        let ids = self.ids.clone();
        for exchange in &recording.exchanges {
            let earlier = Exchange { at: exchange.at.map(|at| at.saturating_sub(seconds)), ..exchange.clone() };
            let answer = self.exchange(&recording.scenario, &earlier);
            self.differences(&earlier, &answer);
        }
        self.rest();
        self.ids = ids;
    }

    /// Lets time move until nothing is at work any more, but not far.
    fn rest(&mut self) {
        let end = self.now + SETTLE;
        while self.cloud.jobs_at_work() > 0 && self.now < end {
            self.advance(POLL);
        }
    }

    /// Settings that people changed between two scenarios.
    fn prepare(&mut self, scenario: &str) {
        if scenario == "throttling" {
            self.callers.as_root(&self.cloud, "updateConfiguration", &[("name", "api.throttling.enabled"), ("value", "true")]);
            self.cloud.restart();
        }
    }

    fn exchange(&mut self, scenario: &str, exchange: &Exchange) -> WireAnswer {
        if !self.restarted && exchange.note.contains(RESTARTED) {
            self.restarted = true;
            self.cloud.restart();
        }
        self.reached = self.reached.max(exchange.at.map(Duration::from_secs).unwrap_or_default());
        // Jobs take their own time here: that they had ended by then counts for the calls that follow.
        let is_poll = polled(exchange).is_some();
        let due = if is_poll { Duration::ZERO } else { self.reached.saturating_sub(self.now) };
        self.advance(due.max(STEP));
        if let Some(trouble) = injected::before(scenario, exchange.n) {
            // A trouble of the replayer's own making is one that every cloud knows.
            drop(self.cloud.trouble(trouble));
        }
        let mut answer = self.send(scenario, exchange);
        if recorded_status(&exchange.body).is_some_and(|status| status != 0) {
            let mut polls = 0;
            while polls < POLLS_MAX && job_status(&answer.body) == Some(0) {
                self.advance(POLL);
                answer = self.send(scenario, exchange);
                polls += 1;
            }
        }
        let mut repetitions = 0;
        while exchange.status == THROTTLED && answer.status != THROTTLED && repetitions < REPETITIONS_MAX {
            answer = self.send(scenario, exchange);
            repetitions += 1;
        }
        answer
    }

    fn send(&mut self, scenario: &str, exchange: &Exchange) -> WireAnswer {
        let request = self.callers.request(scenario, exchange, &self.ids, &self.cloud);
        self.cloud.answer(&request)
    }

    fn advance(&mut self, by: Duration) {
        self.now += by;
        self.cloud.advance(by);
    }

    fn differences(&mut self, exchange: &Exchange, answer: &WireAnswer) -> Vec<String> {
        let ours = serde_json::from_str::<Value>(&answer.body).ok().filter(Value::is_object);
        if exchange.status != answer.status {
            let told = ours.as_ref().and_then(|body| body.as_object()?.values().next()?.get("errortext")?.as_str()).map(|text| format!(" ({text})"));
            return vec![format!("status {}, not {}{}", answer.status, exchange.status, told.unwrap_or_default())];
        }
        match (&exchange.body, ours) {
            (Body::Json(recorded), Some(mut ours)) => {
                compare::cut_to_names(recorded, &mut ours);
                compare::differences(recorded, &reduce::reduced(&ours), &mut self.ids)
            }
            (Body::Json(_), None) => vec!["no JSON object".to_owned()],
            (Body::Text(recorded), _) => {
                let ours = reduce::reduced_text(&answer.body);
                if *recorded == ours { Vec::new() } else { vec![format!("body: `{ours}`, not `{recorded}`")] }
            }
        }
    }
}

/// The job that an exchange asks for.
fn polled(exchange: &Exchange) -> Option<&str> {
    let is_poll = exchange.command == "queryAsyncJobResult";
    exchange.arguments.iter().find(|(name, _)| is_poll && name == "jobid").map(|(_, job)| job.as_str())
}

fn recorded_status(body: &Body) -> Option<u64> {
    let Body::Json(body) = body else { return None };
    body.pointer("/queryasyncjobresultresponse/jobstatus").and_then(Value::as_u64)
}

fn job_status(body: &str) -> Option<u64> {
    let body: Value = serde_json::from_str(body).ok()?;
    body.pointer("/queryasyncjobresultresponse/jobstatus").and_then(Value::as_u64)
}
