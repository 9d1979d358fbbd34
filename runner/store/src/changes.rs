//! Waiting for a change of the store, whichever process makes it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use sqlx::sqlite::SqlitePool;
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout_at};

use crate::error::StoreError;
use crate::store::Store;

/// How often a waiter looks whether another process wrote.
const LOOK: Duration = Duration::from_millis(25);

/// How long the database is not asked while its log lies still. The log alone would do; this is for file systems that keep no time.
const ASK: Duration = Duration::from_secs(1);

/// A log that was written just now may be written again without its time changing: the kernel's clock for files ticks every few milliseconds.
const SETTLED: Duration = Duration::from_millis(50);

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
    log: PathBuf,
    outside: Mutex<Outside>,
}

/// The last look at what other processes wrote.
#[derive(Debug)]
struct Outside {
    version: i64,
    asked_at: Instant,
    /// When the write-ahead log had been written, and its size.
    stamp: Option<(SystemTime, u64)>,
}

impl Outside {
    /// Whether nobody can have written since the database was asked. Reading a file's time costs a hundredth of asking.
    fn is_still(&self, stamp: Option<(SystemTime, u64)>) -> bool {
        let has_settled =
            stamp.is_some_and(|(written, _)| written.elapsed().is_ok_and(|elapsed| elapsed > SETTLED));
        has_settled && self.stamp == stamp && self.asked_at.elapsed() < ASK
    }
}

impl Changes {
    pub(crate) async fn start(writer: &SqlitePool, database: &Path) -> Result<Self, StoreError> {
        let version = sqlx::query_scalar(DATA_VERSION).fetch_one(writer).await?;
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let outside = Mutex::new(Outside { version, asked_at: Instant::now(), stamp: None });
        Ok(Self { count: watch::Sender::new(1), log: log.into(), outside })
    }

    /// Tells that this process wrote.
    pub(crate) fn announce(&self) {
        self.count.send_modify(|count| *count += 1);
    }

    /// Looks whether another process wrote, unless another waiter is looking.
    async fn look(&self, writer: &SqlitePool) -> Result<(), StoreError> {
        let Ok(mut outside) = self.outside.try_lock() else { return Ok(()) };
        // Before asking: what is written after this is seen by the next look.
        let stamp = self.log.metadata().ok().and_then(|log| Some((log.modified().ok()?, log.len())));
        if outside.is_still(stamp) {
            return Ok(());
        }
        let version = sqlx::query_scalar(DATA_VERSION).fetch_one(writer).await?;
        (outside.asked_at, outside.stamp) = (Instant::now(), stamp);
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
