//! Recorded scenes played again on the bed: what its simulated nodes tell through the API server, under its real
//! controllers, is what a real node told.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use serde_json::{Value, json};
use windlass_simulation::recording::{Recording, SCENES, Scene};
use windlass_tests::testbed::{Bed, Namespace, programs};

/// One of each way to fail; `providers/sandbox/simulation` compares them all, and for longer.
const PLAYED: [&str; 8] = [
    "command-missing",
    "config-map-missing",
    "crash",
    "image-not-found",
    "init-crash",
    "job-fails",
    "ok-deployment",
    "volume-config-map-missing",
];

/// Seconds that a scene is watched, and those of its recording that must have been told by then. On a busy machine much time passes before its pod is
/// bound; what is told after the last that counts is not compared.
const WATCHED: u32 = 40;
const COMPARED: f64 = 14.0;

#[test]
fn scenes_are_played_as_they_were_recorded() {
    let bed = Bed::shared();
    let scenes = SCENES.iter().filter(|scene| PLAYED.contains(&scene.name));
    let differences = Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        for scene in scenes {
            threads.spawn(|| {
                if let Some(difference) = play(bed, scene) {
                    differences.lock().unwrap().push(format!("== {}\n{difference}\n", scene.name));
                }
            });
        }
    });
    let differences = differences.into_inner().unwrap();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Plays a scene and says how it departs from its recording.
fn play(bed: &Bed, scene: &Scene) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testbed/recorded");
    let recording = Recording::read(&folder, scene).unwrap();
    let space = bed.namespace();
    let began = Instant::now();
    let lines = std::thread::scope(|threads| {
        let watches = ["pods", "events"].map(|kind| threads.spawn(|| watch(&space, kind, began)));
        apply(&space, recording.manifest(), scene.annotations);
        watches.into_iter().flat_map(|watch| watch.join().unwrap()).collect()
    });
    let played = Recording::of(lines, scene.pod).unwrap();
    recording.story(scene.horizon.min(COMPARED)).difference(&played.story(f64::MAX))
}

/// Everything that a watch shows until it ends.
fn watch(space: &Namespace, kind: &str, began: Instant) -> Vec<Value> {
    let path = format!("/api/v1/namespaces/{}/{kind}?watch=1&timeoutSeconds={WATCHED}", space.name());
    let mut watch = Command::new(programs().join("kubectl"))
        .arg("--kubeconfig")
        .arg(space.kubeconfig())
        .args(["get", "--raw", &path])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(|line| {
        let mut line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        line["at"] = json!(began.elapsed().as_secs_f64());
        line
    });
    let lines = lines.collect();
    assert!(watch.wait().unwrap().success(), "watching {kind}");
    lines
}

/// Applies a recorded manifest to simulated nodes, its pods asking for a fault at the times of a real kubelet.
fn apply(space: &Namespace, manifest: &str, annotations: &[(&str, &str)]) {
    let read = ["create", "--dry-run=client", "--output=json", "--filename", "-"];
    let read = space.kubectl_with(&read, manifest).expect_success();
    for object in serde_json::Deserializer::from_str(&read).into_iter::<Value>() {
        let mut object = object.unwrap();
        let template = &mut object["spec"]["template"];
        if let Some(pod) = template["spec"].as_object_mut() {
            pod.remove("nodeSelector");
            for (name, value) in annotations.iter().chain(&[("pace", "recorded")]) {
                template["metadata"]["annotations"][format!("testbed/{name}")] = json!(value);
            }
        }
        space.apply(&object.to_string());
    }
}
