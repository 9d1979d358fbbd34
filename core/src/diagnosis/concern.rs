//! Which applied object a seen one concerns, kept as long as nothing on the way between them changes.
//!
//! A report of a pod must not cost a walk from every other pod to its Deployment, with a comparison of templates on the way.

use std::collections::HashMap;

use super::rollout::Rollout;
use super::seen::Key;
use super::{evidence, revision};

/// Answers that were found, by object.
#[derive(Debug, Default)]
pub(super) struct Concerns(HashMap<Key, Concern>);

#[derive(Debug)]
struct Concern {
    target: Option<usize>,
    /// The object itself and its owners, on whose state the answer rests.
    line: Vec<Key>,
}

impl Concerns {
    /// The target that an object is known to concern.
    pub(super) fn target(&self, subject: &Key) -> Option<usize> {
        self.0.get(subject)?.target
    }

    /// Forgets the answers that a change of an object may change. An object that concerned nothing may have lacked just this one.
    pub(super) fn forget(&mut self, changed: &Key) {
        self.0.retain(|_, concern| concern.target.is_some() && !concern.line.contains(changed));
    }
}

impl Rollout {
    /// The target that cannot become ready because of an object.
    pub(super) fn concerned(&self, subject: &Key) -> Option<usize> {
        self.concerns.0.get(subject).map_or_else(|| self.concern(subject).target, |known| known.target)
    }

    /// Finds the answers for everything that tells something.
    pub(super) fn know_concerns(&mut self) {
        let unknown = self.sightings.keys().filter(|subject| !self.concerns.0.contains_key(subject));
        let found: Vec<(Key, Concern)> =
            unknown.map(|subject| (subject.clone(), self.concern(subject))).collect();
        self.concerns.0.extend(found);
    }

    fn concern(&self, subject: &Key) -> Concern {
        let line = revision::line(&self.seen, subject);
        let owner = line.iter().find_map(|key| self.by_key.get(key).copied());
        Concern { target: owner.or_else(|| self.user_of_claim(subject)), line }
    }

    /// A claim has no owner; it concerns the workload whose template names it or makes it.
    fn user_of_claim(&self, subject: &Key) -> Option<usize> {
        let claim =
            self.seen.get(subject).filter(|object| object.reference.kind == "PersistentVolumeClaim")?;
        self.targets.iter().position(|target| {
            let uses =
                |user: &super::seen::SeenObject| evidence::uses_claim(user.view(), &claim.reference.name);
            target.reference.namespace == claim.reference.namespace
                && self.seen.get(&target.key).is_some_and(uses)
        })
    }
}
