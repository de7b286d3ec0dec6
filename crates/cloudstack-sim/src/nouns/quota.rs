//! Quota: what accounts have to spend. Nothing here uses anything up, so balances are the credits that were given.

use serde_json::{Map, Value, json};

use super::Tables;
use crate::{
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::Handle,
};

/// What money is called.
pub(super) const CURRENCY: &str = "$";
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
        ("quotaCreditsList", list_credits),
        ("quotaEmailTemplateList", letters),
        ("quotaEmailTemplateUpdate", update_letter),
        ("quotaConfigureEmail", configure_letter),
        ("quotaListEmailConfiguration", list_configured),
    ],
    filters: &[],
};

/// What a number of usage stands for: the number, its name, its unit.
pub(super) fn usage(number: i64) -> Option<(i64, &'static str, &'static str)> {
    USAGE.iter().copied().find(|(known, ..)| *known == number)
}

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
    let username = turn.world.string(user, "username");
    let deposit = if turn.world.is_old {
        json!({"credits": value, "updated_by": username, "updated_on": since, "currency": CURRENCY})
    } else {
        json!({"credit": told, "creditoruserid": turn.world.id(user), "creditorusername": username, "creditedon": since, "currency": CURRENCY})
    };
    let mut deposits = turn.world.tree(account, "quotacredits").and_then(Value::as_array).cloned().unwrap_or_default();
    deposits.push(deposit.clone());
    turn.world.set(account, "quotacredits", Value::Array(deposits));
    Ok(shown("quotacredits", &deposit))
}

/// The credits that were given to an account, or to all in a domain.
fn list_credits(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (account, domain) = (turn.arguments.object("accountid"), turn.arguments.object("domainid"));
    let whole = turn.arguments.flag("isrecursive");
    let world = &*turn.world;
    let is_meant = |row: &Handle| {
        let of = world.link(*row, "domain");
        account.is_none_or(|account| account == *row)
            && domain.is_none_or(|domain| of == Some(domain) || whole && of.is_some_and(|of| world.is_within(of, domain)))
            && turn.may_use(*row)
    };
    let given = world.rows(world.kind("account")).filter(is_meant).filter_map(|row| world.tree(row, "quotacredits")?.as_array());
    let items: Vec<String> = given.flatten().map(Value::to_string).collect();
    Ok(Outcome::Rendered(items.join(","), items.len()))
}

/// The type of letter that a call names.
fn letter(turn: &Turn<'_>, parameter: &str) -> Result<&'static str, Refusal> {
    let word = turn.needed(parameter)?;
    let known = LETTERS.iter().map(|(kind, _)| *kind).find(|kind| kind.eq_ignore_ascii_case(&word));
    let names: Vec<&str> = LETTERS.iter().map(|(kind, _)| *kind).collect();
    known.ok_or_else(|| Refusal::argument(format!("Invalid quota email template type, allowed values are: [{}]", names.join(", "))))
}

/// Where changed letters are kept: on the domain above all, which is always there.
fn desk(turn: &Turn<'_>) -> Handle {
    super::tenancy::root_domain(turn.world).unwrap_or(turn.caller.domain)
}

fn update_letter(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = letter(turn, "templatetype")?;
    let changed = json!({
        "templatesubject": turn.needed("templatesubject")?, "templatebody": turn.needed("templatebody")?, "last_updated": turn.world.timestamp(),
        "locale": turn.arguments.text("locale").unwrap_or("en_US"),
    });
    let desk = desk(turn);
    let mut letters = turn.world.tree(desk, "quotaletters").cloned().unwrap_or_else(|| json!({}));
    if let Some(members) = letters.as_object_mut() {
        members.insert(kind.to_owned(), changed);
    }
    turn.world.set(desk, "quotaletters", letters);
    Ok(Outcome::Success)
}

fn configure_letter(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let account = turn.target("accountid")?;
    let kind = if turn.arguments.text("templatename").is_some() { Some(letter(turn, "templatename")?) } else { None };
    let mut told = Map::new();
    told.insert("account".to_owned(), json!(turn.world.id(account)));
    if let Some(kind) = kind {
        told.insert("templatename".to_owned(), json!(kind));
        told.insert("enabled".to_owned(), json!(turn.arguments.truth("enable").unwrap_or(false)));
    }
    if let Some(least) = turn.arguments.text("minbalance").and_then(|least| least.parse::<f64>().ok()) {
        told.insert("minbalance".to_owned(), json!(least));
    }
    let told = Value::Object(told);
    if let Some(kind) = kind {
        let mut known = turn.world.tree(account, "quotaemails").cloned().unwrap_or_else(|| json!({}));
        if let Some(members) = known.as_object_mut() {
            members.insert(kind.to_owned(), told.clone());
        }
        turn.world.set(account, "quotaemails", known);
    }
    Ok(shown("quotaconfigureemail", &told))
}

fn list_configured(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let account = turn.target("accountid")?;
    let known = turn.world.tree(account, "quotaemails").and_then(Value::as_object);
    let items: Vec<String> = known.into_iter().flat_map(Map::values).map(Value::to_string).collect();
    Ok(Outcome::Rendered(items.join(","), items.len()))
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
    let changed = turn.world.tree(desk(turn), "quotaletters").cloned();
    let items: Vec<String> = LETTERS
        .iter()
        .filter(|(kind, _)| wanted.is_none_or(|wanted| wanted == *kind))
        .map(|(kind, subject)| {
            let body = format!("{subject} Your current quota balance is ${{quotaBalance}}.");
            let mut told = json!({"templatetype": kind, "templatesubject": subject, "templatebody": body, "locale": "en_US", "last_updated": now});
            if let (Some(told), Some(changed)) = (told.as_object_mut(), changed.as_ref().and_then(|changed| changed.get(*kind)?.as_object())) {
                told.extend(changed.clone());
            }
            told.to_string()
        })
        .collect();
    Ok(Outcome::Rendered(items.join(","), items.len()))
}
