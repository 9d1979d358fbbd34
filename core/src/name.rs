//! Names and identities: newtypes, so that an environment cannot be passed where a service is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The text is not a name of the asked kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not {kind} name: use lower-case letters, digits and `-`, at most 63, with a letter or digit at both ends"
)]
pub struct NameError {
    kind: &'static str,
    text: String,
}

/// A DNS label as Kubernetes defines it (RFC 1123): environments, services and clusters become label values and object names.
fn is_dns_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| inner(*byte) && *byte != b'-');
    let bytes = text.as_bytes();
    bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|byte| inner(*byte))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String", extend("pattern" = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"))]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if is_dns_label(text) { Ok(Self(text.to_owned())) } else { Err(NameError { kind: $kind, text: text.to_owned() }) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

name!(
    /// An environment: a policy in deploy-control.yaml plus an overlay, such as `dev` or `prod`.
    EnvironmentName,
    "an environment"
);
name!(
    /// A service: an entry under `services:` of an environment.
    ServiceName,
    "a service"
);
name!(
    /// A provider: the folder name under `infra/k8s`, such as `hetzner`.
    ProviderName,
    "a provider"
);
name!(
    /// A cluster that a provider owns.
    ClusterName,
    "a cluster"
);

/// A run's identity within one store, `r-17` in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(pub u64);

/// The text is not a run id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a run id: they look like `r-17`")]
pub struct RunIdError(String);

impl FromStr for RunId {
    type Err = RunIdError;

    /// Accepts `r-17` and, because people type it, `17`.
    fn from_str(text: &str) -> Result<Self, RunIdError> {
        let digits = text.strip_prefix("r-").unwrap_or(text);
        digits.parse().map(Self).map_err(|_| RunIdError(text.to_owned()))
    }
}

impl TryFrom<String> for RunId {
    type Error = RunIdError;

    fn try_from(text: String) -> Result<Self, RunIdError> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> String {
        id.to_string()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "r-{}", self.0)
    }
}

/// A SHA-256 digest of content, lower-case hexadecimal.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_hash(Sha256::digest(bytes).as_slice())
    }

    /// A digest that a keyed or incremental hash has made.
    pub fn from_hash(hash: &[u8]) -> Self {
        use fmt::Write as _;
        Self(hash.iter().fold(String::with_capacity(hash.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
            text
        }))
    }

    /// A digest that was written down earlier.
    pub fn recorded(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole digest as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, enough for people.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A state of the repository: a full commit id, or `worktree` plus a content digest where the repository is a plain folder.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Commit(String);

impl Commit {
    /// Takes the id as given; whether it exists is the source's to say.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven digits, as Git shows commits; of a folder's state after its `worktree-`.
    pub fn short(&self) -> &str {
        let prefix = if self.0.starts_with("worktree-") { "worktree-".len() } else { 0 };
        self.0.get(..prefix + 7).unwrap_or(&self.0)
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for good in ["dev", "a", "prod-eu1", "0", &"x".repeat(63)] {
            assert!(good.parse::<EnvironmentName>().is_ok(), "{good}");
        }
        for bad in ["", "Dev", "-a", "a-", "a_b", "a.b", "ä", &"x".repeat(64)] {
            assert!(bad.parse::<EnvironmentName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_that_json_holds_is_checked() {
        assert!(serde_json::from_str::<ServiceName>("\"postgres\"").is_ok());
        assert!(serde_json::from_str::<ServiceName>("\"../etc\"").is_err());
    }

    #[test]
    fn run_ids_read_what_they_print() {
        assert_eq!(RunId(17).to_string().parse(), Ok(RunId(17)));
        assert_eq!("17".parse(), Ok(RunId(17)));
        assert!("r-x".parse::<RunId>().is_err());
    }

    #[test]
    fn short_commits_tell_states_apart() {
        assert_eq!(Commit::new("0123456789abcdef").short(), "0123456");
        assert_eq!(Commit::new("worktree-0123456789abcdef").short(), "worktree-0123456");
        assert_eq!(Commit::new("abc").short(), "abc");
    }

    #[test]
    fn digests_are_sha_256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").as_str(), empty);
        assert_eq!(Digest::of(b"").short(), &empty[..12]);
    }
}
