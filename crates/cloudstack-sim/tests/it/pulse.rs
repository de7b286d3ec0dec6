//! What a server does in rounds: samples of machines, checks of routers, counted capacities, networks cleared away.

use std::time::Duration;

use cloudstack_sim::Cloud;
use serde_json::{Value, json};

use crate::scene::{fresh, id_of, job, ok, refused};

/// Long enough for two samples of what runs all the time.
const SAMPLES: Duration = Duration::from_secs(180);
/// Long enough for any round of the settings that a new cloud has.
const ROUNDS: Duration = Duration::from_secs(1_900);

fn machine(cloud: &Cloud, who: &str, id: &str) -> Value {
    ok(cloud, who, "listVirtualMachines", &[("id", id)])["virtualmachine"][0].clone()
}

fn samples(cloud: &Cloud, who: &str, id: &str) -> usize {
    let history = ok(cloud, who, "listVirtualMachinesUsageHistory", &[("id", id)]);
    history["virtualmachine"][0]["stats"].as_array().unwrap().len()
}

#[test]
fn a_machine_has_statistics_once_it_was_sampled_and_keeps_them_until_it_is_destroyed() {
    let cloud = fresh();
    let vm = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    assert_eq!((machine(&cloud, "dev", &vm).get("cpuused"), samples(&cloud, "dev", &vm)), (None, 0));
    cloud.advance(SAMPLES);
    assert_eq!((&machine(&cloud, "dev", &vm)["cpuused"], samples(&cloud, "dev", &vm)), (&json!("10%"), 2));

    job(&cloud, "dev", "stopVirtualMachine", &[("id", &vm)]);
    cloud.advance(SAMPLES);
    let stopped = machine(&cloud, "dev", &vm);
    assert_eq!((&stopped["state"], &stopped["cpuused"], samples(&cloud, "dev", &vm)), (&json!("Stopped"), &json!("10%"), 2));
    let metrics = ok(&cloud, "dev", "listVirtualMachinesMetrics", &[("id", &vm)]);
    assert_eq!(metrics["virtualmachine"][0]["networkread"], "32.00 MiB");

    job(&cloud, "dev", "destroyVirtualMachine", &[("id", &vm)]);
    assert!(machine(&cloud, "dev", &vm).get("cpuused").is_none());
}

#[test]
fn a_period_narrows_a_history_and_one_that_ends_before_it_begins_is_refused() {
    let cloud = fresh();
    let vm = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    cloud.advance(SAMPLES);
    let never = ok(&cloud, "dev", "listVirtualMachinesUsageHistory", &[("id", &vm), ("enddate", "2020-01-01")]);
    assert_eq!(never["virtualmachine"][0]["stats"], json!([]));
    let turned = [("id", vm.as_str()), ("startdate", "2021-01-01"), ("enddate", "2020-01-01")];
    assert_eq!(refused(&cloud, "dev", "listVirtualMachinesUsageHistory", &turned).0, 431);
}

#[test]
fn a_network_in_which_nothing_runs_is_taken_down_and_comes_back_with_its_machine() {
    let cloud = fresh();
    let zone = id_of(&cloud, "dev", "listZones", &[]);
    let offering = id_of(&cloud, "dev", "listNetworkOfferings", &[("name", "DefaultIsolatedNetworkOfferingWithSourceNatService")]);
    let made = ok(&cloud, "dev", "createNetwork", &[("name", "quiet"), ("zoneid", &zone), ("networkofferingid", &offering)]);
    let network = made["network"]["id"].as_str().unwrap().to_owned();
    let size = id_of(&cloud, "dev", "listServiceOfferings", &[("name", "Small Instance")]);
    let template = id_of(&cloud, "dev", "listTemplates", &[("templatefilter", "featured"), ("name", "Debian 12")]);
    let plan = [("zoneid", zone.as_str()), ("serviceofferingid", &size), ("templateid", &template), ("networkids", &network), ("name", "quiet-1")];
    let vm = ok(&cloud, "dev", "deployVirtualMachine", &plan)["id"].as_str().unwrap().to_owned();
    let state = || ok(&cloud, "admin", "listNetworks", &[("id", &network)])["network"][0]["state"].clone();
    let router = || ok(&cloud, "admin", "listRouters", &[("networkid", &network), ("listall", "true")])["router"][0]["state"].clone();
    cloud.advance(ROUNDS);
    assert_eq!((state(), router()), (json!("Implemented"), json!("Running")), "it is in use");

    job(&cloud, "dev", "stopVirtualMachine", &[("id", &vm)]);
    assert_eq!(state(), json!("Implemented"), "it is not taken down at once");
    cloud.advance(ROUNDS);
    assert_eq!((state(), router()), (json!("Allocated"), json!("Stopped")));
    job(&cloud, "dev", "startVirtualMachine", &[("id", &vm)]);
    assert_eq!((state(), router()), (json!("Implemented"), json!("Running")));
}

#[test]
fn machines_stop_with_the_storage_of_their_disks_and_start_again_with_it() {
    let cloud = fresh();
    let vm = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    let disk = ok(&cloud, "admin", "listVolumes", &[("virtualmachineid", &vm), ("listall", "true")]);
    let pool = disk["volume"][0]["storageid"].as_str().unwrap().to_owned();
    job(&cloud, "admin", "enableStorageMaintenance", &[("id", &pool)]);
    assert_eq!(machine(&cloud, "dev", &vm)["state"], "Stopped");
    job(&cloud, "admin", "cancelStorageMaintenance", &[("id", &pool)]);
    assert_eq!(machine(&cloud, "dev", &vm)["state"], "Running");
}

#[test]
fn routers_of_a_disabled_account_stop_and_their_checks_are_known_only_once_somebody_asked() {
    let cloud = fresh();
    let router = id_of(&cloud, "admin", "listRouters", &[("listall", "true")]);
    assert_eq!(refused(&cloud, "admin", "getRouterHealthCheckResults", &[("routerid", &router)]).0, 530);
    cloud.advance(ROUNDS);
    let found = ok(&cloud, "admin", "getRouterHealthCheckResults", &[("routerid", &router)]);
    assert_eq!(found["routerhealthchecks"]["healthchecks"].as_array().unwrap().len(), 2);

    let shown = || ok(&cloud, "admin", "listRouters", &[("id", &router)])["router"][0].clone();
    let (account, domain) = (shown()["account"].as_str().unwrap().to_owned(), shown()["domainid"].as_str().unwrap().to_owned());
    job(&cloud, "admin", "disableAccount", &[("account", &account), ("domainid", &domain), ("lock", "false")]);
    assert_eq!(shown()["state"], "Stopped");
}
