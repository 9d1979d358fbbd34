//! Bearer tokens: 256 random bits of which windlass keeps a digest. Their entropy is that of a key, so a plain digest tells nobody anything.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What every token begins with, so that one that leaked is found by search.
const PREFIX: &str = "wlt_";

/// The name of a token: who its holder is in runs, approvals and the audit log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenName(String);

/// The text cannot name a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot name a token: use at most 63 letters, digits, `-` and `_`", .0.escape_debug())]
pub struct TokenNameError(String);

impl TokenName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenName {
    type Err = TokenNameError;

    fn from_str(text: &str) -> Result<Self, TokenNameError> {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (1..=63).contains(&text.len()) && text.bytes().all(is_part) {
            return Ok(Self(text.to_owned()));
        }
        Err(TokenNameError(text.to_owned()))
    }
}

impl TryFrom<String> for TokenName {
    type Error = TokenNameError;

    fn try_from(text: String) -> Result<Self, TokenNameError> {
        text.parse()
    }
}

impl From<TokenName> for String {
    fn from(name: TokenName) -> Self {
        name.0
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The SHA-256 digest of a token: what is configured in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenDigest([u8; 32]);

/// The text is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token's digest is 64 hexadecimal digits: see `windlass token new`")]
pub struct TokenDigestError;

impl TokenDigest {
    /// The digest of what a client showed.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Whether both are the same, in a time that does not tell where they differ.
    pub fn is(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
    }
}

impl TryFrom<String> for TokenDigest {
    type Error = TokenDigestError;

    fn try_from(text: String) -> Result<Self, TokenDigestError> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(TokenDigestError);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'));
            *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or(TokenDigestError)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for TokenDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl From<TokenDigest> for String {
    fn from(digest: TokenDigest) -> Self {
        digest.to_string()
    }
}

/// A token that was just drawn. It is shown once and kept nowhere.
#[derive(Debug)]
pub struct NewToken(SecretString);

impl NewToken {
    /// Draws 256 bits from the operating system.
    pub fn draw() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)).into()))
    }

    /// The token itself, for its holder.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What is configured.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(self.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_is_its_own_and_is_not_printed() {
        let (one, other) = (NewToken::draw().unwrap(), NewToken::draw().unwrap());
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().len(), PREFIX.len() + 43);
        assert!(!format!("{one:?}").contains(one.expose()));
    }

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        // Of the empty text, as FIPS 180-4 gives it.
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let digest = TokenDigest::of("");
        assert_eq!(digest.to_string(), text);
        assert!(TokenDigest::try_from(text.to_owned()).unwrap().is(&digest));
        assert!(!TokenDigest::of("a").is(&digest));
        for wrong in ["", "e3b0", &text[1..], &text.replace('e', "g"), &text.replacen("e3", "+3", 1)] {
            assert_eq!(TokenDigest::try_from(wrong.to_owned()), Err(TokenDigestError), "{wrong}");
        }
    }

    #[test]
    fn a_name_is_one_word() {
        for right in ["ci", "Ada_L", "a-1"] {
            assert!(right.parse::<TokenName>().is_ok(), "{right}");
        }
        for wrong in ["", "a b", "a.b", "ä", "a\n", &"a".repeat(64)] {
            assert!(wrong.parse::<TokenName>().is_err(), "{wrong}");
        }
    }
}
