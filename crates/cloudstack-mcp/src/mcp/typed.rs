//! The typed tools: one a command, made from its row in the catalog.
//!
//! Names, texts, annotations and schemas are derived; nothing here knows any particular command.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use cloudstack_api::{
    catalog::{Catalog, Command, Risk},
    schema,
};
use cloudstack_engine::{Report, RunRequest, Scope, Shape};
use rmcp::model::{JsonObject, Tool as Definition};
use serde_json::{Map, Value, json};

use super::{
    approval::Token,
    arguments::Arguments,
    tools::{Answering, Call, Effect, Tool, object},
};

/// The longest name of a tool: what the strictest hosts leave after their own prefixes.
const NAME_LETTERS_MAX: usize = 40;
/// The longest description: where hosts begin to cut.
const TEXT_BYTES_MAX: usize = 2_000;
/// What sets our own arguments apart from those of the command.
const OWN_PREFIX: char = '_';

/// The parameters by which a list is read in pages.
const PAGING: [&str; 2] = ["page", "pagesize"];
/// What a full stop belongs to without ending a sentence.
const ABBREVIATIONS: [&str; 3] = ["e.g", "i.e", "etc"];

/// Words that are shortened in names that would be too long, one after the other until the name fits.
const SHORT_WORDS: [(&str, &str); 16] = [
    ("virtual_machines", "vms"),
    ("virtual_machine", "vm"),
    ("tungsten_fabric", "tungsten"),
    ("out_of_band_management", "oobm"),
    ("shared_file_system", "sharedfs"),
    ("two_factor", "2fa"),
    ("kubernetes", "k8s"),
    ("certificates", "certs"),
    ("certificate", "cert"),
    ("authentication", "auth"),
    ("authenticator", "auth"),
    ("application", "app"),
    ("management", "mgmt"),
    ("secondary", "sec"),
    ("network", "net"),
    ("supported_", ""),
];
/// What is shortened where the words above do not suffice.
const SHORT_WORDS_MORE: [(&str, &str); 9] = [
    ("offerings", "offers"),
    ("offering", "offer"),
    ("compatible", "compat"),
    ("affected_", ""),
    ("allowed", "may"),
    ("storage", "store"),
    ("gateway", "gw"),
    ("logical_", ""),
    ("template", "tmpl"),
];

/// What the settings say about typed tools as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    /// Whether only commands of risk `read` have one.
    pub(super) read_only: bool,
    /// Whether there is more than one profile to choose from.
    pub(super) has_profiles: bool,
}

/// The tool of one command.
pub(super) struct CommandTool {
    definition: Definition,
    command: Arc<Command>,
}

/// The tools of all commands in scope, sorted by command.
pub(super) fn all(catalog: &Catalog, scope: &Scope, choice: Choice) -> Vec<Arc<dyn Tool>> {
    let names = names(catalog);
    let visible = catalog.commands().filter(|command| scope.allows(&command.name) && (!choice.read_only || command.risk == Risk::Read));
    visible
        .filter_map(|command| {
            let name = names.get(&command.name)?.clone();
            Some(Arc::new(CommandTool::new(catalog, command, name, choice)) as Arc<dyn Tool>)
        })
        .collect()
}

/// The command whose tool has this name.
pub(super) fn command_of_tool(catalog: &Catalog, tool: &str) -> Option<Arc<Command>> {
    let names = names(catalog);
    let command = names.iter().find(|(_, name)| *name == tool).map(|(command, _)| command)?;
    catalog.command(command)
}

/// The name of every command's tool. The same in every release that has the command.
fn names(catalog: &Catalog) -> HashMap<String, String> {
    let mut taken = HashSet::new();
    let commands = catalog.commands().map(|command| command.name.clone());
    commands
        .map(|command| {
            let name = unique(&tool_name(&command), &mut taken);
            (command, name)
        })
        .collect()
}

/// The name with a number behind it where another command has it already.
fn unique(name: &str, taken: &mut HashSet<String>) -> String {
    let mut candidate = name.to_owned();
    let mut number = 2_u32;
    while !taken.insert(candidate.clone()) {
        let suffix = format!("_{number}");
        candidate = format!("{}{suffix}", cut(name, NAME_LETTERS_MAX - suffix.len()));
        number += 1;
    }
    candidate
}

/// The command's name in snake case, its words shortened until it fits.
fn tool_name(command: &str) -> String {
    let mut name = schema::snake_case(command);
    for (long, short) in SHORT_WORDS.iter().chain(&SHORT_WORDS_MORE) {
        if name.len() <= NAME_LETTERS_MAX {
            break;
        }
        name = name.replace(long, short);
    }
    cut(&name, NAME_LETTERS_MAX).to_owned()
}

/// At most so many bytes, not within a letter.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default();
    text.get(..end).unwrap_or_default()
}

impl CommandTool {
    fn new(catalog: &Catalog, command: Arc<Command>, name: String, choice: Choice) -> Self {
        let words = catalog.words(&command);
        let mut input = schema::input(catalog, &command);
        // The schema does not name all that is understood: pages, and arguments of ours that rarely make sense.
        input.remove("additionalProperties");
        if let Some(properties) = input.get_mut("properties").and_then(Value::as_object_mut) {
            shorten(properties, &command);
            properties.extend(own_arguments(&command, choice));
        }
        let mut definition = Definition::new(name, text(&command, &words.text, words.undo.as_deref()), input)
            .with_title(words.title.clone())
            .with_annotations(effect(&command).annotations(None));
        if let Some(output) = schema::output(&command) {
            definition = definition.with_raw_output_schema(Arc::new(output));
        }
        Self { definition, command }
    }

    /// Our own arguments, checked, and what is left for the command.
    fn split(&self, given: JsonObject) -> Result<(Arguments, Map<String, Value>), Report> {
        let (own, arguments): (JsonObject, JsonObject) = given.into_iter().partition(|(name, _)| name.starts_with(OWN_PREFIX));
        let accepted = object(json!({"properties": every_own_argument()}));
        Ok((Arguments::check(&self.definition.name, &accepted, own)?, arguments))
    }
}

impl Tool for CommandTool {
    fn definition(&self) -> &Definition {
        &self.definition
    }

    fn command(&self) -> Option<&str> {
        Some(&self.command.name)
    }

    fn call<'c>(&'c self, call: Call<'c>) -> Answering<'c> {
        Box::pin(async move {
            let (own, arguments) = self.split(call.arguments)?;
            let request = RunRequest {
                profile: own.text("_profile"),
                shape: Shape { fields: own.texts("_fields"), limit: own.count("_limit"), count_only: false },
                wait: own.seconds("_wait_seconds"),
                ..RunRequest::new(self.command.name.clone(), arguments, call.caller)
            };
            let token = own.text("_approval_token").map(|seal| Token { seal, typed: own.text("_approval_name") });
            call.approver.run(call.engine, request, token, call.watch).await
        })
    }
}

/// Cuts the words of arguments that most calls leave out to their first sentence, which names the values that people
/// use, and takes away the pages: lists are read to their end or to `_limit`. All tools together must stay within what
/// clients take in one message.
fn shorten(properties: &mut Map<String, Value>, command: &Command) {
    if command.is_list() {
        properties.retain(|name, _| !PAGING.contains(&name.as_str()));
    }
    let is_optional = |name: &str| command.parameters.iter().any(|parameter| parameter.name == name && !parameter.required);
    for property in properties.iter_mut().filter(|(name, _)| is_optional(name)).filter_map(|(_, property)| property.as_object_mut()) {
        property.remove("examples");
        if let Some(Value::String(text)) = property.get_mut("description") {
            text.truncate(first_sentence(text).len());
        }
    }
}

/// The text up to its first full stop that ends a sentence.
fn first_sentence(text: &str) -> &str {
    text.match_indices(". ").find(|(at, _)| ends_sentence(text, *at)).and_then(|(at, _)| text.get(..=at)).unwrap_or(text)
}

/// Whether a full stop ends a sentence: no small letter follows, and what precedes is no abbreviation.
fn ends_sentence(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let is_abbreviation = ABBREVIATIONS.iter().any(|short| before.ends_with(short));
    !is_abbreviation && text.get(at + 2..).is_some_and(|rest| !rest.starts_with(char::is_lowercase))
}

/// What the command can do at worst, in the protocol's hints.
fn effect(command: &Command) -> Effect {
    match command.worst_risk() {
        Risk::Read => Effect::Reads,
        Risk::Disclose | Risk::Write => Effect::Changes,
        Risk::Disrupt | Risk::Destroy | Risk::Raze => Effect::Destroys,
    }
}

/// What the command does, its risk where it has one, how to undo it.
fn text(command: &Command, text: &str, undo: Option<&str>) -> String {
    let mut whole = text.trim_end().to_owned();
    if command.worst_risk() > Risk::Read {
        whole.push_str(&format!(" Risk: {}.", command.worst_risk()));
    }
    if let Some(undo) = undo {
        whole.push_str(&format!(" Undo: {undo}"));
    }
    cut(&whole, TEXT_BYTES_MAX).to_owned()
}

/// The arguments of ours that make sense for the command.
fn own_arguments(command: &Command, choice: Choice) -> Map<String, Value> {
    let is_wanted = |name: &str| match name {
        "_profile" => choice.has_profiles,
        "_fields" | "_limit" => command.is_list(),
        "_wait_seconds" => command.is_async,
        "_approval_token" => command.worst_risk() >= Risk::Disrupt,
        "_approval_name" => command.worst_risk() == Risk::Raze,
        _ => false,
    };
    every_own_argument().into_iter().filter(|(name, _)| is_wanted(name)).collect()
}

/// All arguments of ours: each is understood by every tool, also where its schema leaves it out.
fn every_own_argument() -> Map<String, Value> {
    object(json!({
        "_profile": {"type": "string"},
        "_fields": {"type": "array", "items": {"type": "string"}},
        "_limit": {"type": "integer"},
        "_wait_seconds": {"type": "integer"},
        "_approval_token": {"type": "string"},
        "_approval_name": {"type": "string"},
    }))
}

#[cfg(test)]
mod tests {
    use cloudstack_api::catalog::{Family, Release};

    use super::*;

    const CHOICE: Choice = Choice { read_only: false, has_profiles: true };

    fn releases() -> [Catalog; 2] {
        [Release::OLDEST, Release::NEWEST].map(Catalog::embedded)
    }

    #[test]
    fn names_are_short_unique_and_the_same_in_every_release() {
        let [old, new] = releases().map(|catalog| names(&catalog));
        for names in [&old, &new] {
            let distinct: HashSet<&String> = names.values().collect();
            assert_eq!(distinct.len(), names.len());
            for name in names.values() {
                assert!(name.len() <= NAME_LETTERS_MAX && !name.ends_with('_'), "{name}");
                assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'), "{name}");
                assert!(!name.ends_with("_2"), "{name} had to be numbered: shorten its words otherwise");
            }
        }
        for (command, name) in &old {
            assert!(new.get(command).is_none_or(|newer| newer == name), "{command}");
        }
    }

    #[test]
    fn every_tool_says_all_that_hosts_ask_for() {
        for catalog in releases() {
            let tools = all(&catalog, &Scope::All, CHOICE);
            assert!(tools.len() > 600, "{}", tools.len());
            for tool in tools {
                let definition = tool.definition();
                let text = definition.description.as_deref().unwrap_or_default();
                assert!(!text.is_empty() && text.len() < 2_048, "{}: {} bytes", definition.name, text.len());
                assert!(definition.title.as_ref().is_some_and(|title| !title.is_empty()), "{}", definition.name);
                let hints = definition.annotations.as_ref().unwrap();
                assert!(hints.read_only_hint.is_some() && hints.destructive_hint.is_some(), "{}", definition.name);
                assert!(hints.idempotent_hint.is_some() && hints.open_world_hint == Some(false), "{}", definition.name);
                assert!(hints.read_only_hint != hints.destructive_hint || hints.read_only_hint == Some(false), "{}", definition.name);
                assert_eq!(definition.input_schema["type"], "object", "{}", definition.name);
                assert!(definition.input_schema["properties"].is_object(), "{}", definition.name);
            }
        }
    }

    /// The official Python client takes no event of more bytes, which is how servers answer it over HTTP.
    const LIST_BYTES_MAX: usize = 1 << 20;
    /// What stands around the tools.
    const ENVELOPE_BYTES: usize = 4_096;

    #[test]
    fn all_tools_that_nobody_has_to_name_fit_in_one_message() {
        for catalog in releases() {
            let plugins: HashSet<String> = catalog.families().into_iter().filter(Family::is_plugin).map(|family| family.name).collect();
            let usual = catalog.commands().filter(|command| !plugins.contains(&command.family)).map(|command| command.name.clone());
            let tools = all(&catalog, &Scope::Commands(usual.collect()), CHOICE);
            assert!(tools.len() > 700, "{}", tools.len());
            let definitions: Vec<&Definition> = tools.iter().map(|tool| tool.definition()).collect();
            let bytes = serde_json::to_string(&definitions).unwrap().len();
            assert!(bytes + ENVELOPE_BYTES < LIST_BYTES_MAX, "{bytes} bytes");
        }
    }

    #[test]
    fn optional_arguments_are_told_in_one_sentence_and_required_ones_in_full() {
        assert_eq!(first_sentence("Disk, e.g. a volume; see listVolumes. Excludes `id`."), "Disk, e.g. a volume; see listVolumes.");
        assert_eq!(first_sentence("Default: the setting vm.stats.increment.metrics."), "Default: the setting vm.stats.increment.metrics.");
        let catalog = Catalog::embedded(Release::NEWEST);
        let command = catalog.command("listVirtualMachines").unwrap();
        let tool = CommandTool::new(&catalog, command, "list_virtual_machines".to_owned(), CHOICE);
        let properties = tool.definition.input_schema["properties"].as_object().unwrap().clone();
        assert!(!properties.contains_key("page") && properties.contains_key("_limit"), "{properties:?}");
        let tool = |name: &str| CommandTool::new(&catalog, catalog.command(name).unwrap(), name.to_owned(), CHOICE);
        let told = |tool: &CommandTool, argument: &str| tool.definition.input_schema["properties"][argument]["description"].as_str().unwrap().to_owned();
        assert_eq!(told(&tool("listVirtualMachines"), "isrecursive"), "true includes the child domains of `domainid`.");
        let whole = schema::input(&catalog, &catalog.command("createTags").unwrap());
        assert_eq!(told(&tool("createTags"), "resourcetype"), whole["properties"]["resourcetype"]["description"].as_str().unwrap());
    }

    #[test]
    fn reading_alone_leaves_no_tool_that_acts() {
        let catalog = Catalog::embedded(Release::NEWEST);
        let tools = all(&catalog, &Scope::All, Choice { read_only: true, ..CHOICE });
        let acting = tools.iter().filter(|tool| tool.definition().annotations.as_ref().is_some_and(|hints| hints.destructive_hint == Some(true)));
        let acting: Vec<_> =
            acting.filter_map(|tool| command_of_tool(&catalog, &tool.definition().name)).filter(|command| command.risk != Risk::Read).collect();
        assert!(!tools.is_empty() && acting.is_empty(), "{acting:?}");
    }

    #[test]
    fn a_name_that_is_too_long_is_shortened_by_its_words() {
        assert_eq!(tool_name("removeVirtualMachineFromBackupOffering"), "remove_vm_from_backup_offering");
        assert_eq!(tool_name("deployVirtualMachine"), "deploy_virtual_machine");
    }
}
