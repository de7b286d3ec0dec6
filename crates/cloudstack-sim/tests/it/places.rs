//! Zones built from nothing, with everything in them, and torn down again.

use std::time::Duration;

use cloudstack_sim::Cloud;
use serde_json::{Value, json};

use crate::scene::{fresh, id_of, job, ok, refused};

/// A server looks now and then whether a zone has its system machines, and starts those that it lacks.
const STAFFED_WITHIN: Duration = Duration::from_secs(120);

fn made(answer: &Value, word: &str) -> String {
    answer[word]["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn zone(cloud: &Cloud, name: &str) -> String {
    let answer = ok(cloud, "admin", "createZone", &[("name", name), ("networktype", "Advanced"), ("dns1", "9.9.9.9"), ("internaldns1", "10.9.0.1")]);
    assert_eq!((&answer["zone"]["allocationstate"], &answer["zone"]["securitygroupsenabled"]), (&json!("Disabled"), &json!(false)));
    made(&answer, "zone")
}

fn physical_network(cloud: &Cloud, zone: &str) -> String {
    let started = job(cloud, "admin", "createPhysicalNetwork", &[("zoneid", zone), ("name", "edge-net"), ("vlan", "300-309"), ("isolationmethods", "VLAN")]);
    assert_eq!((&started["jobinstancetype"], &started["jobresult"]["physicalnetwork"]["state"]), (&json!("PhysicalNetwork"), &json!("Disabled")));
    let network = made(&started["jobresult"], "physicalnetwork");
    for traffic in ["Guest", "Management", "Public"] {
        job(cloud, "admin", "addTrafficType", &[("physicalnetworkid", &network), ("traffictype", traffic)]);
    }
    assert_eq!(refused(cloud, "admin", "addTrafficType", &[("physicalnetworkid", &network), ("traffictype", "Guest")]).0, 530);
    job(cloud, "admin", "updatePhysicalNetwork", &[("id", &network), ("state", "Enabled")]);
    network
}

fn pod(cloud: &Cloud, zone: &str) -> String {
    let pod =
        [("name", "edge-pod"), ("zoneid", zone), ("gateway", "172.20.0.1"), ("netmask", "255.255.255.0"), ("startip", "172.20.0.10"), ("endip", "172.20.0.50")];
    let answer = ok(cloud, "admin", "createPod", &pod);
    assert_eq!(answer["pod"]["ipranges"], json!([{"startip": "172.20.0.10", "endip": "172.20.0.50", "forsystemvms": "0", "vlanid": "vlan://untagged"}]));
    assert_eq!(refused(cloud, "admin", "createPod", &pod).0, 431);
    made(&answer, "pod")
}

/// What a zone needs before machines can run in it.
struct Furniture {
    pod: String,
    range: String,
    cluster: String,
    host: String,
    pool: String,
    store: String,
}

fn furnish(cloud: &Cloud, zone: &str) -> Furniture {
    let pod = pod(cloud, zone);
    let range =
        [("zoneid", zone), ("vlan", "90"), ("gateway", "198.51.100.1"), ("netmask", "255.255.255.0"), ("startip", "198.51.100.5"), ("endip", "198.51.100.9")];
    let range = made(&ok(cloud, "admin", "createVlanIpRange", &range), "vlan");
    let cluster = [("zoneid", zone), ("podid", &pod), ("clustername", "edge-cluster"), ("clustertype", "CloudManaged"), ("hypervisor", "Simulator")];
    let cluster = ok(cloud, "admin", "addCluster", &cluster)["cluster"][0]["id"].as_str().unwrap().to_owned();
    let host = [
        ("zoneid", zone),
        ("podid", &pod),
        ("clusterid", &cluster),
        ("hypervisor", "Simulator"),
        ("url", "http://sim/c9/h1"),
        ("username", "root"),
        ("password", "sim"),
    ];
    let host = ok(cloud, "admin", "addHost", &host)["host"][0]["id"].as_str().unwrap().to_owned();
    let pool = [("zoneid", zone), ("podid", &pod), ("clusterid", &cluster), ("name", "edge-primary"), ("url", "nfs://10.9.0.7/export/p1")];
    let pool = made(&ok(cloud, "admin", "createStoragePool", &pool), "storagepool");
    let store = made(&ok(cloud, "admin", "addImageStore", &[("zoneid", zone), ("provider", "NFS"), ("url", "nfs://10.9.0.7/export/s1")]), "imagestore");
    Furniture { pod, range, cluster, host, pool, store }
}

#[test]
fn a_zone_is_built_enabled_and_torn_down_in_the_order_that_servers_ask_for() {
    let cloud = fresh();
    let zone = zone(&cloud, "edge");
    let network = physical_network(&cloud, &zone);
    let Furniture { pod, range, cluster, host, pool, store } = furnish(&cloud, &zone);
    let enabled = ok(&cloud, "admin", "updateZone", &[("id", &zone), ("allocationstate", "Enabled")]);
    assert_eq!(enabled["zone"]["allocationstate"], "Enabled");
    let capacity = ok(&cloud, "admin", "listCapacity", &[("zoneid", &zone), ("type", "4"), ("fetchlatest", "true")]);
    assert_eq!((&capacity["capacity"][0]["zonename"], &capacity["capacity"][0]["capacitytotal"]), (&json!("edge"), &json!(5)));
    let vlans = ok(&cloud, "admin", "listGuestVlans", &[("zoneid", &zone)]);
    assert_eq!((&vlans["count"], &vlans["guestvlan"][9]["vlan"]), (&json!(10), &json!("309")));

    // Each place goes only when nothing is left in it.
    for (command, id) in [("deleteZone", &zone), ("deletePod", &pod), ("deleteCluster", &cluster), ("deleteHost", &host)] {
        assert_eq!(refused(&cloud, "admin", command, &[("id", id)]).0, 530, "{command}");
    }
    assert_eq!(refused(&cloud, "admin", "deleteStoragePool", &[("id", &pool)]).0, 431);
    job(&cloud, "admin", "enableStorageMaintenance", &[("id", &pool)]);
    job(&cloud, "admin", "prepareHostForMaintenance", &[("id", &host)]);
    ok(&cloud, "admin", "updateZone", &[("id", &zone), ("allocationstate", "Disabled")]);
    // In a disabled zone nobody replaces its system machines.
    for machine in ok(&cloud, "admin", "listSystemVms", &[("zoneid", &zone)])["systemvm"].as_array().unwrap() {
        job(&cloud, "admin", "destroySystemVm", &[("id", machine["id"].as_str().unwrap())]);
    }
    for (command, id) in [
        ("deleteStoragePool", &pool),
        ("deleteHost", &host),
        ("deleteCluster", &cluster),
        ("deletePod", &pod),
        ("deleteImageStore", &store),
        ("deleteVlanIpRange", &range),
    ] {
        assert_eq!(ok(&cloud, "admin", command, &[("id", id)]), json!({"success": true}), "{command}");
    }
    assert_eq!(job(&cloud, "admin", "deletePhysicalNetwork", &[("id", &network)])["jobresult"], json!({"success": true}));
    assert_eq!(ok(&cloud, "admin", "deleteZone", &[("id", &zone)]), json!({"success": true}));
    assert_eq!(ok(&cloud, "admin", "listZones", &[("name", "edge")]), json!({}));
}

#[test]
fn a_zone_has_system_machines_of_its_own_on_its_hosts_and_addresses() {
    let cloud = fresh();
    let zone = zone(&cloud, "edge");
    physical_network(&cloud, &zone);
    let built = furnish(&cloud, &zone);
    assert_eq!(ok(&cloud, "admin", "listSystemVms", &[("zoneid", &zone)]), json!({}), "nothing runs in a disabled zone");
    ok(&cloud, "admin", "updateZone", &[("id", &zone), ("allocationstate", "Enabled")]);
    cloud.advance(STAFFED_WITHIN);
    let listed = ok(&cloud, "admin", "listSystemVms", &[("zoneid", &zone)]);
    assert_eq!(listed["count"], 2, "{listed}");
    for machine in listed["systemvm"].as_array().unwrap() {
        assert_eq!((&machine["state"], &machine["hostid"]), (&json!("Running"), &json!(built.host)));
        assert!(machine["publicip"].as_str().unwrap().starts_with("198.51.100."), "{machine}");
        assert!(machine["privateip"].as_str().unwrap().starts_with("172.20.0."), "{machine}");
    }
    assert_eq!(refused(&cloud, "admin", "deleteVlanIpRange", &[("id", &built.range)]).0, 431, "its addresses are in use");

    // The last host of its cluster cannot hand its system machines on.
    job(&cloud, "admin", "prepareHostForMaintenance", &[("id", &built.host)]);
    let running = ok(&cloud, "admin", "listSystemVms", &[("zoneid", &zone), ("state", "Running")]);
    assert_eq!(running, json!({}));
}

#[test]
fn a_machine_takes_no_network_of_another_zone() {
    let cloud = fresh();
    let zone = zone(&cloud, "edge");
    physical_network(&cloud, &zone);
    furnish(&cloud, &zone);
    ok(&cloud, "admin", "updateZone", &[("id", &zone), ("allocationstate", "Enabled")]);
    let template = id_of(&cloud, "dev", "listTemplates", &[("templatefilter", "featured")]);
    let offering = id_of(&cloud, "dev", "listServiceOfferings", &[]);
    let network = id_of(&cloud, "dev", "listNetworks", &[]);
    let wanted = [("zoneid", zone.as_str()), ("templateid", &template), ("serviceofferingid", &offering)];
    assert_eq!(refused(&cloud, "dev", "deployVirtualMachine", &[&wanted[..], &[("networkids", network.as_str())]].concat()).0, 431);
    let made = job(&cloud, "dev", "deployVirtualMachine", &wanted);
    let machine = &made["jobresult"]["virtualmachine"];
    assert_eq!((&machine["state"], &machine["zonename"]), (&json!("Running"), &json!("edge")), "{made}");
    let host = ok(&cloud, "admin", "listVirtualMachines", &[("id", machine["id"].as_str().unwrap())])["virtualmachine"][0]["hostid"].clone();
    assert_eq!(ok(&cloud, "admin", "listHosts", &[("id", host.as_str().unwrap())])["host"][0]["zonename"], "edge");
}

#[test]
fn a_zone_of_a_domain_is_shown_to_those_on_its_line_alone() {
    let cloud = fresh();
    let make = |name: &str| ok(&cloud, "admin", "createDomain", &[("name", name)])["domain"]["id"].as_str().unwrap().to_owned();
    let other = make("elsewhere");
    let wanted = [("name", "own"), ("networktype", "Advanced"), ("dns1", "9.9.9.9"), ("internaldns1", "10.9.0.1"), ("domainid", other.as_str())];
    let zone = made(&ok(&cloud, "admin", "createZone", &wanted), "zone");
    physical_network(&cloud, &zone);
    ok(&cloud, "admin", "updateZone", &[("id", &zone), ("allocationstate", "Enabled")]);
    let shown = |who: &str, given: &[(&str, &str)]| ok(&cloud, who, "listZones", given).to_string().contains(&zone);
    assert!(shown("admin", &[]) && !shown("dev", &[]));
    assert!(shown("admin", &[("domainid", &other)]), "the zones of a domain");
    assert_eq!(ok(&cloud, "admin", "listZones", &[("domainid", &other)])["count"], 1);
}

#[test]
fn providers_of_a_new_physical_network_are_enabled_once_their_elements_are() {
    let cloud = fresh();
    let network = physical_network(&cloud, &zone(&cloud, "north"));
    let listed = ok(&cloud, "admin", "listNetworkServiceProviders", &[("physicalnetworkid", &network), ("name", "VirtualRouter")]);
    let provider = listed["networkserviceprovider"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!((&listed["count"], &listed["networkserviceprovider"][0]["state"]), (&json!(1), &json!("Disabled")));
    let enable = [("id", provider.as_str()), ("state", "Enabled")];
    assert_eq!(job(&cloud, "admin", "updateNetworkServiceProvider", &enable)["jobstatus"], 2);
    let element = ok(&cloud, "admin", "listVirtualRouterElements", &[("nspid", &provider)])["virtualrouterelement"][0]["id"].as_str().unwrap().to_owned();
    job(&cloud, "admin", "configureVirtualRouterElement", &[("id", &element), ("enabled", "true")]);
    assert_eq!(job(&cloud, "admin", "updateNetworkServiceProvider", &enable)["jobresult"]["networkserviceprovider"]["state"], "Enabled");
    assert_eq!(ok(&cloud, "admin", "listNetworkServiceProviders", &[])["count"], 12);
}

#[test]
fn ranges_of_addresses_do_not_cross() {
    let cloud = fresh();
    let zone = zone(&cloud, "south");
    physical_network(&cloud, &zone);
    let pod = pod(&cloud, &zone);
    let range = |start: &str, end: &str| {
        let range = [("zoneid", zone.as_str()), ("vlan", "90"), ("gateway", "172.20.0.1"), ("netmask", "255.255.255.0"), ("startip", start), ("endip", end)];
        crate::scene::call(&cloud, "admin", "createVlanIpRange", &range).0
    };
    assert_eq!([range("172.20.0.40", "172.20.0.60"), range("172.20.0.60", "172.20.0.70"), range("172.20.0.70", "172.20.0.80")], [431, 200, 431]);
    let more = [("podid", pod.as_str()), ("gateway", "172.20.0.1"), ("netmask", "255.255.255.0"), ("startip", "172.20.0.100"), ("endip", "172.20.0.110")];
    let grown = job(&cloud, "admin", "createManagementNetworkIpRange", &more);
    assert_eq!(grown["jobresult"]["pod"]["endip"], json!(["172.20.0.50", "172.20.0.110"]));
    assert_eq!(job(&cloud, "admin", "createManagementNetworkIpRange", &more)["jobstatus"], 2);
}
