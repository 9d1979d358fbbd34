//! core/v1 Events, as far as a diagnosis needs them.

use jiff::Timestamp;
use serde_json::Value;

use super::scrub::scrub;
use super::seen::Key;
use crate::object::ObjectView;

/// An event about one object. The API server counts repetitions up in the same event.
#[derive(Debug, Clone)]
pub(crate) struct SeenEvent {
    id: String,
    pub(crate) is_warning: bool,
    pub(crate) reason: String,
    /// Without credentials.
    pub(crate) message: String,
    /// The container, where the event speaks of one.
    pub(crate) container: Option<String>,
    pub(crate) last: Option<Timestamp>,
    count: u32,
    count_before_start: u32,
}

impl SeenEvent {
    /// Reads an event and the key of the object it is about.
    pub(crate) fn read(event: &Value) -> Option<(Key, SeenEvent)> {
        let view = ObjectView::new(event);
        let subject = Key::of_reference(ObjectView::new(view.at("/involvedObject")?))?;
        let count = view.integer("/series/count").or_else(|| view.integer("/count")).unwrap_or(1);
        let seen = SeenEvent {
            id: view.uid().unwrap_or(view.name()).to_owned(),
            is_warning: view.text("/type") == Some("Warning"),
            reason: view.text("/reason")?.to_owned(),
            message: scrub(view.text("/message").unwrap_or_default()),
            container: view.text("/involvedObject/fieldPath").and_then(container_of),
            last: last_seen(view),
            count: u32::try_from(count).unwrap_or(1).max(1),
            count_before_start: 0,
        };
        Some((subject, seen))
    }

    /// How often it happened since the run started.
    pub(crate) fn times(&self) -> u32 {
        self.count.saturating_sub(self.count_before_start)
    }

    /// Whether it last happened before a time. Event times have whole seconds, so only an earlier second counts.
    pub(crate) fn is_before(&self, time: Timestamp) -> bool {
        self.last.is_some_and(|last| last.as_second() < time.as_second())
    }

    /// Puts a newer state of the same event in the place of the older one, or adds the event. Repetitions from before the start
    /// stay known, so that they can be taken off.
    pub(crate) fn store(mut self, events: &mut Vec<SeenEvent>, started_at: Timestamp) {
        if self.is_before(started_at) {
            self.count_before_start = self.count;
        }
        match events.iter_mut().find(|event| event.id == self.id) {
            Some(known) => {
                // A watch that starts again lists older states.
                if self.count < known.count {
                    return;
                }
                self.count_before_start = self.count_before_start.max(known.count_before_start);
                *known = self;
            }
            None => events.push(self),
        }
    }
}

/// `spec.containers{main}` and `spec.initContainers{migrate}` name a container.
fn container_of(field_path: &str) -> Option<String> {
    let (_, name) = field_path.split_once('{')?;
    name.strip_suffix('}').map(str::to_owned)
}

/// The newest of the times an event has: which of them is set depends on the API with which it was written.
fn last_seen(view: ObjectView<'_>) -> Option<Timestamp> {
    [
        "/lastTimestamp",
        "/series/lastObservedTime",
        "/eventTime",
        "/firstTimestamp",
        "/metadata/creationTimestamp",
    ]
    .into_iter()
    .filter_map(|pointer| view.time(pointer))
    .max()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(count: i64, last: &str) -> SeenEvent {
        let value = json!({"metadata": {"name": "e"}, "reason": "Killing", "count": count, "lastTimestamp": last,
            "involvedObject": {"kind": "Pod", "uid": "1", "fieldPath": "spec.initContainers{migrate}"}});
        SeenEvent::read(&value).unwrap().1
    }

    #[test]
    fn repetitions_from_before_the_start_do_not_count() {
        let started_at = "2026-01-01T12:00:00Z".parse().unwrap();
        let mut events = Vec::new();
        event(3, "2026-01-01T11:59:59Z").store(&mut events, started_at);
        assert_eq!(events[0].times(), 0);
        event(5, "2026-01-01T12:00:07Z").store(&mut events, started_at);
        assert_eq!((events.len(), events[0].times()), (1, 2));
        event(4, "2026-01-01T12:00:03Z").store(&mut events, started_at);
        assert_eq!(events[0].times(), 2, "an older state changes nothing");
    }

    #[test]
    fn container_is_read_from_the_field_path() {
        assert_eq!(event(1, "2026-01-01T12:00:00Z").container.as_deref(), Some("migrate"));
    }

    #[test]
    fn event_without_a_subject_is_no_event() {
        assert!(SeenEvent::read(&json!({"reason": "Killing"})).is_none());
        assert!(SeenEvent::read(&json!({"reason": "Killing", "involvedObject": {}})).is_none());
    }
}
