//! What was about to be made: written down before each create, and crossed out when its outcome is known.
//!
//! A process that dies between a create and its answer leaves an intent that is open. The next run looks each of them up by name before it plans,
//! so that a resource which the API commits late is found and not made twice.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::plan::step::Kind;

/// The file of one cluster, one line of JSON each. Every line is on disk before the call that it announces.
#[derive(Debug)]
pub(crate) struct Intents(Mutex<File>);

/// Something that was about to be made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub(crate) kind: Kind,
    pub(crate) name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Begun(Intent),
    Ended(Intent),
}

impl Intents {
    /// Opens the file, and answers with the intents whose outcome is not known.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Vec<Intent>)> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        if !text.is_empty() && !text.ends_with('\n') {
            // The next line must not be lost to one that was cut off.
            file.write_all(b"\n")?;
        }
        Ok((Self(Mutex::new(file)), open_in(&text)))
    }

    /// Says that this is about to be made.
    pub(crate) fn begin(&self, intent: &Intent) -> io::Result<()> {
        self.write(&Line::Begun(intent.clone()))
    }

    /// Says that it is known what became of it.
    pub(crate) fn end(&self, intent: &Intent) -> io::Result<()> {
        self.write(&Line::Ended(intent.clone()))
    }

    /// Forgets everything: all outcomes are known.
    pub(crate) fn clear(&self) -> io::Result<()> {
        let file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if file.metadata()?.len() == 0 {
            return Ok(());
        }
        file.set_len(0)?;
        file.sync_all()
    }

    /// Lines are short and rare: a create takes a hundred times as long as the disk.
    fn write(&self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_string(line).expect("a kind and a name always serialise");
        text.push('\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(text.as_bytes())?;
        file.sync_data()
    }
}

/// What was begun more often than it ended. A line that was cut off announces a call that was not made.
fn open_in(text: &str) -> Vec<Intent> {
    let mut counts: BTreeMap<Intent, i64> = BTreeMap::new();
    for line in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        match line {
            Line::Begun(intent) => *counts.entry(intent).or_default() += 1,
            Line::Ended(intent) => *counts.entry(intent).or_default() -= 1,
        }
    }
    counts.into_iter().filter(|(_, count)| *count > 0).map(|(intent, _)| intent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(name: &str) -> Intent {
        Intent { kind: Kind::Server, name: name.to_owned() }
    }

    #[test]
    fn what_did_not_end_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("intents");
        let (intents, open) = Intents::open(&path).unwrap();
        assert_eq!(open, []);
        for name in ["a", "b"] {
            intents.begin(&intent(name)).unwrap();
        }
        intents.end(&intent("a")).unwrap();
        let (again, open) = Intents::open(&path).unwrap();
        assert_eq!(open, [intent("b")]);
        again.clear().unwrap();
        assert_eq!(Intents::open(&path).unwrap().1, []);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn a_line_that_was_cut_off_announces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("intents");
        let whole = r#"{"begun":{"kind":"server","name":"a"}}"#;
        std::fs::write(&path, format!("{whole}\n{}", &whole[..20])).unwrap();
        let (intents, open) = Intents::open(&path).unwrap();
        assert_eq!(open, [intent("a")]);
        intents.begin(&intent("b")).unwrap();
        assert_eq!(Intents::open(&path).unwrap().1, [intent("a"), intent("b")]);
    }

    #[test]
    fn what_is_tried_again_is_open_until_it_ends() {
        let begun = r#"{"begun":{"kind":"server","name":"a"}}"#;
        let ended = r#"{"ended":{"kind":"server","name":"a"}}"#;
        assert_eq!(open_in(&[begun, ended, begun].join("\n")), [intent("a")]);
        assert_eq!(open_in(&[begun, ended, begun, ended].join("\n")), []);
    }
}
