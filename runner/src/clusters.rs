//! The cluster of an environment: who owns it, what is wanted of it, the way into it, and the events that runs send about it.

use std::collections::BTreeMap;
use std::sync::Arc;

use windlass_core::event::text::{Line, Revision};
use windlass_core::event::{
    ClusterDeleted, ClusterFailed, ClusterReady, Event, EventData, EventIdentity, EventType,
};
use windlass_core::name::{ClusterName, Commit, EnvironmentName, RunId};
use windlass_core::policy::cluster::ClusterSwitch;
use windlass_core::policy::control::EnvironmentPolicy;
use windlass_core::policy::gate::GateCode;
use windlass_core::provider::{ClusterSpec, Kubeconfig, Provider, ProviderError, Retry};
use windlass_core::run::{Outcome, RunKind};
use windlass_store::{Incoming, RunRow};

use crate::engine::{Engine, source_cause};
use crate::stages::gate::unknown_environment;
use crate::stop::{Cause, Stop, chain};

/// The file of a cluster's folder that its provider reads.
const CONFIG_FILE: &str = "cluster-config.yaml";

/// Where the events of runs come from.
const SOURCE: &str = "/windlass/runs";

/// A cluster that windlass makes for an environment.
#[derive(Debug, Clone)]
pub struct Target {
    /// Who makes it.
    pub provider: Arc<dyn Provider>,
    /// What is wanted.
    pub spec: ClusterSpec,
    /// Where its configuration stands, whether it is there or not.
    pub file: String,
}

impl Engine {
    /// The cluster that a commit wants for an environment, where windlass makes it.
    pub fn cluster_target(&self, environment: &EnvironmentName, commit: &Commit) -> Result<Target, Cause> {
        if self.config.clusters.keys().any(|name| name.as_str() == environment.as_str()) {
            let text = format!(
                "the configuration names a kubeconfig for `{environment}`: windlass does not make its cluster"
            );
            return Err(Cause::new("cluster_not_made", text)
                .with_hint(format!("take `[clusters.{environment}]` out of windlass.toml")));
        }
        let control = self.control(commit)?;
        let policy = control
            .environments
            .get(environment)
            .ok_or_else(|| unknown_environment(&control, environment.as_str()))?;
        let (name, overlay) = self.overlay(environment, policy, commit)?;
        let makes = self.provider(&name).filter(|provider| provider.capabilities().create);
        let provider = makes.cloned().ok_or_else(|| self.makes_no_cluster(environment, name.as_str()))?;
        let file = format!("{overlay}/cluster/{CONFIG_FILE}");
        let config = self.text_at(commit, &file)?;
        let name = format!("{name}-{environment}-cluster").parse().expect("names of labels make a label");
        let spec = ClusterSpec { name, environment: environment.clone(), config };
        Ok(Target { provider, spec, file })
    }

    fn makes_no_cluster(&self, environment: &EnvironmentName, provider: &str) -> Cause {
        let making = self.providers_that_create();
        let known = if making.is_empty() { "none".to_owned() } else { making.join(", ") };
        let text = format!(
            "the provider `{provider}` of `{environment}` makes no clusters; providers that do, here: {known}"
        );
        Cause::new("cluster_not_made", text)
            .with_hint("deploy to a cluster that exists: name its kubeconfig in windlass.toml")
    }

    fn text_at(&self, commit: &Commit, file: &str) -> Result<Option<String>, Cause> {
        let tree = self.source.tree(commit).map_err(|error| source_cause(&error))?;
        let bytes = tree.file(file).map_err(|error| source_cause(&error))?;
        let invalid = |_| Cause::new("cluster_config_invalid", format!("`{file}` is not UTF-8"));
        bytes.map(|bytes| String::from_utf8(bytes.to_vec()).map_err(invalid)).transpose()
    }

    /// Whether a change of the cluster's configuration is carried out without asking.
    pub fn cluster_switch(
        &self,
        environment: &EnvironmentName,
        commit: &Commit,
    ) -> Result<ClusterSwitch, Cause> {
        let target = self.cluster_target(environment, commit)?;
        match &target.spec.config {
            None => Ok(ClusterSwitch::unwritten(&target.file)),
            Some(text) => ClusterSwitch::parse(&target.file, text)
                .map_err(|problems| Cause::new("cluster_config_invalid", problems.render())),
        }
    }

    /// The folder that configures an environment's cluster, where the cluster is windlass's to make.
    pub fn cluster_folder(
        &self,
        environment: &EnvironmentName,
        policy: &EnvironmentPolicy,
        commit: &Commit,
    ) -> Option<String> {
        let is_given = self.config.clusters.keys().any(|name| name.as_str() == environment.as_str());
        let (provider, overlay) = self.overlay(environment, policy, commit).ok()?;
        let makes = self.provider(&provider).is_some_and(|provider| provider.capabilities().create);
        (makes && !is_given).then(|| format!("{overlay}/cluster"))
    }

    /// The way into a cluster: as a run has published it, where windlass makes the cluster; else as the provider knows it.
    pub async fn kubeconfig(
        &self,
        environment: &EnvironmentName,
        provider: &dyn Provider,
        cluster: &ClusterName,
    ) -> Result<Kubeconfig, Stop> {
        if provider.capabilities().create
            && let Some(published) = self.store.kubeconfig(environment, provider.name(), cluster).await?
        {
            return Ok(published);
        }
        provider
            .connect(cluster)
            .await
            .map_err(|error| provider_stop(Cause::new("cluster_unknown", chain(&error)), &error))
    }
}

/// What becomes of a run whose provider refuses, for this cause, or does not answer.
pub fn provider_stop(cause: Cause, error: &ProviderError) -> Stop {
    let cause = advised(cause, error);
    match error.retry {
        Retry::Never => Stop::Refuse(cause),
        Retry::Later(_) => Stop::Later(Cause { code: "provider_unreachable".to_owned(), ..cause }),
    }
}

/// A cause with what the provider advises.
pub fn advised(mut cause: Cause, error: &ProviderError) -> Cause {
    cause.hints.extend(error.hint.clone());
    cause
}

/// The identity of the event that a run sends about its cluster: made of the run alone, so that it is the same however often it is sent.
pub fn event_identity(run: RunId, event_type: EventType) -> EventIdentity {
    EventIdentity { source: SOURCE.to_owned(), id: format!("{run}.{}", event_type.short()) }
}

/// The event that the cluster takes work: a deploy run follows.
pub fn ready_event(run: &RunRow, target: &Target) -> Incoming {
    let (provider, cluster) = (target.provider.name().clone(), target.spec.name.clone());
    let commit = Revision::try_from(run.commit.as_str().to_owned()).ok();
    let environment = run.environment.clone();
    incoming(run, EventData::ClusterReady(ClusterReady { environment, provider, cluster, commit }))
}

/// The event that the cluster is gone.
pub fn deleted_event(run: &RunRow, target: &Target) -> Incoming {
    let (provider, cluster) = (target.provider.name().clone(), target.spec.name.clone());
    let environment = run.environment.clone();
    incoming(run, EventData::ClusterDeleted(ClusterDeleted { environment, provider, cluster }))
}

/// The event that the cluster could not be made, for a run that ends so: not where a rule or a person stopped it, for then nothing failed.
pub fn failed_event(engine: &Engine, run: &RunRow, outcome: Outcome, cause: &Cause) -> Option<Incoming> {
    let is_failure = match outcome {
        Outcome::Failed => true,
        Outcome::Refused => GateCode::named(&cause.code).is_none(),
        _ => false,
    };
    if run.kind != RunKind::Cluster || !is_failure {
        return None;
    }
    let target = engine.cluster_target(&run.environment, &run.commit).ok()?;
    let first = cause.text.lines().next().unwrap_or_default();
    let reason: String = first.chars().filter(|letter| !letter.is_control()).take(1024).collect();
    let failed = ClusterFailed {
        environment: run.environment.clone(),
        provider: target.provider.name().clone(),
        cluster: target.spec.name,
        reason: Line::try_from(reason).ok()?,
    };
    Some(incoming(run, EventData::ClusterFailed(failed)))
}

fn incoming(run: &RunRow, data: EventData) -> Incoming {
    let identity = event_identity(run.id, data.event_type());
    let extensions = BTreeMap::new();
    let event = Event { identity, subject: None, time: None, dataschema: None, extensions, data };
    crate::intake::incoming(&event, event.to_message(), run.traceparent.clone())
}

#[cfg(test)]
mod tests;
