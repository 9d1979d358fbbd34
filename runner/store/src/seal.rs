//! Sealing what must not lie open on disk, for one place: what was sealed for another is not opened there.

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};

use crate::key::{Key, keyed};

/// The nonce stands in front of what is sealed.
const NONCE: usize = 24;

/// Seals content. The nonce comes from content and place, by a key: different content never shares one.
pub(crate) fn seal(key: &Key, purpose: &str, place: &str, bytes: &[u8]) -> Vec<u8> {
    let hash = keyed(&key.derive(&format!("{purpose} nonces")), &[place.as_bytes(), bytes]);
    let nonce = &hash[..NONCE];
    let payload = Payload { msg: bytes, aad: place.as_bytes() };
    let sealed = cipher(key, purpose)
        .encrypt(&nonce_of(nonce).expect("it has the length of a nonce"), payload)
        .expect("what is sealed is far below the cipher's limit");
    [nonce, &sealed].concat()
}

/// Opens what was sealed for this place; none if it was not, or was changed since.
pub(crate) fn open(key: &Key, purpose: &str, place: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
    let payload = Payload { msg: sealed, aad: place.as_bytes() };
    cipher(key, purpose).decrypt(&nonce_of(nonce)?, payload).ok()
}

fn cipher(key: &Key, purpose: &str) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&key.derive(purpose).into())
}

fn nonce_of(bytes: &[u8]) -> Option<XNonce> {
    let bytes: [u8; NONCE] = bytes.try_into().ok()?;
    Some(XNonce::from(bytes))
}
