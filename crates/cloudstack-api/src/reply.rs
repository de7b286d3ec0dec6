//! What a server answered: one envelope, one body, or a refusal (wire facts §2).
//!
//! The envelope's name is never computed and the key of a list never guessed: an object with one top-level key is the
//! envelope, and the only array in it is the list. Values stay JSON; only what our own code branches on is read.

use serde_json::{Map, Value};

/// How many characters of an unreadable answer are kept for the person who must find out why.
const EXCERPT_CHARACTERS_MAX: usize = 200;

/// A reply that is no refusal.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The one top-level key.
    pub envelope: String,
    /// What it holds.
    pub body: Body,
}

/// The body of a reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A list; also `{}`, an empty one, and `{"count":37}`, a page past the end.
    List {
        /// The key of the array; `None` if there was none.
        key: Option<String>,
        /// The rows of this page.
        items: Vec<Value>,
        /// How many there are in all, if told. Not to be trusted for paging (wire facts §1.8).
        count: Option<u64>,
    },
    /// A job was started.
    Started {
        /// The job's id.
        job: String,
        /// The id of the object in the making, for commands that create one.
        id: Option<String>,
    },
    /// Done, or not, without an object.
    Success {
        /// Whether it worked: `false` comes with HTTP 200 too.
        success: bool,
        /// What the server says about it.
        text: Option<String>,
    },
    /// One object.
    Object {
        /// Its key; the word `null` where the command never set one.
        key: String,
        /// The object.
        value: Value,
    },
    /// Members that stand directly in the envelope: login, job polls.
    Flat(Map<String, Value>),
}

/// CloudStack refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The envelope: the command's own, or `errorresponse`; tells a missing command from wrong keys (wire facts §2.4).
    pub envelope: String,
    /// The error code, which is also the HTTP status.
    pub code: u16,
    /// CloudStack's inner code, where there is one.
    pub inner_code: Option<u64>,
    /// What the server says.
    pub text: String,
    /// Objects that were left behind although the command failed.
    pub leftovers: Vec<Leftover>,
}

/// An object that a failed command left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Its id.
    pub id: String,
    /// What the server calls it, such as `virtualmachineid`.
    pub description: String,
}

/// Why there is no [`Reply`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// CloudStack refused.
    #[error("CloudStack refused with {}: {}", .0.code, .0.text)]
    Refused(Fault),
    /// HTTP 200 without a body: an error of unknown outcome (wire facts §2.4).
    #[error("the server answered {status} without a word")]
    Empty {
        /// The HTTP status.
        status: u16,
    },
    /// Not from CloudStack's API: a proxy, the web server itself, or XML.
    #[error("the server answered {status} with a page instead of JSON: `{excerpt}`")]
    Page {
        /// The HTTP status.
        status: u16,
        /// The page's title or its first words.
        excerpt: String,
    },
    /// Text or JSON that is no envelope.
    #[error("the server answered {status} with text instead of an envelope: `{excerpt}`")]
    Text {
        /// The HTTP status.
        status: u16,
        /// The first words.
        excerpt: String,
    },
    /// JSON that stays broken after the repairs we know.
    #[error("the server answered {status} with broken JSON at byte {offset}")]
    Broken {
        /// The HTTP status.
        status: u16,
        /// Where.
        offset: usize,
    },
}

impl Reply {
    /// Reads what a server answered.
    ///
    /// # Errors
    ///
    /// [`ReplyError::Refused`] if CloudStack refused, the other variants if the answer is no CloudStack answer.
    pub fn read(status: u16, bytes: &[u8]) -> Result<Self, ReplyError> {
        let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace());
        match start.and_then(|start| bytes.get(start)) {
            None => return Err(ReplyError::Empty { status }),
            Some(b'<') => return Err(ReplyError::Page { status, excerpt: page_excerpt(bytes) }),
            Some(b'{') => {}
            Some(_) => return Err(ReplyError::Text { status, excerpt: excerpt(&String::from_utf8_lossy(bytes)) }),
        }
        let value = parse(bytes).map_err(|offset| ReplyError::Broken { status, offset })?;
        let (envelope, body) = open(value).ok_or_else(|| ReplyError::Text { status, excerpt: excerpt(&String::from_utf8_lossy(bytes)) })?;
        if let Some(fault) = fault_in(&envelope, &body) {
            return Err(ReplyError::Refused(fault));
        }
        if !(200..300).contains(&status) {
            return Err(ReplyError::Text { status, excerpt: excerpt(&String::from_utf8_lossy(bytes)) });
        }
        Ok(Self { envelope, body: Body::read(body) })
    }
}

impl Body {
    /// Reads the inside of an envelope, or a job's result, by its shape.
    #[must_use]
    pub fn read(mut body: Map<String, Value>) -> Self {
        let count = body.get("count").and_then(Value::as_u64);
        let others = body.len() - usize::from(count.is_some());
        if others == 0 {
            return Self::List { key: None, items: Vec::new(), count };
        }
        if others == 1 {
            let array = body.iter().find(|(_, value)| value.is_array()).map(|(key, _)| key.clone());
            if let Some(key) = array
                && let Some(Value::Array(items)) = body.remove(&key)
            {
                return Self::List { key: Some(key), items, count };
            }
        }
        if body.len() == 1
            && let Some((key, value)) = body.iter().next()
            && value.is_object()
        {
            return Self::Object { key: key.clone(), value: value.clone() };
        }
        Self::started(&body).or_else(|| Self::success(&body)).unwrap_or(Self::Flat(body))
    }

    fn started(body: &Map<String, Value>) -> Option<Self> {
        let job = text_of(body.get("jobid")?)?;
        let only = body.keys().all(|key| key == "jobid" || key == "id");
        only.then(|| Self::Started { job, id: body.get("id").and_then(text_of) })
    }

    fn success(body: &Map<String, Value>) -> Option<Self> {
        let only = body.keys().all(|key| matches!(key.as_str(), "success" | "displaytext" | "details"));
        let success = match body.get("success")? {
            Value::Bool(success) => *success,
            Value::String(text) => text.eq_ignore_ascii_case("true"),
            _ => return None,
        };
        only.then(|| Self::Success { success, text: body.get("displaytext").or_else(|| body.get("details")).and_then(text_of) })
    }
}

/// Reads a refusal out of a body, wherever it stands: an envelope or a job's result.
#[must_use]
pub fn fault_in(envelope: &str, body: &Map<String, Value>) -> Option<Fault> {
    let code = body.get("errorcode").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok())?;
    let leftover = |entry: &Value| {
        let id = entry.get("uuid").and_then(text_of)?;
        Some(Leftover { id, description: entry.get("description").and_then(text_of).unwrap_or_default() })
    };
    let leftovers = body.get("uuidList").and_then(Value::as_array).map(|list| list.iter().filter_map(leftover).collect());
    Some(Fault {
        envelope: envelope.to_owned(),
        code,
        inner_code: body.get("cserrorcode").and_then(Value::as_u64),
        text: body.get("errortext").and_then(text_of).unwrap_or_default(),
        leftovers: leftovers.unwrap_or_default(),
    })
}

/// A scalar as text: ids and codes come as strings or as numbers.
#[must_use]
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn open(value: Value) -> Option<(String, Map<String, Value>)> {
    let Value::Object(members) = value else { return None };
    let mut members = members.into_iter();
    match (members.next()?, members.next()) {
        ((envelope, Value::Object(body)), None) => Some((envelope, body)),
        _ => None,
    }
}

/// Parses JSON, and once more after the repairs that CloudStack's serialiser makes necessary (wire facts §2.3).
fn parse(bytes: &[u8]) -> Result<Value, usize> {
    serde_json::from_slice(bytes).or_else(|_| {
        let repaired = repair(bytes);
        serde_json::from_slice(&repaired).map_err(|fault| offset_of(&repaired, &fault))
    })
}

fn offset_of(bytes: &[u8], fault: &serde_json::Error) -> usize {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').take(fault.line().saturating_sub(1));
    lines.map(<[u8]>::len).sum::<usize>() + fault.column()
}

/// Escapes raw control characters inside strings and doubles backslashes that start no valid escape; makes the text UTF-8.
fn repair(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len() + 16);
    let mut inside = false;
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => {
                inside = !inside;
                out.push(letter);
            }
            '\\' if inside => {
                let rest = text.get(at + 1..).unwrap_or_default();
                out.push('\\');
                if is_escape(rest) {
                    out.extend(letters.next().map(|(_, escaped)| escaped));
                } else {
                    out.push('\\');
                }
            }
            control if inside && control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.into_bytes()
}

fn is_escape(rest: &str) -> bool {
    match rest.as_bytes() {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => true,
        [b'u', a, b, c, d, ..] => [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()),
        _ => false,
    }
}

fn page_excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title>").and_then(|start| Some((start + 7, lower.get(start..)?.find("</title>")? + start)));
    excerpt(title.and_then(|(start, end)| text.get(start..end)).unwrap_or(&text))
}

fn excerpt(text: &str) -> String {
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
    plain.chars().take(EXCERPT_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(text: &str) -> Body {
        Reply::read(200, text.as_bytes()).unwrap().body
    }

    #[test]
    fn the_only_array_is_the_list_whatever_its_key() {
        let Body::List { key, items, count } = body(r#"{"listvmsnapshotresponse":{"count":1,"vmSnapshot":[{"id":"a","tags":[]}]}}"#) else { panic!("list") };
        assert_eq!((key.as_deref(), items.len(), count), (Some("vmSnapshot"), 1, Some(1)));
    }

    #[test]
    fn nothing_at_all_is_an_empty_list_and_a_lone_count_a_page_past_the_end() {
        assert_eq!(body(r#"{"listzonesresponse":{}}"#), Body::List { key: None, items: vec![], count: None });
        assert_eq!(body(r#"{"listzonesresponse":{"count":37}}"#), Body::List { key: None, items: vec![], count: Some(37) });
    }

    #[test]
    fn a_started_job_is_told_from_an_object_with_a_job() {
        assert_eq!(body(r#"{"x":{"id":"i","jobid":"j"}}"#), Body::Started { job: "j".to_owned(), id: Some("i".to_owned()) });
        assert_eq!(body(r#"{"x":{"id":7,"jobid":"j"}}"#), Body::Started { job: "j".to_owned(), id: Some("7".to_owned()) });
        assert!(matches!(body(r#"{"x":{"jobid":"j","jobstatus":1}}"#), Body::Flat(_)));
    }

    #[test]
    fn success_may_be_false_and_may_be_text() {
        assert_eq!(body(r#"{"x":{"success":"true"}}"#), Body::Success { success: true, text: None });
        assert_eq!(body(r#"{"x":{"success":false,"displaytext":"no"}}"#), Body::Success { success: false, text: Some("no".to_owned()) });
    }

    #[test]
    fn an_object_may_stand_under_the_word_null() {
        assert_eq!(body(r#"{"x":{"null":{"responses":[]}}}"#), Body::Object { key: "null".to_owned(), value: json!({"responses": []}) });
    }

    #[test]
    fn a_refusal_keeps_code_text_and_leftovers() {
        let text = r#"{"deployvirtualmachineresponse":{"uuidList":[{"uuid":"u","description":"virtualmachineid"}],"errorcode":530,"cserrorcode":4250,"errortext":"no"}}"#;
        let Err(ReplyError::Refused(fault)) = Reply::read(530, text.as_bytes()) else { panic!("refused") };
        assert_eq!((fault.code, fault.inner_code, fault.text.as_str()), (530, Some(4250), "no"));
        assert_eq!(fault.leftovers, [Leftover { id: "u".to_owned(), description: "virtualmachineid".to_owned() }]);
    }

    #[test]
    fn what_is_no_answer_of_cloudstack_says_what_it_is() {
        assert_eq!(Reply::read(200, b" "), Err(ReplyError::Empty { status: 200 }));
        assert_eq!(Reply::read(502, b"<html><title>502 Bad Gateway</title>"), Err(ReplyError::Page { status: 502, excerpt: "502 Bad Gateway".to_owned() }));
        assert_eq!(Reply::read(531, b"null"), Err(ReplyError::Text { status: 531, excerpt: "null".to_owned() }));
        assert_eq!(Reply::read(200, br#"{ "x" :  ] } }"#), Err(ReplyError::Broken { status: 200, offset: 10 }));
    }

    #[test]
    fn raw_control_characters_and_broken_escapes_are_repaired() {
        let Body::Object { value, .. } = body("{\"x\":{\"vm\":{\"text\":\"a\u{1b}b\",\"path\":\"C:\\ꯍ\",\"cut\":\"x\\Ay\"}}}") else { panic!("object") };
        assert_eq!(value, json!({"text": "a\u{1b}b", "path": "C:\\ꯍ", "cut": "x\\Ay"}));
    }
}
