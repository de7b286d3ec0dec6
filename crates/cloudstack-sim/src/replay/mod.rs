//! Plays recorded exchanges with a real server against the embedded cloud and says where the two differ.
//!
//! What is compared: HTTP status, envelope, object key, the set of fields and their JSON types (in objects and in the
//! items of lists), states, enums and flags, error codes, results of jobs, counts of lists. What is not: text for
//! people, times, ids, addresses, and order where a server defines none. No files are read here: recordings come as text.

mod align;
mod caller;
mod compare;
mod ids;
mod injected;
mod play;
mod ratchet;
mod recording;
mod reduce;
mod tally;

pub use self::{
    play::{Replayer, Verdict},
    ratchet::{Ratchet, Shift},
    recording::{Body, Exchange, Recording, RecordingError, in_order},
    reduce::Secrets,
    tally::{Figure, Tally},
};
