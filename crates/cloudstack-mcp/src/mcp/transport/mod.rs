//! How messages of the protocol travel: one file a transport.

pub(super) mod http;
pub(super) mod stdio;
