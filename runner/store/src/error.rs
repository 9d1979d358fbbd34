//! What can go wrong in the store.

use std::io;
use std::path::PathBuf;

use windlass_core::failure::FailureClass;
use windlass_core::name::{Digest, RunId};
use windlass_core::run::{IllegalStep, Stage};

use crate::inbox::InboxId;

/// The store could not do what was asked; nothing of it was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file system refused.
    #[error("could not {what} `{}`", path.display())]
    File {
        /// What was tried: `create`, `lock`, …
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// SQLite refused.
    #[error("the database of the store refused a statement")]
    Database(#[from] sqlx::Error),
    /// A newer windlass has written here.
    #[error("the store in `{}` has schema version {found}; this windlass knows versions up to {known}", path.display())]
    SchemaTooNew {
        /// The data directory.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The newest version this program knows.
        known: u32,
    },
    /// The linked SQLite has the WAL-reset race of versions before 3.51.3, which loses committed writes.
    #[error("SQLite {found} can lose committed writes: 3.51.3 or newer is needed")]
    SqliteTooOld {
        /// The version found.
        found: String,
    },
    /// The claim is void: another worker has the run, the run has ended, or it was parked.
    #[error("run `{0}` is no longer held by this claim")]
    Lost(RunId),
    /// The step does not follow the run's state.
    #[error(transparent)]
    Step(#[from] IllegalStep),
    /// No such run.
    #[error("there is no run `{0}`")]
    UnknownRun(RunId),
    /// No such event.
    #[error("there is no event `{0}` in the inbox")]
    UnknownEvent(InboxId),
    /// A stage's end without its beginning.
    #[error("run `{run}` has no open attempt of stage `{stage}`")]
    NotBegun {
        /// The run.
        run: RunId,
        /// The stage.
        stage: Stage,
    },
    /// More than a row should carry.
    #[error("{what} has {size} bytes, more than the {limit} that the store keeps in one row")]
    TooLarge {
        /// What it is: `a journal value`, …
        what: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The database holds something that this program never writes.
    #[error("the store holds `{value}` as {what}")]
    Corrupt {
        /// What it should be.
        what: &'static str,
        /// What it is.
        value: String,
    },
    /// No such artefact.
    #[error("there is no artefact `{}` in the store", .0.short())]
    UnknownArtefact(Digest),
    /// The stored bytes are not those that were put in.
    #[error("artefact `{}` was changed after it was stored", .0.short())]
    Tampered(Digest),
    /// The key of the store is gone.
    #[error("the key `{}` is missing, and what is stored was sealed with it", .0.display())]
    KeyMissing(PathBuf),
    /// The key is not the one that the store was made with.
    #[error("the key `{}` is not the one that the store was sealed with", .0.display())]
    WrongKey(PathBuf),
}

impl StoreError {
    /// Whether trying again can help: only where another process kept the database busy, or the disk may have room again.
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Database(sqlx::Error::PoolTimedOut | sqlx::Error::Io(_)) => FailureClass::Transient,
            Self::Database(sqlx::Error::Database(error)) if is_passing(error.code().as_deref()) => {
                FailureClass::Transient
            }
            _ => FailureClass::Permanent,
        }
    }
}

/// SQLite's primary result codes BUSY, LOCKED, IOERR (a full disk may show as either) and FULL; the extended code carries the primary one in its low byte.
fn is_passing(code: Option<&str>) -> bool {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    const IOERR: u32 = 10;
    const FULL: u32 = 13;
    let primary = code.and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
    matches!(primary, Some(BUSY | LOCKED | IOERR | FULL))
}
