//! The hash of a generated object's content, which becomes part of its name.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::error::{Problem, Result};
use crate::resource::Resource;
use crate::resources::Resources;
use crate::yaml::{Node, Text, Value};

/// Appends the hash to the names of all resources that want it.
pub(crate) fn add_to_names(resources: &mut Resources) -> Result<()> {
    for resource in resources.all_mut().iter_mut().filter(|resource| resource.needs_hash) {
        let hash = of(resource)?;
        resource.remember_id();
        let name = format!("{}-{hash}", resource.name());
        resource.set_name(&name);
    }
    Ok(())
}

/// The hash of a ConfigMap or Secret. The name does not take part: kustomize 5.8 looks for it in the wrong place.
fn of(resource: &Resource) -> Result<String> {
    let field = |name: &str| part(resource, name);
    let map = |name: &str| -> Result<Option<Value>> {
        Ok(field(name)?.filter(|value| matches!(value, Value::Map(_))))
    };
    let or_empty = |value: Option<Value>| value.unwrap_or_else(|| Value::String(Text::default()));
    let kind = resource.kind();
    let mut content: Vec<(Text, Value)> = vec![
        ("data".into(), or_empty(field("data")?)),
        ("kind".into(), Value::String(kind.into())),
        ("name".into(), Value::String(Text::default())),
    ];
    match kind {
        "ConfigMap" => content.extend(map("binaryData")?.map(|data| ("binaryData".into(), data))),
        "Secret" => {
            content.push(("type".into(), or_empty(field("type")?)));
            content.extend(map("stringData")?.map(|data| ("stringData".into(), data)));
        }
        _ => {
            return Problem::Refused {
                what: format!("a content hash in the name of a {kind}"),
                instead: "set `disableNameSuffixHash: true`, or commit what your own `kustomize build` prints",
            }
            .fail();
        }
    }
    let mut json = String::new();
    write_json(&Value::Map(content), &mut json);
    Ok(encoded(&Sha256::digest(json.as_bytes())))
}

fn part(resource: &Resource, field: &str) -> Result<Option<Value>> {
    match resource.node.get(field) {
        None => Ok(None),
        Some(Node::Scalar(scalar)) => Ok(Some(Value::String(scalar.text.clone()))),
        Some(node) => match Value::from_node(node) {
            Ok(value) => Ok(Some(value)),
            Err(source) => Problem::Unprintable { object: resource.id().to_string(), source }.fail(),
        },
    }
}

/// The first ten hexadecimal digits, with those replaced that could make a word.
fn encoded(digest: &[u8]) -> String {
    let hex = digest.iter().take(5).flat_map(|byte| [byte >> 4, byte & 0xf]);
    hex.map(|digit| match digit {
        0x0 => 'g',
        0x1 => 'h',
        0x3 => 'k',
        0xa => 'm',
        0xe => 't',
        digit => char::from_digit(u32::from(digit), 16).expect("four bits are one digit"),
    })
    .collect()
}

/// Go's `json.Marshal`: keys in byte order, `<`, `>` and `&` escaped.
pub(crate) fn write_json(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
        Value::Int(int) => out.push_str(&int.to_string()),
        Value::Unsigned(unsigned) => out.push_str(&unsigned.to_string()),
        Value::Float(float) => out.push_str(&crate::yaml::json_format(*float)),
        Value::String(text) => write_json_string(text, out),
        Value::List(list) => {
            out.push('[');
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_json(item, out);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by(|(left, _), (right, _)| left.cmp(right));
            out.push('{');
            for (at, (key, value)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_json_string(key, out);
                out.push(':');
                write_json(value, out);
            }
            out.push('}');
        }
    }
}

pub(crate) fn write_json_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(out, "\\u{:04x}", u32::from(character)).expect("writing to a string cannot fail");
            }
            character => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::read_resources;

    #[test]
    fn hashes_are_those_of_kustomize() {
        let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n";
        let resource = Resource::new(read_resources(text).unwrap().remove(0));
        assert_eq!(of(&resource).unwrap(), "4h2mbtbbt6");
    }
}
