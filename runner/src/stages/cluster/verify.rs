//! Verify: the cluster takes work.
//!
//! Takes: a cluster that its provider calls ready. Gives: the same, seen to be so: the way in leads in, every node is ready and is initialised,
//! every storage class of the provider is there. Touches: nothing. May be repeated because it only looks. On failure: the run has failed.

use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_cluster::{Cluster, ClusterError, Selector};
use windlass_core::failure::{FailureClass, STAGE_RETRIES};
use windlass_core::object::ObjectView;
use windlass_core::run::Stage;

use super::ensure::Made;
use crate::clusters::{Target, provider_stop};
use crate::run::Run;
use crate::stop::{Cause, Stop, chain, cluster_cause};

/// On a node until its cloud's controller knows it; pods are not placed there.
const UNINITIALISED: &str = "node.cloudprovider.kubernetes.io/uninitialized";

/// What the journal keeps of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyRecord {
    /// What the API server calls itself.
    pub version: String,
    /// Nodes that are ready: all of them.
    pub nodes: usize,
}

/// A cluster that takes work.
#[derive(Debug)]
pub struct Verified {
    pub made: Made,
    pub record: VerifyRecord,
}

/// Performs the stage.
pub async fn verify(run: &mut Run, made: Made) -> Result<Verified, Stop> {
    let target = made.planned.target.clone();
    let record = run
        .step(Stage::Verify, Value::Null, move |run| async move { until_ready(run, &target).await }.boxed())
        .await?;
    Ok(Verified { made, record })
}

/// Looks again a few times: a node may have had a bad moment just after the provider saw it.
async fn until_ready(run: &mut Run, target: &Target) -> Result<VerifyRecord, Stop> {
    let mut failed = 0;
    loop {
        let cause = match look(run, target).await {
            Ok(record) => return Ok(record),
            Err(Stop::Later(cause)) => cause,
            Err(Stop::Refuse(cause)) => return Err(Stop::Fail(cause.into())),
            Err(stop) => return Err(stop),
        };
        failed += 1;
        let Some(wait) = STAGE_RETRIES.wait_after(failed, run.engine.jitter()) else {
            return Err(Stop::Fail(cause.into()));
        };
        run.engine.announce(run.id(), Some(cause.text));
        tokio::time::sleep(wait).await;
    }
}

async fn look(run: &mut Run, target: &Target) -> Result<VerifyRecord, Stop> {
    let kubeconfig = target.provider.connect(&target.spec.name).await;
    let no_way_in = |error| provider_stop(Cause::new("cluster_not_ready", chain(&error)), &error);
    let kubeconfig = kubeconfig.map_err(no_way_in)?;
    let stop = |error: ClusterError| {
        let is_transient = error.class() == FailureClass::Transient;
        let cause = cluster_cause(&error);
        if is_transient { Stop::Later(cause) } else { Stop::Refuse(cause) }
    };
    // Refuses a way in that names programs or files.
    let cluster = Cluster::connect(&kubeconfig).await.map_err(stop)?;
    let nodes = cluster.list("v1", "Node", None, &Selector::all()).await.map_err(stop)?.objects;
    let mut missing: Vec<_> = nodes.iter().filter_map(unready).collect();
    if nodes.is_empty() {
        missing.push("it has no node".to_owned());
    }
    for class in target.provider.capabilities().storage_classes {
        if !cluster.has_storage_class(&class).await.map_err(stop)? {
            missing.push(format!("the storage class `{class}` is not there"));
        }
    }
    if !missing.is_empty() {
        return Err(Stop::Later(not_ready(target, &missing)));
    }
    let version = cluster.version().to_owned();
    run.kubeconfig = Some(kubeconfig);
    Ok(VerifyRecord { version, nodes: nodes.len() })
}

/// Why a node takes no pods, if it does not.
fn unready(node: &Value) -> Option<String> {
    let name = ObjectView::new(node).name().to_owned();
    let list = |path: &str| node.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default();
    let is_ready = list("/status/conditions")
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    if !is_ready {
        return Some(format!("node `{name}` is not ready"));
    }
    let is_initialised = !list("/spec/taints").iter().any(|taint| taint["key"] == UNINITIALISED);
    (!is_initialised).then(|| format!("node `{name}` is not known to its cloud's controller"))
}

fn not_ready(target: &Target, missing: &[String]) -> Cause {
    let text = format!("cluster `{}` does not take work: {}", target.spec.name, missing.join("; "));
    let environment = &target.spec.environment;
    Cause::new("cluster_not_ready", text)
        .with_hint(format!("look again, and go on: `windlass cluster create {environment}`"))
}

impl VerifyRecord {
    /// In one line.
    pub fn in_words(&self) -> String {
        let nodes = if self.nodes == 1 {
            "1 node is ready".to_owned()
        } else {
            format!("{} nodes are ready", self.nodes)
        };
        format!("{}, {nodes}", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(status: &str, taints: &Value, expected: Option<&str>) {
        let node = json!({
            "metadata": {"name": "a"}, "spec": {"taints": taints},
            "status": {"conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": status}]},
        });
        assert_eq!(unready(&node).as_deref(), expected);
    }

    #[test]
    fn a_node_is_ready_once_its_kubelet_and_its_cloud_say_so() {
        check("True", &json!([{"key": "CriticalAddonsOnly"}]), None);
        check(
            "True",
            &json!([{"key": UNINITIALISED}]),
            Some("node `a` is not known to its cloud's controller"),
        );
        for status in ["False", "Unknown"] {
            check(status, &Value::Null, Some("node `a` is not ready"));
        }
        assert_eq!(unready(&json!({"metadata": {"name": "a"}})).as_deref(), Some("node `a` is not ready"));
    }
}
