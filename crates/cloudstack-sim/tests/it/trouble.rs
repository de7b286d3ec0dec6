//! Trouble on demand: what each does, and that it is over once it is lifted.

use std::time::Duration;

use cloudstack_sim::{Cloud, Error, Failure, Gate, JobSpeed, Trouble, Tuning, WorldOptions, serve_with};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    front::exchange,
    scene::{cloud, id_of, ok, options, refused},
};

fn slow() -> Cloud {
    cloud(WorldOptions { tuning: Tuning { speed: JobSpeed::Normal, ..Tuning::default() }, ..options() })
}

fn make(cloud: &Cloud, line: &str) -> u64 {
    cloud.trouble(line.parse().unwrap()).unwrap()
}

fn machine(cloud: &Cloud, name: &str) -> Value {
    ok(cloud, "admin", "listVirtualMachines", &[("name", name), ("listall", "true")])["virtualmachine"][0].clone()
}

/// Starts a job, lets time pass, and answers with its poll.
fn job(cloud: &Cloud, who: &str, command: &str, arguments: &[(&str, &str)]) -> Value {
    let started = ok(cloud, who, command, arguments);
    cloud.advance(Duration::from_secs(5));
    ok(cloud, who, "queryAsyncJobResult", &[("jobid", started["jobid"].as_str().unwrap())])
}

#[test]
fn machines_of_a_dead_host_start_elsewhere_or_stop() {
    let cloud = slow();
    let (kept, lost) = (machine(&cloud, "web-1"), machine(&cloud, "web-2"));
    let host = kept["hostname"].as_str().unwrap();
    for vm in [&kept, &lost] {
        ok(&cloud, "admin", "migrateVirtualMachine", &[("virtualmachineid", vm["id"].as_str().unwrap()), ("hostid", kept["hostid"].as_str().unwrap())]);
    }
    ok(&cloud, "dev", "updateVirtualMachine", &[("id", kept["id"].as_str().unwrap()), ("haenable", "true")]);
    cloud.advance(Duration::from_secs(5));
    let number = make(&cloud, &format!("host-down={host}"));
    let state = || ok(&cloud, "admin", "listHosts", &[("name", host)])["host"][0]["state"].clone();
    assert_eq!(state(), "Alert");
    assert!(matches!(cloud.trouble(Trouble::HostDown { host: host.to_owned() }), Err(Error::Conflict(_))));
    cloud.advance(Duration::from_secs(5));
    assert_eq!(state(), "Down");
    let moved = machine(&cloud, "web-1");
    assert_eq!(moved["state"], "Running");
    assert_ne!(moved["hostname"], host);
    assert_eq!(machine(&cloud, "web-2")["state"], "Stopped");
    let alerts = ok(&cloud, "admin", "listAlerts", &[("name", "ALERT.COMPUTE.HOST")]);
    assert!(alerts["count"].as_u64() >= Some(2), "{alerts}");
    let events = ok(&cloud, "dev", "listEvents", &[("type", "VM.STOP"), ("resourceid", lost["id"].as_str().unwrap()), ("resourcetype", "VirtualMachine")]);
    assert_eq!(events["event"][0]["level"], "WARN", "{events}");
    cloud.lift(number).unwrap();
    assert_eq!(state(), "Up");
    assert!(cloud.troubles().is_empty());
}

#[test]
fn nothing_is_placed_on_storage_that_is_full() {
    let cloud = slow();
    let offering = id_of(&cloud, "dev", "listDiskOfferings", &[]);
    let zone = id_of(&cloud, "dev", "listZones", &[]);
    let vm = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    let number = make(&cloud, "storage-full");
    let arguments = [
        ("zoneid", zone.as_str()),
        ("templateid", &id_of(&cloud, "dev", "listTemplates", &[("templatefilter", "executable")])),
        ("serviceofferingid", &id_of(&cloud, "dev", "listServiceOfferings", &[])),
        ("name", "late"),
    ];
    let failed = job(&cloud, "dev", "deployVirtualMachine", &arguments);
    assert_eq!((&failed["jobstatus"], &failed["jobresultcode"]), (&json!(2), &json!(530)), "{failed}");
    assert!(failed["jobresult"]["errortext"].as_str().unwrap().ends_with("due to insufficient capacity."));
    assert_eq!(machine(&cloud, "late")["state"], "Error");
    let volume = job(&cloud, "dev", "createVolume", &[("name", "data"), ("diskofferingid", &offering), ("zoneid", &zone)]);
    let id = volume["jobresult"]["volume"]["id"].as_str().unwrap();
    let attach = [("id", id), ("virtualmachineid", vm.as_str())];
    assert_eq!(job(&cloud, "dev", "attachVolume", &attach)["jobstatus"], 2);
    cloud.lift(number).unwrap();
    assert_eq!(job(&cloud, "dev", "attachVolume", &attach)["jobstatus"], 1);
}

#[test]
fn rules_fail_while_their_router_is_stuck() {
    let cloud = slow();
    let network = id_of(&cloud, "dev", "listNetworks", &[]);
    let router = ok(&cloud, "admin", "listRouters", &[("networkid", &network), ("listall", "true")])["router"][0].clone();
    let number = make(&cloud, &format!("router-stuck={}", router["name"].as_str().unwrap()));
    let rule = [("networkid", network.as_str()), ("protocol", "tcp"), ("startport", "80"), ("endport", "80")];
    assert_eq!(job(&cloud, "dev", "createEgressFirewallRule", &rule)["jobstatus"], 2);
    let shown = ok(&cloud, "admin", "listRouters", &[("id", router["id"].as_str().unwrap())]);
    assert_eq!(shown["router"][0]["healthchecksfailed"], true);
    assert_eq!(job(&cloud, "admin", "rebootRouter", &[("id", router["id"].as_str().unwrap())])["jobstatus"], 2);
    cloud.lift(number).unwrap();
    let other = [("networkid", network.as_str()), ("protocol", "tcp"), ("startport", "81"), ("endport", "81")];
    assert_eq!(job(&cloud, "dev", "createEgressFirewallRule", &other)["jobstatus"], 1);
}

#[test]
fn a_stuck_job_holds_those_behind_it_until_it_is_freed() {
    let cloud = slow();
    let vm = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    let number = make(&cloud, "job-stuck=stopVirtualMachine");
    let stop = job(&cloud, "dev", "stopVirtualMachine", &[("id", &vm)]);
    let start = job(&cloud, "dev", "startVirtualMachine", &[("id", &vm)]);
    assert_eq!((&stop["jobstatus"], &start["jobstatus"]), (&json!(0), &json!(0)));
    cloud.advance(Duration::from_secs(3_600));
    assert_eq!(ok(&cloud, "dev", "listAsyncJobs", &[])["count"], 2);
    cloud.lift(number).unwrap();
    cloud.advance(Duration::from_secs(5));
    let poll = |job: &Value| ok(&cloud, "dev", "queryAsyncJobResult", &[("jobid", job["jobid"].as_str().unwrap())])["jobstatus"].clone();
    assert_eq!((poll(&stop), poll(&start)), (json!(1), json!(1)));
    assert_eq!(machine(&cloud, "web-1")["state"], "Running");
}

#[test]
fn a_failure_has_the_code_text_and_state_that_were_asked_for_and_then_is_over() {
    let cloud = slow();
    let vm = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    make(&cloud, "job-fails=stopVirtualMachine");
    let failed = job(&cloud, "dev", "stopVirtualMachine", &[("id", &vm)]);
    assert!(failed["jobresult"]["errortext"].as_str().unwrap().starts_with("Unable to stop VM instance {"), "{failed}");
    assert_eq!(machine(&cloud, "web-1")["state"], "Running");
    let failure = Failure { code: 431, text: Some("no".to_owned()), state: Some("Stopping".to_owned()), ..Failure::default() };
    cloud.trouble(Trouble::JobFails(failure)).unwrap();
    let failed = job(&cloud, "dev", "stopVirtualMachine", &[("id", &vm)]);
    assert_eq!(failed["jobresult"], json!({"errorcode": 431, "errortext": "no"}));
    assert_eq!(machine(&cloud, "web-1")["state"], "Stopping");
    make(&cloud, "call-fails=listZones,code=533,times=2");
    assert_eq!((refused(&cloud, "dev", "listZones", &[]).0, refused(&cloud, "dev", "listZones", &[]).0), (533, 533));
    ok(&cloud, "dev", "listZones", &[]);
}

#[test]
fn a_throttled_account_is_refused_until_its_time_is_over() {
    let cloud = slow();
    assert_eq!(refused(&cloud, "dev", "getApiLimit", &[]).0, 432);
    let number = make(&cloud, "throttle=3,interval_milliseconds=1000");
    for _ in 0..2 {
        ok(&cloud, "dev", "listZones", &[]);
    }
    let limit = ok(&cloud, "dev", "getApiLimit", &[]);
    assert_eq!((&limit["apilimit"]["apiIssued"], &limit["apilimit"]["apiAllowed"]), (&json!(3), &json!(0)));
    let (code, text) = refused(&cloud, "dev", "listZones", &[]);
    assert_eq!((code, text.as_str()), (429, "The given user has reached his/her account api limit, please retry after [1000] ms."));
    ok(&cloud, "qa", "listZones", &[]);
    ok(&cloud, "admin", "resetApiLimit", &[]);
    ok(&cloud, "dev", "listZones", &[]);
    cloud.advance(Duration::from_secs(1));
    ok(&cloud, "dev", "listZones", &[]);
    cloud.lift(number).unwrap();
    for _ in 0..9 {
        ok(&cloud, "dev", "listZones", &[]);
    }
}

#[test]
fn what_cannot_go_wrong_is_refused() {
    let cloud = slow();
    let told = |line: &str| cloud.trouble(line.parse().unwrap()).unwrap_err().to_string();
    assert_eq!(told("host-down=nowhere"), "there is no host `nowhere`");
    assert_eq!(told("job-stuck=stopMachine"), "there is no command `stopMachine`");
    assert_eq!(told("job-fails,code=401"), "jobs fail with 431 or 530, not with `401`");
    assert_eq!(told("slow=999999999"), "answers can be held back for 300 s at most");
    assert!(cloud.lift(7).is_err());
}

fn asked(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn the_administrative_endpoint_makes_and_lifts_trouble_for_programs_on_this_machine() {
    let cloud = slow();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve_with(cloud.clone(), listener, Gate::Loopback, stop.clone()));
    let local = "Host: localhost:8080\r\n";
    let (status, _, body) = exchange(&address, asked("POST", "/sandbox/trouble", local, r#"{"kind":"host-down","host":"host-1"}"#)).await;
    assert_eq!((status, body.as_str()), (201, r#"{"number":1}"#));
    let (_, _, body) = exchange(&address, asked("GET", "/sandbox/trouble", local, "")).await;
    assert_eq!(body, r#"{"trouble":[{"number":1,"kind":"host-down","host":"host-1"}]}"#);
    for (method, path, headers, body, expected) in [
        ("POST", "/sandbox/trouble", "Host: evil.example\r\n", "{}", 403),
        ("POST", "/sandbox/trouble", "Host: localhost\r\nOrigin: http://localhost\r\n", "{}", 403),
        ("POST", "/sandbox/trouble", local, r#"{"kind":"fire"}"#, 400),
        ("POST", "/sandbox/trouble", local, r#"{"kind":"host-down","host":"host-1"}"#, 409),
        ("POST", "/sandbox/trouble", local, r#"{"kind":"host-down","host":"host-9"}"#, 404),
        ("PATCH", "/sandbox/trouble", local, "", 405),
        ("GET", "/sandbox/elsewhere", local, "", 404),
        ("DELETE", "/sandbox/trouble/9", local, "", 404),
        ("DELETE", "/sandbox/trouble", local, "", 204),
    ] {
        assert_eq!(exchange(&address, asked(method, path, headers, body)).await.0, expected, "{method} {path} {headers}{body}");
    }
    assert!(cloud.troubles().is_empty());
    stop.cancel();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_administrative_endpoint_moves_time_and_carries_worlds() {
    let cloud = slow();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve_with(cloud.clone(), listener, Gate::Loopback, stop.clone()));
    let local = "Host: 127.0.0.1:8080\r\n";
    let (_, _, before) = exchange(&address, asked("GET", "/sandbox/world", local, "")).await;
    let vm = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    let stopping = ok(&cloud, "dev", "stopVirtualMachine", &[("id", &vm)]);
    let poll = || ok(&cloud, "dev", "queryAsyncJobResult", &[("jobid", stopping["jobid"].as_str().unwrap())])["jobstatus"].clone();
    assert_eq!(poll(), 0);
    assert_eq!(exchange(&address, asked("POST", "/sandbox/time", local, r#"{"seconds":60}"#)).await.0, 204);
    assert_eq!((poll(), machine(&cloud, "web-1")["state"].clone()), (json!(1), json!("Stopped")));
    assert_eq!(exchange(&address, asked("PUT", "/sandbox/world", local, &before)).await.0, 204);
    assert_eq!(machine(&cloud, "web-1")["state"], "Running");
    for (path, body, expected) in [("/sandbox/time", r#"{"seconds":-1}"#, 400), ("/sandbox/time", "{}", 400), ("/sandbox/world", "{}", 405)] {
        assert_eq!(exchange(&address, asked("POST", path, local, body)).await.0, expected, "{path} {body}");
    }
    stop.cancel();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_gate_with_a_token_asks_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve_with(slow(), listener, Gate::Token("open sesame".to_owned()), stop.clone()));
    for (headers, expected) in
        [("Host: cloud.example\r\n", 401), ("Host: x\r\nAuthorization: Bearer open\r\n", 401), ("Host: x\r\nAuthorization: Bearer open sesame\r\n", 200)]
    {
        assert_eq!(exchange(&address, asked("GET", "/sandbox/trouble", headers, "")).await.0, expected, "{headers}");
    }
    stop.cancel();
    server.await.unwrap().unwrap();
}
