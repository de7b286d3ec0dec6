//! Second factors: a session without its code may do nothing, and calls with keys need none.

use std::collections::BTreeMap;

use cloudstack_api::wire::{Pair, form};
use cloudstack_sim::{Cloud, Method, WireAnswer, WireRequest};
use serde_json::Value;

use crate::scene::{fresh, identity, ok};

type Cookies = BTreeMap<String, String>;

fn ask(cloud: &Cloud, command: &str, arguments: &[(&str, &str)], cookies: &Cookies) -> (WireAnswer, Value) {
    let own = [("command", command), ("response", "json")];
    let pairs: Vec<Pair> = own.iter().chain(arguments).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let answer = cloud.answer(&WireRequest { method: Method::Post, query: String::new(), body: form(&pairs), cookies: cookies.clone() });
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let inside = body.as_object().and_then(|members| members.values().next()).cloned().unwrap_or_default();
    (answer, inside)
}

/// A session of `dev`: what the login says, its cookies, its key.
fn login(cloud: &Cloud) -> (Value, Cookies, String) {
    let dev = identity(cloud, "dev");
    let (answer, body) = ask(cloud, "login", &[("username", &dev.username), ("password", &dev.password), ("domain", "acme")], &Cookies::new());
    let set = answer.headers.iter().filter(|(name, _)| *name == "set-cookie").map(|(_, cookie)| cookie.split(';').next().unwrap());
    let cookies: Cookies = set.map(|cookie| cookie.split_once('=').unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let key = cookies["sessionkey"].clone();
    (body, cookies, key)
}

#[test]
fn a_session_without_its_code_may_do_nothing_and_ends() {
    let cloud = fresh();
    ok(&cloud, "admin", "updateConfiguration", &[("name", "enable.user.2fa"), ("value", "true")]);
    let (body, cookies, key) = login(&cloud);
    assert_eq!((body["is2faenabled"].as_str(), body["is2faverified"].as_str()), (Some("false"), Some("true")));
    let made = ok(&cloud, "dev", "setupUserTwoFactorAuthentication", &[("enable", "true"), ("provider", "staticpin")]);
    let pin = made["setup2fa"]["secretcode"].as_str().unwrap().to_owned();
    let (answer, _) = ask(&cloud, "validateUserTwoFactorAuthenticationCode", &[("codefor2fa", &pin), ("sessionkey", &key)], &cookies);
    assert_eq!(answer.status, 200, "{}", answer.body);

    let (body, cookies, key) = login(&cloud);
    assert_eq!((body["is2faenabled"].as_str(), body["is2faverified"].as_str()), (Some("true"), Some("false")));
    assert_eq!(body["providerfor2fa"], "staticpin");
    assert_eq!(ask(&cloud, "listZones", &[("sessionkey", &key)], &cookies).0.status, 511);
    assert_eq!(ask(&cloud, "listZones", &[("sessionkey", &key)], &cookies).0.status, 401, "the session is over");

    let (_, cookies, key) = login(&cloud);
    let validate = |code: &str| ask(&cloud, "validateUserTwoFactorAuthenticationCode", &[("codefor2fa", code), ("sessionkey", &key)], &cookies);
    assert_eq!(validate("").0.status, 531);
    assert_eq!(validate(&pin).1["success"], true);
    assert_eq!(ask(&cloud, "listZones", &[("sessionkey", &key)], &cookies).0.status, 200);
    ok(&cloud, "dev", "listZones", &[]);
}

#[test]
fn a_factor_that_was_never_used_is_gone_at_the_next_login() {
    let cloud = fresh();
    ok(&cloud, "admin", "updateConfiguration", &[("name", "enable.user.2fa"), ("value", "true")]);
    ok(&cloud, "dev", "setupUserTwoFactorAuthentication", &[("enable", "true")]);
    assert_eq!(ok(&cloud, "dev", "listUsers", &[])["user"][0]["is2faenabled"], true);
    assert_eq!(login(&cloud).0["is2faenabled"], "false");
    assert_eq!(ok(&cloud, "dev", "listUsers", &[])["user"][0]["is2faenabled"], false);
}

#[test]
fn where_it_is_mandated_sessions_set_it_up_before_anything_else() {
    let cloud = fresh();
    for name in ["enable.user.2fa", "mandate.user.2fa"] {
        ok(&cloud, "admin", "updateConfiguration", &[("name", name), ("value", "true")]);
    }
    assert_eq!(ok(&cloud, "dev", "listUsers", &[])["user"][0]["is2famandated"], true);
    let (_, cookies, key) = login(&cloud);
    let (answer, body) = ask(&cloud, "setupUserTwoFactorAuthentication", &[("enable", "true"), ("sessionkey", &key)], &cookies);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(body["setup2fa"]["secretcode"].is_string(), "{body}");
    let (wrong, body) = ask(&cloud, "validateUserTwoFactorAuthenticationCode", &[("codefor2fa", "x"), ("sessionkey", &key)], &cookies);
    assert_eq!((wrong.status, body["cserrorcode"].as_u64()), (511, Some(4295)));
}
