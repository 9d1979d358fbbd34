//! Registers simulated nodes and keeps them alive.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

/// How often a node renews its lease; the control plane gives it up after 50 s without.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The names of so many nodes.
pub fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("node-{number}")).collect()
}

/// Makes the node and tells that it is ready; its kubelet answers on `port` of loopback.
///
/// # Errors
/// When the API server refuses.
pub async fn register(client: &Client, name: &str, port: u16) -> kube::Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let labels = json!({
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/region": "eu-central",
        "topology.kubernetes.io/zone": "fsn1",
        "testbed.simulated": "true",
    });
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "labels": labels } });
    let node: Node = serde_json::from_value(node).map_err(kube::Error::SerdeError)?;
    if nodes.get_opt(name).await?.is_none() {
        nodes.create(&PostParams::default(), &node).await?;
    }
    let status = json!({ "status": status(port) });
    nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await?;
    Ok(())
}

fn status(port: u16) -> Value {
    let now = Timestamp::now();
    let condition = |kind: &str, status: &str, reason: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": "",
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        })
    };
    let resources = json!({ "cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "160Gi" });
    json!({
        "allocatable": resources,
        "capacity": resources,
        "addresses": [
            { "type": "InternalIP", "address": "127.0.0.1" },
            { "type": "Hostname", "address": "127.0.0.1" },
        ],
        "conditions": [
            condition("Ready", "True", "KubeletReady"),
            condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID"),
        ],
        "daemonEndpoints": { "kubeletEndpoint": { "Port": port } },
        "nodeInfo": {
            "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "simulated://1", "kernelVersion": "simulated",
            "kubeProxyVersion": "", "kubeletVersion": "v1.34.4", "machineID": "", "operatingSystem": "linux",
            "osImage": "simulated", "systemUUID": "",
        },
    })
}

/// Renews the leases of the nodes for ever.
pub async fn keep_alive(client: Client, names: Vec<String>) {
    let leases: Api<Lease> = Api::namespaced(client, "kube-node-lease");
    let mut beat = tokio::time::interval(HEARTBEAT);
    loop {
        beat.tick().await;
        for name in &names {
            let lease = json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": name },
                "spec": { "holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": MicroTime(Timestamp::now()) },
            });
            let parameters = PatchParams::apply("simulated-nodes").force();
            if let Err(error) = leases.patch(name, &parameters, &Patch::Apply(lease)).await {
                tracing::warn!(name, %error, "renewing the lease");
            }
        }
    }
}
