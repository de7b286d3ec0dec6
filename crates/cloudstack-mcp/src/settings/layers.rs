//! One setting out of four layers: flag, environment, file, default, in this order. Faults are collected, not thrown.

use std::collections::{BTreeMap, BTreeSet};

use cloudstack_api::call::closest;
use toml_edit::{Item, TableLike};

use super::{environment::Environment, value::Value};

/// What the command line sets, by `table.key` (`serve.http`) or `key`.
pub(crate) type Flags = BTreeMap<String, String>;

/// What is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// In one sentence.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

/// The layers above the defaults, and what was found wrong with them so far.
pub(crate) struct Layers<'a> {
    flags: &'a Flags,
    environment: &'a Environment,
    file: Option<&'a dyn TableLike>,
    file_name: &'a str,
    /// What was found wrong.
    pub(crate) faults: Vec<Fault>,
    variables_read: BTreeSet<String>,
}

/// One table of settings in all layers.
pub(crate) struct Layer<'a, 'b> {
    layers: &'b mut Layers<'a>,
    table: String,
    place: Option<&'a dyn TableLike>,
    variables: bool,
    keys_read: BTreeSet<&'static str>,
}

impl<'a> Layers<'a> {
    /// The layers of a run of the program.
    pub(crate) fn new(flags: &'a Flags, environment: &'a Environment, file: Option<&'a dyn TableLike>, file_name: &'a str) -> Self {
        Self { flags, environment, file, file_name, faults: Vec::new(), variables_read: BTreeSet::new() }
    }

    /// A table by its name; the empty name for the top of the file.
    pub(crate) fn table<'b>(&'b mut self, table: &str) -> Layer<'a, 'b> {
        let place = if table.is_empty() { self.file } else { self.file.and_then(|file| file.get(table)).and_then(Item::as_table_like) };
        Layer { table: table.to_owned(), place, variables: true, keys_read: BTreeSet::new(), layers: self }
    }

    /// A table of the file alone, such as one profile.
    pub(crate) fn file_table<'b>(&'b mut self, name: String, place: &'a dyn TableLike) -> Layer<'a, 'b> {
        Layer { table: name, place: Some(place), variables: false, keys_read: BTreeSet::new(), layers: self }
    }

    /// Notes a fault.
    pub(crate) fn fault(&mut self, message: impl Into<String>, hint: Option<String>) {
        self.faults.push(Fault { message: message.into(), hint });
    }

    /// Whether a setting comes from a flag or a variable rather than from the file.
    pub(crate) fn is_above_file(&self, key: &str) -> bool {
        self.flags.contains_key(key) || self.environment.variable(&variable("", key)).is_some()
    }

    /// Notes our own variables that are set but that nothing reads: close to a known name they are a fault, since what
    /// was meant would silently not hold; others are somebody else's business.
    pub(crate) fn check_variables(&mut self) {
        let unread: Vec<String> =
            self.environment.names_with(super::environment::OWN_PREFIX).filter(|name| !self.variables_read.contains(*name)).map(str::to_owned).collect();
        for name in unread {
            if let Some(near) = closest(&name, self.variables_read.iter().map(String::as_str)) {
                let hint = format!("did you mean `{near}`?");
                self.fault(format!("unknown variable `{name}`"), Some(hint));
            }
        }
    }
}

impl Layer<'_, '_> {
    /// The value of a setting.
    pub(crate) fn take<T: Value>(&mut self, key: &'static str, flag: Option<&'static str>, default: T) -> T {
        self.keys_read.insert(key);
        let name = if self.table.is_empty() { key.to_owned() } else { format!("{}.{key}", self.table) };
        let variable = self.variables.then(|| variable(&self.table, key));
        self.layers.variables_read.extend(variable.clone());
        if let Some(text) = self.layers.flags.get(&name) {
            return self.checked(flag.unwrap_or(key), T::from_text(text), default);
        }
        if let Some((variable, text)) = variable.and_then(|variable| self.layers.environment.variable(&variable).map(|text| (variable.clone(), text))) {
            return self.checked(&variable, T::from_text(text), default);
        }
        let Some(item) = self.place.and_then(|place| place.get(key)) else { return default };
        let place = format!("{}: {name}", self.layers.file_name);
        let read = item.as_value().ok_or_else(|| format!("takes {}", T::KIND)).and_then(T::from_toml);
        self.checked(&place, read, default)
    }

    /// A sub-table that something else reads.
    pub(crate) fn known(&mut self, key: &'static str) -> Option<&Item> {
        self.keys_read.insert(key);
        self.place.and_then(|place| place.get(key))
    }

    /// Refuses what the file holds beyond what was read.
    pub(crate) fn finish(self) {
        let Some(place) = self.place else { return };
        for (key, _) in place.iter().filter(|(key, _)| !self.keys_read.contains(key)) {
            let name = if self.table.is_empty() { key.to_owned() } else { format!("{}.{key}", self.table) };
            let hint = closest(key, self.keys_read.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            let hint = hint.or_else(|| Some("`cloudstack-mcp settings` lists what there is".to_owned()));
            let message = format!("{}: unknown setting `{name}`", self.layers.file_name);
            self.layers.faults.push(Fault { message, hint });
        }
    }

    fn checked<T>(&mut self, place: &str, read: Result<T, String>, default: T) -> T {
        read.unwrap_or_else(|message| {
            self.layers.fault(format!("`{place}` {message}"), None);
            default
        })
    }
}

/// The name of the variable for a setting.
pub(crate) fn variable(table: &str, key: &str) -> String {
    let table = if table.is_empty() { String::new() } else { format!("{table}_") };
    format!("{}{}", super::environment::OWN_PREFIX, format!("{table}{key}").to_ascii_uppercase())
}
