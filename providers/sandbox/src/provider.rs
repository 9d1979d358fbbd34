//! The contract, for clusters in this process.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use tokio::sync::Mutex;
use windlass_core::name::{ClusterName, ProviderName};
use windlass_core::provider::{
    Capabilities, ChangeVerb, Cluster, ClusterChange, ClusterPlan, ClusterSpec, Kubeconfig, Progress,
    Provider, ProviderError, Removal, Removed,
};

use crate::config::SandboxConfig;
use crate::sandbox::Sandbox;

/// Makes clusters in this process. They are gone with the provider.
pub struct SandboxProvider {
    name: ProviderName,
    config: SandboxConfig,
    clusters: Mutex<BTreeMap<ClusterName, Sandbox>>,
}

impl SandboxProvider {
    /// A provider without clusters.
    pub fn new(config: SandboxConfig) -> Self {
        let name = "sandbox".parse().expect("it is a label");
        Self { name, config, clusters: Mutex::default() }
    }
}

impl fmt::Debug for SandboxProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxProvider").field("config", &self.config).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for SandboxProvider {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        let storage_classes = ["hcloud-volumes", "local-path"].map(str::to_owned).to_vec();
        Capabilities { create: true, upgrade: false, scale: false, storage_classes }
    }

    async fn plan(&self, want: &ClusterSpec) -> Result<ClusterPlan, ProviderError> {
        if self.clusters.lock().await.contains_key(&want.name) {
            return Ok(ClusterPlan::default());
        }
        let what = format!("cluster `{}` in memory", want.name);
        Ok(ClusterPlan {
            changes: vec![ClusterChange { verb: ChangeVerb::Create, what }],
            monthly_cost: None,
        })
    }

    /// Starts a cluster of this name unless there is one.
    async fn ensure(&self, want: &ClusterSpec, progress: &dyn Progress) -> Result<Cluster, ProviderError> {
        let mut clusters = self.clusters.lock().await;
        let name = want.name.clone();
        if let Some(sandbox) = clusters.get(&name) {
            return Ok(Cluster { name, version: Some(sandbox.version().to_owned()), writes: 0 });
        }
        let started = Sandbox::start(&self.config).await.map_err(|error| error.about(name.as_str()))?;
        progress.report(&format!("cluster `{name}` runs in memory on {}", started.address()));
        let version = Some(started.version().to_owned());
        clusters.insert(name.clone(), started);
        Ok(Cluster { name, version, writes: 1 })
    }

    async fn connect(&self, cluster: &ClusterName) -> Result<Kubeconfig, ProviderError> {
        let clusters = self.clusters.lock().await;
        let found = clusters.get(cluster).map(|sandbox| sandbox.kubeconfig(cluster.as_str()));
        found.ok_or_else(|| {
            ProviderError::new(format!("there is no sandbox cluster `{cluster}` in this process"))
                .with_hint("a sandbox lives in memory: it is gone when the program that started it ends")
        })
    }

    async fn remove(
        &self,
        cluster: &ClusterName,
        removal: Removal,
        progress: &dyn Progress,
    ) -> Result<Removed, ProviderError> {
        let mut clusters = self.clusters.lock().await;
        let words = clusters.contains_key(cluster).then(|| format!("cluster `{cluster}`"));
        if let Some(words) = words.as_ref().filter(|_| removal == Removal::Final) {
            clusters.remove(cluster);
            progress.report(&format!("{words} is gone, with all that was in it"));
        }
        Ok(Removed { removed: words.into_iter().collect(), left: Vec::new() })
    }
}
