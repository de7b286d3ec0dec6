//! Pages, filters and what a server tells about itself.

use super::lab::{has, id, lab};

#[tokio::test]
async fn a_list_read_in_pages_is_the_list() {
    let lab = lab();
    let tenant = lab.tenant("page").await;
    let who = &tenant.keys;
    for number in 0..5 {
        let name = format!("key-{number}");
        let made = lab.object(who, "createSSHKeyPair", &[("name", &name)], "keypair").await;
        has(&made, &[("name", 't'), ("fingerprint", 't'), ("privatekey", 't')]);
    }
    let whole = lab.list(who, "listSSHKeyPairs", &[], "sshkeypair").await;
    assert_eq!(whole.len(), 5);
    assert!(whole.iter().all(|key| key.get("privatekey").is_none()));
    let mut paged = Vec::new();
    for page in ["1", "2", "3"] {
        let body = lab.good(who, "listSSHKeyPairs", &[("page", page), ("pagesize", "2")]).await;
        assert_eq!(body["count"].as_u64(), Some(5));
        paged.extend(body["sshkeypair"].as_array().unwrap().iter().map(id));
    }
    assert_eq!(paged, whole.iter().map(id).collect::<Vec<_>>());
    let beyond = lab.good(who, "listSSHKeyPairs", &[("page", "4"), ("pagesize", "2")]).await;
    assert!(beyond.get("sshkeypair").is_none(), "{beyond}");
    assert_eq!(lab.refused(who, "listSSHKeyPairs", &[("page", "1"), ("pagesize", "100000")]).await.0, 431);
    assert_eq!(lab.list(who, "listSSHKeyPairs", &[("keyword", "y-3")], "sshkeypair").await.len(), 1);
    assert_eq!(lab.list(who, "listSSHKeyPairs", &[("name", "key-3")], "sshkeypair").await.len(), 1);
    assert_eq!(lab.list(who, "listSSHKeyPairs", &[("name", "key")], "sshkeypair").await.len(), 0);
    lab.clear(&tenant).await;
}

#[tokio::test]
async fn a_server_tells_what_it_is_and_what_the_caller_may_call() {
    let lab = lab();
    let tenant = lab.tenant("self").await;
    let told = lab.object(&tenant.keys, "listCapabilities", &[], "capability").await;
    has(&told, &[("cloudstackversion", 't'), ("securitygroupsenabled", 'b'), ("dynamicrolesenabled", 'b'), ("projectinviterequired", 'b')]);
    assert!(told["cloudstackversion"].as_str().is_some_and(|version| version.starts_with("4.")), "{told}");
    let mine = lab.list(&tenant.keys, "listApis", &[], "api").await;
    let all = lab.list(&lab.root, "listApis", &[], "api").await;
    assert!(mine.len() > 200 && mine.len() < all.len() && all.len() > 600, "{} of {}", mine.len(), all.len());
    assert!(mine.iter().all(|api| api["name"] != "createZone"));
    let one = lab.only(&tenant.keys, "listApis", &[("name", "deployVirtualMachine")], "api").await;
    has(&one, &[("name", 't'), ("description", 't'), ("isasync", 'b'), ("params", 'l'), ("response", 'l')]);
    lab.clear(&tenant).await;
}

#[tokio::test]
async fn what_happens_is_written_down_as_events() {
    let lab = lab();
    let tenant = lab.tenant("event").await;
    let zone = lab.zone().await;
    let network = lab.network(&tenant, &zone, "event-net").await;
    let found = lab.list(&tenant.keys, "listEvents", &[("type", "NETWORK.CREATE")], "event").await;
    assert!(!found.is_empty(), "nothing of {}", id(&network));
    has(&found[0], &[("id", 't'), ("type", 't'), ("level", 't'), ("state", 't'), ("description", 't'), ("created", 't'), ("username", 't'), ("account", 't')]);
    lab.clear(&tenant).await;
}
