//! Domains, accounts, users, roles and projects.

use super::lab::{has, id, lab, text};

#[tokio::test]
async fn what_one_tenant_has_no_other_sees_or_touches() {
    let lab = lab();
    let (one, other) = (lab.tenant("mine").await, lab.tenant("theirs").await);
    let zone = lab.zone().await;
    let network = lab.network(&one, &zone, "mine-net").await;
    let machine = lab.machine(&one, &network, "mine-vm").await;
    let vm = id(&machine);
    assert_eq!(lab.list(&other.keys, "listVirtualMachines", &[("listall", "true")], "virtualmachine").await.len(), 0);
    assert_eq!(lab.refused(&other.keys, "stopVirtualMachine", &[("id", &vm)]).await.0, 531);
    assert_eq!(lab.refused(&other.keys, "listVirtualMachines", &[("account", &one.account), ("domainid", &one.domain)]).await.0, 531);
    assert_eq!(
        lab.refused(&one.keys, "createZone", &[("name", "z"), ("networktype", "Basic"), ("dns1", "192.0.2.1"), ("internaldns1", "192.0.2.1")]).await.0,
        432
    );
    let boss = lab.user(&one.domain, &lab.name("mine-boss"), "Domain Admin").await;
    assert_eq!(lab.list(&boss, "listVirtualMachines", &[], "virtualmachine").await.len(), 0, "admins see their own unless they ask for all");
    assert_eq!(lab.only(&boss, "listVirtualMachines", &[("listall", "true")], "virtualmachine").await["id"], vm.as_str());
    assert_eq!(lab.only(&boss, "listVirtualMachines", &[("account", &one.account), ("domainid", &one.domain)], "virtualmachine").await["id"], vm.as_str());
    assert_eq!(lab.list(&boss, "listDomains", &[("listall", "true")], "domain").await.len(), 1);
    lab.clear(&one).await;
    lab.clear(&other).await;
}

#[tokio::test]
async fn domains_form_a_tree_that_is_deleted_from_its_leaves() {
    let lab = lab();
    let tenant = lab.tenant("tree").await;
    let root = &lab.root;
    let leaf = lab.object(root, "createDomain", &[("name", "leaf"), ("parentdomainid", &tenant.domain)], "domain").await;
    assert_eq!((leaf["parentdomainid"].as_str(), leaf["level"].as_u64()), (Some(tenant.domain.as_str()), Some(2)));
    assert!(text(&leaf, "path").ends_with("/leaf"), "{leaf}");
    lab.refused(root, "createDomain", &[("name", "leaf"), ("parentdomainid", &tenant.domain)]).await;
    let children = lab.list(root, "listDomainChildren", &[("id", &tenant.domain)], "domain").await;
    assert_eq!(children.iter().map(id).collect::<Vec<_>>(), [id(&leaf)]);
    let parent = lab.only(root, "listDomains", &[("id", &tenant.domain)], "domain").await;
    assert_eq!(parent["haschild"], true);
    has(&parent, &[("vmtotal", 'n'), ("vmlimit", 't'), ("vmavailable", 't'), ("state", 't')]);
    let renamed = lab.object(root, "updateDomain", &[("id", &id(&leaf)), ("name", "twig")], "domain").await;
    assert_eq!(renamed["name"], "twig");
    assert_eq!(lab.failed(root, "deleteDomain", &[("id", &tenant.domain)]).await, 530, "it has a child and an account");
    lab.clear(&tenant).await;
}

#[tokio::test]
async fn a_role_of_ones_own_allows_what_its_rules_say() {
    let lab = lab();
    let tenant = lab.tenant("role").await;
    let (root, name) = (&lab.root, lab.name("Readers"));
    let role = lab.object(root, "createRole", &[("name", &name), ("type", "User")], "role").await;
    assert_eq!((role["type"].as_str(), role["state"].as_str()), (Some("User"), Some("enabled")));
    let role_id = id(&role);
    for (rule, permission) in [("list*", "allow"), ("*", "deny")] {
        let made = lab.object(root, "createRolePermission", &[("roleid", &role_id), ("rule", rule), ("permission", permission)], "rolepermission").await;
        assert_eq!((made["rule"].as_str(), made["permission"].as_str()), (Some(rule), Some(permission)));
    }
    assert_eq!(lab.list(root, "listRolePermissions", &[("roleid", &role_id)], "rolepermission").await.len(), 2);
    let reader = lab.user(&tenant.domain, &lab.name("reader"), &name).await;
    assert_eq!(lab.list(&reader, "listVirtualMachines", &[], "virtualmachine").await.len(), 0);
    assert_eq!(lab.refused(&reader, "createSSHKeyPair", &[("name", "k")]).await.0, 432);
    lab.refused(root, "deleteRole", &[("id", &role_id)]).await;
    lab.clear(&tenant).await;
    assert_eq!(lab.good(root, "deleteRole", &[("id", &role_id)]).await["success"], true);
}

#[tokio::test]
async fn who_is_disabled_gets_no_answer_until_enabled_again() {
    let lab = lab();
    let tenant = lab.tenant("lock").await;
    let root = &lab.root;
    let account = lab.only(root, "listAccounts", &[("name", &tenant.account), ("domainid", &tenant.domain)], "account").await;
    assert_eq!(account["state"], "enabled");
    let user = id(&account["user"][0]);
    assert_eq!(lab.done(root, "disableUser", &[("id", &user)]).await["user"]["state"], "disabled");
    assert_eq!(lab.refused(&tenant.keys, "listZones", &[]).await, (401, None));
    assert_eq!(lab.object(root, "enableUser", &[("id", &user)], "user").await["state"], "enabled");
    assert!(!lab.list(&tenant.keys, "listZones", &[], "zone").await.is_empty());
    let locked = lab.done(root, "disableAccount", &[("id", &id(&account)), ("lock", "true")]).await;
    assert_eq!(locked["account"]["state"], "locked");
    assert_eq!(lab.object(root, "enableAccount", &[("id", &id(&account))], "account").await["state"], "enabled");
    lab.clear(&tenant).await;
}

#[tokio::test]
async fn a_project_has_an_owner_and_members_and_machines_of_its_own() {
    let lab = lab();
    let tenant = lab.tenant("proj").await;
    let (who, name) = (&tenant.keys, lab.name("proj"));
    let project = lab.done(who, "createProject", &[("name", &name), ("displaytext", "A project")]).await["project"].clone();
    assert_eq!(project["state"], "Active");
    let owner = &project["owner"][0];
    assert_eq!(owner["account"], tenant.account.as_str());
    let helper = lab.name("helper");
    let helper_keys = lab.user(&tenant.domain, &helper, "User").await;
    assert_eq!(lab.list(&helper_keys, "listProjects", &[], "project").await.len(), 0);
    let added = lab.done(who, "addAccountToProject", &[("projectid", &id(&project)), ("account", &helper)]).await;
    assert_eq!(added["success"], true);
    assert_eq!(lab.only(&helper_keys, "listProjects", &[], "project").await["id"], project["id"]);
    let members = lab.list(who, "listProjectAccounts", &[("projectid", &id(&project))], "projectaccount").await;
    let roles = members.iter().map(|member| (text(member, "account"), text(member, "role"))).collect::<std::collections::BTreeMap<_, _>>();
    assert_eq!((roles[&tenant.account].as_str(), roles[&helper].as_str()), ("Admin", "Regular"));
    assert_eq!(lab.list(&helper_keys, "listVirtualMachines", &[("projectid", &id(&project))], "virtualmachine").await.len(), 0);
    assert_eq!(lab.done(who, "suspendProject", &[("id", &id(&project))]).await["project"]["state"], "Suspended");
    assert_eq!(lab.done(who, "activateProject", &[("id", &id(&project))]).await["project"]["state"], "Active");
    assert_eq!(lab.done(who, "deleteProject", &[("id", &id(&project))]).await["success"], true);
    lab.clear(&tenant).await;
}

#[tokio::test]
async fn an_account_that_is_not_there_is_told_before_anybody_asks_whose_it_is() {
    let lab = lab();
    let (one, other) = (lab.tenant("named").await, lab.tenant("stranger").await);
    let nobody = lab.name("nobody");
    let make = [("name", "k"), ("account", nobody.as_str()), ("domainid", one.domain.as_str())];
    assert_eq!(lab.refused(&one.keys, "createSSHKeyPair", &make).await, (431, Some(4350)));
    assert_eq!(lab.refused(&one.keys, "createSSHKeyPair", &[("name", "k"), ("account", &one.account)]).await, (431, Some(4350)));
    assert_eq!(lab.refused(&one.keys, "listVirtualMachines", &[("account", &nobody)]).await, (431, Some(4350)));
    assert_eq!(lab.refused(&one.keys, "listVirtualMachines", &[("account", &nobody), ("domainid", &other.domain)]).await, (531, Some(4365)));
    let machines = lab.list(&lab.root, "listVirtualMachines", &[("account", &one.account.to_uppercase()), ("domainid", &one.domain)], "virtualmachine").await;
    assert_eq!(machines.len(), 0, "names are the same in any case");
    lab.clear(&one).await;
    lab.clear(&other).await;
}

#[tokio::test]
async fn the_rules_of_a_role_are_read_in_their_order() {
    let lab = lab();
    let tenant = lab.tenant("order").await;
    let (root, name) = (&lab.root, lab.name("Ordered"));
    let rules = [
        ("name", name.as_str()),
        ("type", "User"),
        ("rules[0].rule", "listZones"),
        ("rules[0].permission", "allow"),
        ("rules[1].rule", "list*"),
        ("rules[1].permission", "deny"),
        ("rules[2].rule", "listVolumes"),
        ("rules[2].permission", "allow"),
    ];
    let role = id(&lab.object(root, "importRole", &rules, "role").await);
    lab.refused(root, "importRole", &rules).await;
    let caller = lab.user(&tenant.domain, &lab.name("ordered"), &name).await;
    assert!(!lab.list(&caller, "listZones", &[], "zone").await.is_empty());
    assert_eq!(lab.refused(&caller, "listVolumes", &[]).await.0, 432);
    let mut order: Vec<String> = lab.list(root, "listRolePermissions", &[("roleid", &role)], "rolepermission").await.iter().map(id).collect();
    order.reverse();
    assert_eq!(lab.good(root, "updateRolePermission", &[("roleid", &role), ("ruleorder", &order.join(","))]).await["success"], true);
    assert_eq!(lab.list(&caller, "listVolumes", &[], "volume").await.len(), 0);
    assert_eq!(lab.refused(&caller, "listZones", &[]).await.0, 432);
    lab.refused(root, "updateRolePermission", &[("roleid", &role), ("ruleorder", order.first().unwrap())]).await;
    lab.clear(&tenant).await;
    assert_eq!(lab.good(root, "deleteRole", &[("id", &role)]).await["success"], true);
}

#[tokio::test]
async fn the_limits_of_a_domain_hold_for_all_below_it() {
    let lab = lab();
    let tenant = lab.tenant("limits").await;
    let root = &lab.root;
    let below = id(&lab.object(root, "createDomain", &[("name", "below"), ("parentdomainid", &tenant.domain)], "domain").await);
    let boss = lab.user(&tenant.domain, &lab.name("limits-boss"), "Domain Admin").await;
    // Two stands for volumes.
    let own = [("domainid", tenant.domain.as_str()), ("max", "1"), ("resourcetype", "2")];
    assert_eq!(lab.refused(&boss, "updateResourceLimit", &own).await.0, 531, "one's own domain is for those above");
    let set = lab.object(root, "updateResourceLimit", &own, "resourcelimit").await;
    assert_eq!((set["max"].as_u64(), set["resourcetype"].as_str()), (Some(1), Some("2")));
    let more = [("domainid", below.as_str()), ("max", "2"), ("resourcetype", "2")];
    assert_eq!(lab.refused(&boss, "updateResourceLimit", &more).await, (431, Some(4350)), "no more than the domain above has");
    let held = lab.only(&boss, "listResourceLimits", &[("domainid", &below), ("resourcetype", "2")], "resourcelimit").await;
    assert_eq!(held["max"], 1, "where nothing is set, the domain above says it");
    let zone = lab.zone().await;
    let offerings = lab.list(&tenant.keys, "listDiskOfferings", &[], "diskoffering").await;
    let offering = id(offerings.iter().find(|offering| offering["iscustomized"] == false).unwrap());
    let (first, second) = (lab.name("first"), lab.name("second"));
    let volume = |name| [("name", name), ("zoneid", zone.as_str()), ("diskofferingid", offering.as_str())];
    lab.done(&tenant.keys, "createVolume", &volume(&first)).await;
    assert_eq!(lab.refused(&tenant.keys, "createVolume", &volume(&second)).await.0, 535);
    lab.clear(&tenant).await;
}
