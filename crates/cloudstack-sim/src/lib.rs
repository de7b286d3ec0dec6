//! A CloudStack in memory: people try the program on it, and every test leans on it.
//!
//! It behaves on the wire as recorded servers do: signatures, sessions, roles, envelopes, codes, jobs, events, paging.
//! It simulates no hypervisor. What it knows is gone with the process, unless it is kept in a file.

mod arguments;
mod auth;
mod cloud;
mod collation;
mod coverage;
mod dates;
mod demands;
mod error;
mod events;
mod generic;
mod gone;
mod http;
mod instance;
mod jobs;
mod json;
mod keep;
mod kind;
mod late;
mod list;
mod nouns;
mod options;
mod refusal;
pub mod replay;
mod sample;
mod sandbox;
mod trouble;
mod turn;
mod world;

pub use crate::{
    cloud::{Cloud, Identity, Method, WireAnswer, WireRequest},
    coverage::{How, coverage},
    error::Error,
    http::serve,
    keep::{Recovery, exported_options, kept_options},
    options::{JobSpeed, Plugins, Scene, TimeMode, Tuning, WorldOptions},
    sandbox::{Gate, serve_with},
    trouble::{ActiveTrouble, Failure, SLOW_MAX, Trouble},
};
