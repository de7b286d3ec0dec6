//! Global settings, as far as the embedded cloud has them.

use cloudstack_api::catalog::RoleType;
use serde_json::{Value, json};

use super::Tables;
use crate::{
    json::Json,
    kind::{Constant, Noun, Shown, computed, flag, own, own_or},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Handle, World},
};

/// A setting.
pub(crate) const SETTING_NOUN: Noun = Noun {
    word: "configuration",
    entities: &["ConfigurationResponse"],
    resource: "Configuration",
    owned: false,
    keywords: &["name", "description"],
    newest_first: false,
    view: &[
        own_or("category", Constant::Text("Advanced")),
        own("group"),
        own("subgroup"),
        own("name"),
        own("value"),
        own("defaultvalue"),
        computed("description", |world, setting, _| {
            let known = world.text(setting, "description").map(str::to_owned);
            let told = known.unwrap_or_else(|| format!("Setting {}", world.string(setting, "name")));
            (!world.flag(setting, "undescribed")).then_some(Shown::Text(told))
        }),
        flag("isdynamic"),
        own_or("component", Constant::Text("management-server")),
        computed("displaytext", |world, setting, _| {
            Some(Shown::Text(world.text(setting, "displaytext").map_or_else(|| label(world.text(setting, "name").unwrap_or_default()), str::to_owned)))
        }),
        own("parent"),
        own("type"),
        own("options"),
    ],
};

/// The settings of a new cloud: name, value, type, group, what it is.
pub(crate) const SETTINGS: &[(&str, &str, &str, &str, &str)] = &[
    ("allow.user.expunge.recover.vm", "true", "Boolean", "Compute", "Whether users may expunge and recover machines"),
    ("allow.user.view.destroyed.vm", "true", "Boolean", "Compute", "Whether users see destroyed machines"),
    ("api.throttling.enabled", "false", "Boolean", "Management Server", "Whether calls are throttled"),
    ("cloud.kubernetes.service.enabled", "true", "Boolean", "Miscellaneous", "Whether Kubernetes clusters can be made"),
    ("cpu.overprovisioning.factor", "1.0", "Range", "Compute", "How many times over processors are given out"),
    ("default.page.size", "500", "Number", "Management Server", "How many rows a page has where nobody asks"),
    ("enable.dynamic.scale.vm", "false", "Boolean", "Compute", "Whether running machines can be scaled"),
    ("endpoint.url", "http://localhost:8080/client/api", "String", "Management Server", "Where the API is"),
    ("expunge.delay", "86400", "Number", "Compute", "Seconds until destroyed machines are expunged"),
    ("expunge.interval", "86400", "Number", "Compute", "Seconds between expunge runs"),
    ("host", "127.0.0.1", "String", "Management Server", "The address of the management server"),
    ("job.expire.minutes", "1440", "Number", "Management Server", "Minutes for which jobs can be asked for"),
    ("mem.overprovisioning.factor", "1.0", "Range", "Compute", "How many times over memory is given out"),
    ("network.gc.interval", "600", "Number", "Network", "Seconds between looks for unused networks"),
    ("quota.enable.service", "true", "Boolean", "Usage", "Whether quota is kept"),
    ("storage.cleanup.interval", "86400", "Number", "Storage", "Seconds between storage clean-ups"),
    ("storage.overprovisioning.factor", "2.0", "Range", "Storage", "How many times over storage is given out"),
    ("vm.instancename.flag", "false", "Boolean", "Compute", "Whether hypervisors show the machine's own name"),
    ("vm.userdata.max.length", "32768", "Number", "Compute", "The longest user data"),
];

/// The commands and filters of settings.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listConfigurations", list_settings),
        ("updateConfiguration", update),
        ("resetConfiguration", reset),
        ("listDetailOptions", detail_options),
        ("getCloudIdentifier", cloud_identifier),
    ],
    filters: &[
        ("configuration", "name", |turn, setting| list::argument_contains(turn, "name", turn.world.text(setting, "name"))),
        ("ConfigurationGroupResponse", "group", |turn, group| {
            let wanted = turn.arguments.text("group").unwrap_or_default();
            turn.world.text(group, "name").is_some_and(|name| crate::collation::is_same(name, wanted))
        }),
    ],
};

/// Arguments that name what a setting can be set for, and the word of that scope.
const SCOPES: [(&str, &str); 7] = [
    ("zoneid", "zone"),
    ("clusterid", "cluster"),
    ("storageid", "storagepool"),
    ("accountid", "account"),
    ("domainid", "domain"),
    ("imagestoreuuid", "imagestore"),
    ("managementserverid", "managementserver"),
];

/// A name as people read it: blanks for points, and a capital letter in front.
fn label(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase()).unwrap_or_default();
    format!("{first}{}", letters.as_str().replace('.', " "))
}

/// For what the settings are asked: its scope and the object; nothing for the whole cloud.
fn scope(turn: &Turn<'_>) -> Result<Option<(&'static str, Handle)>, Refusal> {
    let mut given = SCOPES.iter().filter_map(|(argument, word)| Some((*word, turn.arguments.object(argument)?)));
    match (given.next(), given.next()) {
        (scope, None) => Ok(scope),
        _ => Err(several_scopes()),
    }
}

fn several_scopes() -> Refusal {
    Refusal::invalid("cannot handle multiple IDs, provide only one ID corresponding to the scope")
}

fn has_scope(world: &World, setting: Handle, word: &str) -> bool {
    let scopes = world.text(setting, "scopes").unwrap_or_default();
    // What is set for accounts can be set for their domains too.
    scopes.split(',').any(|scope| scope == word || word == "domain" && scope == "account")
}

fn list_settings(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("configuration");
    for (argument, field) in [("group", "group"), ("subgroup", "subgroup")] {
        let Some(wanted) = turn.arguments.text(argument) else { continue };
        if !turn.world.rows(kind).any(|row| turn.world.text(row, field) == Some(wanted)) {
            return Err(Refusal::invalid(format!("Invalid configuration {argument}: {wanted}")));
        }
    }
    let wanted = scope(turn)?;
    if turn.caller.is_root() && wanted.is_none() {
        return list::list(turn, kind);
    }
    let (word, object) = wanted.map_or(("domain", None), |(word, object)| (word, Some(object)));
    let page = list::Page::read(turn)?;
    // Admins of domains who name none see what domains alone can have, not what accounts have with them.
    let is_own = |world: &World, setting: Handle| world.text(setting, "scopes").is_some_and(|scopes| scopes.split(',').any(|scope| scope == word));
    let rows = list::unscoped(turn, kind, &|world, setting| if object.is_some() { has_scope(world, setting, word) } else { is_own(world, setting) });
    // Of a scope's settings the page is counted, not the whole.
    let items: Vec<String> = page.part(rows).into_iter().map(|setting| shown(turn, setting, object.map(|object| (word, object))).to_string()).collect();
    Ok(Outcome::Rendered(items.join(","), items.len()))
}

/// A setting as it stands for one object.
fn shown(turn: &Turn<'_>, setting: Handle, scope: Option<(&str, Handle)>) -> Value {
    let mut json = Json::default();
    turn.world.render(setting, turn.viewer(), &mut json);
    let shown: Value = serde_json::from_str(&json.into_text()).unwrap_or_default();
    let Some((word, object)) = scope else { return shown };
    let shown = super::metrics::with(shown, "scope", word);
    let own = turn.world.tree(setting, "scoped").and_then(|scoped| scoped.get(turn.world.id(object))).and_then(Value::as_str);
    match own {
        Some(own) => super::metrics::with(shown, "value", own),
        None => shown,
    }
}

fn find(turn: &Turn<'_>) -> Result<Handle, Refusal> {
    let name = turn.needed("name")?;
    turn.world.find("configuration", "name", &name).ok_or_else(|| Refusal::invalid(format!("Config parameter with name {name} doesn't exist")))
}

fn check_value(turn: &Turn<'_>, setting: Handle, value: &str) -> Result<(), Refusal> {
    let (fits, class) = match turn.world.text(setting, "type") {
        Some("Number") => (value.is_empty() || value.parse::<i32>().is_ok(), "Integer"),
        Some("Decimal" | "Range") => (value.is_empty() || value.parse::<f32>().is_ok(), "Float"),
        Some("Boolean") => (matches!(value, "true" | "false"), "Boolean"),
        _ => (true, "String"),
    };
    if fits { Ok(()) } else { Err(Refusal::invalid(format!("Value [{value}] is not a valid [class java.lang.{class}]."))) }
}

/// Sets a setting for one object, or takes that away.
fn set_for(turn: &mut Turn<'_>, setting: Handle, (word, object): (&str, Handle), value: Option<&str>) -> Result<(), Refusal> {
    let name = turn.world.string(setting, "name");
    if !has_scope(turn.world, setting, word) {
        return Err(Refusal::invalid(format!("Invalid scope id provided for the parameter {name}")));
    }
    let mut scoped = turn.world.tree(setting, "scoped").cloned().unwrap_or_else(|| json!({}));
    let id = turn.world.id(object);
    if let Some(scoped) = scoped.as_object_mut() {
        match value {
            Some(value) => scoped.insert(id, json!(value)),
            None => scoped.remove(&id),
        };
    }
    turn.world.set(setting, "scoped", scoped);
    if word == "cluster" {
        let value = value.map_or_else(|| turn.world.string(setting, "value"), str::to_owned);
        super::zone::set_detail(turn.world, object, &name, &value);
    }
    Ok(())
}

/// The scope in which people other than root set what they name no scope for: admins of domains their own, users theirs.
fn implied(turn: &Turn<'_>) -> Option<(&'static str, Handle)> {
    let names = |argument: &str| turn.arguments.object(argument).is_some();
    match turn.caller.kind {
        RoleType::DomainAdmin if !names("accountid") && !names("domainid") => Some(("domain", turn.caller.domain)),
        RoleType::User if !names("accountid") => Some(("account", turn.caller.account)),
        _ => None,
    }
}

/// Refuses settings that only root may change, and domains and accounts out of reach.
fn check_reach(turn: &Turn<'_>, setting: Handle) -> Result<(), Refusal> {
    if turn.world.text(setting, "category") == Some("System") && !turn.caller.is_root() {
        return Err(Refusal::internal("Only Root Admin is allowed to edit this configuration."));
    }
    if let Some(domain) = turn.arguments.object("domainid") {
        super::check_domain(turn, domain)?;
    }
    match turn.arguments.object("accountid") {
        Some(account) if !turn.may_use(account) => Err(Refusal::permission()),
        _ => Ok(()),
    }
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let setting = find(turn)?;
    check_reach(turn, setting)?;
    let scope = scope(turn)?;
    let implied = implied(turn);
    if scope.is_some() && implied.is_some() {
        return Err(several_scopes());
    }
    let Some(value) = turn.arguments.given("value").map(str::to_owned) else { return Ok(Outcome::Object(setting)) };
    check_value(turn, setting, &value)?;
    match scope {
        Some(scope) => {
            set_for(turn, setting, scope, Some(&value))?;
            Ok(Outcome::Shown("configuration".to_owned(), shown(turn, setting, Some(scope)).to_string()))
        }
        None if implied.is_some() => {
            if let Some(scope) = implied {
                set_for(turn, setting, scope, Some(&value))?;
            }
            // What was not asked for is not said: the value is there, its scope is not.
            Ok(Outcome::Shown("configuration".to_owned(), super::metrics::with(shown(turn, setting, None), "value", value).to_string()))
        }
        None => {
            turn.world.set(setting, "value", value);
            Ok(Outcome::Object(setting))
        }
    }
}

fn reset(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let setting = find(turn)?;
    if let Some(scope) = scope(turn)? {
        set_for(turn, setting, scope, None)?;
        return Ok(Outcome::Shown("configuration".to_owned(), shown(turn, setting, Some(scope)).to_string()));
    }
    match turn.world.text(setting, "defaultvalue").map(str::to_owned) {
        Some(value) => turn.world.set(setting, "value", value),
        None => turn.world.unset(setting, "value"),
    }
    Ok(Outcome::Object(setting))
}

/// The details that machines and templates may have, with the values that they may take.
fn detail_options(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let of_machines = matches!(turn.arguments.text("resourcetype"), Some("UserVm" | "Template" | "VirtualMachine" | "ISO" | "Iso"));
    let mut keyboards = vec!["uk", "us", "jp", "fr"];
    if !turn.world.is_old {
        keyboards.push("es-latam");
    }
    let details =
        if of_machines { json!({"keyboard": keyboards, "cpu.corespersocket": [], "rootdisksize": [], "UEFI": ["LEGACY", "SECURE"]}) } else { json!({}) };
    Ok(Outcome::Shown("detailoptions".to_owned(), json!({"details": details}).to_string()))
}

/// Which cloud this is, signed for a user with his secret key.
fn cloud_identifier(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let user = turn.target("userid")?;
    let Some(server) = turn.world.rows(turn.world.kind("managementserver")).next() else { return Err(Refusal::internal("no management server")) };
    let cloud = turn.world.derived_id(server, 0);
    let pairs = [("cloudidentifier".to_owned(), cloud.clone())];
    let signature = cloudstack_api::wire::signature(&pairs, turn.world.text(user, "secretkey").unwrap_or_default(), cloudstack_api::wire::Digest::Sha1);
    Ok(Outcome::Shown("cloudidentifier".to_owned(), json!({"cloudidentifier": cloud, "signature": signature}).to_string()))
}
