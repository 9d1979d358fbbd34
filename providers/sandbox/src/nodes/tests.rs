use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};

use crate::cluster::{Cluster, ClusterOptions};
use crate::controllers::Create;
use crate::kubelet::{Kubelet, LogRequest};
use crate::objects::kinds::{EVENT, PERSISTENT_VOLUME_CLAIM, POD, STATEFUL_SET};
use crate::objects::{ChangeKind, Kind, Objects};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn started() -> (Objects, Cluster) {
    let objects = Objects::new();
    let made = objects.clone();
    let create = Create::new(move |kind, mut object| {
        if kind == &POD {
            object["status"] = json!({ "phase": "Pending" });
        }
        made.create(kind, object).map_err(|error| error.to_string())
    });
    let cluster = Cluster::start(&objects, create, &ClusterOptions::default()).unwrap();
    (objects, cluster)
}

fn database(image: &str) -> Value {
    let template = json!({
        "metadata": { "labels": { "app": "db" } },
        "spec": { "containers": [{ "name": "main", "image": image }], "terminationGracePeriodSeconds": 1 },
    });
    let wish = json!({
        "accessModes": ["ReadWriteOnce"], "storageClassName": "hcloud-volumes",
        "resources": { "requests": { "storage": "1Gi" } },
    });
    let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "data" }, "spec": wish });
    json!({
        "metadata": { "name": "db", "namespace": "default" },
        "spec": {
            "replicas": 2, "serviceName": "db", "selector": { "matchLabels": { "app": "db" } }, "template": template,
            "volumeClaimTemplates": [claim],
        },
        "status": { "replicas": 0 },
    })
}

/// Waits until an object is as wished.
async fn until(objects: &Objects, kind: &'static Kind, name: &str, is_so: impl Fn(&Value) -> bool) {
    let watching = async {
        let listed = objects.list(kind, Some("default"));
        let mut watch = objects.watch(kind, Some("default"), listed.version).unwrap();
        let is_it = |object: &Value| object["metadata"]["name"] == name && is_so(object);
        if listed.items.iter().any(|object| is_it(object)) {
            return;
        }
        while let Some(change) = watch.next().await {
            let change = change.unwrap();
            if change.kind != ChangeKind::Deleted && is_it(&change.object) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, watching).await.unwrap_or_else(|_| panic!("{name} does not become so"));
}

#[tokio::test]
async fn a_database_with_its_volumes_becomes_ready() {
    let (objects, _cluster) = started();
    objects.create(&STATEFUL_SET, database("db:1")).unwrap();
    until(&objects, &STATEFUL_SET, "db", |set| set["status"]["readyReplicas"] == 2).await;
    let claims = objects.list(&PERSISTENT_VOLUME_CLAIM, Some("default")).items;
    assert!(claims.len() == 2 && claims.iter().all(|claim| claim["status"]["phase"] == "Bound"));
}

#[tokio::test]
async fn a_broken_image_fails_as_a_kubelet_tells_it_and_works_again_when_mended() {
    let (objects, cluster) = started();
    cluster.faults().break_image("db:2", "missing").unwrap();
    objects.create(&STATEFUL_SET, database("db:2")).unwrap();
    until(&objects, &POD, "db-0", |pod| {
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ErrImagePull"
    })
    .await;
    let events = objects.list(&EVENT, Some("default")).items;
    assert!(
        events.iter().any(|event| event["reason"] == "Failed" && event["source"]["component"] == "kubelet")
    );
    cluster.faults().mend_image("db:2");
    objects.delete(&POD, Some("default"), "db-0", &crate::objects::Deletion::default()).unwrap();
    until(&objects, &STATEFUL_SET, "db", |set| set["status"]["readyReplicas"] == 2).await;
}

#[tokio::test]
async fn a_fault_that_nobody_knows_is_refused() {
    let (_objects, cluster) = started();
    let refusal = cluster.faults().break_image("db:1", "crahs").unwrap_err();
    assert_eq!(refusal.to_string(), "no fault is called `crahs`");
}

#[tokio::test]
async fn what_a_container_wrote_can_be_read() {
    let (objects, cluster) = started();
    objects.create(&STATEFUL_SET, database("db:1")).unwrap();
    until(&objects, &STATEFUL_SET, "db", |set| set["status"]["readyReplicas"] == 1).await;
    let request = LogRequest {
        namespace: "default".to_owned(),
        pod: "db-0".to_owned(),
        container: "main".to_owned(),
        ..LogRequest::default()
    };
    let text: Vec<_> = cluster.nodes().log(&request).await.ok().unwrap().collect().await;
    assert_eq!(text.concat(), b"started\n");
    let nobody = LogRequest { pod: "db-9".to_owned(), ..request };
    assert_eq!(cluster.nodes().log(&nobody).await.err().unwrap().code, 404);
}
