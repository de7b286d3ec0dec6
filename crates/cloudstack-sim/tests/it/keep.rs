//! Kept worlds: what was answered is there after the process is gone, and files that are not whole say so.

use std::{fs, path::Path, sync::Arc, time::Duration};

use cloudstack_api::catalog::{Catalog, Release};
use cloudstack_sim::{Cloud, Error, JobSpeed, Method, Recovery, Trouble, Tuning, WireRequest, WorldOptions, exported_options, kept_options};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    scene::{Still, cloud, fresh, id_of, ok, options},
    walk::{walk, walked},
};

fn slow() -> WorldOptions {
    WorldOptions { tuning: Tuning { speed: JobSpeed::Normal, ..Tuning::default() }, ..options() }
}

fn opened(options: WorldOptions, path: &Path) -> Result<(Cloud, Recovery), Error> {
    Cloud::keep(options, Arc::new(Catalog::embedded(options.release)), Arc::new(Still), path)
}

fn open(options: WorldOptions, path: &Path) -> (Cloud, Recovery) {
    opened(options, path).unwrap()
}

/// The world as JSON, without the time, which reading does not move on.
fn shown(cloud: &Cloud) -> Value {
    let mut export: Value = serde_json::from_str(&cloud.export().unwrap()).unwrap();
    export["world"].as_object_mut().unwrap().remove("now");
    export
}

/// Tells where two worlds differ first.
fn check_same(left: &Value, right: &Value) {
    fn differing(path: &str, left: &Value, right: &Value) -> Option<String> {
        match (left, right) {
            (Value::Object(left), Value::Object(right)) if left.keys().eq(right.keys()) => {
                left.iter().find_map(|(name, value)| differing(&format!("{path}/{name}"), value, &right[name]))
            }
            (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
                left.iter().zip(right).enumerate().find_map(|(at, (left, right))| differing(&format!("{path}/{at}"), left, right))
            }
            _ => (left != right).then(|| format!("{path}: {left:.200} and {right:.200}")),
        }
    }
    assert_eq!(differing("", left, right), None);
}

fn machine(cloud: &Cloud, name: &str) -> Value {
    ok(cloud, "admin", "listVirtualMachines", &[("name", name), ("listall", "true")])["virtualmachine"][0].clone()
}

fn deploy(cloud: &Cloud, name: &str) -> Value {
    let zone = id_of(cloud, "dev", "listZones", &[]);
    let template = id_of(cloud, "dev", "listTemplates", &[("templatefilter", "executable")]);
    let offering = id_of(cloud, "dev", "listServiceOfferings", &[]);
    ok(cloud, "dev", "deployVirtualMachine", &[("zoneid", &zone), ("templateid", &template), ("serviceofferingid", &offering), ("name", name)])
}

#[test]
fn every_command_leaves_the_world_that_its_journal_makes_again() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state");
    let (cloud, recovery) = open(walked(Release::NEWEST), &path);
    assert_eq!(recovery, Recovery { program: recovery.program.clone(), ..Recovery::default() });
    walk(cloud.clone(), Release::NEWEST);
    let before = shown(&cloud);
    // What was not kept by now is gone, as after `kill -9`.
    drop(cloud);
    let (cloud, recovery) = open(walked(Release::NEWEST), &path);
    assert!(recovery.replayed > 500 && recovery.differing == 0, "{recovery:?}");
    check_same(&before, &shown(&cloud));
    drop(cloud);
    let (cloud, recovery) = open(walked(Release::NEWEST), &path);
    assert!(recovery.replayed < 3, "a snapshot stands for the deeds: {recovery:?}");
    check_same(&before, &shown(&cloud));
    let export = cloud.export().unwrap();
    let other = crate::scene::cloud(walked(Release::NEWEST));
    other.replace(&export).unwrap();
    assert!(other.export().unwrap() == export, "export, import, export");
}

#[test]
fn jobs_time_troubles_and_sessions_go_on_where_they_were() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state");
    let (cloud, _) = open(slow(), &path);
    let job = deploy(&cloud, "late");
    let login = |cloud: &Cloud| {
        let body = "command=login&response=json&username=dev&password=dev-password&domain=acme".to_owned();
        cloud.answer(&WireRequest { method: Method::Post, body, ..WireRequest::default() })
    };
    assert_eq!(login(&cloud).status, 200);
    let stuck = cloud.trouble(Trouble::JobStuck { command: Some("stopVirtualMachine".to_owned()), times: 1 }).unwrap();
    let stop = ok(&cloud, "dev", "stopVirtualMachine", &[("id", &id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]))]);
    cloud.skip(Duration::from_millis(100)).unwrap();
    assert_eq!(machine(&cloud, "late")["state"], "Starting");
    drop(cloud);
    let (cloud, recovery) = open(slow(), &path);
    assert_eq!((recovery.differing, recovery.was_torn), (0, false));
    let poll = |cloud: &Cloud, job: &Value| ok(cloud, "dev", "queryAsyncJobResult", &[("jobid", job["jobid"].as_str().unwrap())])["jobstatus"].clone();
    assert_eq!((machine(&cloud, "late")["state"].clone(), poll(&cloud, &job)), (json!("Starting"), json!(0)));
    cloud.skip(Duration::from_secs(10)).unwrap();
    assert_eq!((machine(&cloud, "late")["state"].clone(), poll(&cloud, &job), poll(&cloud, &stop)), (json!("Running"), json!(1), json!(0)));
    assert_eq!(cloud.troubles()[0].number, stuck);
    cloud.lift(stuck).unwrap();
    cloud.skip(Duration::from_secs(10)).unwrap();
    assert_eq!(poll(&cloud, &stop), 1);
}

#[test]
fn it_does_not_matter_when_somebody_looked() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state");
    let (cloud, _) = open(slow(), &path);
    let vm = id_of(&cloud, "dev", "listVirtualMachines", &[("name", "web-1")]);
    let schedule = [("virtualmachineid", vm.as_str()), ("action", "REBOOT"), ("schedule", "* * * * *"), ("timezone", "UTC"), ("enabled", "true")];
    ok(&cloud, "dev", "createVMSchedule", &schedule);
    deploy(&cloud, "looked-at");
    for _ in 0..30 {
        cloud.advance(Duration::from_secs(7));
        ok(&cloud, "dev", "listEvents", &[]);
    }
    ok(&cloud, "dev", "createSSHKeyPair", &[("name", "last")]);
    let before = shown(&cloud);
    drop(cloud);
    let (cloud, recovery) = open(slow(), &path);
    assert_eq!(recovery.differing, 0);
    check_same(&before, &shown(&cloud));
}

#[test]
fn throttled_calls_are_not_done_when_the_journal_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state");
    let (cloud, _) = open(options(), &path);
    cloud.trouble(Trouble::Throttle { max: 2, interval_milliseconds: 1_000 }).unwrap();
    ok(&cloud, "dev", "listZones", &[]);
    ok(&cloud, "dev", "createSSHKeyPair", &[("name", "kept")]);
    assert_eq!(crate::scene::refused(&cloud, "dev", "createSSHKeyPair", &[("name", "refused")]).0, 429);
    drop(cloud);
    let (cloud, recovery) = open(options(), &path);
    assert_eq!(recovery.differing, 0);
    let names = ok(&cloud, "dev", "listSSHKeyPairs", &[]);
    assert_eq!((names["count"].clone(), names["sshkeypair"][0]["name"].clone()), (json!(1), json!("kept")));
}

#[test]
fn a_line_that_was_being_written_is_dropped_and_damage_before_it_is_told() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state");
    let (cloud, _) = open(options(), &path);
    for name in ["one", "two", "three"] {
        ok(&cloud, "dev", "createSSHKeyPair", &[("name", name)]);
    }
    drop(cloud);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 40]).unwrap();
    let (cloud, recovery) = open(options(), &path);
    assert!(recovery.was_torn);
    assert_eq!(ok(&cloud, "dev", "listSSHKeyPairs", &[])["count"], 2);
    ok(&cloud, "dev", "createSSHKeyPair", &[("name", "three")]);
    drop(cloud);
    let (cloud, recovery) = open(options(), &path);
    assert_eq!((recovery.was_torn, ok(&cloud, "dev", "listSSHKeyPairs", &[])["count"].clone()), (false, json!(3)));
    drop(cloud);
    let mut damaged = whole.clone();
    let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 60;
    damaged[second] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let said = opened(options(), &path).unwrap_err().to_string();
    assert!(said.ends_with("is damaged in line 2: put back a copy, or keep its first 1 lines and lose the rest"), "{said}");
}

#[test]
fn a_file_is_one_process_s_and_of_one_world() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state");
    assert_eq!(kept_options(&path).unwrap(), None);
    let (cloud, _) = open(options(), &path);
    assert_eq!(kept_options(&path).unwrap(), Some(options()));
    let said = |options: WorldOptions| opened(options, &path).unwrap_err().to_string();
    assert!(said(options()).ends_with("is in use by another process"));
    drop(cloud);
    assert!(said(WorldOptions { seed: 9, ..options() }).contains("keeps a world with other options (seed 1, 0 machines, instant)"));
    let older = WorldOptions { release: "4.20".parse().unwrap(), ..options() };
    assert!(said(older).contains("keeps a world of release 4.22, not 4.20"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "it holds keys");
    }
    fs::write(&path, "something else\n").unwrap();
    assert!(said(options()).ends_with("holds no world of an embedded cloud"));
}

#[test]
fn a_newer_format_is_told_apart_from_damage() {
    let export = fresh().export().unwrap();
    let newer = export.replacen("\"version\":1", "\"version\":2", 1);
    let said = exported_options(&newer).unwrap_err().to_string();
    assert!(said.contains("is in format 2 of version") && said.ends_with("use that version"), "{said}");
    assert!(fresh().replace("{}").unwrap_err().to_string().contains("holds no world"));
    let older = cloud(WorldOptions { release: "4.20".parse().unwrap(), ..options() });
    assert!(matches!(older.replace(&export), Err(Error::Conflict(_))));
}

#[test]
fn an_imported_world_is_kept_and_its_users_can_call() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state");
    let source = cloud(WorldOptions { seed: 7, ..slow() });
    let job = deploy(&source, "moved");
    let export = source.export().unwrap();
    let (target, _) = open(slow(), &path);
    target.replace(&export).unwrap();
    let check = |cloud: &Cloud| {
        assert_eq!(cloud.identities(), source.identities());
        assert_eq!(machine(cloud, "moved")["state"], "Running");
        assert_eq!(ok(cloud, "dev", "queryAsyncJobResult", &[("jobid", job["jobid"].as_str().unwrap())])["jobstatus"], 1);
    };
    check(&target);
    drop(target);
    let (again, recovery) = open(slow(), &path);
    assert_eq!(recovery.differing, 0);
    check(&again);
}
