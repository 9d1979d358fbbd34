//! The provider keeps the contract of providers.

use windlass_core::name::ClusterName;
use windlass_core::provider::{ClusterSpec, Provider};
use windlass_tests::conformance::provider::{Place, run_all};

use crate::world::{CANARIES, World};

impl Place for World {
    fn provider(&self) -> &dyn Provider {
        &self.provider
    }

    fn wanted(&self) -> ClusterSpec {
        self.spec(1, 1, "")
    }

    fn absent(&self) -> ClusterName {
        "nowhere".parse().unwrap()
    }

    fn credentials(&self) -> Vec<String> {
        CANARIES.map(str::to_owned).into()
    }
}

#[tokio::test]
async fn hetzner_keeps_the_contract() {
    run_all(async || World::new().await).await;
}
