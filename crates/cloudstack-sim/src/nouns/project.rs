//! Projects: their members, what their roles may call, and invitations to them.
//!
//! What a project owns belongs to an account that stands behind it.

use std::time::Duration;

use cloudstack_api::{
    catalog::RoleType,
    roles::{Permission, Rule},
    wire::Pair,
};
use serde_json::json;

use super::{
    Tables, account,
    role::{self, NO_SUCCESS},
    tenancy,
};
use crate::{
    collation::is_same,
    jobs::Chore,
    kind::{CREATED, Constant, ID, Noun, Shown, TAGS, Viewer, always, computed, linked, own, own_or, several},
    list::{self, Page, Scope},
    refusal::Refusal,
    turn::{Caller, Outcome, Turn, WORK_MEDIUM, WORK_SHORT},
    world::{Datum, Handle, World, parse_id},
};

/// Commands that are held against the members of the project that their `id` names.
const BY_ID: &[&str] = &["suspendProject", "updateProject", "activateProject", "deleteProject"];
/// What those who are no members yet may call in a project.
const BY_OUTSIDERS: &str = "updateProjectInvitation";
/// The setting that makes people answer before they are members; it is read when a server starts.
const INVITATIONS: &str = "project.invite.required";
/// How long an invitation can be answered.
const INVITATION_LIFE: Duration = Duration::from_secs(86_400);
/// The letters of an invitation's token, and how many one has.
const TOKEN_LETTERS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const TOKEN_LENGTH: usize = 10;
/// What keeps a project from being deleted without cleaning up.
const HOLDINGS: &[&str] = &["template", "vmsnapshot", "virtualmachine", "volume", "network", "vpc", "webhook"];

/// A project.
pub(crate) const PROJECT_NOUN: Noun = Noun {
    word: "project",
    entities: &["ProjectResponse"],
    resource: "Project",
    owned: false,
    keywords: &["name", "displaytext"],
    newest_first: true,
    view: &[
        ID,
        own("name"),
        own("displaytext"),
        linked("domainid", "domain", "id"),
        linked("domain", "domain", "name"),
        computed("owner", owners),
        linked("projectaccountname", "projectaccount", "name"),
        own_or("state", Constant::Text("Active")),
        TAGS,
        several("limits", |world, project, viewer, json| {
            if let Some(account) = world.link(project, "projectaccount") {
                super::limit::show(world, account, viewer, json);
            }
        }),
        CREATED,
        super::remark::ICON_MEMBER,
    ],
};

/// Somebody's membership of a project.
pub(crate) const MEMBER_NOUN: Noun = Noun {
    word: "projectaccount",
    entities: &["ProjectAccountResponse"],
    resource: "ProjectAccount",
    owned: false,
    keywords: &[],
    newest_first: true,
    view: &[
        linked("projectid", "project", "id"),
        linked("project", "project", "name"),
        linked("accountid", "member", "id"),
        linked("account", "member", "name"),
        linked("userid", "user", "id"),
        linked("username", "user", "username"),
        linked("accounttype", "member", "accounttype"),
        own("role"),
        linked("projectroleid", "projectrole", "id"),
        linked("domainid", "domain", "id"),
        linked("domain", "domain", "name"),
        linked("domainpath", "domain", "path"),
    ],
};

/// An invitation to a project.
pub(crate) const INVITATION_NOUN: Noun = Noun {
    word: "projectinvitation",
    entities: &["ProjectInvitationResponse"],
    resource: "ProjectInvitation",
    owned: false,
    keywords: &[],
    newest_first: false,
    view: &[
        ID,
        linked("projectid", "project", "id"),
        linked("project", "project", "name"),
        linked("account", "member", "name"),
        computed("userid", |world, row, _| world.link(row, "user").map(|user| Shown::Text(World::internal_number(user).to_string()))),
        own("email"),
        own("state"),
        linked("domainid", "domain", "id"),
        linked("domain", "domain", "name"),
        linked("domainpath", "domain", "path"),
    ],
};

/// A role within a project.
pub(crate) const ROLE_NOUN: Noun = Noun {
    word: "projectrole",
    entities: &["ProjectRoleResponse"],
    resource: "ProjectRole",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[linked("projectid", "project", "id"), ID, own("name"), own("description"), always("ispublic", Constant::Flag(true))],
};

/// A rule of a role within a project.
pub(crate) const RULE_NOUN: Noun = Noun {
    word: "projectrolepermission",
    entities: &["ProjectRolePermissionResponse"],
    resource: "ProjectRolePermission",
    owned: false,
    keywords: &["rule"],
    newest_first: false,
    view: &[
        ID,
        linked("projectroleid", "projectrole", "id"),
        linked("projectid", "project", "id"),
        linked("projectrolename", "projectrole", "name"),
        own("rule"),
        own("permission"),
        own("description"),
    ],
};

/// The commands of projects.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listProjects", list),
        ("createProject", create),
        ("updateProject", update),
        ("suspendProject", suspend),
        ("activateProject", activate),
        ("deleteProject", delete),
        ("listProjectAccounts", list_members),
        ("addAccountToProject", add_account),
        ("addUserToProject", add_user),
        ("deleteAccountFromProject", remove_account),
        ("deleteUserFromProject", remove_user),
        ("listProjectInvitations", list_invitations),
        ("updateProjectInvitation", answer_invitation),
        ("deleteProjectInvitation", delete_invitation),
        ("listProjectRoles", list_roles),
        ("createProjectRole", create_role),
        ("updateProjectRole", update_role),
        ("deleteProjectRole", delete_role),
        ("listProjectRolePermissions", list_rules),
        ("createProjectRolePermission", create_rule),
        ("updateProjectRolePermission", update_rule),
        ("deleteProjectRolePermission", delete_rule),
    ],
    filters: &[],
};

fn owners(world: &World, project: Handle, _: Viewer) -> Option<Shown> {
    let admins = members(world, project).into_iter().filter(|row| world.text(*row, "role") == Some("Admin"));
    let owners: Vec<_> = admins
        .filter_map(|row| {
            let account = world.string(world.link(row, "member")?, "name");
            Some(match world.link(row, "user") {
                Some(user) => json!({"account": account, "user": world.string(user, "username"), "userid": world.id(user)}),
                None => json!({"account": account}),
            })
        })
        .collect();
    Some(Shown::Raw(json!(owners).to_string()))
}

fn members(world: &World, project: Handle) -> Vec<Handle> {
    world.referring("projectaccount", "project", project).collect()
}

/// The membership of an account as a whole.
fn account_member(world: &World, project: Handle, account: Handle) -> Option<Handle> {
    members(world, project).into_iter().find(|row| world.link(*row, "member") == Some(account) && world.link(*row, "user").is_none())
}

/// The membership of a single user.
fn user_member(world: &World, project: Handle, user: Handle) -> Option<Handle> {
    members(world, project).into_iter().find(|row| world.link(*row, "user") == Some(user))
}

fn is_led(world: &World, member: Handle) -> bool {
    world.text(member, "role") == Some("Admin")
}

/// Whether an account manages a project.
pub(super) fn is_led_by(world: &World, account: Handle) -> bool {
    world.referring("projectaccount", "member", account).any(|row| is_led(world, row))
}

/// Holds a call that speaks of a project against the caller's part in it, before its signature is looked at.
pub(crate) fn check_context(world: &World, caller: &Caller, command: &str, pairs: &[Pair]) -> Result<(), Refusal> {
    let name = if BY_ID.contains(&command) { "id" } else { "projectid" };
    let given = pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let project = given.and_then(parse_id).and_then(|id| world.by_id(id)).filter(|row| row.kind == world.kind("project"));
    let Some(project) = project else { return Ok(()) };
    if matches!(caller.kind, RoleType::Admin | RoleType::DomainAdmin) {
        return Ok(());
    }
    let part = user_member(world, project, caller.user).or_else(|| account_member(world, project, caller.account));
    match part {
        Some(part) if is_led(world, part) || allows(world, part, command) => Ok(()),
        Some(_) => Err(Refusal { code: 401, ..Refusal::argument(format!("The given command '{command}' either does not exist, is not available for user.")) }),
        None if command == BY_OUTSIDERS => Ok(()),
        None => Err(Refusal::unsupported(format!(
            "The API [{command}] does not exist or is not available for this account/user in project [{}].",
            world.id(project)
        ))),
    }
}

/// Whether a member's role within the project allows a command. Where no rule speaks of it, it does.
fn allows(world: &World, member: Handle, command: &str) -> bool {
    let Some(role) = world.link(member, "projectrole") else { return true };
    for row in role::ordered(world, role) {
        let permission = if world.text(row, "permission") == Some("allow") { Permission::Allow } else { Permission::Deny };
        if (Rule { pattern: world.string(row, "rule"), permission }).matches(command) {
            return permission == Permission::Allow;
        }
    }
    true
}

/// Refuses those who may not change a project: users who do not manage it, and admins of other domains.
fn check_manager(turn: &Turn<'_>, project: Handle) -> Result<(), Refusal> {
    let caller = &turn.caller;
    let domain = turn.world.link(project, "domain");
    let may = match caller.kind {
        RoleType::Admin => true,
        RoleType::DomainAdmin => domain.is_some_and(|domain| turn.world.is_within(domain, caller.domain)),
        RoleType::ResourceAdmin | RoleType::User => match user_member(turn.world, project, caller.user) {
            Some(part) => is_led(turn.world, part),
            None => members(turn.world, project).into_iter().any(|row| turn.world.link(row, "member") == Some(caller.account) && is_led(turn.world, row)),
        },
    };
    if may { Ok(()) } else { Err(Refusal::permission()) }
}

/// What a user who lists projects may name: himself alone.
fn check_list(turn: &Turn<'_>) -> Result<(), Refusal> {
    let domain = turn.arguments.object("domainid");
    let (account, user) = (turn.arguments.text("account"), turn.arguments.text("username"));
    if !tenancy::is_admin(turn) {
        let is_other = |given: Option<&str>, known: Handle, field: &str| given.is_some_and(|given| turn.world.text(known, field) != Some(given));
        let others = is_other(account, turn.caller.account, "name")
            || is_other(user, turn.caller.user, "username")
            || domain.is_some_and(|domain| domain != turn.caller.domain);
        return if others { Err(Refusal::permission()) } else { Ok(()) };
    }
    match domain {
        Some(domain) => tenancy::check_domain(turn, domain),
        None if account.is_some() || user.is_some() => Err(Refusal::invalid("The domain of the account or user is not told")),
        None => Ok(()),
    }
}

/// Whose memberships a list of projects asks for: an account, and a user of it.
fn asked_member(turn: &Turn<'_>) -> Result<Option<(Handle, Option<Handle>)>, Refusal> {
    let mine = Some((turn.caller.account, Some(turn.caller.user)));
    if !tenancy::is_admin(turn) {
        return Ok(mine);
    }
    let Some(domain) = turn.arguments.object("domainid") else {
        return Ok(if turn.arguments.flag("listall") { None } else { mine });
    };
    let account = match turn.arguments.text("account") {
        Some(name) => Some(tenancy::account_named(turn.world, domain, name).ok_or_else(|| Refusal::invalid(format!("Unable to find account {name}")))?),
        None => None,
    };
    match turn.arguments.text("username") {
        Some(name) => {
            let user = tenancy::user_named(turn.world, domain, name).ok_or_else(|| Refusal::invalid(format!("Unable to find user {name}")))?;
            Ok(account.or_else(|| turn.world.owner(user)).map(|account| (account, Some(user))))
        }
        None => Ok(account.map(|account| (account, None))),
    }
}

fn list(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    tenancy::check_details(turn)?;
    check_list(turn)?;
    let page = Page::read(turn)?;
    let whole = turn.arguments.flag("isrecursive");
    let is_mine = turn.arguments.object("domainid").is_none() && (!tenancy::is_admin(turn) || !turn.arguments.flag("listall"));
    let member = asked_member(turn)?;
    // Admins of domains see the projects of exactly their own domain, whatever they ask for.
    let exact = (!is_mine && (turn.caller.kind == RoleType::DomainAdmin || whole && !turn.arguments.flag("listall"))).then_some(turn.caller.domain);
    let domain = turn.arguments.object("domainid").filter(|_| !whole);
    let kind = turn.world.kind("project");
    let rows = list::unscoped(turn, kind, &|world, row| {
        let of = world.link(row, "domain");
        let has = |(account, user): (Handle, Option<Handle>)| {
            members(world, row).into_iter().any(|part| {
                let single = world.link(part, "user");
                world.link(part, "member") == Some(account) && (single.is_none() || single == user)
            })
        };
        domain.is_none_or(|domain| of == Some(domain)) && exact.is_none_or(|exact| of == Some(exact)) && member.is_none_or(has)
    });
    Ok(page.cut(rows))
}

/// Makes a project with its account.
pub(crate) fn new_project(world: &mut World, owner: Handle, name: &str, text: &str) -> Handle {
    let kind = world.kind("project");
    let project = world.insert(kind, None, &[("name", name.into()), ("displaytext", text.into())]);
    let table = world.kind("account");
    let number = world.link(owner, "domain").map_or(0, World::internal_number);
    let account_name = format!("PrjAcct-{name}-{number}");
    let fields: [(&str, Datum); 4] =
        [("name", account_name.into()), ("accounttype", account::PROJECT_TYPE.into()), ("project", project.into()), ("state", "enabled".into())];
    let account = world.insert(table, None, &fields);
    for field in ["domain", "role"] {
        if let Some(target) = world.link(owner, field) {
            world.set(account, field, target);
            if field == "domain" {
                world.set(project, field, target);
            }
        }
    }
    world.set(project, "projectaccount", account);
    new_member(world, project, (owner, None), ("Admin", None));
    project
}

/// Makes an account, or one of its users, a member of a project. `part` is the role and the role within the project.
fn new_member(world: &mut World, project: Handle, (account, user): (Handle, Option<Handle>), part: (&str, Option<Handle>)) {
    let kind = world.kind("projectaccount");
    let member = world.insert_as(kind, 0, None, &[("project", project.into()), ("member", account.into()), ("role", part.0.into())]);
    let links = [("user", user), ("projectrole", part.1), ("domain", world.link(account, "domain"))];
    for (field, target) in links {
        if let Some(target) = target {
            world.set(member, field, target);
        }
    }
}

/// Takes an account out of all projects, as it goes.
pub(super) fn forget_member(world: &mut World, account: Handle) {
    for kind in ["projectaccount", "projectinvitation"] {
        let rows: Vec<Handle> = world.referring(kind, "member", account).collect();
        rows.into_iter().for_each(|row| world.remove(row));
    }
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let name = turn.needed("name")?;
    let text = turn.arguments.text("displaytext").unwrap_or(&name).to_owned();
    let (account, domain) = (turn.arguments.text("account").map(str::to_owned), turn.arguments.object("domainid"));
    if account.is_some() && domain.is_none() {
        return Err(Refusal::invalid("Account name and domain id must be specified together"));
    }
    let user = turn.arguments.object("userid");
    if user.is_some() && (turn.arguments.object("accountid").is_none() || domain.is_none()) {
        return Err(Refusal::invalid("Account ID and Domain ID must be specified with userID"));
    }
    if turn.caller.kind == RoleType::User && turn.server.options.setting("allow.user.create.projects") == Some("false") {
        return Err(Refusal::permission());
    }
    // A domain without an account means the account there that is called like the caller's.
    let account = account.unwrap_or_else(|| turn.world.string(turn.caller.account, "name"));
    let mut owner = turn.named_account(&account, domain.unwrap_or(turn.caller.domain))?;
    if let Some(user) = user {
        owner = turn
            .world
            .owner(user)
            .filter(|owner| Some(*owner) == turn.arguments.object("accountid"))
            .ok_or_else(|| Refusal::invalid("User doesn't belong to the specified account or domain"))?;
    }
    let is_taken = |row: Handle| {
        turn.world.text(row, "name").is_some_and(|known| is_same(known, &name)) && turn.world.link(row, "domain") == turn.world.link(owner, "domain")
    };
    if turn.world.rows(turn.world.kind("project")).any(is_taken) {
        return Err(Refusal::invalid(format!("Project with name {name} already exists in domain id={}", turn.world.id(turn.caller.domain))));
    }
    super::limit::check(turn, owner, &[("project", 1)])?;
    let project = new_project(turn.world, owner, &name, &text);
    if let Some(user) = user
        && let Some(member) = members(turn.world, project).first().copied()
    {
        turn.world.set(member, "user", user);
    }
    Ok(turn.making(project, WORK_SHORT, move |_| Ok(Outcome::Object(project))))
}

/// Takes a project with all it has out of the world.
fn remove(world: &mut World, project: Handle) {
    for kind in ["projectaccount", "projectinvitation", "projectrole", "projectrolepermission"] {
        let rows: Vec<Handle> = world.referring(kind, "project", project).collect();
        rows.into_iter().for_each(|row| world.remove(row));
    }
    if let Some(account) = world.link(project, "projectaccount") {
        account::remove(world, account);
    }
    world.remove(project);
}

/// Takes the projects of a domain and of all below it away.
pub(super) fn remove_within(world: &mut World, domain: Handle) {
    let projects: Vec<Handle> =
        world.rows(world.kind("project")).filter(|row| world.link(*row, "domain").is_some_and(|of| world.is_within(of, domain))).collect();
    projects.into_iter().for_each(|project| remove(world, project));
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let Some(project) = turn.arguments.object("id") else { return Ok(Outcome::Nothing) };
    let cleans = turn.arguments.flag("cleanup");
    Ok(turn.job(project, WORK_MEDIUM, move |turn| {
        check_manager(turn, project)?;
        let holder = turn.world.link(project, "projectaccount");
        let owns = |kind: &&&str| holder.is_some_and(|account| turn.world.owned(turn.world.kind(kind), account).next().is_some());
        if !cleans && let Some(kind) = HOLDINGS.iter().find(owns) {
            return Err(Refusal::failed(format!("Can't delete the project yet because it has a {kind} to clean up")));
        }
        remove(turn.world, project);
        Ok(Outcome::Success)
    }))
}

fn change_state(turn: &Turn<'_>, (project, held): (&'static str, &'static str), from: &'static [&'static str]) -> Outcome {
    let Some(target) = turn.arguments.object("id") else { return Outcome::Nothing };
    turn.job(target, WORK_SHORT, move |turn| {
        check_manager(turn, target)?;
        let present = turn.world.text(target, "state").unwrap_or("Active");
        if !from.contains(&present) {
            return Err(Refusal::invalid(format!("Can't change the project in {present} state")));
        }
        turn.world.set(target, "state", project);
        if let Some(account) = turn.world.link(target, "projectaccount") {
            account::set_state(turn.world, account, held);
        }
        Ok(Outcome::Object(target))
    })
}

fn suspend(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    Ok(change_state(turn, ("Suspended", "disabled"), &["Active", "Suspended", "Disabled"]))
}

fn activate(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    Ok(change_state(turn, ("Active", "enabled"), &["Active", "Suspended"]))
}

/// The role of members that an argument asks for.
fn chosen_part(turn: &Turn<'_>) -> Result<Option<&'static str>, Refusal> {
    let Some(word) = turn.arguments.text("roletype") else { return Ok(None) };
    let known = ["Admin", "Regular"].into_iter().find(|known| known.eq_ignore_ascii_case(word));
    known.map(Some).ok_or_else(|| Refusal::invalid("Only Admin or Regular project role types are valid"))
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let Some(project) = turn.arguments.object("id") else { return Ok(Outcome::Nothing) };
    Ok(turn.job(project, WORK_SHORT, move |turn| {
        let (account, user) = (turn.arguments.text("account").map(str::to_owned), turn.arguments.object("userid"));
        if account.is_some() && user.is_some() {
            return Err(Refusal::invalid("Account name and user ID are mutually exclusive"));
        }
        check_manager(turn, project)?;
        if turn.arguments.truth("swapowner") == Some(false) {
            let role = chosen_part(turn)?.unwrap_or("Regular");
            give_part(turn, project, (account, user), role)?;
        } else if let Some(name) = account {
            swap_owner(turn, project, &name)?;
        }
        for field in ["name", "displaytext"] {
            if let Some(text) = turn.arguments.text(field).map(str::to_owned) {
                turn.world.set(project, field, text);
            }
        }
        Ok(Outcome::Object(project))
    }))
}

/// The account with a name in a project's domain.
fn candidate(turn: &Turn<'_>, project: Handle, name: &str) -> Result<Handle, Refusal> {
    let domain = turn.world.link(project, "domain").unwrap_or(turn.caller.domain);
    let found = tenancy::account_named(turn.world, domain, name);
    found.ok_or_else(|| Refusal::invalid(format!("Unable to find account name={name} in domain id={}", turn.world.id(domain))))
}

/// Makes another member the one who manages a project.
fn swap_owner(turn: &mut Turn<'_>, project: Handle, name: &str) -> Result<(), Refusal> {
    let account = candidate(turn, project, name)?;
    let old = members(turn.world, project).into_iter().find(|row| is_led(turn.world, *row));
    if old.and_then(|old| turn.world.link(old, "member")) == Some(account) {
        return Ok(());
    }
    let Some(new) = account_member(turn.world, project, account) else {
        return Err(Refusal::invalid(format!("Account {name} doesn't belong to the project. Add it to the project first")));
    };
    super::limit::check(turn, account, &[("project", 1)])?;
    if let Some(old) = old {
        turn.world.set(old, "role", "Regular");
    }
    turn.world.set(new, "role", "Admin");
    Ok(())
}

/// Gives a member another role, unless that left the project without anybody who manages it.
fn give_part(turn: &mut Turn<'_>, project: Handle, (account, user): (Option<String>, Option<Handle>), role: &str) -> Result<(), Refusal> {
    let member = match (&account, user) {
        (Some(name), _) => {
            let account = candidate(turn, project, name)?;
            account_member(turn.world, project, account)
        }
        (None, Some(user)) => user_member(turn.world, project, user),
        (None, None) => return Ok(()),
    };
    let Some(member) = member else { return Err(Refusal::invalid("The account or user doesn't belong to the project. Add it first")) };
    if role != "Admin" && is_only_leader(turn.world, project, member) {
        return Err(Refusal::invalid("Cannot demote the only admin of the project"));
    }
    if role == "Admin"
        && let Some(account) = turn.world.link(member, "member")
    {
        super::limit::check(turn, account, &[("project", 1)])?;
    }
    turn.world.set(member, "role", role);
    Ok(())
}

fn is_only_leader(world: &World, project: Handle, member: Handle) -> bool {
    let leaders: Vec<Handle> = members(world, project).into_iter().filter(|row| is_led(world, *row)).collect();
    leaders == [member]
}

fn list_members(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let page = Page::read(turn)?;
    let project = turn.target("projectid")?;
    let wanted = |name: &str| turn.arguments.text(name);
    let (account, role, user) = (wanted("account"), wanted("role"), turn.arguments.object("userid"));
    let world = &*turn.world;
    let fits = |row: &Handle| {
        let named = world.link(*row, "member").and_then(|member| world.text(member, "name"));
        account.is_none_or(|account| named.is_some_and(|named| is_same(named, account)))
            && role.is_none_or(|role| world.text(*row, "role").is_some_and(|known| known.eq_ignore_ascii_case(role)))
            && user.is_none_or(|user| world.link(*row, "user") == Some(user))
    };
    let mut rows: Vec<Handle> = members(world, project).into_iter().filter(fits).collect();
    rows.reverse();
    Ok(page.cut(rows))
}

/// Refuses projects that take nobody in, and roles of other projects.
fn check_joining(turn: &Turn<'_>, project: Handle) -> Result<(), Refusal> {
    let state = turn.world.text(project, "state").unwrap_or("Active");
    if state != "Active" {
        return Err(Refusal::invalid(format!("Can't add anybody to the specified project id in state={state}")));
    }
    match turn.arguments.object("projectroleid") {
        Some(role) if turn.world.link(role, "project") != Some(project) => Err(Refusal::invalid("Invalid project role ID for the given project")),
        _ => Ok(()),
    }
}

fn are_invited(turn: &Turn<'_>) -> bool {
    turn.server.options.setting(INVITATIONS) == Some("true")
}

fn add_account(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let project = turn.target("projectid")?;
    Ok(turn.job(project, WORK_SHORT, move |turn| {
        let (name, email) = (turn.arguments.text("account").map(str::to_owned), turn.arguments.text("email").map(str::to_owned));
        if name.is_none() && email.is_none() {
            return Err(Refusal::invalid("Either accountName or email is required"));
        }
        let part = chosen_part(turn)?.unwrap_or("Regular");
        check_joining(turn, project)?;
        let account = name.map(|name| candidate(turn, project, &name)).transpose()?;
        if let Some(account) = account {
            check_manager(turn, project)?;
            if account_member(turn.world, project, account).is_some() {
                return Ok(Outcome::Success);
            }
        }
        let role = turn.arguments.object("projectroleid");
        if are_invited(turn) {
            return invite(turn, project, (account, None, email), (part, role));
        }
        let Some(account) = account else { return Err(Refusal::invalid("Account information is required for assigning account to the project")) };
        new_member(turn.world, project, (account, None), (part, role));
        Ok(Outcome::Success)
    }))
}

fn add_user(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let project = turn.target("projectid")?;
    Ok(turn.job(project, WORK_SHORT, move |turn| {
        let name = turn.needed("username")?;
        let part = chosen_part(turn)?.unwrap_or("Regular");
        check_joining(turn, project)?;
        let domain = turn.world.link(project, "domain").unwrap_or(turn.caller.domain);
        let user = tenancy::user_named(turn.world, domain, &name);
        let Some((user, account)) = user.and_then(|user| Some((user, turn.world.owner(user)?))) else {
            return Err(Refusal::invalid("Invalid user ID provided"));
        };
        check_manager(turn, project)?;
        if account_member(turn.world, project, account).is_some() {
            return Err(Refusal::invalid("The user's account is part of the project already"));
        }
        if user_member(turn.world, project, user).is_some() {
            return Ok(Outcome::Success);
        }
        let role = turn.arguments.object("projectroleid");
        if are_invited(turn) {
            let email = turn.arguments.text("email").map(str::to_owned);
            let account = email.is_none().then_some(account);
            return invite(turn, project, (account, Some(user), email), (part, role));
        }
        new_member(turn.world, project, (account, Some(user)), (part, role));
        Ok(Outcome::Success)
    }))
}

fn remove_account(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let project = turn.target("projectid")?;
    let name = turn.needed("account")?;
    Ok(turn.job(project, WORK_SHORT, move |turn| {
        let account = candidate(turn, project, &name)?;
        check_manager(turn, project)?;
        let Some(member) = account_member(turn.world, project, account) else {
            return Err(Refusal::invalid(format!("Account {name} is not assigned to the project")));
        };
        if is_only_leader(turn.world, project, member) {
            return Err(Refusal::invalid(format!("Unable to delete account {name} from the project as the account is the owner of the project")));
        }
        turn.world.remove(member);
        drop_invitations(turn.world, project, account);
        Ok(Outcome::Success)
    }))
}

fn remove_user(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (project, user) = (turn.target("projectid")?, turn.target("userid")?);
    Ok(turn.job(project, WORK_SHORT, move |turn| {
        check_manager(turn, project)?;
        let Some(member) = user_member(turn.world, project, user) else {
            return Err(Refusal::invalid(format!("User {} is not assigned to the project", turn.world.string(user, "username"))));
        };
        turn.world.remove(member);
        Ok(Outcome::Success)
    }))
}

fn drop_invitations(world: &mut World, project: Handle, account: Handle) {
    let rows: Vec<Handle> = world.referring("projectinvitation", "project", project).filter(|row| world.link(*row, "member") == Some(account)).collect();
    rows.into_iter().for_each(|row| world.remove(row));
}

/// Invites an account, a user, or whoever reads an e-mail. One invitation is open at a time.
fn invite(
    turn: &mut Turn<'_>,
    project: Handle,
    (account, user, email): (Option<Handle>, Option<Handle>, Option<String>),
    (part, role): (&str, Option<Handle>),
) -> Result<Outcome, Refusal> {
    let world = &mut *turn.world;
    let is_same = |row: &Handle| match (&account, &email) {
        (Some(account), _) => world.link(*row, "member") == Some(*account),
        (None, Some(email)) => world.text(*row, "email") == Some(email),
        (None, None) => false,
    };
    let known: Vec<Handle> = world.referring("projectinvitation", "project", project).filter(is_same).collect();
    if known.iter().any(|row| matches!(world.text(*row, "state"), Some("Pending" | "Completed"))) {
        return Err(Refusal::invalid("There is already a pending invitation to the project"));
    }
    known.into_iter().for_each(|row| world.remove(row));
    let token: String = (0..TOKEN_LENGTH).filter_map(|_| TOKEN_LETTERS.get(world.random.usize(..TOKEN_LETTERS.len())).copied().map(char::from)).collect();
    let kind = world.kind("projectinvitation");
    let row = world.insert(kind, None, &[("project", project.into()), ("state", "Pending".into()), ("part", part.into())]);
    let links = [("member", account), ("user", user), ("projectrole", role), ("domain", world.link(project, "domain"))];
    for (field, target) in links {
        if let Some(target) = target {
            world.set(row, field, target);
        }
    }
    if let Some(email) = email {
        world.set(row, "email", email);
        world.set(row, "token", token);
    }
    world.due(INVITATION_LIFE, Chore::ExpireInvitation, row);
    Ok(Outcome::Success)
}

/// An invitation that nobody answered expires.
pub(crate) fn expire_invitation(world: &mut World, invitation: Handle) {
    if world.text(invitation, "state") == Some("Pending") {
        world.set(invitation, "state", "Expired");
    }
}

fn list_invitations(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let page = Page::read(turn)?;
    let project = turn.arguments.object("projectid");
    // Whoever may call in a project sees all invitations to it.
    let scope = if project.is_some() { Scope::All { projects: true } } else { list::scope(turn)? };
    let only_open = turn.arguments.flag("activeonly");
    let caller = turn.caller.user;
    let kind = turn.world.kind("projectinvitation");
    let rows = list::unscoped(turn, kind, &|world, row| {
        let member = world.link(row, "member");
        let is_seen = match &scope {
            Scope::All { .. } => true,
            Scope::Accounts(accounts) => member.is_some_and(|member| accounts.contains(&member)),
            Scope::Domain { domain, recursive, .. } => {
                let of = world.link(row, "domain");
                of == Some(*domain) || *recursive && of.is_some_and(|of| world.is_within(of, *domain))
            }
        };
        is_seen
            && project.is_none_or(|project| world.link(row, "project") == Some(project))
            && (!only_open || world.text(row, "state") == Some("Pending"))
            && world.link(row, "user").is_none_or(|user| user == caller)
    });
    Ok(page.cut(rows))
}

fn answer_invitation(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let project = turn.target("projectid")?;
    Ok(turn.job(project, WORK_SHORT, move |turn| {
        let named = turn.arguments.text("account").map(str::to_owned);
        let mut account = turn.caller.account;
        if let Some(name) = &named {
            account = candidate(turn, project, name)?;
            if !turn.may_use(account) {
                return Err(Refusal::permission());
            }
        }
        let user = turn.arguments.object("userid").unwrap_or(turn.caller.user);
        let token = turn.arguments.text("token").map(str::to_owned);
        let world = &*turn.world;
        let is_meant = |row: &Handle| match &token {
            Some(token) => world.text(*row, "token") == Some(token),
            None if named.is_some() => world.link(*row, "member") == Some(account) && world.link(*row, "user").is_none(),
            None => world.link(*row, "user") == Some(user) || world.link(*row, "user").is_none() && world.link(*row, "member") == world.owner(user),
        };
        let open: Vec<Handle> = world.referring("projectinvitation", "project", project).filter(|row| world.text(*row, "state") == Some("Pending")).collect();
        let Some(row) = open.into_iter().find(is_meant) else { return Err(Refusal::invalid("Unable to find invitation to the project")) };
        if turn.arguments.truth("accept") == Some(false) {
            turn.world.set(row, "state", "Declined");
            return Ok(Outcome::Success);
        }
        turn.world.set(row, "state", "Completed");
        let single = turn.world.link(row, "user");
        let member = turn.world.link(row, "member").or_else(|| single.and_then(|user| turn.world.owner(user))).unwrap_or(account);
        let is_in = match single {
            Some(user) => user_member(turn.world, project, user).is_some(),
            None => account_member(turn.world, project, member).is_some(),
        };
        if !is_in {
            let (part, role) = (turn.world.string(row, "part"), turn.world.link(row, "projectrole"));
            new_member(turn.world, project, (member, single), (&part, role));
        }
        Ok(Outcome::Success)
    }))
}

fn delete_invitation(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let row = turn.target("id")?;
    Ok(turn.job(row, WORK_SHORT, move |turn| {
        let project = turn.world.link(row, "project").filter(|_| turn.world.is_alive(row));
        let Some(project) = project else { return Err(Refusal::invalid("Unable to find project invitation by id")) };
        check_manager(turn, project)?;
        turn.world.remove(row);
        Ok(Outcome::Success)
    }))
}

/// The role within a project that an argument names, if it is that project's.
fn chosen_role(turn: &Turn<'_>, parameter: &str) -> Result<(Handle, Handle), Refusal> {
    let (role, project) = (turn.target(parameter)?, turn.target("projectid")?);
    if turn.world.link(role, "project") == Some(project) { Ok((role, project)) } else { Err(Refusal::argument("Invalid project role id provided")) }
}

fn list_roles(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let project = turn.target("projectid")?;
    let (one, name) = (turn.arguments.object("projectroleid"), turn.arguments.text("name").map(str::to_lowercase));
    let keyword = turn.arguments.text("keyword").map(|keyword| format!("%{}%", keyword.to_lowercase()));
    let world = &*turn.world;
    let is_like = |row: Handle, pattern: &Option<String>| {
        pattern.as_ref().is_none_or(|pattern| world.text(row, "name").is_some_and(|name| list::like(&name.to_lowercase(), pattern)))
    };
    let fits = |row: &Handle| match (one, &name) {
        (Some(one), _) => *row == one,
        (None, Some(_)) => is_like(*row, &name),
        (None, None) => is_like(*row, &keyword),
    };
    let rows: Vec<Handle> = world.referring("projectrole", "project", project).filter(fits).collect();
    let count = rows.len();
    Ok(Outcome::List(rows, count))
}

fn describe_role(turn: &mut Turn<'_>, role: Handle) {
    for field in ["name", "description"] {
        if let Some(text) = turn.arguments.text(field).map(str::to_owned) {
            turn.world.set(role, field, text);
        }
    }
}

fn create_role(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let project = turn.target("projectid")?;
    check_manager(turn, project)?;
    let kind = turn.world.kind("projectrole");
    let role = turn.world.insert(kind, None, &[("project", project.into())]);
    describe_role(turn, role);
    Ok(Outcome::Object(role))
}

fn update_role(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (role, project) = chosen_role(turn, "id")?;
    check_manager(turn, project)?;
    describe_role(turn, role);
    Ok(Outcome::Object(role))
}

fn delete_role(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (role, project) = chosen_role(turn, "id")?;
    check_manager(turn, project)?;
    if turn.world.referring("projectaccount", "projectrole", role).next().is_some() {
        return Err(Refusal::forbidden("Found users that have the project role in use, cannot delete the Project Role"));
    }
    role::ordered(turn.world, role).into_iter().for_each(|rule| turn.world.remove(rule));
    turn.world.remove(role);
    Ok(Outcome::Success)
}

fn list_rules(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let project = turn.target("projectid")?;
    let world = &*turn.world;
    let roles: Vec<Handle> = match turn.arguments.object("projectroleid") {
        Some(role) => vec![role],
        None => world.referring("projectrole", "project", project).collect(),
    };
    let mine = roles.into_iter().filter(|role| world.link(*role, "project") == Some(project));
    let rows: Vec<Handle> = mine.flat_map(|role| role::ordered(world, role)).collect();
    let count = rows.len();
    Ok(Outcome::List(rows, count))
}

fn create_rule(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (role, project) = chosen_role(turn, "projectroleid")?;
    let pattern = turn.needed("rule")?;
    role::check_pattern(&pattern)?;
    let permission = role::chosen_permission(&turn.needed("permission")?).map_err(|refusal| Refusal { masked: true, ..Refusal::failed(refusal.text) })?;
    check_manager(turn, project)?;
    if role::ordered(turn.world, role).into_iter().any(|rule| turn.world.text(rule, "rule") == Some(&pattern)) {
        return Err(Refusal::internal(format!("Project role permission for {pattern} seems to already exist.")));
    }
    let mut fields: Vec<(&str, Datum)> = vec![("rule", pattern.into()), ("permission", permission.into()), ("project", project.into())];
    if let Some(text) = turn.arguments.text("description") {
        fields.push(("description", text.into()));
    }
    Ok(Outcome::Object(role::append(turn.world, role, ("projectrolepermission", "projectrole"), &fields)))
}

fn update_rule(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (role, project) = chosen_role(turn, "projectroleid")?;
    let order = turn.arguments.objects("ruleorder").map(<[Handle]>::to_vec);
    let rule = turn.arguments.object("projectrolepermissionid");
    let permission = turn.arguments.text("permission").map(role::chosen_permission).transpose()?;
    match (order, rule, permission) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => Err(Refusal::argument("Parameters permission and ruleid must be mutually exclusive with ruleorder")),
        (Some(order), None, None) => {
            check_manager(turn, project)?;
            role::reorder(turn.world, role, order)?;
            Ok(Outcome::Success)
        }
        (None, Some(rule), Some(permission)) if turn.world.link(rule, "project") == Some(project) => {
            check_manager(turn, project)?;
            turn.world.set(rule, "permission", permission);
            Ok(Outcome::Success)
        }
        (None, None, None) => Ok(Outcome::Flat(NO_SUCCESS.to_owned())),
        (None, ..) => Err(Refusal::argument("Role permission doesn't exist in the project, probably because of invalid rule id")),
    }
}

fn delete_rule(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (rule, project) = (turn.target("id")?, turn.target("projectid")?);
    let role = turn.world.link(rule, "projectrole").filter(|_| turn.world.link(rule, "project") == Some(project));
    let Some(role) = role else { return Err(Refusal::argument("Invalid role permission id provided for the project")) };
    check_manager(turn, project)?;
    role::withdraw(turn.world, role, rule);
    Ok(Outcome::Success)
}
