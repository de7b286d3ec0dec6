//! A command on its way: what of a call the road needs to know.

use std::time::Duration;

use cloudstack_api::{
    call::Call,
    catalog::Risk,
    wire::{self, Pair},
};

use crate::{
    endpoint::{HttpMethod, Timeouts},
    error::{Error, Sent},
    http::Place,
};

/// The commands that this crate calls by itself; it knows no others by name.
pub(crate) const JOB_COMMAND: &str = "queryAsyncJobResult";
pub(crate) const LOGIN_COMMAND: &str = "login";
pub(crate) const LOGOUT_COMMAND: &str = "logout";

/// The parameter that gives a job an id of our choice (wire facts §1.6). Not declared by any command.
pub(crate) const JOB_ID_PARAMETER: &str = "customjobid";

/// The most bytes of a form that servers take; beyond, they answer 404 (wire facts §1.1).
const FORM_BYTES_MAX: usize = 1 << 20;
const FORM_PAIRS_MAX: usize = 5000;
/// Servers take 8192 bytes of URL and headers together; the rest is for the headers.
const QUERY_BYTES_MAX: usize = 6 << 10;
/// The most bytes that [`HttpMethod::Auto`] puts into a URL.
const QUERY_BYTES_AUTO_MAX: usize = 2 << 10;

/// A command on its way. No `Debug`: it holds secrets.
#[derive(Clone)]
pub(crate) struct Request<'a> {
    /// The command's name.
    pub(crate) command: &'a str,
    /// Its arguments.
    pub(crate) pairs: &'a [Pair],
    /// The id its job shall have.
    pub(crate) job: Option<&'a str>,
    /// Whether sending it twice is harmless.
    pub(crate) repeatable: bool,
    /// How long the whole answer may take.
    pub(crate) limit: Duration,
}

impl<'a> Request<'a> {
    /// The request of a call. Only reads that start no job may be sent twice.
    pub(crate) fn new(call: &'a Call, job: Option<&'a str>, timeouts: &Timeouts) -> Self {
        let repeatable = call.risk() == Risk::Read && !call.command().is_async;
        let limit = if repeatable { timeouts.read } else { timeouts.write };
        Self { command: &call.command().name, pairs: call.pairs(), job, repeatable, limit }
    }

    /// The request that asks for a job.
    pub(crate) fn job_poll(pairs: &'a [Pair], limit: Duration) -> Self {
        Self { command: JOB_COMMAND, pairs, job: None, repeatable: true, limit }
    }

    /// What can have been sent when nothing is left open.
    pub(crate) fn sent(&self) -> Sent {
        if self.repeatable { Sent::Read } else { Sent::TurnedAway }
    }

    /// All that travels but what authentication adds.
    pub(crate) fn base(&self, extra: usize) -> Vec<Pair> {
        let mut pairs = Vec::with_capacity(self.pairs.len() + 3 + extra);
        pairs.push(pair("command", self.command));
        pairs.push(pair("response", "json"));
        pairs.extend_from_slice(self.pairs);
        if let Some(job) = self.job.filter(|_| !self.pairs.iter().any(|(name, _)| name == JOB_ID_PARAMETER)) {
            pairs.push(pair(JOB_ID_PARAMETER, job));
        }
        pairs
    }

    /// Encodes what travels and chooses where.
    pub(crate) fn encode(&self, pairs: &[Pair], method: HttpMethod) -> Result<(String, Place), Error> {
        if pairs.len() > FORM_PAIRS_MAX {
            return Err(Error::TooManyArguments { pairs: pairs.len(), pairs_max: FORM_PAIRS_MAX });
        }
        let form = wire::form(pairs);
        let place = match method {
            HttpMethod::Post => Place::Body,
            HttpMethod::Get => Place::Url,
            HttpMethod::Auto if self.repeatable && form.len() <= QUERY_BYTES_AUTO_MAX && self.fits_a_log() => Place::Url,
            HttpMethod::Auto => Place::Body,
        };
        let (bytes_max, reason) = match place {
            Place::Body => (FORM_BYTES_MAX, "servers take"),
            Place::Url => (QUERY_BYTES_MAX, "fit into a URL; POST takes more"),
        };
        if form.len() > bytes_max {
            return Err(Error::TooLarge { what: "the request", bytes_max, reason });
        }
        Ok((form, place))
    }

    /// Whether servers take the command by GET even where they insist on POST for changes (wire facts §1.4), and
    /// whether nothing in it would be a secret in an access log.
    fn fits_a_log(&self) -> bool {
        const READING_VERBS: [&str; 4] = ["get", "list", "query", "find"];
        const SECRETS: [&str; 6] = ["password", "secret", "token", "userdata", "privatekey", "psk"];
        let command = self.command.to_ascii_lowercase();
        let is_read = READING_VERBS.iter().any(|verb| command.len() > verb.len() && command.starts_with(verb));
        is_read && !self.pairs.iter().any(|(name, _)| SECRETS.iter().any(|secret| name.contains(secret)))
    }
}

/// A pair of borrowed texts.
pub(crate) fn pair(name: &str, value: &str) -> Pair {
    (name.to_owned(), value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(command: &str, pairs: &[Pair], repeatable: bool) -> Place {
        let request = Request { command, pairs, job: None, repeatable, limit: Duration::ZERO };
        request.encode(&request.base(0), HttpMethod::Auto).unwrap().1
    }

    #[test]
    fn the_automatic_method_puts_only_short_reads_without_secrets_into_the_url() {
        assert_eq!(place("listZones", &[], true), Place::Url);
        assert_eq!(place("listZones", &[], false), Place::Body);
        assert_eq!(place("list", &[], true), Place::Body);
        assert_eq!(place("quotaCreditsList", &[], true), Place::Body);
        assert_eq!(place("listVmwareDcVms", &[pair("password", "x")], true), Place::Body);
        assert_eq!(place("listZones", &[pair("ids", &"x".repeat(3000))], true), Place::Body);
    }

    #[test]
    fn what_servers_would_turn_away_is_not_sent() {
        let large = [pair("userdata", &"x".repeat(FORM_BYTES_MAX))];
        let request = Request { command: "x", pairs: &large, job: None, repeatable: false, limit: Duration::ZERO };
        assert!(matches!(request.encode(&request.base(0), HttpMethod::Post), Err(Error::TooLarge { bytes_max: FORM_BYTES_MAX, .. })));
        let long = [pair("ids", &"x".repeat(QUERY_BYTES_MAX))];
        let request = Request { command: "x", pairs: &long, job: None, repeatable: true, limit: Duration::ZERO };
        assert!(matches!(request.encode(&request.base(0), HttpMethod::Get), Err(Error::TooLarge { bytes_max: QUERY_BYTES_MAX, .. })));
        let many: Vec<Pair> = (0..FORM_PAIRS_MAX).map(|at| (format!("tags[{at}].key"), String::new())).collect();
        let request = Request { command: "x", pairs: &many, job: None, repeatable: true, limit: Duration::ZERO };
        assert!(matches!(request.encode(&request.base(0), HttpMethod::Post), Err(Error::TooManyArguments { .. })));
    }

    #[test]
    fn a_job_id_that_the_caller_chose_is_kept() {
        let pairs = [pair(JOB_ID_PARAMETER, "theirs")];
        let request = Request { command: "x", pairs: &pairs, job: Some("ours"), repeatable: false, limit: Duration::ZERO };
        assert_eq!(request.base(0).iter().filter(|(name, _)| name == JOB_ID_PARAMETER).collect::<Vec<_>>(), [&pair(JOB_ID_PARAMETER, "theirs")]);
    }
}
