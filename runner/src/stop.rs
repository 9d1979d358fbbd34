//! Why a run does not go on to its next stage. Stopping is a value: a closed gate or a refused object is not an accident.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use windlass_amqp::AmqpError;
use windlass_cluster::{ClusterError, Refusals};
use windlass_core::diagnosis::Diagnosis;
use windlass_core::failure::FailureClass;
use windlass_core::name::{Digest, ServiceName};
use windlass_core::policy::gate::GateCode;
use windlass_core::queue::QueueError;
use windlass_store::StoreError;

use crate::config::ConfigError;
use crate::exit::Exit;
use crate::stages::render::ReleaseContent;

/// Why a stage did not answer with the next value.
#[derive(Debug)]
pub enum Stop {
    /// Park the run; nothing was written to the cluster.
    Hold(Held),
    /// The run is over and the cluster was not touched.
    Refuse(Cause),
    /// Objects were written and the release is not good: roll back, or end as failed.
    Fail(Failure),
    /// Something between windlass and what it needs is down; nothing of this stage was written, so it is tried again later.
    Later(Cause),
    /// A newer commit's run took this one's place, or a person cancelled it.
    Yield(windlass_core::run::Outcome, Cause),
    /// Another run of the environment is at the cluster; this one goes on after it.
    Busy,
    /// A person told this process to stop: the run stands between two stages and goes on from there.
    Interrupted,
    /// The store would not take a write: this process no longer owns the run, or the disk failed. Nothing more may be done in its name.
    Store(StoreError),
}

const BUSY: &str = "another run of the environment is at the cluster";
const INTERRUPTED: &str = "a person stopped it between two stages";

/// What a held run waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The rule that holds it, such as `window` or `approval`.
    pub code: String,
    /// For people: what is waited for, and when it comes if that is known.
    pub text: String,
    /// When to look again by itself.
    pub due: Option<jiff::Timestamp>,
    /// The render that an approval must name.
    pub digest: Option<Digest>,
}

/// Why a run ended or waits: kept with the run, shown everywhere, never secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// A stable word or code.
    pub code: String,
    /// What happened, naming the thing; may have several lines.
    pub text: String,
    /// What to do, as sentences with commands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

impl Cause {
    /// A cause that ends a command with the general error.
    pub fn new(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code: code.into(), text: text.into(), hints: Vec::new() }
    }

    /// Adds what to do.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// A release that did not become good.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    /// In one line.
    pub cause: Cause,
    /// The block for people, where the rollout was diagnosed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<Box<Diagnosis>>,
    /// The service whose object failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
}

impl Stop {
    /// What a failure before the first write comes to, by its class.
    pub fn of(cause: Cause, class: FailureClass) -> Self {
        if class == FailureClass::Transient { Self::Later(cause) } else { Self::Refuse(cause) }
    }

    /// The cause, for whoever has no run to hold.
    pub fn into_cause(self) -> Cause {
        match self {
            Self::Refuse(cause) | Self::Later(cause) | Self::Yield(_, cause) => cause,
            Self::Fail(failure) => failure.cause,
            Self::Hold(held) => Cause::new(held.code, held.text),
            Self::Busy => Cause::new("busy", BUSY),
            Self::Interrupted => Cause::new("interrupted", INTERRUPTED),
            Self::Store(error) => Cause::from(error),
        }
    }

    /// Whether something is wrong: waiting for somebody, making room for a newer run or being told to stop is not.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Refuse(_) | Self::Fail(_) | Self::Later(_) | Self::Store(_))
    }

    /// The stable word for it.
    pub fn code(&self) -> &str {
        match self {
            Self::Refuse(cause) | Self::Later(cause) | Self::Yield(_, cause) => &cause.code,
            Self::Fail(failure) => &failure.cause.code,
            Self::Hold(held) => &held.code,
            Self::Busy => "busy",
            Self::Interrupted => "interrupted",
            Self::Store(_) => "store",
        }
    }

    /// In words.
    pub fn text(&self) -> String {
        match self {
            Self::Refuse(cause) | Self::Later(cause) | Self::Yield(_, cause) => cause.text.clone(),
            Self::Fail(failure) => failure.cause.text.clone(),
            Self::Hold(held) => held.text.clone(),
            Self::Busy => BUSY.to_owned(),
            Self::Interrupted => INTERRUPTED.to_owned(),
            Self::Store(error) => chain(error),
        }
    }
}

impl Failure {
    /// Adds what was done about it, here and in the diagnosis.
    pub fn say(&mut self, sentence: impl Into<String>) {
        let sentence = sentence.into();
        self.cause.text.push_str("\n  ");
        self.cause.text.push_str(&sentence);
        if let Some(diagnosis) = &mut self.diagnosis {
            diagnosis.add_done(sentence);
        }
    }
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self { cause, diagnosis: None, service: None }
    }
}

impl Cause {
    /// With what to do, as it is kept with a run.
    pub fn to_text(&self) -> String {
        self.hints.iter().fold(self.text.clone(), |text, hint| format!("{text}\nhint: {hint}"))
    }

    /// How a command that waited for this exits.
    pub fn exit(&self) -> Exit {
        exit_of(&self.code)
    }
}

impl From<StoreError> for Cause {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::UnknownRun(_) => Cause::new("run_unknown", chain(&error)),
            error => Cause::new("store", chain(&error)),
        }
    }
}

impl From<ConfigError> for Cause {
    fn from(error: ConfigError) -> Self {
        let mut cause = Cause::new("config_invalid", chain(&error));
        cause.hints.extend(error.hint());
        cause
    }
}

impl From<QueueError> for Cause {
    fn from(error: QueueError) -> Self {
        match error.source.downcast_ref::<Arc<AmqpError>>() {
            Some(error) => crate::broker::amqp_cause(error),
            None => Cause::new("queue", chain(&error)),
        }
    }
}

impl From<std::io::Error> for Cause {
    fn from(error: std::io::Error) -> Self {
        Cause::new("io", chain(&error))
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A request to the cluster failed before anything of the stage was written: repeating may help, or the run is refused.
impl From<ClusterError> for Stop {
    fn from(error: ClusterError) -> Self {
        Self::of(cluster_cause(&error), error.class())
    }
}

/// The cause that a cluster's error stands for.
pub fn cluster_cause(error: &ClusterError) -> Cause {
    let mut cause = Cause::new(error.failure().as_str(), chain(error));
    cause.hints.extend(error.hint().map(str::to_owned));
    cause
}

/// The cause of an error about an object, with the files that made the object.
fn object_cause(error: &ClusterError, release: &ReleaseContent) -> Cause {
    let mut cause = cluster_cause(error);
    let files = error.object().map(|object| release.sources_of(object)).unwrap_or_default();
    if !files.is_empty() {
        cause.text = format!("{}\n  made by {}", cause.text, files.join("\n          "));
    }
    cause
}

/// Everything that is wrong with a release, with the code and the exit of the first.
pub fn refusals_cause(refusals: &Refusals, release: &ReleaseContent) -> Cause {
    let causes: Vec<_> = refusals.errors().iter().map(|error| object_cause(error, release)).collect();
    let first =
        causes.first().cloned().unwrap_or_else(|| Cause::new("refused", "the cluster refuses the release"));
    let text = causes.iter().map(|cause| cause.text.as_str()).collect::<Vec<_>>().join("\n");
    let mut hints: Vec<_> = causes.iter().flat_map(|cause| cause.hints.clone()).collect();
    hints.dedup();
    Cause { text, hints, ..first }
}

/// How a command ends for a cause, by its code: the same for a run that was refused, one that is held, and a command that got no run.
pub fn exit_of(code: &str) -> Exit {
    match code {
        // The files or the command line are wrong; nothing was attempted.
        "usage"
        | "config_invalid"
        | "identity_invalid"
        | "event_invalid"
        | "file_unreadable"
        | "source_unusable"
        | "policy_missing"
        | "policy_invalid"
        | "environment_unknown"
        | "overlay_missing"
        | "overlay_ambiguous"
        | "render_failed"
        | "empty_release"
        | "secret_missing"
        | "cluster_unknown"
        | "cluster_not_made"
        | "cluster_config_invalid"
        | "cluster_refused"
        | "run_unknown" => Exit::Usage,
        "unauthorised" | "forbidden" => Exit::Auth,
        "field_conflict" | "stale_write" | "not_waiting" | "already_serving" | "already_there" | "busy" => {
            Exit::Conflict
        }
        code if GateCode::named(code).is_some() => Exit::Held,
        _ => Exit::Error,
    }
}

/// An error and its causes as text, each said once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let line = cause.to_string();
        if !text.contains(&line) {
            text.push_str("\n  cause: ");
            text.push_str(&line);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("`apply` failed")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("connection refused")]
    struct Inner;

    #[test]
    fn a_chain_says_each_layer_once() {
        assert_eq!(chain(&Outer(Inner)), "`apply` failed\n  cause: connection refused");
    }
}
