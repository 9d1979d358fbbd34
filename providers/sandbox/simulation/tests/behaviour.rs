//! What a pod can ask for beyond the recorded scenes.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};
use serde_json::{Value, json};
use windlass_simulation::{Effect, Facts, PodWorker};

/// A pod with these annotations (without their `testbed/`) and this specification.
fn pod(annotations: &[(&str, &str)], specification: &Value) -> Pod {
    let annotations: Value =
        annotations.iter().map(|(name, value)| (format!("testbed/{name}"), json!(value))).collect();
    let metadata = json!({ "name": "web", "namespace": "shop", "uid": "1", "annotations": annotations });
    let pod = json!({ "metadata": metadata, "spec": specification });
    serde_json::from_value(pod).expect("a pod")
}

fn with_image(image: &str) -> Value {
    json!({ "containers": [{ "name": "main", "image": image }] })
}

/// A pod that lived for a while, and what it told.
struct Lived {
    worker: PodWorker,
    now: Duration,
    told: Vec<(Duration, Effect)>,
}

impl Lived {
    fn until(pod: Pod, seconds: f64) -> Self {
        let worker = PodWorker::new(pod, Timestamp::UNIX_EPOCH, "10.64.0.1".to_owned());
        let mut lived = Self { worker, now: Duration::ZERO, told: Vec::new() };
        lived.go_on_until(seconds);
        lived
    }

    fn go_on_until(&mut self, seconds: f64) {
        self.now = Duration::from_secs_f64(seconds);
        self.told.extend(self.worker.wake(self.now, &Facts::default()));
    }

    fn delete(&mut self) {
        let mut pod = self.worker.pod().clone();
        pod.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH));
        self.worker.update(pod, self.now);
    }

    fn statuses(&self) -> impl DoubleEndedIterator<Item = &PodStatus> {
        self.told.iter().filter_map(|(_, effect)| match effect {
            Effect::Status(status) => Some(&**status),
            _ => None,
        })
    }

    fn container(&self) -> &ContainerStatus {
        let status = self.statuses().next_back().and_then(|status| status.container_statuses.as_ref());
        &status.expect("a status was told")[0]
    }

    fn reasons(&self) -> Vec<&str> {
        let reasons = self.told.iter().filter_map(|(_, effect)| match effect {
            Effect::Event(event) => Some(event.reason),
            _ => None,
        });
        reasons.collect()
    }

    fn is_gone(&self) -> bool {
        self.told.iter().any(|(_, effect)| matches!(effect, Effect::Gone))
    }
}

#[test]
fn a_pod_with_which_nothing_is_wrong_is_ready_in_a_tenth_of_a_second() {
    assert!(Lived::until(pod(&[], &with_image("web:1")), 0.1).container().ready);
    let probed = json!({ "containers": [{ "name": "main", "image": "web:1", "readinessProbe": { "periodSeconds": 10 } }] });
    assert!(Lived::until(pod(&[], &probed), 0.1).container().ready);
}

#[test]
fn it_is_gone_as_quickly() {
    let mut lived = Lived::until(pod(&[], &with_image("web:1")), 1.0);
    lived.delete();
    lived.go_on_until(1.1);
    assert!(lived.is_gone());
    assert_eq!(lived.reasons().last(), Some(&"Killing"));
}

#[test]
fn the_tag_of_an_image_asks_for_a_fault() {
    let lived = Lived::until(pod(&[], &with_image("web:crash")), 3.0);
    let last = lived.container().last_state.clone().and_then(|state| state.terminated);
    assert_eq!(last.map(|last| last.exit_code), Some(1));
    assert_eq!(lived.container().restart_count, 1);
}

#[test]
fn a_fault_is_shown_as_often_as_asked_for() {
    let crashes_twice = [("fault", "crash"), ("times", "2")];
    let lived = Lived::until(pod(&crashes_twice, &with_image("web:1")), 20.0);
    assert!(lived.container().ready);
    assert_eq!(lived.container().restart_count, 2);

    let absent_once = [("fault", "missing"), ("times", "1")];
    let lived = Lived::until(pod(&absent_once, &with_image("web:1")), 20.0);
    assert!(lived.container().ready, "{:?}", lived.reasons());
}

#[test]
fn a_slow_pod_runs_before_it_is_ready() {
    let annotations = [("fault", "slow"), ("seconds", "3")];
    let mut lived = Lived::until(pod(&annotations, &with_image("web:1")), 2.9);
    assert!(!lived.container().ready);
    assert!(lived.container().state.as_ref().is_some_and(|state| state.running.is_some()));
    lived.go_on_until(3.2);
    assert!(lived.container().ready);
}

#[test]
fn only_the_named_container_shows_the_fault() {
    let two = json!({ "containers": [{ "name": "main", "image": "web:1" }, { "name": "proxy", "image": "proxy:1" }] });
    let lived = Lived::until(pod(&[("fault", "crash"), ("container", "proxy")], &two), 3.0);
    let status = lived.statuses().next_back().and_then(|status| status.container_statuses.clone());
    let restarts: Vec<i32> = status.into_iter().flatten().map(|one| one.restart_count).collect();
    assert_eq!(restarts, [0, 1]);
}

#[test]
fn a_sidecar_runs_on_beside_the_others() {
    let specification = json!({
        "initContainers": [
            { "name": "mesh", "image": "mesh:1", "restartPolicy": "Always" },
            { "name": "migrate", "image": "migrate:1" },
        ],
        "containers": [{ "name": "main", "image": "web:1" }],
    });
    let lived = Lived::until(pod(&[], &specification), 1.0);
    assert!(lived.container().ready);
    let init = lived.statuses().next_back().and_then(|status| status.init_container_statuses.clone());
    let running: Vec<bool> = init
        .into_iter()
        .flatten()
        .map(|one| one.state.is_some_and(|state| state.running.is_some()))
        .collect();
    assert_eq!(running, [true, false]);
}

#[test]
fn a_job_that_may_restart_does_so_in_its_pod() {
    let specification =
        json!({ "restartPolicy": "OnFailure", "containers": [{ "name": "main", "image": "job:1" }] });
    let lived = Lived::until(pod(&[("fault", "crash"), ("times", "1")], &specification), 10.0);
    let phase = lived.statuses().next_back().and_then(|status| status.phase.clone());
    assert_eq!(phase.as_deref(), Some("Succeeded"));
    assert_eq!(lived.container().restart_count, 1);
}

#[test]
fn what_cannot_be_understood_is_said_and_nothing_is_run() {
    let nonsense =
        [("fault", "crahs"), ("seconds", "-1"), ("seconds", "1e999"), ("speed", "0"), ("times", "few")];
    for annotation in nonsense {
        let lived = Lived::until(pod(&[annotation], &with_image("web:1")), 60.0);
        assert_eq!(lived.reasons(), ["UnknownFault"], "{annotation:?}");
        assert_eq!(lived.statuses().count(), 0);
    }
}

#[test]
fn the_last_words_of_the_run_before_can_be_read() {
    let lived = Lived::until(pod(&[("fault", "crash"), ("log", "no database")], &with_image("web:1")), 3.0);
    let output = lived.worker.output("main", true, lived.now).map(|output| output.text);
    assert_eq!(output.as_deref(), Ok("no database\n"));
    assert!(lived.worker.output("other", false, lived.now).is_err());
}
