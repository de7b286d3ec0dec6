//! Load balancer rules: who takes part, what keeps a caller on one machine, and certificates.

use serde_json::json;

use super::{
    Tables,
    recipe::{Put, Recipe, change, make, quietly, take},
};
use crate::{
    json::Json,
    kind::{ACCOUNT, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, ID, Noun, PROJECT, PROJECT_ID, TAGS, always, linked, own, own_or},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// How a rule may share calls out.
const ALGORITHMS: &[&str] = &["roundrobin", "leastconn", "source"];
/// The ways in which a router keeps a caller on one machine.
const STICKINESS: &[&str] = &["LbCookie", "AppCookie", "SourceBased"];
/// The highest port.
const PORT_MAX: i64 = 65_535;

/// A load balancer rule. Its ports are text, as servers have it (wire facts §2.9).
pub(crate) const RULE_NOUN: Noun = Noun {
    word: "loadbalancerrule",
    entities: &["LoadBalancerResponse"],
    resource: "FirewallRule",
    owned: true,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own("description"),
        linked("publicipid", "address", "id"),
        linked("publicip", "address", "ipaddress"),
        own("publicport"),
        own("privateport"),
        own("algorithm"),
        linked("networkid", "network", "id"),
        own("cidrlist"),
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        own_or("state", Constant::Text("Add")),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        own_or("protocol", Constant::Text("tcp")),
        TAGS,
        always("fordisplay", Constant::Flag(true)).root(),
    ],
};

/// What keeps a caller on one machine. Answers show it inside what belongs to its rule.
pub(crate) const STICKINESS_NOUN: Noun = Noun {
    word: "stickinesspolicy",
    entities: &["LBStickinessResponse"],
    resource: "LBStickinessPolicy",
    owned: true,
    keywords: &[],
    newest_first: false,
    view: &[ID, own("name"), own("description"), own("methodname"), own_or("params", Constant::Raw("{}")), always("fordisplay", Constant::Flag(true)).root()],
};

/// How machines behind a rule are asked whether they are well.
pub(crate) const HEALTH_NOUN: Noun = Noun {
    word: "healthcheckpolicy",
    entities: &["LBHealthCheckResponse"],
    resource: "LBHealthCheckPolicy",
    owned: true,
    keywords: &[],
    newest_first: false,
    view: &[ID, own("pingpath"), own("description")],
};

/// A certificate.
pub(crate) const CERTIFICATE_NOUN: Noun = Noun {
    word: "sslcert",
    entities: &["SslCertResponse"],
    resource: "SslCert",
    owned: true,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own("certificate"),
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        own("certchain"),
        own("fingerprint"),
        own_or("loadbalancerrulelist", Constant::Empty),
    ],
};

/// The commands and filters of load balancer rules.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("createLoadBalancerRule", create),
        ("deleteLoadBalancerRule", delete),
        ("assignToLoadBalancerRule", assign),
        ("removeFromLoadBalancerRule", remove),
        ("listLoadBalancerRuleInstances", list_instances),
        ("createLBStickinessPolicy", stick),
        ("listLBStickinessPolicies", list_stickiness),
        ("createLBHealthCheckPolicy", check_health),
        ("listLBHealthCheckPolicies", list_health),
        ("listSslCerts", list_certificates),
        ("uploadSslCert", upload),
        ("listIpForwardingRules", |turn| {
            let kind = turn.world.kind("ipforwardingrule");
            list::list(turn, kind)
        }),
    ],
    filters: &[
        ("loadbalancerrule", "publicipid", |turn, rule| list::argument_is(turn, "publicipid", turn.world.link(rule, "address"))),
        ("loadbalancerrule", "virtualmachineid", |turn, rule| {
            turn.arguments.object("virtualmachineid").is_some_and(|vm| members(turn.world, rule).contains(&vm))
        }),
    ],
};

/// The commands of load balancer rules that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    change(
        "updateLoadBalancerRule",
        "id",
        &[Put::Text("name"), Put::Text("description"), Put::Text("algorithm"), Put::Text("protocol"), Put::Fixed("state", Constant::Text("Add"))],
    )
    .checked(|turn, _| check_algorithm(turn)),
    take("deleteLBStickinessPolicy", "id"),
    take("deleteLBHealthCheckPolicy", "id"),
    quietly("assignCertToLoadBalancer", "lbruleid", &[Put::Link("certid", "certificate")]),
    quietly("removeCertFromLoadBalancer", "lbruleid", &[Put::Gone("certificate")]),
    take("deleteSslCert", "id").checked(|turn, certificate| match certificate {
        Some(certificate) if turn.world.referring("loadbalancerrule", "certificate", certificate).next().is_some() => {
            Err(Refusal::failed("Certificate in use by a loadbalancer(s)"))
        }
        _ => Ok(()),
    }),
    make(
        "createIpForwardingRule",
        "ipforwardingrule",
        &[
            Put::Text("protocol"),
            Put::Number("startport"),
            Put::NumberOr("endport", "startport"),
            Put::Link("ipaddressid", "address"),
            Put::Through("ipaddressid", "vm"),
        ],
    )
    .owned_through("ipaddressid")
    .checked(|turn, _| match turn.arguments.object("ipaddressid") {
        Some(address) if !turn.world.flag(address, "isstaticnat") => {
            Err(Refusal::invalid(format!("IP address is not static nat enabled: {}", turn.world.id(address))))
        }
        _ => Ok(()),
    }),
    take("deleteIpForwardingRule", "id"),
];

/// A rule for an address that is mapped to one machine.
pub(crate) const NAT_RULE_NOUN: Noun = Noun {
    word: "ipforwardingrule",
    entities: &["IpForwardingRuleResponse"],
    resource: "FirewallRule",
    owned: true,
    keywords: &["protocol"],
    newest_first: false,
    view: &[
        ID,
        own("protocol"),
        linked("virtualmachineid", "vm", "id"),
        linked("virtualmachinename", "vm", "name"),
        linked("virtualmachinedisplayname", "vm", "displayname"),
        // Servers show the internal number here, not the id.
        crate::kind::computed("ipaddressid", |world, rule, _| {
            let number = World::internal_number(world.link(rule, "address")?);
            Some(crate::kind::Shown::Number(i64::try_from(number).unwrap_or(i64::MAX)))
        }),
        linked("ipaddress", "address", "ipaddress"),
        own("startport"),
        own("endport"),
        own_or("state", Constant::Text("Active")),
    ],
};

fn check_algorithm(turn: &Turn<'_>) -> Result<(), Refusal> {
    match turn.arguments.text("algorithm") {
        Some(algorithm) if !ALGORITHMS.contains(&algorithm) => Err(Refusal::argument(format!("Invalid algorithm: {algorithm}"))),
        _ => Ok(()),
    }
}

fn members(world: &World, rule: Handle) -> Vec<Handle> {
    world.links(rule, "members").iter().copied().filter(|vm| world.is_alive(*vm)).collect()
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    check_algorithm(turn)?;
    let port = |name: &str| {
        let port = turn.arguments.number(name).unwrap_or(0);
        let text = || Refusal::invalid(format!("Invalid value for {}: {port}", if name == "publicport" { "public port" } else { "private port" }));
        if (1..=PORT_MAX).contains(&port) { Ok(port) } else { Err(text()) }
    };
    let (public, private) = (port("publicport")?, port("privateport")?);
    let Some(address) = turn.arguments.object("publicipid").or_else(|| source_address(turn)) else {
        return Err(Refusal::invalid("Unable to find ip address to create the load balancer rule on"));
    };
    if turn.world.flag(address, "isstaticnat") {
        return Err(Refusal::invalid(format!("Can't create load balancing rule; the ip address is static nat enabled: {}", turn.world.id(address))));
    }
    check_conflict(turn.world, address, public)?;
    let network = turn.arguments.object("networkid").or_else(|| turn.world.link(address, "network"));
    let owner = turn.world.owner(address);
    let protocol = turn.arguments.text("protocol").unwrap_or("tcp").to_ascii_lowercase();
    let mut fields: Vec<(&str, Datum)> = vec![
        ("name", turn.needed("name")?.into()),
        ("address", address.into()),
        ("publicport", public.to_string().into()),
        ("privateport", private.to_string().into()),
        ("algorithm", turn.needed("algorithm")?.into()),
        ("protocol", protocol.into()),
    ];
    for name in ["description", "cidrlist"] {
        if let Some(text) = turn.arguments.text(name) {
            fields.push((name, text.into()));
        }
    }
    if let Some(network) = network {
        fields.push(("network", network.into()));
    }
    if let Some(zone) = turn.world.link(address, "zone") {
        fields.push(("zone", zone.into()));
    }
    let kind = turn.world.kind("loadbalancerrule");
    let rule = turn.world.insert(kind, owner, &fields);
    Ok(turn.making(rule, WORK_SHORT, move |turn| {
        if turn.world.link(address, "network").is_none()
            && let Some(network) = network
        {
            turn.world.set(address, "network", network);
        }
        Ok(Outcome::Object(rule))
    }))
}

fn source_address(turn: &Turn<'_>) -> Option<Handle> {
    let network = turn.arguments.object("networkid")?;
    turn.world.referring("ipaddress", "network", network).find(|address| turn.world.flag(*address, "issourcenat"))
}

fn check_conflict(world: &World, address: Handle, port: i64) -> Result<(), Refusal> {
    for (kind, purpose) in [("loadbalancerrule", "LoadBalancing"), ("portforwardingrule", "PortForwarding")] {
        for rule in world.referring(kind, "address", address) {
            let ends: Vec<i64> = ["publicport", "publicendport"].iter().filter_map(|name| world.text(rule, name)?.parse().ok()).collect();
            let (Some(first), Some(last)) = (ends.first(), ends.last()) else { continue };
            if (*first..=*last).contains(&port) {
                let network = world.link(rule, "network").map_or(0, World::internal_number);
                let said = format!(
                    "FirewallRule {{\"id\":{},\"networkId\":{network},\"purpose\":\"{purpose}\",\"state\":\"Active\",\"uuid\":\"{}\"}}",
                    World::internal_number(rule),
                    world.id(rule)
                );
                let text = format!("The range specified, {port}-{port}, conflicts with rule {said} which has {first}-{last}");
                return Err(Refusal { inner: Some(9999), ..Refusal::conflict(text) });
            }
        }
    }
    Ok(())
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("id")?;
    Ok(turn.job(rule, WORK_SHORT, move |turn| {
        let world = &mut *turn.world;
        if world.referring("autoscalevmgroup", "rule", rule).next().is_some() {
            return Err(Refusal::failed("Unable to delete the load balancer rule because it is used by an AutoScale VM group"));
        }
        for kind in ["stickinesspolicy", "healthcheckpolicy"] {
            let rows: Vec<Handle> = world.referring(kind, "rule", rule).collect();
            rows.into_iter().for_each(|row| world.remove(row));
        }
        world.remove(rule);
        Ok(Outcome::Success)
    }))
}

/// The machines that a call names, plainly or with an address each.
fn named(turn: &Turn<'_>) -> Result<Vec<Handle>, Refusal> {
    let mut vms = turn.arguments.objects("virtualmachineids").unwrap_or_default().to_vec();
    for entry in turn.arguments.records("vmidipmap") {
        let vm = entry.get("vmid").and_then(|id| crate::world::parse_id(id)).and_then(|id| turn.world.by_id(id));
        vms.push(vm.ok_or_else(|| Refusal::invalid("Unable to find virtual machine ID: 0"))?);
    }
    if vms.is_empty() { Err(Refusal::invalid("Unable to assign vms; vmIdIpMap and virtualmachineids are empty")) } else { Ok(vms) }
}

fn assign(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("id")?;
    let vms = named(turn)?;
    Ok(turn.job(rule, WORK_SHORT, move |turn| {
        let mut known = members(turn.world, rule);
        let network = turn.world.link(rule, "network");
        for vm in vms {
            let name = turn.world.string(vm, "name");
            if known.contains(&vm) {
                return Err(Refusal::invalid(format!("VM {name} is already mapped to load balancer.")));
            }
            let inside = super::vm::nic_rows(turn.world, vm).iter().any(|nic| turn.world.link(*nic, "network") == network);
            if !inside {
                return Err(Refusal::invalid(format!("VM {name} cannot be added because it doesn't belong to the network of the load balancer rule")));
            }
            known.push(vm);
        }
        turn.world.set(rule, "members", Datum::Links(known.into()));
        turn.world.set(rule, "state", "Active");
        Ok(Outcome::Success)
    }))
}

fn remove(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("id")?;
    let vms = named(turn)?;
    Ok(turn.job(rule, WORK_SHORT, move |turn| {
        let known = members(turn.world, rule);
        if vms.iter().any(|vm| !known.contains(vm)) {
            return Err(Refusal::invalid("The virtual machine is not assigned to the load balancer rule"));
        }
        let rest: Vec<Handle> = known.into_iter().filter(|vm| !vms.contains(vm)).collect();
        turn.world.set(rule, "members", Datum::Links(rest.into()));
        Ok(Outcome::Success)
    }))
}

fn list_instances(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("id")?;
    if !turn.may_use(rule) {
        return Err(Refusal::permission());
    }
    let all = members(turn.world, rule);
    let count = all.len();
    // With `applied=false` come the machines that could take part and do not; here all changes apply at once.
    let shown = if turn.arguments.truth("applied") == Some(false) { Vec::new() } else { all };
    if !turn.arguments.flag("lbvmips") {
        return Ok(Outcome::List(shown, count));
    }
    let network = turn.world.link(rule, "network");
    let mut json = Json::default();
    json.open();
    json.key("count");
    json.number(i64::try_from(count).unwrap_or(i64::MAX));
    json.key("lbrulevmidip");
    json.open_array();
    for vm in shown {
        json.open();
        json.key("loadbalancerruleinstance");
        turn.world.render(vm, turn.viewer(), &mut json);
        json.key("lbvmipaddresses");
        json.open_array();
        let nics = super::vm::nic_rows(turn.world, vm);
        nics.iter().filter(|nic| turn.world.link(**nic, "network") == network).for_each(|nic| json.text(&turn.world.string(*nic, "ipaddress")));
        json.close_array();
        json.close();
    }
    json.close_array();
    json.close();
    Ok(Outcome::Flat(json.into_text()))
}

/// What belongs to a rule, as one object around a list.
fn around(turn: &Turn<'_>, rule: Handle, policies: &[Handle], key: &str) -> String {
    let mut json = Json::default();
    json.open();
    json.member("lbruleid", &turn.world.id(rule));
    if let (Some(owner), Some(domain)) = (turn.world.owner(rule), turn.world.domain_of(rule)) {
        json.member("account", &turn.world.string(owner, "name"));
        json.member("domainid", &turn.world.id(domain));
        json.member("domain", &turn.world.string(domain, "name"));
    }
    json.key(key);
    json.open_array();
    policies.iter().for_each(|policy| turn.world.render(*policy, turn.viewer(), &mut json));
    json.close_array();
    json.close();
    json.into_text()
}

fn stick(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("lbruleid")?;
    let method = turn.needed("methodname")?;
    let Some(known) = STICKINESS.iter().find(|known| known.eq_ignore_ascii_case(&method)) else {
        let text = format!("Failed to create Stickiness policy: Validation Failed Invalid method name :{method} for LB rule {}", turn.world.id(rule));
        return Err(Refusal::malformed(text));
    };
    if turn.world.referring("stickinesspolicy", "rule", rule).next().is_some() {
        return Err(Refusal::malformed("Failed to create Stickiness policy: Already policy attached "));
    }
    let parameters: serde_json::Map<String, serde_json::Value> =
        turn.arguments.records("param").filter_map(|entry| Some((entry.get("name")?.clone(), json!(entry.get("value")?)))).collect();
    let fields: Vec<(&str, Datum)> = vec![
        ("name", turn.needed("name")?.into()),
        ("methodname", (*known).into()),
        ("rule", rule.into()),
        ("params", serde_json::Value::Object(parameters).into()),
    ];
    let kind = turn.world.kind("stickinesspolicy");
    let policy = turn.world.insert(kind, turn.world.owner(rule), &fields);
    Ok(turn.making(policy, WORK_SHORT, move |turn| Ok(Outcome::Shown("stickinesspolicies".to_owned(), around(turn, rule, &[policy], "stickinesspolicy")))))
}

fn check_health(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("lbruleid")?;
    let name = turn.world.string(rule, "name");
    let (number, id) = (World::internal_number(rule), turn.world.id(rule));
    let said = format!("LoadBalancer {{\"name\":\"{name}\",\"id\":{number},\"purpose\":\"LoadBalancing\",\"state\":\"Active\",\"uuid\":\"{id}\"}}");
    Err(Refusal::malformed(format!(
        "Failed to create HealthCheck policy: Validation Failed (HealthCheck Policy is not supported by LB Provider for the LB rule: {said})"
    )))
}

fn list_of_rule(turn: &mut Turn<'_>, kind: &str, (what, key): (&str, &str)) -> Result<Outcome, Refusal> {
    let policies = turn.world.kind(kind);
    let of_policy = turn.arguments.object("id").and_then(|policy| turn.world.link(policy, "rule"));
    let Some(rule) = turn.arguments.object("lbruleid").or(of_policy) else {
        return Err(Refusal::invalid(format!("Invalid arguments: either {what} id or load balancer rule id must be specified")));
    };
    if !turn.may_use(rule) {
        return Err(Refusal::permission());
    }
    let wanted = turn.arguments.object("id");
    let rows: Vec<Handle> =
        turn.world.rows(policies).filter(|row| turn.world.link(*row, "rule") == Some(rule) && wanted.is_none_or(|wanted| wanted == *row)).collect();
    Ok(Outcome::Rendered(around(turn, rule, &rows, key), 1))
}

fn list_stickiness(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    list_of_rule(turn, "stickinesspolicy", ("stickiness policy", "stickinesspolicy"))
}

fn list_health(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    list_of_rule(turn, "healthcheckpolicy", ("health check policy", "healthcheckpolicy"))
}

fn list_certificates(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let given = |name: &str| turn.arguments.text(name).is_some();
    if !["certid", "accountid", "lbruleid", "projectid"].into_iter().any(given) {
        let text = "Invalid parameters either certificate ID or Account ID or Loadbalancer ID or Project ID required";
        return Err(Refusal { inner: Some(0), ..Refusal::internal(text) });
    }
    let kind = turn.world.kind("sslcert");
    let wanted = turn.arguments.object("certid");
    let account = turn.arguments.object("accountid");
    let of_rule = turn.arguments.object("lbruleid").map(|rule| turn.world.link(rule, "certificate"));
    let project = turn.arguments.object("projectid").and_then(|project| turn.world.link(project, "projectaccount"));
    let fits = |row: &Handle| {
        let owner = turn.world.owner(*row);
        wanted.is_none_or(|wanted| wanted == *row)
            && account.is_none_or(|account| owner == Some(account))
            && project.is_none_or(|project| owner == Some(project))
            && of_rule.is_none_or(|of_rule| of_rule == Some(*row))
            && turn.may_use(*row)
    };
    let rows: Vec<Handle> = turn.world.rows(kind).filter(fits).collect();
    let count = rows.len();
    Ok(Outcome::List(rows, count))
}

fn upload(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    /// No certificate is shorter; what is shorter cannot be read.
    const BODY_MIN: usize = 64;
    let certificate = turn.needed("certificate")?;
    let key = turn.needed("privatekey")?;
    let is_pem = |text: &str, label: &str| text.contains(&format!("-----BEGIN {label}")) && text.len() > BODY_MIN + 2 * label.len();
    if !is_pem(&certificate, "CERTIFICATE") {
        let cause = "Could not parse certificate: java.io.IOException: Empty input";
        return Err(Refusal::failed(format!("Invalid Certificate format. Expected X509 certificate. Failed due to {cause}")));
    }
    if !is_pem(&key, "PRIVATE KEY") && !is_pem(&key, "RSA PRIVATE KEY") {
        return Err(Refusal::failed("Invalid Key format or invalid password."));
    }
    let fingerprint: Vec<String> = certificate.bytes().rev().skip(30).take(20).map(|byte| format!("{byte:02X}")).collect();
    let owner = turn.new_owner()?;
    let mut fields: Vec<(&str, Datum)> =
        vec![("name", turn.needed("name")?.into()), ("certificate", certificate.into()), ("fingerprint", fingerprint.join(":").into())];
    if let Some(chain) = turn.arguments.text("certchain") {
        fields.push(("certchain", chain.into()));
    }
    let kind = turn.world.kind("sslcert");
    let made = turn.world.insert(kind, Some(owner), &fields);
    Ok(Outcome::Object(made))
}
