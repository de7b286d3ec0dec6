//! Primary and secondary storage as people add, change and take it away. The views of both stand with other places.

use serde_json::{Value, json};

use super::{
    Tables,
    recipe::{self, Put},
};
use crate::{
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// The field of stores in which templates wait on their way to hosts.
const STAGING: &str = "staging";
/// The bytes that a simulated store has.
const SIMULATED_BYTES: i64 = 1 << 40;
/// The providers of primary storage.
const PRIMARY_PROVIDERS: [&str; 8] = ["DefaultPrimary", "SolidFire", "SolidFireShared", "Datera", "Flash Array", "PowerFlex", "Primera", "CloudByte"];
/// The providers of secondary storage.
const IMAGE_PROVIDERS: [&str; 3] = ["NFS", "S3", "Swift"];
/// The hypervisors whose storage can be a whole zone's.
const ZONE_WIDE: [&str; 7] = ["KVM", "VMware", "Hyperv", "LXC", "Any", "Simulator", "XenServer"];
/// Schemes of addresses and the types of pools behind them.
const SCHEMES: [(&str, &str); 10] = [
    ("nfs", "NetworkFilesystem"),
    ("file", "Filesystem"),
    ("sharedmountpoint", "SharedMountPoint"),
    ("clvm", "CLVM"),
    ("rbd", "RBD"),
    ("presetup", "PreSetup"),
    ("iscsi", "IscsiLUN"),
    ("vmfs", "VMFS"),
    ("gluster", "Gluster"),
    ("smb", "SMB"),
];

/// The commands and filters of storage.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("createStoragePool", create_pool),
        ("updateStoragePool", update_pool),
        ("deleteStoragePool", delete_pool),
        ("changeStoragePoolScope", change_scope),
        ("addImageStore", add_image_store),
        ("addSecondaryStorage", add_image_store),
        ("deleteImageStore", delete_image_store),
        ("listImageStores", |turn| list_stores(turn, |world, store| !world.flag(store, STAGING))),
        ("listSwifts", |turn| list_stores(turn, |world, store| world.text(store, "providername") == Some("Swift"))),
        ("listSecondaryStagingStores", |turn| list_stores(turn, |world, store| world.flag(store, STAGING))),
        ("createSecondaryStagingStore", create_staging),
        ("deleteSecondaryStagingStore", delete_staging),
    ],
    filters: &[
        ("storagepool", "status", |turn, pool| {
            turn.arguments.text("status").is_some_and(|state| turn.world.text(pool, "state").unwrap_or("Up").eq_ignore_ascii_case(state))
        }),
        ("storagepool", "hostid", |turn, pool| {
            let cluster = turn.arguments.object("hostid").and_then(|host| turn.world.link(host, "cluster"));
            turn.world.link(pool, "cluster").is_none_or(|of| Some(of) == cluster)
        }),
        ("storagepool", "storagecustomstats", |_, _| true),
        ("storagepool", "storageaccessgroup", |turn, pool| {
            let wanted = turn.arguments.text("storageaccessgroup").unwrap_or_default();
            turn.world.text(pool, "storageaccessgroups").is_some_and(|groups| groups.split(',').any(|group| group == wanted))
        }),
        ("imagestore", "provider", of_provider),
    ],
};

fn of_provider(turn: &Turn<'_>, store: Handle) -> bool {
    turn.arguments.text("provider").is_some_and(|provider| turn.world.text(store, "providername").is_some_and(|known| known.eq_ignore_ascii_case(provider)))
}

fn failed(text: &str) -> Refusal {
    Refusal::internal(format!("Failed to add data store: {text}"))
}

/// Where a pool is, and whose.
struct Scope {
    word: &'static str,
    cluster: Option<Handle>,
    hypervisor: String,
}

fn scope_of(turn: &Turn<'_>, is_file: bool) -> Result<Scope, Refusal> {
    let cluster = turn.arguments.object("clusterid");
    let word = match turn.arguments.text("scope").map(str::to_uppercase).as_deref() {
        None if is_file => "HOST",
        None | Some("CLUSTER") => "CLUSTER",
        Some("ZONE") => "ZONE",
        Some("HOST") => "HOST",
        Some(_) => return Err(Refusal::invalid(format!("invalid scope for pool {}", turn.arguments.text("scope").unwrap_or_default()))),
    };
    if word == "CLUSTER" && cluster.is_none() {
        return Err(Refusal::invalid("cluster id can't be null, if scope is cluster"));
    }
    if word != "ZONE" {
        let hypervisor = cluster.map(|cluster| turn.world.string(cluster, "hypervisortype")).unwrap_or_default();
        return Ok(Scope { word, cluster, hypervisor });
    }
    let Some(hypervisor) = turn.arguments.text("hypervisor") else {
        return Err(Refusal::invalid("Missing parameter hypervisor. Hypervisor type is required to create zone wide primary storage."));
    };
    match ZONE_WIDE.into_iter().find(|known| known.eq_ignore_ascii_case(hypervisor)) {
        Some(known) => Ok(Scope { word, cluster: None, hypervisor: known.to_owned() }),
        None => Err(Refusal::invalid(format!("Zone wide storage pool is not supported for hypervisor type {hypervisor}"))),
    }
}

/// The server, the path and the type of a pool, from its address.
fn parts_of(url: &str) -> Result<(String, String, &'static str), Refusal> {
    let Some((scheme, rest)) = url.split_once("://") else { return Err(failed(&format!("scheme is null {url}, add nfs:// (or cifs://) as a prefix"))) };
    let scheme = scheme.to_ascii_lowercase();
    let Some((_, kind)) = SCHEMES.iter().find(|(known, _)| *known == scheme) else {
        return Err(failed(&format!("Unable to figure out the scheme for URI: {url}")));
    };
    let (server, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if scheme == "nfs" && (server.is_empty() || path.len() < 2) {
        return Err(failed("host or path is null, should be nfs://hostname/path"));
    }
    Ok((server.to_owned(), path.to_owned(), kind))
}

fn create_pool(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let (zone, url) = (turn.target("zoneid")?, turn.needed("url")?);
    let scope = scope_of(turn, url.starts_with("file://"))?;
    let (server, path, kind) = parts_of(&url)?;
    let known = turn
        .world
        .rows(turn.world.kind("storagepool"))
        .find(|pool| turn.world.text(*pool, "ipaddress") == Some(&server) && turn.world.text(*pool, "path") == Some(&path));
    if let Some(known) = known {
        return Err(failed(&format!("duplicate uuid: {}", turn.world.id(known))));
    }
    let is_up = |host: Handle| turn.world.text(host, "type") == Some("Routing") && matches!(turn.world.text(host, "state"), None | Some("Up"));
    if let Some(cluster) = scope.cluster
        && !turn.world.referring("host", "cluster", cluster).any(is_up)
    {
        return Err(failed(&format!("No host up to associate a storage pool with in cluster {}", World::internal_number(cluster))));
    }
    let provider = turn.arguments.text("provider").and_then(|wanted| PRIMARY_PROVIDERS.into_iter().find(|known| known.eq_ignore_ascii_case(wanted)));
    let fields: [(&str, Datum); 9] = [
        ("zone", zone.into()),
        ("ipaddress", server.into()),
        ("path", path.into()),
        ("type", kind.into()),
        ("scope", scope.word.into()),
        ("hypervisor", scope.hypervisor.into()),
        ("provider", provider.unwrap_or("DefaultPrimary").into()),
        ("disksizetotal", turn.arguments.number("capacitybytes").unwrap_or(SIMULATED_BYTES).into()),
        ("state", "Up".into()),
    ];
    let kind = turn.world.kind("storagepool");
    let pool = turn.world.insert(kind, None, &fields);
    if let Some(cluster) = scope.cluster {
        turn.world.set(pool, "cluster", cluster);
        if let Some(pod) = turn.world.link(cluster, "pod") {
            turn.world.set(pool, "pod", pod);
        }
    }
    POOL_PUTS.iter().for_each(|put| recipe::apply(turn, pool, *put));
    recipe::apply(turn, pool, Put::Flag("managed"));
    super::systemvm::look_at(turn, zone);
    Ok(Outcome::Object(pool))
}

const POOL_PUTS: &[Put] = &[
    Put::Text("name"),
    Put::Text("tags"),
    Put::Flag("istagarule"),
    Put::Number("capacityiops"),
    Put::Named("storageaccessgroups", "storageaccessgroups"),
    Put::Entries("details", "details"),
];

fn update_pool(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let pool = turn.target("id")?;
    let state = turn.world.text(pool, "state").unwrap_or("Up").to_owned();
    let wanted = turn.arguments.truth("enabled").map(|enabled| if enabled { ("Disabled", "Up", "enabled") } else { ("Up", "Disabled", "disabled") });
    if let Some((from, to, verb)) = wanted {
        if state != from {
            let id = turn.world.id(pool);
            return Err(Refusal::invalid(format!("Primary storage with id {id} cannot be {verb}. Storage pool state : {state}")));
        }
        turn.world.set(pool, "state", to);
    }
    let known = turn.world.tree(pool, "details").and_then(Value::as_object).cloned().unwrap_or_default();
    POOL_PUTS.iter().for_each(|put| recipe::apply(turn, pool, *put));
    recipe::apply(turn, pool, Put::NumberOr("disksizetotal", "capacitybytes"));
    if turn.arguments.given("tags") == Some("") {
        turn.world.unset(pool, "tags");
    }
    if let Some(new) = turn.world.tree(pool, "details").and_then(Value::as_object).cloned().filter(|_| !known.is_empty()) {
        let mut all = known;
        all.extend(new);
        turn.world.set(pool, "details", json!(all));
    }
    Ok(Outcome::Object(pool))
}

fn delete_pool(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let pool = turn.target("id")?;
    let said = || {
        let (name, kind, id) = (turn.world.string(pool, "name"), turn.world.text(pool, "type").unwrap_or("NetworkFilesystem"), turn.world.id(pool));
        format!("StoragePool {{\"id\":{},\"name\":\"{name}\",\"poolType\":\"{kind}\",\"uuid\":\"{id}\"}}", World::internal_number(pool))
    };
    if turn.world.text(pool, "state") != Some("Maintenance") {
        return Err(Refusal::invalid(format!("Unable to delete storage due to it is not in Maintenance state, pool: {}", said())));
    }
    let is_left = |volume: Handle| !turn.arguments.flag("forced") || !matches!(turn.world.text(volume, "state"), Some("Destroy" | "Expunged"));
    if turn.world.referring("volume", "pool", pool).any(is_left) {
        return Err(Refusal::internal(format!("Cannot delete pool {} as there are associated vols for this pool", said())));
    }
    turn.world.remove(pool);
    Ok(Outcome::Success)
}

fn change_scope(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let pool = turn.target("id")?;
    let wanted = turn.needed("scope")?.to_uppercase();
    Ok(turn.job(pool, WORK_SHORT, move |turn| {
        if !["ZONE", "CLUSTER"].contains(&wanted.as_str()) {
            return Err(Refusal::invalid(format!("Invalid scope {wanted}for Primary storage")));
        }
        if turn.world.text(pool, "scope").unwrap_or("CLUSTER") == wanted {
            return Err(Refusal::invalid("New scope must be different than the current scope"));
        }
        if turn.world.text(pool, "state") != Some("Disabled") {
            let id = turn.world.id(pool);
            return Err(Refusal::invalid(format!("Scope of the Primary storage with id {id} cannot be changed, as it is not in the Disabled state")));
        }
        if wanted == "ZONE" {
            ["cluster", "pod"].into_iter().for_each(|field| turn.world.unset(pool, field));
        } else {
            let Some(cluster) = turn.arguments.object("clusterid") else { return Err(Refusal::invalid("Unable to find the cluster: cluster id is required")) };
            turn.world.set(pool, "cluster", cluster);
            if let Some(pod) = turn.world.link(cluster, "pod") {
                turn.world.set(pool, "pod", pod);
            }
        }
        turn.world.set(pool, "scope", wanted);
        Ok(Outcome::Success)
    }))
}

/// The scheme of an address of secondary storage.
fn protocol_of(url: &str) -> Result<String, Refusal> {
    let Some((scheme, rest)) = url.split_once("://") else { return Err(failed(&format!("uri.scheme is null {url}, add nfs:// (or cifs://) as a prefix"))) };
    if scheme.eq_ignore_ascii_case("nfs") && rest.split_once('/').is_none_or(|(server, path)| server.is_empty() || path.is_empty()) {
        return Err(failed("Your host and/or path is wrong.  Make sure it's of the format nfs://hostname/path"));
    }
    Ok(scheme.to_ascii_lowercase())
}

fn add_image_store(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let wanted = turn.arguments.text("provider").unwrap_or("NFS");
    let provider = IMAGE_PROVIDERS.into_iter().find(|known| known.eq_ignore_ascii_case(wanted)).unwrap_or("NFS");
    let zone = turn.arguments.object("zoneid");
    let url = turn.arguments.text("url").map(str::to_owned);
    let name = turn.arguments.text("name").map(str::to_owned).or_else(|| url.clone()).unwrap_or_default();
    if turn.world.find("imagestore", "name", &name).is_some() {
        return Err(Refusal::invalid(format!("The image store with name {name} already exists, try creating with another name")));
    }
    if zone.is_none() && provider == "NFS" {
        return Err(Refusal::invalid(format!("Image store provider {provider} does not support scope REGION")));
    }
    let stores = turn.world.kind("imagestore");
    if let Some(other) = turn
        .world
        .rows(stores)
        .filter(|store| !turn.world.flag(*store, STAGING))
        .map(|store| turn.world.string(store, "providername"))
        .find(|other| !other.is_empty() && other != provider)
    {
        return Err(Refusal::invalid(format!("You can only add new image stores from the same provider {other} already added")));
    }
    let protocol = url.as_deref().map(protocol_of).transpose()?.unwrap_or_else(|| provider.to_lowercase());
    let scope = if zone.is_some() { "ZONE" } else { "REGION" };
    let fields: [(&str, Datum); 4] = [("name", name.into()), ("protocol", protocol.into()), ("providername", provider.into()), ("scope", scope.into())];
    let store = turn.world.insert(stores, None, &fields);
    if let Some(url) = url {
        turn.world.set(store, "url", url);
    }
    if let Some(zone) = zone {
        turn.world.set(store, "zone", zone);
        super::systemvm::look_at(turn, zone);
    }
    Ok(Outcome::Object(store))
}

/// Whether a store is the one of its zone on which things of tenants lie: its first.
fn is_first(world: &World, store: Handle) -> bool {
    let zone = world.link(store, "zone");
    world.rows(world.kind("imagestore")).find(|other| world.link(*other, "zone") == zone) == Some(store)
}

fn delete_image_store(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let store = turn.target("id")?;
    let world = &*turn.world;
    let zone = world.link(store, "zone");
    let holds = |kind: &str, counts: &dyn Fn(Handle) -> bool| {
        is_first(world, store) && world.rows(world.kind(kind)).any(|row| world.link(row, "zone").is_none_or(|of| Some(of) == zone) && counts(row))
    };
    let by_tenant = |row: Handle| world.owner(row).is_some_and(|owner| world.text(owner, "name") != Some("system"));
    let obstacles = [
        (holds("snapshot", &|_| true), "snapshots"),
        (holds("volume", &|volume| world.link(volume, "pool").is_none() && world.text(volume, "state") == Some("Uploaded")), "volumes"),
        (holds("template", &by_tenant) || holds("iso", &by_tenant), "templates"),
    ];
    if let Some((_, what)) = obstacles.iter().find(|(is_there, _)| *is_there) {
        return Err(Refusal::invalid(format!("Cannot delete image store with active {what} backup!")));
    }
    turn.world.remove(store);
    Ok(Outcome::Success)
}

fn list_stores(turn: &mut Turn<'_>, keep: fn(&World, Handle) -> bool) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("imagestore");
    list::list_where(turn, kind, keep)
}

fn create_staging(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let url = turn.needed("url")?;
    let zone = turn.target("zoneid")?;
    match turn.arguments.text("scope").map(str::to_uppercase).as_deref() {
        None | Some("ZONE") => {}
        Some("HOST" | "CLUSTER" | "REGION") => return Err(Refusal::invalid("Only zone wide cache storage is supported")),
        Some(other) => return Err(Refusal::invalid(format!("invalid scope for cache store {other}"))),
    }
    let protocol = protocol_of(&url)?;
    let kind = turn.world.kind("imagestore");
    let fields: [(&str, Datum); 6] = [
        (STAGING, true.into()),
        ("name", url.as_str().into()),
        ("url", url.as_str().into()),
        ("protocol", protocol.into()),
        ("providername", "NFS".into()),
        ("zone", zone.into()),
    ];
    Ok(Outcome::Object(turn.world.insert(kind, None, &fields)))
}

fn delete_staging(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let store = turn.target("id")?;
    if !turn.world.flag(store, STAGING) {
        return Err(Refusal::invalid("Cache store with this id doesn't exist"));
    }
    turn.world.remove(store);
    Ok(Outcome::Success)
}
