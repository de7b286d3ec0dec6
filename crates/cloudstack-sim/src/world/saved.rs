//! A world written down, and made again from that.
//!
//! Rows are named by the word of their kind and their number (`zone/0`), so that what was written by one version of the
//! program is read by another. Left out: what can be worked out again, sessions, counters of throttling, and the work of
//! jobs at work, which is code; whoever writes a world down lets that work end before.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use cloudstack_api::{
    catalog::{Catalog, Field},
    roles::Role,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Content, Datum, Handle, KindId, Tag, World, id_text, parse_id};
use crate::{
    error::Error,
    jobs::SavedJobs,
    kind::Kind,
    trouble::{Throttle, Troubles},
};

/// The type of a nested field, as the catalog calls it.
const NESTED: &str = "set";
/// The type of any other.
const PLAIN: &str = "string";

/// A world written down.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedWorld {
    now: Duration,
    ahead: Duration,
    random: u64,
    counters: BTreeMap<String, u64>,
    prepared: BTreeSet<String>,
    stocked: BTreeSet<String>,
    lists: BTreeMap<String, String>,
    kinds: Vec<SavedKind>,
    api_keys: BTreeMap<String, String>,
    tags: BTreeMap<String, Vec<SavedTag>>,
    roles: BTreeMap<u32, Role>,
    jobs: SavedJobs,
    troubles: Troubles,
    throttle: Option<Throttle>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedKind {
    word: String,
    /// How it was made, of kinds that came from the catalog or the shelf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made: Option<SavedView>,
    rows: Vec<SavedRow>,
    /// The rows of accounts in their order, where that is not the order of their numbers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    orders: BTreeMap<u32, Vec<u32>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedView {
    resource: String,
    owned: bool,
    newest_first: bool,
    entities: BTreeSet<String>,
    /// Names of members, and whether they are nested.
    members: Vec<(String, bool)>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedRow {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<u32>,
    created: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    gone: bool,
    fields: BTreeMap<String, SavedDatum>,
}

/// A field's value; what is not plain JSON is an object with one member.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum SavedDatum {
    Flag(bool),
    Number(i64),
    Text(String),
    Decimal { decimal: f64 },
    Link { link: String },
    Links { links: Vec<String> },
    Tree { tree: Value },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedTag {
    key: String,
    value: String,
    kind: String,
}

impl World {
    /// Writes the world down. Jobs at work are written as a restart of the server would leave them.
    pub(crate) fn saved(&self) -> SavedWorld {
        let tag = |tag: &Tag| SavedTag { key: tag.key.clone(), value: tag.value.clone(), kind: tag.resource_type.clone() };
        let word = |kind: &KindId| self.description(*kind).map(|kind| kind.word.to_string()).unwrap_or_default();
        SavedWorld {
            now: self.now,
            ahead: self.ahead,
            random: self.random.get_seed(),
            counters: self.counters.iter().map(|(name, number)| (name.to_string(), *number)).collect(),
            prepared: self.prepared.iter().cloned().collect(),
            stocked: self.stocked.iter().map(ToString::to_string).collect(),
            lists: self.lists.iter().map(|(command, kind)| (command.to_string(), word(kind))).collect(),
            kinds: (0..self.kinds.len()).filter_map(|at| self.saved_kind(KindId(u16::try_from(at).ok()?))).collect(),
            api_keys: self.api_keys.iter().map(|(key, user)| (key.clone(), self.reference(*user))).collect(),
            tags: self.tags.iter().filter(|(_, tags)| !tags.is_empty()).map(|(row, tags)| (self.reference(*row), tags.iter().map(tag).collect())).collect(),
            roles: self.roles.clone(),
            jobs: self.saved_jobs(),
            troubles: self.troubles.clone(),
            throttle: self.throttle.clone(),
        }
    }

    /// How a row is named.
    pub(crate) fn reference(&self, row: Handle) -> String {
        format!("{}/{}", self.description(row.kind).map(|kind| kind.word.as_ref()).unwrap_or_default(), row.row)
    }

    /// The row that goes by a name, which need not be there yet.
    pub(crate) fn referred(&self, text: &str) -> Option<Handle> {
        let (word, row) = text.rsplit_once('/')?;
        Some(Handle { kind: self.known_kind(word)?, row: row.parse().ok()? })
    }

    fn saved_kind(&self, id: KindId) -> Option<SavedKind> {
        let (kind, table) = (self.description(id)?, self.table(id)?);
        let made = kind.generic.then(|| SavedView {
            resource: kind.resource.to_string(),
            owned: kind.owned,
            newest_first: kind.newest_first,
            entities: self.entities.iter().filter(|(_, known)| **known == id).map(|(entity, _)| entity.to_string()).collect(),
            members: kind.members().map(|(name, nested)| (self.name_of(name).to_owned(), nested)).collect(),
        });
        let rows: Vec<SavedRow> = self.all_rows(id).map(|row| self.saved_row(row)).collect();
        let is_empty = rows.is_empty() && made.is_none();
        (!is_empty).then(|| SavedKind { word: kind.word.to_string(), made, rows, orders: table.orders() })
    }

    fn saved_row(&self, row: Handle) -> SavedRow {
        let saved = |content: Content<'_>| match content {
            Content::Text(text) => SavedDatum::Text(text.to_owned()),
            Content::Number(number) => SavedDatum::Number(number),
            Content::Decimal(decimal) => SavedDatum::Decimal { decimal },
            Content::Flag(flag) => SavedDatum::Flag(flag),
            Content::Link(target) => SavedDatum::Link { link: self.reference(target) },
            Content::Links(targets) => SavedDatum::Links { links: targets.iter().map(|target| self.reference(*target)).collect() },
            Content::Tree(tree) => SavedDatum::Tree { tree: tree.clone() },
        };
        SavedRow {
            id: self.row(row).filter(|row| row.id != 0).map(|row| id_text(row.id)),
            owner: self.owner_number(row),
            created: self.created(row),
            gone: !self.is_alive(row),
            fields: self.contents(row).map(|(key, content)| (self.name_of(key).to_owned(), saved(content))).collect(),
        }
    }

    /// Fills a world that knows its kinds and has no row.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if something refers to what is not there.
    pub(crate) fn restore(&mut self, saved: SavedWorld, catalog: &Catalog) -> Result<(), Error> {
        for kind in &saved.kinds {
            if let Some(view) = kind.made.as_ref().filter(|_| self.known_kind(&kind.word).is_none()) {
                self.restore_kind(&kind.word, view);
            }
        }
        for kind in saved.kinds {
            self.restore_rows(kind)?;
        }
        let lost = |name: String| Error::Damaged(format!("something refers to `{name}`, which is not there"));
        for (key, user) in saved.api_keys {
            let user = self.referred(&user).ok_or_else(|| lost(user))?;
            self.api_keys.insert(key, user);
        }
        for (row, tags) in saved.tags {
            let row = self.referred(&row).ok_or_else(|| lost(row))?;
            let tags = tags.into_iter().map(|tag| Tag { key: tag.key, value: tag.value, resource_type: tag.kind }).collect();
            self.tags.insert(row, tags);
        }
        for (command, word) in saved.lists {
            let kind = self.known_kind(&word).ok_or_else(|| lost(word))?;
            self.lists.insert(command.into(), kind);
        }
        self.restore_jobs(saved.jobs, catalog)?;
        self.now = saved.now;
        self.ahead = saved.ahead;
        self.random = fastrand::Rng::with_seed(saved.random);
        self.counters = saved.counters.into_iter().map(|(name, number)| (name.into(), number)).collect();
        self.prepared = saved.prepared.into_iter().collect();
        self.stocked = saved.stocked.into_iter().map(Into::into).collect();
        self.roles = saved.roles;
        self.troubles = saved.troubles;
        self.throttle = saved.throttle;
        Ok(())
    }

    fn restore_kind(&mut self, word: &str, view: &SavedView) {
        let field = |(name, nested): &(String, bool)| Field {
            name: name.clone(),
            kind: if *nested { NESTED } else { PLAIN }.to_owned(),
            roles: None,
            sensitive: false,
            fields: Vec::new(),
        };
        let fields: Vec<Field> = view.members.iter().map(field).collect();
        let mut kind = Kind::of_fields(word, &view.resource, &fields, &mut |name| self.key(name));
        (kind.owned, kind.newest_first) = (view.owned, view.newest_first);
        self.add_kind(kind, view.entities.iter().map(String::as_str));
    }

    fn restore_rows(&mut self, saved: SavedKind) -> Result<(), Error> {
        let Some(kind) = self.known_kind(&saved.word) else {
            return Err(Error::Damaged(format!("there is no kind of object `{}` in this version of the program", saved.word)));
        };
        let accounts = self.kind("account");
        for row in saved.rows {
            let id = row.id.as_deref().and_then(parse_id).unwrap_or_default();
            let handle = self.insert_as(kind, id, row.owner.map(|row| Handle { kind: accounts, row }), &[]);
            if let Some(table) = self.tables.get_mut(usize::from(kind.0)) {
                table.date(handle.row, row.created);
            }
            for (name, datum) in row.fields {
                let datum = self.restored(datum)?;
                self.set(handle, &name, datum);
            }
            if row.gone {
                self.remove(handle);
            }
        }
        if let Some(table) = self.tables.get_mut(usize::from(kind.0)) {
            table.put_orders(saved.orders);
        }
        Ok(())
    }

    fn restored(&self, saved: SavedDatum) -> Result<Datum, Error> {
        let target = |name: String| self.referred(&name).ok_or_else(|| Error::Damaged(format!("a field refers to `{name}`, whose kind is not known")));
        Ok(match saved {
            SavedDatum::Flag(flag) => Datum::Flag(flag),
            SavedDatum::Number(number) => Datum::Number(number),
            SavedDatum::Text(text) => Datum::from(text),
            SavedDatum::Decimal { decimal } => Datum::Decimal(decimal),
            SavedDatum::Link { link } => Datum::Link(target(link)?),
            SavedDatum::Links { links } => Datum::Links(links.into_iter().map(target).collect::<Result<_, _>>()?),
            SavedDatum::Tree { tree } => Datum::Tree(Box::new(tree)),
        })
    }
}
