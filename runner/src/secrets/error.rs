//! Why objects cannot be sealed.

use std::fmt;

use serde::Serialize;
use windlass_core::failure::FailureClass;

/// A key of a Secret in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SecretKey {
    /// The Secret's namespace, if the object names one.
    pub namespace: Option<String>,
    /// The Secret's name.
    pub secret: String,
    /// The key under `data`.
    pub key: String,
}

impl fmt::Display for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, secret, key } = self;
        match namespace {
            Some(namespace) => write!(formatter, "`{key}` of Secret `{namespace}/{secret}`"),
            None => write!(formatter, "`{key}` of Secret `{secret}`"),
        }
    }
}

/// The objects still hold placeholders that nothing replaces. Every problem is listed, so that one attempt shows all there is to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", summary(problems))]
pub struct SealRefused {
    /// What is wrong, at least one.
    pub problems: Vec<SealProblem>,
}

/// One placeholder that stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum SealProblem {
    /// No source has the value.
    #[error("no source has a value for {at}; asked: {}", listed(tried))]
    Missing {
        /// The key whose value is missing.
        at: SecretKey,
        /// What was asked, in this order.
        tried: Vec<String>,
    },
    /// A source has it, and it is nothing.
    #[error("the value for {at} is empty in {place}")]
    Empty {
        /// The key whose value is empty.
        at: SecretKey,
        /// The source that has it.
        place: String,
    },
    /// A source has it and does not give it.
    #[error("the value for {at} cannot be read from {place}: {reason}")]
    Unreadable {
        /// The key whose value cannot be read.
        at: SecretKey,
        /// The source that has it.
        place: String,
        /// What the operating system says.
        reason: String,
    },
    /// Somebody has copied the placeholder into a source.
    #[error("the value for {at} in {place} is the placeholder itself")]
    Unreplaced {
        /// The key whose value is the placeholder.
        at: SecretKey,
        /// The source that has it.
        place: String,
    },
    /// `stringData` holds text and nothing else.
    #[error("the value for {at} in {place} is not UTF-8 text, which `stringData` asks for")]
    NotText {
        /// The key whose value is no text.
        at: SecretKey,
        /// The source that has it.
        place: String,
    },
    /// Kubernetes would refuse the key.
    #[error("{at} is no key that a Secret can have: use letters, digits, `-`, `_` and `.`")]
    IllegalKey {
        /// The key.
        at: SecretKey,
    },
    /// The placeholder stands where no value is filled in.
    #[error("the placeholder stands in {object} at `{path}`, where nothing replaces it")]
    Leftover {
        /// The object, by kind and name.
        object: String,
        /// The place in the object.
        path: String,
    },
}

impl SealRefused {
    /// Values are the operator's to give; a placeholder in the wrong place is the author's to mend.
    pub fn class(&self) -> FailureClass {
        let is_author = |problem: &SealProblem| {
            matches!(problem, SealProblem::Leftover { .. } | SealProblem::IllegalKey { .. })
        };
        if self.problems.iter().all(is_author) { FailureClass::User } else { FailureClass::Permanent }
    }

    /// What to do about the first problem.
    pub fn hint(&self) -> Option<String> {
        Some(match self.problems.first()? {
            SealProblem::Missing { at, tried } => match tried.first().and_then(|first| first.strip_prefix("variable ")) {
                Some(variable) => format!("export {}=…", variable.trim_matches('`')),
                None => format!("put the value of `{}` into one of the files named", at.key),
            },
            SealProblem::Empty { place, .. } | SealProblem::Unreplaced { place, .. } => {
                format!("give {place} its value, or remove it so that the next source is asked")
            }
            SealProblem::Unreadable { place, .. } => format!("let the user that runs windlass read {place}"),
            SealProblem::NotText { .. } => "put the key under `data` instead of `stringData`".to_owned(),
            SealProblem::IllegalKey { .. } => "rename the key".to_owned(),
            SealProblem::Leftover { .. } => {
                "make it the whole value of a key of a Secret, and take it from there with `secretKeyRef` or a volume".to_owned()
            }
        })
    }
}

fn summary(problems: &[SealProblem]) -> String {
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    match texts.as_slice() {
        [one] => one.clone(),
        several => format!("{} placeholders cannot be replaced: {}", several.len(), several.join("; ")),
    }
}

fn listed(tried: &[String]) -> String {
    if tried.is_empty() { "nothing, because no source is configured".to_owned() } else { tried.join(", ") }
}
