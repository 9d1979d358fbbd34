//! gate, render, secrets, apply, wait, verify or roll back; of a cluster: gate, plan, ensure, verify, publish.

use windlass_core::run::{Outcome, RunKind};

use crate::run::Run;
use crate::stages::cluster::{ensure, plan, publish, remove};
use crate::stages::{apply, cluster, gate, render, rollback, secrets, verify, wait};
use crate::stop::Stop;

/// Carries a run to its end, or to where it has to wait.
///
/// A run that was carried before is carried again in just this way: finished stages answer from its journal.
pub async fn carry(run: &mut Run) -> Result<Outcome, Stop> {
    match run.row().kind {
        RunKind::Deploy => match deploy(run).await {
            Err(Stop::Fail(failure)) => rollback::roll_back(run, failure).await,
            outcome => outcome,
        },
        RunKind::Cluster => make_cluster(run).await,
        RunKind::Removal => remove_cluster(run).await,
    }
}

async fn deploy(run: &mut Run) -> Result<Outcome, Stop> {
    let gated = gate::pass(run).await?;
    let rendered = render::render(run, gated).await?;
    let admitted = gate::admit(run, rendered).await?;
    let sealed = secrets::seal(run, admitted).await?;
    let applied = apply::apply(run, sealed).await?;
    let settled = wait::settle(run, applied).await?;
    verify::verify(run, settled).await
}

async fn make_cluster(run: &mut Run) -> Result<Outcome, Stop> {
    let gated = gate::pass(run).await?;
    let planned = plan::plan(run, gated).await?;
    let admitted = gate::admit(run, planned).await?;
    let made = ensure::ensure(run, admitted).await?;
    let verified = cluster::verify::verify(run, made).await?;
    publish::publish(run, verified).await
}

async fn remove_cluster(run: &mut Run) -> Result<Outcome, Stop> {
    let gated = gate::pass(run).await?;
    let planned = plan::plan(run, gated).await?;
    let admitted = gate::admit(run, planned).await?;
    remove::remove(run, admitted).await
}
