//! The client: one server, one identity, one call at a time or many side by side.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use cloudstack_api::{
    call::Call,
    clock::{Clock, timestamp},
    reply::Reply,
    wire::{Digest, Pair},
};

use crate::{
    auth::{Auth, Keys, UNAUTHORIZED, Verdict},
    credentials::Credentials,
    endpoint::{Endpoint, HttpMethod, Timeouts},
    error::{Error, Trace},
    http::{CookieHeader, Http, Outgoing},
    lost,
    pace::Pace,
    request::{JOB_ID_PARAMETER, LOGIN_COMMAND, LOGOUT_COMMAND, Request},
    retry::{Attempts, Failure, THROTTLE_WAIT_MAX},
    session::{SECOND_FACTOR_MISSING, Session, Sessions},
};

/// One way to one server as one identity. Keeps its connections; made once and shared.
#[derive(Debug)]
pub struct Client {
    http: Http,
    auth: Auth,
    method: HttpMethod,
    timeouts: Timeouts,
    expires: Option<Duration>,
    pace: Pace,
    clock: Arc<dyn Clock>,
    /// The largest page that this server gives, once it has told; 0 before.
    page_size_max: AtomicUsize,
}

impl Client {
    /// Prepares the way to a server; sends nothing. Reads the certificates for an `https` URL from disk.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the endpoint cannot be used as it is described.
    pub fn new(endpoint: &Endpoint, credentials: Credentials, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        // The integration port reads nothing but the URL (wire facts §1.1).
        let method = if matches!(credentials, Credentials::None) { HttpMethod::Get } else { endpoint.http_method };
        Ok(Self {
            http: Http::new(endpoint)?,
            auth: Auth::new(credentials, endpoint.digest),
            method,
            timeouts: endpoint.timeouts,
            expires: endpoint.expires,
            pace: Pace::new(endpoint.rate)?,
            clock,
            page_size_max: AtomicUsize::new(0),
        })
    }

    /// Where calls go: the URL without user, query or fragment.
    #[must_use]
    pub fn url(&self) -> &str {
        self.http.shown()
    }

    /// Sends one call and reads its reply. Does not wait for a job that it starts; see [`Self::wait`].
    ///
    /// A command that starts a job gets a job id of our making. If its answer is lost, the server is asked for that
    /// job, and if it knows it, the reply is the one that was lost.
    ///
    /// # Errors
    ///
    /// Every [`Error`]; [`Error::OutcomeUnknown`] only for calls that may change something.
    pub async fn send(&self, call: &Call) -> Result<Reply, Error> {
        let job = call.command().is_async.then(|| call.argument(JOB_ID_PARAMETER).map_or_else(lost::new_job_id, str::to_owned));
        let request = Request::new(call, job.as_deref(), &self.timeouts);
        let failure = match self.deliver(&request).await {
            Ok(reply) => return Ok(reply),
            Err(failure) => failure,
        };
        if request.repeatable {
            return Err(failure.into_error(request.sent(), self.url()));
        }
        match (failure.into_open(), request.job) {
            (Ok(source), Some(job)) => self.recover(call, job, source).await,
            (Ok(source), None) => Err(Error::OutcomeUnknown { command: call.command().name.clone(), job: None, trace: Trace::NoJobToAskFor, source }),
            (Err(failure), _) => Err(failure.into_error(request.sent(), self.url())),
        }
    }

    /// Closes the session, if one is open. The next call opens another one.
    pub async fn log_out(&self) {
        let Auth::Session(sessions) = &self.auth else { return };
        let Some(session) = sessions.take().await else { return };
        let request = Request { command: LOGOUT_COMMAND, pairs: &[], job: None, repeatable: false, limit: self.timeouts.connect };
        // A session that cannot be closed expires by itself.
        if let Err(failure) = self.exchange_in_session(&session, &request).await {
            tracing::debug!(?failure, "the session was not closed");
        }
    }

    /// Sends a request as often as the law of [`crate::retry`] allows.
    pub(crate) async fn deliver(&self, request: &Request<'_>) -> Result<Reply, Failure> {
        let mut attempts = Attempts::new(request.repeatable);
        loop {
            let failure = match self.attempt(request).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            let Some(wait) = attempts.next(&failure) else { return Err(failure) };
            tracing::debug!(command = request.command, ?wait, ?failure, "sending again");
            self.clock.sleep(wait).await;
        }
    }

    /// Sends a request once.
    pub(crate) async fn attempt(&self, request: &Request<'_>) -> Result<Reply, Failure> {
        self.pace.admit(&*self.clock).await;
        let outcome = match &self.auth {
            Auth::Keys(keys) => self.attempt_signed(keys, request).await,
            Auth::Session(sessions) => self.attempt_in_session(sessions, request).await,
            Auth::None => self.exchange(request, &request.base(0), self.method, None).await.map(|(reply, _)| reply),
        };
        if let Err(Failure::Throttled { wait }) = &outcome {
            // Longer than this nobody is kept waiting without a word; the next call hears it from the server again.
            self.pace.hold(self.clock.elapsed().saturating_add(*wait.min(&THROTTLE_WAIT_MAX)));
        }
        outcome
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    pub(crate) fn page_size_max(&self) -> &AtomicUsize {
        &self.page_size_max
    }

    async fn attempt_signed(&self, keys: &Keys, request: &Request<'_>) -> Result<Reply, Failure> {
        let (digest, settled) = keys.digest();
        let first = self.exchange_signed(keys, request, digest).await;
        if settled {
            return first;
        }
        match Verdict::of(&first) {
            Verdict::Taken => keys.settle(digest),
            Verdict::Open => {}
            Verdict::Rejected => {
                // Even a write may go again: a signature that is not taken shows that nothing was run.
                let second = self.exchange_signed(keys, request, Digest::Sha512).await;
                match Verdict::of(&second) {
                    Verdict::Taken => keys.settle(Digest::Sha512),
                    Verdict::Open => {}
                    Verdict::Rejected => return first,
                }
                return second;
            }
        }
        first
    }

    async fn exchange_signed(&self, keys: &Keys, request: &Request<'_>, digest: Digest) -> Result<Reply, Failure> {
        // Anew for each attempt: the one before may have taken its time.
        let expires = self.expires.map(|valid| timestamp(self.clock.now().saturating_add(valid)));
        let pairs = keys.sign(request.base(4), expires, digest);
        self.exchange(request, &pairs, self.method, None).await.map(|(reply, _)| reply)
    }

    async fn attempt_in_session(&self, sessions: &Sessions, request: &Request<'_>) -> Result<Reply, Failure> {
        let session = self.open_session(sessions, None).await?;
        let mut outcome = self.exchange_in_session(&session, request).await;
        if matches!(&outcome, Err(Failure::Refused(fault)) if fault.code == UNAUTHORIZED) {
            // The session has died, and nothing was run.
            let session = self.open_session(sessions, Some(&session)).await?;
            outcome = self.exchange_in_session(&session, request).await;
        }
        match outcome {
            Err(Failure::Refused(fault)) if fault.code == SECOND_FACTOR_MISSING => {
                sessions.take().await;
                Err(sessions.second_factor())
            }
            other => other,
        }
    }

    async fn open_session(&self, sessions: &Sessions, dead: Option<&Arc<Session>>) -> Result<Arc<Session>, Failure> {
        let log_in = |pairs: Vec<Pair>| async move {
            let request = Request { command: LOGIN_COMMAND, pairs: &pairs, job: None, repeatable: true, limit: self.timeouts.read };
            // A login by GET is turned away, whatever the other calls need (wire facts §1.4).
            self.exchange(&request, &request.base(0), HttpMethod::Post, None).await
        };
        sessions.open(dead, self.clock.elapsed(), log_in).await.map_err(|failure| failure.before_call(self.url()))
    }

    async fn exchange_in_session(&self, session: &Session, request: &Request<'_>) -> Result<Reply, Failure> {
        let pairs = session.complete(request.base(1));
        self.exchange(request, &pairs, self.method, Some(session.cookies())).await.map(|(reply, _)| reply)
    }

    /// One exchange: the reply, and the cookies that came with it.
    async fn exchange(
        &self,
        request: &Request<'_>,
        pairs: &[Pair],
        method: HttpMethod,
        cookies: Option<CookieHeader>,
    ) -> Result<(Reply, Vec<String>), Failure> {
        let (form, place) = request.encode(pairs, method).map_err(|error| Failure::Settled(Box::new(error)))?;
        let answer = self.http.exchange(Outgoing { form, place, cookies, limit: request.limit }).await?;
        let reply = Reply::read(answer.status, &answer.body).map_err(|fault| Failure::of_reply(fault, answer.retry_after))?;
        Ok((reply, answer.cookies))
    }
}
