//! The replica set of a deployment's present template, and which number its revision has.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use super::status::condition;
use super::{Rollout, created, is_template_of, pods, replicas, sum};
use crate::controllers::decision::Told;
use crate::controllers::view::{annotation, controller_reference, is_deleted, name_of, namespace_of};

/// The label by which the replica sets of a deployment are told apart.
pub(super) const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub(super) const MAXIMUM: &str = "deployment.kubernetes.io/max-replicas";

/// Annotations that speak of the deployment itself and are not copied to its replica sets.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
    REVISION,
    HISTORY,
    DESIRED,
    MAXIMUM,
];

impl Rollout {
    /// Takes the replica set of the present template out of the old ones; the oldest, should there be several.
    pub(super) fn find_new(&mut self) {
        let found = self.old.iter().position(|set| is_template_of(&self.deployment, set));
        self.new = found.map(|index| self.old.remove(index));
    }

    /// Gives the new replica set its revision, and the deployment the same. Makes no replica set.
    pub(super) fn sync_revision(&mut self) {
        let Some(set) = &self.new else { return };
        let revision = self.next_revision();
        let mut annotations = self.copied_annotations();
        annotations.retain(|key, value| annotation(set, key) != Some(value));
        let before = annotation(set, REVISION).map(str::to_owned);
        if before.as_deref().and_then(|text| text.parse::<i64>().ok()).unwrap_or(0) < revision {
            annotations.insert(REVISION.to_owned(), revision.to_string());
            if let Some(before) = before {
                let earlier = annotation(set, HISTORY).map(|earlier| format!("{earlier},{before}"));
                annotations.insert(HISTORY.to_owned(), earlier.unwrap_or(before));
            }
        }
        let minimum = self.spec().min_ready_seconds;
        let has_other_minimum = set
            .spec
            .as_ref()
            .is_some_and(|spec| spec.min_ready_seconds.unwrap_or_default() != minimum.unwrap_or_default());
        if !annotations.is_empty() || has_other_minimum {
            let mut merge = json!({ "metadata": { "annotations": annotations } });
            if has_other_minimum {
                merge["spec"] = json!({ "minReadySeconds": minimum });
            }
            self.decision.change(set, merge);
        }
        if let Some(set) = &mut self.new {
            set.metadata.annotations.get_or_insert_default().extend(annotations);
            set.spec.get_or_insert_default().min_ready_seconds = minimum;
        }
        self.adopt_revision();
    }

    /// Copies the revision of the new replica set to the deployment.
    fn adopt_revision(&mut self) {
        let Some(set) = &self.new else { return };
        let revision = annotation(set, REVISION).unwrap_or_default().to_owned();
        let message = format!("Found new replica set \"{}\"", name_of(set));
        let is_new = self.set_revision(&revision);
        let is_first = self.deadline().is_some() && condition(&self.status(), "Progressing").is_none();
        if is_first {
            self.set_condition("Progressing", "True", "FoundNewReplicaSet", &message);
        }
        if is_new || is_first {
            self.write_status();
        }
    }

    /// The new replica set, which is made where there is none yet. False when it could not be made.
    pub(super) fn ensure_new(&mut self) -> bool {
        if self.new.is_some() {
            self.sync_revision();
            return true;
        }
        let mut set = self.blank();
        let name = name_of(&set).to_owned();
        if let Some(error) = self.refusal.clone() {
            if self.deadline().is_some() {
                let message = format!("Failed to create new replica set \"{name}\": {error}");
                self.set_condition("Progressing", "False", "ReplicaSetCreateError", &message);
                self.write_status();
            }
            return false;
        }
        let revision = self.next_revision().to_string();
        let count = self.growth(replicas(&set));
        set.spec.get_or_insert_default().replicas = Some(count);
        let annotations = set.metadata.annotations.get_or_insert_default();
        annotations.insert(REVISION.to_owned(), revision.clone());
        annotations.extend(self.replica_annotations());
        let told = Told::about(&self.deployment).refused(
            "ReplicaSetCreateError",
            format!("Failed to create new replica set \"{name}\": {{error}}"),
        );
        let scaled = format!("Scaled up replica set {name} from 0 to {count}");
        let told = if count > 0 { told.done("ScalingReplicaSet", scaled) } else { told };
        self.decision.create(&set, Some(told));
        self.new = Some(set);
        self.set_revision(&revision);
        if self.deadline().is_some() {
            let message = format!("Created new replica set \"{name}\"");
            self.set_condition("Progressing", "True", "NewReplicaSetCreated", &message);
        }
        self.write_status();
        true
    }

    /// A replica set of the present template that asks for no pods yet.
    fn blank(&self) -> ReplicaSet {
        let mut template = self.spec().template.clone();
        let hash = pods::hash(&template);
        let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
        labels.insert(HASH.to_owned(), hash.clone());
        let labels = labels.clone();
        let mut selector = self.spec().selector.clone();
        selector.match_labels.get_or_insert_default().insert(HASH.to_owned(), hash.clone());
        ReplicaSet {
            metadata: ObjectMeta {
                name: Some(format!("{}-{hash}", name_of(&self.deployment))),
                namespace: Some(namespace_of(&self.deployment).to_owned()),
                labels: Some(labels),
                annotations: Some(self.copied_annotations()),
                owner_references: Some(vec![controller_reference(&self.deployment)]),
                ..ObjectMeta::default()
            },
            spec: Some(ReplicaSetSpec {
                replicas: Some(0),
                min_ready_seconds: self.spec().min_ready_seconds,
                selector,
                template: Some(template),
            }),
            status: None,
        }
    }

    /// One more than any old replica set has.
    fn next_revision(&self) -> i64 {
        let revisions = self.old.iter().filter_map(|set| annotation(set, REVISION)?.parse::<i64>().ok());
        revisions.max().unwrap_or(0) + 1
    }

    fn copied_annotations(&self) -> BTreeMap<String, String> {
        let all = self.deployment.metadata.annotations.clone().unwrap_or_default();
        all.into_iter().filter(|(key, _)| !OWN.contains(&key.as_str())).collect()
    }

    /// What a replica set remembers of the deployment's size: how it is noticed that this was changed.
    pub(super) fn replica_annotations(&self) -> BTreeMap<String, String> {
        let maximum = self.wanted() + self.max_surge();
        [(DESIRED, self.wanted()), (MAXIMUM, maximum)]
            .map(|(key, count)| (key.to_owned(), count.to_string()))
            .into()
    }

    /// How many replicas the new replica set may ask for now.
    pub(super) fn growth(&self, own: i32) -> i32 {
        if self.strategy() != "RollingUpdate" {
            return self.wanted();
        }
        let room = self.wanted() + self.max_surge() - sum(self.all(), replicas);
        if room <= 0 { own } else { own + room.min(self.wanted() - own) }
    }

    fn set_revision(&mut self, revision: &str) -> bool {
        let annotations = self.deployment.metadata.annotations.get_or_insert_default();
        annotations.insert(REVISION.to_owned(), revision.to_owned()).as_deref() != Some(revision)
    }

    /// What is written to the deployment together with its status.
    pub(super) fn revision_annotation(&self) -> BTreeMap<String, String> {
        let revision = annotation(&self.deployment, REVISION);
        revision.map(|revision| (REVISION.to_owned(), revision.to_owned())).into_iter().collect()
    }

    /// Deletes replica sets beyond `revisionHistoryLimit`, the oldest first.
    pub(super) fn clean_up(&mut self) {
        let limit = usize::try_from(self.spec().revision_history_limit.unwrap_or(10)).unwrap_or(usize::MAX);
        let mut alive: Vec<_> = self.old.iter().filter(|set| !is_deleted(*set)).collect();
        let surplus = alive.len().saturating_sub(limit);
        alive.sort_by_key(|set| {
            (annotation(*set, REVISION).and_then(|text| text.parse::<i64>().ok()), created(set))
        });
        let is_empty = |set: &&&ReplicaSet| {
            let status = set.status.as_ref();
            let observed = status.and_then(|status| status.observed_generation);
            replicas(set) == 0
                && status.is_some_and(|status| status.replicas == 0)
                && observed >= set.metadata.generation
        };
        for set in alive.iter().take(surplus).filter(is_empty) {
            self.decision.delete(*set, None);
        }
    }
}
