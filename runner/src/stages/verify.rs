//! Verify: the cluster holds our release and it stays well.
//!
//! Takes: a settled release. Gives: the outcome. Touches: nothing in the cluster. May be repeated because it only looks. On failure: rolled back
//! like a wait that failed, because a pod that dies after it was ready is no better than one that never was.

use std::time::Duration;

use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_core::diagnosis::Settings;
use windlass_core::object::ObjectView;
use windlass_core::run::{Outcome, Stage, Trigger};

use super::apply::ApplyRecord;
use super::wait::{Settled, diagnosed, settings};
use crate::rollout::Watching;
use crate::run::Run;
use crate::secrets::DIGEST_ANNOTATION;
use crate::stop::{Cause, Stop};

/// What the journal keeps of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyRecord {
    /// Objects that were read back and are ours.
    pub objects: usize,
    /// How long they were watched after they were ready; not at all when nothing was written.
    pub soaked: Duration,
}

/// Performs the stage and ends the run.
pub async fn verify(run: &mut Run, settled: Settled) -> Result<Outcome, Stop> {
    let Settled { applied, watching } = settled;
    let soak = if applied.record.was_live { Duration::ZERO } else { run.engine.config.verify.soak };
    let settings = settings(run, applied.rendered.gated.policy(run)?, Stage::Apply);
    let record = applied.record.clone();
    let mut watching = watching;
    run.step(Stage::Verify, Value::Null, move |run| {
        run.through_outages(move |run| {
            let (watching, record, settings) = (watching.take(), record.clone(), settings.clone());
            async move {
                if !soak.is_zero() {
                    look_on(run, watching, &record, settings, soak).await?;
                }
                let objects = read_back(run, &record).await?;
                Ok(VerifyRecord { objects, soaked: soak })
            }
            .boxed()
        })
        .boxed()
    })
    .await?;
    if run.row().trigger == Trigger::Rollback {
        bar_what_was_left(run).await?;
    }
    run.end_verified().await?;
    Ok(Outcome::Verified)
}

/// Watches the release for a while longer. Whoever takes the run up here waits for the release first.
async fn look_on(
    run: &mut Run,
    watching: Option<Watching>,
    record: &ApplyRecord,
    settings: Settings,
    soak: Duration,
) -> Result<(), Stop> {
    let mut watching = match watching {
        Some(watching) => watching,
        None => Watching::open(run.cluster().await?, &record.inventory, settings, false).await?,
    };
    let seen = match watching.until_settled(run).await {
        Ok(()) => watching.soak(run, soak).await,
        unsettled => unsettled,
    };
    match seen {
        Ok(()) => Ok(()),
        Err(diagnosis) => Err(Stop::Fail(diagnosed(run, *diagnosis, record).await)),
    }
}

/// Every object of the release is there, is the very one that was applied, and carries our digest.
async fn read_back(run: &mut Run, record: &ApplyRecord) -> Result<usize, Stop> {
    let cluster = run.cluster().await?;
    let references: Vec<_> = record.inventory.iter().map(|item| item.object.clone()).collect();
    let found = cluster.read_back(&references).await?;
    for (item, object) in record.inventory.iter().zip(&found) {
        let is_ours = object.as_ref().map(ObjectView::new).is_some_and(|view| {
            view.uid() == Some(item.uid.as_str())
                && view.annotation(DIGEST_ANNOTATION) == Some(item.digest.as_str())
        });
        if !is_ours {
            let text = format!(
                "`{:#}` is not what was applied: somebody replaced or changed it meanwhile",
                item.object
            );
            return Err(Stop::Fail(Cause::new("changed_meanwhile", text).into()));
        }
    }
    Ok(found.len())
}

/// The commit that a person went back from must not return by itself with the next event.
async fn bar_what_was_left(run: &Run) -> Result<(), Stop> {
    let releases = run.engine.store.releases(run.environment()).await?;
    let left =
        releases.iter().rev().find(|release| release.run != run.id() && release.commit != *run.commit());
    if let Some(left) = left {
        let reason = format!("{} went back from it", run.id());
        run.engine.store.bar(run.environment(), &left.commit, run.id(), &reason, run.engine.now()).await?;
    }
    Ok(())
}
