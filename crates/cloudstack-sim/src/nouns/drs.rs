//! Plans that even out the hosts of a cluster: which machines should move where, and the moves that were made.
//!
//! A plan that is only looked at is not kept; what was carried out is.

use serde_json::{Value, json};

use super::Tables;
use crate::{
    kind::{Constant, ID, Noun, linked, own, own_or},
    refusal::Refusal,
    turn::{Outcome, Turn, WORK_MEDIUM},
    world::{Handle, World, parse_id},
};

/// By how many machines hosts may differ without being uneven.
const UNEVEN: usize = 2;
/// How many machines a plan moves where nobody said.
const MOVES: i64 = 5;

/// A plan that was carried out.
pub(crate) const NOUN: Noun = Noun {
    word: "drsPlan",
    entities: &["ClusterDrsPlanResponse"],
    resource: "ClusterDrsPlan",
    owned: false,
    keywords: &[],
    newest_first: true,
    view: &[
        own_or("migrations", Constant::Empty),
        ID,
        linked("clusterid", "cluster", "id"),
        own("eventid"),
        own_or("type", Constant::Text("MANUAL")),
        own_or("status", Constant::Text("COMPLETED")),
    ],
};

/// The commands of plans.
pub(super) const TABLES: Tables = Tables { handlers: &[("generateClusterDrsPlan", suggest), ("executeClusterDrsPlan", execute)], filters: &[] };

/// The hosts of a cluster that take machines, with the machines that run on them.
fn loads(world: &World, cluster: Handle) -> Vec<(Handle, Vec<Handle>)> {
    let usable = |host: &Handle| world.text(*host, "type") == Some("Routing") && matches!(world.text(*host, "resourcestate"), None | Some("Enabled"));
    let machines = |host: Handle| world.referring("virtualmachine", "host", host).filter(|vm| world.text(*vm, "state") == Some("Running")).collect();
    world.referring("host", "cluster", cluster).filter(usable).map(|host| (host, machines(host))).collect()
}

fn shown(world: &World, vm: Handle, from: Option<Handle>, to: Handle) -> Value {
    json!({
        "virtualmachineid": world.id(vm), "virtualmachinename": world.string(vm, "name"),
        "sourcehostid": from.map(|host| world.id(host)), "sourcehostname": from.map(|host| world.string(host, "name")),
        "destinationhostid": world.id(to), "destinationhostname": world.string(to, "name"),
    })
}

/// Tells which machines to move from the fullest to the emptiest host, until they are even enough.
fn suggest(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let cluster = turn.target("id")?;
    let most = turn.arguments.number("migrations").unwrap_or(MOVES);
    if most < 1 {
        return Err(Refusal::invalid(format!("Invalid value for migrations: {most}")));
    }
    let mut loads = loads(turn.world, cluster);
    let mut moves = Vec::new();
    for _ in 0..most {
        loads.sort_by_key(|(_, machines)| machines.len());
        let [(emptiest, few), .., (fullest, many)] = loads.as_mut_slice() else { break };
        if many.len() <= few.len() + UNEVEN {
            break;
        }
        let Some(vm) = many.pop() else { break };
        few.push(vm);
        moves.push(shown(turn.world, vm, Some(*fullest), *emptiest));
    }
    let (plan, event) = (turn.world.fresh_id(), turn.world.fresh_id());
    let told = json!({
        "migrations": moves, "id": crate::world::id_text(plan), "clusterid": turn.world.id(cluster), "eventid": crate::world::id_text(event),
        "type": "MANUAL", "status": "UNDER_REVIEW",
    });
    Ok(Outcome::Shown("generateclusterdrsplanresponse".to_owned(), told.to_string()))
}

fn execute(turn: &mut Turn<'_>) -> Result<Outcome, Refusal> {
    let cluster = turn.target("id")?;
    Ok(turn.job(cluster, WORK_MEDIUM, move |turn| {
        if turn.arguments.records("migrateto").next().is_none() {
            return Err(Refusal::invalid("migrateto can not be empty."));
        }
        let find = |id: Option<&String>, kind: &str| {
            let found = id.and_then(|id| parse_id(id)).and_then(|id| turn.world.by_id(id)).filter(|row| row.kind == turn.world.kind(kind));
            found.ok_or_else(|| Refusal::invalid(format!("Unable to find the {kind} {} of migrateto", id.map(String::as_str).unwrap_or_default())))
        };
        let mut moves = Vec::new();
        for record in turn.arguments.records("migrateto") {
            let (vm, host) = (find(record.get("vm"), "virtualmachine")?, find(record.get("host"), "host")?);
            if turn.world.link(host, "cluster") != Some(cluster) {
                return Err(Refusal::invalid(format!("Host {} is not in the cluster", turn.world.string(host, "name"))));
            }
            moves.push((vm, host));
        }
        let told: Vec<Value> = moves.iter().map(|(vm, host)| shown(turn.world, *vm, turn.world.link(*vm, "host"), *host)).collect();
        for (vm, host) in moves {
            turn.world.set(vm, "host", host);
        }
        let event = crate::world::id_text(turn.world.fresh_id());
        let kind = turn.world.kind(NOUN.word);
        let plan = turn.world.insert(kind, None, &[("cluster", cluster.into()), ("migrations", Value::Array(told).into()), ("eventid", event.into())]);
        Ok(Outcome::Object(plan))
    }))
}
