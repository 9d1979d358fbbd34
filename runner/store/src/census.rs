//! How many runs are where: for those who watch windlass, who ask often and want numbers only.

use windlass_core::name::EnvironmentName;
use windlass_core::run::RunState;

use crate::cells::Cells;
use crate::error::StoreError;
use crate::store::Store;

/// Runs that have not ended, and environments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census {
    /// In groups that are alike.
    pub runs: Vec<RunGroup>,
    /// Every environment, and whether it waits for a person to look at it.
    pub environments: Vec<(EnvironmentName, bool)>,
}

/// Runs of an environment that stand at the same place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunGroup {
    /// Where they deploy to.
    pub environment: EnvironmentName,
    /// Where they stand.
    pub state: RunState,
    /// What holds them, if something does.
    pub hold_code: Option<String>,
    /// How many they are.
    pub count: u64,
}

/// The condition is that of the index `runs_active`: runs that have ended cost nothing.
const RUNS: &str = "SELECT environment, state, hold_code, count(*) AS count FROM runs WHERE ended_at IS NULL
    GROUP BY environment, state, hold_code ORDER BY environment, state, hold_code";
const ENVIRONMENTS: &str = "SELECT name, attention IS NOT NULL AS stuck FROM environments ORDER BY name";

impl Store {
    /// Counts what has not ended.
    pub async fn census(&self) -> Result<Census, StoreError> {
        let runs = sqlx::query(RUNS).fetch_all(self.readers()).await?;
        let environments = sqlx::query(ENVIRONMENTS).fetch_all(self.readers()).await?;
        let group = |row| {
            let cells = Cells(row);
            Ok(RunGroup {
                environment: cells.parsed("environment")?,
                state: cells.parsed("state")?,
                hold_code: cells.maybe_text("hold_code")?,
                count: cells.number("count")?,
            })
        };
        let environment = |row| {
            let cells = Cells(row);
            Ok((cells.parsed("name")?, cells.number("stuck")? == 1))
        };
        Ok(Census {
            runs: runs.iter().map(group).collect::<Result<_, StoreError>>()?,
            environments: environments.iter().map(environment).collect::<Result<_, StoreError>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, new_run, open, planned};

    #[tokio::test]
    async fn alike_runs_are_counted_together() {
        let (_dir, store) = open().await;
        planned(&store, "1", new_run("dev"), 0).await;
        planned(&store, "2", new_run("test"), 0).await;
        let flagged: EnvironmentName = "test".parse().unwrap();
        store.flag_attention(&flagged, "look", at(1)).await.unwrap();
        let census = store.census().await.unwrap();
        let group = |name: &str, count| RunGroup {
            environment: name.parse().unwrap(),
            state: RunState::Queued,
            hold_code: None,
            count,
        };
        assert_eq!(census.runs, [group("dev", 1), group("test", 1)]);
        assert_eq!(census.environments, [("dev".parse().unwrap(), false), (flagged, true)]);
    }
}
