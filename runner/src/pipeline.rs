//! gate, render, secrets, apply, wait, verify or roll back.

use windlass_core::run::Outcome;

use crate::run::Run;
use crate::stages::{apply, gate, render, rollback, secrets, verify, wait};
use crate::stop::Stop;

/// Carries a run to its end, or to where it has to wait.
///
/// A run that was carried before is carried again in just this way: finished stages answer from its journal.
pub async fn carry(run: &mut Run) -> Result<Outcome, Stop> {
    match deploy(run).await {
        Err(Stop::Fail(failure)) => rollback::roll_back(run, failure).await,
        outcome => outcome,
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
