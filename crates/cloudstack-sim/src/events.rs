//! Events: what was done, by whom, to what, and how it ended, as real servers record it.
//!
//! Which events a command leaves is a row of a table, not code. What happens besides, such as a router that comes up with
//! the first machine of a network, is noted by the kinds as an [`Aside`] and written with the events of the call that
//! caused it. Texts are this project's own.

use crate::{
    nouns,
    refusal::{INNER_API, INNER_RUNTIME, Refusal},
    turn::{Outcome, Turn},
    world::{Content, Datum, Handle, World, parse_id},
};

/// The table: command, phases, types, whose the queued event is, resources, before, besides.
const TABLE: &str = include_str!("../data/events.tsv");
/// What stands for nothing in the table.
const NONE: &str = "-";
/// What marks rows that the older release lacks, whose work is done even where its result is bad, that leave nothing when they
/// are refused, and that strangers leave too.
const NEWEST_ONLY: char = '*';
const ALWAYS_DONE: char = '!';
const DONE_ONLY: char = '+';
const OF_STRANGERS: char = '^';
const LATE_ARGUMENTS: char = '~';
/// What marks rows that bad arguments never leave anything of, and whose work is not begun where nothing is to be started.
const EARLY_CHECKS: char = '_';
const STARTS: char = '=';
/// What marks the resource of a row that is about whatever object it is given.
const ANY_RESOURCE: char = '*';
/// Resources that events call by a wider name.
const ALIKE: [(&str, &str); 6] = [
    ("NicSecondaryIp", "IpAddress"),
    ("Iso", "Template"),
    ("SystemVm", "VirtualMachine"),
    ("SystemVm", "ConsoleProxy"),
    ("DomainRouter", "VirtualMachine"),
    ("DomainRouter", "ConsoleProxy"),
];
/// The machine whose events have a word of their own, the word of most, and that word.
const OTHER_MACHINE: (&str, &str, &str) = ("secondarystoragevm", "PROXY.", "SSVM.");
/// The user and the account of what the server does by itself.
const SYSTEM: &str = "system";
/// The account that the installation begins with.
const FIRST_ADMIN: &str = "admin";
/// The first words of commands that make an object without answering with it.
const UPLOADS: &str = "getUploadParams";
/// The resource of disks, and what those of the server's own machines are called: they have no row.
const DISK: &str = "Volume";
const DISK_NAME: &str = "ROOT";
/// Where an event keeps the id and the name of something that has no row.
pub(crate) const TOLD_ID: &str = "toldid";
pub(crate) const TOLD_NAME: &str = "toldname";
/// Where an event notes that the id of its object is not told any more.
pub(crate) const UNTOLD: &str = "untold";
/// Types of projects' own events, which are not the project's but its owner's.
const OF_OWNERS: [&str; 3] = ["PROJECT.CREATE", "PROJECT.UPDATE", "PROJECT.DELETE"];
/// What belongs to an object of another kind: a resource, its kind, and the field that leads back.
const BELONGING: &[(&str, &str, &str)] = &[("Volume", "volume", "vm")];

/// Where something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// What the job is to make was entered.
    Created,
    /// A job was queued.
    Scheduled,
    /// Its work began.
    Started,
    /// It is done.
    Completed,
}

/// A phase of an event in the table: which, and whether it names its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    phase: Phase,
    names: bool,
}

/// The events of a command.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// The phases that are written when the call is taken, and those of its work.
    phases: (&'static str, &'static str),
    /// What stands after the phases.
    marked: &'static str,
    /// Whether a job is queued.
    queues: bool,
    first: &'static str,
    /// The type of the work's events.
    work: &'static str,
    owner: &'static str,
    made: &'static str,
    queued: &'static str,
    worked: &'static str,
    begun: &'static str,
    before: &'static str,
    besides: &'static str,
}

/// What the events of a job are about.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    row: Row,
    object: Option<Handle>,
    /// The id of the event under which the others stand.
    parent: Option<String>,
}

/// Something that happened on the way.
#[derive(Clone, Debug)]
pub(crate) enum Aside {
    /// An event of its own, the caller's and under the call's first.
    Event {
        /// The type.
        kind: &'static str,
        /// The phases as the table spells them.
        phases: &'static str,
        /// The type of the object.
        resource: &'static str,
        /// The object, if it has a row.
        object: Option<Handle>,
    },
    /// An event that is done, about an object, that stands alone and is somebody else's.
    Owned(&'static str, Handle, Handle),
    /// An object was made anew under its id: events that were written before cannot tell the id any more.
    Renewed(Handle),
}

fn marks(phases: &'static str) -> impl Iterator<Item = Mark> {
    phases.chars().filter_map(|letter| {
        let phase = match letter.to_ascii_lowercase() {
            'm' => Phase::Created,
            'q' => Phase::Scheduled,
            'b' => Phase::Started,
            'd' => Phase::Completed,
            _ => return None,
        };
        Some(Mark { phase, names: letter.is_ascii_uppercase() })
    })
}

fn row(command: &str, is_old: bool) -> Option<Row> {
    let line = TABLE.lines().find_map(|line| line.strip_prefix(command)?.strip_prefix('\t'))?;
    let mut cells = line.split('\t');
    let (told, types, owner) = (cells.next()?, cells.next()?, cells.next()?);
    let (resources, before, besides) = (cells.next()?, cells.next()?, cells.next()?);
    let (phases, marked) = told.split_at(told.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(told.len()));
    if is_old && marked.contains(NEWEST_ONLY) {
        return None;
    }
    let (first, work) = types.split_once(' ').unwrap_or((types, types));
    let mut places = resources.split('/');
    let made = places.next()?;
    let queued = places.next().unwrap_or(made);
    let worked = places.next().unwrap_or(queued);
    let begun = places.next().unwrap_or(worked);
    let split = phases.find(['q', 'Q']).map(|place| phases.split_at(place + 1));
    Some(Row { phases: split.unwrap_or((phases, "")), marked, queues: split.is_some(), first, work, owner, made, queued, worked, begun, before, besides })
}

/// Writes the events of a call: those that it was refused, or answered at once.
pub(crate) fn record_call(turn: &mut Turn<'_>, outcome: Result<&Outcome, &Refusal>) {
    if turn.command.is_async && outcome.is_ok() {
        return;
    }
    let Some(row) = row(&turn.command.name, turn.world.is_old) else {
        turn.world.asides.clear();
        return;
    };
    match outcome {
        Ok(outcome) => {
            let object = match outcome {
                Outcome::Object(handle) => Some(*handle),
                Outcome::List(rows, _) => rows.first().copied(),
                Outcome::Rendered(..) => newest(turn.world, row.made),
                _ => named_first(turn).filter(|_| !turn.command.name.starts_with(UPLOADS)).or_else(|| newest(turn.world, row.made)),
            };
            let mut subject = Subject { row, object, parent: None };
            begin(turn, &mut subject);
            besides(turn, &mut subject, true);
        }
        Err(refusal) if is_unnoticed(refusal, row) => {}
        Err(refusal) => {
            if refusal.inner == Some(INNER_RUNTIME) {
                inside(turn, row);
            }
            refused(turn, row);
        }
    }
    turn.world.asides.clear();
}

/// Writes the events of a call that names objects of others, where a server looks at that late.
pub(crate) fn record_stranger(turn: &mut Turn<'_>) {
    if let Some(row) = row(&turn.command.name, turn.world.is_old).filter(|row| row.marked.contains(OF_STRANGERS)) {
        refused(turn, row);
    }
}

fn refused(turn: &mut Turn<'_>, row: Row) {
    let object = named_first(turn);
    if !row.marked.contains(DONE_ONLY) {
        fail(turn, &Subject { row, object, parent: None }, row.marked.contains(ALWAYS_DONE));
    }
}

/// The newest object with a type.
fn newest(world: &World, resource: &str) -> Option<Handle> {
    world.kind_of_resource(resource).and_then(|kind| world.rows(kind).next_back())
}

/// The object that the call names first.
fn named_first(turn: &Turn<'_>) -> Option<Handle> {
    let mut named = turn.command.parameters.iter().filter(|parameter| parameter.takes_ids());
    let known = turn.arguments.object("id").or_else(|| named.find_map(|parameter| turn.arguments.object(&parameter.name)));
    known.or_else(|| turn.arguments.text("id").and_then(parse_id).and_then(|id| turn.world.by_id_once(id)))
}

/// Whether a call is refused before anything of it is written down: its arguments are not what they should be, which most
/// commands find out before the work begins that leaves events.
fn is_unnoticed(refusal: &Refusal, row: Row) -> bool {
    const SAID: [&str; 3] = ["due to missing parameter", "due to invalid value", "Unable to find UUID"];
    let is_argument = refusal.code == 431 && refusal.inner == Some(INNER_API);
    let is_early = refusal.code == 431 && row.marked.contains(EARLY_CHECKS);
    is_early || is_argument && !row.marked.contains(LATE_ARGUMENTS) || SAID.iter().any(|said| refusal.text.contains(said))
}

/// Writes the events of a job that was queued.
pub(crate) fn record_job(turn: &mut Turn<'_>, object: Option<Handle>) -> Option<Subject> {
    let row = row(&turn.command.name, turn.world.is_old)?;
    let mut subject = Subject { row, object, parent: None };
    begin(turn, &mut subject);
    let is_begun = !row.marked.contains(STARTS) || turn.arguments.truth("startvm") != Some(false);
    for mark in marks(row.phases.1).filter(|mark| mark.phase == Phase::Started && is_begun) {
        write(turn, &subject, (Stage::Work, mark), true);
    }
    Some(subject)
}

/// Writes the events that stand at the end of a job.
pub(crate) fn record_end(turn: &mut Turn<'_>, subject: Option<Subject>, outcome: Result<&Outcome, &Refusal>) {
    if let Some(mut subject) = subject {
        let is_good = outcome.is_ok();
        if is_good {
            besides(turn, &mut subject, true);
        }
        for mark in marks(subject.row.phases.1).filter(|mark| mark.phase != Phase::Started) {
            write(turn, &subject, (Stage::Work, mark), is_good || subject.row.marked.contains(ALWAYS_DONE));
        }
        if !is_good {
            besides(turn, &mut subject, false);
        }
    }
    for aside in std::mem::take(&mut turn.world.asides) {
        if let Aside::Renewed(object) = aside {
            forget(turn.world, object);
        }
    }
}

/// Lets events forget the id of an object.
fn forget(world: &mut World, object: Handle) {
    let events: Vec<Handle> = world.referring("event", "resource", object).collect();
    events.into_iter().for_each(|event| world.set(event, UNTOLD, true));
}

/// What is written when a call is taken.
fn begin(turn: &mut Turn<'_>, subject: &mut Subject) {
    extras(turn, subject, (subject.row.before, true));
    for mark in marks(subject.row.phases.0) {
        let event = write(turn, subject, (Stage::Call, mark), true);
        // What was made or queued first is what the rest belongs to.
        if mark.phase == Phase::Created || mark.phase == Phase::Scheduled && subject.parent.is_none() {
            subject.parent = Some(event);
        }
    }
}

/// Writes the further events of a call that came to grief in the middle of them.
fn inside(turn: &mut Turn<'_>, row: Row) {
    for extra in Extra::of(row.before).filter(|extra| extra.needs("inside")) {
        let facts = Facts { kind: extra.kind, resource: extra.resource, object: None, account: turn.caller.account, parent: None, by_system: false };
        for mark in marks(extra.phases) {
            put(turn, &facts, Mark { names: false, ..mark }, false);
        }
    }
}

/// What is written of a call that is refused while it is taken.
fn fail(turn: &mut Turn<'_>, subject: &Subject, is_good: bool) {
    for mark in marks(subject.row.phases.0) {
        match mark.phase {
            Phase::Created | Phase::Completed if subject.row.queues || mark.phase == Phase::Created => {
                write(turn, &Subject { object: None, ..subject.clone() }, (Stage::Call, Mark { names: false, ..mark }), is_good);
            }
            Phase::Created | Phase::Completed => {
                write(turn, subject, (Stage::Call, mark), is_good);
            }
            Phase::Started => {
                write(turn, subject, (Stage::Call, mark), true);
            }
            Phase::Scheduled => {}
        }
    }
    for extra in Extra::of(subject.row.besides).filter(|extra| extra.needs("also")) {
        let facts = Facts { kind: extra.kind, resource: extra.resource, object: None, account: turn.caller.account, parent: None, by_system: false };
        marks(extra.phases).for_each(|mark| {
            put(turn, &facts, mark, is_good);
        });
    }
}

/// Writes what happened on the way.
fn besides(turn: &mut Turn<'_>, subject: &mut Subject, is_good: bool) {
    let (renewed, asides): (Vec<Aside>, Vec<Aside>) = std::mem::take(&mut turn.world.asides).into_iter().partition(|aside| matches!(aside, Aside::Renewed(_)));
    turn.world.asides = renewed;
    for aside in asides {
        let (facts, phases) = match aside {
            Aside::Event { kind, phases, resource, object } => {
                let parent = subject.parent.clone();
                (Facts { kind, resource, object, account: turn.caller.account, parent, by_system: false }, phases)
            }
            Aside::Owned(kind, object, account) => (Facts { kind, resource: "*", object: Some(object), account, parent: None, by_system: false }, "D"),
            Aside::Renewed(_) => continue,
        };
        for mark in marks(phases) {
            put(turn, &facts, mark, true);
        }
    }
    extras(turn, subject, (subject.row.besides, is_good));
}

/// A further event that a row lists.
#[derive(Clone, Copy, Debug)]
struct Extra {
    kind: &'static str,
    phases: &'static str,
    resource: &'static str,
    depends: &'static str,
}

impl Extra {
    fn of(list: &'static str) -> impl Iterator<Item = Self> {
        list.split(' ').filter_map(|extra| {
            let mut parts = extra.split(':');
            let (kind, phases, resource) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Self { kind, phases, resource, depends: parts.next().unwrap_or_default() })
        })
    }

    fn needs(self, word: &str) -> bool {
        self.depends.split(',').any(|need| need == word)
    }

    /// Whether it is written for a call.
    fn holds(self, turn: &Turn<'_>, subject: &Subject) -> bool {
        self.depends.split(',').all(|need| match need {
            "" | "alone" | "also" | "failed" | "inside" | SYSTEM => true,
            "opens" => opens_firewall(turn, subject),
            "tags" => turn.arguments.records("tags").next().is_some(),
            need => turn.arguments.flag(need),
        })
    }
}

/// Writes the further events that a row lists.
fn extras(turn: &mut Turn<'_>, subject: &mut Subject, (list, is_good): (&'static str, bool)) {
    for extra in Extra::of(list).filter(|extra| extra.needs("failed") != is_good) {
        if !extra.holds(turn, subject) {
            continue;
        }
        let parent = subject.parent.clone().filter(|_| !extra.needs("alone"));
        let object = about(turn, subject.object, extra.resource);
        let account = turn.caller.account;
        let facts = Facts { kind: extra.kind, resource: extra.resource, object, account, parent, by_system: extra.needs(SYSTEM) };
        for mark in marks(extra.phases) {
            let event = put(turn, &facts, mark, true);
            if mark.phase == Phase::Created && !extra.needs("alone") {
                subject.parent = Some(event);
            }
        }
    }
}

/// Whether a rule opens the firewall with it: unless it is told not to, and outside of VPCs.
fn opens_firewall(turn: &Turn<'_>, subject: &Subject) -> bool {
    let address = turn.arguments.object("ipaddressid").or_else(|| turn.arguments.object("publicipid")).or(subject.object);
    let in_vpc = address.is_some_and(|address| turn.world.link(address, "vpc").is_some());
    !in_vpc && turn.arguments.text("openfirewall").is_none_or(|told| told.eq_ignore_ascii_case("true"))
}

/// The object that an event is about, by the type that it is to have: what the call made or named, or what belongs to that.
fn about(turn: &Turn<'_>, object: Option<Handle>, resource: &str) -> Option<Handle> {
    let world = &*turn.world;
    let word = |handle: Handle| world.description(handle.kind).map(|kind| kind.resource.to_string()).unwrap_or_default();
    let is = |handle: &Handle| {
        let word = word(*handle);
        word == resource || ALIKE.contains(&(word.as_str(), resource))
    };
    let given = || turn.command.parameters.iter().filter(|parameter| parameter.takes_ids()).filter_map(|parameter| turn.arguments.object(&parameter.name));
    if resource.starts_with(ANY_RESOURCE) {
        let told = turn.arguments.text("entityid").and_then(parse_id).and_then(|id| world.by_id_once(id));
        let commented = || object.and_then(|object| world.link(object, "entity"));
        return told.or_else(commented).or_else(|| given().next()).or(object);
    }
    let linked = |from: Handle| {
        world.contents(from).find_map(|(_, content)| match content {
            Content::Link(target) if is(&target) => Some(target),
            _ => None,
        })
    };
    let belonging = |to: Handle| {
        let kin = BELONGING.iter().filter(|(known, ..)| *known == resource).find_map(|(_, kind, field)| world.referred_once(kind, field, to));
        kin.or_else(|| (resource == "User").then(|| world.owned(world.kind("user"), to).next()).flatten())
    };
    let named = || turn.arguments.text("account").zip(turn.arguments.object("domainid")).and_then(|(name, domain)| nouns::account_named(world, domain, name));
    let known = object.filter(is).or_else(|| given().find(is)).or_else(|| object.into_iter().chain(given()).find_map(linked));
    let known = known.or_else(|| object.and_then(belonging)).or_else(|| (resource == "Account").then(named).flatten());
    known.or_else(|| object.filter(|_| world.kind_of_resource(resource).is_none()))
}

/// When an event is written: while a call is taken, or by the work of its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Call,
    Work,
}

/// Writes an event of the command's own and answers with its id.
fn write(turn: &mut Turn<'_>, subject: &Subject, (stage, mark): (Stage, Mark), is_good: bool) -> String {
    let row = subject.row;
    let (kind, resource) = match (stage, mark.phase) {
        (_, Phase::Scheduled) => (row.first, row.queued),
        (Stage::Call, _) if !row.queues && !is_good => (row.first, row.queued),
        (Stage::Call, _) => (row.first, row.made),
        (Stage::Work, Phase::Started) => (row.work, row.begun),
        (Stage::Work, _) => (row.work, row.worked),
    };
    let account = account(turn, subject, mark.phase, kind);
    let object = about(turn, subject.object, resource);
    put(turn, &Facts { kind, resource, object, account, parent: subject.parent.clone(), by_system: false }, mark, is_good)
}

/// Whose event it is.
fn account(turn: &Turn<'_>, subject: &Subject, phase: Phase, kind: &str) -> Handle {
    let caller = turn.caller.account;
    let world = &*turn.world;
    let project = turn.arguments.object("projectid").filter(|_| phase != Phase::Created && !OF_OWNERS.contains(&kind));
    if let Some(account) = project.and_then(|project| world.link(project, "projectaccount")) {
        return account;
    }
    let named = |name: &str| world.find("account", "name", name).unwrap_or(caller);
    let owner = |object: Handle| match world.description(object.kind).map(|kind| kind.word.to_string()).as_deref() {
        Some("account") => Some(object),
        Some("project") => world.link(object, "projectaccount"),
        _ => world.owner(object),
    };
    match (phase, subject.row.owner) {
        (Phase::Scheduled | Phase::Completed, "project") => subject.object.and_then(owner).unwrap_or(caller),
        (Phase::Scheduled, "system") => named(SYSTEM),
        (Phase::Scheduled, "admin") => named(FIRST_ADMIN),
        (Phase::Scheduled, "new") => turn.new_owner().unwrap_or(caller),
        (Phase::Scheduled, "own") => subject.object.or_else(|| named_first(turn)).filter(|_| !OF_OWNERS.contains(&kind)).and_then(owner).unwrap_or(caller),
        _ => caller,
    }
}

/// What an event is to say.
struct Facts {
    kind: &'static str,
    resource: &'static str,
    object: Option<Handle>,
    account: Handle,
    parent: Option<String>,
    by_system: bool,
}

/// Writes an event and answers with its id.
fn put(turn: &mut Turn<'_>, facts: &Facts, mark: Mark, is_good: bool) -> String {
    let words = cloudstack_api::catalog::spaced_name(&turn.command.name).to_lowercase();
    let sentence = match facts.object.filter(|_| mark.names) {
        Some(object) => format!("{words}. Id: {}", turn.world.id(object)),
        None => words,
    };
    let (state, description) = match (mark.phase, is_good) {
        (Phase::Created, true) => ("Created", format!("Successfully created entity for {sentence}")),
        (Phase::Created, false) => ("Created", format!("Error while creating entity for {sentence}")),
        (Phase::Scheduled, _) => ("Scheduled", sentence),
        (Phase::Started, _) => ("Started", sentence),
        (Phase::Completed, true) => ("Completed", format!("Successfully completed {sentence}")),
        (Phase::Completed, false) => ("Completed", format!("Error while {sentence}")),
    };
    let username = if facts.by_system { SYSTEM.to_owned() } else { turn.world.string(turn.caller.user, "username") };
    let level = if is_good { "INFO" } else { "ERROR" };
    let (machine, most, other) = OTHER_MACHINE;
    let is_other = facts.object.is_some_and(|object| turn.world.text(object, "systemvmtype") == Some(machine));
    let kind = facts.kind.strip_prefix(most).filter(|_| is_other).map_or_else(|| facts.kind.to_owned(), |rest| format!("{other}{rest}"));
    let mut fields: Vec<(&str, Datum)> =
        vec![("username", username.into()), ("type", kind.into()), ("level", level.into()), ("description", description.into()), ("state", state.into())];
    let resource = match facts.object {
        Some(object) if facts.resource.starts_with(ANY_RESOURCE) => turn.world.description(object.kind).map(|kind| kind.resource.to_string()),
        _ => Some(facts.resource.trim_start_matches(ANY_RESOURCE).to_owned()).filter(|resource| resource != NONE),
    };
    if let Some(resource) = resource {
        fields.push(("resourcetype", resource.into()));
    }
    match facts.object {
        Some(object) if mark.names => fields.push(("resource", object.into())),
        None if mark.names && facts.resource == DISK => {
            let id = crate::world::id_text(turn.world.fresh_id());
            fields.push((TOLD_ID, id.into()));
            fields.push((TOLD_NAME, DISK_NAME.into()));
        }
        _ => {}
    }
    // What is made begins something of its own.
    if let Some(parent) = facts.parent.as_ref().filter(|_| mark.phase != Phase::Created) {
        fields.push(("parentid", parent.as_str().into()));
    }
    let event = turn.world.insert(turn.world.kind("event"), Some(facts.account), &fields);
    nouns::deliver(turn.world, event);
    turn.world.id(event)
}

/// Writes an event of something that no command stands for, or that nobody's call caused: its level, state and text.
pub(crate) fn happened(world: &mut World, object: Handle, kind: &str, (level, state, text): (&str, &str, &str)) {
    let owner = world.owner(object);
    note(world, object, owner, (SYSTEM, kind, level), (state, text));
}

/// Writes an event of a user that no command stands for.
pub(crate) fn of_user(world: &mut World, user: Handle, kind: &str, text: &str) {
    let (name, owner) = (world.string(user, "username"), world.owner(user));
    note(world, user, owner, (&name, kind, "INFO"), ("Completed", text));
}

fn note(world: &mut World, object: Handle, owner: Option<Handle>, (username, kind, level): (&str, &str, &str), (state, text): (&str, &str)) {
    let resource = world.description(object.kind).map(|kind| kind.resource.to_string()).unwrap_or_default();
    let fields: [(&str, Datum); 7] = [
        ("username", username.into()),
        ("type", kind.into()),
        ("level", level.into()),
        ("description", text.into()),
        ("state", state.into()),
        ("resource", object.into()),
        ("resourcetype", resource.into()),
    ];
    let event = world.insert(world.kind("event"), owner, &fields);
    nouns::deliver(world, event);
}

#[cfg(test)]
mod tests {
    use cloudstack_api::catalog::{Catalog, Release};

    use super::*;

    #[test]
    fn every_row_of_the_table_is_a_command_and_can_be_read() {
        let catalogs = [Catalog::embedded(Release::NEWEST), Catalog::embedded(Release::OLDEST)];
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split('\t').next().unwrap();
            assert!(catalogs.iter().any(|catalog| catalog.command(name).is_some()), "`{name}` is no command");
            let row = row(name, false).unwrap_or_else(|| panic!("the row of `{name}` cannot be read"));
            let letters = line.split('\t').nth(1).unwrap().chars().filter(char::is_ascii_alphabetic).count();
            assert_eq!(marks(row.phases.0).count() + marks(row.phases.1).count(), letters, "{line}");
            for list in [row.before, row.besides].into_iter().filter(|list| *list != NONE) {
                assert_eq!(Extra::of(list).count(), list.split(' ').count(), "{line}");
            }
        }
    }

    #[test]
    fn jobs_queue_an_event_and_calls_that_end_at_once_do_not() {
        let catalog = Catalog::embedded(Release::NEWEST);
        for command in catalog.commands() {
            if let Some(row) = row(&command.name, false) {
                assert_eq!(row.queues, command.is_async, "{}", command.name);
            }
        }
    }
}
