//! What can be bought: sizes of machines and disks, sorts of networks and of VPCs.

use cloudstack_api::catalog::RoleType;
use serde_json::{Value, json};

use super::{
    Tables,
    recipe::{self, Put},
};
use crate::{
    kind::{CREATED, Constant, HAS_ANNOTATIONS, ID, Noun, Shown, computed, flag, own, own_or},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Content, Datum, Handle, World},
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
        computed("domainid", |world, offering, _| joined(world, offering, "domains", None)),
        computed("domain", |world, offering, _| joined(world, offering, "domains", Some("path"))),
        computed("zoneid", |world, offering, _| joined(world, offering, "zones", None)),
        computed("zone", |world, offering, _| joined(world, offering, "zones", Some("name"))),
        own("hosttags"),
        own("deploymentplanner"),
        own("networkrate"),
        own("hypervisorsnapshotreserve"),
        own("iscustomizediops"),
        own("miniops"),
        own("maxiops"),
        own("diskBytesReadRate"),
        own("diskBytesReadRateMax"),
        own("diskBytesReadRateMaxLength"),
        own("diskBytesWriteRate"),
        own("diskBytesWriteRateMax"),
        own("diskBytesWriteRateMaxLength"),
        own("diskIopsReadRate"),
        own("diskIopsReadRateMax"),
        own("diskIopsReadRateMaxLength"),
        own("diskIopsWriteRate"),
        own("diskIopsWriteRateMax"),
        own("diskIopsWriteRateMaxLength"),
        own("cacheMode"),
        flag("issystem"),
        flag("defaultuse"),
        own("systemvmtype"),
        flag("iscustomized"),
        own_or("rootdisksize", Constant::Number(0)),
        own("gpudisplay"),
        own("serviceofferingdetails"),
        own_or("dynamicscalingenabled", Constant::Flag(true)),
        flag("diskofferingstrictness"),
        computed("diskofferingid", |world, offering, _| {
            Some(Shown::Text(world.link(offering, "disk").map_or_else(|| world.derived_id(offering, 0), |disk| world.id(disk))))
        }),
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
        computed("domainid", |world, offering, _| joined(world, offering, "domains", None)),
        computed("domain", |world, offering, _| joined(world, offering, "domains", Some("path"))),
        computed("zoneid", |world, offering, _| joined(world, offering, "zones", None)),
        computed("zone", |world, offering, _| joined(world, offering, "zones", Some("name"))),
        own("hypervisorsnapshotreserve"),
        own("iscustomizediops"),
        own("miniops"),
        own("maxiops"),
        own("diskBytesReadRate"),
        own("diskBytesReadRateMax"),
        own("diskBytesReadRateMaxLength"),
        own("diskBytesWriteRate"),
        own("diskBytesWriteRateMax"),
        own("diskBytesWriteRateMaxLength"),
        own("diskIopsReadRate"),
        own("diskIopsReadRateMax"),
        own("diskIopsReadRateMaxLength"),
        own("diskIopsWriteRate"),
        own("diskIopsWriteRateMax"),
        own("diskIopsWriteRateMaxLength"),
        own("cacheMode"),
        own("details"),
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
        computed("domainid", |world, offering, _| joined(world, offering, "domains", None)),
        computed("domain", |world, offering, _| joined(world, offering, "domains", Some("path"))),
        computed("zoneid", |world, offering, _| joined(world, offering, "zones", None)),
        computed("zone", |world, offering, _| joined(world, offering, "zones", Some("name"))),
        own("routingmode"),
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
        own("tags"),
        own("details"),
        own("maxconnections"),
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
        own_or("internetprotocol", Constant::Text("IPv4")),
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
        computed("domainid", |world, offering, _| joined(world, offering, "domains", None)),
        computed("domain", |world, offering, _| joined(world, offering, "domains", Some("path"))),
        computed("zoneid", |world, offering, _| joined(world, offering, "zones", None)),
        computed("zone", |world, offering, _| joined(world, offering, "zones", Some("name"))),
        own("routingmode"),
        CREATED,
        flag("isdefault"),
        own_or("state", Constant::Text("Disabled")),
        own("networkmode"),
        own_or("service", Constant::Empty),
        flag("distributedvpcrouter"),
        computed("supportsregionLevelvpc", |_, _, _| Some(Shown::Flag(false))),
        flag("fornsx"),
        own_or("internetprotocol", Constant::Text("IPv4")),
        flag("specifyasnumber"),
    ],
};

/// The commands and filters of offerings.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listServiceOfferings", list_service),
        ("listDiskOfferings", |turn| {
            check_view(turn)?;
            let kind = turn.world.kind("diskoffering");
            list::list(turn, kind)
        }),
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
        ("serviceoffering", "virtualmachineid", fits_machine),
        ("serviceoffering", "vgpuprofileid", |turn, offering| list::argument_is(turn, "vgpuprofileid", turn.world.link(offering, "vgpuprofile"))),
        ("serviceoffering", "templateid", |_, _| true),
        ("serviceoffering", "zoneid", in_zone),
        ("serviceoffering", "cpunumber", |turn, offering| is_at_least(turn, offering, "cpunumber")),
        ("serviceoffering", "cpuspeed", |turn, offering| is_at_least(turn, offering, "cpuspeed")),
        ("serviceoffering", "memory", |turn, offering| is_at_least(turn, offering, "memory")),
        ("serviceoffering", "gpuenabled", |turn, offering| turn.world.field(offering, "gpucount").is_some() == turn.arguments.flag("gpuenabled")),
        ("diskoffering", "virtualmachineid", |_, _| true),
        ("diskoffering", "volumeid", |_, _| true),
        ("diskoffering", "storageid", |turn, offering| fits_pool(turn, offering)),
        ("diskoffering", "zoneid", in_zone),
        ("vpcoffering", "supportedservices", has_services),
        ("vpcoffering", "zoneid", in_zone),
        ("networkoffering", "networkid", |_, _| true),
        ("networkoffering", "istagged", |turn, offering| turn.world.text(offering, "tags").is_some() == turn.arguments.flag("istagged")),
        ("networkoffering", "sourcenatsupported", |turn, offering| has_service(turn.world, offering, "SourceNat") == turn.arguments.flag("sourcenatsupported")),
        ("networkoffering", "supportedservices", has_services),
        ("networkoffering", "zoneid", in_zone),
    ],
};

/// Places to which an offering is limited, by their ids or one of their fields, in one text.
fn joined(world: &World, offering: Handle, field: &str, shown: Option<&str>) -> Option<Shown> {
    let Some(Content::Links(places)) = world.field(offering, field) else { return None };
    let told = |place: &Handle| match shown {
        Some("path") => world.string(*place, "name"),
        Some(name) => world.string(*place, name),
        None => world.id(*place),
    };
    let texts: Vec<String> = places.iter().map(told).collect();
    (!texts.is_empty()).then(|| Shown::Text(texts.join(",")))
}

fn is_in(turn: &Turn<'_>, offering: Handle, field: &str, place: Handle) -> bool {
    match turn.world.field(offering, field) {
        Some(Content::Links(places)) => places.is_empty() || places.contains(&place),
        _ => true,
    }
}

fn in_zone(turn: &Turn<'_>, offering: Handle) -> bool {
    turn.arguments.object("zoneid").is_none_or(|zone| is_in(turn, offering, "zones", zone))
}

fn is_at_least(turn: &Turn<'_>, offering: Handle, name: &str) -> bool {
    turn.world.flag(offering, "iscustomized") || turn.arguments.number(name).is_none_or(|least| turn.world.number(offering, name) >= least)
}

/// Whether a pool has all tags of an offering.
fn fits_pool(turn: &Turn<'_>, offering: Handle) -> bool {
    let Some(pool) = turn.arguments.object("storageid") else { return true };
    let has: Vec<&str> = turn.world.text(pool, "tags").unwrap_or_default().split(',').collect();
    turn.world.text(offering, "tags").unwrap_or_default().split(',').filter(|tag| !tag.is_empty()).all(|tag| has.contains(&tag))
}

fn has_service(world: &World, offering: Handle, wanted: &str) -> bool {
    let services = world.tree(offering, "service").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    services.iter().any(|service| service.get("name").and_then(Value::as_str) == Some(wanted))
}

/// The fields of the limits of disks, as arguments spell them and as answers do.
const RATES: &[(&str, &str)] = &[
    ("bytesreadrate", "diskBytesReadRate"),
    ("bytesreadratemax", "diskBytesReadRateMax"),
    ("bytesreadratemaxlength", "diskBytesReadRateMaxLength"),
    ("byteswriterate", "diskBytesWriteRate"),
    ("byteswriteratemax", "diskBytesWriteRateMax"),
    ("byteswriteratemaxlength", "diskBytesWriteRateMaxLength"),
    ("iopsreadrate", "diskIopsReadRate"),
    ("iopsreadratemax", "diskIopsReadRateMax"),
    ("iopsreadratemaxlength", "diskIopsReadRateMaxLength"),
    ("iopswriterate", "diskIopsWriteRate"),
    ("iopswriteratemax", "diskIopsWriteRateMax"),
    ("iopswriteratemaxlength", "diskIopsWriteRateMaxLength"),
    ("hypervisorsnapshotreserve", "hypervisorsnapshotreserve"),
];
/// The bounds of operations a second: kept where the call says that users do not choose them, else given in vain.
const BOUNDS: [&str; 2] = ["miniops", "maxiops"];

/// Keeps the limits of disks, and the zones and domains that an offering is for.
fn keep_limits(turn: &mut Turn<'_>, offering: Handle) {
    for (argument, field) in RATES {
        if let Some(number) = turn.arguments.number(argument) {
            turn.world.set(offering, field, number);
        }
    }
    let puts = [Put::Named("cachemode", "cacheMode"), Put::Links("domainid", "domains"), Put::Links("zoneid", "zones")];
    puts.into_iter().for_each(|put| recipe::apply(turn, offering, put));
    if let Some(custom) = turn.arguments.truth("customizediops") {
        turn.world.set(offering, "iscustomizediops", custom);
        for name in BOUNDS {
            if let Some(number) = turn.arguments.number(name).filter(|_| !custom) {
                turn.world.set(offering, name, number);
            }
        }
    }
}

/// Whether a network offering has all services that are asked for.
fn has_services(turn: &Turn<'_>, offering: Handle) -> bool {
    let services = turn.world.tree(offering, "service").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    turn.arguments.list("supportedservices").iter().all(|wanted| services.iter().any(|service| service.get("name").and_then(Value::as_str) == Some(wanted)))
}

/// Whether the machine that is asked about can change to an offering: it is another one, and no smaller while it runs.
fn fits_machine(turn: &Turn<'_>, offering: Handle) -> bool {
    let world = &*turn.world;
    let Some(vm) = turn.arguments.object("virtualmachineid") else { return true };
    let now = world.link(vm, "offering");
    let is_custom = |offering: Handle| world.flag(offering, "iscustomized");
    if now == Some(offering) && !is_custom(offering) {
        return false;
    }
    let is_no_smaller = |name: &str| is_custom(offering) || world.number(offering, name) >= world.number(vm, name);
    let scales = |offering: Handle| world.field(offering, "dynamicscalingenabled") != Some(Content::Flag(false));
    world.text(vm, "state") != Some("Running")
        || ["cpunumber", "cpuspeed", "memory"].into_iter().all(is_no_smaller) && now.is_none_or(|now| scales(now) == scales(offering))
}

/// Refuses lists of offerings below the own domain, and of those of the system, to those who may not see them.
fn check_view(turn: &Turn<'_>) -> Result<(), Refusal> {
    if turn.arguments.flag("issystem") && !turn.caller.is_root() {
        return Err(Refusal::invalid("Only ROOT admins can access system offerings."));
    }
    if turn.arguments.flag("isrecursive") && turn.caller.kind == RoleType::User {
        return Err(Refusal::invalid("Only ROOT admins and Domain admins can list offerings with isrecursive=true"));
    }
    Ok(())
}

fn list_service(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    check_view(turn)?;
    let system = turn.arguments.flag("issystem");
    let kind = turn.world.kind("serviceoffering");
    list::list_where(turn, kind, |world, row| world.flag(row, "issystem") == system)
}

fn named(turn: &Turn<'_>) -> Result<Vec<(&'static str, Datum)>, Refusal> {
    let name = turn.needed("name")?;
    let text = turn.arguments.text("displaytext").unwrap_or(&name).to_owned();
    Ok(vec![("name", name.into()), ("displaytext", text.into())])
}

/// Refuses sizes of machines that nobody can have.
fn check_size(turn: &Turn<'_>) -> Result<(), Refusal> {
    /// The least memory of a machine, in MiB.
    const MEMORY_MIN: i64 = 32;
    let number = |name: &str| turn.arguments.number(name);
    let name = turn.needed("name")?;
    let bounds: Vec<Option<i64>> = ["mincpunumber", "maxcpunumber", "minmemory", "maxmemory"].into_iter().map(number).collect();
    let (cpus, speed, memory) = (number("cpunumber"), number("cpuspeed"), number("memory"));
    if cpus.is_none() || memory.is_none() {
        if cpus.is_some() || memory.is_some() {
            return Err(Refusal::invalid("For creating a custom compute offering cpu and memory all should be null"));
        }
        let given = bounds.iter().flatten().count() + usize::from(speed.is_some());
        if given != 0 && given != bounds.len() + 1 {
            return Err(Refusal::invalid(
                "For creating a custom compute offering min/max cpu and min/max memory/cpu speed should all be null or all specified",
            ));
        }
        if let [Some(least), Some(most), ..] = bounds.as_slice()
            && (*least < 1 || least > most)
        {
            return Err(Refusal::invalid(format!(
                "Failed to create service offering {name}: specify the minimum or minimum cpu number value between 1 and 2147483647"
            )));
        }
        return Ok(());
    }
    if cpus.is_some_and(|cpus| cpus < 1) {
        return Err(Refusal::invalid(format!("Failed to create service offering {name}: specify the cpu number value between 1 and 2147483647")));
    }
    if speed.is_none_or(|speed| speed < 0) {
        return Err(Refusal::invalid(format!("Failed to create service offering {name}: specify the cpu speed value greater than 0")));
    }
    if memory.is_some_and(|memory| memory < MEMORY_MIN) {
        return Err(Refusal::invalid(format!("Failed to create service offering {name}: specify the memory value greater than {MEMORY_MIN} MB")));
    }
    Ok(())
}

const SERVICE_PUTS: &[Put] = &[
    Put::Number("cpunumber"),
    Put::Number("cpuspeed"),
    Put::Number("memory"),
    Put::Flag("offerha"),
    Put::Flag("limitcpuuse"),
    Put::Flag("isvolatile"),
    Put::Flag("issystem"),
    Put::Text("systemvmtype"),
    Put::Text("hosttags"),
    Put::Named("tags", "storagetags"),
    Put::Text("storagetype"),
    Put::Text("provisioningtype"),
    Put::Text("deploymentplanner"),
    Put::Number("networkrate"),
    Put::Number("rootdisksize"),
    Put::Flag("dynamicscalingenabled"),
    Put::Flag("diskofferingstrictness"),
    Put::Flag("encryptroot"),
    Put::Link("diskofferingid", "disk"),
    Put::Number("gpucount"),
    Put::Or("gpudisplay", Constant::Flag(false)),
    Put::Flag("gpudisplay"),
];

fn check_kinds(turn: &Turn<'_>) -> Result<(), Refusal> {
    const KNOWN: [(&str, &[&str], &str); 2] =
        [("storagetype", &["local", "shared"], "storage type"), ("provisioningtype", &["thin", "sparse", "fat"], "provisioning type")];
    for (name, known, said) in KNOWN {
        if let Some(value) = turn.arguments.text(name).filter(|value| !known.iter().any(|known| known.eq_ignore_ascii_case(value))) {
            return Err(Refusal::invalid(format!("Invalid {said} {value} specified, valid types are: {}", known.join(", "))));
        }
    }
    Ok(())
}

fn create_service(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let fields = named(turn)?;
    check_size(turn)?;
    check_kinds(turn)?;
    if turn.arguments.flag("offerha") && turn.arguments.text("storagetype") == Some("local") {
        return Err(Refusal::invalid("HA offering with local storage is not supported. "));
    }
    let kind = turn.world.kind("serviceoffering");
    let made = turn.world.insert(kind, None, &fields);
    SERVICE_PUTS.iter().for_each(|put| recipe::apply(turn, made, *put));
    keep_limits(turn, made);
    let custom = turn.arguments.number("cpunumber").is_none() || turn.arguments.number("memory").is_none();
    turn.world.set(made, "iscustomized", custom);
    let mut details = turn.arguments.merged("serviceofferingdetails");
    for name in ["mincpunumber", "maxcpunumber", "minmemory", "maxmemory"] {
        if let Some(value) = turn.arguments.text(name) {
            details.insert(name.to_owned(), value.to_owned());
        }
    }
    // People spell a detail in two parts, as they may with tags.
    if let (Some(key), Some(value)) = (details.remove("key"), details.remove("value")) {
        details.insert(key, value);
    }
    if !details.is_empty() {
        turn.world.set(made, "serviceofferingdetails", json!(details));
    }
    let disk = turn.world.link(made, "disk").unwrap_or(made);
    for (field, of) in [("diskofferingname", "name"), ("diskofferingdisplaytext", "displaytext")] {
        let text = turn.world.string(disk, of);
        turn.world.set(made, field, text);
    }
    Ok(Outcome::Object(made))
}

fn create_disk(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let fields = named(turn)?;
    let custom = turn.arguments.flag("customized");
    let size = turn.arguments.number("disksize");
    match size {
        None if !custom => return Err(Refusal::invalid("Disksize is required for a non-customized disk offering")),
        Some(_) if custom => return Err(Refusal::invalid("Disksize is not allowed for a customized disk offering")),
        Some(size) if size < 1 => return Err(Refusal::invalid("Please specify a valid disk size")),
        _ => {}
    }
    check_kinds(turn)?;
    let kind = turn.world.kind("diskoffering");
    let made = turn.world.insert(kind, None, &fields);
    let puts = [
        Put::Number("disksize"),
        Put::Text("tags"),
        Put::Text("storagetype"),
        Put::Text("provisioningtype"),
        Put::Flag("displayoffering"),
        Put::Flag("disksizestrictness"),
        Put::Flag("encrypt"),
        Put::Entries("details", "details"),
    ];
    puts.into_iter().for_each(|put| recipe::apply(turn, made, put));
    keep_limits(turn, made);
    turn.world.set(made, "iscustomized", custom);
    Ok(Outcome::Object(made))
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
    let usual = if turn.command.name == "createVPCOffering" || turn.arguments.flag("forvpc") { "VpcVirtualRouter" } else { "VirtualRouter" };
    let provider = |service: &str| {
        let chosen = turn.arguments.records("serviceproviderlist").find(|record| record.get("service").is_some_and(|name| name == service));
        chosen.and_then(|record| record.get("provider").cloned()).unwrap_or_else(|| usual.to_owned())
    };
    let pairs: Vec<(String, String)> = wanted.into_iter().map(|service| (service.to_owned(), provider(service))).collect();
    Ok(services(&pairs))
}

/// The offering of routers for which no other is chosen.
const ROUTER_OFFERING: &str = "System Offering For Software Router";
/// What can be chosen of the services of an offering, and what holds unless it is.
const CHOICES: &[(&str, &[(&str, &str)])] = &[
    ("Lb", &[("SupportedLBIsolation", "shared"), ("ElasticLb", "false"), ("InlineMode", "false"), ("VmAutoScaling", "false")]),
    ("SourceNat", &[("SupportedSourceNatTypes", "peraccount"), ("RedundantRouter", "false")]),
    ("StaticNat", &[("ElasticIp", "false"), ("AssociatePublicIP", "false")]),
];

/// Services with what was chosen of them.
fn capable(turn: &Turn<'_>, mut services: Value) -> Value {
    let chosen = |service: &str, kind: &str| {
        let says = |record: &&crate::arguments::Entry, name: &str, wanted: &str| record.get(name).is_some_and(|text| text.eq_ignore_ascii_case(wanted));
        let mut records = turn.arguments.records("servicecapabilitylist");
        records
            .find(|record| says(record, "service", service) && says(record, "capabilitytype", kind))
            .and_then(|record| record.get("capabilityvalue").cloned())
    };
    for service in services.as_array_mut().into_iter().flatten() {
        let name = service.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some((_, choices)) = CHOICES.iter().find(|(known, _)| *known == name) else { continue };
        let shown = choices.iter().map(|(kind, usual)| {
            let value = chosen(&name, kind).unwrap_or_else(|| (*usual).to_owned()).to_ascii_lowercase();
            json!({"name": kind, "value": value, "canchooseservicecapability": false})
        });
        let shown: Value = shown.collect();
        if let Some(service) = service.as_object_mut() {
            service.insert("capability".to_owned(), shown);
        }
    }
    services
}

fn create_network(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let mut fields = named(turn)?;
    let traffic = turn.needed("traffictype")?;
    if !["Public", "Management", "Control", "Guest", "Vlan", "Storage"].iter().any(|known| known.eq_ignore_ascii_case(&traffic)) {
        return Err(Refusal::invalid("Invalid value for traffictype. Supported traffic types: Public, Management, Control, Guest, Vlan or Storage"));
    }
    fields.push(("guestiptype", turn.needed("guestiptype")?.into()));
    let services = wanted_services(turn)?;
    let is_routed = services.to_string().contains("VirtualRouter");
    let chosen = turn.arguments.object("serviceofferingid");
    if let Some(router) = chosen.or_else(|| turn.world.find("serviceoffering", "name", ROUTER_OFFERING).filter(|_| is_routed)) {
        fields.push(("serviceofferingid", turn.world.id(router).into()));
    }
    fields.push(("service", capable(turn, services).into()));
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
    let made = turn.world.insert(kind, None, &fields);
    let puts = [
        Put::Text("tags"),
        Put::Number("networkrate"),
        Put::Text("availability"),
        Put::Text("networkmode"),
        Put::Text("routingmode"),
        Put::Text("internetprotocol"),
        Put::Number("maxconnections"),
        Put::Flag("specifyasnumber"),
        Put::Text("serviceofferingid"),
        Put::Entries("details", "details"),
    ];
    puts.into_iter().for_each(|put| recipe::apply(turn, made, put));
    keep_limits(turn, made);
    Ok(Outcome::Object(made))
}

fn create_vpc(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let mut fields = named(turn)?;
    if turn.arguments.list("supportedservices").is_empty() {
        return Err(Refusal::invalid("Supported services needs to be provided"));
    }
    fields.push(("service", wanted_services(turn)?.into()));
    let kind = turn.world.kind("vpcoffering");
    let made = turn.world.insert(kind, None, &fields);
    let puts = [Put::Text("networkmode"), Put::Text("routingmode"), Put::Text("internetprotocol"), Put::Flag("specifyasnumber")];
    puts.into_iter().for_each(|put| recipe::apply(turn, made, put));
    keep_limits(turn, made);
    if turn.arguments.flag("enable") {
        turn.world.set(made, "state", "Enabled");
    }
    Ok(turn.making(made, crate::turn::WORK_SHORT, move |_| Ok(Outcome::Object(made))))
}

/// The states that offerings may be put into, by the word of their kind.
const STATES: &[(&str, [&str; 2])] = &[
    ("serviceoffering", ["Active", "Inactive"]),
    ("diskoffering", ["Active", "Inactive"]),
    ("networkoffering", ["Enabled", "Disabled"]),
    ("vpcoffering", ["Enabled", "Disabled"]),
];

fn update(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let offering = match turn.arguments.object("id") {
        Some(offering) => offering,
        None if turn.command.name == "updateNetworkOffering" => return Err(Refusal::invalid("unable to find network offering null")),
        None => turn.target("id")?,
    };
    let word = turn.world.description(offering.kind).map(|kind| kind.word.to_string()).unwrap_or_default();
    if let Some(state) = turn.arguments.text("state").map(str::to_owned) {
        let known = STATES.iter().find(|(kind, _)| *kind == word).and_then(|(_, states)| states.iter().find(|known| known.eq_ignore_ascii_case(&state)));
        let Some(known) = known else { return Err(Refusal::invalid(format!("Unable to resolve state '{state}' to a supported value"))) };
        turn.world.set(offering, "state", *known);
    }
    if let Some(availability) = turn.arguments.text("availability").filter(|value| !["Optional", "Required", "Unavailable"].contains(value)) {
        return Err(Refusal::invalid(format!("Invalid value for Availability: {availability}. Supported types: Required, Optional")));
    }
    let tags = if word == "diskoffering" || word == "networkoffering" { Put::Text("tags") } else { Put::Named("storagetags", "storagetags") };
    let puts = [
        Put::Text("name"),
        Put::Text("displaytext"),
        Put::Text("availability"),
        Put::Text("hosttags"),
        Put::Flag("displayoffering"),
        Put::Number("maxconnections"),
        tags,
    ];
    puts.into_iter().for_each(|put| recipe::apply(turn, offering, put));
    // Tags that are given without a word are taken away.
    for name in ["tags", "storagetags", "hosttags"] {
        if turn.arguments.given(name) == Some("") {
            turn.world.unset(offering, name);
        }
    }
    for (argument, field) in [("zoneid", "zones"), ("domainid", "domains")] {
        limit_to(turn, offering, (argument, field))?;
    }
    keep_limits(turn, offering);
    if turn.command.is_async { Ok(turn.job(offering, crate::turn::WORK_SHORT, move |_| Ok(Outcome::Object(offering)))) } else { Ok(Outcome::Object(offering)) }
}

/// Limits an offering to places that an argument tells by their ids in one text; `all` and `public` lift the limit.
fn limit_to(turn: &mut Turn<'_>, offering: Handle, (argument, field): (&str, &str)) -> Result<(), Refusal> {
    let Some(text) = turn.arguments.text(argument).map(str::to_owned) else { return Ok(()) };
    if ["all", "public"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        turn.world.unset(offering, field);
        return Ok(());
    }
    let found = text.split(',').map(|id| crate::world::parse_id(id).and_then(|id| turn.world.by_id(id)));
    let places: Option<Vec<Handle>> = found.collect();
    let Some(places) = places else { return Err(Refusal::invalid(format!("Please specify a valid {}", argument.trim_end_matches("id")))) };
    turn.world.set(offering, field, Datum::Links(places.into()));
    Ok(())
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let offering = turn.target("id")?;
    let world = &*turn.world;
    let number = World::internal_number(offering);
    let networks = world.referring("network", "offering", offering).count();
    if networks > 0 {
        return Err(Refusal::invalid(format!(
            "Can't delete network offering {number} as its used by {networks} networks. To make the network offering unavailable, disable it"
        )));
    }
    let vpcs = world.referring("vpc", "offering", offering).count();
    if vpcs > 0 {
        return Err(Refusal::invalid(format!(
            "Can't delete vpc offering {number} as its used by {vpcs} vpcs. To make the vpc offering unavailable, disable it"
        )));
    }
    if world.flag(offering, "isdefault") {
        return Err(Refusal::invalid("Default network offering can't be deleted"));
    }
    if world.flag(offering, "defaultuse") {
        return Err(Refusal::invalid(format!("Default service offering {number} cannot be deleted")));
    }
    // Sizes that machines have stay known to them.
    turn.world.remove(offering);
    Ok(Outcome::Success)
}
