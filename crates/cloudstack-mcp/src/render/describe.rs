//! The description of a command for people: what it does, what it takes, how to undo it, examples to paste.

use serde_json::{Map, Value};

use super::{
    Layout, human,
    text::{Tint, clean, plain, quoted, wrap},
};

const TEXT_WIDTH: usize = 100;
const NAME_LETTERS_MAX: usize = 24;
const INDENT: usize = 2;

/// The description over several lines.
pub(super) fn human(value: &Value, layout: &Layout) -> String {
    let width = layout.width.unwrap_or(TEXT_WIDTH).min(TEXT_WIDTH);
    let text = |name: &str| value.get(name).map(plain).unwrap_or_default();
    let mut page = Page { lines: Vec::new(), layout, width };
    page.lines.push(format!("{}  {}", layout.paint.tint(Tint::Strong, &text("command")), text("title")));
    let asynchronous = if value.get("async").and_then(Value::as_bool) == Some(true) { ", starts a job" } else { "" };
    let release = value.get("release").map(|release| format!(", release {}", plain(release))).unwrap_or_default();
    page.lines.push(layout.paint.tint(Tint::Faint, &format!("risk {}{asynchronous}, family {}{release}", text("risk"), text("family"))));
    page.lines.push(String::new());
    page.paragraph(&text("text"), 0);
    page.parameters(value.get("parameters"));
    page.words("Further parameters", value.get("other_parameters"));
    page.bullets("Rules", value.get("rules"));
    page.bullets("Undo", value.get("undo"));
    page.examples(&text("command"), value.get("examples"));
    page.returns(value.get("returns"));
    page.rest(value);
    if value.get("more").is_some() {
        page.lines.push(format!("\nMore: cloudstack-mcp describe {} --full", text("command")));
    }
    page.lines.join("\n")
}

struct Page<'a> {
    lines: Vec<String>,
    layout: &'a Layout,
    width: usize,
}

/// What the page tells in a way of its own.
const TOLD: [&str; 15] = [
    "command",
    "title",
    "text",
    "risk",
    "async",
    "family",
    "release",
    "parameters",
    "other_parameters",
    "rules",
    "undo",
    "examples",
    "returns",
    "more",
    "receipt",
];

impl Page<'_> {
    fn title(&mut self, title: &str) {
        self.lines.push(format!("\n{}", self.layout.paint.tint(Tint::Strong, title)));
    }

    fn paragraph(&mut self, text: &str, indent: usize) {
        let pad = " ".repeat(indent);
        self.lines.extend(wrap(text, self.width.saturating_sub(indent)).into_iter().map(|line| format!("{pad}{line}")));
    }

    fn parameters(&mut self, parameters: Option<&Value>) {
        let parameters = parameters.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if parameters.is_empty() {
            return;
        }
        self.title("Parameters");
        let name_of = |parameter: &Value| parameter.get("name").map(plain).unwrap_or_default();
        let letters = parameters.iter().map(|parameter| name_of(parameter).chars().count()).max().unwrap_or_default().min(NAME_LETTERS_MAX);
        for parameter in parameters {
            self.parameter(&name_of(parameter), letters, parameter);
        }
    }

    fn parameter(&mut self, name: &str, letters: usize, parameter: &Value) {
        let text = |member: &str| parameter.get(member).map(plain).filter(|text| !text.is_empty());
        let required = if parameter.get("required").and_then(Value::as_bool) == Some(true) { ", required" } else { "" };
        let kind = text("type").map(|kind| format!("({kind}{required}) ")).unwrap_or_default();
        let mut parts: Vec<String> = [text("text"), text("names").map(|names| format!("[{names}]"))].into_iter().flatten().collect();
        if let Some(values) = parameter.get("values") {
            parts.push(format!("[{}]", values_text(values)));
        }
        let indent = INDENT + letters + INDENT;
        let wrapped = wrap(&format!("{kind}{}", parts.join(" ")), self.width.saturating_sub(indent));
        for (at, line) in wrapped.iter().enumerate() {
            let label = if at == 0 { name } else { "" };
            let gap = " ".repeat(letters.saturating_sub(label.chars().count()) + INDENT);
            self.lines.push(format!("{}{}{gap}{line}", " ".repeat(INDENT), self.layout.paint.tint(Tint::Strong, label)));
        }
    }

    fn words(&mut self, title: &str, words: Option<&Value>) {
        let text = words.map(plain).unwrap_or_default();
        if !text.is_empty() {
            self.title(title);
            self.paragraph(&text, INDENT);
        }
    }

    fn bullets(&mut self, title: &str, items: Option<&Value>) {
        let items: Vec<String> = match items {
            Some(Value::Array(items)) => items.iter().map(plain).collect(),
            Some(Value::Null) | None => Vec::new(),
            Some(one) => vec![plain(one)],
        };
        if items.is_empty() {
            return;
        }
        self.title(title);
        for item in items {
            for (at, line) in wrap(&item, self.width.saturating_sub(INDENT * 2)).into_iter().enumerate() {
                self.lines.push(format!("{}{}{line}", " ".repeat(INDENT), if at == 0 { "- " } else { "  " }));
            }
        }
    }

    fn examples(&mut self, command: &str, examples: Option<&Value>) {
        let examples = examples.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if examples.is_empty() {
            return;
        }
        self.title("Examples");
        for arguments in examples.iter().filter_map(Value::as_object) {
            self.lines.push(format!("  cloudstack-mcp run {command}{}", words_of(arguments)));
        }
    }

    fn returns(&mut self, returns: Option<&Value>) {
        let Some(members) = returns.and_then(Value::as_object) else { return };
        self.title("Returns");
        for (name, value) in members {
            match value {
                Value::Object(_) => self.lines.push(human::key_values(value, INDENT, self.layout)),
                _ => self.paragraph(&format!("{}: {}", clean(name), plain(value)), INDENT),
            }
        }
    }

    /// Whatever else there is to tell.
    fn rest(&mut self, value: &Value) {
        let members = value.as_object().into_iter().flatten().filter(|(name, _)| !TOLD.contains(&name.as_str()));
        let rest: Map<String, Value> = members.map(|(name, value)| (name.clone(), value.clone())).collect();
        if !rest.is_empty() {
            self.lines.push(String::new());
            self.lines.push(human::key_values(&Value::Object(rest), 0, self.layout));
        }
    }
}

/// `KVM, VMware (VMware vSphere)`.
fn values_text(values: &Value) -> String {
    match values {
        Value::Object(members) => members.iter().map(|(name, text)| format!("{} = {}", clean(name), plain(text))).collect::<Vec<_>>().join("; "),
        other => plain(other),
    }
}

/// Arguments as they are typed at a shell.
fn words_of(arguments: &Map<String, Value>) -> String {
    let word = |(name, value): (&String, &Value)| {
        let text = match value {
            Value::Array(items) if items.iter().all(Value::is_string) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        format!(" {}", quoted(&format!("{name}={}", clean(&text))))
    };
    arguments.iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::text::Paint;

    #[test]
    fn a_description_fits_the_terminal_and_its_example_can_be_pasted() {
        let value = json!({"command": "x", "title": "Do x", "text": "Does it.", "risk": "read", "async": false, "family": "f", "release": "4.22",
            "parameters": [{"name": "id", "type": "id", "required": true, "text": "Which one, told in many words so that the line must be broken."}],
            "examples": [{"id": "web 1", "ids": ["a", "b"]}], "more": "details=full"});
        let text = human(&value, &Layout { width: Some(40), paint: Paint::off() });
        assert!(text.contains("  id  (id, required) Which one, told in\n      many words"), "{text}");
        assert!(text.contains("  cloudstack-mcp run x 'id=web 1' ids=a,b"), "{text}");
        assert!(text.ends_with("More: cloudstack-mcp describe x --full"), "{text}");
    }
}
