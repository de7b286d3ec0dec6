//! Jobs: waited for within a budget, read to the end, and never called finished before they are.

use std::{sync::Arc, time::Duration};

use cloudstack_api::{
    catalog::{Catalog, Command, Risk},
    reply::Body,
};
use cloudstack_client::{JobOutcome, JobState, JobStatus, JobWait, ListLimits};
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    connection::made_call,
    core::Core,
    explain,
    report::{Report, ReportKind},
    request::JobRequest,
    resolve::widened,
    results::{Content, Parts},
    shape,
    visit::{Record, Visit, denied},
    watch::{Progress, Watch},
};

/// What tells of a job.
const POLL: &str = "queryAsyncJobResult";
/// The most unfinished jobs that are listed.
const LISTED_MAX: usize = 200;
/// What a poll says of an unfinished job that is worth telling.
const TOLD: &[&str] = &["jobid", "cmd", "jobstatus", "jobinstancetype", "jobinstanceid", "account", "created"];

/// Tells of a job, or lists the unfinished ones.
pub(crate) async fn job(core: &Core, request: JobRequest, watch: &dyn Watch) -> Result<Answer, Report> {
    let line = core.connection(request.profile.as_deref())?;
    let visit = Visit::new(core, line, &request.caller);
    let mut record = Record { verb: "job", risk: Some(Risk::Read), job: request.job.clone(), ..Record::default() };
    let outcome = match &request.job {
        Some(job) => visit.one_job(job, &request, watch, &mut record).await,
        None => visit.open_jobs(&mut record).await,
    };
    match outcome {
        Ok(value) => visit.succeed(value, &record, "done").map(|value| Answer { value, is_error: false }),
        Err(report) => Err(visit.fail(report, &record)),
    }
}

impl Visit<'_> {
    /// Waits for a job that a call has started; `start` holds the id of the object in the making and the budget.
    pub(crate) async fn await_job(
        &self,
        record: &mut Record,
        command: &Command,
        start: (Option<String>, Duration),
        watch: &dyn Watch,
    ) -> Result<Content, Report> {
        let (id, budget) = start;
        let Some(job) = record.job.clone() else { return Ok(Content::Pending { id }) };
        if budget.is_zero() {
            return Ok(Content::Pending { id });
        }
        let state = self.watched(&job, budget, watch, &command.name).await.map_err(|report| {
            let report = explain::with_created(report, command, id.as_deref());
            report.fact("job", job.clone()).hint(format!("the job goes on; ask for job `{job}` to learn how it ends"))
        })?;
        finished(state, command, id)
    }

    async fn watched(&self, job: &str, budget: Duration, watch: &dyn Watch, what: &str) -> Result<JobState, Report> {
        let start = self.core.clock.elapsed();
        let clock = Arc::clone(&self.core.clock);
        let tell = move |message: String| {
            let done = clock.elapsed().saturating_sub(start).as_secs_f64();
            watch.progress(&Progress { done, total: None, message });
        };
        tell(format!("{what}: started job {job}"));
        let mut on_poll = |state: &JobState| {
            let word = match state.status {
                JobStatus::Pending => "running",
                JobStatus::Succeeded => "succeeded",
                JobStatus::Failed => "failed",
                JobStatus::Cancelled | JobStatus::Unknown(_) => "over",
            };
            tell(format!("{what}: {word}"));
        };
        let client = self.line.client()?;
        client.wait(job, &JobWait { budget }, &mut on_poll).await.map_err(|error| explain::report(&error, None))
    }

    async fn one_job(&self, job: &str, request: &JobRequest, watch: &dyn Watch, record: &mut Record) -> Result<Value, Report> {
        self.line.identity().await?;
        let client = self.line.client()?;
        let state = match request.wait.filter(|wait| !wait.is_zero()) {
            Some(wait) => self.watched(job, wait, watch, "job").await,
            None => client.job(job).await.map_err(|error| explain::report(&error, None)),
        };
        let state = state.map_err(|report| job_report(report, job))?;
        record.job = Some(state.id.clone());
        let view = self.core.view(self.line);
        let (poll, known) = (view.catalog.command(POLL), command_of(&view.catalog, &state));
        let Some(poll) = poll else { return Err(Report::new(ReportKind::Internal, format!("the catalog lacks `{POLL}`"))) };
        record.command = known.as_ref().map_or_else(|| POLL.to_owned(), |command| command.name.clone());
        let (created, instance) = (state.created.clone(), state.instance.clone());
        let id = state.instance.as_ref().and_then(|instance| instance.id.clone());
        let mut content = finished(state, known.as_deref().unwrap_or(&poll), id)?;
        // A result that we cannot tell the command of may hold secrets that only that command's rows name.
        record.risk = Some(Risk::Disclose);
        if known.is_none() {
            let mut taken = match &mut content {
                Content::Object(value) => self.core.secrets.redact_unknown(value, self.owner(true)),
                Content::Items { items, .. } => {
                    let mut all = Value::Array(std::mem::take(items));
                    let taken = self.core.secrets.redact_unknown(&mut all, self.owner(true));
                    *items = all.as_array().cloned().unwrap_or_default();
                    taken
                }
                Content::Pending { .. } => crate::redact::Taken::default(),
            };
            record.taken.values.append(&mut taken.values);
        }
        let parts = Parts { catalog: &view.catalog, command: known.as_ref().unwrap_or(&poll), content, shape: &request.shape, notes: Vec::new() };
        let mut value = self.answer(parts, record);
        if let Some(job) = value.get_mut("job").and_then(Value::as_object_mut) {
            job.extend(created.map(|created| ("created".to_owned(), Value::from(created))));
            job.extend(instance.map(|instance| ("object".to_owned(), json!({"kind": instance.kind, "id": instance.id}))));
        }
        Ok(value)
    }

    async fn open_jobs(&self, record: &mut Record) -> Result<Value, Report> {
        let identity = self.line.identity().await?;
        let view = self.core.view(self.line);
        // The list whose rows are what a poll answers with.
        let poll = view.catalog.command(POLL).map(|poll| poll.shape.clone()).unwrap_or_default();
        let list = view.catalog.commands().find(|command| command.is_list() && command.shape == poll);
        let call = list.as_ref().and_then(|list| made_call(&view.catalog, &list.name, &[]));
        let Some((list, call)) = list.zip(call) else { return Err(Report::new(ReportKind::Refused, "this release cannot list jobs")) };
        record.command.clone_from(&list.name);
        if !self.caller.scope.allows(&list.name) {
            return Err(denied(format!("`{}` is not offered here", list.name)));
        }
        let limits = ListLimits { items_max: LISTED_MAX, ..ListLimits::default() };
        let client = self.line.client()?;
        let listing = match client.list(&widened(call, &identity), &limits).await {
            Ok(listing) => listing,
            Err(error) => return Err(self.refused(client, &error, &view.catalog, &list).await),
        };
        let fields: Vec<String> = TOLD.iter().map(|name| (*name).to_owned()).collect();
        let items: Vec<Value> = listing.items.iter().map(|item| shape::project(item, &fields)).collect();
        Ok(json!({
            "command": list.name,
            "items": items,
            "returned": items.len(),
            "total": listing.total.unwrap_or_default(),
            "complete": listing.complete,
            "notes": ["only jobs that are not over are listed; ask for any other by its id, within a day"],
            "receipt": self.receipt(None).to_value(),
        }))
    }
}

/// What came of a job.
///
/// # Errors
///
/// A report of kind `refused` for a job that failed, `unreachable` for one whose outcome nobody knows.
fn finished(state: JobState, command: &Command, id: Option<String>) -> Result<Content, Report> {
    let job = state.id;
    let of_job = |report: Report| report.fact("job", job.clone());
    match (state.status, state.outcome) {
        (JobStatus::Pending, _) => Ok(Content::Pending { id }),
        (_, Some(JobOutcome::Done(Body::Started { job, id }))) => Ok(Content::Object(json!({"jobid": job, "id": id}))),
        (_, Some(JobOutcome::Done(body))) => Content::of(body, &command.name).map_err(of_job),
        (_, Some(JobOutcome::Refused(fault))) => {
            let report = explain::refusal(&fault, Some(command));
            Err(of_job(if fault.leftovers.is_empty() { explain::with_created(report, command, id.as_deref()) } else { report }))
        }
        (_, Some(JobOutcome::Text(text))) => Err(of_job(Report::new(ReportKind::Refused, format!("the job of `{}` failed: {text}", command.name)))),
        (_, Some(JobOutcome::CutOff)) => Err(explain::with_created(explain::cut_off(&command.name, &job), command, id.as_deref())),
        (_, None) => Err(of_job(Report::new(ReportKind::Refused, format!("the job of `{}` was cancelled by the server", command.name)))),
    }
}

fn job_report(report: Report, job: &str) -> Report {
    let unknown = report.facts.get("code").and_then(Value::as_u64) == Some(431);
    if !unknown {
        return report.fact("job", job);
    }
    Report::new(ReportKind::NotFound, format!("the server knows no job `{job}`"))
        .fact("job", job)
        .hint("servers forget jobs a day after they end; look at the object instead")
        .hint("a job belongs to the account that started it: another profile may see it")
}

/// The command that a job belongs to, guessed from the class that runs it: `…user.vm.RebootVMCmd` tells nothing, most do.
fn command_of(catalog: &Catalog, state: &JobState) -> Option<Arc<Command>> {
    let class = state.command_class.as_deref()?.rsplit('.').next()?;
    let name = class.trim_end_matches("ByAdmin").trim_end_matches("Cmd");
    catalog.command_like(name)
}

#[cfg(test)]
mod tests {
    use cloudstack_api::catalog::Release;

    use super::*;

    fn state(status: JobStatus, outcome: Option<JobOutcome>) -> JobState {
        let class = Some("org.apache.cloudstack.api.command.user.volume.ExtractVolumeCmd".to_owned());
        JobState { id: "j".to_owned(), status, outcome, command_class: class, instance: None, created: None, completed: None, raw: Value::Null }
    }

    #[test]
    fn a_job_that_was_cut_off_is_unknown_and_names_what_it_may_have_left() {
        let catalog = Catalog::embedded(Release::NEWEST);
        let command = catalog.command("deployVirtualMachine").unwrap();
        let report = finished(state(JobStatus::Failed, Some(JobOutcome::CutOff)), &command, Some("vm-id".to_owned())).unwrap_err();
        assert_eq!(report.facts.get("outcome_unknown"), Some(&json!(true)));
        assert!(report.facts["leftovers"].to_string().contains("vm-id"));
    }

    #[test]
    fn a_success_that_is_none_is_a_failure() {
        let catalog = Catalog::embedded(Release::NEWEST);
        let command = catalog.command("disableHAForCluster").unwrap();
        let outcome = Some(JobOutcome::Done(Body::Success { success: false, text: None }));
        assert_eq!(finished(state(JobStatus::Succeeded, outcome), &command, None).unwrap_err().kind, ReportKind::Refused);
    }

    #[test]
    fn most_jobs_tell_their_command() {
        let catalog = Catalog::embedded(Release::NEWEST);
        assert_eq!(command_of(&catalog, &state(JobStatus::Pending, None)).unwrap().name, "extractVolume");
    }
}
