//! Reading what makes pods and volumes: refused pods show at their controller, because there is no pod.

use super::Cause;
use super::event::SeenEvent;
use super::message::{About, classify};
use super::seen::SeenObject;
use super::sighting::{Sighting, add};
use crate::object::{ObjectView, Status};
use crate::readiness::Context;

/// The cause for which admission refuses a pod, from the API server's own words: the message of an error at a dry run, or what a controller
/// hands on. `None` for words that tell of no refusal.
pub fn refusal_cause(message: &str) -> Option<Cause> {
    classify(About::Creation, message)
}

/// Kinds whose controllers create pods.
pub(crate) const POD_MAKERS: [&str; 5] =
    ["ReplicaSet", "StatefulSet", "DaemonSet", "Job", "ReplicationController"];

/// Pods that could not be created: event `FailedCreate`, and condition `ReplicaFailure` of a ReplicaSet, which holds the same text.
///
/// The condition of an object that was there before the run may be older than it: the next try comes minutes later. Its events tell.
pub(crate) fn read(object: &SeenObject, events: &[&SeenEvent]) -> Vec<Sighting> {
    let workload = object.view();
    let mut sightings = Vec::new();
    if workload.is_deleting() || has_its_pods(workload) {
        return sightings;
    }
    let is_new = object.before.is_none();
    let failure =
        workload.condition("ReplicaFailure").filter(|failure| is_new && failure.status == Status::True);
    let said = refusals(events).map(|event| event.message.as_str());
    for message in said.chain(failure.map(|condition| condition.words())) {
        if let Some(cause) = refusal_cause(message) {
            add(&mut sightings, Sighting::new(cause, message));
        }
    }
    sightings
}

/// A ReplicaSet with as many pods as it wants has overcome a refusal. Other kinds create one pod after the other, so that their
/// counts do not tell.
fn has_its_pods(workload: ObjectView<'_>) -> bool {
    let count = |pointer| workload.integer(pointer);
    workload.kind() == "ReplicaSet"
        && count("/status/replicas").unwrap_or(0) >= count("/spec/replicas").unwrap_or(1)
        && !workload.is("ReplicaFailure")
}

/// Refusals after which no pod was created.
fn refusals<'e>(events: &'e [&'e SeenEvent]) -> impl Iterator<Item = &'e SeenEvent> {
    let last = |reason: &str| {
        events.iter().filter(|event| event.reason == reason).filter_map(|event| event.last).max()
    };
    let success = last("SuccessfulCreate");
    events.iter().copied().filter(|event| event.reason == "FailedCreate").filter(move |event| {
        success.is_none_or(|success| event.last.is_none_or(|failure| failure >= success))
    })
}

/// A claim without a volume: named when the provisioner or the volume controller complains, suspected as soon as it is pending.
pub(crate) fn read_claim(claim: ObjectView<'_>, events: &[&SeenEvent], context: &Context) -> Vec<Sighting> {
    let mut sightings = Vec::new();
    if claim.is_deleting() || claim.text("/status/phase") == Some("Bound") {
        return sightings;
    }
    let complaints =
        events.iter().filter(|event| matches!(event.reason.as_str(), "ProvisioningFailed" | "FailedBinding"));
    for event in complaints {
        add(&mut sightings, Sighting::new(Cause::VolumePending, &event.message));
    }
    if !context.waits_for_consumer(claim) {
        add(&mut sightings, Sighting::new(Cause::VolumePending, "the claim is pending").suspected());
    }
    sightings
}
