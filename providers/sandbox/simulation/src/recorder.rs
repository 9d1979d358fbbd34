//! The events of a pod, repeated ones with a count as the kubelet writes them.

use std::collections::HashMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use crate::pod::{Occurrence, Severity};

/// What is to be written of an occurrence.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// It is new.
    First(Box<Event>),
    /// The event of this name has occurred so many times now.
    Again { name: String, count: i32, last: Time },
}

/// Remembers what was written of a pod.
#[derive(Debug)]
pub struct Recorder {
    pod: Pod,
    written: HashMap<Occurrence, (String, i32)>,
}

impl Recorder {
    pub fn new(pod: Pod) -> Self {
        Self { pod, written: HashMap::new() }
    }

    /// What to write of an occurrence now.
    pub fn record(&mut self, occurrence: Occurrence, now: Timestamp) -> Record {
        let last = Time(now);
        if let Some((name, count)) = self.written.get_mut(&occurrence) {
            *count += 1;
            return Record::Again { name: name.clone(), count: *count, last };
        }
        let name =
            format!("{}.{:x}", self.pod.metadata.name.as_deref().unwrap_or_default(), now.as_nanosecond());
        let event = self.event(&occurrence, name.clone(), last);
        self.written.insert(occurrence, (name, 1));
        Record::First(Box::new(event))
    }

    fn event(&self, occurrence: &Occurrence, name: String, now: Time) -> Event {
        let node = self.pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
        let severity = match occurrence.severity {
            Severity::Normal => "Normal",
            Severity::Warning => "Warning",
        };
        let metadata = &self.pod.metadata;
        Event {
            metadata: ObjectMeta {
                name: Some(name),
                namespace: metadata.namespace.clone(),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                namespace: metadata.namespace.clone(),
                name: metadata.name.clone(),
                uid: metadata.uid.clone(),
                resource_version: metadata.resource_version.clone(),
                field_path: occurrence.field_path.clone(),
            },
            type_: Some(severity.to_owned()),
            reason: Some(occurrence.reason.to_owned()),
            message: Some(occurrence.message.clone()),
            source: Some(EventSource { component: Some("kubelet".to_owned()), host: node.clone() }),
            reporting_component: Some("kubelet".to_owned()),
            reporting_instance: node,
            first_timestamp: Some(now.clone()),
            last_timestamp: Some(now),
            count: Some(1),
            ..Event::default()
        }
    }
}
