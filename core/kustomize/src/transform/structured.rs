//! Replacements that reach into a text: YAML or JSON held by a field, changed and written back.

use super::field_path::{Shape, lookup, visit};
use super::hash::{write_json, write_json_string};
use crate::error::{Problem, Result};
use crate::yaml::{Dialect, Duplicates, Layout, Limits, Node, Value, emit_styled, parse_document};

/// Sets the value if the path leads into a text with structure; says whether it did.
///
/// # Errors
///
/// If the text would have to be written in a way this renderer does not know.
pub(crate) fn set(object: &mut Node, path: &[String], value: &Node, make: Option<Shape>) -> Result<bool> {
    let Some((depth, mut inside)) = find(object, path) else { return Ok(false) };
    let changed = visit(&mut inside, &path[depth..], make, &mut |field| {
        match field {
            Node::Scalar(scalar) => scalar.text = value.text().into(),
            field => *field = value.clone(),
        }
        Ok(())
    });
    if !changed.is_ok_and(|count| count > 0) {
        return Ok(false);
    }
    let mut was_written = false;
    visit(object, &path[..depth], None, &mut |field| {
        if let Node::Scalar(scalar) = field
            && let Some(text) = written(&inside, &scalar.text)?
        {
            scalar.text = text.into();
            was_written = true;
        }
        Ok(())
    })?;
    Ok(was_written)
}

/// The first text on the way that holds structure, and where the path goes on in it.
fn find(object: &Node, path: &[String]) -> Option<(usize, Node)> {
    (1..path.len()).find_map(|depth| {
        let Ok(Some(Node::Scalar(scalar))) = lookup(object, &path[..depth]) else { return None };
        let parsed = parse_document(&scalar.text, 1, Dialect::V3, Duplicates::Refused, Limits::default());
        Some((depth, parsed.ok()??))
    })
}

/// Writes the structure as it was written: JSON compact or indented, or YAML in its layout. Nothing if it has no
/// JSON form any more.
fn written(node: &Node, original: &str) -> Result<Option<String>> {
    if !original.trim_start().starts_with(['{', '[']) {
        let Some(layout) = Layout::of(original) else {
            return refuse("a replacement inside a YAML text with comments, anchors or tags");
        };
        return match emit_styled(node, &layout) {
            Some(text) => Ok(Some(text.trim().to_owned())),
            None => refuse("a replacement inside a YAML text with texts of several lines in `[]` or `{}`"),
        };
    }
    let Ok(value) = Value::from_node(node) else { return Ok(None) };
    let mut out = String::new();
    if original.contains('\n') && original.contains("  ") {
        write_indented(&value, 0, &mut out);
    } else {
        write_json(&value, &mut out);
    }
    Ok(Some(out))
}

fn refuse<T>(what: &str) -> Result<T> {
    Problem::Refused {
        what: what.to_owned(),
        instead: "simplify the text, or commit what your own `kustomize build` prints",
    }
    .fail()
}

/// Go's `json.MarshalIndent` with two spaces.
fn write_indented(value: &Value, indent: usize, out: &mut String) {
    let inner = indent + 2;
    let line = |out: &mut String, indent: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent));
    };
    match value {
        Value::List(items) if !items.is_empty() => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                line(out, inner);
                write_indented(item, inner, out);
            }
            line(out, indent);
            out.push(']');
        }
        Value::Map(entries) if !entries.is_empty() => {
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by(|(left, _), (right, _)| left.cmp(right));
            out.push('{');
            for (at, (key, value)) in sorted.into_iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                line(out, inner);
                write_json_string(key, out);
                out.push_str(": ");
                write_indented(value, inner, out);
            }
            line(out, indent);
            out.push('}');
        }
        leaf => write_json(leaf, out),
    }
}
