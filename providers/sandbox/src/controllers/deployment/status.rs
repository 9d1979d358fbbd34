//! What a deployment tells of itself.

use k8s_openapi::api::apps::v1::{DeploymentCondition, DeploymentStatus, ReplicaSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::{Rollout, available, replicas, sum};
use crate::controllers::decision::{Write, value};
use crate::controllers::pods::{later, unless_zero};
use crate::controllers::view::{Subject, name_of};

/// The condition of a type, if it was ever told.
pub(super) fn condition<'s>(status: &'s DeploymentStatus, kind: &str) -> Option<&'s DeploymentCondition> {
    status.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

impl Rollout {
    /// `progressDeadlineSeconds`, unless it stands for none at all.
    pub(super) fn deadline(&self) -> Option<i32> {
        Some(self.spec().progress_deadline_seconds.unwrap_or(600)).filter(|seconds| *seconds != i32::MAX)
    }

    /// Says that a deployment was paused or resumed; not where the rollout has already run out of time.
    pub(super) fn tell_whether_paused(&mut self) {
        let status = self.status();
        let reason = condition(&status, "Progressing").and_then(|condition| condition.reason.clone());
        if self.deadline().is_none() || reason.as_deref() == Some("ProgressDeadlineExceeded") {
            return;
        }
        let was_paused = reason.as_deref() == Some("DeploymentPaused");
        match (self.is_paused(), was_paused) {
            (true, false) => {
                self.set_condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused");
            }
            (false, true) => {
                self.set_condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed");
            }
            _ => return,
        }
        self.write_status();
    }

    /// Counts and availability, without a word on progress.
    pub(super) fn sync_status(&mut self) {
        let status = self.counted();
        self.write_if_new(status);
    }

    /// Counts, availability, progress and what keeps replica sets from making pods.
    pub(super) fn sync_rollout_status(&mut self) {
        let mut status = self.counted();
        let before = self.status();
        let progress = condition(&before, "Progressing");
        let has_completed = status.replicas == status.updated_replicas
            && progress.and_then(|progress| progress.reason.as_deref()) == Some("NewReplicaSetAvailable");
        if self.deadline().is_none() {
            remove(&mut status, "Progressing");
        } else if !has_completed {
            self.judge_progress(&mut status);
        }
        match self.failure() {
            Some(failure) => set(&mut status, failure),
            None => remove(&mut status, "ReplicaFailure"),
        }
        if !self.write_if_new(status) {
            self.watch_deadline();
        }
    }

    fn judge_progress(&self, status: &mut DeploymentStatus) {
        let before = self.status();
        let progress = condition(&before, "Progressing");
        let who = match &self.new {
            Some(set) => format!("ReplicaSet \"{}\"", name_of(set)),
            None => format!("Deployment \"{}\"", name_of(&self.deployment)),
        };
        if self.is_complete(status) {
            let message = format!("{who} has successfully progressed.");
            set(status, self.condition("Progressing", "True", "NewReplicaSetAvailable", &message));
        } else if has_progressed(&before, status) {
            let message = format!("{who} is progressing.");
            let mut condition = self.condition("Progressing", "True", "ReplicaSetUpdated", &message);
            // Its update time moves with every step, though neither status nor reason changes.
            if let Some(progress) = progress.filter(|progress| progress.status == "True") {
                condition.last_transition_time.clone_from(&progress.last_transition_time);
            }
            remove(status, "Progressing");
            set(status, condition);
        } else if self.has_timed_out() {
            let message = format!("{who} has timed out progressing.");
            set(status, self.condition("Progressing", "False", "ProgressDeadlineExceeded", &message));
        }
    }

    /// Whether every replica is of the present template and available.
    pub(super) fn is_complete(&self, status: &DeploymentStatus) -> bool {
        let wanted = self.wanted();
        let counts = [status.updated_replicas, status.replicas, status.available_replicas];
        counts.iter().all(|count| count.unwrap_or_default() == wanted)
            && status.observed_generation >= self.deployment.metadata.generation
    }

    fn has_timed_out(&self) -> bool {
        let status = self.status();
        let Some(progress) = condition(&status, "Progressing") else { return false };
        match progress.reason.as_deref() {
            Some("NewReplicaSetAvailable") => false,
            Some("ProgressDeadlineExceeded") => true,
            _ => self.runs_out_at(progress).is_some_and(|at| at <= self.now),
        }
    }

    fn runs_out_at(&self, progress: &DeploymentCondition) -> Option<Timestamp> {
        let updated = progress.last_update_time.as_ref()?;
        Some(later(updated.0, i64::from(self.deadline()?)))
    }

    /// Looks again when a rollout that stands still runs out of time.
    fn watch_deadline(&mut self) {
        let status = self.status();
        let Some(progress) = condition(&status, "Progressing") else { return };
        let is_over = progress.reason.as_deref() == Some("ProgressDeadlineExceeded");
        if let Some(at) = self.runs_out_at(progress).filter(|_| !is_over && !self.is_complete(&status)) {
            self.decision.look_again(at);
        }
    }

    fn counted(&self) -> DeploymentStatus {
        let before = self.status();
        let count = |count: fn(&ReplicaSet) -> i32| sum(self.all(), count);
        let available = count(available);
        let mut status = DeploymentStatus {
            observed_generation: self.deployment.metadata.generation,
            replicas: unless_zero(count(actual)),
            updated_replicas: unless_zero(self.new.as_ref().map_or(0, actual)),
            ready_replicas: unless_zero(count(ready)),
            available_replicas: unless_zero(available),
            unavailable_replicas: unless_zero((count(replicas) - available).max(0)),
            ..before
        };
        let condition = if available >= self.min_available() {
            let message = "Deployment has minimum availability.";
            self.condition("Available", "True", "MinimumReplicasAvailable", message)
        } else {
            let message = "Deployment does not have minimum availability.";
            self.condition("Available", "False", "MinimumReplicasUnavailable", message)
        };
        set(&mut status, condition);
        status
    }

    /// What keeps a replica set from making pods; the new one is asked first.
    fn failure(&self) -> Option<DeploymentCondition> {
        let conditions = |set: &ReplicaSet| set.status.clone()?.conditions;
        let found = self.new.iter().chain(&self.old).filter_map(conditions).flatten();
        let failure = found.into_iter().find(|condition| condition.type_ == "ReplicaFailure")?;
        Some(DeploymentCondition {
            type_: failure.type_,
            status: failure.status,
            reason: failure.reason,
            message: failure.message,
            last_update_time: failure.last_transition_time.clone(),
            last_transition_time: failure.last_transition_time,
        })
    }

    pub(super) fn set_condition(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        let condition = self.condition(kind, status, reason, message);
        set(self.deployment.status.get_or_insert_default(), condition);
    }

    fn condition(&self, kind: &str, status: &str, reason: &str, message: &str) -> DeploymentCondition {
        DeploymentCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_update_time: Some(Time(self.now)),
            last_transition_time: Some(Time(self.now)),
        }
    }

    fn write_if_new(&mut self, status: DeploymentStatus) -> bool {
        if self.status() == status {
            return false;
        }
        self.deployment.status = Some(status);
        self.write_status();
        true
    }

    /// Writes status and revision as they are now thought to be.
    pub(super) fn write_status(&mut self) {
        self.decision.writes.push(Write::Status {
            subject: Subject::of(&self.deployment),
            status: value(&self.status()),
            annotations: self.revision_annotation(),
        });
    }
}

/// Sets a condition, unless one with the same status and reason is there; the time of transition goes with the status.
fn set(status: &mut DeploymentStatus, mut condition: DeploymentCondition) {
    if let Some(before) = self::condition(status, &condition.type_) {
        if before.status == condition.status && before.reason == condition.reason {
            return;
        }
        if before.status == condition.status {
            condition.last_transition_time.clone_from(&before.last_transition_time);
        }
    }
    remove(status, &condition.type_);
    status.conditions.get_or_insert_default().push(condition);
}

fn remove(status: &mut DeploymentStatus, kind: &str) {
    if let Some(conditions) = &mut status.conditions {
        conditions.retain(|condition| condition.type_ != kind);
    }
}

fn has_progressed(before: &DeploymentStatus, now: &DeploymentStatus) -> bool {
    let count = |count: Option<i32>| count.unwrap_or_default();
    let old = |status: &DeploymentStatus| count(status.replicas) - count(status.updated_replicas);
    count(now.updated_replicas) > count(before.updated_replicas)
        || old(now) < old(before)
        || count(now.ready_replicas) > count(before.ready_replicas)
        || count(now.available_replicas) > count(before.available_replicas)
}

fn actual(set: &ReplicaSet) -> i32 {
    set.status.as_ref().map_or(0, |status| status.replicas)
}

fn ready(set: &ReplicaSet) -> i32 {
    set.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default()
}
