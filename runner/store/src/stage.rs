//! Writing a run through its claim: stages with intent and result, steps, pauses and ends, several of them in one transaction.

use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use windlass_core::name::{Digest, RunId};
use windlass_core::run::{Outcome, RunState, Stage, Step};

use crate::audit::RUNNER;
use crate::cells::{Cells, integer, micros};
use crate::claim::{self, Claim};
use crate::edit::Edit;
use crate::error::StoreError;
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
            make(&mut writing, &mut edit, change, now).await?;
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
}

async fn make(
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
        Change::Fail(stage, error) => close(connection, &edit.run, *stage, (None, Some(error)), now).await,
        Change::Advance(step) => edit.step(*step, RUNNER, json!({})),
        Change::Release(digest) => release::record(connection, &edit.run, digest, now).await,
        Change::Verified => release::verify(connection, edit.run.id).await,
        Change::Hold(hold) => edit.hold(hold.clone()),
        Change::End(outcome, reason) => edit.end(*outcome, reason.clone(), RUNNER),
    }
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
        began_at: cells.time("began_at")?,
        ended_at: cells.maybe_time("ended_at")?,
    })
}
