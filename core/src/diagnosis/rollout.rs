//! The watcher's brain: reports in, a verdict out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::evidence::{self, Trouble};
use super::patience::{Allowance, Patience};
use super::report::{Change, Report};
use super::seen::{Key, Seen, SeenObject};
use super::sighting::Sighting;
use super::{Cause, Diagnosis, Ended, pod, revision, workload};
use crate::name::ServiceName;
use crate::object::{ObjectError, ObjectRef, ObjectView};
use crate::readiness::{Context, Readiness, judge};

/// How a rollout is waited for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// When the objects were applied, by the clock of the cluster (the `Date` header of an answer). Reports about older objects that
    /// are older than this say nothing about the run; a clock that runs ahead of the cluster's would make new ones look old.
    pub started_at: Timestamp,
    /// How long the run may wait in all.
    pub timeout: Duration,
    /// Whether there is nothing to return to.
    pub first_release: bool,
    /// Durations that services set themselves, by cause.
    pub patience: BTreeMap<ServiceName, BTreeMap<Cause, Duration>>,
}

impl Settings {
    /// An update with the default patience of every cause.
    pub fn new(started_at: Timestamp, timeout: Duration) -> Settings {
        Settings { started_at, timeout, first_release: false, patience: BTreeMap::new() }
    }
}

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

/// Waits for a set of applied objects, as a state machine without a clock: every report and every tick answers the verdict that holds
/// from then on.
///
/// Give it every watch report of the namespace's pods, events, claims and workloads, of `ReplicaSet` and `ControllerRevision`, and of the
/// applied objects, in any order. Once settled or given up, it stays so.
///
/// ```
/// # use std::time::Duration;
/// # use windlass_core::diagnosis::{Report, Rollout, Settings, Verdict};
/// let start = "2026-01-01T12:00:00Z".parse().unwrap();
/// let applied = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "flags"}});
/// let rollout = Rollout::new(vec![applied], Settings::new(start, Duration::from_mins(5)))?;
/// assert_eq!(*rollout.verdict(), Verdict::Settled);
/// # Ok::<(), windlass_core::object::ObjectError>(())
/// ```
#[derive(Debug)]
pub struct Rollout {
    settings: Settings,
    pub(super) targets: Vec<Target>,
    by_key: BTreeMap<Key, usize>,
    pub(super) seen: Seen,
    pub(super) context: Context,
    sightings: BTreeMap<Key, Vec<Sighting>>,
    since: BTreeMap<FindingId, Timestamp>,
    named: Vec<Named>,
    pub(super) verdict: Verdict,
}

/// An object that is waited for.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) reference: ObjectRef,
    pub(super) key: Key,
    generation: Option<i64>,
    patience: Patience,
    pub(super) readiness: Readiness,
}

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

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct FindingId {
    cause: Cause,
    target: usize,
    subject: Key,
    container: Option<String>,
}

impl Finding<'_> {
    fn id(&self) -> FindingId {
        FindingId {
            cause: self.sighting.cause,
            target: self.target,
            subject: self.subject.clone(),
            container: self.sighting.container.clone(),
        }
    }
}

impl Rollout {
    /// Begins to wait for objects as the API server answered them when they were applied, with their UIDs and generations.
    /// No object at all is settled at once.
    pub fn new(applied: Vec<Value>, settings: Settings) -> Result<Rollout, ObjectError> {
        let at = settings.started_at;
        let mut rollout = Rollout {
            seen: Seen::new(at),
            settings,
            targets: Vec::new(),
            by_key: BTreeMap::new(),
            context: Context::default(),
            sightings: BTreeMap::new(),
            since: BTreeMap::new(),
            named: Vec::new(),
            verdict: Verdict::Settled,
        };
        let mut objects = applied
            .into_iter()
            .map(|object| Ok((ObjectRef::of(&object)?, object)))
            .collect::<Result<Vec<_>, ObjectError>>()?;
        objects.sort_by(|one, two| one.0.cmp(&two.0));
        for (reference, object) in objects {
            rollout.add_target(reference, object);
        }
        rollout.verdict = Verdict::Waiting { until: at };
        rollout.judge_all();
        rollout.decide(at);
        Ok(rollout)
    }

    fn add_target(&mut self, reference: ObjectRef, object: Value) {
        let view = ObjectView::new(&object);
        let service = view.service().and_then(|service| service.parse::<ServiceName>().ok());
        let overrides = service.and_then(|service| self.settings.patience.get(&service));
        let patience = Patience::new(self.settings.first_release);
        let target = Target {
            key: Key::of(view),
            generation: view.generation(),
            patience: overrides.map_or(patience.clone(), |overrides| patience.with(overrides)),
            readiness: Readiness::progressing("nothing is known yet"),
            reference: reference.clone(),
        };
        self.context.learn(&object);
        self.by_key.insert(target.key.clone(), self.targets.len());
        self.seen.store(&target.key, reference, object);
        self.targets.push(target);
    }

    /// Takes one report, and answers what holds from `at` on.
    pub fn observe(&mut self, at: Timestamp, report: Report) -> &Verdict {
        if self.is_decided() {
            return &self.verdict;
        }
        if let Some(key) = self.take(report) {
            self.read(&key);
            self.decide(at);
        }
        &self.verdict
    }

    /// Lets time pass without a report.
    pub fn tick(&mut self, at: Timestamp) -> &Verdict {
        if !self.is_decided() {
            self.decide(at);
        }
        &self.verdict
    }

    /// What holds since the last report or tick.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Every cause named so far, the first one first.
    pub fn named(&self) -> &[Named] {
        &self.named
    }

    fn is_decided(&self) -> bool {
        !matches!(self.verdict, Verdict::Waiting { .. })
    }

    /// Stores a report, and answers the object it is about if something may follow from it.
    pub(super) fn take(&mut self, report: Report) -> Option<Key> {
        match report {
            Report::Event(event) => {
                self.context.learn_event(&event);
                self.seen.store_event(&event)
            }
            Report::Object { change: Change::Deleted, object } => {
                let key = Key::of(ObjectView::new(&object));
                self.remove(&key, &object);
                Some(key)
            }
            Report::Object { object, .. } => self.store(object),
        }
    }

    fn store(&mut self, object: Value) -> Option<Key> {
        let reference = ObjectRef::of(&object).ok()?;
        let key = Key::of(ObjectView::new(&object));
        let generation = ObjectView::new(&object).generation();
        if let Some(index) = self.target_of_name(&key, &reference) {
            let target = &mut self.targets[index];
            if target.key == key && generation < target.generation {
                return None; // a list from before the apply
            }
            if target.key != key {
                target.key = key.clone(); // made anew under the same name
                target.generation = None;
                self.by_key.insert(key.clone(), index);
            }
        }
        self.context.learn(&object);
        self.seen.store(&key, reference, object);
        Some(key)
    }

    fn target_of_name(&self, key: &Key, reference: &ObjectRef) -> Option<usize> {
        let by_name = || self.targets.iter().position(|target| target.reference == *reference);
        self.by_key.get(key).copied().or_else(by_name)
    }

    /// A target that is gone stays ready if it had done its work: a Job may be removed seconds after it completed
    /// (`ttlSecondsAfterFinished`).
    fn remove(&mut self, key: &Key, last: &Value) {
        self.seen.forget(key);
        self.sightings.remove(key);
        let Some(target) = self.by_key.get(key).map(|index| &mut self.targets[*index]) else { return };
        if target.key != *key {
            return;
        }
        let view = ObjectView::new(last);
        let finished = view.is("Complete") || view.text("/status/phase") == Some("Succeeded");
        target.readiness = if finished {
            Readiness::Ready
        } else {
            Readiness::failed(Cause::Gone, format!("{} was deleted", target.reference))
        };
    }

    /// Judges an object anew and reads what it and its events tell.
    pub(super) fn read(&mut self, key: &Key) {
        if let Some(index) = self.by_key.get(key) {
            self.judge_target(*index);
        }
        self.judge_waiting_on_others();
        let told = self.told(key);
        if told.is_empty() {
            self.sightings.remove(key);
        } else {
            self.sightings.insert(key.clone(), told);
        }
    }

    fn told(&self, key: &Key) -> Vec<Sighting> {
        let Some(object) = self.seen.get(key) else { return Vec::new() };
        let events = self.seen.events(key);
        match object.reference.kind.as_str() {
            "Pod" => pod::read(object, &events),
            "PersistentVolumeClaim" => workload::read_claim(object.view(), &events, &self.context),
            kind if workload::POD_MAKERS.contains(&kind) => workload::read(object.view(), &events),
            _ => Vec::new(),
        }
    }

    fn judge_all(&mut self) {
        for index in 0..self.targets.len() {
            let key = self.targets[index].key.clone();
            self.read(&key);
        }
    }

    fn judge_target(&mut self, index: usize) {
        if let Some(object) = self.seen.get(&self.targets[index].key) {
            self.targets[index].readiness = judge(&object.value, &self.context);
        }
    }

    /// Claims and ingresses depend on other objects: a class, a consumer, a sibling.
    fn judge_waiting_on_others(&mut self) {
        for index in 0..self.targets.len() {
            let kind = self.targets[index].reference.kind.as_str();
            if matches!(kind, "PersistentVolumeClaim" | "Ingress")
                && self.seen.get(&self.targets[index].key).is_some()
            {
                self.judge_target(index);
            }
        }
    }

    fn decide(&mut self, at: Timestamp) {
        let findings = self.findings();
        let ids: Vec<FindingId> = findings.iter().map(Finding::id).collect();
        let new: Vec<Named> = findings.iter().filter_map(|finding| self.to_name(at, finding)).collect();
        self.remember(at, ids);
        self.named.extend(new);
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

    /// Keeps since when each present finding has been there. One that vanishes and comes back starts anew.
    fn remember(&mut self, at: Timestamp, present: Vec<FindingId>) {
        let present: BTreeSet<FindingId> = present.into_iter().collect();
        self.since.retain(|id, _| present.contains(id));
        for id in present {
            self.since.entry(id).or_insert(at);
        }
    }

    fn to_name(&self, at: Timestamp, finding: &Finding<'_>) -> Option<Named> {
        let target = &self.targets[finding.target];
        let told_by = self.seen.get(finding.subject).map(|object| &object.reference);
        let new = Named {
            cause: finding.sighting.cause,
            object: target.reference.clone(),
            at_object: told_by.filter(|reference| **reference != target.reference).cloned(),
            container: finding.sighting.container.clone(),
            message: finding.sighting.message.clone(),
            since: at,
        };
        let is_known = |known: &Named| {
            (known.cause, &known.at_object, &known.container) == (new.cause, &new.at_object, &new.container)
                && known.object == new.object
        };
        (!finding.sighting.is_suspicion && !self.named.iter().any(is_known)).then_some(new)
    }

    /// A cause that ends the wait by itself (an object failed, or went) has not been named before.
    fn name_at_the_end(&mut self, diagnosis: &Diagnosis) {
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

    /// When something is due next: the patience with a finding, or the run's time.
    fn next_deadline(&self) -> Timestamp {
        let due = self.findings().into_iter().filter_map(|finding| self.due_at(&finding));
        due.fold(self.deadline(), Timestamp::min)
    }

    pub(super) fn deadline(&self) -> Timestamp {
        later(self.settings.started_at, self.settings.timeout)
    }

    pub(super) fn since(&self, finding: &Finding<'_>) -> Option<Timestamp> {
        self.since.get(&finding.id()).copied()
    }

    /// When the patience with a finding is over; `None` if time alone does not end it.
    pub(super) fn due_at(&self, finding: &Finding<'_>) -> Option<Timestamp> {
        match self.allowance(finding) {
            Allowance::AtOnce => self.since(finding),
            Allowance::For(duration) => Some(later(self.since(finding)?, duration)),
            Allowance::Times(times) if finding.sighting.times >= times => self.since(finding),
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
        let findings = self.findings();
        if let Some(failed) = self.failed_target() {
            let own =
                findings.iter().find(|finding| finding.target == failed && !finding.sighting.is_suspicion);
            return Some(self.diagnose(at, self.trouble_of_failure(failed, own), Ended::ObjectFailed));
        }
        let due = findings.iter().find(|finding| self.due_at(finding).is_some_and(|due| due <= at));
        if let Some(due) = due {
            return Some(self.diagnose(at, Trouble::of(due), Ended::PatienceOver));
        }
        (at >= self.deadline())
            .then(|| self.diagnose(at, self.trouble_at_deadline(&findings), Ended::TimeOver))
    }

    fn failed_target(&self) -> Option<usize> {
        self.targets.iter().position(|target| matches!(target.readiness, Readiness::Failed { .. }))
    }

    /// What a controller calls a failure is often known better from its pods.
    fn trouble_of_failure<'a>(&'a self, failed: usize, own: Option<&Finding<'a>>) -> Trouble<'a> {
        match (&self.targets[failed].readiness, own) {
            (Readiness::Failed { cause, .. }, Some(own)) if own.sighting.cause < *cause => Trouble::of(own),
            (Readiness::Failed { cause, reason }, _) => Trouble::of_object(failed, *cause, reason),
            _ => Trouble::of_object(failed, Cause::Timeout, ""),
        }
    }

    /// At the end of the time: what was named about an object that is not ready, else what was suspected, else the object alone.
    fn trouble_at_deadline<'a>(&'a self, findings: &[Finding<'a>]) -> Trouble<'a> {
        let unready = |index: usize| !self.targets[index].readiness.is_ready();
        if let Some(finding) = findings.iter().find(|finding| unready(finding.target)) {
            return Trouble::of(finding);
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
