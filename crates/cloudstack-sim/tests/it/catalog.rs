//! The whole catalog: every command answers, in its own envelope, to everybody whose role allows it.

use std::collections::{BTreeMap, BTreeSet};

use cloudstack_api::catalog::{Catalog, Command, Parameter, ParameterType, Release};
use cloudstack_sim::{Cloud, How, Plugins, Scene, WorldOptions, coverage};
use serde_json::{Value, json};

use crate::scene::{call, cloud, of_release, ok, options};

/// Commands whose answers are of their own making: they need no keys, or belong to sessions.
const OTHERS: &[&str] = &["login", "logout"];

fn value(parameter: &Parameter) -> Option<String> {
    Some(match parameter.kind {
        ParameterType::Boolean => "true".to_owned(),
        ParameterType::Integer | ParameterType::Long | ParameterType::Short | ParameterType::Double => "1".to_owned(),
        ParameterType::Date => "2026-11-01".to_owned(),
        ParameterType::Uuid | ParameterType::Map | ParameterType::Object => return None,
        ParameterType::List if parameter.items == Some(ParameterType::Uuid) => return None,
        ParameterType::List => "one".to_owned(),
        ParameterType::String => match parameter.name.as_str() {
            "templatefilter" => "all".to_owned(),
            "url" => "http://example.org/x".to_owned(),
            _ => "text".to_owned(),
        },
    })
}

/// Arguments that a server would take: plain ones made up, ids of objects that exist.
fn arguments(command: &Command, ids: &BTreeMap<String, String>) -> Option<Vec<(String, String)>> {
    let mut given = Vec::new();
    for parameter in command.parameters.iter().filter(|parameter| parameter.required) {
        let known = parameter.entity.iter().find_map(|entity| ids.get(entity)).cloned();
        match (parameter.kind, known.or_else(|| value(parameter))) {
            (ParameterType::Map, _) => given.push((format!("{}[0].key", parameter.name), "value".to_owned())),
            (_, Some(value)) => given.push((parameter.name.clone(), value)),
            (_, None) => return None,
        }
    }
    Some(given)
}

fn entities(cloud: &Cloud, catalog: &Catalog) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    for command in catalog.commands().filter(|command| command.is_list()) {
        let Some(arguments) = arguments(&command, &BTreeMap::new()) else { continue };
        let mut arguments: Vec<(&str, &str)> = arguments.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if command.parameter("listall").is_some() {
            arguments.push(("listall", "true"));
        }
        let (status, _, body) = call(cloud, "admin", &command.name, &arguments);
        // The last row, so that nothing done to it takes the caller's own account away.
        let id = body
            .as_object()
            .and_then(|members| members.values().find_map(Value::as_array))
            .and_then(|rows| rows.last()?.get("id")?.as_str().map(str::to_owned));
        if let (200, Some(id)) = (status, id) {
            ids.entry(command.shape.clone()).or_insert(id);
        }
    }
    ids
}

fn every_command_answers(release: Release) {
    let catalog = Catalog::embedded(release);
    let cloud = of_release(release, Plugins::All);
    let mut ids = entities(&cloud, &catalog);
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    let mut without = 0;
    let starts = |command: &Command, verbs: &[&str]| verbs.iter().any(|verb| command.name.starts_with(verb));
    // First what makes objects, last what takes them away.
    let makes = |command: &Command| match () {
        () if starts(command, &["create", "add", "register", "import"]) => 0_u8,
        () if starts(command, &["delete", "remove", "destroy", "expunge", "revoke", "release", "unmanage", "disassociate"]) => 2,
        () => 1,
    };
    let mut commands: Vec<_> = catalog.commands().filter(|command| !OTHERS.contains(&command.name.as_str())).collect();
    commands.sort_by_key(|command| makes(command));
    for command in commands {
        let Some(arguments) = arguments(&command, &ids) else {
            without += 1;
            continue;
        };
        let arguments: Vec<(&str, &str)> = arguments.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let pairs = crate::scene::signed(&crate::scene::identity(&cloud, "admin"), &command.name, &arguments);
        let answer = crate::scene::send(&cloud, &pairs);
        *statuses.entry(answer.status).or_default() += 1;
        if answer.body.is_empty() {
            continue;
        }
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_else(|fault| panic!("{}: {fault}: {}", command.name, answer.body));
        let envelope = body.as_object().unwrap().keys().next().unwrap();
        assert_eq!(*envelope, command.reply.envelope, "{}: {body}", command.name);
        assert!(![401, 500].contains(&answer.status), "{}: {body}", command.name);
        if let Some(id) = body[envelope]["id"].as_str() {
            ids.entry(command.shape.clone()).or_insert_with(|| id.to_owned());
        }
        for object in body[envelope].as_object().into_iter().flat_map(|members| members.values()) {
            if let Some(id) = object["id"].as_str().filter(|_| makes(&command) == 0) {
                ids.entry(command.shape.clone()).or_insert_with(|| id.to_owned());
            }
        }
    }
    println!("{release}: {statuses:?}, {without} need objects that nothing makes");
    let answered: usize = statuses.values().sum();
    let worked = statuses.get(&200).copied().unwrap_or(0);
    assert!(worked * 10 >= answered * 8, "{worked} of {answered} worked");
}

#[test]
fn every_command_of_4_22_answers_in_its_own_envelope() {
    every_command_answers("4.22.1".parse().unwrap());
}

#[test]
fn every_command_of_4_20_answers_in_its_own_envelope() {
    every_command_answers("4.20.3".parse().unwrap());
}

#[test]
fn each_role_may_call_what_it_may_on_real_servers() {
    let recorded: BTreeMap<String, BTreeMap<String, Vec<String>>> = serde_json::from_str(include_str!("../data/allowed-by-role.json")).unwrap();
    for (line, roles) in recorded {
        let cloud = of_release(line.parse().unwrap(), Plugins::All);
        let all: BTreeSet<&String> = roles["Root Admin"].iter().collect();
        for identity in cloud.identities() {
            let Some(expected) = roles.get(&identity.role) else { continue };
            let body = ok(&cloud, &identity.name, "listApis", &[]);
            let listed: BTreeSet<String> =
                body["api"].as_array().unwrap().iter().map(|api| api["name"].as_str().unwrap().to_owned()).filter(|name| all.contains(name)).collect();
            let expected: BTreeSet<String> = expected.iter().cloned().collect();
            assert_eq!(listed.symmetric_difference(&expected).collect::<Vec<_>>(), Vec::<&String>::new(), "{line} {}", identity.name);
        }
    }
}

#[test]
fn the_coverage_names_every_command_once() {
    let catalog = Catalog::embedded(Release::NEWEST);
    let rows = coverage(&catalog);
    assert_eq!(rows.len(), catalog.commands().count());
    let behaviour = rows.iter().filter(|(_, how)| *how == How::Behaviour).count();
    println!("{behaviour} of {} commands have behaviour", rows.len());
    assert!(behaviour >= 150, "{behaviour}");
}

#[test]
fn a_bare_world_loads_what_its_settings_turn_on() {
    let bare = |settings| WorldOptions { plugins: Plugins::Loaded, scene: Scene::Bare, settings, ..options() };
    let plain = cloud(bare(&[]));
    assert_eq!(plain.identities().len(), 1);
    assert_eq!(ok(&plain, "admin", "listInfrastructure", &[])["infrastructure"]["hosts"], 4);
    assert_eq!(ok(&plain, "admin", "listVirtualMachines", &[("listall", "true")]), json!({}));
    let (status, envelope, _) = call(&plain, "admin", "quotaSummary", &[]);
    assert_eq!((status, envelope.as_str()), (401, "errorresponse"));
    let with_quota = cloud(bare(&[("quota.enable.service", "true")]));
    assert_eq!(call(&with_quota, "admin", "quotaSummary", &[]).0, 200);
}
