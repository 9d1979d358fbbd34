//! Releases: what each environment was given, in order, and what of it was verified.

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use windlass_core::name::{Commit, Digest, EnvironmentName, RunId};
use windlass_core::release::Release;

use crate::cells::{Cells, integer, micros};
use crate::environment;
use crate::error::StoreError;
use crate::kill::Operation;
use crate::run::RunRow;
use crate::store::Store;

/// A run that applies the same content again after a crash keeps its place in the order.
const RECORD: &str = "INSERT INTO releases (run, environment, commit_id, digest, applied_at)
    VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (run, digest) DO NOTHING";
const VERIFY: &str = "UPDATE releases SET verified = 1
    WHERE id = (SELECT max(id) FROM releases WHERE run = ?1)";
const OF_ENVIRONMENT: &str =
    "SELECT run, commit_id, digest, verified FROM releases WHERE environment = ?1 ORDER BY id";

impl Store {
    /// Records what a run is about to apply. [`crate::Change::Release`] does the same as part of a larger write.
    pub async fn record_release(
        &self,
        run: RunId,
        environment: &EnvironmentName,
        commit: &Commit,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        environment::ensure(&mut writing, environment).await?;
        insert(&mut writing, (run, environment, commit, digest), now).await?;
        self.commit(writing, &[Operation::RecordRelease]).await
    }

    /// Records that a run's release was verified. [`crate::Change::Verified`] does the same as part of a larger write.
    pub async fn mark_verified(&self, run: RunId) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        verify(&mut writing, run).await?;
        self.commit(writing, &[Operation::MarkVerified]).await
    }

    /// An environment's releases in the order they were applied.
    pub async fn releases(&self, environment: &EnvironmentName) -> Result<Vec<Release>, StoreError> {
        let query = sqlx::query(OF_ENVIRONMENT).bind(environment.as_str());
        query.fetch_all(self.readers()).await?.iter().map(read_release).collect()
    }
}

pub(crate) async fn record(
    connection: &mut SqliteConnection,
    run: &RunRow,
    digest: &Digest,
    now: Timestamp,
) -> Result<(), StoreError> {
    insert(connection, (run.id, &run.environment, &run.commit, digest), now).await
}

pub(crate) async fn verify(connection: &mut SqliteConnection, run: RunId) -> Result<(), StoreError> {
    sqlx::query(VERIFY).bind(integer(run.0)).execute(connection).await?;
    Ok(())
}

async fn insert(
    connection: &mut SqliteConnection,
    (run, environment, commit, digest): (RunId, &EnvironmentName, &Commit, &Digest),
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(RECORD)
        .bind(integer(run.0))
        .bind(environment.as_str())
        .bind(commit.as_str())
        .bind(digest.as_str())
        .bind(micros(now))
        .execute(connection)
        .await?;
    Ok(())
}

fn read_release(row: &SqliteRow) -> Result<Release, StoreError> {
    let cells = Cells(row);
    Ok(Release {
        run: RunId(cells.number("run")?),
        commit: Commit::new(cells.text("commit_id")?),
        digest: cells.word("digest")?,
        verified: cells.flag("verified")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewRun;
    use crate::testing::{at, environment, new_run, open, planned};

    #[tokio::test]
    async fn releases_are_listed_as_they_were_applied() {
        let (_dir, store) = open().await;
        let dev = environment("dev");
        let mut expected = Vec::new();
        for (id, verified) in [("1", true), ("2", false), ("3", true)] {
            let run = planned(&store, id, NewRun { lane: id.to_owned(), ..new_run("dev") }, 0).await;
            let digest = Digest::of(id.as_bytes());
            // Applied again after a crash, the release is the same.
            for _ in 0..2 {
                store.record_release(run.id, &dev, &run.commit, &digest, at(1)).await.unwrap();
            }
            if verified {
                store.mark_verified(run.id).await.unwrap();
            }
            expected.push(Release { run: run.id, commit: run.commit, digest, verified });
        }
        assert_eq!(store.releases(&dev).await.unwrap(), expected);
        assert!(store.releases(&environment("test")).await.unwrap().is_empty());
    }
}
