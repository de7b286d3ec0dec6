//! Addresses of a network and the rules on them.

use super::lab::{has, id, lab, text};

#[tokio::test]
async fn an_address_takes_rules_of_one_purpose_and_refuses_those_of_another() {
    let lab = lab();
    let tenant = lab.tenant("rule").await;
    let zone = lab.zone().await;
    let network = lab.network(&tenant, &zone, "rule-net").await;
    let machine = lab.machine(&tenant, &network, "rule-vm").await;
    let (who, vm, net) = (&tenant.keys, id(&machine), id(&network));
    let address = lab.done(who, "associateIpAddress", &[("networkid", &net)]).await["ipaddress"].clone();
    has(&address, &[("ipaddress", 't'), ("issourcenat", 'b'), ("isstaticnat", 'b'), ("zonename", 't'), ("account", 't')]);
    let ip = id(&address);
    assert_eq!(lab.only(who, "listPublicIpAddresses", &[("id", &ip)], "publicipaddress").await["state"], "Allocated");

    let forward = [
        ("ipaddressid", ip.as_str()),
        ("protocol", "tcp"),
        ("publicport", "80"),
        ("privateport", "8080"),
        ("virtualmachineid", &vm),
        ("openfirewall", "false"),
    ];
    let rule = lab.done(who, "createPortForwardingRule", &forward).await["portforwardingrule"].clone();
    assert_eq!((rule["state"].as_str(), rule["publicport"].as_str(), rule["privateport"].as_str()), (Some("Active"), Some("80"), Some("8080")));
    assert_eq!(lab.refused(who, "createPortForwardingRule", &forward).await.0, 537, "the port is taken");
    assert_eq!(lab.refused(who, "enableStaticNat", &[("ipaddressid", &ip), ("virtualmachineid", &vm)]).await.0, 537, "the address serves rules");

    let wall = [("ipaddressid", ip.as_str()), ("protocol", "tcp"), ("startport", "80"), ("endport", "80"), ("cidrlist", "198.51.100.0/24")];
    let opened = lab.done(who, "createFirewallRule", &wall).await["firewallrule"].clone();
    assert_eq!((opened["state"].as_str(), opened["startport"].as_u64(), opened["cidrlist"].as_str()), (Some("Active"), Some(80), Some("198.51.100.0/24")));
    assert_eq!(lab.done(who, "deleteFirewallRule", &[("id", &id(&opened))]).await["success"], true);
    assert_eq!(lab.done(who, "deletePortForwardingRule", &[("id", &id(&rule))]).await["success"], true);

    assert_eq!(lab.good(who, "enableStaticNat", &[("ipaddressid", &ip), ("virtualmachineid", &vm)]).await["success"], true);
    let fixed = lab.only(who, "listPublicIpAddresses", &[("id", &ip)], "publicipaddress").await;
    assert_eq!((fixed["isstaticnat"].as_bool(), fixed["virtualmachineid"].as_str()), (Some(true), Some(vm.as_str())));
    assert_eq!(lab.done(who, "disableStaticNat", &[("ipaddressid", &ip)]).await["success"], true);
    assert_eq!(lab.done(who, "disassociateIpAddress", &[("id", &ip)]).await["success"], true);
    lab.clear(&tenant).await;
}

#[tokio::test]
async fn a_load_balancer_spreads_over_the_machines_it_was_given() {
    let lab = lab();
    let tenant = lab.tenant("lb").await;
    let zone = lab.zone().await;
    let network = lab.network(&tenant, &zone, "lb-net").await;
    let (one, two) = (lab.machine(&tenant, &network, "lb-one").await, lab.machine(&tenant, &network, "lb-two").await);
    let (who, net) = (&tenant.keys, id(&network));
    let ip = id(&lab.done(who, "associateIpAddress", &[("networkid", &net)]).await["ipaddress"]);
    let wanted =
        [("publicipid", ip.as_str()), ("name", "web"), ("algorithm", "roundrobin"), ("publicport", "80"), ("privateport", "8080"), ("protocol", "tcp")];
    let made = lab.done(who, "createLoadBalancerRule", &wanted).await["loadbalancer"].clone();
    assert_eq!((made["algorithm"].as_str(), made["publicport"].as_str(), made["privateport"].as_str()), (Some("roundrobin"), Some("80"), Some("8080")));
    let rule = id(&made);
    let both = format!("{},{}", id(&one), id(&two));
    assert_eq!(lab.done(who, "assignToLoadBalancerRule", &[("id", &rule), ("virtualmachineids", &both)]).await["success"], true);
    let members = lab.list(who, "listLoadBalancerRuleInstances", &[("id", &rule)], "loadbalancerruleinstance").await;
    assert_eq!(members.len(), 2);
    let shown = lab.only(who, "listLoadBalancerRules", &[("id", &rule)], "loadbalancerrule").await;
    assert_eq!(shown["state"], "Active");
    let policy = [("lbruleid", rule.as_str()), ("name", "sticky"), ("methodname", "LbCookie")];
    let sticky = lab.done(who, "createLBStickinessPolicy", &policy).await["stickinesspolicies"].clone();
    assert_eq!(text(&sticky["stickinesspolicy"][0], "methodname"), "LbCookie");
    assert_eq!(lab.done(who, "removeFromLoadBalancerRule", &[("id", &rule), ("virtualmachineids", &id(&two))]).await["success"], true);
    assert_eq!(lab.list(who, "listLoadBalancerRuleInstances", &[("id", &rule)], "loadbalancerruleinstance").await.len(), 1);
    let changed = lab.done(who, "updateLoadBalancerRule", &[("id", &rule), ("algorithm", "leastconn")]).await;
    assert_eq!(changed["loadbalancer"]["algorithm"], "leastconn");
    assert_eq!(lab.done(who, "deleteLoadBalancerRule", &[("id", &rule)]).await["success"], true);
    lab.clear(&tenant).await;
}
