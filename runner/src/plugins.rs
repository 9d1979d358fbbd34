//! The providers that are built in: the only list of them.

use std::sync::Arc;

use windlass_core::provider::Provider;
use windlass_provider_kubeconfig::KubeconfigProvider;
/// The providers' own sections of the configuration, which embeds them.
pub use windlass_provider_kubeconfig::{ClusterAccess, KubeconfigConfig};
use windlass_provider_sandbox::{SandboxConfig, SandboxProvider};

use crate::config::Config;

/// Every built-in provider, as the configuration sets it up.
pub fn built_in(config: &Config) -> Vec<Arc<dyn Provider>> {
    vec![
        Arc::new(KubeconfigProvider::new(config.kubeconfig())),
        Arc::new(SandboxProvider::new(SandboxConfig::default())),
    ]
}
