//! Stateful sets: pods with names, in order.
//!
//! As the controller of Kubernetes 1.34 does it, with its trap: under `OrderedReady` a pod that never becomes ready is waited for, whatever the
//! template says by now. A rollout that failed is not undone by the old template alone; the pod that blocks it has to be deleted.

mod claims;
mod replicas;
mod status;

use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet, StatefulSetSpec, StatefulSetStatus};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use serde_json::Value;

use super::decision::{Decision, Moment};
use super::revisions::{HASH, Owner, REVISION, Revisions};
use super::view::{Subject, View, controller_of, is_deleted, label, name_of, namespace_of};
use super::{Controller, ownership, pods};

/// The controller of stateful sets.
#[derive(Debug)]
pub(crate) struct StatefulSets;

impl Controller for StatefulSets {
    fn name(&self) -> &'static str {
        "statefulset-controller"
    }

    fn concerned(&self, object: &Value, view: &dyn View) -> Vec<Subject> {
        let subject = Subject::of_value(object);
        if subject.is::<StatefulSet>() {
            return vec![subject];
        }
        let is_pod_of_nobody = subject.is::<Pod>() && controller_of(object).is_none();
        if is_pod_of_nobody || subject.is::<PersistentVolumeClaim>() {
            let sets = view.all::<StatefulSet>(&subject.namespace);
            return sets.iter().filter(|set| mentions(set, &subject)).map(Subject::of).collect();
        }
        let is_part = subject.is::<Pod>() || subject.is::<ControllerRevision>();
        Subject::controller_of::<StatefulSet>(object).filter(|_| is_part).into_iter().collect()
    }

    fn decide(&self, subject: &Subject, view: &dyn View, moment: &Moment) -> Decision {
        let Some(set) = view.find::<StatefulSet>(&subject.namespace, &subject.name) else {
            return Decision::default();
        };
        let mut decision = Decision::default();
        let selector = set.spec.as_ref().map(|spec| spec.selector.clone()).unwrap_or_default();
        let pods: Vec<Pod> = ownership::claim(&set, &selector, view, &mut decision);
        let pods = pods.into_iter().filter(|pod| ordinal(&set, pod).is_some()).collect();
        let history = ownership::claim(&set, &selector, view, &mut decision);
        let Some(template) = set.spec.as_ref().map(|spec| spec.template.clone()) else { return decision };
        let current = set.status.as_ref().and_then(|status| status.current_revision.clone());
        let owner = Owner { object: &set, template: &template, label: HASH, current: current.as_deref() };
        let revisions = Revisions::find(&owner, history, &mut decision);
        Work::new(set, pods, revisions, view, moment, decision).done()
    }
}

/// A stateful set with its pods, and what is decided about them.
struct Work<'v> {
    set: StatefulSet,
    revisions: Revisions,
    /// The pods that there should be, in the order of their numbers; those that are missing as they would be made.
    replicas: Vec<Pod>,
    /// The pods that there should not be, the highest number first.
    condemned: Vec<Pod>,
    view: &'v dyn View,
    moment: Moment,
    decision: Decision,
}

impl<'v> Work<'v> {
    fn new(
        set: StatefulSet,
        pods: Vec<Pod>,
        revisions: Revisions,
        view: &'v dyn View,
        moment: &Moment,
        decision: Decision,
    ) -> Self {
        let moment = moment.clone();
        let mut work =
            Self { set, revisions, replicas: Vec::new(), condemned: Vec::new(), view, moment, decision };
        let (mut wanted, mut condemned): (Vec<Pod>, Vec<Pod>) = pods
            .into_iter()
            .partition(|pod| work.numbers().any(|number| Some(number) == ordinal(&work.set, pod)));
        condemned.sort_by_key(|pod| std::cmp::Reverse(ordinal(&work.set, pod)));
        work.condemned = condemned;
        work.replicas = work
            .numbers()
            .map(|number| match wanted.iter().position(|pod| ordinal(&work.set, pod) == Some(number)) {
                Some(index) => wanted.swap_remove(index),
                None => work.new_pod(number),
            })
            .collect();
        work
    }

    fn done(mut self) -> Decision {
        let mut status = self.counted(self.replicas.iter().chain(&self.condemned));
        if !is_deleted(&self.set) && self.moment.refusal.is_none() {
            status.current_replicas = self.step(status.current_replicas);
        }
        self.write_status(status);
        let pods = self.replicas.iter().chain(&self.condemned);
        let lived = pods.filter_map(|pod| label(pod, REVISION));
        let limit = self.set.spec.as_ref().and_then(|spec| spec.revision_history_limit);
        self.revisions.truncate(limit, lived, &mut self.decision);
        self.decision
    }

    fn spec(&self) -> &StatefulSetSpec {
        self.set.spec.as_ref().expect("the API server lets in no stateful set without one")
    }

    fn status(&self) -> StatefulSetStatus {
        self.set.status.clone().unwrap_or_default()
    }

    fn wanted(&self) -> i32 {
        self.spec().replicas.unwrap_or(1)
    }

    /// The numbers of the pods that there should be.
    fn numbers(&self) -> std::ops::Range<i32> {
        let first = self.first();
        first..first.saturating_add(self.wanted())
    }

    fn first(&self) -> i32 {
        self.spec().ordinals.as_ref().and_then(|ordinals| ordinals.start).unwrap_or_default()
    }

    /// Whether each pod waits for the one before it.
    fn is_ordered(&self) -> bool {
        self.spec().pod_management_policy.as_deref() != Some("Parallel")
    }

    fn strategy(&self) -> &str {
        let strategy = self.spec().update_strategy.as_ref();
        strategy.and_then(|strategy| strategy.type_.as_deref()).unwrap_or("RollingUpdate")
    }

    /// Pods with lower numbers are left at the current revision.
    fn partition(&self) -> Option<i32> {
        let rolling = self.spec().update_strategy.as_ref()?.rolling_update.as_ref()?;
        Some(rolling.partition.unwrap_or_default())
    }

    fn is_available(&self, pod: &Pod) -> bool {
        let minimum = self.spec().min_ready_seconds.unwrap_or_default();
        is_running_and_ready(pod) && pods::is_available(pod, minimum, self.moment.now)
    }
}

fn is_created(pod: &Pod) -> bool {
    pod.metadata.uid.is_some()
}

fn is_running_and_ready(pod: &Pod) -> bool {
    pods::phase(pod) == "Running" && pods::is_ready(pod)
}

/// The number at the end of the name of a pod of this set.
fn ordinal(set: &StatefulSet, pod: &Pod) -> Option<i32> {
    name_of(pod).strip_prefix(name_of(set))?.strip_prefix('-')?.parse().ok()
}

/// Whether a pod or claim is one that the set would make, by its name.
fn mentions(set: &StatefulSet, subject: &Subject) -> bool {
    let is_here = namespace_of(set) == subject.namespace;
    is_here && subject.name.rsplit_once('-').is_some_and(|(prefix, _)| prefix.ends_with(name_of(set)))
}

#[cfg(test)]
mod tests;
