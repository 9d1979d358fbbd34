//! Prune: what left a release leaves the cluster, unless it holds data or is protected.
//!
//! Only objects of the environment's own inventory are ever removed, and only the very object that was applied: by its UID.

use windlass_cluster::{
    AppliedObject, Change, Cluster, ClusterError, DataDeletion, Deletion, InventoryItem, Marker, Planned,
    holds_data,
};
use windlass_core::name::Digest;
use windlass_core::object::{ObjectRef, ObjectView};
use windlass_core::policy::control::EnvironmentPolicy;

use crate::secrets::DIGEST_ANNOTATION;

/// What is to be removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removal {
    /// To be deleted, in the reverse order of apply.
    pub delete: Vec<InventoryItem>,
    /// Left the release too, but stay.
    pub keep: Vec<InventoryItem>,
}

/// What left between the release that the marker tells of and the one that is planned.
pub fn plan(marker: Option<&Marker>, planned: &[Planned], policy: &EnvironmentPolicy) -> Removal {
    let mut removal = Removal::default();
    let gone = marker.into_iter().flat_map(|marker| &marker.inventory);
    for item in gone.filter(|item| !planned.iter().any(|plan| plan.reference == item.object)) {
        if is_kept(&item.object, policy) {
            removal.keep.push(item.clone());
        } else {
            removal.delete.push(item.clone());
        }
    }
    removal.delete.sort_by(|one, other| other.object.cmp(&one.object));
    removal
}

/// Kept is what holds data, what any service protects, and everything where a service asks not to prune: an object that has left the overlay
/// no longer says whose it was.
fn is_kept(object: &ObjectRef, policy: &EnvironmentPolicy) -> bool {
    let protects = |service: &windlass_core::policy::control::ServicePolicy| {
        !service.prune.value
            || service.protect.value.iter().any(|protected| protected.covers(&object.kind, &object.name))
    };
    policy.services.values().any(protects) || (policy.services.is_empty() && holds_data(object))
}

/// Removes what was planned to be removed. What is gone already, or is another object of the same name, is done.
pub async fn carry_out(cluster: &Cluster, removal: &Removal) -> Result<(), ClusterError> {
    for item in &removal.delete {
        let uid = if item.uid.is_empty() {
            uid_if_ours(cluster, &item.object).await?
        } else {
            Some(item.uid.clone())
        };
        if let Some(uid) = uid {
            // Whether data may be lost was decided above, by the policy.
            let deletion = Deletion { data: DataDeletion::Allowed, ..Deletion::of(uid) };
            cluster.delete(&item.object, &deletion).await?;
        }
    }
    Ok(())
}

/// The identity of an object that was announced and perhaps made: ours only if it carries our digest.
async fn uid_if_ours(cluster: &Cluster, reference: &ObjectRef) -> Result<Option<String>, ClusterError> {
    let object = cluster.get(reference).await?;
    let view = object.as_ref().map(ObjectView::new);
    Ok(view
        .filter(|view| view.annotation(DIGEST_ANNOTATION).is_some())
        .and_then(ObjectView::uid)
        .map(str::to_owned))
}

/// The inventory while an apply is under way: what was there, and what is about to be made, which has no identity yet.
pub fn with_coming(mut inventory: Vec<InventoryItem>, planned: &[Planned]) -> Vec<InventoryItem> {
    let coming = planned.iter().filter(|plan| {
        plan.change == Change::Created && !inventory.iter().any(|item| item.object == plan.reference)
    });
    let coming: Vec<_> = coming
        .map(|plan| InventoryItem {
            object: plan.reference.clone(),
            uid: String::new(),
            digest: digest_of(&plan.object),
        })
        .collect();
    inventory.extend(coming);
    inventory
}

/// What the release consists of in the cluster.
pub fn inventory(planned: &[Planned], applied: &[AppliedObject]) -> Vec<InventoryItem> {
    let wanted = |reference: &ObjectRef| planned.iter().find(|plan| plan.reference == *reference);
    let item = |object: &AppliedObject| InventoryItem {
        object: object.reference.clone(),
        uid: object.uid.clone(),
        digest: wanted(&object.reference)
            .map_or_else(|| Digest::recorded(""), |plan| digest_of(&plan.object)),
    };
    applied.iter().map(item).collect()
}

/// The digest that sealing has put on an object.
fn digest_of(object: &serde_json::Value) -> Digest {
    Digest::recorded(ObjectView::new(object).annotation(DIGEST_ANNOTATION).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use windlass_core::name::RunId;
    use windlass_core::policy::control::DeployControl;

    const POLICY: &str = "\
global: {auto_deploy: true}
environments:
  dev:
    enabled: true
    auto_deploy: true
    require_manual_approval: false
    deployment_windows: {enabled: false}
    services:
      api: {enabled: true, auto_deploy: true, require_approval: false, rollback_on_failure: true EXTRA}
";

    fn item(kind: &str, name: &str) -> InventoryItem {
        let object =
            json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}});
        let object = ObjectRef::of(&object).unwrap();
        InventoryItem { object, uid: format!("uid-{name}"), digest: Digest::of(b"") }
    }

    /// What is removed and what stays when a release of everything is followed by one of nothing.
    fn check(extra: &str, inventory: &[InventoryItem], removed: &[&str], kept: &[&str]) {
        let control = DeployControl::parse("policy", &POLICY.replace("EXTRA", extra)).unwrap();
        let policy = control.environments.values().next().unwrap();
        let marker =
            Marker { epoch: 1, run: RunId(1), release: Digest::of(b""), inventory: inventory.to_vec() };
        let removal = plan(Some(&marker), &[], policy);
        let names =
            |items: &[InventoryItem]| items.iter().map(|item| item.object.name.clone()).collect::<Vec<_>>();
        assert_eq!((names(&removal.delete), names(&removal.keep)), (owned(removed), owned(kept)), "{extra}");
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_holds_data_stays_unless_the_policy_says_otherwise() {
        let inventory = [item("ConfigMap", "settings"), item("PersistentVolumeClaim", "data")];
        check("", &inventory, &["settings"], &["data"]);
        check(", protect: []", &inventory, &["data", "settings"], &[]);
        check(
            ", protect: [ConfigMap/settings, PersistentVolumeClaim]",
            &inventory,
            &[],
            &["settings", "data"],
        );
        check(", prune: false", &inventory, &[], &["settings", "data"]);
    }

    #[test]
    fn what_was_applied_last_goes_first() {
        let inventory = [item("Namespace", "a"), item("ConfigMap", "b"), item("Service", "c")];
        check(", protect: []", &inventory, &["c", "b", "a"], &[]);
    }

    #[test]
    fn without_a_marker_nothing_is_ours() {
        let control = DeployControl::parse("policy", &POLICY.replace("EXTRA", "")).unwrap();
        let policy = control.environments.values().next().unwrap();
        assert_eq!(plan(None, &[], policy), Removal::default());
    }
}
