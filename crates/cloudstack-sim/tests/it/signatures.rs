//! Who may call: signatures, expiries, roles and the envelopes of refusals.

use std::collections::BTreeMap;

use cloudstack_api::wire::{Digest, Pair, form, signature};
use cloudstack_sim::{Method, WireRequest};

use crate::scene::{call, fresh, identity, send, signed};

fn status_of(pairs: &[Pair]) -> (u16, String) {
    let answer = send(&fresh(), pairs);
    (answer.status, answer.body)
}

fn resigned(mut pairs: Vec<Pair>, more: &[(&str, &str)], digest: Digest) -> Vec<Pair> {
    let secret = identity(&fresh(), "dev").secret_key;
    pairs.retain(|(name, _)| name != "signature");
    pairs.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let text = signature(&pairs, &secret, digest);
    pairs.push(("signature".to_owned(), text));
    pairs
}

fn of_dev() -> Vec<Pair> {
    signed(&identity(&fresh(), "dev"), "listZones", &[])
}

#[test]
fn a_good_signature_is_taken_and_a_bad_one_refused_in_the_own_envelope() {
    assert_eq!(status_of(&of_dev()).0, 200);
    let mut wrong = of_dev();
    wrong.last_mut().unwrap().1.push('x');
    let (status, body) = status_of(&wrong);
    assert_eq!(
        (status, body.as_str()),
        (401, r#"{"listzonesresponse":{"uuidList":[],"errorcode":401,"errortext":"unable to verify user credentials and/or request signature"}}"#)
    );
    assert_eq!(status_of(&resigned(of_dev(), &[], Digest::Sha512)).0, 401);
}

#[test]
fn an_expiry_counts_with_version_three_only() {
    let at = |version: &str, expires: &str| status_of(&resigned(of_dev(), &[("signatureversion", version), ("expires", expires)], Digest::Sha1)).0;
    assert_eq!(at("3", "2027-01-01T00:00:00+0000"), 200);
    assert_eq!(at("3", "2020-01-01T00:00:00+0000"), 401);
    assert_eq!(at("3", "soon"), 401);
    assert_eq!(at("1", "2020-01-01T00:00:00+0000"), 200);
}

#[test]
fn an_unknown_command_and_a_forbidden_one_come_under_errorresponse() {
    let cloud = fresh();
    let (status, envelope, _) = call(&cloud, "dev", "listzones", &[]);
    assert_eq!((status, envelope.as_str()), (401, "errorresponse"));
    let (status, envelope, body) = call(&cloud, "dev", "listHosts", &[]);
    assert_eq!((status, envelope.as_str()), (432, "errorresponse"));
    assert!(body["errortext"].as_str().unwrap().starts_with("The API [listHosts] does not exist or is not available for the account for user id ["));
}

#[test]
fn the_role_is_looked_at_before_the_signature() {
    let cloud = fresh();
    let mut pairs = signed(&identity(&cloud, "dev"), "listHosts", &[]);
    pairs.last_mut().unwrap().1 = "wrong".to_owned();
    assert_eq!(send(&cloud, &pairs).status, 432);
}

#[test]
fn control_characters_are_refused_after_the_signature() {
    let cloud = fresh();
    let (status, _, body) = call(&cloud, "dev", "listVirtualMachines", &[("keyword", "tab\there")]);
    assert_eq!((status, body["errortext"].as_str().unwrap()), (431, "Received value containing illegal ASCII non-printable characters for parameter keyword"));
}

#[test]
fn without_json_the_answer_is_xml() {
    let mut pairs = of_dev();
    pairs.retain(|(name, _)| name != "response");
    let (status, body) = status_of(&resigned(pairs, &[], Digest::Sha1));
    assert_eq!(status, 200);
    assert!(
        body.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?><listzonesresponse cloud-stack-version=\"4.22.1.0\"><count>1</count><zone><id>"),
        "{body}"
    );
}

fn cookie(headers: &[(&'static str, String)], name: &str) -> String {
    let start = format!("{name}=");
    let line = headers.iter().find(|(header, value)| *header == "set-cookie" && value.starts_with(&start)).unwrap();
    line.1[start.len()..].split(';').next().unwrap().to_owned()
}

#[test]
fn a_session_needs_its_key_twice_and_dies_without_it() {
    let cloud = fresh();
    let dev = identity(&cloud, "dev");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let ask = |pairs: &[Pair], cookies: &BTreeMap<String, String>| {
        cloud.answer(&WireRequest { method: Method::Post, query: String::new(), body: form(pairs), cookies: cookies.clone() })
    };
    let wrong =
        ask(&[pair("command", "login"), pair("username", "dev"), pair("password", "no"), pair("domain", "/acme"), pair("response", "json")], &BTreeMap::new());
    assert_eq!(wrong.status, 531);
    let login = ask(
        &[pair("command", "login"), pair("username", "DEV"), pair("password", &dev.password), pair("domain", "acme"), pair("response", "json")],
        &BTreeMap::new(),
    );
    assert_eq!(login.status, 200, "{}", login.body);
    let key = cookie(&login.headers, "sessionkey");
    let cookies = BTreeMap::from([("JSESSIONID".to_owned(), cookie(&login.headers, "JSESSIONID")), ("sessionkey".to_owned(), key.clone())]);
    let list = |key: &str| ask(&[pair("command", "listZones"), pair("response", "json"), pair("sessionkey", key)], &cookies);
    assert_eq!(list(&key).status, 200);
    assert_eq!(list("other").status, 401);
    assert_eq!(list(&key).status, 401, "the session is dead");
}
