//! What travels: where, how spelled, how signed.

use std::sync::Arc;

use cloudstack_api::wire::{Digest, Pair, signature};
use cloudstack_client::{Client, Credentials, DigestChoice, Endpoint, Error, HttpMethod};
use serde_json::json;

use crate::{
    clock::HandClock,
    server::{Act, Received, Server},
    world::{JOB, client, job_write, keys, lone_read, making_write, read, write},
};

fn fine(_: usize, _: &Received) -> Act {
    Act::json(200, &json!({"x": {"jobid": JOB}}))
}

/// Signs what arrived like a server would.
fn expected_signature(received: &Received, digest: Digest) -> String {
    let pairs: Vec<Pair> = received.arguments.clone().into_iter().collect();
    signature(&pairs, "secret", digest)
}

fn client_of(server: &Server, change: impl FnOnce(&mut Endpoint), credentials: Credentials) -> Client {
    let mut endpoint = Endpoint::new(&server.url);
    change(&mut endpoint);
    Client::new(&endpoint, credentials, HandClock::new() as _).unwrap()
}

#[tokio::test]
async fn a_call_travels_as_a_signed_form_with_an_expiry_that_every_server_accepts() {
    let server = Server::start(fine);
    client(&server).0.send(&write()).await.unwrap();
    let [received] = &server.received()[..] else { panic!("one request") };
    assert_eq!((received.method.as_str(), received.path.as_str(), received.in_url), ("POST", "/client/api", false));
    assert_eq!(received.headers["content-type"], "application/x-www-form-urlencoded");
    assert!(received.headers["accept-encoding"].contains("gzip"));
    assert!(!received.headers.contains_key("cookie"));
    let names: Vec<&str> = received.arguments.keys().map(String::as_str).collect();
    assert_eq!(names, ["apikey", "command", "expires", "name", "response", "signature", "signatureversion"]);
    assert_eq!((received.argument("response"), received.argument("signatureversion")), ("json", "3"));
    assert_eq!(received.argument("expires"), "2026-07-29T11:28:10+0000");
    assert_eq!(received.argument("signature"), expected_signature(received, Digest::Sha1));
}

#[tokio::test]
async fn each_attempt_gets_an_expiry_of_its_own() {
    let clock = HandClock::new();
    let throttled = |number: usize, received: &Received| match number {
        0 => Act::refusal(429, "x", "please retry after [5000] ms."),
        _ => fine(number, received),
    };
    let server = Server::start(throttled);
    Client::new(&Endpoint::new(&server.url), keys(), Arc::clone(&clock) as _).unwrap().send(&write()).await.unwrap();
    let expiries: Vec<String> = server.received().iter().map(|received| received.argument("expires").to_owned()).collect();
    assert_eq!(expiries, ["2026-07-29T11:28:10+0000", "2026-07-29T11:28:15+0000"]);
}

#[tokio::test]
async fn only_commands_that_start_jobs_get_a_job_id() {
    let server = Server::start(fine);
    let (client, _) = client(&server);
    for call in [job_write(), making_write(), write(), lone_read()] {
        client.send(&call).await.unwrap();
    }
    let ids: Vec<usize> = server.received().iter().map(|received| received.argument("customjobid").len()).collect();
    assert_eq!(ids, [36, 36, 0, 0]);
}

#[tokio::test]
async fn signatures_without_an_expiry_are_possible() {
    let server = Server::start(fine);
    client_of(&server, |endpoint| endpoint.expires = None, keys()).send(&lone_read()).await.unwrap();
    let received = &server.received()[0];
    assert_eq!((received.argument("expires"), received.argument("signatureversion")), ("", ""));
    assert_eq!(received.argument("signature"), expected_signature(received, Digest::Sha1));
}

#[tokio::test]
async fn the_method_decides_where_arguments_travel() {
    for (method, expected) in [(HttpMethod::Post, [false, false]), (HttpMethod::Get, [true, true]), (HttpMethod::Auto, [true, false])] {
        let server = Server::start(fine);
        let client = client_of(&server, |endpoint| endpoint.http_method = method, keys());
        client.send(&read()).await.unwrap();
        client.send(&write()).await.unwrap();
        let received = server.received();
        assert_eq!([received[0].in_url, received[1].in_url], expected, "{method:?}");
        assert_eq!(received[0].argument("signature"), expected_signature(&received[0], Digest::Sha1));
    }
}

#[tokio::test]
async fn the_integration_port_is_asked_by_url_without_a_signature() {
    let server = Server::start(fine);
    client_of(&server, |_| {}, Credentials::None).send(&write()).await.unwrap();
    let received = &server.received()[0];
    assert!(received.in_url);
    assert_eq!(received.arguments.keys().map(String::as_str).collect::<Vec<_>>(), ["command", "name", "response"]);
}

/// Takes one digest only, like servers before and after the older one was given up.
fn server_taking(digest: Digest) -> Server {
    Server::start(move |number, received| {
        if received.argument("signature") == expected_signature(received, digest) {
            fine(number, received)
        } else {
            Act::refusal(401, "createdomainresponse", "unable to verify user credentials and/or request signature")
        }
    })
}

#[tokio::test]
async fn the_digest_is_learned_from_the_first_answer_and_kept() {
    for (digest, expected) in [(Digest::Sha1, 2), (Digest::Sha512, 3)] {
        let server = server_taking(digest);
        let client = client_of(&server, |endpoint| endpoint.digest = DigestChoice::Auto, keys());
        client.send(&write()).await.unwrap();
        client.send(&lone_read()).await.unwrap();
        assert_eq!(server.received().len(), expected, "{digest:?}");
    }
}

#[tokio::test]
async fn wrong_keys_are_refused_as_such_and_teach_nothing_about_the_digest() {
    let server = Server::start(|_, _| Act::refusal(401, "createdomainresponse", "unable to verify user credentials and/or request signature"));
    let client = client_of(&server, |endpoint| endpoint.digest = DigestChoice::Auto, keys());
    for _ in 0..2 {
        let Err(Error::Refused(fault)) = client.send(&write()).await else { panic!("refused") };
        assert_eq!(fault.code, 401);
    }
    assert_eq!(server.received().len(), 4);
}

#[tokio::test]
async fn a_refusal_that_comes_before_the_signature_teaches_nothing_about_the_digest() {
    for act in [Act::refusal(432, "errorresponse", "not available"), Act::refusal(401, "errorresponse", "unknown command")] {
        let server = Server::start(move |number, received| if number == 0 { act.clone() } else { fine(number, received) });
        let client = client_of(&server, |endpoint| endpoint.digest = DigestChoice::Auto, keys());
        client.send(&write()).await.unwrap_err();
        assert_eq!(server.received().len(), 1);
    }
}

#[tokio::test]
async fn a_fixed_digest_is_used_without_a_probe() {
    let server = server_taking(Digest::Sha512);
    client_of(&server, |endpoint| endpoint.digest = DigestChoice::Sha512, keys()).send(&write()).await.unwrap();
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn what_servers_would_turn_away_is_not_sent() {
    let server = Server::start(fine);
    let (client, _) = client(&server);
    let error = client.send(&write().with("networkdomain", "x".repeat(1 << 20))).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { bytes_max: 1_048_576, .. }), "{error}");
    assert_eq!(server.received().len(), 0);
}

#[tokio::test]
async fn calls_are_spaced_by_the_rate() {
    let server = Server::start(fine);
    let clock = HandClock::new();
    let endpoint = Endpoint { rate: Some(4.0), ..Endpoint::new(&server.url) };
    let client = Client::new(&endpoint, keys(), Arc::clone(&clock) as _).unwrap();
    for _ in 0..3 {
        client.send(&lone_read()).await.unwrap();
    }
    assert_eq!(clock.waits().iter().map(std::time::Duration::as_millis).collect::<Vec<_>>(), [250, 250]);
}
