//! Our own speed limit: calls are spaced out, and all of them wait when the server asks one of them to.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use cloudstack_api::clock::Clock;

use crate::error::ConfigFault;

/// The spacing of calls.
#[derive(Debug)]
pub(crate) struct Pace {
    /// The least time between two calls.
    spacing: Duration,
    /// When the next call may leave, on [`Clock::elapsed`].
    next: Mutex<Duration>,
}

impl Pace {
    /// The pace of `rate` calls a second.
    pub(crate) fn new(rate: Option<f64>) -> Result<Self, ConfigFault> {
        let spacing = match rate {
            None => Duration::ZERO,
            Some(value) if value > 0.0 => Duration::try_from_secs_f64(1.0 / value).map_err(|_| ConfigFault::Rate { value })?,
            Some(value) => return Err(ConfigFault::Rate { value }),
        };
        Ok(Self { spacing, next: Mutex::new(Duration::ZERO) })
    }

    /// Returns once a call may leave.
    pub(crate) async fn admit(&self, clock: &dyn Clock) {
        let wait = self.claim(clock.elapsed());
        if !wait.is_zero() {
            clock.sleep(wait).await;
        }
    }

    /// Lets nothing leave before `moment`.
    pub(crate) fn hold(&self, moment: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = moment.max(*next);
    }

    fn claim(&self, now: Duration) -> Duration {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = now.max(*next);
        if !self.spacing.is_zero() {
            *next = at.saturating_add(self.spacing);
        }
        at.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn calls_are_spaced_by_the_rate_and_lost_time_is_not_made_up() {
        let pace = Pace::new(Some(10.0)).unwrap();
        assert_eq!(pace.claim(milliseconds(0)), milliseconds(0));
        assert_eq!(pace.claim(milliseconds(20)), milliseconds(80));
        assert_eq!(pace.claim(milliseconds(20)), milliseconds(180));
        assert_eq!(pace.claim(milliseconds(5000)), milliseconds(0));
        assert_eq!(pace.claim(milliseconds(5000)), milliseconds(100));
    }

    #[test]
    fn a_hold_stops_all_calls_even_without_a_rate() {
        let pace = Pace::new(None).unwrap();
        pace.hold(milliseconds(700));
        pace.hold(milliseconds(300));
        assert_eq!((pace.claim(milliseconds(100)), pace.claim(milliseconds(100))), (milliseconds(600), milliseconds(600)));
        assert_eq!(pace.claim(milliseconds(701)), milliseconds(0));
    }

    #[test]
    fn a_rate_that_cannot_be_is_refused() {
        for rate in [0.0, -1.0, f64::NAN, 1e-300] {
            assert!(Pace::new(Some(rate)).is_err(), "{rate}");
        }
    }
}
