//! What may be sent again, when, and how often.
//!
//! The law: a request that may change something is sent again only if nothing of it can have left, or if the server's
//! own answer shows that nothing was run (throttling). Reads are sent again after faults that pass by themselves.

use std::time::Duration;

use cloudstack_api::reply::{Fault, ReplyError};

use crate::{
    error::{Error, Sent, Source, UnreachableKind},
    http::ANSWER_BYTES_MAX,
};

/// How often a request is sent in all, faults of throttling apart.
const ATTEMPTS_MAX: u32 = 4;
/// How often a request is sent that got no connection or no answer in time: the person waits, and a server that is
/// there would only have more to do.
const ATTEMPTS_AFTER_TIMEOUT_MAX: u32 = 2;
/// The first wait is at most this, each further one at most twice the one before.
const BACKOFF_FIRST_MAX: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// How long one request waits in all because the server wants fewer of them.
pub(crate) const THROTTLE_WAIT_MAX: Duration = Duration::from_secs(20);
const THROTTLE_JITTER_MAX: Duration = Duration::from_millis(250);
/// What is waited for when a throttled answer names no time.
const THROTTLE_WAIT_UNNAMED: Duration = Duration::from_secs(1);
/// Statuses that pass by themselves: a proxy without a server behind it, a server that is starting or going.
const PASSING: [u16; 3] = [502, 503, 504];
const THROTTLED: u16 = 429;
/// Statuses by which a web server or proxy gives up on a request that may have gone on.
const LEFT_OPEN: [u16; 2] = [408, 499];

/// Why one exchange brought no reply.
#[derive(Debug)]
pub(crate) enum Failure {
    /// CloudStack refused.
    Refused(Fault),
    /// The server wants fewer calls; nothing was run.
    Throttled { wait: Duration },
    /// What came is no CloudStack answer.
    Unreadable(ReplyError),
    /// Nothing left us.
    Unsent { kind: UnreachableKind, source: Source },
    /// Something may have left, and no answer came.
    Lost { kind: UnreachableKind, source: Source },
    /// More came than we take.
    Oversized,
    /// The server sends us elsewhere.
    Redirected { to: String },
    /// Settled before anything was sent, or by something else than this request.
    Settled(Box<Error>),
}

/// An answer that was larger than we take.
#[derive(Debug, thiserror::Error)]
#[error("the answer is larger than {ANSWER_BYTES_MAX} bytes")]
struct Oversized;

impl Failure {
    /// Reads the failure out of an answer that is none of ours.
    pub(crate) fn of_reply(fault: ReplyError, retry_after: Option<Duration>) -> Self {
        let status = status_of(&fault);
        match fault {
            ReplyError::Refused(fault) if fault.code == THROTTLED => {
                Self::Throttled { wait: milliseconds_in(&fault.text).or(retry_after).unwrap_or(THROTTLE_WAIT_UNNAMED) }
            }
            ReplyError::Refused(fault) => Self::Refused(fault),
            ReplyError::Page { .. } | ReplyError::Text { .. } | ReplyError::Empty { .. } if status == THROTTLED => {
                Self::Throttled { wait: retry_after.unwrap_or(THROTTLE_WAIT_UNNAMED) }
            }
            other => Self::Unreadable(other),
        }
    }

    /// Whether a status stands for a fault that passes by itself.
    pub(crate) fn is_passing(status: u16) -> bool {
        PASSING.contains(&status)
    }

    /// Whether it is a fault that passes by itself, so that asking later makes sense.
    pub(crate) fn passes(&self) -> bool {
        match self {
            Self::Throttled { .. } | Self::Lost { .. } => true,
            Self::Unsent { kind, .. } => *kind != UnreachableKind::Tls,
            Self::Unreadable(fault) => Self::is_passing(status_of(fault)),
            Self::Refused(fault) => Self::is_passing(fault.code),
            Self::Oversized | Self::Redirected { .. } | Self::Settled(_) => false,
        }
    }

    /// The cause, if it leaves open what became of a request that changes something; itself otherwise.
    pub(crate) fn into_open(self) -> Result<Source, Self> {
        match self {
            Self::Lost { source, .. } => Ok(source),
            Self::Oversized => Ok(Box::new(Oversized)),
            Self::Unreadable(fault) if !turns_away(&fault) => Ok(Box::new(fault)),
            other => Err(other),
        }
    }

    /// What the caller is told about it when nothing is left open.
    pub(crate) fn into_error(self, sent: Sent, url: &str) -> Error {
        let url = url.to_owned();
        match self {
            Self::Refused(fault) => Error::Refused(fault),
            Self::Throttled { wait } => Error::Throttled { wait },
            Self::Unreadable(fault) => Error::Unreadable { url, sent, source: Box::new(fault) },
            Self::Unsent { kind, source } | Self::Lost { kind, source } => Error::Unreachable { kind, url, source },
            Self::Oversized => Error::TooLarge { what: "the answer", bytes_max: ANSWER_BYTES_MAX, reason: "are read; ask for less" },
            Self::Redirected { to } => Error::Redirected { url, to },
            Self::Settled(error) => *error,
        }
    }

    /// The failure of a login as a failure of the call that needed it, of which nothing has left.
    pub(crate) fn before_call(self, url: &str) -> Self {
        match self {
            Self::Lost { kind, source } => Self::Unsent { kind, source },
            Self::Unreadable(fault) if Self::is_passing(status_of(&fault)) => Self::Unsent { kind: UnreachableKind::Connect, source: Box::new(fault) },
            other @ (Self::Unreadable(_) | Self::Oversized) => Self::Settled(Box::new(other.into_error(Sent::TurnedAway, url))),
            other => other,
        }
    }
}

/// Whether an answer shows that the call was turned away before CloudStack saw it, by a proxy or the web server: they do
/// so with a 4xx page, while a page with a 5xx leaves everything open (wire facts §2.4).
fn turns_away(fault: &ReplyError) -> bool {
    match fault {
        ReplyError::Page { status, .. } | ReplyError::Text { status, .. } | ReplyError::Empty { status } => {
            (400..500).contains(status) && !LEFT_OPEN.contains(status)
        }
        ReplyError::Refused(_) | ReplyError::Broken { .. } => false,
    }
}

/// The attempts at one request.
#[derive(Debug)]
pub(crate) struct Attempts {
    repeatable: bool,
    made: u32,
    throttled: Duration,
    broken: bool,
}

impl Attempts {
    /// No attempt made yet.
    pub(crate) fn new(repeatable: bool) -> Self {
        Self { repeatable, made: 0, throttled: Duration::ZERO, broken: false }
    }

    /// How long to wait before the next attempt; `None` if there shall be none.
    pub(crate) fn next(&mut self, failure: &Failure) -> Option<Duration> {
        if let Failure::Throttled { wait } = failure {
            let wait = wait.saturating_add(jitter(THROTTLE_JITTER_MAX));
            self.throttled = self.throttled.saturating_add(wait);
            return (self.throttled <= THROTTLE_WAIT_MAX).then_some(wait);
        }
        self.made += 1;
        let again = match failure {
            Failure::Unsent { kind: UnreachableKind::Timeout, .. } => self.made < ATTEMPTS_AFTER_TIMEOUT_MAX,
            Failure::Unsent { .. } => failure.passes() && self.made < ATTEMPTS_MAX,
            Failure::Lost { kind: UnreachableKind::Timeout, .. } => self.repeatable && self.made < ATTEMPTS_AFTER_TIMEOUT_MAX,
            // The serialiser has been seen to stumble over a list and not over the same list a moment later.
            Failure::Unreadable(ReplyError::Broken { .. }) => self.repeatable && !std::mem::replace(&mut self.broken, true),
            other => self.repeatable && other.passes() && self.made < ATTEMPTS_MAX,
        };
        again.then(|| backoff(self.made))
    }
}

/// A wait of random length; its upper end doubles with each attempt.
fn backoff(attempt: u32) -> Duration {
    let doubled = BACKOFF_FIRST_MAX.saturating_mul(1 << attempt.saturating_sub(1).min(16));
    jitter(doubled.min(BACKOFF_MAX))
}

fn jitter(max: Duration) -> Duration {
    max.mul_f64(fastrand::f64())
}

fn status_of(fault: &ReplyError) -> u16 {
    match fault {
        ReplyError::Refused(fault) => fault.code,
        ReplyError::Empty { status } | ReplyError::Page { status, .. } | ReplyError::Text { status, .. } | ReplyError::Broken { status, .. } => *status,
    }
}

/// Reads `[940] ms` out of the text of a throttled answer (wire facts §2.6).
fn milliseconds_in(text: &str) -> Option<Duration> {
    let (_, rest) = text.split_once('[')?;
    let (number, rest) = rest.split_once(']')?;
    let is_time = rest.trim_start().starts_with("ms");
    number.trim().parse().ok().filter(|_| is_time).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(kind: UnreachableKind) -> Failure {
        Failure::Lost { kind, source: "cut".into() }
    }

    fn unsent(kind: UnreachableKind) -> Failure {
        Failure::Unsent { kind, source: "refused".into() }
    }

    fn attempts(repeatable: bool, failure: &Failure) -> usize {
        let mut attempts = Attempts::new(repeatable);
        1 + (0..100).take_while(|_| attempts.next(failure).is_some()).count()
    }

    #[test]
    fn only_reads_are_sent_again_once_something_may_have_left() {
        let page = |status| Failure::Unreadable(ReplyError::Page { status, excerpt: String::new() });
        let gone = Failure::Refused(Fault { envelope: String::new(), code: 503, inner_code: None, text: String::new(), leftovers: Vec::new() });
        let cases = [
            (lost(UnreachableKind::Broken), 4),
            (lost(UnreachableKind::Timeout), 2),
            (page(502), 4),
            (page(504), 4),
            (page(500), 1),
            (gone, 4),
            (Failure::Oversized, 1),
        ];
        for (failure, expected) in cases {
            assert_eq!((attempts(true, &failure), attempts(false, &failure)), (expected, 1), "{failure:?}");
        }
        let broken = Failure::Unreadable(ReplyError::Broken { status: 200, offset: 1 });
        assert_eq!((attempts(true, &broken), attempts(false, &broken)), (2, 1));
    }

    #[test]
    fn what_never_left_is_sent_again_whatever_it_is_unless_trust_is_missing() {
        let cases =
            [(UnreachableKind::Dns, 4), (UnreachableKind::Refused, 4), (UnreachableKind::Connect, 4), (UnreachableKind::Timeout, 2), (UnreachableKind::Tls, 1)];
        for (kind, expected) in cases {
            assert_eq!((attempts(true, &unsent(kind)), attempts(false, &unsent(kind))), (expected, expected), "{kind}");
        }
    }

    #[test]
    fn throttling_is_waited_for_as_long_as_told_within_bounds() {
        let mut attempts = Attempts::new(false);
        let wait = attempts.next(&Failure::Throttled { wait: Duration::from_millis(940) }).unwrap();
        assert!(wait >= Duration::from_millis(940) && wait <= Duration::from_millis(1190), "{wait:?}");
        assert_eq!(attempts.next(&Failure::Throttled { wait: THROTTLE_WAIT_MAX }), None);
    }

    #[test]
    fn the_time_is_read_out_of_the_text_of_a_throttled_answer() {
        let text = "The given user has reached his/her account api limit, please retry after [940] ms.";
        assert_eq!(milliseconds_in(text), Some(Duration::from_millis(940)));
        assert_eq!(milliseconds_in("retry after [x] ms"), None);
        assert_eq!(milliseconds_in("limit [25] calls"), None);
        assert_eq!(milliseconds_in("slow down"), None);
    }

    #[test]
    fn waits_grow_and_stay_bounded() {
        for attempt in 1..40 {
            assert!(backoff(attempt) <= BACKOFF_MAX);
        }
        assert!((0..200).any(|_| backoff(6) > BACKOFF_FIRST_MAX));
    }
}
