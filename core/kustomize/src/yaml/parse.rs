//! Text to trees, bounded against hostile input.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle, StrInput, StructureStyle, Tag as SourceTag};

use super::node::{Entry, Map, Node, Scalar, Style, Tag, Text};
use super::resolve::{Dialect, Implicit, resolve};

/// What a document may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of one document.
    pub(crate) bytes: usize,
    /// Levels of nesting. Schemas of custom resources reach about 60.
    pub(crate) depth: usize,
    /// Nodes of one document, aliases counted as often as they are used.
    pub(crate) nodes: usize,
    /// Bytes of text that aliases may add to one document.
    pub(crate) alias_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 8 << 20, depth: 200, nodes: 2_000_000, alias_bytes: 16 << 20 }
    }
}

/// What a repeated key in a map means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duplicates {
    /// An error, as for resources.
    Refused,
    /// The last one counts, as for kustomization files.
    LastWins,
}

/// Why a text is not a document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum YamlProblem {
    /// Not well-formed.
    #[error("the YAML is malformed: {}", .0.info())]
    Malformed(granit_parser::ScanError),
    /// A document exceeds one of the bounds that keep hostile input cheap.
    #[error("the document has more than {limit} {unit}")]
    TooLarge {
        /// The bound.
        limit: usize,
        /// What is counted.
        unit: &'static str,
    },
    /// An alias inside the value that its anchor names.
    #[error("an alias refers to the value it is part of")]
    Recursive,
    /// A map or list as the key of a map.
    #[error("a map key must be a scalar, found {found}")]
    ComplexKey {
        /// What was there.
        found: &'static str,
    },
    /// The same key twice.
    #[error("the key `{key}` is already defined in line {first}")]
    Duplicate {
        /// The key.
        key: String,
        /// Where it was defined first.
        first: u32,
    },
    /// `<<` with something other than a map or a list of maps.
    #[error("a merge key (`<<`) needs a map or a list of maps")]
    Merge,
    /// Text after `---` that is no comment.
    #[error("nothing but a comment may follow the document separator `---`")]
    Separator,
    /// A control character, which YAML does not allow.
    #[error("the control character U+{code:04X} is not allowed")]
    Control {
        /// Its code point.
        code: u32,
    },
}

impl YamlProblem {
    /// The 1-based column of a problem that the parser has found.
    pub(crate) fn column(&self) -> Option<u32> {
        match self {
            Self::Malformed(error) => u32::try_from(error.marker().col() + 1).ok(),
            _ => None,
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Malformed(_) => {
                "mend the line or one before it: most often an indentation, a tab, or a missing quote or bracket"
            }
            Self::TooLarge { .. } => "split it into several files",
            Self::Recursive => "write the value out in place of the alias",
            Self::ComplexKey { .. } => "write a name before the colon",
            Self::Duplicate { .. } => "keep one of the two",
            Self::Merge => "name an anchor of a map: `<<: *anchor`",
            Self::Separator => "put the text on a line of its own",
            Self::Control { .. } => "take the character out; most editors do not show it",
        }
    }
}

/// A problem and its line.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) problem: YamlProblem,
    pub(crate) line: u32,
}

/// Reads a file of resources: documents between lines that start with `---`, each read on its own.
///
/// Documents without content are left out. Windows line ends count as plain ones.
pub(crate) fn parse_documents(text: &str, limits: Limits) -> Result<Vec<Node>, Located> {
    let unix: Cow<'_, str> =
        if text.contains("\r\n") { text.replace("\r\n", "\n").into() } else { text.into() };
    let mut documents = Vec::new();
    for (document, first_line) in split_documents(&unix)? {
        let node = parse_document(document, first_line, Dialect::V3, Duplicates::Refused, limits)?;
        documents.extend(node.filter(|node| !node.is_null()));
    }
    Ok(documents)
}

/// The first line of the first document on which a scalar is just this text.
pub(crate) fn line_of(text: &str, wanted: &str) -> Option<u32> {
    let document = parse_document(text, 1, Dialect::V2, Duplicates::LastWins, Limits::default()).ok()??;
    line_in(&document, wanted)
}

fn line_in(node: &Node, wanted: &str) -> Option<u32> {
    match node {
        Node::Scalar(scalar) => (scalar.text == wanted).then_some(scalar.line),
        Node::Map(map) => map.entries.iter().find_map(|entry| line_in(&entry.value, wanted)),
        Node::List(items) => items.iter().find_map(|item| line_in(item, wanted)),
    }
}

fn split_documents(text: &str) -> Result<Vec<(&str, u32)>, Located> {
    let mut documents = Vec::new();
    let (mut start, mut start_line, mut from, mut line) = (0, 1, 0, 1);
    while let Some(found) = text[from..].find("\n---") {
        let at = from + found;
        line += count_lines(&text[from..=at]);
        let after = at + "\n---".len();
        let Some(length) = text[after..].find('\n') else { break };
        let trailing = text[after..after + length].trim();
        if !trailing.is_empty() && !trailing.starts_with('#') {
            return Err(Located { problem: YamlProblem::Separator, line });
        }
        documents.push((&text[start..=at], start_line));
        start = after + length + 1;
        from = start;
        line += 1;
        start_line = line;
    }
    documents.push((&text[start..], start_line));
    Ok(documents)
}

fn count_lines(text: &str) -> u32 {
    u32::try_from(text.bytes().filter(|&byte| byte == b'\n').count()).unwrap_or(u32::MAX)
}

/// Reads the first document of `text`; nothing if there is none.
pub(crate) fn parse_document(
    text: &str,
    first_line: u32,
    dialect: Dialect,
    duplicates: Duplicates,
    limits: Limits,
) -> Result<Option<Node>, Located> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > limits.bytes {
        let problem = YamlProblem::TooLarge { limit: limits.bytes, unit: "bytes" };
        return Err(Located { problem, line: first_line });
    }
    refuse_control_characters(text, first_line)?;
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: limits.depth,
        block_nesting_limit: limits.depth,
    };
    let mut builder = Builder {
        events: Parser::new_from_str_with_options(text, options),
        first_line,
        dialect,
        duplicates,
        limits,
        anchors: HashMap::new(),
        nodes: 0,
        alias_bytes: 0,
        flow: 0,
    };
    builder.document()
}

fn refuse_control_characters(text: &str, first_line: u32) -> Result<(), Located> {
    let suspicious =
        |byte: u8| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0x7f || byte == 0xc2;
    if !text.bytes().any(suspicious) {
        return Ok(());
    }
    let refused = |character: char| matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}');
    match text.char_indices().find(|&(_, character)| refused(character)) {
        Some((at, character)) => Err(Located {
            problem: YamlProblem::Control { code: u32::from(character) },
            line: first_line + count_lines(&text[..at]),
        }),
        None => Ok(()),
    }
}

struct Builder<'input> {
    events: Parser<'input, StrInput<'input>>,
    first_line: u32,
    dialect: Dialect,
    duplicates: Duplicates,
    limits: Limits,
    /// Finished anchors by id.
    anchors: HashMap<usize, Node>,
    nodes: usize,
    alias_bytes: usize,
    /// Levels of `[]` and `{}` around the current node.
    flow: usize,
}

impl<'input> Builder<'input> {
    fn document(&mut self) -> Result<Option<Node>, Located> {
        loop {
            match self.next()? {
                Some((Event::DocumentStart(..) | Event::StreamStart, _)) => {}
                Some((Event::StreamEnd | Event::DocumentEnd, _)) | None => return Ok(None),
                Some((event, line)) => return self.node(event, line, 0).map(Some),
            }
        }
    }

    fn next(&mut self) -> Result<Option<(Event<'input>, u32)>, Located> {
        match self.events.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                let line = self.line(span.start.line());
                // The parser writes a missing value as `~`; go-yaml leaves it empty, and a merge tells them apart.
                let is_missing = span.start.index() == span.end.index();
                match event {
                    Event::Scalar(text, ScalarStyle::Plain, anchor, tag) if is_missing && text == "~" => {
                        Ok(Some((Event::Scalar(Cow::Borrowed(""), ScalarStyle::Plain, anchor, tag), line)))
                    }
                    event => Ok(Some((event, line))),
                }
            }
            Some(Err(error)) => {
                let line = self.line(error.marker().line());
                Err(Located { problem: YamlProblem::Malformed(error), line })
            }
        }
    }

    fn line(&self, line_in_document: usize) -> u32 {
        u32::try_from(line_in_document).unwrap_or(u32::MAX).saturating_sub(1).saturating_add(self.first_line)
    }

    fn node(&mut self, event: Event<'input>, line: u32, depth: usize) -> Result<Node, Located> {
        let fail = |problem| Err(Located { problem, line });
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return fail(YamlProblem::TooLarge { limit: self.limits.nodes, unit: "nodes" });
        }
        if depth > self.limits.depth {
            return fail(YamlProblem::TooLarge { limit: self.limits.depth, unit: "levels of nesting" });
        }
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, Node::Scalar(self.scalar(text, style, tag.as_deref(), line)))
            }
            Event::SequenceStart(style, anchor, _) => {
                (anchor, self.within(style, |builder| builder.list(depth))?)
            }
            Event::MappingStart(style, anchor, _) => {
                (anchor, self.within(style, |builder| builder.map(depth))?)
            }
            Event::Alias(id) => return self.alias(id, line),
            _ => return fail(YamlProblem::Recursive),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn within<T>(&mut self, style: StructureStyle, read: impl FnOnce(&mut Self) -> T) -> T {
        let flow = usize::from(style == StructureStyle::Flow);
        self.flow += flow;
        let read = read(self);
        self.flow -= flow;
        read
    }

    /// The value of an anchor, charged as if it had been written out.
    fn alias(&mut self, id: usize, line: u32) -> Result<Node, Located> {
        let Some(node) = self.anchors.get(&id).cloned() else {
            return Err(Located { problem: YamlProblem::Recursive, line });
        };
        let (nodes, bytes) = cost(&node);
        self.nodes += nodes;
        self.alias_bytes += bytes;
        let exceeded = if self.nodes > self.limits.nodes {
            YamlProblem::TooLarge { limit: self.limits.nodes, unit: "nodes" }
        } else if self.alias_bytes > self.limits.alias_bytes {
            YamlProblem::TooLarge { limit: self.limits.alias_bytes, unit: "bytes from aliases" }
        } else {
            return Ok(node);
        };
        Err(Located { problem: exceeded, line })
    }

    fn scalar(
        &self,
        text: Cow<'input, str>,
        style: ScalarStyle,
        tag: Option<&SourceTag>,
        line: u32,
    ) -> Scalar {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::SingleQuoted,
            ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
        };
        let explicit = tag.and_then(explicit_tag);
        let is_explicit = explicit.is_some();
        let tag = explicit.unwrap_or_else(|| match style {
            Style::Plain if text == "<<" => Tag::Merge,
            // Kustomize prints what it has read before it asks for its meaning, and quotes a colon in `[]` or `{}`.
            Style::Plain if self.flow > 0 && text.contains(':') => Tag::String,
            Style::Plain => implicit_tag(&text, self.dialect),
            _ => Tag::String,
        });
        Scalar { text: Text::from(text), tag, style, explicit: is_explicit, line }
    }

    fn list(&mut self, depth: usize) -> Result<Node, Located> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                Some((Event::SequenceEnd, _)) | None => return Ok(Node::List(list)),
                Some((event, line)) => list.push(self.node(event, line, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Node, Located> {
        let mut map = Map::default();
        let mut merges = Vec::new();
        loop {
            let (event, line) = match self.next()? {
                Some((Event::MappingEnd, _)) | None => break,
                Some(next) => next,
            };
            let key = match self.node(event, line, depth + 1)? {
                Node::Scalar(key) => key,
                other => {
                    return Err(Located { problem: YamlProblem::ComplexKey { found: other.kind() }, line });
                }
            };
            let Some((event, line)) = self.next()? else { break };
            let value = self.node(event, line, depth + 1)?;
            if key.tag == Tag::Merge {
                merges.push((value, line));
            } else if key.text == "<<" && self.dialect == Dialect::V3 {
                // Kustomize drops this key by its name, quoted or not, once it has merged.
            } else {
                map.entries.push(Entry { key, value });
            }
        }
        self.settle_duplicates(&mut map)?;
        for (value, line) in merges {
            merge_into(&mut map, value).map_err(|problem| Located { problem, line })?;
        }
        Ok(Node::Map(map))
    }

    fn settle_duplicates(&self, map: &mut Map) -> Result<(), Located> {
        while let Some((first, second)) = find_duplicate(map) {
            if self.duplicates == Duplicates::LastWins {
                map.entries.remove(first);
                continue;
            }
            let (first, second) = (&map.entries[first].key, &map.entries[second].key);
            let problem = YamlProblem::Duplicate { key: second.text.to_string(), first: first.line };
            return Err(Located { problem, line: second.line });
        }
        Ok(())
    }
}

/// Positions of two entries with the same key.
fn find_duplicate(map: &Map) -> Option<(usize, usize)> {
    const SMALL: usize = 12;
    let entries = &map.entries;
    let position =
        |key: &Text, before: usize| entries[..before].iter().position(|entry| entry.key.text == *key);
    if entries.len() <= SMALL {
        return (1..entries.len()).find_map(|at| Some((position(&entries[at].key.text, at)?, at)));
    }
    let mut seen = HashSet::with_capacity(entries.len());
    let second = entries.iter().position(|entry| !seen.insert(entry.key.text.as_str()))?;
    Some((position(&entries[second].key.text, second)?, second))
}

/// Merges `<<`: own keys win over merged ones, earlier maps of a list over later ones.
fn merge_into(map: &mut Map, value: Node) -> Result<(), YamlProblem> {
    match value {
        Node::Map(source) => {
            for entry in source.entries {
                if !map.contains(&entry.key.text) {
                    map.entries.push(entry);
                }
            }
            Ok(())
        }
        Node::List(sources) if sources.iter().all(|source| source.as_map().is_some()) => {
            sources.into_iter().try_for_each(|source| merge_into(map, source))
        }
        _ => Err(YamlProblem::Merge),
    }
}

fn cost(node: &Node) -> (usize, usize) {
    let add =
        |(nodes, bytes): (usize, usize), (more_nodes, more_bytes)| (nodes + more_nodes, bytes + more_bytes);
    match node {
        Node::Scalar(scalar) => (1, scalar.text.len()),
        Node::List(list) => list.iter().map(cost).fold((1, 0), add),
        Node::Map(map) => map
            .entries
            .iter()
            .fold((1, 0), |sum, entry| add(add(sum, cost(&entry.value)), (1, entry.key.text.len()))),
    }
}

fn implicit_tag(text: &str, dialect: Dialect) -> Tag {
    match resolve(text, dialect) {
        Implicit::String => Tag::String,
        Implicit::Null => Tag::Null,
        Implicit::Bool(_) => Tag::Bool,
        Implicit::Int(_) | Implicit::Unsigned(_) => Tag::Int,
        Implicit::Float(_) => Tag::Float,
        // v2 hands a timestamp on as the string it was.
        Implicit::Timestamp if dialect == Dialect::V2 => Tag::String,
        Implicit::Timestamp => Tag::Timestamp,
    }
}

/// The tag a source writes; `!` alone says nothing.
fn explicit_tag(tag: &SourceTag) -> Option<Tag> {
    let Some(suffix) = tag.suffix_in_namespace("tag:yaml.org,2002:") else {
        let name = tag.original();
        return (name != "!").then(|| Tag::Other(name.into()));
    };
    Some(match &*suffix {
        "null" => Tag::Null,
        "bool" => Tag::Bool,
        "int" => Tag::Int,
        "float" => Tag::Float,
        "str" => Tag::String,
        "timestamp" => Tag::Timestamp,
        "binary" => Tag::Binary,
        "merge" => Tag::Merge,
        other => Tag::Other(other.into()),
    })
}
