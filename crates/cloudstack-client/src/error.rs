//! What can go wrong on the way, split by what the caller can do about it.

use std::{fmt, path::PathBuf, time::Duration};

use cloudstack_api::reply::{Fault, ReplyError};

/// The cause of an error.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no answer, split by what the caller can do.
///
/// Only [`Error::OutcomeUnknown`] leaves open whether the call was carried out; after every other error it was not.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// CloudStack refused: change the call, the role or the state of the object.
    #[error("CloudStack refused with {}: {}", .0.code, .0.text)]
    Refused(Fault),
    /// The login was refused: check name, password and domain. Not tried again for a minute, since servers lock accounts.
    #[error("CloudStack did not let `{username}` log in: {}", .fault.text)]
    LoginRefused {
        /// Who tried.
        username: String,
        /// What the server said.
        fault: Fault,
    },
    /// The account has two-factor authentication, which a session would need: use API keys, which do not.
    #[error("`{username}` cannot log in without a second factor; API keys need none")]
    SecondFactor {
        /// Who tried.
        username: String,
    },
    /// Something answered that is no CloudStack API, or not in its language: check the URL and what stands in between.
    #[error("the answer of `{url}` cannot be read")]
    Unreadable {
        /// Where it came from.
        url: String,
        /// What was sent.
        sent: Sent,
        /// What is wrong with it.
        source: Box<ReplyError>,
    },
    /// No answer, and nothing was changed: check network, name and certificates, or try again later.
    #[error("`{url}` cannot be reached: {kind}")]
    Unreachable {
        /// In which way.
        kind: UnreachableKind,
        /// Where to, without user, query or fragment.
        url: String,
        /// The cause.
        source: Source,
    },
    /// The server wants fewer calls, for longer than we wait by ourselves: try again after `wait`.
    #[error("the server takes no more calls for {} ms", .wait.as_millis())]
    Throttled {
        /// How long the server says.
        wait: Duration,
    },
    /// A call that changes something was sent, and nobody told what became of it: look at the object, never resend.
    #[error("it is unknown whether `{command}` was carried out; {trace}")]
    OutcomeUnknown {
        /// The command.
        command: String,
        /// The id its job has, if it has one. It can be asked for later.
        job: Option<String>,
        /// What asking the server about the job brought.
        trace: Trace,
        /// How the answer was lost.
        source: Source,
    },
    /// More bytes than may travel: ask for less, or split.
    #[error("{what} is larger than the {bytes_max} bytes that {reason}")]
    TooLarge {
        /// What is too large, such as `the request`.
        what: &'static str,
        /// The limit in bytes.
        bytes_max: usize,
        /// Whose limit it is.
        reason: &'static str,
    },
    /// Too many arguments: split the call.
    #[error("the call has {pairs} arguments, more than the {pairs_max} that servers take")]
    TooManyArguments {
        /// How many there are.
        pairs: usize,
        /// How many there may be.
        pairs_max: usize,
    },
    /// The server sends us elsewhere. We never follow, since the signed call would go with us: correct the URL.
    #[error("`{url}` redirects to `{to}`, which is not followed; set the endpoint's URL to where the API is")]
    Redirected {
        /// Where we asked.
        url: String,
        /// Where it sends us, without the query.
        to: String,
    },
    /// The endpoint cannot be used as it is described: correct the settings.
    #[error(transparent)]
    Config(#[from] ConfigFault),
}

/// What an [`Error::Unreadable`] answer was an answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// A read, which may have been run and changes nothing.
    Read,
    /// A write that was turned away before CloudStack saw it.
    TurnedAway,
}

/// What asking the server about the job of a lost call brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// There is nothing to ask for: the command has no job.
    NoJobToAskFor,
    /// The server knows no such job: the call never arrived, was refused, or is still on its way.
    JobUnknown,
    /// The server could not be asked either.
    Unanswered,
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoJobToAskFor => "it has no job that could be asked for",
            Self::JobUnknown => "the server knows no job of it, so that it has most likely not arrived",
            Self::Unanswered => "the server could not be asked about its job",
        })
    }
}

/// In which way a server cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnreachableKind {
    /// The host's name is not known.
    Dns,
    /// Nothing listens there.
    Refused,
    /// No connection for another reason.
    Connect,
    /// The certificate or the handshake.
    Tls,
    /// No connection or no answer in time.
    Timeout,
    /// The connection broke before the answer was complete.
    Broken,
}

impl fmt::Display for UnreachableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "the name is not known",
            Self::Refused => "the connection was refused",
            Self::Connect => "no connection",
            Self::Tls => "no secure connection",
            Self::Timeout => "no answer in time",
            Self::Broken => "the connection broke",
        })
    }
}

/// What is wrong with the description of an endpoint.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFault {
    /// Not the URL of an API.
    #[error("`{url}` cannot be the endpoint: {reason}")]
    Url {
        /// What was given, without user, query or fragment.
        url: String,
        /// Why not.
        reason: &'static str,
    },
    /// Not the URL of a proxy. The URL is not shown, since it may hold a password.
    #[error("the proxy's URL cannot be used")]
    Proxy(#[source] Source),
    /// The file of certificates cannot be read.
    #[error("the certificates in `{}` cannot be used: {reason}", .path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The platform has no certificates to trust.
    #[error("the platform has no root certificates; install them or name a file of your own")]
    NoRoots,
    /// A number that cannot be.
    #[error("`{value}` cannot be the number of calls a second")]
    Rate {
        /// What was given.
        value: f64,
    },
    /// The HTTP or TLS library will not start.
    #[error("HTTP cannot be set up")]
    Http(#[source] Source),
}
