//! Planning: what an event asks for, as runs. An event that asks for nothing says why.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use tracing::{Instrument as _, Span};
use windlass_core::event::{
    ApprovalGiven, ClusterReady, ClusterRequested, ClusterWork, DeployRequested, DriftDetected, Event,
    EventData, Push, RollbackRequested,
};
use windlass_core::name::{Commit, Digest, EnvironmentName};
use windlass_core::policy::control::DeployControl;
use windlass_core::policy::gate::ApprovalDecision;
use windlass_core::release;
use windlass_core::run::{RunKind, Trigger};
use windlass_store::{Approval, Decision, InboxEvent, NewRun, StoreError, WindowOverride};

use crate::engine::{Engine, source_cause};
use crate::stop::{Cause, chain};
use crate::telemetry::trace;

/// What an event comes to.
enum Plan {
    Runs(Vec<NewRun>),
    Nothing(String),
    /// What it needs may still come: it stays pending.
    Later,
}

/// How long a push waits for its commits. Who tells of a push may be quicker than who brings it into the repository here.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// Plans one event of the inbox. Whatever is wrong with it becomes its reason; only the store's own failures stop the planning.
pub async fn plan(engine: &Arc<Engine>, event: &InboxEvent) -> Result<(), StoreError> {
    let span = trace::plan_span(event);
    plan_traced(engine, event).instrument(span).await
}

async fn plan_traced(engine: &Arc<Engine>, event: &InboxEvent) -> Result<(), StoreError> {
    let planned = match Event::parse(&event.body) {
        Ok(parsed) if may_come(engine, event, &parsed) => Plan::Later,
        Ok(parsed) => plan_event(engine, &parsed).await?,
        Err(error) => Plan::Nothing(chain(&error)),
    };
    match planned {
        Plan::Runs(mut runs) if !runs.is_empty() => {
            let traceparent = trace::context_of(&Span::current()).or_else(|| event.traceparent.clone());
            for run in &mut runs {
                run.traceparent.clone_from(&traceparent);
            }
            for run in engine.store.plan(event.inbox, &runs, engine.now()).await? {
                tracing::info!(run = %run.id, environment = %run.environment, commit = %run.commit, "planned");
            }
        }
        Plan::Runs(_) => {
            engine.store.ignore_event(event.inbox, "it changes nothing that is deployed").await?;
        }
        Plan::Nothing(reason) => engine.store.ignore_event(event.inbox, &reason).await?,
        Plan::Later => tracing::debug!(event = %event.inbox, "the commit that was pushed is not here yet"),
    }
    Ok(())
}

/// Whether a push that somebody told us of from elsewhere, over HTTP or through a broker, is of a commit that may be on its way here. Who sends an
/// event on this machine sees the repository, and wants to hear at once that it is not there.
fn may_come(engine: &Engine, event: &InboxEvent, parsed: &Event) -> bool {
    let EventData::Push(push) = &parsed.data else { return false };
    // A broker proves no sender; where there is one, what has none may be its.
    let is_from_elsewhere = event.principal.is_some() || engine.config.queue.url.is_some();
    let is_fresh = engine.now().duration_since(event.received_at) < PATIENCE;
    is_from_elsewhere && is_fresh && engine.source.lacks(&Commit::from(&push.after))
}

async fn plan_event(engine: &Engine, event: &Event) -> Result<Plan, StoreError> {
    let planned = match &event.data {
        EventData::Push(push) => plan_push(engine, push),
        EventData::DeployRequested(request) => plan_deploy(engine, request, event.sender()),
        EventData::RollbackRequested(request) => return plan_rollback(engine, request).await,
        EventData::ApprovalGiven(approval) => return approve(engine, approval).await,
        EventData::ClusterReady(ready) => plan_ready(engine, ready),
        EventData::ScheduleFired(fired) => {
            plan_automatic(engine, &fired.environment, &format!("timer {}", fired.schedule.as_str()))
        }
        EventData::DriftDetected(drift) => plan_automatic(engine, &drift.environment, &drift_in_words(drift)),
        EventData::ClusterRequested(request) => plan_cluster(engine, request),
        EventData::PullRequest(_) => Ok(Plan::Nothing(
            "pull requests are checked by `windlass check --at HEAD`, never applied".to_owned(),
        )),
        EventData::ClusterFailed(_) | EventData::ClusterDeleted(_) => {
            Ok(Plan::Nothing("it reports a fact and asks for nothing".to_owned()))
        }
    };
    Ok(planned.unwrap_or_else(|cause| Plan::Nothing(cause.text)))
}

/// A push becomes a run for each environment of its branch whose files it touches: a cluster run where it touches what configures the cluster.
fn plan_push(engine: &Engine, push: &Push) -> Result<Plan, Cause> {
    let Some(branch) = push.reference.branch() else {
        return Ok(Plan::Nothing(format!("`{}` is not a branch", push.reference.as_str())));
    };
    let after = Commit::from(&push.after);
    let control = engine.control(&after)?;
    let concerned: BTreeSet<EnvironmentName> = control.of_branch(branch).cloned().collect();
    if concerned.is_empty() {
        return Ok(Plan::Nothing(format!("no environment follows the branch `{branch}`")));
    }
    let before = push.before.as_ref().map(Commit::from);
    let affected =
        crate::affected::environments(engine, &control, before.as_ref(), &after, push.changed.as_ref())?;
    let subject = subject(engine, &after);
    let requester = push
        .author
        .as_ref()
        .or(push.pusher.as_ref())
        .map(|line| line.as_str().to_owned())
        .unwrap_or_default();
    let runs = affected.into_iter().filter(|affected| concerned.contains(&affected.environment));
    Ok(Plan::Runs(
        runs.map(|affected| NewRun {
            kind: affected.run,
            requester: requester.clone(),
            subject: subject.clone(),
            ..new_run(affected.environment, Trigger::Automatic, &after, branch)
        })
        .collect(),
    ))
}

/// A deploy run for everything, asked for by nobody in particular.
fn new_run(environment: EnvironmentName, trigger: Trigger, commit: &Commit, lane: &str) -> NewRun {
    NewRun {
        kind: RunKind::Deploy,
        environment,
        replay: 0,
        trigger,
        commit: commit.clone(),
        lane: lane.to_owned(),
        requester: String::new(),
        services: Vec::new(),
        rollback_to: None,
        window_override: None,
        subject: String::new(),
        traceparent: None,
    }
}

fn subject(engine: &Engine, commit: &Commit) -> String {
    engine.source.summary(commit).map(|summary| summary.subject).unwrap_or_default()
}

/// What a person asks for. Leave to pass a window is recorded of who is known to have given it.
fn plan_deploy(engine: &Engine, request: &DeployRequested, sender: Option<&str>) -> Result<Plan, Cause> {
    let revision = request.commit.as_ref().map(windlass_core::event::text::Revision::as_str);
    let commit = match revision {
        // The files as they lie there were named by their content when they were asked for.
        Some(revision) if revision.starts_with("worktree-") => Commit::new(revision),
        revision => engine.source.resolve(revision).map_err(|error| source_cause(&error))?,
    };
    let requester = request.requester.as_str().to_owned();
    let window_override = request.override_reason.as_ref().map(|reason| WindowOverride {
        by: sender.unwrap_or(&requester).to_owned(),
        reason: reason.as_str().to_owned(),
    });
    Ok(Plan::Runs(vec![NewRun {
        requester,
        window_override,
        services: request.services.clone().unwrap_or_default(),
        subject: subject(engine, &commit),
        ..new_run(request.environment.clone(), Trigger::Manual, &commit, "manual")
    }]))
}

/// A rollback by hand is a run that takes its objects from a recorded release.
async fn plan_rollback(engine: &Engine, request: &RollbackRequested) -> Result<Plan, StoreError> {
    let releases = engine.store.releases(&request.environment).await?;
    let bars = engine.store.bars(&request.environment).await?;
    let target = match &request.to {
        Some(to) => release::named_target(&releases, to.as_str()),
        None => release::manual_target(&releases, |commit| bars.iter().any(|bar| bar.commit == *commit)),
    };
    Ok(match target {
        Ok(target) => Plan::Runs(vec![NewRun {
            requester: request.requester.as_str().to_owned(),
            rollback_to: Some(target.run),
            subject: format!("back to the release of {}", target.run),
            ..new_run(request.environment.clone(), Trigger::Rollback, &target.commit, "rollback")
        }]),
        Err(none) => Plan::Nothing(format!("{} cannot be rolled back: {none}", request.environment)),
    })
}

async fn approve(engine: &Engine, given: &ApprovalGiven) -> Result<Plan, StoreError> {
    let run = (&given.run).into();
    let approval = Approval {
        approver: given.approver.as_str().to_owned(),
        decision: match given.decision {
            ApprovalDecision::Approved => Decision::Approved,
            ApprovalDecision::Rejected => Decision::Rejected,
        },
        digest: Digest::recorded(given.digest.as_str()),
        reason: given.reason.as_ref().map(|reason| reason.as_str().to_owned()),
        at: engine.now(),
    };
    Ok(match engine.store.approve(run, &approval).await {
        Ok(_) => Plan::Nothing(format!("recorded with {run}")),
        Err(error @ StoreError::UnknownRun(_)) => Plan::Nothing(error.to_string()),
        Err(error) => return Err(error),
    })
}

fn plan_ready(engine: &Engine, ready: &ClusterReady) -> Result<Plan, Cause> {
    plan_automatic(engine, &ready.environment, &format!("cluster {} is ready", ready.cluster))
}

/// What deploys by itself without a push takes the head of the environment's branch.
fn plan_automatic(engine: &Engine, environment: &EnvironmentName, why: &str) -> Result<Plan, Cause> {
    let head = engine.source.resolve(None).map_err(|error| source_cause(&error))?;
    let control = engine.control(&head)?;
    let branch = branch_of(&control, environment)?;
    let commit = engine.source.resolve(Some(&branch)).unwrap_or(head);
    Ok(Plan::Runs(vec![NewRun {
        subject: why.to_owned(),
        ..new_run(environment.clone(), Trigger::Automatic, &commit, &branch)
    }]))
}

fn branch_of(control: &DeployControl, environment: &EnvironmentName) -> Result<String, Cause> {
    let policy = control.environments.get(environment);
    policy
        .map(|policy| policy.branch.value.clone())
        .ok_or_else(|| crate::stages::gate::unknown_environment(control, environment.as_str()))
}

fn drift_in_words(drift: &DriftDetected) -> String {
    let names: Vec<_> = drift
        .objects
        .iter()
        .take(3)
        .map(|object| format!("{}/{}", object.kind.as_str(), object.name.as_str()))
        .collect();
    format!("drift of {}", names.join(", "))
}

/// A cluster that is asked for becomes a run if windlass makes the environment's cluster. A removal names the cluster once more, and who asks.
fn plan_cluster(engine: &Engine, request: &ClusterRequested) -> Result<Plan, Cause> {
    let environment = &request.environment;
    let head = engine.source.resolve(None).map_err(|error| source_cause(&error))?;
    let branch = branch_of(&*engine.control(&head)?, environment)?;
    let commit = match &request.commit {
        Some(revision) => {
            engine.source.resolve(Some(revision.as_str())).map_err(|error| source_cause(&error))?
        }
        None => engine.source.resolve(Some(&branch)).unwrap_or(head),
    };
    let target = engine.cluster_target(environment, &commit)?;
    let (provider, cluster) = (target.provider.name(), &target.spec.name);
    if let Some(other) = request.provider.as_ref().filter(|asked| *asked != provider) {
        return Ok(Plan::Nothing(format!(
            "the cluster of `{environment}` is made by `{provider}`, not by `{other}`"
        )));
    }
    let kind = match request.work {
        ClusterWork::Ensure => RunKind::Cluster,
        ClusterWork::Remove if request.requester.is_none() || request.confirm.as_ref() != Some(cluster) => {
            let reason = format!(
                "nothing is removed unless somebody asks for it and `confirm` names the cluster: `{cluster}`"
            );
            return Ok(Plan::Nothing(reason));
        }
        ClusterWork::Remove => RunKind::Removal,
    };
    let (trigger, lane, requester) = match &request.requester {
        Some(requester) => (Trigger::Manual, "manual", requester.as_str()),
        None => (Trigger::Automatic, branch.as_str(), ""),
    };
    Ok(Plan::Runs(vec![NewRun {
        kind,
        requester: requester.to_owned(),
        subject: subject(engine, &commit),
        ..new_run(environment.clone(), trigger, &commit, lane)
    }]))
}
