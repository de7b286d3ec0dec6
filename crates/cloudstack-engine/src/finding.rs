//! Objects of any kind by name, address or id: many lists side by side, one answer that says what it has not seen.
//!
//! What people look for, where and how it is shown is `catalog/find.tsv`.

use cloudstack_api::{
    call::Call,
    catalog::{Catalog, Risk},
    reply::text_of,
};
use cloudstack_client::{Client, Error, ListLimits};
use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value, json};

use crate::{
    answer::Answer,
    connection::made_call,
    core::Core,
    explain,
    report::{Report, ReportKind},
    request::FindRequest,
    resolve::widened,
    shape::{project, values_at},
    visit::{Record, Visit},
    watch::{Progress, Watch},
};

/// How many objects of one kind are given unless told.
const GIVEN: usize = 20;
/// How many objects of one kind are looked through.
const LOOKED_THROUGH_MAX: usize = 2_000;
/// The most words of a request that is taken for naming a thing.
const NAMING_WORDS_MAX: usize = 5;
/// How many lists are read side by side.
const SIDE_BY_SIDE_MAX: usize = 6;

/// A row of `find.tsv`.
#[derive(Clone, Copy, Debug)]
struct Row {
    kind: &'static str,
    command: &'static str,
    filter: &'static str,
    matching: &'static str,
    shown: &'static str,
    arguments: &'static str,
}

/// What one list brought.
struct Part {
    items: Vec<Value>,
    complete: bool,
    note: Option<String>,
}

/// Finds objects.
pub(crate) async fn find(core: &Core, request: FindRequest, watch: &dyn Watch) -> Result<Answer, Report> {
    let line = core.connection(request.profile.as_deref())?;
    let visit = Visit::new(core, line, &request.caller);
    let arguments = Map::from_iter([("text".to_owned(), request.text.clone().into()), ("kinds".to_owned(), request.kinds.clone().into())]);
    let record = Record { verb: "find", risk: Some(Risk::Read), arguments, ..Record::default() };
    let value = match visit.find(&request, watch).await {
        Ok(value) => visit.succeed(value, &record, "done"),
        Err(report) => Err(report),
    };
    value.map(|value| Answer { value, is_error: false }).map_err(|report| visit.fail(report, &record))
}

/// All rows, or those of the kinds that are wanted.
///
/// # Errors
///
/// A report of kind `usage` that names the kinds there are.
fn rows(kinds: &[String]) -> Result<Vec<Row>, Report> {
    let row = |line: &'static str| {
        let mut columns = line.split('\t');
        let mut next = || columns.next();
        Some(Row { kind: next()?, command: next()?, filter: next()?, matching: next()?, shown: next()?, arguments: next()? })
    };
    let all: Vec<Row> = include_str!("../../../catalog/find.tsv").lines().filter_map(row).collect();
    let plain = |text: &str| text.to_lowercase().replace(['_', '-', ' '], "").trim_end_matches('s').to_owned();
    let unknown: Vec<String> = kinds.iter().filter(|kind| !all.iter().any(|row| plain(row.kind) == plain(kind))).map(|kind| format!("`{kind}`")).collect();
    if !unknown.is_empty() {
        let known: Vec<&str> = all.iter().map(|row| row.kind).collect();
        return Err(Report::new(ReportKind::Usage, format!("nothing of kind {} can be looked for", unknown.join(", ")))
            .hint(format!("kinds are: {}", known.join(", "))));
    }
    Ok(all.into_iter().filter(|row| kinds.is_empty() || kinds.iter().any(|kind| plain(kind) == plain(row.kind))).collect())
}

/// How to find the thing that a request for commands names (`web-1`, `the network acme-net`, an id), if it names one.
///
/// `ranked` are the commands that were found for it, best first: the first listing among them is the one that is meant.
pub(crate) fn hint<'a>(query: &str, mut ranked: impl Iterator<Item = &'a str>) -> Option<String> {
    let words: Vec<&str> = query.split_whitespace().map(|word| word.trim_matches(['"', '\'', '`', '?', ',', '.'])).collect();
    let name = words.iter().find(|word| is_name(word)).filter(|_| words.len() <= NAMING_WORDS_MAX)?;
    let what = if is_id(name) { "an id" } else { "the name of something" };
    let everywhere = format!("`{name}` looks like {what}: `find` looks for it in all listings");
    let rows = rows(&[]).unwrap_or_default();
    let listing = ranked.find_map(|command| rows.iter().find(|row| row.command == command)).filter(|_| words.len() > 1);
    Some(listing.map_or_else(
        || everywhere.clone(),
        |row| {
            let filter = if is_id(name) { "id" } else { row.filter };
            format!("{everywhere}, `{}` with {filter}={name} among those of kind {}", row.command, row.kind)
        },
    ))
}

/// Whether a word is a name, an address or an id rather than a word of a language.
fn is_name(word: &str) -> bool {
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    let joined = word.split(['-', '_']).filter(|part| !part.is_empty()).count() > 1;
    is_id(word)
        || is_address(word)
        || has_digit && joined
        || joined && !word.contains('_') && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

impl Visit<'_> {
    async fn find(&self, request: &FindRequest, watch: &dyn Watch) -> Result<Value, Report> {
        let text = request.text.trim();
        if text.is_empty() {
            return Err(Report::new(ReportKind::Usage, "there is nothing to look for").hint("give a name or a part of one, an address, or an id"));
        }
        let rows = rows(&request.kinds)?;
        let identity = self.line.identity().await?;
        let view = self.core.view(self.line);
        let client = self.line.client()?;
        let rows: Vec<Row> = rows.into_iter().filter(|row| self.caller.scope.allows(row.command)).collect();
        let total = rows.len();
        let limit = request.limit.unwrap_or(GIVEN);
        let asked: Vec<_> = rows
            .iter()
            .map(|row| {
                let call = call_of(&view.catalog, *row, text).map(|call| widened(call, &identity));
                part(client, *row, call, text)
            })
            .collect();
        let mut parts = stream::iter(asked).buffered(SIDE_BY_SIDE_MAX);
        let (mut items, mut notes, mut complete, mut done) = (Vec::new(), Vec::new(), true, 0_u32);
        while let Some(part) = parts.next().await {
            done += 1;
            watch.progress(&Progress { done: f64::from(done), total: u32::try_from(total).ok().map(f64::from), message: "looking".to_owned() });
            complete &= part.complete && part.items.len() <= limit;
            items.extend(part.items.into_iter().take(limit));
            notes.extend(part.note);
        }
        let lower = text.to_lowercase();
        items.sort_by_key(|item| !is_exact(item, &lower));
        let mut items = Value::Array(items);
        let taken = self.core.secrets.redact_unknown(&mut items, self.owner(false));
        notes.extend(taken.notes);
        let returned = items.as_array().map_or(0, Vec::len);
        let mut value = json!({"items": items, "returned": returned, "complete": complete});
        if let Some(members) = value.as_object_mut() {
            if complete {
                members.insert("total".to_owned(), returned.into());
            } else {
                members.insert("next".to_owned(), "these are not all: name the kind, raise `limit`, or give more of the name".into());
            }
            members.insert("untrusted".to_owned(), json!(["name", "displayname", "displaytext"]));
            members.insert("notes".to_owned(), notes.into());
            members.insert("receipt".to_owned(), self.receipt(None).to_value());
        }
        Ok(value)
    }
}

/// The call that finds objects of a kind: by id, by the filter that the server has, or all of them to be looked through.
fn call_of(catalog: &Catalog, row: Row, text: &str) -> Option<Call> {
    let mut arguments: Vec<(&str, &str)> = row.arguments.split(',').filter_map(|pair| pair.split_once('=')).collect();
    let command = catalog.command(row.command)?;
    if is_id(text) {
        command.parameter("id")?;
        arguments.push(("id", text));
    } else if row.filter == "ipaddress" {
        // Parts of addresses are compared here; a server takes whole ones only.
        arguments.extend(is_address(text).then_some((row.filter, text)));
    } else if !is_address(text) && row.filter != "-" {
        arguments.push((row.filter, text));
    }
    made_call(catalog, row.command, &arguments)
}

async fn part(client: &Client, row: Row, call: Option<Call>, text: &str) -> Part {
    let Some(call) = call else { return Part { items: Vec::new(), complete: true, note: None } };
    let limits = ListLimits { items_max: LOOKED_THROUGH_MAX, ..ListLimits::default() };
    match client.list(&call, &limits).await {
        Ok(listing) => {
            let lower = text.to_lowercase();
            let mut ids = std::collections::BTreeSet::new();
            let fresh = |item: &&Value| item.get("id").and_then(text_of).is_none_or(|id| ids.insert(id));
            let matching = listing.items.iter().filter(|item| is_id(text) || matches(item, row.matching, &lower)).filter(fresh);
            let items = matching.map(|item| shown(item, row)).collect();
            let note = (!listing.complete).then(|| format!("only the first {LOOKED_THROUGH_MAX} of kind {} were looked through", row.kind));
            Part { items, complete: listing.complete, note }
        }
        // An id of another kind is a parameter fault to a list: there is no such object of this kind.
        Err(Error::Refused(fault)) if is_id(text) && fault.code == 431 => Part { items: Vec::new(), complete: true, note: None },
        Err(Error::Refused(fault)) if fault.code == 432 || fault.code == 401 => {
            Part { items: Vec::new(), complete: true, note: Some(format!("not looked for: {} (not for this role or not on this server)", row.kind)) }
        }
        Err(error) => {
            let note = format!("not looked for: {} ({})", row.kind, explain::report(&error, Some(call.command())).message);
            Part { items: Vec::new(), complete: false, note: Some(note) }
        }
    }
}

fn shown(item: &Value, row: Row) -> Value {
    let fields: Vec<String> = row.shown.split(',').map(str::to_owned).collect();
    let mut value = Map::from_iter([("kind".to_owned(), Value::from(row.kind))]);
    if let Value::Object(members) = project(item, &fields) {
        value.extend(members);
    }
    Value::Object(value)
}

/// Whether one of the fields contains the text; an address only as a whole, so that `10.1.1.1` is not `10.1.1.10`.
fn matches(item: &Value, fields: &str, lower: &str) -> bool {
    let texts = fields.split(',').flat_map(|field| values_at(item, field)).filter_map(text_of).map(|text| text.to_lowercase());
    let whole = is_address(lower);
    texts.into_iter().any(|text| if whole { text == lower || text.split('/').next() == Some(lower) } else { text.contains(lower) })
}

fn is_exact(item: &Value, lower: &str) -> bool {
    let members = item.as_object().into_iter().flatten();
    members.filter(|(name, _)| *name != "kind").filter_map(|(_, value)| text_of(value)).any(|text| text.to_lowercase() == lower)
}

fn is_id(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_address(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use cloudstack_api::catalog::Release;

    use super::*;

    #[test]
    fn every_kind_can_be_looked_for_by_name_address_and_id() {
        let catalog = Catalog::embedded(Release::NEWEST);
        for row in rows(&[]).unwrap() {
            for text in ["web-1", "10.1.1.7", "1b2c3d4e-0000-4000-8000-123456789abc"] {
                let call = call_of(&catalog, row, text);
                assert!(call.is_some() || (is_id(text) && catalog.command(row.command).unwrap().parameter("id").is_none()), "{} by {text}", row.kind);
            }
        }
    }

    #[test]
    fn kinds_are_taken_in_any_spelling_and_unknown_ones_are_named() {
        assert_eq!(rows(&["Virtual_Machines".to_owned()]).unwrap().len(), 1);
        assert!(rows(&["spaceship".to_owned()]).unwrap_err().hints[0].contains("volume"));
    }

    #[test]
    fn a_request_that_names_a_thing_is_told_how_to_find_it() {
        let told = |query: &str| hint(query, ["restartNetwork", "listNetworks"].into_iter());
        assert!(told("the network acme-net").unwrap().contains("`listNetworks` with keyword=acme-net"));
        assert!(told("web-1").unwrap().ends_with("in all listings"));
        assert!(told("1b2c3d4e-0000-4000-8000-123456789abc").unwrap().contains("an id"));
        assert!(told("network 1b2c3d4e-0000-4000-8000-123456789abc").unwrap().contains("id=1b2c3d4e"));
        for ordinary in ["restart a network", "give the server web-1 more memory and another network", "list_zones", "k8s"] {
            assert_eq!(told(ordinary), None, "{ordinary}");
        }
    }

    #[test]
    fn an_address_is_found_as_a_whole() {
        let vm = json!({"nic": [{"ipaddress": "10.1.1.10"}]});
        assert!(!matches(&vm, "name,nic.ipaddress", "10.1.1.1"));
        assert!(matches(&vm, "name,nic.ipaddress", "10.1.1.10"));
    }
}
