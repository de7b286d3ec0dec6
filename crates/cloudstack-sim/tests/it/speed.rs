//! How fast: figures for people, and bounds wide enough for a busy machine without optimisation.

use std::time::{Duration, Instant};

use cloudstack_sim::WorldOptions;

use crate::scene::{cloud, fresh, ok, options};

#[expect(clippy::disallowed_methods, reason = "this is a measurement")]
fn took(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

#[test]
fn a_world_starts_fast_and_lists_fast() {
    let start = took(|| drop(fresh()));
    let mut large = fresh();
    let build = took(|| large = cloud(WorldOptions { vms: 10_000, ..options() }));
    let page = took(|| drop(ok(&large, "admin", "listVirtualMachines", &[("listall", "true")])));
    let filtered = took(|| {
        drop(ok(
            &large,
            "admin",
            "listVirtualMachines",
            &[("listall", "true"), ("state", "Stopped"), ("keyword", "app-00"), ("page", "1"), ("pagesize", "20")],
        ));
    });
    println!("start {start:?}, 10,000 machines {build:?}, page of 500 with parsing {page:?}, filtered {filtered:?}");
    assert!(start < Duration::from_secs(2) && page < Duration::from_secs(5));
}
