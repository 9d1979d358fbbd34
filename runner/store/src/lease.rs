//! The environment lease: the right of one run to touch an environment's cluster, with an epoch that never decreases.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;
use windlass_core::name::{EnvironmentName, RunId};
use windlass_core::run::{RunState, Stage, Step};

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
const IN_EXECUTE: &str = "SELECT count(*) FROM runs WHERE environment = ?1 AND id <> ?2
    AND state IN ('secrets', 'apply', 'wait', 'verify', 'rollback')";
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
    /// A run that is ready enters stage `secrets` in the same transaction; one that was already touching the cluster when its worker died
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
            edit.step(Step::Begin(Stage::Secrets), RUNNER, json!({ "lease_epoch": epoch }))?;
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
