//! What controllers read.

use std::fmt;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use k8s_openapi::{Metadata, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The objects of a cluster, as they are now.
pub(crate) trait View {
    /// One object; the namespace is empty where its kind has none.
    fn get(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Option<Arc<Value>>;

    /// All objects of a kind, in a namespace or, if that is empty, in the whole cluster.
    fn list(&self, api_version: &str, kind: &str, namespace: &str) -> Vec<Arc<Value>>;

    /// All objects of all kinds.
    fn everything(&self) -> Vec<Arc<Value>>;

    /// Whether there are objects of this kind at all.
    fn serves(&self, api_version: &str, kind: &str) -> bool;
}

/// A kind that controllers read as its type.
pub(crate) trait Known: Resource + Metadata<Ty = ObjectMeta> + DeserializeOwned {}

impl<T: Resource + Metadata<Ty = ObjectMeta> + DeserializeOwned> Known for T {}

impl dyn View + '_ {
    /// One object by name.
    pub(crate) fn find<T: Known>(&self, namespace: &str, name: &str) -> Option<T> {
        read(&*self.get(T::API_VERSION, T::KIND, namespace, name)?)
    }

    /// All objects of a kind, in a namespace or, if that is empty, in the whole cluster.
    pub(crate) fn all<T: Known>(&self, namespace: &str) -> Vec<T> {
        self.list(T::API_VERSION, T::KIND, namespace).iter().filter_map(|object| read(object)).collect()
    }
}

/// Reads an object as its type. What the API server let in can be read; anything else is none of a controller's business.
pub(crate) fn read<T: DeserializeOwned>(object: &Value) -> Option<T> {
    T::deserialize(object).ok()
}

/// The owner reference of an object to its controller.
pub(crate) fn controller_of(object: &Value) -> Option<&Value> {
    object["metadata"]["ownerReferences"].as_array()?.iter().find(|owner| owner["controller"] == true)
}

/// An object by kind and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Subject {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    /// Empty where the kind has none.
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Subject {
    pub(crate) fn new<T: Resource>(namespace: &str, name: &str) -> Self {
        Self {
            api_version: T::API_VERSION.to_owned(),
            kind: T::KIND.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(crate) fn of<T: Known>(object: &T) -> Self {
        let metadata = object.metadata();
        Self::new::<T>(metadata.namespace.as_deref().unwrap_or_default(), name_of(object))
    }

    /// The subject that an object is.
    pub(crate) fn of_value(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            api_version: text(&object["apiVersion"]),
            kind: text(&object["kind"]),
            namespace: text(&object["metadata"]["namespace"]),
            name: text(&object["metadata"]["name"]),
        }
    }

    /// The controller of an object, if that is of the kind `T`.
    pub(crate) fn controller_of<T: Resource>(object: &Value) -> Option<Self> {
        let owner = controller_of(object)?;
        let is_meant = owner["kind"] == T::KIND && owner["apiVersion"] == T::API_VERSION;
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        is_meant.then(|| Self::new::<T>(namespace, owner["name"].as_str().unwrap_or_default()))
    }

    pub(crate) fn is<T: Resource>(&self) -> bool {
        self.kind == T::KIND && self.api_version == T::API_VERSION
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}

/// The name of a stored object.
pub(crate) fn name_of<T: Known>(object: &T) -> &str {
    object.metadata().name.as_deref().unwrap_or_default()
}

/// The namespace of a stored object; empty where its kind has none.
pub(crate) fn namespace_of<T: Known>(object: &T) -> &str {
    object.metadata().namespace.as_deref().unwrap_or_default()
}

/// The UID of a stored object.
pub(crate) fn uid_of<T: Known>(object: &T) -> &str {
    object.metadata().uid.as_deref().unwrap_or_default()
}

pub(crate) fn label<'o, T: Known>(object: &'o T, name: &str) -> Option<&'o str> {
    object.metadata().labels.as_ref()?.get(name).map(String::as_str)
}

pub(crate) fn annotation<'o, T: Known>(object: &'o T, name: &str) -> Option<&'o str> {
    object.metadata().annotations.as_ref()?.get(name).map(String::as_str)
}

pub(crate) fn is_deleted<T: Known>(object: &T) -> bool {
    object.metadata().deletion_timestamp.is_some()
}

/// The reference that makes `owner` the controller of another object.
pub(crate) fn controller_reference<T: Known>(owner: &T) -> OwnerReference {
    OwnerReference { controller: Some(true), block_owner_deletion: Some(true), ..owner_reference(owner) }
}

/// The reference that makes `owner` one of the owners of another object.
pub(crate) fn owner_reference<T: Known>(owner: &T) -> OwnerReference {
    OwnerReference {
        api_version: T::API_VERSION.to_owned(),
        kind: T::KIND.to_owned(),
        name: name_of(owner).to_owned(),
        uid: uid_of(owner).to_owned(),
        ..OwnerReference::default()
    }
}
