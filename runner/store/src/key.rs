//! The store's key: made at the first opening, kept beside the database and never in it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sqlx::sqlite::SqlitePool;
use windlass_core::name::Digest;

use crate::error::StoreError;
use crate::store::{file_error, read_if_there};

const CHECK: &str = "SELECT value FROM meta WHERE name = 'key_check'";
const SET_CHECK: &str = "INSERT INTO meta (name, value) VALUES ('key_check', ?1)
    ON CONFLICT (name) DO NOTHING";

/// Thirty-two random bytes from which the key of every purpose is derived.
pub(crate) struct Key([u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key(..)")
    }
}

impl Key {
    /// Reads the key of the store in `dir`, or makes it if the store is new.
    ///
    /// The database holds a check of the key, so that a lost or foreign key is told at once and not when an artefact cannot be opened.
    pub(crate) async fn open(dir: &Path, writer: &SqlitePool) -> Result<Self, StoreError> {
        let path = dir.join("key");
        let check: Option<String> = sqlx::query_scalar(CHECK).fetch_optional(writer).await?;
        let key = match (read_if_there(&path)?, &check) {
            (Some(bytes), _) => Self(bytes.try_into().map_err(|_| StoreError::WrongKey(path.clone()))?),
            (None, Some(_)) => return Err(StoreError::KeyMissing(path)),
            (None, None) => Self::create(dir, &path)?,
        };
        let own = Digest::from_hash(&key.derive("key check"));
        if check.is_some_and(|check| check != own.as_str()) {
            return Err(StoreError::WrongKey(path));
        }
        sqlx::query(SET_CHECK).bind(own.as_str()).execute(writer).await?;
        Ok(key)
    }

    /// Writes a new key under another name first: a key cut short by a crash would seal what nobody can open.
    fn create(dir: &Path, path: &Path) -> Result<Self, StoreError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)
            .map_err(|error| file_error("draw random bytes for", path)(std::io::Error::other(error)))?;
        let fresh = dir.join("key.new");
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&fresh, path))
            .and_then(|()| File::open(dir)?.sync_all());
        written.map_err(file_error("create", path))?;
        Ok(Self(bytes))
    }

    /// The key of one purpose.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        keyed(&self.0, &[b"windlass", purpose.as_bytes()])
    }
}

/// HMAC-SHA-256 of `parts`, each with its length before it, so that no two lists of parts give the same message.
pub(crate) fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::Store;

    #[test]
    fn lists_of_parts_do_not_run_into_each_other() {
        let key = [7; 32];
        assert_ne!(keyed(&key, &[b"ab", b"c"]), keyed(&key, &[b"a", b"bc"]));
        assert_ne!(keyed(&key, &[b"ab"]), keyed(&key, &[b"ab", b""]));
    }

    #[tokio::test]
    async fn every_purpose_has_its_own_key_which_lasts() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let (first, other) = (store.key_for("diff"), store.key_for("session"));
        assert_ne!(first, other);
        store.close().await;
        assert_eq!(Store::open(dir.path()).await.unwrap().key_for("diff"), first);
    }

    #[tokio::test]
    async fn a_lost_or_foreign_key_is_told_at_the_opening() {
        let dir = tempfile::tempdir().unwrap();
        Store::open(dir.path()).await.unwrap().close().await;
        fs::write(dir.path().join("key"), [1; 32]).unwrap();
        assert!(matches!(Store::open(dir.path()).await, Err(StoreError::WrongKey(_))));
        fs::remove_file(dir.path().join("key")).unwrap();
        assert!(matches!(Store::open(dir.path()).await, Err(StoreError::KeyMissing(_))));
    }

    #[tokio::test]
    async fn only_the_owner_may_read_the_store() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("data");
        let store = Store::open(&dir).await.unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        let files: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() >= 4, "{files:?}");
        for file in files {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
        drop(store);
    }
}
