//! Progress of a call, told to a client that asked for it: increasing, not too often, and with a sign of life while nothing moves.

use std::{sync::Arc, time::Duration};

use cloudstack_api::clock::Clock;
use cloudstack_engine::{Progress, Watch};
use rmcp::{
    RoleServer,
    model::{ProgressNotificationParam, ProgressToken},
    service::{Peer, RequestContext},
};
use tokio::sync::watch;

/// The least time between two messages.
const INTERVAL_MIN: Duration = Duration::from_millis(200);
/// The most time between two messages while a call is open.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// What progress grows by where nothing is known to have moved: the protocol wants it to increase with each message.
const STEP_MIN: f64 = 0.01;

/// Keeps the latest progress for [`Teller`].
#[derive(Debug)]
pub(super) struct Latest(watch::Sender<Option<Progress>>);

impl Watch for Latest {
    fn progress(&self, progress: &Progress) {
        self.0.send_replace(Some(progress.clone()));
    }
}

/// Tells a client what [`Latest`] was told.
pub(super) struct Teller {
    latest: watch::Receiver<Option<Progress>>,
    listener: Option<(Peer<RoleServer>, ProgressToken)>,
    clock: Arc<dyn Clock>,
}

/// Both ends, for one call.
pub(super) fn channel(context: &RequestContext<RoleServer>, clock: Arc<dyn Clock>) -> (Latest, Teller) {
    let (sender, latest) = watch::channel(None);
    let listener = context.meta.get_progress_token().map(|token| (context.peer.clone(), token));
    (Latest(sender), Teller { latest, listener, clock })
}

impl Teller {
    /// Tells until it is dropped. Never returns.
    pub(super) async fn tell(mut self) -> std::convert::Infallible {
        let Some((peer, token)) = self.listener else { return std::future::pending().await };
        let mut told = 0.0;
        loop {
            tokio::select! {
                changed = self.latest.changed() => if changed.is_err() { return std::future::pending().await },
                () = self.clock.sleep(SILENCE_MAX) => {}
            }
            let latest = self.latest.borrow_and_update().clone();
            let step = next(told, latest.as_ref());
            told = step.done;
            let mut message = ProgressNotificationParam::new(token.clone(), step.done).with_message(step.message);
            if let Some(total) = step.total {
                message = message.with_total(total);
            }
            if peer.notify_progress(message).await.is_err() {
                return std::future::pending().await;
            }
            self.clock.sleep(INTERVAL_MIN).await;
        }
    }
}

/// What to tell next: more than was told, and never more than the total.
fn next(told: f64, latest: Option<&Progress>) -> Progress {
    let Some(latest) = latest else { return Progress { done: told + STEP_MIN, total: None, message: "working".to_owned() } };
    let done = if latest.done > told { latest.done } else { told + STEP_MIN };
    Progress { done, total: latest.total.map(|total| total.max(done)), message: latest.message.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(done: f64, total: Option<f64>) -> Progress {
        Progress { done, total, message: "deploying".to_owned() }
    }

    #[test]
    fn progress_only_ever_grows() {
        let mut told = 0.0;
        for latest in [None, Some(progress(0.0, None)), Some(progress(3.0, Some(3.0))), Some(progress(3.0, Some(3.0))), Some(progress(1.0, None))] {
            let step = next(told, latest.as_ref());
            assert!(step.done > told, "{} after {told}", step.done);
            assert!(step.total.is_none_or(|total| total >= step.done));
            told = step.done;
        }
    }

    #[test]
    fn real_progress_is_told_as_it_is() {
        assert_eq!(next(1.0, Some(&progress(2.0, Some(50.0)))), progress(2.0, Some(50.0)));
    }
}
