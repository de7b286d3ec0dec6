//! What a kind of object is: its words, and how a row of it reads in an answer.
//!
//! A kind is data. The members of its view stand in the order in which real servers write them; a member that has
//! nothing to say is left out, as real servers do. Kinds without a noun of their own get a view from the catalog.

use cloudstack_api::{catalog::Field, clock::timestamp};
use serde_json::{Map, Value};

use crate::{
    collation::is_same,
    json::Json,
    world::{Content, Handle, Key, World},
};

/// What stays when members are left out: the member, what is shown, and its value.
const LEFT: [(&str, &str, Constant); 3] =
    [("nic", "nic", Constant::Empty), ("affinitygroup", "affinitygroup", Constant::Empty), ("limits", "secondarystoragetotal", Constant::Raw("0.0"))];

/// A kind as its file under `nouns/` describes it.
#[derive(Debug)]
pub(crate) struct Noun {
    /// The key of a single object of it in answers; also the word under which the code knows the kind.
    pub(crate) word: &'static str,
    /// The names under which the catalog knows it.
    pub(crate) entities: &'static [&'static str],
    /// What jobs, events and error texts call it.
    pub(crate) resource: &'static str,
    /// Whether accounts own its objects.
    pub(crate) owned: bool,
    /// The fields that `keyword` looks into.
    pub(crate) keywords: &'static [&'static str],
    /// Whether lists start with the newest object.
    pub(crate) newest_first: bool,
    /// What an answer shows.
    pub(crate) view: &'static [Member],
}

/// Who sees a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Everybody.
    Everybody,
    /// Root admins.
    Root,
    /// Everybody but root admins.
    Others,
}

/// A value that is always the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Constant {
    /// Text.
    Text(&'static str),
    /// A whole number.
    Number(i64),
    /// A truth value.
    Flag(bool),
    /// An empty list.
    Empty,
    /// JSON.
    Raw(&'static str),
}

/// Computes a member's value from the world. Nothing: the member is left out.
pub(crate) type Compute = fn(&World, Handle, Viewer) -> Option<Shown>;

/// Writes several members into an object that is open.
pub(crate) type Spread = fn(&World, Handle, Viewer, &mut Json);

/// A computed value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shown {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A truth value.
    Flag(bool),
    /// JSON.
    Raw(String),
}

/// Where a member's value comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From {
    /// The row's id.
    Id,
    /// When the row was made.
    Created,
    /// A field of the row.
    Field(&'static str, Option<Constant>),
    /// A field of the row that another field refers to; `id` is that row's id.
    Linked(&'static str, &'static str),
    /// Always the same.
    Always(Constant),
    /// Computed.
    Computed(Compute),
    /// Several members at once.
    Several(Spread),
    /// The account that owns the row, or its project.
    Account,
    /// The project that owns the row.
    ProjectId,
    /// The name of the project that owns the row.
    Project,
    /// The domain of the owner.
    DomainId,
    /// The name of that domain.
    Domain,
    /// The path of that domain.
    DomainPath,
    /// The tags on the row.
    Tags,
}

/// A member of a view.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    name: &'static str,
    from: From,
    seen: Seen,
}

impl Member {
    /// Only root admins see it.
    pub(crate) const fn root(mut self) -> Self {
        self.seen = Seen::Root;
        self
    }

    /// Root admins do not see it.
    pub(crate) const fn others(mut self) -> Self {
        self.seen = Seen::Others;
        self
    }
}

const fn member(name: &'static str, from: From) -> Member {
    Member { name, from, seen: Seen::Everybody }
}

/// The field of the same name.
pub(crate) const fn own(name: &'static str) -> Member {
    member(name, From::Field(name, None))
}

/// A field of another name.
pub(crate) const fn field(name: &'static str, field: &'static str) -> Member {
    member(name, From::Field(field, None))
}

/// The field of the same name, or a value that stands for its absence.
pub(crate) const fn own_or(name: &'static str, constant: Constant) -> Member {
    member(name, From::Field(name, Some(constant)))
}

/// The field of the same name, or false.
pub(crate) const fn flag(name: &'static str) -> Member {
    own_or(name, Constant::Flag(false))
}

/// A field of a row that is referred to.
pub(crate) const fn linked(name: &'static str, link: &'static str, field: &'static str) -> Member {
    member(name, From::Linked(link, field))
}

/// Always the same value.
pub(crate) const fn always(name: &'static str, constant: Constant) -> Member {
    member(name, From::Always(constant))
}

/// A computed value.
pub(crate) const fn computed(name: &'static str, compute: Compute) -> Member {
    member(name, From::Computed(compute))
}

/// Several members at once; the name is only for people who read the view.
pub(crate) const fn several(name: &'static str, spread: Spread) -> Member {
    member(name, From::Several(spread))
}

/// The id.
pub(crate) const ID: Member = member("id", From::Id);
/// When it was made.
pub(crate) const CREATED: Member = member("created", From::Created);
/// The owner's account.
pub(crate) const ACCOUNT: Member = member("account", From::Account);
/// The owner's project.
pub(crate) const PROJECT_ID: Member = member("projectid", From::ProjectId);
/// The owner's project's name.
pub(crate) const PROJECT: Member = member("project", From::Project);
/// The owner's domain.
pub(crate) const DOMAIN_ID: Member = member("domainid", From::DomainId);
/// The owner's domain's name.
pub(crate) const DOMAIN: Member = member("domain", From::Domain);
/// The owner's domain's path.
pub(crate) const DOMAIN_PATH: Member = member("domainpath", From::DomainPath);
/// The tags.
pub(crate) const TAGS: Member = member("tags", From::Tags);
/// Whether somebody said something about it that the looker may see.
pub(crate) const HAS_ANNOTATIONS: Member = computed("hasannotations", |world, row, viewer| {
    let comments = world.kind("annotation");
    let is_seen = |comment: Handle| world.link(comment, "entity") == Some(row) && (viewer.root || !world.flag(comment, "adminsonly"));
    Some(Shown::Flag(world.count(comments) > 0 && world.rows(comments).any(is_seen)))
});

/// The job at work on it.
pub(crate) const JOB_ID: Member = computed("jobid", |world, row, _| world.job_on(row).map(|job| Shown::Text(job.to_owned())));
/// Where that job stands: it is at work.
pub(crate) const JOB_STATUS: Member = computed("jobstatus", |world, row, _| world.job_on(row).map(|_| Shown::Number(0)));

/// The fields that hold the id of kinds without a field of that name.
pub(crate) const DEVICE_IDS: [&str; 9] =
    ["lbdeviceid", "fwdeviceid", "bcfdeviceid", "vcsdeviceid", "nvpdeviceid", "vsmdeviceid", "uuid", "nsxprovideruuid", "tungstenprovideruuid"];

/// A kind, ready for use.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The key of a single object.
    pub(crate) word: Box<str>,
    /// What jobs, events and error texts call it.
    pub(crate) resource: Box<str>,
    /// Whether accounts own its objects.
    pub(crate) owned: bool,
    /// The fields that `keyword` looks into.
    pub(crate) keywords: Vec<Key>,
    /// Whether lists start with the newest object.
    pub(crate) newest_first: bool,
    /// Whether it came from the catalog.
    pub(crate) generic: bool,
    view: Vec<Prepared>,
    /// Members of later releases.
    later: Vec<Box<str>>,
}

/// A member whose names are numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prepared {
    name: Key,
    from: PreparedFrom,
    seen: Seen,
}

#[derive(Clone, Copy, Debug)]
enum PreparedFrom {
    Plain(From),
    Field(Key, Option<Constant>),
    Linked(Key, Key, bool),
}

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Viewer {
    /// Whether a root admin looks.
    pub(crate) root: bool,
    /// The account that looks.
    pub(crate) account: Option<Handle>,
    /// The looker's domain, where it matters.
    pub(crate) domain: Option<Handle>,
}

impl Kind {
    /// Prepares a noun.
    pub(crate) fn of_noun(noun: &Noun, key: &mut dyn FnMut(&str) -> Key) -> Self {
        let view = noun.view.iter().map(|member| {
            let from = match member.from {
                From::Field(name, constant) => PreparedFrom::Field(key(name), constant),
                From::Linked(link, name) => PreparedFrom::Linked(key(link), key(name), name == "id"),
                other => PreparedFrom::Plain(other),
            };
            Prepared { name: key(member.name), from, seen: member.seen }
        });
        Self {
            view: view.collect(),
            later: Vec::new(),
            word: noun.word.into(),
            resource: noun.resource.into(),
            owned: noun.owned,
            keywords: noun.keywords.iter().map(|name| key(name)).collect(),
            newest_first: noun.newest_first,
            generic: false,
        }
    }

    /// Makes a kind from the fields that the catalog declares.
    pub(crate) fn of_fields(word: &str, resource: &str, fields: &[Field], key: &mut dyn FnMut(&str) -> Key) -> Self {
        let has = |name: &str| fields.iter().any(|field| field.name == name);
        let owned = has("account") && has("domainid");
        let view = fields.iter().map(|field| {
            let name = key(&field.name);
            let from = match field.name.as_str() {
                // Where ids are numbers, they are the server's own.
                "id" if matches!(field.kind.as_str(), "long" | "integer") => {
                    PreparedFrom::Plain(From::Computed(|_, row, _| i64::try_from(World::internal_number(row)).ok().map(Shown::Number)))
                }
                "id" => PreparedFrom::Plain(From::Id),
                // Devices have their ids under names of their own.
                name if !has("id") && DEVICE_IDS.contains(&name) => PreparedFrom::Plain(From::Id),
                "account" if owned => PreparedFrom::Plain(From::Account),
                "domainid" if owned => PreparedFrom::Plain(From::DomainId),
                "domain" if owned => PreparedFrom::Plain(From::Domain),
                "domainpath" if owned => PreparedFrom::Plain(From::DomainPath),
                "projectid" if owned => PreparedFrom::Plain(From::ProjectId),
                "project" if owned => PreparedFrom::Plain(From::Project),
                "created" => PreparedFrom::Plain(From::Created),
                "tags" if field.kind != "string" => PreparedFrom::Plain(From::Tags),
                _ => PreparedFrom::Field(name, None),
            };
            Prepared { name, from, seen: Seen::Everybody }
        });
        let view = view.collect();
        let keywords = ["name", "displaytext", "description"].into_iter().filter(|name| has(name)).map(&mut *key).collect();
        Self { view, later: Vec::new(), word: word.into(), resource: resource.into(), owned, keywords, newest_first: false, generic: true }
    }

    /// Leaves out what only later releases show. `name` tells the name of a number.
    pub(crate) fn leave_out(&mut self, later: Vec<Box<str>>, name: &dyn Fn(Key) -> Option<Box<str>>) {
        self.view.retain(|member| name(member.name).is_none_or(|name| !later.contains(&name)));
        self.later.extend(later);
    }

    /// The fields that the members show.
    pub(crate) fn fields(&self) -> impl Iterator<Item = Key> + '_ {
        self.view.iter().filter_map(|member| World::member_field(*member))
    }

    /// The names of the members, and whether they hold something nested of their own.
    pub(crate) fn members(&self) -> impl Iterator<Item = (Key, bool)> + '_ {
        self.view.iter().map(|member| (member.name, matches!(member.from, PreparedFrom::Plain(From::Tags))))
    }

    /// The member with this name.
    pub(crate) fn member(&self, name: Key) -> Option<Prepared> {
        self.view.iter().find(|member| member.name == name).copied()
    }
}

impl World {
    /// Writes a row as an object.
    pub(crate) fn render(&self, handle: Handle, viewer: Viewer, json: &mut Json) {
        self.render_without(handle, viewer, &[], json);
    }

    /// Writes a row as an object without some members.
    pub(crate) fn render_without(&self, handle: Handle, viewer: Viewer, without: &[Key], json: &mut Json) {
        json.open();
        self.render_members(handle, viewer, without, json);
        json.close();
    }

    /// Writes the members of a row into an object that is open.
    pub(crate) fn render_members(&self, handle: Handle, viewer: Viewer, without: &[Key], json: &mut Json) {
        let Some(kind) = self.description(handle.kind) else { return };
        for member in &kind.view {
            let seen = match member.seen {
                Seen::Everybody => true,
                Seen::Root => viewer.root,
                Seen::Others => !viewer.root,
            };
            if !seen {
                continue;
            }
            if !without.contains(&member.name) {
                self.render_member(handle, *member, viewer, json);
            } else if let Some((_, left, constant)) = LEFT.iter().find(|(name, ..)| *name == self.name_of(member.name)) {
                write_constant(left, *constant, json);
            }
        }
    }

    fn render_member(&self, handle: Handle, member: Prepared, viewer: Viewer, json: &mut Json) {
        let name = self.name_of(member.name);
        match member.from {
            PreparedFrom::Field(key, constant) => match (self.datum(handle, key), constant) {
                (Some(content), _) => self.write_content(name, content, json),
                (None, Some(constant)) => write_constant(name, constant, json),
                (None, None) => {}
            },
            PreparedFrom::Linked(link, key, is_id) => {
                let Some(Content::Link(target)) = self.datum(handle, link) else { return };
                if is_id {
                    self.write_id_member(name, target, json);
                } else if let Some(content) = self.datum(target, key) {
                    self.write_content(name, content, json);
                }
            }
            PreparedFrom::Plain(From::Id) => match self.row(handle).filter(|row| row.is_named()) {
                Some(_) => self.write_id_member(name, handle, json),
                None => {
                    if let Some(content) = self.field(handle, "id") {
                        self.write_content(name, content, json);
                    }
                }
            },
            PreparedFrom::Plain(From::Tags) => self.write_tags(name, handle, json),
            PreparedFrom::Plain(From::Always(constant)) => write_constant(name, constant, json),
            PreparedFrom::Plain(From::Computed(compute)) => {
                if let Some(shown) = compute(self, handle, viewer) {
                    write_shown(name, &shown, json);
                }
            }
            PreparedFrom::Plain(From::Several(spread)) => self.write_several(handle, spread, viewer, json),
            PreparedFrom::Plain(from) => self.write_plain(name, handle, from, json),
        }
    }

    /// Writes a member that says who owns a row, or when it was made.
    fn write_plain(&self, name: &str, handle: Handle, from: From, json: &mut Json) {
        let account = self.owner(handle);
        let project = account.and_then(|account| self.link(account, "project"));
        let domain = || self.link(account?, "domain");
        let (row, field) = match from {
            From::Account => (account.filter(|_| project.is_none()), "name"),
            From::ProjectId => (project, "id"),
            From::Project => (project, "name"),
            From::DomainId => (domain(), "id"),
            From::Domain => (domain(), "name"),
            From::DomainPath => (domain(), "path"),
            _ => {
                if let Some(text) = self.plain_text(handle, from) {
                    json.member(name, &text);
                }
                return;
            }
        };
        match row {
            Some(row) if field == "id" => self.write_id_member(name, row, json),
            Some(row) => json.member(name, self.text(row, field).unwrap_or_default()),
            None => {}
        }
    }

    fn write_id_member(&self, name: &str, handle: Handle, json: &mut Json) {
        json.plain_key(name);
        self.write_id(handle, json);
    }

    /// The text of a member, for filters. Only what is one word, number or truth value has one.
    pub(crate) fn member_text(&self, handle: Handle, member: Prepared, viewer: Viewer) -> Option<String> {
        match member.from {
            PreparedFrom::Field(key, constant) => match (self.datum(handle, key), constant) {
                (Some(content), _) => self.content_text(content),
                (None, Some(Constant::Text(text))) => Some(text.to_owned()),
                (None, Some(Constant::Number(number))) => Some(number.to_string()),
                (None, Some(Constant::Flag(flag))) => Some(flag.to_string()),
                (None, _) => None,
            },
            PreparedFrom::Linked(link, key, is_id) => {
                let Content::Link(target) = self.datum(handle, link)? else { return None };
                if is_id { Some(self.id(target)) } else { self.content_text(self.datum(target, key)?) }
            }
            PreparedFrom::Plain(From::Always(Constant::Text(text))) => Some(text.to_owned()),
            PreparedFrom::Plain(From::Always(Constant::Flag(flag))) => Some(flag.to_string()),
            PreparedFrom::Plain(From::Always(_) | From::Tags | From::Several(_)) => None,
            PreparedFrom::Plain(From::Computed(compute)) => match compute(self, handle, viewer)? {
                Shown::Text(text) => Some(text),
                Shown::Number(number) => Some(number.to_string()),
                Shown::Flag(flag) => Some(flag.to_string()),
                Shown::Raw(_) => None,
            },
            PreparedFrom::Plain(from) => self.plain_text(handle, from),
        }
    }

    /// Whether a member reads as wanted, in any case; nothing where it has no text. Most rows are looked at in vain, so
    /// that plain fields are compared where they lie.
    pub(crate) fn member_is(&self, handle: Handle, member: Prepared, viewer: Viewer, wanted: &str) -> Option<bool> {
        let stored = match member.from {
            PreparedFrom::Field(key, _) => self.datum(handle, key),
            PreparedFrom::Linked(link, key, false) => match self.datum(handle, link)? {
                Content::Link(target) => self.datum(target, key),
                _ => None,
            },
            _ => None,
        };
        if let Some(Content::Text(text)) = stored {
            return Some(is_same(text, wanted));
        }
        self.member_text(handle, member, viewer).map(|text| is_same(&text, wanted))
    }

    /// The field whose reference a member follows to an id, if that is what it does.
    pub(crate) fn member_link(member: Prepared) -> Option<Key> {
        match member.from {
            PreparedFrom::Linked(link, _, true) => Some(link),
            _ => None,
        }
    }

    /// The field that a member shows, if that is what it does.
    pub(crate) fn member_field(member: Prepared) -> Option<Key> {
        match member.from {
            PreparedFrom::Field(key, _) => Some(key),
            _ => None,
        }
    }

    /// Writes whose a row is into an object that is open: an account's or a project's, and its domain.
    pub(crate) fn write_owner(&self, handle: Handle, json: &mut Json) {
        for member in [ACCOUNT, PROJECT_ID, PROJECT, DOMAIN_ID, DOMAIN, DOMAIN_PATH] {
            if let Some(text) = self.plain_text(handle, member.from) {
                json.member(member.name, &text);
            }
        }
    }

    fn plain_text(&self, handle: Handle, from: From) -> Option<String> {
        let project = || self.link(self.owner(handle)?, "project");
        match from {
            From::Id => match self.row(handle).filter(|row| row.is_named()) {
                Some(_) => Some(self.id(handle)).filter(|id| !id.is_empty()),
                None => self.field(handle, "id").and_then(|content| self.content_text(content)),
            },
            From::Created => Some(timestamp(std::time::Duration::from_secs(self.created(handle)))),
            From::Account => match project() {
                Some(_) => None,
                None => Some(self.string(self.owner(handle)?, "name")),
            },
            From::ProjectId => Some(self.id(project()?)),
            From::Project => Some(self.string(project()?, "name")),
            From::DomainId => Some(self.id(self.domain_of(handle)?)),
            From::Domain => Some(self.string(self.domain_of(handle)?, "name")),
            From::DomainPath => Some(self.string(self.domain_of(handle)?, "path")),
            From::Field(..) | From::Linked(..) | From::Always(_) | From::Computed(_) | From::Several(_) | From::Tags => None,
        }
    }

    fn content_text(&self, content: Content<'_>) -> Option<String> {
        match content {
            Content::Text(text) => Some(text.to_owned()),
            Content::Number(number) => Some(number.to_string()),
            Content::Decimal(number) => Some(number.to_string()),
            Content::Flag(flag) => Some(flag.to_string()),
            Content::Link(target) => Some(self.id(target)),
            Content::Tree(_) | Content::Links(_) => None,
        }
    }

    fn write_content(&self, name: &str, content: Content<'_>, json: &mut Json) {
        json.plain_key(name);
        match content {
            Content::Text(text) => json.text(text),
            Content::Number(number) => json.number(number),
            Content::Decimal(number) => json.decimal(number),
            Content::Flag(flag) => json.flag(flag),
            Content::Link(target) => self.write_id(target, json),
            Content::Tree(value) => json.value(value),
            Content::Links(targets) => {
                json.open_array();
                targets.iter().for_each(|target| self.write_id(*target, json));
                json.close_array();
            }
        }
    }

    /// Writes several members without those of later releases.
    fn write_several(&self, handle: Handle, spread: Spread, viewer: Viewer, json: &mut Json) {
        let later = self.description(handle.kind).map(|kind| kind.later.as_slice()).unwrap_or_default();
        if later.is_empty() {
            spread(self, handle, viewer, json);
            return;
        }
        let mut aside = Json::default();
        aside.open();
        spread(self, handle, viewer, &mut aside);
        aside.close();
        let members: Map<String, Value> = serde_json::from_str(&aside.into_text()).unwrap_or_default();
        for (name, value) in members.iter().filter(|(name, _)| !later.iter().any(|known| known.as_ref() == name.as_str())) {
            json.key(name);
            json.value(value);
        }
    }

    fn write_tags(&self, name: &str, handle: Handle, json: &mut Json) {
        json.plain_key(name);
        json.open_array();
        let owner = self.owner(handle);
        for tag in self.tags.get(&handle).into_iter().flatten() {
            json.open();
            json.member("key", &tag.key);
            json.member("value", &tag.value);
            json.member("resourcetype", &tag.resource_type);
            json.member("resourceid", &self.id(handle));
            if let Some(owner) = owner {
                json.member("account", self.text(owner, "name").unwrap_or_default());
                if let Some(domain) = self.link(owner, "domain") {
                    json.member("domainid", &self.id(domain));
                    json.member("domain", self.text(domain, "name").unwrap_or_default());
                }
            }
            json.close();
        }
        json.close_array();
    }
}

fn write_constant(name: &str, constant: Constant, json: &mut Json) {
    json.plain_key(name);
    match constant {
        Constant::Text(text) => json.text(text),
        Constant::Number(number) => json.number(number),
        Constant::Flag(flag) => json.flag(flag),
        Constant::Empty => json.raw("[]"),
        Constant::Raw(text) => json.raw(text),
    }
}

fn write_shown(name: &str, shown: &Shown, json: &mut Json) {
    json.plain_key(name);
    match shown {
        Shown::Text(text) => json.text(text),
        Shown::Number(number) => json.number(*number),
        Shown::Flag(flag) => json.flag(*flag),
        Shown::Raw(text) => json.raw(text),
    }
}
