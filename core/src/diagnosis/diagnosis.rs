//! What is handed on when a run gives up: one block, the same in the terminal, on the page, in chat and in JSON.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Cause;
use super::scrub::scrub;
use crate::object::ObjectRef;

/// Why a run gave up, with its proof. Holds no credential: texts of others are scrubbed on the way in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Diagnosis {
    /// The code of the cause: `WL0501`.
    pub code: String,
    /// The cause.
    pub cause: Cause,
    /// For [`Cause::HealthyThenNot`], what befell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub underlying: Option<Cause>,
    /// One sentence that follows "FAILED:".
    pub headline: String,
    /// What ended the wait.
    pub ended: Ended,
    /// When the first report told of the cause.
    #[schemars(with = "String")]
    pub named_at: Timestamp,
    /// When the run gave up.
    #[schemars(with = "String")]
    pub gave_up_at: Timestamp,
    /// The applied object that did not become ready.
    pub object: ObjectRef,
    /// The pod, claim or other object that tells, where it is not the applied object itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_object: Option<ObjectRef>,
    /// The container, where the cause is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerRef>,
    /// What proves it.
    pub proof: Proof,
    /// Events that led to it, the oldest first.
    pub events: Vec<EventLine>,
    /// A change of this run that explains it; only where a rule ties one to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likely: Option<Likely>,
    /// What was checked and is sound.
    pub not_it: Vec<String>,
    /// All objects that were not ready, with what they waited for.
    pub unfinished: Vec<Unfinished>,
    /// What windlass did about it; filled in by the run.
    pub done: Vec<String>,
    /// What to do.
    pub hints: Vec<Hint>,
}

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The cause lasted longer, or came more often, than is allowed of it.
    PatienceOver,
    /// The object's own controller gave it up.
    ObjectFailed,
    /// The run's time was over.
    TimeOver,
    /// It failed again after it had been ready.
    SoakFailed,
}

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContainerRef {
    /// Its name.
    pub name: String,
    /// Whether it is an init container.
    pub init: bool,
}

/// What proves a cause.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    /// What Kubernetes says, cut to the part that holds the cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How the container ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// How often the kubelet started the container again.
    pub restarts: u32,
    /// Whether the present attempt has ended, so that its log holds the proof. After a restart it is in the log before.
    pub attempt_ended: bool,
    /// The image the container was to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The probe that failed, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// The last lines that containers wrote; filled in by who fetched them.
    pub logs: Vec<LogTail>,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exit {
    /// The exit code.
    pub code: i64,
    /// What the code usually means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// The runtime's word: `Error`, `OOMKilled`, …
    pub reason: String,
    /// Seconds it ran, in whole seconds as Kubernetes keeps them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran_seconds: Option<i64>,
}

/// A log that would help, to be fetched before a rollback takes the container away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogRequest {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// Whether the log of the attempt before the present one is asked for.
    pub previous: bool,
    /// How many lines from the end.
    pub tail_lines: u32,
}

/// The end of a container's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogTail {
    /// Name of the pod.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// Whether it is the log of the attempt before the present one.
    pub previous: bool,
    /// The lines, the oldest first.
    pub lines: Vec<String>,
}

/// An event that led to a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventLine {
    /// When it last happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
    /// Its reason.
    pub reason: String,
    /// Its message.
    pub message: String,
    /// How often it happened since the run began.
    pub times: u32,
}

/// A change of this run that explains a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Likely {
    /// The explanation.
    pub text: String,
    /// The field that changed: `spec.template.spec.containers[api].image`.
    pub path: String,
    /// Where it was changed: file and line, commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// An object that was not ready when the run gave up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unfinished {
    /// The object.
    pub object: ObjectRef,
    /// What it waited for.
    pub reason: String,
}

/// An advice, with a command to paste where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hint {
    /// What to look at or do.
    pub text: String,
    /// A command that does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// Lines of a log that are kept.
pub const LOG_LINES: u32 = 20;

impl Diagnosis {
    /// The logs that would help: what the container wrote before it ended, the present attempt and the one before. Nothing where no
    /// container ever ran.
    pub fn wants_logs(&self) -> Vec<LogRequest> {
        let Some(container) = &self.container else { return Vec::new() };
        let Some(pod) = self.at_object.iter().chain([&self.object]).find(|object| object.kind == "Pod")
        else {
            return Vec::new();
        };
        if !self.told_by_a_running_container() {
            return Vec::new();
        }
        let request = |previous| LogRequest {
            namespace: pod.namespace.clone().unwrap_or_default(),
            pod: pod.name.clone(),
            container: container.name.clone(),
            previous,
            tail_lines: LOG_LINES,
        };
        match (self.proof.restarts, self.proof.attempt_ended) {
            (0, _) => vec![request(false)],
            (_, true) => vec![request(false), request(true)],
            (_, false) => vec![request(true), request(false)],
        }
    }

    fn told_by_a_running_container(&self) -> bool {
        matches!(
            self.underlying.unwrap_or(self.cause),
            Cause::Crash
                | Cause::ExitsWithZero
                | Cause::OutOfMemory
                | Cause::InitFailed
                | Cause::LivenessKills
                | Cause::StartupKills
                | Cause::ProbeNeverPasses
                | Cause::HealthyThenNot
                | Cause::JobFailed
                | Cause::DeadlineExceeded
        )
    }

    /// Adds a fetched log. The last lines are kept, without credentials; a log without lines is left out, and so is one whose lines
    /// are known already from the other attempt.
    pub fn add_log(&mut self, request: &LogRequest, text: &str) {
        let mut lines: Vec<String> = text
            .lines()
            .rev()
            .filter(|line| !line.trim().is_empty())
            .take(request.tail_lines as usize)
            .map(scrub)
            .collect();
        lines.reverse();
        if lines.is_empty() || self.proof.logs.iter().any(|log| log.lines == lines) {
            return;
        }
        self.proof.logs.push(LogTail {
            pod: request.pod.clone(),
            container: request.container.clone(),
            previous: request.previous,
            lines,
        });
    }

    /// Adds what windlass did about the failure: "rolled back to 1.9.0; 2 of 2 ready after 9s".
    pub fn add_done(&mut self, sentence: impl Into<String>) {
        self.done.push(sentence.into());
    }
}
