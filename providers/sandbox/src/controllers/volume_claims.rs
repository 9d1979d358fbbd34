//! Volume claims: which volume is whose.
//!
//! Volumes themselves are made by a provisioner outside of the control plane; here claims are told to wait for one and bound to what it made.

use k8s_openapi::api::core::v1::{
    ObjectReference, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus,
    PersistentVolumeSpec, PersistentVolumeStatus, Pod,
};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::Controller;
use super::decision::{Decision, Moment};
use super::pods;
use super::quantity::thousandths;
use super::view::{Subject, View, annotation, is_deleted, name_of, namespace_of, read, uid_of};

/// The annotation by which the scheduler says for which node a volume is to be made.
pub(super) const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const PROVISIONERS: [&str; 2] =
    ["volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner"];
const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
const CLAIM_PROTECTION: &str = "kubernetes.io/pvc-protection";
const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";

/// Whether volumes of a class are made only when it is known on which node they are used.
pub(super) fn waits_for_consumer(class: &StorageClass) -> bool {
    class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer")
}

/// The controller of claims and volumes.
#[derive(Debug)]
pub(crate) struct VolumeClaims;

impl Controller for VolumeClaims {
    fn name(&self) -> &'static str {
        "persistentvolume-controller"
    }

    fn concerned(&self, object: &Value, view: &dyn View) -> Vec<Subject> {
        let subject = Subject::of_value(object);
        if subject.is::<PersistentVolumeClaim>() {
            let volume = object["spec"]["volumeName"].as_str();
            let volume = volume.map(|volume| Subject::new::<PersistentVolume>("", volume));
            return [subject].into_iter().chain(volume).collect();
        }
        if subject.is::<PersistentVolume>() {
            let claim = &object["spec"]["claimRef"];
            let text = |field: &str| claim[field].as_str().unwrap_or_default();
            let claim = Subject::new::<PersistentVolumeClaim>(text("namespace"), text("name"));
            let waiting = view.all::<PersistentVolumeClaim>("").into_iter().filter(|claim| !is_bound(claim));
            let waiting = waiting.map(|claim| Subject::of(&claim));
            return [subject, claim].into_iter().chain(waiting).collect();
        }
        if subject.is::<StorageClass>() {
            return view.all::<PersistentVolumeClaim>("").iter().map(Subject::of).collect();
        }
        // A claim on its way out waits for the pods that use it.
        let Some(pod) = read::<Pod>(object).filter(|_| subject.is::<Pod>()) else { return Vec::new() };
        let names = claims_of(&pod).into_iter();
        names.map(|name| Subject::new::<PersistentVolumeClaim>(&subject.namespace, &name)).collect()
    }

    fn decide(&self, subject: &Subject, view: &dyn View, moment: &Moment) -> Decision {
        let mut decision = Decision::default();
        if subject.is::<PersistentVolume>() {
            if let Some(volume) = view.find::<PersistentVolume>("", &subject.name) {
                decide_volume(&volume, view, moment, &mut decision);
            }
        } else if let Some(claim) = view.find::<PersistentVolumeClaim>(&subject.namespace, &subject.name) {
            decide_claim(&claim, view, &mut decision);
        }
        decision
    }
}

fn decide_claim(claim: &PersistentVolumeClaim, view: &dyn View, decision: &mut Decision) {
    if protect(claim, CLAIM_PROTECTION, is_in_use(claim, view), decision) || is_deleted(claim) {
        return;
    }
    if is_bound(claim) {
        let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.clone()).unwrap_or_default();
        if view.find::<PersistentVolume>("", &volume).is_none() {
            let status = PersistentVolumeClaimStatus { phase: Some("Lost".to_owned()), ..status(claim) };
            write_status(claim, &status, decision);
        }
        return;
    }
    match find_volume(claim, view) {
        Some(volume) => bind(claim, &volume, decision),
        None => wait(claim, view, decision),
    }
}

/// The volume that was made for a claim, or the smallest free one that is large enough.
fn find_volume(claim: &PersistentVolumeClaim, view: &dyn View) -> Option<PersistentVolume> {
    let wanted = claim.spec.clone().unwrap_or_default();
    let asked = wanted.resources.and_then(|resources| resources.requests?.remove("storage"));
    let asked = asked.as_ref().map_or(0, thousandths);
    let size = |volume: &PersistentVolume| {
        let capacity = volume.spec.as_ref().and_then(|spec| spec.capacity.as_ref()?.get("storage"));
        capacity.map_or(0, thousandths)
    };
    let class = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.clone()).unwrap_or_default();
    let waits = view.find::<StorageClass>("", &class).is_some_and(|class| waits_for_consumer(&class));
    let has_modes = |spec: &PersistentVolumeSpec| {
        let modes = wanted.access_modes.iter().flatten();
        modes.into_iter().all(|mode| spec.access_modes.iter().flatten().any(|own| own == mode))
    };
    let mut fitting: Vec<PersistentVolume> = view
        .all::<PersistentVolume>("")
        .into_iter()
        .filter(|volume| {
            let Some(spec) = volume.spec.as_ref().filter(|_| !is_deleted(volume)) else { return false };
            if let Some(owner) = &spec.claim_ref {
                return is_claim(owner, claim);
            }
            let is_named = wanted.volume_name.as_deref().is_none_or(|name| name == name_of(volume));
            let is_free = !waits || wanted.volume_name.is_some();
            let is_class = spec.storage_class_name.clone().unwrap_or_default() == class;
            is_named && is_free && is_class && has_modes(spec) && size(volume) >= asked
        })
        .collect();
    fitting.sort_by_key(|volume| {
        let is_free = volume.spec.as_ref().is_none_or(|spec| spec.claim_ref.is_none());
        (is_free, size(volume), name_of(volume).to_owned())
    });
    fitting.into_iter().next()
}

fn is_claim(reference: &ObjectReference, claim: &PersistentVolumeClaim) -> bool {
    let is_named = reference.name.as_deref() == Some(name_of(claim))
        && reference.namespace.as_deref() == Some(namespace_of(claim));
    is_named && reference.uid.as_deref().is_none_or(|uid| uid.is_empty() || uid == uid_of(claim))
}

/// Writes down on both sides that a volume is a claim's.
fn bind(claim: &PersistentVolumeClaim, volume: &PersistentVolume, decision: &mut Decision) {
    let spec = volume.spec.clone().unwrap_or_default();
    if spec.claim_ref.as_ref().and_then(|owner| owner.uid.as_deref()) != Some(uid_of(claim)) {
        let owner = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace_of(claim),
            "name": name_of(claim), "uid": uid_of(claim),
        });
        let annotations = json!({ BOUND_BY_CONTROLLER: "yes" });
        let merge = json!({ "metadata": { "annotations": annotations }, "spec": { "claimRef": owner } });
        decision.change(volume, merge);
    }
    let mut annotations = json!({ BIND_COMPLETED: "yes" });
    if claim.spec.as_ref().is_none_or(|spec| spec.volume_name.is_none()) {
        annotations[BOUND_BY_CONTROLLER] = "yes".into();
    }
    let merge =
        json!({ "metadata": { "annotations": annotations }, "spec": { "volumeName": name_of(volume) } });
    decision.change(claim, merge);
    let status = PersistentVolumeClaimStatus {
        phase: Some("Bound".to_owned()),
        access_modes: spec.access_modes,
        capacity: spec.capacity,
        ..status(claim)
    };
    write_status(claim, &status, decision);
}

/// Says what an unbound claim waits for.
fn wait(claim: &PersistentVolumeClaim, view: &dyn View, decision: &mut Decision) {
    let pending = PersistentVolumeClaimStatus { phase: Some("Pending".to_owned()), ..status(claim) };
    write_status(claim, &pending, decision);
    let Some(name) = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.clone()) else { return };
    if name.is_empty() {
        let message = "no persistent volumes available for this claim and no storage class is set";
        return decision.tell(claim, "Normal", "FailedBinding", message.to_owned());
    }
    let Some(class) = view.find::<StorageClass>("", &name) else {
        let message = format!("storageclass.storage.k8s.io \"{name}\" not found");
        return decision.tell(claim, "Warning", "ProvisioningFailed", message);
    };
    if waits_for_consumer(&class) && annotation(claim, SELECTED_NODE).is_none() {
        let message = "waiting for first consumer to be created before binding";
        return decision.tell(claim, "Normal", "WaitForFirstConsumer", message.to_owned());
    }
    let provisioner = &class.provisioner;
    if annotation(claim, PROVISIONERS[1]).is_none() {
        let annotations: Value =
            PROVISIONERS.iter().map(|name| ((*name).to_owned(), json!(provisioner))).collect();
        decision.change(claim, json!({ "metadata": { "annotations": annotations } }));
        let message = format!(
            "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by \
             the system administrator. If volume creation is delayed, please verify that the provisioner is running \
             and correctly registered."
        );
        decision.tell(claim, "Normal", "ExternalProvisioning", message);
    }
}

fn decide_volume(volume: &PersistentVolume, view: &dyn View, moment: &Moment, decision: &mut Decision) {
    let owner = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
    let claim = owner.and_then(|owner| {
        let (namespace, name) = (owner.namespace.as_deref()?, owner.name.as_deref()?);
        view.find::<PersistentVolumeClaim>(namespace, name).filter(|claim| is_claim(owner, claim))
    });
    let has_claim = claim.is_some();
    if protect(volume, VOLUME_PROTECTION, has_claim, decision) || is_deleted(volume) {
        return;
    }
    let was_claimed = owner.is_some_and(|owner| owner.uid.as_ref().is_some_and(|uid| !uid.is_empty()));
    let phase = match claim {
        Some(claim) if volume_name(&claim) == Some(name_of(volume)) => "Bound",
        None if was_claimed => "Released",
        _ => "Available",
    };
    let before = volume.status.clone().unwrap_or_default();
    if before.phase.as_deref() == Some(phase) {
        return;
    }
    let last_phase_transition_time = Some(Time(moment.now));
    let phase = Some(phase.to_owned());
    decision.status(volume, &PersistentVolumeStatus { phase, last_phase_transition_time, ..before });
}

/// Keeps an object that is in use from going, by a finalizer. True if that had to be written.
fn protect<T: super::view::Known>(
    object: &T,
    finalizer: &str,
    is_in_use: bool,
    decision: &mut Decision,
) -> bool {
    let mut finalizers = object.metadata().finalizers.clone().unwrap_or_default();
    let is_protected = finalizers.iter().any(|one| one == finalizer);
    match (is_deleted(object), is_protected) {
        (false, false) => finalizers.push(finalizer.to_owned()),
        (true, true) if !is_in_use => finalizers.retain(|one| one != finalizer),
        _ => return false,
    }
    decision.change(object, json!({ "metadata": { "finalizers": finalizers } }));
    true
}

fn is_in_use(claim: &PersistentVolumeClaim, view: &dyn View) -> bool {
    is_deleted(claim)
        && view
            .all::<Pod>(namespace_of(claim))
            .iter()
            .any(|pod| !pods::has_finished(pod) && claims_of(pod).iter().any(|name| name == name_of(claim)))
}

fn claims_of(pod: &Pod) -> Vec<String> {
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref()).into_iter().flatten();
    volumes.filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.clone())).collect()
}

fn volume_name(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.spec.as_ref()?.volume_name.as_deref()
}

fn is_bound(claim: &PersistentVolumeClaim) -> bool {
    annotation(claim, BIND_COMPLETED).is_some()
}

fn status(claim: &PersistentVolumeClaim) -> PersistentVolumeClaimStatus {
    claim.status.clone().unwrap_or_default()
}

fn write_status(
    claim: &PersistentVolumeClaim,
    status: &PersistentVolumeClaimStatus,
    decision: &mut Decision,
) {
    if claim.status.as_ref() != Some(status) {
        decision.status(claim, status);
    }
}
