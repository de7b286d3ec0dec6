//! Releases one after the other: what each declared becomes one row with the range in which it holds.
//!
//! Between two releases that were read, a change may have come in any release; it is dated to the first release of the
//! next line, unless CloudStack itself says when. Within a row only one change of the same thing can be told (`was`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Facts, version::Version};
use crate::workspace::Done;

type Object = Map<String, Value>;

/// What a change of a parameter is looked for in.
const COMPARED: &[&str] = &["type", "items", "required", "length", "entity", "roles"];

/// The fields of a command's reply, and the kind of object they belong to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) entity: String,
    pub(super) fields: Vec<Value>,
}

/// A command's row; its shapes are named only when the table is rendered.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Everything up to and with `reply`, in the order of the table.
    pub(super) head: Object,
    pub(super) shape: Shape,
    pub(super) parameters: Vec<Value>,
    pub(super) was: Option<Was>,
}

/// What an older release had instead.
#[derive(Clone, Debug)]
pub(super) struct Was {
    pub(super) until: Value,
    pub(super) reply: Option<Value>,
    pub(super) shape: Option<Shape>,
}

/// All releases read so far.
#[derive(Debug)]
pub(super) struct History {
    pub(super) rows: BTreeMap<String, Row>,
    first: Version,
    last: Version,
}

/// The step from one release to the next.
#[derive(Clone, Copy)]
struct Step {
    first: Version,
    before: Version,
}

impl Step {
    /// Since when there is something; `older` is its row, if an earlier release had it.
    fn since(self, older: Option<&Object>, newer: &Object) -> Option<Value> {
        let declared = newer.get("since").and_then(Value::as_str).and_then(|text| text.parse::<Version>().ok());
        let Some(older) = older else {
            return Some(text(declared.filter(|since| *since > self.before).unwrap_or(self.before.next_line())));
        };
        // A date that an earlier step found stands against what developers wrote into the code.
        let found = older.get("since").and_then(Value::as_str).and_then(|text| text.parse::<Version>().ok()).filter(|since| *since > self.first);
        found.or(declared).map(text)
    }

    fn until(self) -> Value {
        text(self.before.next_line())
    }
}

impl History {
    /// Starts with the oldest release.
    pub(super) fn begin(release: Version, facts: Facts) -> Self {
        let step = Step { first: release, before: release };
        let undated = Object::new();
        let rows = facts.into_iter().map(|(name, facts)| (name, row(step, Some(&undated), &facts))).collect();
        Self { rows, first: release, last: release }
    }

    /// Continues from tables that were rendered before; their releases are told by the dates in them.
    pub(super) fn resume(rows: BTreeMap<String, Row>, first: Version, last: Version) -> Self {
        Self { rows, first, last }
    }

    /// Whether some release has a command by this name.
    pub(super) fn knows(&self, command: &str) -> bool {
        self.rows.contains_key(command)
    }

    /// Adds a newer release that names every command it has.
    pub(super) fn advance(self, release: Version, facts: &Facts) -> Done<Self> {
        if release <= self.last {
            return Err(format!("{release} is not newer than {}, the last release in the tables", self.last));
        }
        let step = Step { first: self.first, before: self.last };
        let names: BTreeSet<String> = self.rows.keys().chain(facts.keys()).cloned().collect();
        let mut rows = BTreeMap::new();
        for name in names {
            let next = match (self.rows.get(&name), facts.get(&name)) {
                (Some(older), Some(newer)) => change(step, older, newer)?,
                (Some(older), None) => end(step, older.clone()),
                (None, Some(newer)) => row(step, None, newer),
                (None, None) => continue,
            };
            rows.insert(name, next);
        }
        Ok(Self { rows, first: self.first, last: release })
    }
}

/// A row of a command that one release declares; `older` as in [`Step::since`].
fn row(step: Step, older: Option<&Object>, facts: &Object) -> Row {
    // What came with a new command has no date of its own but what CloudStack says.
    let parameters: Vec<Value> = items(facts, "params").into_iter().map(|parameter| parameter_alone(&parameter)).collect();
    Row { head: head(facts, step.since(older, facts)), shape: shape_alone(facts), parameters: sorted(&parameters), was: None }
}

/// A command that is gone: its row and its parameters end.
fn end(step: Step, mut row: Row) -> Row {
    if row.head.contains_key("until") {
        return row;
    }
    let ended = |object: &Object, before: &[&str]| {
        let mut out = Object::new();
        for (key, value) in object {
            if before.contains(&key.as_str()) && !out.contains_key("until") {
                out.insert("until".to_owned(), step.until());
            }
            out.insert(key.clone(), value.clone());
        }
        out.entry("until").or_insert_with(|| step.until());
        out
    };
    row.head = ended(&row.head, &["build", "setting", "roles", "entity", "reply"]);
    row.parameters = row.parameters.iter().filter_map(Value::as_object).map(|parameter| Value::Object(ended(parameter, &["was"]))).collect();
    row
}

/// A command that both have.
fn change(step: Step, older: &Row, facts: &Object) -> Done<Row> {
    let name = facts.get("name").and_then(Value::as_str).unwrap_or_default();
    if older.head.contains_key("until") {
        return Err(format!("`{name}` came back after it had gone; a row can hold one range only"));
    }
    let newer = row(step, Some(&older.head), facts);
    let reply = older.head.get("reply").filter(|reply| Some(*reply) != newer.head.get("reply")).cloned();
    let same_entity = older.shape.entity == newer.shape.entity;
    let was = match (reply, same_entity) {
        (None, true) => older.was.clone(),
        (reply, same) if older.was.is_none() => Some(Was { until: step.until(), reply, shape: (!same).then(|| older.shape.clone()) }),
        _ => return Err(format!("the reply of `{name}` changed twice; a row can hold one change only")),
    };
    let shape = if same_entity { Shape { fields: fields(step, &older.shape.fields, &items(facts, "response")), ..newer.shape } } else { newer.shape };
    let given = by_name(&items(facts, "params"));
    let before = by_name(&older.parameters);
    let names: BTreeSet<&String> = given.keys().chain(before.keys()).collect();
    let mut parameters = Vec::with_capacity(names.len());
    for key in names {
        parameters.push(Value::Object(match (before.get(key), given.get(key)) {
            (Some(before), Some(given)) => parameter_changed(step, before, given).map_err(|fault| format!("`{name}`: {fault}"))?,
            (Some(before), None) => parameter_ended(step, before),
            (None, Some(given)) => parameter(given, step.since(None, given), None),
            (None, None) => continue,
        }));
    }
    Ok(Row { head: newer.head, shape, parameters, was })
}

fn head(facts: &Object, since: Option<Value>) -> Object {
    let mut out = Object::new();
    copy(&mut out, facts, "name");
    out.insert("async".to_owned(), facts.get("async").cloned().unwrap_or(Value::Bool(false)));
    out.extend(since.map(|since| ("since".to_owned(), since)));
    if facts.get("build").and_then(Value::as_str) != Some("default") {
        copy(&mut out, facts, "build");
    }
    copy(&mut out, facts, "setting");
    if let Some(mut roles) = facts.get("roles").and_then(Value::as_array).cloned().filter(|roles| !roles.is_empty()) {
        roles.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        out.insert("roles".to_owned(), Value::Array(roles));
    }
    copy(&mut out, facts, "entity");
    copy(&mut out, facts, "derived");
    let mut reply = Object::new();
    if let Some(Value::Object(declared)) = facts.get("reply") {
        reply.insert("envelope".to_owned(), declared.get("envelope").cloned().unwrap_or_default());
        for key in ["object", "list", "object_with"] {
            copy(&mut reply, declared, key);
        }
    }
    out.insert("reply".to_owned(), Value::Object(reply));
    out
}

fn shape_alone(facts: &Object) -> Shape {
    let entity = facts.get("reply").and_then(|reply| reply.get("entity")).and_then(Value::as_str).unwrap_or_default().to_owned();
    let fields: Vec<Value> = items(facts, "response").iter().filter_map(Value::as_object).map(field_alone).collect();
    Shape { entity, fields: sorted(&fields) }
}

fn parameter_alone(facts: &Value) -> Value {
    let empty = Object::new();
    let facts = facts.as_object().unwrap_or(&empty);
    Value::Object(parameter(facts, declared(facts), None))
}

/// A parameter in the table's order.
fn parameter(facts: &Object, since: Option<Value>, until: Option<Value>) -> Object {
    let mut out = Object::new();
    for key in ["name", "type", "items", "required", "length", "entity", "roles", "validations"] {
        copy(&mut out, facts, key);
    }
    out.extend(since.map(|since| ("since".to_owned(), since)));
    out.extend(until.map(|until| ("until".to_owned(), until)));
    out
}

fn parameter_ended(step: Step, before: &Object) -> Object {
    let until = before.get("until").cloned().unwrap_or_else(|| step.until());
    let mut out = parameter(before, before.get("since").cloned(), Some(until));
    copy(&mut out, before, "was");
    out
}

fn parameter_changed(step: Step, before: &Object, given: &Object) -> Done<Object> {
    let name = given.get("name").and_then(Value::as_str).unwrap_or_default();
    if before.contains_key("until") {
        return Err(format!("`{name}` came back after it had gone; a row can hold one range only"));
    }
    let mut out = parameter(given, step.since(Some(before), given), None);
    let mut was = Object::new();
    for key in COMPARED.iter().filter(|key| before.get(**key) != given.get(**key)) {
        let absent = if *key == "required" { Value::Bool(false) } else { Value::Null };
        was.insert((*key).to_owned(), before.get(*key).cloned().unwrap_or(absent));
    }
    if was.is_empty() {
        copy(&mut out, before, "was");
    } else if before.contains_key("was") {
        return Err(format!("`{name}` changed twice; a row can hold one change only"));
    } else {
        let mut ranged = Object::from_iter([("until".to_owned(), step.until())]);
        ranged.append(&mut was);
        out.insert("was".to_owned(), Value::Object(ranged));
    }
    Ok(out)
}

fn field_alone(facts: &Object) -> Value {
    let nested: Vec<Value> = items(facts, "fields").iter().filter_map(Value::as_object).map(field_alone).collect();
    field(facts, declared(facts), None, sorted(&nested))
}

fn fields(step: Step, before: &[Value], given: &[Value]) -> Vec<Value> {
    let (before, given) = (by_name(before), by_name(given));
    let names: BTreeSet<&String> = before.keys().chain(given.keys()).collect();
    let merge = |name: &String| match (before.get(name), given.get(name)) {
        (Some(before), Some(given)) => {
            let nested = fields(step, &items(before, "fields"), &items(given, "fields"));
            Some(field(given, step.since(Some(before), given), None, nested))
        }
        (Some(before), None) => Some(field_ended(step, before)),
        (None, Some(given)) => {
            let nested: Vec<Value> = items(given, "fields").iter().filter_map(Value::as_object).map(field_alone).collect();
            Some(field(given, step.since(None, given), None, sorted(&nested)))
        }
        (None, None) => None,
    };
    names.into_iter().filter_map(merge).collect()
}

fn field_ended(step: Step, before: &Object) -> Value {
    let until = before.get("until").cloned().unwrap_or_else(|| step.until());
    let nested = items(before, "fields").iter().filter_map(Value::as_object).map(|nested| field_ended(step, nested)).collect();
    field(before, before.get("since").cloned(), Some(until), nested)
}

/// A field in the table's order.
fn field(facts: &Object, since: Option<Value>, until: Option<Value>, nested: Vec<Value>) -> Value {
    let mut out = Object::new();
    copy(&mut out, facts, "name");
    copy(&mut out, facts, "type");
    out.extend(since.map(|since| ("since".to_owned(), since)));
    out.extend(until.map(|until| ("until".to_owned(), until)));
    copy(&mut out, facts, "roles");
    copy(&mut out, facts, "sensitive");
    if !nested.is_empty() {
        out.insert("fields".to_owned(), Value::Array(nested));
    }
    Value::Object(out)
}

fn declared(facts: &Object) -> Option<Value> {
    facts.get("since").and_then(Value::as_str).and_then(|text| text.parse::<Version>().ok()).map(text)
}

/// Copies a member that says something: not absent, null, false or empty.
fn copy(to: &mut Object, from: &Object, key: &str) {
    let Some(value) = from.get(key) else { return };
    let silent = match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::String(_) => false,
    };
    if !silent {
        to.insert(key.to_owned(), value.clone());
    }
}

fn items(object: &Object, key: &str) -> Vec<Value> {
    object.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Sorted by name; of two with one name the last counts.
fn by_name(values: &[Value]) -> BTreeMap<String, Object> {
    let named = values.iter().filter_map(Value::as_object);
    named.filter_map(|object| Some((object.get("name")?.as_str()?.to_owned(), object.clone()))).collect()
}

fn sorted(values: &[Value]) -> Vec<Value> {
    by_name(values).into_values().map(Value::Object).collect()
}

fn text(version: Version) -> Value {
    Value::String(version.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn history(releases: &[(&str, Value)]) -> Done<History> {
        let facts = |value: &Value| by_name(value.as_array().unwrap());
        let mut releases = releases.iter().map(|(release, commands)| (release.parse::<Version>().unwrap(), facts(commands)));
        let (first, commands) = releases.next().unwrap();
        releases.try_fold(History::begin(first, commands), |history, (release, commands)| history.advance(release, &commands))
    }

    fn command(name: &str, parameters: &Value) -> Value {
        json!({"name": name, "async": false, "build": "default", "reply": {"envelope": "e", "entity": "X"}, "params": parameters, "response": []})
    }

    #[test]
    fn what_came_between_two_releases_is_dated_to_the_next_line() {
        let releases = [
            ("4.20.3", json!([command("a", &json!([]))])),
            ("4.22.1", json!([command("a", &json!([{"name": "p", "type": "string"}])), command("b", &json!([]))])),
        ];
        let history = history(&releases).unwrap();
        assert_eq!(history.rows["b"].head["since"], "4.21.0");
        assert_eq!(history.rows["a"].parameters, [json!({"name": "p", "type": "string", "since": "4.21.0"})]);
        assert_eq!(history.rows["a"].head.get("since"), None);
    }

    #[test]
    fn what_went_ends_at_the_next_line() {
        let releases = [
            ("4.20.3", json!([command("a", &json!([])), command("b", &json!([{"name": "p", "type": "uuid"}]))])),
            ("4.22.1", json!([command("a", &json!([]))])),
        ];
        let history = history(&releases).unwrap();
        assert_eq!(history.rows["b"].head["until"], "4.21.0");
        assert_eq!(history.rows["b"].parameters, [json!({"name": "p", "type": "uuid", "until": "4.21.0"})]);
    }

    #[test]
    fn a_change_keeps_what_was_and_a_second_change_is_refused() {
        let with = |required: bool, kind: &str| json!([command("a", &json!([{"name": "p", "type": kind, "required": required}]))]);
        let once = [("4.20.3", with(false, "string")), ("4.22.1", with(true, "string"))];
        let row = history(&once).unwrap().rows["a"].parameters.clone();
        assert_eq!(row, [json!({"name": "p", "type": "string", "required": true, "was": {"until": "4.21.0", "required": false}})]);
        let twice = [once[0].clone(), once[1].clone(), ("4.23.0", with(true, "uuid"))];
        assert_eq!(history(&twice).unwrap_err(), "`a`: `p` changed twice; a row can hold one change only");
    }

    #[test]
    fn a_date_once_found_survives_the_releases_after_it() {
        let parameter = json!([{"name": "p", "type": "string", "since": "4.1"}]);
        let releases =
            [("4.20.3", json!([command("a", &json!([]))])), ("4.22.1", json!([command("a", &parameter)])), ("4.23.0", json!([command("a", &parameter)]))];
        assert_eq!(history(&releases).unwrap().rows["a"].parameters[0]["since"], "4.21.0");
    }
}
