//! YAML documents that know in which line everything stands.
//!
//! Values stay as they are written: the renderer decides what a word means, a lint only looks for it.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput};

/// The largest file that is read as YAML: the API server stores no object of more than 1.5 MiB.
const MAX_BYTES: usize = 3 * 1024 * 1024;

/// The most values in a file, counted with every alias written out: aliases of aliases grow without bound otherwise.
const MAX_VALUES: usize = 500_000;

/// The deepest nesting, counted with every alias written out; schemas of custom resources reach about half of it.
const MAX_DEPTH: usize = 100;

/// A value and the line that it begins in.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// `plain` is false when the text is quoted, a block or tagged.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A key, its line, and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Node,
}

/// Why a text is not YAML, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

impl Node {
    /// The entry of a key, if this is a mapping that has it, itself or by a merge key (`<<`).
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        let own = self.entries().iter().find(|entry| entry.key == key);
        own.or_else(|| {
            let merged = self.entries().iter().find(|entry| entry.key == "<<")?;
            merged.value.entry(key).or_else(|| merged.value.items().iter().find_map(|item| item.entry(key)))
        })
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The value at the end of a path of keys.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } if !self.is_nothing() => Some(text),
            _ => None,
        }
    }

    /// The text of the scalar at the end of a path of keys.
    pub(super) fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path)?.text()
    }

    /// The items of a list; none of anything else.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The entries of a mapping; none of anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// Whether nothing is written: no value, `~` or `null`.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Whether there is neither text nor an entry nor an item.
    pub(super) fn is_empty(&self) -> bool {
        match &self.value {
            Value::Scalar { text, .. } => text.is_empty() || self.is_nothing(),
            Value::List(items) => items.is_empty(),
            Value::Mapping(entries) => entries.is_empty(),
        }
    }
}

/// Every document of a text that holds something.
pub(super) fn documents(text: &str) -> Result<Vec<Node>, Fault> {
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, at most {MAX_BYTES} are read as YAML", text.len());
        return Err(Fault { line: 1, column: 1, message });
    }
    let mut options =
        granit_parser::options! { flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH };
    options.set_emit_comments(false);
    let parser = Parser::new_from_str_with_options(text, options);
    Builder { parser, anchors: HashMap::new(), values: 0 }.documents()
}

/// A value with what it costs to write it out again.
#[derive(Clone)]
struct Built {
    node: Node,
    values: usize,
    height: usize,
}

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Built>,
    values: usize,
}

impl<'a> Builder<'a> {
    fn documents(&mut self) -> Result<Vec<Node>, Fault> {
        let mut documents = Vec::new();
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::DocumentEnd => {}
                event => documents.push(self.node(event, &span, 0)?.node),
            }
        }
        documents.retain(|document| !document.is_nothing());
        Ok(documents)
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Fault> {
        self.parser.next_event().transpose().map_err(|error| {
            let marker = error.marker();
            Fault { line: marker.line().max(1), column: marker.col() + 1, message: error.kind().to_string() }
        })
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Built, Fault> {
        let (anchor, built) = match event {
            Event::Alias(id) => return self.alias(id, span, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let value = Value::Scalar { text: text.into_owned(), plain };
                (anchor, Built { node: Node { line: line(span), value }, values: 1, height: 0 })
            }
            Event::SequenceStart(_, anchor, _) => (anchor, self.list(span, depth)?),
            Event::MappingStart(_, anchor, _) => (anchor, self.mapping(span, depth)?),
            _ => return Err(fault(span, "a value was expected here")),
        };
        self.count(1, span)?;
        if anchor != 0 {
            self.anchors.insert(anchor, built.clone());
        }
        Ok(built)
    }

    /// Writes an alias out in place, if that stays within bounds; they are checked before anything is copied.
    fn alias(&mut self, id: usize, span: &Span, depth: usize) -> Result<Built, Fault> {
        let Some(&Built { values, height, .. }) = self.anchors.get(&id) else {
            return Err(fault(span, "this alias refers to the value it stands in"));
        };
        if depth + height > MAX_DEPTH {
            return Err(fault(span, format!("values are nested more than {MAX_DEPTH} deep with this alias")));
        }
        self.count(values, span)?;
        let mut built = self.anchors[&id].clone();
        built.node.line = line(span);
        Ok(built)
    }

    fn list(&mut self, span: &Span, depth: usize) -> Result<Built, Fault> {
        let (mut items, mut values, mut height) = (Vec::new(), 1, 0);
        while let Some((event, item_span)) = self.next()? {
            if event == Event::SequenceEnd {
                break;
            }
            let item = self.node(event, &item_span, depth + 1)?;
            values += item.values;
            height = height.max(item.height + 1);
            items.push(item.node);
        }
        Ok(Built { node: Node { line: line(span), value: Value::List(items) }, values, height })
    }

    fn mapping(&mut self, span: &Span, depth: usize) -> Result<Built, Fault> {
        let (mut entries, mut values, mut height) = (Vec::new(), 1, 0);
        while let Some((event, key_span)) = self.next()? {
            let key = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(fault(&key_span, "a key must be a word")),
            };
            self.count(1, &key_span)?;
            let Some((event, value_span)) = self.next()? else { break };
            let value = self.node(event, &value_span, depth + 1)?;
            values += value.values + 1;
            height = height.max(value.height + 1);
            entries.push(Entry { key, line: line(&key_span), value: value.node });
        }
        Ok(Built { node: Node { line: line(span), value: Value::Mapping(entries) }, values, height })
    }

    fn count(&mut self, values: usize, span: &Span) -> Result<(), Fault> {
        self.values += values;
        if self.values > MAX_VALUES {
            return Err(fault(span, format!("the file holds more than {MAX_VALUES} values")));
        }
        Ok(())
    }
}

fn line(span: &Span) -> usize {
    span.start.line().max(1)
}

fn fault(span: &Span, message: impl Into<String>) -> Fault {
    Fault { line: line(span), column: span.start.col() + 1, message: message.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_value_knows_its_line() {
        let documents = documents("a: 1\n---\n# why\nb:\n  - c: x\n  - c: {d: y}\n").unwrap();
        assert_eq!(documents.len(), 2);
        let list = documents[1].get("b").unwrap();
        assert_eq!(list.items()[0].entry("c").unwrap().line, 5);
        assert_eq!(list.items()[1].at(&["c", "d"]).unwrap().line, 6);
        assert_eq!(list.items()[1].text_at(&["c", "d"]), Some("y"));
    }

    #[test]
    fn merge_keys_are_looked_through() {
        let documents = documents("a: &a {x: 1}\nb:\n  <<: *a\n  y: 2\n").unwrap();
        assert_eq!(documents[0].text_at(&["b", "x"]), Some("1"));
        assert_eq!(documents[0].text_at(&["b", "y"]), Some("2"));
    }

    #[test]
    fn a_fault_has_a_place() {
        let fault = documents("a: 1\nb: [1\n").unwrap_err();
        assert!(fault.line >= 2, "{fault:?}");
    }

    #[test]
    fn aliases_of_aliases_are_bounded() {
        let line = |level: usize| {
            let last = if level == 0 { "x".to_owned() } else { format!("*a{}", level - 1) };
            format!("a{level}: &a{level} [{}]\n", vec![last; 10].join(", "))
        };
        let bomb: Vec<_> = (0..9).map(line).collect();
        let fault = documents(&bomb.concat()).unwrap_err();
        assert!(fault.message.contains("more than 500000 values"), "{fault:?}");
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert!(documents(&"[".repeat(10_000)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[-a:{}\\[\\]&*<>|!? \n#\"']{0,80}") {
            let _ = documents(&text);
        }
    }
}
