//! A cluster that lives: objects, with controllers and nodes at work on them.

use serde_json::{Value, json};
use windlass_simulation::storage;

use crate::controllers::{Controllers, Create};
use crate::nodes::{Faults, Nodes};
use crate::objects::kinds::{CONFIG_MAP, NAMESPACE, STORAGE_CLASS};
use crate::objects::{ObjectError, Objects};

/// The namespaces that every cluster has.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// How a cluster is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterOptions {
    /// How many nodes it has, each with room for 110 pods, 8 CPUs and 32 GiB.
    pub nodes: usize,
    /// The certificate of its API server, in PEM, which every namespace holds as `kube-root-ca.crt`.
    pub root_certificate: String,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self { nodes: 3, root_certificate: String::new() }
    }
}

/// Objects with controllers and nodes at work on them. They stop when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    nodes: Nodes,
    _controllers: Controllers,
}

impl Cluster {
    /// Gives an empty store what every cluster has, and sets controllers and nodes to work on it. What controllers make goes through `create`.
    ///
    /// # Errors
    /// When the store is not empty.
    pub fn start(objects: &Objects, create: Create, options: &ClusterOptions) -> Result<Self, ObjectError> {
        furnish(objects, options)?;
        let nodes = Nodes::start(objects.clone(), options.nodes)?;
        Ok(Self { nodes, _controllers: Controllers::start(objects.clone(), create) })
    }

    /// The nodes, whom the API server asks for logs.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// What goes wrong in this cluster.
    pub fn faults(&self) -> &Faults {
        self.nodes.faults()
    }
}

fn furnish(objects: &Objects, options: &ClusterOptions) -> Result<(), ObjectError> {
    for name in NAMESPACES {
        objects.create(&NAMESPACE, namespace(name))?;
    }
    for class in storage::classes() {
        objects.create(&STORAGE_CLASS, class)?;
    }
    let certificate = json!({
        "metadata": { "name": "kube-root-ca.crt", "namespace": "kube-system" },
        "data": { "ca.crt": options.root_certificate },
    });
    objects.create(&CONFIG_MAP, certificate)?;
    Ok(())
}

fn namespace(name: &str) -> Value {
    json!({
        "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } },
        "spec": { "finalizers": ["kubernetes"] },
        "status": { "phase": "Active" },
    })
}
