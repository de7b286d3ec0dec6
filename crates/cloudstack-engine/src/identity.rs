//! As whom a profile's calls are made: what the server says about us.

use cloudstack_api::{
    catalog::RoleType,
    reply::{Body, text_of},
};
use serde_json::{Map, Value};

use crate::receipt::Receipt;

/// What the server says about itself and about us. What it did not say is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Identity {
    pub(crate) release: Option<String>,
    pub(crate) capabilities: Map<String, Value>,
    pub(crate) user: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) domain_id: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) role_type: Option<String>,
}

impl Identity {
    pub(crate) fn read_capabilities(&mut self, body: &Body) {
        let members = match body {
            Body::Object { value: Value::Object(members), .. } | Body::Flat(members) => members,
            Body::Object { .. } | Body::List { .. } | Body::Started { .. } | Body::Success { .. } => return,
        };
        self.release = members.get("cloudstackversion").and_then(text_of);
        self.capabilities.clone_from(members);
    }

    /// Finds ourselves among the users of our account: by key, or because there is one only.
    pub(crate) fn read_users(&mut self, users: &[Value], key: Option<&str>) {
        let text = |user: &Value, name: &str| user.get(name).and_then(text_of);
        let by_key = users.iter().find(|user| key.is_some() && user.get("apikey").and_then(Value::as_str) == key);
        let alone = match users {
            [only] => Some(only),
            _ => None,
        };
        let ours = by_key.or(alone);
        // Users of one account share account, domain and role even where we cannot tell which of them we are.
        let accounts: Vec<_> = users.iter().map(|user| text(user, "accountid")).collect();
        let same_account = accounts.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
        self.user = ours.and_then(|user| text(user, "username"));
        let Some(one) = ours.or_else(|| users.first().filter(|_| same_account)) else { return };
        self.account = text(one, "account");
        self.domain = text(one, "domain");
        self.domain_id = text(one, "domainid");
        self.role = text(one, "rolename");
        self.role_type = text(one, "roletype");
    }

    pub(crate) fn kind(&self) -> Option<RoleType> {
        match self.role_type.as_deref()? {
            "Admin" => Some(RoleType::Admin),
            "ResourceAdmin" => Some(RoleType::ResourceAdmin),
            "DomainAdmin" => Some(RoleType::DomainAdmin),
            "User" => Some(RoleType::User),
            _ => None,
        }
    }

    /// Whether we see more than our own account's objects if we ask for it.
    pub(crate) fn is_admin(&self) -> bool {
        matches!(self.kind(), Some(RoleType::Admin | RoleType::DomainAdmin))
    }

    pub(crate) fn is_root(&self) -> bool {
        self.kind() == Some(RoleType::Admin)
    }

    pub(crate) fn write_into(&self, receipt: &mut Receipt) {
        receipt.account.clone_from(&self.account);
        receipt.domain.clone_from(&self.domain);
        receipt.user.clone_from(&self.user);
        receipt.role.clone_from(&self.role);
        receipt.role_type.clone_from(&self.role_type);
        receipt.release.clone_from(&self.release);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(name: &str, account: &str, key: &str) -> Value {
        json!({"username": name, "accountid": account, "account": account, "apikey": key, "roletype": "User", "rolename": "User", "domain": "acme"})
    }

    #[test]
    fn we_find_ourselves_by_our_key() {
        let mut identity = Identity::default();
        identity.read_users(&[user("a", "x", "K1"), user("b", "x", "K2")], Some("K2"));
        assert_eq!((identity.user.as_deref(), identity.account.as_deref()), (Some("b"), Some("x")));
    }

    #[test]
    fn without_keys_the_shared_account_is_known_and_the_user_is_not() {
        let mut identity = Identity::default();
        identity.read_users(&[user("a", "x", "K1"), user("b", "x", "K2")], None);
        assert_eq!((identity.user.as_deref(), identity.account.as_deref()), (None, Some("x")));
        let mut identity = Identity::default();
        identity.read_users(&[user("a", "x", "K1"), user("b", "y", "K2")], None);
        assert_eq!((identity.user, identity.account), (None, None));
    }
}
