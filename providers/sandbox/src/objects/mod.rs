//! The objects of a cluster, in memory.
//!
//! [`Objects`] is what etcd and the storage layer are to an API server: objects by kind, namespace and name, one rising version over all of
//! them, and a bounded history from which watches are served. It keeps what must hold of every object whoever writes it (identity,
//! generation, finalizers, namespaces); what a *user* may write is decided before, by the API.
//!
//! ```
//! use serde_json::json;
//! use windlass_provider_sandbox::objects::{Deletion, Objects, kinds};
//!
//! let objects = Objects::new();
//! objects.create(&kinds::NAMESPACE, json!({"metadata": {"name": "shop"}})).unwrap();
//! let before = objects.list(&kinds::CONFIG_MAP, None).version;
//! let made = objects.create(&kinds::CONFIG_MAP, json!({"metadata": {"name": "c", "namespace": "shop"}})).unwrap();
//! let changed = objects.update(&kinds::CONFIG_MAP, Some("shop"), "c", |object| object["data"] = json!({"a": "1"})).unwrap();
//! assert_ne!(made["metadata"]["resourceVersion"], changed["metadata"]["resourceVersion"]);
//! objects.delete(&kinds::CONFIG_MAP, Some("shop"), "c", &Deletion::default()).unwrap();
//!
//! let mut watch = objects.watch(&kinds::CONFIG_MAP, None, before).unwrap();
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! assert_eq!(watch.next().await.unwrap().unwrap().object, made);
//! # });
//! ```

mod collection;
mod deletion;
mod error;
pub mod kinds;
pub(crate) mod meta;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

pub use collection::{Change, ChangeKind};
pub use deletion::{Deleted, Deletion, Propagation};
pub use error::{Expired, ObjectError};
pub use kinds::{Kind, Resource, Subresource};
pub use watch::Watch;

use collection::Collection;
use kinds::NAMESPACE;
use meta::text;

/// The objects of one cluster. Clones share them.
#[derive(Clone, Default)]
pub struct Objects {
    shared: Arc<Mutex<State>>,
}

/// The objects of a kind at one moment.
#[derive(Debug, Clone)]
pub struct Listed {
    /// By namespace and name.
    pub items: Vec<Arc<Value>>,
    /// The version of the whole store at that moment; a watch from here misses nothing.
    pub version: u64,
}

/// Whether a write is made or only tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Write,
    DryRun,
}

#[derive(Default)]
pub(crate) struct State {
    version: u64,
    collections: BTreeMap<Resource, Collection>,
}

impl Objects {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The version of the last write.
    pub fn version(&self) -> u64 {
        self.lock().version
    }

    /// One object.
    pub fn get(&self, kind: &Kind, namespace: Option<&str>, name: &str) -> Option<Arc<Value>> {
        self.lock().find(kind, namespace, name)
    }

    /// The objects of a kind, of one namespace or of all.
    pub fn list(&self, kind: &Kind, namespace: Option<&str>) -> Listed {
        let state = self.lock();
        let collection = state.collections.get(&kind.resource());
        let items = collection.map_or_else(Vec::new, |collection| collection.list(namespace));
        Listed { items, version: state.version }
    }

    /// All objects of all kinds.
    pub(crate) fn all(&self) -> Vec<Arc<Value>> {
        self.lock().collections.values().flat_map(|collection| collection.list(None)).collect()
    }

    /// Adds an object. Identity, time, generation and, from `generateName`, the name are given to it here.
    pub fn create(&self, kind: &Kind, object: Value) -> Result<Arc<Value>, ObjectError> {
        self.create_in(Mode::Write, kind, object)
    }

    /// Takes an object's place, all but its status, where that is a subresource. If the new one has a `metadata.resourceVersion`, it must
    /// be the present one. What changes nothing is not written.
    pub fn replace(&self, kind: &Kind, object: Value) -> Result<Arc<Value>, ObjectError> {
        self.replace_in(Mode::Write, kind, object, keep_status)
    }

    /// Takes the place of an object's status, and of nothing else.
    pub fn replace_status(&self, kind: &Kind, object: Value) -> Result<Arc<Value>, ObjectError> {
        self.replace_in(Mode::Write, kind, object, keep_all_but_status)
    }

    /// Changes an object, status and all, without anyone in between.
    pub fn update(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Arc<Value>, ObjectError> {
        let mut state = self.lock();
        let old = state.find_or_fail(kind, namespace, name)?;
        let mut new = Value::clone(&old);
        change(&mut new);
        Ok(state.store(Mode::Write, kind, &old, new))
    }

    /// Deletes an object, or marks it for deletion where finalizers or a kubelet have to let it go first.
    pub fn delete(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        name: &str,
        deletion: &Deletion,
    ) -> Result<Deleted, ObjectError> {
        self.delete_in(Mode::Write, kind, namespace, name, deletion)
    }

    /// What changes of a kind after a version, in one namespace or in all.
    pub fn watch(&self, kind: &Kind, namespace: Option<&str>, from: u64) -> Result<Watch, Expired> {
        let resource = kind.resource();
        let mut state = self.lock();
        let collection = state.collections.entry(resource.clone()).or_default();
        collection.check_known(from)?;
        Ok(Watch::new(self.clone(), resource, namespace.map(str::to_owned), from, collection.subscribe()))
    }

    /// Forgets a kind with all its objects, and ends its watches.
    pub fn forget(&self, resource: &Resource) {
        self.lock().collections.remove(resource);
    }

    pub(crate) fn create_in(
        &self,
        mode: Mode,
        kind: &Kind,
        mut object: Value,
    ) -> Result<Arc<Value>, ObjectError> {
        meta::stamp_new(kind, &mut object);
        self.create_stamped(mode, kind, object)
    }

    /// Adds an object that has its identity already.
    pub(crate) fn create_stamped(
        &self,
        mode: Mode,
        kind: &Kind,
        object: Value,
    ) -> Result<Arc<Value>, ObjectError> {
        self.lock().insert(mode, kind, object)
    }

    pub(crate) fn replace_in(
        &self,
        mode: Mode,
        kind: &Kind,
        mut object: Value,
        keep: impl FnOnce(&Kind, &Value, &mut Value),
    ) -> Result<Arc<Value>, ObjectError> {
        let mut state = self.lock();
        let namespace = kind.is_namespaced().then(|| text(&object, "namespace"));
        let old = state.find_or_fail(kind, namespace, text(&object, "name"))?;
        let (seen, uid) = (text(&object, "resourceVersion"), text(&object, "uid"));
        if !seen.is_empty() && seen != text(&old, "resourceVersion") {
            let (resource, name) = (kind.resource(), text(&object, "name").to_owned());
            return Err(ObjectError::Stale { resource, name });
        }
        if !uid.is_empty() && uid != text(&old, "uid") {
            return Err(deletion::precondition(kind, &object, "UID", uid, text(&old, "uid")));
        }
        keep(kind, &old, &mut object);
        Ok(state.store(mode, kind, &old, object))
    }

    pub(crate) fn delete_in(
        &self,
        mode: Mode,
        kind: &Kind,
        namespace: Option<&str>,
        name: &str,
        deletion: &Deletion,
    ) -> Result<Deleted, ObjectError> {
        let mut state = self.lock();
        let old = state.find_or_fail(kind, namespace, name)?;
        deletion.check(kind, &old)?;
        match deletion::marked(kind, &old, deletion) {
            None => Ok(Deleted::Gone(state.remove(mode, kind, &old, Value::clone(&old)))),
            Some(marked) if marked == *old => Ok(Deleted::Marked(old)),
            Some(marked) => Ok(Deleted::Marked(state.write(mode, kind, &old, marked))),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Only the count: the objects may hold secrets.
impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("version", &self.version()).finish_non_exhaustive()
    }
}

impl State {
    fn find(&self, kind: &Kind, namespace: Option<&str>, name: &str) -> Option<Arc<Value>> {
        self.collections.get(&kind.resource())?.get(namespace.unwrap_or_default(), name)
    }

    fn find_or_fail(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Arc<Value>, ObjectError> {
        self.find(kind, namespace, name)
            .ok_or_else(|| ObjectError::NotFound { resource: kind.resource(), name: name.to_owned() })
    }

    fn insert(&mut self, mode: Mode, kind: &Kind, object: Value) -> Result<Arc<Value>, ObjectError> {
        let namespace = text(&object, "namespace");
        let name = text(&object, "name").to_owned();
        if kind.is_namespaced() {
            self.check_namespace(kind, namespace, &name)?;
        }
        if self.find(kind, Some(namespace), &name).is_some() {
            return Err(ObjectError::AlreadyExists { resource: kind.resource(), name });
        }
        if mode == Mode::DryRun {
            return Ok(Arc::new(object));
        }
        Ok(self.record(kind, ChangeKind::Added, None, object))
    }

    fn check_namespace(&self, kind: &Kind, namespace: &str, name: &str) -> Result<(), ObjectError> {
        let found = self.find_or_fail(&NAMESPACE, None, namespace)?;
        if text(&found, "deletionTimestamp").is_empty() {
            return Ok(());
        }
        let (resource, name, namespace) = (kind.resource(), name.to_owned(), namespace.to_owned());
        Err(ObjectError::Terminating { resource, name, namespace })
    }

    /// Writes the next state of an object, unless it is the present one; one that is marked for deletion and held by nothing any more goes.
    fn store(&mut self, mode: Mode, kind: &Kind, old: &Arc<Value>, mut new: Value) -> Arc<Value> {
        meta::stamp_next(kind, old, &mut new);
        self.write(mode, kind, old, new)
    }

    fn write(&mut self, mode: Mode, kind: &Kind, old: &Arc<Value>, mut new: Value) -> Arc<Value> {
        let version = old["metadata"]["resourceVersion"].clone();
        meta::metadata(&mut new).insert("resourceVersion".to_owned(), version);
        if new == **old {
            return old.clone();
        }
        if meta::is_over(kind, &new) {
            return self.remove(mode, kind, old, new);
        }
        if mode == Mode::DryRun {
            return Arc::new(new);
        }
        self.record(kind, ChangeKind::Modified, Some(old), new)
    }

    fn remove(&mut self, mode: Mode, kind: &Kind, old: &Arc<Value>, last: Value) -> Arc<Value> {
        if mode == Mode::DryRun {
            return Arc::new(last);
        }
        self.record(kind, ChangeKind::Deleted, Some(old), last)
    }

    fn record(
        &mut self,
        kind: &Kind,
        change: ChangeKind,
        old: Option<&Arc<Value>>,
        mut object: Value,
    ) -> Arc<Value> {
        self.version += 1;
        let version = self.version;
        meta::metadata(&mut object).insert("resourceVersion".to_owned(), version.to_string().into());
        let object = Arc::new(object);
        let collection = self.collections.entry(kind.resource()).or_default();
        collection.record(Change { kind: change, object: object.clone(), previous: old.cloned(), version });
        object
    }
}

/// What `replace` leaves as it is.
pub(crate) fn keep_status(kind: &Kind, old: &Value, new: &mut Value) {
    if !kind.has(Subresource::Status) {
        return;
    }
    match old.get("status") {
        Some(status) => new["status"] = status.clone(),
        None => {
            new.as_object_mut().expect("an object of the API is a JSON object").shift_remove("status");
        }
    }
}

/// What `replace_status` leaves as it is.
pub(crate) fn keep_all_but_status(_: &Kind, old: &Value, new: &mut Value) {
    let status = new.as_object_mut().expect("an object of the API is a JSON object").shift_remove("status");
    let managed_fields = new["metadata"].get("managedFields").cloned();
    *new = old.clone();
    new["status"] = status.unwrap_or_else(|| serde_json::json!({}));
    if let Some(managed_fields) = managed_fields {
        new["metadata"]["managedFields"] = managed_fields;
    }
}

#[cfg(test)]
mod tests;
