//! Tags: keys and values that people put on objects.

use super::Tables;
use crate::{
    json::Json,
    list::Scope,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT, Work},
    world::{Handle, Tag, parse_id},
};

/// The commands of tags.
pub(super) const TABLES: Tables = Tables { handlers: &[("createTags", create), ("deleteTags", delete), ("listTags", list)], filters: &[] };

fn targets(turn: &Turn<'_>) -> Result<Vec<Handle>, Refusal> {
    let mut found = Vec::new();
    for id in turn.arguments.list("resourceids") {
        let target = parse_id(id).and_then(|id| turn.world.by_id(id));
        let target = target.ok_or_else(|| {
            Refusal::invalid(format!("Unable to find resource by id {id} and type {}", turn.arguments.text("resourcetype").unwrap_or_default()))
        })?;
        if !turn.may_use(target) {
            return Err(Refusal::permission());
        }
        found.push(target);
    }
    Ok(found)
}

fn job(finish: impl FnOnce(&mut Turn<'_>) -> Result<Outcome, Refusal> + Send + 'static) -> Outcome {
    Outcome::Job(Box::new(Work { id: None, instance: None, subject: None, queue: None, takes: WORK_SHORT, finish: Box::new(finish) }))
}

/// Puts the tags among the arguments on a new object.
pub(crate) fn put(turn: &mut Turn<'_>, target: Handle, kind: &str) {
    let tags: Vec<Tag> = turn
        .arguments
        .records("tags")
        .filter_map(|record| Some(Tag { key: record.get("key")?.clone(), value: record.get("value")?.clone(), resource_type: kind.to_owned() }))
        .collect();
    if !tags.is_empty() {
        turn.world.tags.entry(target).or_default().extend(tags);
    }
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.needed("resourcetype")?;
    // The tag shows the word it was made with, except that machines are always `UserVm`.
    let shown = if kind.eq_ignore_ascii_case("virtualmachine") { "UserVm".to_owned() } else { kind };
    Ok(job(move |turn| {
        let targets = targets(turn)?;
        let records: Vec<_> = turn.arguments.records("tags").cloned().collect();
        for record in records {
            let (Some(key), Some(value)) = (record.get("key"), record.get("value")) else {
                return Err(Refusal::failed("Command failed due to Internal Server Error"));
            };
            if value.is_empty() {
                return Err(Refusal::invalid("Value for the tag is either null or empty"));
            }
            for target in &targets {
                let tags = turn.world.tags.entry(*target).or_default();
                if tags.iter().any(|tag| tag.key == *key) {
                    return Err(Refusal::failed(format!("tag {key} already on {shown}")));
                }
                tags.push(Tag { key: key.clone(), value: value.clone(), resource_type: shown.clone() });
            }
        }
        Ok(Outcome::Success)
    }))
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    turn.needed("resourcetype")?;
    Ok(job(move |turn| {
        let targets = targets(turn)?;
        let records: Vec<_> = turn.arguments.records("tags").cloned().collect();
        for target in targets {
            let Some(tags) = turn.world.tags.get_mut(&target) else { continue };
            let hit = |tag: &Tag| {
                records.is_empty()
                    || records.iter().any(|record| record.get("key") == Some(&tag.key) && record.get("value").is_none_or(|value| *value == tag.value))
            };
            tags.retain(|tag| !hit(tag));
        }
        Ok(Outcome::Success)
    }))
}

fn list(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let scope = crate::list::scope(turn)?;
    let wanted = |name: &str| turn.arguments.text(name).map(str::to_owned);
    let (key, value, kind) = (wanted("key"), wanted("value"), wanted("resourcetype"));
    let target = wanted("resourceid").and_then(|id| parse_id(&id)).and_then(|id| turn.world.by_id(id));
    let mut holders: Vec<Handle> = turn.world.tags.keys().copied().collect();
    holders.sort_unstable();
    let mut json = Json::default();
    let mut count = 0;
    for holder in holders {
        let Some(owner) = turn.world.owner(holder) else { continue };
        let mine = match &scope {
            Scope::All { .. } => true,
            Scope::Accounts(accounts) => accounts.contains(&owner),
            Scope::Domain { domain, .. } => turn.world.link(owner, "domain").is_some_and(|of| turn.world.is_within(of, *domain)),
        };
        if !mine || wanted("resourceid").is_some() && target != Some(holder) {
            continue;
        }
        for tag in turn.world.tags.get(&holder).into_iter().flatten().rev() {
            let fits = key.as_ref().is_none_or(|key| *key == tag.key) && value.as_ref().is_none_or(|value| *value == tag.value);
            if fits && kind.as_ref().is_none_or(|kind| kind.eq_ignore_ascii_case(&tag.resource_type)) {
                write(turn, holder, owner, tag, &mut json);
                count += 1;
            }
        }
    }
    Ok(Outcome::Rendered(json.into_text(), count))
}

fn write(turn: &Turn<'_>, holder: Handle, owner: Handle, tag: &Tag, json: &mut Json) {
    json.open();
    json.member("key", &tag.key);
    json.member("value", &tag.value);
    json.member("resourcetype", &tag.resource_type);
    json.member("resourceid", &turn.world.id(holder));
    json.member("account", turn.world.text(owner, "name").unwrap_or_default());
    if let Some(domain) = turn.world.link(owner, "domain") {
        json.member("domainid", &turn.world.id(domain));
        json.member("domain", turn.world.text(domain, "name").unwrap_or_default());
        json.member("domainpath", turn.world.text(domain, "path").unwrap_or_default());
    }
    json.close();
}
