//! The whole catalog: who may call what, how each command is answered, which are loaded.

use std::collections::{BTreeMap, BTreeSet};

use cloudstack_api::catalog::{Catalog, Release};
use cloudstack_sim::{How, Plugins, Scene, WorldOptions, coverage};
use serde_json::json;

use crate::scene::{call, cloud, of_release, ok, options};

#[test]
fn each_role_may_call_what_it_may_on_real_servers() {
    let recorded: BTreeMap<String, BTreeMap<String, Vec<String>>> = serde_json::from_str(include_str!("../data/allowed-by-role.json")).unwrap();
    for (line, roles) in recorded {
        let cloud = of_release(line.parse().unwrap(), Plugins::All);
        let all: BTreeSet<&String> = roles["Root Admin"].iter().collect();
        for identity in cloud.identities() {
            let Some(expected) = roles.get(&identity.role) else { continue };
            let body = ok(&cloud, &identity.name, "listApis", &[]);
            let listed: BTreeSet<String> =
                body["api"].as_array().unwrap().iter().map(|api| api["name"].as_str().unwrap().to_owned()).filter(|name| all.contains(name)).collect();
            let expected: BTreeSet<String> = expected.iter().cloned().collect();
            assert_eq!(listed.symmetric_difference(&expected).collect::<Vec<_>>(), Vec::<&String>::new(), "{line} {}", identity.name);
        }
    }
}

#[test]
fn the_coverage_names_every_command_once() {
    let catalog = Catalog::embedded(Release::NEWEST);
    let rows = coverage(&catalog);
    assert_eq!(rows.len(), catalog.commands().count());
    let behaviour = rows.iter().filter(|(_, how)| *how == How::Behaviour).count();
    println!("{behaviour} of {} commands have behaviour", rows.len());
    assert!(behaviour >= 150, "{behaviour}");
}

#[test]
fn a_bare_world_loads_what_its_settings_turn_on() {
    let bare = |settings| WorldOptions { plugins: Plugins::Loaded, scene: Scene::Bare, settings, ..options() };
    let plain = cloud(bare(&[]));
    assert_eq!(plain.identities().len(), 1);
    assert_eq!(ok(&plain, "admin", "listInfrastructure", &[])["infrastructure"]["hosts"], 4);
    assert_eq!(ok(&plain, "admin", "listVirtualMachines", &[("listall", "true")]), json!({}));
    let (status, envelope, _) = call(&plain, "admin", "quotaSummary", &[]);
    assert_eq!((status, envelope.as_str()), (401, "errorresponse"));
    let with_quota = cloud(bare(&[("quota.enable.service", "true")]));
    assert_eq!(call(&with_quota, "admin", "quotaSummary", &[]).0, 200);
}
