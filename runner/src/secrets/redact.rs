//! Takes secret values out of text.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};

use super::SecretValue;

/// Shorter values are not searched for: they would be found in half of all words.
const SHORTEST: usize = 4;

/// A shorter piece of base64 is found by chance.
const SHORTEST_BASE64: usize = 6;

/// Lines of a value are searched for alone when they have this length: logs are cut into lines, and so are the values in them.
const SHORTEST_LINE: usize = 16;

/// Finds known values in text that came from outside — answers of servers, logs of containers, output of programs — and replaces them by
/// `«redacted»`.
///
/// A value is found as it is, in base64 (both alphabets, at any offset inside of something longer), percent-encoded, and as JSON or Go
/// quote it; long lines of a value are found alone as well. Values of fewer than four bytes are not searched for. Text in which a value was
/// cut in two by something else, or changed in case, is not recognised.
///
/// Nothing of what it searches for is printed, but it holds the values in plain memory for as long as it lives.
#[derive(Clone)]
pub struct Redactor {
    needles: Option<AhoCorasick>,
    marker: String,
}

impl Redactor {
    /// Knows these values.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a SecretValue>) -> Self {
        let needles: BTreeSet<String> = values.into_iter().flat_map(|value| forms(value.expose())).collect();
        let marker = marker(&needles);
        // Building fails only beyond four thousand million states, which no set of Secrets of one MiB each reaches.
        let build = |needles| {
            AhoCorasick::new(needles).expect("the values of a run are fewer than automata can hold")
        };
        Self { needles: (!needles.is_empty()).then(|| build(&needles)), marker }
    }

    /// The text without the values.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let spans = self.spans(text);
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        let (mut redacted, mut at) = (String::with_capacity(text.len()), 0);
        for (start, end) in spans {
            redacted.push_str(&text[at..start]);
            redacted.push_str(&self.marker);
            at = end;
        }
        redacted.push_str(&text[at..]);
        Cow::Owned(redacted)
    }

    /// Whether the text holds a value.
    pub fn finds(&self, text: &str) -> bool {
        self.needles.as_ref().is_some_and(|needles| needles.is_match(text))
    }

    /// The parts of the text that belong to a value. Values can overlap, and then no part of either stays.
    fn spans(&self, text: &str) -> Vec<(usize, usize)> {
        let Some(needles) = &self.needles else { return Vec::new() };
        let mut found: Vec<_> =
            needles.find_overlapping_iter(text).map(|found| (found.start(), found.end())).collect();
        found.sort_unstable();
        let mut spans: Vec<(usize, usize)> = Vec::new();
        for (start, end) in found {
            match spans.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => spans.push((start, end)),
            }
        }
        spans
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Redactor(…)")
    }
}

/// Every text by which a value is recognised.
fn forms(value: &[u8]) -> Vec<String> {
    if value.len() < SHORTEST {
        return Vec::new();
    }
    let mut forms = base64_forms(value);
    forms.extend(percent_forms(value));
    if let Ok(text) = std::str::from_utf8(value) {
        let lines = text.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE && *line != text);
        for text in std::iter::once(text).chain(lines) {
            forms.push(text.to_owned());
            forms.extend(quoted_forms(text));
        }
    }
    forms
}

/// As JSON writes it, and as Go's JSON does, which escapes what HTML could read (Kubernetes' answers are written by Go).
fn quoted_forms(text: &str) -> [String; 2] {
    let json = serde_json::Value::from(text).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let go = json
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029");
    [json, go]
}

/// With everything escaped that is not unreserved (RFC 3986), in both cases of hexadecimal, and as forms send it, with `+` for a space.
fn percent_forms(value: &[u8]) -> [String; 3] {
    let escape = |uppercase: bool| {
        value.iter().fold(String::new(), |text, byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text + &char::from(*byte).to_string()
            }
            _ if uppercase => text + &format!("%{byte:02X}"),
            _ => text + &format!("%{byte:02x}"),
        })
    };
    let upper = escape(true);
    let form = upper.replace("%20", "+");
    [upper, escape(false), form]
}

/// In base64, alone and inside of something longer. Three bytes make four characters, so a value has three shapes by where it begins;
/// characters that it shares with its neighbours are left out, and with them at most six bits of the value at either end.
fn base64_forms(value: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for alphabet in [&alphabet::STANDARD, &alphabet::URL_SAFE] {
        let engine = GeneralPurpose::new(alphabet, NO_PAD);
        for offset in 0..3 {
            let bytes = [&[0; 2][..offset], value].concat();
            let text = engine.encode(&bytes);
            let whole = &text[(offset * 8).div_ceil(6)..bytes.len() * 8 / 6];
            if whole.len() >= SHORTEST_BASE64 {
                forms.push(whole.to_owned());
            }
        }
        let alone = engine.encode(value);
        let padding = "=".repeat((4 - alone.len() % 4) % 4);
        forms.extend([format!("{alone}{padding}"), alone]);
    }
    forms
}

/// What stands for a value: a text that holds no value, and whose ends are in none, so that no value can arise around it either.
fn marker(needles: &BTreeSet<String>) -> String {
    let is_safe = |marker: &String| {
        let ends = [marker.chars().next(), marker.chars().last()].map(Option::unwrap_or_default);
        !needles.iter().any(|needle| marker.contains(needle.as_str()) || needle.contains(ends))
    };
    let plain = ["«redacted»", "█redacted█", "██"].map(str::to_owned).into_iter();
    // Values that hold all of these characters are nobody's password, but the promise holds for them too.
    let private = ('\u{e000}'..='\u{f8ff}').map(String::from);
    plain.chain(private).find(is_safe).unwrap_or_default()
}
