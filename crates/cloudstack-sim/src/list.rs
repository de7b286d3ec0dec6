//! Lists: whose objects, which of them, in which order, and which page (wire facts §1.8).
//!
//! Every argument that bears the name of a member filters by that member. What does not fit that rule is a row in
//! [`crate::nouns::FILTERS`].

use std::borrow::Cow;

use cloudstack_api::catalog::{ParameterType, RoleType};

use crate::{
    collation::{folded, is_same},
    kind::{Prepared, Viewer},
    nouns,
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Handle, KindId, Reader, World, parse_id},
};

/// Arguments of lists that are no filters.
const NO_FILTERS: &[&str] = &[
    "account",
    "apikey",
    "command",
    "details",
    "domainid",
    "expires",
    "isrecursive",
    "keyword",
    "listall",
    "page",
    "pagesize",
    "projectid",
    "response",
    "sessionkey",
    "signature",
    "signatureversion",
    "showunique",
    "templatefilter",
    "isofilter",
    "showicon",
    "tags",
    "ids",
    "id",
    "startdate",
    "enddate",
    "fetchlatest",
    "accumulate",
    "showcapacities",
    "listsystemvms",
    "retrieveonlyresourcecount",
];

/// The argument that asks how many there are, and for none of them.
const COUNT_ONLY: &str = "retrieveonlyresourcecount";
/// Kinds whose lists read tags and pass nobody over for them.
const UNTAGGED: [&str; 1] = ["project"];

/// What asks for the objects of all projects.
pub(crate) const ALL_PROJECTS: &str = "-1";

/// Whose objects a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everybody's; with those of projects or without.
    All { projects: bool },
    /// Those of some accounts.
    Accounts(Vec<Handle>),
    /// Those of a domain's accounts, or of everything below it too.
    Domain { domain: Handle, recursive: bool, projects: bool },
}

/// Values that ask for nothing that a list does not show anyway, by kind and argument.
const EVERY: [(&str, &str, &str); 1] = [("virtualmachine", "state", "present")];

/// Arguments that ask for a part of a member's text, by kind; all others ask for the whole.
const PARTS: [(&str, &str); 8] = [
    ("configuration", "name"),
    ("physicalnetwork", "name"),
    ("volume", "type"),
    ("vpc", "name"),
    ("vpc", "displaytext"),
    ("vpcoffering", "name"),
    ("vpcoffering", "displaytext"),
    ("guestosmapping", "osnameforhypervisor"),
];

/// What an argument asks of a row. Fields are looked up once, not for each row.
enum Filter<'a> {
    Link(Reader<'a>, Handle),
    Field(Reader<'a>, Prepared, Cow<'a, str>),
    Text(Prepared, Cow<'a, str>),
    Part(Prepared, Keyword),
    Own(nouns::Filter),
}

/// Lists the objects of a kind.
pub(crate) fn list(turn: &mut Turn<'_>, kind: KindId) -> Result<Outcome, Refusal> {
    list_where(turn, kind, |_, _| true)
}

/// Lists the objects of a kind that fulfil a condition.
pub(crate) fn list_where(turn: &mut Turn<'_>, kind: KindId, keep: impl Fn(&World, Handle) -> bool) -> Result<Outcome, Refusal> {
    let page = Page::read(turn)?;
    check_letters(turn, kind)?;
    if turn.arguments.object("id").is_some() && !turn.arguments.list("ids").is_empty() {
        return Err(Refusal::invalid("Specify either id or ids but not both parameters"));
    }
    let rows = matching(turn, kind, &keep)?;
    Ok(page.cut(rows))
}

/// Letters outside the first plane break the database's comparison in the lists that join tables (wire facts §1.2 no 8).
fn check_letters(turn: &Turn<'_>, kind: KindId) -> Result<(), Refusal> {
    const BREAKING: [&str; 5] = ["virtualmachine", "volume", "event", "affinitygroup", "tag"];
    const LAST_OF_FIRST_PLANE: char = '\u{ffff}';
    let is_outside = |name: &str| turn.arguments.given(name).is_some_and(|value| value.chars().any(|letter| letter > LAST_OF_FIRST_PLANE));
    let breaks = turn.world.description(kind).is_some_and(|kind| BREAKING.contains(&kind.word.as_ref()));
    if breaks && (is_outside("keyword") || is_outside("name")) { Err(Refusal::internal("DB Exception on: illegal mix of collations")) } else { Ok(()) }
}

/// The objects of a kind that the arguments ask for, in order.
pub(crate) fn matching(turn: &Turn<'_>, kind: KindId, keep: &dyn Fn(&World, Handle) -> bool) -> Result<Vec<Handle>, Refusal> {
    let world = &*turn.world;
    let Some(description) = world.description(kind) else { return Ok(Vec::new()) };
    let scope = if description.owned { scope(turn)? } else { Scope::All { projects: true } };
    Ok(filtered(turn, kind, &scope, keep))
}

/// The objects of a kind that the arguments ask for, whoever owns them.
pub(crate) fn unscoped(turn: &Turn<'_>, kind: KindId, keep: &dyn Fn(&World, Handle) -> bool) -> Vec<Handle> {
    filtered(turn, kind, &Scope::All { projects: true }, keep)
}

fn filtered(turn: &Turn<'_>, kind: KindId, scope: &Scope, keep: &dyn Fn(&World, Handle) -> bool) -> Vec<Handle> {
    let world = &*turn.world;
    let Some(description) = world.description(kind) else { return Vec::new() };
    let filters = filters(turn, kind);
    let keyword = turn.arguments.text("keyword").map(Keyword::new);
    let beside = keyword.as_ref().and_then(|keyword| Some(nouns::searched(&description.word)?(turn, keyword)));
    let searched: Vec<Reader<'_>> = description.keywords.iter().map(|key| world.reader(kind, *key)).collect();
    let viewer = turn.viewer();
    let ids = wanted_ids(turn);
    let asked = turn.arguments.records("tags").filter(|_| !UNTAGGED.contains(&&*description.word));
    let tags: Vec<(String, String)> = asked.filter_map(|tag| Some((tag.get("key")?.to_lowercase(), tag.get("value")?.to_lowercase()))).collect();
    let fits = |row: &Handle| {
        filters.iter().all(|filter| passes(turn, *row, filter, viewer))
            && keyword
                .as_ref()
                .is_none_or(|keyword| searched.is_empty() || is_in_some(keyword, &searched, *row) || beside.as_ref().is_some_and(|beside| beside(*row)))
            && (tags.is_empty() || tags.iter().any(|tag| has_tag(world, *row, tag)))
            && keep(world, *row)
    };
    let mut rows: Vec<Handle> = match (&ids, scope) {
        (Some(ids), scope) => {
            let reach = Reach::new(world, kind, scope);
            let mut rows: Vec<Handle> = ids.iter().copied().filter(|row| row.kind == kind && world.is_alive(*row) && reach.holds(world, *row)).collect();
            rows.sort_unstable();
            rows.dedup();
            rows.retain(fits);
            rows
        }
        (None, Scope::Accounts(accounts)) => {
            let mut rows: Vec<Handle> = accounts.iter().flat_map(|account| owned_rows(world, kind, *account)).filter(fits).collect();
            rows.sort_unstable();
            rows
        }
        (None, scope) => {
            let reach = Reach::new(world, kind, scope);
            world.rows(kind).filter(|row| reach.holds(world, *row)).filter(fits).collect()
        }
    };
    if description.newest_first {
        rows.reverse();
    }
    rows
}

/// Whether one of the fields of a row holds a keyword. Fields often say the same, and are looked at once then.
fn is_in_some(keyword: &Keyword, fields: &[Reader<'_>], row: Handle) -> bool {
    let mut last: Option<&str> = None;
    fields.iter().any(|field| {
        let text = field.text(row).filter(|text| last.is_none_or(|last| !std::ptr::eq(last, *text)));
        last = text.or(last);
        text.is_some_and(|text| keyword.is_in(text))
    })
}

fn owned_rows(world: &World, kind: KindId, account: Handle) -> Vec<Handle> {
    if kind == account.kind { vec![account] } else { world.owned(kind, account).collect() }
}

/// A scope in the form that is quick to ask for each row of a large table.
enum Reach {
    /// Every row.
    Everything,
    /// Rows of accounts, by the account's number.
    Owners(Vec<bool>),
    /// Rows that are accounts themselves.
    Accounts(Vec<bool>),
}

impl Reach {
    fn new(world: &World, kind: KindId, scope: &Scope) -> Self {
        if *scope == (Scope::All { projects: true }) {
            return Self::Everything;
        }
        let accounts = world.kind("account");
        let mut within = Vec::new();
        for account in world.all_rows(accounts) {
            within.push(in_scope(world, account, scope));
        }
        if kind == accounts { Self::Accounts(within) } else { Self::Owners(within) }
    }

    fn holds(&self, world: &World, row: Handle) -> bool {
        let (within, owner) = match self {
            Self::Everything => return true,
            Self::Accounts(within) => (within, Some(row.row)),
            Self::Owners(within) => (within, world.owner_number(row)),
        };
        owner.is_none_or(|owner| within.get(owner as usize).copied().unwrap_or(false))
    }
}

/// Whether the rows of an account are in a scope.
pub(crate) fn in_scope(world: &World, owner: Handle, scope: &Scope) -> bool {
    let is_project = world.link(owner, "project").is_some();
    match scope {
        Scope::All { projects } => *projects || !is_project,
        Scope::Accounts(accounts) => accounts.contains(&owner),
        Scope::Domain { domain, recursive, projects } => {
            let of = world.link(owner, "domain");
            let inside = of == Some(*domain) || *recursive && of.is_some_and(|of| world.is_within(of, *domain));
            inside && (*projects || !is_project)
        }
    }
}

/// Whose objects the arguments ask for.
pub(crate) fn scope(turn: &Turn<'_>) -> Result<Scope, Refusal> {
    scope_with(turn, turn.arguments.flag("listall"))
}

/// The same, for lists that do not ask the argument `listall` whether everything is wanted.
pub(crate) fn scope_with(turn: &Turn<'_>, everything: bool) -> Result<Scope, Refusal> {
    let caller = &turn.caller;
    let arguments = &turn.arguments;
    // Who asks for one object by its id asks everywhere; who asks for several does not.
    let by_id = arguments.object("id").is_some();
    let domain = arguments.object("domainid");
    if let Some(domain) = domain {
        if !turn.world.is_alive(domain) {
            return Err(Refusal::invalid("Unable to find domain by id"));
        }
        check_domain(turn, domain)?;
    }
    if let Some(name) = arguments.text("account") {
        if arguments.text("projectid").is_some() {
            return Err(Refusal::invalid("Account and projectId can't be specified together"));
        }
        return Ok(Scope::Accounts(vec![listed_account(turn, name, domain.unwrap_or(caller.domain))?]));
    }
    if let Some(project) = arguments.text("projectid") {
        return project_scope(turn, project, (domain, everything));
    }
    if let Some(domain) = domain.filter(|_| caller.kind != RoleType::User) {
        return Ok(Scope::Domain { domain, recursive: arguments.flag("isrecursive"), projects: by_id });
    }
    let all = by_id || everything;
    Ok(match caller.kind {
        RoleType::Admin if all => Scope::All { projects: by_id },
        // Nothing holds admins of resources back who ask for everything, but an id keeps them to their own domain.
        RoleType::ResourceAdmin if everything => Scope::All { projects: by_id },
        RoleType::DomainAdmin | RoleType::ResourceAdmin if all => Scope::Domain { domain: caller.domain, recursive: true, projects: by_id },
        _ => Scope::Accounts(vec![caller.account]),
    })
}

/// Refuses domains of others: users look into their own one, admins into everything below theirs.
pub(crate) fn check_domain(turn: &Turn<'_>, domain: Handle) -> Result<(), Refusal> {
    nouns::check_domain(turn, domain)
        .map_err(|_| Refusal::forbidden(format!("{} does not have permission to operate within domain id={}", said_account(turn), turn.world.id(domain))))
}

/// The account whose objects a list is to show.
fn listed_account(turn: &Turn<'_>, name: &str, domain: Handle) -> Result<Handle, Refusal> {
    match nouns::any_account_named(turn.world, domain, name) {
        Some(account) if turn.may_use(account) => Ok(account),
        Some(_) => Err(Refusal::permission()),
        None => Err(Refusal::invalid(format!("could not find account {name} in domain {}", turn.world.string(domain, "name")))),
    }
}

fn project_scope(turn: &Turn<'_>, project: &str, (domain, everything): (Option<Handle>, bool)) -> Result<Scope, Refusal> {
    if project == ALL_PROJECTS {
        return Ok(match turn.caller.kind {
            RoleType::Admin => {
                let scope = match domain {
                    Some(domain) => Scope::Domain { domain, recursive: turn.arguments.flag("isrecursive"), projects: true },
                    None => Scope::All { projects: true },
                };
                if everything {
                    return Ok(scope);
                }
                let accounts = turn.world.rows(turn.world.kind("account"));
                Scope::Accounts(accounts.filter(|row| turn.world.link(*row, "project").is_some() && in_scope(turn.world, *row, &scope)).collect())
            }
            _ if everything => Scope::Accounts([vec![turn.caller.account], projects_of(turn)].concat()),
            _ => Scope::Accounts(projects_of(turn)),
        });
    }
    let project = turn.arguments.object("projectid");
    if project.is_some_and(|project| !turn.world.is_alive(project)) {
        return Err(Refusal::invalid("Unable to find project by id"));
    }
    let account = project.and_then(|project| turn.world.link(project, "projectaccount"));
    match account {
        Some(account) if turn.may_use(account) => Ok(Scope::Accounts(vec![account])),
        _ => Err(Refusal::permission()),
    }
}

fn projects_of(turn: &Turn<'_>) -> Vec<Handle> {
    let accounts = turn.world.kind("account");
    turn.world.rows(accounts).filter(|row| turn.is_member_of(*row)).collect()
}

/// How texts name the calling account.
pub(crate) fn said_account(turn: &Turn<'_>) -> String {
    let account = turn.caller.account;
    let (name, id) = (turn.world.string(account, "name"), turn.world.id(account));
    format!("Account Account [{{\"accountName\":\"{name}\",\"id\":{},\"uuid\":\"{id}\"}}]", World::internal_number(account))
}

fn wanted_ids(turn: &Turn<'_>) -> Option<Vec<Handle>> {
    let one = turn.arguments.object("id").map(|id| vec![id]);
    // A list of ids in which nothing was an id filters nothing on lists that know no such parameter, else all.
    one.or_else(|| turn.arguments.objects("ids").filter(|_| !turn.arguments.list("ids").is_empty()).map(<[Handle]>::to_vec))
}

fn filters<'a>(turn: &'a Turn<'_>, kind: KindId) -> Vec<Filter<'a>> {
    let world = &*turn.world;
    let Some(description) = world.description(kind) else { return Vec::new() };
    let mut filters = Vec::new();
    for (name, value) in turn.arguments.plain() {
        // A number that is no id of an object is a member like any other.
        let is_number = name == "id" && turn.command.parameter(name).is_some_and(|parameter| parameter.kind != ParameterType::Uuid);
        if NO_FILTERS.contains(&name) && !is_number || turn.command.parameter(name).is_none() {
            continue;
        }
        if EVERY.iter().any(|(word, argument, all)| *word == &*description.word && *argument == name && value.eq_ignore_ascii_case(all)) {
            continue;
        }
        if let Some(own) = nouns::filter(&description.word, name) {
            filters.push(Filter::Own(own));
            continue;
        }
        let Some(member) = world.known_key(name).and_then(|key| description.member(key)) else { continue };
        if PARTS.contains(&(&*description.word, name)) {
            filters.push(Filter::Part(member, Keyword::new(value)));
            continue;
        }
        let value = spelled(turn, name, value);
        match (turn.arguments.object(name), World::member_link(member), World::member_field(member)) {
            (Some(object), Some(link), _) => filters.push(Filter::Link(world.reader(kind, link), object)),
            (Some(object), None, Some(field)) if description.generic => filters.push(Filter::Link(world.reader(kind, field), object)),
            (_, _, Some(field)) => filters.push(Filter::Field(world.reader(kind, field), member, value)),
            _ => filters.push(Filter::Text(member, value)),
        }
    }
    // What is asked of a field is cheap; functions come last.
    filters.sort_by_key(|filter| matches!(filter, Filter::Own(_)));
    filters
}

/// A value as members spell it: of truth values, only `true` is true; numbers have no zeros before them.
fn spelled<'a>(turn: &Turn<'_>, name: &str, value: &'a str) -> Cow<'a, str> {
    match turn.command.parameter(name).map(|parameter| parameter.kind) {
        Some(ParameterType::Boolean) => value.eq_ignore_ascii_case("true").to_string().into(),
        Some(ParameterType::Integer | ParameterType::Long | ParameterType::Short) => {
            value.parse::<i64>().map_or_else(|_| value.into(), |number| number.to_string().into())
        }
        _ => value.into(),
    }
}

fn passes(turn: &Turn<'_>, row: Handle, filter: &Filter<'_>, viewer: Viewer) -> bool {
    let reads = |member: Prepared, wanted: &str| match turn.world.member_is(row, member, viewer, wanted) {
        Some(is) => is,
        None => wanted.eq_ignore_ascii_case("false"),
    };
    match filter {
        Filter::Link(field, object) => field.link(row) == Some(*object),
        Filter::Field(field, member, wanted) => field.text(row).map_or_else(|| reads(*member, wanted), |text| is_same(text, wanted)),
        Filter::Text(member, wanted) => reads(*member, wanted),
        Filter::Part(member, wanted) => turn.world.member_text(row, *member, viewer).is_some_and(|text| wanted.is_in(&text)),
        Filter::Own(filter) => filter(turn, row),
    }
}

/// What `keyword` asks for.
pub(crate) enum Keyword {
    /// Plain ASCII letters in lower case, without wildcards: the usual case, and a quick one.
    Plain(Box<[u8]>),
    /// A pattern in lower case.
    Pattern(String),
}

impl Keyword {
    fn new(keyword: &str) -> Self {
        let keyword = folded(keyword);
        if keyword.is_ascii() && !keyword.contains(['%', '_']) { Self::Plain(keyword.into_bytes().into()) } else { Self::Pattern(format!("%{keyword}%")) }
    }

    /// Whether a text contains it.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        match self {
            Self::Plain(keyword) if text.is_ascii() => {
                let Some((first, _)) = keyword.split_first() else { return true };
                let Some(last_start) = text.len().checked_sub(keyword.len()) else { return false };
                // Most places differ in their first letter already.
                let mut starts = text.as_bytes().iter().take(last_start + 1).enumerate().filter(|(_, letter)| letter.eq_ignore_ascii_case(first));
                starts.any(|(at, _)| text.as_bytes().get(at..at + keyword.len()).is_some_and(|part| part.eq_ignore_ascii_case(keyword)))
            }
            Self::Plain(keyword) => folded(text).as_bytes().windows(keyword.len().max(1)).any(|window| window == &**keyword),
            Self::Pattern(pattern) => like(&folded(text), pattern),
        }
    }
}

/// Matches with SQL's wildcards.
pub(crate) fn like(text: &str, pattern: &str) -> bool {
    let mut letters = pattern.chars();
    match letters.next() {
        None => text.is_empty(),
        Some('%') => {
            let rest = letters.as_str().trim_start_matches('%');
            rest.is_empty() || text.char_indices().any(|(at, _)| text.get(at..).is_some_and(|tail| like(tail, rest)))
        }
        Some(wanted) => {
            let mut text = text.chars();
            text.next().is_some_and(|letter| wanted == '_' || letter == wanted) && like(text.as_str(), letters.as_str())
        }
    }
}

fn has_tag(world: &World, row: Handle, (key, value): &(String, String)) -> bool {
    let tags = world.tags.get(&row).map(Vec::as_slice).unwrap_or_default();
    tags.iter().any(|tag| tag.key.to_lowercase() == *key && tag.value.to_lowercase() == *value)
}

/// The part of a list that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    skip: usize,
    take: usize,
}

impl Page {
    /// Reads `page` and `pagesize`.
    ///
    /// Who asks for the count alone gets an empty page.
    pub(crate) fn read(turn: &Turn<'_>) -> Result<Self, Refusal> {
        let page = Self::asked(turn)?;
        let counts_only = turn.command.parameter(COUNT_ONLY).is_some() && turn.arguments.flag(COUNT_ONLY);
        Ok(if counts_only { Self { skip: 0, take: 0 } } else { page })
    }

    fn asked(turn: &Turn<'_>) -> Result<Self, Refusal> {
        let size_max = turn.server.options.tuning.page_size_max;
        let Some(size) = turn.arguments.number("pagesize") else { return Ok(Self { skip: 0, take: size_max }) };
        if size == -1 && turn.arguments.text("page").is_none() {
            return Ok(Self { skip: 0, take: usize::MAX });
        }
        if size == -1 {
            return Err(Refusal::invalid("Can't specify page parameter when pagesize is -1 (Unlimited)"));
        }
        let Ok(size) = usize::try_from(size) else { return Err(Refusal::internal(format!("DB Exception on: LIMIT 0,{size}"))) };
        if size > size_max {
            return Err(Refusal::invalid(format!("Page size can't exceed max allowed page size value: {size_max}")));
        }
        let page = turn.arguments.number("page").and_then(|page| usize::try_from(page).ok()).unwrap_or(1).max(1);
        Ok(Self { skip: (page - 1).saturating_mul(size), take: size })
    }

    /// The page of something that is no row.
    pub(crate) fn part<T>(self, items: Vec<T>) -> Vec<T> {
        items.into_iter().skip(self.skip).take(self.take).collect()
    }

    /// How many rows come before the page, and how many are on it.
    pub(crate) fn bounds(self) -> (usize, usize) {
        (self.skip, self.take)
    }

    /// Cuts the page out.
    pub(crate) fn cut(self, rows: Vec<Handle>) -> Outcome {
        let count = rows.len();
        Outcome::List(rows.into_iter().skip(self.skip).take(self.take).collect(), count)
    }
}

/// Whether a filter argument names an object, by its id in plain text.
pub(crate) fn argument_is(turn: &Turn<'_>, parameter: &str, object: Option<Handle>) -> bool {
    let given = turn.arguments.object(parameter).or_else(|| turn.arguments.text(parameter).and_then(parse_id).and_then(|id| turn.world.by_id(id)));
    given.is_some() && given == object
}

/// Whether a text contains what an argument asks for, with SQL's wildcards, in any case.
pub(crate) fn argument_contains(turn: &Turn<'_>, parameter: &str, text: Option<&str>) -> bool {
    let wanted = turn.arguments.text(parameter).unwrap_or_default().to_lowercase();
    text.is_some_and(|text| like(&text.to_lowercase(), &format!("%{wanted}%")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_and_underscore_are_live_in_keywords() {
        assert!(like("web-1", "%b-%"));
        assert!(like("web-1", "%w_b%"));
        assert!(!like("web-1", "%db%"));
    }
}
