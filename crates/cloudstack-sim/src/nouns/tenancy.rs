//! Who there is: domains, accounts, users, roles, projects and their members.

use cloudstack_api::{
    catalog::RoleType,
    roles::{Permission, Role, Rule},
};
use serde_json::json;

use super::Tables;
use crate::{
    auth,
    json::Json,
    kind::{CREATED, Constant, HAS_ANNOTATIONS, ID, Noun, Shown, TAGS, Viewer, always, computed, flag, linked, own, own_or, several},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_MEDIUM, WORK_SHORT, role_type},
    world::{Datum, Handle, World},
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
        computed("created", |world, domain, _| world.link(domain, "parent").map(|_| made_at(world, domain))),
        several("limits", super::limit::show_domain),
        HAS_ANNOTATIONS,
    ],
};

/// An account.
pub(crate) const ACCOUNT_NOUN: Noun = Noun {
    word: "account",
    entities: &["AccountResponse"],
    resource: "Account",
    owned: true,
    keywords: &["name"],
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
        several("limits", super::limit::show),
        own_or("state", Constant::Text("enabled")),
        own("networkdomain"),
        computed("created", |world, account, _| (!world.flag(account, "isdefault")).then(|| made_at(world, account))),
        computed("user", users_of),
        flag("isdefault"),
        always("groups", Constant::Empty),
        always("apikeyaccess", Constant::Text("INHERIT")).root(),
    ],
};

/// A user.
pub(crate) const USER_NOUN: Noun = Noun {
    word: "user",
    entities: &["UserResponse"],
    resource: "User",
    owned: true,
    keywords: &["username", "firstname", "lastname", "email"],
    newest_first: false,
    view: &[
        ID,
        own("username"),
        own("firstname"),
        own("lastname"),
        own("email"),
        CREATED,
        own_or("state", Constant::Text("enabled")),
        linked("account", "account", "name"),
        linked("accounttype", "account", "accounttype"),
        always("usersource", Constant::Text("native")),
        linked("roleid", "role", "id"),
        linked("roletype", "role", "type"),
        linked("rolename", "role", "name"),
        linked("domainid", "domain", "id"),
        linked("domain", "domain", "name"),
        own("timezone"),
        own("apikey"),
        linked("accountid", "account", "id"),
        flag("iscallerchilddomain"),
        flag("isdefault"),
        flag("is2faenabled"),
        flag("is2famandated"),
        always("apikeyaccess", Constant::Text("INHERIT")).root(),
    ],
};

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
        flag("isdefault"),
        own_or("state", Constant::Text("enabled")),
        ID,
        own("name"),
        own("description"),
        computed("ispublic", |world, role, _| {
            Some(Shown::Flag(world.field(role, "ispublic").map_or_else(|| world.text(role, "name") != Some(KUBERNETES_ROLE), |_| world.flag(role, "ispublic"))))
        }),
    ],
};

/// The role that Kubernetes clusters call with: made by the server, shown to nobody.
const KUBERNETES_ROLE: &str = "Project Kubernetes Service Role";

/// A project.
pub(crate) const PROJECT_NOUN: Noun = Noun {
    word: "project",
    entities: &["ProjectResponse"],
    resource: "Project",
    owned: false,
    keywords: &["name", "displaytext"],
    newest_first: false,
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
    ],
};

/// Somebody's membership of a project.
pub(crate) const MEMBER_NOUN: Noun = Noun {
    word: "projectaccount",
    entities: &["ProjectAccountResponse"],
    resource: "ProjectAccount",
    owned: false,
    keywords: &[],
    newest_first: false,
    view: &[
        linked("projectid", "project", "id"),
        linked("project", "project", "name"),
        linked("accountid", "member", "id"),
        linked("account", "member", "name"),
        linked("accounttype", "member", "accounttype"),
        own("role"),
        linked("domainid", "domain", "id"),
        linked("domain", "domain", "name"),
        computed("user", |world, row, viewer| users_of(world, world.link(row, "member")?, viewer)),
    ],
};

/// The commands and filters of tenancy.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listDomains", list_domains),
        ("createDomain", create_domain),
        ("updateDomain", update_domain),
        ("deleteDomain", delete_domain),
        ("listAccounts", list_accounts),
        ("createAccount", create_account),
        ("updateAccount", update_account),
        ("disableAccount", disable_account),
        ("enableAccount", enable_account),
        ("deleteAccount", delete_account),
        ("createUser", create_user),
        ("updateUser", update_user),
        ("deleteUser", delete_user),
        ("enableUser", enable_user),
        ("disableUser", disable_user),
        ("lockUser", lock_user),
        ("getUser", get_user),
        ("registerUserKeys", register_keys),
        ("getUserKeys", get_keys),
        ("createRole", create_role),
        ("deleteRole", delete_role),
        ("listRolePermissions", list_permissions),
        ("createRolePermission", create_permission),
        ("listProjects", list_projects),
        ("createProject", create_project),
        ("deleteProject", delete_project),
        ("suspendProject", suspend_project),
        ("activateProject", activate_project),
        ("addAccountToProject", add_member),
        ("deleteAccountFromProject", remove_member),
    ],
    filters: &[("user", "accounttype", |turn, user| {
        turn.world.link(user, "account").map(|account| turn.world.number(account, "accounttype")) == turn.arguments.number("accounttype")
    })],
};

/// When something was made. What an installation brings along does not say.
fn made_at(world: &World, row: Handle) -> Shown {
    Shown::Text(cloudstack_api::clock::timestamp(std::time::Duration::from_secs(world.created(row))))
}

/// The users of an account; inside accounts they show no more to root than to others.
fn users_of(world: &World, account: Handle, _: Viewer) -> Option<Shown> {
    let mut json = Json::default();
    json.open_array();
    for user in world.owned(world.kind("user"), account) {
        world.render(user, Viewer { root: false, account: None }, &mut json);
    }
    json.close_array();
    Some(Shown::Raw(json.into_text()))
}

fn owners(world: &World, project: Handle, _: Viewer) -> Option<Shown> {
    let admins = world.referring("projectaccount", "project", project).filter(|row| world.text(*row, "role") == Some("Admin"));
    let names: Vec<_> = admins.filter_map(|row| world.link(row, "member")).map(|account| json!({"account": world.string(account, "name")})).collect();
    Some(Shown::Raw(json!(names).to_string()))
}

/// Whether an admin may act in a domain.
fn check_domain(turn: &Turn<'_>, domain: Handle) -> Result<(), Refusal> {
    let reach = turn.caller.is_root() || turn.world.is_within(domain, turn.caller.domain);
    if reach { Ok(()) } else { Err(Refusal::permission()) }
}

fn list_domains(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("domain");
    let caller = turn.caller;
    let everything = turn.arguments.flag("listall") || turn.arguments.object("id").is_some() || turn.arguments.text("name").is_some();
    list::list_where(turn, kind, move |world, row| {
        if everything && caller.kind != RoleType::User { caller.is_root() || world.is_within(row, caller.domain) } else { row == caller.domain }
    })
}

fn create_domain(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let parent = turn.arguments.object("parentdomainid").unwrap_or(turn.caller.domain);
    check_domain(turn, parent)?;
    let name = turn.needed("name")?;
    if turn.world.referring("domain", "parent", parent).any(|row| turn.world.text(row, "name") == Some(&name)) {
        return Err(Refusal::invalid(format!("Domain with name [{name}] already exists for the parent with ID [{}].", World::internal_number(parent))));
    }
    let domain = new_domain(turn.world, parent, &name);
    // A new domain is told in short: neither state nor limits.
    let shown = json!({
        "id": turn.world.id(domain), "name": name, "level": turn.world.number(domain, "level"), "parentdomainid": turn.world.id(parent),
        "parentdomainname": turn.world.string(parent, "name"), "haschild": false, "path": turn.world.string(domain, "path"), "secondarystoragetotal": 0.0
    });
    Ok(Outcome::Shown("domain".to_owned(), shown.to_string()))
}

/// Makes a domain.
pub(crate) fn new_domain(world: &mut World, parent: Handle, name: &str) -> Handle {
    let path = format!("{}/{name}", world.string(parent, "path"));
    let level = world.number(parent, "level") + 1;
    let kind = world.kind("domain");
    world.insert(kind, None, &[("name", name.into()), ("parent", parent.into()), ("path", path.into()), ("level", level.into())])
}

fn update_domain(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let domain = turn.target("id")?;
    check_domain(turn, domain)?;
    if let Some(network) = turn.arguments.text("networkdomain").map(str::to_owned) {
        turn.world.set(domain, "networkdomain", network);
    }
    if let Some(name) = turn.arguments.text("name").map(str::to_owned) {
        let parent = turn.world.link(domain, "parent").map(|parent| turn.world.string(parent, "path")).unwrap_or_default();
        turn.world.set(domain, "path", format!("{parent}/{name}"));
        turn.world.set(domain, "name", name);
    }
    Ok(Outcome::Object(domain))
}

fn delete_domain(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let domain = turn.target("id")?;
    check_domain(turn, domain)?;
    if turn.world.link(domain, "parent").is_none() {
        return Err(Refusal::forbidden("Can't delete ROOT domain"));
    }
    let cleans = turn.arguments.flag("cleanup");
    Ok(turn.job(domain, WORK_MEDIUM, move |turn| {
        let accounts: Vec<Handle> = turn
            .world
            .rows(turn.world.kind("account"))
            .filter(|row| turn.world.link(*row, "domain").is_some_and(|of| turn.world.is_within(of, domain)))
            .collect();
        let children: Vec<Handle> = turn.world.rows(turn.world.kind("domain")).filter(|row| *row != domain && turn.world.is_within(*row, domain)).collect();
        let is_empty = accounts.is_empty() && children.is_empty();
        if !cleans && !is_empty {
            return Err(Refusal::failed("Failed to delete domain: it has accounts or subdomains; specify cleanup to delete them too"));
        }
        accounts.into_iter().for_each(|account| remove_account(turn.world, account));
        children.into_iter().for_each(|child| turn.world.remove(child));
        turn.world.remove(domain);
        Ok(Outcome::Success)
    }))
}

fn list_accounts(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("account");
    list::list_where(turn, kind, |world, row| world.link(row, "project").is_none() && world.text(row, "name") != Some("system"))
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

/// A user to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewUser {
    /// The name to log in with.
    pub(crate) username: String,
    /// First and last name.
    pub(crate) names: (String, String),
    /// The e-mail address.
    pub(crate) email: String,
    /// The password.
    pub(crate) password: String,
}

/// Makes an account.
pub(crate) fn new_account(world: &mut World, plan: &NewAccount) -> Handle {
    let kind = match role_type(world.text(plan.role, "type").unwrap_or_default()) {
        RoleType::Admin => 1,
        RoleType::DomainAdmin => 2,
        RoleType::ResourceAdmin => 3,
        RoleType::User => 0,
    };
    let table = world.kind("account");
    let fields: [(&str, Datum); 5] = [
        ("name", plan.name.as_str().into()),
        ("accounttype", kind.into()),
        ("domain", plan.domain.into()),
        ("role", plan.role.into()),
        ("state", "enabled".into()),
    ];
    let account = world.insert(table, None, &fields);
    if kind == 1 {
        world.set(account, "unlimited", true);
    }
    account
}

/// Makes a user of an account.
pub(crate) fn new_user(world: &mut World, account: Handle, plan: &NewUser) -> Handle {
    let mut fields: Vec<(&str, Datum)> = vec![
        ("username", plan.username.as_str().into()),
        ("firstname", plan.names.0.as_str().into()),
        ("lastname", plan.names.1.as_str().into()),
        ("email", plan.email.as_str().into()),
        ("password", plan.password.as_str().into()),
        ("state", "enabled".into()),
        ("account", account.into()),
    ];
    for name in ["domain", "role"] {
        if let Some(target) = world.link(account, name) {
            fields.push((name, target.into()));
        }
    }
    let kind = world.kind("user");
    world.insert(kind, Some(account), &fields)
}

fn user_plan(turn: &Turn<'_>) -> Result<NewUser, Refusal> {
    Ok(NewUser {
        username: turn.needed("username")?,
        names: (turn.needed("firstname")?, turn.needed("lastname")?),
        email: turn.needed("email")?,
        password: turn.needed("password")?,
    })
}

fn said_domain(world: &World, domain: Handle) -> String {
    let path = format!("{}/", world.string(domain, "path").strip_prefix("ROOT").unwrap_or_default()).replace('/', "\\/");
    format!(
        "Domain {{\"id\":{},\"name\":\"{}\",\"path\":\"{path}\",\"uuid\":\"{}\"}}",
        World::internal_number(domain),
        world.string(domain, "name"),
        world.id(domain)
    )
}

fn check_username(turn: &Turn<'_>, domain: Handle, username: &str) -> Result<(), Refusal> {
    let taken =
        turn.world.referring("user", "domain", domain).any(|user| turn.world.text(user, "username").is_some_and(|known| known.eq_ignore_ascii_case(username)));
    if taken { Err(Refusal::invalid(format!("The user {username} already exists in domain {}", said_domain(turn.world, domain)))) } else { Ok(()) }
}

fn create_account(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let domain = turn.arguments.object("domainid").unwrap_or(turn.caller.domain);
    let by_type = turn.arguments.number("accounttype").and_then(|number| match number {
        0 => Some("User"),
        1 => Some("Root Admin"),
        2 => Some("Domain Admin"),
        3 => Some("Resource Admin"),
        _ => None,
    });
    let role = turn.arguments.object("roleid").or_else(|| by_type.and_then(|name| turn.world.find("role", "name", name)));
    let Some(role) = role else { return Err(Refusal::argument("Neither account type and role ID are not provided")) };
    check_domain(turn, domain)?;
    let user = user_plan(turn)?;
    check_username(turn, domain, &user.username)?;
    let name = turn.arguments.text("account").unwrap_or(&user.username).to_owned();
    if turn.world.referring("account", "domain", domain).any(|row| turn.world.text(row, "name") == Some(&name)) {
        return Err(Refusal::invalid(format!("The specified account: {name} already exists")));
    }
    let account = new_account(turn.world, &NewAccount { name, domain, role });
    new_user(turn.world, account, &user);
    Ok(Outcome::Object(account))
}

fn account_of(turn: &Turn<'_>) -> Result<Handle, Refusal> {
    if let Some(account) = turn.arguments.object("id") {
        return Ok(account);
    }
    let (Some(name), Some(domain)) = (turn.arguments.text("account"), turn.arguments.object("domainid")) else {
        return Err(Refusal::invalid("Both accountName and domainId are required for finding active account in the system"));
    };
    turn.named_account(name, domain)
}

fn update_account(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let account = account_of(turn)?;
    if let Some(name) = turn.arguments.text("newname").map(str::to_owned) {
        turn.world.set(account, "name", name);
    }
    if let Some(network) = turn.arguments.text("networkdomain").map(str::to_owned) {
        turn.world.set(account, "networkdomain", network);
    }
    if let Some(role) = turn.arguments.object("roleid") {
        turn.world.set(account, "role", role);
        let users: Vec<Handle> = turn.world.owned(turn.world.kind("user"), account).collect();
        users.into_iter().for_each(|user| turn.world.set(user, "role", role));
    }
    Ok(Outcome::Object(account))
}

fn disable_account(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let account = account_of(turn)?;
    let state = if turn.arguments.flag("lock") { "locked" } else { "disabled" };
    Ok(turn.job(account, WORK_SHORT, move |turn| {
        turn.world.set(account, "state", state);
        Ok(Outcome::Object(account))
    }))
}

fn enable_account(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let account = account_of(turn)?;
    turn.world.set(account, "state", "enabled");
    Ok(Outcome::Object(account))
}

fn delete_account(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let account = turn.target("id")?;
    if account == turn.caller.account {
        return Err(Refusal::forbidden("Deletion of your own account is not allowed"));
    }
    Ok(turn.job(account, WORK_MEDIUM, move |turn| {
        remove_account(turn.world, account);
        Ok(Outcome::Success)
    }))
}

/// Takes an account and all it owns out of the world.
fn remove_account(world: &mut World, account: Handle) {
    let machines: Vec<Handle> = world.owned(world.kind("virtualmachine"), account).collect();
    machines.into_iter().for_each(|vm| super::vm::wipe(world, vm));
    let networks: Vec<Handle> = world.owned(world.kind("network"), account).collect();
    networks.into_iter().for_each(|network| super::network::remove(world, network));
    for kind in ["volume", "snapshot", "template", "iso", "ipaddress", "sshkeypair", "affinitygroup", "userdata", "instancegroup", "user"] {
        let rows: Vec<Handle> = world.owned(world.kind(kind), account).collect();
        for row in rows {
            if let Some(key) = world.text(row, "apikey").map(str::to_owned) {
                world.api_keys.remove(&key);
            }
            world.remove(row);
        }
    }
    world.remove(account);
}

fn create_user(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let name = turn.needed("account")?;
    let domain = turn.arguments.object("domainid").unwrap_or(turn.caller.domain);
    let accounts: Vec<Handle> = turn.world.referring("account", "domain", domain).collect();
    let account = accounts.into_iter().find(|row| turn.world.text(*row, "name") == Some(&name));
    let Some(account) = account else {
        return Err(Refusal::invalid(format!("Unable to find account {name} in domain {} to create user", said_domain(turn.world, domain))));
    };
    check_domain(turn, domain)?;
    let plan = user_plan(turn)?;
    check_username(turn, domain, &plan.username)?;
    let user = new_user(turn.world, account, &plan);
    Ok(Outcome::Object(user))
}

fn update_user(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let user = turn.target("id")?;
    for name in ["username", "firstname", "lastname", "email", "password", "timezone"] {
        if let Some(text) = turn.arguments.text(name).map(str::to_owned) {
            turn.world.set(user, name, text);
        }
    }
    Ok(Outcome::Object(user))
}

fn delete_user(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let user = turn.target("id")?;
    if let Some(key) = turn.world.text(user, "apikey").map(str::to_owned) {
        turn.world.api_keys.remove(&key);
    }
    turn.world.remove(user);
    Ok(Outcome::Success)
}

fn set_state(turn: &mut Turn<'_>, state: &'static str) -> Result<Handle, Refusal> {
    let user = turn.target("id")?;
    turn.world.set(user, "state", state);
    Ok(user)
}

fn enable_user(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    set_state(turn, "enabled").map(Outcome::Object)
}

fn lock_user(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    set_state(turn, "locked").map(Outcome::Object)
}

fn disable_user(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let user = turn.target("id")?;
    Ok(turn.job(user, WORK_SHORT, move |turn| {
        turn.world.set(user, "state", "disabled");
        Ok(Outcome::Object(user))
    }))
}

fn get_user(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let key = turn.needed("userapikey")?;
    let user = turn.world.api_keys.get(&key).copied();
    user.map(Outcome::Object).ok_or_else(|| Refusal::invalid("User with specified API key does not exist"))
}

/// Gives a user new keys. The old ones stop working at once.
pub(crate) fn renew_keys(world: &mut World, user: Handle) {
    let key = auth::made_up_key(&mut world.random);
    let secret = auth::made_up_key(&mut world.random);
    set_keys(world, user, key, secret);
}

/// Gives a user these keys.
pub(crate) fn set_keys(world: &mut World, user: Handle, key: String, secret: String) {
    if let Some(old) = world.text(user, "apikey").map(str::to_owned) {
        world.api_keys.remove(&old);
    }
    world.api_keys.insert(key.clone(), user);
    world.set(user, "apikey", key);
    world.set(user, "secretkey", secret);
}

fn register_keys(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let user = turn.target("id")?;
    renew_keys(turn.world, user);
    Ok(super::server::shown_keys(turn, user))
}

fn get_keys(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let user = turn.target("id")?;
    Ok(super::server::shown_keys(turn, user))
}

fn create_role(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let source = turn.arguments.object("roleid");
    let kind = turn.arguments.text("type").map(str::to_owned).or_else(|| source.map(|role| turn.world.string(role, "type")));
    let Some(kind) = kind else { return Err(Refusal::argument("Neither role type nor role ID is provided")) };
    let name = turn.needed("name")?;
    let text = turn.arguments.text("description").unwrap_or_default().to_owned();
    let rules = source.and_then(|role| turn.world.roles.get(&role.row)).map(|role| role.rules.clone()).unwrap_or_default();
    let table = turn.world.kind("role");
    let role = turn.world.insert(table, None, &[("type", kind.as_str().into()), ("name", name.into()), ("description", text.into())]);
    turn.world.roles.insert(role.row, Role { kind: role_type(&kind), rules });
    Ok(Outcome::Object(role))
}

fn delete_role(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let role = turn.target("id")?;
    if turn.world.flag(role, "isdefault") {
        return Err(Refusal::forbidden("Default roles cannot be deleted"));
    }
    if turn.world.referring("account", "role", role).next().is_some() {
        return Err(Refusal::forbidden("Found accounts with role in use, won't allow to delete role"));
    }
    turn.world.roles.remove(&role.row);
    turn.world.remove(role);
    Ok(Outcome::Success)
}

fn list_permissions(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let world = &*turn.world;
    let wanted: Vec<Handle> = match turn.arguments.object("roleid") {
        Some(role) => vec![role],
        None => world.rows(world.kind("role")).collect(),
    };
    let mut rows = Vec::new();
    for role in wanted {
        let (id, name) = (world.id(role), world.string(role, "name"));
        for (at, rule) in world.roles.get(&role.row).into_iter().flat_map(|role| &role.rules).enumerate() {
            let permission = if rule.permission == Permission::Allow { "allow" } else { "deny" };
            let own = world.derived_id(role, u32::try_from(at).unwrap_or(u32::MAX));
            let row = json!({"id": own, "roleid": id, "rolename": name, "rule": rule.pattern, "permission": permission});
            let row = if name == KUBERNETES_ROLE { super::metrics::with(row, "description", format!("Allow {}", rule.pattern)) } else { row };
            rows.push(row.to_string());
        }
    }
    Ok(Outcome::Rendered(rows.join(","), rows.len()))
}

fn create_permission(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let role = turn.target("roleid")?;
    let pattern = turn.needed("rule")?;
    if !pattern.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '*') {
        return Err(Refusal::invalid(format!("Only API names and wildcards are allowed, invalid rule provided: {pattern}")));
    }
    let permission = if turn.needed("permission")?.eq_ignore_ascii_case("allow") { Permission::Allow } else { Permission::Deny };
    if let Some(known) = turn.world.roles.get_mut(&role.row) {
        known.rules.push(Rule { pattern: pattern.clone(), permission });
    }
    turn.world.permissions.retain(|(row, _), _| *row != role.row);
    let shown = json!({"id": crate::world::id_text(turn.world.fresh_id()), "roleid": turn.world.id(role), "rolename": turn.world.string(role, "name"), "rule": pattern,
        "permission": if permission == Permission::Allow { "allow" } else { "deny" }});
    Ok(Outcome::Shown("rolepermission".to_owned(), shown.to_string()))
}

fn list_projects(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("project");
    let caller = turn.caller;
    let all = turn.arguments.flag("listall") || turn.arguments.object("id").is_some();
    list::list_where(turn, kind, move |world, row| {
        let is_member = world.referring("projectaccount", "project", row).any(|member| world.link(member, "member") == Some(caller.account));
        let reach = match caller.kind {
            RoleType::Admin => all,
            RoleType::DomainAdmin => all && world.link(row, "domain").is_some_and(|domain| world.is_within(domain, caller.domain)),
            RoleType::ResourceAdmin | RoleType::User => false,
        };
        is_member || reach
    })
}

/// Makes a project with its account.
pub(crate) fn new_project(world: &mut World, owner: Handle, name: &str, text: &str) -> Handle {
    let kind = world.kind("project");
    let project = world.insert(kind, None, &[("name", name.into()), ("displaytext", text.into())]);
    let table = world.kind("account");
    let account_name = format!("PrjAcct-{name}-{}", World::internal_number(project));
    let account = world.insert(table, None, &[("name", account_name.into()), ("accounttype", 5.into()), ("project", project.into())]);
    for field in ["domain", "role"] {
        if let Some(target) = world.link(owner, field) {
            world.set(account, field, target);
            if field == "domain" {
                world.set(project, field, target);
            }
        }
    }
    world.set(project, "projectaccount", account);
    new_member(world, project, owner, "Admin");
    project
}

/// Makes an account a member of a project.
fn new_member(world: &mut World, project: Handle, account: Handle, role: &str) -> Handle {
    let kind = world.kind("projectaccount");
    let member = world.insert_as(kind, 0, None, &[("project", project.into()), ("member", account.into()), ("role", role.into())]);
    if let Some(domain) = world.link(account, "domain") {
        world.set(member, "domain", domain);
    }
    member
}

fn create_project(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let name = turn.needed("name")?;
    let text = turn.arguments.text("displaytext").unwrap_or(&name).to_owned();
    let owner = turn.new_owner()?;
    if turn.world.find("project", "name", &name).is_some_and(|known| turn.world.link(known, "domain") == turn.world.link(owner, "domain")) {
        return Err(Refusal::invalid(format!("Project with name {name} already exists in domain id={}", turn.world.id(turn.caller.domain))));
    }
    let project = new_project(turn.world, owner, &name, &text);
    Ok(turn.making(project, WORK_SHORT, move |_| Ok(Outcome::Object(project))))
}

fn delete_project(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let Some(project) = turn.arguments.object("id") else { return Ok(Outcome::Nothing) };
    Ok(turn.job(project, WORK_MEDIUM, move |turn| {
        let members: Vec<Handle> = turn.world.referring("projectaccount", "project", project).collect();
        members.into_iter().for_each(|member| turn.world.remove(member));
        if let Some(account) = turn.world.link(project, "projectaccount") {
            remove_account(turn.world, account);
        }
        turn.world.remove(project);
        Ok(Outcome::Success)
    }))
}

fn project_state(turn: &Turn<'_>, state: &'static str) -> Outcome {
    let Some(project) = turn.arguments.object("id") else { return Outcome::Nothing };
    turn.job(project, WORK_SHORT, move |turn| {
        turn.world.set(project, "state", state);
        Ok(Outcome::Object(project))
    })
}

fn suspend_project(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    Ok(project_state(turn, "Suspended"))
}

fn activate_project(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    Ok(project_state(turn, "Active"))
}

fn add_member(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let project = turn.target("projectid")?;
    let name = turn.needed("account")?;
    let domain = turn.world.link(project, "domain").unwrap_or(turn.caller.domain);
    let found = turn.world.referring("account", "domain", domain).find(|row| turn.world.text(*row, "name") == Some(&name));
    let Some(account) = found else { return Err(Refusal::invalid(format!("Unable to find account name={name} in domain id={}", turn.world.id(domain)))) };
    let role = turn.arguments.text("roletype").unwrap_or("Regular").to_owned();
    Ok(turn.job(project, WORK_SHORT, move |turn| {
        new_member(turn.world, project, account, &role);
        Ok(Outcome::Success)
    }))
}

fn remove_member(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let project = turn.target("projectid")?;
    let name = turn.needed("account")?;
    Ok(turn.job(project, WORK_SHORT, move |turn| {
        let member = turn
            .world
            .referring("projectaccount", "project", project)
            .find(|row| turn.world.link(*row, "member").is_some_and(|account| turn.world.text(account, "name") == Some(&name)));
        let Some(member) = member else { return Err(Refusal::invalid(format!("Account {name} is not assigned to the project"))) };
        turn.world.remove(member);
        Ok(Outcome::Success)
    }))
}
