//! The JSON Schemas of events, made from the types that read them.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::envelope::SPECVERSION;
use super::{EventType, MAX_ATTRIBUTES};

/// The JSON Schema (draft 2020-12) of an event of this type in structured form, envelope and payload.
///
/// What it accepts is what [`super::Event::parse`] accepts, with `format` taken as an assertion, apart from size: a schema cannot count bytes.
pub fn schema(event_type: EventType) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let data = event_type.payload_schema(&mut settings.into_generator());
    let line = "^[^\\x00-\\x1f\\x7f-\\x9f]+$";
    let uri = json!({ "type": "string", "maxLength": 1024, "pattern": "^[!-~]+$" });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": event_type.as_str(),
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "propertyNames": { "pattern": "^[a-z0-9]{1,64}$" },
        "maxProperties": MAX_ATTRIBUTES,
        "properties": {
            "specversion": { "const": SPECVERSION },
            "id": { "type": "string", "maxLength": 256, "pattern": line },
            "source": uri,
            "type": { "const": event_type.as_str() },
            "subject": { "type": "string", "maxLength": 1024, "pattern": line },
            "time": {
                "type": "string",
                "format": "date-time",
                "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
            },
            "datacontenttype": { "enum": ["application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"] },
            "dataschema": uri,
            "data": data
        },
        "additionalProperties": {
            "description": "an extension attribute",
            "anyOf": [
                { "type": "string", "maxLength": 4096 },
                { "type": "boolean" },
                { "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX }
            ]
        }
    })
}
