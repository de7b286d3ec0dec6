//! Quota: what accounts have to spend. Nothing here uses anything up, so balances are the credits that were given.

use serde_json::{Map, Value, json};

use super::Tables;
use crate::{
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::Handle,
};

/// What money is called.
const CURRENCY: &str = "$";
/// The setting that turns quota on.
const SETTING: &str = "quota.enable.service";
/// What is counted: the number of its type, its name, its unit.
const USAGE: &[(i64, &str, &str)] = &[
    (1, "RUNNING_VM", "Compute*Month"),
    (2, "ALLOCATED_VM", "Compute*Month"),
    (3, "IP_ADDRESS", "IP*Month"),
    (4, "NETWORK_BYTES_SENT", "GB"),
    (5, "NETWORK_BYTES_RECEIVED", "GB"),
    (6, "VOLUME", "GB*Month"),
    (7, "TEMPLATE", "GB*Month"),
    (8, "ISO", "GB*Month"),
    (9, "SNAPSHOT", "GB*Month"),
    (10, "SECURITY_GROUP", "Policy*Month"),
    (11, "LOAD_BALANCER_POLICY", "Policy*Month"),
    (12, "PORT_FORWARDING_RULE", "Policy*Month"),
    (13, "NETWORK_OFFERING", "Policy*Month"),
    (14, "VPN_USERS", "Policy*Month"),
    (21, "VM_DISK_IO_READ", "IOPS"),
    (22, "VM_DISK_IO_WRITE", "IOPS"),
    (23, "VM_DISK_BYTES_READ", "Bytes"),
    (24, "VM_DISK_BYTES_WRITE", "Bytes"),
    (25, "VM_SNAPSHOT", "GB*Month"),
    (26, "VOLUME_SECONDARY", "GB*Month"),
    (27, "VM_SNAPSHOT_ON_PRIMARY", "GB*Month"),
    (28, "BACKUP", "GB*Month"),
    (29, "BUCKET", "GB*Month"),
    (30, "NETWORK", "Compute*Month"),
    (31, "VPC", "Compute*Month"),
];
/// The letters that people get: type and subject.
const LETTERS: &[(&str, &str)] = &[
    ("QUOTA_LOW", "Quota Usage Threshold crossed by your account ${accountName}"),
    ("QUOTA_EMPTY", "Quota Exhausted, account ${accountName} has no quota left."),
    ("QUOTA_UNLOCK_ACCOUNT", "Quota credits added, account ${accountName} is unlocked now, if it was locked"),
    ("QUOTA_STATEMENT", "Quota Statement for your account ${accountName}"),
];

/// The commands of quota.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("quotaIsEnabled", is_enabled),
        ("quotaUpdate", update),
        ("quotaCredits", credit),
        ("quotaBalance", balance),
        ("quotaSummary", summary),
        ("quotaStatement", statement),
        ("quotaEmailTemplateList", letters),
    ],
    filters: &[],
};

fn shown(key: &str, value: &Value) -> Outcome {
    Outcome::Shown(key.to_owned(), value.to_string())
}

fn is_enabled(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let row = turn.world.find("configuration", "name", SETTING);
    let set = row.and_then(|row| turn.world.text(row, "value")).or_else(|| turn.server.options.setting(SETTING));
    Ok(shown("isenabled", &json!({"isenabled": set == Some("true")})))
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    Ok(shown("quotacredits", &json!({"updated_on": turn.world.timestamp()})))
}

/// The account that a call is about: the one it names, else the caller's.
fn account(turn: &Turn<'_>) -> Result<Handle, Refusal> {
    match turn.arguments.object("accountid") {
        Some(account) if turn.may_use(account) => Ok(account),
        Some(_) => Err(Refusal::permission()),
        None => turn.new_owner(),
    }
}

fn credits(turn: &Turn<'_>, account: Handle) -> f64 {
    match turn.world.field(account, "quotabalance") {
        Some(crate::world::Content::Decimal(balance)) => balance,
        _ => 0.0,
    }
}

fn credit(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let account = account(turn)?;
    let value: f64 = turn.needed("value")?.parse().map_err(|_| Refusal::invalid("Please specify a valid value of credits"))?;
    let balance = credits(turn, account) + value;
    let since = turn.world.timestamp();
    turn.world.set(account, "quotabalance", crate::world::Datum::Decimal(balance));
    turn.world.set(account, "quotasince", since.as_str());
    let user = turn.caller.user;
    // Whole credits are shown as whole numbers.
    let told = if value.fract() == 0.0 { serde_json::from_str(&format!("{value:.0}")).unwrap_or(Value::Null) } else { json!(value) };
    let told = json!({
        "credit": told, "creditoruserid": turn.world.id(user), "creditorusername": turn.world.string(user, "username"), "creditedon": since,
        "currency": CURRENCY,
    });
    Ok(shown("quotacredits", &told))
}

fn balance(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let account = account(turn)?;
    let Some(since) = turn.world.text(account, "quotasince") else {
        return Err(Refusal::invalid("There are no balance entries on or before the requested date."));
    };
    Ok(shown("balance", &json!({"startquota": credits(turn, account), "credits": [], "startdate": since, "currency": CURRENCY})))
}

fn summary(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let named = turn.arguments.text("account").is_some();
    let only = if named || !turn.caller.is_root() { Some(account(turn)?) } else { None };
    let accounts = turn.world.kind("account");
    let now = turn.world.timestamp();
    let day = now.get(..10).unwrap_or_default();
    let month = now.get(..7).unwrap_or_default();
    let fits = |row: &Handle| only.is_none_or(|only| only == *row) && turn.world.text(*row, "quotasince").is_some();
    let items: Vec<String> = turn
        .world
        .rows(accounts)
        .filter(fits)
        .map(|row| {
            let domain = turn.world.link(row, "domain").unwrap_or(turn.caller.domain);
            json!({
                "accountid": turn.world.id(row), "account": turn.world.string(row, "name"), "domainid": turn.world.id(domain),
                "domain": turn.world.string(domain, "name"), "balance": credits(turn, row), "state": "ENABLED", "quota": 0.0,
                "startdate": format!("{month}-01T12:00:00+0000"), "enddate": format!("{day}T12:00:00+0000"), "currency": CURRENCY, "quotaenabled": true,
            })
            .to_string()
        })
        .collect();
    Ok(Outcome::Rendered(items.join(","), items.len()))
}

fn statement(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let account = account(turn)?;
    let domain = turn.world.link(account, "domain").unwrap_or(turn.caller.domain);
    let (account, domain) = (crate::world::World::internal_number(account), crate::world::World::internal_number(domain));
    let wanted = turn.arguments.number("type");
    let usage: Vec<Value> = USAGE
        .iter()
        .filter(|(kind, ..)| wanted.is_none_or(|wanted| wanted == *kind))
        .map(|(kind, name, unit)| json!({"type": kind, "accountid": account, "domain": domain, "name": name, "unit": unit, "quota": 0.0}))
        .collect();
    let day = |name: &str| turn.arguments.text(name).and_then(|date| date.get(..10)).unwrap_or_default().to_owned();
    let mut told = Map::new();
    told.insert("quotausage".to_owned(), Value::Array(usage));
    told.insert("totalquota".to_owned(), json!(0.0));
    told.insert("startdate".to_owned(), json!(format!("{}T00:00:00+0000", day("startdate"))));
    told.insert("enddate".to_owned(), json!(format!("{}T23:59:59+0000", day("enddate"))));
    told.insert("currency".to_owned(), json!(CURRENCY));
    Ok(shown("statement", &Value::Object(told)))
}

fn letters(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let wanted = turn.arguments.text("templatetype");
    let now = turn.world.timestamp();
    let items: Vec<String> = LETTERS
        .iter()
        .filter(|(kind, _)| wanted.is_none_or(|wanted| wanted == *kind))
        .map(|(kind, subject)| {
            let body = format!("{subject} Your current quota balance is ${{quotaBalance}}.");
            json!({"templatetype": kind, "templatesubject": subject, "templatebody": body, "locale": "en_US", "last_updated": now}).to_string()
        })
        .collect();
    Ok(Outcome::Rendered(items.join(","), items.len()))
}
