//! Events: each is forgotten an hour after it last occurred, as the API server's own store does by default.

use k8s_openapi::api::core::v1::Event;
use serde_json::Value;

use super::Controller;
use super::decision::{Decision, Moment};
use super::pods::later;
use super::view::{Subject, View};

const LIFETIME: i64 = 3600;

/// Deletes events that are old.
#[derive(Debug)]
pub(crate) struct Events;

impl Controller for Events {
    fn name(&self) -> &'static str {
        "events"
    }

    fn concerned(&self, object: &Value, _: &dyn View) -> Vec<Subject> {
        let subject = Subject::of_value(object);
        if subject.is::<Event>() { vec![subject] } else { Vec::new() }
    }

    fn decide(&self, subject: &Subject, view: &dyn View, moment: &Moment) -> Decision {
        let mut decision = Decision::default();
        let Some(event) = view.find::<Event>(&subject.namespace, &subject.name) else { return decision };
        let last = event.last_timestamp.as_ref().map(|time| time.0);
        let once = event.event_time.as_ref().map(|time| time.0);
        let created = event.metadata.creation_timestamp.as_ref().map(|time| time.0);
        if let Some(at) = last.or(once).or(created).map(|time| later(time, LIFETIME)) {
            if at <= moment.now {
                decision.delete(&event, None);
            } else {
                decision.look_again(at);
            }
        }
        decision
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::controllers::bench::Bench;
    use crate::objects::kinds::EVENT;

    #[test]
    fn an_event_is_forgotten_after_an_hour() {
        let mut bench = Bench::new();
        let event = |name: &str, last: &str| {
            let involved = json!({ "kind": "Pod", "namespace": "shop", "name": "web" });
            json!({ "metadata": { "name": name }, "involvedObject": involved, "lastTimestamp": last })
        };
        bench.create(&EVENT, event("old", "2020-01-01T00:00:00Z"));
        bench.create(&EVENT, event("new", "2999-01-01T00:00:00Z"));
        bench.settle();
        assert_eq!(bench.names(&EVENT), ["new"]);
    }
}
