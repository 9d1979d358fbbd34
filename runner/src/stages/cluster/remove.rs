//! Remove: the provider takes the cluster away.
//!
//! Takes: an admitted removal and the environment lease. Gives: the outcome, together with the event that the cluster is gone. Touches: what the
//! provider has made, and nothing else. May be repeated because a cluster that is gone is removed already. On failure: the run has failed, and
//! the next one goes on from there.

use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use windlass_core::provider::Removal;
use windlass_core::run::{Outcome, Stage};
use windlass_store::{Change, Reason};

use super::plan::Planned;
use super::work::let_work;
use crate::clusters::deleted_event;
use crate::run::Run;
use crate::stages::gate::Admitted;
use crate::stop::Stop;

/// What the journal keeps of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveRecord {
    /// What is gone, in words.
    pub removed: Vec<String>,
    /// What was left and may cost money, in words.
    pub left: Vec<String>,
}

/// Performs the stage and ends the run.
pub async fn remove(run: &mut Run, admitted: Admitted<Planned>) -> Result<Outcome, Stop> {
    let Admitted(planned) = admitted;
    let target = planned.target.clone();
    let intent = json!({ "cluster": target.spec.name, "plan": planned.record.digest });
    let record = run
        .step(Stage::Remove, intent, move |run| {
            async move {
                let call = |heard| {
                    let target = target.clone();
                    async move { target.provider.remove(&target.spec.name, Removal::Final, &heard).await }
                        .boxed()
                };
                let done = let_work(run, Stage::Remove, call).await?;
                Ok(RemoveRecord { removed: done.removed, left: done.left })
            }
            .boxed()
        })
        .await?;
    let reason = Reason::new("verified", record.to_text(planned.record.cluster.as_str()));
    let deleted = deleted_event(run.row(), &planned.target);
    run.end_well(&[Change::WithdrawCluster, Change::Emit(&deleted)], reason).await
}

impl RemoveRecord {
    /// In one line.
    pub fn in_words(&self) -> String {
        format!("{} removed, {} left", self.removed.len(), self.left.len())
    }

    /// What became of a cluster, with everything that was left.
    fn to_text(&self, cluster: &str) -> String {
        let left = self.left.iter().map(|left| format!("\n  ! left   {left}"));
        left.fold(format!("cluster `{cluster}` is gone"), |text, left| text + &left)
    }
}
