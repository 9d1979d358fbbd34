//! Storage classes that clusters of the real world have, and the volumes that their provisioners make.
//!
//! Both classes wait for the first pod, as the real ones do; a volume belongs to one claim from the moment it is made, so that no other takes it.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::storage::v1::StorageClass;
use serde_json::{Value, json};

/// A storage class.
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

/// The annotation by which the scheduler says for which node a volume is to be made.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// The annotation by which a volume says who made it.
pub const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

/// The storage classes as objects.
pub fn classes() -> Vec<Value> {
    let object = |class: &Class| {
        let is_default = class.is_default.to_string();
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": { "name": class.name, "annotations": { "storageclass.kubernetes.io/is-default-class": is_default } },
            "provisioner": class.provisioner, "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
            "allowVolumeExpansion": class.can_grow,
        })
    };
    CLASSES.iter().map(object).collect()
}

/// Whether volumes of this provisioner are made here.
pub fn is_provisioned_here(provisioner: &str) -> bool {
    CLASSES.iter().any(|class| class.provisioner == provisioner)
}

/// Whether a claim asks not to be served: by the annotation `testbed/fault`.
pub fn is_refused(claim: &PersistentVolumeClaim) -> bool {
    claim.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key("testbed/fault"))
}

/// What a provisioner says that has no room left.
pub fn refusal(class: &str) -> String {
    format!(
        "failed to provision volume with StorageClass \"{class}\": rpc error: code = ResourceExhausted desc = failed to create volume: volume \
         size limit reached"
    )
}

/// The name of the volume that is made for a claim.
pub fn volume_name(claim: &PersistentVolumeClaim) -> String {
    format!("pvc-{}", claim.metadata.uid.as_deref().unwrap_or_default())
}

/// Where a volume is.
#[derive(Clone, Copy, Debug)]
pub enum Place<'p> {
    /// Reached from all nodes, as a volume of the network is.
    Anywhere,
    /// A folder of this node.
    Node(&'p str),
}

/// The volume of a class for a claim, a folder at `path`.
pub fn volume(claim: &PersistentVolumeClaim, class: &StorageClass, path: &str, place: Place<'_>) -> Value {
    let spec = claim.spec.clone().unwrap_or_default();
    let size =
        spec.resources.and_then(|resources| resources.requests).and_then(|mut sizes| sizes.remove("storage"));
    let metadata = &claim.metadata;
    let mut volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": { "name": volume_name(claim), "annotations": { PROVISIONED_BY: class.provisioner } },
        "spec": {
            "accessModes": spec.access_modes, "capacity": { "storage": size }, "volumeMode": "Filesystem",
            "storageClassName": class.metadata.name, "persistentVolumeReclaimPolicy": class.reclaim_policy,
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": metadata.namespace, "name": metadata.name, "uid": metadata.uid,
            },
        },
    });
    match place {
        Place::Anywhere => volume["spec"]["hostPath"] = json!({ "path": path }),
        Place::Node(node) => {
            // Of the kinds that are a folder, only this one is given to the group that `fsGroup` names.
            let term = json!({ "key": "kubernetes.io/hostname", "operator": "In", "values": [node] });
            volume["spec"]["local"] = json!({ "path": path });
            volume["spec"]["nodeAffinity"] =
                json!({ "required": { "nodeSelectorTerms": [{ "matchExpressions": [term] }] } });
        }
    }
    volume
}
