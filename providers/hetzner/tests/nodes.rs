//! A cluster is asked how it is, and a node leaves it: against a real control plane.

#![expect(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use serde_json::Value;
use windlass_core::provider::Kubeconfig;
use windlass_provider_hetzner::machines::{Leaving, Machines as _, RealMachines, Wanted};
use windlass_provider_hetzner::plan::blueprint::Role;
use windlass_tests::testbed::{Bed, Namespace};

/// An administrator's way in, as the provider writes it: JSON.
fn way(bed: &Bed) -> Kubeconfig {
    let text = std::fs::read_to_string(bed.kubeconfig()).unwrap();
    let read: Value = serde_saphyr::from_str(&text).unwrap();
    Kubeconfig::new(read.to_string())
}

/// A node without a kubelet, named after the test's namespace, and a pod on it.
fn node_with_pod(space: &Namespace<'_>) -> String {
    let node = format!("node-{}", space.name());
    space.apply(&format!(
        "apiVersion: v1\nkind: Node\nmetadata: {{name: {node}}}\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec: {{nodeName: {node}, terminationGracePeriodSeconds: 0, containers: [{{name: web, image: none}}]}}\n"
    ));
    node
}

#[tokio::test]
async fn a_cluster_says_what_it_lacks() {
    let bed = Bed::shared();
    let way = way(bed);
    let nodes = RealMachines.nodes(&way).await.unwrap();
    let well = nodes.iter().find(|node| node.ready).expect("the bed's nodes are ready");
    assert!(well.version.starts_with('v'), "{well:?}");
    let wanted = |name: &str, volumes| Wanted { nodes: vec![name.to_owned()], volumes, mirror: false };
    assert_eq!(RealMachines.lacks(&way, &wanted(&well.name, false)).await.unwrap(), Vec::<String>::new());
    assert_eq!(
        RealMachines.lacks(&way, &wanted("nowhere", false)).await.unwrap(),
        ["node `nowhere` has not joined"]
    );
    let lacks = RealMachines.lacks(&way, &wanted(&well.name, true)).await.unwrap();
    assert_eq!(
        lacks,
        [format!("node `{}` cannot attach volumes yet", well.name)],
        "the bed has no driver of volumes"
    );
}

#[tokio::test]
async fn a_node_leaves_without_its_pods_and_leaves_once() {
    let space = Bed::shared().namespace();
    let (way, node) = (way(space.bed()), node_with_pod(&space));
    for _ in 0..2 {
        RealMachines.retire(&way, &node, Role::Worker, Leaving::InOrder).await.unwrap();
    }
    let nodes = RealMachines.nodes(&way).await.unwrap();
    assert!(nodes.iter().all(|known| known.name != node), "{nodes:?}");
    let pods = space.kubectl(&["get", "pods", "--output", "name"]).expect_success();
    assert_eq!(pods.trim(), "", "its pod was evicted");
}

#[tokio::test]
async fn a_node_that_died_is_forgotten_as_it_is() {
    let space = Bed::shared().namespace();
    let (way, node) = (way(space.bed()), node_with_pod(&space));
    RealMachines.retire(&way, &node, Role::Worker, Leaving::Dead).await.unwrap();
    let nodes = RealMachines.nodes(&way).await.unwrap();
    assert!(nodes.iter().all(|known| known.name != node), "{nodes:?}");
}

#[tokio::test]
async fn an_api_that_does_not_answer_may_yet() {
    let mut read: Value = serde_json::from_str(way(Bed::shared()).expose()).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    read["clusters"][0]["cluster"]["server"] = format!("https://127.0.0.1:{port}").into();
    let error = RealMachines.nodes(&Kubeconfig::new(read.to_string())).await.unwrap_err();
    assert!(error.passing, "{error}");
}
