//! Wait: every object becomes ready, or one cannot.
//!
//! Takes: an applied release. Gives: the same, ready. Touches: only pods that block a StatefulSet. May be repeated because watching changes
//! nothing; the deadline counts from the apply and does not start again. On failure: the cause, with proof collected before a rollback
//! takes it away.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_cluster::FieldValue;
use windlass_core::diagnosis::{ChangedField, Diagnosis, Hint, Settings};
use windlass_core::policy::control::EnvironmentPolicy;
use windlass_core::run::Stage;

use super::apply::{Applied, ApplyRecord};
use crate::rollout::Watching;
use crate::run::Run;
use crate::stop::{Cause, Failure, Stop};

/// What the journal keeps of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitRecord {
    /// How many objects are ready.
    pub ready: usize,
}

/// A release whose objects are all ready.
#[derive(Debug)]
pub struct Settled {
    pub applied: Applied,
    /// The watch that saw it, if this process did.
    pub watching: Option<Watching>,
}

/// Performs the stage.
pub async fn settle(run: &mut Run, applied: Applied) -> Result<Settled, Stop> {
    let settings = settings(run, applied.rendered.gated.policy(run)?, Stage::Apply);
    let seen = applied.record.clone();
    run.step(Stage::Wait, Value::Null, move |run| {
        run.through_outages(move |run| watch(run, seen.clone(), settings.clone()).boxed()).boxed()
    })
    .await?;
    let watching = run.watching.take();
    Ok(Settled { applied, watching })
}

/// How a release of this run is waited for. What the cluster reports counts from when `since` began to write; the time that the policy gives
/// counts from when it had written, because a cluster that did not answer in between made no progress either.
pub fn settings(run: &Run, policy: &EnvironmentPolicy, since: Stage) -> Settings {
    let now = run.engine.now();
    let began = run.attempts(since).next().map_or(now, |first| first.began_at);
    let ended = run.attempts(since).next_back().and_then(|last| last.ended_at).unwrap_or(now);
    let writing = Duration::try_from(ended.duration_since(began)).unwrap_or_default();
    let mut settings = Settings::new(began, policy.timeout.value + writing);
    settings.first_release = run.is_first_release();
    settings.patience =
        policy.services.iter().map(|(name, service)| (name.clone(), patience(&service.patience))).collect();
    settings
}

fn patience<Key: Copy + Ord>(
    own: &BTreeMap<Key, windlass_core::policy::problem::Placed<Duration>>,
) -> BTreeMap<Key, Duration> {
    own.iter().map(|(cause, placed)| (*cause, placed.value)).collect()
}

async fn watch(run: &mut Run, record: ApplyRecord, settings: Settings) -> Result<WaitRecord, Stop> {
    let cluster = run.cluster().await?;
    let frees = run.follows_a_failure().await?;
    let mut watching = Watching::open(cluster, &record.inventory, settings, frees).await?;
    // Who only looks has nothing to finish.
    let halted = run.engine.until_halted();
    let settled = tokio::select! {
        settled = watching.until_settled(run) => settled,
        () = halted => return Err(Stop::Interrupted),
    };
    match settled {
        Ok(()) => {
            run.watching = Some(watching);
            Ok(WaitRecord { ready: record.inventory.len() })
        }
        Err(diagnosis) => Err(Stop::Fail(diagnosed(run, *diagnosis, &record).await)),
    }
}

/// Completes a diagnosis while the proof is still there: logs, and the change of this run that explains it.
pub async fn diagnosed(run: &mut Run, mut diagnosis: Diagnosis, record: &ApplyRecord) -> Failure {
    if let Ok(cluster) = run.cluster().await {
        for wanted in diagnosis.wants_logs() {
            // A log that is gone already is one proof less, not a failure of its own.
            if let Ok(text) = cluster.logs(&wanted).await {
                diagnosis.add_log(&wanted, &run.redactor.redact(&text));
            }
        }
    }
    diagnosis.tie(&changed_fields(run, record).await);
    let cause = Cause {
        code: diagnosis.code.clone(),
        text: headline(&diagnosis),
        hints: diagnosis.hints.iter().map(hint_text).collect(),
    };
    let service = run.service_of(&diagnosis.object).await;
    Failure { cause, diagnosis: Some(Box::new(diagnosis)), service }
}

fn headline(diagnosis: &Diagnosis) -> String {
    let proof = diagnosis.proof.message.as_ref().map_or(String::new(), |message| format!(": {message}"));
    format!("{}: {}{proof}", diagnosis.object, diagnosis.headline)
}

/// What this run changed, with the file that each object came from.
async fn changed_fields(run: &Run, record: &ApplyRecord) -> Vec<ChangedField> {
    let release = run.release().await.ok().flatten();
    let touched = run.files_since_last_release().await.unwrap_or_default();
    let mut fields = Vec::new();
    for written in &record.written {
        let files = release.as_ref().map(|release| release.files_of(&written.object)).unwrap_or_default();
        let source = files.into_iter().find(|file| touched.contains(file));
        fields.extend(written.fields.iter().map(|field| ChangedField {
            object: written.object.clone(),
            path: field.path.clone(),
            from: shown(&field.old),
            to: shown(&field.new),
            source: source.clone(),
        }));
    }
    fields
}

/// A side of a change as it may be shown: nothing of a Secret.
fn shown(value: &FieldValue) -> Option<String> {
    match value {
        FieldValue::Is(Value::String(text)) => Some(text.clone()),
        FieldValue::Is(value) => Some(value.to_string()),
        FieldValue::Absent | FieldValue::Hidden => None,
    }
}

/// An advice with its command.
fn hint_text(hint: &Hint) -> String {
    match &hint.command {
        Some(command) => format!("{}: `{command}`", hint.text),
        None => hint.text.clone(),
    }
}
