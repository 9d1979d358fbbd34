//! How a node leaves a cluster.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::machines::{Leaving, MachineError};
use crate::plan::blueprint::Role;
use crate::ready::kubernetes::Kubernetes;

/// Asks k3s to take a member out of etcd, and says that it did (k3s, `pkg/etcd/member_controller.go`).
const REMOVE: &str = "etcd.k3s.cattle.io/remove";
const REMOVED: &str = "etcd.k3s.cattle.io/removed-node-name";
/// How long pods may take to go: a `PodDisruptionBudget` holds them back while others are not ready.
const DRAIN: Duration = Duration::from_mins(10);
const MEMBER: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_secs(2);

/// Takes a node out: it is emptied if it lives, a master leaves etcd, and the node is deleted.
pub(crate) async fn leave(
    kubernetes: &Kubernetes,
    node: &str,
    role: Role,
    leaving: Leaving,
) -> Result<(), MachineError> {
    let path = format!("/api/v1/nodes/{node}");
    if kubernetes.get(&path).await?.is_none() {
        return Ok(());
    }
    if leaving == Leaving::InOrder {
        kubernetes.merge(&path, &json!({"spec": {"unschedulable": true}})).await?;
        drain(kubernetes, node).await?;
    }
    if role == Role::Master {
        kubernetes.merge(&path, &json!({"metadata": {"annotations": {REMOVE: "true"}}})).await?;
        left_etcd(kubernetes, &path, node).await?;
    }
    kubernetes.delete(&path).await
}

/// Evicts all pods but those that belong to the node itself, and waits until they are gone.
async fn drain(kubernetes: &Kubernetes, node: &str) -> Result<(), MachineError> {
    let deadline = Instant::now() + DRAIN;
    loop {
        let pods = kubernetes.list(&format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}")).await?;
        let going: Vec<&Value> = pods.iter().filter(|pod| must_go(pod)).collect();
        if going.is_empty() {
            return Ok(());
        }
        for pod in going.iter().filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none()) {
            let (namespace, name) = (word(pod, "/metadata/namespace"), word(pod, "/metadata/name"));
            let eviction = json!({
                "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"namespace": namespace, "name": name},
            });
            kubernetes
                .evict(&format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction"), &eviction)
                .await?;
        }
        if Instant::now() > deadline {
            let first = going.first().map_or("", |pod| word(pod, "/metadata/name"));
            let what = format!("{} pods do not leave node `{node}`, `{first}` among them", going.len());
            return Err(MachineError::lasting(what));
        }
        sleep(PAUSE).await;
    }
}

/// Pods of a `DaemonSet` come back at once, static ones are the kubelet's, and finished ones hold nothing up (as `kubectl drain` judges them).
fn must_go(pod: &Value) -> bool {
    let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let stays =
        owners.into_iter().flatten().any(|owner| owner["kind"] == "DaemonSet" || owner["kind"] == "Node");
    let is_static =
        pod.pointer("/metadata/annotations").is_some_and(|all| !all["kubernetes.io/config.mirror"].is_null());
    let is_over = matches!(word(pod, "/status/phase"), "Succeeded" | "Failed");
    !stays && !is_static && !is_over
}

async fn left_etcd(kubernetes: &Kubernetes, path: &str, node: &str) -> Result<(), MachineError> {
    let deadline = Instant::now() + MEMBER;
    loop {
        let Some(found) = kubernetes.get(path).await? else { return Ok(()) };
        if found.pointer("/metadata/annotations").is_some_and(|all| all[REMOVED].is_string()) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(MachineError::passing(format!("node `{node}` is still a member of etcd")));
        }
        sleep(PAUSE).await;
    }
}

fn word<'pod>(pod: &'pod Value, path: &str) -> &'pod str {
    pod.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_that_belong_to_the_node_stay() {
        let of = |kind: &str| json!({"metadata": {"ownerReferences": [{"kind": kind}]}, "status": {"phase": "Running"}});
        assert!(must_go(&of("ReplicaSet")) && !must_go(&of("DaemonSet")) && !must_go(&of("Node")));
        let mirror = json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}});
        let over = json!({"status": {"phase": "Succeeded"}});
        assert!(!must_go(&mirror) && !must_go(&over) && must_go(&json!({"metadata": {"annotations": {}}})));
    }
}
