//! Artefacts: rendered objects by content, sealed, because they hold whatever people have committed.

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use windlass_core::name::Digest;

use crate::cells::integer;
use crate::error::StoreError;
use crate::key::{Key, keyed};
use crate::kill::Operation;
use crate::store::Store;

/// The largest artefact in bytes: far above what a cluster is given at once, far below what SQLite keeps in one row.
pub const ARTEFACT_LIMIT: usize = 128 * 1024 * 1024;

const EXISTS: &str = "SELECT 1 FROM artefacts WHERE digest = ?1";
const PUT: &str = "INSERT INTO artefacts (digest, size, sealed) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
const GET: &str = "SELECT sealed FROM artefacts WHERE digest = ?1";

impl Store {
    /// Keeps content and answers its digest. What is there already is not written again.
    pub async fn put_artefact(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        if bytes.len() > ARTEFACT_LIMIT {
            return Err(StoreError::TooLarge {
                what: "an artefact",
                size: bytes.len(),
                limit: ARTEFACT_LIMIT,
            });
        }
        let digest = Digest::of(bytes);
        let known = sqlx::query(EXISTS).bind(digest.as_str()).fetch_optional(self.readers()).await?;
        if known.is_some() {
            return Ok(digest);
        }
        let sealed = seal(self.key(), &digest, bytes);
        let mut writing = self.write().await?;
        let size = integer(bytes.len() as u64);
        sqlx::query(PUT).bind(digest.as_str()).bind(size).bind(sealed).execute(&mut *writing).await?;
        self.commit(writing, &[Operation::PutArtefact]).await?;
        Ok(digest)
    }

    /// The content of a digest; refused if it is not what was put in.
    pub async fn artefact(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let query = sqlx::query_scalar::<_, Vec<u8>>(GET).bind(digest.as_str());
        let sealed = query.fetch_optional(self.readers()).await?;
        let sealed = sealed.ok_or_else(|| StoreError::UnknownArtefact(digest.clone()))?;
        open(self.key(), digest, &sealed).ok_or_else(|| StoreError::Tampered(digest.clone()))
    }
}

/// Seals content for its digest. The nonce comes from the digest, by a key: equal content is sealed equally, and different content never
/// shares a nonce.
fn seal(key: &Key, digest: &Digest, bytes: &[u8]) -> Vec<u8> {
    let payload = Payload { msg: bytes, aad: digest.as_str().as_bytes() };
    cipher(key).encrypt(&nonce(key, digest), payload).expect("the size limit is below the cipher's")
}

fn open(key: &Key, digest: &Digest, sealed: &[u8]) -> Option<Vec<u8>> {
    let payload = Payload { msg: sealed, aad: digest.as_str().as_bytes() };
    let bytes = cipher(key).decrypt(&nonce(key, digest), payload).ok()?;
    (Digest::of(&bytes) == *digest).then_some(bytes)
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&key.derive("artefacts").into())
}

fn nonce(key: &Key, digest: &Digest) -> XNonce {
    let hash = keyed(&key.derive("artefact nonces"), &[digest.as_str().as_bytes()]);
    let (nonce, _) = hash.split_first_chunk::<24>().expect("a hash has 32 bytes");
    XNonce::from(*nonce)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::open;

    const TAMPER: &str = "UPDATE artefacts SET sealed = ?1";

    #[tokio::test]
    async fn content_comes_back_by_its_digest() {
        let (_dir, store) = open().await;
        for bytes in [b"".as_slice(), b"kind: Secret", &vec![7; 300_000]] {
            let digest = store.put_artefact(bytes).await.unwrap();
            assert_eq!(digest, Digest::of(bytes));
            assert_eq!(store.put_artefact(bytes).await.unwrap(), digest);
            assert_eq!(store.artefact(&digest).await.unwrap(), bytes);
        }
        let unknown = store.artefact(&Digest::of(b"never stored")).await;
        assert!(matches!(unknown, Err(StoreError::UnknownArtefact(_))), "{unknown:?}");
    }

    #[tokio::test]
    async fn what_was_changed_on_disk_is_refused() {
        let (_dir, store) = open().await;
        let digest = store.put_artefact(b"good").await.unwrap();
        let other = seal(store.key(), &Digest::of(b"evil"), b"evil");
        let mut flipped = seal(store.key(), &digest, b"good");
        flipped[0] ^= 1;
        let under_another_digest = seal(store.key(), &digest, b"evil");
        for sealed in [other, flipped, under_another_digest, Vec::new()] {
            sqlx::query(TAMPER).bind(sealed).execute(store.writer()).await.unwrap();
            let refused = store.artefact(&digest).await;
            assert!(matches!(refused, Err(StoreError::Tampered(_))), "{refused:?}");
        }
    }

    #[tokio::test]
    async fn no_file_of_the_store_shows_what_an_artefact_holds() {
        let (dir, store) = open().await;
        let canary = b"canary-8c1f2d7e-password";
        store.put_artefact(&[b"stringData: ".as_slice(), canary].concat()).await.unwrap();
        store.close().await;
        for entry in fs::read_dir(dir.path()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(canary.len()).any(|window| window == canary), "{}", path.display());
        }
    }
}
