//! What people decide, whichever way they say it: on the command line or over HTTP. Whether a decision counts is the gate's to judge.

use windlass_core::name::{Digest, EnvironmentName, RunId};
use windlass_core::policy::gate::HoldKind;
use windlass_core::run::RunState;
use windlass_store::{Approval, Decision, Freeze, RunRow, StoreError};

use crate::engine::Engine;
use crate::stop::Cause;

/// What somebody says about a run.
#[derive(Debug, Clone)]
pub struct Said {
    /// Who.
    pub by: String,
    /// Yes or no.
    pub decision: Decision,
    /// Why.
    pub reason: Option<String>,
    /// The render that they looked at; none stands for the one that the run is held for.
    pub about: Option<Digest>,
}

/// Records a decision about what was rendered when the run was held. It stays with the run to its end.
///
/// Saying the same again changes nothing and is no error: the answer to the first time may have been lost.
pub async fn about_run(engine: &Engine, id: RunId, said: Said) -> Result<(), Cause> {
    let row = engine.store.run(id).await?;
    let before = engine.store.approvals(id).await?.into_iter().find(|approval| {
        approval.approver == said.by && said.about.as_ref().is_none_or(|about| *about == approval.digest)
    });
    let Some(digest) = row.hold.as_ref().and_then(|hold| hold.digest.clone()) else {
        return match before {
            Some(before) if before.decision == said.decision => Ok(()),
            _ => Err(not_waiting(&row)),
        };
    };
    if let Some(about) = said.about.filter(|about| *about != digest) {
        let text = format!(
            "`{id}` waits for an approval of {}, and not of {}: it was rendered anew",
            digest.short(),
            about.short()
        );
        return Err(Cause::new("stale_approval", text)
            .with_hint(format!("look at it again: `windlass runs show {id}`")));
    }
    if let Some(before) = before.filter(|before| before.digest == digest && before.decision != said.decision)
    {
        let text = format!("{} has decided on `{id}` before, and that stands", before.approver);
        return Err(
            Cause::new("decided", text).with_hint(format!("see who decided what: `windlass runs show {id}`"))
        );
    }
    let approval = Approval {
        approver: said.by,
        decision: said.decision,
        digest,
        reason: said.reason,
        at: engine.now(),
    };
    engine.store.approve(id, &approval).await?;
    Ok(())
}

/// The refusal of a decision about a run that waits for none.
fn not_waiting(row: &RunRow) -> Cause {
    let (id, environment) = (row.id, &row.environment);
    let hint = match (row.state, row.superseded_by) {
        (RunState::Ended(_), Some(newer)) => {
            format!("a newer run took its place: `windlass runs show {newer}`")
        }
        (RunState::Ended(_), None) => format!(
            "it has ended: see why with `windlass runs explain {id}`, and ask anew with `windlass deploy -e {environment}`"
        ),
        (RunState::Held, _) => format!("see what it waits for: `windlass runs show {id}`"),
        _ => format!("it is on its way: follow it with `windlass runs watch {id}`"),
    };
    Cause::new("not_waiting", format!("`{id}` is {} and waits for no approval", row.state)).with_hint(hint)
}

/// Stops runs of an environment: automatic ones, or with a freeze all but rollbacks. A pause does not take the place of a freeze, which stops more.
pub async fn stand_still(
    engine: &Engine,
    environment: &EnvironmentName,
    freeze: &Freeze,
) -> Result<(), Cause> {
    let now = engine.now();
    if freeze.until.is_some_and(|until| until <= now) {
        return Err(Cause::new("usage", "the time until which it is to stand still lies in the past")
            .with_hint("name a time that is to come"));
    }
    let standing = engine.store.environment(environment).await?.frozen.filter(|standing| standing.is_on(now));
    match standing {
        Some(standing) if freeze.kind == HoldKind::Pause && standing.kind == HoldKind::Freeze => {
            let text = format!(
                "`{environment}` is frozen by {}, and a pause stops less: {}",
                standing.by, standing.reason
            );
            Err(Cause::new("frozen", text)
                .with_hint(format!("lift the freeze first: `windlass resume -e {environment}`")))
        }
        _ => Ok(engine.store.freeze(environment, freeze, now).await?),
    }
}

/// Lets an environment go on: lifts a pause, bars and the mark of a stuck run, and wakes what is held to be judged anew.
pub async fn resume(engine: &Engine, environment: &EnvironmentName, by: &str) -> Result<(), StoreError> {
    let now = engine.now();
    engine.store.unfreeze(environment, by, now).await?;
    engine.store.clear_attention(environment, by, now).await?;
    engine.store.lift_bars(environment, by, now).await?;
    for row in engine.store.active_runs().await? {
        if row.environment == *environment && row.state == RunState::Held {
            engine.store.wake(row.id, now).await?;
        }
    }
    Ok(())
}
