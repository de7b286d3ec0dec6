//! What a command does and what it takes, for a reader who must choose it and fill it in. Pure.

use std::sync::Arc;

use cloudstack_api::catalog::{Catalog, Command, Field, Group, GroupRule, Parameter, ParameterType, Values, When, Words};
use serde_json::{Map, Value, json};

use crate::request::Details;

/// How many bytes a brief description has: 900 tokens with a receipt, by the rule of four bytes a token.
const BRIEF_BYTES_MAX: usize = 3_250;
/// How many values of a parameter a brief description names.
const VALUES_MAX: usize = 8;
/// How many fields of a reply a brief description names.
const FIELDS_MAX: usize = 24;
/// How many parameters are so many that they need the room of the fields.
const PARAMETERS_MANY: usize = 20;
/// How many fields a brief description then names.
const FIELDS_FEW: usize = 6;
/// How many examples a brief description shows.
const EXAMPLES_MAX: usize = 2;
/// How deep the fields of a reply are told.
const DEPTH_MAX: usize = 2;

/// Describes a command.
///
/// A brief description tells required parameters first, then those in an example or a rule of which one must be given, then
/// those with words of their own, as long as there is room, and names the rest.
pub(crate) fn describe(catalog: &Catalog, command: &Arc<Command>, details: Details) -> Value {
    let words = catalog.words(command);
    let mut value = opening(command, &words);
    let mut closing = closing(catalog, command, &words, details);
    let ranked = |parameter| (rank(catalog, command, &words, parameter), parameter);
    let mut parameters: Vec<(Rank, &Parameter)> = command.parameters.iter().map(ranked).collect();
    parameters.sort_by_key(|(rank, parameter)| if details == Details::Brief || parameter.required { *rank } else { Rank::Rest });
    let mut told = Vec::new();
    let mut others = Vec::new();
    let mut room = BRIEF_BYTES_MAX.saturating_sub(length(&value) + length(&closing) + names_length(command));
    for (rank, parameter) in parameters {
        let entry = parameter_value(catalog, command, &words, parameter, details);
        let size = entry.to_string().len().saturating_sub(name_length(parameter));
        if parameter.required || details == Details::Full || (rank != Rank::Rest && size <= room) {
            room = room.saturating_sub(size);
            told.push(entry);
        } else {
            others.push(parameter.name.clone());
        }
    }
    value.insert("parameters".to_owned(), told.into());
    value.insert("other_parameters".to_owned(), filled(others));
    value.append(&mut closing);
    value.retain(|_, member| !member.is_null());
    Value::Object(value)
}

fn length(members: &Map<String, Value>) -> usize {
    serde_json::to_string(members).map_or(0, |text| text.len())
}

/// What the names of all parameters would take up, the most that `other_parameters` can.
fn names_length(command: &Command) -> usize {
    command.parameters.iter().map(name_length).sum()
}

/// A name with its quotes and comma.
fn name_length(parameter: &Parameter) -> usize {
    parameter.name.len() + 3
}

/// What comes before the parameters.
fn opening(command: &Command, words: &Words) -> Map<String, Value> {
    let raised = command.raises.iter().map(|raise| format!("{} if {}", raise.risk, condition(&raise.parameter, &raise.when)));
    Map::from_iter([
        ("command".to_owned(), command.name.clone().into()),
        ("title".to_owned(), words.title.clone().into()),
        ("text".to_owned(), words.text.clone().into()),
        ("risk".to_owned(), command.risk.word().into()),
        ("raised".to_owned(), filled(raised.collect())),
        ("async".to_owned(), command.is_async.into()),
        ("family".to_owned(), command.family.clone().into()),
        ("undo".to_owned(), words.undo.clone().into()),
    ])
}

/// What comes after them.
fn closing(catalog: &Catalog, command: &Command, words: &Words, details: Details) -> Map<String, Value> {
    let examples_max = if details == Details::Full { usize::MAX } else { EXAMPLES_MAX };
    let mut value = Map::from_iter([
        ("rules".to_owned(), filled(rules(catalog, command, details))),
        ("examples".to_owned(), words.examples.iter().take(examples_max).map(|example| Value::Object(example.clone())).collect::<Vec<_>>().into()),
        ("returns".to_owned(), returns(catalog, command, words, details)),
    ]);
    if details == Details::Full {
        value.insert("since".to_owned(), command.since.map(|since| since.to_string()).into());
        value.insert("roles".to_owned(), command.roles.as_ref().map(|roles| roles.iter().map(|role| format!("{role:?}")).collect::<Vec<_>>()).into());
        value.insert("setting".to_owned(), command.setting.as_ref().map(|setting| setting.name.clone()).into());
        value.insert("release".to_owned(), catalog.release().to_string().into());
    } else {
        value.insert("more".to_owned(), "details=full tells every parameter, the reply's fields and the roles".into());
    }
    value
}

/// The rules between parameters; in brief only those that say what must be given. What must not be given together is
/// refused with the rule when somebody does.
fn rules(catalog: &Catalog, command: &Command, details: Details) -> Vec<String> {
    let demands = |group: &Group| group.rule == GroupRule::OneOf;
    let told = catalog.groups(&command.name).iter().filter(|group| details == Details::Full || demands(group));
    told.map(|group| group.text.clone()).collect()
}

/// How early a brief description tells a parameter, if at all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Required,
    /// In the example of this place, or, behind them all, one of several of which one must be given.
    Usual(usize),
    /// With words of its own.
    Particular,
    Rest,
}

fn rank(catalog: &Catalog, command: &Command, words: &Words, parameter: &Parameter) -> Rank {
    let name = &parameter.name;
    let demanded = |group: &Arc<Group>| group.rule == GroupRule::OneOf && group.parameters.contains(name);
    if parameter.required {
        Rank::Required
    } else if let Some(place) = words.examples.iter().position(|example| example.contains_key(name)) {
        Rank::Usual(place)
    } else if catalog.groups(&command.name).iter().any(demanded) {
        Rank::Usual(words.examples.len())
    } else if words.parameters.contains_key(name) {
        Rank::Particular
    } else {
        Rank::Rest
    }
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
        value.insert("values".to_owned(), values_value(&values, details));
    }
    if details == Details::Brief {
        return Value::Object(value);
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

/// The accepted values: in brief their names, and no more of them than can be taken in.
fn values_value(values: &Values, details: Details) -> Value {
    if details == Details::Full {
        return Value::Object(values.values.iter().map(|(value, meaning)| (value.clone(), meaning.clone().into())).collect());
    }
    let mut names: Vec<&str> = values.values.keys().take(VALUES_MAX).map(String::as_str).collect();
    if values.values.len() > VALUES_MAX {
        names.push("…");
    }
    names.into()
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
    let most = if command.parameters.len() > PARAMETERS_MANY { FIELDS_FEW } else { FIELDS_MAX };
    let mut names: Vec<&str> = fields.iter().filter(|field| !words.fields.contains_key(&field.name)).take(most).map(|field| field.name.as_str()).collect();
    if fields.len() > names.len() + words.fields.len() {
        names.push("…");
    }
    if fields.is_empty() { Value::Null } else { json!({what: names.join(", "), "meanings": words.fields}) }
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

#[cfg(test)]
mod tests {
    use cloudstack_api::catalog::Release;

    use super::*;

    /// What a receipt adds to a description.
    const RECEIPT_BYTES: usize = 300;

    #[test]
    fn no_brief_description_costs_more_than_900_tokens() {
        let catalog = Catalog::embedded(Release::NEWEST);
        let long: Vec<(String, usize)> = catalog
            .commands()
            .map(|command| (command.name.clone(), describe(&catalog, &command, Details::Brief).to_string().len() + RECEIPT_BYTES))
            .filter(|(_, bytes)| *bytes > 900 * 4)
            .collect();
        assert_eq!(long, []);
    }

    #[test]
    fn a_description_names_every_parameter_once() {
        let catalog = Catalog::embedded(Release::NEWEST);
        for command in catalog.commands() {
            for details in [Details::Brief, Details::Full] {
                let description = describe(&catalog, &command, details);
                let told = description["parameters"].as_array().unwrap().iter().filter_map(|parameter| parameter["name"].as_str());
                let others = description["other_parameters"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let mut named: Vec<&str> = told.chain(others).collect();
                named.sort_unstable();
                assert_eq!(named, command.parameters.iter().map(|parameter| parameter.name.as_str()).collect::<Vec<_>>(), "{}", command.name);
            }
        }
    }
}
