//! StatefulSet.

use crate::object::ObjectView;

use super::deployment::wanted;
use super::{Readiness, count_missing};

/// A StatefulSet is ready when all its pods are ready and those that the update strategy replaces are of the update revision
/// (Kubernetes docs, "StatefulSet", update strategies).
///
/// * `OnDelete`: the controller replaces nothing by itself, so old pods are as good as new ones.
/// * `RollingUpdate` with a partition: pods with an ordinal from the partition up are updated, the others keep their revision.
/// * `RollingUpdate`: all pods are updated, and the controller has made the update revision the current one.
pub(super) fn stateful_set(view: ObjectView<'_>) -> Readiness {
    if view.observed_generation().is_none() {
        return Readiness::progressing("the StatefulSet controller has not seen it yet");
    }
    let status = |field: &str| view.integer(&format!("/status/{field}")).unwrap_or(0);
    let want = wanted(view);
    let (replicas, ready) = (status("replicas"), status("readyReplicas"));
    if replicas > want {
        return Readiness::progressing(format!(
            "{} surplus pods are still there",
            replicas.saturating_sub(want)
        ));
    }
    if view.text("/spec/updateStrategy/type") != Some("OnDelete") {
        let to_update = want.saturating_sub(partition(view)).max(0);
        let updated = status("updatedReplicas");
        if updated < to_update {
            return count_missing(updated, to_update, "pods are updated");
        }
    }
    if ready < want {
        return count_missing(ready, want, "pods are ready");
    }
    // With `minReadySeconds` a pod is ready for a while before it counts as available.
    if view.integer("/status/availableReplicas").is_some_and(|available| available < want) {
        return count_missing(status("availableReplicas"), want, "pods are available");
    }
    revision_settled(view)
}

fn partition(view: ObjectView<'_>) -> i64 {
    view.integer("/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0)
}

/// The controller moves `currentRevision` to `updateRevision` as its last step, when every pod is updated and ready.
fn revision_settled(view: ObjectView<'_>) -> Readiness {
    let rolls = view.text("/spec/updateStrategy/type") != Some("OnDelete") && partition(view) == 0;
    let revisions = (view.text("/status/currentRevision"), view.text("/status/updateRevision"));
    if rolls && revisions.0 != revisions.1 {
        return Readiness::progressing(
            "the update is not finished: `currentRevision` differs from `updateRevision`",
        );
    }
    Readiness::Ready
}
