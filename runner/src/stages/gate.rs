//! Gate: may this run go ahead, now?
//!
//! Takes: the run. Gives: the services that go, none of a run about a cluster. Touches: nothing. May be repeated because it is a pure judgement of the policy, of what people
//! decided and of the time. On failure: the run is held, and says for what and until when; or refused, when the policy cannot be read.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_core::name::{Digest, ServiceName};
use windlass_core::policy::control::{DeployControl, EnvironmentPolicy};
use windlass_core::policy::gate::{self, Decision, GateAnswer, GateCode, GateInput, ServiceScope};
use windlass_core::run::{RunKind, Stage};

use super::render::Rendered;
use crate::run::Run;
use crate::stop::{Cause, Held, Stop};

/// What the journal keeps of the gate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GateRecord {
    /// The services that go with the run.
    pub services: BTreeSet<ServiceName>,
    /// The whole decision.
    pub answer: GateAnswer,
}

/// A run that may be rendered.
#[derive(Debug)]
pub struct Gated {
    pub control: Arc<DeployControl>,
    pub record: GateRecord,
}

impl Gated {
    /// The policy of the run's environment.
    pub fn policy(&self, run: &Run) -> Result<&EnvironmentPolicy, Stop> {
        policy(&self.control, run)
    }
}

/// What a run has prepared, by content: an approval is of just this.
pub trait Preparation {
    /// What the gate let pass before.
    fn gated(&self) -> &Gated;

    /// The content.
    fn digest(&self) -> &Digest;
}

impl Preparation for Rendered {
    fn gated(&self) -> &Gated {
        &self.gated
    }

    fn digest(&self) -> &Digest {
        &self.record.digest
    }
}

/// A run that may touch the cluster, and holds the environment lease to do so.
#[derive(Debug)]
pub struct Admitted<T>(pub T);

/// Judges the run before it is rendered. A run that only waits for an approval goes on: what is approved is the render.
pub async fn pass(run: &mut Run) -> Result<Gated, Stop> {
    let control = run.engine.control(run.commit()).map_err(Stop::Refuse)?;
    let judged = Arc::clone(&control);
    let record = run.step(Stage::Gate, Value::Null, move |run| first_judgement(run, judged).boxed()).await?;
    Ok(Gated { control, record })
}

async fn first_judgement(run: &mut Run, control: Arc<DeployControl>) -> Result<GateRecord, Stop> {
    let answer = judge(run, &control, None).await?;
    let is_approval_missing = answer.code == GateCode::ApprovalMissing;
    if answer.decision == Decision::Pass || is_approval_missing {
        return Ok(GateRecord { services: answer.going().cloned().collect(), answer });
    }
    Err(stop(&answer, None))
}

/// Judges the prepared run once more, now with its digest, and takes the environment lease.
///
/// A run that waited for the lease is judged again when it gets it: a window may have closed, a newer run may have come.
pub async fn admit<T: Preparation>(run: &mut Run, prepared: T) -> Result<Admitted<T>, Stop> {
    if !run.has_executed() {
        let answer = judge(run, &prepared.gated().control, Some(prepared.digest())).await?;
        if answer.decision != Decision::Pass {
            return Err(stop(&answer, Some(prepared.digest().clone())));
        }
        run.check_cancelled().await?;
        run.advance_to_ready().await?;
    }
    run.take_lease().await?;
    Ok(Admitted(prepared))
}

async fn judge(run: &Run, control: &DeployControl, digest: Option<&Digest>) -> Result<GateAnswer, Stop> {
    let policy = policy(control, run)?;
    let decided = run.engine.decisions(run.row()).await?;
    let row = run.row();
    let sender = run.engine.store.event(row.event).await?.principal;
    let cluster = match row.kind {
        RunKind::Cluster => Some(run.engine.cluster_switch(&row.environment, &row.commit)),
        RunKind::Deploy | RunKind::Removal => None,
    };
    let cluster = cluster.transpose().map_err(Stop::Refuse)?;
    let is_deploy = row.kind == RunKind::Deploy;
    Ok(gate::judge(&GateInput {
        control,
        environment: &row.environment,
        services: if is_deploy { scope(policy, &row.services) } else { ServiceScope::Whole(BTreeSet::new()) },
        cluster: cluster.as_ref(),
        trigger: row.trigger,
        commit: &row.commit,
        // A commit is barred for its release, which says nothing of its cluster.
        barred: if is_deploy { &decided.barred } else { &[] },
        holds: &decided.holds,
        window_override: decided.window_override.as_ref(),
        approvals: &decided.approvals,
        digest,
        requester: Some(row.requester.as_str()).filter(|name| !name.is_empty()),
        sender: sender.as_deref(),
        now: run.engine.now(),
    }))
}

/// The services that a run is judged for: those it names, or all of the environment.
pub fn scope(policy: &EnvironmentPolicy, named: &[ServiceName]) -> ServiceScope {
    if named.is_empty() {
        ServiceScope::Whole(policy.services.keys().cloned().collect())
    } else {
        ServiceScope::Named(named.iter().cloned().collect())
    }
}

fn policy<'control>(
    control: &'control DeployControl,
    run: &Run,
) -> Result<&'control EnvironmentPolicy, Stop> {
    control
        .environments
        .get(run.environment())
        .ok_or_else(|| Stop::Refuse(unknown_environment(control, run.environment().as_str())))
}

/// The refusal of an environment that the policy does not have.
pub fn unknown_environment(control: &DeployControl, name: &str) -> Cause {
    let known: Vec<_> = control.environments.keys().map(ToString::to_string).collect();
    Cause::new("environment_unknown", format!("`{}` has no environment `{name}`", control.file)).with_hint(
        format!(
            "it has {}: `windlass gate check -e {}`",
            known.join(", "),
            known.first().map_or("dev", String::as_str)
        ),
    )
}

/// Turns an answer that is not a pass into what becomes of the run.
fn stop(answer: &GateAnswer, digest: Option<Digest>) -> Stop {
    let text = answer.to_text();
    if answer.decision == Decision::Refused {
        return Stop::Refuse(Cause::new(answer.code.as_str(), text));
    }
    Stop::Hold(Held { code: answer.code.as_str().to_owned(), text, due: answer.opens, digest })
}
