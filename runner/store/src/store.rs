//! Opening the store, and the two ways into its database: one writer, two readers.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};
use tracing::Instrument as _;

use crate::changes::Changes;
use crate::error::StoreError;
use crate::inbox::intake::Intake;
use crate::key::Key;
use crate::kill::{Operation, around_commit};
use crate::migrate;

/// A write in progress; dropped without [`Store::commit`], nothing of it remains.
pub(crate) type Writing = Transaction<'static, Sqlite>;

/// How long a writer waits for another process before SQLite answers BUSY.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Every statement of the crate fits, so each is prepared once per connection.
const STATEMENTS: usize = 256;

/// The write-ahead log is cut back to this after a checkpoint, so that one burst does not keep its disk space.
const WAL_LIMIT: &str = "16777216";

/// What windlass remembers, in one directory. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    writer: SqlitePool,
    readers: SqlitePool,
    key: Key,
    changes: Changes,
    intake: Intake,
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").field("dir", &self.inner.dir).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `dir`, making or upgrading it as needed.
    ///
    /// The directory is made for its owner alone (0700), and so is every file in it (0600). Several processes may open the same directory
    /// of a local file system: every write of a run is a compare-and-set.
    pub async fn open(dir: &Path) -> Result<Self, StoreError> {
        make_dir(dir)?;
        // Held until everything is in place: two processes that start together must not both make the database or the key.
        let opening = lock_file(&dir.join("open.lock"))?;
        opening.lock().map_err(file_error("lock", &dir.join("open.lock")))?;

        let database = dir.join("windlass.db");
        private_file(&database)?;
        let options = SqliteConnectOptions::new()
            .filename(&database)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(STATEMENTS)
            .pragma("journal_size_limit", WAL_LIMIT);
        let writer = pool(1).connect_with(options).await?;
        assert_safe_sqlite(&writer).await?;
        migrate::migrate(&writer, dir).await?;
        let key = Key::open(dir, &writer).await?;
        let reading = SqliteConnectOptions::new()
            .filename(&database)
            .read_only(true)
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(STATEMENTS);
        let readers = pool(2).connect_lazy_with(reading);
        let changes = Changes::start(&writer, &database).await?;

        let inner = Inner { dir: dir.to_owned(), writer, readers, key, changes, intake: Intake::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Closes the connections once what is under way is done. Dropping the last clone does the same, without waiting for it.
    pub async fn close(self) {
        self.inner.readers.close().await;
        self.inner.writer.close().await;
    }

    /// The version of the SQLite that is linked in.
    pub async fn sqlite_version(&self) -> Result<String, StoreError> {
        Ok(sqlx::query_scalar("SELECT sqlite_version()").fetch_one(self.readers()).await?)
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// A key for one purpose, derived from the store's own: for keyed digests that must not be guessable from outside.
    pub fn key_for(&self, purpose: &str) -> [u8; 32] {
        self.inner.key.derive(purpose)
    }

    pub(crate) fn key(&self) -> &Key {
        &self.inner.key
    }

    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.inner.readers
    }

    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.inner.writer
    }

    pub(crate) fn changes(&self) -> &Changes {
        &self.inner.changes
    }

    pub(crate) fn intake(&self) -> &Intake {
        &self.inner.intake
    }

    /// Begins a write. IMMEDIATE, because a transaction that reads first and writes later is refused as BUSY without any waiting.
    pub(crate) async fn write(&self) -> Result<Writing, StoreError> {
        match self.begin().await {
            Err(sqlx::Error::InvalidSavePointStatement) => {
                // SQLite itself ends the transaction in which a disk fails or is full (its "Response To Errors Within A Transaction"), and the
                // connection goes on believing in it. Another one does not.
                self.inner.writer.acquire().await?.close().await?;
                Ok(self.begin().await?)
            }
            begun => Ok(begun?),
        }
    }

    async fn begin(&self) -> Result<Writing, sqlx::Error> {
        self.inner.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// Makes a write durable and tells whoever waits for changes.
    pub(crate) async fn commit(&self, writing: Writing, operations: &[Operation]) -> Result<(), StoreError> {
        around_commit(operations, "before");
        let span =
            tracing::debug_span!("commit", db.operation.name = operations.first().map(ToString::to_string));
        writing.commit().instrument(span).await?;
        around_commit(operations, "after");
        self.inner.changes.announce();
        Ok(())
    }
}

/// Connections are kept for the life of the store: their prepared statements are worth more than their memory.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Refuses an SQLite with the WAL-reset race (3.7.0 to 3.51.2): two connections can lose a committed write.
async fn assert_safe_sqlite(writer: &SqlitePool) -> Result<(), StoreError> {
    let found: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(writer).await?;
    if is_safe_sqlite(&found) { Ok(()) } else { Err(StoreError::SqliteTooOld { found }) }
}

fn is_safe_sqlite(version: &str) -> bool {
    let parts: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    parts.as_slice() >= [3, 51, 3].as_slice()
}

fn make_dir(dir: &Path) -> Result<(), StoreError> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(file_error("create", dir))
}

/// Makes sure that a file exists which only its owner may read. SQLite gives the log and index beside it the same rights.
fn private_file(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(file_error("open", path))
}

/// Opens a file that is only ever locked, never written.
pub(crate) fn lock_file(path: &Path) -> Result<File, StoreError> {
    private_file(path)
}

/// Makes a directory inside the data directory.
pub(crate) fn make_private_dir(path: &Path) -> Result<(), StoreError> {
    make_dir(path)
}

pub(crate) fn file_error(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::File { what, path, source }
}

/// The whole content of a small file, or none where there is no such file.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file_error("read", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Store, is_safe_sqlite};
    use crate::testing::{at, environment, new_run, open, planned};

    #[tokio::test]
    async fn what_was_answered_is_there_after_reopening() {
        let (dir, store) = open().await;
        let run = planned(&store, "1", new_run("dev"), 0).await;
        let digest = store.put_artefact(b"objects").await.unwrap();
        store.flag_attention(&environment("dev"), "look here", at(1)).await.unwrap();
        drop(store);
        let store = Store::open(dir.path()).await.unwrap();
        assert_eq!(store.run(run.id).await.unwrap(), run);
        assert_eq!(store.artefact(&digest).await.unwrap(), b"objects");
        let attention = store.environment(&environment("dev")).await.unwrap().attention;
        assert_eq!(attention.as_deref(), Some("look here"));
    }

    #[tokio::test]
    async fn a_commit_waits_for_the_disk_and_references_are_checked() {
        let (_dir, store) = open().await;
        // 2 is FULL: with NORMAL the last commits before a power cut are lost.
        for (pragma, expected) in [("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 5000)] {
            let sql = sqlx::AssertSqlSafe(format!("PRAGMA {pragma}"));
            let found: i64 = sqlx::query_scalar(sql).fetch_one(store.writer()).await.unwrap();
            assert_eq!(found, expected, "{pragma}");
        }
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(store.writer()).await.unwrap();
        assert_eq!(mode, "wal");
    }

    #[tokio::test]
    async fn a_reader_cannot_write() {
        let (_dir, store) = open().await;
        let written = sqlx::query("DELETE FROM inbox").execute(store.readers()).await;
        assert!(written.is_err());
    }

    #[tokio::test]
    async fn many_processes_may_open_a_new_store_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let opened = futures::future::join_all((0..8).map(|_| {
            let path = dir.path().to_owned();
            tokio::task::spawn_blocking(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async { Store::open(&path).await.unwrap().key_for("test") })
            })
        }));
        let keys: std::collections::BTreeSet<_> =
            opened.await.into_iter().map(|opened| opened.unwrap()).collect();
        assert_eq!(keys.len(), 1, "every process has the same key");
    }

    /// As a full disk does it: SQLite ends the transaction, and the connection hears only of the error.
    #[tokio::test]
    async fn a_transaction_that_ended_by_itself_does_not_end_writing() {
        let (_dir, store) = open().await;
        let mut writing = store.write().await.unwrap();
        sqlx::raw_sql("ROLLBACK").execute(&mut *writing).await.unwrap();
        drop(writing);
        for second in 0..3 {
            store.flag_attention(&environment("dev"), "look here", at(second)).await.unwrap();
        }
    }

    #[test]
    fn an_sqlite_with_the_reset_race_is_refused() {
        for safe in ["3.51.3", "3.52.0", "3.54.1", "4.0.0"] {
            assert!(is_safe_sqlite(safe), "{safe}");
        }
        for unsafe_version in ["3.40.1", "3.51.2", "3.46.0", "", "three"] {
            assert!(!is_safe_sqlite(unsafe_version), "{unsafe_version}");
        }
    }
}
