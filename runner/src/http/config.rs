//! The section `[http]` of the configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::access::Role;
use super::github::GithubConfig;
use super::token::{TokenDigest, TokenName};
use crate::config::list_or_text;

/// How the HTTP API is served. Of a token only its digest is configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Where `serve` listens.
    pub listen: Listen,
    /// The names under which it is reached; any, where none is written and tokens are asked for.
    #[serde(deserialize_with = "list_or_text")]
    pub hosts: Vec<String>,
    /// What those may do who show no token; see [`Access::new`](super::access::Access::new) for what holds where nothing is written.
    pub anonymous: Option<Role>,
    /// The most connections at a time.
    pub connections: usize,
    /// The most connections at a time that follow runs.
    pub streams: usize,
    /// Which repository of GitHub tells its pushes here.
    #[serde(default)]
    pub github: GithubConfig,
    /// Who may do what, by the name of the token.
    #[serde(default)]
    pub tokens: BTreeMap<TokenName, TokenConfig>,
}

/// A token that is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// What its holder may do.
    pub role: Role,
    /// The SHA-256 digest of the token.
    pub sha256: TokenDigest,
}

/// Where `serve` listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Listen {
    /// Nowhere.
    None,
    /// At this address; port 0 is one that is free.
    At(SocketAddr),
}

/// The text is no place to listen at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address such as `127.0.0.1:7878`, nor `none`")]
pub struct ListenError(String);

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        if text == "none" {
            return Ok(Self::None);
        }
        text.parse().map(Self::At).map_err(|_| ListenError(text.to_owned()))
    }
}

impl TryFrom<String> for Listen {
    type Error = ListenError;

    fn try_from(text: String) -> Result<Self, ListenError> {
        text.parse()
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => formatter.write_str("none"),
            Self::At(address) => address.fmt(formatter),
        }
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> Self {
        listen.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_to_listen_is_an_address_or_none() {
        for text in ["none", "127.0.0.1:7878", "[::1]:0", "0.0.0.0:80"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for text in ["", "7878", "localhost:7878", "127.0.0.1", "127.0.0.1:99999"] {
            let error = text.parse::<Listen>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}` is not an address")), "{error}");
        }
    }
}
