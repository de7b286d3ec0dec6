//! JSON written straight into text, in the order in which real servers write it.
//!
//! Not a model of JSON: lists of hundreds of objects are rendered on every call, and building a tree first would cost
//! several times the rendering.

use serde_json::Value;

use crate::world::write_id;

/// Text that grows member by member. Commas are put where they belong.
#[derive(Debug, Default)]
pub(crate) struct Json {
    text: String,
}

impl Json {
    /// An empty text with room for `bytes`.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes) }
    }

    /// The text.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// Opens an object.
    pub(crate) fn open(&mut self) {
        self.separate();
        self.text.push('{');
    }

    /// Closes an object.
    pub(crate) fn close(&mut self) {
        self.text.push('}');
    }

    /// Opens an array.
    pub(crate) fn open_array(&mut self) {
        self.separate();
        self.text.push('[');
    }

    /// Closes an array.
    pub(crate) fn close_array(&mut self) {
        self.text.push(']');
    }

    /// A member's name; its value must follow.
    pub(crate) fn key(&mut self, name: &str) {
        self.separate();
        self.quote(name);
        self.text.push(':');
    }

    /// The name of a member of a view, which needs no escapes; its value must follow.
    pub(crate) fn plain_key(&mut self, name: &str) {
        self.separate();
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
    }

    /// A string.
    pub(crate) fn text(&mut self, text: &str) {
        self.separate();
        self.quote(text);
    }

    /// An id.
    pub(crate) fn id(&mut self, id: u128) {
        self.separate();
        self.text.push('"');
        write_id(id, &mut self.text);
        self.text.push('"');
    }

    /// A whole number.
    pub(crate) fn number(&mut self, number: i64) {
        self.raw(itoa::Buffer::new().format(number));
    }

    /// A number with decimals.
    pub(crate) fn decimal(&mut self, number: f64) {
        self.raw(&format!("{number:?}"));
    }

    /// A truth value.
    pub(crate) fn flag(&mut self, flag: bool) {
        self.raw(if flag { "true" } else { "false" });
    }

    /// Text that is JSON already.
    pub(crate) fn raw(&mut self, json: &str) {
        self.separate();
        self.text.push_str(json);
    }

    /// A tree.
    pub(crate) fn value(&mut self, value: &Value) {
        self.raw(&value.to_string());
    }

    /// A member that is a string.
    pub(crate) fn member(&mut self, name: &str, text: &str) {
        self.key(name);
        self.text(text);
    }

    fn separate(&mut self) {
        if !matches!(self.text.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.text.push(',');
        }
    }

    fn quote(&mut self, text: &str) {
        self.text.push('"');
        // Looking at all bytes without a branch is faster than stopping early, and almost every text is plain.
        if !text.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\')) {
            self.text.push_str(text);
            self.text.push('"');
            return;
        }
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escape = match byte {
                b'"' => "\\\"",
                b'\\' => "\\\\",
                b'\n' => "\\n",
                b'\r' => "\\r",
                b'\t' => "\\t",
                0..0x20 => "\\u0020",
                _ => continue,
            };
            self.text.push_str(text.get(plain..at).unwrap_or_default());
            self.text.push_str(escape);
            plain = at + 1;
        }
        self.text.push_str(text.get(plain..).unwrap_or_default());
        self.text.push('"');
    }
}

/// Turns an answer into the XML that servers send to callers who did not ask for JSON.
pub(crate) fn to_xml(json: &str, release: &str, is_fault: bool) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    let Ok(Value::Object(members)) = serde_json::from_str::<Value>(json) else { return out };
    for (name, value) in &members {
        let version = if is_fault { String::new() } else { format!(" cloud-stack-version=\"{release}\"") };
        out.push_str(&format!("<{name}{version}>"));
        if let Value::Object(inner) = value {
            inner.iter().filter(|(key, _)| !is_fault || *key != "uuidList").for_each(|(key, value)| element(&mut out, key, value));
        }
        out.push_str(&format!("</{name}>"));
    }
    out
}

fn element(out: &mut String, name: &str, value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| element(out, name, item)),
        Value::Object(members) => {
            out.push_str(&format!("<{name}>"));
            members.iter().for_each(|(key, value)| element(out, key, value));
            out.push_str(&format!("</{name}>"));
        }
        Value::String(text) => out.push_str(&format!("<{name}>{}</{name}>", text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&format!("<{name}>{value}</{name}>")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_stand_between_members_only() {
        let mut json = Json::default();
        json.open();
        json.member("a", "x\"y\n");
        json.key("b");
        json.open_array();
        json.number(1);
        json.flag(true);
        json.open();
        json.close();
        json.close_array();
        json.close();
        assert_eq!(json.into_text(), r#"{"a":"x\"y\n","b":[1,true,{}]}"#);
    }
}
