//! Who asked, and where: a part of every answer and of every report.

use serde_json::{Map, Value};

/// As whom and where a call was made. What is not known yet is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The profile's name.
    pub profile: String,
    /// The server's URL without user, query or fragment.
    pub endpoint: String,
    /// Whether that server is the embedded cloud.
    pub embedded: bool,
    /// The account's name.
    pub account: Option<String>,
    /// The domain's path.
    pub domain: Option<String>,
    /// The user's name.
    pub user: Option<String>,
    /// The role's name.
    pub role: Option<String>,
    /// The role's type: `Admin`, `ResourceAdmin`, `DomainAdmin` or `User`.
    pub role_type: Option<String>,
    /// The server's release as it states it, such as `4.22.1.0`.
    pub release: Option<String>,
    /// Ours: finds this request in the audit.
    pub request_id: String,
    /// CloudStack's job.
    pub job_id: Option<String>,
}

impl Receipt {
    /// The JSON form; members that are not known are absent.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut value = Map::new();
        let mut put = |name: &str, text: Option<&str>| {
            if let Some(text) = text {
                value.insert(name.to_owned(), text.into());
            }
        };
        put("profile", Some(&self.profile));
        put("endpoint", Some(&self.endpoint));
        put("cloud", Some(if self.embedded { "embedded" } else { "remote" }));
        put("account", self.account.as_deref());
        put("domain", self.domain.as_deref());
        put("user", self.user.as_deref());
        put("role", self.role.as_deref());
        put("role_type", self.role_type.as_deref());
        put("release", self.release.as_deref());
        put("request_id", Some(&self.request_id));
        put("job_id", self.job_id.as_deref());
        Value::Object(value)
    }
}
