//! All controllers at once over objects in memory, for tests: one thread, and nobody else who writes.

use futures::FutureExt;
use serde_json::{Value, json};

use super::carry_out::Create;
use super::merge::merge;
use super::work::Work;
use crate::objects::kinds::{DEPLOYMENT, EVENT, KINDS, NAMESPACE, POD};
use crate::objects::{Change, ChangeKind, Deletion, Kind, Objects};

/// The namespace that tests use.
pub(super) const NAMESPACE_NAME: &str = "shop";

pub(super) struct Bench {
    pub(super) objects: Objects,
    work: Work,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::refusing(|_| None)
    }

    /// A bench on which the API server refuses some objects.
    pub(super) fn refusing(refuse: impl Fn(&Value) -> Option<String> + Send + Sync + 'static) -> Self {
        let objects = Objects::new();
        let made = objects.clone();
        let create = Create::new(move |kind, mut object| {
            if let Some(refusal) = refuse(&object) {
                return Err(refusal);
            }
            // What the API server fills in and controllers rely on.
            if kind == &POD {
                object["status"] = json!({ "phase": "Pending", "qosClass": "BestEffort" });
            }
            made.create(kind, object).map_err(|error| error.to_string())
        });
        objects.create(&NAMESPACE, json!({ "metadata": { "name": NAMESPACE_NAME } })).unwrap();
        Self { work: Work::new(objects.clone(), create), objects }
    }

    /// Lets the controllers work until they have nothing more to do.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.work.turn() {
                return;
            }
        }
        panic!("the controllers do not come to rest");
    }

    /// Adds an object in the tests' namespace, or in the one it names.
    pub(super) fn create(&self, kind: &Kind, mut object: Value) -> Value {
        if object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = NAMESPACE_NAME.into();
        }
        Value::clone(&self.objects.create(kind, object).unwrap())
    }

    /// Lays a merge patch over an object.
    pub(super) fn patch(&self, kind: &Kind, name: &str, patch: &Value) {
        self.objects.update(kind, home(kind), name, |object| merge(object, patch)).unwrap();
    }

    pub(super) fn get(&self, kind: &Kind, name: &str) -> Value {
        let found = self.objects.get(kind, home(kind), name);
        Value::clone(&found.unwrap_or_else(|| panic!("there is no {} `{name}`", kind.kind)))
    }

    pub(super) fn exists(&self, kind: &Kind, name: &str) -> bool {
        self.objects.get(kind, home(kind), name).is_some()
    }

    pub(super) fn delete(&self, kind: &Kind, name: &str, deletion: &Deletion) {
        self.objects.delete(kind, home(kind), name, deletion).unwrap();
    }

    /// The objects of a kind in the order in which they were made.
    pub(super) fn all(&self, kind: &Kind) -> Vec<Value> {
        let items = self.objects.list(kind, Some(NAMESPACE_NAME)).items;
        items.iter().map(|object| Value::clone(object)).collect()
    }

    pub(super) fn names(&self, kind: &Kind) -> Vec<String> {
        self.all(kind).iter().map(name).collect()
    }

    /// Does what a kubelet does: pods become ready but for those named, and those that are to go are gone.
    pub(super) fn run_pods(&mut self, but: impl Fn(&Value) -> bool) {
        for _ in 0..1_000 {
            self.settle();
            let Some(pod) = self.all(&POD).into_iter().find(|pod| is_due(pod) && !but(pod)) else { return };
            if pod["metadata"]["deletionTimestamp"].is_string() {
                let now = Deletion { grace: Some(0), ..Deletion::default() };
                self.delete(&POD, &name(&pod), &now);
            } else {
                self.make_ready(&name(&pod));
            }
        }
        panic!("the pods do not come to rest");
    }

    pub(super) fn make_ready(&self, pod: &str) {
        self.patch(&POD, pod, &running(true));
    }

    pub(super) fn make_unready(&self, pod: &str) {
        self.patch(&POD, pod, &running(false));
    }

    pub(super) fn end(&self, pod: &str, phase: &str) {
        self.patch(&POD, pod, &json!({ "status": { "phase": phase } }));
    }

    /// Reasons and messages of the events about a kind, in the order in which they were told.
    pub(super) fn events(&self, kind: &str) -> Vec<String> {
        let mut events = self.objects.list(&EVENT, None).items;
        events.retain(|event| event["involvedObject"]["kind"] == kind);
        events.sort_by_key(|event| {
            event["metadata"]["resourceVersion"].as_str().and_then(|one| one.parse::<u64>().ok())
        });
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        events
            .iter()
            .map(|event| format!("{}: {}", text(&event["reason"]), text(&event["message"])))
            .collect()
    }

    /// All changes of all objects in their order, as watches show them.
    pub(super) fn history(&self) -> Vec<Value> {
        let mut changes: Vec<Change> = KINDS.iter().flat_map(|kind| self.changes(kind)).collect();
        changes.sort_by_key(|change| change.version);
        let line = |change: Change| {
            let kind = if change.kind == ChangeKind::Deleted { "DELETED" } else { "MODIFIED" };
            json!({ "type": kind, "object": *change.object })
        };
        changes.into_iter().map(line).collect()
    }

    fn changes(&self, kind: &Kind) -> Vec<Change> {
        let mut watch = self.objects.watch(kind, None, 0).unwrap();
        std::iter::from_fn(|| Some(watch.next().now_or_never()??.unwrap())).collect()
    }

    /// The pod that was made as the nth, if it is still there.
    pub(super) fn nth_pod(&self, index: usize) -> Option<Value> {
        let changes = self.changes(&POD);
        let made = changes.iter().filter(|change| change.kind == ChangeKind::Added).nth(index)?;
        let found = self.objects.get(&POD, Some(NAMESPACE_NAME), &name(&made.object))?;
        (found["metadata"]["uid"] == made.object["metadata"]["uid"]).then(|| Value::clone(&found))
    }

    /// The condition of a type of the deployment `web`: status and reason.
    pub(super) fn condition(&self, kind: &str) -> String {
        let deployment = self.get(&DEPLOYMENT, "web");
        let conditions = deployment["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.iter().find(|condition| condition["type"] == kind);
        found.map_or_else(
            || "none".to_owned(),
            |found| format!("{} {}", found["status"].as_str().unwrap(), found["reason"].as_str().unwrap()),
        )
    }
}

pub(super) fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

pub(super) fn running(ready: bool) -> Value {
    let status = if ready { "True" } else { "False" };
    let condition =
        json!({ "type": "Ready", "status": status, "lastTransitionTime": "2026-01-01T00:00:00Z" });
    json!({ "status": { "phase": "Running", "conditions": [condition] } })
}

fn home(kind: &Kind) -> Option<&'static str> {
    kind.is_namespaced().then_some(NAMESPACE_NAME)
}

/// Whether a kubelet has something to do with a pod.
fn is_due(pod: &Value) -> bool {
    let is_leaving = pod["metadata"]["deletionTimestamp"].is_string();
    is_leaving || pod["status"]["phase"] == "Pending"
}
