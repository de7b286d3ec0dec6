//! Answers that are none of CloudStack's, and what is said about them.

use std::error::Error as _;

use cloudstack_client::{Client, ConfigFault, Credentials, Endpoint, Error, HttpMethod, Sent, UnreachableKind};
use serde_json::json;

use crate::{
    clock::HandClock,
    server::{Act, Server},
    world::{client, job_write, keys, lone_read, write},
};

fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

#[tokio::test]
async fn a_web_server_that_turns_a_write_away_leaves_nothing_open() {
    let acts = [
        Act::page(404, "Error 404 Form is larger"),
        Act::page(414, "Bad Message 414"),
        Act::page(431, "Header too large"),
        Act::text(405, "Please use HTTP POST"),
    ];
    for act in acts {
        let server = Server::start(move |_, _| act.clone());
        for call in [write(), job_write()] {
            let error = client(&server).0.send(&call).await.unwrap_err();
            assert!(matches!(error, Error::Unreadable { sent: Sent::TurnedAway, .. }), "{error:?}");
        }
        assert_eq!(server.received().len(), 2);
    }
}

#[tokio::test]
async fn a_page_instead_of_an_answer_is_quoted_by_its_title() {
    let server = Server::start(|_, _| Act::page(200, "Captive Portal"));
    let error = client(&server).0.send(&lone_read()).await.unwrap_err();
    assert!(matches!(error, Error::Unreadable { sent: Sent::Read, .. }), "{error:?}");
    let text = chain(&error);
    assert!(text.contains("Captive Portal") && text.contains(&server.url), "{text}");
}

#[tokio::test]
async fn a_redirect_is_reported_and_not_followed_and_shows_no_key() {
    for method in [HttpMethod::Post, HttpMethod::Get] {
        let server = Server::start(|_, _| Act::page(302, "Found").header("location", "/client/?apikey=key&signature=abc"));
        let endpoint = Endpoint { http_method: method, ..Endpoint::new(&server.url) };
        let client = Client::new(&endpoint, keys(), HandClock::new() as _).unwrap();
        let error = client.send(&write()).await.unwrap_err();
        let base = server.url.trim_end_matches("client/api");
        assert!(matches!(&error, Error::Redirected { to, .. } if *to == format!("{base}client/")), "{error:?}");
        assert!(!format!("{error:?} {}", chain(&error)).contains("apikey"));
        assert_eq!(server.received().len(), 1);
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_the_end() {
    let server = Server::start(|_, _| Act::Answer { status: 200, headers: Vec::new(), body: vec![b' '; (64 << 20) + 1] });
    let (client, _) = client(&server);
    let error = client.send(&lone_read()).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { what: "the answer", .. }), "{error:?}");
    let error = client.send(&write()).await.unwrap_err();
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error:?}");
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn a_packed_answer_is_unpacked() {
    let packed = [
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 170, 80, 178, 170, 86, 42, 46, 77, 78, 78, 45, 46, 86, 178, 42, 41, 42, 77, 173, 173, 5, 0, 139, 19, 34, 242,
        22, 0, 0, 0,
    ];
    let server = Server::start(move |_, _| Act::Answer { status: 200, headers: vec![("content-encoding", "gzip".to_owned())], body: packed.to_vec() });
    let reply = client(&server).0.send(&write()).await.unwrap();
    assert_eq!(reply.envelope, "x");
}

#[tokio::test]
async fn leftovers_of_a_refused_write_are_told() {
    let body = json!({"deployvirtualmachineresponse": {"uuidList": [{"uuid": "u", "description": "virtualmachineid"}], "errorcode": 530, "errortext": "no"}});
    let server = Server::start(move |_, _| Act::json(530, &body));
    let Err(Error::Refused(fault)) = client(&server).0.send(&job_write()).await else { panic!("refused") };
    assert_eq!(fault.leftovers[0].id, "u");
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_told_from_a_server_that_is_down() {
    let clock = HandClock::new();
    let client = Client::new(&Endpoint::new("http://no-such-host.invalid/client/api"), keys(), clock as _).unwrap();
    let error = client.send(&lone_read()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { kind: UnreachableKind::Dns, .. }), "{error:?}");
}

#[tokio::test]
async fn a_get_that_fails_shows_neither_key_nor_signature() {
    let server = Server::start(|_, _| Act::Cut);
    let endpoint = Endpoint { http_method: HttpMethod::Get, ..Endpoint::new(&server.url) };
    let credentials = Credentials::Keys { api_key: "KEYKEY".to_owned(), secret_key: "SECRET".into() };
    let client = Client::new(&endpoint, credentials, HandClock::new() as _).unwrap();
    let error = client.send(&write()).await.unwrap_err();
    let shown = format!("{error:?} {} {client:?}", chain(&error));
    assert!(!shown.contains("KEYKEY") && !shown.contains("SECRET") && !shown.contains("signature="), "{shown}");
}

#[test]
fn an_endpoint_that_cannot_be_used_is_refused_at_once() {
    let faulty = [
        Endpoint::new("cloud.example"),
        Endpoint { rate: Some(0.0), ..Endpoint::new("http://cloud.example") },
        Endpoint { ca_file: Some("/nowhere/ca.pem".into()), ..Endpoint::new("https://cloud.example") },
        Endpoint { proxy: Some("::SECRET::".to_owned()), ..Endpoint::new("http://cloud.example") },
    ];
    for endpoint in faulty {
        let Err(error) = Client::new(&endpoint, Credentials::None, HandClock::new() as _) else { panic!("{endpoint:?}") };
        assert!(
            matches!(error, Error::Config(ConfigFault::Url { .. } | ConfigFault::Rate { .. } | ConfigFault::CaFile { .. } | ConfigFault::Proxy(_))),
            "{error:?}"
        );
        assert!(!chain(&error).contains("SECRET"), "{}", chain(&error));
    }
}

#[tokio::test]
async fn a_proxy_is_used_when_one_is_named() {
    let proxy = Server::start(|_, _| Act::json(200, &json!({"x": {"success": true}})));
    let address = proxy.url.trim_end_matches("/client/api").to_owned();
    let endpoint = Endpoint { proxy: Some(address), ..Endpoint::new("http://cloud.example/client/api") };
    Client::new(&endpoint, keys(), HandClock::new() as _).unwrap().send(&write()).await.unwrap();
    assert_eq!(proxy.received()[0].path, "http://cloud.example/client/api");
}
