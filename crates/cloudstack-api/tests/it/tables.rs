//! What we know besides: every curated line speaks of something that CloudStack declares, and says all it must.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
    sync::Arc,
};

use cloudstack_api::{
    call::check,
    catalog::{Catalog, Command, Field, GroupRule, MapEncoding, ParameterType, Raise, Risk, When},
};
use serde_json::{Map, Value};

use crate::{catalogs, columns, none, table};

/// A command in each release that has it.
fn everywhere(catalogs: &[Catalog], name: &str) -> Vec<Arc<Command>> {
    catalogs.iter().filter_map(|catalog| catalog.command(name)).collect()
}

/// Whether some release's command has the parameter.
fn takes(catalogs: &[Catalog], command: &str, parameter: &str) -> bool {
    everywhere(catalogs, command).iter().any(|command| command.parameter(parameter).is_some())
}

fn all_commands(catalogs: &[Catalog]) -> Vec<Arc<Command>> {
    catalogs.iter().flat_map(|catalog| catalog.commands().collect::<Vec<_>>()).collect()
}

/// The names in a column that must be exactly the commands there are.
fn faults_of_keys(text: &'static str) -> Vec<String> {
    let keys: Vec<&str> = columns(text).map(|columns| columns[0]).collect();
    let mut faults: Vec<String> = keys.windows(2).filter(|pair| pair[0] >= pair[1]).map(|pair| format!("{} is not after {}", pair[1], pair[0])).collect();
    let catalogs = catalogs();
    let commands = all_commands(&catalogs);
    let known: BTreeSet<&str> = commands.iter().map(|command| command.name.as_str()).collect();
    let keys: BTreeSet<&str> = keys.into_iter().collect();
    faults.extend(known.difference(&keys).map(|name| format!("{name} has no line")));
    faults.extend(keys.difference(&known).map(|name| format!("{name} is no command")));
    faults
}

#[test]
fn every_command_has_a_risk() {
    none(faults_of_keys(table!("risk.tsv")));
    none(columns(table!("risk.tsv")).filter(|columns| Risk::from_str(columns[1]).is_err()).map(|columns| columns.join(" ")));
}

#[test]
fn what_raises_a_risk_exists_and_makes_it_worse() {
    let catalogs = catalogs();
    let mut faults = Vec::new();
    for columns in columns(table!("risk.tsv")) {
        let risk: Risk = columns[1].parse().unwrap();
        for text in columns.get(2).into_iter().flat_map(|raises| raises.split_whitespace()) {
            match Raise::from_str(text) {
                Ok(raise) if !takes(&catalogs, columns[0], &raise.parameter) => faults.push(format!("{}: no parameter {}", columns[0], raise.parameter)),
                Ok(raise) if raise.risk <= risk => faults.push(format!("{}: {text} is no worse than {risk}", columns[0])),
                Ok(_) => {}
                Err(fault) => faults.push(format!("{}: {fault}", columns[0])),
            }
        }
    }
    none(faults);
}

#[test]
fn a_value_that_raises_a_risk_is_one_that_the_server_takes() {
    let catalogs = catalogs();
    let mut faults = Vec::new();
    for command in all_commands(&catalogs) {
        for raise in &command.raises {
            let Some(parameter) = command.parameter(&raise.parameter) else { continue };
            let closed = catalogs.iter().find_map(|catalog| catalog.values(&command.name, &raise.parameter)).filter(|values| values.closed);
            match (&raise.when, closed) {
                (When::Is(value), Some(values)) if !values.values.keys().any(|known| known.eq_ignore_ascii_case(value)) => {
                    faults.push(format!("{}: {}={value} is never taken", command.name, raise.parameter));
                }
                (When::Is(value), _) if parameter.kind == ParameterType::Boolean && !matches!(value.as_str(), "true" | "false") => {
                    faults.push(format!("{}: {}={value} is no boolean", command.name, raise.parameter));
                }
                _ => {}
            }
        }
    }
    none(faults);
}

#[test]
fn every_command_belongs_to_a_family_and_every_family_has_members() {
    none(faults_of_keys(table!("membership.tsv")));
    let families: BTreeSet<&str> = columns(table!("families.tsv")).map(|columns| columns[0]).collect();
    let used: BTreeSet<&str> = columns(table!("membership.tsv")).map(|columns| columns[1]).collect();
    assert_eq!(used, families);
    none(
        columns(table!("families.tsv"))
            .filter(|columns| columns.len() != 4 || columns.iter().any(|column| column.is_empty()))
            .map(|columns| columns.join(" | ")),
    );
}

#[test]
fn every_map_has_an_encoding_and_every_encoding_a_map() {
    let catalogs = catalogs();
    let maps = all_commands(&catalogs).into_iter().flat_map(|command| {
        let maps = command.parameters.iter().filter(|parameter| parameter.kind == ParameterType::Map);
        maps.map(|parameter| (command.name.clone(), parameter.name.clone(), parameter.encoding.clone())).collect::<Vec<_>>()
    });
    let declared: Vec<(String, String, Option<MapEncoding>)> = maps.collect();
    none(declared.iter().filter(|(_, _, encoding)| encoding.is_none()).map(|(command, parameter, _)| format!("{command} {parameter}")));
    let declared: BTreeSet<(&str, &str)> = declared.iter().map(|(command, parameter, _)| (command.as_str(), parameter.as_str())).collect();
    none(
        columns(table!("maps.tsv"))
            .filter(|columns| !declared.contains(&(columns[0], columns[1])))
            .map(|columns| format!("{} {} is no map", columns[0], columns[1])),
    );
}

/// Whether a dotted path leads to a field. Texts, maps and free lists lead anywhere, since nothing declares their inside.
fn leads_to_field(fields: &[Field], path: &str) -> bool {
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let field = fields.iter().find(|field| field.name == head);
    field.is_some_and(|field| rest.is_none_or(|rest| field.fields.is_empty() || leads_to_field(&field.fields, rest)))
}

fn replies_with(catalogs: &[Catalog], command: &str, path: &str) -> bool {
    let leads = |catalog: &Catalog| catalog.command(command).is_some_and(|command| leads_to_field(&catalog.fields(&command), path));
    // A path may also begin with the key under which the object stands.
    let inside = path.split_once('.').is_some_and(|(_, rest)| {
        catalogs.iter().any(|catalog| catalog.command(command).is_some_and(|command| leads_to_field(&catalog.fields(&command), rest)))
    });
    inside || catalogs.iter().any(leads)
}

/// Commands whose server declares another kind of object than it answers with.
const DECLARED_WRONG: &[&str] = &["getUploadParamsForKubernetesSupportedVersion"];

#[test]
fn every_secret_field_exists() {
    let catalogs = catalogs();
    let mut faults = Vec::new();
    for columns in columns(table!("secrets.tsv")) {
        let [place, path, commands] = columns[..] else { panic!("{columns:?}") };
        for command in commands.split_whitespace().filter(|command| *command != "*") {
            let exists = match place {
                "argument" => takes(&catalogs, command, path.split('.').next().unwrap()),
                "reply" => replies_with(&catalogs, command, path) || DECLARED_WRONG.contains(&command),
                _ => false,
            };
            if !exists {
                faults.push(format!("{place} {path} of {command}"));
            }
        }
    }
    none(faults);
}

/// Fields that CloudStack calls sensitive and that say only whether something is on.
const SENSITIVE_YET_HARMLESS: &[&str] = &["apikeyaccess"];

#[test]
fn every_field_that_cloudstack_calls_sensitive_is_a_secret_of_ours() {
    fn sensitive(fields: &[Field], prefix: &str, out: &mut Vec<String>) {
        for field in fields {
            let path = format!("{prefix}{}", field.name);
            if field.sensitive {
                out.push(path.clone());
            }
            sensitive(&field.fields, &format!("{path}."), out);
        }
    }
    let mut secrets: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for columns in columns(table!("secrets.tsv")).filter(|columns| columns[0] == "reply") {
        secrets.entry(columns[1]).or_default().extend(columns[2].split_whitespace());
    }
    let mut faults = BTreeSet::new();
    for catalog in catalogs() {
        for command in catalog.commands() {
            let mut paths = Vec::new();
            sensitive(&catalog.fields(&command), "", &mut paths);
            let guarded = |path: &String| secrets.get(path.as_str()).is_some_and(|commands| commands.contains("*") || commands.contains(command.name.as_str()));
            faults.extend(
                paths
                    .into_iter()
                    .filter(|path| !guarded(path) && !SENSITIVE_YET_HARMLESS.contains(&path.as_str()))
                    .map(|path| format!("{path} of {}", command.name)),
            );
        }
    }
    none(faults);
}

#[test]
fn every_field_that_tenants_write_exists() {
    let mut fields: BTreeMap<String, Vec<Field>> = BTreeMap::new();
    for catalog in catalogs() {
        for command in catalog.commands() {
            let entity = command.shape.split('#').next().unwrap().to_owned();
            fields.entry(entity).or_default().extend(catalog.fields(&command).iter().cloned());
        }
    }
    let exists = |path: &str, entity: &str| match entity {
        "*" => fields.values().any(|fields| leads_to_field(fields, path)),
        entity => fields.get(entity).is_some_and(|fields| leads_to_field(fields, path)),
    };
    let lines = columns(table!("tenant.tsv")).flat_map(|columns| columns[1].split_whitespace().map(|entity| (columns[0], entity)).collect::<Vec<_>>());
    none(lines.filter(|(path, entity)| !exists(path, entity)).map(|(path, entity)| format!("{path} of {entity}")));
}

#[test]
fn accepted_values_belong_to_parameters_that_exist() {
    let catalogs = catalogs();
    let commands = all_commands(&catalogs);
    let mut faults = Vec::new();
    for line in table!("values.jsonl").lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let parameter = row["parameter"].as_str().unwrap();
        let named: Vec<&str> = row["commands"].as_str().into_iter().chain(row["commands"].as_array().into_iter().flatten().filter_map(Value::as_str)).collect();
        for command in named {
            let exists =
                if command == "*" { commands.iter().any(|command| command.parameter(parameter).is_some()) } else { takes(&catalogs, command, parameter) };
            if !exists {
                faults.push(format!("{parameter} of {command}"));
            }
        }
        if row["values"].as_object().is_none_or(Map::is_empty) {
            faults.push(format!("{parameter}: no values"));
        }
    }
    none(faults);
}

#[test]
fn rules_between_parameters_speak_of_parameters_that_exist() {
    let catalogs = catalogs();
    let mut faults = Vec::new();
    for line in table!("groups.jsonl").lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let texts = |key: &str| row[key].as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect::<Vec<_>>();
        for command in texts("commands") {
            let missing = texts("parameters").into_iter().filter(|parameter| !takes(&catalogs, &command, parameter));
            faults.extend(missing.map(|parameter| format!("{command} has no {parameter}: {}", row["text"])));
        }
    }
    none(faults);
}

#[test]
fn names_are_looked_up_by_lists_that_exist_and_can_do_it() {
    let catalog = &catalogs()[1];
    let list = |column: &'static str| column.split(',').filter(|item| *item != "-" && !item.is_empty());
    let mut faults = Vec::new();
    for columns in columns(table!("names.tsv")) {
        let (entity, name) = (columns[0], columns[1]);
        let Some(command) = catalog.command(name).filter(|command| command.is_list()) else {
            faults.push(format!("{entity}: {name} is no list"));
            continue;
        };
        let fields = catalog.fields(&command);
        faults.extend(list(columns[3]).filter(|path| !leads_to_field(&fields, path)).map(|path| format!("{entity}: {name} has no field {path}")));
        let parameters = list(columns[2]).chain(columns.get(5).into_iter().flat_map(|scope| list(scope)));
        faults.extend(
            parameters.filter(|parameter| command.parameter(parameter).is_none()).map(|parameter| format!("{entity}: {name} has no parameter {parameter}")),
        );
        let fixed = list(columns.get(4).copied().unwrap_or("-")).filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.to_owned(), value.into()));
        let mut arguments: Map<String, Value> = fixed.collect();
        // What the list insists on comes from the asking call.
        for name in columns.get(5).into_iter().flat_map(|scope| list(scope)) {
            let one_of =
                catalog.groups(&command.name).iter().any(|group| group.rule == GroupRule::OneOf && group.parameters.iter().any(|parameter| parameter == name));
            if let Some(parameter) = command.parameter(name).filter(|parameter| parameter.required || one_of) {
                let value = if parameter.takes_ids() { "1b2c3d4e-0000-4000-8000-123456789abc" } else { "1" };
                arguments.insert(name.to_owned(), value.into());
            }
        }
        if let Err(fault) = check(catalog, &command, &arguments) {
            faults.push(format!("{entity}: {fault}"));
        }
    }
    none(faults);
}
