//! A live server's `listApis` reply, and how it becomes facts of a release.
//!
//! It tells names, types, required, async and since; not the envelope, the object's key, roles, entities or the type of
//! a list's items. Those are taken over from the row that is there; for a new command they follow the rule that most
//! commands follow, and the row is marked `derived`.

use serde_json::{Map, Value, json};

use super::{
    Facts,
    merge::{History, Row},
};
use crate::workspace::{Done, read_unpacked};

type Object = Map<String, Value>;

/// The length that `listApis` tells for everything without a particular one.
const LENGTH_USUAL: u64 = 255;

/// The commands in a `listApis` reply, by name.
pub(super) fn read(path: &str) -> Done<Facts> {
    let reply: Value = serde_json::from_slice(&read_unpacked(path)?).map_err(|error| format!("`{path}` is not JSON: {error}"))?;
    let list = reply.pointer("/listapisresponse/api").and_then(Value::as_array);
    let list = list.ok_or_else(|| format!("`{path}` is no reply to `listApis`"))?;
    let named = list.iter().filter_map(Value::as_object);
    Ok(named.filter_map(|command| Some((command.get("name")?.as_str()?.to_owned(), plain(command)))).collect())
}

/// One command in the form of the facts, as far as the reply tells.
fn plain(command: &Object) -> Object {
    let parameter = |value: &Value| {
        let mut out = kept(value, &["name", "type", "required", "since"]);
        if let Some(length) = value.get("length").and_then(Value::as_u64).filter(|length| *length != LENGTH_USUAL) {
            out.insert("length".to_owned(), Value::from(length));
        }
        Value::Object(out)
    };
    let mut out = kept(&Value::Object(command.clone()), &["name", "since"]);
    out.insert("async".to_owned(), command.get("isasync").cloned().unwrap_or(Value::Bool(false)));
    out.insert("params".to_owned(), Value::Array(list(command, "params").iter().map(parameter).collect()));
    out.insert("response".to_owned(), Value::Array(list(command, "response").iter().map(field).collect()));
    out.insert("related".to_owned(), command.get("related").cloned().unwrap_or_default());
    out
}

fn field(value: &Value) -> Value {
    let mut out = kept(value, &["name", "type"]);
    let nested: Vec<Value> = value.get("response").and_then(Value::as_array).into_iter().flatten().map(field).collect();
    if !nested.is_empty() {
        out.insert("fields".to_owned(), Value::Array(nested));
    }
    Value::Object(out)
}

/// Facts of the release: what the reply tells, completed. Commands that the server does not list stay as they are.
pub(super) fn facts(served: Facts, history: &History) -> Facts {
    let mut facts: Facts = served.into_iter().map(|(name, command)| (name.clone(), completed(command, history.rows.get(&name), history))).collect();
    for (name, row) in history.rows.iter().filter(|(_, row)| !row.head.contains_key("until")) {
        facts.entry(name.clone()).or_insert_with(|| unchanged(row));
    }
    facts
}

/// The facts that a row stands for today.
fn unchanged(row: &Row) -> Object {
    let mut out = row.head.clone();
    let alive = |values: &[Value]| Value::Array(values.iter().filter(|value| value.get("until").is_none()).cloned().collect());
    out.insert("params".to_owned(), alive(&row.parameters));
    out.insert("response".to_owned(), alive(&row.shape.fields));
    with_entity(&mut out, &row.shape.entity);
    out
}

fn completed(mut command: Object, row: Option<&Row>, history: &History) -> Object {
    let related = command.remove("related").unwrap_or_default();
    let Some(row) = row else { return derived(command, related.as_str().unwrap_or_default(), history) };
    for key in ["build", "setting", "roles", "entity", "reply", "derived"] {
        if let Some(value) = row.head.get(key) {
            command.insert(key.to_owned(), value.clone());
        }
    }
    with_entity(&mut command, &row.shape.entity);
    inherit(&mut command, "params", &row.parameters, &["items", "entity", "roles", "validations"]);
    inherit(&mut command, "response", &row.shape.fields, &["since", "roles", "sensitive", "fields"]);
    command
}

/// A new command by the rule: the envelope is its name in small letters with `response` behind it.
fn derived(mut command: Object, related: &str, history: &History) -> Object {
    let name = command.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    // Commands that CloudStack calls related reply with the same kind of object.
    let kin = related.split(',').filter_map(|name| history.rows.get(name)).max_by_key(|row| row.shape.fields.len());
    let entity = kin.map_or_else(|| format!("{name}Response"), |row| row.shape.entity.clone());
    let object = kin.and_then(|row| row.head.get("reply")?.get("object").cloned());
    let mut reply = json!({"envelope": format!("{}response", name.to_lowercase()), "entity": entity, "list": name.starts_with("list")});
    if let (Some(object), Some(reply)) = (object, reply.as_object_mut()) {
        reply.insert("object".to_owned(), object);
    }
    command.insert("build".to_owned(), Value::from("unknown"));
    command.insert("reply".to_owned(), reply);
    command.insert("derived".to_owned(), json!(["build", "entity", "envelope", "object"]));
    command
}

fn with_entity(command: &mut Object, entity: &str) {
    if let Some(Value::Object(reply)) = command.get_mut("reply") {
        reply.insert("entity".to_owned(), Value::from(entity));
    }
    command.entry("build").or_insert_with(|| Value::from("default"));
}

/// Takes over what the reply does not tell, member by member.
fn inherit(command: &mut Object, list: &str, from: &[Value], keys: &[&str]) {
    let Some(Value::Array(items)) = command.get_mut(list) else { return };
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        let known = from.iter().find(|known| known.get("name") == item.get("name"));
        for key in keys {
            if let Some(value) = known.and_then(|known| known.get(*key)).filter(|_| !item.contains_key(*key)) {
                item.insert((*key).to_owned(), value.clone());
            }
        }
    }
}

fn kept(value: &Value, keys: &[&str]) -> Object {
    keys.iter().filter_map(|key| Some(((*key).to_owned(), value.get(*key)?.clone()))).collect()
}

fn list<'a>(command: &'a Object, key: &str) -> &'a [Value] {
    command.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::rows::{load, render},
        workspace::read as text,
    };

    fn history() -> History {
        load(&text("catalog/commands.jsonl").unwrap(), &text("catalog/shapes.jsonl").unwrap()).unwrap()
    }

    #[test]
    fn a_server_that_lists_little_takes_nothing_away() {
        let before = render(&history());
        let release = "4.99.0".parse().unwrap();
        let facts = facts(Facts::new(), &history());
        assert!(render(&history().advance(release, &facts).unwrap()) == before);
    }

    #[test]
    fn a_command_that_a_server_adds_is_completed_by_rule_and_marked() {
        let reply = json!({"name": "listQuarks", "isasync": false, "related": "createZone", "params": [{"name": "id", "type": "uuid", "length": 255, "required": true}], "response": []});
        let served = Facts::from_iter([("listQuarks".to_owned(), plain(reply.as_object().unwrap()))]);
        let facts = facts(served, &history());
        let history = history().advance("4.99.0".parse().unwrap(), &facts).unwrap();
        let head = Value::Object(history.rows["listQuarks"].head.clone());
        assert_eq!(head["reply"], json!({"envelope": "listquarksresponse", "object": "zone", "list": true}));
        assert_eq!((&head["since"], &head["build"]), (&json!("4.23.0"), &json!("unknown")));
        assert_eq!(head["derived"], json!(["build", "entity", "envelope", "object"]));
        assert_eq!(history.rows["listQuarks"].parameters, [json!({"name": "id", "type": "uuid", "required": true})]);
    }
}
