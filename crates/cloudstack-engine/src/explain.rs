//! From what went wrong on the way to what the user is told: the likely causes and what to do next.
//!
//! The codes and their meanings are those of wire facts §2.4. Pure: whoever wants to know more asks the server itself.

use cloudstack_api::{
    catalog::{Command, Risk},
    reply::{Fault, ReplyError},
};
use cloudstack_client::{ConfigFault, Error, Trace, UnreachableKind};
use serde_json::{Value, json};

use crate::report::{Report, ReportKind};

/// The envelope in which servers answer for commands that they do not have.
const ENVELOPE_OF_NO_COMMAND: &str = "errorresponse";
/// The text that stands for every inner fault where the caller is not root.
pub(crate) const MASKED_TEXT: &str = "please contact your system administrator";

/// What the user is told about an error of the client.
pub(crate) fn report(error: &Error, command: Option<&Command>) -> Report {
    match error {
        Error::Refused(fault) => refusal(fault, command),
        Error::LoginRefused { username, fault } => Report::new(ReportKind::Config, format!("CloudStack did not let `{username}` log in: {}", fault.text))
            .hint("check user name, password and domain; servers lock an account after a few wrong passwords")
            .fact("code", fault.code),
        Error::SecondFactor { username } => {
            Report::new(ReportKind::Config, format!("`{username}` cannot log in without a second factor")).hint("use API keys, which need none")
        }
        Error::Unreadable { url, source, .. } => unreadable(url, source),
        Error::Unreachable { kind, url, source } => unreachable(*kind, url, source.as_ref()),
        Error::Throttled { wait } => Report::new(ReportKind::Refused, format!("the server takes no more calls of this account for {} ms", wait.as_millis()))
            .hint("wait, then call again: nothing was done")
            .hint("set `rate` in the profile to stay below the server's limit")
            .fact("code", 429)
            .fact("retry_after_ms", u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        Error::OutcomeUnknown { command, job, trace, source } => outcome_unknown(command, job.as_deref(), *trace, source.as_ref()),
        Error::TooLarge { .. } | Error::TooManyArguments { .. } => {
            Report::new(ReportKind::Usage, error.to_string()).hint("give less at once, or split the call")
        }
        Error::Redirected { url, to } => Report::new(ReportKind::Config, format!("`{url}` redirects to `{to}`, which is not followed"))
            .hint("set the profile's URL to where the API is; a redirect would carry the signed call along"),
        Error::Config(fault) => config(fault),
    }
}

/// What the user is told about a refusal.
pub(crate) fn refusal(fault: &Fault, command: Option<&Command>) -> Report {
    let name = command.map_or("the command", |command| command.name.as_str());
    let text = fault.text.trim();
    let base = |kind, message: String| Report::new(kind, message).fact("code", fault.code);
    let mut report = match fault.code {
        401 if fault.envelope == ENVELOPE_OF_NO_COMMAND => base(ReportKind::Refused, format!("this server has no command `{name}`")),
        401 => base(ReportKind::Config, "the server accepts neither key nor signature".to_owned()),
        432 => base(ReportKind::Denied, format!("the role of this profile may not call `{name}`, or the server does not have it")),
        532 | 535 => base(ReportKind::Refused, format!("a resource limit stands in the way of `{name}`: {text}")),
        533 => base(ReportKind::Refused, format!("the cloud has no room for `{name}`: {text}")),
        536 | 537 => base(ReportKind::Refused, format!("CloudStack refused `{name}`, since something is in its way: {text}")),
        530 => base(ReportKind::Refused, format!("CloudStack failed at `{name}`: {text}")),
        503 => base(ReportKind::Refused, format!("the server takes no new work: {text}")),
        _ => base(ReportKind::Refused, format!("CloudStack refused `{name}`: {text}")),
    };
    report.hints.extend(hints(fault));
    if let Some(inner) = fault.inner_code {
        report = report.fact("cserrorcode", inner);
    }
    with_leftovers(report, fault)
}

/// Names what a failed command left behind.
fn with_leftovers(report: Report, fault: &Fault) -> Report {
    if fault.leftovers.is_empty() {
        return report;
    }
    let leftovers: Vec<Value> = fault.leftovers.iter().map(|left| json!({"id": left.id, "what": left.description})).collect();
    report.fact("leftovers", leftovers).hint("it left an object behind: look at it and remove it if it is of no use")
}

/// The hints of `catalog/hints.tsv` for a refusal: code, condition, hint. A condition is a part of the server's text, `-`
/// for every text, `@errorresponse` for an answer in that envelope, `@masked` for a text that hides the cause.
fn hints(fault: &Fault) -> Vec<String> {
    let code = fault.code.to_string();
    let text = fault.text.to_ascii_lowercase();
    let no_command = fault.envelope == ENVELOPE_OF_NO_COMMAND;
    let holds = |condition: &str| match condition {
        "-" => fault.code != 401 || !no_command,
        "@errorresponse" => no_command,
        "@masked" => text.contains(MASKED_TEXT),
        part => text.contains(part),
    };
    let lines = include_str!("../../../catalog/hints.tsv").lines();
    let rows = lines.filter_map(|line| {
        let mut columns = line.split('\t');
        Some((columns.next()?, columns.next()?, columns.next()?))
    });
    let mut found: Vec<String> = Vec::new();
    for (_, _, hint) in rows.filter(|(of, condition, _)| *of == code && holds(condition)) {
        if !found.iter().any(|known| known == hint) {
            found.push(hint.to_owned());
        }
    }
    found
}

fn unreadable(url: &str, fault: &ReplyError) -> Report {
    let report = Report::new(ReportKind::Unreachable, format!("`{url}` does not answer like a CloudStack API: {fault}"));
    match fault {
        ReplyError::Page { status: 404, .. } => report.hint("check the path of the URL; most servers have the API at `/client/api`"),
        ReplyError::Page { status: 502..=504, .. } => report.hint("a proxy in front of the server answered; the server is starting or down"),
        ReplyError::Page { .. } | ReplyError::Text { .. } => report.hint("check the URL; something else than the API answers there"),
        ReplyError::Empty { .. } => report.hint("the server failed without a word; its log says why"),
        ReplyError::Broken { .. } | ReplyError::Refused(_) => report,
    }
}

fn unreachable(kind: UnreachableKind, url: &str, source: &(dyn std::error::Error + Send + Sync)) -> Report {
    let report =
        Report::new(ReportKind::Unreachable, format!("`{url}` cannot be reached: {kind}")).fact("cause", chain(source)).fact("unreachable", word(kind));
    match kind {
        UnreachableKind::Dns => report.hint("check the host name in the profile's URL"),
        UnreachableKind::Refused => report.hint("check the port in the profile's URL, and whether the management server runs"),
        UnreachableKind::Connect => report.hint("check the network between here and there: route, firewall, proxy"),
        UnreachableKind::Tls => report.hint("name the CA's certificate in the profile's `ca_file` if it is your own; check the host name in the certificate"),
        UnreachableKind::Timeout => report.hint("the server or the network is slow or down; try again, or raise the profile's timeouts"),
        UnreachableKind::Broken => report.hint("the connection broke; nothing was changed, try again"),
    }
}

/// The word for programs.
pub(crate) const fn word(kind: UnreachableKind) -> &'static str {
    match kind {
        UnreachableKind::Dns => "dns",
        UnreachableKind::Refused => "refused",
        UnreachableKind::Connect => "connect",
        UnreachableKind::Tls => "tls",
        UnreachableKind::Timeout => "timeout",
        UnreachableKind::Broken => "broken",
    }
}

fn outcome_unknown(command: &str, job: Option<&str>, trace: Trace, source: &(dyn std::error::Error + Send + Sync)) -> Report {
    let report = Report::new(ReportKind::Unreachable, format!("it is unknown whether `{command}` was carried out: {trace}"))
        .fact("outcome_unknown", true)
        .fact("cause", chain(source))
        .hint("look at the object before doing it again: doing it twice may be worse than not at all");
    match job {
        Some(job) => report.fact("job", job).hint(format!("ask again later for job `{job}`")),
        None => report,
    }
}

/// What the user is told about a job that ended without a word.
pub(crate) fn cut_off(command: &str, job: &str) -> Report {
    Report::new(ReportKind::Unreachable, format!("it is unknown what became of `{command}`: its job ended without a result"))
        .fact("outcome_unknown", true)
        .fact("job", job)
        .hint("the server was most likely restarted meanwhile; look at the object before doing it again")
}

fn config(fault: &ConfigFault) -> Report {
    let report = Report::new(ReportKind::Config, fault.to_string());
    match fault {
        ConfigFault::Url { .. } => report.hint("write it as `https://cloud.example/client/api`"),
        ConfigFault::CaFile { .. } => report.hint("name a readable file of PEM certificates"),
        ConfigFault::NoRoots | ConfigFault::Proxy(_) | ConfigFault::Rate { .. } | ConfigFault::Http(_) => report,
    }
}

/// All causes in one line.
fn chain(error: &(dyn std::error::Error + Send + Sync)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// A URL without user, query and fragment.
pub(crate) fn shown_url(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    match plain.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
            let host = host.rsplit('@').next().unwrap_or_default();
            path.map_or_else(|| format!("{scheme}://{host}"), |path| format!("{scheme}://{host}/{path}"))
        }
        None => plain.rsplit('@').next().unwrap_or_default().to_owned(),
    }
}

/// What may have been left behind by a failed job that was to create something.
pub(crate) fn with_created(report: Report, command: &Command, id: Option<&str>) -> Report {
    let Some(id) = id.filter(|_| command.risk >= Risk::Write) else { return report };
    let what = command.entity.first().map_or("object", String::as_str);
    report.fact("leftovers", json!([{"id": id, "what": what}])).hint(format!("it may have left `{id}` behind: look at it and remove it if it is of no use"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(code: u16, envelope: &str, text: &str) -> Fault {
        Fault { envelope: envelope.to_owned(), code, inner_code: None, text: text.to_owned(), leftovers: Vec::new() }
    }

    #[test]
    fn a_missing_command_is_told_from_wrong_keys_by_the_envelope() {
        assert!(refusal(&fault(401, "errorresponse", "unable to verify"), None).message.contains("has no command"));
        assert_eq!(refusal(&fault(401, "listzonesresponse", "unable to verify"), None).kind, ReportKind::Config);
    }

    #[test]
    fn a_role_refusal_is_a_denial_and_a_limit_says_where_limits_are() {
        assert_eq!(refusal(&fault(432, "errorresponse", "no"), None).kind, ReportKind::Denied);
        assert!(refusal(&fault(535, "x", "Maximum number"), None).hints.iter().any(|hint| hint.contains("listResourceLimits")));
    }

    #[test]
    fn no_user_and_no_query_of_a_url_is_shown() {
        assert_eq!(shown_url("https://ada:secret@cloud.example:8443/client/api?apikey=K#x"), "https://cloud.example:8443/client/api");
        assert_eq!(shown_url("http://cloud.example"), "http://cloud.example");
    }
}
