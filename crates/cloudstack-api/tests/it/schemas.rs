//! The schema of every command: valid JSON Schema 2020-12, and plain enough for the strictest clients.

use std::collections::BTreeSet;

use cloudstack_api::schema;
use serde_json::{Map, Value};

use crate::{catalogs, none};

/// What some clients refuse a whole list of tools for (protocol notes §8).
const REFUSED_BY_SOME: &[&str] = &["oneOf", "anyOf", "allOf", "not", "$ref", "$defs", "if", "patternProperties"];

/// Keywords anywhere in a schema, as far as they are schemas and not names of properties.
fn keywords(schema: &Map<String, Value>, out: &mut Vec<(String, Value)>) {
    for (key, value) in schema {
        out.push((key.clone(), value.clone()));
        match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => properties.values().filter_map(Value::as_object).for_each(|property| keywords(property, out)),
            ("items" | "additionalProperties", Value::Object(inner)) => keywords(inner, out),
            _ => {}
        }
    }
}

#[test]
fn every_schema_is_valid_and_without_what_clients_refuse() {
    let mut faults = Vec::new();
    for catalog in catalogs() {
        for command in catalog.commands() {
            for schema in [Some(schema::input(&catalog, &command)), schema::output(&command)].into_iter().flatten() {
                if !jsonschema::draft202012::meta::is_valid(&Value::Object(schema.clone())) {
                    faults.push(format!("{}: not valid", command.name));
                }
                let mut found = Vec::new();
                keywords(&schema, &mut found);
                faults.extend(found.iter().filter(|(key, _)| REFUSED_BY_SOME.contains(&key.as_str())).map(|(key, _)| format!("{}: {key}", command.name)));
                faults.extend(
                    found.iter().filter(|(key, value)| key == "type" && !value.is_string()).map(|(_, value)| format!("{}: type {value}", command.name)),
                );
                if schema.get("type") != Some(&Value::from("object")) {
                    faults.push(format!("{}: the root is no object", command.name));
                }
            }
        }
    }
    none(faults);
}

#[test]
fn a_schema_names_every_parameter_and_requires_what_is_required() {
    let mut faults = Vec::new();
    for catalog in catalogs() {
        for command in catalog.commands() {
            let schema = Value::Object(schema::input(&catalog, &command));
            let properties = schema["properties"].as_object().unwrap();
            let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            for parameter in &command.parameters {
                if !properties.contains_key(&parameter.name) || required.contains(&parameter.name.as_str()) != parameter.required {
                    faults.push(format!("{} {}", command.name, parameter.name));
                }
            }
            if properties.len() != command.parameters.len() || schema["additionalProperties"] != Value::Bool(false) {
                faults.push(format!("{}: takes more than its parameters", command.name));
            }
        }
    }
    none(faults);
}

/// Commands with an example that the argument check takes and a strict client would not send.
const GAPS: &str = include_str!("../data/examples-outside-schemas.txt");

#[test]
fn every_example_is_valid_by_the_schema() {
    let catalog = &catalogs()[1];
    let gaps: BTreeSet<&str> = GAPS.lines().filter(|line| !line.starts_with('#')).collect();
    let mut faults = Vec::new();
    for command in catalog.commands() {
        let validator = jsonschema::draft202012::new(&Value::Object(schema::input(catalog, &command))).unwrap();
        let examples = catalog.words(&command).examples.into_iter().map(Value::Object);
        let found: Vec<String> = examples
            .flat_map(|example| {
                validator.iter_errors(&example).map(|fault| format!("{}: {fault} at {}", command.name, fault.instance_path())).collect::<Vec<_>>()
            })
            .collect();
        match (found.is_empty(), gaps.contains(command.name.as_str())) {
            (true, true) => faults.push(format!("{} is sound by now: take it off tests/data/examples-outside-schemas.txt", command.name)),
            (false, false) => faults.extend(found),
            _ => {}
        }
    }
    none(faults);
}
