//! Load balancers inside a VPC: rules on an address of a tier, which only machines of the VPC can call.
//!
//! Who takes part in them is told in `balance.rs`. The machines that serve them are not modelled.

use serde_json::json;

use super::{
    Tables, balance, network,
    recipe::{self, Put, Recipe, change, take},
    traffic::PORT_MAX,
};
use crate::{
    kind::{ACCOUNT, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, ID, Noun, PROJECT, PROJECT_ID, Shown, TAGS, computed, linked, own, own_or},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// CloudStack's code where there is not enough of something.
const INSUFFICIENT: u16 = 533;

/// A load balancer with the one rule that it has.
pub(crate) const NOUN: Noun = Noun {
    word: "loadbalancer",
    entities: &["ApplicationLoadBalancerResponse"],
    resource: "LoadBalancerRule",
    owned: true,
    keywords: &["name", "description"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own("description"),
        own("algorithm"),
        linked("networkid", "network", "id"),
        own("sourceipaddress"),
        linked("sourceipaddressnetworkid", "network", "id"),
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        computed("loadbalancerrule", |world, balancer, _| {
            let (source, instance) = (world.number(balancer, "sourceport"), world.number(balancer, "instanceport"));
            let state = world.text(balancer, "state").unwrap_or("Add");
            Some(Shown::Raw(json!([{"sourceport": source, "instanceport": instance, "state": state}]).to_string()))
        }),
        computed("loadbalancerinstance", |world, balancer, _| {
            let members = balance::members(world, balancer).into_iter();
            let shown = members.map(|(vm, address)| json!({"id": world.id(vm), "name": world.string(vm, "instancename"), "ipaddress": address}));
            Some(Shown::Raw(json!(shown.collect::<Vec<_>>()).to_string()))
        }),
        TAGS,
        own_or("fordisplay", Constant::Flag(true)).root(),
    ],
};

/// The commands and filters of load balancers inside a VPC.
pub(super) const TABLES: Tables = Tables {
    handlers: &[("createLoadBalancer", create)],
    filters: &[
        ("loadbalancer", "scheme", |_, _| true),
        ("loadbalancer", "sourceipaddressnetworkid", |turn, balancer| list::argument_is(turn, "sourceipaddressnetworkid", turn.world.link(balancer, "source"))),
    ],
};

/// The commands that need no code.
pub(super) const RECIPES: &[Recipe] = &[change("updateLoadBalancer", "id", &[Put::Flag("fordisplay")]), take("deleteLoadBalancer", "id")];

/// What a new load balancer and its network agree on.
fn check_offer(turn: &Turn<'_>, network: Handle) -> Result<(), Refusal> {
    if network::check_service(turn.world, network, "Lb").is_err() {
        return Err(Refusal::invalid("LB service is not supported in specified network id"));
    }
    if !network::balances_inside(turn.world, network) {
        return Err(Refusal::invalid("Scheme Internal is not supported by the network offering"));
    }
    for (name, said) in [("instanceport", "instance"), ("sourceport", "source")] {
        let port = turn.arguments.number(name).unwrap_or(0);
        if !(1..=PORT_MAX).contains(&port) {
            return Err(Refusal::invalid(format!("Invalid value for {said} port: {port}")));
        }
    }
    let algorithm = turn.needed("algorithm")?;
    if !balance::is_algorithm(&algorithm) {
        return Err(Refusal::invalid(format!("Invalid algorithm: {algorithm}")));
    }
    Ok(())
}

/// Whether a load balancer of a network is called at an address.
fn is_at(world: &World, balancer: Handle, address: &str) -> bool {
    world.text(balancer, "sourceipaddress") == Some(address)
}

/// The address to be called at: the one that is asked for, or a free one of the network.
fn address(turn: &mut Turn<'_>, source: Handle) -> Result<String, Refusal> {
    let Some(wanted) = turn.arguments.text("sourceipaddress").map(str::to_owned) else { return Ok(network::next_address(turn.world, source)) };
    if turn.world.referring("loadbalancer", "source", source).any(|other| is_at(turn.world, other, &wanted)) {
        return Ok(wanted);
    }
    let is_inside = super::cidr::Cidr::parse(turn.world.text(source, "cidr").unwrap_or_default()).zip(wanted.parse().ok());
    if !is_inside.is_some_and(|(cidr, address)| cidr.holds(address)) {
        return Err(Refusal::invalid("The requested IP is not in the network's CIDR subnet."));
    }
    if network::check_address(turn.world, source, Some(&wanted)).is_err() {
        let said = recipe::said(turn.world, "Network", source);
        return Err(Refusal { code: INSUFFICIENT, ..Refusal::argument(format!("Unable to acquire IP address for network {said}")) });
    }
    network::note_address(turn.world, source, &wanted);
    Ok(wanted)
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (network, source) = (turn.target("networkid")?, turn.target("sourceipaddressnetworkid")?);
    if turn.world.text(source, "cidr").is_none() {
        return Err(Refusal::invalid("Can't create the application load balancer rule for the network having NULL cidr"));
    }
    check_offer(turn, network)?;
    let address = address(turn, source)?;
    let port = turn.arguments.number("sourceport").unwrap_or(0);
    let at_port = |other: &Handle| is_at(turn.world, *other, &address) && turn.world.number(*other, "sourceport") == port;
    if let Some(other) = turn.world.referring("loadbalancer", "source", source).find(at_port) {
        let said = recipe::said(turn.world, "LoadBalancer", other);
        let text = format!("The range specified, {port}-{port}, conflicts with rule {said} which has {port}-{port}");
        return Err(Refusal { inner: Some(9999), ..Refusal::conflict(text) });
    }
    let owner = turn.world.owner(network);
    let fields: [(&str, Datum); 4] = [("network", network.into()), ("source", source.into()), ("sourceipaddress", address.into()), ("state", "Add".into())];
    let kind = turn.world.kind("loadbalancer");
    let balancer = turn.world.insert(kind, owner, &fields);
    let texts = ["name", "description", "algorithm"].map(Put::Text);
    let others = [Put::Number("sourceport"), Put::Number("instanceport"), Put::Flag("fordisplay")];
    texts.into_iter().chain(others).for_each(|put| recipe::apply(turn, balancer, put));
    Ok(turn.making(balancer, WORK_SHORT, move |_| Ok(Outcome::Object(balancer))))
}
