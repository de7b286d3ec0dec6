//! What can be bought: sizes of machines and disks, sorts of networks and of VPCs.

use serde_json::{Value, json};

use super::Tables;
use crate::{
    kind::{CREATED, Constant, HAS_ANNOTATIONS, ID, Noun, Shown, always, computed, flag, linked, own, own_or},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Datum, Handle, World},
};

/// A size of machines.
pub(crate) const SERVICE_OFFERING_NOUN: Noun = Noun {
    word: "serviceoffering",
    entities: &["ServiceOfferingResponse"],
    resource: "ServiceOffering",
    owned: false,
    keywords: &["name", "displaytext"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own_or("state", Constant::Text("Active")),
        own("displaytext"),
        own("cpunumber"),
        own("cpuspeed"),
        own("memory"),
        CREATED,
        own_or("storagetype", Constant::Text("shared")),
        own_or("provisioningtype", Constant::Text("thin")),
        flag("offerha"),
        flag("limitcpuuse"),
        flag("isvolatile"),
        own("storagetags"),
        linked("domainid", "domain", "id"),
        linked("domain", "domain", "name"),
        own("hosttags"),
        flag("issystem"),
        flag("defaultuse"),
        own("systemvmtype"),
        flag("iscustomized"),
        own_or("rootdisksize", Constant::Number(0)),
        own("gpudisplay"),
        own("serviceofferingdetails"),
        own_or("dynamicscalingenabled", Constant::Flag(true)),
        flag("diskofferingstrictness"),
        linked("diskofferingid", "disk", "id"),
        computed("diskofferingid", |world, offering, _| Some(Shown::Text(world.derived_id(offering, 0)))),
        own("diskofferingname"),
        own("diskofferingdisplaytext"),
        flag("encryptroot"),
        HAS_ANNOTATIONS,
    ],
};

/// A size of disks.
pub(crate) const DISK_OFFERING_NOUN: Noun = Noun {
    word: "diskoffering",
    entities: &["DiskOfferingResponse"],
    resource: "DiskOffering",
    owned: false,
    keywords: &["name", "displaytext"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own_or("state", Constant::Text("Active")),
        own("displaytext"),
        own_or("disksize", Constant::Number(0)),
        CREATED,
        flag("iscustomized"),
        own_or("storagetype", Constant::Text("shared")),
        own_or("provisioningtype", Constant::Text("thin")),
        own("tags"),
        own_or("displayoffering", Constant::Flag(true)),
        flag("disksizestrictness"),
        flag("encrypt"),
        HAS_ANNOTATIONS,
    ],
};

/// A sort of networks.
pub(crate) const NETWORK_OFFERING_NOUN: Noun = Noun {
    word: "networkoffering",
    entities: &["NetworkOfferingResponse"],
    resource: "NetworkOffering",
    owned: false,
    keywords: &["name", "displaytext"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own("displaytext"),
        CREATED,
        own_or("traffictype", Constant::Text("Guest")),
        flag("isdefault"),
        flag("specifyvlan"),
        flag("conservemode"),
        flag("specifyipranges"),
        own_or("availability", Constant::Text("Optional")),
        own_or("networkrate", Constant::Number(200)),
        own_or("state", Constant::Text("Disabled")),
        own("guestiptype"),
        own("serviceofferingid"),
        own("networkmode"),
        own_or("service", Constant::Empty),
        flag("forvpc"),
        flag("fornsx"),
        flag("fortungsten"),
        flag("ispersistent"),
        flag("egressdefaultpolicy"),
        flag("supportsstrechedl2subnet"),
        flag("supportspublicaccess"),
        flag("supportsinternallb"),
        always("internetprotocol", Constant::Text("IPv4")),
        flag("specifyasnumber"),
        HAS_ANNOTATIONS,
    ],
};

/// A sort of VPCs.
pub(crate) const VPC_OFFERING_NOUN: Noun = Noun {
    word: "vpcoffering",
    entities: &["VpcOfferingResponse"],
    resource: "VpcOffering",
    owned: false,
    keywords: &["name", "displaytext"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own("displaytext"),
        CREATED,
        flag("isdefault"),
        own_or("state", Constant::Text("Disabled")),
        own("networkmode"),
        own_or("service", Constant::Empty),
        flag("distributedvpcrouter"),
        computed("supportsregionLevelvpc", |_, _, _| Some(Shown::Flag(false))),
        flag("fornsx"),
        always("internetprotocol", Constant::Text("IPv4")),
        flag("specifyasnumber"),
    ],
};

/// The commands and filters of offerings.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listServiceOfferings", list_service),
        ("createServiceOffering", create_service),
        ("createDiskOffering", create_disk),
        ("createNetworkOffering", create_network),
        ("createVPCOffering", create_vpc),
        ("updateServiceOffering", update),
        ("updateDiskOffering", update),
        ("updateNetworkOffering", update),
        ("updateVPCOffering", update),
        ("deleteServiceOffering", delete),
        ("deleteDiskOffering", delete),
        ("deleteNetworkOffering", delete),
        ("deleteVPCOffering", delete),
    ],
    filters: &[
        ("serviceoffering", "issystem", |_, _| true),
        ("serviceoffering", "virtualmachineid", |_, _| true),
        ("serviceoffering", "zoneid", |_, _| true),
        ("diskoffering", "zoneid", |_, _| true),
        ("networkoffering", "supportedservices", has_services),
        ("networkoffering", "zoneid", |_, _| true),
    ],
};

/// Whether a network offering has all services that are asked for.
fn has_services(turn: &Turn<'_>, offering: Handle) -> bool {
    let services = turn.world.tree(offering, "service").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    turn.arguments.list("supportedservices").iter().all(|wanted| services.iter().any(|service| service.get("name").and_then(Value::as_str) == Some(wanted)))
}

fn list_service(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let system = turn.arguments.flag("issystem");
    let kind = turn.world.kind("serviceoffering");
    list::list_where(turn, kind, |world, row| world.flag(row, "issystem") == system)
}

fn named(turn: &Turn<'_>) -> Result<Vec<(&'static str, Datum)>, Refusal> {
    let name = turn.needed("name")?;
    let text = turn.arguments.text("displaytext").unwrap_or(&name).to_owned();
    Ok(vec![("name", name.into()), ("displaytext", text.into())])
}

fn create_service(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let mut fields = named(turn)?;
    let sizes =
        [("cpunumber", turn.arguments.number("cpunumber")), ("cpuspeed", turn.arguments.number("cpuspeed")), ("memory", turn.arguments.number("memory"))];
    let fixed = sizes.iter().filter_map(|(name, number)| Some((*name, Datum::Number((*number)?))));
    let custom = sizes.iter().any(|(_, number)| number.is_none());
    fields.extend(fixed);
    fields.push(("iscustomized", custom.into()));
    for name in ["offerha", "limitcpuuse", "isvolatile", "issystem"] {
        if let Some(flag) = turn.arguments.truth(name) {
            fields.push((name, flag.into()));
        }
    }
    if turn.arguments.flag("offerha") && turn.arguments.text("storagetype") == Some("local") {
        return Err(Refusal::invalid("HA offering with local storage is not supported. "));
    }
    for (argument, field) in [("hosttags", "hosttags"), ("tags", "storagetags"), ("storagetype", "storagetype")] {
        if let Some(text) = turn.arguments.text(argument) {
            fields.push((field, text.into()));
        }
    }
    let kind = turn.world.kind("serviceoffering");
    let made = turn.world.insert(kind, None, &fields);
    let name = turn.world.string(made, "name");
    turn.world.set(made, "gpudisplay", false);
    turn.world.set(made, "diskofferingname", name.clone());
    turn.world.set(made, "diskofferingdisplaytext", name);
    Ok(Outcome::Object(made))
}

fn create_disk(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let mut fields = named(turn)?;
    let custom = turn.arguments.flag("customized");
    match turn.arguments.number("disksize") {
        Some(size) => fields.push(("disksize", size.into())),
        None if custom => {}
        None => return Err(Refusal::invalid("Disksize is required for a non-customized disk offering")),
    }
    fields.push(("iscustomized", custom.into()));
    if let Some(tags) = turn.arguments.text("tags") {
        fields.push(("tags", tags.into()));
    }
    let kind = turn.world.kind("diskoffering");
    Ok(Outcome::Object(turn.world.insert(kind, None, &fields)))
}

/// The services of an offering as answers show them.
pub(crate) fn services(pairs: &[(String, String)]) -> Value {
    let shown = pairs.iter().map(|(service, provider)| json!({"name": service, "provider": [{"name": provider}]}));
    Value::Array(shown.collect())
}

/// The services that CloudStack knows.
pub(super) const SERVICES: &[&str] = &[
    "UserData",
    "Vpn",
    "Lb",
    "Dns",
    "SourceNat",
    "StaticNat",
    "Dhcp",
    "PortForwarding",
    "Firewall",
    "NetworkACL",
    "SecurityGroup",
    "Connectivity",
    "Gateway",
    "BaremetalPxeService",
    "CustomAction",
];

fn wanted_services(turn: &Turn<'_>) -> Result<Value, Refusal> {
    let wanted = turn.arguments.list("supportedservices");
    if let Some(wrong) = wanted.iter().find(|service| !SERVICES.contains(service)) {
        return Err(Refusal::invalid(format!("Invalid service {wrong}")));
    }
    let provider = |service: &str| {
        let chosen = turn.arguments.records("serviceproviderlist").find(|record| record.get("service").is_some_and(|name| name == service));
        chosen.and_then(|record| record.get("provider").cloned()).unwrap_or_else(|| "VirtualRouter".to_owned())
    };
    let pairs: Vec<(String, String)> = wanted.into_iter().map(|service| (service.to_owned(), provider(service))).collect();
    Ok(services(&pairs))
}

fn create_network(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let mut fields = named(turn)?;
    let traffic = turn.needed("traffictype")?;
    if !["Public", "Management", "Control", "Guest", "Vlan", "Storage"].iter().any(|known| known.eq_ignore_ascii_case(&traffic)) {
        return Err(Refusal::invalid("Invalid value for traffictype. Supported traffic types: Public, Management, Control, Guest, Vlan or Storage"));
    }
    fields.push(("guestiptype", turn.needed("guestiptype")?.into()));
    fields.push(("service", wanted_services(turn)?.into()));
    for name in ["specifyvlan", "specifyipranges", "ispersistent", "forvpc"] {
        if let Some(flag) = turn.arguments.truth(name) {
            fields.push((name, flag.into()));
        }
    }
    // Where nobody says otherwise, rules of several sorts share an address and traffic may leave.
    for name in ["conservemode", "egressdefaultpolicy"] {
        fields.push((name, turn.arguments.truth(name).unwrap_or(true).into()));
    }
    if turn.arguments.flag("enable") {
        fields.push(("state", "Enabled".into()));
    }
    let kind = turn.world.kind("networkoffering");
    Ok(Outcome::Object(turn.world.insert(kind, None, &fields)))
}

fn create_vpc(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let mut fields = named(turn)?;
    if turn.arguments.list("supportedservices").is_empty() {
        return Err(Refusal::invalid("Supported services needs to be provided"));
    }
    fields.push(("service", wanted_services(turn)?.into()));
    let kind = turn.world.kind("vpcoffering");
    let made = turn.world.insert(kind, None, &fields);
    Ok(turn.making(made, crate::turn::WORK_SHORT, move |_| Ok(Outcome::Object(made))))
}

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let offering = turn.target("id")?;
    for name in ["name", "displaytext", "state", "availability"] {
        if let Some(text) = turn.arguments.text(name).map(str::to_owned) {
            turn.world.set(offering, name, text);
        }
    }
    if turn.command.is_async { Ok(turn.job(offering, crate::turn::WORK_SHORT, move |_| Ok(Outcome::Object(offering)))) } else { Ok(Outcome::Object(offering)) }
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let offering = turn.target("id")?;
    let networks = turn.world.referring("network", "offering", offering).count();
    if networks > 0 {
        return Err(Refusal::invalid(format!(
            "Can't delete network offering {} as its used by {networks} networks. To make the network offering unavailable, disable it",
            World::internal_number(offering)
        )));
    }
    turn.world.remove(offering);
    Ok(Outcome::Success)
}
