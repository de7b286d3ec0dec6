//! `doctor`: is everything as it should be, and if not, what is to be done.

use clap::Args;
use cloudstack_engine::{Check, CheckStatus, Diagnosis, Report, ReportKind};
use serde_json::{Value, json};

use super::{Context, Failure, Verb};
use crate::{
    render::{Tint, clean},
    settings::{Format, Origin},
};

/// Check settings, address, connection, certificate, keys, release and role of the profile in use
#[derive(Args)]
pub(super) struct Doctor {}

impl Verb for Doctor {
    const NAME: &'static str = "doctor";

    async fn run(self, context: &Context) -> Result<(), Failure> {
        let own = settings_check(context);
        let diagnosis = match context.engine().await {
            Ok(engine) => engine.doctor(None).await?,
            Err(report) => return told(context, &[own, failed(&report)], &context.receipt(), report.exit_code()),
        };
        let code = exit_code(&diagnosis);
        let receipt = diagnosis.receipt.to_value();
        let checks: Vec<Check> = std::iter::once(own).chain(diagnosis.checks).collect();
        told(context, &checks, &receipt, code)
    }
}

/// Writes the checks; the code is that of the worst.
fn told(context: &Context, checks: &[Check], receipt: &Value, code: u8) -> Result<(), Failure> {
    let screen = &context.screen;
    if screen.format == Format::Human {
        for check in checks {
            let (sign, tint) = match check.status {
                CheckStatus::Ok => ("✓ ok  ", Tint::Good),
                CheckStatus::Warn => ("! warn", Tint::Warn),
                CheckStatus::Fail => ("✗ fail", Tint::Bad),
            };
            screen.line(&format!("{} {:<10} {}", screen.paint().tint(tint, sign), check.name, clean(&check.message)))?;
            if let Some(hint) = &check.hint {
                screen.line(&format!("                  hint: {}", clean(hint)))?;
            }
        }
    } else {
        let worst = checks.iter().map(|check| check.status).max().unwrap_or(CheckStatus::Ok);
        let rows: Vec<Value> =
            checks.iter().map(|check| json!({"name": check.name, "status": check.status.word(), "message": check.message, "hint": check.hint})).collect();
        screen.answer(&json!({"checks": rows, "status": worst.word(), "receipt": receipt}), &[])?;
    }
    if code == 0 { Ok(()) } else { Err(Failure::Told(code)) }
}

/// What this program's own settings look like.
fn settings_check(context: &Context) -> Check {
    let settings = &context.settings;
    let entry = settings.selected().ok();
    let mut warnings = settings.warnings.clone();
    warnings.extend(entry.iter().flat_map(|entry| settings.exposures(entry)));
    let file = if settings.file.is_file() { format!("settings of `{}`", settings.file.display()) } else { "no settings file".to_owned() };
    let profile = match &entry {
        Some(entry) if entry.origin == Origin::Embedded => "the embedded cloud, since no other profile is chosen".to_owned(),
        Some(entry) => format!("profile `{}` from {}", entry.name, entry.origin),
        None => "no profile".to_owned(),
    };
    Check {
        name: "settings".to_owned(),
        status: if warnings.is_empty() { CheckStatus::Ok } else { CheckStatus::Warn },
        message: format!("{file}; {profile}"),
        hint: (!warnings.is_empty()).then(|| warnings.join("; ")),
    }
}

fn failed(report: &Report) -> Check {
    let faults = report.facts.get("faults").and_then(Value::as_array).map(|faults| faults.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "));
    Check {
        name: "profile".to_owned(),
        status: CheckStatus::Fail,
        message: faults.unwrap_or_else(|| report.message.clone()),
        hint: (!report.hints.is_empty()).then(|| report.hints.join("; ")),
    }
}

/// The exit code by the first check that failed: the later ones follow from it.
fn exit_code(diagnosis: &Diagnosis) -> u8 {
    let failed = diagnosis.checks.iter().find(|check| check.status == CheckStatus::Fail);
    let kind = failed.map(|check| match check.name.as_str() {
        "address" | "connection" | "tls" => ReportKind::Unreachable,
        "role" => ReportKind::Denied,
        _ => ReportKind::Config,
    });
    kind.map_or(0, ReportKind::exit_code)
}
