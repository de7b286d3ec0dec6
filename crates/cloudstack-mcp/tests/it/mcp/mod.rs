//! The MCP server as clients meet it: the built binary over standard input and output, and over HTTP.

mod approvals;
mod calls;
mod http;
mod protocol;
mod session;
mod surface;
