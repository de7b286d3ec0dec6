//! The MCP face of the engine: tools, resources, prompts and the transports they travel over.
//!
//! Knows the protocol and nothing of CloudStack: what a command is, may do and answers comes from the engine and the
//! catalog. The only place that imports `rmcp`.

mod approval;
mod arguments;
#[cfg(feature = "conformance")]
mod fixtures;
mod progress;
mod prompts;
mod reply;
mod resources;
mod server;
mod surface;
mod tools;
mod transport;
mod typed;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use cloudstack_api::clock::Clock;
use cloudstack_engine::{Engine, Report};
use tokio_util::sync::CancellationToken;

use self::{server::Server, surface::Toolbox};

/// How MCP is served.
#[derive(Clone, Debug)]
pub(crate) struct ServeOptions {
    /// Which set of tools clients see.
    pub(crate) surface: Surface,
    /// Only commands of these families; empty for all.
    pub(crate) toolsets: Vec<String>,
    /// Only these tools or commands; empty for all.
    pub(crate) tools: Vec<String>,
    /// Whether only calls of risk `read` may pass.
    pub(crate) read_only: bool,
    /// The address to serve HTTP at; `None` for standard input and output.
    pub(crate) http: Option<SocketAddr>,
    /// Further values of `Host` to answer, besides loopback names: `cloud.example` or `cloud.example:8443`.
    pub(crate) allowed_hosts: Vec<String>,
    /// Further origins of web pages to answer, besides loopback ones: `https://app.example:443`.
    pub(crate) allowed_origins: Vec<String>,
    /// Bearer tokens that let in over HTTP, each with the principal it stands for; empty: no token is asked for.
    pub(crate) bearer_tokens: BTreeMap<String, String>,
    /// Whether an address that others can reach may be served without bearer tokens.
    pub(crate) open_bind: bool,
    /// Tells the time and waits.
    pub(crate) clock: Arc<dyn Clock>,
}

impl ServeOptions {
    /// The compact surface on standard input and output, without limits.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            surface: Surface::Compact,
            toolsets: Vec::new(),
            tools: Vec::new(),
            read_only: false,
            http: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            bearer_tokens: BTreeMap::new(),
            open_bind: false,
            clock,
        }
    }
}

/// Which set of tools clients see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Surface {
    /// A handful of tools over the whole catalog.
    #[default]
    Compact,
    /// One tool a command, besides those to search and to follow jobs.
    Typed,
}

impl Surface {
    /// The word for it in settings and in the audit.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Typed => "typed",
        }
    }
}

/// Serves MCP until the client leaves (standard input ends) or `stop` is cancelled.
///
/// # Errors
///
/// A report of kind `usage` for a toolset or tool that does not exist, of kind `config` for an address that cannot be
/// served.
pub(crate) async fn serve(engine: Engine, options: ServeOptions, stop: CancellationToken) -> Result<(), Report> {
    let toolbox = Toolbox::new(&engine, &options)?;
    let (http, surface) = (options.http, options.surface);
    let server = Server::new(engine, options, toolbox);
    if surface == Surface::Typed {
        // Hundreds of tools take a moment, in which the client is still greeting.
        tokio::spawn(server.clone().prepare());
    }
    match http {
        Some(address) => transport::http::serve(server, address, stop).await,
        None => transport::stdio::serve(server, stop).await,
    }
}
