//! JSON Schema 2020-12 of a command's arguments and result, plain enough for the strictest clients.
//!
//! One dialect for all: an object at the root, no combinators, no `$ref`, one type a property.

use serde_json::{Map, Value, json};

use crate::catalog::{Catalog, Command, MapEncoding, Parameter, ParameterType};

/// The length that text has unless CloudStack says otherwise; not worth a word in every schema.
const LENGTH_USUAL: usize = 255;

/// `deployVirtualMachine` → `deploy_virtual_machine`; a run of capitals is one word: `listVMSnapshot` → `list_vm_snapshot`.
#[must_use]
pub fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 6);
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let starts_word = letter.is_ascii_uppercase()
            && before.is_some_and(|before| !before.is_ascii_uppercase() || letters.get(at + 1).is_some_and(char::is_ascii_lowercase));
        if starts_word && !out.ends_with('_') {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// The schema of a command's arguments: an object that names every parameter, required ones first, and refuses others.
#[must_use]
pub fn input(catalog: &Catalog, command: &Command) -> Map<String, Value> {
    let words = catalog.words(command);
    let (required, optional): (Vec<&Parameter>, Vec<&Parameter>) = command.parameters.iter().partition(|parameter| parameter.required);
    let names: Vec<&str> = required.iter().map(|parameter| parameter.name.as_str()).collect();
    let mut properties = Map::new();
    for parameter in required.iter().chain(&optional) {
        let mut property = property(catalog, command, parameter);
        if let Some(text) = catalog.parameter_text(command, &words, parameter) {
            property.insert("description".to_owned(), text.into());
        }
        properties.insert(parameter.name.clone(), property.into());
    }
    let mut schema = object(json!({"type": "object", "properties": properties}));
    if !names.is_empty() {
        schema.insert("required".to_owned(), json!(names));
    }
    schema.insert("additionalProperties".to_owned(), false.into());
    schema
}

/// The schema of a command's result as our surfaces give it, where it is certain: lists that only read. Short, since it
/// is said hundreds of times.
///
/// Nothing is required: a failure has other members, and clients check those against the schema too. Values are left
/// open, since replies deviate from their declared types (wire facts §2.9).
#[must_use]
pub fn output(command: &Command) -> Option<Map<String, Value>> {
    let certain = command.is_list() && !command.is_async && command.worst_risk() == crate::catalog::Risk::Read;
    certain
        .then(|| object(json!({"type": "object", "properties": {"items": {"type": "array"}, "total": {"type": "integer"}, "complete": {"type": "boolean"}}})))
}

fn property(catalog: &Catalog, command: &Command, parameter: &Parameter) -> Map<String, Value> {
    match parameter.kind {
        ParameterType::List => {
            let items = scalar(catalog, command, parameter, parameter.items.unwrap_or(ParameterType::String));
            object(json!({"type": "array", "items": items}))
        }
        ParameterType::Map => map(parameter),
        kind => scalar(catalog, command, parameter, kind),
    }
}

fn scalar(catalog: &Catalog, command: &Command, parameter: &Parameter, kind: ParameterType) -> Map<String, Value> {
    let word = match kind {
        ParameterType::Boolean => "boolean",
        ParameterType::Integer | ParameterType::Long | ParameterType::Short => "integer",
        ParameterType::Double => "number",
        _ => "string",
    };
    let mut property = object(json!({"type": word}));
    if let Some(values) = catalog.values(&command.name, &parameter.name) {
        let values: Vec<Value> = values.values.keys().filter_map(|value| typed(word, value)).collect();
        let key = if catalog.values(&command.name, &parameter.name).is_some_and(|values| values.closed) { "enum" } else { "examples" };
        property.insert(key.to_owned(), values.into());
    }
    if word == "string" && parameter.length_max() != LENGTH_USUAL {
        property.insert("maxLength".to_owned(), parameter.length_max().into());
    }
    if word == "integer" && parameter.validations.iter().any(|validation| validation == "PositiveNumber") {
        property.insert("minimum".to_owned(), 1.into());
    }
    property
}

/// An accepted value in the type that the schema names.
fn typed(word: &str, value: &str) -> Option<Value> {
    match word {
        "integer" => value.parse::<i64>().ok().map(Value::from),
        "number" => value.parse::<f64>().ok().map(Value::from),
        "boolean" => value.parse::<bool>().ok().map(Value::from),
        _ => Some(Value::from(value)),
    }
}

fn map(parameter: &Parameter) -> Map<String, Value> {
    let Some(MapEncoding::Records { keys, open }) = &parameter.encoding else {
        return object(json!({"type": "object", "additionalProperties": true}));
    };
    let properties: Map<String, Value> = keys.iter().map(|key| (key.name.clone(), json!({"type": "string"}))).collect();
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name.as_str()).collect();
    let mut record = object(json!({"type": "object", "properties": properties}));
    if !required.is_empty() {
        record.insert("required".to_owned(), json!(required));
    }
    record.insert("additionalProperties".to_owned(), (*open).into());
    object(json!({"type": "array", "items": record}))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_words() {
        assert_eq!(snake_case("deployVirtualMachine"), "deploy_virtual_machine");
        assert_eq!(snake_case("listVMSnapshot"), "list_vm_snapshot");
        assert_eq!(snake_case("createVPC"), "create_vpc");
        assert_eq!(snake_case("addIpToNic"), "add_ip_to_nic");
        assert_eq!(snake_case("resetSSHKeyForVirtualMachine"), "reset_ssh_key_for_virtual_machine");
    }
}
