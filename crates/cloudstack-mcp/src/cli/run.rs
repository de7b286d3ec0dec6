//! `run`: a command, through the door. Consent to a plan is typed by a person at the terminal, or handed back in a second
//! step; no flag gives it in advance.

use std::time::Duration;

use clap::Args;
use cloudstack_engine::{Answer, Approval, ApprovalMethod, Engine, Outcome, Plan, ReportKind, RunRequest, Shape};
use serde_json::{Value, json};

use super::{Context, Failure, Verb, arguments};
use crate::{
    render::{clean, quoted},
    settings::{Flags, Format},
};

/// The exit code of what a person interrupts: 128 and the number of the signal.
const INTERRUPTED: u8 = 130;

/// Run a command; its plan is shown and your consent asked for where it disrupts or destroys
#[derive(Args)]
#[command(after_help = "A value may be `@FILE` for the text of a file, `-` for standard input, JSON for maps and lists; a repeated key is a list.\n\
    The command may be written in any case and in several words: `run list virtualmachines`.")]
pub(super) struct Run {
    /// The command and its arguments as `key=value`
    #[arg(required = true, value_name = "COMMAND [KEY=VALUE]")]
    words: Vec<String>,
    /// Wait for the job that the command starts (the default)
    #[arg(long, conflicts_with = "no_wait")]
    wait: bool,
    /// Do not wait; print the job's id
    #[arg(long)]
    no_wait: bool,
    /// How long to wait for a job
    #[arg(long, value_name = "SECONDS", conflicts_with = "no_wait")]
    timeout: Option<String>,
    /// Only these fields, dotted through objects and lists: `name,nic.ipaddress`
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    fields: Vec<String>,
    /// The most items of a list
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Only how many there are
    #[arg(long)]
    count: bool,
    /// The token that a plan came with, as consent to it
    #[arg(long, value_name = "TOKEN")]
    approve: Option<String>,
    /// The name that the plan asks to be typed, beside --approve
    #[arg(long, value_name = "NAME", requires = "approve")]
    typed: Option<String>,
}

impl Verb for Run {
    const NAME: &'static str = "run";

    fn flags(&self, flags: &mut Flags) {
        flags.extend(self.timeout.clone().map(|timeout| ("limits.cli_wait_seconds".to_owned(), timeout)));
    }

    async fn run(self, context: &Context) -> Result<(), Failure> {
        let invocation = arguments::read(&self.words)?;
        let engine = context.engine_of_steps().await?;
        let mut request = RunRequest::new(invocation.command, invocation.arguments, context.caller());
        request.shape = Shape { fields: self.fields.clone(), limit: self.limit, count_only: self.count };
        request.wait = Some(if self.no_wait { Duration::ZERO } else { context.settings.limits.cli_wait_seconds });
        if let Some(seal) = &self.approve {
            context.claim(seal)?;
            request.approval = Some(Approval { seal: seal.clone(), typed: self.typed.clone(), method: ApprovalMethod::Token });
        }
        let answer = match send(context, &engine, request.clone()).await? {
            Outcome::Done(answer) => answer,
            Outcome::NeedsApproval(plan) => {
                request.approval = Some(consent(context, &plan, &self.words)?);
                match send(context, &engine, request).await? {
                    Outcome::Done(answer) => answer,
                    Outcome::NeedsApproval(_) => {
                        context.screen.urgent("error: not run: what the plan was made from has changed meanwhile\nhint: run it again and look at the new plan");
                        return Err(Failure::Told(ReportKind::Denied.exit_code()));
                    }
                }
            }
        };
        ending(context, &answer, &self.fields)?;
        if !self.no_wait && is_pending(&answer.value) {
            let waited = context.settings.limits.cli_wait_seconds.as_secs();
            context.screen.urgent(&format!("error: the job is not finished after {waited} s; it goes on\nhint: `cloudstack-mcp job ID --wait` waits on"));
            return Err(Failure::Told(ReportKind::Unreachable.exit_code()));
        }
        Ok(())
    }
}

/// Sends a request. Ctrl-C ends the waiting, not what the cloud is doing, and says so.
async fn send(context: &Context, engine: &Engine, request: RunRequest) -> Result<Outcome, Failure> {
    let line = context.screen.progress();
    let outcome = tokio::select! {
        outcome = engine.run(request, &line) => Some(outcome),
        Ok(()) = tokio::signal::ctrl_c() => None,
    };
    line.clear();
    let Some(outcome) = outcome else {
        context.screen.urgent("not waiting any longer; what was started goes on\nhint: `cloudstack-mcp job` lists your unfinished jobs");
        return Err(Failure::Told(INTERRUPTED));
    };
    Ok(outcome?)
}

/// Shows the plan and asks for consent: at a terminal by typing, else by a second step.
fn consent(context: &Context, plan: &Plan, words: &[String]) -> Result<Approval, Failure> {
    let environment = &context.settings.environment;
    if !(environment.stdin_is_terminal && environment.stderr_is_terminal) {
        return Err(second_step(context, plan, words)?);
    }
    context.screen.urgent(&context.screen.plan(plan));
    let wanted = plan.typed_name.as_deref().unwrap_or("y");
    let question = match &plan.typed_name {
        Some(name) => format!("Type the name `{}` to run it, anything else to leave it:", clean(name)),
        None => "Type y to run it, anything else to leave it:".to_owned(),
    };
    context.screen.urgent(&question);
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed)?;
    let typed = typed.trim_end_matches(['\r', '\n']);
    let is_consent = typed == wanted || plan.typed_name.is_none() && matches!(typed.trim(), "Y" | "yes");
    if !is_consent {
        context.screen.urgent("not run");
        return Err(Failure::Told(ReportKind::Denied.exit_code()));
    }
    let typed = plan.typed_name.as_ref().map(|_| typed.to_owned());
    Ok(Approval { seal: plan.seal.clone(), typed, method: ApprovalMethod::Terminal })
}

/// Prints the plan with the token for the second step; the failure says that nothing was done.
fn second_step(context: &Context, plan: &Plan, words: &[String]) -> Result<Failure, Failure> {
    let typed = plan.typed_name.as_deref().map(|name| format!(" --typed {}", quoted(name))).unwrap_or_default();
    let words = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    let again = format!("cloudstack-mcp run {words} --approve {}{typed}", plan.seal);
    let is_lasting = !plan.receipt.embedded;
    if context.screen.format == Format::Human {
        context.screen.line(&context.screen.plan(plan))?;
    } else {
        let mut value = plan.to_value();
        if let Some(members) = value.as_object_mut() {
            members.insert("approval".to_owned(), json!({"token": plan.seal, "run": again, "expires_seconds": plan.expires.as_secs()}));
        }
        context.screen.answer(&value, &[])?;
    }
    let hint = if is_lasting {
        format!("a person who wants this runs, within {} s: {again}", plan.expires.as_secs())
    } else {
        "the embedded cloud ends with this process: run it at a terminal, or against `cloudstack-mcp simulate`".to_owned()
    };
    context.screen.urgent(&format!("error: not run: it needs a person's approval\nhint: {hint}"));
    Ok(Failure::Told(ReportKind::Denied.exit_code()))
}

/// Writes an answer; one that tells of a failure ends with the code of a refusal.
pub(super) fn ending(context: &Context, answer: &Answer, fields: &[String]) -> Result<(), Failure> {
    context.screen.answer(&answer.value, fields)?;
    if answer.is_error { Err(Failure::Told(ReportKind::Refused.exit_code())) } else { Ok(()) }
}

fn is_pending(value: &Value) -> bool {
    value.pointer("/job/status").and_then(Value::as_str) == Some("pending")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_step_can_be_pasted_into_a_shell() {
        assert_eq!(quoted("id=6f2c-1"), "id=6f2c-1");
        assert_eq!(quoted("name=it's $HOME"), r"'name=it'\''s $HOME'");
    }
}
