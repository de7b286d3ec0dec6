//! Life cycles: what becomes of an object, and of what hangs on it.

use serde_json::json;

use crate::scene::{call, fresh, id_of, job, ok, refused};

fn deploy(cloud: &cloudstack_sim::Cloud, who: &str, name: &str) -> String {
    let zone = id_of(cloud, who, "listZones", &[]);
    let offering = id_of(cloud, who, "listServiceOfferings", &[("name", "Small Instance")]);
    let template = id_of(cloud, who, "listTemplates", &[("templatefilter", "featured"), ("name", "Debian 12")]);
    let started = ok(cloud, who, "deployVirtualMachine", &[("zoneid", &zone), ("serviceofferingid", &offering), ("templateid", &template), ("name", name)]);
    let job = ok(cloud, who, "queryAsyncJobResult", &[("jobid", started["jobid"].as_str().unwrap())]);
    assert_eq!(job["jobstatus"], 1, "{job}");
    assert_eq!(job["jobinstancetype"], "VirtualMachine");
    assert_eq!(job["jobresult"]["virtualmachine"]["id"], started["id"]);
    started["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_machine_is_deployed_listed_destroyed_and_recovered() {
    let cloud = fresh();
    let vm = deploy(&cloud, "dev", "shop-1");
    let listed = ok(&cloud, "dev", "listVirtualMachines", &[("id", &vm)]);
    let row = &listed["virtualmachine"][0];
    assert_eq!((&row["name"], &row["state"], &row["templatename"], &row["account"]), (&json!("shop-1"), &json!("Running"), &json!("Debian 12"), &json!("dev")));
    assert_eq!(row["nic"][0]["networkname"], "office");
    assert!(row.get("hostid").is_none(), "only root sees the host");
    assert!(row.get("jobid").is_none(), "the job is over");

    let destroyed = job(&cloud, "dev", "destroyVirtualMachine", &[("id", &vm)]);
    assert_eq!(destroyed["jobresult"]["virtualmachine"]["state"], "Destroyed");
    let recovered = ok(&cloud, "dev", "recoverVirtualMachine", &[("id", &vm)]);
    assert_eq!(recovered["virtualmachine"]["state"], "Stopped");
    let started = job(&cloud, "dev", "startVirtualMachine", &[("id", &vm)]);
    assert_eq!(started["jobresult"]["virtualmachine"]["state"], "Running");
    let again = job(&cloud, "dev", "startVirtualMachine", &[("id", &vm)]);
    assert_eq!((&again["jobstatus"], &again["jobresultcode"]), (&json!(2), &json!(431)));

    job(&cloud, "admin", "destroyVirtualMachine", &[("id", &vm), ("expunge", "true")]);
}

#[test]
fn an_expunged_machine_is_gone_with_its_root_disk_and_its_data_disk_stays() {
    let cloud = fresh();
    let vm = deploy(&cloud, "dev", "shop-2");
    let offering = id_of(&cloud, "dev", "listDiskOfferings", &[("name", "Small")]);
    let zone = id_of(&cloud, "dev", "listZones", &[]);
    let made = ok(&cloud, "dev", "createVolume", &[("name", "data-1"), ("diskofferingid", &offering), ("zoneid", &zone)]);
    let volume = made["id"].as_str().unwrap().to_owned();
    let attached = job(&cloud, "dev", "attachVolume", &[("id", &volume), ("virtualmachineid", &vm)]);
    assert_eq!(attached["jobresult"]["volume"]["deviceid"], 1);
    let twice = job(&cloud, "dev", "attachVolume", &[("id", &volume), ("virtualmachineid", &vm)]);
    assert_eq!(twice["jobresult"]["errortext"], "Please specify a volume that is not attached to any VM.");
    assert_eq!(refused(&cloud, "dev", "deleteVolume", &[("id", &volume)]).0, 431);

    job(&cloud, "dev", "destroyVirtualMachine", &[("id", &vm), ("expunge", "true")]);
    let (status, text) = refused(&cloud, "dev", "startVirtualMachine", &[("id", &vm)]);
    assert_eq!(status, 431);
    assert!(text.starts_with("Unable to find UUID for id"), "{text}");
    assert_eq!(ok(&cloud, "dev", "listVirtualMachines", &[("id", &vm)]), json!({}));
    let left = ok(&cloud, "dev", "listVolumes", &[("id", &volume)]);
    assert_eq!(left["volume"][0].get("virtualmachineid"), None);
    assert_eq!(ok(&cloud, "dev", "deleteVolume", &[("id", &volume)]), json!({"success": true}));
}

#[test]
fn a_protected_machine_outlives_its_destroyer() {
    let cloud = fresh();
    let vm = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    ok(&cloud, "dev", "updateVirtualMachine", &[("id", &vm), ("deleteprotection", "true")]);
    let failed = job(&cloud, "dev", "destroyVirtualMachine", &[("id", &vm)]);
    assert_eq!((&failed["jobstatus"], &failed["jobresult"]["errorcode"]), (&json!(2), &json!(431)));
    assert_eq!(ok(&cloud, "dev", "listVirtualMachines", &[("id", &vm)])["virtualmachine"][0]["state"], "Running");
}

#[test]
fn others_see_nothing_and_may_do_nothing() {
    let cloud = fresh();
    let vm = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    assert_eq!(ok(&cloud, "globex-user", "listVirtualMachines", &[("id", &vm)]), json!({}));
    assert_eq!(
        refused(&cloud, "globex-user", "stopVirtualMachine", &[("id", &vm)]),
        (531, "Caller does not have permission to operate with provided resource.".to_owned())
    );
    assert_eq!(job(&cloud, "acme-admin", "stopVirtualMachine", &[("id", &vm)])["jobresult"]["virtualmachine"]["state"], "Stopped");
}

#[test]
fn a_network_with_machines_cannot_be_deleted() {
    let cloud = fresh();
    let network = id_of(&cloud, "dev", "listNetworks", &[]);
    let failed = job(&cloud, "dev", "deleteNetwork", &[("id", &network)]);
    assert_eq!(failed["jobresult"], json!({"errorcode": 530, "errortext": "Failed to delete network"}));
}

#[test]
fn a_port_is_forwarded_through_a_firewall_that_opens_by_default() {
    let cloud = fresh();
    let vm = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    let network = id_of(&cloud, "dev", "listNetworks", &[]);
    let address = ok(&cloud, "dev", "associateIpAddress", &[("networkid", &network)])["id"].as_str().unwrap().to_owned();
    let arguments = [("ipaddressid", address.as_str()), ("virtualmachineid", &vm), ("protocol", "tcp"), ("publicport", "22"), ("privateport", "22")];
    let rule = job(&cloud, "dev", "createPortForwardingRule", &arguments);
    assert_eq!(rule["jobresult"]["portforwardingrule"]["publicport"], "22");
    let wall = ok(&cloud, "dev", "listFirewallRules", &[("ipaddressid", &address)]);
    assert_eq!((&wall["firewallrule"][0]["startport"], &wall["firewallrule"][0]["cidrlist"]), (&json!(22), &json!("0.0.0.0/0")));
    assert_eq!(refused(&cloud, "dev", "createPortForwardingRule", &arguments).0, 537);
    assert_eq!(ok(&cloud, "dev", "listPublicIpAddresses", &[("id", &address)])["publicipaddress"][0]["hasrules"], true);
}

#[test]
fn a_limit_is_held_before_any_job() {
    let cloud = fresh();
    let acme = id_of(&cloud, "admin", "listDomains", &[("name", "acme")]);
    ok(&cloud, "acme-admin", "updateResourceLimit", &[("account", "qa"), ("domainid", &acme), ("resourcetype", "0"), ("max", "1")]);
    let zone = id_of(&cloud, "qa", "listZones", &[]);
    let offering = id_of(&cloud, "qa", "listServiceOfferings", &[]);
    let template = id_of(&cloud, "qa", "listTemplates", &[("templatefilter", "featured")]);
    let (status, text) = refused(&cloud, "qa", "deployVirtualMachine", &[("zoneid", &zone), ("serviceofferingid", &offering), ("templateid", &template)]);
    assert_eq!(status, 535);
    assert!(text.contains("Account Resource Limit = 1, Current Account Resource Amount = 1"), "{text}");
}

#[test]
fn tags_filter_lists_and_leave_with_a_key() {
    let cloud = fresh();
    let vm = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "db-1")]);
    let tags = [("resourceids", vm.as_str()), ("resourcetype", "UserVm"), ("tags[0].key", "env"), ("tags[0].value", "prod")];
    assert_eq!(job(&cloud, "dev", "createTags", &tags)["jobresult"], json!({"success": true}));
    let found = ok(&cloud, "dev", "listVirtualMachines", &[("tags[0].key", "env"), ("tags[0].value", "PROD")]);
    assert_eq!((&found["count"], &found["virtualmachine"][0]["tags"][0]["value"]), (&json!(1), &json!("prod")));
    assert_eq!(job(&cloud, "dev", "createTags", &tags)["jobstatus"], 2);
    job(&cloud, "dev", "deleteTags", &[("resourceids", &vm), ("resourcetype", "UserVm"), ("tags[0].key", "env")]);
    assert_eq!(ok(&cloud, "dev", "listTags", &[]), json!({}));
}

#[test]
fn new_keys_replace_the_old_ones_at_once() {
    let cloud = fresh();
    let user = id_of(&cloud, "qa", "listUsers", &[]);
    ok(&cloud, "qa", "registerUserKeys", &[("id", &user)]);
    assert_eq!(call(&cloud, "qa", "listZones", &[]).0, 401);
}

#[test]
fn what_refuses_a_job_while_it_works_ends_the_job_and_what_makes_something_is_refused_at_once() {
    let cloud = fresh();
    let vm = deploy(&cloud, "dev", "shop-3");
    let late = call(&cloud, "dev", "resetSSHKeyForVirtualMachine", &[("id", &vm), ("keypair", "nobodys")]);
    assert_eq!(late.0, 200, "{late:?}");
    assert_eq!(refused(&cloud, "dev", "resetSSHKeyForVirtualMachine", &[("id", &vm), ("keypair", "nobodys")]).0, 431);
    let offering = id_of(&cloud, "dev", "listDiskOfferings", &[("name", "Custom")]);
    assert_eq!(call(&cloud, "dev", "createVolume", &[("name", "d"), ("diskofferingid", &offering)]).0, 431);
}

#[test]
fn a_policy_of_the_same_interval_is_changed_and_keeps_its_id() {
    let cloud = fresh();
    let vm = deploy(&cloud, "dev", "shop-4");
    let volume = id_of(&cloud, "dev", "listVolumes", &[("virtualmachineid", &vm)]);
    let make = |schedule: &str| {
        let arguments = [("volumeid", volume.as_str()), ("intervaltype", "DAILY"), ("schedule", schedule), ("timezone", "Europe/Berlin"), ("maxsnaps", "3")];
        ok(&cloud, "dev", "createSnapshotPolicy", &arguments)["snapshotpolicy"].clone()
    };
    let (first, second) = (make("30:02"), make("45:03"));
    assert_eq!(first["id"], second["id"]);
    assert_eq!(second["schedule"], "45:03");
    assert_eq!(ok(&cloud, "dev", "listSnapshotPolicies", &[("volumeid", &volume)])["count"], 1);
}

#[test]
fn a_template_is_seen_by_those_it_is_shared_with_and_by_nobody_else() {
    let cloud = fresh();
    let vm = deploy(&cloud, "dev", "shop-5");
    let volume = id_of(&cloud, "dev", "listVolumes", &[("virtualmachineid", &vm)]);
    let os = id_of(&cloud, "dev", "listOsTypes", &[("page", "1"), ("pagesize", "1")]);
    assert_eq!(refused(&cloud, "dev", "createTemplate", &[("name", "golden"), ("ostypeid", &os), ("volumeid", &volume)]).0, 530);
    job(&cloud, "dev", "stopVirtualMachine", &[("id", &vm)]);
    let made = ok(&cloud, "dev", "createTemplate", &[("name", "golden"), ("ostypeid", &os), ("volumeid", &volume)]);
    let template = made["id"].as_str().unwrap().to_owned();
    assert_eq!(refused(&cloud, "qa", "listTemplates", &[("templatefilter", "executable"), ("id", &template)]).0, 531);
    ok(&cloud, "dev", "updateTemplatePermissions", &[("id", &template), ("op", "add"), ("accounts", "qa")]);
    assert_eq!(ok(&cloud, "qa", "listTemplates", &[("templatefilter", "sharedexecutable")])["template"][0]["name"], "golden");
    let names = ok(&cloud, "dev", "listTemplatePermissions", &[("id", &template)])["templatepermission"]["account"].clone();
    assert_eq!(names, json!(["qa", "dev"]));
    assert_eq!(ok(&cloud, "globex-user", "listTemplates", &[("templatefilter", "shared")]), json!({}));
}
