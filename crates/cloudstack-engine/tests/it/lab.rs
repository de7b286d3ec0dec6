//! An embedded cloud on a port of its own, and an engine with a profile for each of its identities.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use cloudstack_api::{
    catalog::{Catalog, Release},
    clock::Clock,
};
use cloudstack_engine::{
    Answer, Approval, ApprovalMethod, Caller, Config, Credentials, Engine, Outcome, Plan, Profile, Report, RunRequest, Silent, SystemClock,
};
use cloudstack_sim::{Cloud, Identity, JobSpeed, Tuning, WorldOptions, serve};
use serde_json::{Map, Value};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Tells the system's time with an offset that a test can move.
#[derive(Debug)]
pub(crate) struct Watchmaker {
    system: SystemClock,
    offset: Mutex<Duration>,
}

impl Watchmaker {
    pub(crate) fn advance(&self, by: Duration) {
        *self.offset.lock().unwrap() += by;
    }
}

impl Clock for Watchmaker {
    fn now(&self) -> Duration {
        self.system.now() + *self.offset.lock().unwrap()
    }

    fn elapsed(&self) -> Duration {
        self.system.elapsed() + *self.offset.lock().unwrap()
    }

    fn sleep(&self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        // Jobs of the test's cloud are over at once; waits that are not are cut short.
        self.system.sleep(wait.min(Duration::from_millis(20)))
    }
}

pub(crate) struct Lab {
    pub(crate) engine: Engine,
    pub(crate) identities: Vec<Identity>,
    pub(crate) clock: Arc<Watchmaker>,
    pub(crate) dir: tempfile::TempDir,
    _stop: DropGuard,
}

/// An engine on a cloud, set up further by `change`.
pub(crate) async fn lab_with(change: impl FnOnce(&mut Config)) -> Lab {
    let options = WorldOptions { tuning: Tuning { speed: JobSpeed::Instant, ..Tuning::default() }, ..WorldOptions::default() };
    lab_of(options, change).await
}

pub(crate) async fn lab_of(options: WorldOptions, change: impl FnOnce(&mut Config)) -> Lab {
    let clock = Arc::new(Watchmaker { system: SystemClock::new(), offset: Mutex::new(Duration::ZERO) });
    let cloud = Cloud::new(options, Arc::new(Catalog::embedded(Release::NEWEST)), Arc::new(SystemClock::new()));
    let identities = cloud.identities();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/client/api", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(serve(cloud, listener, stop.clone()));
    let dir = tempfile::tempdir().unwrap();
    let profile = |identity: &Identity| {
        let credentials = Credentials::Keys { api_key: identity.api_key.clone(), secret_key: identity.secret_key.clone().into() };
        Profile { embedded: true, ..Profile::new(identity.name.clone(), url.clone(), credentials) }
    };
    let mut config = Config::new(profile(&identities[0]));
    config.profiles = identities.iter().map(profile).collect();
    config.audit_file = Some(dir.path().join("audit.jsonl"));
    change(&mut config);
    let engine = Engine::new(config, Arc::<Watchmaker>::clone(&clock)).unwrap();
    Lab { engine, identities, clock, dir, _stop: stop.drop_guard() }
}

pub(crate) async fn lab() -> Lab {
    lab_with(|_| {}).await
}

pub(crate) fn caller() -> Caller {
    Caller::new("ada", "test")
}

pub(crate) fn request(profile: &str, command: &str, arguments: &Value) -> RunRequest {
    let arguments = arguments.as_object().cloned().unwrap_or_else(Map::new);
    RunRequest { profile: Some(profile.to_owned()), ..RunRequest::new(command, arguments, caller()) }
}

impl Lab {
    pub(crate) async fn outcome(&self, request: RunRequest) -> Result<Outcome, Report> {
        self.engine.run(request, &Silent).await
    }

    /// Runs a command that needs no approval.
    pub(crate) async fn run(&self, profile: &str, command: &str, arguments: &Value) -> Result<Value, Report> {
        self.answer(request(profile, command, arguments)).await
    }

    pub(crate) async fn answer(&self, request: RunRequest) -> Result<Value, Report> {
        match self.outcome(request).await? {
            Outcome::Done(Answer { value, .. }) => Ok(value),
            Outcome::NeedsApproval(plan) => panic!("it needs an approval: {}", plan.summary),
        }
    }

    /// The plan of a command that needs an approval.
    pub(crate) async fn plan(&self, request: &RunRequest) -> Plan {
        match self.outcome(request.clone()).await.unwrap() {
            Outcome::NeedsApproval(plan) => *plan,
            Outcome::Done(answer) => panic!("it ran: {}", answer.value),
        }
    }

    /// Runs a command with the approval of a plan.
    pub(crate) async fn approved(&self, request: &RunRequest, plan: &Plan) -> Result<Value, Report> {
        let typed = plan.typed_name.clone();
        let approval = Some(Approval { seal: plan.seal.clone(), typed, method: ApprovalMethod::Token });
        self.answer(RunRequest { approval, ..request.clone() }).await
    }

    pub(crate) fn audit(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("audit.jsonl")).unwrap()
    }
}
