//! VPNs: remote access for people, and tunnels from a VPC to other sites.

use super::{
    Tables,
    cidr::Cidr,
    network,
    recipe::{self, Put, Recipe, change, make, take},
};
use crate::{
    kind::{
        ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, Noun, PROJECT, PROJECT_ID, Shown, always, computed, flag, linked, own,
        own_or,
    },
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Handle, World},
};

use std::net::Ipv4Addr;

/// The letters of a shared key that the server makes.
const KEY_LETTERS: usize = 24;

/// Remote access by a public address.
pub(crate) const REMOTE_NOUN: Noun = Noun {
    word: "remoteaccessvpn",
    entities: &["RemoteAccessVpnResponse"],
    resource: "RemoteAccessVpn",
    owned: true,
    keywords: &[],
    newest_first: true,
    view: &[
        linked("publicipid", "address", "id"),
        linked("publicip", "address", "ipaddress"),
        own_or("iprange", Constant::Text("10.1.2.2-10.1.2.8")),
        own("presharedkey"),
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        own_or("state", Constant::Text("Running")),
        ID,
        always("fordisplay", Constant::Flag(true)).root(),
    ],
};

/// Somebody who may come in by remote access.
pub(crate) const USER_NOUN: Noun = Noun {
    word: "vpnuser",
    entities: &["VpnUsersResponse"],
    resource: "VpnUser",
    owned: true,
    keywords: &["username"],
    newest_first: false,
    view: &[ID, own("username"), ACCOUNT, PROJECT_ID, PROJECT, DOMAIN_ID, DOMAIN, DOMAIN_PATH, own_or("state", Constant::Text("Active"))],
};

/// The end of tunnels in a VPC.
pub(crate) const GATEWAY_NOUN: Noun = Noun {
    word: "vpngateway",
    entities: &["Site2SiteVpnGatewayResponse"],
    resource: "Site2SiteVpnGateway",
    owned: true,
    keywords: &[],
    newest_first: true,
    view: &[
        ID,
        linked("publicip", "address", "ipaddress"),
        linked("vpcid", "vpc", "id"),
        linked("vpcname", "vpc", "name"),
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        always("fordisplay", Constant::Flag(true)).root(),
    ],
};

/// The end of tunnels at another site.
pub(crate) const CUSTOMER_NOUN: Noun = Noun {
    word: "vpncustomergateway",
    entities: &["Site2SiteCustomerGatewayResponse"],
    resource: "VpnCustomerGateway",
    owned: true,
    keywords: &["name"],
    newest_first: true,
    view: &[
        ID,
        own("name"),
        own("gateway"),
        own("cidrlist"),
        own("ipsecpsk"),
        own("ikepolicy"),
        own("esppolicy"),
        own_or("ikelifetime", Constant::Number(86_400)),
        own_or("esplifetime", Constant::Number(3_600)),
        flag("dpd"),
        flag("forceencap"),
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        flag("splitconnections"),
        own_or("ikeversion", Constant::Text("ike")),
        HAS_ANNOTATIONS,
    ],
};

/// A tunnel.
pub(crate) const CONNECTION_NOUN: Noun = Noun {
    word: "vpnconnection",
    entities: &["Site2SiteVpnConnectionResponse"],
    resource: "Site2SiteVpnConnection",
    owned: true,
    keywords: &[],
    newest_first: true,
    view: &[
        ID,
        linked("s2svpngatewayid", "near", "id"),
        computed("publicip", |world, tunnel, _| Some(Shown::Text(world.string(world.link(world.link(tunnel, "near")?, "address")?, "ipaddress")))),
        linked("s2scustomergatewayid", "far", "id"),
        linked("gateway", "far", "gateway"),
        linked("cidrlist", "far", "cidrlist"),
        linked("ipsecpsk", "far", "ipsecpsk"),
        linked("ikepolicy", "far", "ikepolicy"),
        linked("esppolicy", "far", "esppolicy"),
        linked("ikelifetime", "far", "ikelifetime"),
        linked("esplifetime", "far", "esplifetime"),
        linked("dpd", "far", "dpd"),
        linked("forceencap", "far", "forceencap"),
        own_or("state", Constant::Text("Connecting")),
        flag("passive"),
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        CREATED,
        linked("splitconnections", "far", "splitconnections"),
        linked("ikeversion", "far", "ikeversion"),
        always("fordisplay", Constant::Flag(true)).root(),
    ],
};

/// Where those who dial in are unless it is said: the server's own address and the last.
const DIAL_IN: (Ipv4Addr, Ipv4Addr) = (Ipv4Addr::new(10, 1, 2, 1), Ipv4Addr::new(10, 1, 2, 8));
/// The longest name of somebody who dials in.
const NAME_LETTERS: usize = 64;
/// The longest password of somebody who dials in.
const PASSWORD_LETTERS: usize = 32;
/// How many subnets lie behind a customer gateway at most (`site2site.vpn.customergateway.subnets.limit`).
const SUBNETS_MAX: usize = 10;
/// How many tunnels start at a gateway at most (`site2site.vpn.vpngateway.connection.limit`).
const TUNNELS_MAX: usize = 4;
/// The longest life of keys, in seconds.
const LIFETIME_MAX: i64 = 86_400;
/// Ciphers of tunnels.
const CIPHERS: [&str; 4] = ["3des", "aes128", "aes192", "aes256"];
/// Hashes of tunnels.
const HASHES: [&str; 5] = ["md5", "sha1", "sha256", "sha384", "sha512"];
/// Diffie-Hellman groups of tunnels.
const GROUPS: [&str; 7] = ["modp1024", "modp1536", "modp2048", "modp3072", "modp4096", "modp6144", "modp8192"];

/// The commands and filters of VPNs.
pub(super) const TABLES: Tables = Tables {
    handlers: &[("createRemoteAccessVpn", open), ("deleteRemoteAccessVpn", close), ("removeVpnUser", remove_user), ("createVpnGateway", create_gateway)],
    filters: &[
        ("remoteaccessvpn", "publicipid", |turn, vpn| list::argument_is(turn, "publicipid", turn.world.link(vpn, "address"))),
        ("remoteaccessvpn", "networkid", |turn, vpn| {
            let address = turn.world.link(vpn, "address");
            list::argument_is(turn, "networkid", address.and_then(|address| turn.world.link(address, "network")))
        }),
        ("vpnconnection", "vpcid", |turn, tunnel| {
            let near = turn.world.link(tunnel, "near");
            list::argument_is(turn, "vpcid", near.and_then(|near| turn.world.link(near, "vpc")))
        }),
    ],
};

/// The commands of VPNs that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    change("updateRemoteAccessVpn", "id", &[]),
    make("addVpnUser", "vpnuser", &[Put::Text("username")]).checked(user_is_new),
    change("updateVpnGateway", "id", &[]),
    take("deleteVpnGateway", "id").checked(|turn, gateway| without_tunnels(turn, gateway, "near")),
    make("createVpnCustomerGateway", "vpncustomergateway", CUSTOMER_PUTS).checked(customer_is_right).then(name_customer),
    change("updateVpnCustomerGateway", "id", CUSTOMER_PUTS).checked(customer_is_right).then(|turn, gateway| {
        name_customer(turn, gateway)?;
        let tunnels: Vec<Handle> = turn.world.referring("vpnconnection", "far", gateway).collect();
        tunnels.into_iter().try_for_each(|tunnel| settle_state(turn, tunnel))
    }),
    take("deleteVpnCustomerGateway", "id").checked(|turn, gateway| without_tunnels(turn, gateway, "far")),
    make("createVpnConnection", "vpnconnection", &[Put::Link("s2svpngatewayid", "near"), Put::Link("s2scustomergatewayid", "far"), Put::Flag("passive")])
        .owned_through("s2svpngatewayid")
        .checked(tunnel_is_new)
        .then(settle_state),
    change("resetVpnConnection", "id", &[]).then(settle_state),
    change("updateVpnConnection", "id", &[]),
    take("deleteVpnConnection", "id"),
];

const CUSTOMER_PUTS: &[Put] = &[
    Put::Text("name"),
    Put::Text("gateway"),
    Put::Text("cidrlist"),
    Put::Text("ipsecpsk"),
    Put::Text("ikepolicy"),
    Put::Text("esppolicy"),
    Put::Number("ikelifetime"),
    Put::Or("ikelifetime", Constant::Number(86_400)),
    Put::Number("esplifetime"),
    Put::Or("esplifetime", Constant::Number(3_600)),
    Put::Flag("dpd"),
    Put::Or("dpd", Constant::Flag(false)),
    Put::Flag("forceencap"),
    Put::Or("forceencap", Constant::Flag(false)),
    Put::Flag("splitconnections"),
    Put::Or("splitconnections", Constant::Flag(false)),
    Put::Text("ikeversion"),
    Put::Or("ikeversion", Constant::Text("ike")),
];

/// A customer gateway that is not given a name is called after its address.
fn name_customer(turn: &mut Turn<'_>, gateway: Handle) -> Result<(), Refusal> {
    if turn.arguments.text("name").is_none() {
        let name = format!("VPN-{}", turn.world.string(gateway, "gateway"));
        turn.world.set(gateway, "name", name);
    }
    Ok(())
}

/// Whether a text is a cipher and a hash, and a Diffie-Hellman group, which the first phase cannot do without.
fn is_policy(text: &str, needs_group: bool) -> bool {
    let (suite, group) = text.split_once(';').map_or((text, None), |(suite, group)| (suite, Some(group)));
    let Some((cipher, hash)) = suite.split_once('-') else { return false };
    CIPHERS.contains(&cipher) && HASHES.contains(&hash) && group.map_or(!needs_group, |group| GROUPS.contains(&group))
}

/// A tunnel that waits for the other side stays down until it calls.
fn settle_state(turn: &mut Turn<'_>, tunnel: Handle) -> Result<(), Refusal> {
    let state = if turn.world.flag(tunnel, "passive") { "Disconnected" } else { "Connecting" };
    turn.world.set(tunnel, "state", state);
    Ok(())
}

/// Where the addresses of those who dial in come from: the first is the server's own.
fn dial_in_range(turn: &Turn<'_>) -> Result<Option<(Ipv4Addr, Ipv4Addr)>, Refusal> {
    let Some(text) = turn.arguments.text("iprange") else { return Ok(None) };
    let ends = text.split_once('-').and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)));
    match ends {
        Some((first, last)) if first < last => Ok(Some((first, last))),
        _ => Err(Refusal::invalid(format!("Invalid IP range for the VPN: {text}"))),
    }
}

fn open(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let address = turn.target("publicipid")?;
    let world = &*turn.world;
    if world.referring("remoteaccessvpn", "address", address).next().is_some() {
        let address = world.string(address, "ipaddress");
        return Err(Refusal::invalid(format!("A Remote Access VPN already exists for the public address {address}")));
    }
    let network = world.link(address, "network");
    let Some(inside) = network.or_else(|| world.link(address, "vpc")) else {
        return Err(Refusal::invalid("The ip address is not associated with any network or VPC"));
    };
    let range = dial_in_range(turn)?;
    if let Some(network) = network {
        network::check_service(world, network, "Vpn")?;
    }
    if !world.flag(address, "issourcenat") {
        return Err(Refusal::invalid("Vpn service can only be configured on the Source NAT IP"));
    }
    let (first, last) = range.unwrap_or(DIAL_IN);
    let guests = Cidr::parse(&world.string(inside, "cidr"));
    if guests.is_some_and(|guests| guests.holds(first) || guests.holds(last) || Cidr::parse(&format!("{first}/32")).is_some_and(|first| first.overlaps(guests)))
    {
        return Err(Refusal::invalid("The IP range of the VPN overlaps with the guest IP range"));
    }
    let kind = world.kind("remoteaccessvpn");
    let key: String = std::iter::repeat_with(|| turn.world.random.alphanumeric()).take(KEY_LETTERS).collect();
    let owner = turn.world.owner(address);
    let fields =
        [("address", address.into()), ("presharedkey", key.into()), ("iprange", format!("{}-{last}", Ipv4Addr::from(u32::from(first).wrapping_add(1))).into())];
    let vpn = turn.world.insert(kind, owner, &fields);
    Ok(turn.making(vpn, WORK_SHORT, move |_| Ok(Outcome::Object(vpn))))
}

fn close(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let address = turn.target("publicipid")?;
    if turn.world.referring("remoteaccessvpn", "address", address).next().is_none() {
        return Err(Refusal::invalid("There is no remote access VPN on the public address"));
    }
    Ok(turn.job(address, WORK_SHORT, move |turn| {
        let vpns: Vec<Handle> = turn.world.referring("remoteaccessvpn", "address", address).collect();
        vpns.into_iter().for_each(|vpn| turn.world.remove(vpn));
        Ok(Outcome::Success)
    }))
}

fn user_named(world: &World, owner: Handle, name: &str) -> Option<Handle> {
    world.owned(world.kind("vpnuser"), owner).find(|user| world.text(*user, "username") == Some(name))
}

fn user_is_new(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let (owner, name) = (turn.new_owner()?, turn.needed("username")?);
    let fits = |text: &str, others: &str, most: usize| {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric();
        (3..=most).contains(&text.len()) && text.starts_with(is_plain) && text.chars().all(|letter| is_plain(letter) || others.contains(letter))
    };
    if !fits(&name, "@._-", NAME_LETTERS) {
        return Err(Refusal::invalid("The username must begin with a letter or digit and have 3 to 64 letters, digits or any of '@.-_'"));
    }
    if !fits(turn.arguments.text("password").unwrap_or_default(), "@+=._-", PASSWORD_LETTERS) {
        return Err(Refusal::invalid("The password must have 3 to 32 letters, digits or any of '@+=.-_'"));
    }
    match user_named(turn.world, owner, &name) {
        Some(_) => Err(Refusal::invalid(format!("VPN User with name {name} is already added for account {}", turn.world.string(owner, "name")))),
        None => Ok(()),
    }
}

fn remove_user(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (owner, name) = (turn.new_owner()?, turn.needed("username")?);
    Ok(turn.job(owner, WORK_SHORT, move |turn| match user_named(turn.world, owner, &name) {
        Some(user) => {
            turn.world.remove(user);
            Ok(Outcome::Success)
        }
        None => Err(Refusal::invalid(format!("Could not find VPN user=[{name}]."))),
    }))
}

fn create_gateway(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vpc = turn.target("vpcid")?;
    if turn.world.referring("vpngateway", "vpc", vpc).next().is_some() {
        return Err(Refusal::invalid(format!("The VPN gateway of VPC {} already existed!", recipe::said(turn.world, "VPC", vpc))));
    }
    let source = turn.world.referring("ipaddress", "vpc", vpc).find(|address| turn.world.flag(*address, "issourcenat"));
    let Some(address) = source else {
        return Err(Refusal::internal(format!("Cannot found source nat ip of vpc {}", recipe::said(turn.world, "VPC", vpc))));
    };
    if turn.arguments.object("ipaddressid").is_some_and(|wanted| wanted != address) {
        return Err(Refusal::internal("Cannot use requested IP as it is not the Source NAT IP"));
    }
    let kind = turn.world.kind("vpngateway");
    let gateway = turn.world.insert(kind, turn.world.owner(vpc), &[("vpc", vpc.into()), ("address", address.into())]);
    Ok(turn.making(gateway, WORK_SHORT, move |_| Ok(Outcome::Object(gateway))))
}

fn without_tunnels(turn: &Turn<'_>, gateway: Option<Handle>, end: &str) -> Result<(), Refusal> {
    let tunnels = gateway.map_or(0, |gateway| recipe::users(turn.world, gateway, &[("vpnconnection", end)]));
    let what = if end == "near" { "VPN gateway" } else { "customer gateway" };
    if tunnels > 0 { Err(Refusal::invalid(format!("Unable to delete {what} with existing VPN connections"))) } else { Ok(()) }
}

fn customer_is_right(turn: &Turn<'_>, gateway: Option<Handle>) -> Result<(), Refusal> {
    let address = turn.arguments.text("gateway").unwrap_or_default();
    let is_name = address.contains('.') && address.split('.').all(|label| !label.is_empty() && label.chars().any(|letter| letter.is_ascii_alphabetic()));
    if address.parse::<Ipv4Addr>().is_err() && !is_name {
        return Err(Refusal::invalid(format!("The customer gateway ip/Domain {address} is invalid!")));
    }
    let ranges: Vec<(&str, Option<Cidr>)> = turn.arguments.list("cidrlist").into_iter().map(|text| (text, Cidr::parse(text.trim()))).collect();
    if let Some((wrong, _)) = ranges.iter().find(|(_, range)| range.is_none()) {
        return Err(Refusal::invalid(format!("The customer gateway peer cidr list {wrong} contains an invalid cidr!")));
    }
    let ranges: Vec<Cidr> = ranges.into_iter().filter_map(|(_, range)| range).collect();
    for (name, said) in [("ikepolicy", "IKE"), ("esppolicy", "ESP")] {
        let policy = turn.arguments.text(name).unwrap_or_default();
        if !policy.split(',').all(|one| is_policy(one, said == "IKE")) {
            return Err(Refusal::invalid(format!(
                "The customer gateway {said} policy {policy} is invalid!  Verify the required Diffie Hellman (DH) group is specified."
            )));
        }
    }
    if let Some(name) = ["ikelifetime", "esplifetime"].into_iter().find(|name| turn.arguments.number(name).is_some_and(|seconds| seconds > LIFETIME_MAX)) {
        return Err(Refusal::invalid(format!("The {name} of vpn connection is invalid!")));
    }
    if ranges.len() > SUBNETS_MAX || ranges.iter().enumerate().any(|(at, range)| ranges.iter().skip(at + 1).any(|other| other.overlaps(*range))) {
        return Err(Refusal::invalid("The subnets of the customer gateway are too many or overlap"));
    }
    let name = turn.arguments.text("name").map_or_else(|| format!("VPN-{address}"), str::to_owned);
    let owner = match gateway {
        Some(gateway) => turn.world.owner(gateway).unwrap_or(turn.caller.account),
        None => turn.new_owner()?,
    };
    let kind = turn.world.kind("vpncustomergateway");
    let taken = turn.world.owned(kind, owner).any(|other| Some(other) != gateway && turn.world.text(other, "name") == Some(&name));
    if taken { Err(Refusal::invalid(format!("The customer gateway with name {name} already existed!"))) } else { Ok(()) }
}

fn tunnel_is_new(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let (near, far) = (turn.target("s2svpngatewayid")?, turn.target("s2scustomergatewayid")?);
    let world = &*turn.world;
    if world.owner(near) != world.owner(far) {
        return Err(Refusal::invalid("VPN connection can only be established between same account's VPN gateway and customer gateway!"));
    }
    let tunnels: Vec<Handle> = world.referring("vpnconnection", "near", near).collect();
    if tunnels.iter().any(|tunnel| world.link(*tunnel, "far") == Some(far)) {
        return Err(Refusal::invalid("The vpn connection with customer gateway id and vpn gateway id already existed!"));
    }
    let ranges = |gateway: Handle| world.string(gateway, "cidrlist").split(',').filter_map(|text| Cidr::parse(text.trim())).collect::<Vec<Cidr>>();
    let wanted = ranges(far);
    let inside = world.link(near, "vpc").and_then(|vpc| Cidr::parse(world.text(vpc, "cidr")?));
    if inside.is_some_and(|inside| wanted.iter().any(|range| range.overlaps(inside))) {
        return Err(Refusal::invalid("A subnet of the customer gateway overlaps with the VPC cidr!"));
    }
    if tunnels.len() >= TUNNELS_MAX {
        return Err(Refusal::invalid(format!("There are too many VPN connections with current VPN gateway! The limit is {TUNNELS_MAX}")));
    }
    let mut others = tunnels.iter().filter_map(|tunnel| world.link(*tunnel, "far")).flat_map(ranges);
    if others.any(|other| wanted.iter().any(|range| range.overlaps(other))) {
        return Err(Refusal::invalid("The new connection's remote subnet overlaps with that of an existing VPN connection"));
    }
    Ok(())
}
