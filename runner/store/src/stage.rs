//! Writing a run through its claim: stages with intent and result, steps, pauses and ends, several of them in one transaction.

use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use windlass_core::name::{Digest, RunId};
use windlass_core::run::{Outcome, RunState, Stage, Step};

use crate::audit::RUNNER;
use crate::cells::{Cells, integer, micros};
use crate::claim::{self, Claim};
use crate::cluster::{self, ClusterToPublish};
use crate::edit::Edit;
use crate::error::StoreError;
use crate::inbox::{self, Incoming};
use crate::kill::Operation;
use crate::release;
use crate::run::{Hold, Reason, RunRow};
use crate::store::Store;

/// No journal value is larger: what is larger is an artefact, so that a run can always be written, its end above all.
pub const VALUE_LIMIT: usize = 64 * 1024;

/// One change of a run. [`Store::write_run`] makes several at once, or none.
#[derive(Debug, Clone)]
pub enum Change<'value> {
    /// Enters a stage, with what is about to be done.
    Begin(Stage, &'value Value),
    /// Ends the stage's open attempt with its result.
    Finish(Stage, &'value Value),
    /// Ends the stage's open attempt with an error.
    Fail(Stage, &'value Value),
    /// Takes a step that needs nothing more.
    Advance(Step),
    /// Records the release that this run is about to apply.
    Release(&'value Digest),
    /// Records that this run's release was verified.
    Verified,
    /// Keeps what a provider tells while the stage is under way: every line of the attempt so far.
    Progress(Stage, &'value [String]),
    /// Keeps the way into a cluster that the run has made, in place of an earlier one of the environment.
    PublishCluster(&'value ClusterToPublish),
    /// Forgets the environment's cluster and the way into it.
    WithdrawCluster,
    /// Puts an event of the runner's own into the inbox, with the rest or not at all.
    Emit(&'value Incoming),
    /// Parks the run; the claim and the lease are given back with it.
    Hold(Hold),
    /// Ends the run; the claim and the lease are given back with it.
    End(Outcome, Reason),
}

/// One attempt at a stage, as the journal keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct StageRecord {
    /// Which stage.
    pub stage: Stage,
    /// Which attempt at it, from one.
    pub attempt: u32,
    /// The claim that made it.
    pub epoch: u64,
    /// How often the run had been woken.
    pub round: u32,
    /// What was about to be done.
    pub intent: Value,
    /// What came of it.
    pub result: Option<Value>,
    /// How it failed.
    pub error: Option<Value>,
    /// What a provider told meanwhile.
    pub progress: Vec<String>,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended; none if it is under way, or its worker died.
    pub ended_at: Option<Timestamp>,
}

const BEGIN: &str = "INSERT INTO journal (run, stage, attempt, epoch, round, intent, began_at)
    SELECT ?1, ?2, coalesce(max(attempt), 0) + 1, ?3, ?4, ?5, ?6 FROM journal WHERE run = ?1 AND stage = ?2";
const CLOSE: &str = "UPDATE journal SET result = ?4, error = ?5, ended_at = ?6
    WHERE run = ?1 AND stage = ?2 AND epoch = ?3 AND ended_at IS NULL
    AND attempt = (SELECT max(attempt) FROM journal WHERE run = ?1 AND stage = ?2)";
const PROGRESS: &str =
    "UPDATE journal SET progress = ?4 WHERE run = ?1 AND stage = ?2 AND epoch = ?3 AND ended_at IS NULL";
const JOURNAL: &str = "SELECT * FROM journal WHERE run = ?1 ORDER BY id";

impl Store {
    /// Makes several changes of a run in one transaction: all of them, or none and an error.
    ///
    /// # Errors
    ///
    /// [`StoreError::Lost`] if the claim is void, [`StoreError::Step`] if the state machine does not allow a change.
    pub async fn write_run(
        &self,
        claim: &mut Claim,
        changes: &[Change<'_>],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let mut edit = claim::edit(&mut writing, claim, now).await?;
        for change in changes {
            self.make(&mut writing, &mut edit, change, now).await?;
        }
        let run = edit.save(&mut writing, self.key()).await?;
        let operations: Vec<_> = changes.iter().map(operation).collect();
        self.commit(writing, &operations).await?;
        claim.run = run;
        Ok(())
    }

    /// Takes a step.
    pub async fn advance(&self, claim: &mut Claim, step: Step, now: Timestamp) -> Result<(), StoreError> {
        self.write_run(claim, &[Change::Advance(step)], now).await
    }

    /// Enters a stage: writes what is about to be done, and the state unless the run is in the stage already.
    ///
    /// A run that is taken up again passes earlier stages once more, for values that are never kept; its state does not go back.
    pub async fn begin_stage(
        &self,
        claim: &mut Claim,
        stage: Stage,
        intent: &Value,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_run(claim, &[Change::Begin(stage, intent)], now).await
    }

    /// Writes a stage's result.
    pub async fn finish_stage(
        &self,
        claim: &mut Claim,
        stage: Stage,
        result: &Value,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_run(claim, &[Change::Finish(stage, result)], now).await
    }

    /// Writes how an attempt at a stage failed.
    pub async fn fail_stage(
        &self,
        claim: &mut Claim,
        stage: Stage,
        error: &Value,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_run(claim, &[Change::Fail(stage, error)], now).await
    }

    /// Parks the run. It costs a row from now on: no claim, no lease.
    pub async fn hold(&self, claim: &mut Claim, hold: Hold, now: Timestamp) -> Result<(), StoreError> {
        self.write_run(claim, &[Change::Hold(hold)], now).await
    }

    /// Ends the run. One that is stuck flags its environment.
    pub async fn end(
        &self,
        claim: &mut Claim,
        outcome: Outcome,
        reason: Reason,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_run(claim, &[Change::End(outcome, reason)], now).await
    }

    /// Every attempt at every stage of a run, in the order they began.
    pub async fn journal(&self, run: RunId) -> Result<Vec<StageRecord>, StoreError> {
        let rows = sqlx::query(JOURNAL).bind(integer(run.0)).fetch_all(self.readers()).await?;
        rows.iter().map(read_record).collect()
    }

    async fn make(
        &self,
        connection: &mut SqliteConnection,
        edit: &mut Edit,
        change: &Change<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match change {
            Change::Begin(stage, intent) => begin(connection, edit, *stage, intent, now).await,
            Change::Finish(stage, result) => {
                close(connection, &edit.run, *stage, (Some(result), None), now).await?;
                edit.run.crash_count = 0;
                Ok(())
            }
            Change::Fail(stage, error) => {
                close(connection, &edit.run, *stage, (None, Some(error)), now).await
            }
            Change::Advance(step) => edit.step(*step, RUNNER, json!({})),
            Change::Release(digest) => release::record(connection, &edit.run, digest, now).await,
            Change::Verified => release::verify(connection, edit.run.id).await,
            Change::Progress(stage, lines) => tell(connection, &edit.run, *stage, lines).await,
            Change::PublishCluster(wanted) => {
                cluster::publish(connection, self.key(), edit, wanted, now).await
            }
            Change::WithdrawCluster => cluster::withdraw(connection, edit).await,
            Change::Emit(event) => emit(connection, edit, event, now).await,
            Change::Hold(hold) => edit.hold(hold.clone()),
            Change::End(outcome, reason) => edit.end(*outcome, reason.clone(), RUNNER),
        }
    }
}

/// An event of the runner's own, known by its identity like any other: one that is there already is not put in again.
async fn emit(
    connection: &mut SqliteConnection,
    edit: &mut Edit,
    event: &Incoming,
    now: Timestamp,
) -> Result<(), StoreError> {
    let taken = inbox::insert(connection, event, now).await?;
    edit.note(RUNNER, "emit", json!({ "type": event.event_type, "event": taken.id() }));
    Ok(())
}

async fn tell(
    connection: &mut SqliteConnection,
    run: &RunRow,
    stage: Stage,
    lines: &[String],
) -> Result<(), StoreError> {
    let told = sqlx::query(PROGRESS)
        .bind(integer(run.id.0))
        .bind(stage.as_str())
        .bind(integer(run.epoch))
        .bind(bounded(&json!(lines))?)
        .execute(connection)
        .await?;
    if told.rows_affected() == 1 { Ok(()) } else { Err(StoreError::NotBegun { run: run.id, stage }) }
}

async fn begin(
    connection: &mut SqliteConnection,
    edit: &mut Edit,
    stage: Stage,
    intent: &Value,
    now: Timestamp,
) -> Result<(), StoreError> {
    let has_passed = matches!(edit.run.state, RunState::At(current) if stage <= current);
    if !has_passed {
        edit.step(Step::Begin(stage), RUNNER, json!({}))?;
    }
    let run = &edit.run;
    sqlx::query(BEGIN)
        .bind(integer(run.id.0))
        .bind(stage.as_str())
        .bind(integer(run.epoch))
        .bind(run.round)
        .bind(bounded(intent)?)
        .bind(micros(now))
        .execute(connection)
        .await?;
    Ok(())
}

/// Ends the open attempt of this claim: a result, or an error.
async fn close(
    connection: &mut SqliteConnection,
    run: &RunRow,
    stage: Stage,
    (result, error): (Option<&Value>, Option<&Value>),
    now: Timestamp,
) -> Result<(), StoreError> {
    let closed = sqlx::query(CLOSE)
        .bind(integer(run.id.0))
        .bind(stage.as_str())
        .bind(integer(run.epoch))
        .bind(result.map(bounded).transpose()?)
        .bind(error.map(bounded).transpose()?)
        .bind(micros(now))
        .execute(connection)
        .await?;
    if closed.rows_affected() == 1 { Ok(()) } else { Err(StoreError::NotBegun { run: run.id, stage }) }
}

fn bounded(value: &Value) -> Result<String, StoreError> {
    let text = value.to_string();
    if text.len() > VALUE_LIMIT {
        return Err(StoreError::TooLarge { what: "a journal value", size: text.len(), limit: VALUE_LIMIT });
    }
    Ok(text)
}

fn operation(change: &Change<'_>) -> Operation {
    match change {
        Change::Begin(stage, _) => Operation::Begin(*stage),
        Change::Finish(stage, _) => Operation::Finish(*stage),
        Change::Fail(stage, _) => Operation::Fail(*stage),
        Change::Advance(_) => Operation::Advance,
        Change::Release(_) => Operation::RecordRelease,
        Change::Verified => Operation::MarkVerified,
        Change::Progress(..) => Operation::Progress,
        Change::PublishCluster(_) => Operation::PublishCluster,
        Change::WithdrawCluster => Operation::WithdrawCluster,
        Change::Emit(_) => Operation::Emit,
        Change::Hold(_) => Operation::Hold,
        Change::End(..) => Operation::End,
    }
}

fn read_record(row: &SqliteRow) -> Result<StageRecord, StoreError> {
    let cells = Cells(row);
    Ok(StageRecord {
        stage: cells.word("stage")?,
        attempt: cells.small("attempt")?,
        epoch: cells.number("epoch")?,
        round: cells.small("round")?,
        intent: cells.json("intent")?,
        result: cells.maybe_json("result")?,
        error: cells.maybe_json("error")?,
        progress: cells.maybe_json("progress")?.unwrap_or_default(),
        began_at: cells.time("began_at")?,
        ended_at: cells.maybe_time("ended_at")?,
    })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::Leadership;
    use crate::testing::{TTL, at, hold, new_run, open_leading, planned, prepare};

    async fn claimed() -> (TempDir, Store, Leadership, Claim) {
        let (dir, store, leadership) = open_leading().await;
        planned(&store, "1", new_run("dev"), 0).await;
        let claim = store.claim(&leadership, at(1), TTL).await.unwrap().unwrap();
        (dir, store, leadership, claim)
    }

    #[tokio::test]
    async fn the_journal_tells_intent_result_and_error_of_each_attempt() {
        let (_dir, store, _leadership, mut claim) = claimed().await;
        store.begin_stage(&mut claim, Stage::Gate, &json!({ "try": 1 }), at(1)).await.unwrap();
        store.fail_stage(&mut claim, Stage::Gate, &json!("no network"), at(2)).await.unwrap();
        store.begin_stage(&mut claim, Stage::Gate, &json!({ "try": 2 }), at(3)).await.unwrap();
        store.finish_stage(&mut claim, Stage::Gate, &json!({ "open": true }), at(4)).await.unwrap();
        store.begin_stage(&mut claim, Stage::Render, &json!({}), at(5)).await.unwrap();

        let journal = store.journal(claim.run.id).await.unwrap();
        let told: Vec<_> =
            journal.iter().map(|record| (record.stage, record.attempt, record.ended_at)).collect();
        let expected =
            [(Stage::Gate, 1, Some(at(2))), (Stage::Gate, 2, Some(at(4))), (Stage::Render, 1, None)];
        assert_eq!(told, expected);
        assert_eq!((&journal[0].error, &journal[0].result), (&Some(json!("no network")), &None));
        assert_eq!(
            (&journal[1].result, &journal[1].intent),
            (&Some(json!({ "open": true })), &json!({ "try": 2 }))
        );
        assert_eq!(journal[2].began_at, at(5));
    }

    #[tokio::test]
    async fn several_changes_are_made_together_or_not_at_all() {
        let (_dir, store, _leadership, mut claim) = claimed().await;
        let nothing = json!({});
        let illegal = [
            Change::Begin(Stage::Gate, &nothing),
            Change::Finish(Stage::Gate, &nothing),
            Change::Begin(Stage::Apply, &nothing),
        ];
        let refused = store.write_run(&mut claim, &illegal, at(2)).await;
        assert!(matches!(refused, Err(StoreError::Step(_))), "{refused:?}");
        assert!(store.journal(claim.run.id).await.unwrap().is_empty());
        assert_eq!(store.run(claim.run.id).await.unwrap(), claim.run);

        store.write_run(&mut claim, &illegal[..2], at(3)).await.unwrap();
        assert_eq!(store.run(claim.run.id).await.unwrap(), claim.run);
        assert_eq!(claim.run.state, RunState::At(Stage::Gate));
    }

    #[tokio::test]
    async fn a_stage_ends_only_by_the_claim_that_began_it() {
        let (_dir, store, leadership, mut claim) = claimed().await;
        let early = store.finish_stage(&mut claim, Stage::Gate, &json!({}), at(1)).await;
        assert!(matches!(early, Err(StoreError::NotBegun { stage: Stage::Gate, .. })), "{early:?}");

        store.begin_stage(&mut claim, Stage::Gate, &json!({}), at(1)).await.unwrap();
        store.release(claim).await.unwrap();
        let mut next = store.claim(&leadership, at(2), TTL).await.unwrap().unwrap();
        let foreign = store.finish_stage(&mut next, Stage::Gate, &json!({}), at(3)).await;
        assert!(matches!(foreign, Err(StoreError::NotBegun { .. })), "{foreign:?}");
    }

    #[tokio::test]
    async fn a_run_taken_up_again_passes_earlier_stages_without_going_back() {
        let (_dir, store, leadership, mut claim) = claimed().await;
        prepare(&store, &mut claim, 1).await;
        store.acquire_lease(&mut claim, 0, at(1), TTL).await.unwrap().unwrap();
        store.begin_stage(&mut claim, Stage::Apply, &json!({}), at(1)).await.unwrap();
        store.release(claim).await.unwrap();

        let mut next = store.claim(&leadership, at(2), TTL).await.unwrap().unwrap();
        store.begin_stage(&mut next, Stage::Secrets, &json!({}), at(3)).await.unwrap();
        store.finish_stage(&mut next, Stage::Secrets, &json!({}), at(3)).await.unwrap();
        assert_eq!(next.run.state, RunState::At(Stage::Apply));
    }

    #[tokio::test]
    async fn a_value_that_is_too_large_is_refused() {
        let (_dir, store, _leadership, mut claim) = claimed().await;
        let fits = json!("x".repeat(VALUE_LIMIT - 2));
        let large = json!("x".repeat(VALUE_LIMIT - 1));
        let refused = store.begin_stage(&mut claim, Stage::Gate, &large, at(1)).await;
        assert!(matches!(refused, Err(StoreError::TooLarge { size, .. }) if size == VALUE_LIMIT + 1));
        store.begin_stage(&mut claim, Stage::Gate, &fits, at(1)).await.unwrap();
        assert_eq!(store.journal(claim.run.id).await.unwrap()[0].intent, fits);
    }

    #[tokio::test]
    async fn an_ended_run_says_why_and_takes_no_step() {
        let (_dir, store, leadership, mut claim) = claimed().await;
        store.begin_stage(&mut claim, Stage::Gate, &json!({}), at(1)).await.unwrap();
        let reason = Reason::new("disabled", "`dev` is disabled");
        store.end(&mut claim, Outcome::Refused, reason.clone(), at(2)).await.unwrap();
        let run = store.run(claim.run.id).await.unwrap();
        assert_eq!((run.state, run.ended_at), (RunState::Ended(Outcome::Refused), Some(at(2))));
        assert_eq!((run.reason, run.claimed_by), (Some(reason), None));

        let refused = store.hold(&mut claim, hold(None, None), at(3)).await;
        assert!(matches!(refused, Err(StoreError::Lost(_))), "{refused:?}");
        assert!(store.claim_run(&leadership, run.id, at(3), TTL).await.unwrap().is_none());
        assert!(store.active_runs().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_stuck_run_flags_its_environment_and_frees_it() {
        let (_dir, store, _leadership, mut claim) = claimed().await;
        prepare(&store, &mut claim, 1).await;
        store.acquire_lease(&mut claim, 0, at(1), TTL).await.unwrap().unwrap();
        for stage in [Stage::Apply, Stage::Rollback] {
            store.begin_stage(&mut claim, stage, &json!({}), at(2)).await.unwrap();
        }
        let reason = Reason::new("rollback_failed", "the API server is gone");
        store.end(&mut claim, Outcome::Stuck, reason, at(3)).await.unwrap();
        let environment = store.environment(&claim.run.environment).await.unwrap();
        assert_eq!(environment.attention.as_deref(), Some("the API server is gone"));
        assert_eq!((environment.lease_run, environment.lease_epoch), (None, 1));
    }

    #[tokio::test]
    async fn a_deploy_in_eight_commits_leaves_a_verified_release() {
        let (_dir, store, _leadership, mut claim) = claimed().await;
        let (nothing, digest) = (json!({}), Digest::of(b"objects"));
        prepare(&store, &mut claim, 1).await;
        store.acquire_lease(&mut claim, 0, at(2), TTL).await.unwrap().unwrap();
        let begin = |stage| Change::Begin(stage, &nothing);
        let finish = |stage| Change::Finish(stage, &nothing);
        for changes in [
            vec![begin(Stage::Secrets)],
            vec![finish(Stage::Secrets), begin(Stage::Apply), Change::Release(&digest)],
            vec![finish(Stage::Apply), begin(Stage::Wait)],
            vec![finish(Stage::Wait), begin(Stage::Verify)],
            vec![
                finish(Stage::Verify),
                Change::Verified,
                Change::End(Outcome::Verified, Reason::new("verified", "all objects are ready")),
            ],
        ] {
            store.write_run(&mut claim, &changes, at(3)).await.unwrap();
        }
        let releases = store.releases(&claim.run.environment).await.unwrap();
        assert_eq!((releases.len(), releases[0].verified, &releases[0].digest), (1, true, &digest));
        assert!(store.journal(claim.run.id).await.unwrap().iter().all(|record| record.result.is_some()));
        let check = store.audit_verify(&claim.run.environment).await.unwrap();
        assert_eq!((check.entries, check.broken_at), (9, None));
    }
}
