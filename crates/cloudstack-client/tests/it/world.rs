//! What most tests need: calls of real commands, and clients with keys.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use cloudstack_api::{
    call::{self, Call},
    catalog::{Catalog, Release},
};
use cloudstack_client::{Client, Credentials, Endpoint, Timeouts};
use serde_json::{Value, json};

use crate::{clock::HandClock, server::Server};

pub(crate) const VM: &str = "6f1f4a4b-7b0e-4c53-9d6c-0d2f6e3c8a01";
pub(crate) const JOB: &str = "0c2f9a1e-52c1-4b07-8a51-7d9b8a1f6f02";

fn call_of(name: &str, arguments: &Value) -> Call {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    let catalog = CATALOG.get_or_init(|| Catalog::embedded(Release::NEWEST));
    let command = catalog.command(name).unwrap();
    call::check(catalog, &command, arguments.as_object().unwrap()).unwrap().resolve(&[])
}

/// A read that takes pages.
pub(crate) fn read() -> Call {
    call_of("listZones", &json!({}))
}

/// A read that takes no pages.
pub(crate) fn lone_read() -> Call {
    call_of("listCapabilities", &json!({}))
}

/// A write that answers when it is done.
pub(crate) fn write() -> Call {
    call_of("createDomain", &json!({"name": "acme"}))
}

/// A write that starts a job.
pub(crate) fn job_write() -> Call {
    call_of("rebootVirtualMachine", &json!({"id": VM}))
}

/// A write that starts a job and makes an object.
pub(crate) fn making_write() -> Call {
    call_of("createVolume", &json!({"name": "data", "diskofferingid": VM, "zoneid": VM}))
}

pub(crate) fn keys() -> Credentials {
    Credentials::Keys { api_key: "key".to_owned(), secret_key: "secret".into() }
}

/// An endpoint whose answers must come soon, since some tests wait for one that does not.
pub(crate) fn endpoint(server: &Server) -> Endpoint {
    let soon = Duration::from_millis(150);
    Endpoint { timeouts: Timeouts { connect: Duration::from_secs(5), read: soon, write: soon }, ..Endpoint::new(&server.url) }
}

pub(crate) fn client(server: &Server) -> (Client, Arc<HandClock>) {
    let clock = HandClock::new();
    let patient = Timeouts { connect: Duration::from_secs(5), read: Duration::from_secs(20), write: Duration::from_secs(20) };
    let endpoint = Endpoint { timeouts: patient, ..Endpoint::new(&server.url) };
    (Client::new(&endpoint, keys(), Arc::clone(&clock) as _).unwrap(), clock)
}

/// A client that does not wait long for answers.
pub(crate) fn hasty_client(server: &Server) -> (Client, Arc<HandClock>) {
    let clock = HandClock::new();
    (Client::new(&endpoint(server), keys(), Arc::clone(&clock) as _).unwrap(), clock)
}
