//! Names become ids: inside the caller's scope, exactly, and never by guessing.
//!
//! How an object of a kind is found by name is `catalog/names.tsv`. Look-ups of different parameters go side by side; those
//! that narrow others (a zone narrows its templates) go first.

use std::sync::Arc;

use cloudstack_api::{
    call::{Call, Draft, Unresolved, closest},
    catalog::{Catalog, Command, Lookup},
    reply::text_of,
};
use cloudstack_client::{Client, ListLimits};
use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use crate::{
    connection::made_call,
    explain,
    identity::Identity,
    report::{Report, ReportKind},
    shape::values_at,
};

/// How many objects are looked through for one name.
const LOOKED_THROUGH_MAX: usize = 2_000;
/// How many candidates or near names are told.
const TOLD_MAX: usize = 10;
/// The value of `projectid` for all projects.
const ALL_PROJECTS: &str = "-1";
/// The filters of lists of templates and ISOs. Such lists do not look at `listall`: only [`ALL_IMAGES`] shows admins those of
/// other accounts, and with it those of all projects beside the rest instead of alone.
const IMAGE_FILTERS: [&str; 2] = ["templatefilter", "isofilter"];
/// The value of an image filter that leaves nothing out; users may not give it.
pub(crate) const ALL_IMAGES: &str = "all";
/// What tells candidates apart.
const TELLING: &[&str] = &["state", "zonename", "account", "domain", "domainpath", "project", "vmname", "displaytext", "created"];

/// Where names are looked up.
#[derive(Clone, Copy)]
pub(crate) struct Finder<'a> {
    pub(crate) client: &'a Client,
    pub(crate) catalog: &'a Catalog,
    pub(crate) identity: &'a Identity,
}

impl Finder<'_> {
    /// Puts ids in the place of names.
    ///
    /// # Errors
    ///
    /// One report for all names: `not_found` with the nearest names, or with the candidates where there are several.
    pub(crate) async fn resolve(&self, draft: Draft) -> Result<Call, Report> {
        let names = draft.unresolved().to_vec();
        let mut ids: Vec<Option<String>> = vec![None; names.len()];
        while ids.iter().any(Option::is_none) {
            let wave = self.wave(&draft, &names, &ids);
            let finds: Vec<_> = wave.iter().filter_map(|at| names.get(*at)).map(|name| self.find(&draft, name, &names, &ids)).collect();
            let found = join_all(finds).await;
            let (good, bad): (Vec<_>, Vec<_>) = wave.into_iter().zip(found).partition(|(_, found)| found.is_ok());
            if !bad.is_empty() {
                return Err(joined(bad.into_iter().filter_map(|(_, found)| found.err()).collect()));
            }
            for (at, id) in good {
                if let (Some(slot), Ok(id)) = (ids.get_mut(at), id) {
                    *slot = Some(id);
                }
            }
        }
        Ok(draft.resolve(&ids.into_iter().flatten().collect::<Vec<_>>()))
    }

    /// The names that can be looked up now: those that no other open name narrows, or all where they narrow each other.
    fn wave(&self, draft: &Draft, names: &[Unresolved], ids: &[Option<String>]) -> Vec<usize> {
        let is_open = |at: &usize| ids.get(*at).is_some_and(Option::is_none);
        let open: Vec<usize> = (0..names.len()).filter(is_open).collect();
        let narrowed = |at: &usize| {
            let Some(name) = names.get(*at) else { return false };
            let scopes: Vec<String> = self.lookups(draft.command(), name).iter().flat_map(|lookup| lookup.scope.clone()).collect();
            open.iter().filter(|other| *other != at).filter_map(|other| names.get(*other)).any(|other| scopes.contains(&other.parameter))
        };
        let free: Vec<usize> = open.iter().copied().filter(|at| !narrowed(at)).collect();
        if free.is_empty() { open } else { free }
    }

    fn lookups(&self, command: &Command, name: &Unresolved) -> Vec<Arc<Lookup>> {
        name.entity.iter().filter_map(|entity| self.catalog.lookup_in(command, entity)).collect()
    }

    async fn find(&self, draft: &Draft, name: &Unresolved, names: &[Unresolved], ids: &[Option<String>]) -> Result<String, Report> {
        let scope = |parameter: &str| {
            let resolved = names.iter().zip(ids).find(|(other, _)| other.parameter == parameter).map(|(_, id)| id.clone());
            resolved.unwrap_or_else(|| draft.argument(parameter).map(str::to_owned))
        };
        let mut near = Vec::new();
        let mut last = None;
        for lookup in self.lookups(draft.command(), name) {
            match self.look_up(&lookup, &name.name, &scope, true).await {
                Ok(items) => match choose(&items, &lookup, &name.name) {
                    Choice::One(id) => return Ok(id),
                    Choice::Several(candidates) => return Err(ambiguous(name, &candidates, &lookup)),
                    Choice::None => near.extend(self.near(&lookup, &name.name, &scope, items).await),
                },
                Err(report) => last = Some(report),
            }
        }
        match last {
            Some(report) if near.is_empty() => Err(report.hint(format!("give the id in `{}` instead of the name", name.parameter))),
            _ => Err(absent(name, &near, self.lookups(draft.command(), name).first().map(|lookup| lookup.command.as_str()))),
        }
    }

    /// The objects that a look-up sees; with `filtered` only those that the server finds for the name.
    async fn look_up(&self, lookup: &Lookup, name: &str, scope: &(dyn Fn(&str) -> Option<String> + Sync), filtered: bool) -> Result<Vec<Value>, Report> {
        let Some(command) = self.catalog.command(&lookup.command) else {
            return Err(Report::new(ReportKind::Usage, format!("names cannot be looked up here: this release has no `{}`", lookup.command)));
        };
        let mut arguments: Vec<(&str, String)> = lookup.arguments.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        if let Some(filter) = lookup.filter.as_deref().filter(|_| filtered) {
            arguments.push((filter, name.to_owned()));
        }
        for parameter in lookup.scope.iter().filter(|parameter| command.parameter(parameter).is_some()) {
            if let Some(value) = scope(parameter) {
                arguments.push((parameter, value));
            }
        }
        let arguments: Vec<(&str, &str)> = arguments.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let Some(call) = made_call(self.catalog, &lookup.command, &arguments) else {
            return Err(Report::new(ReportKind::NotFound, format!("`{name}` cannot be looked up with `{}`", lookup.command)));
        };
        let call = widened(call, self.identity);
        let limits = ListLimits { items_max: LOOKED_THROUGH_MAX, ..ListLimits::default() };
        let listing = self.client.list(&call, &limits).await.map_err(|error| explain::report(&error, Some(&command)))?;
        Ok(listing.items)
    }

    /// Names near to one that was not found.
    async fn near(&self, lookup: &Lookup, name: &str, scope: &(dyn Fn(&str) -> Option<String> + Sync), mut seen: Vec<Value>) -> Vec<String> {
        if lookup.filter.is_some() {
            seen = self.look_up(lookup, name, scope, false).await.unwrap_or_default();
        }
        let mut known: Vec<String> = lookup.fields.iter().take(1).flat_map(|field| seen.iter().flat_map(move |item| texts(item, field))).collect();
        known.sort();
        known.dedup();
        let best = closest(name, known.iter().map(String::as_str)).map(str::to_owned);
        if known.len() <= TOLD_MAX {
            return best.iter().cloned().chain(known.iter().filter(|known| Some(*known) != best.as_ref()).cloned()).collect();
        }
        let lower = name.to_lowercase();
        let similar = known.iter().filter(|known| known.to_lowercase().contains(&lower) && Some(*known) != best.as_ref()).take(TOLD_MAX - 1);
        best.iter().cloned().chain(similar.cloned()).collect()
    }
}

/// The call as it sees all that the caller may see: administrators see their own objects only unless they ask for more,
/// and projects' objects only if they ask for those (wire facts §1.8).
pub(crate) fn widened(call: Call, identity: &Identity) -> Call {
    const NARROWING: &[&str] = &["account", "domainid", "projectid", "listall"];
    let command = Arc::clone(call.command());
    if !identity.is_admin() || NARROWING.iter().any(|name| call.argument(name).is_some()) {
        return call;
    }
    let call = if command.parameter("listall").is_some() { call.with("listall", "true") } else { call };
    let call = match image_filter(&call) {
        Some((filter, _)) => call.with(filter, ALL_IMAGES),
        None => call,
    };
    if identity.is_root() && command.parameter("projectid").is_some() { call.with("projectid", ALL_PROJECTS) } else { call }
}

/// The filter of a list of templates or ISOs that a call gives, and its value.
pub(crate) fn image_filter(call: &Call) -> Option<(&'static str, &str)> {
    IMAGE_FILTERS.into_iter().find_map(|filter| Some((filter, call.argument(filter)?)))
}

enum Choice<'v> {
    One(String),
    Several(Vec<&'v Value>),
    None,
}

/// The object with a name: exactly by the best field that matches, else but for case. One template in several zones is
/// several rows with one id.
fn choose<'v>(items: &'v [Value], lookup: &Lookup, name: &str) -> Choice<'v> {
    let lower = name.to_lowercase();
    let exactly = |text: &String| text == name;
    let nearly = |text: &String| text.to_lowercase() == lower;
    let rounds = lookup.fields.iter().map(|field| (field, true)).chain(lookup.fields.iter().map(|field| (field, false)));
    for (field, exact) in rounds {
        let mut matching: Vec<&Value> =
            items.iter().filter(|item| texts(item, field).iter().any(|text| if exact { exactly(text) } else { nearly(text) })).collect();
        let mut ids = Vec::new();
        matching.retain(|item| {
            let id = item.get("id").and_then(text_of);
            let fresh = id.is_some() && !ids.contains(&id);
            ids.push(id);
            fresh
        });
        match matching.as_slice() {
            [] => {}
            [one] => return one.get("id").and_then(text_of).map_or(Choice::None, Choice::One),
            _ => return Choice::Several(matching),
        }
    }
    Choice::None
}

fn texts(item: &Value, field: &str) -> Vec<String> {
    values_at(item, field).into_iter().filter_map(text_of).collect()
}

fn ambiguous(name: &Unresolved, candidates: &[&Value], lookup: &Lookup) -> Report {
    let told: Vec<Value> = candidates.iter().take(TOLD_MAX).map(|candidate| candidate_of(candidate, lookup)).collect();
    let lines = told.iter().map(|candidate| {
        let members = candidate.as_object().into_iter().flatten();
        members.filter_map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(", ")
    });
    let hint = format!("give one of these ids: {}", lines.collect::<Vec<_>>().join("; "));
    Report::new(ReportKind::NotFound, format!("`{}` in `{}` names {} objects", name.name, name.parameter, candidates.len()))
        .hint(hint)
        .fact("parameter", name.parameter.clone())
        .fact("candidates", told)
}

fn candidate_of(item: &Value, lookup: &Lookup) -> Value {
    let mut candidate = Map::new();
    for field in ["id"].into_iter().chain(lookup.fields.iter().map(String::as_str)).chain(TELLING.iter().copied()) {
        if let Some(text) = item.get(field).and_then(text_of) {
            candidate.insert(field.to_owned(), text.into());
        }
    }
    Value::Object(candidate)
}

fn absent(name: &Unresolved, near: &[String], list: Option<&str>) -> Report {
    let mut report = Report::new(ReportKind::NotFound, format!("there is no `{}` for `{}` where this profile may see it", name.name, name.parameter))
        .fact("parameter", name.parameter.clone())
        .fact("near", json!(near));
    if !near.is_empty() {
        let names: Vec<String> = near.iter().map(|near| format!("`{near}`")).collect();
        report = report.hint(format!("there is {}", names.join(", ")));
    }
    match list {
        Some(list) => report.hint(format!("`{list}` lists what there is")),
        None => report,
    }
}

/// One report for several names.
fn joined(mut reports: Vec<Report>) -> Report {
    if reports.len() < 2 {
        return reports.pop().unwrap_or_else(|| Report::new(ReportKind::Internal, "a name was not found and nobody says which"));
    }
    let kind = reports.iter().map(|report| report.kind).find(|kind| *kind != ReportKind::NotFound).unwrap_or(ReportKind::NotFound);
    let message = reports.iter().map(|report| report.message.as_str()).collect::<Vec<_>>().join("; ");
    let mut whole = Report::new(kind, message);
    let faults: Vec<Value> = reports
        .iter()
        .map(|report| Value::Object(Map::from_iter([("message".to_owned(), report.message.clone().into())].into_iter().chain(report.facts.as_ref().clone()))))
        .collect();
    whole.facts.insert("faults".to_owned(), faults.into());
    for report in reports {
        whole.hints.extend(report.hints);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup() -> Lookup {
        let text = str::to_owned;
        Lookup { command: text("c"), filter: None, fields: vec![text("name"), text("displayname")], arguments: Vec::new(), scope: Vec::new() }
    }

    fn chosen(items: &Value, name: &str) -> Result<String, usize> {
        match choose(items.as_array().unwrap(), &lookup(), name) {
            Choice::One(id) => Ok(id),
            Choice::Several(candidates) => Err(candidates.len()),
            Choice::None => Err(0),
        }
    }

    #[test]
    fn the_exact_name_wins_over_case_and_over_lesser_fields() {
        let items = json!([{"id": "1", "name": "Web"}, {"id": "2", "name": "web"}, {"id": "3", "name": "x", "displayname": "WEB"}]);
        assert_eq!(chosen(&items, "web"), Ok("2".to_owned()));
        assert_eq!(chosen(&items, "WEB"), Ok("3".to_owned()));
        assert_eq!(chosen(&items, "wEB"), Err(2));
        assert_eq!(chosen(&items, "we"), Err(0));
    }

    #[test]
    fn rows_of_one_object_in_several_zones_are_one_object() {
        let items = json!([{"id": "1", "name": "t", "zoneid": "a"}, {"id": "1", "name": "t", "zoneid": "b"}]);
        assert_eq!(chosen(&items, "t"), Ok("1".to_owned()));
    }

    #[test]
    fn lists_of_images_are_widened_by_their_filter_for_those_who_may() {
        let catalog = Catalog::embedded(cloudstack_api::catalog::Release::NEWEST);
        let seen = |role: &str, command: &str, arguments: &[(&str, &str)]| {
            let identity = Identity { role_type: Some(role.to_owned()), ..Identity::default() };
            let call = widened(made_call(&catalog, command, arguments).unwrap(), &identity);
            ["templatefilter", "isofilter", "projectid"].map(|name| call.argument(name).map(str::to_owned)).map(Option::unwrap_or_default)
        };
        let executable = [("templatefilter", "executable")];
        assert_eq!(seen("Admin", "listTemplates", &executable), ["all", "", "-1"]);
        assert_eq!(seen("DomainAdmin", "listTemplates", &executable), ["all", "", ""]);
        assert_eq!(seen("User", "listTemplates", &executable), ["executable", "", ""]);
        assert_eq!(seen("Admin", "listIsos", &[("isofilter", "executable")]), ["", "all", "-1"]);
        assert_eq!(seen("Admin", "listVolumes", &[]), ["", "", "-1"]);
    }
}
