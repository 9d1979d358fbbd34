//! Objects as typed clients send them, in protobuf (`application/vnd.kubernetes.protobuf`), read as the JSON that says the same.
//!
//! Which number means which field is in `fields.txt`, which `extract` takes from the Go types of Kubernetes; what a field is, the schemas say.
//! Kinds that are not there, custom resources and their definitions, are never sent so by a client.

mod wire;

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::objects::meta;
use crate::schema;
use wire::{Malformed, Wire, fields};

/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";

/// The numbers of fields, by type.
const FIELDS: &str = include_str!("fields.txt");

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// Why a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProtobufError {
    /// It is of a kind whose fields are not known.
    #[error("`{kind}` of `{api_version}` cannot be read from protobuf")]
    UnknownKind { api_version: String, kind: String },
    /// It is not what it says.
    #[error("the body is not protobuf of Kubernetes")]
    Malformed,
}

impl From<Malformed> for ProtobufError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// What a number means in a type.
#[derive(Debug)]
enum Field {
    /// A field of this name. JSON leaves its zero out, or not.
    Named { name: &'static str, drops_zero: bool },
    /// The fields of this type stand in its place in JSON.
    Inlined(&'static str),
}

/// Reads an object, with its version and kind.
pub(crate) fn decode(body: &[u8]) -> Result<Value, ProtobufError> {
    let envelope = body.strip_prefix(MAGIC).ok_or(Malformed)?;
    let (mut of, mut raw): (&[u8], &[u8]) = (&[], &[]);
    for field in fields(envelope) {
        match field? {
            (1, wire) => of = wire.bytes()?,
            (2, wire) => raw = wire.bytes()?,
            _ => {}
        }
    }
    let (mut api_version, mut kind) = (String::new(), String::new());
    for field in fields(of) {
        match field? {
            (1, wire) => wire.text()?.clone_into(&mut api_version),
            (2, wire) => wire.text()?.clone_into(&mut kind),
            _ => {}
        }
    }
    let Some(definition) = definition_of(&api_version, &kind) else {
        return Err(ProtobufError::UnknownKind { api_version, kind });
    };
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    object.append(&mut message(definition, raw)?);
    Ok(Value::Object(object))
}

/// The definition of a kind, whose options have the version of what they are about.
fn definition_of(api_version: &str, kind: &str) -> Option<&'static str> {
    let (group, version) = api_version.split_once('/').unwrap_or(("core", api_version));
    let family = group.split('.').next().unwrap_or(group);
    let own = format!("io.k8s.api.{family}.{version}.{kind}");
    [own, format!("{META}.{kind}")].iter().find_map(|name| Some(*numbers().get_key_value(name.as_str())?.0))
}

fn message(definition: &str, bytes: &[u8]) -> Result<Map<String, Value>, Malformed> {
    let mut object = Map::new();
    let schema = schema::published(definition).ok_or(Malformed)?;
    fill(&mut object, definition, &schema["properties"], bytes)?;
    Ok(object)
}

/// Adds the fields of a type. Unknown ones are those of newer clients, which a server passes over.
fn fill(
    object: &mut Map<String, Value>,
    of: &str,
    properties: &Value,
    bytes: &[u8],
) -> Result<(), Malformed> {
    let numbers = numbers().get(of).ok_or(Malformed)?;
    for field in fields(bytes) {
        let (number, wire) = field?;
        match numbers.get(&number) {
            None => {}
            Some(Field::Inlined(inner)) => fill(object, inner, properties, wire.bytes()?)?,
            Some(Field::Named { name, drops_zero }) => {
                let schema = properties.get(name).ok_or(Malformed)?;
                add(object.entry(*name).or_insert(Value::Null), schema, wire)?;
                let is_left_out = object[*name].is_null() || *drops_zero && is_zero(&object[*name]);
                if is_left_out {
                    object.shift_remove(*name);
                }
            }
        }
    }
    Ok(())
}

fn is_zero(value: &Value) -> bool {
    value == "" || value == 0 || value == false
}

/// Puts what is read into a field: lists and maps come entry by entry.
fn add(field: &mut Value, schema: &Value, wire: Wire<'_>) -> Result<(), Malformed> {
    if schema["type"] == "array" {
        if field.is_null() {
            *field = Value::Array(Vec::new());
        }
        field.as_array_mut().ok_or(Malformed)?.push(value(&schema["items"], wire)?);
    } else if let Some(of) = schema.get("additionalProperties") {
        if field.is_null() {
            *field = Value::Object(Map::new());
        }
        let (key, entry) = entry(of, wire.bytes()?)?;
        field.as_object_mut().ok_or(Malformed)?.insert(key, entry);
    } else {
        *field = value(schema, wire)?;
    }
    Ok(())
}

/// An entry of a map. What is empty is left out of it.
fn entry(of: &Value, bytes: &[u8]) -> Result<(String, Value), Malformed> {
    let (mut key, mut content) = (String::new(), Wire::Bytes(&[]));
    for field in fields(bytes) {
        match field? {
            (1, wire) => wire.text()?.clone_into(&mut key),
            (2, wire) => content = wire,
            _ => {}
        }
    }
    Ok((key, value(of, content)?))
}

fn value(schema: &Value, wire: Wire<'_>) -> Result<Value, Malformed> {
    let reference = schema["$ref"].as_str().or(schema["allOf"][0]["$ref"].as_str());
    if let Some(name) = reference.and_then(|path| path.rsplit('/').next()) {
        return referred(name, wire);
    }
    match schema["type"].as_str() {
        Some("string") if schema["format"] == "byte" => Ok(STANDARD.encode(wire.bytes()?).into()),
        Some("string") => Ok(wire.text()?.into()),
        Some("integer") => Ok(wire.number()?.into()),
        Some("boolean") => Ok((wire.number()? != 0).into()),
        _ => Err(Malformed),
    }
}

/// A type with a name: some of them are one value in JSON and a message here.
fn referred(name: &str, wire: Wire<'_>) -> Result<Value, Malformed> {
    let bytes = wire.bytes()?;
    match name.rsplit('.').next().unwrap_or_default() {
        "Quantity" => Ok(only(bytes)?.map_or("0", |text| text).into()),
        "IntOrString" => int_or_string(bytes),
        "Time" => Ok(moment(bytes)?.map_or(Value::Null, |moment| meta::moment(moment).into())),
        "MicroTime" => Ok(moment(bytes)?.map_or(Value::Null, |moment| format!("{moment:.6}").into())),
        "RawExtension" | "FieldsV1" => match only(bytes)? {
            Some(json) => serde_json::from_str(json).map_err(|_| Malformed),
            None => Ok(Value::Null),
        },
        _ => Ok(Value::Object(message(name, bytes)?)),
    }
}

/// The text that is the first field, and all there is to it.
fn only(bytes: &[u8]) -> Result<Option<&str>, Malformed> {
    let mut found = None;
    for field in fields(bytes) {
        if let (1, wire) = field? {
            found = Some(wire.text()?);
        }
    }
    Ok(found)
}

/// Type 0 is a number, type 1 a text; both are sent.
fn int_or_string(bytes: &[u8]) -> Result<Value, Malformed> {
    let (mut is_text, mut number, mut text) = (false, 0, "");
    for field in fields(bytes) {
        match field? {
            (1, wire) => is_text = wire.number()? != 0,
            (2, wire) => number = wire.number()?,
            (3, wire) => text = wire.text()?,
            _ => {}
        }
    }
    Ok(if is_text { text.into() } else { number.into() })
}

/// Seconds since 1970, and nanoseconds; a time that is not set has neither.
fn moment(bytes: &[u8]) -> Result<Option<Timestamp>, Malformed> {
    let (mut seconds, mut nanoseconds) = (None, 0);
    for field in fields(bytes) {
        match field? {
            (1, wire) => seconds = Some(wire.number()?),
            (2, wire) => nanoseconds = i32::try_from(wire.number()?).map_err(|_| Malformed)?,
            _ => {}
        }
    }
    let moment = seconds.map(|seconds| Timestamp::new(seconds, nanoseconds));
    moment.transpose().map_err(|_| Malformed)
}

type Numbers = BTreeMap<&'static str, HashMap<u32, Field>>;

fn numbers() -> &'static Numbers {
    static NUMBERS: OnceLock<Numbers> = OnceLock::new();
    NUMBERS.get_or_init(|| FIELDS.lines().map(numbers_of).collect())
}

fn numbers_of(line: &'static str) -> (&'static str, HashMap<u32, Field>) {
    let mut words = line.split(' ');
    let name = words.next().expect("a line begins with a type");
    (name, words.map(field_of).collect())
}

fn field_of(word: &'static str) -> (u32, Field) {
    let sign = word.find(['=', '?', '>']).expect("a number is followed by its sign");
    let (number, rest) = (word[..sign].parse().expect("a field begins with its number"), &word[sign + 1..]);
    let field = match word.as_bytes()[sign] {
        b'>' => Field::Inlined(rest),
        sign => Field::Named { name: rest, drops_zero: sign == b'?' },
    };
    (number, field)
}

#[cfg(test)]
mod tests;
