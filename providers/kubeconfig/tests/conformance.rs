//! The provider keeps the contract.

#![expect(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use tempfile::TempDir;
use windlass_core::name::ClusterName;
use windlass_core::provider::{ClusterSpec, Provider};
use windlass_provider_kubeconfig::{ClusterAccess, KubeconfigConfig, KubeconfigProvider};
use windlass_tests::conformance::provider::{Place, run_all};

const TOKEN: &str = "canary-token";

struct OneCluster {
    provider: KubeconfigProvider,
    _folder: TempDir,
}

impl OneCluster {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kubeconfig");
        let text = format!(
            "current-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
             clusters: [{{name: k, cluster: {{server: 'https://10.0.0.1:6443'}}}}]\nusers: [{{name: u, user: {{token: {TOKEN}}}}}]\n"
        );
        std::fs::write(&file, text).unwrap();
        let access = ClusterAccess { kubeconfig: Some(file), context: None };
        let clusters = [("prod".parse().unwrap(), access)].into();
        Self { provider: KubeconfigProvider::new(KubeconfigConfig { clusters }), _folder: folder }
    }
}

impl Place for OneCluster {
    fn provider(&self) -> &dyn Provider {
        &self.provider
    }

    fn wanted(&self) -> ClusterSpec {
        ClusterSpec { name: "prod".parse().unwrap(), environment: "prod".parse().unwrap(), config: None }
    }

    fn absent(&self) -> ClusterName {
        "nowhere".parse().unwrap()
    }

    fn credentials(&self) -> Vec<String> {
        vec![TOKEN.to_owned()]
    }
}

#[tokio::test]
async fn kubeconfig_keeps_the_contract() {
    run_all(async || OneCluster::new()).await;
}
