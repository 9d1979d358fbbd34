//! What the recordings do not hold: mending, age, several objects, watches that break.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::object::ObjectRef;

const START: &str = "2026-01-01T12:00:00Z";

/// A time in seconds after the start, as Kubernetes writes it.
fn clock(second: i64) -> String {
    time(second).to_string()
}

fn time(second: i64) -> Timestamp {
    START.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

/// A rollout that is fed by hand.
struct Watch(Rollout);

impl Watch {
    fn update(applied: Vec<Value>) -> Watch {
        Watch(Rollout::new(applied, Settings::new(time(0), Duration::from_mins(5))).unwrap())
    }

    fn see(&mut self, second: i64, object: Value) -> &mut Watch {
        self.0.observe(time(second), Report::Object { change: Change::Modified, object });
        self
    }

    fn gone(&mut self, second: i64, object: Value) -> &mut Watch {
        self.0.observe(time(second), Report::Object { change: Change::Deleted, object });
        self
    }

    fn event(&mut self, second: i64, event: Value) -> &mut Watch {
        self.0.observe(time(second), Report::Event(event));
        self
    }

    fn tick(&mut self, second: i64) -> &mut Watch {
        self.0.tick(time(second));
        self
    }

    /// `waiting`, `settled`, or the cause for which it gave up.
    #[track_caller]
    fn check(&mut self, expect: &str) -> &mut Watch {
        let got = match self.0.verdict() {
            Verdict::Waiting { .. } => "waiting",
            Verdict::Settled => "settled",
            Verdict::GaveUp(diagnosis) => diagnosis.cause.word(),
        };
        assert_eq!(got, expect);
        self
    }

    fn diagnosis(&self) -> &Diagnosis {
        match self.0.verdict() {
            Verdict::GaveUp(diagnosis) => diagnosis,
            other => panic!("expected a diagnosis, got {other:?}"),
        }
    }

    fn named(&self) -> Vec<Cause> {
        self.0.named().iter().map(|named| named.cause).collect()
    }
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": image}]}})
}

fn deployment(name: &str, generation: i64, image: &str, available: i64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "generation": generation,
            "creationTimestamp": clock(-1000), "labels": {"app": name}},
        "spec": {"replicas": 1, "template": template(image)},
        "status": {"observedGeneration": generation, "replicas": 1, "updatedReplicas": 1, "readyReplicas": available,
            "availableReplicas": available}})
}

fn replica_set(name: &str, of: &str, image: &str, created: i64) -> Value {
    let mut template = template(image);
    template["metadata"]["labels"]["pod-template-hash"] = json!(name);
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "creationTimestamp": clock(created),
            "ownerReferences": [{"kind": "Deployment", "name": of, "uid": of, "controller": true}]},
        "spec": {"replicas": 1, "template": template}, "status": {"replicas": 0}})
}

/// A pod of a controller with one container `main` in a state.
fn pod(name: &str, owner: (&str, &str), created: i64, restarts: i64, state: Value) -> Value {
    let is_running = state.get("running").is_some();
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "creationTimestamp": clock(created),
            "ownerReferences": [{"kind": owner.0, "name": owner.1, "uid": owner.1, "controller": true}]},
        "spec": {"nodeName": "n", "containers": [{"name": "main", "image": "web:2"}]},
        "status": {"phase": "Running",
            "conditions": [{"type": "Ready", "status": if is_running { "True" } else { "False" }}],
            "containerStatuses": [{"name": "main", "restartCount": restarts, "ready": is_running, "state": state,
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}})
}

fn crashed() -> Value {
    json!({"terminated": {"exitCode": 1, "reason": "Error"}})
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"waiting": {"reason": reason, "message": message}})
}

fn running() -> Value {
    json!({"running": {}})
}

fn event(subject: (&str, &str), reason: &str, message: &str, count: i64, last: i64) -> Value {
    json!({"kind": "Event", "metadata": {"name": format!("{}.{reason}", subject.1)}, "type": "Warning", "reason": reason,
        "message": message, "count": count, "lastTimestamp": clock(last),
        "involvedObject": {"kind": subject.0, "namespace": "shop", "name": subject.1, "uid": subject.1,
            "fieldPath": "spec.containers{main}"}})
}

const PULL: &str = "Failed to pull image \"web:2\": rpc error: code = NotFound desc = web:2: not found";
const MOUNT: &str = "MountVolume.SetUp failed for volume \"v\" : configmap \"flags\" not found";

/// A Deployment that this run changed, with its new ReplicaSet.
fn updated() -> Watch {
    let mut watch = Watch::update(vec![deployment("web", 2, "web:2", 0)]);
    watch.see(1, replica_set("web-2", "web", "web:2", 1));
    watch
}

const NEW: (&str, &str) = ("ReplicaSet", "web-2");

#[test]
fn nothing_to_wait_for_is_settled_at_once() {
    Watch::update(vec![]).check("settled");
    Watch::update(vec![deployment("web", 1, "web:1", 1)]).check("settled");
}

#[test]
fn object_without_a_name_is_refused() {
    let settings = Settings::new(time(0), Duration::from_mins(5));
    let refused = Rollout::new(vec![json!({"apiVersion": "v1", "kind": "Pod"})], settings).unwrap_err();
    assert_eq!(refused.to_string(), "object has no `metadata.name`");
}

#[test]
fn pods_of_the_old_template_do_not_speak() {
    let mut watch = updated();
    watch.see(1, replica_set("web-1", "web", "web:1", -500));
    watch.see(2, pod("old", ("ReplicaSet", "web-1"), -500, 0, waiting("ContainerCreating", "")));
    watch.event(3, event(("Pod", "old"), "Failed", PULL, 1, 3)).check("waiting");
    watch
        .see(4, pod("old", ("ReplicaSet", "web-1"), -500, 0, waiting("InvalidImageName", "")))
        .check("waiting");
    assert!(watch.named().is_empty());
}

#[test]
fn event_that_comes_before_its_pod_counts_when_the_pod_is_known() {
    let mut watch = updated();
    watch.event(2, event(("Pod", "new"), "Failed", PULL, 1, 2)).check("waiting");
    watch.see(3, pod("new", NEW, 1, 0, waiting("ContainerCreating", ""))).check("image_not_found");
}

#[test]
fn pod_that_comes_before_its_replica_set_counts_when_the_set_is_known() {
    let mut watch = Watch::update(vec![deployment("web", 2, "web:2", 0)]);
    watch.see(1, pod("new", NEW, 1, 0, waiting("InvalidImageName", "couldn't parse"))).check("waiting");
    watch.see(2, replica_set("web-2", "web", "web:2", 1)).check("image_name_invalid");
}

#[test]
fn crashes_from_before_the_run_do_not_count() {
    // The template is unchanged: the run repairs a ConfigMap, and the pods that crash for want of it are still there.
    let mut watch = updated();
    watch.see(1, pod("new", NEW, -300, 9, waiting("CrashLoopBackOff", ""))).check("waiting");
    watch.see(60, pod("new", NEW, -300, 10, crashed())).check("waiting");
    assert_eq!(watch.named(), [Cause::Crash]);
    watch.see(90, pod("new", NEW, -300, 11, crashed())).check("crash");
}

#[test]
fn back_off_from_before_the_run_does_not_count() {
    let back_off = || waiting("ImagePullBackOff", "Back-off pulling image: ErrImagePull: web:2: not found");
    let mut watch = updated();
    watch.see(1, pod("new", NEW, -300, 0, back_off()));
    watch.event(1, event(("Pod", "new"), "Failed", PULL, 5, -10)).check("waiting");
    watch.event(9, event(("Pod", "new"), "Failed", PULL, 6, 9)).check("image_not_found");
}

#[test]
fn back_off_that_comes_back_counts() {
    let back_off = || waiting("ImagePullBackOff", "Back-off pulling image: ErrImagePull: web:2: not found");
    let mut watch = updated();
    watch.see(1, pod("new", NEW, -300, 0, back_off())).check("waiting");
    watch.see(5, pod("new", NEW, -300, 0, waiting("ContainerCreating", ""))).check("waiting");
    watch.see(6, pod("new", NEW, -300, 0, back_off())).check("image_not_found");
}

#[test]
fn refusal_from_before_the_run_does_not_count() {
    let mut set = replica_set("web-2", "web", "web:2", -300);
    set["status"] = json!({"replicas": 0, "conditions": [{"type": "ReplicaFailure", "status": "True",
        "reason": "FailedCreate", "message": "pods \"web-2-x\" is forbidden: exceeded quota: q, used: pods=1"}]});
    let mut watch = Watch::update(vec![deployment("web", 2, "web:2", 0)]);
    watch.see(1, set.clone()).check("waiting");
    set["metadata"]["creationTimestamp"] = json!(clock(1));
    let mut watch = Watch::update(vec![deployment("web", 2, "web:2", 0)]);
    watch.see(1, set).check("quota_exceeded");
}

#[test]
fn deadline_missed_before_the_run_does_not_count() {
    let missed = |generation: i64| {
        let mut missed = deployment("web", generation, "web:2", 0);
        missed["status"]["conditions"] = json!([{"type": "Progressing", "status": "False",
            "reason": "ProgressDeadlineExceeded", "message": "timed out"}]);
        missed
    };
    let mut watch = Watch::update(vec![missed(2)]);
    watch
        .check("waiting")
        .see(1, missed(2))
        .check("waiting")
        .see(9, deployment("web", 2, "web:2", 1))
        .check("settled");
    let mut watch = Watch::update(vec![deployment("web", 3, "web:3", 0)]);
    watch.see(9, missed(3)).check("deadline_exceeded");
}

#[test]
fn what_mends_itself_is_forgotten() {
    let mut watch = updated();
    let created = || pod("new", NEW, 1, 0, waiting("ContainerCreating", ""));
    watch.see(1, created()).event(2, event(("Pod", "new"), "FailedMount", MOUNT, 1, 2)).check("waiting");
    assert_eq!(watch.named(), [Cause::ConfigurationMissing]);
    let mut unready = pod("new", NEW, 1, 0, running());
    unready["status"]["containerStatuses"][0]["ready"] = json!(false);
    watch.see(4, unready).tick(60).check("waiting");
    watch.see(61, deployment("web", 2, "web:2", 1)).check("settled");
}

#[test]
fn image_that_was_pushed_meanwhile_is_forgotten() {
    let settings = Settings { first_release: true, ..Settings::new(time(0), Duration::from_mins(5)) };
    let mut watch = Watch(Rollout::new(vec![deployment("web", 1, "web:2", 0)], settings).unwrap());
    watch.see(1, replica_set("web-2", "web", "web:2", 1));
    watch.see(1, pod("new", NEW, 1, 0, waiting("ContainerCreating", "")));
    watch.event(2, event(("Pod", "new"), "Failed", PULL, 1, 2)).check("waiting");
    let mut unready = pod("new", NEW, 1, 0, running());
    unready["status"]["containerStatuses"][0]["ready"] = json!(false);
    watch.see(20, unready).tick(60).check("waiting");
}

#[test]
fn patience_begins_with_the_first_report() {
    let mut watch = updated();
    watch.see(1, pod("new", NEW, 1, 0, waiting("ContainerCreating", "")));
    watch.event(2, event(("Pod", "new"), "FailedMount", MOUNT, 1, 2));
    assert_eq!(*watch.0.verdict(), Verdict::Waiting { until: time(7) });
    watch.event(6, event(("Pod", "new"), "FailedMount", MOUNT, 3, 6)).check("waiting");
    watch.tick(7).check("configuration_missing");
    assert_eq!((watch.diagnosis().named_at, watch.diagnosis().gave_up_at), (time(2), time(7)));
    assert_eq!(watch.diagnosis().headline, "ConfigMap `flags` does not exist");
}

/// The Deployment `web`, changed at second 0, on a cluster whose clock is ahead of ours by some seconds.
fn updated_where_clocks_differ(ahead: i64) -> Watch {
    let clock_ahead = SignedDuration::from_secs(ahead);
    let settings = Settings { clock_ahead, ..Settings::new(time(0), Duration::from_mins(5)) };
    let mut watch = Watch(Rollout::new(vec![deployment("web", 2, "web:2", 0)], settings).unwrap());
    watch.see(1, replica_set("web-2", "web", "web:2", 1 + ahead));
    watch
}

#[test]
fn what_a_slow_cluster_dates_before_the_start_is_not_old() {
    let mut watch = updated_where_clocks_differ(-60);
    watch.see(1, pod("new", NEW, -59, 0, waiting("ContainerCreating", "")));
    watch.event(2, event(("Pod", "new"), "Failed", PULL, 1, -58)).check("image_not_found");
}

#[test]
fn what_a_fast_cluster_dates_after_the_start_is_old() {
    let mut watch = updated_where_clocks_differ(60);
    watch.see(1, pod("new", NEW, 30, 2, running()));
    // Both restarts were there when the rollout began half a minute later.
    watch.see(2, pod("new", NEW, 30, 2, crashed())).check("waiting");
}

#[test]
fn verdict_stays() {
    let mut watch = updated();
    watch.event(2, event(("Pod", "new"), "Failed", PULL, 1, 2));
    watch.see(3, pod("new", NEW, 1, 0, waiting("ErrImagePull", PULL))).check("image_not_found");
    watch.see(4, deployment("web", 2, "web:2", 1)).tick(900).check("image_not_found");
}

#[test]
fn list_from_before_the_apply_changes_nothing() {
    let mut watch = Watch::update(vec![deployment("web", 2, "web:2", 0)]);
    watch.see(1, deployment("web", 1, "web:1", 1)).check("waiting");
}

#[test]
fn probe_kills_are_not_counted_as_crashes() {
    let mut watch = updated();
    let killing = |count, at| {
        let mut kill = event(
            ("Pod", "new"),
            "Killing",
            "Container main failed liveness probe, will be restarted",
            count,
            at,
        );
        kill["type"] = json!("Normal");
        kill
    };
    watch
        .event(2, event(("Pod", "new"), "Unhealthy", "Liveness probe failed: EOF", 3, 2))
        .event(3, killing(1, 3));
    watch
        .see(4, pod("new", NEW, 1, 0, json!({"terminated": {"exitCode": 137, "reason": "Error"}})))
        .check("waiting");
    assert_eq!(watch.named(), [Cause::LivenessKills]);
    watch.see(5, pod("new", NEW, 1, 1, running())).event(9, killing(2, 9)).check("liveness_kills");
    assert_eq!(watch.diagnosis().headline, "the liveness probe fails and the container is killed (2 times)");
}

#[test]
fn ready_object_is_not_given_up_for_what_it_has_overcome() {
    let mut watch = Watch::update(vec![deployment("web", 2, "web:2", 0), deployment("api", 2, "api:2", 0)]);
    watch.see(1, replica_set("web-2", "web", "web:2", 1));
    let down = "Error creating: Internal error occurred: failed calling webhook \"w\": connection refused";
    watch.event(2, event(NEW, "FailedCreate", down, 1, 2)).check("waiting");
    watch.see(3, deployment("web", 2, "web:2", 1)).tick(40).check("waiting");
    watch.see(50, deployment("api", 2, "api:2", 1)).check("settled");
}

#[test]
fn time_over_lists_what_is_not_ready() {
    let mut watch = Watch::update(vec![deployment("web", 2, "web:2", 0), deployment("api", 2, "api:2", 0)]);
    watch.tick(299).check("waiting").tick(300).check("timeout");
    let unfinished: Vec<String> = watch
        .diagnosis()
        .unfinished
        .iter()
        .map(|other| format!("{}: {}", other.object, other.reason))
        .collect();
    assert_eq!(
        unfinished,
        ["Deployment/api: 0 of 1 replicas are ready", "Deployment/web: 0 of 1 replicas are ready"]
    );
    assert_eq!(watch.diagnosis().ended, Ended::TimeOver);
}

fn job(status: Value) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate", "namespace": "shop", "uid": "migrate",
        "creationTimestamp": clock(0)}, "spec": {"backoffLimit": 6}, "status": status})
}

#[test]
fn job_retries_by_its_own_limit() {
    let mut watch = Watch::update(vec![job(json!({"active": 1}))]);
    for (second, name) in [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")] {
        let mut failed = pod(name, ("Job", "migrate"), second, 0, crashed());
        failed["spec"]["restartPolicy"] = json!("Never");
        watch.see(second, failed).check("waiting");
    }
    watch.see(9, job(json!({"conditions": [{"type": "Complete", "status": "True"}]}))).check("settled");
}

#[test]
fn job_that_is_removed_after_its_work_is_ready() {
    let mut watch = Watch::update(vec![job(json!({"active": 1}))]);
    watch.gone(9, job(json!({"conditions": [{"type": "Complete", "status": "True"}]}))).check("settled");
    let mut watch = Watch::update(vec![job(json!({"active": 1}))]);
    watch.gone(9, job(json!({"active": 1}))).check("gone");
}

#[test]
fn object_made_anew_under_its_name_is_waited_for() {
    let mut watch = updated();
    let mut anew = deployment("web", 1, "web:2", 1);
    anew["metadata"]["uid"] = json!("another");
    watch.see(3, anew).gone(3, deployment("web", 2, "web:2", 0)).check("settled");
}

fn stateful_set(generation: i64, observed: i64, revision: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "shop", "uid": "db", "generation": generation, "creationTimestamp": clock(-1000)},
        "spec": {"replicas": 1, "volumeClaimTemplates": [{"metadata": {"name": "data"}}]},
        "status": {"observedGeneration": observed, "replicas": 1, "updateRevision": revision, "currentRevision": "db-1"}})
}

fn db_pod(revision: &str, state: Value) -> Value {
    let mut pod = pod("db-0", ("StatefulSet", "db"), 1, 0, state);
    pod["metadata"]["labels"] = json!({"controller-revision-hash": revision});
    pod
}

#[test]
fn stateful_set_pod_speaks_once_the_update_revision_is_known() {
    let mut watch = Watch::update(vec![stateful_set(3, 2, "db-1")]);
    watch.see(1, db_pod("db-1", waiting("InvalidImageName", ""))).check("waiting");
    watch.see(2, stateful_set(3, 3, "db-2")).check("waiting");
    watch.see(3, db_pod("db-2", waiting("InvalidImageName", ""))).check("image_name_invalid");
}

#[test]
fn pod_of_the_new_revision_speaks_when_the_status_comes_late() {
    let mut watch = Watch::update(vec![stateful_set(3, 2, "db-1")]);
    watch.see(1, db_pod("db-2", waiting("InvalidImageName", ""))).check("waiting");
    watch.see(2, stateful_set(3, 3, "db-2")).check("image_name_invalid");
}

#[test]
fn pod_that_is_being_deleted_does_not_speak() {
    let mut watch = Watch::update(vec![stateful_set(3, 3, "db-2")]);
    let mut going = db_pod("db-2", json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}));
    going["metadata"]["deletionTimestamp"] = json!(clock(1));
    watch.see(1, going).check("waiting");
    assert!(watch.named().is_empty());
}

fn claim(phase: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-db-0", "namespace": "shop", "uid": "claim"},
        "spec": {"storageClassName": "fast"}, "status": {"phase": phase}})
}

#[test]
fn pending_claim_of_a_template_is_suspected_and_then_given_up() {
    let mut watch = Watch::update(vec![stateful_set(3, 3, "db-2")]);
    watch.see(1, claim("Pending")).tick(90).check("waiting");
    assert!(watch.named().is_empty(), "a volume takes its time");
    watch.tick(91).check("volume_pending");
    assert_eq!(watch.diagnosis().at_object.as_ref().unwrap().to_string(), "PersistentVolumeClaim/data-db-0");
}

#[test]
fn bound_claim_is_no_cause() {
    let mut watch = Watch::update(vec![stateful_set(3, 3, "db-2")]);
    watch.see(1, claim("Pending")).see(2, claim("Bound")).tick(200).check("waiting");
}

#[test]
fn claim_without_a_consumer_settles_and_with_one_is_waited_for() {
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast", "uid": "class"},
        "volumeBindingMode": "WaitForFirstConsumer"});
    let mut watch = Watch::update(vec![claim("Pending")]);
    watch.check("waiting").see(1, class.clone()).check("settled");
    let mut user = deployment("web", 2, "web:2", 1);
    user["spec"]["template"]["spec"]["volumes"] =
        json!([{"persistentVolumeClaim": {"claimName": "data-db-0"}}]);
    let mut watch = Watch::update(vec![claim("Pending"), user]);
    watch.see(1, class).check("waiting").see(9, claim("Bound")).check("settled");
}

#[test]
fn daemon_set_pod_is_new_by_template_generation_or_newest_revision() {
    let set = json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "agent", "namespace": "shop", "uid": "agent", "generation": 5,
            "annotations": {"deprecated.daemonset.template.generation": "4"}},
        "spec": {}, "status": {"observedGeneration": 5, "desiredNumberScheduled": 1}});
    let pod = |labels: Value| {
        let mut pod = pod("agent-x", ("DaemonSet", "agent"), 1, 0, waiting("InvalidImageName", ""));
        pod["metadata"]["labels"] = labels;
        pod
    };
    let revision = |name: &str, number: i64| {
        json!({"apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": number,
            "metadata": {"name": name, "namespace": "shop", "uid": name, "labels": {"controller-revision-hash": name},
                "ownerReferences": [{"kind": "DaemonSet", "name": "agent", "uid": "agent", "controller": true}]}})
    };
    let check = |labels: Value, expect: &str| {
        let mut watch = Watch::update(vec![set.clone()]);
        watch.see(1, revision("a", 3)).see(1, revision("b", 2)).see(2, pod(labels)).check(expect);
    };
    check(json!({"pod-template-generation": "4"}), "image_name_invalid");
    check(json!({"pod-template-generation": "3", "controller-revision-hash": "a"}), "image_name_invalid");
    check(json!({"pod-template-generation": "3", "controller-revision-hash": "b"}), "waiting");
}

#[test]
fn evicted_pod_tells_of_its_node_and_not_of_its_containers() {
    let mut watch = updated();
    let mut evicted = pod("new", NEW, 1, 3, json!({"terminated": {"exitCode": 137, "reason": "Error"}}));
    evicted["status"]["phase"] = json!("Failed");
    evicted["status"]["reason"] = json!("Evicted");
    evicted["status"]["message"] = json!("The node was low on resource: memory");
    watch.see(2, evicted).check("waiting").tick(62).check("pod_refused");
}

#[test]
fn pod_missing_from_a_new_list_is_gone() {
    let mut watch = updated();
    watch.see(1, pod("new", NEW, 1, 0, waiting("ContainerCreating", "")));
    watch.event(2, event(("Pod", "new"), "FailedMount", MOUNT, 1, 2));
    watch.0.relisted(time(3), "Pod", Some("other"), &BTreeSet::new());
    assert_eq!(watch.0.progress().objects[0].pods.len(), 1, "another namespace was listed");
    watch.0.relisted(time(3), "Pod", Some("shop"), &BTreeSet::new());
    assert!(watch.0.progress().objects[0].pods.is_empty());
    watch.tick(60).check("waiting");
}

#[test]
fn old_pods_that_serve_are_mentioned() {
    let mut watch = updated();
    watch.see(1, replica_set("web-1", "web", "web:1", -500));
    watch.see(2, pod("old", ("ReplicaSet", "web-1"), -500, 0, running()));
    watch.see(3, pod("new", NEW, 1, 0, waiting("InvalidImageName", ""))).check("image_name_invalid");
    assert_eq!(watch.diagnosis().not_it, ["scheduled", "1 old pod keeps serving"]);
}

#[test]
fn credentials_in_messages_do_not_reach_the_diagnosis() {
    let mut watch = updated();
    let message = "Failed to pull image \"web:2\": Head \"https://bob:hunter2@ghcr.io/v2/?token=hunter2\": 403 Forbidden";
    watch.event(2, event(("Pod", "new"), "Failed", message, 1, 2));
    watch.see(3, pod("new", NEW, 1, 0, waiting("ErrImagePull", message))).check("image_denied");
    let mut diagnosis = watch.diagnosis().clone();
    let request = LogRequest {
        namespace: "shop".into(),
        pod: "new".into(),
        container: "main".into(),
        previous: false,
        tail_lines: LOG_LINES,
    };
    diagnosis.add_log(&request, "connecting to postgres://u:hunter2@db/x");
    let everything =
        format!("{diagnosis:?}{}{}", diagnosis.render("it"), serde_json::to_string(&diagnosis).unwrap());
    assert!(!everything.contains("hunter2"), "{everything}");
    assert!(everything.contains("***"));
}

#[test]
fn log_keeps_its_last_lines() {
    let mut watch = updated();
    watch.see(2, pod("new", NEW, 1, 1, crashed())).check("crash");
    let mut diagnosis = watch.diagnosis().clone();
    let request = LogRequest { tail_lines: 2, ..diagnosis.wants_logs()[0].clone() };
    diagnosis.add_log(&request, "one\ntwo\n\nthree\n");
    assert_eq!(diagnosis.proof.logs[0].lines, ["two", "three"]);
    diagnosis.add_log(&LogRequest { previous: true, ..request.clone() }, "two\nthree\n");
    diagnosis.add_log(&request, "\n \n");
    assert_eq!(diagnosis.proof.logs.len(), 1, "the same lines and empty logs add nothing");
}

#[test]
fn no_log_is_wanted_where_nothing_ran() {
    let mut watch = updated();
    watch.see(2, pod("new", NEW, 1, 0, waiting("InvalidImageName", ""))).check("image_name_invalid");
    assert!(watch.diagnosis().wants_logs().is_empty());
}

/// A diagnosis of a crash with a log line, tied to changes of these paths.
fn tied(paths: &[&str], line: &str) -> Option<String> {
    let mut watch = updated();
    watch.see(2, pod("new", NEW, 1, 1, crashed())).check("crash");
    let mut diagnosis = watch.diagnosis().clone();
    let request = diagnosis.wants_logs()[0].clone();
    diagnosis.add_log(&request, line);
    let object = |path: &str| ObjectRef {
        api_version: "apps/v1".into(),
        kind: if path.starts_with("data.") { "ConfigMap".into() } else { "Deployment".into() },
        namespace: Some("shop".into()),
        name: "web".into(),
    };
    let change = |path: &&str| ChangedField {
        object: object(path),
        path: (*path).to_owned(),
        from: None,
        to: None,
        source: None,
    };
    diagnosis.tie(&paths.iter().map(change).collect::<Vec<_>>());
    diagnosis.likely.map(|likely| likely.path)
}

#[test]
fn change_is_likely_only_where_a_rule_ties_it() {
    let pool = "spec.template.spec.containers[main].env[DB_POOL]";
    let level = "spec.template.spec.containers[main].env[LOG_LEVEL]";
    let side = "spec.template.spec.containers[side].image";
    assert_eq!(tied(&[level, pool], "DB_POOL: expected 1..20").as_deref(), Some(pool), "the log names it");
    assert_eq!(tied(&[level, pool], "DB_POOLS: expected 1..20"), None, "another word");
    assert_eq!(tied(&[level, pool], "fatal"), None, "either could be it");
    assert_eq!(tied(&[pool], "fatal").as_deref(), Some(pool), "nothing else was changed");
    assert_eq!(tied(&[side], "fatal"), None, "another container");
    assert_eq!(
        tied(&[level, "data.DB_POOL"], "DB_POOL: expected").as_deref(),
        Some("data.DB_POOL"),
        "a key of a ConfigMap"
    );
    assert_eq!(tied(&[], "DB_POOL"), None);
}

#[test]
fn field_of_the_cause_is_likely() {
    let mut watch = updated();
    watch.see(2, pod("new", NEW, 1, 0, waiting("ErrImagePull", "web:2: not found"))).check("image_not_found");
    let mut diagnosis = watch.diagnosis().clone();
    let change = |path: &str| ChangedField {
        object: diagnosis.object.clone(),
        path: path.to_owned(),
        from: Some("web:1".to_owned()),
        to: Some("web:2".to_owned()),
        source: None,
    };
    let run = [change("spec.replicas"), change("spec.template.spec.containers[main].image")];
    diagnosis.tie(&run);
    let likely = diagnosis.likely.unwrap();
    assert_eq!(
        likely.text,
        "`spec.template.spec.containers[main].image` of Deployment/web (web:1 → web:2): the cause is in this field"
    );
}

#[test]
fn refusals_of_a_dry_run_are_told_by_the_same_words() {
    assert_eq!(
        refusal_cause("pods \"x\" is forbidden: exceeded quota: q, used: pods=1"),
        Some(Cause::QuotaExceeded)
    );
    assert_eq!(refusal_cause("etcdserver: request timed out"), None);
}

/// A soak of a Deployment that settled with one ready pod.
fn soak() -> Soak {
    let mut watch = updated();
    watch.see(2, pod("new", NEW, 1, 1, running())).see(3, deployment("web", 2, "web:2", 1)).check("settled");
    watch.0.soak(time(3), Duration::from_secs(10))
}

fn soaked(soak: &mut Soak, second: i64, object: Value) -> String {
    match soak.observe(time(second), Report::Object { change: Change::Modified, object }) {
        SoakVerdict::Watching { .. } => "watching".to_owned(),
        SoakVerdict::Passed => "passed".to_owned(),
        SoakVerdict::Failed(diagnosis) => diagnosis.headline.clone(),
    }
}

#[test]
fn soak_passes_when_nothing_happens() {
    let mut soak = soak();
    assert_eq!(soaked(&mut soak, 5, pod("new", NEW, 1, 1, running())), "watching", "a restart from before");
    assert_eq!(*soak.tick(time(12)), SoakVerdict::Watching { until: time(13) });
    assert_eq!(*soak.tick(time(13)), SoakVerdict::Passed);
    assert_eq!(soaked(&mut soak, 14, pod("new", NEW, 1, 2, running())), "passed", "too late to matter");
}

#[test]
fn soak_fails_for_a_restart_even_if_the_pod_is_ready_again() {
    let restarted = pod("new", NEW, 1, 2, running());
    assert_eq!(
        soaked(&mut soak(), 5, restarted),
        "it was ready, and then the container stops right after start"
    );
}

#[test]
fn soak_fails_for_lost_readiness() {
    let mut unready = pod("new", NEW, 1, 1, running());
    unready["status"]["conditions"] =
        json!([{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]);
    unready["status"]["containerStatuses"][0]["lastState"] = json!({});
    assert_eq!(soaked(&mut soak(), 5, unready), "it was ready and is not any more: ContainersNotReady");
}

#[test]
fn soak_bears_pods_that_are_deleted() {
    let mut soak = soak();
    let mut going = pod("new", NEW, 1, 1, crashed());
    going["metadata"]["deletionTimestamp"] = json!(clock(5));
    assert_eq!(soaked(&mut soak, 5, going), "watching");
    assert_eq!(soaked(&mut soak, 6, pod("another", NEW, 6, 0, running())), "watching");
    assert_eq!(
        soaked(&mut soak, 8, pod("another", NEW, 6, 1, crashed())),
        "it was ready, and then the container stops right after start"
    );
}

#[test]
fn patience_of_one_service_is_not_that_of_another() {
    let overrides = BTreeMap::from([(Cause::ImageNotFound, Duration::from_secs(20))]);
    let patience = BTreeMap::from([("api".parse().unwrap(), overrides)]);
    let settings = Settings { patience, ..Settings::new(time(0), Duration::from_mins(5)) };
    let applied = vec![deployment("web", 2, "web:2", 0), deployment("api", 2, "api:2", 0)];
    let mut watch = Watch(Rollout::new(applied, settings).unwrap());
    watch.see(1, replica_set("api-2", "api", "api:2", 1)).see(1, replica_set("web-2", "web", "web:2", 1));
    watch
        .see(2, pod("a", ("ReplicaSet", "api-2"), 1, 0, waiting("ErrImagePull", "x: not found")))
        .check("waiting");
    watch.see(3, pod("w", NEW, 1, 0, waiting("ErrImagePull", "x: not found"))).check("image_not_found");
    assert_eq!(watch.diagnosis().object.name, "web");
}
