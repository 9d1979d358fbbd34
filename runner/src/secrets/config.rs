//! The section `[secrets]` of the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::list_or_text;

/// Where values of secrets come from. The values themselves are never configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsConfig {
    /// The text in a rendered Secret that stands for a value.
    pub placeholder: String,
    /// Whether environment variables are a source.
    pub environment: bool,
    /// Folders with one file for each value, in the order in which they are asked.
    #[serde(deserialize_with = "list_or_text")]
    pub directories: Vec<PathBuf>,
}

impl SecretsConfig {
    /// A shorter placeholder could stand in a text by chance. In characters.
    pub const SHORTEST_PLACEHOLDER: usize = 8;
}
