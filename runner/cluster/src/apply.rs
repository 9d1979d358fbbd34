//! Writing a planned release.
//!
//! Stage by stage in the order of [`ApplyStage`], in parallel within a stage. Definitions and namespaces come first; definitions are waited
//! for, and what could not be checked before is checked then. Objects that are as wanted are not written. The first error ends the stage
//! once the writes under way have ended, and what was written is said.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_core::diagnosis::Report;
use windlass_core::failure::{ClusterFailure, FailureClass};
use windlass_core::object::{ApplyStage, ObjectRef, ObjectView};

use crate::adopt;
use crate::connection::Cluster;
use crate::error::{ClusterError, Request};
use crate::plan::{ApplyOptions, Change, FIELD_MANAGER, Planned, Refusals, Unchecked, explain, object_path};
use crate::read::PARALLEL;
use crate::transport::{Call, Failed};

/// How long a new definition may take to be served. It takes well below a second; a definition that conflicts with another never is.
const ESTABLISHED_WITHIN: Duration = Duration::from_secs(20);

/// How often a server that does not serve a new kind yet is asked: discovery follows the `Established` condition without a word.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// How often taking an object over is tried while others write it.
const TAKE_OVERS: usize = 5;

/// Stands beside an apply: allows each write, and hears of it.
pub trait ApplyHook: Send + Sync {
    /// Asked right before each write; `false` ends the apply. Whatever must be true of a write (the lease is trusted, nobody cancelled) is
    /// looked at here.
    fn may_write(&self, next: &Planned) -> bool;

    /// Told after each write.
    fn written(&self, object: &AppliedObject);
}

/// Allows everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHook;

impl ApplyHook for NoHook {
    fn may_write(&self, _: &Planned) -> bool {
        true
    }

    fn written(&self, _: &AppliedObject) {}
}

/// An object of a release that is as wanted in the cluster.
#[derive(Clone)]
pub struct AppliedObject {
    /// Which object.
    pub reference: ObjectRef,
    /// Its identity.
    pub uid: String,
    /// Its stored state.
    pub resource_version: String,
    /// How often its wish has changed; kinds without a status have none.
    pub generation: Option<i64>,
    /// What was done.
    pub wrote: Wrote,
    /// The object as the API server answered it, from which readiness is judged.
    pub stored: Value,
}

/// The stored object may hold values of a Secret and is left out.
impl fmt::Debug for AppliedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppliedObject")
            .field("reference", &self.reference)
            .field("uid", &self.uid)
            .field("resource_version", &self.resource_version)
            .field("generation", &self.generation)
            .field("wrote", &self.wrote)
            .finish_non_exhaustive()
    }
}

/// What was done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrote {
    /// It was made.
    Created,
    /// It was changed.
    Changed,
    /// It was as wanted.
    Nothing,
}

/// An apply that did not come to its end.
#[derive(Debug)]
pub struct ApplyStopped {
    /// What is as wanted by now, in the order of apply.
    pub applied: Vec<AppliedObject>,
    /// Objects that may or may not have been written: the answer was lost.
    pub unsure: Vec<ObjectRef>,
    /// Why it ended; nothing is wrong when the hook ended it.
    pub refusals: Option<Refusals>,
}

impl ApplyStopped {
    /// Whether the cluster holds something new.
    pub fn has_written(&self) -> bool {
        !self.unsure.is_empty() || self.applied.iter().any(|object| object.wrote != Wrote::Nothing)
    }

    /// What to do about it; `None` when the hook ended it.
    pub fn class(&self) -> Option<FailureClass> {
        self.refusals.as_ref().map(Refusals::class)
    }
}

impl fmt::Display for ApplyStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.refusals {
            Some(refusals) => refusals.fmt(f),
            None => f.write_str("the apply was stopped before its end"),
        }
    }
}

impl std::error::Error for ApplyStopped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.refusals.as_ref().and_then(std::error::Error::source)
    }
}

impl Cluster {
    /// Writes what a plan says, and answers with every object of the release in the order of apply.
    pub async fn apply(
        &self,
        planned: &[Planned],
        hook: &dyn ApplyHook,
    ) -> Result<Vec<AppliedObject>, ApplyStopped> {
        let mut progress = Progress { cluster: self, hook, applied: Vec::new(), unsure: Vec::new() };
        for stage in
            planned.chunk_by(|one, other| one.reference.apply_stage() == other.reference.apply_stage())
        {
            progress.write(stage).await?;
            if stage[0].reference.apply_stage() == ApplyStage::Definitions {
                progress.check_rest(stage, planned).await?;
            }
        }
        Ok(progress.applied)
    }

    /// Writes one object.
    async fn write_planned(&self, planned: &Planned) -> Result<AppliedObject, ClusterError> {
        let reference = &planned.reference;
        let request = Request::of("apply", reference);
        let kind = self.kind(&reference.api_version, &reference.kind, &request).await?;
        let path = object_path(&kind, reference);
        if let Some(live) = planned.live.as_ref().filter(|_| planned.force) {
            self.take_over(reference, live.clone(), &path, &request).await?;
        }
        let path = format!("{path}?fieldManager={FIELD_MANAGER}&force={}", planned.force);
        let call = Call::apply(path, &planned.object, request.clone());
        let stored = match self.transport.try_call(&call).await {
            Ok(answer) => answer.json(&request)?,
            Err(Failed::Status(status)) => {
                return Err(explain(status, planned.live.as_ref(), &planned.object, &request));
            }
            Err(failed) => return Err(failed.into_error(&request)),
        };
        let wrote = if planned.change == Change::Created { Wrote::Created } else { Wrote::Changed };
        Ok(AppliedObject::of(reference, stored, wrote))
    }

    /// Takes the place of `kubectl apply` as the owner of an object, where it is one.
    async fn take_over(
        &self,
        reference: &ObjectRef,
        mut live: Value,
        path: &str,
        request: &Request,
    ) -> Result<(), ClusterError> {
        for _ in 0..TAKE_OVERS {
            let Some(managed_fields) = adopt::taken_over(&live) else { return Ok(()) };
            let call = Call::merge(
                format!("{path}?fieldManager={FIELD_MANAGER}"),
                &adopt::patch(&live, &managed_fields),
                request,
            );
            match self.transport.try_call(&call).await {
                Ok(_) => return Ok(()),
                // Somebody, most often its controller, wrote in between.
                Err(Failed::Status(status)) if status.failure() == ClusterFailure::StaleWrite => {}
                Err(failed) => return Err(failed.into_error(request)),
            }
            match self.get(reference).await? {
                Some(object) => live = object,
                None => return Ok(()),
            }
        }
        let words = "it changes all the time, so that windlass cannot take it over from `kubectl`";
        Err(ClusterError::new(ClusterFailure::StaleWrite, request, words))
    }
}

impl AppliedObject {
    fn of(reference: &ObjectRef, stored: Value, wrote: Wrote) -> AppliedObject {
        let view = ObjectView::new(&stored);
        AppliedObject {
            reference: reference.clone(),
            uid: view.uid().unwrap_or_default().to_owned(),
            resource_version: view.text("/metadata/resourceVersion").unwrap_or_default().to_owned(),
            generation: view.generation(),
            wrote,
            stored,
        }
    }
}

/// How far an apply has come.
struct Progress<'a> {
    cluster: &'a Cluster,
    hook: &'a dyn ApplyHook,
    applied: Vec<AppliedObject>,
    unsure: Vec<ObjectRef>,
}

/// What became of one object of a stage.
enum Step {
    Applied(Box<AppliedObject>),
    Failed(ClusterError),
    /// It was not begun, because something else had failed.
    Left,
}

impl Progress<'_> {
    async fn write(&mut self, stage: &[Planned]) -> Result<(), ApplyStopped> {
        let stop = AtomicBool::new(false);
        let steps: Vec<_> = stage.iter().map(|planned| self.step(planned, &stop).boxed()).collect();
        let steps: Vec<Step> = futures::stream::iter(steps).buffered(PARALLEL).collect().await;
        let mut errors = Vec::new();
        for step in steps {
            match step {
                Step::Applied(object) => self.applied.push(*object),
                Step::Failed(error) => errors.push(error),
                Step::Left => {}
            }
        }
        let lost = errors.iter().filter(|error| error.class() == FailureClass::Transient);
        self.unsure.extend(lost.filter_map(|error| error.object().cloned()));
        if errors.is_empty() && !stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(self.stopped((!errors.is_empty()).then(|| Refusals::new(errors))))
    }

    async fn step(&self, planned: &Planned, stop: &AtomicBool) -> Step {
        if let (Change::Unchanged, Some(live)) = (&planned.change, &planned.live) {
            return Step::Applied(Box::new(AppliedObject::of(
                &planned.reference,
                live.clone(),
                Wrote::Nothing,
            )));
        }
        if stop.load(Ordering::Relaxed) || !self.hook.may_write(planned) {
            stop.store(true, Ordering::Relaxed);
            return Step::Left;
        }
        match self.cluster.write_planned(planned).await {
            Ok(object) => {
                self.hook.written(&object);
                Step::Applied(Box::new(object))
            }
            Err(error) => {
                stop.store(true, Ordering::Relaxed);
                Step::Failed(error)
            }
        }
    }

    /// Waits for new definitions, then checks what could not be checked without them.
    async fn check_rest(&mut self, definitions: &[Planned], planned: &[Planned]) -> Result<(), ApplyStopped> {
        let unchecked: Vec<&Planned> = planned.iter().filter(|planned| planned.unchecked.is_some()).collect();
        if unchecked.is_empty() && !definitions.iter().any(is_new_definition) {
            return Ok(());
        }
        let wait = async {
            for definition in definitions.iter().filter(|planned| is_new_definition(planned)) {
                self.established(&definition.reference).await;
            }
            for planned in unchecked.iter().filter(|planned| comes_with_definition(planned)) {
                self.served(&planned.reference).await?;
            }
            Ok::<(), ClusterError>(())
        };
        match tokio::time::timeout(ESTABLISHED_WITHIN, wait).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.stopped(Some(Refusals::from(error)))),
            Err(_) => return Err(self.stopped(Some(Refusals::from(not_established(definitions))))),
        }
        self.check(&unchecked).await.map_err(|refusals| self.stopped(Some(refusals)))
    }

    async fn check(&self, unchecked: &[&Planned]) -> Result<(), Refusals> {
        let objects: Vec<Value> = unchecked.iter().map(|planned| planned.object.clone()).collect();
        let planned = self.cluster.dry_run(&objects, &ApplyOptions::default()).await?;
        self.cluster.dry_run_pods(&planned).await?;
        Ok(())
    }

    async fn established(&self, definition: &ObjectRef) {
        let mut reports = self.cluster.watch(std::slice::from_ref(definition));
        while let Some(report) = reports.next().await {
            if matches!(&report, Report::Object { object, .. } if ObjectView::new(object).is("Established")) {
                return;
            }
        }
    }

    async fn served(&self, reference: &ObjectRef) -> Result<(), ClusterError> {
        let request = Request::of("apply", reference);
        loop {
            match self.cluster.kind(&reference.api_version, &reference.kind, &request).await {
                Ok(_) => return Ok(()),
                Err(error) if error.failure() == ClusterFailure::UnknownKind => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    fn stopped(&mut self, refusals: Option<Refusals>) -> ApplyStopped {
        ApplyStopped {
            applied: std::mem::take(&mut self.applied),
            unsure: std::mem::take(&mut self.unsure),
            refusals,
        }
    }
}

fn is_new_definition(planned: &Planned) -> bool {
    planned.reference.kind == "CustomResourceDefinition" && planned.is_write()
}

fn comes_with_definition(planned: &Planned) -> bool {
    matches!(planned.unchecked, Some(Unchecked::DefinitionComes(_)))
}

fn not_established(definitions: &[Planned]) -> ClusterError {
    let definition = definitions.iter().find(|planned| is_new_definition(planned)).unwrap_or(&definitions[0]);
    let words = format!("the cluster did not serve it within {} s", ESTABLISHED_WITHIN.as_secs());
    let hint = format!("see its conditions with `kubectl describe crd {}`", definition.reference.name);
    ClusterError::new(ClusterFailure::Invalid, &Request::of("establish", &definition.reference), words)
        .with_hint(hint)
}
