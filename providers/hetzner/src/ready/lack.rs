//! What a cluster lacks, from what its API says.

use serde_json::Value;

use crate::machines::Wanted;
use crate::plan::facts::NodeFacts;

/// On a node until the cloud controller manager knows its server (Kubernetes, "Cloud Controller Manager Administration").
const UNINITIALISED: &str = "node.cloudprovider.kubernetes.io/uninitialized";
const DRIVER: &str = "csi.hetzner.cloud";
const CLASS: &str = "hcloud-volumes";
/// By which k3s says that a node takes part in the embedded registry (k3s, `pkg/spegel`).
const MIRROR: &str = "p2p.k3s.cattle.io/enabled";

/// A node as a plan sees it.
pub(crate) fn node(node: &Value) -> NodeFacts {
    NodeFacts {
        name: text(node, "/metadata/name").to_owned(),
        version: text(node, "/status/nodeInfo/kubeletVersion").to_owned(),
        ready: is_ready(node),
    }
}

/// What is missing, in words; nothing when the cluster can take work.
pub(crate) fn lacks(wanted: &Wanted, nodes: &[Value], drivers: &[Value], classes: &[Value]) -> Vec<String> {
    let mut lacks = Vec::new();
    for name in &wanted.nodes {
        let Some(node) = named(nodes, name) else {
            lacks.push(format!("node `{name}` has not joined"));
            continue;
        };
        if !is_ready(node) {
            lacks.push(format!("node `{name}` is not ready"));
        } else if is_tainted(node) {
            lacks.push(format!("the cloud controller manager has not initialised node `{name}`"));
        }
        if wanted.mirror
            && node.pointer("/metadata/labels").and_then(|labels| labels[MIRROR].as_str()) != Some("true")
        {
            lacks.push(format!("node `{name}` does not take part in the embedded registry"));
        }
        if wanted.volumes && !has_driver(drivers, name) {
            lacks.push(format!("node `{name}` cannot attach volumes yet"));
        }
    }
    if wanted.volumes && named(classes, CLASS).is_none() {
        lacks.push(format!("there is no StorageClass `{CLASS}`"));
    }
    lacks
}

fn named<'list>(list: &'list [Value], name: &str) -> Option<&'list Value> {
    list.iter().find(|object| text(object, "/metadata/name") == name)
}

fn is_ready(node: &Value) -> bool {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn is_tainted(node: &Value) -> bool {
    let taints = node.pointer("/spec/taints").and_then(Value::as_array);
    taints.into_iter().flatten().any(|taint| taint["key"] == UNINITIALISED)
}

fn has_driver(nodes: &[Value], name: &str) -> bool {
    let drivers = named(nodes, name).and_then(|node| node.pointer("/spec/drivers")?.as_array());
    drivers.into_iter().flatten().any(|driver| driver["name"] == DRIVER)
}

fn text<'object>(object: &'object Value, path: &str) -> &'object str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted() -> Wanted {
        Wanted { nodes: vec!["a".to_owned()], volumes: true, mirror: true }
    }

    fn well() -> Value {
        json!({
            "metadata": {"name": "a", "labels": {MIRROR: "true"}},
            "status": {"nodeInfo": {"kubeletVersion": "v1.34.4+k3s1"}, "conditions": [{"type": "Ready", "status": "True"}]},
        })
    }

    fn driver() -> Value {
        json!({"metadata": {"name": "a"}, "spec": {"drivers": [{"name": DRIVER}]}})
    }

    fn check(node: Value, expected: &[&str]) {
        let class = json!({"metadata": {"name": CLASS}});
        assert_eq!(lacks(&wanted(), &[node], &[driver()], &[class]), expected);
    }

    #[test]
    fn a_cluster_that_lacks_nothing_is_ready() {
        check(well(), &[]);
        assert_eq!(
            node(&well()),
            NodeFacts { name: "a".into(), version: "v1.34.4+k3s1".into(), ready: true }
        );
    }

    #[test]
    fn a_node_must_have_joined_be_ready_and_be_initialised() {
        check(json!({"metadata": {"name": "b"}}), &["node `a` has not joined"]);
        let mut ill = well();
        ill["status"]["conditions"][0]["status"] = json!("Unknown");
        check(ill, &["node `a` is not ready"]);
        let mut tainted = well();
        tainted["spec"] = json!({"taints": [{"key": UNINITIALISED, "effect": "NoSchedule"}]});
        check(tainted, &["the cloud controller manager has not initialised node `a`"]);
    }

    #[test]
    fn a_node_without_the_mirror_is_not_ready() {
        let mut node = well();
        node["metadata"]["labels"] = json!({});
        check(node, &["node `a` does not take part in the embedded registry"]);
    }

    #[test]
    fn volumes_need_the_driver_on_each_node_and_the_class() {
        let lacking = lacks(&wanted(), &[well()], &[], &[]);
        assert_eq!(
            lacking,
            ["node `a` cannot attach volumes yet", "there is no StorageClass `hcloud-volumes`"]
        );
        let without = Wanted { volumes: false, ..wanted() };
        assert_eq!(lacks(&without, &[well()], &[], &[]), Vec::<String>::new());
    }
}
