//! Claims: which worker has a run, and the guard that keeps everybody else from writing it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::SqliteConnection;
use windlass_core::name::{EnvironmentName, RunId};
use windlass_core::run::RunState;

use crate::cells::{integer, micros};
use crate::edit::Edit;
use crate::error::StoreError;
use crate::kill::Operation;
use crate::leadership::Leadership;
use crate::run::{RunRow, find};
use crate::store::{Store, Writing};

/// A run in hand. Every write of the run takes the claim and is refused once the claim is void.
///
/// A clone can renew the claim beside the one that writes; of two that write, the one that comes second has lost.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The run as the last write through this claim left it.
    pub run: RunRow,
    /// Which claim of the run this is; higher than every earlier one.
    pub epoch: u64,
    pub(crate) boot: String,
}

/// For each environment its oldest run that somebody may take, and of these the one whose environment was served longest ago.
///
/// The literal states are those of the index `runs_claimable`: held and ended runs are not even looked at. A run that is ready is left
/// alone while another of its environment has the lease or touches the cluster.
pub(crate) const NEXT: &str = "SELECT runs.id FROM environments JOIN runs ON runs.id = (
        SELECT id FROM runs AS candidate WHERE candidate.environment = environments.name
        AND state IN ('queued', 'ready', 'gate', 'render', 'plan', 'secrets', 'apply', 'wait', 'ensure', 'remove', 'verify', 'publish', 'rollback')
        AND claim_expires <= ?1
        AND (state <> 'ready' OR NOT (
            EXISTS (SELECT 1 FROM leases WHERE leases.environment = environments.name
                AND leases.run <> candidate.id AND leases.expires_at > ?1)
            OR EXISTS (SELECT 1 FROM runs AS other WHERE other.environment = environments.name
                AND other.state IN ('secrets', 'apply', 'wait', 'ensure', 'remove', 'verify', 'publish', 'rollback'))))
        ORDER BY id LIMIT 1)
    ORDER BY environments.served_at, environments.name LIMIT 1";
const TAKE: &str = "UPDATE runs SET claimed_by = ?3, claim_expires = ?4, epoch = epoch + 1, crash_count = ?5
    WHERE id = ?1 AND epoch = ?2";
const SERVED: &str = "UPDATE environments SET served_at = ?2 WHERE name = ?1";
const RENEW: &str = "UPDATE runs SET claim_expires = ?4 WHERE id = ?1 AND epoch = ?2 AND claimed_by = ?3";
const RENEW_LEASE: &str = "UPDATE leases SET expires_at = ?3 WHERE environment = ?1 AND run = ?2";
const RELEASE: &str = "UPDATE runs SET claimed_by = NULL, claim_expires = 0
    WHERE id = ?1 AND epoch = ?2 AND claimed_by = ?3";

impl Store {
    /// Takes the next run that wants a worker: queued, ready with its environment free, or left in a stage by a worker that is gone.
    ///
    /// A run whose worker went away inside of a stage counts a crash; a stage that finishes sets the count back. The caller ends a run
    /// that keeps killing its workers.
    pub async fn claim(
        &self,
        leadership: &Leadership,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Claim>, StoreError> {
        let mut writing = self.write().await?;
        let next: Option<u64> =
            sqlx::query_scalar(NEXT).bind(micros(now)).fetch_optional(&mut *writing).await?;
        let Some(id) = next else { return Ok(None) };
        let run = find(&mut writing, RunId(id)).await?;
        self.take(writing, run, leadership, now, ttl).await.map(Some)
    }

    /// Takes one run, or answers none while somebody has it, or when it is held or over.
    pub async fn claim_run(
        &self,
        leadership: &Leadership,
        id: RunId,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Claim>, StoreError> {
        let mut writing = self.write().await?;
        let run = find(&mut writing, id).await?;
        let is_free = run.claim_expires.is_none_or(|expires| expires <= now);
        let is_asleep = matches!(run.state, RunState::Held | RunState::Ended(_));
        if is_asleep || !is_free {
            return Ok(None);
        }
        self.take(writing, run, leadership, now, ttl).await.map(Some)
    }

    async fn take(
        &self,
        mut writing: Writing,
        run: RunRow,
        leadership: &Leadership,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Claim, StoreError> {
        let boot = leadership.boot().to_owned();
        // Whoever hands a run back in good order leaves no name in it.
        let has_crashed = run.claimed_by.is_some() && matches!(run.state, RunState::At(_));
        let taken = RunRow {
            claimed_by: Some(boot.clone()),
            claim_expires: Some(later(now, ttl)),
            epoch: run.epoch + 1,
            crash_count: run.crash_count + u32::from(has_crashed),
            ..run
        };
        sqlx::query(TAKE)
            .bind(integer(taken.id.0))
            .bind(integer(run.epoch))
            .bind(&boot)
            .bind(taken.claim_expires.map(micros))
            .bind(taken.crash_count)
            .execute(&mut *writing)
            .await?;
        mark_served(&mut writing, &taken.environment, now).await?;
        self.commit(writing, &[Operation::Claim]).await?;
        Ok(Claim { epoch: taken.epoch, run: taken, boot })
    }

    /// Makes the claim, and the lease of its run's environment if it has that, last until `now + ttl`.
    pub async fn renew(&self, claim: &mut Claim, now: Timestamp, ttl: Duration) -> Result<(), StoreError> {
        let expires = later(now, ttl);
        let mut writing = self.write().await?;
        let renewed = claim_query(RENEW, claim).bind(micros(expires)).execute(&mut *writing).await?;
        if renewed.rows_affected() == 0 {
            return Err(StoreError::Lost(claim.run.id));
        }
        let lease = sqlx::query(RENEW_LEASE).bind(claim.run.environment.as_str());
        lease.bind(integer(claim.run.id.0)).bind(micros(expires)).execute(&mut *writing).await?;
        self.commit(writing, &[Operation::Renew]).await?;
        claim.run.claim_expires = Some(expires);
        Ok(())
    }

    /// Hands a run back in good order, for the next claim to go on with. A claim that is void already needs nothing.
    pub async fn release(&self, claim: Claim) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        claim_query(RELEASE, &claim).execute(&mut *writing).await?;
        self.commit(writing, &[Operation::Release]).await
    }
}

/// Reads the run of a claim to change it: refused if the claim is void or the run was written past it.
pub(crate) async fn edit(
    connection: &mut SqliteConnection,
    claim: &Claim,
    now: Timestamp,
) -> Result<Edit, StoreError> {
    let run = find(connection, claim.run.id).await?;
    let is_mine = run.epoch == claim.epoch
        && run.version == claim.run.version
        && run.claimed_by.as_deref() == Some(claim.boot.as_str());
    if is_mine { Ok(Edit::new(run, now)) } else { Err(StoreError::Lost(run.id)) }
}

/// `now + ttl`, or the end of time.
pub(crate) fn later(now: Timestamp, ttl: Duration) -> Timestamp {
    SignedDuration::try_from(ttl).ok().and_then(|ttl| now.checked_add(ttl).ok()).unwrap_or(Timestamp::MAX)
}

async fn mark_served(
    connection: &mut SqliteConnection,
    environment: &EnvironmentName,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(SERVED).bind(environment.as_str()).bind(micros(now)).execute(connection).await?;
    Ok(())
}

fn claim_query<'query>(
    sql: &'static str,
    claim: &'query Claim,
) -> sqlx::query::Query<'query, sqlx::Sqlite, sqlx::sqlite::SqliteArguments> {
    sqlx::query(sql).bind(integer(claim.run.id.0)).bind(integer(claim.epoch)).bind(&claim.boot)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use windlass_core::run::{Outcome, Stage, Step};

    use super::*;
    use crate::run::Reason;
    use crate::testing::{TTL, at, hold, new_run, open_leading, planned, prepare};

    #[tokio::test]
    async fn a_run_has_one_claim_at_a_time() {
        let (_dir, store, leadership) = open_leading().await;
        let run = planned(&store, "1", new_run("dev"), 0).await;
        let claim = store.claim(&leadership, at(1), TTL).await.unwrap().unwrap();
        assert_eq!((claim.run.id, claim.epoch), (run.id, 1));
        assert!(store.claim(&leadership, at(2), TTL).await.unwrap().is_none());
        assert!(store.claim_run(&leadership, run.id, at(2), TTL).await.unwrap().is_none());

        store.release(claim).await.unwrap();
        let again = store.claim_run(&leadership, run.id, at(3), TTL).await.unwrap().unwrap();
        assert_eq!(again.epoch, 2);
    }

    #[tokio::test]
    async fn an_expired_claim_is_taken_over_and_its_writer_has_lost() {
        let (_dir, store, leadership) = open_leading().await;
        planned(&store, "1", new_run("dev"), 0).await;
        let mut old = store.claim(&leadership, at(0), TTL).await.unwrap().unwrap();
        store.renew(&mut old, at(20), TTL).await.unwrap();
        assert!(store.claim(&leadership, at(49), TTL).await.unwrap().is_none());
        let new = store.claim(&leadership, at(50), TTL).await.unwrap().unwrap();
        assert!(new.epoch > old.epoch);

        let refused = store.advance(&mut old, Step::Begin(Stage::Gate), at(51)).await;
        assert!(matches!(refused, Err(StoreError::Lost(_))), "{refused:?}");
        assert!(matches!(store.renew(&mut old, at(51), TTL).await, Err(StoreError::Lost(_))));
        store.release(old).await.unwrap();
        assert_eq!(store.run(new.run.id).await.unwrap().claimed_by.as_deref(), Some(leadership.boot()));
    }

    #[tokio::test]
    async fn environments_are_served_in_turn_and_each_from_its_oldest_run() {
        let (_dir, store, leadership) = open_leading().await;
        for (index, name) in ["busy", "busy", "busy", "calm"].into_iter().enumerate() {
            let run = crate::NewRun { lane: index.to_string(), ..new_run(name) };
            planned(&store, &index.to_string(), run, 0).await;
        }
        let mut order = Vec::new();
        for second in 1..5 {
            let claim = store.claim(&leadership, at(second), TTL).await.unwrap().unwrap();
            order.push((claim.run.environment.to_string(), claim.run.id.0));
        }
        let expected = [("busy", 1), ("calm", 4), ("busy", 2), ("busy", 3)];
        assert_eq!(order, expected.map(|(name, id)| (name.to_owned(), id)));
    }

    #[tokio::test]
    async fn a_stage_that_kills_its_workers_is_counted() {
        let (_dir, store, mut leadership) = open_leading().await;
        planned(&store, "1", new_run("dev"), 0).await;
        for crashes in 0..3 {
            let mut claim = store.claim(&leadership, at(1), TTL).await.unwrap().unwrap();
            assert_eq!(claim.run.crash_count, crashes);
            store.begin_stage(&mut claim, Stage::Gate, &json!({}), at(1)).await.unwrap();
            drop(leadership);
            leadership = store.try_lead(at(2)).await.unwrap().unwrap();
        }
        let mut claim = store.claim(&leadership, at(3), TTL).await.unwrap().unwrap();
        assert_eq!(claim.run.crash_count, 3);
        store.begin_stage(&mut claim, Stage::Gate, &json!({}), at(3)).await.unwrap();
        store.finish_stage(&mut claim, Stage::Gate, &json!({}), at(3)).await.unwrap();
        assert_eq!(claim.run.crash_count, 0);
    }

    #[tokio::test]
    async fn a_run_handed_back_in_good_order_counts_no_crash() {
        let (_dir, store, leadership) = open_leading().await;
        planned(&store, "1", new_run("dev"), 0).await;
        let mut claim = store.claim(&leadership, at(1), TTL).await.unwrap().unwrap();
        store.begin_stage(&mut claim, Stage::Gate, &json!({}), at(1)).await.unwrap();
        store.release(claim).await.unwrap();
        let claim = store.claim(&leadership, at(2), TTL).await.unwrap().unwrap();
        assert_eq!(claim.run.crash_count, 0);
    }

    #[tokio::test]
    async fn a_ready_run_waits_while_another_has_the_environment() {
        let (_dir, store, leadership) = open_leading().await;
        for lane in ["one", "two"] {
            planned(&store, lane, crate::NewRun { lane: lane.to_owned(), ..new_run("dev") }, 0).await;
        }
        let mut first = store.claim(&leadership, at(1), TTL).await.unwrap().unwrap();
        let mut second = store.claim(&leadership, at(1), TTL).await.unwrap().unwrap();
        prepare(&store, &mut first, 2).await;
        prepare(&store, &mut second, 2).await;
        assert!(store.acquire_lease(&mut first, 0, at(3), TTL).await.unwrap().is_some());
        assert!(store.acquire_lease(&mut second, 0, at(3), TTL).await.unwrap().is_none());
        store.release(second).await.unwrap();
        assert!(store.claim(&leadership, at(4), TTL).await.unwrap().is_none());

        let reason = Reason::new("secret_missing", "no value for `POSTGRES_SA_PASSWORD`");
        store.end(&mut first, Outcome::Refused, reason, at(5)).await.unwrap();
        let claim = store.claim(&leadership, at(6), TTL).await.unwrap();
        assert!(claim.is_some_and(|claim| claim.run.lane == "two"));
    }

    #[tokio::test]
    async fn held_and_ended_runs_are_nobodys() {
        let (_dir, store, leadership) = open_leading().await;
        let run = planned(&store, "1", new_run("dev"), 0).await;
        let mut claim = store.claim(&leadership, at(1), TTL).await.unwrap().unwrap();
        store.begin_stage(&mut claim, Stage::Gate, &json!({}), at(1)).await.unwrap();
        store.hold(&mut claim, hold(None, Some(100)), at(1)).await.unwrap();
        assert!(store.claim(&leadership, at(2), TTL).await.unwrap().is_none());
        assert!(store.claim_run(&leadership, run.id, at(2), TTL).await.unwrap().is_none());
        let refused = store.advance(&mut claim, Step::Wake, at(2)).await;
        assert!(matches!(refused, Err(StoreError::Lost(_))), "a parked run has no owner: {refused:?}");
        assert_eq!(store.run(run.id).await.unwrap().claimed_by, None);
    }
}
