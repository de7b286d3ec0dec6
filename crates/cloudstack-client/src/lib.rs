//! How a call travels to a CloudStack server: authentication, HTTP, repetition, pages, jobs.
//!
//! [`Client`] is one way to one server as one identity. It decides nothing about what may be called and changes nothing
//! about what is answered. Two promises shape it: a write is never sent again once a byte of it may have left, and what
//! nobody knows is reported as unknown. The wire facts that it follows are those of the API crate.

mod auth;
mod client;
mod clock;
mod credentials;
mod endpoint;
mod error;
mod http;
mod job;
mod lost;
mod pace;
mod pages;
mod request;
mod retry;
mod session;
mod tls;

pub use secrecy::SecretString;

pub use self::{
    client::Client,
    clock::SystemClock,
    credentials::Credentials,
    endpoint::{DigestChoice, Endpoint, HttpMethod, Timeouts},
    error::{ConfigFault, Error, Sent, Source, Trace, UnreachableKind},
    job::{Instance, JobOutcome, JobState, JobStatus, JobWait},
    pages::{ListLimits, Listing},
};
