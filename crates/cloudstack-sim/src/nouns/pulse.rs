//! What a server does once a minute and every few minutes since it came up: it samples running machines, asks its database,
//! counts capacities, asks routers how they are. Not what it finds: nothing is measured here.
//!
//! Nothing happens at those moments. Whoever looks works out which of them have passed, so that a world with many machines
//! costs nothing while nobody asks.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Handle, World};

/// One of the rounds of a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// How long after its start a server makes it for the first time, in seconds.
    first_seconds: u64,
    /// How long it waits for the next, in seconds.
    period_seconds: u64,
}

/// Machines are sampled.
pub(super) const SAMPLES: Round = Round { first_seconds: 108, period_seconds: 60 };
/// The database is asked for its load.
pub(super) const DATABASE: Round = Round { first_seconds: 33, period_seconds: 60 };
/// Capacities are counted.
pub(super) const CAPACITIES: Round = Round { first_seconds: 333, period_seconds: 300 };
/// Routers are asked for the results of their checks.
pub(super) const CHECKS: Round = Round { first_seconds: 633, period_seconds: 600 };
/// How long after its start a server clears away unused networks for the first time, beside its pause between two such rounds.
const CLEARING_SECONDS: u64 = 43;
/// That pause, and how long a network must have been seen unused, where no setting tells.
const CLEARING_DEFAULT_SECONDS: u64 = 600;
/// How long samples are kept, in seconds.
const KEPT_SECONDS: u64 = 720 * 60;

impl Round {
    /// How many rounds were made until a moment.
    pub(super) fn count(self, world: &World, until: u64) -> u64 {
        let first = started(world) + self.first_seconds;
        if until < first { 0 } else { (until - first) / self.period_seconds + 1 }
    }

    /// When the last round was made, if there was one.
    pub(super) fn last(self, world: &World) -> Option<u64> {
        let made = self.count(world, world.now.as_secs());
        (made > 0).then(|| started(world) + self.first_seconds + (made - 1) * self.period_seconds)
    }

    /// The moments after one and until another at which a round was made.
    fn between(self, world: &World, (after, until): (u64, u64)) -> impl Iterator<Item = u64> {
        let first = started(world) + self.first_seconds;
        (self.count(world, after)..self.count(world, until)).map(move |number| first + number * self.period_seconds)
    }
}

/// How long it takes until a network that is unused from now on is cleared away: one round notices it, a later one, after the
/// wait that a setting tells, takes it down.
pub(super) fn until_cleared(world: &World) -> Duration {
    let seconds = |name: &str| super::server::setting(world, name).and_then(|value| value.parse::<u64>().ok()).filter(|seconds| *seconds > 0);
    let period = seconds("network.gc.interval").unwrap_or(CLEARING_DEFAULT_SECONDS);
    let wait = seconds("network.gc.wait").unwrap_or(CLEARING_DEFAULT_SECONDS);
    let rounds = Round { first_seconds: CLEARING_SECONDS + period, period_seconds: period };
    let now = world.now.as_secs();
    let noticed = started(world) + rounds.first_seconds + rounds.count(world, now) * period;
    Duration::from_secs(noticed + wait.div_ceil(period) * period - now)
}

/// When the first management server started, in seconds since 1970.
fn started(world: &World) -> u64 {
    world.rows(world.kind("managementserver")).next().map_or(0, |server| world.created(server))
}

/// A machine runs from now on.
pub(super) fn begin(world: &mut World, machine: Handle) {
    let now = i64::try_from(world.now.as_secs()).unwrap_or_default();
    world.set(machine, "upsince", now);
}

/// A machine runs no more: what was sampled of it stays.
pub(super) fn end(world: &mut World, machine: Handle) {
    if !runs(world, machine) {
        return;
    }
    let run = (since(world, machine), world.now.as_secs());
    world.unset(machine, "upsince");
    if SAMPLES.count(world, run.0) < SAMPLES.count(world, run.1) {
        let mut past = world.tree(machine, "runs").and_then(Value::as_array).cloned().unwrap_or_default();
        past.push(json!([run.0, run.1]));
        world.set(machine, "runs", Value::Array(past));
    }
}

/// What was sampled of a machine is thrown away.
pub(super) fn forget(world: &mut World, machine: Handle) {
    world.unset(machine, "upsince");
    world.unset(machine, "runs");
}

/// Whether there are samples of a machine.
pub(super) fn is_sampled(world: &World, machine: Handle) -> bool {
    let now = world.now.as_secs();
    let runs_long = || runs(world, machine) && SAMPLES.count(world, since(world, machine)) < SAMPLES.count(world, now);
    runs_long() || world.tree(machine, "runs").is_some()
}

/// When a machine was sampled, in seconds since 1970, the oldest sample first.
pub(super) fn samples(world: &World, machine: Handle) -> Vec<u64> {
    let now = world.now.as_secs();
    let past = world.tree(machine, "runs").and_then(Value::as_array).into_iter().flatten();
    let mut periods: Vec<(u64, u64)> = past.filter_map(|run| Some((run.get(0)?.as_u64()?, run.get(1)?.as_u64()?))).collect();
    if runs(world, machine) {
        periods.push((since(world, machine), now));
    }
    let all = periods.into_iter().flat_map(|period| SAMPLES.between(world, period));
    all.filter(|moment| now.saturating_sub(*moment) <= KEPT_SECONDS).collect()
}

/// Whether a machine runs, as far as samples go: one that stops or moves still does.
fn runs(world: &World, machine: Handle) -> bool {
    matches!(world.text(machine, "state"), None | Some("Running" | "Stopping" | "Migrating"))
}

/// Since when a machine that runs does so.
fn since(world: &World, machine: Handle) -> u64 {
    match u64::try_from(world.number(machine, "upsince")) {
        Ok(since) if since > 0 => since,
        _ => world.created(machine),
    }
}
