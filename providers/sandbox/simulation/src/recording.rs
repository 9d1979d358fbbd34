//! What a real kubelet was recorded to tell of a pod, in words that can be compared.

use std::path::Path;

use k8s_openapi::api::core::v1::{ContainerState, Event, Pod, PodStatus};
use serde_json::Value;

/// A recorded pod, and what makes the simulation behave like it.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// The name of its file.
    pub name: &'static str,
    /// The pods of a scene are counted in the order of their appearance.
    pub pod: usize,
    /// What the pod asks for: annotations without their `testbed/`.
    pub annotations: &'static [(&'static str, &'static str)],
    /// Seconds since the pod was bound up to which the recording counts.
    pub horizon: f64,
}

/// Every scene in which a kubelet has a part.
pub const SCENES: &[Scene] = &[
    scene("ok-deployment", &[], 60.0),
    scene("ok-daemonset", &[], 60.0),
    scene("quota-exceeded", &[], 60.0),
    scene("image-not-found", &[("fault", "missing")], 60.0),
    scene("image-repository-unknown", &[("fault", "repository-missing")], 60.0),
    scene("image-unauthorised", &[("fault", "forbidden")], 60.0),
    scene("image-rate-limited", &[("fault", "rate-limited")], 60.0),
    scene("image-registry-down", &[("fault", "registry-down")], 60.0),
    scene("image-registry-unresolvable", &[("fault", "registry-unresolvable")], 60.0),
    scene("image-name-invalid", &[], 60.0),
    scene("image-never-pull", &[("fault", "never-pull")], 60.0),
    scene("command-missing", &[("fault", "command-missing")], 60.0),
    scene("config-map-missing", &[], 60.0),
    scene("config-key-missing", &[], 60.0),
    scene("run-as-root-refused", &[("fault", "run-as-root")], 60.0),
    scene("volume-config-map-missing", &[], 60.0),
    scene("volume-host-path-missing", &[], 60.0),
    scene("crash", &[("fault", "crash"), ("exit-code", "3")], 70.0),
    scene("crash-late", &[("fault", "crash-late"), ("exit-code", "2")], 60.0),
    scene("out-of-memory", &[("fault", "out-of-memory")], 60.0),
    // After that the kubelet looked once more than it had to, as it does by chance.
    scene("exit-zero", &[("fault", "exit-zero")], 2.5),
    // After that a look came just in time to see the container run.
    scene("init-crash", &[("fault", "crash"), ("container", "migrate")], 12.9),
    scene("init-image-missing", &[], 60.0),
    scene("init-slow", &[("fault", "slow"), ("container", "migrate"), ("seconds", "8")], 60.0),
    scene("readiness-never", &[("fault", "never-ready")], 60.0),
    scene("readiness-500", &[("fault", "wrong-answer"), ("exit-code", "404")], 60.0),
    scene("liveness-kills", &[("fault", "liveness-kills")], 60.0),
    // After that the next restart is due or not by a hair.
    scene("startup-fails", &[("fault", "startup-fails")], 40.0),
    scene("job-completes", &[("fault", "exit-zero")], 60.0),
    scene("job-fails", &[("fault", "crash"), ("exit-code", "4")], 60.0),
    scene("job-deadline", &[("fault", "slow-termination")], 60.0),
    scene("slow-termination", &[("fault", "slow-termination")], 60.0),
    Scene { pod: 2, ..scene("ok-statefulset-update", &[("fault", "slow-termination")], 60.0) },
    Scene { pod: 3, ..scene("deployment-bad-update", &[], 60.0) },
    Scene { pod: 3, ..scene("statefulset-trap", &[], 60.0) },
];

const fn scene(
    name: &'static str,
    annotations: &'static [(&'static str, &'static str)],
    horizon: f64,
) -> Scene {
    Scene { name, pod: 0, annotations, horizon }
}

/// What was told of one pod, with the seconds since it was bound.
#[derive(Debug, Default)]
pub struct Story {
    pub events: Vec<(f64, String)>,
    /// Statuses that differ from the one before.
    pub statuses: Vec<(f64, String)>,
}

impl Story {
    pub fn tell_status(&mut self, at: f64, words: String) {
        if self.statuses.last().is_none_or(|(_, last)| *last != words) {
            self.statuses.push((at, words));
        }
    }

    /// Where another story departs from this one: both up to there, for reading.
    pub fn difference(&self, other: &Self) -> Option<String> {
        [(&self.events, &other.events), (&self.statuses, &other.statuses)].into_iter().find_map(
            |(own, others)| {
                let same = own.iter().zip(others).take_while(|(own, other)| own.1 == other.1).count();
                let is_told = same == own.len();
                (!is_told).then(|| {
                    format!("recorded:\n{}\nsimulated:\n{}", listed(own, same), listed(others, same))
                })
            },
        )
    }
}

fn listed(told: &[(f64, String)], last: usize) -> String {
    let lines: Vec<String> =
        told.iter().take(last + 1).map(|(at, words)| format!("{at:7.2} {words}")).collect();
    lines.join("\n")
}

/// What watches showed of one pod: lines with `at` (seconds), `type` and `object`.
#[derive(Clone, Debug)]
pub struct Recording {
    lines: Vec<Value>,
    pod: Pod,
    bound: f64,
    names: Names,
}

/// What is different each time: replaced by the same words.
#[derive(Clone, Debug, Default)]
struct Names(Vec<(String, &'static str)>);

impl Names {
    fn replace(&self, text: &str) -> String {
        let known = self.0.iter().filter(|(name, _)| !name.is_empty());
        let text = known.fold(text.to_owned(), |text, (name, word)| text.replace(name, word));
        // Which name server was asked depends on the machine.
        match text.split_once(" on ").and_then(|(before, rest)| Some((before, rest.split_once(":53")?.1))) {
            Some((before, after)) => format!("{before}{after}"),
            None => text,
        }
    }
}

impl Recording {
    /// Reads a recorded scene out of a folder of them.
    ///
    /// # Errors
    /// When there is none of that name, or the pod is not in it.
    pub fn read(folder: &Path, scene: &Scene) -> Result<Self, String> {
        let path = folder.join(format!("{}.jsonl", scene.name));
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let lines: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
        Self::of(lines.map_err(|error| error.to_string())?, scene.pod)
    }

    /// Takes the pod of that number out of what watches showed.
    ///
    /// # Errors
    /// When it is not there, or was never bound.
    pub fn of(lines: Vec<Value>, number: usize) -> Result<Self, String> {
        let pods = || lines.iter().filter(|line| line["object"]["kind"] == "Pod");
        let mut uids = Vec::new();
        for line in pods() {
            let uid = &line["object"]["metadata"]["uid"];
            if !uids.contains(&uid) {
                uids.push(uid);
            }
        }
        let uid = *uids.get(number).ok_or("there is no such pod")?;
        let own = || pods().filter(|line| &line["object"]["metadata"]["uid"] == uid);
        let bound =
            own().find(|line| line["object"]["spec"]["nodeName"].is_string()).ok_or("it was never bound")?;
        let pod: Pod = serde_json::from_value(bound["object"].clone()).map_err(|error| error.to_string())?;
        let ip = own().find_map(|line| line["object"]["status"]["podIP"].as_str()).unwrap_or_default();
        let metadata = &pod.metadata;
        let name = |name: &Option<String>| name.clone().unwrap_or_default();
        let names = Names(vec![
            (ip.to_owned(), "ADDRESS"),
            (name(&metadata.uid), "UID"),
            (name(&metadata.name), "POD"),
            (name(&metadata.namespace), "NAMESPACE"),
        ]);
        Ok(Self { bound: bound["at"].as_f64().unwrap_or_default(), names, pod, lines })
    }

    /// The pod as it was bound.
    pub fn pod(&self) -> &Pod {
        &self.pod
    }

    /// The manifest that was applied.
    pub fn manifest(&self) -> &str {
        self.lines[0]["manifest"].as_str().unwrap_or_default()
    }

    /// The address it was given, or one that could have been.
    pub fn address(&self) -> &str {
        self.names.0.first().map(|(ip, _)| ip.as_str()).filter(|ip| !ip.is_empty()).unwrap_or("10.88.7.2")
    }

    /// When the pod was deleted, and what it was then.
    pub fn deletion(&self) -> Option<(f64, Pod)> {
        let mut pods = self.own_lines("Pod");
        let (at, object) = pods.find(|(_, object)| object["metadata"]["deletionTimestamp"].is_string())?;
        Some((at, serde_json::from_value(object.clone()).ok()?))
    }

    /// What the kubelet told of the pod.
    pub fn story(&self, horizon: f64) -> Story {
        let mut story = Story::default();
        for (at, object) in self.own_lines("Event").filter(|(at, _)| *at < horizon) {
            let Ok(event) = serde_json::from_value::<Event>(object.clone()) else { continue };
            if event.reporting_component.as_deref() == Some("kubelet") {
                let [severity, reason, message] =
                    [event.type_, event.reason, event.message].map(Option::unwrap_or_default);
                let path = event.involved_object.field_path.unwrap_or_default();
                let count = event.count.unwrap_or_default();
                story.events.push((at, self.event_words(&severity, &reason, &path, &message, count)));
            }
        }
        for (at, object) in self.own_lines("Pod").filter(|(at, _)| *at < horizon) {
            let Ok(status) = serde_json::from_value::<PodStatus>(object["status"].clone()) else { continue };
            if status.container_statuses.is_some() {
                story.tell_status(at, self.status_words(&status));
            }
        }
        story
    }

    /// Everything in an event that a watcher could act on.
    pub fn event_words(&self, severity: &str, reason: &str, path: &str, message: &str, count: i32) -> String {
        self.names.replace(&format!("{severity} {reason} {path} x{count}: {message}"))
    }

    /// Everything in a status that a watcher could act on.
    pub fn status_words(&self, status: &PodStatus) -> String {
        let mut words = vec![status.phase.clone().unwrap_or_default()];
        for condition in status.conditions.iter().flatten() {
            let because =
                [&condition.reason, &condition.message].map(|word| word.clone().unwrap_or_default());
            words.push(format!("{}={} {}", condition.type_, condition.status, because.join(" ").trim_end()));
        }
        let statuses = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
        for one in statuses {
            let around = [&one.state, &one.last_state]
                .map(|state| state.as_ref().map(state_words).unwrap_or_default());
            let flags =
                format!("ready {} started {:?} restarts {}", one.ready, one.started, one.restart_count);
            let has_run = [one.container_id.is_some(), !one.image_id.is_empty()];
            words.push(format!("{}: {} after {}, {flags} {has_run:?}", one.name, around[0], around[1]));
        }
        words.push(format!("at {}", status.pod_ip.as_deref().unwrap_or("no address")));
        self.names.replace(&words.join("; "))
    }

    /// The changes of the pod, or the events about it, in seconds since it was bound.
    fn own_lines(&self, kind: &'static str) -> impl Iterator<Item = (f64, &Value)> {
        self.lines.iter().filter_map(move |line| {
            let object = &line["object"];
            let subject = if kind == "Pod" { &object["metadata"] } else { &object["involvedObject"] };
            let is_own =
                object["kind"] == kind && subject["uid"].as_str() == self.pod.metadata.uid.as_deref();
            let at = line["at"].as_f64().unwrap_or_default() - self.bound;
            (is_own && line["type"] != "DELETED").then_some((at, object))
        })
    }
}

fn state_words(state: &ContainerState) -> String {
    if let Some(waiting) = &state.waiting {
        return format!("waiting {:?} {:?}", waiting.reason, waiting.message);
    }
    match &state.terminated {
        Some(ended) => format!("terminated {:?} {} {:?}", ended.reason, ended.exit_code, ended.message),
        None if state.running.is_some() => "running".to_owned(),
        None => "nothing".to_owned(),
    }
}
