//! `cloudstack-mcp`: an MCP server and a command line for Apache CloudStack, with an embedded cloud to try it on.
//!
//! Starts things and decides nothing: what a call may do is the engine's, what a command is the catalog's.

mod cli;
mod embedded;
mod logging;
mod mcp;
mod render;
mod settings;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
