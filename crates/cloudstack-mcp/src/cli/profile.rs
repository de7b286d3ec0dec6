//! `profile`: where and as whom. No secret is ever shown, nor taken from the command line, where others can read it.

use std::{io::Read as _, path::PathBuf};

use clap::{Args, Subcommand};
use cloudstack_engine::{Report, ReportKind};
use serde_json::{Value, json};

use super::{Context, Failure, Verb};
use crate::settings::{Edit, Entry, Format, Origin, SecretSource, write};

/// The largest secret that is read from standard input.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// List, show, add, choose, remove, import and test profiles
#[derive(Args)]
pub(super) struct Profile {
    #[command(subcommand)]
    verb: ProfileVerb,
}

#[derive(Subcommand)]
enum ProfileVerb {
    /// List the profiles of every source
    List,
    /// Show a profile without its secrets
    Show {
        /// Its name; the one in use without it
        name: Option<String>,
    },
    /// Add a profile; its secret key is asked for without echo, or read from standard input, a file or a command
    Add(Add),
    /// Make a profile the default
    Use {
        /// Its name
        name: String,
    },
    /// Remove a profile from the settings file
    Remove {
        /// Its name
        name: String,
    },
    /// Copy a profile of another client's file, or of the environment, into the settings file
    Import {
        /// `cmk:NAME`, `cs:REGION`, `env`, or a plain name if only one has it
        source: String,
        /// What to call it
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// Tell as whom and where calls of a profile are made
    Test {
        /// Its name; the one in use without it
        name: Option<String>,
    },
}

#[derive(Args)]
struct Add {
    /// What to call it
    name: String,
    /// The URL of the API, such as https://cloud.example/client/api
    #[arg(long)]
    url: String,
    /// The API key
    #[arg(long, value_name = "KEY", conflicts_with = "username")]
    api_key: Option<String>,
    /// A file that holds the secret key
    #[arg(long, value_name = "FILE", conflicts_with = "secret_key_command")]
    secret_key_file: Option<PathBuf>,
    /// A command that prints the secret key
    #[arg(long, value_name = "COMMAND")]
    secret_key_command: Option<String>,
    /// The user's name, where there are no keys; the password is asked for
    #[arg(long, value_name = "USER")]
    username: Option<String>,
    /// The domain's path for a log-in by password
    #[arg(long, value_name = "PATH", requires = "username")]
    domain: Option<String>,
    /// A file of PEM certificates to trust besides those of the platform
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Do not verify the server's certificate: anybody in between can then read and change everything
    #[arg(long)]
    insecure: bool,
}

impl Verb for Profile {
    const NAME: &'static str = "profile";

    async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.verb {
            ProfileVerb::List => list(context),
            ProfileVerb::Show { name } => show(context, name.as_deref()),
            ProfileVerb::Add(add) => put(context, &add),
            ProfileVerb::Use { name } => choose(context, &name),
            ProfileVerb::Remove { name } => remove(context, &name),
            ProfileVerb::Import { source, name } => import(context, &source, name),
            ProfileVerb::Test { name } => test(context, name.as_deref()).await,
        }
    }
}

fn list(context: &Context) -> Result<(), Failure> {
    let selected = context.settings.selected().map(|entry| entry.name).unwrap_or_default();
    let row = |entry: &Entry| {
        json!({
            "name": entry.name, "in_use": if entry.name == selected { "yes" } else { "" }, "url": url(entry),
            "authentication": entry.authentication(), "source": entry.origin.to_string(),
        })
    };
    let items: Vec<Value> = context.settings.entries().iter().map(row).collect();
    let value = json!({"items": items, "returned": items.len(), "total": items.len(), "complete": true, "receipt": context.receipt()});
    Ok(context.screen.answer(&value, &["name", "in_use", "url", "authentication", "source"].map(str::to_owned))?)
}

/// The URL as people may see it: without user and password.
fn url(entry: &Entry) -> String {
    let url = entry.table.url.clone().unwrap_or_default();
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?))) {
        Some((scheme, (_, host))) => format!("{scheme}://{host}"),
        None => url,
    }
}

fn show(context: &Context, name: Option<&str>) -> Result<(), Failure> {
    let entry = name.map_or_else(|| context.settings.selected(), |name| context.settings.entry(name))?;
    let table = &entry.table;
    let secret = |source: SecretSource| source.kind().map(|kind| format!("given by {kind}"));
    let value = json!({
        "result": {
            "name": entry.name, "url": url(&entry), "source": entry.origin.to_string(), "authentication": entry.authentication(),
            "api_key": secret(table.api_key()), "secret_key": secret(table.secret_key()), "username": table.username, "password": secret(table.password()),
            "domain": table.domain, "verify_tls": table.verify_tls, "ca_file": table.ca_file, "defaults": entry.defaults,
            "faults": entry.faults.iter().map(|fault| fault.message.clone()).collect::<Vec<_>>(),
        },
        "receipt": context.receipt(),
    });
    Ok(context.screen.answer(&value, &[])?)
}

fn put(context: &Context, add: &Add) -> Result<(), Failure> {
    check_name(&add.name)?;
    let mut texts: Vec<(&'static str, String)> = vec![("url", add.url.clone())];
    let mut path = |key: &'static str, path: &Option<PathBuf>| texts.extend(path.as_ref().map(|path| (key, path.display().to_string())));
    path("ca_file", &add.ca_file);
    if let Some(username) = add.username.clone() {
        texts.push(("username", username));
        texts.extend(add.domain.clone().map(|domain| ("domain", domain)));
        texts.push(("password", secret(context, "password")?));
    } else {
        let api_key = add.api_key.clone().ok_or_else(|| Report::new(ReportKind::Usage, "neither --api-key nor --username is given"))?;
        texts.push(("api_key", api_key));
        match (&add.secret_key_file, &add.secret_key_command) {
            (Some(file), _) => texts.push(("secret_key_file", file.display().to_string())),
            (None, Some(command)) => texts.push(("secret_key_command", command.clone())),
            (None, None) => texts.push(("secret_key", secret(context, "secret key")?)),
        }
    }
    if !add.url.starts_with("https://") && !add.url.starts_with("http://") {
        return Err(Report::new(ReportKind::Usage, format!("`{}` begins with neither `https://` nor `http://`", add.url)).into());
    }
    store(context, &add.name, texts, !add.insecure)
}

/// Reads a secret: without echo at a terminal, else from standard input.
fn secret(context: &Context, what: &str) -> Result<String, Failure> {
    let text = if context.settings.environment.stdin_is_terminal {
        rpassword::prompt_password(format!("{what}: "))
            .map_err(|fault| Report::new(ReportKind::Internal, format!("the {what} cannot be asked for: {fault}")))?
    } else {
        let mut text = String::new();
        std::io::stdin()
            .lock()
            .take(SECRET_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|fault| Report::new(ReportKind::Usage, format!("the {what} cannot be read: {fault}")))?;
        text
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(Report::new(ReportKind::Usage, format!("the {what} is empty"))
            .hint("type it at a terminal, pipe it in, or name a file or a command")
            .into());
    }
    Ok(text.to_owned())
}

fn check_name(name: &str) -> Result<(), Report> {
    let is_plain = !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || "-_.".contains(letter));
    if is_plain && !["embedded", "env"].contains(&name) {
        return Ok(());
    }
    Err(Report::new(ReportKind::Usage, format!("a profile cannot be called `{name}`")).hint("letters, digits, `-`, `_` and `.`; not `embedded` or `env`"))
}

/// Puts a profile into the file; the first one becomes the default.
fn store(context: &Context, name: &str, texts: Vec<(&'static str, String)>, verify_tls: bool) -> Result<(), Failure> {
    let is_first = context.settings.general.profile.is_none() && !context.settings.entries().iter().any(|entry| matches!(entry.origin, Origin::File(_)));
    let mut edits = vec![Edit::Put { name: name.to_owned(), texts, verify_tls }];
    if is_first {
        edits.push(Edit::Use(name.to_owned()));
    }
    write(&context.settings.file, &edits)?;
    done(context, name, "saved")?;
    context.screen.aside(&format!("hint: `cloudstack-mcp profile test {name}` tells whether it works"));
    Ok(())
}

fn done(context: &Context, name: &str, what: &str) -> Result<(), Failure> {
    let file = context.settings.file.display().to_string();
    if context.screen.format == Format::Human {
        return Ok(context.screen.line(&format!("profile `{name}` {what} in {file}"))?);
    }
    Ok(context.screen.answer(&json!({"result": {"name": name, "done": what, "file": file}, "receipt": context.receipt()}), &[])?)
}

fn choose(context: &Context, name: &str) -> Result<(), Failure> {
    let entry = context.settings.entry(name)?;
    write(&context.settings.file, &[Edit::Use(entry.name.clone())])?;
    done(context, &entry.name, "made the default")
}

fn remove(context: &Context, name: &str) -> Result<(), Failure> {
    let entry = context.settings.entry(name)?;
    if !matches!(&entry.origin, Origin::File(_)) {
        return Err(Report::new(ReportKind::Usage, format!("profile `{}` comes from {}, not from the settings file", entry.name, entry.origin)).into());
    }
    write(&context.settings.file, &[Edit::Remove(name.to_owned())])?;
    done(context, name, "removed")
}

fn import(context: &Context, source: &str, name: Option<String>) -> Result<(), Failure> {
    let entry = context.settings.entry(source)?;
    if matches!(entry.origin, Origin::Embedded | Origin::File(_)) {
        return Err(Report::new(ReportKind::Usage, format!("profile `{}` needs no import", entry.name)).into());
    }
    // What cannot be used is not worth keeping: this also reports what is wrong with it.
    drop(context.settings.profile(&entry)?);
    let name = name.unwrap_or_else(|| entry.plain_name().to_owned());
    check_name(&name).map_err(|report| report.hint("--name gives it another name"))?;
    if context.settings.entries().iter().any(|known| known.name == name && matches!(known.origin, Origin::File(_))) {
        return Err(Report::new(ReportKind::Usage, format!("there is a profile `{name}` already")).hint("--name gives it another name").into());
    }
    let table = &entry.table;
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let texts = [
        ("url", table.url.clone()),
        ("api_key", table.api_key.clone()),
        ("api_key_file", path(&table.api_key_file)),
        ("api_key_command", table.api_key_command.clone()),
        ("secret_key", table.secret_key.clone()),
        ("secret_key_file", path(&table.secret_key_file)),
        ("secret_key_command", table.secret_key_command.clone()),
        ("username", table.username.clone()),
        ("password", table.password.clone()),
        ("domain", table.domain.clone()),
        ("ca_file", path(&table.ca_file)),
    ];
    store(context, &name, texts.into_iter().filter_map(|(key, text)| Some((key, text?))).collect(), table.verify_tls)
}

async fn test(context: &Context, name: Option<&str>) -> Result<(), Failure> {
    let entry = name.map_or_else(|| context.settings.selected(), |name| context.settings.entry(name))?;
    let receipt = context.engine_for(vec![entry]).await?.whoami(None).await?;
    let value = receipt.to_value();
    Ok(context.screen.answer(&json!({"result": value, "receipt": value}), &[])?)
}
