//! Following the changes of a kind.

use std::collections::VecDeque;

use tokio::sync::watch::Receiver;

use super::Objects;
use super::collection::Change;
use super::error::Expired;
use super::kinds::Resource;
use super::meta::text;

/// The changes of a kind from some version on.
#[derive(Debug)]
pub struct Watch {
    objects: Objects,
    resource: Resource,
    namespace: Option<String>,
    /// Everything up to here was read.
    version: u64,
    read: VecDeque<Change>,
    newest: Receiver<u64>,
}

impl Watch {
    pub(super) fn new(
        objects: Objects,
        resource: Resource,
        namespace: Option<String>,
        version: u64,
        newest: Receiver<u64>,
    ) -> Self {
        Self { objects, resource, namespace, version, read: VecDeque::new(), newest }
    }

    /// The next change, once there is one; none when the kind is no longer served.
    ///
    /// # Errors
    /// [`Expired`] when the watch has fallen behind what is kept: list again and watch from there.
    ///
    /// # Cancellation
    /// Safe: a change is lost only with the whole watch.
    pub async fn next(&mut self) -> Option<Result<Change, Expired>> {
        loop {
            if let Some(change) = self.read.pop_front() {
                return Some(Ok(change));
            }
            self.newest.borrow_and_update();
            match self.read_on()? {
                Err(expired) => return Some(Err(expired)),
                Ok(()) if self.read.is_empty() => self.newest.changed().await.ok()?,
                Ok(()) => {}
            }
        }
    }

    /// The version up to which everything was handed out, for a bookmark.
    pub fn version(&self) -> u64 {
        match self.read.front() {
            Some(change) => change.version - 1,
            None => self.version,
        }
    }

    /// Takes over what was recorded; none when the kind is gone.
    fn read_on(&mut self) -> Option<Result<(), Expired>> {
        let state = self.objects.lock();
        let changes = match state.collections.get(&self.resource)?.after(self.version) {
            Ok(changes) => changes,
            Err(expired) => return Some(Err(expired)),
        };
        let is_here = |change: &&Change| {
            self.namespace.as_deref().is_none_or(|namespace| text(&change.object, "namespace") == namespace)
        };
        self.read.extend(changes.filter(is_here).cloned());
        self.version = state.version;
        Some(Ok(()))
    }
}
