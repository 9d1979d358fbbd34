//! Does what controllers decide, and tells of it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::decision::{Occurrence, Told, Words, Write};
use super::kinds;
use super::merge::merge;
use super::view::Subject;
use crate::objects::kinds::{EVENT, NAMESPACE, POD};
use crate::objects::{Deletion, Kind, ObjectError, Objects};

/// Makes an object, or says why not.
#[derive(Clone)]
pub struct Create(Arc<CreateFunction>);

type CreateFunction = dyn Fn(&'static Kind, Value) -> Result<Arc<Value>, String> + Send + Sync;

impl Create {
    /// Makes objects by this function.
    pub fn new(
        create: impl Fn(&'static Kind, Value) -> Result<Arc<Value>, String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(create))
    }
}

impl fmt::Debug for Create {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Create")
    }
}

/// What became of a decision.
pub(super) enum Outcome {
    Done,
    /// Something changed in between: decide anew.
    Overtaken,
    /// The API server does not take it.
    Refused(String),
}

/// After so many different events the counts of repeated ones begin anew.
const REMEMBERED_EVENTS: usize = 4096;

pub(super) struct Hands {
    objects: Objects,
    create: Create,
    /// The names of the events that were written, to count those that are repeated.
    told: HashMap<Occurrence, String>,
}

impl Hands {
    pub(super) fn new(objects: Objects, create: Create) -> Self {
        Self { objects, create, told: HashMap::new() }
    }

    /// Does all of it in order, up to the first that fails.
    pub(super) fn carry_out(&mut self, controller: &'static str, writes: Vec<Write>) -> Outcome {
        for write in writes {
            match self.perform(controller, write) {
                Outcome::Done => {}
                other => return other,
            }
        }
        Outcome::Done
    }

    fn perform(&mut self, controller: &'static str, write: Write) -> Outcome {
        match write {
            Write::Create { object, told } => self.make(controller, object, told),
            Write::Delete { subject, uid, propagation, told } => {
                let deletion = Deletion { uid: Some(uid), propagation, ..Deletion::default() };
                self.delete(controller, &subject, &deletion, told)
            }
            Write::Tell(occurrence) => {
                self.tell(controller, occurrence);
                Outcome::Done
            }
            Write::Change { subject, merge: patch } => self.update(&subject, |object| {
                let status = object.get("status").cloned();
                merge(object, &patch);
                if let Some(status) = status {
                    object["status"] = status;
                }
            }),
            Write::Status { subject, status, annotations } => self.update(&subject, |object| {
                object["status"] = status;
                if !annotations.is_empty() {
                    merge(object, &json!({ "metadata": { "annotations": annotations } }));
                }
            }),
            Write::Bind { pod, node } => self.bind(&pod, &node),
            Write::Finalize { namespace } => {
                let finalized = self.objects.update(&NAMESPACE, None, &namespace, |namespace| {
                    namespace["spec"]["finalizers"] = json!([]);
                });
                outcome(finalized)
            }
        }
    }

    fn kind(&self, subject: &Subject) -> Option<Cow<'static, Kind>> {
        kinds::named(&self.objects, &subject.api_version, &subject.kind)
    }

    fn make(&mut self, controller: &'static str, object: Value, told: Option<Told>) -> Outcome {
        let subject = Subject::of_value(&object);
        let Some(kind) = Kind::built_in(&subject.api_version, &subject.kind) else { return Outcome::Done };
        let (outcome, name) = match (self.create.0)(kind, object) {
            Ok(made) => (Outcome::Done, Subject::of_value(&made).name),
            Err(error) => (Outcome::Refused(error), subject.name),
        };
        self.tell_of(controller, told, &name, outcome)
    }

    fn delete(
        &mut self,
        controller: &'static str,
        subject: &Subject,
        deletion: &Deletion,
        told: Option<Told>,
    ) -> Outcome {
        let Some(kind) = self.kind(subject) else { return Outcome::Done };
        let namespace = Some(subject.namespace.as_str());
        match self.objects.delete(&kind, namespace, &subject.name, deletion) {
            // Gone already, or another of that name.
            Err(ObjectError::NotFound { .. } | ObjectError::Precondition { .. }) => Outcome::Done,
            deleted => self.tell_of(controller, told, &subject.name, outcome(deleted)),
        }
    }

    fn update(&self, subject: &Subject, change: impl FnOnce(&mut Value)) -> Outcome {
        let Some(kind) = self.kind(subject) else { return Outcome::Done };
        outcome(self.objects.update(&kind, Some(&subject.namespace), &subject.name, change))
    }

    /// What the API server does when it is asked to bind a pod.
    fn bind(&self, pod: &Subject, node: &str) -> Outcome {
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let bound = self.objects.update(&POD, Some(&pod.namespace), &pod.name, |pod| {
            pod["spec"]["nodeName"] = node.into();
            let generation = pod["metadata"]["generation"].clone();
            let scheduled = json!({
                "type": "PodScheduled", "status": "True", "observedGeneration": generation,
                "lastProbeTime": null, "lastTransitionTime": now,
            });
            let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let others = conditions.into_iter().filter(|condition| condition["type"] != "PodScheduled");
            pod["status"]["conditions"] = others.chain([scheduled]).collect();
        });
        outcome(bound)
    }

    fn tell_of(
        &mut self,
        controller: &'static str,
        told: Option<Told>,
        name: &str,
        outcome: Outcome,
    ) -> Outcome {
        let Some(told) = told else { return outcome };
        let (words, severity, error) = match &outcome {
            Outcome::Done => (told.done, "Normal", ""),
            Outcome::Refused(error) => (told.refused, "Warning", error.as_str()),
            Outcome::Overtaken => (None, "Normal", ""),
        };
        if let Some(Words { reason, message }) = words {
            let message = message.replace("{name}", name).replace("{error}", error);
            self.tell(controller, Occurrence { about: told.about, uid: told.uid, severity, reason, message });
        }
        outcome
    }

    /// Writes an event; one that was written before is counted.
    fn tell(&mut self, controller: &'static str, occurrence: Occurrence) {
        let namespace = namespace_of_events(&occurrence.about).to_owned();
        let now = Timestamp::now();
        let second = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        if let Some(name) = self.told.get(&occurrence) {
            let counted = self.objects.update(&EVENT, Some(&namespace), name, |event| {
                if let Some(count) = event["count"].as_i64() {
                    event["count"] = (count + 1).into();
                    event["lastTimestamp"] = second.clone().into();
                }
            });
            if counted.is_ok() {
                return;
            }
        }
        let name = format!("{}.{:x}", occurrence.about.name, now.as_nanosecond());
        let event = self.event(controller, &occurrence, &namespace, &name, now);
        // A namespace on its way out takes no events, from the real controllers neither.
        if self.objects.create(&EVENT, event).is_ok() {
            if self.told.len() >= REMEMBERED_EVENTS {
                self.told.clear();
            }
            self.told.insert(occurrence, name);
        }
    }

    fn event(
        &self,
        controller: &'static str,
        occurrence: &Occurrence,
        namespace: &str,
        name: &str,
        now: Timestamp,
    ) -> Value {
        let about = &occurrence.about;
        let kind = self.kind(about);
        let object = kind.and_then(|kind| self.objects.get(&kind, Some(&about.namespace), &about.name));
        let mut involved = json!({
            "kind": about.kind, "name": about.name, "uid": occurrence.uid, "apiVersion": about.api_version,
            "resourceVersion": object.map(|object| object["metadata"]["resourceVersion"].clone()),
        });
        if !about.namespace.is_empty() {
            involved["namespace"] = about.namespace.clone().into();
        }
        let mut event = json!({
            "metadata": { "name": name, "namespace": namespace },
            "involvedObject": involved, "type": occurrence.severity, "reason": occurrence.reason,
            "message": occurrence.message, "reportingComponent": controller,
        });
        let fields = if controller == "default-scheduler" {
            // The only one of them that writes events of the newer kind.
            let action = if occurrence.severity == "Normal" { "Binding" } else { "Scheduling" };
            let time = now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
            json!({
                "eventTime": time, "action": action, "reportingInstance": controller,
                "source": {}, "firstTimestamp": null, "lastTimestamp": null,
            })
        } else {
            let time = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            json!({
                "source": { "component": controller }, "firstTimestamp": time, "lastTimestamp": time, "count": 1,
                "eventTime": null, "reportingInstance": "",
            })
        };
        merge(&mut event, &fields);
        event
    }
}

fn outcome<T>(result: Result<T, ObjectError>) -> Outcome {
    match result {
        // Who deleted it has shown that already.
        Ok(_) | Err(ObjectError::NotFound { .. }) => Outcome::Done,
        Err(ObjectError::Stale { .. } | ObjectError::Precondition { .. }) => Outcome::Overtaken,
        Err(error) => Outcome::Refused(error.to_string()),
    }
}

/// Events about objects outside of namespaces are kept in `default`.
fn namespace_of_events(about: &Subject) -> &str {
    if about.namespace.is_empty() { "default" } else { &about.namespace }
}
