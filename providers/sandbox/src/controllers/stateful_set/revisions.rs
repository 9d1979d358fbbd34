//! The history of a stateful set's template, kept in controller revisions.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use serde_json::{Value, json};

use super::replicas::REVISION;
use crate::controllers::decision::{Decision, value};
use crate::controllers::pods;
use crate::controllers::view::{controller_reference, label, name_of, namespace_of, read};

const HASH: &str = "controller.kubernetes.io/hash";

/// The revisions of a template, and which two of them count.
#[derive(Debug)]
pub(super) struct Revisions {
    /// In the order of their numbers.
    all: Vec<ControllerRevision>,
    /// What pods below the partition, and all before an update, are of.
    current: ControllerRevision,
    /// What pods are updated to: the present template.
    update: ControllerRevision,
}

impl Revisions {
    /// Finds the revision of the present template; makes one, or takes an earlier one up again, where the last is another.
    pub(super) fn find(set: &StatefulSet, mut all: Vec<ControllerRevision>, decision: &mut Decision) -> Self {
        all.sort_by_key(|revision| revision.revision);
        let next = all.last().map_or(1, |last| last.revision + 1);
        let new = revision(set, next);
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
        let current = set.status.as_ref().and_then(|status| status.current_revision.as_deref());
        let current = all.iter().find(|one| Some(name_of(*one)) == current).unwrap_or(&update).clone();
        Self { all, current, update }
    }

    pub(super) fn current_name(&self) -> &str {
        name_of(&self.current)
    }

    pub(super) fn update_name(&self) -> &str {
        name_of(&self.update)
    }

    /// The name and the template of the current revision or of the one to update to.
    pub(super) fn template(&self, current: bool) -> (&str, PodTemplateSpec) {
        let revision = if current { &self.current } else { &self.update };
        let data = revision.data.as_ref().map_or(&Value::Null, |data| &data.0);
        (name_of(revision), read(&data["spec"]["template"]).unwrap_or_default())
    }

    /// Deletes the oldest revisions that no pod is of, beyond `revisionHistoryLimit`.
    pub(super) fn truncate<'p>(
        &self,
        set: &StatefulSet,
        pods: impl Iterator<Item = &'p Pod>,
        decision: &mut Decision,
    ) {
        let mut live: BTreeSet<&str> = pods.filter_map(|pod| label(pod, REVISION)).collect();
        live.extend([self.current_name(), self.update_name()]);
        let dead: Vec<_> = self.all.iter().filter(|one| !live.contains(name_of(*one))).collect();
        let limit = set.spec.as_ref().and_then(|spec| spec.revision_history_limit).unwrap_or(10);
        let surplus = dead.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        for revision in dead.into_iter().take(surplus) {
            decision.delete(revision, None);
        }
    }
}

/// The present template as a revision. Its data is the patch that brings a set back to it, as `kubectl rollout undo` applies it.
fn revision(set: &StatefulSet, number: i64) -> ControllerRevision {
    let template = set.spec.as_ref().map(|spec| &spec.template);
    let mut data = json!({ "spec": { "template": template.map(value) } });
    data["spec"]["template"]["$patch"] = "replace".into();
    let hash = pods::hash(&data);
    let metadata = template.and_then(|template| template.metadata.as_ref());
    let mut labels = metadata.and_then(|metadata| metadata.labels.clone()).unwrap_or_default();
    labels.insert(HASH.to_owned(), hash.clone());
    ControllerRevision {
        metadata: ObjectMeta {
            name: Some(format!("{}-{hash}", name_of(set))),
            namespace: Some(namespace_of(set).to_owned()),
            labels: Some(labels),
            annotations: set.metadata.annotations.clone(),
            owner_references: Some(vec![controller_reference(set)]),
            ..ObjectMeta::default()
        },
        data: Some(RawExtension(data)),
        revision: number,
    }
}
