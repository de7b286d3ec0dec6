//! Trouble on demand: what goes wrong in an embedded cloud because somebody asked for it, until it is lifted.
//!
//! Real clouds fail in ways that tests and training need and that nobody can wait for. Each trouble is a value; what it
//! does to the world is in `effect.rs`, and how calls are counted in `throttle.rs`. Failures that follow from what callers
//! do (a limit, a wrong state) are no trouble: they belong to the kinds.

mod effect;
mod spec;
mod throttle;

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

pub(crate) use self::{
    effect::{Burden, FULL, STUCK, bury},
    throttle::Throttle,
};
use crate::{error::Error, refusal::Refusal, turn::Server, world::World};

/// The longest that an answer can be held back.
pub const SLOW_MAX: Duration = Duration::from_secs(300);
/// The codes that jobs fail with on real servers.
const JOB_CODES: [u16; 2] = [431, 530];
/// What a failure says if it was not told what to say.
pub(crate) const FAILURE_TEXT: &str = "Simulated failure";

/// Something that goes wrong. In JSON its name is in `kind`, in kebab case, and its fields stand beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Trouble {
    /// A host dies: it goes to `Alert`, then to `Down`; machines with high availability start elsewhere, others stop.
    /// Lifting it brings the host back, empty.
    HostDown {
        /// The host's name or id.
        host: String,
    },
    /// Primary storage has no room: what would be placed on it fails.
    StorageFull {
        /// The pool's name or id; all pools without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pool: Option<String>,
    },
    /// Routers do not answer: their health checks fail, and so does what would change their rules.
    RouterStuck {
        /// The router's name or id; all routers without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        router: Option<String>,
    },
    /// The next jobs stay pending, and so do those that queue behind them on the same object. Lifting it lets them go on.
    JobStuck {
        /// The command whose jobs are meant; any without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<String>,
        /// How many jobs.
        #[serde(default = "once")]
        times: u32,
    },
    /// The next jobs fail at their end.
    JobFails(Failure),
    /// The next calls are refused at once.
    CallFails(Failure),
    /// The management server starts again: pending jobs are cut off without a result, and sessions end. Over at once.
    Restart,
    /// Accounts other than root admins' may make so many calls in a time.
    Throttle {
        /// How many calls.
        max: u32,
        /// The time, in milliseconds.
        #[serde(default = "second")]
        interval_milliseconds: u64,
    },
    /// Answers take longer.
    Slow {
        /// By how much, in milliseconds.
        milliseconds: u64,
        /// The command whose answers are meant; all without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<String>,
    },
}

/// How jobs or calls fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The command that is meant; any without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The error code: of jobs 431 or 530, of calls that or any other that CloudStack has.
    #[serde(default = "failed")]
    pub code: u16,
    /// The error text; what real servers were seen to say, or a general one, without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The state that the job's object is left in; without it the one it had before, or `Error` for an object in the making.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// How often.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

fn second() -> u64 {
    1_000
}

fn failed() -> u16 {
    530
}

impl Default for Failure {
    fn default() -> Self {
        Self { command: None, code: failed(), text: None, state: None, times: once() }
    }
}

/// A trouble that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveTrouble {
    /// Its number, by which it is lifted.
    pub number: u64,
    /// What it is.
    #[serde(flatten)]
    pub trouble: Trouble,
    /// How many more jobs or calls it meets; absent for what does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<u32>,
}

/// All troubles of a world.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Troubles {
    active: Vec<ActiveTrouble>,
    sequence: u64,
    /// The rows that each marked, by their names.
    marked: BTreeMap<u64, Vec<String>>,
    /// How often one was met.
    met: u64,
}

impl Trouble {
    /// The command that it is about.
    fn command(&self) -> Option<&str> {
        match self {
            Self::JobStuck { command, .. } | Self::Slow { command, .. } => command.as_deref(),
            Self::JobFails(failure) | Self::CallFails(failure) => failure.command.as_deref(),
            Self::HostDown { .. } | Self::StorageFull { .. } | Self::RouterStuck { .. } | Self::Restart | Self::Throttle { .. } => None,
        }
    }

    /// How many jobs or calls it meets.
    fn times(&self) -> Option<u32> {
        match self {
            Self::JobStuck { times, .. } => Some(*times),
            Self::JobFails(failure) | Self::CallFails(failure) => Some(failure.times),
            Self::HostDown { .. } | Self::StorageFull { .. } | Self::RouterStuck { .. } | Self::Restart | Self::Throttle { .. } | Self::Slow { .. } => None,
        }
    }

    /// Finds what is wrong with it, whatever the world.
    fn check(&self, server: &Server) -> Result<(), Error> {
        if let Some(command) = self.command().filter(|command| server.catalog.command(command).is_none()) {
            return Err(Error::NotFound { what: "command", name: command.to_owned() });
        }
        if self.times() == Some(0) {
            return Err(Error::invalid("`times` must be at least 1"));
        }
        match self {
            Self::JobFails(failure) if !JOB_CODES.contains(&failure.code) => {
                Err(Error::invalid(format!("jobs fail with 431 or 530, not with `{}`", failure.code)))
            }
            Self::CallFails(failure) if !(400..600).contains(&failure.code) => {
                Err(Error::invalid(format!("calls are refused with a code from 400 to 599, not with `{}`", failure.code)))
            }
            Self::Throttle { max: 0, .. } | Self::Throttle { interval_milliseconds: 0, .. } => {
                Err(Error::invalid("`max` and `interval_milliseconds` must be at least 1"))
            }
            Self::Slow { milliseconds, .. } if Duration::from_millis(*milliseconds) > SLOW_MAX => {
                Err(Error::invalid(format!("answers can be held back for {} s at most", SLOW_MAX.as_secs())))
            }
            _ => Ok(()),
        }
    }
}

impl Troubles {
    /// The troubles that hold, oldest first.
    pub(crate) fn active(&self) -> &[ActiveTrouble] {
        &self.active
    }

    /// Something that differs whenever a trouble began, ended or was met.
    pub(crate) fn mark(&self) -> u64 {
        let active = self.active.iter().fold(self.sequence, |mark, active| mark.wrapping_mul(31).wrapping_add(active.number));
        active.wrapping_mul(31).wrapping_add(self.met)
    }

    fn is_for(trouble: &Trouble, command: &str) -> bool {
        trouble.command().is_none_or(|meant| meant == command)
    }

    /// Uses one of a trouble that counts; it is over with its last.
    fn meet(&mut self, fits: impl Fn(&Trouble) -> bool) -> Option<ActiveTrouble> {
        let at = self.active.iter().position(|active| active.left.is_some_and(|left| left > 0) && fits(&active.trouble))?;
        let active = self.active.get_mut(at)?;
        active.left = active.left.map(|left| left - 1);
        self.met += 1;
        let met = active.clone();
        // What holds jobs stays until it is lifted, however many more it would hold.
        if met.left == Some(0) && !matches!(met.trouble, Trouble::JobStuck { .. }) {
            self.active.remove(at);
        }
        Some(met)
    }

    /// The trouble that keeps a job of this command from going on.
    pub(crate) fn holds_job(&mut self, command: &str) -> Option<u64> {
        self.meet(|trouble| matches!(trouble, Trouble::JobStuck { .. }) && Self::is_for(trouble, command)).map(|met| met.number)
    }

    /// How a job of this command fails.
    pub(crate) fn fails_job(&mut self, command: &str) -> Option<Failure> {
        match self.meet(|trouble| matches!(trouble, Trouble::JobFails(_)) && Self::is_for(trouble, command))?.trouble {
            Trouble::JobFails(failure) => Some(failure),
            _ => None,
        }
    }

    /// How a call of this command is refused.
    pub(crate) fn fails_call(&mut self, command: &str) -> Option<Refusal> {
        match self.meet(|trouble| matches!(trouble, Trouble::CallFails(_)) && Self::is_for(trouble, command))?.trouble {
            Trouble::CallFails(failure) => {
                let text = failure.text.unwrap_or_else(|| FAILURE_TEXT.to_owned());
                Some(Refusal { code: failure.code, ..Refusal::failed(text) })
            }
            _ => None,
        }
    }

    /// How much longer an answer to this command takes.
    pub(crate) fn delay(&self, command: Option<&str>) -> Duration {
        let slow = self.active.iter().filter_map(|active| match &active.trouble {
            Trouble::Slow { milliseconds, command: meant } if meant.is_none() || meant.as_deref() == command => Some(*milliseconds),
            _ => None,
        });
        slow.max().map(Duration::from_millis).unwrap_or_default()
    }
}

impl World {
    /// Lets a trouble begin and answers with its number.
    pub(crate) fn begin(&mut self, trouble: Trouble, server: &Server) -> Result<u64, Error> {
        trouble.check(server)?;
        let marked = effect::begin(self, &trouble, server)?;
        let marked = marked.into_iter().map(|row| self.reference(row)).collect();
        self.troubles.sequence += 1;
        let number = self.troubles.sequence;
        if trouble != Trouble::Restart {
            let left = trouble.times();
            self.troubles.active.push(ActiveTrouble { number, trouble, left });
            self.troubles.marked.insert(number, marked);
        }
        Ok(number)
    }

    /// Lifts a trouble.
    pub(crate) fn lift(&mut self, number: u64) -> Result<(), Error> {
        let at = self.troubles.active.iter().position(|active| active.number == number);
        let Some(at) = at else { return Err(Error::NotFound { what: "trouble", name: number.to_string() }) };
        let lifted = self.troubles.active.remove(at);
        let marked = self.troubles.marked.remove(&number).unwrap_or_default();
        let rows = marked.iter().filter_map(|name| self.referred(name)).collect();
        effect::end(self, &lifted, rows);
        Ok(())
    }
}
