use std::time::Duration;

use futures::StreamExt as _;
use serde_json::json;
use windlass_cluster::{DataDeletion, Deleted, Deletion};
use windlass_core::diagnosis::Report;
use windlass_core::failure::ClusterFailure;

use crate::space::{Space, config_map, workload};

#[tokio::test]
async fn only_the_object_that_was_seen_is_deleted() {
    let space = Space::new().await;
    let applied = space.apply(&[config_map("c", "1")]).await;
    let reference = space.reference("v1", "ConfigMap", "c");
    let other = Deletion::of("00000000-0000-0000-0000-000000000000");
    assert_eq!(space.cluster.delete(&reference, &other).await.unwrap(), Deleted::AlreadyGone);
    assert!(space.get("v1", "ConfigMap", "c").await.is_some());
    let seen = Deletion::of(&applied[0].uid);
    assert_eq!(space.cluster.delete(&reference, &seen).await.unwrap(), Deleted::Gone);
    assert!(space.get("v1", "ConfigMap", "c").await.is_none());
    assert_eq!(space.cluster.delete(&reference, &seen).await.unwrap(), Deleted::AlreadyGone);
}

#[tokio::test]
async fn another_state_than_the_one_seen_is_not_deleted() {
    let space = Space::new().await;
    let first = space.apply(&[config_map("c", "1")]).await;
    space.apply(&[config_map("c", "2")]).await;
    let deletion =
        Deletion { resource_version: Some(first[0].resource_version.clone()), ..Deletion::of(&first[0].uid) };
    let error = space.cluster.delete(&space.reference("v1", "ConfigMap", "c"), &deletion).await.unwrap_err();
    assert_eq!(error.failure(), ClusterFailure::StaleWrite);
}

#[tokio::test]
async fn data_is_kept_unless_asked_for_by_name() {
    let space = Space::new().await;
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "none", "resources": {"requests": {"storage": "1Gi"}}}});
    let applied = space.apply(&[claim]).await;
    let reference = space.reference("v1", "PersistentVolumeClaim", "data");
    let error = space.cluster.delete(&reference, &Deletion::of(&applied[0].uid)).await.unwrap_err();
    assert_eq!(error.failure(), ClusterFailure::Refused);
    assert!(space.get("v1", "PersistentVolumeClaim", "data").await.is_some());
    let allowed = Deletion { data: DataDeletion::Allowed, ..Deletion::of(&applied[0].uid) };
    assert_ne!(space.cluster.delete(&reference, &allowed).await.unwrap(), Deleted::AlreadyGone);
}

#[tokio::test]
async fn a_pod_is_ended_and_its_set_makes_it_again() {
    let space = Space::new().await;
    space.apply(&[workload("StatefulSet", "db", "db:1")]).await;
    space.namespace.kubectl(&["rollout", "status", "statefulset/db", "--timeout=60s"]).expect_success();
    let pod = space.get("v1", "Pod", "db-0").await.unwrap();
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let mut watch = space.cluster.watch(&[space.reference("v1", "Pod", "db-0")]);
    let deleted = space.cluster.delete_pod_now(space.name(), "db-0", uid).await.unwrap();
    assert_ne!(deleted, Deleted::AlreadyGone);
    let next = async {
        loop {
            match watch.next().await.expect("pods are watched") {
                Report::Object { object, .. } if object["metadata"]["uid"] != uid => return object,
                _ => {}
            }
        }
    };
    let next = tokio::time::timeout(Duration::from_secs(60), next).await.expect("the set makes another pod");
    assert_eq!(next["metadata"]["name"], "db-0");
    assert_eq!(space.cluster.delete_pod_now(space.name(), "db-0", uid).await.unwrap(), Deleted::AlreadyGone);
}
