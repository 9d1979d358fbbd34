use serde_json::{Value, json};

use crate::controllers::bench::Bench;
use crate::controllers::merge::merge;
use crate::objects::kinds::{NODE, PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, POD, STORAGE_CLASS};

fn with_nodes(count: usize) -> Bench {
    let bench = Bench::new();
    for number in 0..count {
        let name = format!("node-{number}");
        let room = json!({ "cpu": "8", "memory": "32Gi", "pods": "110" });
        let labels = json!({ "kubernetes.io/hostname": name });
        bench.create(
            &NODE,
            json!({ "metadata": { "name": name, "labels": labels }, "status": { "allocatable": room } }),
        );
    }
    bench
}

fn pod(bench: &Bench, name: &str, spec: &Value) {
    let mut pod = json!({
        "metadata": { "name": name, "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "main", "image": "web:1" }] },
        "status": { "phase": "Pending" },
    });
    merge(&mut pod["spec"], spec);
    bench.create(&POD, pod);
}

fn node_of(bench: &Bench, pod: &str) -> Value {
    bench.get(&POD, pod)["spec"]["nodeName"].clone()
}

/// Why a pod waits; it must wait.
fn why(bench: &Bench, pod: &str) -> String {
    assert_eq!(node_of(bench, pod), Value::Null);
    let condition = &bench.get(&POD, pod)["status"]["conditions"][0];
    assert_eq!((&condition["type"], &condition["reason"]), (&json!("PodScheduled"), &json!("Unschedulable")));
    condition["message"].as_str().unwrap().to_owned()
}

fn requesting(cpu: &str) -> Value {
    let resources = json!({ "requests": { "cpu": cpu } });
    json!({ "containers": [{ "name": "main", "image": "web:1", "resources": resources }] })
}

#[test]
fn pods_are_spread_over_the_nodes_and_told_bound() {
    let mut bench = with_nodes(2);
    pod(&bench, "a", &json!({}));
    pod(&bench, "b", &json!({}));
    bench.settle();
    assert_ne!(node_of(&bench, "a"), node_of(&bench, "b"));
    assert_eq!(bench.get(&POD, "a")["status"]["conditions"][0]["status"], "True");
    assert_eq!(bench.events("Pod")[0], "Scheduled: Successfully assigned shop/a to node-0");
}

#[test]
fn what_cannot_be_had_is_said_in_the_words_of_the_scheduler() {
    let mut bench = with_nodes(3);
    pod(&bench, "big", &requesting("500"));
    pod(&bench, "picky", &json!({ "nodeSelector": { "disk": "fast" } }));
    bench.settle();
    let unhelpful = "no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.";
    assert_eq!(why(&bench, "big"), format!("0/3 nodes are available: 3 Insufficient cpu. {unhelpful}"));
    let reason = "3 node(s) didn't match Pod's node affinity/selector";
    assert_eq!(why(&bench, "picky"), format!("0/3 nodes are available: {reason}. {unhelpful}"));
    assert_eq!(bench.events("Pod").len(), 2);
}

#[test]
fn a_pod_that_waits_is_bound_when_there_is_room() {
    let mut bench = with_nodes(1);
    pod(&bench, "first", &requesting("6"));
    bench.settle();
    pod(&bench, "second", &requesting("6"));
    bench.settle();
    assert!(why(&bench, "second").contains("1 Insufficient cpu"));
    bench.end("first", "Succeeded");
    bench.settle();
    assert_eq!(node_of(&bench, "second"), "node-0");
}

#[test]
fn pods_that_avoid_each_other_need_a_node_each() {
    let mut bench = with_nodes(2);
    let term = json!({ "topologyKey": "kubernetes.io/hostname", "labelSelector": { "matchLabels": { "app": "web" } } });
    let affinity = json!({ "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [term] } });
    for name in ["a", "b", "c"] {
        pod(&bench, name, &json!({ "affinity": affinity }));
        bench.settle();
    }
    assert_ne!(node_of(&bench, "a"), node_of(&bench, "b"));
    assert!(why(&bench, "c").contains("2 node(s) didn't match pod anti-affinity rules"));
}

#[test]
fn a_tainted_node_takes_only_who_tolerates_it() {
    let mut bench = Bench::new();
    let taints = json!([{ "key": "dedicated", "value": "db", "effect": "NoSchedule" }]);
    let status = json!({ "allocatable": { "pods": "110" } });
    bench.create(
        &NODE,
        json!({ "metadata": { "name": "node-0" }, "spec": { "taints": taints }, "status": status }),
    );
    pod(&bench, "a", &json!({}));
    pod(&bench, "b", &json!({ "tolerations": [{ "key": "dedicated", "operator": "Exists" }] }));
    bench.settle();
    assert!(why(&bench, "a").contains("1 node(s) had untolerated taint(s)"));
    assert_eq!(node_of(&bench, "b"), "node-0");
}

#[test]
fn a_pod_waits_for_its_volume_and_is_bound_with_it() {
    let mut bench = with_nodes(1);
    let class = json!({
        "metadata": { "name": "disk" }, "provisioner": "example.org/disk", "volumeBindingMode": "WaitForFirstConsumer",
    });
    bench.create(&STORAGE_CLASS, class);
    let wish = json!({
        "storageClassName": "disk", "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } },
    });
    bench.create(&PERSISTENT_VOLUME_CLAIM, json!({ "metadata": { "name": "data" }, "spec": wish }));
    let volumes = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }]);
    pod(&bench, "db", &json!({ "volumes": volumes }));
    bench.settle();
    assert_eq!(node_of(&bench, "db"), Value::Null);
    let claim = bench.get(&PERSISTENT_VOLUME_CLAIM, "data");
    assert_eq!(claim["metadata"]["annotations"]["volume.kubernetes.io/selected-node"], "node-0");

    let owner = json!({ "namespace": "shop", "name": "data", "uid": claim["metadata"]["uid"] });
    let made = json!({
        "claimRef": owner, "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "storageClassName": "disk",
    });
    bench.create(&PERSISTENT_VOLUME, json!({ "metadata": { "name": "volume" }, "spec": made }));
    bench.settle();
    assert_eq!(bench.get(&PERSISTENT_VOLUME_CLAIM, "data")["status"]["phase"], "Bound");
    assert_eq!(node_of(&bench, "db"), "node-0");
}

#[test]
fn a_claim_whose_class_is_missing_keeps_its_pod_waiting() {
    let mut bench = with_nodes(3);
    let wish = json!({ "storageClassName": "absent", "accessModes": ["ReadWriteOnce"] });
    bench.create(&PERSISTENT_VOLUME_CLAIM, json!({ "metadata": { "name": "data" }, "spec": wish }));
    let volumes = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }]);
    pod(&bench, "db", &json!({ "volumes": volumes }));
    bench.settle();
    assert_eq!(
        why(&bench, "db"),
        "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
    );
    let told = bench.events("PersistentVolumeClaim");
    assert_eq!(told, ["ProvisioningFailed: storageclass.storage.k8s.io \"absent\" not found"]);
}
