//! The life of a machine.

use super::lab::{has, id, lab, text};

#[tokio::test]
async fn a_machine_goes_through_its_states_from_deployment_to_expunction() {
    let lab = lab();
    let tenant = lab.tenant("life").await;
    let zone = lab.zone().await;
    let network = lab.network(&tenant, &zone, "life-net").await;
    assert_eq!(network["state"], "Allocated");
    let machine = lab.machine(&tenant, &network, "life-vm").await;
    let (who, vm) = (&tenant.keys, id(&machine));
    assert_eq!(machine["state"], "Running");
    has(&machine, &[("name", 't'), ("displayname", 't'), ("account", 't'), ("domain", 't'), ("created", 't'), ("zonename", 't'), ("templatename", 't')]);
    has(&machine, &[("serviceofferingname", 't'), ("cpunumber", 'n'), ("cpuspeed", 'n'), ("memory", 'n'), ("nic", 'l'), ("haenable", 'b'), ("tags", 'l')]);
    assert!(machine.get("hostid").is_none(), "users are not told of hosts");
    has(&machine["nic"][0], &[("id", 't'), ("networkid", 't'), ("ipaddress", 't'), ("macaddress", 't'), ("isdefault", 'b')]);
    let shown = lab.only(&lab.root, "listVirtualMachines", &[("id", &vm), ("listall", "true")], "virtualmachine").await;
    has(&shown, &[("hostid", 't'), ("hostname", 't'), ("instancename", 't'), ("hypervisor", 't')]);

    assert_eq!(lab.only(who, "listNetworks", &[("id", network["id"].as_str().unwrap())], "network").await["state"], "Implemented");
    assert_eq!(lab.failed(who, "startVirtualMachine", &[("id", &vm)]).await, 431, "it runs already");
    assert_eq!(lab.done(who, "rebootVirtualMachine", &[("id", &vm)]).await["virtualmachine"]["state"], "Running");
    assert_eq!(lab.done(who, "stopVirtualMachine", &[("id", &vm)]).await["virtualmachine"]["state"], "Stopped");
    assert_eq!(lab.done(who, "startVirtualMachine", &[("id", &vm)]).await["virtualmachine"]["state"], "Running");
    assert_eq!(lab.done(who, "destroyVirtualMachine", &[("id", &vm)]).await["virtualmachine"]["state"], "Destroyed");
    let told = lab.object(who, "listCapabilities", &[], "capability").await;
    let seen = lab.list(who, "listVirtualMachines", &[("id", &vm)], "virtualmachine").await;
    assert_eq!(!seen.is_empty(), told["allowuserviewdestroyedvm"] == true, "users see what they destroyed where a setting says so: {seen:?}");
    assert_eq!(lab.object(&lab.root, "recoverVirtualMachine", &[("id", &vm)], "virtualmachine").await["state"], "Stopped");
    lab.done(&lab.root, "destroyVirtualMachine", &[("id", &vm), ("expunge", "true")]).await;
    assert_eq!(lab.list(&lab.root, "listVirtualMachines", &[("id", &vm), ("listall", "true")], "virtualmachine").await.len(), 0);
    lab.clear(&tenant).await;
}

#[tokio::test]
async fn what_a_machine_is_called_and_how_it_is_protected_can_be_changed() {
    let lab = lab();
    let tenant = lab.tenant("change").await;
    let zone = lab.zone().await;
    let network = lab.network(&tenant, &zone, "change-net").await;
    let machine = lab.machine(&tenant, &network, "change-vm").await;
    let (who, vm) = (&tenant.keys, id(&machine));
    let changed = lab.object(who, "updateVirtualMachine", &[("id", &vm), ("displayname", "The other"), ("group", "front")], "virtualmachine").await;
    assert_eq!((text(&changed, "displayname").as_str(), text(&changed, "group").as_str()), ("The other", "front"));
    assert_eq!(lab.only(who, "listInstanceGroups", &[("name", "front")], "instancegroup").await["account"], tenant.account.as_str());
    lab.object(who, "updateVirtualMachine", &[("id", &vm), ("deleteprotection", "true")], "virtualmachine").await;
    lab.failed(who, "destroyVirtualMachine", &[("id", &vm)]).await;
    assert_eq!(lab.only(who, "listVirtualMachines", &[("id", &vm)], "virtualmachine").await["state"], "Running");
    lab.object(who, "updateVirtualMachine", &[("id", &vm), ("deleteprotection", "false")], "virtualmachine").await;

    let tagged = lab.done(who, "createTags", &[("resourcetype", "UserVm"), ("resourceids", &vm), ("tags[0].key", "tier"), ("tags[0].value", "web")]).await;
    assert_eq!(tagged["success"], true);
    let found = lab.only(who, "listVirtualMachines", &[("tags[0].key", "tier"), ("tags[0].value", "web")], "virtualmachine").await;
    assert_eq!((id(&found), text(&found["tags"][0], "key")), (vm.clone(), "tier".to_owned()));
    let tag = lab.only(who, "listTags", &[("resourceid", &vm)], "tag").await;
    has(&tag, &[("key", 't'), ("value", 't'), ("resourcetype", 't'), ("resourceid", 't'), ("account", 't'), ("domain", 't')]);
    lab.clear(&tenant).await;
}

#[tokio::test]
async fn a_machine_takes_a_second_network_and_lets_go_of_it() {
    let lab = lab();
    let tenant = lab.tenant("nics").await;
    let zone = lab.zone().await;
    let first = lab.network(&tenant, &zone, "nics-one").await;
    let second = lab.network(&tenant, &zone, "nics-two").await;
    let machine = lab.machine(&tenant, &first, "nics-vm").await;
    let (who, vm, other) = (&tenant.keys, id(&machine), id(&second));
    let wider = lab.done(who, "addNicToVirtualMachine", &[("virtualmachineid", &vm), ("networkid", &other)]).await;
    let nics = wider["virtualmachine"]["nic"].as_array().unwrap().clone();
    assert_eq!(nics.len(), 2);
    let added = nics.iter().find(|nic| nic["networkid"] == other.as_str()).unwrap();
    assert_eq!(added["isdefault"], false);
    let (nic, default) = (id(added), id(nics.iter().find(|nic| nic["isdefault"] == true).unwrap()));
    lab.failed(who, "removeNicFromVirtualMachine", &[("virtualmachineid", &vm), ("nicid", &default)]).await;
    let narrow = lab.done(who, "removeNicFromVirtualMachine", &[("virtualmachineid", &vm), ("nicid", &nic)]).await;
    assert_eq!(narrow["virtualmachine"]["nic"].as_array().map(Vec::len), Some(1));
    lab.clear(&tenant).await;
}
