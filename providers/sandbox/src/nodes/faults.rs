//! What goes wrong on the nodes, for those who want to show or test that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::Pod;

/// Images whose containers go wrong. Clones share them.
///
/// A pod can also ask for a fault itself, by the annotation `testbed/fault` or by the tag of its image; the names are the same, and the README of the
/// test bed lists them: `missing`, `crash`, `never-ready`, …
#[derive(Clone, Debug, Default)]
pub struct Faults {
    by_image: Arc<Mutex<BTreeMap<String, String>>>,
}

/// There is no fault of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no fault is called `{name}`")]
pub struct UnknownFault {
    /// The name that was asked for.
    pub name: String,
}

impl Faults {
    /// From now on, containers of this image show a fault in every pod that starts.
    ///
    /// # Errors
    /// [`UnknownFault`] when none is called so.
    pub fn break_image(&self, image: &str, fault: &str) -> Result<(), UnknownFault> {
        if !windlass_simulation::is_fault(fault) {
            return Err(UnknownFault { name: fault.to_owned() });
        }
        self.change(|rules| drop(rules.insert(image.to_owned(), fault.to_owned())));
        Ok(())
    }

    /// From now on, pods of this image start well again.
    pub fn mend_image(&self, image: &str) {
        self.change(|rules| drop(rules.remove(image)));
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, String>)) {
        change(&mut self.by_image.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Lets a pod of a broken image ask for the fault, unless it asks for one of its own.
    pub(super) fn afflict(&self, pod: &mut Pod) {
        const FAULT: &str = "testbed/fault";
        let Some(spec) = &pod.spec else { return };
        let rules = self.by_image.lock().unwrap_or_else(PoisonError::into_inner);
        let mut containers = spec.init_containers.iter().flatten().chain(&spec.containers);
        let found = containers
            .find_map(|container| Some((container.name.clone(), rules.get(container.image.as_ref()?)?)));
        let Some((container, fault)) = found else { return };
        let annotations = pod.metadata.annotations.get_or_insert_default();
        if !annotations.contains_key(FAULT) {
            annotations.insert(FAULT.to_owned(), fault.clone());
            annotations.insert("testbed/container".to_owned(), container);
        }
    }
}
