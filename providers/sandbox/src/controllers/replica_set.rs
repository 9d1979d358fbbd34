//! Replica sets: as many pods as are asked for.

use std::collections::HashMap;

use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetSpec, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::decision::{Decision, Moment, Told};
use super::pods::{self, count, unless_zero};
use super::view::{
    Subject, View, annotation, controller_of, controller_reference, is_deleted, name_of, namespace_of,
};
use super::{Controller, ownership};

/// The controller of replica sets.
#[derive(Debug)]
pub(crate) struct ReplicaSets;

impl Controller for ReplicaSets {
    fn name(&self) -> &'static str {
        "replicaset-controller"
    }

    fn concerned(&self, object: &Value, view: &dyn View) -> Vec<Subject> {
        let subject = Subject::of_value(object);
        if subject.is::<ReplicaSet>() {
            return vec![subject];
        }
        if !subject.is::<Pod>() {
            return Vec::new();
        }
        if controller_of(object).is_some() {
            return Subject::controller_of::<ReplicaSet>(object).into_iter().collect();
        }
        // A pod without a controller may be wanted by any.
        view.all::<ReplicaSet>(&subject.namespace).iter().map(Subject::of).collect()
    }

    fn decide(&self, subject: &Subject, view: &dyn View, moment: &Moment) -> Decision {
        let Some(set) = view.find::<ReplicaSet>(&subject.namespace, &subject.name) else {
            return Decision::default();
        };
        let mut decision = Decision::default();
        let selector = spec(&set).selector.clone();
        let mut pods: Vec<Pod> = ownership::claim(&set, &selector, view, &mut decision);
        pods.retain(pods::is_active);
        decide(&set, &pods, moment, &mut decision);
        decision
    }
}

fn decide(set: &ReplicaSet, pods: &[Pod], moment: &Moment, decision: &mut Decision) {
    let wanted = spec(set).replicas.unwrap_or(1);
    let missing = wanted - count(pods);
    if !is_deleted(set) && moment.refusal.is_none() {
        for _ in 0..missing {
            decision.create(&pod(set), Some(told_of_creation(set)));
        }
        for pod in first_to_go(pods, missing.min(0).unsigned_abs() as usize) {
            decision.delete(pod, Some(told_of_deletion(set)));
        }
    }
    let status = status(set, pods, missing, moment);
    let minimum = spec(set).min_ready_seconds.unwrap_or_default();
    let waiting = pods.iter().filter_map(|pod| pods::available_at(pod, minimum));
    if let Some(next) = waiting.filter(|at| *at > moment.now).min() {
        decision.look_again(next);
    }
    let is_observed = set.status.as_ref().is_some_and(|status| {
        status.observed_generation.is_some_and(|observed| Some(observed) == set.metadata.generation)
    });
    if !is_observed || set.status.as_ref() != Some(&status) {
        decision.status(set, &status);
    }
}

fn spec(set: &ReplicaSet) -> &ReplicaSetSpec {
    set.spec.as_ref().expect("the API server lets in no replica set without one")
}

fn pod(set: &ReplicaSet) -> Pod {
    let template = spec(set).template.clone().unwrap_or_default();
    let mut pod = pods::from_template(&template, namespace_of(set), controller_reference(set));
    pod.metadata.generate_name = Some(format!("{}-", name_of(set)));
    pod
}

fn told_of_creation(set: &ReplicaSet) -> Told {
    Told::about(set)
        .done("SuccessfulCreate", "Created pod: {name}")
        .refused("FailedCreate", "Error creating: {error}")
}

fn told_of_deletion(set: &ReplicaSet) -> Told {
    Told::about(set)
        .done("SuccessfulDelete", "Deleted pod: {name}")
        .refused("FailedDelete", "Error deleting: {error}")
}

/// The pods that are given up first: those that have come the least far, then those that share their node with most others.
fn first_to_go(pods: &[Pod], count: usize) -> Vec<&Pod> {
    let mut by_node: HashMap<&str, usize> = HashMap::new();
    for pod in pods {
        *by_node.entry(node(pod)).or_default() += 1;
    }
    let mut ranked: Vec<&Pod> = pods.iter().collect();
    ranked.sort_by_cached_key(|pod| {
        let phase = match pods::phase(pod) {
            "Pending" => 0,
            "Unknown" => 1,
            _ => 2,
        };
        let cost: i32 = annotation(*pod, "controller.kubernetes.io/pod-deletion-cost")
            .and_then(|cost| cost.parse().ok())
            .unwrap_or_default();
        let crowd = usize::MAX - by_node.get(node(pod)).copied().unwrap_or_default();
        let age = |time: Option<Timestamp>| time.map(|time| -time.as_second());
        let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
        (
            !node(pod).is_empty(),
            phase,
            pods::is_ready(pod),
            cost,
            crowd,
            age(pods::ready_since(pod)),
            age(created),
        )
    });
    ranked.truncate(count);
    ranked
}

fn node(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default()
}

fn status(set: &ReplicaSet, pods: &[Pod], missing: i32, moment: &Moment) -> ReplicaSetStatus {
    let template = spec(set).template.as_ref().and_then(|template| template.metadata.as_ref());
    let labels = template.and_then(|metadata| metadata.labels.clone()).unwrap_or_default();
    let has_all_labels = |pod: &&Pod| {
        let own = pod.metadata.labels.as_ref();
        labels.iter().all(|(key, value)| own.and_then(|own| own.get(key)) == Some(value))
    };
    let minimum = spec(set).min_ready_seconds.unwrap_or_default();
    let is_available = |pod: &&Pod| pods::is_available(pod, minimum, moment.now);
    ReplicaSetStatus {
        observed_generation: set.metadata.generation,
        replicas: count(pods),
        fully_labeled_replicas: unless_zero(count(pods.iter().filter(has_all_labels))),
        ready_replicas: unless_zero(count(pods.iter().filter(|pod| pods::is_ready(pod)))),
        available_replicas: unless_zero(count(pods.iter().filter(is_available))),
        conditions: failure(set, missing, moment).map(|failure| vec![failure]),
        terminating_replicas: None,
    }
}

/// `ReplicaFailure`, which keeps its first words until pods can be made again.
fn failure(set: &ReplicaSet, missing: i32, moment: &Moment) -> Option<ReplicaSetCondition> {
    let refusal = moment.refusal.as_ref()?;
    let before = set.status.as_ref().and_then(|status| status.conditions.as_ref());
    let before = before.and_then(|list| list.iter().find(|one| one.type_ == "ReplicaFailure"));
    Some(before.cloned().unwrap_or_else(|| ReplicaSetCondition {
        type_: "ReplicaFailure".to_owned(),
        status: "True".to_owned(),
        reason: Some(if missing > 0 { "FailedCreate" } else { "FailedDelete" }.to_owned()),
        message: Some(refusal.clone()),
        last_transition_time: Some(Time(moment.now)),
    }))
}

#[cfg(test)]
mod tests;
