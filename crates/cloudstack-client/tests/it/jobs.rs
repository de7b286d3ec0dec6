//! Jobs as polls tell of them, and waiting.

use std::time::Duration;

use cloudstack_api::reply::Body;
use cloudstack_client::{Error, Instance, JobOutcome, JobState, JobStatus, JobWait};
use serde_json::{Map, Value, json};

use crate::{
    server::{Act, Server},
    world::{JOB, VM, client},
};

fn poll(members: &Value) -> Act {
    let mut all = Map::from_iter([("jobid".to_owned(), json!(JOB)), ("created".to_owned(), json!("2026-07-29T11:18:10+0000"))]);
    all.extend(members.as_object().unwrap().clone());
    Act::json(200, &json!({"queryasyncjobresultresponse": all}))
}

async fn state(members: Value) -> JobState {
    let server = Server::start(move |_, _| poll(&members));
    client(&server).0.job(JOB).await.unwrap()
}

#[tokio::test]
async fn a_pending_job_tells_what_it_works_on() {
    let state = state(json!({"cmd": "org.apache.RebootVMCmd", "jobstatus": 0, "jobinstancetype": "VirtualMachine", "jobinstanceid": VM})).await;
    assert_eq!((state.status, &state.outcome, state.is_over()), (JobStatus::Pending, &None, false));
    assert_eq!(state.instance, Some(Instance { kind: "VirtualMachine".to_owned(), id: Some(VM.to_owned()) }));
    assert_eq!(
        (state.id.as_str(), state.command_class.as_deref(), state.created.as_deref()),
        (JOB, Some("org.apache.RebootVMCmd"), Some("2026-07-29T11:18:10+0000"))
    );
}

#[tokio::test]
async fn an_instance_of_no_type_is_none() {
    assert_eq!(state(json!({"jobstatus": 0, "jobinstancetype": "None"})).await.instance, None);
    let typed = state(json!({"jobstatus": 0, "jobinstancetype": "Network"})).await.instance;
    assert_eq!(typed, Some(Instance { kind: "Network".to_owned(), id: None }));
}

#[tokio::test]
async fn a_result_with_a_job_of_its_own_does_not_hide_the_job_s_state() {
    let result = json!({"virtualmachine": {"id": VM, "jobid": "other", "jobstatus": 0}});
    let state = state(json!({"jobstatus": 1, "jobresult": result})).await;
    assert_eq!((state.status, state.id.as_str()), (JobStatus::Succeeded, JOB));
    let Some(JobOutcome::Done(Body::Object { key, value })) = state.outcome else { panic!("object") };
    assert_eq!((key.as_str(), &value["id"]), ("virtualmachine", &json!(VM)));
}

#[tokio::test]
async fn success_may_come_without_a_result_and_may_be_false() {
    let done = |success| Some(JobOutcome::Done(Body::Success { success, text: None }));
    assert_eq!(state(json!({"jobstatus": 1})).await.outcome, done(true));
    assert_eq!(state(json!({"jobstatus": 1, "jobresult": {"success": false}})).await.outcome, done(false));
}

#[tokio::test]
async fn a_failure_with_words_is_a_refusal_and_one_without_was_cut_off() {
    let refused = state(json!({"jobstatus": 2, "jobresultcode": 530, "jobresult": {"errorcode": 530, "errortext": "no capacity"}})).await;
    assert!(matches!(&refused.outcome, Some(JobOutcome::Refused(fault)) if fault.code == 530 && fault.text == "no capacity"), "{refused:?}");
    let cut = state(json!({"jobstatus": 2, "jobresultcode": 530, "completed": "2026-07-29T11:19:10+0000"})).await;
    assert_eq!((cut.status, cut.outcome, cut.completed.as_deref()), (JobStatus::Failed, Some(JobOutcome::CutOff), Some("2026-07-29T11:19:10+0000")));
    let text = state(json!({"jobstatus": 2, "jobresulttype": "text", "jobresult": "Job is cancelled as it has been blocking others for too long"})).await;
    assert!(matches!(text.outcome, Some(JobOutcome::Text(_))), "{text:?}");
}

#[tokio::test]
async fn cancelled_and_unheard_of_states_are_over() {
    let cancelled = state(json!({"jobstatus": 3})).await;
    assert_eq!((cancelled.status, &cancelled.outcome, cancelled.is_over()), (JobStatus::Cancelled, &None, true));
    assert_eq!(state(json!({"jobstatus": 7})).await.status, JobStatus::Unknown(7));
    assert_eq!(state(json!({"jobstatus": "1"})).await.status, JobStatus::Succeeded);
}

#[tokio::test]
async fn a_forgotten_job_is_refused_with_431() {
    let server = Server::start(|_, _| Act::refusal(431, "queryasyncjobresultresponse", "Invalid parameter jobid value=x"));
    let (client, _) = client(&server);
    assert!(matches!(client.job(JOB).await, Err(Error::Refused(fault)) if fault.code == 431));
    let waited = client.wait(JOB, &JobWait::default(), &mut |_| {}).await;
    assert!(matches!(waited, Err(Error::Refused(fault)) if fault.code == 431));
}

#[tokio::test]
async fn waiting_asks_soon_at_first_and_rarely_later_and_tells_of_each_poll() {
    let server = Server::start(|number, _| poll(&json!({"jobstatus": i32::from(number == 8)})));
    let (client, clock) = client(&server);
    let mut told = Vec::new();
    let wait = JobWait { budget: Duration::from_secs(600) };
    let state = client.wait(JOB, &wait, &mut |state| told.push(state.status)).await.unwrap();
    assert_eq!((state.status, told.len()), (JobStatus::Succeeded, 9));
    assert_eq!(clock.waits().iter().map(Duration::as_millis).collect::<Vec<_>>(), [250, 500, 1000, 2000, 3000, 5000, 8000, 10_000, 10_000]);
}

#[tokio::test]
async fn the_budget_ends_the_waiting_with_the_last_state() {
    let server = Server::start(|_, _| poll(&json!({"jobstatus": 0})));
    let (client, clock) = client(&server);
    let state = client.wait(JOB, &JobWait { budget: Duration::from_secs(5) }, &mut |_| {}).await.unwrap();
    assert_eq!(state.status, JobStatus::Pending);
    assert_eq!(clock.waits().iter().sum::<Duration>(), Duration::from_secs(5));
}

#[tokio::test]
async fn a_budget_of_nothing_asks_once() {
    let server = Server::start(|_, _| poll(&json!({"jobstatus": 0})));
    client(&server).0.wait(JOB, &JobWait { budget: Duration::ZERO }, &mut |_| {}).await.unwrap();
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn waiting_bears_faults_that_pass() {
    let acts = [Act::Cut, Act::page(502, "x"), Act::page(504, "x"), Act::refusal(429, "x", "retry after [900] ms."), Act::refusal(503, "x", "maintenance")];
    let server = Server::start(move |number, _| acts.get(number).cloned().unwrap_or_else(|| poll(&json!({"jobstatus": 1}))));
    let state = client(&server).0.wait(JOB, &JobWait { budget: Duration::from_secs(600) }, &mut |_| {}).await.unwrap();
    assert_eq!((state.status, server.received().len()), (JobStatus::Succeeded, 6));
}

#[tokio::test]
async fn a_state_seen_once_outlives_faults_at_the_end_of_the_budget() {
    let server = Server::start(|number, _| if number == 0 { poll(&json!({"jobstatus": 0})) } else { Act::Cut });
    let state = client(&server).0.wait(JOB, &JobWait { budget: Duration::from_secs(5) }, &mut |_| {}).await.unwrap();
    assert_eq!(state.status, JobStatus::Pending);
}

#[tokio::test]
async fn a_server_that_is_gone_for_good_ends_the_waiting() {
    let server = Server::start(|_, _| Act::Cut);
    let error = client(&server).0.wait(JOB, &JobWait { budget: Duration::from_secs(3600) }, &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert_eq!(server.received().len(), 11);
}
