//! Reads the fields of a map one by one, strictly.

use std::collections::BTreeMap;

use crate::error::{Problem, Result};
use crate::yaml::{Entry, Map, Node, Scalar, Tag, Text};

/// How much a reader forgives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Kustomization files: unknown fields and scalars of another type are errors.
    Strict,
    /// Files of `configurations`: unknown fields are errors, any scalar may stand for a string.
    Coercing,
    /// Files of transformers and generators: unknown fields are ignored, any scalar may stand for a string.
    Lenient,
}

/// The fields of one map that have not been read yet.
///
/// Names are compared without regard to case if there is no exact match, as Go's JSON reader does.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    entries: Vec<Option<&'a Entry>>,
    path: String,
    strictness: Strictness,
    line: u32,
    /// The names that were asked for: those that there are.
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The fields of `node`, which stands at `path`.
    pub(crate) fn of(node: &'a Node, path: &str, strictness: Strictness) -> Result<Self> {
        match node {
            Node::Map(Map { entries }) => Ok(Self {
                entries: entries.iter().map(Some).collect(),
                path: path.to_owned(),
                strictness,
                line: node.line(),
                known: Vec::new(),
            }),
            other => wrong_type(path, "a map", other),
        }
    }

    /// The first line of the map.
    pub(crate) fn line(&self) -> u32 {
        self.line
    }

    /// Takes the field `name`; null counts as absent.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<&'a Node> {
        self.known.push(name);
        let matching = |matches: fn(&str, &str) -> bool| {
            self.entries.iter().position(|entry| entry.is_some_and(|entry| matches(&entry.key.text, name)))
        };
        let at = matching(|key, name| key == name).or_else(|| matching(str::eq_ignore_ascii_case))?;
        let entry = self.entries[at].take().expect("it was found just now");
        Some(&entry.value).filter(|value| !value.is_null())
    }

    /// True if a field other than the named ones is set to something.
    pub(crate) fn has_content_besides(&self, names: &[&str]) -> bool {
        let empty_text = |node: &Node| matches!(node, Node::Scalar(scalar) if scalar.text.is_empty());
        self.entries.iter().flatten().any(|entry| {
            !names.contains(&entry.key.text.as_str()) && !entry.value.is_null() && !empty_text(&entry.value)
        })
    }

    /// A string, empty if absent.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Text> {
        Ok(self.optional_text(name)?.unwrap_or_default())
    }

    pub(crate) fn optional_text(&mut self, name: &'static str) -> Result<Option<Text>> {
        let path = self.join(name);
        self.take(name).map(|node| self.read_text(node, &path)).transpose()
    }

    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool> {
        let path = self.join(name);
        match self.take(name) {
            None => Ok(false),
            Some(Node::Scalar(Scalar { tag: Tag::Bool, text, .. })) => {
                Ok(text.starts_with(['t', 'T', 'y', 'Y']) || text.eq_ignore_ascii_case("on"))
            }
            Some(other) => wrong_type(&path, "a boolean", other),
        }
    }

    pub(crate) fn integer(&mut self, name: &'static str) -> Result<Option<i64>> {
        let path = self.join(name);
        let Some(node) = self.take(name) else { return Ok(None) };
        match node {
            Node::Scalar(scalar) if scalar.tag == Tag::Int => {
                match crate::yaml::resolve(&scalar.text, crate::yaml::Dialect::V2) {
                    crate::yaml::Implicit::Int(int) => Ok(Some(int)),
                    _ => wrong_type(&path, "an integer", node),
                }
            }
            other => wrong_type(&path, "an integer", other),
        }
    }

    pub(crate) fn texts(&mut self, name: &'static str) -> Result<Vec<Text>> {
        let path = self.join(name);
        let items = self.items(name)?;
        items.iter().enumerate().map(|(at, item)| self.read_text(item, &format!("{path}[{at}]"))).collect()
    }

    /// A map of strings; absent and empty are told apart.
    pub(crate) fn text_map(&mut self, name: &'static str) -> Result<Option<BTreeMap<Text, Text>>> {
        let path = self.join(name);
        match self.take(name) {
            None => Ok(None),
            Some(Node::Map(map)) => {
                let pair = |entry: &Entry| {
                    let text = self.read_text(&entry.value, &format!("{path}.{}", entry.key.text))?;
                    Ok((key_text(&entry.key), text))
                };
                map.entries.iter().map(pair).collect::<Result<_>>().map(Some)
            }
            Some(other) => wrong_type(&path, "a map", other),
        }
    }

    /// The fields of the map at `name`.
    pub(crate) fn nested(&mut self, name: &'static str) -> Result<Option<Fields<'a>>> {
        let path = self.join(name);
        self.take(name).map(|node| Fields::of(node, &path, self.strictness)).transpose()
    }

    /// Reads every element of the list at `name` as a map.
    pub(crate) fn list<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(Fields<'a>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let path = self.join(name);
        let items = self.items(name)?;
        let fields = |(at, item)| Fields::of(item, &format!("{path}[{at}]"), self.strictness);
        items.iter().enumerate().map(|item| read(fields(item)?)).collect()
    }

    /// The elements of the list at `name`.
    pub(crate) fn items(&mut self, name: &'static str) -> Result<&'a [Node]> {
        let path = self.join(name);
        match self.take(name) {
            None => Ok(&[]),
            Some(Node::List(items)) => Ok(items),
            Some(other) => wrong_type(&path, "a list", other),
        }
    }

    /// Ends reading: what is left is unknown.
    pub(crate) fn finish(self) -> Result<()> {
        match self.entries.iter().flatten().next() {
            Some(entry) if self.strictness != Strictness::Lenient => {
                let (field, nearest) = (self.join(&entry.key.text), nearest(&entry.key.text, &self.known));
                Problem::UnknownField { field, nearest }.at_line(entry.key.line)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn join(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn read_text(&self, node: &Node, path: &str) -> Result<Text> {
        match node {
            Node::Scalar(scalar) if scalar.tag == Tag::String => Ok(scalar.text.clone()),
            Node::Scalar(scalar) if scalar.tag == Tag::Null => Ok(Text::default()),
            Node::Scalar(scalar) if self.strictness != Strictness::Strict => Ok(key_text(scalar)),
            other => wrong_type(path, "a string", other),
        }
    }
}

/// The known name that is nearest to `word` by edits, if it is near enough to be a slip of the hand: one edit for each three letters.
fn nearest(word: &str, known: &[&'static str]) -> Option<&'static str> {
    let allowed = (word.chars().count() / 3).max(1);
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&word.to_lowercase(), &known.to_lowercase()), *known))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, known)| known)
}

/// The text a scalar has as a JSON key: booleans of YAML 1.1 become `true` and `false`.
fn key_text(scalar: &Scalar) -> Text {
    use crate::yaml::{Dialect, Implicit, resolve};
    match &scalar.tag {
        Tag::Bool => match resolve(&scalar.text, Dialect::V2) {
            Implicit::Bool(true) => Text::new_static("true"),
            _ => Text::new_static("false"),
        },
        Tag::Int => match resolve(&scalar.text, Dialect::V2) {
            Implicit::Int(int) => int.to_string().into(),
            _ => scalar.text.clone(),
        },
        _ => scalar.text.clone(),
    }
}

fn wrong_type<T>(path: &str, expected: &'static str, found: &Node) -> Result<T> {
    let field = if path.is_empty() { "the whole file".to_owned() } else { path.to_owned() };
    Problem::WrongType { field, expected, found: found.kind() }.at_line(found.line())
}
