//! Autoscaling: counters, conditions on them, policies, profiles of machines, and groups behind load balancer rules.

use super::{
    Tables,
    recipe::{self, Put, Recipe, change, make, quietly, take},
};
use crate::{
    json::Json,
    kind::{
        ACCOUNT, CREATED, Constant, DOMAIN, DOMAIN_ID, DOMAIN_PATH, HAS_ANNOTATIONS, ID, Noun, PROJECT, PROJECT_ID, Shown, Viewer, always, computed, linked,
        own, own_or,
    },
    list,
    refusal::Refusal,
    turn::{Outcome, Turn},
    world::{Handle, World},
};

/// What is measured.
pub(crate) const COUNTER_NOUN: Noun = Noun {
    word: "counter",
    entities: &["CounterResponse"],
    resource: "Counter",
    owned: false,
    keywords: &[],
    newest_first: true,
    view: &[ID, own("name"), own("source"), own("value"), own("provider")],
};

/// A threshold of a counter.
pub(crate) const CONDITION_NOUN: Noun = Noun {
    word: "condition",
    entities: &["ConditionResponse"],
    resource: "Condition",
    owned: true,
    keywords: &[],
    newest_first: true,
    view: &[
        ID,
        own("threshold"),
        own("relationaloperator"),
        linked("counterid", "counter", "id"),
        linked("countername", "counter", "name"),
        computed("counter", |world, condition, viewer| {
            let mut json = Json::default();
            world.render(world.link(condition, "counter")?, viewer, &mut json);
            Some(Shown::Raw(json.into_text()))
        }),
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
    ],
};

/// What to do when conditions hold.
pub(crate) const POLICY_NOUN: Noun = Noun {
    word: "autoscalepolicy",
    entities: &["AutoScalePolicyResponse"],
    resource: "AutoScalePolicy",
    owned: true,
    keywords: &[],
    newest_first: true,
    view: &[
        ID,
        own("name"),
        own("action"),
        own("duration"),
        own_or("quiettime", Constant::Number(300)),
        computed("conditions", |world, policy, viewer| shown_links(world, policy, "conditions", viewer)),
        ACCOUNT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        PROJECT_ID,
        PROJECT,
    ],
};

/// What new machines of a group are like.
pub(crate) const PROFILE_NOUN: Noun = Noun {
    word: "autoscalevmprofile",
    entities: &["AutoScaleVmProfileResponse"],
    resource: "AutoScaleVmProfile",
    owned: true,
    keywords: &[],
    newest_first: true,
    view: &[
        ID,
        linked("zoneid", "zone", "id"),
        linked("serviceofferingid", "offering", "id"),
        linked("templateid", "template", "id"),
        own_or("otherdeployparams", Constant::Raw("{}")),
        own_or("counterparam", Constant::Raw("{}")),
        own("userdata"),
        linked("userdataid", "userdata_row", "id"),
        linked("userdataname", "userdata_row", "name"),
        own_or("expungevmgraceperiod", Constant::Number(120)),
        linked("autoscaleuserid", "user", "id"),
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        always("fordisplay", Constant::Flag(true)).root(),
    ],
};

/// A group of machines that grows and shrinks.
pub(crate) const GROUP_NOUN: Noun = Noun {
    word: "autoscalevmgroup",
    entities: &["AutoScaleVmGroupResponse"],
    resource: "AutoScaleVmGroup",
    owned: true,
    keywords: &["name"],
    newest_first: true,
    view: &[
        ID,
        linked("lbruleid", "rule", "id"),
        own("name"),
        linked("vmprofileid", "profile", "id"),
        own("minmembers"),
        own("maxmembers"),
        own_or("interval", Constant::Number(30)),
        always("availablevirtualmachinecount", Constant::Number(0)),
        own_or("state", Constant::Text("Enabled")),
        computed("scaleuppolicies", |world, group, viewer| shown_links(world, group, "scaleuppolicies", viewer)),
        computed("scaledownpolicies", |world, group, viewer| shown_links(world, group, "scaledownpolicies", viewer)),
        ACCOUNT,
        PROJECT_ID,
        PROJECT,
        DOMAIN_ID,
        DOMAIN,
        DOMAIN_PATH,
        always("lbprovider", Constant::Text("VirtualRouter")),
        linked("publicport", "rule", "publicport"),
        linked("privateport", "rule", "privateport"),
        computed("publicip", |world, group, _| Some(Shown::Text(world.string(world.link(world.link(group, "rule")?, "address")?, "ipaddress")))),
        computed("publicipid", |world, group, _| Some(Shown::Text(world.id(world.link(world.link(group, "rule")?, "address")?)))),
        computed("associatednetworkid", |world, group, _| Some(Shown::Text(world.id(world.link(world.link(group, "rule")?, "network")?)))),
        computed("associatednetworkname", |world, group, _| Some(Shown::Text(world.string(world.link(world.link(group, "rule")?, "network")?, "name")))),
        CREATED,
        HAS_ANNOTATIONS,
        always("fordisplay", Constant::Flag(true)).root(),
    ],
};

/// The filters of autoscaling.
pub(super) const TABLES: Tables = Tables {
    handlers: &[("listCounters", list_counters)],
    filters: &[
        ("condition", "policyid", |turn, condition| {
            turn.arguments.object("policyid").is_some_and(|policy| links(turn.world, policy, "conditions").contains(&condition))
        }),
        ("autoscalepolicy", "conditionid", |turn, policy| {
            turn.arguments.object("conditionid").is_some_and(|condition| links(turn.world, policy, "conditions").contains(&condition))
        }),
        ("autoscalepolicy", "vmgroupid", |turn, policy| turn.arguments.object("vmgroupid").is_some_and(|group| policies(turn.world, group).contains(&policy))),
        ("autoscalevmgroup", "policyid", |turn, group| turn.arguments.object("policyid").is_some_and(|policy| policies(turn.world, group).contains(&policy))),
        ("autoscalevmprofile", "otherdeployparams", |turn, profile| {
            let pairs = turn.world.tree(profile, "otherdeployparams").and_then(serde_json::Value::as_object).into_iter().flatten();
            let kept: Vec<String> = pairs.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
            list::argument_contains(turn, "otherdeployparams", Some(&kept.join("&")))
        }),
        ("autoscalevmgroup", "zoneid", |turn, group| {
            let rule = turn.world.link(group, "rule");
            list::argument_is(turn, "zoneid", rule.and_then(|rule| turn.world.link(rule, "zone")))
        }),
    ],
};

/// Counters are counted by the page.
fn list_counters(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let kind = turn.world.kind("counter");
    Ok(match list::list(turn, kind)? {
        Outcome::List(rows, _) => {
            let shown = rows.len();
            Outcome::List(rows, shown)
        }
        other => other,
    })
}

/// The commands of autoscaling.
pub(super) const RECIPES: &[Recipe] = &[
    make("createCounter", "counter", &[Put::Text("name"), Put::Capital("source"), Put::Text("value"), Put::Text("provider")]),
    take("deleteCounter", "id").checked(|turn, counter| match counter {
        Some(counter) if recipe::users(turn.world, counter, &[("condition", "counter")]) > 0 => Err(Refusal::failed("Counter is in use.")),
        _ => Ok(()),
    }),
    make("createCondition", "condition", &[Put::Number("threshold"), Put::Capital("relationaloperator"), Put::Link("counterid", "counter")])
        .checked(condition_is_right),
    quietly("updateCondition", "id", &[Put::Number("threshold"), Put::Capital("relationaloperator")]).checked(condition_is_right),
    take("deleteCondition", "id").checked(|turn, condition| {
        let kind = turn.world.kind("autoscalepolicy");
        let used = condition.is_some_and(|condition| turn.world.rows(kind).any(|policy| links(turn.world, policy, "conditions").contains(&condition)));
        if used { Err(Refusal::failed("Cannot delete condition when it is being used by one or more autoscale policies.")) } else { Ok(()) }
    }),
    make("createAutoScalePolicy", "autoscalepolicy", POLICY_PUTS).checked(policy_is_right),
    change("updateAutoScalePolicy", "id", POLICY_PUTS).checked(policy_is_free),
    take("deleteAutoScalePolicy", "id").checked(|turn, policy| {
        let kind = turn.world.kind("autoscalevmgroup");
        let used = policy.is_some_and(|policy| turn.world.rows(kind).any(|group| policies(turn.world, group).contains(&policy)));
        if used { Err(Refusal::invalid("Cannot delete AutoScale Policy when it is in use by one or more AutoScale VM Groups")) } else { Ok(()) }
    }),
    make("createAutoScaleVmProfile", "autoscalevmprofile", PROFILE_PUTS).checked(profile_is_right),
    change("updateAutoScaleVmProfile", "id", PROFILE_PUTS).checked(profile_is_free),
    take("deleteAutoScaleVmProfile", "id").checked(|turn, profile| match profile {
        Some(profile) if recipe::users(turn.world, profile, &[("autoscalevmgroup", "profile")]) > 0 => {
            Err(Refusal::invalid("Cannot delete AutoScale Vm Profile when it is in use by one more vm groups"))
        }
        _ => Ok(()),
    }),
    make("createAutoScaleVmGroup", "autoscalevmgroup", GROUP_PUTS).owned_through("lbruleid").checked(group_is_right),
    change("updateAutoScaleVmGroup", "id", GROUP_PUTS).checked(|turn, group| match group {
        Some(group) if turn.world.text(group, "state") != Some("Disabled") => {
            Err(Refusal::invalid("An AutoScale Vm Group can be updated with minMembers/maxMembers/Interval only when it is in disabled state"))
        }
        _ => members_are_right(turn, group),
    }),
    change("enableAutoScaleVmGroup", "id", &[Put::Fixed("state", Constant::Text("Enabled"))]).checked(|turn, group| {
        let may = is_in_state(turn, group, &["Enabled", "Disabled"]);
        if may { Ok(()) } else { Err(Refusal::invalid("Only a AutoScale Vm Group which is in Disabled state can be enabled.")) }
    }),
    change("disableAutoScaleVmGroup", "id", &[Put::Fixed("state", Constant::Text("Disabled"))]).checked(|turn, group| {
        let may = is_in_state(turn, group, &["Enabled", "Disabled", "Scaling"]);
        if may { Ok(()) } else { Err(Refusal::invalid("Only a AutoScale Vm Group which is in Enabled or Scaling state can be disabled.")) }
    }),
    take("deleteAutoScaleVmGroup", "id").checked(|turn, group| {
        let may = is_in_state(turn, group, &["Disabled"]) || turn.arguments.flag("cleanup");
        if may { Ok(()) } else { Err(Refusal::invalid("Cannot delete an autoscale vm group that is not disabled, unless with cleanup=true")) }
    }),
];

const POLICY_PUTS: &[Put] =
    &[Put::Text("name"), Put::Capital("action"), Put::Number("duration"), Put::Number("quiettime"), Put::Links("conditionids", "conditions")];

const PROFILE_PUTS: &[Put] = &[
    Put::Link("zoneid", "zone"),
    Put::Link("serviceofferingid", "offering"),
    Put::Link("templateid", "template"),
    Put::Pairs("otherdeployparams", "otherdeployparams"),
    Put::Pairs("counterparam", "counterparam"),
    Put::Text("userdata"),
    Put::Link("userdataid", "userdata_row"),
    Put::Number("expungevmgraceperiod"),
    Put::Link("autoscaleuserid", "user"),
];

const GROUP_PUTS: &[Put] = &[
    Put::Text("name"),
    Put::Link("lbruleid", "rule"),
    Put::Link("vmprofileid", "profile"),
    Put::Number("minmembers"),
    Put::Number("maxmembers"),
    Put::Number("interval"),
    Put::Links("scaleuppolicyids", "scaleuppolicies"),
    Put::Links("scaledownpolicyids", "scaledownpolicies"),
    Put::Or("state", Constant::Text("Enabled")),
];

fn links(world: &World, row: Handle, field: &str) -> Vec<Handle> {
    world.links(row, field).to_vec()
}

fn policies(world: &World, group: Handle) -> Vec<Handle> {
    [links(world, group, "scaleuppolicies"), links(world, group, "scaledownpolicies")].concat()
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of computed members")]
fn shown_links(world: &World, row: Handle, field: &str, viewer: Viewer) -> Option<Shown> {
    Some(recipe::nested(world, links(world, row, field).into_iter(), viewer))
}

fn condition_is_right(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let operator = turn.arguments.text("relationaloperator").unwrap_or_default();
    if !["GT", "GE", "LT", "LE", "EQ"].contains(&operator.to_uppercase().as_str()) {
        return Err(Refusal::invalid(format!("The Operator {operator} does not exist; Unable to create Condition.")));
    }
    match turn.arguments.number("threshold") {
        Some(threshold) if threshold < 0 => Err(Refusal::invalid(format!("The threshold {threshold} must be equal to or greater than 0."))),
        _ => Ok(()),
    }
}

/// Numbers of a policy and conditions that do not fit together.
fn terms_are_right(turn: &Turn<'_>) -> Result<(), Refusal> {
    for name in ["duration", "quiettime"] {
        if let Some(wrong) = turn.arguments.number(name).filter(|number| *number < 0) {
            return Err(Refusal::invalid(format!("{name} is an invalid value: {wrong}")));
        }
    }
    let Some(conditions) = turn.arguments.objects("conditionids") else { return Ok(()) };
    if conditions.is_empty() {
        return Err(Refusal::invalid("AutoScale policy must have at least one condition"));
    }
    let mut counters: Vec<Option<Handle>> = conditions.iter().map(|condition| turn.world.link(*condition, "counter")).collect();
    counters.sort_unstable();
    counters.dedup();
    if counters.len() < conditions.len() {
        return Err(Refusal::invalid("at least two conditions in the conditionids have the same counter"));
    }
    Ok(())
}

fn policy_is_right(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let action = turn.arguments.text("action").unwrap_or_default();
    if !["SCALEUP", "SCALEDOWN"].contains(&action.to_uppercase().as_str()) {
        return Err(Refusal::invalid(format!("action is invalid: {action}")));
    }
    terms_are_right(turn)
}

fn users_of_policy(world: &World, policy: Handle) -> Vec<Handle> {
    world.rows(world.kind("autoscalevmgroup")).filter(|group| policies(world, *group).contains(&policy)).collect()
}

fn policy_is_free(turn: &Turn<'_>, policy: Option<Handle>) -> Result<(), Refusal> {
    let groups = policy.map(|policy| users_of_policy(turn.world, policy)).unwrap_or_default();
    if groups.iter().any(|group| turn.world.text(*group, "state") != Some("Disabled")) {
        return Err(Refusal::invalid("The AutoScale Policy can be updated only if the Vm Group it is associated with is disabled in state"));
    }
    terms_are_right(turn)
}

fn profile_is_free(turn: &Turn<'_>, profile: Option<Handle>) -> Result<(), Refusal> {
    let mut groups = profile.into_iter().flat_map(|profile| turn.world.referring("autoscalevmgroup", "profile", profile));
    if groups.any(|group| turn.world.text(group, "state") != Some("Disabled")) {
        return Err(Refusal::invalid("The AutoScale Vm Profile can be updated only if the Vm Group it is associated with is disabled in state"));
    }
    profile_is_right(turn, profile)
}

fn profile_is_right(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let offering = turn.arguments.object("serviceofferingid");
    if offering.is_some_and(|offering| turn.world.flag(offering, "iscustomized")) {
        return Err(Refusal::invalid("Unable to use dynamic service offering in AutoScale vm profile"));
    }
    match turn.arguments.number("expungevmgraceperiod") {
        Some(wrong) if wrong < 0 => Err(Refusal::invalid("Expunge Vm Grace Period cannot be less than 0.")),
        _ => Ok(()),
    }
}

/// How many machines a group may have, and how often it looks; what is not said stays as it is.
fn members_are_right(turn: &Turn<'_>, group: Option<Handle>) -> Result<(), Refusal> {
    let number = |name: &str| turn.arguments.number(name).or_else(|| group.map(|group| turn.world.number(group, name)));
    let (min, max) = (number("minmembers").unwrap_or(1), number("maxmembers").unwrap_or(1));
    for (name, value) in [("minmembers", min), ("maxmembers", max)] {
        if value <= 0 {
            return Err(Refusal::invalid(format!("{name} is an invalid value: {value}")));
        }
    }
    if min > max {
        return Err(Refusal::invalid(format!("minmembers ({min})cannot be greater than maxmembers ({max})")));
    }
    let interval = turn.arguments.number("interval").unwrap_or(INTERVAL_SECONDS);
    if interval <= 0 {
        return Err(Refusal::invalid(format!("interval is an invalid value: {interval}")));
    }
    for (name, action) in [("scaleuppolicyids", "SCALEUP"), ("scaledownpolicyids", "SCALEDOWN")] {
        for policy in turn.arguments.objects(name).unwrap_or_default() {
            if turn.world.number(*policy, "duration") < interval {
                return Err(Refusal::invalid("duration specified in a policy cannot be less than vm group's interval"));
            }
            if turn.world.text(*policy, "action") != Some(action) {
                return Err(Refusal::invalid(format!("Only {} policies can be specified in {name}", action.to_lowercase())));
            }
        }
    }
    Ok(())
}

/// How often a group looks at its counters where nobody said.
const INTERVAL_SECONDS: i64 = 30;

fn group_is_right(turn: &Turn<'_>, _: Option<Handle>) -> Result<(), Refusal> {
    let rule = turn.target("lbruleid")?;
    if turn.world.referring("autoscalevmgroup", "rule", rule).next().is_some() {
        return Err(Refusal::invalid("an AutoScaleVmGroup is already attached to the lb rule, the existing vm group has to be first deleted"));
    }
    if !turn.world.links(rule, "members").is_empty() {
        return Err(Refusal::invalid("there are Vms already bound to the specified LoadBalancing Rule"));
    }
    let name = turn.arguments.text("name").unwrap_or_default();
    if name.len() > NAME_LENGTH_MAX || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(Refusal::invalid("Invalid AutoScale VM group name"));
    }
    members_are_right(turn, None)?;
    match turn.world.link(rule, "network") {
        Some(network) if !super::network::scales(turn.world, network) => Err(Refusal::invalid("Vm AutoScaling is not supported by this network.")),
        _ => Ok(()),
    }
}

/// The longest name of a group.
const NAME_LENGTH_MAX: usize = 255;

fn is_in_state(turn: &Turn<'_>, group: Option<Handle>, states: &[&str]) -> bool {
    group.and_then(|group| turn.world.text(group, "state")).is_some_and(|state| states.contains(&state))
}
