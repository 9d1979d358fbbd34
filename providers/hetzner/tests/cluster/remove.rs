//! Taking clusters away.

use serde_json::json;
use windlass_core::provider::{Provider as _, Removal};

use crate::world::{CLUSTER, Silent, World, told};

#[tokio::test]
async fn a_dry_run_says_what_would_go_and_writes_nothing() {
    let world = World::new().await;
    world.ensure(&world.spec(3, 1, "create_load_balancer_for_the_kubernetes_api: true")).await.unwrap();
    let before = world.inventory();
    world.emulator.forget_calls();
    let told = world.provider.remove(&CLUSTER.parse().unwrap(), Removal::DryRun, &Silent).await.unwrap();
    assert!(world.calls().iter().all(|call| !call.is_write()));
    assert_eq!((told.removed.len(), world.inventory()), (before.len(), before));
    assert_eq!(world.remove().await.removed, told.removed);
    assert_eq!(world.inventory(), Vec::<String>::new());
}

#[tokio::test]
async fn what_controllers_made_stays_and_is_named_with_its_price() {
    let world = World::new().await;
    world.ensure(&world.spec(1, 0, "")).await.unwrap();
    let labels = json!({"managed-by": "csi-driver", "pvc-name": "data"});
    world.by_hand(
        "POST",
        "/volumes",
        &json!({"name": "pvc-1", "size": 10, "location": "nbg1", "labels": labels}),
    );
    let network = world.emulator.resources("networks")[0]["id"].clone();
    let labels = json!({"hcloud-ccm/service-uid": "4711"});
    let body = json!({"name": "ingress", "load_balancer_type": "lb11", "location": "nbg1", "labels": labels, "network": network});
    world.by_hand("POST", "/load_balancers", &body);
    world.clock.advance(std::time::Duration::from_mins(1));
    let removed = world.remove().await;
    assert_eq!(removed.left.len(), 2, "{:?}", removed.left);
    assert!(removed.left[0].starts_with("volume `pvc-1` of 10 GB, 0."), "{:?}", removed.left);
    assert!(
        removed.left[1].starts_with("load balancer `ingress` of a Service, ")
            && removed.left[1].contains("EUR in a month"),
        "{:?}",
        removed.left
    );
    assert_eq!(world.inventory(), ["load_balancers/ingress", "volumes/pvc-1"]);
}

#[tokio::test]
async fn a_protected_cluster_stays_until_its_file_says_otherwise() {
    let world = World::new().await;
    let open = world.spec(1, 0, "");
    let mut guarded = open.clone();
    guarded.config = guarded
        .config
        .map(|text| text.replace("protect_against_deletion: false", "protect_against_deletion: true"));
    world.ensure(&guarded).await.unwrap();
    let error = world.provider.remove(&CLUSTER.parse().unwrap(), Removal::Final, &Silent).await.unwrap_err();
    assert!(told(&error).contains("is protected against removal"), "{}", told(&error));
    assert_eq!(world.emulator.resources("servers").len(), 1);
    world.ensure(&open).await.unwrap();
    assert_eq!(world.plan(&open).await.changes, []);
    world.remove().await;
    assert_eq!(world.inventory(), Vec::<String>::new());
}

#[tokio::test]
async fn a_cluster_can_be_made_again_after_it_was_removed() {
    let world = World::new().await;
    for _ in 0..2 {
        world.ensure(&world.spec(1, 1, "")).await.unwrap();
        world.remove().await;
        world.fleet.cluster.lock().unwrap().nodes.clear();
    }
    assert_eq!(world.inventory(), Vec::<String>::new());
}
