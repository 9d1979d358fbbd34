use serde_json::{Value, json};

use crate::controllers::bench::Bench;
use crate::objects::kinds::{DAEMON_SET, NODE, POD};

fn node(bench: &Bench, name: &str, disk: &str) {
    let status = json!({ "allocatable": { "pods": "110" } });
    let labels = json!({ "disk": disk });
    bench.create(&NODE, json!({ "metadata": { "name": name, "labels": labels }, "status": status }));
}

fn set(spec: &Value) -> Value {
    let mut set = json!({
        "metadata": { "name": "agent" },
        "spec": { "selector": { "matchLabels": { "app": "agent" } }, "template": template("agent:1") },
    });
    crate::controllers::merge::merge(&mut set["spec"], spec);
    set
}

fn template(image: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": "agent" } },
        "spec": { "containers": [{ "name": "main", "image": image }] },
    })
}

fn images(bench: &Bench) -> Vec<String> {
    let image = |pod: &Value| pod["spec"]["containers"][0]["image"].as_str().unwrap().to_owned();
    let mut images: Vec<String> = bench.all(&POD).iter().map(image).collect();
    images.sort();
    images
}

/// Three nodes, the last with a slow disk, and a set that is complete.
fn complete(spec: &Value) -> Bench {
    let mut bench = Bench::new();
    node(&bench, "node-0", "fast");
    node(&bench, "node-1", "fast");
    node(&bench, "node-2", "slow");
    bench.create(&DAEMON_SET, set(spec));
    bench.run_pods(|_| false);
    bench
}

fn status(bench: &Bench, count: &str) -> i64 {
    bench.get(&DAEMON_SET, "agent")["status"][count].as_i64().unwrap_or(0)
}

#[test]
fn every_node_has_its_pod_and_a_new_one_gets_it() {
    let mut bench = complete(&json!({}));
    let mut nodes: Vec<Value> = bench.all(&POD).iter().map(|pod| pod["spec"]["nodeName"].clone()).collect();
    nodes.sort_by_key(ToString::to_string);
    assert_eq!(nodes, ["node-0", "node-1", "node-2"]);
    assert_eq!((status(&bench, "desiredNumberScheduled"), status(&bench, "numberAvailable")), (3, 3));
    node(&bench, "node-3", "slow");
    bench.run_pods(|_| false);
    assert_eq!(status(&bench, "numberAvailable"), 4);
}

#[test]
fn only_nodes_that_are_meant_have_one() {
    let mut bench = complete(&json!({ "template": { "spec": { "nodeSelector": { "disk": "fast" } } } }));
    assert_eq!(bench.names(&POD).len(), 2);
    bench
        .objects
        .update(&NODE, None, "node-1", |node| node["metadata"]["labels"]["disk"] = "slow".into())
        .unwrap();
    bench.run_pods(|_| false);
    assert_eq!(bench.names(&POD).len(), 1);
}

#[test]
fn an_update_takes_one_node_after_the_other_and_stops_at_a_bad_one() {
    let mut bench = complete(&json!({}));
    bench.patch(&DAEMON_SET, "agent", &json!({ "spec": { "template": template("agent:bad") } }));
    let is_bad = |pod: &Value| pod["spec"]["containers"][0]["image"] == "agent:bad";
    bench.run_pods(is_bad);
    assert_eq!(images(&bench), ["agent:1", "agent:1", "agent:bad"]);
    bench.patch(&DAEMON_SET, "agent", &json!({ "spec": { "template": template("agent:2") } }));
    bench.run_pods(|_| false);
    assert_eq!(images(&bench), ["agent:2", "agent:2", "agent:2"]);
    assert_eq!((status(&bench, "updatedNumberScheduled"), status(&bench, "numberUnavailable")), (3, 0));
}

#[test]
fn with_a_surge_the_new_pod_comes_before_the_old_one_goes() {
    let strategy =
        json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } });
    let mut bench = complete(&json!({ "updateStrategy": strategy }));
    bench.patch(&DAEMON_SET, "agent", &json!({ "spec": { "template": template("agent:2") } }));
    let is_new = |pod: &Value| pod["spec"]["containers"][0]["image"] == "agent:2";
    bench.run_pods(is_new);
    assert_eq!(images(&bench), ["agent:1", "agent:1", "agent:1", "agent:2"]);
    bench.run_pods(|_| false);
    assert_eq!(images(&bench), ["agent:2", "agent:2", "agent:2"]);
}
