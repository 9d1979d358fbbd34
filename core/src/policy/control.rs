//! The typed content of deploy-control.yaml.
//!
//! Every value that a rule may cite keeps the place where the file states it, so an answer can say "deploy-control.yaml:11".

mod parity;
mod read;
#[cfg(test)]
mod tests;
mod times;
mod windows;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::problem::{Placed, Problems};
use super::window::DeploymentWindows;
use crate::diagnosis::Cause;
use crate::name::{EnvironmentName, ProviderName, ServiceName};

/// How long a rollout may take where the policy says nothing.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(5);

/// How long a rollout of `prod` may take where the policy says nothing: it runs more replicas, one after the other.
pub const DEFAULT_PROD_TIMEOUT: Duration = Duration::from_mins(10);

/// The kinds that a prune keeps where the policy says nothing: with them goes data, or everything inside.
pub const PROTECTED_KINDS: [&str; 4] =
    ["PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition"];

/// The policy of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeployControl {
    /// The file, as it was named to [`DeployControl::parse`].
    pub file: String,
    /// `global`.
    pub global: GlobalPolicy,
    /// `environments`, by name.
    pub environments: BTreeMap<EnvironmentName, EnvironmentPolicy>,
}

/// What holds for every environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GlobalPolicy {
    /// The kill switch of everything automatic.
    pub auto_deploy: Placed<bool>,
}

/// The policy of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvironmentPolicy {
    /// The provider folder with this environment's overlay; `None`: the only one that has it.
    pub provider: Option<Placed<ProviderName>>,
    /// The branch whose pushes concern this environment. Default: the environment's name, for `prod` `main`.
    pub branch: Placed<String>,
    /// How long a rollout may take. Default: 300 s, for `prod` 600 s.
    #[serde(serialize_with = "seconds")]
    pub timeout: Placed<Duration>,
    /// Whether windlass deploys here at all.
    pub enabled: Placed<bool>,
    /// Whether automatic events deploy here.
    pub auto_deploy: Placed<bool>,
    /// Whether a person must approve each run.
    pub require_manual_approval: Placed<bool>,
    /// When runs may start.
    pub deployment_windows: DeploymentWindows,
    /// Who approves, and how many of them.
    pub approval: ApprovalPolicy,
    /// The services, by name.
    pub services: BTreeMap<ServiceName, ServicePolicy>,
}

/// Who approves, where an approval is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovalPolicy {
    /// Who may approve; empty: everyone who has the approver's role.
    pub approvers: Placed<BTreeSet<String>>,
    /// How many different persons must approve. Default: 1.
    pub count: Placed<usize>,
    /// Whether who asked for the run may approve it. Default: no.
    pub allow_self: Placed<bool>,
}

/// The policy of one service in one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServicePolicy {
    /// Whether windlass deploys the service here.
    pub enabled: Placed<bool>,
    /// Whether automatic events deploy the service.
    pub auto_deploy: Placed<bool>,
    /// Whether a person must approve a run with this service.
    pub require_approval: Placed<bool>,
    /// Whether a failed run returns to the last verified release.
    pub rollback_on_failure: Placed<bool>,
    /// What to do about fields that another manager owns. Default: take them.
    pub conflicts: Placed<Conflicts>,
    /// Whether objects that left the overlay are removed. Default: yes.
    pub prune: Placed<bool>,
    /// What a prune keeps. The list replaces the default, [`PROTECTED_KINDS`]: an empty one asks for everything to be pruned.
    pub protect: Placed<BTreeSet<Protected>>,
    /// What to do about a change that only a new object can carry. Default: refuse the run.
    pub recreate: Placed<Recreate>,
    /// How long each cause of failure is tolerated, where it differs from the cause's own default.
    #[serde(serialize_with = "seconds_each")]
    pub patience: BTreeMap<Cause, Placed<Duration>>,
}

/// What to do about fields that another manager owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conflicts {
    /// Take the fields over, and report which and from whom.
    Take,
    /// Refuse the run.
    Refuse,
}

/// What to do about a change of an immutable field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Recreate {
    /// Refuse the run, naming the field.
    Refuse,
    /// Delete the object and create it anew.
    Allow,
}

/// A kind, or one object of a kind, that a prune keeps: `PersistentVolumeClaim` or `Secret/licence`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Protected {
    /// The kind.
    pub kind: String,
    /// The object's name; `None`: every object of the kind.
    pub name: Option<String>,
}

impl Protected {
    /// Whether an object of this kind and name is meant.
    pub fn covers(&self, kind: &str, name: &str) -> bool {
        self.kind == kind && self.name.as_deref().is_none_or(|own| own == name)
    }
}

impl DeployControl {
    /// Reads the policy from the text of `file`; the name only appears in places and messages.
    ///
    /// # Errors
    ///
    /// Every problem of the file at once, each with its place and what to do about it: unknown, missing and repeated keys, values of a wrong
    /// type or out of range, and keys that one environment has and another lacks.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        read::deploy_control(file, text)
    }

    /// The environments whose pushes come from `branch`.
    pub fn of_branch<'a>(&'a self, branch: &'a str) -> impl Iterator<Item = &'a EnvironmentName> {
        self.environments
            .iter()
            .filter(move |(_, environment)| environment.branch.value == branch)
            .map(|(name, _)| name)
    }
}

impl<T: Serialize> Serialize for Placed<T> {
    /// As the value alone: places belong to one text of the file.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

fn seconds<S: Serializer>(duration: &Placed<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}s", duration.value.as_secs()))
}

fn seconds_each<S: Serializer>(
    patience: &BTreeMap<Cause, Placed<Duration>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(
        patience.iter().map(|(cause, duration)| (cause.word(), format!("{}s", duration.value.as_secs()))),
    )
}
