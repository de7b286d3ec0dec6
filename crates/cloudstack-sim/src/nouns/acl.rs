//! Access lists of VPCs and their entries: what they may say, and their order. Who stands behind a list is the networks' matter.

use super::{
    Tables,
    recipe::{self, Put, Recipe, change, make, take},
    traffic,
};
use crate::{
    kind::{Constant, ID, Noun, TAGS, always, linked, own, own_or},
    list::{self, Scope},
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// An access list.
pub(crate) const LIST_NOUN: Noun = Noun {
    word: "networkacllist",
    entities: &["NetworkACLResponse"],
    resource: "NetworkAcl",
    owned: false,
    keywords: &["name", "description"],
    newest_first: true,
    view: &[
        ID,
        own("name"),
        own("description"),
        linked("vpcid", "vpc", "id"),
        linked("vpcname", "vpc", "name"),
        always("fordisplay", Constant::Flag(true)).root(),
    ],
};

/// An entry of an access list.
pub(crate) const ITEM_NOUN: Noun = Noun {
    word: "networkacl",
    entities: &["NetworkACLItemResponse"],
    resource: "NetworkAclItem",
    owned: false,
    keywords: &["protocol", "reason"],
    newest_first: true,
    view: &[
        ID,
        own("protocol"),
        own("startport"),
        own("endport"),
        own("traffictype"),
        own_or("state", Constant::Text("Active")),
        own_or("cidrlist", Constant::Text("0.0.0.0/0")),
        own("icmptype"),
        own("icmpcode"),
        TAGS,
        linked("aclid", "aclid", "id"),
        linked("aclname", "aclid", "name"),
        own("number"),
        own_or("action", Constant::Text("Allow")),
        always("fordisplay", Constant::Flag(true)).root(),
        own("reason"),
    ],
};

/// The lists that every server has from its first day; nobody changes them.
const DEFAULTS: [&str; 2] = ["default_allow", "default_deny"];
/// The list that a network stands behind unless another is asked for.
const DENIES: &str = "default_deny";
/// From where an entry lets in unless it says.
const EVERYWHERE: &str = "0.0.0.0/0,::/0";
/// The protocols that entries know by name; they know all by number.
const PROTOCOLS: [&str; 4] = ["tcp", "udp", "icmp", "all"];
/// ICMP's number among the protocols.
const ICMP_NUMBER: &str = "1";
/// The greatest type of an ICMP message.
const LAST_TYPE: i64 = 255;
/// The greatest code of an ICMP message.
const LAST_CODE: i64 = 16;
/// Every ICMP type or code.
const ANY: i64 = -1;

/// The commands and filters of access lists.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("listNetworkACLLists", list_lists),
        ("listNetworkACLs", list_items),
        ("createNetworkACL", create_item),
        ("updateNetworkACLItem", update_item),
        ("moveNetworkAclItem", move_item),
        ("replaceNetworkACLList", replace_list),
        ("deleteNetworkACLList", delete_list),
    ],
    filters: &[
        ("networkacllist", "vpcid", |turn, acl| turn.world.link(acl, "vpc").is_none() || list::argument_is(turn, "vpcid", turn.world.link(acl, "vpc"))),
        ("networkacllist", "networkid", |turn, acl| turn.arguments.object("networkid").is_some_and(|network| turn.world.link(network, "acl") == Some(acl))),
        ("networkacl", "networkid", |turn, item| {
            let acl = turn.arguments.object("networkid").and_then(|network| turn.world.link(network, "acl"));
            acl.is_some() && turn.world.link(item, "aclid") == acl
        }),
    ],
};

/// The commands of access lists that need no code.
pub(super) const RECIPES: &[Recipe] = &[
    make("createNetworkACLList", "networkacllist", &[Put::Text("name"), Put::Text("description"), Put::Link("vpcid", "vpc")]).checked(|turn, _| {
        if turn.arguments.object("vpcid").is_none() && !turn.caller.is_root() {
            return Err(Refusal::forbidden("Only Root Admin can create global ACLs."));
        }
        Ok(())
    }),
    change("updateNetworkACLList", "id", &[Put::Text("name"), Put::Text("description")]).checked(may_change),
    take("deleteNetworkACL", "id").checked(|turn, item| {
        let acl = item.and_then(|item| turn.world.link(item, "aclid"));
        not_default(turn, acl, "ACL Items in default ACL cannot be deleted")?;
        may_change(turn, acl)
    }),
];

/// The list that denies everything.
pub(super) fn denies(world: &World) -> Option<Handle> {
    world.find("networkacllist", "name", DENIES)
}

/// Removes a list with its entries; other things alone.
pub(super) fn remove_with_items(world: &mut World, row: Handle) {
    let items: Vec<Handle> = world.referring("networkacl", "aclid", row).collect();
    items.into_iter().for_each(|item| world.remove(item));
    world.remove(row);
}

fn is_default(world: &World, acl: Handle) -> bool {
    world.link(acl, "vpc").is_none() && world.text(acl, "name").is_some_and(|name| DEFAULTS.contains(&name))
}

fn not_default(turn: &Turn<'_>, acl: Option<Handle>, text: &str) -> Result<(), Refusal> {
    if acl.is_some_and(|acl| is_default(turn.world, acl)) { Err(Refusal::invalid(text)) } else { Ok(()) }
}

/// Lists of a VPC are changed by those who may use the VPC, all others by administrators of the whole cloud.
fn may_change(turn: &Turn<'_>, acl: Option<Handle>) -> Result<(), Refusal> {
    let may = match acl.and_then(|acl| turn.world.link(acl, "vpc")) {
        Some(vpc) => turn.may_use(vpc),
        None => turn.caller.is_root(),
    };
    if may { Ok(()) } else { Err(Refusal::permission()) }
}

/// Whether a list of entries or lists shows what belongs to an access list.
fn is_shown(world: &World, acl: Handle, scope: &Scope) -> bool {
    let Some(vpc) = world.link(acl, "vpc") else { return true };
    world.owner(vpc).is_some_and(|owner| list::in_scope(world, owner, scope))
}

/// Refuses to look at what belongs to others.
fn check_use(turn: &Turn<'_>, object: Option<Handle>) -> Result<(), Refusal> {
    if object.is_none_or(|object| turn.may_use(object)) { Ok(()) } else { Err(Refusal::permission()) }
}

fn list_lists(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("networkacllist");
    let vpc = turn.arguments.object("vpcid");
    check_use(turn, vpc)?;
    let scope = list::scope(turn)?;
    list::list_where(turn, kind, |world, acl| vpc.is_some() || is_shown(world, acl, &scope))
}

fn list_items(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("networkacl");
    let network = turn.arguments.object("networkid");
    check_use(turn, network)?;
    let acl = match network {
        Some(network) => turn.world.link(network, "acl"),
        None => turn.arguments.object("aclid"),
    };
    check_use(turn, acl.and_then(|acl| turn.world.link(acl, "vpc")))?;
    let scope = list::scope(turn)?;
    list::list_where(turn, kind, |world, item| acl.is_some() || world.link(item, "aclid").is_some_and(|acl| is_shown(world, acl, &scope)))
}

fn check_number(world: &World, acl: Handle, number: i64, item: Option<Handle>) -> Result<(), Refusal> {
    let taken = world.referring("networkacl", "aclid", acl).any(|other| Some(other) != item && world.number(other, "number") == number);
    if taken { Err(Refusal::invalid(format!("ACL item with number {number} already exists in ACL: {}", world.id(acl)))) } else { Ok(()) }
}

/// What an entry lets through or keeps out.
struct Entry {
    protocol: String,
    ports: (Option<i64>, Option<i64>),
    message: (Option<i64>, Option<i64>),
    cidrs: String,
    direction: String,
    action: String,
    reason: Option<String>,
}

impl Entry {
    /// What the arguments say, over what was there before.
    fn read(turn: &Turn<'_>, before: Option<Handle>) -> Result<Self, Refusal> {
        let (world, arguments) = (&*turn.world, &turn.arguments);
        let old = |name: &str| before.and_then(|item| world.text(item, name)).map(str::to_owned);
        let text = |name: &str| arguments.text(name).map(|text| text.trim().to_owned()).or_else(|| old(name));
        let code =
            |name: &str| arguments.number(name).or_else(|| before.filter(|item| world.field(*item, name).is_some()).map(|item| world.number(item, name)));
        let port = |name: &str| arguments.number(name).or_else(|| old(name)?.parse().ok());
        let action = text("action").unwrap_or_else(|| "Allow".to_owned());
        let action = ["Allow", "Deny"].into_iter().find(|known| known.eq_ignore_ascii_case(&action));
        let direction = text("traffictype").unwrap_or_else(|| "Ingress".to_owned());
        let direction = ["Ingress", "Egress"].into_iter().find(|known| known.eq_ignore_ascii_case(&direction));
        let protocol = match text("protocol") {
            Some(protocol) if protocol == ICMP_NUMBER => "icmp".to_owned(),
            protocol => protocol.unwrap_or_default(),
        };
        let is_icmp = protocol.eq_ignore_ascii_case("icmp");
        let start = port("startport");
        let message = |name: &str| code(name).or(is_icmp.then_some(ANY));
        Ok(Self {
            ports: (start, port("endport").or(start)),
            message: (message("icmptype"), message("icmpcode")),
            cidrs: text("cidrlist").unwrap_or_else(|| EVERYWHERE.to_owned()),
            direction: direction.ok_or_else(|| Refusal::invalid("The traffic type must be Ingress or Egress"))?.to_owned(),
            action: action.ok_or_else(|| Refusal::invalid("Invalid action. Permitted actions are Allow and Deny"))?.to_owned(),
            reason: text("reason"),
            protocol,
        })
    }

    fn check(&self) -> Result<(), Refusal> {
        let refuse = |text: &str| Err(Refusal::invalid(text));
        let is_port = |port: i64| (0..=i64::from(u16::MAX)).contains(&port);
        if let (Some(start), Some(end)) = self.ports {
            if !is_port(start) || !is_port(end) {
                return refuse("The start or end port is an invalid value");
            }
            if start > end {
                return refuse("The start port can't be bigger than the end port");
            }
            if self.protocol.eq_ignore_ascii_case("all") {
                return refuse("Start and end port must not be given if the protocol is 'all'");
            }
        } else if self.ports.1.is_some() {
            return refuse("The start port is an invalid value: null");
        }
        if let Some(cidr) = self.cidrs.split(',').find(|cidr| !traffic::is_cidr(cidr.trim())) {
            return Err(Refusal::argument(format!("Source cidrs formatting error {cidr}")));
        }
        let is_number = !self.protocol.is_empty() && self.protocol.bytes().all(|byte| byte.is_ascii_digit());
        let known = if is_number { self.protocol.parse::<u8>().is_ok() } else { PROTOCOLS.iter().any(|known| known.eq_ignore_ascii_case(&self.protocol)) };
        if !known {
            return refuse(&format!("Invalid protocol [{}]", self.protocol));
        }
        self.check_message()
    }

    fn check_message(&self) -> Result<(), Refusal> {
        if !self.protocol.eq_ignore_ascii_case("icmp") {
            return if self.message == (None, None) { Ok(()) } else { Err(Refusal::invalid("Can specify icmpCode and icmpType for ICMP protocol only")) };
        }
        if self.ports != (None, None) {
            return Err(Refusal::invalid("Can't specify start/end port when protocol is ICMP"));
        }
        let (kind, code) = (self.message.0.unwrap_or(ANY), self.message.1.unwrap_or(ANY));
        if (ANY..=LAST_TYPE).contains(&kind) && (ANY..=LAST_CODE).contains(&code) {
            return Ok(());
        }
        Err(Refusal::invalid(format!("Invalid icmp type [{kind}] or code [{code}]")))
    }

    fn write(self, world: &mut World, item: Handle) {
        let port = |port: Option<i64>| port.map(|port| Datum::from(port.to_string()));
        let fields = [
            ("protocol", Some(self.protocol.into())),
            ("startport", port(self.ports.0)),
            ("endport", port(self.ports.1)),
            ("icmptype", self.message.0.map(Datum::from)),
            ("icmpcode", self.message.1.map(Datum::from)),
            ("cidrlist", Some(self.cidrs.into())),
            ("traffictype", Some(self.direction.into())),
            ("action", Some(self.action.into())),
            ("reason", self.reason.map(Datum::from)),
        ];
        for (name, value) in fields {
            match value {
                Some(value) => world.set(item, name, value),
                None => world.unset(item, name),
            }
        }
    }
}

fn create_item(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let network = turn.arguments.object("networkid");
    let acl = turn.arguments.object("aclid").or_else(|| network.and_then(|network| turn.world.link(network, "acl")));
    let Some(acl) = acl else {
        let text = if network.is_some() { "The network does not belong to a VPC" } else { "Cannot create Network ACL Item. ACL Id or network Id is required" };
        return Err(Refusal::invalid(text));
    };
    not_default(turn, Some(acl), "Default ACL cannot be modified")?;
    may_change(turn, Some(acl))?;
    let highest = turn.world.referring("networkacl", "aclid", acl).map(|item| turn.world.number(item, "number")).max().unwrap_or(0);
    let number = turn.arguments.number("number").unwrap_or(highest + 1);
    if number < 1 {
        return Err(Refusal::invalid(format!("Invalid number: {number}. Number cannot be < 1")));
    }
    check_number(turn.world, acl, number, None)?;
    let entry = Entry::read(turn, None)?;
    entry.check()?;
    let kind = turn.world.kind("networkacl");
    let item = turn.world.insert(kind, None, &[("aclid", acl.into()), ("number", number.into())]);
    entry.write(turn.world, item);
    Ok(turn.making(item, WORK_SHORT, move |_| Ok(Outcome::Object(item))))
}

fn update_item(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let item = turn.target("id")?;
    Ok(turn.job(item, WORK_SHORT, move |turn| {
        let Some(acl) = turn.world.link(item, "aclid") else { return Err(Refusal::invalid("Unable to find the ACL of the rule")) };
        not_default(turn, Some(acl), "Default ACL cannot be modified")?;
        may_change(turn, Some(acl))?;
        let number = turn.arguments.number("number");
        if let Some(number) = number {
            check_number(turn.world, acl, number, Some(item))?;
        }
        let is_partial = turn.arguments.truth("partialupgrade") != Some(false);
        let entry = Entry::read(turn, is_partial.then_some(item))?;
        entry.check()?;
        entry.write(turn.world, item);
        if let Some(number) = number {
            turn.world.set(item, "number", number);
        }
        // The answer is written before the entry reaches the router, so it alone shows the state on the way there.
        turn.world.set(item, "state", "Add");
        let mut shown = crate::json::Json::default();
        turn.world.render(item, turn.viewer(), &mut shown);
        turn.world.set(item, "state", "Active");
        Ok(Outcome::Shown("networkacl".to_owned(), shown.into_text()))
    }))
}

fn move_item(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let id = turn.needed("id")?;
    // Whether there are such entries is found out by the job; the list waits for it.
    let known = item_of(turn, "id").and_then(|item| turn.world.link(item, "aclid"));
    let subject = known.unwrap_or(turn.caller.account);
    Ok(turn.job(subject, WORK_SHORT, move |turn| {
        let neighbours = ["nextaclruleid", "previousaclruleid"];
        let given = |name: &str| turn.arguments.text(name).is_some_and(|text| !text.trim().is_empty());
        if !neighbours.iter().any(|name| given(name)) {
            return Err(Refusal::invalid("Both previous and next ACL rule IDs cannot be blank."));
        }
        let Some(item) = item_of(turn, "id") else { return Err(Refusal::invalid(format!("Could not find a rule with ID[{id}]"))) };
        if let Some(lost) = neighbours.into_iter().find(|name| given(name) && item_of(turn, name).is_none()) {
            return Err(Refusal::invalid(format!("Could not find the rule that {lost} names")));
        }
        let (next, previous) = (item_of(turn, "nextaclruleid"), item_of(turn, "previousaclruleid"));
        let acl = turn.world.link(item, "aclid");
        if [next, previous].into_iter().flatten().any(|other| turn.world.link(other, "aclid") != acl) {
            return Err(Refusal::invalid("Cannot use ACL rules from differentiating ACLs. Rule being moved."));
        }
        not_default(turn, acl, "Default ACL rules cannot be moved.")?;
        may_change(turn, acl)?;
        renumber(turn.world, item, (previous, next))?;
        Ok(Outcome::Object(item))
    }))
}

/// The entry whose id an argument gives as text.
fn item_of(turn: &Turn<'_>, argument: &str) -> Option<Handle> {
    let id = turn.arguments.text(argument).and_then(crate::world::parse_id)?;
    turn.world.by_id(id).filter(|row| row.kind == turn.world.kind("networkacl"))
}

/// Puts an entry between two others, before one or behind one, which is the end; what is in the way moves on by one.
fn renumber(world: &mut World, item: Handle, (previous, next): (Option<Handle>, Option<Handle>)) -> Result<(), Refusal> {
    let Some(acl) = world.link(item, "aclid") else { return Ok(()) };
    let mut all: Vec<(i64, Handle)> = world.referring("networkacl", "aclid", acl).map(|other| (world.number(other, "number"), other)).collect();
    all.sort_unstable();
    let (number, shifts) = match (previous, next) {
        (None, _) => (1, true),
        (Some(_), None) => (all.last().map_or(0, |(last, _)| *last) + 1, false),
        (Some(previous), Some(next)) => {
            let number = world.number(previous, "number") + 1;
            (number, number == world.number(next, "number"))
        }
    };
    all.retain(|(_, other)| *other != item);
    if !shifts && all.iter().any(|(at, _)| *at == number) {
        return Err(Refusal::invalid("The new position calculated already has an ACL rule on it"));
    }
    world.set(item, "number", number);
    let mut taken = number;
    for (at, other) in all.into_iter().filter(|_| shifts) {
        if at == taken {
            taken += 1;
            world.set(other, "number", taken);
        }
    }
    Ok(())
}

fn replace_list(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let acl = turn.target("aclid")?;
    let (network, gateway) = (turn.arguments.object("networkid"), turn.arguments.object("gatewayid"));
    let subject = network.or(gateway).unwrap_or(acl);
    Ok(turn.job(subject, WORK_SHORT, move |turn| {
        let target = match (network, gateway) {
            (Some(target), None) | (None, Some(target)) => target,
            (Some(_), Some(_)) => return Err(Refusal::failed("Network ID and private gateway can't be passed at the same time")),
            (None, None) => return Err(Refusal::failed("Network ID and private gateway can't be null at the same time")),
        };
        let Some(vpc) = turn.world.link(target, "vpc") else {
            return Err(Refusal::invalid(format!("Network is not part of a VPC: {}", turn.world.id(target))));
        };
        if let Some(own) = turn.world.link(acl, "vpc") {
            check_use(turn, Some(own))?;
            if own != vpc {
                return Err(Refusal::invalid("The network or gateway and the ACL do not belong to the same VPC"));
            }
        }
        turn.world.set(target, "acl", acl);
        Ok(Outcome::Success)
    }))
}

fn delete_list(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let acl = turn.target("id")?;
    Ok(turn.job(acl, WORK_SHORT, move |turn| {
        not_default(turn, Some(acl), "Default ACL cannot be removed")?;
        may_change(turn, Some(acl))?;
        for (kind, word) in [("network", "tier(s)"), ("privategateway", "private gateway(s)")] {
            let users = recipe::users(turn.world, acl, &[(kind, "acl")]);
            if users > 0 {
                let said = recipe::said(turn.world, "NetworkACL", acl);
                return Err(Refusal::failed(format!("ACL is still associated with {users} {word}. Cannot delete network ACL: {said}")));
            }
        }
        remove_with_items(turn.world, acl);
        Ok(Outcome::Success)
    }))
}
