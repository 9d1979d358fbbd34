//! Provisions persistent volumes for the storage classes that clusters of the real world have.
//!
//! Both classes wait for the first pod, as the real ones do; a volume belongs to one claim from the moment it is made,
//! so that no other test takes it. A volume is a folder under the bed's own; on a real node a container may write to it.

use std::path::PathBuf;

use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::{Event, Node, PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event as Change};
use kube::{Client, ResourceExt};
use serde_json::json;

/// A storage class of the bed.
struct Class {
    name: &'static str,
    provisioner: &'static str,
    is_default: bool,
    can_grow: bool,
}

const CLASSES: [Class; 2] = [
    Class { name: "hcloud-volumes", provisioner: "csi.hetzner.cloud", is_default: true, can_grow: true },
    Class { name: "local-path", provisioner: "rancher.io/local-path", is_default: false, can_grow: false },
];

const MANAGER: &str = "testbed-volumes";
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

/// Makes the storage classes.
///
/// # Errors
/// When the API server refuses.
pub async fn declare_classes(client: &Client) -> kube::Result<()> {
    let classes: Api<StorageClass> = Api::all(client.clone());
    for class in &CLASSES {
        let is_default = class.is_default.to_string();
        let object = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": { "name": class.name, "annotations": { "storageclass.kubernetes.io/is-default-class": is_default } },
            "provisioner": class.provisioner, "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
            "allowVolumeExpansion": class.can_grow,
        });
        classes.patch(class.name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(object)).await?;
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
        let made = match claim.annotations().get("testbed/fault") {
            Some(_) => refuse(&client, &claim).await,
            None => make_volume(&client, &folder, &claim, node).await,
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
        "message": format!(
            "failed to provision volume with StorageClass \"{class}\": rpc error: code = ResourceExhausted desc = \
             failed to create volume: volume size limit reached"
        ),
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
    if !CLASSES.iter().any(|ours| ours.provisioner == class.provisioner) {
        return Ok(());
    }
    let name = format!("pvc-{}", claim.uid().unwrap_or_default());
    let path = folder.join(&name);
    std::fs::create_dir_all(&path).map_err(|error| error.to_string())?;
    let nodes: Api<Node> = Api::all(client.clone());
    let is_simulated =
        nodes.get(node).await.map_err(|error| error.to_string())?.labels().contains_key("testbed.simulated");
    let volume = volume(claim, &class, &name, &path.to_string_lossy(), node, is_simulated);
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    volumes
        .patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(volume))
        .await
        .map_err(|error| error.to_string())?;
    Ok(())
}

fn volume(
    claim: &PersistentVolumeClaim,
    class: &StorageClass,
    name: &str,
    path: &str,
    node: &str,
    is_simulated: bool,
) -> serde_json::Value {
    let spec = claim.spec.clone().unwrap_or_default();
    let size =
        spec.resources.and_then(|resources| resources.requests).and_then(|mut sizes| sizes.remove("storage"));
    let mut volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": { "name": name, "annotations": { PROVISIONED_BY: class.provisioner } },
        "spec": {
            "accessModes": spec.access_modes, "capacity": { "storage": size }, "volumeMode": "Filesystem",
            "storageClassName": class.name_any(), "persistentVolumeReclaimPolicy": class.reclaim_policy,
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": claim.namespace(), "name": claim.name_any(), "uid": claim.uid(),
            },
        },
    });
    if is_simulated {
        // Not bound to a node, as a network volume is not.
        volume["spec"]["hostPath"] = json!({ "path": path });
    } else {
        // Of the kinds that are a folder, only this one is given to the group that `fsGroup` names.
        let term = json!({ "key": "kubernetes.io/hostname", "operator": "In", "values": [node] });
        volume["spec"]["local"] = json!({ "path": path });
        volume["spec"]["nodeAffinity"] =
            json!({ "required": { "nodeSelectorTerms": [{ "matchExpressions": [term] }] } });
    }
    volume
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
        let is_ours = is_ours.is_some_and(|by| CLASSES.iter().any(|class| class.provisioner == by));
        if !is_ours || phase != Some("Released") || policy != Some("Delete") {
            continue;
        }
        let name = volume.name_any();
        // What is left of either is found again when the bed goes.
        let _ = volumes.delete(&name, &DeleteParams::default()).await;
        let _ = std::fs::remove_dir_all(folder.join(&name));
    }
}
