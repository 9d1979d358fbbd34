//! The types of events, and what each carries under `data`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::{CommitId, DigestText, FilePath, GitReference, Line, Revision, RunIdText};
use super::{TYPE_PREFIX, strict};
use crate::name::{ClusterName, EnvironmentName, ProviderName, ServiceName};
use crate::policy::gate::ApprovalDecision;

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident($payload:ident) = $name:literal;)*) => {
        /// A type of event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventType {
            $($(#[$doc])* $variant,)*
        }

        impl EventType {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The type as CloudEvents carry it, such as `dev.windlass.push`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => concat!("dev.windlass.", $name),)* }
            }

            /// The JSON Schema of the payload.
            pub(super) fn payload_schema(self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                match self { $(Self::$variant => $payload::json_schema(generator),)* }
            }

            /// Reads the payload.
            pub(super) fn payload<'de, D: serde::Deserializer<'de>>(self, data: D) -> Result<EventData, D::Error> {
                match self { $(Self::$variant => $payload::deserialize(data).map(EventData::$variant),)* }
            }
        }

        /// What an event carries.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum EventData {
            $($(#[$doc])* $variant($payload),)*
        }

        impl EventData {
            /// The type that carries this.
            pub fn event_type(&self) -> EventType {
                match self { $(Self::$variant(_) => EventType::$variant,)* }
            }
        }
    };
}

events! {
    /// Commits arrived on a branch.
    Push(Push) = "push";
    /// A pull request was opened, changed or closed.
    PullRequest(PullRequest) = "pull_request";
    /// A person or a pipeline asks for a deployment.
    DeployRequested(DeployRequested) = "deploy.requested";
    /// A person asks for the way back.
    RollbackRequested(RollbackRequested) = "rollback.requested";
    /// A cluster should be made, brought up to date or removed.
    ClusterRequested(ClusterRequested) = "cluster.requested";
    /// A cluster is ready to take objects.
    ClusterReady(ClusterReady) = "cluster.ready";
    /// A cluster could not be made or brought up to date.
    ClusterFailed(ClusterFailed) = "cluster.failed";
    /// A cluster is gone.
    ClusterDeleted(ClusterDeleted) = "cluster.deleted";
    /// An approver decided on a run.
    ApprovalGiven(ApprovalGiven) = "approval.given";
    /// A timer of the runner went off.
    ScheduleFired(ScheduleFired) = "schedule.fired";
    /// What is live differs from what was applied.
    DriftDetected(DriftDetected) = "drift.detected";
}

impl EventType {
    /// The type of this name, with or without [`TYPE_PREFIX`].
    pub fn named(name: &str) -> Option<Self> {
        let short = name.strip_prefix(TYPE_PREFIX).unwrap_or(name);
        Self::ALL.iter().copied().find(|known| known.short() == short)
    }

    /// The type without [`TYPE_PREFIX`], as people write it.
    pub fn short(self) -> &'static str {
        &self.as_str()[TYPE_PREFIX.len()..]
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Files by what happened to them. A renamed file is one removed and one added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangedFiles {
    /// Files that were not there before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<FilePath>,
    /// Files whose content or mode changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modified: Vec<FilePath>,
    /// Files that are no longer there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<FilePath>,
}

impl ChangedFiles {
    /// Every file, whatever happened to it.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        [&self.added, &self.modified, &self.removed].into_iter().flatten().map(FilePath::as_str)
    }
}

/// Commits arrived on a branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// The repository, as the source names it, such as `acme/shop`.
    pub repository: Line,
    /// The reference that moved.
    #[serde(rename = "ref")]
    pub reference: GitReference,
    /// Where it stood before; left out for a new branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<CommitId>,
    /// Where it stands now.
    pub after: CommitId,
    /// The files that differ between the two; left out where the sender does not know them all.
    #[serde(default, deserialize_with = "strict::optional_object", skip_serializing_if = "Option::is_none")]
    pub changed: Option<ChangedFiles>,
    /// Who wrote the newest commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Line>,
    /// Who pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pusher: Option<Line>,
}

/// What happened to a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PullRequestAction {
    /// It is new, or open again.
    Opened,
    /// Its commits or its target changed.
    Updated,
    /// It was merged or given up.
    Closed,
}

/// A pull request was opened, changed or closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PullRequest {
    /// The repository that it would be merged into.
    pub repository: Line,
    /// Its name there, such as `42`.
    pub number: Line,
    /// What happened.
    #[serde(deserialize_with = "strict::word")]
    pub action: PullRequestAction,
    /// The newest of its commits.
    pub head: CommitId,
    /// The commit that it would be merged into.
    pub base: CommitId,
    /// The branch that it would be merged into.
    pub target: GitReference,
    /// Whether its commits come from another repository: then nothing of it is trusted.
    #[serde(default)]
    pub fork: bool,
    /// The files that it changes; left out where the sender does not know them all.
    #[serde(default, deserialize_with = "strict::optional_object", skip_serializing_if = "Option::is_none")]
    pub changed: Option<ChangedFiles>,
    /// Who opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Line>,
}

/// A person or a pipeline asks for a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeployRequested {
    /// Where.
    pub environment: EnvironmentName,
    /// Which services, all of them or none; left out for the whole overlay.
    #[serde(default, deserialize_with = "strict::one_to_a_hundred", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub services: Option<Vec<ServiceName>>,
    /// What; left out for the head of the environment's branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Revision>,
    /// Who asks.
    pub requester: Line,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Line>,
    /// Why a closed window should not matter; given only by who has the right to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_reason: Option<Line>,
}

/// A person asks for the way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequested {
    /// Where.
    pub environment: EnvironmentName,
    /// The release to return to, by commit, digest or run; left out for the last verified one that differs from what is live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Revision>,
    /// Who asks.
    pub requester: Line,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Line>,
}

/// What should become of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClusterWork {
    /// It should be as its configuration says.
    Ensure,
    /// It should be gone.
    Remove,
}

/// A cluster should be made, brought up to date or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterRequested {
    /// The environment that the cluster is for.
    pub environment: EnvironmentName,
    /// What should become of it.
    #[serde(deserialize_with = "strict::word")]
    pub work: ClusterWork,
    /// The provider; left out for the environment's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
    /// The commit whose configuration counts; left out for the head of the environment's branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Revision>,
    /// The cluster's name once more: nothing is removed without it, so that a slip of the hand removes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<ClusterName>,
    /// Who asks; left out where a change of the configuration does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<Line>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Line>,
}

/// A cluster is ready to take objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterReady {
    /// The environment that the cluster is for.
    pub environment: EnvironmentName,
    /// Who owns it.
    pub provider: ProviderName,
    /// The cluster.
    pub cluster: ClusterName,
    /// The commit whose configuration it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Revision>,
}

/// A cluster could not be made or brought up to date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterFailed {
    /// The environment that the cluster is for.
    pub environment: EnvironmentName,
    /// Who owns it.
    pub provider: ProviderName,
    /// The cluster.
    pub cluster: ClusterName,
    /// What failed.
    pub reason: Line,
}

/// A cluster is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterDeleted {
    /// The environment that the cluster was for.
    pub environment: EnvironmentName,
    /// Who owned it.
    pub provider: ProviderName,
    /// The cluster.
    pub cluster: ClusterName,
}

/// An approver decided on a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalGiven {
    /// The run.
    pub run: RunIdText,
    /// Yes or no.
    #[serde(deserialize_with = "strict::word")]
    pub decision: ApprovalDecision,
    /// Who.
    pub approver: Line,
    /// The render that was looked at.
    pub digest: DigestText,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Line>,
}

/// A timer of the runner went off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleFired {
    /// The timer's name.
    pub schedule: Line,
    /// Where it asks for a deployment.
    pub environment: EnvironmentName,
}

/// What is live differs from what was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DriftDetected {
    /// Where.
    pub environment: EnvironmentName,
    /// The objects that differ; of very many the first.
    #[serde(deserialize_with = "strict::objects")]
    pub objects: Vec<DriftedObject>,
}

/// An object that is live with another content than was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DriftedObject {
    /// Its kind.
    pub kind: Line,
    /// Its namespace; left out for objects of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Line>,
    /// Its name.
    pub name: Line,
    /// The paths of the fields that differ; empty where the object is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Line>,
}
