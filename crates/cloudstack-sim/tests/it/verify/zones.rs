//! Zones without hosts: built, refused to whom they are closed, and torn down again.

use super::lab::{Lab, has, id, lab, text};

/// A new zone, which is disabled.
async fn zone(lab: &Lab, name: &str) -> String {
    let wanted = [("name", name), ("networktype", "Advanced"), ("dns1", "192.0.2.53"), ("internaldns1", "192.0.2.53"), ("guestcidraddress", "10.1.1.0/24")];
    let made = lab.object(&lab.root, "createZone", &wanted, "zone").await;
    has(&made, &[("zonetoken", 't'), ("dhcpprovider", 't'), ("securitygroupsenabled", 'b'), ("localstorageenabled", 'b')]);
    assert_eq!((text(&made, "allocationstate"), text(&made, "networktype")), ("Disabled".to_owned(), "Advanced".to_owned()));
    id(&made)
}

#[tokio::test]
async fn a_zone_is_torn_down_from_what_is_in_it() {
    let lab = lab();
    let (root, name) = (&lab.root, lab.name("zone"));
    let zone = zone(&lab, &name).await;
    assert_eq!(
        lab.refused(root, "createZone", &[("name", &name), ("networktype", "Advanced"), ("dns1", "192.0.2.53"), ("internaldns1", "192.0.2.53")]).await.0,
        431
    );
    let network =
        lab.done(root, "createPhysicalNetwork", &[("zoneid", &zone), ("name", "wires"), ("isolationmethods", "VLAN")]).await["physicalnetwork"].clone();
    assert_eq!((text(&network, "state"), text(&network, "zoneid")), ("Disabled".to_owned(), zone.clone()));
    let network = id(&network);
    for traffic in ["Management", "Public", "Guest"] {
        let made = lab.done(root, "addTrafficType", &[("physicalnetworkid", &network), ("traffictype", traffic)]).await;
        assert_eq!(text(&made["traffictype"], "traffictype"), traffic);
    }
    assert_eq!(lab.list(root, "listTrafficTypes", &[("physicalnetworkid", &network)], "traffictype").await.len(), 3);

    let wanted = [
        ("zoneid", zone.as_str()),
        ("name", "pod"),
        ("gateway", "198.18.7.1"),
        ("netmask", "255.255.255.0"),
        ("startip", "198.18.7.10"),
        ("endip", "198.18.7.20"),
    ];
    let pod = id(&lab.object(root, "createPod", &wanted, "pod").await);
    assert_eq!(lab.refused(root, "createPod", &wanted).await.0, 431, "the name is taken");
    let wanted = [("zoneid", zone.as_str()), ("podid", &pod), ("clustername", &name), ("clustertype", "CloudManaged"), ("hypervisor", "KVM")];
    let made = lab.good(root, "addCluster", &wanted).await;
    has(&made["cluster"][0], &[("zonename", 't'), ("podname", 't'), ("allocationstate", 't'), ("managedstate", 't')]);
    let cluster = id(&made["cluster"][0]);

    assert_eq!(lab.refused(root, "deleteZone", &[("id", &zone)]).await.0, 530, "a pod is in it");
    assert_eq!(lab.refused(root, "deletePod", &[("id", &pod)]).await.0, 530, "a cluster is in it");
    assert_eq!(lab.only(root, "listClusters", &[("zoneid", &zone)], "cluster").await["id"], cluster.as_str());
    for (command, object) in [("deleteCluster", &cluster), ("deletePod", &pod)] {
        assert_eq!(lab.good(root, command, &[("id", object)]).await["success"], true, "{command}");
    }
    assert_eq!(lab.refused(root, "deletePod", &[("id", &pod)]).await.0, 431);
    assert_eq!(lab.done(root, "deletePhysicalNetwork", &[("id", &network)]).await["success"], true);
    assert_eq!(lab.good(root, "deleteZone", &[("id", &zone)]).await["success"], true);
    assert!(lab.list(root, "listZones", &[("name", &name)], "zone").await.is_empty());
}

#[tokio::test]
async fn a_disabled_zone_is_closed_to_tenants() {
    let lab = lab();
    let tenant = lab.tenant("closed").await;
    let (who, name) = (&tenant.keys, lab.name("closed-zone"));
    let zone = zone(&lab, &name).await;
    let seen = lab.list(who, "listZones", &[], "zone").await;
    assert!(seen.iter().all(|seen| seen["id"] != zone.as_str()), "{seen:?}");
    assert!(lab.list(&lab.root, "listZones", &[], "zone").await.iter().any(|seen| seen["id"] == zone.as_str()));
    assert_eq!(lab.only(who, "listZones", &[("id", &zone)], "zone").await["allocationstate"], "Disabled", "who asks for it by its id sees it");

    let offerings = lab.list(who, "listVPCOfferings", &[("state", "Enabled")], "vpcoffering").await;
    let offering = id(&offerings[0]);
    let wanted = [("name", "v"), ("displaytext", "v"), ("zoneid", zone.as_str()), ("vpcofferingid", &offering), ("cidr", "10.9.0.0/16")];
    assert_eq!(lab.refused(who, "createVPC", &wanted).await.0, 531);
    assert_eq!(lab.good(&lab.root, "deleteZone", &[("id", &zone)]).await["success"], true);
    lab.clear(&tenant).await;
}

#[tokio::test]
async fn jobs_at_once_each_have_their_end() {
    let lab = lab();
    let tenant = lab.tenant("busy").await;
    let who = &tenant.keys;
    let zone = lab.zone().await;
    let network = id(&lab.network(&tenant, &zone, "busy-net").await);
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(text(&lab.good(who, "associateIpAddress", &[("networkid", &network)]).await, "jobid"));
    }
    let mut addresses = Vec::new();
    for job in &jobs {
        let end = lab.end_of(who, "associateIpAddress", job).await;
        assert_eq!(end["jobstatus"], 1, "{end}");
        addresses.push(text(&end["jobresult"]["ipaddress"], "ipaddress"));
    }
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), jobs.len(), "each job had an address of its own");
    let counted = lab.good(who, "listPublicIpAddresses", &[("associatednetworkid", &network), ("retrieveonlyresourcecount", "true")]).await;
    assert!(counted["count"].as_u64() >= Some(jobs.len() as u64), "{counted}");
    assert!(counted.get("publicipaddress").is_none(), "{counted}");
    lab.clear(&tenant).await;
}
