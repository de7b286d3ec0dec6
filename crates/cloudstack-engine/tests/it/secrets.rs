//! No secret in any answer, report or audit.

use cloudstack_engine::{Outcome, Report};
use serde_json::{Value, json};

use crate::lab::{Lab, lab, lab_with, request};

/// Everything that came out, as one text.
async fn all_that_leaves(lab: &Lab, profile: &str, command: &str, arguments: &Value) -> String {
    let request = request(profile, command, arguments);
    match lab.outcome(request.clone()).await {
        Ok(Outcome::Done(answer)) => answer.value.to_string(),
        Ok(Outcome::NeedsApproval(plan)) => {
            let shown = plan.to_value().to_string();
            let outcome = lab.approved(&request, &plan).await;
            shown + &outcome.map_or_else(|report| report.to_value().to_string(), |value| value.to_string())
        }
        Err(report) => report.to_value().to_string(),
    }
}

#[tokio::test]
async fn no_key_of_anybody_leaves_by_any_command_that_shows_keys() {
    let lab = lab().await;
    let mut out = String::new();
    for (command, arguments) in [
        ("listUsers", json!({})),
        ("listAccounts", json!({})),
        ("getUserKeys", json!({"id": "dev"})),
        ("listZones", json!({})),
        ("getUser", json!({"userapikey": lab.identities[2].api_key})),
        ("updateUser", json!({"id": "dev", "userapikey": lab.identities[2].api_key, "usersecretkey": lab.identities[2].secret_key})),
        ("updateUser", json!({"id": "nobody-there", "usersecretkey": lab.identities[2].secret_key})),
        ("registerUserKeys", json!({"id": "qa"})),
    ] {
        out += &all_that_leaves(&lab, "admin", command, &arguments).await;
    }
    out += &lab.audit();
    for identity in &lab.identities {
        assert!(!out.contains(&identity.api_key), "the API key of {}", identity.name);
        assert!(!out.contains(&identity.secret_key), "the secret key of {}", identity.name);
    }
    assert!(out.contains("«secret:secretkey"));
}

#[tokio::test]
async fn a_password_that_was_given_is_in_no_report_and_no_audit() {
    let lab = lab().await;
    let arguments = json!({"username": "eve", "password": "correct-horse-9", "email": "e@x.org", "firstname": "E", "lastname": "V", "accounttype": 0, "nonsense": "correct-horse-9"});
    let report: Report = lab.run("admin", "createAccount", &arguments).await.unwrap_err();
    assert!(!report.to_value().to_string().contains("correct-horse-9"), "{}", report.to_value());
    let out = all_that_leaves(
        &lab,
        "admin",
        "createAccount",
        &json!({"username": "eve", "password": "correct-horse-9", "email": "e@x.org", "firstname": "E", "lastname": "V", "roleid": "User"}),
    )
    .await;
    assert!(!out.contains("correct-horse-9") && !lab.audit().contains("correct-horse-9"), "{out}");
    assert!(lab.audit().contains("«secret:password»"));
}

#[tokio::test]
async fn a_secret_that_was_made_goes_to_a_file_for_the_person() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = dir.path().join("secrets");
    let lab = lab_with(|config| config.secrets_dir = Some(secrets.clone())).await;
    let value = lab.run("dev", "createSSHKeyPair", &json!({"name": "laptop"})).await.unwrap();
    let told = &value["secrets"][0];
    assert_eq!(told["field"], "privatekey", "{value}");
    let file = std::path::PathBuf::from(told["file"].as_str().unwrap());
    let key = std::fs::read_to_string(&file).unwrap();
    assert!(key.len() > 20 && !value.to_string().contains(&key) && !lab.audit().contains(&key));
    assert_eq!(value["result"]["privatekey"], told["placeholder"]);
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions()) & 0o777, 0o600);
}

#[tokio::test]
async fn a_placeholder_cannot_be_turned_into_text_that_can_be_read() {
    let lab = lab().await;
    let value = lab.run("dev", "createSSHKeyPair", &json!({"name": "laptop"})).await.unwrap();
    let mark = value["result"]["privatekey"].clone();
    let report = lab.run("dev", "createAffinityGroup", &json!({"name": mark, "type": "host anti-affinity"})).await.unwrap_err();
    assert!(report.message.contains("secret"), "{report}");
}
