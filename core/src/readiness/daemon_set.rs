//! DaemonSet.

use crate::object::ObjectView;

use super::{Readiness, count_missing};

/// A DaemonSet is ready when every node that should run its pod runs an available one of the new template
/// (`kubectl rollout status`, kstatus). With `OnDelete` the controller replaces nothing by itself, so old pods count as well.
/// No matching node is ready: there is nothing to run.
pub(super) fn daemon_set(view: ObjectView<'_>) -> Readiness {
    if view.observed_generation().is_none() {
        return Readiness::progressing("the DaemonSet controller has not seen it yet");
    }
    let status = |field: &str| view.integer(&format!("/status/{field}")).unwrap_or(0);
    let want = status("desiredNumberScheduled");
    let scheduled = status("currentNumberScheduled");
    if scheduled < want {
        return count_missing(scheduled, want, "nodes have a pod");
    }
    let updated = status("updatedNumberScheduled");
    if view.text("/spec/updateStrategy/type") != Some("OnDelete") && updated < want {
        return count_missing(updated, want, "nodes have an updated pod");
    }
    if status("numberReady") < want {
        return count_missing(status("numberReady"), want, "nodes have a ready pod");
    }
    if status("numberAvailable") < want {
        return count_missing(status("numberAvailable"), want, "nodes have an available pod");
    }
    Readiness::Ready
}
