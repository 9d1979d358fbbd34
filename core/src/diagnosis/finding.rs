//! What was seen, tied to the applied object that it concerns.

use jiff::Timestamp;

use super::rollout::Rollout;
use super::seen::Key;
use super::sighting::Sighting;
use super::{Cause, Diagnosis};
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

impl Named {
    fn is_same(&self, other: &Named) -> bool {
        (self.cause, &self.object, &self.container) == (other.cause, &other.object, &other.container)
    }
}

impl<'a> Finding<'a> {
    /// How telling it is, the most telling first. The rest makes the choice the same in whatever order reports came.
    fn rank(&self) -> impl Ord + 'a {
        let Sighting { is_suspicion, cause, container, .. } = self.sighting;
        (*is_suspicion, *cause, self.target, self.subject, container.as_deref())
    }

    /// The one to tell of, if several are seen.
    pub(super) fn most_telling(findings: impl Iterator<Item = Finding<'a>>) -> Option<Finding<'a>> {
        findings.min_by(|one, other| one.rank().cmp(&other.rank()))
    }
}

impl Rollout {
    /// Every cause named so far, the first one first. Each is there once per applied object and container.
    pub fn named(&self) -> &[Named] {
        &self.named
    }

    /// The sightings that concern applied objects.
    pub(super) fn findings(&self) -> impl Iterator<Item = Finding<'_>> {
        self.sightings
            .iter()
            .filter_map(|(subject, sightings)| Some((self.concerned(subject)?, subject, sightings)))
            .flat_map(|(target, subject, sightings)| {
                sightings.iter().map(move |sighting| Finding { target, subject, sighting })
            })
    }

    /// Notes since when each finding has been there, and names what was not named before.
    pub(super) fn remember(&mut self, at: Timestamp) {
        self.know_concerns();
        let is_new = |finding: &Finding<'_>| !finding.sighting.is_suspicion && !finding.sighting.is_named;
        let mut new: Vec<Finding<'_>> = self.findings().filter(is_new).collect();
        new.sort_by(|one, other| one.rank().cmp(&other.rank()));
        for named in new.iter().map(|finding| self.to_name(at, finding)).collect::<Vec<_>>() {
            if !self.named.iter().any(|known| known.is_same(&named)) {
                self.named.push(named);
            }
        }
        for (subject, sightings) in &mut self.sightings {
            let is_concerned = self.concerns.target(subject).is_some();
            for sighting in sightings {
                sighting.since = if is_concerned { sighting.since.or(Some(at)) } else { None };
                sighting.is_named = is_concerned && !sighting.is_suspicion;
            }
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
