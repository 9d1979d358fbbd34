//! Which objects are a controller's own.

use serde::Serialize;
use serde_json::json;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};

use super::decision::Decision;
use super::pods::selects;
use super::view::{Known, View, controller_reference, is_deleted, namespace_of, uid_of};

/// The objects that an owner controls. One without a controller whose labels are meant is adopted; one whose labels are no longer meant is
/// let go.
pub(crate) fn claim<O: Known, T: Known + Serialize>(
    owner: &O,
    selector: &LabelSelector,
    view: &dyn View,
    decision: &mut Decision,
) -> Vec<T> {
    let mut own = Vec::new();
    for mut object in view.all::<T>(namespace_of(owner)) {
        let references = object.metadata().owner_references.clone().unwrap_or_default();
        let is_meant = selects(selector, object.metadata().labels.as_ref());
        match controller(&references) {
            Some(controller) if controller.uid != uid_of(owner) => {}
            Some(_) if is_meant || is_deleted(owner) => own.push(object),
            Some(_) => {
                let others: Vec<_> = references.iter().filter(|one| one.uid != uid_of(owner)).collect();
                decision.change(&object, json!({ "metadata": { "ownerReferences": others } }));
            }
            None if is_meant && !is_deleted(owner) && !is_deleted(&object) => {
                let references: Vec<_> =
                    references.into_iter().chain([controller_reference(owner)]).collect();
                decision.change(&object, json!({ "metadata": { "ownerReferences": references } }));
                object.metadata_mut().owner_references = Some(references);
                own.push(object);
            }
            None => {}
        }
    }
    own
}

fn controller(references: &[OwnerReference]) -> Option<&OwnerReference> {
    references.iter().find(|reference| reference.controller == Some(true))
}
