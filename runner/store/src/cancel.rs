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

#[cfg(test)]
mod tests {
    use windlass_core::run::{Stage, Step};

    use super::*;
    use crate::testing::{TTL, at, new_run, open_leading, planned, prepare};

    #[tokio::test]
    async fn a_run_that_nobody_has_ends_at_once() {
        let (_dir, store, _leadership) = open_leading().await;
        let run = planned(&store, "1", new_run("dev"), 0).await.id;
        assert_eq!(store.cancel(run, "ada", at(1)).await.unwrap(), Cancelled::Ended);
        let ended = store.run(run).await.unwrap();
        assert_eq!(ended.state, RunState::Ended(Outcome::Cancelled));
        assert_eq!(
            (ended.reason.unwrap().text, ended.cancelled_by.as_deref()),
            ("cancelled by ada".to_owned(), Some("ada"))
        );
        let again = store.cancel(run, "bea", at(2)).await.unwrap();
        assert_eq!(again, Cancelled::TooLate(Outcome::Cancelled));
    }

    #[tokio::test]
    async fn a_worker_is_asked_and_sees_it_at_its_next_write() {
        let (_dir, store, leadership) = open_leading().await;
        planned(&store, "1", new_run("dev"), 0).await;
        let mut claim = store.claim(&leadership, at(1), TTL).await.unwrap().unwrap();
        assert_eq!(store.cancel(claim.run.id, "ada", at(2)).await.unwrap(), Cancelled::Asked);
        assert_eq!(store.cancel(claim.run.id, "bea", at(3)).await.unwrap(), Cancelled::Asked);
        store.advance(&mut claim, Step::Begin(Stage::Gate), at(4)).await.unwrap();
        assert_eq!(claim.run.cancelled_by.as_deref(), Some("ada"));
        assert_eq!(claim.run.claim_expires, Some(at(31)), "asking keeps no claim alive");
    }

    #[tokio::test]
    async fn a_run_that_touches_the_cluster_is_asked_even_without_a_worker() {
        let (_dir, store, leadership) = open_leading().await;
        planned(&store, "1", new_run("dev"), 0).await;
        let mut claim = store.claim(&leadership, at(1), TTL).await.unwrap().unwrap();
        prepare(&store, &mut claim, 1).await;
        store.acquire_lease(&mut claim, 0, at(1), TTL).await.unwrap().unwrap();
        let run = claim.run.id;
        store.release(claim).await.unwrap();
        assert_eq!(store.cancel(run, "ada", at(2)).await.unwrap(), Cancelled::Asked);
        assert_eq!(store.run(run).await.unwrap().state, RunState::At(Stage::Secrets));
    }
}
