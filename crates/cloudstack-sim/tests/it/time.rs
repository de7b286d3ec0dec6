//! Time: explicit worlds stand still, and the same seed makes the same world.

use std::time::Duration;

use cloudstack_sim::{JobSpeed, Tuning, WorldOptions};
use serde_json::json;

use crate::scene::{cloud, id_of, ok, options, refused};

fn slow() -> WorldOptions {
    WorldOptions { tuning: Tuning { speed: JobSpeed::Normal, expunge_delay_seconds: 60, ..Tuning::default() }, ..options() }
}

#[test]
fn a_job_stays_pending_until_time_is_moved() {
    let cloud = cloud(slow());
    let vm = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    let stop = ok(&cloud, "dev", "stopVirtualMachine", &[("id", &vm)]);
    let start = ok(&cloud, "dev", "startVirtualMachine", &[("id", &vm)]);
    let poll = |started: &serde_json::Value| ok(&cloud, "dev", "queryAsyncJobResult", &[("jobid", started["jobid"].as_str().unwrap())]);
    let pending = poll(&stop);
    assert_eq!((&pending["jobstatus"], &pending["managementservername"]), (&json!(0), &json!("localhost")));
    assert_eq!(ok(&cloud, "dev", "listAsyncJobs", &[])["count"], 2);
    let row = &ok(&cloud, "dev", "listVirtualMachines", &[("id", &vm)])["virtualmachine"][0];
    assert_eq!((&row["state"], row.get("jobid").is_some()), (&json!("Stopping"), true));
    cloud.advance(Duration::from_secs(1));
    assert_eq!((&poll(&stop)["jobstatus"], &poll(&start)["jobstatus"]), (&json!(1), &json!(0)), "jobs on one object queue up");
    cloud.advance(Duration::from_secs(1));
    assert_eq!(poll(&start)["jobresult"]["virtualmachine"]["state"], "Running");
    assert_eq!(ok(&cloud, "dev", "listAsyncJobs", &[]), json!({}));
}

#[test]
fn a_destroyed_machine_is_expunged_when_its_delay_is_over() {
    let cloud = cloud(slow());
    let vm = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    ok(&cloud, "dev", "destroyVirtualMachine", &[("id", &vm)]);
    cloud.advance(Duration::from_secs(2));
    assert_eq!(ok(&cloud, "dev", "listVirtualMachines", &[("id", &vm)])["virtualmachine"][0]["state"], "Destroyed");
    cloud.advance(Duration::from_secs(60));
    assert_eq!(refused(&cloud, "dev", "recoverVirtualMachine", &[("id", &vm)]).0, 431);
}

#[test]
fn a_job_can_be_named_and_not_named_twice() {
    let cloud = cloud(slow());
    let vm = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    let name = "5480c978-c14b-4cfc-8656-13f035245564";
    assert_eq!(ok(&cloud, "dev", "rebootVirtualMachine", &[("id", &vm), ("customjobid", name)])["jobid"], name);
    assert_eq!(refused(&cloud, "dev", "rebootVirtualMachine", &[("id", &vm), ("customjobid", name)]).0, 431);
    cloud.advance(Duration::from_secs(2));
    assert_eq!(refused(&cloud, "dev", "rebootVirtualMachine", &[("id", &vm), ("customjobid", name)]).0, 530);
    let (status, text) = refused(&cloud, "dev", "rebootVirtualMachine", &[("id", &vm), ("customjobid", "not-a-uuid")]);
    assert_eq!((status, text.as_str()), (431, "UUID: not-a-uuid doesn't follow the UUID format"));
    assert_eq!(refused(&cloud, "globex-user", "queryAsyncJobResult", &[("jobid", name)]).0, 531);
}

#[test]
fn the_same_seed_makes_the_same_world_and_another_seed_another() {
    let shown = |seed: u64| {
        let cloud = cloud(WorldOptions { seed, vms: 20, ..options() });
        (cloud.identities(), ok(&cloud, "admin", "listVirtualMachines", &[("listall", "true")]))
    };
    assert_eq!(shown(7), shown(7));
    assert_ne!(shown(7), shown(8));
}

#[test]
fn a_restart_cuts_jobs_off_without_a_result() {
    let cloud = cloud(slow());
    let vm = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    let started = ok(&cloud, "dev", "rebootVirtualMachine", &[("id", &vm)]);
    cloud.restart();
    let poll = ok(&cloud, "dev", "queryAsyncJobResult", &[("jobid", started["jobid"].as_str().unwrap())]);
    assert_eq!((&poll["jobstatus"], &poll["jobresultcode"], poll.get("jobresult")), (&json!(2), &json!(530), None));
    assert!(poll.get("completed").is_some());
    assert_eq!(ok(&cloud, "dev", "listVirtualMachines", &[("id", &vm)])["virtualmachine"][0]["state"], "Running");
}
