//! The scheduler: binds pods to nodes, or says why none will do.

pub(super) mod affinity;
pub(super) mod filter;
mod volumes;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim, Pod, PodCondition};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

use super::Controller;
use super::decision::{Decision, Moment, Write};
use super::pods;
use super::view::{Subject, View, is_deleted, name_of, namespace_of};
use filter::Refusal;
use volumes::Volumes;

/// The default scheduler.
#[derive(Debug)]
pub(crate) struct Scheduler;

impl Controller for Scheduler {
    fn name(&self) -> &'static str {
        "default-scheduler"
    }

    fn concerned(&self, object: &Value, view: &dyn View) -> Vec<Subject> {
        let subject = Subject::of_value(object);
        let is_bound = object["spec"]["nodeName"].is_string();
        let is_leaving = is_bound && object["metadata"]["deletionTimestamp"].is_string();
        if subject.is::<Pod>() && !is_bound {
            return vec![subject];
        }
        // What may make room for a pod that waits. A pod leaves room only when it is gone, or has ended.
        let has_ended = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let makes_room = subject.is::<Node>()
            || subject.is::<PersistentVolume>()
            || subject.is::<PersistentVolumeClaim>()
            || subject.is::<StorageClass>()
            || subject.is::<Pod>() && (is_leaving || has_ended);
        if !makes_room {
            return Vec::new();
        }
        view.all::<Pod>("").iter().filter(|pod| is_waiting(pod)).map(Subject::of).collect()
    }

    fn decide(&self, subject: &Subject, view: &dyn View, moment: &Moment) -> Decision {
        let mut decision = Decision::default();
        if let Some(pod) = view.find::<Pod>(&subject.namespace, &subject.name).filter(is_waiting) {
            schedule(&pod, view, moment, &mut decision);
        }
        decision
    }
}

fn is_waiting(pod: &Pod) -> bool {
    let spec = pod.spec.as_ref();
    let is_bound = spec.is_some_and(|spec| spec.node_name.as_ref().is_some_and(|node| !node.is_empty()));
    let scheduler = spec.and_then(|spec| spec.scheduler_name.as_deref()).unwrap_or("default-scheduler");
    let gates = spec.and_then(|spec| spec.scheduling_gates.as_ref()).is_some_and(|gates| !gates.is_empty());
    !is_bound && !gates && scheduler == "default-scheduler" && !is_deleted(pod) && !pods::has_finished(pod)
}

fn schedule(pod: &Pod, view: &dyn View, moment: &Moment, decision: &mut Decision) {
    let nodes = view.all::<Node>("");
    let volumes = match Volumes::of(pod, view) {
        Ok(volumes) => volumes,
        Err(message) => {
            let message = format!("0/{} nodes are available: {message} not found", nodes.len());
            return refuse(pod, message, moment, decision);
        }
    };
    if nodes.is_empty() {
        return refuse(pod, "no nodes available to schedule pods".to_owned(), moment, decision);
    }
    let others: Vec<Pod> = view.all::<Pod>("").into_iter().filter(|pod| !pods::has_finished(pod)).collect();
    let crowd = filter::Crowd::new(&nodes, &others);
    let mut fitting = Vec::new();
    let mut refusals = Vec::new();
    for node in &nodes {
        match crowd.refusal(pod, node).or_else(|| volumes.refusal(node)) {
            None => fitting.push(node),
            Some(refusal) => refusals.push(refusal),
        }
    }
    // The emptiest, so that replicas are spread.
    match fitting.into_iter().min_by_key(|node| (crowd.on(name_of(*node)), name_of(*node).to_owned())) {
        None => refuse(pod, explanation(&refusals), moment, decision),
        Some(node) => volumes.bind(pod, node, decision),
    }
}

impl Volumes {
    /// Binds the pod once its volumes are there; until then only says for which node they are to be made.
    fn bind(&self, pod: &Pod, node: &Node, decision: &mut Decision) {
        let node = name_of(node);
        if !self.select(node, decision) {
            return;
        }
        decision.writes.push(Write::Bind { pod: Subject::of(pod), node: node.to_owned() });
        let message = format!("Successfully assigned {}/{} to {node}", namespace_of(pod), name_of(pod));
        decision.tell(pod, "Normal", "Scheduled", message);
    }
}

/// Tells that no node will do; once for each reason.
fn refuse(pod: &Pod, message: String, moment: &Moment, decision: &mut Decision) {
    let before = pods::condition(pod, "PodScheduled");
    if before.is_some_and(|before| before.message.as_deref() == Some(message.as_str())) {
        return;
    }
    decision.tell(pod, "Warning", "FailedScheduling", message.clone());
    let mut status = pod.status.clone().unwrap_or_default();
    let conditions = status.conditions.get_or_insert_default();
    let since = before.and_then(|before| before.last_transition_time.clone());
    conditions.retain(|condition| condition.type_ != "PodScheduled");
    conditions.push(PodCondition {
        type_: "PodScheduled".to_owned(),
        status: "False".to_owned(),
        reason: Some("Unschedulable".to_owned()),
        message: Some(message),
        observed_generation: pod.metadata.generation,
        last_transition_time: Some(since.unwrap_or(Time(moment.now))),
        ..PodCondition::default()
    });
    decision.status(pod, &status);
}

/// The scheduler's own words: how many nodes are out for which reason, and that nothing is won by taking pods away.
fn explanation(refusals: &[Refusal]) -> String {
    let total = refusals.len();
    let why = refusals.iter().flat_map(|refusal| refusal.reasons.iter().cloned());
    let preemption = refusals.iter().map(|refusal| {
        if refusal.is_final {
            "Preemption is not helpful for scheduling"
        } else {
            "No preemption victims found for incoming pod"
        }
        .to_owned()
    });
    format!(
        "0/{total} nodes are available: {}. no new claims to deallocate, preemption: 0/{total} nodes are available: {}.",
        counted(why),
        counted(preemption)
    )
}

fn counted(reasons: impl Iterator<Item = String>) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for reason in reasons {
        *counts.entry(reason).or_default() += 1;
    }
    let mut texts: Vec<String> =
        counts.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    texts.sort();
    texts.join(", ")
}

#[cfg(test)]
mod tests;
