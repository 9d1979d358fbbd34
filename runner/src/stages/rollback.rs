//! Rollback: return to the release that was recorded before anything was written.
//!
//! Takes: a release that failed. Gives: the outcome. Touches: the cluster, like an apply, and the pods that keep a StatefulSet from going back.
//! May be repeated because it applies the same recorded release. On failure: the run is stuck and a person must look.

use std::sync::Arc;

use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use windlass_core::name::{Digest, RunId};
use windlass_core::object::ObjectRef;
use windlass_core::policy::control::EnvironmentPolicy;
use windlass_core::run::{Outcome, Stage};

use super::apply::{self, Intent, Wanted};
use super::render::load;
use super::secrets::fill_for;
use super::wait::settings;
use crate::rollout::Watching;
use crate::run::Run;
use crate::stop::{Failure, Stop};

/// What the journal keeps of a rollback.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RollbackRecord {
    /// The release that serves again.
    pub to: RunId,
    /// How many objects were written on the way back.
    pub written: usize,
    /// Objects that the failed release had added, now removed.
    pub pruned: Vec<ObjectRef>,
}

/// Returns to the recorded release, if there is one and the policy asks for it, and ends the run.
pub async fn roll_back(run: &mut Run, failure: Failure) -> Result<Outcome, Stop> {
    let intent = run.attempts(Stage::Apply).next().map(|first| first.intent.clone());
    let intent: Intent = intent
        .and_then(|intent| serde_json::from_value(intent).ok())
        .expect("a release that failed was applied with an intent");
    let policy = run.policy()?;
    let Some(digest) = intent.digest.clone() else {
        let none = intent.none_because.map_or_else(String::new, |none| none.to_string());
        return end_failed(run, failure, &none).await;
    };
    if !is_wanted(&policy, &failure) {
        return end_failed(
            run,
            failure,
            "the policy does not ask for a rollback (`rollback_on_failure: false`)",
        )
        .await;
    }
    let to = intent.rollback_to.expect("a digest to return to comes with its run");
    let journalled = serde_json::to_value(&intent).expect("an intent is plain data");
    let returned = run
        .step(Stage::Rollback, journalled, move |run| {
            run.through_outages(move |run| return_to(run, to, digest.clone(), policy.clone()).boxed()).boxed()
        })
        .await;
    match returned {
        Ok(record) => end_rolled_back(run, failure, &record).await,
        Err(stop @ (Stop::Store(_) | Stop::Interrupted)) => Err(stop),
        Err(stop) => end_stuck(run, failure, &stop).await,
    }
}

/// Whether the service that failed is to be rolled back; where none is to blame, whether any is.
fn is_wanted(policy: &EnvironmentPolicy, failure: &Failure) -> bool {
    let blamed = failure.service.as_ref().and_then(|name| policy.services.get(name));
    match blamed {
        Some(service) => service.rollback_on_failure.value,
        None => policy.services.values().any(|service| service.rollback_on_failure.value),
    }
}

async fn return_to(
    run: &mut Run,
    to: RunId,
    digest: Digest,
    policy: EnvironmentPolicy,
) -> Result<RollbackRecord, Stop> {
    let release = Arc::new(load(run, &digest).await?);
    let objects = fill_for(run, &release).await?.0;
    let record = apply::write(run, Wanted { objects, digest, release, policy: policy.clone() }).await?;
    let settings = settings(run, &policy, Stage::Rollback);
    let mut watching = Watching::open(run.cluster().await?, &record.inventory, settings, true).await?;
    match watching.until_settled(run).await {
        Ok(()) => Ok(RollbackRecord { to, written: record.written.len(), pruned: record.pruned }),
        Err(diagnosis) => Err(Stop::Fail(super::wait::diagnosed(run, *diagnosis, &record).await)),
    }
}

async fn end_rolled_back(
    run: &mut Run,
    mut failure: Failure,
    record: &RollbackRecord,
) -> Result<Outcome, Stop> {
    let (environment, commit, id) = (run.environment().clone(), run.commit().clone(), run.id());
    run.engine
        .store
        .bar(
            &environment,
            &commit,
            id,
            &format!("{id} rolled it back: {}", failure.cause.text),
            run.engine.now(),
        )
        .await?;
    failure.say(format!("rolled back to the release of {}; every object is ready", record.to));
    failure.say(format!(
        "{} is barred from {environment} until a newer commit arrives, or `windlass resume -e {environment}`",
        commit.short()
    ));
    run.end_with(Outcome::RolledBack, failure).await?;
    Ok(Outcome::RolledBack)
}

async fn end_failed(run: &mut Run, mut failure: Failure, why_not: &str) -> Result<Outcome, Stop> {
    failure.say(format!("not rolled back: {why_not}"));
    run.end_with(Outcome::Failed, failure).await?;
    Ok(Outcome::Failed)
}

/// The way back failed too: nothing automatic may touch the environment until a person has looked.
async fn end_stuck(run: &mut Run, mut failure: Failure, stop: &Stop) -> Result<Outcome, Stop> {
    let why = stop.text();
    failure.say(format!("the rollback failed: {why}"));
    run.end_with(Outcome::Stuck, failure).await?;
    Ok(Outcome::Stuck)
}
