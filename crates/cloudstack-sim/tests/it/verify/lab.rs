//! A server, embedded or real, and ways to call it that say what they expect.

use std::{sync::Arc, time::Duration};

use cloudstack_api::{
    catalog::{Catalog, Release},
    clock::Clock,
    wire::{self, Digest, Pair},
};
use cloudstack_sim::{Cloud, JobSpeed, Method, Tuning, WireRequest, WorldOptions};
use serde_json::Value;

/// How often and how long a job is asked for: ten minutes on a real server.
const POLLS_MAX: u32 = 300;
const POLL_EVERY: Duration = Duration::from_secs(2);
/// How long a real server may take for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(120);

/// What the machine says the time is.
#[expect(clippy::disallowed_methods, reason = "a real server's time is nobody's to move")]
fn wall() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "a real server takes its time")]
async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}

/// The time of the machine, which drives the embedded cloud.
#[derive(Debug)]
struct Wall;

impl Clock for Wall {
    fn now(&self) -> Duration {
        wall()
    }

    fn elapsed(&self) -> Duration {
        self.now()
    }

    fn sleep(&self, wait: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(pause(wait))
    }
}

enum Server {
    Embedded(Box<Cloud>),
    Real(reqwest::Client, String),
}

/// Somebody's keys.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    api: String,
    secret: String,
}

impl Keys {
    /// The same key with another secret.
    pub(super) fn forged(&self) -> Self {
        Self { api: self.api.clone(), secret: format!("{}x", self.secret) }
    }
}

/// A server to try scenarios on.
pub(super) struct Lab {
    server: Server,
    pub(super) root: Keys,
    /// What sets the names of this run apart.
    mark: String,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) envelope: String,
    pub(super) body: Value,
}

/// A domain with a user, made for one scenario.
pub(super) struct Tenant {
    pub(super) keys: Keys,
    pub(super) domain: String,
    pub(super) account: String,
}

/// The real server, if one is named, else a new embedded cloud.
#[expect(clippy::disallowed_methods, reason = "where the server is, is told to the tests alone")]
pub(super) fn lab() -> Lab {
    let told = |name: &str| std::env::var(format!("CLOUDSTACK_VERIFY_{name}")).ok().filter(|value| !value.is_empty());
    let mark = format!("{:06x}", fastrand::u32(..) & 0x00ff_ffff);
    if let (Some(url), Some(api), Some(secret)) = (told("URL"), told("API_KEY"), told("SECRET_KEY")) {
        // Another scenario may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().timeout(ANSWER_MAX).redirect(reqwest::redirect::Policy::none()).build().unwrap();
        return Lab { server: Server::Real(client, url), root: Keys { api, secret }, mark };
    }
    let options = WorldOptions { tuning: Tuning { speed: JobSpeed::Instant, ..Tuning::default() }, ..WorldOptions::default() };
    let cloud = Cloud::new(options, Arc::new(Catalog::embedded(Release::NEWEST)), Arc::new(Wall));
    let admin = cloud.identities().swap_remove(0);
    Lab { server: Server::Embedded(Box::new(cloud)), root: Keys { api: admin.api_key, secret: admin.secret_key }, mark }
}

impl Lab {
    /// A name that nothing else on the server has.
    pub(super) fn name(&self, stem: &str) -> String {
        format!("{stem}-{}", self.mark)
    }

    /// Sends a call, signed with these keys, whatever comes of it.
    pub(super) async fn send(&self, who: &Keys, command: &str, arguments: &[(&str, &str)]) -> Answer {
        let own = [("command", command), ("response", "json"), ("apiKey", who.api.as_str())];
        let mut pairs: Vec<Pair> = own.iter().chain(arguments).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let signature = wire::signature(&pairs, &who.secret, Digest::Sha1);
        pairs.push(("signature".to_owned(), signature));
        let (status, text) = self.deliver(wire::form(&pairs)).await;
        let whole: Value = serde_json::from_str(&text).unwrap_or_else(|fault| panic!("{command}: {fault}: {text}"));
        let (envelope, body) = whole.as_object().and_then(|members| members.iter().next()).unwrap_or_else(|| panic!("{command}: {whole}"));
        Answer { status, envelope: envelope.clone(), body: body.clone() }
    }

    async fn deliver(&self, form: String) -> (u16, String) {
        match &self.server {
            Server::Embedded(cloud) => {
                let answer = cloud.answer(&WireRequest { method: Method::Post, body: form, ..WireRequest::default() });
                (answer.status, answer.body)
            }
            Server::Real(client, url) => {
                let request = client.post(url).header("content-type", "application/x-www-form-urlencoded").body(form);
                let answer = request.send().await.unwrap();
                (answer.status().as_u16(), answer.text().await.unwrap())
            }
        }
    }

    /// A call that succeeds; what stands in its envelope.
    pub(super) async fn good(&self, who: &Keys, command: &str, arguments: &[(&str, &str)]) -> Value {
        let answer = self.send(who, command, arguments).await;
        assert_eq!(answer.status, 200, "{command} {arguments:?}: {}", answer.body);
        answer.body
    }

    /// A call that answers with one object under this key.
    pub(super) async fn object(&self, who: &Keys, command: &str, arguments: &[(&str, &str)], key: &str) -> Value {
        let body = self.good(who, command, arguments).await;
        body.get(key).unwrap_or_else(|| panic!("{command}: no `{key}` in {body}")).clone()
    }

    /// A call whose job succeeds; the job's result.
    pub(super) async fn done(&self, who: &Keys, command: &str, arguments: &[(&str, &str)]) -> Value {
        let end = self.ended(who, command, arguments).await;
        assert_eq!(end["jobstatus"], 1, "{command} {arguments:?}: {end}");
        assert_eq!(end["jobresultcode"], 0, "{command}: {end}");
        assert!(end["completed"].is_string(), "{command}: {end}");
        end["jobresult"].clone()
    }

    /// A call whose job fails; the error code in the job's result.
    pub(super) async fn failed(&self, who: &Keys, command: &str, arguments: &[(&str, &str)]) -> u64 {
        let end = self.ended(who, command, arguments).await;
        assert_eq!(end["jobstatus"], 2, "{command} {arguments:?}: {end}");
        let code = end["jobresult"]["errorcode"].as_u64().unwrap_or_else(|| panic!("{command}: {end}"));
        assert_eq!(end["jobresultcode"].as_u64(), Some(code), "{command}: {end}");
        assert!(end["jobresult"]["errortext"].is_string(), "{command}: {end}");
        code
    }

    async fn ended(&self, who: &Keys, command: &str, arguments: &[(&str, &str)]) -> Value {
        let started = self.good(who, command, arguments).await;
        let job = started["jobid"].as_str().unwrap_or_else(|| panic!("{command} started no job: {started}"));
        self.end_of(who, command, job).await
    }

    /// The end of a job that a command started.
    pub(super) async fn end_of(&self, who: &Keys, command: &str, job: &str) -> Value {
        for _ in 0..POLLS_MAX {
            let state = self.good(who, "queryAsyncJobResult", &[("jobid", job)]).await;
            if state["jobstatus"] != 0 {
                return state;
            }
            if matches!(self.server, Server::Real(..)) {
                pause(POLL_EVERY).await;
            }
        }
        panic!("{command} does not end");
    }

    /// A call that is refused at once; its code and inner code.
    pub(super) async fn refused(&self, who: &Keys, command: &str, arguments: &[(&str, &str)]) -> (u16, Option<u64>) {
        let answer = self.send(who, command, arguments).await;
        assert_ne!(answer.status, 200, "{command} {arguments:?} passed: {}", answer.body);
        assert_eq!(answer.body["errorcode"].as_u64(), Some(u64::from(answer.status)), "{command}: {}", answer.body);
        assert!(answer.body["errortext"].is_string(), "{command}: {}", answer.body);
        (answer.status, answer.body["cserrorcode"].as_u64())
    }

    /// A call that does not succeed: some servers find out at once, some in the job.
    pub(super) async fn failed_or_refused(&self, who: &Keys, command: &str, arguments: &[(&str, &str)]) {
        let answer = self.send(who, command, arguments).await;
        if answer.status == 200 {
            let job = text(&answer.body, "jobid");
            assert_eq!(self.end_of(who, command, &job).await["jobstatus"], 2, "{command} {arguments:?}");
        } else {
            assert!(answer.body["errortext"].is_string(), "{command}: {}", answer.body);
        }
    }

    /// A list; its count is there if anything is.
    pub(super) async fn list(&self, who: &Keys, command: &str, arguments: &[(&str, &str)], key: &str) -> Vec<Value> {
        let body = self.good(who, command, arguments).await;
        let items = body.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let count = body.get("count").and_then(Value::as_u64);
        assert!(items.is_empty() || count >= Some(items.len() as u64), "{command}: {count:?} for {} items", items.len());
        items
    }

    /// The only object of a list.
    pub(super) async fn only(&self, who: &Keys, command: &str, arguments: &[(&str, &str)], key: &str) -> Value {
        let mut items = self.list(who, command, arguments, key).await;
        assert_eq!(items.len(), 1, "{command} {arguments:?}: {items:?}");
        items.swap_remove(0)
    }

    /// A domain below ROOT with one user in it.
    pub(super) async fn tenant(&self, stem: &str) -> Tenant {
        let name = self.name(stem);
        let domain = self.object(&self.root, "createDomain", &[("name", &name)], "domain").await;
        let domain = id(&domain);
        let keys = self.user(&domain, &name, "User").await;
        Tenant { keys, domain, account: name }
    }

    /// An account with one user of a role in a domain; the user's keys.
    pub(super) async fn user(&self, domain: &str, account: &str, role: &str) -> Keys {
        let role = self.only(&self.root, "listRoles", &[("name", role)], "role").await;
        let password = self.name("pass");
        let arguments = [
            ("username", account),
            ("account", account),
            ("password", password.as_str()),
            ("email", "verify@example.org"),
            ("firstname", "Test"),
            ("lastname", "Tenant"),
            ("domainid", domain),
            ("roleid", role["id"].as_str().unwrap()),
        ];
        let made = self.object(&self.root, "createAccount", &arguments, "account").await;
        self.keys_of(made["user"][0]["id"].as_str().unwrap()).await
    }

    /// New keys for a user.
    pub(super) async fn keys_of(&self, user: &str) -> Keys {
        let keys = self.object(&self.root, "registerUserKeys", &[("id", user)], "userkeys").await;
        Keys { api: text(&keys, "apikey"), secret: text(&keys, "secretkey") }
    }

    /// Deletes a tenant's domain with everything in it.
    pub(super) async fn clear(&self, tenant: &Tenant) {
        let result = self.done(&self.root, "deleteDomain", &[("id", &tenant.domain), ("cleanup", "true")]).await;
        assert_eq!(result["success"], true);
        assert_eq!(self.list(&self.root, "listDomains", &[("name", &tenant.account)], "domain").await, Vec::<Value>::new());
    }

    /// The zone that scenarios use.
    pub(super) async fn zone(&self) -> String {
        let zones = self.list(&self.root, "listZones", &[("available", "true")], "zone").await;
        let zone = zones.iter().find(|zone| zone["networktype"] == "Advanced" && zone["allocationstate"] == "Enabled");
        id(zone.unwrap_or_else(|| panic!("no enabled advanced zone: {zones:?}")))
    }

    /// A template that machines can be made from.
    pub(super) async fn template(&self, zone: &str) -> String {
        let templates = self.list(&self.root, "listTemplates", &[("templatefilter", "featured"), ("zoneid", zone)], "template").await;
        let ready = templates.iter().find(|template| template["isready"] == true && template["templatetype"] != "SYSTEM");
        id(ready.unwrap_or_else(|| panic!("no template is ready: {templates:?}")))
    }

    /// The smallest compute offering with fixed sizes.
    pub(super) async fn offering(&self) -> Value {
        let offerings = self.list(&self.root, "listServiceOfferings", &[("issystem", "false")], "serviceoffering").await;
        let fixed = offerings.into_iter().filter(|offering| offering["iscustomized"] == false && offering.get("hosttags").is_none());
        fixed.min_by_key(|offering| offering["memory"].as_u64()).unwrap()
    }

    /// An isolated network of a tenant.
    pub(super) async fn network(&self, tenant: &Tenant, zone: &str, stem: &str) -> Value {
        let wanted =
            [("guestiptype", "Isolated"), ("forvpc", "false"), ("state", "Enabled"), ("supportedservices", "SourceNat,StaticNat,PortForwarding,Lb,Firewall")];
        let offerings = self.list(&tenant.keys, "listNetworkOfferings", &wanted, "networkoffering").await;
        let offering = offerings.iter().find(|offering| offering["specifyvlan"] == false).unwrap_or_else(|| panic!("{offerings:?}"));
        let name = self.name(stem);
        let arguments = [("name", name.as_str()), ("zoneid", zone), ("networkofferingid", offering["id"].as_str().unwrap())];
        self.object(&tenant.keys, "createNetwork", &arguments, "network").await
    }

    /// A running machine of a tenant in a network.
    pub(super) async fn machine(&self, tenant: &Tenant, network: &Value, stem: &str) -> Value {
        let zone = text(network, "zoneid");
        let (template, offering, name) = (self.template(&zone).await, id(&self.offering().await), self.name(stem));
        let arguments = [
            ("zoneid", zone.as_str()),
            ("templateid", &template),
            ("serviceofferingid", &offering),
            ("networkids", network["id"].as_str().unwrap()),
            ("name", &name),
        ];
        self.done(&tenant.keys, "deployVirtualMachine", &arguments).await["virtualmachine"].clone()
    }
}

/// An object's id.
pub(super) fn id(object: &Value) -> String {
    text(object, "id")
}

/// A member that must be text.
pub(super) fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_else(|| panic!("no text `{name}` in {object}")).to_owned()
}

/// Members that must be there, with their JSON types: `t` text, `n` a number, `b` a truth value, `l` a list.
pub(super) fn has(object: &Value, members: &[(&str, char)]) {
    for (name, kind) in members {
        let value = &object[*name];
        let fits = match kind {
            't' => value.is_string(),
            'n' => value.is_number(),
            'b' => value.is_boolean(),
            _ => value.is_array(),
        };
        assert!(fits, "`{name}` is {value}, not `{kind}`, in {object}");
    }
}
