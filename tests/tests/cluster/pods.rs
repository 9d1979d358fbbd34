//! Pods that cannot live are found before the first write.

use serde_json::{Value, json};
use windlass_core::diagnosis::Cause;

use crate::space::{Space, workload};

/// The causes for which pods of a release are refused.
async fn refused(space: &Space, objects: &[Value]) -> Vec<Cause> {
    let planned = space.plan(objects).await;
    match space.cluster.dry_run_pods(&planned).await {
        Ok(_) => Vec::new(),
        Err(refused) => refused.errors().iter().filter_map(windlass_cluster::ClusterError::cause).collect(),
    }
}

async fn skipped(space: &Space, objects: &[Value]) -> Vec<String> {
    let planned = space.plan(objects).await;
    let tried = space.cluster.dry_run_pods(&planned).await.unwrap();
    tried.skipped.into_iter().map(|(_, why)| why).collect()
}

#[tokio::test]
async fn pods_that_can_live_are_accepted() {
    let space = Space::new().await;
    let mut set = workload("StatefulSet", "db", "db:1");
    set["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "data", "mountPath": "/data"}]);
    set["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]);
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "a", "image": "a:1"}]}}}});
    let cron_job = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"}, "spec": {
        "schedule": "0 0 * * *", "jobTemplate": {"spec": job["spec"]}}});
    let planned = space.plan(&[set, workload("Deployment", "web", "web:1"), job, cron_job]).await;
    let tried = space.cluster.dry_run_pods(&planned).await.unwrap();
    let accepted: Vec<String> = tried.accepted.iter().map(ToString::to_string).collect();
    assert_eq!(accepted, ["CronJob/c", "Deployment/web", "Job/j", "StatefulSet/db"]);
    assert_eq!(tried.skipped, []);
}

#[tokio::test]
async fn a_used_up_quota_is_found() {
    let space = Space::new().await;
    space.namespace.limit_pods("q", 0);
    space
        .namespace
        .kubectl(&["wait", "quota/q", "--for=jsonpath={.status.hard.pods}=0", "--timeout=30s"])
        .expect_success();
    assert_eq!(refused(&space, &[workload("Deployment", "web", "web:1")]).await, [Cause::QuotaExceeded]);
}

#[tokio::test]
async fn a_full_quota_does_not_stop_an_update_in_place() {
    let space = Space::new().await;
    space.apply(&[workload("StatefulSet", "db", "db:1"), workload("Deployment", "web", "web:1")]).await;
    space.namespace.kubectl(&["rollout", "status", "statefulset/db", "--timeout=60s"]).expect_success();
    space.namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]).expect_success();
    space.namespace.limit_pods("q", 2);
    space
        .namespace
        .kubectl(&["wait", "quota/q", "--for=jsonpath={.status.used.pods}=2", "--timeout=30s"])
        .expect_success();
    let why = skipped(&space, &[workload("StatefulSet", "db", "db:2")]).await;
    assert_eq!(why, ["a quota is used up, and the rollout needs no more of it than the old pods give back"]);
    assert_eq!(refused(&space, &[workload("Deployment", "web", "web:2")]).await, [Cause::QuotaExceeded]);
}

#[tokio::test]
async fn the_pod_security_level_is_found() {
    let space = Space::new().await;
    let level = "pod-security.kubernetes.io/enforce=restricted";
    space.namespace.kubectl(&["label", "namespace", space.name(), level]).expect_success();
    assert_eq!(refused(&space, &[workload("StatefulSet", "db", "db:1")]).await, [Cause::PodSecurityRefused]);
}

#[tokio::test]
async fn a_limit_range_is_found() {
    let space = Space::new().await;
    space.namespace.apply(
        "{apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [{type: Container, max: {cpu: 100m}}]}}",
    );
    let mut web = workload("Deployment", "web", "web:1");
    web["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "1"}});
    assert_eq!(refused(&space, &[web]).await, [Cause::LimitRangeRefused]);
}

#[tokio::test]
async fn a_webhook_that_is_down_is_found() {
    let space = Space::new().await;
    let hook = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": space.name()}, "webhooks": [{"name": "w.example.com", "admissionReviewVersions": ["v1"],
            "sideEffects": "None", "clientConfig": {"url": "https://127.0.0.1:1/x"},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space.name()}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]}]});
    space.namespace.apply(&hook.to_string());
    let found = refused_soon(&space).await;
    space.namespace.kubectl(&["delete", "validatingwebhookconfiguration", space.name()]).expect_success();
    assert_eq!(found, [Cause::WebhookDown]);
}

/// The API server learns of a webhook a moment after it is stored.
async fn refused_soon(space: &Space) -> Vec<Cause> {
    for _ in 0..200 {
        let found = refused(space, &[workload("Deployment", "web", "web:1")]).await;
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

#[tokio::test]
async fn a_missing_service_account_is_found_unless_it_comes_with_the_release() {
    let space = Space::new().await;
    let mut web = workload("Deployment", "web", "web:1");
    web["spec"]["template"]["spec"]["serviceAccountName"] = "robot".into();
    assert_eq!(refused(&space, &[web.clone()]).await, [Cause::AdmissionRefused]);
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}});
    assert_eq!(refused(&space, &[web, account]).await, []);
}
