//! Holds the controllers to what the real ones were recorded to do.
//!
//! A recorded scene is lived through again: what people and nodes did is done at the same places — a workload applied or changed, a pod that tells
//! a status or goes — and what controllers did is left to those here. Every status that the real controller wrote must be written here too, in the
//! same order, and the same events must be told. Between two of them there may be more statuses here: the real controllers see several changes at
//! once now and then.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::bench::{Bench, name};
use crate::objects::kinds::{NODE, POD};
use crate::objects::{Deletion, Kind};

#[test]
fn the_controllers_write_what_the_real_ones_wrote() {
    let scenes = [
        ("ok-deployment", "Deployment"),
        ("deployment-bad-update", "Deployment"),
        ("readiness-500", "Deployment"),
        ("crash-late", "Deployment"),
        ("liveness-kills", "Deployment"),
        ("init-slow", "Deployment"),
        ("slow-termination", "Deployment"),
        ("claim-class-missing", "StatefulSet"),
        ("ok-daemonset", "DaemonSet"),
        ("ok-statefulset-update", "StatefulSet"),
        ("statefulset-trap", "StatefulSet"),
        ("job-completes", "Job"),
        ("job-fails", "Job"),
    ];
    let differences: Vec<String> =
        scenes.into_iter().filter_map(|(scene, kind)| differs(scene, kind)).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// How a scene goes otherwise than recorded, if it does.
fn differs(scene: &str, kind: &str) -> Option<String> {
    let lines = read(scene);
    let recorded = story(&lines, kind);
    assert!(!recorded.statuses.is_empty(), "{scene} tells nothing");
    let replayed = story(&replay(&lines, kind), kind);
    let mut rest = replayed.statuses.iter();
    let missing = recorded.statuses.iter().find(|status| !rest.any(|other| other == *status));
    if let Some(missing) = missing {
        let listed = |statuses: &[String]| statuses.join("\n  ");
        return Some(format!(
            "== {scene}: this is not written in its place:\n  {missing}\nrecorded:\n  {}\nhere:\n  {}",
            listed(&recorded.statuses),
            listed(&replayed.statuses)
        ));
    }
    if recorded.statuses.last() != replayed.statuses.last() {
        return Some(format!("== {scene} ends otherwise: {:?}", replayed.statuses.last()));
    }
    (recorded.events != replayed.events)
        .then(|| format!("== {scene}\nrecorded: {:#?}\nhere: {:#?}", recorded.events, replayed.events))
}

fn read(scene: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/testbed/recorded");
    let text = std::fs::read_to_string(folder.join(format!("{scene}.jsonl"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What was told of a workload.
struct Story {
    /// Statuses that differ from the one before.
    statuses: Vec<String>,
    /// Events of controllers, by the kind of object they are about.
    events: BTreeMap<String, Vec<String>>,
}

fn story(lines: &[Value], kind: &str) -> Story {
    let names = Names::of(lines);
    let mut story = Story { statuses: Vec::new(), events: BTreeMap::new() };
    for object in lines.iter().filter(|line| line["type"] != "DELETED").map(|line| &line["object"]) {
        if object["kind"] == kind {
            let words = names.replace(&status_words(&object["status"]));
            if story.statuses.last() != Some(&words) {
                story.statuses.push(words);
            }
        } else if object["kind"] == "Event" && object["involvedObject"]["kind"] != "Pod" {
            let about = object["involvedObject"]["kind"].as_str().unwrap().to_owned();
            let words = format!("{} {}: {}", object["type"], object["reason"], object["message"]);
            let events = story.events.entry(about).or_default();
            let words = names.replace(&words);
            if object["count"].as_i64().unwrap_or(1) == 1 {
                events.push(words);
            }
        }
    }
    story
}

/// Counts, revisions and conditions without times. A condition's place in the list means nothing.
fn status_words(status: &Value) -> String {
    let mut words = Vec::new();
    for (field, value) in status.as_object().into_iter().flatten() {
        // The counts of pods on their way out are not told of by every version, and 0 is what is not told.
        let is_noise =
            ["conditions", "startTime", "completionTime", "uncountedTerminatedPods", "terminating"];
        if !is_noise.contains(&field.as_str()) && value != 0 {
            words.push(format!("{field} {value}"));
        }
    }
    for condition in status["conditions"].as_array().into_iter().flatten() {
        let [kind, status] = ["type", "status"].map(|field| condition[field].as_str().unwrap_or_default());
        words.push(format!("{kind}={status} {} {}", condition["reason"], condition["message"]));
    }
    words.sort();
    words.join("; ")
}

/// Names that controllers make up, in the order of their appearance: the same words for what is the same.
struct Names(Vec<(String, String)>);

impl Names {
    fn of(lines: &[Value]) -> Self {
        let mut names: Vec<(String, String)> = Vec::new();
        let mut add = |name: &str, word: &str| {
            if !names.iter().any(|(known, _)| known == name) && !name.is_empty() {
                names.push((name.to_owned(), format!("{word}-{}", names.len())));
            }
        };
        for object in lines.iter().map(|line| &line["object"]) {
            let revisions = ["currentRevision", "updateRevision"];
            for revision in revisions.iter().filter_map(|field| object["status"][field].as_str()) {
                add(revision, "REVISION");
            }
            let is_made_up = object["metadata"]["generateName"].is_string() && !is_stateful(object);
            match object["kind"].as_str() {
                Some("ReplicaSet") => add(&name(object), "SET"),
                Some("Pod") if is_made_up => add(&name(object), "POD"),
                _ => {}
            }
        }
        // The longer first: a pod's name begins with that of its set.
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let word = |name: &str| if name.starts_with("POD") { "POD".to_owned() } else { name.to_owned() };
        Self(names.into_iter().map(|(name, to)| (name, word(&to))).collect())
    }

    fn replace(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, word)| text.replace(name, word))
    }
}

fn is_stateful(pod: &Value) -> bool {
    pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"].is_string()
}

/// Does again what people and nodes did, and returns all that was written then: lines like those that were recorded.
fn replay(lines: &[Value], kind: &str) -> Vec<Value> {
    let mut bench = Bench::new();
    let labels = json!({ "testbed.real": "true" });
    let room = json!({ "allocatable": { "cpu": "8", "memory": "32Gi", "pods": "110" } });
    bench.create(&NODE, json!({ "metadata": { "name": "localhost", "labels": labels }, "status": room }));
    let recorded = uids_of_pods(lines);
    let mut generation = 0;
    for line in lines {
        let object = &line["object"];
        let place = object["metadata"]["generation"].as_i64().unwrap_or_default();
        if object["kind"] == kind && place > generation {
            generation = place;
            apply(&bench, object);
        } else if object["kind"] == "Pod" {
            live(&bench, &recorded, line);
        }
        bench.settle();
    }
    bench.history()
}

/// What a person did: a workload is new, or wants something else.
fn apply(bench: &Bench, object: &Value) {
    let kind =
        Kind::built_in(object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap()).unwrap();
    if bench.exists(kind, &name(object)) {
        bench.patch(kind, &name(object), &json!({ "spec": object["spec"] }));
        return;
    }
    let mut new = object.clone();
    new["metadata"] = json!({ "name": name(object), "labels": object["metadata"]["labels"] });
    // As the API server makes them.
    new["status"] = match kind.kind.as_ref() {
        "StatefulSet" => json!({ "replicas": 0, "availableReplicas": 0 }),
        "DaemonSet" => json!({
            "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
        }),
        _ => json!({}),
    };
    bench.create(kind, new);
}

/// The pods of a recording in the order of their making.
fn uids_of_pods(lines: &[Value]) -> Vec<String> {
    let mut uids: Vec<String> = Vec::new();
    for object in lines.iter().map(|line| &line["object"]).filter(|object| object["kind"] == "Pod") {
        let uid = object["metadata"]["uid"].as_str().unwrap().to_owned();
        if !uids.contains(&uid) {
            uids.push(uid);
        }
    }
    uids
}

/// What a node did: the pod here that stands for the recorded one tells the same, or goes.
fn live(bench: &Bench, recorded: &[String], line: &Value) {
    let object = &line["object"];
    let uid = object["metadata"]["uid"].as_str().unwrap();
    let index = recorded.iter().position(|known| known == uid).expect("it is one of them");
    let Some(pod) = bench.nth_pod(index) else { return };
    if line["type"] == "DELETED" {
        return bench.delete(&POD, &name(&pod), &Deletion { grace: Some(0), ..Deletion::default() });
    }
    if object["spec"]["nodeName"].is_string() {
        let patch = json!({ "spec": { "nodeName": object["spec"]["nodeName"] }, "status": object["status"] });
        bench.patch(&POD, &name(&pod), &patch);
    }
    // Somebody deleted it who is no controller.
    let is_leaving = |pod: &Value| pod["metadata"]["deletionTimestamp"].is_string();
    if is_leaving(object) && !is_leaving(&pod) {
        bench.delete(&POD, &name(&pod), &Deletion::default());
    }
}
