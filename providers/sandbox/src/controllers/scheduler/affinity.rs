//! Which nodes a pod wants, and near which pods it wants to be or not to be.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Node, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodAffinityTerm, PodSpec, TopologySpreadConstraint,
};

use super::filter::{Crowd, Refusal};
use crate::controllers::pods::selects;
use crate::controllers::view::{label, name_of, namespace_of};

/// Whether `nodeSelector` and the required node affinity mean this node.
pub(crate) fn selects_node(spec: &PodSpec, node: &Node) -> bool {
    let has_labels = spec.node_selector.iter().flatten().all(|(key, value)| label(node, key) == Some(value));
    let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required =
        affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    has_labels && required.is_none_or(|required| matches_any(&required.node_selector_terms, node))
}

/// Whether one of the terms of a node selector means this node.
pub(super) fn matches_any(terms: &[NodeSelectorTerm], node: &Node) -> bool {
    terms.iter().any(|term| {
        let labels = term.match_expressions.iter().flatten();
        let fields = term.match_fields.iter().flatten();
        let is_empty = labels.clone().count() + fields.clone().count() == 0;
        let name = |field: &NodeSelectorRequirement| (field.key == "metadata.name").then(|| name_of(node));
        !is_empty
            && labels.clone().all(|one| holds(one, label(node, &one.key)))
            && fields.clone().all(|one| holds(one, name(one)))
    })
}

fn holds(requirement: &NodeSelectorRequirement, found: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let is_among = found.is_some_and(|found| values.iter().any(|value| value == found));
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
    let bound = number(values.first().map(String::as_str));
    match requirement.operator.as_str() {
        "In" => is_among,
        "NotIn" => !is_among,
        "Exists" => found.is_some(),
        "DoesNotExist" => found.is_none(),
        "Gt" => number(found).zip(bound).is_some_and(|(found, bound)| found > bound),
        "Lt" => number(found).zip(bound).is_some_and(|(found, bound)| found < bound),
        _ => false,
    }
}

/// Why the pods that are there keep a pod from a node.
pub(super) fn refusal(pod: &Pod, node: &Node, crowd: &Crowd<'_>) -> Option<Refusal> {
    if spread_constraints(pod).any(|constraint| is_lopsided(constraint, pod, node, crowd)) {
        return Some(Refusal::for_now("node(s) didn't match pod topology spread constraints"));
    }
    if !required_affinity(pod).iter().all(|term| has_company(term, pod, node, crowd)) {
        return Some(Refusal::finally("node(s) didn't match pod affinity rules"));
    }
    let is_near = |term: &PodAffinityTerm, place: &Node| is_same_place(node, place, &term.topology_key);
    let mut bound = crowd.bound();
    let avoided = required_anti_affinity(pod);
    let meets_avoided = crowd
        .bound()
        .any(|(place, other)| avoided.iter().any(|term| is_near(term, place) && is_meant(term, pod, other)));
    if meets_avoided {
        return Some(Refusal::for_now("node(s) didn't match pod anti-affinity rules"));
    }
    let is_avoided = bound.any(|(place, other)| {
        required_anti_affinity(other).iter().any(|term| is_near(term, place) && is_meant(term, other, pod))
    });
    is_avoided.then(|| Refusal::for_now("node(s) didn't satisfy existing pods anti-affinity rules"))
}

fn required_affinity(pod: &Pod) -> Vec<PodAffinityTerm> {
    let affinity = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref()?.pod_affinity.as_ref());
    let terms = affinity.and_then(|one| one.required_during_scheduling_ignored_during_execution.clone());
    terms.unwrap_or_default()
}

fn required_anti_affinity(pod: &Pod) -> Vec<PodAffinityTerm> {
    let affinity = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref()?.pod_anti_affinity.as_ref());
    let terms = affinity.and_then(|one| one.required_during_scheduling_ignored_during_execution.clone());
    terms.unwrap_or_default()
}

/// Whether a term of `of` speaks about `other`.
fn is_meant(term: &PodAffinityTerm, of: &Pod, other: &Pod) -> bool {
    let namespaces = term.namespaces.as_deref().unwrap_or_default();
    let is_everywhere = term
        .namespace_selector
        .as_ref()
        .is_some_and(|selector| selector.match_labels.is_none() && selector.match_expressions.is_none());
    let is_own = namespaces.is_empty() && namespace_of(of) == namespace_of(other);
    let is_here =
        is_everywhere || is_own || namespaces.iter().any(|namespace| namespace == namespace_of(other));
    let selector = term.label_selector.as_ref();
    is_here && selector.is_some_and(|selector| selects(selector, other.metadata.labels.as_ref()))
}

fn is_same_place(one: &Node, other: &Node, key: &str) -> bool {
    label(one, key).is_some() && label(one, key) == label(other, key)
}

/// Whether a pod that is meant is near. The first of a group that wants to be together has nobody to be near to but itself.
fn has_company(term: &PodAffinityTerm, pod: &Pod, node: &Node, crowd: &Crowd<'_>) -> bool {
    let mut meant = crowd.bound().filter(|(_, other)| is_meant(term, pod, other)).peekable();
    if meant.peek().is_none() {
        return is_meant(term, pod, pod) && label(node, &term.topology_key).is_some();
    }
    meant.any(|(place, _)| is_same_place(node, place, &term.topology_key))
}

fn spread_constraints(pod: &Pod) -> impl Iterator<Item = &TopologySpreadConstraint> {
    let constraints = pod.spec.as_ref().and_then(|spec| spec.topology_spread_constraints.as_ref());
    constraints.into_iter().flatten().filter(|one| one.when_unsatisfiable == "DoNotSchedule")
}

/// Whether the pod on this node would make the difference between two places greater than it may be.
fn is_lopsided(constraint: &TopologySpreadConstraint, pod: &Pod, node: &Node, crowd: &Crowd<'_>) -> bool {
    let key = &constraint.topology_key;
    let Some(place) = label(node, key) else { return true };
    let mut counts: BTreeMap<&str, i32> =
        crowd.nodes().iter().filter_map(|node| Some((label(node, key)?, 0))).collect();
    let Some(selector) = &constraint.label_selector else { return false };
    let is_meant = |other: &Pod| {
        namespace_of(pod) == namespace_of(other) && selects(selector, other.metadata.labels.as_ref())
    };
    for (other_node, _) in crowd.bound().filter(|(_, other)| is_meant(other)) {
        if let Some(count) = label(other_node, key).and_then(|place| counts.get_mut(place)) {
            *count += 1;
        }
    }
    let fewest = counts.values().min().copied().unwrap_or_default();
    let own = i32::from(is_meant(pod));
    counts.get(place).copied().unwrap_or_default() + own - fewest > constraint.max_skew
}
