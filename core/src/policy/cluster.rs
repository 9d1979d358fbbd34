//! `auto_deploy` of a cluster's configuration: the one key of that file which says when, and not what.
//!
//! The rest of the file has its provider's own schema, and is the provider's to read.

use serde::{Deserialize, Serialize};

use super::problem::Problems;
use crate::document::section::Reader;

const KEY: &str = "auto_deploy";

/// Whether a change of a cluster's configuration is carried out without asking. Where nothing is written a person asks: machines cost money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSwitch {
    /// The configuration's file.
    pub file: String,
    /// The line where the key stands; `None`: it is not written.
    pub line: Option<usize>,
    /// What it says.
    pub auto_deploy: bool,
}

impl ClusterSwitch {
    /// Reads the key at the top of the file, whatever else the file holds.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let (mut reader, root) = Reader::open(file, text);
        let node = root.as_ref().and_then(|root| root.get(KEY));
        let read = match (&root, node) {
            (Some(_), Some(node)) => reader.truth(node, &format!("`{KEY}`")).map(|auto_deploy| {
                let (file, line) = (file.to_owned(), Some(node.place.line));
                Self { file, line, auto_deploy }
            }),
            (Some(_), None) => Some(Self::unwritten(file)),
            (None, _) => None,
        };
        reader.close(read)
    }

    /// The answer of a file that does not write the key.
    pub fn unwritten(file: &str) -> Self {
        Self { file: file.to_owned(), line: None, auto_deploy: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(Option<usize>, bool), &str>) {
        let read = ClusterSwitch::parse("cluster-config.yaml", text);
        match expected {
            Ok(expected) => assert_eq!(read.map(|switch| (switch.line, switch.auto_deploy)), Ok(expected)),
            Err(words) => {
                let told = read.unwrap_err().render();
                assert!(told.contains(words), "{told}");
            }
        }
    }

    #[test]
    fn the_key_is_read_with_its_line_among_keys_of_any_schema() {
        check("cluster_name: a\n# why\nauto_deploy: true\npool: {auto_deploy: false}\n", Ok((Some(3), true)));
        check("auto_deploy: false\n", Ok((Some(1), false)));
    }

    #[test]
    fn what_is_not_written_at_the_top_means_no() {
        check("pool:\n  auto_deploy: true\n", Ok((None, false)));
        check("[auto_deploy]\n", Ok((None, false)));
    }

    #[test]
    fn what_is_neither_yes_nor_no_is_told_with_its_place() {
        check("a: 1\nauto_deploy: sometimes\n", Err("cluster-config.yaml:2:14: `auto_deploy` must be"));
        check("auto_deploy: 'true'\n", Err("must be"));
        check("a: [1\n", Err("cluster-config.yaml"));
    }
}
