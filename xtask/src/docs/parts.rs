//! Generated parts of pages that are otherwise written by hand, between `<!-- generated NAME -->` and `<!-- /generated -->`.

use std::fmt::Write as _;

use cloudstack_api::catalog::{Catalog, Risk};
use serde_json::Value;

use super::cell;
use crate::workspace::{Done, files, read};

/// Where the reviewed form of each tool of the compact surface is kept.
const TOOLS: &str = "crates/cloudstack-mcp/tests/it/mcp/snapshots/";
const OPENING: &str = "<!-- generated ";
const CLOSING: &str = "<!-- /generated -->";

/// The page with its parts made anew.
pub(super) fn fill(page: &str, catalog: &Catalog) -> Done<String> {
    let mut out = String::with_capacity(page.len());
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(OPENING) {
        let (name, after) = after.split_once(" -->").ok_or("a generated part has no name")?;
        let (_, after) = after.split_once(CLOSING).ok_or_else(|| format!("the generated part `{name}` does not end"))?;
        let _ = write!(out, "{before}{OPENING}{name} -->\n{}{CLOSING}", part(name, catalog)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn part(name: &str, catalog: &Catalog) -> Done<String> {
    match name {
        "tools" => tools(),
        "risks" => Ok(risks(catalog)),
        other => Err(format!("`{other}` is no generated part")),
    }
}

/// The compact surface.
fn tools() -> Done<String> {
    let mut out = "| tool | what it does |\n| --- | --- |\n".to_owned();
    for path in files()?.into_iter().filter(|path| path.starts_with(TOOLS) && path.contains("__tool_") && path.ends_with(".snap")) {
        let text = read(&path)?;
        let json = text.splitn(3, "---\n").nth(2).unwrap_or_default();
        let tool: Value = serde_json::from_str(json).map_err(|error| format!("`{path}`: {error}"))?;
        let member = |key: &str| tool.get(key).and_then(Value::as_str).unwrap_or_default();
        let first = member("description").split(". ").next().unwrap_or_default().trim_end_matches('.');
        let _ = writeln!(out, "| `{}` | {} |", member("name"), cell(first));
    }
    Ok(out)
}

/// How many commands there are of each risk.
fn risks(catalog: &Catalog) -> String {
    let mut out = "| risk | means | commands |\n| --- | --- | ---: |\n".to_owned();
    for risk in Risk::ALL {
        let count = catalog.commands().filter(|command| command.risk == risk).count();
        let _ = writeln!(out, "| `{risk}` | {} | {count} |", meaning(risk));
    }
    out
}

fn meaning(risk: Risk) -> &'static str {
    match risk {
        Risk::Read => "changes nothing",
        Risk::Disclose => "hands out a secret or access",
        Risk::Write => "changes something in the ordinary way",
        Risk::Disrupt => "causes an outage or loses configuration; can be put right",
        Risk::Destroy => "destroys one object irreversibly",
        Risk::Raze => "destroys many objects, or infrastructure, irreversibly",
    }
}
