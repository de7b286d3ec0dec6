//! Sessions: opened by the first call, opened again once when they have died, closed by hand (wire facts §1.5).
//!
//! The cookies are kept here and nowhere else, so that no session can answer for a signed call.

use std::{fmt, sync::Arc, time::Duration};

use cloudstack_api::{
    reply::{Body, Fault, Reply, text_of},
    wire::Pair,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;

use crate::{
    error::Error,
    http::{CookieHeader, cookie_header},
    request::pair,
    retry::Failure,
};

/// For how long a refused login is not tried again: servers lock accounts after a few of them.
const REFUSAL_HELD: Duration = Duration::from_secs(60);
/// The status of calls in a session whose second factor is missing. The server has closed the session by then.
pub(crate) const SECOND_FACTOR_MISSING: u16 = 511;

/// The sessions of one user, one at a time.
pub(crate) struct Sessions {
    username: String,
    password: SecretString,
    domain: Option<String>,
    slot: Mutex<Slot>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("username", &self.username).field("domain", &self.domain).finish_non_exhaustive()
    }
}

/// What became of the last login.
enum Slot {
    /// None, or its session is closed.
    Closed,
    /// It is open.
    Open(Arc<Session>),
    /// It was refused, and is not tried again before `until`.
    Refused { fault: Fault, until: Duration },
}

/// An open session.
pub(crate) struct Session {
    key: SecretString,
    cookies: CookieHeader,
}

impl Session {
    /// Completes what travels.
    pub(crate) fn complete(&self, mut pairs: Vec<Pair>) -> Vec<Pair> {
        pairs.push(pair("sessionkey", self.key.expose_secret()));
        pairs
    }

    /// The cookies that go with it.
    pub(crate) fn cookies(&self) -> CookieHeader {
        self.cookies.clone()
    }

    fn read(reply: Reply, cookies: &[String], username: &str) -> Result<Self, Error> {
        let Body::Flat(members) = reply.body else { return Err(odd_login(username, reply.envelope)) };
        let member = |name: &str| members.get(name).and_then(text_of);
        if member("is2faenabled").as_deref() == Some("true") && member("is2faverified").as_deref() == Some("false") {
            return Err(Error::SecondFactor { username: username.to_owned() });
        }
        let key = member("sessionkey").ok_or_else(|| odd_login(username, reply.envelope.clone()))?;
        let cookies = cookie_header(cookies).ok_or_else(|| odd_login(username, reply.envelope))?;
        Ok(Self { key: key.into(), cookies })
    }
}

/// A login that was neither refused nor opened a session.
fn odd_login(username: &str, envelope: String) -> Error {
    let fault = Fault { envelope, code: 200, inner_code: None, text: "the answer holds no session".to_owned(), leftovers: Vec::new() };
    Error::LoginRefused { username: username.to_owned(), fault }
}

impl Sessions {
    /// The sessions of a user, none of them open.
    pub(crate) fn new(username: String, password: SecretString, domain: Option<String>) -> Self {
        Self { username, password, domain, slot: Mutex::new(Slot::Closed) }
    }

    /// The open session, or a new one if there is none or it is the one that has died. `log_in` sends what it is given
    /// and hands back the reply with the cookies; `now` is on [`cloudstack_api::clock::Clock::elapsed`].
    ///
    /// Callers queue up here, so that a dead session is opened again once and not by each of them.
    pub(crate) async fn open<F>(&self, dead: Option<&Arc<Session>>, now: Duration, log_in: impl FnOnce(Vec<Pair>) -> F) -> Result<Arc<Session>, Failure>
    where
        F: Future<Output = Result<(Reply, Vec<String>), Failure>>,
    {
        let mut slot = self.slot.lock().await;
        match &*slot {
            Slot::Open(session) if dead.is_none_or(|dead| !Arc::ptr_eq(dead, session)) => return Ok(Arc::clone(session)),
            Slot::Refused { fault, until } if now < *until => return Err(self.refused(fault.clone())),
            Slot::Open(_) | Slot::Refused { .. } | Slot::Closed => *slot = Slot::Closed,
        }
        match log_in(self.arguments()).await {
            Ok((reply, cookies)) => {
                let session = Arc::new(Session::read(reply, &cookies, &self.username).map_err(|error| Failure::Settled(Box::new(error)))?);
                *slot = Slot::Open(Arc::clone(&session));
                Ok(session)
            }
            Err(Failure::Refused(fault)) if Failure::is_passing(fault.code) => Err(Failure::Refused(fault)),
            Err(Failure::Refused(fault)) => {
                *slot = Slot::Refused { fault: fault.clone(), until: now + REFUSAL_HELD };
                Err(self.refused(fault))
            }
            Err(other) => Err(other),
        }
    }

    /// Takes the open session out, if there is one.
    pub(crate) async fn take(&self) -> Option<Arc<Session>> {
        match std::mem::replace(&mut *self.slot.lock().await, Slot::Closed) {
            Slot::Open(session) => Some(session),
            Slot::Closed | Slot::Refused { .. } => None,
        }
    }

    /// What the caller is told when the second factor is missing.
    pub(crate) fn second_factor(&self) -> Failure {
        Failure::Settled(Box::new(Error::SecondFactor { username: self.username.clone() }))
    }

    fn refused(&self, fault: Fault) -> Failure {
        Failure::Settled(Box::new(Error::LoginRefused { username: self.username.clone(), fault }))
    }

    fn arguments(&self) -> Vec<Pair> {
        let mut pairs = vec![pair("username", &self.username), pair("password", self.password.expose_secret())];
        pairs.extend(self.domain.as_deref().map(|domain| pair("domain", domain)));
        pairs
    }
}
