//! VPNs: remote access for people, and tunnels from a VPC to other sites.

use super::{
    Tables,
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

/// The letters of a shared key that the server makes.
const KEY_LETTERS: usize = 24;

/// Remote access by a public address.
pub(crate) const REMOTE_NOUN: Noun = Noun {
    word: "remoteaccessvpn",
    entities: &["RemoteAccessVpnResponse"],
    resource: "IpAddress",
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
    make("createVpnCustomerGateway", "vpncustomergateway", CUSTOMER_PUTS).checked(customer_is_right),
    change("updateVpnCustomerGateway", "id", CUSTOMER_PUTS).checked(customer_is_right),
    take("deleteVpnCustomerGateway", "id").checked(|turn, gateway| without_tunnels(turn, gateway, "far")),
    make("createVpnConnection", "vpnconnection", &[Put::Link("s2svpngatewayid", "near"), Put::Link("s2scustomergatewayid", "far"), Put::Flag("passive")])
        .owned_through("s2svpngatewayid")
        .checked(tunnel_is_new)
        .then(settle_state),
    change("resetVpnConnection", "id", &[]),
    change("updateVpnConnection", "id", &[]),
    take("deleteVpnConnection", "id"),
];

const CUSTOMER_PUTS: &[Put] = &[
    Put::OrArgument("name", "gateway"),
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

/// A tunnel that waits for the other side stays down until it calls.
fn settle_state(turn: &mut Turn<'_>, tunnel: Handle) -> Result<(), Refusal> {
    let state = if turn.world.flag(tunnel, "passive") { "Disconnected" } else { "Connecting" };
    turn.world.set(tunnel, "state", state);
    Ok(())
}

fn open(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let address = turn.target("publicipid")?;
    if turn.world.referring("remoteaccessvpn", "address", address).next().is_some() {
        let address = turn.world.string(address, "ipaddress");
        return Err(Refusal::invalid(format!("A Remote Access VPN already exists for the public address {address}")));
    }
    if turn.world.link(address, "network").is_none() && turn.world.link(address, "vpc").is_none() {
        return Err(Refusal::invalid("The ip address is not associated with any network or VPC"));
    }
    let kind = turn.world.kind("remoteaccessvpn");
    let key: String = std::iter::repeat_with(|| turn.world.random.alphanumeric()).take(KEY_LETTERS).collect();
    let owner = turn.world.owner(address);
    let vpn = turn.world.insert(kind, owner, &[("address", address.into()), ("presharedkey", key.into())]);
    recipe::apply(turn, vpn, Put::Text("iprange"));
    Ok(turn.making(vpn, WORK_SHORT, move |_| Ok(Outcome::Object(vpn))))
}

fn close(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let address = turn.target("publicipid")?;
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
    let Some(address) = turn.arguments.object("ipaddressid").or(source) else {
        return Err(Refusal::failed(format!("Cannot found source nat ip of vpc {}", recipe::said(turn.world, "VPC", vpc))));
    };
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
    if address.parse::<std::net::Ipv4Addr>().is_err() && !is_name {
        return Err(Refusal::invalid(format!("The customer gateway ip/Domain {address} is invalid!")));
    }
    if let Some(wrong) = turn.arguments.list("cidrlist").into_iter().find(|cidr| super::cidr::Cidr::parse(cidr).is_none()) {
        return Err(Refusal::invalid(format!("The customer gateway peer cidr list {wrong} contains an invalid cidr!")));
    }
    for (name, said) in [("ikepolicy", "IKE"), ("esppolicy", "ESP")] {
        let policy = turn.arguments.text(name).unwrap_or_default();
        let cipher = policy.split_once('-').map_or(policy, |(cipher, _)| cipher);
        if !["3des", "aes128", "aes192", "aes256"].contains(&cipher) {
            return Err(Refusal::invalid(format!(
                "The customer gateway {said} policy {policy} is invalid!  Verify the required Diffie Hellman (DH) group is specified."
            )));
        }
    }
    let name = turn.arguments.text("name").unwrap_or(address);
    let owner = match gateway {
        Some(gateway) => turn.world.owner(gateway).unwrap_or(turn.caller.account),
        None => turn.new_owner()?,
    };
    let kind = turn.world.kind("vpncustomergateway");
    let taken = turn.world.owned(kind, owner).any(|other| Some(other) != gateway && turn.world.text(other, "name") == Some(name));
    if taken { Err(Refusal::invalid(format!("The customer gateway with name {name} already existed!"))) } else { Ok(()) }
}

fn tunnel_is_new(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let (near, far) = (turn.target("s2svpngatewayid")?, turn.target("s2scustomergatewayid")?);
    let twin = turn.world.referring("vpnconnection", "near", near).any(|tunnel| turn.world.link(tunnel, "far") == Some(far));
    if twin { Err(Refusal::invalid("The vpn connection with customer gateway id and vpn gateway id already existed!")) } else { Ok(()) }
}
