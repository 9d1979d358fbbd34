//! Waiting for a change of the store, whichever process makes it.

use std::time::{Duration, Instant};

use sqlx::sqlite::SqlitePool;
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout_at};

use crate::error::StoreError;
use crate::store::Store;

/// How often the database is asked whether another process wrote: a missed beat costs this much, a look costs microseconds.
const LOOK: Duration = Duration::from_millis(25);

/// Counts the commits of all processes. On the writing connection it does not move for that connection's own commits, which are
/// announced here without asking.
const DATA_VERSION: &str = "PRAGMA data_version";

/// The last change that a waiter knows of. A fresh one knows of none, so its first wait returns at once.
#[derive(Debug, Clone, Default)]
pub struct Seen(u64);

/// What wakes those who wait.
#[derive(Debug)]
pub(crate) struct Changes {
    count: watch::Sender<u64>,
    outside: Mutex<Outside>,
}

/// The last look at what other processes wrote.
#[derive(Debug)]
struct Outside {
    version: i64,
    looked_at: Instant,
}

impl Changes {
    pub(crate) async fn start(writer: &SqlitePool) -> Result<Self, StoreError> {
        let version = sqlx::query_scalar(DATA_VERSION).fetch_one(writer).await?;
        let outside = Mutex::new(Outside { version, looked_at: Instant::now() });
        Ok(Self { count: watch::Sender::new(1), outside })
    }

    /// Tells that this process wrote.
    pub(crate) fn announce(&self) {
        self.count.send_modify(|count| *count += 1);
    }

    /// Looks whether another process wrote, unless another waiter has just looked.
    async fn look(&self, writer: &SqlitePool) -> Result<(), StoreError> {
        let Ok(mut outside) = self.outside.try_lock() else { return Ok(()) };
        if outside.looked_at.elapsed() < LOOK / 2 {
            return Ok(());
        }
        let version = sqlx::query_scalar(DATA_VERSION).fetch_one(writer).await?;
        outside.looked_at = Instant::now();
        if outside.version != version {
            outside.version = version;
            self.announce();
        }
        Ok(())
    }
}

impl Store {
    /// Waits until something was written that `since` has not seen, by this process or another, or until `timeout`.
    ///
    /// A change is a hint that it is worth looking, not what changed; a wait may end without one.
    pub async fn changed(&self, since: &mut Seen, timeout: Duration) -> Result<(), StoreError> {
        let deadline = tokio::time::Instant::now() + timeout;
        let mut count = self.changes().count.subscribe();
        let waited = timeout_at(deadline, async {
            while *count.borrow_and_update() == since.0 {
                tokio::select! {
                    _ = count.changed() => {}
                    () = sleep(LOOK) => self.changes().look(self.writer()).await?,
                }
            }
            Ok(())
        });
        let result = waited.await.unwrap_or(Ok(()));
        since.0 = *count.borrow();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, event, open};

    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn a_fresh_waiter_looks_at_once_and_then_waits() {
        let (_dir, store) = open().await;
        let mut seen = Seen::default();
        store.changed(&mut seen, LONG).await.unwrap();
        let before = seen.0;
        store.changed(&mut seen, Duration::from_millis(60)).await.unwrap();
        assert_eq!(seen.0, before);
    }

    #[tokio::test]
    async fn own_writes_and_those_of_others_end_the_wait() {
        let (dir, store) = open().await;
        let other = Store::open(dir.path()).await.unwrap();
        let mut seen = Seen::default();
        store.changed(&mut seen, LONG).await.unwrap();
        for (writer, name) in [(&store, "own"), (&other, "foreign")] {
            let before = seen.0;
            let events = [event(name)];
            let (waited, written) =
                tokio::join!(store.changed(&mut seen, LONG), writer.take_over(&events, at(0)));
            waited.unwrap();
            written.unwrap();
            assert_ne!(seen.0, before, "{name}");
        }
    }
}
