//! Watching on after everything was ready: "available" is not "healthy".
//!
//! A container that dies after six seconds, or one whose liveness probe fails, has been ready once. The soak of verify looks at
//! restarts and at lost readiness for a while before a release counts as verified.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::container::{Container, containers};
use super::evidence::Trouble;
use super::report::Report;
use super::rollout::Rollout;
use super::seen::{Key, SeenObject};
use super::verdict::later;
use super::{Cause, Diagnosis, Ended};
use crate::object::Status;
use crate::readiness::Readiness;

/// A watch over objects that were ready when it began. Fed like a [`Rollout`], whose knowledge it takes over.
#[derive(Debug)]
pub struct Soak {
    rollout: Rollout,
    until: Timestamp,
    wear: BTreeMap<Key, u32>,
    ready: BTreeSet<Key>,
    verdict: SoakVerdict,
}

/// What is known about a soak so far.
#[derive(Debug, Clone, PartialEq)]
pub enum SoakVerdict {
    /// All is well up to now.
    Watching {
        /// When to call [`Soak::tick`] if no report comes before.
        until: Timestamp,
    },
    /// The time passed without a restart or a loss of readiness.
    Passed,
    /// Something that was ready failed.
    Failed(Box<Diagnosis>),
}

impl Rollout {
    /// Turns a settled rollout into a soak of a duration.
    pub fn soak(self, at: Timestamp, duration: Duration) -> Soak {
        let until = later(at, duration);
        let mut soak = Soak {
            rollout: self,
            until,
            wear: BTreeMap::new(),
            ready: BTreeSet::new(),
            verdict: SoakVerdict::Watching { until },
        };
        soak.take_stock();
        soak
    }
}

impl Soak {
    /// Takes one report, and answers what holds from `at` on.
    pub fn observe(&mut self, at: Timestamp, report: Report) -> &SoakVerdict {
        self.tick(at);
        if matches!(self.verdict, SoakVerdict::Watching { .. })
            && let Some(key) = self.rollout.take(report)
        {
            self.rollout.read(&key);
            if let Some(diagnosis) = self.failure(at, &key) {
                self.verdict = SoakVerdict::Failed(Box::new(diagnosis));
            }
        }
        &self.verdict
    }

    /// Takes a new list of a kind, as [`Rollout::relisted`] does.
    pub fn relisted(
        &mut self,
        at: Timestamp,
        kind: &str,
        namespace: Option<&str>,
        uids: &BTreeSet<String>,
    ) -> &SoakVerdict {
        for report in self.rollout.gone(kind, namespace, uids) {
            self.observe(at, report);
        }
        &self.verdict
    }

    /// Lets time pass without a report.
    pub fn tick(&mut self, at: Timestamp) -> &SoakVerdict {
        if matches!(self.verdict, SoakVerdict::Watching { .. }) && at >= self.until {
            self.verdict = SoakVerdict::Passed;
        }
        &self.verdict
    }

    /// What holds since the last report or tick.
    pub fn verdict(&self) -> &SoakVerdict {
        &self.verdict
    }

    fn take_stock(&mut self) {
        for (key, pod) in self.rollout.seen.pods() {
            self.wear.insert(key.clone(), self.wear_of(key, pod));
            if pod.view().is("Ready") {
                self.ready.insert(key.clone());
            }
        }
    }

    /// How often the containers of a pod ended or were killed for a probe. The kubelet announces a kill seconds before the end shows.
    fn wear_of(&self, key: &Key, pod: &SeenObject) -> u32 {
        let events = self.rollout.seen.events(key);
        let of_container = |container: Container<'_>| container.deaths().max(container.kills(&events));
        containers(pod.view())
            .into_iter()
            .filter(|container| !container.is_init)
            .map(of_container)
            .fold(0, u32::saturating_add)
    }

    fn failure(&mut self, at: Timestamp, key: &Key) -> Option<Diagnosis> {
        self.failed_object(at).or_else(|| self.failed_pod(at, key))
    }

    fn failed_object(&self, at: Timestamp) -> Option<Diagnosis> {
        let failed =
            self.rollout.targets.iter().enumerate().find_map(|(index, target)| match &target.readiness {
                Readiness::Failed { cause, reason } => Some((index, *cause, reason)),
                _ => None,
            })?;
        let (index, cause, reason) = failed;
        let trouble = Trouble {
            underlying: Some(cause),
            since: Some(at),
            ..Trouble::of_object(index, Cause::HealthyThenNot, reason)
        };
        Some(self.rollout.diagnose(at, trouble, Ended::SoakFailed))
    }

    /// A pod of the new revision that ended, was killed, or lost its readiness. One that is being deleted was asked to.
    fn failed_pod(&mut self, at: Timestamp, key: &Key) -> Option<Diagnosis> {
        let target = self.rollout.concerned(key)?;
        let pod = self
            .rollout
            .seen
            .get(key)
            .filter(|object| object.reference.kind == "Pod" && !object.view().is_deleting())?;
        let is_finished = pod.view().text("/status/phase") == Some("Succeeded");
        let is_worn = self.wear_of(key, pod) > self.wear.get(key).copied().unwrap_or(0);
        let lost = self.ready.contains(key).then(|| lost_readiness(pod)).flatten();
        if pod.view().is("Ready") && !is_worn {
            self.ready.insert(key.clone());
            return None;
        }
        if is_finished || (!is_worn && lost.is_none()) {
            return None;
        }
        let ended = self.what_befell(key, pod);
        let message =
            ended.as_ref().map_or_else(|| lost.unwrap_or_default(), |befell| befell.message.clone());
        let trouble = Trouble {
            subject: Some(key),
            underlying: ended.as_ref().map(|befell| befell.cause),
            container: ended.as_ref().map(|befell| befell.container.as_str()),
            since: Some(at),
            ..Trouble::of_object(target, Cause::HealthyThenNot, &message)
        };
        Some(self.rollout.diagnose(at, trouble, Ended::SoakFailed))
    }

    fn what_befell(&self, key: &Key, pod: &SeenObject) -> Option<Befell> {
        let events = self.rollout.seen.events(key);
        containers(pod.view()).into_iter().filter(|container| !container.is_init).find_map(|container| {
            let (cause, message) = container.what_befell(&events)?;
            Some(Befell { cause, container: container.name.to_owned(), message })
        })
    }
}

struct Befell {
    cause: Cause,
    container: String,
    message: String,
}

fn lost_readiness(pod: &SeenObject) -> Option<String> {
    let ready = pod.view().condition("Ready").filter(|ready| ready.status != Status::True)?;
    Some(ready.words().to_owned())
}
