//! The objects of one kind, and how they came to be so.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use super::error::Expired;
use super::meta::text;

/// How many changes of a kind are kept for watches that start in the past or fall behind. What is older must be listed anew.
const HISTORY: usize = 1_000;

/// One change of one object.
#[derive(Debug, Clone)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The object after it; as it was last, for one that is deleted.
    pub object: Arc<Value>,
    /// The object before it; none for one that is new.
    pub previous: Option<Arc<Value>>,
    /// The version of the store with it.
    pub version: u64,
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is different.
    Modified,
    /// It is gone.
    Deleted,
}

pub(crate) struct Collection {
    objects: BTreeMap<(String, String), Arc<Value>>,
    history: VecDeque<Change>,
    /// The version of the newest change that the history has lost.
    lost: u64,
    /// Tells watches of the newest version.
    newest: watch::Sender<u64>,
}

impl Default for Collection {
    fn default() -> Self {
        let newest = watch::Sender::new(0);
        Self { objects: BTreeMap::new(), history: VecDeque::new(), lost: 0, newest }
    }
}

impl Collection {
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.objects.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    pub(crate) fn list(&self, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let Some(namespace) = namespace else { return self.objects.values().cloned().collect() };
        let from = (namespace.to_owned(), String::new());
        let of_namespace = self.objects.range(from..).take_while(|((one, _), _)| one == namespace);
        of_namespace.map(|(_, object)| object.clone()).collect()
    }

    pub(crate) fn record(&mut self, change: Change) {
        let key = (text(&change.object, "namespace").to_owned(), text(&change.object, "name").to_owned());
        match change.kind {
            ChangeKind::Deleted => self.objects.remove(&key),
            ChangeKind::Added | ChangeKind::Modified => self.objects.insert(key, change.object.clone()),
        };
        let version = change.version;
        self.history.push_back(change);
        if self.history.len() > HISTORY {
            self.lost = self.history.pop_front().map_or(self.lost, |lost| lost.version);
        }
        self.newest.send_replace(version);
    }

    /// Fails if changes after this version are lost.
    pub(crate) fn check_known(&self, from: u64) -> Result<(), Expired> {
        if from < self.lost { Err(Expired { from, oldest: self.lost }) } else { Ok(()) }
    }

    /// The changes after a version.
    pub(crate) fn after(&self, version: u64) -> Result<impl Iterator<Item = &Change>, Expired> {
        self.check_known(version)?;
        let first = self.history.partition_point(|change| change.version <= version);
        Ok(self.history.range(first..))
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}
