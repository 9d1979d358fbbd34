//! Custom resource definitions and aggregated APIs: kinds that add kinds.

use crate::diagnosis::Cause;
use crate::object::{ObjectView, Status};

use super::{Readiness, conditions::said};

/// A definition is ready when its names are accepted and the API server serves it (`Established`). Names that another definition
/// holds are never accepted by waiting (Kubernetes API reference, `CustomResourceDefinitionConditionType`).
pub(super) fn definition(view: ObjectView<'_>) -> Readiness {
    if let Some(names) = view.condition("NamesAccepted")
        && names.status == Status::False
    {
        return Readiness::failed(Cause::Stalled, said(&names));
    }
    match view.condition("Established") {
        Some(established) if established.status == Status::True => Readiness::Ready,
        Some(established) => Readiness::progressing(said(&established)),
        None => Readiness::progressing("the API server does not serve it yet"),
    }
}

/// An aggregated API is ready when the API server reaches its backend (`Available`); before the backend's pods run it is
/// `False` with reason `MissingEndpoints` or `FailedDiscoveryCheck`, which passes.
pub(super) fn api_service(view: ObjectView<'_>) -> Readiness {
    match view.condition("Available") {
        Some(available) if available.status == Status::True => Readiness::Ready,
        Some(available) => Readiness::progressing(said(&available)),
        None => Readiness::progressing("the API server has not checked its backend yet"),
    }
}
