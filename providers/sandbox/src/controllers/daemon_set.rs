//! Daemon sets: a pod on every node that is meant.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet, DaemonSetSpec, DaemonSetStatus};
use k8s_openapi::api::core::v1::{
    Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodSpec, Toleration,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::decision::{Decision, Moment, Told};
use super::deployment::{Rounding, share};
use super::pods::{self, count, unless_zero};
use super::revisions::{Owner, REVISION, Revisions};
use super::scheduler::affinity::selects_node;
use super::scheduler::filter::tolerates;
use super::view::{
    Subject, View, annotation, controller_reference, is_deleted, label, name_of, namespace_of,
};
use super::{Controller, ownership};

/// The annotation that counts the changes of the template, as the API server writes it.
const GENERATION: &str = "deprecated.daemonset.template.generation";

/// The controller of daemon sets.
#[derive(Debug)]
pub(crate) struct DaemonSets;

impl Controller for DaemonSets {
    fn name(&self) -> &'static str {
        "daemonset-controller"
    }

    fn concerned(&self, object: &Value, view: &dyn View) -> Vec<Subject> {
        let subject = Subject::of_value(object);
        if subject.is::<DaemonSet>() {
            return vec![subject];
        }
        if subject.is::<Node>() {
            return view.all::<DaemonSet>("").iter().map(Subject::of).collect();
        }
        let is_part = subject.is::<Pod>() || subject.is::<ControllerRevision>();
        Subject::controller_of::<DaemonSet>(object).filter(|_| is_part).into_iter().collect()
    }

    fn decide(&self, subject: &Subject, view: &dyn View, moment: &Moment) -> Decision {
        let mut decision = Decision::default();
        let Some(set) = view.find::<DaemonSet>(&subject.namespace, &subject.name) else { return decision };
        let Some(spec) = set.spec.clone() else { return decision };
        let pods: Vec<Pod> = ownership::claim(&set, &spec.selector, view, &mut decision);
        let history = ownership::claim(&set, &spec.selector, view, &mut decision);
        let owner = Owner { object: &set, template: &spec.template, label: REVISION, current: None };
        let revisions = Revisions::find(&owner, history, &mut decision);
        let hash = revisions.update_hash(REVISION).to_owned();
        let lived = pods.iter().filter_map(|pod| label(pod, REVISION));
        revisions.truncate(spec.revision_history_limit, lived, &mut decision);
        let mut work =
            Work { hash, now: moment.now, nodes: view.all::<Node>(""), pods: on_nodes(pods), set, decision };
        if !is_deleted(&work.set) && moment.refusal.is_none() {
            work.step();
        }
        work.write_status();
        work.decision
    }
}

struct Work {
    set: DaemonSet,
    /// What the label of an up-to-date pod says.
    hash: String,
    now: Timestamp,
    nodes: Vec<Node>,
    /// The pods by the node that they are for.
    pods: BTreeMap<String, Vec<Pod>>,
    decision: Decision,
}

impl Work {
    fn spec(&self) -> &DaemonSetSpec {
        self.set.spec.as_ref().expect("it was there a moment ago")
    }

    fn step(&mut self) {
        let nodes = std::mem::take(&mut self.nodes);
        for node in &nodes {
            let pods = self.pods.get(name_of(node)).cloned().unwrap_or_default();
            self.manage(node, &pods);
        }
        let strategy = self.spec().update_strategy.as_ref();
        if strategy.and_then(|strategy| strategy.type_.as_deref()) != Some("OnDelete") {
            self.update(&nodes);
        }
        self.nodes = nodes;
    }

    /// One living pod on each node that is meant, none on others; pods that have failed go.
    fn manage(&mut self, node: &Node, pods: &[Pod]) {
        let ended = pods.iter().filter(|pod| pods::has_finished(pod) && !is_deleted(*pod));
        for pod in ended {
            self.delete(pod);
        }
        if !self.is_meant(node) {
            for pod in pods.iter().filter(|pod| pods::is_active(pod)) {
                self.delete(pod);
            }
        } else if pods.is_empty() {
            self.create(node);
        }
    }

    /// Replaces old pods: those that are not available at once, others as far as `maxUnavailable` goes. With `maxSurge`, the new pod comes first.
    fn update(&mut self, nodes: &[Node]) {
        let meant: Vec<&Node> = nodes.iter().filter(|node| self.is_meant(node)).collect();
        let (surge, unavailable) = self.limits(count(&meant));
        let mut lacking = 0;
        let mut surging = 0;
        let mut ready = Vec::new();
        for node in meant {
            let living: Vec<Pod> = self.living(node).cloned().collect();
            let (new, old): (Vec<Pod>, Vec<Pod>) = living.into_iter().partition(|pod| self.is_new(pod));
            let has_new = new.iter().any(|pod| self.is_available(pod));
            surging += i32::from(!new.is_empty() && !old.is_empty());
            match old.into_iter().next() {
                Some(old) if has_new || !self.is_available(&old) && surge == 0 => {
                    lacking += i32::from(!has_new);
                    self.delete(&old);
                }
                Some(old) => ready.push((node, old, !new.is_empty())),
                None => lacking += i32::from(!has_new),
            }
        }
        for (node, old, has_new) in ready {
            if surge > 0 && !has_new && surging < surge {
                surging += 1;
                self.create(node);
            } else if surge == 0 && lacking < unavailable {
                lacking += 1;
                self.delete(&old);
            }
        }
    }

    /// `maxSurge` and `maxUnavailable` as counts.
    fn limits(&self, nodes: i32) -> (i32, i32) {
        let rolling =
            self.spec().update_strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
        let part = |part: Option<&IntOrString>, default| {
            part.map_or(default, |part| share(part, nodes, Rounding::Up))
        };
        let surge = part(rolling.and_then(|rolling| rolling.max_surge.as_ref()), 0);
        let unavailable = part(rolling.and_then(|rolling| rolling.max_unavailable.as_ref()), 1);
        (surge, unavailable)
    }

    /// Whether a node is to have a pod: its selector and its taints decide.
    fn is_meant(&self, node: &Node) -> bool {
        let Some(spec) = &self.spec().template.spec else { return false };
        let tolerations = with_own_tolerations(spec);
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref()).into_iter().flatten();
        let mut taints = taints.filter(|taint| taint.effect != "PreferNoSchedule");
        selects_node(spec, node) && taints.all(|taint| tolerates(&tolerations, taint))
    }

    fn is_new(&self, pod: &Pod) -> bool {
        label(pod, REVISION) == Some(&self.hash)
    }

    fn is_available(&self, pod: &Pod) -> bool {
        pods::is_available(pod, self.spec().min_ready_seconds.unwrap_or_default(), self.now)
    }

    fn living(&self, node: &Node) -> impl Iterator<Item = &Pod> {
        self.pods.get(name_of(node)).into_iter().flatten().filter(|pod| pods::is_active(pod))
    }

    fn create(&mut self, node: &Node) {
        let owner = controller_reference(&self.set);
        let mut pod = pods::from_template(&self.spec().template, namespace_of(&self.set), owner);
        pod.metadata.generate_name = Some(format!("{}-", name_of(&self.set)));
        let labels = pod.metadata.labels.get_or_insert_default();
        labels.insert(REVISION.to_owned(), self.hash.clone());
        if let Some(generation) = annotation(&self.set, GENERATION) {
            labels.insert("pod-template-generation".to_owned(), generation.to_owned());
        }
        let spec = pod.spec.get_or_insert_default();
        spec.tolerations = Some(with_own_tolerations(spec));
        bind_to(spec, name_of(node));
        let told = Told::about(&self.set)
            .done("SuccessfulCreate", "Created pod: {name}")
            .refused("FailedCreate", "Error creating: {error}");
        self.decision.create(&pod, Some(told));
    }

    fn delete(&mut self, pod: &Pod) {
        let told = Told::about(&self.set)
            .done("SuccessfulDelete", "Deleted pod: {name}")
            .refused("FailedDelete", "Error deleting: {error}");
        self.decision.delete(pod, Some(told));
    }

    fn write_status(&mut self) {
        let mut status = DaemonSetStatus {
            observed_generation: self.set.metadata.generation,
            ..self.set.status.clone().unwrap_or_default()
        };
        let (mut desired, mut current, mut misplaced, mut ready, mut updated, mut available) =
            (0, 0, 0, 0, 0, 0);
        for node in &self.nodes {
            let oldest =
                self.pods.get(name_of(node)).and_then(|pods| pods.iter().min_by_key(|pod| created(pod)));
            if !self.is_meant(node) {
                misplaced += i32::from(oldest.is_some());
                continue;
            }
            desired += 1;
            let Some(pod) = oldest else { continue };
            current += 1;
            ready += i32::from(pods::is_ready(pod));
            available += i32::from(self.is_available(pod));
            updated += i32::from(self.is_new(pod));
        }
        status.desired_number_scheduled = desired;
        status.current_number_scheduled = current;
        status.number_misscheduled = misplaced;
        status.number_ready = ready;
        status.updated_number_scheduled = unless_zero(updated);
        status.number_available = unless_zero(available);
        status.number_unavailable = unless_zero(desired - available);
        if self.set.status.as_ref() != Some(&status) {
            self.decision.status(&self.set, &status);
        }
        let minimum = self.spec().min_ready_seconds.unwrap_or_default();
        let waiting = self.pods.values().flatten().filter_map(|pod| pods::available_at(pod, minimum));
        if let Some(next) = waiting.filter(|at| *at > self.now).min() {
            self.decision.look_again(next);
        }
    }
}

fn created(pod: &Pod) -> Option<Timestamp> {
    pod.metadata.creation_timestamp.as_ref().map(|time| time.0)
}

/// Pods by the node they are bound to, or made for.
fn on_nodes(pods: Vec<Pod>) -> BTreeMap<String, Vec<Pod>> {
    let mut by_node: BTreeMap<String, Vec<Pod>> = BTreeMap::new();
    for pod in pods {
        let spec = pod.spec.as_ref();
        let bound = spec.and_then(|spec| spec.node_name.clone());
        if let Some(node) = bound.or_else(|| spec.and_then(meant_node)) {
            by_node.entry(node).or_default().push(pod);
        }
    }
    by_node
}

/// The node that a pod was made for.
fn meant_node(spec: &PodSpec) -> Option<String> {
    let affinity = spec.affinity.as_ref()?.node_affinity.as_ref()?;
    let terms = &affinity.required_during_scheduling_ignored_during_execution.as_ref()?.node_selector_terms;
    let field = terms.first()?.match_fields.as_ref()?.iter().find(|field| field.key == "metadata.name")?;
    field.values.as_ref()?.first().cloned()
}

/// Lets the scheduler bind a pod to this node only.
fn bind_to(spec: &mut PodSpec, node: &str) {
    let field = NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    };
    let affinity = spec.affinity.get_or_insert_default().node_affinity.get_or_insert_default();
    let required = affinity.required_during_scheduling_ignored_during_execution.get_or_insert_default();
    let NodeSelector { node_selector_terms } = required;
    if node_selector_terms.is_empty() {
        node_selector_terms.push(NodeSelectorTerm::default());
    }
    for term in node_selector_terms {
        term.match_fields = Some(vec![field.clone()]);
    }
}

/// A daemon's pod stays on a node in trouble: that may be what it is there for.
fn with_own_tolerations(spec: &PodSpec) -> Vec<Toleration> {
    let taints = [
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ];
    let own = taints.map(|(taint, effect)| Toleration {
        key: Some(format!("node.kubernetes.io/{taint}")),
        operator: Some("Exists".to_owned()),
        effect: Some(effect.to_owned()),
        ..Toleration::default()
    });
    let mut all = spec.tolerations.clone().unwrap_or_default();
    for toleration in own {
        if !all.contains(&toleration) {
            all.push(toleration);
        }
    }
    all
}

#[cfg(test)]
mod tests;
