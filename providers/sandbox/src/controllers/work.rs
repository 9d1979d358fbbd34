//! The loop that lets controllers decide, and does what they decide.
//!
//! Everything that changes is shown to every controller; the objects that are concerned wait in one queue, each once, and are decided about one
//! after the other. Nothing is asked for periodically: when the queue is empty, the loop sleeps until something changes or comes due.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, SelectAll};
use futures::{FutureExt, StreamExt};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::carry_out::{Create, Hands, Outcome};
use super::decision::Moment;
use super::view::{Subject, View};
use super::{CONTROLLERS, Controller, kinds};
use crate::objects::kinds::KINDS;
use crate::objects::{Kind, Objects};

/// What was refused is tried again after this long, then after twice as long each time, as the real controllers do.
const FIRST_RETRY: Duration = Duration::from_millis(5);
const LAST_RETRY: Duration = Duration::from_mins(1);

/// The controllers of a cluster at work. They stop when this is dropped.
#[derive(Debug)]
pub struct Controllers {
    task: JoinHandle<()>,
}

impl Controllers {
    /// Sets the controllers to work. Objects that they make go through `create`, so that they are defaulted and admitted like any others.
    pub fn start(objects: Objects, create: Create) -> Self {
        Self { task: tokio::spawn(Work::new(objects, create).go_on()) }
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What one controller has to decide about.
type Task = (usize, Subject);

pub(super) struct Work {
    objects: Objects,
    hands: Hands,
    changes: SelectAll<BoxStream<'static, Change>>,
    queue: VecDeque<Task>,
    waiting: HashSet<Task>,
    /// When to decide about something although it has not changed.
    due: BTreeMap<Timestamp, Vec<Task>>,
    refused: HashMap<Task, Refused>,
    /// The definitions whose kinds are followed: UID and version.
    defined: HashSet<(String, String)>,
}

/// An object has changed, or changes were missed.
enum Change {
    Object(Arc<Value>),
    Missed(Cow<'static, Kind>),
}

/// A decision that could not be carried out.
struct Refused {
    error: String,
    attempts: u32,
    /// From then on it may be tried again.
    until: Timestamp,
}

impl Work {
    pub(super) fn new(objects: Objects, create: Create) -> Self {
        let mut work = Self {
            hands: Hands::new(objects.clone(), create),
            objects,
            changes: SelectAll::new(),
            queue: VecDeque::new(),
            waiting: HashSet::new(),
            due: BTreeMap::new(),
            refused: HashMap::new(),
            defined: HashSet::new(),
        };
        for kind in KINDS {
            work.follow(Cow::Borrowed(kind));
        }
        work
    }

    /// Shows all objects of a kind as they are, and from then on what changes.
    fn follow(&mut self, kind: Cow<'static, Kind>) {
        let listed = self.objects.list(&kind, None);
        for object in &listed.items {
            self.show(object);
        }
        let Ok(watch) = self.objects.watch(&kind, None, listed.version) else { return };
        let changes = futures::stream::unfold(Some((watch, kind)), |state| async move {
            let (mut watch, kind) = state?;
            match watch.next().await? {
                Ok(change) => Some((Change::Object(change.object), Some((watch, kind)))),
                Err(_) => Some((Change::Missed(kind), None)),
            }
        });
        self.changes.push(changes.boxed());
    }

    /// Follows the kinds that a definition adds.
    fn follow_defined(&mut self, definition: &Value) {
        let uid = definition["metadata"]["uid"].as_str().unwrap_or_default();
        for kind in kinds::defined(definition) {
            if self.defined.insert((uid.to_owned(), kind.version.to_string())) {
                self.follow(Cow::Owned(kind));
            }
        }
    }

    async fn go_on(mut self) {
        loop {
            if self.turn() {
                // Requests are answered by other tasks, also while controllers have much to do.
                tokio::task::yield_now().await;
                continue;
            }
            let pause = self.pause();
            tokio::select! {
                Some(change) = self.changes.next() => self.take(change),
                () = pause => {}
            }
        }
    }

    /// Takes note of all that has changed or is due, and decides about one object. False if there was none.
    pub(super) fn turn(&mut self) -> bool {
        while let Some(Some(change)) = self.changes.next().now_or_never() {
            self.take(change);
        }
        self.take_due();
        let Some(task) = self.queue.pop_front() else { return false };
        self.waiting.remove(&task);
        self.decide(task);
        true
    }

    fn take(&mut self, change: Change) {
        match change {
            Change::Object(object) => {
                self.follow_defined(&object);
                self.show(&object);
            }
            Change::Missed(kind) => self.follow(kind),
        }
    }

    fn show(&mut self, object: &Value) {
        for (index, controller) in CONTROLLERS.iter().enumerate() {
            for subject in controller.concerned(object, &self.objects) {
                self.enqueue((index, subject));
            }
        }
    }

    fn enqueue(&mut self, task: Task) {
        if self.waiting.insert(task.clone()) {
            self.queue.push_back(task);
        }
    }

    fn take_due(&mut self) {
        let now = Timestamp::now();
        while let Some(entry) = self.due.first_entry().filter(|entry| *entry.key() <= now) {
            for task in entry.remove() {
                self.enqueue(task);
            }
        }
    }

    fn pause(&self) -> impl Future<Output = ()> + use<> {
        let next = self.due.keys().next().copied();
        async move {
            match next {
                Some(at) => tokio::time::sleep(until(at)).await,
                None => std::future::pending().await,
            }
        }
    }

    fn decide(&mut self, task: Task) {
        let controller: &dyn Controller = CONTROLLERS[task.0];
        let now = Timestamp::now();
        let refusal = self.refused.get(&task).filter(|refused| refused.until > now);
        let refusal = refusal.map(|refused| refused.error.clone());
        let is_attempt = refusal.is_none();
        let moment = Moment { now: whole_seconds(now), refusal };
        let decision = controller.decide(&task.1, &self.objects, &moment);
        if let Some(at) = decision.again {
            self.due.entry(at).or_default().push(task.clone());
        }
        match self.hands.carry_out(controller.name(), decision.writes) {
            Outcome::Done if is_attempt => drop(self.refused.remove(&task)),
            Outcome::Done => {}
            Outcome::Overtaken => self.enqueue(task),
            Outcome::Refused(error) => self.note_refusal(task, error, now),
        }
    }

    /// Lets the controller tell of a refusal at once, and try again later.
    fn note_refusal(&mut self, task: Task, error: String, now: Timestamp) {
        let attempts = self.refused.get(&task).map_or(0, |refused| refused.attempts);
        let delay = FIRST_RETRY.saturating_mul(2u32.saturating_pow(attempts)).min(LAST_RETRY);
        let until = now.checked_add(delay).unwrap_or(Timestamp::MAX);
        self.due.entry(until).or_default().push(task.clone());
        self.refused.insert(task.clone(), Refused { error, attempts: attempts + 1, until });
        self.enqueue(task);
    }
}

fn until(at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default()
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

impl View for Objects {
    fn get(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        Self::get(self, &*kinds::named(self, api_version, kind)?, Some(namespace), name)
    }

    fn list(&self, api_version: &str, kind: &str, namespace: &str) -> Vec<Arc<Value>> {
        let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
        let kind = kinds::named(self, api_version, kind);
        kind.map(|kind| Self::list(self, &kind, namespace).items).unwrap_or_default()
    }

    fn everything(&self) -> Vec<Arc<Value>> {
        self.all()
    }

    fn serves(&self, api_version: &str, kind: &str) -> bool {
        kinds::named(self, api_version, kind).is_some()
    }
}
