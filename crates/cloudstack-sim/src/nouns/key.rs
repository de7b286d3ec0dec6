//! What machines are dressed with: SSH keys, affinity groups, user data, instance groups.

use base64::{
    Engine as _, alphabet,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD},
    },
};

use super::Tables;
use crate::{
    kind::{ACCOUNT, CREATED, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, Noun, PROJECT, PROJECT_ID, Shown, computed, own},
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_SHORT},
    world::{Datum, Handle, World},
};

/// Bytes in a made-up private key.
const KEY_BYTES: usize = 1_190;
/// Characters of a line of a private key.
const KEY_LINE: usize = 64;
/// The longest user data that a GET takes.
const USER_DATA_GET_MAX: usize = 4_096;
/// The longest user data.
const USER_DATA_MAX: usize = 32_768;
/// The longest name of an affinity group that can be kept: one less than is taken.
const AFFINITY_NAME_MAX: usize = 254;
/// The sorts of affinity groups.
const AFFINITY_TYPES: &[&str] = &["host anti-affinity", "host affinity", "non-strict host anti-affinity", "non-strict host affinity"];

/// An SSH key.
pub(crate) const KEY_PAIR_NOUN: Noun = Noun {
    word: "sshkeypair",
    entities: &["SSHKeyPairResponse"],
    resource: "SSHKeyPair",
    owned: true,
    keywords: &["name"],
    newest_first: false,
    view: &[ID, own("name"), ACCOUNT, PROJECT_ID, PROJECT, DOMAIN_ID, DOMAIN, own("fingerprint"), HAS_ANNOTATIONS],
};

/// A group of machines that are to run apart or together.
pub(crate) const AFFINITY_NOUN: Noun = Noun {
    word: "affinitygroup",
    entities: &["AffinityGroupResponse"],
    resource: "AffinityGroup",
    owned: true,
    keywords: &["name"],
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
        own("type"),
        computed("virtualmachineIds", members),
    ],
};

/// User data kept under a name.
pub(crate) const USER_DATA_NOUN: Noun = Noun {
    word: "userdata",
    entities: &["UserDataResponse"],
    resource: "UserData",
    owned: true,
    keywords: &["name"],
    newest_first: false,
    view: &[ID, own("name"), ACCOUNT, PROJECT_ID, PROJECT, DOMAIN_ID, DOMAIN, DOMAIN_PATH, own("userdata"), own("params"), HAS_ANNOTATIONS],
};

/// A group of machines for people.
pub(crate) const GROUP_NOUN: Noun = Noun {
    word: "instancegroup",
    entities: &["InstanceGroupResponse"],
    resource: "InstanceGroup",
    owned: true,
    keywords: &["name"],
    newest_first: false,
    view: &[ID, own("name"), CREATED, ACCOUNT, PROJECT_ID, PROJECT, DOMAIN_ID, DOMAIN, DOMAIN_PATH, HAS_ANNOTATIONS],
};

/// The commands of keys, groups and user data.
pub(super) const TABLES: Tables = Tables {
    handlers: &[
        ("createSSHKeyPair", create_pair),
        ("registerSSHKeyPair", register_pair),
        ("deleteSSHKeyPair", delete_pair),
        ("createAffinityGroup", create_affinity),
        ("deleteAffinityGroup", delete_affinity),
        ("listAffinityGroupTypes", affinity_types),
        ("updateVMAffinityGroup", update_affinity),
        ("registerUserData", register_user_data),
        ("deleteUserData", delete_user_data),
        ("linkUserDataToTemplate", link_user_data),
    ],
    filters: &[("affinitygroup", "virtualmachineid", |turn, group| {
        turn.arguments.object("virtualmachineid").is_some_and(|vm| *turn.world.links(vm, "affinitygroups") == [group])
    })],
};

fn members(world: &World, group: Handle, _: crate::kind::Viewer) -> Option<Shown> {
    let has = |vm: &Handle| world.links(*vm, "affinitygroups").contains(&group);
    let ids: Vec<String> = world.rows(world.kind("virtualmachine")).filter(has).map(|vm| format!("\"{}\"", world.id(vm))).collect();
    (!ids.is_empty()).then(|| Shown::Raw(format!("[{}]", ids.join(","))))
}

fn taken(turn: &Turn<'_>, kind: &str, owner: Handle, name: &str) -> bool {
    turn.world.owned(turn.world.kind(kind), owner).any(|row| turn.world.text(row, "name").is_some_and(|known| known.eq_ignore_ascii_case(name)))
}

fn fingerprint(turn: &mut Turn<'_>) -> String {
    (0..16).map(|_| format!("{:02x}", turn.world.random.u8(..))).collect::<Vec<_>>().join(":")
}

fn new_pair(turn: &mut Turn<'_>) -> Result<Handle, Refusal> {
    let owner = turn.new_owner()?;
    let name = turn.needed("name")?;
    if taken(turn, "sshkeypair", owner, &name) {
        return Err(Refusal::invalid(format!("A key pair with name '{name}' already exists.")));
    }
    let print = fingerprint(turn);
    let kind = turn.world.kind("sshkeypair");
    Ok(turn.world.insert(kind, Some(owner), &[("name", name.into()), ("fingerprint", print.into())]))
}

fn create_pair(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let pair = new_pair(turn)?;
    let bytes: Vec<u8> = (0..KEY_BYTES).map(|_| turn.world.random.u8(..)).collect();
    let text = STANDARD.encode(bytes);
    let lines: Vec<&str> = text.as_bytes().chunks(KEY_LINE).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let private = format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n", lines.join("\n"));
    let mut json = crate::json::Json::default();
    json.open();
    json.member("privatekey", &private);
    turn.world.render_members(pair, turn.viewer(), &[], &mut json);
    json.close();
    Ok(Outcome::Shown("keypair".to_owned(), json.into_text()))
}

fn register_pair(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let key = turn.needed("publickey")?;
    if !["ssh-", "ecdsa-", "sk-"].iter().any(|start| key.starts_with(start)) {
        return Err(Refusal::invalid("Public key is invalid"));
    }
    Ok(Outcome::Object(new_pair(turn)?))
}

fn delete_pair(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let owner = turn.new_owner()?;
    let name = turn.needed("name")?;
    let kind = turn.world.kind("sshkeypair");
    let found = turn.world.owned(kind, owner).find(|row| turn.world.text(*row, "name") == Some(&name));
    let Some(pair) = found else {
        return Err(Refusal::invalid(format!("A key pair with name '{name}' does not exist for account {}", turn.world.string(owner, "name"))));
    };
    turn.world.remove(pair);
    Ok(Outcome::Success)
}

/// The names of the key pairs that a call asks for, joined by commas. Each has to be the owner's.
pub(crate) fn named_pairs(turn: &Turn<'_>, owner: Option<Handle>) -> Result<Option<String>, Refusal> {
    let several = turn.arguments.list("keypairs");
    let names: Vec<&str> = if several.is_empty() { turn.arguments.text("keypair").into_iter().collect() } else { several };
    let kind = turn.world.kind("sshkeypair");
    for name in &names {
        let known = owner.is_some_and(|owner| turn.world.owned(kind, owner).any(|row| turn.world.text(row, "name") == Some(name)));
        if !known {
            return Err(Refusal::invalid(format!("A key pair with name '{name}' was not found.")));
        }
    }
    Ok(if names.is_empty() { None } else { Some(names.join(",")) })
}

/// Whether a text can be the user data of a machine.
pub(crate) fn check_user_data(turn: &Turn<'_>, text: &str) -> Result<(), Refusal> {
    if turn.by_get && text.len() > USER_DATA_GET_MAX {
        return Err(Refusal::invalid("User data is too long for http GET request"));
    }
    if text.len() > USER_DATA_MAX {
        return Err(Refusal::invalid(format!("User data has exceeded configurable max length: {USER_DATA_MAX}")));
    }
    if encoded(turn.world, text).is_none() {
        return Err(Refusal::invalid("User data is not base64 encoded."));
    }
    Ok(())
}

/// User data as it is kept, if it is base64. Older releases take the letters of addresses too, and put bits that are missing in.
fn encoded(world: &World, text: &str) -> Option<String> {
    let text = text.trim();
    if STANDARD.decode(text).is_ok() {
        return Some(text.to_owned());
    }
    let is_known = |letter: char| letter.is_ascii_alphanumeric() || "+/-_=".contains(letter) || letter.is_ascii_whitespace();
    if !world.is_old || !text.chars().all(is_known) {
        return None;
    }
    let letters: String = text.chars().filter(|letter| *letter != '=' && !letter.is_ascii_whitespace()).collect();
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(&alphabet::STANDARD, config).decode(letters.replace('-', "+").replace('_', "/")).ok()?;
    Some(STANDARD.encode(bytes))
}

/// Gives a machine the user data that a call names: a text, or a set that is kept under a name.
pub(crate) fn dress_with_user_data(turn: &mut Turn<'_>, vm: Handle) {
    if let Some(text) = turn.arguments.text("userdata").map(str::to_owned) {
        turn.world.set(vm, "rawuserdata", text);
    }
    if let Some(set) = turn.arguments.object("userdataid") {
        turn.world.set(vm, "userdataset", set);
    }
}

fn create_affinity(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let owner = turn.new_owner()?;
    let name = turn.needed("name")?;
    let kind = turn.needed("type")?;
    if !AFFINITY_TYPES.contains(&kind.as_str()) {
        let known = AFFINITY_TYPES.join(",");
        return Err(Refusal::invalid(format!("Unable to create affinity group, invalid affinity group type: {kind}. Valid values are {known}")));
    }
    if taken(turn, "affinitygroup", owner, &name) {
        return Err(Refusal::invalid(format!("Unable to create affinity group, a group with name {name} already exists.")));
    }
    if name.chars().count() > AFFINITY_NAME_MAX {
        return Err(Refusal::internal("Unable to create affinity group: its name is too long"));
    }
    let mut fields: Vec<(&str, Datum)> = vec![("name", name.into()), ("type", kind.into())];
    if let Some(text) = turn.arguments.text("description") {
        fields.push(("description", text.into()));
    }
    let table = turn.world.kind("affinitygroup");
    let group = turn.world.insert(table, Some(owner), &fields);
    Ok(turn.making(group, WORK_SHORT, move |_| Ok(Outcome::Object(group))))
}

fn delete_affinity(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let named = turn.arguments.text("name").map(str::to_owned);
    let owner = turn.new_owner()?;
    let kind = turn.world.kind("affinitygroup");
    let by_name = named.and_then(|name| turn.world.owned(kind, owner).find(|row| turn.world.text(*row, "name") == Some(&name)));
    let Some(group) = turn.arguments.object("id").or(by_name) else {
        return Err(Refusal::invalid("Either the affinity group Id or group name must be specified to delete the group"));
    };
    Ok(turn.job(group, WORK_SHORT, move |turn| {
        let kind = turn.world.kind("virtualmachine");
        let members: Vec<Handle> = turn.world.rows(kind).filter(|vm| super::vm::affinity_rows(turn.world, *vm).contains(&group)).collect();
        for vm in members {
            let rest: Vec<Handle> = super::vm::affinity_rows(turn.world, vm).iter().copied().filter(|other| *other != group).collect();
            turn.world.set(vm, "affinitygroups", Datum::Links(rest.into()));
        }
        turn.world.remove(group);
        Ok(Outcome::Success)
    }))
}

fn affinity_types(_: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let items: Vec<String> = AFFINITY_TYPES.iter().map(|kind| format!("{{\"type\":\"{kind}\"}}")).collect();
    Ok(Outcome::Rendered(items.join(","), AFFINITY_TYPES.len()))
}

/// The affinity groups that the arguments name by id or by name.
pub(crate) fn affinity_groups(turn: &Turn<'_>) -> Result<Vec<Handle>, Refusal> {
    let mut groups = turn.arguments.objects("affinitygroupids").map(<[Handle]>::to_vec).unwrap_or_default();
    let owner = turn.new_owner()?;
    for name in turn.arguments.list("affinitygroupnames") {
        let found = turn.world.owned(turn.world.kind("affinitygroup"), owner).find(|row| turn.world.text(*row, "name") == Some(name));
        groups.push(found.ok_or_else(|| Refusal::invalid(format!("Unable to find group by name {name}")))?);
    }
    Ok(groups)
}

fn update_affinity(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let vm = turn.target("id")?;
    let stopped = turn.world.text(vm, "state") == Some("Stopped");
    let groups = if stopped {
        affinity_groups(turn)
    } else {
        let (id, state) = (turn.world.id(vm), turn.world.string(vm, "state"));
        Err(Refusal::invalid(format!("Unable update affinity groups of the virtual machine {id} in state {state}; make sure the virtual machine is stopped")))
    };
    match groups {
        Err(refusal) => Ok(turn.failing(vm, refusal)),
        Ok(groups) => Ok(turn.job(vm, WORK_SHORT, move |turn| {
            turn.world.set(vm, "affinitygroups", Datum::Links(groups.into()));
            Ok(Outcome::Object(vm))
        })),
    }
}

fn register_user_data(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let owner = turn.new_owner()?;
    let name = turn.needed("name")?;
    let text = turn.needed("userdata")?;
    if taken(turn, "userdata", owner, &name) {
        return Err(Refusal::invalid(format!("A userdata with name {name} already exists for this account.")));
    }
    check_user_data(turn, &text)?;
    let text = encoded(turn.world, &text).unwrap_or(text);
    let mut fields: Vec<(&str, Datum)> = vec![("name", name.into()), ("userdata", text.into())];
    if let Some(names) = turn.arguments.text("params") {
        fields.push(("params", names.into()));
    }
    let kind = turn.world.kind("userdata");
    Ok(Outcome::Object(turn.world.insert(kind, Some(owner), &fields)))
}

fn delete_user_data(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let set = turn.target("id")?;
    if turn.world.referring("virtualmachine", "userdataset", set).next().is_some() {
        return Err(Refusal::internal(format!("User data {} cannot be removed: machines use it", turn.world.id(set))));
    }
    turn.world.remove(set);
    Ok(Outcome::Success)
}

/// Whatever is wrong here, servers call it a failure inside.
fn link_user_data(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let ((Some(image), None) | (None, Some(image))) = (turn.arguments.object("templateid"), turn.arguments.object("isoid")) else {
        return Err(Refusal::internal("Failed to link userdata to template: one template or ISO is needed"));
    };
    let is_own = turn.caller.is_root() || turn.world.owner(image) == Some(turn.caller.account);
    if !is_own {
        return Err(Refusal::internal("Failed to link userdata to template: it belongs to somebody else"));
    }
    match turn.arguments.object("userdataid") {
        Some(data) => {
            turn.world.set(image, "userdata", data);
            let policy = turn.arguments.text("userdatapolicy").unwrap_or("ALLOWOVERRIDE").to_uppercase();
            turn.world.set(image, "userdatapolicy", policy);
        }
        None => ["userdata", "userdatapolicy"].into_iter().for_each(|name| turn.world.unset(image, name)),
    }
    Ok(Outcome::Object(image))
}

/// The instance group of an owner with this name, made if there is none.
pub(crate) fn group_named(turn: &mut Turn<'_>, owner: Option<Handle>, name: &str) -> Handle {
    let kind = turn.world.kind("instancegroup");
    let found = owner.and_then(|owner| turn.world.owned(kind, owner).find(|row| turn.world.text(*row, "name") == Some(name)));
    found.unwrap_or_else(|| turn.world.insert(kind, owner, &[("name", name.into())]))
}
