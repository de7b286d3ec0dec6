//! Volumes and snapshots.

use super::lab::{has, id, lab};

#[tokio::test]
async fn a_volume_is_made_attached_grown_detached_and_deleted() {
    let lab = lab();
    let tenant = lab.tenant("disk").await;
    let zone = lab.zone().await;
    let network = lab.network(&tenant, &zone, "disk-net").await;
    let machine = lab.machine(&tenant, &network, "disk-vm").await;
    let (who, vm, name) = (&tenant.keys, id(&machine), lab.name("disk"));
    let offerings = lab.list(who, "listDiskOfferings", &[], "diskoffering").await;
    let custom = id(offerings.iter().find(|offering| offering["iscustomized"] == true).unwrap());
    let made = lab.done(who, "createVolume", &[("name", &name), ("zoneid", &zone), ("diskofferingid", &custom), ("size", "2")]).await["volume"].clone();
    assert_eq!((made["state"].as_str(), made["type"].as_str(), made["size"].as_u64()), (Some("Allocated"), Some("DATADISK"), Some(2 << 30)));
    let disk = id(&made);
    lab.failed_or_refused(who, "detachVolume", &[("id", &disk)]).await;
    let attached = lab.done(who, "attachVolume", &[("id", &disk), ("virtualmachineid", &vm)]).await["volume"].clone();
    assert_eq!((attached["state"].as_str(), attached["virtualmachineid"].as_str()), (Some("Ready"), Some(vm.as_str())));
    has(&attached, &[("deviceid", 'n'), ("attached", 't'), ("vmname", 't'), ("vmstate", 't'), ("diskofferingname", 't')]);
    let disks = lab.list(who, "listVolumes", &[("virtualmachineid", &vm)], "volume").await;
    assert_eq!(disks.len(), 2, "the root disk and this one");
    lab.failed_or_refused(who, "deleteVolume", &[("id", &disk)]).await;
    lab.done(who, "stopVirtualMachine", &[("id", &vm)]).await;
    assert_eq!(lab.done(who, "resizeVolume", &[("id", &disk), ("size", "3")]).await["volume"]["size"].as_u64(), Some(3 << 30));
    let detached = lab.done(who, "detachVolume", &[("id", &disk)]).await["volume"].clone();
    assert!(detached.get("virtualmachineid").is_none(), "{detached}");
    assert_eq!(lab.good(who, "deleteVolume", &[("id", &disk)]).await["success"], true);
    assert_eq!(lab.list(who, "listVolumes", &[("name", &name)], "volume").await.len(), 0);
    lab.clear(&tenant).await;
}

#[tokio::test]
async fn a_snapshot_of_a_root_disk_is_backed_up_and_deleted() {
    let lab = lab();
    let tenant = lab.tenant("snap").await;
    let zone = lab.zone().await;
    let network = lab.network(&tenant, &zone, "snap-net").await;
    let machine = lab.machine(&tenant, &network, "snap-vm").await;
    let (who, vm) = (&tenant.keys, id(&machine));
    let root = id(&lab.only(who, "listVolumes", &[("virtualmachineid", &vm), ("type", "ROOT")], "volume").await);
    let name = lab.name("snap");
    let snapshot = lab.done(who, "createSnapshot", &[("volumeid", &root), ("name", &name)]).await["snapshot"].clone();
    assert_eq!(
        (snapshot["state"].as_str(), snapshot["snapshottype"].as_str(), snapshot["intervaltype"].as_str()),
        (Some("BackedUp"), Some("MANUAL"), Some("MANUAL"))
    );
    has(&snapshot, &[("volumeid", 't'), ("volumename", 't'), ("volumetype", 't'), ("created", 't'), ("physicalsize", 'n'), ("account", 't')]);
    let listed = lab.list(who, "listSnapshots", &[("volumeid", &root)], "snapshot").await;
    assert_eq!(listed.iter().map(id).collect::<Vec<_>>(), [id(&snapshot)]);
    assert_eq!(lab.done(who, "deleteSnapshot", &[("id", &id(&snapshot))]).await["success"], true);
    assert_eq!(lab.list(who, "listSnapshots", &[("volumeid", &root)], "snapshot").await.len(), 0);

    let policy = [("volumeid", root.as_str()), ("intervaltype", "DAILY"), ("schedule", "30:02"), ("timezone", "Etc/UTC"), ("maxsnaps", "3")];
    let policy = lab.object(who, "createSnapshotPolicy", &policy, "snapshotpolicy").await;
    assert_eq!((policy["intervaltype"].as_u64(), policy["schedule"].as_str(), policy["maxsnaps"].as_u64()), (Some(1), Some("30:02"), Some(3)));
    assert_eq!(lab.good(who, "deleteSnapshotPolicies", &[("id", &id(&policy))]).await["success"], true);
    lab.clear(&tenant).await;
}
