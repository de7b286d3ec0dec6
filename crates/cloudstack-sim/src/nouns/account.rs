//! Accounts: who owns things.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    Tables, domain, password, tenancy,
    user::{self, NewUser},
};
use crate::{
    kind::{Constant, ID, Noun, Shown, Viewer, always, computed, flag, linked, own, own_or, several},
    list::{self, Page},
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_MEDIUM, WORK_SHORT, role_type},
    world::{Datum, Handle, World},
};
use cloudstack_api::catalog::RoleType;

/// The type of the accounts behind projects.
pub(super) const PROJECT_TYPE: i64 = 5;

/// An account.
pub(crate) const ACCOUNT_NOUN: Noun = Noun {
    word: "account",
    entities: &["AccountResponse"],
    resource: "Account",
    owned: true,
    keywords: &["name", "state"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own("accounttype"),
        linked("roleid", "role", "id"),
        linked("roletype", "role", "type"),
        linked("rolename", "role", "name"),
        linked("domainid", "domain", "id"),
        linked("domain", "domain", "name"),
        linked("domainpath", "domain", "path"),
        linked("defaultzoneid", "defaultzone", "id"),
        computed("receivedbytes", traffic),
        computed("sentbytes", traffic),
        several("limits", super::limit::show),
        own_or("state", Constant::Text("enabled")),
        own("networkdomain"),
        computed("created", |world, account, _| (!world.flag(account, "isdefault")).then(|| tenancy::made_at(world, account))),
        computed("user", users),
        own("accountdetails"),
        flag("isdefault"),
        always("groups", Constant::Empty),
        own_or("apikeyaccess", Constant::Text("INHERIT")).root(),
        super::remark::ICON_MEMBER,
    ],
};

/// The commands of accounts.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listAccounts", list),
        ("createAccount", create),
        ("updateAccount", update),
        ("disableAccount", disable),
        ("enableAccount", enable),
        ("lockAccount", lock),
        ("deleteAccount", delete),
        ("markDefaultZoneForAccount", mark_zone),
        ("isAccountAllowedToCreateOfferingsWithTags", may_tag_offerings),
    ],
    filters: &[("account", "iscleanuprequired", |turn, _| !turn.arguments.flag("iscleanuprequired")), ("account", "tag", |_, _| true)],
};

/// What went over the account's routers, which is told as soon as it ever had one. Nothing is measured.
fn traffic(world: &World, account: Handle, _: Viewer) -> Option<Shown> {
    let routers = world.kind("router");
    let had_one = world.all_rows(routers).any(|router| world.owner_number(router) == Some(account.row));
    had_one.then_some(Shown::Number(0))
}

/// The users of an account; inside accounts they show no more to root than to others.
pub(super) fn users(world: &World, account: Handle, _: Viewer) -> Option<Shown> {
    Some(super::recipe::nested(world, world.owned(world.kind("user"), account), Viewer { root: false, account: None, domain: None }))
}

/// The accounts of people: neither the system's nor those behind projects.
fn is_listed(world: &World, row: Handle) -> bool {
    world.link(row, "project").is_none() && world.text(row, "name") != Some("system")
}

fn list(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    tenancy::check_details(turn)?;
    user::check_access_word(turn)?;
    let page = Page::read(turn)?;
    let caller = turn.caller;
    let is_admin = tenancy::is_admin(turn);
    let named = turn.arguments.object("id");
    let mut domain = turn.arguments.object("domainid");
    if let Some(domain) = domain {
        list::check_domain(turn, domain)?;
    }
    let mut whole = turn.arguments.flag("isrecursive");
    let mut only = named;
    if let Some(account) = named {
        if turn.world.text(account, "name") == Some("system") || domain.is_some_and(|domain| turn.world.link(account, "domain") != Some(domain)) {
            return Err(Refusal::invalid("Unable to find account by id"));
        }
        if !turn.may_use(account) {
            return Err(Refusal::permission());
        }
    } else if turn.arguments.flag("listall") && is_admin {
        domain = domain.or(Some(caller.domain));
        whole = true;
    } else if !is_admin || domain.is_none() {
        only = Some(caller.account);
    }
    let kind = turn.world.kind("account");
    let rows = list::unscoped(turn, kind, &|world, row| {
        let of = world.link(row, "domain");
        is_listed(world, row)
            && only.is_none_or(|only| only == row)
            && domain.is_none_or(|domain| if whole { of.is_some_and(|of| world.is_within(of, domain)) } else { of == Some(domain) })
            && (is_admin || world.number(row, "accounttype") != account_type(RoleType::DomainAdmin))
    });
    Ok(page.cut(rows))
}

/// An account to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewAccount {
    /// Its name.
    pub(crate) name: String,
    /// Its domain.
    pub(crate) domain: Handle,
    /// Its role.
    pub(crate) role: Handle,
}

/// The number of the accounts whose role is of a type.
fn account_type(kind: RoleType) -> i64 {
    match kind {
        RoleType::User => 0,
        RoleType::Admin => 1,
        RoleType::DomainAdmin => 2,
        RoleType::ResourceAdmin => 3,
    }
}

/// Makes an account.
pub(crate) fn new_account(world: &mut World, plan: &NewAccount) -> Handle {
    let table = world.kind("account");
    let fields: [(&str, Datum); 3] = [("name", plan.name.as_str().into()), ("domain", plan.domain.into()), ("state", "enabled".into())];
    let account = world.insert(table, None, &fields);
    put_role(world, account, plan.role);
    account
}

/// Gives an account a role, and its type with it.
fn put_role(world: &mut World, account: Handle, role: Handle) {
    let kind = account_type(role_type(world.text(role, "type").unwrap_or_default()));
    world.set(account, "role", role);
    world.set(account, "accounttype", kind);
    world.set(account, "unlimited", kind == account_type(RoleType::Admin));
    let users: Vec<Handle> = world.owned(world.kind("user"), account).collect();
    users.into_iter().for_each(|user| world.set(user, "role", role));
}

/// The role that a call names by its id or by a type of account.
fn chosen_role(turn: &Turn<'_>) -> Result<Handle, Refusal> {
    let by_type = turn.arguments.number("accounttype").and_then(|number| match number {
        0 => Some("User"),
        1 => Some("Root Admin"),
        2 => Some("Domain Admin"),
        3 => Some("Resource Admin"),
        _ => None,
    });
    let role = turn.arguments.object("roleid").or_else(|| by_type.and_then(|name| turn.world.find("role", "name", name)));
    role.ok_or_else(|| Refusal::argument("Neither account type and role ID are not provided"))
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let role = chosen_role(turn)?;
    let user = NewUser::read(turn)?;
    let root = tenancy::root_domain(turn.world);
    let domain = turn.arguments.object("domainid").or(root).unwrap_or(turn.caller.domain);
    tenancy::check_domain(turn, domain)?;
    user::check_name(turn, domain, &user.username)?;
    domain::check_network_domain(turn)?;
    if role_type(turn.world.text(role, "type").unwrap_or_default()) == RoleType::Admin && Some(domain) != root {
        return Err(Refusal::invalid("Invalid account type given: admins of the root domain belong there"));
    }
    let name = turn.arguments.text("account").unwrap_or(&user.username).to_owned();
    if tenancy::account_named(turn.world, domain, &name).is_some() {
        return Err(Refusal::invalid(format!("The specified account: {name} already exists")));
    }
    tenancy::check_role(turn, role, false)?;
    password::check(turn.world, domain, (&user.username, &user.password))?;
    let account = new_account(turn.world, &NewAccount { name, domain, role });
    domain::put_network_domain(turn, account);
    put_details(turn, account);
    user::make(turn.world, account, &user);
    Ok(Outcome::Object(account))
}

/// Of the entries of `accountdetails` only those of the first index are read; they replace what was there.
fn put_details(turn: &mut Turn<'_>, account: Handle) {
    let details: Option<BTreeMap<String, String>> = turn.arguments.records("accountdetails").next().cloned();
    if let Some(details) = details {
        turn.world.set(account, "accountdetails", json!(details));
    }
}

/// The account that a call names by its id, or by its name and domain.
fn named(turn: &Turn<'_>) -> Result<Handle, Refusal> {
    if let Some(account) = turn.arguments.object("id") {
        return Ok(account);
    }
    let (Some(name), Some(domain)) = (turn.arguments.text("account"), turn.arguments.object("domainid")) else {
        return Err(Refusal::invalid("Both accountName and domainId are required for finding active account in the system"));
    };
    tenancy::account_named(turn.world, domain, name).ok_or_else(|| Refusal::invalid(format!("Unable to find account {name}")))
}

/// Refuses accounts that the caller may not change: of projects, the system's, and those out of reach.
fn check_changeable(turn: &mut Turn<'_>, account: Handle) -> Result<(), Refusal> {
    if turn.world.link(account, "project").is_some() {
        return Err(Refusal::invalid("Unable to find the account"));
    }
    if turn.world.text(account, "name") == Some("system") {
        return Err(Refusal::forbidden("The account is a system account"));
    }
    if !turn.may_use(account) {
        return Err(Refusal::permission());
    }
    tenancy::check_privileges(turn, account)
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let account = named(turn)?;
    check_changeable(turn, account)?;
    if let Some(domain) = turn.world.link(account, "domain") {
        tenancy::check_domain(turn, domain)?;
    }
    user::check_access_word(turn)?;
    let name = turn.arguments.given("newname").map(str::to_owned);
    if let Some(name) = &name {
        let domain = turn.arguments.object("domainid");
        let taken = domain.and_then(|domain| tenancy::account_named(turn.world, domain, name)).is_some_and(|known| known != account);
        if name.is_empty() || taken {
            return Err(Refusal::invalid(format!("The account cannot be called `{name}`")));
        }
    }
    domain::check_network_domain(turn)?;
    if let Some(role) = turn.arguments.object("roleid") {
        check_new_role(turn, account, role)?;
        put_role(turn.world, account, role);
    }
    if let Some(name) = name {
        turn.world.set(account, "name", name);
    }
    domain::put_network_domain(turn, account);
    put_details(turn, account);
    user::put_access(turn, account);
    Ok(Outcome::Object(account))
}

fn check_new_role(turn: &mut Turn<'_>, account: Handle, role: Handle) -> Result<(), Refusal> {
    let kind = role_type(turn.world.text(role, "type").unwrap_or_default());
    let is_in_root = turn.world.link(account, "domain") == tenancy::root_domain(turn.world);
    if kind == RoleType::Admin && !is_in_root {
        return Err(Refusal::permission());
    }
    tenancy::check_role(turn, role, account == turn.caller.account)
}

/// Sets the state of an account when the job's time has come; machines of a disabled account stop.
fn change_state(turn: &mut Turn<'_>, account: Handle, state: &str) -> Result<Outcome, Refusal> {
    check_changeable(turn, account)?;
    set_state(turn.world, account, state);
    Ok(Outcome::Object(account))
}

/// Sets the state of an account. Machines and routers of a disabled one stop.
pub(super) fn set_state(world: &mut World, account: Handle, state: &str) {
    // A disabled account is not locked: it cannot do less than nothing.
    if state == "locked" && world.text(account, "state") == Some("disabled") {
        return;
    }
    world.set(account, "state", state);
    if state == "disabled" {
        let machines: Vec<Handle> = world.owned(world.kind("virtualmachine"), account).collect();
        machines.into_iter().for_each(|vm| super::vm::power_off(world, vm));
        let routers: Vec<Handle> = world.owned(world.kind("router"), account).collect();
        routers.into_iter().for_each(|router| super::systemvm::halt(world, router));
    }
}

/// The account of a call that looks for it only in its job.
fn named_later(turn: &Turn<'_>) -> Result<Option<Handle>, Refusal> {
    match named(turn) {
        Ok(account) => Ok(Some(account)),
        Err(refusal) if turn.arguments.text("account").is_none() || turn.arguments.object("domainid").is_none() => Err(refusal.at_once()),
        Err(_) => Ok(None),
    }
}

fn disable(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let account = named_later(turn)?;
    let state = if turn.arguments.flag("lock") { "locked" } else { "disabled" };
    let subject = account.unwrap_or(turn.caller.account);
    Ok(turn.job(subject, WORK_SHORT, move |turn| match account {
        Some(account) => change_state(turn, account, state),
        None => Err(Refusal::invalid("Unable to find the account")),
    }))
}

fn enable(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let account = named(turn)?;
    change_state(turn, account, "enabled")
}

fn lock(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let account = named(turn)?;
    change_state(turn, account, "locked")
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let account = turn.target("id")?;
    Ok(turn.job(account, WORK_MEDIUM, move |turn| {
        if !turn.world.is_alive(account) {
            return Ok(Outcome::Success);
        }
        if account == turn.caller.account {
            return Err(Refusal::invalid("Deletion of your own account is not allowed"));
        }
        if turn.world.link(account, "project").is_some() || turn.world.flag(account, "isdefault") {
            return Err(Refusal::invalid("The account is the installation's or a project's and cannot be removed"));
        }
        if super::project::is_led_by(turn.world, account) {
            return Err(Refusal::invalid("The account manages projects: remove it from these projects first"));
        }
        check_changeable(turn, account)?;
        remove(turn.world, account);
        Ok(Outcome::Success)
    }))
}

/// The accounts in a domain and below.
pub(super) fn within(world: &World, domain: Handle) -> Vec<Handle> {
    world.rows(world.kind("account")).filter(|row| world.link(*row, "domain").is_some_and(|of| world.is_within(of, domain))).collect()
}

/// Takes an account and all it owns out of the world. What it did stays in the events.
pub(super) fn remove(world: &mut World, account: Handle) {
    let machines: Vec<Handle> = world.owned(world.kind("virtualmachine"), account).collect();
    machines.into_iter().for_each(|vm| super::vm::wipe(world, vm));
    let networks: Vec<Handle> = world.owned(world.kind("network"), account).collect();
    networks.into_iter().for_each(|network| super::network::remove(world, network));
    let event = world.kind("event");
    for row in world.all_owned(account).into_iter().filter(|row| row.kind != event) {
        if let Some(key) = world.text(row, "apikey").map(str::to_owned) {
            world.api_keys.remove(&key);
        }
        world.remove(row);
    }
    super::project::forget_member(world, account);
    world.remove(account);
}

fn mark_zone(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (name, domain, zone) = (turn.needed("account")?, turn.target("domainid")?, turn.target("zoneid")?);
    let subject = turn.caller.account;
    Ok(turn.job(subject, WORK_SHORT, move |turn| {
        let account = tenancy::account_named(turn.world, domain, &name);
        let Some(account) = account else { return Err(Refusal::invalid(format!("Unable to find account {name}"))) };
        turn.world.set(account, "defaultzone", zone);
        Ok(Outcome::Object(account))
    }))
}

fn may_tag_offerings(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let account = turn.target("id")?;
    let is_root = turn.world.number(account, "accounttype") == account_type(RoleType::Admin);
    let is_set = tenancy::setting(turn, "domain.admin.can.create.offerings.with.tags") == Some("true");
    Ok(Outcome::Shown("isallowed".to_owned(), json!({"isallowed": is_root || is_set}).to_string()))
}
