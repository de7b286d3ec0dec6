//! The binary as people, programs and MCP clients meet it.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod cli;
mod mcp;
