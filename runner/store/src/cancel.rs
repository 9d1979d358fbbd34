//! Stopping a run by a person's hand.

use jiff::Timestamp;
use serde_json::json;
use windlass_core::name::RunId;
use windlass_core::run::{Outcome, RunState};

use crate::audit::{self, NewEntry};
use crate::cells::integer;
use crate::edit::Edit;
use crate::error::StoreError;
use crate::kill::Operation;
use crate::run::Reason;
use crate::store::{Store, Writing};

/// What asking a run to stop came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// Nobody had it: it is over.
    Ended,
    /// A worker has it, or it touches the cluster: the worker sees the wish at its next write.
    Asked,
    /// It had ended before.
    TooLate(Outcome),
}

/// The version stays: the wish of a person must not make the worker lose its claim.
const ASK: &str = "UPDATE runs SET cancelled_by = coalesce(cancelled_by, ?2) WHERE id = ?1";

impl Store {
    /// Asks a run to stop. One that nobody has, and that has not begun to touch the cluster, ends at once.
    ///
    /// The claim of the run is never touched, so that asking does not keep a dead worker's claim alive.
    pub async fn cancel(&self, run: RunId, by: &str, now: Timestamp) -> Result<Cancelled, StoreError> {
        let mut writing = self.write().await?;
        let mut edit = Edit::of(&mut writing, run, now).await?;
        if let RunState::Ended(outcome) = edit.run.state {
            return Ok(Cancelled::TooLate(outcome));
        }
        let is_owned = edit.run.claim_expires.is_some_and(|expires| expires > now);
        if is_owned || !edit.run.state.is_prepare() {
            return self.ask(writing, edit, by, now).await;
        }
        edit.run.cancelled_by = Some(by.to_owned());
        edit.end(Outcome::Cancelled, Reason::new("cancelled", format!("cancelled by {by}")), by)?;
        edit.save(&mut writing, self.key()).await?;
        self.commit(writing, &[Operation::Cancel]).await?;
        Ok(Cancelled::Ended)
    }

    async fn ask(
        &self,
        mut writing: Writing,
        edit: Edit,
        by: &str,
        now: Timestamp,
    ) -> Result<Cancelled, StoreError> {
        let (run, environment) = (edit.run.id, edit.run.environment);
        sqlx::query(ASK).bind(integer(run.0)).bind(by).execute(&mut *writing).await?;
        let action = "ask to cancel".to_owned();
        let entry = NewEntry { actor: by.to_owned(), action, run: Some(run), detail: json!({}) };
        audit::append(&mut writing, self.key(), &environment, &[entry], now).await?;
        self.commit(writing, &[Operation::Cancel]).await?;
        Ok(Cancelled::Asked)
    }
}
