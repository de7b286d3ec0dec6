//! Jobs: failures with their cause, and asking later.

use std::{sync::Mutex, time::Duration};

use cloudstack_engine::{Action, JobRequest, Outcome, Policy, Progress, ReportKind, Rule, RunRequest, Shape, Silent, Watch};
use serde_json::json;

use crate::lab::{caller, lab, lab_with, request};

fn ask(job: Option<&str>) -> JobRequest {
    JobRequest { job: job.map(str::to_owned), wait: Some(Duration::from_secs(5)), shape: Shape::default(), profile: Some("dev".to_owned()), caller: caller() }
}

#[tokio::test]
async fn a_failed_job_is_a_report_with_its_cause_and_its_job() {
    let lab = lab().await;
    let report = lab.run("dev", "startVirtualMachine", &json!({"id": "web-1"})).await.unwrap_err();
    assert_eq!(report.kind, ReportKind::Refused);
    assert!(report.facts["job"].is_string() && report.facts["code"].is_number(), "{}", report.to_value());
    assert_eq!(report.receipt.unwrap().job_id.as_deref(), report.facts["job"].as_str());
}

#[tokio::test]
async fn a_job_that_was_not_waited_for_can_be_asked_for_later() {
    let lab = lab().await;
    let run = RunRequest {
        wait: Some(Duration::ZERO),
        ..request("dev", "createVolume", &json!({"zoneid": "zone-1", "diskofferingid": "Custom", "name": "late", "size": 1}))
    };
    let Outcome::Done(answer) = lab.outcome(run).await.unwrap() else { panic!("no approval is needed") };
    let job = answer.value["job"]["id"].as_str().unwrap();
    let value = lab.engine.job(ask(Some(job)), &Silent).await.unwrap().value;
    assert_eq!((value["job"]["status"].as_str(), value["result"]["name"].as_str()), (Some("succeeded"), Some("late")), "{value}");
    let list = lab.engine.job(ask(None), &Silent).await.unwrap().value;
    assert!(list["items"].is_array() && list["receipt"]["account"] == "dev", "{list}");
    let unknown = lab.engine.job(ask(Some("1b2c3d4e-0000-4000-8000-123456789abc")), &Silent).await.unwrap_err();
    assert_eq!(unknown.kind, ReportKind::NotFound, "{}", unknown.to_value());
}

#[derive(Default)]
struct Heard(Mutex<Vec<Progress>>);

impl Watch for Heard {
    fn progress(&self, progress: &Progress) {
        self.0.lock().unwrap().push(progress.clone());
    }
}

#[tokio::test]
async fn progress_is_told_and_grows() {
    let allow: Rule = Rule {
        action: Action::Allow,
        name: String::new(),
        commands: Vec::new(),
        risks: Vec::new(),
        profiles: Vec::new(),
        principals: Vec::new(),
        arguments: std::collections::BTreeMap::new(),
        hours: None,
        affects_more_than: None,
    };
    let lab = lab_with(|config| config.policy = Policy { rules: vec![allow], shadow: false }).await;
    let heard = Heard::default();
    lab.engine.run(request("dev", "stopVirtualMachine", &json!({"id": "web-1"})), &heard).await.unwrap();
    let heard = heard.0.into_inner().unwrap();
    assert!(heard.len() >= 2 && heard.is_sorted_by(|a, b| a.done <= b.done), "{heard:?}");
}
