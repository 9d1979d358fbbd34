//! The providers that are built in: the only list of them.

use std::sync::Arc;

use windlass_core::provider::Provider;
/// What a provider finds in the file that describes a cluster.
pub use windlass_provider_hetzner::lints::Finding as ClusterFinding;
/// The lints of such files.
pub use windlass_provider_hetzner::lints::LINTS as CLUSTER_LINTS;
use windlass_provider_hetzner::{HetznerConfig, HetznerProvider};
use windlass_provider_kubeconfig::KubeconfigProvider;
/// The providers' own sections of the configuration, which embeds them.
pub use windlass_provider_kubeconfig::{ClusterAccess, KubeconfigConfig};
use windlass_provider_sandbox::{SandboxConfig, SandboxProvider};

use crate::config::Config;
use crate::variables::Variables;

/// Every built-in provider, as the configuration sets it up.
pub fn built_in(config: &Config) -> Vec<Arc<dyn Provider>> {
    let mut providers: Vec<Arc<dyn Provider>> = vec![
        Arc::new(KubeconfigProvider::new(config.kubeconfig())),
        Arc::new(SandboxProvider::new(SandboxConfig::default())),
    ];
    // It keeps secrets of clusters; where nothing can be kept, there is no runner either, and opening its store says so.
    if let Ok(state) = config.state_folder(&Variables::Process) {
        let data = state.join("hetzner");
        providers.push(Arc::new(HetznerProvider::new(HetznerConfig::from_environment(data))));
    }
    providers
}

/// What a provider finds in the file that describes a cluster: a pure function of its text. Nothing where a provider has no such file.
pub fn cluster_findings(provider: &str, file: &str, text: &str) -> Vec<ClusterFinding> {
    match provider {
        "hetzner" => windlass_provider_hetzner::lints::check(file, text),
        _ => Vec::new(),
    }
}
