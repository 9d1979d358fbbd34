use serde_json::{Value, json};

use crate::controllers::bench::{Bench, name};
use crate::objects::Deletion;
use crate::objects::kinds::{DEPLOYMENT, POD, REPLICA_SET};

fn deployment(spec: &Value) -> Value {
    let mut deployment = json!({
        "metadata": { "name": "web" },
        "spec": {
            "replicas": 3,
            "selector": { "matchLabels": { "app": "web" } },
            "template": template("web:1"),
        },
    });
    crate::controllers::merge::merge(&mut deployment["spec"], spec);
    deployment
}

fn template(image: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "main", "image": image }] },
    })
}

fn image(pod: &Value) -> &str {
    pod["spec"]["containers"][0]["image"].as_str().unwrap()
}

/// A deployment of `web:1` that is complete.
fn complete(spec: &Value) -> Bench {
    let mut bench = Bench::new();
    bench.create(&DEPLOYMENT, deployment(spec));
    bench.run_pods(|_| false);
    assert_eq!(bench.condition("Progressing"), "True NewReplicaSetAvailable");
    bench
}

fn set_image(bench: &Bench, image: &str) {
    bench.patch(&DEPLOYMENT, "web", &json!({ "spec": { "template": template(image) } }));
}

/// Pods of an image and how many the deployment counts: updated, ready, unavailable.
fn counts(bench: &Bench) -> [i64; 3] {
    let status = &bench.get(&DEPLOYMENT, "web")["status"];
    ["updatedReplicas", "readyReplicas", "unavailableReplicas"]
        .map(|count| status[count].as_i64().unwrap_or(0))
}

fn pods_of(bench: &Bench, wanted: &str) -> usize {
    bench.all(&POD).iter().filter(|pod| image(pod) == wanted).count()
}

#[test]
fn a_complete_deployment_says_so() {
    let bench = complete(&json!({}));
    assert_eq!(counts(&bench), [3, 3, 0]);
    assert_eq!(bench.condition("Available"), "True MinimumReplicasAvailable");
    let deployment = bench.get(&DEPLOYMENT, "web");
    assert_eq!(deployment["status"]["observedGeneration"], deployment["metadata"]["generation"]);
    assert_eq!(deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
}

#[test]
fn a_deployment_at_rest_is_left_alone() {
    let mut bench = complete(&json!({}));
    let before = bench.objects.version();
    bench.patch(&POD, &bench.names(&POD)[0], &json!({ "metadata": { "labels": { "seen": "yes" } } }));
    bench.settle();
    assert_eq!(bench.objects.version(), before + 1);
}

#[test]
fn a_bad_image_goes_no_further_than_the_surge() {
    let mut bench = complete(&json!({}));
    set_image(&bench, "web:2");
    bench.run_pods(|pod| image(pod) == "web:2");
    assert_eq!((pods_of(&bench, "web:1"), pods_of(&bench, "web:2")), (3, 1));
    assert_eq!(counts(&bench), [1, 3, 1]);
    assert_eq!(bench.condition("Available"), "True MinimumReplicasAvailable");
    assert_eq!(bench.condition("Progressing"), "True ReplicaSetUpdated");
}

#[test]
fn going_back_takes_up_the_earlier_replica_set_under_a_new_revision() {
    let mut bench = complete(&json!({}));
    let first = bench.names(&REPLICA_SET).pop().unwrap();
    set_image(&bench, "web:2");
    bench.run_pods(|pod| image(pod) == "web:2");
    set_image(&bench, "web:1");
    bench.run_pods(|_| false);
    assert_eq!(pods_of(&bench, "web:2"), 0);
    assert_eq!(bench.condition("Progressing"), "True NewReplicaSetAvailable");
    let annotations = &bench.get(&REPLICA_SET, &first)["metadata"]["annotations"];
    assert_eq!(annotations["deployment.kubernetes.io/revision"], "3");
    assert_eq!(annotations["deployment.kubernetes.io/revision-history"], "1");
}

#[test]
fn limits_hold_at_every_step_of_a_rollout() {
    let mut bench = complete(&json!({
        "replicas": 8,
        "strategy": { "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": 1 } },
    }));
    set_image(&bench, "web:2");
    bench.settle();
    let mut steps = 0;
    while pods_of(&bench, "web:1") > 0 || counts(&bench) != [8, 8, 0] {
        let (total, ready) = (bench.names(&POD).len(), counts(&bench)[1]);
        let staying =
            bench.all(&POD).iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).count();
        assert!(staying <= 10 && ready >= 7, "{staying} of {total} pods stay, {ready} are ready");
        let next = bench.all(&POD).into_iter().find(|pod| {
            pod["status"]["phase"] == "Pending" || pod["metadata"]["deletionTimestamp"].is_string()
        });
        let next = next.expect("the rollout goes on");
        if next["metadata"]["deletionTimestamp"].is_string() {
            bench.delete(&POD, &name(&next), &Deletion { grace: Some(0), ..Deletion::default() });
        } else {
            bench.make_ready(&name(&next));
        }
        bench.settle();
        steps += 1;
        assert!(steps < 100, "the rollout does not end");
    }
}

#[test]
fn recreate_waits_until_the_last_old_pod_is_gone() {
    let mut bench = complete(&json!({ "strategy": { "type": "Recreate" } }));
    // Pods that a node runs take their time to end.
    for pod in bench.names(&POD) {
        bench.patch(&POD, &pod, &json!({ "spec": { "nodeName": "node-0" } }));
    }
    set_image(&bench, "web:2");
    bench.settle();
    assert_eq!((pods_of(&bench, "web:1"), pods_of(&bench, "web:2")), (3, 0));
    bench.run_pods(|_| false);
    assert_eq!((pods_of(&bench, "web:1"), pods_of(&bench, "web:2")), (0, 3));
}

#[test]
fn a_paused_deployment_keeps_its_pods_and_says_so() {
    let mut bench = complete(&json!({}));
    bench.patch(&DEPLOYMENT, "web", &json!({ "spec": { "paused": true, "template": template("web:2") } }));
    bench.run_pods(|_| false);
    assert_eq!(pods_of(&bench, "web:2"), 0);
    assert_eq!(bench.condition("Progressing"), "Unknown DeploymentPaused");
    bench.patch(&DEPLOYMENT, "web", &json!({ "spec": { "paused": false } }));
    bench.run_pods(|_| false);
    assert_eq!(pods_of(&bench, "web:1"), 0);
    assert_eq!(bench.condition("Progressing"), "True NewReplicaSetAvailable");
}

#[test]
fn scaling_in_the_middle_of_a_rollout_is_shared_out() {
    let mut bench = complete(&json!({ "replicas": 10 }));
    set_image(&bench, "web:2");
    bench.run_pods(|pod| image(pod) == "web:2");
    assert_eq!((pods_of(&bench, "web:1"), pods_of(&bench, "web:2")), (8, 5));
    bench.patch(&DEPLOYMENT, "web", &json!({ "spec": { "replicas": 20 } }));
    bench.run_pods(|pod| image(pod) == "web:2");
    let (old, new) = (pods_of(&bench, "web:1"), pods_of(&bench, "web:2"));
    assert!(old > 8 && new > 5 && old + new == 25, "{old} old and {new} new pods");
}

#[test]
fn old_replica_sets_beyond_the_limit_are_deleted() {
    let mut bench = complete(&json!({ "revisionHistoryLimit": 1 }));
    for image in ["web:2", "web:3", "web:4"] {
        set_image(&bench, image);
        bench.run_pods(|_| false);
    }
    assert_eq!(bench.names(&REPLICA_SET).len(), 2);
}

#[test]
fn what_cannot_be_made_is_told_by_deployment_and_event() {
    let refuse = |object: &Value| {
        (object["kind"] == "Pod").then(|| "pods \"web\" is forbidden: exceeded quota".to_owned())
    };
    let mut bench = Bench::refusing(refuse);
    bench.create(&DEPLOYMENT, deployment(&json!({})));
    bench.settle();
    assert_eq!(bench.condition("ReplicaFailure"), "True FailedCreate");
    assert_eq!(
        bench.events("ReplicaSet"),
        ["FailedCreate: Error creating: pods \"web\" is forbidden: exceeded quota"]
    );
}
