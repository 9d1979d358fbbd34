//! The contract of a provider: a backend that owns clusters.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::name::{ClusterName, EnvironmentName, ProviderName};

/// A backend that owns clusters.
///
/// # Contract
///
/// * `plan` and `connect` only read, and so does `remove` when it is asked for a dry run.
/// * `ensure` and `remove` are idempotent and can be resumed: called again after a crash at any point they finish the work without doubles.
///   A converged `ensure` writes nothing.
/// * Nothing that the provider did not make is changed or removed.
/// * Dropping a returned future stops the work at the next await point; what was done stays resumable.
/// * No error, plan or progress line holds a credential.
///
/// `windlass_tests::conformance::provider` holds every provider to this, also those of other authors.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// The folder name under `infra/k8s`.
    fn name(&self) -> &ProviderName;

    /// What this provider can do, as data.
    fn capabilities(&self) -> Capabilities;

    /// What `ensure` would do. Reads only.
    async fn plan(&self, want: &ClusterSpec) -> Result<ClusterPlan, ProviderError>;

    /// Makes the cluster be as wanted and answers when it can take work.
    async fn ensure(&self, want: &ClusterSpec, progress: &dyn Progress) -> Result<Cluster, ProviderError>;

    /// The way into a cluster that exists.
    async fn connect(&self, cluster: &ClusterName) -> Result<Kubeconfig, ProviderError>;

    /// Removes what `ensure` made, or only says what that is. A cluster that is not there is removed already.
    async fn remove(
        &self,
        cluster: &ClusterName,
        removal: Removal,
        progress: &dyn Progress,
    ) -> Result<Removed, ProviderError>;
}

/// What a provider can do. Read by lints, plans and the conformance suite.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Clusters can be made and removed; without it they are only connected to.
    pub create: bool,
    /// The Kubernetes version of a cluster can be raised.
    pub upgrade: bool,
    /// Nodes can be added and taken away.
    pub scale: bool,
    /// Storage classes that its clusters are known to have.
    pub storage_classes: Vec<String>,
}

/// The cluster that an environment wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSpec {
    /// The cluster's name.
    pub name: ClusterName,
    /// Whose it is.
    pub environment: EnvironmentName,
    /// The text of `cluster/cluster-config.yaml`, in the provider's own schema; none where the provider needs none.
    pub config: Option<String>,
}

/// What `ensure` would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterPlan {
    /// The changes in the order they would be made; none when the cluster is as wanted.
    pub changes: Vec<ClusterChange>,
    /// What the cluster costs in a month once the plan is carried out, where the provider knows prices.
    pub monthly_cost: Option<Money>,
}

/// One change of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterChange {
    /// Create, change or remove.
    pub verb: ChangeVerb,
    /// What is changed, such as ``server `dev-master-1` ``.
    pub what: String,
}

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeVerb {
    /// It is not there yet.
    Create,
    /// It is there and differs.
    Change,
    /// It is there and no longer wanted.
    Remove,
}

/// An amount in a currency, in hundredths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Hundredths of the currency's unit.
    pub cents: i64,
    /// ISO 4217, such as `EUR`.
    pub currency: String,
}

/// A cluster that can take work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its name.
    pub name: ClusterName,
    /// What its API server calls itself, such as `v1.34.4`; none where the provider only knows the way to it.
    pub version: Option<String>,
    /// Writes that `ensure` made; zero when it was converged.
    pub writes: u64,
}

/// How far a removal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Nothing is written: the answer is what would be removed and what would be left.
    DryRun,
    /// The cluster is removed.
    Final,
}

/// What `remove` did, or in a dry run would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// What is gone, in words.
    pub removed: Vec<String>,
    /// What was left and may cost money, in words, with its price where that is known.
    pub left: Vec<String>,
}

/// The credentials of a cluster: YAML, one context, no references to programs or files. Never printed.
#[derive(Debug, Clone)]
pub struct Kubeconfig(SecretString);

impl Kubeconfig {
    /// Wraps the YAML text.
    pub fn new(yaml: impl Into<String>) -> Self {
        Self(SecretString::from(yaml.into()))
    }

    /// The YAML text, for the client that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Hears how far `ensure` or `remove` has come.
pub trait Progress: Send + Sync {
    /// One line for people, without a credential and without a full stop.
    fn report(&self, line: &str);
}

/// Whether and when calling again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It will fail the same way until someone mends something.
    Never,
    /// It may work later; with a time where the backend named one.
    Later(Option<Duration>),
}

/// A provider could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct ProviderError {
    /// What failed, naming the thing; this layer only.
    pub what: String,
    /// Whether calling again can help.
    pub retry: Retry,
    /// What a person can do, with a command where there is one.
    pub hint: Option<String>,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ProviderError {
    /// An error that calling again does not mend.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), retry: Retry::Never, hint: None, source: None }
    }

    /// Says that calling again may help.
    pub fn retry_later(mut self, after: Option<Duration>) -> Self {
        self.retry = Retry::Later(after);
        self
    }

    /// Adds what a person can do.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_does_not_show_itself() {
        let shown = format!("{:?}", Kubeconfig::new("token: canary"));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
