//! Users: who logs in and calls, with their passwords, keys and second factors.

use serde_json::json;

use super::{Tables, account, factor, password, tenancy};
use crate::{
    auth,
    kind::{CREATED, Constant, ID, Noun, Shown, always, computed, flag, linked, own, own_or},
    list::{self, Page, Scope},
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Datum, Handle, World},
};
use cloudstack_api::catalog::RoleType;

/// A user.
pub(crate) const USER_NOUN: Noun = Noun {
    word: "user",
    entities: &["UserResponse"],
    resource: "User",
    owned: true,
    keywords: &["username", "firstname", "lastname", "email", "state"],
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
        computed("iscallerchilddomain", |world, user, viewer| {
            Some(Shown::Flag(viewer.domain.is_some_and(|domain| world.link(user, "domain") != Some(domain))))
        }),
        flag("isdefault"),
        flag("is2faenabled"),
        computed("is2famandated", factor::show_mandated),
        own_or("apikeyaccess", Constant::Text("INHERIT")).root(),
        super::remark::ICON_MEMBER,
    ],
};

/// The commands of users.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listUsers", list),
        ("createUser", create),
        ("updateUser", update),
        ("moveUser", move_user),
        ("deleteUser", delete),
        ("enableUser", enable),
        ("disableUser", disable),
        ("lockUser", lock),
        ("getUser", get),
        ("registerUserKeys", register_keys),
        ("getUserKeys", get_keys),
    ],
    filters: &[("user", "accounttype", |turn, user| {
        turn.world.link(user, "account").map(|account| turn.world.number(account, "accounttype")) == turn.arguments.number("accounttype")
    })],
};

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
    /// The time zone.
    pub(crate) timezone: Option<String>,
}

impl NewUser {
    /// Reads the arguments of a call that makes a user.
    pub(super) fn read(turn: &Turn<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            username: turn.needed("username")?,
            names: (turn.needed("firstname")?, turn.needed("lastname")?),
            email: turn.needed("email")?,
            password: turn.needed("password")?,
            timezone: turn.arguments.text("timezone").map(str::to_owned),
        })
    }
}

/// Makes a user of an account.
pub(crate) fn make(world: &mut World, account: Handle, plan: &NewUser) -> Handle {
    let mut fields: Vec<(&str, Datum)> = vec![
        ("username", plan.username.as_str().into()),
        ("firstname", plan.names.0.as_str().into()),
        ("lastname", plan.names.1.as_str().into()),
        ("email", plan.email.as_str().into()),
        ("password", plan.password.as_str().into()),
        ("state", "enabled".into()),
        ("account", account.into()),
    ];
    if let Some(timezone) = &plan.timezone {
        fields.push(("timezone", timezone.as_str().into()));
    }
    for name in ["domain", "role"] {
        if let Some(target) = world.link(account, name) {
            fields.push((name, target.into()));
        }
    }
    let kind = world.kind("user");
    world.insert(kind, Some(account), &fields)
}

fn list(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    check_access_word(turn)?;
    let page = Page::read(turn)?;
    let caller = turn.caller;
    let is_user = caller.kind == RoleType::User;
    if is_user && turn.arguments.object("id").is_some_and(|user| user != caller.user) {
        return Err(Refusal::permission());
    }
    let scope = list::scope(turn)?;
    let kind = turn.world.kind("user");
    let rows = list::unscoped(turn, kind, &|world, row| {
        let owner = world.owner(row);
        let is_within = match (&scope, owner) {
            (_, None) => false,
            (Scope::All { .. }, Some(_)) => true,
            (Scope::Accounts(accounts), Some(owner)) => accounts.contains(&owner),
            (Scope::Domain { domain, recursive, .. }, Some(owner)) => {
                let of = world.link(owner, "domain");
                of == Some(*domain) || *recursive && of.is_some_and(|of| world.is_within(of, *domain))
            }
        };
        is_within && (!is_user || row == caller.user)
    });
    Ok(page.cut(rows))
}

/// How texts name a domain.
fn said_domain(world: &World, domain: Handle) -> String {
    let path = format!("{}/", world.string(domain, "path").strip_prefix("ROOT").unwrap_or_default()).replace('/', "\\/");
    format!(
        "Domain {{\"id\":{},\"name\":\"{}\",\"path\":\"{path}\",\"uuid\":\"{}\"}}",
        World::internal_number(domain),
        world.string(domain, "name"),
        world.id(domain)
    )
}

/// Refuses a name that a user of the domain has.
pub(super) fn check_name(turn: &Turn<'_>, domain: Handle, username: &str) -> Result<(), Refusal> {
    match tenancy::user_named(turn.world, domain, username) {
        Some(_) => Err(Refusal::invalid(format!("The user {username} already exists in domain {}", said_domain(turn.world, domain)))),
        None => Ok(()),
    }
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let name = turn.needed("account")?;
    let domain = turn.arguments.object("domainid").or_else(|| tenancy::root_domain(turn.world)).unwrap_or(turn.caller.domain);
    tenancy::check_domain(turn, domain)?;
    let account = tenancy::account_named(turn.world, domain, &name).filter(|account| turn.world.text(*account, "state") == Some("enabled"));
    let Some(account) = account else {
        return Err(Refusal::invalid(format!("Unable to find account {name} in domain {} to create user", said_domain(turn.world, domain))));
    };
    let plan = NewUser::read(turn)?;
    if let Err(refusal) = check_name(turn, domain, &plan.username) {
        return Err(Refusal::internal(refusal.text));
    }
    tenancy::check_privileges(turn, account)?;
    password::check(turn.world, domain, (&plan.username, &plan.password))?;
    Ok(Outcome::Object(make(turn.world, account, &plan)))
}

/// Refuses users that the caller may not change.
fn check_changeable(turn: &mut Turn<'_>, user: Handle) -> Result<(), Refusal> {
    if !turn.may_use(user) {
        return Err(Refusal::permission());
    }
    match turn.world.owner(user) {
        Some(account) => tenancy::check_privileges(turn, account),
        None => Ok(()),
    }
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let user = turn.target("id")?;
    check_changeable(turn, user)?;
    let given = |name: &str| turn.arguments.given(name).map(str::to_owned);
    let (key, secret) = (given("userapikey").filter(|key| !key.is_empty()), given("usersecretkey").filter(|key| !key.is_empty()));
    let taken = key.as_ref().and_then(|key| turn.world.api_keys.get(key)).is_some_and(|owner| *owner != user);
    if key.is_some() != secret.is_some() || taken {
        return Err(Refusal::invalid("Please provide a pair of keys that nobody else has"));
    }
    check_access_word(turn)?;
    for name in ["firstname", "lastname", "username", "password"] {
        if given(name).is_some_and(|text| text.trim().is_empty()) {
            return Err(Refusal::invalid(format!("The {name} cannot be empty")));
        }
    }
    if let (Some(name), Some(domain)) = (given("username"), turn.world.domain_of(user))
        && tenancy::user_named(turn.world, domain, &name).is_some_and(|known| known != user)
    {
        return Err(Refusal::invalid(format!("Username [{name}] already exists in the domain")));
    }
    check_password(turn, user)?;
    for name in ["username", "firstname", "lastname", "email", "password", "timezone"] {
        if let Some(text) = turn.arguments.text(name).map(str::to_owned) {
            turn.world.set(user, name, text);
        }
    }
    if let (Some(key), Some(secret)) = (key, secret) {
        set_keys(turn.world, user, key, secret);
    }
    if turn.arguments.flag("mandate2fa") {
        turn.world.set(user, "is2faenabled", true);
    }
    put_access(turn, user);
    Ok(Outcome::Object(user))
}

/// Users who are no admins tell their present password when they set a new one.
fn check_password(turn: &Turn<'_>, user: Handle) -> Result<(), Refusal> {
    let Some(wanted) = turn.arguments.text("password") else { return Ok(()) };
    if let Some(domain) = turn.world.domain_of(user) {
        password::check(turn.world, domain, (turn.world.text(user, "username").unwrap_or_default(), wanted))?;
    }
    if tenancy::is_admin(turn) {
        return Ok(());
    }
    match turn.arguments.text("currentpassword") {
        Some(present) if turn.world.text(user, "password") == Some(present) => Ok(()),
        Some(_) => Err(Refusal::invalid("Current password is incorrect.")),
        None => Err(Refusal::invalid("To set a new password the current password must be provided.")),
    }
}

/// Refuses words for the access with keys that nobody knows.
pub(super) fn check_access_word(turn: &Turn<'_>) -> Result<(), Refusal> {
    match turn.arguments.text("apikeyaccess") {
        Some(word) if !["enabled", "disabled", "inherit"].contains(&word.to_ascii_lowercase().as_str()) => {
            Err(Refusal::invalid("ApiKeyAccess value can only be Enabled/Disabled/Inherit"))
        }
        _ => Ok(()),
    }
}

/// Writes the argument `apikeyaccess` into a user or an account.
pub(super) fn put_access(turn: &mut Turn<'_>, holder: Handle) {
    if let Some(word) = turn.arguments.text("apikeyaccess").map(str::to_uppercase) {
        turn.world.set(holder, "apikeyaccess", word);
    }
}

/// The setting that says whether people may call with keys of whom nothing is said.
const KEY_ACCESS: &str = "api.key.access";

/// Whether a user may call with keys: as is said of him, else of his account, else of his domain.
pub(crate) fn may_call_with_keys(world: &World, user: Handle) -> bool {
    let holders = [Some(user), world.owner(user)];
    let said = holders.into_iter().flatten().filter_map(|holder| world.text(holder, "apikeyaccess")).find(|word| *word != "INHERIT");
    said.map_or_else(|| tenancy::setting_in(world, KEY_ACCESS, world.domain_of(user)) != Some("false"), |word| word == "ENABLED")
}

fn move_user(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let user = turn.target("id")?;
    let (name, by_id) = (turn.arguments.text("account").map(str::to_owned), turn.arguments.object("accountid"));
    if name.is_none() && by_id.is_none() {
        return Err(Refusal { masked: true, ..Refusal::failed("provide either an account name or an account id!") });
    }
    check_removable(turn, user)?;
    let domain = turn.world.domain_of(user).unwrap_or(turn.caller.domain);
    let named = name.and_then(|name| tenancy::account_named(turn.world, domain, &name)).filter(|row| turn.world.text(*row, "state") == Some("enabled"));
    let Some(account) = named.or(by_id) else { return Err(Refusal::internal("There is no account to move the user to")) };
    if turn.world.link(account, "domain") != Some(domain) {
        return Err(Refusal::invalid("A user cannot be moved to an account of another domain"));
    }
    turn.world.give(user, account);
    turn.world.set(user, "account", account);
    if let Some(role) = turn.world.link(account, "role") {
        turn.world.set(user, "role", role);
    }
    Ok(Outcome::Success)
}

/// Refuses users that cannot go: those of the installation and those out of reach.
fn check_removable(turn: &mut Turn<'_>, user: Handle) -> Result<(), Refusal> {
    if turn.world.flag(user, "isdefault") {
        return Err(Refusal::invalid("The user is default and can't be (re)moved"));
    }
    check_changeable(turn, user)
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let user = turn.target("id")?;
    if !turn.world.flag(user, "isdefault") && user == turn.caller.user {
        return Err(Refusal::invalid("Users cannot delete themselves"));
    }
    check_removable(turn, user)?;
    if let Some(key) = turn.world.text(user, "apikey").map(str::to_owned) {
        turn.world.api_keys.remove(&key);
    }
    turn.world.remove(user);
    Ok(Outcome::Success)
}

fn enable(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let user = turn.target("id")?;
    check_changeable(turn, user)?;
    turn.world.set(user, "state", "enabled");
    // An enabled user of a disabled account could do nothing.
    if let Some(account) = turn.world.owner(user) {
        account::set_state(turn.world, account, "enabled");
    }
    Ok(Outcome::Object(user))
}

fn lock(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let user = turn.target("id")?;
    check_changeable(turn, user)?;
    match turn.world.text(user, "state") {
        Some("locked") => return Ok(Outcome::Object(user)),
        Some("disabled") => return Err(Refusal::internal("A disabled user cannot be locked")),
        _ => turn.world.set(user, "state", "locked"),
    }
    if let Some(account) = turn.world.owner(user) {
        let any_left = turn.world.owned(turn.world.kind("user"), account).any(|user| turn.world.text(user, "state") == Some("enabled"));
        if !any_left {
            account::set_state(turn.world, account, "locked");
        }
    }
    Ok(Outcome::Object(user))
}

fn disable(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let user = turn.target("id")?;
    Ok(turn.job(user, WORK_SHORT, move |turn| {
        check_changeable(turn, user)?;
        turn.world.set(user, "state", "disabled");
        Ok(Outcome::Object(user))
    }))
}

fn get(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let key = turn.needed("userapikey")?;
    let user = turn.world.api_keys.get(&key).copied();
    user.map(Outcome::Object).ok_or_else(|| Refusal::invalid("User with specified API key does not exist"))
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

/// Gives a user new keys. The old ones stop working at once.
pub(crate) fn renew_keys(world: &mut World, user: Handle) {
    let key = auth::made_up_key(&mut world.random);
    let secret = auth::made_up_key(&mut world.random);
    set_keys(world, user, key, secret);
}

fn register_keys(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let user = turn.target("id")?;
    check_changeable(turn, user)?;
    renew_keys(turn.world, user);
    let shown = json!({"apikey": turn.world.text(user, "apikey"), "secretkey": turn.world.text(user, "secretkey")});
    Ok(Outcome::Shown("userkeys".to_owned(), shown.to_string()))
}

fn get_keys(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let user = turn.target("id")?;
    check_changeable(turn, user)?;
    let mut shown = serde_json::Map::new();
    for name in ["apikey", "secretkey"] {
        if let Some(key) = turn.world.text(user, name) {
            shown.insert(name.to_owned(), json!(key));
        }
    }
    shown.insert("apikeyaccess".to_owned(), json!(may_call_with_keys(turn.world, user)));
    Ok(Outcome::Shown("userkeys".to_owned(), serde_json::Value::Object(shown).to_string()))
}
