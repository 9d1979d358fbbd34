//! The life of one pod, from its binding to its removal.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use windlass_simulation::{Effect, Facts, LivePod, ObjectKind, Record, Recorder, Registry, references};

use crate::controllers::merge::merge;
use crate::objects::kinds::{CONFIG_MAP, EVENT, POD, SECRET};
use crate::objects::{Deletion, Objects};

/// Lives a pod's life. It ends when the pod is gone.
pub(super) async fn live(
    objects: Objects,
    pod: Pod,
    ip: String,
    registry: Registry,
    mut updates: mpsc::UnboundedReceiver<Pod>,
) {
    let live = Arc::new(LivePod::new(pod.clone(), ip));
    registry.add(&pod, live.clone());
    let mut teller = Teller::new(objects, &pod);
    loop {
        let facts = teller.facts(&pod);
        let (effects, next) = live.with_worker(|worker, now| (worker.wake(now, &facts), worker.next()));
        for (_, effect) in effects {
            teller.tell(effect);
        }
        live.changed();
        let pause = async {
            match next {
                Some(moment) => tokio::time::sleep_until(live.instant(moment)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = pause => {}
            update = updates.recv() => match update {
                Some(update) => live.with_worker(|worker, now| worker.update(update, now)),
                None => break,
            },
        }
    }
    registry.remove(&pod, &live);
    live.changed();
}

/// Tells the cluster what a pod's worker says.
struct Teller {
    objects: Objects,
    namespace: String,
    name: String,
    uid: String,
    recorder: Recorder,
}

impl Teller {
    fn new(objects: Objects, pod: &Pod) -> Self {
        let metadata = &pod.metadata;
        Self {
            objects,
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            recorder: Recorder::new(pod.clone()),
        }
    }

    /// Does what a worker wants done. Whatever has gone in the meantime need not be told anything.
    fn tell(&mut self, effect: Effect) {
        let namespace = Some(self.namespace.as_str());
        match effect {
            Effect::Event(occurrence) => self.record(occurrence),
            Effect::Status(status) => {
                let status = serde_json::to_value(status).expect("a status is JSON");
                let _ = self.objects.update(&POD, namespace, &self.name, |pod| {
                    // Another of the name may have come after.
                    if pod["metadata"]["uid"] == self.uid {
                        merge(&mut pod["status"], &status);
                    }
                });
            }
            Effect::Gone => {
                let deletion =
                    Deletion { uid: Some(self.uid.clone()), grace: Some(0), ..Deletion::default() };
                let _ = self.objects.delete(&POD, namespace, &self.name, &deletion);
            }
        }
    }

    fn record(&mut self, occurrence: windlass_simulation::Occurrence) {
        match self.recorder.record(occurrence, Timestamp::now()) {
            Record::First(event) => {
                let event = serde_json::to_value(event).expect("an event is JSON");
                // A namespace on its way out takes none.
                let _ = self.objects.create(&EVENT, event);
            }
            Record::Again { name, count, last } => {
                let patch = json!({ "count": count, "lastTimestamp": last });
                let _ =
                    self.objects.update(&EVENT, Some(&self.namespace), &name, |event| merge(event, &patch));
            }
        }
    }

    /// Looks up the objects that the pod names.
    fn facts(&self, pod: &Pod) -> Facts {
        let mut facts = Facts::default();
        for (kind, name) in references(pod) {
            let stored = match kind {
                ObjectKind::ConfigMap => &CONFIG_MAP,
                ObjectKind::Secret => &SECRET,
            };
            if let Some(found) = self.objects.get(stored, Some(&self.namespace), &name) {
                let keys = |field: &str| found[field].as_object().cloned().unwrap_or_default();
                let keys = keys("data").into_iter().chain(keys("binaryData"));
                facts.add(kind, name, keys.map(|(key, _): (String, Value)| key));
            }
        }
        facts
    }
}
