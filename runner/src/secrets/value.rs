//! A secret value and what may be told of it.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::Sha256;
use windlass_core::name::Digest;

/// The bytes of a secret. Not printed, not serialised, wiped from memory when dropped.
#[derive(Clone)]
pub struct SecretValue(SecretSlice<u8>);

impl SecretValue {
    /// Takes the bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(SecretSlice::from(bytes.into()))
    }

    /// The bytes, for whoever must have them.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretValue(…)")
    }
}

/// The key under which digests of secrets are made (HMAC-SHA256), so that nobody without it can try guesses against a digest.
///
/// It must stay the same for as long as digests are compared: a new key makes every value look changed and restarts what uses it.
#[derive(Clone)]
pub struct DigestKey(SecretSlice<u8>);

impl DigestKey {
    /// Takes 256 bits, which should come from a generator and not from a person.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(SecretSlice::from(bytes.to_vec()))
    }

    /// The keyed digest of `parts`. `purpose` keeps digests of equal parts for different uses apart; lengths keep parts apart.
    pub(super) fn digest<'a>(&self, purpose: &'a str, parts: impl IntoIterator<Item = &'a [u8]>) -> Digest {
        let mut hash =
            Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).expect("HMAC takes keys of any length");
        for part in std::iter::once(purpose.as_bytes()).chain(parts) {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Digest::from_hash(&hash.finalize().into_bytes())
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DigestKey(…)")
    }
}
