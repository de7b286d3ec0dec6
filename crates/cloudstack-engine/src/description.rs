//! What a command does and what it takes, for a reader who must choose it and fill it in. Pure.

use std::sync::Arc;

use cloudstack_api::catalog::{Catalog, Command, Field, Parameter, ParameterType, When, Words};
use serde_json::{Map, Value, json};

use crate::request::Details;

/// How many values of a parameter a brief description names.
const VALUES_MAX: usize = 12;
/// How deep the fields of a reply are told.
const DEPTH_MAX: usize = 2;

/// Describes a command.
pub(crate) fn describe(catalog: &Catalog, command: &Arc<Command>, details: Details) -> Value {
    let words = catalog.words(command);
    let mut value = Map::new();
    let mut put = |name: &str, member: Value| {
        if !member.is_null() {
            value.insert(name.to_owned(), member);
        }
    };
    put("command", command.name.clone().into());
    put("title", words.title.clone().into());
    put("text", words.text.clone().into());
    put("risk", command.risk.word().into());
    put("raised", filled(command.raises.iter().map(|raise| format!("{} if {}", raise.risk, condition(&raise.parameter, &raise.when))).collect()));
    put("async", command.is_async.into());
    put("family", command.family.clone().into());
    put("undo", words.undo.clone().into());
    let told: Vec<&Parameter> = usable(command).filter(|parameter| details == Details::Full || is_telling(parameter, &words)).collect();
    let others: Vec<String> =
        usable(command).filter(|parameter| !told.iter().any(|told| told.name == parameter.name)).map(|parameter| parameter.name.clone()).collect();
    put("parameters", told.iter().map(|parameter| parameter_value(catalog, command, &words, parameter, details)).collect::<Vec<_>>().into());
    put("other_parameters", filled(others));
    put("rules", filled(catalog.groups(&command.name).iter().map(|group| group.text.clone()).collect()));
    put("examples", words.examples.iter().map(|example| Value::Object(example.clone())).collect::<Vec<_>>().into());
    put("returns", returns(catalog, command, &words, details));
    if details == Details::Full {
        put("since", command.since.map(|since| since.to_string()).into());
        put("roles", command.roles.as_ref().map(|roles| roles.iter().map(|role| format!("{role:?}")).collect::<Vec<_>>()).into());
        put("setting", command.setting.as_ref().map(|setting| setting.name.clone()).into());
        put("release", catalog.release().to_string().into());
    } else {
        put("more", "details=full tells every parameter, the reply's fields and the roles".into());
    }
    Value::Object(value)
}

/// The parameters that a caller can give; nested requests are for servers among themselves.
fn usable(command: &Command) -> impl Iterator<Item = &Parameter> {
    command.parameters.iter().filter(|parameter| parameter.kind != ParameterType::Object)
}

/// Whether a brief description tells a parameter: it is required, has words of its own or is in an example.
fn is_telling(parameter: &Parameter, words: &Words) -> bool {
    parameter.required || words.parameters.contains_key(&parameter.name) || words.examples.iter().any(|example| example.contains_key(&parameter.name))
}

fn parameter_value(catalog: &Catalog, command: &Command, words: &Words, parameter: &Parameter, details: Details) -> Value {
    let mut value = Map::new();
    value.insert("name".to_owned(), parameter.name.clone().into());
    value.insert("type".to_owned(), type_of(parameter).into());
    if parameter.required {
        value.insert("required".to_owned(), true.into());
    }
    if let Some(text) = catalog.parameter_text(command, words, parameter) {
        value.insert("text".to_owned(), text.into());
    }
    if let Some(values) = catalog.values(&command.name, &parameter.name) {
        let most = if details == Details::Full { usize::MAX } else { VALUES_MAX };
        let told: Map<String, Value> = values.values.iter().take(most).map(|(value, meaning)| (value.clone(), meaning.clone().into())).collect();
        value.insert("values".to_owned(), told.into());
    }
    let lookup = parameter.entity.iter().find_map(|entity| catalog.lookup_in(command, entity));
    if let Some(lookup) = lookup.filter(|_| parameter.takes_ids()) {
        value.insert("names".to_owned(), format!("a name may stand for the id; {} lists them", lookup.command).into());
    }
    if let Some(roles) = parameter.roles.as_ref() {
        value.insert("roles".to_owned(), roles.iter().map(|role| format!("{role:?}")).collect::<Vec<_>>().into());
    }
    Value::Object(value)
}

fn type_of(parameter: &Parameter) -> &'static str {
    match parameter.kind {
        ParameterType::String => "text",
        ParameterType::Uuid => "id",
        ParameterType::Boolean => "boolean",
        ParameterType::Integer | ParameterType::Long | ParameterType::Short => "number",
        ParameterType::Double => "decimal",
        ParameterType::Date => "date",
        ParameterType::List if parameter.takes_ids() => "list of ids",
        ParameterType::List => "list",
        ParameterType::Map => "map",
        ParameterType::Object => "object",
    }
}

fn returns(catalog: &Catalog, command: &Command, words: &Words, details: Details) -> Value {
    let fields = catalog.fields(command);
    let what = if command.is_list() { "items" } else { "result" };
    if details == Details::Full {
        return json!({what: fields_value(&fields, words, 1)});
    }
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    if names.is_empty() { Value::Null } else { json!({what: names.join(", "), "meanings": words.fields}) }
}

fn fields_value(fields: &[Field], words: &Words, depth: usize) -> Value {
    let field = |field: &Field| {
        let meaning = words.fields.get(&field.name).map(|meaning| format!(": {meaning}")).unwrap_or_default();
        let told = format!("{}{meaning}", field.kind);
        let below = !field.fields.is_empty() && depth < DEPTH_MAX;
        (field.name.clone(), if below { fields_value(&field.fields, words, depth + 1) } else { told.into() })
    };
    Value::Object(fields.iter().map(field).collect())
}

fn condition(parameter: &str, when: &When) -> String {
    match when {
        When::Given => format!("`{parameter}` is given"),
        When::Is(value) => format!("`{parameter}` is `{value}`"),
        When::Absent => format!("`{parameter}` is not given"),
    }
}

fn filled(items: Vec<String>) -> Value {
    if items.is_empty() { Value::Null } else { items.into() }
}
