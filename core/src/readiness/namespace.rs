//! Namespace.

use crate::object::ObjectView;

use super::Readiness;

/// A namespace is ready unless it is going away; `Active` is set by the API server when it is stored.
pub(super) fn namespace(view: ObjectView<'_>) -> Readiness {
    match view.text("/status/phase") {
        Some("Terminating") => Readiness::progressing("it is being deleted"),
        _ => Readiness::Ready,
    }
}
