//! How a server says no: the codes and texts of real servers (wire facts §2.4).
//!
//! Texts are CloudStack's own, so they follow CloudStack's style and not this project's.

use crate::json::Json;

/// CloudStack's inner code of most refusals.
pub(crate) const INNER_API: u32 = 9999;
/// CloudStack's inner code of a bad argument found by a command.
const INNER_ARGUMENT: u32 = 4350;
/// CloudStack's inner code of a permission that is missing.
const INNER_PERMISSION: u32 = 4365;
/// CloudStack's inner code of a failure inside.
pub(crate) const INNER_RUNTIME: u32 = 4250;
/// CloudStack's inner code of a wrong second factor.
const INNER_CODE: u32 = 4295;
/// CloudStack's inner code of a conflict between network rules.
const INNER_CONFLICT: u32 = 4360;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The error code, which is the HTTP status too.
    pub(crate) code: u16,
    /// CloudStack's inner code.
    pub(crate) inner: Option<u32>,
    /// What is said.
    pub(crate) text: String,
    /// Whether it comes under `errorresponse` instead of the command's own envelope.
    pub(crate) foreign: bool,
    /// Whether people other than root read a generic text instead.
    pub(crate) masked: bool,
    /// An object left behind.
    pub(crate) leftover: Option<Leftover>,
    /// Whether it comes before any job: servers refuse arguments and strangers then, and whatever keeps them from
    /// finding out whose object it is.
    pub(crate) at_once: bool,
}

/// An object that a refused call left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leftover {
    /// Its id.
    pub(crate) id: String,
    /// What it is.
    pub(crate) description: &'static str,
    /// Whether the server tells the version of its own record of it, as older releases do.
    pub(crate) is_versioned: bool,
}

/// That version.
const RECORD_VERSION: i64 = -7_514_266_713_085_362_352;

impl Refusal {
    fn new(code: u16, inner: Option<u32>, text: impl Into<String>) -> Self {
        Self { code, inner, text: text.into(), foreign: false, masked: false, leftover: None, at_once: false }
    }

    /// 431 as the argument checks give it, before a command runs.
    pub(crate) fn argument(text: impl Into<String>) -> Self {
        Self::new(431, Some(INNER_API), text)
    }

    /// 431 as a command gives it.
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::new(431, Some(INNER_ARGUMENT), text)
    }

    /// 430: a map that cannot be read.
    pub(crate) fn malformed(text: impl Into<String>) -> Self {
        Self::new(430, Some(INNER_API), text)
    }

    /// 530 with a text of the command's own.
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::new(530, Some(INNER_API), text)
    }

    /// 530 from inside, which only root reads.
    pub(crate) fn internal(text: impl Into<String>) -> Self {
        Self { masked: true, ..Self::new(530, Some(INNER_RUNTIME), text) }
    }

    /// 531 for objects of others.
    pub(crate) fn permission() -> Self {
        Self::forbidden("Caller does not have permission to operate with provided resource.").at_once()
    }

    /// The same refusal, also where the command leaves everything to its job.
    pub(crate) fn at_once(self) -> Self {
        Self { at_once: true, ..self }
    }

    /// 531 with a text.
    pub(crate) fn forbidden(text: impl Into<String>) -> Self {
        Self::new(531, Some(INNER_PERMISSION), text)
    }

    /// 531 of a login.
    pub(crate) fn login(text: impl Into<String>) -> Self {
        Self::new(531, None, text)
    }

    /// 535: a limit is reached.
    pub(crate) fn limit(text: impl Into<String>) -> Self {
        Self::new(535, Some(INNER_API), text)
    }

    /// 537: rules that exclude each other.
    pub(crate) fn conflict(text: impl Into<String>) -> Self {
        Self::new(537, Some(INNER_CONFLICT), text)
    }

    /// 401: one text for all causes.
    pub(crate) fn credentials() -> Self {
        Self::new(401, None, "unable to verify user credentials and/or request signature")
    }

    /// 401: the session key was missing.
    pub(crate) fn session() -> Self {
        Self::new(401, None, "unable to verify user credentials")
    }

    /// 511: a session whose second factor was not checked.
    pub(crate) fn second_factor(text: impl Into<String>) -> Self {
        Self::new(511, None, text)
    }

    /// 511 of a code that does not fit.
    pub(crate) fn code() -> Self {
        Self::new(511, Some(INNER_CODE), "failed to authenticate user, check if two factor authentication code is correct")
    }

    /// 401 under `errorresponse`: no such command.
    pub(crate) fn unknown_command() -> Self {
        Self { foreign: true, ..Self::credentials() }
    }

    /// 432: the role lacks the command.
    pub(crate) fn role(command: &str, user: &str) -> Self {
        let text = format!("The API [{command}] does not exist or is not available for the account for user id [{user}].");
        Self { foreign: true, ..Self::new(432, Some(INNER_API), text) }
    }

    /// 432 of a command that is turned off.
    pub(crate) fn unsupported(text: impl Into<String>) -> Self {
        Self::new(432, Some(INNER_API), text)
    }

    /// The members that stand in an envelope.
    pub(crate) fn write(&self, json: &mut Json) {
        json.open();
        json.key("uuidList");
        json.open_array();
        if let Some(leftover) = &self.leftover {
            json.open();
            if leftover.is_versioned {
                json.key("serialVersionUID");
                json.number(RECORD_VERSION);
            }
            json.member("uuid", &leftover.id);
            json.member("description", leftover.description);
            json.close();
        }
        json.close_array();
        json.key("errorcode");
        json.number(i64::from(self.code));
        if let Some(inner) = self.inner {
            json.key("cserrorcode");
            json.number(i64::from(inner));
        }
        // A server that stumbles without a word says nothing.
        if !self.text.is_empty() {
            json.member("errortext", &self.text);
        }
        json.close();
    }

    /// The members that stand in a job's result. Jobs only ever fail with 431 or 530.
    pub(crate) fn write_job(&self, json: &mut Json) {
        json.open();
        json.key("errorcode");
        json.number(i64::from(self.job_code()));
        json.member("errortext", &self.text);
        json.close();
    }

    /// The code that a job which fails this way has.
    pub(crate) fn job_code(&self) -> u16 {
        if self.code == 431 { 431 } else { 530 }
    }
}
