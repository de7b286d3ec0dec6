//! `simulate`: the embedded cloud as a server for other programs, until it is told to stop.

use std::{fs, net::SocketAddr, path::PathBuf};

use clap::Args;
use cloudstack_engine::{Report, ReportKind};
use cloudstack_sim::{Gate, Trouble};
use serde_json::{Value, json};

use super::{Context, Failure, Verb};
use crate::{
    render::Tint,
    settings::{Flags, Format, Speed},
};

/// The shortest token that is taken: shorter ones can be guessed.
const TOKEN_CHARACTERS_MIN: usize = 16;

/// Serve the embedded cloud to other programs
#[derive(Args)]
pub(super) struct Simulate {
    /// Where to listen; port 0 for any that is free
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Seed of the world: the same seed makes the same names, ids and keys
    #[arg(long, value_name = "N")]
    seed: Option<String>,
    /// Virtual machines besides the handful that are always there
    #[arg(long, value_name = "N")]
    vms: Option<String>,
    /// How long its jobs take
    #[arg(long, value_name = "SPEED", value_parser = super::words(Speed::WORDS))]
    speed: Option<String>,
    /// Something that goes wrong from the start, such as `host-down=host-1` or `job-fails=stopVirtualMachine`; can be repeated
    #[arg(long, value_name = "TROUBLE", value_parser = |line: &str| line.parse::<Trouble>())]
    trouble: Vec<Trouble>,
    /// A file with the token that the administrative endpoint asks for; without it only programs on this machine may use it
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
}

impl Verb for Simulate {
    const NAME: &'static str = "simulate";

    fn flags(&self, flags: &mut Flags) {
        let given = [("embedded.seed", &self.seed), ("embedded.vms", &self.vms), ("embedded.speed", &self.speed)];
        flags.extend(given.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text.clone()?))));
    }

    async fn run(self, context: &Context) -> Result<(), Failure> {
        let cloud = context.cloud(self.listen, self.gate()?).await?;
        for trouble in self.trouble {
            cloud.cloud.trouble(trouble).map_err(|fault| Report::new(ReportKind::Usage, fault.to_string()))?;
        }
        let identity = |identity: &cloudstack_sim::Identity| {
            json!({
                "name": identity.name, "role": identity.role, "account": identity.account, "domain": identity.domain,
                "apikey": identity.api_key, "secretkey": identity.secret_key,
            })
        };
        let identities: Vec<Value> = cloud.identities.iter().map(identity).collect();
        let screen = &context.screen;
        match screen.format {
            Format::Json => screen.json_line(&json!({"url": cloud.url, "identities": identities}))?,
            Format::Csv | Format::Table => screen.answer(&json!({"items": identities}), &[])?,
            Format::Human => {
                screen.line(&format!("A CloudStack in memory at {}\n", screen.paint().tint(Tint::Strong, &cloud.url)))?;
                let columns = ["name", "role", "account", "domain", "apikey", "secretkey"].map(str::to_owned);
                screen.answer(&Value::Array(identities), &columns)?;
                if let Some(admin) = cloud.identities.first() {
                    let variables = format!("CLOUDSTACK_API_URL={} CLOUDSTACK_API_KEY={} CLOUDSTACK_SECRET_KEY={}", cloud.url, admin.api_key, admin.secret_key);
                    screen.line(&format!("\nFor example:\n  {variables} cloudstack-mcp run listZones\n\nIt ends with Ctrl-C, and its world with it."))?;
                }
            }
        }
        if !self.listen.ip().is_loopback() {
            screen.warning("others can reach this cloud, and its keys follow from the seed: put nothing into it that matters");
        }
        until_stopped().await;
        context.stop.cancel();
        Ok(())
    }
}

impl Simulate {
    /// Who may use the administrative endpoint.
    fn gate(&self) -> Result<Gate, Report> {
        let Some(file) = &self.admin_token_file else { return Ok(Gate::Loopback) };
        let shown = file.display();
        let text = fs::read_to_string(file).map_err(|fault| Report::new(ReportKind::Config, format!("the token file `{shown}` cannot be read: {fault}")))?;
        let token = text.trim();
        if token.len() < TOKEN_CHARACTERS_MIN {
            return Err(Report::new(ReportKind::Config, format!("the token in `{shown}` is shorter than {TOKEN_CHARACTERS_MIN} characters")));
        }
        Ok(Gate::Token(token.to_owned()))
    }
}

/// Waits until the process is asked to end.
pub(super) async fn until_stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut end) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = end.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        // Without signals nothing can ask: then the process lives until it is killed.
        std::future::pending::<()>().await;
    }
}
