//! Definitions and namespaces that come with what needs them.

use serde_json::{Value, json};
use windlass_cluster::{ApplyOptions, NoHook, Unchecked, Wrote};

use crate::space::{Space, config_map, workload};

/// A definition whose group no other test has.
fn definition(group: &str) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("cups.{group}")},
        "spec": {"group": group, "scope": "Namespaced", "names": {"kind": "Cup", "plural": "cups", "singular": "cup", "listKind": "CupList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object",
                "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}}]}})
}

fn cup(group: &str, size: &Value) -> Value {
    json!({"apiVersion": format!("{group}/v1"), "kind": "Cup", "metadata": {"name": "c"}, "spec": {"size": size}})
}

#[tokio::test]
async fn a_definition_and_its_object_come_in_one_release() {
    let space = Space::new().await;
    let group = format!("{}.example.com", space.name());
    let objects = [cup(&group, &json!(3)), definition(&group), config_map("a", "1")];
    let planned = space.plan(&objects).await;
    let unchecked: Vec<_> = planned.iter().filter_map(|planned| planned.unchecked.clone()).collect();
    assert_eq!(unchecked, [Unchecked::DefinitionComes(format!("cups.{group}"))]);
    let applied = space.cluster.apply(&planned, &NoHook).await.unwrap();
    let order: Vec<&str> = applied.iter().map(|object| object.reference.kind.as_str()).collect();
    assert_eq!(order, ["CustomResourceDefinition", "ConfigMap", "Cup"]);
    assert_eq!(space.get(&format!("{group}/v1"), "Cup", "c").await.unwrap()["spec"]["size"], 3);
    let again = space.apply(&objects).await;
    assert!(again.iter().all(|object| object.wrote == Wrote::Nothing), "{again:?}");
    space.namespace.kubectl(&["delete", "crd", &format!("cups.{group}")]).expect_success();
}

#[tokio::test]
async fn an_object_that_its_new_definition_refuses_stops_the_rest() {
    let space = Space::new().await;
    let group = format!("{}.example.com", space.name());
    let planned = space.plan(&[cup(&group, &json!("large")), definition(&group), config_map("a", "1")]).await;
    let stopped = space.cluster.apply(&planned, &NoHook).await.unwrap_err();
    assert!(stopped.to_string().contains("spec.size"), "{stopped}");
    let written: Vec<&str> = stopped.applied.iter().map(|object| object.reference.kind.as_str()).collect();
    assert_eq!(written, ["CustomResourceDefinition"]);
    assert!(space.get("v1", "ConfigMap", "a").await.is_none());
    space.namespace.kubectl(&["delete", "crd", &format!("cups.{group}")]).expect_success();
}

#[tokio::test]
async fn a_namespace_comes_with_what_lives_in_it() {
    let space = Space::new().await;
    let name = format!("{}-new", space.name());
    let mut web = workload("Deployment", "web", "web:1");
    web["metadata"]["namespace"] = name.as_str().into();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let planned = space.plan(&[web.clone(), namespace.clone()]).await;
    assert_eq!(planned[1].unchecked, Some(Unchecked::NamespaceComes(name.clone())));
    let tried = space.cluster.dry_run_pods(&planned).await.unwrap();
    assert_eq!(tried.skipped[0].1, format!("its namespace `{name}` comes with this release"));
    space.cluster.apply(&planned, &NoHook).await.unwrap();

    let mut invalid = web;
    invalid["metadata"]["namespace"] = format!("{name}-2").into();
    invalid["spec"]["replicas"] = (-1).into();
    let second = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("{name}-2")}});
    let planned = space.cluster.dry_run(&[invalid, second], &ApplyOptions::default()).await.unwrap();
    let stopped = space.cluster.apply(&planned, &NoHook).await.unwrap_err();
    assert!(stopped.to_string().contains("spec.replicas"), "{stopped}");
    space
        .namespace
        .kubectl(&["delete", "namespace", &name, &format!("{name}-2"), "--wait=false"])
        .expect_success();
}
