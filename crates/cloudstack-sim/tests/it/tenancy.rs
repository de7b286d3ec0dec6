//! Who may act on whom: domains, accounts, users, roles with their rules, projects with their members.

use cloudstack_sim::{Cloud, Plugins, WorldOptions};
use serde_json::{Value, json};

use crate::scene::{call, cloud, fresh, id_of, job, ok, options, refused};

fn domain(cloud: &Cloud, name: &str) -> String {
    id_of(cloud, "admin", "listDomains", &[("listall", "true"), ("name", name)])
}

fn names(body: &Value, key: &str) -> Vec<String> {
    body[key].as_array().into_iter().flatten().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

fn project(cloud: &Cloud) -> String {
    id_of(cloud, "dev", "listProjects", &[("name", "apollo")])
}

#[test]
fn a_renamed_and_moved_domain_takes_its_children_along() {
    let cloud = fresh();
    let (acme, globex, labs) = (domain(&cloud, "acme"), domain(&cloud, "globex"), domain(&cloud, "labs"));
    ok(&cloud, "admin", "updateDomain", &[("id", &acme), ("name", "apex")]);
    assert_eq!(ok(&cloud, "admin", "listDomains", &[("id", &labs)])["domain"][0]["path"], "ROOT/apex/labs");
    let moved = ok(&cloud, "admin", "moveDomain", &[("domainid", &acme), ("parentdomainid", &globex)]);
    assert_eq!((&moved["domain"]["path"], &moved["domain"]["level"]), (&json!("ROOT/globex/apex"), &json!(2)));
    assert_eq!(moved["domain"].get("vmlimit"), None, "it is told in short");
    assert_eq!(ok(&cloud, "admin", "listDomains", &[("id", &labs)])["domain"][0]["level"], 3);
    assert_eq!(refused(&cloud, "admin", "moveDomain", &[("domainid", &acme), ("parentdomainid", &labs)]).0, 431);
    assert_eq!(refused(&cloud, "admin", "createDomain", &[("name", "APEX"), ("parentdomainid", &globex)]).0, 431);
}

#[test]
fn admins_of_domains_see_and_touch_only_what_is_below_theirs() {
    let cloud = fresh();
    let (acme, globex) = (domain(&cloud, "acme"), domain(&cloud, "globex"));
    assert_eq!(names(&ok(&cloud, "acme-admin", "listDomains", &[("listall", "true")]), "domain"), ["acme", "labs"]);
    assert_eq!(names(&ok(&cloud, "acme-admin", "listDomains", &[]), "domain"), ["acme"]);
    assert_eq!(names(&ok(&cloud, "acme-admin", "listDomainChildren", &[]), "domain"), ["labs"]);
    assert_eq!(refused(&cloud, "acme-admin", "listDomains", &[("id", &globex)]).0, 531);
    assert_eq!(refused(&cloud, "acme-admin", "createDomain", &[("name", "x")]).0, 531, "without a parent it would be below the root");
    ok(&cloud, "acme-admin", "createDomain", &[("name", "x"), ("parentdomainid", &acme)]);
    let failed = job(&cloud, "acme-admin", "deleteDomain", &[("id", &globex)]);
    assert_eq!((&failed["jobstatus"], &failed["jobresultcode"]), (&json!(2), &json!(530)));
}

#[test]
fn a_domain_with_accounts_goes_only_with_cleanup() {
    let cloud = fresh();
    let globex = domain(&cloud, "globex");
    assert_eq!(job(&cloud, "admin", "deleteDomain", &[("id", &globex)])["jobstatus"], 2);
    assert_eq!(job(&cloud, "admin", "deleteDomain", &[("id", &globex), ("cleanup", "true")])["jobresult"], json!({"success": true}));
    assert_eq!(ok(&cloud, "admin", "listAccounts", &[("listall", "true"), ("name", "globex-user")]), json!({}));
}

#[test]
fn limits_of_a_domain_hold_its_accounts_and_the_domains_below() {
    let cloud = fresh();
    let (acme, labs) = (domain(&cloud, "acme"), domain(&cloud, "labs"));
    ok(&cloud, "admin", "updateResourceLimit", &[("domainid", &acme), ("resourcetype", "2"), ("max", "0")]);
    let beyond = refused(&cloud, "admin", "updateResourceLimit", &[("domainid", &labs), ("resourcetype", "2"), ("max", "5")]);
    assert_eq!(beyond.0, 431);
    let inherited = ok(&cloud, "admin", "listResourceLimits", &[("domainid", &labs), ("resourcetype", "2")]);
    assert_eq!(inherited["resourcelimit"][0]["max"], 0);
    let zone = id_of(&cloud, "labuser", "listZones", &[]);
    let offering = id_of(&cloud, "labuser", "listDiskOfferings", &[("name", "Small")]);
    assert_eq!(refused(&cloud, "labuser", "createVolume", &[("name", "d"), ("zoneid", &zone), ("diskofferingid", &offering)]).0, 535);
    assert_eq!(refused(&cloud, "acme-admin", "updateResourceLimit", &[("domainid", &acme), ("resourcetype", "2"), ("max", "9")]).0, 531);
}

#[test]
fn the_first_rule_that_fits_decides_and_rules_can_be_turned_round() {
    let cloud = fresh();
    let role = ok(&cloud, "admin", "createRole", &[("name", "Reader"), ("type", "User")])["role"]["id"].as_str().unwrap().to_owned();
    let rule = |pattern: &str, permission: &str| {
        let made = ok(&cloud, "admin", "createRolePermission", &[("roleid", &role), ("rule", pattern), ("permission", permission)]);
        made["rolepermission"]["id"].as_str().unwrap().to_owned()
    };
    let (allow, deny) = (rule("listVirtual*", "allow"), rule("*", "deny"));
    let acme = domain(&cloud, "acme");
    ok(&cloud, "admin", "updateAccount", &[("account", "qa"), ("domainid", &acme), ("roleid", &role)]);
    ok(&cloud, "qa", "listVirtualMachines", &[]);
    assert_eq!(refused(&cloud, "qa", "listZones", &[]).0, 432);
    let order = format!("{deny},{allow}");
    assert_eq!(ok(&cloud, "admin", "updateRolePermission", &[("roleid", &role), ("ruleorder", &order)]), json!({"success": true}));
    assert_eq!(refused(&cloud, "qa", "listVirtualMachines", &[]).0, 432);
    ok(&cloud, "admin", "updateRolePermission", &[("roleid", &role), ("ruleid", &deny), ("permission", "allow")]);
    ok(&cloud, "qa", "listZones", &[]);
    assert_eq!(refused(&cloud, "admin", "deleteRole", &[("id", &role)]).0, 531, "an account has it");
    let user = id_of(&cloud, "admin", "listRoles", &[("name", "User")]);
    assert_eq!(refused(&cloud, "admin", "createRolePermission", &[("roleid", &user), ("rule", "x"), ("permission", "allow")]).0, 531);
}

#[test]
fn nobody_hands_out_or_changes_more_than_he_may_do_himself() {
    let cloud = fresh();
    let acme = domain(&cloud, "acme");
    let new = |who: &str, kind: &str| {
        let person = [("username", "newcomer"), ("password", "secret"), ("email", "n@example.org"), ("firstname", "N"), ("lastname", "C")];
        call(&cloud, who, "createAccount", &[person.as_slice(), &[("domainid", &acme), ("accounttype", kind)]].concat()).0
    };
    assert_eq!(new("acme-admin", "1"), 431, "root admins belong to the root domain");
    assert_eq!(new("acme-admin", "0"), 200);
    let admin = id_of(&cloud, "admin", "listUsers", &[("username", "admin"), ("listall", "true")]);
    assert_eq!(refused(&cloud, "acme-admin", "registerUserKeys", &[("id", &admin)]).0, 531);
    assert_eq!(names(&ok(&cloud, "acme-admin", "listRoles", &[]), "role"), ["Domain Admin", "User"]);
}

#[test]
fn a_role_within_a_project_denies_and_outsiders_are_told_so() {
    let cloud = fresh();
    let apollo = project(&cloud);
    let role = ok(&cloud, "dev", "createProjectRole", &[("projectid", &apollo), ("name", "looker")])["projectrole"]["id"].as_str().unwrap().to_owned();
    let rule = [("projectid", apollo.as_str()), ("projectroleid", role.as_str()), ("rule", "create*"), ("permission", "deny")];
    ok(&cloud, "dev", "createProjectRolePermission", &rule);
    assert_eq!(refused(&cloud, "qa", "listVirtualMachines", &[("projectid", &apollo)]).0, 432);
    assert_eq!(job(&cloud, "dev", "addAccountToProject", &[("projectid", &apollo), ("account", "qa"), ("projectroleid", &role)])["jobstatus"], 1);
    ok(&cloud, "qa", "listVirtualMachines", &[("projectid", &apollo)]);
    assert_eq!(refused(&cloud, "qa", "createSSHKeyPair", &[("projectid", &apollo), ("name", "k")]).0, 401);
    let members = ok(&cloud, "qa", "listProjectAccounts", &[("projectid", &apollo)]);
    assert_eq!(members["count"], 2);
    let only = job(&cloud, "dev", "deleteAccountFromProject", &[("projectid", &apollo), ("account", "dev")]);
    assert_eq!(only["jobresultcode"], 431, "somebody has to manage it");
    job(&cloud, "dev", "updateProject", &[("id", &apollo), ("account", "qa")]);
    let owner = &ok(&cloud, "qa", "listProjects", &[("id", &apollo)])["project"][0]["owner"];
    assert_eq!(*owner, json!([{"account": "qa"}]));
}

#[test]
fn where_invitations_are_wanted_nobody_is_a_member_before_he_accepts() {
    let cloud = cloud(WorldOptions { settings: &[("project.invite.required", "true")], ..options() });
    let apollo = project(&cloud);
    job(&cloud, "dev", "addAccountToProject", &[("projectid", &apollo), ("account", "qa")]);
    let open = ok(&cloud, "qa", "listProjectInvitations", &[]);
    assert_eq!((&open["projectinvitation"][0]["state"], &open["projectinvitation"][0]["project"]), (&json!("Pending"), &json!("apollo")));
    assert_eq!(refused(&cloud, "qa", "listVirtualMachines", &[("projectid", &apollo)]).0, 432);
    assert_eq!(job(&cloud, "qa", "updateProjectInvitation", &[("projectid", &apollo), ("accept", "true")])["jobstatus"], 1);
    ok(&cloud, "qa", "listVirtualMachines", &[("projectid", &apollo)]);
    assert_eq!(job(&cloud, "qa", "updateProjectInvitation", &[("projectid", &apollo)])["jobresultcode"], 431, "it is answered");
}

#[test]
fn keys_of_those_who_are_locked_out_open_nothing() {
    let cloud = fresh();
    let acme = domain(&cloud, "acme");
    let user = id_of(&cloud, "admin", "listUsers", &[("username", "qa"), ("listall", "true")]);
    ok(&cloud, "admin", "lockUser", &[("id", &user)]);
    assert_eq!(refused(&cloud, "qa", "listZones", &[]).0, 401);
    ok(&cloud, "admin", "enableUser", &[("id", &user)]);
    ok(&cloud, "qa", "listZones", &[]);
    ok(&cloud, "admin", "updateUser", &[("id", &user), ("apikeyaccess", "disabled")]);
    assert_eq!(refused(&cloud, "qa", "listZones", &[]).0, 401);
    ok(&cloud, "admin", "updateUser", &[("id", &user), ("apikeyaccess", "inherit")]);
    job(&cloud, "admin", "disableAccount", &[("account", "qa"), ("domainid", &acme), ("lock", "true")]);
    assert_eq!(refused(&cloud, "qa", "listZones", &[]).0, 401);
}

#[test]
fn an_account_is_looked_for_before_anybody_asks_whose_it_is() {
    let cloud = fresh();
    let (acme, globex) = (domain(&cloud, "acme"), domain(&cloud, "globex"));
    let own = |who: &str, arguments: &[(&str, &str)]| refused(&cloud, who, "createSSHKeyPair", &[&[("name", "k")], arguments].concat()).0;
    assert_eq!(own("dev", &[("account", "nobody"), ("domainid", &acme)]), 431);
    assert_eq!(own("dev", &[("account", "qa")]), 431, "without its domain");
    assert_eq!(own("dev", &[("account", "qa"), ("domainid", &acme)]), 531);
    assert_eq!(refused(&cloud, "dev", "listVolumes", &[("account", "nobody")]).0, 431);
    assert_eq!(refused(&cloud, "dev", "listVolumes", &[("account", "nobody"), ("domainid", &globex)]).0, 531, "the domain comes first");
    ok(&cloud, "acme-admin", "listVolumes", &[("account", "DEV"), ("domainid", &acme)]);
}

/// A machine of `dev` in a project.
fn machine_in(cloud: &Cloud, project: &str) -> String {
    let zone = id_of(cloud, "dev", "listZones", &[]);
    let template = id_of(cloud, "dev", "listTemplates", &[("templatefilter", "featured")]);
    let offering = id_of(cloud, "dev", "listServiceOfferings", &[("issystem", "false")]);
    let arguments = [("zoneid", zone.as_str()), ("serviceofferingid", &offering), ("templateid", &template), ("projectid", project)];
    let ended = job(cloud, "dev", "deployVirtualMachine", &arguments);
    ended["jobresult"]["virtualmachine"]["id"].as_str().unwrap_or_else(|| panic!("{ended}")).to_owned()
}

#[test]
fn nothing_starts_in_a_suspended_project_and_its_manager_sends_people_away() {
    let cloud = fresh();
    let apollo = project(&cloud);
    let vm = machine_in(&cloud, &apollo);
    job(&cloud, "dev", "suspendProject", &[("id", &apollo)]);
    assert_eq!(refused(&cloud, "dev", "startVirtualMachine", &[("id", &vm)]).0, 530);
    job(&cloud, "dev", "activateProject", &[("id", &apollo)]);
    let user = id_of(&cloud, "admin", "listUsers", &[("listall", "true"), ("username", "support-user")]);
    assert_eq!(job(&cloud, "dev", "addUserToProject", &[("projectid", &apollo), ("username", "support-user")])["jobstatus"], 1);
    assert_eq!(job(&cloud, "dev", "deleteUserFromProject", &[("projectid", &apollo), ("userid", &user)])["jobstatus"], 1);
}

#[test]
fn a_domain_says_who_may_call_with_keys_where_nobody_said_it_of_them() {
    let cloud = fresh();
    let acme = domain(&cloud, "acme");
    let user = id_of(&cloud, "admin", "listUsers", &[("listall", "true"), ("username", "dev")]);
    ok(&cloud, "admin", "updateConfiguration", &[("name", "api.key.access"), ("value", "false"), ("domainid", &acme)]);
    assert_eq!(call(&cloud, "dev", "listZones", &[]).0, 401);
    ok(&cloud, "globex-user", "listZones", &[]);
    ok(&cloud, "admin", "updateUser", &[("id", &user), ("apikeyaccess", "enabled")]);
    ok(&cloud, "dev", "listZones", &[]);
}

#[test]
fn a_filter_says_which_templates_are_listed_and_an_id_asks_past_it() {
    let cloud = fresh();
    let os = id_of(&cloud, "dev", "listOsTypes", &[]);
    let zone = id_of(&cloud, "dev", "listZones", &[]);
    let arguments = [("name", "mine"), ("format", "VHD"), ("hypervisor", "Simulator"), ("ostypeid", &os), ("zoneid", &zone), ("url", "http://192.0.2.1/a.vhd")];
    let made = ok(&cloud, "dev", "registerTemplate", &arguments);
    let id = made["template"][0]["id"].as_str().unwrap().to_owned();
    let has = |who: &str, arguments: &[(&str, &str)]| names(&ok(&cloud, who, "listTemplates", arguments), "template").contains(&"mine".to_owned());
    assert!(has("dev", &[("templatefilter", "self")]) && !has("dev", &[("templatefilter", "featured")]));
    assert!(has("dev", &[("templatefilter", "featured"), ("id", &id)]));
    assert!(!has("acme-admin", &[("templatefilter", "self"), ("listall", "true")]), "the argument `listall` says nothing here");
    assert!(has("acme-admin", &[("templatefilter", "all")]));
    assert_eq!(refused(&cloud, "dev", "listTemplates", &[("templatefilter", "all")]).0, 431);
    ok(&cloud, "dev", "updateTemplatePermissions", &[("id", &id), ("op", "add"), ("accounts", "qa")]);
    assert!(has("qa", &[("templatefilter", "shared")]) && !has("qa", &[("templatefilter", "executable")]));
    assert_eq!(refused(&cloud, "dev", "updateTemplatePermissions", &[("id", &id), ("op", "add")]).0, 431);
    assert_eq!(refused(&cloud, "dev", "updateIsoPermissions", &[("id", &id), ("ispublic", "true")]).0, 431);
    assert_eq!(refused(&cloud, "dev", "updateTemplate", &[("id", &id), ("templatetype", "ROUTING")]).0, 431);
}

#[test]
fn new_passwords_are_what_the_settings_of_the_domain_want() {
    let cloud = fresh();
    let acme = domain(&cloud, "acme");
    let user = id_of(&cloud, "admin", "listUsers", &[("listall", "true"), ("username", "dev")]);
    let set = |name: &str, value: &str| ok(&cloud, "admin", "updateConfiguration", &[("name", name), ("value", value), ("domainid", &acme)]);
    set("password.policy.minimum.length", "8");
    set("password.policy.minimum.digits", "1");
    let change = |password: &str| call(&cloud, "admin", "updateUser", &[("id", &user), ("password", password)]).0;
    assert_eq!((change("short1"), change("longenough"), change("longenough1")), (431, 431, 200));
    set("password.policy.allowPasswordToContainUsername", "false");
    assert_eq!(change("the-DEV-of-1"), 431);
    let made = |domain: &str| {
        let person = [("username", "new"), ("password", "x"), ("email", "new@example.org"), ("firstname", "New"), ("lastname", "One"), ("accounttype", "0")];
        call(&cloud, "admin", "createAccount", &[&person[..], &[("domainid", domain)]].concat()).0
    };
    assert_eq!((made(&acme), made(&domain(&cloud, "globex"))), (431, 200));
}

#[test]
fn forgotten_passwords_are_asked_about_without_credentials_and_tell_nothing() {
    let cloud = cloud(WorldOptions { plugins: Plugins::Loaded, settings: &[("user.password.reset.enabled", "true")], ..options() });
    let ask = |query: &str| {
        let request = cloudstack_sim::WireRequest { body: format!("response=json&{query}"), method: cloudstack_sim::Method::Post, ..Default::default() };
        let answer = cloud.answer(&request);
        (answer.status, answer.body)
    };
    assert_eq!(ask("command=forgotPassword&username=nobody"), (200, r#"{"forgotpasswordresponse":{"success":true}}"#.to_owned()));
    assert_eq!(ask("command=forgotPassword"), (531, "null".to_owned()));
    assert_eq!(ask("command=resetPassword&username=dev"), (200, String::new()));
    assert_eq!(ask("command=resetPassword&username=dev&token=x"), (431, "Invalid token".to_owned()));
    let token = "5cba6aac-1d83-4a5d-a8d5-7ee7d4a1c001";
    assert_eq!(ask(&format!("command=resetPassword&username=dev&domain=acme&password=x&token={token}")).0, 531);
    assert_eq!(ask("command=login&password=x"), (531, "null".to_owned()));
}

#[test]
fn a_new_machine_is_held_against_what_is_asked_of_it_before_it_is_made() {
    let cloud = fresh();
    let zone = id_of(&cloud, "dev", "listZones", &[]);
    let template = id_of(&cloud, "dev", "listTemplates", &[("templatefilter", "featured")]);
    let offering = id_of(&cloud, "dev", "listServiceOfferings", &[("issystem", "false")]);
    let asked = |more: &[(&str, &str)]| {
        let arguments = [("zoneid", zone.as_str()), ("serviceofferingid", &offering), ("templateid", &template)];
        refused(&cloud, "dev", "deployVirtualMachine", &[&arguments[..], more].concat()).0
    };
    assert_eq!(asked(&[("rootdisksize", "0")]), 431);
    assert_eq!(asked(&[("rootdisksize", "999999")]), 535, "beyond the limit of primary storage");
    assert_eq!(asked(&[("boottype", "floppy")]), 431);
    assert_eq!(asked(&[("boottype", "UEFI")]), 431, "without its mode");
    assert_eq!(asked(&[("extraconfig", "<cpu/>")]), 431);
}

#[test]
fn admins_of_domains_set_what_holds_for_their_domain() {
    let cloud = fresh();
    let (acme, globex) = (domain(&cloud, "acme"), domain(&cloud, "globex"));
    let set = |arguments: &[(&str, &str)]| call(&cloud, "acme-admin", "updateConfiguration", arguments);
    assert_eq!(set(&[("name", "expunge.delay"), ("value", "5")]).0, 431, "it is for the whole cloud");
    assert_eq!(set(&[("name", "api.key.access"), ("value", "false")]).0, 530, "it is for root");
    let length = [("name", "password.policy.minimum.length"), ("value", "9")];
    let (status, _, body) = set(&length);
    assert_eq!((status, &body["configuration"]["value"], body["configuration"].get("scope")), (200, &json!("9"), None));
    let user = |name: &str| id_of(&cloud, "admin", "listUsers", &[("listall", "true"), ("username", name)]);
    let change = |name: &str| call(&cloud, "admin", "updateUser", &[("id", &user(name)), ("password", "short")]).0;
    assert_eq!((change("dev"), change("globex-user")), (431, 200));
    assert_eq!(set(&[&length[..], &[("domainid", &globex)]].concat()).0, 531);
    assert_eq!(set(&[&length[..], &[("domainid", &acme)]].concat()).2["configuration"]["scope"], "domain");
}
