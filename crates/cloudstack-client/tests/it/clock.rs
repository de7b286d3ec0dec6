//! A clock that moves only when somebody waits on it, and then at once.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use cloudstack_api::clock::Clock;

/// 2026-07-29T11:18:10Z, when the clock starts.
pub(crate) const START: Duration = Duration::from_secs(1_785_323_890);

/// Tells how long was waited, without waiting.
#[derive(Default)]
pub(crate) struct HandClock {
    waits: Mutex<Vec<Duration>>,
    at_first_wait: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl HandClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Has something happen while the client waits for the first time.
    pub(crate) fn at_first_wait(&self, happening: impl FnOnce() + Send + 'static) {
        *self.at_first_wait.lock().unwrap() = Some(Box::new(happening));
    }

    pub(crate) fn waits(&self) -> Vec<Duration> {
        self.waits.lock().unwrap().clone()
    }
}

impl fmt::Debug for HandClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandClock")
    }
}

impl Clock for HandClock {
    fn now(&self) -> Duration {
        START + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        self.waits.lock().unwrap().iter().sum()
    }

    fn sleep(&self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.waits.lock().unwrap().push(wait);
        if let Some(happening) = self.at_first_wait.lock().unwrap().take() {
            happening();
        }
        Box::pin(std::future::ready(()))
    }
}
