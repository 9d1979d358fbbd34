use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use windlass_cluster::Watch;
use windlass_core::diagnosis::{Change, Report};
use windlass_core::object::ObjectView;

use crate::space::{Space, config_map, workload};

/// No report is waited for longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads reports until one fits.
async fn until(watch: &mut Watch, mut fits: impl FnMut(&Report) -> bool) {
    let found = async {
        while let Some(report) = watch.next().await {
            if fits(&report) {
                return;
            }
        }
        panic!("the watch ended");
    };
    tokio::time::timeout(PATIENCE, found).await.expect("the report comes");
}

fn is(report: &Report, wanted: Change, kind: &str, name: &str) -> bool {
    match report {
        Report::Object { change, object } => {
            let view = ObjectView::new(object);
            *change == wanted && view.kind() == kind && view.name() == name
        }
        Report::Event(_) => false,
    }
}

#[tokio::test]
async fn a_rollout_is_seen_from_the_set_to_its_pods_and_events() {
    let space = Space::new().await;
    let applied = space.apply(&[workload("StatefulSet", "db", "db:1"), config_map("c", "1")]).await;
    let release: Vec<_> = applied.iter().map(|object| object.reference.clone()).collect();
    let mut watch = space.cluster.watch(&release);
    let mut missing = BTreeMap::from([("StatefulSet", ()), ("Pod", ()), ("Event", ())]);
    until(&mut watch, |report| {
        let (Report::Object { object, .. } | Report::Event(object)) = report;
        assert!(object["metadata"].get("managedFields").is_none());
        missing.remove(ObjectView::new(object).kind());
        missing.is_empty()
    })
    .await;
    until(&mut watch, |report| {
        let Report::Object { object, .. } = report else { return false };
        let view = ObjectView::new(object);
        view.kind() == "StatefulSet" && view.integer("/status/readyReplicas") == Some(1)
    })
    .await;
    space.namespace.kubectl(&["delete", "statefulset", "db", "--wait=false"]).expect_success();
    until(&mut watch, |report| is(report, Change::Deleted, "StatefulSet", "db")).await;
    until(&mut watch, |report| is(report, Change::Deleted, "Pod", "db-0")).await;
}

#[tokio::test]
async fn what_was_there_before_the_watch_is_reported_first() {
    let space = Space::new().await;
    let applied = space.apply(&[workload("Deployment", "web", "web:1")]).await;
    space.namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]).expect_success();
    let mut watch = space.cluster.watch(&[applied[0].reference.clone()]);
    until(&mut watch, |report| is(report, Change::Added, "Deployment", "web")).await;
}

#[tokio::test]
async fn a_kind_that_comes_later_is_watched_once_it_is_there() {
    let space = Space::new().await;
    let group = format!("{}.example.com", space.name());
    let mut watch = space.cluster.watch(&[space.reference(&format!("{group}/v1"), "Cup", "c")]);
    space.namespace.apply(&format!(
        "{{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {{name: cups.{group}}}, spec: {{group: {group}, scope: Namespaced,
          names: {{kind: Cup, plural: cups}}, versions: [{{name: v1, served: true, storage: true,
          schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}]}}}}"
    ));
    space
        .namespace
        .kubectl(&["wait", "crd", &format!("cups.{group}"), "--for=condition=Established"])
        .expect_success();
    space.namespace.apply(&format!("{{apiVersion: {group}/v1, kind: Cup, metadata: {{name: c}}}}"));
    until(&mut watch, |report| is(report, Change::Added, "Cup", "c")).await;
    space.namespace.kubectl(&["delete", "crd", &format!("cups.{group}")]).expect_success();
}

#[tokio::test]
async fn nothing_to_wait_for_ends_the_watch() {
    let space = Space::new().await;
    let mut watch = space.cluster.watch(&[space.reference("v1", "ConfigMap", "c")]);
    assert_eq!(watch.next().await, None);
}
