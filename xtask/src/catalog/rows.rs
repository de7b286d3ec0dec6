//! The tables' text: from and to [`History`]. Identical shapes of one kind of object share a name.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    Facts,
    merge::{History, Row, Shape, Was},
    version::Version,
};
use crate::workspace::Done;

/// The oldest release that was ever read; what is dated later was found by comparing.
const FIRST: &str = "4.20.3";
/// Row members that are kept apart from the head.
const APART: &[&str] = &["fields", "params", "was"];

/// The lines of a JSON Lines text, by name.
pub(super) fn objects(text: &str) -> Done<Facts> {
    let object = |(at, line): (usize, &str)| match serde_json::from_str(line) {
        Ok(Value::Object(object)) => {
            object.get("name").and_then(Value::as_str).map(str::to_owned).map(|name| (name, object)).ok_or(format!("line {}: no name", at + 1))
        }
        Ok(_) => Err(format!("line {}: no object", at + 1)),
        Err(error) => Err(format!("line {}: {error}", at + 1)),
    };
    text.lines().enumerate().map(object).collect()
}

/// Reads tables that were rendered before.
pub(super) fn load(commands: &str, shapes: &str) -> Done<History> {
    let shapes: BTreeMap<String, Vec<Value>> = objects(shapes)?.into_iter().map(|(name, row)| (name, array(&row, "fields"))).collect();
    let shape = |name: &str| Shape { entity: name.split('#').next().unwrap_or_default().to_owned(), fields: shapes.get(name).cloned().unwrap_or_default() };
    let first: Version = FIRST.parse()?;
    let mut last = first;
    let mut rows = BTreeMap::new();
    for (name, object) in objects(commands)? {
        last = newest(&Value::Object(object.clone()), last);
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
        let was = object.get("was").map(|was| Was {
            until: was.get("until").cloned().unwrap_or_default(),
            reply: was.get("reply").cloned(),
            shape: was.get("fields").and_then(Value::as_str).map(shape),
        });
        let head = object.iter().filter(|(key, _)| !APART.contains(&key.as_str())).map(|(key, value)| (key.clone(), value.clone())).collect();
        rows.insert(name, Row { head, shape: shape(text("fields")), parameters: array(&object, "params"), was });
    }
    Ok(History::resume(rows, first, last))
}

/// The newest date in a row.
fn newest(value: &Value, so_far: Version) -> Version {
    match value {
        Value::Object(members) => members.iter().fold(so_far, |so_far, (key, value)| match value {
            Value::String(text) if key == "since" || key == "until" => text.parse().map_or(so_far, |version| so_far.max(version)),
            nested => newest(nested, so_far),
        }),
        Value::Array(items) => items.iter().fold(so_far, |so_far, item| newest(item, so_far)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => so_far,
    }
}

/// Renders `commands.jsonl` and `shapes.jsonl`.
pub(super) fn render(history: &History) -> (String, String) {
    let mut shapes: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut commands = String::new();
    for row in history.rows.values() {
        let mut line = row.head.clone();
        line.insert("fields".to_owned(), Value::String(register(&mut shapes, &row.shape)));
        line.insert("params".to_owned(), Value::Array(row.parameters.clone()));
        if let Some(was) = &row.was {
            line.insert("was".to_owned(), Value::Object(written(was, &mut shapes)));
        }
        push_line(&mut commands, &Value::Object(line));
    }
    let mut text = String::new();
    for (name, fields) in shapes {
        push_line(&mut text, &serde_json::json!({"name": name, "fields": fields}));
    }
    (commands, text)
}

fn written(was: &Was, shapes: &mut BTreeMap<String, Vec<Value>>) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("until".to_owned(), was.until.clone());
    out.extend(was.reply.clone().map(|reply| ("reply".to_owned(), reply)));
    out.extend(was.shape.as_ref().map(|shape| ("fields".to_owned(), Value::String(register(shapes, shape)))));
    out
}

/// The name of a shape: its entity, with a number where the entity has several.
fn register(shapes: &mut BTreeMap<String, Vec<Value>>, shape: &Shape) -> String {
    let names = std::iter::once(shape.entity.clone()).chain((2_u32..).map(|number| format!("{}#{number}", shape.entity)));
    for name in names {
        match shapes.get(&name) {
            Some(fields) if *fields == shape.fields => return name,
            Some(_) => {}
            None => {
                shapes.insert(name.clone(), shape.fields.clone());
                return name;
            }
        }
    }
    shape.entity.clone()
}

fn push_line(text: &mut String, value: &Value) {
    text.push_str(&value.to_string());
    text.push('\n');
}

fn array(object: &Map<String, Value>, key: &str) -> Vec<Value> {
    object.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::read;

    #[test]
    fn the_present_tables_survive_being_read_and_rendered() {
        let (commands, shapes) = (read("catalog/commands.jsonl").unwrap(), read("catalog/shapes.jsonl").unwrap());
        let (again, shapes_again) = render(&load(&commands, &shapes).unwrap());
        assert!(commands == again, "commands.jsonl is not what the generator writes");
        assert!(shapes == shapes_again, "shapes.jsonl is not what the generator writes");
    }
}
