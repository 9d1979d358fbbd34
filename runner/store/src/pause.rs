//! Waking parked runs, by the clock or by hand.

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use windlass_core::name::{EnvironmentName, RunId};
use windlass_core::run::RunState;

use crate::audit::RUNNER;
use crate::cells::{Cells, integer, micros};
use crate::edit::Edit;
use crate::error::StoreError;
use crate::key::Key;
use crate::kill::Operation;
use crate::run::Waker;
use crate::store::Store;

/// Runs woken in one transaction: a window that opens for many must not keep other writers waiting.
const BATCH: usize = 128;

/// The literal state is that of the index `runs_due`.
pub(crate) const DUE: &str =
    "SELECT id FROM runs WHERE state = 'held' AND wake_at IS NOT NULL AND wake_at <= ?1
    ORDER BY wake_at LIMIT ?2";
pub(crate) const NEXT_DUE: &str = "SELECT wake_at FROM runs WHERE state = 'held' AND wake_at IS NOT NULL
    ORDER BY wake_at LIMIT 1";
/// The literal state is that of the index `runs_held`.
pub(crate) const HELD: &str = "SELECT id FROM runs WHERE state = 'held' AND environment = ?1 ORDER BY id";

impl Store {
    /// Wakes every parked run whose time has come or run out, and answers how many.
    pub async fn wake_due(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut woken = 0;
        loop {
            let batch = self.wake_batch(now).await?;
            woken += batch;
            if batch < BATCH {
                return Ok(woken);
            }
        }
    }

    async fn wake_batch(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut writing = self.write().await?;
        let limit = integer(BATCH as u64);
        let query = sqlx::query_scalar::<_, u64>(DUE).bind(micros(now)).bind(limit);
        let due = query.fetch_all(&mut *writing).await?;
        if due.is_empty() {
            return Ok(0);
        }
        for id in &due {
            let edit = Edit::of(&mut writing, RunId(*id), now).await?;
            let is_due = edit.run.hold.as_ref().and_then(|hold| hold.due).is_some_and(|due| due <= now);
            let by = if is_due { Waker::Due } else { Waker::Expired };
            wake(&mut writing, self.key(), edit, by, RUNNER).await?;
        }
        self.commit(writing, &[Operation::Wake]).await?;
        Ok(due.len())
    }

    /// When the next parked run must be looked at.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query(NEXT_DUE).fetch_optional(self.readers()).await?;
        row.map(|row| Cells(&row).time("wake_at")).transpose()
    }

    /// Wakes one parked run; answers whether it was parked.
    pub async fn wake(&self, run: RunId, now: Timestamp) -> Result<bool, StoreError> {
        let mut writing = self.write().await?;
        let edit = Edit::of(&mut writing, run, now).await?;
        let was_held = wake(&mut writing, self.key(), edit, Waker::Request, RUNNER).await?;
        if was_held {
            self.commit(writing, &[Operation::Wake]).await?;
        }
        Ok(was_held)
    }
}

/// Wakes a run if it is held. Part of a larger write.
pub(crate) async fn wake(
    connection: &mut SqliteConnection,
    key: &Key,
    mut edit: Edit,
    by: Waker,
    actor: &str,
) -> Result<bool, StoreError> {
    if edit.run.state != RunState::Held {
        return Ok(false);
    }
    edit.wake(by, actor)?;
    edit.save(connection, key).await?;
    Ok(true)
}

/// Wakes every held run of an environment, because what some of them wait for has changed. Part of a larger write.
pub(crate) async fn wake_environment(
    connection: &mut SqliteConnection,
    key: &Key,
    environment: &EnvironmentName,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let held = sqlx::query_scalar::<_, u64>(HELD).bind(environment.as_str());
    for id in held.fetch_all(&mut *connection).await? {
        let edit = Edit::of(connection, RunId(id), now).await?;
        wake(connection, key, edit, Waker::Request, actor).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use windlass_core::run::Stage;

    use super::*;
    use crate::run::RunRow;
    use crate::testing::{TTL, at, hold, new_run, open_leading, planned};
    use crate::{Leadership, NewRun};

    /// A run of its own lane that is held until `due`, or at most until `expires`.
    async fn held(
        store: &Store,
        leadership: &Leadership,
        id: &str,
        due: Option<i64>,
        expires: Option<i64>,
    ) -> RunRow {
        let run = planned(store, id, NewRun { lane: id.to_owned(), ..new_run("dev") }, 0).await;
        let mut claim = store.claim_run(leadership, run.id, at(1), TTL).await.unwrap().unwrap();
        store.begin_stage(&mut claim, Stage::Gate, &json!({}), at(1)).await.unwrap();
        store.hold(&mut claim, hold(due, expires), at(1)).await.unwrap();
        store.run(run.id).await.unwrap()
    }

    #[tokio::test]
    async fn a_run_wakes_when_its_time_has_come() {
        let (_dir, store, leadership) = open_leading().await;
        let run = held(&store, &leadership, "1", Some(10), Some(100)).await;
        assert_eq!((run.state, run.held_at), (RunState::Held, Some(at(1))));
        assert_eq!(store.next_due().await.unwrap(), Some(at(10)));
        assert_eq!(store.wake_due(at(9)).await.unwrap(), 0);
        assert_eq!(store.wake_due(at(10)).await.unwrap(), 1);

        let woken = store.run(run.id).await.unwrap();
        assert_eq!((woken.state, woken.round, &woken.hold), (RunState::Queued, 1, &None));
        let why = woken.woken.unwrap();
        assert_eq!((why.by, Some(why.hold), why.held_at), (Waker::Due, run.hold, at(1)));
        assert_eq!(store.next_due().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_wait_that_ran_out_says_so() {
        let (_dir, store, leadership) = open_leading().await;
        let run = held(&store, &leadership, "1", None, Some(100)).await;
        assert_eq!(store.wake_due(at(100)).await.unwrap(), 1);
        assert_eq!(store.run(run.id).await.unwrap().woken.unwrap().by, Waker::Expired);
    }

    #[tokio::test]
    async fn the_earliest_due_run_is_next_and_many_wake_at_once() {
        let (_dir, store, leadership) = open_leading().await;
        for index in 0..300 {
            held(&store, &leadership, &index.to_string(), Some(1000 - index), None).await;
        }
        held(&store, &leadership, "never", None, None).await;
        assert_eq!(store.next_due().await.unwrap(), Some(at(701)));
        assert_eq!(store.wake_due(at(1000)).await.unwrap(), 300);
        assert_eq!(store.wake_due(at(1000)).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn only_a_held_run_is_woken_by_hand() {
        let (_dir, store, leadership) = open_leading().await;
        let run = held(&store, &leadership, "1", None, None).await;
        assert!(store.wake(run.id, at(2)).await.unwrap());
        assert!(!store.wake(run.id, at(2)).await.unwrap());
        let unknown = store.wake(RunId(99), at(2)).await;
        assert!(matches!(unknown, Err(StoreError::UnknownRun(RunId(99)))), "{unknown:?}");
    }
}
