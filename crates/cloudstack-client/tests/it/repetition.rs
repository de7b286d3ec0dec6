//! What is sent again and what never is: counted where it arrives.

use std::{collections::HashSet, time::Duration};

use cloudstack_client::{Error, Trace, UnreachableKind};
use serde_json::json;

use crate::{
    server::{Act, Server},
    world::{client, hasty_client, job_write, lone_read, write},
};

fn fine() -> Act {
    Act::json(200, &json!({"x": {"success": true}}))
}

/// A server with one trouble first, and none after.
fn troubled(act: Act) -> Server {
    Server::start(move |number, _| if number == 0 { act.clone() } else { fine() })
}

/// Troubles after which nobody knows what became of a request.
fn open_troubles() -> Vec<Act> {
    vec![
        Act::Cut,
        Act::CutMidway,
        Act::Stall,
        Act::page(502, "Bad Gateway"),
        Act::page(503, "Service Unavailable"),
        Act::page(504, "Gateway Timeout"),
        Act::text(200, r#"{ "x" :  ] } }"#),
    ]
}

#[tokio::test]
async fn a_read_is_sent_again_after_troubles_that_pass() {
    for act in open_troubles() {
        let server = troubled(act.clone());
        hasty_client(&server).0.send(&lone_read()).await.unwrap_or_else(|error| panic!("{act:?}: {error}"));
        assert_eq!(server.received().len(), 2, "{act:?}");
    }
}

#[tokio::test]
async fn a_write_is_never_sent_twice_and_its_outcome_is_called_unknown() {
    let others =
        [Act::text(200, ""), Act::page(500, "Server Error"), Act::page(200, "Welcome to the hotel"), Act::text(200, "null"), Act::page(408, "Request Timeout")];
    for act in open_troubles().into_iter().chain(others) {
        let server = troubled(act.clone());
        let error = hasty_client(&server).0.send(&write()).await.unwrap_err();
        assert!(
            matches!(&error, Error::OutcomeUnknown { command, job: None, trace: Trace::NoJobToAskFor, .. } if command == "createDomain"),
            "{act:?}: {error:?}"
        );
        assert_eq!(server.received().len(), 1, "{act:?}");
    }
}

#[tokio::test]
async fn a_read_is_given_up_after_a_few_attempts_with_growing_random_waits() {
    let server = Server::start(|_, _| Act::page(502, "Bad Gateway"));
    let (client, clock) = client(&server);
    let error = client.send(&lone_read()).await.unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
    assert_eq!(server.received().len(), 4);
    let waits = clock.waits();
    assert!(waits.len() == 3 && waits.iter().zip([200, 400, 800]).all(|(wait, most)| *wait <= Duration::from_millis(most)), "{waits:?}");
}

#[tokio::test]
async fn a_read_without_an_answer_is_sent_again_once_only() {
    let server = Server::start(|_, _| Act::Stall);
    let error = hasty_client(&server).0.send(&lone_read()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { kind: UnreachableKind::Timeout, .. }), "{error:?}");
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn a_broken_list_is_asked_for_once_more() {
    let server = Server::start(|_, _| Act::text(200, r#"{ "listcapabilitiesresponse" :  ] } }"#));
    let error = client(&server).0.send(&lone_read()).await.unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn an_empty_answer_to_a_read_is_not_asked_for_again() {
    let server = Server::start(|_, _| Act::text(200, ""));
    let error = client(&server).0.send(&lone_read()).await.unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn what_was_refused_is_not_sent_again() {
    for status in [401, 430, 431, 432, 530, 531, 533, 535, 537] {
        let server = Server::start(move |_, _| Act::refusal(status, "x", "no"));
        let (client, _) = client(&server);
        for call in [lone_read(), write(), job_write()] {
            let Err(Error::Refused(fault)) = client.send(&call).await else { panic!("refused") };
            assert_eq!(fault.code, status);
        }
        assert_eq!(server.received().len(), 3, "{status}");
    }
}

#[tokio::test]
async fn a_server_in_maintenance_is_asked_again_for_reads_and_not_for_writes() {
    let server = troubled(Act::refusal(503, "x", "Maintenance or shutdown has been initiated on this management server"));
    client(&server).0.send(&lone_read()).await.unwrap();
    let server = troubled(Act::refusal(503, "x", "Maintenance or shutdown has been initiated on this management server"));
    let error = client(&server).0.send(&write()).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn throttling_is_waited_for_by_reads_and_writes_alike() {
    for call in [lone_read(), write(), job_write()] {
        let server = troubled(Act::refusal(429, "x", "The given user has reached his/her account api limit, please retry after [940] ms."));
        let (client, clock) = client(&server);
        client.send(&call).await.unwrap();
        assert_eq!(server.received().len(), 2);
        let waits = clock.waits();
        assert!(waits.len() == 1 && waits[0] >= Duration::from_millis(940) && waits[0] < Duration::from_millis(1200), "{waits:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_throttles_is_waited_for_as_well() {
    let server = troubled(Act::page(429, "Too Many Requests").header("retry-after", "3"));
    let (client, clock) = client(&server);
    client.send(&write()).await.unwrap();
    assert!(clock.waits()[0] >= Duration::from_secs(3));
}

#[tokio::test]
async fn throttling_for_longer_than_we_wait_is_reported_with_its_time() {
    let server = Server::start(|_, _| Act::refusal(429, "x", "retry after [60000] ms."));
    let error = client(&server).0.send(&write()).await.unwrap_err();
    assert!(matches!(error, Error::Throttled { wait } if wait == Duration::from_secs(60)), "{error:?}");
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn throttling_without_an_end_is_given_up() {
    let server = Server::start(|_, _| Act::refusal(429, "x", "retry after [3000] ms."));
    let (client, clock) = client(&server);
    let error = client.send(&lone_read()).await.unwrap_err();
    assert!(matches!(error, Error::Throttled { .. }), "{error:?}");
    assert!(clock.waits().iter().sum::<Duration>() <= Duration::from_secs(20));
    assert_eq!(server.received().len(), 7);
}

#[tokio::test]
async fn a_call_that_never_left_is_sent_when_the_server_is_there() {
    for call in [lone_read(), write(), job_write()] {
        let server = Server::prepare(|_, _| fine());
        let (client, clock) = client(&server);
        let opening = server.clone();
        clock.at_first_wait(move || opening.open());
        client.send(&call).await.unwrap();
        assert_eq!((server.received().len(), clock.waits().len()), (1, 1));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable_and_no_outcome_is_unknown() {
    let server = Server::prepare(|_, _| fine());
    let (client, clock) = client(&server);
    for call in [lone_read(), write(), job_write()] {
        let error = client.send(&call).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { kind: UnreachableKind::Refused, .. }), "{error:?}");
    }
    assert_eq!(clock.waits().len(), 9);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_meanwhile_never_makes_a_write_arrive_twice() {
    let server = Server::start(|_, _| Act::AnswerAndClose { body: br#"{"x":{"success":true}}"#.to_vec() });
    let (client, _) = client(&server);
    for number in 0..200 {
        match client.send(&write().with("name", format!("acme-{number}"))).await {
            Ok(_) | Err(Error::OutcomeUnknown { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    let names: HashSet<String> = server.received().iter().map(|received| received.argument("name").to_owned()).collect();
    assert_eq!(names.len(), server.received().len());
}

#[tokio::test]
async fn a_server_that_wants_fewer_calls_is_heard_by_all_calls_within_bounds() {
    for (told, held) in [(940, 940), (15_000, 15_000), (3_600_000, 20_000)] {
        let server = Server::start(
            move |_, received| if received.command() == "createDomain" { fine() } else { Act::refusal(429, "x", &format!("retry after [{told}] ms.")) },
        );
        let (client, clock) = client(&server);
        client.send(&lone_read()).await.unwrap_err();
        let before = clock.waits().len();
        client.send(&write()).await.unwrap();
        let expected = Duration::from_millis(held);
        let waits = &clock.waits()[before..];
        assert!(waits.len() == 1 && waits[0] <= expected && waits[0] + Duration::from_millis(250) >= expected, "{told}: {waits:?}");
    }
}
