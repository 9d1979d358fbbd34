//! The watcher's brain: reports in, a verdict out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::concern::Concerns;
use super::finding::Named;
use super::patience::Patience;
use super::report::{Change, Report};
use super::seen::{Key, Seen, SeenObject};
use super::sighting::{Sighting, keep_age};
use super::verdict::Verdict;
use super::{Cause, pod, revision, workload};
use crate::name::ServiceName;
use crate::object::{ObjectError, ObjectRef, ObjectView};
use crate::readiness::{Context, Readiness, judge};

/// How a rollout is waited for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// When the objects were applied, by the clock of whoever waits.
    pub started_at: Timestamp,
    /// How far the cluster's clock is ahead of that one. Reports carry the cluster's time, and those from before the start say nothing about
    /// the run: with clocks that differ unnoticed, new ones would look old or old ones new.
    pub clock_ahead: SignedDuration,
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
        let (clock_ahead, patience) = (SignedDuration::ZERO, BTreeMap::new());
        Settings { started_at, clock_ahead, timeout, first_release: false, patience }
    }
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
    pub(super) settings: Settings,
    pub(super) targets: Vec<Target>,
    pub(super) by_key: BTreeMap<Key, usize>,
    pub(super) seen: Seen,
    pub(super) context: Context,
    pub(super) sightings: BTreeMap<Key, Vec<Sighting>>,
    pub(super) concerns: Concerns,
    pub(super) named: Vec<Named>,
    pub(super) verdict: Verdict,
}

/// An object that is waited for.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) reference: ObjectRef,
    pub(super) key: Key,
    generation: Option<i64>,
    pub(super) patience: Patience,
    pub(super) readiness: Readiness,
    /// A failure that its controller reported before the run, and may yet overcome.
    failed_before: Option<Readiness>,
}

impl Rollout {
    /// Begins to wait for objects as the API server answered them when they were applied, with their UIDs and generations.
    /// No object at all is settled at once.
    pub fn new(applied: Vec<Value>, settings: Settings) -> Result<Rollout, ObjectError> {
        let at = settings.started_at;
        let mut rollout = Rollout {
            seen: Seen::new(at + settings.clock_ahead),
            settings,
            targets: Vec::new(),
            by_key: BTreeMap::new(),
            context: Context::default(),
            sightings: BTreeMap::new(),
            concerns: Concerns::default(),
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
        rollout.begin();
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
            failed_before: None,
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
        self.forget_concerns(&key, ObjectView::new(&object));
        self.seen.store(&key, reference, object);
        Some(key)
    }

    /// An object decides about those below its owner, too: a new ReplicaSet about its siblings, a `ControllerRevision` about pods.
    fn forget_concerns(&mut self, key: &Key, object: ObjectView<'_>) {
        let is_same = self.seen.get(key).is_some_and(|known| revision::same_lineage(known.view(), object));
        if !is_same {
            self.concerns.forget(key);
            object.controller().into_iter().for_each(|owner| self.concerns.forget(&Key::of_uid(owner.uid)));
        }
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
        self.concerns.forget(key);
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

    /// Takes a new list of a kind, after a watch was interrupted: objects of the kind that were seen and are not in the list are gone.
    /// `namespace` is the one that was listed, `None` for all. Hand in the listed objects themselves as [`Change::Added`] first.
    pub fn relisted(
        &mut self,
        at: Timestamp,
        kind: &str,
        namespace: Option<&str>,
        uids: &BTreeSet<String>,
    ) -> &Verdict {
        for report in self.gone(kind, namespace, uids) {
            self.observe(at, report);
        }
        &self.verdict
    }

    /// The deletions that an interrupted watch did not report.
    pub(super) fn gone(&self, kind: &str, namespace: Option<&str>, uids: &BTreeSet<String>) -> Vec<Report> {
        let is_gone = |object: &SeenObject| {
            object.reference.kind == kind
                && namespace.is_none_or(|namespace| object.reference.namespace.as_deref() == Some(namespace))
                && object.view().uid().is_some_and(|uid| !uids.contains(uid))
        };
        let gone = self.seen.objects().filter(|(_, object)| is_gone(object));
        gone.map(|(_, object)| Report::Object { change: Change::Deleted, object: object.value.clone() })
            .collect()
    }

    /// Judges an object anew and reads what it and its events tell.
    pub(super) fn read(&mut self, key: &Key) {
        if let Some(index) = self.by_key.get(key) {
            self.judge_target(*index);
        }
        self.judge_waiting_on_others();
        let mut told = self.told(key);
        let before = self.sightings.remove(key).unwrap_or_default();
        keep_age(&mut told, &before);
        if !told.is_empty() {
            self.sightings.insert(key.clone(), told);
        }
    }

    fn told(&self, key: &Key) -> Vec<Sighting> {
        let Some(object) = self.seen.get(key) else { return Vec::new() };
        let events = self.seen.events(key);
        match object.reference.kind.as_str() {
            "Pod" => pod::read(object, &events),
            "PersistentVolumeClaim" => workload::read_claim(object.view(), &events, &self.context),
            kind if workload::POD_MAKERS.contains(&kind) => workload::read(object, &events),
            _ => Vec::new(),
        }
    }

    /// Judges everything as it was applied. A failure that stood before the run is no answer to it: a Deployment that missed its deadline
    /// yesterday may be what a corrected `ConfigMap` of today repairs. The end of a Job or a pod is one for ever.
    fn begin(&mut self) {
        for index in 0..self.targets.len() {
            let key = self.targets[index].key.clone();
            self.read(&key);
            let target = &mut self.targets[index];
            let ends_for_ever = matches!(target.reference.kind.as_str(), "Job" | "Pod");
            if matches!(target.readiness, Readiness::Failed { .. }) && !ends_for_ever {
                target.failed_before = Some(target.readiness.clone());
                self.judge_target(index);
            }
        }
    }

    fn judge_target(&mut self, index: usize) {
        let Some(object) = self.seen.get(&self.targets[index].key) else { return };
        let readiness = judge(&object.value, &self.context).scrubbed();
        let target = &mut self.targets[index];
        target.readiness = match &target.failed_before {
            Some(before) if *before == readiness => {
                Readiness::progressing(readiness.reason().unwrap_or_default())
            }
            _ => readiness,
        };
    }

    /// Claims and ingresses depend on other objects: a class, a consumer, a sibling.
    fn judge_waiting_on_others(&mut self) {
        for index in 0..self.targets.len() {
            let kind = self.targets[index].reference.kind.as_str();
            if matches!(kind, "PersistentVolumeClaim" | "Ingress") {
                self.judge_target(index);
            }
        }
    }
}
