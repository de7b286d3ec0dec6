//! A sample of times, and how it is shown.

use std::{
    fmt,
    time::{Duration, Instant},
};

use crate::workspace::Done;

/// Times of the same work, done several times.
#[derive(Debug, Default)]
pub(super) struct Sample(Vec<Duration>);

impl Sample {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Does the work and keeps its time.
    #[expect(clippy::disallowed_methods, reason = "figures are of real time")]
    pub(super) fn measure<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = work();
        self.0.push(began.elapsed());
        done
    }

    /// The same for work that can fail.
    pub(super) fn time(&mut self, work: impl FnOnce() -> Done) -> Done {
        self.measure(work)
    }

    /// The time in the middle.
    pub(super) fn median(&self) -> Duration {
        self.of_hundred(50)
    }

    /// How many a second, if each piece of work was this many.
    pub(super) fn rate(&self, count: usize) -> f64 {
        u32::try_from(count).map_or(f64::MAX, f64::from) / self.median().as_secs_f64()
    }

    fn of_hundred(&self, share: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        sorted.get(sorted.len().saturating_sub(1) * share / 100).copied().unwrap_or_default()
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", shown(self.median()), shown(self.of_hundred(95)))
    }
}

/// A time in milliseconds.
pub(super) fn shown(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1000.0;
    if milliseconds < 10.0 { format!("{milliseconds:.2} ms") } else { format!("{milliseconds:.0} ms") }
}
