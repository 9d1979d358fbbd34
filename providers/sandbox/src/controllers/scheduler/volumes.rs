//! The volume claims of a pod that waits for a node.

use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim, Pod};
use k8s_openapi::api::storage::v1::StorageClass;
use serde_json::json;

use super::affinity::matches_any;
use super::filter::Refusal;
use crate::controllers::decision::Decision;
use crate::controllers::view::{View, annotation, is_deleted, name_of, namespace_of};
use crate::controllers::volume_claims::{SELECTED_NODE, waits_for_consumer};

/// The claims of a pod, as far as they are bound.
pub(super) struct Volumes {
    bound: Vec<PersistentVolume>,
    /// Those whose volumes are made when it is known for which node.
    waiting: Vec<PersistentVolumeClaim>,
}

impl Volumes {
    /// Finds the claims that a pod names.
    ///
    /// # Errors
    /// What keeps the pod from any node, in the scheduler's words.
    pub(super) fn of(pod: &Pod, view: &dyn View) -> Result<Self, String> {
        let mut volumes = Self { bound: Vec::new(), waiting: Vec::new() };
        for name in claim_names(pod) {
            let Some(claim) = view.find::<PersistentVolumeClaim>(namespace_of(pod), &name) else {
                return Err(format!("persistentvolumeclaim \"{name}\" not found."));
            };
            if is_deleted(&claim) {
                return Err(format!("persistentvolumeclaim \"{name}\" is being deleted."));
            }
            let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref());
            let is_bound = annotation(&claim, "pv.kubernetes.io/bind-completed").is_some();
            let class = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.as_deref());
            let class = class.and_then(|class| view.find::<StorageClass>("", class));
            match volume.filter(|_| is_bound).and_then(|volume| view.find::<PersistentVolume>("", volume)) {
                Some(volume) => volumes.bound.push(volume),
                None if class.as_ref().is_some_and(waits_for_consumer) => volumes.waiting.push(claim),
                None => return Err("pod has unbound immediate PersistentVolumeClaims.".to_owned()),
            }
        }
        Ok(volumes)
    }

    /// Why the volumes keep the pod from a node.
    pub(super) fn refusal(&self, node: &Node) -> Option<Refusal> {
        let is_reachable = |volume: &PersistentVolume| {
            let affinity =
                volume.spec.as_ref().and_then(|spec| spec.node_affinity.as_ref()?.required.as_ref());
            affinity.is_none_or(|required| matches_any(&required.node_selector_terms, node))
        };
        if !self.bound.iter().all(is_reachable) {
            return Some(Refusal::finally("node(s) didn't match PersistentVolume's node affinity"));
        }
        let chosen = self.waiting.iter().filter_map(|claim| annotation(claim, SELECTED_NODE));
        let is_chosen = chosen.clone().all(|chosen| chosen == name_of(node));
        (!is_chosen).then(|| Refusal::finally("node(s) didn't match PersistentVolume's node affinity"))
    }

    /// Says for which node the volumes are to be made that are not there; true when there are none such.
    pub(super) fn select(&self, node: &str, decision: &mut Decision) -> bool {
        for claim in self.waiting.iter().filter(|claim| annotation(*claim, SELECTED_NODE).is_none()) {
            decision.change(claim, json!({ "metadata": { "annotations": { SELECTED_NODE: node } } }));
        }
        self.waiting.is_empty()
    }
}

fn claim_names(pod: &Pod) -> Vec<String> {
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref()).into_iter().flatten();
    let names = volumes.filter_map(|volume| {
        let claim = volume.persistent_volume_claim.as_ref().map(|claim| claim.claim_name.clone());
        // A volume that belongs to the pod alone has a claim that is named after both.
        claim.or_else(|| volume.ephemeral.as_ref().map(|_| format!("{}-{}", name_of(pod), volume.name)))
    });
    names.collect()
}
