//! Extensions: programs that run machines elsewhere, the clusters they are registered with, and the actions they add.
//!
//! The programs themselves are not here; an action of a registered extension always works.

use serde_json::{Value, json};

use super::{
    Tables,
    recipe::{self, Put, Recipe, change, make, quietly, take},
};
use crate::{
    arguments::Entry,
    kind::{CREATED, Constant, ID, Noun, linked, own, own_or},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Content, Handle, World, parse_id},
};

/// Where extensions lie.
const ROOT: &str = "/usr/share/cloudstack-management/extensions";
/// What extensions do.
const ORCHESTRATOR: &str = "Orchestrator";
/// What extensions are registered with.
const CLUSTER: &str = "Cluster";
/// What actions work on.
const MACHINE: &str = "VirtualMachine";
/// The types of an action's parameters.
const PARAMETER_TYPES: [&str; 5] = ["STRING", "NUMBER", "BOOLEAN", "UUID", "DATE"];
/// Who may run every action.
const ADMIN: &str = "Admin";
/// Who may run actions.
const ROLES: [&str; 4] = [ADMIN, "ResourceAdmin", "DomainAdmin", "User"];

/// A way to run machines elsewhere.
pub(crate) const NOUN: Noun = Noun {
    word: "extension",
    entities: &["ExtensionResponse"],
    resource: "Extension",
    owned: false,
    keywords: &["name"],
    newest_first: true,
    view: &[
        ID,
        own("name"),
        own("description"),
        own("type"),
        own("path"),
        own_or("pathready", Constant::Flag(true)),
        own_or("isuserdefined", Constant::Flag(true)),
        own("orchestratorrequirespreparevm"),
        own_or("state", Constant::Text("Enabled")),
        CREATED,
        own("details"),
        own("resources"),
        own("reservedresourcedetails"),
    ],
};

/// A command that an extension adds.
pub(crate) const ACTION_NOUN: Noun = Noun {
    word: "extensioncustomaction",
    entities: &["ExtensionCustomActionResponse"],
    resource: "ExtensionCustomAction",
    owned: false,
    keywords: &["name"],
    newest_first: true,
    view: &[
        ID,
        own("name"),
        own("description"),
        linked("extensionid", "extensionid", "id"),
        linked("extensionname", "extensionid", "name"),
        own("resourcetype"),
        own_or("allowedroletypes", Constant::Empty),
        own("successmessage"),
        own("errormessage"),
        own_or("timeout", Constant::Number(5)),
        own_or("enabled", Constant::Flag(false)),
        own_or("details", Constant::Raw("{}")),
        own_or("parameters", Constant::Empty),
        CREATED,
    ],
};

/// The commands that need code.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("registerExtension", |turn| register(turn, true)),
        ("unregisterExtension", |turn| register(turn, false)),
        ("listCustomActions", list_actions),
        ("runCustomAction", run),
    ],
    filters: &[("extensioncustomaction", "resourceid", |_, _| true)],
};

/// The commands that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    make("createExtension", "extension", EXTENSION_PUTS).checked(extension_is_right).then(place),
    change("updateExtension", "id", EXTENSION_CHANGES).then(|turn, extension| {
        if turn.arguments.flag("cleanupdetails") {
            turn.world.unset(extension, "details");
        }
        Ok(())
    }),
    take("deleteExtension", "id").checked(extension_is_free).then(|turn, extension| {
        let actions: Vec<Handle> = turn.world.referring("extensioncustomaction", "extensionid", extension).collect();
        actions.into_iter().for_each(|action| turn.world.remove(action));
        Ok(())
    }),
    make("addCustomAction", "extensioncustomaction", ACTION_PUTS).checked(action_is_right).then(dress),
    quietly("updateCustomAction", "id", ACTION_PUTS).checked(action_is_right).then(|turn, action| {
        for (flag, field) in [("cleanupdetails", "details"), ("cleanupparameters", "parameters")] {
            if turn.arguments.flag(flag) {
                turn.world.unset(action, field);
            }
        }
        dress(turn, action)
    }),
    take("deleteCustomAction", "id"),
];

const EXTENSION_PUTS: &[Put] = &[
    Put::Text("name"),
    Put::Text("description"),
    Put::Text("type"),
    Put::Text("path"),
    Put::Text("state"),
    Put::Flag("orchestratorrequirespreparevm"),
    Put::Entries("details", "details"),
    Put::Text("reservedresourcedetails"),
];
const EXTENSION_CHANGES: &[Put] = &[
    Put::Text("description"),
    Put::Text("state"),
    Put::Flag("orchestratorrequirespreparevm"),
    Put::Entries("details", "details"),
    Put::Text("reservedresourcedetails"),
];
const ACTION_PUTS: &[Put] = &[
    Put::Text("name"),
    Put::Text("description"),
    Put::Link("extensionid", "extensionid"),
    Put::Text("resourcetype"),
    Put::Text("successmessage"),
    Put::Text("errormessage"),
    Put::Number("timeout"),
    Put::Flag("enabled"),
    Put::Entries("details", "details"),
];

fn extension_is_right(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let name = turn.arguments.text("name").unwrap_or_default();
    if turn.world.find("extension", "name", name).is_some() {
        return Err(Refusal::failed("Extension by name already exists"));
    }
    let kind = turn.arguments.text("type").unwrap_or_default();
    if kind != ORCHESTRATOR {
        return Err(Refusal::invalid(format!("Invalid type specified - {kind}")));
    }
    match turn.arguments.text("state") {
        None | Some("Enabled" | "Disabled") => Ok(()),
        Some(state) => Err(Refusal::invalid(format!("Invalid state specified - {state}"))),
    }
}

fn place(turn: &mut Turn<'_>, extension: Handle) -> Result<(), Refusal> {
    let name = turn.world.string(extension, "name");
    let path = turn.world.text(extension, "path").map_or_else(|| format!("{name}/{name}.sh"), str::to_owned);
    turn.world.set(extension, "path", format!("{ROOT}/{path}"));
    Ok(())
}

fn registrations(world: &World, extension: Handle) -> Vec<Value> {
    world.tree(extension, "resources").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn extension_is_free(turn: &Turn<'_>, extension: Option<Handle>) -> Result<(), Refusal> {
    let Some(extension) = extension else { return Ok(()) };
    if turn.world.field(extension, "isuserdefined") == Some(Content::Flag(false)) {
        return Err(Refusal::failed("System extension can not be deleted"));
    }
    if registrations(turn.world, extension).is_empty() {
        Ok(())
    } else {
        Err(Refusal::failed("Extension has associated resources, unregister them to delete the extension"))
    }
}

/// The cluster that a call names by text.
fn cluster(turn: &Turn<'_>) -> Result<Handle, Refusal> {
    let kind = turn.needed("resourcetype")?;
    if !kind.eq_ignore_ascii_case(CLUSTER) {
        return Err(Refusal::invalid(format!("Currently only [{CLUSTER}] can be used to register an extension of type Orchestrator, not {kind}")));
    }
    let id = turn.needed("resourceid")?;
    let found = parse_id(&id).and_then(|id| turn.world.by_id(id)).filter(|row| row.kind == turn.world.kind("cluster"));
    found.ok_or_else(|| Refusal::invalid(format!("Unable to find a cluster with ID {id}")))
}

fn register(turn: &mut Turn<'_>, on: bool) -> Result<Outcome, Refusal> {
    let extension = turn.target("extensionid")?;
    let cluster = cluster(turn)?;
    let id = turn.world.id(cluster);
    let mut known = registrations(turn.world, extension);
    let at = known.iter().position(|entry| entry.get("id") == Some(&id.as_str().into()));
    match at {
        Some(_) if on => return Err(Refusal::failed("Extension already registered with this resource")),
        None if !on => return Err(Refusal::failed("Extension is not registered with this resource")),
        Some(at) => {
            known.remove(at);
        }
        None => {
            let name = turn.world.string(cluster, "name");
            known.push(json!({"id": id, "name": name, "type": CLUSTER, "details": turn.arguments.merged("details"), "created": turn.world.timestamp()}));
        }
    }
    turn.world.set(extension, "resources", Value::Array(known));
    Ok(Outcome::Object(extension))
}

fn action_is_right(turn: &Turn<'_>, action: Option<Handle>) -> Result<(), Refusal> {
    if let Some(kind) = turn.arguments.text("resourcetype").filter(|kind| *kind != MACHINE) {
        return Err(Refusal::invalid(format!("Specified resource type is invalid: {kind}")));
    }
    if let Some(role) = turn.arguments.list("allowedroletypes").into_iter().find(|role| !ROLES.iter().any(|known| known.eq_ignore_ascii_case(role))) {
        return Err(Refusal::invalid(format!("Invalid role type: {role}")));
    }
    for record in turn.arguments.records("parameters") {
        parameter(record)?;
    }
    let (Some(name), Some(extension)) = (turn.arguments.text("name"), turn.arguments.object("extensionid")) else { return Ok(()) };
    let mut others = turn.world.referring("extensioncustomaction", "extensionid", extension).filter(|other| Some(*other) != action);
    if others.any(|other| turn.world.text(other, "name") == Some(name)) { Err(Refusal::failed("Action by name already exists")) } else { Ok(()) }
}

/// A parameter of an action as it is shown.
fn parameter(record: &Entry) -> Result<Value, Refusal> {
    let told = |key: &str| record.get(key).map(String::as_str).filter(|text| !text.is_empty());
    let Some(name) = told("name") else { return Err(Refusal::invalid("Invalid parameter specified with empty name")) };
    let kind = told("type").unwrap_or("STRING").to_uppercase();
    if !PARAMETER_TYPES.contains(&kind.as_str()) {
        return Err(Refusal::invalid(format!("Invalid type specified for parameter {name}: {kind}")));
    }
    let format = told("validationformat").unwrap_or("NONE").to_uppercase();
    let mut shown = json!({"name": name, "type": kind, "validationformat": format, "required": told("required") == Some("true")});
    if let (Some(options), Some(members)) = (told("valueoptions"), shown.as_object_mut()) {
        members.insert("valueoptions".to_owned(), options.split(',').map(str::trim).collect());
    }
    Ok(shown)
}

/// Who may run an action and what it takes.
fn dress(turn: &mut Turn<'_>, action: Handle) -> Result<(), Refusal> {
    let mut roles: Vec<&str> = turn.arguments.list("allowedroletypes");
    let told = !roles.is_empty();
    if !roles.contains(&ADMIN) {
        roles.insert(0, ADMIN);
    }
    let roles: Value = roles.into_iter().collect();
    let parameters: Vec<Value> = turn.arguments.records("parameters").map(parameter).collect::<Result<_, _>>()?;
    if told || turn.world.tree(action, "allowedroletypes").is_none() {
        turn.world.set(action, "allowedroletypes", roles);
    }
    if !parameters.is_empty() {
        turn.world.set(action, "parameters", Value::Array(parameters));
    }
    recipe::apply(turn, action, Put::Or("resourcetype", Constant::Text(MACHINE)));
    Ok(())
}

/// The word for the caller's type of role.
fn role_word<'a>(turn: &'a Turn<'_>) -> &'a str {
    turn.world.text(turn.caller.role, "type").unwrap_or_default()
}

fn may_run(turn: &Turn<'_>, action: Handle) -> bool {
    let allowed = turn.world.tree(action, "allowedroletypes").and_then(Value::as_array);
    allowed.is_some_and(|roles| roles.iter().any(|role| role.as_str() == Some(role_word(turn))))
}

fn list_actions(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("extensioncustomaction");
    if turn.caller.is_root() {
        return list::list(turn, kind);
    }
    let mine: Vec<Handle> = turn.world.rows(kind).filter(|action| turn.world.flag(*action, "enabled") && may_run(turn, *action)).collect();
    list::list_where(turn, kind, move |_, action| mine.contains(&action))
}

fn run(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let action = turn.target("customactionid")?;
    let id = turn.needed("resourceid")?;
    let vm = parse_id(&id).and_then(|id| turn.world.by_id(id)).filter(|row| row.kind == turn.world.kind("virtualmachine") && turn.may_use(*row));
    let Some(vm) = vm else { return Err(Refusal::invalid(format!("Unable to find a VirtualMachine with ID {id}"))) };
    if !may_run(turn, action) {
        return Err(Refusal::forbidden("Action is not allowed for the caller's role"));
    }
    let extension = turn.world.link(action, "extensionid");
    let is_on = turn.world.flag(action, "enabled") && extension.is_some_and(|extension| turn.world.text(extension, "state") != Some("Disabled"));
    if !is_on {
        return Err(Refusal::failed("Action is not enabled"));
    }
    let given = turn.arguments.merged("parameters");
    check_parameters(turn.world, action, &given)?;
    Ok(turn.job(vm, WORK_SHORT, move |turn| {
        let cluster = turn.world.link(vm, "host").and_then(|host| turn.world.link(host, "cluster")).map(|cluster| turn.world.id(cluster));
        let is_registered = extension
            .is_some_and(|extension| registrations(turn.world, extension).iter().any(|entry| entry.get("id").and_then(Value::as_str) == cluster.as_deref()));
        let message = message(turn.world, action, vm, is_registered);
        let details = if is_registered { "" } else { "the cluster of the Instance has no such extension" };
        let shown = json!({
            "id": turn.world.id(action), "name": turn.world.string(action, "name"), "success": is_registered,
            "result": {"message": message, "details": details},
        });
        Ok(Outcome::Shown("customactionresult".to_owned(), shown.to_string()))
    }))
}

/// Refuses what an action cannot be called with.
fn check_parameters(world: &World, action: Handle, given: &Entry) -> Result<(), Refusal> {
    let declared = world.tree(action, "parameters").and_then(Value::as_array).cloned().unwrap_or_default();
    for parameter in declared.iter().filter_map(Value::as_object) {
        let text = |key: &str| parameter.get(key).and_then(Value::as_str).unwrap_or_default();
        let name = text("name");
        let Some(value) = given.get(name) else {
            if parameter.get("required") == Some(&json!(true)) {
                return Err(Refusal::invalid(format!("Missing or empty required parameter: {name}")));
            }
            continue;
        };
        let options = parameter.get("valueoptions").and_then(Value::as_array);
        let is_right = match text("type") {
            "NUMBER" => value.parse::<f64>().is_ok(),
            "BOOLEAN" => ["true", "false"].contains(&value.as_str()),
            "UUID" => parse_id(value).is_some(),
            "DATE" => crate::dates::parse(value).is_some(),
            _ => true,
        };
        if !is_right || options.is_some_and(|options| !options.contains(&json!(value))) {
            return Err(Refusal::invalid(format!("Invalid value for parameter '{name}': {value}")));
        }
    }
    Ok(())
}

/// What an action says at its end: its own text with the names put in, or a plain one.
fn message(world: &World, action: Handle, vm: Handle, is_well: bool) -> String {
    let field = if is_well { "successmessage" } else { "errormessage" };
    let name = world.string(action, "name");
    let extension = world.link(action, "extensionid").map(|extension| world.string(extension, "name")).unwrap_or_default();
    let plain = if is_well { format!("Successfully completed {name}") } else { format!("Failed to complete {name}") };
    let names = [("{{actionName}}", name), ("{{extensionName}}", extension), ("{{resourceName}}", world.string(vm, "name"))];
    let told = world.text(action, field).map_or(plain, str::to_owned);
    names.iter().fold(told, |told, (key, text)| told.replace(key, text))
}
