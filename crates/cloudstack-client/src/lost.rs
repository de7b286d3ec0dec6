//! Calls whose answer was lost: asking the server for the job whose id we chose (wire facts §1.6).
//!
//! Such a call is never sent again: servers have been seen to make the object before they notice the job's id.

use std::time::Duration;

use cloudstack_api::{
    call::Call,
    reply::{Body, Reply},
};

use crate::{
    client::Client,
    error::{Error, Source, Trace},
    job::JobState,
    retry::Failure,
};

/// How long to wait before each question: the call may still be on its way, or the server starting again.
const WAITS: [Duration; 5] = [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// The code by which a server says that it has no such job.
const NO_SUCH_JOB: u16 = 431;

impl Client {
    /// Looks for the job of a call whose answer was lost: the reply that was lost, or that nobody knows.
    pub(crate) async fn recover(&self, call: &Call, job: &str, source: Source) -> Result<Reply, Error> {
        let mut trace = Trace::Unanswered;
        for wait in WAITS {
            self.clock().sleep(wait).await;
            trace = match self.poll(job, self.timeouts().connect).await {
                Ok(state) => return Ok(reply(call, job, &state)),
                Err(Failure::Refused(fault)) if fault.code == NO_SUCH_JOB => Trace::JobUnknown,
                Err(failure) => {
                    tracing::debug!(job, ?failure, "the job of a lost call cannot be asked for");
                    Trace::Unanswered
                }
            };
        }
        Err(Error::OutcomeUnknown { command: call.command().name.clone(), job: Some(job.to_owned()), trace, source })
    }
}

/// The reply as it would have come. An object that the call itself names is not one in the making.
fn reply(call: &Call, job: &str, state: &JobState) -> Reply {
    let instance = state.instance.as_ref().and_then(|instance| instance.id.as_deref());
    let id = instance.filter(|id| !call.pairs().iter().any(|(_, value)| value.contains(id)));
    Reply { envelope: call.command().reply.envelope.clone(), body: Body::Started { job: job.to_owned(), id: id.map(str::to_owned) } }
}

/// A new random id (UUID version 4) in lower case, the only form that servers take.
pub(crate) fn new_job_id() -> String {
    let [a, b, c, d] = [fastrand::u32(..), fastrand::u32(..), fastrand::u32(..), fastrand::u32(..)];
    let (time, version) = (b >> 16, (b & 0x0fff) | 0x4000);
    let (variant, node) = ((c >> 16) & 0x3fff | 0x8000, c & 0xffff);
    format!("{a:08x}-{time:04x}-{version:04x}-{variant:04x}-{node:04x}{d:08x}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn job_ids_are_random_uuids_in_lower_case() {
        let ids: HashSet<String> = (0..1000).map(|_| new_job_id()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            let lengths: Vec<usize> = id.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
            assert!(id.chars().all(|letter| letter == '-' || letter.is_ascii_digit() || ('a'..='f').contains(&letter)), "{id}");
            assert_eq!(id.as_bytes()[14], b'4', "{id}");
            assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
        }
    }
}
