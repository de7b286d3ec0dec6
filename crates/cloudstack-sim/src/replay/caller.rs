//! Requests as our cloud takes them: with our ids, our keys, our sessions, and signatures made anew.

use std::collections::{BTreeMap, HashMap};

use cloudstack_api::wire::{Digest, Pair, form, signature};
use serde_json::Value;

use super::{
    ids::Ids,
    recording::{Body, Exchange},
};
use crate::cloud::{Cloud, Method, WireAnswer, WireRequest};

/// What stands behind the name of an identity whose signature is made with another secret.
const WRONG_SECRET: &str = "-wrong-secret";
/// Who calls with a session.
const SESSION: &str = "session";
/// What the note says of a call whose command was spelled in another case than its signature.
const RESPELLED: &str = "signature is case-blind";
/// The scenario in which some signatures are wrong on purpose.
const WRONG_SIGNATURES: &str = "wire";

#[derive(Clone, Debug)]
struct Keys {
    api: String,
    secret: String,
}

/// The identities of the recordings and the keys that our cloud gave them.
#[derive(Debug)]
pub(super) struct Callers {
    keys: HashMap<String, Keys>,
    /// The names behind recorded ids of users.
    users: HashMap<String, String>,
    cookies: BTreeMap<String, String>,
}

impl Callers {
    /// Nobody but root, the first identity of the cloud.
    pub(super) fn new(cloud: &Cloud) -> Self {
        let root = cloud.identities().into_iter().next();
        let keys = root.map(|root| ("root".to_owned(), Keys { api: root.api_key, secret: root.secret_key }));
        Self { keys: keys.into_iter().collect(), users: HashMap::new(), cookies: BTreeMap::new() }
    }

    /// The request that stands for a recorded one.
    pub(super) fn request(&mut self, scenario: &str, exchange: &Exchange, ids: &Ids, cloud: &Cloud) -> WireRequest {
        let mut pairs: Vec<Pair> = exchange.arguments.iter().map(|(name, value)| (name.clone(), ids.substituted(value))).collect();
        // An answer under `null` says that the server saw no command: its name was spelled in another case.
        let is_unseen = matches!(&exchange.body, Body::Json(body) if body.get("null").is_some());
        let name = if is_unseen { "COMMAND" } else { "command" };
        // The note says that the command itself was spelled in another case, which the signature does not tell.
        let is_respelled = exchange.note.contains(RESPELLED);
        let command = if is_respelled { exchange.command.to_ascii_lowercase() } else { exchange.command.clone() };
        pairs.push((name.to_owned(), command));
        let caller = exchange.caller.as_deref();
        if caller == Some(SESSION) {
            return spelled(exchange.method, &pairs, self.cookies.clone());
        }
        if !pairs.iter().any(|(name, _)| name == "response") {
            pairs.push(("response".to_owned(), "json".to_owned()));
        }
        if let Some(caller) = caller {
            let mut keys = self.keys(caller, cloud);
            if is_signed_wrongly(scenario, exchange) {
                keys.secret.push('x');
            }
            sign(&mut pairs, &keys);
        }
        spelled(exchange.method, &pairs, BTreeMap::new())
    }

    fn keys(&mut self, caller: &str, cloud: &Cloud) -> Keys {
        if let Some(name) = caller.strip_suffix(WRONG_SECRET) {
            let keys = self.keys(name, cloud);
            return Keys { secret: format!("{}x", keys.secret), ..keys };
        }
        if let Some(keys) = self.keys.get(caller) {
            return keys.clone();
        }
        let keys = self.fresh_keys(caller, cloud);
        if let Some(keys) = &keys {
            self.keys.insert(caller.to_owned(), keys.clone());
        }
        keys.unwrap_or_else(|| Keys { api: caller.to_owned(), secret: caller.to_owned() })
    }

    /// Asks our cloud for keys of a user by name: recordings may begin after the keys were made.
    fn fresh_keys(&mut self, username: &str, cloud: &Cloud) -> Option<Keys> {
        let arguments = [("username", username), ("listall", "true")];
        let users = self.as_root(cloud, "listUsers", &arguments)?;
        let id = users.pointer("/listusersresponse/user/0/id")?.as_str()?.to_owned();
        let made = self.as_root(cloud, "registerUserKeys", &[("id", &id)])?;
        keys_of(made.pointer("/registeruserkeysresponse/userkeys")?)
    }

    /// Calls our cloud as root, beside the recordings.
    pub(super) fn as_root(&self, cloud: &Cloud, command: &str, arguments: &[(&str, &str)]) -> Option<Value> {
        let all = [("command", command), ("response", "json")].into_iter().chain(arguments.iter().copied());
        let mut pairs: Vec<Pair> = all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        sign(&mut pairs, self.keys.get("root")?);
        let answer = cloud.answer(&spelled(Method::Post, &pairs, BTreeMap::new()));
        serde_json::from_str(&answer.body).ok()
    }

    /// Learns keys, sessions and names of users from an answer.
    pub(super) fn learn(&mut self, exchange: &Exchange, answer: &WireAnswer, ids: &mut Ids) {
        if exchange.caller.as_deref() == Some(SESSION) {
            self.learn_cookies(answer);
        }
        let Body::Json(recorded) = &exchange.body else { return };
        let command = exchange.command.to_ascii_lowercase();
        if command.contains("user") || command.contains("account") {
            self.learn_users(recorded);
        }
        if !(command.ends_with("userkeys") || command == "login") {
            return;
        }
        let Ok(ours) = serde_json::from_str::<Value>(&answer.body) else { return };
        let recorded_session = recorded.pointer("/loginresponse/sessionkey").and_then(Value::as_str);
        if let (Some(recorded), Some(ours)) = (recorded_session, ours.pointer("/loginresponse/sessionkey").and_then(Value::as_str)) {
            ids.learn_text(recorded, ours);
        }
        for name in ["apikey", "secretkey"] {
            let key = |body: &Value| Some(body.as_object()?.values().next()?.get("userkeys")?.get(name)?.as_str()?.to_owned());
            if let (Some(recorded), Some(ours)) = (key(recorded), key(&ours)) {
                ids.learn_text(&recorded, &ours);
            }
        }
        let made = ours.as_object().and_then(|body| body.values().next()).and_then(|body| body.get("userkeys")).and_then(keys_of);
        let user = exchange.arguments.iter().find(|(name, _)| name == "id").and_then(|(_, id)| self.users.get(id)).cloned();
        if let (Some(user), Some(keys)) = (user, made) {
            self.keys.insert(user, keys);
        }
    }

    fn learn_cookies(&mut self, answer: &WireAnswer) {
        for (name, value) in &answer.headers {
            let cookie = value.split(';').next().and_then(|cookie| cookie.split_once('='));
            if name.eq_ignore_ascii_case("set-cookie")
                && let Some((name, value)) = cookie
            {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    fn learn_users(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                if let (Some(id), Some(name)) = (members.get("id").and_then(Value::as_str), members.get("username").and_then(Value::as_str)) {
                    self.users.insert(id.to_owned(), name.to_owned());
                }
                members.values().for_each(|value| self.learn_users(value));
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_users(item)),
            _ => {}
        }
    }
}

fn keys_of(value: &Value) -> Option<Keys> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(Keys { api: text("apikey")?, secret: text("secretkey")? })
}

/// Whether the recorder signed wrongly on purpose: the signature itself is not recorded, the refusal is.
fn is_signed_wrongly(scenario: &str, exchange: &Exchange) -> bool {
    const UNAUTHORIZED: u16 = 401;
    let is_own_envelope = match &exchange.body {
        Body::Json(body) => body.get("errorresponse").is_none(),
        Body::Text(text) => !text.contains("errorresponse"),
    };
    let is_dated = exchange.arguments.iter().any(|(name, _)| name == "signatureversion");
    scenario == WRONG_SIGNATURES && exchange.status == UNAUTHORIZED && is_own_envelope && !is_dated
}

fn sign(pairs: &mut Vec<Pair>, keys: &Keys) {
    pairs.push(("apiKey".to_owned(), keys.api.clone()));
    let signature = signature(pairs, &keys.secret, Digest::Sha1);
    pairs.push(("signature".to_owned(), signature));
}

fn spelled(method: Method, pairs: &[Pair], cookies: BTreeMap<String, String>) -> WireRequest {
    let text = form(pairs);
    match method {
        Method::Get => WireRequest { method, query: text, body: String::new(), cookies },
        Method::Post => WireRequest { method, query: String::new(), body: text, cookies },
    }
}
