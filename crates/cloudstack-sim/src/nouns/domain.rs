//! Domains: the tree that accounts hang in.
//!
//! What makes, changes, moves and takes domains, and who sees which. What accounts in them may have is in `limit.rs`.

use super::{Tables, account, tenancy};
use crate::{
    collation::is_same,
    kind::{Constant, HAS_ANNOTATIONS, ID, Noun, Shown, computed, linked, own, own_or, several},
    list::{self, Page},
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_MEDIUM},
    world::{Handle, World},
};

/// A domain.
pub(crate) const DOMAIN_NOUN: Noun = Noun {
    word: "domain",
    entities: &["DomainResponse"],
    resource: "Domain",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own("level"),
        linked("parentdomainid", "parent", "id"),
        linked("parentdomainname", "parent", "name"),
        computed("haschild", |world, domain, _| Some(Shown::Flag(world.referring("domain", "parent", domain).next().is_some()))),
        own("networkdomain"),
        own("path"),
        own_or("state", Constant::Text("Active")),
        computed("created", |world, domain, _| world.link(domain, "parent").map(|_| tenancy::made_at(world, domain))),
        several("limits", super::limit::show_domain),
        super::remark::ICON_MEMBER,
        HAS_ANNOTATIONS,
    ],
};

/// The commands of domains.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listDomains", list),
        ("listDomainChildren", list_children),
        ("createDomain", create),
        ("updateDomain", update),
        ("moveDomain", move_domain),
        ("deleteDomain", delete),
    ],
    filters: &[],
};

/// The longest network domain, and the longest part of one.
const NETWORK_DOMAIN_MAX: usize = 190;
const NETWORK_DOMAIN_PART_MAX: usize = 63;

/// Refuses a network domain that is no name of a domain of the network.
pub(super) fn check_network_domain(turn: &Turn<'_>) -> Result<(), Refusal> {
    let Some(name) = turn.arguments.text("networkdomain") else { return Ok(()) };
    let is_part = |part: &str| {
        !part.is_empty()
            && part.len() <= NETWORK_DOMAIN_PART_MAX
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if name.len() <= NETWORK_DOMAIN_MAX && name.split('.').all(is_part) {
        return Ok(());
    }
    Err(Refusal::invalid(format!("Invalid network domain `{name}`: at most {NETWORK_DOMAIN_MAX} characters, in parts of letters, digits and hyphens")))
}

/// Writes the argument `networkdomain` into a domain or an account; an empty one takes the old one away.
pub(super) fn put_network_domain(turn: &mut Turn<'_>, holder: Handle) {
    match turn.arguments.given("networkdomain").map(str::to_owned) {
        Some(name) if name.is_empty() => turn.world.unset(holder, "networkdomain"),
        Some(name) => turn.world.set(holder, "networkdomain", name),
        None => {}
    }
}

fn list(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    tenancy::check_details(turn)?;
    let page = Page::read(turn)?;
    let caller = turn.caller;
    let named = turn.arguments.object("id");
    if let Some(domain) = named {
        tenancy::check_domain(turn, domain)?;
    }
    let everything = caller.is_root() || turn.arguments.flag("listall");
    let kind = turn.world.kind("domain");
    let rows = list::unscoped(turn, kind, &|world, row| named.is_some() || if everything { world.is_within(row, caller.domain) } else { row == caller.domain });
    Ok(page.cut(rows))
}

fn list_children(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let page = Page::read(turn)?;
    let top = turn.arguments.object("id").unwrap_or(turn.caller.domain);
    tenancy::check_domain(turn, top)?;
    let whole = turn.arguments.flag("isrecursive") && !turn.arguments.flag("listall");
    let part = turn.arguments.text("name").map(str::to_lowercase);
    let keyword = turn.arguments.text("keyword").map(str::to_lowercase);
    let world = &*turn.world;
    let is_named = |row: Handle, part: &Option<String>| {
        part.as_ref().is_none_or(|part| world.text(row, "name").is_some_and(|name| list::like(&name.to_lowercase(), &format!("%{part}%"))))
    };
    let is_below = |row: Handle| if whole { row != top && world.is_within(row, top) } else { world.link(row, "parent") == Some(top) };
    let rows = world.rows(world.kind("domain")).filter(|row| is_below(*row) && is_named(*row, &part) && is_named(*row, &keyword)).collect();
    Ok(page.cut(rows))
}

/// Whether a domain right below another has a name.
fn has_child(world: &World, parent: Handle, name: &str, but: Option<Handle>) -> bool {
    world.referring("domain", "parent", parent).any(|row| Some(row) != but && world.text(row, "name").is_some_and(|known| is_same(known, name)))
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let name = turn.needed("name")?;
    let root = tenancy::root_domain(turn.world);
    let parent = turn.arguments.object("parentdomainid").or(root).unwrap_or(turn.caller.domain);
    check_network_domain(turn)?;
    if is_inactive(turn.world, parent) {
        return Err(Refusal::internal("The parent domain is being deleted"));
    }
    tenancy::check_domain(turn, parent)?;
    if has_child(turn.world, parent, &name, None) {
        return Err(Refusal::invalid(format!("Domain with name [{name}] already exists for the parent with ID [{}].", World::internal_number(parent))));
    }
    let domain = new_domain(turn.world, parent, &name);
    put_network_domain(turn, domain);
    Ok(Outcome::Object(domain))
}

/// Makes a domain.
pub(crate) fn new_domain(world: &mut World, parent: Handle, name: &str) -> Handle {
    let kind = world.kind("domain");
    let domain = world.insert(kind, None, &[("name", name.into()), ("parent", parent.into())]);
    settle_path(world, domain);
    domain
}

/// Writes path and level of a domain and of all below it anew.
fn settle_path(world: &mut World, domain: Handle) {
    let mut waiting = vec![domain];
    while let Some(domain) = waiting.pop() {
        if let Some(parent) = world.link(domain, "parent") {
            let path = format!("{}/{}", world.string(parent, "path"), world.string(domain, "name"));
            let level = world.number(parent, "level") + 1;
            world.set(domain, "path", path);
            world.set(domain, "level", level);
        }
        waiting.extend(world.referring("domain", "parent", domain));
    }
}

fn is_inactive(world: &World, domain: Handle) -> bool {
    world.text(domain, "state") == Some("Inactive")
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let domain = turn.target("id")?;
    let name = turn.arguments.text("name").map(str::to_owned);
    let parent = turn.world.link(domain, "parent");
    if parent.is_none() && name.is_some() {
        return Err(Refusal::invalid("ROOT domain can not be edited with a new name"));
    }
    tenancy::check_domain(turn, domain)?;
    if let (Some(name), Some(parent)) = (&name, parent)
        && has_child(turn.world, parent, name, Some(domain))
    {
        return Err(Refusal::invalid(format!("Failed to update the domain: the name {name} is taken")));
    }
    check_network_domain(turn)?;
    if let Some(name) = name {
        turn.world.set(domain, "name", name);
        settle_path(turn.world, domain);
    }
    put_network_domain(turn, domain);
    Ok(Outcome::Object(domain))
}

fn move_domain(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (domain, parent) = (turn.target("domainid")?, turn.target("parentdomainid")?);
    let old = turn.world.link(domain, "parent");
    let fault = match old {
        None => Some("The domain ROOT cannot be moved."),
        _ if domain == parent => Some("A domain cannot be moved below itself."),
        _ if turn.world.is_within(parent, domain) => Some("A domain cannot be moved to one of its children."),
        Some(old) if old == parent => Some("The domain is there already."),
        _ if is_inactive(turn.world, domain) || is_inactive(turn.world, parent) => Some("The domain is not active."),
        _ => None,
    };
    if let Some(fault) = fault {
        return Err(Refusal::invalid(fault));
    }
    let name = turn.world.string(domain, "name");
    if has_child(turn.world, parent, &name, None) {
        return Err(Refusal::invalid(format!("Domain with name [{name}] already exists for the parent with ID [{}].", World::internal_number(parent))));
    }
    super::limit::check_move(turn, domain, parent)?;
    turn.world.set(domain, "parent", parent);
    settle_path(turn.world, domain);
    Ok(Outcome::Object(domain))
}

/// Everything is looked at by the job alone.
fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let domain = turn.target("id")?;
    let cleans = turn.arguments.flag("cleanup");
    Ok(turn.job(domain, WORK_MEDIUM, move |turn| {
        if !turn.world.is_alive(domain) {
            return Err(Refusal::invalid("Failed to delete domain: it is not there"));
        }
        if turn.world.link(domain, "parent").is_none() {
            return Err(Refusal::forbidden("Can't delete ROOT domain"));
        }
        tenancy::check_domain(turn, domain)?;
        let accounts: Vec<Handle> = account::within(turn.world, domain);
        let children: Vec<Handle> = turn.world.rows(turn.world.kind("domain")).filter(|row| *row != domain && turn.world.is_within(*row, domain)).collect();
        let is_empty = accounts.is_empty() && children.is_empty();
        if !cleans && !is_empty {
            return Err(Refusal::failed("Failed to delete domain: it has accounts or subdomains; specify cleanup to delete them too"));
        }
        super::project::remove_within(turn.world, domain);
        accounts.into_iter().for_each(|account| account::remove(turn.world, account));
        children.into_iter().for_each(|child| turn.world.remove(child));
        turn.world.remove(domain);
        Ok(Outcome::Success)
    }))
}
