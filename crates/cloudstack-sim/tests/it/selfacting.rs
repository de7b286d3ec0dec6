//! What happens by itself when its time comes, and what is told about it.

use std::time::Duration;

use cloudstack_sim::Cloud;
use serde_json::{Value, json};

use crate::scene::{fresh, id_of, job, ok};

/// An hour: each has its minute 15 once.
const HOUR: Duration = Duration::from_secs(3_600);

fn done(cloud: &Cloud, who: &str, command: &str, arguments: &[(&str, &str)]) -> Value {
    let ended = job(cloud, who, command, arguments);
    assert_eq!(ended["jobstatus"], 1, "{command}: {ended}");
    ended["jobresult"].as_object().and_then(|result| result.values().next()).cloned().unwrap_or_default()
}

fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_else(|| panic!("{name} of {object}")).to_owned()
}

#[test]
fn a_policy_takes_a_snapshot_every_hour_and_keeps_as_many_as_it_says() {
    let cloud = fresh();
    let volume = id_of(&cloud, "dev", "listVolumes", &[]);
    let given = [("volumeid", volume.as_str()), ("intervaltype", "HOURLY"), ("schedule", "15"), ("timezone", "UTC"), ("maxsnaps", "2")];
    ok(&cloud, "dev", "createSnapshotPolicy", &given);
    let of_volume = [("volumeid", volume.as_str())];
    let before = ok(&cloud, "dev", "listSnapshots", &of_volume)["count"].as_u64().unwrap_or(0);
    cloud.advance(HOUR);
    let after = ok(&cloud, "dev", "listSnapshots", &of_volume);
    assert_eq!(after["count"].as_u64().unwrap(), before + 1, "{after}");
    let first = after["snapshot"].as_array().unwrap().iter().find(|snapshot| snapshot["intervaltype"] == "HOURLY").unwrap().clone();
    assert_eq!(&first["created"].as_str().unwrap()[14..16], "15", "{first}");
    for _ in 0..4 {
        cloud.advance(HOUR);
    }
    let kept = ok(&cloud, "dev", "listSnapshots", &of_volume);
    let hourly = kept["snapshot"].as_array().unwrap().iter().filter(|snapshot| snapshot["intervaltype"] == "HOURLY").count();
    assert_eq!(hourly, 2, "{kept}");
    assert_eq!(ok(&cloud, "dev", "listEvents", &[("type", "SNAPSHOT.DELETE")])["count"], 3);
}

#[test]
fn a_policy_that_is_deleted_takes_no_more_snapshots() {
    let cloud = fresh();
    let volume = id_of(&cloud, "dev", "listVolumes", &[]);
    let given = [("volumeid", volume.as_str()), ("intervaltype", "HOURLY"), ("schedule", "15"), ("timezone", "UTC"), ("maxsnaps", "2")];
    let policy = text(&ok(&cloud, "dev", "createSnapshotPolicy", &given)["snapshotpolicy"], "id");
    ok(&cloud, "dev", "deleteSnapshotPolicies", &[("id", &policy)]);
    let before = ok(&cloud, "dev", "listSnapshots", &[("volumeid", &volume)]);
    cloud.advance(HOUR);
    assert_eq!(ok(&cloud, "dev", "listSnapshots", &[("volumeid", &volume)]), before);
}

#[test]
fn a_schedule_makes_a_backup_a_day() {
    let cloud = fresh();
    let zone = id_of(&cloud, "admin", "listZones", &[]);
    let given = [("name", "gold"), ("description", "gold"), ("externalid", "gold-policy"), ("zoneid", zone.as_str()), ("allowuserdrivenbackups", "true")];
    let offering = text(&done(&cloud, "admin", "importBackupOffering", &given), "id");
    let machine = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "db-1")]);
    done(&cloud, "admin", "assignVirtualMachineToBackupOffering", &[("virtualmachineid", &machine), ("backupofferingid", &offering)]);
    let daily = [("virtualmachineid", machine.as_str()), ("intervaltype", "DAILY"), ("schedule", "30:02"), ("timezone", "UTC"), ("maxbackups", "2")];
    ok(&cloud, "dev", "createBackupSchedule", &daily);
    for days in [1_u64, 2, 2] {
        cloud.advance(Duration::from_secs(86_400));
        assert_eq!(ok(&cloud, "dev", "listBackups", &[])["count"], days);
    }
}

#[test]
fn a_webhook_tells_of_the_events_of_its_account_and_keeps_the_last() {
    let cloud = fresh();
    let given = [("name", "hook"), ("payloadurl", "https://hooks.example.org/cloud")];
    let hook = text(&ok(&cloud, "dev", "createWebhook", &given)["webhook"], "id");
    let machine = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    done(&cloud, "dev", "stopVirtualMachine", &[("id", &machine)]);
    let told = ok(&cloud, "dev", "listWebhookDeliveries", &[("webhookid", &hook)]);
    assert_eq!(told["count"], 3, "queued, begun, done: {told}");
    let last = &told["webhookdelivery"][0];
    assert_eq!((&last["eventtype"], &last["webhookname"], &last["success"]), (&json!("VM.STOP"), &json!("hook"), &json!(true)), "{last}");
    assert!(last["payload"].as_str().unwrap().contains(&machine), "{last}");
    assert_eq!(ok(&cloud, "globex-user", "listWebhookDeliveries", &[]), json!({}), "it is not theirs");
    let again = ok(&cloud, "dev", "executeWebhookDelivery", &[("id", last["id"].as_str().unwrap())]);
    assert_eq!(again["webhookdelivery"]["eventid"], last["eventid"], "{again}");
    let tried = ok(&cloud, "dev", "executeWebhookDelivery", &[("webhookid", &hook), ("payload", "hello")]);
    assert_eq!((&tried["webhookdelivery"]["payload"], &tried["webhookdelivery"]["webhookid"]), (&json!("hello"), &json!(hook)), "{tried}");
    for _ in 0..4 {
        done(&cloud, "dev", "startVirtualMachine", &[("id", &machine)]);
        done(&cloud, "dev", "stopVirtualMachine", &[("id", &machine)]);
    }
    assert_eq!(ok(&cloud, "dev", "listWebhookDeliveries", &[])["count"], 10, "the last ten are kept");
    ok(&cloud, "dev", "deleteWebhookDelivery", &[("webhookid", &hook)]);
    assert_eq!(ok(&cloud, "dev", "listWebhookDeliveries", &[]), json!({}));
}

#[test]
fn the_events_of_a_job_belong_together_and_pages_go_back_in_time() {
    let cloud = fresh();
    let machine = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    done(&cloud, "admin", "stopVirtualMachine", &[("id", &machine)]);
    let asked = [("listall", "true"), ("resourceid", machine.as_str()), ("resourcetype", "VirtualMachine")];
    let events = ok(&cloud, "admin", "listEvents", &asked)["event"].clone();
    let phases: Vec<(&str, &str)> =
        events.as_array().unwrap().iter().map(|event| (event["state"].as_str().unwrap(), event["account"].as_str().unwrap())).collect();
    assert_eq!(phases, [("Scheduled", "dev"), ("Started", "admin"), ("Completed", "admin")], "the queued one is the owner's: {events}");
    assert_eq!((events[0].get("parentid"), &events[1]["parentid"], &events[2]["parentid"]), (None, &events[0]["id"], &events[0]["id"]));
    assert_eq!(events[2]["resourcename"], "web-1");
    let last = ok(&cloud, "admin", "listEvents", &[asked[0], asked[1], asked[2], ("page", "1"), ("pagesize", "1")]);
    assert_eq!((&last["count"], &last["event"][0]["state"]), (&json!(3), &json!("Completed")), "{last}");
}

#[test]
fn a_rule_leaves_its_id_in_events_only_as_long_as_it_is_there() {
    let cloud = fresh();
    let group = text(&done(&cloud, "dev", "createAffinityGroup", &[("name", "apart"), ("type", "host anti-affinity")]), "id");
    let made = || ok(&cloud, "dev", "listEvents", &[("type", "AG.CREATE")])["event"][1].clone();
    assert_eq!((&made()["resourceid"], &made()["resourcename"]), (&json!(group), &json!("apart")));
    done(&cloud, "dev", "deleteAffinityGroup", &[("id", &group)]);
    assert_eq!((made().get("resourceid"), made().get("resourcename"), &made()["resourcetype"]), (None, None, &json!("AffinityGroup")));
}

#[test]
fn refused_work_leaves_an_error_and_bad_arguments_leave_nothing() {
    let cloud = fresh();
    let count = |kind: &str| ok(&cloud, "admin", "listEvents", &[("type", kind), ("level", "ERROR")])["count"].as_u64().unwrap_or(0);
    crate::scene::fails(&cloud, "admin", "createDomain", &[("name", "acme")]);
    assert_eq!(count("DOMAIN.CREATE"), 1);
    crate::scene::fails(&cloud, "admin", "createDomain", &[]);
    assert_eq!(count("DOMAIN.CREATE"), 1);
}
