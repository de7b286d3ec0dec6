//! How much an account has and may have.

use serde_json::{Value, json};

use super::{Tables, tenancy};
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
    resource("vpc", "vpc", 20, Some(("vpc", None))),
    resource("cpu", "cpu", 40, Some(("virtualmachine", Some("cpunumber")))),
    resource("memory", "memory", 40_960, Some(("virtualmachine", Some("memory")))),
    resource("primary_storage", "primarystorage", 200, Some(("volume", Some("size")))),
    resource("secondary_storage", "secondarystorage", 400, None),
    resource("backup", "backup", 20, Some(("backup", None))),
    resource("backup_storage", "backupstorage", 400, None),
    resource("bucket", "bucket", 20, Some(("bucket", None))),
    resource("object_storage", "objectstorage", 400, Some(("bucket", Some("quota")))),
    resource("gpu", "gpu", 20, None),
];

/// How many of them older releases know.
const OLD_RESOURCES: usize = 12;
/// The resources whose limits can be set for a tag of hosts or storage.
const TAGGED: &[&str] = &["user_vm", "cpu", "memory", "volume", "primary_storage", "gpu"];
/// The order in which accounts show their resources.
const SHOWN: &[usize] = &[0, 1, 2, 3, 12, 13, 4, 5, 6, 7, 8, 9, 16, 10, 11, 14, 15];
/// No limit.
const UNLIMITED: i64 = -1;

/// The commands of limits.
pub(super) const TABLES: Tables =
    Tables { handlers: &[("listResourceLimits", list), ("updateResourceLimit", update), ("updateResourceCount", count)], filters: &[] };

fn used(world: &World, account: Handle, resource: &Resource) -> i64 {
    if resource.name == "project" {
        let led = world.referring("projectaccount", "member", account).filter(|row| world.text(*row, "role") == Some("Admin"));
        return i64::try_from(led.count()).unwrap_or(i64::MAX);
    }
    let Some((kind, field)) = resource.counts else { return 0 };
    let rows = world.owned(world.kind(kind), account);
    let rows = rows.filter(|row| !matches!(world.text(*row, "state"), Some("Destroyed" | "Error" | "Expunging")));
    match field {
        None => i64::try_from(rows.count()).unwrap_or(i64::MAX),
        Some("size") => rows.map(|row| world.number(row, "size")).sum::<i64>() / super::volume::GIB,
        Some(field) => rows.map(|row| world.number(row, field)).sum(),
    }
}

/// What all accounts in a domain and below have of a resource.
fn used_within(world: &World, domain: Handle, resource: &Resource) -> i64 {
    super::account::within(world, domain).into_iter().map(|account| used(world, account, resource)).sum()
}

/// What was set for an account or domain.
fn set_limit(world: &World, holder: Handle, number: usize) -> Option<i64> {
    world.tree(holder, "limits").and_then(|limits| limits.get(number.to_string())).and_then(Value::as_i64)
}

/// What an account or domain may have of a resource.
fn limit(world: &World, holder: Handle, number: usize) -> i64 {
    let is_free = holder.kind != world.kind("account") || world.flag(holder, "unlimited");
    let by_default = if is_free { UNLIMITED } else { RESOURCES.get(number).map_or(UNLIMITED, |resource| resource.limit) };
    set_limit(world, holder, number).unwrap_or(by_default)
}

/// What holds for an account or domain: a domain without a limit of its own has that of the next domain above with one.
fn effective_limit(world: &World, holder: Handle, number: usize) -> i64 {
    if holder.kind != world.kind("domain") {
        return limit(world, holder, number);
    }
    let mut at = Some(holder);
    while let Some(domain) = at {
        if let Some(limit) = set_limit(world, domain, number) {
            return limit;
        }
        at = world.link(domain, "parent");
    }
    UNLIMITED
}

fn numbered(name: &str) -> Option<(usize, &'static Resource)> {
    RESOURCES.iter().enumerate().find(|(_, resource)| resource.name == name)
}

/// Refuses what would go beyond a limit of the account, or of a domain above it.
pub(crate) fn check(turn: &Turn<'_>, account: Handle, wanted: &[(&str, i64)]) -> Result<(), Refusal> {
    if !turn.server.options.tuning.limits {
        return Ok(());
    }
    // Root admins have no limits, and are held to none.
    if turn.world.flag(account, "unlimited") && turn.world.link(account, "project").is_none() {
        return Ok(());
    }
    for (name, amount) in wanted {
        let Some((number, resource)) = numbered(name) else { continue };
        let limit = limit(turn.world, account, number);
        let now = used(turn.world, account, resource);
        if limit != UNLIMITED && now + amount > limit {
            let account_name = turn.world.string(account, "name");
            let domain = turn.world.link(account, "domain").map_or(0, World::internal_number);
            return Err(Refusal::limit(format!(
                "Maximum amount of resources of Type = '{name}', tag = 'null' for Account Name = {account_name} in Domain Id = {domain} is exceeded: Account Resource Limit = {limit}, Current Account Resource Amount = {now}, Current Account Resource Reservation = 0, Requested Resource Amount = {amount}."
            )));
        }
        check_domains(turn.world, turn.world.link(account, "domain"), (number, resource), *amount)?;
    }
    Ok(())
}

/// Refuses what would go beyond the limit of a domain or of one above it. The root domain has none.
fn check_domains(world: &World, lowest: Option<Handle>, (number, resource): (usize, &Resource), amount: i64) -> Result<(), Refusal> {
    let mut at = lowest;
    while let Some(domain) = at {
        let limit = effective_limit(world, domain, number);
        if limit != UNLIMITED && used_within(world, domain, resource) + amount > limit {
            let name = resource.name;
            return Err(Refusal::limit(format!(
                "Maximum domain resource limits of Type '{name}' for Domain Id = {} is exceeded: Domain Resource Limit = {limit}, Requested Resource Amount = {amount}.",
                world.id(domain)
            )));
        }
        at = world.link(domain, "parent");
    }
    Ok(())
}

/// Refuses to move a domain to where its accounts would have more than the new domains above allow.
pub(super) fn check_move(turn: &Turn<'_>, domain: Handle, parent: Handle) -> Result<(), Refusal> {
    for (number, resource) in RESOURCES.iter().enumerate() {
        check_domains(turn.world, Some(parent), (number, resource), used_within(turn.world, domain, resource))?;
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
    let accounts = super::account::within(world, domain);
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

/// The account that the arguments name, by name and domain or by project.
fn named_account(turn: &Turn<'_>) -> Result<Option<Handle>, Refusal> {
    let (name, domain) = (turn.arguments.text("account"), turn.arguments.object("domainid"));
    let found = match (name, domain, turn.arguments.object("projectid")) {
        (Some(_), None, _) => return Err(Refusal::invalid("Account must be specified with domainId parameter")),
        (Some(name), Some(domain), _) => {
            let found = tenancy::account_named(turn.world, domain, name);
            found.ok_or_else(|| Refusal::invalid(format!("Unable to find account by name {name} in domain with specified id")))?
        }
        (None, _, Some(project)) => match turn.world.link(project, "projectaccount") {
            Some(account) => account,
            None => return Ok(None),
        },
        (None, _, None) => return Ok(None),
    };
    Ok(Some(found))
}

/// The same, unless it is off.
fn named_active_account(turn: &Turn<'_>) -> Result<Option<Handle>, Refusal> {
    let found = named_account(turn)?;
    match found {
        Some(account) if turn.world.text(account, "state").is_some_and(|state| state != "enabled") => {
            Err(Refusal::forbidden("The account or project is no longer active"))
        }
        found => Ok(found),
    }
}

/// Writes whose limit or count something is: an account with its domain, a project with its domain, or a domain.
fn write_holder(world: &World, holder: Handle, json: &mut Json) {
    let is_account = holder.kind == world.kind("account");
    if let Some(project) = world.link(holder, "project") {
        json.member("projectid", &world.id(project));
        json.member("project", world.text(project, "name").unwrap_or_default());
    } else if is_account {
        json.member("account", world.text(holder, "name").unwrap_or_default());
    }
    let domain = if is_account { world.link(holder, "domain") } else { Some(holder) };
    if let Some(domain) = domain {
        json.member("domainid", &world.id(domain));
        json.member("domain", world.text(domain, "name").unwrap_or_default());
        json.member("domainpath", world.text(domain, "path").unwrap_or_default());
    }
}

fn row(world: &World, holder: Handle, (number, name): (usize, &str), told: (&str, i64)) -> String {
    let mut json = Json::default();
    json.open();
    write_holder(world, holder, &mut json);
    json.member("resourcetype", &number.to_string());
    json.member("resourcetypename", name);
    json.key(told.0);
    json.number(told.1);
    json.close();
    json.into_text()
}

/// The resources that a call speaks of by number or name: all where it says neither.
fn chosen(turn: &Turn<'_>) -> Result<Vec<(usize, &'static Resource)>, Refusal> {
    let known = |found: Option<(usize, &'static Resource)>| found.map(|one| vec![one]).ok_or_else(|| Refusal::invalid("Please specify valid resource type"));
    let all = || RESOURCES.iter().take(if turn.world.is_old { OLD_RESOURCES } else { RESOURCES.len() }).enumerate();
    match (turn.arguments.number("resourcetype"), turn.arguments.text("resourcetypename")) {
        (Some(number), _) => known(all().find(|(known, _)| usize::try_from(number) == Ok(*known))),
        (None, Some(name)) => known(all().find(|(_, resource)| resource.name == name)),
        (None, None) => Ok(all().collect()),
    }
}

fn list(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let chosen = chosen(turn)?;
    let account = named_account(turn)?;
    let domain = turn.arguments.object("domainid");
    let mut holder = turn.caller.account;
    // Users see their own limits, whatever they ask for.
    if tenancy::is_admin(turn) {
        if let Some(domain) = domain {
            tenancy::check_domain(turn, domain)?;
        }
        if let Some(account) = account.filter(|account| domain.is_some() && !turn.may_use(*account)) {
            return Err(Refusal::forbidden(format!("Unable to use account {}", turn.world.string(account, "name"))));
        }
        holder = account.or(domain).unwrap_or(holder);
    }
    let rows: Vec<String> = chosen
        .into_iter()
        .map(|(number, resource)| row(turn.world, holder, (number, resource.name), ("max", effective_limit(turn.world, holder, number))))
        .collect();
    Ok(Outcome::Rendered(rows.join(","), rows.len()))
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let account = named_active_account(turn)?;
    let domain = turn.arguments.object("domainid");
    let max = turn.arguments.number("max").unwrap_or(UNLIMITED);
    if max < UNLIMITED {
        return Err(Refusal::invalid("Please specify either '-1' for an infinite limit, or a limit that is at least '0'."));
    }
    let Some((number, resource)) = chosen(turn)?.into_iter().next() else { return Err(Refusal::invalid("Please specify valid resource type")) };
    let tag = turn.arguments.text("tag").map(str::to_owned);
    if tag.is_some() && !TAGGED.contains(&resource.name) {
        return Err(Refusal::invalid(format!("Resource limit with a tag is not supported for resource type {number}")));
    }
    let holder = match (account, domain) {
        (Some(account), _) => {
            check_account(turn, account, max)?;
            account
        }
        (None, Some(domain)) => {
            check_domain_limit(turn, domain, (number, max))?;
            domain
        }
        (None, None) => return Err(Refusal::invalid("AccountId or domainId have to be specified in order to update resource limit")),
    };
    let key = tag.as_ref().map_or_else(|| number.to_string(), |tag| format!("{number}/{tag}"));
    let mut limits = turn.world.tree(holder, "limits").cloned().unwrap_or_else(|| json!({}));
    if let Some(members) = limits.as_object_mut() {
        members.insert(key, json!(max));
    }
    turn.world.set(holder, "limits", limits);
    let mut shown = row(turn.world, holder, (number, resource.name), ("max", max));
    if let Some(tag) = tag {
        shown.truncate(shown.len() - 1);
        shown.push_str(&format!(",\"tag\":{}}}", json!(tag)));
    }
    Ok(Outcome::Shown("resourcelimit".to_owned(), shown))
}

/// Refuses to limit root admins, oneself, and accounts out of reach.
fn check_account(turn: &mut Turn<'_>, account: Handle, max: i64) -> Result<(), Refusal> {
    if turn.world.flag(account, "unlimited") && turn.world.link(account, "project").is_none() && max != UNLIMITED {
        return Err(Refusal::invalid("Only -1 limit is supported for Root Admin accounts"));
    }
    let is_own = account == turn.caller.account && !turn.caller.is_root();
    if is_own || !turn.may_use(account) {
        return Err(Refusal::permission());
    }
    tenancy::check_privileges(turn, account)
}

/// Refuses to limit the root domain, the caller's own one, and beyond what the domain above has.
fn check_domain_limit(turn: &Turn<'_>, domain: Handle, (number, max): (usize, i64)) -> Result<(), Refusal> {
    tenancy::check_domain(turn, domain)?;
    let Some(parent) = turn.world.link(domain, "parent") else { return Err(Refusal::forbidden("Cannot update resource limit for ROOT domain")) };
    if !turn.caller.is_root() && domain == turn.caller.domain {
        return Err(Refusal::permission());
    }
    let above = effective_limit(turn.world, parent, number);
    if above != UNLIMITED && max > above {
        return Err(Refusal::invalid(format!("The domain above has a limit of {above}, please specify a value less than or equal to that")));
    }
    Ok(())
}

fn count(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let account = named_active_account(turn)?;
    let chosen = chosen(turn)?;
    let domain = turn.target("domainid")?;
    tenancy::check_domain(turn, domain)?;
    if let Some(account) = account {
        tenancy::check_privileges(turn, account)?;
    }
    let told = |(number, resource): (usize, &'static Resource)| {
        let (holder, used) = match account {
            Some(account) => (account, used(turn.world, account, resource)),
            None => (domain, used_within(turn.world, domain, resource)),
        };
        row(turn.world, holder, (number, resource.name), ("resourcecount", used))
    };
    let rows: Vec<String> = chosen.into_iter().map(told).collect();
    Ok(Outcome::Rendered(rows.join(","), rows.len()))
}
