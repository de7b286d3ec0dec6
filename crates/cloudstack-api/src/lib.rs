//! The Apache CloudStack API: what its commands are and how requests and replies are spelled.
//!
//! Pure: no I/O, no async, no environment, and it never asks the time (a [`clock::Clock`] is handed in where one is
//! needed). Everything that CloudStack declares comes from the tables in `catalog/`; no Rust here names a command.

pub mod call;
pub mod catalog;
pub mod clock;
pub mod reply;
pub mod roles;
pub mod schema;
pub mod search;
pub mod wire;
