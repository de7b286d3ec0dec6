//! The kinds of object that behave, one file a kind or a small cluster of kinds.
//!
//! To add a kind: write a file with a `Noun` (its words, its view in the order of a recorded answer), handlers for the
//! commands that do more than `generic` would, and filters for arguments that bear no member's name; then add the noun
//! to [`NOUNS`] and the file's tables to [`TABLES`]. Listing, updating and deleting by id come for nothing: a list
//! command whose shape is among the noun's entities lists its rows. Rows of the first world are made in `world/seed.rs`.
//! A handler checks first, then changes the world; what real servers find out late belongs into the job's closure.

mod account;
mod acl;
mod address;
mod appliance;
mod backup;
mod balance;
mod bucket;
mod capacity;
mod care;
mod chore;
mod cidr;
mod domain;
mod drs;
mod extension;
pub(crate) mod factor;
mod gpu;
mod guard;
mod guest_os;
mod hindrance;
mod hook;
mod host;
mod image;
mod import;
mod inner_balance;
mod key;
mod kubernetes;
mod lifeline;
mod limit;
pub(crate) mod metrics;
mod network;
mod nic;
mod offering;
pub(crate) mod password;
mod place;
mod plan;
pub(crate) mod project;
mod protocol;
mod pulse;
mod quota;
mod recipe;
mod record;
pub(crate) mod remark;
mod role;
mod rule;
mod scaling;
mod schedule;
mod server;
mod setting;
mod share;
mod shutdown;
mod signon;
mod snapshot;
mod store;
mod systemvm;
mod tag;
mod tariff;
mod tenancy;
mod traffic;
mod trust;
mod usage;
pub(crate) mod user;
mod vlan_share;
mod vm;
mod vnf;
mod volume;
mod vpc;
mod vpn;
mod wiring;
mod zone;

use self::recipe::Recipe;
use crate::{
    kind::Noun,
    list::Keyword,
    turn::{Handler, Turn},
    world::Handle,
};

pub(crate) use self::{
    backup::back_up_due,
    hindrance::hindered,
    hook::deliver,
    image::{arrive, is_shared_with},
    network::{clear as clear_network, implement, is_open_to},
    place::choose_host,
    project::expire_invitation,
    schedule::{first_due, keep_time},
    snapshot::take_due,
    systemvm::staff,
    tenancy::{account_named, any_account_named, check_domain, user_named},
    vm::{expunge_due, instance_name, power_off},
};

/// Whether a row passes an argument of a list.
pub(crate) type Filter = fn(&Turn<'_>, Handle) -> bool;

/// Makes the function that tells whether a keyword means a row beside the fields that its kind names.
pub(crate) type Searched = for<'a> fn(&'a Turn<'_>, &'a Keyword) -> Box<dyn Fn(Handle) -> bool + 'a>;

/// Kinds of which a keyword means more than some fields.
const SEARCHED: [(&str, Searched); 1] = [("virtualmachine", vm::searched)];

/// What a file brings along.
pub(crate) struct Tables {
    /// Commands and the functions that answer them.
    handlers: &'static [(&'static str, Handler)],
    /// A kind's word, an argument, and the filter that it is.
    filters: &'static [(&'static str, &'static str, Filter)],
}

/// All kinds.
pub(crate) const NOUNS: &[&Noun] = &[
    &domain::DOMAIN_NOUN,
    &account::ACCOUNT_NOUN,
    &user::USER_NOUN,
    &role::ROLE_NOUN,
    &role::RULE_NOUN,
    &project::PROJECT_NOUN,
    &project::MEMBER_NOUN,
    &project::INVITATION_NOUN,
    &project::ROLE_NOUN,
    &project::RULE_NOUN,
    &zone::ZONE_NOUN,
    &zone::POD_NOUN,
    &zone::CLUSTER_NOUN,
    &place::HOST_NOUN,
    &place::POOL_NOUN,
    &place::IMAGE_STORE_NOUN,
    &place::MANAGEMENT_SERVER_NOUN,
    &wiring::PHYSICAL_NETWORK_NOUN,
    &wiring::TRAFFIC_NOUN,
    &wiring::PROVIDER_NOUN,
    &wiring::ROUTER_ELEMENT_NOUN,
    &wiring::BALANCER_ELEMENT_NOUN,
    &wiring::VLAN_RANGE_NOUN,
    &systemvm::SYSTEM_VM_NOUN,
    &place::OS_CATEGORY_NOUN,
    &place::OS_TYPE_NOUN,
    &offering::SERVICE_OFFERING_NOUN,
    &offering::DISK_OFFERING_NOUN,
    &offering::NETWORK_OFFERING_NOUN,
    &offering::VPC_OFFERING_NOUN,
    &image::TEMPLATE_NOUN,
    &image::ISO_NOUN,
    &network::NETWORK_NOUN,
    &systemvm::ROUTER_NOUN,
    &nic::NIC_NOUN,
    &nic::SECONDARY_NOUN,
    &address::ADDRESS_NOUN,
    &rule::FIREWALL_NOUN,
    &rule::FORWARDING_NOUN,
    &vm::VM_NOUN,
    &volume::VOLUME_NOUN,
    &snapshot::SNAPSHOT_NOUN,
    &snapshot::POLICY_NOUN,
    &snapshot::VM_SNAPSHOT_NOUN,
    &key::KEY_PAIR_NOUN,
    &key::AFFINITY_NOUN,
    &key::USER_DATA_NOUN,
    &key::GROUP_NOUN,
    &record::EVENT_NOUN,
    &record::ALERT_NOUN,
    &setting::SETTING_NOUN,
    &vpc::VPC_NOUN,
    &acl::LIST_NOUN,
    &acl::ITEM_NOUN,
    &vpc::GATEWAY_NOUN,
    &vpc::ROUTE_NOUN,
    &backup::OFFERING_NOUN,
    &backup::BACKUP_NOUN,
    &backup::SCHEDULE_NOUN,
    &backup::REPOSITORY_NOUN,
    &care::HOST_NOUN,
    &care::CLUSTER_NOUN,
    &care::POD_NOUN,
    &care::ZONE_NOUN,
    &care::CNI_NOUN,
    &schedule::NOUN,
    &drs::NOUN,
    &chore::WEBHOOK_NOUN,
    &hook::NOUN,
    &chore::THEME_NOUN,
    &bucket::STORE_NOUN,
    &bucket::NOUN,
    &share::NOUN,
    &kubernetes::VERSION_NOUN,
    &kubernetes::CLUSTER_NOUN,
    &extension::NOUN,
    &extension::ACTION_NOUN,
    &trust::NOUN,
    &vlan_share::NOUN,
    &import::MACHINE_NOUN,
    &import::DISK_NOUN,
    &signon::OAUTH_NOUN,
    &signon::LDAP_NOUN,
    &gpu::CARD_NOUN,
    &gpu::PROFILE_NOUN,
    &gpu::DEVICE_NOUN,
    &chore::REGION_NOUN,
    &chore::SELECTOR_NOUN,
    &remark::COMMENT_NOUN,
    &remark::ICON_NOUN,
    &balance::RULE_NOUN,
    &inner_balance::NOUN,
    &balance::STICKINESS_NOUN,
    &balance::HEALTH_NOUN,
    &balance::CERTIFICATE_NOUN,
    &balance::NAT_RULE_NOUN,
    &vpn::REMOTE_NOUN,
    &vpn::USER_NOUN,
    &vpn::GATEWAY_NOUN,
    &vpn::CUSTOMER_NOUN,
    &vpn::CONNECTION_NOUN,
    &guard::GROUP_NOUN,
    &guard::RULE_NOUN,
    &plan::ZONE_SUBNET_NOUN,
    &plan::GUEST_SUBNET_NOUN,
    &plan::PREFIX_NOUN,
    &plan::PEER_NOUN,
    &plan::RANGE_NOUN,
    &plan::NUMBER_NOUN,
    &plan::PORTABLE_NOUN,
    &plan::STORAGE_NOUN,
    &scaling::COUNTER_NOUN,
    &scaling::CONDITION_NOUN,
    &scaling::POLICY_NOUN,
    &scaling::PROFILE_NOUN,
    &scaling::GROUP_NOUN,
];

/// What all files bring along.
const TABLES: &[Tables] = &[
    account::TABLES,
    address::TABLES,
    backup::TABLES,
    balance::TABLES,
    bucket::TABLES,
    capacity::TABLES,
    care::TABLES,
    chore::TABLES,
    domain::TABLES,
    drs::TABLES,
    extension::TABLES,
    factor::TABLES,
    gpu::TABLES,
    guard::TABLES,
    guest_os::TABLES,
    hook::TABLES,
    host::TABLES,
    image::TABLES,
    import::TABLES,
    inner_balance::TABLES,
    key::TABLES,
    kubernetes::TABLES,
    lifeline::TABLES,
    limit::TABLES,
    metrics::TABLES,
    network::TABLES,
    nic::TABLES,
    offering::TABLES,
    place::TABLES,
    plan::TABLES,
    project::TABLES,
    protocol::TABLES,
    quota::TABLES,
    record::TABLES,
    remark::TABLES,
    role::TABLES,
    rule::TABLES,
    scaling::TABLES,
    schedule::TABLES,
    server::TABLES,
    setting::TABLES,
    share::TABLES,
    shutdown::TABLES,
    signon::TABLES,
    snapshot::TABLES,
    store::TABLES,
    systemvm::TABLES,
    tag::TABLES,
    tariff::TABLES,
    trust::TABLES,
    user::TABLES,
    usage::TABLES,
    vlan_share::TABLES,
    vm::TABLES,
    vnf::TABLES,
    volume::TABLES,
    acl::TABLES,
    vpc::TABLES,
    vpn::TABLES,
    wiring::TABLES,
    zone::TABLES,
];

/// Commands that need no code of their own.
const RECIPES: &[&[Recipe]] = &[
    backup::RECIPES,
    balance::RECIPES,
    bucket::RECIPES,
    care::RECIPES,
    chore::RECIPES,
    extension::RECIPES,
    gpu::RECIPES,
    guard::RECIPES,
    guest_os::RECIPES,
    image::RECIPES,
    inner_balance::RECIPES,
    kubernetes::RECIPES,
    plan::RECIPES,
    scaling::RECIPES,
    schedule::RECIPES,
    share::RECIPES,
    signon::RECIPES,
    acl::RECIPES,
    vlan_share::RECIPES,
    vpc::RECIPES,
    vpn::RECIPES,
    wiring::RECIPES,
];

/// What the argument `details` of lists chooses, and the members that go when it is not chosen.
pub(crate) const DETAIL_MEMBERS: &[(&str, &[&str])] = &[
    ("resource", &["limits"]),
    ("group", &["groupid", "group"]),
    ("nics", &["nic", "ipaddress"]),
    (
        "stats",
        &[
            "cpuused",
            "networkkbsread",
            "networkkbswrite",
            "diskkbsread",
            "diskkbswrite",
            "memorykbs",
            "memoryintfreekbs",
            "memorytargetkbs",
            "diskioread",
            "diskiowrite",
            "cpunumber",
            "cpuspeed",
            "memory",
        ],
    ),
    ("tmpl", &["templateid", "templatename", "templatetype", "templateformat", "templatedisplaytext", "passwordenabled"]),
    ("servoff", &["serviceofferingid", "serviceofferingname", "cpunumber", "cpuspeed", "memory"]),
    ("diskoff", &["diskofferingid", "diskofferingname"]),
    ("iso", &["isoid", "isoname", "isodisplaytext"]),
    ("volume", &["rootdeviceid", "rootdevicetype"]),
    ("affgrp", &["affinitygroup"]),
];

/// Commands that show only one detail of a machine, whatever is asked for.
pub(crate) const FIXED_DETAILS: &[(&str, &str)] = &[
    ("updateVMAffinityGroup", "affgrp"),
    ("addNicToVirtualMachine", "nics"),
    ("removeNicFromVirtualMachine", "nics"),
    ("updateDefaultNicForVirtualMachine", "nics"),
    ("updateVmNicIp", "nics"),
];

/// Members that single commands leave out: lists of metrics, and commands that show root what they show users.
pub(crate) const LEFT_OUT: &[(&str, &str)] = &[
    ("listVirtualMachinesMetrics", "domainpath"),
    ("listVolumesMetrics", "domainpath"),
    ("listVolumesMetrics", "storagetype"),
    ("updateVmNicIp", "instancename"),
    ("updateVmNicIp", "arch"),
];

/// The details of hosts, and the members that go when none of them is chosen.
pub(crate) const HOST_MEMBERS: &[(&str, &[&str])] = &[
    ("capacity stats events", &["oscategoryid", "oscategoryname", "zonename", "podname", "clustername", "clustertype"]),
    (
        "capacity",
        &[
            "memorytotal",
            "memorywithoverprovisioning",
            "memoryallocatedbytes",
            "memoryallocatedpercentage",
            "hosttags",
            "istagarule",
            "hahost",
            "explicithosttags",
            "hypervisorversion",
            "arch",
            "storageaccessgroups",
            "cpuallocatedvalue",
            "cpuallocated",
            "cpuallocatedpercentage",
            "cpuallocatedwithoverprovisioning",
            "cpuwithoverprovisioning",
        ],
    ),
    ("stats", &["cpuused", "cpuloadaverage", "memoryused", "networkkbsread", "networkkbswrite"]),
    ("events", &["events"]),
];

/// What a command leaves out of the objects that it answers with, where other commands show more.
pub(crate) const SHORT_FORMS: &[(&str, &[&str])] = &[
    ("createDomain", &["state", "created", "limits", "hasannotations"]),
    ("updateDomain", &["state", "limits", "hasannotations"]),
    ("moveDomain", &["state", "limits", "hasannotations"]),
    ("listDomainChildren", &["state", "limits", "hasannotations"]),
    ("createRole", &["isdefault"]),
    ("updateRole", &["isdefault"]),
    ("importRole", &["isdefault"]),
    ("createRolePermission", &["rolename"]),
    ("createProjectRolePermission", &["projectrolename"]),
];

/// The function that answers a command with behaviour.
pub(crate) fn handler(command: &str) -> Option<Handler> {
    let handler = TABLES.iter().flat_map(|tables| tables.handlers).find(|(name, _)| *name == command).map(|(_, handler)| *handler);
    handler.or_else(|| recipe(command).map(|_| recipe::answer as Handler))
}

/// What a command does that is told in data.
fn recipe(command: &str) -> Option<&'static Recipe> {
    RECIPES.iter().copied().flatten().find(|recipe| recipe.command == command)
}

/// The filter that an argument of a kind's list is, where the member of its name is not meant.
pub(crate) fn filter(kind: &str, parameter: &str) -> Option<Filter> {
    let filters = TABLES.iter().flat_map(|tables| tables.filters);
    filters.filter(|(word, name, _)| *word == kind && *name == parameter).map(|(.., filter)| *filter).next()
}

/// What a keyword means beside the fields that a kind names.
pub(crate) fn searched(kind: &str) -> Option<Searched> {
    SEARCHED.iter().find(|(word, _)| *word == kind).map(|(_, searched)| *searched)
}

/// What the first world is made with.
pub(crate) mod seeding {
    use super::{
        account::{self, NewAccount},
        address, domain, network, project,
        user::{self, NewUser},
    };
    pub(crate) use super::{capacity::count_now, network::attach, record::alert, setting::SETTINGS, systemvm::make as system_vm, volume::place};
    use crate::{
        cloud::Identity,
        world::{Handle, World},
    };

    /// A domain below another.
    pub(crate) fn domain(world: &mut World, parent: Handle, name: &str) -> Handle {
        domain::new_domain(world, parent, name)
    }

    /// An account.
    pub(crate) fn account(world: &mut World, name: &str, domain: Handle, role: Handle) -> Handle {
        account::new_account(world, &NewAccount { name: name.to_owned(), domain, role })
    }

    /// The user of an account, with keys.
    pub(crate) fn user(world: &mut World, account: Handle, identity: &Identity) -> Handle {
        let names = ("Robin".to_owned(), "Meyer".to_owned());
        let (username, password) = (identity.username.clone(), identity.password.clone());
        let plan = NewUser { email: format!("{username}@example.org"), username, names, password, timezone: None };
        let user = user::make(world, account, &plan);
        user::set_keys(world, user, identity.api_key.clone(), identity.secret_key.clone());
        user
    }

    /// A user of the installation, whom nobody can write to and whose keys nobody was told.
    pub(crate) fn nameless_user(world: &mut World, account: Handle, name: &str) {
        let names = (name.to_owned(), name.to_owned());
        let plan = NewUser { username: name.to_owned(), names, email: String::new(), password: String::new(), timezone: None };
        let user = user::make(world, account, &plan);
        world.unset(user, "email");
        user::renew_keys(world, user);
    }

    /// A project.
    pub(crate) fn project(world: &mut World, owner: Option<Handle>, name: &str, text: &str) {
        if let Some(owner) = owner {
            project::new_project(world, owner, name, text);
        }
    }

    /// A public address.
    pub(crate) fn address(world: &mut World, owner: Handle) -> Option<Handle> {
        address::allocate(world, owner, None)
    }

    /// A network that is up.
    pub(crate) fn network(world: &mut World, owner: Handle, name: &str, (zone, offering): (Handle, Handle)) -> Handle {
        let plan = network::Plan { name: name.to_owned(), text: name.to_owned(), zone, offering, gateway: None, domain: None };
        let network = network::make(world, owner, &plan);
        network::implement(world, network);
        network
    }

    /// A machine's NIC.
    pub(crate) fn nic(world: &mut World, vm: Handle, network: Handle) {
        attach(world, vm, network, None);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_command_has_one_handler() {
        let mut seen = HashSet::new();
        let handlers = TABLES.iter().flat_map(|tables| tables.handlers).map(|(name, _)| *name);
        let recipes = RECIPES.iter().copied().flatten().map(|recipe| recipe.command);
        let twice: Vec<&str> = handlers.chain(recipes).filter(|name| !seen.insert(*name)).collect();
        assert_eq!(twice, Vec::<&str>::new());
    }
}
