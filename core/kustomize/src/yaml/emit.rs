//! Values to text, as go-yaml v2's emitter writes them.
//!
//! Blocks everywhere, two spaces of indentation, lists not indented below their key, plain and quoted scalars
//! folded after column 80, texts of several lines as literal blocks.

use std::fmt::Write as _;

use super::resolve::{Dialect, Implicit, resolve};
use super::value::Value;

/// The column after which a scalar is folded at the next space.
const BEST_WIDTH: usize = 80;
/// The longest key, in bytes, that fits on a line with its value.
const LONGEST_SIMPLE_KEY: usize = 128;
/// Why `write!` is expected to succeed.
const INFALLIBLE: &str = "writing to a string cannot fail";

/// Appends `value` as one document, with a final line end.
pub(crate) fn emit(value: &Value, out: &mut String) {
    let mut emitter = Emitter { out };
    emitter.root(value);
}

/// The same for a list of pairs in the order given, as Go prints a struct.
pub(crate) fn emit_in_order(fields: &[(&str, Value)]) -> String {
    let entries = fields.iter().map(|(key, value)| ((*key).into(), value.clone())).collect();
    let mut out = String::new();
    emit(&Value::Map(entries), &mut out);
    out
}

/// Whether a text can stand without quotes, outside of brackets, whatever it would be read as.
pub(super) fn allows_plain(text: &str) -> bool {
    Analysis::of(text).plain
}

/// Where a value stands, which decides whether it starts on the same line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    /// After `key:`; blocks start on the next line.
    Value,
    /// After `- `, or after the `?` and `:` of a long key; blocks start here.
    Item,
}

struct Emitter<'a> {
    out: &'a mut String,
}

impl Emitter<'_> {
    fn root(&mut self, value: &Value) {
        match value {
            Value::Map(entries) if !entries.is_empty() => self.map(entries, 0, true),
            Value::List(items) if !items.is_empty() => self.list(items, 0, true),
            other => self.leaf(other, 2),
        }
        self.end_line();
    }

    fn end_line(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with(is_break) {
            self.out.push('\n');
        }
    }

    /// Ends the line and indents the next one.
    fn indent(&mut self, indent: usize) {
        self.end_line();
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    /// `here` says that the first entry goes on the current line.
    fn map(&mut self, entries: &[(super::Text, Value)], indent: usize, here: bool) {
        for (at, (key, value)) in entries.iter().enumerate() {
            if at > 0 || !here {
                self.indent(indent);
            }
            let style = Analysis::of(key);
            if key.len() <= LONGEST_SIMPLE_KEY && !style.multiline {
                self.scalar(key, style, indent, Place::SimpleKey);
                self.out.push(':');
                self.child(value, indent, Context::Value);
            } else {
                self.out.push('?');
                self.out.push(' ');
                self.scalar(key, style, indent + 2, Place::Block);
                self.indent(indent);
                self.out.push(':');
                self.child(value, indent, Context::Item);
            }
        }
    }

    fn list(&mut self, items: &[Value], indent: usize, here: bool) {
        for (at, item) in items.iter().enumerate() {
            if at > 0 || !here {
                self.indent(indent);
            }
            self.out.push('-');
            self.child(item, indent, Context::Item);
        }
    }

    fn child(&mut self, value: &Value, indent: usize, context: Context) {
        match (value, context) {
            (Value::Map(entries), Context::Value) if !entries.is_empty() => {
                self.map(entries, indent + 2, false);
            }
            (Value::Map(entries), Context::Item) if !entries.is_empty() => {
                self.out.push(' ');
                self.map(entries, indent + 2, true);
            }
            // A list below its key is not indented.
            (Value::List(items), Context::Value) if !items.is_empty() => self.list(items, indent, false),
            (Value::List(items), Context::Item) if !items.is_empty() => {
                self.out.push(' ');
                self.list(items, indent + 2, true);
            }
            (leaf, _) => {
                self.out.push(' ');
                self.leaf(leaf, indent + 2);
            }
        }
    }

    fn leaf(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(true) => self.out.push_str("true"),
            Value::Bool(false) => self.out.push_str("false"),
            Value::Int(int) => write!(self.out, "{int}").expect(INFALLIBLE),
            Value::Unsigned(unsigned) => write!(self.out, "{unsigned}").expect(INFALLIBLE),
            Value::Float(float) => self.out.push_str(&super::number::go_format(*float)),
            Value::String(text) => self.scalar(text, Analysis::of(text), indent, Place::Block),
            Value::List(_) => self.out.push_str("[]"),
            Value::Map(_) => self.out.push_str("{}"),
        }
    }

    fn scalar(&mut self, text: &str, analysis: Analysis, indent: usize, place: Place) {
        let folds = place == Place::Block;
        match analysis.form(text, place) {
            Form::Plain => self.plain(text, indent, folds),
            Form::SingleQuoted => self.single_quoted(text, indent, folds),
            Form::DoubleQuoted => self.double_quoted(text, indent, folds),
            Form::Literal => self.literal(text, indent),
        }
    }

    /// Characters since the last line end.
    fn column(&self) -> usize {
        let line = self.out.rfind('\n').map_or(0, |at| at + 1);
        self.out[line..].chars().count()
    }

    /// True if no space of `text` can come after the fold column.
    fn fits(&self, text: &str) -> bool {
        text.len() <= BEST_WIDTH && text.len() + self.column() <= BEST_WIDTH
    }

    fn plain(&mut self, text: &str, indent: usize, folds: bool) {
        if !folds || !text.contains(' ') || self.fits(text) {
            self.out.push_str(text);
            return;
        }
        let mut column = self.column();
        let mut previous_space = false;
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            let space = character == ' ';
            if space && !previous_space && column > BEST_WIDTH && rest.peek() != Some(&' ') {
                self.indent(indent);
                column = indent;
            } else {
                self.out.push(character);
                column += 1;
            }
            previous_space = space;
        }
    }

    /// Only texts without line feeds come here; other line breaks may.
    fn single_quoted(&mut self, text: &str, indent: usize, folds: bool) {
        self.out.push('\'');
        let mut column = self.column();
        let (mut previous_space, mut previous_break) = (false, false);
        let mut rest = text.char_indices().peekable();
        while let Some((at, character)) = rest.next() {
            let next_is_space = rest.peek().is_some_and(|&(_, next)| next == ' ');
            if character == ' ' {
                let inside = at > 0 && at < text.len() - 1;
                if folds && !previous_space && column > BEST_WIDTH && inside && !next_is_space {
                    self.indent(indent);
                    column = indent;
                } else {
                    self.out.push(' ');
                    column += 1;
                }
                previous_space = true;
                continue;
            }
            if is_break(character) {
                self.out.push(character);
                column = 0;
                previous_break = true;
                continue;
            }
            if previous_break {
                self.out.extend(std::iter::repeat_n(' ', indent));
                column = indent;
            }
            if character == '\'' {
                self.out.push('\'');
                column += 1;
            }
            self.out.push(character);
            column += 1;
            (previous_space, previous_break) = (false, false);
        }
        self.out.push('\'');
    }

    fn double_quoted(&mut self, text: &str, indent: usize, folds: bool) {
        // The emitter asks whether the text starts with a byte order mark, for every character of it.
        let escape_all = text.starts_with('\u{feff}');
        self.out.push('"');
        let mut column = self.column();
        let mut previous_space = false;
        let mut rest = text.char_indices().peekable();
        while let Some((at, character)) = rest.next() {
            if escape_all
                || !is_printable(character)
                || is_break(character)
                || matches!(character, '"' | '\\')
            {
                let before = self.out.len();
                self.escape(character);
                column += self.out.len() - before;
                previous_space = false;
                continue;
            }
            let inside = at > 0 && at < text.len() - 1;
            if character == ' ' && folds && !previous_space && column > BEST_WIDTH && inside {
                self.indent(indent);
                column = indent;
                if rest.peek().is_some_and(|&(_, next)| next == ' ') {
                    self.out.push('\\');
                    column += 1;
                }
            } else {
                self.out.push(character);
                column += 1;
            }
            previous_space = character == ' ';
        }
        self.out.push('"');
    }

    fn escape(&mut self, character: char) {
        let short = match character {
            '\0' => "0",
            '\u{7}' => "a",
            '\u{8}' => "b",
            '\t' => "t",
            '\n' => "n",
            '\u{b}' => "v",
            '\u{c}' => "f",
            '\r' => "r",
            '\u{1b}' => "e",
            '"' => "\"",
            '\\' => "\\",
            '\u{85}' => "N",
            '\u{a0}' => "_",
            '\u{2028}' => "L",
            '\u{2029}' => "P",
            _ => "",
        };
        self.out.push('\\');
        let code = u32::from(character);
        match code {
            _ if !short.is_empty() => self.out.push_str(short),
            0..=0xff => write!(self.out, "x{code:02X}").expect(INFALLIBLE),
            0x100..=0xffff => write!(self.out, "u{code:04X}").expect(INFALLIBLE),
            _ => write!(self.out, "U{code:08X}").expect(INFALLIBLE),
        }
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.out.push('|');
        if text.starts_with(|first| first == ' ' || is_break(first)) {
            self.out.push('2');
        }
        let mut from_the_end = text.chars().rev();
        match (from_the_end.next().is_some_and(is_break), from_the_end.next().is_none_or(is_break)) {
            (false, _) => self.out.push('-'),
            (true, true) => self.out.push('+'),
            (true, false) => {}
        }
        self.out.push('\n');
        let mut at_start = true;
        for character in text.chars() {
            if is_break(character) {
                self.out.push(character);
                at_start = true;
                continue;
            }
            if at_start {
                self.out.extend(std::iter::repeat_n(' ', indent));
                at_start = false;
            }
            self.out.push(character);
        }
    }
}

/// Where a scalar stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before a colon on the same line: no folding, no blocks.
    SimpleKey,
    Block,
}

/// How a scalar is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

/// Which forms a text allows.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "four independent answers about one text")]
struct Analysis {
    multiline: bool,
    plain: bool,
    single_quoted: bool,
    block: bool,
}

impl Analysis {
    fn of(text: &str) -> Self {
        let Some(first) = text.bytes().next() else {
            return Self { multiline: false, plain: true, single_quoted: true, block: false };
        };
        if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'.' | b'-'))
            && first.is_ascii_alphanumeric()
        {
            return Self { multiline: false, plain: true, single_quoted: true, block: true };
        }
        Self::of_unusual(text)
    }

    fn of_unusual(text: &str) -> Self {
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut line_breaks, mut special) = (false, false);
        let (mut break_space, mut space_break) = (false, false);
        let (mut previous_space, mut previous_break) = (false, false);
        let mut after_whitespace = true;
        let mut characters = text.chars().peekable();
        let mut first = true;
        while let Some(character) = characters.next() {
            let before_whitespace = characters.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
            indicators |= is_indicator(character, first, after_whitespace, before_whitespace);
            special |= !is_printable(character);
            let (space, breaks) = (character == ' ', is_break(character));
            break_space |= space && previous_break;
            space_break |= breaks && previous_space;
            line_breaks |= breaks;
            (previous_space, previous_break) = (space, breaks);
            after_whitespace = space || breaks || matches!(character, '\t' | '\0');
            first = false;
        }
        let edge = |edge: Option<char>| edge.is_some_and(|edge| edge == ' ' || is_break(edge));
        let trailing_space = text.ends_with(' ');
        let unquotable = space_break || special;
        Self {
            multiline: line_breaks,
            plain: !(unquotable
                || break_space
                || line_breaks
                || indicators
                || edge(text.chars().next())
                || edge(text.chars().next_back())),
            single_quoted: !(unquotable || break_space),
            block: !(unquotable || trailing_space),
        }
    }

    fn form(self, text: &str, place: Place) -> Form {
        let wanted = if self.multiline && place == Place::SimpleKey {
            Form::DoubleQuoted
        } else if text.contains('\n') {
            Form::Literal
        } else if is_read_as_string(text) {
            Form::Plain
        } else {
            Form::DoubleQuoted
        };
        match wanted {
            Form::Plain if self.plain => Form::Plain,
            Form::Plain if self.single_quoted => Form::SingleQuoted,
            Form::Literal if self.block && place == Place::Block => Form::Literal,
            _ => Form::DoubleQuoted,
        }
    }
}

fn is_indicator(character: char, first: bool, after_whitespace: bool, before_whitespace: bool) -> bool {
    if first {
        return match character {
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
            | '`' => true,
            '?' | ':' | '-' => before_whitespace,
            _ => false,
        };
    }
    match character {
        ':' => before_whitespace,
        '#' => after_whitespace,
        _ => false,
    }
}

/// Whether the plain text would be read back as a string, by YAML 1.1 with its sexagesimal numbers.
fn is_read_as_string(text: &str) -> bool {
    resolve(text, Dialect::V2) == Implicit::String && !is_sexagesimal(text)
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`
fn is_sexagesimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|first: char| first.is_ascii_digit()) || !unsigned.contains(':') {
        return false;
    }
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut groups = whole.split(':');
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let minutes = |group: &str| match group.as_bytes() {
        [only] => only.is_ascii_digit(),
        [tens, ones] => (b'0'..=b'5').contains(tens) && ones.is_ascii_digit(),
        _ => false,
    };
    groups.next().is_some_and(digits) && groups.all(minutes) && digits(fraction)
}

/// What the emitter writes without an escape; tabs and everything beyond the basic plane are not.
fn is_printable(character: char) -> bool {
    matches!(character, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
