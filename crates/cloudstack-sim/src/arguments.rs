//! What a server makes of the parameters that reach it (wire facts §1.2, §1.6, §1.7).
//!
//! Decoding and checks in the server's order and words. Which objects a caller may use is checked in `turn.rs`.

use std::collections::{BTreeMap, HashMap};

use cloudstack_api::{
    catalog::{Command, Parameter, ParameterType, RoleType},
    wire::Pair,
};

use crate::{
    gone,
    refusal::Refusal,
    world::{Handle, World, parse_id},
};

/// What the catalog calls a job.
const JOB_ENTITY: &str = "AsyncJobResponse";

/// Kinds of answers that parameters name where they take the id of what the answer is about.
const ABOUT: [(&str, &str); 2] = [("TemplatePermissionsResponse", "TemplateResponse"), ("TlsDataResponse", "LoadBalancerResponse")];

/// How many machines of its own a server makes before the first of a user.
const SYSTEM_MACHINES: u32 = 2;

/// Whether a text holds something that looks like an id. Servers do not mind what stands around it here.
fn holds_id(text: &str) -> bool {
    parse_id(text.trim()).is_some()
}

/// Parameters that commands have only when root calls them; others give them in vain.
const ROOT_ONLY: &[(&str, &[&str])] = &[
    ("listSnapshots", &["imagestoreid", "storageid"]),
    ("createNetwork", &["vlan", "bypassvlanoverlapcheck", "hideipaddressusage", "routerip", "routeripv6", "bgppeerids"]),
    ("listNetworks", &["vlan"]),
    ("updateNetwork", &["hideipaddressusage"]),
    ("listIsos", &["imagestoreid", "storageid"]),
    ("listTemplates", &["imagestoreid", "storageid"]),
    ("createVPC", &["bgppeerids"]),
    ("createPrivateGateway", &["physicalnetworkid", "vlan", "bypassvlanoverlapcheck"]),
    ("deployVirtualMachine", &["podid", "clusterid"]),
    ("createVMFromBackup", &["podid", "clusterid"]),
    ("listVirtualMachines", &["hostid", "podid", "storageid", "clusterid"]),
];

/// Sub-keys and values of one record of a map.
pub(crate) type Entry = BTreeMap<String, String>;

/// The arguments of a call, decoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    plain: BTreeMap<String, String>,
    maps: BTreeMap<String, BTreeMap<i64, Entry>>,
    objects: HashMap<String, Vec<Handle>>,
}

/// Splits a query or a form into pairs. Of repeated names the last wins.
pub(crate) fn decode_form(text: &str) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    for token in text.split('&').filter(|token| !token.is_empty()) {
        let (name, value) = token.split_once('=').unwrap_or((token, ""));
        let (name, value) = (decode(name), decode(value));
        match pairs.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => pairs.push((name, value)),
        }
    }
    pairs
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => match tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                Some(decoded) => {
                    bytes.push(decoded);
                    rest = tail.get(2..).unwrap_or_default();
                }
                None => bytes.push(byte),
            },
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The parameters of query and body; the query wins.
pub(crate) fn merge(query: &str, body: &str) -> Vec<Pair> {
    let mut pairs = decode_form(query);
    for (name, value) in decode_form(body) {
        if !pairs.iter().any(|(known, _)| *known == name) {
            pairs.push((name, value));
        }
    }
    pairs
}

/// Refuses values with control characters (wire facts §1.2 no 6).
pub(crate) fn check_characters(pairs: &[Pair]) -> Result<(), Refusal> {
    let is_control = |letter: char| matches!(letter, '\0'..='\t' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}');
    match pairs.iter().find(|(name, value)| name != "activationrule" && value.contains(is_control)) {
        Some((name, _)) => Err(Refusal::argument(format!("Received value containing illegal ASCII non-printable characters for parameter {name}"))),
        None => Ok(()),
    }
}

/// What a command is called in the texts of argument errors: its envelope without `response`.
pub(crate) fn said_name(command: &Command) -> String {
    let envelope = command.reply.envelope.as_str();
    envelope.strip_suffix("response").unwrap_or(envelope).to_ascii_lowercase()
}

impl Arguments {
    /// Decodes and checks what was sent for a command.
    pub(crate) fn read(pairs: &[Pair], command: &Command, role: RoleType, world: &World) -> Result<Self, Refusal> {
        let mut arguments = Self::default();
        for (name, value) in pairs {
            arguments.put(name, value)?;
        }
        let said = said_name(command);
        if command.is_paged() {
            arguments.check_paging()?;
        }
        let roots = ROOT_ONLY.iter().find(|(name, _)| role != RoleType::Admin && *name == command.name).map_or(&[] as &[&str], |(_, parameters)| parameters);
        for parameter in &command.parameters {
            if roots.contains(&parameter.name.as_str()) || parameter.roles.as_ref().is_some_and(|roles| !roles.contains(&role)) {
                arguments.plain.remove(&parameter.name);
                arguments.maps.remove(&parameter.name);
                continue;
            }
            arguments.check(parameter, &said, world)?;
        }
        Ok(arguments)
    }

    fn put(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let fault = || {
            let form = "if specifying an object array, please use parameter[index].field=XXX, e.g. userGroupList[0].group=httpGroup";
            Refusal::malformed(format!("Unable to decode parameter {name}; {form}"))
        };
        let Some((outer, rest)) = name.split_once('[') else {
            self.plain.insert(name.to_ascii_lowercase(), value.to_owned());
            return Ok(());
        };
        let (index, rest) = rest.split_once(']').ok_or_else(fault)?;
        let index: i64 = index.parse().map_err(|_| fault())?;
        let key = rest.strip_prefix('.').filter(|key| !key.contains(['[', ']'])).ok_or_else(fault)?;
        self.maps.entry(outer.to_ascii_lowercase()).or_default().entry(index).or_default().insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    fn check_paging(&self) -> Result<(), Refusal> {
        let given = |name: &str| self.plain.get(name).map(String::as_str).filter(|value| !value.is_empty());
        match (given("page"), given("pagesize")) {
            (Some(_), None) => Err(Refusal::argument("\"pagesize\" parameter is required when \"page\" is specified")),
            (None, Some(size)) if size != "-1" => Err(Refusal::argument("\"page\" parameter is required when \"pagesize\" is specified")),
            _ => Ok(()),
        }
    }

    fn check(&mut self, parameter: &Parameter, said: &str, world: &World) -> Result<(), Refusal> {
        let name = parameter.name.as_str();
        if parameter.kind == ParameterType::Map {
            return match (self.plain.get(name), self.maps.contains_key(name)) {
                (Some(value), false) => {
                    Err(Refusal::argument(format!("Unable to execute API command {said} due to invalid value {value} for parameter {name}")))
                }
                (None, false) if parameter.required => Err(missing(said, name)),
                _ => Ok(()),
            };
        }
        let Some(value) = self.plain.get(name).cloned() else {
            return if parameter.required { Err(missing(said, name)) } else { Ok(()) };
        };
        if parameter.required && value.is_empty() {
            return Err(Refusal::invalid(format!("Invalid value provided for API arg: {name}")));
        }
        match parameter.kind {
            ParameterType::Integer | ParameterType::Long | ParameterType::Short | ParameterType::Double => self.check_number(parameter, &value, said),
            ParameterType::String => check_length(parameter, &value, said),
            ParameterType::Uuid => self.check_id(parameter, &value, said, world),
            ParameterType::List if parameter.items == Some(ParameterType::Uuid) => self.check_ids(parameter, &value, said, world),
            ParameterType::Date => match crate::dates::parse(&value) {
                Some(_) => Ok(()),
                None => Err(Refusal::argument(format!(
                    "Unable to parse date {value} for command {said}, please pass dates in the format mentioned in the api documentation"
                ))),
            },
            ParameterType::Boolean | ParameterType::List | ParameterType::Map | ParameterType::Object => Ok(()),
        }
    }

    fn check_number(&mut self, parameter: &Parameter, value: &str, said: &str) -> Result<(), Refusal> {
        let is_wide = matches!(parameter.kind, ParameterType::Long | ParameterType::Short);
        if value.is_empty() && !is_wide {
            self.plain.remove(&parameter.name);
            return Ok(());
        }
        let fits = match parameter.kind {
            ParameterType::Integer => value.parse::<i32>().is_ok(),
            ParameterType::Short => value.parse::<i16>().is_ok(),
            ParameterType::Double => value.parse::<f64>().is_ok(),
            _ => value.parse::<i64>().is_ok(),
        };
        let is_entity = !parameter.entity.is_empty() && parse_id(value).is_some();
        if fits || is_entity {
            return Ok(());
        }
        Err(Refusal::argument(format!("Unable to execute API command {said} due to invalid value {value} for parameter {}", parameter.name)))
    }

    fn check_id(&mut self, parameter: &Parameter, value: &str, said: &str, world: &World) -> Result<(), Refusal> {
        // Jobs are no rows; who polls one is told by the jobs themselves whether there is such a job.
        if value == "-1" || parameter.entity.iter().any(|entity| entity == JOB_ENTITY) {
            return Ok(());
        }
        // Newer parameters take no numbers: what is no id at all is dropped without a word.
        if parameter.since.is_some() && !holds_id(value) {
            self.plain.remove(&parameter.name);
            return Ok(());
        }
        let object = self.resolve(parameter, value, world).ok_or_else(|| not_found(parameter, value, said))?;
        self.objects.insert(parameter.name.clone(), vec![object]);
        Ok(())
    }

    fn check_ids(&mut self, parameter: &Parameter, value: &str, said: &str, world: &World) -> Result<(), Refusal> {
        let mut found = Vec::new();
        for item in value.split(',').filter(|item| !item.is_empty()) {
            // Servers drop what is no id at all without a word, and look up the rest.
            if parameter.since.is_some() && !holds_id(item) {
                continue;
            }
            found.push(self.resolve(parameter, item, world).ok_or_else(|| not_found(parameter, item, said))?);
        }
        self.objects.insert(parameter.name.clone(), found);
        Ok(())
    }

    fn resolve(&self, parameter: &Parameter, text: &str, world: &World) -> Option<Handle> {
        // What is asked about with an id of its own kind stands for what it is about.
        let about = |entity: &str| ABOUT.iter().find(|(answer, _)| *answer == entity).and_then(|(_, object)| world.kind_of_entity(object));
        let kinds: Vec<_> = parameter.entity.iter().filter_map(|entity| about(entity).or_else(|| world.kind_of_entity(entity))).collect();
        let fits = |handle: &Handle| kinds.is_empty() || kinds.contains(&handle.kind) || world.is_related(handle.kind, &kinds);
        if let Some(id) = parse_id(text) {
            return world.by_id_once(id).filter(|handle| gone::is_found(world, *handle)).filter(fits);
        }
        let number: u32 = text.parse().ok().filter(|number| *number > 0)?;
        let kind = *kinds.first()?;
        // The machines of the system come before those of people.
        let before = if world.description(kind).is_some_and(|kind| &*kind.word == "virtualmachine") { SYSTEM_MACHINES } else { 0 };
        let row = number.checked_sub(1 + before).unwrap_or(u32::MAX);
        Some(world.rows(kind).find(|row| world.id(*row) == text).unwrap_or(Handle { kind, row }))
    }

    /// A text, if given and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.given(name).filter(|value| !value.is_empty())
    }

    /// A text as it was given, empty or not.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.plain.get(name).map(String::as_str)
    }

    /// A truth value, if given: only `true` is true.
    pub(crate) fn truth(&self, name: &str) -> Option<bool> {
        self.given(name).map(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Whether a truth value was given and is true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.truth(name) == Some(true)
    }

    /// A whole number, if given.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// The items of a list.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        self.given(name).unwrap_or_default().split(',').filter(|item| !item.is_empty()).collect()
    }

    /// The records of a map in the order of their indexes.
    pub(crate) fn records(&self, name: &str) -> impl Iterator<Item = &Entry> {
        self.maps.get(name).into_iter().flat_map(BTreeMap::values)
    }

    /// All entries of a map in one.
    pub(crate) fn merged(&self, name: &str) -> Entry {
        self.records(name).flat_map(Clone::clone).collect()
    }

    /// The object whose id was given.
    pub(crate) fn object(&self, name: &str) -> Option<Handle> {
        self.objects.get(name)?.first().copied()
    }

    /// The objects whose ids were given.
    pub(crate) fn objects(&self, name: &str) -> Option<&[Handle]> {
        self.objects.get(name).map(Vec::as_slice)
    }

    /// All plain arguments by name.
    pub(crate) fn plain(&self) -> impl Iterator<Item = (&str, &str)> {
        self.plain.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The names of the maps that were given.
    pub(crate) fn map_names(&self) -> impl Iterator<Item = &str> {
        self.maps.keys().map(String::as_str)
    }
}

/// What is said where a required argument is missing.
pub(crate) fn missing(said: &str, name: &str) -> Refusal {
    Refusal::argument(format!("Unable to execute API command {said} due to missing parameter {name}")).at_once()
}

fn not_found(parameter: &Parameter, value: &str, said: &str) -> Refusal {
    let name = &parameter.name;
    Refusal::argument(format!(
        "Unable to execute API command {said} due to invalid value. Invalid parameter {name} value={value} due to incorrect long value format, or entity does not exist or due to incorrect parameter annotation for the field in api cmd class."
    ))
}

fn check_length(parameter: &Parameter, value: &str, said: &str) -> Result<(), Refusal> {
    let length_max = parameter.length_max();
    if value.chars().count() <= length_max {
        return Ok(());
    }
    let name = &parameter.name;
    Err(Refusal::argument(format!(
        "Unable to execute API command {said} due to invalid value. Value greater than max allowed length {length_max} for param: {name}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_beats_the_body_and_the_last_of_a_name_wins() {
        let pairs = merge("a=1&a=2&b=%C3%BC+x", "a=3&c=4");
        let expected = [("a", "2"), ("b", "ü x"), ("c", "4")];
        assert_eq!(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_map_needs_one_integer_index_and_a_point() {
        let mut arguments = Arguments::default();
        assert!(arguments.put("TAGS[0].Key", "v").is_ok());
        assert!(arguments.put("tags[-3].dots.and:colons", "w").is_ok());
        for name in ["tags[0][key]", "tags[0]key", "tags[0]", "tags[].key", "tags[a].key", "tags[0].key[1]"] {
            assert_eq!(arguments.put(name, "x").unwrap_err().code, 430, "{name}");
        }
        assert_eq!(arguments.records("tags").map(|entry| entry.keys().cloned().collect::<Vec<_>>()).collect::<Vec<_>>(), [["dots.and:colons"], ["Key"]]);
    }
}
