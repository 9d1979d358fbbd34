//! Holds the simulation to what a real kubelet was recorded to do.
//!
//! The pod of a recorded scene is given to a worker as it was bound, with the fault that stands for what happened to
//! it, and the worker lives through the scene without a clock. What it tells must be what was recorded, up to the
//! scene's horizon: the same events with the same words and counts in the same order, the same statuses — phase,
//! conditions, states, reasons, exit codes, restarts — in the same order, and at about the same times.

#![expect(clippy::unwrap_used, reason = "a recording that cannot be read fails its test")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerState, Event, Pod, PodStatus};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use windlass_simulation::{Effect, Facts, ObjectKind, PodWorker, Severity};

/// A pod of a recorded scene and what makes the simulation behave like it.
struct Scene {
    name: &'static str,
    /// The pods of a scene are counted in the order of their appearance.
    pod: usize,
    annotations: &'static [(&'static str, &'static str)],
    /// Seconds since the pod was bound up to which the recording counts.
    horizon: f64,
}

/// What was told of one pod, with the seconds since it was bound.
#[derive(Debug, Default)]
struct Story {
    events: Vec<(f64, String)>,
    statuses: Vec<(f64, String)>,
}

/// Sooner than this, times must agree to within [`TOLERANCE`]; later, a kubelet's own jitter adds up.
const EARLY: f64 = 5.0;
const TOLERANCE: f64 = 1.1;

fn check(name: &'static str, annotations: &'static [(&'static str, &'static str)], horizon: f64) {
    check_pod(&Scene { name, pod: 0, annotations, horizon });
}

fn check_pod(scene: &Scene) {
    let recording = Recording::read(scene.name, scene.pod);
    let expected = recording.story(scene.horizon);
    let simulated = simulate(&recording, scene.annotations);
    assert!(!expected.events.is_empty() && !expected.statuses.is_empty(), "the recording tells nothing");
    compare(scene, &expected.events, &simulated.events);
    compare(scene, &expected.statuses, &simulated.statuses);
}

fn compare(scene: &Scene, expected: &[(f64, String)], simulated: &[(f64, String)]) {
    for (index, (at, words)) in expected.iter().enumerate() {
        let found = simulated.get(index);
        let is_same = found.is_some_and(|(_, found)| found == words);
        let is_timely = *at > EARLY || found.is_some_and(|(found, _)| (found - at).abs() < TOLERANCE);
        assert!(
            is_same && is_timely,
            "{} differs at number {index}\n\nrecorded:\n{}\nsimulated:\n{}",
            scene.name,
            listed(expected, index),
            listed(simulated, index),
        );
    }
}

fn listed(told: &[(f64, String)], until: usize) -> String {
    let lines: Vec<String> =
        told.iter().take(until + 1).map(|(at, words)| format!("{at:7.2} {words}")).collect();
    lines.join("\n")
}

/// One pod of a recorded scene.
struct Recording {
    lines: Vec<Value>,
    pod: Pod,
    bound: f64,
    ip: String,
}

impl Recording {
    fn read(scene: &str, number: usize) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../recorded/{scene}.jsonl"));
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let pods = || lines.iter().filter(|line| line["object"]["kind"] == "Pod");
        let mut uids = Vec::new();
        for line in pods() {
            let uid = &line["object"]["metadata"]["uid"];
            if !uids.contains(&uid) {
                uids.push(uid);
            }
        }
        let own = || pods().filter(|line| &line["object"]["metadata"]["uid"] == uids[number]);
        let bound = own().find(|line| line["object"]["spec"]["nodeName"].is_string()).unwrap();
        let ip =
            own().find_map(|line| line["object"]["status"]["podIP"].as_str()).unwrap_or_default().to_owned();
        let pod: Pod = serde_json::from_value(bound["object"].clone()).unwrap();
        Self { bound: bound["at"].as_f64().unwrap(), pod, ip, lines: lines.clone() }
    }

    /// The changes of the pod and the kubelet's events about it, in seconds since it was bound.
    fn own_lines(&self, kind: &'static str) -> impl Iterator<Item = (f64, &Value)> {
        let uid = self.pod.metadata.uid.as_deref().unwrap();
        self.lines.iter().filter_map(move |line| {
            let object = &line["object"];
            let subject = if kind == "Pod" { &object["metadata"] } else { &object["involvedObject"] };
            let is_own = object["kind"] == kind && subject["uid"] == uid && line["type"] != "DELETED";
            is_own.then(|| (line["at"].as_f64().unwrap() - self.bound, object))
        })
    }

    fn story(&self, horizon: f64) -> Story {
        let mut story = Story::default();
        for (at, object) in self.own_lines("Event").filter(|(at, _)| *at < horizon) {
            let event: Event = serde_json::from_value(object.clone()).unwrap();
            if event.reporting_component.as_deref() == Some("kubelet") {
                let field_path = event.involved_object.field_path.unwrap_or_default();
                let message = without_name_server(&event.message.unwrap());
                let words = [event.type_.unwrap(), event.reason.unwrap(), field_path, message].join(" | ");
                story.events.push((at, format!("{words} | x{}", event.count.unwrap())));
            }
        }
        for (at, object) in self.own_lines("Pod").filter(|(at, _)| *at < horizon) {
            let status: PodStatus = serde_json::from_value(object["status"].clone()).unwrap();
            if status.container_statuses.is_some() {
                push_changed(&mut story.statuses, at, words_of(&status));
            }
        }
        story
    }

    fn deletion(&self) -> Option<(f64, Pod)> {
        let mut pods = self.own_lines("Pod");
        let (at, object) = pods.find(|(_, object)| object["metadata"]["deletionTimestamp"].is_string())?;
        Some((at, serde_json::from_value(object.clone()).unwrap()))
    }
}

/// Lives through the scene and notes what the worker tells.
fn simulate(recording: &Recording, annotations: &[(&str, &str)]) -> Story {
    let mut pod = recording.pod.clone();
    let asked = annotations.iter().map(|(name, value)| (format!("testbed/{name}"), (*value).to_owned()));
    let asked = asked.chain([("testbed/pace".to_owned(), "recorded".to_owned())]);
    pod.metadata.annotations.get_or_insert_default().extend(asked);
    let facts = existing_objects();
    let mut worker = PodWorker::new(pod.clone(), Timestamp::UNIX_EPOCH, recording.ip.clone());
    let mut deletion = recording.deletion();
    let (mut story, mut seen) = (Story::default(), Vec::new());
    for _ in 0..1000 {
        let deleted = deletion.as_ref().map(|(at, _)| Duration::from_secs_f64(*at));
        let Some(next) = worker.next().or(deleted) else { break };
        if let Some((at, deleted)) = deletion.take_if(|(at, _)| Duration::from_secs_f64(*at) <= next) {
            worker.update(deleted, Duration::from_secs_f64(at));
            continue;
        }
        for (at, effect) in worker.wake(next, &facts) {
            note(&mut story, &mut seen, at.as_secs_f64(), effect);
        }
    }
    story
}

fn note(story: &mut Story, seen: &mut Vec<String>, at: f64, effect: Effect) {
    match effect {
        Effect::Event(event) => {
            let severity = if event.severity == Severity::Normal { "Normal" } else { "Warning" };
            let message = without_name_server(&event.message);
            let words = [severity, event.reason, &event.field_path.unwrap_or_default(), &message].join(" | ");
            seen.push(words.clone());
            let count = seen.iter().filter(|other| **other == words).count();
            story.events.push((at, format!("{words} | x{count}")));
        }
        Effect::Status(status) => push_changed(&mut story.statuses, at, words_of(&status)),
        Effect::Gone => {}
    }
}

fn push_changed(told: &mut Vec<(f64, String)>, at: f64, words: String) {
    if told.last().is_none_or(|(_, last)| *last != words) {
        told.push((at, words));
    }
}

/// What the scenes have beside the pod.
fn existing_objects() -> Facts {
    let mut facts = Facts::default();
    facts.add(ObjectKind::Secret, "s".to_owned(), ["a".to_owned()]);
    facts
}

/// Everything in a status that a watcher could act on.
fn words_of(status: &PodStatus) -> String {
    let mut words = vec![status.phase.clone().unwrap_or_default()];
    for condition in status.conditions.iter().flatten() {
        let because = [&condition.reason, &condition.message].map(|word| word.clone().unwrap_or_default());
        words.push(format!("{}={} {}", condition.type_, condition.status, because.join(" ").trim_end()));
    }
    let statuses = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    for one in statuses {
        let around =
            [&one.state, &one.last_state].map(|state| state.as_ref().map(state_words).unwrap_or_default());
        let flags = format!("ready {} started {:?} restarts {}", one.ready, one.started, one.restart_count);
        let has_run = [one.container_id.is_some(), !one.image_id.is_empty()];
        words.push(format!("{}: {} after {}, {flags} {has_run:?}", one.name, around[0], around[1]));
    }
    words.push(format!("address {:?} deleted {:?}", status.pod_ip, status.reason));
    without_name_server(&words.join("; "))
}

fn state_words(state: &ContainerState) -> String {
    if let Some(waiting) = &state.waiting {
        return format!("{:?} {:?}", waiting.reason, waiting.message);
    }
    match &state.terminated {
        Some(ended) => format!("{:?} {} {:?}", ended.reason, ended.exit_code, ended.message),
        None if state.running.is_some() => "running".to_owned(),
        None => "nothing".to_owned(),
    }
}

/// Which name server was asked depends on the machine.
fn without_name_server(text: &str) -> String {
    match text.split_once(" on ").and_then(|(before, rest)| Some((before, rest.split_once(":53")?.1))) {
        Some((before, after)) => format!("{before}{after}"),
        None => text.to_owned(),
    }
}

#[test]
fn a_deployment_that_works() {
    check("ok-deployment", &[], 10.0);
}

#[test]
fn a_daemon_set_that_works() {
    check("ok-daemonset", &[], 10.0);
}

#[test]
fn image_not_found() {
    check("image-not-found", &[("fault", "missing")], 60.0);
}

#[test]
fn repository_unknown() {
    check("image-repository-unknown", &[("fault", "repository-missing")], 60.0);
}

#[test]
fn registry_asks_for_a_password() {
    check("image-unauthorised", &[("fault", "forbidden")], 60.0);
}

#[test]
fn registry_limits_the_rate() {
    check("image-rate-limited", &[("fault", "rate-limited")], 60.0);
}

#[test]
fn registry_is_down() {
    check("image-registry-down", &[("fault", "registry-down")], 60.0);
}

#[test]
fn registry_has_no_address() {
    check("image-registry-unresolvable", &[("fault", "registry-unresolvable")], 60.0);
}

#[test]
fn image_name_is_invalid() {
    check("image-name-invalid", &[], 60.0);
}

#[test]
fn image_is_never_pulled() {
    check("image-never-pull", &[("fault", "never-pull")], 60.0);
}

#[test]
fn command_is_missing() {
    check("command-missing", &[("fault", "command-missing")], 60.0);
}

#[test]
fn config_map_is_missing() {
    check("config-map-missing", &[], 60.0);
}

#[test]
fn key_of_a_secret_is_missing() {
    check("config-key-missing", &[], 60.0);
}

#[test]
fn running_as_root_is_refused() {
    check("run-as-root-refused", &[("fault", "run-as-root")], 60.0);
}

#[test]
fn volume_of_a_missing_config_map() {
    check("volume-config-map-missing", &[], 60.0);
}

#[test]
fn volume_of_a_missing_host_path() {
    check("volume-host-path-missing", &[], 60.0);
}

#[test]
fn crash() {
    check("crash", &[("fault", "crash"), ("exit-code", "3")], 70.0);
}

#[test]
fn crash_after_becoming_ready() {
    check("crash-late", &[("fault", "crash-late"), ("exit-code", "2")], 60.0);
}

#[test]
fn out_of_memory() {
    check("out-of-memory", &[("fault", "out-of-memory")], 60.0);
}

#[test]
fn exit_with_zero() {
    // Then the kubelet looked once more than it had to, as it does by chance.
    check("exit-zero", &[("fault", "exit-zero")], 2.5);
}

#[test]
fn init_container_crashes() {
    // Then a look came just in time to see it run, as it does by chance.
    check("init-crash", &[("fault", "crash"), ("container", "migrate")], 12.9);
}

#[test]
fn init_container_has_no_image() {
    check("init-image-missing", &[], 60.0);
}

#[test]
fn init_container_is_slow() {
    check("init-slow", &[("fault", "slow"), ("container", "migrate"), ("seconds", "8")], 60.0);
}

#[test]
fn readiness_is_refused() {
    check("readiness-never", &[("fault", "never-ready")], 60.0);
}

#[test]
fn readiness_has_a_wrong_answer() {
    check("readiness-500", &[("fault", "wrong-answer"), ("exit-code", "404")], 60.0);
}

#[test]
fn liveness_kills() {
    check("liveness-kills", &[("fault", "liveness-kills")], 60.0);
}

#[test]
fn startup_fails() {
    // Then the fourth restart is due or not by a hair.
    check("startup-fails", &[("fault", "startup-fails")], 40.0);
}

#[test]
fn job_completes() {
    check("job-completes", &[("fault", "exit-zero")], 60.0);
}

#[test]
fn job_fails() {
    check("job-fails", &[("fault", "crash"), ("exit-code", "4")], 60.0);
}

#[test]
fn job_runs_into_its_deadline() {
    check("job-deadline", &[("fault", "slow-termination")], 60.0);
}

#[test]
fn container_does_not_end_when_asked() {
    check("slow-termination", &[("fault", "slow-termination")], 60.0);
}

#[test]
fn stateful_set_replaces_its_last_pod() {
    let annotations = &[("fault", "slow-termination")];
    check_pod(&Scene { name: "ok-statefulset-update", pod: 2, annotations, horizon: 60.0 });
}

#[test]
fn pod_without_image_is_deleted() {
    check_pod(&Scene { name: "deployment-bad-update", pod: 3, annotations: &[], horizon: 60.0 });
    check_pod(&Scene { name: "statefulset-trap", pod: 3, annotations: &[], horizon: 60.0 });
}

#[test]
fn pod_that_fits_into_a_quota() {
    check("quota-exceeded", &[], 60.0);
}

#[test]
fn every_recorded_pod_of_a_kubelet_is_compared() {
    let source = include_str!("recorded.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../recorded");
    let scenes = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let with_pods = scenes.filter(|path| {
        let is_scene = path.extension().is_some_and(|extension| extension == "jsonl");
        is_scene && std::fs::read_to_string(path).unwrap().contains("\"component\":\"kubelet\"")
    });
    let names: BTreeSet<String> =
        with_pods.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let missing: Vec<&String> =
        names.iter().filter(|name| !source.contains(&format!("\"{name}\""))).collect();
    assert_eq!(missing, Vec::<&String>::new());
}
