//! Paths that select: `spec.containers.[name=web].image`, `spec.ports.0`, `spec.list.*`.

use crate::error::{Problem, Result};
use crate::selector::compile;
use crate::yaml::{
    Dialect, Duplicates, Implicit, Limits, Map, Node, Scalar, Style, Tag, Text, Value, emit, parse_document,
    resolve,
};

/// The kind of the node to make at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Scalar,
    Map,
    List,
}

impl Shape {
    pub(crate) fn of(node: &Node) -> Self {
        match node {
            Node::Scalar(_) => Self::Scalar,
            Node::Map(_) => Self::Map,
            Node::List(_) => Self::List,
        }
    }

    fn make(self) -> Node {
        match self {
            Self::Scalar => Scalar::untagged("").into(),
            Self::Map => Node::empty_map(),
            Self::List => Node::List(Vec::new()),
        }
    }
}

/// Looks up one node; nothing if a part of the path is missing.
///
/// # Errors
///
/// If the path asks a list for a key or a map for an index.
pub(crate) fn lookup<'n>(node: &'n Node, path: &[String]) -> Result<Option<&'n Node>> {
    let mut found = node;
    for part in path.iter().map(|part| part.trim()).filter(|part| !part.is_empty()) {
        let next = match Part::of(part)? {
            Part::Index(at) => list_of(found)?.get(at),
            Part::Last => list_of(found)?.last(),
            Part::Element(key, value) => {
                list_of(found)?.iter().find(|element| is_element(element, key, value))
            }
            Part::Every => {
                let reason = "has a `*`, which selects nothing in particular".to_owned();
                return Problem::InvalidField { field: path.join("."), reason }.fail();
            }
            Part::Field(name) => map_of(found)?.and_then(|map| map.get(name)),
        };
        match next {
            Some(next) => found = next,
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

enum Part<'p> {
    Index(usize),
    Last,
    Every,
    Element(&'p str, &'p str),
    Field(&'p str),
}

impl<'p> Part<'p> {
    fn of(part: &'p str) -> Result<Self> {
        if let Ok(index) = part.parse::<isize>() {
            let Ok(index) = usize::try_from(index) else {
                let reason = "cannot be negative".to_owned();
                return Problem::InvalidField { field: part.to_owned(), reason }.fail();
            };
            return Ok(Self::Index(index));
        }
        Ok(match part {
            "-" => Self::Last,
            "*" => Self::Every,
            _ => match element_of(part) {
                Some(element) => {
                    let (key, value) = element?;
                    Self::Element(key, value)
                }
                None => Self::Field(part),
            },
        })
    }
}

/// `[key=value]`, or `[=value]` for scalars.
fn element_of(part: &str) -> Option<Result<(&str, &str)>> {
    let inner = part.strip_prefix('[')?.strip_suffix(']')?;
    Some(inner.split_once('=').map_or_else(
        || {
            let reason = "must be written `[key=value]`".to_owned();
            Problem::InvalidField { field: part.to_owned(), reason }.fail()
        },
        Ok,
    ))
}

fn is_element(element: &Node, key: &str, value: &str) -> bool {
    if key.is_empty() {
        return element.text() == value;
    }
    element.get(key).is_some_and(|found| found.text() == value)
}

/// The elements of a list; null has none.
fn list_of(node: &Node) -> Result<&[Node]> {
    match node {
        Node::List(list) => Ok(list),
        node if node.is_null() => Ok(&[]),
        other => mismatch("a list", other),
    }
}

/// The map; null is none.
fn map_of(node: &Node) -> Result<Option<&Map>> {
    match node {
        Node::Map(map) => Ok(Some(map)),
        node if node.is_null() => Ok(None),
        other => mismatch("a map", other),
    }
}

fn mismatch<T>(expected: &'static str, found: &Node) -> Result<T> {
    let field = "what the path leads to".to_owned();
    Problem::WrongType { field, expected, found: found.kind() }.at_line(found.line())
}

/// Calls `change` for every node the path selects and says how many there were.
///
/// With `make`, missing parts are made: maps, lists for what an index or element selects, and at the end a node of
/// that shape. An index may point just behind the end of its list.
///
/// # Errors
///
/// If the path does not fit the nodes on its way, or from `change`.
pub(crate) fn visit(
    node: &mut Node,
    path: &[String],
    make: Option<Shape>,
    change: &mut dyn FnMut(&mut Node) -> Result<()>,
) -> Result<usize> {
    let Some((part, rest)) = path.split_first() else { return change(node).map(|()| 1) };
    if let Ok(index) = part.parse::<usize>() {
        return at_index(node, index, rest, make, change);
    }
    if let Some(element) = element_of(part) {
        let (key, pattern) = element?;
        return at_elements(node, key, pattern, rest, make, change);
    }
    if part == "*" {
        let mut count = 0;
        for element in list_of_mut(node)? {
            count += visit(element, rest, make, change)?;
        }
        return Ok(count);
    }
    at_field(node, part, rest, make, change)
}

fn list_of_mut(node: &mut Node) -> Result<&mut [Node]> {
    match node {
        Node::List(list) => Ok(list),
        node if node.is_null() => Ok(&mut []),
        other => mismatch("a list", other),
    }
}

/// What to make for a part that `next` selects from.
fn shape_before(next: Option<&String>, last: Shape) -> Shape {
    match next {
        None => last,
        Some(next) if next.parse::<usize>().is_ok() => Shape::List,
        Some(next) if next.starts_with('[') && next.ends_with(']') => Shape::List,
        Some(_) => Shape::Map,
    }
}

fn at_field(
    node: &mut Node,
    name: &str,
    rest: &[String],
    make: Option<Shape>,
    change: &mut dyn FnMut(&mut Node) -> Result<()>,
) -> Result<usize> {
    if node.is_null() && make.is_some() {
        *node = Node::empty_map();
    }
    let map = match node {
        Node::Map(map) => map,
        node if node.is_null() => return Ok(0),
        other => return mismatch("a map", other),
    };
    let field = match make {
        None => map.get_mut(name),
        Some(last) => Some(map.get_or_insert(name, || shape_before(rest.first(), last).make())),
    };
    match field {
        None => Ok(0),
        Some(Node::Scalar(scalar)) if !rest.is_empty() => inside_text(scalar, rest, make, change),
        Some(field) => visit(field, rest, make, change),
    }
}

/// A path that leads into a text looks at the YAML in it; what it changes there is lost.
fn inside_text(
    scalar: &Scalar,
    rest: &[String],
    make: Option<Shape>,
    change: &mut dyn FnMut(&mut Node) -> Result<()>,
) -> Result<usize> {
    let document = parse_document(&scalar.text, 1, Dialect::V3, Duplicates::Refused, Limits::default())?;
    let mut inside = document.unwrap_or_else(|| Scalar::null().into());
    visit(&mut inside, rest, make, change)
}

fn at_index(
    node: &mut Node,
    index: usize,
    rest: &[String],
    make: Option<Shape>,
    change: &mut dyn FnMut(&mut Node) -> Result<()>,
) -> Result<usize> {
    if let (Some(last), Node::List(list)) = (make, &mut *node)
        && list.len() == index
    {
        list.push(shape_before(rest.first(), last).make());
    }
    let list = list_of_mut(node)?;
    let length = list.len();
    let Some(element) = list.get_mut(index) else {
        let reason = format!("has the index {index}, but the list has {length} elements");
        return Problem::Replacement { reason }.fail();
    };
    visit(element, rest, make, change)
}

fn at_elements(
    node: &mut Node,
    key: &str,
    pattern: &str,
    rest: &[String],
    make: Option<Shape>,
    change: &mut dyn FnMut(&mut Node) -> Result<()>,
) -> Result<usize> {
    let regex = compile(pattern, pattern)?;
    let mut count = 0;
    for element in list_of_mut(node)? {
        if key.is_empty() {
            if regex.is_match(shown(element).trim()) {
                change(element)?;
                count += 1;
            }
            continue;
        }
        if element.get(key).is_some_and(|value| regex.is_match(shown(value).trim())) {
            count += visit(element, rest, make, change)?;
        }
    }
    if count > 0 || make.is_none() {
        return Ok(count);
    }
    let mut element: Node = Scalar::untagged(pattern).into();
    if !key.is_empty() {
        let mut map = Map::default();
        map.push(Scalar::untagged(key), element);
        element = map.into();
    }
    let Node::List(list) = node else { return mismatch("a list", node) };
    list.push(element);
    let added = list.last_mut().expect("it was pushed just now");
    if key.is_empty() { change(added).map(|()| 1) } else { visit(added, rest, make, change) }
}

/// The node as kyaml prints it, quotes included, which is what patterns are matched against.
fn shown(node: &Node) -> String {
    let Node::Scalar(scalar) = node else {
        let mut out = String::new();
        if let Ok(value) = Value::from_node(node) {
            emit(&value, &mut out);
        }
        return out;
    };
    let ambiguous = scalar.tag == Tag::String && resolve(&scalar.text, Dialect::V3) != Implicit::String;
    let text: &Text = &scalar.text;
    match scalar.style {
        Style::SingleQuoted => format!("'{}'", text.replace('\'', "''")),
        Style::DoubleQuoted => format!("\"{text}\""),
        Style::Plain if ambiguous => format!("\"{text}\""),
        _ => text.to_string(),
    }
}
