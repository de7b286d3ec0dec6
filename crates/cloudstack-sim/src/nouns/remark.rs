//! What people attach to objects of any kind: comments, icons, and details.

use serde_json::json;

use super::{
    Tables,
    recipe::{self, Put},
};
use crate::{
    json::Json,
    kind::{CREATED, Constant, ID, Member, Noun, Shown, computed, linked, own, own_or},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Datum, Handle, parse_id},
};

/// What comments may be about: CloudStack's word for it, and the kind here.
const COMMENTED: &[(&str, &str)] = &[
    ("VM", "virtualmachine"),
    ("VOLUME", "volume"),
    ("SNAPSHOT", "snapshot"),
    ("VM_SNAPSHOT", "vmsnapshot"),
    ("INSTANCE_GROUP", "instancegroup"),
    ("SSH_KEYPAIR", "sshkeypair"),
    ("NETWORK", "network"),
    ("VPC", "vpc"),
    ("PUBLIC_IP_ADDRESS", "ipaddress"),
    ("VPN_CUSTOMER_GATEWAY", "vpncustomergateway"),
    ("TEMPLATE", "template"),
    ("ISO", "iso"),
    ("KUBERNETES_CLUSTER", "kubernetescluster"),
    ("SERVICE_OFFERING", "serviceoffering"),
    ("DISK_OFFERING", "diskoffering"),
    ("NETWORK_OFFERING", "networkoffering"),
    ("ZONE", "zone"),
    ("POD", "pod"),
    ("CLUSTER", "cluster"),
    ("HOST", "host"),
    ("DOMAIN", "domain"),
    ("PRIMARY_STORAGE", "storagepool"),
    ("SECONDARY_STORAGE", "imagestore"),
    ("VR", "router"),
    ("SYSTEM_VM", "systemvm"),
    ("AUTOSCALE_VM_GROUP", "autoscalevmgroup"),
    ("MANAGEMENT_SERVER", "managementserver"),
];
/// The first bytes of pictures that icons may be, in base64: PNG, GIF, JPEG, BMP.
const PICTURES: &[&str] = &["iVBORw0KGgo", "R0lGOD", "/9j/", "Qk"];
/// No picture has fewer letters in base64.
const PICTURE_MIN: usize = 64;

/// A comment.
pub(crate) const COMMENT_NOUN: Noun = Noun {
    word: "annotation",
    entities: &["AnnotationResponse"],
    resource: "Annotation",
    owned: false,
    keywords: &["annotation"],
    newest_first: true,
    view: &[
        ID,
        own("entitytype"),
        linked("entityid", "entity", "id"),
        own("entityname"),
        own("annotation"),
        linked("userid", "user", "id"),
        linked("username", "user", "username"),
        own_or("adminsonly", Constant::Flag(false)),
        CREATED,
    ],
};

/// An icon.
pub(crate) const ICON_NOUN: Noun = Noun {
    word: "icon",
    entities: &["ResourceIconResponse"],
    resource: "ResourceIcon",
    owned: false,
    keywords: &[],
    newest_first: false,
    view: &[own("base64image"), own("resourcetype"), linked("resourceid", "resource", "id")],
};

/// The icon of an object, in lists that are asked for icons.
pub(crate) const ICON_MEMBER: Member = computed("icon", |world, row, viewer| {
    let icon = world.referring("icon", "resource", row).next()?;
    let mut json = Json::default();
    world.render(icon, viewer, &mut json);
    Some(Shown::Raw(json.into_text()))
});

/// The commands of what is attached.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("addAnnotation", comment),
        ("listAnnotations", list_comments),
        ("removeAnnotation", remove_comment),
        ("updateAnnotationVisibility", show_comment),
        ("uploadResourceIcon", upload),
        ("listResourceIcon", list_icons),
        ("deleteResourceIcon", delete_icons),
        ("addResourceDetail", add_details),
        ("removeResourceDetail", remove_details),
        ("listResourceDetails", list_details),
    ],
    filters: &[],
};

fn entity(turn: &Turn<'_>) -> Result<Option<Handle>, Refusal> {
    let kind = turn.arguments.text("entitytype");
    let known = kind.and_then(|kind| COMMENTED.iter().find(|(word, _)| *word == kind));
    match (kind, known, turn.arguments.text("entityid")) {
        (None, _, None) => Ok(None),
        (Some(kind), None, _) => Err(Refusal::invalid(format!("Invalid entity type: {kind}"))),
        (Some(_), Some((_, kind)), Some(id)) => {
            let found = parse_id(id).and_then(|id| turn.world.by_id(id)).filter(|row| row.kind == turn.world.kind(kind));
            found.map(Some).ok_or_else(|| Refusal::invalid(format!("Unable to find entity by ID: {id}")))
        }
        (Some(_), Some(_), None) => Ok(None),
        (None, _, Some(_)) => Err(Refusal::invalid("Entity type must be specified with entity ID")),
    }
}

/// What a comment calls the object: machines by their names within the hypervisor.
fn entity_name(turn: &Turn<'_>, entity: Handle) -> String {
    let names = ["instancename", "name", "ipaddress"];
    names.iter().find_map(|name| turn.world.text(entity, name)).unwrap_or_default().to_owned()
}

fn comment(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let entity = entity(turn)?.ok_or_else(|| Refusal::invalid("Unable to add a comment without an entity"))?;
    if !turn.may_use(entity) {
        return Err(Refusal::permission());
    }
    let fields: Vec<(&str, Datum)> = vec![
        ("entitytype", turn.needed("entitytype")?.into()),
        ("entity", entity.into()),
        ("entityname", entity_name(turn, entity).into()),
        ("annotation", turn.arguments.given("annotation").unwrap_or_default().into()),
        ("user", turn.caller.user.into()),
        ("adminsonly", (turn.arguments.flag("adminsonly") && turn.caller.is_root()).into()),
    ];
    let kind = turn.world.kind("annotation");
    let made = turn.world.insert(kind, None, &fields);
    Ok(Outcome::Object(made))
}

fn list_comments(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("annotation");
    let entity = entity(turn)?;
    let mine = turn.arguments.text("annotationfilter") == Some("self");
    let (caller, root) = (turn.caller, turn.caller.is_root());
    let user = turn.arguments.text("userid").and_then(parse_id).and_then(|id| turn.world.by_id(id));
    let wanted = turn.arguments.text("id").map(str::to_owned);
    let visible: Vec<Handle> = {
        let may_see = |row: &Handle| {
            let about = turn.world.link(*row, "entity");
            about.is_some_and(|about| turn.may_use(about)) && (root || !turn.world.flag(*row, "adminsonly"))
        };
        turn.world.rows(kind).filter(may_see).collect()
    };
    list::list_where(turn, kind, |world, row| {
        visible.contains(&row)
            && entity.is_none_or(|entity| world.link(row, "entity") == Some(entity))
            && wanted.as_ref().is_none_or(|id| world.id(row) == *id)
            && user.is_none_or(|user| world.link(row, "user") == Some(user))
            && (!mine || world.link(row, "user") == Some(caller.user))
    })
}

fn chosen_comment(turn: &Turn<'_>) -> Result<Handle, Refusal> {
    let id = turn.needed("id")?;
    let found = parse_id(&id).and_then(|id| turn.world.by_id(id)).filter(|row| row.kind == turn.world.kind("annotation"));
    let Some(found) = found else { return Err(Refusal::invalid(format!("Annotation does not exist: {id}"))) };
    let may = turn.caller.is_root() || turn.world.link(found, "user") == Some(turn.caller.user);
    if may { Ok(found) } else { Err(Refusal::internal("a comment is removed by the one who wrote it, or by root")) }
}

fn remove_comment(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let comment = chosen_comment(turn)?;
    let shown = turn.body(&Outcome::Object(comment));
    turn.world.remove(comment);
    Ok(Outcome::Flat(shown))
}

fn show_comment(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let comment = chosen_comment(turn)?;
    recipe::apply(turn, comment, Put::Flag("adminsonly"));
    Ok(Outcome::Object(comment))
}

/// The object with an id, whatever the type says: its word is CloudStack's, and ids tell more.
fn resource(turn: &Turn<'_>, id: &str) -> Result<Handle, Refusal> {
    let found = parse_id(id).and_then(|id| turn.world.by_id(id));
    match found {
        Some(found) if turn.may_use(found) => Ok(found),
        Some(_) => Err(Refusal::permission()),
        None => Err(Refusal::invalid(format!("Unable to find resource by id {id} and type {}", turn.arguments.text("resourcetype").unwrap_or_default()))),
    }
}

fn resources(turn: &Turn<'_>) -> Result<Vec<Handle>, Refusal> {
    turn.arguments.list("resourceids").into_iter().map(|id| resource(turn, id)).collect()
}

fn icons(turn: &Turn<'_>, resources: &[Handle]) -> Vec<Handle> {
    let kind = turn.world.kind("icon");
    turn.world.rows(kind).filter(|icon| turn.world.link(*icon, "resource").is_some_and(|resource| resources.contains(&resource))).collect()
}

fn upload(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let image = turn.needed("base64image")?;
    let body = image.split_once("base64,").map_or(image.as_str(), |(_, body)| body);
    if body.len() < PICTURE_MIN || !PICTURES.iter().any(|start| body.starts_with(start)) {
        return Err(Refusal::failed("Invalid image uploaded"));
    }
    let resources = resources(turn)?;
    let word = turn.needed("resourcetype")?;
    icons(turn, &resources).into_iter().for_each(|icon| turn.world.remove(icon));
    let kind = turn.world.kind("icon");
    for resource in resources {
        turn.world.insert(kind, None, &[("base64image", image.as_str().into()), ("resourcetype", word.as_str().into()), ("resource", resource.into())]);
    }
    Ok(Outcome::Success)
}

fn list_icons(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rows = icons(turn, &resources(turn)?);
    let count = rows.len();
    Ok(Outcome::List(rows, count))
}

fn delete_icons(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rows = icons(turn, &resources(turn)?);
    if rows.is_empty() {
        return Err(Refusal::failed("Failed to delete resource image"));
    }
    rows.into_iter().for_each(|icon| turn.world.remove(icon));
    Ok(Outcome::Success)
}

/// The details of an object as lists of them tell: those that people set, and for machines those that servers note.
fn all_details(turn: &Turn<'_>, resource: Handle) -> serde_json::Map<String, serde_json::Value> {
    if resource.kind == turn.world.kind("virtualmachine") { super::vm::all_details(turn.world, resource) } else { details(turn, resource) }
}

/// The details of an object that people set, of which it has one map.
fn details(turn: &Turn<'_>, resource: Handle) -> serde_json::Map<String, serde_json::Value> {
    turn.world.tree(resource, "details").and_then(serde_json::Value::as_object).cloned().unwrap_or_default()
}

fn add_details(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let id = turn.needed("resourceid")?;
    let given: Vec<(String, String)> =
        turn.arguments.records("details").filter_map(|entry| Some((entry.get("key")?.clone(), entry.get("value")?.clone()))).collect();
    if given.is_empty() {
        return Err(Refusal::invalid("The details parameter is not right: keys and values are needed"));
    }
    let subject = turn.caller.account;
    Ok(turn.job(subject, WORK_SHORT, move |turn| {
        let resource = resource(turn, &id)?;
        let mut known = details(turn, resource);
        known.extend(given.into_iter().map(|(key, value)| (key, json!(value))));
        turn.world.set(resource, "details", serde_json::Value::Object(known));
        Ok(Outcome::Success)
    }))
}

fn remove_details(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let id = turn.needed("resourceid")?;
    let key = turn.arguments.text("key").map(str::to_owned);
    let subject = turn.caller.account;
    Ok(turn.job(subject, WORK_SHORT, move |turn| {
        let resource = resource(turn, &id)?;
        let mut known = details(turn, resource);
        match key {
            Some(key) => drop(known.remove(&key)),
            None => known.clear(),
        }
        turn.world.set(resource, "details", serde_json::Value::Object(known));
        Ok(Outcome::Success)
    }))
}

fn list_details(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let word = turn.needed("resourcetype")?;
    let Some(id) = turn.arguments.text("resourceid").map(str::to_owned) else { return Ok(Outcome::Rendered(String::new(), 0)) };
    let resource = resource(turn, &id)?;
    let (key, value) = (turn.arguments.text("key"), turn.arguments.text("value"));
    let mut json = Json::default();
    let mut count = 0;
    for (name, text) in all_details(turn, resource) {
        let text = text.as_str().map_or_else(|| text.to_string(), str::to_owned);
        if key.is_some_and(|key| key != name) || value.is_some_and(|value| value != text) {
            continue;
        }
        json.open();
        json.member("resourceid", &id);
        json.member("resourcetype", &word);
        json.member("key", &name);
        json.member("value", &text);
        json.key("fordisplay");
        json.flag(true);
        json.close();
        count += 1;
    }
    Ok(Outcome::Rendered(json.into_text(), count))
}
