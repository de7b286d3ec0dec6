//! Roles and their rules: who may call what.
//!
//! The rules that a call is held against are in the world's `roles`; rows of rules, with their ids, are made when
//! somebody speaks of the rules of a role, and from then on the rules are written from the rows.

use cloudstack_api::{
    catalog::RoleType,
    roles::{Permission, Role, Rule},
};

use super::Tables;
use crate::{
    arguments::Entry,
    cloud,
    collation::is_same,
    kind::{Constant, ID, Noun, Shown, computed, linked, own, own_or},
    list::{self, Page},
    refusal::Refusal,
    turn::{Outcome, Turn, role_type},
    world::{Content, Datum, Handle, World},
};

/// The role that Kubernetes clusters call with: made by the server, shown to nobody.
const KUBERNETES_ROLE: &str = "Project Kubernetes Service Role";
/// The types of roles.
const TYPES: &[&str] = &["Admin", "ResourceAdmin", "DomainAdmin", "User"];
/// What is answered where nothing was changed.
pub(super) const NO_SUCCESS: &str = "{\"success\":false}";
/// The type that nobody may ask for.
const NO_TYPE: &str = "Unknown";

/// A role.
pub(crate) const ROLE_NOUN: Noun = Noun {
    word: "role",
    entities: &["RoleResponse"],
    resource: "Role",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        own("type"),
        own_or("isdefault", Constant::Flag(false)),
        own_or("state", Constant::Text("enabled")),
        ID,
        own("name"),
        own("description"),
        computed("ispublic", |world, role, _| Some(Shown::Flag(is_public(world, role)))),
    ],
};

/// A rule of a role.
pub(crate) const RULE_NOUN: Noun = Noun {
    word: "rolepermission",
    entities: &["RolePermissionResponse"],
    resource: "RolePermission",
    owned: false,
    keywords: &["rule"],
    newest_first: false,
    view: &[ID, linked("roleid", "role", "id"), linked("rolename", "role", "name"), own("rule"), own("permission"), own("description")],
};

/// The commands of roles.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listRoles", list),
        ("createRole", create),
        ("importRole", import),
        ("updateRole", update),
        ("enableRole", enable),
        ("disableRole", disable),
        ("deleteRole", delete),
        ("listRolePermissions", list_rules),
        ("createRolePermission", create_rule),
        ("updateRolePermission", update_rule),
        ("deleteRolePermission", delete_rule),
    ],
    filters: &[],
};

fn is_public(world: &World, role: Handle) -> bool {
    world.field(role, "ispublic").map_or_else(|| world.text(role, "name") != Some(KUBERNETES_ROLE), |_| world.flag(role, "ispublic"))
}

/// The first rule that speaks of a command.
fn verdict(role: &Role, command: &str) -> Option<Permission> {
    role.rules.iter().find(|rule| rule.matches(command)).map(|rule| rule.permission)
}

/// The roles that the caller sees: root all, others those that are public and allow by their rules no command that the
/// caller's own rules do not allow.
fn seen(turn: &Turn<'_>) -> Vec<Handle> {
    let world = &*turn.world;
    let caller = &turn.caller;
    let mine = world.roles.get(&caller.role.row);
    let names: Vec<String> =
        turn.server.catalog.commands().filter(|command| cloud::is_loaded(command, &turn.server.options)).map(|command| command.name.clone()).collect();
    let is_seen = |role: &Handle| {
        if *role == caller.role || world.text(caller.role, "name") == Some("Root Admin") {
            return true;
        }
        let (Some(mine), Some(theirs)) = (mine, world.roles.get(&role.row)) else { return true };
        let allows = |role: &Role, name: &str| verdict(role, name) == Some(Permission::Allow);
        (caller.is_root() || is_public(world, *role)) && names.iter().all(|name| !allows(theirs, name) || allows(mine, name))
    };
    world.rows(world.kind("role")).filter(is_seen).collect()
}

fn list(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let page = Page::read(turn)?;
    let state = turn.arguments.text("state").map(str::to_ascii_lowercase);
    if state.as_ref().is_some_and(|state| !["enabled", "disabled"].contains(&state.as_str())) {
        return Err(Refusal::invalid("Unrecognized role state value"));
    }
    let is_named = turn.arguments.text("name").is_some() || turn.arguments.text("keyword").is_some();
    if turn.arguments.object("id").is_none()
        && !is_named
        && let Some(kind) = turn.arguments.text("type").filter(|kind| !TYPES.contains(kind) && *kind != NO_TYPE)
    {
        return Err(Refusal::argument(format!("No enum constant org.apache.cloudstack.acl.RoleType.{kind}")));
    }
    let seen = seen(turn);
    let kind = turn.world.kind("role");
    let rows = list::unscoped(turn, kind, &|_, row| seen.contains(&row));
    Ok(page.cut(rows))
}

/// The type of role that a call asks for.
fn chosen_type(turn: &Turn<'_>) -> Result<Option<&'static str>, Refusal> {
    let Some(word) = turn.arguments.text("type") else { return Ok(None) };
    match TYPES.iter().find(|kind| kind.eq_ignore_ascii_case(word)) {
        Some(kind) => Ok(Some(kind)),
        None if word.eq_ignore_ascii_case(NO_TYPE) => Err(Refusal::argument("Invalid role type provided")),
        None => Err(Refusal { masked: true, ..Refusal::failed("Illegal RoleType name provided") }),
    }
}

/// Refuses admins who are no admins of the root domain by the type of their role.
fn check_caller(turn: &Turn<'_>) -> Result<(), Refusal> {
    if turn.caller.kind == RoleType::Admin { Ok(()) } else { Err(Refusal::permission()) }
}

/// A role with this name and type.
fn with_name(world: &World, name: &str, kind: Option<&str>) -> Option<Handle> {
    let fits = |role: &Handle| world.text(*role, "name").is_some_and(|known| is_same(known, name));
    world.rows(world.kind("role")).filter(fits).find(|role| kind.is_none_or(|kind| world.text(*role, "type") == Some(kind)))
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let source = turn.arguments.object("roleid");
    let kind = chosen_type(turn)?;
    if kind.is_some() == source.is_some() {
        let text = if kind.is_some() { "Both role type and role ID should not be specified" } else { "Neither role type nor role ID is provided" };
        return Err(Refusal::argument(text));
    }
    check_caller(turn)?;
    let kind = kind.map_or_else(|| source.map(|role| turn.world.string(role, "type")).unwrap_or_default(), str::to_owned);
    let name = turn.needed("name")?;
    if with_name(turn.world, &name, Some(&kind)).is_some() {
        return Err(Refusal { masked: true, ..Refusal::failed("Entity already exists") });
    }
    let role = make(turn, &name, &kind);
    for rule in source.map(|source| rules_of(turn.world, source)).unwrap_or_default() {
        let copied: Vec<(&str, Datum)> =
            ["rule", "permission", "description"].into_iter().filter_map(|field| Some((field, turn.world.text(rule, field)?.into()))).collect();
        add(turn.world, role, &copied);
    }
    settle(turn.world, role);
    Ok(Outcome::Object(role))
}

/// Makes a role without rules.
fn make(turn: &mut Turn<'_>, name: &str, kind: &str) -> Handle {
    let table = turn.world.kind("role");
    let role = turn.world.insert(table, None, &[("type", kind.into()), ("name", name.into()), ("rules", Datum::Links(Box::default()))]);
    turn.world.roles.insert(role.row, Role { kind: role_type(kind), rules: Vec::new() });
    describe(turn, role);
    role
}

/// Writes the arguments of a call that say what a role is like.
fn describe(turn: &mut Turn<'_>, role: Handle) {
    if let Some(text) = turn.arguments.text("description").map(str::to_owned) {
        turn.world.set(role, "description", text);
    }
    if let Some(public) = turn.arguments.truth("ispublic") {
        turn.world.set(role, "ispublic", public);
    }
}

fn import(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let Some(kind) = chosen_type(turn)? else { return Err(Refusal::argument("Invalid role type provided")) };
    check_caller(turn)?;
    let entries: Vec<Entry> = turn.arguments.records("rules").cloned().collect();
    for entry in &entries {
        let pattern = entry.get("rule").map(String::as_str).unwrap_or_default();
        if pattern.is_empty() {
            return Err(Refusal::argument("Empty rule provided in rules param"));
        }
        check_pattern(pattern)?;
        chosen_permission(entry.get("permission").map(String::as_str).unwrap_or_default())?;
    }
    let name = turn.needed("name")?;
    if with_name(turn.world, &name, None).is_some() && !turn.arguments.flag("forced") {
        return Err(Refusal::internal("Role already exists"));
    }
    let known = with_name(turn.world, &name, Some(kind));
    if known.is_some_and(|role| turn.world.flag(role, "isdefault")) {
        return Err(Refusal::internal(format!("Failed to import the role: {name}, default role cannot be overriden")));
    }
    let role = match known {
        Some(role) => {
            rules_of(turn.world, role).into_iter().for_each(|rule| turn.world.remove(rule));
            turn.world.set(role, "rules", Datum::Links(Box::default()));
            describe(turn, role);
            role
        }
        None => make(turn, &name, kind),
    };
    for entry in &entries {
        let fields: Vec<(&str, Datum)> =
            ["rule", "permission", "description"].into_iter().filter_map(|field| Some((field, entry.get(field)?.as_str().into()))).collect();
        add(turn.world, role, &fields);
    }
    settle(turn.world, role);
    Ok(Outcome::Object(role))
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let role = turn.target("id")?;
    let kind = chosen_type(turn)?;
    check_caller(turn)?;
    let changes = kind.is_some() || turn.arguments.text("name").is_some() || turn.arguments.text("description").is_some();
    if turn.world.flag(role, "isdefault") && (changes || turn.arguments.truth("ispublic").is_none()) {
        return Err(Refusal::forbidden("Default roles cannot be updated (with the exception of making it private/public)."));
    }
    if let Some(kind) = kind {
        if is_used(turn.world, role) {
            return Err(Refusal::forbidden("Found accounts that have role in use, won't allow to change role type"));
        }
        turn.world.set(role, "type", kind);
        settle(turn.world, role);
    }
    if let Some(name) = turn.arguments.text("name").map(str::to_owned) {
        turn.world.set(role, "name", name);
    }
    describe(turn, role);
    Ok(Outcome::Object(role))
}

fn is_used(world: &World, role: Handle) -> bool {
    world.referring("account", "role", role).any(|account| world.link(account, "project").is_none())
}

/// A role that is off is only listed as such: what its accounts may call stays.
fn turn_to(turn: &mut Turn<'_>, state: &'static str) -> Result<Outcome, Refusal> {
    let role = turn.target("id")?;
    check_caller(turn)?;
    if turn.world.text(role, "state").unwrap_or("enabled") == state {
        return Err(Refusal::forbidden(format!("Role is already {state}")));
    }
    turn.world.set(role, "state", state);
    Ok(Outcome::Success)
}

fn enable(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    turn_to(turn, "enabled")
}

fn disable(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    turn_to(turn, "disabled")
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let role = turn.target("id")?;
    check_caller(turn)?;
    if turn.world.flag(role, "isdefault") {
        return Err(Refusal::forbidden("Default roles cannot be deleted"));
    }
    if is_used(turn.world, role) {
        return Err(Refusal::forbidden("Found accounts with role in use, won't allow to delete role"));
    }
    rules_of(turn.world, role).into_iter().for_each(|rule| turn.world.remove(rule));
    turn.world.roles.remove(&role.row);
    turn.world.remove(role);
    Ok(Outcome::Success)
}

/// The rows of a role's rules in order, made from its rules where there are none yet.
fn rules_of(world: &mut World, role: Handle) -> Vec<Handle> {
    if let Some(Content::Links(rules)) = world.field(role, "rules") {
        return rules.to_vec();
    }
    let is_told = world.text(role, "name") == Some(KUBERNETES_ROLE);
    let rules = world.roles.get(&role.row).map(|role| role.rules.clone()).unwrap_or_default();
    world.set(role, "rules", Datum::Links(Box::default()));
    for rule in rules {
        let permission = if rule.permission == Permission::Allow { "allow" } else { "deny" };
        let mut fields: Vec<(&str, Datum)> = vec![("rule", rule.pattern.as_str().into()), ("permission", permission.into())];
        if is_told {
            fields.push(("description", format!("Allow {}", rule.pattern).into()));
        }
        add(world, role, &fields);
    }
    rules_of(world, role)
}

/// Puts a rule behind the others of its role.
fn add(world: &mut World, role: Handle, fields: &[(&str, Datum)]) -> Handle {
    append(world, role, ("rolepermission", "role"), fields)
}

/// The rules of a role of any sort, in order.
pub(super) fn ordered(world: &World, role: Handle) -> Vec<Handle> {
    match world.field(role, "rules") {
        Some(Content::Links(rules)) => rules.to_vec(),
        _ => Vec::new(),
    }
}

/// Puts a rule behind the others of a role of any sort. `sort` is the kind of rule and the field by which it refers to its role.
pub(super) fn append(world: &mut World, role: Handle, sort: (&str, &str), fields: &[(&str, Datum)]) -> Handle {
    let mut rules = ordered(world, role);
    let kind = world.kind(sort.0);
    let rule = world.insert(kind, None, fields);
    world.set(rule, sort.1, role);
    rules.push(rule);
    world.set(role, "rules", Datum::Links(rules.into()));
    rule
}

/// Gives the rules of a role of any sort a new order, which must speak of all of them.
pub(super) fn reorder(world: &mut World, role: Handle, order: Vec<Handle>) -> Result<(), Refusal> {
    let known = ordered(world, role);
    if order.len() != known.len() || !known.iter().all(|rule| order.contains(rule)) {
        return Err(Refusal::internal("The rules have changed meanwhile, or the order does not speak of all of them"));
    }
    world.set(role, "rules", Datum::Links(order.into()));
    Ok(())
}

/// Takes a rule out of the order of a role of any sort, and away.
pub(super) fn withdraw(world: &mut World, role: Handle, rule: Handle) {
    let left: Vec<Handle> = ordered(world, role).into_iter().filter(|known| *known != rule).collect();
    world.set(role, "rules", Datum::Links(left.into()));
    world.remove(rule);
}

/// Writes the rules that calls are held against from the rows, and forgets what was concluded from the old ones.
fn settle(world: &mut World, role: Handle) {
    let rules = rules_of(world, role);
    let read = |rule: &Handle| Rule {
        pattern: world.string(*rule, "rule"),
        permission: if world.text(*rule, "permission").is_some_and(|word| word.eq_ignore_ascii_case("allow")) { Permission::Allow } else { Permission::Deny },
    };
    let rules = rules.iter().map(read).collect();
    let kind = role_type(world.text(role, "type").unwrap_or_default());
    world.roles.insert(role.row, Role { kind, rules });
    world.permissions.retain(|(row, _), _| *row != role.row);
}

/// Lists the rules of a role, or of all, in one piece.
fn list_rules(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let roles: Vec<Handle> = match turn.arguments.object("roleid") {
        Some(role) => vec![role],
        None => turn.world.rows(turn.world.kind("role")).collect(),
    };
    let rules: Vec<Handle> = roles.into_iter().flat_map(|role| rules_of(turn.world, role)).collect();
    let count = rules.len();
    Ok(Outcome::List(rules, count))
}

/// Refuses patterns with anything but letters, digits and stars.
pub(super) fn check_pattern(pattern: &str) -> Result<(), Refusal> {
    if pattern.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '*') {
        return Ok(());
    }
    Err(Refusal::invalid(format!("Only API names and wildcards are allowed, invalid rule provided: {pattern}")))
}

/// What a rule says by a word for it.
pub(super) fn chosen_permission(word: &str) -> Result<&'static str, Refusal> {
    let known = ["allow", "deny"].into_iter().find(|known| known.eq_ignore_ascii_case(word));
    known.ok_or_else(|| Refusal::argument("Values for permission parameter should be: allow or deny"))
}

/// Refuses changes to the rules of roles that came with the installation.
fn check_own(turn: &Turn<'_>, role: Handle) -> Result<(), Refusal> {
    check_caller(turn)?;
    if turn.world.flag(role, "isdefault") { Err(Refusal::forbidden("The rules of default roles cannot be changed")) } else { Ok(()) }
}

fn create_rule(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let role = turn.target("roleid")?;
    let pattern = turn.needed("rule")?;
    check_pattern(&pattern)?;
    let word = turn.needed("permission")?;
    let Ok(permission) = chosen_permission(&word) else {
        return Err(Refusal::argument(format!("No enum constant {}", word.to_uppercase())));
    };
    check_own(turn, role)?;
    let known = rules_of(turn.world, role);
    if known.iter().any(|rule| turn.world.text(*rule, "rule").is_some_and(|known| known.eq_ignore_ascii_case(&pattern))) {
        return Err(Refusal::forbidden(format!("Rule already exists for the role: {}", turn.world.string(role, "name"))));
    }
    let mut fields: Vec<(&str, Datum)> = vec![("rule", pattern.into()), ("permission", permission.into())];
    if let Some(text) = turn.arguments.text("description") {
        fields.push(("description", text.into()));
    }
    let rule = add(turn.world, role, &fields);
    settle(turn.world, role);
    Ok(Outcome::Object(rule))
}

fn update_rule(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let role = turn.target("roleid")?;
    let order = turn.arguments.objects("ruleorder").map(<[Handle]>::to_vec);
    let (rule, word) = (turn.arguments.object("ruleid"), turn.arguments.text("permission").map(str::to_owned));
    let permission = word.as_deref().map(chosen_permission).transpose()?;
    if order.is_some() && (rule.is_some() || permission.is_some()) {
        return Err(Refusal::argument("Parameters permission and ruleid must be mutually exclusive with ruleorder"));
    }
    match (order, rule, permission) {
        (Some(order), ..) => {
            check_own(turn, role)?;
            rules_of(turn.world, role);
            reorder(turn.world, role, order)?;
        }
        (None, Some(rule), Some(permission)) if turn.world.link(rule, "role") == Some(role) => {
            check_own(turn, role)?;
            turn.world.set(rule, "permission", permission);
        }
        // Nothing that the role has was spoken of, and that is no success.
        _ => return Ok(Outcome::Flat(NO_SUCCESS.to_owned())),
    }
    settle(turn.world, role);
    Ok(Outcome::Success)
}

fn delete_rule(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("id")?;
    let Some(role) = turn.world.link(rule, "role") else { return Err(Refusal::argument("Invalid role permission id provided")) };
    check_own(turn, role)?;
    withdraw(turn.world, role, rule);
    settle(turn.world, role);
    Ok(Outcome::Success)
}
