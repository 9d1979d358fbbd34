//! Reading one mapping of the file: its keys, and the values under them.
//!
//! Nothing here stops at a problem. A reading function answers `None` after it has recorded what is wrong, so one pass finds everything.

use std::collections::HashSet;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use super::nearest::nearest;
use super::{Entry, Node, Source, Value, shortened};
use crate::policy::problem::{Place, Placed, Problem, Problems};

/// What reads the file and collects its problems.
#[derive(Debug)]
pub struct Reader<'a> {
    source: Source<'a>,
    problems: Vec<Problem>,
    /// Where keys stand that no one knows.
    unknown: HashSet<Place>,
    /// Keys that a section lacks and that were reported, or that an unknown key beside them was most likely meant to be.
    missing: HashSet<(Place, String)>,
}

/// The mapping under one key, with the words that name it in messages, such as "environment `dev`".
#[derive(Debug)]
pub struct Section<'a> {
    entries: &'a [Entry],
    /// Where it stands.
    pub place: Place,
    length: usize,
    /// The words that name it.
    pub what: String,
}

impl<'a> Section<'a> {
    /// Its entries, in the order of the file.
    pub fn entries(&self) -> &'a [Entry] {
        self.entries
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|entry| entry.key.value == key).map(|entry| &entry.value)
    }

    /// The words for a key of this section.
    pub fn key(&self, key: &str) -> String {
        format!("`{key}` in {}", self.what)
    }
}

impl<'a> Reader<'a> {
    /// Reads the tree of a file; `None` where there is none, for a reason that the reader keeps.
    pub fn open(file: &'a str, text: &'a str) -> (Self, Option<Node>) {
        let source = Source::new(file, text);
        let mut problems = Vec::new();
        let root = super::read(&source, text, &mut problems);
        (Self { source, problems, unknown: HashSet::new(), missing: HashSet::new() }, root)
    }

    /// What was read, if nothing was wrong with the file; else everything that was.
    pub fn close<T>(self, read: Option<T>) -> Result<T, Problems> {
        let mut problems = self.problems;
        problems.sort_by_key(|problem| problem.place);
        match read {
            Some(value) if problems.is_empty() => Ok(value),
            _ => Err(Problems(problems)),
        }
    }

    /// Whether a message already speaks of the key at this place being unknown.
    pub fn said_unknown(&self, key: Place) -> bool {
        self.unknown.contains(&key)
    }

    /// Whether a message already speaks of the mapping at this place lacking the key.
    pub fn said_missing(&self, mapping: Place, key: &str) -> bool {
        self.missing.contains(&(mapping, key.to_owned()))
    }

    /// Records a problem at a place of the file.
    pub fn report(&mut self, place: Place, length: usize, message: String, hint: Option<String>) {
        let problem = Problem { hint, ..self.source.problem(place, length, message) };
        self.problems.push(problem);
    }

    /// Records that a value is not what its key asks for.
    pub fn refuse<T>(&mut self, node: &Node, what: &str, wanted: &str, hint: &str) -> Option<T> {
        let message = format!("{what} must be {wanted}, found {}", node.found());
        self.report(node.place, node.length, message, Some(hint.to_owned()));
        None
    }

    /// Takes a node for a mapping whose keys are names that the user chose.
    pub fn names<'n>(&mut self, node: &'n Node, what: &str) -> Option<Section<'n>> {
        let Value::Mapping(entries) = &node.value else {
            return self.refuse(
                node,
                what,
                "a mapping",
                "write `key: value` lines below it, two spaces deeper",
            );
        };
        let (place, length, what) = (node.place, node.length, what.to_owned());
        Some(Section { entries, place, length, what })
    }

    /// Takes a node for a mapping with none but the `known` keys.
    pub fn section<'n>(&mut self, node: &'n Node, what: &str, known: &[&'static str]) -> Option<Section<'n>> {
        let section = self.names(node, what)?;
        for Entry { key, .. } in section.entries {
            if known.contains(&key.value.as_str()) {
                continue;
            }
            let absent = known.iter().copied().filter(|known| section.get(known).is_none());
            let meant = nearest(&key.value, absent);
            let hint = match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known keys: {}", known.join(", ")),
            };
            self.unknown.insert(key.place);
            self.missing.extend(meant.map(|meant| (section.place, meant.to_owned())));
            let message = format!("unknown key `{}` in {what}", shortened(&key.value));
            self.report(key.place, key.value.chars().count(), message, Some(hint));
        }
        Some(section)
    }

    /// The value of a key that must be there.
    pub fn required<'n>(&mut self, section: &Section<'n>, key: &'static str) -> Option<&'n Node> {
        let node = section.get(key);
        if node.is_none() && self.missing.insert((section.place, key.to_owned())) {
            let message = format!("missing key `{key}` in {}", section.what);
            self.report(section.place, section.length, message, Some(format!("add `{key}:` to it")));
        }
        node
    }

    /// What `read` makes of the value of a key that must be there.
    pub fn needed<'n, T>(
        &mut self,
        section: &Section<'n>,
        key: &'static str,
        read: impl FnOnce(&mut Self, &'n Node, &str) -> Option<T>,
    ) -> Option<Placed<T>> {
        let node = self.required(section, key)?;
        read(self, node, &section.key(key)).map(|value| Placed::new(value, node.place))
    }

    /// What `read` makes of the value of a key that may be left out, which means `default`.
    pub fn optional<'n, T>(
        &mut self,
        section: &Section<'n>,
        key: &str,
        default: T,
        read: impl FnOnce(&mut Self, &'n Node, &str) -> Option<T>,
    ) -> Option<Placed<T>> {
        let Some(node) = section.get(key) else {
            return Some(Placed::new(default, section.place));
        };
        read(self, node, &section.key(key)).map(|value| Placed::new(value, node.place))
    }

    /// `true` or `false`, nothing else: what `yes`, `on` and `"true"` mean depends on the reader's YAML version.
    pub fn truth(&mut self, node: &Node, what: &str) -> Option<bool> {
        const WANTED: &str = "`true` or `false`";
        let (text, plain) = self.scalar(node, what, WANTED)?;
        let hint = match text.to_ascii_lowercase().as_str() {
            "true" if plain => return Some(true),
            "false" if plain => return Some(false),
            "yes" | "on" | "y" | "true" | "1" => "write `true`, without quotes",
            "no" | "off" | "n" | "false" | "0" => "write `false`, without quotes",
            _ => "write `true` or `false`",
        };
        self.refuse(node, what, WANTED, hint)
    }

    /// One line of text that is not empty.
    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        let (text, _) = self.scalar(node, what, "text")?;
        if text.trim().is_empty() || text.chars().any(char::is_control) || node.is_nothing() {
            return self.refuse(node, what, "text", "write one line of text");
        }
        Some(text)
    }

    /// A word that checks itself.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, node: &Node, what: &str) -> Option<T> {
        let text = self.text(node, what)?;
        text.parse()
            .map_err(|error| self.report(node.place, node.length, format!("{what}: {error}"), None))
            .ok()
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, node: &Node, what: &str, choices: &[(&str, T)]) -> Option<T> {
        let words = choices.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
        let (text, _) = self.scalar(node, what, &words)?;
        match choices.iter().find(|(word, _)| *word == text) {
            Some((_, choice)) => Some(*choice),
            None => self.refuse(node, what, &words, &format!("write {words}")),
        }
    }

    /// A whole number from 1 to 100.
    pub fn count(&mut self, node: &Node, what: &str) -> Option<usize> {
        let count = self.whole(node, what, 1, 100)?;
        Some(usize::try_from(count).expect("100 fits"))
    }

    /// A whole number within bounds.
    pub fn whole(&mut self, node: &Node, what: &str, least: u64, most: u64) -> Option<u64> {
        let wanted = format!("a whole number from {least} to {most}");
        let (text, plain) = self.scalar(node, what, &wanted)?;
        let is_number = plain && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse().ok().filter(|number| is_number && (least..=most).contains(number)) {
            Some(number) => Some(number),
            None => self.refuse(node, what, &wanted, &format!("write a number such as `{least}`")),
        }
    }

    /// A length of time with its unit, from one second to a day.
    pub fn duration(&mut self, node: &Node, what: &str) -> Option<Duration> {
        const WANTED: &str = "a duration from one second to 24 hours";
        let (text, _) = self.scalar(node, what, WANTED)?;
        let in_range = |duration: &Duration| (1..=24 * 3600).contains(&duration.as_secs());
        if let Some(duration) = duration(text).filter(in_range) {
            return Some(duration);
        }
        match text.parse::<u32>() {
            Ok(number) if number > 0 => {
                self.refuse(node, what, WANTED, &format!("give it a unit: `{number}s` or `{number}m`"))
            }
            _ => self.refuse(node, what, WANTED, "write it as `300s`, `10m` or `1h30m`"),
        }
    }

    /// A list of at most `most` entries; `None` if `read` refuses any of them.
    pub fn list<'n, T>(
        &mut self,
        node: &'n Node,
        what: &str,
        most: usize,
        mut read: impl FnMut(&mut Self, &'n Node, &str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::List(items) = &node.value else {
            return self.refuse(node, what, "a list", "write `[one, two]`, or one `- entry` line each");
        };
        if items.len() > most {
            let message = format!("{what} has {} entries, at most {most} are read", items.len());
            self.report(node.place, node.length, message, Some("shorten the list".to_owned()));
            return None;
        }
        // Collected twice so that the first refused entry does not hide the others.
        let entries: Vec<Option<T>> = items.iter().map(|item| read(self, item, what)).collect();
        entries.into_iter().collect()
    }

    /// The text of one value, and whether it is written without quotes.
    pub fn scalar<'n>(&mut self, node: &'n Node, what: &str, wanted: &str) -> Option<(&'n str, bool)> {
        match &node.value {
            Value::Scalar { text, plain } => Some((text, *plain)),
            Value::List(_) | Value::Mapping(_) => {
                self.refuse(node, what, wanted, "write one value after the colon")
            }
        }
    }
}

/// Reads `300s`, `10m`, `1h30m`: hours, minutes, seconds, each at most once and in this order.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds: u64 = 0;
    for (unit, size) in [('h', 3600), ('m', 60), ('s', 1)] {
        if let Some((number, behind)) = rest.split_once(unit) {
            let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            let number: u32 = number.parse().ok().filter(|_| is_number)?;
            seconds += u64::from(number) * size;
            rest = behind;
        }
    }
    (rest.is_empty() && !text.is_empty()).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_their_units() {
        for (text, seconds) in [("300s", 300), ("10m", 600), ("1h", 3600), ("1h30m", 5400), ("1h5s", 3605)] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "300", "s", "1.5h", "-1s", "+1s", "1m1h", "1s1s", "10 m", "99999999999s", "1h30"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
