//! Sessions: opened, kept, opened again, never mixed with keys.

use std::sync::{Arc, Mutex};

use cloudstack_client::{Client, Credentials, Endpoint, Error, HttpMethod, UnreachableKind};
use serde_json::json;

use crate::{
    clock::HandClock,
    server::{Act, Received, Server},
    world::{client, hasty_client, lone_read, write},
};

fn password() -> Credentials {
    Credentials::Password { username: "ada".to_owned(), password: "pass word~".into(), domain: Some("/acme".to_owned()) }
}

fn client_of(server: &Server) -> (Client, Arc<HandClock>) {
    let clock = HandClock::new();
    (Client::new(&Endpoint::new(&server.url), password(), Arc::clone(&clock) as _).unwrap(), clock)
}

fn logged_in(number: usize) -> Act {
    let body =
        json!({"loginresponse": {"username": "ada", "timeout": 1800, "sessionkey": format!("key-{number}"), "is2faenabled": "false", "is2faverified": "true"}});
    Act::json(200, &body)
        .header("set-cookie", format!("JSESSIONID=id-{number}.node0; Path=/client"))
        .header("set-cookie", format!("sessionkey=key-{number};HttpOnly;SameSite=Lax"))
}

fn fine() -> Act {
    Act::json(200, &json!({"x": {"success": true}}))
}

fn dead() -> Act {
    Act::refusal(401, "x", "unable to verify user credentials")
}

/// A server with one session at a time; `kills` says before which request, counted without logins, it dies.
fn server(kills: &'static [usize]) -> Server {
    let state = Mutex::new((0, String::new(), 0));
    Server::start(move |number, received: &Received| {
        let mut state = state.lock().unwrap();
        if received.command() == "login" {
            state.1 = format!("key-{number}");
            return logged_in(number);
        }
        if kills.contains(&state.0) && state.2 != state.0 + 1 {
            state.2 = state.0 + 1;
            state.1.clear();
        }
        let cookie = received.headers.get("cookie").cloned().unwrap_or_default();
        let key = received.argument("sessionkey");
        if key.is_empty() || key != state.1 || !cookie.contains(&format!("sessionkey={key}")) || !cookie.contains("JSESSIONID=") {
            return dead();
        }
        state.0 += 1;
        fine()
    })
}

#[tokio::test]
async fn the_first_call_logs_in_and_the_others_use_the_session() {
    let server = server(&[]);
    let (client, _) = client_of(&server);
    client.send(&write()).await.unwrap();
    client.send(&lone_read()).await.unwrap();
    assert_eq!(server.commands(), ["login", "createDomain", "listCapabilities"]);
    let received = server.received();
    let login = &received[0];
    assert_eq!((login.in_url, login.argument("username"), login.argument("password"), login.argument("domain")), (false, "ada", "pass word~", "/acme"));
    assert!(received.iter().all(|received| !received.arguments.contains_key("apikey") && !received.arguments.contains_key("signature")));
    assert!(!login.headers.contains_key("cookie"));
    assert_eq!(received[1].headers["cookie"], "JSESSIONID=id-0.node0; sessionkey=key-0");
}

#[tokio::test]
async fn a_session_that_died_is_opened_again_once_and_the_call_goes_through() {
    let server = server(&[1]);
    let (client, _) = client_of(&server);
    client.send(&write()).await.unwrap();
    client.send(&write()).await.unwrap();
    assert_eq!(server.commands(), ["login", "createDomain", "createDomain", "login", "createDomain"]);
}

#[tokio::test]
async fn a_server_that_knows_no_session_is_not_asked_for_ever() {
    let server = Server::start(|number, received| if received.command() == "login" { logged_in(number) } else { dead() });
    let Err(Error::Refused(fault)) = client_of(&server).0.send(&write()).await else { panic!("refused") };
    assert_eq!(fault.code, 401);
    assert_eq!(server.commands(), ["login", "createDomain", "login", "createDomain"]);
}

#[tokio::test]
async fn calls_side_by_side_log_in_once() {
    let server = server(&[]);
    let (client, _) = client_of(&server);
    let (read, write) = (lone_read(), write());
    let (first, second, third) = tokio::join!(client.send(&read), client.send(&write), client.send(&read));
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert_eq!(server.commands().iter().filter(|command| *command == "login").count(), 1);
}

#[tokio::test]
async fn a_refused_login_is_not_tried_again_for_a_minute() {
    let server = Server::start(|_, _| Act::refusal(531, "loginresponse", "Failed to authenticate user ada in domain 2; please provide valid credentials"));
    let (client, clock) = client_of(&server);
    for _ in 0..3 {
        let error = client.send(&write()).await.unwrap_err();
        assert!(matches!(&error, Error::LoginRefused { username, fault } if username == "ada" && fault.code == 531), "{error:?}");
    }
    assert_eq!(server.received().len(), 1);
    use cloudstack_api::clock::Clock as _;
    clock.sleep(std::time::Duration::from_secs(61)).await;
    client.send(&write()).await.unwrap_err();
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn a_second_factor_is_named_as_what_is_missing() {
    let enabled = json!({"loginresponse": {"sessionkey": "k", "is2faenabled": "true", "is2faverified": "false"}});
    let at_login = Server::start(move |_, _| Act::json(200, &enabled));
    let later = Server::start(|number, received| if received.command() == "login" { logged_in(number) } else { Act::refusal(511, "x", "2FA") });
    for server in [at_login, later] {
        let error = client_of(&server).0.send(&write()).await.unwrap_err();
        assert!(matches!(&error, Error::SecondFactor { username } if username == "ada"), "{error:?}");
        assert!(error.to_string().contains("API keys"));
    }
}

#[tokio::test]
async fn a_login_that_is_lost_leaves_no_outcome_unknown() {
    let server = Server::start(|_, _| Act::Cut);
    let error = client_of(&server).0.send(&write()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { kind: UnreachableKind::Broken, .. }), "{error:?}");
    let server = Server::start(|_, _| Act::page(200, "Captive Portal"));
    let error = client_of(&server).0.send(&write()).await.unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
    assert!(server.commands().iter().all(|command| command == "login"));
}

#[tokio::test]
async fn a_login_by_url_is_never_made() {
    let server = server(&[]);
    let endpoint = Endpoint { http_method: HttpMethod::Get, ..Endpoint::new(&server.url) };
    Client::new(&endpoint, password(), HandClock::new() as _).unwrap().send(&write()).await.unwrap();
    assert_eq!(server.received().iter().map(|received| received.in_url).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn closing_a_session_logs_out_and_the_next_call_logs_in() {
    let server = server(&[]);
    let (client, _) = client_of(&server);
    client.log_out().await;
    client.send(&write()).await.unwrap();
    client.log_out().await;
    client.send(&write()).await.unwrap();
    assert_eq!(server.commands(), ["login", "createDomain", "logout", "login", "createDomain"]);
}

#[tokio::test]
async fn cookies_that_a_server_sets_are_not_sent_with_signed_calls() {
    let server = Server::start(|_, _| fine().header("set-cookie", "JSESSIONID=stolen; Path=/client"));
    for client in [client(&server).0, hasty_client(&server).0] {
        client.send(&write()).await.unwrap();
        client.send(&write()).await.unwrap();
    }
    assert!(server.received().iter().all(|received| !received.headers.contains_key("cookie")));
}
