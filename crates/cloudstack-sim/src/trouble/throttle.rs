//! How often accounts may call: CloudStack's limit of calls in a time (wire facts §2.6).
//!
//! Root admins are exempt. Counters live in memory, as on real servers: a restart forgets them.

use std::{collections::HashMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{refusal::Refusal, turn::Caller, world::World};

/// The setting that turns it on, read when the server starts.
const ENABLED: &str = "api.throttling.enabled";
/// The setting that says how many calls, and what holds without it.
const MAX: (&str, u32) = ("api.throttling.max", 25);
/// The setting that says in which time, in seconds, and what holds without it.
const INTERVAL: (&str, u64) = ("api.throttling.interval", 1);

/// A limit and what was used of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Throttle {
    max: u32,
    interval: Duration,
    #[serde(skip)]
    /// By the row of the account: when its time began, and its calls since.
    counters: HashMap<u32, (Duration, u32)>,
}

/// What an account used of its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    /// Calls made.
    pub(crate) issued: u32,
    /// Calls left.
    pub(crate) allowed: i64,
    /// Milliseconds until it starts anew; whole seconds of the time itself where nothing was used.
    pub(crate) expires: u64,
}

impl Throttle {
    /// A limit of so many calls in a time.
    pub(crate) fn new(max: u32, interval: Duration) -> Self {
        Self { max, interval, counters: HashMap::new() }
    }

    /// The limit that the settings of a world ask for.
    pub(crate) fn of_settings(world: &World) -> Option<Self> {
        let setting = |name: &str| world.text(world.find("configuration", "name", name)?, "value").map(str::to_owned);
        if setting(ENABLED).as_deref() != Some("true") {
            return None;
        }
        let max = setting(MAX.0).and_then(|value| value.parse().ok()).unwrap_or(MAX.1);
        let seconds = setting(INTERVAL.0).and_then(|value| value.parse().ok()).unwrap_or(INTERVAL.1);
        Some(Self::new(max, Duration::from_secs(seconds)))
    }

    /// Counts a call, and refuses it if it is one too many.
    pub(crate) fn count(&mut self, caller: &Caller, now: Duration) -> Result<(), Refusal> {
        if caller.is_root() {
            return Ok(());
        }
        let (since, calls) = self.counters.entry(caller.account.row).or_insert((now, 0));
        if *since + self.interval <= now {
            (*since, *calls) = (now, 0);
        }
        *calls = calls.saturating_add(1);
        if *calls <= self.max {
            return Ok(());
        }
        let wait = (*since + self.interval).saturating_sub(now).as_millis();
        let text = format!("The given user has reached his/her account api limit, please retry after [{wait}] ms.");
        Err(Refusal { code: 429, ..Refusal::failed(text) })
    }

    /// What an account used.
    pub(crate) fn used(&self, account: u32, now: Duration) -> Used {
        match self.counters.get(&account).filter(|(since, _)| *since + self.interval > now) {
            Some((since, calls)) => Used {
                issued: *calls,
                allowed: i64::from(self.max) - i64::from(*calls),
                expires: u64::try_from((*since + self.interval).saturating_sub(now).as_millis()).unwrap_or(u64::MAX),
            },
            None => Used { issued: 0, allowed: i64::from(self.max), expires: self.interval.as_secs() },
        }
    }

    /// Forgets what an account used; of all accounts without one.
    pub(crate) fn reset(&mut self, account: Option<u32>) {
        self.counters.retain(|row, _| account.is_some_and(|account| *row != account));
    }
}
