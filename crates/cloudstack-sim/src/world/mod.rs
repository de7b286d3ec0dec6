//! The state of the embedded cloud: rows in tables, one table a kind of object.
//!
//! A row holds what is its own; what belongs to another row (the name of its zone, the path of its domain) is a
//! reference that is followed when the row is rendered. Knows nothing of HTTP, commands or roles.

mod cell;
mod hash;
mod history;
mod saved;
mod seed;
pub(crate) mod shelf;
mod table;
mod texts;
mod wides;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use cloudstack_api::roles::Role;
use hashbrown::HashTable;
use serde_json::Value;

use self::{
    cell::{Cell, Said},
    hash::Quick,
    table::{Column, Table},
    texts::Texts,
    wides::{Wide, Wides},
};
pub(crate) use self::{
    hash::digest,
    saved::SavedWorld,
    seed::{identities, seed},
};
use crate::{
    auth::Session,
    events::Aside,
    jobs::Jobs,
    json::Json,
    kind::{Kind, Noun},
    trouble::{Throttle, Troubles},
};

/// The name of a field, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key(u16);

/// The number of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct KindId(pub(crate) u16);

/// Where a row is: its kind and its number within the kind, which is the order of creation. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Handle {
    /// The kind.
    pub(crate) kind: KindId,
    /// The row's number.
    pub(crate) row: u32,
}

/// What is put into a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Datum {
    /// Text.
    Text(Box<str>),
    /// A whole number.
    Number(i64),
    /// A number with decimals.
    Decimal(f64),
    /// A truth value.
    Flag(bool),
    /// Another row.
    Link(Handle),
    /// Other rows.
    Links(Box<[Handle]>),
    /// Anything nested.
    Tree(Box<Value>),
}

impl From<&str> for Datum {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for Datum {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Datum {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Handle> for Datum {
    fn from(handle: Handle) -> Self {
        Self::Link(handle)
    }
}

impl From<Value> for Datum {
    fn from(value: Value) -> Self {
        Self::Tree(Box::new(value))
    }
}

/// What a field holds, as it is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Content<'a> {
    /// Text.
    Text(&'a str),
    /// A whole number.
    Number(i64),
    /// A number with decimals.
    Decimal(f64),
    /// A truth value.
    Flag(bool),
    /// Another row.
    Link(Handle),
    /// Other rows.
    Links(&'a [Handle]),
    /// Anything nested.
    Tree(&'a Value),
}

/// One object, but for its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its id; 0 for kinds whose ids are no UUIDs.
    id: u128,
}

impl Row {
    /// Whether it has an id that is no number.
    pub(crate) fn is_named(self) -> bool {
        self.id != 0
    }
}

/// A field of a kind's rows, looked up once and then read from many of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    world: &'a World,
    column: Option<&'a Column>,
}

impl<'a> Reader<'a> {
    /// The field's text in a row.
    pub(crate) fn text(self, row: Handle) -> Option<&'a str> {
        match self.column?.get(row.row).said()? {
            Said::Text(number) => Some(self.world.texts.get(number)),
            _ => None,
        }
    }

    /// The row that the field refers to.
    pub(crate) fn link(self, row: Handle) -> Option<Handle> {
        match self.column?.get(row.row).said()? {
            Said::Link(target) => Some(target),
            _ => None,
        }
    }
}

/// A key and a value that people put on an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// The key.
    pub(crate) key: String,
    /// The value.
    pub(crate) value: String,
    /// The kind in the words that the tag was made with.
    pub(crate) resource_type: String,
}

/// Where a world stands, to be compared with where it stands later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    changes: u64,
    random: u64,
    prepared: usize,
    jobs: u64,
    troubles: u64,
}

/// The whole state.
#[derive(Debug)]
pub(crate) struct World {
    keys: HashMap<Box<str>, Key, Quick>,
    names: Vec<Box<str>>,
    kinds: Vec<Kind>,
    words: HashMap<Box<str>, KindId, Quick>,
    entities: HashMap<Box<str>, KindId>,
    tables: Vec<Table>,
    ids: HashTable<Handle>,
    texts: Texts,
    wides: Wides,
    /// API keys and the users they belong to.
    pub(crate) api_keys: HashMap<String, Handle>,
    /// Tags by object, oldest first.
    pub(crate) tags: HashMap<Handle, Vec<Tag>>,
    /// The rules of each role.
    pub(crate) roles: BTreeMap<u32, Role>,
    /// Who may call what, as far as it was asked already.
    pub(crate) permissions: HashMap<(u32, String), bool>,
    /// The jobs.
    pub(crate) jobs: Jobs,
    /// The sessions by the value of their cookie.
    pub(crate) sessions: HashMap<String, Session>,
    /// Wall-clock time since 1970.
    pub(crate) now: Duration,
    /// How far the world's time was moved ahead of the clock that drives it.
    pub(crate) ahead: Duration,
    /// How often something was changed: a call that leaves it alone changed no row.
    changes: u64,
    /// Where everything made-up comes from.
    pub(crate) random: fastrand::Rng,
    counters: HashMap<Cow<'static, str>, u64>,
    /// Whether the release is older than the newest.
    pub(crate) is_old: bool,
    /// What a server decides by lot, where it is known how the lot fell: volumes by name, and the pools that they go to.
    pub(crate) lots: HashMap<String, String>,
    /// The commands whose kinds are there: making them ready is done once.
    pub(crate) prepared: HashSet<String>,
    /// The kinds that were stocked from the shelf.
    pub(crate) stocked: HashSet<Cow<'static, str>>,
    /// The kinds that single commands list, where their shape alone does not tell.
    pub(crate) lists: HashMap<Box<str>, KindId>,
    /// What happened on the way of the call at hand, until its events are written.
    pub(crate) asides: Vec<Aside>,
    /// What goes wrong because somebody asked for it.
    pub(crate) troubles: Troubles,
    /// How often accounts may call, where that is limited.
    pub(crate) throttle: Option<Throttle>,
}

impl World {
    /// An empty world that knows these kinds.
    pub(crate) fn new(seed: u64, now: Duration, nouns: &[&'static Noun]) -> Self {
        let mut world = Self {
            keys: HashMap::default(),
            names: Vec::new(),
            kinds: Vec::new(),
            words: HashMap::default(),
            entities: HashMap::new(),
            tables: Vec::new(),
            ids: HashTable::new(),
            texts: Texts::default(),
            wides: Wides::default(),
            api_keys: HashMap::new(),
            tags: HashMap::new(),
            roles: BTreeMap::new(),
            permissions: HashMap::new(),
            jobs: Jobs::default(),
            sessions: HashMap::new(),
            now,
            ahead: Duration::ZERO,
            changes: 0,
            random: fastrand::Rng::with_seed(seed),
            counters: HashMap::new(),
            is_old: false,
            lots: HashMap::new(),
            prepared: HashSet::new(),
            stocked: HashSet::new(),
            lists: HashMap::new(),
            asides: Vec::new(),
            troubles: Troubles::default(),
            throttle: None,
        };
        for noun in nouns {
            let kind = Kind::of_noun(noun, &mut |name| world.key(name));
            world.add_kind(kind, noun.entities.iter().copied());
        }
        world
    }

    /// Leaves out what later releases show: `later` tells the names by entity.
    pub(crate) fn leave_out(&mut self, later: &HashMap<String, Vec<Box<str>>>) {
        let Self { kinds, names, entities, .. } = self;
        let name = |key: Key| names.get(usize::from(key.0)).cloned();
        for (entity, later) in later {
            let kind = entities.get(entity.as_str()).and_then(|id| kinds.get_mut(usize::from(id.0)));
            if let Some(kind) = kind {
                kind.leave_out(later.clone(), &name);
            }
        }
    }

    /// Adds a kind and the entity names under which parameters and replies know it.
    pub(crate) fn add_kind<'a>(&mut self, kind: Kind, entities: impl Iterator<Item = &'a str>) -> KindId {
        let id = KindId(u16::try_from(self.kinds.len()).unwrap_or(u16::MAX));
        self.words.insert(kind.word.as_ref().into(), id);
        for entity in entities {
            self.entities.entry(entity.into()).or_insert(id);
        }
        self.kinds.push(kind);
        self.tables.push(Table::default());
        id
    }

    /// The number of a field's name.
    pub(crate) fn key(&mut self, name: &str) -> Key {
        if let Some(key) = self.keys.get(name) {
            return *key;
        }
        let key = Key(u16::try_from(self.names.len()).unwrap_or(u16::MAX));
        self.keys.insert(name.into(), key);
        self.names.push(name.into());
        key
    }

    /// The number of a field's name, if some row or view has it.
    pub(crate) fn known_key(&self, name: &str) -> Option<Key> {
        self.keys.get(name).copied()
    }

    /// The name with this number.
    pub(crate) fn name_of(&self, key: Key) -> &str {
        self.names.get(usize::from(key.0)).map(AsRef::as_ref).unwrap_or_default()
    }

    /// The kind with this word. Words come from the nouns, so an unknown one is a defect; it yields the first kind.
    pub(crate) fn kind(&self, word: &str) -> KindId {
        self.words.get(word).copied().unwrap_or(KindId(0))
    }

    /// The kind with this word, if there is one.
    pub(crate) fn known_kind(&self, word: &str) -> Option<KindId> {
        self.words.get(word).copied()
    }

    /// The kind that an entity name stands for.
    pub(crate) fn kind_of_entity(&self, entity: &str) -> Option<KindId> {
        self.entities.get(entity).copied()
    }

    /// The description of a kind.
    pub(crate) fn description(&self, id: KindId) -> Option<&Kind> {
        self.kinds.get(usize::from(id.0))
    }

    /// Puts a row into a table.
    pub(crate) fn insert(&mut self, kind: KindId, owner: Option<Handle>, fields: &[(&str, Datum)]) -> Handle {
        let id = self.fresh_id();
        self.insert_as(kind, id, owner, fields)
    }

    /// Puts a row with a given id into a table; 0 for none.
    pub(crate) fn insert_as(&mut self, kind: KindId, id: u128, owner: Option<Handle>, fields: &[(&str, Datum)]) -> Handle {
        let created = self.now.as_secs();
        self.changes += 1;
        let Some(table) = self.tables.get_mut(usize::from(kind.0)) else { return Handle { kind, row: u32::MAX } };
        let handle = Handle { kind, row: table.add(id, owner.map(|owner| owner.row), created) };
        if id != 0 {
            let tables = &self.tables;
            self.ids.insert_unique(hash_of(id), handle, |known| hash_of(id_in(tables, *known)));
        }
        for (name, datum) in fields {
            let key = self.key(name);
            self.put(handle, key, datum);
        }
        handle
    }

    /// An id that no row has.
    pub(crate) fn fresh_id(&mut self) -> u128 {
        const VERSION: u128 = 0xf000 << 64;
        const VARIANT: u128 = 0xc000 << 48;
        (self.random.u128(..) & !VERSION & !VARIANT) | (0x4000 << 64) | (0x8000 << 48)
    }

    /// Removes a row; what refers to it can still name it.
    pub(crate) fn remove(&mut self, handle: Handle) {
        let Some(table) = self.tables.get_mut(usize::from(handle.kind.0)) else { return };
        if !table.remove(handle.row) {
            return;
        }
        self.changes += 1;
        self.tags.remove(&handle);
    }

    fn table(&self, kind: KindId) -> Option<&Table> {
        self.tables.get(usize::from(kind.0))
    }

    /// The row behind a handle, removed or not.
    pub(crate) fn row(&self, handle: Handle) -> Option<Row> {
        self.table(handle.kind)?.id(handle.row).map(|id| Row { id })
    }

    /// Whether a row is still there.
    pub(crate) fn is_alive(&self, handle: Handle) -> bool {
        self.table(handle.kind).is_some_and(|table| table.is_alive(handle.row))
    }

    /// The rows of a kind, oldest first.
    pub(crate) fn rows(&self, kind: KindId) -> impl DoubleEndedIterator<Item = Handle> + '_ {
        self.table(kind).into_iter().flat_map(Table::rows).map(move |row| Handle { kind, row })
    }

    /// The rows of a kind, removed ones too, so that each stands at its number.
    pub(crate) fn all_rows(&self, kind: KindId) -> impl DoubleEndedIterator<Item = Handle> + '_ {
        let count = self.table(kind).map_or(0, Table::len);
        (0..u32::try_from(count).unwrap_or(u32::MAX)).map(move |row| Handle { kind, row })
    }

    /// The rows of a kind that an account owns, oldest first.
    pub(crate) fn owned(&self, kind: KindId, account: Handle) -> impl DoubleEndedIterator<Item = Handle> + '_ {
        let rows = self.table(kind).map(|table| table.owned(account.row)).unwrap_or_default();
        rows.iter().map(move |row| Handle { kind, row: *row })
    }

    /// Everything that an account owns, of whatever kind.
    pub(crate) fn all_owned(&self, account: Handle) -> Vec<Handle> {
        let kinds = (0..self.tables.len()).filter_map(|kind| u16::try_from(kind).ok().map(KindId));
        kinds.flat_map(|kind| self.owned(kind, account)).collect()
    }

    /// The rows of a kind whose field refers to another row.
    pub(crate) fn referring<'a>(&'a self, kind: &str, field: &str, target: Handle) -> impl Iterator<Item = Handle> + 'a {
        self.holding(self.kind(kind), field, Some(Cell::link(target)))
    }

    /// The rows of a kind whose field holds just this; none of them if nothing can hold it.
    fn holding<'a>(&'a self, kind: KindId, field: &str, cell: Option<Cell>) -> impl Iterator<Item = Handle> + 'a {
        let column = self.known_key(field).and_then(|key| self.table(kind)?.column(key));
        let wanted = column.zip(cell);
        wanted.into_iter().flat_map(move |(column, cell)| self.rows(kind).filter(move |row| column.get(row.row) == cell))
    }

    /// The newest row of a kind whose field refers to another row, removed or not.
    pub(crate) fn referred_once(&self, kind: &str, field: &str, target: Handle) -> Option<Handle> {
        let kind = self.kind(kind);
        let column = self.known_key(field).and_then(|key| self.table(kind)?.column(key))?;
        let wanted = Cell::link(target);
        self.all_rows(kind).rev().find(|row| column.get(row.row) == wanted)
    }

    /// The kind whose objects are called this where resources are named.
    pub(crate) fn kind_of_resource(&self, word: &str) -> Option<KindId> {
        let place = self.kinds.iter().position(|kind| kind.resource.as_ref() == word)?;
        u16::try_from(place).ok().map(KindId)
    }

    /// How many rows of a kind there are.
    pub(crate) fn count(&self, kind: KindId) -> usize {
        self.table(kind).map_or(0, Table::alive)
    }

    /// The first row of a kind whose field has this text.
    pub(crate) fn find(&self, kind: &str, field: &str, text: &str) -> Option<Handle> {
        self.holding(self.kind(kind), field, self.texts.number_of(text).map(Cell::text)).next()
    }

    /// The row with this id.
    pub(crate) fn by_id(&self, id: u128) -> Option<Handle> {
        self.by_id_once(id).filter(|handle| self.is_alive(*handle))
    }

    /// The row with this id, removed or not.
    pub(crate) fn by_id_once(&self, id: u128) -> Option<Handle> {
        self.ids.find(hash_of(id), |known| id_in(&self.tables, *known) == id).copied()
    }

    /// A field of a kind's rows, to be read from many of them.
    pub(crate) fn reader(&self, kind: KindId, key: Key) -> Reader<'_> {
        Reader { world: self, column: self.table(kind).and_then(|table| table.column(key)) }
    }

    /// All fields that a row has, in no order of meaning.
    pub(crate) fn contents(&self, handle: Handle) -> impl Iterator<Item = (Key, Content<'_>)> {
        let fields = self.table(handle.kind).into_iter().flat_map(move |table| table.fields(handle.row));
        fields.filter_map(|(key, cell)| Some((key, self.content(cell)?)))
    }

    fn content(&self, cell: Cell) -> Option<Content<'_>> {
        match cell.said()? {
            Said::Text(number) => Some(Content::Text(self.texts.get(number))),
            Said::Number(number) => Some(Content::Number(number)),
            Said::Flag(flag) => Some(Content::Flag(flag)),
            Said::Link(target) => Some(Content::Link(target)),
            Said::Wide(number) => self.wides.get(number),
        }
    }

    /// A field.
    pub(crate) fn datum(&self, handle: Handle, key: Key) -> Option<Content<'_>> {
        self.content(self.table(handle.kind)?.column(key)?.get(handle.row))
    }

    /// A field by its name.
    pub(crate) fn field(&self, handle: Handle, name: &str) -> Option<Content<'_>> {
        self.datum(handle, self.known_key(name)?)
    }

    /// A field's text.
    pub(crate) fn text(&self, handle: Handle, name: &str) -> Option<&str> {
        match self.field(handle, name)? {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The rows that a field refers to.
    pub(crate) fn links(&self, handle: Handle, name: &str) -> &[Handle] {
        match self.field(handle, name) {
            Some(Content::Links(targets)) => targets,
            _ => &[],
        }
    }

    /// A field's text, or none of it.
    pub(crate) fn string(&self, handle: Handle, name: &str) -> String {
        self.text(handle, name).unwrap_or_default().to_owned()
    }

    /// A field's number, or zero.
    pub(crate) fn number(&self, handle: Handle, name: &str) -> i64 {
        match self.field(handle, name) {
            Some(Content::Number(number)) => number,
            _ => 0,
        }
    }

    /// Whether a field is true.
    pub(crate) fn flag(&self, handle: Handle, name: &str) -> bool {
        self.field(handle, name) == Some(Content::Flag(true))
    }

    /// The row that a field refers to.
    pub(crate) fn link(&self, handle: Handle, name: &str) -> Option<Handle> {
        match self.field(handle, name)? {
            Content::Link(target) => Some(target),
            _ => None,
        }
    }

    /// A field's tree.
    pub(crate) fn tree(&self, handle: Handle, name: &str) -> Option<&Value> {
        match self.field(handle, name)? {
            Content::Tree(value) => Some(value),
            _ => None,
        }
    }

    /// Sets a field.
    pub(crate) fn set(&mut self, handle: Handle, name: &str, datum: impl Into<Datum>) {
        let key = self.key(name);
        self.set_key(handle, key, datum);
    }

    /// Sets a field by the number of its name.
    pub(crate) fn set_key(&mut self, handle: Handle, key: Key, datum: impl Into<Datum>) {
        self.put(handle, key, &datum.into());
    }

    fn put(&mut self, handle: Handle, key: Key, datum: &Datum) {
        let cell = self.packed(datum);
        self.put_cell(handle, key, cell);
    }

    fn put_cell(&mut self, handle: Handle, key: Key, cell: Cell) {
        let Some(table) = self.tables.get_mut(usize::from(handle.kind.0)) else { return };
        self.changes += 1;
        match table.put(handle.row, key, cell).said() {
            Some(Said::Text(number)) => self.texts.give_back(number),
            Some(Said::Wide(number)) => self.wides.forget(number),
            Some(Said::Number(_) | Said::Flag(_) | Said::Link(_)) | None => {}
        }
    }

    fn packed(&mut self, datum: &Datum) -> Cell {
        let wide = match datum {
            Datum::Text(text) => return Cell::text(self.texts.take(text)),
            Datum::Flag(flag) => return Cell::flag(*flag),
            Datum::Link(target) => return Cell::link(*target),
            Datum::Number(number) => match Cell::number(*number) {
                Some(cell) => return cell,
                None => Wide::Number(*number),
            },
            Datum::Decimal(number) => Wide::Decimal(*number),
            Datum::Links(targets) => Wide::Links(targets.clone()),
            Datum::Tree(value) => Wide::Tree(value.clone()),
        };
        Cell::wide(self.wides.keep(wide))
    }

    /// Takes a field away.
    pub(crate) fn unset(&mut self, handle: Handle, name: &str) {
        if let Some(key) = self.known_key(name).filter(|key| self.datum(handle, *key).is_some()) {
            self.put_cell(handle, key, Cell::ABSENT);
        }
    }

    /// Gives a row to another account.
    pub(crate) fn give(&mut self, handle: Handle, account: Handle) {
        if let Some(table) = self.tables.get_mut(usize::from(handle.kind.0)) {
            table.give(handle.row, account.row);
            self.changes += 1;
        }
    }

    /// Takes a row from its owner; it belongs to nobody then, and its tags are gone.
    pub(crate) fn disown(&mut self, handle: Handle) {
        if let Some(table) = self.tables.get_mut(usize::from(handle.kind.0)) {
            table.disown(handle.row);
            self.changes += 1;
        }
        self.tags.remove(&handle);
    }

    /// The account that owns a row; an account owns itself.
    pub(crate) fn owner(&self, handle: Handle) -> Option<Handle> {
        let accounts = self.kind("account");
        if handle.kind == accounts {
            return Some(handle);
        }
        Some(Handle { kind: accounts, row: self.owner_number(handle)? })
    }

    /// The number of the account that owns a row. Cheaper than [`Self::owner`] where many rows are looked at.
    pub(crate) fn owner_number(&self, handle: Handle) -> Option<u32> {
        self.table(handle.kind)?.owner(handle.row)
    }

    /// The domain of the account that owns a row.
    pub(crate) fn domain_of(&self, handle: Handle) -> Option<Handle> {
        self.link(self.owner(handle)?, "domain")
    }

    /// Whether a domain is another or below it.
    pub(crate) fn is_within(&self, domain: Handle, ancestor: Handle) -> bool {
        let mut at = Some(domain);
        while let Some(domain) = at {
            if domain == ancestor {
                return true;
            }
            at = self.link(domain, "parent");
        }
        false
    }

    /// The id of a row as text: its UUID, or what its field `id` holds.
    pub(crate) fn id(&self, handle: Handle) -> String {
        match self.row(handle) {
            Some(row) if row.id != 0 => id_text(row.id),
            Some(_) => match self.field(handle, "id") {
                Some(Content::Text(text)) => text.to_owned(),
                Some(Content::Number(number)) => number.to_string(),
                _ => String::new(),
            },
            None => String::new(),
        }
    }

    /// Writes the id of a row as a string.
    pub(crate) fn write_id(&self, handle: Handle, json: &mut Json) {
        match self.row(handle) {
            Some(row) if row.id != 0 => json.id(row.id),
            _ => json.text(&self.id(handle)),
        }
    }

    /// An id that belongs to a part of a row, always the same for the same part.
    pub(crate) fn derived_id(&self, handle: Handle, part: u32) -> String {
        const SPREAD: u128 = 0x9e37_79b9_0000_0000_0000_0000_0000;
        const LOW: u128 = 0x0000_85eb_ca6b;
        let id = self.row(handle).map_or(0, |row| row.id);
        let part = u128::from(part) + 1;
        id_text(id ^ (SPREAD.wrapping_mul(part) & (0xffff_ffff << 96)) ^ LOW.wrapping_mul(part))
    }

    /// When a row was made, in seconds since 1970.
    pub(crate) fn created(&self, handle: Handle) -> u64 {
        self.table(handle.kind).and_then(|table| table.created(handle.row)).unwrap_or_default()
    }

    /// Now, as servers write it.
    pub(crate) fn timestamp(&self) -> String {
        cloudstack_api::clock::timestamp(self.now)
    }

    /// The next number of a series.
    pub(crate) fn next(&mut self, series: &'static str, first: u64) -> u64 {
        let counter = self.counters.entry(series.into()).or_insert(first);
        let number = *counter;
        *counter += 1;
        number
    }

    /// Something that differs after every call that changed the world.
    pub(crate) fn mark(&self) -> Mark {
        Mark { changes: self.changes, random: self.random.get_seed(), prepared: self.prepared.len(), jobs: self.jobs.mark(), troubles: self.troubles.mark() }
    }

    /// The internal number of a row, as texts and names of instances show it.
    pub(crate) fn internal_number(handle: Handle) -> u64 {
        u64::from(handle.row) + 1
    }

    /// Whether an object of one kind is taken where others are asked for: machines of all sorts, templates and ISOs,
    /// devices that servers keep among their hosts, configurations that they keep among user data.
    pub(crate) fn is_related(&self, kind: KindId, asked: &[KindId]) -> bool {
        const RELATED: &[&[&str]] = &[
            &["virtualmachine", "router", "systemvm"],
            &["template", "iso"],
            &["portforwardingrule", "loadbalancerrule", "loadbalancer", "ipforwardingrule", "firewallrule"],
            &["host", "TrafficMonitorResponse", "NetworkDeviceResponse", "SspResponse"],
            &["userdata", "cniconfig"],
        ];
        let groups = RELATED.iter().map(|words| words.iter().filter_map(|word| self.known_kind(word)));
        groups.into_iter().any(|group| group.clone().any(|member| member == kind) && group.clone().any(|member| asked.contains(&member)))
    }
}

/// The id of a row; 0 for none.
fn id_in(tables: &[Table], handle: Handle) -> u128 {
    tables.get(usize::from(handle.kind.0)).and_then(|table| table.id(handle.row)).unwrap_or_default()
}

/// Ids are made-up numbers already; their halves only have to meet.
fn hash_of(id: u128) -> u64 {
    const HALF_BITS: u32 = 64;
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
    half(id) ^ half(id >> HALF_BITS)
}

/// Writes an id as CloudStack does.
pub(crate) fn id_text(id: u128) -> String {
    let mut text = String::with_capacity(ID_CHARACTERS);
    write_id(id, &mut text);
    text
}

/// How many characters an id has.
const ID_CHARACTERS: usize = 36;

/// Writes an id behind a text.
pub(crate) fn write_id(id: u128, text: &mut String) {
    let mut letters = [b'-'; ID_CHARACTERS];
    let mut places = letters.iter_mut();
    for (at, byte) in id.to_be_bytes().into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            places.next();
        }
        for half in [byte >> 4, byte & 0xf] {
            if let Some(place) = places.next() {
                *place = if half < 10 { b'0' + half } else { b'a' - 10 + half };
            }
        }
    }
    text.push_str(std::str::from_utf8(&letters).unwrap_or_default());
}

/// Reads an id, in any case, with blanks after it.
pub(crate) fn parse_id(text: &str) -> Option<u128> {
    let text = text.trim_end();
    if text.len() != ID_CHARACTERS {
        return None;
    }
    let mut id = 0;
    for (at, letter) in text.bytes().enumerate() {
        let is_dash = letter == b'-';
        if matches!(at, 8 | 13 | 18 | 23) != is_dash {
            return None;
        }
        if !is_dash {
            id = id << 4 | u128::from(char::from(letter).to_digit(16)?);
        }
    }
    Some(id)
}
