//! What a tree means once it has gone through JSON: the form that is printed, hashed and patched.

use super::node::{Entry, Map, Node, Scalar, Style, Tag, Text};
use super::number::{go_format, json_format};
use super::order::sort_naturally;
use super::resolve::{Dialect, Implicit, resolve};
use super::timestamp;

/// A JSON value whose maps are in the order of the output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// Above the range of `i64`.
    Unsigned(u64),
    /// Finite, and not an integer that fits the two above.
    Float(f64),
    String(Text),
    List(Vec<Value>),
    Map(Vec<(Text, Value)>),
}

/// Why a tree has no JSON form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueProblem {
    /// JSON keys are strings; `6443: x` has a number.
    #[error("the key `{key}` is not a string, which JSON does not support")]
    Key {
        /// The key as it stands in the source.
        key: String,
    },
    /// Kustomize reads its own JSON as YAML, where a key is at most 1024 characters on one line.
    #[error("the key that starts with `{start}` is too long or breaks a line")]
    LongKey {
        /// How the key starts.
        start: String,
    },
    /// JSON has no infinity and no NaN.
    #[error("the number `{text}` has no JSON form")]
    Number {
        /// The number as it stands in the source.
        text: String,
    },
    /// A tag that does not fit the text, such as `!!int abc`.
    #[error("`{text}` is not {tag}")]
    Tag {
        /// The text as it stands in the source.
        text: String,
        /// What the tag asks for.
        tag: &'static str,
    },
    /// A character that YAML does not allow in a stream.
    #[error("the text holds the control character U+{code:04X}")]
    Control {
        /// Its code point.
        code: u32,
    },
    /// The same key twice in one map.
    #[error("the key `{key}` is there twice")]
    Duplicate {
        /// The key.
        key: String,
    },
}

impl Value {
    /// The JSON form of `node`, as kustomize makes it before it prints.
    pub(crate) fn from_node(node: &Node) -> Result<Self, ValueProblem> {
        match node {
            Node::Scalar(scalar) => Self::from_scalar(scalar),
            Node::List(list) => list.iter().map(Self::from_node).collect::<Result<_, _>>().map(Self::List),
            Node::Map(map) => {
                let mut entries = Vec::with_capacity(map.entries.len());
                for Entry { key, value } in &map.entries {
                    entries.push((Self::from_key(key)?, Self::from_node(value)?));
                }
                let entries = sort_naturally(entries, |(key, _)| key);
                match entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                    Some(pair) => Err(ValueProblem::Duplicate { key: pair[0].0.to_string() }),
                    None => Ok(Self::Map(entries)),
                }
            }
        }
    }

    fn from_key(key: &Scalar) -> Result<Text, ValueProblem> {
        /// What go-yaml's scanner keeps in mind while it waits for the colon.
        const LONGEST_KEY: usize = 1024;
        if key.text.len() > LONGEST_KEY / 6 || key.text.contains(NEXT_LINE) {
            let written = key.text.chars().map(json_length).sum::<usize>() + "\"\"".len();
            if written > LONGEST_KEY || key.text.contains(NEXT_LINE) {
                return Err(ValueProblem::LongKey { start: key.text.chars().take(20).collect() });
            }
        }
        match Self::from_scalar(key)? {
            Self::String(text) => Ok(text),
            _ => Err(ValueProblem::Key { key: key.text.to_string() }),
        }
    }

    /// What go-yaml v3 decodes after it has printed the scalar.
    fn from_scalar(scalar: &Scalar) -> Result<Self, ValueProblem> {
        match &scalar.tag {
            Tag::String | Tag::Merge | Tag::Other(_) => Self::text(scalar.text.clone()),
            Tag::Binary => decoded_base64(&scalar.text)
                .ok_or_else(|| ValueProblem::Tag { text: scalar.text.to_string(), tag: "base64" })
                .and_then(|bytes| Self::text(String::from_utf8_lossy(&bytes).into())),
            Tag::None if !scalar.is_plain() => Self::text(scalar.text.clone()),
            Tag::None => Self::from_implicit(scalar, resolve(&scalar.text, Dialect::V3)),
            tag => {
                // Only v2 tags the booleans of YAML 1.1 as such, so reading them with it decides nothing anew.
                let dialect = if *tag == Tag::Bool { Dialect::V2 } else { Dialect::V3 };
                let implicit = resolve(&scalar.text, dialect);
                // A tag that the text implies is not printed, and then quotes make it a string.
                if !scalar.explicit && !scalar.is_plain() && implies(implicit, tag) {
                    return Self::text(scalar.text.clone());
                }
                Self::from_implicit(scalar, cast(implicit, tag).ok_or_else(|| mismatch(scalar))?)
            }
        }
    }

    fn from_implicit(scalar: &Scalar, implicit: Implicit) -> Result<Self, ValueProblem> {
        Ok(match implicit {
            Implicit::String => return Self::text(scalar.text.clone()),
            Implicit::Null => Self::Null,
            Implicit::Bool(bool) => Self::Bool(bool),
            Implicit::Int(int) => Self::Int(int),
            Implicit::Unsigned(unsigned) => Self::Unsigned(unsigned),
            Implicit::Timestamp => {
                Self::String(timestamp::parse(&scalar.text).expect("it was resolved as a timestamp").into())
            }
            Implicit::Float(float) if !float.is_finite() => {
                return Err(ValueProblem::Number { text: scalar.text.to_string() });
            }
            Implicit::Float(float) => Self::from_float(float),
        })
    }

    /// A float after JSON: one whose JSON form has neither point nor exponent is read back as an integer.
    fn from_float(float: f64) -> Self {
        let json = json_format(float);
        if let Ok(int) = json.parse::<i64>() {
            return Self::Int(int);
        }
        json.parse::<u64>().map_or(Self::Float(float), Self::Unsigned)
    }

    fn text(text: Text) -> Result<Self, ValueProblem> {
        match text.chars().find(|&character| is_refused_by_reader(character)) {
            Some(refused) => Err(ValueProblem::Control { code: u32::from(refused) }),
            None if text.contains(NEXT_LINE) => match with_folded_next_lines(&text) {
                Some(folded) => Ok(Self::String(folded.into())),
                None => Err(ValueProblem::Control { code: u32::from(NEXT_LINE) }),
            },
            None => Ok(Self::String(text)),
        }
    }

    /// The tree go-yaml makes of this value after a JSON patch: Go's JSON reader makes every number a float.
    pub(crate) fn to_node(&self) -> Node {
        self.as_node(float_node)
    }

    /// The same with integers as they are.
    pub(crate) fn to_exact_node(&self) -> Node {
        self.as_node(|digits| typed(digits.into(), Tag::Int))
    }

    fn as_node(&self, integer: fn(String) -> Node) -> Node {
        match self {
            Self::Null => Scalar::null().into(),
            Self::Bool(bool) => typed(if *bool { "true" } else { "false" }.into(), Tag::Bool),
            Self::Int(int) => integer(int.to_string()),
            Self::Unsigned(unsigned) => integer(unsigned.to_string()),
            Self::Float(float) => typed(go_format(*float).into(), Tag::Float),
            Self::String(text) => string_scalar(text.clone()).into(),
            Self::List(list) => Node::List(list.iter().map(|item| item.as_node(integer)).collect()),
            Self::Map(entries) => {
                let entry = |(key, value): &(Text, Self)| Entry {
                    key: string_scalar(key.clone()),
                    value: value.as_node(integer),
                };
                Node::Map(Map { entries: entries.iter().map(entry).collect() })
            }
        }
    }
}

fn float_node(digits: String) -> Node {
    let float: f64 = digits.parse().expect("the digits of an integer are a float");
    let text = go_format(float);
    if text.contains('e') { typed(text.into(), Tag::Float) } else { typed(digits.into(), Tag::Int) }
}

fn typed(text: Text, tag: Tag) -> Node {
    Scalar { text, tag, ..Scalar::default() }.into()
}

fn string_scalar(text: Text) -> Scalar {
    let style = if text.contains('\n') {
        Style::Literal
    } else if resolve(&text, Dialect::V2) == Implicit::String
        && resolve(&text, Dialect::V3) == Implicit::String
    {
        Style::Plain
    } else {
        Style::DoubleQuoted
    };
    Scalar { text, tag: Tag::String, style, ..Scalar::default() }
}

/// Whether the text alone resolves to the tag.
pub(super) fn implies(implicit: Implicit, tag: &Tag) -> bool {
    matches!(
        (tag, implicit),
        (Tag::Null, Implicit::Null)
            | (Tag::Bool, Implicit::Bool(_))
            | (Tag::Int, Implicit::Int(_) | Implicit::Unsigned(_))
            | (Tag::Float, Implicit::Float(_))
            | (Tag::Timestamp, Implicit::Timestamp)
    )
}

/// Applies a tag to what the text resolved to; only an integer may stand for another type (a float).
fn cast(implicit: Implicit, tag: &Tag) -> Option<Implicit> {
    match (tag, implicit) {
        (tag, implicit) if implies(implicit, tag) => Some(implicit),
        #[expect(clippy::cast_precision_loss, reason = "go-yaml converts the same way")]
        (Tag::Float, Implicit::Int(int)) => Some(Implicit::Float(int as f64)),
        _ => None,
    }
}

fn mismatch(scalar: &Scalar) -> ValueProblem {
    let tag = match scalar.tag {
        Tag::Null => "null",
        Tag::Bool => "a boolean",
        Tag::Int => "an integer",
        Tag::Float => "a float",
        Tag::Timestamp => "a timestamp",
        _ => "of its type",
    };
    ValueProblem::Tag { text: scalar.text.to_string(), tag }
}

/// A line end of YAML 1.1, which JSON passes on as it is.
const NEXT_LINE: char = '\u{85}';

/// What the YAML reader makes of raw line ends in a quoted text: one is a space, more are one fewer.
///
/// Nothing if a line of it would be the separator of documents.
fn with_folded_next_lines(text: &str) -> Option<String> {
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(NEXT_LINE) {
        folded.push_str(rest[..at].trim_end_matches(' '));
        let separates = |line: &str| {
            let behind = line.strip_prefix("---").or_else(|| line.strip_prefix("..."));
            behind.is_some_and(|behind| behind.starts_with([' ', NEXT_LINE]))
        };
        let after = rest[at..].trim_start_matches([NEXT_LINE, ' ']);
        let blank = &rest[at..rest.len() - after.len()];
        if blank.ends_with(NEXT_LINE) && separates(after) {
            return None;
        }
        match blank.matches(NEXT_LINE).count() {
            1 => folded.push(' '),
            more => folded.extend(std::iter::repeat_n('\n', more - 1)),
        }
        rest = after;
    }
    Some(folded + rest)
}

/// How many characters Go's JSON writer needs for one.
fn json_length(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
        _ => 1,
    }
}

/// The characters that JSON passes on as they are and the YAML reader then refuses.
fn is_refused_by_reader(character: char) -> bool {
    matches!(character, '\u{7f}' | '\u{80}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
}

fn decoded_base64(text: &str) -> Option<Vec<u8>> {
    let symbols: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    if !symbols.len().is_multiple_of(4) {
        return None;
    }
    let padding = symbols.iter().rev().take_while(|&&byte| byte == b'=').count();
    if padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(symbols.len() / 4 * 3);
    let (mut buffer, mut bits) = (0_u32, 0);
    for &symbol in &symbols[..symbols.len() - padding] {
        let six = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        buffer = buffer << 6 | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(buffer >> bits & 0xff).expect("masked to eight bits"));
        }
    }
    Some(bytes)
}

impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(bool) => Self::from(*bool),
            Value::Int(int) => Self::from(*int),
            Value::Unsigned(unsigned) => Self::from(*unsigned),
            Value::Float(float) => Self::from(*float),
            Value::String(text) => Self::from(text.as_str()),
            Value::List(list) => Self::Array(list.iter().map(Self::from).collect()),
            Value::Map(entries) => Self::Object(
                entries.iter().map(|(key, value)| (key.to_string(), Self::from(value))).collect(),
            ),
        }
    }
}
