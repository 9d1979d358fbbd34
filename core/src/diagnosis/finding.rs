//! What was seen, tied to the applied object that it concerns.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::rollout::Rollout;
use super::seen::{Key, SeenObject};
use super::sighting::Sighting;
use super::{Cause, Diagnosis, evidence, revision};
use crate::object::ObjectRef;

/// A cause that was named, and when. What is named need not end the wait: it may mend itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The cause.
    pub cause: Cause,
    /// The applied object that cannot become ready.
    pub object: ObjectRef,
    /// The pod or other object that tells, where it is not the applied object itself.
    pub at_object: Option<ObjectRef>,
    /// The container, where the cause is in one.
    pub container: Option<String>,
    /// What Kubernetes says.
    pub message: String,
    /// When the first report told.
    pub since: Timestamp,
}

/// A sighting that concerns an applied object.
#[derive(Debug)]
pub(super) struct Finding<'a> {
    pub(super) target: usize,
    pub(super) subject: &'a Key,
    pub(super) sighting: &'a Sighting,
}

/// What makes two findings the same one, over time. Ordered by how telling the cause is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FindingId {
    cause: Cause,
    target: usize,
    subject: Key,
    container: Option<String>,
}

impl Named {
    fn is_same(&self, other: &Named) -> bool {
        (self.cause, &self.object, &self.container) == (other.cause, &other.object, &other.container)
    }
}

impl Finding<'_> {
    pub(super) fn id(&self) -> FindingId {
        FindingId {
            cause: self.sighting.cause,
            target: self.target,
            subject: self.subject.clone(),
            container: self.sighting.container.clone(),
        }
    }
}

impl Rollout {
    /// Every cause named so far, the first one first. Each is there once per applied object and container.
    pub fn named(&self) -> &[Named] {
        &self.named
    }

    /// The sightings that concern applied objects, the most telling first.
    pub(super) fn findings(&self) -> Vec<Finding<'_>> {
        let mut findings = Vec::new();
        for (subject, sightings) in &self.sightings {
            if let Some(target) = self.concerned(subject) {
                findings.extend(sightings.iter().map(|sighting| Finding { target, subject, sighting }));
            }
        }
        findings.sort_by_key(|finding| (finding.sighting.is_suspicion, finding.id()));
        findings
    }

    /// The target that cannot become ready because of an object.
    pub(super) fn concerned(&self, subject: &Key) -> Option<usize> {
        let wanted = |key: &Key, _: &SeenObject| self.by_key.get(key).copied();
        revision::wanted_owner(&self.seen, subject, wanted).or_else(|| self.user_of_claim(subject))
    }

    /// A claim has no owner; it concerns the workload whose template names it or makes it.
    fn user_of_claim(&self, subject: &Key) -> Option<usize> {
        let claim =
            self.seen.get(subject).filter(|object| object.reference.kind == "PersistentVolumeClaim")?;
        self.targets.iter().position(|target| {
            target.reference.namespace == claim.reference.namespace
                && self
                    .seen
                    .get(&target.key)
                    .is_some_and(|user| evidence::uses_claim(user.view(), &claim.reference.name))
        })
    }

    /// Keeps since when each present finding has been there, and names what was not known. One that vanishes and comes back starts anew.
    pub(super) fn remember(&mut self, at: Timestamp) {
        let findings = self.findings();
        let present: BTreeSet<FindingId> = findings.iter().map(Finding::id).collect();
        let mut new: Vec<Named> = Vec::new();
        for finding in findings.iter().filter(|finding| !finding.sighting.is_suspicion) {
            let named = self.to_name(at, finding);
            if !self.named.iter().chain(&new).any(|known| known.is_same(&named)) {
                new.push(named);
            }
        }
        self.named.extend(new);
        self.since.retain(|id, _| present.contains(id));
        for id in present {
            self.since.entry(id).or_insert(at);
        }
    }

    fn to_name(&self, at: Timestamp, finding: &Finding<'_>) -> Named {
        let target = &self.targets[finding.target];
        let told_by = self.seen.get(finding.subject).map(|object| &object.reference);
        Named {
            cause: finding.sighting.cause,
            object: target.reference.clone(),
            at_object: told_by.filter(|reference| **reference != target.reference).cloned(),
            container: finding.sighting.container.clone(),
            message: finding.sighting.message.clone(),
            since: at,
        }
    }

    /// A cause that ends the wait by itself (an object failed, or went) has not been named before.
    pub(super) fn name_at_the_end(&mut self, diagnosis: &Diagnosis) {
        let is_known = |named: &Named| named.cause == diagnosis.cause && named.object == diagnosis.object;
        if !self.named.iter().any(is_known) {
            self.named.push(Named {
                cause: diagnosis.cause,
                object: diagnosis.object.clone(),
                at_object: diagnosis.at_object.clone(),
                container: diagnosis.container.as_ref().map(|container| container.name.clone()),
                message: diagnosis.proof.message.clone().unwrap_or_default(),
                since: diagnosis.gave_up_at,
            });
        }
    }
}
