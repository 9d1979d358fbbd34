//! Whether a value is of the form that its schema says.

use serde_json::Value;

use super::{ListMerge, ListShape, Scalar, Schema, Shape};
use crate::apply::element;

/// Where a value is not of its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// `spec.template.spec.containers[0].image`
    pub(crate) path: String,
    /// `.spec.template.spec.containers[name="main"].image`
    pub(crate) typed_path: String,
    pub(crate) kind: MisfitKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MisfitKind {
    UnknownField,
    Type { expected: Expected, found: String },
    DuplicateKey(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Scalar(Scalar),
    Map,
    List,
}

impl Expected {
    /// As structured merge calls it.
    pub(crate) fn typed(self) -> &'static str {
        match self {
            Self::Scalar(Scalar::Text) => "string",
            Self::Scalar(Scalar::Integer | Scalar::Number) => "numeric (int or float)",
            Self::Scalar(Scalar::Boolean) => "boolean",
            Self::Scalar(Scalar::TextOrNumber) => "string or number",
            Self::Map => "map",
            Self::List => "list",
        }
    }

    /// As the decoder of JSON calls it.
    pub(crate) fn decoded(self) -> &'static str {
        match self {
            Self::Scalar(Scalar::Text | Scalar::TextOrNumber) => "string",
            Self::Scalar(Scalar::Integer) => "int32",
            Self::Scalar(Scalar::Number) => "float64",
            Self::Scalar(Scalar::Boolean) => "bool",
            Self::Map => "map[string]json.RawMessage",
            Self::List => "[]json.RawMessage",
        }
    }
}

impl MisfitKind {
    fn mistyped(expected: Expected, found: &Value) -> Self {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        Self::Type { expected, found: found.to_owned() }
    }
}

/// Everything in a value that is not of its form.
pub(crate) fn misfits(value: &Value, schema: &Schema) -> Vec<Misfit> {
    let mut walk = Walk { path: String::new(), typed_path: String::new(), misfits: Vec::new() };
    walk.value(value, schema);
    walk.misfits
}

struct Walk {
    path: String,
    typed_path: String,
    misfits: Vec<Misfit>,
}

impl Walk {
    fn value(&mut self, value: &Value, schema: &Schema) {
        match (&schema.shape, value) {
            (Shape::Any, _) | (_, Value::Null) => {}
            (Shape::Scalar(scalar), value) if fits(*scalar, value) => {}
            (Shape::Scalar(scalar), _) => self.note(MisfitKind::mistyped(Expected::Scalar(*scalar), value)),
            (Shape::Object(object), Value::Object(fields)) => {
                for (name, value) in fields {
                    let field = schema.field(name);
                    if field.is_none() && object.keeps_unknown {
                        continue;
                    }
                    self.below(&format!(".{name}"), &format!(".{name}"), |walk| match field {
                        Some(schema) => walk.value(value, schema),
                        None => walk.note(MisfitKind::UnknownField),
                    });
                }
            }
            (Shape::Object(_), _) => self.note(MisfitKind::mistyped(Expected::Map, value)),
            (Shape::List(list), Value::Array(items)) => self.items(items, list),
            (Shape::List(_), _) => self.note(MisfitKind::mistyped(Expected::List, value)),
        }
    }

    fn items(&mut self, items: &[Value], list: &ListShape) {
        let mut seen = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let place = format!("[{index}]");
            let mut typed_place = place.clone();
            if let (ListMerge::Keyed(_), Value::Object(_)) = (&list.merge, item) {
                let name = element(list, item);
                typed_place = crate::apply::shown(&name);
                if seen.contains(&name) {
                    self.note(MisfitKind::DuplicateKey(typed_place.clone()));
                }
                seen.push(name);
            }
            self.below(&place, &typed_place, |walk| walk.value(item, list.items.schema()));
        }
    }

    fn below(&mut self, place: &str, typed_place: &str, look: impl FnOnce(&mut Self)) {
        let (length, typed_length) = (self.path.len(), self.typed_path.len());
        self.path.push_str(place);
        self.typed_path.push_str(typed_place);
        look(self);
        self.path.truncate(length);
        self.typed_path.truncate(typed_length);
    }

    fn note(&mut self, kind: MisfitKind) {
        let path = self.path.trim_start_matches('.').to_owned();
        self.misfits.push(Misfit { path, typed_path: self.typed_path.clone(), kind });
    }
}

fn fits(scalar: Scalar, value: &Value) -> bool {
    match scalar {
        Scalar::Text => value.is_string(),
        Scalar::Integer => value.is_i64() || value.is_u64(),
        Scalar::Number => value.is_number(),
        Scalar::Boolean => value.is_boolean(),
        Scalar::TextOrNumber => value.is_string() || value.is_number(),
    }
}

/// Takes out what the schema does not know, and what is null: a decoder leaves such fields behind.
pub(crate) fn trim(value: &mut Value, schema: &Schema) {
    match (&schema.shape, value) {
        (Shape::Object(object), Value::Object(fields)) => {
            fields.retain(|name, value| {
                !value.is_null() && (object.keeps_unknown || schema.field(name).is_some())
            });
            for (name, value) in fields.iter_mut() {
                if let Some(schema) = schema.field(name) {
                    trim(value, schema);
                }
            }
        }
        (Shape::List(list), Value::Array(items)) => {
            for item in items {
                trim(item, list.items.schema());
            }
        }
        _ => {}
    }
}
