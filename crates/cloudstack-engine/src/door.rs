//! The door: every call of every surface passes here, in the same order, and nothing leaves beside it.

use std::{sync::Arc, time::Duration};

use cloudstack_api::{
    call::{ArgumentFaults, Call, Draft, check, closest, parameter_name},
    catalog::{Catalog, Command, Release, Risk, RoleType},
    reply::Body,
    roles::default_roles,
    search::Filter,
};
use cloudstack_client::{Client, Error, ListLimits};
use futures_util::future::{Either, select};
use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, Outcome},
    config::ApprovalMode,
    connection::made_call,
    core::Core,
    explain,
    identity::Identity,
    plan::Plan,
    policy::{Action, Asked, Decision},
    report::{Report, ReportKind},
    request::RunRequest,
    resolve::{ALL_IMAGES, Finder, image_filter},
    results::{Content, Parts},
    seal::SealFault,
    survey::Survey,
    views::View,
    visit::{Record, Visit, denied},
    watch::Watch,
};

/// What was recorded as having gone wrong.
const EVENTS: &str = "listEvents";
/// How many events are shown beside a fault, and how long they may take.
const EVENTS_MAX: &str = "3";
const EVENTS_WAIT: Duration = Duration::from_secs(5);
/// How many commands are offered for one that does not exist.
const OFFERED_MAX: usize = 3;
/// Arguments by which a caller says whose objects are wanted.
const WHOSE: &[&str] = &["account", "domainid", "projectid", "listall", "id", "ids"];

/// A call that is ready but for the operator's and a person's consent.
struct Ready {
    view: Arc<View>,
    call: Call,
    /// The names that stood for ids.
    names: Vec<(String, String)>,
    identity: Arc<Identity>,
    notes: Vec<String>,
}

/// What stands between a call and the cloud.
struct Verdict {
    decision: Decision,
    survey: Option<Survey>,
}

/// Runs a command.
pub(crate) async fn run(core: &Core, request: RunRequest, watch: &dyn Watch) -> Result<Outcome, Report> {
    let line = core.connection(request.profile.as_deref())?;
    let visit = Visit::new(core, line, &request.caller);
    let mut record = Record { verb: "run", command: request.command.clone(), ..Record::default() };
    match visit.pass(&request, watch, &mut record).await {
        Ok(Outcome::Done(answer)) => {
            let outcome = if answer.value.get("next").is_some() && answer.value.get("job").is_some() { "pending" } else { "done" };
            let value = visit.succeed(answer.value, &record, outcome).map_err(|report| visit.fail(report, &record))?;
            Ok(Outcome::Done(Answer { value, is_error: answer.is_error }))
        }
        Ok(Outcome::NeedsApproval(plan)) => match visit.record(&record, "preview", None) {
            Ok(()) => Ok(Outcome::NeedsApproval(plan)),
            Err(report) => Err(report.with_receipt(visit.receipt(None))),
        },
        Err(report) => Err(visit.fail(report, &record)),
    }
}

/// Previews a command.
pub(crate) async fn plan(core: &Core, request: RunRequest) -> Result<Plan, Report> {
    let line = core.connection(request.profile.as_deref())?;
    let visit = Visit::new(core, line, &request.caller);
    let mut record = Record { verb: "plan", command: request.command.clone(), ..Record::default() };
    match visit.preview(&request, &mut record).await {
        Ok(plan) => visit.record(&record, "preview", None).map(|()| plan),
        Err(report) => Err(visit.fail(report, &record)),
    }
}

impl Visit<'_> {
    async fn pass(&self, request: &RunRequest, watch: &dyn Watch, record: &mut Record) -> Result<Outcome, Report> {
        let ready = self.ready(request, record).await?;
        let verdict = self.judge(&ready, record).await?;
        if verdict.decision.action == Action::Ask {
            let survey = verdict.survey.unwrap_or_default();
            let plan = self.sealed_plan(&ready, &verdict.decision, &survey);
            let Some(approval) = &request.approval else { return Ok(Outcome::NeedsApproval(Box::new(plan))) };
            record.approval = Some(approval.method.word());
            let bond = self.bond(&ready.call, &survey, plan.typed_name.clone());
            let taken = self.core.sealer.consume(&approval.seal, &bond, approval.typed.as_deref(), self.core.clock.now());
            taken.map_err(|fault| self.approval_report(fault, &plan))?;
        }
        if ready.call.risk() > Risk::Read {
            // A row before the deed: whatever happens next, the audit shows that it was tried.
            self.record(record, "sending", None)?;
        }
        let content = self.send(&ready, request, watch, record).await?;
        let parts = Parts { catalog: &ready.view.catalog, command: ready.call.command(), content, shape: &request.shape, notes: ready.notes };
        Ok(Outcome::Done(Answer { value: self.answer(parts, record), is_error: false }))
    }

    async fn preview(&self, request: &RunRequest, record: &mut Record) -> Result<Plan, Report> {
        let ready = self.ready(request, record).await?;
        let Verdict { decision, survey } = self.judge(&ready, record).await?;
        let survey = match survey {
            Some(survey) => survey,
            None if ready.call.risk() > Risk::Read => self.finder(&ready)?.survey(&ready.call).await,
            None => Survey::default(),
        };
        Ok(if decision.action == Action::Ask { self.sealed_plan(&ready, &decision, &survey) } else { self.open_plan(&ready, &decision, &survey) })
    }

    /// From a request to a call with ids, as the catalog of this server's release has it.
    async fn ready(&self, request: &RunRequest, record: &mut Record) -> Result<Ready, Report> {
        let mut notes = Vec::new();
        let mut view = self.core.view(self.line);
        let mut draft = self.draft(&view, request, record, &mut notes);
        if let Err(report) = &draft
            && report.kind == ReportKind::Denied
        {
            return Err(report.clone());
        }
        let identity = match (self.line.identity().await, &draft) {
            (Ok(identity), _) => identity,
            (Err(_), Err(report)) => return Err(report.clone()),
            (Err(report), Ok(_)) => return Err(report),
        };
        let newer = self.core.view(self.line);
        if newer.catalog.release() != view.catalog.release() {
            notes.clear();
            view = newer;
            draft = self.draft(&view, request, record, &mut notes);
        }
        let draft = draft?;
        let kind = identity.kind();
        self.check_role(draft.command(), &request.arguments, kind)?;
        let names = draft.unresolved().iter().map(|name| (name.parameter.clone(), name.name.clone())).collect();
        let finder = Finder { client: self.line.client()?, catalog: &view.catalog, identity: &identity };
        let call = visible(finder.resolve(draft).await?, &identity, &mut notes);
        record.arguments = self.core.secrets.shown_pairs(&call.command().name, call.pairs());
        record.risk = Some(call.risk());
        self.check_surface(call.command(), call.risk())?;
        Ok(Ready { view, call, names, identity, notes })
    }

    /// From a request to checked arguments; names may still stand for ids. Asks nobody.
    fn draft(&self, view: &View, request: &RunRequest, record: &mut Record, notes: &mut Vec<String>) -> Result<Draft, Report> {
        record.arguments = self.core.secrets.shown_arguments(&request.command, &request.arguments);
        let command = self.command(view, &request.command)?;
        record.command.clone_from(&command.name);
        record.arguments = self.core.secrets.shown_arguments(&command.name, &request.arguments);
        record.risk = Some(command.risk);
        self.check_surface(&command, command.risk)?;
        let mut arguments = request.arguments.clone();
        let filled = self.core.secrets.fill_in(&command, &mut arguments, self.owner_name());
        filled.map_err(|(name, message)| Report::new(ReportKind::Usage, message).fact("parameter", name))?;
        self.add_defaults(&command, &mut arguments, notes);
        record.taken.values = self.core.secrets.values_of(&command.name, &arguments);
        let draft = check(&view.catalog, &command, &arguments).map_err(|faults| usage(&command, &faults))?;
        // The spelling that travels is known now, hence so are the secrets in it.
        record.taken.values.extend(self.core.secrets.values_in(&command.name, draft.clone().resolve(&[]).pairs()));
        Ok(draft)
    }

    /// The command with a name in any spelling.
    fn command(&self, view: &View, name: &str) -> Result<Arc<Command>, Report> {
        find_command(self.core, view, name)
    }

    /// What the surface lets pass: commands by name, and by risk where only reading is allowed.
    fn check_surface(&self, command: &Command, risk: Risk) -> Result<(), Report> {
        if !self.caller.scope.allows(&command.name) {
            return Err(
                denied(format!("`{}` is not offered here", command.name)).hint("the operator of this program chose the commands that this surface may call")
            );
        }
        if self.caller.read_only && risk > Risk::Read {
            return Err(denied(format!("`{}` can do more than read ({risk}), and only reading is allowed here", command.name))
                .fact("risk", risk.word())
                .hint("the operator started this program in read-only mode"));
        }
        Ok(())
    }

    /// Puts the profile's defaults where the caller gave nothing.
    fn add_defaults(&self, command: &Command, arguments: &mut Map<String, Value>, notes: &mut Vec<String>) {
        let given: Vec<String> = arguments.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| parameter_name(name)).collect();
        let has = |name: &str| given.iter().any(|given| given == name);
        for (name, value) in &self.line.profile.defaults {
            // An account and a project exclude each other, and an id says all by itself.
            let excluded = (name == "projectid" && has("account")) || (command.is_list() && (has("id") || has("ids")));
            if command.parameter(name).is_some() && !has(name) && !excluded {
                arguments.insert(name.clone(), value.clone().into());
                notes.push(format!("the profile's default `{name}` = `{value}` was used"));
            }
        }
    }

    /// What the role may call and give, as far as it is known without asking.
    fn check_role(&self, command: &Command, arguments: &Map<String, Value>, kind: Option<RoleType>) -> Result<(), Report> {
        if let Some(allowed) = self.line.known_allowed()
            && !allowed.contains(&command.name)
        {
            return Err(role_report(command, self.core.view(self.line).catalog.release()));
        }
        let Some(kind) = kind else { return Ok(()) };
        let given = arguments.iter().filter(|(_, value)| !value.is_null()).filter_map(|(name, _)| command.parameter(&parameter_name(name)));
        let above: Vec<&str> =
            given.filter(|parameter| parameter.roles.as_ref().is_some_and(|roles| !roles.contains(&kind))).map(|parameter| parameter.name.as_str()).collect();
        if above.is_empty() {
            return Ok(());
        }
        let names = above.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Err(denied(format!("the role of this profile may not give {names} to `{}`", command.name))
            .hint("servers would drop it without a word and do the rest; leave it out, or use an administrator's profile")
            .fact("parameters", above.iter().map(|name| Value::from(*name)).collect::<Vec<_>>()))
    }

    fn finder<'f>(&'f self, ready: &'f Ready) -> Result<Finder<'f>, Report> {
        Ok(Finder { client: self.line.client()?, catalog: &ready.view.catalog, identity: &ready.identity })
    }

    /// The one evaluation of policy.
    async fn judge(&self, ready: &Ready, record: &mut Record) -> Result<Verdict, Report> {
        let policy = &self.core.config.policy;
        let ids = ready.call.pairs().iter().filter(|(name, _)| name == "id" || name == "ids").map(|(_, value)| value.split(',').count()).sum::<usize>();
        let mut decision = policy.decide(&self.asked(ready, ids));
        let mut survey = None;
        if decision.action == Action::Ask || (policy.counts() && ready.call.risk() > Risk::Write) {
            let seen = self.finder(ready)?.survey(&ready.call).await;
            decision = policy.decide(&self.asked(ready, seen.affected.max(ids)));
            survey = Some(seen);
        }
        record.decision = Some(format!("{} by {}", decision.action.word(), decision.by));
        record.shadow.clone_from(&decision.shadow);
        let name = &ready.call.command().name;
        if decision.action == Action::Deny {
            return Err(denied(format!("policy does not allow this call of `{name}`"))
                .hint(format!("{} decided that", decision.by))
                .fact("decided_by", decision.by));
        }
        if decision.action == Action::Ask && self.core.config.approval.mode == ApprovalMode::Refuse {
            return Err(denied(format!("`{name}` needs a person's approval, and nobody can be asked here"))
                .hint("a preview can be had with `plan`; run it where a person can approve it")
                .fact("risk", ready.call.risk().word()));
        }
        Ok(Verdict { decision, survey })
    }

    fn asked<'a>(&'a self, ready: &'a Ready, affects: usize) -> Asked<'a> {
        let travelling = ready.call.pairs().iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let named = ready.names.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Asked {
            command: &ready.call.command().name,
            risk: ready.call.risk(),
            profile: &self.line.profile.name,
            principal: &self.caller.principal,
            arguments: travelling.chain(named).collect(),
            affects,
            now: self.core.clock.now(),
        }
    }

    fn sealed_plan(&self, ready: &Ready, decision: &Decision, survey: &Survey) -> Plan {
        let mut plan = self.open_plan(ready, decision, survey);
        let bond = self.bond(&ready.call, survey, plan.typed_name.clone());
        plan.needs_approval = true;
        plan.seal = self.core.sealer.seal(&bond, self.core.clock.now() + self.core.config.approval.ttl);
        plan
    }

    fn open_plan(&self, ready: &Ready, decision: &Decision, survey: &Survey) -> Plan {
        let mut plan = crate::preview::plan(&ready.view.catalog, &ready.call, survey);
        plan.arguments = self.core.secrets.shown_pairs(&plan.command, ready.call.pairs());
        plan.decided_by.clone_from(&decision.by);
        plan.notes.extend(ready.notes.iter().cloned());
        plan.expires = self.core.config.approval.ttl;
        plan.receipt = self.receipt(None);
        plan
    }

    fn bond(&self, call: &Call, survey: &Survey, typed: Option<String>) -> crate::seal::Bond {
        let mut pairs = call.pairs().to_vec();
        pairs.sort();
        crate::seal::Bond {
            principal: self.caller.principal.clone(),
            profile: format!("{} {}", self.line.profile.name, self.line.profile.url),
            command: call.command().name.clone(),
            arguments: crate::seal::digest(json!(pairs).to_string().as_bytes()),
            state: survey.state.clone(),
            typed,
        }
    }

    fn approval_report(&self, fault: SealFault, plan: &Plan) -> Report {
        let report = denied(fault.to_string()).fact(
            "approval",
            match fault {
                SealFault::Forged => "forged",
                SealFault::Expired => "expired",
                SealFault::OtherCall => "other_call",
                SealFault::StateChanged => "state_changed",
                SealFault::NotTyped => "not_typed",
                SealFault::Used => "used",
                SealFault::TooMany => "too_many",
            },
        );
        match fault {
            SealFault::NotTyped => report.hint("the person must type the name exactly as the plan shows it"),
            SealFault::StateChanged => {
                let seen = plan.to_value().get("plan").cloned().unwrap_or_default();
                report.hint("nothing was done; look at the new plan and have that one approved").fact("plan", seen)
            }
            SealFault::Expired | SealFault::Forged | SealFault::OtherCall | SealFault::TooMany | SealFault::Used => {
                report.hint("nothing was done; ask for the plan again and have that one approved")
            }
        }
    }

    async fn send(&self, ready: &Ready, request: &RunRequest, watch: &dyn Watch, record: &mut Record) -> Result<Content, Report> {
        let client = self.line.client()?;
        let command = ready.call.command();
        if command.is_list() && !command.is_async {
            let most = self.core.config.limits.items_max;
            let items_max = request.shape.limit.filter(|_| !request.shape.count_only).map_or(most, |limit| limit.min(most));
            return match client.list(&ready.call, &ListLimits { items_max, ..ListLimits::default() }).await {
                Ok(listing) => Ok(Content::Items { items: listing.items, total: listing.total, complete: listing.complete }),
                Err(error) => Err(self.refused(client, &error, &ready.view.catalog, command).await),
            };
        }
        match client.send(&ready.call).await {
            Ok(reply) => match reply.body {
                Body::Started { job, id } => {
                    record.job = Some(job);
                    let wait = request.wait.unwrap_or(self.core.config.limits.wait);
                    self.await_job(record, command, (id, wait), watch).await
                }
                body => Content::of(body, &command.name),
            },
            Err(error) => Err(self.refused(client, &error, &ready.view.catalog, command).await),
        }
    }

    /// A report about an error, with what the server can tell about its cause.
    pub(crate) async fn refused(&self, client: &Client, error: &Error, catalog: &Catalog, command: &Command) -> Report {
        let report = explain::report(error, Some(command));
        let Error::Refused(fault) = error else { return report };
        match fault.code {
            432 => {
                // From now on the server's own list decides without a call.
                let allowed = self.line.allowed().await.ok();
                let report = if allowed.is_some_and(|allowed| !allowed.contains(&command.name)) { role_report(command, catalog.release()) } else { report };
                report.fact("code", fault.code)
            }
            401 => {
                self.line.forget();
                report
            }
            530 if fault.text.contains(explain::MASKED_TEXT) => match self.latest_errors(client, catalog).await {
                Some(events) => report.fact("events", events),
                None => report,
            },
            _ => report,
        }
    }

    /// The newest error events that we may see; best effort.
    async fn latest_errors(&self, client: &Client, catalog: &Catalog) -> Option<Vec<Value>> {
        let call = made_call(catalog, EVENTS, &[("level", "ERROR"), ("page", "1"), ("pagesize", EVENTS_MAX)])?;
        let limits = ListLimits::default();
        let asked = std::pin::pin!(client.list(&call, &limits));
        let Either::Left((Ok(listing), _)) = select(asked, self.core.clock.sleep(EVENTS_WAIT)).await else { return None };
        let shown = ["created", "type", "description", "resourcename"].map(str::to_owned);
        let events: Vec<Value> = listing.items.iter().map(|event| crate::shape::project(event, &shown)).collect();
        (!events.is_empty()).then_some(events)
    }
}

/// The command with a name in any spelling, or what might have been meant.
pub(crate) fn find_command(core: &Core, view: &View, name: &str) -> Result<Arc<Command>, Report> {
    if let Some(command) = view.catalog.command_like(name) {
        return Ok(command);
    }
    let here = view.catalog.release();
    for release in [Release::NEWEST, Release::OLDEST] {
        if let Some(command) = core.view_of(release).catalog.command_like(name) {
            let since = command.since.map(|since| format!(", where it came with {since}")).unwrap_or_default();
            return Err(Report::new(ReportKind::Usage, format!("CloudStack {here} has no `{}`; {release} has{since}", command.name))
                .fact("release", release.to_string()));
        }
    }
    let report = Report::new(ReportKind::Usage, format!("there is no command `{name}`"));
    let names: Vec<Arc<Command>> = view.catalog.commands().collect();
    let near = closest(name, names.iter().map(|command| command.name.as_str())).map(str::to_owned);
    let hits = view.index().search(&cloudstack_api::catalog::spaced_name(name), &Filter::default(), OFFERED_MAX);
    let mut offered: Vec<String> = near.into_iter().collect();
    offered.extend(hits.into_iter().map(|hit| hit.command).filter(|hit| !name.is_empty() && !hit.is_empty()));
    offered.dedup();
    match offered.as_slice() {
        [] => Err(report.hint("`search` finds commands by what they do")),
        names => {
            let names: Vec<String> = names.iter().take(OFFERED_MAX).map(|name| format!("`{name}`")).collect();
            Err(report.hint(format!("did you mean {}?", names.join(" or "))).fact("near", offered.clone()))
        }
    }
}

/// All faults of the arguments at once.
fn usage(command: &Command, faults: &ArgumentFaults) -> Report {
    let mut report = Report::new(ReportKind::Usage, format!("`{}` cannot be called like that: {faults}", command.name));
    for hint in faults.faults.iter().filter_map(|fault| fault.hint.as_ref().map(|hint| format!("`{}`: {hint}", fault.parameter))) {
        if !report.hints.contains(&hint) {
            report.hints.push(hint);
        }
    }
    let told: Vec<Value> = faults.faults.iter().map(|fault| json!({"parameter": fault.parameter, "message": fault.message, "hint": fault.hint})).collect();
    report.fact("faults", told).hint(format!("`describe` tells what `{}` takes", command.name))
}

/// Why a role may not call a command, as far as the catalog knows.
pub(crate) fn role_report(command: &Command, release: Release) -> Report {
    let report = denied(format!("the role of this profile may not call `{}`, or the server does not have it", command.name));
    let roles: Vec<String> =
        default_roles(&release.line_name()).into_iter().filter(|(_, role)| role.allows(command)).map(|(name, _)| format!("`{name}`")).collect();
    let report = if roles.is_empty() { report } else { report.hint(format!("as CloudStack comes, these roles may: {}", roles.join(", "))) };
    let report = match &command.setting {
        Some(setting) if !setting.default => report.hint(format!("it is there only where the setting `{}` is on", setting.name)),
        Some(_) | None => report,
    };
    report.hint("use a profile with a role that may, or ask an administrator")
}

/// Lets administrators see what they may see: without `listall` they are shown their own objects only (wire facts §1.8).
fn visible(call: Call, identity: &Identity, notes: &mut Vec<String>) -> Call {
    let command = Arc::clone(call.command());
    let applies = command.is_list() && identity.is_admin() && command.parameter("listall").is_some();
    if !applies || WHOSE.iter().any(|name| call.argument(name).is_some()) {
        return call;
    }
    // Lists of images look at their filter instead.
    if let Some((filter, given)) = image_filter(&call) {
        if given != ALL_IMAGES {
            notes.push(format!("`{filter}={given}` leaves out what belongs to other accounts; `{filter}={ALL_IMAGES}` shows it"));
        }
        return call;
    }
    notes.push("listed for all accounts that this profile may see (listall=true)".to_owned());
    if command.parameter("projectid").is_some() {
        notes.push(
            if identity.is_root() {
                "objects of projects are not included; projectid=-1 includes them"
            } else {
                "objects of projects are not included; give a projectid for those of a project"
            }
            .to_owned(),
        );
    }
    call.with("listall", "true")
}
