//! As whom calls are made.

use std::fmt;

use secrecy::SecretString;

/// As whom calls are made. Its `Debug` shows no secret, and secrets are wiped from memory when it is dropped.
#[derive(Clone)]
pub enum Credentials {
    /// An API key and its secret: each call is signed (wire facts §1.3).
    Keys {
        /// The key. No secret by itself, yet it reveals what its role may call, hence never shown.
        api_key: String,
        /// The secret that signs.
        secret_key: SecretString,
    },
    /// A user name and password: a session is opened on the first call (wire facts §1.5).
    Password {
        /// The user's name.
        username: String,
        /// The password, sent as it is.
        password: SecretString,
        /// The domain's path, such as `/acme`; `None` for the root domain.
        domain: Option<String>,
    },
    /// Nothing: the integration port, where every call runs as the system itself (wire facts §1.1).
    None,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys { .. } => f.write_str("Keys"),
            Self::Password { username, domain, .. } => f.debug_struct("Password").field("username", username).field("domain", domain).finish_non_exhaustive(),
            Self::None => f.write_str("None"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let keys = Credentials::Keys { api_key: "KEYKEY".to_owned(), secret_key: "SECRET".into() };
        let password = Credentials::Password { username: "ada".to_owned(), password: "SECRET".into(), domain: None };
        let shown = format!("{keys:?} {password:?}");
        assert!(!shown.contains("SECRET") && !shown.contains("KEYKEY") && shown.contains("ada"), "{shown}");
    }
}
