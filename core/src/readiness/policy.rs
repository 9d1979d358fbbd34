//! Disruption budgets and autoscalers: objects that govern others and work as soon as their target does.

use crate::object::{ObjectView, Status};

use super::Readiness;

/// A disruption budget is ready when stored, unless its controller cannot compute it (`DisruptionAllowed=False` with reason
/// `SyncFailed`, for example pods whose controller has no scale). A budget that allows no disruption right now is sound.
pub(super) fn disruption_budget(view: ObjectView<'_>) -> Readiness {
    match view.condition("DisruptionAllowed") {
        Some(allowed) if allowed.status == Status::False && allowed.reason == "SyncFailed" => {
            Readiness::progressing(allowed.words())
        }
        _ => Readiness::Ready,
    }
}

/// An autoscaler is ready when stored, unless it cannot find or scale its target (`AbleToScale=False`).
///
/// `ScalingActive=False` holds nothing: metrics of new pods arrive a minute after the pods do, and a cluster without a metrics
/// server still runs the replicas it was given.
pub(super) fn autoscaler(view: ObjectView<'_>) -> Readiness {
    match view.condition("AbleToScale") {
        Some(able) if able.status == Status::False => Readiness::progressing(able.words()),
        _ => Readiness::Ready,
    }
}
