//! How a request shows as whom it comes: by a signature, by a session, or not at all.

use std::sync::OnceLock;

use cloudstack_api::{
    reply::Reply,
    wire::{self, Digest, Pair},
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{credentials::Credentials, endpoint::DigestChoice, request::pair, retry::Failure, session::Sessions};

/// The status of an answer to a wrong signature.
pub(crate) const UNAUTHORIZED: u16 = 401;
/// The status by which a role's denial comes; it is decided before the signature is looked at (wire facts §1.3).
const ROLE_DENIES: u16 = 432;
/// The envelope of commands that the server does not have, which is told before the signature is looked at.
const NO_SUCH_COMMAND: &str = "errorresponse";

/// How a request shows as whom it comes.
#[derive(Debug)]
pub(crate) enum Auth {
    /// By a signature.
    Keys(Keys),
    /// By a session.
    Session(Sessions),
    /// Not at all.
    None,
}

impl Auth {
    /// The way that belongs to the credentials.
    pub(crate) fn new(credentials: Credentials, choice: DigestChoice) -> Self {
        match credentials {
            Credentials::Keys { api_key, secret_key } => Self::Keys(Keys { api_key, secret_key, choice, learned: OnceLock::new() }),
            Credentials::Password { username, password, domain } => Self::Session(Sessions::new(username, password, domain)),
            Credentials::None => Self::None,
        }
    }
}

/// An API key that signs, and what was learned about the digest.
pub(crate) struct Keys {
    api_key: String,
    secret_key: SecretString,
    choice: DigestChoice,
    learned: OnceLock<Digest>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("choice", &self.choice).field("learned", &self.learned).finish_non_exhaustive()
    }
}

impl Keys {
    /// The digest to sign with, and whether it is settled.
    pub(crate) fn digest(&self) -> (Digest, bool) {
        self.learned.get().map_or_else(|| self.choice.first(), |digest| (*digest, true))
    }

    /// Remembers the digest that the server takes.
    pub(crate) fn settle(&self, digest: Digest) {
        // Two calls may learn at once; they learn the same.
        let _ = self.learned.set(digest);
    }

    /// Completes and signs what travels. Without `expires` the signature is valid for ever.
    pub(crate) fn sign(&self, mut pairs: Vec<Pair>, expires: Option<String>, digest: Digest) -> Vec<Pair> {
        pairs.push(pair("apikey", &self.api_key));
        if let Some(expires) = expires {
            pairs.push(pair("signatureversion", "3"));
            pairs.push(("expires".to_owned(), expires));
        }
        let signature = wire::signature(&pairs, self.secret_key.expose_secret(), digest);
        pairs.push(("signature".to_owned(), signature));
        pairs
    }
}

/// What an answer says about the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was right.
    Taken,
    /// It was wrong, or the keys are.
    Rejected,
    /// Nothing: it was not looked at.
    Open,
}

impl Verdict {
    /// Reads the verdict out of what came.
    pub(crate) fn of(outcome: &Result<Reply, Failure>) -> Self {
        match outcome {
            Ok(_) => Self::Taken,
            Err(Failure::Refused(fault)) if fault.envelope == NO_SUCH_COMMAND || fault.code == ROLE_DENIES => Self::Open,
            Err(Failure::Refused(fault)) if fault.code == UNAUTHORIZED => Self::Rejected,
            Err(Failure::Refused(_)) => Self::Taken,
            Err(_) => Self::Open,
        }
    }
}
