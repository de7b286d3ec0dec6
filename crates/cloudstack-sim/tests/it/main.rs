//! The embedded cloud, seen from outside: what it answers to requests, without HTTP where HTTP does not matter.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "figures are for people who run the tests with their output")]

mod catalog;
mod factors;
mod front;
mod keep;
mod life;
mod lists;
mod places;
mod pulse;
mod replay;
mod rules;
mod scene;
mod selfacting;
mod services;
mod signatures;
mod speed;
mod tenancy;
mod time;
mod traffic;
mod trouble;
mod verify;
mod walk;
