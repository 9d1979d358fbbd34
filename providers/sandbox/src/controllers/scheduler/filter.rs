//! Why a node cannot take a pod.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, Node, Pod, PodSpec, Taint, Toleration};

use super::affinity;
use crate::controllers::quantity::thousandths;
use crate::controllers::view::name_of;

/// Why a node is out, in the scheduler's words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reasons: Vec<String>,
    /// Nothing would change if other pods went away.
    pub(super) is_final: bool,
}

impl Refusal {
    pub(super) fn finally(reason: &str) -> Self {
        Self { reasons: vec![reason.to_owned()], is_final: true }
    }

    pub(super) fn for_now(reason: &str) -> Self {
        Self { reasons: vec![reason.to_owned()], is_final: false }
    }
}

/// Nodes with the pods that are on them.
pub(super) struct Crowd<'c> {
    nodes: &'c [Node],
    by_node: BTreeMap<&'c str, Vec<&'c Pod>>,
}

impl<'c> Crowd<'c> {
    pub(super) fn new(nodes: &'c [Node], pods: &'c [Pod]) -> Self {
        let mut by_node: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
        for pod in pods {
            if let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) {
                by_node.entry(node).or_default().push(pod);
            }
        }
        Self { nodes, by_node }
    }

    /// How many pods a node has.
    pub(super) fn on(&self, node: &str) -> usize {
        self.by_node.get(node).map_or(0, Vec::len)
    }

    /// Why the node cannot take the pod; the first reason of those that Kubernetes looks for in this order.
    pub(super) fn refusal(&self, pod: &Pod, node: &Node) -> Option<Refusal> {
        let spec = pod.spec.as_ref()?;
        let node_spec = node.spec.clone().unwrap_or_default();
        let tolerations = spec.tolerations.as_deref().unwrap_or_default();
        if node_spec.unschedulable == Some(true) && !tolerates(tolerations, &unschedulable_taint()) {
            return Some(Refusal::finally("node(s) were unschedulable"));
        }
        let mut taints = node_spec.taints.iter().flatten().filter(|taint| taint.effect != "PreferNoSchedule");
        if taints.any(|taint| !tolerates(tolerations, taint)) {
            return Some(Refusal::finally("node(s) had untolerated taint(s)"));
        }
        if !affinity::selects_node(spec, node) {
            return Some(Refusal::finally("node(s) didn't match Pod's node affinity/selector"));
        }
        if self.has_port_taken(spec, node) {
            return Some(Refusal::for_now("node(s) didn't have free ports for the requested pod ports"));
        }
        self.lacks(spec, node).or_else(|| affinity::refusal(pod, node, self))
    }

    /// All bound pods with their nodes.
    pub(super) fn bound(&self) -> impl Iterator<Item = (&'c Node, &'c Pod)> {
        let pods = |node: &'c Node| self.by_node.get(name_of(node)).into_iter().flatten();
        self.nodes.iter().flat_map(move |node| pods(node).map(move |pod| (node, *pod)))
    }

    pub(super) fn nodes(&self) -> &'c [Node] {
        self.nodes
    }

    /// The resources of which the node has not enough left.
    fn lacks(&self, spec: &PodSpec, node: &Node) -> Option<Refusal> {
        let allocatable =
            node.status.as_ref().and_then(|status| status.allocatable.clone()).unwrap_or_default();
        let here = self.by_node.get(name_of(node)).map(Vec::as_slice).unwrap_or_default();
        let mut taken: BTreeMap<String, i128> = BTreeMap::new();
        for spec in here.iter().filter_map(|pod| pod.spec.as_ref()) {
            for (name, amount) in requests(spec) {
                *taken.entry(name).or_default() += amount;
            }
        }
        let mut refusal = Refusal { reasons: Vec::new(), is_final: false };
        let room = |name: &str| allocatable.get(name).map_or(0, thousandths);
        if room("pods") / 1000 < here.len() as i128 + 1 {
            refusal.reasons.push("Too many pods".to_owned());
        }
        for (name, amount) in requests(spec).into_iter().filter(|(_, amount)| *amount > 0) {
            if amount > room(&name) - taken.get(&name).copied().unwrap_or_default() {
                refusal.is_final |= amount > room(&name);
                refusal.reasons.push(format!("Insufficient {name}"));
            }
        }
        (!refusal.reasons.is_empty()).then_some(refusal)
    }

    fn has_port_taken(&self, spec: &PodSpec, node: &Node) -> bool {
        let wanted = host_ports(spec);
        let here = self.by_node.get(name_of(node)).into_iter().flatten();
        let mut taken = here.filter_map(|pod| pod.spec.as_ref()).flat_map(host_ports);
        taken.any(|port| wanted.contains(&port))
    }
}

fn host_ports(spec: &PodSpec) -> BTreeSet<(i32, String)> {
    let ports = spec.containers.iter().flat_map(|container| container.ports.iter().flatten());
    let protocol = |protocol: &Option<String>| protocol.clone().unwrap_or_else(|| "TCP".to_owned());
    ports
        .filter_map(|port| Some((port.host_port.filter(|port| *port > 0)?, protocol(&port.protocol))))
        .collect()
}

/// What a pod asks for: what its containers ask for together, or an init container alone if that is more.
fn requests(spec: &PodSpec) -> BTreeMap<String, i128> {
    let (sidecars, init): (Vec<&Container>, Vec<&Container>) = spec
        .init_containers
        .iter()
        .flatten()
        .partition(|container| container.restart_policy.as_deref() == Some("Always"));
    let mut total: BTreeMap<String, i128> = BTreeMap::new();
    for (name, amount) in spec.containers.iter().chain(sidecars).flat_map(container_requests) {
        *total.entry(name).or_default() += amount;
    }
    for (name, amount) in init.into_iter().flat_map(container_requests) {
        let most = total.entry(name).or_default();
        *most = (*most).max(amount);
    }
    total
}

fn container_requests(container: &Container) -> BTreeMap<String, i128> {
    let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    requests.into_iter().flatten().map(|(name, amount)| (name.clone(), thousandths(amount))).collect()
}

fn unschedulable_taint() -> Taint {
    let key = "node.kubernetes.io/unschedulable".to_owned();
    Taint { key, effect: "NoSchedule".to_owned(), ..Taint::default() }
}

/// Whether one of the tolerations is for this taint.
pub(crate) fn tolerates(tolerations: &[Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|toleration| {
        let effect = toleration.effect.as_deref().unwrap_or_default();
        let key = toleration.key.as_deref().unwrap_or_default();
        let is_meant = (effect.is_empty() || effect == taint.effect) && (key.is_empty() || key == taint.key);
        let exists = toleration.operator.as_deref() == Some("Exists");
        let value = |value: &Option<String>| value.clone().unwrap_or_default();
        is_meant && (exists || !key.is_empty() && value(&toleration.value) == value(&taint.value))
    })
}
