//! A small YAML tree that knows where everything stands.
//!
//! The values stay as they are written: whether `on` or `09:00` is a word, a truth or a number is decided by whoever reads the key, so no
//! YAML version's guess comes in between. [`section`] reads keys and values from it and collects what is wrong.

pub mod nearest;
pub mod section;

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use crate::policy::problem::{Place, Placed, Problem};

/// The largest file that is read: a policy of a hundred services takes a tenth of it.
const MAX_BYTES: usize = 512 * 1024;

/// The most values in a file, counted with every alias written out: aliases of aliases grow without bound otherwise.
const MAX_VALUES: usize = 20_000;

/// The deepest nesting, counted with every alias written out. The policy itself needs six levels.
const MAX_DEPTH: usize = 24;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// The start of a scalar; of a mapping, list or missing value the key that holds it, if one does.
    pub place: Place,
    /// How many characters to underline.
    pub length: usize,
    /// What it holds.
    pub value: Value,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub enum Value {
    /// One value. `plain` is false when the text is quoted, a block or tagged: then it is text whatever it looks like.
    Scalar {
        /// As it is written, without quotes.
        text: String,
        /// Whether it is written without quotes and tags.
        plain: bool,
    },
    /// Items in their order.
    List(Vec<Node>),
    /// Entries in their order, no key twice.
    Mapping(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: Placed<String>,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// Whether nothing is written: no value, `~` or `null`.
    pub fn is_nothing(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The entry's value, if this is a mapping that has the key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Mapping(entries) => {
                entries.iter().find(|entry| entry.key.value == key).map(|entry| &entry.value)
            }
            _ => None,
        }
    }

    /// What this is, in words for a message.
    pub fn found(&self) -> String {
        match &self.value {
            _ if self.is_nothing() => "nothing".to_owned(),
            Value::Scalar { text, plain: true } => format!("`{}`", shortened(text)),
            Value::Scalar { text, .. } => format!("the text \"{}\"", shortened(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
        }
    }
}

/// A value fit for a message: one line, no control characters, at most 60 characters.
pub fn shortened(text: &str) -> String {
    let printable = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut short: String = text.chars().take(60).map(printable).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}

/// A file's name and lines: makes problems that show the line they speak of.
#[derive(Debug)]
struct Source<'a> {
    file: &'a str,
    lines: Vec<&'a str>,
}

impl<'a> Source<'a> {
    fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, lines: text.lines().collect() }
    }

    fn problem(&self, place: Place, length: usize, message: impl Into<String>) -> Problem {
        let excerpt = self.lines.get(place.line.saturating_sub(1)).copied().unwrap_or_default();
        // A caret never runs past the end of its line: a block of text has one place, and several lines.
        let rest = excerpt.chars().count().saturating_sub(place.column - 1);
        Problem {
            file: self.file.to_owned(),
            place,
            length: length.min(rest).max(1),
            message: message.into(),
            hint: None,
            excerpt: excerpt.chars().take(1_000).collect(),
        }
    }
}

/// Reads the one document of a file. Problems that do not hide the rest of the file are collected; `None` means that there is no tree.
fn read(source: &Source<'_>, text: &str, problems: &mut Vec<Problem>) -> Option<Node> {
    let start = Place { line: 1, column: 1 };
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, at most {MAX_BYTES} are read", text.len());
        problems.push(source.problem(start, 1, message));
        return None;
    }
    let mut builder = Builder { source, problems, parser: parser(text), anchors: HashMap::new(), values: 0 };
    match builder.document() {
        Ok(Some(root)) => Some(root),
        Ok(None) => {
            builder.problems.push(source.problem(start, 1, "the file holds nothing"));
            None
        }
        Err(Fatal(problem)) => {
            builder.problems.push(*problem);
            None
        }
    }
}

fn parser(text: &str) -> Parser<'_, StrInput<'_>> {
    let mut options =
        granit_parser::options! { flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH };
    options.set_emit_comments(false);
    Parser::new_from_str_with_options(text, options)
}

/// A value that an anchor names, with what it costs to write it out again.
struct Anchored {
    node: Node,
    values: usize,
    height: usize,
}

struct Builder<'a, 'text> {
    source: &'a Source<'text>,
    problems: &'a mut Vec<Problem>,
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Anchored>,
    values: usize,
}

/// A problem after which the rest of the file cannot be read.
struct Fatal(Box<Problem>);

impl<'a> Builder<'a, '_> {
    fn document(&mut self) -> Result<Option<Node>, Fatal> {
        let mut root = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::DocumentEnd => {}
                _ if root.is_some() => {
                    let message = "a second document begins here, only one is read";
                    return Err(self.fatal(&span, message));
                }
                event => root = Some(self.node(event, &span, 0)?.node),
            }
        }
        Ok(root.filter(|root: &Node| !root.is_nothing()))
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Fatal> {
        self.parser.next_event().transpose().map_err(|error| {
            let marker = error.marker();
            let place = Place { line: marker.line().max(1), column: marker.col() + 1 };
            Fatal(Box::new(self.source.problem(place, 1, format!("not YAML: {}", error.kind()))))
        })
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Anchored, Fatal> {
        let (anchor, built) = match event {
            Event::Alias(id) => return self.alias(id, span, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let value = Value::Scalar { text: text.into_owned(), plain };
                (anchor, Anchored { node: node(span, value), values: 1, height: 0 })
            }
            Event::SequenceStart(_, anchor, _) => (anchor, self.list(span, depth)?),
            Event::MappingStart(_, anchor, _) => (anchor, self.mapping(span, depth)?),
            _ => return Err(self.fatal(span, "not YAML: a value was expected here")),
        };
        self.count(1, span)?;
        if anchor != 0 {
            let copy = Anchored { node: built.node.clone(), ..built };
            self.anchors.insert(anchor, copy);
        }
        Ok(built)
    }

    /// Writes an alias out in place, if that stays within bounds.
    fn alias(&mut self, id: usize, span: &Span, depth: usize) -> Result<Anchored, Fatal> {
        let Some(anchored) = self.anchors.get(&id) else {
            return Err(self.fatal(span, "this alias refers to the value it stands in"));
        };
        let Anchored { values, height, .. } = *anchored;
        if depth + height > MAX_DEPTH {
            return Err(
                self.fatal(span, format!("values are nested more than {MAX_DEPTH} deep with this alias"))
            );
        }
        self.count(values, span)?;
        // Counted before it is copied: the copy is what a hostile file is after.
        let node = Node { place: place(span), length: length(span), ..self.anchors[&id].node.clone() };
        Ok(Anchored { node, values, height })
    }

    fn list(&mut self, span: &Span, depth: usize) -> Result<Anchored, Fatal> {
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
        Ok(Anchored { node: node(span, Value::List(items)), values, height })
    }

    fn mapping(&mut self, span: &Span, depth: usize) -> Result<Anchored, Fatal> {
        let (mut entries, mut values, mut height) = (Vec::<Entry>::new(), 1, 0);
        while let Some((event, key_span)) = self.next()? {
            if event == Event::MappingEnd {
                break;
            }
            let key = self.key(event, &key_span)?;
            let Some((event, value_span)) = self.next()? else { break };
            let value = self.node(event, &value_span, depth + 1)?;
            values += value.values + 1;
            height = height.max(value.height + 1);
            self.enter(&mut entries, Entry { key, value: value.node });
        }
        Ok(Anchored { node: node(span, Value::Mapping(entries)), values, height })
    }

    fn key(&mut self, event: Event<'a>, span: &Span) -> Result<Placed<String>, Fatal> {
        match event {
            Event::Scalar(text, style, ..) if style == ScalarStyle::Plain && text == "<<" => {
                let mut problem = self.fatal(span, "merge keys are not read here");
                problem.0.hint = Some("write the keys out".to_owned());
                Err(problem)
            }
            Event::Scalar(text, ..) => {
                self.count(1, span)?;
                Ok(Placed::new(text.into_owned(), place(span)))
            }
            _ => Err(self.fatal(span, "a key must be a word")),
        }
    }

    /// Adds an entry, unless its key is there already: then the first stands, and the second is a problem.
    fn enter(&mut self, entries: &mut Vec<Entry>, mut entry: Entry) {
        let key_length = entry.key.value.chars().count();
        let is_scalar = matches!(entry.value.value, Value::Scalar { .. });
        if !is_scalar || entry.value.is_nothing() {
            (entry.value.place, entry.value.length) = (entry.key.place, key_length);
        }
        let Some(first) = entries.iter().find(|other| other.key.value == entry.key.value) else {
            entries.push(entry);
            return;
        };
        let message = format!(
            "key `{}` appears twice, first in line {}",
            shortened(&entry.key.value),
            first.key.place.line
        );
        self.problems.push(Problem {
            hint: Some("keep one of the two".to_owned()),
            ..self.source.problem(entry.key.place, key_length, message)
        });
    }

    fn count(&mut self, values: usize, span: &Span) -> Result<(), Fatal> {
        self.values += values;
        if self.values > MAX_VALUES {
            return Err(self.fatal(span, format!("the file holds more than {MAX_VALUES} values")));
        }
        Ok(())
    }

    fn fatal(&self, span: &Span, message: impl Into<String>) -> Fatal {
        Fatal(Box::new(self.source.problem(place(span), length(span), message)))
    }
}

fn node(span: &Span, value: Value) -> Node {
    let length = if matches!(value, Value::Scalar { .. }) { length(span) } else { 1 };
    Node { place: place(span), length, value }
}

fn place(span: &Span) -> Place {
    Place { line: span.start.line().max(1), column: span.start.col() + 1 }
}

fn length(span: &Span) -> usize {
    span.end.index().saturating_sub(span.start.index()).max(1)
}
