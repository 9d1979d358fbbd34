//! The provider keeps the contract.

#![expect(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use windlass_core::name::ClusterName;
use windlass_core::provider::{ClusterSpec, Provider};
use windlass_provider_sandbox::{SandboxConfig, SandboxProvider};
use windlass_tests::conformance::provider::{Place, run_all};

struct Own(SandboxProvider);

impl Place for Own {
    fn provider(&self) -> &dyn Provider {
        &self.0
    }

    fn wanted(&self) -> ClusterSpec {
        ClusterSpec { name: "demo".parse().unwrap(), environment: "local".parse().unwrap(), config: None }
    }

    fn absent(&self) -> ClusterName {
        "nowhere".parse().unwrap()
    }

    /// None but those that its clusters make up, which the suite finds in their kubeconfigs.
    fn credentials(&self) -> Vec<String> {
        Vec::new()
    }
}

#[tokio::test]
async fn sandbox_keeps_the_contract() {
    run_all(async || Own(SandboxProvider::new(SandboxConfig::default()))).await;
}
