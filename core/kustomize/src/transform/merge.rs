//! Strategic merge: a patch that looks like the object it changes.
//!
//! The rules are those of kyaml's merge: a patch's list elements come before the untouched ones, `null` deletes, and
//! `$patch: delete` or `replace` act on the map or list they stand in. `$setElementOrder` and
//! `$deleteFromPrimitiveList` mean nothing to it.

mod list;

use std::collections::BTreeSet;

use crate::error::{Problem, Result};
use crate::schema::{FieldSchema, Schema, Schemas};
use crate::yaml::{Entry, Map, Node, Scalar, Tag, Text};

/// The key that says what to do with a map or list.
pub(super) const DIRECTIVE: &str = "$patch";

/// Merges `patch` into `object`; nothing is left if the patch deletes it.
///
/// # Errors
///
/// If a map meets a list or a scalar, or a directive is unknown.
pub(crate) fn merge(object: Node, patch: Node, schemas: &Schemas) -> Result<Option<Node>> {
    // Kustomize keeps the object it has, and a replacement of the whole is another one.
    if patch.get(DIRECTIVE).is_some_and(|directive| directive.text() == "replace") {
        return Ok(Some(object));
    }
    Merger { schemas }.walk(Some(object), Some(patch), &FieldSchema::default())
}

/// What a patch asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    Merge,
    Replace,
    Delete,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Merger<'s> {
    pub(super) schemas: &'s Schemas,
}

impl<'s> Merger<'s> {
    /// Merges two values of which either may be missing; `None` removes the field.
    pub(super) fn walk(
        self,
        dest: Option<Node>,
        patch: Option<Node>,
        schema: &FieldSchema<'s>,
    ) -> Result<Option<Node>> {
        let first = [&dest, &patch].into_iter().flatten().find(|node| !node.is_null());
        match first {
            // Neither side has a value: a null that was written out stays, an empty one goes.
            None => Ok(dest.filter(|dest| patch.is_none() && is_written_null(dest))),
            Some(Node::Map(_)) => {
                let (dest, patch) = (as_map(dest)?, as_map(patch)?);
                self.map(dest, patch, schema)
            }
            Some(Node::List(_)) => self.list(as_list(dest)?, as_list(patch)?, schema),
            Some(Node::Scalar(_)) => {
                refuse_unless(dest.as_ref(), |node| node.as_scalar().is_some(), "a scalar")?;
                refuse_unless(patch.as_ref(), |node| node.as_scalar().is_some(), "a scalar")?;
                Ok(patch.or(dest))
            }
        }
    }

    fn map(self, dest: Side<Map>, patch: Side<Map>, schema: &FieldSchema<'s>) -> Result<Option<Node>> {
        let schema = self.schema_of([dest.as_value(), patch.as_value()], schema);
        let (dest, patch) = match (dest, patch) {
            (Side::Value(dest), Side::Missing) => (dest, None),
            (Side::Value(dest), Side::Value(mut patch)) => match take_directive(&mut patch)? {
                Directive::Delete => return Ok(None),
                Directive::Replace => return self.adopt_fields(patch, schema).map(|map| Some(map.into())),
                Directive::Merge => (dest, Some(patch)),
            },
            (_, Side::Value(mut patch)) => {
                // An unknown directive is ignored where there is nothing to merge with.
                if take_directive(&mut patch).is_ok_and(|directive| directive == Directive::Delete) {
                    return Ok(None);
                }
                return self.adopt_fields(patch, schema).map(|map| Some(map.into()));
            }
            _ => return Ok(None),
        };
        self.fields(dest, patch, schema).map(|map| Some(map.into()))
    }

    /// The schema from above, or the one of the object that starts here.
    fn schema_of<const N: usize>(
        self,
        sides: [Option<&Map>; N],
        schema: &FieldSchema<'s>,
    ) -> Option<Schema<'s>> {
        schema.value.or_else(|| {
            sides.into_iter().flatten().find_map(|map| {
                let text = |field| map.get(field).map_or("", Node::text);
                let (api_version, kind) = (text("apiVersion"), text("kind"));
                if api_version.is_empty() || kind.is_empty() {
                    None
                } else {
                    self.schemas.of_kind(api_version, kind)
                }
            })
        })
    }

    fn fields(self, mut dest: Map, mut patch: Option<Map>, schema: Option<Schema<'s>>) -> Result<Map> {
        let mut added: BTreeSet<Text> = BTreeSet::new();
        if let Some(patch) = &patch {
            added.extend(patch.entries.iter().map(|entry| entry.key.text.clone()));
        }
        let mut at = 0;
        while at < dest.entries.len() {
            let key = dest.entries[at].key.text.clone();
            added.remove(&key);
            let from_patch = patch.as_mut().and_then(|patch| patch.remove(&key));
            let field = schema.map(|schema| schema.field(&key)).unwrap_or_default();
            let old = std::mem::replace(&mut dest.entries[at].value, Node::List(Vec::new()));
            let kept_null = from_patch.is_none() && is_written_null(&old);
            let style = old.as_scalar().map(|scalar| scalar.style);
            match self.walk(Some(old), from_patch, &field)? {
                Some(mut new) if kept_null || !new.is_null() => {
                    if let (Some(style), Node::Scalar(scalar)) = (style, &mut new) {
                        scalar.style = style;
                    }
                    dest.entries[at].value = new;
                    at += 1;
                }
                _ => {
                    dest.entries.remove(at);
                }
            }
        }
        let Some(mut patch) = patch else { return Ok(dest) };
        for key in added {
            let field = schema.map(|schema| schema.field(&key)).unwrap_or_default();
            let Some(Entry { key, value }) = patch.remove_entry(&key) else { continue };
            if let Some(new) = self.walk(None, Some(value), &field)?.filter(|new| !new.is_null()) {
                let key = Scalar { style: key.style, ..Scalar::untagged(key.text) };
                dest.push(key, new);
            }
        }
        Ok(dest)
    }

    /// Takes over a map of the patch: directives and nulls inside it still count.
    fn adopt_fields(self, map: Map, schema: Option<Schema<'s>>) -> Result<Map> {
        let mut adopted = Map::default();
        for entry in map.entries {
            let field = schema.map(|schema| schema.field(&entry.key.text)).unwrap_or_default();
            if let Some(value) = self.adopt(entry.value, &field)? {
                adopted.push(entry.key, value);
            }
        }
        Ok(adopted)
    }

    pub(super) fn adopt(self, node: Node, schema: &FieldSchema<'s>) -> Result<Option<Node>> {
        match node {
            Node::Scalar(scalar) if scalar.tag == Tag::Null => Ok(None),
            Node::Map(mut map) => {
                if take_directive(&mut map)? == Directive::Delete {
                    return Ok(None);
                }
                let own = self.schema_of([Some(&map)], schema);
                Ok(Some(self.adopt_fields(map, own)?.into()))
            }
            Node::List(list) => self.adopt_list(list, schema),
            scalar @ Node::Scalar(_) => Ok(Some(scalar)),
        }
    }
}

/// A value that may be missing or null.
#[derive(Clone, Debug)]
pub(super) enum Side<T> {
    Missing,
    Null,
    Value(T),
}

impl<T> Side<T> {
    fn as_value(&self) -> Option<&T> {
        if let Self::Value(value) = self { Some(value) } else { None }
    }
}

fn as_map(node: Option<Node>) -> Result<Side<Map>> {
    match node {
        None => Ok(Side::Missing),
        Some(node) if node.is_null() => Ok(Side::Null),
        Some(Node::Map(map)) => Ok(Side::Value(map)),
        Some(other) => mismatch("a map", &other),
    }
}

fn as_list(node: Option<Node>) -> Result<Side<Vec<Node>>> {
    match node {
        None => Ok(Side::Missing),
        Some(node) if node.is_null() => Ok(Side::Null),
        Some(Node::List(list)) => Ok(Side::Value(list)),
        Some(other) => mismatch("a list", &other),
    }
}

fn refuse_unless(node: Option<&Node>, fits: fn(&Node) -> bool, expected: &'static str) -> Result<()> {
    match node {
        Some(node) if !node.is_null() && !fits(node) => mismatch(expected, node),
        _ => Ok(()),
    }
}

fn mismatch<T>(expected: &'static str, found: &Node) -> Result<T> {
    let (field, found_kind) = ("a field of the patch".to_owned(), found.kind());
    Problem::WrongType { field, expected, found: found_kind }.at_line(found.line())
}

/// `null` or `~`, not just nothing after the colon.
fn is_written_null(node: &Node) -> bool {
    node.is_null() && !node.text().is_empty()
}

/// Reads and removes the directive of a map.
fn take_directive(map: &mut Map) -> Result<Directive> {
    let Some(directive) = map.get(DIRECTIVE) else { return Ok(Directive::Merge) };
    let directive = parse_directive(directive)?;
    map.remove(DIRECTIVE);
    Ok(directive)
}

pub(super) fn parse_directive(node: &Node) -> Result<Directive> {
    match node.text() {
        "merge" => Ok(Directive::Merge),
        "replace" => Ok(Directive::Replace),
        "delete" => Ok(Directive::Delete),
        other => {
            let reason = format!("must be `merge`, `replace` or `delete`, found `{other}`");
            Problem::InvalidField { field: DIRECTIVE.to_owned(), reason }.at_line(node.line())
        }
    }
}
