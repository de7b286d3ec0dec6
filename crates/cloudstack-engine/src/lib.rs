//! The one door to a cloud: every call of every surface passes it, and nothing leaves beside it.
//!
//! A run: find the command, check its arguments, ask policy, resolve names, preview and approval where the risk asks for
//! them, send, wait, shape, redact, label, receipt, audit. What travels and how is the client's; what a command is, the
//! API's.

mod answer;
mod caller;
mod config;
mod engine;
mod plan;
mod policy;
mod receipt;
mod report;
mod request;
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
    request::{Approval, ApprovalMethod, Details, DescribeRequest, FindRequest, JobRequest, RunRequest, SearchRequest, Shape},
    watch::{Progress, Silent, Watch},
};

pub mod audit;
