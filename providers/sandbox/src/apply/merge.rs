//! Merging a wish into an object, and telling two objects apart, field by field.

use serde_json::{Map, Value};

use super::fields::{FieldSet, element};
use crate::schema::{ListMerge, ListShape, Schema, Shape};

/// The object with the wish laid over it: maps and keyed lists are merged, everything else is replaced.
pub(crate) fn merge(live: &Value, wish: &Value, schema: &Schema) -> Value {
    match (&schema.shape, live, wish) {
        (Shape::Object(object), Value::Object(live), Value::Object(wish)) if !object.is_atomic => {
            let mut merged = live.clone();
            for (name, value) in wish {
                let value = match (live.get(name), schema.field(name)) {
                    (Some(live), Some(schema)) => merge(live, value, schema),
                    _ => value.clone(),
                };
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Shape::List(list), Value::Array(live), Value::Array(wish)) if list.merge != ListMerge::Atomic => {
            Value::Array(merge_items(live, wish, list))
        }
        _ => wish.clone(),
    }
}

/// In the order of the wish; items of others keep their place before the next item that both have.
fn merge_items(live: &[Value], wish: &[Value], list: &ListShape) -> Vec<Value> {
    let names = |items: &[Value]| -> Vec<String> { items.iter().map(|item| element(list, item)).collect() };
    let (live_names, wish_names) = (names(live), names(wish));
    let is_others = |at: &usize| !wish_names.contains(&live_names[*at]);
    let mut merged = Vec::with_capacity(live.len() + wish.len());
    let mut next = 0;
    for (name, item) in wish_names.iter().zip(wish) {
        let Some(at) = live_names.iter().position(|live| live == name) else {
            merged.push(item.clone());
            continue;
        };
        merged.extend((next..at).filter(is_others).map(|at| live[at].clone()));
        next = next.max(at + 1);
        merged.push(merge(&live[at], item, list.items.schema()));
    }
    merged.extend((next..live.len()).filter(is_others).map(|at| live[at].clone()));
    merged
}

/// Takes the members of a set out of an object.
pub(crate) fn remove(value: &mut Value, fields: &FieldSet, schema: &Schema) {
    match (&schema.shape, value) {
        (Shape::Object(object), Value::Object(map)) if !object.is_atomic => {
            remove_fields(map, fields, schema);
        }
        (Shape::List(list), Value::Array(items)) if list.merge != ListMerge::Atomic => {
            items.retain_mut(|item| {
                let Some(below) = fields.children.get(&element(list, item)) else { return true };
                if !below.is_member {
                    remove(item, below, list.items.schema());
                }
                !below.is_member
            });
        }
        _ => {}
    }
}

fn remove_fields(map: &mut Map<String, Value>, fields: &FieldSet, schema: &Schema) {
    for (element, below) in &fields.children {
        let Some(name) = element.strip_prefix("f:") else { continue };
        if below.is_member {
            map.shift_remove(name);
        } else if let (Some(value), Some(schema)) = (map.get_mut(name), schema.field(name)) {
            remove(value, below, schema);
        }
    }
}

/// The fields that are new or different in `new`.
pub(crate) fn changed(old: &Value, new: &Value, schema: &Schema) -> FieldSet {
    if old == new {
        return FieldSet::default();
    }
    match (&schema.shape, old, new) {
        (Shape::Object(object), Value::Object(old), Value::Object(map))
            if !object.is_atomic && !map.is_empty() =>
        {
            let child = |(name, new): (&String, &Value)| {
                let set = match (old.get(name), schema.field(name)) {
                    (Some(old), Some(schema)) => changed(old, new, schema),
                    (Some(old), None) if old == new => FieldSet::default(),
                    (None, Some(schema)) => added(new, schema, !object.fields.contains_key(name)),
                    _ => FieldSet::member(),
                };
                (!set.is_empty()).then(|| (format!("f:{name}"), set))
            };
            FieldSet { is_member: false, children: map.iter().filter_map(child).collect() }
        }
        (Shape::List(list), Value::Array(old), Value::Array(items))
            if list.merge != ListMerge::Atomic && !items.is_empty() =>
        {
            let child = |new: &Value| {
                let name = element(list, new);
                let set = match old.iter().find(|old| element(list, old) == name) {
                    Some(old) => changed(old, new, list.items.schema()),
                    None => added(new, list.items.schema(), true),
                };
                (!set.is_empty()).then_some((name, set))
            };
            FieldSet { is_member: false, children: items.iter().filter_map(child).collect() }
        }
        _ => FieldSet::member(),
    }
}

fn added(value: &Value, schema: &Schema, is_itself: bool) -> FieldSet {
    let set = FieldSet::of(value, schema);
    FieldSet { is_member: set.is_member || is_itself, ..set }
}
