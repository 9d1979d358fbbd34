//! JSON patches (RFC 6902), as the Go library applies them that kustomize uses.

use crate::error::{Problem, Result};
use crate::resource::Resource;
use crate::yaml::{Dialect, Duplicates, Limits, Text, Value, parse_document};

/// A list of operations.
#[derive(Debug)]
pub(crate) struct JsonPatch {
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Operation {
    name: Text,
    path: Option<Text>,
    from: Option<Text>,
    value: Option<Value>,
}

impl JsonPatch {
    /// Reads operations from JSON, or from YAML 1.1 if the text does not start like a JSON list.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let value = if text.starts_with('[') {
            let json: serde_json::Value =
                serde_json::from_str(text).or_else(|error| fail(&format!("is not valid JSON: {error}")))?;
            from_json(&json)
        } else {
            let node = parse_document(text, 1, Dialect::V2, Duplicates::LastWins, Limits::default())?;
            match node.filter(|node| !node.is_null()) {
                None => Value::List(Vec::new()),
                Some(node) => Value::from_node(&node)
                    .or_else(|problem| fail(&format!("has no JSON form: {problem}")))?,
            }
        };
        let Value::List(items) = value else { return fail("is not a list of operations") };
        Ok(Self { operations: items.into_iter().map(Operation::read).collect::<Result<_>>()? })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Applies all operations to a resource, which goes through JSON on the way.
    pub(crate) fn apply(&self, resource: &mut Resource) -> Result<()> {
        let object = resource.id().to_string();
        let internal = resource.internal_annotations();
        // Patches meet the annotations kustomize keeps; without any there is no map to add others to.
        let shown = if internal.is_empty() { None } else { Some(resource.with_internal_annotations()) };
        let mut value = Value::from_node(&shown.as_ref().unwrap_or(resource).node)
            .map_err(|source| Problem::Unprintable { object: object.clone(), source })?;
        for operation in &self.operations {
            if let Err(reason) = operation.apply(&mut value) {
                let path = operation.path.as_deref().unwrap_or_default();
                return Problem::Transformation {
                    object,
                    reason: format!("the operation `{}` on `{path}` fails: {reason}", operation.name),
                }
                .fail();
            }
        }
        if !matches!(value, Value::Map(_)) {
            return Problem::Transformation { object, reason: "the patch leaves no object".to_owned() }
                .fail();
        }
        resource.node = value.to_node();
        let mut annotations = resource.annotations();
        annotations.retain(|key, _| !internal.contains_key(key));
        resource.set_annotations(&annotations);
        Ok(())
    }
}

fn fail<T>(reason: &str) -> Result<T> {
    Problem::Patch { patch: "of JSON operations".to_owned(), reason: reason.to_owned() }.fail()
}

/// The value in the order of the output.
fn from_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(bool) => Value::Bool(*bool),
        serde_json::Value::String(text) => Value::String(text.into()),
        serde_json::Value::Array(items) => Value::List(items.iter().map(from_json).collect()),
        serde_json::Value::Object(entries) => {
            Value::Map(entries.iter().map(|(key, value)| (key.into(), from_json(value))).collect())
        }
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Value::Int(int),
            (None, Some(unsigned)) => Value::Unsigned(unsigned),
            _ => Value::Float(number.as_f64().unwrap_or_default()),
        },
    }
}

/// Why an operation fails.
type Outcome<T = ()> = std::result::Result<T, &'static str>;

impl Operation {
    fn read(value: Value) -> Result<Self> {
        let Value::Map(entries) = value else { return fail("has an operation that is not a map") };
        let mut operation = Self { name: Text::default(), path: None, from: None, value: None };
        for (key, value) in entries {
            match (key.as_str(), value) {
                ("op", Value::String(text)) => operation.name = text,
                ("path", Value::String(text)) => operation.path = Some(text),
                ("from", Value::String(text)) => operation.from = Some(text),
                ("value", value) => operation.value = Some(value),
                ("op" | "path" | "from", _) => {
                    return fail("has an operation whose `op`, `path` or `from` is no string");
                }
                _ => {}
            }
        }
        Ok(operation)
    }

    fn apply(&self, document: &mut Value) -> Outcome {
        let path = self.path.as_deref().ok_or("it has no path")?;
        let value = || self.value.clone().unwrap_or(Value::Null);
        let from = || self.from.as_deref().ok_or("it has no `from`");
        match self.name.as_str() {
            "add" => add(document, path, value()),
            "remove" => remove(document, path).map(drop),
            "replace" => replace(document, path, value()),
            "move" => {
                let moved = remove(document, from()?)?;
                add(document, path, moved)
            }
            "copy" => {
                let copied = get(document, from()?)?.ok_or("there is nothing at `from`")?.clone();
                add(document, path, copied)
            }
            "test" => test(document, path, &value()),
            _ => Err("it is unknown"),
        }
    }
}

/// The container a pointer leads into, and the last part of the pointer.
fn container<'v>(document: &'v mut Value, pointer: &str) -> Outcome<(&'v mut Value, String)> {
    let mut parts = pointer.split('/').map(decoded);
    parts.next();
    let mut parts: Vec<String> = parts.collect();
    let last = parts.pop().ok_or("the path is empty")?;
    let container = parts.iter().try_fold(document, |value, part| child_mut(value, part));
    Ok((container.ok_or("what should hold it is missing")?, last))
}

fn decoded(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

fn child_mut<'v>(value: &'v mut Value, part: &str) -> Option<&'v mut Value> {
    match value {
        Value::Map(entries) => entries.iter_mut().find(|(key, _)| key == part).map(|(_, value)| value),
        Value::List(items) => {
            let at = position(part, items.len())?;
            items.get_mut(at)
        }
        _ => None,
    }
}

/// An index into a list; a negative one counts from the end.
fn position(part: &str, length: usize) -> Option<usize> {
    let index: isize = part.parse().ok()?;
    if index < 0 { length.checked_add_signed(index) } else { usize::try_from(index).ok() }
}

fn get<'v>(document: &'v mut Value, pointer: &str) -> Outcome<Option<&'v mut Value>> {
    let (container, last) = container(document, pointer)?;
    Ok(child_mut(container, &last))
}

fn add(document: &mut Value, pointer: &str, value: Value) -> Outcome {
    match container(document, pointer)? {
        (Value::Map(entries), key) => {
            match entries.iter_mut().find(|(name, _)| *name == key) {
                Some((_, old)) => *old = value,
                None => entries.push((key.into(), value)),
            }
            Ok(())
        }
        (Value::List(items), key) if key == "-" => {
            items.push(value);
            Ok(())
        }
        (Value::List(items), key) => {
            // The list is one longer once the value is in it.
            let at = match key.parse::<isize>() {
                Ok(index) if index < 0 => items.len().checked_add_signed(index),
                _ => position(&key, items.len()),
            };
            match at.filter(|&at| at <= items.len()) {
                Some(at) => {
                    items.insert(at, value);
                    Ok(())
                }
                None => Err("the index is not in the list"),
            }
        }
        _ => Err("what should hold it is neither a map nor a list"),
    }
}

fn remove(document: &mut Value, pointer: &str) -> Outcome<Value> {
    match container(document, pointer)? {
        (Value::Map(entries), key) => {
            let at = entries.iter().position(|(name, _)| *name == key);
            at.map(|at| entries.remove(at).1).ok_or("there is nothing to remove")
        }
        (Value::List(items), key) => {
            let at = position(&key, items.len()).filter(|&at| at < items.len());
            at.map(|at| items.remove(at)).ok_or("the index is not in the list")
        }
        _ => Err("what should hold it is neither a map nor a list"),
    }
}

fn replace(document: &mut Value, pointer: &str, value: Value) -> Outcome {
    match get(document, pointer)? {
        Some(old) => {
            *old = value;
            Ok(())
        }
        None => Err("there is nothing to replace"),
    }
}

fn test(document: &mut Value, pointer: &str, expected: &Value) -> Outcome {
    let equal = match get(document, pointer)? {
        None => matches!(expected, Value::Null),
        Some(found) => is_equal(found, expected),
    };
    if equal { Ok(()) } else { Err("the value is another one") }
}

/// Equality of JSON, in which the order of keys means nothing.
fn is_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Map(left), Value::Map(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| {
                    right.iter().any(|(other, other_value)| key == other && is_equal(value, other_value))
                })
        }
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| is_equal(left, right))
        }
        (left, right) => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::read_resources;

    fn check(patch: &str, expected: Option<&str>) {
        let text = "apiVersion: v1\nkind: A\nmetadata: {name: a}\nlist: [1, 2]\nmap: {a/b: x}\n";
        let mut resource = Resource::new(read_resources(text).unwrap().remove(0));
        let applied = JsonPatch::parse(patch).and_then(|patch| patch.apply(&mut resource));
        let json = applied.ok().map(|()| {
            let value = Value::from_node(&resource.node).unwrap();
            let json = serde_json::Value::from(&value);
            format!("{} {}", json["list"], json["map"])
        });
        assert_eq!(json.as_deref(), expected, "{patch}");
    }

    #[test]
    fn operations_change_the_object() {
        check(r#"[{"op": "add", "path": "/list/-", "value": 3}]"#, Some(r#"[1,2,3] {"a/b":"x"}"#));
        check("- {op: add, path: /list/0, value: yes}", Some(r#"[true,1,2] {"a/b":"x"}"#));
        check("- {op: replace, path: /map/a~1b, value: z}", Some(r#"[1,2] {"a/b":"z"}"#));
        check("- {op: remove, path: /list/-1}", Some(r#"[1] {"a/b":"x"}"#));
        check("- {op: move, from: /list/0, path: /map/c}", Some(r#"[2] {"a/b":"x","c":1}"#));
        check("- {op: copy, from: /list/1, path: /list/0}", Some(r#"[2,1,2] {"a/b":"x"}"#));
        check("- {op: test, path: /list, value: [1, 2]}", Some(r#"[1,2] {"a/b":"x"}"#));
    }

    #[test]
    fn operations_that_do_not_fit_fail() {
        for patch in [
            "- {op: remove, path: /none}",
            "- {op: replace, path: /map/none, value: 1}",
            "- {op: add, path: /none/a, value: 1}",
            "- {op: add, path: /list/3, value: 1}",
            "- {op: test, path: /list/0, value: 2}",
            "- {op: jump, path: /list/0}",
            "{op: add}",
        ] {
            check(patch, None);
        }
    }
}
