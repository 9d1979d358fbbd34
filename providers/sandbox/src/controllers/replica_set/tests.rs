use serde_json::{Value, json};

use crate::controllers::bench::{Bench, name};
use crate::objects::kinds::{POD, REPLICA_SET};

fn set(replicas: i32) -> Value {
    json!({
        "metadata": { "name": "web" },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "main", "image": "web:1" }] },
            },
        },
        "status": { "replicas": 0 },
    })
}

fn running(replicas: i32) -> Bench {
    let mut bench = Bench::new();
    bench.create(&REPLICA_SET, set(replicas));
    bench.run_pods(|_| false);
    bench
}

#[test]
fn the_pods_that_have_come_least_far_go_first() {
    let mut bench = running(3);
    let unready = bench.names(&POD)[1].clone();
    bench.make_unready(&unready);
    bench.patch(&REPLICA_SET, "web", &json!({ "spec": { "replicas": 2 } }));
    bench.settle();
    assert!(!bench.exists(&POD, &unready));
    assert_eq!(bench.names(&POD).len(), 2);
}

#[test]
fn a_pod_that_has_ended_is_replaced() {
    let mut bench = running(2);
    let ended = bench.names(&POD)[0].clone();
    bench.end(&ended, "Failed");
    bench.run_pods(|_| false);
    assert_eq!(bench.names(&POD).len(), 3);
    assert_eq!(bench.get(&REPLICA_SET, "web")["status"]["readyReplicas"], 2);
}

#[test]
fn a_pod_that_no_longer_matches_is_let_go_and_replaced() {
    let mut bench = running(1);
    let pod = bench.names(&POD)[0].clone();
    bench.patch(&POD, &pod, &json!({ "metadata": { "labels": { "app": "other" } } }));
    bench.run_pods(|_| false);
    assert_eq!(bench.names(&POD).len(), 2);
    assert_eq!(bench.get(&POD, &pod)["metadata"]["ownerReferences"], json!([]));
}

#[test]
fn a_pod_of_nobody_that_matches_is_adopted() {
    let mut bench = running(2);
    let labels = json!({ "app": "web" });
    bench.create(
        &POD,
        json!({ "metadata": { "name": "lost", "labels": labels }, "status": { "phase": "Pending" } }),
    );
    bench.settle();
    let owners: Vec<Value> =
        bench.all(&POD).iter().map(|pod| pod["metadata"]["ownerReferences"][0]["name"].clone()).collect();
    assert_eq!(owners, ["web", "web"]);
}

#[test]
fn what_was_refused_is_told_with_its_cause_and_tried_again() {
    let refuses = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let asked = refuses.clone();
    let mut bench = Bench::refusing(move |object| {
        let is_refused = object["kind"] == "Pod" && asked.load(std::sync::atomic::Ordering::Relaxed);
        is_refused.then(|| "pods \"web-\" is forbidden: no room".to_owned())
    });
    bench.create(&REPLICA_SET, set(1));
    bench.settle();
    let condition = bench.get(&REPLICA_SET, "web")["status"]["conditions"][0].clone();
    assert_eq!(condition["reason"], "FailedCreate");
    assert_eq!(condition["message"], "pods \"web-\" is forbidden: no room");
    refuses.store(false, std::sync::atomic::Ordering::Relaxed);
    while bench.names(&POD).is_empty() {
        bench.settle();
    }
    bench.settle();
    assert_eq!(bench.get(&REPLICA_SET, "web")["status"]["conditions"], Value::Null);
    assert!(bench.all(&POD).iter().map(name).all(|name| name.starts_with("web-")));
}
