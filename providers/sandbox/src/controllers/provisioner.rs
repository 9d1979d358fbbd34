//! The provisioner of volumes: what a CSI driver is in a cluster of its own.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use serde_json::Value;
use windlass_simulation::storage::{self, PROVISIONED_BY, Place, SELECTED_NODE};

use super::Controller;
use super::decision::{Decision, Moment};
use super::view::{Subject, View, annotation, is_deleted, name_of};

/// Volumes are nowhere: nothing is stored in a sandbox.
const FOLDER: &str = "/var/lib/sandbox-volumes";

/// Makes volumes for claims, and takes them away when nobody claims them any more.
#[derive(Debug)]
pub(crate) struct Provisioner;

impl Controller for Provisioner {
    fn name(&self) -> &'static str {
        "sandbox-provisioner"
    }

    fn concerned(&self, object: &Value, _: &dyn View) -> Vec<Subject> {
        let subject = Subject::of_value(object);
        let is_ours = subject.is::<PersistentVolumeClaim>() || subject.is::<PersistentVolume>();
        if is_ours { vec![subject] } else { Vec::new() }
    }

    fn decide(&self, subject: &Subject, view: &dyn View, _: &Moment) -> Decision {
        let mut decision = Decision::default();
        if subject.is::<PersistentVolume>() {
            let volume = view.find::<PersistentVolume>("", &subject.name);
            if let Some(volume) = volume.filter(is_left_over) {
                decision.delete(&volume, None);
            }
        } else if let Some(claim) = view.find(&subject.namespace, &subject.name) {
            provision(&claim, view, &mut decision);
        }
        decision
    }
}

fn provision(claim: &PersistentVolumeClaim, view: &dyn View, decision: &mut Decision) {
    let spec = claim.spec.clone().unwrap_or_default();
    let is_waiting = spec.volume_name.is_none() && !is_deleted(claim);
    let class = spec.storage_class_name.filter(|_| is_waiting);
    let Some(class) = class.and_then(|class| view.find::<StorageClass>("", &class)) else { return };
    let waits_for_node = class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer");
    let is_due = !waits_for_node || annotation(claim, SELECTED_NODE).is_some();
    if !is_due || !storage::is_provisioned_here(&class.provisioner) {
        return;
    }
    if storage::is_refused(claim) {
        let message = storage::refusal(name_of(&class));
        return decision.tell(claim, "Warning", "ProvisioningFailed", message);
    }
    let name = storage::volume_name(claim);
    if view.find::<PersistentVolume>("", &name).is_none() {
        decision.create(&storage::volume(claim, &class, &format!("{FOLDER}/{name}"), Place::Anywhere), None);
    }
}

/// Whether a volume was made here, is nobody's any more and is not to be kept.
fn is_left_over(volume: &PersistentVolume) -> bool {
    let is_ours = annotation(volume, PROVISIONED_BY).is_some_and(storage::is_provisioned_here);
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
    let policy = volume.spec.as_ref().and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
    is_ours && phase == Some("Released") && policy == Some("Delete") && !is_deleted(volume)
}
