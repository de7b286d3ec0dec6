//! Prompts: tasks that a person picks by name. Their texts are beside this file.

use rmcp::{
    ErrorData,
    model::{GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role},
};
use serde_json::Value;

/// A prompt: its words, its arguments and its text with `{argument}` where each goes.
struct Row {
    name: &'static str,
    title: &'static str,
    text: &'static str,
    arguments: &'static [Argument],
    template: &'static str,
}

struct Argument {
    name: &'static str,
    text: &'static str,
    /// What stands in the text where it is not given; `None`: it must be.
    otherwise: Option<&'static str>,
}

const ROWS: [Row; 4] = [
    Row {
        name: "deploy_vm",
        title: "Deploy a virtual machine",
        text: "Deploy a virtual machine by names and report how to reach it.",
        arguments: &[
            Argument { name: "name", text: "What to call it", otherwise: None },
            Argument { name: "template", text: "What it runs, e.g. `Ubuntu 24.04`", otherwise: Some("a template that fits; ask if several do") },
            Argument { name: "size", text: "How big, e.g. `2 CPU, 4 GB`", otherwise: Some("the smallest offering; say which") },
            Argument { name: "network", text: "The network it joins", otherwise: Some("the account's own network; ask if there are several") },
        ],
        template: include_str!("deploy_vm.md"),
    },
    Row {
        name: "drain_host",
        title: "Drain a host for maintenance",
        text: "Move everything off a host and put it into maintenance, step by step.",
        arguments: &[Argument { name: "host", text: "The host's name", otherwise: None }],
        template: include_str!("drain_host.md"),
    },
    Row {
        name: "trace_vm",
        title: "Why can I not reach this VM?",
        text: "Look for what keeps a virtual machine from being reached, from its state to the firewall. Changes nothing.",
        arguments: &[
            Argument { name: "vm", text: "The virtual machine's name", otherwise: None },
            Argument { name: "port", text: "The port or service that should answer", otherwise: Some("any port") },
        ],
        template: include_str!("trace_vm.md"),
    },
    Row {
        name: "morning_check",
        title: "Morning check",
        text: "What an operator should know today: alerts, failures, capacity, hosts, stuck jobs. Changes nothing.",
        arguments: &[Argument { name: "since", text: "Since when, e.g. `yesterday 18:00`", otherwise: Some("the last 24 hours") }],
        template: include_str!("morning_check.md"),
    },
];

/// The longest value of an argument.
const VALUE_BYTES_MAX: usize = 255;

/// What clients are told of the prompts.
pub(super) fn list() -> Vec<Prompt> {
    let argument = |argument: &Argument| PromptArgument::new(argument.name).with_description(argument.text).with_required(argument.otherwise.is_none());
    ROWS.iter().map(|row| Prompt::new(row.name, Some(row.text), Some(row.arguments.iter().map(argument).collect())).with_title(row.title)).collect()
}

/// A prompt with its arguments filled in.
///
/// # Errors
///
/// `-32602` for an unknown prompt and for missing, unknown or over-long arguments.
pub(super) fn fill_in(name: &str, given: Option<&JsonObject>) -> Result<GetPromptResult, ErrorData> {
    let row = ROWS.iter().find(|row| row.name == name).ok_or_else(|| ErrorData::invalid_params(format!("unknown prompt `{name}`"), None))?;
    let none = JsonObject::new();
    let given = given.unwrap_or(&none);
    let mut faults: Vec<String> =
        given.keys().filter(|key| row.arguments.iter().all(|argument| argument.name != **key)).map(|key| format!("unknown argument `{key}`")).collect();
    let mut text = row.template.to_owned();
    for argument in row.arguments {
        let value = given.get(argument.name).and_then(Value::as_str).map(str::trim).filter(|value| !value.is_empty());
        match value.or(argument.otherwise) {
            Some(value) if value.len() > VALUE_BYTES_MAX => faults.push(format!("`{}` is too long", argument.name)),
            Some(value) => text = text.replace(&format!("{{{}}}", argument.name), value),
            None => faults.push(format!("`{}` is missing", argument.name)),
        }
    }
    if faults.is_empty() {
        return Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]).with_description(row.text));
    }
    Err(ErrorData::invalid_params(faults.join("; "), None))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_prompt_takes_exactly_the_arguments_that_its_text_has_places_for() {
        for row in &ROWS {
            for argument in row.arguments {
                assert!(row.template.contains(&format!("{{{}}}", argument.name)), "{} has no place for {}", row.name, argument.name);
            }
            assert_eq!(row.template.matches('{').count(), row.template.matches('}').count());
            let given: JsonObject = row.arguments.iter().map(|argument| (argument.name.to_owned(), json!("x"))).collect();
            let filled = serde_json::to_string(&fill_in(row.name, Some(&given)).unwrap().messages).unwrap();
            for argument in row.arguments {
                assert!(!filled.contains(&format!("{{{}}}", argument.name)));
            }
        }
    }

    #[test]
    fn missing_and_unknown_arguments_are_told_at_once() {
        let given = json!({"wm": "web-1"});
        let error = fill_in("trace_vm", given.as_object()).unwrap_err();
        assert_eq!(error.message, "unknown argument `wm`; `vm` is missing");
    }
}
