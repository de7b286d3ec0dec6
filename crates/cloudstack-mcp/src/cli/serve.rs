//! `serve`: the MCP server.

use std::sync::Arc;

use clap::Args;

use super::{Context, Failure, Verb, simulate::until_stopped};
use crate::{
    mcp::{self, ServeOptions, Surface},
    settings::{Flags, Origin, SurfaceName},
};

/// Serve MCP on standard input and output, or over HTTP
#[derive(Args)]
pub(super) struct Serve {
    /// The tools that clients see: `compact` (about ten over the whole catalog) or `typed` (one a command)
    #[arg(long, value_name = "SURFACE", value_parser = super::words(SurfaceName::WORDS))]
    surface: Option<String>,
    /// Serve over HTTP at this address, path /mcp
    #[arg(long, value_name = "ADDR:PORT")]
    http: Option<String>,
    /// Only commands of these families, or `all`; `cloudstack-mcp search --families` lists them
    #[arg(long, value_name = "A,B")]
    toolsets: Option<String>,
    /// Only these tools
    #[arg(long, value_name = "X,Y")]
    tools: Option<String>,
    /// Further profiles that callers may name
    #[arg(long, value_name = "A,B")]
    profiles: Option<String>,
    /// Further values of the `Host` header to answer
    #[arg(long, value_name = "A,B")]
    allowed_hosts: Option<String>,
    /// Further web origins to answer
    #[arg(long, value_name = "A,B")]
    allowed_origins: Option<String>,
    /// Serve an address that others can reach without asking for tokens
    #[arg(long)]
    allow_anonymous: bool,
    /// Virtual machines of the embedded cloud besides the handful that are always there
    #[arg(long, value_name = "N")]
    vms: Option<String>,
    /// Seed of the embedded cloud's world
    #[arg(long, value_name = "N")]
    seed: Option<String>,
}

impl Verb for Serve {
    const NAME: &'static str = "serve";

    fn flags(&self, flags: &mut Flags) {
        let given = [
            ("serve.surface", &self.surface),
            ("serve.http", &self.http),
            ("serve.toolsets", &self.toolsets),
            ("serve.tools", &self.tools),
            ("serve.profiles", &self.profiles),
            ("serve.allowed_hosts", &self.allowed_hosts),
            ("serve.allowed_origins", &self.allowed_origins),
            ("embedded.vms", &self.vms),
            ("embedded.seed", &self.seed),
        ];
        flags.extend(given.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text.clone()?))));
        if self.allow_anonymous {
            flags.insert("serve.allow_anonymous".to_owned(), "true".to_owned());
        }
    }

    async fn run(self, context: &Context) -> Result<(), Failure> {
        let settings = &context.settings;
        let mut entries = vec![settings.selected()?];
        for name in &settings.serve.profiles {
            let entry = settings.entry(name)?;
            if entries.iter().all(|known| known.name != entry.name) {
                entries.push(entry);
            }
        }
        let is_embedded = entries.first().is_some_and(|entry| entry.origin == Origin::Embedded);
        let engine = context.engine_for(entries).await?;
        if is_embedded {
            tracing::info!("no profile is configured: calls go to the embedded cloud of this process");
        }
        let options = options(context)?;
        let stop = context.stop.clone();
        tokio::spawn(async move {
            until_stopped().await;
            stop.cancel();
        });
        Ok(mcp::serve(engine, options, context.stop.clone()).await?)
    }
}

fn options(context: &Context) -> Result<ServeOptions, Failure> {
    let serve = &context.settings.serve;
    let mut options = ServeOptions::new(Arc::clone(&context.clock));
    options.surface = match serve.surface {
        SurfaceName::Compact => Surface::Compact,
        SurfaceName::Typed => Surface::Typed,
    };
    options.http = serve.http;
    options.toolsets.clone_from(&serve.toolsets);
    options.tools.clone_from(&serve.tools);
    options.read_only = context.settings.general.read_only;
    options.allowed_hosts.clone_from(&serve.allowed_hosts);
    options.allowed_origins.clone_from(&serve.allowed_origins);
    options.open_bind = serve.allow_anonymous;
    options.bearer_tokens = context.settings.bearer_tokens()?;
    Ok(options)
}
