//! What happens on servers and in the cluster that they become, beyond Hetzner's API.

mod real;
mod ssh;

pub use real::RealMachines;

use std::fmt;
use std::net::IpAddr;

use async_trait::async_trait;
use secrecy::SecretString;
use windlass_core::provider::Kubeconfig;

use crate::plan::blueprint::Role;
use crate::plan::facts::NodeFacts;

/// The way onto servers and into their cluster.
///
/// # Contract
///
/// * [`run`](Self::run) sends a script only to the machine whose host key is the one that is named.
/// * Everything may be asked for twice: scripts and the steps of [`retire`](Self::retire) lead to the same end from wherever they were cut off.
#[async_trait]
pub trait Machines: fmt::Debug + Send + Sync + 'static {
    /// Runs a script on a server as root, and answers with what it wrote.
    async fn run(&self, machine: &Machine, script: &Script) -> Result<SecretString, MachineError>;

    /// The nodes of a cluster.
    async fn nodes(&self, way: &Kubeconfig) -> Result<Vec<NodeFacts>, MachineError>;

    /// What the cluster lacks to take work; nothing when it is ready.
    async fn lacks(&self, way: &Kubeconfig, wanted: &Wanted) -> Result<Vec<String>, MachineError>;

    /// Takes a node out of the cluster: it is emptied if it lives, a master leaves etcd, and the node is deleted. One that is not there is out
    /// already.
    async fn retire(
        &self,
        way: &Kubeconfig,
        node: &str,
        role: Role,
        leaving: Leaving,
    ) -> Result<(), MachineError>;
}

/// A server, as one gets onto it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Where its sshd answers.
    pub address: IpAddr,
    /// The port of its sshd.
    pub port: u16,
    /// The file of the private key that opens it.
    pub key_file: String,
    /// The host key that it must prove to have, as a line of OpenSSH: `ssh-ed25519 AAAA…`.
    pub host_key: String,
}

/// A script for a shell, and what it is for. The text may hold secrets; it goes through standard input and never into arguments.
#[derive(Debug)]
pub struct Script {
    /// What it does.
    pub purpose: Purpose,
    /// The text.
    pub text: SecretString,
}

/// What a script does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Founds a control plane.
    Found,
    /// Joins a control plane.
    Join,
    /// Shows the administrator's kubeconfig.
    Kubeconfig,
    /// Replaces k3s by another release.
    Upgrade,
}

/// How a node leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// Its pods go elsewhere first.
    InOrder,
    /// Its server is gone.
    Dead,
}

/// What a cluster must be to take work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Every node, by name.
    pub nodes: Vec<String>,
    /// Whether volumes are made by Hetzner's driver.
    pub volumes: bool,
    /// Whether nodes take images from one another.
    pub mirror: bool,
}

/// A machine or its cluster did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct MachineError {
    /// What failed; this layer only, and without what a script held.
    pub what: String,
    /// Whether it may be different in a moment: a machine that is still starting.
    pub passing: bool,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl MachineError {
    /// It may be different in a moment.
    pub fn passing(what: impl Into<String>) -> Self {
        Self { what: what.into(), passing: true, source: None }
    }

    /// It stays as it is until someone mends something.
    pub fn lasting(what: impl Into<String>) -> Self {
        Self { what: what.into(), passing: false, source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
