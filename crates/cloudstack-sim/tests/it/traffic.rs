//! Traffic into and between networks: balancers, public addresses, access lists and tunnels, seen from their commands.

use cloudstack_sim::Cloud;
use serde_json::{Value, json};

use crate::scene::{fresh, id_of, job, ok, refused};

const WHO: &str = "dev";

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// An address of the network that the machines of the scene are in.
fn address(cloud: &Cloud) -> String {
    let network = id_of(cloud, WHO, "listNetworks", &[]);
    text(&job(cloud, WHO, "associateIpAddress", &[("networkid", &network)])["jobresult"]["ipaddress"]["id"])
}

fn balancer(cloud: &Cloud, address: &str, port: &str) -> String {
    let arguments = [("name", "web"), ("publicipid", address), ("algorithm", "roundrobin"), ("publicport", port), ("privateport", "8080")];
    text(&ok(cloud, WHO, "createLoadBalancerRule", &arguments)["id"])
}

fn is_done(job: &Value) -> bool {
    job["jobstatus"] == 1
}

#[test]
fn an_address_can_be_used_as_soon_as_its_job_is_done() {
    let cloud = fresh();
    let address = address(&cloud);
    let listed = ok(&cloud, WHO, "listPublicIpAddresses", &[("id", &address)]);
    assert_eq!(listed["publicipaddress"][0]["state"], "Allocated");
    balancer(&cloud, &address, "80");
}

#[test]
fn machines_join_a_balancer_once_and_leave_it() {
    let cloud = fresh();
    let rule = balancer(&cloud, &address(&cloud), "80");
    let vm = id_of(&cloud, WHO, "listVirtualMachines", &[("state", "Running")]);
    let machines = || ok(&cloud, WHO, "listLoadBalancerRuleInstances", &[("id", &rule)])["count"].as_u64().unwrap_or(0);
    let given = [("id", rule.as_str()), ("virtualmachineids", vm.as_str())];
    assert!(is_done(&job(&cloud, WHO, "assignToLoadBalancerRule", &given)));
    assert_eq!(machines(), 1);
    assert!(!is_done(&job(&cloud, WHO, "assignToLoadBalancerRule", &given)));
    assert!(is_done(&job(&cloud, WHO, "removeFromLoadBalancerRule", &given)));
    assert_eq!(machines(), 0);
}

#[test]
fn balancers_and_forwarding_rules_exclude_each_other_by_their_ports() {
    let cloud = fresh();
    let address = address(&cloud);
    balancer(&cloud, &address, "80");
    let vm = id_of(&cloud, WHO, "listVirtualMachines", &[("state", "Running")]);
    let forward = |port: &'static str| {
        vec![("ipaddressid", address.as_str()), ("protocol", "tcp"), ("publicport", port), ("privateport", "22"), ("virtualmachineid", vm.as_str())]
    };
    assert_eq!(refused(&cloud, WHO, "createPortForwardingRule", &forward("80")).0, 537);
    ok(&cloud, WHO, "createPortForwardingRule", &forward("2222"));
    let taken = [("name", "other"), ("publicipid", address.as_str()), ("algorithm", "source"), ("publicport", "2222"), ("privateport", "22")];
    assert_eq!(refused(&cloud, WHO, "createLoadBalancerRule", &taken).0, 537);
    let nat = [("ipaddressid", address.as_str()), ("virtualmachineid", vm.as_str())];
    assert_eq!(refused(&cloud, WHO, "enableStaticNat", &nat).0, 537);
}

/// A VPC and an access list of its own.
fn access_list(cloud: &Cloud) -> (String, String) {
    let zone = id_of(cloud, WHO, "listZones", &[]);
    let offering = id_of(cloud, WHO, "listVPCOfferings", &[("name", "Default VPC offering")]);
    let arguments = [("name", "shop"), ("displaytext", "Shop"), ("cidr", "10.50.0.0/16"), ("zoneid", zone.as_str()), ("vpcofferingid", offering.as_str())];
    let vpc = text(&ok(cloud, WHO, "createVPC", &arguments)["id"]);
    let acl = text(&ok(cloud, WHO, "createNetworkACLList", &[("name", "web"), ("vpcid", &vpc)])["id"]);
    (vpc, acl)
}

#[test]
fn entries_of_access_lists_say_only_what_a_packet_can_have() {
    let cloud = fresh();
    let (_, acl) = access_list(&cloud);
    let wrong: [&[(&str, &str)]; 6] = [
        &[("protocol", "carrier-pigeon")],
        &[("protocol", "300")],
        &[("protocol", "tcp"), ("startport", "90"), ("endport", "80")],
        &[("protocol", "all"), ("startport", "80")],
        &[("protocol", "tcp"), ("icmptype", "8")],
        &[("protocol", "tcp"), ("cidrlist", "10.0.0.0/99")],
    ];
    for arguments in wrong {
        let arguments = [&[("aclid", acl.as_str())], arguments].concat();
        assert_eq!(refused(&cloud, WHO, "createNetworkACL", &arguments).0, 431, "{arguments:?}");
    }
    let made = job(&cloud, WHO, "createNetworkACL", &[("aclid", &acl), ("protocol", "icmp")])["jobresult"]["networkacl"].clone();
    assert_eq!((&made["icmptype"], &made["icmpcode"], &made["number"]), (&json!(-1), &json!(-1), &json!(1)));
}

#[test]
fn entries_move_between_others_which_make_room() {
    let cloud = fresh();
    let (_, acl) = access_list(&cloud);
    let entry = |number: &str| text(&ok(&cloud, WHO, "createNetworkACL", &[("aclid", &acl), ("protocol", "tcp"), ("number", number)])["id"]);
    let (first, second, third) = (entry("1"), entry("2"), entry("9"));
    let moved = job(&cloud, WHO, "moveNetworkAclItem", &[("id", &third), ("previousaclruleid", &first), ("nextaclruleid", &second)]);
    assert_eq!(moved["jobresult"]["networkacl"]["number"], 2);
    let listed = ok(&cloud, WHO, "listNetworkACLs", &[("id", &second)]);
    assert_eq!(listed["networkacl"][0]["number"], 3);
    assert!(!is_done(&job(&cloud, WHO, "moveNetworkAclItem", &[("id", &third)])));
}

#[test]
fn the_lists_that_every_server_has_stay_as_they_are() {
    let cloud = fresh();
    let listed = ok(&cloud, "admin", "listNetworkACLLists", &[("name", "default_deny")]);
    let acl = text(&listed["networkacllist"][0]["id"]);
    assert_eq!(refused(&cloud, "admin", "createNetworkACL", &[("aclid", &acl), ("protocol", "all")]).0, 431);
    assert!(!is_done(&job(&cloud, "admin", "deleteNetworkACLList", &[("id", &acl)])));
    assert_eq!(refused(&cloud, WHO, "createNetworkACLList", &[("name", "global")]).0, 531);
}

#[test]
fn tunnels_need_a_policy_with_a_group_and_subnets_outside_the_vpc() {
    let cloud = fresh();
    let (vpc, _) = access_list(&cloud);
    let gateway = text(&ok(&cloud, WHO, "createVpnGateway", &[("vpcid", &vpc)])["id"]);
    let customer = |address: &'static str, cidrs: &'static str, policy: &'static str| {
        [("gateway", address), ("cidrlist", cidrs), ("ikepolicy", policy), ("esppolicy", "aes128-sha1"), ("ipsecpsk", "secret")]
    };
    let policy = "aes128-sha1;modp1536";
    assert_eq!(refused(&cloud, WHO, "createVpnCustomerGateway", &customer("203.0.113.7", "172.20.0.0/24", "aes128-sha1")).0, 431);
    assert_eq!(refused(&cloud, WHO, "createVpnCustomerGateway", &customer("203.0.113.7", "172.20.0.0/24,172.20.0.0/16", policy)).0, 431);
    let connect = |far: &str| [("s2svpngatewayid", gateway.clone()), ("s2scustomergatewayid", far.to_owned())];
    let inside = text(&ok(&cloud, WHO, "createVpnCustomerGateway", &customer("203.0.113.8", "10.50.3.0/24", policy))["id"]);
    let arguments = connect(&inside);
    let arguments = arguments.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(refused(&cloud, WHO, "createVpnConnection", &arguments).0, 431);
    let outside = ok(&cloud, WHO, "createVpnCustomerGateway", &customer("203.0.113.9", "172.20.0.0/24", policy));
    let outside = text(&outside["id"]);
    let arguments = connect(&outside);
    let arguments = arguments.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(job(&cloud, WHO, "createVpnConnection", &arguments)["jobresult"]["vpnconnection"]["state"], "Connecting");
    let named = ok(&cloud, WHO, "listVpnCustomerGateways", &[("id", &outside)]);
    assert_eq!(named["vpncustomergateway"][0]["name"], "VPN-203.0.113.9");
}

#[test]
fn a_balancer_inside_a_vpc_listens_on_an_address_of_its_tier() {
    let cloud = fresh();
    let zone = id_of(&cloud, WHO, "listZones", &[]);
    let offering = id_of(&cloud, WHO, "listVPCOfferings", &[("name", "Default VPC offering")]);
    let vpc = [("name", "inside"), ("displaytext", "inside"), ("zoneid", &zone), ("vpcofferingid", &offering), ("cidr", "10.8.0.0/16")];
    let vpc = text(&ok(&cloud, WHO, "createVPC", &vpc)["id"]);
    let tier = |name: &str, offering: &str, gateway: &str| {
        let offering = id_of(&cloud, WHO, "listNetworkOfferings", &[("name", offering)]);
        let tier = [("name", name), ("zoneid", &zone), ("networkofferingid", &offering), ("vpcid", &vpc), ("gateway", gateway), ("netmask", "255.255.255.0")];
        text(&ok(&cloud, WHO, "createNetwork", &tier)["network"]["id"])
    };
    let inner = tier("inner", "DefaultIsolatedNetworkOfferingForVpcNetworksWithInternalLB", "10.8.1.1");
    let outer = tier("outer", "DefaultIsolatedNetworkOfferingForVpcNetworks", "10.8.2.1");
    let wanted = |scheme: &'static str, network: &str| {
        let plain = [("name", "front"), ("scheme", scheme), ("algorithm", "roundrobin"), ("sourceport", "80"), ("instanceport", "8080")];
        let network = [("networkid", network.to_owned()), ("sourceipaddressnetworkid", network.to_owned())];
        plain.into_iter().map(|(name, value)| (name, value.to_owned())).chain(network).collect::<Vec<_>>()
    };
    for (scheme, network) in [("Public", &inner), ("Internal", &outer)] {
        let given = wanted(scheme, network);
        let given: Vec<(&str, &str)> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(refused(&cloud, WHO, "createLoadBalancer", &given).0, 431, "{scheme}");
    }
    let given = wanted("Internal", &inner);
    let given: Vec<(&str, &str)> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let made = job(&cloud, WHO, "createLoadBalancer", &given)["jobresult"]["loadbalancer"].clone();
    assert!(text(&made["sourceipaddress"]).starts_with("10.8.1."), "{made}");
    assert_eq!((&made["loadbalancerrule"][0]["sourceport"], &made["networkid"]), (&json!(80), &json!(inner)));
    let id = text(&made["id"]);
    assert_eq!(ok(&cloud, WHO, "listLoadBalancers", &[("networkid", &inner)])["count"], 1);
    assert_eq!(ok(&cloud, WHO, "listLoadBalancerRules", &[("id", &id)]), json!({}), "those outside are listed apart");
    assert!(is_done(&job(&cloud, WHO, "deleteLoadBalancer", &[("id", &id)])));
    assert_eq!(ok(&cloud, WHO, "listLoadBalancers", &[]), json!({}));
}
