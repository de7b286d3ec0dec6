//! From JSON arguments to a [`Draft`], or all that is wrong with them at once.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    Draft, Unresolved, map, scalar,
    similar::{closest, parameter_name},
};
use crate::{
    catalog::{Catalog, Command, Group, GroupRule, Parameter, ParameterType},
    wire::Pair,
};

/// What every project list takes for "all projects".
const ALL_PROJECTS: &str = "-1";

/// How many names a hint lists.
const LISTED_MAX: usize = 15;

/// Names that the program or the server sets; servers would overwrite or misread them (wire facts §1.6).
const RESERVED: &[&str] = &[
    "apikey",
    "cmdeventtype",
    "command",
    "ctxaccountid",
    "ctxdetails",
    "ctxstarteventid",
    "ctxuserid",
    "customjobid",
    "expires",
    "httpmethod",
    "response",
    "sessionkey",
    "signature",
    "signatureversion",
];

/// All that is wrong with the arguments of a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct ArgumentFaults {
    /// The faults, in the order of the arguments, missing ones last. Never empty.
    pub faults: Vec<ArgumentFault>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ArgumentFault {
    /// The parameter, or what was given in its place.
    pub parameter: String,
    /// What is wrong, with the value.
    pub message: String,
    /// What to do, where we know.
    pub hint: Option<String>,
}

/// Checks arguments in natural JSON against a command and spells them as they travel.
///
/// Text is taken for every type (`"true"`, `"5"`), since people and models write it; `null` is an argument that is not
/// given. Where a parameter takes the id of an object that can be looked up, its name may stand instead.
///
/// # Errors
///
/// [`ArgumentFaults`] with all faults: unknown, missing, malformed, too long, exclusive.
pub fn check(catalog: &Catalog, command: &Arc<Command>, arguments: &Map<String, Value>) -> Result<Draft, ArgumentFaults> {
    let mut sheet = Sheet { catalog, command, pairs: Vec::new(), unresolved: Vec::new(), faults: Vec::new(), given: Vec::new() };
    for (name, value) in arguments.iter().filter(|(_, value)| !value.is_null()) {
        sheet.take(name, value);
    }
    sheet.miss();
    for group in catalog.groups(&command.name) {
        sheet.hold(group);
    }
    if sheet.faults.is_empty() {
        Ok(Draft { command: Arc::clone(command), pairs: sheet.pairs, unresolved: sheet.unresolved })
    } else {
        Err(ArgumentFaults { faults: sheet.faults })
    }
}

/// What has been read so far.
struct Sheet<'a> {
    catalog: &'a Catalog,
    command: &'a Command,
    pairs: Vec<Pair>,
    unresolved: Vec<Unresolved>,
    faults: Vec<ArgumentFault>,
    given: Vec<&'a str>,
}

impl<'a> Sheet<'a> {
    fn take(&mut self, name: &str, value: &Value) {
        let plain = parameter_name(name);
        let Some(parameter) = self.command.parameter(name).or_else(|| self.command.parameter(&plain)) else {
            return self.take_unknown(name, &plain, value);
        };
        if self.given.contains(&parameter.name.as_str()) {
            return self.fault(name, format!("`{}` is given twice", parameter.name), None);
        }
        self.given.push(&parameter.name);
        match parameter.kind {
            ParameterType::Map => match map::spell(parameter, value) {
                Ok(pairs) => self.pairs.extend(pairs),
                Err(message) => self.fault(name, message, None),
            },
            ParameterType::List => self.take_list(parameter, value),
            kind => {
                let place = (self.pairs.len(), 0);
                if let Some(text) = self.spell(parameter, kind, value) {
                    let text = self.identify(parameter, kind, text, place);
                    self.pairs.push((parameter.name.clone(), text));
                }
            }
        }
    }

    /// An entry of a map as it travels, or a name that the command does not know.
    fn take_unknown(&mut self, name: &str, plain: &str, value: &Value) {
        let map = self.command.parameters.iter().find(|parameter| parameter.kind == ParameterType::Map && map::is_entry_of(parameter, name));
        if let Some(parameter) = map {
            let rest = name.get(parameter.name.len()..).unwrap_or_default();
            if !self.given.contains(&parameter.name.as_str()) {
                self.given.push(&parameter.name);
            }
            if let Some(text) = self.spell(parameter, ParameterType::Map, value) {
                self.pairs.push((format!("{}{rest}", parameter.name), text));
            }
            return;
        }
        if RESERVED.contains(&plain) {
            return self.fault(name, format!("`{name}` is set by the program, not by its callers"), None);
        }
        let names = self.command.parameters.iter().map(|parameter| parameter.name.as_str());
        let hint = match closest(name, names.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.len() > LISTED_MAX => format!("its description tells the {} that it takes", names.len()),
            None => format!("it takes {}", quoted(names)),
        };
        self.fault(name, format!("unknown argument `{name}` of `{}`", self.command.name), Some(hint));
    }

    fn take_list(&mut self, parameter: &Parameter, value: &Value) {
        let items: Vec<Value> = match value {
            Value::Array(items) => items.clone(),
            Value::String(text) if text.trim().is_empty() => Vec::new(),
            Value::String(text) => text.split(',').map(|item| Value::from(item.trim())).collect(),
            single => vec![single.clone()],
        };
        if items.is_empty() && self.command.is_list() {
            let message = format!("`{}` is an empty list, which servers take for no filter at all", parameter.name);
            return self.fault(&parameter.name, message, Some("leave it out to list everything".to_owned()));
        }
        let kind = parameter.items.unwrap_or(ParameterType::String);
        let at = self.pairs.len();
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let Some(text) = self.spell(parameter, kind, item) else { continue };
            if text.contains(',') {
                self.fault(&parameter.name, format!("`{}` holds `{}`; an item cannot contain a comma", parameter.name, scalar::shown(&text)), None);
            } else if text.is_empty() {
                self.fault(&parameter.name, format!("`{}` holds an empty item, which servers drop", parameter.name), None);
            } else {
                let text = self.identify(parameter, kind, text, (at, index));
                texts.push(text);
            }
        }
        self.pairs.push((parameter.name.clone(), texts.join(",")));
    }

    /// The value as it travels; `None` if that was a fault.
    fn spell(&mut self, parameter: &Parameter, kind: ParameterType, value: &Value) -> Option<String> {
        match scalar::spell(parameter, kind, value) {
            Ok(text) => Some(self.accept(parameter, text)),
            Err(message) => {
                self.fault(&parameter.name, message, None);
                None
            }
        }
    }

    /// Puts an enumerated value into its exact spelling, and refuses what no server takes.
    fn accept(&mut self, parameter: &Parameter, text: String) -> String {
        let Some(values) = self.catalog.values(&self.command.name, &parameter.name) else { return text };
        if values.values.contains_key(&text) || text.is_empty() {
            return text;
        }
        if let Some(exact) = values.values.keys().find(|value| value.eq_ignore_ascii_case(&text)) {
            return exact.clone();
        }
        if values.closed {
            let known = values.values.keys().map(String::as_str);
            let hint = match closest(&text, known.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it takes {}", quoted(known)),
            };
            self.fault(&parameter.name, format!("`{}` is no value of `{}`", scalar::shown(&text), parameter.name), Some(hint));
        }
        text
    }

    /// Notes a name that stands where an id is needed; refuses what can be neither.
    fn identify(&mut self, parameter: &Parameter, kind: ParameterType, text: String, place: (usize, usize)) -> String {
        if kind != ParameterType::Uuid || text == ALL_PROJECTS {
            return text;
        }
        let trimmed = text.trim().to_owned();
        if trimmed.is_empty() {
            self.fault(&parameter.name, format!("`{}` is empty", parameter.name), None);
            return trimmed;
        }
        if scalar::is_uuid(&trimmed) {
            return trimmed;
        }
        let lookups: Vec<_> = parameter.entity.iter().filter_map(|entity| self.catalog.lookup_in(self.command, entity)).collect();
        if !lookups.is_empty() {
            self.unresolved.push(Unresolved { parameter: parameter.name.clone(), name: trimmed, entity: parameter.entity.clone(), lookups, place });
            return text;
        }
        if trimmed.parse::<u64>().is_err() {
            let hint = "ids look like `1b2c3d4e-0000-4000-8000-123456789abc`".to_owned();
            self.fault(&parameter.name, format!("`{}` is no id, which `{}` takes", scalar::shown(&text), parameter.name), Some(hint));
        }
        trimmed
    }

    /// Required parameters that are not given, or given empty.
    fn miss(&mut self) {
        let command = self.command;
        for parameter in command.parameters.iter().filter(|parameter| parameter.required) {
            let given = self.given.contains(&parameter.name.as_str());
            let told = self.faults.iter().any(|fault| fault.parameter == parameter.name);
            let empty = !told && self.pairs.iter().any(|(name, value)| *name == parameter.name && value.is_empty());
            if !given {
                let hint = parameter
                    .entity
                    .iter()
                    .find_map(|entity| self.catalog.lookup_in(command, entity))
                    .map(|lookup| format!("`{}` lists what there is", lookup.command));
                self.fault(&parameter.name, format!("`{}` is missing", parameter.name), hint);
            } else if empty {
                self.fault(&parameter.name, format!("`{}` is empty", parameter.name), None);
            }
        }
    }

    fn hold(&mut self, group: &Group) {
        let given = group.parameters.iter().filter(|name| self.given.contains(&name.as_str())).count();
        let first = group.parameters.first().is_some_and(|name| self.given.contains(&name.as_str()));
        let broken = match group.rule {
            GroupRule::Together => given != 0 && given != group.parameters.len(),
            GroupRule::OneOf => given == 0 || group.max.is_some_and(|max| given > max),
            GroupRule::Exclusive => given > 1,
            GroupRule::Requires => first && given != group.parameters.len(),
        };
        if broken {
            let parameter = group.parameters.first().cloned().unwrap_or_default();
            self.fault(&parameter, group.text.trim_end_matches('.').to_owned(), None);
        }
    }

    fn fault(&mut self, parameter: &str, message: String, hint: Option<String>) {
        self.faults.push(ArgumentFault { parameter: parameter.to_owned(), message, hint });
    }
}

/// Names in a message: `` `a`, `b` ``.
pub fn quoted<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "no arguments".to_owned() } else { names.join(", ") }
}
