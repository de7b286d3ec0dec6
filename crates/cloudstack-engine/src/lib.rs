//! The one door to a cloud: every call of every surface passes it, and nothing leaves beside it.
//!
//! A run: find the command, check its arguments, ask policy, resolve names, preview and approval where the risk asks for
//! them, send, wait, shape, redact, label, receipt, audit. What travels and how is the client's; what a command is, the
//! API's.

mod answer;
mod caller;
mod config;
mod connection;
mod core;
mod description;
mod doctor;
mod door;
mod engine;
mod explain;
mod finding;
mod identity;
mod jobs;
mod label;
mod plan;
mod policy;
mod preview;
mod receipt;
mod redact;
mod report;
mod request;
mod resolve;
mod results;
mod seal;
mod shape;
mod survey;
mod views;
mod visit;
mod watch;

pub use cloudstack_client::SystemClock;

pub use self::{
    answer::{Answer, Check, CheckStatus, Diagnosis, Found, FoundCommand, Outcome},
    caller::{Caller, Scope},
    config::{ApprovalMode, ApprovalSettings, Config, Credentials, DigestChoice, HttpMethod, Limits, Profile, ProfileSummary, SecretString, Timeouts},
    engine::Engine,
    plan::{Dependent, Plan, Target},
    policy::{Action, Policy, Rule},
    receipt::Receipt,
    report::{Report, ReportKind},
    request::{Approval, ApprovalMethod, DescribeRequest, Details, FindRequest, JobRequest, RunRequest, SearchRequest, Shape},
    watch::{Progress, Silent, Watch},
};

pub mod audit;
