//! The cluster-config file: the schema of hetzner-k3s 2.6, key for key, and a few keys of windlass.
//!
//! [`ClusterFile::parse`] reads a file whole or says everything that is wrong with it, each with line and column. A key that nobody knows is
//! wrong, where hetzner-k3s passes over it. What is read and cannot be honoured is a finding of `lints`, never silently left out.
//!
//! Each block of the file is declared once, with the meaning, default and an example of every key; types, reader and reference table come from
//! that declaration. Types answer with what the file means: a key that is left out has its default.

mod addons;
mod block;
mod cluster;
mod datastore;
mod networking;
mod places;
mod pools;
#[cfg(test)]
mod reference;
mod rules;
mod scan;
mod secret;
#[cfg(test)]
mod tests;

pub use self::addons::{
    Addons, CloudControllerManager, ClusterAutoscaler, CsiDriver, EmbeddedRegistryMirror,
    SystemUpgradeController, Toggle,
};
pub use self::block::{Key, Presence, Table};
pub use self::cluster::{Budget, Cents, ClusterConfig, SnapshotOs};
pub use self::datastore::{Datastore, DatastoreMode, Etcd};
pub use self::networking::{
    AllowedNetworks, Cilium, Cni, CniMode, CustomRule, Flannel, Networking, PrivateNetwork, PublicNetwork,
    Ssh,
};
pub use self::places::Places;
pub use self::pools::{
    Autoscaling, Effect, External, ExternalNode, ExternalProvider, Label, MastersPool, Nodes, Taint,
    WorkerPool,
};
pub use self::secret::Secret;

use self::block::Block as _;

use windlass_core::policy::problem::Problems;

/// Every key of the file, with what it holds.
pub fn keys() -> &'static Table {
    ClusterConfig::TABLE
}

/// A cluster-config file that was read.
#[derive(Debug, Clone)]
pub struct ClusterFile {
    /// What it says.
    pub config: ClusterConfig,
    /// Where it says it.
    pub places: Places,
}

impl ClusterFile {
    /// Reads the text of a file; `file` is how problems name it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, in the order of the file.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        scan::file(file, text)
    }
}
