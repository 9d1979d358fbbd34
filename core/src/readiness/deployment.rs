//! Deployment and ReplicaSet.

use crate::diagnosis::Cause;
use crate::object::{ObjectView, Status};

use super::{Readiness, count_missing};

/// The rule of `kubectl rollout status` and kstatus: every replica is of the new template, no old one is left, and as many are
/// available as were asked for. `Progressing` with reason `ProgressDeadlineExceeded` is the controller giving up.
///
/// Counts are compared in the order in which a rollout fills them, so that the reason names the first one that lacks.
pub(super) fn deployment(view: ObjectView<'_>) -> Readiness {
    if view.observed_generation().is_none() {
        return Readiness::progressing("the Deployment controller has not seen it yet");
    }
    if let Some(progressing) = view.condition("Progressing")
        && progressing.reason == "ProgressDeadlineExceeded"
    {
        return Readiness::failed(Cause::DeadlineExceeded, progressing.words());
    }
    if view.flag("/spec/paused") {
        return Readiness::progressing("it is paused (`spec.paused`): nothing rolls out until it is resumed");
    }
    by_counts(view)
}

fn by_counts(view: ObjectView<'_>) -> Readiness {
    let status = |field: &str| view.integer(&format!("/status/{field}")).unwrap_or(0);
    let want = wanted(view);
    let (replicas, updated) = (status("replicas"), status("updatedReplicas"));
    if updated < want {
        return count_missing(updated, want, "replicas are updated");
    }
    if replicas > updated {
        return Readiness::progressing(format!(
            "{} old replicas are still there",
            replicas.saturating_sub(updated)
        ));
    }
    if status("availableReplicas") < want {
        let ready = status("readyReplicas");
        // With `minReadySeconds` a replica is ready for a while before it counts as available.
        let what = if ready < want {
            (ready, "replicas are ready")
        } else {
            (status("availableReplicas"), "replicas are available")
        };
        return count_missing(what.0, want, what.1);
    }
    match view.condition("Available") {
        Some(available) if available.status == Status::False => Readiness::progressing(available.words()),
        _ => Readiness::Ready,
    }
}

/// A ReplicaSet has no revision of its own: its pods must be there, ready, and available for `minReadySeconds`.
/// `observedGeneration` is always written by its controller, so its absence means that it has not been seen.
pub(super) fn replica_set(view: ObjectView<'_>) -> Readiness {
    if view.observed_generation().is_none() {
        return Readiness::progressing("the ReplicaSet controller has not seen it yet");
    }
    let status = |field: &str| view.integer(&format!("/status/{field}")).unwrap_or(0);
    let want = wanted(view);
    let replicas = status("replicas");
    if replicas < want {
        return count_missing(replicas, want, "pods are created");
    }
    if replicas > want {
        return Readiness::progressing(format!(
            "{} surplus pods are still there",
            replicas.saturating_sub(want)
        ));
    }
    if status("readyReplicas") < want {
        return count_missing(status("readyReplicas"), want, "pods are ready");
    }
    if status("availableReplicas") < want {
        return count_missing(status("availableReplicas"), want, "pods are available");
    }
    Readiness::Ready
}

/// `spec.replicas`, whose default is 1.
pub(super) fn wanted(view: ObjectView<'_>) -> i64 {
    view.integer("/spec/replicas").unwrap_or(1)
}
