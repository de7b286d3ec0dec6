//! What clouds offer beside machines: Kubernetes clusters, shared file systems, buckets, GPUs, extensions. Their lives.

use cloudstack_sim::{Cloud, Plugins, Scene, WorldOptions};
use serde_json::{Value, json};

use crate::scene::{call, cloud, fails, fresh, id_of, job, ok, options};

/// The object in the result of a job that went well.
fn done(cloud: &Cloud, who: &str, command: &str, arguments: &[(&str, &str)]) -> Value {
    let ended = job(cloud, who, command, arguments);
    assert_eq!(ended["jobstatus"], 1, "{command}: {ended}");
    ended["jobresult"].as_object().and_then(|result| result.values().next()).cloned().unwrap_or_default()
}

fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_else(|| panic!("{name} of {object}")).to_owned()
}

fn zone(cloud: &Cloud) -> String {
    id_of(cloud, "admin", "listZones", &[])
}

/// An offering that is large enough for servers.
fn offering(cloud: &Cloud) -> String {
    let given = [("name", "server"), ("displaytext", "server"), ("cpunumber", "2"), ("cpuspeed", "1000"), ("memory", "2048"), ("offerha", "true")];
    text(&ok(cloud, "admin", "createServiceOffering", &given)["serviceoffering"], "id")
}

fn version(cloud: &Cloud, number: &str) -> String {
    let zone = zone(cloud);
    let given = [("semanticversion", number), ("url", "http://k8s.example.org/v.iso"), ("mincpunumber", "2"), ("minmemory", "2048"), ("zoneid", zone.as_str())];
    text(&ok(cloud, "admin", "addKubernetesSupportedVersion", &given)["kubernetessupportedversion"], "id")
}

#[test]
fn a_kubernetes_cluster_is_made_scaled_upgraded_stopped_and_deleted_with_its_nodes() {
    let cloud = fresh();
    let (zone, offering, version, next) = (zone(&cloud), offering(&cloud), version(&cloud, "1.32.1"), version(&cloud, "1.33.0"));
    let given = [("name", "shop"), ("zoneid", zone.as_str()), ("kubernetesversionid", &version), ("serviceofferingid", &offering), ("size", "2")];
    let before = ok(&cloud, "dev", "listVirtualMachines", &[])["count"].as_u64().unwrap();
    let cluster = done(&cloud, "dev", "createKubernetesCluster", &given);
    let id = text(&cluster, "id");
    assert_eq!((&cluster["state"], &cluster["size"], &cluster["controlnodes"]), (&json!("Running"), &json!(2), &json!(1)), "{cluster}");
    assert_eq!((&cluster["cpunumber"], &cluster["memory"]), (&json!("6"), &json!("6144")), "numbers of all nodes are texts");
    assert_eq!(cluster["virtualmachines"].as_array().unwrap().len(), 3);
    assert!(text(&cluster, "endpoint").ends_with(":6443/"));
    assert_eq!(ok(&cloud, "dev", "listVirtualMachines", &[])["count"], before + 3, "nodes are machines of the owner");
    assert!(text(&ok(&cloud, "dev", "getKubernetesClusterConfig", &[("id", &id)])["clusterconfig"], "configdata").contains("kind: Config"));
    assert_eq!(fails(&cloud, "admin", "deleteKubernetesSupportedVersion", &[("id", &version)]).0, 530);

    assert_eq!(done(&cloud, "dev", "scaleKubernetesCluster", &[("id", &id), ("size", "3")])["virtualmachines"].as_array().unwrap().len(), 4);
    assert_eq!(done(&cloud, "dev", "scaleKubernetesCluster", &[("id", &id), ("size", "1")])["size"], 1);
    assert_eq!(ok(&cloud, "dev", "listVirtualMachines", &[])["count"], before + 2);
    assert_eq!(done(&cloud, "dev", "upgradeKubernetesCluster", &[("id", &id), ("kubernetesversionid", &next)])["kubernetesversionid"], next.as_str());
    assert_eq!(fails(&cloud, "dev", "upgradeKubernetesCluster", &[("id", &id), ("kubernetesversionid", &version)]).0, 431);

    done(&cloud, "dev", "stopKubernetesCluster", &[("id", &id)]);
    assert_eq!(fails(&cloud, "dev", "scaleKubernetesCluster", &[("id", &id), ("size", "2")]).0, 530);
    assert_eq!(ok(&cloud, "dev", "listKubernetesClusters", &[("state", "Stopped")])["kubernetescluster"][0]["id"], id.as_str());
    assert_eq!(done(&cloud, "dev", "startKubernetesCluster", &[("id", &id)])["state"], "Running");
    done(&cloud, "dev", "deleteKubernetesCluster", &[("id", &id)]);
    assert_eq!(ok(&cloud, "dev", "listKubernetesClusters", &[]), json!({}));
    assert_eq!(ok(&cloud, "dev", "listVirtualMachines", &[])["count"], before);
}

#[test]
fn a_cluster_that_others_run_takes_machines_and_cannot_be_stopped() {
    let cloud = fresh();
    let zone = zone(&cloud);
    let given = [("name", "theirs"), ("zoneid", zone.as_str()), ("clustertype", "ExternalManaged")];
    let id = text(&done(&cloud, "dev", "createKubernetesCluster", &given), "id");
    let machine = id_of(&cloud, "dev", "listVirtualMachines", &[]);
    let machines = [("id", id.as_str()), ("virtualmachineids", &machine)];
    assert_eq!(ok(&cloud, "dev", "addVirtualMachinesToKubernetesCluster", &machines), json!({"success": true}));
    let listed = ok(&cloud, "dev", "listKubernetesClusters", &[("id", &id)]);
    assert_eq!((&listed["kubernetescluster"][0]["size"], &listed["kubernetescluster"][0]["virtualmachines"][0]["id"]), (&json!(1), &json!(machine)));
    assert_eq!(fails(&cloud, "dev", "stopKubernetesCluster", &[("id", &id)]).0, 431);
    let left = ok(&cloud, "dev", "removeVirtualMachinesFromKubernetesCluster", &machines);
    assert_eq!(left["ha"][0]["success"], true, "{left}");
    done(&cloud, "dev", "deleteKubernetesCluster", &[("id", &id)]);
    assert_eq!(ok(&cloud, "dev", "listVirtualMachines", &[("id", &machine)])["count"], 1, "machines of others stay");
}

#[test]
fn a_shared_file_system_has_a_disk_and_a_place_in_its_network_while_it_lives() {
    let cloud = fresh();
    let (zone, offering) = (zone(&cloud), offering(&cloud));
    let disk = id_of(&cloud, "dev", "listDiskOfferings", &[("name", "Small")]);
    let network = id_of(&cloud, "dev", "listNetworks", &[]);
    let small = id_of(&cloud, "dev", "listServiceOfferings", &[("name", "Small Instance")]);
    let mut given = vec![("name", "files"), ("zoneid", zone.as_str()), ("networkid", &network), ("diskofferingid", &disk), ("filesystem", "XFS")];
    given.push(("serviceofferingid", &small));
    assert_eq!(fails(&cloud, "dev", "createSharedFileSystem", &given).0, 431, "the server would be too small");
    given.pop();
    given.push(("serviceofferingid", &offering));
    let share = done(&cloud, "dev", "createSharedFileSystem", &given);
    let id = text(&share, "id");
    let volume = text(&share, "volumeid");
    assert_eq!((&share["state"], &share["filesystem"], &share["nic"][0]["networkid"]), (&json!("Ready"), &json!("XFS"), &json!(network)), "{share}");
    assert_eq!(ok(&cloud, "dev", "listVolumes", &[("id", &volume)])["volume"][0]["size"], share["size"]);
    assert_eq!(fails(&cloud, "dev", "createSharedFileSystem", &given).0, 431, "names differ");

    assert_eq!(fails(&cloud, "dev", "destroySharedFileSystem", &[("id", &id)]).0, 431, "it runs");
    assert_eq!(done(&cloud, "dev", "stopSharedFileSystem", &[("id", &id)])["state"], "Stopped");
    ok(&cloud, "dev", "destroySharedFileSystem", &[("id", &id)]);
    ok(&cloud, "dev", "recoverSharedFileSystem", &[("id", &id)]);
    assert_eq!(done(&cloud, "dev", "startSharedFileSystem", &[("id", &id)])["state"], "Ready");
    ok(&cloud, "dev", "destroySharedFileSystem", &[("id", &id), ("forced", "true"), ("expunge", "true")]);
    assert_eq!(ok(&cloud, "dev", "listSharedFileSystems", &[]), json!({}));
    assert_eq!(call(&cloud, "dev", "listVolumes", &[("id", &volume)]).2["count"], Value::Null, "the disk is gone");
}

#[test]
fn a_bucket_keeps_its_store_and_shares_its_keys_with_its_siblings() {
    let cloud = fresh();
    let store = ok(&cloud, "admin", "addObjectStoragePool", &[("name", "objects"), ("provider", "MinIO"), ("url", "https://s3.example.org")]);
    let store = text(&store["objectstore"], "id");
    assert_eq!(fails(&cloud, "admin", "addObjectStoragePool", &[("name", "other"), ("provider", "Floppy"), ("url", "https://f.example.org")]).0, 530);
    let make = |name: &str| done(&cloud, "dev", "createBucket", &[("name", name), ("objectstorageid", &store), ("quota", "10")]);
    let (first, second) = (make("photos"), make("invoices"));
    assert_eq!((&first["accesskey"], &first["quota"], &first["url"]), (&second["accesskey"], &json!(10), &json!("https://s3.example.org/photos")));
    let refusals = [("photos", "10"), ("Upper", "10"), ("ab", "10"), ("fine-name", "-1")];
    for (name, quota) in refusals {
        assert_eq!(fails(&cloud, "dev", "createBucket", &[("name", name), ("objectstorageid", &store), ("quota", quota)]).0, 431, "{name}");
    }
    let id = text(&first, "id");
    ok(&cloud, "dev", "updateBucket", &[("id", &id), ("policy", "public"), ("versioning", "true")]);
    let listed = ok(&cloud, "dev", "listBuckets", &[("id", &id)]);
    assert_eq!((&listed["bucket"][0]["policy"], &listed["bucket"][0]["versioning"]), (&json!("public"), &json!(true)));
    assert_eq!(fails(&cloud, "dev", "updateBucket", &[("id", &id), ("policy", "everybody")]).0, 431);
    assert_eq!(fails(&cloud, "admin", "deleteObjectStoragePool", &[("id", &store)]).0, 431);
    for bucket in [&id, &text(&second, "id")] {
        ok(&cloud, "dev", "deleteBucket", &[("id", bucket)]);
    }
    ok(&cloud, "admin", "deleteObjectStoragePool", &[("id", &store)]);
}

#[test]
fn a_gpu_card_has_profiles_and_devices_and_stays_while_it_is_in_use() {
    let cloud = fresh();
    let given = [("name", "Fast"), ("deviceid", "20b0"), ("devicename", "F100"), ("vendorid", "10de"), ("vendorname", "Fast Inc")];
    let card = text(&ok(&cloud, "admin", "createGpuCard", &given)["gpucard"], "id");
    assert_eq!(fails(&cloud, "admin", "createGpuCard", &given).0, 431);
    let whole = ok(&cloud, "admin", "listVgpuProfiles", &[("gpucardid", &card)]);
    assert_eq!((&whole["count"], &whole["vgpuprofile"][0]["name"]), (&json!(1), &json!("passthrough")), "{whole}");
    let half = ok(&cloud, "admin", "createVgpuProfile", &[("name", "half"), ("gpucardid", &card), ("maxvgpuperphysicalgpu", "2")]);
    let half = text(&half["vgpuprofile"], "id");
    let host = id_of(&cloud, "admin", "listHosts", &[("type", "Routing")]);
    let device = [("busaddress", "00:1f.0"), ("gpucardid", card.as_str()), ("hostid", &host), ("vgpuprofileid", &half)];
    let made = ok(&cloud, "admin", "createGpuDevice", &device);
    let id = text(&made["gpudevice"], "id");
    assert_eq!((&made["gpudevice"]["vgpuprofilename"], &made["gpudevice"]["managedstate"]), (&json!("half"), &json!("Managed")), "{made}");
    assert_eq!(fails(&cloud, "admin", "createGpuDevice", &device).0, 431, "one device to an address");
    ok(&cloud, "admin", "unmanageGpuDevice", &[("ids", &id)]);
    assert_eq!(ok(&cloud, "admin", "listGpuDevices", &[("gpucardid", &card)])["gpudevice"][0]["managedstate"], "Unmanaged");
    assert_eq!(ok(&cloud, "admin", "listGpuCards", &[("id", &card), ("activeonly", "true")]), json!({}));
    assert_eq!(fails(&cloud, "admin", "deleteVgpuProfile", &[("id", &half)]).0, 431);
    assert_eq!(fails(&cloud, "admin", "deleteGpuCard", &[("id", &card)]).0, 431);
    ok(&cloud, "admin", "deleteGpuDevice", &[("ids", &id)]);
    ok(&cloud, "admin", "deleteGpuCard", &[("id", &card)]);
    assert_eq!(ok(&cloud, "admin", "listVgpuProfiles", &[("name", "half")]), json!({}), "profiles go with their card");
}

#[test]
fn an_extensions_action_runs_where_the_extension_is_registered() {
    let cloud = fresh();
    let extension = ok(&cloud, "admin", "createExtension", &[("name", "robot"), ("type", "Orchestrator")]);
    let extension = text(&extension["extension"], "id");
    let given = [
        ("name", "wave"),
        ("extensionid", extension.as_str()),
        ("enabled", "true"),
        ("allowedroletypes", "User"),
        ("successmessage", "{{resourceName}} waved"),
        ("parameters[0].name", "hand"),
        ("parameters[0].type", "STRING"),
        ("parameters[0].required", "true"),
        ("parameters[0].valueoptions", "left,right"),
    ];
    let action = text(&ok(&cloud, "admin", "addCustomAction", &given)["extensioncustomaction"], "id");
    let machine = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    let run = [("customactionid", action.as_str()), ("resourceid", &machine), ("parameters[0].hand", "left")];
    assert_eq!(done(&cloud, "dev", "runCustomAction", &run)["success"], false, "nothing is registered yet");
    let host = text(&ok(&cloud, "admin", "listVirtualMachines", &[("id", &machine)])["virtualmachine"][0], "hostid");
    let cluster = text(&ok(&cloud, "admin", "listHosts", &[("id", &host)])["host"][0], "clusterid");
    let place = [("extensionid", extension.as_str()), ("resourceid", &cluster), ("resourcetype", "Cluster")];
    let registered = ok(&cloud, "admin", "registerExtension", &place);
    assert_eq!(registered["extension"]["resources"][0]["id"], cluster.as_str());
    assert_eq!(fails(&cloud, "admin", "registerExtension", &place).0, 530);
    assert_eq!(done(&cloud, "dev", "runCustomAction", &run)["result"]["message"], "web-1 waved");
    assert_eq!(fails(&cloud, "dev", "runCustomAction", &[run[0], run[1]]).0, 431, "a parameter is missing");
    assert_eq!(fails(&cloud, "dev", "runCustomAction", &[run[0], run[1], ("parameters[0].hand", "third")]).0, 431);
    assert_eq!(fails(&cloud, "admin", "deleteExtension", &[("id", &extension)]).0, 530, "it is registered");
    ok(&cloud, "admin", "unregisterExtension", &place);
    ok(&cloud, "admin", "deleteExtension", &[("id", &extension)]);
    assert_eq!(ok(&cloud, "admin", "listCustomActions", &[("name", "wave")]), json!({}), "actions go with their extension");
}

#[test]
fn a_zone_of_simulated_hosts_alone_runs_no_kubernetes() {
    let bare = cloud(WorldOptions { scene: Scene::Bare, plugins: Plugins::All, ..options() });
    let (zone, offering, version) = (zone(&bare), offering(&bare), version(&bare, "1.33.0"));
    let given = [("name", "k"), ("zoneid", zone.as_str()), ("kubernetesversionid", &version), ("serviceofferingid", &offering), ("size", "1")];
    assert_eq!(fails(&bare, "admin", "createKubernetesCluster", &given).0, 530);
}

#[test]
fn a_download_certificate_is_put_on_hosts_and_goes_with_the_last() {
    let cloud = fresh();
    let zone = zone(&cloud);
    let pem = "-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----";
    let given = [("name", "mirror"), ("certificate", pem), ("hypervisor", "KVM"), ("zoneid", zone.as_str())];
    assert_eq!(fails(&cloud, "admin", "uploadTemplateDirectDownloadCertificate", &[given[0], ("certificate", "x"), given[2], given[3]]).0, 530);
    let made = ok(&cloud, "admin", "uploadTemplateDirectDownloadCertificate", &given);
    let id = text(made.as_object().unwrap().values().next().unwrap(), "id");
    assert_eq!(fails(&cloud, "admin", "uploadTemplateDirectDownloadCertificate", &given).0, 530, "names differ");
    assert_eq!(ok(&cloud, "admin", "listTemplateDirectDownloadCertificates", &[("id", &id)])["directdownloadcertificate"][0]["alias"], "mirror");
    let revoked = ok(&cloud, "admin", "revokeTemplateDirectDownloadCertificate", &[("id", &id), ("zoneid", &zone)]);
    assert_eq!(revoked["directdownloadcertificatehoststatus"][0]["status"], "Revoked");
    assert_eq!(ok(&cloud, "admin", "listTemplateDirectDownloadCertificates", &[]), json!({}));
}

#[test]
fn usage_has_a_record_a_day_and_object() {
    let cloud = fresh();
    assert_eq!(ok(&cloud, "admin", "listUsageRecords", &[("startdate", "2020-01-01"), ("enddate", "2030-01-01")]), json!({}), "today is not over");
    cloud.advance(std::time::Duration::from_secs(2 * 86_400));
    let machine = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    let asked = [("startdate", "2020-01-01"), ("enddate", "2030-01-01"), ("type", "1"), ("usageid", machine.as_str())];
    let listed = ok(&cloud, "admin", "listUsageRecords", &asked);
    assert_eq!(listed["count"], 2, "{listed}");
    let last = &listed["usagerecord"][1];
    assert_eq!((&last["usage"], &last["rawusage"], &last["usagetype"], &last["account"]), (&json!("24 Hrs"), &json!("24"), &json!(1), &json!("dev")), "{last}");
    ok(&cloud, "admin", "generateUsageRecords", &[]);
    assert_eq!(ok(&cloud, "admin", "listUsageRecords", &asked)["count"], 3, "today so far was asked for");
    let all = ok(&cloud, "admin", "listUsageRecords", &[("startdate", "2020-01-01"), ("enddate", "2030-01-01"), ("page", "2"), ("pagesize", "5")]);
    assert_eq!(all["usagerecord"].as_array().unwrap().len(), 5);
    assert!(all["count"].as_u64().unwrap() > 10, "{}", all["count"]);
    assert_eq!(fails(&cloud, "admin", "listUsageRecords", &[("startdate", "2030-01-01"), ("enddate", "2020-01-01")]).0, 431);
}

#[test]
fn a_machine_leaves_the_care_of_the_cloud_and_comes_back() {
    let cloud = fresh();
    let machine = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    let seen = ok(&cloud, "admin", "listVirtualMachines", &[("id", &machine)])["virtualmachine"][0].clone();
    let cluster = text(&ok(&cloud, "admin", "listHosts", &[("id", &text(&seen, "hostid"))])["host"][0], "clusterid");
    assert_eq!(done(&cloud, "admin", "unmanageVirtualMachine", &[("id", &machine)])["success"], true);
    assert_eq!(fails(&cloud, "dev", "startVirtualMachine", &[("id", &machine)]).0, 431);
    let listed = ok(&cloud, "admin", "listUnmanagedInstances", &[("clusterid", &cluster)]);
    let row = &listed["unmanagedinstance"][0];
    assert_eq!((&row["name"], &row["powerstate"], &row["memory"]), (&seen["instancename"], &json!("PowerOn"), &seen["memory"]), "{listed}");
    let name = text(row, "name");
    let given =
        [("clusterid", cluster.as_str()), ("name", &name), ("serviceofferingid", seen["serviceofferingid"].as_str().unwrap()), ("displayname", "web-9")];
    let back = done(&cloud, "admin", "importUnmanagedInstance", &given);
    assert_eq!((&back["state"], &back["instancename"], &back["name"]), (&json!("Running"), &json!(name), &json!("web-9")), "{back}");
    assert_eq!(ok(&cloud, "admin", "listUnmanagedInstances", &[("clusterid", &cluster)]), json!({}));
    assert_eq!(fails(&cloud, "admin", "importUnmanagedInstance", &given).0, 530);
}

#[test]
fn a_disk_leaves_the_care_of_the_cloud_and_comes_back() {
    let cloud = fresh();
    let (zone, offering) = (zone(&cloud), id_of(&cloud, "dev", "listDiskOfferings", &[("name", "Small")]));
    let made = done(&cloud, "dev", "createVolume", &[("name", "data-1"), ("diskofferingid", &offering), ("zoneid", &zone)]);
    let machine = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "db-1")]);
    let disk = text(&made, "id");
    assert_eq!(job(&cloud, "dev", "attachVolume", &[("id", &disk), ("virtualmachineid", &machine)])["jobstatus"], 1);
    assert_eq!(fails(&cloud, "admin", "unmanageVolume", &[("id", &disk)]).0, 530, "it is in use");
    job(&cloud, "dev", "detachVolume", &[("id", &disk)]);
    let pool = text(&ok(&cloud, "admin", "listVolumes", &[("id", &disk)])["volume"][0], "storageid");
    done(&cloud, "admin", "unmanageVolume", &[("id", &disk)]);
    let path = text(&ok(&cloud, "admin", "listVolumesForImport", &[("storageid", &pool)])["volumeforimport"][0], "path");
    let given = [("storageid", pool.as_str()), ("path", &path), ("name", "data-2")];
    let back = done(&cloud, "admin", "importVolume", &given);
    assert_eq!((&back["name"], &back["size"], &back["storageid"]), (&json!("data-2"), &made["size"], &json!(pool)), "{back}");
    assert_eq!(fails(&cloud, "admin", "importVolume", &given).0, 530);
}

#[test]
fn a_machine_and_a_disk_come_back_from_a_backup() {
    let cloud = fresh();
    let zone = zone(&cloud);
    let given = [("name", "gold"), ("description", "gold"), ("externalid", "gold-policy"), ("zoneid", zone.as_str()), ("allowuserdrivenbackups", "true")];
    let offering = text(&done(&cloud, "admin", "importBackupOffering", &given), "id");
    let machine = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "db-1")]);
    done(&cloud, "admin", "assignVirtualMachineToBackupOffering", &[("virtualmachineid", &machine), ("backupofferingid", &offering)]);
    done(&cloud, "dev", "createBackup", &[("virtualmachineid", &machine)]);
    let backup = ok(&cloud, "dev", "listBackups", &[])["backup"][0].clone();
    let id = text(&backup, "id");
    let daily = [("virtualmachineid", machine.as_str()), ("intervaltype", "DAILY"), ("schedule", "00:01"), ("timezone", "UTC")];
    assert_eq!(fails(&cloud, "dev", "updateBackupSchedule", &daily).0, 530, "there is none yet");
    ok(&cloud, "dev", "createBackupSchedule", &daily);
    let later = ok(&cloud, "dev", "updateBackupSchedule", &[daily[0], daily[1], ("schedule", "30:02"), daily[3]]);
    assert_eq!(later["backupschedule"]["schedule"], "30:02");
    let copy = done(&cloud, "dev", "createVMFromBackup", &[("backupid", &id), ("zoneid", &zone), ("name", "db-2")]);
    assert_eq!((&copy["name"], &copy["state"], &copy["account"]), (&json!("db-2"), &json!("Running"), &json!("dev")), "{copy}");
    let volumes: Value = serde_json::from_str(backup["volumes"].as_str().unwrap()).unwrap();
    let volume = text(&volumes[0], "uuid");
    let target = text(&copy, "id");
    let asked = [("backupid", id.as_str()), ("volumeid", &volume), ("virtualmachineid", &target)];
    done(&cloud, "dev", "restoreVolumeFromBackupAndAttachToVM", &asked);
    assert_eq!(ok(&cloud, "dev", "listVolumes", &[("virtualmachineid", &target), ("type", "DATADISK")])["count"], 1);
    assert_eq!(fails(&cloud, "dev", "restoreVolumeFromBackupAndAttachToVM", &[asked[0], ("volumeid", "other"), asked[2]]).0, 530);
}

#[test]
fn a_schedule_stops_a_machine_at_its_time() {
    let cloud = fresh();
    let machine = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    let given = [("virtualmachineid", machine.as_str()), ("action", "stop"), ("schedule", "*/10 * * * *"), ("timezone", "UTC")];
    let schedule = text(&ok(&cloud, "dev", "createVMSchedule", &given)["vmschedule"], "id");
    let state = || text(&ok(&cloud, "dev", "listVirtualMachines", &[("id", &machine)])["virtualmachine"][0], "state");
    assert_eq!(state(), "Running");
    cloud.advance(std::time::Duration::from_secs(20 * 60));
    assert_eq!(state(), "Stopped");
    let events = ok(&cloud, "dev", "listEvents", &[("type", "VM.SCHEDULE.STOP")])["event"].clone();
    let done = events.as_array().unwrap().iter().filter(|event| event["state"] == "Completed").count();
    assert_eq!(done, 1, "what runs already stopped is left alone: {events}");
    ok(&cloud, "dev", "updateVMSchedule", &[("id", &schedule), ("enabled", "false")]);
    job(&cloud, "dev", "startVirtualMachine", &[("id", &machine)]);
    cloud.advance(std::time::Duration::from_secs(3_600));
    assert_eq!(state(), "Running", "it is switched off");
}

#[test]
fn a_plan_moves_machines_between_the_hosts_of_a_cluster() {
    let cloud = fresh();
    let cluster = id_of(&cloud, "admin", "listClusters", &[]);
    let hosts = ok(&cloud, "admin", "listHosts", &[("type", "Routing"), ("clusterid", &cluster)]);
    let (from, to) = (text(&hosts["host"][0], "id"), text(&hosts["host"][1], "id"));
    let machine = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    job(&cloud, "admin", "migrateVirtualMachine", &[("virtualmachineid", &machine), ("hostid", &from)]);
    let told = ok(&cloud, "admin", "generateClusterDrsPlan", &[("id", &cluster), ("migrations", "5")]);
    assert_eq!(told["generateclusterdrsplanresponse"]["status"], "UNDER_REVIEW");
    let moves = [("id", cluster.as_str()), ("migrateto[0].vm", &machine), ("migrateto[0].host", &to)];
    let plan = done(&cloud, "admin", "executeClusterDrsPlan", &moves);
    assert_eq!((&plan["status"], &plan["migrations"][0]["destinationhostid"]), (&json!("COMPLETED"), &json!(to)), "{plan}");
    assert_eq!(ok(&cloud, "admin", "listVirtualMachines", &[("id", &machine)])["virtualmachine"][0]["hostid"], to.as_str());
    assert_eq!(ok(&cloud, "admin", "listClusterDrsPlan", &[("clusterid", &cluster)])["count"], 1);
}

#[test]
fn the_power_of_a_host_can_be_managed_where_it_is_switched_on() {
    let cloud = fresh();
    let host = ok(&cloud, "admin", "listHosts", &[("type", "Routing")])["host"][0].clone();
    let (id, cluster) = (text(&host, "id"), text(&host, "clusterid"));
    let off = [("hostid", id.as_str()), ("action", "OFF")];
    assert_eq!(fails(&cloud, "admin", "issueOutOfBandManagementPowerAction", &off).0, 530, "it is not configured");
    let given = [("hostid", id.as_str()), ("driver", "redfish"), ("address", "10.0.0.9"), ("port", "443"), ("username", "u"), ("password", "p")];
    ok(&cloud, "admin", "configureOutOfBandManagement", &given);
    done(&cloud, "admin", "enableOutOfBandManagementForHost", &[("hostid", &id)]);
    let told = done(&cloud, "admin", "issueOutOfBandManagementPowerAction", &off);
    assert_eq!((&told["powerstate"], &told["status"]), (&json!("Off"), &json!(true)), "{told}");
    assert_eq!(fails(&cloud, "admin", "issueOutOfBandManagementPowerAction", &[off[0], ("action", "EXPLODE")]).0, 431);
    done(&cloud, "admin", "disableOutOfBandManagementForCluster", &[("clusterid", &cluster)]);
    assert_eq!(fails(&cloud, "admin", "issueOutOfBandManagementPowerAction", &off).0, 530, "it is off for the cluster");
}

#[test]
fn others_who_vouch_for_people_are_registered_once() {
    let cloud = fresh();
    let given = [("provider", "github"), ("clientid", "c"), ("redirecturi", "https://c.example.org"), ("secretkey", "s"), ("description", "d")];
    ok(&cloud, "admin", "registerOauthProvider", &given);
    assert_eq!(fails(&cloud, "admin", "registerOauthProvider", &given).0, 530);
    let id = id_of(&cloud, "admin", "listOauthProvider", &[("provider", "github")]);
    ok(&cloud, "admin", "updateOauthProvider", &[("id", &id), ("enabled", "false")]);
    assert_eq!(ok(&cloud, "admin", "listOauthProvider", &[])["oauthprovider"][0]["enabled"], false);
    ok(&cloud, "admin", "deleteOauthProvider", &[("id", &id)]);
    assert_eq!(ok(&cloud, "admin", "listOauthProvider", &[]), json!({}));
    let server = [("hostname", "ldap.example.org"), ("port", "10389")];
    ok(&cloud, "admin", "addLdapConfiguration", &server);
    assert_eq!(fails(&cloud, "admin", "addLdapConfiguration", &server).0, 530);
    assert_eq!(ok(&cloud, "admin", "listLdapConfigurations", &[("hostname", "ldap.example.org")])["LdapConfiguration"][0]["port"], 10389);
    ok(&cloud, "admin", "deleteLdapConfiguration", &server);
    assert_eq!(ok(&cloud, "admin", "listLdapConfigurations", &[]), json!({}));
}

#[test]
fn an_appliance_is_a_machine_of_a_template_that_tells_of_its_nics() {
    let cloud = fresh();
    let zone = zone(&cloud);
    let os = id_of(&cloud, "admin", "listOsTypes", &[]);
    let url = "http://images.example.org/fw.vhd";
    let base = [("name", "fw"), ("format", "VHD"), ("hypervisor", "Simulator"), ("url", url), ("zoneid", zone.as_str()), ("ostypeid", &os)];
    let nic = [("vnfnics[0].deviceid", "0"), ("vnfnics[0].name", "wan"), ("vnfnics[0].management", "true")];
    let gap = [("vnfnics[0].deviceid", "1"), ("vnfnics[0].name", "lan")];
    assert_eq!(fails(&cloud, "admin", "registerVnfTemplate", &[base.as_slice(), &gap].concat()).0, 431, "the first NIC has number 0");
    ok(&cloud, "admin", "registerVnfTemplate", &[base.as_slice(), &nic].concat());
    let template = id_of(&cloud, "admin", "listVnfTemplates", &[("templatefilter", "self")]);
    let plain = id_of(&cloud, "admin", "listTemplates", &[("templatefilter", "featured"), ("name", "Debian 12")]);
    assert_eq!(fails(&cloud, "admin", "updateVnfTemplate", &[("id", &plain), ("name", "x")]).0, 431);
    assert_eq!(ok(&cloud, "admin", "updateVnfTemplate", &[("id", &template), ("displaytext", "firewall")])["template"]["displaytext"], "firewall");
    assert_eq!(ok(&cloud, "admin", "listVnfAppliances", &[]), json!({}));
    let offering = id_of(&cloud, "admin", "listServiceOfferings", &[("name", "Small Instance")]);
    let given = [("templateid", template.as_str()), ("zoneid", &zone), ("serviceofferingid", &offering), ("name", "edge")];
    let made = done(&cloud, "admin", "deployVnfAppliance", &given);
    assert_eq!(ok(&cloud, "admin", "listVnfAppliances", &[])["virtualmachine"][0]["id"], made["id"]);
    assert_eq!(fails(&cloud, "admin", "deployVnfAppliance", &[("templateid", &plain), given[1], given[2], given[3]]).0, 431);
}

#[test]
fn a_family_of_systems_stays_while_systems_are_in_it() {
    let cloud = fresh();
    let made = ok(&cloud, "admin", "addOsCategory", &[("name", "Toys"), ("isfeatured", "true")]);
    let id = text(&made["oscategory"], "id");
    assert_eq!(fails(&cloud, "admin", "addOsCategory", &[("name", "Toys")]).0, 431);
    done(&cloud, "admin", "addGuestOs", &[("oscategoryid", &id), ("osdisplayname", "Toy OS 1")]);
    assert_eq!(fails(&cloud, "admin", "deleteOsCategory", &[("id", &id)]).0, 431);
    let other = text(&ok(&cloud, "admin", "addOsCategory", &[("name", "Games")])["oscategory"], "id");
    ok(&cloud, "admin", "updateOsCategory", &[("id", &other), ("name", "Old games")]);
    assert_eq!(ok(&cloud, "admin", "listOsCategories", &[("id", &other)])["oscategory"][0]["name"], "Old games");
    ok(&cloud, "admin", "deleteOsCategory", &[("id", &other)]);
}

#[test]
fn vlans_are_kept_for_an_account_once() {
    let cloud = fresh();
    let physical = ok(&cloud, "admin", "listPhysicalNetworks", &[])["physicalnetwork"][0].clone();
    let id = text(&physical, "id");
    let first: i64 = text(&physical, "vlan").split(['-', ',']).next().unwrap().parse().unwrap();
    let range = format!("{}-{}", first + 20, first + 22);
    let given = [("physicalnetworkid", id.as_str()), ("vlanrange", &range)];
    assert_eq!(fails(&cloud, "admin", "dedicateGuestVlanRange", &[given[0], ("vlanrange", "1-2")]).0, 431, "it is outside");
    let made = ok(&cloud, "admin", "dedicateGuestVlanRange", &given);
    assert_eq!(made["dedicatedguestvlanrange"]["guestvlanrange"], range.as_str(), "{made}");
    assert_eq!(fails(&cloud, "admin", "dedicateGuestVlanRange", &given).0, 431, "it overlaps");
    let key = text(&made["dedicatedguestvlanrange"], "id");
    assert_eq!(ok(&cloud, "admin", "listDedicatedGuestVlanRanges", &[("physicalnetworkid", &id)])["count"], 1);
    done(&cloud, "admin", "releaseDedicatedGuestVlanRange", &[("id", &key)]);
    assert_eq!(ok(&cloud, "admin", "listDedicatedGuestVlanRanges", &[]), json!({}));
}

#[test]
fn a_management_server_prepares_to_go_and_stays_after_all() {
    let cloud = fresh();
    let id = id_of(&cloud, "admin", "listManagementServers", &[]);
    let given = [("managementserverid", id.as_str())];
    assert_eq!(fails(&cloud, "admin", "cancelShutdown", &given).0, 530);
    assert_eq!(ok(&cloud, "admin", "prepareForShutdown", &given)["prepareforshutdown"]["state"], "PreparingForShutDown");
    assert_eq!(ok(&cloud, "admin", "readyForShutdown", &given)["readyforshutdown"]["readyforshutdown"], true);
    assert_eq!(ok(&cloud, "admin", "cancelShutdown", &given)["cancelshutdown"]["state"], "Up");
    assert_eq!(fails(&cloud, "admin", "removeManagementServer", &[("id", &id)]).0, 431);
}
