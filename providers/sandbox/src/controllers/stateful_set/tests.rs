use serde_json::{Value, json};

use crate::controllers::bench::Bench;
use crate::objects::Deletion;
use crate::objects::kinds::{CONTROLLER_REVISION, PERSISTENT_VOLUME_CLAIM, POD, STATEFUL_SET};

fn set(spec: &Value) -> Value {
    let mut set = json!({
        "metadata": { "name": "db" },
        "spec": {
            "replicas": 3,
            "serviceName": "db",
            "selector": { "matchLabels": { "app": "db" } },
            "template": template("db:1"),
            "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } },
            "volumeClaimTemplates": [{ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "data" }, "spec": {
                "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } },
            } }],
        },
        "status": { "replicas": 0 },
    });
    crate::controllers::merge::merge(&mut set["spec"], spec);
    set
}

fn template(image: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": "db" } },
        "spec": { "containers": [{ "name": "main", "image": image }] },
    })
}

fn image(pod: &Value) -> &str {
    pod["spec"]["containers"][0]["image"].as_str().unwrap()
}

fn images(bench: &Bench) -> Vec<String> {
    bench.all(&POD).iter().map(|pod| image(pod).to_owned()).collect()
}

fn set_image(bench: &Bench, image: &str) {
    bench.patch(&STATEFUL_SET, "db", &json!({ "spec": { "template": template(image) } }));
}

fn complete(spec: &Value) -> Bench {
    let mut bench = Bench::new();
    bench.create(&STATEFUL_SET, set(spec));
    bench.run_pods(|_| false);
    assert_eq!(bench.names(&POD), ["db-0", "db-1", "db-2"]);
    bench
}

fn gone() -> Deletion {
    Deletion { grace: Some(0), ..Deletion::default() }
}

#[test]
fn each_pod_waits_for_the_one_before_it() {
    let mut bench = Bench::new();
    bench.create(&STATEFUL_SET, set(&json!({})));
    bench.settle();
    assert_eq!(bench.names(&POD), ["db-0"]);
    bench.make_unready("db-0");
    bench.settle();
    assert_eq!(bench.names(&POD), ["db-0"]);
    bench.make_ready("db-0");
    bench.settle();
    assert_eq!(bench.names(&POD), ["db-0", "db-1"]);
}

#[test]
fn in_parallel_nobody_waits() {
    let mut bench = Bench::new();
    bench.create(&STATEFUL_SET, set(&json!({ "podManagementPolicy": "Parallel" })));
    bench.settle();
    assert_eq!(bench.names(&POD), ["db-0", "db-1", "db-2"]);
}

#[test]
fn pods_know_their_number_and_have_their_volume() {
    let bench = complete(&json!({}));
    let pod = bench.get(&POD, "db-1");
    assert_eq!(pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"], "1");
    assert_eq!(pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"], "db-1");
    assert_eq!((&pod["spec"]["hostname"], &pod["spec"]["subdomain"]), (&json!("db-1"), &json!("db")));
    assert_eq!(pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"], "data-db-1");
    assert_eq!(bench.names(&PERSISTENT_VOLUME_CLAIM), ["data-db-0", "data-db-1", "data-db-2"]);
    let status = &bench.get(&STATEFUL_SET, "db")["status"];
    assert_eq!(status["currentRevision"], status["updateRevision"]);
    assert_eq!(status["availableReplicas"], 3);
}

#[test]
fn an_update_goes_from_the_last_pod_to_the_first() {
    let mut bench = complete(&json!({}));
    set_image(&bench, "db:2");
    bench.settle();
    assert_eq!(images(&bench), ["db:1", "db:1", "db:2"]);
    bench.make_ready("db-2");
    bench.settle();
    assert_eq!(images(&bench), ["db:1", "db:2", "db:2"]);
    bench.run_pods(|_| false);
    assert_eq!(images(&bench), ["db:2", "db:2", "db:2"]);
    let status = &bench.get(&STATEFUL_SET, "db")["status"];
    assert_eq!(status["currentRevision"], status["updateRevision"]);
    assert_eq!(status["currentReplicas"], 3);
}

#[test]
fn a_pod_of_a_bad_revision_blocks_the_way_back_until_it_is_deleted() {
    let mut bench = complete(&json!({}));
    set_image(&bench, "db:bad");
    bench.run_pods(|pod| image(pod) == "db:bad");
    set_image(&bench, "db:1");
    bench.run_pods(|pod| image(pod) == "db:bad");
    assert_eq!(images(&bench), ["db:1", "db:1", "db:bad"]);
    bench.delete(&POD, "db-2", &gone());
    bench.run_pods(|_| false);
    assert_eq!(images(&bench), ["db:1", "db:1", "db:1"]);
}

#[test]
fn going_back_takes_up_the_earlier_revision() {
    let mut bench = complete(&json!({}));
    let first = bench.get(&STATEFUL_SET, "db")["status"]["currentRevision"].clone();
    set_image(&bench, "db:2");
    bench.run_pods(|_| false);
    set_image(&bench, "db:1");
    bench.run_pods(|_| false);
    assert_eq!(bench.get(&STATEFUL_SET, "db")["status"]["currentRevision"], first);
    let mut numbers: Vec<i64> =
        bench.all(&CONTROLLER_REVISION).iter().map(|one| one["revision"].as_i64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [2, 3]);
}

#[test]
fn pods_below_the_partition_keep_their_revision_even_when_made_anew() {
    let mut bench = complete(&json!({}));
    let rolling = json!({ "rollingUpdate": { "partition": 2 } });
    bench.patch(
        &STATEFUL_SET,
        "db",
        &json!({ "spec": { "updateStrategy": rolling, "template": template("db:2") } }),
    );
    bench.run_pods(|_| false);
    assert_eq!(images(&bench), ["db:1", "db:1", "db:2"]);
    bench.delete(&POD, "db-0", &gone());
    bench.run_pods(|_| false);
    assert_eq!(images(&bench), ["db:1", "db:1", "db:2"]);
}

#[test]
fn on_delete_changes_only_what_is_deleted() {
    let mut bench = complete(&json!({ "updateStrategy": { "type": "OnDelete", "rollingUpdate": null } }));
    set_image(&bench, "db:2");
    bench.run_pods(|_| false);
    assert_eq!(images(&bench), ["db:1", "db:1", "db:1"]);
    bench.delete(&POD, "db-1", &gone());
    bench.run_pods(|_| false);
    assert_eq!(images(&bench), ["db:1", "db:2", "db:1"]);
}

#[test]
fn fewer_replicas_take_the_last_pods_and_keep_their_claims() {
    let mut bench = complete(&json!({}));
    bench.patch(&STATEFUL_SET, "db", &json!({ "spec": { "replicas": 1 } }));
    bench.run_pods(|_| false);
    assert_eq!(bench.names(&POD), ["db-0"]);
    assert_eq!(bench.names(&PERSISTENT_VOLUME_CLAIM), ["data-db-0", "data-db-1", "data-db-2"]);
}

#[test]
fn claims_go_with_their_pods_where_the_policy_says_so() {
    let policy = json!({ "whenScaled": "Delete", "whenDeleted": "Retain" });
    let mut bench = complete(&json!({ "persistentVolumeClaimRetentionPolicy": policy }));
    bench.patch(&STATEFUL_SET, "db", &json!({ "spec": { "replicas": 1 } }));
    bench.run_pods(|_| false);
    assert_eq!(bench.names(&PERSISTENT_VOLUME_CLAIM), ["data-db-0"]);
}

#[test]
fn a_pod_that_has_ended_is_made_anew() {
    let mut bench = complete(&json!({}));
    let before = bench.get(&POD, "db-1")["metadata"]["uid"].clone();
    bench.end("db-1", "Failed");
    bench.run_pods(|_| false);
    assert_ne!(bench.get(&POD, "db-1")["metadata"]["uid"], before);
}
