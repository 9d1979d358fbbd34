//! The history of a template, kept in controller revisions: of stateful sets and of daemon sets.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use serde_json::{Value, json};

use super::decision::{Decision, value};
use super::pods;
use super::view::{Known, controller_reference, label, name_of, namespace_of, read};

/// The label by which pods say of which revision they are.
pub(crate) const REVISION: &str = "controller-revision-hash";

/// The label that holds the hash of a revision of a stateful set.
pub(crate) const HASH: &str = "controller.kubernetes.io/hash";

/// Whose template it is.
pub(crate) struct Owner<'o, T> {
    pub(crate) object: &'o T,
    pub(crate) template: &'o PodTemplateSpec,
    /// The label that holds a revision's hash.
    pub(crate) label: &'static str,
    /// The name of the current revision, if the owner tells one.
    pub(crate) current: Option<&'o str>,
}

/// The revisions of a template, and which two of them count.
#[derive(Debug)]
pub(crate) struct Revisions {
    /// In the order of their numbers.
    all: Vec<ControllerRevision>,
    /// What pods below the partition, and all before an update, are of.
    current: ControllerRevision,
    /// What pods are updated to: the present template.
    update: ControllerRevision,
}

impl Revisions {
    /// Finds the revision of the present template; makes one, or takes an earlier one up again, where the last is another.
    pub(crate) fn find<T: Known>(
        owner: &Owner<'_, T>,
        mut all: Vec<ControllerRevision>,
        decision: &mut Decision,
    ) -> Self {
        all.sort_by_key(|revision| revision.revision);
        let next = all.last().map_or(1, |last| last.revision + 1);
        let new = revision(owner, next);
        let found = all.iter().rposition(|one| one.data == new.data);
        let update = match found {
            Some(index) if index + 1 == all.len() => all[index].clone(),
            Some(index) => {
                let again = ControllerRevision { revision: next, ..all[index].clone() };
                decision.change(&again, json!({ "revision": next }));
                again
            }
            None => {
                decision.create(&new, None);
                new
            }
        };
        let current = all.iter().find(|one| Some(name_of(*one)) == owner.current).unwrap_or(&update).clone();
        Self { all, current, update }
    }

    pub(crate) fn current_name(&self) -> &str {
        name_of(&self.current)
    }

    pub(crate) fn update_name(&self) -> &str {
        name_of(&self.update)
    }

    /// The name and the template of the current revision or of the one to update to.
    pub(crate) fn template(&self, current: bool) -> (&str, PodTemplateSpec) {
        let revision = if current { &self.current } else { &self.update };
        let data = revision.data.as_ref().map_or(&Value::Null, |data| &data.0);
        (name_of(revision), read(&data["spec"]["template"]).unwrap_or_default())
    }

    /// The hash of the revision to update to.
    pub(crate) fn update_hash(&self, label: &str) -> &str {
        self::label(&self.update, label).unwrap_or_default()
    }

    /// Deletes the oldest revisions that are not lived by any pod, beyond a limit. Pods name them in full or by their hash.
    pub(crate) fn truncate<'p>(
        &self,
        limit: Option<i32>,
        lived: impl Iterator<Item = &'p str>,
        decision: &mut Decision,
    ) {
        let mut live: BTreeSet<&str> = lived.collect();
        live.extend([self.current_name(), self.update_name()]);
        let is_live = |one: &ControllerRevision| {
            let hash = label(one, REVISION).or_else(|| label(one, HASH)).unwrap_or_default();
            live.contains(name_of(one)) || live.contains(hash)
        };
        let dead: Vec<_> = self.all.iter().filter(|one| !is_live(one)).collect();
        let surplus = dead.len().saturating_sub(usize::try_from(limit.unwrap_or(10)).unwrap_or(usize::MAX));
        for revision in dead.into_iter().take(surplus) {
            decision.delete(revision, None);
        }
    }
}

/// The present template as a revision. Its data is the patch that brings a set back to it, as `kubectl rollout undo` applies it.
fn revision<T: Known>(owner: &Owner<'_, T>, number: i64) -> ControllerRevision {
    let mut data = json!({ "spec": { "template": value(owner.template) } });
    data["spec"]["template"]["$patch"] = "replace".into();
    let hash = pods::hash(&data);
    let metadata = owner.template.metadata.as_ref();
    let mut labels = metadata.and_then(|metadata| metadata.labels.clone()).unwrap_or_default();
    labels.insert(owner.label.to_owned(), hash.clone());
    ControllerRevision {
        metadata: ObjectMeta {
            name: Some(format!("{}-{hash}", name_of(owner.object))),
            namespace: Some(namespace_of(owner.object).to_owned()),
            labels: Some(labels),
            annotations: owner.object.metadata().annotations.clone(),
            owner_references: Some(vec![controller_reference(owner.object)]),
            ..ObjectMeta::default()
        },
        data: Some(RawExtension(data)),
        revision: number,
    }
}
