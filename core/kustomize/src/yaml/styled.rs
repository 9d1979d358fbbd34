//! Trees to text in the layout they were read in, as go-yaml v3 writes them.
//!
//! Needed where kustomize writes YAML into a text: order, quotes and `[]` or `{}` stay, indentation does not.

use std::collections::HashSet;

use granit_parser::{Event, Parser, StructureStyle};

use super::node::{Node, Scalar, Style, Tag};
use super::resolve::{Dialect, Implicit, resolve};

/// Which maps and lists of a document were written with brackets, by their position on the way down.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    flow: HashSet<Vec<usize>>,
}

impl Layout {
    /// Reads the layout of a document; nothing if it has comments, anchors or tags, which would be lost.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let mut layout = Self::default();
        let mut path: Vec<usize> = Vec::new();
        // Nodes seen so far on each open level; in a map, keys count too.
        let mut open: Vec<(usize, bool)> = Vec::new();
        for event in Parser::new_from_str(text) {
            let (event, _) = event.ok()?;
            if event.anchor_id().is_some_and(|anchor| anchor != 0)
                || event.is_alias()
                || event.tag().is_some()
            {
                return None;
            }
            match event {
                Event::Comment(..) => return None,
                Event::DocumentEnd => break,
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop();
                    path.pop();
                }
                Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                    let position = open.last_mut().map(|(seen, is_map)| {
                        let position = if *is_map { *seen / 2 } else { *seen };
                        *seen += 1;
                        position
                    });
                    let start = match event {
                        Event::SequenceStart(style, ..) => Some((style, false)),
                        Event::MappingStart(style, ..) => Some((style, true)),
                        _ => None,
                    };
                    if let Some((style, is_map)) = start {
                        path.extend(position);
                        if style == StructureStyle::Flow {
                            layout.flow.insert(path.clone());
                        }
                        if open.is_empty() {
                            path.clear();
                        }
                        open.push((0, is_map));
                    }
                }
                _ => {}
            }
        }
        Some(layout)
    }
}

/// Writes `node` in the layout; nothing if a text of several lines would stand between brackets.
pub(crate) fn emit_styled(node: &Node, layout: &Layout) -> Option<String> {
    let mut writer = Writer { layout, out: String::new(), path: Vec::new() };
    writer.block(node, 0, true)?;
    writer.end_line();
    Some(writer.out)
}

struct Writer<'l> {
    layout: &'l Layout,
    out: String,
    path: Vec<usize>,
}

impl Writer<'_> {
    fn end_line(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    fn indent(&mut self, indent: usize) {
        self.end_line();
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    fn is_flow(&self, node: &Node) -> bool {
        match node {
            Node::Scalar(_) => true,
            Node::Map(map) if map.entries.is_empty() => true,
            Node::List(list) if list.is_empty() => true,
            _ => self.layout.flow.contains(&self.path),
        }
    }

    /// `here` says that the first entry goes on the current line.
    fn block(&mut self, node: &Node, indent: usize, here: bool) -> Option<()> {
        match node {
            Node::Map(map) if !self.is_flow(node) => {
                for (at, entry) in map.entries.iter().enumerate() {
                    if at > 0 || !here {
                        self.indent(indent);
                    }
                    self.scalar(&entry.key, indent, true)?;
                    self.out.push(':');
                    self.path.push(at);
                    let is_list = matches!(entry.value, Node::List(_));
                    if self.is_flow(&entry.value) {
                        self.out.push(' ');
                        self.flow(&entry.value, indent + 2)?;
                    } else {
                        self.block(&entry.value, if is_list { indent } else { indent + 2 }, false)?;
                    }
                    self.path.pop();
                }
            }
            Node::List(list) if !self.is_flow(node) => {
                for (at, item) in list.iter().enumerate() {
                    if at > 0 || !here {
                        self.indent(indent);
                    }
                    self.out.push_str("- ");
                    self.path.push(at);
                    if self.is_flow(item) {
                        self.flow(item, indent + 2)?;
                    } else {
                        self.block(item, indent + 2, true)?;
                    }
                    self.path.pop();
                }
            }
            node => self.flow(node, indent)?,
        }
        Some(())
    }

    fn flow(&mut self, node: &Node, indent: usize) -> Option<()> {
        match node {
            Node::Scalar(scalar) => self.scalar(scalar, indent, false),
            Node::Map(map) => {
                self.out.push('{');
                for (at, entry) in map.entries.iter().enumerate() {
                    self.out.push_str(if at > 0 { ", " } else { "" });
                    self.scalar(&entry.key, indent, true)?;
                    self.out.push_str(": ");
                    self.flow_child(&entry.value)?;
                }
                self.out.push('}');
                Some(())
            }
            Node::List(list) => {
                self.out.push('[');
                for (at, item) in list.iter().enumerate() {
                    self.out.push_str(if at > 0 { ", " } else { "" });
                    self.flow_child(item)?;
                }
                self.out.push(']');
                Some(())
            }
        }
    }

    fn flow_child(&mut self, node: &Node) -> Option<()> {
        match node {
            Node::Scalar(scalar) if scalar.text.contains('\n') => None,
            Node::Scalar(scalar)
                if scalar.is_plain() && scalar.text.contains([',', '?', '[', ']', '{', '}', ':']) =>
            {
                self.quoted(&scalar.text, '\'');
                Some(())
            }
            node => self.flow(node, 0),
        }
    }

    fn scalar(&mut self, scalar: &Scalar, indent: usize, is_key: bool) -> Option<()> {
        let text = scalar.text.as_str();
        let implicit = resolve(text, Dialect::V3);
        let ambiguous = scalar.tag == Tag::String && implicit != Implicit::String;
        if let Some(tag) = binding_tag(scalar, implicit) {
            self.out.push_str(tag);
            self.out.push(' ');
        }
        match scalar.style {
            _ if text.contains('\n') && !is_key && scalar.style != Style::DoubleQuoted => {
                self.literal(text, indent);
            }
            Style::SingleQuoted => self.quoted(text, '\''),
            Style::DoubleQuoted => self.double_quoted(text)?,
            Style::Plain if ambiguous => self.double_quoted(text)?,
            _ if super::emit::allows_plain(text) => self.out.push_str(text),
            _ => self.quoted(text, '\''),
        }
        Some(())
    }

    fn quoted(&mut self, text: &str, quote: char) {
        self.out.push(quote);
        self.out.push_str(&text.replace('\'', "''"));
        self.out.push(quote);
    }

    /// Only texts without anything unusual come here.
    fn double_quoted(&mut self, text: &str) -> Option<()> {
        if text.chars().any(|character| character.is_control() && character != '\n') {
            return None;
        }
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        self.out.push('"');
        self.out.push_str(&escaped);
        self.out.push('"');
        Some(())
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.out.push('|');
        match (text.ends_with('\n'), text.ends_with("\n\n")) {
            (false, _) => self.out.push('-'),
            (true, true) => self.out.push('+'),
            (true, false) => {}
        }
        for line in text.trim_end_matches('\n').split('\n') {
            self.out.push('\n');
            if !line.is_empty() {
                self.out.extend(std::iter::repeat_n(' ', indent));
                self.out.push_str(line);
            }
        }
        let ends = text.len() - text.trim_end_matches('\n').len();
        self.out.extend(std::iter::repeat_n('\n', ends));
    }
}

/// The tag that has to be written because the text does not say it.
fn binding_tag(scalar: &Scalar, implicit: Implicit) -> Option<&'static str> {
    if super::value::implies(implicit, &scalar.tag) {
        return None;
    }
    match scalar.tag {
        Tag::Null => Some("!!null"),
        Tag::Bool => Some("!!bool"),
        Tag::Int => Some("!!int"),
        Tag::Float => Some("!!float"),
        Tag::Timestamp => Some("!!timestamp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Duplicates, Limits, parse_document};
    use super::*;

    fn check(text: &str, expected: &str) {
        let node = parse_document(text, 1, Dialect::V3, Duplicates::Refused, Limits::default());
        let node = node.unwrap().unwrap();
        assert_eq!(emit_styled(&node, &Layout::of(text).unwrap()).unwrap(), expected);
    }

    #[test]
    fn layout_stays_and_indentation_does_not() {
        check("b:   1\na:\n    - x\n    - [1, 'y', {c: d}]\n", "b: 1\na:\n- x\n- [1, 'y', {c: d}]\n");
        check("a: {b: [], c: \"5\"}\nt: |\n   x\n   y\n", "a: {b: [], c: \"5\"}\nt: |\n  x\n  y\n");
        check("- - a\n  - b: {}\n", "- - a\n  - b: {}\n");
    }

    #[test]
    fn what_would_be_lost_has_no_layout() {
        for text in ["a: 1 # why\n", "a: &x 1\n", "a: !t 1\n"] {
            assert!(Layout::of(text).is_none(), "{text}");
        }
    }
}
