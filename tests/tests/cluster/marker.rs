use windlass_cluster::{InventoryItem, Marker};
use windlass_core::failure::ClusterFailure;
use windlass_core::name::{Digest, RunId};

use crate::space::Space;

fn marker(space: &Space, epoch: u64) -> Marker {
    Marker {
        epoch,
        run: RunId(17),
        release: Digest::of(b"release"),
        inventory: vec![InventoryItem {
            object: space.reference("apps/v1", "StatefulSet", "db"),
            uid: "3f0c".to_owned(),
            digest: Digest::of(b"object"),
        }],
    }
}

#[tokio::test]
async fn a_marker_is_written_once_per_state() {
    let space = Space::new().await;
    let environment = "dev".parse().unwrap();
    assert!(space.cluster.read_marker(&environment).await.unwrap().is_none());
    let first = space.cluster.write_marker(&environment, &marker(&space, 1), None).await.unwrap();
    assert_eq!(
        space.cluster.read_marker(&environment).await.unwrap(),
        Some((marker(&space, 1), first.clone()))
    );

    let second = space.cluster.write_marker(&environment, &marker(&space, 2), Some(&first)).await.unwrap();
    for expected in [None, Some(first.as_str())] {
        let error = space.cluster.write_marker(&environment, &marker(&space, 3), expected).await.unwrap_err();
        assert_eq!(error.failure(), ClusterFailure::StaleWrite, "{expected:?}");
    }
    assert_eq!(space.cluster.read_marker(&environment).await.unwrap(), Some((marker(&space, 2), second)));
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_not_a_conflict() {
    let space = Space::new().await;
    let environment = "dev".parse().unwrap();
    let first = space.cluster.write_marker(&environment, &marker(&space, 1), None).await.unwrap();
    let again = space.cluster.write_marker(&environment, &marker(&space, 1), None).await.unwrap();
    assert_eq!(first, again);
}

#[tokio::test]
async fn a_marker_that_was_deleted_is_stale() {
    let space = Space::new().await;
    let environment = "dev".parse().unwrap();
    let first = space.cluster.write_marker(&environment, &marker(&space, 1), None).await.unwrap();
    space.namespace.kubectl(&["delete", "configmap", "windlass-dev"]).expect_success();
    let error = space.cluster.write_marker(&environment, &marker(&space, 2), Some(&first)).await.unwrap_err();
    assert_eq!(error.failure(), ClusterFailure::StaleWrite);
}

#[tokio::test]
async fn all_who_ask_for_the_key_get_the_same() {
    use std::fmt::Write as _;

    let space = Space::new().await;
    let keys = futures::future::join_all((0..8).map(|_| space.cluster.digest_key())).await;
    let stored = space.get("v1", "Secret", "windlass-key").await.unwrap();
    assert_eq!(stored["data"]["key"].as_str().unwrap().len(), 44, "32 bytes in base64");
    let mut shown = String::new();
    for key in keys {
        write!(shown, "{:?}", key.unwrap()).unwrap();
    }
    assert!(!shown.contains(stored["data"]["key"].as_str().unwrap()));
}
