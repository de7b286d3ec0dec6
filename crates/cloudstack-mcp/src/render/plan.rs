//! A plan as the person reads it who is to consent: what happens to what, what goes with it, how to undo it.

use cloudstack_api::catalog::Risk;
use cloudstack_engine::{Dependent, Plan, Target};
use serde_json::Value;

use super::{
    Layout, human,
    text::{Tint, clean, plain, wrap},
};

const TEXT_WIDTH: usize = 100;

/// The plan over several lines.
pub(super) fn human(plan: &Plan, layout: &Layout) -> String {
    let tint = if plan.risk >= Risk::Disrupt { Tint::Bad } else { Tint::Strong };
    let title = layout.paint.tint(Tint::Strong, &clean(&plan.title));
    let mut lines = vec![format!("{title} ({}), risk: {}", plan.command, layout.paint.tint(tint, plan.risk.word()))];
    lines.extend(
        wrap(&clean_lines(&plan.summary), layout.width.unwrap_or(TEXT_WIDTH).min(TEXT_WIDTH).saturating_sub(2)).into_iter().map(|line| format!("  {line}")),
    );
    // The summary names what matters most; what it says already is not said twice.
    let is_told = |text: &str| plan.summary.contains(text);
    section(&mut lines, "about", plan.targets.iter().filter(|found| !is_told(&found.id)).map(target).collect());
    section(&mut lines, "depends on it", plan.dependents.iter().filter(|found| !is_told(&found.kind)).map(dependent).collect());
    section(
        &mut lines,
        "lost",
        plan.lost.iter().filter(|lost| !is_told(lost.rsplit_once(" (").map_or(lost, |(what, _)| what))).map(|lost| clean(lost)).collect(),
    );
    section(&mut lines, "arguments", plan.arguments.iter().map(|(name, value)| format!("{} = {}", clean(name), plain(value))).collect());
    section(&mut lines, "undo", plan.undo.iter().filter(|undo| !is_told(undo)).map(|undo| clean(undo)).collect());
    section(&mut lines, "not known", plan.notes.iter().filter(|note| !is_told(note)).map(|note| clean(note)).collect());
    let who = human::receipt_line(&plan.receipt.to_value());
    if !who.is_empty() {
        lines.push(layout.paint.tint(Tint::Faint, &format!("  {who}")));
    }
    lines.join("\n")
}

fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

fn section(lines: &mut Vec<String>, title: &str, items: Vec<String>) {
    if items.is_empty() {
        return;
    }
    lines.push(format!("  {title}:"));
    lines.extend(items.into_iter().map(|item| format!("    - {item}")));
}

fn target(target: &Target) -> String {
    let name = target.name.as_deref().map(|name| format!(" `{}`", clean(name))).unwrap_or_default();
    let state = target.state.as_deref().map(|state| format!(", {}", clean(state))).unwrap_or_default();
    let facts: String = target.facts.iter().map(|(name, text)| format!(", {} {}", clean(name), clean(text))).collect();
    format!("{}{name} ({}){state}{facts}", clean(&target.kind), clean(&target.id))
}

fn dependent(dependent: &Dependent) -> String {
    let names = if dependent.names.is_empty() { String::new() } else { format!(" ({})", clean(&dependent.names.join(", "))) };
    let more = if dependent.count > dependent.names.len() && !dependent.names.is_empty() { ", …" } else { "" };
    let names = if more.is_empty() { names } else { names.replace(')', ", …)") };
    let fate = Value::from(dependent.fate.as_str());
    format!("{} {}{names}: {}", dependent.count, clean(&dependent.kind), plain(&fate))
}
