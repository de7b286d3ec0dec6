//! How much an account has and may have.

use serde_json::{Value, json};

use super::Tables;
use crate::{
    json::Json,
    kind::Viewer,
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Handle, World},
};

/// A countable resource.
struct Resource {
    /// Its name in limits and texts.
    name: &'static str,
    /// What its members in accounts, domains and projects begin with.
    prefix: &'static str,
    /// What accounts may have by default.
    limit: i64,
    /// The kind whose rows are counted, and the field that is summed up instead of counting.
    counts: Option<(&'static str, Option<&'static str>)>,
}

const fn resource(name: &'static str, prefix: &'static str, limit: i64, counts: Option<(&'static str, Option<&'static str>)>) -> Resource {
    Resource { name, prefix, limit, counts }
}

/// The resources in the order of their numbers.
const RESOURCES: &[Resource] = &[
    resource("user_vm", "vm", 20, Some(("virtualmachine", None))),
    resource("public_ip", "ip", 20, Some(("ipaddress", None))),
    resource("volume", "volume", 20, Some(("volume", None))),
    resource("snapshot", "snapshot", 20, Some(("snapshot", None))),
    resource("template", "template", 20, Some(("template", None))),
    resource("project", "project", 10, None),
    resource("network", "network", 20, Some(("network", None))),
    resource("vpc", "vpc", 20, None),
    resource("cpu", "cpu", 40, Some(("virtualmachine", Some("cpunumber")))),
    resource("memory", "memory", 40_960, Some(("virtualmachine", Some("memory")))),
    resource("primary_storage", "primarystorage", 200, Some(("volume", Some("size")))),
    resource("secondary_storage", "secondarystorage", 400, None),
    resource("backup", "backup", 20, None),
    resource("backup_storage", "backupstorage", 400, None),
    resource("bucket", "bucket", 20, None),
    resource("object_storage", "objectstorage", 400, None),
    resource("gpu", "gpu", 20, None),
];

/// The order in which accounts show their resources.
const SHOWN: &[usize] = &[0, 1, 2, 3, 12, 13, 4, 5, 6, 7, 8, 9, 16, 10, 11, 14, 15];
/// No limit.
const UNLIMITED: i64 = -1;

/// The commands of limits.
pub(super) const TABLES: Tables =
    Tables { handlers: &[("listResourceLimits", list), ("updateResourceLimit", update), ("updateResourceCount", count)], filters: &[] };

fn used(world: &World, account: Handle, resource: &Resource) -> i64 {
    let Some((kind, field)) = resource.counts else { return 0 };
    let rows = world.owned(world.kind(kind), account);
    let rows = rows.filter(|row| !matches!(world.text(*row, "state"), Some("Destroyed" | "Error" | "Expunging")));
    match field {
        None => i64::try_from(rows.count()).unwrap_or(i64::MAX),
        Some("size") => rows.map(|row| world.number(row, "size")).sum::<i64>() / super::volume::GIB,
        Some(field) => rows.map(|row| world.number(row, field)).sum(),
    }
}

/// What an account or domain may have of a resource.
fn limit(world: &World, holder: Handle, number: usize) -> i64 {
    let set = world.tree(holder, "limits").and_then(|limits| limits.get(number.to_string())).and_then(Value::as_i64);
    let by_default = if holder.kind != world.kind("account") || world.flag(holder, "unlimited") {
        UNLIMITED
    } else {
        RESOURCES.get(number).map_or(UNLIMITED, |resource| resource.limit)
    };
    set.unwrap_or(by_default)
}

/// Refuses what would go beyond a limit.
pub(crate) fn check(turn: &Turn<'_>, account: Handle, wanted: &[(&str, i64)]) -> Result<(), Refusal> {
    if !turn.server.options.tuning.limits {
        return Ok(());
    }
    for (name, amount) in wanted {
        let Some(number) = RESOURCES.iter().position(|resource| resource.name == *name) else { continue };
        let Some(resource) = RESOURCES.get(number) else { continue };
        let limit = limit(turn.world, account, number);
        let now = used(turn.world, account, resource);
        if limit != UNLIMITED && now + amount > limit {
            let account_name = turn.world.string(account, "name");
            let domain = turn.world.link(account, "domain").map_or(0, World::internal_number);
            return Err(Refusal::limit(format!(
                "Maximum amount of resources of Type = '{name}', tag = 'null' for Account Name = {account_name} in Domain Id = {domain} is exceeded: Account Resource Limit = {limit}, Current Account Resource Amount = {now}, Current Account Resource Reservation = 0, Requested Resource Amount = {amount}."
            )));
        }
    }
    Ok(())
}

/// The members of an account or project that say how much it has and may have.
pub(crate) fn show(world: &World, account: Handle, _: Viewer, json: &mut Json) {
    for number in SHOWN {
        let Some(resource) = RESOURCES.get(*number) else { continue };
        // Projects own no projects.
        if resource.name == "project" && world.link(account, "project").is_some() {
            continue;
        }
        write(resource, limit(world, account, *number), used(world, account, resource), json);
        if resource.name == "template" {
            let vms = |state: &str| world.owned(world.kind("virtualmachine"), account).filter(|vm| world.text(*vm, "state") == Some(state)).count();
            json.key("vmstopped");
            json.number(i64::try_from(vms("Stopped")).unwrap_or(0));
            json.key("vmrunning");
            json.number(i64::try_from(vms("Running")).unwrap_or(0));
        }
    }
}

/// The same members of a domain: everything in it and below.
pub(crate) fn show_domain(world: &World, domain: Handle, _: Viewer, json: &mut Json) {
    let accounts: Vec<Handle> =
        world.rows(world.kind("account")).filter(|account| world.link(*account, "domain").is_some_and(|of| world.is_within(of, domain))).collect();
    for number in SHOWN {
        let Some(resource) = RESOURCES.get(*number) else { continue };
        let used = accounts.iter().map(|account| used(world, *account, resource)).sum();
        write(resource, limit(world, domain, *number), used, json);
    }
}

fn write(resource: &Resource, limit: i64, used: i64, json: &mut Json) {
    let prefix = resource.prefix;
    let said = |number: i64| if limit == UNLIMITED { "Unlimited".to_owned() } else { number.to_string() };
    json.member(&format!("{prefix}limit"), &said(limit));
    json.key(&format!("{prefix}total"));
    if prefix == "secondarystorage" {
        json.raw("0.0");
        json.member(&format!("{prefix}available"), &if limit == UNLIMITED { "Unlimited".to_owned() } else { format!("{limit}.0") });
    } else {
        json.number(used);
        json.member(&format!("{prefix}available"), &said(limit - used));
    }
}

/// The account or domain that the arguments of a limit command speak of.
fn holder(turn: &Turn<'_>) -> Result<Handle, Refusal> {
    if turn.arguments.text("account").is_some() || turn.arguments.text("projectid").is_some() {
        return turn.new_owner();
    }
    Ok(turn.arguments.object("domainid").unwrap_or(turn.caller.account))
}

fn row(world: &World, holder: Handle, number: usize, name: &str) -> String {
    let mut json = Json::default();
    json.open();
    let domain = if holder.kind == world.kind("domain") { Some(holder) } else { world.link(holder, "domain") };
    if holder.kind == world.kind("account") {
        json.member("account", world.text(holder, "name").unwrap_or_default());
    }
    if let Some(domain) = domain {
        json.member("domainid", &world.id(domain));
        json.member("domain", world.text(domain, "name").unwrap_or_default());
        json.member("domainpath", world.text(domain, "path").unwrap_or_default());
    }
    json.member("resourcetype", &number.to_string());
    json.member("resourcetypename", name);
    json.key("max");
    json.number(limit(world, holder, number));
    json.close();
    json.into_text()
}

fn list(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let holder = holder(turn)?;
    let wanted = turn.arguments.number("resourcetype").and_then(|number| usize::try_from(number).ok());
    let by_name = turn.arguments.text("resourcetypename");
    let chosen = RESOURCES
        .iter()
        .enumerate()
        .filter(|(number, resource)| wanted.is_none_or(|wanted| wanted == *number) && by_name.is_none_or(|name| name == resource.name));
    let rows: Vec<String> = chosen.map(|(number, resource)| row(turn.world, holder, number, resource.name)).collect();
    Ok(Outcome::Rendered(rows.join(","), rows.len()))
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    if turn.arguments.text("account").is_none() && turn.arguments.object("domainid").is_none() && turn.arguments.text("projectid").is_none() {
        return Err(Refusal::invalid("AccountId or domainId have to be specified in order to update resource limit"));
    }
    let holder = holder(turn)?;
    let number = turn.arguments.number("resourcetype").and_then(|number| usize::try_from(number).ok());
    let Some((number, resource)) = number.and_then(|number| Some((number, RESOURCES.get(number)?))) else {
        return Err(Refusal::invalid("Please specify valid resource type"));
    };
    let mut limits = turn.world.tree(holder, "limits").cloned().unwrap_or_else(|| json!({}));
    if let Some(members) = limits.as_object_mut() {
        members.insert(number.to_string(), json!(turn.arguments.number("max").unwrap_or(UNLIMITED)));
    }
    turn.world.set(holder, "limits", limits);
    Ok(Outcome::Shown("resourcelimit".to_owned(), row(turn.world, holder, number, resource.name)))
}

fn count(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let holder = holder(turn)?;
    let rows: Vec<String> = RESOURCES
        .iter()
        .enumerate()
        .map(|(number, resource)| {
            json!({"resourcetype": number.to_string(), "resourcetypename": resource.name, "resourcecount": used(turn.world, holder, resource)}).to_string()
        })
        .collect();
    Ok(Outcome::Rendered(rows.join(","), rows.len()))
}
