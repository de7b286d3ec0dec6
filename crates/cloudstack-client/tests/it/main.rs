//! The client against a server that cuts, lies and stalls, over real HTTP; the clock is moved by hand.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod clock;
mod faults;
mod jobs;
mod lost;
mod pages;
mod repetition;
mod server;
mod sessions;
mod signing;
mod speed;
mod tls;
mod world;
