//! Puts values into Secrets, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroize;
use secrecy::{ExposeSecret as _, SecretBox};
use serde::Serialize;
use serde_json::{Map, Value};
use windlass_core::name::Digest;

use super::sources::Answer;
use super::stamp::{self, Contents};
use super::{DigestKey, Redactor, SealProblem, SealRefused, SecretKey, SecretSources, SecretValue};

/// Objects with the secret values in them, ready to be applied and for nothing else: not printed, not serialised, wiped when dropped.
pub struct Sealed {
    objects: SecretBox<Objects>,
    values: Vec<SecretValue>,
    digests: Vec<SealedValue>,
}

/// Where each placeholder's value would come from: the key with the source that has it, or what is wrong. No value leaves this function.
pub fn places(
    objects: &[Value],
    sources: &SecretSources,
    placeholder: &str,
) -> Vec<Result<(SecretKey, String), SealRefused>> {
    let (_, filled, problems) = fill(objects, sources, placeholder);
    let found = filled.into_iter().map(|filled| Ok((filled.at, filled.place)));
    let refused = |problem| Err(SealRefused { problems: vec![problem] });
    found.chain(problems.into_iter().map(refused)).collect()
}

/// What may be told of a value that was filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SealedValue {
    /// Where it went.
    pub at: SecretKey,
    /// Keyed digest of the value, its own for every place: equal to an earlier one if and only if the value is unchanged.
    pub digest: Digest,
}

impl Sealed {
    /// The objects with their values, for the client that applies them.
    pub fn expose(&self) -> &[Value] {
        &self.objects.expose_secret().0
    }

    /// What was filled in, by keyed digest, in the order of the objects.
    pub fn digests(&self) -> &[SealedValue] {
        &self.digests
    }

    /// The values that were filled in, each once.
    pub fn values(&self) -> &[SecretValue] {
        &self.values
    }

    /// Knows the values that were filled in.
    pub fn redactor(&self) -> Redactor {
        Redactor::new(&self.values)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objects = self.expose().len();
        formatter
            .debug_struct("Sealed")
            .field("objects", &objects)
            .field("digests", &self.digests)
            .finish_non_exhaustive()
    }
}

/// Replaces every placeholder by its value, and stamps the objects (see [`DIGEST_ANNOTATION`](super::DIGEST_ANNOTATION) and
/// [`SECRETS_ANNOTATION`](super::SECRETS_ANNOTATION)).
///
/// A placeholder is a whole value under `data` or `stringData` of a v1 Secret; under `data` it may be plain, as people write it, or in
/// base64, as generators do, and the value goes in as base64 either way. Which value it stands for is said by its key. Everything that
/// stays in the way is reported at once: values that no source has, empty ones, and placeholders anywhere else.
pub fn seal(
    objects: &[Value],
    sources: &SecretSources,
    placeholder: &str,
    key: &DigestKey,
) -> Result<Sealed, SealRefused> {
    let (mut objects, filled, problems) = fill(objects, sources, placeholder);
    if !problems.is_empty() {
        return Err(SealRefused { problems });
    }
    let mut contents = Contents::new();
    for object in objects.0.iter().filter(|object| is_secret(object)) {
        contents.add(object, |namespace, name| {
            filled.iter().any(|Filled { at, .. }| at.namespace.as_deref() == namespace && at.secret == name)
        });
    }
    stamp::stamp(&mut objects.0, &contents, key);
    let distinct: BTreeSet<_> = filled.iter().map(|filled| filled.value.expose()).collect();
    let values = distinct.into_iter().map(SecretValue::new).collect();
    let digests = filled.iter().map(|filled| digest(&filled.at, &filled.value, key)).collect();
    Ok(Sealed { objects: SecretBox::new(Box::new(objects)), values, digests })
}

/// Puts a value in for every placeholder that has one, and says what stays in the way.
fn fill(
    objects: &[Value],
    sources: &SecretSources,
    placeholder: &str,
) -> (Objects, Vec<Filled>, Vec<SealProblem>) {
    let placeholder = Placeholder::new(placeholder);
    let mut filling =
        Filling { sources, placeholder: &placeholder, filled: Vec::new(), problems: Vec::new() };
    let mut objects = Objects(objects.to_vec());
    for object in &mut objects.0 {
        filling.find_leftovers(object);
        if is_secret(object) {
            filling.fill(object);
        }
    }
    (objects, filling.filled, filling.problems)
}

fn digest(at: &SecretKey, value: &SecretValue, key: &DigestKey) -> SealedValue {
    let namespace = at.namespace.as_deref().unwrap_or_default();
    let place = [namespace, &at.secret, &at.key].map(str::as_bytes);
    SealedValue { at: at.clone(), digest: key.digest("value", place.into_iter().chain([value.expose()])) }
}

/// Rendered objects, some of which hold values.
struct Objects(Vec<Value>);

impl Zeroize for Objects {
    fn zeroize(&mut self) {
        self.0.iter_mut().filter(|object| is_secret(object)).for_each(wipe);
    }
}

/// Overwrites every text in a value.
pub(super) fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(map) => map.values_mut().for_each(wipe),
        _ => {}
    }
}

// A refusal drops objects that were half filled before they are boxed.
impl Drop for Objects {
    fn drop(&mut self) {
        self.zeroize();
    }
}

/// The text that stands for a value, and how to find it where it does not belong.
struct Placeholder {
    plain: String,
    base64: String,
    anywhere: Redactor,
}

impl Placeholder {
    fn new(text: &str) -> Self {
        let anywhere = Redactor::new([&SecretValue::new(text)]);
        Self { plain: text.to_owned(), base64: STANDARD.encode(text), anywhere }
    }

    /// Whether this value under `field` of a Secret stands for a value.
    fn is(&self, field: &str, value: &Value) -> bool {
        // Wrapped base64 is what generators write for long values.
        let unwrapped = |text: &str| text.split_ascii_whitespace().collect::<String>();
        value
            .as_str()
            .is_some_and(|text| text == self.plain || (field == "data" && unwrapped(text) == self.base64))
    }
}

/// The two fields of a Secret that hold values.
const FIELDS: [&str; 2] = ["data", "stringData"];

/// Values that are being filled in.
struct Filling<'a> {
    sources: &'a SecretSources,
    placeholder: &'a Placeholder,
    filled: Vec<Filled>,
    problems: Vec<SealProblem>,
}

/// A value that was found.
struct Filled {
    at: SecretKey,
    value: SecretValue,
    /// The source that has it.
    place: String,
}

impl Filling<'_> {
    fn fill(&mut self, secret: &mut Value) {
        let (namespace, name) = identity(secret);
        let at =
            |key: &str| SecretKey { namespace: namespace.clone(), secret: name.clone(), key: key.to_owned() };
        for field in FIELDS {
            let Some(entries) = secret.get_mut(field).and_then(Value::as_object_mut) else { continue };
            for (key, slot) in entries.iter_mut().filter(|(_, value)| self.placeholder.is(field, value)) {
                match self.value(at(key), field) {
                    Ok((filled, text)) => {
                        *slot = Value::String(text);
                        self.filled.push(filled);
                    }
                    Err(problem) => self.problems.push(problem),
                }
            }
        }
    }

    /// The value for a place, and the text that goes there.
    fn value(&self, at: SecretKey, field: &str) -> Result<(Filled, String), SealProblem> {
        if !is_legal_key(&at.key) {
            return Err(SealProblem::IllegalKey { at });
        }
        let (value, place) = match self.sources.find(&at.key) {
            Answer::Found { value, place } => (value, place),
            Answer::Unreadable { place, reason } => {
                return Err(SealProblem::Unreadable { at, place, reason });
            }
            Answer::Missing { tried } => return Err(SealProblem::Missing { at, tried }),
        };
        if value.expose().is_empty() {
            return Err(SealProblem::Empty { at, place });
        }
        if value.expose() == self.placeholder.plain.as_bytes() {
            return Err(SealProblem::Unreplaced { at, place });
        }
        let text = match (field, std::str::from_utf8(value.expose())) {
            ("data", _) => STANDARD.encode(value.expose()),
            (_, Ok(text)) => text.to_owned(),
            (_, Err(_)) => return Err(SealProblem::NotText { at, place }),
        };
        Ok((Filled { at, value, place }, text))
    }

    /// Placeholders that are no whole value of a Secret.
    fn find_leftovers(&mut self, object: &Value) {
        let mut paths = Vec::new();
        let is_replaced = |path: &[String], value: &Value| matches!(path, [field, _] if FIELDS.contains(&field.as_str()) && is_secret(object) && self.placeholder.is(field, value));
        walk(object, &mut Vec::new(), &mut |path, value| {
            let key = path.last().is_some_and(|part| self.placeholder.anywhere.finds(part));
            let text = value.as_str().is_some_and(|text| self.placeholder.anywhere.finds(text));
            if (key || text) && !is_replaced(path, value) {
                paths.push(shown(path));
            }
        });
        let object = described(object);
        self.problems
            .extend(paths.into_iter().map(|path| SealProblem::Leftover { object: object.clone(), path }));
    }
}

/// Visits a value and everything in it, with the path to it; places in lists are numbers in brackets.
fn walk(value: &Value, path: &mut Vec<String>, visit: &mut impl FnMut(&[String], &Value)) {
    visit(path, value);
    let inside: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(values) => {
            values.iter().enumerate().map(|(at, value)| (format!("[{at}]"), value)).collect()
        }
        _ => return,
    };
    for (part, value) in inside {
        path.push(part);
        walk(value, path, visit);
        path.pop();
    }
}

/// A path as people read it: `spec.containers[0].env[1].value`, `data["init.sql"]`.
fn shown(path: &[String]) -> String {
    path.iter().fold(String::new(), |text, part| match part {
        part if part.starts_with('[') => text + part,
        part if part.contains(['.', '/', ' ']) => format!("{text}[{part:?}]"),
        part if text.is_empty() => part.clone(),
        part => format!("{text}.{part}"),
    })
}

pub(super) fn is_secret(object: &Value) -> bool {
    object["apiVersion"] == "v1" && object["kind"] == "Secret"
}

/// Namespace and name of an object.
pub(super) fn identity(object: &Value) -> (Option<String>, String) {
    let text = |field: &str| object["metadata"][field].as_str().map(str::to_owned);
    (text("namespace"), text("name").unwrap_or_default())
}

fn described(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or("object");
    match identity(object) {
        (Some(namespace), name) => format!("{kind} `{namespace}/{name}`"),
        (None, name) => format!("{kind} `{name}`"),
    }
}

/// What Kubernetes allows as a key of a Secret (`IsConfigMapKey` of its validation): so also a file name without a way out of its folder.
fn is_legal_key(key: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !key.is_empty() && key.len() <= 253 && key.bytes().all(is_legal) && key != "." && !key.starts_with("..")
}

/// The values under `data` and `stringData`, the latter over the former, as the API server merges them.
pub(super) fn entries(secret: &Value) -> BTreeMap<String, SecretValue> {
    let field = |name: &str| secret.get(name).and_then(Value::as_object).into_iter().flat_map(Map::iter);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let decoded = |text: String| {
        STANDARD.decode(text.split_ascii_whitespace().collect::<String>()).unwrap_or(text.into_bytes())
    };
    let data = field("data").map(|(key, value)| (key.clone(), SecretValue::new(decoded(text(value)))));
    let plain = field("stringData").map(|(key, value)| (key.clone(), SecretValue::new(text(value))));
    data.chain(plain).collect()
}
