//! Changing a run: the one place where a run's state is written.
//!
//! An edit reads the run inside of a write, takes steps that the state machine allows, and saves everything with one statement, guarded by
//! the version that was read, and one addition to the audit log.

use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnection;
use windlass_core::name::RunId;
use windlass_core::run::{Outcome, RunState, Step};

use crate::audit::{self, NewEntry, RUNNER};
use crate::cells::{integer, micros, word};
use crate::error::StoreError;
use crate::key::Key;
use crate::run::{Hold, Reason, RunRow, Waker, Woken, find};

/// A run in the middle of a write.
pub(crate) struct Edit {
    pub(crate) run: RunRow,
    seen: u64,
    now: Timestamp,
    entries: Vec<NewEntry>,
    frees_lease: bool,
}

const SAVE: &str = "UPDATE runs SET
    state = ?4, version = version + 1, round = ?5, reason_code = ?6, reason_text = ?7, superseded_by = ?8,
    updated_at = ?9, ended_at = ?10, epoch = ?11, claimed_by = ?12, claim_expires = ?13, crash_count = ?14,
    cancelled_by = ?15, hold_code = ?16, hold_text = ?17, hold_due = ?18, hold_expires = ?19, hold_digest = ?20,
    held_at = ?21, wake_at = ?22, woken_by = ?23
    WHERE id = ?1 AND version = ?2 AND epoch <= ?3";
const FREE_LEASE: &str = "UPDATE leases SET run = NULL, expires_at = 0 WHERE environment = ?1 AND run = ?2";
const FLAG: &str = "UPDATE environments SET attention = ?2 WHERE name = ?1";

impl Edit {
    /// Reads the run to be changed.
    pub(crate) async fn of(
        connection: &mut SqliteConnection,
        id: RunId,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        Ok(Self::new(find(connection, id).await?, now))
    }

    pub(crate) fn new(run: RunRow, now: Timestamp) -> Self {
        Self { seen: run.version, run, now, entries: Vec::new(), frees_lease: false }
    }

    /// Takes a step if the state machine allows it, with what every step of its kind brings.
    pub(crate) fn step(&mut self, step: Step, actor: &str, mut detail: Value) -> Result<(), StoreError> {
        let before = self.run.state;
        self.run.state = before.after(self.run.kind, step)?;
        match step {
            Step::Hold => self.park(),
            Step::Wake => self.run.round += 1,
            Step::End(_) => {
                self.run.ended_at = Some(self.now);
                self.give_up();
            }
            Step::Begin(_) | Step::Prepared => {}
        }
        detail["from"] = json!(before.as_str());
        detail["to"] = json!(self.run.state.as_str());
        self.note(actor, &step.to_string(), detail);
        Ok(())
    }

    /// Parks the run.
    pub(crate) fn hold(&mut self, hold: Hold) -> Result<(), StoreError> {
        self.step(Step::Hold, RUNNER, json!({ "code": hold.code, "text": hold.text }))?;
        tracing::debug!(name: "run_held", run = %self.run.id, environment = %self.run.environment, code = %hold.code);
        self.run.hold = Some(hold);
        Ok(())
    }

    /// Lets a parked run go on.
    pub(crate) fn wake(&mut self, by: Waker, actor: &str) -> Result<(), StoreError> {
        self.step(Step::Wake, actor, json!({ "by": by }))?;
        if let (Some(hold), Some(held_at)) = (self.run.hold.take(), self.run.held_at.take()) {
            self.run.woken = Some(Woken { by, hold, held_at });
        }
        Ok(())
    }

    /// Ends the run.
    pub(crate) fn end(&mut self, outcome: Outcome, reason: Reason, actor: &str) -> Result<(), StoreError> {
        self.step(Step::End(outcome), actor, json!({ "code": reason.code, "text": reason.text }))?;
        let seconds = self.now.duration_since(self.run.created_at).as_secs_f64();
        tracing::debug!(name: "run_ended", run = %self.run.id, environment = %self.run.environment, %outcome, seconds);
        self.run.reason = Some(reason);
        Ok(())
    }

    /// Tells the audit log of something that is not a step.
    pub(crate) fn note(&mut self, actor: &str, action: &str, detail: Value) {
        let entry =
            NewEntry { actor: actor.to_owned(), action: action.to_owned(), run: Some(self.run.id), detail };
        self.entries.push(entry);
    }

    fn park(&mut self) {
        self.run.held_at = Some(self.now);
        self.run.woken = None;
        self.give_up();
    }

    /// A run that is held or over is nobody's and holds no lease.
    fn give_up(&mut self) {
        self.run.claimed_by = None;
        self.run.claim_expires = None;
        self.frees_lease = true;
    }

    /// Writes the run, or answers that somebody else did meanwhile.
    pub(crate) async fn save(
        mut self,
        connection: &mut SqliteConnection,
        key: &Key,
    ) -> Result<RunRow, StoreError> {
        self.run.updated_at = self.now;
        if !self.update(connection).await? {
            return Err(StoreError::Lost(self.run.id));
        }
        self.run.version += 1;
        let (environment, run) = (&self.run.environment, integer(self.run.id.0));
        if self.frees_lease {
            sqlx::query(FREE_LEASE).bind(environment.as_str()).bind(run).execute(&mut *connection).await?;
        }
        if self.run.state == RunState::Ended(Outcome::Stuck) {
            let text = self.run.reason.as_ref().map_or("the rollback failed", |reason| reason.text.as_str());
            sqlx::query(FLAG).bind(environment.as_str()).bind(text).execute(&mut *connection).await?;
        }
        if !self.entries.is_empty() {
            audit::append(connection, key, environment, &self.entries, self.now).await?;
        }
        Ok(self.run)
    }

    async fn update(&self, connection: &mut SqliteConnection) -> Result<bool, StoreError> {
        let run = &self.run;
        let hold = run.hold.as_ref().or(run.woken.as_ref().map(|woken| &woken.hold));
        let held_at = run.held_at.or(run.woken.as_ref().map(|woken| woken.held_at));
        let due = hold.and_then(|hold| hold.due);
        let expires = hold.and_then(|hold| hold.expires);
        let wake_at = [due, expires].into_iter().flatten().min();
        let updated = sqlx::query(SAVE)
            .bind(integer(run.id.0))
            .bind(integer(self.seen))
            .bind(integer(run.epoch))
            .bind(run.state.as_str())
            .bind(run.round)
            .bind(run.reason.as_ref().map(|reason| &reason.code))
            .bind(run.reason.as_ref().map(|reason| &reason.text))
            .bind(run.superseded_by.map(|run| integer(run.0)))
            .bind(micros(run.updated_at))
            .bind(run.ended_at.map(micros))
            .bind(integer(run.epoch))
            .bind(&run.claimed_by)
            .bind(run.claim_expires.map_or(0, micros))
            .bind(run.crash_count)
            .bind(&run.cancelled_by)
            .bind(hold.map(|hold| &hold.code))
            .bind(hold.map(|hold| &hold.text))
            .bind(due.map(micros))
            .bind(expires.map(micros))
            .bind(hold.and_then(|hold| hold.digest.as_ref()).map(windlass_core::name::Digest::as_str))
            .bind(held_at.map(micros))
            .bind(wake_at.map(micros))
            .bind(run.woken.as_ref().map(|woken| word(&woken.by)))
            .execute(connection)
            .await?;
        Ok(updated.rows_affected() == 1)
    }
}
