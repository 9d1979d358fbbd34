//! The envelope: CloudEvents 1.0 attributes around a payload.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::error::shortened;
use super::{Event, EventError, EventIdentity, EventType, Extension, MAX_ATTRIBUTES, MAX_EVENT_BYTES};
use crate::document::nearest::nearest;

/// The attributes that the specification defines; every other one is an extension.
const ATTRIBUTES: [&str; 9] =
    ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"];

/// The only version that is read: 1.0.1 and 1.0.2 carry the same word.
pub(super) const SPECVERSION: &str = "1.0";

pub(super) fn parse(text: &[u8]) -> Result<Event, EventError> {
    if text.len() > MAX_EVENT_BYTES {
        return Err(EventError::TooLarge { bytes: text.len() });
    }
    let value: Value = serde_json::from_slice(text).map_err(EventError::NotJson)?;
    let Value::Object(mut members) = value else {
        return Err(EventError::unexpected(".", &value, "an object with the attributes of a CloudEvent"));
    };
    if members.len() > MAX_ATTRIBUTES {
        return Err(EventError::TooManyAttributes { attributes: members.len() });
    }
    let attributes = Attributes(&members);
    attributes.specversion()?;
    let source = attributes.required(
        "source",
        "a URI reference without spaces, of at most 1024 characters",
        is_source,
    )?;
    let id = attributes.required("id", "one line of 1 to 256 characters", is_id)?;
    let event_type = attributes.event_type()?;
    let subject = attributes.optional("subject", "one line of 1 to 1024 characters", is_subject)?;
    let dataschema =
        attributes.optional("dataschema", "a URI without spaces, of at most 1024 characters", is_source)?;
    attributes.optional("datacontenttype", "`application/json`", is_json)?;
    let time = attributes.time()?;
    let extensions = attributes.extensions()?;
    let data = members.remove("data").ok_or_else(|| EventError::missing("data", "an object"))?;
    if !data.is_object() {
        return Err(EventError::unexpected("data", &data, "an object"));
    }
    let data = payload(event_type, data)?;
    Ok(Event { identity: EventIdentity { source, id }, subject, time, dataschema, extensions, data })
}

fn payload(event_type: EventType, data: Value) -> Result<super::EventData, EventError> {
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(data, &mut track);
    event_type.payload(tracked).map_err(|error| {
        let path = match track.path().to_string().as_str() {
            "." => "data".to_owned(),
            path => format!("data.{}", shortened(path, 200)),
        };
        EventError::Payload {
            path,
            event_type: event_type.to_string(),
            problem: shortened(&error.to_string(), 300),
        }
    })
}

/// The members of the envelope while they are read.
struct Attributes<'a>(&'a Map<String, Value>);

impl Attributes<'_> {
    fn specversion(&self) -> Result<(), EventError> {
        match self.0.get("specversion") {
            None => Err(EventError::missing("specversion", format!("`{SPECVERSION}`"))),
            Some(Value::String(version)) if version == SPECVERSION => Ok(()),
            Some(other) => Err(EventError::unexpected("specversion", other, format!("`{SPECVERSION}`"))),
        }
    }

    fn event_type(&self) -> Result<EventType, EventError> {
        let expected = "the type of the event, such as `dev.windlass.push`";
        let name = self.required("type", expected, |_| true)?;
        let exact = EventType::ALL.iter().copied().find(|known| known.as_str() == name);
        exact.ok_or_else(|| EventError::UnknownType {
            found: shortened(&name, 100),
            nearest: EventType::named(&name)
                .map(EventType::as_str)
                .or_else(|| nearest(&name, EventType::ALL.iter().map(|known| known.as_str()))),
        })
    }

    fn required(&self, name: &str, expected: &str, is_valid: fn(&str) -> bool) -> Result<String, EventError> {
        let found = self.optional(name, expected, is_valid)?;
        found.ok_or_else(|| EventError::missing(name, expected))
    }

    fn optional(
        &self,
        name: &str,
        expected: &str,
        is_valid: fn(&str) -> bool,
    ) -> Result<Option<String>, EventError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if is_valid(text) => Ok(Some(text.clone())),
            Some(other) => Err(EventError::unexpected(name, other, expected)),
        }
    }

    fn time(&self) -> Result<Option<Timestamp>, EventError> {
        const EXPECTED: &str = "a time as RFC 3339 writes it, such as `2026-11-20T17:57:00Z`";
        let Some(text) = self.optional("time", EXPECTED, is_rfc_3339)? else { return Ok(None) };
        let instant = text.parse();
        instant.map(Some).map_err(|_| EventError::unexpected("time", &Value::String(text), EXPECTED))
    }

    fn extensions(&self) -> Result<BTreeMap<String, Extension>, EventError> {
        let members = self.0.iter().filter(|(name, _)| !ATTRIBUTES.contains(&name.as_str()));
        members.map(|(name, value)| Ok((name.clone(), extension(name, value)?))).collect()
    }
}

/// An extension attribute. CloudEvents allow lower-case letters and digits in its name; text, truths and 32-bit numbers as its value.
fn extension(name: &str, value: &Value) -> Result<Extension, EventError> {
    let is_name = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let path = shortened(name, 64);
    if !is_name {
        let expected = "no such member: attributes are named with lower-case letters and digits, and payloads are under `data`";
        return Err(EventError::unexpected(&path, value, expected));
    }
    let extension = match value {
        Value::String(text) if text.chars().take(4097).count() <= 4096 => Some(Extension::Text(text.clone())),
        Value::Bool(truth) => Some(Extension::Truth(*truth)),
        Value::Number(number) => whole_number(number).map(Extension::Number),
        _ => None,
    };
    let expected = "text of at most 4096 characters, a truth or a whole number of 32 bits";
    extension.ok_or_else(|| EventError::unexpected(&path, value, expected))
}

/// JSON knows one kind of number: `1.0` is as whole as `1`.
fn whole_number(number: &serde_json::Number) -> Option<i32> {
    let value = number.as_f64().filter(|value| value.fract() == 0.0)?;
    let is_in_range = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to be whole and in range in the lines above"
    )]
    is_in_range.then_some(value as i32)
}

fn is_source(text: &str) -> bool {
    (1..=1024).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_id(text: &str) -> bool {
    (1..=256).contains(&text.chars().take(257).count()) && !text.chars().any(char::is_control)
}

fn is_subject(text: &str) -> bool {
    (1..=1024).contains(&text.chars().take(1025).count()) && !text.chars().any(char::is_control)
}

fn is_json(text: &str) -> bool {
    matches!(text, "application/json" | "application/json; charset=utf-8" | "application/json;charset=utf-8")
}

/// `2026-11-20T17:57:00.123+01:00`, no shorter and no other form. Whether the date exists is not looked at.
fn is_rfc_3339(text: &str) -> bool {
    let Some((clock, rest)) = text.split_at_checked(19) else { return false };
    let shape = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(found, expected)| match expected {
                b'0' => found.is_ascii_digit(),
                _ => found == expected,
            })
    };
    let (fraction, offset) = match rest.strip_prefix('.') {
        None => (None, rest),
        Some(behind) => {
            let end = behind.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(behind.len());
            (Some(end), &behind[end..])
        }
    };
    let is_offset = |sign: &str| {
        offset
            .strip_prefix(sign)
            .is_some_and(|offset| shape(offset, "00:00") && offset < "24:00" && &offset[3..] < "60")
    };
    shape(clock, "0000-00-00T00:00:00")
        && &clock[17..] < "60"
        && fraction.is_none_or(|digits| (1..=9).contains(&digits))
        && (offset == "Z" || is_offset("+") || is_offset("-"))
}

pub(super) fn to_json(event: &Event) -> Value {
    let mut members = Map::new();
    let mut insert = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(name.to_owned(), value);
        }
    };
    insert("specversion", Some(json!(SPECVERSION)));
    insert("id", Some(json!(event.identity.id)));
    insert("source", Some(json!(event.identity.source)));
    insert("type", Some(json!(event.event_type().as_str())));
    insert("subject", event.subject.as_ref().map(|subject| json!(subject)));
    insert("time", event.time.map(|time| json!(time)));
    insert("datacontenttype", Some(json!("application/json")));
    insert("dataschema", event.dataschema.as_ref().map(|dataschema| json!(dataschema)));
    for (name, value) in &event.extensions {
        insert(name, Some(json!(value)));
    }
    insert("data", Some(json!(event.data)));
    Value::Object(members)
}
