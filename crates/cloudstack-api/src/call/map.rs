//! Map arguments: from JSON objects and arrays to the three ways in which CloudStack spells them (wire facts §1.7).

use serde_json::{Map, Value};

use crate::{
    catalog::{MapEncoding, Parameter, RecordKey},
    reply::text_of,
    wire::Pair,
};

/// The pairs that a map argument travels as, or what is wrong with it.
pub(super) fn spell(parameter: &Parameter, value: &Value) -> Result<Vec<Pair>, String> {
    let parsed = match value {
        Value::String(text) => Some(from_text(parameter, text)?),
        _ => None,
    };
    let value = parsed.as_ref().unwrap_or(value);
    match parameter.encoding.as_ref() {
        Some(MapEncoding::Pairs { key, value: content }) => pairs(parameter, (key, content), value),
        Some(MapEncoding::Records { keys, open }) => records(parameter, keys, *open, value),
        Some(MapEncoding::Flat) | None => flat(parameter, value),
    }
}

/// Whether a name is a map entry as it travels, `details[0].memory`, of this parameter; the form that people know from
/// other clients.
pub(super) fn is_entry_of(parameter: &Parameter, given: &str) -> bool {
    let Some((name, rest)) = given.split_once('[') else { return false };
    let Some((index, key)) = rest.split_once("].") else { return false };
    name.eq_ignore_ascii_case(&parameter.name) && index.parse::<u16>().is_ok() && is_key(key)
}

/// A map written as text: JSON, or `key=value,key=value`.
fn from_text(parameter: &Parameter, text: &str) -> Result<Value, String> {
    let trimmed = text.trim();
    if trimmed.starts_with(['{', '[']) {
        return serde_json::from_str(trimmed).map_err(|fault| format!("`{}` is no valid JSON: {fault}", parameter.name));
    }
    let pair = |item: &str| item.split_once('=').map(|(key, value)| (key.trim().to_owned(), Value::from(value)));
    let members: Option<Map<String, Value>> = trimmed.split(',').map(pair).collect();
    members.map(Value::Object).ok_or_else(|| format!("`{}` is a map: give an object, or `key=value,key=value`", parameter.name))
}

fn flat(parameter: &Parameter, value: &Value) -> Result<Vec<Pair>, String> {
    let members = match value {
        Value::Object(members) => members.clone(),
        Value::Array(entries) => merged(parameter, entries)?,
        _ => return Err(format!("`{}` takes an object of keys and values", parameter.name)),
    };
    members.iter().map(|(key, value)| entry(parameter, 0, key, value)).collect()
}

/// A list of `{"key": …, "value": …}` or of one-member objects, as an object.
fn merged(parameter: &Parameter, entries: &[Value]) -> Result<Map<String, Value>, String> {
    let mut members = Map::new();
    for value in entries {
        let Value::Object(entry) = value else { return Err(format!("`{}` takes an object of keys and values", parameter.name)) };
        match (entry.get("key").and_then(text_of), entry.get("value")) {
            (Some(key), Some(value)) if entry.len() == 2 => drop(members.insert(key, value.clone())),
            _ => members.extend(entry.clone()),
        }
    }
    Ok(members)
}

fn pairs(parameter: &Parameter, (key, content): (&str, &str), value: &Value) -> Result<Vec<Pair>, String> {
    let mut written: Vec<(String, Option<Value>)> = Vec::new();
    match value {
        Value::Object(members) => written.extend(members.iter().flat_map(|(key, value)| spread(key, value))),
        Value::Array(entries) => {
            for value in entries {
                let Value::Object(entry) = value else { return Err(format!("`{}` takes entries with `{key}` and `{content}`", parameter.name)) };
                match entry.get(key).and_then(text_of) {
                    Some(name) => written.push((name, entry.get(content).cloned())),
                    None => written.extend(entry.iter().flat_map(|(key, value)| spread(key, value))),
                }
            }
        }
        _ => return Err(format!("`{}` takes an object of keys and values", parameter.name)),
    }
    let mut out = Vec::with_capacity(written.len() * 2);
    for (index, (name, value)) in written.iter().enumerate() {
        if name.is_empty() {
            return Err(format!("`{}` holds an empty key, which servers store", parameter.name));
        }
        out.push(entry(parameter, index, key, &Value::from(name.as_str()))?);
        if let Some(value) = value.as_ref().filter(|value| !value.is_null()) {
            out.push(entry(parameter, index, content, value)?);
        }
    }
    Ok(out)
}

/// One key with several values, as where a network service has two providers, becomes several pairs.
fn spread(key: &str, value: &Value) -> Vec<(String, Option<Value>)> {
    match value {
        Value::Array(values) => values.iter().map(|value| (key.to_owned(), Some(value.clone()))).collect(),
        value => vec![(key.to_owned(), Some(value.clone()))],
    }
}

fn records(parameter: &Parameter, keys: &[RecordKey], open: bool, value: &Value) -> Result<Vec<Pair>, String> {
    let single = std::slice::from_ref(value);
    let entries = value.as_array().map_or(single, Vec::as_slice);
    let mut out = Vec::new();
    for (index, value) in entries.iter().enumerate() {
        let Value::Object(members) = value else {
            return Err(format!("`{}` takes a list of objects with {}", parameter.name, key_list(keys)));
        };
        for (given, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            let known = keys.iter().find(|key| key.name == *given).or_else(|| keys.iter().find(|key| key.name.eq_ignore_ascii_case(given)));
            let name = match known {
                Some(key) => &key.name,
                None if open => given,
                None => return Err(format!("`{}` has no key `{given}`; there are {}", parameter.name, key_list(keys))),
            };
            out.push(entry(parameter, index, name, value)?);
        }
        let missing = keys.iter().find(|key| key.required && !members.keys().any(|given| key.name.eq_ignore_ascii_case(given)));
        if let Some(missing) = missing {
            return Err(format!("`{}` lacks the key `{}` in entry {}", parameter.name, missing.name, index + 1));
        }
    }
    Ok(out)
}

fn key_list(keys: &[RecordKey]) -> String {
    keys.iter().map(|key| format!("`{}`", key.name)).collect::<Vec<_>>().join(", ")
}

fn entry(parameter: &Parameter, index: usize, key: &str, value: &Value) -> Result<Pair, String> {
    if !is_key(key) {
        return Err(format!("`{}` has the key `{key}`; keys are not empty and hold no brackets", parameter.name));
    }
    let text = match value {
        Value::Array(items) => items.iter().map(text_of).collect::<Option<Vec<_>>>().map(|items| items.join(",")),
        value => text_of(value),
    };
    let text = text.ok_or_else(|| format!("`{}` takes plain values, and `{key}` holds none", parameter.name))?;
    Ok((format!("{}[{index}].{key}", parameter.name), text))
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && !key.contains(['[', ']'])
}
