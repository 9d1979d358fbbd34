//! Writes the events of a pod, repeated ones with a count as the kubelet does.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::pod::{Occurrence, Severity};

#[derive(Debug)]
pub(crate) struct Recorder {
    pod: Pod,
    written: HashMap<Occurrence, (String, i32)>,
}

impl Recorder {
    pub(crate) fn new(pod: Pod) -> Self {
        Self { pod, written: HashMap::new() }
    }

    pub(crate) async fn tell(&mut self, client: &Client, occurrence: Occurrence) -> kube::Result<()> {
        let events: Api<Event> = Api::namespaced(client.clone(), &self.pod.namespace().unwrap_or_default());
        let now = Time(whole_seconds(Timestamp::now()));
        if let Some((name, count)) = self.written.get_mut(&occurrence) {
            *count += 1;
            let patch = json!({ "count": count, "lastTimestamp": now });
            events.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
            return Ok(());
        }
        let event = self.event(&occurrence, now);
        let name = event.name_any();
        events.create(&PostParams::default(), &event).await?;
        self.written.insert(occurrence, (name, 1));
        Ok(())
    }

    fn event(&self, occurrence: &Occurrence, now: Time) -> Event {
        let node = self.pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
        let severity = match occurrence.severity {
            Severity::Normal => "Normal",
            Severity::Warning => "Warning",
        };
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{}.{:x}", self.pod.name_any(), Timestamp::now().as_nanosecond())),
                namespace: self.pod.namespace(),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                namespace: self.pod.namespace(),
                name: Some(self.pod.name_any()),
                uid: self.pod.uid(),
                resource_version: self.pod.resource_version(),
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

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
