//! Answers for people: a table with a footer for a list, keys and values for an object, a sentence for a job.

use serde_json::{Map, Value};

use super::{
    Layout, table,
    text::{Tint, clean, plain, wrap},
};

/// The members of an answer that the footer tells.
const FOOTER: [&str; 8] = ["receipt", "returned", "total", "complete", "notes", "next", "command", "untrusted"];
const INDENT: usize = 2;
const NOTE_WIDTH: usize = 110;

/// An answer.
pub(super) fn answer(value: &Value, fields: &[String], layout: &Layout) -> String {
    let Value::Object(members) = value else { return table::of_answer(value, fields, layout) };
    let mut text = match members.get("items").and_then(Value::as_array) {
        Some(items) if items.is_empty() => "nothing found".to_owned(),
        Some(items) => table::of_rows(items, fields, layout),
        None => object(members, layout),
    };
    for line in footer(members) {
        text.push('\n');
        text.push_str(&layout.paint.tint(Tint::Faint, &line));
    }
    text
}

/// An answer that is no list: its result, its job, or its members.
fn object(members: &Map<String, Value>, layout: &Layout) -> String {
    let mut text = match members.get("result") {
        Some(Value::Object(result)) if result.get("success").is_some_and(|success| plain(success) == "true") && result.len() == 1 => {
            layout.paint.tint(Tint::Good, "done")
        }
        Some(result) => key_values(result, 0, layout),
        None => {
            let rest: Map<String, Value> = members
                .iter()
                .filter(|(name, _)| !FOOTER.contains(&name.as_str()) && *name != "job")
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            key_values(&Value::Object(rest), 0, layout)
        }
    };
    if let Some(job) = members.get("job").and_then(Value::as_object) {
        let part = |name: &str| job.get(name).map(plain).unwrap_or_default();
        let line = format!("job {} {}", part("id"), part("status"));
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&layout.paint.tint(Tint::Faint, &line));
    }
    text
}

/// Keys and values, one a line, the keys aligned; nested objects are indented. What is absent is not shown.
pub(super) fn key_values(value: &Value, indent: usize, layout: &Layout) -> String {
    let Value::Object(members) = value else { return format!("{}{}", " ".repeat(indent), plain(value)) };
    let shown: Vec<(&String, &Value)> = members.iter().filter(|(_, value)| !is_empty(value)).collect();
    let width = shown.iter().filter(|(_, value)| !is_nested(value)).map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let mut lines = Vec::new();
    for (name, value) in shown {
        let pad = " ".repeat(indent);
        let name = clean(name);
        match value {
            Value::Object(_) => {
                lines.push(format!("{pad}{}", layout.paint.tint(Tint::Strong, &name)));
                lines.push(key_values(value, indent + INDENT, layout));
            }
            Value::Array(items) if is_nested(value) => {
                lines.push(format!("{pad}{}", layout.paint.tint(Tint::Strong, &name)));
                for item in items {
                    let text = key_values(item, indent + INDENT + INDENT, layout);
                    let from = text.char_indices().nth(indent + INDENT + INDENT).map_or(text.len(), |(at, _)| at);
                    lines.push(format!("{}- {}", " ".repeat(indent + INDENT), text.get(from..).unwrap_or_default()));
                }
            }
            _ => {
                let gap = " ".repeat(width.saturating_sub(name.chars().count()));
                lines.push(format!("{pad}{}{gap}  {}", layout.paint.tint(Tint::Strong, &name), plain(value)));
            }
        }
    }
    lines.join("\n")
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(items) => items.iter().any(|item| item.is_object() || item.is_array()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// How many there are and whether that is all, as whom and where, and what else is to be known.
fn footer(members: &Map<String, Value>) -> Vec<String> {
    let mut lines = Vec::new();
    let who = members.get("receipt").map(receipt_line);
    let count = members.get("returned").map(|returned| {
        let total = members.get("total").map(plain).filter(|total| !total.is_empty());
        let completeness = if members.get("complete").and_then(Value::as_bool) == Some(true) { "complete" } else { "not all of them" };
        match total {
            Some(total) => format!("{} of {total}, {completeness}", plain(returned)),
            None => format!("{}, {completeness}", plain(returned)),
        }
    });
    let first: Vec<String> = [count, who].into_iter().flatten().filter(|part| !part.is_empty()).collect();
    if !first.is_empty() {
        lines.push(first.join("; "));
    }
    let notes = members.get("notes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for note in notes.iter().map(|note| format!("note: {}", plain(note))) {
        lines.extend(wrap(&note, NOTE_WIDTH));
    }
    lines.extend(members.get("next").map(|next| format!("next: {}", plain(next))));
    lines
}

/// A receipt in one line: `as admin (Root Admin) on embedded`.
pub(super) fn receipt_line(receipt: &Value) -> String {
    let part = |name: &str| receipt.get(name).map(plain).filter(|text| !text.is_empty());
    let place = match (part("cloud").as_deref(), part("profile"), part("endpoint")) {
        (Some("embedded"), ..) => Some("the embedded cloud".to_owned()),
        (_, Some(profile), Some(endpoint)) => Some(format!("{profile} ({endpoint})")),
        (_, profile, endpoint) => profile.or(endpoint),
    };
    let who = part("user").or_else(|| part("account")).map(|user| match part("role") {
        Some(role) => format!("as {user} ({role})"),
        None => format!("as {user}"),
    });
    match (who, place) {
        (Some(who), Some(place)) => format!("{who} on {place}"),
        (Some(who), None) => who,
        (None, Some(place)) => format!("on {place}"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::text::Paint;

    const LAYOUT: Layout = Layout { width: Some(80), paint: Paint::off() };

    #[test]
    fn a_list_says_how_many_there_are_and_as_whom() {
        let value = json!({"command": "x", "items": [{"name": "a"}], "returned": 1, "total": 3, "complete": false, "notes": ["n"], "next": "ask for more",
            "receipt": {"profile": "embedded", "cloud": "embedded", "user": "admin", "role": "Root Admin"}});
        assert_eq!(answer(&value, &[], &LAYOUT), "NAME\na\n1 of 3, not all of them; as admin (Root Admin) on the embedded cloud\nnote: n\nnext: ask for more");
    }

    #[test]
    fn an_object_is_keys_and_values_with_nested_ones_indented() {
        let value =
            json!({"result": {"id": "1", "name": "web", "none": null, "nic": [{"ip": "10.0.0.1", "mac": "02"}]}, "job": {"id": "7", "status": "succeeded"}});
        assert_eq!(answer(&value, &[], &LAYOUT), "id    1\nname  web\nnic\n  - ip   10.0.0.1\n    mac  02\njob 7 succeeded");
    }

    #[test]
    fn success_without_an_object_is_said_in_a_word() {
        assert_eq!(answer(&json!({"result": {"success": true}}), &[], &LAYOUT), "done");
    }
}
