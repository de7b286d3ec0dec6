//! Pieces of text: colours, cleaning, cutting, the form of a report.

use cloudstack_engine::Report;
use serde_json::Value;

/// Whether colours are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint {
    is_on: bool,
}

/// What a colour stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tint {
    /// A heading or a name.
    Strong,
    /// Something beside the point.
    Faint,
    /// It went well.
    Good,
    /// Look at it.
    Warn,
    /// It went wrong, or is dangerous.
    Bad,
}

impl Paint {
    /// Colours.
    pub(crate) const fn on() -> Self {
        Self { is_on: true }
    }

    /// No colours.
    pub(crate) const fn off() -> Self {
        Self { is_on: false }
    }

    /// The text in its colour.
    pub(crate) fn tint(self, tint: Tint, text: &str) -> String {
        let code = match tint {
            Tint::Strong => "1",
            Tint::Faint => "2",
            Tint::Good => "32",
            Tint::Warn => "33",
            Tint::Bad => "1;31",
        };
        if self.is_on && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The text without what could steer a terminal or turn the direction of writing; line ends become blanks.
pub(crate) fn clean(text: &str) -> String {
    let harmless = |letter: char| match letter {
        '\n' | '\t' => Some(' '),
        '\r' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => None,
        letter if letter.is_control() => Some('\u{fffd}'),
        letter => Some(letter),
    };
    text.chars().filter_map(harmless).collect()
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = !word.is_empty() && word.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_./:=,@+%".contains(letter));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// The text cut to a number of letters, with a sign that it was cut.
pub(crate) fn cut(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(letters.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// The text broken into lines of at most `width` letters, between words.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// A value in one line.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => clean(text),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Array(_) | Value::Object(_) => clean(&value.to_string()),
    }
}

/// What a dotted path leads to; through lists it leads to all of their items.
pub(crate) fn at_path(value: &Value, path: &str) -> Value {
    if let Value::Object(members) = value
        && let Some(found) = members.get(path)
    {
        return found.clone();
    }
    let (head, rest) = path.split_once('.').unwrap_or((path, ""));
    match value {
        Value::Object(members) => match members.get(head) {
            Some(found) if rest.is_empty() => found.clone(),
            Some(found) => at_path(found, rest),
            None => Value::Null,
        },
        Value::Array(items) => {
            let found: Vec<Value> = items.iter().map(|item| at_path(item, path)).filter(|found| !found.is_null()).collect();
            if found.is_empty() { Value::Null } else { Value::Array(found) }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Value::Null,
    }
}

/// A report as people read it: `error: …`, every fault, `hint: …`.
pub(crate) fn report(report: &Report, paint: Paint) -> String {
    let faults = report.facts.get("faults").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut lines = vec![format!("{} {}", paint.tint(Tint::Bad, "error:"), clean(head(&report.message, faults)))];
    lines.extend(faults.iter().map(|fault| format!("  - {}", fault_text(fault))));
    let candidates = report.facts.get("candidates").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    lines.extend(candidates.iter().map(|candidate| format!("  - {}", candidate_text(candidate))));
    let leftovers = report.facts.get("leftovers").map(plain).filter(|text| !text.is_empty());
    lines.extend(leftovers.map(|text| format!("{} {text}", paint.tint(Tint::Warn, "left behind:"))));
    let told = |hint: &String| faults.iter().filter_map(|fault| fault.get("hint")?.as_str()).any(|text| hint.ends_with(text));
    lines.extend(report.hints.iter().filter(|hint| !told(hint)).map(|hint| format!("{} {}", paint.tint(Tint::Good, "hint:"), clean(hint))));
    lines.join("\n")
}

/// The message without the faults that it repeats, since each gets a line of its own.
fn head<'a>(message: &'a str, faults: &[Value]) -> &'a str {
    let first = faults.first().and_then(|fault| fault.get("message").unwrap_or(fault).as_str());
    let before = first.and_then(|first| message.split_once(first)).map(|(before, _)| before.trim_end().trim_end_matches(':'));
    before.filter(|before| !before.is_empty()).unwrap_or(message)
}

/// A fault is a text, or an object with a message and perhaps a hint.
fn fault_text(fault: &Value) -> String {
    match (fault.get("message").and_then(Value::as_str), fault.get("hint").and_then(Value::as_str)) {
        (Some(message), Some(hint)) => format!("{} ({})", clean(message), clean(hint)),
        (Some(message), None) => clean(message),
        (None, _) => plain(fault),
    }
}

fn candidate_text(candidate: &Value) -> String {
    match candidate {
        Value::Object(members) => members.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>().join(", "),
        other => plain(other),
    }
}

#[cfg(test)]
mod tests {
    use cloudstack_engine::ReportKind;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[31mb\u{9b}c\u{202e}d\r\ne"), "a\u{fffd}[31mb\u{fffd}cd e");
    }

    #[test]
    fn a_path_leads_through_lists() {
        let value = json!({"nic": [{"ip": "10.1.1.1"}, {"ip": "10.1.1.2"}, {}], "a": {"b": 1}});
        assert_eq!(plain(&at_path(&value, "nic.ip")), "10.1.1.1, 10.1.1.2");
        assert_eq!(at_path(&value, "a.b"), json!(1));
        assert_eq!(at_path(&value, "a.c"), Value::Null);
    }

    #[test]
    fn a_report_tells_each_fault_and_each_hint_once() {
        let told = Report::new(ReportKind::Usage, "`x` cannot be called like that: `a` is missing; `b` is missing")
            .hint("`a`: `y` lists what there is")
            .hint("`describe` tells more")
            .fact("faults", json!([{"message": "`a` is missing", "hint": "`y` lists what there is"}, {"message": "`b` is missing", "hint": null}]));
        let text = "error: `x` cannot be called like that\n  - `a` is missing (`y` lists what there is)\n  - `b` is missing\nhint: `describe` tells more";
        assert_eq!(report(&told, Paint::off()), text);
    }

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrap("one two three\nfour", 8), ["one two", "three", "four"]);
        assert_eq!(cut("Grüße aus Köln", 6), "Grüße…");
    }
}
