//! A run in the hands of a worker: its journal, its claim, and the one way to perform a stage.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use tracing::{Instrument as _, Span};
use windlass_cluster::{AppliedObject, ApplyHook, Cluster, Planned};
use windlass_core::failure::FailureClass;
use windlass_core::name::{Commit, Digest, EnvironmentName, RunId, ServiceName};
use windlass_core::object::ObjectRef;
use windlass_core::policy::control::EnvironmentPolicy;
use windlass_core::provider::Kubeconfig;
use windlass_core::release::{NoTarget, Release};
use windlass_core::run::{Outcome, RunState, Stage, Step, Trigger};
use windlass_store::{Change, Claim, Hold, Lease, Reason, RunRow, StageRecord, StoreError, Waker};

use crate::engine::Engine;
use crate::journal;
use crate::rollout::Watching;
use crate::secrets::{Redactor, SecretValue};
use crate::stages::apply::{Intent, Interrupted};
use crate::stages::gate::unknown_environment;
use crate::stages::render::{ReleaseContent, RenderRecord, load, service_of};
use crate::stop::{Cause, Failure, Held, Stop};
use crate::telemetry::trace;
use crate::worker::CLAIM_TTL;

/// A claim is trusted five seconds less than it holds, so that a write that was allowed has ended when somebody else may begin.
const TRUSTED_FOR: Duration = CLAIM_TTL.saturating_sub(Duration::from_secs(5));

/// A held run that nobody lets go on ends after thirty days.
const HELD_AT_MOST: jiff::SignedDuration = jiff::SignedDuration::from_hours(30 * 24);

/// A run that this process carries.
#[derive(Debug)]
pub struct Run {
    /// What the run works with.
    pub engine: Arc<Engine>,
    /// The right to write in the run's name.
    pub(crate) claim: Claim,
    /// The environment lease, once the run executes.
    pub(crate) lease: Option<Lease>,
    /// Knows every secret value that was looked up, so that no text from outside carries one further.
    pub(crate) redactor: Redactor,
    values: Vec<SecretValue>,
    /// The watch that saw the release become ready, on its way from wait to verify.
    pub(crate) watching: Option<Watching>,
    /// The way into a cluster that was tried, on its way from verify to publish.
    pub(crate) kubeconfig: Option<Kubeconfig>,
    /// Whether this process has written objects in the run's name.
    pub(crate) has_written: bool,
    /// What an apply wrote before the cluster fell silent.
    pub(crate) interrupted: Interrupted,
    journal: Vec<StageRecord>,
    cluster: Option<Cluster>,
    trusted_until: watch::Sender<Instant>,
    /// What is traced of the run as long as this process carries it.
    span: Span,
}

/// How a stage that did not succeed is kept in the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ended {
    /// The release is not good: this is the stage's final answer.
    Failed(Failure),
    /// The stage could not be performed and is tried again.
    Later(Cause),
    /// The stage found that the run may not go on.
    Refused(Cause),
}

impl Run {
    /// Takes a claimed run up, with what its journal says.
    pub async fn take_up(engine: Arc<Engine>, claim: Claim) -> Result<Self, Stop> {
        let journal = journal::load(&engine.store, claim.run.id).await?;
        Ok(Self {
            engine,
            claim,
            lease: None,
            redactor: Redactor::new([]),
            values: Vec::new(),
            watching: None,
            kubeconfig: None,
            has_written: false,
            interrupted: Interrupted::default(),
            journal,
            cluster: None,
            trusted_until: watch::Sender::new(Instant::now() + TRUSTED_FOR),
            span: Span::current(),
        })
    }

    /// The run as stored.
    pub fn row(&self) -> &RunRow {
        &self.claim.run
    }

    /// Its identity.
    pub fn id(&self) -> RunId {
        self.claim.run.id
    }

    /// Where it deploys to.
    pub fn environment(&self) -> &EnvironmentName {
        &self.claim.run.environment
    }

    /// What it deploys.
    pub fn commit(&self) -> &Commit {
        &self.claim.run.commit
    }

    /// The journal's attempts at a stage since the run was last woken, oldest first. What was meant before a pause counts no more: other runs
    /// may have changed what is live.
    pub fn attempts(&self, stage: Stage) -> impl DoubleEndedIterator<Item = &StageRecord> {
        let round = self.row().round;
        self.journal.iter().filter(move |record| record.stage == stage && record.round == round)
    }

    /// Performs a stage once: writes the intent, performs the effect, writes the result. A stage that has ended before answers from the
    /// journal, also when it ended badly; one that was cut off is performed again.
    pub async fn step<T, Effect>(&mut self, stage: Stage, intent: Value, effect: Effect) -> Result<T, Stop>
    where
        T: Serialize + DeserializeOwned,
        Effect: for<'run> FnOnce(&'run mut Self) -> BoxFuture<'run, Result<T, Stop>> + Send,
    {
        if let Some(ended) = self.ended(stage) {
            return ended;
        }
        if self.engine.is_halted() {
            return Err(Stop::Interrupted);
        }
        self.engine.store.begin_stage(&mut self.claim, stage, &intent, self.engine.now()).await?;
        self.journal = journal::load(&self.engine.store, self.id()).await?;
        let span = trace::stage_span(stage, self.row());
        let result = effect(self).instrument(span.clone()).await;
        trace::end_stage(&span, result.as_ref().err().filter(|stop| stop.is_failure()).map(Stop::code));
        drop(span);
        match result {
            Ok(value) => {
                let plain = serde_json::to_value(&value).expect("a stage's result is plain data");
                let kept = journal::put(&self.engine.store, plain).await?;
                self.engine.store.finish_stage(&mut self.claim, stage, &kept, self.engine.now()).await?;
                self.journal = journal::load(&self.engine.store, self.id()).await?;
                Ok(value)
            }
            Err(stop) => {
                let stop = self.redact(stop);
                self.record_stop(stage, &stop).await?;
                Err(stop)
            }
        }
    }

    /// What the journal says of a stage that has ended in this pass of the run.
    fn ended<T: DeserializeOwned>(&self, stage: Stage) -> Option<Result<T, Stop>> {
        let reached = match self.row().state {
            RunState::At(current) => current >= stage,
            // Prepared: both stages of the first half have ended.
            RunState::Ready => !stage.is_execute(),
            RunState::Queued | RunState::Held | RunState::Ended(_) => false,
        };
        let latest = self.attempts(stage).next_back().filter(|_| reached)?;
        if let Some(result) = &latest.result {
            // A result that this binary cannot read is performed again: stages are idempotent.
            return serde_json::from_value(result.clone()).ok().map(Ok);
        }
        match serde_json::from_value(latest.error.clone()?).ok()? {
            Ended::Failed(failure) => Some(Err(Stop::Fail(failure))),
            Ended::Later(_) | Ended::Refused(_) => None,
        }
    }

    /// Whether a stage has ended in this pass of the run, well or badly.
    pub fn has_ended(&self, stage: Stage) -> bool {
        self.ended::<Value>(stage).is_some()
    }

    async fn record_stop(&mut self, stage: Stage, stop: &Stop) -> Result<(), Stop> {
        let ended = match stop {
            Stop::Fail(failure) => Ended::Failed(failure.clone()),
            Stop::Later(cause) => Ended::Later(cause.clone()),
            Stop::Refuse(cause) => Ended::Refused(cause.clone()),
            _ => return Ok(()),
        };
        let plain = serde_json::to_value(ended).expect("a failure is plain data");
        let error = journal::put(&self.engine.store, plain).await?;
        self.engine.store.fail_stage(&mut self.claim, stage, &error, self.engine.now()).await?;
        self.journal = journal::load(&self.engine.store, self.id()).await?;
        Ok(())
    }

    /// Removes secret values from what is about to be kept and shown, and names the way into the cluster where that is what failed.
    fn redact(&self, stop: Stop) -> Stop {
        let clean = |cause: Cause| {
            let mut cause = self.engine.with_way(self.environment(), cause);
            cause.text = self.redactor.redact(&cause.text).into_owned();
            cause.hints = cause.hints.iter().map(|hint| self.redactor.redact(hint).into_owned()).collect();
            cause
        };
        match stop {
            Stop::Refuse(cause) => Stop::Refuse(clean(cause)),
            Stop::Later(cause) => Stop::Later(clean(cause)),
            Stop::Fail(failure) => Stop::Fail(Failure { cause: clean(failure.cause), ..failure }),
            other => other,
        }
    }

    /// The environment's cluster; connected once for the run.
    pub async fn cluster(&mut self) -> Result<Cluster, Stop> {
        if let Some(cluster) = &self.cluster {
            return Ok(cluster.clone());
        }
        let cluster = self.engine.connect(&self.claim.run.environment, &self.claim.run.commit).await?;
        self.cluster = Some(cluster.clone());
        Ok(cluster)
    }

    /// Stops here if a person has cancelled the run; asked before the first write.
    pub async fn check_cancelled(&self) -> Result<(), Stop> {
        match self.engine.store.run(self.id()).await?.cancelled_by {
            Some(by) => {
                let text = format!("cancelled by {by} before anything was written");
                Err(Stop::Yield(Outcome::Cancelled, Cause::new("cancelled", text)))
            }
            None => Ok(()),
        }
    }

    /// Remembers secret values, to take them out of every text from now on.
    pub fn learn(&mut self, values: &[SecretValue]) {
        self.values.extend(values.iter().cloned());
        self.redactor = Redactor::new(&self.values);
    }

    /// Whether the run has begun to touch the cluster.
    pub fn has_executed(&self) -> bool {
        matches!(self.row().state, RunState::At(stage) if stage.is_execute())
    }

    /// Says that only the environment lease is missing.
    pub async fn advance_to_ready(&mut self) -> Result<(), Stop> {
        if self.row().state == RunState::Ready {
            return Ok(());
        }
        Ok(self.engine.store.advance(&mut self.claim, Step::Prepared, self.engine.now()).await?)
    }

    /// Takes the environment lease, or stops until the run that has it is done.
    pub async fn take_lease(&mut self) -> Result<(), Stop> {
        let lease = self.engine.store.acquire_lease(&mut self.claim, 0, self.engine.now(), CLAIM_TTL).await?;
        self.lease = Some(lease.ok_or(Stop::Busy)?);
        Ok(())
    }

    /// The lease's epoch, raised above the one that the cluster has seen: a store that was restored from a copy is behind the cluster.
    pub async fn epoch_above(&mut self, seen: u64) -> Result<u64, Stop> {
        let epoch = self.lease.as_ref().map_or(0, |lease| lease.epoch);
        if epoch > seen {
            return Ok(epoch);
        }
        let lease =
            self.engine.store.acquire_lease(&mut self.claim, seen, self.engine.now(), CLAIM_TTL).await?;
        let lease = lease.ok_or(Stop::Busy)?;
        let epoch = lease.epoch;
        self.lease = Some(lease);
        Ok(epoch)
    }

    /// Remembers which release this run is about to apply.
    pub async fn record_release(&mut self, digest: &Digest) -> Result<(), Stop> {
        Ok(self
            .engine
            .store
            .write_run(&mut self.claim, &[Change::Release(digest)], self.engine.now())
            .await?)
    }

    /// Whether the run was parked until its time ran out.
    pub fn has_expired(&self) -> bool {
        self.row().state == RunState::Queued
            && self.row().woken.as_ref().is_some_and(|woken| woken.by == Waker::Expired)
    }

    /// Whether what is live is not good: this run goes back, or mends a release that failed.
    pub async fn follows_a_failure(&self) -> Result<bool, Stop> {
        let releases = self.engine.store.releases(self.environment()).await?;
        let before = releases.iter().rev().find(|release| release.run != self.id());
        // What a rollback returned to was verified by the run that applied it first.
        let is_good =
            |live: &Release| releases.iter().any(|known| known.verified && known.digest == live.digest);
        Ok(self.row().trigger == Trigger::Rollback || before.is_some_and(|live| !is_good(live)))
    }

    /// The files that differ from the release before; none where the repository does not have both.
    pub async fn files_since_last_release(&self) -> Option<BTreeSet<String>> {
        let releases = self.engine.store.releases(self.environment()).await.ok()?;
        let before = releases.iter().rev().find(|release| release.run != self.id())?;
        let files = self.engine.source.changed_files(Some(&before.commit), self.commit()).ok()?;
        Some(files.into_iter().map(|file| file.path).collect())
    }

    /// Whether there is nothing to return to.
    pub fn is_first_release(&self) -> bool {
        let intent = self.attempts(Stage::Apply).next().map(|first| first.intent.clone());
        let intent = intent.and_then(|intent| serde_json::from_value::<Intent>(intent).ok());
        intent.is_none_or(|intent| intent.none_because == Some(NoTarget::FirstRelease))
    }

    /// The policy of the run's environment.
    pub fn policy(&self) -> Result<EnvironmentPolicy, Stop> {
        let control = self.engine.control(self.commit()).map_err(Stop::Refuse)?;
        let policy = control.environments.get(self.environment());
        policy
            .cloned()
            .ok_or_else(|| Stop::Refuse(unknown_environment(&control, self.environment().as_str())))
    }

    /// The release that this run rendered.
    pub async fn release(&self) -> Result<Option<ReleaseContent>, Stop> {
        let Some(Ok(record)) = self.ended::<RenderRecord>(Stage::Render) else { return Ok(None) };
        load(self, &record.digest).await.map(Some)
    }

    /// The service that owns an object of the release.
    pub async fn service_of(&self, object: &ObjectRef) -> Option<ServiceName> {
        let release = self.release().await.ok()??;
        let found = release.objects.iter().find(|rendered| {
            ObjectRef::of(&rendered.object)
                .is_ok_and(|own| own.kind == object.kind && own.name == object.name)
        })?;
        service_of(&found.object)?.parse().ok()
    }

    /// What may be looked at before each write: a run that no longer owns itself writes nothing more.
    pub fn hook(&self) -> WriteHook {
        WriteHook { trusted_until: self.trusted_until.clone() }
    }

    /// Keeps the claim and the lease while the run is carried; ends only when they are lost.
    pub fn heartbeat(&self) -> impl Future<Output = StoreError> + use<> {
        let (store, engine, mut claim) =
            (self.engine.store.clone(), Arc::clone(&self.engine), self.claim.clone());
        let trusted_until = self.trusted_until.clone();
        async move {
            loop {
                tokio::time::sleep(CLAIM_TTL / 3).await;
                let asked = Instant::now();
                match store.renew(&mut claim, engine.now(), CLAIM_TTL).await {
                    Ok(()) => trusted_until.send_replace(asked + TRUSTED_FOR),
                    Err(error) if error.class() == FailureClass::Transient => continue,
                    Err(error) => return error,
                };
            }
        }
    }

    /// Parks the run.
    pub async fn hold(&mut self, held: Held) -> Result<(), StoreError> {
        let expires = self.engine.now() + HELD_AT_MOST;
        let text = self.redactor.redact(&held.text).into_owned();
        trace::hold_run(&self.span, &held.code);
        let parked =
            Hold { code: held.code, text, due: held.due, expires: Some(expires), digest: held.digest };
        self.engine.store.hold(&mut self.claim, parked, self.engine.now()).await
    }

    /// How often the stage that the run is in was tried in vain, this time included.
    pub fn tries(&self) -> u32 {
        let RunState::At(stage) = self.row().state else { return 1 };
        let attempts = self.journal.iter().filter(|record| record.stage == stage);
        let failed =
            attempts.rev().take_while(|attempt| attempt.result.is_none() && attempt.error.is_some()).count();
        u32::try_from(failed).unwrap_or(u32::MAX).max(1)
    }

    /// Ends the run. Of a cluster that could not be made, an event tells.
    pub async fn end(&mut self, outcome: Outcome, cause: Cause) -> Result<(), StoreError> {
        let text = self.redactor.redact(&cause.to_text()).into_owned();
        let reason = Reason { text, code: cause.code.clone() };
        trace::end_run(&self.span, outcome, &reason.code);
        let failed = crate::clusters::failed_event(&self.engine, self.row(), outcome, &cause);
        let mut changes = vec![Change::End(outcome, reason)];
        changes.extend(failed.as_ref().map(Change::Emit));
        self.engine.store.write_run(&mut self.claim, &changes, self.engine.now()).await
    }

    /// Ends a run whose release failed.
    pub async fn end_with(&mut self, outcome: Outcome, failure: Failure) -> Result<(), Stop> {
        Ok(self.end(outcome, failure.cause).await?)
    }

    /// Ends the run as verified; from now on its release is one to return to.
    pub async fn end_verified(&mut self) -> Result<(), Stop> {
        let reason = Reason::new("verified", "every object is ready and carries this release");
        self.end_well(&[Change::Verified], reason).await.map(drop)
    }

    /// Ends the run well, together with what must become true at just that moment.
    pub async fn end_well(&mut self, with: &[Change<'_>], reason: Reason) -> Result<Outcome, Stop> {
        trace::end_run(&self.span, Outcome::Verified, &reason.code);
        let mut changes = with.to_vec();
        changes.push(Change::End(Outcome::Verified, reason));
        self.engine.store.write_run(&mut self.claim, &changes, self.engine.now()).await?;
        Ok(Outcome::Verified)
    }

    /// Marks the environment for a person to look at.
    pub async fn flag_attention(&self, cause: &Cause) -> Result<(), StoreError> {
        self.engine
            .store
            .flag_attention(self.environment(), &self.redactor.redact(&cause.text), self.engine.now())
            .await
    }

    /// Lets go of the run as it is.
    pub async fn give_back(self) -> Result<(), StoreError> {
        self.engine.store.release(self.claim).await
    }
}

/// The failure that a stage's record holds, if it ended with one.
pub fn failure_of(record: &StageRecord) -> Option<Failure> {
    match serde_json::from_value(record.error.clone()?).ok()? {
        Ended::Failed(failure) => Some(failure),
        Ended::Later(_) | Ended::Refused(_) => None,
    }
}

/// Looked at before each write to the cluster.
#[derive(Debug)]
pub struct WriteHook {
    trusted_until: watch::Sender<Instant>,
}

impl ApplyHook for WriteHook {
    fn may_write(&self, _: &Planned) -> bool {
        windlass_store::kill_point("apply.write.before");
        Instant::now() < *self.trusted_until.borrow()
    }

    fn written(&self, _: &AppliedObject) {
        windlass_store::kill_point("apply.write.after");
    }
}
