//! What a call would touch: its targets and what depends on them, read from the cloud's present state.
//!
//! What depends on what is `catalog/dependents.tsv`; how an object is read follows from the catalog, with the exceptions in
//! `catalog/objects.tsv`. Nothing here changes anything.

use std::{collections::BTreeSet, sync::Arc};

use cloudstack_api::{
    call::Call,
    catalog::{Catalog, Command, Risk, Table},
    reply::text_of,
    schema::snake_case,
};
use cloudstack_client::ListLimits;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use crate::{
    connection::made_call,
    explain,
    plan::{Dependent, Target},
    resolve::{Finder, widened},
    seal::digest,
    shape::values_at,
};

/// How many targets are read.
const TARGETS_MAX: usize = 25;
/// How many look-ups of dependents are made.
const LOOKUPS_MAX: usize = 60;
/// How many look-ups go side by side.
const SIDE_BY_SIDE_MAX: usize = 8;
/// How many dependents of one kind are counted.
const COUNTED_MAX: usize = 500;
/// How many of them are named.
const NAMED_MAX: usize = 5;
/// Parameters that say where, not what, unless they are all there is.
const PLACES: &[&str] = &["zoneid", "podid", "domainid", "projectid", "physicalnetworkid"];
/// What names begin with whose commands take objects away.
const VERBS_OF_REMOVAL: &[&str] = &["delete", "destroy", "expunge", "remove", "release", "disassociate", "purge"];
/// Where objects have their names, best first.
const NAMES: &[&str] = &["name", "displayname", "username", "ipaddress", "publicip", "displaytext", "description", "type"];
/// Where objects have their states.
const STATES: &[&str] = &["state", "resourcestate", "allocationstate", "status"];
/// What helps to recognise an object.
const FACTS: &[&str] = &[
    "displayname",
    "account",
    "domainpath",
    "domain",
    "project",
    "zonename",
    "vmname",
    "nic.ipaddress",
    "ipaddress",
    "cidr",
    "size",
    "type",
    "deleteprotection",
    "created",
];

/// What a call would touch.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) targets: Vec<Target>,
    pub(crate) dependents: Vec<Dependent>,
    /// How many objects in all.
    pub(crate) affected: usize,
    /// A digest of the state that was read.
    pub(crate) state: String,
    /// What could not be read.
    pub(crate) notes: Vec<String>,
    /// Whether a target is protected against deletion.
    pub(crate) protected: bool,
}

/// A row of `dependents.tsv`.
#[derive(Clone, Copy, Debug)]
struct Link {
    kind: &'static str,
    command: &'static str,
    filters: &'static str,
    fate: &'static str,
    always: bool,
}

/// A target as it was read.
struct Seen {
    target: Target,
    entity: String,
    object: Value,
}

/// Whether a command takes objects away, judged by the verb that its name begins with.
pub(crate) fn removes(command: &Command) -> bool {
    let name = snake_case(&command.name);
    name.split('_').next().is_some_and(|verb| VERBS_OF_REMOVAL.contains(&verb))
}

impl Finder<'_> {
    /// Reads what a call would touch.
    pub(crate) async fn survey(&self, call: &Call) -> Survey {
        let mut survey = Survey::default();
        let wanted = self.wanted(call);
        if wanted.len() > TARGETS_MAX {
            survey.notes.push(format!("{} objects are meant; only {TARGETS_MAX} of them were looked at", wanted.len()));
        }
        let reads: Vec<_> = wanted.iter().take(TARGETS_MAX).map(|(entity, id)| self.read(call.command(), entity, id)).collect();
        let seen: Vec<(Seen, Option<String>)> = stream::iter(reads).buffered(SIDE_BY_SIDE_MAX).collect().await;
        survey.notes.extend(seen.iter().filter_map(|(_, note)| note.clone()));
        let seen: Vec<Seen> = seen.into_iter().map(|(seen, _)| seen).collect();
        let known: BTreeSet<&str> = seen.iter().map(|seen| seen.target.id.as_str()).collect();
        let removes = removes(call.command());
        let links = seen.iter().flat_map(|seen| links_of(&seen.entity).into_iter().map(move |link| (seen, link)));
        let links: Vec<(&Seen, Link)> = links.filter(|(_, link)| link.always || removes).collect();
        let counts: Vec<_> = links.iter().take(LOOKUPS_MAX).map(|(seen, link)| self.count(seen, *link, &known)).collect();
        let counted: Vec<Counted> = stream::iter(counts).buffered(SIDE_BY_SIDE_MAX).collect().await;
        let mut marks = Vec::new();
        for ((_, link), counted) in links.iter().zip(counted) {
            survey.notes.extend(counted.note);
            if counted.ids.is_empty() {
                continue;
            }
            marks.push(json!([link.kind, counted.ids]));
            let fate = fate(link.fate, call.risk());
            merge(&mut survey.dependents, Dependent { kind: link.kind.to_owned(), count: counted.ids.len(), names: counted.names, fate });
        }
        survey.protected = seen.iter().any(|seen| seen.object.get("deleteprotection").and_then(Value::as_bool) == Some(true));
        survey.targets = seen.into_iter().map(|seen| seen.target).collect();
        survey.affected = wanted.len() + survey.dependents.iter().filter(|dependent| dependent.fate != "kept").map(|dependent| dependent.count).sum::<usize>();
        let targets: Vec<Value> = survey.targets.iter().map(|target| json!([target.kind, target.id, target.name, target.state])).collect();
        survey.state = digest(json!([targets, marks]).to_string().as_bytes());
        survey
    }

    /// The objects that the arguments name, with the kind of each.
    fn wanted(&self, call: &Call) -> Vec<(String, String)> {
        let command = call.command();
        let ids = |places: bool| {
            let pairs = call.pairs().iter().filter(move |(name, _)| PLACES.contains(&name.as_str()) == places);
            let named = pairs.filter_map(|(name, value)| Some((command.parameter(name).filter(|parameter| parameter.takes_ids())?, value)));
            let single = named.filter_map(|(parameter, value)| Some((parameter.entity.first()?.clone(), value)));
            single.flat_map(|(entity, value)| value.split(',').map(move |id| (entity.clone(), id.trim().to_owned())).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        let things = ids(false);
        if things.is_empty() { ids(true) } else { things }
    }

    async fn read(&self, command: &Command, entity: &str, id: &str) -> (Seen, Option<String>) {
        let unread = |note: Option<String>| {
            let target = Target { kind: kind_of(entity, None), id: id.to_owned(), ..Target::default() };
            (Seen { target, entity: entity.to_owned(), object: Value::Null }, note)
        };
        let Some(call) = reader(self.catalog, command, entity, id) else { return unread(None) };
        let list = Arc::clone(call.command());
        let call = if self.identity.is_admin() && list.parameter("listall").is_some() { call.with("listall", "true") } else { call };
        match self.client.list(&call, &ListLimits { items_max: COUNTED_MAX, ..ListLimits::default() }).await {
            Ok(listing) => {
                let found = listing.items.into_iter().find(|item| item.get("id").and_then(text_of).as_deref() == Some(id));
                let Some(object) = found else { return unread(Some(format!("`{id}` was not found with `{}`", list.name))) };
                (Seen { target: target_of(&object, &kind_of(entity, Some(&list.name)), id), entity: entity.to_owned(), object }, None)
            }
            Err(error) => unread(Some(format!("`{id}` could not be looked at: {}", explain::report(&error, Some(&list)).message))),
        }
    }

    async fn count(&self, seen: &Seen, link: Link, known: &BTreeSet<&str>) -> Counted {
        let Some(arguments) = filled(link.filters, &seen.object, &seen.target.id) else { return Counted::default() };
        let arguments: Vec<(&str, &str)> = arguments.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let Some(call) = made_call(self.catalog, link.command, &arguments) else { return Counted::default() };
        let list = Arc::clone(call.command());
        let call = widened(call, self.identity);
        match self.client.list(&call, &ListLimits { items_max: COUNTED_MAX, ..ListLimits::default() }).await {
            Ok(listing) => {
                let items = listing.items.iter().filter(|item| item.get("id").and_then(Value::as_str).is_none_or(|id| !known.contains(id)));
                let (mut ids, mut names) = (Vec::new(), Vec::new());
                for item in items {
                    ids.push(item.get("id").and_then(text_of).unwrap_or_default());
                    if names.len() < NAMED_MAX {
                        names.extend(name_of(item));
                    }
                }
                ids.sort();
                let note = (!listing.complete).then(|| format!("there are more than {COUNTED_MAX} of kind {}", link.kind));
                Counted { ids, names, note }
            }
            Err(error) => {
                let note = format!("whether there is a {} could not be found out: {}", link.kind, explain::report(&error, Some(&list)).message);
                Counted { note: Some(note), ..Counted::default() }
            }
        }
    }
}

#[derive(Default)]
struct Counted {
    ids: Vec<String>,
    names: Vec<String>,
    note: Option<String>,
}

/// The call that reads one object of a kind.
fn reader(catalog: &Catalog, command: &Command, entity: &str, id: &str) -> Option<Call> {
    let objects = Table::new(include_str!("../../../catalog/objects.tsv"));
    let exception = objects.find(&command.name).and_then(|line| line.split('\t').nth(1));
    let lookup = catalog.lookup_in(command, entity);
    let name = exception.map(str::to_owned).or_else(|| lookup.as_ref().map(|lookup| lookup.command.clone()));
    let list = match name {
        Some(name) => catalog.command(&name)?,
        None => {
            catalog.commands().find(|list| list.is_list() && list.risk == Risk::Read && shape_of(list) == entity && id_parameter(list, entity).is_some())?
        }
    };
    let mut arguments: Vec<(&str, &str)> = Vec::new();
    if let Some(lookup) = lookup.as_ref().filter(|lookup| lookup.command == list.name) {
        arguments.extend(lookup.arguments.iter().filter(|(_, value)| value != "min").map(|(name, value)| (name.as_str(), value.as_str())));
    }
    let parameter = id_parameter(&list, entity);
    arguments.extend(parameter.as_deref().map(|parameter| (parameter, id)));
    made_call(catalog, &list.name, &arguments)
}

fn id_parameter(list: &Command, entity: &str) -> Option<String> {
    let plain = ["id", "ids"].into_iter().find(|name| list.parameter(name).is_some()).map(str::to_owned);
    plain.or_else(|| {
        list.parameters.iter().find(|parameter| parameter.takes_ids() && parameter.entity.iter().any(|of| of == entity)).map(|parameter| parameter.name.clone())
    })
}

fn shape_of(command: &Command) -> &str {
    command.shape.split('#').next().unwrap_or_default()
}

fn links_of(entity: &str) -> Vec<Link> {
    let row = |line: &'static str| {
        let mut columns = line.split('\t');
        let of = columns.next()?;
        let (kind, command, filters, fate) = (columns.next()?, columns.next()?, columns.next()?, columns.next()?);
        (of == entity).then_some(Link { kind, command, filters, fate, always: columns.next() == Some("always") })
    };
    include_str!("../../../catalog/dependents.tsv").lines().filter_map(row).collect()
}

/// Puts an object's own values into filters such as `account={name}`; `None` if it lacks one.
fn filled(filters: &'static str, object: &Value, id: &str) -> Option<Vec<(&'static str, String)>> {
    let pair = |filter: &'static str| {
        let (name, value) = filter.split_once('=')?;
        match value.strip_prefix('{').and_then(|value| value.strip_suffix('}')) {
            Some("id") => Some((name, id.to_owned())),
            Some(field) => Some((name, object.get(field).and_then(text_of)?)),
            None => Some((name, value.to_owned())),
        }
    };
    filters.split(',').map(pair).collect()
}

/// What becomes of a dependent, in the words of the table, less what a call that can be undone does not do yet.
fn fate(fate: &str, risk: Risk) -> String {
    match fate {
        "deleted" if risk < Risk::Destroy => "deleted once it is expunged".to_owned(),
        other => other.to_owned(),
    }
}

fn merge(dependents: &mut Vec<Dependent>, new: Dependent) {
    match dependents.iter_mut().find(|dependent| dependent.kind == new.kind && dependent.fate == new.fate) {
        Some(known) => {
            known.count += new.count;
            let room = NAMED_MAX.saturating_sub(known.names.len());
            known.names.extend(new.names.into_iter().take(room));
        }
        None => dependents.push(new),
    }
}

fn target_of(object: &Value, kind: &str, id: &str) -> Target {
    let text = |field: &&str| {
        let texts: Vec<String> = values_at(object, field).into_iter().filter_map(text_of).filter(|text| !text.is_empty()).collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    };
    let facts = FACTS.iter().filter_map(|field| Some(((*field).to_owned(), text(field)?))).collect();
    Target { kind: kind.to_owned(), id: id.to_owned(), name: name_of(object), state: STATES.iter().find_map(text), facts }
}

fn name_of(object: &Value) -> Option<String> {
    NAMES.iter().find_map(|field| object.get(field).and_then(text_of).filter(|text| !text.is_empty()))
}

/// The kind of object in plain words: as `find.tsv` has it, else made from CloudStack's word.
fn kind_of(entity: &str, list: Option<&str>) -> String {
    let known = include_str!("../../../catalog/find.tsv").lines().find_map(|line| {
        let mut columns = line.split('\t');
        let kind = columns.next()?;
        (columns.next() == list && list.is_some()).then(|| kind.to_owned())
    });
    known.unwrap_or_else(|| snake_case(entity.trim_end_matches("Response")).replace('_', " "))
}

#[cfg(test)]
mod tests {
    use cloudstack_api::catalog::Release;

    use super::*;

    #[test]
    fn every_row_about_dependents_makes_a_sound_call() {
        let catalog = Catalog::embedded(Release::NEWEST);
        let object = json!({"name": "n", "domainid": "1b2c3d4e-0000-4000-8000-123456789abc"});
        for line in include_str!("../../../catalog/dependents.tsv").lines() {
            let entity = line.split('\t').next().unwrap();
            for link in links_of(entity) {
                let arguments = filled(link.filters, &object, "1b2c3d4e-0000-4000-8000-123456789abc").unwrap();
                let arguments: Vec<(&str, &str)> = arguments.iter().map(|(name, value)| (*name, value.as_str())).collect();
                assert!(made_call(&catalog, link.command, &arguments).is_some(), "{line}");
            }
        }
    }

    #[test]
    fn nearly_every_object_that_can_be_destroyed_can_be_read_first() {
        let catalog = Catalog::embedded(Release::NEWEST);
        let id = "1b2c3d4e-0000-4000-8000-123456789abc";
        let dangerous: Vec<_> = catalog.commands().filter(|command| command.risk >= Risk::Destroy && command.parameter("id").is_some()).collect();
        let unread: Vec<&str> = dangerous
            .iter()
            .filter(|command| {
                command.parameter("id").is_some_and(|parameter| parameter.entity.first().is_none_or(|entity| reader(&catalog, command, entity, id).is_none()))
            })
            .map(|command| command.name.as_str())
            .collect();
        assert!(unread.len() * 10 <= dangerous.len(), "{} of {}: {unread:?}", unread.len(), dangerous.len());
    }
}
