//! The binary as people, programs and MCP clients meet it.

mod cli;
mod mcp;
