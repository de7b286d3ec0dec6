//! Replies reduced to what is compared: members, types, states, codes, ids; no text for people.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

/// What stands for text that is not compared.
const TEXT: &str = "~";
/// What stands for a time.
const TIME: &str = "@";
/// The longest text that is kept to tell items of a list apart.
const NAME_CHARACTERS_MAX: usize = 100;
/// Members that tell items of a list apart.
const NAMES: [&str; 19] = [
    "name",
    "username",
    "key",
    "keyword",
    "resourcetypename",
    "category",
    "service",
    "provider",
    "displayname",
    "account",
    "rule",
    "osname",
    "hypervisorversion",
    "ostypename",
    "osdisplayname",
    "entityname",
    "usageName",
    "rolename",
    "hypervisor",
];
/// Members whose text is one of a few words.
const WORDS: [&str; 16] = [
    "level",
    "protocol",
    "algorithm",
    "scope",
    "hypervisor",
    "format",
    "access",
    "permission",
    "action",
    "role",
    "service",
    "apikeyaccess",
    "internetprotocol",
    "availability",
    "usersource",
    "arch",
];
/// Ends of the names of such members.
const WORD_ENDS: [&str; 4] = ["state", "type", "status", "mode"];
/// Members with secrets that later requests repeat.
const SECRETS: [&str; 3] = ["apikey", "secretkey", "sessionkey"];
/// Arguments with secrets.
const SECRET_ARGUMENTS: [&str; 8] = ["password", "currentpassword", "sessionkey", "apikey", "secretkey", "privatekey", "ipsecpsk", "usersecretkey"];
/// The shortest argument that counts as a secret: shorter ones are made to be refused.
const SECRET_CHARACTERS_MIN: usize = 6;

/// Whether a member's text or number is compared.
pub(super) fn is_word(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    WORDS.contains(&key.as_str()) || WORD_ENDS.iter().any(|end| key.ends_with(end))
}

/// Whether a member's number is compared.
pub(super) fn is_compared_number(key: &str) -> bool {
    matches!(key, "count" | "errorcode" | "cserrorcode" | "jobstatus" | "jobprocstatus" | "jobresultcode") || is_word(key)
}

/// Whether a member tells items of a list apart.
pub(super) fn is_name(key: &str) -> bool {
    NAMES.contains(&key) || is_word(key)
}

/// Whether a text is an id.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().enumerate().all(|(place, byte)| if matches!(place, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// Whether a text is an address.
pub(super) fn is_address(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}

/// The reduced form of a reply.
pub(super) fn reduced(value: &Value) -> Value {
    member("", value)
}

fn member(key: &str, value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::Number(_) if is_compared_number(key) => value.clone(),
        Value::Number(_) => 0.into(),
        Value::String(text) => leaf(key, text).into(),
        Value::Array(items) => items.iter().map(|item| member(key, item)).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), member(key, value))).collect::<Map<_, _>>().into(),
    }
}

fn leaf(key: &str, text: &str) -> String {
    let is_time = text.len() >= 19 && text.starts_with("20") && text.as_bytes().get(10) == Some(&b'T');
    if is_id(text) || is_address(text) || SECRETS.contains(&key) {
        return text.to_owned();
    }
    if is_time {
        return TIME.to_owned();
    }
    let is_kept = is_name(key) || key == "api";
    if is_kept && text.chars().count() <= NAME_CHARACTERS_MAX { text.to_owned() } else { TEXT.to_owned() }
}

/// The reduced form of an answer that is no JSON object.
pub(super) fn reduced_text(text: &str) -> String {
    if text.starts_with("xml:") {
        return text.to_owned();
    }
    if !text.starts_with("<?xml") {
        return text.chars().take(NAME_CHARACTERS_MAX).collect();
    }
    let names = text.split('<').skip(1).filter(|tag| !tag.starts_with(['?', '/', '!']));
    let names = names.map(|tag| tag.split(|end: char| end == '>' || end == '/' || end.is_whitespace()).next().unwrap_or_default());
    let names: BTreeSet<&str> = names.collect();
    format!("xml:{}", names.into_iter().collect::<Vec<_>>().join(","))
}

/// Numbers ids and secrets anew, so that test data holds neither.
#[derive(Debug, Default)]
pub struct Secrets {
    ids: HashMap<String, String>,
    secrets: HashMap<String, String>,
}

impl Secrets {
    /// The line with numbered ids and secrets.
    pub(super) fn hide(&mut self, line: Value) -> Value {
        self.walk("", line)
    }

    fn walk(&mut self, key: &str, value: Value) -> Value {
        match value {
            Value::String(text) => self.text(key, text).into(),
            Value::Array(items) => items.into_iter().map(|item| self.walk(key, item)).collect(),
            Value::Object(members) => members.into_iter().map(|(key, value)| (key.clone(), self.walk(&key, value))).collect::<Map<_, _>>().into(),
            other => other,
        }
    }

    fn text(&mut self, key: &str, text: String) -> String {
        let is_secret = SECRET_ARGUMENTS.contains(&key.to_ascii_lowercase().as_str()) && text.len() >= SECRET_CHARACTERS_MIN;
        if is_secret && text != TEXT {
            let number = self.secrets.len() + 1;
            return self.secrets.entry(text).or_insert_with(|| format!("Secret-{number:03}!")).clone();
        }
        let mut hidden = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some((before, id, after)) = next_id(rest) {
            let number = self.ids.len() + 1;
            hidden.push_str(before);
            hidden.push_str(self.ids.entry(id.to_owned()).or_insert_with(|| format!("00000000-0000-4000-8000-{number:012x}")));
            rest = after;
        }
        hidden.push_str(rest);
        hidden
    }
}

/// The first id in a text, with what stands before and after it.
pub(super) fn next_id(text: &str) -> Option<(&str, &str, &str)> {
    const ID_BYTES: usize = 36;
    let starts = 0..text.len().checked_sub(ID_BYTES)? + 1;
    let start = starts.into_iter().find(|start| text.get(*start..start + ID_BYTES).is_some_and(is_id))?;
    Some((text.get(..start)?, text.get(start..start + ID_BYTES)?, text.get(start + ID_BYTES..)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reduced_replies_hold_neither_prose_nor_ids_nor_secrets() {
        let body = json!({"name": "web-1", "displaytext": "For people", "id": "53f3d969-c674-4741-8e3d-547c1e653e8a", "apikey": "aVerySecretKey", "cpus": 4});
        let hidden = Secrets::default().hide(reduced(&body));
        let expected = json!({"name": "web-1", "displaytext": "~", "id": "00000000-0000-4000-8000-000000000001", "apikey": "Secret-001!", "cpus": 0});
        assert_eq!(hidden, expected);
    }

    #[test]
    fn xml_is_its_elements_and_reducing_twice_changes_nothing() {
        let once = reduced_text("<?xml version=\"1.0\"?><listzonesresponse><count>1</count><zone><id>a</id></zone></listzonesresponse>");
        assert_eq!(once, "xml:count,id,listzonesresponse,zone");
        assert_eq!(reduced_text(&once), once);
    }
}
