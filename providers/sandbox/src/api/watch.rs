//! Watching: an answer that goes on with what changes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::{self, Answer};
use super::problem::Problem;
use super::read::selector;
use super::request::Call;
use super::selector::Selector;
use super::served::Served;
use super::{Api, Target, partial, table};
use crate::objects::{Change, ChangeKind, Watch};

/// How often a watch that asked for bookmarks is told how far it has come, and how long one lasts that names no time: what a real server does.
const BOOKMARK_EVERY: Duration = Duration::from_mins(1);
const LASTS: Duration = Duration::from_mins(30);

/// A watch of a client.
struct Follow {
    watch: Watch,
    selector: Selector,
    served: Served,
    form: Form,
    wants_bookmarks: bool,
    next_bookmark: Instant,
    ends: Instant,
    /// What is to be told before anything that changes.
    first: VecDeque<Value>,
    is_over: bool,
}

/// How objects are told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Whole,
    Metadata,
    Table,
}

impl Api {
    pub(super) fn watch(&self, call: &Call, target: &Target) -> Result<Answer, Problem> {
        let selector = selector(call, target)?;
        let from = match call.text("resourceVersion") {
            None | Some("0") => None,
            Some(version) => Some(version.parse::<u64>().map_err(|_| {
                Problem::bad_request(format!(
                    "resourceVersion: Invalid value: {version:?}: strconv.ParseUint: invalid syntax"
                ))
            })?),
        };
        let sends_present = call.flag("sendInitialEvents");
        let form = match (call.wants_table(), call.wants_metadata()) {
            (true, _) => Form::Table,
            (_, true) => Form::Metadata,
            _ => Form::Whole,
        };
        let (kind, namespace) = (target.kind(), target.namespace.as_deref());
        let listed = self.objects().list(kind, namespace);
        let starts_now = sends_present || from.is_none();
        let version = if starts_now { listed.version } else { from.unwrap_or_default() };
        let watch = match self.objects().watch(kind, namespace, version) {
            Ok(watch) => watch,
            Err(expired) => return Ok(only_error(&Problem::from(expired))),
        };
        let lasts = call.number("timeoutSeconds").map_or(LASTS, Duration::from_secs);
        let mut follow = Follow {
            watch,
            selector,
            served: target.served.clone(),
            form,
            wants_bookmarks: call.flag("allowWatchBookmarks"),
            next_bookmark: Instant::now() + BOOKMARK_EVERY,
            ends: Instant::now() + lasts,
            first: VecDeque::new(),
            is_over: false,
        };
        if starts_now {
            let present = listed.items.iter().filter(|object| follow.selector.selects(object));
            follow.first =
                present.map(|object| json!({"type": "ADDED", "object": follow.told(object)})).collect();
        }
        if sends_present {
            let mut bookmark = follow.bookmark(listed.version);
            bookmark["object"]["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
            follow.first.push_back(bookmark);
        }
        let lines = stream::unfold(follow, |mut follow| async move { Some((follow.next().await?, follow)) });
        Ok(answer::stream("application/json", lines.map(|event| line(&event)).boxed()))
    }
}

fn line(event: &Value) -> Bytes {
    let mut bytes = serde_json::to_vec(event).expect("JSON values always serialise");
    bytes.push(b'\n');
    bytes.into()
}

/// A watch that cannot begin tells so in its only event.
fn only_error(problem: &Problem) -> Answer {
    let event = json!({"type": "ERROR", "object": problem.status()});
    answer::stream("application/json", stream::once(async move { line(&event) }).boxed())
}

impl Follow {
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(event) = self.first.pop_front() {
                return Some(event);
            }
            if self.is_over {
                return None;
            }
            tokio::select! {
                change = self.watch.next() => match change? {
                    Ok(change) => {
                        if let Some(event) = self.event(&change) {
                            return Some(event);
                        }
                    }
                    Err(expired) => {
                        self.is_over = true;
                        return Some(json!({"type": "ERROR", "object": Problem::from(expired).status()}));
                    }
                },
                () = tokio::time::sleep_until(self.ends) => return None,
                () = tokio::time::sleep_until(self.next_bookmark), if self.wants_bookmarks => {
                    self.next_bookmark += BOOKMARK_EVERY;
                    return Some(self.bookmark(self.watch.version()));
                }
            }
        }
    }

    /// What a change is to whoever sees only some objects: one that begins to be meant is added, one that ceases to be is deleted.
    fn event(&self, change: &Change) -> Option<Value> {
        let was = change.previous.as_ref().is_some_and(|object| self.selector.selects(object));
        let is = change.kind != ChangeKind::Deleted && self.selector.selects(&change.object);
        let name = match (was, is) {
            (false, false) => return None,
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
        };
        Some(json!({"type": name, "object": self.told(&change.object)}))
    }

    fn told(&self, object: &Arc<Value>) -> Value {
        match self.form {
            Form::Whole => Value::clone(object),
            Form::Metadata => partial(object),
            Form::Table => table::row_of(&self.served, object),
        }
    }

    fn bookmark(&self, version: u64) -> Value {
        let kind = &self.served.kind;
        let object = json!({
            "kind": kind.kind, "apiVersion": kind.api_version(),
            "metadata": {"resourceVersion": version.to_string(), "creationTimestamp": null},
        });
        let object =
            if self.form == Form::Table { table::row_of(&self.served, &Arc::new(object)) } else { object };
        json!({"type": "BOOKMARK", "object": object})
    }
}
