//! What a server's `listApis` reply has that the catalog has not, and the reverse, as text for a person.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use cloudstack_api::catalog::{Catalog, Command, Field};
use serde_json::{Map, Value};

use super::Facts;

/// Something with a name, by that name, as text to compare and to show.
type Described = BTreeMap<String, String>;

/// The differences, one line each, and counts at the end.
pub(super) fn report(catalog: &Catalog, served: &Facts) -> String {
    let ours: BTreeMap<String, _> = catalog.commands().map(|command| (command.name.clone(), command)).collect();
    let (mut out, mut changed) = (String::new(), 0_usize);
    let added: Vec<&String> = served.keys().filter(|name| !ours.contains_key(*name)).collect();
    let absent: Vec<&String> = ours.keys().filter(|name| !served.contains_key(*name)).collect();
    for name in &added {
        let _ = writeln!(out, "+ {name}");
    }
    for name in &absent {
        let _ = writeln!(out, "- {name}");
    }
    for (name, command) in &ours {
        let Some(other) = served.get(name) else { continue };
        let lines = differences(catalog, command, other);
        if !lines.is_empty() {
            changed += 1;
            let _ = writeln!(out, "~ {name}\n{}", lines.join("\n"));
        }
    }
    let _ = writeln!(
        out,
        "against {}: {} commands added, {} absent, {changed} changed, {} the same",
        catalog.release(),
        added.len(),
        absent.len(),
        ours.len() - absent.len() - changed
    );
    if !absent.is_empty() {
        out.push_str("absent is not removed: a server lists what it has loaded and what the caller may call\n");
    }
    out
}

fn differences(catalog: &Catalog, command: &Command, other: &Map<String, Value>) -> Vec<String> {
    let mut lines = Vec::new();
    let answers_later = other.get("async").and_then(Value::as_bool).unwrap_or_default();
    if answers_later != command.is_async {
        lines.push(format!("    job: {} -> {answers_later}", command.is_async));
    }
    lines.extend(compare("parameter", &parameters(command), &served_parameters(other)));
    let mut fields = Described::new();
    describe_fields(&catalog.fields(command), "", &mut fields);
    let mut served = Described::new();
    describe_served_fields(other.get("response"), "", &mut served);
    lines.extend(compare("field", &fields, &served));
    lines
}

fn compare(what: &str, ours: &Described, theirs: &Described) -> Vec<String> {
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let line = |name: &String| match (ours.get(name), theirs.get(name)) {
        (Some(ours), None) => Some(format!("    - {what} {name}: {ours}")),
        (None, Some(theirs)) => Some(format!("    + {what} {name}: {theirs}")),
        (Some(ours), Some(theirs)) if ours != theirs => Some(format!("    ~ {what} {name}: {ours} -> {theirs}")),
        _ => None,
    };
    names.into_iter().filter_map(line).collect()
}

fn parameters(command: &Command) -> Described {
    let text = |kind: Value, required: bool, length: usize| described(kind.as_str().unwrap_or_default(), required, length);
    let parameters = command.parameters.iter();
    parameters
        .map(|parameter| (parameter.name.clone(), text(serde_json::to_value(parameter.kind).unwrap_or_default(), parameter.required, parameter.length_max())))
        .collect()
}

fn served_parameters(command: &Map<String, Value>) -> Described {
    let described = |parameter: &Value| {
        let length = parameter.get("length").and_then(Value::as_u64).and_then(|length| usize::try_from(length).ok()).unwrap_or(255);
        let required = parameter.get("required").and_then(Value::as_bool).unwrap_or_default();
        Some((parameter.get("name")?.as_str()?.to_owned(), described(parameter.get("type")?.as_str()?, required, length)))
    };
    command.get("params").and_then(Value::as_array).into_iter().flatten().filter_map(described).collect()
}

fn described(kind: &str, required: bool, length: usize) -> String {
    let need = if required { "required" } else { "optional" };
    if length == 255 { format!("{kind}, {need}") } else { format!("{kind}, {need}, at most {length}") }
}

fn describe_fields(fields: &[Field], prefix: &str, out: &mut Described) {
    for field in fields {
        let path = format!("{prefix}{}", field.name);
        describe_fields(&field.fields, &format!("{path}."), out);
        out.insert(path, field.kind.clone());
    }
}

fn describe_served_fields(fields: Option<&Value>, prefix: &str, out: &mut Described) {
    for field in fields.and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| field.get(key).and_then(Value::as_str).unwrap_or_default();
        let path = format!("{prefix}{}", text("name"));
        describe_served_fields(field.get("fields"), &format!("{path}."), out);
        out.insert(path, text("type").to_owned());
    }
}
