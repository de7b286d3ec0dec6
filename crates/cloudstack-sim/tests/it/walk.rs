//! The walk: every command of the catalog is called with a valid call made from what the catalog says of it.
//!
//! A call passes the argument check and the command's schema before it is sent; ids come from what lists show and what
//! earlier calls made. `data/walk.tsv` holds what the catalog cannot tell: an argument's value, an object in a certain
//! state. `data/walk-refused.tsv` names the commands that are refused all the same, or that no call can be made for (`-`),
//! with the reason; it only ever gets shorter.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cloudstack_api::{
    call::check,
    catalog::{Catalog, Command, GroupRule, MapEncoding, Parameter, ParameterType, Release},
    schema,
    wire::form,
};
use cloudstack_sim::{Cloud, Identity, Method, Tuning, WireAnswer, WireRequest, WorldOptions};
use serde_json::{Map, Value, json};

use crate::scene::{cloud, identity, options, send, signed};

/// Arguments and steps that the catalog cannot tell: command, then `name=value` columns.
const STEPS: &str = include_str!("../data/walk.tsv");
/// Commands that refuse a valid call: command, status, reason.
const REFUSED: &str = include_str!("../data/walk-refused.tsv");
/// First words of commands that make an object.
const MAKING: [&str; 13] =
    ["create", "add", "register", "import", "upload", "associate", "allocate", "acquire", "deploy", "configure", "authorize", "issue", "reserve"];
/// First words of commands that take an object away.
const TAKING: [&str; 12] =
    ["delete", "remove", "destroy", "expunge", "revoke", "release", "unmanage", "disassociate", "unregister", "archive", "detach", "quarantine"];
/// What devices call their ids.
const IDS: [&str; 9] =
    ["lbdeviceid", "fwdeviceid", "bcfdeviceid", "vcsdeviceid", "nvpdeviceid", "vsmdeviceid", "uuid", "nsxprovideruuid", "tungstenprovideruuid"];
/// The kinds whose first objects are spared.
const SPARED: [&str; 4] = ["AccountResponse", "UserResponse", "DomainResponse", "RoleResponse"];
/// How often commands are tried again whose objects other commands make.
const PASSES: usize = 3;
/// How many of a hundred commands work at least.
const WELL_PERCENT_MIN: usize = 91;
/// How deep objects are made for objects that the steps do not tell of.
const MAKER_DEPTH_MAX: usize = 1;
/// How deep steps may call for steps.
const DEPTH_MAX: usize = 8;

/// How a call went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Went {
    /// HTTP 200, and the job, if there was one, succeeded.
    Well,
    /// A status, or that of a job, and its text.
    Refused(u16, String),
    /// No valid call could be made, and why.
    Unmade(String),
}

/// A world, and what the walk knows of it.
struct Walk {
    catalog: Arc<Catalog>,
    cloud: Cloud,
    admin: Identity,
    /// Ids by kind, oldest first.
    objects: BTreeMap<String, Vec<String>>,
    steps: BTreeMap<&'static str, Vec<(&'static str, &'static str)>>,
    /// Those who were there first, the caller among them: nothing is done to them.
    spared: BTreeSet<String>,
    /// All that was there first.
    first: BTreeSet<String>,
    /// The commands that went well, for their own sake or another's.
    well: BTreeSet<String>,
    /// What makes names differ.
    number: usize,
    /// The arguments of the last call.
    given: Map<String, Value>,
    /// Why the last object could not be made.
    wanting: String,
    /// The answer of the last call, for values that are no ids.
    last: Value,
}

fn entity_of(shape: &str) -> &str {
    shape.split('#').next().unwrap()
}

fn starts(command: &str, verbs: &[&str]) -> bool {
    verbs.iter().any(|verb| command.strip_prefix(verb).is_some_and(|rest| rest.starts_with(char::is_uppercase)))
}

fn steps() -> BTreeMap<&'static str, Vec<(&'static str, &'static str)>> {
    let lines = STEPS.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let mut columns = line.split('\t');
            (columns.next().unwrap(), columns.map(|column| column.split_once('=').unwrap_or_else(|| panic!("{line}"))).collect())
        })
        .collect()
}

impl Walk {
    fn new(cloud: Cloud, release: Release) -> Self {
        let admin = identity(&cloud, "admin");
        Self {
            catalog: Arc::new(Catalog::embedded(release)),
            cloud,
            admin,
            objects: BTreeMap::new(),
            spared: BTreeSet::new(),
            first: BTreeSet::new(),
            well: BTreeSet::new(),
            steps: steps(),
            number: 0,
            given: Map::new(),
            wanting: String::new(),
            last: Value::Null,
        }
    }

    /// A value for a parameter, in natural JSON.
    fn value(&mut self, command: &Command, parameter: &Parameter, depth: usize) -> Option<Value> {
        let told = self.steps.get(command.name.as_str()).and_then(|steps| steps.iter().find(|(name, _)| *name == parameter.name)).map(|(_, value)| *value);
        if let Some(told) = told {
            return self.told(parameter, told, depth);
        }
        if parameter.takes_ids() {
            let known = self.known(command, parameter).or_else(|| self.made_for(command, parameter, depth)).or_else(|| self.left(parameter));
            let id = json!(known?);
            return Some(if parameter.kind == ParameterType::List { json!([id]) } else { id });
        }
        if parameter.name == "account" {
            return Some(json!("admin"));
        }
        let values = self.catalog.values(&command.name, &parameter.name);
        let spelled = |value: &Value| match (&values, value.as_str()) {
            // Examples are written as people write; a schema wants the exact spelling.
            (Some(values), Some(text)) if values.closed => values.values.keys().find(|known| known.eq_ignore_ascii_case(text)).map(|known| json!(known)),
            _ => Some(value.clone()),
        };
        let examples = self.catalog.words(command).examples;
        let example = examples.iter().filter_map(|example| example.get(&parameter.name)).find_map(spelled);
        let is_name = matches!(parameter.name.as_str(), "name" | "username" | "rolename" | "accountname");
        if is_name && parameter.kind == ParameterType::String {
            self.number += 1;
            return Some(json!(format!("walk-{}", self.number)));
        }
        let accepted = values.as_ref().and_then(|values| values.values.keys().next().cloned());
        let typed = match parameter.kind {
            ParameterType::Boolean => json!(true),
            ParameterType::Integer | ParameterType::Long | ParameterType::Short => {
                accepted.as_ref().and_then(|value| value.parse::<i64>().ok()).unwrap_or(1).into()
            }
            ParameterType::Double => json!(1.0),
            ParameterType::Date => json!("2026-11-01"),
            ParameterType::Map => map(parameter),
            ParameterType::List => json!([accepted.unwrap_or_else(|| "one".to_owned())]),
            ParameterType::String | ParameterType::Uuid | ParameterType::Object => json!(accepted.unwrap_or_else(|| text(&parameter.name).to_owned())),
        };
        Some(example.unwrap_or(typed))
    }

    /// The newest object for takers, the oldest for others.
    fn known(&self, command: &Command, parameter: &Parameter) -> Option<String> {
        let is_owner = matches!(parameter.name.as_str(), "domainid" | "roleid");
        let ids = parameter.entity.iter().filter_map(|entity| self.objects.get(entity)).flatten();
        let mut ids = ids.filter(|id| is_owner || !self.spared.contains(*id));
        // What was there first is left to those who need it.
        if starts(&command.name, &TAKING) { ids.rfind(|id| !self.first.contains(*id)).cloned() } else { ids.next().cloned() }
    }

    /// Any object, where none can be made.
    fn left(&self, parameter: &Parameter) -> Option<String> {
        let mut ids = parameter.entity.iter().filter_map(|entity| self.objects.get(entity)).flatten();
        ids.find(|id| !self.spared.contains(*id)).cloned()
    }

    /// An object made now by a command that tells of the kind.
    fn made_for(&mut self, command: &Command, parameter: &Parameter, depth: usize) -> Option<String> {
        if depth >= MAKER_DEPTH_MAX {
            return None;
        }
        let makers: Vec<String> = self
            .catalog
            .commands()
            .filter(|maker| {
                maker.name != command.name && starts(&maker.name, &MAKING) && parameter.entity.iter().any(|entity| entity == entity_of(&maker.shape))
            })
            .map(|maker| maker.name.clone())
            .collect();
        makers.iter().find(|maker| self.call_at(maker, depth + 1) == Went::Well)?;
        self.known(command, parameter)
    }

    /// A value that a row of the steps gives; the head of the table says how they are written.
    fn told(&mut self, parameter: &Parameter, told: &str, depth: usize) -> Option<Value> {
        if let Some(entity) = told.strip_prefix('@') {
            let id = json!(self.objects.get(entity)?.last()?);
            return Some(if parameter.kind == ParameterType::List { json!([id]) } else { id });
        }
        if let Some(maker) = told.strip_prefix('+') {
            let (maker, argument) = maker.split_once('@').unwrap_or((maker, ""));
            let (maker, pointer) = maker.split_once('.').unwrap_or((maker, ""));
            let went = self.call_at(maker, depth + 1);
            if went != Went::Well {
                self.wanting = format!("{maker} {went:?}");
                return None;
            }
            if !argument.is_empty() {
                return self.given.get(argument).cloned();
            }
            let id = match pointer {
                "" => made(&self.last)?.into(),
                pointer => self.last.pointer(&format!("/{}", pointer.replace('.', "/")))?.clone(),
            };
            return Some(if parameter.kind == ParameterType::List { json!([id]) } else { id });
        }
        if told == "$key" {
            return Some(json!(self.admin.api_key));
        }
        self.number += 1;
        let told = told.replace('#', &self.number.to_string());
        if parameter.kind == ParameterType::String {
            return Some(json!(told));
        }
        Some(serde_json::from_str(&told).unwrap_or(json!(told)))
    }

    /// The arguments of a valid call.
    fn arguments(&mut self, command: &Arc<Command>, depth: usize) -> Result<Map<String, Value>, String> {
        let mut given = Map::new();
        let names_one = |parameter: &Parameter| parameter.name == "id" && parameter.takes_ids() && !command.is_list();
        let told: Vec<&str> = self.steps.get(command.name.as_str()).into_iter().flatten().map(|(name, _)| *name).collect();
        for parameter in command.parameters.iter().filter(|parameter| parameter.required || names_one(parameter) || told.contains(&parameter.name.as_str())) {
            let value = self.value(command, parameter, depth);
            if value.is_none() && names_one(parameter) && !parameter.required {
                continue;
            }
            let value = value.ok_or_else(|| format!("no object for `{}` {:?} {}", parameter.name, parameter.entity, self.wanting))?;
            given.insert(parameter.name.clone(), value);
        }
        let catalog = Arc::clone(&self.catalog);
        // Twice: what one group adds may be what another is about.
        for group in catalog.groups(&command.name).iter().chain(catalog.groups(&command.name)) {
            let has = |name: &String| given.contains_key(name);
            let wanted: Vec<&String> = match group.rule {
                GroupRule::OneOf if !group.parameters.iter().any(has) => group.parameters.iter().collect(),
                GroupRule::Together if group.parameters.iter().any(has) => group.parameters.iter().filter(|name| !has(name)).collect(),
                GroupRule::Requires if group.parameters.first().is_some_and(has) => group.parameters.iter().filter(|name| !has(name)).collect(),
                _ => continue,
            };
            for parameter in wanted.into_iter().filter_map(|name| command.parameter(name)) {
                if let Some(value) = self.value(command, parameter, depth) {
                    given.insert(parameter.name.clone(), value);
                    if group.rule == GroupRule::OneOf {
                        break;
                    }
                }
            }
        }
        Ok(given)
    }

    fn call(&mut self, name: &str) -> Went {
        self.call_at(name, 0)
    }

    fn call_at(&mut self, name: &str, depth: usize) -> Went {
        if depth > DEPTH_MAX {
            return Went::Unmade(format!("`{name}` needs too much"));
        }
        let Some(command) = self.catalog.command(name) else { return Went::Unmade(format!("no command `{name}`")) };
        let given = match self.arguments(&command, depth) {
            Ok(given) => given,
            Err(reason) => return Went::Unmade(reason),
        };
        let input = Value::Object(schema::input(&self.catalog, &command));
        let arguments = Value::Object(given.clone());
        if let Some(fault) = jsonschema::draft202012::new(&input).unwrap().iter_errors(&arguments).next() {
            return Went::Unmade(format!("the schema says: {fault} at {} in {arguments}", fault.instance_path()));
        }
        let draft = match check(&self.catalog, &command, &given) {
            Ok(draft) => draft,
            Err(faults) => return Went::Unmade(format!("the check says: {faults}")),
        };
        if !draft.unresolved().is_empty() {
            return Went::Unmade(format!("names left in {arguments}"));
        }
        let call = draft.resolve(&[]);
        let arguments: Vec<(&str, &str)> = call.pairs().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let went = self.sent(&command, &arguments);
        if went == Went::Well {
            self.well.insert(command.name.clone());
        }
        if went == Went::Well && starts(&command.name, &TAKING) {
            let gone: Vec<&str> = given.iter().filter(|(name, _)| name.ends_with("id") || *name == "ids").flat_map(|(_, value)| strings(value)).collect();
            // Services take objects away with what they stand on; what stays is looked up again.
            self.objects.values_mut().for_each(|ids| ids.retain(|id| command.name.starts_with("detach") || !gone.contains(&id.as_str())));
        }
        self.given = given;
        went
    }

    fn sent(&mut self, command: &Command, arguments: &[(&str, &str)]) -> Went {
        let answer = match command.name.as_str() {
            "login" => self.logged_in().0,
            "logout" => {
                let (_, cookies, key) = self.logged_in();
                let pairs = [("command", "logout"), ("response", "json"), ("sessionkey", &key)].map(|(name, value)| (name.to_owned(), value.to_owned()));
                self.cloud.answer(&WireRequest { method: Method::Post, query: String::new(), body: form(&pairs), cookies })
            }
            name => send(&self.cloud, &signed(&self.admin, name, arguments)),
        };
        self.last = Value::Null;
        if answer.body.is_empty() {
            return Went::Well;
        }
        let body: Value = match serde_json::from_str(&answer.body) {
            Ok(body) => body,
            // Some refusals are bare text.
            Err(_) if answer.status != 200 => return Went::Refused(answer.status, answer.body),
            Err(fault) => panic!("{}: {fault}: {}", command.name, answer.body),
        };
        let (envelope, inside) = body.as_object().unwrap().iter().next().unwrap();
        // What is not there for the caller is refused under a name of its own.
        let expected = if answer.status == 432 { "errorresponse" } else { command.reply.envelope.as_str() };
        assert_eq!(*envelope, expected, "{}: {body}", command.name);
        if answer.status != 200 {
            return Went::Refused(answer.status, inside["errortext"].as_str().unwrap_or_default().to_owned());
        }
        self.last = inside.clone();
        if let Some(job) = inside["jobid"].as_str().filter(|_| command.is_async).map(str::to_owned) {
            self.objects.entry("AsyncJobResponse".to_owned()).or_default().push(job.clone());
            let pairs = signed(&self.admin, "queryAsyncJobResult", &[("jobid", &job)]);
            let answer: Value = serde_json::from_str(&send(&self.cloud, &pairs).body).unwrap();
            let job = &answer["queryasyncjobresultresponse"];
            if job["jobstatus"] != 1 {
                let code = job["jobresult"]["errorcode"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(0);
                return Went::Refused(code, format!("job: {}", job["jobresult"]["errortext"].as_str().unwrap_or_default()));
            }
            self.last = job["jobresult"].clone();
        }
        if starts(&command.name, &MAKING)
            && let Some(id) = made(&self.last)
        {
            let known = self.objects.entry(entity_of(&command.shape).to_owned()).or_default();
            if !known.contains(&id) {
                known.push(id);
            }
        }
        Went::Well
    }

    /// A session of the admin: the answer, its cookies, its key.
    fn logged_in(&self) -> (WireAnswer, BTreeMap<String, String>, String) {
        let pairs = [("command", "login"), ("response", "json"), ("username", &self.admin.username), ("password", &self.admin.password)];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let answer = self.cloud.answer(&WireRequest { method: Method::Post, query: String::new(), body: form(&pairs), cookies: BTreeMap::new() });
        let cookies = answer.headers.iter().filter(|(name, _)| *name == "set-cookie");
        let cookies =
            cookies.filter_map(|(_, cookie)| cookie.split(';').next()?.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let key = body["loginresponse"]["sessionkey"].as_str().unwrap_or_default().to_owned();
        (answer, cookies, key)
    }

    /// Reads what lists show.
    fn look(&mut self, command: &Command) {
        if command.parameter("listall").is_some() {
            let arguments: &[(&str, &str)] = &[("listall", "true")];
            if command.parameters.iter().all(|parameter| !parameter.required) && !self.steps.contains_key(command.name.as_str()) {
                self.sent(command, arguments);
            }
        }
        let rows = self.last.as_object().and_then(|members| members.values().find_map(Value::as_array)).cloned().unwrap_or_default();
        let found: Vec<String> = rows.iter().filter_map(id_of).collect();
        let known = self.objects.entry(entity_of(&command.shape).to_owned()).or_default();
        let fresh: Vec<String> = found.iter().filter(|id| !known.contains(id)).cloned().collect();
        known.retain(|id| found.contains(id) || !command.is_list());
        known.extend(fresh);
    }
}

/// The id of what an answer tells of.
fn made(answer: &Value) -> Option<String> {
    id_of(answer).or_else(|| answer.as_object()?.values().find_map(id_of))
}

/// The id of an object; devices have it under names of their own.
fn id_of(object: &Value) -> Option<String> {
    let id = object["id"].as_str().or_else(|| IDS.iter().find_map(|name| object[*name].as_str()))?;
    Some(id.to_owned())
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_str().into_iter().chain(value.as_array().into_iter().flatten().filter_map(Value::as_str)).collect()
}

fn map(parameter: &Parameter) -> Value {
    match &parameter.encoding {
        Some(MapEncoding::Records { keys, .. }) => {
            let required: Vec<_> = keys.iter().filter(|key| key.required).collect();
            let chosen = if required.is_empty() { keys.iter().take(1).collect() } else { required };
            json!([chosen.iter().map(|key| (key.name.clone(), json!("1"))).collect::<Map<_, _>>()])
        }
        Some(MapEncoding::Pairs { .. } | MapEncoding::Flat) | None => json!({"env": "prod"}),
    }
}

/// A text in the form that a parameter's name speaks of.
fn text(name: &str) -> &'static str {
    match name {
        _ if name.contains("url") => "https://example.org/x",
        _ if name.contains("netmask") => "255.255.255.0",
        _ if name.contains("cidr") => "10.20.0.0/24",
        _ if name.contains("email") => "robin@example.org",
        "gateway" => "10.20.0.1",
        "startip" => "10.20.0.10",
        "endip" => "10.20.0.20",
        _ if name.ends_with("ip") || name.contains("ipaddress") => "10.20.0.30",
        "intervaltype" => "daily",
        _ => "text",
    }
}

fn order(command: &Command) -> u8 {
    match () {
        () if command.is_list() => 0,
        () if starts(&command.name, &MAKING) => 1,
        () if starts(&command.name, &TAKING) => 3,
        () => 2,
    }
}

/// The world that the walk goes through.
pub(crate) fn walked(release: Release) -> WorldOptions {
    WorldOptions { release, tuning: Tuning { limits: false, ..options().tuning }, ..options() }
}

/// Calls every command of a release in a cloud of it.
pub(crate) fn walk(cloud: Cloud, release: Release) -> BTreeMap<String, Went> {
    let mut walk = Walk::new(cloud, release);
    let mut commands: Vec<Arc<Command>> = walk.catalog.commands().collect();
    // The zone that has everything is known before steps make zones that have nothing.
    commands.sort_by_key(|command| (order(command), command.name != "listZones"));
    let lists: Vec<Arc<Command>> = commands.iter().filter(|command| command.is_list()).cloned().collect();
    let mut went: BTreeMap<String, Went> = BTreeMap::new();
    for pass in 0..PASSES {
        for command in &lists {
            if walk.call(&command.name) == Went::Well {
                walk.look(command);
            }
        }
        if pass == 0 {
            walk.first = walk.objects.values().flatten().cloned().collect();
            walk.spared = SPARED.iter().filter_map(|kind| walk.objects.get(*kind)).flatten().cloned().collect();
        }
        for command in &commands {
            let done = went.get(&command.name) == Some(&Went::Well);
            // What takes objects away comes when there is nothing left to try with them.
            if done || pass == 0 && order(command) == 3 {
                continue;
            }
            let how = walk.call(&command.name);
            let how = if walk.well.contains(&command.name) { Went::Well } else { how };
            went.insert(command.name.clone(), how);
        }
    }
    went
}

fn every_command_answers(release: &str) {
    let release = release.parse().unwrap();
    let went = walk(cloud(walked(release)), release);
    let refused: BTreeMap<&str, &str> = REFUSED.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t')).collect();
    let mut faults = Vec::new();
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for (command, went) in &went {
        let known = refused.get(command.as_str()).and_then(|rest| rest.split('\t').next());
        match (went, known) {
            (Went::Well, None) => *statuses.entry(200).or_default() += 1,
            (Went::Well, Some(_)) => {
                *statuses.entry(200).or_default() += 1;
                faults.push(format!("{command} works by now: take it off tests/data/walk-refused.tsv"));
            }
            (Went::Refused(status, text), known) => {
                *statuses.entry(*status).or_default() += 1;
                if known != Some(status.to_string().as_str()) {
                    faults.push(format!("{command}: {status} {text}"));
                }
            }
            (Went::Unmade(_), Some("-")) => {}
            (Went::Unmade(reason), _) => faults.push(format!("{command} is not called: {reason}")),
        }
    }
    let worked = statuses.get(&200).copied().unwrap_or(0);
    println!("{release}: {} commands, {} called, by status {statuses:?}", went.len(), statuses.values().sum::<usize>());
    assert_eq!(faults, Vec::<String>::new(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(worked * 100 >= went.len() * WELL_PERCENT_MIN, "{worked} of {} worked", went.len());
}

#[test]
fn every_command_of_4_22_takes_a_valid_call() {
    every_command_answers("4.22.1");
}

#[test]
fn every_command_of_4_20_takes_a_valid_call() {
    every_command_answers("4.20.3");
}

#[test]
fn the_tables_of_the_walk_name_commands_that_exist() {
    let catalogs = ["4.20.3", "4.22.1"].map(|release| Catalog::embedded(release.parse().unwrap()));
    let named: BTreeSet<&str> =
        STEPS.lines().chain(REFUSED.lines()).filter(|line| !line.starts_with('#') && !line.is_empty()).filter_map(|line| line.split('\t').next()).collect();
    let unknown: Vec<&str> = named.into_iter().filter(|name| catalogs.iter().all(|catalog| catalog.command(name).is_none())).collect();
    assert_eq!(unknown, Vec::<&str>::new());
}
