//! Jobs: what a poll says, and waiting until one is over (wire facts §2.5).
//!
//! Only the job's own members are read: the object inside its result may carry a `jobid` and `jobstatus` of its own.

use std::{iter, time::Duration};

use cloudstack_api::reply::{Body, Fault, Reply, ReplyError, fault_in, text_of};
use serde_json::{Map, Value};

use crate::{
    client::Client,
    error::{Error, Sent},
    request::{Request, pair},
    retry::Failure,
};

/// The waits before the first polls; later ones wait [`INTERVAL_MAX`]. Many jobs are over within a second.
const INTERVALS: [Duration; 7] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(3),
    Duration::from_secs(5),
    Duration::from_secs(8),
];
const INTERVAL_MAX: Duration = Duration::from_secs(10);
/// How many polls in a row may fail in ways that pass by themselves.
const FAULTS_MAX: u32 = 10;
/// How long a poll may take while waiting, and what it gets when the budget is all but over.
const POLL_MAX: Duration = Duration::from_secs(15);
const POLL_LEAST: Duration = Duration::from_secs(2);
/// Below the 60 s after which clients give up on us.
const BUDGET: Duration = Duration::from_secs(45);

/// How long to wait for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobWait {
    /// The most time to wait; the job goes on when it is over.
    pub budget: Duration,
}

impl Default for JobWait {
    fn default() -> Self {
        Self { budget: BUDGET }
    }
}

/// What a poll said about a job.
#[derive(Clone, Debug, PartialEq)]
pub struct JobState {
    /// The id.
    pub id: String,
    /// Whether it is over, and how.
    pub status: JobStatus,
    /// What came of it; `None` while it is pending, and for a cancelled one without a word.
    pub outcome: Option<JobOutcome>,
    /// The class that runs it on the server, from which the command can be guessed.
    pub command_class: Option<String>,
    /// The object it works on.
    pub instance: Option<Instance>,
    /// When it was made, in the server's form.
    pub created: Option<String>,
    /// When it was over, in the server's form.
    pub completed: Option<String>,
    /// All that the server said.
    pub raw: Value,
}

/// The object that a job works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its type in the server's words, such as `VirtualMachine`.
    pub kind: String,
    /// Its id, which is not always told.
    pub id: Option<String>,
}

/// Whether a job is over, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobStatus {
    /// Not over.
    Pending,
    /// Over. Some commands answer `success: false` even so; see the outcome.
    Succeeded,
    /// Failed.
    Failed,
    /// Cancelled by the server; nobody else can.
    Cancelled,
    /// Over in a way that we do not know.
    Unknown(i64),
}

/// What came of a job.
#[derive(Clone, Debug, PartialEq)]
pub enum JobOutcome {
    /// Done, with this result.
    Done(Body),
    /// Refused.
    Refused(Fault),
    /// Over with a text instead of a result.
    Text(String),
    /// Failed without a word: a restart of the server cut it off, and what it has done is unknown.
    CutOff,
}

impl JobStatus {
    fn read(code: i64) -> Self {
        match code {
            0 => Self::Pending,
            1 => Self::Succeeded,
            2 => Self::Failed,
            3 => Self::Cancelled,
            other => Self::Unknown(other),
        }
    }
}

impl JobState {
    /// Reads a poll's reply; `None` if it does not speak of a job.
    pub(crate) fn read(reply: Reply) -> Option<Self> {
        let Body::Flat(members) = reply.body else { return None };
        let text = |name: &str| members.get(name).and_then(text_of);
        let status = JobStatus::read(text("jobstatus")?.parse().ok()?);
        let id = text("jobid")?;
        let kind = text("jobinstancetype").filter(|kind| kind != "None");
        Some(Self {
            id,
            status,
            outcome: JobOutcome::read(status, members.get("jobresult")),
            command_class: text("cmd"),
            instance: kind.map(|kind| Instance { kind, id: text("jobinstanceid") }),
            created: text("created"),
            completed: text("completed"),
            raw: Value::Object(members),
        })
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.status != JobStatus::Pending
    }
}

impl JobOutcome {
    fn read(status: JobStatus, result: Option<&Value>) -> Option<Self> {
        let spoken = match result {
            Some(Value::Object(members)) => Some(Self::of_object(status, members)),
            Some(Value::Array(_)) | Some(Value::Null) | None => None,
            Some(scalar) => text_of(scalar).map(Self::Text),
        };
        match status {
            JobStatus::Pending => None,
            JobStatus::Succeeded => spoken.or(Some(Self::Done(Body::Success { success: true, text: None }))),
            JobStatus::Failed => spoken.or(Some(Self::CutOff)),
            JobStatus::Cancelled | JobStatus::Unknown(_) => spoken,
        }
    }

    fn of_object(status: JobStatus, members: &Map<String, Value>) -> Self {
        match (fault_in("jobresult", members), status) {
            (Some(fault), _) => Self::Refused(fault),
            (None, JobStatus::Failed) => Self::Text(Value::Object(members.clone()).to_string()),
            (None, _) => Self::Done(Body::read(members.clone())),
        }
    }
}

impl Client {
    /// Asks for a job once.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with 431 for a job that the server does not know or has forgotten, which it does after a day,
    /// and with 531 for somebody else's; otherwise as [`Client::send`].
    pub async fn job(&self, id: &str) -> Result<JobState, Error> {
        let pairs = [pair("jobid", id)];
        let request = Request::job_poll(&pairs, self.timeouts().read);
        let state = self.deliver(&request).await.and_then(state_in);
        state.map_err(|failure| failure.into_error(Sent::Read, self.url()))
    }

    /// Waits until a job is over or the budget is, with growing intervals; the state as last seen, which may be pending.
    ///
    /// `on_poll` is told of each state. Faults that pass by themselves are borne.
    ///
    /// # Errors
    ///
    /// As [`Self::job`], if no poll succeeded within the budget or too many failed in a row. The job goes on.
    pub async fn wait(&self, id: &str, wait: &JobWait, on_poll: &mut (dyn FnMut(&JobState) + Send)) -> Result<JobState, Error> {
        let deadline = self.clock().elapsed().saturating_add(wait.budget);
        let mut intervals = INTERVALS.into_iter().chain(iter::repeat(INTERVAL_MAX));
        let mut last = None;
        let mut faults = 0;
        loop {
            let left = deadline.saturating_sub(self.clock().elapsed());
            self.clock().sleep(intervals.next().unwrap_or(INTERVAL_MAX).min(left)).await;
            let left = deadline.saturating_sub(self.clock().elapsed());
            let limit = POLL_MAX.min(self.timeouts().read).min(left.max(POLL_LEAST));
            match self.poll(id, limit).await {
                Ok(state) => {
                    on_poll(&state);
                    if state.is_over() || left.is_zero() {
                        return Ok(state);
                    }
                    faults = 0;
                    last = Some(state);
                }
                Err(failure) => {
                    faults += 1;
                    tracing::debug!(job = id, ?failure, "a poll failed");
                    if !failure.passes() || faults > FAULTS_MAX || left.is_zero() {
                        let bearable = failure.passes() && left.is_zero();
                        return last.filter(|_| bearable).ok_or_else(|| failure.into_error(Sent::Read, self.url()));
                    }
                }
            }
        }
    }

    /// Asks for a job with one exchange.
    pub(crate) async fn poll(&self, id: &str, limit: Duration) -> Result<JobState, Failure> {
        self.attempt(&Request::job_poll(&[pair("jobid", id)], limit)).await.and_then(state_in)
    }
}

fn state_in(reply: Reply) -> Result<JobState, Failure> {
    let envelope = reply.envelope.clone();
    JobState::read(reply).ok_or(Failure::Unreadable(ReplyError::Text { status: 200, excerpt: envelope }))
}
