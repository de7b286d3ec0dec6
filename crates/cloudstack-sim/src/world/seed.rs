//! The first world: one zone, the accounts that people try things as, and a few machines so that it is not dull.
//!
//! Made from the seed alone; the same seed makes the same ids and keys.

use cloudstack_api::{catalog::Catalog, roles::default_roles};
use serde_json::json;

use super::{Datum, Handle, World, shelf};
use crate::{
    auth,
    cloud::Identity,
    nouns::{self, seeding},
    options::{Scene, WorldOptions},
    turn::Server,
};

/// Names of domains, accounts and roles: the identity's name, domain, role.
const IDENTITIES: &[(&str, &str, &str)] = &[
    ("admin", "ROOT", "Root Admin"),
    ("acme-admin", "ROOT/acme", "Domain Admin"),
    ("dev", "ROOT/acme", "User"),
    ("qa", "ROOT/acme", "User"),
    ("labuser", "ROOT/acme/labs", "User"),
    ("globex-user", "ROOT/globex", "User"),
    ("ro-admin", "ROOT", "Read-Only Admin - Default"),
    ("ro-user", "ROOT/acme", "Read-Only User - Default"),
    ("support-admin", "ROOT", "Support Admin - Default"),
    ("support-user", "ROOT/acme", "Support User - Default"),
];
/// The order in which servers make their roles.
const ROLES: &[(&str, &str)] = &[
    ("Root Admin", "Default root admin role"),
    ("Resource Admin", "Default resource admin role"),
    ("Domain Admin", "Default domain admin role"),
    ("User", "Default user role"),
    ("Read-Only Admin - Default", "Default read-only admin role"),
    ("Read-Only User - Default", "Default read-only user role"),
    ("Support Admin - Default", "Default support admin role"),
    ("Support User - Default", "Default support user role"),
];
/// Accounts that share the machines of a large world; more come as there are more machines.
const CROWD: &[&str] = &["dev", "qa", "labuser", "globex-user"];
/// How many machines of a large world an account has.
const MACHINES_PER_ACCOUNT: usize = 100;
/// Bytes of a GiB and of a TiB.
const GIB: i64 = 1 << 30;
const TIB: i64 = 1 << 40;

/// Who may call the first world: known before it is made.
pub(crate) fn identities(options: &WorldOptions) -> Vec<Identity> {
    let wanted = if options.scene == Scene::Bare { 1 } else { IDENTITIES.len() };
    let identity = |(name, domain, role): &(&str, &str, &str)| {
        let (api_key, secret_key) = auth::keys_of(options.seed, name);
        Identity {
            name: (*name).to_owned(),
            role: (*role).to_owned(),
            account: (*name).to_owned(),
            domain: (*domain).to_owned(),
            api_key,
            secret_key,
            username: (*name).to_owned(),
            password: format!("{name}-password"),
        }
    };
    IDENTITIES.iter().take(wanted).map(identity).collect()
}

/// Fills an empty world.
pub(crate) fn seed(world: &mut World, server: &Server) {
    let scene = server.options.scene;
    roles(world, server);
    people(world, &server.options);
    alerts(world);
    let places = places(world, &server.options.version(), scene);
    let wares = wares(world, places.zone, server);
    equip(world);
    settings(world, server);
    world.asides.clear();
    if scene == Scene::Bare {
        super::history::seed(world);
        return;
    }
    seeding::count_now(world);
    let project_owner = account(world, "dev");
    seeding::project(world, project_owner, "apollo", "Apollo");
    machines(world, &places, &wares);
    crowd(world, &places, &wares, server.options.vms);
    world.asides.clear();
}

/// Gives system VMs their offerings and their template, which come after them.
fn equip(world: &mut World) {
    let template = world.find("template", "name", "SystemVM Template (simulator)");
    for (kind, offering) in [("consoleproxy", "System Offering For Console Proxy"), ("secondarystoragevm", "System Offering For Secondary Storage VM")] {
        let Some(vm) = world.find("systemvm", "systemvmtype", kind) else { continue };
        if let Some(offering) = world.find("serviceoffering", "name", offering) {
            world.set(vm, "offering", offering);
        }
        if let Some(template) = template {
            world.set(vm, "template", template);
        }
    }
}

fn roles(world: &mut World, server: &Server) {
    let known = [server.options.release.line_name(), "4.22".to_owned()];
    let mut rules = known.iter().map(|line| default_roles(line)).find(|roles| !roles.is_empty()).unwrap_or_default();
    let ordered: Vec<(String, String)> = ROLES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let others: Vec<(String, String)> =
        rules.keys().filter(|name| !ROLES.iter().any(|(known, _)| known == name)).map(|name| (name.clone(), name.clone())).collect();
    let kind = world.kind("role");
    for (name, text) in ordered.into_iter().chain(others) {
        let Some(role) = rules.remove(&name) else { continue };
        let word = format!("{:?}", role.kind);
        let fields: [(&str, Datum); 4] =
            [("type", word.into()), ("isdefault", ROLES.iter().any(|(known, _)| *known == name).into()), ("name", name.into()), ("description", text.into())];
        let row = world.insert(kind, None, &fields);
        world.roles.insert(row.row, role);
    }
}

fn people(world: &mut World, options: &WorldOptions) {
    let scene = options.scene;
    let kind = world.kind("domain");
    let root = world.insert(kind, None, &[("name", "ROOT".into()), ("path", "ROOT".into()), ("level", 0.into())]);
    if scene == Scene::Furnished {
        let acme = seeding::domain(world, root, "acme");
        seeding::domain(world, acme, "labs");
        seeding::domain(world, root, "globex");
    }
    if let Some(role) = world.find("role", "name", "Root Admin") {
        seeding::account(world, "system", root, role);
    }
    if let Some(role) = world.find("role", "name", "User").filter(|_| scene == Scene::Bare) {
        seeding::account(world, "baremetal-system-account", root, role);
    }
    for identity in identities(options) {
        let Some((account, user)) = person(world, &identity) else { continue };
        if identity.name == "admin" {
            world.set(account, "isdefault", true);
            world.set(user, "isdefault", true);
        }
    }
    // Its user comes last: the first user of a cloud is the root admin's.
    if let Some(account) = account(world, "baremetal-system-account") {
        seeding::nameless_user(world, account, "baremetal-system-account");
    }
}

/// The account and the user of somebody who may call.
fn person(world: &mut World, identity: &Identity) -> Option<(Handle, Handle)> {
    let domain = world.find("domain", "path", &identity.domain)?;
    let role = world.find("role", "name", &identity.role)?;
    let account = seeding::account(world, &identity.account, domain, role);
    let user = seeding::user(world, account, identity);
    Some((account, user))
}

fn account(world: &World, name: &str) -> Option<Handle> {
    world.find("account", "name", name)
}

/// How a scene calls its places.
struct Called {
    zone: &'static str,
    physical_network: &'static str,
    pod: &'static str,
    cluster: &'static str,
    host: &'static str,
    pool: &'static str,
    /// What is taken from numbers that count from one.
    first: i64,
}

impl Called {
    fn of(scene: Scene) -> &'static Self {
        match scene {
            Scene::Furnished => {
                &Self { zone: "zone-1", physical_network: "physical-1", pod: "pod-1", cluster: "cluster-", host: "host-", pool: "primary-", first: 0 }
            }
            Scene::Bare => {
                &Self { zone: "Sandbox-simulator", physical_network: "Sandbox-pnet", pod: "POD0", cluster: "C", host: "SimulatedAgent.", pool: "PS", first: 1 }
            }
        }
    }
}

struct Places {
    zone: Handle,
    hosts: Vec<Handle>,
}

fn put(world: &mut World, kind: &str, fields: &[(&str, Datum)]) -> Handle {
    let kind = world.kind(kind);
    world.insert(kind, None, fields)
}

fn places(world: &mut World, version: &str, scene: Scene) -> Places {
    let called = Called::of(scene);
    let server = put(
        world,
        "managementserver",
        &[("name", "localhost".into()), ("version", version.into()), ("serviceip", "127.0.0.1".into()), ("ipaddress", "127.0.0.1".into())],
    );
    let token = super::id_text(world.fresh_id());
    let zone = put(
        world,
        "zone",
        &[
            ("name", called.zone.into()),
            ("dns1", "10.147.28.6".into()),
            ("internaldns1", "10.147.28.6".into()),
            ("guestcidraddress", "10.1.1.0/24".into()),
            ("networktype", "Advanced".into()),
            ("allocationstate", "Enabled".into()),
            ("zonetoken", token.into()),
        ],
    );
    let physical = put(
        world,
        "physicalnetwork",
        &[("name", called.physical_network.into()), ("zone", zone.into()), ("vlan", "100-200".into()), ("isolationmethods", "VLAN".into())],
    );
    public_range(world, zone, physical);
    let pod = pod(world, zone, called.pod);
    let hosts = clusters(world, (zone, pod), server, version, called);
    put(
        world,
        "imagestore",
        &[
            ("zone", zone.into()),
            ("name", "secondary0".into()),
            ("url", "nfs://10.147.28.6/export/secondary".into()),
            ("protocol", "nfs".into()),
            ("providername", "NFS".into()),
        ],
    );
    system_vms(world, (zone, pod), &hosts, version);
    Places { zone, hosts }
}

fn system_vms(world: &mut World, (zone, pod): (Handle, Handle), hosts: &[Handle], version: &str) {
    let pools: Vec<Handle> = world.rows(world.kind("storagepool")).collect();
    // Where the disks of the second lie decides whether it starts anew when a pool is taken care of.
    let second = if world.is_old { pools.first() } else { pools.last() };
    for (number, kind, pool) in [(1, "consoleproxy", pools.first()), (2, "secondarystoragevm", second)] {
        let mut fields: Vec<(&str, Datum)> = vec![
            ("zone", zone.into()),
            ("pod", pod.into()),
            ("gateway", "192.168.2.1".into()),
            ("privateip", format!("172.16.15.{}", number + 1).into()),
            ("linklocalip", format!("169.254.0.{}", number + 1).into()),
            ("publicip", format!("192.168.2.{}", number + 1).into()),
            ("version", version.into()),
        ];
        fields.extend([("host", hosts.first()), ("pool", pool)].into_iter().filter_map(|(name, target)| Some((name, Datum::from(*target?)))));
        seeding::system_vm(world, kind, &fields);
        if let Some(system) = account(world, "system")
            && let Some(address) = seeding::address(world, system)
        {
            world.set(address, "issystem", true);
        }
    }
}

fn public_range(world: &mut World, zone: Handle, physical: Handle) {
    put(
        world,
        "vlaniprange",
        &[
            ("zone", zone.into()),
            ("vlan", "vlan://50".into()),
            ("gateway", "192.168.2.1".into()),
            ("netmask", "255.255.255.0".into()),
            ("cidr", "192.168.2.0/24".into()),
            ("startip", "192.168.2.2".into()),
            ("endip", "192.168.2.200".into()),
            ("physicalnetwork", physical.into()),
        ],
    );
}

fn pod(world: &mut World, zone: Handle, name: &str) -> Handle {
    put(
        world,
        "pod",
        &[
            ("name", name.into()),
            ("zone", zone.into()),
            ("gateway", "172.16.15.1".into()),
            ("netmask", "255.255.255.0".into()),
            ("ipranges", json!([{"startip": "172.16.15.2", "endip": "172.16.15.200", "forsystemvms": "0", "vlanid": "vlan://untagged"}]).into()),
        ],
    )
}

fn clusters(world: &mut World, (zone, pod): (Handle, Handle), server: Handle, version: &str, called: &Called) -> Vec<Handle> {
    let mut hosts = Vec::new();
    for number in 1..=2_i64 {
        let name = format!("{}{}", called.cluster, number - called.first);
        let cluster = put(world, "cluster", &[("name", name.into()), ("zone", zone.into()), ("pod", pod.into()), ("hypervisortype", "Simulator".into())]);
        for inner in 1..=2_i64 {
            let at = (number - 1) * 2 + inner;
            hosts.push(put(
                world,
                "host",
                &[
                    ("name", format!("{}{at}", called.host).into()),
                    ("type", "Routing".into()),
                    ("ipaddress", format!("172.16.15.{}", 200 + at).into()),
                    ("zone", zone.into()),
                    ("pod", pod.into()),
                    ("cluster", cluster.into()),
                    ("managementserver", server.into()),
                    ("version", version.into()),
                    ("hypervisorversion", version.into()),
                    ("hypervisor", "Simulator".into()),
                    ("cpunumber", 16.into()),
                    ("cpuspeed", 2_000.into()),
                    ("memorytotal", (64 * GIB).into()),
                ],
            ));
            put(
                world,
                "storagepool",
                &[
                    ("name", format!("{}{}", called.pool, at - called.first).into()),
                    ("zone", zone.into()),
                    ("pod", pod.into()),
                    ("cluster", cluster.into()),
                    ("ipaddress", "10.147.28.6".into()),
                    ("path", format!("/export/primary{at}").into()),
                    ("disksizetotal", TIB.into()),
                    ("state", "Up".into()),
                ],
            );
        }
    }
    hosts
}

struct Wares {
    small: Handle,
    template: Handle,
    network_offering: Handle,
}

fn wares(world: &mut World, zone: Handle, server: &Server) -> Wares {
    let (scene, catalog) = (server.options.scene, &server.catalog);
    let furnished = scene == Scene::Furnished;
    let sizes = [("Small Instance", 1, 500, 512), ("Medium Instance", 1, 1_000, 1_024), ("Large Instance", 4, 2_000, 8_192)];
    let mut small = None;
    for (name, cpus, speed, memory) in sizes.into_iter().take(if furnished { 3 } else { 2 }) {
        let offering = put(
            world,
            "serviceoffering",
            &[
                ("name", name.into()),
                ("displaytext", name.into()),
                ("cpunumber", Datum::Number(cpus)),
                ("cpuspeed", Datum::Number(speed)),
                ("memory", Datum::Number(memory)),
                ("diskofferingname", name.into()),
                ("diskofferingdisplaytext", name.into()),
            ],
        );
        small = small.or(Some(offering));
    }
    if furnished {
        put(world, "serviceoffering", &[("name", "Custom Instance".into()), ("displaytext", "Any size".into()), ("iscustomized", true.into())]);
    }
    shelf::stock_noun(world, "serviceoffering", catalog);
    for (name, text, size) in [("Small", "Small Disk, 5 GB", 5), ("Medium", "Medium Disk, 20 GB", 20), ("Large", "Large Disk, 100 GB", 100)] {
        put(world, "diskoffering", &[("name", name.into()), ("displaytext", text.into()), ("disksize", Datum::Number(size))]);
    }
    put(world, "diskoffering", &[("name", "Custom".into()), ("displaytext", "Custom Disk".into()), ("iscustomized", true.into())]);
    let template = images(world, (zone, furnished), catalog);
    let network_offering = network_wares(world, catalog, template);
    Wares { small: small.unwrap_or(template), template, network_offering }
}

fn images(world: &mut World, (zone, furnished): (Handle, bool), catalog: &Catalog) -> Handle {
    let system = account(world, "system");
    shelf::stock_noun(world, "oscategory", catalog);
    shelf::stock_noun(world, "ostype", catalog);
    let systems = ["CentOS 5.6 (64-bit)", "Ubuntu 24.04 LTS", "Debian GNU/Linux 12 (64-bit)", "Rocky Linux 9"];
    let known = systems.iter().map(|name| world.find("ostype", "description", name));
    let types: Vec<Handle> = known.map(|found| found.or_else(|| world.rows(world.kind("ostype")).next())).collect::<Option<_>>().unwrap_or_default();
    let kind = world.kind("template");
    let names = ["CentOS 5.6 (64-bit) no GUI (Simulator)", "Ubuntu 24.04", "Debian 12", "Rocky 9"];
    let mut first = None;
    for (at, name) in names.into_iter().take(if furnished { 4 } else { 1 }).enumerate() {
        let mut fields: Vec<(&str, Datum)> = vec![
            ("name", name.into()),
            ("displaytext", name.into()),
            ("ispublic", true.into()),
            ("isready", true.into()),
            ("isfeatured", true.into()),
            ("crossZones", true.into()),
            ("format", "VHD".into()),
            ("zone", zone.into()),
            ("status", "Download Complete".into()),
            ("size", (2 * GIB).into()),
            ("physicalsize", (2 * GIB).into()),
            ("templatetype", if at == 0 { "BUILTIN" } else { "USER" }.into()),
            ("hypervisor", "Simulator".into()),
            ("passwordenabled", (at == 1).into()),
            ("sshkeyenabled", (at > 0).into()),
            ("requireshvm", false.into()),
            ("checksum", "".into()),
            ("url", "http://nfs1.lab.vmops.com/templates/centos53-x86_64/latest/centos.vhd.bz2".into()),
        ];
        if let Some(os) = types.get(at) {
            fields.push(("ostype", (*os).into()));
        }
        let template = world.insert(kind, system, &fields);
        first = first.or(Some(template));
    }
    hidden_images(world, zone, types.first().copied());
    let iso = world.kind("iso");
    let tools: [(&str, Datum); 8] = [
        ("bootable", false.into()),
        ("isbundled", true.into()),
        ("status", "Processing".into()),
        ("name", "xs-tools.iso".into()),
        ("displaytext", "XenServer Tools Installer ISO (xen-pv-drv-iso)".into()),
        ("ispublic", true.into()),
        ("isready", true.into()),
        ("isfeatured", true.into()),
    ];
    let tools = world.insert(iso, system, &tools);
    if let Some(os) = world.find("ostype", "description", "CentOS 4.5 (32-bit)").or(types.first().copied()) {
        world.set(tools, "ostype", os);
    }
    first.unwrap_or(zone)
}

/// The templates that tenants do not see: that of system VMs, and those of hypervisors that no zone here has.
fn hidden_images(world: &mut World, zone: Handle, os: Option<Handle>) {
    let system = account(world, "system");
    let kind = world.kind("template");
    let fields: [(&str, Datum); 14] = [
        ("name", "SystemVM Template (simulator)".into()),
        ("displaytext", "SystemVM Template (simulator)".into()),
        ("isready", true.into()),
        ("crossZones", true.into()),
        ("format", "VHD".into()),
        ("zone", zone.into()),
        ("status", "Download Complete".into()),
        ("templatetype", "SYSTEM".into()),
        ("hypervisor", "Simulator".into()),
        ("size", (2 * GIB).into()),
        ("physicalsize", (2 * GIB).into()),
        ("requireshvm", false.into()),
        ("checksum", "".into()),
        ("url", "http://nfs1.lab.vmops.com/templates/routing/debian/latest/systemvm.vhd.bz2".into()),
    ];
    let system_template = world.insert(kind, system, &fields);
    if let Some(os) = world.find("ostype", "description", "Debian GNU/Linux 5.0 (64-bit)") {
        world.set(system_template, "ostype", os);
    }
    let pool = world.rows(world.kind("storagepool")).next();
    if let Some(pool) = pool {
        world.set(system_template, "pools", Datum::Links(vec![pool].into()));
    }
    // Templates of other hypervisors are known to every server and downloaded to none of these zones.
    for hypervisor in ["KVM", "VMware", "XenServer"] {
        let name = format!("CentOS 5.6(64-bit) no GUI ({hypervisor})");
        let fields: [(&str, Datum); 7] = [
            ("name", name.as_str().into()),
            ("displaytext", name.as_str().into()),
            ("hypervisor", hypervisor.into()),
            ("format", "VHD".into()),
            ("templatetype", "BUILTIN".into()),
            ("isready", false.into()),
            ("hidden", true.into()),
        ];
        let template = world.insert(kind, system, &fields);
        if let Some(os) = os {
            world.set(template, "ostype", os);
        }
    }
}

fn network_wares(world: &mut World, catalog: &Catalog, fallback: Handle) -> Handle {
    shelf::stock_noun(world, "networkoffering", catalog);
    shelf::stock_noun(world, "vpcoffering", catalog);
    let isolated = world.find("networkoffering", "name", "DefaultIsolatedNetworkOfferingWithSourceNatService");
    isolated.unwrap_or(fallback)
}

fn settings(world: &mut World, server: &Server) {
    shelf::stock_noun(world, "configuration", &server.catalog);
    let kind = world.kind("configuration");
    for (name, value) in server.options.settings {
        if let Some(row) = world.find("configuration", "name", name) {
            world.set(row, "value", *value);
        }
    }
    for (name, default, class, group, text) in seeding::SETTINGS {
        if let Some(row) = world.find("configuration", "name", name) {
            // People who try things want to see what they destroyed; a bare world is as strict as a new server.
            if server.options.scene == Scene::Furnished && server.options.setting(name).is_none() {
                world.set(row, "value", *default);
            }
            continue;
        }
        let value = server.options.setting(name).unwrap_or(default);
        let fields: [(&str, Datum); 6] = [
            ("name", (*name).into()),
            ("value", value.into()),
            ("defaultvalue", (*default).into()),
            ("type", (*class).into()),
            ("group", (*group).into()),
            ("description", (*text).into()),
        ];
        world.insert_as(kind, 0, None, &fields);
    }
}

/// What a server tells of when it starts.
fn alerts(world: &mut World) {
    let started = "Management server node 127.0.0.1 is up";
    for text in ["The network of management is not configured; its default is taken", started] {
        seeding::alert(world, (14, "ALERT.MANAGEMENT"), text);
    }
}

fn machines(world: &mut World, places: &Places, wares: &Wares) {
    let plan = [("dev", "office", vec![("web-1", true), ("web-2", true), ("db-1", true), ("build-1", false)]), ("qa", "qa-network", vec![("qa-1", true)])];
    for (owner, network, machines) in plan {
        let Some(owner) = account(world, owner) else { continue };
        let network = seeding::network(world, owner, network, (places.zone, wares.network_offering));
        for (name, runs) in machines {
            machine(world, owner, name, &Recipe { places, wares, network, runs });
        }
    }
}

struct Recipe<'a> {
    places: &'a Places,
    wares: &'a Wares,
    network: Handle,
    runs: bool,
}

/// Puts a machine with its disk and NIC straight into the world.
fn machine(world: &mut World, owner: Handle, name: &str, recipe: &Recipe<'_>) {
    let number = world.next("instance", 1);
    let instance = nouns::instance_name(world, owner, number);
    let offering = recipe.wares.small;
    let mut fields: Vec<(&str, Datum)> = vec![
        ("name", name.into()),
        ("displayname", name.into()),
        ("state", if recipe.runs { "Running" } else { "Stopped" }.into()),
        ("zone", recipe.places.zone.into()),
        ("template", recipe.wares.template.into()),
        ("offering", offering.into()),
        ("cpunumber", world.number(offering, "cpunumber").into()),
        ("cpuspeed", world.number(offering, "cpuspeed").into()),
        ("memory", world.number(offering, "memory").into()),
        ("instancename", instance.into()),
    ];
    if let Some(user) = world.owned(world.kind("user"), owner).next() {
        fields.push(("user", user.into()));
    }
    if let Some(os) = world.link(recipe.wares.template, "ostype") {
        fields.push(("ostype", os.into()));
    }
    let turn = usize::try_from(number).unwrap_or(0);
    if let Some(host) = turn.checked_rem(recipe.places.hosts.len()).and_then(|at| recipe.places.hosts.get(at)).filter(|_| recipe.runs) {
        fields.push(("host", (*host).into()));
    }
    let kind = world.kind("virtualmachine");
    let vm = world.insert(kind, Some(owner), &fields);
    let root: [(&str, Datum); 9] = [
        ("name", format!("ROOT-{number}").into()),
        ("type", "ROOT".into()),
        ("deviceid", 0.into()),
        ("vm", vm.into()),
        ("zone", recipe.places.zone.into()),
        ("template", recipe.wares.template.into()),
        ("offering", offering.into()),
        ("size", (2 * GIB).into()),
        ("state", "Ready".into()),
    ];
    let kind = world.kind("volume");
    let volume = world.insert(kind, Some(owner), &root);
    seeding::place(world, volume);
    seeding::nic(world, vm, recipe.network);
}

/// Adds accounts until there are `wanted`. Nobody is told their keys; who wants to call as one of them asks for new ones.
fn tenants(world: &mut World, owners: &mut Vec<Handle>, wanted: usize) {
    const DOMAINS: [&str; 3] = ["ROOT/acme", "ROOT/acme/labs", "ROOT/globex"];
    let Some(role) = world.find("role", "name", "User") else { return };
    let domains: Vec<Handle> = DOMAINS.iter().filter_map(|path| world.find("domain", "path", path)).collect();
    for (number, domain) in (owners.len() + 1..=wanted).zip(domains.iter().cycle()) {
        owners.push(seeding::account(world, &format!("tenant-{number:04}"), *domain, role));
    }
}

/// Spreads many machines over a few accounts, a couple of hundred to a network.
fn crowd(world: &mut World, places: &Places, wares: &Wares, count: usize) {
    const PER_NETWORK: usize = 200;
    let mut owners: Vec<Handle> = CROWD.iter().filter_map(|name| account(world, name)).collect();
    if count == 0 || owners.is_empty() {
        return;
    }
    tenants(world, &mut owners, count / MACHINES_PER_ACCOUNT);
    for owner in &owners {
        world.set(*owner, "unlimited", true);
    }
    let mut networks: Vec<(Handle, usize)> = Vec::new();
    for number in 1..=count {
        let at = number % owners.len();
        let Some(owner) = owners.get(at).copied() else { continue };
        let needs_network = networks.get(at).is_none_or(|(_, used)| *used >= PER_NETWORK);
        if needs_network {
            let name = format!("app-net-{number:05}");
            let network = seeding::network(world, owner, &name, (places.zone, wares.network_offering));
            match networks.get_mut(at) {
                Some(entry) => *entry = (network, 0),
                None => networks.resize(at + 1, (network, 0)),
            }
        }
        let Some((network, used)) = networks.get_mut(at) else { continue };
        *used += 1;
        let runs = world.random.u8(..) > 40;
        machine(world, owner, &format!("app-{number:04}"), &Recipe { places, wares, network: *network, runs });
    }
}
