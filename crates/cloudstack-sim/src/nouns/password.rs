//! Passwords: what settings ask of new ones, and forgotten ones, about which servers answer anybody before they ask who
//! calls.
//!
//! No mail is sent. On a server as it is installed nobody ever holds the token with which a password is set anew; where
//! every command is to answer, any token is taken for it.

use super::tenancy;
use crate::{
    auth::Credentials,
    options::Plugins,
    refusal::Refusal,
    world::{Handle, World, parse_id},
};

/// What the settings of passwords are called before their own words.
const POLICY: &str = "password.policy";
/// A sort of characters.
type Sort = fn(char) -> bool;

/// The settings that want a number of characters of a sort, and which these are.
const SORTS: [(&str, Sort); 5] = [
    ("minimum.special.characters", |letter| !letter.is_alphanumeric()),
    ("minimum.uppercase.letters", char::is_uppercase),
    ("minimum.lowercase.letters", char::is_lowercase),
    ("minimum.digits", |letter| letter.is_numeric()),
    ("minimum.length", |_| true),
];

/// Refuses a new password that the settings of the user's domain do not allow. A setting of a pattern is not looked at.
pub(super) fn check(world: &World, domain: Handle, (username, password): (&str, &str)) -> Result<(), Refusal> {
    let setting = |name: &str| tenancy::setting_in(world, &format!("{POLICY}.{name}"), Some(domain));
    for (name, is_meant) in SORTS {
        let wanted = setting(name).and_then(|number| number.parse::<usize>().ok()).unwrap_or_default();
        if password.chars().filter(|letter| is_meant(*letter)).count() < wanted {
            return Err(Refusal::invalid(format!("The password has less than {wanted} by the setting {POLICY}.{name}")));
        }
    }
    let is_told = setting("allowPasswordToContainUsername") == Some("false") && password.to_lowercase().contains(&username.to_lowercase());
    if is_told { Err(Refusal::invalid("The password contains the name of its user")) } else { Ok(()) }
}

/// What answers a command before anybody asks who calls: a body, nothing, or a refusal.
pub(crate) type Answer = fn(&mut World, &Credentials<'_>, Plugins) -> Result<Option<String>, Refusal>;

/// What is answered where all is well.
const DONE: &str = "{\"success\":true}";

/// The commands that are answered so.
const OPEN: &[(&str, Answer)] = &[("forgotPassword", forgot), ("resetPassword", reset)];

/// What answers a command before anybody asks who calls, if anything does.
pub(crate) fn answer(command: &str) -> Option<Answer> {
    OPEN.iter().find(|(known, _)| *known == command).map(|(_, answer)| *answer)
}

/// Nobody learns from the answer whether there is such a user.
fn forgot(_: &mut World, credentials: &Credentials<'_>, _: Plugins) -> Result<Option<String>, Refusal> {
    match credentials.exact("username") {
        Some(_) => Ok(Some(DONE.to_owned())),
        None => Err(Refusal::login("null")),
    }
}

fn reset(world: &mut World, credentials: &Credentials<'_>, plugins: Plugins) -> Result<Option<String>, Refusal> {
    // Servers stumble over calls without a token, and over users that are not there, and say nothing.
    let Some(token) = credentials.exact("token") else { return Ok(None) };
    if plugins == Plugins::All {
        let domain = domain_at(world, credentials.exact("domain").unwrap_or_default());
        let user = credentials.exact("username").zip(domain).and_then(|(name, domain)| super::user_named(world, domain, name));
        if let (Some(user), Some(password)) = (user, credentials.exact("password")) {
            world.set(user, "password", password);
        }
        return Ok(Some(DONE.to_owned()));
    }
    if parse_id(token).is_none() {
        return Err(Refusal { code: 431, ..Refusal::login("Invalid token") });
    }
    let Some(name) = credentials.exact("username") else { return Err(Refusal::login("null")) };
    let Some(domain) = credentials.exact("domain").and_then(|path| domain_at(world, path)) else {
        return Err(Refusal::login("Unable to find the domain from the path"));
    };
    match super::user_named(world, domain, name) {
        Some(_) => Err(Refusal::login(format!("No reset token found for user {name}"))),
        None => Ok(None),
    }
}

/// The domain at a path below the root domain, with or without slashes at its ends.
fn domain_at(world: &World, path: &str) -> Option<Handle> {
    let below = path.trim_matches('/');
    let full = if below.is_empty() { "ROOT".to_owned() } else { format!("ROOT/{below}") };
    world.rows(world.kind("domain")).find(|row| world.text(*row, "path").is_some_and(|known| crate::collation::is_same(known, &full)))
}
