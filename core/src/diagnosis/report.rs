//! What a watcher hands in.

use serde_json::Value;

/// One watch report.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// An object was listed, or changed.
    Object {
        /// What happened to it.
        change: Change,
        /// The object as the API server sent it.
        object: Value,
    },
    /// A core/v1 Event was listed, created or counted up.
    Event(Value),
}

/// What happened to a watched object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is there; it may have been there before the watch began.
    Added,
    /// It changed.
    Modified,
    /// It is gone; the report holds its last state.
    Deleted,
}

impl Report {
    /// Reads a line of the watch API: its `type` (`ADDED`, `MODIFIED`, `DELETED`) and its `object`. `BOOKMARK` and `ERROR` report
    /// nothing about an object, and neither does the deletion of an Event, which the API server does by age.
    pub fn of_watch(kind: &str, object: Value) -> Option<Report> {
        let change = match kind {
            "ADDED" => Change::Added,
            "MODIFIED" => Change::Modified,
            "DELETED" => Change::Deleted,
            _ => return None,
        };
        let is_event = object.get("kind").and_then(Value::as_str) == Some("Event");
        match (is_event, change) {
            (true, Change::Deleted) => None,
            (true, _) => Some(Report::Event(object)),
            (false, _) => Some(Report::Object { change, object }),
        }
    }
}
