//! Publish: the way into the cluster is kept, sealed, for every run that comes, and published at GitHub where that is configured.
//!
//! Takes: a cluster that takes work. Gives: the outcome, together with the event that asks for a deploy run. Touches: the store, and GitHub. May be repeated
//! because what is published takes the place of what was. On failure: the run has failed.

use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_core::name::ClusterName;
use windlass_core::provider::Kubeconfig;
use windlass_core::run::{Outcome, Stage};
use windlass_store::{Change, ClusterToPublish, Reason};

use super::verify::Verified;
use crate::clusters::{Target, advised, ready_event};
use crate::run::Run;
use crate::stop::{Cause, Stop, chain};
use crate::variables::Variables;

/// What the journal keeps of it: never the way in itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishRecord {
    /// The cluster whose way in is kept.
    pub cluster: ClusterName,
    /// Where at GitHub it was published too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub github: Option<String>,
}

/// Performs the stage and ends the run.
pub async fn publish(run: &mut Run, verified: Verified) -> Result<Outcome, Stop> {
    let Verified { made, record } = verified;
    let target = made.planned.target;
    let asked = target.clone();
    let version = record.version;
    run.step(Stage::Publish, Value::Null, move |run| {
        async move {
            let cluster = ClusterToPublish {
                provider: asked.provider.name().clone(),
                name: asked.spec.name.clone(),
                version: Some(version),
                kubeconfig: way_in(run, &asked).await?,
            };
            let now = run.engine.now();
            run.engine.store.write_run(&mut run.claim, &[Change::PublishCluster(&cluster)], now).await?;
            let github = &run.engine.config.github;
            let published = github.publish(run.environment(), &cluster.kubeconfig, &Variables::Process).await;
            let github = published.map_err(|cause| Stop::Fail(cause.into()))?;
            Ok(PublishRecord { cluster: cluster.name, github })
        }
        .boxed()
    })
    .await?;
    let reason = Reason::new("verified", format!("cluster `{}` takes work", target.spec.name));
    let ready = ready_event(run.row(), &target);
    run.end_well(&[Change::Emit(&ready)], reason).await
}

/// The way in that was tried, or where this process did not try it, the provider's.
async fn way_in(run: &mut Run, target: &Target) -> Result<Kubeconfig, Stop> {
    if let Some(kubeconfig) = run.kubeconfig.take() {
        return Ok(kubeconfig);
    }
    let connected = target.provider.connect(&target.spec.name).await;
    connected.map_err(|error| Stop::Fail(advised(Cause::new("cluster_failed", chain(&error)), &error).into()))
}

impl PublishRecord {
    /// In one line.
    pub fn in_words(&self) -> String {
        let kept = "the way in is kept, sealed";
        self.github.as_ref().map_or_else(|| kept.to_owned(), |github| format!("{kept}; {github}"))
    }
}
