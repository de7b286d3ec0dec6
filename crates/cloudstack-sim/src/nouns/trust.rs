//! Certificates with which hosts trust the servers that templates are downloaded from straight away.

use serde_json::json;

use super::Tables;
use crate::{
    kind::{Constant, ID, Noun, linked, own, own_or},
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Datum, Handle, World},
};

/// What a certificate in text begins with.
const PEM: &str = "-----BEGIN CERTIFICATE-----";

/// A certificate.
pub(crate) const NOUN: Noun = Noun {
    word: "directdownloadcertificate",
    entities: &["DirectDownloadCertificateResponse"],
    resource: "DirectDownloadCertificate",
    owned: false,
    keywords: &["alias"],
    newest_first: false,
    view: &[
        ID,
        own("alias"),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        own_or("version", Constant::Text("3")),
        own_or("subject", Constant::Text("CN=downloads")),
        own_or("issuer", Constant::Text("CN=downloads")),
        own("validity"),
        own("serialnum"),
        own("hypervisor"),
        own("hostsmap"),
    ],
};

/// The commands of these certificates.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("uploadTemplateDirectDownloadCertificate", upload),
        ("provisionTemplateDirectDownloadCertificate", provision),
        ("revokeTemplateDirectDownloadCertificate", revoke),
    ],
    filters: &[("directdownloadcertificate", "listhosts", |_, _| true)],
};

fn upload(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let zone = turn.target("zoneid")?;
    if !turn.needed("certificate")?.contains(PEM) {
        return Err(Refusal::failed("Cannot parse the certificate provided, please provide a PEM certificate."));
    }
    let alias = turn.needed("name")?;
    if turn.world.referring(NOUN.word, "zone", zone).any(|row| turn.world.text(row, "alias") == Some(&alias)) {
        return Err(Refusal::failed(format!("Certificate alias {alias} has been already created")));
    }
    let serial = turn.world.random.u64(..).to_string();
    let hosts: Vec<Handle> = match turn.arguments.object("hostid") {
        Some(host) => vec![host],
        None => hosts_of(turn.world, zone),
    };
    let fields: [(&str, Datum); 4] =
        [("alias", alias.into()), ("zone", zone.into()), ("hypervisor", turn.needed("hypervisor")?.into()), ("serialnum", serial.into())];
    let kind = turn.world.kind(NOUN.word);
    let made = turn.world.insert(kind, None, &fields);
    put_on(turn.world, made, &hosts);
    Ok(Outcome::Object(made))
}

fn hosts_of(world: &World, zone: Handle) -> Vec<Handle> {
    world.referring("host", "zone", zone).filter(|host| world.text(*host, "type") == Some("Routing")).collect()
}

fn known_hosts(world: &World, certificate: Handle) -> Vec<Handle> {
    world.links(certificate, "hosts").to_vec()
}

/// Notes the hosts that have a certificate.
fn put_on(world: &mut World, certificate: Handle, hosts: &[Handle]) {
    let shown: Vec<_> = hosts.iter().map(|host| json!({"hostid": world.id(*host), "hostname": world.string(*host, "name")})).collect();
    world.set(certificate, "hosts", Datum::Links(hosts.into()));
    world.set(certificate, "hostsmap", json!(shown));
}

fn status(world: &World, host: Handle, word: &str) -> String {
    json!({"hostid": world.id(host), "hostname": world.string(host, "name"), "status": word}).to_string()
}

fn provision(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (certificate, host) = (turn.target("id")?, turn.target("hostid")?);
    let mut hosts = known_hosts(turn.world, certificate);
    if !hosts.contains(&host) {
        hosts.push(host);
    }
    put_on(turn.world, certificate, &hosts);
    Ok(Outcome::Shown("directdownloadcertificatehoststatus".to_owned(), status(turn.world, host, "Uploaded")))
}

fn revoke(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let zone = turn.target("zoneid")?;
    let name = turn.arguments.text("name");
    let named = turn.world.referring(NOUN.word, "zone", zone).find(|row| name.is_some() && turn.world.text(*row, "alias") == name);
    let Some(certificate) = turn.arguments.object("id").or(named) else {
        return Err(Refusal::failed("Certificate not found: give its id, or its name and hypervisor"));
    };
    let hosts = known_hosts(turn.world, certificate);
    let chosen = turn.arguments.object("hostid");
    let (gone, left): (Vec<Handle>, Vec<Handle>) = hosts.into_iter().partition(|host| chosen.is_none_or(|chosen| chosen == *host));
    let shown: Vec<String> = gone.iter().map(|host| status(turn.world, *host, "Revoked")).collect();
    put_on(turn.world, certificate, &left);
    if left.is_empty() {
        turn.world.remove(certificate);
    }
    Ok(Outcome::Rendered(shown.join(","), shown.len()))
}
