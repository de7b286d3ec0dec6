//! The settings: read once, from flags, environment and file, into one value that is passed whole.
//!
//! The only room that looks at the environment, and the only one that knows where settings come from. A setting is one
//! documented field in `table`; which profile is used, and out of what, is decided here.

mod edit;
mod environment;
mod ini;
mod layers;
mod profiles;
mod secret;
mod table;
mod value;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use cloudstack_api::call::closest;
use cloudstack_engine::{ApprovalMode, ApprovalSettings, Config, Limits as EngineLimits, Policy, Profile, Report, ReportKind};
use toml_edit::{Document, Item, TableLike};

pub(crate) use self::{
    edit::{Edit, owner_only, write},
    environment::Environment,
    layers::{Fault, Flags},
    profiles::{EMBEDDED, ENVIRONMENT, Entry, Origin},
    secret::SecretSource,
    table::{Approvals, EmbeddedCloud, General, Limits, Row, Serve, Table, rows},
    value::{Color, Format, Speed, SurfaceName},
};
use self::{
    layers::Layers,
    profiles::{middle_of, of_cmk, of_cs, of_environment, of_named_variables},
    table::ProfileTable,
};

/// The digits of a key of approvals.
const KEY_DIGITS: usize = 64;

/// Everything that is set.
#[derive(Clone)]
pub(crate) struct Settings {
    /// What applies to every verb.
    pub(crate) general: General,
    /// The MCP server.
    pub(crate) serve: Serve,
    /// The bearer tokens of the MCP server over HTTP: who has which, to be fetched.
    pub(crate) tokens: BTreeMap<String, SecretSource>,
    /// Approvals.
    pub(crate) approvals: Approvals,
    /// How much of everything.
    pub(crate) limits: Limits,
    /// The embedded cloud.
    pub(crate) embedded: EmbeddedCloud,
    /// What the operator allows.
    pub(crate) policy: Policy,
    /// The environment.
    pub(crate) environment: Environment,
    /// The settings file, whether it exists or not.
    pub(crate) file: PathBuf,
    /// What is worth a warning.
    pub(crate) warnings: Vec<String>,
    profiles: Vec<Entry>,
    /// Whether the profile was named by a flag or by a variable, which come before everything else.
    is_profile_named: bool,
}

impl Settings {
    /// Reads them all; `file` is what `--config` names.
    ///
    /// # Errors
    ///
    /// A report of kind `config` with everything that is wrong.
    pub(crate) fn read(flags: &Flags, file: Option<PathBuf>, environment: Environment) -> Result<Self, Report> {
        let told = file.or_else(|| environment.variable("CLOUDSTACK_MCP_CONFIG").map(|path| environment.path(Path::new(path))));
        // Without a home there is no settings file: one that happens to lie in the working directory is nobody's choice.
        let Some(path) = told.clone().or_else(|| environment.config_file()) else {
            let document = Document::parse("").map_err(|fault| unreadable(Path::new(""), "", &fault))?;
            return Self::of_document(flags, environment, PathBuf::new(), &document);
        };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound && told.is_none() => String::new(),
            Err(fault) => return Err(Report::new(ReportKind::Config, format!("the settings file `{}` cannot be read: {fault}", path.display()))),
        };
        let document = Document::parse(text.as_str()).map_err(|fault| unreadable(&path, &text, &fault))?;
        Self::of_document(flags, environment, path, &document)
    }

    fn of_document(flags: &Flags, environment: Environment, path: PathBuf, document: &Document<&str>) -> Result<Self, Report> {
        let name = path.display().to_string();
        let mut layers = Layers::new(flags, &environment, Some(document.as_table()), &name);
        let mut top = layers.table(General::NAME);
        let general = General::read(&mut top);
        for table in [Serve::NAME, Approvals::NAME, Limits::NAME, EmbeddedCloud::NAME, "policy", "profiles"] {
            let _ = top.known(table);
        }
        top.finish();
        let mut layer = layers.table(Serve::NAME);
        let serve = Serve::read(&mut layer);
        let _ = layer.known("tokens");
        layer.finish();
        let (approvals, limits, embedded) = (finished(&mut layers), finished(&mut layers), finished(&mut layers));
        let tokens = tokens(document, &mut layers, &name);
        let policy = policy(document, &mut layers, &name);
        let profiles = file_profiles(document, &mut layers, &path);
        layers.check_variables();
        let is_profile_named = layers.is_above_file("profile");
        let faults = std::mem::take(&mut layers.faults);
        if !faults.is_empty() {
            return Err(report(&faults));
        }
        let mut settings =
            Self { general, serve, tokens, approvals, limits, embedded, policy, environment, file: path, warnings: Vec::new(), profiles, is_profile_named };
        settings.warnings = settings.exposed_file().into_iter().collect();
        Ok(settings)
    }

    /// Settings without file and flags, for verbs that need none.
    ///
    /// # Errors
    ///
    /// A report of kind `config` if the variables are wrong.
    pub(crate) fn bare(environment: Environment) -> Result<Self, Report> {
        let document = Document::parse("").map_err(|fault| unreadable(Path::new(""), "", &fault))?;
        Self::of_document(&Flags::new(), environment, PathBuf::new(), &document)
    }

    /// Every profile that can be named, from every source.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries = self.own_entries();
        entries.extend(of_cmk(&self.environment));
        entries.extend(of_cs(&self.environment));
        entries.push(Entry::embedded());
        entries
    }

    /// The profiles that are ours: of the variables first, then of the file; a later one of the same name is hidden.
    fn own_entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = of_environment(&self.environment, ENVIRONMENT, "").into_iter().collect();
        entries.extend(of_named_variables(&self.environment));
        // Variables that give only a part of a profile of the file would mix two sources: kept, so that using it says so.
        let partial = self.profiles.iter().filter_map(|entry| of_environment(&self.environment, &entry.name, &middle_of(&entry.name)));
        entries.extend(partial.collect::<Vec<_>>());
        entries.extend(self.profiles.iter().cloned());
        let mut names = BTreeSet::new();
        entries.retain(|entry| names.insert(entry.name.clone()));
        entries
    }

    /// The profile with a name: ours first, else that of another client's file if only one has it.
    ///
    /// # Errors
    ///
    /// A report of kind `config` if there is none, or more than one.
    pub(crate) fn entry(&self, name: &str) -> Result<Entry, Report> {
        let entries = self.entries();
        if let Some(entry) = entries.iter().find(|entry| entry.name == name) {
            return Ok(entry.clone());
        }
        let alike: Vec<&Entry> = entries.iter().filter(|entry| entry.plain_name() == name).collect();
        match alike.as_slice() {
            [entry] => Ok((*entry).clone()),
            [] => {
                let near = closest(name, entries.iter().flat_map(|entry| [entry.name.as_str(), entry.plain_name()]));
                let report = Report::new(ReportKind::Config, format!("there is no profile `{name}`"));
                let report = near.map_or(report.clone(), |near| report.hint(format!("did you mean `{near}`?")));
                let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
                Err(report.hint(format!("there are {}", names.join(", "))))
            }
            several => {
                let names: Vec<&str> = several.iter().map(|entry| entry.name.as_str()).collect();
                Err(Report::new(ReportKind::Config, format!("there is more than one profile `{name}`")).hint(format!("name one of {}", names.join(", "))))
            }
        }
    }

    /// The profile in use: named by flag or variable, else given by the environment, else named in the file, else the only
    /// one of the file, else the embedded cloud.
    ///
    /// # Errors
    ///
    /// A report of kind `config` if it cannot be told.
    pub(crate) fn selected(&self) -> Result<Entry, Report> {
        if let Some(name) = self.general.profile.as_deref().filter(|_| self.is_profile_named) {
            return self.entry(name);
        }
        if let Some(entry) = of_environment(&self.environment, ENVIRONMENT, "") {
            return Ok(entry);
        }
        if let Some(name) = &self.general.profile {
            return self.entry(name);
        }
        match self.profiles.as_slice() {
            [] => Ok(Entry::embedded()),
            [only] => self.entry(&only.name),
            several => {
                let names: Vec<&str> = several.iter().map(|entry| entry.name.as_str()).collect();
                let report = Report::new(ReportKind::Config, format!("there are {} profiles and none is the default", several.len()));
                Err(report.hint(format!("name one with --profile: {}", names.join(", "))).hint("`cloudstack-mcp profile use NAME` makes one the default"))
            }
        }
    }

    /// The engine's configuration for these profiles, the first of them the default.
    ///
    /// # Errors
    ///
    /// A report of kind `config` with everything that is wrong.
    pub(crate) fn engine_config(&self, profiles: Vec<Profile>) -> Result<Config, Report> {
        let mode = match self.approvals.mode {
            value::Asking::Ask => ApprovalMode::Ask,
            value::Asking::Refuse => ApprovalMode::Refuse,
        };
        let key = self.approvals.key_file.as_deref().map(|path| key(&self.environment.path(path))).transpose()?;
        let path = |path: &Option<PathBuf>| path.as_deref().map(|path| self.environment.path(path));
        Ok(Config {
            default_profile: profiles.first().map(|profile| profile.name.clone()).unwrap_or_default(),
            profiles,
            policy: self.policy.clone(),
            approval: ApprovalSettings { ttl: self.approvals.ttl_seconds, mode, key },
            audit_file: path(&self.general.audit_file),
            secrets_dir: path(&self.general.secrets_dir).or_else(|| self.environment.state_folder().map(|folder| folder.join("secrets"))),
            release: self.general.release,
            limits: EngineLimits { wait: self.limits.wait_seconds, items_max: self.limits.items_max },
        })
    }

    /// The engine's profile for an entry, its secrets fetched.
    ///
    /// # Errors
    ///
    /// A report of kind `config` with everything that is wrong with it.
    pub(crate) fn profile(&self, entry: &Entry) -> Result<Profile, Report> {
        entry.resolve(&self.environment).map_err(|faults| report(&faults))
    }

    /// The bearer tokens, fetched: token and who has it.
    ///
    /// # Errors
    ///
    /// A report of kind `config` with everything that is wrong with them.
    pub(crate) fn bearer_tokens(&self) -> Result<BTreeMap<String, String>, Report> {
        let mut faults = Vec::new();
        let mut tokens = BTreeMap::new();
        for (principal, source) in &self.tokens {
            match source.resolve(&self.environment) {
                Ok(Some(token)) => drop(tokens.insert(token, principal.clone())),
                Ok(None) => faults.push(Fault { message: format!("the token of `{principal}` is given in no way"), hint: None }),
                Err(message) => faults.push(Fault { message: format!("the token of `{principal}` {message}"), hint: None }),
            }
        }
        if faults.is_empty() { Ok(tokens) } else { Err(report(&faults)) }
    }

    /// Warnings about the files of a profile that is going to be used.
    pub(crate) fn exposures(&self, entry: &Entry) -> Vec<String> {
        let files = entry.secret_files();
        files.iter().filter(|file| **file != self.file).filter_map(|file| secret::exposure(&self.environment.path(file))).collect()
    }

    fn exposed_file(&self) -> Option<String> {
        let holds_secret =
            self.tokens.values().any(|source| source.value.is_some()) || self.profiles.iter().any(|entry| entry.secret_files().contains(&self.file));
        holds_secret.then(|| secret::exposure(&self.file)).flatten()
    }
}

/// Reads a table that has nothing but settings in it.
fn finished<T: Table>(layers: &mut Layers<'_>) -> T {
    let mut layer = layers.table(T::NAME);
    let table = T::read(&mut layer);
    layer.finish();
    table
}

fn table_of<'a>(document: &'a Document<&str>, name: &str) -> Option<&'a dyn TableLike> {
    document.as_table().get(name).and_then(Item::as_table_like)
}

/// `[serve.tokens]`: a name for each who may come in, and the token as a value, or where it comes from.
fn tokens(document: &Document<&str>, layers: &mut Layers<'_>, file: &str) -> BTreeMap<String, SecretSource> {
    let mut tokens = BTreeMap::new();
    let Some(table) = table_of(document, Serve::NAME).and_then(|serve| serve.get("tokens")).and_then(Item::as_table_like) else { return tokens };
    for (principal, item) in table.iter() {
        let text = |key: &str| item.as_table_like().and_then(|table| table.get(key)).and_then(Item::as_str).map(str::to_owned);
        let source = SecretSource { value: item.as_str().map(str::to_owned), file: text("file").map(PathBuf::from), command: text("command") };
        if source.kind().is_none() {
            layers.fault(format!("`{file}: serve.tokens.{principal}` takes a text, or a table with `file` or `command`"), None);
        }
        tokens.insert(principal.to_owned(), source);
    }
    tokens
}

fn policy(document: &Document<&str>, layers: &mut Layers<'_>, file: &str) -> Policy {
    let Some(item) = document.as_table().get("policy") else { return Policy::default() };
    let mut table = toml_edit::DocumentMut::new();
    table.insert("policy", item.clone());
    #[derive(serde::Deserialize)]
    struct Holder {
        policy: Policy,
    }
    match toml_edit::de::from_document::<Holder>(table) {
        Ok(holder) => holder.policy,
        Err(fault) => {
            layers.fault(format!("`{file}: policy`: {}", fault.message()), None);
            Policy::default()
        }
    }
}

fn file_profiles<'a>(document: &'a Document<&str>, layers: &mut Layers<'a>, path: &Path) -> Vec<Entry> {
    let mut entries = Vec::new();
    let Some(item) = document.as_table().get("profiles") else { return entries };
    let file = path.display();
    let Some(profiles) = item.as_table_like() else {
        layers.fault(format!("`{file}: profiles` takes tables, one a profile"), None);
        return entries;
    };
    for (name, item) in profiles.iter() {
        let Some(place) = item.as_table_like() else {
            layers.fault(format!("`{file}: profiles.{name}` takes a table"), None);
            continue;
        };
        if [EMBEDDED, ENVIRONMENT].contains(&name) || name.contains(':') || name.is_empty() {
            layers.fault(
                format!("`{file}`: a profile cannot be called `{name}`"),
                Some("choose another name; `embedded`, `env` and names with `:` are taken".to_owned()),
            );
        }
        let mut entry = Entry::new(name.to_owned(), Origin::File(path.to_owned()));
        let mut layer = layers.file_table(format!("profiles.{name}"), place);
        entry.table = ProfileTable::read(&mut layer);
        let defaults = layer.known("defaults").and_then(Item::as_table_like);
        let defaults: Vec<(String, Option<String>)> =
            defaults.map(|table| table.iter().map(|(key, item)| (key.to_ascii_lowercase(), plain_text(item))).collect()).unwrap_or_default();
        layer.finish();
        for (key, value) in defaults {
            match value {
                Some(value) => drop(entry.defaults.insert(key, value)),
                None => layers.fault(format!("`{file}: profiles.{name}.defaults.{key}` takes a text"), None),
            }
        }
        entries.push(entry);
    }
    entries
}

fn plain_text(item: &Item) -> Option<String> {
    let value = item.as_value()?;
    value.as_str().map(str::to_owned).or_else(|| value.as_integer().map(|number| number.to_string())).or_else(|| value.as_bool().map(|truth| truth.to_string()))
}

/// The key of approvals out of its file.
fn key(path: &Path) -> Result<[u8; 32], Report> {
    let fault = |message: String| Report::new(ReportKind::Config, format!("the key of approvals {message}"));
    let digits = secret::of_file(path).map_err(fault)?;
    let mut key = [0_u8; KEY_DIGITS / 2];
    let is_hex = digits.len() == KEY_DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !is_hex {
        return Err(fault(format!("from `{}` is not {KEY_DIGITS} hexadecimal digits", path.display())));
    }
    for (byte, pair) in key.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()).unwrap_or_default();
    }
    Ok(key)
}

/// What is wrong with the settings, all at once.
pub(crate) fn report(faults: &[Fault]) -> Report {
    let messages: Vec<String> = faults.iter().map(|fault| fault.message.clone()).collect();
    let message = match messages.as_slice() {
        [only] => only.clone(),
        several => format!("{} things are wrong with the settings", several.len()),
    };
    let hints = faults.iter().filter_map(|fault| Some((fault, fault.hint.as_ref()?)));
    let hints = hints.map(|(fault, hint)| if faults.len() == 1 { hint.clone() } else { format!("{}: {hint}", fault.message) });
    let report = hints.fold(Report::new(ReportKind::Config, message), Report::hint);
    if faults.len() == 1 { report } else { report.fact("faults", messages) }
}

/// A file that is no TOML; without its text, which may hold secrets.
fn unreadable(path: &Path, text: &str, fault: &toml_edit::TomlError) -> Report {
    let line = fault.span().and_then(|span| text.get(..span.start)).map_or(1, |before| before.matches('\n').count() + 1);
    Report::new(ReportKind::Config, format!("`{}` is no TOML, line {line}: {}", path.display(), fault.message()))
}

#[cfg(test)]
mod tests;
