//! Resources of one kind, by their IDs.

use std::collections::BTreeMap;
use std::collections::btree_map::{Values, ValuesMut};

use jiff::Timestamp;
use serde_json::Value;

use super::Project;
use crate::kind::{Id, Kind};
use crate::labels::Labels;
use crate::problem::Problem;

/// What every resource has.
#[derive(Debug, Clone)]
pub(crate) struct Meta {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) labels: Labels,
    pub(crate) created: Timestamp,
    /// Whether it is protected from being deleted.
    pub(crate) protected: bool,
}

/// A resource that can be made and deleted.
pub(crate) trait Resource {
    const KIND: Kind;

    fn meta(&self) -> &Meta;
    fn meta_mut(&mut self) -> &mut Meta;
    /// As answers show it.
    fn view(&self, project: &Project) -> Value;

    fn id(&self) -> Id {
        self.meta().id
    }
}

/// All resources of a kind.
#[derive(Debug)]
pub(crate) struct Table<R>(BTreeMap<Id, R>);

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<R: Resource> Table<R> {
    pub(crate) fn get(&self, id: Id) -> Result<&R, Problem> {
        self.0.get(&id).ok_or_else(|| Problem::not_found(R::KIND, id))
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Result<&mut R, Problem> {
        self.0.get_mut(&id).ok_or_else(|| Problem::not_found(R::KIND, id))
    }

    /// Changes a resource if it is still there: actions may outlive what they work on.
    pub(crate) fn change(&mut self, id: Id, change: impl FnOnce(&mut R)) {
        if let Some(resource) = self.0.get_mut(&id) {
            change(resource);
        }
    }

    pub(crate) fn insert(&mut self, resource: R) -> Id {
        let id = resource.id();
        self.0.insert(id, resource);
        id
    }

    pub(crate) fn remove(&mut self, id: Id) -> Option<R> {
        self.0.remove(&id)
    }

    pub(crate) fn contains(&self, id: Id) -> bool {
        self.0.contains_key(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> Values<'_, Id, R> {
        self.0.values()
    }

    pub(crate) fn iter_mut(&mut self) -> ValuesMut<'_, Id, R> {
        self.0.values_mut()
    }

    /// Refuses a name that another resource of this kind has.
    pub(crate) fn refuse_name(&self, name: &str, but: Option<Id>) -> Result<(), Problem> {
        let taken = self.iter().any(|other| other.meta().name == name && Some(other.id()) != but);
        if taken { Err(Problem::not_unique(R::KIND, "name")) } else { Ok(()) }
    }

    /// The IDs of those that are kept.
    pub(crate) fn ids(&self, keeps: impl Fn(&R) -> bool) -> Vec<Id> {
        self.iter().filter(|resource| keeps(resource)).map(Resource::id).collect()
    }

    pub(crate) fn views(&self, project: &Project) -> Vec<Value> {
        self.iter().map(|resource| resource.view(project)).collect()
    }
}

/// Implements [`Resource`] but for the view, for a type with a field `meta`.
macro_rules! resource {
    ($type:ty, $kind:ident, $view:path) => {
        impl $crate::project::table::Resource for $type {
            const KIND: $crate::kind::Kind = $crate::kind::Kind::$kind;

            fn meta(&self) -> &$crate::project::table::Meta {
                &self.meta
            }

            fn meta_mut(&mut self) -> &mut $crate::project::table::Meta {
                &mut self.meta
            }

            fn view(&self, project: &$crate::project::Project) -> serde_json::Value {
                $view(self, project)
            }
        }
    };
}
pub(crate) use resource;
