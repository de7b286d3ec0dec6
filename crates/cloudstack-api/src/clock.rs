//! Time as an argument: the trait that stands where a program would otherwise ask the system.
//!
//! The implementations live at the rim: a real clock in the client, a clock held by hand in the simulator and in tests.

use std::{fmt::Debug, future::Future, pin::Pin, time::Duration};

/// Tells the time and waits.
///
/// Implementations: the system's clock, and a clock that a test moves by hand.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Wall-clock time since 1970-01-01T00:00:00Z.
    fn now(&self) -> Duration;

    /// Time since an arbitrary start that never runs backwards; for measuring and for deadlines.
    fn elapsed(&self) -> Duration;

    /// Completes once `wait` has passed on this clock.
    fn sleep(&self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Writes `now` in the form that CloudStack uses everywhere: `2026-07-29T11:18:10+0000` (wire facts §2.3).
#[must_use]
pub fn timestamp(now: Duration) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]+0000");
    i64::try_from(now.as_secs())
        .ok()
        .and_then(|seconds| time::OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|moment| moment.format(format).ok())
        .unwrap_or_else(|| "9999-12-31T23:59:59+0000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_has_the_form_every_server_accepts() {
        assert_eq!(timestamp(Duration::from_secs(1_785_323_890)), "2026-07-29T11:18:10+0000");
    }
}
