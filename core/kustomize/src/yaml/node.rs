//! The tree that transformations work on.

use super::resolve::{Dialect, Implicit, resolve};

/// The text of a scalar: short ones live inside the value, long ones are shared.
pub(crate) type Text = smol_str::SmolStr;

/// What a scalar is said to be: by its tag in the source, or by the reader that resolved it.
///
/// `None` is a scalar that a transformation wrote without saying; the output resolves it from its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tag {
    #[default]
    None,
    Null,
    Bool,
    Int,
    Float,
    String,
    Timestamp,
    Binary,
    Merge,
    Other(Box<str>),
}

/// How a scalar was written. Replacing a value keeps the style of the old one, as kyaml does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Style {
    #[default]
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
    Folded,
}

/// A leaf of the tree, and every key of a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub(crate) text: Text,
    pub(crate) tag: Tag,
    pub(crate) style: Style,
    /// The tag stood in the source (`!!int "5"`), so it is binding.
    pub(crate) explicit: bool,
    /// 1-based line in the source file, 0 for what a transformation made.
    pub(crate) line: u32,
}

/// One `key: value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: Scalar,
    pub(crate) value: Node,
}

/// A mapping in source order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Map {
    pub(crate) entries: Vec<Entry>,
}

/// A value: scalar, mapping or list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Scalar(Scalar),
    Map(Map),
    List(Vec<Node>),
}

impl Scalar {
    /// A scalar whose type follows from its text when it is printed.
    pub(crate) fn untagged(text: impl Into<Text>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A string, whatever its text looks like.
    pub(crate) fn string(text: impl Into<Text>) -> Self {
        Self { text: text.into(), tag: Tag::String, ..Self::default() }
    }

    pub(crate) fn null() -> Self {
        Self { text: Text::new_static("null"), tag: Tag::Null, ..Self::default() }
    }

    /// True for scalars that hold a string or do not say.
    pub(crate) fn is_stringlike(&self) -> bool {
        matches!(self.tag, Tag::String | Tag::None)
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.style == Style::Plain
    }

    /// Takes over text and tag of `new`, keeping the style, like kyaml's field setter.
    pub(crate) fn replace(&mut self, new: Scalar) {
        let style = self.style;
        *self = new;
        self.style = style;
    }
}

impl Map {
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|entry| entry.key.text == key).map(|entry| &entry.value)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|entry| entry.key.text == key).map(|entry| &mut entry.value)
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<Node> {
        self.remove_entry(key).map(|entry| entry.value)
    }

    pub(crate) fn remove_entry(&mut self, key: &str) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.key.text == key)?;
        Some(self.entries.remove(at))
    }

    /// Appends without looking for an entry of that name.
    pub(crate) fn push(&mut self, key: Scalar, value: Node) {
        self.entries.push(Entry { key, value });
    }

    /// Sets `key`; an existing scalar keeps its style.
    ///
    /// A plain string that YAML 1.1 would read as something else is quoted, so that a later change of its text
    /// leaves it a string.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<Node>) {
        let mut value = value.into();
        if let Node::Scalar(scalar) = &mut value
            && scalar.tag == Tag::String
            && scalar.is_plain()
            && resolve(&scalar.text, Dialect::V2) != Implicit::String
        {
            scalar.style = Style::DoubleQuoted;
        }
        match self.get_mut(key) {
            Some(existing) => existing.overwrite(value),
            None => self.push(Scalar::untagged(key), value),
        }
    }

    /// The entry named `key`, made with `make` if it is missing.
    pub(crate) fn get_or_insert(&mut self, key: &str, make: impl FnOnce() -> Node) -> &mut Node {
        let at = if let Some(at) = self.entries.iter().position(|entry| entry.key.text == key) {
            at
        } else {
            self.push(Scalar::untagged(key), make());
            self.entries.len() - 1
        };
        &mut self.entries[at].value
    }
}

impl From<Scalar> for Node {
    fn from(scalar: Scalar) -> Self {
        Self::Scalar(scalar)
    }
}

impl From<Map> for Node {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl Node {
    pub(crate) fn empty_map() -> Self {
        Self::Map(Map::default())
    }

    pub(crate) fn as_map(&self) -> Option<&Map> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    pub(crate) fn as_map_mut(&mut self) -> Option<&mut Map> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    pub(crate) fn as_scalar(&self) -> Option<&Scalar> {
        if let Self::Scalar(scalar) = self { Some(scalar) } else { None }
    }

    pub(crate) fn as_list(&self) -> Option<&[Node]> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// The child named `key`; nothing for scalars and lists.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.as_map_mut()?.get_mut(key)
    }

    /// Follows `keys` down through maps.
    pub(crate) fn at(&self, keys: &[&str]) -> Option<&Node> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text of a scalar; empty for maps and lists, as go-yaml's nodes have it.
    pub(crate) fn text(&self) -> &str {
        self.as_scalar().map_or("", |scalar| scalar.text.as_str())
    }

    pub(crate) fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(|scalar| scalar.tag == Tag::Null)
    }

    /// Null, `{}` or `[]`.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Scalar(scalar) => scalar.tag == Tag::Null,
            Self::Map(map) => map.entries.is_empty(),
            Self::List(list) => list.is_empty(),
        }
    }

    /// Takes over `new`; a scalar that replaces a scalar keeps the old style.
    pub(crate) fn overwrite(&mut self, new: Node) {
        match (self, new) {
            (Self::Scalar(old), Self::Scalar(new)) => old.replace(new),
            (place, new) => *place = new,
        }
    }

    /// The word for error messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Scalar(scalar) => match scalar.tag {
                Tag::Null => "null",
                Tag::Bool => "a boolean",
                Tag::Int | Tag::Float => "a number",
                _ => "a string",
            },
            Self::Map(_) => "a map",
            Self::List(_) => "a list",
        }
    }

    /// The first line that belongs to this node, 0 if it did not come from a file.
    pub(crate) fn line(&self) -> u32 {
        match self {
            Self::Scalar(scalar) => scalar.line,
            Self::Map(map) => map.entries.first().map_or(0, |entry| entry.key.line),
            Self::List(list) => list.first().map_or(0, Node::line),
        }
    }
}
