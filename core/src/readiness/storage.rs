//! Volume claims and volumes.

use crate::diagnosis::Cause;
use crate::object::ObjectView;

use super::{Context, Readiness};

/// A claim is ready when it is bound.
///
/// A claim whose class binds late (`WaitForFirstConsumer`) and that no pod uses is ready too: nothing more will happen to it
/// until a pod comes, and a wait for it would hold back the very pod it waits for.
pub(super) fn claim(view: ObjectView<'_>, context: &Context) -> Readiness {
    match view.text("/status/phase") {
        Some("Bound") => Readiness::Ready,
        Some("Lost") => Readiness::failed(Cause::VolumePending, "the volume it was bound to is gone"),
        _ if context.waits_for_consumer(view) => Readiness::Ready,
        _ => Readiness::progressing(match view.text("/spec/storageClassName") {
            Some(class) => format!("no volume yet from storage class `{class}`"),
            None => "no volume yet".to_owned(),
        }),
    }
}

/// A volume is ready when it can be claimed or is; `Failed` is a reclamation that failed.
pub(super) fn volume(view: ObjectView<'_>) -> Readiness {
    match view.text("/status/phase") {
        Some("Failed") => Readiness::failed(
            Cause::Stalled,
            view.text("/status/message").unwrap_or("its reclamation failed"),
        ),
        Some("Pending") => Readiness::progressing("the volume is not available yet"),
        _ => Readiness::Ready,
    }
}
