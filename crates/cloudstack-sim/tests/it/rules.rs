//! Commands without behaviour of their own: the rules that they follow all the same, tried on plugins.

use serde_json::Value;

use crate::scene::{fails, fresh, id_of, job, ok};

/// A kind of a plugin: how an object is made, listed, changed and taken away again. `@` is the id of the object.
struct Life {
    make: (&'static str, &'static [(&'static str, &'static str)]),
    list: (&'static str, &'static [(&'static str, &'static str)]),
    change: Option<(&'static str, &'static [(&'static str, &'static str)])>,
    take: (&'static str, &'static [(&'static str, &'static str)]),
}

const LIVES: &[Life] = &[
    Life {
        make: ("addUcsManager", &[("name", "chassis"), ("url", "https://ucs.example.org"), ("username", "u"), ("password", "p"), ("zoneid", "ZONE")]),
        list: ("listUcsManagers", &[("zoneid", "ZONE")]),
        change: None,
        take: ("deleteUcsManager", &[("ucsmanagerid", "@")]),
    },
    Life {
        make: ("createTungstenFabricTagType", &[("name", "tier"), ("zoneid", "ZONE")]),
        list: ("listTungstenFabricTagType", &[("tagtypeuuid", "@")]),
        change: None,
        take: ("deleteTungstenFabricTagType", &[("tagtypeuuid", "@"), ("zoneid", "ZONE")]),
    },
    Life {
        make: ("addVmwareDc", &[("name", "dc-1"), ("vcenter", "vcenter.example.org"), ("zoneid", "ZONE")]),
        list: ("listVmwareDcs", &[("zoneid", "ZONE")]),
        change: Some(("updateVmwareDc", &[("zoneid", "ZONE"), ("vcenter", "other.example.org")])),
        take: ("removeVmwareDc", &[("zoneid", "ZONE")]),
    },
    Life {
        make: ("addTrafficMonitor", &[("url", "https://monitor.example.org"), ("zoneid", "ZONE")]),
        list: ("listTrafficMonitors", &[("zoneid", "ZONE")]),
        change: None,
        take: ("deleteTrafficMonitor", &[("id", "@")]),
    },
];

fn rows(body: &Value) -> Vec<Value> {
    body.as_object().into_iter().flat_map(|members| members.values()).find_map(Value::as_array).cloned().unwrap_or_default()
}

fn id(object: &Value) -> String {
    object["id"].as_str().or_else(|| object["uuid"].as_str()).unwrap_or_else(|| panic!("{object}")).to_owned()
}

#[test]
fn what_is_made_is_listed_filtered_changed_and_taken_away() {
    for life in LIVES {
        let cloud = fresh();
        let zone = id_of(&cloud, "admin", "listZones", &[]);
        let run = |(command, given): (&'static str, &'static [(&'static str, &'static str)]), id: &str| {
            let told = |value: &'static str| match value {
                "@" => id.to_owned(),
                "ZONE" => zone.clone(),
                value => value.to_owned(),
            };
            let told: Vec<(&str, String)> = given.iter().map(|(name, value)| (*name, told(value))).collect();
            let given: Vec<(&str, &str)> = told.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let body = ok(&cloud, "admin", command, &given);
            match body["jobid"].as_str().filter(|_| !command.starts_with("list")) {
                Some(job) => {
                    let ended = ok(&cloud, "admin", "queryAsyncJobResult", &[("jobid", job)]);
                    assert_eq!(ended["jobstatus"], 1, "{command}: {ended}");
                    ended["jobresult"].clone()
                }
                None => body,
            }
        };
        let made = run(life.make, "");
        let made = made.as_object().unwrap().values().next().unwrap().clone();
        let key = id(&made);
        let listed = rows(&run(life.list, &key));
        let mine: Vec<&Value> = listed.iter().filter(|row| id(row) == key).collect();
        assert_eq!(mine.len(), 1, "{}: {listed:?}", life.make.0);
        for (name, value) in life.make.1.iter().filter(|(name, value)| *value != "ZONE" && made.get(*name).is_some()) {
            assert_eq!(mine[0][*name], *value, "{}", life.make.0);
        }
        if let Some(change) = life.change {
            run(change, &key);
            let (name, value) = change.1.last().unwrap();
            let changed = rows(&run(life.list, &key));
            assert!(changed.iter().any(|row| id(row) == key && row.get(*name).is_none_or(|now| now == value)), "{}: {changed:?}", change.0);
        }
        run(life.take, &key);
        assert!(rows(&run(life.list, &key)).iter().all(|row| id(row) != key), "{}", life.take.0);
    }
}

#[test]
fn names_of_a_kind_differ_within_a_place() {
    let cloud = fresh();
    let zone = id_of(&cloud, "admin", "listZones", &[]);
    let given = [("name", "core"), ("zoneid", zone.as_str())];
    assert_eq!(job(&cloud, "admin", "createTungstenFabricPolicy", &given)["jobstatus"], 1);
    assert_eq!(fails(&cloud, "admin", "createTungstenFabricPolicy", &given).0, 431);
}

#[test]
fn what_is_applied_can_be_taken_off_and_stays() {
    let cloud = fresh();
    let zone = id_of(&cloud, "admin", "listZones", &[]);
    let router = job(&cloud, "admin", "createTungstenFabricLogicalRouter", &[("name", "edge"), ("zoneid", &zone)]);
    let router = id(&router["jobresult"]["logicalrouter"]);
    let network = id_of(&cloud, "admin", "listNetworks", &[("listall", "true")]);
    let given = [("logicalrouteruuid", router.as_str()), ("networkuuid", network.as_str()), ("zoneid", zone.as_str())];
    let joined = job(&cloud, "admin", "addTungstenFabricNetworkGatewayToLogicalRouter", &given);
    assert_eq!(joined["jobresult"]["logicalrouter"]["network"][0]["id"], network.as_str(), "{joined}");
    let parted = job(&cloud, "admin", "removeTungstenFabricNetworkGatewayFromLogicalRouter", &given);
    assert_eq!(parted["jobresult"]["logicalrouter"]["network"], serde_json::json!([]), "{parted}");
    assert_eq!(ok(&cloud, "admin", "listTungstenFabricLogicalRouter", &[("logicalrouteruuid", &router)])["count"], 1);
    let lost = [("logicalrouteruuid", "00000000-0000-4000-8000-000000000000"), ("zoneid", zone.as_str())];
    assert_eq!(fails(&cloud, "admin", "deleteTungstenFabricLogicalRouter", &lost).0, 431);
}
