//! Where profiles come from: the settings file, the environment, the files of other CloudStack clients, and the embedded
//! cloud. Each is taken from one source as a whole: a key of one never travels to the URL of another.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use cloudstack_engine::{Credentials, DigestChoice, HttpMethod, Profile, Timeouts};

use super::{
    environment::Environment,
    ini::{self, Sections},
    layers::Fault,
    secret::SecretSource,
    table::ProfileTable,
    value::{DigestName, Method, Value as _},
};

/// The name of the embedded cloud's profile.
pub(crate) const EMBEDDED: &str = "embedded";
/// The name of the profile that the environment gives.
pub(crate) const ENVIRONMENT: &str = "env";
const CMK: &str = "cmk:";
const CS: &str = "cs:";

/// Where a profile comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The settings file.
    File(PathBuf),
    /// Variables.
    Environment,
    /// A section of CloudMonkey's file.
    Cmk(PathBuf),
    /// A region of `cloudstack.ini`.
    Cs(PathBuf),
    /// This very program.
    Embedded,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::Cmk(path) | Self::Cs(path) => write!(f, "{}", path.display()),
            Self::Environment => f.write_str("environment"),
            Self::Embedded => f.write_str("this program"),
        }
    }
}

/// A profile as it is written somewhere; its secrets are not fetched yet.
#[derive(Clone)]
pub(crate) struct Entry {
    /// The name that `--profile` takes.
    pub(crate) name: String,
    /// Where it comes from.
    pub(crate) origin: Origin,
    /// What is written.
    pub(crate) table: ProfileTable,
    /// Arguments for commands that take them.
    pub(crate) defaults: BTreeMap<String, String>,
    /// What is wrong with how it is written; matters once it is used.
    pub(crate) faults: Vec<Fault>,
}

impl Entry {
    /// The profile of the embedded cloud, whose URL and keys are known once it runs.
    pub(crate) fn embedded() -> Self {
        Self::new(EMBEDDED.to_owned(), Origin::Embedded)
    }

    /// An entry with the defaults.
    pub(crate) fn new(name: String, origin: Origin) -> Self {
        Self { name, origin, table: ProfileTable::default(), defaults: BTreeMap::new(), faults: Vec::new() }
    }

    /// The name without where it comes from.
    pub(crate) fn plain_name(&self) -> &str {
        self.name.split_once(':').map_or(&self.name, |(_, name)| name)
    }

    /// How it authenticates, in a word.
    pub(crate) fn authentication(&self) -> &'static str {
        match () {
            () if self.origin == Origin::Embedded => "keys",
            () if self.table.api_key().kind().is_some() || self.table.secret_key().kind().is_some() => "keys",
            () if self.table.username.is_some() => "password",
            () => "none",
        }
    }

    /// The files whose readers learn its secrets.
    pub(crate) fn secret_files(&self) -> Vec<PathBuf> {
        let table = &self.table;
        let mut files: Vec<PathBuf> = [&table.secret_key_file, &table.password_file].into_iter().flatten().cloned().collect();
        let holds_secret = table.secret_key.is_some() || table.password.is_some();
        if let (Origin::File(path) | Origin::Cmk(path) | Origin::Cs(path), true) = (&self.origin, holds_secret) {
            files.push(path.clone());
        }
        files
    }

    /// The profile for the engine, its secrets fetched; all that is wrong with it otherwise.
    pub(crate) fn resolve(&self, environment: &Environment) -> Result<Profile, Vec<Fault>> {
        if !self.faults.is_empty() {
            return Err(self.faults.clone());
        }
        let mut faults = Vec::new();
        let mut fault = |message: String| faults.push(Fault { message, hint: None });
        let table = &self.table;
        let url = table.url.clone().unwrap_or_default();
        if url.is_empty() {
            fault(format!("profile `{}` has no `url`", self.name));
        } else if !url.starts_with("http://") && !url.starts_with("https://") {
            fault(format!("the URL of profile `{}` begins with neither `https://` nor `http://`", self.name));
        }
        let credentials = self.credentials(environment).unwrap_or_else(|messages| {
            messages.into_iter().for_each(&mut fault);
            Credentials::None
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut profile = Profile::new(self.name.clone(), url.clone(), credentials);
        profile.verify_tls = table.verify_tls;
        profile.ca_file = table.ca_file.as_deref().map(|path| environment.path(path));
        profile.proxy = table.proxy.clone().or_else(|| environment.proxy(&url));
        profile.http_method = match table.http_method {
            Method::Post => HttpMethod::Post,
            Method::Get => HttpMethod::Get,
            Method::Auto => HttpMethod::Auto,
        };
        profile.digest = match table.digest {
            DigestName::Sha1 => DigestChoice::Sha1,
            DigestName::Sha512 => DigestChoice::Sha512,
            DigestName::Auto => DigestChoice::Auto,
        };
        profile.timeouts = Timeouts { connect: table.connect_timeout_seconds, read: table.read_timeout_seconds, write: table.write_timeout_seconds };
        profile.rate = table.rate;
        profile.defaults.clone_from(&self.defaults);
        Ok(profile)
    }

    fn credentials(&self, environment: &Environment) -> Result<Credentials, Vec<String>> {
        let mut faults = Vec::new();
        let mut fetch = |name: &str, source: &SecretSource| {
            source.resolve(environment).unwrap_or_else(|message| {
                faults.push(format!("the `{name}` of profile `{}` {message}", self.name));
                None
            })
        };
        let (api_key, secret_key, password) =
            (fetch("api_key", &self.table.api_key()), fetch("secret_key", &self.table.secret_key()), fetch("password", &self.table.password()));
        if !faults.is_empty() {
            return Err(faults);
        }
        match (api_key, secret_key, self.table.username.clone(), password) {
            (Some(api_key), Some(secret_key), None, None) => Ok(Credentials::Keys { api_key, secret_key: secret_key.into() }),
            (None, None, Some(username), Some(password)) => {
                Ok(Credentials::Password { username, password: password.into(), domain: self.table.domain.clone() })
            }
            (None, None, None, None) if self.origin != Origin::Environment => Ok(Credentials::None),
            (Some(_), None, ..) => Err(vec![format!("profile `{}` has an `api_key` but no `secret_key`", self.name)]),
            (None, Some(_), ..) => Err(vec![format!("profile `{}` has a `secret_key` but no `api_key`", self.name)]),
            (Some(_), Some(_), ..) => Err(vec![format!("profile `{}` has keys and also a user name or a password; keep one of both", self.name)]),
            (None, None, Some(_), None) => Err(vec![format!("profile `{}` has a `username` but no `password`", self.name)]),
            (None, None, None, Some(_)) => Err(vec![format!("profile `{}` has a `password` but no `username`", self.name)]),
            (None, None, None, None) => Err(vec![format!("profile `{}` has no keys", self.name)]),
        }
    }
}

impl ProfileTable {
    /// Where the API key comes from.
    pub(crate) fn api_key(&self) -> SecretSource {
        SecretSource { value: self.api_key.clone(), file: self.api_key_file.clone(), command: self.api_key_command.clone() }
    }

    /// Where the secret key comes from.
    pub(crate) fn secret_key(&self) -> SecretSource {
        SecretSource { value: self.secret_key.clone(), file: self.secret_key_file.clone(), command: self.secret_key_command.clone() }
    }

    /// Where the password comes from.
    pub(crate) fn password(&self) -> SecretSource {
        SecretSource { value: self.password.clone(), file: self.password_file.clone(), command: self.password_command.clone() }
    }
}

/// The two families of variables that CloudStack clients know; one of them is taken as a whole, never parts of both.
const FAMILIES: [[&str; 3]; 2] = [["API_URL", "API_KEY", "SECRET_KEY"], ["ENDPOINT", "KEY", "SECRET"]];

/// The profile that the variables `CLOUDSTACK_API_URL` and so on give, or with a middle those of one profile,
/// `CLOUDSTACK_PROD_API_URL`. `None` if none of them is set.
pub(crate) fn of_environment(environment: &Environment, name: &str, middle: &str) -> Option<Entry> {
    let full = |suffix: &str| format!("CLOUDSTACK_{middle}{suffix}");
    let source = |suffix: &str| {
        let variable = |ending: &str| environment.variable(&format!("{}{ending}", full(suffix))).map(str::to_owned);
        SecretSource { value: variable(""), file: variable("_FILE").map(PathBuf::from), command: variable("_COMMAND") }
    };
    let is_set = |family: &[&str; 3]| family.map(|suffix| source(suffix).kind().is_some());
    let set = FAMILIES.map(|family| is_set(&family));
    if !set.iter().flatten().any(|set| *set) {
        return None;
    }
    let mut entry = Entry::new(name.to_owned(), Origin::Environment);
    let complete = set.iter().position(|set| set.iter().all(|set| *set));
    let chosen = complete.or_else(|| set.iter().position(|set| set.iter().any(|set| *set))).unwrap_or_default();
    let [url, key, secret] = FAMILIES.get(chosen).copied().unwrap_or(["API_URL", "API_KEY", "SECRET_KEY"]);
    if complete.is_none() {
        let missing: Vec<String> =
            [url, key, secret].into_iter().filter(|suffix| source(suffix).kind().is_none()).map(|suffix| format!("`{}`", full(suffix))).collect();
        let given: Vec<String> =
            FAMILIES.iter().flatten().filter(|suffix| source(suffix).kind().is_some()).map(|suffix| format!("`{}`", full(suffix))).collect();
        entry.faults.push(Fault {
            message: format!("the environment sets {} but not {}: URL and keys are taken from one source as a whole", given.join(", "), missing.join(", ")),
            hint: Some("set all three, or unset them, or choose another profile with --profile".to_owned()),
        });
    }
    let (key, secret) = (source(key), source(secret));
    entry.table.url = environment.variable(&full(url)).map(str::to_owned);
    (entry.table.api_key, entry.table.api_key_file, entry.table.api_key_command) = (key.value, key.file, key.command);
    (entry.table.secret_key, entry.table.secret_key_file, entry.table.secret_key_command) = (secret.value, secret.file, secret.command);
    let text = |suffix: &str| environment.variable(&full(suffix));
    let options =
        [("verify", text("VERIFY")), ("timeout", text("TIMEOUT")), ("method", text("METHOD")), ("dangerous_no_tls_verify", text("DANGEROUS_NO_TLS_VERIFY"))];
    options.into_iter().filter_map(|(key, value)| Some((key, value?))).for_each(|(key, value)| entry.option(key, value));
    Some(entry)
}

/// The profiles that variables with a name in their middle give: `CLOUDSTACK_PROD_API_URL` is the URL of `prod`.
pub(crate) fn of_named_variables(environment: &Environment) -> Vec<Entry> {
    let middle = |name: &str| {
        let rest = name.strip_prefix("CLOUDSTACK_").filter(|_| !name.starts_with(super::environment::OWN_PREFIX))?;
        let middle = rest.strip_suffix("_API_URL").or_else(|| rest.strip_suffix("_ENDPOINT"))?;
        Some(middle.to_owned()).filter(|middle| !middle.is_empty())
    };
    let middles: BTreeSet<String> = environment.names_with("CLOUDSTACK_").filter_map(middle).collect();
    middles.iter().filter_map(|middle| of_environment(environment, &middle.to_ascii_lowercase().replace('_', "-"), &format!("{middle}_"))).collect()
}

/// What stands in a variable's middle for a profile.
pub(crate) fn middle_of(profile: &str) -> String {
    let letters = profile.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' });
    letters.chain(['_']).collect()
}

/// The profiles of CloudMonkey's file.
pub(crate) fn of_cmk(environment: &Environment) -> Vec<Entry> {
    let Some(path) = environment.home().map(|home| home.join(".cmk").join("config")) else { return Vec::new() };
    let Some(sections) = sections(&path) else { return Vec::new() };
    let top = sections.get("").cloned().unwrap_or_default();
    let profiles = sections.iter().filter(|(name, keys)| !name.is_empty() && keys.contains_key("url"));
    profiles.map(|(name, keys)| cmk_entry(&path, name, keys, &top)).collect()
}

fn cmk_entry(path: &Path, name: &str, keys: &BTreeMap<String, String>, top: &BTreeMap<String, String>) -> Entry {
    let mut entry = Entry::new(format!("{CMK}{name}"), Origin::Cmk(path.to_owned()));
    let text = |key: &str| keys.get(key).filter(|value| !value.is_empty()).cloned();
    entry.table.url = text("url");
    entry.table.api_key = text("apikey");
    entry.table.secret_key = text("secretkey");
    // The template of the file ships `admin` and `password`: a key pair counts alone, or calls could go out as somebody else.
    if entry.table.api_key.is_none() && entry.table.secret_key.is_none() {
        entry.table.username = text("username");
        entry.table.password = text("password");
        entry.table.domain = text("domain").filter(|domain| domain != "/");
    }
    if text("signaturealgorithm").is_some_and(|algorithm| algorithm.to_ascii_lowercase().contains("512")) {
        entry.table.digest = DigestName::Sha512;
    }
    for (key, option) in [("verifycert", "verify"), ("verifysslcert", "verify"), ("timeout", "timeout")] {
        if let Some(value) = keys.get(key).or_else(|| top.get(key)).filter(|value| !value.is_empty()) {
            entry.option(option, value);
        }
    }
    entry
}

/// The regions of `cloudstack.ini`: of the home, of the working directory, of `CLOUDSTACK_CONFIG`; a later file replaces
/// the regions of an earlier one, each as a whole.
pub(crate) fn of_cs(environment: &Environment) -> Vec<Entry> {
    let told = environment.variable("CLOUDSTACK_CONFIG").map(PathBuf::from);
    let files = [environment.home().map(|home| home.join(".cloudstack.ini")), Some(PathBuf::from("cloudstack.ini")), told];
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for path in files.into_iter().flatten() {
        for (name, keys) in sections(&path).unwrap_or_default() {
            if !name.is_empty() && keys.contains_key("endpoint") {
                entries.insert(name.clone(), cs_entry(&path, &name, &keys));
            }
        }
    }
    entries.into_values().collect()
}

fn cs_entry(path: &Path, name: &str, keys: &BTreeMap<String, String>) -> Entry {
    let mut entry = Entry::new(format!("{CS}{name}"), Origin::Cs(path.to_owned()));
    let text = |key: &str| keys.get(key).filter(|value| !value.is_empty()).cloned();
    entry.table.url = text("endpoint");
    entry.table.api_key = text("key");
    entry.table.secret_key = text("secret");
    for option in ["verify", "timeout", "method", "dangerous_no_tls_verify"] {
        if let Some(value) = text(option) {
            entry.option(option, &value);
        }
    }
    entry
}

impl Entry {
    /// Takes over an option that the other clients share, in their spelling.
    fn option(&mut self, key: &str, value: &str) {
        let truth = bool::from_text(value);
        match (key, truth) {
            ("verify", Ok(verify)) => self.table.verify_tls = verify,
            ("verify", Err(_)) => self.table.ca_file = Some(PathBuf::from(value)),
            ("dangerous_no_tls_verify", Ok(off)) => self.table.verify_tls = self.table.verify_tls && !off,
            ("method", _) => self.checked(key, value, |table, method| table.http_method = method),
            // Those clients have one limit for everything, jobs included; reads stay below our limit for writes.
            ("timeout", _) => self.checked(key, value, |table, timeout: Duration| {
                table.read_timeout_seconds = timeout.min(table.write_timeout_seconds);
                table.write_timeout_seconds = table.write_timeout_seconds.max(timeout);
            }),
            _ => self.faults.push(Fault { message: format!("`{key}` of profile `{}` is `{value}`; it takes true or false", self.name), hint: None }),
        }
    }

    fn checked<T: super::value::Value>(&mut self, key: &str, value: &str, set: impl Fn(&mut ProfileTable, T)) {
        match T::from_text(value) {
            Ok(read) => set(&mut self.table, read),
            Err(message) => self.faults.push(Fault { message: format!("`{key}` of profile `{}` {message}", self.name), hint: None }),
        }
    }
}

fn sections(path: &Path) -> Option<Sections> {
    fs::read_to_string(path).ok().map(|text| ini::parse(&text))
}
