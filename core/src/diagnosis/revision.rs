//! Which pods belong to what this run applied.
//!
//! While an update rolls out, pods of the old and of the new template live side by side, and old ones may have failed for days.
//! Only pods of the new revision speak for the run.

use std::collections::BTreeMap;

use serde_json::Value;

use super::seen::{Key, Seen, SeenObject};
use crate::object::ObjectView;

/// Owners between a pod and the object in the repository: pod, ReplicaSet, Deployment, custom resources above them. The limit ends
/// a walk through references that form a circle.
const LONGEST_LINE: usize = 6;

/// An object and its controllers, from the bottom up, as far as each step is of the new revision.
pub(crate) fn line(seen: &Seen, key: &Key) -> Vec<Key> {
    let current_owner = |key: &Key| {
        let object = seen.get(key)?;
        let owner = owner_key(object)?;
        is_current(seen, object.view(), seen.get(&owner)?.view()).then_some(owner)
    };
    std::iter::successors(Some(key.clone()), current_owner).take(LONGEST_LINE).collect()
}

/// Whether two states of an object say the same about its owner, its revision and the revision of its children.
pub(crate) fn same_lineage(one: ObjectView<'_>, other: ObjectView<'_>) -> bool {
    const TELLING: [&str; 8] = [
        "/metadata/ownerReferences",
        "/metadata/labels",
        "/metadata/annotations",
        "/metadata/generation",
        "/spec/template",
        "/spec/volumes",
        "/status/observedGeneration",
        "/status/updateRevision",
    ];
    TELLING.iter().all(|pointer| one.at(pointer) == other.at(pointer))
}

/// Whether an object belongs to another, of whichever revision.
pub(crate) fn has_owner(seen: &Seen, key: &Key, is_wanted: impl Fn(&Key) -> bool) -> bool {
    let line = std::iter::successors(Some(key.clone()), |key| owner_key(seen.get(key)?));
    line.take(LONGEST_LINE).any(|key| is_wanted(&key))
}

fn owner_key(object: &SeenObject) -> Option<Key> {
    Some(Key::of_uid(object.view().controller()?.uid))
}

/// Whether a child is of its owner's present revision. Owners without revisions (a ReplicaSet, a Job, a custom resource) have only
/// present children.
fn is_current(seen: &Seen, child: ObjectView<'_>, owner: ObjectView<'_>) -> bool {
    match (owner.kind(), child.kind()) {
        ("Deployment", "ReplicaSet") => is_current_set(seen, child, owner),
        ("StatefulSet", "Pod") => {
            let revision = owner.text("/status/updateRevision");
            is_first(owner) || (is_observed(owner) && hash(child).is_some() && hash(child) == revision)
        }
        ("DaemonSet", "Pod") => is_first(owner) || is_current_daemon(seen, child, owner),
        _ => true,
    }
}

/// An object that was never changed has no old revision.
fn is_first(owner: ObjectView<'_>) -> bool {
    owner.generation() == Some(1)
}

fn is_observed(owner: ObjectView<'_>) -> bool {
    owner.observed_generation() >= owner.generation()
}

fn hash(pod: ObjectView<'_>) -> Option<&str> {
    pod.label("controller-revision-hash")
}

/// The ReplicaSet of the Deployment's present template. The Deployment controller itself finds it by comparing templates without the
/// hash label (`FindNewReplicaSet`); that is known from the objects alone, before the controller has written any status. Where a
/// comparison finds nothing (defaults added by a newer API server), the revision annotation that both carry decides.
fn is_current_set(seen: &Seen, set: ObjectView<'_>, deployment: ObjectView<'_>) -> bool {
    const REVISION: &str = "deployment.kubernetes.io/revision";
    if has_template(set, deployment) {
        return true;
    }
    let siblings = || seen.objects().filter(|(_, object)| is_set_of(object, deployment));
    is_observed(deployment)
        && !siblings().any(|(_, sibling)| has_template(sibling.view(), deployment))
        && set.annotation(REVISION).is_some()
        && set.annotation(REVISION) == deployment.annotation(REVISION)
}

fn is_set_of(object: &SeenObject, deployment: ObjectView<'_>) -> bool {
    object.reference.kind == "ReplicaSet"
        && object.view().controller().is_some_and(|owner| Some(owner.uid) == deployment.uid())
}

fn has_template(set: ObjectView<'_>, deployment: ObjectView<'_>) -> bool {
    match (set.at("/spec/template"), deployment.at("/spec/template")) {
        (Some(set), Some(wanted)) => same_template(set, wanted),
        _ => false,
    }
}

/// Equality but for the hash label, and for the creation time that the API server writes as null in one place and leaves out in
/// another.
fn same_template(set: &Value, wanted: &Value) -> bool {
    let equal = |pointer: &str, but: &[&str]| {
        entries(set.pointer(pointer), but) == entries(wanted.pointer(pointer), but)
    };
    set.get("spec") == wanted.get("spec")
        && equal("/metadata", &["labels", "creationTimestamp"])
        && equal("/metadata/labels", &["pod-template-hash"])
}

/// The entries of a map but for some keys, in the order of keys. What is absent has none.
fn entries<'a>(map: Option<&'a Value>, but: &[&str]) -> BTreeMap<&'a str, &'a Value> {
    let entries =
        map.and_then(Value::as_object).into_iter().flatten().map(|(key, value)| (key.as_str(), value));
    entries.filter(|(key, _)| !but.contains(key)).collect()
}

/// A DaemonSet's status names no revision. Its pods carry the hash of a `ControllerRevision`, the newest of which is the present one, and
/// the template generation, which the API server counts up in an annotation; the controller accepts either (`IsPodUpdated`).
fn is_current_daemon(seen: &Seen, pod: ObjectView<'_>, set: ObjectView<'_>) -> bool {
    let generation = set.annotation("deprecated.daemonset.template.generation");
    if generation.is_some() && pod.label("pod-template-generation") == generation {
        return true;
    }
    let revisions = seen.objects().map(|(_, object)| object).filter(|object| {
        object.reference.kind == "ControllerRevision"
            && object.view().controller().is_some_and(|owner| Some(owner.uid) == set.uid())
    });
    let newest = revisions.max_by_key(|revision| revision.view().integer("/revision"));
    is_observed(set)
        && newest.is_some_and(|newest| {
            let newest = newest.view();
            let name = newest.label("controller-revision-hash").or_else(|| newest.label("hash"));
            name.is_some() && name == hash(pod)
        })
}
