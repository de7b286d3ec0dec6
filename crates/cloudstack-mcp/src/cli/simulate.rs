//! `simulate`: the embedded cloud as a server for other programs, until it is told to stop.

use std::{fs, net::SocketAddr, path::PathBuf};

use clap::Args;
use cloudstack_engine::{Report, ReportKind};
use cloudstack_sim::{Gate, Identity, JobSpeed, Trouble, WorldOptions};
use serde_json::{Value, json};

use super::{Context, Failure, Verb};
use crate::{
    embedded::{self, Embedded, Kept, Place},
    render::Tint,
    settings::{EmbeddedCloud, Flags, Format, Speed},
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
    /// Keep the world in this file: it is there again at the next start, whatever ended this one
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Start from a world that was exported
    #[arg(long, value_name = "FILE")]
    import: Option<PathBuf>,
    /// Export the world to this file when it ends
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Something that goes wrong from the start, such as `host-down=host-1` or `job-fails=stopVirtualMachine`; can be repeated
    #[arg(long, value_name = "TROUBLE", value_parser = |line: &str| line.parse::<Trouble>())]
    trouble: Vec<Trouble>,
    /// A file with the token that the administrative endpoint asks for; without it only programs on this machine may use it
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// Print a configuration for CloudMonkey with a profile for each identity, and end
    #[arg(long, conflicts_with = "print_env")]
    print_cmk_config: bool,
    /// Print the variables that Terraform, Ansible, `cs` and the SDKs read, and end
    #[arg(long)]
    print_env: bool,
}

impl Verb for Simulate {
    const NAME: &'static str = "simulate";

    fn flags(&self, flags: &mut Flags) {
        let given = [("embedded.seed", &self.seed), ("embedded.vms", &self.vms), ("embedded.speed", &self.speed)];
        flags.extend(given.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text.clone()?))));
    }

    async fn run(self, context: &Context) -> Result<(), Failure> {
        let (place, settings) = self.asked(context)?;
        if self.print_cmk_config || self.print_env {
            let made = embedded::make(&settings, &place)?;
            let url = embedded::url(self.listen);
            let identity = &context.settings.embedded.identity;
            let text = if self.print_env { variables(&url, &made.identities(), identity)? } else { cmk_config(&url, &made.identities(), identity) };
            return Ok(context.screen.line(&text)?);
        }
        let cloud = embedded::start(&settings, place).await?;
        cloud.warnings.iter().for_each(|warning| context.screen.warning(warning));
        for trouble in &self.trouble {
            let holds = cloud.cloud.troubles().iter().any(|active| active.trouble == *trouble);
            if !holds {
                cloud.cloud.trouble(trouble.clone()).map_err(|fault| embedded::report(&fault))?;
            }
        }
        self.show(context, &cloud)?;
        until_stopped().await;
        context.stop.cancel();
        if let Some(file) = &self.export {
            cloud.cloud.export_to(file).map_err(|fault| embedded::report(&fault))?;
        }
        cloud.cloud.compact().map_err(|fault| embedded::report(&fault))?;
        Ok(())
    }
}

impl Simulate {
    /// What is asked for: what a file that is there says of its world need not be said again.
    fn asked(&self, context: &Context) -> Result<(Place, EmbeddedCloud), Report> {
        let unread = |file: &PathBuf, fault: std::io::Error| Report::new(ReportKind::Config, format!("`{}` cannot be read: {fault}", file.display()));
        let import = match &self.import {
            Some(file) => Some(fs::read_to_string(file).map_err(|fault| unread(file, fault))?),
            None => None,
        };
        let of_state = self.state.as_deref().map(cloudstack_sim::kept_options).transpose().map_err(|fault| embedded::report(&fault))?.flatten();
        if let (Some(file), Some(_), Some(_)) = (&self.state, &of_state, &import) {
            let report = Report::new(ReportKind::Config, format!("`{}` keeps a world already, and an import would take its place", file.display()));
            return Err(report.hint("name a file that is not there yet, or leave `--import` out"));
        }
        let of_import = import.as_deref().map(cloudstack_sim::exported_options).transpose().map_err(|fault| embedded::report(&fault))?;
        let mut settings = context.settings.embedded.clone();
        let mut release = context.settings.general.release;
        if let Some(there) = of_state.or(of_import) {
            self.follow(&there, &mut settings);
            release = release.or(Some(there.release));
        }
        let kept = Kept { state: self.state.clone(), import };
        let clock = std::sync::Arc::clone(&context.clock);
        Ok((Place { address: self.listen, clock, stop: context.stop.clone(), gate: self.gate()?, release, kept }, settings))
    }

    /// Takes over what a world was made with and no flag says differently.
    fn follow(&self, there: &WorldOptions, settings: &mut EmbeddedCloud) {
        if self.seed.is_none() {
            settings.seed = there.seed;
        }
        if self.vms.is_none() {
            settings.vms = there.vms;
        }
        if self.speed.is_none() {
            settings.speed = match there.tuning.speed {
                JobSpeed::Normal => Speed::Normal,
                JobSpeed::Instant => Speed::Instant,
            };
        }
    }

    fn show(&self, context: &Context, cloud: &Embedded) -> Result<(), Failure> {
        let identity = |identity: &Identity| {
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
                let fate = match &self.state {
                    Some(file) => format!("and its world stays in `{}`", file.display()),
                    None => "and its world with it".to_owned(),
                };
                if let Some(admin) = cloud.identities.first() {
                    let variables = format!("CLOUDSTACK_API_URL={} CLOUDSTACK_API_KEY={} CLOUDSTACK_SECRET_KEY={}", cloud.url, admin.api_key, admin.secret_key);
                    screen.line(&format!("\nFor example:\n  {variables} cloudstack-mcp run listZones\n\nIt ends with Ctrl-C, {fate}."))?;
                }
            }
        }
        if !self.listen.ip().is_loopback() {
            screen.warning("others can reach this cloud, and its keys follow from the seed: put nothing into it that matters");
        }
        Ok(())
    }

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

/// CloudMonkey's configuration: a profile for each identity, one of them in use.
fn cmk_config(url: &str, identities: &[Identity], used: &str) -> String {
    let mut text = format!(
        "prompt       = \u{1f412}\nasyncblock   = true\ntimeout      = 1800\noutput       = json\nverifycert   = true\nprofile      = {used}\nautocomplete = true\npostrequest  = true\n"
    );
    for Identity { name, domain, api_key, secret_key, username, password, .. } in identities {
        let path = domain.trim_start_matches("ROOT");
        let path = if path.is_empty() { "/" } else { path };
        text.push_str(&format!(
            "\n[{name}]\nurl       = {url}\nusername  = {username}\npassword  = {password}\ndomain    = {path}\napikey    = {api_key}\nsecretkey = {secret_key}\n"
        ));
    }
    text.trim_end().to_owned()
}

/// The variables of other clients: the Terraform provider and the Go SDK read the first three, `cs` and Ansible the others.
fn variables(url: &str, identities: &[Identity], used: &str) -> Result<String, Report> {
    let found = identities.iter().find(|identity| identity.name == used);
    let found = found.ok_or_else(|| Report::new(ReportKind::Config, format!("the embedded cloud has no identity `{used}`")))?;
    let (key, secret) = (&found.api_key, &found.secret_key);
    let pairs = [
        ("CLOUDSTACK_API_URL", url),
        ("CLOUDSTACK_API_KEY", key),
        ("CLOUDSTACK_SECRET_KEY", secret),
        ("CLOUDSTACK_ENDPOINT", url),
        ("CLOUDSTACK_KEY", key),
        ("CLOUDSTACK_SECRET", secret),
    ];
    let lines: Vec<String> = pairs.iter().map(|(name, value)| format!("export {name}={value}")).collect();
    Ok(lines.join("\n"))
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
