//! `metadata`: what the store reads of it, and what it fills in.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Builder;

use super::kinds::{Kind, NAMESPACE, POD};

/// How long a generated suffix is, and of which letters: none that make words or are taken for each other.
const SUFFIX_LENGTH: usize = 5;
const SUFFIX_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A text of the metadata; empty where there is none.
pub(crate) fn text<'o>(object: &'o Value, field: &str) -> &'o str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// The metadata, which is made where there is none.
pub(crate) fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    let map = object.as_object_mut().expect("an object of the API is a JSON object");
    let metadata = map.entry("metadata").or_insert_with(|| json!({}));
    if !metadata.is_object() {
        *metadata = json!({});
    }
    metadata.as_object_mut().expect("it is one now")
}

/// Moments of the API are whole seconds.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(crate) fn now() -> String {
    moment(Timestamp::now())
}

/// A name from `generateName`, as the API server makes one when the name is left out.
pub(crate) fn generate_name(object: &mut Value) {
    if !text(object, "name").is_empty() || text(object, "generateName").is_empty() {
        return;
    }
    let name = format!("{}{}", text(object, "generateName"), suffix());
    metadata(object).insert("name".to_owned(), name.into());
}

fn suffix() -> String {
    let letter = |byte: u8| char::from(SUFFIX_LETTERS[usize::from(byte) % SUFFIX_LETTERS.len()]);
    random::<SUFFIX_LENGTH>().map(letter).iter().collect()
}

/// A random (version 4) UUID.
pub(crate) fn new_uid() -> String {
    Builder::from_random_bytes(random()).into_uuid().to_string()
}

pub(crate) fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// Gives a new object what only the server gives: kind, identity, time and generation.
pub(crate) fn stamp_new(kind: &Kind, object: &mut Value) {
    generate_name(object);
    object["apiVersion"] = kind.api_version().into();
    object["kind"] = kind.kind.as_ref().into();
    let metadata = metadata(object);
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"] {
        metadata.remove(field);
    }
    if !kind.is_namespaced() {
        metadata.remove("namespace");
    }
    metadata.insert("uid".to_owned(), new_uid().into());
    metadata.insert("creationTimestamp".to_owned(), now().into());
    if kind.counts_generations {
        metadata.insert("generation".to_owned(), 1.into());
    }
}

/// Keeps what no writer may change, and counts the generation where the wish has changed.
pub(crate) fn stamp_next(kind: &Kind, old: &Value, new: &mut Value) {
    const KEPT: [&str; 7] = [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
    ];
    new["apiVersion"] = kind.api_version().into();
    new["kind"] = kind.kind.as_ref().into();
    let is_new_wish = kind.counts_generations && wish(old) != wish(new) && !is_binding(kind, old, new);
    let metadata = metadata(new);
    for field in KEPT {
        match old["metadata"].get(field) {
            Some(value) => metadata.insert(field.to_owned(), value.clone()),
            None => metadata.remove(field),
        };
    }
    if is_new_wish {
        metadata.insert("generation".to_owned(), (generation(old) + 1).into());
    }
}

/// Whether a pod is only given its node: that is the cluster's answer to a wish, and counts for none.
fn is_binding(kind: &Kind, old: &Value, new: &Value) -> bool {
    if kind != &POD || old["spec"]["nodeName"].is_string() || !new["spec"]["nodeName"].is_string() {
        return false;
    }
    let mut bound = old["spec"].clone();
    bound["nodeName"] = new["spec"]["nodeName"].clone();
    bound == new["spec"]
}

pub(crate) fn generation(object: &Value) -> i64 {
    object["metadata"]["generation"].as_i64().unwrap_or_default()
}

/// All that a writer wishes: everything but what the object is called and how it is.
fn wish(object: &Value) -> Vec<(&String, &Value)> {
    let fields = object.as_object().into_iter().flatten();
    let mut fields: Vec<_> = fields
        .filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "status"))
        .collect();
    fields.sort_by_key(|(name, _)| *name);
    fields
}

/// Whether an object is marked for deletion and nothing holds it any more.
pub(crate) fn is_over(kind: &Kind, object: &Value) -> bool {
    let metadata = &object["metadata"];
    let waits_for_kubelet = kind == &POD && metadata["deletionGracePeriodSeconds"].as_i64() != Some(0);
    !text(object, "deletionTimestamp").is_empty() && !is_held(kind, object) && !waits_for_kubelet
}

/// Whether finalizers keep an object from going.
pub(crate) fn is_held(kind: &Kind, object: &Value) -> bool {
    let has_any = |list: &Value| list.as_array().is_some_and(|list| !list.is_empty());
    has_any(&object["metadata"]["finalizers"]) || kind == &NAMESPACE && has_any(&object["spec"]["finalizers"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::kinds::DEPLOYMENT;

    #[test]
    fn a_name_is_generated_only_where_none_is_given() {
        let mut given = json!({"metadata": {"name": "a", "generateName": "b-"}});
        generate_name(&mut given);
        assert_eq!(text(&given, "name"), "a");
        let mut generated = json!({"metadata": {"generateName": "b-"}});
        generate_name(&mut generated);
        assert_eq!(text(&generated, "name").len(), "b-".len() + SUFFIX_LENGTH);
    }

    #[test]
    fn only_a_changed_wish_counts() {
        let old = json!({"metadata": {"generation": 4}, "spec": {"replicas": 1}, "status": {"replicas": 0}});
        let check = |change: fn(&mut Value), expect: i64| {
            let mut new = old.clone();
            change(&mut new);
            stamp_next(&DEPLOYMENT, &old, &mut new);
            assert_eq!(generation(&new), expect);
        };
        check(|new| new["spec"]["replicas"] = 2.into(), 5);
        check(|new| new["status"]["replicas"] = 1.into(), 4);
        check(|new| new["metadata"]["labels"] = json!({"a": "b"}), 4);
        check(|new| new["metadata"]["generation"] = 9.into(), 4);
    }

    #[test]
    fn binding_a_pod_to_a_node_is_no_new_wish() {
        let old = json!({"metadata": {"generation": 1}, "spec": {"containers": []}});
        let bound = json!({"metadata": {}, "spec": {"containers": [], "nodeName": "node-0"}});
        let mut new = bound.clone();
        stamp_next(&POD, &old, &mut new);
        assert_eq!(generation(&new), 1);
        let mut changed = bound;
        changed["spec"]["containers"] = json!([{"name": "main"}]);
        stamp_next(&POD, &old, &mut changed);
        assert_eq!(generation(&changed), 2);
    }

    #[test]
    fn what_identifies_an_object_cannot_be_changed() {
        let old = json!({"metadata": {"name": "a", "uid": "1"}});
        let mut new = json!({"metadata": {"name": "b", "uid": "2", "deletionTimestamp": "now"}});
        stamp_next(&DEPLOYMENT, &old, &mut new);
        assert_eq!(new["metadata"], json!({"name": "a", "uid": "1"}));
    }
}
