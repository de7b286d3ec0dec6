//! What is asked of the engine.

use std::time::Duration;

use cloudstack_api::catalog::{Release, Risk, RoleType};
use serde_json::{Map, Value};

use crate::caller::Caller;

/// A command to run.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// The command's name, in any case, also in snake case.
    pub command: String,
    /// The arguments in natural JSON; names may stand for ids.
    pub arguments: Map<String, Value>,
    /// The profile; `None` for the default one.
    pub profile: Option<String>,
    /// How the result is cut to size.
    pub shape: Shape,
    /// How long to wait for a job: `None` for the default budget, zero for not at all.
    pub wait: Option<Duration>,
    /// A person's consent to the plan of this very call.
    pub approval: Option<Approval>,
    /// Who asks.
    pub caller: Caller,
}

impl RunRequest {
    /// A request with default profile, shape and budget.
    pub fn new(command: impl Into<String>, arguments: Map<String, Value>, caller: Caller) -> Self {
        Self { command: command.into(), arguments, profile: None, shape: Shape::default(), wait: None, approval: None, caller }
    }
}

/// How a result is cut to size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// The fields to keep, dotted through objects and arrays: `nic.ipaddress`. Empty for all.
    pub fields: Vec<String>,
    /// The most items of a list to give.
    pub limit: Option<usize>,
    /// Whether only the number of items is wanted.
    pub count_only: bool,
}

/// A person's consent to one plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The seal of the plan.
    pub seal: String,
    /// What the person typed, where the plan asks for a name.
    pub typed: Option<String>,
    /// How the person was asked.
    pub method: ApprovalMethod,
}

/// How a person was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApprovalMethod {
    /// By a form of the MCP client.
    Form,
    /// At the terminal.
    Terminal,
    /// By handing the seal back in a second call.
    Token,
}

impl ApprovalMethod {
    /// The word for it in the audit.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Terminal => "terminal",
            Self::Token => "token",
        }
    }
}

/// Words for which commands are wanted.
#[derive(Clone, Debug, Default)]
pub struct SearchRequest {
    /// What is wanted, in anybody's words.
    pub query: String,
    /// Only commands of this family.
    pub family: Option<String>,
    /// Only commands of at most this risk.
    pub risk_max: Option<Risk>,
    /// Only commands that the default role of this type may call.
    pub role: Option<RoleType>,
    /// The release whose commands count; `None` for that of the profile.
    pub release: Option<Release>,
    /// The most commands to give; `None` for the default.
    pub limit: Option<usize>,
    /// The profile whose release counts; `None` for the default one.
    pub profile: Option<String>,
}

/// A command to be described.
#[derive(Clone, Debug, Default)]
pub struct DescribeRequest {
    /// The command's name, in any case, also in snake case.
    pub command: String,
    /// How much to tell.
    pub details: Details,
    /// The profile whose release counts; `None` for the default one.
    pub profile: Option<String>,
}

/// How much a description tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Details {
    /// What it does, and required and common parameters with their texts; the others by name.
    #[default]
    Brief,
    /// Every parameter with its text and values, the fields of the reply, examples, roles.
    Full,
}

/// A job to ask about.
#[derive(Clone, Debug)]
pub struct JobRequest {
    /// The job's id; `None` for a list of the caller's unfinished jobs.
    pub job: Option<String>,
    /// How long to wait for its end; `None` for not at all.
    pub wait: Option<Duration>,
    /// How its result is cut to size.
    pub shape: Shape,
    /// The profile; `None` for the default one.
    pub profile: Option<String>,
    /// Who asks.
    pub caller: Caller,
}

/// Objects to be found, whatever their kind.
#[derive(Clone, Debug)]
pub struct FindRequest {
    /// A name or part of one, an address, or an id.
    pub text: String,
    /// Only these kinds (`virtual machine`, `volume`, …); empty for all that people look for.
    pub kinds: Vec<String>,
    /// The most objects of one kind to give; `None` for the default.
    pub limit: Option<usize>,
    /// The profile; `None` for the default one.
    pub profile: Option<String>,
    /// Who asks.
    pub caller: Caller,
}
