//! What the fields of objects are: types, how lists merge, what a patch does with them.
//!
//! The facts are in `definitions.jsonl`, which `extract` takes from a real API server: one definition to a line, read when it is first
//! needed. The same lines are served as OpenAPI.

pub(crate) mod check;
mod compile;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::objects::Kind;

/// Definitions by name, each `"NAME":{…}`.
const DEFINITIONS: &str = include_str!("definitions.jsonl");

/// What a value may be.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) shape: Shape,
    /// The values that are allowed; all where there are none.
    pub(crate) allowed: Vec<String>,
}

#[derive(Debug)]
pub(crate) enum Shape {
    /// Anything, which is one thing to whoever merges it.
    Any,
    Scalar(Scalar),
    Object(ObjectShape),
    List(ListShape),
}

/// The type of a value without parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    Text,
    Integer,
    Number,
    Boolean,
    /// A quantity, or a number or name.
    TextOrNumber,
}

#[derive(Debug, Default)]
pub(crate) struct ObjectShape {
    pub(crate) fields: BTreeMap<String, Field>,
    /// What fields without a name of their own are; none where there are no others.
    pub(crate) others: Option<Box<Node>>,
    /// Whether unknown fields are kept as they are.
    pub(crate) keeps_unknown: bool,
    /// Whether it is one thing to whoever merges it.
    pub(crate) is_atomic: bool,
    pub(crate) required: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) node: Node,
    /// Used as part of a list's key where it is left out.
    pub(crate) default: Option<Value>,
    pub(crate) patch: PatchStrategy,
}

/// What a strategic merge patch does with a field.
#[derive(Debug, Default)]
pub(crate) struct PatchStrategy {
    /// Items are merged; otherwise a list is replaced.
    pub(crate) merges: bool,
    /// By this field, or as a set where there is none.
    pub(crate) key: Option<String>,
}

#[derive(Debug)]
pub(crate) struct ListShape {
    pub(crate) items: Box<Node>,
    pub(crate) merge: ListMerge,
}

/// How a list is merged by server-side apply (`x-kubernetes-list-type`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListMerge {
    Atomic,
    Set,
    Keyed(Vec<String>),
}

/// A schema in place, or one that has a name.
#[derive(Debug)]
pub(crate) enum Node {
    Here(Schema),
    Named(&'static Definition),
}

/// A definition, read when it is first needed.
pub(crate) struct Definition {
    text: &'static str,
    published: OnceLock<Value>,
    schema: OnceLock<Schema>,
}

impl std::fmt::Debug for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Definition").field("length", &self.text.len()).finish_non_exhaustive()
    }
}

/// The schema of a kind: a built-in one, or that of a custom resource.
#[derive(Debug, Clone)]
pub(crate) enum KindSchema {
    BuiltIn(&'static Schema),
    Custom(Arc<Schema>),
}

impl std::ops::Deref for KindSchema {
    type Target = Schema;

    fn deref(&self) -> &Schema {
        match self {
            Self::BuiltIn(schema) => schema,
            Self::Custom(schema) => schema,
        }
    }
}

impl Node {
    pub(crate) fn schema(&self) -> &Schema {
        match self {
            Self::Here(schema) => schema,
            Self::Named(definition) => definition.schema(),
        }
    }
}

impl Definition {
    fn schema(&self) -> &Schema {
        self.schema.get_or_init(|| compile::schema(&parse(self.text)))
    }

    fn published(&self) -> &Value {
        self.published.get_or_init(|| parse(self.text))
    }
}

impl Schema {
    /// The schema of a custom resource, from `openAPIV3Schema`.
    pub(crate) fn custom(structural: &Value) -> Self {
        compile::custom(structural)
    }

    /// What a field of an object is; none where there is no such field.
    pub(crate) fn field(&self, name: &str) -> Option<&Schema> {
        let Shape::Object(object) = &self.shape else { return None };
        match object.fields.get(name) {
            Some(field) => Some(field.node.schema()),
            None => object.others.as_ref().map(|node| node.schema()),
        }
    }

    /// Whether `name` is a field with a meaning of its own, and not a key of a map.
    pub(crate) fn has_named_field(&self, name: &str) -> bool {
        matches!(&self.shape, Shape::Object(object) if object.fields.contains_key(name))
    }
}

/// The schema of a built-in kind.
pub(crate) fn of_kind(kind: &Kind) -> Option<&'static Schema> {
    table().get(definition_name(kind).as_str()).map(Definition::schema)
}

/// The name under which the definition of a kind is published.
pub(crate) fn definition_name(kind: &Kind) -> String {
    let family = match kind.group.as_ref() {
        "" => "io.k8s.api.core",
        "apiextensions.k8s.io" => "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
        group => return format!("io.k8s.api.{}.{}.{}", first_label(group), kind.version, kind.kind),
    };
    format!("{family}.{}.{}", kind.version, kind.kind)
}

fn first_label(group: &str) -> &str {
    group.split('.').next().unwrap_or(group)
}

/// The definitions that these, and whatever they refer to, need: `"NAME":{…}`, in order.
pub(crate) fn with_references(names: Vec<String>) -> Vec<&'static str> {
    let mut wanted = names;
    let mut lines = BTreeMap::new();
    while let Some(name) = wanted.pop() {
        let Some((name, definition)) = table().get_key_value(name.as_str()) else { continue };
        if lines.insert(*name, definition.text).is_none() {
            let references = definition.text.split("#/components/schemas/").skip(1);
            wanted.extend(references.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        }
    }
    lines.into_values().collect()
}

/// A definition as OpenAPI has it.
pub(crate) fn published(name: &str) -> Option<&'static Value> {
    table().get(name).map(Definition::published)
}

fn named(name: &str) -> Option<&'static Definition> {
    table().get(name)
}

fn table() -> &'static BTreeMap<&'static str, Definition> {
    static TABLE: OnceLock<BTreeMap<&'static str, Definition>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let entry = |line: &'static str| {
            let name = line.split('"').nth(1).expect("a line begins with a name");
            (name, Definition { text: line, published: OnceLock::new(), schema: OnceLock::new() })
        };
        DEFINITIONS.lines().map(entry).collect()
    })
}

fn parse(line: &str) -> Value {
    let (_, definition) = line.split_once("\":").expect("a name is followed by its definition");
    serde_json::from_str(definition).expect("definitions are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::kinds::{DEPLOYMENT, KINDS, SERVICE};

    fn field<'s>(schema: &'s Schema, path: &str) -> &'s Schema {
        path.split('.').fold(schema, |schema, name| match &schema.shape {
            Shape::List(list) => list.items.schema().field(name).unwrap(),
            _ => schema.field(name).unwrap(),
        })
    }

    #[test]
    fn every_kind_has_a_schema() {
        for kind in KINDS {
            let schema = of_kind(kind).unwrap_or_else(|| panic!("`{}` has none", kind.kind));
            assert!(schema.has_named_field("metadata"), "{}", kind.kind);
        }
    }

    #[test]
    fn every_definition_can_be_read() {
        for definition in table().values() {
            definition.schema();
        }
    }

    #[test]
    fn lists_say_how_they_merge() {
        let merge = |schema: &Schema| match &schema.shape {
            Shape::List(list) => list.merge.clone(),
            other => panic!("{other:?} is no list"),
        };
        let pod = field(of_kind(&DEPLOYMENT).unwrap(), "spec.template.spec");
        assert_eq!(merge(field(pod, "containers")), ListMerge::Keyed(vec!["name".to_owned()]));
        assert_eq!(merge(field(pod, "containers.command")), ListMerge::Atomic);
        let ports = ListMerge::Keyed(vec!["port".to_owned(), "protocol".to_owned()]);
        assert_eq!(merge(field(of_kind(&SERVICE).unwrap(), "spec.ports")), ports);
    }

    #[test]
    fn references_are_followed_to_the_end() {
        let lines = with_references(vec![definition_name(&DEPLOYMENT)]);
        assert!(lines.iter().any(|line| line.starts_with("\"io.k8s.api.core.v1.Probe\"")));
        assert!(!lines.iter().any(|line| line.starts_with("\"io.k8s.api.core.v1.Node\"")));
    }
}
