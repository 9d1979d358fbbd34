//! The environment lease: the right of one run to touch an environment's cluster, with an epoch that never decreases.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;
use windlass_core::name::{EnvironmentName, RunId};
use windlass_core::run::{RunState, Step};

use crate::audit::RUNNER;
use crate::cells::{integer, micros};
use crate::claim::{self, Claim, later};
use crate::environment;
use crate::error::StoreError;
use crate::kill::Operation;
use crate::run::RunRow;
use crate::store::Store;

/// The right to touch an environment's cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Where.
    pub environment: EnvironmentName,
    /// Who.
    pub run: RunId,
    /// Higher than that of every earlier lease of the environment: what is written to the cluster carries it.
    pub epoch: u64,
    /// Until when, unless it is renewed.
    pub expires: Timestamp,
}

const FIND: &str = "SELECT epoch, run, expires_at FROM leases WHERE environment = ?1";
pub(crate) const IN_EXECUTE: &str = "SELECT count(*) FROM runs WHERE environment = ?1 AND id <> ?2
    AND state IN ('secrets', 'apply', 'wait', 'ensure', 'remove', 'verify', 'publish', 'rollback')";
const TAKE: &str = "INSERT INTO leases (environment, run, epoch, expires_at) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (environment) DO UPDATE SET run = excluded.run, epoch = excluded.epoch,
    expires_at = excluded.expires_at WHERE excluded.epoch > leases.epoch";
const RENEW: &str = "UPDATE leases SET expires_at = ?4 WHERE environment = ?1 AND run = ?2 AND epoch = ?3";
const RELEASE: &str = "UPDATE leases SET run = NULL, expires_at = 0
    WHERE environment = ?1 AND run = ?2 AND epoch = ?3";
const RAISE: &str = "INSERT INTO leases (environment, epoch) VALUES (?1, ?2)
    ON CONFLICT (environment) DO UPDATE SET epoch = max(epoch, excluded.epoch)";

impl Store {
    /// Takes the environment of the claim's run, or answers none while another run has it.
    ///
    /// A run that is ready enters the first stage of its execute half in the same transaction; one that was already touching the cluster when its worker died
    /// keeps its state and gets a new epoch. `at_least_epoch` is what the cluster's marker shows: a database that was restored from a
    /// copy may know less than the cluster.
    pub async fn acquire_lease(
        &self,
        claim: &mut Claim,
        at_least_epoch: u64,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let mut writing = self.write().await?;
        let mut edit = claim::edit(&mut writing, claim, now).await?;
        let Some(known) = free_epoch(&mut writing, &edit.run, now).await? else { return Ok(None) };
        let epoch = known.max(at_least_epoch) + 1;
        if matches!(edit.run.state, RunState::At(stage) if stage.is_execute()) {
            edit.note(RUNNER, "take lease again", json!({ "lease_epoch": epoch }));
        } else {
            let first = edit.run.kind.first_in_execute();
            edit.step(Step::Begin(first), RUNNER, json!({ "lease_epoch": epoch }))?;
        }
        let lease = Lease {
            environment: edit.run.environment.clone(),
            run: edit.run.id,
            epoch,
            expires: later(now, ttl),
        };
        sqlx::query(TAKE)
            .bind(lease.environment.as_str())
            .bind(integer(lease.run.0))
            .bind(integer(epoch))
            .bind(micros(lease.expires))
            .execute(&mut *writing)
            .await?;
        let run = edit.save(&mut writing, self.key()).await?;
        self.commit(writing, &[Operation::AcquireLease]).await?;
        claim.run = run;
        Ok(Some(lease))
    }

    /// Makes a lease last until `now + ttl`.
    pub async fn renew_lease(
        &self,
        lease: &mut Lease,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        let expires = later(now, ttl);
        let mut writing = self.write().await?;
        let renewed = lease_query(RENEW, lease).bind(micros(expires)).execute(&mut *writing).await?;
        if renewed.rows_affected() == 0 {
            return Err(StoreError::Lost(lease.run));
        }
        self.commit(writing, &[Operation::RenewLease]).await?;
        lease.expires = expires;
        Ok(())
    }

    /// Gives an environment back. The end or the parking of the run does so too; a lease that is gone already needs nothing.
    pub async fn release_lease(&self, lease: Lease) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        lease_query(RELEASE, &lease).execute(&mut *writing).await?;
        self.commit(writing, &[Operation::ReleaseLease]).await
    }

    /// Makes sure that the next lease of an environment is above `at_least`.
    pub async fn raise_epoch(&self, environment: &EnvironmentName, at_least: u64) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        environment::ensure(&mut writing, environment).await?;
        let query = sqlx::query(RAISE).bind(environment.as_str()).bind(integer(at_least));
        query.execute(&mut *writing).await?;
        self.commit(writing, &[Operation::RaiseEpoch]).await
    }
}

/// The environment's epoch if the run may have the lease now.
async fn free_epoch(
    connection: &mut SqliteConnection,
    run: &RunRow,
    now: Timestamp,
) -> Result<Option<u64>, StoreError> {
    let environment = run.environment.as_str();
    let query = sqlx::query_scalar::<_, i64>(IN_EXECUTE).bind(environment).bind(integer(run.id.0));
    if query.fetch_one(&mut *connection).await? > 0 {
        return Ok(None);
    }
    let row = sqlx::query(FIND).bind(environment).fetch_optional(connection).await?;
    let Some(row) = row else { return Ok(Some(0)) };
    let holder: Option<u64> = row.try_get("run")?;
    let is_foreign = holder.is_some_and(|holder| holder != run.id.0);
    let is_alive = row.try_get::<i64, _>("expires_at")? > micros(now);
    Ok(if is_foreign && is_alive { None } else { Some(row.try_get("epoch")?) })
}

fn lease_query<'query>(
    sql: &'static str,
    lease: &'query Lease,
) -> sqlx::query::Query<'query, sqlx::Sqlite, sqlx::sqlite::SqliteArguments> {
    sqlx::query(sql).bind(lease.environment.as_str()).bind(integer(lease.run.0)).bind(integer(lease.epoch))
}

#[cfg(test)]
mod tests {
    use windlass_core::run::{Outcome, Stage};

    use super::*;
    use crate::run::Reason;
    use crate::testing::{TTL, at, environment, hold, new_run, open_leading, planned, prepare};
    use crate::{Leadership, NewRun};

    /// A claimed run that is ready for the lease.
    async fn ready(store: &Store, leadership: &Leadership, id: &str) -> Claim {
        let run = planned(store, id, NewRun { lane: id.to_owned(), ..new_run("dev") }, 0).await;
        let mut claim = store.claim_run(leadership, run.id, at(1), TTL).await.unwrap().unwrap();
        prepare(store, &mut claim, 1).await;
        claim
    }

    #[tokio::test]
    async fn epochs_rise_with_every_lease_and_above_what_the_cluster_shows() {
        let (_dir, store, leadership) = open_leading().await;
        let mut epochs = Vec::new();
        for (id, at_least) in [("1", 0), ("2", 0), ("3", 40), ("4", 7)] {
            let mut claim = ready(&store, &leadership, id).await;
            let lease = store.acquire_lease(&mut claim, at_least, at(2), TTL).await.unwrap().unwrap();
            epochs.push(lease.epoch);
            assert_eq!(claim.run.state, RunState::At(Stage::Secrets));
            store.end(&mut claim, Outcome::Failed, Reason::new("test", ""), at(3)).await.unwrap();
        }
        assert_eq!(epochs, [1, 2, 41, 42]);
        store.raise_epoch(&environment("dev"), 10).await.unwrap();
        assert_eq!(store.environment(&environment("dev")).await.unwrap().lease_epoch, 42);
        store.raise_epoch(&environment("dev"), 99).await.unwrap();
        let mut claim = ready(&store, &leadership, "5").await;
        assert_eq!(store.acquire_lease(&mut claim, 0, at(4), TTL).await.unwrap().unwrap().epoch, 100);
    }

    #[tokio::test]
    async fn only_a_run_that_is_ready_or_was_at_work_takes_the_lease() {
        let (_dir, store, leadership) = open_leading().await;
        planned(&store, "1", new_run("dev"), 0).await;
        let mut claim = store.claim(&leadership, at(1), TTL).await.unwrap().unwrap();
        let refused = store.acquire_lease(&mut claim, 0, at(1), TTL).await;
        assert!(matches!(refused, Err(StoreError::Step(_))), "{refused:?}");
        assert_eq!(store.environment(&environment("dev")).await.unwrap().lease_run, None);
    }

    #[tokio::test]
    async fn a_run_whose_worker_died_takes_its_own_lease_again() {
        let (_dir, store, leadership) = open_leading().await;
        let mut old = ready(&store, &leadership, "1").await;
        let first = store.acquire_lease(&mut old, 0, at(2), TTL).await.unwrap().unwrap();
        let other = ready(&store, &leadership, "2").await;
        store.release(other).await.unwrap();
        drop(leadership);

        let leadership = store.try_lead(at(3)).await.unwrap().unwrap();
        let mut new = store.claim(&leadership, at(3), TTL).await.unwrap().unwrap();
        assert_eq!(new.run.id, first.run);
        // The lease is void, and still nobody else gets in while the first is half-way.
        assert!(store.claim(&leadership, at(3), TTL).await.unwrap().is_none());
        let again = store.acquire_lease(&mut new, 0, at(3), TTL).await.unwrap().unwrap();
        assert_eq!((again.run, again.epoch), (first.run, 2));
        assert_eq!(new.run.state, RunState::At(Stage::Secrets));
        let mut stale = first;
        assert!(matches!(store.renew_lease(&mut stale, at(4), TTL).await, Err(StoreError::Lost(_))));
    }

    #[tokio::test]
    async fn renewing_the_claim_renews_the_lease() {
        let (_dir, store, leadership) = open_leading().await;
        let mut claim = ready(&store, &leadership, "1").await;
        let mut lease = store.acquire_lease(&mut claim, 0, at(2), TTL).await.unwrap().unwrap();
        assert_eq!(lease.expires, at(32));
        store.renew(&mut claim, at(20), TTL).await.unwrap();
        let query = "SELECT expires_at FROM leases WHERE environment = 'dev'";
        let expires: i64 = sqlx::query_scalar(query).fetch_one(store.readers()).await.unwrap();
        assert_eq!(expires, micros(at(50)));
        store.renew_lease(&mut lease, at(30), TTL).await.unwrap();
        assert_eq!(lease.expires, at(60));
    }

    #[tokio::test]
    async fn a_parked_run_has_no_lease() {
        let (_dir, store, leadership) = open_leading().await;
        let mut claim = ready(&store, &leadership, "1").await;
        store.acquire_lease(&mut claim, 0, at(2), TTL).await.unwrap().unwrap();
        store.hold(&mut claim, hold(Some(60), None), at(3)).await.unwrap();
        assert_eq!(store.environment(&environment("dev")).await.unwrap().lease_run, None);
        let mut other = ready(&store, &leadership, "2").await;
        assert!(store.acquire_lease(&mut other, 0, at(4), TTL).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_lease_given_back_is_free() {
        let (_dir, store, leadership) = open_leading().await;
        let mut claim = ready(&store, &leadership, "1").await;
        let lease = store.acquire_lease(&mut claim, 0, at(2), TTL).await.unwrap().unwrap();
        store.release_lease(lease.clone()).await.unwrap();
        store.release_lease(lease).await.unwrap();
        assert_eq!(store.environment(&environment("dev")).await.unwrap().lease_run, None);
    }
}
