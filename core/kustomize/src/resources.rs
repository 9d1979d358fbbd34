//! The resources of a build in order, found by id in constant time.

use std::collections::HashMap;

use crate::error::{Problem, Result};
use crate::id::Id;
use crate::resource::{Behavior, Resource, map_of, set_texts, texts_of};
use crate::transform::origin;
use crate::yaml::{Node, Text};

/// An ordered list without two resources of the same current id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resources {
    list: Vec<Resource>,
    /// Positions by every id a resource has or had; `None` after a change that may have touched ids.
    index: Option<HashMap<u64, Vec<usize>>>,
}

impl Resources {
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Resource> {
        self.list.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn get(&self, at: usize) -> &Resource {
        &self.list[at]
    }

    /// All resources, to be changed in any way.
    pub(crate) fn all_mut(&mut self) -> &mut [Resource] {
        self.index = None;
        &mut self.list
    }

    pub(crate) fn into_vec(self) -> Vec<Resource> {
        self.list
    }

    /// Changes one resource; the index survives if its ids do.
    pub(crate) fn change<T>(&mut self, at: usize, change: impl FnOnce(&mut Resource) -> T) -> T {
        let keys = |resource: &Resource| resource.any_ids().map(|id| id.index_key()).collect::<Vec<_>>();
        let before = self.index.is_some().then(|| keys(&self.list[at]));
        let result = change(&mut self.list[at]);
        if before.is_some_and(|before| before != keys(&self.list[at])) {
            self.index = None;
        }
        result
    }

    /// Appends a resource.
    ///
    /// # Errors
    ///
    /// If one with the same current id is there.
    pub(crate) fn append(&mut self, resource: Resource) -> Result<()> {
        let id = resource.id();
        let at = self.list.len();
        let index = indexed(&mut self.index, &self.list);
        let taken = index
            .get(&id.index_key())
            .is_some_and(|positions| positions.iter().any(|&at| self.list[at].id().is_same(&id)));
        if taken {
            return Problem::DuplicateResource { object: id.to_string() }.fail();
        }
        add_to_index(index, &resource, at);
        self.list.push(resource);
        Ok(())
    }

    pub(crate) fn append_all(&mut self, resources: impl IntoIterator<Item = Resource>) -> Result<()> {
        resources.into_iter().try_for_each(|resource| self.append(resource))
    }

    /// Positions of the resources that have or had `id`, deleted ones left out.
    pub(crate) fn with_any_id(&mut self, id: &Id<'_>) -> Vec<usize> {
        let index = indexed(&mut self.index, &self.list);
        let mut found: Vec<usize> = index.get(&id.index_key()).cloned().unwrap_or_default();
        found.retain(|&at| !self.list[at].is_deleted() && self.list[at].any_ids().any(|own| own.is_same(id)));
        found
    }

    /// Takes in a generated resource: new, in place of another, or merged with it.
    pub(crate) fn absorb(&mut self, mut generated: Resource) -> Result<()> {
        let found = self.with_any_id(&generated.id());
        let fail =
            |object: &Resource, reason| Problem::Behavior { object: object.id().to_string(), reason }.fail();
        match (found.as_slice(), generated.behavior) {
            ([], Behavior::Create) => self.append(generated),
            ([], _) => fail(&generated, "does not exist, so a generator cannot merge with it or replace it"),
            ([_], Behavior::Create) => {
                fail(&generated, "exists, so its generator needs `behavior: merge` or `behavior: replace`")
            }
            (&[at], behavior) => {
                let old = &self.list[at];
                let origin = old.annotation(origin::ANNOTATION).map(Text::from);
                generated.take_metadata_from(old);
                if behavior == Behavior::Merge {
                    merge_data(&mut generated, old);
                    if let Some(origin) = origin {
                        origin::set(&mut generated, &origin);
                    }
                }
                self.change(at, |old| *old = generated);
                Ok(())
            }
            _ => fail(&generated, "may stand for several resources, so a generator cannot choose one"),
        }
    }

    /// Removes what transformations have deleted.
    pub(crate) fn drop_deleted(&mut self) {
        if self.list.iter().any(Resource::is_deleted) {
            self.all_mut();
            self.list.retain(|resource| !resource.is_deleted());
        }
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&Resource) -> bool) {
        self.index = None;
        self.list.retain(keep);
    }

    /// Fails if two resources have the same current id.
    pub(crate) fn check_unique(&mut self) -> Result<()> {
        for group in indexed(&mut self.index, &self.list).values().filter(|group| group.len() > 1) {
            for (at, &second) in group.iter().enumerate() {
                let id = self.list[second].id();
                if group[..at].iter().any(|&first| self.list[first].id().is_same(&id)) {
                    return Problem::DuplicateResource { object: id.to_string() }.fail();
                }
            }
        }
        Ok(())
    }

    pub(crate) fn sort_by(&mut self, compare: impl FnMut(&Resource, &Resource) -> std::cmp::Ordering) {
        self.index = None;
        self.list.sort_by(compare);
    }
}

fn indexed<'a>(
    index: &'a mut Option<HashMap<u64, Vec<usize>>>,
    list: &[Resource],
) -> &'a mut HashMap<u64, Vec<usize>> {
    index.get_or_insert_with(|| {
        let mut index = HashMap::with_capacity(list.len());
        for (at, resource) in list.iter().enumerate() {
            add_to_index(&mut index, resource, at);
        }
        index
    })
}

fn add_to_index(index: &mut HashMap<u64, Vec<usize>>, resource: &Resource, at: usize) {
    for id in resource.any_ids() {
        let positions = index.entry(id.index_key()).or_default();
        if positions.last() != Some(&at) {
            positions.push(at);
        }
    }
}

/// Adds the data of `old` to what `generated` does not have.
fn merge_data(generated: &mut Resource, old: &Resource) {
    for field in ["data", "binaryData"] {
        let mut data = texts_of(old.node.get(field));
        data.extend(texts_of(generated.node.get(field)));
        set_texts(map_of(&mut generated.node), field, &data);
    }
}

impl<'a> IntoIterator for &'a Resources {
    type Item = &'a Resource;
    type IntoIter = std::slice::Iter<'a, Resource>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// True if the object asks to be left out of the output.
pub(crate) fn is_local_config(resource: &Resource) -> bool {
    let annotations = resource.node.at(&["metadata", "annotations"]);
    annotations
        .and_then(|annotations| annotations.get("config.kubernetes.io/local-config"))
        .map(Node::text)
        .is_some_and(|text| text != "false")
}
