//! `key=value` as people write it: a repeated key is a list, `@file` the text of a file, `-` standard input.

use std::{fs, io::Read as _, path::Path};

use cloudstack_engine::{Report, ReportKind};
use serde_json::{Map, Value};

/// The largest file that is read for a value; CloudStack takes a form of 1 MiB at most.
const VALUE_BYTES_MAX: u64 = 1 << 20;

/// A command's name and its arguments; the name may be several words, as in `list virtualmachines`.
pub(super) struct Invocation {
    /// The command as it was written, its words put together.
    pub(super) command: String,
    /// The arguments.
    pub(super) arguments: Map<String, Value>,
}

/// Reads words and pairs.
///
/// # Errors
///
/// A report of kind `usage` for all words that are neither, and for what cannot be read.
pub(super) fn read(words: &[String]) -> Result<Invocation, Report> {
    let named = words.iter().take_while(|word| !word.contains('=')).count();
    let (names, pairs) = words.split_at(named);
    if names.is_empty() {
        return Err(Report::new(ReportKind::Usage, "no command is named").hint("as in `cloudstack-mcp run listVirtualMachines state=Running`"));
    }
    let mut faults: Vec<String> = Vec::new();
    let mut arguments = Map::new();
    let mut stdin_taken = false;
    for pair in pairs {
        let Some((key, text)) = pair.split_once('=').filter(|(key, _)| !key.trim().is_empty()) else {
            faults.push(format!("`{pair}` is not `key=value`"));
            continue;
        };
        if text == "-" && std::mem::replace(&mut stdin_taken, true) {
            faults.push(format!("`{key}`: standard input can be read once only"));
            continue;
        }
        match content(text) {
            Ok(value) => put(&mut arguments, key.trim(), value),
            Err(message) => faults.push(format!("`{key}`: {message}")),
        }
    }
    if faults.is_empty() { Ok(Invocation { command: names.concat(), arguments }) } else { Err(faulty(faults)) }
}

fn faulty(faults: Vec<String>) -> Report {
    match faults.as_slice() {
        [only] => Report::new(ReportKind::Usage, only.clone()),
        several => Report::new(ReportKind::Usage, format!("{} arguments cannot be read", several.len())).fact("faults", faults),
    }
}

/// The value that a text stands for; `@@` stands for a plain `@` at the start.
fn content(text: &str) -> Result<Value, String> {
    if text == "-" {
        let mut read = String::new();
        std::io::stdin().lock().take(VALUE_BYTES_MAX + 1).read_to_string(&mut read).map_err(|fault| format!("standard input cannot be read: {fault}"))?;
        return within(read);
    }
    match text.strip_prefix('@') {
        Some(rest) if rest.starts_with('@') => Ok(rest.into()),
        Some("") => Err("`@` names no file; write `@@` for the sign itself".to_owned()),
        Some(file) => {
            let open = fs::File::open(Path::new(file)).map_err(|fault| format!("`{file}` cannot be read: {fault}"))?;
            let mut read = String::new();
            open.take(VALUE_BYTES_MAX + 1).read_to_string(&mut read).map_err(|fault| format!("`{file}` cannot be read as text: {fault}"))?;
            within(read)
        }
        None => Ok(text.into()),
    }
}

fn within(mut text: String) -> Result<Value, String> {
    if text.len() as u64 > VALUE_BYTES_MAX {
        return Err(format!("more than {VALUE_BYTES_MAX} bytes"));
    }
    // The line end that editors put at the end of a file belongs to the file, not to the value.
    if text.ends_with('\n') && text.matches('\n').count() == 1 {
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
    }
    Ok(text.into())
}

/// Puts an argument in; the second of a name makes a list.
fn put(arguments: &mut Map<String, Value>, key: &str, value: Value) {
    match arguments.get_mut(key) {
        None => drop(arguments.insert(key.to_owned(), value)),
        Some(Value::Array(items)) => items.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(words: &[&str], command: &str, arguments: Value) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let read = read(&words).unwrap();
        assert_eq!((read.command.as_str(), Value::Object(read.arguments)), (command, arguments));
    }

    #[test]
    fn a_command_is_one_word_or_several() {
        check(&["listZones"], "listZones", json!({}));
        check(&["list", "zones", "available=true"], "listzones", json!({"available": "true"}));
    }

    #[test]
    fn a_repeated_key_is_a_list_and_a_value_may_hold_anything() {
        check(&["x", "ids=a", "ids=b", "ids=c", "name=a=b c"], "x", json!({"ids": ["a", "b", "c"], "name": "a=b c"}));
        check(&["x", "name=@@home", "empty="], "x", json!({"name": "@home", "empty": ""}));
    }

    #[test]
    fn a_file_gives_its_text_without_the_line_end_of_a_single_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "one line\n").unwrap();
        check(&["x", &format!("a=@{}", file.path().display())], "x", json!({"a": "one line"}));
        fs::write(file.path(), "two\nlines\n").unwrap();
        check(&["x", &format!("a=@{}", file.path().display())], "x", json!({"a": "two\nlines\n"}));
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let report = read(&["x".to_owned(), "a=@/no/such".to_owned(), "b".to_owned()]).err().unwrap();
        assert_eq!(report.facts["faults"].as_array().unwrap().len(), 2);
    }
}
