//! The contract, for clusters that are there.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use windlass_core::name::{ClusterName, ProviderName};
use windlass_core::provider::{
    Capabilities, Cluster, ClusterPlan, ClusterSpec, Kubeconfig, Progress, Provider, ProviderError, Removal,
    Removed,
};

use crate::client;
use crate::config::{ClusterAccess, KubeconfigConfig};

/// Clusters that exist, by kubeconfig.
#[derive(Debug)]
pub struct KubeconfigProvider {
    name: ProviderName,
    config: KubeconfigConfig,
}

impl KubeconfigProvider {
    /// A provider for these clusters. Files are read when they are needed, so that a renewed one is used at once.
    pub fn new(config: KubeconfigConfig) -> Self {
        let name = "kubeconfig".parse().expect("it is a label");
        Self { name, config }
    }

    /// The kubeconfig of a cluster, read now.
    fn kubeconfig(&self, cluster: &ClusterName) -> Result<Kubeconfig, ProviderError> {
        let access = self.config.clusters.get(cluster).ok_or_else(|| {
            ProviderError::new(format!("no kubeconfig is named for cluster `{cluster}`")).with_hint(format!(
                "name one in windlass.toml: `[clusters.{cluster}]` with `kubeconfig = \"FILE\"`"
            ))
        })?;
        files_of(access)
            .and_then(|files| client::minimal(&files, access.context.as_deref()))
            .map(Kubeconfig::new)
            .map_err(|error| error.about(cluster.as_str()))
    }
}

fn files_of(access: &ClusterAccess) -> Result<Vec<PathBuf>, crate::error::KubeconfigError> {
    if let Some(file) = &access.kubeconfig {
        return Ok(vec![file.clone()]);
    }
    let variable = std::env::var("KUBECONFIG").ok();
    let home = std::env::var_os("HOME");
    client::default_files(variable.as_deref(), home.as_deref().map(Path::new))
}

#[async_trait]
impl Provider for KubeconfigProvider {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    /// None: it only connects.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// No changes, if the way to the cluster is known; whether it answers is the runner's to see.
    async fn plan(&self, want: &ClusterSpec) -> Result<ClusterPlan, ProviderError> {
        self.kubeconfig(&want.name).map(|_| ClusterPlan::default())
    }

    /// Checks that the kubeconfig can be used. It does not ask the cluster, so no version is known.
    async fn ensure(&self, want: &ClusterSpec, progress: &dyn Progress) -> Result<Cluster, ProviderError> {
        self.kubeconfig(&want.name)?;
        progress.report(&format!("cluster `{}` is there already", want.name));
        Ok(Cluster { name: want.name.clone(), version: None, writes: 0 })
    }

    async fn connect(&self, cluster: &ClusterName) -> Result<Kubeconfig, ProviderError> {
        self.kubeconfig(cluster)
    }

    /// Leaves the cluster: `ensure` did not make it.
    /// There is nothing to remove, so a dry run tells the same.
    async fn remove(
        &self,
        cluster: &ClusterName,
        _: Removal,
        _: &dyn Progress,
    ) -> Result<Removed, ProviderError> {
        let is_known = self.config.clusters.contains_key(cluster);
        let left = is_known.then(|| format!("cluster `{cluster}`: windlass did not make it"));
        Ok(Removed { removed: Vec::new(), left: left.into_iter().collect() })
    }
}
