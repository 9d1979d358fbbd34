//! Everything a watcher reported so far, by object.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::Value;

use super::container::Baselines;
use super::event::SeenEvent;
use crate::object::{ObjectRef, ObjectView};

/// How an object is told from every other, also from a later one of the same name: its UID, or its kind and name where it has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn of(object: ObjectView<'_>) -> Key {
        match object.uid() {
            Some(uid) => Key(uid.to_owned()),
            None => Key::by_name(object.kind(), object.namespace(), object.name()),
        }
    }

    /// The key of an object reference, as events hold one. `None` if it refers to nothing.
    pub(crate) fn of_reference(reference: ObjectView<'_>) -> Option<Key> {
        if let Some(uid) = reference.text("/uid").filter(|uid| !uid.is_empty()) {
            return Some(Key(uid.to_owned()));
        }
        let name = reference.text("/name")?;
        Some(Key::by_name(reference.kind(), reference.text("/namespace"), name))
    }

    pub(crate) fn of_uid(uid: &str) -> Key {
        Key(uid.to_owned())
    }

    fn by_name(kind: &str, namespace: Option<&str>, name: &str) -> Key {
        Key(format!("{kind}/{}/{name}", namespace.unwrap_or_default()))
    }
}

/// An object as last reported.
#[derive(Debug)]
pub(crate) struct SeenObject {
    pub(crate) reference: ObjectRef,
    pub(crate) value: Value,
    /// What was already wrong with it before the run began. `None` for an object that the run made.
    pub(crate) before: Option<Baselines>,
}

impl SeenObject {
    pub(crate) fn view(&self) -> ObjectView<'_> {
        ObjectView::new(&self.value)
    }
}

/// The objects and events of a rollout.
#[derive(Debug)]
pub(crate) struct Seen {
    /// By the clock of the cluster, as everything that is seen.
    pub(crate) started_at: Timestamp,
    objects: HashMap<Key, SeenObject>,
    events: HashMap<Key, Vec<SeenEvent>>,
}

/// Events kept per object. A pod that fails has about ten kinds of event, each counted up in place.
const EVENTS_PER_OBJECT: usize = 64;

impl Seen {
    pub(crate) fn new(started_at: Timestamp) -> Seen {
        Seen { started_at, objects: HashMap::new(), events: HashMap::new() }
    }

    pub(crate) fn store(&mut self, key: &Key, reference: ObjectRef, value: Value) {
        let before = match self.objects.get_mut(key) {
            Some(known) => known.before.take().map(|mut before| {
                before.compare(ObjectView::new(&value));
                before
            }),
            None => {
                self.existed_before(ObjectView::new(&value)).then(|| Baselines::of(ObjectView::new(&value)))
            }
        };
        self.objects.insert(key.clone(), SeenObject { reference, value, before });
    }

    pub(crate) fn forget(&mut self, key: &Key) {
        self.objects.remove(key);
        self.events.remove(key);
    }

    /// Stores an event and answers which object it is about.
    pub(crate) fn store_event(&mut self, event: &Value) -> Option<Key> {
        let (subject, event) = SeenEvent::read(event)?;
        let events = self.events.entry(subject.clone()).or_default();
        event.store(events, self.started_at);
        if events.len() > EVENTS_PER_OBJECT {
            events.remove(0);
        }
        Some(subject)
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&SeenObject> {
        self.objects.get(key)
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = (&Key, &SeenObject)> {
        self.objects.iter()
    }

    /// The pods, in the order of their names.
    pub(crate) fn pods(&self) -> Vec<(&Key, &SeenObject)> {
        let mut pods: Vec<_> = self.objects().filter(|(_, object)| object.reference.kind == "Pod").collect();
        let name = |pod: &'_ SeenObject| (pod.reference.namespace.clone(), pod.reference.name.clone());
        pods.sort_by_cached_key(|(_, pod)| name(pod));
        pods
    }

    /// The events about an object since the run began: an object that was there before has older ones, which say nothing about
    /// what this run wrote.
    pub(crate) fn events(&self, key: &Key) -> Vec<&SeenEvent> {
        let is_old = self.get(key).is_some_and(|object| object.before.is_some());
        let events = self.events.get(key).map_or(&[][..], Vec::as_slice);
        events.iter().filter(|event| !is_old || !event.is_before(self.started_at)).collect()
    }

    /// Creation times have whole seconds, so an object of the same second counts as made by the run.
    fn existed_before(&self, object: ObjectView<'_>) -> bool {
        object.created_at().is_some_and(|created| created.as_second() < self.started_at.as_second())
    }
}
