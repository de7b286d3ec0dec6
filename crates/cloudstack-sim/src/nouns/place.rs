//! Where things are: zones, pods, clusters, hosts, storage, system VMs, OS types.

use serde_json::json;

use super::Tables;
use crate::{
    kind::{CREATED, Constant, HAS_ANNOTATIONS, ID, Noun, Shown, TAGS, always, computed, flag, linked, own, own_or},
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_MEDIUM, WORK_SHORT},
    world::{Handle, World},
};

/// Bytes of a MiB.
const MIB: i64 = 1 << 20;

/// A zone.
pub(crate) const ZONE_NOUN: Noun = Noun {
    word: "zone",
    entities: &["ZoneResponse", "ZoneMetricsResponse"],
    resource: "Zone",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own("dns1").root(),
        own("dns2").root(),
        own("internaldns1").root(),
        own("guestcidraddress").root(),
        own("networktype"),
        flag("securitygroupsenabled"),
        always("gputotal", Constant::Number(0)),
        always("gpuused", Constant::Number(0)),
        own("allocationstate"),
        own("zonetoken"),
        own_or("dhcpprovider", Constant::Text("VirtualRouter")),
        flag("localstorageenabled"),
        TAGS,
        flag("allowuserspecifyvrmtu"),
        always("routerprivateinterfacemaxmtu", Constant::Number(1500)),
        always("routerpublicinterfacemaxmtu", Constant::Number(1500)),
        own_or("type", Constant::Text("Core")),
        flag("isnsxenabled"),
        flag("ismultiarch"),
        always("asnrange", Constant::Text("")),
        always("routedmodeenabled", Constant::Flag(true)),
        HAS_ANNOTATIONS,
    ],
};

/// A pod.
pub(crate) const POD_NOUN: Noun = Noun {
    word: "pod",
    entities: &["PodResponse"],
    resource: "Pod",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        own("gateway"),
        own("netmask"),
        own("ipranges"),
        own("startip"),
        own("endip"),
        own("forsystemvms"),
        own("vlanid"),
        own_or("allocationstate", Constant::Text("Enabled")),
        HAS_ANNOTATIONS,
    ],
};

/// A cluster.
pub(crate) const CLUSTER_NOUN: Noun = Noun {
    word: "cluster",
    entities: &["ClusterResponse", "ClusterMetricsResponse"],
    resource: "Cluster",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        linked("podid", "pod", "id"),
        linked("podname", "pod", "name"),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        own("hypervisortype"),
        own_or("clustertype", Constant::Text("CloudManaged")),
        own_or("allocationstate", Constant::Text("Enabled")),
        own_or("managedstate", Constant::Text("Managed")),
        always("cpuovercommitratio", Constant::Text("1.0")),
        always("memoryovercommitratio", Constant::Text("1.0")),
        always("resourcedetails", Constant::Raw("{\"memoryOvercommitRatio\":\"1.0\",\"cpuOvercommitRatio\":\"1.0\"}")),
        always("arch", Constant::Text("x86_64")),
        HAS_ANNOTATIONS,
    ],
};

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
        computed("cpuallocated", |world, host, _| Some(Shown::Text(percent(allocated(world, host, "cpunumber"), world.number(host, "cpunumber"))))),
        always("cpuused", Constant::Text("0%")),
        own("memorytotal"),
        computed("memoryallocated", |world, host, _| Some(Shown::Number(allocated(world, host, "memory") * MIB))),
        always("memoryused", Constant::Number(0)),
        own_or("capabilities", Constant::Text("hvm")),
        linked("clusterid", "cluster", "id"),
        linked("clustername", "cluster", "name"),
        linked("managementserverid", "managementserver", "id"),
        linked("managementservername", "managementserver", "name"),
        flag("islocalstorageactive"),
        CREATED,
        own("hosttags"),
        own_or("resourcestate", Constant::Text("Enabled")),
        own("hypervisorversion"),
        flag("hahost"),
        flag("ueficapability"),
        always("arch", Constant::Text("x86_64")),
        HAS_ANNOTATIONS,
        computed("jobid", |world, host, _| world.job_on(host).map(|job| Shown::Text(job.to_owned()))),
        computed("jobstatus", |world, host, _| world.job_on(host).map(|_| Shown::Number(0))),
    ],
};

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
        own("disksizetotal"),
        computed("disksizeallocated", |world, pool, _| {
            Some(Shown::Number(world.referring("volume", "pool", pool).map(|volume| world.number(volume, "size")).sum()))
        }),
        always("disksizeused", Constant::Number(0)),
        own("tags"),
        flag("istagarule"),
        own_or("state", Constant::Text("Up")),
        own_or("scope", Constant::Text("CLUSTER")),
        always("overprovisionfactor", Constant::Text("2.0")),
        own_or("hypervisor", Constant::Text("Simulator")),
        own_or("provider", Constant::Text("DefaultPrimary")),
        always("storagecapabilities", Constant::Raw("{\"VOLUME_SNAPSHOT_QUIESCEVM\":\"false\"}")),
        flag("managed"),
        HAS_ANNOTATIONS,
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
        own("serviceip"),
        own("ipaddress"),
        always("agentscount", Constant::Number(4)),
        always("pendingjobscount", Constant::Number(0)),
    ],
};

/// A physical network.
pub(crate) const PHYSICAL_NETWORK_NOUN: Noun = Noun {
    word: "physicalnetwork",
    entities: &["PhysicalNetworkResponse"],
    resource: "PhysicalNetwork",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own_or("broadcastdomainrange", Constant::Text("ZONE")),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        own_or("state", Constant::Text("Enabled")),
        own("vlan"),
        own("isolationmethods"),
    ],
};

/// A range of public addresses.
pub(crate) const VLAN_RANGE_NOUN: Noun = Noun {
    word: "vlaniprange",
    entities: &["VlanIpRangeResponse"],
    resource: "VlanIpRange",
    owned: false,
    keywords: &[],
    newest_first: false,
    view: &[
        ID,
        own_or("forvirtualnetwork", Constant::Flag(true)),
        linked("zoneid", "zone", "id"),
        own("vlan"),
        own("gateway"),
        own("netmask"),
        own("cidr"),
        own("startip"),
        own("endip"),
        linked("physicalnetworkid", "physicalnetwork", "id"),
        flag("forsystemvms"),
    ],
};

/// A system VM.
pub(crate) const SYSTEM_VM_NOUN: Noun = Noun {
    word: "systemvm",
    entities: &["SystemVmResponse"],
    resource: "SystemVm",
    owned: false,
    keywords: &["name"],
    newest_first: true,
    view: &[
        ID,
        own("systemvmtype"),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        linked("dns1", "zone", "dns1"),
        own("gateway"),
        own("name"),
        linked("podid", "pod", "id"),
        linked("podname", "pod", "name"),
        linked("hostid", "host", "id"),
        linked("hostname", "host", "name"),
        always("hypervisor", Constant::Text("Simulator")),
        own("privateip"),
        own("linklocalip"),
        own("publicip"),
        CREATED,
        own_or("state", Constant::Text("Running")),
        own_or("agentstate", Constant::Text("Up")),
        own("version"),
        flag("isdynamicallyscalable"),
        linked("serviceofferingid", "offering", "id"),
        linked("serviceofferingname", "offering", "name"),
        always("arch", Constant::Text("x86_64")),
        HAS_ANNOTATIONS,
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
    view: &[ID, own("name"), flag("isfeatured")],
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
        ("updateHost", update_host),
        ("deleteHost", delete_host),
        ("deleteZone", delete_zone),
        ("deleteCluster", delete_cluster),
        ("deleteStoragePool", delete_pool),
        ("enableStorageMaintenance", maintain_pool),
        ("cancelStorageMaintenance", release_pool),
        ("startSystemVm", start_system_vm),
        ("stopSystemVm", stop_system_vm),
        ("rebootSystemVm", start_system_vm),
        ("listCapacity", capacity),
    ],
    filters: &[
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

fn usable_hosts(world: &World) -> Vec<Handle> {
    let enabled = |host: &Handle| {
        world.text(*host, "type") == Some("Routing")
            && matches!(world.text(*host, "resourcestate"), None | Some("Enabled"))
            && matches!(world.text(*host, "state"), None | Some("Up"))
    };
    world.rows(world.kind("host")).filter(enabled).collect()
}

/// A host for a new machine: one after the other.
pub(crate) fn choose_host(world: &mut World) -> Option<Handle> {
    let hosts = usable_hosts(world);
    let turn = usize::try_from(world.next("host", 0)).unwrap_or(0);
    turn.checked_rem(hosts.len()).and_then(|at| hosts.get(at)).copied()
}

/// Another host than the one a machine is on.
pub(crate) fn other_host(world: &World, from: Option<Handle>) -> Option<Handle> {
    usable_hosts(world).into_iter().find(|host| Some(*host) != from)
}

fn maintain_host(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let host = turn.target("id")?;
    Ok(turn.job(host, WORK_MEDIUM, move |turn| {
        if turn.world.text(host, "resourcestate") == Some("Maintenance") {
            return Err(Refusal::failed(
                "Failed to prepare host for maintenance due to: Host is already in state Maintenance. Cannot recall for maintenance until resolved.",
            ));
        }
        turn.world.set(host, "resourcestate", "Maintenance");
        let machines: Vec<Handle> = turn.world.referring("virtualmachine", "host", host).collect();
        for vm in machines {
            match choose_host(turn.world) {
                Some(target) => turn.world.set(vm, "host", target),
                None => super::vm::power_off(turn.world, vm),
            }
        }
        Ok(Outcome::Object(host))
    }))
}

fn release_host(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let host = turn.target("id")?;
    Ok(turn.job(host, WORK_SHORT, move |turn| {
        let state = turn.world.text(host, "resourcestate").unwrap_or("Enabled").to_owned();
        if state != "Maintenance" {
            let said = format!(
                "Host {{\"id\":{},\"name\":\"{}\",\"type\":\"Routing\",\"uuid\":\"{}\"}}",
                World::internal_number(host),
                turn.world.string(host, "name"),
                turn.world.id(host)
            );
            return Err(Refusal::failed(format!("Cannot perform cancelMaintenance when resource state is {state}, host: {said}")));
        }
        turn.world.set(host, "resourcestate", "Enabled");
        Ok(Outcome::Object(host))
    }))
}

fn update_host(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let host = turn.target("id")?;
    if let Some(state) = turn.arguments.text("allocationstate").map(str::to_owned) {
        turn.world.set(host, "resourcestate", if state.starts_with("Enable") { "Enabled" } else { "Disabled" });
    }
    for name in ["hosttags", "name"] {
        if let Some(text) = turn.arguments.text(name).map(str::to_owned) {
            turn.world.set(host, name, text);
        }
    }
    Ok(Outcome::Object(host))
}

fn delete_host(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let host = turn.target("id")?;
    if turn.world.text(host, "resourcestate") != Some("Maintenance") && !turn.arguments.flag("forced") {
        return Err(Refusal::internal(format!("Host with UUID [{}] is not in maintenance mode and no forced deletion was requested.", turn.world.id(host))));
    }
    turn.world.remove(host);
    Ok(Outcome::Success)
}

fn delete_zone(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let zone = turn.target("id")?;
    if turn.world.referring("host", "zone", zone).next().is_some() {
        return Err(Refusal::internal("The zone cannot be deleted because there are servers in this zone."));
    }
    turn.world.remove(zone);
    Ok(Outcome::Success)
}

fn delete_cluster(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let cluster = turn.target("id")?;
    if turn.world.referring("host", "cluster", cluster).next().is_some() {
        return Err(Refusal::internal(format!("Cluster: {} cannot be removed. Cluster still has hosts", World::internal_number(cluster))));
    }
    turn.world.remove(cluster);
    Ok(Outcome::Success)
}

fn delete_pool(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let pool = turn.target("id")?;
    if turn.world.text(pool, "state") != Some("Maintenance") {
        let said = format!(
            "StoragePool {{\"id\":{},\"name\":\"{}\",\"poolType\":\"NetworkFilesystem\",\"uuid\":\"{}\"}}",
            World::internal_number(pool),
            turn.world.string(pool, "name"),
            turn.world.id(pool)
        );
        return Err(Refusal::invalid(format!("Unable to delete storage due to it is not in Maintenance state, pool: {said}")));
    }
    turn.world.remove(pool);
    Ok(Outcome::Success)
}

fn set_pool(turn: &Turn<'_>, state: &'static str) -> Result<Outcome, Refusal> {
    let pool = turn.target("id")?;
    Ok(turn.job(pool, WORK_SHORT, move |turn| {
        turn.world.set(pool, "state", state);
        Ok(Outcome::Object(pool))
    }))
}

fn maintain_pool(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    set_pool(turn, "Maintenance")
}

fn release_pool(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    set_pool(turn, "Up")
}

fn set_system_vm(turn: &Turn<'_>, state: &'static str) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    Ok(turn.job(vm, WORK_MEDIUM, move |turn| {
        turn.world.set(vm, "state", state);
        Ok(Outcome::Object(vm))
    }))
}

fn start_system_vm(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    set_system_vm(turn, "Running")
}

fn stop_system_vm(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    set_system_vm(turn, "Stopped")
}

fn capacity(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let world = &*turn.world;
    let hosts: Vec<Handle> = world.rows(world.kind("host")).filter(|host| world.text(*host, "type") == Some("Routing")).collect();
    let total = |field: &str| hosts.iter().map(|host| world.number(*host, field)).sum::<i64>();
    let used = |field: &str| hosts.iter().map(|host| allocated(world, *host, field)).sum::<i64>();
    let disks: i64 = world.rows(world.kind("storagepool")).map(|pool| world.number(pool, "disksizetotal")).sum();
    let stored: i64 = world.rows(world.kind("volume")).filter(|volume| world.link(*volume, "pool").is_some()).map(|volume| world.number(volume, "size")).sum();
    let addresses = i64::try_from(world.count(world.kind("ipaddress"))).unwrap_or(0);
    let speed = hosts.first().map_or(0, |host| world.number(*host, "cpuspeed"));
    let rows = [
        (0, "MEMORY", used("memory") * MIB, total("memorytotal")),
        (1, "CPU", used("cpunumber") * 500, total("cpunumber") * speed),
        (2, "STORAGE", 0, disks),
        (3, "STORAGE_ALLOCATED", stored, disks * 2),
        (4, "VIRTUAL_NETWORK_PUBLIC_IP", addresses, 199),
        (5, "PRIVATE_IP", 4, 199),
        (6, "SECONDARY_STORAGE", 0, 0),
        (7, "VLAN", 0, 101),
        (90, "CPU_CORE", used("cpunumber"), total("cpunumber")),
    ];
    let wanted = turn.arguments.number("type");
    let zone = only_zone(world);
    let (id, name) = (zone.map(|zone| world.id(zone)).unwrap_or_default(), zone.map(|zone| world.string(zone, "name")).unwrap_or_default());
    let shown = rows.into_iter().filter(|(kind, ..)| wanted.is_none_or(|wanted| wanted == *kind)).map(|(kind, word, used, total)| {
        let hundredths = (used * 10_000).checked_div(total).unwrap_or(0);
        let percent = format!("{}.{:02}", hundredths / 100, hundredths % 100);
        let percent = percent.trim_end_matches('0').trim_end_matches('.').to_owned();
        json!({"type": kind, "name": word, "zoneid": id, "zonename": name, "capacityallocated": used, "capacityused": used, "capacitytotal": total, "percentused": percent}).to_string()
    });
    let items: Vec<String> = shown.collect();
    Ok(Outcome::Rendered(items.join(","), items.len()))
}
