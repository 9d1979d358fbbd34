//! The kinds of text that events carry, each with its bounds: checked when read, and stated in the schemas.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::name::{Commit, Digest, RunId};

/// The text is not of the asked kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct TextError {
    expected: &'static str,
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $most:literal, $pattern:literal, $expected:literal, $is_valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String", extend("minLength" = 1, "maxLength" = $most, "pattern" = $pattern))]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextError;

            fn try_from(text: String) -> Result<Self, TextError> {
                let is_valid: fn(&str) -> bool = $is_valid;
                let length = text.chars().take($most + 1).count();
                if (1..=$most).contains(&length) && is_valid(&text) {
                    Ok(Self(text))
                } else {
                    Err(TextError { expected: $expected })
                }
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

text!(
    /// One line that says something: a person, a reason, a repository.
    Line,
    1024,
    "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\x00-\\x20\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$",
    "one line of 1 to 1024 characters that is not blank",
    |text| !text.chars().any(char::is_control) && text.chars().any(|letter| letter != ' ')
);

text!(
    /// A file's path from the root of its repository. Git allows any byte but NUL.
    FilePath,
    4096,
    "^[^\\x00/][^\\x00]*$",
    "a path from the root of the repository, of 1 to 4096 characters",
    |text| !text.starts_with('/') && !text.contains('\0')
);

text!(
    /// A full commit id as Git writes it, SHA-1 or SHA-256.
    CommitId,
    64,
    "^([0-9a-f]{40}|[0-9a-f]{64})$",
    "a full commit id of 40 or 64 lower-case hexadecimal digits",
    |text| matches!(text.len(), 40 | 64) && is_hexadecimal(text)
);

text!(
    /// Something that names a commit, a release or a run: an id, a beginning of one, a branch or a tag.
    Revision,
    256,
    "^[0-9A-Za-z][0-9A-Za-z._/+:-]*$",
    "an id, branch or tag of letters, digits and `._/+:-`",
    |text| {
        text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._/+:-".contains(&byte))
    }
);

text!(
    /// A full reference such as `refs/heads/main`.
    GitReference,
    1024,
    "^refs/[^\\x00-\\x20\\x7f]+$",
    "a full reference such as `refs/heads/main`",
    |text| {
        text.strip_prefix("refs/").is_some_and(|rest| {
            !rest.is_empty() && !rest.chars().any(|letter| matches!(letter, '\0'..=' ' | '\x7f'))
        })
    }
);

text!(
    /// A SHA-256 digest in lower-case hexadecimal digits.
    DigestText,
    64,
    "^[0-9a-f]{64}$",
    "a digest of 64 lower-case hexadecimal digits",
    |text| text.len() == 64 && is_hexadecimal(text)
);

text!(
    /// A run's id such as `r-17`.
    RunIdText,
    20,
    "^r-[0-9]{1,18}$",
    "a run's id such as `r-17`",
    |text| {
        text.strip_prefix("r-").is_some_and(|digits| {
            (1..=18).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    }
);

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

impl GitReference {
    /// The branch, if the reference is one.
    pub fn branch(&self) -> Option<&str> {
        self.0.strip_prefix("refs/heads/")
    }
}

impl From<&CommitId> for Commit {
    fn from(id: &CommitId) -> Self {
        Self::new(id.as_str())
    }
}

impl From<&RunIdText> for RunId {
    fn from(text: &RunIdText) -> Self {
        text.as_str().parse().expect("eighteen digits are a run's number")
    }
}

impl PartialEq<Digest> for DigestText {
    fn eq(&self, digest: &Digest) -> bool {
        self.0 == digest.as_str()
    }
}
