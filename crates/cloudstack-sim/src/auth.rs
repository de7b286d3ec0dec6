//! Who is calling: keys and signatures, or a session (wire facts §1.3, §1.5).
//!
//! Order matters and is the server's: role before signature. A key alone reveals what its role may call.

use std::{collections::BTreeMap, time::Duration};

use cloudstack_api::{
    catalog::Command,
    wire::{Digest, Pair, signature},
};

use crate::{
    dates, events,
    json::Json,
    nouns::factor::{self, Checked},
    refusal::Refusal,
    turn::{Caller, Server},
    world::{Handle, World, parse_id},
};

/// The cookie that names a session.
pub(crate) const SESSION_COOKIE: &str = "JSESSIONID";
/// The cookie and parameter that hold a session's key.
pub(crate) const SESSION_KEY: &str = "sessionkey";
/// How many characters API keys and secrets have.
const KEY_CHARACTERS: usize = 86;
const KEY_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    user: Handle,
    key: String,
    seen: Duration,
    /// Whether its second factor was checked, or none is needed.
    verified: bool,
}

/// What a request brings along to say who sends it.
#[derive(Debug)]
pub(crate) struct Credentials<'a> {
    /// All parameters as they arrived.
    pub(crate) pairs: &'a [Pair],
    /// The cookies.
    pub(crate) cookies: &'a BTreeMap<String, String>,
}

impl Credentials<'_> {
    fn any_case(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The value of the parameter with exactly this name.
    pub(crate) fn exact(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// Text that looks like a key.
pub(crate) fn made_up_key(random: &mut fastrand::Rng) -> String {
    (0..KEY_CHARACTERS).filter_map(|_| KEY_ALPHABET.get(random.usize(..KEY_ALPHABET.len())).copied().map(char::from)).collect()
}

/// The API key and the secret key of somebody whom the first world knows: from its seed and the name alone.
pub(crate) fn keys_of(seed: u64, name: &str) -> (String, String) {
    // Numbers of any quality do: what is made of them is for trying things out.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let number = name.bytes().fold(seed, |number, byte| (number ^ u64::from(byte)).wrapping_mul(SPREAD).rotate_left(31));
    let mut random = fastrand::Rng::with_seed(number);
    (made_up_key(&mut random), made_up_key(&mut random))
}

/// The session that the cookies name, if it lives; expired ones are forgotten.
pub(crate) fn live_session(world: &mut World, credentials: &Credentials<'_>, server: &Server) -> Option<String> {
    let name = credentials.cookies.get(SESSION_COOKIE)?.clone();
    let timeout = Duration::from_secs(server.options.tuning.session_timeout_seconds);
    let session = world.sessions.get(&name)?;
    if session.seen + timeout < world.now {
        world.sessions.remove(&name);
        return None;
    }
    Some(name)
}

/// Holds a command against the second factor of a session. A session that lacks it is over.
pub(crate) fn check_factor(world: &mut World, name: &str, command: &str) -> Result<(), Refusal> {
    let Some(session) = world.sessions.get(name).filter(|session| !session.verified) else { return Ok(()) };
    factor::check_session(world, session.user, command).inspect_err(|_| drop(world.sessions.remove(name)))
}

/// Checks the code that a session's second factor asks for. Without a factor the answer is empty.
pub(crate) fn validate(world: &mut World, name: &str, credentials: &Credentials<'_>) -> Result<Option<String>, Refusal> {
    let code = credentials.exact("codefor2fa").unwrap_or_default();
    if code.is_empty() {
        return Err(Refusal { code: 531, ..Refusal::argument("Code for two factor authentication is required") });
    }
    let user = world.sessions.get(name).map(|session| session.user).ok_or_else(Refusal::credentials)?;
    match factor::check_code(world, user, code) {
        Checked::Right => {
            if let Some(session) = world.sessions.get_mut(name) {
                session.verified = true;
            }
            Ok(Some("{\"success\":true}".to_owned()))
        }
        Checked::Nothing => Ok(None),
        Checked::WrongAtFirst => Err(Refusal::code()),
        Checked::Wrong => {
            world.sessions.remove(name);
            Err(Refusal::code())
        }
    }
}

/// The caller behind a session. A missing or wrong key ends the session.
pub(crate) fn by_session(world: &mut World, name: &str, credentials: &Credentials<'_>) -> Result<Caller, Refusal> {
    let now = world.now;
    let session = world.sessions.get_mut(name).ok_or_else(Refusal::credentials)?;
    let fits = credentials.exact(SESSION_KEY) == Some(session.key.as_str()) && credentials.cookies.get(SESSION_KEY) == Some(&session.key);
    let user = session.user;
    session.seen = now;
    if !fits {
        world.sessions.remove(name);
        return Err(Refusal::session());
    }
    Caller::of_user(world, user).ok_or_else(Refusal::credentials)
}

/// The caller behind an API key, before the signature is looked at.
pub(crate) fn by_key(world: &World, credentials: &Credentials<'_>) -> Result<Caller, Refusal> {
    let key = credentials.any_case("apikey").ok_or_else(Refusal::credentials)?;
    credentials.any_case("signature").ok_or_else(Refusal::credentials)?;
    let user = world.api_keys.get(key).copied().ok_or_else(Refusal::credentials)?;
    let caller = Caller::of_user(world, user).ok_or_else(Refusal::credentials)?;
    let is_enabled = |handle: Handle| matches!(world.text(handle, "state"), None | Some("enabled"));
    let may = is_enabled(user) && is_enabled(caller.account) && crate::nouns::user::may_call_with_keys(world, user);
    if may { Ok(caller) } else { Err(Refusal::credentials()) }
}

/// Checks the signature and the expiry.
pub(crate) fn check_signature(world: &World, caller: &Caller, credentials: &Credentials<'_>) -> Result<(), Refusal> {
    let secret = world.text(caller.user, "secretkey").ok_or_else(Refusal::credentials)?;
    if credentials.any_case("signatureversion") == Some("3") {
        let expires = credentials.any_case("expires").and_then(dates::parse_strict).ok_or_else(Refusal::credentials)?;
        if expires < i64::try_from(world.now.as_secs()).unwrap_or(i64::MAX) {
            return Err(Refusal::credentials());
        }
    }
    let given = credentials.any_case("signature").unwrap_or_default();
    let expected = signature(credentials.pairs, secret, Digest::Sha1);
    if given == expected { Ok(()) } else { Err(Refusal::credentials()) }
}

/// Whether a role allows a command, remembered per role.
pub(crate) fn allows(world: &mut World, role: Handle, command: &Command) -> bool {
    let key = (role.row, command.name.clone());
    if let Some(known) = world.permissions.get(&key) {
        return *known;
    }
    let allowed = world.roles.get(&role.row).is_some_and(|role| role.allows(command));
    world.permissions.insert(key, allowed);
    allowed
}

/// Answers a login: the body and the cookies to set.
pub(crate) fn login(world: &mut World, credentials: &Credentials<'_>, server: &Server) -> Result<(String, Vec<String>), Refusal> {
    let username = credentials.exact("username").ok_or_else(|| Refusal::login("null"))?.to_owned();
    let domain = login_domain(world, credentials)?;
    let password = credentials.exact("password").filter(|password| !password.is_empty());
    let user = crate::nouns::user_named(world, domain, &username).filter(|user| password.is_some() && world.text(*user, "password") == password);
    let is_enabled =
        |user: Handle| [Some(user), world.owner(user)].into_iter().flatten().all(|holder| matches!(world.text(holder, "state"), None | Some("enabled")));
    let user = user.filter(|user| is_enabled(*user));
    let Some(user) = user else {
        let number = World::internal_number(domain);
        return Err(Refusal::login(format!("Failed to authenticate user {username} in domain {number}; please provide valid credentials")));
    };
    factor::clear_unused(world, user);
    let verified = !factor::is_needed(world, user);
    let name = format!("node0{}.node0", fresh_word(&mut world.random, 25));
    let key = fresh_word(&mut world.random, 27);
    world.sessions.insert(name.clone(), Session { user, key: key.clone(), seen: world.now, verified });
    events::of_user(world, user, "USER.LOGIN", "user has logged in");
    let cookies = vec![format!("{SESSION_COOKIE}={name}; Path=/client"), format!("{SESSION_KEY}={key};HttpOnly;SameSite=Lax")];
    Ok((login_body(world, user, &key, server), cookies))
}

fn login_domain(world: &World, credentials: &Credentials<'_>) -> Result<Handle, Refusal> {
    let domains = world.kind("domain");
    if let Some(id) = credentials.pairs.iter().find(|(name, _)| name.eq_ignore_ascii_case("domainid")).map(|(_, value)| value) {
        let found = parse_id(id).and_then(|id| world.by_id(id)).filter(|handle| handle.kind == domains);
        return found
            .ok_or_else(|| Refusal { inner: None, ..Refusal { code: 401, ..Refusal::argument(format!("Invalid domain id entered by the user: {id}")) } });
    }
    let path = credentials.exact("domain").unwrap_or_default().trim_matches('/').to_ascii_lowercase();
    let path = path.strip_prefix("root/").unwrap_or(&path);
    let full = if path.is_empty() || path == "root" { "root".to_owned() } else { format!("root/{path}") };
    let found = world.rows(domains).find(|row| world.text(*row, "path").is_some_and(|known| known.eq_ignore_ascii_case(&full)));
    found.ok_or_else(|| Refusal::login(format!("Unable to find the domain from the path /{path}/")))
}

fn login_body(world: &World, user: Handle, key: &str, server: &Server) -> String {
    let caller = Caller::of_user(world, user);
    let (account, domain, kind) = match caller {
        Some(caller) => (world.string(caller.account, "name"), world.id(caller.domain), world.number(caller.account, "accounttype")),
        None => (String::new(), String::new(), 0),
    };
    let mut json = Json::default();
    json.open();
    json.member("username", world.text(user, "username").unwrap_or_default());
    json.member("userid", &world.id(user));
    json.member("domainid", &domain);
    json.key("timeout");
    json.number(i64::try_from(server.options.tuning.session_timeout_seconds).unwrap_or(i64::MAX));
    json.member("account", &account);
    json.member("firstname", world.text(user, "firstname").unwrap_or_default());
    json.member("lastname", world.text(user, "lastname").unwrap_or_default());
    json.member("type", &kind.to_string());
    json.member("timezone", world.text(user, "timezone").unwrap_or("UTC"));
    json.member("timezoneoffset", "0.0");
    json.member("registered", "false");
    json.member("sessionkey", key);
    let needs_code = factor::is_needed(world, user);
    json.member("is2faenabled", &needs_code.to_string());
    json.member("is2faverified", &(!needs_code).to_string());
    if let Some(provider) = factor::provider(world, user) {
        json.member("providerfor2fa", provider);
    }
    json.member("issuerfor2fa", "CloudStack");
    json.close();
    json.into_text()
}

/// Answers a logout.
pub(crate) fn logout(world: &mut World, session: Option<String>) -> Result<String, Refusal> {
    match session.and_then(|name| world.sessions.remove(&name)) {
        Some(session) => {
            events::of_user(world, session.user, "USER.LOGOUT", "user has logged out");
            Ok("{\"description\":\"success\"}".to_owned())
        }
        None => Err(Refusal::argument("Session not found for the logout process.")),
    }
}

fn fresh_word(random: &mut fastrand::Rng, characters: usize) -> String {
    (0..characters).map(|_| random.alphanumeric()).collect()
}
