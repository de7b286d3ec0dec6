//! What stands in zones: hosts, storage, system VMs; management servers and OS types.

use std::time::Duration;

use serde_json::json;

use super::Tables;
use crate::{
    kind::{CREATED, Constant, HAS_ANNOTATIONS, ID, JOB_ID, JOB_STATUS, Noun, Shown, Viewer, always, computed, field, flag, linked, own, own_or},
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_MEDIUM, WORK_SHORT},
    world::{Handle, World},
};

/// What can happen to a host's connection.
const HOST_EVENTS: &str =
    "ManagementServerDown; Remove; HostDown; ShutdownRequested; Ping; StartAgentRebalance; AgentConnected; PingTimeout; AgentDisconnected";
/// How long after its job a host that had machines is in maintenance.
const MOVED: Duration = Duration::from_nanos(1);
/// Bytes of a MiB.
const MIB: i64 = 1 << 20;

/// A host.
pub(crate) const HOST_NOUN: Noun = Noun {
    word: "host",
    entities: &["HostResponse", "HostMetricsResponse", "HostForMigrationResponse"],
    resource: "Host",
    owned: false,
    keywords: &["name", "type"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own_or("state", Constant::Text("Up")),
        own("type"),
        own("ipaddress"),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        linked("podid", "pod", "id"),
        linked("podname", "pod", "name"),
        own("version"),
        own("hypervisor"),
        own("cpunumber"),
        own("cpuspeed"),
        computed("cpuallocated", share_of_processors),
        computed("cpuused", |world, host, _| is_routing(world, host).then(|| Shown::Text("0%".to_owned()))),
        computed("cpuallocatedvalue", |world, host, _| {
            is_routing(world, host).then(|| Shown::Number(allocated(world, host, "cpunumber") * world.number(host, "cpuspeed")))
        }),
        computed("cpuallocatedpercentage", share_of_processors),
        computed("cpuallocatedwithoverprovisioning", share_of_processors),
        computed("cpuwithoverprovisioning", |world, host, _| {
            let total = world.number(host, "cpunumber") * world.number(host, "cpuspeed");
            is_routing(world, host).then(|| Shown::Text(total.to_string()))
        }),
        computed("cpuloadaverage", |world, host, _| is_routing(world, host).then_some(Shown::Number(0))),
        computed("networkkbsread", |world, host, _| is_routing(world, host).then_some(Shown::Number(32_768))),
        computed("networkkbswrite", |world, host, _| is_routing(world, host).then_some(Shown::Number(16_384))),
        own("memorytotal"),
        computed("memorywithoverprovisioning", |world, host, _| is_routing(world, host).then(|| Shown::Text(world.number(host, "memorytotal").to_string()))),
        computed("memoryallocatedpercentage", |world, host, _| {
            let share = percent(allocated(world, host, "memory") * MIB, world.number(host, "memorytotal"));
            is_routing(world, host).then_some(Shown::Text(share))
        }),
        computed("memoryallocatedbytes", |world, host, _| is_routing(world, host).then(|| Shown::Number(allocated(world, host, "memory") * MIB))),
        computed("memoryallocated", |world, host, _| Some(Shown::Number(allocated(world, host, "memory") * MIB))),
        computed("memoryused", |world, host, _| is_routing(world, host).then_some(Shown::Number(0))),
        own("gputotal"),
        own("gpuused"),
        own("gpugroup"),
        computed("capabilities", |world, host, _| is_routing(world, host).then(|| Shown::Text("hvm".to_owned()))),
        always("lastpinged", Constant::Text("1970-01-21T07:01:24+0000")),
        linked("virtualmachineid", "systemvm", "id"),
        linked("clusterid", "cluster", "id"),
        linked("clustername", "cluster", "name"),
        computed("clustertype", |world, host, _| world.link(host, "cluster").map(|_| Shown::Text("CloudManaged".to_owned()))),
        linked("managementserverid", "managementserver", "id"),
        linked("managementservername", "managementserver", "name"),
        flag("islocalstorageactive"),
        CREATED,
        always("events", Constant::Text(HOST_EVENTS)),
        computed("hostha", availability),
        computed("outofbandmanagement", remote_control),
        own("hosttags"),
        field("explicithosttags", "hosttags"),
        computed("istagarule", |world, host, _| world.text(host, "hosttags").map(|_| Shown::Flag(false))),
        own_or("resourcestate", Constant::Text("Enabled")),
        own("hypervisorversion"),
        own("annotation"),
        own("lastannotated"),
        own("username"),
        computed("hahost", |world, host, _| is_routing(world, host).then(|| Shown::Flag(world.flag(host, "hahost")))),
        computed("ueficapability", |world, host, _| is_routing(world, host).then_some(Shown::Flag(false))),
        computed("arch", |world, host, _| is_routing(world, host).then(|| Shown::Text("x86_64".to_owned()))),
        computed("hasannotations", |world, host, _| Some(Shown::Flag(world.text(host, "annotation").is_some()))),
        JOB_ID,
        JOB_STATUS,
    ],
};

/// When a management server started, as servers write it.
pub(super) fn started(world: &World, server: Handle) -> String {
    cloudstack_api::clock::timestamp(Duration::from_secs(world.created(server)))
}

/// What a host tells of its high availability.
fn availability(world: &World, host: Handle, _: Viewer) -> Option<Shown> {
    let mut shown = json!({"haenable": world.flag(host, "haenabled"), "hastate": "Disabled"});
    if let Some(provider) = world.text(host, "haprovider") {
        shown = super::metrics::with(shown, "haprovider", provider);
    }
    Some(Shown::Raw(shown.to_string()))
}

/// What a host tells of its out-of-band management.
fn remote_control(world: &World, host: Handle, _: Viewer) -> Option<Shown> {
    let shown = json!({"powerstate": "Disabled", "enabled": world.flag(host, "oobmenabled")});
    let known = [("driver", "oobmdriver"), ("address", "oobmaddress"), ("port", "oobmport"), ("username", "oobmuser"), ("password", "oobmpassword")];
    let all = known.iter().filter_map(|(name, field)| Some((*name, world.text(host, field)?)));
    Some(Shown::Raw(all.fold(shown, |shown, (name, text)| super::metrics::with(shown, name, text)).to_string()))
}

/// Whether machines run on a host; agents of system VMs are hosts too.
fn is_routing(world: &World, host: Handle) -> bool {
    world.text(host, "type") == Some("Routing")
}

fn share_of_processors(world: &World, host: Handle, _: Viewer) -> Option<Shown> {
    is_routing(world, host).then(|| Shown::Text(percent(allocated(world, host, "cpunumber"), world.number(host, "cpunumber"))))
}

/// A primary storage.
pub(crate) const POOL_NOUN: Noun = Noun {
    word: "storagepool",
    entities: &["StoragePoolResponse", "StoragePoolMetricsResponse"],
    resource: "StoragePool",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        linked("podid", "pod", "id"),
        linked("podname", "pod", "name"),
        own("name"),
        own("ipaddress"),
        own("path"),
        CREATED,
        own_or("type", Constant::Text("NetworkFilesystem")),
        linked("clusterid", "cluster", "id"),
        linked("clustername", "cluster", "name"),
        computed("capacitybytes", |world, pool, _| Some(Shown::Number(world.number(pool, "disksizetotal")))),
        own("disksizetotal"),
        computed("disksizeallocated", |world, pool, _| {
            Some(Shown::Number(world.referring("volume", "pool", pool).map(|volume| world.number(volume, "size")).sum()))
        }),
        always("disksizeused", Constant::Number(0)),
        always("capacityiops", Constant::Number(1_000_000)),
        always("usediops", Constant::Number(500_000)),
        own("tags"),
        flag("istagarule"),
        own_or("state", Constant::Text("Up")),
        own_or("scope", Constant::Text("CLUSTER")),
        always("overprovisionfactor", Constant::Text("2.0")),
        own_or("hypervisor", Constant::Text("Simulator")),
        own_or("provider", Constant::Text("DefaultPrimary")),
        always("storagecapabilities", Constant::Raw("{\"VOLUME_SNAPSHOT_QUIESCEVM\":\"false\"}")),
        flag("managed"),
        own_or("details", Constant::Raw("{}")),
        HAS_ANNOTATIONS,
        JOB_ID,
        JOB_STATUS,
    ],
};

/// A secondary storage.
pub(crate) const IMAGE_STORE_NOUN: Noun = Noun {
    word: "imagestore",
    entities: &["ImageStoreResponse"],
    resource: "ImageStore",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        own("name"),
        own("url"),
        own("protocol"),
        own("providername"),
        own_or("scope", Constant::Text("ZONE")),
        flag("readonly"),
        HAS_ANNOTATIONS,
    ],
};

/// A management server.
pub(crate) const MANAGEMENT_SERVER_NOUN: Noun = Noun {
    word: "managementserver",
    entities: &["ManagementServerResponse", "ManagementServerMetricsResponse"],
    resource: "ManagementServer",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own_or("state", Constant::Text("Up")),
        own("version"),
        always("javadistribution", Constant::Text("Debian")),
        always("javaversion", Constant::Text("17.0.15")),
        always("osdistribution", Constant::Text("Debian GNU/Linux 12 (bookworm)")),
        computed("lastserverstart", |world, server, _| Some(Shown::Text(started(world, server)))),
        computed("lastboottime", |world, server, _| Some(Shown::Text(started(world, server)))),
        own("serviceip"),
        own("ipaddress"),
        always("lastagents", Constant::Empty),
        computed("agents", |world, server, _| {
            let ids: Vec<String> = world.referring("host", "managementserver", server).map(|host| format!("\"{}\"", world.id(host))).collect();
            Some(Shown::Raw(format!("[{}]", ids.join(","))))
        }),
        computed("agentscount", |world, server, _| i64::try_from(world.referring("host", "managementserver", server).count()).ok().map(Shown::Number)),
        always("pendingjobscount", Constant::Number(0)),
    ],
};

/// A family of OS types.
pub(crate) const OS_CATEGORY_NOUN: Noun = Noun {
    word: "oscategory",
    entities: &["GuestOSCategoryResponse"],
    resource: "GuestOsCategory",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[ID, own("name"), flag("isfeatured"), own("created")],
};

/// An OS type.
pub(crate) const OS_TYPE_NOUN: Noun = Noun {
    word: "ostype",
    entities: &["GuestOSResponse"],
    resource: "GuestOs",
    owned: false,
    keywords: &["description"],
    newest_first: false,
    view: &[
        ID,
        linked("oscategoryid", "category", "id"),
        linked("oscategoryname", "category", "name"),
        own("name"),
        own("description"),
        flag("isuserdefined"),
        own_or("fordisplay", Constant::Flag(true)),
    ],
};

/// The commands and filters of places.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("prepareHostForMaintenance", maintain_host),
        ("cancelHostMaintenance", release_host),
        ("enableStorageMaintenance", maintain_pool),
        ("cancelStorageMaintenance", release_pool),
    ],
    filters: &[
        ("host", "outofbandmanagementenabled", |turn, host| {
            // Only hosts whose management was configured have a row that can be joined.
            let known = turn.world.text(host, "oobmdriver").map(|_| turn.world.flag(host, "oobmenabled"));
            known == turn.arguments.truth("outofbandmanagementenabled")
        }),
        ("host", "virtualmachineid", |_, _| true),
        ("host", "resourcestate", |turn, host| {
            turn.world.text(host, "resourcestate").unwrap_or("Enabled") == turn.arguments.text("resourcestate").unwrap_or_default()
        }),
    ],
};

fn allocated(world: &World, host: Handle, field: &str) -> i64 {
    world.referring("virtualmachine", "host", host).map(|vm| world.number(vm, field)).sum()
}

fn percent(part: i64, whole: i64) -> String {
    format!("{}%", (part * 100).checked_div(whole).unwrap_or(0))
}

/// The zone, if there is only one to choose.
pub(crate) fn only_zone(world: &World) -> Option<Handle> {
    world.rows(world.kind("zone")).next()
}

/// Whether machines can be put onto a host: it is up, enabled, and so is its cluster.
pub(crate) fn is_usable(world: &World, host: Handle) -> bool {
    let on = |state: Option<&str>| matches!(state, None | Some("Enabled"));
    world.text(host, "type") == Some("Routing")
        && on(world.text(host, "resourcestate"))
        && matches!(world.text(host, "state"), None | Some("Up"))
        && ["cluster", "pod"].iter().all(|place| world.link(host, place).is_none_or(|place| on(world.text(place, "allocationstate"))))
}

/// The hosts onto which machines can be put, of one zone or of all.
fn usable_hosts(world: &World, zone: Option<Handle>) -> Vec<Handle> {
    let is_within = |host: Handle| zone.is_none_or(|zone| world.link(host, "zone") == Some(zone));
    world.rows(world.kind("host")).filter(|host| is_within(*host) && is_usable(world, *host)).collect()
}

/// What a machine asks of its host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demand {
    /// The host that was asked for.
    pub(crate) host: Option<Handle>,
    /// Where it must be: the field of hosts, and the zone, pod or cluster.
    pub(crate) within: Vec<(&'static str, Handle)>,
    /// Hosts that it must not share.
    pub(crate) apart: Vec<Handle>,
    /// Hosts of which it must share one, if there are any.
    pub(crate) together: Vec<Handle>,
    /// How many CPUs it has, and how much memory in MiB.
    pub(crate) size: (i64, i64),
    /// The cluster that is tried before the others, while its hosts have memory left.
    pub(crate) first: Option<Handle>,
}

/// The clusters of a zone in which servers look for room first: for machines that start as they are made, and for those that
/// were made stopped.
pub(crate) fn first_clusters(world: &World, zone: Option<Handle>) -> (Option<Handle>, Option<Handle>) {
    let is_within = |cluster: &Handle| zone.is_none_or(|zone| world.link(*cluster, "zone") == Some(zone));
    let is_on = |cluster: &Handle| matches!(world.text(*cluster, "allocationstate"), None | Some("Enabled"));
    let clusters = || world.rows(world.kind("cluster")).filter(is_within).filter(is_on);
    (clusters().next(), clusters().next_back())
}

/// A host for a machine: one after the other of those that fit.
pub(crate) fn host_for(world: &mut World, demand: &Demand) -> Option<Handle> {
    let fits = |host: &Handle| {
        demand.host.is_none_or(|asked| asked == *host)
            && demand.within.iter().all(|(field, place)| world.link(*host, field) == Some(*place))
            && !demand.apart.contains(host)
            && (demand.together.is_empty() || demand.together.contains(host))
            && demand.size.0 <= world.number(*host, "cpunumber")
            && demand.size.1 * MIB <= world.number(*host, "memorytotal")
    };
    let hosts: Vec<Handle> = usable_hosts(world, None).into_iter().filter(fits).collect();
    let has_room = |host: &Handle| (allocated(world, *host, "memory") + demand.size.1) * MIB <= world.number(*host, "memorytotal");
    let first: Vec<Handle> = match demand.first {
        Some(cluster) => hosts.iter().copied().filter(|host| world.link(*host, "cluster") == Some(cluster)).filter(has_room).collect(),
        None => Vec::new(),
    };
    // Its hosts are filled one after the other.
    if let Some(host) = first.first() {
        return Some(*host);
    }
    let turn = usize::try_from(world.next("host", 0)).unwrap_or(0);
    turn.checked_rem(hosts.len()).and_then(|at| hosts.get(at)).copied()
}

/// Another host of the same cluster, to which a machine can move with its disks where they are.
pub(crate) fn host_beside(world: &World, from: Option<Handle>) -> Option<Handle> {
    let cluster = from.and_then(|host| world.link(host, "cluster"));
    usable_hosts(world, None).into_iter().find(|host| Some(*host) != from && world.link(*host, "cluster") == cluster)
}

/// A host of a zone for a system VM, a router or a machine that a service makes: one after the other.
pub(crate) fn choose_host(world: &mut World, zone: Option<Handle>) -> Option<Handle> {
    let hosts = usable_hosts(world, zone);
    let turn = usize::try_from(world.next("host of a service", 0)).unwrap_or(0);
    turn.checked_rem(hosts.len()).and_then(|at| hosts.get(at)).copied()
}

fn maintain_host(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let host = turn.target("id")?;
    Ok(turn.job(host, WORK_MEDIUM, move |turn| {
        if matches!(turn.world.text(host, "resourcestate"), Some("Maintenance" | "PrepareForMaintenance")) {
            return Err(Refusal::failed(
                "Failed to prepare host for maintenance due to: Host is already in state Maintenance. Cannot recall for maintenance until resolved.",
            ));
        }
        let machines: Vec<Handle> = turn.world.referring("virtualmachine", "host", host).collect();
        clear_of_own(turn, host);
        // A host is in maintenance when its machines have gone, which takes a while where there are any.
        let name = turn.world.string(host, "name");
        super::record::alert(turn.world, (7, "ALERT.COMPUTE.HOST"), format!("Migration Complete for host {name}"));
        if machines.is_empty() {
            turn.world.set(host, "resourcestate", "Maintenance");
        } else {
            turn.world.set(host, "resourcestate", "PrepareForMaintenance");
            turn.world.later(MOVED, move |world| {
                if world.text(host, "resourcestate") == Some("PrepareForMaintenance") {
                    world.set(host, "resourcestate", "Maintenance");
                }
            });
        }
        for vm in machines {
            match host_beside(turn.world, Some(host)) {
                Some(target) => turn.world.set(vm, "host", target),
                None => super::vm::power_off(turn.world, vm),
            }
        }
        Ok(Outcome::Object(host))
    }))
}

/// Moves what the zone runs for itself off a host. Where the cluster has no other host, routers stop, and system VMs are given
/// up for new ones elsewhere.
fn clear_of_own(turn: &mut Turn<'_>, host: Handle) {
    let target = host_beside(turn.world, Some(host));
    let own = |kind: &str| turn.world.referring(kind, "host", host).collect::<Vec<Handle>>();
    let (routers, system) = (own("router"), own("systemvm"));
    for vm in routers {
        match target {
            Some(target) => turn.world.set(vm, "host", target),
            None => super::systemvm::halt(turn.world, vm),
        }
    }
    for vm in system {
        match target {
            Some(target) => turn.world.set(vm, "host", target),
            None => super::systemvm::dismiss(turn.world, vm),
        }
    }
    if let Some(zone) = turn.world.link(host, "zone") {
        super::systemvm::look_at(turn, zone);
    }
}

fn release_host(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let host = turn.target("id")?;
    Ok(turn.job(host, WORK_SHORT, move |turn| {
        let state = turn.world.text(host, "resourcestate").unwrap_or("Enabled").to_owned();
        if !matches!(state.as_str(), "Maintenance" | "PrepareForMaintenance" | "ErrorInMaintenance" | "ErrorInPrepareForMaintenance") {
            let said = format!(
                "Host {{\"id\":{},\"name\":\"{}\",\"type\":\"Routing\",\"uuid\":\"{}\"}}",
                World::internal_number(host),
                turn.world.string(host, "name"),
                turn.world.id(host)
            );
            return Err(Refusal::failed(format!("Cannot perform cancelMaintenance when resource state is {state}, host: {said}")));
        }
        turn.world.set(host, "resourcestate", "Enabled");
        if let Some(zone) = turn.world.link(host, "zone") {
            super::systemvm::look_at(turn, zone);
        }
        Ok(Outcome::Object(host))
    }))
}

fn set_pool(turn: &Turn<'_>, state: &'static str) -> Result<Outcome, Refusal> {
    let pool = turn.target("id")?;
    Ok(turn.job(pool, WORK_SHORT, move |turn| {
        turn.world.set(pool, "state", state);
        // What the zone runs for itself starts anew elsewhere when its storage goes.
        if state == "Maintenance" {
            let zone = turn.world.link(pool, "zone");
            let is_other =
                |other: &Handle| *other != pool && turn.world.link(*other, "zone") == zone && turn.world.text(*other, "state") != Some("Maintenance");
            let other = turn.world.rows(turn.world.kind("storagepool")).find(is_other);
            let system: Vec<Handle> = turn.world.referring("systemvm", "pool", pool).collect();
            for vm in system {
                match other {
                    Some(other) => {
                        super::systemvm::start_anew(turn.world, vm);
                        turn.world.set(vm, "pool", other);
                    }
                    None => super::systemvm::halt(turn.world, vm),
                }
            }
            hold_machines(turn.world, pool);
        } else {
            let held: Vec<Handle> = turn.world.referring("virtualmachine", "heldby", pool).collect();
            held.into_iter().for_each(|vm| super::vm::resume(turn, vm));
        }
        Ok(Outcome::Object(pool))
    }))
}

/// Stops the machines whose disks are on a pool; they start again with it.
fn hold_machines(world: &mut World, pool: Handle) {
    let owners: Vec<Handle> = world.referring("volume", "pool", pool).filter_map(|volume| world.link(volume, "vm")).collect();
    for vm in owners.into_iter().filter(|vm| world.text(*vm, "state") == Some("Running")).collect::<Vec<_>>() {
        super::vm::power_off(world, vm);
        world.set(vm, "heldby", pool);
    }
}

fn maintain_pool(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    set_pool(turn, "Maintenance")
}

fn release_pool(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    set_pool(turn, "Up")
}
