//! Events: what was done, by whom, to what, and how it ended, as real servers record it.

use crate::{
    turn::{Outcome, Turn},
    world::{Datum, Handle},
};

/// Where something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// What the job is to make was entered.
    Created,
    /// A job was queued.
    Scheduled,
    /// Its work began.
    Started,
    /// It is done.
    Completed,
    /// It failed.
    Failed,
}

/// What an event is about.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    kind: String,
    sentence: String,
    object: Option<Handle>,
    /// The id of the first event of the same job.
    first: Option<String>,
}

/// The words of event types that do not follow from a command's name.
const TYPES: &[(&str, &str)] = &[
    ("deployVirtualMachine", "VM.CREATE"),
    ("associateIpAddress", "NET.IPASSIGN"),
    ("disassociateIpAddress", "NET.IPRELEASE"),
    ("createFirewallRule", "FIREWALL.OPEN"),
    ("deleteFirewallRule", "FIREWALL.CLOSE"),
    ("createEgressFirewallRule", "FIREWALL.EGRESS.OPEN"),
    ("deleteEgressFirewallRule", "FIREWALL.EGRESS.CLOSE"),
    ("createPortForwardingRule", "NET.RULEADD"),
    ("deletePortForwardingRule", "NET.RULEDELETE"),
    ("updatePortForwardingRule", "NET.RULEMODIFY"),
    ("createTags", "CREATE_TAGS"),
    ("deleteTags", "DELETE_TAGS"),
    ("registerTemplate", "TEMPLATE.CREATE"),
    ("registerIso", "ISO.CREATE"),
    ("registerSSHKeyPair", "REGISTER.SSH.KEYPAIR"),
    ("createSSHKeyPair", "REGISTER.SSH.KEYPAIR"),
    ("registerUserData", "REGISTER.USER.DATA"),
    ("registerUserKeys", "REGISTER.USER.KEY"),
    ("updateConfiguration", "CONFIGURATION.VALUE.EDIT"),
    ("updateResourceLimit", "RESOURCE.LIMIT.UPDATE"),
    ("prepareHostForMaintenance", "MAINT.PREPARE"),
    ("cancelHostMaintenance", "MAINT.CANCEL"),
    ("scaleVirtualMachine", "VM.UPGRADE"),
    ("changeServiceForVirtualMachine", "VM.UPGRADE"),
    ("assignVirtualMachine", "VM.MOVE"),
    ("resetPasswordForVirtualMachine", "VM.RESETPASSWORD"),
    ("resetSSHKeyForVirtualMachine", "VM.RESETSSHKEY"),
    ("revertToVMSnapshot", "VMSNAPSHOT.REVERTTO"),
    ("createAffinityGroup", "AG.CREATE"),
    ("deleteAffinityGroup", "AG.DELETE"),
    ("updateVMAffinityGroup", "VM.AG.UPDATE"),
];

/// The nouns that event types shorten.
const SHORT: &[(&str, &str)] = &[
    ("VIRTUAL.MACHINE", "VM"),
    ("VM.SNAPSHOT", "VMSNAPSHOT"),
    ("SNAPSHOT.POLICY", "SNAPSHOTPOLICY"),
    ("STATIC.NAT", "STATICNAT"),
    ("LOAD.BALANCER.RULE", "LB"),
    ("SECURITY.GROUP", "SG"),
];

/// What the events of a call are about. Reading leaves no events.
pub(crate) fn subject(turn: &Turn<'_>, object: Option<Handle>) -> Option<Subject> {
    use cloudstack_api::catalog::Risk;
    if turn.command.is_list() || matches!(turn.command.risk, Risk::Read | Risk::Disclose) && !turn.command.is_async {
        return None;
    }
    let words = cloudstack_api::catalog::spaced_name(&turn.command.name).to_lowercase();
    let (verb, noun) = words.split_once(' ').unwrap_or((words.as_str(), ""));
    let known = TYPES.iter().find(|(command, _)| *command == turn.command.name).map(|(_, kind)| (*kind).to_owned());
    let kind = known.unwrap_or_else(|| {
        let mut dotted = noun.to_ascii_uppercase().replace(' ', ".");
        for (long, short) in SHORT {
            dotted = dotted.replace(long, short);
        }
        format!("{dotted}.{}", verb.to_ascii_uppercase())
    });
    let sentence = match object {
        Some(object) => format!("{verb} {noun}. Id: {}", turn.world.id(object)),
        None => format!("{verb} {noun}"),
    };
    Some(Subject { kind, sentence, object, first: None })
}

/// Writes the event of a call that was answered at once.
pub(crate) fn record_call(turn: &mut Turn<'_>, outcome: Option<&Outcome>) {
    if turn.command.is_async && outcome.is_some() {
        return;
    }
    let object = match outcome {
        Some(Outcome::Object(handle)) => Some(*handle),
        _ => turn.arguments.object("id"),
    };
    if let Some(mut subject) = subject(turn, object) {
        record(turn, &mut subject, if outcome.is_some() { Phase::Completed } else { Phase::Failed });
    }
}

/// Writes the events of a job that was queued, which may be about to make something.
pub(crate) fn record_job(turn: &mut Turn<'_>, subject: &mut Subject, makes: bool) {
    if makes {
        record(turn, subject, Phase::Created);
    }
    record(turn, subject, Phase::Scheduled);
    record(turn, subject, Phase::Started);
}

/// Writes an event. The first of a job is the parent of the others.
pub(crate) fn record(turn: &mut Turn<'_>, subject: &mut Subject, phase: Phase) {
    let (level, state, description) = match phase {
        Phase::Created => ("INFO", "Created", format!("Successfully created entity for {}", subject.sentence)),
        Phase::Scheduled => ("INFO", "Scheduled", subject.sentence.clone()),
        Phase::Started => ("INFO", "Started", subject.sentence.clone()),
        Phase::Completed => ("INFO", "Completed", format!("Successfully completed {}", subject.sentence)),
        Phase::Failed => ("ERROR", "Completed", format!("Error while {}", subject.sentence)),
    };
    let owner = subject.object.and_then(|object| turn.world.owner(object)).unwrap_or(turn.caller.account);
    let username = turn.world.string(turn.caller.user, "username");
    let mut fields: Vec<(&str, Datum)> = vec![
        ("username", username.into()),
        ("type", subject.kind.as_str().into()),
        ("level", level.into()),
        ("description", description.into()),
        ("state", state.into()),
    ];
    if let Some(object) = subject.object {
        fields.push(("resourceid", turn.world.id(object).into()));
        let resource = turn.world.description(object.kind).map(|kind| kind.resource.to_string());
        fields.push(("resourcetype", resource.unwrap_or_default().into()));
        if let Some(name) = turn.world.text(object, "name") {
            fields.push(("resourcename", name.into()));
        }
    }
    if let Some(first) = &subject.first {
        fields.push(("parentid", first.as_str().into()));
    }
    let kind = turn.world.kind("event");
    let event = turn.world.insert(kind, Some(owner), &fields);
    if subject.first.is_none() {
        subject.first = Some(turn.world.id(event));
    }
}
