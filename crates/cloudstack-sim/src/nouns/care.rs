//! Care for hosts and the server itself: high availability, out-of-band management, dedication to domains,
//! certificates, diagnostics; and what a zone of simulated hosts always refuses.

use serde_json::{Map, Value, json};

use super::{
    Tables,
    recipe::{self, Put, Recipe, change},
};
use crate::{
    json::Json,
    kind::{Constant, ID, Member, Noun, linked, own},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// A host of one's own.
pub(crate) const HOST_NOUN: Noun = dedicated("dedicatedhost", &["DedicateHostResponse"], HOST_VIEW);
/// A cluster of one's own.
pub(crate) const CLUSTER_NOUN: Noun = dedicated("dedicatedcluster", &["DedicateClusterResponse"], CLUSTER_VIEW);
/// A pod of one's own.
pub(crate) const POD_NOUN: Noun = dedicated("dedicatedpod", &["DedicatePodResponse"], POD_VIEW);
/// A zone of one's own.
pub(crate) const ZONE_NOUN: Noun = dedicated("dedicatedzone", &["DedicateZoneResponse"], ZONE_VIEW);

const HOST_VIEW: &[Member] = &[ID, linked("hostid", "target", "id"), linked("hostname", "target", "name"), DOMAIN, ACCOUNT, GROUP];
const CLUSTER_VIEW: &[Member] = &[ID, linked("clusterid", "target", "id"), linked("clustername", "target", "name"), DOMAIN, ACCOUNT, GROUP];
const POD_VIEW: &[Member] = &[ID, linked("podid", "target", "id"), linked("podname", "target", "name"), DOMAIN, ACCOUNT, GROUP];
const ZONE_VIEW: &[Member] = &[ID, linked("zoneid", "target", "id"), linked("zonename", "target", "name"), DOMAIN, ACCOUNT, GROUP];
const DOMAIN: Member = linked("domainid", "domain", "id");
const ACCOUNT: Member = linked("accountid", "account", "id");
const GROUP: Member = linked("affinitygroupid", "group", "id");

const fn dedicated(word: &'static str, entities: &'static [&'static str], view: &'static [Member]) -> Noun {
    Noun { word, entities, resource: "DedicatedResource", owned: false, keywords: &[], newest_first: false, view }
}

/// A configuration of networks in Kubernetes clusters.
pub(crate) const CNI_NOUN: Noun = Noun {
    word: "cniconfig",
    entities: &["CniConfigurationResponse"],
    resource: "CniConfiguration",
    owned: true,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        crate::kind::ACCOUNT,
        crate::kind::PROJECT_ID,
        crate::kind::PROJECT,
        crate::kind::DOMAIN_ID,
        crate::kind::DOMAIN,
        crate::kind::DOMAIN_PATH,
        own("userdata"),
        own("params"),
        crate::kind::HAS_ANNOTATIONS,
    ],
};

/// What can be dedicated: the commands that do and undo it, the argument, and the kind of the row that says so.
const DEDICATIONS: &[(&str, &str, &str, &str)] = &[
    ("dedicateHost", "releaseDedicatedHost", "hostid", "dedicatedhost"),
    ("dedicateCluster", "releaseDedicatedCluster", "clusterid", "dedicatedcluster"),
    ("dedicatePod", "releaseDedicatedPod", "podid", "dedicatedpod"),
    ("dedicateZone", "releaseDedicatedZone", "zoneid", "dedicatedzone"),
];

/// What simulated hosts cannot do: the command, the code, the inner code, and what is said.
const FUTILE: &[(&str, u16, u32, &str)] = &[
    ("updateHostPassword", 431, 4350, "This operation is not supported for this hypervisor type"),
    ("provisionCertificate", 530, 4250, "Failed to generate keystore and get CSR from the host/agent"),
    ("syncStoragePool", 431, 4350, "SyncStoragePool API is currently supported only for storage type of datastore cluster"),
    ("listImageStoreObjects", 530, 4250, "Failed to list datastore objects"),
    (
        "migrateSecondaryStorageData",
        530,
        9999,
        "No destination valid store(s) available to migrate. Could be due to invalid store ID(s) or store(s) are read-only. Terminating Migration of data",
    ),
    ("updateCloudToUseObjectStore", 431, 4350, "You can only add new image stores from the same provider NFS already added"),
    ("patchSystemVm", 530, 4250, "class com.cloud.agent.api.UnsupportedAnswer cannot be cast to class com.cloud.agent.api.PatchSystemVmAnswer"),
    ("migrateSystemVm", 530, 4250, "Unable to find suitable destination to migrate VM"),
    ("getDiagnosticsData", 530, 4250, "No suitable secondary storage found to retrieve diagnostics in Zone"),
    ("uploadCustomCertificate", 431, 4350, "alias can't be empty, if it's a certification chain"),
    ("listVmsForImport", 530, 4250, "No hosts available to list VMs on remote host"),
    ("ldapCreateAccount", 534, 9999, "No LDAP user exists with the username"),
];

/// The commands of care.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("updateHostPassword", futile),
        ("provisionCertificate", futile),
        ("syncStoragePool", futile),
        ("listImageStoreObjects", futile),
        ("migrateSecondaryStorageData", futile),
        ("updateCloudToUseObjectStore", futile),
        ("patchSystemVm", futile),
        ("migrateSystemVm", futile),
        ("getDiagnosticsData", futile),
        ("uploadCustomCertificate", futile),
        ("listVmsForImport", futile),
        ("ldapCreateAccount", futile),
        ("dedicateHost", dedicate),
        ("dedicateCluster", dedicate),
        ("dedicatePod", dedicate),
        ("dedicateZone", dedicate),
        ("releaseDedicatedHost", release),
        ("releaseDedicatedCluster", release),
        ("releaseDedicatedPod", release),
        ("releaseDedicatedZone", release),
        ("enableHAForCluster", |turn| switch_place(turn, "clusterid", true)),
        ("disableHAForCluster", |turn| switch_place(turn, "clusterid", false)),
        ("enableHAForZone", |turn| switch_place(turn, "zoneid", true)),
        ("disableHAForZone", |turn| switch_place(turn, "zoneid", false)),
        ("configureHAForHost", configure_ha),
        ("enableHAForHost", |turn| switch_ha(turn, true)),
        ("disableHAForHost", |turn| switch_ha(turn, false)),
        ("listHostHAResources", list_ha),
        ("configureOutOfBandManagement", configure_oobm),
        ("enableOutOfBandManagementForHost", |turn| switch_oobm(turn, true)),
        ("disableOutOfBandManagementForHost", |turn| switch_oobm(turn, false)),
        ("issueCertificate", issue),
        ("listCaCertificate", authority),
        ("runDiagnostics", diagnose),
        ("registerCniConfiguration", register_cni),
        ("listCniConfiguration", |turn| {
            let kind = turn.world.kind("cniconfig");
            list::list(turn, kind)
        }),
    ],
    filters: &[
        ("dedicatedhost", "affinitygroupid", of_group),
        ("dedicatedcluster", "affinitygroupid", of_group),
        ("dedicatedpod", "affinitygroupid", of_group),
        ("dedicatedzone", "affinitygroupid", of_group),
    ],
};

/// The commands of care that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    change("declareHostAsDegraded", "id", &[Put::Fixed("resourcestate", Constant::Text("Degraded"))]).checked(|turn, host| {
        let state = host.and_then(|host| turn.world.text(host, "state")).unwrap_or("Up");
        if !["Disconnected", "Alert"].contains(&state) {
            return Err(Refusal::invalid(format!("Cannot declare a host as 'Degraded' that is in the state {state}")));
        }
        Ok(())
    }),
    change("cancelHostAsDegraded", "id", &[Put::Fixed("resourcestate", Constant::Text("Enabled"))]).checked(|turn, host| {
        let state = host.and_then(|host| turn.world.text(host, "resourcestate")).unwrap_or("Enabled");
        if state == "Degraded" { Ok(()) } else { Err(Refusal::failed(format!("Cannot cancel the status of a host in the state {state}"))) }
    }),
    recipe::quietly("releaseHostReservation", "id", &[]),
    recipe::take("deleteCniConfiguration", "id"),
];

fn of_group(turn: &Turn<'_>, row: Handle) -> bool {
    list::argument_is(turn, "affinitygroupid", turn.world.link(row, "group"))
}

fn futile(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let known = FUTILE.iter().find(|(command, ..)| *command == turn.command.name);
    let Some((_, code, inner, text)) = known else { return Err(Refusal::unknown_command()) };
    let masked = *code == 530 && *inner == 4250;
    let refusal = Refusal { code: *code, inner: Some(*inner), masked, ..Refusal::failed(*text) };
    if !turn.command.is_async || *code == 530 && turn.command.name.starts_with("create") {
        return Err(refusal);
    }
    let subject = turn.command.parameters.iter().find_map(|parameter| turn.arguments.object(&parameter.name)).unwrap_or(turn.caller.account);
    Ok(turn.job(subject, WORK_SHORT, move |_| Err(refusal)))
}

fn dedicate(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let Some((.., argument, kind)) = DEDICATIONS.iter().find(|(command, ..)| *command == turn.command.name) else { return Err(Refusal::unknown_command()) };
    let target = turn.target(argument)?;
    let domain = turn.target("domainid")?;
    if turn.world.referring(kind, "target", target).next().is_some() {
        let name = turn.world.string(target, "name");
        return Err(Refusal::failed(format!("{} {name} is already dedicated", kind.trim_start_matches("dedicated"))));
    }
    let account = turn.arguments.text("account").map(str::to_owned);
    let account = account.map(|name| turn.named_account(&name, domain)).transpose()?;
    Ok(turn.job(target, WORK_SHORT, move |turn| {
        let groups = turn.world.kind("affinitygroup");
        let name = format!("DedicatedGrp-domain-{}", turn.world.string(domain, "name"));
        let owner = turn.caller.account;
        let group = turn
            .world
            .find("affinitygroup", "name", &name)
            .unwrap_or_else(|| turn.world.insert(groups, Some(owner), &[("name", name.as_str().into()), ("type", "ExplicitDedication".into())]));
        let rows = turn.world.kind(kind);
        let row = turn.world.insert(rows, None, &[("target", target.into()), ("domain", domain.into()), ("group", group.into())]);
        if let Some(account) = account {
            turn.world.set(row, "account", account);
        }
        let mut json = Json::default();
        turn.world.render(row, turn.viewer(), &mut json);
        let shown = json.into_text();
        // Two of the four commands answer with a list that has no name.
        Ok(match *argument {
            "hostid" | "zoneid" if turn.world.is_old => Outcome::Shown("null".to_owned(), "{\"responses\":[{}]}".to_owned()),
            "hostid" | "zoneid" => Outcome::Shown("null".to_owned(), format!("{{\"responses\":[{shown}]}}")),
            _ => Outcome::Shown((*kind).to_owned(), shown),
        })
    }))
}

fn release(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let Some((.., argument, kind)) = DEDICATIONS.iter().find(|(_, command, ..)| *command == turn.command.name) else { return Err(Refusal::unknown_command()) };
    let target = turn.target(argument)?;
    Ok(turn.job(target, WORK_SHORT, move |turn| {
        let found = turn.world.referring(kind, "target", target).next();
        let Some(row) = found else { return Err(Refusal::failed("No dedicated resource available to release")) };
        let group = turn.world.link(row, "group");
        turn.world.remove(row);
        let still = group.is_some_and(|group| DEDICATIONS.iter().any(|(.., kind)| turn.world.referring(kind, "group", group).next().is_some()));
        if let Some(group) = group.filter(|_| !still) {
            turn.world.remove(group);
        }
        Ok(Outcome::Success)
    }))
}

/// Whether the release tells by a member of its own that a change worked.
fn tells_status(turn: &Turn<'_>) -> bool {
    !turn.server.options.version().starts_with("4.20")
}

fn ha_members(turn: &Turn<'_>, host: Handle, more: &[(&str, Value)]) -> Outcome {
    let mut members = Map::new();
    members.insert("hostid".to_owned(), json!(turn.world.id(host)));
    members.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    if tells_status(turn) || turn.command.name != "configureHAForHost" {
        members.insert("status".to_owned(), json!(true));
    }
    Outcome::Shown("hostha".to_owned(), Value::Object(members).to_string())
}

/// Switches the high availability of a cluster or a zone. Disabling says that it failed, and does it all the same.
fn switch_place(turn: &mut Turn<'_>, argument: &str, on: bool) -> Result<Outcome, Refusal> {
    let place = turn.target(argument)?;
    Ok(turn.job(place, WORK_SHORT, move |turn| {
        super::zone::set_detail(turn.world, place, "resourceHAEnabled", if on { "true" } else { "false" });
        Ok(Outcome::Flat(format!("{{\"success\":{on}}}")))
    }))
}

fn configure_ha(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let host = turn.target("hostid")?;
    let provider = turn.needed("provider")?.to_lowercase();
    if !["simulatorhaprovider", "kvmhaprovider"].contains(&provider.as_str()) {
        return Err(Refusal::failed(format!("Cannot find provider {provider} for HA")));
    }
    Ok(turn.job(host, WORK_SHORT, move |turn| {
        turn.world.set(host, "haprovider", provider.as_str());
        Ok(ha_members(turn, host, &[("haprovider", json!(provider))]))
    }))
}

fn switch_ha(turn: &mut Turn<'_>, on: bool) -> Result<Outcome, Refusal> {
    let host = turn.target("hostid")?;
    Ok(turn.job(host, WORK_SHORT, move |turn| {
        if turn.world.text(host, "haprovider").is_none() {
            return Err(Refusal::failed("HA is not configured for the host. Please configure it before enabling or disabling"));
        }
        // The older line says so and forgets it.
        turn.world.set(host, "haenabled", on && tells_status(turn));
        Ok(ha_members(turn, host, &[("haenable", json!(on))]))
    }))
}

fn list_ha(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let wanted = turn.arguments.object("hostid");
    let hosts = turn.world.kind("host");
    let fits = |host: &Handle| turn.world.text(*host, "haprovider").is_some() && wanted.is_none_or(|wanted| wanted == *host);
    let shown = |host: Handle| {
        json!({
            "hostid": turn.world.id(host), "haenable": turn.world.flag(host, "haenabled"), "hastate": "Disabled",
            "haprovider": turn.world.string(host, "haprovider"),
        })
        .to_string()
    };
    let items: Vec<String> = turn.world.rows(hosts).filter(fits).map(shown).collect();
    Ok(Outcome::Rendered(items.join(","), items.len()))
}

fn configure_oobm(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let host = turn.target("hostid")?;
    let driver = turn.needed("driver")?.to_lowercase();
    if !["ipmitool", "nestedcloudstack", "redfish"].contains(&driver.as_str()) {
        return Err(Refusal::failed(format!("Out-of-band management driver is not available. Please provide a driver that is: {driver}")));
    }
    let port = turn.needed("port")?;
    if port.parse::<u16>().is_err() {
        return Err(Refusal::invalid("Invalid out-of-band management port provided"));
    }
    let password = turn.needed("password")?;
    let first: String = password.chars().take(1).collect();
    let kept = [
        ("oobmaddress", turn.needed("address")?),
        ("oobmport", port.clone()),
        ("oobmuser", turn.needed("username")?),
        ("oobmpassword", format!("{first}****")),
    ];
    turn.world.set(host, "oobmdriver", driver.as_str());
    kept.into_iter().for_each(|(field, text)| turn.world.set(host, field, text));
    let said = format!(
        "Host {{\"id\":{},\"name\":\"{}\",\"type\":\"Routing\",\"uuid\":\"{}\"}}",
        World::internal_number(host),
        turn.world.string(host, "name"),
        turn.world.id(host)
    );
    let shown = json!({
        "hostid": turn.world.id(host), "powerstate": "Disabled", "enabled": turn.world.flag(host, "oobmenabled"), "driver": driver,
        "address": turn.needed("address")?, "port": port, "username": turn.needed("username")?, "password": format!("{first}****"),
        "description": format!("Out-of-band management successfully configured for {said}."), "status": true,
    });
    Ok(Outcome::Shown("outofbandmanagement".to_owned(), shown.to_string()))
}

fn switch_oobm(turn: &mut Turn<'_>, on: bool) -> Result<Outcome, Refusal> {
    let host = turn.target("hostid")?;
    Ok(turn.job(host, WORK_SHORT, move |turn| {
        if turn.world.text(host, "oobmdriver").is_none() {
            return Err(Refusal::failed("Out-of-band management is not configured for the host. Please configure the host before enabling/disabling it."));
        }
        turn.world.set(host, "oobmenabled", on);
        let shown = json!({"hostid": turn.world.id(host), "enabled": on, "status": true});
        Ok(Outcome::Shown("outofbandmanagement".to_owned(), shown.to_string()))
    }))
}

/// Letters that look like a certificate or a key; nobody can do anything with them.
fn pem(turn: &mut Turn<'_>, label: &str) -> String {
    /// The letters of a line and the lines of a block.
    const LINE: usize = 64;
    const LINES: usize = 16;
    let lines: Vec<String> = (0..LINES).map(|_| std::iter::repeat_with(|| turn.world.random.alphanumeric()).take(LINE).collect()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn root_certificate(turn: &mut Turn<'_>) -> String {
    let Some(server) = turn.world.rows(turn.world.kind("managementserver")).next() else { return pem(turn, "CERTIFICATE") };
    if turn.world.text(server, "cacertificate").is_none() {
        let made = pem(turn, "CERTIFICATE");
        turn.world.set(server, "cacertificate", made);
    }
    turn.world.string(server, "cacertificate")
}

fn issue(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    if turn.arguments.text("csr").is_none() && turn.arguments.text("domain").is_none() && turn.arguments.text("ipaddress").is_none() {
        return Err(Refusal::failed("Please provide the domains or the CSR, none of them are provided"));
    }
    let subject = turn.caller.account;
    Ok(turn.job(subject, WORK_SHORT, |turn| {
        let (certificate, key, root) = (pem(turn, "CERTIFICATE"), pem(turn, "PRIVATE KEY"), root_certificate(turn));
        let shown = json!({"certificate": certificate, "privatekey": key, "cacertificates": root});
        Ok(Outcome::Shown("certificates".to_owned(), shown.to_string()))
    }))
}

fn authority(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let root = root_certificate(turn);
    Ok(Outcome::Shown("cacertificates".to_owned(), json!({"certificate": root}).to_string()))
}

fn diagnose(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let target = turn.target("targetid")?;
    if target.kind == turn.world.kind("virtualmachine") {
        // Servers stumble over machines of tenants before they look at what is asked.
        return Err(Refusal { masked: true, ..Refusal::failed("Diagnostics are for system VMs and routers") }.at_once());
    }
    let kind = turn.needed("type")?.to_uppercase();
    if !["PING", "TRACEROUTE", "ARPING"].contains(&kind.as_str()) {
        return Err(Refusal::invalid(format!("{kind} is not a valid type of diagnostics")).at_once());
    }
    let address = turn.needed("ipaddress")?;
    Ok(turn.job(target, WORK_SHORT, move |turn| {
        let shown = json!({"stdout": format!("{kind} {address} executed in {}", turn.world.string(target, "name")), "stderr": "", "exitcode": "0"});
        Ok(Outcome::Shown("diagnostics".to_owned(), shown.to_string()))
    }))
}

fn register_cni(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let owner = turn.new_owner()?;
    let name = turn.needed("name")?;
    let kind = turn.world.kind("cniconfig");
    if turn.world.owned(kind, owner).any(|row| turn.world.text(row, "name") == Some(&name)) {
        return Err(Refusal::invalid(format!("A CNI configuration with name {name} already exists")));
    }
    let fields: [(&str, Datum); 1] = [("name", name.into())];
    let made = turn.world.insert(kind, Some(owner), &fields);
    [Put::Named("cniconfig", "userdata"), Put::Text("params")].into_iter().for_each(|put| recipe::apply(turn, made, put));
    let mut json = Json::default();
    turn.world.render(made, turn.viewer(), &mut json);
    Ok(Outcome::Shown("cniconfig".to_owned(), json.into_text()))
}
