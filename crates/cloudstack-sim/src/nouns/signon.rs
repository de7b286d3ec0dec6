//! Ways to log in by others: OAuth providers, LDAP servers, SAML. Who they know is not here: no such server answers.

use serde_json::{Value, json};

use super::{
    Tables,
    recipe::{self, Put, Recipe, change, take},
};
use crate::{
    kind::{Constant, ID, Noun, linked, own, own_or},
    options::Scene,
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Datum, Handle},
};

/// Who may vouch for people.
const PROVIDERS: [&str; 2] = ["google", "github"];
/// The port of LDAP servers that nobody named.
const LDAP_PORT: i64 = 389;
/// What people are linked by where nothing else is said.
const GROUP: &str = "GROUP";
/// What people are linked by.
const LINKS: [&str; 2] = [GROUP, "OU"];

/// Somebody who vouches for people.
pub(crate) const OAUTH_NOUN: Noun = Noun {
    word: "oauthprovider",
    entities: &["OauthProviderResponse"],
    resource: "OauthProvider",
    owned: false,
    keywords: &["provider"],
    newest_first: false,
    view: &[
        ID,
        own("provider"),
        own("name"),
        own("description"),
        own("clientid"),
        own("secretkey"),
        own("redirecturi"),
        own_or("enabled", Constant::Flag(true)),
    ],
};

/// A server that knows people.
pub(crate) const LDAP_NOUN: Noun = Noun {
    word: "LdapConfiguration",
    entities: &["LdapConfigurationResponse"],
    resource: "LdapConfiguration",
    owned: false,
    keywords: &["hostname"],
    newest_first: false,
    view: &[ID, own("hostname"), own("port"), linked("domainid", "domain", "id")],
};

/// The commands that need code.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("registerOauthProvider", register),
        ("addLdapConfiguration", add_ldap),
        ("deleteLdapConfiguration", delete_ldap),
        ("ldapConfig", ldap_config),
        ("ldapRemove", |_| Ok(Outcome::Success)),
        ("linkDomainToLdap", link),
        ("linkAccountToLdap", link),
        ("searchLdap", nobody),
        ("listLdapUsers", nobody),
        ("importLdapUsers", nobody),
        ("authorizeSamlSso", authorize),
        ("listSamlAuthorization", list_authorized),
    ],
    filters: &[],
};

/// The commands that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    change(
        "updateOauthProvider",
        "id",
        &[Put::Text("description"), Put::Text("clientid"), Put::Text("secretkey"), Put::Text("redirecturi"), Put::Flag("enabled")],
    ),
    take("deleteOauthProvider", "id"),
];

/// Refuses where a recorded server is meant, on which the feature is off.
fn is_off(turn: &Turn<'_>) -> bool {
    turn.server.options.scene == Scene::Bare && turn.server.options.setting("oauth2.enabled") != Some("true")
}

fn register(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    if is_off(turn) {
        return Err(Refusal::internal("OAuth is not enabled, please enable to register"));
    }
    let provider = turn.needed("provider")?.to_lowercase();
    if !PROVIDERS.contains(&provider.as_str()) {
        return Err(Refusal::internal(format!("OAuth provider {provider} is not known, it is one of {}", PROVIDERS.join(", "))));
    }
    if turn.world.find(OAUTH_NOUN.word, "provider", &provider).is_some() {
        return Err(Refusal::internal(format!("Provider with the name {provider} is already registered")));
    }
    let kind = turn.world.kind(OAUTH_NOUN.word);
    let made = turn.world.insert(kind, None, &[("provider", provider.as_str().into()), ("name", provider.as_str().into())]);
    let puts = [Put::Text("description"), Put::Text("clientid"), Put::Text("secretkey"), Put::Text("redirecturi")];
    puts.into_iter().for_each(|put| recipe::apply(turn, made, put));
    Ok(Outcome::Success)
}

/// The configuration that a call names by its server.
fn named(turn: &Turn<'_>) -> Option<Handle> {
    let (host, port) = (turn.arguments.text("hostname")?, turn.arguments.number("port"));
    let rows = turn.world.rows(turn.world.kind(LDAP_NOUN.word)).filter(|row| turn.world.text(*row, "hostname") == Some(host));
    let mut rows = rows
        .filter(|row| port.is_none_or(|port| turn.world.number(*row, "port") == port) && turn.world.link(*row, "domain") == turn.arguments.object("domainid"));
    rows.next()
}

fn add_ldap(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    // Nothing listens where tests and recordings look for a server.
    if turn.server.options.scene == Scene::Bare {
        return Err(Refusal::failed("com.cloud.exception.InvalidParameterValueException: Unable to bind to the given LDAP server"));
    }
    let host = turn.needed("hostname")?;
    if named(turn).is_some() {
        return Err(Refusal::failed("com.cloud.exception.InvalidParameterValueException: Duplicate configuration"));
    }
    let port = turn.arguments.number("port").filter(|port| *port > 0).unwrap_or(LDAP_PORT);
    let kind = turn.world.kind(LDAP_NOUN.word);
    let made = turn.world.insert(kind, None, &[("hostname", host.into()), ("port", port.into())]);
    recipe::apply(turn, made, Put::Link("domainid", "domain"));
    Ok(Outcome::Object(made))
}

fn delete_ldap(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let Some(found) = turn.arguments.object("id").or_else(|| named(turn)) else {
        let host = turn.arguments.text("hostname").unwrap_or_default();
        return Err(Refusal::failed(format!("com.cloud.exception.InvalidParameterValueException: Cannot find configuration with hostname {host}")));
    };
    turn.world.remove(found);
    Ok(Outcome::Object(found))
}

fn ldap_config(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let told: Vec<(&str, Value)> = ["hostname", "port", "searchbase", "queryfilter", "binddn", "ssl"]
        .into_iter()
        .filter_map(|name| Some((name, json!(turn.arguments.text(name)?))))
        .collect();
    let items = if told.is_empty() { Vec::new() } else { vec![told.into_iter().collect::<std::collections::BTreeMap<_, _>>()] };
    let items: Vec<String> = items.into_iter().map(|item| json!(item).to_string()).collect();
    Ok(Outcome::Rendered(items.join(","), items.len()))
}

/// Links a domain or an account to a group that an LDAP server knows.
fn link(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let domain = turn.target("domainid")?;
    let sort = turn.arguments.text("type").unwrap_or(GROUP).to_uppercase();
    if !LINKS.contains(&sort.as_str()) {
        return Err(Refusal::invalid(format!("Invalid type {sort}, it is one of {}", LINKS.join(", "))));
    }
    let account = turn.arguments.text("account").map(|name| turn.named_account(name, domain)).transpose()?;
    let holder = account.unwrap_or(domain);
    let name = turn.arguments.text("ldapdomain").or(turn.arguments.text("name")).unwrap_or_default().to_owned();
    if turn.world.text(holder, "ldapdomain").is_some_and(|known| known != name) {
        return Err(Refusal::failed("The domain or account is linked to another LDAP group already"));
    }
    turn.world.set(holder, "ldapdomain", name.as_str());
    let shown = json!({
        "domainid": turn.world.id(domain), "ldapdomain": name, "type": sort, "accounttype": turn.arguments.number("accounttype").unwrap_or(0),
        "accountid": account.map(|account| turn.world.id(account)),
    });
    let shown: serde_json::Map<String, Value> =
        shown.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())).collect();
    Ok(Outcome::Shown(turn.command.reply.object.clone().unwrap_or_default(), Value::Object(shown).to_string()))
}

/// What an LDAP server would know, and none answers.
fn nobody(_: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    Ok(Outcome::Rendered(String::new(), 0))
}

fn authorize(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let user = turn.target("userid")?;
    turn.world.set(user, "samlenabled", turn.arguments.flag("enable"));
    match turn.arguments.text("entityid").map(str::to_owned) {
        Some(entity) if turn.arguments.flag("enable") => turn.world.set(user, "samlentity", Datum::from(entity)),
        _ => turn.world.unset(user, "samlentity"),
    }
    Ok(Outcome::Success)
}

fn list_authorized(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let wanted = turn.arguments.object("userid");
    let users = turn.world.rows(turn.world.kind("user")).filter(|user| wanted.is_none_or(|wanted| wanted == *user) && turn.may_use(*user));
    let shown = |user: Handle| {
        json!({"userid": turn.world.id(user), "idpid": turn.world.string(user, "samlentity"), "status": turn.world.flag(user, "samlenabled")}).to_string()
    };
    let items: Vec<String> = users.map(shown).collect();
    Ok(Outcome::Rendered(items.join(","), items.len()))
}
