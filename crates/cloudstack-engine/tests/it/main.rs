//! The engine against the embedded cloud, over real HTTP.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod approvals;
mod audit;
mod finding;
mod jobs;
mod lab;
mod names;
mod policy;
mod reading;
mod secrets;
mod usage;
