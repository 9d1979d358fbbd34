//! What can be wrong with a configuration, always with the place where it was written.

use std::path::{Path, PathBuf};

use config::{ConfigError as Cause, Value, ValueKind};
use windlass_core::failure::FailureClass;

use super::PREFIX;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The named file is not there.
    #[error("there is no configuration file `{file}`")]
    NoSuchFile {
        /// The file that was named.
        file: PathBuf,
    },
    /// The file is not TOML.
    #[error("`{file}` is not valid TOML")]
    Syntax {
        /// The file.
        file: PathBuf,
        /// Where and why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No such key exists.
    #[error("`{key}` in {place} is not a key of the configuration")]
    UnknownKey {
        /// The key as written, in dots.
        key: String,
        /// The file or variable.
        place: String,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// The key exists, and its value is none of the values that it can have.
    #[error("`{key}` in {place} {reason}")]
    InvalidValue {
        /// The key, in dots.
        key: String,
        /// The file or variable.
        place: String,
        /// What is wrong with the value.
        reason: String,
    },
    /// A variable or file could not be taken in.
    #[error("the configuration cannot be read")]
    Unreadable {
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nothing says where state is kept.
    #[error("there is no place for windlass's state: neither `data_dir` nor `$HOME` is set")]
    NoStateFolder,
}

impl ConfigError {
    /// An operator must mend it.
    pub fn class(&self) -> FailureClass {
        FailureClass::Permanent
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownKey { nearest: Some(nearest), .. } => Some(format!("did you mean `{nearest}`?")),
            Self::UnknownKey { .. } => Some("see every key with `windlass config`".to_owned()),
            Self::NoStateFolder => Some(format!("export {PREFIX}DATA_DIR=/var/lib/windlass")),
            _ => None,
        }
    }
}

/// The merged configuration as it was written, to find where.
pub(super) struct Written<'a> {
    pub(super) tree: Value,
    pub(super) file: Option<&'a Path>,
}

impl Written<'_> {
    /// An error from a value that has the wrong type or form.
    pub(super) fn refuse(&self, error: Cause) -> ConfigError {
        let (key, reason) = key_and_reason(error);
        self.invalid(&key.unwrap_or_default(), &reason)
    }

    /// The value at `key` is wrong.
    pub(super) fn invalid(&self, key: &str, reason: &str) -> ConfigError {
        ConfigError::InvalidValue { key: key.to_owned(), place: self.place(key), reason: reason.to_owned() }
    }

    /// Where the value at `key` was written. The library's own idea of a file is a path relative to the working directory.
    pub(super) fn place(&self, key: &str) -> String {
        match (self.find(key).and_then(origin), self.file) {
            (Some(ENVIRONMENT), _) => {
                format!("the environment variable `{PREFIX}{}`", key.to_uppercase().replace('.', "__"))
            }
            (_, Some(file)) => format!("`{}`", file.display()),
            (_, None) => "the defaults".to_owned(),
        }
    }

    fn find(&self, key: &str) -> Option<&Value> {
        key.split('.').try_fold(&self.tree, |value, part| match &value.kind {
            // The library names the second of a list `directories[1]`.
            ValueKind::Table(table) => table.get(part).or_else(|| table.get(part.split('[').next()?)),
            _ => None,
        })
    }
}

/// An error from reading a layer.
pub(super) fn unreadable(error: Cause, file: Option<&Path>) -> ConfigError {
    match (error, file) {
        (Cause::FileParse { cause, .. }, Some(file)) => {
            ConfigError::Syntax { file: file.to_owned(), source: cause }
        }
        (other, _) => ConfigError::Unreadable { source: Box::new(other) },
    }
}

/// Whether the value was written in a file, and not in a variable or by the defaults.
pub(super) fn is_of_file(value: &Value) -> bool {
    value.origin().is_some_and(|origin| origin != ENVIRONMENT)
}

/// What the library calls the origin of values from variables.
const ENVIRONMENT: &str = "the environment";

/// The origin of a value; of a section, that of anything in it.
fn origin(value: &Value) -> Option<&str> {
    value.origin().or_else(|| match &value.kind {
        ValueKind::Table(table) => table.values().find_map(origin),
        _ => None,
    })
}

fn key_and_reason(error: Cause) -> (Option<String>, String) {
    match error {
        Cause::Type { unexpected, expected, key, .. } => {
            (key, format!("must be {expected}, not {unexpected}"))
        }
        Cause::At { error, key, .. } => {
            let (inner, reason) = key_and_reason(*error);
            (key.or(inner), reason)
        }
        Cause::NotFound(key) => (Some(key), "is missing".to_owned()),
        Cause::Message(message) => (None, format!("is wrong: {message}")),
        other => (None, format!("is wrong: {other}")),
    }
}
