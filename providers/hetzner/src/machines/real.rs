//! Machines as they are: scripts over SSH, and the cluster by its Kubernetes API.

use async_trait::async_trait;
use secrecy::SecretString;
use windlass_core::provider::Kubeconfig;

use crate::machines::{Leaving, Machine, MachineError, Machines, Script, Wanted, ssh};
use crate::plan::blueprint::Role;
use crate::plan::facts::NodeFacts;
use crate::ready::kubernetes::Kubernetes;
use crate::ready::{lack, leave};

/// The servers and clusters that are really there.
#[derive(Debug, Default)]
pub struct RealMachines;

#[async_trait]
impl Machines for RealMachines {
    async fn run(&self, machine: &Machine, script: &Script) -> Result<SecretString, MachineError> {
        ssh::run(machine, script).await
    }

    async fn nodes(&self, way: &Kubeconfig) -> Result<Vec<NodeFacts>, MachineError> {
        let nodes = Kubernetes::connect(way)?.list("/api/v1/nodes").await?;
        Ok(nodes.iter().map(lack::node).collect())
    }

    async fn lacks(&self, way: &Kubeconfig, wanted: &Wanted) -> Result<Vec<String>, MachineError> {
        let kubernetes = Kubernetes::connect(way)?;
        let nodes = kubernetes.list("/api/v1/nodes").await?;
        let (mut drivers, mut classes) = (Vec::new(), Vec::new());
        if wanted.volumes {
            drivers = kubernetes.list("/apis/storage.k8s.io/v1/csinodes").await?;
            classes = kubernetes.list("/apis/storage.k8s.io/v1/storageclasses").await?;
        }
        Ok(lack::lacks(wanted, &nodes, &drivers, &classes))
    }

    async fn retire(
        &self,
        way: &Kubeconfig,
        node: &str,
        role: Role,
        leaving: Leaving,
    ) -> Result<(), MachineError> {
        leave::leave(&Kubernetes::connect(way)?, node, role, leaving).await
    }
}
