//! Provisions persistent volumes for claims, as folders of a bed.
//!
//! On a real node a container may write to such a folder.

use std::path::PathBuf;

use futures::{StreamExt, pin_mut};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Node, PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event as Change};
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::storage::{self, PROVISIONED_BY, Place, SELECTED_NODE};

const MANAGER: &str = "testbed-volumes";

/// Makes the storage classes.
///
/// # Errors
/// When the API server refuses.
pub async fn declare_classes(client: &Client) -> kube::Result<()> {
    let classes: Api<StorageClass> = Api::all(client.clone());
    for class in storage::classes() {
        let name = class["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        classes.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(class)).await?;
    }
    Ok(())
}

/// Makes volumes for claims and removes those that are released, for ever.
pub async fn provision(client: Client, folder: PathBuf) {
    tokio::join!(serve_claims(client.clone(), folder.clone()), remove_released(client, folder));
}

async fn serve_claims(client: Client, folder: PathBuf) {
    let claims =
        watcher::watcher(Api::<PersistentVolumeClaim>::all(client.clone()), watcher::Config::default())
            .default_backoff();
    pin_mut!(claims);
    while let Some(event) = claims.next().await {
        let Ok(Change::Apply(claim) | Change::InitApply(claim)) = event else { continue };
        let is_pending =
            claim.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Pending"));
        let Some(node) = claim.annotations().get(SELECTED_NODE).filter(|_| is_pending) else { continue };
        let made = if storage::is_refused(&claim) {
            refuse(&client, &claim).await
        } else {
            make_volume(&client, &folder, &claim, node).await
        };
        if let Err(error) = made {
            tracing::warn!(claim = claim.name_any(), error, "provisioning");
        }
    }
}

/// Says what a provisioner says that has no room left.
async fn refuse(client: &Client, claim: &PersistentVolumeClaim) -> Result<(), String> {
    let class = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.as_deref()).unwrap_or_default();
    let now = Timestamp::from_second(Timestamp::now().as_second()).map_err(|error| error.to_string())?;
    let event = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": { "name": format!("{}.refused", claim.name_any()), "namespace": claim.namespace() },
        "involvedObject": {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": claim.namespace(),
            "name": claim.name_any(), "uid": claim.uid(),
        },
        "type": "Warning", "reason": "ProvisioningFailed", "count": 1, "firstTimestamp": now, "lastTimestamp": now,
        "source": { "component": MANAGER }, "reportingComponent": MANAGER, "reportingInstance": MANAGER,
        "message": storage::refusal(class),
    });
    let events: Api<Event> = Api::namespaced(client.clone(), &claim.namespace().unwrap_or_default());
    let name = format!("{}.refused", claim.name_any());
    let applied = events.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(event)).await;
    applied.map(drop).map_err(|error| error.to_string())
}

async fn make_volume(
    client: &Client,
    folder: &std::path::Path,
    claim: &PersistentVolumeClaim,
    node: &str,
) -> Result<(), String> {
    let class = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.clone()).unwrap_or_default();
    let classes: Api<StorageClass> = Api::all(client.clone());
    let Some(class) = classes.get_opt(&class).await.map_err(|error| error.to_string())? else {
        return Ok(());
    };
    if !storage::is_provisioned_here(&class.provisioner) {
        return Ok(());
    }
    let name = storage::volume_name(claim);
    let path = folder.join(&name);
    std::fs::create_dir_all(&path).map_err(|error| error.to_string())?;
    let nodes: Api<Node> = Api::all(client.clone());
    let is_simulated =
        nodes.get(node).await.map_err(|error| error.to_string())?.labels().contains_key("testbed.simulated");
    let place = if is_simulated { Place::Anywhere } else { Place::Node(node) };
    let volume = storage::volume(claim, &class, &path.to_string_lossy(), place);
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    volumes
        .patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(volume))
        .await
        .map_err(|error| error.to_string())?;
    Ok(())
}

async fn remove_released(client: Client, folder: PathBuf) {
    let volumes: Api<PersistentVolume> = Api::all(client);
    let events = watcher::watcher(volumes.clone(), watcher::Config::default()).default_backoff();
    pin_mut!(events);
    while let Some(event) = events.next().await {
        let Ok(Change::Apply(volume) | Change::InitApply(volume)) = event else { continue };
        let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
        let policy = volume.spec.as_ref().and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
        let is_ours = volume.annotations().get(PROVISIONED_BY);
        let is_ours = is_ours.is_some_and(|by| storage::is_provisioned_here(by));
        if !is_ours || phase != Some("Released") || policy != Some("Delete") {
            continue;
        }
        let name = volume.name_any();
        // What is left of either is found again when the bed goes.
        let _ = volumes.delete(&name, &DeleteParams::default()).await;
        let _ = std::fs::remove_dir_all(folder.join(&name));
    }
}
