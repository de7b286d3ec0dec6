//! Tags: keys and values that people put on objects.

use super::Tables;
use crate::{
    json::Json,
    list::Page,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT, Work},
    world::{Handle, Tag, parse_id},
};

/// The commands of tags.
pub(super) const TABLES: Tables = Tables { handlers: &[("createTags", create), ("deleteTags", delete), ("listTags", list)], filters: &[] };

/// What can have tags: the word that tags show, and the kind.
const TAGGED: &[(&str, &str)] = &[
    ("UserVm", "virtualmachine"),
    ("Template", "template"),
    ("ISO", "iso"),
    ("Volume", "volume"),
    ("Snapshot", "snapshot"),
    ("Backup", "backup"),
    ("Network", "network"),
    ("LoadBalancer", "loadbalancerrule"),
    ("PortForwardingRule", "portforwardingrule"),
    ("FirewallRule", "firewallrule"),
    ("SecurityGroup", "securitygroup"),
    ("SecurityGroupRule", "securitygrouprule"),
    ("PublicIpAddress", "ipaddress"),
    ("Project", "project"),
    ("Account", "account"),
    ("Vpc", "vpc"),
    ("NetworkACL", "networkacl"),
    ("StaticRoute", "staticroute"),
    ("VMSnapshot", "vmsnapshot"),
    ("RemoteAccessVpn", "remoteaccessvpn"),
    ("User", "user"),
    ("SnapshotPolicy", "snapshotpolicy"),
    ("VpcOffering", "vpcoffering"),
];
/// Another word for machines.
const MACHINE: &str = "VirtualMachine";

/// The word that tags on objects of a type show, and their kind.
fn tagged(word: &str) -> Result<(&'static str, &'static str), Refusal> {
    let word = if word.eq_ignore_ascii_case(MACHINE) { "UserVm" } else { word };
    let known = TAGGED.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
    known.copied().ok_or_else(|| Refusal::invalid(format!("Invalid resource type {word}")))
}

/// The account that something with tags belongs to: projects belong to the account behind them.
fn owner_of(turn: &Turn<'_>, holder: Handle) -> Option<Handle> {
    turn.world.owner(holder).or_else(|| turn.world.link(holder, "projectaccount"))
}

/// Refuses something whose tags are not the caller's to change.
fn check_owner(turn: &Turn<'_>, target: Handle) -> Result<(), Refusal> {
    if turn.may_use(owner_of(turn, target).unwrap_or(target)) { Ok(()) } else { Err(Refusal::permission()) }
}

/// What the call names, each with its id as it was given; nothing where there is no such object.
fn named(turn: &Turn<'_>) -> Result<Vec<(String, Option<Handle>)>, Refusal> {
    let (_, kind) = tagged(&turn.needed("resourcetype")?)?;
    let kind = turn.world.known_kind(kind);
    let find = |id: &str| parse_id(id).and_then(|id| turn.world.by_id(id)).filter(|target| Some(target.kind) == kind);
    Ok(turn.arguments.list("resourceids").into_iter().map(|id| (id.to_owned(), find(id))).collect())
}

fn targets(turn: &Turn<'_>) -> Result<Vec<Handle>, Refusal> {
    let word = turn.needed("resourcetype")?;
    let mut found = Vec::new();
    for (id, target) in named(turn)? {
        let target = target.ok_or_else(|| Refusal::invalid(format!("Unable to find resource by id {id} and type {word}")))?;
        check_owner(turn, target)?;
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
    turn.needed("resourcetype")?;
    Ok(job(move |turn| {
        let targets = targets(turn)?;
        let shown = tagged(&turn.needed("resourcetype")?)?.0.to_owned();
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

/// Tags are looked for, not what bears them: where there are none, nobody asks whose the object is.
fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    turn.needed("resourcetype")?;
    Ok(job(move |turn| {
        let records: Vec<_> = turn.arguments.records("tags").cloned().collect();
        let is = |given: Option<&String>, known: &str| given.is_none_or(|given| given.eq_ignore_ascii_case(known));
        let hit = |tag: &Tag| {
            let is_meant =
                |record: &crate::arguments::Entry| record.contains_key("key") && is(record.get("key"), &tag.key) && is(record.get("value"), &tag.value);
            records.is_empty() || records.iter().any(is_meant)
        };
        let mut holders: Vec<Handle> = named(turn)?.into_iter().filter_map(|(_, target)| target).collect();
        holders.retain(|holder| turn.world.tags.get(holder).is_some_and(|tags| tags.iter().any(hit)));
        if holders.is_empty() {
            return Err(Refusal::failed("Failed to delete tags"));
        }
        holders.iter().try_for_each(|holder| check_owner(turn, *holder))?;
        for holder in holders {
            if let Some(tags) = turn.world.tags.get_mut(&holder) {
                tags.retain(|tag| !hit(tag));
            }
        }
        Ok(Outcome::Success)
    }))
}

fn list(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let page = Page::read(turn)?;
    let scope = crate::list::scope(turn)?;
    let wanted = |name: &str| turn.arguments.text(name).map(str::to_owned);
    let (key, value, keyword) = (wanted("key"), wanted("value"), wanted("keyword").map(|keyword| keyword.to_lowercase()));
    let kind = wanted("resourcetype").map(|word| tagged(&word).map(|(shown, _)| shown)).transpose()?;
    let target = wanted("resourceid").and_then(|id| parse_id(&id)).and_then(|id| turn.world.by_id(id));
    let mut holders: Vec<Handle> = turn.world.tags.keys().copied().collect();
    holders.sort_unstable();
    let mut found = Vec::new();
    for holder in holders {
        let Some(owner) = owner_of(turn, holder) else { continue };
        if !crate::list::in_scope(turn.world, owner, &scope) || wanted("resourceid").is_some() && target != Some(holder) {
            continue;
        }
        let is = |given: &Option<String>, known: &str| given.as_ref().is_none_or(|given| given.eq_ignore_ascii_case(known));
        let has = |tag: &Tag| keyword.as_ref().is_none_or(|keyword| tag.key.to_lowercase().contains(keyword) || tag.value.to_lowercase().contains(keyword));
        let fits = |tag: &&Tag| is(&key, &tag.key) && is(&value, &tag.value) && has(tag) && kind.is_none_or(|kind| kind == tag.resource_type);
        found.extend(turn.world.tags.get(&holder).into_iter().flatten().rev().filter(fits).map(|tag| (holder, owner, tag)));
    }
    let count = found.len();
    let mut json = Json::default();
    page.part(found).into_iter().for_each(|(holder, owner, tag)| write(turn, (holder, owner), tag, &mut json));
    Ok(Outcome::Rendered(json.into_text(), count))
}

fn write(turn: &Turn<'_>, (holder, owner): (Handle, Handle), tag: &Tag, json: &mut Json) {
    json.open();
    json.member("key", &tag.key);
    json.member("value", &tag.value);
    json.member("resourcetype", &tag.resource_type);
    json.member("resourceid", &turn.world.id(holder));
    match turn.world.link(owner, "project") {
        Some(project) => {
            json.member("projectid", &turn.world.id(project));
            json.member("project", turn.world.text(project, "name").unwrap_or_default());
        }
        None => json.member("account", turn.world.text(owner, "name").unwrap_or_default()),
    }
    if let Some(domain) = turn.world.link(owner, "domain") {
        json.member("domainid", &turn.world.id(domain));
        json.member("domain", turn.world.text(domain, "name").unwrap_or_default());
        json.member("domainpath", turn.world.text(domain, "path").unwrap_or_default());
    }
    json.close();
}
