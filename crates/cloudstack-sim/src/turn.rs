//! One call being answered: who calls, with what, and the world it works on.
//!
//! The handlers under `nouns/` get a [`Turn`] and return an [`Outcome`] or a refusal. How outcomes become HTTP is not
//! their business.

use std::{sync::Arc, time::Duration};

use cloudstack_api::catalog::{Catalog, Command, RoleType};

use crate::{
    arguments::Arguments,
    json::Json,
    kind::Viewer,
    options::WorldOptions,
    refusal::Refusal,
    world::{Handle, World},
};

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The user.
    pub(crate) user: Handle,
    /// The user's account.
    pub(crate) account: Handle,
    /// The account's domain.
    pub(crate) domain: Handle,
    /// The account's role.
    pub(crate) role: Handle,
    /// The type of that role.
    pub(crate) kind: RoleType,
}

impl Caller {
    /// The caller behind a user.
    pub(crate) fn of_user(world: &World, user: Handle) -> Option<Self> {
        let account = world.owner(user)?;
        let role = world.link(account, "role")?;
        let kind = role_type(world.text(role, "type").unwrap_or_default());
        Some(Self { user, account, domain: world.link(account, "domain")?, role, kind })
    }

    /// Whether it is a root admin.
    pub(crate) fn is_root(&self) -> bool {
        self.kind == RoleType::Admin
    }
}

/// The type behind CloudStack's word for it.
pub(crate) fn role_type(word: &str) -> RoleType {
    match word {
        "Admin" => RoleType::Admin,
        "ResourceAdmin" => RoleType::ResourceAdmin,
        "DomainAdmin" => RoleType::DomainAdmin,
        _ => RoleType::User,
    }
}

/// What never changes while a cloud runs.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// The commands.
    pub(crate) catalog: Arc<Catalog>,
    /// How the world was asked for.
    pub(crate) options: Arc<WorldOptions>,
}

/// One call being answered.
pub(crate) struct Turn<'a> {
    /// The world.
    pub(crate) world: &'a mut World,
    /// Who calls.
    pub(crate) caller: Caller,
    /// What is called.
    pub(crate) command: Arc<Command>,
    /// With what.
    pub(crate) arguments: Arguments,
    /// What never changes.
    pub(crate) server: &'a Server,
    /// Whether it came by GET.
    pub(crate) by_get: bool,
}

/// The work of a job, done when its time has come.
pub(crate) type Finish = Box<dyn FnOnce(&mut Turn<'_>) -> Result<Outcome, Refusal> + Send>;

/// A job that a command starts.
pub(crate) struct Work {
    /// The id of the object in the making, for commands that create one.
    pub(crate) id: Option<String>,
    /// What the job says it works on: a type, and an object where jobs of the command name one.
    pub(crate) instance: Option<(String, Option<String>)>,
    /// The object that it works on.
    pub(crate) subject: Option<Handle>,
    /// The object on which jobs queue up: those that began before are waited for.
    pub(crate) queue: Option<Handle>,
    /// How long it takes at normal speed.
    pub(crate) takes: Duration,
    /// What happens at its end.
    pub(crate) finish: Finish,
}

/// What a command answers.
pub(crate) enum Outcome {
    /// An object under the command's object key.
    Object(Handle),
    /// JSON under a key.
    Shown(String, String),
    /// A list of rows and how many there are in all.
    List(Vec<Handle>, usize),
    /// A list that is rendered already, without its brackets, and how many rows there are in all.
    Rendered(String, usize),
    /// `{"success":true}`.
    Success,
    /// Members that stand directly in the envelope: a JSON object.
    Flat(String),
    /// A job.
    Job(Box<Work>),
    /// HTTP 200 without a body.
    Nothing,
}

/// What a row of a list takes in an answer, generously: a machine with its NIC.
const ROW_BYTES: usize = 4_096;
/// What single users and accounts do not show, but lists do.
const LISTED_ONLY: &str = "apikeyaccess";
/// What single objects of any kind do not show, but lists do.
const LISTED_ALWAYS: &str = "storagecapabilities";

/// First words of commands that take images which others share.
const USES: [&str; 4] = ["deploy", "restore", "attach", "create"];

/// A function that answers a command.
pub(crate) type Handler = fn(&mut Turn<'_>) -> Result<Outcome, Refusal>;

/// How long most jobs take at normal speed.
pub(crate) const WORK_SHORT: Duration = Duration::from_millis(400);
/// How long starting and stopping takes at normal speed.
pub(crate) const WORK_MEDIUM: Duration = Duration::from_millis(1000);
/// How long deploying takes at normal speed.
pub(crate) const WORK_LONG: Duration = Duration::from_millis(2000);

impl Turn<'_> {
    /// Who looks at what is rendered.
    pub(crate) fn viewer(&self) -> Viewer {
        // Only lists of users say which of them are of other domains than the caller's.
        let domain = (self.command.name == "listUsers").then_some(self.caller.domain);
        Viewer { root: self.caller.is_root(), account: Some(self.caller.account), domain }
    }

    /// The object whose id is a required argument.
    pub(crate) fn target(&self, parameter: &str) -> Result<Handle, Refusal> {
        self.arguments.object(parameter).ok_or_else(|| crate::arguments::missing(&crate::arguments::said_name(&self.command), parameter))
    }

    /// A required text.
    pub(crate) fn needed(&self, parameter: &str) -> Result<String, Refusal> {
        self.arguments.text(parameter).map(str::to_owned).ok_or_else(|| crate::arguments::missing(&crate::arguments::said_name(&self.command), parameter))
    }

    /// Whether the caller may use an object.
    pub(crate) fn may_use(&self, handle: Handle) -> bool {
        if self.caller.is_root() {
            return true;
        }
        let Some(kind) = self.world.description(handle.kind).filter(|kind| kind.owned) else { return true };
        let Some(owner) = self.world.owner(handle) else { return true };
        if owner == self.caller.account || self.is_member_of(owner) {
            return true;
        }
        let within = matches!(self.caller.kind, RoleType::DomainAdmin | RoleType::ResourceAdmin)
            && self.world.domain_of(handle).is_some_and(|domain| self.world.is_within(domain, self.caller.domain));
        let shared = matches!(kind.word.as_ref(), "template" | "iso")
            && (self.world.flag(handle, "ispublic")
                || self.world.text(owner, "name") == Some("system")
                || crate::nouns::is_shared_with(self.world, handle, self.caller.account));
        let let_in = kind.word.as_ref() == "network" && crate::nouns::is_open_to(self.world, handle, self.caller.account) && !self.owns_only();
        within
            || let_in
            || (shared && !self.command.is_async && !self.command.name.starts_with("delete") && !self.command.name.starts_with("update"))
            || (shared && USES.iter().any(|verb| self.command.name.starts_with(verb)))
    }

    /// Whether the command changes or removes what it names, which only owners may.
    fn owns_only(&self) -> bool {
        ["update", "delete", "restart", "reset"].iter().any(|verb| self.command.name.starts_with(verb)) || self.command.name.contains("NetworkPermissions")
    }

    /// Whether the caller's account is a member of the project behind a project account.
    pub(crate) fn is_member_of(&self, account: Handle) -> bool {
        let Some(project) = self.world.link(account, "project") else { return false };
        self.world.referring("projectaccount", "project", project).any(|member| self.world.link(member, "member") == Some(self.caller.account))
    }

    /// The account that a new object goes to: `projectid`, or `account` with `domainid`, or the caller's own. The account
    /// is looked for before anybody asks whose it is.
    pub(crate) fn new_owner(&self) -> Result<Handle, Refusal> {
        let (name, domain, project) = (self.arguments.text("account"), self.arguments.object("domainid"), self.arguments.object("projectid"));
        let account = match (name, domain, project) {
            (Some(_), None, _) => return Err(Refusal::invalid("Account must be specified with domainId parameter").at_once()),
            (Some(name), Some(domain), _) => crate::nouns::account_named(self.world, domain, name)
                .ok_or_else(|| Refusal::invalid(format!("Unable to find account by name {name} in domain with specified id")).at_once())?,
            (None, _, Some(project)) => self.world.link(project, "projectaccount").ok_or_else(Refusal::permission)?,
            (None, _, None) => return Ok(self.caller.account),
        };
        if !self.is_active(account) || !self.may_use(account) && !self.is_member_of(account) {
            return Err(Refusal::permission());
        }
        if name.is_some() && project.is_some() {
            return Err(Refusal::invalid("ProjectId and account/domainId can't be specified together"));
        }
        Ok(account)
    }

    /// Whether an account takes new objects.
    fn is_active(&self, account: Handle) -> bool {
        self.world.text(account, "state").is_none_or(|state| state == "enabled")
    }

    /// The account with this name in this domain, if the caller may use it.
    pub(crate) fn named_account(&self, name: &str, domain: Handle) -> Result<Handle, Refusal> {
        match crate::nouns::account_named(self.world, domain, name) {
            Some(account) if self.may_use(account) => Ok(account),
            Some(_) => Err(Refusal::permission()),
            None if self.caller.kind != RoleType::User => Err(Refusal::invalid(format!("Unable to find account {name} in domain {}", self.world.id(domain)))),
            None => Err(Refusal::permission()),
        }
    }

    /// A job that does its work at its end.
    pub(crate) fn job(&self, subject: Handle, takes: Duration, finish: impl FnOnce(&mut Turn<'_>) -> Result<Outcome, Refusal> + Send + 'static) -> Outcome {
        let resource = self.world.description(subject.kind).map(|kind| kind.resource.to_string()).unwrap_or_default();
        let instance = Some((resource, Some(self.world.id(subject))));
        Outcome::Job(Box::new(Work { id: None, instance, subject: Some(subject), queue: Some(subject), takes, finish: Box::new(finish) }))
    }

    /// A job that looks at its object when it begins, which is at once, and does its work when those before it are done.
    pub(crate) fn checked_job(
        &self,
        subject: Handle,
        takes: Duration,
        check: Result<(), Refusal>,
        finish: impl FnOnce(&mut Turn<'_>) -> Result<Outcome, Refusal> + Send + 'static,
    ) -> Outcome {
        match check {
            Ok(()) => self.job(subject, takes, finish),
            Err(refusal) => self.failing(subject, refusal),
        }
    }

    /// A job that fails as soon as it begins, whatever else is at work on its object.
    pub(crate) fn failing(&self, subject: Handle, refusal: Refusal) -> Outcome {
        let Outcome::Job(mut work) = self.job(subject, WORK_SHORT, move |_| Err(refusal)) else { return Outcome::Success };
        work.queue = None;
        Outcome::Job(work)
    }

    /// A job that fails as soon as it begins, on the object that the call names first.
    pub(crate) fn failed_job(&self, refusal: Refusal) -> Outcome {
        let mut named = self.command.parameters.iter().filter(|parameter| parameter.takes_ids());
        let subject = self.arguments.object("id").or_else(|| named.find_map(|parameter| self.arguments.object(&parameter.name)));
        match subject {
            Some(subject) => self.failing(subject, refusal),
            None => Outcome::Job(Box::new(Work {
                id: None,
                instance: None,
                subject: None,
                queue: None,
                takes: WORK_SHORT,
                finish: Box::new(move |_| Err(refusal)),
            })),
        }
    }

    /// Lets a job wait for those of another object than its own, as work on disks waits for the machine.
    pub(crate) fn queued(outcome: Outcome, queue: Option<Handle>) -> Outcome {
        match outcome {
            Outcome::Job(mut work) if queue.is_some() && work.queue.is_some() => {
                work.queue = queue;
                Outcome::Job(work)
            }
            other => other,
        }
    }

    /// A job that makes an object, whose id is told at once.
    pub(crate) fn making(&self, subject: Handle, takes: Duration, finish: impl FnOnce(&mut Turn<'_>) -> Result<Outcome, Refusal> + Send + 'static) -> Outcome {
        let Outcome::Job(mut work) = self.job(subject, takes, finish) else { return Outcome::Success };
        work.id = Some(self.world.id(subject));
        Outcome::Job(work)
    }

    /// The body of an answer: what stands in the envelope, or in a job's result.
    pub(crate) fn body(&self, outcome: &Outcome) -> String {
        let object = self.command.reply.object.as_deref().unwrap_or("null");
        let mut json = Json::with_capacity(256);
        match outcome {
            Outcome::Object(handle) => {
                json.open();
                json.key(object);
                let mut unlisted = self.without();
                unlisted.extend(self.world.known_key(LISTED_ALWAYS));
                if object != "account" || self.command.name.starts_with("update") {
                    unlisted.extend(self.world.known_key(LISTED_ONLY));
                }
                self.world.render_without(*handle, self.viewer(), &unlisted, &mut json);
                json.close();
            }
            Outcome::Shown(key, value) => {
                json.open();
                json.key(key);
                json.raw(value);
                json.close();
            }
            Outcome::List(rows, count) => return self.list_body(rows, *count),
            Outcome::Rendered(items, count) => {
                json.open();
                if *count > 0 {
                    json.key("count");
                    json.number(i64::try_from(*count).unwrap_or(i64::MAX));
                }
                if !items.is_empty() {
                    json.key(object);
                    json.raw(&format!("[{items}]"));
                }
                json.close();
            }
            Outcome::Success => json.raw("{\"success\":true}"),
            Outcome::Flat(members) => json.raw(members),
            Outcome::Job(_) | Outcome::Nothing => {}
        }
        json.into_text()
    }

    fn list_body(&self, rows: &[Handle], count: usize) -> String {
        let without = self.without();
        let mut json = Json::with_capacity(128 + rows.len() * ROW_BYTES);
        json.open();
        if count > 0 {
            json.key("count");
            json.number(i64::try_from(count).unwrap_or(i64::MAX));
        }
        if !rows.is_empty() {
            json.key(self.command.reply.object.as_deref().unwrap_or("null"));
            json.open_array();
            let is_measured = self.command.name.ends_with("Metrics");
            for row in rows {
                json.open();
                if is_measured {
                    for (name, value) in crate::nouns::metrics::of_row(self.world, *row, self.viewer()) {
                        json.key(&name);
                        json.value(&value);
                    }
                }
                self.world.render_members(*row, self.viewer(), &without, &mut json);
                json.close();
            }
            json.close_array();
        }
        json.close();
        json.into_text()
    }

    /// The members that the argument `details` leaves out, or the command itself, and those that are shown only where somebody asks for
    /// them.
    fn without(&self) -> Vec<crate::world::Key> {
        use crate::nouns::{DETAIL_MEMBERS, FIXED_DETAILS, HOST_MEMBERS, LEFT_OUT, SHORT_FORMS};
        let command = self.command.name.as_str();
        let fixed = FIXED_DETAILS.iter().find(|(name, _)| *name == command).map(|(_, detail)| vec![*detail]);
        let wanted = fixed.unwrap_or_else(|| self.arguments.list("details"));
        let mut dropped: Vec<&str> = LEFT_OUT.iter().filter(|(name, _)| *name == command).map(|(_, member)| *member).collect();
        dropped.extend(SHORT_FORMS.iter().filter(|(name, _)| *name == command).flat_map(|(_, members)| members.iter().copied()));
        dropped.extend((!self.arguments.flag("showicon")).then_some("icon"));
        if !self.arguments.flag("showcapacities") {
            dropped.push("capacity");
        }
        if !wanted.is_empty() && !wanted.contains(&"all") {
            let details = if command.starts_with("listHosts") { HOST_MEMBERS } else { DETAIL_MEMBERS };
            let is_wanted = |needed: &str| needed.split(' ').any(|detail| wanted.contains(&detail));
            let kept: Vec<&str> = details.iter().filter(|(needed, _)| is_wanted(needed)).flat_map(|(_, members)| members.iter().copied()).collect();
            dropped.extend(details.iter().flat_map(|(_, members)| members.iter().copied()).filter(|member| !kept.contains(member)));
        }
        dropped.into_iter().filter_map(|member| self.world.known_key(member)).collect()
    }
}
