//! Kubernetes clusters: the versions that they may have, clusters that the cloud runs and clusters that others run, their
//! nodes.
//!
//! Nodes are machines of the owner. What runs inside of them is not here: a configuration is told that leads nowhere.

use serde_json::json;

use super::{
    Tables, appliance,
    recipe::{self, Put, Recipe, change, make, take},
};
use crate::{
    kind::{
        ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, Member, Noun, PROJECT, PROJECT_ID, Shown, Viewer, always, computed,
        linked, own, own_or,
    },
    options::Scene,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_LONG, WORK_MEDIUM, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// Clusters that the cloud runs.
const MANAGED: &str = "CloudManaged";
/// Clusters that others run, which the cloud only knows of.
const EXTERNAL: &str = "ExternalManaged";
/// Where the API of a cluster listens.
const API_PORT: i64 = 6443;
/// The port of the first node's SSH.
const SSH_PORT: i64 = 2222;
/// What a node has at least: CPUs and MiB.
const NODE_MINIMUM: [(&str, i64); 2] = [("cpunumber", 2), ("memory", 2048)];
/// The first version whose clusters may have several control nodes.
const SEVERAL_CONTROL_NODES: [u32; 2] = [1, 16];
/// The longest name of a cluster.
const NAME_LETTERS_MAX: usize = 63;

/// A version of Kubernetes that clusters may have.
pub(crate) const VERSION_NOUN: Noun = Noun {
    word: "kubernetessupportedversion",
    entities: &["KubernetesSupportedVersionResponse"],
    resource: "KubernetesSupportedVersion",
    owned: false,
    keywords: &["name"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own("semanticversion"),
        own("isoid"),
        own("isoname"),
        own("isourl").root(),
        own_or("isostate", Constant::Text("Ready")).root(),
        own_or("arch", Constant::Text("x86_64")),
        linked("zoneid", "zone", "id"),
        linked("zonename", "zone", "name"),
        always("supportsha", Constant::Flag(true)),
        always("supportsautoscaling", Constant::Flag(true)),
        own_or("state", Constant::Text("Enabled")),
        own("mincpunumber"),
        own("minmemory"),
        CREATED,
        own_or("directdownload", Constant::Flag(false)),
    ],
};

/// A cluster.
pub(crate) const CLUSTER_NOUN: Noun = Noun {
    word: "kubernetescluster",
    entities: &["KubernetesClusterResponse"],
    resource: "KubernetesCluster",
    owned: true,
    keywords: &["name"],
    newest_first: false,
    view: CLUSTER_VIEW,
};

const CLUSTER_VIEW: &[Member] = &[
    ID,
    own("name"),
    own("description"),
    linked("zoneid", "zone", "id"),
    linked("zonename", "zone", "name"),
    linked("serviceofferingid", "offering", "id"),
    linked("serviceofferingname", "offering", "name"),
    linked("workerofferingid", "workeroffering", "id"),
    linked("workerofferingname", "workeroffering", "name"),
    linked("controlofferingid", "controloffering", "id"),
    linked("controlofferingname", "controloffering", "name"),
    linked("etcdofferingid", "etcdoffering", "id"),
    linked("etcdofferingname", "etcdoffering", "name"),
    own("etcdnodes"),
    linked("templateid", "template", "id"),
    linked("templatename", "template", "name"),
    linked("networkid", "network", "id"),
    linked("associatednetworkname", "network", "name"),
    linked("kubernetesversionid", "version", "id"),
    linked("kubernetesversionname", "version", "name"),
    ACCOUNT,
    PROJECT_ID,
    PROJECT,
    DOMAIN_ID,
    DOMAIN,
    DOMAIN_PATH,
    own("keypair"),
    linked("cniconfigurationid", "cniconfig", "id"),
    linked("cniconfigname", "cniconfig", "name"),
    computed("masternodes", |world, cluster, _| Some(Shown::Number(world.number(cluster, "controlnodes")))),
    own_or("controlnodes", Constant::Number(0)),
    own_or("size", Constant::Number(0)),
    own("state"),
    computed("cpunumber", |world, cluster, _| Some(Shown::Text(total(world, cluster, "cpunumber").to_string()))),
    computed("memory", |world, cluster, _| Some(Shown::Text(total(world, cluster, "memory").to_string()))),
    computed("endpoint", |world, cluster, _| {
        let address = world.text(world.link(cluster, "address")?, "ipaddress")?;
        Some(Shown::Text(format!("https://{address}:{API_PORT}/")))
    }),
    computed("virtualmachines", nodes_shown),
    linked("ipaddress", "address", "ipaddress"),
    linked("ipaddressid", "address", "id"),
    own_or("autoscalingenabled", Constant::Flag(false)),
    own("minsize"),
    own("maxsize"),
    own_or("csienabled", Constant::Flag(false)),
    own_or("clustertype", Constant::Text(MANAGED)),
    CREATED,
    HAS_ANNOTATIONS,
];

/// The commands that need code, and filters.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("getUploadParamsForKubernetesSupportedVersion", upload),
        ("createKubernetesCluster", create),
        ("startKubernetesCluster", start),
        ("stopKubernetesCluster", stop),
        ("scaleKubernetesCluster", scale),
        ("upgradeKubernetesCluster", upgrade),
        ("deleteKubernetesCluster", delete),
        ("getKubernetesClusterConfig", configuration),
        ("addVirtualMachinesToKubernetesCluster", |turn| join(turn, true)),
        ("removeVirtualMachinesFromKubernetesCluster", |turn| join(turn, false)),
        ("addNodesToKubernetesCluster", |turn| change_nodes(turn, true)),
        ("removeNodesFromKubernetesCluster", |turn| change_nodes(turn, false)),
    ],
    filters: &[("kubernetessupportedversion", "minimumsemanticversion", |turn, version| {
        numbers(turn.arguments.text("minimumsemanticversion").unwrap_or_default()) <= numbers(&turn.world.string(version, "semanticversion"))
    })],
};

/// The commands that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    make("addKubernetesSupportedVersion", "kubernetessupportedversion", VERSION_PUTS).checked(version_is_right).then(name_version),
    change("updateKubernetesSupportedVersion", "id", &[Put::Text("state")]).checked(|turn, _| match turn.arguments.text("state") {
        Some("Enabled" | "Disabled") | None => Ok(()),
        Some(state) => Err(Refusal::invalid(format!("Invalid value for state parameter: {state}"))),
    }),
    take("deleteKubernetesSupportedVersion", "id").checked(|turn, version| match version {
        Some(version) if recipe::users(turn.world, version, &[("kubernetescluster", "version")]) > 0 => {
            Err(Refusal::failed(format!("Unable to delete Kubernetes version {}: existing clusters use it", turn.world.string(version, "name"))))
        }
        _ => Ok(()),
    }),
];

const VERSION_PUTS: &[Put] = &[
    Put::Text("semanticversion"),
    Put::Text("name"),
    Put::Link("zoneid", "zone"),
    Put::Number("mincpunumber"),
    Put::Number("minmemory"),
    Put::Text("arch"),
    Put::Flag("directdownload"),
];

/// The numbers of a version.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').filter_map(|part| part.parse().ok()).collect()
}

fn version_is_right(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let version = turn.arguments.text("semanticversion").unwrap_or_default();
    if numbers(version).len() != 3 {
        return Err(Refusal::invalid(format!("Invalid version format: {version}. Semantic version needed")));
    }
    for (name, least, what) in [("mincpunumber", 2, "minimum CPU count"), ("minmemory", 2048, "minimum RAM")] {
        if turn.arguments.number(name).unwrap_or(0) < least {
            return Err(Refusal::invalid(format!("Invalid value for {name} parameter. A Kubernetes version needs a {what} of {least}")));
        }
    }
    Ok(())
}

/// A version without a name is called after its number and zone; its ISO is called after it.
fn name_version(turn: &mut Turn<'_>, version: Handle) -> Result<(), Refusal> {
    let zone = turn.world.link(version, "zone").map(|zone| format!("-{}", turn.world.string(zone, "name"))).unwrap_or_default();
    let name = match turn.world.text(version, "name") {
        Some(name) => name.to_owned(),
        None => format!("v{}{zone}", turn.world.string(version, "semanticversion")),
    };
    turn.world.set(version, "isoname", format!("{name}-Kubernetes-Binaries-ISO"));
    turn.world.set(version, "name", name);
    let iso = crate::world::id_text(turn.world.fresh_id());
    turn.world.set(version, "isoid", iso);
    if let Some(url) = turn.arguments.text("url").map(str::to_owned) {
        turn.world.set(version, "isourl", url);
    }
    Ok(())
}

/// Makes a version whose ISO its owner sends.
fn upload(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    version_is_right(turn, None)?;
    let kind = turn.world.kind(VERSION_NOUN.word);
    let version = turn.world.insert(kind, None, &[("isostate", "NotUploaded".into()), ("state", "Disabled".into())]);
    VERSION_PUTS.iter().for_each(|put| recipe::apply(turn, version, *put));
    name_version(turn, version)?;
    Ok(super::image::upload_ticket(turn, version))
}

/// The nodes of a cluster, control nodes first.
fn nodes(world: &World, cluster: Handle) -> Vec<Handle> {
    world.links(cluster, "nodes").iter().copied().filter(|node| world.is_alive(*node)).collect()
}

fn nodes_shown(world: &World, cluster: Handle, viewer: Viewer) -> Option<Shown> {
    Some(recipe::nested(world, nodes(world, cluster).into_iter(), viewer))
}

fn total(world: &World, cluster: Handle, name: &str) -> i64 {
    nodes(world, cluster).into_iter().map(|node| world.number(node, name)).sum()
}

fn is_external(world: &World, cluster: Handle) -> bool {
    world.text(cluster, "clustertype") == Some(EXTERNAL)
}

/// Refuses what only works on clusters that the cloud runs.
fn check_managed(turn: &Turn<'_>, cluster: Handle, what: &str) -> Result<(), Refusal> {
    if is_external(turn.world, cluster) {
        Err(Refusal::invalid(format!("{what} is not supported for an externally managed Kubernetes cluster")))
    } else {
        Ok(())
    }
}

fn check_state(turn: &Turn<'_>, cluster: Handle, wanted: &[&str]) -> Result<(), Refusal> {
    match turn.world.text(cluster, "state").unwrap_or_default() {
        state if wanted.contains(&state) => Ok(()),
        state => Err(Refusal::failed(format!("Kubernetes cluster {} is in {state} state", turn.world.string(cluster, "name")))),
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let plain = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-') && name.len() <= NAME_LETTERS_MAX;
    if plain && name.starts_with(|letter: char| letter.is_ascii_alphabetic()) && !name.ends_with('-') {
        return Ok(());
    }
    Err(Refusal::invalid("Invalid name. Kubernetes cluster name can contain ASCII letters, digits and the hyphen, and can't start with a digit or hyphen"))
}

/// Who a cluster's nodes are like: the offering that was asked for each sort of node.
struct Sizes {
    offering: Handle,
    control: Handle,
    etcd: Option<Handle>,
}

fn sizes(turn: &Turn<'_>, offering: Option<Handle>, version: Option<Handle>) -> Result<Sizes, Refusal> {
    let named = |sort: &str| {
        let mut records = turn.arguments.records("nodeofferings").filter(|record| record.get("node").is_some_and(|node| node.eq_ignore_ascii_case(sort)));
        records.next().and_then(|record| turn.world.by_id(crate::world::parse_id(record.get("offering")?)?))
    };
    let Some(offering) = named("worker").or(offering) else { return Err(Refusal::invalid("serviceofferingid is needed for a cluster that the cloud manages")) };
    let sizes = Sizes { offering, control: named("control").unwrap_or(offering), etcd: named("etcd") };
    for chosen in [Some(sizes.offering), Some(sizes.control), sizes.etcd].into_iter().flatten() {
        for (name, least) in NODE_MINIMUM {
            let least = version.map_or(least, |version| turn.world.number(version, &format!("min{name}")).max(least));
            if turn.world.number(chosen, name) < least {
                let text = format!("Service offering {} is too small for a node: {name} is below {least}", turn.world.string(chosen, "name"));
                return Err(Refusal::invalid(text));
            }
        }
    }
    Ok(sizes)
}

fn count(turn: &Turn<'_>, names: &[&str], least: i64) -> Result<i64, Refusal> {
    let count = names.iter().find_map(|name| turn.arguments.number(name)).unwrap_or(least);
    if count < least { Err(Refusal::invalid(format!("Invalid cluster {}: {count}", names.last().unwrap_or(&"size")))) } else { Ok(count) }
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let name = turn.needed("name")?;
    check_name(&name)?;
    let owner = turn.new_owner()?;
    match turn.arguments.text("clustertype").unwrap_or(MANAGED) {
        kind if kind.eq_ignore_ascii_case(EXTERNAL) => Ok(create_external(turn, owner)),
        kind if kind.eq_ignore_ascii_case(MANAGED) => create_managed(turn, owner),
        kind => Err(Refusal::invalid(format!("Invalid Kubernetes cluster type: {kind}"))),
    }
}

/// Puts the row of a cluster into the world.
fn insert(turn: &mut Turn<'_>, owner: Handle, state: &str) -> Handle {
    let kind = turn.world.kind("kubernetescluster");
    let cluster = turn.world.insert(kind, Some(owner), &[("state", state.into())]);
    let puts = [
        Put::Text("name"),
        Put::Text("description"),
        Put::Text("keypair"),
        Put::Link("zoneid", "zone"),
        Put::Link("networkid", "network"),
        Put::Link("kubernetesversionid", "version"),
        Put::Link("serviceofferingid", "offering"),
        Put::Link("cniconfigurationid", "cniconfig"),
    ];
    puts.into_iter().for_each(|put| recipe::apply(turn, cluster, put));
    turn.world.set(cluster, "csienabled", turn.arguments.flag("enablecsi"));
    cluster
}

fn create_external(turn: &mut Turn<'_>, owner: Handle) -> Outcome {
    let cluster = insert(turn, owner, "Running");
    turn.world.set(cluster, "clustertype", EXTERNAL);
    turn.making(cluster, WORK_SHORT, move |_| Ok(Outcome::Object(cluster)))
}

fn create_managed(turn: &mut Turn<'_>, owner: Handle) -> Result<Outcome, Refusal> {
    // Zones of simulated hosts alone have nothing that nodes could be made from.
    if turn.server.options.scene == Scene::Bare {
        return Err(Refusal::failed("Unable to complete this operation. Contact your cloud admin."));
    }
    let zone = turn.target("zoneid")?;
    let version = turn.target("kubernetesversionid")?;
    let size = count(turn, &["size"], 1)?;
    let control = count(turn, &["controlnodes", "masternodes"], 1)?;
    let etcd = count(turn, &["etcdnodes"], 0)?;
    if turn.world.text(version, "state") == Some("Disabled") {
        return Err(Refusal::invalid(format!("Kubernetes version {} is in Disabled state", turn.world.string(version, "name"))));
    }
    if turn.world.link(version, "zone").is_some_and(|of| of != zone) {
        return Err(Refusal::invalid(format!("Kubernetes version {} is not available in the zone", turn.world.string(version, "name"))));
    }
    if control > 1 && numbers(&turn.world.string(version, "semanticversion")).as_slice() < SEVERAL_CONTROL_NODES.as_slice() {
        return Err(Refusal::invalid("HA support is available only for Kubernetes version 1.16.0 and above"));
    }
    let sizes = sizes(turn, turn.arguments.object("serviceofferingid"), Some(version))?;
    let number = size + control + etcd;
    let (cpus, memory) = (turn.world.number(sizes.offering, "cpunumber") * number, turn.world.number(sizes.offering, "memory") * number);
    super::limit::check(turn, owner, &[("user_vm", number), ("cpu", cpus), ("memory", memory), ("volume", number)])?;
    let cluster = insert(turn, owner, "Starting");
    let told: [(&str, Datum); 5] = [
        ("offering", sizes.offering.into()),
        ("controloffering", sizes.control.into()),
        ("workeroffering", sizes.offering.into()),
        ("size", size.into()),
        ("controlnodes", control.into()),
    ];
    told.into_iter().for_each(|(name, datum)| turn.world.set(cluster, name, datum));
    if etcd > 0 {
        turn.world.set(cluster, "etcdnodes", etcd);
        turn.world.set(cluster, "etcdoffering", sizes.etcd.unwrap_or(sizes.offering));
    }
    house(turn, cluster, owner);
    Ok(turn.making(cluster, WORK_LONG, move |turn| {
        for sort in ["etcd", "control", "worker"] {
            raise(turn.world, cluster, sort);
        }
        run(turn.world, cluster)?;
        open(turn.world, cluster);
        Ok(Outcome::Object(cluster))
    }))
}

/// Gives a cluster a network of its own where none was named, and a template for its nodes.
fn house(turn: &mut Turn<'_>, cluster: Handle, owner: Handle) {
    let zone = turn.world.link(cluster, "zone");
    let offering = turn.world.find("networkoffering", "name", "DefaultNetworkOfferingforKubernetesService");
    let offering = offering.or_else(|| turn.world.find("networkoffering", "name", "DefaultIsolatedNetworkOfferingWithSourceNatService"));
    if let (None, Some(zone), Some(offering)) = (turn.world.link(cluster, "network"), zone, offering) {
        let name = format!("{}-network", turn.world.string(cluster, "name"));
        let plan = super::network::Plan { name: name.clone(), text: name, zone, offering, gateway: None, domain: None };
        let network = super::network::make(turn.world, owner, &plan);
        turn.world.set(cluster, "network", network);
        turn.world.set(cluster, "ownsnetwork", true);
    }
    let template = turn.world.find("template", "templatetype", "SYSTEM");
    if let Some(template) = template {
        turn.world.set(cluster, "template", template);
    }
}

/// Makes the nodes of a sort that a cluster lacks.
fn raise(world: &mut World, cluster: Handle, sort: &str) {
    let (field, offering) = match sort {
        "control" => ("controlnodes", "controloffering"),
        "etcd" => ("etcdnodes", "etcdoffering"),
        _ => ("size", "offering"),
    };
    let mut all = nodes(world, cluster);
    let there = all.iter().filter(|node| world.text(**node, "nodesort") == Some(sort)).count();
    let wanted = usize::try_from(world.number(cluster, field)).unwrap_or_default();
    let (Some(owner), Some(zone), Some(offering)) = (world.owner(cluster), world.link(cluster, "zone"), world.link(cluster, offering)) else { return };
    let networks: Vec<Handle> = world.link(cluster, "network").into_iter().collect();
    let template = world.link(cluster, "template");
    for _ in there..wanted {
        let number = world.next("kubernetesnode", 1);
        let name = format!("{}-{}-{number:x}", world.string(cluster, "name"), if sort == "worker" { "node" } else { sort });
        let node = appliance::machine(world, &appliance::Plan { owner, name: &name, zone, offering, template, networks: &networks });
        world.set(node, "nodesort", sort);
        world.set(node, "kubernetescluster", cluster);
        all.push(node);
    }
    world.set(cluster, "nodes", Datum::Links(all.into()));
}

/// Starts the nodes of a cluster.
fn run(world: &mut World, cluster: Handle) -> Result<(), Refusal> {
    for node in nodes(world, cluster) {
        if world.text(node, "state") != Some("Running") && !appliance::start(world, node) {
            world.set(cluster, "state", "Error");
            return Err(Refusal::failed(format!("Unable to start the nodes of Kubernetes cluster {}: insufficient capacity", world.string(cluster, "name"))));
        }
    }
    world.set(cluster, "state", "Running");
    Ok(())
}

/// Opens the way to a cluster's API and to the SSH of its nodes, and forwards them.
fn open(world: &mut World, cluster: Handle) {
    let Some(network) = world.link(cluster, "network") else { return };
    let source = world.referring("ipaddress", "network", network).find(|address| world.flag(*address, "issourcenat"));
    let Some(address) = source else { return };
    world.set(cluster, "address", address);
    let owner = world.owner(cluster);
    let last = SSH_PORT + i64::try_from(nodes(world, cluster).len()).unwrap_or(1) - 1;
    for (start, end) in [(API_PORT, API_PORT), (SSH_PORT, last)] {
        let wall: [(&str, Datum); 7] = [
            ("protocol", "tcp".into()),
            ("traffictype", "Ingress".into()),
            ("startport", start.into()),
            ("endport", end.into()),
            ("cidrlist", "0.0.0.0/0".into()),
            ("address", address.into()),
            ("network", network.into()),
        ];
        let rule = world.insert(world.kind("firewallrule"), owner, &wall);
        world.set(rule, "kubernetescluster", cluster);
    }
}

fn close(world: &mut World, cluster: Handle) {
    let rules: Vec<Handle> = world.referring("firewallrule", "kubernetescluster", cluster).collect();
    rules.into_iter().for_each(|rule| world.remove(rule));
}

fn start(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let cluster = turn.target("id")?;
    check_managed(turn, cluster, "Start")?;
    check_state(turn, cluster, &["Stopped", "Created", "Alert", "Running"])?;
    Ok(turn.job(cluster, WORK_LONG, move |turn| {
        run(turn.world, cluster)?;
        Ok(Outcome::Object(cluster))
    }))
}

fn stop(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let cluster = turn.target("id")?;
    check_managed(turn, cluster, "Stop")?;
    check_state(turn, cluster, &["Running", "Alert", "Stopped"])?;
    Ok(turn.job(cluster, WORK_MEDIUM, move |turn| {
        for node in nodes(turn.world, cluster) {
            super::vm::power_off(turn.world, node);
        }
        turn.world.set(cluster, "state", "Stopped");
        Ok(Outcome::Success)
    }))
}

fn scale(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let cluster = turn.target("id")?;
    check_managed(turn, cluster, "Scale")?;
    let size = turn.arguments.number("size");
    let offering = turn.arguments.object("serviceofferingid");
    let leaving = turn.arguments.objects("nodeids").unwrap_or_default().to_vec();
    let autoscaling = turn.arguments.truth("autoscalingenabled");
    let has_sizes = offering.is_some() || turn.arguments.records("nodeofferings").next().is_some();
    if autoscaling.is_none() && size.is_none() && !has_sizes && leaving.is_empty() {
        return Err(Refusal::invalid("Either autoscaling or size or the service offering or nodes to be removed are needed to scale a Kubernetes cluster"));
    }
    if autoscaling == Some(true) {
        check_bounds(turn, size.is_some() || has_sizes || !leaving.is_empty())?;
    }
    if size.is_some_and(|size| size < 1) {
        return Err(Refusal::invalid(format!("Kubernetes cluster can not be scaled for invalid cluster size: {}", size.unwrap_or_default())));
    }
    if leaving.iter().any(|node| turn.world.text(*node, "nodesort") != Some("worker") || turn.world.link(*node, "kubernetescluster") != Some(cluster)) {
        return Err(Refusal::invalid("A node to be removed is no worker node of the Kubernetes cluster"));
    }
    check_state(turn, cluster, if size.is_some() || !leaving.is_empty() { &["Running"] } else { &["Running", "Stopped", "Created"] })?;
    let sizes = if has_sizes { Some(sizes(turn, offering, turn.world.link(cluster, "version"))?) } else { None };
    Ok(turn.job(cluster, WORK_LONG, move |turn| {
        if let Some(on) = autoscaling {
            turn.world.set(cluster, "autoscalingenabled", on);
            [Put::Number("minsize"), Put::Number("maxsize")].into_iter().for_each(|put| recipe::apply(turn, cluster, put));
        }
        if let Some(sizes) = sizes {
            resize(turn.world, cluster, &sizes);
        }
        fit(turn.world, cluster, size, leaving)?;
        Ok(Outcome::Object(cluster))
    }))
}

fn check_bounds(turn: &Turn<'_>, has_more: bool) -> Result<(), Refusal> {
    match (turn.arguments.number("minsize"), turn.arguments.number("maxsize")) {
        _ if has_more => Err(Refusal::invalid("Autoscaling can not be passed along with nodeids, size or service offering")),
        (Some(least), Some(most)) if (1..=most).contains(&least) => Ok(()),
        (Some(_), Some(_)) => Err(Refusal::invalid("Invalid value for minsize and maxsize: minsize is at least 1 and at most maxsize")),
        _ => Err(Refusal::invalid("Autoscaling requires minsize and maxsize to be passed")),
    }
}

/// Gives the nodes of a cluster another size.
fn resize(world: &mut World, cluster: Handle, sizes: &Sizes) {
    let told = [("offering", sizes.offering), ("workeroffering", sizes.offering), ("controloffering", sizes.control)];
    told.into_iter().for_each(|(name, offering)| world.set(cluster, name, offering));
    for node in nodes(world, cluster) {
        let offering = if world.text(node, "nodesort") == Some("control") { sizes.control } else { sizes.offering };
        world.set(node, "offering", offering);
        for name in ["cpunumber", "cpuspeed", "memory"] {
            let number = world.number(offering, name);
            world.set(node, name, number);
        }
    }
}

/// Makes a cluster as large as is wanted: nodes that were named leave first, then the newest.
fn fit(world: &mut World, cluster: Handle, size: Option<i64>, leaving: Vec<Handle>) -> Result<(), Refusal> {
    let mut workers: Vec<Handle> = nodes(world, cluster).into_iter().filter(|node| world.text(*node, "nodesort") == Some("worker")).collect();
    let left = workers.len().saturating_sub(leaving.len());
    let size = size.and_then(|size| usize::try_from(size).ok()).unwrap_or(left);
    workers.retain(|node| !leaving.contains(node));
    let surplus = workers.split_off(size.min(workers.len()));
    for node in leaving.into_iter().chain(surplus) {
        super::vm::wipe(world, node);
    }
    world.set(cluster, "size", i64::try_from(size).unwrap_or_default());
    let rest = nodes(world, cluster);
    world.set(cluster, "nodes", Datum::Links(rest.into()));
    raise(world, cluster, "worker");
    if world.text(cluster, "state") == Some("Running") { run(world, cluster) } else { Ok(()) }
}

fn upgrade(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let cluster = turn.target("id")?;
    let version = turn.target("kubernetesversionid")?;
    check_managed(turn, cluster, "Upgrade")?;
    check_state(turn, cluster, &["Running"])?;
    let of = |version: Handle| numbers(&turn.world.string(version, "semanticversion"));
    let (now, wanted) = (turn.world.link(cluster, "version").map(of).unwrap_or_default(), of(version));
    let minor = |version: &[u32]| version.get(1).copied().unwrap_or_default();
    if turn.world.text(version, "state") == Some("Disabled") {
        return Err(Refusal::invalid(format!("Kubernetes version {} is in Disabled state", turn.world.string(version, "name"))));
    }
    if wanted <= now || wanted.first() != now.first() || minor(&wanted) > minor(&now) + 1 {
        let name = turn.world.string(cluster, "name");
        return Err(Refusal::invalid(format!("Kubernetes cluster {name} can only be upgraded to a newer version of the same or of the next minor release")));
    }
    Ok(turn.job(cluster, WORK_LONG, move |turn| {
        turn.world.set(cluster, "version", version);
        Ok(Outcome::Object(cluster))
    }))
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let cluster = turn.target("id")?;
    let (cleans, expunges) = (turn.arguments.flag("cleanup"), turn.arguments.flag("expunge"));
    let external = is_external(turn.world, cluster);
    if expunges && external && !cleans {
        return Err(Refusal::invalid("Expunge is taken with cleanup only"));
    }
    Ok(turn.job(cluster, WORK_MEDIUM, move |turn| {
        for node in nodes(turn.world, cluster) {
            if !external || cleans {
                super::vm::wipe(turn.world, node);
            }
        }
        close(turn.world, cluster);
        if turn.world.flag(cluster, "ownsnetwork")
            && let Some(network) = turn.world.link(cluster, "network")
        {
            super::network::remove(turn.world, network);
        }
        turn.world.remove(cluster);
        Ok(Outcome::Success)
    }))
}

fn configuration(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let Some(cluster) = turn.arguments.object("id") else { return Err(Refusal::failed("Invalid Kubernetes cluster ID specified")) };
    check_managed(turn, cluster, "Configuration")?;
    let Some(address) = turn.world.link(cluster, "address") else {
        return Err(Refusal::failed(format!("Configuration not found for Kubernetes cluster {}", turn.world.string(cluster, "name"))));
    };
    let (name, address) = (turn.world.string(cluster, "name"), turn.world.string(address, "ipaddress"));
    let told = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: {name}\n  cluster:\n    server: https://{address}:{API_PORT}\ncontexts:\n- name: admin@{name}\n  context:\n    cluster: {name}\n    user: admin\ncurrent-context: admin@{name}\nusers:\n- name: admin\n  user:\n    client-key-data: {}\n",
        turn.world.derived_id(cluster, 1)
    );
    let shown = json!({"id": turn.world.id(cluster), "name": name, "configdata": told});
    Ok(Outcome::Shown("clusterconfig".to_owned(), shown.to_string()))
}

/// Puts machines to a cluster, or takes them off; those that were there already count once.
fn enlist(world: &mut World, cluster: Handle, machines: &[Handle], joins: bool) {
    let mut all = nodes(world, cluster);
    all.retain(|node| !machines.contains(node));
    for machine in machines {
        if joins {
            world.set(*machine, "kubernetescluster", cluster);
            all.push(*machine);
        } else {
            world.unset(*machine, "kubernetescluster");
            world.unset(*machine, "nodesort");
        }
    }
    world.set(cluster, "nodes", Datum::Links(all.into()));
}

fn join(turn: &mut Turn<'_>, joins: bool) -> Result<Outcome, Refusal> {
    let cluster = turn.target("id")?;
    if !is_external(turn.world, cluster) {
        return Err(Refusal::invalid("Machines can only be added to or removed from an externally managed Kubernetes cluster"));
    }
    let machines = turn.arguments.objects("virtualmachineids").unwrap_or_default().to_vec();
    let known = nodes(turn.world, cluster);
    let shown: Vec<String> = machines.iter().map(|machine| json!({"id": turn.world.id(*machine), "success": known.contains(machine)}).to_string()).collect();
    let sort = if turn.arguments.flag("iscontrolnode") { "control" } else { "worker" };
    enlist(turn.world, cluster, &machines, joins);
    if joins {
        machines.iter().for_each(|machine| turn.world.set(*machine, "nodesort", sort));
    }
    for (name, sort) in [("size", "worker"), ("controlnodes", "control")] {
        let number = nodes(turn.world, cluster).into_iter().filter(|node| turn.world.text(*node, "nodesort") == Some(sort)).count();
        turn.world.set(cluster, name, i64::try_from(number).unwrap_or_default());
    }
    Ok(if joins { Outcome::Success } else { Outcome::Rendered(shown.join(","), shown.len()) })
}

fn change_nodes(turn: &mut Turn<'_>, joins: bool) -> Result<Outcome, Refusal> {
    let cluster = turn.target("id")?;
    check_managed(turn, cluster, "Adding and removing nodes")?;
    check_state(turn, cluster, &["Running"])?;
    let machines = turn.arguments.objects("nodeids").unwrap_or_default().to_vec();
    let is_wrong = |machine: &Handle| match turn.world.link(*machine, "kubernetescluster") {
        Some(of) => joins || of != cluster || turn.world.text(*machine, "nodesort") != Some("external"),
        None => !joins,
    };
    if let Some(wrong) = machines.iter().find(|machine| is_wrong(machine)) {
        let name = turn.world.string(*wrong, "name");
        return Err(Refusal::invalid(format!("Instance {name} can't be {} the Kubernetes cluster", if joins { "added to" } else { "removed from" })));
    }
    Ok(turn.job(cluster, WORK_MEDIUM, move |turn| {
        enlist(turn.world, cluster, &machines, joins);
        if joins {
            machines.iter().for_each(|machine| turn.world.set(*machine, "nodesort", "external"));
        }
        Ok(Outcome::Object(cluster))
    }))
}
