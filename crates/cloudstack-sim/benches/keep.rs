//! What keeping a world costs, and how long a start from a journal takes. Run it with `cargo bench -p cloudstack-sim --bench keep`.
//!
//! Figures, not tests: disks differ most of all. Without optimisation the journal is short, so that the file stays runnable.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "figures are for people")]

use std::{
    fs,
    future::Future,
    path::Path,
    pin::Pin,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use cloudstack_api::{
    catalog::{Catalog, Release},
    clock::Clock,
    wire::{Digest, Pair, form, signature},
};
use cloudstack_sim::{Cloud, JobSpeed, Method, Recovery, Tuning, WireRequest, WorldOptions};
use tempfile::TempDir;

/// How many calls a journal has.
const CALLS: usize = if cfg!(debug_assertions) { 300 } else { 10_000 };
/// How many call at once.
const CALLERS: usize = 32;
/// Thousandths, for figures in milliseconds.
const MILLI: f64 = 1_000.0;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Duration {
        Duration::from_secs(1_790_000_000)
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is a measurement")]
fn took<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let outcome = work();
    (outcome, start.elapsed())
}

fn options() -> WorldOptions {
    WorldOptions { tuning: Tuning { speed: JobSpeed::Instant, limits: false, ..Tuning::default() }, ..WorldOptions::default() }
}

fn kept(path: &Path) -> (Cloud, Recovery) {
    Cloud::keep(options(), Arc::new(Catalog::embedded(Release::NEWEST)), Arc::new(Still), path).unwrap()
}

fn request(cloud: &Cloud, command: &str, arguments: &[(&str, &str)]) -> WireRequest {
    let identity = cloud.identities().into_iter().next().unwrap();
    let mut pairs: Vec<Pair> = arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for (name, value) in [("command", command), ("response", "json"), ("apiKey", &identity.api_key)] {
        pairs.push((name.to_owned(), value.to_owned()));
    }
    let signature = signature(&pairs, &identity.secret_key, Digest::Sha1);
    pairs.push(("signature".to_owned(), signature));
    WireRequest { method: Method::Post, body: form(&pairs), ..WireRequest::default() }
}

fn first_id(cloud: &Cloud, command: &str) -> String {
    let answer: serde_json::Value = serde_json::from_str(&cloud.answer(&request(cloud, command, &[("listall", "true")])).body).unwrap();
    let list = answer.as_object().unwrap().values().next().unwrap().as_object().unwrap().values().find_map(|value| value.as_array()).unwrap();
    list.first().unwrap().get("id").unwrap().as_str().unwrap().to_owned()
}

/// Calls that change the world: three in five rename a machine, the others make volumes and keys.
fn calls(cloud: &Cloud) -> Vec<WireRequest> {
    let (vm, zone, offering) = (first_id(cloud, "listVirtualMachines"), first_id(cloud, "listZones"), first_id(cloud, "listDiskOfferings"));
    let call = |number: usize| {
        let name = format!("name-{number}");
        match number % 5 {
            0 => request(cloud, "createVolume", &[("name", &name), ("zoneid", &zone), ("diskofferingid", &offering)]),
            1 => request(cloud, "createSSHKeyPair", &[("name", &name)]),
            _ => request(cloud, "updateVirtualMachine", &[("id", &vm), ("displayname", &name)]),
        }
    };
    (0..CALLS).map(call).collect()
}

fn do_all(cloud: &Cloud, calls: &[WireRequest]) {
    for call in calls {
        assert_eq!(cloud.answer(call).status, 200);
    }
}

fn do_at_once(cloud: &Cloud, calls: &[WireRequest]) {
    thread::scope(|scope| {
        for part in calls.chunks(calls.len().div_ceil(CALLERS)) {
            scope.spawn(move || do_all(cloud, part));
        }
    });
}

fn told(what: &str, time: Duration, calls: usize) {
    let each = time.as_secs_f64() * MILLI / f64::from(u32::try_from(calls.max(1)).unwrap());
    println!("{what}: {:.0} ms in all, {each:.3} ms a call", time.as_secs_f64() * MILLI);
}

fn main() {
    let folder = TempDir::new().unwrap();
    let free = Cloud::new(options(), Arc::new(Catalog::embedded(Release::NEWEST)), Arc::new(Still));
    let planned = calls(&free);
    told("not kept, one caller", took(|| do_all(&free, &planned)).1, CALLS);
    let path = folder.path().join("one");
    let (cloud, _) = kept(&path);
    let planned = calls(&cloud);
    let few = planned.get(..CALLS / 10).unwrap_or_default();
    told("kept, one caller", took(|| do_all(&cloud, few)).1, few.len());
    let path = folder.path().join("many");
    let (cloud, _) = kept(&path);
    let planned = calls(&cloud);
    // The last call is left out: with it the file would be written anew.
    let all_but_few = planned.get(..CALLS - 10).unwrap_or_default();
    told(&format!("kept, {CALLERS} callers"), took(|| do_at_once(&cloud, all_but_few)).1, all_but_few.len());
    drop(cloud);
    println!("the journal has {} kB", fs::metadata(&path).unwrap().len() / 1_024);
    let ((cloud, recovery), time) = took(|| kept(&path));
    assert_eq!(recovery.differing, 0);
    told(&format!("start from {} calls, and a snapshot written", recovery.replayed), time, recovery.replayed);
    drop(cloud);
    println!("the snapshot has {} kB", fs::metadata(&path).unwrap().len() / 1_024);
    told("start from the snapshot", took(|| kept(&path)).1, 1);
    drop(free);
}
