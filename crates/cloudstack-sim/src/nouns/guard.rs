//! Security groups: which traffic reaches and leaves the machines that belong to them.

use super::{
    Tables,
    recipe::{self, Recipe},
    traffic,
};
use crate::{
    json::Json,
    kind::{ACCOUNT, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, ID, Noun, PROJECT, PROJECT_ID, TAGS, always, computed, field, linked, own},
    list,
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// The group that every account has.
const DEFAULT: &str = "default";
/// ICMP's number among the protocols.
const ICMP_NUMBER: &str = "1";
/// The greatest port.
const LAST_PORT: i64 = 65_535;

/// A security group.
pub(crate) const GROUP_NOUN: Noun = Noun {
    word: "securitygroup",
    entities: &["SecurityGroupResponse"],
    resource: "SecurityGroup",
    owned: true,
    keywords: &["name", "description"],
    newest_first: false,
    view: &[
        ID,
        own("name"),
        own("description"),
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        computed("ingressrule", |world, group, viewer| Some(recipe::nested(world, rules(world, group, "ingress").into_iter(), viewer))),
        computed("egressrule", |world, group, viewer| Some(recipe::nested(world, rules(world, group, "egress").into_iter(), viewer))),
        TAGS,
        always("virtualmachinecount", Constant::Number(0)),
        always("virtualmachineids", Constant::Empty),
    ],
};

/// A rule of a group.
pub(crate) const RULE_NOUN: Noun = Noun {
    word: "securitygrouprule",
    entities: &["SecurityGroupRuleResponse"],
    resource: "SecurityGroupRule",
    owned: true,
    keywords: &[],
    newest_first: false,
    view: &[
        computed("ruleid", |world, rule, _| Some(crate::kind::Shown::Text(world.id(rule)))),
        own("protocol"),
        own("startport"),
        own("endport"),
        own("icmptype"),
        own("icmpcode"),
        linked("securitygroupname", "peer", "name"),
        field("account", "peeraccount"),
        own("cidr"),
        TAGS,
    ],
};

/// The commands and filters of security groups.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("createSecurityGroup", create),
        ("deleteSecurityGroup", delete),
        ("listSecurityGroups", list_groups),
        ("authorizeSecurityGroupIngress", |turn| authorize(turn, "ingress")),
        ("authorizeSecurityGroupEgress", |turn| authorize(turn, "egress")),
    ],
    filters: &[
        ("securitygroup", "securitygroupname", |turn, group| turn.arguments.text("securitygroupname") == turn.world.text(group, "name")),
        // Machines of advanced zones are in none.
        ("securitygroup", "virtualmachineid", |_, _| false),
    ],
};

/// The commands of security groups that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    recipe::take("revokeSecurityGroupIngress", "id"),
    recipe::take("revokeSecurityGroupEgress", "id"),
    recipe::change("updateSecurityGroup", "id", &[recipe::Put::Text("name")]).checked(|turn, group| match (group, turn.arguments.text("name")) {
        (Some(group), Some(_)) if turn.world.text(group, "name") == Some(DEFAULT) => Err(Refusal::invalid("The default security group cannot be renamed")),
        _ => Ok(()),
    }),
];

fn rules(world: &World, group: Handle, direction: &str) -> Vec<Handle> {
    world.referring("securitygrouprule", "group", group).filter(|rule| world.text(*rule, "direction") == Some(direction)).collect()
}

fn named(world: &World, owner: Handle, name: &str) -> Option<Handle> {
    world.owned(world.kind("securitygroup"), owner).find(|group| world.text(*group, "name") == Some(name))
}

/// The accounts that a server makes for itself.
const SERVER_ACCOUNTS: [&str; 2] = ["system", "baremetal-system-account"];

/// Every account of people has a group from its first day; it is written down when somebody looks first.
fn make_defaults(world: &mut World) {
    let accounts: Vec<Handle> = world.rows(world.kind("account")).filter(|account| world.link(*account, "project").is_none()).collect();
    for account in accounts {
        if !world.text(account, "name").is_some_and(|name| SERVER_ACCOUNTS.contains(&name)) && named(world, account, DEFAULT).is_none() {
            let kind = world.kind("securitygroup");
            world.insert(kind, Some(account), &[("name", DEFAULT.into()), ("description", "Default Security Group".into())]);
        }
    }
}

fn list_groups(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    make_defaults(turn.world);
    let kind = turn.world.kind("securitygroup");
    list::list(turn, kind)
}

fn create(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    make_defaults(turn.world);
    let owner = turn.new_owner()?;
    let name = turn.needed("name")?;
    if named(turn.world, owner, &name).is_some() {
        return Err(Refusal::invalid(format!("Unable to create security group, a group with name {name} already exists.")));
    }
    let kind = turn.world.kind("securitygroup");
    let group = turn.world.insert(kind, Some(owner), &[("name", name.into())]);
    recipe::apply(turn, group, recipe::Put::Text("description"));
    Ok(Outcome::Object(group))
}

fn chosen(turn: &Turn<'_>, id: &str, name: &str) -> Result<Handle, Refusal> {
    if let Some(group) = turn.arguments.object(id) {
        return Ok(group);
    }
    let Some(name) = turn.arguments.text(name) else {
        return Err(Refusal::invalid("Either security group id or security group name is required"));
    };
    let owner = turn.new_owner()?;
    named(turn.world, owner, name)
        .ok_or_else(|| Refusal::invalid(format!("Unable to find security group {name} for account {}", turn.world.string(owner, "name"))))
}

fn delete(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    make_defaults(turn.world);
    let group = chosen(turn, "id", "name")?;
    if turn.world.text(group, "name") == Some(DEFAULT) {
        return Err(Refusal::invalid("The network group default is reserved"));
    }
    if turn.world.referring("securitygrouprule", "peer", group).next().is_some() {
        return Err(Refusal::failed("Cannot delete group when there are rules that allow it"));
    }
    let own: Vec<Handle> = turn.world.referring("securitygrouprule", "group", group).collect();
    own.into_iter().for_each(|rule| turn.world.remove(rule));
    turn.world.remove(group);
    Ok(Outcome::Success)
}

/// Type and code of ICMP messages come together: both, or -1 for all of both.
fn check_message(kind: Option<i64>, code: Option<i64>) -> Result<(), Refusal> {
    const ANY: i64 = -1;
    let fits = |number: i64| (ANY..=i64::from(u8::MAX)).contains(&number);
    match kind.zip(code) {
        Some((kind, code)) if (kind == ANY) == (code == ANY) && fits(kind) && fits(code) => Ok(()),
        _ => Err(Refusal::internal("Invalid ICMP type/code specified")),
    }
}

/// What a rule lets through: its protocol and ports, as fields.
fn reach(turn: &Turn<'_>) -> Result<Vec<(&'static str, Datum)>, Refusal> {
    let protocol = turn.arguments.text("protocol").unwrap_or("all").to_ascii_lowercase();
    let protocol = if protocol == ICMP_NUMBER { "icmp".to_owned() } else { protocol };
    let known = matches!(protocol.as_str(), "tcp" | "udp" | "icmp" | "all") || protocol.parse::<u8>().is_ok();
    if !known {
        return Err(Refusal::invalid(format!("Invalid protocol {protocol}")));
    }
    let port = |name: &str| turn.arguments.number(name);
    let (first, second) = if protocol == "icmp" { ("icmptype", "icmpcode") } else { ("startport", "endport") };
    let (start, mut end) = (port(first), port(second));
    match protocol.as_str() {
        "icmp" => check_message(start, end)?,
        "all" if start.or(end).is_some() => return Err(Refusal::invalid("Cannot specify startPort or endPort without specifying protocol")),
        "tcp" | "udp" => {
            if (start, end) == (Some(0), Some(0)) {
                end = Some(LAST_PORT);
            }
            let is_range = start.zip(end).is_some_and(|(start, end)| 0 <= start && start <= end && end <= LAST_PORT);
            if !is_range {
                let said = |port: Option<i64>| port.map_or("null".to_owned(), |port| port.to_string());
                return Err(Refusal::invalid(format!("Invalid port range specified, startPort = {}, endPort = {}", said(start), said(end))));
            }
        }
        _ => {}
    }
    let mut fields = vec![("protocol", Datum::from(protocol))];
    fields.extend([(first, start), (second, end)].into_iter().filter_map(|(name, port)| Some((name, Datum::from(port?)))));
    Ok(fields)
}

fn authorize(turn: &mut Turn<'_>, direction: &'static str) -> Result<Outcome, Refusal> {
    make_defaults(turn.world);
    let group = chosen(turn, "securitygroupid", "securitygroupname")?;
    if let Some(cidr) = turn.arguments.list("cidrlist").into_iter().find(|cidr| !traffic::is_cidr(cidr.trim())) {
        return Err(Refusal::invalid(format!("Invalid cidr {cidr}")));
    }
    let traffic = reach(turn)?;
    let mut wanted: Vec<Vec<(&str, Datum)>> = turn.arguments.list("cidrlist").into_iter().map(|cidr| vec![("cidr", cidr.into())]).collect();
    for entry in turn.arguments.records("usersecuritygrouplist") {
        let (Some(account), Some(name)) = (entry.get("account"), entry.get("group")) else {
            return Err(Refusal::invalid("Invalid user group specified, need to specify both 'account' and 'group'"));
        };
        let owner = turn.named_account(account, turn.caller.domain)?;
        let Some(peer) = named(turn.world, owner, name) else {
            return Err(Refusal::invalid(format!("Nonexistent group {name}, unable to authorize ingress to group")));
        };
        wanted.push(vec![("peer", peer.into()), ("peeraccount", account.as_str().into())]);
    }
    if wanted.is_empty() {
        return Err(Refusal::invalid("At least one cidr or at least one security group needs to be specified"));
    }
    Ok(turn.job(group, WORK_SHORT, move |turn| {
        let kind = turn.world.kind("securitygrouprule");
        let owner = turn.world.owner(group);
        for peer in wanted {
            let rule = turn.world.insert(kind, owner, &traffic);
            turn.world.set(rule, "group", group);
            turn.world.set(rule, "direction", direction);
            peer.into_iter().for_each(|(name, datum)| turn.world.set(rule, name, datum));
        }
        Ok(Outcome::Shown("securitygroup".to_owned(), without_counts(turn, group)))
    }))
}

/// A group as the job shows it that changed it: without the tags of rules and without counts.
fn without_counts(turn: &Turn<'_>, group: Handle) -> String {
    let keys = |names: &[&str]| names.iter().filter_map(|name| turn.world.known_key(name)).collect::<Vec<_>>();
    let mut json = Json::default();
    json.open();
    turn.world.render_members(group, turn.viewer(), &keys(&["ingressrule", "egressrule", "virtualmachinecount"]), &mut json);
    for (key, direction) in [("ingressrule", "ingress"), ("egressrule", "egress")] {
        json.key(key);
        json.open_array();
        rules(turn.world, group, direction).into_iter().for_each(|rule| turn.world.render_without(rule, turn.viewer(), &keys(&["tags"]), &mut json));
        json.close_array();
    }
    json.close();
    json.into_text()
}
