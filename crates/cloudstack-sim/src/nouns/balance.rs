//! Load balancer rules: who takes part, what keeps a caller on one machine, and certificates.

use serde_json::{Map, Value, json};

use super::{
    Tables, network,
    recipe::{self, Put, Recipe, take},
    traffic::{self, PORT_MAX, Purpose, Reach},
};
use crate::{
    json::Json,
    kind::{ACCOUNT, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, ID, Noun, PROJECT, PROJECT_ID, Shown, TAGS, Viewer, computed, linked, own, own_or},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Content, Datum, Handle, World},
};

/// How a rule may share calls out.
const ALGORITHMS: &[&str] = &["roundrobin", "leastconn", "source"];
/// How a virtual router can speak to those who call.
const PROTOCOLS: &[&str] = &["tcp", "tcp-proxy", "ssl"];
/// The ways in which a router keeps a caller on one machine, and the parameters of each.
const STICKINESS: &[(&str, &[&str])] = &[
    ("LbCookie", &["cookie-name", "mode", "nocache", "indirect", "postonly", "domain"]),
    ("AppCookie", &["cookie-name", "length", "holdtime", "request-learn", "prefix", "mode"]),
    ("SourceBased", &["tablesize", "expire"]),
];
/// The parameters that are there or not, without a value.
const SWITCHES: &[&str] = &["nocache", "indirect", "postonly", "request-learn", "prefix"];
/// The parameters whose value is a number with a unit, and the units.
const MEASURES: &[(&str, &str)] = &[("tablesize", "kmg"), ("expire", "dhms"), ("holdtime", "dhms"), ("length", "")];
/// How many such policies a rule may have.
const STICKINESS_MAX: usize = 2;
/// The port on which routers tell how busy they are; no rule may take it.
const STATISTICS_PORT: i64 = 8081;
/// The port of name servers, which a router keeps for itself on its own address.
const NAMES_PORT: i64 = 53;

/// A load balancer rule. Its ports are text, as servers have it (wire facts §2.9).
pub(crate) const RULE_NOUN: Noun = Noun {
    word: "loadbalancerrule",
    entities: &["LoadBalancerResponse"],
    resource: "FirewallRule",
    owned: true,
    keywords: &["name", "description"],
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
        own("protocol"),
        TAGS,
        own_or("fordisplay", Constant::Flag(true)).root(),
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
    view: &[ID, own("name"), own("description"), own("methodname"), own_or("params", Constant::Raw("{}")), own_or("fordisplay", Constant::Flag(true)).root()],
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
        computed("loadbalancerrulelist", |world, certificate, _: Viewer| {
            let rules: Vec<String> = world.referring("loadbalancerrule", "certificate", certificate).map(|rule| world.id(rule)).collect();
            (!rules.is_empty()).then(|| Shown::Raw(json!(rules).to_string()))
        }),
    ],
};

/// The commands and filters of load balancer rules.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("createLoadBalancerRule", create),
        ("updateLoadBalancerRule", update),
        ("deleteLoadBalancerRule", delete),
        ("assignToLoadBalancerRule", assign),
        ("removeFromLoadBalancerRule", remove),
        ("listLoadBalancerRuleInstances", list_instances),
        ("createLBStickinessPolicy", stick),
        ("updateLBStickinessPolicy", update_stickiness),
        ("listLBStickinessPolicies", list_stickiness),
        ("createLBHealthCheckPolicy", check_health),
        ("listLBHealthCheckPolicies", list_health),
        ("listSslCerts", list_certificates),
        ("uploadSslCert", upload),
        ("assignCertToLoadBalancer", assign_certificate),
        ("removeCertFromLoadBalancer", |turn| {
            let rule = turn.target("lbruleid")?;
            Ok(turn.job(rule, WORK_SHORT, move |turn| {
                if turn.world.link(rule, "certificate").is_none() {
                    return Err(Refusal::invalid("No certificate is bound to the load balancer rule"));
                }
                turn.world.unset(rule, "certificate");
                Ok(Outcome::Success)
            }))
        }),
        ("createIpForwardingRule", pass_on),
        ("deleteIpForwardingRule", |turn| {
            let rule = turn.target("id")?;
            Ok(turn.job(rule, WORK_SHORT, move |turn| {
                traffic::remove(turn.world, rule);
                Ok(Outcome::Success)
            }))
        }),
        ("listIpForwardingRules", |turn| {
            super::rule::check_address(turn)?;
            let kind = turn.world.kind("ipforwardingrule");
            list::list(turn, kind)
        }),
    ],
    filters: &[
        ("loadbalancerrule", "publicipid", |turn, rule| list::argument_is(turn, "publicipid", turn.world.link(rule, "address"))),
        ("loadbalancerrule", "virtualmachineid", |turn, rule| {
            turn.arguments.object("virtualmachineid").is_some_and(|vm| members(turn.world, rule).iter().any(|(member, _)| *member == vm))
        }),
        ("ipforwardingrule", "ipaddressid", |turn, rule| list::argument_is(turn, "ipaddressid", turn.world.link(rule, "address"))),
    ],
};

/// The commands of load balancer rules that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    take("deleteLBStickinessPolicy", "id"),
    take("deleteLBHealthCheckPolicy", "id"),
    take("deleteSslCert", "id").checked(|turn, certificate| match certificate {
        Some(certificate) if turn.world.referring("loadbalancerrule", "certificate", certificate).next().is_some() => {
            Err(Refusal::failed("Certificate in use by a loadbalancer(s)"))
        }
        _ => Ok(()),
    }),
];

/// A rule for an address that is mapped to one machine.
pub(crate) const NAT_RULE_NOUN: Noun = Noun {
    word: "ipforwardingrule",
    entities: &["IpForwardingRuleResponse"],
    resource: "FirewallRule",
    owned: true,
    keywords: &[],
    newest_first: false,
    view: &[
        ID,
        own("protocol"),
        linked("virtualmachineid", "vm", "id"),
        linked("virtualmachinename", "vm", "name"),
        linked("virtualmachinedisplayname", "vm", "displayname"),
        // Servers show the internal number here, not the id.
        computed("ipaddressid", |world, rule, _| {
            let number = World::internal_number(world.link(rule, "address")?);
            Some(Shown::Number(i64::try_from(number).unwrap_or(i64::MAX)))
        }),
        linked("ipaddress", "address", "ipaddress"),
        own("startport"),
        own("endport"),
        own_or("state", Constant::Text("Active")),
    ],
};

/// Whether a rule may share calls out in this way, in any case.
pub(super) fn is_algorithm(text: &str) -> bool {
    ALGORITHMS.iter().any(|known| known.eq_ignore_ascii_case(text))
}

/// The machines behind a rule and the address that each is called by.
pub(super) fn members(world: &World, rule: Handle) -> Vec<(Handle, String)> {
    let machines = world.links(rule, "members");
    let addresses = world.tree(rule, "memberaddresses").and_then(Value::as_array);
    let address = |at: usize| addresses.and_then(|all| all.get(at)?.as_str()).unwrap_or_default().to_owned();
    machines.iter().enumerate().filter(|(_, vm)| world.is_alive(**vm)).map(|(at, vm)| (*vm, address(at))).collect()
}

/// Puts machines behind a rule. Routers serve only rules with machines.
fn set_members(world: &mut World, rule: Handle, members: &[(Handle, String)]) {
    let addresses: Vec<&str> = members.iter().map(|(_, address)| address.as_str()).collect();
    world.set(rule, "memberaddresses", json!(addresses));
    world.set(rule, "members", Datum::Links(members.iter().map(|(vm, _)| *vm).collect()));
    world.set(rule, "state", if members.is_empty() { "Add" } else { "Active" });
}

/// What a new rule and its router agree on.
fn check_offer(turn: &Turn<'_>, address: Handle, network: Handle) -> Result<(), Refusal> {
    let arguments = &turn.arguments;
    let refuse = |text: String| Err(Refusal::argument(text));
    if let Some(wrong) = arguments.list("cidrlist").into_iter().find(|cidr| !traffic::is_cidr(cidr) && cidr.parse::<std::net::IpAddr>().is_err()) {
        return refuse(format!("CIDR [{wrong}] is invalid."));
    }
    let private = arguments.number("privateport").unwrap_or(0);
    if !(1..=PORT_MAX).contains(&private) {
        return refuse(format!("privatePort is an invalid value: {private}"));
    }
    let algorithm = arguments.text("algorithm").unwrap_or_default();
    if !is_algorithm(algorithm) {
        return refuse(format!("Invalid algorithm: {algorithm}"));
    }
    if turn.world.link(address, "network").is_none() && turn.world.link(address, "vpc").is_none() {
        return refuse("The IP address is not associated with any network".to_owned());
    }
    let as_argument = |refusal: Refusal| Refusal { inner: Some(9999), ..refusal };
    network::check_service(turn.world, network, "Lb").map_err(as_argument)?;
    if network::balances_inside(turn.world, network) {
        return refuse("Scheme Public is not supported by the network offering".to_owned());
    }
    let public = arguments.number("publicport");
    traffic::check_ports(public, public).map_err(as_argument)?;
    let protocol = arguments.text("protocol").map(|protocol| protocol.trim().to_ascii_lowercase());
    let is_known = protocol.is_none_or(|protocol| PROTOCOLS.contains(&protocol.as_str()));
    if !is_known || public == Some(STATISTICS_PORT) {
        return refuse("LB service provider cannot support this rule".to_owned());
    }
    if public == Some(NAMES_PORT) && turn.world.flag(address, "issourcenat") && network::check_service(turn.world, network, "Dns").is_ok() {
        return refuse("Port 53 is taken by the network's own name server".to_owned());
    }
    Ok(())
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let Some(address) = turn.arguments.object("publicipid") else {
        let named = turn.arguments.text("account").is_some() && turn.arguments.object("domainid").is_some();
        let text = if named {
            "Unable to create load balance rule; can't find/allocate source IP"
        } else {
            "Can't define IP owner. Either specify account/domainId or publicIpId"
        };
        return Err(Refusal::invalid(text));
    };
    if turn.world.text(address, "state").is_some_and(|state| state != "Allocated") {
        return Err(Refusal::invalid(format!("Unable to create load balancer rule, invalid IP address ID {}", World::internal_number(address))));
    }
    let network = traffic::network_of(turn, address)?;
    let opens = traffic::opens_firewall(turn, address)?;
    if turn.world.flag(address, "isstaticnat") {
        let text = format!("Can't do load balance on ip address: {}", turn.world.string(address, "ipaddress"));
        return Err(Refusal { inner: Some(9999), ..Refusal::conflict(text) });
    }
    check_offer(turn, address, network)?;
    let public = turn.arguments.number("publicport").unwrap_or(0);
    let reach = Reach::of_ports(Purpose::LoadBalancing, "tcp", (public, public));
    let without_cause = |refusal: Refusal| Refusal { inner: Some(9999), ..refusal };
    traffic::check(turn.world, address, &reach).map_err(without_cause)?;
    let owner = turn.world.owner(address);
    let fields: Vec<(&str, Datum)> = vec![("address", address.into()), ("network", network.into()), ("state", "Add".into())];
    let kind = turn.world.kind("loadbalancerrule");
    let rule = turn.world.insert(kind, owner, &fields);
    let puts = ["name", "description", "publicport", "privateport", "algorithm"].map(Put::Text);
    puts.into_iter().chain([Put::Small("protocol"), Put::Flag("fordisplay")]).for_each(|put| recipe::apply(turn, rule, put));
    put_sources(turn, rule);
    if let Some(zone) = turn.world.link(address, "zone") {
        turn.world.set(rule, "zone", zone);
    }
    if turn.world.link(address, "network").is_none() {
        turn.world.set(address, "network", network);
    }
    if opens && let Err(refusal) = traffic::open_for(turn, rule, address, &reach) {
        traffic::remove(turn.world, rule);
        return Err(without_cause(refusal));
    }
    Ok(turn.making(rule, WORK_SHORT, move |_| Ok(Outcome::Object(rule))))
}

/// Servers keep the sources of a rule with blanks between them.
fn put_sources(turn: &mut Turn<'_>, rule: Handle) {
    let sources = turn.arguments.list("cidrlist").join(" ");
    if !sources.is_empty() {
        turn.world.set(rule, "cidrlist", sources);
    }
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("id")?;
    if let Some(algorithm) = turn.arguments.text("algorithm").filter(|algorithm| !ALGORITHMS.contains(algorithm)) {
        return Err(Refusal::argument(format!("Invalid algorithm: {algorithm}")));
    }
    Ok(turn.job(rule, WORK_SHORT, move |turn| {
        let cidrs = turn.arguments.list("cidrlist").join(",");
        if let Some(wrong) = turn.arguments.list("cidrlist").into_iter().find(|cidr| !traffic::is_cidr(cidr)) {
            return Err(Refusal::invalid(format!("Invalid CIDR list: {wrong} in {cidrs}")));
        }
        let puts = [Put::Text("name"), Put::Text("description"), Put::Text("algorithm"), Put::Small("protocol"), Put::Flag("fordisplay")];
        puts.into_iter().for_each(|put| recipe::apply(turn, rule, put));
        put_sources(turn, rule);
        // A rule that never learned how to speak is changed, and then the server stumbles over that.
        let Some(protocol) = turn.world.text(rule, "protocol") else { return Err(Refusal::internal("the rule has no protocol")) };
        if protocol != "ssl" {
            turn.world.unset(rule, "certificate");
        }
        // The job's result still shows the rule on its way to the router.
        let settled = if members(turn.world, rule).is_empty() { "Add" } else { "Active" };
        turn.world.set(rule, "state", "Add");
        turn.world.later(std::time::Duration::from_nanos(1), move |world| world.set(rule, "state", settled));
        Ok(Outcome::Object(rule))
    }))
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("id")?;
    Ok(turn.job(rule, WORK_SHORT, move |turn| {
        if turn.world.referring("autoscalevmgroup", "rule", rule).next().is_some() {
            return Err(Refusal::failed("Cannot delete load balancer rule because it is being used by an Autoscale VM group."));
        }
        traffic::remove(turn.world, rule);
        Ok(Outcome::Success)
    }))
}

/// A machine that a call names, and the addresses that it names with it.
type Named = (Handle, Vec<Option<String>>);

/// The machines that a call names, plainly or with an address each.
fn named(turn: &Turn<'_>) -> Result<Vec<Named>, Refusal> {
    let mut vms: Vec<Named> = Vec::new();
    let mut put = |vm: Handle, address: Option<String>| match vms.iter_mut().find(|(known, _)| *known == vm) {
        Some((_, addresses)) => addresses.push(address),
        None => vms.push((vm, vec![address])),
    };
    for entry in turn.arguments.records("vmidipmap") {
        let id = entry.get("vmid").map(String::as_str).unwrap_or_default();
        let vm = crate::world::parse_id(id).and_then(|id| turn.world.by_id(id));
        let vm = vm.ok_or_else(|| Refusal::invalid(format!("Unable to find virtual machine ID: {id}")))?;
        put(vm, entry.get("vmip").cloned());
    }
    turn.arguments.objects("virtualmachineids").unwrap_or_default().iter().for_each(|vm| put(*vm, None));
    Ok(vms)
}

/// Where a machine that is to stand behind a rule is called; nothing if it may not.
fn places(world: &World, rule: Handle, (vm, wanted): &Named) -> Option<Vec<String>> {
    let network = world.link(rule, "network");
    if matches!(world.text(*vm, "state"), Some("Destroyed" | "Expunging")) {
        return None;
    }
    let nic = super::vm::nic_rows(world, *vm).iter().copied().find(|nic| world.link(*nic, "network") == network)?;
    let first = world.string(nic, "ipaddress");
    let others = network::secondary_addresses(world, nic);
    let known = members(world, rule);
    let mut places: Vec<String> = Vec::new();
    for address in wanted {
        let address = address.clone().unwrap_or_else(|| first.clone());
        if (address != first && !others.contains(&address)) || known.contains(&(*vm, address.clone())) {
            return None;
        }
        if !places.contains(&address) {
            places.push(address);
        }
    }
    Some(places)
}

fn assign(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("id")?;
    Ok(turn.job(rule, WORK_SHORT, move |turn| {
        let vms = named(turn)?;
        if let Some(wrong) = vms.iter().flat_map(|(_, addresses)| addresses).flatten().find(|address| address.parse::<std::net::Ipv4Addr>().is_err()) {
            return Err(Refusal::invalid(format!("Invalid ip address {wrong} passed in vmidipmap")));
        }
        // Whatever is wrong with the machines, servers say only that it did not work.
        let refusal = || Refusal::failed("Failed to assign load balancer rule");
        let is_scaled = turn.world.referring("autoscalevmgroup", "rule", rule).next().is_some();
        let mut known = members(turn.world, rule);
        if vms.is_empty() || is_scaled {
            return Err(refusal());
        }
        for named in &vms {
            let owner_may = turn.may_use(named.0);
            let places = places(turn.world, rule, named).filter(|_| owner_may).ok_or_else(refusal)?;
            known.extend(places.into_iter().map(|place| (named.0, place)));
        }
        set_members(turn.world, rule, &known);
        Ok(Outcome::Success)
    }))
}

fn remove(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("id")?;
    Ok(turn.job(rule, WORK_SHORT, move |turn| {
        let vms = named(turn)?;
        let mut known = members(turn.world, rule);
        let refusal = || Refusal::invalid("Failed to remove instance from load balancer rule");
        if vms.is_empty() {
            return Err(refusal());
        }
        for (vm, addresses) in vms {
            for address in addresses {
                match address {
                    Some(address) if !known.contains(&(vm, address.clone())) => return Err(refusal()),
                    Some(address) => known.retain(|member| *member != (vm, address.clone())),
                    None => known.retain(|(member, _)| *member != vm),
                }
            }
        }
        set_members(turn.world, rule, &known);
        Ok(Outcome::Success)
    }))
}

/// Takes a machine that goes out of all rules.
pub(super) fn forget(world: &mut World, vm: Handle) {
    let rules: Vec<Handle> = ["loadbalancerrule", "loadbalancer"].into_iter().flat_map(|kind| world.rows(world.kind(kind))).collect();
    for rule in rules {
        let known = members(world, rule);
        let rest: Vec<(Handle, String)> = known.iter().filter(|(member, _)| *member != vm).cloned().collect();
        if rest.len() != known.len() {
            set_members(world, rule, &rest);
        }
    }
}

fn list_instances(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("id")?;
    if !turn.may_use(rule) {
        return Err(Refusal::permission());
    }
    let all = members(turn.world, rule);
    let mut shown: Vec<Handle> = Vec::new();
    for (vm, _) in &all {
        let is_there = !matches!(turn.world.text(*vm, "state"), Some("Destroyed" | "Expunging" | "Error" | "Unknown"));
        if is_there && !shown.contains(vm) {
            shown.push(*vm);
        }
    }
    // With `applied=false` come the machines that could take part and do not; here all changes apply at once.
    if turn.arguments.truth("applied") == Some(false) {
        shown.clear();
    }
    let count = shown.len();
    if !turn.arguments.flag("lbvmips") {
        return Ok(Outcome::List(shown, count));
    }
    let mut json = Json::default();
    json.open();
    if count > 0 {
        json.key("count");
        json.number(i64::try_from(count).unwrap_or(i64::MAX));
        json.key("lbrulevmidip");
        json.open_array();
    }
    for vm in &shown {
        json.open();
        json.key("loadbalancerruleinstance");
        turn.world.render(*vm, turn.viewer(), &mut json);
        json.key("lbvmipaddresses");
        json.open_array();
        all.iter().filter(|(member, _)| member == vm).for_each(|(_, address)| json.text(address));
        json.close_array();
        json.close();
    }
    if count > 0 {
        json.close_array();
    }
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

/// What keeps callers on a machine: the method and its parameters, checked.
fn method(turn: &Turn<'_>) -> Result<(&'static str, Map<String, Value>), Refusal> {
    let wanted = turn.needed("methodname")?;
    let Some((method, parameters)) = STICKINESS.iter().find(|(known, _)| known.eq_ignore_ascii_case(&wanted)) else {
        return Err(Refusal::invalid(format!("Failed to match Stickiness method name for LB rule: {wanted}")));
    };
    let mut given = Map::new();
    for entry in turn.arguments.records("param") {
        let name = entry.get("name").map(String::as_str).unwrap_or_default();
        let Some(known) = parameters.iter().find(|known| known.eq_ignore_ascii_case(name)) else {
            return Err(Refusal::invalid(format!("Failed : Stickiness policy does not support param name :{name}")));
        };
        let value = entry.get("value");
        if value.is_none() && !SWITCHES.contains(known) {
            return Err(Refusal::invalid(format!("Failed : Value expected for the Param :{known}")));
        }
        let units = MEASURES.iter().find(|(measured, _)| measured == known).map(|(_, units)| *units);
        let is_measure = |text: &str, units: &str| {
            let number = text.strip_suffix(|last: char| units.contains(last)).unwrap_or(text);
            !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()) && (units.is_empty() || number.len() < text.len())
        };
        if let (Some(units), Some(value)) = (units, value)
            && !is_measure(value, units)
        {
            return Err(Refusal::invalid(format!("Failed LB in validation rule Cause: {known} is not in format: {value}")));
        }
        // Servers keep what was not said as the word for it.
        given.insert(name.to_owned(), json!(value.map_or("null", String::as_str)));
    }
    Ok((method, given))
}

fn stick(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let rule = turn.target("lbruleid")?;
    let (method, parameters) = method(turn)?;
    if turn.world.referring("stickinesspolicy", "rule", rule).count() >= STICKINESS_MAX {
        return Err(Refusal::invalid("Failed to create Stickiness policy: Already two policies attached"));
    }
    let fields: Vec<(&str, Datum)> = vec![("methodname", method.into()), ("rule", rule.into()), ("params", Value::Object(parameters).into())];
    let kind = turn.world.kind("stickinesspolicy");
    let policy = turn.world.insert(kind, turn.world.owner(rule), &fields);
    [Put::Text("name"), Put::Text("description"), Put::Flag("fordisplay")].into_iter().for_each(|put| recipe::apply(turn, policy, put));
    Ok(turn.making(policy, WORK_SHORT, move |turn| {
        let shown = around(turn, rule, &[policy], "stickinesspolicy");
        // A rule has one policy at work: the new one takes the place of the old.
        let old: Vec<Handle> = turn.world.referring("stickinesspolicy", "rule", rule).filter(|other| *other != policy).collect();
        old.into_iter().for_each(|other| turn.world.remove(other));
        Ok(Outcome::Shown("stickinesspolicies".to_owned(), shown))
    }))
}

fn update_stickiness(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let policy = turn.target("id")?;
    Ok(turn.job(policy, WORK_SHORT, move |turn| {
        recipe::apply(turn, policy, Put::Flag("fordisplay"));
        let rule = turn.world.link(policy, "rule").ok_or_else(Refusal::permission)?;
        Ok(Outcome::Shown("stickinesspolicies".to_owned(), around(turn, rule, &[policy], "stickinesspolicy")))
    }))
}

/// Puts a certificate before a rule that speaks TLS.
fn assign_certificate(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (rule, certificate) = (turn.target("lbruleid")?, turn.target("certid")?);
    Ok(turn.job(rule, WORK_SHORT, move |turn| {
        if turn.world.owner(rule) != turn.world.owner(certificate) {
            return Err(Refusal::invalid("Access denied for the account of the certificate"));
        }
        if turn.world.link(rule, "certificate").is_some() && !turn.arguments.flag("forced") {
            return Err(Refusal::invalid("Another certificate is already bound to the LB"));
        }
        if turn.world.text(rule, "protocol") != Some("ssl") {
            return Err(Refusal::invalid(format!("Bad LB protocol: Expected ssl got {}", turn.world.text(rule, "protocol").unwrap_or("null"))));
        }
        turn.world.set(rule, "certificate", certificate);
        Ok(Outcome::Success)
    }))
}

/// A rule for an address that stands for one machine.
fn pass_on(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let address = turn.target("ipaddressid")?;
    if turn.arguments.given("cidrlist").is_some() {
        return Err(Refusal::invalid("Parameter cidrList is deprecated; createFirewallRule opens for certain CIDRs"));
    }
    let opens = traffic::opens_firewall(turn, address)?;
    let vm = turn.world.link(address, "vm");
    let Some(vm) = vm.filter(|_| turn.world.flag(address, "isstaticnat")) else {
        let text = format!("Can't do static nat on ip address: {}", turn.world.string(address, "ipaddress"));
        return Err(Refusal { inner: Some(9999), ..Refusal::conflict(text) });
    };
    let (start, end) = (turn.arguments.number("startport"), turn.arguments.number("endport"));
    let end = end.or(start);
    traffic::check_ports(start, end)?;
    let protocol = turn.needed("protocol")?.to_ascii_lowercase();
    let reach = Reach::of_ports(Purpose::StaticNat, &protocol, (start.unwrap_or(0), end.unwrap_or(0)));
    let without_cause = |refusal: Refusal| Refusal { inner: Some(9999), ..refusal };
    traffic::check(turn.world, address, &reach).map_err(without_cause)?;
    let (kind, owner) = (turn.world.kind("ipforwardingrule"), turn.world.owner(address));
    let rule = turn.world.insert(kind, owner, &[("protocol", protocol.into()), ("address", address.into()), ("vm", vm.into())]);
    [Put::Number("startport"), Put::NumberOr("endport", "startport")].into_iter().for_each(|put| recipe::apply(turn, rule, put));
    if let Some(network) = turn.world.link(address, "network") {
        turn.world.set(rule, "network", network);
    }
    if opens && let Err(refusal) = traffic::open_for(turn, rule, address, &reach) {
        traffic::remove(turn.world, rule);
        return Err(without_cause(refusal));
    }
    Ok(turn.making(rule, WORK_SHORT, move |_| Ok(Outcome::Object(rule))))
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
    let displayed = turn.arguments.truth("fordisplay") != Some(false);
    let of_policy = turn.arguments.object("id").and_then(|policy| turn.world.link(policy, "rule"));
    let Some(rule) = turn.arguments.object("lbruleid").or(of_policy) else {
        return Err(Refusal::invalid(format!("Invalid arguments: either {what} id or load balancer rule id must be specified")));
    };
    if !turn.may_use(rule) {
        return Err(Refusal::permission());
    }
    if of_policy.is_some_and(|of_policy| of_policy != rule) {
        return Err(Refusal::invalid(format!("{what} id doesn't belong to the load balancer rule")));
    }
    // Whoever asks by policy gets all policies of its rule.
    let is_shown =
        |row: &Handle| turn.world.link(*row, "rule") == Some(rule) && (turn.world.field(*row, "fordisplay") != Some(Content::Flag(false))) == displayed;
    let rows: Vec<Handle> = turn.world.rows(policies).filter(is_shown).collect();
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
    // What is no PEM at all makes servers stumble without a word.
    if !certificate.contains("-----BEGIN") {
        return Err(Refusal::failed(""));
    }
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
