//! Secrets: found by field in replies and by parameter in arguments, replaced by placeholders, handed to the person by file.
//!
//! Which fields and parameters hold secrets is `catalog/secrets.tsv`; a few names are secret wherever they stand. A
//! placeholder may be given as an argument later, but only where a secret belongs.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use cloudstack_api::{call::parameter_name, catalog::Command, reply::text_of, wire::Pair};
use serde_json::{Map, Value, json};

/// Names that are secret wherever they stand (wire facts §5.4).
const NAMES: &[&str] = &[
    "accesskey",
    "apikey",
    "bindpass",
    "configdata",
    "currentpassword",
    "encryptedpassword",
    "ipsecpsk",
    "passphrase",
    "password",
    "presharedkey",
    "privatekey",
    "secretcode",
    "secretkey",
    "sessionkey",
    "signature",
    "token",
    "userapikey",
    "userdata",
    "usersecretkey",
    "zonetoken",
];
/// Ends of names that are secret: keys of maps that people and plugins make up, such as `vnc.password`.
const NAME_ENDS: &[&str] = &["password", "passwd", "secretkey", "privatekey", "secret", "accesskey"];
/// Fields that hold a secret only where the object's name says so: the values of settings.
const NAMED_VALUES: &[&str] = &["value", "defaultvalue"];
/// Words in the name of a setting whose value is a secret.
const SETTING_WORDS: &[&str] =
    &["password", "passwd", "secret", "token", "credential", "apikey", "api.key", "accesskey", "access.key", "private.key", "privatekey", "stats.auth", "psk"];
/// Members of a query in a text whose values are secrets.
const QUERY_NAMES: &[&str] = &["password=", "secretkey=", "signature=", "token="];
/// How a placeholder begins and ends.
const MARK: (&str, &str) = ("«secret:", "»");
/// How many secrets are kept for later calls; the oldest goes first.
const KEPT_MAX: usize = 256;
/// Shorter values are no secrets that could be told from ordinary words in a text.
const SCRUBBED_CHARACTERS_MIN: usize = 6;

/// What is secret, and the secrets that were replaced.
#[derive(Debug)]
pub(crate) struct Secrets {
    reply: HashMap<&'static str, HashSet<&'static str>>,
    reply_everywhere: HashSet<&'static str>,
    argument: HashMap<&'static str, HashSet<&'static str>>,
    kept: Mutex<VecDeque<Kept>>,
    dir: Option<PathBuf>,
}

struct Kept {
    id: String,
    owner: String,
    value: String,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What was taken out of one answer.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// The values, so that they can be taken out of texts too.
    pub(crate) values: Vec<String>,
    /// What the person is told: field, placeholder, file.
    pub(crate) told: Vec<Value>,
    /// What could not be written for the person.
    pub(crate) notes: Vec<String>,
}

/// For whom an answer is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    /// Principal and profile: nobody else can use the placeholders.
    pub(crate) name: &'a str,
    /// Names the files.
    pub(crate) request_id: &'a str,
    /// Whether the secrets are kept and written for the person: those that the call was made for, not those that a list
    /// happens to show.
    pub(crate) keeps: bool,
}

impl Secrets {
    pub(crate) fn new(dir: Option<PathBuf>) -> Self {
        let mut secrets = Self { reply: HashMap::new(), reply_everywhere: HashSet::new(), argument: HashMap::new(), kept: Mutex::new(VecDeque::new()), dir };
        for line in include_str!("../../../catalog/secrets.tsv").lines() {
            let mut columns = line.split('\t');
            let (Some(place), Some(field), Some(commands)) = (columns.next(), columns.next(), columns.next()) else { continue };
            for command in commands.split_whitespace() {
                match (place, command) {
                    ("reply", "*") => drop(secrets.reply_everywhere.insert(field)),
                    ("reply", command) => drop(secrets.reply.entry(command).or_default().insert(field)),
                    (_, command) => drop(secrets.argument.entry(command).or_default().insert(field)),
                }
            }
        }
        secrets
    }

    /// Replaces every secret in a reply.
    pub(crate) fn redact(&self, command: &str, value: &mut Value, owner: Owner<'_>) -> Taken {
        let mut taken = Taken::default();
        Walk::new(self, Fields::Of(self.reply.get(command)), owner, &mut taken).value(value, false);
        taken
    }

    /// Replaces every secret in the result of a job of which the command is not known: what is secret in any command's
    /// reply is taken for secret.
    pub(crate) fn redact_unknown(&self, value: &mut Value, owner: Owner<'_>) -> Taken {
        let mut taken = Taken::default();
        Walk::new(self, Fields::OfAny(&self.reply), owner, &mut taken).value(value, false);
        taken
    }

    /// The arguments as they may be shown and recorded.
    pub(crate) fn shown_pairs(&self, command: &str, pairs: &[Pair]) -> Map<String, Value> {
        let setting = pairs.iter().find(|(name, _)| name == "name").map(|(_, value)| value.as_str());
        let shown = |(name, value): &Pair| {
            let secret = self.is_secret_argument(command, name, setting);
            (name.clone(), if secret && !value.is_empty() { placeholder(last_word(name), None).into() } else { scrubbed_query(value).into() })
        };
        pairs.iter().map(shown).collect()
    }

    /// The same for arguments as the caller gave them.
    pub(crate) fn shown_arguments(&self, command: &str, arguments: &Map<String, Value>) -> Map<String, Value> {
        let setting = arguments.get("name").and_then(Value::as_str);
        let shown = |(name, value): (&String, &Value)| (name.clone(), self.shown_argument(command, name, value, setting));
        arguments.iter().map(shown).collect()
    }

    fn shown_argument(&self, command: &str, name: &str, value: &Value, setting: Option<&str>) -> Value {
        if self.is_secret_argument(command, &parameter_name(name), setting) {
            return placeholder(last_word(&parameter_name(name)), None).into();
        }
        match value {
            Value::Object(members) => {
                members.iter().map(|(name, value)| (name.clone(), self.shown_argument(command, name, value, setting))).collect::<Map<_, _>>().into()
            }
            Value::Array(items) => items.iter().map(|item| self.shown_argument(command, "", item, setting)).collect(),
            Value::String(text) => scrubbed_query(text).into(),
            other => other.clone(),
        }
    }

    /// The values of the secrets among the arguments of a call.
    pub(crate) fn values_in(&self, command: &str, pairs: &[Pair]) -> Vec<String> {
        let setting = pairs.iter().find(|(name, _)| name == "name").map(|(_, value)| value.as_str());
        pairs.iter().filter(|(name, _)| self.is_secret_argument(command, name, setting)).map(|(_, value)| value.clone()).collect()
    }

    /// The same for arguments as the caller gave them, sound or not.
    pub(crate) fn values_of(&self, command: &str, arguments: &Map<String, Value>) -> Vec<String> {
        let setting = arguments.get("name").and_then(Value::as_str);
        let secret = arguments.iter().filter(|(name, _)| self.is_secret_argument(command, &parameter_name(name), setting));
        secret.filter_map(|(_, value)| text_of(value)).collect()
    }

    /// Puts kept secrets in the place of placeholders.
    ///
    /// # Errors
    ///
    /// The parameter and what is wrong: a placeholder where no secret belongs, or one that is not known here.
    pub(crate) fn fill_in(&self, command: &Command, arguments: &mut Map<String, Value>, owner: &str) -> Result<(), (String, String)> {
        let setting = arguments.get("name").and_then(Value::as_str).map(str::to_owned);
        for (name, value) in arguments.iter_mut() {
            let Some(text) = value.as_str().filter(|text| text.contains(MARK.0)) else { continue };
            if !self.is_secret_argument(&command.name, &parameter_name(name), setting.as_deref()) {
                return Err((name.clone(), format!("a secret may not stand in `{name}`, where it could be read again")));
            }
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let known = kept.iter().find(|kept| kept.owner == owner && text.ends_with(&format!("#{}{}", kept.id, MARK.1)));
            match known {
                Some(known) => *value = known.value.clone().into(),
                None => return Err((name.clone(), format!("the secret that `{name}` stands for is not kept any more"))),
            }
        }
        Ok(())
    }

    fn is_secret_argument(&self, command: &str, name: &str, setting: Option<&str>) -> bool {
        let last = last_word(name);
        let listed = self.argument.get(command).is_some_and(|names| names.contains(name));
        if listed && NAMED_VALUES.contains(&name) {
            return setting.is_none_or(is_secret_setting);
        }
        listed || is_secret_name(last)
    }

    fn keep(&self, owner: Owner<'_>, field: &str, value: &str, taken: &mut Taken) -> String {
        let name = last_word(field).to_owned();
        if !owner.keeps {
            return placeholder(&name, None);
        }
        let id = format!("{:08x}", fastrand::u32(..));
        let mark = placeholder(&name, Some(&id));
        let mut told = json!({"field": field, "placeholder": mark});
        if let Some(dir) = &self.dir {
            match write_secret(dir, &format!("{}-{name}-{id}", owner.request_id), value) {
                Ok(file) => {
                    if let Some(told) = told.as_object_mut() {
                        told.insert("file".to_owned(), file.display().to_string().into());
                    }
                }
                Err(fault) => taken.notes.push(format!("the secret `{field}` could not be written to `{}`: {fault}", dir.display())),
            }
        }
        taken.told.push(told);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(Kept { id, owner: owner.name.to_owned(), value: value.to_owned() });
        mark
    }
}

/// The fields that hold secrets, as paths from the reply's object.
enum Fields<'a> {
    /// Those of one command.
    Of(Option<&'a HashSet<&'static str>>),
    /// Those of all commands, wherever they stand.
    OfAny(&'a HashMap<&'static str, HashSet<&'static str>>),
}

impl Fields<'_> {
    fn contains(&self, path: &str) -> bool {
        match self {
            Self::Of(fields) => fields.is_some_and(|fields| fields.contains(path)),
            Self::OfAny(commands) => {
                commands.values().flatten().any(|field| path == *field || path.strip_suffix(field).is_some_and(|head| head.ends_with('.')))
            }
        }
    }
}

/// Whether what stands at a path is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is not.
    Plain,
    /// It is.
    Secret,
    /// It is where the object's name says so.
    Named,
}

/// One walk through a reply.
struct Walk<'a> {
    secrets: &'a Secrets,
    fields: Fields<'a>,
    owner: Owner<'a>,
    taken: &'a mut Taken,
    /// The dotted path to where the walk is.
    path: String,
    /// What is known about paths: the items of a list have all the same.
    verdicts: HashMap<String, Verdict>,
}

impl<'a> Walk<'a> {
    fn new(secrets: &'a Secrets, fields: Fields<'a>, owner: Owner<'a>, taken: &'a mut Taken) -> Self {
        Self { secrets, fields, owner, taken, path: String::new(), verdicts: HashMap::new() }
    }

    fn value(&mut self, value: &mut Value, secret: bool) {
        match value {
            Value::Object(members) => self.members(members, secret),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item, secret)),
            Value::String(text) if !secret => {
                if let Some(scrubbed) = scrubbed(text) {
                    *text = scrubbed;
                }
            }
            Value::String(_) | Value::Number(_) if secret => {
                let Some(text) = text_of(value).filter(|text| !text.is_empty()) else { return };
                *value = self.secrets.keep(self.owner, &self.path, &text, self.taken).into();
                self.taken.values.push(text);
            }
            Value::String(_) | Value::Number(_) | Value::Null | Value::Bool(_) => {}
        }
    }

    fn members(&mut self, members: &mut Map<String, Value>, secret: bool) {
        let has_value = NAMED_VALUES.iter().any(|name| members.contains_key(*name));
        let setting = members.get("name").filter(|_| has_value).and_then(Value::as_str).map(is_secret_setting);
        let above = self.path.len();
        for (name, value) in members.iter_mut() {
            if above > 0 {
                self.path.push('.');
            }
            self.path.push_str(name);
            let hidden = match self.verdict(name) {
                Verdict::Plain => secret,
                Verdict::Secret => true,
                Verdict::Named => secret || setting.unwrap_or(true),
            };
            self.value(value, hidden);
            self.path.truncate(above);
        }
    }

    /// Whether what stands at the path is a secret; `name` is its last word.
    fn verdict(&mut self, name: &str) -> Verdict {
        if let Some(verdict) = self.verdicts.get(&self.path) {
            return *verdict;
        }
        let listed = self.fields.contains(&self.path) || self.secrets.reply_everywhere.contains(self.path.as_str());
        let verdict = match listed {
            true if NAMED_VALUES.contains(&name) => Verdict::Named,
            false if !is_secret_name(&name.to_ascii_lowercase()) => Verdict::Plain,
            _ => Verdict::Secret,
        };
        self.verdicts.insert(self.path.clone(), verdict);
        verdict
    }
}

impl Taken {
    /// Takes the values out of a text.
    pub(crate) fn scrub(&self, text: &mut String) {
        for value in self.values.iter().filter(|value| value.chars().count() >= SCRUBBED_CHARACTERS_MIN) {
            if text.contains(value.as_str()) {
                *text = text.replace(value.as_str(), &placeholder("value", None));
            }
        }
    }

    /// Takes the values out of every text in a value.
    pub(crate) fn scrub_value(&self, value: &mut Value) {
        if self.values.is_empty() {
            return;
        }
        match value {
            Value::String(text) => self.scrub(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.scrub_value(item)),
            Value::Object(members) => members.iter_mut().for_each(|(_, value)| self.scrub_value(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

fn is_secret_name(name: &str) -> bool {
    NAMES.contains(&name) || NAME_ENDS.iter().any(|end| name.ends_with(end))
}

fn is_secret_setting(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SETTING_WORDS.iter().any(|word| name.contains(word))
}

/// `details[0].vnc.password` → `password`.
fn last_word(name: &str) -> &str {
    name.rsplit(['.', ']']).next().unwrap_or(name)
}

fn placeholder(name: &str, id: Option<&str>) -> String {
    match id {
        Some(id) => format!("{}{name}#{id}{}", MARK.0, MARK.1),
        None => format!("{}{name}{}", MARK.0, MARK.1),
    }
}

fn scrubbed_query(text: &str) -> String {
    scrubbed(text).unwrap_or_else(|| text.to_owned())
}

/// The text without the secrets of a query in it; `None` if there are none.
fn scrubbed(text: &str) -> Option<String> {
    // Each of the names ends in this sign, and almost no text has one.
    if !text.contains('=') {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let found = QUERY_NAMES.iter().filter_map(|name| lower.find(name).map(|at| at + name.len())).min()?;
    let (head, tail) = text.split_at_checked(found)?;
    let end = tail.find(['&', ' ', '"', '\'', ',', ';', '}']).unwrap_or(tail.len());
    if end == 0 || tail.starts_with(MARK.0) {
        return None;
    }
    let rest = tail.get(end..).unwrap_or_default();
    let rest = scrubbed(rest).unwrap_or_else(|| rest.to_owned());
    Some(format!("{head}{}{rest}", placeholder("value", None)))
}

/// Writes a secret to a new file that only its owner can read.
fn write_secret(dir: &Path, name: &str, value: &str) -> std::io::Result<PathBuf> {
    fs::create_dir_all(dir)?;
    let path = dir.join(name);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path)?;
    file.write_all(value.as_bytes())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Owner<'_> = Owner { name: "ada@lab", request_id: "r1", keeps: false };

    fn redacted(command: &str, mut value: Value) -> Value {
        Secrets::new(None).redact(command, &mut value, NOBODY);
        value
    }

    #[test]
    fn a_secret_is_hidden_wherever_its_field_stands() {
        let value = json!({"virtualmachine": {"password": "hunter22", "passwordenabled": true, "nic": [{"secretkey": "s3cr3t"}]}});
        let hidden = redacted("unheardOf", value).to_string();
        assert!(!hidden.contains("hunter22") && !hidden.contains("s3cr3t") && hidden.contains("\"passwordenabled\":true"), "{hidden}");
    }

    #[test]
    fn every_field_that_is_known_to_be_secret_is_hidden_in_its_command_and_in_jobs() {
        for line in include_str!("../../../catalog/secrets.tsv").lines() {
            let columns: Vec<&str> = line.split('\t').collect();
            let ["reply", path, commands] = columns.as_slice() else { continue };
            let leaf = json!("s3cr3t-value");
            let object = path.rsplit('.').fold(leaf, |inner, name| json!({name: [inner]}));
            for command in commands.split_whitespace() {
                let hidden = redacted(command, json!([object])).to_string();
                assert!(!hidden.contains("s3cr3t-value"), "{command} {path}: {hidden}");
            }
            let mut result = json!({"something": object});
            Secrets::new(None).redact_unknown(&mut result, NOBODY);
            assert!(!result.to_string().contains("s3cr3t-value"), "{path} in a job: {result}");
        }
    }

    #[test]
    fn settings_keep_their_values_unless_their_name_speaks_of_secrets() {
        let value = json!([{"name": "expunge.delay", "value": "86400"}, {"name": "cloudian.admin.password", "value": "public77"}]);
        let shown = redacted("listConfigurations", value).to_string();
        assert!(shown.contains("86400") && !shown.contains("public77"), "{shown}");
    }

    #[test]
    fn a_kept_secret_goes_only_where_secrets_belong_and_only_for_its_owner() {
        let secrets = Secrets::new(None);
        let mut value = json!({"password": "hunter22"});
        let taken = secrets.redact("x", &mut value, Owner { keeps: true, ..NOBODY });
        let mark = value.get("password").and_then(Value::as_str).unwrap().to_owned();
        assert_eq!(taken.values, ["hunter22"]);
        let catalog = cloudstack_api::catalog::Catalog::embedded(cloudstack_api::catalog::Release::NEWEST);
        let command = catalog.commands().find(|command| command.parameter("password").is_some() && command.parameter("email").is_some()).unwrap();
        let mut arguments = Map::from_iter([("password".to_owned(), mark.clone().into())]);
        assert!(secrets.fill_in(&command, &mut arguments.clone(), "eve@lab").is_err());
        assert!(secrets.fill_in(&command, &mut Map::from_iter([("email".to_owned(), mark.into())]), "ada@lab").is_err());
        secrets.fill_in(&command, &mut arguments, "ada@lab").unwrap();
        assert_eq!(arguments.get("password"), Some(&json!("hunter22")));
    }

    #[test]
    fn passwords_in_urls_are_hidden() {
        assert_eq!(scrubbed_query("cifs://nas/x?user=a&password=geheim1&domain=d"), "cifs://nas/x?user=a&password=«secret:value»&domain=d");
        assert_eq!(scrubbed_query("no secrets here"), "no secrets here");
    }

    #[test]
    fn secrets_among_arguments_are_hidden_by_name_also_inside_maps() {
        let pairs = vec![("details[0].vnc.password".to_owned(), "geheim1".to_owned()), ("name".to_owned(), "web-1".to_owned())];
        let shown = Value::Object(Secrets::new(None).shown_pairs("x", &pairs)).to_string();
        assert!(!shown.contains("geheim1") && shown.contains("web-1"), "{shown}");
    }
}
