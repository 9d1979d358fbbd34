//! Deployments: brings the replica sets of a deployment to what its template and its strategy say.
//!
//! As the deployment controller of Kubernetes 1.34 does it: one step at a time, each from what the replica sets tell, so that counts,
//! conditions and events come in the same order.

mod revision;
mod rolling;
mod scale;
mod status;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStatus, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::decision::{Decision, Moment};
use super::ownership;
use super::view::{Subject, View, controller_of, is_deleted, uid_of};
use super::{Controller, pods};

/// The controller of deployments.
#[derive(Debug)]
pub(crate) struct Deployments;

impl Controller for Deployments {
    fn name(&self) -> &'static str {
        "deployment-controller"
    }

    fn concerned(&self, object: &Value, view: &dyn View) -> Vec<Subject> {
        let subject = Subject::of_value(object);
        if subject.is::<Deployment>() {
            return vec![subject];
        }
        if subject.is::<ReplicaSet>() {
            return Subject::controller_of::<Deployment>(object).into_iter().collect();
        }
        if !subject.is::<Pod>() {
            return Vec::new();
        }
        // `Recreate` waits for the last old pod to go.
        let set = Subject::controller_of::<ReplicaSet>(object);
        let set = set.and_then(|set| view.get(&set.api_version, &set.kind, &set.namespace, &set.name));
        set.and_then(|set| Subject::controller_of::<Deployment>(&set)).into_iter().collect()
    }

    fn decide(&self, subject: &Subject, view: &dyn View, moment: &Moment) -> Decision {
        let Some(deployment) = view.find::<Deployment>(&subject.namespace, &subject.name) else {
            return Decision::default();
        };
        let mut decision = Decision::default();
        let selector = deployment.spec.as_ref().map(|spec| spec.selector.clone()).unwrap_or_default();
        let sets = ownership::claim(&deployment, &selector, view, &mut decision);
        let runs_old_pods = |sets: &[ReplicaSet], new: Option<&str>| {
            let pods = view.list("v1", "Pod", &subject.namespace);
            pods.iter().any(|pod| {
                let owner = controller_of(pod).and_then(|owner| owner["uid"].as_str());
                let is_old =
                    owner.is_some_and(|uid| sets.iter().any(|set| uid_of(set) == uid)) && owner != new;
                is_old && !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
            })
        };
        let mut rollout = Rollout::new(deployment, sets, moment, decision);
        let new = rollout.new.as_ref().map(|set| uid_of(set).to_owned());
        rollout.has_old_pods = runs_old_pods(&rollout.old, new.as_deref());
        rollout.step();
        rollout.decision
    }
}

/// A deployment with its replica sets on their way to its template.
#[derive(Debug)]
struct Rollout {
    deployment: Deployment,
    /// The replica set of the present template.
    new: Option<ReplicaSet>,
    /// All others, the oldest first.
    old: Vec<ReplicaSet>,
    /// Whether a pod of an old replica set has not ended yet.
    has_old_pods: bool,
    now: Timestamp,
    refusal: Option<String>,
    decision: Decision,
}

impl Rollout {
    fn new(deployment: Deployment, sets: Vec<ReplicaSet>, moment: &Moment, decision: Decision) -> Self {
        let mut rollout = Self {
            deployment,
            new: None,
            old: sets,
            has_old_pods: false,
            now: moment.now,
            refusal: moment.refusal.clone(),
            decision,
        };
        rollout.old.sort_by_key(created);
        rollout.find_new();
        rollout
    }

    fn step(&mut self) {
        if is_deleted(&self.deployment) {
            return self.sync_status();
        }
        self.tell_whether_paused();
        if self.is_paused() || self.was_resized() {
            self.sync_revision();
            self.distribute();
            if self.is_paused() {
                self.clean_up();
            }
            return self.sync_status();
        }
        match self.strategy() {
            "Recreate" => self.recreate(),
            _ => self.roll(),
        }
    }

    fn spec(&self) -> &DeploymentSpec {
        self.deployment.spec.as_ref().expect("the API server lets in no deployment without one")
    }

    fn status(&self) -> DeploymentStatus {
        self.deployment.status.clone().unwrap_or_default()
    }

    fn wanted(&self) -> i32 {
        self.spec().replicas.unwrap_or(1)
    }

    fn is_paused(&self) -> bool {
        self.spec().paused == Some(true)
    }

    fn strategy(&self) -> &str {
        let strategy = self.spec().strategy.as_ref();
        strategy.and_then(|strategy| strategy.type_.as_deref()).unwrap_or("RollingUpdate")
    }

    /// `maxSurge` and `maxUnavailable` as counts: surge is rounded up, the other down, and both are never 0.
    fn limits(&self) -> (i32, i32) {
        if self.strategy() != "RollingUpdate" || self.wanted() == 0 {
            return (0, 0);
        }
        let rolling = self.spec().strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
        let quarter = IntOrString::String("25%".to_owned());
        let surge = rolling.and_then(|rolling| rolling.max_surge.as_ref()).unwrap_or(&quarter);
        let unavailable = rolling.and_then(|rolling| rolling.max_unavailable.as_ref()).unwrap_or(&quarter);
        let surge = share(surge, self.wanted(), Rounding::Up);
        let unavailable = share(unavailable, self.wanted(), Rounding::Down).min(self.wanted());
        if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
    }

    fn max_surge(&self) -> i32 {
        self.limits().0
    }

    fn min_available(&self) -> i32 {
        self.wanted() - self.limits().1
    }

    /// Old and new, the old ones first.
    fn all(&self) -> impl Iterator<Item = &ReplicaSet> {
        self.old.iter().chain(&self.new)
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Rounding {
    Up,
    Down,
}

/// A number, or a percentage of a whole.
pub(crate) fn share(part: &IntOrString, whole: i32, rounding: Rounding) -> i32 {
    match part {
        IntOrString::Int(count) => *count,
        IntOrString::String(text) => {
            let percent: i32 = text.trim_end_matches('%').parse().unwrap_or_default();
            let exact = percent.saturating_mul(whole);
            match rounding {
                Rounding::Up => exact.saturating_add(99) / 100,
                Rounding::Down => exact / 100,
            }
        }
    }
}

fn created(set: &ReplicaSet) -> (Option<Timestamp>, Option<String>) {
    (set.metadata.creation_timestamp.as_ref().map(|time| time.0), set.metadata.name.clone())
}

fn replicas(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

fn available(set: &ReplicaSet) -> i32 {
    set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or_default()
}

/// The pods that replica sets are asked for.
fn sum<'s>(sets: impl IntoIterator<Item = &'s ReplicaSet>, count: impl Fn(&ReplicaSet) -> i32) -> i32 {
    sets.into_iter().map(count).sum()
}

/// Whether a template is the one of a replica set, but for the label that tells replica sets apart.
fn is_template_of(deployment: &Deployment, set: &ReplicaSet) -> bool {
    let mut own = deployment.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
    let mut other = set.spec.as_ref().and_then(|spec| spec.template.clone()).unwrap_or_default();
    for template in [&mut own, &mut other] {
        let metadata = template.metadata.get_or_insert_default();
        if let Some(labels) = &mut metadata.labels {
            labels.remove(revision::HASH);
        }
    }
    pods::hash(&own) == pods::hash(&other) && own == other
}

#[cfg(test)]
mod tests;
