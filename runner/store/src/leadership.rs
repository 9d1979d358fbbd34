//! Which process works: one per store, by a lock of the operating system that dies with its holder.

use std::fs::{File, TryLockError};

use jiff::Timestamp;
use uuid::Uuid;

use crate::cells::micros;
use crate::error::StoreError;
use crate::kill::Operation;
use crate::store::{Store, file_error, lock_file};

/// The epoch rises too: whoever wakes up with a claim of an earlier boot has lost before the run is claimed again.
pub(crate) const VOID_CLAIMS: &str = "UPDATE runs SET claim_expires = 0, epoch = epoch + 1
    WHERE claimed_by IS NOT NULL";
const VOID_LEASES: &str = "UPDATE leases SET expires_at = 0 WHERE run IS NOT NULL";
const MARK: &str = "INSERT INTO meta (name, value) VALUES ('leader', ?1), ('leader_since', ?2)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// The right to claim runs of a store, held until dropped or until the process dies.
#[derive(Debug)]
pub struct Leadership {
    boot: String,
    /// Closing the file releases the lock.
    _lock: File,
}

impl Leadership {
    /// Names this time of leading: fresh each time, so that nothing of an earlier one can be taken for its own.
    pub fn boot(&self) -> &str {
        &self.boot
    }
}

impl Store {
    /// Whether a process works here now. The lock is tried and let go of at once, shared, so that whoever wants to lead meets nobody.
    pub fn is_led(&self) -> Result<bool, StoreError> {
        let path = self.dir().join("worker.lock");
        match lock_file(&path)?.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(file_error("lock", &path)(error)),
        }
    }

    /// Becomes the process that works, or answers none while another is.
    ///
    /// Whoever gets the lock knows that every earlier holder is gone, so their claims and leases are void at once, without waiting for
    /// them to expire. That holds because all processes of a store share one host.
    pub async fn try_lead(&self, now: Timestamp) -> Result<Option<Leadership>, StoreError> {
        let path = self.dir().join("worker.lock");
        let lock = lock_file(&path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(file_error("lock", &path)(error)),
        }
        let boot = Uuid::now_v7().to_string();
        let mut writing = self.write().await?;
        let voided = sqlx::query(VOID_CLAIMS).execute(&mut *writing).await?.rows_affected();
        sqlx::query(VOID_LEASES).execute(&mut *writing).await?;
        sqlx::query(MARK).bind(&boot).bind(micros(now).to_string()).execute(&mut *writing).await?;
        self.commit(writing, &[Operation::Lead]).await?;
        tracing::debug!(boot, voided, "leads the store");
        Ok(Some(Leadership { boot, _lock: lock }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use windlass_core::run::{RunState, Stage};

    use super::*;
    use crate::testing::{TTL, at, new_run, open, planned};

    #[tokio::test]
    async fn one_process_leads() {
        let (dir, store) = open().await;
        let other = Store::open(dir.path()).await.unwrap();
        let first = store.try_lead(at(0)).await.unwrap().unwrap();
        assert!(other.try_lead(at(0)).await.unwrap().is_none());
        assert!(store.try_lead(at(0)).await.unwrap().is_none());
        assert!(other.is_led().unwrap());
        let boot = first.boot().to_owned();
        drop(first);
        assert!(!other.is_led().unwrap());
        let second = other.try_lead(at(1)).await.unwrap().unwrap();
        assert_ne!(second.boot(), boot);
    }

    #[tokio::test]
    async fn a_new_leader_voids_what_the_one_before_had() {
        let (_dir, store) = open().await;
        planned(&store, "1", new_run("dev"), 0).await;
        let leadership = store.try_lead(at(0)).await.unwrap().unwrap();
        let mut old = store.claim(&leadership, at(1), TTL).await.unwrap().unwrap();
        store.begin_stage(&mut old, Stage::Gate, &json!({}), at(1)).await.unwrap();
        drop(leadership);

        let leadership = store.try_lead(at(2)).await.unwrap().unwrap();
        // Lost at once, though nobody has claimed the run yet.
        let refused = store.finish_stage(&mut old, Stage::Gate, &json!({}), at(2)).await;
        assert!(matches!(refused, Err(StoreError::Lost(_))), "{refused:?}");
        let new = store.claim(&leadership, at(2), TTL).await.unwrap().unwrap();
        assert_eq!((new.run.id, new.run.state), (old.run.id, RunState::At(Stage::Gate)));
        assert!(new.epoch > old.epoch);
    }
}
