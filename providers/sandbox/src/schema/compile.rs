//! From OpenAPI to what merging and checking need.

use serde_json::{Map, Value, json};

use super::{Field, ListMerge, ListShape, Node, ObjectShape, PatchStrategy, Scalar, Schema, Shape, named};

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Compiles a schema as an API server publishes it.
pub(super) fn schema(value: &Value) -> Schema {
    let allowed = value["enum"].as_array().into_iter().flatten();
    let allowed = allowed.filter_map(Value::as_str).map(str::to_owned).collect();
    Schema { shape: shape(value), allowed }
}

/// Compiles the schema of a custom resource: kind and metadata are those of every object, whatever it says of them.
pub(super) fn custom(structural: &Value) -> Schema {
    let mut schema = schema(structural);
    if let Shape::Object(object) = &mut schema.shape {
        object.others = None;
        for name in ["apiVersion", "kind"] {
            object.fields.insert(name.to_owned(), field(&json!({"type": "string"})));
        }
        let metadata = named(META).map_or_else(|| node(&json!({})), Node::Named);
        object.fields.insert(
            "metadata".to_owned(),
            Field { node: metadata, default: None, patch: PatchStrategy::default() },
        );
    }
    schema
}

fn shape(value: &Value) -> Shape {
    let flag = |name: &str| value[name].as_bool() == Some(true);
    if value.get("oneOf").is_some() || flag("x-kubernetes-int-or-string") {
        return Shape::Scalar(Scalar::TextOrNumber);
    }
    match value["type"].as_str() {
        Some("string") => Shape::Scalar(Scalar::Text),
        Some("integer") => Shape::Scalar(Scalar::Integer),
        Some("number") => Shape::Scalar(Scalar::Number),
        Some("boolean") => Shape::Scalar(Scalar::Boolean),
        Some("array") => Shape::List(list(value)),
        Some("object") => object(value),
        _ => Shape::Any,
    }
}

fn list(value: &Value) -> ListShape {
    let keys = value["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
    let keys = keys.filter_map(Value::as_str).map(str::to_owned).collect();
    let merge = match value["x-kubernetes-list-type"].as_str() {
        Some("map") => ListMerge::Keyed(keys),
        Some("set") => ListMerge::Set,
        _ => ListMerge::Atomic,
    };
    ListShape { items: Box::new(node(&value["items"])), merge }
}

/// An object without known fields is one thing, such as `FieldsV1`.
fn object(value: &Value) -> Shape {
    let fields: Map<String, Value> = value["properties"].as_object().cloned().unwrap_or_default();
    let others = value.get("additionalProperties").filter(|others| others.is_object());
    let keeps_unknown = value["x-kubernetes-preserve-unknown-fields"] == true;
    if fields.is_empty() && others.is_none() && !keeps_unknown {
        return Shape::Any;
    }
    let required = value["required"].as_array().into_iter().flatten();
    Shape::Object(ObjectShape {
        fields: fields.iter().map(|(name, value)| (name.clone(), field(value))).collect(),
        others: others.map(|others| Box::new(node(others))),
        keeps_unknown,
        is_atomic: value["x-kubernetes-map-type"] == "atomic",
        required: required.filter_map(Value::as_str).map(str::to_owned).collect(),
    })
}

fn field(value: &Value) -> Field {
    let strategy = value["x-kubernetes-patch-strategy"].as_str().unwrap_or_default();
    let key = value["x-kubernetes-patch-merge-key"].as_str().map(str::to_owned);
    let merges = strategy.split(',').any(|one| one == "merge");
    let default = value.get("default").filter(|default| !is_zero(default)).cloned();
    Field { node: node(value), default, patch: PatchStrategy { merges, key } }
}

/// What a Go field has anyway is published as a default that means nothing.
fn is_zero(default: &Value) -> bool {
    *default == "" || *default == 0 || *default == false || *default == json!({})
}

fn node(value: &Value) -> Node {
    let reference = value["$ref"].as_str().or_else(|| value["allOf"][0]["$ref"].as_str());
    let name = reference.and_then(|reference| reference.rsplit('/').next());
    let Some(definition) = name.and_then(named) else { return Node::Here(schema(value)) };
    if value["x-kubernetes-map-type"] != "atomic" {
        return Node::Named(definition);
    }
    let mut atomic = super::parse(definition.text);
    atomic["x-kubernetes-map-type"] = "atomic".into();
    Node::Here(schema(&atomic))
}
