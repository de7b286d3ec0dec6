//! The argument check against the embedded catalog: what passes and how it is spelled, what is refused and how that is said.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{ArgumentFaults, Draft, check};
use crate::catalog::{Catalog, Release};

const ID: &str = "3da2d8a3-4b3b-4f3f-a1da-be3663331c69";

fn draft(command: &str, arguments: Value) -> Result<Draft, ArgumentFaults> {
    let catalog = Catalog::embedded(Release::NEWEST);
    let command = catalog.command(command).unwrap();
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    check(&catalog, &command, &arguments)
}

/// The pairs that the arguments travel as, one `name=value` each.
fn spelled(command: &str, arguments: Value) -> Vec<String> {
    let call = draft(command, arguments).unwrap().resolve(&[]);
    call.pairs().iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// The messages of all faults, with hints in brackets.
fn faults(command: &str, arguments: Value) -> Vec<String> {
    let faults = draft(command, arguments).unwrap_err().faults;
    faults.into_iter().map(|fault| fault.hint.map_or(fault.message.clone(), |hint| format!("{} [{hint}]", fault.message))).collect()
}

#[test]
fn natural_json_is_spelled_as_it_travels() {
    assert_eq!(
        spelled("listVirtualMachines", json!({"listall": true, "page": 1, "pagesize": "20", "details": ["min", "nics"]})),
        ["listall=true", "page=1", "pagesize=20", "details=min,nics"]
    );
    assert_eq!(
        spelled("listEvents", json!({"startdate": "2026-01-31T10:00:00+02:00", "enddate": "2026-02-01"})),
        ["startdate=2026-01-31T08:00:00+0000", "enddate=2026-02-01"]
    );
}

#[test]
fn an_argument_that_is_null_is_not_given() {
    assert_eq!(spelled("listZones", json!({"name": null})), Vec::<String>::new());
}

#[test]
fn names_are_taken_in_snake_and_camel_case() {
    assert_eq!(spelled("listVirtualMachines", json!({"zoneId": ID, "list_all": "TRUE"})), [format!("zoneid={ID}"), "listall=true".to_owned()]);
    assert_eq!(faults("listVirtualMachines", json!({"zoneId": ID, "zoneid": ID})), ["`zoneid` is given twice"]);
}

#[test]
fn the_three_map_shapes_are_spelled_each_in_its_way() {
    assert_eq!(
        spelled("createTags", json!({"resourceids": [ID], "resourcetype": "UserVm", "tags": {"env": "prod", "team": "web"}}))[2..],
        ["tags[0].key=env", "tags[0].value=prod", "tags[1].key=team", "tags[1].value=web"]
    );
    let deploy = json!({"zoneid": ID, "serviceofferingid": ID, "templateid": ID, "details": {"cpuNumber": 2, "memory": 1024},
        "iptonetworklist": [{"networkId": ID, "ip": "10.1.1.9"}]});
    assert_eq!(
        spelled("deployVirtualMachine", deploy)[3..],
        [
            "details[0].cpuNumber=2".to_owned(),
            "details[0].memory=1024".to_owned(),
            format!("iptonetworklist[0].networkid={ID}"),
            "iptonetworklist[0].ip=10.1.1.9".to_owned()
        ]
    );
}

#[test]
fn a_map_may_be_text_or_entries_as_they_travel() {
    assert_eq!(spelled("listVirtualMachines", json!({"tags": "env=prod"})), ["tags[0].key=env", "tags[0].value=prod"]);
    assert_eq!(spelled("listVirtualMachines", json!({"tags": "{\"env\":\"prod\"}"})), ["tags[0].key=env", "tags[0].value=prod"]);
    assert_eq!(spelled("updateVirtualMachine", json!({"id": ID, "details[0].memory": 512})), [format!("id={ID}"), "details[0].memory=512".to_owned()]);
}

#[test]
fn several_providers_of_one_service_become_several_pairs() {
    let offering = json!({"name": "n", "displaytext": "n", "guestiptype": "Isolated", "traffictype": "GUEST", "supportedservices": ["Dhcp"],
        "serviceproviderlist": {"Dhcp": ["VirtualRouter", "ConfigDrive"]}});
    let pairs = spelled("createNetworkOffering", offering);
    assert!(pairs.ends_with(&[
        "serviceproviderlist[0].service=Dhcp".to_owned(),
        "serviceproviderlist[0].provider=VirtualRouter".to_owned(),
        "serviceproviderlist[1].service=Dhcp".to_owned(),
        "serviceproviderlist[1].provider=ConfigDrive".to_owned()
    ]));
}

#[test]
fn all_faults_are_told_at_once() {
    let told = faults("deployVirtualMachine", json!({"zonid": "x", "startvm": "yes", "size": "5.5", "serviceofferingid": ID, "templateid": ID}));
    assert_eq!(
        told,
        [
            "unknown argument `zonid` of `deployVirtualMachine` [did you mean `zoneid`?]",
            "`yes` is neither `true` nor `false`, which `startvm` takes",
            "`5.5` is no whole number from -9223372036854775808 to 9223372036854775807, which `size` takes",
            "`zoneid` is missing [`listZones` lists what there is]",
        ]
    );
}

#[test]
fn what_servers_drop_or_misread_in_silence_is_refused() {
    assert_eq!(
        faults("listVirtualMachines", json!({"ids": []})),
        ["`ids` is an empty list, which servers take for no filter at all [leave it out to list everything]"]
    );
    assert_eq!(faults("createSSHKeyPair", json!({"name": "a\tb"})), ["`name` holds a control character such as TAB, which servers refuse"]);
    assert_eq!(faults("createSSHKeyPair", json!({"name": "x".repeat(256)})), ["`name` takes at most 255 characters, not 256"]);
    assert_eq!(faults("startVirtualMachine", json!({"id": ""})), ["`id` is empty"]);
    assert_eq!(faults("listVirtualMachines", json!({"apikey": "k"})), ["`apikey` is set by the program, not by its callers"]);
    assert_eq!(faults("createVolume", json!({"name": "v", "zoneid": ID, "size": 5_000_000_000_000_000_000_000_f64, "diskofferingid": ID})).len(), 1);
}

#[test]
fn an_item_of_a_list_cannot_hold_a_comma() {
    assert_eq!(
        faults("createFirewallRule", json!({"ipaddressid": ID, "protocol": "tcp", "cidrlist": ["10.0.0.0/8,0.0.0.0/0"]})),
        ["`cidrlist` holds `10.0.0.0/8,0.0.0.0/0`; an item cannot contain a comma"]
    );
}

#[test]
fn a_name_may_stand_for_an_id_and_is_put_in_its_place() {
    let draft = draft("startVirtualMachine", json!({"id": "web-1"})).unwrap();
    let unresolved = draft.unresolved();
    assert_eq!(
        (unresolved[0].parameter.as_str(), unresolved[0].name.as_str(), unresolved[0].lookups[0].command.as_str()),
        ("id", "web-1", "listVirtualMachines")
    );
    assert_eq!(draft.resolve(&[ID.to_owned()]).argument("id"), Some(ID));
}

#[test]
fn names_within_a_list_are_put_in_their_places() {
    let draft = draft("deployVirtualMachine", json!({"zoneid": ID, "serviceofferingid": ID, "templateid": ID, "networkids": ["front", ID, "back"]})).unwrap();
    assert_eq!(draft.resolve(&["1".to_owned(), "2".to_owned()]).argument("networkids"), Some(format!("1,{ID},2").as_str()));
}

#[test]
fn all_projects_is_no_name() {
    assert!(draft("listVirtualMachines", json!({"projectid": "-1"})).unwrap().unresolved().is_empty());
}

#[test]
fn an_iso_is_looked_up_among_isos() {
    let draft = draft("attachIso", json!({"id": "rescue", "virtualmachineid": ID})).unwrap();
    assert_eq!(draft.unresolved()[0].lookups[0].command, "listIsos");
}

#[test]
fn the_risk_of_a_call_rises_with_its_arguments() {
    let risk = |arguments| draft("destroyVirtualMachine", arguments).unwrap().resolve(&[]).risk().word();
    assert_eq!(risk(json!({"id": ID})), "disrupt");
    assert_eq!(risk(json!({"id": ID, "expunge": false})), "disrupt");
    assert_eq!(risk(json!({"id": ID, "expunge": "true"})), "destroy");
}

#[test]
fn every_example_of_every_command_passes_the_check() {
    let mut refused = Vec::new();
    for release in [Release::OLDEST, Release::NEWEST] {
        let catalog = Catalog::embedded(release);
        for command in catalog.commands() {
            // An example may need a parameter that the older release lacks, or lack one that it still demands.
            let fits = |example: &Map<String, Value>| {
                let known = example.keys().all(|name| command.parameter(name).is_some());
                known && command.parameters.iter().all(|parameter| !parameter.required || example.contains_key(&parameter.name))
            };
            for example in catalog.words(&command).examples.iter().filter(|example| release == Release::NEWEST || fits(example)) {
                if let Err(faults) = check(&catalog, &Arc::clone(&command), example) {
                    refused.push(format!("{} in {release}: {}: {faults}", command.name, Value::from(example.clone())));
                }
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
