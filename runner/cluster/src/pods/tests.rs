#![expect(clippy::needless_pass_by_value, reason = "literals of JSON read best where they are used")]

use super::*;

/// A plan that changes `live` into `would`.
fn planned(live: Option<Value>, would: Value) -> Planned {
    let reference = ObjectRef::of(&would).unwrap();
    let change = if live.is_some() { Change::Changed { fields: Vec::new() } } else { Change::Created };
    Planned {
        reference,
        object: would.clone(),
        live,
        would: Some(would),
        change,
        taken: Vec::new(),
        warnings: Vec::new(),
        unchecked: None,
        force: true,
    }
}

fn workload(kind: &str, spec: Value, cpu: &str) -> Value {
    let api_version = if kind == "Job" || kind == "CronJob" { "batch/v1" } else { "apps/v1" };
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "api", "namespace": "shop"}, "spec": spec});
    object["spec"]["template"] = json!({"metadata": {"labels": {"app": "api"}},
        "spec": {"containers": [{"name": "a", "resources": {"requests": {"cpu": cpu}}}]}});
    object
}

/// What a full quota means for an update of `kind`.
#[track_caller]
fn full_quota(kind: &str, old: (Value, &str), new: (Value, &str), stops: bool) {
    let planned = planned(Some(workload(kind, old.0, old.1)), workload(kind, new.0, new.1));
    let template = Template::of(&planned).unwrap();
    let request = Request::of("run a pod of", &planned.reference);
    let error = ClusterError::new(ClusterFailure::Refused, &request, "exceeded quota: q")
        .with_cause(Some(Cause::QuotaExceeded));
    let verdict = judge(error, None, &planned, &template, &Coming::of(&[]));
    assert_eq!(matches!(verdict, Tried::Refused(_)), stops);
}

#[test]
fn a_full_quota_does_not_stop_pods_that_are_replaced_in_place() {
    let plain = || json!({"replicas": 2});
    full_quota("StatefulSet", (plain(), "1"), (plain(), "1"), false);
    full_quota("StatefulSet", (plain(), "1"), (plain(), "500m"), false);
    full_quota("DaemonSet", (json!({}), "1"), (json!({}), "1"), false);
    let recreate = || json!({"replicas": 2, "strategy": {"type": "Recreate"}});
    full_quota("Deployment", (recreate(), "1"), (recreate(), "1"), false);
    let unavailable = || json!({"replicas": 4, "strategy": {"rollingUpdate": {"maxUnavailable": "25%"}}});
    full_quota("Deployment", (unavailable(), "1"), (unavailable(), "1"), false);
}

#[test]
fn a_full_quota_stops_what_needs_more_of_it() {
    let plain = || json!({"replicas": 2});
    full_quota("StatefulSet", (plain(), "1"), (plain(), "2"), true);
    full_quota("StatefulSet", (plain(), "1"), (json!({"replicas": 3}), "1"), true);
    full_quota("Deployment", (plain(), "1"), (plain(), "1"), true);
    let surge = || json!({"updateStrategy": {"rollingUpdate": {"maxSurge": 1}}});
    full_quota("DaemonSet", (surge(), "1"), (surge(), "1"), true);
}

#[test]
fn a_new_workload_needs_room() {
    let planned = planned(None, workload("StatefulSet", json!({}), "1"));
    assert!(!replaces_in_place(&planned, &Template::of(&planned).unwrap()));
}

#[test]
fn unchanged_workloads_and_other_kinds_have_no_pod_to_try() {
    let mut unchanged = planned(None, workload("StatefulSet", json!({}), "1"));
    unchanged.change = Change::Unchanged;
    assert!(Template::of(&unchanged).is_none());
    let service = planned(None, json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}}));
    assert!(Template::of(&service).is_none());
}

#[test]
fn claims_of_a_stateful_set_become_volumes() {
    let planned = planned(
        None,
        workload("StatefulSet", json!({"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}), "1"),
    );
    let pod = Template::of(&planned).unwrap().pod(&Coming::of(&[]), "shop");
    assert_eq!(
        pod["spec"]["volumes"],
        json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data-api-0"}}])
    );
    assert_eq!(pod["metadata"]["labels"]["app"], "api");
}

#[test]
fn what_comes_with_the_release_is_not_looked_up() {
    let account = planned(
        None,
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "api", "namespace": "shop"}}),
    );
    let mut object = workload("Deployment", json!({}), "1");
    object["spec"]["template"]["spec"]["serviceAccountName"] = "api".into();
    let workload = planned(None, object);
    let template = Template::of(&workload).unwrap();
    assert!(template.pod(&Coming::of(&[account]), "shop")["spec"].get("serviceAccountName").is_none());
    assert_eq!(template.pod(&Coming::of(&[]), "shop")["spec"]["serviceAccountName"], "api");
}

#[test]
fn rules_that_the_release_changes_do_not_judge_it() {
    let quota = planned(
        Some(json!({})),
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "shop"}}),
    );
    let workload = planned(None, workload("Deployment", json!({}), "1"));
    let template = Template::of(&workload).unwrap();
    let error = || {
        ClusterError::new(ClusterFailure::Refused, &Request::of("x", &workload.reference), "exceeded quota")
            .with_cause(Some(Cause::QuotaExceeded))
    };
    assert!(matches!(judge(error(), None, &workload, &template, &Coming::of(&[quota])), Tried::Skipped(_)));
    assert!(matches!(judge(error(), None, &workload, &template, &Coming::of(&[])), Tried::Refused(_)));
}
