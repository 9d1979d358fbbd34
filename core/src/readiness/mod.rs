//! Whether an object does what it was asked to do.
//!
//! [`judge`] is a pure function of one object and a [`Context`]. It asks in one order for every kind: is the object being
//! deleted, does the status speak of the generation we wrote, and then the rule of the kind. Each family of kinds has a file.
//! A kind without a rule of its own is judged by its conditions.
//!
//! Readiness is what the *controllers* say. Why something is not ready is often known earlier, from pods and events: that is
//! [`crate::diagnosis`].

mod conditions;
mod context;
mod daemon_set;
mod deployment;
mod extension;
mod job;
mod namespace;
mod network;
mod pod;
mod policy;
mod stateful_set;
mod storage;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::diagnosis::{Cause, scrub};
use crate::object::ObjectView;

pub use context::Context;

/// The readiness of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "readiness", rename_all = "snake_case")]
pub enum Readiness {
    /// It does what was asked.
    Ready,
    /// It may still become ready.
    Progressing {
        /// What is missing, in words that follow "waiting:".
        reason: String,
    },
    /// Its controller gave up; waiting cannot help.
    Failed {
        /// The kind of failure.
        cause: Cause,
        /// What the controller says.
        reason: String,
    },
}

impl Readiness {
    /// Whether this is [`Readiness::Ready`].
    pub fn is_ready(&self) -> bool {
        matches!(self, Readiness::Ready)
    }

    /// The words beside the state; none when ready.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Readiness::Ready => None,
            Readiness::Progressing { reason } | Readiness::Failed { reason, .. } => Some(reason),
        }
    }

    /// The same with credentials removed from what the controller says.
    pub(crate) fn scrubbed(self) -> Readiness {
        match self {
            Readiness::Ready => Readiness::Ready,
            Readiness::Progressing { reason } => Readiness::Progressing { reason: scrub(&reason) },
            Readiness::Failed { cause, reason } => Readiness::Failed { cause, reason: scrub(&reason) },
        }
    }

    pub(crate) fn progressing(reason: impl Into<String>) -> Readiness {
        Readiness::Progressing { reason: reason.into() }
    }

    pub(crate) fn failed(cause: Cause, reason: impl Into<String>) -> Readiness {
        Readiness::Failed { cause, reason: reason.into() }
    }
}

/// Judges the readiness of an object.
///
/// An object whose status was written for an older generation is never ready: `observedGeneration` is how a controller says
/// which wish its status answers (Kubernetes API conventions, "Typical status properties").
pub fn judge(object: &Value, context: &Context) -> Readiness {
    let view = ObjectView::new(object);
    if view.is_deleting() {
        return Readiness::progressing("it is being deleted");
    }
    if !is_observed(view) {
        return Readiness::progressing("its controller has not seen the change yet");
    }
    by_kind(view, context)
}

/// Whether the status answers the present generation. Kinds without the field are taken at their word.
fn is_observed(view: ObjectView<'_>) -> bool {
    match (view.observed_generation(), view.generation()) {
        (Some(observed), Some(generation)) => observed >= generation,
        _ => true,
    }
}

fn by_kind(view: ObjectView<'_>, context: &Context) -> Readiness {
    match (view.group(), view.kind()) {
        ("apps", "Deployment") => deployment::deployment(view),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => deployment::replica_set(view),
        ("apps", "StatefulSet") => stateful_set::stateful_set(view),
        ("apps", "DaemonSet") => daemon_set::daemon_set(view),
        ("batch", "Job") => job::job(view),
        ("batch", "CronJob") => job::cron_job(view),
        ("", "Pod") => pod::pod(view),
        ("", "PersistentVolumeClaim") => storage::claim(view, context),
        ("", "PersistentVolume") => storage::volume(view),
        ("", "Service") => network::service(view),
        ("networking.k8s.io", "Ingress") => network::ingress(view, context),
        ("policy", "PodDisruptionBudget") => policy::disruption_budget(view),
        ("autoscaling", "HorizontalPodAutoscaler") => policy::autoscaler(view),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => extension::definition(view),
        ("apiregistration.k8s.io", "APIService") => extension::api_service(view),
        ("", "Namespace") => namespace::namespace(view),
        _ => conditions::any_kind(view),
    }
}

/// `2 of 3 replicas are WHAT`, the form of every missing count.
fn count_missing(have: i64, want: i64, what: &str) -> Readiness {
    Readiness::progressing(format!("{have} of {want} {what}"))
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "literals of JSON read best where they are used")]
mod tests;
