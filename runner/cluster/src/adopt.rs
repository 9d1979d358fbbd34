//! Taking objects over from `kubectl apply`.
//!
//! An object that `kubectl apply` made is owned by `kubectl`, field by field. Applying it as another manager makes both of them owners, and a
//! field that later leaves the release would stay for good, because `kubectl` never lets go of it. So when windlass applies such an object for
//! the first time it takes `kubectl`'s place: the entries of `metadata.managedFields` that came from `kubectl apply` become its own, and the
//! apply that follows removes what the release does not hold, as `kubectl apply` itself would have.
//!
//! Entries of people (`kubectl edit`, `kubectl scale`) and of controllers are left as they are.

use serde_json::{Map, Value, json};
use windlass_core::object::ObjectView;

use crate::diff::{FieldChange, FieldValue, is_secret, member};
use crate::plan::FIELD_MANAGER;

/// Where `kubectl apply` notes the whole object. It goes with its owner, which is no news.
const LAST_APPLIED: &str = "f:kubectl.kubernetes.io/last-applied-configuration";

/// The managers and operations of `kubectl apply`, without and with `--server-side`.
const KUBECTL_APPLY: [(&str, &str); 2] = [("kubectl-client-side-apply", "Update"), ("kubectl", "Apply")];

/// The `managedFields` of an object once windlass has taken the place of `kubectl apply`; none where there is nothing to take.
pub(crate) fn taken_over(live: &Value) -> Option<Vec<Value>> {
    let entries = ObjectView::new(live).list("/metadata/managedFields");
    let (theirs, others): (Vec<&Value>, Vec<&Value>) =
        entries.iter().partition(|entry| is_kubectl_apply(entry));
    if theirs.is_empty() || others.iter().any(|entry| is_own(entry)) {
        return None;
    }
    let mut own = theirs[0].clone();
    own["manager"] = FIELD_MANAGER.into();
    own["operation"] = "Apply".into();
    own["fieldsV1"] = union(&theirs);
    Some(others.into_iter().cloned().chain([own]).collect())
}

/// The request that stores them, if the object is still as it was read.
pub(crate) fn patch(live: &Value, managed_fields: &[Value]) -> Value {
    let version = ObjectView::new(live).text("/metadata/resourceVersion");
    json!({"metadata": {"resourceVersion": version, "managedFields": managed_fields}})
}

/// The fields that go because `kubectl` owns them and the release does not hold them. `would` is what an apply beside `kubectl` answers.
pub(crate) fn left_behind(live: &Value, would: &Value) -> Vec<FieldChange> {
    let entries = ObjectView::new(live).list("/metadata/managedFields");
    let theirs: Vec<&Value> = entries.iter().filter(|entry| is_kubectl_apply(entry)).collect();
    let ours = ObjectView::new(would).list("/metadata/managedFields").iter().find(|entry| is_own(entry));
    let nothing = json!({});
    let mut walk = Walk { is_secret: is_secret(live), found: Vec::new() };
    walk.fields("", &union(&theirs), ours.map_or(&nothing, |entry| &entry["fieldsV1"]), live);
    walk.found
}

fn is_kubectl_apply(entry: &Value) -> bool {
    let view = ObjectView::new(entry);
    let manager = (view.text("/manager").unwrap_or_default(), view.text("/operation").unwrap_or_default());
    KUBECTL_APPLY.contains(&manager) && view.text("/subresource").is_none()
}

pub(crate) fn is_own(entry: &Value) -> bool {
    let view = ObjectView::new(entry);
    view.text("/manager") == Some(FIELD_MANAGER) && view.text("/operation") == Some("Apply")
}

/// All fields of several entries. Sets of fields are maps of maps.
fn union(entries: &[&Value]) -> Value {
    let mut fields = Map::new();
    for entry in entries {
        add(&mut fields, &entry["fieldsV1"]);
    }
    Value::Object(fields)
}

fn add(fields: &mut Map<String, Value>, more: &Value) {
    for (key, below) in more.as_object().into_iter().flatten() {
        if let Value::Object(fields) = fields.entry(key.clone()).or_insert_with(|| json!({})) {
            add(fields, below);
        }
    }
}

struct Walk {
    is_secret: bool,
    found: Vec<FieldChange>,
}

impl Walk {
    /// Follows the fields of one set that another does not have.
    fn fields(&mut self, path: &str, theirs: &Value, ours: &Value, live: &Value) {
        for (key, below) in theirs
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, _)| !matches!(key.as_str(), "." | LAST_APPLIED))
        {
            let Some((path, value)) = step(path, key, live) else { continue };
            // A list item goes as a whole; a map only with the last of its members, so these are told.
            let is_whole = below.as_object().is_none_or(Map::is_empty) || key.starts_with("k:");
            match ours.get(key) {
                None if is_whole => {
                    self.found.push(FieldChange { path, old: self.shown(value), new: FieldValue::Absent });
                }
                ours => self.fields(&path, below, ours.unwrap_or(&Value::Null), value),
            }
        }
    }

    fn shown(&self, value: &Value) -> FieldValue {
        if self.is_secret { FieldValue::Hidden } else { FieldValue::Is(value.clone()) }
    }
}

/// One step into an object by a key of `fieldsV1` (Kubernetes API, "FieldsV1"): `f:` a field, `k:` a list item by its keys, `v:` by its value.
fn step<'a>(path: &str, key: &str, live: &'a Value) -> Option<(String, &'a Value)> {
    let (kind, name) = key.split_once(':')?;
    match kind {
        "f" if path.is_empty() => Some((name.to_owned(), live.get(name)?)),
        "f" => Some((member(path, name), live.get(name)?)),
        "k" => {
            let keys: Map<String, Value> = serde_json::from_str(name).ok()?;
            let is_it = |item: &&Value| keys.iter().all(|(key, value)| item.get(key) == Some(value));
            let item = live.as_array()?.iter().find(is_it)?;
            let shown = keys.get("name").or_else(|| keys.values().next())?;
            Some((
                format!("{path}[{}]", shown.as_str().map_or_else(|| shown.to_string(), str::to_owned)),
                item,
            ))
        }
        "v" => {
            let value: Value = serde_json::from_str(name).ok()?;
            let item = live.as_array()?.iter().find(|item| **item == value)?;
            Some((format!("{path}[{}]", value.as_str().unwrap_or(name)), item))
        }
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "literals of JSON read best where they are used")]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    fn object(entries: Vec<Value>) -> Value {
        json!({"kind": "ConfigMap", "metadata": {"resourceVersion": "7", "managedFields": entries},
            "data": {"a": "1", "b": "2"}, "list": [{"name": "x", "v": 1}, {"name": "y", "v": 2}]})
    }

    #[test]
    fn entries_of_kubectl_apply_become_one_of_ours() {
        let live = object(vec![
            entry("kubectl-client-side-apply", "Update", json!({"f:data": {".": {}, "f:a": {}}})),
            entry("kubectl-edit", "Update", json!({"f:data": {"f:c": {}}})),
            entry("kubectl", "Apply", json!({"f:data": {"f:b": {}}})),
        ]);
        let taken = taken_over(&live).unwrap();
        let managers: Vec<&str> = taken.iter().map(|entry| entry["manager"].as_str().unwrap()).collect();
        assert_eq!(managers, ["kubectl-edit", "windlass"]);
        assert_eq!(taken[1]["fieldsV1"], json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}}));
        assert_eq!(taken[1]["operation"], "Apply");
        assert_eq!(patch(&live, &taken)["metadata"]["resourceVersion"], "7");
    }

    #[test]
    fn an_object_of_ours_is_not_taken_again() {
        let live = object(vec![
            entry("windlass", "Apply", json!({})),
            entry("kubectl", "Apply", json!({"f:data": {"f:b": {}}})),
        ]);
        assert_eq!(taken_over(&live), None);
        assert_eq!(taken_over(&object(vec![entry("kubectl-edit", "Update", json!({}))])), None);
    }

    #[test]
    fn what_goes_is_named_where_it_begins() {
        let theirs = json!({"f:data": {".": {}, "f:a": {}, "f:b": {}},
            "f:list": {"k:{\"name\":\"x\"}": {".": {}, "f:v": {}}, "k:{\"name\":\"y\"}": {".": {}, "f:v": {}}}});
        let ours =
            json!({"f:data": {"f:a": {}}, "f:list": {"k:{\"name\":\"x\"}": {"f:name": {}, "f:v": {}}}});
        let live = object(vec![entry("kubectl-client-side-apply", "Update", theirs)]);
        let would = object(vec![entry("windlass", "Apply", ours)]);
        let lines: Vec<String> = left_behind(&live, &would).iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "`data.b` is `2` and would be nothing",
                r#"`list[y]` is `{"name":"y","v":2}` and would be nothing"#
            ]
        );
    }
}
