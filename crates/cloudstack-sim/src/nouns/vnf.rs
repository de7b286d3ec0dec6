//! Network appliances: templates of machines that do the work of routers, and the machines made from them.
//!
//! They are templates and machines like others; what is told of their NICs and of the way to their console is kept beside.

use serde_json::{Value, json};

use super::{Tables, image, vm};
use crate::{
    list,
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Handle, World},
};

/// The type of such templates.
const TYPE: &str = "VNF";
/// The ways to the console of an appliance.
const ACCESS: [&str; 5] = ["console", "ssh-password", "ssh-key", "http", "https"];

/// The commands of appliances.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("registerVnfTemplate", register),
        ("updateVnfTemplate", update),
        ("deleteVnfTemplate", |turn| checked(turn, "id").and_then(|_| image::delete(turn))),
        ("listVnfTemplates", list_templates),
        ("deployVnfAppliance", |turn| checked(turn, "templateid").and_then(|_| vm::deploy(turn))),
        ("listVnfAppliances", list_appliances),
    ],
    filters: &[],
};

fn is_vnf(world: &World, image: Handle) -> bool {
    world.text(image, "templatetype") == Some(TYPE)
}

/// The template that an argument names, if it is one of an appliance.
fn checked(turn: &Turn<'_>, argument: &str) -> Result<Handle, Refusal> {
    let template = turn.target(argument)?;
    if is_vnf(turn.world, template) {
        return Ok(template);
    }
    Err(Refusal::invalid(format!("Template {} is not a VNF template", turn.world.string(template, "name"))))
}

/// The NICs that a call tells of, in their order: none is left out, none told twice, each has a name.
fn nics(turn: &Turn<'_>) -> Result<Vec<Value>, Refusal> {
    let mut told = Vec::new();
    for record in turn.arguments.records("vnfnics") {
        let text = |key: &str| record.get(key).map(String::as_str).filter(|text| !text.is_empty());
        let device: i64 = text("deviceid").and_then(|text| text.parse().ok()).ok_or_else(|| Refusal::invalid("VNF nic needs a deviceid that is a number"))?;
        let Some(name) = text("name") else { return Err(Refusal::invalid(format!("VNF nic {device} needs a name"))) };
        let is_true = |key: &str| text(key).is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let shown = json!({
            "deviceid": device, "name": name, "required": text("required").is_none_or(|text| text.eq_ignore_ascii_case("true")),
            "management": is_true("management"), "description": text("description").unwrap_or_default(),
        });
        told.push((device, shown));
    }
    told.sort_by_key(|(device, _)| *device);
    if told.iter().zip(0_i64..).any(|((device, _), expected)| *device != expected) {
        return Err(Refusal::invalid("deviceid of VNF nics must start with 0 and be consecutive"));
    }
    Ok(told.into_iter().map(|(_, shown)| shown).collect())
}

/// What a call tells of the way to the console.
fn details(turn: &Turn<'_>) -> Result<Option<Value>, Refusal> {
    let told = turn.arguments.merged("vnfdetails");
    let methods = told.iter().filter(|(key, _)| key.eq_ignore_ascii_case("accessMethods")).flat_map(|(_, methods)| methods.split(','));
    if let Some(wrong) = methods.map(str::trim).find(|method| !ACCESS.contains(method)) {
        return Err(Refusal::invalid(format!("Invalid VNF access method found: {wrong}")));
    }
    Ok((!told.is_empty()).then(|| json!(told)))
}

fn note(turn: &mut Turn<'_>, template: Handle, nics: Vec<Value>, details: Option<Value>) {
    if !nics.is_empty() {
        turn.world.set(template, "vnfnics", Value::Array(nics));
    }
    if let Some(details) = details {
        turn.world.set(template, "vnfdetails", details);
    }
}

fn register(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (nics, details) = (nics(turn)?, details(turn)?);
    let outcome = image::register_template(turn)?;
    if let Outcome::List(rows, _) = &outcome {
        for template in rows {
            turn.world.set(*template, "templatetype", TYPE);
            note(turn, *template, nics.clone(), details.clone());
        }
    }
    Ok(outcome)
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let template = checked(turn, "id")?;
    let (nics, details) = (nics(turn)?, details(turn)?);
    for (flag, field) in [("cleanupvnfnics", "vnfnics"), ("cleanupvnfdetails", "vnfdetails")] {
        if turn.arguments.flag(flag) {
            turn.world.unset(template, field);
        }
    }
    note(turn, template, nics, details);
    image::update(turn)
}

/// The rows of a list that fulfil a condition.
fn kept(turn: &Turn<'_>, outcome: Outcome, keep: impl Fn(&World, Handle) -> bool) -> Outcome {
    match outcome {
        Outcome::List(rows, _) => {
            let rows: Vec<Handle> = rows.into_iter().filter(|row| keep(turn.world, *row)).collect();
            let count = rows.len();
            Outcome::List(rows, count)
        }
        other => other,
    }
}

fn list_templates(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let listed = image::list_templates(turn)?;
    Ok(kept(turn, listed, is_vnf))
}

fn list_appliances(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("virtualmachine");
    list::list_where(turn, kind, |world, vm| world.link(vm, "template").is_some_and(|template| is_vnf(world, template)))
}
