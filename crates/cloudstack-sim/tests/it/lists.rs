//! Lists: scope, pages, filters and the refusals around them.

use cloudstack_sim::WorldOptions;
use serde_json::json;

use crate::scene::{cloud, fresh, id_of, ok, options, refused};

#[test]
fn an_empty_list_is_an_empty_object_and_a_page_past_the_end_a_count() {
    let cloud = fresh();
    assert_eq!(ok(&cloud, "globex-user", "listVirtualMachines", &[]), json!({}));
    assert_eq!(ok(&cloud, "dev", "listVirtualMachines", &[("page", "9"), ("pagesize", "10")]), json!({"count": 4}));
    assert_eq!(ok(&cloud, "dev", "listVirtualMachines", &[("page", "1"), ("pagesize", "0")]), json!({"count": 4}));
}

#[test]
fn admins_see_their_own_until_they_ask_for_all() {
    let cloud = fresh();
    assert_eq!(ok(&cloud, "admin", "listVirtualMachines", &[]), json!({}));
    assert_eq!(ok(&cloud, "admin", "listVirtualMachines", &[("listall", "true")])["count"], 5);
    assert_eq!(ok(&cloud, "acme-admin", "listVirtualMachines", &[("listall", "true")])["count"], 5);
    assert_eq!(ok(&cloud, "dev", "listVirtualMachines", &[("listall", "true")])["count"], 4);
    let globex = id_of(&cloud, "admin", "listDomains", &[("name", "globex")]);
    assert_eq!(refused(&cloud, "acme-admin", "listAccounts", &[("domainid", &globex)]).0, 531);
    assert_eq!(refused(&cloud, "dev", "listVirtualMachines", &[("account", "qa")]).0, 531);
}

#[test]
fn page_and_pagesize_come_together_and_stay_below_the_maximum() {
    let cloud = fresh();
    let text = |arguments: &[(&str, &str)]| refused(&cloud, "admin", "listOsTypes", arguments);
    assert_eq!(text(&[("page", "1")]), (431, "\"pagesize\" parameter is required when \"page\" is specified".to_owned()));
    assert_eq!(text(&[("pagesize", "5")]), (431, "\"page\" parameter is required when \"pagesize\" is specified".to_owned()));
    assert_eq!(text(&[("page", "1"), ("pagesize", "501")]), (431, "Page size can't exceed max allowed page size value: 500".to_owned()));
}

#[test]
fn without_pages_five_hundred_rows_come_and_the_count_of_all() {
    let cloud = cloud(WorldOptions { vms: 700, ..options() });
    let body = ok(&cloud, "admin", "listVirtualMachines", &[("listall", "true")]);
    assert_eq!((&body["count"], body["virtualmachine"].as_array().unwrap().len()), (&json!(705), 500));
    let last = ok(&cloud, "admin", "listVirtualMachines", &[("listall", "true"), ("page", "2"), ("pagesize", "500")]);
    assert_eq!(last["virtualmachine"].as_array().unwrap().len(), 205);
}

#[test]
fn filters_take_names_states_ids_and_keywords() {
    let cloud = fresh();
    let count = |arguments: &[(&str, &str)]| ok(&cloud, "dev", "listVirtualMachines", arguments)["count"].as_u64().unwrap_or(0);
    assert_eq!(count(&[("keyword", "web")]), 2);
    assert_eq!(count(&[("keyword", "w_b-%")]), 2);
    assert_eq!(count(&[("name", "WEB-1")]), 1);
    assert_eq!(count(&[("state", "Stopped")]), 1);
    assert_eq!(count(&[("state", "Nonsense")]), 0);
    let network = id_of(&cloud, "dev", "listNetworks", &[]);
    assert_eq!(count(&[("networkid", &network)]), 4);
    assert_eq!(count(&[("unknown", "x")]), 4);
}

#[test]
fn parameters_above_a_role_are_dropped_without_a_word() {
    let cloud = fresh();
    assert_eq!(ok(&cloud, "dev", "listVirtualMachines", &[("displayvm", "false")])["count"], 4);
    assert_eq!(ok(&cloud, "admin", "listVirtualMachines", &[("displayvm", "false"), ("listall", "true")]), json!({}));
}

#[test]
fn details_min_leaves_out_what_is_dear() {
    let cloud = fresh();
    let body = ok(&cloud, "dev", "listVirtualMachines", &[("details", "min"), ("name", "web-1")]);
    let row = &body["virtualmachine"][0];
    assert!(row["nic"] == serde_json::json!([]) && row.get("cpuused").is_none() && row.get("templateid").is_none());
    assert_eq!(row["name"], "web-1");
}

#[test]
fn a_template_filter_that_is_none_is_named() {
    let cloud = fresh();
    let (status, text) = refused(&cloud, "dev", "listTemplates", &[("templatefilter", "FEATURED")]);
    assert_eq!((status, text.as_str()), (431, "No enum constant com.cloud.template.VirtualMachineTemplate.TemplateFilter.FEATURED"));
}
