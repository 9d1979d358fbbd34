//! Ensure: the provider makes the cluster be as it is wanted.
//!
//! Takes: an admitted plan and the environment lease. Gives: a cluster. Touches: whatever the provider owns. May be repeated because that is the
//! provider's contract: called again after a crash at any point, it finishes the work without doubles. On failure: the run has failed, nothing is
//! rolled back, and the next run goes on from there.

use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use windlass_core::run::Stage;

use super::plan::Planned;
use super::work::let_work;
use crate::run::Run;
use crate::stages::gate::Admitted;
use crate::stop::Stop;

/// What the journal keeps of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnsureRecord {
    /// What the API server calls itself, where the provider knows.
    pub version: Option<String>,
    /// What the provider wrote; nothing where the cluster was as wanted.
    pub writes: u64,
}

/// A cluster that its provider calls ready.
#[derive(Debug)]
pub struct Made {
    pub planned: Planned,
    pub record: EnsureRecord,
}

/// Performs the stage.
pub async fn ensure(run: &mut Run, admitted: Admitted<Planned>) -> Result<Made, Stop> {
    let Admitted(planned) = admitted;
    let target = planned.target.clone();
    let intent = json!({ "cluster": target.spec.name, "plan": planned.record.digest });
    let record = run
        .step(Stage::Ensure, intent, move |run| {
            async move {
                let call = |heard| {
                    let target = target.clone();
                    async move { target.provider.ensure(&target.spec, &heard).await }.boxed()
                };
                let made = let_work(run, Stage::Ensure, call).await?;
                Ok(EnsureRecord { version: made.version, writes: made.writes })
            }
            .boxed()
        })
        .await?;
    Ok(Made { planned, record })
}

impl EnsureRecord {
    /// In one line.
    pub fn in_words(&self) -> String {
        let writes = match self.writes {
            0 => "it was as wanted".to_owned(),
            1 => "1 write".to_owned(),
            writes => format!("{writes} writes"),
        };
        self.version.as_ref().map_or_else(|| writes.clone(), |version| format!("{version}, {writes}"))
    }
}
