//! Sets of fields, as `managedFields` writes them (`FieldsV1`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::schema::{ListMerge, ListShape, Schema, Shape};

/// A set of fields: a tree by path elements (`f:NAME`, `k:{KEYS}`, `v:VALUE`), in which some nodes are members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    pub(crate) is_member: bool,
    pub(crate) children: BTreeMap<String, FieldSet>,
}

/// Fields that no manager owns: what identifies an object, and what the server writes itself.
const UNMANAGED: [&str; 10] = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
    "deletionTimestamp",
];

impl FieldSet {
    pub(crate) fn member() -> Self {
        Self { is_member: true, children: BTreeMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.is_member && self.children.values().all(FieldSet::is_empty)
    }

    /// The leaves of a value. A part that is merged as a whole is one leaf; an item of a keyed list is a member itself.
    pub(crate) fn of(value: &Value, schema: &Schema) -> Self {
        match (&schema.shape, value) {
            (Shape::Object(object), Value::Object(fields)) if !object.is_atomic && !fields.is_empty() => {
                let child = |(name, value): (&String, &Value)| {
                    let set = schema.field(name).map_or_else(Self::member, |schema| Self::of(value, schema));
                    let is_key = !object.fields.contains_key(name);
                    (format!("f:{name}"), Self { is_member: set.is_member || is_key, ..set })
                };
                Self { is_member: false, children: fields.iter().map(child).collect() }
            }
            (Shape::List(list), Value::Array(items))
                if list.merge != ListMerge::Atomic && !items.is_empty() =>
            {
                let child = |item: &Value| {
                    let set = Self::of(item, list.items.schema());
                    (element(list, item), Self { is_member: true, ..set })
                };
                Self { is_member: false, children: items.iter().map(child).collect() }
            }
            _ => Self::member(),
        }
    }

    /// All of an object that managers own.
    pub(crate) fn managed(object: &Value, schema: &Schema) -> Self {
        let mut set = Self::of(object, schema);
        set.forget_unmanaged();
        set
    }

    pub(crate) fn forget_unmanaged(&mut self) {
        self.is_member = false;
        self.children.remove("f:apiVersion");
        self.children.remove("f:kind");
        if let Some(metadata) = self.children.get_mut("f:metadata") {
            metadata.is_member = false;
            metadata.children.retain(|element, _| !UNMANAGED.contains(&&element[2..]));
        }
        self.trim();
    }

    /// Keeps some of the top fields: all but the status where the object is written, and only that where the status is.
    pub(crate) fn retain_top(&mut self, keep: impl Fn(&str) -> bool) {
        self.children.retain(|element, _| keep(&element[2..]));
    }

    fn trim(&mut self) {
        self.children.retain(|_, child| {
            child.trim();
            !child.is_empty()
        });
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        union.is_member |= other.is_member;
        for (element, child) in &other.children {
            let merged = union.children.get(element).map_or_else(|| child.clone(), |one| one.union(child));
            union.children.insert(element.clone(), merged);
        }
        union
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let both = |(element, child): (&String, &Self)| {
            let both = child.intersection(other.children.get(element)?);
            (!both.is_empty()).then(|| (element.clone(), both))
        };
        Self {
            is_member: self.is_member && other.is_member,
            children: self.children.iter().filter_map(both).collect(),
        }
    }

    pub(crate) fn difference(&self, other: &Self) -> Self {
        let rest = |(element, child): (&String, &Self)| {
            let rest =
                other.children.get(element).map_or_else(|| child.clone(), |other| child.difference(other));
            (!rest.is_empty()).then(|| (element.clone(), rest))
        };
        Self {
            is_member: self.is_member && !other.is_member,
            children: self.children.iter().filter_map(rest).collect(),
        }
    }

    /// The set in which a field with a name is a member if anything below it is: who gives up all of a field gives up the field.
    pub(crate) fn with_parents(&self, schema: &Schema) -> Self {
        let child = |(element, child): (&String, &Self)| {
            let below = below(schema, element);
            let mut set = below.map_or_else(|| child.clone(), |schema| child.with_parents(schema));
            set.is_member |= element.strip_prefix("f:").is_some_and(|name| schema.has_named_field(name));
            (element.clone(), set)
        };
        Self { is_member: self.is_member, children: self.children.iter().map(child).collect() }
    }

    /// The members' paths: `.spec.template.spec.containers[name="main"].image`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths(String::new(), &mut paths);
        paths
    }

    fn collect_paths(&self, path: String, paths: &mut Vec<String>) {
        for (element, child) in &self.children {
            child.collect_paths(format!("{path}{}", shown(element)), paths);
        }
        if self.is_member {
            paths.push(path);
        }
    }

    /// As `fieldsV1`.
    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        if self.is_member && !self.children.is_empty() {
            map.insert(".".to_owned(), json!({}));
        }
        map.extend(self.children.iter().map(|(element, child)| (element.clone(), child.to_json())));
        Value::Object(map)
    }

    /// From `fieldsV1`, whose root is no member.
    pub(crate) fn from_json(value: &Value) -> Self {
        let mut set = Self::node_from_json(value);
        set.is_member = false;
        set
    }

    fn node_from_json(value: &Value) -> Self {
        let fields = value.as_object().into_iter().flatten();
        let children: BTreeMap<String, Self> = fields
            .filter(|(element, _)| *element != ".")
            .map(|(element, child)| (element.clone(), Self::node_from_json(child)))
            .collect();
        Self { is_member: children.is_empty() || value.get(".").is_some(), children }
    }
}

/// What lies below an element of a path.
fn below<'s>(schema: &'s Schema, element: &str) -> Option<&'s Schema> {
    match &schema.shape {
        Shape::List(list) => Some(list.items.schema()),
        _ => schema.field(element.strip_prefix("f:")?),
    }
}

/// The element of a path that names an item of a list that is a map or a set.
pub(crate) fn element(list: &ListShape, item: &Value) -> String {
    match &list.merge {
        ListMerge::Keyed(keys) => {
            let key = |key: &String| (key.clone(), key_value(list, item, key));
            let keys: BTreeMap<String, Value> = keys.iter().map(key).collect();
            format!("k:{}", json!(keys))
        }
        _ => format!("v:{item}"),
    }
}

/// A part of an item's key; one that is left out has its default.
fn key_value(list: &ListShape, item: &Value, key: &str) -> Value {
    let default = || match &list.items.schema().shape {
        Shape::Object(object) => object.fields.get(key).and_then(|field| field.default.clone()),
        _ => None,
    };
    item.get(key).cloned().or_else(default).unwrap_or(Value::Null)
}

pub(crate) fn shown(element: &str) -> String {
    let rest = &element[2..];
    match element.as_bytes()[0] {
        b'f' => format!(".{rest}"),
        b'k' => {
            let keys: BTreeMap<String, Value> = serde_json::from_str(rest).unwrap_or_default();
            let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
        _ => format!("[={rest}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::kinds::DEPLOYMENT;
    use crate::schema;

    fn set(object: &Value) -> FieldSet {
        FieldSet::managed(object, schema::of_kind(&DEPLOYMENT).unwrap())
    }

    #[test]
    fn fields_are_written_as_an_api_server_writes_them() {
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "labels": {"app": "a"}}, "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": "a"}},
            "template": {"spec": {"containers": [{"name": "m", "ports": [{"containerPort": 80}], "command": ["a"]}]}}}});
        let expect = json!({
            "f:metadata": {"f:labels": {"f:app": {}}},
            "f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"m\"}": {
                ".": {}, "f:command": {}, "f:name": {},
                "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}}}}});
        assert_eq!(set(&object).to_json(), expect);
        assert_eq!(FieldSet::from_json(&expect), set(&object));
    }

    #[test]
    fn paths_are_shown_as_an_api_server_shows_them() {
        let object = json!({"spec": {"template": {"spec": {"containers": [{"name": "m", "image": "a"}]}}}});
        let containers = ".spec.template.spec.containers[name=\"m\"]";
        let expect = [format!("{containers}.image"), format!("{containers}.name"), containers.to_owned()];
        assert_eq!(set(&object).paths(), expect);
    }
}
