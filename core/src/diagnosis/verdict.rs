//! When waiting ends, and with what.

use std::time::Duration;

use jiff::Timestamp;

use super::evidence::Trouble;
use super::finding::Finding;
use super::patience::Allowance;
use super::rollout::Rollout;
use super::{Cause, Diagnosis, Ended};
use crate::readiness::Readiness;

/// What is known about a rollout so far.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Neither ready nor hopeless.
    Waiting {
        /// When to call [`Rollout::tick`] if no report comes before.
        until: Timestamp,
    },
    /// Every object is ready.
    Settled,
    /// It cannot become ready, or not in time.
    GaveUp(Box<Diagnosis>),
}

impl Rollout {
    /// Decides anew what holds from a time on.
    pub(super) fn decide(&mut self, at: Timestamp) {
        self.remember(at);
        if self.targets.iter().all(|target| target.readiness.is_ready()) {
            self.verdict = Verdict::Settled;
            return;
        }
        self.verdict = match self.hopeless(at) {
            Some(diagnosis) => {
                self.name_at_the_end(&diagnosis);
                Verdict::GaveUp(Box::new(diagnosis))
            }
            None => Verdict::Waiting { until: self.next_deadline() },
        };
    }

    /// When something is due next: the patience with a finding, or the run's time.
    fn next_deadline(&self) -> Timestamp {
        let due = self.findings().filter_map(|finding| self.due_at(&finding));
        due.fold(self.deadline(), Timestamp::min)
    }

    pub(super) fn deadline(&self) -> Timestamp {
        later(self.settings.started_at, self.settings.timeout)
    }

    /// When the patience with a finding is over; `None` if time alone does not end it.
    ///
    /// What is ready has overcome what was seen before, but for deaths that repeat: a container that is killed every ten seconds is
    /// ready in between.
    pub(super) fn due_at(&self, finding: &Finding<'_>) -> Option<Timestamp> {
        let is_ready = self.targets[finding.target].readiness.is_ready();
        match self.allowance(finding) {
            Allowance::AtOnce | Allowance::For(_) if is_ready => None,
            Allowance::AtOnce => finding.sighting.since,
            Allowance::For(duration) => Some(later(finding.sighting.since?, duration)),
            Allowance::Times(times) if finding.sighting.times >= times => finding.sighting.since,
            Allowance::Times(_) | Allowance::Deadline => None,
        }
    }

    /// A Job retries its pods by its own `backoffLimit`: its owner has said how much patience it wants.
    fn allowance(&self, finding: &Finding<'_>) -> Allowance {
        let target = &self.targets[finding.target];
        let is_death = matches!(
            finding.sighting.cause,
            Cause::Crash | Cause::InitFailed | Cause::OutOfMemory | Cause::ExitsWithZero
        );
        if is_death && target.reference.kind == "Job" {
            return Allowance::Deadline;
        }
        target.patience.allowance(finding.sighting.cause)
    }

    /// The diagnosis, if waiting cannot help any more: an object failed, the patience with a finding is over, or the time is.
    fn hopeless(&self, at: Timestamp) -> Option<Diagnosis> {
        if let Some(failed) = self.failed_target() {
            return Some(self.diagnose(at, self.trouble_of_failure(failed), Ended::ObjectFailed));
        }
        let is_due = |finding: &Finding<'_>| self.due_at(finding).is_some_and(|due| due <= at);
        if let Some(due) = Finding::most_telling(self.findings().filter(is_due)) {
            return Some(self.diagnose(at, Trouble::of(&due), Ended::PatienceOver));
        }
        (at >= self.deadline()).then(|| self.diagnose(at, self.trouble_at_deadline(), Ended::TimeOver))
    }

    fn failed_target(&self) -> Option<usize> {
        self.targets.iter().position(|target| matches!(target.readiness, Readiness::Failed { .. }))
    }

    /// What a controller calls a failure is often known better from its pods.
    fn trouble_of_failure(&self, failed: usize) -> Trouble<'_> {
        let own =
            self.findings().filter(|finding| finding.target == failed && !finding.sighting.is_suspicion);
        match (&self.targets[failed].readiness, Finding::most_telling(own)) {
            (Readiness::Failed { cause, .. }, Some(own)) if own.sighting.cause < *cause => Trouble::of(&own),
            (Readiness::Failed { cause, reason }, _) => Trouble::of_object(failed, *cause, reason),
            _ => Trouble::of_object(failed, Cause::Timeout, ""),
        }
    }

    /// At the end of the time: what was named about an object that is not ready, else what was suspected, else the object alone.
    fn trouble_at_deadline(&self) -> Trouble<'_> {
        let unready = |index: usize| !self.targets[index].readiness.is_ready();
        if let Some(finding) =
            Finding::most_telling(self.findings().filter(|finding| unready(finding.target)))
        {
            return Trouble::of(&finding);
        }
        let first = (0..self.targets.len()).find(|index| unready(*index)).unwrap_or(0);
        let reason = self.targets.get(first).and_then(|target| target.readiness.reason()).unwrap_or_default();
        Trouble::of_object(first, Cause::Timeout, reason)
    }
}

/// A time after another; the end of time if there is no such.
pub(super) fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}
