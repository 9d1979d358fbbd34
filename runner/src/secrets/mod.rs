//! Secret values: where they come from, how they get into objects, and how they stay out of everything else.
//!
//! A rendered Secret holds placeholders. [`seal`] replaces them in memory, just before objects are applied, by values that
//! [`SecretSources`] finds; [`Sealed`] keeps the result from being printed or stored; a [`Redactor`] takes the values out of any text that
//! comes back from outside. A value is never part of an error, a log line, a span, a plan or the store.

mod config;
mod error;
mod redact;
mod seal;
mod sources;
mod stamp;
mod value;

pub use self::config::SecretsConfig;
pub use self::error::{SealProblem, SealRefused, SecretKey};
pub use self::redact::Redactor;
pub use self::seal::{Sealed, SealedValue, places, seal};
pub use self::sources::SecretSources;
pub use self::stamp::{DIGEST_ANNOTATION, SECRETS_ANNOTATION};
pub use self::value::{DigestKey, SecretValue};

#[cfg(test)]
mod tests;
