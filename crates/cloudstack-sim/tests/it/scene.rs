//! A cloud, and somebody who calls it with keys.

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc, time::Duration};

use cloudstack_api::{
    catalog::{Catalog, Release},
    clock::Clock,
    wire::{Digest, Pair, form, signature},
};
use cloudstack_sim::{Cloud, Identity, JobSpeed, Method, Plugins, TimeMode, Tuning, WireAnswer, WireRequest, WorldOptions};
use serde_json::Value;

/// A clock that stands still; explicit worlds move by `advance` alone.
#[derive(Debug)]
pub(crate) struct Still;

/// Where the clock stands.
pub(crate) const NOW: Duration = Duration::from_secs(1_790_000_000);

impl Clock for Still {
    fn now(&self) -> Duration {
        NOW
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}

pub(crate) fn options() -> WorldOptions {
    WorldOptions { clock: TimeMode::Explicit, tuning: Tuning { speed: JobSpeed::Instant, ..Tuning::default() }, ..WorldOptions::default() }
}

pub(crate) fn cloud(options: WorldOptions) -> Cloud {
    Cloud::new(options, Arc::new(Catalog::embedded(options.release)), Arc::new(Still))
}

pub(crate) fn fresh() -> Cloud {
    cloud(options())
}

pub(crate) fn of_release(release: Release, plugins: Plugins) -> Cloud {
    cloud(WorldOptions { release, plugins, ..options() })
}

pub(crate) fn identity(cloud: &Cloud, name: &str) -> Identity {
    cloud.identities().into_iter().find(|identity| identity.name == name).unwrap()
}

pub(crate) fn signed(identity: &Identity, command: &str, arguments: &[(&str, &str)]) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    pairs.push(("command".to_owned(), command.to_owned()));
    pairs.push(("response".to_owned(), "json".to_owned()));
    pairs.push(("apiKey".to_owned(), identity.api_key.clone()));
    let signature = signature(&pairs, &identity.secret_key, Digest::Sha1);
    pairs.push(("signature".to_owned(), signature));
    pairs
}

pub(crate) fn send(cloud: &Cloud, pairs: &[Pair]) -> WireAnswer {
    cloud.answer(&WireRequest { method: Method::Post, query: String::new(), body: form(pairs), cookies: BTreeMap::new() })
}

/// The status, the envelope and what is in it.
pub(crate) fn call(cloud: &Cloud, who: &str, command: &str, arguments: &[(&str, &str)]) -> (u16, String, Value) {
    let answer = send(cloud, &signed(&identity(cloud, who), command, arguments));
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{command}: {}", answer.body));
    let (envelope, inside) = body.as_object().and_then(|members| members.iter().next()).unwrap();
    assert_eq!(body.as_object().unwrap().len(), 1);
    (answer.status, envelope.clone(), inside.clone())
}

pub(crate) fn ok(cloud: &Cloud, who: &str, command: &str, arguments: &[(&str, &str)]) -> Value {
    let (status, _, body) = call(cloud, who, command, arguments);
    assert_eq!(status, 200, "{command} {arguments:?}: {body}");
    body
}

/// How a call is refused, at once or by the job that it starts.
pub(crate) fn refused(cloud: &Cloud, who: &str, command: &str, arguments: &[(&str, &str)]) -> (u16, String) {
    let (status, _, body) = call(cloud, who, command, arguments);
    if let Some(job) = body["jobid"].as_str() {
        let ended = ok(cloud, who, "queryAsyncJobResult", &[("jobid", job)]);
        assert_eq!(ended["jobstatus"], 2, "{command} {arguments:?}: {ended}");
        let code = ended["jobresultcode"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap();
        return (code, ended["jobresult"]["errortext"].as_str().unwrap().to_owned());
    }
    assert_ne!(status, 200, "{command} {arguments:?}: {body}");
    assert_eq!(body["errorcode"], status);
    (status, body["errortext"].as_str().unwrap().to_owned())
}

/// The code with which a call fails, at once or in its job.
pub(crate) fn fails(cloud: &Cloud, who: &str, command: &str, arguments: &[(&str, &str)]) -> (u16, String) {
    let (status, _, body) = call(cloud, who, command, arguments);
    let told = |fault: &Value| (u16::try_from(fault["errorcode"].as_u64().unwrap()).unwrap(), fault["errortext"].as_str().unwrap().to_owned());
    if status != 200 {
        return told(&body);
    }
    let id = body["jobid"].as_str().unwrap_or_else(|| panic!("{command} {arguments:?} works: {body}"));
    let ended = ok(cloud, who, "queryAsyncJobResult", &[("jobid", id)]);
    assert_eq!(ended["jobstatus"], 2, "{command} {arguments:?}: {ended}");
    told(&ended["jobresult"])
}

/// Runs an asynchronous command and polls its job.
pub(crate) fn job(cloud: &Cloud, who: &str, command: &str, arguments: &[(&str, &str)]) -> Value {
    let started = ok(cloud, who, command, arguments);
    let id = started["jobid"].as_str().unwrap_or_else(|| panic!("{command}: {started}"));
    ok(cloud, who, "queryAsyncJobResult", &[("jobid", id)])
}

/// The id of the only object that a list answers with.
pub(crate) fn id_of(cloud: &Cloud, who: &str, command: &str, arguments: &[(&str, &str)]) -> String {
    let body = ok(cloud, who, command, arguments);
    let list = body.as_object().unwrap().values().find_map(Value::as_array).unwrap_or_else(|| panic!("{command}: {body}"));
    list[0]["id"].as_str().unwrap().to_owned()
}
