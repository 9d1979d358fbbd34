//! Holds the simulation to what a real kubelet was recorded to do.
//!
//! The pod of a recorded scene is given to a worker as it was bound, with the fault that stands for what happened to
//! it, and the worker lives through the scene without a clock. What it tells must be what was recorded, up to the
//! scene's horizon: the same events with the same words and counts in the same order, the same statuses — phase,
//! conditions, states, reasons, exit codes, restarts — in the same order, and early on at the same times.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use windlass_simulation::recording::{Recording, SCENES, Scene, Story};
use windlass_simulation::{Effect, Facts, ObjectKind, Occurrence, PodWorker};

/// Sooner than this many seconds, times must agree to within the next; later, a kubelet's own jitter adds up.
const EARLY: f64 = 5.0;
const TOLERANCE: f64 = 1.1;

#[test]
fn the_simulation_tells_what_a_kubelet_told() {
    let differences: Vec<String> = SCENES
        .iter()
        .filter_map(|scene| {
            let recording = Recording::read(&recordings(), scene).unwrap();
            let recorded = recording.story(scene.horizon);
            assert!(
                !recorded.events.is_empty() && !recorded.statuses.is_empty(),
                "{} tells nothing",
                scene.name
            );
            let simulated = simulate(scene, &recording);
            let difference = recorded.difference(&simulated).or_else(|| untimely(&recorded, &simulated))?;
            Some(format!("== {}\n{difference}\n", scene.name))
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_recorded_scene_with_a_kubelet_is_compared() {
    let scenes = std::fs::read_dir(recordings()).unwrap().map(|entry| entry.unwrap().path());
    let with_kubelet = scenes.filter(|path| {
        let is_scene = path.extension().is_some_and(|extension| extension == "jsonl");
        is_scene && std::fs::read_to_string(path).unwrap().contains("\"component\":\"kubelet\"")
    });
    let recorded: BTreeSet<String> =
        with_kubelet.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let compared: BTreeSet<String> = SCENES.iter().map(|scene| scene.name.to_owned()).collect();
    assert_eq!(recorded, compared);
}

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/testbed/recorded")
}

fn untimely(recorded: &Story, simulated: &Story) -> Option<String> {
    let pairs = recorded.events.iter().zip(&simulated.events);
    let mut pairs = pairs.chain(recorded.statuses.iter().zip(&simulated.statuses));
    let (recorded, simulated) = pairs
        .find(|(recorded, simulated)| recorded.0 < EARLY && (recorded.0 - simulated.0).abs() > TOLERANCE)?;
    Some(format!("at {:.2} instead of {:.2}: {}", simulated.0, recorded.0, recorded.1))
}

/// Lives through a scene and notes what the worker tells.
fn simulate(scene: &Scene, recording: &Recording) -> Story {
    let mut pod = recording.pod().clone();
    let asked = scene.annotations.iter().chain(&[("pace", "recorded")]);
    let annotations = asked.map(|(name, value)| (format!("testbed/{name}"), (*value).to_owned()));
    pod.metadata.annotations.get_or_insert_default().extend(annotations);
    let facts = existing_objects();
    let mut worker = PodWorker::new(pod, Timestamp::UNIX_EPOCH, recording.address().to_owned());
    let mut deletion = recording.deletion();
    let mut told = Told { recording, story: Story::default(), counts: HashMap::new() };
    for _ in 0..1000 {
        let deleted = deletion.as_ref().map(|(at, _)| Duration::from_secs_f64(*at));
        let Some(next) = worker.next().or(deleted) else { break };
        if let Some((at, deleted)) = deletion.take_if(|(at, _)| Duration::from_secs_f64(*at) <= next) {
            worker.update(deleted, Duration::from_secs_f64(at));
            continue;
        }
        for (at, effect) in worker.wake(next, &facts) {
            told.note(at.as_secs_f64(), effect);
        }
    }
    told.story
}

struct Told<'r> {
    recording: &'r Recording,
    story: Story,
    counts: HashMap<Occurrence, i32>,
}

impl Told<'_> {
    fn note(&mut self, at: f64, effect: Effect) {
        match effect {
            Effect::Event(event) => {
                let count = self.counts.entry(event.clone()).or_default();
                *count += 1;
                let path = event.field_path.unwrap_or_default();
                let severity = format!("{:?}", event.severity);
                let words =
                    self.recording.event_words(&severity, event.reason, &path, &event.message, *count);
                self.story.events.push((at, words));
            }
            Effect::Status(status) => self.story.tell_status(at, self.recording.status_words(&status)),
            Effect::Gone => {}
        }
    }
}

/// What the scenes have beside the pod.
fn existing_objects() -> Facts {
    let mut facts = Facts::default();
    facts.add(ObjectKind::Secret, "s".to_owned(), ["a".to_owned()]);
    facts
}
