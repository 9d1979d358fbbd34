//! Server-side apply: who owns which field, and what a wish makes of an object.
//!
//! The rules are those of Kubernetes' structured merge: a wish is laid over the object; fields that its writer wished before and wishes no
//! more go, unless somebody else owns them; a field that somebody else owns and that would change is a conflict, or is taken by force.

mod fields;
mod managers;
mod merge;

use serde_json::Value;

pub(crate) use fields::{FieldSet, element, shown};
pub(crate) use managers::{Managers, Operation, Writer};

use crate::schema::Schema;

/// The manager to whom everything belongs that was there before the first apply.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// A field that somebody else owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) owner: Writer,
    pub(crate) since: String,
    /// `.spec.replicas`
    pub(crate) path: String,
}

/// What an apply makes of an object.
pub(crate) fn apply(
    live: Option<&Value>,
    wish: &Value,
    schema: &Schema,
    writer: &Writer,
    is_forced: bool,
) -> Result<Value, Vec<Conflict>> {
    let empty = Value::Object(serde_json::Map::new());
    let live = live.unwrap_or(&empty);
    let mut wish = wish.clone();
    crate::objects::meta::metadata(&mut wish).remove("managedFields");
    let mut managers = managers_before(live, schema, writer);
    let before = managers.get(writer).cloned().unwrap_or_default();
    managers.set(writer, owned_by(writer, FieldSet::managed(&wish, schema)));

    let mut object = merge::merge(live, &wish, schema);
    let given_up = before.with_parents(schema).difference(&managers.all().with_parents(schema));
    merge::remove(&mut object, &given_up, schema);

    let changed = merge::changed(live, &object, schema);
    let conflicts = conflicts(&managers, writer, &changed);
    if !conflicts.is_empty() && !is_forced {
        return Err(conflicts);
    }
    let gone = FieldSet::of(live, schema).difference(&FieldSet::of(&object, schema));
    managers.take_from_others(writer, &changed.union(&gone));
    managers.write_to(&mut object);
    Ok(object)
}

/// Notes in `new` who owns what after a write that is no apply: the writer has whatever it changed.
pub(crate) fn track(live: Option<&Value>, new: &mut Value, schema: &Schema, writer: &Writer) {
    let empty = Value::Object(serde_json::Map::new());
    let is_reset = new["metadata"]["managedFields"].as_array().is_some_and(|list| match &list[..] {
        [only] => only == &serde_json::json!({}),
        list => list.is_empty(),
    });
    let from_request = new["metadata"].get("managedFields").is_some();
    let mut managers = if is_reset {
        Managers::default()
    } else {
        Managers::of(if from_request { new } else { live.unwrap_or(&empty) })
    };
    let live = live.unwrap_or(&empty);
    let mut changed = merge::changed(live, new, schema);
    changed.forget_unmanaged();
    let changed = owned_by(writer, changed);
    let gone = FieldSet::of(live, schema).difference(&FieldSet::of(new, schema));
    if !is_reset {
        let own = managers.get(writer).cloned().unwrap_or_default();
        managers.set(writer, own.difference(&gone).union(&changed));
        managers.take_from_others(writer, &changed.union(&gone));
    }
    managers.write_to(new);
}

/// The owners of an object; what nobody is known to own belongs to whoever wrote it before.
fn managers_before(live: &Value, schema: &Schema, writer: &Writer) -> Managers {
    let mut managers = Managers::of(live);
    if managers.0.is_empty() && live.as_object().is_some_and(|live| !live.is_empty()) {
        let nobody = Writer {
            manager: BEFORE_FIRST_APPLY.to_owned(),
            operation: Operation::Update,
            subresource: String::new(),
            api_version: writer.api_version.clone(),
        };
        managers.set(&nobody, FieldSet::managed(live, schema));
    }
    managers
}

/// A write of the object owns nothing of its status, and one of the status nothing else.
fn owned_by(writer: &Writer, mut fields: FieldSet) -> FieldSet {
    match writer.subresource.as_str() {
        "status" => fields.retain_top(|name| name == "status"),
        "scale" => fields.retain_top(|name| name == "spec"),
        _ => fields.retain_top(|name| name != "status"),
    }
    fields
}

fn conflicts(managers: &Managers, writer: &Writer, changed: &FieldSet) -> Vec<Conflict> {
    let others = managers.0.iter().filter(|owned| owned.writer != *writer);
    others
        .flat_map(|owned| {
            let paths = owned.fields.intersection(changed).paths();
            paths.into_iter().map(|path| Conflict {
                owner: owned.writer.clone(),
                since: owned.since.clone(),
                path,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
