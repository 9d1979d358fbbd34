//! What is known of kinds without a call is what the server says.

use serde_json::Value;
use windlass_cluster::Selector;
use windlass_core::object::{Scope, scope};

use crate::space::Space;

#[tokio::test]
async fn every_kind_that_the_server_serves_is_found() {
    let space = Space::new().await;
    let served = space.namespace.kubectl(&["api-versions"]).expect_success();
    let served: Vec<&str> = served.lines().collect();
    let known = [
        "v1",
        "apps/v1",
        "batch/v1",
        "autoscaling/v1",
        "autoscaling/v2",
        "networking.k8s.io/v1",
        "policy/v1",
        "rbac.authorization.k8s.io/v1",
        "storage.k8s.io/v1",
        "scheduling.k8s.io/v1",
        "node.k8s.io/v1",
        "discovery.k8s.io/v1",
        "coordination.k8s.io/v1",
        "resource.k8s.io/v1",
        "apiextensions.k8s.io/v1",
        "apiregistration.k8s.io/v1",
        "admissionregistration.k8s.io/v1",
    ];
    let of_both: Vec<&str> = known.into_iter().filter(|one| served.contains(one)).collect();
    assert!(of_both.contains(&"v1") && of_both.contains(&"apps/v1"), "{served:?}");
    for api_version in of_both {
        for resource in resources(&space, api_version) {
            check(&space, api_version, &resource).await;
        }
    }
}

fn resources(space: &Space, api_version: &str) -> Vec<Value> {
    let root = if api_version.contains('/') {
        format!("/apis/{api_version}")
    } else {
        format!("/api/{api_version}")
    };
    let answer = space.namespace.kubectl(&["get", "--raw", &root]);
    let list: Value = serde_json::from_str(&answer.expect_success()).unwrap();
    let can_be_listed = |resource: &&Value| {
        let verbs = resource["verbs"].as_array().unwrap();
        verbs.contains(&"list".into()) && !resource["name"].as_str().unwrap().contains('/')
    };
    list["resources"].as_array().unwrap().iter().filter(can_be_listed).cloned().collect()
}

/// Lists the kind: a wrong plural or scope has no such path.
async fn check(space: &Space, api_version: &str, resource: &Value) {
    let kind = resource["kind"].as_str().unwrap();
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let is_namespaced = resource["namespaced"].as_bool().unwrap();
    if let Some(scope) = scope(group, kind) {
        assert_eq!(scope == Scope::Namespaced, is_namespaced, "{api_version} {kind}");
    }
    let namespace = is_namespaced.then(|| space.name());
    let listed = space.cluster.list(api_version, kind, namespace, &Selector::all()).await;
    assert!(listed.is_ok(), "{api_version} {kind}: {listed:?}");
}
