//! Registers simulated nodes and keeps them alive.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::node;

/// How often a node renews its lease; the control plane gives it up after 50 s without.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Makes the node and tells that it is ready; its kubelet answers on `port` of loopback.
///
/// # Errors
/// When the API server refuses.
pub async fn register(client: &Client, name: &str, port: u16) -> kube::Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let object = node::object(name, port);
    let node: Node = serde_json::from_value(object.clone()).map_err(kube::Error::SerdeError)?;
    if nodes.get_opt(name).await?.is_none() {
        nodes.create(&PostParams::default(), &node).await?;
    }
    let status = json!({ "status": object["status"] });
    nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await?;
    Ok(())
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
