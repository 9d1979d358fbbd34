//! The section `[secrets]` of the configuration.

use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

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

/// A list, or, from an environment variable, a text with `:` between the parts.
fn list_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum ListOrText {
        List(Vec<PathBuf>),
        Text(String),
    }
    let given =
        ListOrText::deserialize(deserializer).map_err(|_| D::Error::custom("expected a list of paths"))?;
    Ok(match given {
        ListOrText::List(list) => list,
        ListOrText::Text(text) => {
            text.split(':').filter(|part| !part.is_empty()).map(PathBuf::from).collect()
        }
    })
}
