//! What servers refuse, and with which codes.

use super::lab::{id, lab};

const NOBODY: &str = "0c9cd8d4-0000-4000-8000-000000000000";

#[tokio::test]
async fn what_does_not_exist_is_refused_as_a_parameter() {
    let lab = lab();
    let root = &lab.root;
    for (command, name) in [("stopVirtualMachine", "id"), ("attachIso", "id"), ("deleteNetwork", "id"), ("createSnapshot", "volumeid"), ("updateZone", "id")] {
        let more: &[(&str, &str)] = if command == "attachIso" { &[("virtualmachineid", NOBODY)] } else { &[] };
        let arguments: Vec<(&str, &str)> = [(name, NOBODY)].into_iter().chain(more.iter().copied()).collect();
        assert_eq!(lab.refused(root, command, &arguments).await, (431, Some(9999)), "{command}");
        assert_eq!(lab.refused(root, command, &[]).await, (431, Some(9999)), "{command} without arguments");
    }
    assert_eq!(lab.refused(root, "queryAsyncJobResult", &[("jobid", NOBODY)]).await.0, 431);
}

#[tokio::test]
async fn who_is_unknown_or_asks_for_what_does_not_exist_is_not_let_in() {
    let lab = lab();
    let unknown = lab.send(&lab.root, "makeCoffee", &[]).await;
    assert_eq!((unknown.status, unknown.envelope.as_str()), (401, "errorresponse"));
    let forged = lab.send(&lab.root.forged(), "listZones", &[]).await;
    assert_eq!((forged.status, forged.envelope.as_str()), (401, "listzonesresponse"));
    assert!(forged.body.get("cserrorcode").is_none(), "{}", forged.body);
}

#[tokio::test]
async fn limits_of_an_account_are_held() {
    let lab = lab();
    let tenant = lab.tenant("limit").await;
    let (root, zone) = (&lab.root, lab.zone().await);
    let owner = [("account", tenant.account.as_str()), ("domainid", tenant.domain.as_str())];
    let limited = [owner[0], owner[1], ("resourcetype", "6"), ("max", "1")];
    let limit = lab.object(root, "updateResourceLimit", &limited, "resourcelimit").await;
    assert_eq!((limit["resourcetype"].as_str(), limit["max"].as_i64()), (Some("6"), Some(1)));
    let network = lab.network(&tenant, &zone, "limit-net").await;
    let offering = network["networkofferingid"].as_str().unwrap().to_owned();
    let second = [("name", "one-too-many"), ("zoneid", zone.as_str()), ("networkofferingid", &offering)];
    assert_eq!(lab.refused(&tenant.keys, "createNetwork", &second).await.0, 535);
    let counted = lab.list(root, "updateResourceCount", &[owner[0], owner[1], ("resourcetype", "6")], "resourcecount").await;
    assert_eq!(counted[0]["resourcecount"].as_u64(), Some(1));
    assert_eq!(lab.done(&tenant.keys, "deleteNetwork", &[("id", &id(&network))]).await["success"], true);
    lab.clear(&tenant).await;
}

#[tokio::test]
async fn what_others_need_is_not_deleted() {
    let lab = lab();
    let tenant = lab.tenant("need").await;
    let zone = lab.zone().await;
    let network = lab.network(&tenant, &zone, "need-net").await;
    let machine = lab.machine(&tenant, &network, "need-vm").await;
    assert_eq!(lab.failed(&tenant.keys, "deleteNetwork", &[("id", &id(&network))]).await, 530);
    lab.failed_or_refused(&lab.root, "deleteZone", &[("id", &zone)]).await;
    let group = lab.done(&tenant.keys, "createAffinityGroup", &[("name", "apart"), ("type", "host anti-affinity")]).await["affinitygroup"].clone();
    lab.done(&tenant.keys, "stopVirtualMachine", &[("id", &id(&machine))]).await;
    let kept = lab.done(&tenant.keys, "updateVMAffinityGroup", &[("id", &id(&machine)), ("affinitygroupids", &id(&group))]).await;
    assert_eq!(kept["virtualmachine"]["affinitygroup"][0]["id"], group["id"]);
    lab.clear(&tenant).await;
}
