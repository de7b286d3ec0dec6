//! How fast a large world starts and lists, and how much memory it takes. Run it with `cargo bench -p cloudstack-sim`.
//!
//! Figures, not tests: machines differ. Without optimisation the world is small, so that the file stays runnable.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "figures are for people")]

use std::{
    collections::BTreeMap,
    fs,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use cloudstack_api::{
    catalog::{Catalog, Release},
    clock::Clock,
    wire::{Digest, Pair, form, signature},
};
use cloudstack_sim::{Cloud, Method, WireRequest, WorldOptions};

/// How many machines the large world has.
const MACHINES: usize = if cfg!(debug_assertions) { 1_000 } else { 100_000 };
/// How often each call is made; the median is told.
const ROUNDS: usize = 15;
/// Bytes of a page of memory, as `/proc` counts them.
const MEMORY_PAGE_BYTES: usize = 4_096;

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
fn took(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS).map(|_| took(&mut work)).collect();
    times.sort_unstable();
    times.get(ROUNDS / 2).copied().unwrap_or_default()
}

/// The memory that this process holds, in bytes; 0 where `/proc` does not tell.
fn held() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * MEMORY_PAGE_BYTES
}

fn world(catalog: &Arc<Catalog>, vms: usize) -> Cloud {
    let cloud = Cloud::new(WorldOptions { vms, ..WorldOptions::default() }, Arc::clone(catalog), Arc::new(Still));
    // A world is made when it is first asked.
    assert_eq!(cloud.answer(&request(&cloud, "listZones", &[])).status, 200);
    cloud
}

fn request(cloud: &Cloud, command: &str, arguments: &[(&str, &str)]) -> WireRequest {
    let identity = cloud.identities().into_iter().next().unwrap();
    let mut pairs: Vec<Pair> = arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for (name, value) in [("command", command), ("response", "json"), ("apiKey", &identity.api_key)] {
        pairs.push((name.to_owned(), value.to_owned()));
    }
    let signature = signature(&pairs, &identity.secret_key, Digest::Sha1);
    pairs.push(("signature".to_owned(), signature));
    WireRequest { method: Method::Post, query: String::new(), body: form(&pairs), cookies: BTreeMap::new() }
}

fn main() {
    let catalog = Arc::new(Catalog::embedded(Release::NEWEST));
    // The first world reads the tables of the catalog; the others show what a world itself costs.
    println!("first world            {:?}", took(|| drop(world(&catalog, 0))));
    println!("default world          {:?}", median(|| drop(world(&catalog, 0))));
    let before = held();
    let mut large = None;
    println!("{MACHINES} machines        {:?}", took(|| large = Some(world(&catalog, MACHINES))));
    let cloud = large.unwrap();
    println!("memory of a machine    {} bytes, with its disk and NIC", held().saturating_sub(before) / MACHINES);
    let calls: &[(&str, &[(&str, &str)])] = &[
        ("page of 500", &[("listall", "true"), ("page", "1"), ("pagesize", "500")]),
        ("page 100 of 500", &[("listall", "true"), ("page", "100"), ("pagesize", "500")]),
        ("page of 500, details=min", &[("listall", "true"), ("details", "min"), ("page", "1"), ("pagesize", "500")]),
        ("state, page of 20", &[("listall", "true"), ("state", "Stopped"), ("page", "1"), ("pagesize", "20")]),
        ("name, page of 20", &[("listall", "true"), ("name", "app-0042"), ("page", "1"), ("pagesize", "20")]),
        ("keyword, page of 20", &[("listall", "true"), ("keyword", "pp-00"), ("page", "1"), ("pagesize", "20")]),
        ("state and keyword", &[("listall", "true"), ("state", "Stopped"), ("keyword", "app-00"), ("page", "1"), ("pagesize", "20")]),
    ];
    for (title, arguments) in calls {
        let request = request(&cloud, "listVirtualMachines", arguments);
        let answer = cloud.answer(&request);
        assert_eq!(answer.status, 200, "{}", answer.body);
        println!("{title:<24} {:?}, {} bytes", median(|| drop(cloud.answer(&request))), answer.body.len());
    }
}
