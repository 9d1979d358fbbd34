//! Reading the values of the file as hetzner-k3s does, which takes more spellings than windlass' own files allow.

use std::net::IpAddr;

use ipnet::IpNet;
use windlass_core::document::section::{Reader, Section};
use windlass_core::document::{Node, Value};
use windlass_core::policy::problem::{Problem, Problems};

use super::block::{Block as _, Presence, Table};
use super::{ClusterConfig, ClusterFile, Places, Secret, rules};

/// More entries than any list of the file can use.
const MOST_ENTRIES: usize = 1_000;

/// What was read, or nothing after a problem was recorded.
type Answer<T> = Option<T>;

/// What reads the file and collects its problems.
pub(super) struct Scan<'a> {
    reader: Reader<'a>,
}

pub(super) fn file(file: &str, text: &str) -> Result<ClusterFile, Problems> {
    read(file, text, rules::check)
}

/// Reads each key for itself.
#[cfg(test)]
pub(super) fn without_rules(file: &str, text: &str) -> Result<ClusterConfig, Problems> {
    read(file, text, |_, _, _| ()).map(|file| file.config)
}

fn read(
    file: &str,
    text: &str,
    rules: fn(&mut Scan<'_>, &ClusterConfig, &Places),
) -> Result<ClusterFile, Problems> {
    let (reader, root) = Reader::open(file, text);
    let mut scan = Scan { reader };
    let read = root.and_then(|root| {
        let places = Places::of(&root);
        let config = ClusterConfig::read(&mut scan, &root, "the file")?;
        rules(&mut scan, &config, &places);
        Some(ClusterFile { config, places })
    });
    scan.reader
        .close(read)
        .map_err(|problems| Problems(problems.0.into_iter().map(without_credentials).collect()))
}

/// Beginnings of words beside which a credential may stand, misspelled ones among them.
const NEAR_CREDENTIALS: [&str; 8] = ["tok", "secr", "pass", "key", "endpoint", "auth", "cred", "robot"];

/// A problem shows the line that it speaks of, and goes to terminals and logs: what stands behind the place is cut off, and nothing is shown of a line
/// that may hold a credential before it.
fn without_credentials(mut problem: Problem) -> Problem {
    let shown: String = problem.excerpt.chars().take(problem.place.column - 1 + problem.length).collect();
    let before: String =
        shown.chars().take(problem.place.column - 1).collect::<String>().to_ascii_lowercase();
    let may_hold_one = NEAR_CREDENTIALS.iter().any(|word| before.contains(word));
    problem.excerpt = if may_hold_one { String::new() } else { shown };
    problem
}

impl Scan<'_> {
    /// Takes a node for a mapping with none but the keys of a table.
    pub(super) fn section<'n>(&mut self, node: &'n Node, what: &str, table: &Table) -> Option<Section<'n>> {
        let known: Vec<_> = table.keys().map(|key| key.name).collect();
        self.reader.section(node, what, &known)
    }

    /// What `read` makes of a key's value, or of its default where nothing is written: hetzner-k3s takes `key:` for a key that is left out.
    pub(super) fn field<T>(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
        presence: &Presence,
        read: impl FnOnce(&mut Self, &Node, &str) -> Option<T>,
    ) -> Option<T> {
        let what = match section.what.strip_suffix('`') {
            Some(block) => format!("{block}.{key}`"),
            None => format!("`{key}`"),
        };
        match (section.get(key).filter(|node| !node.is_nothing()), presence.default()) {
            (Some(node), _) => read(self, node, &what),
            (None, None) => {
                let node = self.reader.required(section, key)?;
                read(self, node, &what)
            }
            (None, Some(default)) => {
                // Inside a list, so that nothing at all is a value too.
                let text = format!("[{default}]");
                let (_, root) = Reader::open("default", &text);
                let root = root.expect("defaults are YAML");
                let Value::List(values) = &root.value else { unreachable!("it is written as a list") };
                read(self, values.first().unwrap_or(&root), &what)
            }
        }
    }

    /// Records that a value is not what its key asks for.
    pub(super) fn refuse<T>(&mut self, node: &Node, what: &str, wanted: &str, hint: &str) -> Option<T> {
        self.reader.refuse(node, what, wanted, hint)
    }

    /// Records that a value does not go with others.
    pub(super) fn object(&mut self, places: &Places, path: &str, message: String, hint: impl Into<String>) {
        let (place, length) = places.span(path);
        self.reader.report(place, length, message, Some(hint.into()));
    }

    /// A truth, in any of YAML 1.1's words: hetzner-k3s takes them all.
    pub(super) fn truth(&mut self, node: &Node, what: &str) -> Option<bool> {
        let Value::Scalar { text, plain: true } = &node.value else { return self.reader.truth(node, what) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => self.reader.truth(node, what),
        }
    }

    /// One line of text.
    pub(super) fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        self.reader.text(node, what).map(str::to_owned)
    }

    /// One line of text, which may be empty: hetzner-k3s writes "" where it means nothing.
    pub(super) fn maybe_text(&mut self, node: &Node, what: &str) -> Answer<Option<String>> {
        match &node.value {
            Value::Scalar { text, .. } if text.is_empty() || node.is_nothing() => Some(None),
            _ => self.text(node, what).map(Some),
        }
    }

    /// A command or argument: any text that holds something, also of several lines.
    pub(super) fn command(&mut self, node: &Node, what: &str) -> Option<String> {
        match self.reader.scalar(node, what, "text")? {
            (text, _) if text.trim().is_empty() => {
                self.refuse(node, what, "text", "write it, or take the entry out")
            }
            (text, _) => Some(text.to_owned()),
        }
    }

    /// A credential. A problem with it never shows it.
    pub(super) fn secret(&mut self, node: &Node, what: &str) -> Answer<Option<Secret>> {
        match &node.value {
            Value::Scalar { text, .. } if text.is_empty() || node.is_nothing() => Some(None),
            Value::Scalar { text, .. } => Some(Some(Secret::new(text.as_str()))),
            _ => self.refuse(node, what, "text", "write one value after the colon"),
        }
    }

    /// A word that checks itself.
    pub(super) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        node: &Node,
        what: &str,
    ) -> Option<T> {
        self.reader.parsed(node, what)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, node: &Node, what: &str, choices: &[(&str, T)]) -> Option<T> {
        self.reader.choice(node, what, choices)
    }

    /// A port.
    pub(super) fn port(&mut self, node: &Node, what: &str) -> Option<u16> {
        let port = self.reader.whole(node, what, 1, u64::from(u16::MAX))?;
        Some(u16::try_from(port).expect("bounded"))
    }

    /// A network, its host bits cleared: the API refuses others, hetzner-k3s sends them.
    pub(super) fn network(&mut self, node: &Node, what: &str) -> Option<IpNet> {
        const WANTED: &str = "a network";
        let (text, _) = self.reader.scalar(node, what, WANTED)?;
        match (text.trim().parse::<IpNet>(), text.trim().parse::<IpAddr>()) {
            (Ok(network), _) => Some(network.trunc()),
            (_, Ok(address)) => self.refuse(
                node,
                what,
                WANTED,
                &format!("write `{}` for this one address", IpNet::from(address)),
            ),
            _ => self.refuse(node, what, WANTED, "write it as `10.0.0.0/16`"),
        }
    }

    /// An address.
    pub(super) fn address(&mut self, node: &Node, what: &str) -> Option<IpAddr> {
        let (text, _) = self.reader.scalar(node, what, "an address")?;
        match text.parse() {
            Ok(address) => Some(address),
            Err(_) => self.refuse(node, what, "an address", "write it as `10.43.0.10`"),
        }
    }

    fn items<'n, T>(
        &mut self,
        node: &'n Node,
        what: &str,
        read: impl Fn(&mut Self, &'n Node, &str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::List(items) = &node.value else {
            return self.refuse(node, what, "a list", "write `[one, two]`, or one `- entry` line each");
        };
        if items.len() > MOST_ENTRIES {
            return self.refuse(
                node,
                what,
                &format!("a list of at most {MOST_ENTRIES} entries"),
                "shorten the list",
            );
        }
        let name = what.trim_end_matches('`');
        let read = |(at, item)| read(self, item, &format!("{name}[{at}]`"));
        // Collected twice so that the first refused entry does not hide the others.
        let entries: Vec<Option<T>> = items.iter().enumerate().map(read).collect();
        entries.into_iter().collect()
    }
}

/// How one value is read.
type Read<'a, T> = fn(&mut Scan<'a>, &Node, &str) -> Option<T>;

/// Reads a list.
pub(super) fn list<'a, T>(read: Read<'a, T>) -> impl FnOnce(&mut Scan<'a>, &Node, &str) -> Option<Vec<T>> {
    move |scan, node, what| scan.items(node, what, read)
}

/// Reads a value that may be missing.
pub(super) fn maybe<'a, T>(
    read: impl FnOnce(&mut Scan<'a>, &Node, &str) -> Option<T>,
) -> impl FnOnce(&mut Scan<'a>, &Node, &str) -> Answer<Option<T>> {
    move |scan, node, what| if node.is_nothing() { Some(None) } else { read(scan, node, what).map(Some) }
}

/// Reads a whole number within bounds.
pub(super) fn whole<'a>(least: u32, most: u32) -> impl FnOnce(&mut Scan<'a>, &Node, &str) -> Option<u32> {
    move |scan, node, what| {
        let number = scan.reader.whole(node, what, u64::from(least), u64::from(most))?;
        Some(u32::try_from(number).expect("bounded"))
    }
}
