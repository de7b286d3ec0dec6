//! Whether a profile works, checked from its settings to its role, each with what to do about it.

use cloudstack_api::catalog::Release;
use serde_json::Value;

use crate::{
    answer::{Check, CheckStatus, Diagnosis},
    caller::Caller,
    config::{Credentials, Profile},
    connection::Connection,
    core::Core,
    identity::Identity,
    report::{Report, ReportKind},
    visit::Visit,
};

/// In whose name the checks are made.
const PRINCIPAL: &str = "doctor";

/// Checks a profile.
pub(crate) async fn doctor(core: &Core, profile: Option<&str>) -> Result<Diagnosis, Report> {
    let line = core.connection(profile)?;
    let caller = Caller::new(PRINCIPAL, PRINCIPAL);
    let visit = Visit::new(core, line, &caller);
    let mut checks = vec![of_profile(&line.profile)];
    checks.extend(of_server(core, line).await);
    Ok(Diagnosis { checks, receipt: visit.receipt(None) })
}

fn check(name: &str, status: CheckStatus, message: impl Into<String>) -> Check {
    Check { name: name.to_owned(), status, message: message.into(), hint: None }
}

fn of_profile(profile: &Profile) -> Check {
    let how = match &profile.credentials {
        Credentials::Keys { .. } => "API keys",
        Credentials::Password { .. } => "user name and password",
        Credentials::None => "nothing: whoever reaches the integration port is root",
    };
    let message = format!("`{}` authenticates with {how}", profile.name);
    if !profile.verify_tls && profile.url.starts_with("https") {
        let hint = "anybody in between can read and change everything; verify the certificate, with `ca_file` if it is your own".to_owned();
        return Check { hint: Some(hint), ..check("profile", CheckStatus::Warn, format!("{message}; the certificate is not verified")) };
    }
    let local = ["http://127.", "http://localhost", "http://[::1]"].iter().any(|start| profile.url.starts_with(start));
    if profile.url.starts_with("http://") && !local {
        let hint = "use https: results and passwords travel in the clear".to_owned();
        return Check { hint: Some(hint), ..check("profile", CheckStatus::Warn, format!("{message}; the connection is not encrypted")) };
    }
    check("profile", CheckStatus::Ok, message)
}

async fn of_server(core: &Core, line: &Connection) -> Vec<Check> {
    // What was learned before is no proof of what works now.
    line.forget();
    match line.identity().await {
        Ok(identity) => {
            let mut checks =
                vec![check("address", CheckStatus::Ok, format!("`{}`", line.shown_url())), check("connection", CheckStatus::Ok, "the server answers")];
            if line.profile.url.starts_with("https") {
                checks.push(check("tls", CheckStatus::Ok, if line.profile.verify_tls { "the certificate is trusted" } else { "not verified" }));
            }
            checks.push(check("keys", CheckStatus::Ok, "the server lets us in"));
            checks.push(of_release(core, &identity));
            checks.push(of_role(line, &identity).await);
            checks
        }
        Err(report) => failed(line, &report),
    }
}

/// The checks up to the one that failed.
fn failed(line: &Connection, report: &Report) -> Vec<Check> {
    let unreachable = report.facts.get("unreachable").and_then(Value::as_str);
    let order = ["address", "connection", "tls", "keys"];
    let name = match (unreachable, report.kind) {
        (Some("dns"), _) => "address",
        (Some("tls"), _) => "tls",
        (Some(_), _) | (None, ReportKind::Unreachable) => "connection",
        (None, ReportKind::Config) if report.facts.contains_key("code") || report.message.contains("log in") => "keys",
        (None, ReportKind::Config) => "address",
        (None, _) => "keys",
    };
    let before = order.iter().take_while(|step| **step != name);
    let before = before.filter(|step| **step != "tls" || line.profile.url.starts_with("https"));
    let mut checks: Vec<Check> =
        before.map(|step| check(step, CheckStatus::Ok, if *step == "address" { line.shown_url() } else { "as it should be".to_owned() })).collect();
    let hint = (!report.hints.is_empty()).then(|| report.hints.join("; "));
    checks.push(Check { hint, ..check(name, CheckStatus::Fail, report.message.clone()) });
    checks
}

fn of_release(core: &Core, identity: &Identity) -> Check {
    let Some(stated) = &identity.release else { return check("release", CheckStatus::Warn, "the server does not state its release") };
    let Ok(release) = stated.parse::<Release>() else { return check("release", CheckStatus::Warn, format!("the server states `{stated}`")) };
    if let Some(forced) = core.config.release {
        return check("release", CheckStatus::Ok, format!("CloudStack {stated}; {forced} is assumed as told"));
    }
    let known = core.view_of(release).catalog.release();
    if known == release {
        return check("release", CheckStatus::Ok, format!("CloudStack {stated}"));
    }
    let hint = "commands that are new or gone in that release may be missing or refused".to_owned();
    Check { hint: Some(hint), ..check("release", CheckStatus::Warn, format!("CloudStack {stated}; the catalog of {known} is used")) }
}

async fn of_role(line: &Connection, identity: &Identity) -> Check {
    let who = match (&identity.user, &identity.account, &identity.role) {
        (user, Some(account), Some(role)) => {
            format!("{} in account `{account}`, role `{role}`", user.as_deref().map_or_else(|| "somebody".to_owned(), |user| format!("user `{user}`")))
        }
        _ => "the server does not say who we are".to_owned(),
    };
    match line.allowed().await {
        Ok(allowed) => check("role", CheckStatus::Ok, format!("{who}; may call {} commands", allowed.len())),
        Err(report) => Check { hint: report.hints.first().cloned(), ..check("role", CheckStatus::Warn, format!("{who}; what it may call is not told")) },
    }
}
