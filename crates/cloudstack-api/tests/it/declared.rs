//! What CloudStack declares: the generated tables are whole, sorted and consistent in themselves.

use std::collections::BTreeSet;

use cloudstack_api::catalog::{ParameterType, Release};
use serde_json::Value;

use crate::{catalogs, none, table};

fn rows() -> impl Iterator<Item = Value> {
    table!("commands.jsonl").lines().map(|line| serde_json::from_str(line).unwrap())
}

fn names(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn both_releases_have_as_many_commands_as_their_servers_declare() {
    assert_eq!(catalogs().map(|catalog| catalog.commands().count()), [864, 918]);
}

#[test]
fn names_are_unique_and_sorted_in_every_table() {
    let commands: Vec<String> = rows().map(|row| row["name"].as_str().unwrap().to_owned()).collect();
    assert!(commands.is_sorted_by(|a, b| a < b));
    let unsorted = rows().filter(|row| !names(&row["params"]).is_sorted_by(|a, b| a < b));
    none(unsorted.map(|row| format!("parameters of {}", row["name"])));
    let shapes: Vec<Value> = table!("shapes.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(shapes.is_sorted_by(|a, b| a["name"].as_str() < b["name"].as_str()));
    none(shapes.iter().filter(|shape| !names(&shape["fields"]).is_sorted_by(|a, b| a < b)).map(|shape| format!("fields of {}", shape["name"])));
}

#[test]
fn every_range_begins_before_it_ends() {
    fn check(path: &str, value: &Value, faults: &mut Vec<String>) {
        let release = |key: &str| value[key].as_str().map(|text| text.parse::<Release>().unwrap_or_else(|fault| panic!("{path}: {fault}")));
        if let (Some(since), Some(until)) = (release("since"), release("until"))
            && since >= until
        {
            faults.push(format!("{path}: since {since} until {until}"));
        }
        for nested in ["params", "fields"] {
            for item in value[nested].as_array().into_iter().flatten() {
                check(&format!("{path}.{}", item["name"].as_str().unwrap()), item, faults);
            }
        }
    }
    let mut faults = Vec::new();
    let shapes = table!("shapes.jsonl").lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    for row in rows().chain(shapes) {
        check(row["name"].as_str().unwrap(), &row, &mut faults);
    }
    none(faults);
}

#[test]
fn no_row_is_lost_between_the_table_and_the_releases() {
    let seen: BTreeSet<String> = catalogs().iter().flat_map(|catalog| catalog.commands().map(|command| command.name.clone()).collect::<Vec<_>>()).collect();
    none(rows().map(|row| row["name"].as_str().unwrap().to_owned()).filter(|name| !seen.contains(name)));
}

#[test]
fn every_parameter_of_a_row_is_known_in_some_release() {
    let catalogs = catalogs();
    let lost = rows().flat_map(|row| {
        let command = row["name"].as_str().unwrap().to_owned();
        let known = |name: &String| catalogs.iter().any(|catalog| catalog.command(&command).is_some_and(|command| command.parameter(name).is_some()));
        names(&row["params"]).into_iter().filter(|name| !known(name)).map(|name| format!("{command} {name}")).collect::<Vec<_>>()
    });
    none(lost);
}

#[test]
fn every_shape_is_used_and_every_used_shape_is_there() {
    let shapes: BTreeSet<String> =
        table!("shapes.jsonl").lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["name"].as_str().unwrap().to_owned()).collect();
    let named = rows().flat_map(|row| [row["fields"].clone(), row["was"]["fields"].clone()]).filter_map(|name| name.as_str().map(str::to_owned));
    let used: BTreeSet<String> = named.collect();
    assert_eq!(used, shapes);
}

#[test]
fn every_list_says_what_its_items_are() {
    let commands = catalogs().into_iter().flat_map(|catalog| catalog.commands().collect::<Vec<_>>());
    none(commands.flat_map(|command| {
        let silent = command.parameters.iter().filter(|parameter| parameter.kind == ParameterType::List && parameter.items.is_none());
        silent.map(|parameter| format!("{} {}", command.name, parameter.name)).collect::<Vec<_>>()
    }));
}

#[test]
fn only_lists_and_objects_have_a_key_and_envelopes_are_never_empty() {
    let commands = catalogs().into_iter().flat_map(|catalog| catalog.commands().collect::<Vec<_>>());
    none(
        commands
            .filter(|command| command.reply.envelope.is_empty() || (command.reply.list && command.reply.object.is_none()))
            .map(|command| command.name.clone()),
    );
}

/// Parameters whose declaration has a capital. Servers compare all names in small letters, but for the login's own.
const WITH_CAPITALS: &[&str] = &["addGuestOs forDisplay", "login domainId", "oauthlogin domainId", "updateGuestOs forDisplay"];

#[test]
fn parameter_names_are_in_small_letters() {
    let commands = catalogs().into_iter().flat_map(|catalog| catalog.commands().collect::<Vec<_>>());
    let odd = commands.flat_map(|command| {
        let odd = command.parameters.iter().filter(|parameter| parameter.name.contains(|letter: char| letter.is_ascii_uppercase()));
        odd.map(|parameter| format!("{} {}", command.name, parameter.name)).collect::<Vec<_>>()
    });
    none(odd.filter(|odd| !WITH_CAPITALS.contains(&odd.as_str())));
}
