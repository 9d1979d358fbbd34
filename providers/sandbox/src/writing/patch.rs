//! The three ways of changing an object that are no apply.

use serde_json::{Map, Value};

use crate::api::problem::Problem;
use crate::schema::{PatchStrategy, Schema, Shape};

/// A change.
#[derive(Debug)]
pub(crate) enum Patch {
    /// `application/json-patch+json` (RFC 6902)
    Json(json_patch::Patch),
    /// `application/merge-patch+json` (RFC 7396)
    Merge(Value),
    /// `application/strategic-merge-patch+json`: a merge that knows which lists have keys.
    Strategic(Value),
}

/// The object with the change made to it.
pub(crate) fn patched(object: &Value, patch: &Patch, schema: &Schema) -> Result<Value, Problem> {
    let mut object = object.clone();
    match patch {
        Patch::Json(patch) => json_patch::patch(&mut object, patch)
            .map_err(|error| Problem::untyped_invalid(&error.to_string()))?,
        Patch::Merge(patch) => json_patch::merge(&mut object, patch),
        Patch::Strategic(patch) => merge(&mut object, patch, schema)?,
    }
    Ok(object)
}

/// Lays a strategic merge patch over a value.
fn merge(value: &mut Value, patch: &Value, schema: &Schema) -> Result<(), Problem> {
    let Value::Object(patch) = patch else {
        *value = patch.clone();
        return Ok(());
    };
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            *value = without_directives(patch);
            return Ok(());
        }
        Some("delete") => {
            *value = Value::Null;
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(Problem::bad_request(format!("unknown directive `$patch: {other}`"))),
    }
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let fields = value.as_object_mut().expect("it is one now");
    if let Some(kept) = patch.get("$retainKeys").and_then(Value::as_array) {
        fields.retain(|name, _| kept.iter().any(|one| one == name));
    }
    for (name, patch) in patch.iter().filter(|(name, _)| !name.starts_with('$')) {
        merge_field(fields, name, patch, schema)?;
    }
    for (directive, wanted) in patch.iter().filter(|(name, _)| name.starts_with("$deleteFromPrimitiveList/"))
    {
        let name = directive.split_once('/').map_or("", |(_, name)| name);
        let wanted = wanted.as_array().map_or(&[][..], Vec::as_slice);
        if let Some(Value::Array(items)) = fields.get_mut(name) {
            items.retain(|item| !wanted.contains(item));
        }
    }
    Ok(())
}

fn merge_field(
    fields: &mut Map<String, Value>,
    name: &str,
    patch: &Value,
    schema: &Schema,
) -> Result<(), Problem> {
    if patch.is_null() {
        fields.shift_remove(name);
        return Ok(());
    }
    let field = match &schema.shape {
        Shape::Object(object) => object.fields.get(name),
        _ => None,
    };
    let below = schema.field(name);
    match (patch, below) {
        (Value::Array(items), Some(Schema { shape: Shape::List(list), .. })) => {
            let merged = field.filter(|field| field.patch.merges).map(|field| {
                let live = fields.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
                merge_items(live, items, &field.patch, list.items.schema())
            });
            fields.insert(name.to_owned(), merged.unwrap_or_else(|| Ok(patch.clone()))?);
        }
        (Value::Object(_), Some(schema)) => {
            let value = fields.entry(name).or_insert(Value::Null);
            merge(value, patch, schema)?;
            if value.is_null() {
                fields.shift_remove(name);
            }
        }
        _ => {
            fields.insert(name.to_owned(), patch.clone());
        }
    }
    Ok(())
}

fn merge_items(
    mut live: Vec<Value>,
    patch: &[Value],
    strategy: &PatchStrategy,
    schema: &Schema,
) -> Result<Value, Problem> {
    if patch.iter().any(|item| item["$patch"] == "replace") {
        let kept = patch.iter().filter(|item| item.get("$patch").is_none());
        return Ok(kept.cloned().collect());
    }
    for item in patch {
        let Some(key) = &strategy.key else {
            if !live.contains(item) {
                live.push(item.clone());
            }
            continue;
        };
        let Some(value) = item.get(key) else {
            return Err(Problem::bad_request(format!(
                "map: {item} does not contain declared merge key: {key}"
            )));
        };
        let at = live.iter().position(|one| one.get(key) == Some(value));
        match (item["$patch"].as_str(), at) {
            (Some("delete"), Some(at)) => drop(live.remove(at)),
            (Some("delete"), None) => {}
            (_, Some(at)) => merge(&mut live[at], item, schema)?,
            (_, None) => {
                let mut added = Value::Null;
                merge(&mut added, item, schema)?;
                live.push(added);
            }
        }
    }
    Ok(live.into())
}

fn without_directives(patch: &Map<String, Value>) -> Value {
    patch
        .iter()
        .filter(|(name, _)| !name.starts_with('$'))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::objects::kinds::DEPLOYMENT;
    use crate::schema;

    fn strategic(object: &Value, patch: &Value) -> Value {
        let schema = schema::of_kind(&DEPLOYMENT).unwrap();
        patched(object, &Patch::Strategic(patch.clone()), schema).unwrap()
    }

    fn pod(containers: &Value) -> Value {
        json!({"spec": {"template": {"spec": {"containers": containers}}}})
    }

    #[test]
    fn a_strategic_patch_merges_lists_by_their_keys() {
        let object =
            pod(&json!([{"name": "a", "image": "a:1", "args": ["x"]}, {"name": "b", "image": "b:1"}]));
        let check = |patch: Value, expect: Value| assert_eq!(strategic(&object, &pod(&patch)), pod(&expect));
        check(
            json!([{"name": "a", "image": "a:2", "args": ["y"]}]),
            json!([{"name": "a", "image": "a:2", "args": ["y"]}, {"name": "b", "image": "b:1"}]),
        );
        check(json!([{"name": "a", "$patch": "delete"}]), json!([{"name": "b", "image": "b:1"}]));
        check(
            json!([{"name": "c", "image": "c"}, {"$patch": "replace"}]),
            json!([{"name": "c", "image": "c"}]),
        );
    }

    #[test]
    fn null_takes_a_field_away() {
        let object = json!({"metadata": {"annotations": {"a": "1", "b": "2"}}});
        let patch = json!({"metadata": {"annotations": {"a": null}}});
        assert_eq!(strategic(&object, &patch), json!({"metadata": {"annotations": {"b": "2"}}}));
    }

    #[test]
    fn retained_keys_are_all_that_stay() {
        let object =
            json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
        let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
        assert_eq!(strategic(&object, &patch), json!({"spec": {"strategy": {"type": "Recreate"}}}));
    }
}
