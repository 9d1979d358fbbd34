//! What differs between two states of an object, field by field.
//!
//! Both sides come from the API server (the live object, and what a dry run says it would become), so defaults are on both and do not show
//! up. What the server keeps for itself and the status are left out. Values of a Secret are never shown: only that they differ.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use windlass_core::object::ObjectView;

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Where: `spec.template.spec.containers[postgres].image`. A list item is named by its key where its list has one, else by its place;
    /// a key that holds other characters than letters, digits, `-` and `_` stands in brackets too (`data[init.sql]`).
    pub path: String,
    /// What it is.
    pub old: FieldValue,
    /// What it would be.
    pub new: FieldValue,
}

/// One side of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldValue {
    /// The field is not there.
    Absent,
    /// It is there and secret.
    Hidden,
    /// It is this.
    Is(Value),
}

impl FieldValue {
    fn of(value: Option<&Value>) -> FieldValue {
        value.map_or(FieldValue::Absent, |value| FieldValue::Is(value.clone()))
    }

    fn hidden(value: Option<&Value>) -> FieldValue {
        value.map_or(FieldValue::Absent, |_| FieldValue::Hidden)
    }
}

/// On one line and not longer than a line: `` `1Gi` ``, `nothing`, `a secret value`.
impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 60;
        let text = match self {
            FieldValue::Absent => return f.write_str("nothing"),
            FieldValue::Hidden => return f.write_str("a secret value"),
            FieldValue::Is(Value::String(text)) => text.replace('\n', "⏎"),
            FieldValue::Is(value) => value.to_string(),
        };
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => write!(f, "`{}…`", &text[..end]),
            None => write!(f, "`{text}`"),
        }
    }
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {} and would be {}", self.path, self.old, self.new)
    }
}

/// Fields of `metadata` that the API server keeps; they say nothing about what was wanted.
const KEPT_BY_SERVER: [&str; 8] = [
    "managedFields",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "uid",
    "selfLink",
];

/// The fields by which the items of a list of objects are told apart, the first that fits: present in every item and different in each.
/// These are the merge keys of the Kubernetes API (`x-kubernetes-list-map-keys`), which a client without the schema can only try.
const ITEM_KEYS: [&str; 8] =
    ["name", "mountPath", "devicePath", "containerPort", "port", "type", "topologyKey", "ip"];

/// What differs between an object as it is and as it would be, in the order of the fields.
pub fn diff(live: &Value, would: &Value) -> Vec<FieldChange> {
    let mut walk =
        Walk { mode: Mode::Whole, is_secret: is_secret(live) || is_secret(would), found: Vec::new() };
    walk.object(live, would);
    walk.found
}

/// The fields that a manifest sets under `fields` and that differ in the live object: what an answer "this field is immutable" is about.
/// Fields of a live object that the manifest does not set are defaults and left out. `but` names members of the field that may change.
pub(crate) fn differing(live: &Value, wanted: &Value, fields: &[String], but: &[String]) -> Vec<FieldChange> {
    let mut walk =
        Walk { mode: Mode::Wanted, is_secret: is_secret(live) || is_secret(wanted), found: Vec::new() };
    for field in fields.iter().collect::<BTreeSet<_>>() {
        // A Service holds its address twice; manifests set the first.
        let field = field.strip_prefix("spec.clusterIPs").map_or(field.as_str(), |_| "spec.clusterIP");
        let (live, wanted) = (find(live, field), find(wanted, field));
        match (live, wanted) {
            (Some(Value::Object(live)), Some(Value::Object(wanted))) => {
                let may_change = |key: &String| but.contains(key);
                let wanted: Map<String, Value> = wanted
                    .iter()
                    .filter(|(key, _)| !may_change(key))
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect();
                walk.map(field, live, &wanted);
            }
            (live, wanted) => walk.value(field, live, wanted),
        }
    }
    walk.found
}

pub(crate) fn is_secret(object: &Value) -> bool {
    let view = ObjectView::new(object);
    view.kind() == "Secret" && view.group().is_empty()
}

/// The value at a field as the API server writes it: `spec.ports[0].port`, `data[.dockerconfigjson]`.
fn find<'a>(object: &'a Value, field: &str) -> Option<&'a Value> {
    let mut here = object;
    let mut rest = field;
    while !rest.is_empty() {
        if let Some(bracketed) = rest.strip_prefix('[') {
            let (key, after) = bracketed.split_once(']')?;
            here = match here {
                Value::Array(items) => items.get(key.parse::<usize>().ok()?)?,
                _ => here.get(key)?,
            };
            rest = after.strip_prefix('.').unwrap_or(after);
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            here = here.get(&rest[..end])?;
            rest = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
        }
    }
    Some(here)
}

/// Whether what only the old side has counts as a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Whole,
    Wanted,
}

struct Walk {
    mode: Mode,
    is_secret: bool,
    found: Vec<FieldChange>,
}

impl Walk {
    fn object(&mut self, old: &Value, new: &Value) {
        let empty = Map::new();
        let old = old.as_object().unwrap_or(&empty);
        let new = new.as_object().unwrap_or(&empty);
        for key in keys(old, new).filter(|key| *key != "status") {
            match key.as_str() {
                "metadata" => self.metadata(old.get(key), new.get(key)),
                "data" | "stringData" if self.is_secret => self.hidden(key, old.get(key), new.get(key)),
                _ => self.value(key, old.get(key), new.get(key)),
            }
        }
    }

    fn metadata(&mut self, old: Option<&Value>, new: Option<&Value>) {
        let own = |metadata: Option<&Value>| -> Map<String, Value> {
            let fields = metadata.and_then(Value::as_object).into_iter().flatten();
            fields
                .filter(|(key, _)| !KEPT_BY_SERVER.contains(&key.as_str()))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        };
        self.map("metadata", &own(old), &own(new));
    }

    /// The values of a Secret: which keys differ, and no value.
    fn hidden(&mut self, path: &str, old: Option<&Value>, new: Option<&Value>) {
        let empty = Map::new();
        let old = old.and_then(Value::as_object).unwrap_or(&empty);
        let new = new.and_then(Value::as_object).unwrap_or(&empty);
        for key in keys(old, new).filter(|key| old.get(*key) != new.get(*key)) {
            self.found.push(FieldChange {
                path: member(path, key),
                old: FieldValue::hidden(old.get(key)),
                new: FieldValue::hidden(new.get(key)),
            });
        }
    }

    fn value(&mut self, path: &str, old: Option<&Value>, new: Option<&Value>) {
        let present = |value: Option<&'_ Value>| value.is_some_and(|value| !value.is_null());
        match (old, new) {
            (old, new) if old == new || !(present(old) || present(new)) => {}
            (Some(Value::Object(old)), Some(Value::Object(new))) => self.map(path, old, new),
            (Some(Value::Array(old)), Some(Value::Array(new))) => self.list(path, old, new),
            // The configuration that `kubectl apply` leaves in an annotation repeats the whole object.
            (old, new) if self.is_secret => self.found.push(FieldChange {
                path: path.to_owned(),
                old: FieldValue::hidden(old),
                new: FieldValue::hidden(new),
            }),
            (old, new) => self.found.push(FieldChange {
                path: path.to_owned(),
                old: FieldValue::of(old),
                new: FieldValue::of(new),
            }),
        }
    }

    fn map(&mut self, path: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        for key in keys(old, new) {
            if self.mode == Mode::Whole || new.contains_key(key) {
                self.value(&member(path, key), old.get(key), new.get(key));
            }
        }
    }

    fn list(&mut self, path: &str, old: &[Value], new: &[Value]) {
        if let Some(key) = item_key(old, new) {
            for name in item_names(old, new, key) {
                let item = |list: &'_ [Value]| {
                    list.iter().position(|item| item_name(item, key).as_ref() == Some(&name))
                };
                let (old, new) = (item(old).map(|at| &old[at]), item(new).map(|at| &new[at]));
                self.value(&format!("{path}[{name}]"), old, new);
            }
            // The items are the same, and only their order differs: env values may refer to earlier ones.
            if self.found.iter().all(|change| !change.path.starts_with(path)) && self.mode == Mode::Whole {
                self.order(path, old, new, key);
            }
        } else if old.iter().chain(new).all(|item| !item.is_object()) {
            self.found.push(FieldChange {
                path: path.to_owned(),
                old: FieldValue::Is(Value::Array(old.to_vec())),
                new: FieldValue::Is(Value::Array(new.to_vec())),
            });
        } else {
            for index in 0..old.len().max(new.len()) {
                self.value(&format!("{path}[{index}]"), old.get(index), new.get(index));
            }
        }
    }

    fn order(&mut self, path: &str, old: &[Value], new: &[Value], key: &str) {
        let names =
            |list: &[Value]| list.iter().filter_map(|item| item_name(item, key)).map(Value::String).collect();
        self.found.push(FieldChange {
            path: path.to_owned(),
            old: FieldValue::Is(Value::Array(names(old))),
            new: FieldValue::Is(Value::Array(names(new))),
        });
    }
}

/// The keys of both maps: those of the new one in its order, then what only the old one has.
fn keys<'a>(old: &'a Map<String, Value>, new: &'a Map<String, Value>) -> impl Iterator<Item = &'a String> {
    new.keys().chain(old.keys().filter(|key| !new.contains_key(*key)))
}

pub(crate) fn member(path: &str, key: &str) -> String {
    let is_plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if is_plain && !key.is_empty() { format!("{path}.{key}") } else { format!("{path}[{key}]") }
}

fn item_key(old: &[Value], new: &[Value]) -> Option<&'static str> {
    let tells_apart = |list: &[Value], key: &str| {
        let names: Option<BTreeSet<String>> = list.iter().map(|item| item_name(item, key)).collect();
        names.is_some_and(|names| names.len() == list.len())
    };
    ITEM_KEYS.into_iter().find(|key| tells_apart(old, key) && tells_apart(new, key))
}

fn item_name(item: &Value, key: &str) -> Option<String> {
    match item.get(key)? {
        Value::String(name) => Some(name.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn item_names(old: &[Value], new: &[Value], key: &str) -> Vec<String> {
    let mut names: Vec<String> = new.iter().filter_map(|item| item_name(item, key)).collect();
    let gone: Vec<String> =
        old.iter().filter_map(|item| item_name(item, key)).filter(|name| !names.contains(name)).collect();
    names.extend(gone);
    names
}

#[cfg(test)]
mod tests;
