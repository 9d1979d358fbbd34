//! docs/reference/events.md: every type of event and the members of its data, from the schemas that are shipped.

use std::fmt::Write as _;

use serde_json::Value;
use windlass_core::event::{EventType, schema};

use super::{hold, table};

fn page() -> String {
    let mut page = String::from(
        "# Events\n\nEvents are [CloudEvents](https://cloudevents.io) 1.0 in JSON. `source` and `id` are an event's identity: one that is sent twice \
         is taken once, for 30 days.\n`windlass schema TYPE` prints the JSON Schema of a type, which is what events are checked by; members that it does \
         not name are refused.\nEach has `specversion` (`1.0`), `id`, `source`, `type` and `data`, and may have `subject`, `time` and extension attributes.\n",
    );
    for event_type in EventType::ALL {
        let schema = schema(*event_type);
        let data = &schema["properties"]["data"];
        let meaning = data["description"].as_str().expect("every type says what happened");
        write!(page, "\n## {event_type}\n\n{meaning}\n").expect("a string takes all");
        let mut rows = Vec::new();
        members(data, "", &mut rows);
        table(&mut page, ["member of `data`", "type", "required", ""], &rows);
    }
    page
}

/// The members of an object and of the objects in it, by their path.
fn members(object: &Value, path: &str, rows: &mut Vec<[String; 4]>) {
    let required: Vec<&str> =
        object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, member) in object["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}{name}");
        let meaning = member["description"].as_str().expect("every member says what it is");
        let needed = if required.contains(&name.as_str()) { "yes" } else { "" };
        rows.push([format!("`{path}`"), kind(member), needed.to_owned(), meaning.to_owned()]);
        members(member, &format!("{path}."), rows);
        members(&member["items"], &format!("{path}[]."), rows);
    }
}

/// Such as `string`, `array of string`, or the words that are taken.
fn kind(member: &Value) -> String {
    let alternatives = member["oneOf"].as_array().into_iter().flatten().map(|one| &one["const"]);
    let words: Vec<_> = alternatives.filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
    if !words.is_empty() {
        return words.join(", ");
    }
    let names = match &member["type"] {
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect()
        }
        one => one.as_str().into_iter().collect::<Vec<_>>(),
    };
    let name = names.join(" or ");
    if name == "array" { format!("array of {}", kind(&member["items"])) } else { name }
}

#[test]
fn the_page_of_events_is_what_the_schemas_say() {
    hold("events.md", &page());
}
