//! The differences between a recorded answer and ours.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    align,
    ids::Ids,
    reduce::{is_compared_number, is_word},
};

/// Finds differences and learns ids on the way.
#[derive(Debug)]
pub(super) struct Comparison<'a> {
    ids: &'a mut Ids,
    found: BTreeSet<String>,
}

/// The differences between two reduced bodies, each a short sentence.
pub(super) fn differences(recorded: &Value, ours: &Value, ids: &mut Ids) -> Vec<String> {
    let mut comparison = Comparison { ids, found: BTreeSet::new() };
    comparison.value("", "", recorded, ours);
    comparison.found.into_iter().collect()
}

/// Our listing of commands cut to names, as the recordings have it.
pub(super) fn cut_to_names(recorded: &Value, ours: &mut Value) {
    let is_names = recorded.pointer("/listapisresponse/api/0").is_some_and(Value::is_string);
    if is_names && let Some(items) = ours.pointer_mut("/listapisresponse/api").and_then(Value::as_array_mut) {
        for item in items {
            if let Some(name) = item.get("name").cloned() {
                *item = name;
            }
        }
    }
}

impl Comparison<'_> {
    fn say(&mut self, path: &str, what: impl AsRef<str>) {
        let path = if path.is_empty() { "body" } else { path };
        self.found.insert(format!("{path}: {}", what.as_ref()));
    }

    fn value(&mut self, path: &str, key: &str, recorded: &Value, ours: &Value) {
        match (recorded, ours) {
            (Value::Object(recorded), Value::Object(ours)) => self.object(path, recorded, ours),
            (Value::Array(recorded), Value::Array(ours)) => self.list(path, key, recorded, ours),
            (Value::String(recorded), Value::String(ours)) => self.text(path, key, recorded, ours),
            (Value::Bool(recorded), Value::Bool(ours)) if recorded != ours => self.say(path, format!("{ours}, not {recorded}")),
            (Value::Number(recorded), Value::Number(ours)) if is_compared_number(key) && recorded != ours => self.say(path, format!("{ours}, not {recorded}")),
            _ if kind(recorded) != kind(ours) => self.say(path, format!("{}, not {}", kind(ours), kind(recorded))),
            _ => {}
        }
    }

    fn text(&mut self, path: &str, key: &str, recorded: &str, ours: &str) {
        self.ids.learn(recorded, ours);
        if is_word(key) && recorded != ours && self.ids.ours(recorded) != Some(ours) {
            self.say(path, format!("`{ours}`, not `{recorded}`"));
        }
    }

    fn object(&mut self, path: &str, recorded: &Map<String, Value>, ours: &Map<String, Value>) {
        for (key, value) in recorded {
            let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match ours.get(key) {
                Some(other) => self.value(&inner, key, value, other),
                None => self.say(&inner, "missing"),
            }
        }
        for key in ours.keys().filter(|key| !recorded.contains_key(*key)) {
            let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            self.say(&inner, "not recorded");
        }
    }

    fn list(&mut self, path: &str, key: &str, recorded: &[Value], ours: &[Value]) {
        let inner = format!("{path}[]");
        if recorded.len() != ours.len() {
            self.say(&inner, format!("{} items, not {}", ours.len(), recorded.len()));
        }
        if key == "api" && recorded.iter().all(Value::is_string) {
            self.names(&inner, recorded, ours);
            return;
        }
        let pairs = align::pair(recorded, ours, self.ids);
        for pairing in pairs.iter().filter(|pairing| pairing.sure) {
            self.value(&inner, key, pairing.recorded, pairing.ours);
        }
        // Items of which nobody can say which is which are compared as a whole: all their members, without values.
        let unsure = || pairs.iter().filter(|pairing| !pairing.sure);
        if let (Some(recorded), Some(ours)) = (union(unsure().map(|pairing| pairing.recorded)), union(unsure().map(|pairing| pairing.ours))) {
            let mut aside = Ids::default();
            let mut comparison = Comparison { ids: &mut aside, found: BTreeSet::new() };
            comparison.value(&inner, key, &recorded, &ours);
            self.found.extend(comparison.found);
        }
    }

    fn names(&mut self, path: &str, recorded: &[Value], ours: &[Value]) {
        let set = |items: &[Value]| items.iter().filter_map(Value::as_str).map(str::to_owned).collect::<BTreeSet<String>>();
        let (recorded, ours) = (set(recorded), set(ours));
        for name in recorded.difference(&ours) {
            self.say(path, format!("`{name}` missing"));
        }
        for name in ours.difference(&recorded) {
            self.say(path, format!("`{name}` not recorded"));
        }
    }
}

/// One item with the members of all.
fn union<'v>(items: impl Iterator<Item = &'v Value>) -> Option<Value> {
    items.cloned().reduce(merged)
}

fn merged(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Object(mut one), Value::Object(other)) => {
            for (key, value) in other {
                let value = match one.remove(&key) {
                    Some(known) => merged(known, value),
                    None => value,
                };
                one.insert(key, value);
            }
            Value::Object(one)
        }
        // A flag or a word differs from item to item; its type does not.
        (Value::Array(one), Value::Array(other)) if one.is_empty() => Value::Array(other),
        (one, _) => one,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a flag",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::replay::reduce::reduced;

    fn told(recorded: &Value, ours: &Value) -> Vec<String> {
        differences(&reduced(recorded), &reduced(ours), &mut Ids::default())
    }

    #[test]
    fn texts_times_and_ids_may_differ_and_types_members_and_states_may_not() {
        let recorded =
            json!({"id": "53f3d969-c674-4741-8e3d-547c1e653e8a", "displaytext": "one", "created": "2026-11-22T16:25:38+0000", "state": "Running", "cpus": 1});
        let alike =
            json!({"id": "7db64e9b-a8d2-4355-940b-e836ff7fc07e", "displaytext": "two", "created": "2027-01-01T00:00:00+0000", "state": "Running", "cpus": 9});
        assert_eq!(told(&recorded, &alike), Vec::<String>::new());
        let other = json!({"id": "x", "displaytext": 1, "state": "Stopped", "cpus": 1, "more": true});
        let expected = ["created: missing", "displaytext: a number, not text", "more: not recorded", "state: `Stopped`, not `Running`"];
        assert_eq!(told(&recorded, &other), expected);
    }

    #[test]
    fn items_are_compared_with_those_of_their_name_in_any_order() {
        let recorded = json!({"count": 2, "zone": [{"name": "a", "on": true}, {"name": "b", "on": false}]});
        let turned = json!({"count": 2, "zone": [{"name": "b", "on": false}, {"name": "a", "on": true}]});
        assert_eq!(told(&recorded, &turned), Vec::<String>::new());
        let short = json!({"count": 1, "zone": [{"name": "b", "on": true}]});
        assert_eq!(told(&recorded, &short), ["count: 1, not 2", "zone[].on: true, not false", "zone[]: 1 items, not 2"]);
    }

    #[test]
    fn ids_are_learned_from_the_same_place() {
        let mut ids = Ids::default();
        let (theirs, ours) = ("53f3d969-c674-4741-8e3d-547c1e653e8a", "7db64e9b-a8d2-4355-940b-e836ff7fc07e");
        differences(&json!({"domain": {"id": theirs}}), &json!({"domain": {"id": ours}}), &mut ids);
        assert_eq!(ids.substituted(&format!("{theirs},x")), format!("{ours},x"));
    }
}
