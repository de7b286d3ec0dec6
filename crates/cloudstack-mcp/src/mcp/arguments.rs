//! The arguments of a tool call, checked against the tool's schema: all faults at once, with did-you-mean.
//!
//! Not the arguments of a command, which the engine checks.

use std::time::Duration;

use cloudstack_api::call::{closest, quoted};
use cloudstack_engine::{Report, ReportKind};
use serde_json::{Map, Value};

/// The longest that a tool call waits for a job.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(600);

/// Arguments that passed the check.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Arguments(Map<String, Value>);

impl Arguments {
    /// Checks arguments against a schema with `properties` of plain types and `required`.
    ///
    /// What models often misspell is put right: numbers and booleans as text, an object as JSON text, a list as text
    /// with commas.
    pub(super) fn check(tool: &str, schema: &Map<String, Value>, given: Map<String, Value>) -> Result<Self, Report> {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let mut faults = Vec::new();
        let mut hints = Vec::new();
        let mut values = Map::new();
        for (name, value) in given {
            let Some(property) = properties.get(&name) else {
                faults.push(format!("unknown argument `{name}` of `{tool}`"));
                hints.push(suggestion(&name, properties.keys().map(String::as_str)));
                continue;
            };
            if value.is_null() {
                continue;
            }
            match read(property, value) {
                Ok(value) => drop(values.insert(name, value)),
                Err(expected) => faults.push(format!("`{name}` must be {expected}")),
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        faults.extend(
            required.filter(|name| !values.contains_key(*name) && !faults_name(&faults, name)).map(|name| format!("`{name}` is missing")).collect::<Vec<_>>(),
        );
        if faults.is_empty() {
            return Ok(Self(values));
        }
        let report = Report::new(ReportKind::Usage, faults.join("; ")).fact("faults", faults);
        Err(hints.into_iter().fold(report, Report::hint))
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(Value::as_str).map(str::to_owned).filter(|text| !text.trim().is_empty())
    }

    /// A list of texts; empty if it is not given.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let items = self.0.get(name).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// A number of things.
    pub(super) fn count(&self, name: &str) -> Option<usize> {
        self.0.get(name).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok())
    }

    /// A yes or no; no if it is not given.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A time to wait, at most [`WAIT_MAX`].
    pub(super) fn seconds(&self, name: &str) -> Option<Duration> {
        self.0.get(name).and_then(Value::as_u64).map(|seconds| Duration::from_secs(seconds).min(WAIT_MAX))
    }

    /// An object; empty if it is not given.
    pub(super) fn object(&self, name: &str) -> Map<String, Value> {
        self.0.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
    }
}

fn faults_name(faults: &[String], name: &str) -> bool {
    faults.iter().any(|fault| fault.starts_with(&format!("`{name}` ")))
}

fn suggestion<'n>(name: &str, names: impl Iterator<Item = &'n str> + Clone) -> String {
    match closest(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it takes {}", quoted(names)),
    }
}

/// The value in the type that its property declares, or what it should have been.
fn read(property: &Value, value: Value) -> Result<Value, String> {
    let kind = property.get("type").and_then(Value::as_str).unwrap_or_default();
    let read = match (kind, value) {
        ("string", Value::Number(number)) => Some(Value::String(number.to_string())),
        ("string", Value::String(text)) => Some(Value::String(text)),
        ("integer", Value::String(text)) => text.trim().parse::<u64>().ok().map(Value::from),
        ("integer", Value::Number(number)) => whole(&number).map(Value::from),
        ("boolean", Value::String(text)) => text.trim().to_ascii_lowercase().parse::<bool>().ok().map(Value::from),
        ("boolean", Value::Bool(flag)) => Some(Value::from(flag)),
        ("object", Value::String(text)) => serde_json::from_str(&text).ok().filter(Value::is_object),
        ("object", Value::Object(members)) => Some(Value::Object(members)),
        ("array", Value::String(text)) => Some(text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()),
        ("array", Value::Array(items)) => items.iter().all(Value::is_string).then_some(Value::Array(items)),
        _ => None,
    };
    let read = read.ok_or_else(|| plainly(kind).to_owned())?;
    let Some(allowed) = property.get("enum").and_then(Value::as_array) else { return Ok(read) };
    if allowed.contains(&read) { Ok(read) } else { Err(format!("one of {}", quoted(allowed.iter().filter_map(Value::as_str)))) }
}

/// A number without fraction and sign, also if it is written `5.0`.
fn whole(number: &serde_json::Number) -> Option<u64> {
    number.as_u64().or_else(|| number.to_string().strip_suffix(".0").and_then(|text| text.parse().ok()))
}

fn plainly(kind: &str) -> &'static str {
    match kind {
        "string" => "a text",
        "integer" => "a whole number that is not negative",
        "boolean" => "true or false",
        "object" => "an object",
        "array" => "a list of texts",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "the cases are literals")]
    fn check(given: Value) -> Result<Arguments, Report> {
        let schema = json!({
            "properties": {
                "command": {"type": "string"},
                "arguments": {"type": "object"},
                "fields": {"type": "array"},
                "limit": {"type": "integer"},
                "detail": {"type": "string", "enum": ["brief", "full"]},
            },
            "required": ["command"],
        });
        Arguments::check("run", schema.as_object().unwrap(), given.as_object().unwrap().clone())
    }

    #[test]
    fn what_models_misspell_is_put_right() {
        let arguments = check(json!({"command": "x", "arguments": "{\"id\": 1}", "fields": "id, name", "limit": "5"})).unwrap();
        assert_eq!(arguments.object("arguments"), json!({"id": 1}).as_object().unwrap().clone());
        assert_eq!(arguments.texts("fields"), ["id", "name"]);
        assert_eq!(arguments.count("limit"), Some(5));
        assert_eq!(check(json!({"command": "x", "limit": 5.0})).unwrap().count("limit"), Some(5));
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let report = check(json!({"argument": {}, "limit": -1, "detail": "all", "fields": [1]})).unwrap_err();
        assert_eq!(report.kind, ReportKind::Usage);
        assert_eq!(
            report.facts["faults"],
            json!([
                "unknown argument `argument` of `run`",
                "`limit` must be a whole number that is not negative",
                "`detail` must be one of `brief`, `full`",
                "`fields` must be a list of texts",
                "`command` is missing",
            ])
        );
        assert_eq!(report.hints, ["did you mean `arguments`?"]);
    }

    #[test]
    fn null_counts_as_not_given() {
        assert_eq!(check(json!({"command": "x", "limit": null})).unwrap().count("limit"), None);
    }

    #[test]
    fn a_wait_has_its_limit() {
        let schema = json!({"properties": {"wait_seconds": {"type": "integer"}}});
        let given = json!({"wait_seconds": 1_000_000});
        let arguments = Arguments::check("job", schema.as_object().unwrap(), given.as_object().unwrap().clone()).unwrap();
        assert_eq!(arguments.seconds("wait_seconds"), Some(WAIT_MAX));
    }
}
