//! Reading a pod.

use super::Cause;
use super::container::containers;
use super::event::SeenEvent;
use super::message::{About, classify};
use super::seen::SeenObject;
use super::sighting::{Sighting, add, drop_vague};
use crate::object::{ObjectView, Status};

/// Everything that a pod's status and events tell. A pod that is being deleted tells nothing: it ends with exit code 137 or 143
/// because it was asked to.
pub(crate) fn read(pod: &SeenObject, events: &[&SeenEvent]) -> Vec<Sighting> {
    let view = pod.view();
    let mut sightings = Vec::new();
    if view.is_deleting() {
        return sightings;
    }
    if let Some(refusal) = refusal(view) {
        return vec![refusal]; // its containers only ended because of it
    }
    for sighting in placement(view, events).into_iter().chain(volumes(view, events)) {
        add(&mut sightings, sighting);
    }
    for container in containers(view) {
        for sighting in container.read(events, pod.before.as_ref()) {
            add(&mut sightings, sighting);
        }
    }
    drop_vague(&mut sightings);
    sightings
}

/// Why no node takes it: event `FailedScheduling`, condition `PodScheduled=False`. A pod with scheduling gates waits by intention.
fn placement(pod: ObjectView<'_>, events: &[&SeenEvent]) -> Vec<Sighting> {
    if pod.text("/spec/nodeName").is_some_and(|node| !node.is_empty()) {
        return Vec::new();
    }
    let condition = pod
        .condition("PodScheduled")
        .filter(|scheduled| scheduled.status == Status::False && scheduled.reason == "Unschedulable")
        .map(|scheduled| scheduled.words());
    let said =
        events.iter().filter(|event| event.reason == "FailedScheduling").map(|event| event.message.as_str());
    said.chain(condition)
        .filter_map(|message| Some(Sighting::new(classify(About::Scheduling, message)?, message)))
        .collect()
}

/// What keeps volumes or the sandbox from it. Only events tell: the pod stays `ContainerCreating`.
fn volumes(pod: ObjectView<'_>, events: &[&SeenEvent]) -> Vec<Sighting> {
    if pod.is("PodReadyToStartContainers")
        || containers(pod).iter().any(super::container::Container::was_created)
    {
        return Vec::new();
    }
    events.iter().filter_map(|event| volume_event(event)).collect()
}

fn volume_event(event: &SeenEvent) -> Option<Sighting> {
    let cause = match event.reason.as_str() {
        "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" => classify(About::Mount, &event.message)?,
        "FailedCreatePodSandBox" => Cause::ContainerNotCreated,
        _ => return None,
    };
    Some(Sighting::new(cause, &event.message))
}

/// A pod that its node refused or evicted: it failed with a reason, and no container tells why.
fn refusal(pod: ObjectView<'_>) -> Option<Sighting> {
    if pod.text("/status/phase") != Some("Failed") {
        return None;
    }
    let reason = pod.text("/status/reason").filter(|reason| !reason.is_empty())?;
    let message = pod.text("/status/message").unwrap_or_default();
    Some(Sighting::new(Cause::PodRefused, &format!("{reason}: {message}")))
}
