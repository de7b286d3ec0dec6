//! Writes that start a job and whose answer is lost: the job is asked for, the call never resent.

use cloudstack_api::reply::Body;
use cloudstack_client::{Error, Trace};
use serde_json::json;

use crate::{
    server::{Act, Received, Server},
    world::{VM, client, hasty_client, job_write, making_write},
};

const VOLUME: &str = "b1a7e1c2-0d5f-4c39-9a34-5b0e8f0c7d11";

/// Loses the first answer in some way; afterwards `knows` says whether the server knows of a job.
fn losing(loss: Act, knows: impl Fn(usize) -> Act + Send + Sync + 'static) -> Server {
    Server::start(move |number, received: &Received| if received.command() == "queryAsyncJobResult" { knows(number) } else { loss.clone() })
}

fn job(instance: &str) -> Act {
    Act::json(200, &json!({"queryasyncjobresultresponse": {"jobinstancetype": "Volume", "jobinstanceid": instance, "jobid": "ignored", "jobstatus": 0}}))
}

fn no_job() -> Act {
    Act::refusal(431, "queryasyncjobresultresponse", "Invalid parameter jobid value=x due to incorrect long value format, or entity does not exist")
}

#[tokio::test]
async fn a_job_that_the_server_knows_is_the_answer_that_was_lost() {
    let losses = [Act::Cut, Act::CutMidway, Act::Stall, Act::text(200, ""), Act::page(502, "Bad Gateway"), Act::text(200, "{\"x\":")];
    for loss in losses {
        let server = losing(loss, |_| job(VOLUME));
        let reply = hasty_client(&server).0.send(&making_write()).await.unwrap();
        let received = server.received();
        let id = received[0].argument("customjobid").to_owned();
        assert_eq!(reply.body, Body::Started { job: id.clone(), id: Some(VOLUME.to_owned()) });
        assert_eq!(reply.envelope, "createvolumeresponse");
        assert_eq!((server.commands(), received[1].argument("jobid")), (vec!["createVolume".to_owned(), "queryAsyncJobResult".to_owned()], id.as_str()));
    }
}

#[tokio::test]
async fn an_object_that_the_call_names_is_not_told_as_made_by_it() {
    let server = losing(Act::Cut, |_| job(VM));
    let reply = client(&server).0.send(&job_write()).await.unwrap();
    assert!(matches!(reply.body, Body::Started { id: None, .. }), "{reply:?}");
}

#[tokio::test]
async fn a_call_still_on_its_way_is_found_a_little_later() {
    let server = losing(Act::Cut, |number| if number < 3 { no_job() } else { job(VOLUME) });
    client(&server).0.send(&making_write()).await.unwrap();
    assert_eq!(server.commands().iter().filter(|command| *command == "createVolume").count(), 1);
}

#[tokio::test]
async fn a_job_that_the_server_does_not_know_leaves_the_outcome_unknown_and_is_never_sent_again() {
    let server = losing(Act::Cut, |_| no_job());
    let (client, clock) = client(&server);
    let Err(Error::OutcomeUnknown { job: Some(job), trace, .. }) = client.send(&making_write()).await else { panic!("unknown") };
    let received = server.received();
    assert_eq!((trace, received[0].argument("customjobid")), (Trace::JobUnknown, job.as_str()));
    assert_eq!(server.commands()[1..], vec!["queryAsyncJobResult"; 5]);
    assert_eq!(clock.waits().len(), 5);
}

#[tokio::test]
async fn a_server_that_cannot_be_asked_leaves_the_outcome_unknown() {
    for act in [Act::Cut, Act::page(503, "starting"), Act::refusal(401, "x", "no"), Act::refusal(530, "x", "no")] {
        let server = losing(Act::Cut, move |_| act.clone());
        let error = client(&server).0.send(&making_write()).await.unwrap_err();
        assert!(matches!(error, Error::OutcomeUnknown { job: Some(_), trace: Trace::Unanswered, .. }), "{error:?}");
        assert_eq!(server.commands().iter().filter(|command| *command == "createVolume").count(), 1);
    }
}
