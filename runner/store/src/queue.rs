//! The queue in the store's own database, for those who run no broker.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;
use tokio::time::Instant;
use windlass_core::queue::{Delivery, Depth, Queue, QueueError, Settled, Token, Verdict};

use crate::cells::{integer, micros};
use crate::changes::Seen;
use crate::claim::later;
use crate::error::StoreError;
use crate::inbox::{Incoming, Taken, insert};
use crate::kill::Operation;
use crate::store::{Store, file_error, lock_file, make_private_dir};

/// How often a waiting receiver looks for sessions that have died; what they had in hand returns this late at most. A new session looks
/// with its first call.
const REAP: Duration = Duration::from_millis(500);

/// A tag is a row's number and which hand-out of it: a token of an earlier hand-out is stale even in the same session.
const ATTEMPT_SHIFT: u32 = 40;

const PUBLISH: &str = "INSERT INTO queue (message, visible_at) VALUES (?1, ?2)";
/// The conditions are those of the indexes `queue_visible` and, below, `queue_waiting`.
pub(crate) const NEXT_VISIBLE: &str =
    "SELECT min(visible_at) FROM queue WHERE session IS NULL AND dead IS NULL";
pub(crate) const RECEIVE: &str = "UPDATE queue SET session = ?1, attempt = attempt + 1, batch = ?4 WHERE id IN
        (SELECT id FROM queue WHERE session IS NULL AND dead IS NULL AND visible_at <= ?2 ORDER BY id LIMIT ?3)
    RETURNING id, message, attempt";
const FORGET: &str = "DELETE FROM queue WHERE id = ?1 AND attempt = ?2 AND session = ?3";
const RELEASE: &str =
    "UPDATE queue SET session = NULL, visible_at = ?4 WHERE id = ?1 AND attempt = ?2 AND session = ?3";
const REJECT: &str =
    "UPDATE queue SET session = NULL, dead = ?4 WHERE id = ?1 AND attempt = ?2 AND session = ?3";
pub(crate) const OTHERS: &str =
    "SELECT DISTINCT session FROM queue WHERE session IS NOT NULL AND session <> ?1";
const RETURN: &str = "UPDATE queue SET session = NULL WHERE session = ?1";
const RETURN_BATCH: &str = "UPDATE queue SET session = NULL WHERE session = ?1 AND batch = ?2";
const DEPTH: &str = "SELECT
    (SELECT count(*) FROM queue WHERE session IS NULL AND dead IS NULL) AS waiting,
    (SELECT count(*) FROM queue WHERE session IS NOT NULL) AS unsettled,
    (SELECT count(*) FROM queue WHERE dead IS NOT NULL) AS dead";

/// A queue in a table beside the inbox.
///
/// Each opening is a session with a lock file of its own. The lock dies with its process however that ends, so what a session had in hand
/// returns when the lock can be taken: no heartbeat, no clock.
#[derive(Debug)]
pub struct EmbeddedQueue {
    store: Store,
    session: u64,
    calls: AtomicI64,
    /// Calls of `receive` that were given up half-way: what they took must return, for nobody has its tokens.
    given_up: Mutex<Vec<i64>>,
    lock_path: PathBuf,
    _lock: File,
}

/// A call of `receive` that takes messages; dropped before its end, it says so.
struct Receiving<'queue> {
    queue: &'queue EmbeddedQueue,
    batch: Option<i64>,
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        self.queue.given_up().extend(self.batch);
    }
}

/// An event to take over together with settling the delivery that brought it.
#[derive(Debug, Clone)]
pub struct QueuedEvent {
    /// The delivery.
    pub token: Token,
    /// The event in it.
    pub incoming: Incoming,
}

impl EmbeddedQueue {
    /// Opens a session on the store's queue.
    pub fn new(store: Store) -> Result<Self, StoreError> {
        let sessions = sessions(&store);
        make_private_dir(&sessions)?;
        let session = draw_session(&sessions)?;
        let lock_path = sessions.join(session.to_string());
        let lock = lock_file(&lock_path)?;
        lock.lock().map_err(file_error("lock", &lock_path))?;
        let (calls, given_up) = (AtomicI64::new(0), Mutex::default());
        Ok(Self { store, session, calls, given_up, lock_path, _lock: lock })
    }

    fn given_up(&self) -> std::sync::MutexGuard<'_, Vec<i64>> {
        // A list of numbers is whole whatever happened to the one who held the lock.
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what calls that were given up had taken.
    async fn return_given_up(&self) -> Result<(), StoreError> {
        loop {
            let batch = self.given_up().pop();
            let Some(batch) = batch else { return Ok(()) };
            let mut returning = Receiving { queue: self, batch: Some(batch) };
            let mut writing = self.store.write().await?;
            let query = sqlx::query(RETURN_BATCH).bind(integer(self.session)).bind(batch);
            query.execute(&mut *writing).await?;
            self.store.commit(writing, &[Operation::Receive]).await?;
            returning.batch = None;
        }
    }

    async fn receive_now(&self, max: usize) -> Result<Vec<Delivery>, StoreError> {
        let now = Timestamp::now();
        if self.next_visible().await?.is_none_or(|visible| visible > micros(now)) {
            return Ok(Vec::new());
        }
        let batch = self.calls.fetch_add(1, Ordering::Relaxed);
        let mut receiving = Receiving { queue: self, batch: Some(batch) };
        let mut writing = self.store.write().await?;
        let rows = sqlx::query(RECEIVE)
            .bind(integer(self.session))
            .bind(micros(now))
            .bind(integer(max as u64))
            .bind(batch)
            .fetch_all(&mut *writing)
            .await?;
        self.store.commit(writing, &[Operation::Receive]).await?;
        receiving.batch = None;
        let mut deliveries = Vec::with_capacity(rows.len());
        for row in rows {
            let (id, attempt): (u64, u32) = (row.try_get("id")?, row.try_get("attempt")?);
            let token = Token { session: self.session, tag: id | u64::from(attempt) << ATTEMPT_SHIFT };
            let message = row.try_get("message")?;
            deliveries.push((id, Delivery { token, message, attempt, traceparent: None }));
        }
        // SQLite returns updated rows in no particular order.
        deliveries.sort_by_key(|(id, _)| *id);
        Ok(deliveries.into_iter().map(|(_, delivery)| delivery).collect())
    }

    async fn receive_by(&self, max: usize, deadline: Instant) -> Result<Vec<Delivery>, StoreError> {
        let mut seen = Seen::default();
        loop {
            // Seen before looking, so that what is published after the look ends the wait.
            self.store.changed(&mut seen, Duration::ZERO).await?;
            self.return_given_up().await?;
            return_of_the_dead(&self.store, self.session).await?;
            let deliveries = self.receive_now(max).await?;
            let left = deadline.saturating_duration_since(Instant::now());
            if !deliveries.is_empty() || left.is_zero() {
                return Ok(deliveries);
            }
            let visible = self.next_visible().await?.map_or(REAP, until);
            self.store.changed(&mut seen, left.min(REAP).min(visible)).await?;
        }
    }

    /// When the first waiting message may be handed out, in microseconds.
    async fn next_visible(&self) -> Result<Option<i64>, StoreError> {
        Ok(sqlx::query_scalar(NEXT_VISIBLE).fetch_one(self.store.readers()).await?)
    }

    async fn put(&self, message: &[u8]) -> Result<(), StoreError> {
        let mut writing = self.store.write().await?;
        sqlx::query(PUBLISH).bind(message).bind(micros(Timestamp::now())).execute(&mut *writing).await?;
        self.store.commit(writing, &[Operation::Publish]).await
    }

    async fn tell(&self, tokens: &[Token], verdict: &Verdict) -> Result<Vec<Settled>, StoreError> {
        let mut writing = self.store.write().await?;
        let mut settled = Vec::with_capacity(tokens.len());
        for token in tokens {
            settled.push(settle(&mut writing, token, verdict).await?);
        }
        self.store.commit(writing, &[Operation::Settle]).await?;
        Ok(settled)
    }

    async fn count(&self) -> Result<Depth, StoreError> {
        let row = sqlx::query(DEPTH).fetch_one(self.store.readers()).await?;
        Ok(Depth {
            waiting: row.try_get("waiting")?,
            unsettled: row.try_get("unsettled")?,
            dead: row.try_get("dead")?,
        })
    }
}

impl Drop for EmbeddedQueue {
    fn drop(&mut self) {
        // A file that stays is found dead and taken away by the next session.
        drop(fs::remove_file(&self.lock_path));
    }
}

#[async_trait]
impl Queue for EmbeddedQueue {
    async fn publish(&self, message: &[u8]) -> Result<(), QueueError> {
        self.put(message).await.map_err(queue_error("publish a message"))
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.receive_by(max, Instant::now() + wait).await.map_err(queue_error("receive"))
    }

    async fn settle(&self, tokens: &[Token], verdict: &Verdict) -> Result<Vec<Settled>, QueueError> {
        self.tell(tokens, verdict).await.map_err(queue_error("settle deliveries"))
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.count().await.map_err(queue_error("count its messages"))
    }
}

impl Store {
    /// Takes events over and settles their deliveries in one transaction. Answers in the order of `events`.
    pub async fn take_over_from_queue(
        &self,
        events: &[QueuedEvent],
        now: Timestamp,
    ) -> Result<Vec<Taken>, StoreError> {
        let mut writing = self.write().await?;
        let mut taken = Vec::with_capacity(events.len());
        for event in events {
            taken.push(insert(&mut writing, &event.incoming, now).await?);
            // A stale token is no harm: the message comes again and is recognised.
            settle(&mut writing, &event.token, &Verdict::Taken).await?;
        }
        self.commit(writing, &[Operation::TakeOverFromQueue]).await?;
        Ok(taken)
    }
}

async fn settle(
    connection: &mut SqliteConnection,
    token: &Token,
    verdict: &Verdict,
) -> Result<Settled, StoreError> {
    let sql = match verdict {
        Verdict::Taken => FORGET,
        Verdict::Release(_) => RELEASE,
        Verdict::Reject(_) => REJECT,
    };
    let id = integer(token.tag & ((1 << ATTEMPT_SHIFT) - 1));
    let attempt = integer(token.tag >> ATTEMPT_SHIFT);
    let query = sqlx::query(sql).bind(id).bind(attempt).bind(integer(token.session));
    let query = match verdict {
        Verdict::Taken => query,
        Verdict::Release(delay) => query.bind(micros(later(Timestamp::now(), *delay))),
        Verdict::Reject(reason) => query.bind(reason),
    };
    let told = query.execute(connection).await?.rows_affected();
    Ok(if told == 1 { Settled::Done } else { Settled::Stale })
}

/// Returns what dead sessions had in hand: those whose lock is free or whose file is gone.
async fn return_of_the_dead(store: &Store, own: u64) -> Result<(), StoreError> {
    let others: Vec<u64> = sqlx::query_scalar(OTHERS).bind(integer(own)).fetch_all(store.readers()).await?;
    for session in others {
        let path = sessions(store).join(session.to_string());
        let Some(_gone) = is_gone(&path)? else { continue };
        let mut writing = store.write().await?;
        sqlx::query(RETURN).bind(integer(session)).execute(&mut *writing).await?;
        store.commit(writing, &[Operation::Receive]).await?;
        drop(fs::remove_file(&path));
    }
    Ok(())
}

/// Proof that a session is gone: its lock, which keeps others from returning its messages too, unless even the file is gone.
struct Gone {
    _lock: Option<File>,
}

fn is_gone(path: &Path) -> Result<Option<Gone>, StoreError> {
    let file = match OpenOptions::new().read(true).append(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Some(Gone { _lock: None })),
        Err(error) => return Err(file_error("open", path)(error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(Gone { _lock: Some(file) })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(file_error("lock", path)(error)),
    }
}

fn sessions(store: &Store) -> PathBuf {
    store.dir().join("sessions")
}

/// A number that no other session has; it must fit into SQLite's integers.
fn draw_session(sessions: &Path) -> Result<u64, StoreError> {
    let random = getrandom::u64()
        .map_err(|error| file_error("draw a session in", sessions)(std::io::Error::other(error)))?;
    Ok(random >> 1)
}

fn until(visible: i64) -> Duration {
    let left = visible.saturating_sub(micros(Timestamp::now()));
    Duration::from_micros(u64::try_from(left).unwrap_or(0))
}

fn queue_error(what: &'static str) -> impl FnOnce(StoreError) -> QueueError {
    move |error| QueueError { what, source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use windlass_tests::conformance::queue::{Place, run_all};

    use super::*;
    use crate::testing::{at, event, open};

    struct InDirectory(TempDir);

    #[async_trait]
    impl Place for InDirectory {
        async fn open(&self) -> Box<dyn Queue> {
            // Each session has its own connections, as another process would.
            let store = Store::open(self.0.path()).await.unwrap();
            Box::new(EmbeddedQueue::new(store).unwrap())
        }
    }

    struct InStore {
        _dir: TempDir,
        store: Store,
    }

    #[async_trait]
    impl Place for InStore {
        async fn open(&self) -> Box<dyn Queue> {
            Box::new(EmbeddedQueue::new(self.store.clone()).unwrap())
        }
    }

    #[tokio::test]
    async fn the_contract_holds_between_processes() {
        run_all(async || InDirectory(tempfile::tempdir().unwrap())).await;
    }

    #[tokio::test]
    async fn the_contract_holds_within_a_process() {
        run_all(async || {
            let (dir, store) = open().await;
            InStore { _dir: dir, store }
        })
        .await;
    }

    #[tokio::test]
    async fn what_a_given_up_receive_took_returns_to_the_same_session() {
        let (_dir, store) = open().await;
        let queue = EmbeddedQueue::new(store).unwrap();
        queue.publish(b"kept").await.unwrap();
        let batch = queue.calls.load(Ordering::Relaxed);
        let taken = queue.receive(1, Duration::ZERO).await.unwrap();
        // As if the caller had gone before it got the answer.
        drop(Receiving { queue: &queue, batch: Some(batch) });
        let again = queue.receive(1, Duration::ZERO).await.unwrap();
        assert_eq!((again.len(), &again[0].message), (1, &b"kept".to_vec()));
        let stale = [taken[0].token.clone()];
        assert_eq!(queue.settle(&stale, &Verdict::Taken).await.unwrap(), [Settled::Stale]);
    }

    #[tokio::test]
    async fn taking_over_from_the_queue_is_one_write() {
        let (_dir, store) = open().await;
        let queue = EmbeddedQueue::new(store.clone()).unwrap();
        queue.publish(b"one").await.unwrap();
        queue.publish(b"two").await.unwrap();
        let deliveries = queue.receive(2, Duration::ZERO).await.unwrap();
        let queued =
            |index: usize, id| QueuedEvent { token: deliveries[index].token.clone(), incoming: event(id) };
        // The same event twice: one row, both messages settled.
        let taken = store.take_over_from_queue(&[queued(0, "1"), queued(1, "1")], at(0)).await.unwrap();
        assert_eq!(taken, [Taken::New(taken[0].id()), Taken::Duplicate(taken[0].id())]);
        assert_eq!(queue.depth().await.unwrap(), Depth::default());
    }

    #[tokio::test]
    async fn a_session_leaves_no_file_behind() {
        let (dir, store) = open().await;
        let files = || fs::read_dir(dir.path().join("sessions")).unwrap().count();
        let queue = EmbeddedQueue::new(store).unwrap();
        assert_eq!(files(), 1);
        drop(queue);
        assert_eq!(files(), 0);
    }
}
