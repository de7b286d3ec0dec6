//! From what was read of the cloud to what a person must know before consenting. Pure.

use cloudstack_api::{
    call::Call,
    catalog::{Catalog, Risk, When},
};

use crate::{
    plan::{Dependent, Plan, Target},
    survey::{Survey, removes},
};

/// What is said of a call that cannot be undone.
const NO_UNDO: &str = "Cannot be undone.";
/// How many targets are named in the summary.
const NAMED_MAX: usize = 5;

/// The plan of a call, less what only the door knows: arguments, receipt, seal.
pub(crate) fn plan(catalog: &Catalog, call: &Call, survey: &Survey) -> Plan {
    let command = call.command();
    let words = catalog.words(command);
    let risk = call.risk();
    let mut plan = Plan {
        command: command.name.clone(),
        title: words.title.clone(),
        risk,
        needs_approval: false,
        decided_by: String::new(),
        summary: String::new(),
        targets: survey.targets.clone(),
        dependents: survey.dependents.clone(),
        lost: lost(call, survey),
        undo: words.undo.clone().or_else(|| (risk >= Risk::Destroy).then(|| NO_UNDO.to_owned())),
        typed_name: (risk == Risk::Raze).then(|| survey.targets.first().map_or_else(|| command.name.clone(), title_of)),
        arguments: serde_json::Map::new(),
        notes: survey.notes.clone(),
        expires: std::time::Duration::ZERO,
        receipt: crate::receipt::Receipt::default(),
        seal: String::new(),
    };
    if survey.protected && removes(command) {
        plan.notes.push("delete protection is on: the server will refuse".to_owned());
    }
    plan.summary = summary(&plan, call);
    plan
}

fn lost(call: &Call, survey: &Survey) -> Vec<String> {
    if call.risk() < Risk::Destroy {
        return Vec::new();
    }
    let targets = survey.targets.iter().filter(|_| removes(call.command())).map(|target| format!("{} `{}`", target.kind, title_of(target)));
    let gone = survey.dependents.iter().filter(|dependent| matches!(dependent.fate.as_str(), "deleted" | "released"));
    targets.chain(gone.map(|dependent| format!("{} ({})", counted(dependent), dependent.fate))).collect()
}

fn summary(plan: &Plan, call: &Call) -> String {
    let named: Vec<String> = plan.targets.iter().take(NAMED_MAX).map(described).collect();
    let more = plan.targets.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let what = if named.is_empty() { String::new() } else { format!(": {}{more}", named.join("; ")) };
    let mut lines = vec![format!("{}{what}", plan.title), format!("Risk {}: {}.", plan.risk, meaning(plan.risk))];
    lines.extend(raised(call));
    if !plan.dependents.is_empty() {
        let all: Vec<String> = plan.dependents.iter().map(|dependent| format!("{}: {}", counted(dependent), dependent.fate)).collect();
        lines.push(format!("With it: {}.", all.join("; ")));
    }
    lines.extend(plan.undo.as_ref().map(|undo| format!("Undo: {undo}")));
    lines.extend(plan.notes.iter().map(|note| format!("Note: {note}.")));
    lines.join("\n")
}

const fn meaning(risk: Risk) -> &'static str {
    match risk {
        Risk::Read => "changes nothing",
        Risk::Disclose => "hands out a secret or access",
        Risk::Write => "changes something in the ordinary way",
        Risk::Disrupt => "an outage or lost configuration, which can be put right",
        Risk::Destroy => "destroys irreversibly",
        Risk::Raze => "destroys much, irreversibly",
    }
}

/// Which arguments make the call riskier than its command.
fn raised(call: &Call) -> Option<String> {
    let command = call.command();
    let raises = command.raises.iter().filter(|raise| raise.risk > command.risk && raise.applies(call.argument(&raise.parameter)));
    let causes: Vec<String> = raises
        .map(|raise| match &raise.when {
            When::Given => format!("`{}` is given", raise.parameter),
            When::Is(value) => format!("`{}` is `{value}`", raise.parameter),
            When::Absent => format!("`{}` is not given", raise.parameter),
        })
        .collect();
    (!causes.is_empty()).then(|| format!("It is riskier than usual because {}.", causes.join(" and ")))
}

fn described(target: &Target) -> String {
    let mut facts: Vec<String> = target.state.iter().cloned().collect();
    let telling = ["account", "domainpath", "project", "zonename", "nic.ipaddress"];
    facts.extend(target.facts.iter().filter(|(name, _)| telling.contains(&name.as_str())).map(|(_, value)| value.clone()));
    let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
    match &target.name {
        Some(name) => format!("{} `{name}` {}{facts}", target.kind, target.id),
        None => format!("{} {}{facts}", target.kind, target.id),
    }
}

fn title_of(target: &Target) -> String {
    target.name.clone().unwrap_or_else(|| target.id.clone())
}

fn counted(dependent: &Dependent) -> String {
    let names = if dependent.names.is_empty() {
        String::new()
    } else {
        format!(" ({}{})", dependent.names.join(", "), if dependent.count > dependent.names.len() { ", …" } else { "" })
    };
    let plural = if dependent.count == 1 {
        ""
    } else if dependent.kind.ends_with("ss") {
        "es"
    } else {
        "s"
    };
    format!("{} {}{plural}{names}", dependent.count, dependent.kind)
}
