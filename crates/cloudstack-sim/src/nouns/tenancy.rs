//! What domains, accounts, users, roles and projects share: who may act where and on whom, and how they are found.
//!
//! Knows no command; the kinds have files of their own.

use cloudstack_api::catalog::RoleType;

use crate::{
    auth, cloud,
    collation::is_same,
    kind::Shown,
    refusal::Refusal,
    turn::{Turn, role_type},
    world::{Handle, World},
};

/// What the argument `details` of accounts, domains and projects may choose.
const DETAILS: &[&str] = &["all", "resource", "min"];

/// When something was made.
pub(super) fn made_at(world: &World, row: Handle) -> Shown {
    Shown::Text(cloudstack_api::clock::timestamp(std::time::Duration::from_secs(world.created(row))))
}

/// The domain above all.
pub(super) fn root_domain(world: &World) -> Option<Handle> {
    world.rows(world.kind("domain")).next()
}

/// The value of a global setting.
pub(super) fn setting<'a>(turn: &'a Turn<'_>, name: &str) -> Option<&'a str> {
    let row = turn.world.find("configuration", "name", name);
    row.and_then(|row| turn.world.text(row, "value")).or_else(|| turn.server.options.setting(name))
}

/// The value of a setting in a domain: as it is set there, else for the whole cloud. Nothing where nobody set it and it
/// is as in a new installation.
pub(super) fn setting_in<'w>(world: &'w World, name: &str, domain: Option<Handle>) -> Option<&'w str> {
    let setting = world.find("configuration", "name", name)?;
    let scoped = domain.and_then(|domain| world.tree(setting, "scoped")?.get(world.id(domain))?.as_str());
    scoped.or_else(|| world.text(setting, "value"))
}

/// Whether a caller is an admin of some sort.
pub(super) fn is_admin(turn: &Turn<'_>) -> bool {
    turn.caller.kind != RoleType::User
}

/// Refuses values of `details` that accounts, domains and projects do not know.
pub(super) fn check_details(turn: &Turn<'_>) -> Result<(), Refusal> {
    if turn.arguments.list("details").iter().all(|detail| DETAILS.contains(detail)) {
        return Ok(());
    }
    Err(Refusal::invalid("The details parameter contains a non permitted value. The allowed values are [all, resource, min]"))
}

/// Refuses domains of others: users have their own one, admins everything below theirs.
pub(crate) fn check_domain(turn: &Turn<'_>, domain: Handle) -> Result<(), Refusal> {
    let caller = &turn.caller;
    let reach = match caller.kind {
        RoleType::Admin => true,
        RoleType::User => domain == caller.domain,
        RoleType::DomainAdmin | RoleType::ResourceAdmin => turn.world.is_within(domain, caller.domain),
    };
    if reach { Ok(()) } else { Err(Refusal::permission()) }
}

/// The accounts with this name in a domain, those behind projects among them. Names are the same as the database
/// compares them.
fn accounts_named<'w>(world: &'w World, domain: Handle, name: &'w str) -> impl Iterator<Item = Handle> + 'w {
    world.referring("account", "domain", domain).filter(move |row| world.text(*row, "name").is_some_and(|known| is_same(known, name)))
}

/// The account with this name in a domain, be it one of people or behind a project.
pub(crate) fn any_account_named(world: &World, domain: Handle, name: &str) -> Option<Handle> {
    accounts_named(world, domain, name).next()
}

/// The account of people with this name in a domain.
pub(crate) fn account_named(world: &World, domain: Handle, name: &str) -> Option<Handle> {
    accounts_named(world, domain, name).find(|row| world.link(*row, "project").is_none())
}

/// The user with this name in a domain.
pub(crate) fn user_named(world: &World, domain: Handle, name: &str) -> Option<Handle> {
    let mut users = world.rows(world.kind("user")).filter(|user| world.domain_of(*user) == Some(domain));
    users.find(|user| world.text(*user, "username").is_some_and(|known| is_same(known, name)))
}

/// How far a type of role reaches: the lower, the further.
fn rank(kind: RoleType) -> u8 {
    match kind {
        RoleType::Admin => 1,
        RoleType::ResourceAdmin => 2,
        RoleType::DomainAdmin => 4,
        RoleType::User => 8,
    }
}

/// Refuses callers whose role does not reach as far as that of the account they would change: a lower type, another
/// account of ordinary users, or commands that the caller may not call himself.
pub(super) fn check_privileges(turn: &mut Turn<'_>, account: Handle) -> Result<(), Refusal> {
    if turn.world.link(account, "project").is_some() {
        return Ok(());
    }
    let Some(role) = turn.world.link(account, "role") else { return Ok(()) };
    check_role(turn, role, account == turn.caller.account)
}

/// Refuses to hand out a role that reaches further than the caller's.
pub(super) fn check_role(turn: &mut Turn<'_>, role: Handle, is_own: bool) -> Result<(), Refusal> {
    let kind = role_type(turn.world.text(role, "type").unwrap_or_default());
    let (mine, theirs) = (rank(turn.caller.kind), rank(kind));
    let is_default_admin = turn.world.flag(turn.caller.account, "isdefault");
    if !is_default_admin && (mine > theirs || mine == theirs && !is_own && kind == RoleType::User) {
        return Err(Refusal::permission());
    }
    if turn.caller.is_root() {
        return Ok(());
    }
    if kind == RoleType::Admin || !may_all_of(turn, role) { Err(Refusal::permission()) } else { Ok(()) }
}

/// Whether the caller may call whatever a role may.
fn may_all_of(turn: &mut Turn<'_>, role: Handle) -> bool {
    let mine = turn.caller.role;
    if role == mine {
        return true;
    }
    let server = turn.server;
    let mut commands = server.catalog.commands().filter(|command| cloud::is_loaded(command, &server.options));
    commands.all(|command| !auth::allows(turn.world, role, &command) || auth::allows(turn.world, mine, &command))
}
