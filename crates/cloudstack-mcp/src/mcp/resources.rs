//! The catalog as resources: a description of each command, and the families.

use cloudstack_api::catalog::Catalog;
use cloudstack_engine::{DescribeRequest, Details, Engine, Report};
use rmcp::{
    ErrorData,
    model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate},
};
use serde_json::{Value, json};

/// The template of a command's description.
pub(super) const COMMAND_TEMPLATE: &str = "cloudstack://command/{name}";
const COMMAND_PREFIX: &str = "cloudstack://command/";
const FAMILIES: &str = "cloudstack://families";
const JSON: &str = "application/json";

/// The resources that stand alone.
pub(super) fn list() -> Vec<Resource> {
    vec![
        Resource::new(FAMILIES, "families")
            .with_title("Families of commands")
            .with_description("The families (toolsets) that the commands are in, with what each is about and how many commands it has.")
            .with_mime_type(JSON),
    ]
}

/// The resources with a name to fill in.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new(COMMAND_TEMPLATE, "command")
            .with_title("Description of a command")
            .with_description("All that is known of one command: what it does, its parameters, reply fields, risk, roles and examples.")
            .with_mime_type(JSON),
    ]
}

/// The contents of a resource.
///
/// # Errors
///
/// `-32002`, or `-32602` in the newer era, if there is no such resource.
pub(super) fn read(engine: &Engine, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let value = if uri == FAMILIES {
        families(engine).map_err(|report| missing(uri, &report))?
    } else if let Some(name) = uri.strip_prefix(COMMAND_PREFIX).filter(|name| !name.is_empty()) {
        let request = DescribeRequest { command: name.to_owned(), details: Details::Full, profile: None };
        engine.describe(&request).map_err(|report| missing(uri, &report))?
    } else {
        return Err(ErrorData::resource_not_found(format!("there is no resource `{uri}`"), Some(json!({"uri": uri}))));
    };
    Ok(ReadResourceResult::new(vec![ResourceContents::text(value.to_string(), uri).with_mime_type(JSON)]))
}

/// The commands whose names begin with what was typed, then those that contain it.
pub(super) fn complete(catalog: &Catalog, typed: &str) -> Vec<String> {
    let typed = typed.to_ascii_lowercase();
    let place = |name: &str| name.to_ascii_lowercase().find(&typed);
    let mut names: Vec<(usize, String)> = catalog.commands().filter_map(|command| Some((place(&command.name)?.min(1), command.name.clone()))).collect();
    names.sort();
    names.into_iter().map(|(_, name)| name).collect()
}

fn families(engine: &Engine) -> Result<Value, Report> {
    let catalog = engine.catalog(None)?;
    let row = |family: cloudstack_api::catalog::Family| {
        let commands = catalog.commands().filter(|command| command.family == family.name).count();
        json!({"name": family.name, "title": family.title, "text": family.text, "area": family.area, "commands": commands})
    };
    Ok(catalog.families().into_iter().map(row).collect())
}

fn missing(uri: &str, report: &Report) -> ErrorData {
    ErrorData::resource_not_found(report.message.clone(), Some(json!({"uri": uri, "hints": report.hints})))
}

#[cfg(test)]
mod tests {
    use cloudstack_api::catalog::Release;

    use super::*;

    #[test]
    fn completion_puts_beginnings_first_and_knows_no_case() {
        let names = complete(&Catalog::embedded(Release::NEWEST), "virtualm");
        assert!(names.iter().all(|name| name.to_ascii_lowercase().contains("virtualm")), "{names:?}");
        let names = complete(&Catalog::embedded(Release::NEWEST), "DEPLOY");
        assert!(names.first().is_some_and(|name| name.starts_with("deploy")), "{names:?}");
    }
}
