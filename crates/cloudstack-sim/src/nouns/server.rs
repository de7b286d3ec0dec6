//! What the server says about itself: its commands, what it can do, its jobs, and keys of users.

use std::collections::HashMap;

use cloudstack_api::catalog::{Catalog, Command, Field, Parameter, ParameterType, RoleType};
use serde_json::{Map, Value, json};

use super::Tables;
use crate::{
    auth, cloud, jobs,
    refusal::Refusal,
    trouble::Throttle,
    turn::{Outcome, Turn},
    world::{Handle, World},
};

/// The commands about the server.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listApis", list_apis),
        ("listCapabilities", capabilities),
        ("listInfrastructure", infrastructure),
        ("queryAsyncJobResult", jobs::query),
        ("listAsyncJobs", jobs::list),
        ("getApiLimit", api_limit),
        ("resetApiLimit", reset_api_limit),
        ("listHypervisors", hypervisors),
    ],
    filters: &[
        ("ServiceResponse", "service", |turn, service| {
            let wanted = turn.arguments.text("service").unwrap_or_default();
            turn.world.text(service, "name").is_some_and(|name| name.eq_ignore_ascii_case(wanted))
        }),
        ("ServiceResponse", "provider", offers),
    ],
};

/// Whether the provider that is asked for offers a network service. Who names a service is told of it, whoever offers it.
fn offers(turn: &Turn<'_>, service: Handle) -> bool {
    let wanted = turn.arguments.text("provider").unwrap_or_default();
    let providers = turn.world.tree(service, "provider").and_then(Value::as_array).into_iter().flatten();
    let mut names = providers.filter_map(|provider| provider.get("name").and_then(Value::as_str));
    turn.arguments.text("service").is_some() || names.any(|name| name.eq_ignore_ascii_case(wanted))
}

fn list_apis(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let server = turn.server;
    let wanted = turn.arguments.given("name").map(str::to_owned);
    let mut items = Vec::new();
    let tellers = tellers(&server.catalog);
    for command in server.catalog.commands() {
        if wanted.as_ref().is_some_and(|name| *name != command.name) {
            continue;
        }
        if cloud::is_loaded(&command, &server.options) && auth::allows(turn.world, turn.caller.role, &command) {
            items.push(api(turn, &command, &tellers).to_string());
        }
    }
    if wanted.is_some() && items.is_empty() {
        return Err(Refusal::failed("Api Discovery plugin was unable to find an api by that name or process any apis"));
    }
    Ok(Outcome::Rendered(items.join(","), items.len()))
}

/// The commands that answer with objects of an entity, by the entity.
fn tellers(catalog: &Catalog) -> HashMap<String, Vec<String>> {
    let mut tellers: HashMap<String, Vec<String>> = HashMap::new();
    for command in catalog.commands() {
        tellers.entry(crate::generic::entity_of(&command.shape).to_owned()).or_default().push(command.name.clone());
    }
    tellers
}

/// The other commands that tell of some entities, as one text.
fn related<'a>(entities: impl Iterator<Item = &'a str>, own: &str, tellers: &HashMap<String, Vec<String>>) -> String {
    let names = entities.filter_map(|entity| tellers.get(entity)).flatten().map(String::as_str);
    names.filter(|name| *name != own).collect::<Vec<_>>().join(",")
}

fn api(turn: &Turn<'_>, command: &Command, tellers: &HashMap<String, Vec<String>>) -> Value {
    /// The shape of answers that say only that something worked.
    const PLAIN: &str = "SuccessResponse";
    let kind = turn.caller.kind;
    let mine = command.parameters.iter().filter(|parameter| parameter.roles.as_ref().is_none_or(|roles| roles.contains(&kind)));
    let told = |known: &Parameter| {
        let shown = parameter(known);
        if known.entity.is_empty() {
            return shown;
        }
        super::metrics::with(shown, "related", related(known.entity.iter().map(String::as_str), &command.name, tellers))
    };
    let parameters: Vec<Value> = mine.map(told).collect();
    let fields: Vec<Value> = turn.server.catalog.fields(command).iter().map(field).collect();
    let words = turn.server.catalog.words(command);
    let mut shown = Map::new();
    shown.insert("name".to_owned(), json!(command.name));
    shown.insert("description".to_owned(), json!(words.text));
    if let Some(since) = command.since {
        shown.insert("since".to_owned(), json!(since.to_string()));
    }
    shown.insert("isasync".to_owned(), json!(command.is_async));
    if command.shape != PLAIN {
        shown.insert("related".to_owned(), json!(related(std::iter::once(crate::generic::entity_of(&command.shape)), &command.name, tellers)));
    }
    shown.insert("params".to_owned(), Value::Array(parameters));
    shown.insert("response".to_owned(), Value::Array(fields));
    Value::Object(shown)
}

fn parameter(parameter: &Parameter) -> Value {
    let mut shown = Map::new();
    shown.insert("name".to_owned(), json!(parameter.name));
    shown.insert("description".to_owned(), json!(cloudstack_api::catalog::spaced_name(&parameter.name)));
    shown.insert("type".to_owned(), json!(type_word(parameter.kind)));
    shown.insert("length".to_owned(), json!(parameter.length_max()));
    shown.insert("required".to_owned(), json!(parameter.required));
    if let Some(since) = parameter.since {
        shown.insert("since".to_owned(), json!(since.to_string()));
    }
    Value::Object(shown)
}

fn type_word(kind: ParameterType) -> &'static str {
    match kind {
        ParameterType::String => "string",
        ParameterType::Uuid => "uuid",
        ParameterType::Boolean => "boolean",
        ParameterType::Integer => "integer",
        ParameterType::Long => "long",
        ParameterType::Short => "short",
        ParameterType::Double => "double",
        ParameterType::Date => "date",
        ParameterType::List => "list",
        ParameterType::Map => "map",
        ParameterType::Object => "object",
    }
}

fn field(field: &Field) -> Value {
    let mut shown = Map::new();
    shown.insert("name".to_owned(), json!(field.name));
    shown.insert("description".to_owned(), json!(cloudstack_api::catalog::spaced_name(&field.name)));
    shown.insert("type".to_owned(), json!(field.kind));
    if !field.fields.is_empty() {
        shown.insert("response".to_owned(), field.fields.iter().map(self::field).collect());
    }
    Value::Object(shown)
}

fn capabilities(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let fields = turn.server.catalog.fields(&turn.command);
    let known = json!({
        "securitygroupsenabled": false, "dynamicrolesenabled": true, "cloudstackversion": turn.server.options.version(), "userpublictemplateenabled": true,
        "supportELB": "false", "projectinviterequired": false, "allowusercreateprojects": true, "customdiskofferingminsize": 1, "customdiskofferingmaxsize": 1024,
        "regionsecondaryenabled": false, "kvmsnapshotenabled": !turn.world.is_old, "snapshotshowchainsize": false, "allowuserviewdestroyedvm": true, "allowuserexpungerecovervm": true,
        "allowuserexpungerecovervolume": true, "allowuserviewalldomainaccounts": false, "allowuserforcestopvm": true, "kubernetesserviceenabled": true,
        "kubernetesclusterexperimentalfeaturesenabled": false, "customhypervisordisplayname": "Custom", "defaultuipagesize": 20, "instancesstatsretentiontime": 720,
        "instancesstatsuseronly": false, "instancesdisksstatsretentionenabled": false, "instancesdisksstatsretentiontime": 720, "sharedfsvmmincpucount": 2,
        "sharedfsvmminramsize": 1024, "instanceleaseenabled": false, "extensionspath": "/srv/cloudstack/extensions", "dynamicscalingenabled": false,
        "additionalconfigenabled": false
    });
    let root = turn.caller.is_root();
    let allowed = |name: &str| may(turn, name);
    let users = [
        ("allowuserviewdestroyedvm", allowed("allow.user.view.destroyed.vm")),
        ("allowuserexpungerecovervm", allowed("allow.user.expunge.recover.vm")),
        ("kubernetesserviceenabled", setting(turn.world, "cloud.kubernetes.service.enabled") != Some("false")),
    ];
    let in_release = |name: &str| fields.iter().any(|field| field.name.eq_ignore_ascii_case(name));
    let mut members = known.as_object().cloned().unwrap_or_default();
    members.extend(users.map(|(name, is_on)| (name.to_owned(), is_on.into())));
    let shown: Map<String, Value> =
        members.into_iter().filter(|(name, _)| (in_release(name) || name == "dynamicscalingenabled") && (root || name != "extensionspath")).collect();
    Ok(Outcome::Shown("capability".to_owned(), Value::Object(shown).to_string()))
}

/// Whether a setting allows users what admins may anyhow.
pub(super) fn may(turn: &Turn<'_>, name: &str) -> bool {
    turn.caller.kind != RoleType::User || setting(turn.world, name) == Some("true")
}

/// Whether a global setting is on.
pub(super) fn is_on(world: &World, name: &str) -> bool {
    setting(world, name) == Some("true")
}

/// The value of a global setting.
pub(super) fn setting<'a>(world: &'a World, name: &str) -> Option<&'a str> {
    world.text(world.find("configuration", "name", name)?, "value")
}

fn infrastructure(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let count = |word: &str| turn.world.known_kind(word).map_or(0, |kind| turn.world.count(kind));
    let hosts = turn.world.rows(turn.world.kind("host")).filter(|host| turn.world.text(*host, "type") == Some("Routing")).count();
    let shown = json!({
        "zones": count("zone"), "pods": count("pod"), "clusters": count("cluster"), "hosts": hosts, "storagepools": count("storagepool"),
        "imagestores": count("imagestore"), "backuprepositories": 0, "objectstores": 0, "systemvms": count("systemvm"), "routers": count("router"), "ilbvms": 0,
        "cpusockets": 0, "managementservers": count("managementserver"), "alerts": count("alert")
    });
    let mut shown = shown;
    if let Some(members) = shown.as_object_mut().filter(|_| turn.world.is_old) {
        members.remove("backuprepositories");
    }
    Ok(Outcome::Shown("infrastructure".to_owned(), shown.to_string()))
}

fn throttle<'a>(turn: &'a mut Turn<'_>) -> Result<&'a mut Throttle, Refusal> {
    turn.world.throttle.as_mut().ok_or_else(|| Refusal::unsupported("This api is only available when api.throttling.enabled = true."))
}

fn api_limit(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (account, now) = (turn.caller.account, turn.world.now);
    let used = throttle(turn)?.used(account.row, now);
    let (id, name) = (turn.world.id(account), turn.world.string(account, "name"));
    let shown = json!({"accountid": id, "account": name, "apiIssued": used.issued, "apiAllowed": used.allowed, "expireAfter": used.expires});
    Ok(Outcome::Shown("apilimit".to_owned(), shown.to_string()))
}

fn reset_api_limit(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let account = turn.arguments.object("account").map(|account| account.row);
    throttle(turn)?.reset(account);
    Ok(Outcome::Success)
}

fn hypervisors(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let mut names = vec!["KVM", "VMware", "XenServer", "Hyperv", "BareMetal", "Ovm", "LXC", "Ovm3"];
    if !turn.world.is_old {
        names.push("External");
    }
    // Of a zone, those that its clusters have.
    if let Some(zone) = turn.arguments.object("zoneid") {
        let mut used: Vec<&str> = turn.world.referring("cluster", "zone", zone).filter_map(|cluster| turn.world.text(cluster, "hypervisortype")).collect();
        used.sort_unstable();
        used.dedup();
        names = used;
    }
    let items: Vec<String> = names.iter().map(|name| format!("{{\"name\":\"{name}\"}}")).collect();
    Ok(Outcome::Rendered(items.join(","), items.len()))
}
